"""A day of the spatial queue, second by second: who is let go, who departs, who moves on, who waits.

In each second the links whose first vehicle has waited too long are let go first, then vehicles depart, then the
events of the second run in the order in which they were put, until neither is left. An event of a link is that its
first vehicle may leave; one of a hole, that room has come to the upper end of a full link for which others wait.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from transport_abm.networks.queues.kernels_links import (
    BACK,
    BASE,
    CAPACITY,
    CHARGED,
    COUNT,
    CS,
    ENTERED,
    FLAGS,
    FREE,
    FREE_AT,
    HEAD,
    HEADWAY,
    HOLE_DUE,
    HOLES,
    KIND,
    LAST,
    LINK,
    MASK,
    PLACE,
    REST,
    STORAGE,
    SUM,
    TIME,
    USED,
    VEHICLE,
    WAITED,
    WORD,
    call_hole,
    choose_next,
    has_room,
    join_wait,
    leave_wait,
    put,
    settle_claims,
    size_of_first,
    take,
    with_entry,
)  # fmt: skip

SECOND, NEXT_FIRST, RING_TOP, BIN, MOVES, ARRIVED = range(6)
"""Places of the clock: next second; next vehicle by its first departure; end of the rings in use; bin of the day;
links left and vehicles arrived so far."""
BATCH = 2048
"""Codes taken from the wheel at a time: a multiple of its chunk."""


class Trips(NamedTuple):
    """Vehicles and legs. Departures after the first leg hang in a chain for each second of the day."""

    order: NDArray[np.int32]
    """Vehicles by the second of their first departure."""
    leg_indptr: NDArray[np.int64]
    earliest: NDArray[np.int32]
    stop: NDArray[np.int32]
    kind: NDArray[np.int8]
    route: NDArray[np.int32]
    """Links of all routes; the last one of each as ``~link``."""
    detour: NDArray[np.int32]
    """Links of routes given on the way, behind those."""
    start: NDArray[np.int32]
    """By leg: place of its first link; -1 where it has none."""
    leg: NDArray[np.int32]
    """By vehicle: leg it is on or will be on next."""
    following: NDArray[np.int32]
    first: NDArray[np.int32]
    last: NDArray[np.int32]
    """By second: ends of the chain of departures."""
    departure: NDArray[np.int32]
    arrival: NDArray[np.int32]


class Rules(NamedTuple):
    """What holds for all links, and the kinds of vehicles."""

    sizes: NDArray[np.int32]
    weights: NDArray[np.int32]
    exempt: NDArray[np.bool_]
    """By kind: pays no charge."""
    group: NDArray[np.int16]
    """By link: group of its charge, -1 without."""
    amount: NDArray[np.int32]
    """By bin and group [hundredths of CNY]."""
    bin_cs: int
    stuck_cs: int


class Counts(NamedTuple):
    """What is counted, by bin and link; charges by bin and group, and by vehicle."""

    entered: NDArray[np.int32]
    time: NDArray[np.int64]
    charged: NDArray[np.int64]
    paid: NDArray[np.int32]
    clock: NDArray[np.int64]


@njit(cache=True, nogil=True, error_model="numpy")
def next_word(trips, word, place):  # type: ignore[no-untyped-def]
    """The word of a vehicle that comes to ``place`` of the routes by ``word``: where it goes from there."""
    kind = (word >> KIND) << KIND
    if word & LAST:
        return kind | LINK
    return kind | link_at(trips, place + 1)


@njit(cache=True, nogil=True, error_model="numpy")
def link_at(trips, place):  # type: ignore[no-untyped-def]
    """Link at a place of the routes, with its flag if it is the last."""
    n = len(trips.route)
    link = np.int64(trips.route[place]) if place < n else np.int64(trips.detour[place - n])
    return link if link >= 0 else ~link | LAST


@njit(cache=True, nogil=True, error_model="numpy")
def arrive(trips, counts, vehicle, time):  # type: ignore[no-untyped-def]
    """A leg ends; the next one is put where it will depart."""
    while True:
        leg = trips.leg[vehicle]
        trips.arrival[leg] = time
        if leg + 1 == trips.leg_indptr[vehicle + 1]:
            trips.leg[vehicle] = leg + 1
            counts.clock[ARRIVED] += 1
            return
        leg += 1
        trips.leg[vehicle] = leg
        time = max(trips.earliest[leg], time + trips.stop[leg])
        second = time // CS
        trips.departure[leg] = time
        if trips.start[leg] >= 0 or second >= len(trips.first):
            break
    if second < len(trips.first):
        trips.following[vehicle] = -1
        if trips.first[second] < 0:
            trips.first[second] = vehicle
        else:
            trips.following[trips.last[second]] = vehicle
        trips.last[second] = vehicle


@njit(cache=True, nogil=True, error_model="numpy")
def charge(rules, counts, link, vehicle, kind):  # type: ignore[no-untyped-def]
    """A vehicle of a kind pays for entering a link."""
    if not rules.exempt[kind]:
        now, group = counts.clock[BIN], rules.group[link]
        counts.charged[now, group] += rules.weights[kind]
        counts.paid[vehicle] += rules.amount[now, group]


@njit(cache=True, nogil=True, error_model="numpy")
def enter(links, trips, rules, counts, ring, wheel, link, vehicle, place, word, time):  # type: ignore[no-untyped-def]
    """A vehicle enters a link; ``word`` is the one by which it comes, ``place`` that of the link."""
    record = links.record
    kind = word >> KIND
    at = record[link, BASE] + ((record[link, HEAD] + record[link, COUNT]) & record[link, MASK])
    exit_time = time + record[link, FREE]
    ring[at, VEHICLE], ring[at, TIME], ring[at, PLACE] = vehicle, exit_time, place
    ring[at, WORD] = next_word(trips, word, place)
    record[link, COUNT] += 1
    record[link, USED] += rules.sizes[kind]
    record[link, ENTERED] += rules.weights[kind]
    if record[link, FLAGS] & CHARGED:
        charge(rules, counts, link, vehicle, kind)
    if record[link, COUNT] == 1:
        put(wheel, link, max(exit_time, record[link, FREE_AT]), counts.clock[SECOND])


@njit(cache=True, nogil=True, error_model="numpy")
def leave(links, rules, counts, ring, wheel, link, time):  # type: ignore[no-untyped-def]
    """The first vehicle of a link leaves it; its hole begins to move up."""
    record = links.record
    at = record[link, BASE] + record[link, HEAD]
    kind = ring[at, WORD] >> KIND
    came = ring[at, TIME] - record[link, FREE]
    spent = np.int64(time - came) * rules.weights[kind]
    if came >= counts.clock[BIN] * rules.bin_cs:
        links.sums[link, SUM] += spent
    else:
        counts.time[came // rules.bin_cs, link] += spent
    ring[at, TIME] = time + record[link, BACK]
    owed = np.int64(rules.sizes[kind]) * HEADWAY + record[link, REST]
    capacity = record[link, CAPACITY]
    record[link, FREE_AT] = time + owed // capacity
    record[link, REST] = owed % capacity
    head = (record[link, HEAD] + 1) & record[link, MASK]
    record[link, HEAD] = head
    record[link, COUNT] -= 1
    record[link, HOLES] += 1
    if record[link, COUNT] > 0:
        due = max(ring[record[link, BASE] + head, TIME], record[link, FREE_AT])
        put(wheel, link, due, counts.clock[SECOND])
    if record[link, FLAGS] & WAITED and not record[link, FLAGS] & HOLE_DUE:
        call_hole(links, ring, wheel, link, counts.clock[SECOND])
    counts.clock[MOVES] += 1


@njit(cache=True, nogil=True, error_model="numpy")
def let_in(links, trips, rules, counts, ring, wheel, row, ahead, time):  # type: ignore[no-untyped-def]
    """The first vehicle of a waiting row goes on to the link ahead; returns the rings."""
    leave_wait(links, row, ahead)
    second = counts.clock[SECOND]
    record, n = links.record, len(links.wait_first)
    at = record[row, BASE] + record[row, HEAD]
    vehicle, place, word = ring[at, VEHICLE], ring[at, PLACE], ring[at, WORD]
    if row < n:
        leave(links, rules, counts, ring, wheel, row, time)
    else:
        record[row, HEAD] = (record[row, HEAD] + 1) & record[row, MASK]
        record[row, COUNT] -= 1
    ring = with_entry(links, ring, rules.sizes, ahead, second, counts.clock[RING_TOP : RING_TOP + 1])
    enter(links, trips, rules, counts, ring, wheel, ahead, vehicle, place + 1, word, time)
    if row >= n and record[row, COUNT] > 0:
        since = ring[record[row, BASE] + record[row, HEAD], TIME]
        join_wait(links, ring, wheel, row, ahead, since, second)
    return ring


@njit(cache=True, nogil=True, error_model="numpy")
def serve(links, trips, rules, counts, ring, wheel, link):  # type: ignore[no-untyped-def]
    """Holes arrive at the upper end of a link: those who wait are let in by their claims; returns the rings."""
    record, second, sizes = links.record, counts.clock[SECOND], rules.sizes
    record[link, FLAGS] &= ~HOLE_DUE
    time = second * CS
    while record[link, FLAGS] & WAITED:
        row = choose_next(links, ring, sizes, link)
        size = size_of_first(links, ring, sizes, row)
        used = record[link, USED]
        if used + size <= record[link, STORAGE] or used == 0:
            settle_claims(links, link, row, size)
            # Within the second a hole may have come before the vehicle.
            at = max(time, links.since[row])
            ring = let_in(links, trips, rules, counts, ring, wheel, row, link, at)
            continue
        if record[link, HOLES] == 0:
            break
        at = record[link, BASE] + ((record[link, HEAD] - record[link, HOLES]) & record[link, MASK])
        if ring[at, TIME] // CS > second:
            if not record[link, FLAGS] & HOLE_DUE:
                call_hole(links, ring, wheel, link, second)
            break
        time = max(time, ring[at, TIME])
        record[link, USED] -= sizes[ring[at, WORD] >> KIND]
        record[link, HOLES] -= 1
    return ring


@njit(cache=True, nogil=True, error_model="numpy")
def release_stuck(links, trips, rules, counts, ring, wheel):  # type: ignore[no-untyped-def]
    """Vehicles that have waited too long at the end of a link go on to the full one; returns the rings."""
    n = len(links.wait_first)
    while links.after[n] < n:
        row = links.after[n]
        time = links.since[row] + rules.stuck_cs
        if time // CS > counts.clock[SECOND]:
            break
        word = ring[links.record[row, BASE] + links.record[row, HEAD], WORD]
        links.released[row] += rules.weights[word >> KIND]
        ring = let_in(links, trips, rules, counts, ring, wheel, row, word & LINK, time)
    return ring


@njit(cache=True, nogil=True, error_model="numpy")
def depart(links, trips, rules, counts, ring, wheel, vehicle):  # type: ignore[no-untyped-def]
    """A vehicle begins a leg, on its first link or in the queue before it; returns the rings."""
    leg, second = trips.leg[vehicle], counts.clock[SECOND]
    time = trips.departure[leg]
    place = trips.start[leg]
    if place < 0:
        arrive(trips, counts, vehicle, time)
        return ring
    record = links.record
    word = link_at(trips, place) | np.int64(trips.kind[vehicle]) << KIND
    link = word & LINK
    row = len(links.wait_first) + link
    top = counts.clock[RING_TOP : RING_TOP + 1]
    free = record[row, COUNT] == 0 and not record[link, FLAGS] & WAITED
    if free and has_room(links, ring, rules.sizes, link, rules.sizes[word >> KIND], second):
        ring = with_entry(links, ring, rules.sizes, link, second, top)
        enter(links, trips, rules, counts, ring, wheel, link, vehicle, place, word, time)
        return ring
    ring = with_entry(links, ring, rules.sizes, row, second, top)
    at = record[row, BASE] + ((record[row, HEAD] + record[row, COUNT]) & record[row, MASK])
    ring[at, VEHICLE], ring[at, TIME], ring[at, PLACE], ring[at, WORD] = vehicle, time, place - 1, word
    record[row, COUNT] += 1
    if record[row, COUNT] == 1:
        join_wait(links, ring, wheel, row, link, time, second)
    return ring


@njit(cache=True, nogil=True, error_model="numpy")
def depart_all(links, trips, rules, counts, ring, wheel):  # type: ignore[no-untyped-def]
    """All departures of the second that are known by now; returns the rings."""
    clock = counts.clock
    second = clock[SECOND]
    while clock[NEXT_FIRST] < len(trips.order):
        vehicle = trips.order[clock[NEXT_FIRST]]
        leg = trips.leg_indptr[vehicle]
        if trips.earliest[leg] // CS > second:
            break
        clock[NEXT_FIRST] += 1
        trips.departure[leg] = trips.earliest[leg]
        ring = depart(links, trips, rules, counts, ring, wheel, vehicle)
    while trips.first[second] >= 0:
        vehicle = trips.first[second]
        trips.first[second] = trips.following[vehicle]
        ring = depart(links, trips, rules, counts, ring, wheel, vehicle)
    return ring


@njit(cache=True, nogil=True, error_model="numpy")
def close_bin(links, counts):  # type: ignore[no-untyped-def]
    """Counts of the bin go from the records into the tables; twice is as good as once."""
    row = counts.clock[BIN]
    for link in range(len(links.wait_first)):
        counts.entered[row, link] += links.record[link, ENTERED]
        counts.time[row, link] += links.sums[link, SUM]
        links.record[link, ENTERED] = 0
        links.sums[link, SUM] = 0


@njit(cache=True, nogil=True, error_model="numpy")
def run(links, trips, rules, counts, ring, wheel, until):  # type: ignore[no-untyped-def]
    """The day from where it stands to a second.

    Parameters
    ----------
    links : Links
    trips : Trips
    rules : Rules
    counts : Counts
    ring : int32[entries, 4]
    wheel : Wheel
    until : int
        First second that is left for later.

    Returns
    -------
    int32[entries, 4]
        The rings; a longer array if they did not suffice.
    """
    clock, record, n = counts.clock, links.record, len(links.wait_first)
    codes = np.empty(BATCH, np.int32)
    sizes = rules.sizes
    while clock[SECOND] < until:
        second = clock[SECOND]
        if second * CS >= (clock[BIN] + 1) * rules.bin_cs:
            close_bin(links, counts)
            clock[BIN] += 1
        if links.after[n] < n:
            ring = release_stuck(links, trips, rules, counts, ring, wheel)
        while True:
            ring = depart_all(links, trips, rules, counts, ring, wheel)
            while True:
                count = take(wheel, second, codes)
                if count == 0:
                    break
                for k in range(count):
                    link = codes[k]
                    if link < 0:
                        ring = serve(links, trips, rules, counts, ring, wheel, ~link)
                        continue
                    at = record[link, BASE] + record[link, HEAD]
                    time = max(ring[at, TIME], record[link, FREE_AT])
                    if time // CS > second:
                        put(wheel, link, time, second)
                        continue
                    vehicle, place, word = ring[at, VEHICLE], ring[at, PLACE], ring[at, WORD]
                    ahead = word & LINK
                    if ahead == LINK:
                        leave(links, rules, counts, ring, wheel, link, time)
                        arrive(trips, counts, vehicle, time)
                        continue
                    waited = record[ahead, FLAGS] & WAITED
                    if waited or not has_room(links, ring, sizes, ahead, sizes[word >> KIND], second):
                        join_wait(links, ring, wheel, link, ahead, time, second)
                        continue
                    ring = with_entry(links, ring, sizes, ahead, second, clock[RING_TOP : RING_TOP + 1])
                    leave(links, rules, counts, ring, wheel, link, time)
                    enter(links, trips, rules, counts, ring, wheel, ahead, vehicle, place + 1, word, time)
            if trips.first[second] < 0:
                break
        clock[SECOND] = second + 1
    close_bin(links, counts)
    return ring
