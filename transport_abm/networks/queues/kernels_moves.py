"""Vehicles of the spatial queue: they enter links and leave them, wait and are let in, depart and arrive."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from transport_abm.networks.queues.kernels_links import (
    ARRIVED,
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
    MOVES,
    NEXT_FIRST,
    PLACE,
    POSITIVE,
    REST,
    SECOND,
    SERVED,
    STORAGE,
    SUM,
    TIME,
    TOLD,
    USED,
    VEHICLE,
    WAITED,
    WORD,
    WORDS,
    call_hole,
    choose_next,
    entry_of,
    go_absent,
    has_entry,
    has_room,
    join_wait,
    kernel,
    leave_wait,
    put,
    settle_claims,
    size_of_first,
    wait_anew,
)


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
    paid: NDArray[np.int64]
    clock: NDArray[np.int64]
    trace: NDArray[np.int32]
    """Who came onto which link when, in the order of the moves: leg, link, time [cs]; no rows if nobody asked."""


@kernel
def next_word(trips, word, place):  # type: ignore[no-untyped-def]
    """The word of a vehicle that comes to ``place`` of the routes by ``word``: where it goes from there."""
    kind = (word >> KIND) << KIND
    if word & LAST:
        return kind | LINK
    return kind | link_at(trips, place + 1)


@kernel
def link_at(trips, place):  # type: ignore[no-untyped-def]
    """Link at a place of the routes, with its flag if it is the last."""
    n = len(trips.route)
    link = np.int64(trips.route[place]) if place < n else np.int64(trips.detour[place - n])
    return link if link >= 0 else ~link | LAST


@kernel
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
        if second >= len(trips.first):
            # The day ends before: the leg does not begin.
            return
        trips.departure[leg] = time
        if trips.start[leg] >= 0:
            break
    trips.following[vehicle] = -1
    if trips.first[second] < 0:
        trips.first[second] = vehicle
    else:
        trips.following[trips.last[second]] = vehicle
    trips.last[second] = vehicle


@kernel
def charge(rules, counts, link, vehicle, kind):  # type: ignore[no-untyped-def]
    """A vehicle of a kind pays for entering a link."""
    if not rules.exempt[kind]:
        now, group = counts.clock[BIN], rules.group[link]
        counts.charged[now, group] += rules.weights[kind]
        counts.paid[vehicle] += rules.amount[now, group]


@kernel
def tell(trips, counts, link, vehicle, time):  # type: ignore[no-untyped-def]
    """A row of the trace: a vehicle comes onto a link."""
    row = counts.clock[TOLD]
    counts.trace[row, 0], counts.trace[row, 1], counts.trace[row, 2] = trips.leg[vehicle], link, time
    counts.clock[TOLD] = row + 1


@kernel
def enter(links, trips, rules, counts, wheel, link, vehicle, place, word, time):  # type: ignore[no-untyped-def]
    """A vehicle enters a link; ``word`` is the one by which it comes, ``place`` that of the link."""
    record, ring = links.record, links.ring
    kind = word >> KIND
    at = entry_of(record, link, record[link * WORDS + COUNT])
    exit_time = time + record[link * WORDS + FREE]
    ring[at + VEHICLE], ring[at + TIME], ring[at + PLACE] = vehicle, exit_time, place
    ring[at + WORD] = next_word(trips, word, place)
    record[link * WORDS + COUNT] += 1
    record[link * WORDS + USED] += rules.sizes[kind]
    record[link * WORDS + ENTERED] += rules.weights[kind]
    if record[link * WORDS + FLAGS] & CHARGED:
        charge(rules, counts, link, vehicle, kind)
    if len(counts.trace) > 0:
        tell(trips, counts, link, vehicle, time)
    if record[link * WORDS + COUNT] == 1:
        put(wheel, link, max(exit_time, record[link * WORDS + FREE_AT]), counts.clock[SECOND])


@kernel
def leave(links, rules, counts, wheel, link, time):  # type: ignore[no-untyped-def]
    """The first vehicle of a link leaves it; its hole begins to move up."""
    record, ring = links.record, links.ring
    at = entry_of(record, link, 0)
    kind = ring[at + WORD] >> KIND
    came = ring[at + TIME] - record[link * WORDS + FREE]
    spent = np.int64(time - came) * rules.weights[kind]
    if came >= counts.clock[BIN] * rules.bin_cs:
        links.sums[link * (WORDS // 2) + SUM] += spent
    else:
        counts.time[came // rules.bin_cs, link] += spent
    ring[at + TIME] = time + record[link * WORDS + BACK]
    owed = np.int64(rules.sizes[kind]) * HEADWAY + record[link * WORDS + REST]
    wait = owed // record[link * WORDS + CAPACITY]
    record[link * WORDS + FREE_AT] = time + wait
    record[link * WORDS + REST] = owed - wait * record[link * WORDS + CAPACITY]
    head = (record[link * WORDS + HEAD] + 1) & record[link * WORDS + MASK]
    record[link * WORDS + HEAD] = head
    record[link * WORDS + COUNT] -= 1
    record[link * WORDS + HOLES] += 1
    if record[link * WORDS + COUNT] > 0:
        due = max(ring[entry_of(record, link, 0) + TIME], record[link * WORDS + FREE_AT])
        put(wheel, link, due, counts.clock[SECOND])
    if record[link * WORDS + FLAGS] & WAITED and not record[link * WORDS + FLAGS] & HOLE_DUE:
        call_hole(links, wheel, link, counts.clock[SECOND])
    counts.clock[MOVES] += 1


@kernel
def let_in(links, trips, rules, counts, wheel, row, ahead, time):  # type: ignore[no-untyped-def]
    """The first vehicle of a waiting row goes on to the link ahead, whose ring has place for it."""
    leave_wait(links, row, ahead)
    record, ring, n = links.record, links.ring, len(links.wait_first)
    at = entry_of(record, row, 0)
    vehicle, place, word = ring[at + VEHICLE], ring[at + PLACE], ring[at + WORD]
    if row < n:
        leave(links, rules, counts, wheel, row, time)
        go_absent(links, row, ahead)
    else:
        record[row * WORDS + HEAD] = (record[row * WORDS + HEAD] + 1) & record[row * WORDS + MASK]
        record[row * WORDS + COUNT] -= 1
    enter(links, trips, rules, counts, wheel, ahead, vehicle, place + 1, word, time)
    if row >= n and record[row * WORDS + COUNT] > 0:
        since = ring[entry_of(record, row, 0) + TIME]
        join_wait(links, wheel, row, ahead, since, counts.clock[SECOND])


@kernel
def serve(links, trips, rules, counts, wheel, link):  # type: ignore[no-untyped-def]
    """Holes arrive at the upper end of a link: those who wait are let in by their claims; false if rings are short."""
    record, ring, sizes, clock = links.record, links.ring, rules.sizes, counts.clock
    record[link * WORDS + FLAGS] &= ~HOLE_DUE
    second = clock[SECOND]
    time = max(second * CS, clock[SERVED])
    while record[link * WORDS + FLAGS] & WAITED:
        row = choose_next(links, sizes, link)
        size = size_of_first(links, sizes, row)
        used = record[link * WORDS + USED]
        if used + (size >> 1) <= record[link * WORDS + STORAGE] or used == 0:
            if not has_entry(links, sizes, link, clock, False):
                clock[SERVED] = time
                return False
            settle_claims(links, link, row, size)
            # Within the second a hole may have come before the vehicle.
            let_in(links, trips, rules, counts, wheel, row, link, max(time, links.since[row]))
            continue
        if record[link * WORDS + HOLES] == 0:
            break
        at = entry_of(record, link, -record[link * WORDS + HOLES])
        if ring[at + TIME] // CS > second:
            if not record[link * WORDS + FLAGS] & HOLE_DUE:
                call_hole(links, wheel, link, second)
            break
        time = max(time, ring[at + TIME])
        record[link * WORDS + USED] -= sizes[ring[at + WORD] >> KIND]
        record[link * WORDS + HOLES] -= 1
    clock[SERVED] = 0
    return True


@kernel
def release_stuck(links, trips, rules, counts, wheel):  # type: ignore[no-untyped-def]
    """Vehicles that have waited too long at the end of a link go on to the full one; false if rings are short."""
    record, ring, n = links.record, links.ring, len(links.wait_first)
    while links.after[n] < n:
        row = links.after[n]
        time = links.since[row] + rules.stuck_cs
        if time // CS > counts.clock[SECOND]:
            break
        word = ring[entry_of(record, row, 0) + WORD]
        if record[(word & LINK) * WORDS + USED] > POSITIVE - rules.sizes[word >> KIND]:
            # So overfull that its room could no longer be counted: patience begins anew.
            wait_anew(links, row, time)
            continue
        if not has_entry(links, rules.sizes, word & LINK, counts.clock, False):
            return False
        links.released[row] += rules.weights[word >> KIND]
        let_in(links, trips, rules, counts, wheel, row, word & LINK, time)
    return True


@kernel
def depart(links, trips, rules, counts, wheel, vehicle, leg):  # type: ignore[no-untyped-def]
    """A vehicle begins a leg, on its first link or in the queue before it; false if rings are short."""
    record, ring, clock = links.record, links.ring, counts.clock
    time, place = trips.departure[leg], trips.start[leg]
    if place < 0:
        arrive(trips, counts, vehicle, time)
        return True
    word = link_at(trips, place) | np.int64(trips.kind[vehicle]) << KIND
    link = word & LINK
    row = len(links.wait_first) + link
    size = rules.sizes[word >> KIND]
    # Where others wait at the origin already, the link has its flag.
    if not record[link * WORDS + FLAGS] & WAITED and has_room(links, rules.sizes, link, size, clock[SECOND]):
        if not has_entry(links, rules.sizes, link, clock, True):
            return False
        enter(links, trips, rules, counts, wheel, link, vehicle, place, word, time)
        return True
    if not has_entry(links, rules.sizes, row, clock, False):
        return False
    at = entry_of(record, row, record[row * WORDS + COUNT])
    ring[at + VEHICLE], ring[at + TIME], ring[at + PLACE], ring[at + WORD] = (
        vehicle,
        time,
        place - 1,
        word,
    )
    record[row * WORDS + COUNT] += 1
    if record[row * WORDS + COUNT] == 1:
        join_wait(links, wheel, row, link, time, clock[SECOND])
    return True


@kernel
def depart_all(links, trips, rules, counts, wheel):  # type: ignore[no-untyped-def]
    """All departures of the second that are known by now; false if rings are short."""
    clock = counts.clock
    order, leg_indptr, earliest, departure = trips.order, trips.leg_indptr, trips.earliest, trips.departure
    second = clock[SECOND]
    while clock[NEXT_FIRST] < len(order):
        vehicle = np.int64(order[clock[NEXT_FIRST]])
        leg = leg_indptr[vehicle]
        if earliest[leg] // CS > second:
            break
        departure[leg] = earliest[leg]
        if not depart(links, trips, rules, counts, wheel, vehicle, leg):
            return False
        clock[NEXT_FIRST] += 1
    while trips.first[second] >= 0:
        vehicle = np.int64(trips.first[second])
        trips.first[second] = trips.following[vehicle]
        if not depart(links, trips, rules, counts, wheel, vehicle, np.int64(trips.leg[vehicle])):
            trips.first[second] = vehicle
            return False
    return True
