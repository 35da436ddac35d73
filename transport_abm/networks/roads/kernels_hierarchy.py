"""A hierarchy of road nodes: chords between them, and their weights at the costs of the day.

Nodes are taken out of the network in a fixed order; their rank is their place in it. Where a node goes, its
later neighbours are joined pairwise, so that what is left keeps its distances; every pair ever joined is a
chord, with a weight up (from the lower rank) and one down. Chords do not depend on costs. Weights do: from the
links up, each chord is the least of its links and of the two sides of any triangle whose third node ranks below
(Dibbelt, Strasser and Wagner 2016, Customizable contraction hierarchies, ACM JEA 21, 1.5). A cheapest way
then climbs chords and comes down again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

UP, DOWN = 0, 1
NOTHING = np.int32(-(2**31))
"""In place of a step: there is none."""


class Chords(NamedTuple):
    """Pairs of nodes joined in the hierarchy, by the lower rank; nodes are named by rank.

    Chords of node ``v`` are ``ptr[v]:ptr[v + 1]``, by ascending upper node.
    """

    ptr: NDArray[np.int64]
    lower: NDArray[np.int32]
    upper: NDArray[np.int32]
    below_ptr: NDArray[np.int64]
    below: NDArray[np.int32]
    """By upper node: its chords down, by ascending lower node."""
    parent: NDArray[np.int32]
    """By node: the lowest of its upper nodes; -1 where it has none."""
    rank: NDArray[np.int32]
    """By node of the graph; -1 for those that carry no through traffic."""
    link_chord: NDArray[np.int32]
    """By slot of the graph: chord, or -1 for loops and for links of nodes without through traffic."""
    into_ptr: NDArray[np.int64]
    into: NDArray[np.int32]
    """By node of the graph without through traffic: slots that lead to it."""


class Weights(NamedTuple):
    """Chords at the costs of the day; first index ``UP`` or ``DOWN``."""

    cost: NDArray[np.float64]
    """Shape (2, chords)."""
    step: NDArray[np.int32]
    """Shape (2 * chords, 2), row ``2 * chord + direction``: the two steps of which each is made, in the order of the way: such
    a row, or ``~slot`` of a link. A chord that is a link has ``NOTHING`` for its second."""
    link: NDArray[np.float64]
    """By slot of the graph: cost of the link."""


@njit(cache=True, nogil=True, error_model="numpy")
def eliminate(ptr, other):  # type: ignore[no-untyped-def]
    """Take out nodes in order and join their later neighbours.

    Parameters
    ----------
    ptr, other : int64[nodes + 1], int32
        Neighbours of each node, both ways; nodes are numbered in the order in which they go.

    Returns
    -------
    up_ptr, upper : int64[nodes + 1], int32[chords]
        Later neighbours of each node when it goes, ascending.
    """
    n = len(ptr) - 1
    up_ptr = np.zeros(n + 1, np.int64)
    upper = np.empty(max(2 * len(other), 16), np.int32)
    child = np.full(n, -1, np.int32)
    sibling = np.full(n, -1, np.int32)
    seen = np.full(n, -1, np.int32)
    size = 0
    for v in range(n):
        if size + n > len(upper):
            longer = np.empty(2 * len(upper) + n, np.int32)
            longer[:size] = upper[:size]
            upper = longer
        start = size
        for i in range(ptr[v], ptr[v + 1]):
            u = other[i]
            if u > v and seen[u] != v:
                seen[u] = v
                upper[size] = u
                size += 1
        # What a node leaves to its first later neighbour is all that the latter needs to know of it.
        c = child[v]
        while c >= 0:
            for i in range(up_ptr[c] + 1, up_ptr[c + 1]):
                u = upper[i]
                if seen[u] != v:
                    seen[u] = v
                    upper[size] = u
                    size += 1
            c = sibling[c]
        upper[start:size] = np.sort(upper[start:size])
        up_ptr[v + 1] = size
        if size > start:
            sibling[v] = child[upper[start]]
            child[upper[start]] = v
    return up_ptr, upper[:size].copy()


@njit(cache=True, nogil=True, error_model="numpy")
def postorder(up_ptr, upper):  # type: ignore[no-untyped-def]
    """An order with the same chords in which what hangs below a node stands right before it.

    Returns
    -------
    int32[nodes]
        By new place: old place.
    """
    n = len(up_ptr) - 1
    size = np.ones(n, np.int32)
    for v in range(n):
        if up_ptr[v] < up_ptr[v + 1]:
            size[upper[up_ptr[v]]] += size[v]
    # Places are handed out from the top: each node takes the last place left to its parent.
    free = np.empty(n, np.int32)
    order = np.empty(n, np.int32)
    end = n
    for v in range(n - 1, -1, -1):
        if up_ptr[v] < up_ptr[v + 1]:
            parent = upper[up_ptr[v]]
            place = free[parent]
            free[parent] -= size[v]
        else:
            place = end - 1
            end -= size[v]
        order[place] = v
        free[v] = place - 1
    return order


@njit(cache=True, nogil=True, error_model="numpy")
def weigh_chords(chords, graph, weights):  # type: ignore[no-untyped-def]
    """Weights of all chords at link costs, and what each is made of.

    Parameters
    ----------
    chords : Chords
    graph : Graph
    weights : Weights
        ``link`` is read: not negative; infinite where closed. The rest is overwritten.
    """
    up, down = weights.cost[UP], weights.cost[DOWN]
    step = weights.step
    link_cost = weights.link
    weights.cost[:] = np.inf
    for slot in range(len(link_cost)):
        k = chords.link_chord[slot]
        if k < 0:
            continue
        rises = chords.rank[graph.tail[slot]] < chords.rank[graph.head[slot]]
        if rises and link_cost[slot] < up[k]:
            up[k] = link_cost[slot]
            step[2 * k + UP, 0] = ~slot
            step[2 * k + UP, 1] = NOTHING
        elif not rises and link_cost[slot] < down[k]:
            down[k] = link_cost[slot]
            step[2 * k + DOWN, 0] = ~slot
            step[2 * k + DOWN, 1] = NOTHING
    n = len(chords.ptr) - 1
    chord_to = np.empty(n, np.int32)
    for x in range(n):
        for k in range(chords.ptr[x], chords.ptr[x + 1]):
            chord_to[chords.upper[k]] = k
        for i in range(chords.below_ptr[x], chords.below_ptr[x + 1]):
            low = chords.below[i]
            to_x, from_x = up[low], down[low]
            for high in range(low + 1, chords.ptr[chords.lower[low] + 1]):
                k = chord_to[chords.upper[high]]
                rise = from_x + up[high]
                fall = down[high] + to_x
                if rise < up[k]:
                    up[k] = rise
                    step[2 * k + UP, 0] = 2 * low + DOWN
                    step[2 * k + UP, 1] = 2 * high + UP
                if fall < down[k]:
                    down[k] = fall
                    step[2 * k + DOWN, 0] = 2 * high + DOWN
                    step[2 * k + DOWN, 1] = 2 * low + UP
    # Links stand in their chord's place, so that ways are unpacked without looking at it.
    for k in range(len(chords.upper)):
        for way in range(2):
            if weights.cost[way, k] == np.inf:
                continue
            for i in range(2):
                part = step[2 * k + way, i]
                if part >= 0 and step[part, 1] == NOTHING:
                    step[2 * k + way, i] = step[part, 0]


@njit(cache=True, nogil=True, error_model="numpy")
def sum_chords(chords, weights, attribute, total):  # type: ignore[no-untyped-def]
    """Sums of link attributes along the links of which each chord is made.

    Parameters
    ----------
    chords : Chords
    weights : Weights
    attribute : float64[links, k]
        By slot.
    total : float64[2, chords, k]
        ``UP`` and ``DOWN``; overwritten where the chord has a way.
    """
    # The steps of a chord hang from a lower node, so they come first.
    for k in range(len(chords.upper)):
        for way in range(2):
            if weights.cost[way, k] == np.inf:
                continue
            total[way, k] = 0.0
            for step in weights.step[2 * k + way]:
                if step == NOTHING:
                    continue
                for a in range(attribute.shape[1]):
                    if step < 0:
                        total[way, k, a] += attribute[~step, a]
                    else:
                        total[way, k, a] += total[step & 1, step >> 1, a]


@njit(cache=True, nogil=True, error_model="numpy")
def spread_flow(chords, weights, chord_flow, flow):  # type: ignore[no-untyped-def]
    """Flow on chords to the links of which they are made.

    Parameters
    ----------
    chords : Chords
    weights : Weights
    chord_flow : float64[2, chords]
        ``UP`` and ``DOWN``; used up.
    flow : float64[links]
        By slot; added to.
    """
    for k in range(len(chords.upper) - 1, -1, -1):
        for way in range(2):
            amount = chord_flow[way, k]
            if amount == 0.0:
                continue
            for step in weights.step[2 * k + way]:
                if step >= 0:
                    chord_flow[step & 1, step >> 1] += amount
                elif step != NOTHING:
                    flow[~step] += amount


@njit(cache=True, nogil=True, error_model="numpy")
def ancestors(chords, graph, targets):  # type: ignore[no-untyped-def]
    """Ranks through which ways to nodes of the graph may come down, descending."""
    wanted = np.zeros(len(chords.parent), np.bool_)
    for node in targets:
        if chords.rank[node] >= 0:
            wanted[chords.rank[node]] = True
            continue
        for i in range(chords.into_ptr[node], chords.into_ptr[node + 1]):
            v = chords.rank[graph.tail[chords.into[i]]]
            if v >= 0:
                wanted[v] = True
    for v in range(len(wanted)):
        if wanted[v] and chords.parent[v] >= 0:
            wanted[chords.parent[v]] = True
    return np.flatnonzero(wanted)[::-1].astype(np.int32)
