"""Plans of the spatial queue as arrays: marked, checked, put in order of departure, rounded."""

from __future__ import annotations

import numpy as np
from numba import njit

from transport_abm.core.draws import hash_uniform


@njit(cache=True, nogil=True, error_model="numpy")
def mark_ends(indptr, link):  # type: ignore[no-untyped-def]
    """The last link of each route becomes ``~link``."""
    for r in range(len(indptr) - 1):
        if indptr[r + 1] > indptr[r]:
            link[indptr[r + 1] - 1] = ~link[indptr[r + 1] - 1]


@njit(cache=True, nogil=True, error_model="numpy")
def broken_route(indptr, link, tail, head, is_open):  # type: ignore[no-untyped-def]
    """First route and place in it that cannot be driven, and how many routes cannot; -1, -1 and 0 if all can.

    Parameters
    ----------
    indptr : int64[routes + 1]
    link : int32[places]        the last of each route as ``~link``
    tail, head : int32[links]
    is_open : bool[links]
    """
    n = len(tail)
    route, place, count = -1, -1, 0
    for r in range(len(indptr) - 1):
        node = -1
        for k in range(indptr[r], indptr[r + 1]):
            row = link[k]
            if k == indptr[r + 1] - 1:
                row = ~row
            if row < 0 or row >= n or not is_open[row] or (node >= 0 and tail[row] != node):
                if count == 0:
                    route, place = r, k - indptr[r]
                count += 1
                break
            node = head[row]
    return route, place, count


@njit(cache=True, nogil=True, error_model="numpy")
def broken_leg(leg_indptr, earliest):  # type: ignore[no-untyped-def]
    """First leg that is to depart before the one before it; -1 if none is."""
    for vehicle in range(len(leg_indptr) - 1):
        for leg in range(leg_indptr[vehicle] + 1, leg_indptr[vehicle + 1]):
            if earliest[leg] < earliest[leg - 1]:
                return leg
    return -1


@njit(cache=True, nogil=True, error_model="numpy")
def first_places(indptr, route):  # type: ignore[no-untyped-def]
    """By leg: place of its first link in the routes; -1 where it has none."""
    start = np.empty(len(route), np.int32)
    for leg in range(len(route)):
        r = route[leg]
        start[leg] = indptr[r] if indptr[r + 1] > indptr[r] else -1
    return start


@njit(cache=True, nogil=True, error_model="numpy")
def by_departure(leg_indptr, earliest, end_s, second_cs):  # type: ignore[no-untyped-def]
    """Vehicles that depart before the end, by the second of their first departure, then by number."""
    n = len(leg_indptr) - 1
    count = np.zeros(end_s + 1, np.int64)
    for vehicle in range(n):
        second = earliest[leg_indptr[vehicle]] // second_cs
        if second < end_s:
            count[second + 1] += 1
    for second in range(end_s):
        count[second + 1] += count[second]
    order = np.empty(count[end_s], np.int32)
    for vehicle in range(n):
        second = earliest[leg_indptr[vehicle]] // second_cs
        if second < end_s:
            order[count[second]] = vehicle
            count[second] += 1
    return order


@njit(cache=True, nogil=True, error_model="numpy")
def round_up_by_chance(demand, packet, key, agent, k):  # type: ignore[no-untyped-def]
    """``demand / packet`` rounded to a whole number, up with the chance of its fraction; draws addressed by ``agent``."""
    out = np.empty(len(demand), np.int32)
    for row in range(len(demand)):
        whole = np.floor(demand[row] / packet)
        out[row] = whole + (hash_uniform(key, agent[row], k) < demand[row] / packet - whole)
    return out
