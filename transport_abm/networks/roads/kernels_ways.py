"""Cheapest ways in a hierarchy of road nodes: their costs, what is gathered and loaded along them, their links.

A batch of origins holds the costs to all nodes. The way to a node is traced back from there: as long as its
cost came from above, along the chord that gives it; then down the chords that were climbed. Of several chords
that give the cost the first counts: over links that cost nothing that way may come through the node itself, and its
paths are cut there.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from transport_abm.networks.roads.kernels_assignment import path_cost
from transport_abm.networks.roads.kernels_hierarchy import DOWN, NOTHING, UP
from transport_abm.networks.roads.kernels_sweep import START, by_lane, climb, place_starts, reach_all


@njit(cache=True, nogil=True, error_model="numpy")
def _mark(batch, lane, place):  # type: ignore[no-untyped-def]
    """By node that the origin of a lane climbs to: its place in the batch."""
    for i in range(batch.ptr[lane], batch.ptr[lane + 1]):
        place[batch.node[i]] = i


@njit(cache=True, nogil=True, error_model="numpy")
def _unmark(batch, lane, place):  # type: ignore[no-untyped-def]
    """Undo ``_mark``."""
    for i in range(batch.ptr[lane], batch.ptr[lane + 1]):
        place[batch.node[i]] = -1


@njit(cache=True, nogil=True, error_model="numpy")
def _is_climbed(place, climbed, cost, v):  # type: ignore[no-untyped-def]
    """Whether the cheapest way to a node climbs all along."""
    return place[v] >= 0 and climbed[place[v]] == cost[v]


@njit(cache=True, nogil=True, error_model="numpy")
def _chord_from_above(ptr, upper, down, cost, v):  # type: ignore[no-untyped-def]
    """Chord down which the cheapest way reaches a node."""
    wanted = cost[v]
    for k in range(ptr[v], ptr[v + 1]):
        if cost[upper[k]] + down[k] == wanted:
            return k
    return -1


@njit(cache=True, nogil=True, error_model="numpy")
def _arrival(inward, link_cost, cost, origin, node):  # type: ignore[no-untyped-def]
    """Cost to a node of the graph, its last link, and the rank before it (-1 each where there is none)."""
    rank, into_ptr, into, tails = inward
    if node == origin:
        return 0.0, -1, -1
    if rank[node] >= 0:
        return cost[rank[node]], -1, rank[node]
    best = np.inf
    last = -1
    before = -1
    for i in range(into_ptr[node], into_ptr[node + 1]):
        slot = into[i]
        v = rank[tails[slot]]
        base = np.inf
        if v >= 0:
            base = cost[v]
        elif tails[slot] == origin:
            base = 0.0
        if base + link_cost[slot] < best:
            best = base + link_cost[slot]
            last = slot
            before = v
    return best, last, before


@njit(cache=True, nogil=True, error_model="numpy")
def _sum_climbed(lower, batch, lane, sums, attribute, place, value):  # type: ignore[no-untyped-def]
    """Sums of attributes to all nodes that the origin of a lane climbs to, from the first one of the lane on."""
    first = batch.ptr[lane]
    for i in range(first, batch.ptr[lane + 1]):
        last = batch.last[i]
        for a in range(value.shape[1]):
            if last == START:
                value[i - first, a] = 0.0
            elif last < 0:
                value[i - first, a] = attribute[~last, a]
            else:
                value[i - first, a] = value[place[lower[last]] - first, a] + sums[UP, last, a]


@njit(cache=True, nogil=True, error_model="numpy")
def _sum_to(tables, lane, first, place, climbed, cost, work, v):  # type: ignore[no-untyped-def]
    """Sums of attributes along the cheapest way to a node and, on the way, to all nodes it passes."""
    ptr, upper, lower, down, sums = tables
    risen, known, value, stack = work
    size = 0
    while known[v] != lane:
        if _is_climbed(place, climbed, cost, v):
            for a in range(value.shape[1]):
                value[v, a] = risen[place[v] - first, a]
            known[v] = lane
            break
        stack[size] = _chord_from_above(ptr, upper, down, cost, v)
        v = upper[stack[size]]
        size += 1
    for i in range(size - 1, -1, -1):
        k = stack[i]
        v = lower[k]
        for a in range(value.shape[1]):
            value[v, a] = value[upper[k], a] + sums[DOWN, k, a]
        known[v] = lane


@njit(cache=True, nogil=True, error_model="numpy")
def skim_block(chords, graph, weights, block, targets, attributes, out):  # type: ignore[no-untyped-def]
    """Costs and sums of link attributes from a block of origins.

    Parameters
    ----------
    chords, graph, weights, block, targets
        As in ``kernels_sweep.cost_block``.
    attributes : (float64[links, k], float64[2, chords, k])
        By slot, and their sums by chord.
    out : float32[k + 1, origins, targets]
        Cost, then each attribute; infinite where there is no way. Overwritten.
    """
    attribute, sums = attributes
    batch = by_lane(reach_all(chords, graph, weights, block), block.node)
    n = len(chords.parent)
    n_attributes = attribute.shape[1]
    place = np.full(n, -1, np.int32)
    risen = np.empty((n, n_attributes))
    known = np.full(n, -1, np.int32)
    value = np.empty((n, n_attributes))
    work = (risen, known, value, np.empty(n, np.int32))
    tables = (chords.ptr, chords.upper, chords.lower, weights.cost[DOWN], sums)
    inward = (chords.rank, chords.into_ptr, chords.into, graph.tail)
    for lane in range(len(block.origin)):
        origin = block.origin[lane]
        cost = batch.cost[lane]
        _mark(batch, lane, place)
        _sum_climbed(chords.lower, batch, lane, sums, attribute, place, risen)
        for j in range(len(targets)):
            total, slot, v = _arrival(inward, weights.link, cost, origin, targets[j])
            out[0, lane, j] = total
            if total == np.inf or targets[j] == origin:
                out[1:, lane, j] = total
                continue
            if v >= 0:
                _sum_to(tables, lane, batch.ptr[lane], place, batch.climbed, cost, work, v)
            for a in range(n_attributes):
                before = value[v, a] if v >= 0 else 0.0
                out[a + 1, lane, j] = before + (attribute[slot, a] if slot >= 0 else 0.0)
        _unmark(batch, lane, place)


@njit(cache=True, nogil=True, error_model="numpy")
def load_block(chords, graph, weights, block, targets, demand, flows):  # type: ignore[no-untyped-def]
    """Put the demand of a block of origins on the cheapest ways; returns the sum of demand times cost.

    Parameters
    ----------
    chords, graph, weights, block, targets
        As in ``kernels_sweep.cost_block``.
    demand : float64[origins, targets]
    flows : (float64[2, chords], float64[links])
        Flow by chord, and by slot for first and last links; added to.
    """
    link_flow = flows[1]
    batch = by_lane(reach_all(chords, graph, weights, block), block.node)
    n = len(chords.parent)
    place = np.full(n, -1, np.int32)
    falling = np.zeros(n)
    rising = np.zeros(n)
    tables = (chords.ptr, chords.upper, weights.cost[DOWN], flows[0][DOWN], block.node)
    inward = (chords.rank, chords.into_ptr, chords.into, graph.tail)
    total = 0.0
    for lane in range(len(block.origin)):
        origin = block.origin[lane]
        cost = batch.cost[lane]
        _mark(batch, lane, place)
        for j in range(len(targets)):
            amount = demand[lane, j]
            if amount <= 0.0 or targets[j] == origin:
                continue
            way, slot, v = _arrival(inward, weights.link, cost, origin, targets[j])
            total += amount * way
            if way == np.inf:
                continue
            if slot >= 0:
                link_flow[slot] += amount
            if v >= 0:
                falling[v] += amount
        _fall(tables, place, batch.climbed, cost, falling, rising)
        _rise(chords.lower, batch, lane, rising, flows[0][UP], link_flow)
        _unmark(batch, lane, place)
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _fall(tables, place, climbed, cost, falling, rising):  # type: ignore[no-untyped-def]
    """Flow that arrives at nodes to the chords down which it came, and to the nodes at which it left off climbing."""
    ptr, upper, down, chord_flow, nodes = tables
    for i in range(len(nodes) - 1, -1, -1):
        v = nodes[i]
        amount = falling[v]
        if amount == 0.0:
            continue
        falling[v] = 0.0
        if _is_climbed(place, climbed, cost, v):
            rising[v] += amount
        else:
            k = _chord_from_above(ptr, upper, down, cost, v)
            chord_flow[k] += amount
            falling[upper[k]] += amount


@njit(cache=True, nogil=True, error_model="numpy")
def _rise(lower, batch, lane, rising, chord_flow, link_flow):  # type: ignore[no-untyped-def]
    """Flow of the highest nodes to the chords and first links that were climbed."""
    for i in range(batch.ptr[lane + 1] - 1, batch.ptr[lane] - 1, -1):
        amount = rising[batch.node[i]]
        rising[batch.node[i]] = 0.0
        last = batch.last[i]
        if amount == 0.0 or last == START:
            continue
        if last < 0:
            link_flow[~last] += amount
        else:
            chord_flow[last] += amount
            rising[lower[last]] += amount


@njit(cache=True, nogil=True, error_model="numpy")
def _unpack(steps, step, slots, size, stack):  # type: ignore[no-untyped-def]
    """Add the links of a step (of ``Weights.step``), last first; returns slots and size."""
    left = 0
    while True:
        if step >= 0:
            stack[left] = steps[step, 0]
            left += 1
            step = steps[step, 1]
            continue
        if step != NOTHING:
            if size == len(slots):
                longer = np.empty(2 * size, np.int32)
                longer[:size] = slots
                slots = longer
            slots[size] = ~step
            size += 1
        if left == 0:
            return slots, size
        left -= 1
        step = stack[left]


@njit(cache=True, nogil=True, error_model="numpy")
def _trace(chords, weights, batch, lane, place, v, found):  # type: ignore[no-untyped-def]
    """Add the links of the cheapest way to a node, last first; returns slots and size."""
    slots, size, stack = found
    cost = batch.cost[lane]
    down = weights.cost[DOWN]
    while not _is_climbed(place, batch.climbed, cost, v):
        k = _chord_from_above(chords.ptr, chords.upper, down, cost, v)
        slots, size = _unpack(weights.step, 2 * k + DOWN, slots, size, stack)
        v = chords.upper[k]
    while True:
        last = batch.last[place[v]]
        if last == START:
            return slots, size
        if last < 0:
            return _unpack(weights.step, last, slots, size, stack)
        slots, size = _unpack(weights.step, 2 * last + UP, slots, size, stack)
        v = chords.lower[last]


@njit(cache=True, nogil=True, error_model="numpy")
def _without_loops(graph, way, mark, seen, at):  # type: ignore[no-untyped-def]
    """Take out of a way what leads from a node back to it: links that cost nothing. Returns how many links are left.

    ``seen`` and ``at``, of nodes, are work space; ``seen`` holds no ``mark`` before.
    """
    kept = 0
    for k in range(len(way) + min(len(way), 1)):
        node = graph.tail[way[k]] if k < len(way) else graph.head[way[k - 1]]
        if seen[node] == mark:
            for j in range(at[node], kept):
                seen[graph.tail[way[j]]] = -1
            kept = at[node]
        seen[node] = mark
        at[node] = kept
        if k < len(way):
            way[kept] = way[k]
            kept += 1
    return kept


@njit(cache=True, nogil=True, error_model="numpy")
def path_block(chords, graph, weights, block, pairs, paths, tolerance):  # type: ignore[no-untyped-def]
    """Costs of a block of pairs, and new paths for those that need one.

    A pair with demand needs a new path where it has none, or where the cheapest way is cheaper than all it has by more
    than ``tolerance`` (a share of the cost). Pairs without demand are left out: over the years they become many.

    Parameters
    ----------
    chords, graph, weights, block
        As in ``kernels_sweep.cost_block``.
    pairs : (int first, int32[n] origin in the block, int32[n] destination node, float64[n] demand)
        Pairs of the block by origin; the first is pair ``first`` of ``paths``.
    paths : Paths
    tolerance : float

    Returns
    -------
    cheapest, length, slot : float64[n], int64[n], int32[sum of length]
        Cost of each pair's cheapest way (infinite where there is none, and where there is no demand), how many links
        its new path has (0 where it needs none), and those links, pair by pair from the start.
    """
    first, row, destination, demand = pairs
    batch = by_lane(reach_all(chords, graph, weights, block), block.node)
    place = np.full(len(chords.parent), -1, np.int32)
    inward = (chords.rank, chords.into_ptr, chords.into, graph.tail)
    stack = np.empty(2 * len(place) + 2, np.int64)
    way = np.empty(256, np.int32)
    seen = np.full(len(chords.rank), -1, np.int32)
    at = np.empty(len(chords.rank), np.int32)
    cheapest = np.full(len(row), np.inf)
    length = np.zeros(len(row), np.int64)
    slots = np.empty(1024, np.int32)
    size = 0
    lane = -1
    for i in range(len(row)):
        if demand[i] == 0.0:
            continue
        if row[i] != lane:
            if lane >= 0:
                _unmark(batch, lane, place)
            lane = row[i]
            _mark(batch, lane, place)
        cost = batch.cost[lane]
        cheapest[i], last, v = _arrival(inward, weights.link, cost, block.origin[lane], destination[i])
        known = cheapest[i] == np.inf
        for path in range(paths.ptr[first + i], paths.ptr[first + i + 1]):
            # One path that is cheap enough tells that no other need be looked at.
            if known:
                break
            cost_of = path_cost(paths.slot_ptr, paths.slot, path, weights.link)
            known = cost_of < np.inf and not cheapest[i] < cost_of * (1.0 - tolerance)
        if known:
            continue
        count = 0
        if last >= 0:
            way[0] = last
            count = 1
        if v >= 0:
            way, count = _trace(chords, weights, batch, lane, place, v, (way, count, stack))
        if size + count > len(slots):
            longer = np.empty(2 * (size + count), np.int32)
            longer[:size] = slots[:size]
            slots = longer
        for k in range(count):
            slots[size + k] = way[count - 1 - k]
        length[i] = _without_loops(graph, slots[size : size + count], i, seen, at)
        size += length[i]
    return cheapest, length, slots[:size].copy()


@njit(cache=True, nogil=True, error_model="numpy")
def find_way(chords, graph, weights, origin, destination):  # type: ignore[no-untyped-def]
    """Cost and slots of the cheapest way between two nodes of the graph; infinite and none where there is none."""
    n = len(chords.parent)
    nothing = np.empty(0, np.int32)
    if origin == destination:
        return 0.0, nothing
    ahead, back = np.full(n, np.inf), np.full(n, np.inf)
    last, following = np.empty(n, np.int32), np.empty(n, np.int32)
    start, node = np.empty(n, np.int32), np.empty(n, np.int32)
    count = place_starts(chords, graph, weights, origin, start, ahead, last)
    climb(chords, weights.cost[UP], start[:count], ahead, last, node)
    best, direct = np.inf, -1
    count = 0
    if chords.rank[destination] >= 0:
        start[0] = chords.rank[destination]
        back[start[0]] = 0.0
        following[start[0]] = START
        count = 1
    else:
        for i in range(chords.into_ptr[destination], chords.into_ptr[destination + 1]):
            slot = chords.into[i]
            v = chords.rank[graph.tail[slot]]
            if graph.tail[slot] == origin and weights.link[slot] < best:
                best = weights.link[slot]
                direct = slot
            elif v >= 0 and weights.link[slot] < back[v]:
                if back[v] == np.inf:
                    start[count] = v
                    count += 1
                back[v] = weights.link[slot]
                following[v] = ~slot
    size = climb(chords, weights.cost[DOWN], start[:count], back, following, node)
    top = -1
    for i in range(size):
        if ahead[node[i]] + back[node[i]] < best:
            best = ahead[node[i]] + back[node[i]]
            top = node[i]
    if best == np.inf:
        return best, nothing
    if top < 0:
        return best, np.full(1, direct, np.int32)
    return best, _join(chords, graph, weights, top, last, following)


@njit(cache=True, nogil=True, error_model="numpy")
def _join(chords, graph, weights, top, last, following):  # type: ignore[no-untyped-def]
    """Slots of a way over its highest node, from the start."""
    n = len(chords.parent)
    stack = np.empty(2 * n + 2, np.int64)
    way = np.empty(256, np.int32)
    count = 0
    v = top
    while last[v] >= 0:
        way, count = _unpack(weights.step, 2 * last[v] + UP, way, count, stack)
        v = chords.lower[last[v]]
    if last[v] != START:
        way, count = _unpack(weights.step, last[v], way, count, stack)
    way[:count] = way[:count][::-1].copy()
    v = top
    while following[v] >= 0:
        k = following[v]
        way, end = _unpack(weights.step, 2 * k + DOWN, way, count, stack)
        way[count:end] = way[count:end][::-1].copy()
        count = end
        v = chords.lower[k]
    if following[v] != START:
        way, count = _unpack(weights.step, following[v], way, count, stack)
    nodes = len(chords.rank)
    count = _without_loops(graph, way[:count], 0, np.full(nodes, -1, np.int32), np.empty(nodes, np.int32))
    return way[:count].copy()
