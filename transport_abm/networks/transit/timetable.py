"""Timetable assignment, the second rung of transit: cheapest journeys by the clock instead of strategies by frequency.

A table of departures repeats: every ``transit.timetable_cycle_min`` where it is made from headways, every
day where it is read from a feed. A line with headway ``h`` has the whole number of departures nearest to
``cycle / h`` in a cycle, evenly spaced; the first of a pattern whose first call is row ``c`` of the city
comes ``spacing x frac(c g)`` after the start, ``g = (sqrt 5 - 1) / 2``. Running times are those of the
strategies: the timetable's on rails, the roads' for buses. A loop's vehicle waits at the end of its lap for
its next departure.

Riders know the table. They leave home at ``transit.timetable_samples`` moments spread over the period and
take the journey of least generalised time, weighted as in the strategies; a change is one walk at most. Of a
bus line's departures they can use the share ``transit.bus_useful_share``. Crowding acts twice: ride times
are multiplied as perceived, and where only a share ``p`` of departures can be boarded a rider lets
``(1 - p) / p`` of them pass on average, and waits that many headways longer.

Boardings are not capped, since each has its price: with four at most, half of the pairs that need several
representative bus lines would have no journey. Public routers were looked at: those that search all departures
at once (R5 with r5py, OpenTripPlanner) are Java programs that need a street map and answer with travel
times; RAPTOR packages in Python take milliseconds a query; none takes crowding, weights, or passengers to be
loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.networks.city import F32, F64, I32, I64
from transport_abm.networks.transit.kernels_timetable import (
    Doors,
    Events,
    Labels,
    Lines,
    assign_journeys,
    find_changes,
    find_doors,
)
from transport_abm.networks.transit.kernels_transit import N_SKIM
from transport_abm.networks.transit.transit_assignment import (
    TransitCrowding,
    TransitResult,
    check_tables,
    named_skims,
    relative_change,
)
from transport_abm.networks.transit.transit_service import TransitService

TICKS_PER_MIN = 600
"""Ticks of the clock: tenths of a second."""
LANES = 32
"""Destinations that are searched at once: fixed, so that results do not depend on threads."""
_GOLDEN = (5**0.5 - 1) / 2
_SILVER = 2**0.5 - 1
"""Irrational steps: multiples of them spread evenly over the unit interval, wherever one stops."""


@dataclass(frozen=True)
class Timetable:
    """Departures of one service, repeated for ever."""

    cycle_tick: int
    """Time after which the table repeats [tick]."""
    window_tick: tuple[int, int]
    """Part of the cycle in which riders leave home: start and length [tick]."""
    call: I32
    """Compiled call that each event leaves; events are in order of call."""
    time_tick: I32
    """Time of the event in the cycle [tick]."""
    ride_tick: I32
    """Time until the vehicle reaches the next call [tick]."""
    stay: I32
    """Next event of the same trip; -1 where it ends."""
    hold_tick: I32
    """Time that the vehicle then waits before it leaves [tick]."""


def headway_timetable(service: TransitService, call_time_s: F64) -> Timetable:
    """Make a table from headways: even departures, a whole number in each cycle.

    Parameters
    ----------
    service
        Compiled service.
    call_time_s
        Running time with dwell of the segment leaving each city call [s].

    Returns
    -------
    Timetable
        The table; riders leave home all through the cycle.
    """
    cycle = round(service.inputs["transit.timetable_cycle_min"] * TICKS_PER_MIN)
    first = _pattern_starts(service)
    headway = useful_headway_min(service)[first] * TICKS_PER_MIN
    count = np.maximum(1, np.rint(cycle / headway)).astype(np.int64)
    offset = (service.call[first] + 1) * _GOLDEN % 1.0
    starts = [cycle / n * (np.arange(n) + part) for n, part in zip(count, offset, strict=True)]
    return departure_timetable(service, call_time_s, starts, cycle, (0, cycle))


def departure_timetable(
    service: TransitService,
    call_time_s: F64,
    starts_tick: Sequence[F64],
    cycle_tick: int,
    window_tick: tuple[int, int],
) -> Timetable:
    """Make a table from the departures of each pattern at its first call.

    Parameters
    ----------
    service
        Compiled service.
    call_time_s
        Running time with dwell of the segment leaving each city call [s].
    starts_tick
        By compiled pattern: departures at its first call in one cycle [tick].
    cycle_tick
        Time after which the table repeats [tick].
    window_tick
        Start and length of the part of the cycle in which riders leave home [tick].

    Returns
    -------
    Timetable
        The table.
    """
    follows = service.graph.call_next
    n_calls = len(follows)
    first = _pattern_starts(service)
    pattern = np.repeat(np.arange(len(first)), np.diff(np.append(first, n_calls)))
    count = np.array([len(starts) for starts in starts_tick], np.int64)
    begin = np.append(0, np.cumsum(count))
    start = np.concatenate([np.sort(np.asarray(s, np.float64) % cycle_tick) for s in starts_tick] or [np.zeros(0)])
    along = _along(service, call_time_s * TICKS_PER_MIN / 60)
    # One event for each leaving call and departure, in order of calls; ``base`` is a call's first.
    own = np.where(follows >= 0, count[pattern], 0) if n_calls else np.zeros(0, np.int64)
    base = np.append(0, np.cumsum(own))
    call = np.repeat(np.arange(n_calls), own)
    number = np.arange(len(call)) - base[call]
    leaves = start[begin[pattern[call]] + number]
    time = np.rint(leaves + along[call]).astype(np.int64)
    reach = np.rint(leaves + along[np.minimum(call + 1, n_calls - 1)]).astype(np.int64)
    ahead = follows[call]
    goes_on = follows[ahead] >= 0
    stay = np.where(goes_on, base[ahead] + number, -1)
    hold = np.zeros_like(time)
    seam = goes_on & (ahead <= call)
    for p in np.unique(pattern[call[seam]]):
        mine = np.flatnonzero(seam & (pattern[call] == p))
        rows = time[base[first[p]] : base[first[p] + 1]]
        at = reach[mine] % cycle_tick
        k = np.searchsorted(rows, at)
        wraps = k == len(rows)
        k[wraps] = 0
        stay[mine] = base[first[p]] + k
        hold[mine] = rows[k] + wraps * cycle_tick - at
    return Timetable(
        cycle_tick,
        window_tick,
        call.astype(np.int32),
        (time % cycle_tick).astype(np.int32),
        np.maximum(reach - time, 1).astype(np.int32),
        stay.astype(np.int32),
        hold.astype(np.int32),
    )


def useful_headway_min(service: TransitService) -> F64:
    """Minutes between the departures that a rider can use, by compiled call."""
    share = np.where(service.graph.call_metro, 1.0, service.inputs["transit.bus_useful_share"])
    headway: F64 = service.headway_min / share
    return headway


def _pattern_starts(service: TransitService) -> I64:
    """First compiled call of each pattern; every pattern ends with the one call that leads nowhere."""
    ends = np.flatnonzero(service.graph.call_next < 0)
    return np.append(0, ends[:-1] + 1) if len(ends) else np.zeros(0, np.int64)


def _along(service: TransitService, segment: F64) -> F64:
    """Sum of city segments from a pattern's first call to each compiled call."""
    own = segment[service.call]
    total = np.append(0.0, np.cumsum(own))[:-1]
    first = _pattern_starts(service)
    along: F64 = total - np.repeat(total[first], np.diff(np.append(first, len(own))))
    return along


def assign_timetable(
    service: TransitService,
    demand: F64 | None,
    call_time_s: F64,
    *,
    crowding: TransitCrowding | None = None,
    previous: TransitResult | None = None,
    timetable: Timetable | None = None,
) -> TransitResult:
    """Find the cheapest journeys between all zones and load them; the twin of ``assign_transit``.

    Parameters
    ----------
    service
        Compiled service.
    demand
        Passengers per hour, shape (zones, zones), origin first; None to compute skims only.
    call_time_s
        Running time with dwell of the segment leaving each city call [s], from ``bus_segment_time_s``.
    crowding
        State of the crowd; None for empty vehicles.
    previous
        Result to compare with.
    timetable
        Departures; made from headways if there are none.

    Returns
    -------
    TransitResult
        Skims (means over the sampled departures) and flows. A pair has a journey if each of them has.

    Raises
    ------
    NetworkError
        If shapes do not fit, or demand or a used segment time is negative or not finite.
    """
    check_tables(service, demand, call_time_s)
    table = headway_timetable(service, call_time_s) if timetable is None else timetable
    n_zones, n_calls = service.n_zones, len(service.call)
    total = np.full((n_zones, n_zones), np.inf)
    skim = np.zeros((N_SKIM, n_zones, n_zones), np.float32)
    blocks = -(-n_zones // LANES)
    block_flow = np.zeros((blocks, 2, n_calls))
    lost = np.zeros(n_zones)
    matrix = np.empty((0, 0)) if demand is None else np.array(demand, np.float64, order="C")
    if len(table.call):
        events, stops = _events(service, table, crowding)
        doors = _doors(service, table, events, stops)
        lines = _lines(service, table, call_time_s, crowding)
        labels = _labels(min(numba.get_num_threads(), blocks), len(events.call))
        assign_journeys(events, lines, doors, matrix, labels, total, skim, block_flow, lost)
    elif demand is not None:
        lost += matrix.sum(axis=0)
    on_board, board = block_flow.sum(axis=0)
    call_flow, call_board = np.zeros((2, service.n_city_calls))
    call_flow[service.call] = _carried(service, on_board)
    call_board[service.call] = board
    skims = named_skims(service, total, skim)
    change = np.inf if previous is None else relative_change(skims["total"], previous.skims["total"])
    return TransitResult(skims, call_flow, call_board, float(lost.sum()), change)


def _labels(workers: int, events: int) -> Labels:
    """Room for the labels of each worker."""
    rows = (workers, events, LANES)
    return Labels(
        np.empty(rows, np.float32),
        np.empty(rows, np.float32),
        np.empty(rows, np.int32),
        np.empty(rows, np.int32),
        np.empty(rows[:2], np.int32),
        np.empty(rows[:2], np.int32),
    )


def _carried(service: TransitService, difference: F64) -> F64:
    """Riders on each segment from those who get on less those who have got off; rounding leaves no negative ones."""
    first = _pattern_starts(service)
    flow = np.zeros_like(difference)
    for begin, end in zip(first, np.append(first[1:], len(difference)), strict=True):
        flow[begin:end] = np.cumsum(difference[begin:end])
    return np.where(service.graph.call_next >= 0, np.maximum(flow, 0.0), 0.0)


def _events(
    service: TransitService, table: Timetable, crowding: TransitCrowding | None
) -> tuple[Events, tuple[I64, I32]]:
    """Events in order of time with all that follows from them, and the events of each stop in order of time."""
    graph, inputs = service.graph, service.inputs
    order = np.argsort(table.time_tick, kind="stable")
    row = np.empty(len(order) + 1, np.int32)
    row[order] = np.arange(len(order))
    row[-1] = -1
    call, time, ride = table.call[order], table.time_tick[order], table.ride_tick[order]
    stop = graph.call_stop[call]
    stop_event = np.argsort(stop, kind="stable").astype(np.int32)
    stop_ptr = np.append(0, np.cumsum(np.bincount(stop, minlength=len(service.stop))))
    later, gap = _later(stop_event, stop_ptr, time, table.cycle_tick)
    off_stop = graph.call_stop[graph.call_next[call]]
    walk_ptr, walk_to, walk_min = _walks_out(service)
    walk_tick = np.rint(walk_min * TICKS_PER_MIN).astype(np.int32)
    room = len(call) + int(np.diff(walk_ptr)[off_stop].sum())
    change_ptr = np.empty(len(call) + 1, np.int32)
    event, walk, wait = (np.empty(room, np.int32) for _ in range(3))
    n = find_changes(
        stop_ptr, stop_event, time, (off_stop, time + ride), (walk_ptr, walk_to, walk_tick), table.cycle_tick,
        change_ptr, (event, walk, wait),
    )  # fmt: skip
    walked = np.append(walk_min, 0.0)[walk[:n]]
    waited = wait[:n] / TICKS_PER_MIN
    change = inputs["transit.walk_weight"] * walked + inputs["transit.wait_weight"] * waited
    felt = np.ones(len(service.call)) if crowding is None else crowding.multiplier[service.call]
    full_wait = _full_wait_min(service, crowding)
    ticks_felt = felt[call] / TICKS_PER_MIN
    events = Events(
        call=call,
        time=time,
        off_cost=(ride * ticks_felt).astype(np.float32),
        stay_cost=((ride + table.hold_tick[order]) * ticks_felt).astype(np.float32),
        board_cost=(inputs["transit.wait_weight"] * full_wait[call]).astype(np.float32),
        stay=row[table.stay[order]],
        later=later,
        later_cost=(inputs["transit.wait_weight"] / TICKS_PER_MIN * gap).astype(np.float32),
        off_stop=off_stop,
        change_ptr=change_ptr,
        change_event=event[:n],
        change_cost=(inputs["transit.transfer_penalty_min"] + change).astype(np.float32),
        change_walk=walked.astype(np.float32),
        change_wait=waited.astype(np.float32),
    )
    return events, (stop_ptr, stop_event)


def _later(stop_event: I32, stop_ptr: I64, time: I32, cycle: int) -> tuple[I32, I64]:
    """Next event at the same stop, in turn, and the time until then [tick]."""
    later = np.empty(len(time), np.int32)
    gap = np.empty(len(time), np.int64)
    later[stop_event[:-1]] = stop_event[1:]
    gap[stop_event[:-1]] = np.diff(time[stop_event])
    served = np.diff(stop_ptr) > 0
    first, last = stop_event[stop_ptr[:-1][served]], stop_event[stop_ptr[1:][served] - 1]
    later[last] = first
    gap[last] = time[first] + cycle - time[last]
    return later, gap


def _walks_out(service: TransitService) -> tuple[I32, I32, F64]:
    """Walks between stops by where they begin: rows of each stop, stop where each ends, minutes."""
    graph = service.graph
    end = np.repeat(np.arange(len(service.stop), dtype=np.int32), np.diff(graph.walk_indptr))
    order = np.argsort(graph.walk_from, kind="stable")
    count = np.bincount(graph.walk_from, minlength=len(service.stop))
    return np.append(0, np.cumsum(count)).astype(np.int32), end[order], graph.walk_min[order]


def _full_wait_min(service: TransitService, crowding: TransitCrowding | None) -> F64:
    """Minutes that riders wait on for a vehicle with room, by compiled call: ``(1 - p) / p`` headways."""
    if crowding is None:
        return np.zeros(len(service.call))
    share = crowding.frequency_share[service.call]
    wait: F64 = useful_headway_min(service) * (1.0 - share) / share
    return wait


def _lines(
    service: TransitService, table: Timetable, call_time_s: F64, crowding: TransitCrowding | None
) -> Lines:
    """What journeys need to know of calls."""
    graph = service.graph
    first = _pattern_starts(service)
    count = np.diff(np.append(first, len(service.call)))
    ride_min = call_time_s[service.call] / 60
    begin_min = _along(service, call_time_s / 60)
    km = np.zeros(service.n_city_calls)
    km[service.call] = graph.call_km
    begin_km = _along(service, km)
    held = np.bincount(table.call, table.hold_tick / TICKS_PER_MIN, len(service.call))
    hold_min = held / np.maximum(np.bincount(table.call, minlength=len(service.call)), 1)
    last = first + count - 1
    return Lines(
        metro=graph.call_metro,
        first=np.repeat(first, count).astype(np.int32),
        ride=np.column_stack(
            [  # fmt: skip
                begin_min, begin_km, begin_min + ride_min, begin_km + graph.call_km,
                np.repeat(begin_min[last] + np.add.reduceat(hold_min, first), count),
                np.repeat(begin_km[last], count),
            ]
        ),
        full_wait=_full_wait_min(service, crowding),
        cycle=table.cycle_tick,
        tick_min=1.0 / TICKS_PER_MIN,
    )


def _doors(service: TransitService, table: Timetable, events: Events, stops: tuple[I64, I32]) -> Doors:
    """Ways from stops to zones, and what a walk to a stop catches at each sampled departure from home."""
    graph, inputs = service.graph, service.inputs
    n_zones, n_stops = service.n_zones, len(service.stop)
    zone = np.repeat(np.arange(n_zones), np.diff(graph.access_indptr))
    direct = np.full((n_stops, n_zones), np.inf)
    direct[graph.access_stop, zone] = graph.access_min
    egress = direct.copy()
    walk_ptr, walk_to, walk_min = _walks_out(service)
    walk_from = np.repeat(np.arange(n_stops), np.diff(walk_ptr))
    np.minimum.at(egress, walk_from, direct[walk_to] + walk_min[:, None])
    leave = _leave_tick(n_zones, round(inputs["transit.timetable_samples"]), table)
    event, wait = np.empty((2, len(zone), leave.shape[1]), np.int32)
    walk_tick = np.rint(graph.access_min * TICKS_PER_MIN).astype(np.int32)
    find_doors(
        *stops, events.time, (graph.access_indptr, graph.access_stop, walk_tick), leave, table.cycle_tick,
        event, wait,
    )  # fmt: skip
    return Doors(
        egress_cost=(inputs["transit.walk_weight"] * egress).astype(np.float32),
        egress_min=egress.astype(np.float32),
        access_indptr=graph.access_indptr,
        access_min=graph.access_min,
        access_event=event,
        access_wait=(wait / TICKS_PER_MIN).astype(np.float32),
        wait_weight=inputs["transit.wait_weight"],
        walk_weight=inputs["transit.walk_weight"],
        transfer_min=inputs["transit.transfer_penalty_min"],
    )


def _leave_tick(n_zones: int, samples: int, table: Timetable) -> NDArray[np.int32]:
    """Moments at which riders leave each zone [tick]: one in each equal part of the window, spread inside the parts."""
    j, zone = np.arange(samples), np.arange(n_zones)[:, None]
    inside = ((j + 1) * _GOLDEN + (zone + 1) * _SILVER) % 1.0
    start, length = table.window_tick
    leave = np.floor(start + length * (j + inside) / samples).astype(np.int64) % table.cycle_tick
    return leave.astype(np.int32)
