"""Vehicles found on the links of the spatial queue, and the rest of their ways changed."""

from __future__ import annotations

import numpy as np
from numba import njit

from transport_abm.networks.queues.kernels_links import (
    BLOCKED,
    COUNT,
    CS,
    FLAGS,
    FREE,
    FREE_AT,
    KIND,
    LINK,
    PLACE,
    SECOND,
    TIME,
    VEHICLE,
    WORD,
    WORDS,
    entry_of,
    kernel,
    leave_wait,
    put,
)
from transport_abm.networks.queues.kernels_moves import link_at


@njit(cache=True, nogil=True, error_model="numpy")
def find_vehicles(links):  # type: ignore[no-untyped-def]
    """By vehicle on the road: its number, link, 1 at the origin, time of entry, next link or -1."""
    record, ring, n = links.record, links.ring, len(links.wait_first)
    total = 0
    for row in range(2 * n):
        total += record[row * WORDS + COUNT]
    out = np.empty((total, 5), np.int32)
    k = 0
    for link in range(n):
        for origin in range(2):
            row = link + origin * n
            for i in range(record[row * WORDS + COUNT]):
                at = entry_of(record, row, i)
                following = ring[at + WORD] & LINK
                out[k, 0], out[k, 1], out[k, 2] = ring[at + VEHICLE], link, origin
                out[k, 3] = ring[at + TIME] - (0 if origin else record[row * WORDS + FREE])
                out[k, 4] = -1 if following == LINK or origin else following
                k += 1
    return out


@kernel
def first_entry(links, latest):  # type: ignore[no-untyped-def]
    """When the earliest of the first vehicles of the links came; ``latest`` if that is earlier or no link has any."""
    record, ring = links.record, links.ring
    for link in range(len(links.wait_first)):
        if record[link * WORDS + COUNT] > 0:
            latest = min(latest, ring[entry_of(record, link, 0) + TIME] - record[link * WORDS + FREE])
    return latest


@kernel
def count_present(links, weights, bin_cs, out):  # type: ignore[no-untyped-def]
    """Add the real vehicles that are on each link to ``out``, int64[bins, links], by their bin of entry."""
    record, ring = links.record, links.ring
    for link in range(len(links.wait_first)):
        for i in range(record[link * WORDS + COUNT]):
            at = entry_of(record, link, i)
            came = ring[at + TIME] - record[link * WORDS + FREE]
            out[came // bin_cs, link] += weights[ring[at + WORD] >> KIND]


@kernel
def set_ways(links, wheel, trips, counts, way_of, indptr, first, on_road):  # type: ignore[no-untyped-def]
    """New ways for vehicles on the road; the others are left to the caller.

    Parameters
    ----------
    links : Links
    wheel : Wheel
    trips : Trips
    counts : Counts
    way_of : int32[vehicles]
        Row of the way, -1 for none.
    indptr : int64[ways + 1]
    first : int64[ways]
        Place of the first link of each way in the routes.
    on_road : bool[ways]
        False; set where the vehicle was on the road.
    """
    record, ring, n = links.record, links.ring, len(links.wait_first)
    now = counts.clock[SECOND] * CS
    for row in range(2 * n):
        for i in range(record[row * WORDS + COUNT]):
            at = entry_of(record, row, i)
            way = way_of[ring[at + VEHICLE]]
            if way < 0:
                continue
            on_road[way] = True
            old = np.int64(ring[at + WORD])
            word = (old >> KIND) << KIND
            word |= link_at(trips, first[way]) if indptr[way + 1] > indptr[way] else LINK
            ring[at + PLACE], ring[at + WORD] = first[way] - 1, word
            if i == 0 and row < n and record[row * WORDS + FLAGS] & BLOCKED:
                # It waits no longer for the old link, and tries the new one as soon as the day goes on.
                leave_wait(links, row, old & LINK)
                record[row * WORDS + FREE_AT] = max(record[row * WORDS + FREE_AT], now)
                put(wheel, row, now, counts.clock[SECOND])
