"""Everything that is wrong with the tables of a city: names, types, lengths, ranges, references."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from transport_abm.core.errors import Fault
from transport_abm.networks.cities.city_schema import COUNTED, SCHEMA, Column, Table, Tables, Values

_MAX_TEXT = 500


def table_faults(tables: Tables) -> list[Fault]:
    """List everything wrong with the tables of a city.

    Parameters
    ----------
    tables
        Columns by name, by file; a table that is absent has been reported already.

    Returns
    -------
    list[Fault]
        Faults, file by file; empty if there are none.
    """
    faults: list[Fault] = []
    rows: dict[str, int] = {}
    for file, columns in SCHEMA.items():
        if file in tables:
            faults += _shape_faults(file, tables[file], columns, rows)
    for file, columns in SCHEMA.items():
        for column in columns if file in rows else ():
            faults += _value_faults(file, column, tables[file][column.name], rows)
    return faults + list(_cross_faults(tables, rows))


def _shape_faults(
    file: str, table: Table, columns: tuple[Column, ...], rows: dict[str, int]
) -> Iterator[Fault]:
    """Yield faults of names, types and lengths; enter the number of rows of a sound table."""
    length: int | None = None
    sound = True
    for column in columns:
        values = table.get(column.name)
        if values is None:
            sound = False
            yield Fault(file, column.name, f"a column of {column.kind}", "no such column")
            continue
        kind = "text" if isinstance(values, tuple) else str(values.dtype)
        if kind != column.kind or (not isinstance(values, tuple) and values.ndim != 1):
            sound = False
            shape = "" if isinstance(values, tuple) or values.ndim == 1 else f" of {values.ndim} dimensions"
            yield Fault(file, column.name, f"a column of {column.kind}", kind + shape)
        elif length is not None and len(values) != length:
            sound = False
            yield Fault(file, column.name, f"{length} rows", f"{len(values)} rows")
        else:
            length = len(values)
    if sound and length is not None:
        rows[file] = length


def _value_faults(file: str, column: Column, values: Values, rows: Mapping[str, int]) -> Iterator[Fault]:
    """Yield faults of the values of one column."""
    if isinstance(values, tuple):
        for row, text in enumerate(values):
            if not isinstance(text, str) or len(text) > _MAX_TEXT or "\x00" in text:
                expected = f"text of at most {_MAX_TEXT} characters"
                yield Fault(file, f"{column.name}[{row}]", expected, repr(text)[:60])
                return
        return
    if column.kind == "bool" or not len(values):
        return
    real = values.astype(np.float64)
    high = column.high
    if column.refers:
        if column.refers not in rows:
            return
        high = rows[column.refers] - 1
    bad = np.isnan(real) | (real < column.low) | (real > high)
    if not column.infinite:
        bad |= np.isinf(real)
    if column.above:
        bad |= real == column.low
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        yield Fault(
            file,
            f"{column.name}[{first}]",
            _range(column, high),
            f"{values[first]} ({int(bad.sum())} such rows)",
        )


def _range(column: Column, high: float) -> str:
    """Say in words what a column may hold."""
    if column.refers:
        return f"a row of {column.refers} (0 to {high:.0f})"
    text = "a number"
    if np.isfinite(column.low):
        text += f" above {column.low:g}" if column.above else f" of at least {column.low:g}"
    if np.isfinite(high):
        text += f", at most {high:g}"
    return text if column.infinite else "finite: " + text


def _cross_faults(tables: Tables, rows: Mapping[str, int]) -> Iterator[Fault]:
    """Yield faults between columns and tables."""
    for file, column, flat in COUNTED:
        if file in rows and flat in rows:
            total = int(np.asarray(tables[file][column]).astype(np.float64).sum())
            if total != rows[flat]:
                yield Fault(flat, "rows", f"{total}, the sum of {column} in {file}", str(rows[flat]))
    if "zones.parquet" in rows:
        district = np.asarray(tables["zones.parquet"]["district"])
        if (np.diff(district) < 0).any():
            yield Fault("zones.parquet", "district", "rows grouped by district, ascending", "another order")
    for file in ("zones.parquet", "districts.parquet", "nodes.parquet"):
        if rows.get(file) == 0:
            yield Fault(file, "rows", "at least one row", "none")
    if rows.get("link_names.parquet", 0) not in (0, rows.get("links.parquet", 0)):
        yield Fault(
            "link_names.parquet",
            "rows",
            f"none or {rows.get('links.parquet')}",
            str(rows["link_names.parquet"]),
        )
    if "links.parquet" in rows:
        links = tables["links.parquet"]
        drive = np.asarray(links["drive"], bool)
        for name in ("lanes", "capacity_pcuh", "free_speed_kmh"):
            bad = drive & (np.asarray(links[name]) == 0)
            if bad.any():
                first = int(np.flatnonzero(bad)[0])
                yield Fault("links.parquet", f"{name}[{first}]", "above 0 on a link open to cars", "0")
        points = np.asarray(links["points"])
        if (points == 1).any():
            first = int(np.flatnonzero(points == 1)[0])
            yield Fault("links.parquet", f"points[{first}]", "no shape points, or at least 2", "1")
    if {"turns.parquet", "links.parquet"} <= rows.keys():
        turns, n = tables["turns.parquet"], rows["links.parquet"]
        leave, enter = np.asarray(turns["from_link"]), np.asarray(turns["to_link"])
        known = (np.minimum(leave, enter) >= 0) & (np.maximum(leave, enter) < n)
        head, tail = (np.asarray(tables["links.parquet"][name]) for name in ("head", "tail"))
        node = np.asarray(turns["node"])[known]
        bad = (head[leave[known]] != node) | (tail[enter[known]] != node)
        if bad.any():
            first = int(np.flatnonzero(known)[bad][0])
            expected = "the node where the first link ends and the second begins"
            yield Fault("turns.parquet", f"node[{first}]", expected, f"another ({int(bad.sum())} such rows)")
