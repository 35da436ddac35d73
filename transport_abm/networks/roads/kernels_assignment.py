"""Paths of a user equilibrium: new ones from trees, flow shifted between them, flow summed on links.

Gradient projection on paths (Jayakrishnan et al. 1994, Transportation Research Record 1443, 75-83): from
each dearer path to the cheapest one of its pair goes ``min(flow, (c_p - c_min) / sum of dc/dx)``, the sum
over links that only one of the two uses. Pairs take turns, each at the costs its predecessors left
(Gauss-Seidel), so the shift is sequential; everything before and after it runs in fixed chunks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from transport_abm.networks.roads.kernels_paths import CHUNK_COUNT

FREE, SCALE, CAPACITY, POWER, PRELOAD = range(5)
"""Columns of the table of link parameters."""


LEFT_SHARE = 0.5
"""Share of the cost difference of two paths that a shift of flow between them may leave."""
STEP_COUNT = 30
"""Most steps of one shift."""


class Paths(NamedTuple):
    """Paths of all pairs, each from its start.

    Pair ``i`` has paths ``ptr[i]:ptr[i+1]``; path ``p`` has slots ``slot[slot_ptr[p]:slot_ptr[p+1]]``.
    """

    ptr: NDArray[np.int64]
    flow: NDArray[np.float64]
    slot_ptr: NDArray[np.int64]
    slot: NDArray[np.int32]


@njit(cache=True, nogil=True, error_model="numpy")
def _power(base, power):  # type: ignore[no-untyped-def]
    """``base ** power``, by multiplication for the usual powers."""
    if power == 4.0:
        square = base * base
        return square * square
    if power == 3.0:
        return base * base * base
    if power == 1.0:
        return base
    if power == 0.0:
        return 1.0
    return base**power


@njit(cache=True, nogil=True, error_model="numpy")
def link_time(row, flow):  # type: ignore[no-untyped-def]
    """Time on a link with some parameters at a flow."""
    if row[POWER] > 0.0:
        load = (flow + row[PRELOAD]) / row[CAPACITY]
        return row[FREE] * (1.0 + row[SCALE] * _power(load, row[POWER] - 1.0) * load)
    return row[FREE] * (1.0 + row[SCALE])


@njit(cache=True, nogil=True, error_model="numpy")
def update_link(parameter, fixed, slot, flow, cost, slope):  # type: ignore[no-untyped-def]
    """Costs of all groups and the derivative on one link at its flow."""
    row = parameter[slot]
    if row[FREE] == np.inf:
        for group in range(len(fixed)):
            cost[group, slot] = np.inf
        slope[slot] = 0.0
        return
    load = (flow[slot] + row[PRELOAD]) / row[CAPACITY]
    below = 0.0
    if row[POWER] > 0.0:
        below = _power(load, row[POWER] - 1.0)
        time = row[FREE] * (1.0 + row[SCALE] * below * load)
    else:
        time = row[FREE] * (1.0 + row[SCALE])
    for group in range(len(fixed)):
        cost[group, slot] = time + fixed[group, slot]
    slope[slot] = row[FREE] * row[SCALE] * row[POWER] * below / row[CAPACITY]


@njit(cache=True, nogil=True, error_model="numpy")
def update_links(parameter, fixed, flow, cost, slope):  # type: ignore[no-untyped-def]
    """Costs of all groups and the derivative on all links.

    cost = free * (1 + scale * ((flow + preload) / capacity) ** power) + fixed

    Parameters
    ----------
    parameter : float64[links, 5]
        Columns ``FREE`` ... ``PRELOAD``.
    fixed : float64[groups, links]
        What each group of classes pays on a link whatever its flow [s]; infinite where it is closed to the group.
    flow : float64[links]
        Of all groups [pcu/h].
    cost : float64[groups, links]
        [s], overwritten.
    slope : float64[links]
        The same for all groups [s per pcu/h], overwritten.
    """
    for slot in range(len(flow)):
        update_link(parameter, fixed, slot, flow, cost, slope)


@njit(cache=True, nogil=True, error_model="numpy")
def path_cost(slot_ptr, slot, path, cost):  # type: ignore[no-untyped-def]
    """Cost along a path, summed from its start."""
    total = 0.0
    for i in range(slot_ptr[path], slot_ptr[path + 1]):
        total += cost[slot[i]]
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def load_new(demand, has_path, ptr, slot, flow):  # type: ignore[no-untyped-def]
    """Add the demand of pairs that had no path yet to the links of their first one."""
    for i in range(len(demand)):
        if not has_path[i]:
            for k in range(ptr[i], ptr[i + 1]):
                flow[slot[k]] += demand[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _keep(paths, pair, path, demand):  # type: ignore[no-untyped-def]
    """Whether a path stays: it has flow, or it is the one kept of a pair that has no demand now."""
    return paths.flow[path] > 0.0 or (demand[pair] == 0.0 and path == paths.ptr[pair])


@njit(cache=True, nogil=True, error_model="numpy")
def mark_kept(paths, group, demand, closed, empty_too, keep):  # type: ignore[no-untyped-def]
    """Which paths are still of use: those over open links; of a pair without demand only the one with the largest share.

    Parameters
    ----------
    paths : Paths                  ``flow`` holds shares
    group : int64[pairs]
    demand : float64[pairs]        [pcu/h]
    closed : bool[groups, slots]   no rows where nothing is closed
    empty_too : bool               whether paths without a share are kept
    keep : bool[paths], overwritten
    """
    shut = np.zeros(len(closed), np.bool_)
    for row in range(len(closed)):
        shut[row] = closed[row].any()
    for pair in range(len(demand)):
        best = -1
        for path in range(paths.ptr[pair], paths.ptr[pair + 1]):
            good = empty_too or paths.flow[path] > 0.0
            if good and len(closed) > 0 and shut[group[pair]]:
                for k in range(paths.slot_ptr[path], paths.slot_ptr[path + 1]):
                    if closed[group[pair], paths.slot[k]]:
                        good = False
                        break
            keep[path] = good
            if good and (best < 0 or paths.flow[path] > paths.flow[best]):
                best = path
        if demand[pair] <= 0.0:
            for path in range(paths.ptr[pair], paths.ptr[pair + 1]):
                keep[path] = path == best


@njit(cache=True, nogil=True, error_model="numpy")
def copy_kept(paths, keep, slot):  # type: ignore[no-untyped-def]
    """Slots of the paths that are kept, one path after the other, into ``slot``."""
    at = 0
    for path in range(len(keep)):
        if keep[path]:
            for k in range(paths.slot_ptr[path], paths.slot_ptr[path + 1]):
                slot[at] = paths.slot[k]
                at += 1


@njit(cache=True, nogil=True, error_model="numpy")
def measure_merged(paths, demand, new_ptr, ptr, slot_count):  # type: ignore[no-untyped-def]
    """Where the kept and the new paths of each pair will stand.

    Parameters
    ----------
    paths : Paths
    demand : float64[pairs]
        [pcu/h]
    new_ptr : int64[pairs + 1]
        New path of pair ``i``: ``new_ptr[i]:new_ptr[i+1]`` of the new slots; empty where there is none.
    ptr, slot_count : int64[pairs + 1]
        First path of each pair and slots before it, overwritten.
    """
    ptr[0] = 0
    slot_count[0] = 0
    for pair in range(len(demand)):
        count = 0
        slots = new_ptr[pair + 1] - new_ptr[pair]
        if slots > 0:
            count = 1
        for path in range(paths.ptr[pair], paths.ptr[pair + 1]):
            if _keep(paths, pair, path, demand):
                count += 1
                slots += paths.slot_ptr[path + 1] - paths.slot_ptr[path]
        ptr[pair + 1] = ptr[pair] + count
        slot_count[pair + 1] = slot_count[pair] + slots


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)
def merge_paths(paths, demand, new_ptr, new_slot, slot_count, out):  # type: ignore[no-untyped-def]
    """Copy the kept and the new paths of each pair to their place.

    A new path starts empty, unless its pair has no other: then it takes all demand.

    Parameters
    ----------
    paths : Paths
    demand : float64[pairs]
        [pcu/h]
    new_ptr : int64[pairs + 1]
    new_slot : int32[new slots]
    slot_count : int64[pairs + 1]
        As ``measure_merged`` left it.
    out : Paths
        ``ptr`` as ``measure_merged`` left it; the rest is overwritten.
    """
    n = len(demand)
    # Taken out of the tuple: numba 0.68 loses writes to arrays of a named tuple inside prange.
    ptr, flow, slot_ptr, slot = out.ptr, out.flow, out.slot_ptr, out.slot
    slot_ptr[0] = 0
    for chunk in prange(CHUNK_COUNT):
        for pair in range(chunk * n // CHUNK_COUNT, (chunk + 1) * n // CHUNK_COUNT):
            target = ptr[pair]
            at = slot_count[pair]
            for path in range(paths.ptr[pair], paths.ptr[pair + 1]):
                if _keep(paths, pair, path, demand):
                    for k in range(paths.slot_ptr[path], paths.slot_ptr[path + 1]):
                        slot[at] = paths.slot[k]
                        at += 1
                    flow[target] = paths.flow[path]
                    target += 1
                    slot_ptr[target] = at
            if new_ptr[pair + 1] > new_ptr[pair]:
                flow[target] = demand[pair] if target == ptr[pair] else 0.0
                for k in range(new_ptr[pair], new_ptr[pair + 1]):
                    slot[at] = new_slot[k]
                    at += 1
                slot_ptr[target + 1] = at


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)
def load_paths(paths, flow):  # type: ignore[no-untyped-def]
    """Flow of each link: the sum over the paths that use it.

    Parameters
    ----------
    paths : Paths
    flow : float64[links]
        By slot [pcu/h], overwritten.
    """
    n = len(paths.flow)
    part = np.zeros((CHUNK_COUNT, len(flow)), np.float64)
    for chunk in prange(CHUNK_COUNT):
        for path in range(chunk * n // CHUNK_COUNT, (chunk + 1) * n // CHUNK_COUNT):
            amount = paths.flow[path]
            if amount > 0.0:
                for k in range(paths.slot_ptr[path], paths.slot_ptr[path + 1]):
                    part[chunk, paths.slot[k]] += amount
    flow[:] = 0.0
    for chunk in range(CHUNK_COUNT):
        flow += part[chunk]


@njit(cache=True, nogil=True, error_model="numpy")
def _difference(paths, one, best, slope, price, mark):  # type: ignore[no-untyped-def]
    """How much dearer ``one`` is than ``best``, and how steeply that falls as flow moves; marks as in ``_shift``."""
    difference = 0.0
    steepness = 0.0
    for k in range(paths.slot_ptr[one], paths.slot_ptr[one + 1]):
        slot = paths.slot[k]
        if mark[0, slot] != best:
            difference += price[slot]
            steepness += slope[slot]
    for k in range(paths.slot_ptr[best], paths.slot_ptr[best + 1]):
        slot = paths.slot[k]
        if mark[1, slot] != one:
            difference -= price[slot]
            steepness += slope[slot]
    return difference, steepness


@njit(cache=True, nogil=True, error_model="numpy")
def _move(paths, one, best, links, step, mark):  # type: ignore[no-untyped-def]
    """Move some flow from ``one`` to ``best``; marks as in ``_shift``."""
    parameter, fixed, flow, cost, slope = links
    paths.flow[one] -= step
    paths.flow[best] += step
    for k in range(paths.slot_ptr[one], paths.slot_ptr[one + 1]):
        slot = paths.slot[k]
        if mark[0, slot] != best:
            flow[slot] = max(flow[slot] - step, 0.0)
            update_link(parameter, fixed, slot, flow, cost, slope)
    for k in range(paths.slot_ptr[best], paths.slot_ptr[best + 1]):
        slot = paths.slot[k]
        if mark[1, slot] != one:
            flow[slot] = max(flow[slot] + step, 0.0)
            update_link(parameter, fixed, slot, flow, cost, slope)


@njit(cache=True, nogil=True, error_model="numpy")
def _shift(paths, one, best, links, price, mark):  # type: ignore[no-untyped-def]
    """Move flow between two paths of a pair by Newton steps on their cost difference.

    One step does where costs are nearly straight. Where it leaves more than ``LEFT_SHARE`` of the difference (steep
    powers, links that were empty) steps go on, kept between flows that are known to be too small and too large.

    ``mark[0]`` is ``best`` on the links of ``best``; ``mark[1]`` is set to ``one`` on the links of ``one``;
    ``price`` is the costs of the pair's group.
    """
    slope = links[4]
    for k in range(paths.slot_ptr[one], paths.slot_ptr[one + 1]):
        mark[1, paths.slot[k]] = one
    difference, steepness = _difference(paths, one, best, slope, price, mark)
    enough = LEFT_SHARE * abs(difference)
    low = -np.inf
    high = np.inf
    moved = 0.0
    for _ in range(STEP_COUNT):
        if difference == 0.0:
            return
        if difference > 0.0:
            low = moved
        else:
            high = moved
        most = paths.flow[one] if difference > 0.0 else -paths.flow[best]
        step = most
        if steepness > 0.0:
            step = min(max(difference / steepness, -paths.flow[best]), paths.flow[one])
        if moved + step <= low or moved + step >= high:
            step = 0.5 * (low + high) - moved
            if not (low < moved + step < high):
                return
        if step == 0.0:
            return
        _move(paths, one, best, links, step, mark)
        moved += step
        difference, steepness = _difference(paths, one, best, slope, price, mark)
        if abs(difference) <= enough or (step == most and (difference > 0.0) == (most > 0.0)):
            return


@njit(cache=True, nogil=True, error_model="numpy")
def shift_flows(paths, group_ptr, links, tolerance, mark, known_cost):  # type: ignore[no-untyped-def]
    """One pass over all pairs: shift flow from dearer paths to the cheapest; returns the excess cost found.

    Parameters
    ----------
    paths : Paths
        ``flow`` is updated.
    group_ptr : int64[groups + 1]
        Pairs of group ``g``: ``group_ptr[g]:group_ptr[g + 1]``.
    links : (float64[links, 5] parameters, float64[groups, links] fixed, float64[links] flow, cost, slope)
        By slot, as in ``update_links``; all but the parameters and fixed costs are updated.
    tolerance : float
        Cost differences below this share of the cheapest cost are left alone [1].
    mark : int64[2, links]
        Work space, -1 everywhere.
    known_cost : float64[most paths of a pair]
        Work space.

    Returns
    -------
    float
        Sum of flow times cost above the cheapest path of the pair, each at the costs met.
    """
    excess = 0.0
    mark[:] = -1
    for group in range(len(group_ptr) - 1):
        cost = links[3][group]
        for pair in range(group_ptr[group], group_ptr[group + 1]):
            start = paths.ptr[pair]
            end = paths.ptr[pair + 1]
            if end - start < 2:
                continue
            best = start
            for path in range(start, end):
                known_cost[path - start] = path_cost(paths.slot_ptr, paths.slot, path, cost)
                if known_cost[path - start] < known_cost[best - start]:
                    best = path
            cheapest = known_cost[best - start]
            marked = False
            for path in range(start, end):
                over = known_cost[path - start] - cheapest
                if paths.flow[path] == 0.0 or path == best:
                    continue
                excess += over * paths.flow[path]
                if over <= tolerance * cheapest:
                    continue
                if not marked:
                    for k in range(paths.slot_ptr[best], paths.slot_ptr[best + 1]):
                        mark[0, paths.slot[k]] = best
                    marked = True
                _shift(paths, path, best, links, cost, mark)
    return excess
