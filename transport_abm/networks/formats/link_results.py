"""Flow, time and speed of links by year and part of the day, as one Parquet (or CSV) table.

| column | type | unit | meaning |
|---|---|---|---|
| year | int16 | year | simulated year |
| start_s, end_s | int32 | s | part of the day, from midnight; the night runs past 86400 |
| link | int32 | | row of the link, from 0 |
| tail, head | int32 | | rows of its nodes, from 0 |
| flow | float64 | pcu/h or vehicles/h | flow that chose its way, without buses; the column's metadata say the unit |
| time_s | float64 | s | mean time on the link |
| speed_kmh | float64 | km/h | length over time; empty where the link has no length or takes no time |

Rows are sorted by year, start and link. Links closed to cars have no rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.core.parquet import ParquetTable
from transport_abm.core.whole_files import whole_file
from transport_abm.networks.city import F64, I16, I32
from transport_abm.networks.formats.road_file import RoadFile

FORMAT = b"transport_abm link results 1"
PCUH, VEHICLESH = "pcu/h", "vehicles/h"
"""Units of flow: equilibria count passenger-car units, queues count vehicles."""
_UNITS = {"year": "year", "start_s": "s", "end_s": "s", "time_s": "s", "speed_kmh": "km/h"}
SCHEMA = pa.schema(
    [
        pa.field(name, kind, nullable=name == "speed_kmh", metadata={"unit": _UNITS.get(name, "")})
        for name, kind in (
            ("year", pa.int16()), ("start_s", pa.int32()), ("end_s", pa.int32()), ("link", pa.int32()),
            ("tail", pa.int32()), ("head", pa.int32()), ("flow", pa.float64()), ("time_s", pa.float64()),
            ("speed_kmh", pa.float64()),
        )
    ],
    metadata={"format": FORMAT},
)  # fmt: skip
"""Columns of the table, their types and units."""


@dataclass(frozen=True)
class LinkResults:
    """One row a link and part of the day; columns as in the module's table."""

    year: I16
    start_s: I32
    end_s: I32
    link: I32
    tail: I32
    head: I32
    flow: F64
    time_s: F64
    speed_kmh: F64
    """Not a number where the link has no length or takes no time; written as an empty cell."""
    flow_unit: str = PCUH

    def __len__(self) -> int:
        return len(self.link)


def build_link_results(
    tail: I32,
    head: I32,
    length_m: F64,
    bins_s: Sequence[tuple[int, int]],
    flow: F64,
    time_s: F64,
    *,
    year: int,
    flow_unit: str = PCUH,
) -> LinkResults:
    """Put results of one year into rows.

    Parameters
    ----------
    tail, head
        Nodes by link.
    length_m
        Length by link [m].
    bins_s
        Start and end of each part of the day [s]: periods, or quarters of an hour.
    flow, time_s
        Shape (parts, links); infinite times mark closed links [flow_unit], [s].
    year
        Simulated year [year].
    flow_unit
        pcu/h or vehicles/h.

    Returns
    -------
    LinkResults
        Rows of open links, sorted by start and link.

    Raises
    ------
    NetworkError
        If shapes differ, or a flow or time is negative or not a number.
    """
    shape = (len(bins_s), len(tail))
    faults = [
        Fault("link results", name, f"shape {shape}, 0 or more", f"shape {np.shape(value)} or other values")
        for name, value in (("flow", flow), ("time_s", time_s))
        if np.shape(value) != shape or not (np.asarray(value) >= 0).all()
    ]
    if faults:
        raise NetworkError(faults)
    part, link = np.nonzero(np.isfinite(time_s))
    time, length = time_s[part, link], length_m[link]
    with np.errstate(divide="ignore", invalid="ignore"):
        speed = np.where((length > 0) & (time > 0), length / time * 3.6, np.nan)
    edge = np.array(bins_s, np.int32).reshape(-1, 2)
    return LinkResults(
        np.full(len(link), year, np.int16), edge[part, 0], edge[part, 1], link.astype(np.int32),
        tail[link].astype(np.int32), head[link].astype(np.int32),
        np.asarray(flow, np.float64)[part, link], time.astype(np.float64), speed, flow_unit,
    )  # fmt: skip


def write_link_results(results: LinkResults, path: Path) -> None:
    """Write results to a file, completely or not at all.

    Parameters
    ----------
    results
        Rows.
    path
        File ending in .parquet or .csv; an earlier one is replaced.

    Raises
    ------
    NetworkError
        If the name ends otherwise.
    StoreError
        If the file cannot be written.
    """
    _write_table(_table(results), path)


def write_named_results(results: LinkResults, roads: RoadFile, path: Path) -> None:
    """Write results on a network of a file, which has names and no year, completely or not at all.

    Columns: those of the module's table without ``year``; link, tail and head as the network names them.

    Parameters
    ----------
    results
        Rows.
    roads
        Network.
    path
        File ending in .parquet or .csv; an earlier one is replaced.

    Raises
    ------
    NetworkError
        If the name ends otherwise.
    StoreError
        If the file cannot be written.
    """
    table = _table(results).remove_column(SCHEMA.get_field_index("year"))
    metadata = {key: value for key, value in table.schema.metadata.items() if key != b"format"}
    for name, named in (("link", roads.link_name), ("tail", roads.node_name), ("head", roads.node_name)):
        column = pa.array([named[k] for k in getattr(results, name).tolist()], pa.string())
        field = pa.field(name, pa.string(), nullable=False)
        table = table.set_column(table.schema.get_field_index(name), field, column)
    _write_table(table.replace_schema_metadata(metadata), path)


def write_flows(roads: RoadFile, flow_pcuh: F64, time: F64, cost: F64, path: Path) -> None:
    """Write flows of one assignment to a file, completely or not at all.

    Columns: link, tail and head as the network names them, flow, time and cost. Units stand in the metadata of the
    columns: time and cost are in seconds, or in the network file's own unit if it does not say which.

    Parameters
    ----------
    roads
        Network.
    flow_pcuh, time, cost
        By link; closed links, whose times are infinite, are left out.
    path
        File ending in .parquet or .csv; an earlier one is replaced.

    Raises
    ------
    NetworkError
        If the name ends otherwise.
    StoreError
        If the file cannot be written.
    """
    row = np.flatnonzero(np.isfinite(time))
    problem = roads.problem
    second = {"unit": "s" if roads.in_seconds else "unit of time of the network file"}
    columns = {
        "link": [roads.link_name[k] for k in row],
        "tail": [roads.node_name[k] for k in problem.tail[row]],
        "head": [roads.node_name[k] for k in problem.head[row]],
        "flow": flow_pcuh[row], "time": time[row], "cost": cost[row],
    }  # fmt: skip
    units = {"flow": {"unit": "as the capacities"}, "time": second, "cost": second}
    schema = pa.schema(
        [
            pa.field(name, pa.float64() if name in units else pa.string(), False, units.get(name))
            for name in columns
        ]
    )
    _write_table(pa.table(columns, schema=schema), path)


def table_path(path: Path) -> Path:
    """The path, if its ending names a kind of table that can be written.

    Raises
    ------
    NetworkError
        If the name does not end in .parquet or .csv.
    """
    if path.suffix.lower() not in (".parquet", ".csv"):
        raise NetworkError(Fault(path.name, "name", "an ending .parquet or .csv", path.suffix or "none"))
    return path


def _table(results: LinkResults) -> pa.Table:
    """The module's table."""
    columns = [
        pa.array(getattr(results, field.name), field.type, from_pandas=field.nullable) for field in SCHEMA
    ]
    place = SCHEMA.get_field_index("flow")
    schema = SCHEMA.set(place, SCHEMA.field(place).with_metadata({"unit": results.flow_unit}))
    return pa.Table.from_arrays(columns, schema=schema)


def _write_table(table: pa.Table, path: Path) -> None:
    """Write a table as its name ends."""
    with whole_file(table_path(path)) as fresh:
        if path.suffix.lower() == ".csv":
            pacsv.write_csv(table, fresh)
        else:
            pq.write_table(table, fresh, compression="zstd")


def read_link_results(path: Path) -> LinkResults:
    """Read a Parquet file written by :func:`write_link_results`.

    Parameters
    ----------
    path
        File.

    Returns
    -------
    LinkResults
        Its rows.

    Raises
    ------
    NetworkError
        If it is missing, cut short, or has other columns.
    """
    try:
        table = ParquetTable(path).read()
    except (OSError, pa.ArrowException) as error:
        got = f"{type(error).__name__}: {str(error)[:80]}"
        raise NetworkError(Fault(path.name, "file", "a Parquet table of link results", got)) from None
    faults = [
        Fault(path.name, field.name, f"a column of {field.type}", str(found[0].type if found else "none"))
        for field in SCHEMA
        if not (found := [item for item in table.schema if item.name == field.name])
        or found[0].type != field.type
    ]
    faults += [
        Fault(path.name, field.name, "no empty cells", f"{table.column(field.name).null_count} empty")
        for field in SCHEMA
        if not faults and not field.nullable and table.column(field.name).null_count
    ]
    if faults:
        raise NetworkError(faults)
    unit = (table.schema.field("flow").metadata or {}).get(b"unit", b"").decode()
    if unit not in (PCUH, VEHICLESH):
        raise NetworkError(Fault(path.name, "flow", f"the unit {PCUH} or {VEHICLESH}", repr(unit)))
    columns = {field.name: table.column(field.name).to_numpy() for field in SCHEMA}
    return LinkResults(**columns, flow_unit=unit)
