"""Kernels that turn the trips of some hours into vehicles: when each packet leaves and on which route.

Packets of a pair are numbered. Number k of n leaves at the quantile ``(k + u) / n`` of the departures and
takes the route at the quantile ``frac(v + k * GOLDEN)`` of the pair's shares (a Kronecker sequence), so that few
packets already show the shares; u and v are draws addressed by the pair.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from transport_abm.core.draws import hash_uniform

GOLDEN = 0.6180339887498949
"""Fractional part of the golden ratio: multiples of it fill the unit interval evenly."""
K_DEPART, K_ROUTE = 1, 2


@njit(cache=True, nogil=True, error_model="numpy")
def _departure(cumulative, edge_s, quantile):  # type: ignore[no-untyped-def]
    """Second of the day at a quantile of departures, evenly spread inside each hour."""
    hour = 0
    while hour < len(cumulative) - 2 and quantile >= cumulative[hour + 1]:
        hour += 1
    width = cumulative[hour + 1] - cumulative[hour]
    part = (quantile - cumulative[hour]) / width if width > 0.0 else 0.0
    return edge_s[hour] + min(part, 1.0) * 3600.0


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)
def fill_packets(start, address, paths, cumulative, edge_s, key, depart_s, path):  # type: ignore[no-untyped-def]
    """Departure and route of every packet.

    Parameters
    ----------
    start : int64[pairs + 1]        first packet of each pair
    address : uint64[pairs]
    paths : (int64[pairs + 1] first path of each pair, float64[paths] share)
    cumulative : float64[hours + 1] cumulated share of departures
    edge_s : float64[hours]         start of each hour [s of the simulated day]
    key : uint64
    depart_s : int32[packets], path : int32[packets], overwritten
    """
    first, share = paths
    for pair in prange(len(address)):
        n = start[pair + 1] - start[pair]
        if n == 0:
            continue
        u = hash_uniform(key, address[pair], np.uint64(K_DEPART))
        v = hash_uniform(key, address[pair], np.uint64(K_ROUTE))
        for k in range(n):
            row = start[pair] + k
            depart_s[row] = np.int32(_departure(cumulative, edge_s, (k + u) / n))
            quantile = v + k * GOLDEN
            quantile -= np.floor(quantile)
            chosen = first[pair + 1] - 1
            below = 0.0
            for p in range(first[pair], first[pair + 1]):
                below += share[p]
                if quantile < below:
                    chosen = p
                    break
            path[row] = np.int32(chosen)


@njit(cache=True, nogil=True, error_model="numpy")
def count_road_links(taken, slot_ptr, slot, order, n_roads, length):  # type: ignore[no-untyped-def]
    """Links of each path that are roads, and neither connectors nor turns.

    Parameters
    ----------
    taken : bool[paths]             others have none
    slot_ptr : int64[paths + 1], slot : int32[...]   slots of each path
    order : int64[slots]            row of each slot; roads come first
    n_roads : int
    length : int64[paths], overwritten where taken
    """
    for path in range(len(taken)):
        if taken[path]:
            count = 0
            for k in range(slot_ptr[path], slot_ptr[path + 1]):
                if order[slot[k]] < n_roads:
                    count += 1
            length[path] = count


@njit(cache=True, nogil=True, error_model="numpy")
def copy_road_links(taken, slot_ptr, slot, order, n_roads, link):  # type: ignore[no-untyped-def]
    """Roads of the paths that are taken, one path after the other; parameters as of ``count_road_links``.

    Parameters
    ----------
    link : int32[...], overwritten
    """
    at = 0
    for path in range(len(taken)):
        if taken[path]:
            for k in range(slot_ptr[path], slot_ptr[path + 1]):
                row = order[slot[k]]
                if row < n_roads:
                    link[at] = row
                    at += 1
