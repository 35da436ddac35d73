"""Read networks in the General Modeling Network Specification (github.com/zephyr-data-specs/GMNS), 0.9x.

A folder or zip file with ``node.csv`` and ``link.csv``; ``config.csv``, ``zone.csv``, ``use_group.csv`` and
``demand.csv`` (o_zone_id, d_zone_id, volume) where they are there. Capacity is that of a lane. Units of length and
speed stand in ``config.csv`` or are given; they are never guessed. Beyond the specification, columns that
path4gmns and DTALite use are read where they are there: ``VDF_alpha1``, ``VDF_beta1``, ``VDF_fftt1`` [min], in any case and
with or without the 1; and three of our own, ``preload_pcuh``, ``fixed_cost_s`` and ``mean_lanes`` (where lanes are no
whole number; ``lanes`` times ``capacity`` is the link's capacity all the same).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.networks.cities.csv_files import Columns, as_number, read_text
from transport_abm.networks.city import F64, I32
from transport_abm.networks.formats.reading import LENGTH_M, SPEED_KMH, Reading, counted, unit
from transport_abm.networks.formats.road_file import (
    BPR_POWER,
    BPR_SCALE,
    RoadFile,
    join_zone_nodes,
    stop_at,
)
from transport_abm.networks.roads.road_problem import RoadProblem
from transport_abm.networks.transit.gtfs_files import read_zip

TABLES: dict[str, tuple[str, ...]] = {
    "node.csv": ("node_id", "x_coord", "y_coord"),
    "link.csv": ("link_id", "from_node_id", "to_node_id", "length", "free_speed", "capacity", "lanes"),
    "config.csv": (),
    "zone.csv": ("zone_id",),
    "use_group.csv": ("use_group", "uses"),
    "demand.csv": ("o_zone_id", "d_zone_id", "volume"),
}
"""Tables that are read, with the columns each must have."""
CAR_USES = frozenset({"auto", "car", "all", "drive", "sov", "motor_vehicle"})
"""Words of ``allowed_uses`` that let a private car in; a link without the field is open to all."""
CENTROID = "centroid"
"""``node_type`` of a node that carries no through traffic."""
MOST_ZONES = 20_000
"""Zones for which a table of all pairs fits in memory."""
LONGEST_CELL = 131_072
"""Characters of a cell: shapes of links and zones are long."""
REVERSE = " (reverse)"
_TRUE, _FALSE = frozenset({"true", "1", "t", "yes"}), frozenset({"false", "0", "f", "no"})
_EMPTY = frozenset({"", "nan"})


def read_gmns(path: Path, reading: Reading | None = None, demand_csv: Path | None = None) -> RoadFile:
    """Read a GMNS network.

    Parameters
    ----------
    path
        Folder or zip file.
    reading
        Units that ``config.csv`` does not give, and what a toll costs [s per unit of currency].
    demand_csv
        Demand that stands elsewhere; it takes the place of the folder's.

    Returns
    -------
    RoadFile
        Links in the order of the file; the other direction of undirected links follows all of them. Centroids carry
        no through traffic. Where some zone has several nodes, each has one that its trips begin and end at: its
        centroids, taken as one, or else a node of its own; connectors without time join it to its ordinary nodes.

    Raises
    ------
    NetworkError
        If a table is missing, cut short or malformed, a unit is not given, an id is used twice or unknown, or a link
        that is open to cars has no length, speed, capacity or lanes. Every fault names its table and row.
    """
    reading = reading or Reading()
    faults: list[Fault | str] = []
    notes: list[str] = []
    tables = _tables(Path(path), faults, notes, demand_csv)
    if len(faults) > sum(len(table.missing) for table in tables.values()):
        stop_at(faults)
    # Of a table that only lacks columns, the others are looked at too: all faults are told at once.
    node, link = tables["node.csv"], tables["link.csv"]
    length_m, speed_kmh, crs = _units(tables, reading, faults)
    node_row = _rows_by_id(node, "node_id", faults)
    _rows_by_id(link, "link_id", faults)
    x, y = _column(node, "x_coord", -1e12, 1e12, faults), _column(node, "y_coord", -1e12, 1e12, faults)
    tail, head = (_ends(link, name, node_row, faults) for name in ("from_node_id", "to_node_id"))
    both = _undirected(link, faults, notes)
    parts = _link_columns(link, tables.get("use_group.csv"), (length_m, speed_kmh), reading, faults, notes)
    zone_name, zone, zone_place = _zones(node, tables.get("zone.csv"), faults, notes)
    demand = _demand(tables.get("demand.csv"), zone_name, faults, notes)
    stop_at(faults)

    row = np.concatenate([np.arange(link.rows), np.flatnonzero(both)])
    back = np.arange(len(row)) >= link.rows
    problem = RoadProblem(
        tail=np.where(back, head[row], tail[row]).astype(np.int32),
        head=np.where(back, tail[row], head[row]).astype(np.int32),
        n_nodes=node.rows,
        **{name: parts[name][row] for name in _COST},
    )
    names = link.text("link_id")
    uses, facility = link.text("allowed_uses"), link.text("facility_type")
    roads = RoadFile(
        name=Path(path).name, problem=problem,
        node_name=tuple(node.text("node_id")),
        link_name=tuple(names[k] + (REVERSE if b else "") for k, b in zip(row, back, strict=True)),
        zone_name=(), zone_node=np.empty(0, np.int32),
        length_m=parts["length_m"][row], lanes=parts["lanes"][row], free_speed_kmh=parts["free_speed_kmh"][row],
        toll=parts["toll"][row], x=x, y=y, crs=crs,
        uses=tuple(uses[k] for k in row) if any(uses) else (),
        facility=tuple(facility[k] for k in row) if any(facility) else (),
        demand=demand, notes=tuple(notes),
    )  # fmt: skip
    return _with_zones(roads, node, zone_name, zone, zone_place)


_COST = ("free_time_s", "capacity_pcuh", "bpr_scale", "bpr_power", "fixed_cost_s", "preload_pcuh")


def _tables(
    path: Path, faults: list[Fault | str], notes: list[str], demand_csv: Path | None
) -> dict[str, Columns]:
    """The tables that are there, with the columns they must have."""
    texts: dict[str, str] = {}
    places = {name: path / name for name in TABLES if (path / name).is_file()}
    if demand_csv is not None:
        places["demand.csv"] = demand_csv
    if not path.is_dir():
        texts = read_zip(path, TABLES, "a GMNS folder or zip file")
    for name, place in places.items():
        try:
            texts[name] = read_text(place)
        except NetworkError as error:
            faults += error.faults
    found: list[Fault] = []
    tables = {name: Columns(name, text, TABLES[name], found, LONGEST_CELL) for name, text in texts.items()}
    for name in ("node.csv", "link.csv"):
        if name not in tables:
            if name not in places:
                faults.append(Fault(path.name, name, "a table of the network", "none"))
        elif not tables[name].rows:
            faults.append(Fault(name, "rows", "at least one", "none"))
    faults += found
    notes += [
        f"{name} does not end with a line break: its last row may be cut short"
        for name, text in texts.items()
        if text and not text.endswith(("\n", "\r"))
    ]
    return tables


def _units(
    tables: dict[str, Columns], reading: Reading, faults: list[Fault | str]
) -> tuple[float, float, str]:
    """Metres in a unit of length, km/h in a unit of speed, and the coordinate system."""
    config = tables.get("config.csv")
    given = {name: values[0] for name, values in config.column.items() if values} if config else {}
    if config and config.rows != 1:
        faults.append(Fault("config.csv", "rows", "one", str(config.rows)))
    length = reading.length_unit or given.get("long_length", "")
    speed = reading.speed_unit or given.get("speed", "")
    return (
        unit(LENGTH_M, length, "config.csv", "long_length (or --length-unit)", faults),
        unit(SPEED_KMH, speed, "config.csv", "speed (or --speed-unit)", faults),
        given.get("crs", ""),
    )


def _rows_by_id(table: Columns, name: str, faults: list[Fault | str]) -> dict[str, int]:
    """Row by id; faults for ids that are empty or used twice."""
    rows: dict[str, int] = {}
    if name in table.missing:
        return rows
    for row, text in enumerate(table.text(name)):
        if not text:
            faults.append(Fault(table.file, f"{name}, row {row + 2}", "an id", "none"))
        elif rows.setdefault(text, row) != row:
            expected = f"each id once (first in row {rows[text] + 2})"
            faults.append(Fault(table.file, f"{name}, row {row + 2}", expected, repr(text)))
    return rows


def _ends(link: Columns, name: str, node_row: dict[str, int], faults: list[Fault | str]) -> I32:
    """Rows of the nodes at one end of the links."""
    if name in link.missing or not node_row:
        return np.zeros(link.rows, np.int32)
    ends = np.array([node_row.get(text, -1) for text in link.text(name)], np.int32)
    faults += [
        Fault(link.file, f"{name}, row {row + 2}", "a node of node.csv", repr(link.text(name)[row]))
        for row in np.flatnonzero(ends < 0)
    ]
    return ends


def _column(
    table: Columns, name: str, low: float, high: float, faults: list[Fault | str], *,
    needed: NDArray[np.bool_] | None = None, default: float = 0.0, above: bool = False,
) -> F64:  # fmt: skip
    """A column of numbers; ``default`` where it is empty and not needed (needed everywhere if not given)."""
    out = np.full(table.rows, default)
    if name in table.missing:
        return out
    for row, text in enumerate(table.text(name)):
        missing = text.lower() in _EMPTY
        if missing and needed is not None and not needed[row]:
            continue
        value = as_number(text)
        if not low <= value <= high or (above and value == low):
            expected = f"a number {'above' if above else 'from'} {low:g} to {high:g}"
            faults.append(Fault(table.file, f"{name}, row {row + 2}", expected, repr(text)))
        else:
            out[row] = value
    return out


def _undirected(link: Columns, faults: list[Fault | str], notes: list[str]) -> NDArray[np.bool_]:
    """Links that are open in both directions."""
    if "directed" not in link.column:
        flag = link.text("dir_flag")
        if "dir_flag" not in link.column:
            faults.append(Fault(link.file, "directed", "a column of this name (or dir_flag)", "none"))
        notes.append("link.csv has no column directed: links with dir_flag 0 are taken as undirected")
        return np.array([text == "0" for text in flag])
    both = np.zeros(link.rows, bool)
    for row, text in enumerate(link.text("directed")):
        word = text.lower()
        if word not in _TRUE | _FALSE:
            faults.append(Fault(link.file, f"directed, row {row + 2}", "true or false", repr(text)))
        both[row] = word in _FALSE
    return both


def _link_columns(
    link: Columns, groups: Columns | None, sizes: tuple[float, float], reading: Reading,
    faults: list[Fault | str], notes: list[str],
) -> dict[str, F64]:  # fmt: skip
    """Costs and supply by row of link.csv."""
    # Lanes count those open to motor vehicles, so a link with none is closed to them.
    lanes_text = link.text("lanes")
    no_lane = np.array([_is_zero(text) for text in lanes_text], bool)
    is_open = _open_to_cars(link, groups) & ~no_lane
    if not is_open.any():
        faults.append(Fault(link.file, "allowed_uses", f"links for one of {sorted(CAR_USES)}", "none"))
    nowhere = np.zeros(link.rows, bool)
    length = _column(link, "length", 0, 1e9, faults, needed=is_open) * sizes[0]
    speed = _column(link, "free_speed", 0, 1e4, faults, needed=is_open, default=1.0, above=True) * sizes[1]
    lanes = _column(link, "lanes", 0, 1e3, faults, needed=is_open)
    mean_lanes = _column(link, "mean_lanes", 0, 1e3, faults, needed=nowhere)
    capacity = _column(link, "capacity", 0, 1e12, faults, needed=is_open, default=1.0, above=True)
    toll = _column(link, "toll", 0, 1e9, faults, needed=nowhere)
    if toll.any() and not reading.toll_factor:
        notes.append("tolls are left out of the cost: give --toll-factor")
    by_lower = {name.lower().removesuffix("1"): name for name in reversed(link.column)}
    scale, power, minutes = (by_lower.get(name, "") for name in ("vdf_alpha", "vdf_beta", "vdf_fftt"))
    if not (scale and power):
        notes.append(f"no delay function in link.csv: {BPR_SCALE:g} and {BPR_POWER:g} are used (BPR 1964)")
    free = _column(link, minutes, 0, 1e6, faults, needed=nowhere, default=-1.0) * 60.0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        free = np.where(free >= 0, free, length / speed * 3.6)
    faults += [
        Fault(
            link.file, f"free_speed, row {row + 2}", "a speed that passes the link in finite time", repr(text)
        )
        for row, text in enumerate(link.text("free_speed"))
        if is_open[row] and not np.isfinite(free[row])
    ]
    power_of = _column(link, power, 0, 100, faults, needed=nowhere, default=BPR_POWER)
    faults += [
        Fault(link.file, f"{power}, row {row + 2}", "0, or 1 or more", f"{power_of[row]:g}")
        for row in np.flatnonzero((power_of > 0) & (power_of < 1))
    ]
    fixed = _column(link, "fixed_cost_s", 0, 1e9, faults, needed=nowhere)
    if closed := int((~is_open).sum()):
        notes.append(counted(closed, "link is closed to cars", "links are closed to cars"))
    return {
        "length_m": length,
        "free_speed_kmh": speed,
        "lanes": np.where(mean_lanes > 0, mean_lanes, lanes),
        "toll": toll,
        "free_time_s": np.where(is_open, free, np.inf),
        "capacity_pcuh": np.where(is_open, capacity * lanes, 1.0),
        "bpr_scale": _column(link, scale, 0, 1e15, faults, needed=nowhere, default=BPR_SCALE),
        "bpr_power": power_of,
        "fixed_cost_s": fixed
        + reading.toll_factor * toll
        + reading.distance_factor * np.where(is_open, length, 0),
        "preload_pcuh": _column(link, "preload_pcuh", 0, 1e9, faults, needed=nowhere),
    }


def _is_zero(text: str) -> bool:
    """Whether a cell is a zero, however it is written."""
    return bool(re.fullmatch(r"[+-]?(0+(\.0*)?|\.0+)([eE][+-]?[0-9]+)?", text))


def _open_to_cars(link: Columns, groups: Columns | None) -> NDArray[np.bool_]:
    """Links whose ``allowed_uses`` let cars in."""
    car = set(CAR_USES)
    if groups is not None and groups.sound:
        car |= {
            group.lower()
            for group, uses in zip(groups.text("use_group"), groups.text("uses"), strict=True)
            if car & _words(uses)
        }
    known: dict[str, bool] = {"": True}
    return np.array(
        [known.setdefault(text, bool(car & _words(text))) for text in link.text("allowed_uses")], bool
    )


def _words(text: str) -> set[str]:
    """The words of a list of uses."""
    return {word for word in re.split(r"[,;|\s]+", text.lower()) if word}


def _zones(
    node: Columns, table: Columns | None, faults: list[Fault | str], notes: list[str]
) -> tuple[list[str], I32, I32]:
    """Names of the zones that have nodes, and pairs of zone and node."""
    zone_of = node.text("zone_id")
    names = dict.fromkeys(text for text in zone_of if text.lower() not in _EMPTY)
    if table is not None and table.sound:
        listed = _rows_by_id(table, "zone_id", faults)
        faults += [
            Fault(node.file, f"zone_id, row {row + 2}", "a zone of zone.csv", repr(text))
            for row, text in enumerate(zone_of)
            if text in names and text not in listed
        ]
        if empty := len(listed.keys() - names.keys()):
            notes.append(
                counted(
                    empty,
                    "zone of zone.csv has no node and is left out",
                    "zones of zone.csv have no node and are left out",
                )
            )
    place = {name: k for k, name in enumerate(names)}
    rows = [row for row, text in enumerate(zone_of) if text in place]
    return list(names), np.array([place[zone_of[row]] for row in rows], np.int32), np.array(rows, np.int32)


def _demand(
    table: Columns | None, zone_name: Sequence[str], faults: list[Fault | str], notes: list[str]
) -> F64 | None:
    """Trips by pair of zones; rows of one pair add up."""
    if table is None:
        return None
    volume = _column(table, "volume", 0, 1e12, faults)
    if not table.sound:
        return None
    if len(zone_name) > MOST_ZONES:
        faults.append(Fault("node.csv", "zone_id", f"at most {MOST_ZONES} zones", str(len(zone_name))))
        return None
    place = {name: k for k, name in enumerate(zone_name)}
    ends = []
    for column in ("o_zone_id", "d_zone_id"):
        rows = np.array([place.get(text, -1) for text in table.text(column)], np.int64)
        faults += [
            Fault(table.file, f"{column}, row {row + 2}", "a zone that a node names", repr(table.text(column)[row]))
            for row in np.flatnonzero(rows < 0)
        ]  # fmt: skip
        ends.append(rows)
    demand = np.zeros((len(zone_name), len(zone_name)))
    known = (ends[0] >= 0) & (ends[1] >= 0)
    np.add.at(demand, (ends[0][known], ends[1][known]), volume[known])
    notes.append("volumes of demand.csv are taken as vehicles per hour, as the capacities are")
    return demand


def _with_zones(roads: RoadFile, node: Columns, names: Sequence[str], zone: I32, place: I32) -> RoadFile:
    """Put zones on their nodes; nodes that carry no through traffic come first."""
    if not names:
        return roads
    centroid = np.array([text.lower() == CENTROID for text in node.text("node_type")], bool)
    if len(place) > len(names):
        return _with_joined_zones(roads, centroid, names, zone, place)
    order = np.argsort(~centroid, kind="stable")
    zone_node = np.empty(len(names), np.int32)
    zone_node[zone] = place
    return _in_order(
        replace(roads, zone_name=tuple(names), zone_node=zone_node), order, np.arange(len(order)), int(centroid.sum())
    )  # fmt: skip


def _with_joined_zones(
    roads: RoadFile, centroid: NDArray[np.bool_], names: Sequence[str], zone: I32, place: I32
) -> RoadFile:
    """Give each zone one node that trips begin and end at, where some have several.

    A zone's centroids are that node: its trips could get past no other one, and the trips of others past none at all.
    Only its ordinary nodes are joined by connectors.
    """
    n = len(names)
    notes = [*roads.notes]
    notes.append("zones with several nodes are joined to each without time")
    own = centroid[place]
    n_own = np.bincount(zone[own], minlength=n)
    if (n_own > 1).any():
        notes.append("several centroids of one zone are taken as one node")
    joined = join_zone_nodes(replace(roads, notes=tuple(notes)), zone[~own], place[~own], names)
    stands_for = np.arange(joined.problem.n_nodes)
    stands_for[n + place[own]] = zone[own]
    # join_zone_nodes has put a zone amid its ordinary nodes; a centroid has a name and a place of its own.
    name = list(joined.node_name)
    for z, k in zip(zone[own], place[own], strict=True):
        if n_own[z] == 1:
            name[z] = roads.node_name[k]
    at = []
    for column, whole in ((roads.x, joined.x), (roads.y, joined.y)):
        assert column is not None and whole is not None
        middle = np.bincount(zone[own], column[place[own]], n) / np.maximum(n_own, 1)
        at.append(np.concatenate([np.where(n_own > 0, middle, whole[:n]), whole[n:]]))
    carries = np.concatenate([np.zeros(n, bool), ~centroid])
    order = np.argsort(carries, kind="stable")
    order = order[stands_for[order] == order]
    named = replace(joined, node_name=tuple(name), x=at[0], y=at[1])
    return _in_order(named, order, stands_for, int((~carries[order]).sum()))


def _in_order(
    roads: RoadFile, order: NDArray[np.int64], stands_for: NDArray[np.int64], through: int
) -> RoadFile:
    """The network with its nodes in an order, each in place of those that it stands for; so many carry no traffic."""
    if roads.x is None or roads.y is None:
        raise NetworkError(Fault("node.csv", "x_coord", "coordinates", "none"))
    row = np.empty(len(stands_for), np.int32)
    row[order] = np.arange(len(order), dtype=np.int32)
    new = row[stands_for]
    problem = roads.problem
    return replace(
        roads,
        problem=replace(
            problem, tail=new[problem.tail], head=new[problem.head], n_nodes=len(order), first_through_node=through
        ),
        node_name=tuple(roads.node_name[k] for k in order), x=roads.x[order], y=roads.y[order],
        zone_node=new[roads.zone_node],
    )  # fmt: skip
