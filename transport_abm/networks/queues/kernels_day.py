"""A day of the spatial queue, second by second: who is let go, who departs, who moves on, who waits.

In each second the links whose first vehicle has waited too long are let go first, then vehicles depart, then the
events of the second run in the order in which they were put, until neither is left. An event of a link is that its
first vehicle may leave; one of a hole, that room has come to the upper end of a full link for which others wait.
"""

from __future__ import annotations

import numpy as np

from transport_abm.networks.queues.kernels_links import (
    ABSENT,
    AT,
    BACK,
    BIN,
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
    MOST_KINDS,
    MOVES,
    PLACE,
    REST,
    SECOND,
    STORAGE,
    SUM,
    TAKEN,
    TIME,
    USED,
    VEHICLE,
    WAITED,
    WORD,
    WORDS,
    ask,
    call_hole,
    come_back,
    entry_of,
    has_entry,
    has_room,
    join_wait,
    kernel,
    put,
    take,
)
from transport_abm.networks.queues.kernels_moves import (
    arrive,
    charge,
    depart_all,
    link_at,
    release_stuck,
    serve,
    tell,
)


@kernel
def close_bin(links, counts):  # type: ignore[no-untyped-def]
    """Counts of the bin go from the records into the tables; twice is as good as once."""
    row = counts.clock[BIN]
    for link in range(len(links.wait_first)):
        counts.entered[row, link] += links.record[link * WORDS + ENTERED]
        counts.time[row, link] += links.sums[link * (WORDS // 2) + SUM]
        links.record[link * WORDS + ENTERED] = 0
        links.sums[link * (WORDS // 2) + SUM] = 0


@kernel
def run(links, trips, rules, counts, wheel, until):  # type: ignore[no-untyped-def]
    """The day from where it stands to a second.

    Parameters
    ----------
    links : Links
    trips : Trips
    rules : Rules
    counts : Counts
    wheel : Wheel
    until : int
        First second that is left for later.

    Returns
    -------
    bool
        False if the rings are short: with longer ones the day goes on from the same event.
    """
    clock, n = counts.clock, len(links.wait_first)
    while clock[SECOND] < until:
        second = clock[SECOND]
        if second * CS >= (clock[BIN] + 1) * rules.bin_cs:
            close_bin(links, counts)
            clock[BIN] += 1
        if links.after[n] < n and not release_stuck(links, trips, rules, counts, wheel):
            return False
        while True:
            # A batch that was broken off is ended before any vehicle departs.
            if clock[AT] == clock[TAKEN] and not depart_all(links, trips, rules, counts, wheel):
                return False
            if not run_events(links, trips, rules, counts, wheel):
                return False
            if trips.first[second] < 0:
                break
        clock[SECOND] += 1
    close_bin(links, counts)
    return True


@kernel
def run_events(links, trips, rules, counts, wheel):  # type: ignore[no-untyped-def]
    """All events of the second; false if the rings are short."""
    clock, record, sums, ring = counts.clock, links.record, links.sums, links.ring
    batch, sizes, weights, route = wheel.batch, rules.sizes, rules.weights, trips.route
    second, bin_cs = clock[SECOND], rules.bin_cs
    end_cs, bin_start = (second + 1) * CS, clock[BIN] * rules.bin_cs
    n_route, tracing = len(route), len(counts.trace) > 0
    record_at, ring_at, route_at = record.ctypes.data, ring.ctypes.data, route.ctypes.data
    moves = 0
    while True:
        if clock[AT] == clock[TAKEN]:
            clock[AT], clock[TAKEN] = 0, take(wheel, second)
            if clock[TAKEN] == 0:
                break
        for k in range(clock[AT], clock[TAKEN]):
            # What later events will touch, a step at a time: each step needs what the one before it has fetched.
            soon = np.int64(batch[k + 20])
            ask(record_at, (soon ^ (soon >> 63)) * 64)
            soon = np.int64(batch[k + 13])
            soon ^= soon >> 63
            ask(ring_at, entry_of(record, soon, 0) * 4)
            ask(ring_at, entry_of(record, soon, 1) * 4)
            soon = np.int64(batch[k + 7])
            at = entry_of(record, soon ^ (soon >> 63), 0)
            ask(record_at, (np.int64(ring[at + WORD]) & LINK) * 64)
            ask(route_at, np.int64(ring[at + PLACE]) * 4 + 8)
            soon = np.int64(batch[k + 3])
            soon = np.int64(ring[entry_of(record, soon ^ (soon >> 63), 0) + WORD]) & LINK
            if soon != LINK:
                ask(ring_at, entry_of(record, soon, record[soon * WORDS + COUNT]) * 4)
            link = np.int64(batch[k])
            if link < 0:
                if not serve(links, trips, rules, counts, wheel, ~link):
                    clock[AT] = k
                    clock[MOVES] += moves
                    return False
                continue
            own = link * WORDS
            at = entry_of(record, link, 0)
            exit_time = np.int64(ring[at + TIME])
            time = max(exit_time, np.int64(record[own + FREE_AT]))
            if time >= end_cs:
                put(wheel, link, time, second)
                continue
            if record[own + FLAGS] & ABSENT:
                come_back(links, link)
            word = np.int64(ring[at + WORD])
            ahead, kind = word & LINK, (word >> KIND) & (MOST_KINDS - 1)
            size, weight = np.int64(sizes[kind]), np.int64(weights[kind])
            vehicle, place = ring[at + VEHICLE], np.int64(ring[at + PLACE]) + 1
            to = ahead * WORDS
            if ahead != LINK:
                if record[to + FLAGS] & WAITED or (
                    record[to + USED] + (size >> 1) > record[to + STORAGE]
                    and not has_room(links, sizes, ahead, size, second)
                ):
                    join_wait(links, wheel, link, ahead, time, second)
                    continue
                if record[to + COUNT] + record[to + HOLES] > record[to + MASK]:
                    if not has_entry(links, sizes, ahead, clock, True):
                        clock[AT] = k
                        clock[MOVES] += moves
                        return False
                    # On a loop the ring that has grown is its own.
                    at = entry_of(record, link, 0)
            came = exit_time - record[own + FREE]
            spent = (time - came) * weight
            if came >= bin_start:
                sums[link * (WORDS // 2) + SUM] += spent
            else:
                counts.time[came // bin_cs, link] += spent
            ring[at + TIME] = time + record[own + BACK]
            owed, capacity = size * HEADWAY + record[own + REST], np.int64(record[own + CAPACITY])
            wait = owed // capacity
            free_at = time + wait
            record[own + FREE_AT] = free_at
            record[own + REST] = owed - wait * capacity
            record[own + HEAD] = (record[own + HEAD] + 1) & record[own + MASK]
            left = record[own + COUNT] - 1
            record[own + COUNT] = left
            record[own + HOLES] += 1
            moves += 1
            if left > 0:
                put(wheel, link, max(np.int64(ring[entry_of(record, link, 0) + TIME]), free_at), second)
            if record[own + FLAGS] & (WAITED | HOLE_DUE) == WAITED:
                call_hole(links, wheel, link, second)
            if ahead == LINK:
                arrive(trips, counts, vehicle, time)
                continue
            following = np.int64(LINK)
            if not word & LAST:
                following = np.int64(route[place + 1]) if place + 1 < n_route else link_at(trips, place + 1)
                following = following if following >= 0 else ~following | LAST
            on = record[to + COUNT]
            at = entry_of(record, ahead, on)
            exit_time = time + record[to + FREE]
            ring[at + VEHICLE] = vehicle
            ring[at + TIME] = exit_time
            ring[at + PLACE] = place
            ring[at + WORD] = kind << KIND | following
            record[to + COUNT] = on + 1
            record[to + USED] += size
            record[to + ENTERED] += weight
            if record[to + FLAGS] & CHARGED:
                charge(rules, counts, ahead, vehicle, kind)
            if tracing:
                tell(trips, counts, ahead, vehicle, time)
            if on == 0:
                put(wheel, ahead, max(exit_time, np.int64(record[to + FREE_AT])), second)
        clock[AT] = clock[TAKEN]
    clock[MOVES] += moves
    return True
