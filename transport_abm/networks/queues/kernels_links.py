"""Links of the spatial queue: their records, their rings of vehicles, and the wheel of what comes next.

A row is a link, or ``n_links`` above it the queue of vehicles that wait at their origin to enter that link. All
times are whole centiseconds of the day, all sizes hundredths of a passenger-car unit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

HEAD, COUNT, HOLES, BASE, MASK, USED, STORAGE, FREE_AT, REST, CAPACITY, FREE, BACK, FLAGS, ENTERED = range(14)
"""Columns of a record: place of the first vehicle in the ring; vehicles; holes before them that still take room;
first entry and size less one of the ring; room taken; room; time from which the next may leave; rest of the last
headway; capacity in hundredths of pcu/h; time on the empty link; time a hole takes to its upper end; flags; vehicles
that entered in this bin. The last eight bytes, place ``SUM`` in ``sums``, are the time spent by those."""
WORDS = 16
SUM = 7
WAITED, HOLE_DUE, BLOCKED, CHARGED, ABSENT = 1, 2, 4, 8, 16
"""Flags: others wait to enter; an event is due when a hole arrives; its first vehicle waits; entry is charged; its
first vehicle would wait but for its headway."""
VEHICLE, TIME, PLACE, WORD = range(4)
ENTRY = 4
LINE = 4
"""Columns of a ring's entry: vehicle; time from which it may leave, or at which its hole arrives; place of the link
in the routes; next link with a flag and the kind of vehicle."""
LINK = (1 << 24) - 1
"""In a word: bits of the next link; all of them set, the trip ends here."""
LAST = 1 << 24
"""In a word: the next link is the last one."""
KIND = 25
"""In a word: first bit of the kind."""
MOST_KINDS = 64
POSITIVE = (1 << 31) - 1
"""An index and this is itself; the compiler then knows that it is not negative."""
AHEAD = 32
"""Places at the end of the batch that are looked at and not used."""
CHUNK = 64
"""Codes in a chunk of the wheel."""
SECOND, NEXT_FIRST, RING_TOP, BIN, MOVES, ARRIVED, TAKEN, AT, SERVED, TOLD = range(10)
"""Places of the clock: next second; next vehicle by its first departure; end of the rings in use; bin of the day;
links left and vehicles arrived so far; codes in the batch and the one at hand; time to which holes were served; rows of the
trace."""
CS = 100
"""Centiseconds in a second."""
HEADWAY = 360_000
"""Centiseconds in an hour: a size in hundredths over a capacity in hundredths per hour."""


kernel = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
"""Compiles what runs for each event. Nothing in it makes or keeps an array, so references need no counting: counting
them would take most of the time."""


class Links(NamedTuple):
    """State of the rows; ``record`` has ``WORDS`` numbers each, ``sums`` is the same seen as 64-bit numbers."""

    record: NDArray[np.int32]
    sums: NDArray[np.int64]
    ring: NDArray[np.int32]
    """Entries of all rings, ``ENTRY`` numbers each."""
    wait_first: NDArray[np.int32]
    """By link: first row that waits to enter, -1 if none."""
    wait_next: NDArray[np.int32]
    """By row: next in the same wait."""
    since: NDArray[np.int32]
    """By row: when its first vehicle began to wait."""
    priority: NDArray[np.int32]
    credit: NDArray[np.int64]
    """By row: claim to be let in, over what it had."""
    given: NDArray[np.int64]
    """By link: size of all that was let in from a wait."""
    absent: NDArray[np.int64]
    """By link: priorities of the rows that were let in and whose next vehicle is ready for it but for its headway."""
    last_given: NDArray[np.int64]
    last_link: NDArray[np.int32]
    """By row: ``given`` of the link to which it was let in, and that link."""
    before: NDArray[np.int32]
    after: NDArray[np.int32]
    """Chain of blocked links by the time since they are; the last place holds its two ends."""
    released: NDArray[np.int32]


class Wheel(NamedTuple):
    """Calendar: slots of a second, each a chain of chunks of codes; ``row``, or ``~row`` for a hole."""

    first: NDArray[np.int32]
    place: NDArray[np.int32]
    """By slot: where the next code goes; at a multiple of ``CHUNK`` in a new chunk."""
    code: NDArray[np.int32]
    following: NDArray[np.int32]
    free: NDArray[np.int32]
    """Chunks not in use, as a stack; the last number is their count."""
    batch: NDArray[np.int32]
    """Codes that were taken and are being worked off."""


@intrinsic
def _prefetch(typing_context, pointer, offset):  # type: ignore[no-untyped-def]
    """Ask for the line of the cache that is ``offset`` bytes from an address."""

    def code(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        byte, word = ir.IntType(8), ir.IntType(32)
        address = builder.inttoptr(builder.add(arguments[0], arguments[1]), byte.as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [byte.as_pointer(), word, word, word])
        ask = builder.module.declare_intrinsic("llvm.prefetch", [byte.as_pointer()], kind)
        builder.call(ask, [address, word(0), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(types.intp, types.intp), code


@kernel
def ask(address, offset):  # type: ignore[no-untyped-def]
    """Begin to fetch what is ``offset`` bytes from an address; changes nothing but the time."""
    _prefetch(address, offset)


@kernel
def entry_of(record, row, k):  # type: ignore[no-untyped-def]
    """Where in the rings the entry of the k-th vehicle of a row begins, from 0; for holes ``k`` is negative."""
    own = row * WORDS
    at = record[own + BASE] + ((record[own + HEAD] + k) & record[own + MASK])
    return (np.int64(at) & POSITIVE) * ENTRY


@kernel
def put(wheel, code, due, second):  # type: ignore[no-untyped-def]
    """Put a code into the slot of the time when it is due; beyond the horizon into the last, to be put again."""
    place = wheel.place
    mask = len(place) - 1
    slot = min(due // CS, second + mask) & mask
    at = np.int64(place[slot])
    if at & (CHUNK - 1) == 0:
        at = _new_chunk(wheel, slot, at)
    wheel.code[at & POSITIVE] = code
    place[slot] = at + 1


@kernel
def _new_chunk(wheel, slot, at):  # type: ignore[no-untyped-def]
    """One more chunk at the end of a slot; returns where its first code goes."""
    first, following, free = wheel.first, wheel.following, wheel.free
    free[-1] -= 1
    chunk = free[free[-1]]
    if first[slot] < 0:
        first[slot] = chunk
    else:
        following[at // CHUNK - 1] = chunk
    following[chunk] = -1
    return np.int64(chunk) * CHUNK


@kernel
def take(wheel, second):  # type: ignore[no-untyped-def]
    """Take the codes of a second in the order in which they were put, as many chunks as fit into the batch; returns how many."""
    first, code, following, free, codes = wheel.first, wheel.code, wheel.following, wheel.free, wheel.batch
    slot = second & (len(first) - 1)
    count = 0
    while first[slot] >= 0 and count + CHUNK <= len(codes) - AHEAD:
        chunk = first[slot]
        start, end = chunk * CHUNK, chunk * CHUNK + CHUNK
        first[slot] = following[chunk]
        if first[slot] < 0:
            end = wheel.place[slot]
            wheel.place[slot] = 0
        for k in range(start, end):
            codes[count] = code[k]
            count += 1
        free[free[-1]] = chunk
        free[-1] += 1
    return count


@kernel
def collect(links, sizes, row, second, most):  # type: ignore[no-untyped-def]
    """Give back the room of holes that have arrived by the end of a second, of ``most`` at most."""
    record, ring = links.record, links.ring
    own = row * WORDS
    holes, used = np.int64(record[own + HOLES]), np.int64(record[own + USED])
    end_cs = (second + 1) * CS
    while holes > 0 and most > 0:
        at = entry_of(record, row, -holes)
        if ring[at + TIME] >= end_cs:
            break
        used -= sizes[(ring[at + WORD] >> KIND) & (MOST_KINDS - 1)]
        holes -= 1
        most -= 1
    record[own + HOLES], record[own + USED] = holes, used


@kernel
def has_room(links, sizes, row, size, second):  # type: ignore[no-untyped-def]
    """Whether a vehicle of a size may enter: half of it must fit. An empty link takes one of any size."""
    record = links.record
    half = size >> 1
    if record[row * WORDS + USED] + half <= record[row * WORDS + STORAGE]:
        return True
    collect(links, sizes, row, second, POSITIVE)
    used = record[row * WORDS + USED]
    return used + half <= record[row * WORDS + STORAGE] or used == 0


@kernel
def has_entry(links, sizes, row, clock, gather):  # type: ignore[no-untyped-def]
    """Whether a row's ring takes one more vehicle, after it has grown if need be; if not, all rings must get longer.

    Holes that have arrived are gathered before, where that is no matter: those in one line of the cache, for it is no
    matter how many either.
    """
    record, ring = links.record, links.ring
    if record[row * WORDS + COUNT] + record[row * WORDS + HOLES] <= record[row * WORDS + MASK]:
        return True
    if gather:
        collect(links, sizes, row, clock[SECOND], LINE)
    taken = record[row * WORDS + COUNT] + record[row * WORDS + HOLES]
    mask = record[row * WORDS + MASK]
    if taken <= mask:
        return True
    start, size = clock[RING_TOP], max(2 * (mask + 1), 8)
    if (start + size) * ENTRY > len(ring):
        return False
    clock[RING_TOP] = start + size
    n_holes = record[row * WORDS + HOLES]
    for k in range(taken):
        old, new = entry_of(record, row, k - n_holes), (start + k) * ENTRY
        for column in range(ENTRY):
            ring[new + column] = ring[old + column]
    record[row * WORDS + BASE], record[row * WORDS + MASK] = start, size - 1
    record[row * WORDS + HEAD] = n_holes
    return True


@kernel
def go_absent(links, row, ahead):  # type: ignore[no-untyped-def]
    """A row that was let in keeps its claim while its next vehicle is held by its headway alone.

    Otherwise a link of small capacity would have less than its share, because it waits for less of the time.
    """
    record, ring = links.record, links.ring
    own = row * WORDS
    if record[own + COUNT] > 0:
        at = entry_of(record, row, 0)
        if ring[at + WORD] & LINK == ahead and ring[at + TIME] <= record[own + FREE_AT]:
            record[own + FLAGS] |= ABSENT
            links.absent[ahead] += links.priority[row]
            links.last_given[row], links.last_link[row] = links.given[ahead], ahead


@kernel
def come_back(links, row):  # type: ignore[no-untyped-def]
    """The headway is over: the row has its share of what was given to others."""
    links.record[row * WORDS + FLAGS] &= ~ABSENT
    ahead = links.last_link[row]
    links.absent[ahead] -= links.priority[row]
    links.credit[row] += (links.given[ahead] - links.last_given[row]) * links.priority[row]


@kernel
def join_wait(links, wheel, row, ahead, time, second):  # type: ignore[no-untyped-def]
    """The first vehicle of a row begins to wait for room on the link ahead."""
    record, following = links.record, links.wait_next
    links.since[row] = time
    following[row] = -1
    last = links.wait_first[ahead]
    if last < 0:
        links.wait_first[ahead] = row
        record[ahead * WORDS + FLAGS] |= WAITED
    else:
        while following[last] >= 0:
            last = following[last]
        following[last] = row
    n = len(links.wait_first)
    if row < n:
        record[row * WORDS + FLAGS] |= BLOCKED
        final = links.before[n]
        links.before[row], links.after[row] = final, n
        links.after[final] = row
        links.before[n] = row
    if record[ahead * WORDS + HOLES] > 0 and not record[ahead * WORDS + FLAGS] & HOLE_DUE:
        call_hole(links, wheel, ahead, second)


@kernel
def call_hole(links, wheel, row, second):  # type: ignore[no-untyped-def]
    """An event for the next hole that arrives at the upper end of a link."""
    record, ring = links.record, links.ring
    record[row * WORDS + FLAGS] |= HOLE_DUE
    at = entry_of(record, row, -record[row * WORDS + HOLES])
    put(wheel, ~row, max(ring[at + TIME], second * CS), second)


@kernel
def leave_wait(links, row, ahead):  # type: ignore[no-untyped-def]
    """A row waits no longer for the link ahead."""
    record, following = links.record, links.wait_next
    if links.wait_first[ahead] == row:
        links.wait_first[ahead] = following[row]
        if following[row] < 0:
            record[ahead * WORDS + FLAGS] &= ~WAITED
    else:
        k = links.wait_first[ahead]
        while following[k] != row:
            k = following[k]
        following[k] = following[row]
    if row < len(links.wait_first):
        record[row * WORDS + FLAGS] &= ~BLOCKED
        links.after[links.before[row]] = links.after[row]
        links.before[links.after[row]] = links.before[row]


@kernel
def wait_anew(links, row, time):  # type: ignore[no-untyped-def]
    """A row that waits for a link ahead counts as if it began now, behind all others in the order of patience."""
    n = len(links.wait_first)
    links.since[row] = time
    links.after[links.before[row]] = links.after[row]
    links.before[links.after[row]] = links.before[row]
    final = links.before[n]
    links.before[row], links.after[row] = final, n
    links.after[final] = row
    links.before[n] = row


@kernel
def size_of_first(links, sizes, row):  # type: ignore[no-untyped-def]
    """Size of the first vehicle of a row."""
    record, ring = links.record, links.ring
    return sizes[ring[entry_of(record, row, 0) + WORD] >> KIND]


@kernel
def choose_next(links, sizes, ahead):  # type: ignore[no-untyped-def]
    """Which of the waiting rows has the largest claim to the room on the link ahead; the first of equal ones."""
    best = links.wait_first[ahead]
    claim = np.int64(0)
    row = best
    while row >= 0:
        own = links.credit[row] + np.int64(links.priority[row]) * size_of_first(links, sizes, row)
        if row == best or own > claim:
            best, claim = row, own
        row = links.wait_next[row]
    return best


@kernel
def settle_claims(links, ahead, chosen, size):  # type: ignore[no-untyped-def]
    """Each row that waits, or will when its headway is over, earns its priority times the room given.

    The one that has the room pays for all.
    """
    links.given[ahead] += size
    total = links.absent[ahead] * size
    row = links.wait_first[ahead]
    while row >= 0:
        share = np.int64(links.priority[row]) * size
        links.credit[row] += share
        total += share
        row = links.wait_next[row]
    links.credit[chosen] -= total
