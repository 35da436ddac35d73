"""Read networks in the TNTP text format (Transportation Networks for Research, github.com/bstabler).

Lines ``<NAME> value`` up to ``<END OF METADATA>``, then rows of fields that end in ``;``; ``~`` comments.
Link cost: ``fft (1 + B (v / capacity) ** power) + toll_factor * toll + distance_factor * length``. Nodes are
numbered from 1 in the files and from 0 here; nodes below ``FIRST THRU NODE`` carry no through traffic.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.networks.city import F64, I32
from transport_abm.networks.formats.reading import LENGTH_M, TIME_S, Reading, unit
from transport_abm.networks.formats.road_file import RoadFile, stop_at
from transport_abm.networks.formats.tntp_rows import (
    count_of,
    half_unit,
    number_of,
    numbers_of,
    split,
    whole_last,
    without_header,
    zone_of,
)
from transport_abm.networks.roads.road_problem import RoadProblem

T = TypeVar("T")

MOST_ZONES, MOST_NODES = 20_000, 50_000_000
"""Sizes for which the tables fit in memory; a wrong figure in a file must not ask for more."""
_RANGES: tuple[tuple[int, str, str, Callable[[float], bool]], ...] = (
    (2, "capacity", "more than 0", lambda value: value > 0),
    (3, "length", "0 or more", lambda value: value >= 0),
    (4, "free flow time", "0 or more", lambda value: value >= 0),
    (5, "B", "0 or more", lambda value: value >= 0),
    (6, "power", "0, or 1 or more", lambda value: value == 0 or value >= 1),
    (8, "toll", "0 or more", lambda value: value >= 0),
)
"""Fields of a link that are bounded: place, name, expected."""
TRIP_SUM_TOLERANCE = 1e-3
"""Largest difference between the trips and <TOTAL OD FLOW>, as a share: totals of published files are off by so much."""
SUM_ERROR = 1e-12
"""What adding up may do to a sum, as a share."""
ROUNDING_SPREAD = 4.0
"""Standard deviations of rounding beyond which a difference is none of rounding."""
FEWEST_BLOCKS = 3
"""Other origins that must agree before they say what the last one should list."""


@dataclass(frozen=True)
class TntpNetwork:
    """A network file; times in the file's own unit."""

    n_zones: int
    n_nodes: int
    first_through_node: int
    """From 0."""
    tail: I32
    head: I32
    capacity: F64
    length: F64
    free_time: F64
    bpr_scale: F64
    bpr_power: F64
    toll: F64

    def problem(
        self, *, time_unit_s: float = 1.0, toll_factor: float = 0.0, distance_factor: float = 0.0
    ) -> RoadProblem:
        """The network as an assignment problem; zone ``z`` is node ``z``.

        Parameters
        ----------
        time_unit_s
            Seconds in the file's unit of time; 1 keeps its own unit [s].
        toll_factor, distance_factor
            Cost of a unit of toll and of length, in the file's unit of time.

        Returns
        -------
        RoadProblem
            Links in the order of the file.
        """
        return RoadProblem(
            tail=self.tail,
            head=self.head,
            n_nodes=self.n_nodes,
            free_time_s=self.free_time * time_unit_s,
            capacity_pcuh=self.capacity,
            bpr_scale=self.bpr_scale,
            bpr_power=self.bpr_power,
            fixed_cost_s=(toll_factor * self.toll + distance_factor * self.length) * time_unit_s,
            preload_pcuh=np.zeros(len(self.tail)),
            first_through_node=self.first_through_node,
        )


def read_tntp(
    path: Path, trips: Path | None = None, nodes: Path | None = None, reading: Reading | None = None
) -> RoadFile:
    """Read a network with its trips and coordinates.

    Parameters
    ----------
    path
        Network (``*_net.tntp``).
    trips
        Trips between its zones (``*_trips.tntp``).
    nodes
        Coordinates (``*_node.tntp``).
    reading
        Units of time and length, which the files do not give, and the costs of toll and length in the file's unit of
        time. Without a unit, times or lengths stay in the file's own.

    Returns
    -------
    RoadFile
        Links in the order of the file. The format has no lanes.

    Raises
    ------
    NetworkError
        If a file is missing, cut short or malformed, or the files do not fit each other.
    """
    reading = reading or Reading()
    faults: list[Fault | str] = []
    second = unit(TIME_S, reading.time_unit, "tntp", "--time-unit", faults) if reading.time_unit else 1.0
    metre = (
        unit(LENGTH_M, reading.length_unit, "tntp", "--length-unit", faults) if reading.length_unit else 1.0
    )
    network = _tried(read_tntp_network, path, faults)
    demand, told = _tried(_read_trips, trips, faults) or (None, [])
    place = _tried(read_tntp_nodes, nodes, faults)
    if network is not None:
        n, n_nodes = network.n_zones, network.n_nodes
        if demand is not None and len(demand) != n:
            faults.append(Fault(str(trips), "<NUMBER OF ZONES>", f"{n}, as the network", str(len(demand))))
        if place is not None and len(place[0]) != n_nodes:
            faults.append(
                Fault(str(nodes), "Node", f"1 to {n_nodes}, as the network", f"{len(place[0])} nodes")
            )
    stop_at(faults)
    assert network is not None
    notes = []
    if network.toll.any() and not reading.toll_factor:
        notes.append("tolls are left out of the cost: give --toll-factor")
    if demand is not None:
        notes.append("trips are taken per the period of the capacities")
    notes += told
    x, y = place if place is not None else (None, None)
    return RoadFile(
        name=Path(path).name,
        problem=network.problem(
            time_unit_s=second, toll_factor=reading.toll_factor, distance_factor=reading.distance_factor
        ),
        node_name=tuple(str(k + 1) for k in range(network.n_nodes)),
        link_name=tuple(str(k + 1) for k in range(len(network.tail))),
        zone_name=tuple(str(k + 1) for k in range(network.n_zones)),
        zone_node=np.arange(network.n_zones, dtype=np.int32),
        length_m=network.length * metre, x=x, y=y, toll=network.toll, demand=demand,
        in_seconds=reading.time_unit is not None, in_metres=reading.length_unit is not None, notes=tuple(notes),
    )  # fmt: skip


def _tried(read: Callable[[Path], T], path: Path | None, faults: list[Fault | str]) -> T | None:
    """What is read, or None with its faults; None where there is no file."""
    if path is None:
        return None
    try:
        return read(path)
    except NetworkError as error:
        faults += error.faults
        return None


def read_tntp_network(path: Path) -> TntpNetwork:
    """Read a ``*_net.tntp`` file.

    Parameters
    ----------
    path
        File.

    Returns
    -------
    TntpNetwork
        Links in the order of the file.

    Raises
    ------
    NetworkError
        If the file is missing, cut short or malformed; every fault names its line.
    """
    faults: list[Fault | str] = []
    meta, lines = split(path, faults)
    n_zones, n_nodes, n_links, through = (
        count_of(path, meta, name, faults)
        for name in ("NUMBER OF ZONES", "NUMBER OF NODES", "NUMBER OF LINKS", "FIRST THRU NODE")
    )
    rows = [numbers_of(path, number, text, 10, faults) for number, text in lines]
    whole_last(path, lines, faults)
    table = np.array(rows, float).reshape(-1, 10)
    if not faults and len(table) != n_links:
        faults.append(
            Fault(str(path), "links", f"{n_links} rows, as <NUMBER OF LINKS>", f"{len(table)} rows")
        )
    for (number, _), row in zip(lines, rows, strict=True):
        faults += [
            Fault(str(path), f"line {number}", f"a node from 1 to {n_nodes}", f"{node:g}")
            for node in row[:2]
            if n_nodes and (node < 1 or node > n_nodes or node % 1 != 0) and not math.isnan(node)
        ]
        faults += [
            Fault(str(path), f"line {number}, {name}", expected, f"{row[place]:g}")
            for place, name, expected, good in _RANGES
            if not (good(row[place]) or math.isnan(row[place]))
        ]
    for name, count, most in (("ZONES", n_zones, n_nodes or n_zones), ("NODES", n_nodes, MOST_NODES)):
        if count > most:
            faults.append(Fault(str(path), f"<NUMBER OF {name}>", f"at most {most}", str(count)))
    # One more than there are nodes: none of them carries through traffic.
    if n_nodes and through > n_nodes + 1:
        faults.append(Fault(str(path), "<FIRST THRU NODE>", f"from 1 to {n_nodes + 1}", str(through)))
    stop_at(faults)
    return TntpNetwork(
        n_zones, n_nodes, through - 1,
        (table[:, 0] - 1).astype(np.int32), (table[:, 1] - 1).astype(np.int32),
        table[:, 2], table[:, 3], table[:, 4], table[:, 5], table[:, 6], table[:, 8],
    )  # fmt: skip


def read_tntp_trips(path: Path) -> F64:
    """Read a ``*_trips.tntp`` file.

    Parameters
    ----------
    path
        File.

    Returns
    -------
    F64
        Trips, shape (zones, zones), origin first.

    Raises
    ------
    NetworkError
        If the file is missing, cut short or malformed, names an origin or a destination under it twice, or its trips
        do not add to its ``<TOTAL OD FLOW>``.
    """
    return _read_trips(path)[0]


def _read_trips(path: Path) -> tuple[F64, list[str]]:
    """Trips, and what the user should know of them."""
    faults: list[Fault | str] = []
    meta, lines = split(path, faults)
    n_zones = count_of(path, meta, "NUMBER OF ZONES", faults)
    if n_zones > MOST_ZONES:
        faults.append(Fault(str(path), "<NUMBER OF ZONES>", f"at most {MOST_ZONES}", str(n_zones)))
    if not 0 < n_zones <= MOST_ZONES:
        stop_at(faults)
    trips = np.zeros((n_zones, n_zones))
    listed: dict[int, dict[int, str]] = {}
    origin = -1
    for number, text in lines:
        where = f"line {number}"
        if text.lower().startswith("origin"):
            origin = zone_of(path, where, text[len("origin") :], n_zones, faults)
            if origin >= 0 and origin in listed:
                faults.append(Fault(str(path), where, "each origin once", f"a second '{text}'"))
            listed.setdefault(origin, {})
            continue
        for entry in filter(None, (part.strip() for part in text.split(";"))):
            name, colon, value = entry.partition(":")
            destination = zone_of(path, where, name, n_zones, faults)
            amount = number_of(value)
            if not colon or amount is None or amount < 0:
                faults.append(
                    Fault(str(path), where, "'destination : trips;' with trips of 0 or more", entry)
                )
            elif not listed:
                faults.append(Fault(str(path), where, "a line 'Origin n' before the first trips", entry))
            elif destination >= 0 and origin >= 0:
                if destination in listed[origin]:
                    faults.append(Fault(str(path), where, "each destination once under an origin", entry))
                listed[origin][destination] = value
                trips[origin, destination] += amount
        if not text.endswith(";"):
            faults.append(Fault(str(path), where, "';' after the last entry", text))
    notes = _whole_trips(path, meta.get("TOTAL OD FLOW"), trips, listed, faults)
    stop_at(faults)
    return trips, notes


def _whole_trips(
    path: Path, printed: str | None, trips: F64, listed: dict[int, dict[int, str]], faults: list[Fault | str]
) -> list[str]:
    """Whether trips add to their printed total; what to tell of it where that is not sure, and faults.

    A file cut after an entry looks whole. Where the total is met, nothing is missing. Where it is not, the digits of
    the total may be why, or rounded entries, which err both ways, so that their squares add up. Published totals are
    off by more: such files are read with a note, unless the last origin ends before every other one does.
    """
    total = number_of(printed) if printed is not None else None
    if printed is not None and total is None:
        faults.append(Fault(str(path), "<TOTAL OD FLOW>", "a number", repr(printed)))
    if faults:
        return []
    short = _short_end(path, listed)
    if printed is None or total is None:
        faults += [fault for fault in (short, _missing_origin(path, trips, listed)) if fault is not None]
        return ["there is no TOTAL OD FLOW: it cannot be told whether trips are missing at the end"]
    added = float(trips.sum())
    difference = abs(added - total)
    if difference <= SUM_ERROR * total:
        return []
    exact = half_unit(printed) + SUM_ERROR * total
    half = np.array([half_unit(text) for row in listed.values() for text in row.values()])
    rounding = exact + min(float(half.sum()), ROUNDING_SPREAD * float(np.sqrt((half**2).sum() / 3.0)))
    if difference > TRIP_SUM_TOLERANCE * total and difference > exact:
        faults.append(Fault(str(path), "trips", f"{total:.12g} in all, as <TOTAL OD FLOW>", f"{added:.12g}"))
    elif difference > rounding and short is not None:
        faults.append(short)
    elif difference > rounding or short is not None:
        return [
            f"trips add to {added:.12g} and TOTAL OD FLOW says {total:.12g}: it is off, or the file is cut short"
        ]
    return []


def _short_end(path: Path, listed: dict[int, dict[int, str]]) -> Fault | None:
    """A fault if the last origin ends before a destination that every other one lists: the file may be cut there."""
    *others, last = listed or [-1]
    if len(others) < FEWEST_BLOCKS:
        return None
    # Some files leave out the trips of a zone to itself.
    common = set.intersection(*({origin, *listed[origin]} for origin in others)) - {last, *listed[last]}
    end = next(reversed(listed[last]), -1)
    if not common or max(common) < end:
        return None
    expected = f"trips to zone {max(common) + 1} too, as from every other origin (0 if there are none)"
    return Fault(
        str(path), f"Origin {last + 1}", expected, f"an end after zone {end + 1}" if end >= 0 else "none"
    )


def _missing_origin(path: Path, trips: F64, listed: dict[int, dict[int, str]]) -> Fault | None:
    """A fault if the last zone that trips go to is no origin: the file may be cut before it."""
    last = int(np.flatnonzero(trips.any(axis=0)).max(initial=-1))
    if last in listed or last < 0:
        return None
    expected = f"a last 'Origin {last + 1}' (without entries if no trips begin there), or a <TOTAL OD FLOW>"
    return Fault(str(path), "trips", expected, "neither: the file may be cut short")


def read_tntp_flow(path: Path, network: TntpNetwork) -> tuple[F64, F64]:
    """Read a ``*_flow.tntp`` file: published flows and costs.

    Parameters
    ----------
    path
        File.
    network
        The network whose links it lists.

    Returns
    -------
    tuple[F64, F64]
        Flow and cost by link, in the order of the network.

    Raises
    ------
    NetworkError
        If the file is missing or malformed, or does not list each link once.
    """
    faults: list[Fault | str] = []
    _, lines = split(path, faults, has_meta=False)
    whole_last(path, lines, faults)
    # Links between the same nodes stand in the order of the network.
    wanted: dict[tuple[float, float], list[int]] = {}
    for k, (tail, head) in reversed(list(enumerate(zip(network.tail, network.head, strict=True)))):
        wanted.setdefault((int(tail) + 1, int(head) + 1), []).append(k)
    n = len(network.tail)
    flow, cost = np.full(n, np.nan), np.full(n, np.nan)
    for number, text in without_header(lines):
        tail, head, *found = numbers_of(path, number, text, 4, faults)
        if waiting := wanted.get((tail, head)):
            link = waiting.pop()
            flow[link], cost[link] = found
        elif not (math.isnan(tail) or math.isnan(head)):
            faults.append(Fault(str(path), f"line {number}", "each link of the network once", text))
    missing = int(np.isnan(flow).sum())
    if missing and not faults:
        faults.append(Fault(str(path), "links", f"{n} rows, one a link", f"{missing} links missing"))
    stop_at(faults)
    return flow, cost


def read_tntp_nodes(path: Path) -> tuple[F64, F64]:
    """Read a ``*_node.tntp`` file: coordinates of nodes 1, 2, ...

    Parameters
    ----------
    path
        File.

    Returns
    -------
    tuple[F64, F64]
        x and y by node, in the file's own unit.

    Raises
    ------
    NetworkError
        If the file is missing or malformed, or a node is missing or listed twice.
    """
    faults: list[Fault | str] = []
    _, lines = split(path, faults, has_meta=False)
    rows = [numbers_of(path, number, text, 3, faults) for number, text in without_header(lines)]
    whole_last(path, lines, faults)
    stop_at(faults)
    table = np.array(rows, float).reshape(-1, 3)
    order = np.argsort(table[:, 0])
    if not np.array_equal(table[order, 0], np.arange(1, len(table) + 1)):
        raise NetworkError(Fault(str(path), "Node", f"1 to {len(table)}, each once", "others"))
    return table[order, 1], table[order, 2]
