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

from transport_abm.networks.transit.kernels_transit import (
    BOARDINGS,
    BUS_BOARDINGS,
    BUS_KM,
    BUS_MIN,
    CROWDED,
    METRO_KM,
    METRO_MIN,
    N_SKIM,
    WAIT,
    WALK,
)

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
Bool = NDArray[np.bool_]
U8 = NDArray[np.uint8]


BEGIN_MIN, BEGIN_KM, END_MIN, END_KM, LAP_MIN, LAP_KM = range(6)
"""Minutes and km of a trip until it leaves a call, until its next call, and of the whole pattern."""


STAY, WAYS, LATER = np.uint8(1), np.uint8(2), np.uint8(4)
"""Bits of what is to be looked at again."""


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
    """float64[C, 6] how far a trip has come: ``BEGIN_MIN`` to ``LAP_KM``."""
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
    """Labels of one block of zones, shape (events, lanes), and the scan in which they last fell; one set a worker."""

    ride: F32
    wait: F32
    off: I32
    """Event at the end of whose segment a rider of this event gets off."""
    on: I32
    """Event that someone waiting here gets on."""
    due: U8
    """What of an event is to be looked at again: ``STAY``, ``WAYS``, ``LATER``."""


@njit(cache=True, nogil=True, error_model="numpy")
def _lower(best, labels, more):  # type: ignore[no-untyped-def]
    """best = min(best, labels + more), lane by lane."""
    # The number of lanes is not known to the compiler, so that it keeps the loop and uses vectors.
    for lane in range(len(best)):
        way = labels[lane] + more
        best[lane] = way if way < best[lane] else best[lane]


@njit(cache=True, nogil=True, error_model="numpy")
def _fall(row, ahead, more):  # type: ignore[no-untyped-def]
    """row = min(row, ahead + more), lane by lane; tell if any is less than before."""
    fell = False
    for lane in range(len(row)):
        way = ahead[lane] + more
        fell |= way < row[lane]
        row[lane] = way if way < row[lane] else row[lane]
    return fell


@njit(cache=True, nogil=True, error_model="numpy")
def _take(pointer, here, label, ahead, more):  # type: ignore[no-untyped-def]
    """Leave the pointer where ``label = ahead + more``, else let it point here, lane by lane."""
    for lane in range(len(pointer)):
        pointer[lane] = pointer[lane] if ahead[lane] + more == label[lane] else here


@njit(cache=True, nogil=True, error_model="numpy")
def _scan(events, looks, egress, near, labels):  # type: ignore[no-untyped-def]
    """Scan the events from last to first until no label falls."""
    stay, later, off_stop, change_ptr, change_event = (
        events.stay, events.later, events.off_stop, events.change_ptr, events.change_event,
    )  # fmt: skip
    off_cost, stay_cost, board_cost, later_cost, change_cost = (
        events.off_cost, events.stay_cost, events.board_cost, events.later_cost, events.change_cost,
    )  # fmt: skip
    earlier, trip_ptr, trip_event, feed_ptr, feed_event = looks
    ride, wait, due = labels.ride, labels.wait, labels.due
    best = np.empty(egress.shape[1], np.float32)
    ride[:] = np.inf
    wait[:] = np.inf
    for e in range(len(stay)):
        due[e] = WAYS if near[off_stop[e]] else 0
    moved = True
    while moved:
        moved = False
        for e in range(len(stay) - 1, -1, -1):
            what = due[e]
            if what == 0:
                continue
            due[e] = 0
            fell = False
            if what & STAY:
                fell |= _fall(ride[e], ride[stay[e]], stay_cost[e])
            if what & WAYS:
                best[:] = egress[off_stop[e]]
                for i in range(change_ptr[e], change_ptr[e + 1]):
                    _lower(best, wait[change_event[i]], change_cost[i])
                fell |= _fall(ride[e], best, off_cost[e])
            waits = False
            if fell:
                waits |= _fall(wait[e], ride[e], board_cost[e])
                for i in range(trip_ptr[e], trip_ptr[e + 1]):
                    due[trip_event[i]] |= STAY
                    # What stands at or behind e is only met in the next scan.
                    moved |= trip_event[i] >= e
            if what & LATER:
                waits |= _fall(wait[e], wait[later[e]], later_cost[e])
            if waits:
                due[earlier[e]] |= LATER
                moved |= earlier[e] >= e
                for i in range(feed_ptr[e], feed_ptr[e + 1]):
                    due[feed_event[i]] |= WAYS
                    moved |= feed_event[i] >= e


@njit(cache=True, nogil=True, error_model="numpy")
def _point(events, labels):  # type: ignore[no-untyped-def]
    """Where riders of each event get off, and which event those who wait there get on, from settled labels.

    A pointer over the end of the cycle is not known yet: it is left as ``-1 - event`` to be asked there.
    """
    stay, later, stay_cost, later_cost = events.stay, events.later, events.stay_cost, events.later_cost
    ride, wait, off, on = labels.ride, labels.wait, labels.off, labels.on
    for e in range(len(stay) - 1, -1, -1):
        ahead, n = stay[e], later[e]
        if ahead < 0:
            off[e] = e
        else:
            if ahead > e:
                off[e] = off[ahead]
            else:
                off[e] = -1 - ahead
            _take(off[e], e, ride[e], ride[ahead], stay_cost[e])
        if n > e:
            on[e] = on[n]
        else:
            on[e] = -1 - n
        _take(on[e], e, wait[e], wait[n], later_cost[e])


@njit(cache=True, nogil=True, error_model="numpy")
def _choose_doors(origin, doors, wait, value, door):  # type: ignore[no-untyped-def]
    """Least cost from a zone at each sampled departure, and the walk with which the journey begins."""
    value[:] = np.inf
    for i in range(doors.access_indptr[origin], doors.access_indptr[origin + 1]):
        for j in range(len(value)):
            f = doors.access_event[i, j]
            if f >= 0:
                more = np.float32(
                    doors.walk_weight * doors.access_min[i] + doors.wait_weight * doors.access_wait[i, j]
                )
                for lane in range(value.shape[1]):
                    way = wait[f, lane] + more
                    door[j, lane] = i if way < value[j, lane] else door[j, lane]
                    value[j, lane] = way if way < value[j, lane] else value[j, lane]


@njit(cache=True, nogil=True, error_model="numpy")
def _follow(first_zone, door, riders, tables, labels, egress, flow, part):  # type: ignore[no-untyped-def]
    """Follow all journeys from one zone; their parts are added to ``part``, their riders to ``flow``."""
    events, lines, doors = tables
    # Arrays are taken out of their tuples once: in the loop that would count references.
    calls, time, off_stop, change_ptr, change_event, change_cost, change_walk, change_wait = (
        events.call, events.time, events.off_stop, events.change_ptr, events.change_event, events.change_cost,
        events.change_walk, events.change_wait,
    )  # fmt: skip
    metro, first, run, full_wait = lines.metro, lines.first, lines.run, lines.full_wait
    cycle, ds_min = lines.cycle, lines.ds_min
    access_event, access_wait, access_min = doors.access_event, doors.access_wait, doors.access_min
    egress_min, off_cost = doors.egress_min, events.off_cost
    ride, wait, on_of, off_of = labels.ride, labels.wait, labels.on, labels.off
    # Zones of a block lie near each other: one departure's journeys to them share most of their events.
    for j in range(door.shape[0]):
        for lane in range(door.shape[1]):
            q = riders[lane]
            if q < 0.0:
                continue
            e = access_event[door[j, lane], j]
            walked, waited = access_min[door[j, lane]], np.float64(access_wait[door[j, lane], j])
            boardings, bus_boardings, bus_min, bus_km, metro_min, metro_km = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            way = 0
            while way >= 0:
                on = on_of[e, lane]
                while on < 0:
                    on = on_of[-1 - on, lane]
                off = off_of[on, lane]
                while off < 0:
                    off = off_of[-1 - off, lane]
                begin, end = calls[on], calls[off]
                wait_ds = time[on] - time[e]
                waited += (wait_ds if wait_ds >= 0 else wait_ds + cycle) * ds_min + full_wait[begin]
                minutes = run[end, END_MIN] - run[begin, BEGIN_MIN]
                km = run[end, END_KM] - run[begin, BEGIN_KM]
                if end < begin:
                    minutes += run[begin, LAP_MIN]
                    km += run[begin, LAP_KM]
                boardings += 1.0
                if metro[begin]:
                    metro_min += minutes
                    metro_km += km
                else:
                    bus_boardings += 1.0
                    bus_min += minutes
                    bus_km += km
                if q > 0.0:
                    flow[1, begin] += q
                    flow[0, begin] += q
                    if end + 1 < flow.shape[1]:
                        flow[0, end + 1] -= q
                    if end < begin:
                        flow[0, first[begin]] += q
                # The way off is the one from which the label came, bit by bit.
                stop, label, more = off_stop[off], ride[off, lane], off_cost[off]
                way = -1
                if egress[stop, lane] + more != label:
                    way, last = change_ptr[off], change_ptr[off + 1] - 1
                    while way < last and wait[change_event[way], lane] + change_cost[way] + more != label:
                        way += 1
                    walked += change_walk[way]
                    waited += change_wait[way]
                    e = change_event[way]
            own = part[lane]
            own[WALK] += walked + egress_min[stop, first_zone + lane]
            own[WAIT] += waited
            own[BOARDINGS] += boardings
            own[BUS_BOARDINGS] += bus_boardings
            own[BUS_MIN] += bus_min
            own[BUS_KM] += bus_km
            own[METRO_MIN] += metro_min
            own[METRO_KM] += metro_km


@njit(cache=True, nogil=True, error_model="numpy")
def _journeys(first_zone, demand, tables, labels, egress, out, flow, lost):  # type: ignore[no-untyped-def]
    """Journeys of all zones and sampled departures to the zones of a block: means, and loads."""
    total, skim = out
    doors = tables[2]
    lanes = egress.shape[1]
    n_zones, samples = total.shape[0], doors.access_event.shape[1]
    loaded = demand.shape[0] > 0
    value, door = np.empty((samples, lanes), np.float32), np.empty((samples, lanes), np.int32)
    mean, riders, part = np.empty(lanes), np.empty(lanes), np.empty((lanes, N_SKIM))
    for origin in range(n_zones):
        _choose_doors(origin, doors, labels.wait, value, door)
        for lane in range(lanes):
            zone = first_zone + lane
            mean[lane] = np.inf if zone >= n_zones or zone == origin else 0.0
            for j in range(samples):
                mean[lane] += value[j, lane] / samples
            riders[lane] = -1.0
            if mean[lane] < np.inf:
                riders[lane] = demand[origin, zone] / samples if loaded else 0.0
        part[:] = 0.0
        _follow(first_zone, door, riders, tables, labels, egress, flow, part)
        for lane in range(min(lanes, n_zones - first_zone)):
            zone = first_zone + lane
            total[origin, zone] = mean[lane]
            if mean[lane] == np.inf:
                skim[:, origin, zone] = 0.0
                if loaded:
                    lost[zone] += demand[origin, zone]
                continue
            # Cost is what the labels say; what is not walking, waiting or changing is the ride as perceived.
            walk, wait, boardings = part[lane, WALK], part[lane, WAIT], part[lane, BOARDINGS]
            part[lane, CROWDED] = (
                mean[lane] * samples
                - doors.walk_weight * walk
                - doors.wait_weight * wait
                - doors.transfer_min * (boardings - samples)
            )
            for k in range(N_SKIM):
                skim[k, origin, zone] = part[lane, k] / samples


@njit(cache=True, nogil=True, error_model="numpy")
def _work(worker, tables, demand, labels, out, block_flow):  # type: ignore[no-untyped-def]
    """Do every block that falls to a worker."""
    events, looks, lines, doors = tables
    total, skim, lost = out
    workers, _, lanes = labels.ride.shape
    n_zones, n_stops = len(lost), doors.egress_cost.shape[0]
    own = Labels(
        labels.ride[worker], labels.wait[worker], labels.off[worker], labels.on[worker],
        labels.due[worker],
    )  # fmt: skip
    egress, near = np.empty((n_stops, lanes), np.float32), np.empty(n_stops, np.bool_)
    for block in range(worker, len(block_flow), workers):
        first = block * lanes
        egress[:] = np.inf
        egress[:, : min(lanes, n_zones - first)] = doors.egress_cost[:, first : first + lanes]
        for s in range(n_stops):
            near[s] = egress[s].min() < np.inf
        _scan(events, looks, egress, near, own)
        _point(events, own)
        _journeys(first, demand, (events, lines, doors), own, egress, (total, skim), block_flow[block], lost)


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
