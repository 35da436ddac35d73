"""What a network file gives, in one form: links that equilibrium and queue run on, and the trips on them.

Every reader of a format returns a ``RoadFile``; every writer takes one. Rows are numbered from 0; the names that the
file gives to nodes, links and zones stand beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.networks.city import F64, I32, I64
from transport_abm.networks.formats.reading import counted
from transport_abm.networks.roads.assignment import skim_roads
from transport_abm.networks.roads.connectors import join_zones
from transport_abm.networks.roads.road_problem import RoadProblem

BPR_SCALE, BPR_POWER = 0.15, 4.0
"""Delay of links whose file gives none (Bureau of Public Roads 1964); readers say when they use it."""
MOST_FAULTS = 20
"""Faults named of one file; the rest are counted."""


class Shapes(NamedTuple):
    """Shape points of link k: ``x[indptr[k]:indptr[k+1]]``, ends included."""

    indptr: I64
    x: F64
    y: F64


@dataclass(frozen=True)
class RoadFile:
    """A road network from a file or for a file."""

    name: str
    problem: RoadProblem
    """Links and their cost; times in seconds if ``in_seconds``, else in the file's own unit."""
    node_name: tuple[str, ...]
    link_name: tuple[str, ...]
    zone_name: tuple[str, ...]
    """Zones, if the file has them."""
    zone_node: I32
    """Node of each zone."""
    length_m: F64
    """Length; in metres if ``in_metres``, else in the file's own unit."""
    lanes: F64 | None = None
    """Lanes in the link's direction; None if the format has none."""
    free_speed_kmh: F64 | None = None
    """Speed on the empty link without stops, as the file gives it; None if it gives none."""
    x: F64 | None = None
    y: F64 | None = None
    """Coordinates of nodes in ``crs``."""
    crs: str = ""
    """Coordinate system of ``x`` and ``y``; empty if the file names none."""
    uses: tuple[str, ...] = ()
    """Who may use each link, separated by commas; empty if the file says nothing."""
    facility: tuple[str, ...] = ()
    """Kind of each link, or empty."""
    shapes: Shapes | None = None
    toll: F64 | None = None
    """Toll of each link in the file's currency; part of the cost only as far as ``problem.fixed_cost_s`` says."""
    demand: F64 | None = None
    """Vehicles per hour, or per the period of the file's capacities, shape (zones, zones), origin first."""
    in_seconds: bool = True
    in_metres: bool = True
    notes: tuple[str, ...] = ()
    """What the reader took for granted or left out, for the user."""

    @property
    def n_zones(self) -> int:
        """Number of zones."""
        return len(self.zone_node)

    @property
    def open(self) -> NDArray[np.bool_]:
        """By link: whether cars may use it."""
        return np.isfinite(self.problem.free_time_s)


def join_zone_nodes(roads: RoadFile, zone: I32, node: I32, zone_name: Sequence[str]) -> RoadFile:
    """Give each zone a node of its own, joined without time to its road nodes.

    Parameters
    ----------
    roads
        Network without zones.
    zone, node
        Row of the zone and row of the node, one pair a place where trips get on and off.
    zone_name
        Names of the zones.

    Returns
    -------
    RoadFile
        Zones are the first nodes and carry no through traffic; links of the file keep their rows, connectors follow.
    """
    n, m = len(zone_name), 2 * len(zone)
    problem = join_zones(roads.problem, zone, node, np.zeros(len(zone)), n)
    count = np.maximum(np.bincount(zone, minlength=n), 1)
    ends = [(f"zone {zone_name[z]}", roads.node_name[k]) for z, k in zip(zone, node, strict=True)]
    names = [f"{a} to {b}" for a, b in ends] + [f"{b} to {a}" for a, b in ends]

    def longer(column: F64 | None, value: float) -> F64 | None:
        return None if column is None else np.concatenate([column, np.full(m, value)])

    def centre(column: F64 | None) -> F64 | None:
        if column is None:
            return None
        return np.concatenate([np.bincount(zone, column[node], n) / count, column])

    shapes = roads.shapes
    if shapes is not None:
        shapes = shapes._replace(indptr=np.concatenate([shapes.indptr, np.full(m, shapes.indptr[-1])]))
    length = longer(roads.length_m, 0.0)
    assert length is not None
    return replace(
        roads,
        problem=problem,
        node_name=(*(f"zone {name}" for name in zone_name), *roads.node_name),
        link_name=(*roads.link_name, *names),
        zone_name=tuple(zone_name),
        zone_node=np.arange(n, dtype=np.int32),
        length_m=length,
        lanes=longer(roads.lanes, 1.0),
        free_speed_kmh=longer(roads.free_speed_kmh, 1.0),
        toll=longer(roads.toll, 0.0),
        x=centre(roads.x),
        y=centre(roads.y),
        uses=(*roads.uses, *[""] * m) if roads.uses else (),
        facility=(*roads.facility, *["connector"] * m) if roads.facility else (),
        shapes=shapes,
    )


def road_problems(roads: RoadFile) -> list[str]:
    """What would spoil a run on a network that is read without a fault.

    Parameters
    ----------
    roads
        Network.

    Returns
    -------
    list[str]
        One line each; empty if there is nothing.
    """
    problem, found = roads.problem, []
    usable = roads.open
    n = problem.n_nodes
    touched = np.zeros(n, bool)
    touched[problem.tail] = touched[problem.head] = True
    if alone := int((~touched).sum()):
        found.append(counted(alone, "node without a link", "nodes without a link"))
    leaves = np.bincount(problem.tail[usable], minlength=n)
    comes = np.bincount(problem.head[usable], minlength=n)
    found += [
        counted(count, one, many)
        for count, one, many in (
            (
                int(((comes > 0) & (leaves == 0)).sum()),
                "node that cars can enter and not leave",
                "nodes that cars can enter and not leave",
            ),
            (
                int(((leaves > 0) & (comes == 0)).sum()),
                "node that cars can leave and not enter",
                "nodes that cars can leave and not enter",
            ),
            (
                int((problem.tail[usable] == problem.head[usable]).sum()),
                "link from a node to itself",
                "links from a node to itself",
            ),
            (int((problem.free_time_s == 0).sum()), "link that takes no time", "links that take no time"),
        )
        if count
    ]
    ones = np.ones(int(usable.sum()))
    graph = coo_matrix((ones, (problem.tail[usable], problem.head[usable])), (n, n))
    part = connected_components(graph, directed=True, connection="strong")[1]
    if len(part) and (beyond := int(((comes + leaves > 0) & (part != np.bincount(part).argmax())).sum())):
        found.append(
            counted(
                beyond,
                "node outside the largest part in which every node reaches every other",
                "nodes outside the largest part in which every node reaches every other",
            )
        )
    if roads.demand is not None:
        lost = _without_way(roads, roads.demand)
        if lost.any():
            trips = float(roads.demand[lost].sum())
            found.append(
                counted(
                    int(lost.sum()),
                    f"pair of zones with {trips:.1f} trips and no way",
                    f"pairs of zones with {trips:.1f} trips and no way",
                )
            )
    return found


def lost_trips(roads: RoadFile) -> list[Fault]:
    """Trips that no open road leads to their destination, by the names of the file.

    Parameters
    ----------
    roads
        Network with demand.

    Returns
    -------
    list[Fault]
        One fault for each zone that no open link leaves, each that none enters, and each other pair.
    """
    if roads.demand is None:
        return []
    problem, demand = roads.problem, roads.demand
    lost = _without_way(roads, demand)
    faults = []
    for end, pairs, trips, words in (
        (problem.tail, lost, demand, "from"), (problem.head, lost.T, demand.T, "to"),
    ):  # fmt: skip
        used = np.bincount(end[roads.open], minlength=problem.n_nodes)[roads.zone_node] > 0
        for zone in np.flatnonzero(~used & pairs.any(axis=1)):
            where = f"demand {words} zone {roads.zone_name[zone]}"
            expected = f"an open link {words} its node {roads.node_name[roads.zone_node[zone]]}"
            got = f"none for {trips[zone] @ pairs[zone]:.6g} trips of {pairs[zone].sum()} pairs"
            faults.append(Fault(roads.name, where, expected, got))
            pairs[zone] = False
    faults += [
        Fault(
            roads.name, f"demand from zone {roads.zone_name[a]} to zone {roads.zone_name[b]}",
            "a way over open links", f"none for {demand[a, b]:.6g} trips",
        )
        for a, b in np.argwhere(lost)
    ]  # fmt: skip
    return faults


def _without_way(roads: RoadFile, demand: F64) -> NDArray[np.bool_]:
    """Pairs with demand and no way."""
    problem = roads.problem
    nothing = np.empty((0, problem.n_links))
    reach = skim_roads(problem, problem.free_time_s + problem.fixed_cost_s, roads.zone_node, nothing)[0]
    lost: NDArray[np.bool_] = (demand > 0) & np.isinf(reach)
    return lost


def stop_at(faults: Sequence[Fault | str]) -> None:
    """Raise what was found so far: the first faults, and how many more there are."""
    if faults:
        rest = len(faults) - MOST_FAULTS
        raise NetworkError([*faults[:MOST_FAULTS], *([f"... and {rest} more"] if rest > 0 else [])])
