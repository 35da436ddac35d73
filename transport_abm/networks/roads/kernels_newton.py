"""Newton steps on all paths at once, for equilibria on which shifts pair by pair creep.

Where pairs share a steep link, one can give way on it only as fast as another takes its room: shifts of one pair after the
other then gain little. Here all move together. With one path of each pair as its base, ``g`` the costs of the others above
their base and ``H = D' diag(dc/dx) D`` (``D``: from flow moved off the base to flow of links), the step ``H d = -g`` over
paths that may move is found by conjugate gradients with the shifts' own steepness as the diagonal (Bertsekas, Gafni and
Gallager 1984, IEEE Trans. Communications 32, 911-919), and taken as far as the sum of integrals falls; on the way
paths that are empty stay so, and the base of their pair takes the difference.
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
FLAT = 1e-6
"""Steepness added to that of each path where groups of classes pay differently, as a share. Groups that swap ways change
no link's flow: along such changes costs are straight, and without it there would be no step for them."""
PLACE, WEIGHT = (np.polynomial.legendre.leggauss(5)[k] / 2 + (0.5 if k == 0 else 0.0) for k in range(2))
"""Gauss's rule with five points on the way from 0 to 1."""
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
def _solve(paths, base, slope, gradient, diagonal, free, flat, most):  # type: ignore[no-untyped-def]
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
        for path in range(n):
            product[path] += flat * diagonal[path] * ahead[path]
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
def _bend(paths, base, step, length, change):  # type: ignore[no-untyped-def]
    """Change of each path's flow after a step of some length: none is left with less than nothing, the base pays."""
    for pair in range(len(base)):
        start, end = paths.ptr[pair], paths.ptr[pair + 1]
        if end - start < 2:
            continue
        gained, lost = 0.0, 0.0
        for path in range(start, end):
            own = 0.0
            if path != base[pair]:
                own = max(length * step[path], -paths.flow[path])
            change[path] = own
            if own > 0.0:
                gained += own
            else:
                lost -= own
        most = paths.flow[base[pair]] + lost
        if gained > most:
            for path in range(start, end):
                if change[path] > 0.0:
                    change[path] *= most / gained
            change[base[pair]] = -paths.flow[base[pair]]
        else:
            change[base[pair]] = lost - gained


@njit(cache=True, nogil=True, error_model="numpy")
def _gain(parameter, flow, paths, group_ptr, fixed, change, moved):  # type: ignore[no-untyped-def]
    """Change of the sum of integrals by changes of path flows; ``moved``, of links, is overwritten.

    What a link's integral changes by is its change of flow times its mean time on the way, by Gauss's rule with five
    points: exact for powers up to nine, and without the difference of two large sums.
    """
    moved[:] = 0.0
    total = 0.0
    for group in range(len(group_ptr) - 1):
        for path in range(paths.ptr[group_ptr[group]], paths.ptr[group_ptr[group + 1]]):
            if change[path] != 0.0:
                for k in range(paths.slot_ptr[path], paths.slot_ptr[path + 1]):
                    moved[paths.slot[k]] += change[path]
                    total += change[path] * fixed[group, paths.slot[k]]
    for slot in range(len(flow)):
        if moved[slot] != 0.0:
            mean = 0.0
            for k in range(5):
                mean += WEIGHT[k] * link_time(parameter[slot], max(flow[slot] + PLACE[k] * moved[slot], 0.0))
            total += moved[slot] * mean
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
    flat = FLAT if len(group_ptr) > 2 else 0.0
    step, used = _solve(paths, base, links[4], gradient, diagonal, free, flat, budget)
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
        step, count = _solve(paths, base, links[4], gradient, diagonal, free, flat, max(budget - used, 1))
        used += count
    change, moved = np.zeros(n), np.empty(len(flow))
    best, length = 0.0, 0.0
    ahead = FARTHEST
    for _ in range(SEARCH_COUNT):
        _bend(paths, base, step, ahead, change)
        gain = _gain(parameter, flow, paths, group_ptr, fixed, change, moved)
        if gain < 0.0 and gain <= best:
            best, length = gain, ahead
        if best < 0.0 and gain > 0.5 * best:
            break
        ahead *= 0.5
    if length > 0.0:
        _bend(paths, base, step, length, change)
        for path in range(n):
            paths.flow[path] = max(paths.flow[path] + change[path], 0.0)
    return length, excess, used
