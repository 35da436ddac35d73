"""Termini of representative bus lines: expresses and suburban lines of centres, trunk lines by gravity, the rest.

Trunk lines are taken one after the other: the pair of stops with the largest ``P_i P_j d exp(-d / D) a_i a_j``
(people ``P``, distance ``d``) becomes a line, and then loses weight together with the pairs about it. Last come
lines that bring each zone without a bus to its nearest centre.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from transport_abm.networks.city import F64, Zones
from transport_abm.networks.reference.bus_streets import BusStreets

_OUTER_RING = 6
"""Centres beyond the 5th ring road have suburban and express lines."""
_CORE_RING = 4
_CORE_COUNT = 3
_WEAKEN = 0.6
"""Weight that a terminus keeps for its next line."""
_SHORTEST_KM = 3.0


def _centres(streets: BusStreets, zones: Zones, inputs: Mapping[str, float]) -> list[int]:
    """Stops of the most populous places that lie apart from each other."""
    spacing_m = inputs["transit_supply.bus_centre_spacing_km"] * 1000
    near = np.exp(-((streets.distance_m / (spacing_m / 2)) ** 2))
    mass = near @ streets.people
    free = np.isfinite(streets.distance_m[0])
    chosen: list[int] = []
    while free.any() and len(chosen) < inputs["transit_supply.bus_centre_count"]:
        chosen.append(int(np.where(free, mass, -1.0).argmax()))
        free &= streets.distance_m[chosen[-1]] > spacing_m
    return chosen


def _express(way: list[int], streets: BusStreets, spacing_m: float) -> list[int]:
    """Stops of a way, thinned to the stop spacing of express lines; the ends stay."""
    kept = [way[0]]
    for stop in way[1:-1]:
        far = streets.distance_m[stop, [kept[-1], way[-1]]].min()
        if far >= spacing_m:
            kept.append(stop)
    return [*kept, way[-1]]


def _centre_lines(streets: BusStreets, zones: Zones, inputs: Mapping[str, float]) -> list[list[int]]:
    """Suburban lines from outer centres to their nearest centres, express lines to the core."""
    centre = np.array(_centres(streets, zones, inputs))
    ring = zones.ring[streets.zone[centre]]
    outer, core = centre[ring >= _OUTER_RING], centre[ring <= _CORE_RING]
    degree = int(inputs["transit_supply.bus_centre_degree"])
    spacing_m = inputs["transit_supply.bus_express_spacing_km"] * 1000
    done: set[tuple[int, int]] = set()
    lines: list[list[int]] = []
    for here in outer.tolist():
        for there in centre[np.argsort(streets.distance_m[here, centre], kind="stable")][
            1 : degree + 1
        ].tolist():
            pair = (min(here, there), max(here, there))
            if pair not in done and np.isfinite(streets.distance_m[pair]):
                done.add(pair)
                lines.append(streets.way(*pair))
        for there in core[np.argsort(streets.distance_m[here, core], kind="stable")][:_CORE_COUNT].tolist():
            lines.append(_express(streets.way(here, there), streets, spacing_m))
    return lines


def _trunk_lines(streets: BusStreets, count: int, inputs: Mapping[str, float]) -> list[list[int]]:
    """Lines between pairs of stops by gravity, one after the other."""
    km = streets.distance_m / 1000
    allowed = (km >= _SHORTEST_KM) & (km <= inputs["transit_supply.bus_trunk_max_km"])
    if not allowed.any():  # a town smaller than the shortest line
        allowed = np.isfinite(km) & (km > 0)
    with np.errstate(invalid="ignore"):
        pull = km * np.exp(-km / inputs["transit_supply.bus_gravity_km"])
    weight = np.where(np.triu(allowed), pull * np.outer(streets.people, streets.people), 0.0)
    near = np.exp(-((km / inputs["transit_supply.bus_spread_km"]) ** 2))
    lines: list[list[int]] = []
    while len(lines) < count:
        here, there = (int(v) for v in np.unravel_index(int(weight.argmax()), weight.shape))
        if weight[here, there] <= 0:
            break
        lines.append(streets.way(here, there))
        about = np.maximum(np.outer(near[here], near[there]), np.outer(near[there], near[here]))
        weight *= 1 - about
        for end in (here, there):
            keep = 1 - (1 - _WEAKEN) * near[end]
            weight *= keep[:, None]
            weight *= keep[None, :]
        weight[here, there] = 0.0
    return lines


def _unserved(streets: BusStreets, zones: Zones, lines: list[list[int]]) -> F64:
    """Zones with residents at none of whose stops a line calls."""
    served = np.zeros(len(streets.node), bool)
    for line in lines:
        served[line] = True
    missing = [not served[list(stops)].any() for stops in streets.zone_stop]
    return np.flatnonzero(np.array(missing) & (zones.residents > 0))


def _last_lines(streets: BusStreets, zones: Zones, lines: list[list[int]], hub: list[int]) -> list[list[int]]:
    """Lines from zones without a bus to their nearest centre, the farthest zone first."""
    added: list[list[int]] = []
    while len(missing := _unserved(streets, zones, lines + added)):
        stop = np.array([streets.zone_stop[zone][0] for zone in missing])
        to_hub = np.where(np.equal.outer(stop, hub), np.inf, streets.distance_m[np.ix_(stop, hub)])
        far = int(to_hub.min(axis=1).argmax())
        added.append(streets.way(int(stop[far]), hub[int(to_hub[far].argmin())]))
    return added


def choose_bus_lines(
    streets: BusStreets, zones: Zones, count: int, inputs: Mapping[str, float]
) -> list[list[int]]:
    """Choose the stops of representative lines.

    Parameters
    ----------
    streets
        Stops and ways between them.
    zones
        Zones with residents and ring.
    count
        Lines wanted; the lines that reach the last zones may exceed it.
    inputs
        Parameters ``transit_supply.bus_*``.

    Returns
    -------
    list of lists
        Stops of each line in order, at least two; every zone with residents has a stop on a line.
    """
    first = _centre_lines(streets, zones, inputs)
    trunk = max(int(count * inputs["transit_supply.bus_trunk_share"]), 1)
    first += _trunk_lines(streets, max(trunk - len(first), 1), inputs)
    hub = _centres(streets, zones, inputs)
    last = _last_lines(streets, zones, first, hub)
    return first + last
