"""A day of the spatial queue, second by second: who is let go, who departs, who moves on, who waits.

In each second the links whose first vehicle has waited too long are let go first, then vehicles depart, then the
events of the second run in the order in which they were put, until neither is left. An event of a link is that its
first vehicle may leave; one of a hole, that room has come to the upper end of a full link for which others wait.
"""

from __future__ import annotations

import numpy as np

from transport_abm.networks.queues.kernels_links import (
    AT,
    BACK,
    BASE,
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
    POSITIVE,
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
    call_hole,
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
)


@kernel
def close_bin(links, counts):  # type: ignore[no-untyped-def]
    """Counts of the bin go from the records into the tables; twice is as good as once."""
    row = counts.clock[BIN]
    for link in range(len(links.wait_first)):
        counts.entered[row, link] += links.record[link, ENTERED]
        counts.time[row, link] += links.sums[link, SUM]
        links.record[link, ENTERED] = 0
        links.sums[link, SUM] = 0


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
    n_route = len(route)
    moves = 0
    while True:
        if clock[AT] == clock[TAKEN]:
            clock[AT], clock[TAKEN] = 0, take(wheel, second)
            if clock[TAKEN] == 0:
                break
        for k in range(clock[AT], clock[TAKEN]):
            link = np.int64(batch[k])
            if link < 0:
                if not serve(links, trips, rules, counts, wheel, ~link):
                    clock[AT] = k
                    clock[MOVES] += moves
                    return False
                continue
            base, mask, head = record[link, BASE], record[link, MASK], record[link, HEAD]
            at = np.int64(base + head) & POSITIVE
            exit_time = np.int64(ring[at, TIME])
            time = max(exit_time, np.int64(record[link, FREE_AT]))
            if time >= end_cs:
                put(wheel, link, time, second)
                continue
            word = np.int64(ring[at, WORD])
            ahead, kind = word & LINK, (word >> KIND) & (MOST_KINDS - 1)
            size, weight = np.int64(sizes[kind]), np.int64(weights[kind])
            vehicle, place = ring[at, VEHICLE], np.int64(ring[at, PLACE]) + 1
            if ahead != LINK:
                if record[ahead, FLAGS] & WAITED or (
                    record[ahead, USED] + size > record[ahead, STORAGE]
                    and not has_room(links, sizes, ahead, size, second)
                ):
                    join_wait(links, wheel, link, ahead, time, second)
                    continue
                if record[ahead, COUNT] + record[ahead, HOLES] > record[ahead, MASK]:
                    if not has_entry(links, sizes, ahead, clock, True):
                        clock[AT] = k
                        clock[MOVES] += moves
                        return False
                    # On a loop the ring that grew is its own.
                    base, mask, head = record[link, BASE], record[link, MASK], record[link, HEAD]
                    at = np.int64(base + head) & POSITIVE
            came = exit_time - record[link, FREE]
            spent = (time - came) * weight
            if came >= bin_start:
                sums[link, SUM] += spent
            else:
                counts.time[came // bin_cs, link] += spent
            ring[at, TIME] = time + record[link, BACK]
            owed, capacity = size * HEADWAY + record[link, REST], np.int64(record[link, CAPACITY])
            wait = owed // capacity
            free_at = time + wait
            record[link, FREE_AT] = free_at
            record[link, REST] = owed - wait * capacity
            head = (head + 1) & mask
            record[link, HEAD] = head
            left = record[link, COUNT] - 1
            record[link, COUNT] = left
            record[link, HOLES] += 1
            moves += 1
            if left > 0:
                put(wheel, link, max(np.int64(ring[np.int64(base + head) & POSITIVE, TIME]), free_at), second)
            if record[link, FLAGS] & (WAITED | HOLE_DUE) == WAITED:
                call_hole(links, wheel, link, second)
            if ahead == LINK:
                arrive(trips, counts, vehicle, time)
                continue
            following = np.int64(LINK)
            if not word & LAST:
                following = np.int64(route[place + 1]) if place + 1 < n_route else link_at(trips, place + 1)
                following = following if following >= 0 else ~following | LAST
            on = record[ahead, COUNT]
            at = np.int64(record[ahead, BASE] + ((record[ahead, HEAD] + on) & record[ahead, MASK])) & POSITIVE
            exit_time = time + record[ahead, FREE]
            ring[at, VEHICLE] = vehicle
            ring[at, TIME] = exit_time
            ring[at, PLACE] = place
            ring[at, WORD] = kind << KIND | following
            record[ahead, COUNT] = on + 1
            record[ahead, USED] += size
            record[ahead, ENTERED] += weight
            if record[ahead, FLAGS] & CHARGED:
                charge(rules, counts, ahead, vehicle, kind)
            if on == 0:
                put(wheel, ahead, max(exit_time, np.int64(record[ahead, FREE_AT])), second)
        clock[AT] = clock[TAKEN]
    clock[MOVES] += moves
    return True
