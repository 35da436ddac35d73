"""Journeys from the settled labels of a timetable: means over sampled departures, and loads.

A leg is a ride, and all that follows it until the zone is reached. Journeys to one zone that board the same
vehicle at the same stop go on alike: each such leg is followed once, its parts are kept, and its riders are
counted. At the end of a block riders are handed on from leg to leg, beginning with those that reach the zone
last.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
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
I32 = NDArray[np.int32]

BEGIN_MIN, BEGIN_KM, END_MIN, END_KM, LAP_KM = range(5)
"""Minutes and km of a trip until it leaves a call, until its next call, and km of the whole pattern."""

ON, OFF, WAY, NEXT, LANE = range(5)
"""Of a leg: its first and last event, the change (-1: none) and the leg (0: none) after it, and its zone."""


class Legs(NamedTuple):
    """Legs of a block's journeys, numbered from 1 so that each comes after the leg that follows it."""

    part: F64
    """float64[K, 9] from boarding to the zone, parts of the skim block."""
    link: I32
    """int32[K, 5] ``ON`` to ``LANE``."""
    riders: F64
    """float64[K] riders who begin their journey with this leg; in the end all its riders."""


@njit(cache=True, nogil=True, error_model="numpy")
def new_legs(room):  # type: ignore[no-untyped-def]
    """Room for legs; number 0 stands for the end of the journey."""
    part, link, riders = np.empty((room, N_SKIM)), np.empty((room, 5), np.int32), np.empty(room)
    part[0], riders[0] = 0.0, 0.0
    return Legs(part, link, riders)


@njit(cache=True, nogil=True, error_model="numpy")
def _more_room(legs, n):  # type: ignore[no-untyped-def]
    """Copy of the legs with room for number ``n``."""
    old = len(legs.riders)
    room = max(2 * old, n + 1)
    part, link, riders = np.empty((room, N_SKIM)), np.empty((room, 5), np.int32), np.empty(room)
    part[:old], link[:old], riders[:old] = legs.part, legs.link, legs.riders
    return Legs(part, link, riders)


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
def _last(event, goes_on, lane):  # type: ignore[no-untyped-def]
    """Last of the events from this one on, as long as a lane's riders go on to the next."""
    word = goes_on[event]
    while (word >> lane) & 1:
        event = word >> 32
        word = goes_on[event]
    return event


@njit(cache=True, nogil=True, error_model="numpy")
def _board(door, riders, doors, labels, first):  # type: ignore[no-untyped-def]
    """First event that each journey from one zone boards; -1 where there is no journey."""
    access_event, lets_go = doors.access_event, labels.lets_go
    for j in range(door.shape[0]):
        for lane in range(door.shape[1]):
            first[j, lane] = -1
            if riders[lane] >= 0.0:
                first[j, lane] = _last(access_event[door[j, lane], j], lets_go, lane)


@njit(cache=True, nogil=True, error_model="numpy")
def _follow(first, n, events, labels, egress, rides, link):  # type: ignore[no-untyped-def]
    """Follow all journeys from one zone as far as they are not known; new legs are numbered after ``n``.

    Returns
    -------
    (int, int)
        Number of legs, and number for which there is no room: to be called again with more room; 0 if done.
    """
    egress_cost, near = egress
    # Arrays are taken out of their tuples once: in the loop that would count references.
    off_stop, off_cost, change_ptr, change_event, change_cost = (
        events.off_stop, events.off_cost, events.change_ptr, events.change_event, events.change_cost,
    )  # fmt: skip
    ride, wait, leg_of, stays, lets_go = labels.ride, labels.wait, labels.leg, labels.stays, labels.lets_go
    # Zones of a block lie near each other: one departure's journeys to them share most of their events.
    for j in range(first.shape[0]):
        for lane in range(first.shape[1]):
            on = first[j, lane]
            if on < 0 or leg_of[on, lane] > 0:
                continue
            # Rides are noted until it is known how the journey goes on, or the zone is reached.
            m, way, ahead = 0, 0, 0
            while way >= 0 and ahead == 0:
                off = _last(on, stays, lane)
                way, end, stop = change_ptr[off], change_ptr[off + 1] - 1, off_stop[off]
                if near[stop] or way < end:
                    # The way off is the one from which the label came, bit by bit.
                    label, more = ride[off, lane], off_cost[off]
                    if egress_cost[stop, lane] + more == label:
                        way = -1
                    else:
                        while way < end and wait[change_event[way], lane] + change_cost[way] + more != label:
                            way += 1
                rides[m, 0], rides[m, 1], rides[m, 2] = on, off, way
                m += 1
                if way >= 0:
                    on = _last(change_event[way], lets_go, lane)
                    ahead = leg_of[on, lane]
            if n + m >= len(link):
                return n, n + m
            for i in range(m - 1, -1, -1):
                n += 1
                link[n, ON], link[n, OFF], link[n, WAY], link[n, NEXT], link[n, LANE] = (
                    rides[i, 0], rides[i, 1], rides[i, 2], ahead, lane,
                )  # fmt: skip
                leg_of[rides[i, 0], lane] = n
                ahead = n
    return n, 0


@njit(cache=True, nogil=True, error_model="numpy")
def _measure(old, n, first_zone, tables, legs):  # type: ignore[no-untyped-def]
    """Write the parts of the legs after number ``old``; each follows the leg that comes after it."""
    events, lines, doors = tables
    calls, time, off_stop, change_event, change_walk, change_wait = (
        events.call, events.time, events.off_stop, events.change_event, events.change_walk, events.change_wait,
    )  # fmt: skip
    metro, run, full_wait, cycle, ds_min = lines.metro, lines.run, lines.full_wait, lines.cycle, lines.ds_min
    lap_min = lines.lap_min
    egress_min = doors.egress_min
    part, link, riders = legs
    for leg in range(old + 1, n + 1):
        on, off, way, ahead = link[leg, ON], link[leg, OFF], link[leg, WAY], link[leg, NEXT]
        begin, end = calls[on], calls[off]
        minutes = run[end, END_MIN] - run[begin, BEGIN_MIN]
        km = run[end, END_KM] - run[begin, BEGIN_KM]
        if end < begin:
            minutes += lap_min[on]
            km += run[begin, LAP_KM]
        if way < 0:
            walked, waited = egress_min[off_stop[off], first_zone + link[leg, LANE]], 0.0
        else:
            wait_ds = time[link[ahead, ON]] - time[change_event[way]]
            waited = change_wait[way] + (wait_ds if wait_ds >= 0 else wait_ds + cycle) * ds_min
            walked = change_walk[way]
        for k in range(N_SKIM):
            part[leg, k] = part[ahead, k]
        part[leg, WALK] += walked
        part[leg, WAIT] += full_wait[begin] + waited
        part[leg, BOARDINGS] += 1.0
        part[leg, BUS_BOARDINGS] += 0.0 if metro[begin] else 1.0
        part[leg, METRO_MIN if metro[begin] else BUS_MIN] += minutes
        part[leg, METRO_KM if metro[begin] else BUS_KM] += km
        riders[leg] = 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _add_journeys(door, first, riders, tables, leg_of, legs, part):  # type: ignore[no-untyped-def]
    """Add the journeys from one zone to ``part``, and their riders to their first legs."""
    events, lines, doors = tables
    time, cycle, ds_min = events.time, lines.cycle, lines.ds_min
    access_event, access_wait, access_min = doors.access_event, doors.access_wait, doors.access_min
    leg_part, _, leg_riders = legs
    for j in range(door.shape[0]):
        for lane in range(door.shape[1]):
            if riders[lane] >= 0.0:
                walk, on = door[j, lane], first[j, lane]
                leg = leg_of[on, lane]
                leg_riders[leg] += riders[lane]
                wait_ds = time[on] - time[access_event[walk, j]]
                for k in range(N_SKIM):
                    part[lane, k] += leg_part[leg, k]
                part[lane, WALK] += access_min[walk]
                part[lane, WAIT] += (
                    access_wait[walk, j] + (wait_ds if wait_ds >= 0 else wait_ds + cycle) * ds_min
                )


@njit(cache=True, nogil=True, error_model="numpy")
def _load(n, events, lines, legs, leg_of, flow):  # type: ignore[no-untyped-def]
    """Hand riders on from leg to leg, add them to ``flow``, and forget the legs."""
    calls, first = events.call, lines.first
    _, link, riders = legs
    for leg in range(n, 0, -1):
        on, off, q = link[leg, ON], link[leg, OFF], riders[leg]
        leg_of[on, link[leg, LANE]] = 0
        if q > 0.0:
            begin, end = calls[on], calls[off]
            riders[link[leg, NEXT]] += q
            flow[1, begin] += q
            flow[0, begin] += q
            if end + 1 < flow.shape[1]:
                flow[0, end + 1] -= q
            if end < begin:
                flow[0, first[begin]] += q


@njit(cache=True, nogil=True, error_model="numpy")
def load_journeys(first_zone, demand, tables, labels, egress, rides, legs, out, flow):  # type: ignore[no-untyped-def]
    """Journeys of all zones and sampled departures to the zones of a block: means, and loads.

    Parameters
    ----------
    first_zone : int
    demand : float64[Z, Z]            [persons/h], shape (0, 0) to compute skims only
    tables : (Events, Lines, Doors)
    labels : Labels                   settled; no legs before and after
    egress : (float32[S, L], bool[S])   weighted walks to the zones of the block [min]; if there are any
    rides : int32[N, 3]               scratch
    legs : Legs                       scratch
    out : (float64[Z, Z], float32[9, Z, Z], float64[Z])   columns of the block overwritten: least costs, parts; lost
    flow : float64[2, C]              added to

    Returns
    -------
    Legs
        Scratch with at least as much room.
    """
    total, skim, lost = out
    events, lines, doors = tables
    lanes = egress[0].shape[1]
    n_zones, samples = total.shape[0], doors.access_event.shape[1]
    loaded = demand.shape[0] > 0
    value = np.empty((samples, lanes), np.float32)
    door, first = np.empty((2, samples, lanes), np.int32)
    mean, riders, part = np.empty(lanes), np.empty(lanes), np.empty((lanes, N_SKIM))
    n = 0
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
        _board(door, riders, doors, labels, first)
        known, room = n, 1
        while room > 0:
            n, room = _follow(first, n, events, labels, egress, rides, legs.link)
            if room > 0:
                legs = _more_room(legs, room)
        _measure(known, n, first_zone, tables, legs)
        _add_journeys(door, first, riders, tables, labels.leg, legs, part)
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
    _load(n, events, lines, legs, labels.leg, flow)
    return legs


@njit(cache=True, nogil=True, error_model="numpy")
def carried(first, difference, flow):  # type: ignore[no-untyped-def]
    """Riders on board behind each call: sums of ``difference`` from the first call of each pattern, to ``flow``."""
    riders = 0.0
    for call in range(len(first)):
        riders = (0.0 if first[call] == call else riders) + difference[call]
        flow[call] = riders
