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
from transport_abm.networks.cities.csv_files import read_text
from transport_abm.networks.city import F64, I32
from transport_abm.networks.formats.reading import LENGTH_M, TIME_S, Reading, unit
from transport_abm.networks.formats.road_file import RoadFile, stop_at
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
"""Largest difference between the trips and <TOTAL OD FLOW>, as a share: published totals are rounded."""


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
    demand = _tried(read_tntp_trips, trips, faults)
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
    meta, lines = _split(path, faults)
    n_zones, n_nodes, n_links, through = (
        _count(path, meta, name, faults)
        for name in ("NUMBER OF ZONES", "NUMBER OF NODES", "NUMBER OF LINKS", "FIRST THRU NODE")
    )
    stop_at(faults)
    rows = [_numbers(path, number, text, 10, faults) for number, text in lines]
    _whole_last(path, lines, faults)
    table = np.array([row[:10] for row in rows if row is not None], float).reshape(-1, 10)
    if not faults and len(table) != n_links:
        faults.append(
            Fault(str(path), "links", f"{n_links} rows, as <NUMBER OF LINKS>", f"{len(table)} rows")
        )
    for (number, _), row in zip(lines, rows, strict=True):
        faults += [
            Fault(str(path), f"line {number}", f"a node from 1 to {n_nodes}", f"{node:g}")
            for node in (row or [])[:2]
            if not (node == int(node) and 1 <= node <= n_nodes)
        ]
        faults += [
            Fault(str(path), f"line {number}, {name}", expected, f"{row[place]:g}")
            for place, name, expected, good in _RANGES
            if row is not None and not good(row[place])
        ]
    for name, count, most in (("ZONES", n_zones, n_nodes), ("NODES", n_nodes, MOST_NODES)):
        if count > most:
            faults.append(Fault(str(path), f"<NUMBER OF {name}>", f"at most {most}", str(count)))
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
        If the file is missing, cut short or malformed, or its trips do not add to its ``<TOTAL OD FLOW>``.
    """
    faults: list[Fault | str] = []
    meta, lines = _split(path, faults)
    n_zones = _count(path, meta, "NUMBER OF ZONES", faults)
    if n_zones > MOST_ZONES:
        faults.append(Fault(str(path), "<NUMBER OF ZONES>", f"at most {MOST_ZONES}", str(n_zones)))
    stop_at(faults)
    trips = np.zeros((n_zones, n_zones))
    origin = -1
    for number, text in lines:
        where = f"line {number}"
        if text.lower().startswith("origin"):
            origin = _zone(path, where, text[len("origin") :], n_zones, faults)
            continue
        for entry in filter(None, (part.strip() for part in text.split(";"))):
            name, colon, value = entry.partition(":")
            destination = _zone(path, where, name, n_zones, faults)
            amount = _number(value)
            if not colon or amount is None or amount < 0:
                faults.append(
                    Fault(str(path), where, "'destination : trips;' with trips of 0 or more", entry)
                )
            elif origin < 0:
                faults.append(Fault(str(path), where, "a line 'Origin n' before the first trips", entry))
            elif destination >= 0:
                trips[origin, destination] += amount
        if not text.endswith(";"):
            faults.append(Fault(str(path), where, "';' after the last entry", text))
    total = _number(meta.get("TOTAL OD FLOW", "nan"))
    if total is None and "TOTAL OD FLOW" in meta:
        faults.append(Fault(str(path), "<TOTAL OD FLOW>", "a number", repr(meta["TOTAL OD FLOW"])))
    if not faults and total is not None and abs(trips.sum() - total) > TRIP_SUM_TOLERANCE * total:
        faults.append(Fault(str(path), "trips", f"{total:g} in all, as <TOTAL OD FLOW>", f"{trips.sum():g}"))
    stop_at(faults)
    return trips


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
    _, lines = _split(path, faults, has_meta=False)
    # Links between the same nodes stand in the order of the network.
    place: dict[tuple[int, int], list[int]] = {}
    for k, (tail, head) in reversed(list(enumerate(zip(network.tail, network.head, strict=True)))):
        place.setdefault((int(tail) + 1, int(head) + 1), []).append(k)
    n = len(network.tail)
    flow, cost = np.full(n, np.nan), np.full(n, np.nan)
    for number, text in _without_header(lines):
        row = _numbers(path, number, text, 4, faults)
        if row is None:
            continue
        if waiting := place.get((int(row[0]), int(row[1]))):
            link = waiting.pop()
            flow[link], cost[link] = row[2], row[3]
        else:
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
    _, lines = _split(path, faults, has_meta=False)
    rows = [_numbers(path, number, text, 3, faults) for number, text in _without_header(lines)]
    _whole_last(path, lines, faults)
    stop_at(faults)
    table = np.array(rows, float).reshape(-1, 3)
    order = np.argsort(table[:, 0])
    if not np.array_equal(table[order, 0], np.arange(1, len(table) + 1)):
        raise NetworkError(Fault(str(path), "Node", f"1 to {len(table)}, each once", "others"))
    return table[order, 1], table[order, 2]


def _split(
    path: Path, faults: list[Fault | str], *, has_meta: bool = True
) -> tuple[dict[str, str], list[tuple[int, str]]]:
    """Metadata by name, and the numbered lines after it without comments and blanks."""
    text = read_text(Path(path))
    meta: dict[str, str] = {}
    lines: list[tuple[int, str]] = []
    inside = has_meta
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if inside and stripped.startswith("<"):
            name, _, value = stripped[1:].partition(">")
            meta[name.strip().upper()] = value.strip()
            inside = name.strip().upper() != "END OF METADATA"
            continue
        stripped = stripped.split("~", 1)[0].strip()
        if stripped:
            lines.append((number, stripped))
    if inside:
        faults.append(Fault(str(path), "<END OF METADATA>", "this line before the rows", "none"))
    return meta, lines


def _whole_last(path: Path, lines: list[tuple[int, str]], faults: list[Fault | str]) -> None:
    """A fault if the last row is cut: a number cut short is a number still, and only the sign after it tells."""
    if len(lines) > 1 and lines[0][1].endswith(";") and not lines[-1][1].endswith(";"):
        number, last = lines[-1]
        faults.append(Fault(str(path), f"line {number}", "';' at its end, as in the first row", last))


def _without_header(lines: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Rows without the line of column names, if there is one."""
    return lines[1:] if lines and _number(lines[0][1].split()[0]) is None else lines


def _count(path: Path, meta: dict[str, str], name: str, faults: list[Fault | str]) -> int:
    """A positive whole number of the metadata."""
    text = meta.get(name)
    if text is None or not text.isdecimal() or len(text) > 12 or int(text) < 1:
        faults.append(
            Fault(str(path), f"<{name}>", "a whole number, 1 or more", repr(text) if text else "none")
        )
        return 0
    return int(text)


def _number(text: str) -> float | None:
    """A finite number, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _numbers(path: Path, number: int, text: str, least: int, faults: list[Fault | str]) -> list[float] | None:
    """The numbers of a row, at least so many; None, with a fault, if it is not one."""
    fields = text.rstrip(";").split()
    values = [_number(field) for field in fields]
    if len(fields) < least:
        faults.append(Fault(str(path), f"line {number}", f"{least} fields", f"{len(fields)} fields: {text}"))
        return None
    for place, value in enumerate(values[:least], 1):
        if value is None:
            faults.append(Fault(str(path), f"line {number}, field {place}", "a number", fields[place - 1]))
    if None in values[:least]:
        return None
    return [value for value in values if value is not None]


def _zone(path: Path, where: str, text: str, n_zones: int, faults: list[Fault | str]) -> int:
    """Row of a zone written from 1; -1, with a fault, if it is not one."""
    name = text.strip()
    if name.isdecimal() and len(name) <= 12 and 1 <= int(name) <= n_zones:
        return int(name) - 1
    faults.append(Fault(str(path), where, f"a zone from 1 to {n_zones}", name or "none"))
    return -1
