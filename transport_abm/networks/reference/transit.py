"""Transit of the reference city: metro as published, representative buses, walks between their stops.

Metro platforms of one station (one stop for each line) are joined by a walk of standard length. A metro
station is joined to the nearest representative bus stops: real buses stop at nearly every metro entrance, so
the walk is the standard one as long as the representative stop is no farther than one real stop spacing, and
the excess is walked.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from scipy.spatial import cKDTree

from transport_abm.core.vocabulary import TransitMode
from transport_abm.networks.city import F64, I32, Bool, Fares, RoadNetwork, TransitNetwork, Zones
from transport_abm.networks.reference._tables import CRS
from transport_abm.networks.reference.bus_lines import build_bus_lines
from transport_abm.networks.reference.metro import build_metro
from transport_abm.networks.reference.transit_table import join_networks, with_transfers
from transport_abm.policy.inputs import year_inputs

BASE_YEAR = 2020
_BUS_NEIGHBOURS = 2


def reference_fares(inputs: Mapping[str, float] | None = None) -> Fares:
    """Fares of Beijing: metro and bus since 2014, taxi since 2013.

    Parameters
    ----------
    inputs
        Parameters ``transit_supply.fare_*``; the shipped ones by default.

    Returns
    -------
    Fares
        The fare rules.
    """
    inputs = year_inputs(BASE_YEAR) if inputs is None else inputs

    def fare(name: str) -> float:
        return inputs[f"transit_supply.fare_{name}"]

    return Fares(
        metro_up_to_km=np.array([fare(f"metro_band{k}_km") for k in range(1, 5)]),
        metro_cny=np.array([fare(f"metro_band{k}_cny") for k in range(1, 5)]),
        metro_step_km=fare("metro_step_km"),
        bus_base_cny=fare("bus_base_cny"),
        bus_base_km=fare("bus_base_km"),
        bus_step_km=fare("bus_step_km"),
        bus_card_discount=fare("bus_card_discount"),
        taxi_flagfall_cny=fare("taxi_flagfall_cny"),
        taxi_flagfall_km=fare("taxi_flagfall_km"),
        taxi_cny_km=fare("taxi_cny_km"),
    )


def _metro_transfers(network: TransitNetwork) -> list[tuple[int, int]]:
    """Pairs of metro stops of one name."""
    by_name: dict[str, list[int]] = {}
    for stop in np.flatnonzero(network.stop_mode == TransitMode.METRO).tolist():
        by_name.setdefault(network.stop_name_zh[stop], []).append(stop)
    return [pair for stops in by_name.values() for pair in combinations(stops, 2)]


def _near_pairs(point: F64, other: F64, reach_m: float, count: int) -> tuple[I32, F64]:
    """Up to ``count`` nearest others within reach of each point: rows, and distances [m]."""
    count = min(count, len(other))
    distance, row = (
        np.reshape(v, (len(point), count))
        for v in cKDTree(other).query(point, k=count, distance_upper_bound=reach_m)
    )
    here, rank = np.nonzero(np.isfinite(distance))
    return np.stack([here, row[here, rank]], axis=1).astype(np.int32), distance[here, rank]


def add_transfers(
    network: TransitNetwork, inputs: Mapping[str, float], settled: Bool | None = None
) -> TransitNetwork:
    """Join metro platforms, metro and bus, and neighbouring bus stops by walks.

    Parameters
    ----------
    network
        Metro and bus lines; any transfers it has are replaced, but for those between settled stops.
    inputs
        Parameters ``transit_supply.*_transfer_m``, ``transit_supply.*_reach_m``, ``transit.walk_detour`` and
        ``transit.bus_stop_spacing_m``.
    settled
        By stop: whether its transfers to others like it are those that the network has (a feed knows its
        own); None for no stop.

    Returns
    -------
    TransitNetwork
        The network with transfers both ways.
    """
    point = np.stack([network.stop_x_m, network.stop_y_m], axis=1)
    metro = np.flatnonzero(network.stop_mode == TransitMode.METRO).astype(np.int32)
    bus = np.flatnonzero(network.stop_mode == TransitMode.BUS).astype(np.int32)
    detour = inputs["transit.walk_detour"]
    platform = np.array(_metro_transfers(network), np.int32).reshape(-1, 2)
    pair = [platform]
    walk = [np.full(len(platform), inputs["transit_supply.metro_transfer_m"])]
    if len(metro) and len(bus):
        reach = inputs["transit_supply.bus_metro_reach_m"]
        near, distance = _near_pairs(point[metro], point[bus], reach, _BUS_NEIGHBOURS)
        excess = np.maximum(distance - inputs["transit.bus_stop_spacing_m"], 0) * detour
        pair.append(np.stack([metro[near[:, 0]], bus[near[:, 1]]], axis=1))
        walk.append(inputs["transit_supply.bus_metro_transfer_m"] + excess)
    if len(bus):
        close = cKDTree(point[bus]).query_pairs(
            inputs["transit_supply.bus_bus_reach_m"], output_type="ndarray"
        )
        ends = bus[close].reshape(-1, 2)
        pair.append(ends)
        walk.append(np.hypot(*(point[ends[:, 0]] - point[ends[:, 1]]).T) * detour)
    pairs, walk_m = np.concatenate(pair), np.concatenate(walk)
    if settled is not None:
        start, end = network.transfer_from, network.transfer_to
        kept = settled[start] & settled[end] & (start < end)
        made = ~settled[pairs].all(axis=1)
        pairs = np.concatenate([pairs[made], np.stack([start[kept], end[kept]], axis=1)])
        walk_m = np.concatenate([walk_m[made], network.transfer_walk_m[kept]])
    return with_transfers(network, pairs, walk_m)


def build_reference_transit(
    roads: RoadNetwork, zones: Zones, *, inputs: Mapping[str, float] | None = None, crs: str = CRS
) -> TransitNetwork:
    """Build the metro and bus lines of Beijing over a road network and zones.

    Parameters
    ----------
    roads
        Road network on which the buses run.
    zones
        Zones with their residents and jobs.
    inputs
        Parameters ``transit_supply.*`` and ``transit.*``; the shipped ones by default.
    crs
        Projected CRS of ``roads`` and ``zones``.

    Returns
    -------
    TransitNetwork
        Metro lines by year of service, representative bus lines, transfers.

    Raises
    ------
    NetworkError
        If no bus can run on the roads, or the published totals cannot be met.
    """
    inputs = year_inputs(BASE_YEAR) if inputs is None else inputs
    bus = build_bus_lines(roads, zones, inputs=inputs)
    return add_transfers(join_networks(build_metro(inputs, crs=crs), bus), inputs)
