"""A city as a folder: ``city.toml`` and Parquet tables, written at once and checked when read.

``city.toml`` holds the name, the projected CRS, the fares, what the city says about itself, and the SHA-256
of every table. The tables and their columns are in :mod:`transport_abm.networks.cities.city_schema`.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import shutil
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.core.parquet import ParquetTable
from transport_abm.networks.cities.city_schema import (
    OPTIONAL,
    SCHEMA,
    Column,
    Table,
    Tables,
    Values,
    city_tables,
    tables_city,
)
from transport_abm.networks.cities.table_faults import table_faults
from transport_abm.networks.city import City, Fares

FORMAT = 1
"""Version of the folder's layout."""

_TOML = "city.toml"
_MAX_TOML_BYTES = 4_000_000
_MAX_TABLE_BYTES = 2_000_000_000
_MAX_TABLE_ROWS = 100_000_000
_ARROW = {
    "text": pa.string(), "bool": pa.bool_(), "int8": pa.int8(), "int16": pa.int16(), "int32": pa.int32(),
    "int64": pa.int64(), "float32": pa.float32(), "float64": pa.float64(),
}  # fmt: skip


def write_city(city: City, folder: Path | str) -> str:
    """Write a city to a folder, completely or not at all.

    The tables are written beside the target under a temporary name, which is then renamed. An earlier city
    folder of that name is replaced; anything else of that name is left alone.

    Parameters
    ----------
    city
        The city.
    folder
        Folder to write. Its parent must exist.

    Returns
    -------
    str
        Digest of the city (see :func:`city_digest`).

    Raises
    ------
    NetworkError
        If the city has faults, or the folder exists and is not a city.
    """
    target = Path(folder).resolve()
    faults = city_faults(city) + folder_faults(target)
    if faults:
        raise NetworkError(faults)
    tables = city_tables(city)
    fresh = target.with_name(f".{target.name}.new-{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    try:
        digest = _write_into(city, tables, fresh)
        _swap(fresh, target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return digest


def folder_faults(folder: Path | str) -> list[Fault]:
    """List what keeps a city from being written to a folder.

    Parameters
    ----------
    folder
        Folder to write.

    Returns
    -------
    list[Fault]
        Faults; empty if there are none.
    """
    target, faults = Path(folder).resolve(), []
    if target.exists() and not (target / _TOML).is_file() and (not target.is_dir() or any(target.iterdir())):
        faults.append(
            Fault(target.name, "folder", "a new name, an empty folder or an earlier city", "something else")
        )
    if not target.parent.is_dir():
        faults.append(Fault(str(target.parent), "folder", "an existing folder", "none"))
    return faults


def city_faults(city: City) -> list[Fault]:
    """List what keeps a city from being written or run: types, ranges, lengths and references.

    Parameters
    ----------
    city
        The city.

    Returns
    -------
    list[Fault]
        Faults; empty if there are none.
    """
    faults = []
    for place, indptr, total in (
        ("districts.outlines", city.districts.outlines.indptr, len(city.districts.outlines.lon)),
        ("zones.outlines", city.zones.outlines.indptr, len(city.zones.outlines.lon)),
        ("roads.shape_indptr", city.roads.shape_indptr, len(city.roads.shape_lon)),
        ("transit.pattern_indptr", city.transit.pattern_indptr, len(city.transit.stop)),
        ("transit.road_indptr", city.transit.road_indptr, len(city.transit.road_link)),
    ):
        if len(indptr) < 1 or indptr[0] != 0 or indptr[-1] != total or (np.diff(indptr) < 0).any():
            faults.append(Fault(city.name, place, f"offsets rising from 0 to {total}", "other offsets"))
    if city.transit.line_headway_min.shape != (city.transit.n_lines, 4):
        got = str(city.transit.line_headway_min.shape)
        faults.append(Fault(city.name, "transit.line_headway_min", f"shape ({city.transit.n_lines}, 4)", got))
    for place, text in (("name", city.name), ("crs", city.crs)):
        if not text.strip():
            faults.append(Fault("city", place, "a text", "nothing"))
    if faults:
        return faults
    try:
        _toml_lines("meta", city.meta)
    except TypeError as error:
        faults.append(Fault("city", "meta", "texts, numbers, lists and tables", str(error)))
    return (
        faults
        + _fare_faults({field.name: getattr(city.fares, field.name) for field in fields(Fares)})[0]
        + table_faults(city_tables(city))
    )


def read_city(folder: Path | str) -> City:
    """Read a city from its folder and check it.

    Parameters
    ----------
    folder
        Folder written by :func:`write_city`.

    Returns
    -------
    City
        The city, equal to the one that was written.

    Raises
    ------
    NetworkError
        With every fault: missing files, digests, columns, types, ranges, references.
    """
    place = Path(folder)
    head, faults = _read_head(place)
    tables: dict[str, Table] = {}
    found_digests = head.get("digests", {})
    digests = found_digests if isinstance(found_digests, dict) else {}
    for file, columns in SCHEMA.items():
        if file in OPTIONAL and file not in digests and not (place / file).exists():
            continue
        table = _read_table(place / file, columns, digests.get(file), faults)
        if table is not None:
            tables[file] = table
    faults += table_faults(tables)
    found, fares = _fare_faults(head.get("fares"))
    faults += found
    if faults or fares is None:
        raise NetworkError(faults)
    meta = head.get("meta", {})
    city = tables_city(
        tables, str(head["name"]), str(head["crs"]), fares, meta if isinstance(meta, dict) else {}
    )
    digest = _content_digest(city)
    if digest != head.get("content"):
        raise NetworkError(
            Fault(_TOML, "content", f"{head.get('content')}", f"{digest} (contents were changed)")
        )
    return city


def city_digest(city: City | Path | str) -> str:
    """Return the SHA-256 of a city's contents: every array, name, fare and note.

    It does not depend on how or by which version of Parquet the tables were written.

    Parameters
    ----------
    city
        The city, or its folder.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    NetworkError
        If the folder has faults.
    """
    return _content_digest(city if isinstance(city, City) else read_city(city))


def _content_digest(city: City) -> str:
    """Hash the columns of every table and the head."""
    total = hashlib.sha256()
    for file, table in city_tables(city).items():
        for column in SCHEMA[file]:
            values = table[column.name]
            total.update(f"{file}:{column.name}:{column.kind}:{len(values)}:".encode())
            if isinstance(values, tuple):
                total.update("\x00".join(values).encode())
            else:
                total.update(np.ascontiguousarray(values).tobytes())
    total.update("\n".join(_head_lines(city)).encode())
    return total.hexdigest()


def _head_lines(city: City) -> list[str]:
    """Lines of city.toml that describe the city itself."""
    fares = {field.name: getattr(city.fares, field.name) for field in fields(Fares)}
    plain = {
        key: value.tolist() if isinstance(value, np.ndarray) else float(value) for key, value in fares.items()
    }
    head = [f"name = {_toml(city.name)}", f"crs = {_toml(city.crs)}", ""]
    return [*head, *_toml_lines("fares", plain), *_toml_lines("meta", city.meta)]


def _write_into(city: City, tables: Tables, folder: Path) -> str:
    """Write tables and city.toml into an empty folder."""
    digests = {}
    for file, table in tables.items():
        arrays = [pa.array(table[column.name], _ARROW[column.kind]) for column in SCHEMA[file]]
        sink = io.BytesIO()
        names = [column.name for column in SCHEMA[file]]
        pq.write_table(pa.table(arrays, names), sink, compression="zstd")
        digests[file] = hashlib.sha256(sink.getvalue()).hexdigest()
        _write_bytes(folder / file, sink.getvalue())
    digest = _content_digest(city)
    lines = [
        f"format = {FORMAT}",
        f"content = {_toml(digest)}",
        *_head_lines(city),
        *_toml_lines("digests", digests),
    ]
    _write_bytes(folder / _TOML, ("\n".join(lines) + "\n").encode())
    return digest


def _write_bytes(path: Path, data: bytes) -> None:
    """Write a file and see it to the disk."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _swap(fresh: Path, target: Path) -> None:
    """Put the fresh folder in the target's place."""
    old = target.with_name(f".{target.name}.old-{os.getpid()}")
    if target.exists():
        target.rename(old)
    try:
        fresh.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _toml(value: object) -> str:
    """Write one value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else {math.inf: "inf", -math.inf: "-inf"}.get(value, "nan")
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(c if c >= " " and c != "\x7f" else f"\\u{ord(c):04x}" for c in escaped) + '"'
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_toml(str(key))} = {_toml(item)}" for key, item in value.items()) + "}"
    raise TypeError(f"{type(value).__name__}")


def _toml_lines(name: str, table: Mapping[str, object]) -> list[str]:
    """Write one table as TOML."""
    return [f"[{name}]", *(f"{_toml(str(key))} = {_toml(value)}" for key, value in table.items()), ""]


def _read_bytes(path: Path, limit: int, faults: list[Fault]) -> bytes | None:
    """Read a regular file of bounded size, or report why not."""
    try:
        if not path.is_file():
            faults.append(
                Fault(path.name, "file", "a file", "nothing" if not path.exists() else "something else")
            )
            return None
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        faults.append(Fault(path.name, "file", "a readable file", type(error).__name__))
        return None
    if len(data) > limit:
        faults.append(Fault(path.name, "size", f"at most {limit} bytes", "more"))
        return None
    return data


def _read_head(folder: Path) -> tuple[dict[str, object], list[Fault]]:
    """Read city.toml."""
    faults: list[Fault] = []
    data = _read_bytes(folder / _TOML, _MAX_TOML_BYTES, faults)
    if data is None:
        raise NetworkError(faults)
    try:
        head = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise NetworkError(Fault(_TOML, "file", "TOML in UTF-8", str(error))) from None
    if head.get("format") != FORMAT:
        raise NetworkError(Fault(_TOML, "format", str(FORMAT), repr(head.get("format"))))
    for key in ("name", "crs", "content", "fares", "digests", "meta"):
        value = head.get(key)
        text = key in ("name", "crs", "content")
        if not (isinstance(value, str) and value.strip() if text else isinstance(value, dict)):
            faults += [Fault(_TOML, key, "a text" if text else "a table", repr(value)[:60])]
    return head, faults


def _read_table(path: Path, columns: Iterable[Column], digest: object, faults: list[Fault]) -> Table | None:
    """Read one Parquet table, or report why not."""
    data = _read_bytes(path, _MAX_TABLE_BYTES, faults)
    if data is None:
        return None
    found = hashlib.sha256(data).hexdigest()
    if found != digest:
        faults.append(Fault(path.name, "sha256", str(digest), found))
        return None
    try:
        file = ParquetTable(data)
        if file.n_rows > _MAX_TABLE_ROWS:
            faults.append(Fault(path.name, "rows", f"at most {_MAX_TABLE_ROWS}", str(file.n_rows)))
            return None
        wanted = [column for column in columns if column.name in file.names]
        table = file.read([column.name for column in wanted])
        result = {column.name: _values(table[column.name]) for column in wanted}
    except Exception as error:  # a hostile file may raise anything the Parquet reader knows
        faults.append(
            Fault(path.name, "file", "a Parquet table", f"{type(error).__name__}: {str(error)[:80]}")
        )
        return None
    for name, values in result.items():
        if values is None:
            faults.append(Fault(path.name, name, "no empty cells", "empty cells"))
            return None
    return {name: values for name, values in result.items() if values is not None}


def _values(column: pa.ChunkedArray) -> Values | None:
    """Take a column out of Arrow; None if it has empty cells."""
    if column.null_count:
        return None
    if pa.types.is_string(column.type):
        return tuple(column.to_pylist())
    return np.array(column.to_numpy())


def _fare_faults(table: object) -> tuple[list[Fault], Fares | None]:
    """Check the fares and build them."""
    faults: list[Fault] = []
    if not isinstance(table, Mapping):
        return faults, None
    values: dict[str, object] = {}
    for field in fields(Fares):
        value = table.get(field.name)
        is_list = field.name in ("metro_up_to_km", "metro_cny")
        try:
            array = np.asarray(value, np.float64)
        except (TypeError, ValueError):
            array = np.array(np.nan)
        if array.ndim != int(is_list) or np.isnan(array).any() or (array < 0).any() or isinstance(value, str):
            expected = "numbers of at least 0" if is_list else "a number of at least 0"
            faults.append(Fault(_TOML, f"fares.{field.name}", expected, repr(value)[:60]))
        values[field.name] = array if is_list else float(array) if array.ndim == 0 else np.nan
    if faults:
        return faults, None
    fares = Fares(**values)  # type: ignore[arg-type]
    if len(fares.metro_up_to_km) != len(fares.metro_cny):
        got = f"{len(fares.metro_up_to_km)} bands and {len(fares.metro_cny)} fares"
        faults.append(Fault(_TOML, "fares.metro_cny", "one fare for each band", got))
    if (np.diff(fares.metro_up_to_km) <= 0).any():
        faults.append(Fault(_TOML, "fares.metro_up_to_km", "ascending ends of bands", "another order"))
    if fares.bus_card_discount > 1:
        faults.append(
            Fault(_TOML, "fares.bus_card_discount", "a share, at most 1", str(fares.bus_card_discount))
        )
    for name in ("metro_step_km", "bus_step_km"):
        if getattr(fares, name) == 0:
            faults += [Fault(_TOML, f"fares.{name}", "above 0", "0")]
    return faults, None if faults else fares
