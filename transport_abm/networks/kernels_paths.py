"""Shortest-path trees on a road graph, and what is gathered along them.

Trees grow from one node to all others (Dijkstra 1959, with a 4-ary heap). Links are stored by tail
(compressed rows); "slot" is a link's place in that order. Of several cheapest ways into a node the one
through the lowest slot wins. Origins are dealt to a fixed number of chunks, each with its own sums, and the
chunks are added in order: the number of threads never changes a bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

CHUNK_COUNT = 16
"""Chunks of origins: fixed, because the order of sums is part of the result."""


class Graph(NamedTuple):
    """Links by tail: those that leave node ``n`` are slots ``indptr[n]:indptr[n + 1]``."""

    indptr: NDArray[np.int64]
    tail: NDArray[np.int32]
    head: NDArray[np.int32]
    first_through: int
    """Nodes with a lower number carry no through traffic."""


class Tree(NamedTuple):
    """Work space of one tree."""

    cost: NDArray[np.float64]
    """By node: cost from the origin; infinite where it cannot be reached."""
    slot: NDArray[np.int32]
    """By node: slot of the last link on the way; -1 at the origin and where it cannot be reached."""
    order: NDArray[np.int32]
    """Nodes in the order in which they were settled."""
    heap_node: NDArray[np.int32]
    heap_cost: NDArray[np.float64]


@njit(cache=True, nogil=True, error_model="numpy")
def new_tree(n_nodes, n_links):  # type: ignore[no-untyped-def]
    """Work space for trees of a graph."""
    return Tree(
        np.empty(n_nodes, np.float64),
        np.empty(n_nodes, np.int32),
        np.empty(n_nodes, np.int32),
        np.empty(n_links + 1, np.int32),
        np.empty(n_links + 1, np.float64),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def _push(heap_cost, heap_node, size, node, cost):  # type: ignore[no-untyped-def]
    """Add ``node`` to a heap of ``size`` places."""
    place = size
    while place > 0:
        parent = (place - 1) >> 2
        if heap_cost[parent] <= cost:
            break
        heap_cost[place] = heap_cost[parent]
        heap_node[place] = heap_node[parent]
        place = parent
    heap_cost[place] = cost
    heap_node[place] = node


@njit(cache=True, nogil=True, error_model="numpy")
def _pop(heap_cost, heap_node, size):  # type: ignore[no-untyped-def]
    """Close the empty top of a heap with its last entry, at place ``size``."""
    cost = heap_cost[size]
    node = heap_node[size]
    place = 0
    while True:
        child = 4 * place + 1
        if child >= size:
            break
        best = child
        best_cost = heap_cost[child]
        for other in range(child + 1, min(child + 4, size)):
            if heap_cost[other] < best_cost:
                best = other
                best_cost = heap_cost[other]
        if cost <= best_cost:
            break
        heap_cost[place] = best_cost
        heap_node[place] = heap_node[best]
        place = best
    heap_cost[place] = cost
    heap_node[place] = node


@njit(cache=True, nogil=True, error_model="numpy")
def grow_tree(graph, link_cost, origin, tree):  # type: ignore[no-untyped-def]
    """Cheapest ways from ``origin`` to all nodes; returns how many nodes it reaches.

    Parameters
    ----------
    graph : Graph
    link_cost : float64[links]
        By slot; not negative; infinite where closed.
    origin : int
        Node.
    tree : Tree
        Overwritten.

    Notes
    -----
    Dijkstra (1959), Numerische Mathematik 1, 269-271. A node may stand in the heap more than once; only its
    cheapest entry counts. A tie goes to the lowest slot (except over links that cost nothing, where the node
    may be settled already: there the first way found stays).
    """
    cost = tree.cost
    last = tree.slot
    cost[:] = np.inf
    last[:] = -1
    cost[origin] = 0.0
    tree.heap_cost[0] = 0.0
    tree.heap_node[0] = origin
    size = 1
    count = 0
    while size > 0:
        node = tree.heap_node[0]
        base = tree.heap_cost[0]
        size -= 1
        if size > 0:
            _pop(tree.heap_cost, tree.heap_node, size)
        if base > cost[node]:
            continue
        tree.order[count] = node
        count += 1
        if node < graph.first_through and node != origin:
            continue
        for slot in range(graph.indptr[node], graph.indptr[node + 1]):
            head = graph.head[slot]
            reach = base + link_cost[slot]
            if reach < cost[head]:
                cost[head] = reach
                last[head] = slot
                _push(tree.heap_cost, tree.heap_node, size, head, reach)
                size += 1
            elif reach == cost[head] and base < reach < np.inf and slot < last[head]:
                last[head] = slot
    return count


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)
def skim_trees(graph, link_cost, attribute, zone_node, out):  # type: ignore[no-untyped-def]
    """Cost and sums of link attributes along the cheapest ways between all zones.

    Parameters
    ----------
    graph : Graph
    link_cost : float64[links]
        By slot.
    attribute : float64[k, links]
        By slot.
    zone_node : int32[zones]
    out : float32[k + 1, zones, zones]
        Cost, then each attribute; origin first; infinite where there is no way. Overwritten.
    """
    n_zones = len(zone_node)
    n_nodes = len(graph.indptr) - 1
    n_attributes = attribute.shape[0]
    for chunk in prange(CHUNK_COUNT):
        tree = new_tree(n_nodes, len(link_cost))
        total = np.empty((n_attributes, n_nodes), np.float64)
        for origin in range(chunk * n_zones // CHUNK_COUNT, (chunk + 1) * n_zones // CHUNK_COUNT):
            count = grow_tree(graph, link_cost, zone_node[origin], tree)
            for k in range(n_attributes):
                total[k, zone_node[origin]] = 0.0
                for i in range(1, count):
                    node = tree.order[i]
                    slot = tree.slot[node]
                    total[k, node] = total[k, graph.tail[slot]] + attribute[k, slot]
            for zone in range(n_zones):
                node = zone_node[zone]
                out[0, origin, zone] = tree.cost[node]
                reached = tree.cost[node] < np.inf
                for k in range(n_attributes):
                    out[k + 1, origin, zone] = total[k, node] if reached else np.inf


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)
def load_trees(graph, link_cost, zone_node, demand, flow):  # type: ignore[no-untyped-def]
    """Put all demand on the cheapest ways; returns the sum of demand times cost.

    Parameters
    ----------
    graph : Graph
    link_cost : float64[links]
        By slot.
    zone_node : int32[zones]
    demand : float64[zones, zones]
        [pcu/h]; pairs without a way must have none.
    flow : float64[links]
        By slot [pcu/h], overwritten.
    """
    n_zones = len(zone_node)
    n_nodes = len(graph.indptr) - 1
    part = np.zeros((CHUNK_COUNT, len(flow)), np.float64)
    cost_part = np.zeros(CHUNK_COUNT, np.float64)
    for chunk in prange(CHUNK_COUNT):
        tree = new_tree(n_nodes, len(link_cost))
        arriving = np.zeros(n_nodes, np.float64)
        for origin in range(chunk * n_zones // CHUNK_COUNT, (chunk + 1) * n_zones // CHUNK_COUNT):
            count = grow_tree(graph, link_cost, zone_node[origin], tree)
            arriving[:] = 0.0
            for zone in range(n_zones):
                node = zone_node[zone]
                if demand[origin, zone] > 0.0 and node != zone_node[origin]:
                    arriving[node] += demand[origin, zone]
                    cost_part[chunk] += demand[origin, zone] * tree.cost[node]
            for i in range(count - 1, 0, -1):
                node = tree.order[i]
                if arriving[node] > 0.0:
                    slot = tree.slot[node]
                    part[chunk, slot] += arriving[node]
                    arriving[graph.tail[slot]] += arriving[node]
    flow[:] = 0.0
    cost = 0.0
    for chunk in range(CHUNK_COUNT):
        flow += part[chunk]
        cost += cost_part[chunk]
    return cost


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)
def grow_trees(graph, link_cost, origin_node, zone_node, slot, cost):  # type: ignore[no-untyped-def]
    """Trees of a block of origins, kept.

    Parameters
    ----------
    graph : Graph
    link_cost : float64[links]
        By slot.
    origin_node : int32[origins]
    zone_node : int32[zones]
    slot : int32[origins, nodes]
        Last link on the way to each node, overwritten.
    cost : float64[origins, zones]
        Cost to each zone's node, overwritten.
    """
    n_nodes = len(graph.indptr) - 1
    n_origins = len(origin_node)
    for chunk in prange(CHUNK_COUNT):
        tree = new_tree(n_nodes, len(link_cost))
        for i in range(chunk * n_origins // CHUNK_COUNT, (chunk + 1) * n_origins // CHUNK_COUNT):
            grow_tree(graph, link_cost, origin_node[i], tree)
            slot[i] = tree.slot
            for zone in range(len(zone_node)):
                cost[i, zone] = tree.cost[zone_node[zone]]
