"""Walks between the stops of a GTFS feed: stations, ``transfers.txt``, and stops that lie near each other.

Names do not make a station: a country has many stops called Centre. Rail stops are joined if they have the
same ``parent_station``, or lie within ``transit_supply.bus_bus_reach_m`` of each other, the farthest walk
between stops of one mode. Bus stops are joined as in any city. Then ``transfers.txt`` adds pairs, forbids
pairs (type 3), and gives times (``min_transfer_time``). A network lists a walk both ways: a pair is forbidden
only if no row joins it in either way, and the longer time counts for both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.spatial import cKDTree

from transport_abm.core.vocabulary import TransitMode
from transport_abm.networks.cities.csv_files import Columns
from transport_abm.networks.city import TransitNetwork
from transport_abm.networks.reference.transit import add_transfers
from transport_abm.networks.reference.transit_table import with_transfers

_JOINS, _FORBIDS, _OTHER = {"", "0", "1", "2"}, "3", {"4", "5"}
_SPECIAL = ("from_route_id", "to_route_id", "from_trip_id", "to_trip_id")


@dataclass(frozen=True)
class StatedTransfer:
    """A row of ``transfers.txt``."""

    start: str
    """Stop or station."""
    end: str
    forbidden: bool
    time_s: float
    """Shortest time of the change [s]; NaN if none is given."""


def read_transfers(tables: Mapping[str, Columns], notes: list[str]) -> list[StatedTransfer]:
    """Read ``transfers.txt``, if there is one.

    Parameters
    ----------
    tables
        Tables of the feed; faults are taken down in them.
    notes
        List to which notes on what was left out are added.

    Returns
    -------
    list[StatedTransfer]
        Rows about stops or stations, whatever the route or trip.
    """
    table = tables.get("transfers.txt")
    if table is None:
        return []
    known = set(tables["stops.txt"].text("stop_id"))
    time_s = table.number("min_transfer_time", 0, 86_400, default=math.nan)
    special = [table.text(name) for name in _SPECIAL]
    found, left = [], 0
    cells = zip(
        table.text("from_stop_id"), table.text("to_stop_id"), table.text("transfer_type"), strict=True
    )
    for row, (start, end, kind) in enumerate(cells):
        if kind not in _JOINS | _OTHER | {_FORBIDS}:
            table.fault(f"transfer_type, row {row + 2}", "a number from 0 to 5, or nothing", repr(kind)[:40])
        elif kind in _OTHER or any(text[row] for text in special) or not {start, end} <= known:
            left += 1
        else:
            found.append(StatedTransfer(start, end, kind == _FORBIDS, float(time_s[row])))
    if left:
        notes.append(
            f"{left} rows of transfers.txt left out: for some routes or trips only, about staying seated, or of unknown stops"
        )
    return found


def join_stops(
    network: TransitNetwork,
    stop_id: Sequence[str],
    stops: Columns,
    stated: Sequence[StatedTransfer],
    inputs: Mapping[str, float],
    notes: list[str],
) -> TransitNetwork:
    """Join the stops of a feed by walks.

    Parameters
    ----------
    network
        Lines of the feed.
    stop_id
        By stop of the network: its id in the feed.
    stops
        Table ``stops.txt``.
    stated
        Rows of ``transfers.txt``.
    inputs
        Parameters of ``add_transfers``; ``transit.access_speed_kmh`` if a time is given.
    notes
        List to which notes on what was done are added.

    Returns
    -------
    TransitNetwork
        The network with transfers both ways.
    """
    parent = dict(zip(stops.text("stop_id"), stops.text("parent_station"), strict=True))
    station = [parent[stop] for stop in stop_id]
    rail = _rail_pairs(network, station, inputs, notes)
    pairs = np.array(list(rail), np.int32).reshape(-1, 2)
    network = with_transfers(network, pairs, np.array(list(rail.values()), np.float64))
    network = add_transfers(network, inputs, settled=network.stop_mode == TransitMode.METRO)
    walk_m = {
        (a, b): walk
        for a, b, walk in zip(
            network.transfer_from.tolist(),
            network.transfer_to.tolist(),
            network.transfer_walk_m.tolist(),
            strict=True,
        )
        if a < b
    }
    joined = forbidden = 0
    for (a, b), (no, time_s) in _stated_pairs(stop_id, station, stated).items():
        if no:
            forbidden += walk_m.pop((a, b), None) is not None
        elif not math.isnan(time_s):
            joined += 1
            # The walk is a distance: that which takes so long at the walking speed, never nothing.
            walk_m[a, b] = max(1.0, time_s * inputs["transit.access_speed_kmh"] / 3.6)
        elif (a, b) not in walk_m:
            joined += 1
            walk_m[a, b] = max(1.0, _straight_m(network, a, b) * inputs["transit.walk_detour"])
    if joined or forbidden:
        notes.append(f"transfers.txt: {joined} pairs of stops joined or given a time, {forbidden} parted")
    pairs = np.array(list(walk_m), np.int32).reshape(-1, 2)
    return with_transfers(network, pairs, np.array(list(walk_m.values()), np.float64))


def _straight_m(network: TransitNetwork, a: int, b: int) -> float:
    """Distance between two stops [m]."""
    return math.hypot(network.stop_x_m[a] - network.stop_x_m[b], network.stop_y_m[a] - network.stop_y_m[b])


def _rail_pairs(
    network: TransitNetwork, station: Sequence[str], inputs: Mapping[str, float], notes: list[str]
) -> dict[tuple[int, int], float]:
    """Rail stops of one station, or near each other, and the walk between them [m]."""
    rows = np.flatnonzero(network.stop_mode == TransitMode.METRO)
    reach_m, detour = inputs["transit_supply.bus_bus_reach_m"], inputs["transit.walk_detour"]
    name = network.stop_name_en
    near: set[tuple[int, int]] = set()
    if len(rows):
        points = np.column_stack([network.stop_x_m[rows], network.stop_y_m[rows]])
        close = np.sort(rows[cKDTree(points).query_pairs(reach_m, output_type="ndarray")].reshape(-1, 2))
        near = {(a, b) for a, b in close.tolist()}
    mates = set(_mates(rows.tolist(), station))
    joined = near | mates
    far = sum(pair not in joined for pair in _mates(rows.tolist(), name))
    if far:
        notes.append(
            f"{far} pairs of rail stops of one name not joined: over {reach_m:g} m apart, no station"
        )
    walk_m = {}
    for a, b in sorted(joined):
        walk = _straight_m(network, a, b) * detour
        # Stairs and passages of a station are longer than the straight line.
        inside = (a, b) in mates or name[a] == name[b]
        walk_m[a, b] = max(walk, inputs["transit_supply.metro_transfer_m"] if inside else 1.0)
    return walk_m


def _mates(rows: Sequence[int], label: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of rows of one label; no label is none."""
    by_label: dict[str, list[int]] = {}
    for row in rows:
        if label[row]:
            by_label.setdefault(label[row], []).append(row)
    return [pair for own in by_label.values() for pair in combinations(own, 2)]


def _stated_pairs(
    stop_id: Sequence[str], station: Sequence[str], stated: Sequence[StatedTransfer]
) -> dict[tuple[int, int], tuple[bool, float]]:
    """Whether pairs of stops are forbidden, and their times [s]; rows about stops go before those about stations."""
    of_stop: dict[str, list[int]] = {}
    of_station: dict[str, list[int]] = {}
    for row, (stop, parent) in enumerate(zip(stop_id, station, strict=True)):
        of_stop.setdefault(stop, []).append(row)
        if parent:
            of_station.setdefault(parent, []).append(row)
    rule: dict[tuple[int, int], tuple[int, bool, float]] = {}
    for each in stated:
        ends = [of_stop.get(id_) or of_station.get(id_, []) for id_ in (each.start, each.end)]
        rank = (each.start in of_stop) + (each.end in of_stop)
        for a, b in {(min(a, b), max(a, b)) for a in ends[0] for b in ends[1] if a != b}:
            old = rule.get((a, b))
            if old is None or old[0] < rank:
                rule[a, b] = (rank, each.forbidden, each.time_s)
            elif old[0] == rank:
                rule[a, b] = (rank, old[1] and each.forbidden, float(np.fmax(old[2], each.time_s)))
    return {pair: (no, time_s) for pair, (_, no, time_s) in rule.items()}
