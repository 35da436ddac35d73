"""Connectors: how the trips of a zone get on and off the roads, at several places and not at one.

A zone's trips start all over it. Loading them at one node would choke the streets round that node at any demand; so
each zone has a node of its own, joined to up to five road nodes: the zone's node and one in each direction from its
centre. The equilibrium shares trips out among them. Connectors have no capacity and carry no through traffic.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from transport_abm.networks.city import F64, I32, City
from transport_abm.networks.roads.road_problem import RoadProblem
from transport_abm.policy.inputs import YearInputs

QUARTERS = np.array([(1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0)]) / np.sqrt(2.0)
"""Directions in which road nodes are looked for."""
HALF = 0.5
"""How far from the centre, as a share of the zone's equivalent radius: half of a disc's area lies beyond 0.7."""
SPARE_CAPACITY = 1e9


@dataclass(frozen=True)
class Connectors:
    """Links between zones and road nodes, each used in both directions."""

    zone: I32
    node: I32
    length_m: F64

    def __len__(self) -> int:
        return len(self.zone)


def build_connectors(city: City, inputs: YearInputs) -> Connectors:
    """Join every zone to up to five road nodes.

    Parameters
    ----------
    city
        Zones and roads.
    inputs
        Read: ``active.detour_factor``.

    Returns
    -------
    Connectors
        Sorted by zone; each pair of zone and node once.
    """
    zones, roads = city.zones, city.roads
    usable = np.zeros(roads.n_nodes, bool)
    # Motorways and expressways are entered by ramps, never straight from a zone.
    street = roads.drive & (roads.link_class >= 2) & (roads.open_year <= roads.open_year.min())
    usable[roads.tail[street]] = True
    usable &= np.isin(np.arange(roads.n_nodes), roads.head[street])
    member = np.flatnonzero(usable)
    place = np.column_stack((roads.node_x_m, roads.node_y_m))
    centre = np.column_stack((zones.x_m, zones.y_m))
    radius = np.sqrt(zones.area_m2 / np.pi)
    pairs = {(z, int(node)) for z, node in enumerate(zones.node)}
    if len(member):
        tree = cKDTree(place[member])
        for quarter in QUARTERS:
            away, nearest = tree.query(centre + quarter * (HALF * radius)[:, None])
            near = np.flatnonzero(away <= radius)
            pairs |= {(int(z), int(member[nearest[z]])) for z in near}
    ordered = np.array(sorted(pairs), np.int32)
    zone, node = ordered[:, 0].copy(), ordered[:, 1].copy()
    straight = np.hypot(*(place[node] - centre[zone]).T)
    return Connectors(zone, node, straight * inputs["active.detour_factor"])


def connect(problem: RoadProblem, connectors: Connectors, n_zones: int, inputs: YearInputs) -> RoadProblem:
    """Put the zones' own nodes and connectors into a problem.

    Parameters
    ----------
    problem
        Roads alone.
    connectors
        Links between zones and nodes.
    n_zones
        Number of zones.
    inputs
        Read: ``traffic.connector_kmh``.

    Returns
    -------
    RoadProblem
        Zones are nodes 0 to ``n_zones`` - 1 and carry no through traffic; links of the roads keep their rows, connectors
        follow them, first outbound, then inbound.
    """
    time_s = connectors.length_m / inputs["traffic.connector_kmh"] * 3.6
    return join_zones(problem, connectors.zone, connectors.node, time_s, n_zones)


def join_zones(problem: RoadProblem, zone: I32, node: I32, time_s: F64, n_zones: int) -> RoadProblem:
    """Put a node for each zone before the nodes of a problem, and links from and to its road nodes after its links.

    Parameters
    ----------
    problem
        Roads alone.
    zone, node
        Ends of each connector: row of the zone, and node of the roads.
    time_s
        Time on each connector [s].
    n_zones
        Number of zones.

    Returns
    -------
    RoadProblem
        As ``connect``.
    """
    n = 2 * len(zone)

    def longer(column: F64, value: float | F64) -> F64:
        return np.concatenate([column, np.broadcast_to(np.asarray(value, np.float64), n)])

    ends: tuple[NDArray[np.int32], NDArray[np.int32]] = (zone, node + np.int32(n_zones))
    shift = np.int32(n_zones)
    return replace(
        problem,
        tail=np.concatenate([problem.tail + shift, ends[0], ends[1]]).astype(np.int32),
        head=np.concatenate([problem.head + shift, ends[1], ends[0]]).astype(np.int32),
        n_nodes=problem.n_nodes + n_zones,
        free_time_s=longer(problem.free_time_s, np.tile(time_s, 2)),
        capacity_pcuh=longer(problem.capacity_pcuh, SPARE_CAPACITY),
        bpr_scale=longer(problem.bpr_scale, 0.0),
        bpr_power=longer(problem.bpr_power, 1.0),
        fixed_cost_s=longer(problem.fixed_cost_s, 0.0),
        preload_pcuh=longer(problem.preload_pcuh, 0.0),
        first_through_node=n_zones,
    )
