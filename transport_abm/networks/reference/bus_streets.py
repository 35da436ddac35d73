"""Bus stops of zones, their neighbours, and the road paths between neighbours.

Each zone has a stop near its centre, populous zones have a second one towards their rim, on the streets
through which most paths between zones run. Two stops are neighbours if they are joined in the Delaunay
triangulation of the stops and no third stop lies on the way, or nearly so. Buses follow the paths of least
``length * preference(link class)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.spatial import Delaunay, QhullError, cKDTree

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.core.vocabulary import LinkClass
from transport_abm.networks.city import F64, I32, I64, RoadNetwork, Zones

_CHUNK = 64
_FEW_STOPS = 12
_REACH = 3.0
"""First searches reach this many times the straight distance to the farthest neighbour."""
_BUS_CLASS = ("motorway", "expressway", "primary", "secondary", "tertiary", "local")


@dataclass(frozen=True)
class BusStreets:
    """Stops, the graph of neighbouring stops, and the road path of each of its links."""

    node: I32
    """Road node of each stop."""
    zone: I32
    """Zone that gave the stop its name."""
    zone_stop: tuple[tuple[int, ...], ...]
    """Stops of each zone."""
    people: F64
    """Residents and jobs that the stop stands for [persons]."""
    distance_m: F64
    """Shortest distance between stops over neighbours, mean of both ways, shape (stops, stops) [m]."""
    previous: I32
    """Stop before the last on that way, shape (stops, stops); negative where there is none."""
    link_length_m: F64
    """Length of each road link [m]."""
    road: Mapping[tuple[int, int], list[int]]
    """Road links from a stop to a neighbour."""

    def way(self, here: int, there: int) -> list[int]:
        """Stops on the shortest way from one stop to another, ends included."""
        way = [there]
        while way[-1] != here:
            way.append(int(self.previous[here, way[-1]]))
        return way[::-1]

    def path(self, here: int, there: int) -> list[int]:
        """Road links from one stop to another, over the stops between."""
        way = self.way(here, there)
        return [link for pair in pairwise(way) for link in self.road[pair]]


@dataclass(frozen=True)
class _Graph:
    """Road graph of the buses: cost by node pair, the link behind it, and usable nodes."""

    cost: csr_matrix
    link_key: I64
    """tail * nodes + head of the cheapest link of each pair, ascending."""
    link: I64
    usable: I64
    """Nodes of the largest part in which every node can reach every other."""


def _bus_graph(roads: RoadNetwork, inputs: Mapping[str, float], year: int) -> _Graph:
    """Cheapest link of each pair of nodes, and the largest strongly connected part."""
    factor = np.array([inputs[f"transit_supply.bus_cost_{name}"] for name in _BUS_CLASS])
    usable = roads.drive & (roads.open_year <= year) & (roads.link_class < LinkClass.PATH)
    usable &= roads.tail != roads.head
    link = np.flatnonzero(usable)
    if not len(link):
        raise NetworkError(Fault("links", "drive", "at least one road open to buses", "none"))
    n = roads.n_nodes
    cost = np.maximum(roads.length_m[link], 1.0) * factor[roads.link_class[link]]
    key = roads.tail[link].astype(np.int64) * n + roads.head[link]
    order = np.lexsort((link, cost, key))
    first = np.concatenate([[True], np.diff(key[order]) > 0])
    pick = order[first]
    graph = csr_matrix((cost[pick], (roads.tail[link[pick]], roads.head[link[pick]])), shape=(n, n))
    _, part = connected_components(graph, directed=True, connection="strong")
    usable_node = np.flatnonzero(part == np.bincount(part).argmax())
    return _Graph(graph, key[pick], link[pick].astype(np.int64), usable_node.astype(np.int64))


def _street_nodes(roads: RoadNetwork, graph: _Graph) -> I64:
    """Usable nodes on a street where buses stop (primary to tertiary); all usable ones if there is none."""
    street = (roads.link_class >= LinkClass.PRIMARY) & (roads.link_class <= LinkClass.TERTIARY)
    on_street = np.zeros(roads.n_nodes, bool)
    links = graph.link[street[graph.link]]
    on_street[roads.tail[links]] = True
    found = graph.usable[on_street[graph.usable]]
    return found if len(found) else graph.usable


def _zone_nodes(roads: RoadNetwork, zones: Zones, candidate: I64, use: F64) -> list[list[int]]:
    """Stop nodes of each zone: a busy one near its centre, and for populous zones one towards the rim."""
    centre = np.stack([zones.x_m, zones.y_m], axis=1)
    point = np.stack([roads.node_x_m[candidate], roads.node_y_m[candidate]], axis=1)
    nearest = candidate[cKDTree(point).query(centre)[1]]
    owner = cKDTree(centre).query(point)[1]
    order = np.argsort(owner, kind="stable")
    ends = np.searchsorted(owner[order], np.arange(len(zones) + 1))
    mass = zones.residents + zones.jobs
    busy = mass > np.median(mass)
    chosen: list[list[int]] = []
    for zone in range(len(zones)):
        own = np.append(candidate[order[ends[zone] : ends[zone + 1]]], nearest[zone])
        radius = np.sqrt(zones.area_m2[zone] / np.pi)
        away = np.hypot(roads.node_x_m[own] - zones.x_m[zone], roads.node_y_m[own] - zones.y_m[zone])
        nodes = [int(own[(use[own] * np.exp(-((2 * away / radius) ** 2))).argmax()])]
        apart = np.hypot(
            roads.node_x_m[own] - roads.node_x_m[nodes[0]], roads.node_y_m[own] - roads.node_y_m[nodes[0]]
        )
        rim = np.where(apart > 0.8 * radius, use[own] * np.exp(-((away / radius) ** 2)), 0.0)
        if busy[zone] and rim.max() > 0:
            nodes.append(int(own[rim.argmax()]))
        chosen.append(nodes)
    return chosen


def _neighbours(point: F64) -> I32:
    """Pairs of stops joined in the Delaunay triangulation; all pairs of a few stops."""
    n = len(point)
    if n > _FEW_STOPS:
        try:
            corner = Delaunay(point).simplices
        except QhullError:  # stops on one straight road
            order = np.lexsort((point[:, 1], point[:, 0]))
            return np.sort(np.stack([order[:-1], order[1:]], axis=1), axis=1).astype(np.int32)
        pair = np.concatenate([corner[:, [0, 1]], corner[:, [1, 2]], corner[:, [2, 0]]])
        return np.unique(np.sort(pair, axis=1), axis=0).astype(np.int32)
    return np.stack(np.triu_indices(n, 1), axis=1).astype(np.int32)


def _trace(previous: I32, here: int, there: int, graph: _Graph) -> list[int]:
    """Road links of the path that a search from ``here`` found to ``there``."""
    nodes = [there]
    while nodes[-1] != here:
        nodes.append(int(previous[nodes[-1]]))
    n = graph.cost.shape[0]
    key = np.array([a * n + b for b, a in pairwise(nodes)], np.int64)[::-1]
    return [int(link) for link in graph.link[np.searchsorted(graph.link_key, key)]]


def _neighbour_paths(graph: _Graph, node: I32, point: F64, pair: I32) -> dict[tuple[int, int], list[int]]:
    """Road links between neighbouring stops, both ways."""
    both = np.concatenate([pair, pair[:, ::-1]])
    both = both[np.lexsort((both[:, 1], both[:, 0]))]
    reach = np.zeros(len(node))
    np.maximum.at(reach, both[:, 0], np.hypot(*(point[both[:, 0]] - point[both[:, 1]]).T))
    ends = np.searchsorted(both[:, 0], np.arange(len(node) + 1))
    source = np.argsort(reach, kind="stable")
    source = source[np.diff(ends)[source] > 0]
    road: dict[tuple[int, int], list[int]] = {}
    for start in range(0, len(source), _CHUNK):
        chunk = source[start : start + _CHUNK]
        for limit in (_REACH * reach[chunk].max(), np.inf):
            _, previous = dijkstra(graph.cost, indices=node[chunk], return_predecessors=True, limit=limit)
            pairs = [(k, int(h), int(t)) for k, h in enumerate(chunk) for t in both[ends[h] : ends[h + 1], 1]]
            if all(previous[k, node[there]] >= 0 for k, _, there in pairs):
                break
        for k, here, there in pairs:
            road[here, there] = _trace(previous[k], int(node[here]), int(node[there]), graph)
    return road


def _street_links(
    roads: RoadNetwork, graph: _Graph, node: I32, point: F64
) -> tuple[dict[tuple[int, int], list[int]], I32]:
    """Road links between neighbouring stops both ways, and the pairs of neighbours.

    A pair whose paths pass other stops both ways is cut there. The parts have none on one of their ways, so
    they stay, and every stop can still be reached.
    """
    stop_at = np.full(roads.n_nodes, -1, np.int32)
    stop_at[node] = np.arange(len(node))
    road = _neighbour_paths(graph, node, point, _neighbours(point))

    def stops(here: int, there: int) -> list[int]:
        met = stop_at[roads.head[road[here, there][:-1]]]
        return [here, *met[met >= 0].tolist(), there]

    whole: set[tuple[int, int]] = set()
    for here, there in [pair for pair in road if pair[0] < pair[1]]:
        ways = stops(here, there), stops(there, here)
        if min(map(len, ways)) == 2:
            whole.add((here, there))
        else:
            whole |= {(min(ends), max(ends)) for way in ways for ends in pairwise(way)}
    added = np.array(sorted(whole - road.keys()), np.int32).reshape(-1, 2)
    if len(added):
        road |= _neighbour_paths(graph, node, point, added)
    return road, np.array(sorted(whole), np.int32).reshape(-1, 2)


def _prune(pair: I32, length_m: F64, ratio: float) -> tuple[I32, F64]:
    """Drop links that are hardly shorter than the way by a third stop."""
    near: dict[int, dict[int, float]] = {}
    for (a, b), length in zip(pair.tolist(), length_m.tolist(), strict=True):
        near.setdefault(a, {})[b] = length
        near.setdefault(b, {})[a] = length
    keep = np.ones(len(pair), bool)
    for row, ((a, b), length) in enumerate(zip(pair.tolist(), length_m.tolist(), strict=True)):
        thirds = near[a].keys() & near[b].keys()
        by_third = (near[a][c] + near[b][c] for c in thirds if max(near[a][c], near[b][c]) < length)
        keep[row] = min(by_third, default=np.inf) > ratio * length
    return pair[keep], length_m[keep]


def _place_stops(roads: RoadNetwork, zones: Zones, graph: _Graph) -> list[list[int]]:
    """Stop nodes of each zone, on the streets that most paths between neighbouring zones use."""
    candidate = _street_nodes(roads, graph)
    place = np.stack([roads.node_x_m, roads.node_y_m], axis=1)
    nearest = cKDTree(place[candidate]).query(np.stack([zones.x_m, zones.y_m], axis=1))[1]
    node = np.unique(candidate[nearest]).astype(np.int32)
    use = np.ones(roads.n_nodes)
    if len(node) > 1:
        for links in _neighbour_paths(graph, node, place[node], _neighbours(place[node])).values():
            use[roads.head[links]] += 1
    return _zone_nodes(roads, zones, candidate, use)


def build_bus_streets(
    roads: RoadNetwork, zones: Zones, inputs: Mapping[str, float], *, year: int = 2020
) -> BusStreets:
    """Place bus stops and find the road paths between neighbouring ones.

    Parameters
    ----------
    roads
        Road network.
    zones
        Zones.
    inputs
        Parameters ``transit_supply.bus_cost_*``.
    year
        Year whose roads the buses use.

    Returns
    -------
    BusStreets
        Stops and their graph; every stop can be reached from every other.

    Raises
    ------
    NetworkError
        If no road is open to buses.
    """
    graph = _bus_graph(roads, inputs, year)
    zone_node = _place_stops(roads, zones, graph)
    node, first = np.unique([n for nodes in zone_node for n in nodes], return_index=True)
    owner = np.array([zone for zone, nodes in enumerate(zone_node) for _ in nodes])[first]
    row = {int(n): k for k, n in enumerate(node)}
    zone_stop = tuple(tuple(row[n] for n in nodes) for nodes in zone_node)
    people = np.zeros(len(node))
    for zone, stops in enumerate(zone_stop):
        people[list(stops)] += (zones.residents[zone] + zones.jobs[zone]) / len(stops)
    node = node.astype(np.int32)
    road, pair = _street_links(roads, graph, node, np.stack([roads.node_x_m, roads.node_y_m], axis=1)[node])
    both = [[roads.length_m[road[a, b]].sum(), roads.length_m[road[b, a]].sum()] for a, b in pair.tolist()]
    mean_m = np.array(both, np.float64).reshape(-1, 2).mean(axis=1)
    pair, length_m = _prune(pair, mean_m, inputs["transit_supply.bus_on_way_ratio"])
    links = csr_matrix((length_m, (pair[:, 0], pair[:, 1])), shape=(len(node), len(node)))
    distance_m, previous = dijkstra(links, directed=False, return_predecessors=True)
    return BusStreets(
        node=node,
        zone=owner.astype(np.int32),
        zone_stop=zone_stop,
        people=people,
        distance_m=distance_m,
        previous=previous.astype(np.int32),
        link_length_m=roads.length_m,
        road=road,
    )
