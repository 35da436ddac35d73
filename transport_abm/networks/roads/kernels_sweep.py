"""Costs from many origins at once: up the chords of a hierarchy, and down again over all nodes.

From an origin the way climbs to its ancestors; what it costs to come down to a node follows from the nodes above
it. The second part is the same walk for any origin, so a block of them is swept together, a lane each
(Delling, Goldberg, Nowatzyk and Werneck 2013, PHAST, J. Parallel Distrib. Comput. 73, 940-952).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from transport_abm.networks.roads.kernels_hierarchy import DOWN, UP

START = np.int32(-(2**31))
"""In place of a chord: the way begins here."""


class Block(NamedTuple):
    """What is asked of a block of origins."""

    origin: NDArray[np.int32]
    """Nodes of the graph, a lane each."""
    node: NDArray[np.int32]
    """Ranks wanted, descending, with all their ancestors."""
    lanes: int
    """At least as many as origins."""


class Batch(NamedTuple):
    """Costs from a block of origins.

    Nodes that the way from the origin of lane ``i`` can climb to are ``node[ptr[i]:ptr[i + 1]]``, by rank.
    """

    cost: NDArray[np.float64]
    """Shape (nodes, lanes), or (lanes, nodes) after ``by_lane``: cost from the origin to the nodes wanted."""
    ptr: NDArray[np.int64]
    node: NDArray[np.int32]
    climbed: NDArray[np.float64]
    """Cost by climbing alone."""
    last: NDArray[np.int32]
    """Chord by which it was climbed to; ``~slot`` of a first link; ``START`` at the origin itself."""


@njit(cache=True, nogil=True, error_model="numpy")
def climb(chords, weight, start, reach, last, node):  # type: ignore[no-untyped-def]
    """Costs to all nodes that can be climbed to; returns how many.

    Parameters
    ----------
    chords : Chords
    weight : float64[chords]
        Of chords up; those down for the way back from a destination.
    start : int32[n]
        Ranks from which to climb; used up.
    reach : float64[nodes]
        Infinite but at the starts, which have their costs; updated.
    last : int32[nodes]
        Chord of the way to each node, updated.
    node : int32[nodes]
        Nodes reached, by rank; overwritten.
    """
    # Taken out of the tuple once: in the loop that would count references.
    ptr, upper, parent = chords.ptr, chords.upper, chords.parent
    n_start = len(start)
    size = 0
    while n_start > 0:
        v = start[0]
        for i in range(1, n_start):
            v = min(v, start[i])
        # Ways up from several starts join: each ancestor is looked at once.
        i = 0
        joined = False
        while i < n_start:
            if start[i] == v:
                if joined or parent[v] < 0:
                    n_start -= 1
                    start[i] = start[n_start]
                    continue
                start[i] = parent[v]
                joined = True
            i += 1
        base = reach[v]
        if base == np.inf:
            continue
        node[size] = v
        size += 1
        for k in range(ptr[v], ptr[v + 1]):
            u = upper[k]
            cost = base + weight[k]
            if cost < reach[u]:
                reach[u] = cost
                last[u] = k
    return size


@njit(cache=True, nogil=True, error_model="numpy")
def place_starts(chords, graph, weights, origin, start, reach, last):  # type: ignore[no-untyped-def]
    """Where ways from ``origin`` begin to climb, with the costs to there; returns how many places."""
    if chords.rank[origin] >= 0:
        start[0] = chords.rank[origin]
        reach[start[0]] = 0.0
        last[start[0]] = START
        return 1
    count = 0
    for slot in range(graph.indptr[origin], graph.indptr[origin + 1]):
        v = chords.rank[graph.head[slot]]
        if v >= 0 and weights.link[slot] < reach[v]:
            if reach[v] == np.inf:
                start[count] = v
                count += 1
            reach[v] = weights.link[slot]
            last[v] = ~slot
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def reach_all(chords, graph, weights, block):  # type: ignore[no-untyped-def]
    """Costs from a block of origins to nodes.

    Parameters
    ----------
    chords : Chords
    graph : Graph
    weights : Weights
    block : Block

    Returns
    -------
    Batch
        Lanes without an origin are infinite.
    """
    n = len(chords.parent)
    reach = np.full(n, np.inf)
    last = np.empty(n, np.int32)
    start = np.empty(n, np.int32)
    node = np.empty(n, np.int32)
    batch = Batch(
        np.empty((n, block.lanes)),
        np.zeros(block.lanes + 1, np.int64),
        np.empty(n, np.int32),
        np.empty(n),
        np.empty(n, np.int32),
    )
    size = 0
    for lane in range(block.lanes):
        if lane < len(block.origin):
            count = place_starts(chords, graph, weights, block.origin[lane], start, reach, last)
            found = climb(chords, weights.cost[UP], start[:count], reach, last, node)
            batch = _with_room(batch, size, found)
            for i in range(found):
                v = node[i]
                batch.node[size + i] = v
                batch.climbed[size + i] = reach[v]
                batch.last[size + i] = last[v]
                reach[v] = np.inf
            size += found
        batch.ptr[lane + 1] = size
    _sweep_down(chords, weights.cost[DOWN], block.node, batch)
    return batch


@njit(cache=True, nogil=True, error_model="numpy")
def _with_room(batch, size, more):  # type: ignore[no-untyped-def]
    """The batch with room for more nodes climbed to."""
    if size + more <= len(batch.node):
        return batch
    room = 2 * (size + more)
    node, climbed, last = np.empty(room, np.int32), np.empty(room), np.empty(room, np.int32)
    node[:size] = batch.node[:size]
    climbed[:size] = batch.climbed[:size]
    last[:size] = batch.last[:size]
    return Batch(batch.cost, batch.ptr, node, climbed, last)


@njit(cache=True, nogil=True, error_model="numpy")
def _fall_to(row, first, end, upper, weight, cost):  # type: ignore[no-untyped-def]
    """Costs to one node through the nodes above it."""
    # The number of lanes is not known to the compiler, so that it keeps the loop and uses vectors.
    lanes = len(row)
    for k in range(first, end):
        more = weight[k]
        above = cost[upper[k]]
        for lane in range(lanes):
            way = above[lane] + more
            row[lane] = way if way < row[lane] else row[lane]


@njit(cache=True, nogil=True, error_model="numpy")
def _sweep_down(chords, weight, nodes, batch):  # type: ignore[no-untyped-def]
    """Costs of a batch from the top down: each node by climbing, or through the nodes above it."""
    cost, climbed, ptr, upper = batch.cost, batch.climbed, chords.ptr, chords.upper
    lanes = cost.shape[1]
    first = np.full(len(cost), -1, np.int32)
    following = np.empty(batch.ptr[-1], np.int32)
    lane_of = np.empty(batch.ptr[-1], np.int32)
    for lane in range(lanes):
        for i in range(batch.ptr[lane], batch.ptr[lane + 1]):
            lane_of[i] = lane
            following[i] = first[batch.node[i]]
            first[batch.node[i]] = i
    for j in range(len(nodes)):
        v = nodes[j]
        row = cost[v]
        row[:] = np.inf
        i = first[v]
        while i >= 0:
            row[lane_of[i]] = climbed[i]
            i = following[i]
        _fall_to(row, ptr[v], ptr[v + 1], upper, weight, cost)


@njit(cache=True, nogil=True, error_model="numpy")
def cost_all(chords, graph, weights, block):  # type: ignore[no-untyped-def]
    """Costs from a block of origins where no ways are asked for: all lanes climb together.

    Parameters
    ----------
    chords : Chords
    graph : Graph
    weights : Weights
    block : Block

    Returns
    -------
    float64[nodes, lanes]
        As ``Batch.cost``.
    """
    n = len(chords.parent)
    lanes = block.lanes
    ptr, upper, parent = chords.ptr, chords.upper, chords.parent
    up, down = weights.cost[UP], weights.cost[DOWN]
    cost = np.empty((n, lanes))
    reach, last, start = np.full(n, np.inf), np.empty(n, np.int32), np.empty(n, np.int32)
    climbed = np.zeros(n, np.bool_)
    for lane in range(len(block.origin)):
        count = place_starts(chords, graph, weights, block.origin[lane], start, reach, last)
        for i in range(count):
            v = start[i]
            while v >= 0 and not climbed[v]:
                climbed[v] = True
                cost[v] = np.inf
                v = parent[v]
            cost[start[i], lane] = reach[start[i]]
            reach[start[i]] = np.inf
    for v in range(n):
        if climbed[v]:
            row = cost[v]
            for k in range(ptr[v], ptr[v + 1]):
                more = up[k]
                above = cost[upper[k]]
                for lane in range(lanes):
                    way = row[lane] + more
                    above[lane] = way if way < above[lane] else above[lane]
    for j in range(len(block.node)):
        v = block.node[j]
        row = cost[v]
        if not climbed[v]:
            row[:] = np.inf
        _fall_to(row, ptr[v], ptr[v + 1], upper, down, cost)
    return cost


@njit(cache=True, nogil=True, error_model="numpy")
def by_lane(batch, nodes):  # type: ignore[no-untyped-def]
    """The batch with its costs in lanes of nodes, for work on one lane after the other; other nodes hold anything."""
    cost = batch.cost
    lanes = cost.shape[1]
    out = np.empty((lanes, len(cost)))
    # Eight lanes at a time are a line of the cache.
    for first in range(0, lanes, 8):
        for v in nodes:
            for lane in range(first, min(first + 8, lanes)):
                out[lane, v] = cost[v, lane]
    return Batch(out, batch.ptr, batch.node, batch.climbed, batch.last)


@njit(cache=True, nogil=True, error_model="numpy")
def cost_block(chords, graph, weights, block, targets, out):  # type: ignore[no-untyped-def]
    """Costs from a block of origins.

    Parameters
    ----------
    chords : Chords
    graph : Graph
    weights : Weights
    block : Block
    targets : int32[k]
        Nodes of the graph.
    out : float64[k, origins]
        Overwritten; infinite where there is no way.
    """
    cost = cost_all(chords, graph, weights, block)
    origins = block.origin
    for j in range(len(targets)):
        v = chords.rank[targets[j]]
        if v >= 0:
            for lane in range(len(origins)):
                out[j, lane] = cost[v, lane]
            continue
        out[j] = np.inf
        for i in range(chords.into_ptr[targets[j]], chords.into_ptr[targets[j] + 1]):
            slot = chords.into[i]
            tail = graph.tail[slot]
            v = chords.rank[tail]
            for lane in range(len(origins)):
                base = cost[v, lane] if v >= 0 else (0.0 if origins[lane] == tail else np.inf)
                out[j, lane] = min(out[j, lane], base + weights.link[slot])
        for lane in range(len(origins)):
            if origins[lane] == targets[j]:
                out[j, lane] = 0.0
