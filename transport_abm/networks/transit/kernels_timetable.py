"""Cheapest journeys in a timetable that repeats: labels of all departures, journeys, loads and skims.

An event is a departure: a vehicle leaving a call. Towards one zone, with costs in weighted minutes,

    R_e = ride_e + min(R of the trip's next event, min over the ways off of c + P)    on board,
    P_e = min(R_e + board_e, later_e + P of the next event at the same stop)          waiting,

where a way off is the walk to the zone, or a change (penalty, walk, wait) to the first event that it catches.
This is the profile search of the connection scan algorithm (Dibbelt, Pajor, Strasser and Wagner 2018, ACM
Journal of Experimental Algorithmics 23) with perceived times (Briem and others 2017, Symposium on
Experimental Algorithms, 6): scanned from the latest event to the earliest, each label has its successors
before it. The table repeats, so the last events look on to the first: the scan is repeated until no label
falls, and looks only at events of which a successor has fallen. Zones are lanes: a block of destinations is
scanned at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from transport_abm.networks.transit.kernels_journeys import load_journeys, new_legs

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
Bool = NDArray[np.bool_]


class Events(NamedTuple):
    """Departures in order of time (N events, C calls); labels towards a zone stand in the same order."""

    call: I32
    """int32[N] call that the vehicle leaves."""
    time: I32
    """int32[N] time in the cycle [0.1 s]."""
    off_cost: F32
    """float32[N] segment that begins here, for riders who get off at its end, as perceived in the crowd [min]."""
    stay_cost: F32
    """float32[N] the same for riders who stay on: a loop's vehicle waits before its next lap [min]."""
    board_cost: F32
    """float32[N] weighted minutes lost to vehicles too full to board."""
    stay: I32
    """int32[N] next event of the same trip; -1 where it ends."""
    later: I32
    """int32[N] next event at the same stop, in turn."""
    later_cost: F32
    """float32[N] weighted wait for it [min]."""
    off_stop: I32
    """int32[N] stop where the segment arrives."""
    change_ptr: I32
    """Changes after the segment of event e: rows ``change_ptr[e]:change_ptr[e + 1]``."""
    change_event: I32
    """First event that the change catches."""
    change_cost: F32
    """Penalty, walk and wait, weighted [min]."""
    change_walk: F32
    change_wait: F32
    """Walk and wait of the change [min]."""


class Looks(NamedTuple):
    """Which events look on to an event, and must be looked at again when its label falls."""

    earlier: I32
    """int32[N] event before it at the same stop."""
    trip_ptr: I32
    trip_event: I32
    """Events of which it is the next of the trip: ``trip_event[trip_ptr[e]:trip_ptr[e + 1]]``."""
    feed_ptr: I32
    feed_event: I32
    """Events after which a change catches it."""


class Lines(NamedTuple):
    """What journeys need to know of calls, and the table's length."""

    metro: Bool
    """bool[C]"""
    first: I32
    """int32[C] first call of the call's pattern."""
    run: F64
    """float64[C, 5] how far a trip has come: ``BEGIN_MIN`` to ``LAP_KM``."""
    lap_min: F64
    """float64[events] from the beginning of the event's lap to that of the next, with the rest between them [min]."""
    full_wait: F64
    """float64[C] minutes lost to vehicles too full to board."""
    cycle: int
    """Tenths of a second after which the table repeats."""
    ds_min: float
    """Minutes of a tenth of a second."""


class Doors(NamedTuple):
    """Ways between zones and stops (Z zones, S stops, D sampled departures)."""

    egress_cost: F32
    """float32[S, Z] weighted walk from a stop to a zone [min]; infinite where there is none."""
    egress_min: F32
    """float32[S, Z] the same, unweighted."""
    access_indptr: I32
    access_min: F64
    """Walks of zone z to its stops [min]: rows ``access_indptr[z]:access_indptr[z + 1]``."""
    access_event: I32
    """int32[A, D] first event caught by a walk and a departure from home; -1 where the stop has none."""
    access_wait: F32
    """float32[A, D] wait for it [min]."""
    wait_weight: float
    walk_weight: float
    transfer_min: float


class Labels(NamedTuple):
    """Labels of one block of zones, shape (events, lanes), and what follows from them; one set a worker."""

    ride: F32
    wait: F32
    leg: I32
    """Number of the journeys' leg that begins with this event, 0 where there is none: so before and after a block."""
    stays: I64
    """int64[events] lower half, a bit for each lane: riders of this event stay on at the end of its segment; upper
    half: the event that they stay on for. Together, since who follows a trip reads both."""
    lets_go: I64
    """The same of those who wait here and let it go, and the event that they wait on for."""
    due: Bool
    """bool[events] what is to be looked at again."""


@njit(cache=True, nogil=True, error_model="numpy")
def _scan(events, looks, egress, near, labels):  # type: ignore[no-untyped-def]
    """Scan the events from last to first until no label falls."""
    # Arrays are taken out of their tuples once, and rows are not taken out as arrays: both would count references.
    stay, later, off_stop, change_ptr, change_event = (
        events.stay, events.later, events.off_stop, events.change_ptr, events.change_event,
    )  # fmt: skip
    off_cost, stay_cost, board_cost, later_cost, change_cost = (
        events.off_cost, events.stay_cost, events.board_cost, events.later_cost, events.change_cost,
    )  # fmt: skip
    earlier, trip_ptr, trip_event, feed_ptr, feed_event = looks
    ride, wait, due = labels.ride, labels.wait, labels.due
    # The number of lanes is not known to the compiler, so that it keeps the loops and uses vectors.
    lanes = egress.shape[1]
    best = np.empty(lanes, np.float32)
    ride[:] = np.inf
    wait[:] = np.inf
    for e in range(len(stay)):
        due[e] = near[off_stop[e]]
    moved = True
    while moved:
        moved = False
        for e in range(len(stay) - 1, -1, -1):
            if not due[e]:
                continue
            due[e] = False
            begin, end, stop = change_ptr[e], change_ptr[e + 1], off_stop[e]
            if near[stop]:
                for lane in range(lanes):
                    best[lane] = egress[stop, lane]
            elif begin < end:
                f, more = change_event[begin], change_cost[begin]
                begin += 1
                for lane in range(lanes):
                    best[lane] = wait[f, lane] + more
            else:
                best[:] = np.inf
            for i in range(begin, end):
                f, more = change_event[i], change_cost[i]
                for lane in range(lanes):
                    way = wait[f, lane] + more
                    best[lane] = way if way < best[lane] else best[lane]
            ahead, n, on_cost, let_go = stay[e], later[e], stay_cost[e], later_cost[e]
            get_off, board = off_cost[e], board_cost[e]
            if ahead < 0:
                ahead, on_cost = e, np.float32(np.inf)
            # Nearly always most of an event's successors have fallen: looking at all at once costs less than
            # to know which.
            fell, waits = False, False
            for lane in range(lanes):
                on, off = ride[ahead, lane] + on_cost, best[lane] + get_off
                least = on if on < off else off
                fell |= least < ride[e, lane]
                ride[e, lane] = least
                on, off = least + board, wait[n, lane] + let_go
                least = on if on < off else off
                waits |= least < wait[e, lane]
                wait[e, lane] = least
            if fell:
                for i in range(trip_ptr[e], trip_ptr[e + 1]):
                    due[trip_event[i]] = True
                    # What stands at or behind e is only met in the next scan.
                    moved |= trip_event[i] >= e
            if waits:
                due[earlier[e]] = True
                moved |= earlier[e] >= e
                for i in range(feed_ptr[e], feed_ptr[e + 1]):
                    due[feed_event[i]] = True
                    moved |= feed_event[i] >= e


@njit(cache=True, nogil=True, error_model="numpy")
def _point(events, bit, labels):  # type: ignore[no-untyped-def]
    """Whether riders of each event stay on, and whether those who wait there let it go, from settled labels."""
    stay, later, stay_cost, later_cost = events.stay, events.later, events.stay_cost, events.later_cost
    ride, wait, stays, lets_go = labels.ride, labels.wait, labels.stays, labels.lets_go
    none = np.uint32(0)
    for e in range(len(stay)):
        ahead, n, on_cost, let_go = stay[e], later[e], stay_cost[e], later_cost[e]
        on, go = none, none
        for lane in range(len(bit)):
            on |= bit[lane] if ride[ahead, lane] + on_cost == ride[e, lane] else none
            go |= bit[lane] if wait[n, lane] + let_go == wait[e, lane] else none
        # Bits of a trip's end are none, whatever stands in for its next event.
        stays[e] = (np.int64(ahead) << 32) | np.int64(on) if ahead >= 0 else 0
        lets_go[e] = (np.int64(n) << 32) | np.int64(go)


@njit(cache=True, nogil=True, error_model="numpy")
def _work(worker, tables, demand, labels, out, block_flow):  # type: ignore[no-untyped-def]
    """Do every block that falls to a worker."""
    events, looks, lines, doors = tables
    workers, _, lanes = labels.ride.shape
    n_zones, n_stops = len(out[2]), doors.egress_cost.shape[0]
    own = Labels(
        labels.ride[worker], labels.wait[worker], labels.leg[worker], labels.stays[worker],
        labels.lets_go[worker], labels.due[worker],
    )  # fmt: skip
    egress, near = np.empty((n_stops, lanes), np.float32), np.empty(n_stops, np.bool_)
    bit = np.array([np.uint32(1 << lane) for lane in range(lanes)])
    # No journey meets an event twice, as labels fall along it. Room that is not used costs nothing: a leg for
    # each journey is about what is needed.
    rides = np.empty((len(events.call), 3), np.int32)
    legs = new_legs(n_zones * doors.access_event.shape[1] * lanes + 1)
    for block in range(worker, len(block_flow), workers):
        first = block * lanes
        egress[:] = np.inf
        egress[:, : min(lanes, n_zones - first)] = doors.egress_cost[:, first : first + lanes]
        for s in range(n_stops):
            near[s] = egress[s].min() < np.inf
        _scan(events, looks, egress, near, own)
        _point(events, bit, own)
        legs = load_journeys(
            first, demand, (events, lines, doors), own, (egress, near), rides, legs, out, block_flow[block]
        )


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)
def assign_journeys(events, looks, lines, doors, demand, labels, total, skim, block_flow, lost):  # type: ignore[no-untyped-def]
    """Cheapest journeys between all zones, means over sampled departures, and their loads.

    Parameters
    ----------
    events : Events
    looks : Looks
    lines : Lines
    doors : Doors
    demand : float64[Z, Z]            [persons/h], origin first; shape (0, 0) to compute skims only
    labels : Labels                   scratch of each worker; its lanes are the zones of a block
    total : float64[Z, Z]             [generalised min], overwritten; inf where no journey leads
    skim : float32[9, Z, Z]           means, overwritten; 0 where ``total`` is inf
    block_flow : float64[K, 2, C]     riders on board (as differences from call to call) and boarding; added to
    lost : float64[Z]                 [persons/h] unserved demand towards each zone, added to

    Notes
    -----
    Blocks are fixed and their flows are summed in order by the caller, so the number of workers changes no
    bit. Checked by the twin in ``tests/naive_timetable.py``.
    """
    for worker in prange(labels.ride.shape[0]):
        _work(worker, (events, looks, lines, doors), demand, labels, (total, skim, lost), block_flow)
