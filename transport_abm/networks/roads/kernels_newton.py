"""Newton steps on all paths at once, for equilibria on which shifts pair by pair creep.

Where pairs share a steep link, one can give way on it only as fast as another takes its room: shifts of one pair after the
other then gain little. Here all move together. With one path of each pair as its base, ``g`` the costs of the others above
their base and ``H = D' diag(dc/dx) D`` (``D``: from flow moved off the base to flow of links), the step ``H d = -g`` over
paths that may move is found by conjugate gradients with the shifts' own steepness as the diagonal (Bertsekas, Gafni and
Gallager 1984, IEEE Trans. Communications 32, 911-919), and taken as far as costs fall and no path is left with less
than nothing.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from transport_abm.networks.roads.kernels_assignment import link_time, path_cost

ROUND_COUNT = 60
"""Most iterations of conjugate gradients in one solution."""
SOLVED = 1e-12
"""Share of the squared residual at which conjugate gradients stop."""
SEARCH_COUNT = 60
"""Most halvings of the search for the length of a step."""
LEVEL_SHARE = 1e-3
"""The search ends where the sum of integrals falls this share as fast as at its start."""
FREE_COUNT = 20
"""Most times that empty paths are taken out of a step."""
FARTHEST = 4.0
"""Longest step, as a multiple of Newton's."""


@njit(cache=True, nogil=True, error_model="numpy")
def _spread(paths, base, value, out):  # type: ignore[no-untyped-def]
    """Flow of links if each path takes ``value`` from its pair's base; ``out`` float64[links] is overwritten."""
    out[:] = 0.0
    for pair in range(len(base)):
        moved = 0.0
        for path in range(paths.ptr[pair], paths.ptr[pair + 1]):
            if path != base[pair] and value[path] != 0.0:
                moved += value[path]
                for k in range(paths.slot_ptr[path], paths.slot_ptr[path + 1]):
                    out[paths.slot[k]] += value[path]
        if moved != 0.0:
            for k in range(paths.slot_ptr[base[pair]], paths.slot_ptr[base[pair] + 1]):
                out[paths.slot[k]] -= moved


@njit(cache=True, nogil=True, error_model="numpy")
def _gather(paths, base, price, free, out):  # type: ignore[no-untyped-def]
    """Sum of ``price`` along each free path above that of its base; 0 for the others."""
    for pair in range(len(base)):
        start, end = paths.ptr[pair], paths.ptr[pair + 1]
        if end - start < 2:
            continue
        below = path_cost(paths.slot_ptr, paths.slot, base[pair], price)
        for path in range(start, end):
            out[path] = path_cost(paths.slot_ptr, paths.slot, path, price) - below if free[path] else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _set_up(paths, group_ptr, links, base, gradient, diagonal):  # type: ignore[no-untyped-def]
    """Base of each pair, costs above it, and how steeply they rise with flow."""
    cost, slope = links[3], links[4]
    mark = np.full(len(slope), -1, np.int64)
    for group in range(len(group_ptr) - 1):
        price = cost[group]
        for pair in range(group_ptr[group], group_ptr[group + 1]):
            start, end = paths.ptr[pair], paths.ptr[pair + 1]
            best = start
            for path in range(start, end):
                if paths.flow[path] > paths.flow[best]:
                    best = path
            base[pair] = best
            if end - start < 2:
                continue
            below = path_cost(paths.slot_ptr, paths.slot, best, price)
            steep = 0.0
            for k in range(paths.slot_ptr[best], paths.slot_ptr[best + 1]):
                mark[paths.slot[k]] = pair
                steep += slope[paths.slot[k]]
            for path in range(start, end):
                gradient[path] = path_cost(paths.slot_ptr, paths.slot, path, price) - below
                diagonal[path] = steep
                for k in range(paths.slot_ptr[path], paths.slot_ptr[path + 1]):
                    own = slope[paths.slot[k]]
                    diagonal[path] += -own if mark[paths.slot[k]] == pair else own


@njit(cache=True, nogil=True, error_model="numpy")
def _solve(paths, base, slope, gradient, diagonal, free, most):  # type: ignore[no-untyped-def]
    """Newton's step over the free paths by at most so many conjugate gradients, and how many were needed."""
    n = len(gradient)
    step = np.zeros(n)
    rest = -gradient * free
    ahead = np.zeros(n)
    product = np.zeros(n)
    moved = np.empty(len(slope))
    before = 0.0
    count = 0
    for i in range(min(most, ROUND_COUNT)):
        ready = 0.0
        for path in range(n):
            ready += rest[path] * rest[path] / diagonal[path]
        if i == 0:
            first = ready
        if ready <= SOLVED * first or ready == 0.0:
            break
        share = ready / before if i > 0 else 0.0
        for path in range(n):
            ahead[path] = rest[path] / diagonal[path] + share * ahead[path]
        count += 1
        _spread(paths, base, ahead, moved)
        moved *= slope
        _gather(paths, base, moved, free, product)
        bend = 0.0
        length = 0.0
        for path in range(n):
            bend += ahead[path] * product[path]
            length += ahead[path] * ahead[path] * diagonal[path]
        if bend <= 1e-14 * length:
            if i == 0:
                step[:] = ahead
            break
        size = ready / bend
        for path in range(n):
            step[path] += size * ahead[path]
            rest[path] -= size * product[path]
        before = ready
    return step, count


@njit(cache=True, nogil=True, error_model="numpy")
def _fall(parameter, flow, moved, constant, length):  # type: ignore[no-untyped-def]
    """How fast the sum of integrals changes after a step of some length."""
    total = constant
    for slot in range(len(flow)):
        if moved[slot] != 0.0:
            total += moved[slot] * link_time(parameter[slot], max(flow[slot] + length * moved[slot], 0.0))
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def newton_step(paths, group_ptr, links, budget):  # type: ignore[no-untyped-def]
    """Move flow of all pairs at once by one Newton step.

    Parameters
    ----------
    paths : Paths
        ``flow`` is updated.
    group_ptr, links
        As in ``kernels_assignment.shift_flows``; flows and costs of links are read, not updated.
    budget : int
        Most conjugate gradients.

    Returns
    -------
    length, excess : float
        Length of the step (1: the whole one); sum of flow times cost above the cheapest path of the pair, before it.
    used : int
        Conjugate gradients that it took.
    """
    parameter, fixed, flow = links[0], links[1], links[2]
    n_pairs = len(paths.ptr) - 1
    n = len(paths.flow)
    base = np.zeros(n_pairs, np.int64)
    gradient, diagonal = np.zeros(n), np.zeros(n)
    _set_up(paths, group_ptr, links, base, gradient, diagonal)
    free = np.zeros(n, np.bool_)
    excess = 0.0
    for pair in range(n_pairs):
        least = 0.0
        for path in range(paths.ptr[pair], paths.ptr[pair + 1]):
            least = min(least, gradient[path])
        for path in range(paths.ptr[pair], paths.ptr[pair + 1]):
            excess += paths.flow[path] * (gradient[path] - least)
        for path in range(paths.ptr[pair], paths.ptr[pair + 1]):
            free[path] = path != base[pair] and (paths.flow[path] > 0.0 or gradient[path] < 0.0)
    top = 0.0
    for path in range(n):
        if free[path]:
            top = max(top, diagonal[path])
    for path in range(n):
        # Paths that differ in links of constant cost alone are left to the shifts.
        free[path] = free[path] and diagonal[path] > 1e-15 * top
        diagonal[path] = diagonal[path] if free[path] else 1.0
    step, used = _solve(paths, base, links[4], gradient, diagonal, free, budget)
    for _ in range(FREE_COUNT):
        # A path that is empty and would lose more stays as it is; the others then have another step.
        kept = False
        for path in range(n):
            if free[path] and step[path] < 0.0 and paths.flow[path] <= 0.0:
                free[path] = False
                diagonal[path] = 1.0
                kept = True
        if not kept:
            break
        step, count = _solve(paths, base, links[4], gradient, diagonal, free, max(budget - used, 1))
        used += count
    most = FARTHEST
    end = -1
    constant = 0.0
    for group in range(len(group_ptr) - 1):
        for pair in range(group_ptr[group], group_ptr[group + 1]):
            taken = 0.0
            for path in range(paths.ptr[pair], paths.ptr[pair + 1]):
                if step[path] == 0.0:
                    continue
                taken += step[path]
                constant += step[path] * path_cost(paths.slot_ptr, paths.slot, path, fixed[group])
                if step[path] < 0.0 and paths.flow[path] + most * step[path] < 0.0:
                    most = -paths.flow[path] / step[path]
                    end = path
            if taken != 0.0:
                constant -= taken * path_cost(paths.slot_ptr, paths.slot, base[pair], fixed[group])
                if taken > 0.0 and paths.flow[base[pair]] - most * taken < 0.0:
                    most = paths.flow[base[pair]] / taken
                    end = base[pair]
    moved = np.empty(len(flow))
    _spread(paths, base, step, moved)
    first = _fall(parameter, flow, moved, constant, 0.0)
    if most <= 0.0 or first >= 0.0:
        return 0.0, excess, used
    length = most
    if _fall(parameter, flow, moved, constant, most) > 0.0:
        low, high = 0.0, most
        end = -1
        length = 1.0 if most > 1.0 else 0.5 * most
        for _ in range(SEARCH_COUNT):
            fall = _fall(parameter, flow, moved, constant, length)
            if abs(fall) <= LEVEL_SHARE * abs(first):
                break
            if fall > 0.0:
                high = length
            else:
                low = length
            length = 0.5 * (low + high)
    for pair in range(n_pairs):
        taken = 0.0
        for path in range(paths.ptr[pair], paths.ptr[pair + 1]):
            if step[path] != 0.0:
                change = max(length * step[path], -paths.flow[path])
                if path == end:
                    change = -paths.flow[path]
                paths.flow[path] += change
                taken += change
        if taken != 0.0:
            paths.flow[base[pair]] = 0.0 if base[pair] == end else max(paths.flow[base[pair]] - taken, 0.0)
    return length, excess, used
