"""Timetable assignment: cheapest journeys by the clock between all zones, loaded once.

The twin of :mod:`transport_abm.networks.transit.transit_assignment`, with the same skims and flows; see
:mod:`transport_abm.networks.transit.timetable` for the model.
"""

from __future__ import annotations

import numba
import numpy as np

from transport_abm.networks.city import F64, I32, I64
from transport_abm.networks.transit.kernels_catching import find_changes, find_doors, group
from transport_abm.networks.transit.kernels_journeys import carried
from transport_abm.networks.transit.kernels_timetable import (
    Doors,
    Events,
    Labels,
    Lines,
    Looks,
    assign_journeys,
)
from transport_abm.networks.transit.kernels_transit import N_SKIM
from transport_abm.networks.transit.timetable import (
    DS_PER_MIN,
    Timetable,
    along_pattern,
    headway_timetable,
    leave_ds,
    pattern_starts,
    useful_headway_min,
)
from transport_abm.networks.transit.transit_assignment import (
    TransitCrowding,
    TransitResult,
    check_tables,
    cost_of,
    loaded_result,
    named_skims,
)
from transport_abm.networks.transit.transit_service import TransitService

LANES = 32
"""Destinations that are searched at once, a bit each: fixed, so that results do not depend on threads."""


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
        assign_journeys(events, _looks(events), lines, doors, matrix, labels, total, skim, block_flow, lost)
    elif demand is not None:
        lost += matrix.sum(axis=0)
    on_board, board = block_flow.sum(axis=0)
    # Each departure that is too full to board costs one more headway.
    flow = np.stack([_carried(service, on_board), board, board * useful_headway_min(service)])
    least, cost = total.astype(np.float32), cost_of(total, matrix)
    skims = named_skims(service, total, skim)
    return loaded_result(
        service, crowding, call_time_s, least, cost, skims, flow, float(lost.sum()), previous
    )


def _labels(workers: int, events: int) -> Labels:
    """Room for the labels of each worker."""
    rows = (workers, events, LANES)
    return Labels(
        np.empty(rows, np.float32),
        np.empty(rows, np.float32),
        np.zeros(rows, np.int32),
        np.empty(rows[:2], np.int64),
        np.empty(rows[:2], np.int64),
        np.empty(rows[:2], np.bool_),
    )


def _carried(service: TransitService, difference: F64) -> F64:
    """Riders on each segment from those who get on less those who have got off; rounding leaves no negative ones."""
    first = pattern_starts(service)
    flow = np.zeros_like(difference)
    carried(np.repeat(first, np.diff(np.append(first, len(difference)))), difference, flow)
    return np.where(service.graph.call_next >= 0, np.maximum(flow, 0.0), 0.0)


def _events(
    service: TransitService, table: Timetable, crowding: TransitCrowding | None
) -> tuple[Events, tuple[I32, I32]]:
    """Events in order of time with all that follows from them, and the events of each stop in order of time."""
    graph, inputs = service.graph, service.inputs
    order = np.argsort(table.time_ds, kind="stable")
    row = np.empty(len(order) + 1, np.int32)
    row[order] = np.arange(len(order))
    row[-1] = -1
    call, time, ride = table.call[order], table.time_ds[order], table.ride_ds[order]
    stop = graph.call_stop[call]
    stop_ptr, stop_event = _by_target(stop, np.arange(len(call), dtype=np.int32), len(service.stop))
    later, gap = _later(stop_event, stop_ptr, time, table.cycle_ds)
    off_stop = graph.call_stop[graph.call_next[call]]
    walk_ptr, walk_to, walk_min = _walks_out(service)
    walk_ds = np.rint(walk_min * DS_PER_MIN).astype(np.int32)
    room = len(call) + int(np.diff(walk_ptr)[off_stop].sum())
    change_ptr = np.empty(len(call) + 1, np.int32)
    event, walk, wait = (np.empty(room, np.int32) for _ in range(3))
    n = find_changes(
        stop_ptr, stop_event, time, (off_stop, time + ride), (walk_ptr, walk_to, walk_ds), table.cycle_ds,
        change_ptr, (event, walk, wait),
    )  # fmt: skip
    walked = np.append(walk_min, 0.0)[walk[:n]]
    waited = wait[:n] / DS_PER_MIN
    change = inputs["transit.walk_weight"] * walked + inputs["transit.wait_weight"] * waited
    felt = np.ones(len(service.call)) if crowding is None else crowding.multiplier[service.call]
    full_wait = _full_wait_min(service, crowding)
    ds_felt = felt[call] / DS_PER_MIN
    events = Events(
        call=call,
        time=time,
        off_cost=(ride * ds_felt).astype(np.float32),
        stay_cost=((ride + table.hold_ds[order]) * ds_felt).astype(np.float32),
        board_cost=(inputs["transit.wait_weight"] * full_wait[call]).astype(np.float32),
        stay=row[table.stay[order]],
        later=later,
        later_cost=(inputs["transit.wait_weight"] / DS_PER_MIN * gap).astype(np.float32),
        off_stop=off_stop,
        change_ptr=change_ptr,
        change_event=event[:n],
        change_cost=(inputs["transit.transfer_penalty_min"] + change).astype(np.float32),
        change_walk=walked.astype(np.float32),
        change_wait=waited.astype(np.float32),
    )
    return events, (stop_ptr, stop_event)


def _looks(events: Events) -> Looks:
    """Which events look on to each event."""
    n = len(events.call)
    earlier = np.empty(n, np.int32)
    earlier[events.later] = np.arange(n)
    begins = np.repeat(np.arange(n, dtype=np.int32), np.diff(events.change_ptr))
    goes_on = np.flatnonzero(events.stay >= 0).astype(np.int32)
    return Looks(
        earlier, *_by_target(events.stay[goes_on], goes_on, n), *_by_target(events.change_event, begins, n)
    )


def _by_target(target: I32, source: I32, n: int) -> tuple[I32, I32]:
    """Sources grouped by their target: row pointers and sources."""
    ptr, grouped = np.zeros(n + 1, np.int32), np.empty(len(target), np.int32)
    group(target, source, ptr, grouped)
    return ptr, grouped


def _later(stop_event: I32, stop_ptr: I32, time: I32, cycle: int) -> tuple[I32, I64]:
    """Next event at the same stop, in turn, and the time until then [0.1 s]."""
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
    first = pattern_starts(service)
    count = np.diff(np.append(first, len(service.call)))
    ride_min = call_time_s[service.call] / 60
    begin_min = along_pattern(service, call_time_s / 60)
    km = np.zeros(service.n_city_calls)
    km[service.call] = graph.call_km
    begin_km = along_pattern(service, km)
    last = first + count - 1
    return Lines(
        metro=graph.call_metro,
        first=np.repeat(first, count).astype(np.int32),
        run=np.column_stack(
            [
                begin_min,
                begin_km,
                begin_min + ride_min,
                begin_km + graph.call_km,
                np.repeat(begin_km[last], count),
            ]
        ),
        lap_min=_lap_min(table, begin_min[last], first, len(service.call)),
        full_wait=_full_wait_min(service, crowding),
        cycle=table.cycle_ds,
        ds_min=1.0 / DS_PER_MIN,
    )


def _lap_min(table: Timetable, run_min: F64, first: I64, n_calls: int) -> F64:
    """Minutes of each event's lap with the rest after it, events in order of time; ``run_min`` is without the rest."""
    count = np.diff(np.append(first, n_calls))
    pattern = np.repeat(np.arange(len(first)), count)[table.call]
    rest = table.hold_ds / DS_PER_MIN
    if table.even:
        held = np.bincount(table.call, rest, n_calls)
        mean = held / np.maximum(np.bincount(table.call, minlength=n_calls), 1)
        lap = (run_min + np.add.reduceat(mean, first))[pattern]
    else:
        # The vehicle of an event rests after the last segment of its own lap, if it goes on.
        begin = np.searchsorted(table.call, np.arange(n_calls))
        number = np.arange(len(table.call)) - begin[table.call]
        lap = run_min[pattern] + rest[begin[(first + count - 2)[pattern]] + number]
    minutes: F64 = lap[np.argsort(table.time_ds, kind="stable")]
    return minutes


def _doors(service: TransitService, table: Timetable, events: Events, stops: tuple[I32, I32]) -> Doors:
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
    leave = leave_ds(n_zones, round(inputs["transit.timetable_samples"]), table)
    event, wait = np.empty((2, len(zone), leave.shape[1]), np.int32)
    walk_ds = np.rint(graph.access_min * DS_PER_MIN).astype(np.int32)
    find_doors(
        *stops, events.time, (graph.access_indptr, graph.access_stop, walk_ds), leave, table.cycle_ds,
        event, wait,
    )  # fmt: skip
    return Doors(
        egress_cost=(inputs["transit.walk_weight"] * egress).astype(np.float32),
        egress_min=egress.astype(np.float32),
        access_indptr=graph.access_indptr,
        access_min=graph.access_min,
        access_event=event,
        access_wait=(wait / DS_PER_MIN).astype(np.float32),
        wait_weight=inputs["transit.wait_weight"],
        walk_weight=inputs["transit.walk_weight"],
        transfer_min=inputs["transit.transfer_penalty_min"],
    )
