"""Write networks and link results in the General Modeling Network Specification.

``config.csv`` (kilometres, km/h), ``node.csv`` (x, y, zone, and whether it is the centroid of a zone), ``link.csv``
(capacity of a lane; shapes as well-known text), ``demand.csv`` if there is demand, ``link_performance.csv`` if there
are results. What the specification has no field for stands in columns of its own, so that ``read_gmns`` gives back the
same network: see there. The names of delay functions (``VDF_alpha1`` and so on) are those that path4gmns reads;
``VDF_cap1`` is the capacity of all lanes [pcu/h], which that tool prefers to whole numbers a lane.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.core.whole_files import whole_folder
from transport_abm.networks.city import F64
from transport_abm.networks.formats.gmns import CENTROID
from transport_abm.networks.formats.link_results import LinkResults
from transport_abm.networks.formats.road_file import RoadFile, Shapes, join_zone_nodes

VERSION = "0.96"
"""Version of the specification whose field names are used."""


def write_gmns(roads: RoadFile, folder: Path, results: LinkResults | None = None) -> None:
    """Write a network, its demand and results to a folder, completely or not at all.

    Parameters
    ----------
    roads
        Network with times in seconds, lengths in metres, lanes, speeds and coordinates.
    folder
        A new name, or an empty folder.
    results
        Results by rows of the network's links.

    Raises
    ------
    NetworkError
        If the network lacks what GMNS needs.
    StoreError
        If the folder holds something or cannot be written.
    """
    if len(set(roads.zone_node.tolist())) < roads.n_zones:
        # A node has one zone at most: zones that share a node get nodes of their own.
        zone = np.arange(roads.n_zones, dtype=np.int32)
        roads = join_zone_nodes(roads, zone, roads.zone_node, roads.zone_name)
    lanes, speed, x, y = _needed(roads)
    with whole_folder(folder) as fresh:
        _write_csv(
            fresh / "config.csv",
            ("dataset_name", "short_length", "long_length", "speed", "crs", "geometry_field_format", "currency",
             "version_number", "id_type"),
            [(roads.name, "m", "km", "km/h", roads.crs, "WKT", "", VERSION, "string")],
        )  # fmt: skip
        _write_csv(
            fresh / "node.csv", ("node_id", "x_coord", "y_coord", "node_type", "zone_id"), _nodes(roads, x, y)
        )
        _write_csv(fresh / "link.csv", _LINK, _links(roads, lanes, speed))
        if roads.zone_name:
            _write_csv(fresh / "zone.csv", ("zone_id",), ((name,) for name in roads.zone_name))
        if roads.demand is not None:
            pairs = np.argwhere(roads.demand > 0)
            rows = (
                (roads.zone_name[o], roads.zone_name[d], repr(float(roads.demand[o, d]))) for o, d in pairs
            )
            _write_csv(fresh / "demand.csv", ("o_zone_id", "d_zone_id", "volume"), rows)
        if results is not None:
            _write_csv(fresh / "link_performance.csv", _PERFORMANCE, _performance(roads, results))


_LINK = (
    "link_id", "from_node_id", "to_node_id", "directed", "length", "facility_type", "capacity", "free_speed",
    "lanes", "allowed_uses", "toll", "VDF_alpha1", "VDF_beta1", "VDF_fftt1", "VDF_cap1",
    "preload_pcuh", "fixed_cost_s", "mean_lanes", "geometry",
)  # fmt: skip
_PERFORMANCE = (
    "link_id", "from_node_id", "to_node_id", "year", "time_period", "volume", "travel_time", "speed",
)  # fmt: skip
"""``volume`` [pcu/h, or as ``flow_unit`` says], ``travel_time`` [min], ``speed`` [km/h]; ``time_period`` as hhmm_hhmm."""


def _needed(roads: RoadFile) -> tuple[F64, F64, F64, F64]:
    """What GMNS needs of a network, or what is missing."""
    columns = (roads.lanes, roads.free_speed_kmh, roads.x, roads.y)
    names = ("lanes", "free_speed_kmh", "x", "y")
    faults = [
        Fault(roads.name, name, "values, to be written as GMNS", "none")
        for name, column in zip(names, columns, strict=True)
        if column is None
    ]
    if not (roads.in_seconds and roads.in_metres):
        faults.append(Fault(roads.name, "units", "units of time and length, to be written as GMNS", "none"))
    lanes, speed, x, y = columns
    if faults or lanes is None or speed is None or x is None or y is None:
        raise NetworkError(faults)
    return lanes, speed, x, y


def _nodes(roads: RoadFile, x: F64, y: F64) -> Iterable[tuple[str, ...]]:
    """Rows of node.csv."""
    zone = {int(node): name for node, name in zip(roads.zone_node, roads.zone_name, strict=True)}
    through = roads.problem.first_through_node
    for k, name in enumerate(roads.node_name):
        kind = CENTROID if k < through else ""
        yield name, repr(float(x[k])), repr(float(y[k])), kind, zone.get(k, "")


def _links(roads: RoadFile, lanes: F64, speed: F64) -> Iterable[tuple[str, ...]]:
    """Rows of link.csv; a link closed to cars has no capacity and no time."""
    problem, is_open = roads.problem, roads.open
    nothing = ("",) * problem.n_links
    uses, facility = roads.uses or nothing, roads.facility or nothing
    toll = roads.toll if roads.toll is not None else np.zeros(problem.n_links)
    for k in range(problem.n_links):
        lane = float(lanes[k])
        # The specification has whole lanes; a road with a lane on part of its length keeps its mean beside them.
        whole = max(round(lane), 1) if is_open[k] else 0
        yield (
            roads.link_name[k], roads.node_name[problem.tail[k]], roads.node_name[problem.head[k]], "true",
            repr(float(roads.length_m[k]) / 1000.0), facility[k],
            repr(float(problem.capacity_pcuh[k]) / whole) if is_open[k] else "",
            repr(float(speed[k])), str(whole), uses[k], _amount(toll[k]),
            repr(float(problem.bpr_scale[k])), repr(float(problem.bpr_power[k])),
            repr(float(problem.free_time_s[k]) / 60.0) if is_open[k] else "",
            repr(float(problem.capacity_pcuh[k])) if is_open[k] else "",
            _amount(problem.preload_pcuh[k]), _amount(problem.fixed_cost_s[k]),
            repr(lane) if lane != whole else "", _line(roads.shapes, k),
        )  # fmt: skip


def _amount(value: float) -> str:
    """A number, or nothing where it is 0."""
    return repr(float(value)) if value else ""


def _line(shapes: Shapes | None, k: int) -> str:
    """Shape of a link as well-known text, if it has one."""
    if shapes is None or shapes.indptr[k + 1] - shapes.indptr[k] < 2:
        return ""
    part = slice(shapes.indptr[k], shapes.indptr[k + 1])
    points = zip(shapes.x[part].tolist(), shapes.y[part].tolist(), strict=True)
    return "LINESTRING (" + ", ".join(f"{x!r} {y!r}" for x, y in points) + ")"


def _performance(roads: RoadFile, results: LinkResults) -> Iterable[tuple[str, ...]]:
    """Rows of link_performance.csv."""
    rows = zip(
        results.year.tolist(), results.start_s.tolist(), results.end_s.tolist(), results.link.tolist(),
        results.flow.tolist(), results.time_s.tolist(), results.speed_kmh.tolist(), strict=True,
    )  # fmt: skip
    tail, head = roads.problem.tail, roads.problem.head
    for year, start, end, link, flow, time, speed in rows:
        yield (
            roads.link_name[link], roads.node_name[tail[link]], roads.node_name[head[link]], str(year),
            f"{_clock(start)}_{_clock(end)}", repr(flow), repr(time / 60.0), repr(speed) if speed == speed else "",
        )  # fmt: skip


def _clock(second: int) -> str:
    """Hours and minutes; beyond midnight they run on."""
    return f"{second // 3600:02d}{second // 60 % 60:02d}"


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a table."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
