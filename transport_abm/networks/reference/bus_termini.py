"""Termini of representative bus lines: lines of centres, trunk lines by gravity, and the rest.

Centres beyond the 5th ring road have suburban lines to their nearest centres and express lines to the core.
Trunk lines are taken one after the other: the pair of stops with the largest
``P_i P_j d**2 exp(-2 d / D) a_i a_j`` (people ``P``, distance ``d``, most frequent distance ``D``) becomes
a line, and then loses weight together with the pairs about it. Last come lines that bring each zone without a
bus to its nearest centre.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from transport_abm.networks.city import I64, Zones
from transport_abm.networks.reference.bus_streets import BusStreets


def _centres(streets: BusStreets, inputs: Mapping[str, float]) -> list[int]:
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
    centre = np.array(_centres(streets, inputs))
    ring = zones.ring[streets.zone[centre]]
    outer = centre[ring >= inputs["transit_supply.bus_outer_ring"]]
    core = centre[ring <= inputs["transit_supply.bus_core_ring"]]
    degree = int(inputs["transit_supply.bus_centre_degree"])
    express_count = int(inputs["transit_supply.bus_centre_express"])
    spacing_m = inputs["transit_supply.bus_express_spacing_km"] * 1000
    suburban: set[tuple[int, int]] = set()
    express: list[list[int]] = []
    for here in outer.tolist():
        to_centre, to_core = streets.distance_m[here, centre], streets.distance_m[here, core]
        near = centre[np.argsort(to_centre, kind="stable")][1 : degree + 1].tolist()
        suburban |= {(min(here, there), max(here, there)) for there in near}
        for there in core[np.argsort(to_core, kind="stable")][:express_count].tolist():
            express.append(_express(streets.way(here, there), streets, spacing_m))  # noqa: PERF401
    return [streets.way(*pair) for pair in sorted(suburban)] + express


def _trunk_lines(streets: BusStreets, count: int, inputs: Mapping[str, float]) -> list[list[int]]:
    """Lines between pairs of stops by gravity, one after the other."""
    km = streets.distance_m / 1000
    allowed = (km >= inputs["transit_supply.bus_trunk_min_km"]) & (
        km <= inputs["transit_supply.bus_trunk_max_km"]
    )
    if not allowed.any():  # a town smaller than the shortest line
        allowed = np.isfinite(km) & (km > 0)
    with np.errstate(invalid="ignore"):
        pull = km**2 * np.exp(-2 * km / inputs["transit_supply.bus_gravity_km"])
    weight = np.where(np.triu(allowed), pull * np.outer(streets.people, streets.people), 0.0)
    near = np.exp(-((km / inputs["transit_supply.bus_spread_km"]) ** 2))
    kept = inputs["transit_supply.bus_terminus_keep"]
    lines: list[list[int]] = []
    while len(lines) < count:
        here, there = (int(v) for v in np.unravel_index(int(weight.argmax()), weight.shape))
        if weight[here, there] <= 0:
            break
        lines.append(streets.way(here, there))
        about = np.maximum(np.outer(near[here], near[there]), np.outer(near[there], near[here]))
        weight *= 1 - about
        for end in (here, there):
            keep = 1 - (1 - kept) * near[end]
            weight *= keep[:, None]
            weight *= keep[None, :]
        weight[here, there] = 0.0
    return lines


def _unserved(streets: BusStreets, zones: Zones, lines: list[list[int]]) -> I64:
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
        to_hub = np.where(np.equal.outer(stop, hub), np.inf, streets.distance_m[stop][:, hub])
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
    hub = _centres(streets, inputs)
    last = _last_lines(streets, zones, first, hub)
    return first + last
