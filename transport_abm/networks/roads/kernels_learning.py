"""Kernel of drivers who change their route after a day."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from transport_abm.networks.roads.kernels_assignment import path_cost


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)
def switch_routes(paths, cost, rate, least_share):  # type: ignore[no-untyped-def]
    """Move flow from dearer routes of each pair to its cheapest one.

    Parameters
    ----------
    paths : Paths
        ``flow`` is updated; each pair keeps its sum.
    cost : float64[links]
        By slot [s].
    rate : float
        Share that moves for each 100 % of excess cost [1].
    least_share : float
        A route left with less than this share of its pair is emptied [1].
    """
    ptr, flow, slot_ptr, slot = paths.ptr, paths.flow, paths.slot_ptr, paths.slot
    for pair in prange(len(ptr) - 1):
        start = ptr[pair]
        end = ptr[pair + 1]
        if end - start < 2:
            continue
        best = start
        cheapest = np.inf
        total = 0.0
        for path in range(start, end):
            total += flow[path]
            here = path_cost(slot_ptr, slot, path, cost)
            if here < cheapest:
                cheapest = here
                best = path
        if total == 0.0:
            continue
        moved = 0.0
        for path in range(start, end):
            if path == best:
                continue
            here = path_cost(slot_ptr, slot, path, cost)
            part = 1.0
            if here < np.inf and cheapest > 0.0:
                part = min(1.0, rate * (here - cheapest) / cheapest)
            left = flow[path] * (1.0 - part)
            if left < least_share * total and here > cheapest:
                left = 0.0
            moved += flow[path] - left
            flow[path] = left
        flow[best] += moved
