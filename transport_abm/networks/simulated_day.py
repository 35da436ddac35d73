"""Rung L2: all car, taxi and van trips of the day drive in packets on links that fill up.

The day is cut into slices of a few hours. The trips of a slice share their routes, which follow from what drivers expect
of the roads in these hours (``roads.learning``); the whole day then drives at once (``queues``), so that queues of one
slice reach into the next, and what it took in the hours of each slice is learnt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np

from transport_abm.core.vocabulary import PERIOD_OF_PART, DayPart, Period
from transport_abm.networks.city import F64, I32, I64, City
from transport_abm.networks.each_period import beside
from transport_abm.networks.queues.day import QueueDay, run_day
from transport_abm.networks.queues.kernels_links import CS
from transport_abm.networks.queues.kernels_vehicles import copy_road_links, count_road_links
from transport_abm.networks.queues.network import QueueNetwork, build_queue_network, queue_rules
from transport_abm.networks.queues.plans import Plans, Routes, VehicleKinds, build_routes
from transport_abm.networks.queues.vehicles import draw_packets, hour_of_day
from transport_abm.networks.roads.learning import (
    Expectation,
    expected_problem,
    expected_routes,
    first_expectation,
    first_powers,
    learn,
    route_gap,
)
from transport_abm.networks.roads.road_classes import RoadClasses
from transport_abm.networks.roads.road_problem import RoadProblem
from transport_abm.networks.roads.road_state import RoadState
from transport_abm.policy.inputs import YearInputs

BIN_MIN = 15
BINS_H = 60 // BIN_MIN
END_H = 30
"""The day is followed until six hours into the next one, so that its last trips arrive."""
SLICES: tuple[tuple[DayPart, tuple[int, ...]], ...] = (
    (DayPart.EARLY, (4, 5, 6)),
    (DayPart.AM, (7, 8)),
    (DayPart.MIDDAY, (9, 10)),
    (DayPart.MIDDAY, (11, 12, 13, 14, 15, 16)),
    (DayPart.PM, (17, 18)),
    (DayPart.LATE, (19, 20)),
    (DayPart.LATE, (21, 22, 23, 0, 1, 2, 3)),
)
"""Hours of the day that share routes: the hours after a peak still have its queues, those before it have none."""


class SlicePlans(NamedTuple):
    """Packets of a slice that drive, and their routes."""

    depart_s: I32
    """By packet, ascending: departure [s after the start of the simulated day]."""
    route: I32
    """By packet: row of its route among those of the slice."""
    length: I64
    """Links of each route."""
    link: I32
    """Links of all routes, one after the other."""


@dataclass
class Slice:
    """Traffic of a slice, kept from day to day and year to year."""

    day_part: DayPart
    hours: tuple[int, ...]
    problem: RoadProblem
    """Links, zones' connectors and turns."""
    classes: RoadClasses
    demand: F64
    """Vehicles that leave, by class and pair of zones."""
    time_s: F64
    """Mean time on each link of the problem of those who entered it in these hours."""
    flow_pcuh: F64
    """Vehicles that entered each link, in the mean of these hours."""
    state: RoadState | None = None
    """Routes."""
    expectation: Expectation | None = None
    """What drivers expect of each link."""
    plans: SlicePlans | None = None
    """Those of the next day, until it begins."""
    wanted_pcuh: F64 = field(default_factory=lambda: np.zeros(0))
    """Flow of the routes in the busiest hour of departures, whether or not the roads could take it."""
    excess: float = 0.0
    """What drivers could have saved on the day [vehicle s]."""
    spent: float = 0.0
    """What they spent [vehicle s]."""

    @property
    def period(self) -> Period:
        """Period in which it lies."""
        return PERIOD_OF_PART[self.day_part]

    @property
    def end_h(self) -> int:
        """End of its last hour [h after the start of the simulated day]."""
        return max(hour_of_day(hour) for hour in self.hours) + 1


@dataclass(frozen=True)
class DayReport:
    """What the queue tells of a day beside flows and times."""

    released_share: float
    """Moves that only the stuck rule made possible, as a share of all [1]."""
    late_share: float
    """Packets still on the road or not yet on it when the day ends, as a share of all [1]."""


def slice_share(hours: Sequence[int], day_part: DayPart, inputs: YearInputs) -> float:
    """Share of the trips of a part of the day that leave in some of its hours [1]."""
    own = [hour for part, part_hours in SLICES if part is day_part for hour in part_hours]
    shares = {hour: inputs[f"departures.hour_{hour:02d}"] for hour in own}
    return sum(shares[hour] for hour in hours) / sum(shares.values())


def open_slices(
    old: Sequence[Slice], problems: Mapping[Period, RoadProblem], classes: Mapping[Period, RoadClasses],
    vehicles: Mapping[DayPart, F64], inputs: YearInputs,
) -> list[Slice]:  # fmt: skip
    """Slices of a day, with the routes and expectations of those of the day before.

    Parameters
    ----------
    old
        Slices of the day before; none on the first.
    problems, classes
        Links and classes by period.
    vehicles
        By part of the day: vehicles that leave by class and pair of zones.
    inputs
        Read: ``departures.`` paths.

    Returns
    -------
    list
        In the order of ``SLICES``.
    """
    out = []
    for k, (day_part, hours) in enumerate(SLICES):
        period = PERIOD_OF_PART[day_part]
        problem, demand = problems[period], vehicles[day_part] * slice_share(hours, day_part, inputs)
        fresh = Slice(
            day_part, hours, problem, classes[period], demand, problem.free_time_s.copy(),
            np.zeros(problem.n_links),
        )  # fmt: skip
        if old:
            before = old[k]
            fresh.state, fresh.expectation = before.state, before.expectation
        out.append(fresh)
    return out


def find_routes(
    part: Slice, queue: QueueNetwork, zone_node: I32, inputs: YearInputs, *, packet: int, seed: int
) -> None:
    """Routes of a slice for the next day, an equilibrium of what drivers expect, and the packets that take them.

    Parameters
    ----------
    part
        The slice; routes, expectation and plans are replaced.
    queue
        The roads.
    zone_node
        Node of each zone.
    inputs
        Read: ``learning.`` and ``departures.`` paths.
    packet
        Vehicles that move together.
    seed
        Seed of the run.
    """
    if part.expectation is None:
        limited = np.arange(part.problem.n_links) < queue.n_links
        part.expectation = first_expectation(
            part.problem, limited, delay_s=inputs["learning.delay_at_capacity_s"]
        )
    hourly = [inputs[f"departures.hour_{hour:02d}"] for hour in part.hours]
    demand = part.demand * (max(hourly) / sum(hourly))
    powers = [inputs["learning.delay_power"]]
    first, later = int(inputs["learning.first_sweeps"]), int(inputs["learning.later_sweeps"])
    sweeps = first if part.state is None else later
    if part.state is None:
        powers = first_powers(powers[0])
    capacity = _capacity(part, queue)
    for power in powers:
        part.state, part.wanted_pcuh = expected_routes(
            expected_problem(part.problem, part.expectation, capacity, power=power), zone_node, demand,
            part.classes, part.state, gap=inputs["learning.route_gap"], sweeps=sweeps, new_sweeps=first,
        )  # fmt: skip
    part.plans = _slice_plans(part, queue.n_links, inputs, packet, seed)


def learn_slice(part: Slice, queue: QueueNetwork, zone_node: I32, inputs: YearInputs) -> None:
    """What drivers of a slice could have saved on the day, and what they expect after it.

    Parameters
    ----------
    part
        The slice with the times of the day; excess and expectation are replaced.
    queue
        The roads.
    zone_node
        Node of each zone.
    inputs
        Read: ``learning.`` paths.
    """
    assert part.state is not None and part.expectation is not None
    gap, part.spent, part.state = route_gap(
        part.problem, part.time_s, zone_node, part.demand, part.classes, part.state
    )
    part.excess = gap * part.spent
    part.expectation = learn(
        part.expectation, part.problem, _capacity(part, queue), part.wanted_pcuh, part.time_s,
        delay_s=inputs["learning.delay_at_capacity_s"], power=inputs["learning.delay_power"],
        weight=inputs["learning.weight"],
    )  # fmt: skip


def period_gap(parts: Sequence[Slice], period: Period) -> float:
    """What drivers of a period could have saved, as a share of what they spent [1]."""
    own = [part for part in parts if part.period is period]
    return sum(part.excess for part in own) / max(sum(part.spent for part in own), 1e-9)


def period_traffic(parts: Sequence[Slice], period: Period, n: int) -> tuple[F64, F64]:
    """Flow and time on the first ``n`` links of a period, over its slices.

    Parameters
    ----------
    parts
        Slices after a day.
    period
        Period of the day.
    n
        Links of the roads.

    Returns
    -------
    flow, time
        Vehicles that entered in the mean hour [vehicles/h]; their mean time, and where nobody did that of the slices by
        their departures [s].
    """
    own = [part for part in parts if part.period is period]
    leave = np.array([float(part.demand.sum()) for part in own])
    # Slices without any departure say nothing, not even of links that are closed: 0 times infinity is no time.
    share = leave / leave.sum() if leave.any() else np.full(len(own), 1.0 / len(own))
    time = sum(
        part_share * part.time_s[:n] for part, part_share in zip(own, share, strict=True) if part_share > 0
    )
    entered = sum(len(part.hours) * part.flow_pcuh[:n] for part in own)
    used = np.asarray(entered) > 0
    spent = sum(len(part.hours) * part.flow_pcuh[:n][used] * part.time_s[:n][used] for part in own)
    time = np.asarray(time).copy()
    time[used] = spent / np.asarray(entered)[used]
    return np.asarray(entered) / sum(len(part.hours) for part in own), time


def _capacity(part: Slice, queue: QueueNetwork) -> F64:
    """Capacity that buses leave on each link of a slice [pcu/h]."""
    capacity = part.problem.capacity_pcuh.copy()
    capacity[: queue.n_links] = queue.capacity_pcuh
    return capacity


def queue_of(
    city: City, problems: Mapping[Period, RoadProblem], inputs: YearInputs, *, packet: int
) -> QueueNetwork:
    """The roads as links with room and capacity for the vehicles that are not buses.

    Parameters
    ----------
    city
        The city.
    problems
        Of the periods: free times, capacities, and the buses on each link.
    inputs
        Read: ``queue.`` paths.
    packet
        Vehicles that move together.

    Returns
    -------
    QueueNetwork
        One row for each link of the city's roads.

    Notes
    -----
    A link keeps its capacity all day, so that buses take what they take in the mean of the periods but the night. One
    line may stand for several that run on streets side by side, so that they leave a share to others on every link.
    """
    roads, problem = city.roads, problems[Period.AM]
    n = roads.n_links
    buses = np.mean([problems[p].preload_pcuh[:n] for p in Period if p is not Period.NIGHT], axis=0)
    capacity = problem.capacity_pcuh[:n]
    left = np.maximum(capacity - buses, inputs["queue.least_share_beside_buses"] * capacity)
    return build_queue_network(
        roads.tail, roads.head, roads.n_nodes, length_m=roads.length_m, free_time_s=problem.free_time_s[:n],
        capacity_pcuh=left, lanes=np.maximum(roads.lanes, 1.0), packet=packet,
        rules=queue_rules(inputs),
    )  # fmt: skip


def simulate_day(
    parts: Sequence[Slice], queue: QueueNetwork, *, packet: int, then: Callable[[Slice], None]
) -> DayReport:
    """Let all vehicles of the day drive.

    Parameters
    ----------
    parts
        Every slice with its plans, which are used up; flows and times are replaced by those of the day.
    queue
        The roads: the links that come before connectors and turns in the problems.
    packet
        Vehicles that move together.
    then
        Called with each slice as soon as its times are known, which is before the day ends for all but the last: the
        queue keeps one thread busy, the others have time.

    Returns
    -------
    DayReport
        Counts of the day.
    """
    plans, routes = _plans(parts, packet)
    state, waiting = None, list(parts)
    with beside() as start:
        for hour in range(1, END_H + 1):
            day = run_day(
                queue, plans, routes, bin_min=BIN_MIN, end_h=END_H, state=state, until_s=hour * 3600, check=False
            )  # fmt: skip
            state = day.state
            told_h = hour if hour == END_H else day.told_cs / (3600 * CS)
            for part in [part for part in waiting if part.end_h <= told_h]:
                waiting.remove(part)
                _take_times(part, day)
                start(partial(then, part))
    return _report(day)


def _take_times(part: Slice, day: QueueDay) -> None:
    """Flows and times of a slice from the counts of its hours."""
    n = day.entered.shape[1]
    bins = np.concatenate([hour_of_day(hour) * BINS_H + np.arange(BINS_H) for hour in part.hours])
    entered = day.entered[bins]
    total, spent_cs = entered.sum(axis=0), day.time_cs[bins].sum(axis=0)
    used = (total > 0) & (spent_cs > 0)
    # Where nobody drove the link is as fast as it is empty; connectors and turns keep their times.
    part.time_s = part.problem.free_time_s.copy()
    part.time_s[:n][used] = spent_cs[used] / (CS * total[used])
    part.flow_pcuh = np.zeros(part.problem.n_links)
    part.flow_pcuh[:n] = total / len(part.hours)


def _report(day: QueueDay) -> DayReport:
    """Counts of a day as shares."""
    moves = float(day.entered.sum(dtype=np.int64))
    late = float(np.mean(day.arrival_cs < 0)) if len(day.arrival_cs) else 0.0
    return DayReport(float(day.released.sum(dtype=np.int64)) / max(moves, 1.0), late)


def _plans(parts: Sequence[Slice], packet: int) -> tuple[Plans, Routes]:
    """Plans of all packets of a day, and the routes that they share; those of the slices are used up."""
    drawn = []
    for part in parts:
        assert part.plans is not None
        drawn.append(part.plans)
        part.plans = None
    first_route = np.cumsum([0, *(len(own.length) for own in drawn)])
    route = np.concatenate(
        [own.route + np.int32(first) for own, first in zip(drawn, first_route, strict=False)]
    )
    length = np.concatenate([own.length for own in drawn])
    indptr = np.concatenate((np.zeros(1, np.int64), np.cumsum(length)))
    routes = build_routes(indptr, np.concatenate([own.link for own in drawn]), copy=False)
    depart_s = np.concatenate([own.depart_s for own in drawn])
    n = len(depart_s)
    plans = Plans(
        leg_indptr=np.arange(n + 1, dtype=np.int64), route=route, earliest_cs=depart_s * np.int32(CS),
        stop_cs=np.zeros(n, np.int32), kind=np.zeros(n, np.int8),
        kinds=VehicleKinds(np.zeros(1, np.int8), np.ones(1), np.array([packet], np.int32)),
    )  # fmt: skip
    return plans, routes


def _slice_plans(part: Slice, n_roads: int, inputs: YearInputs, packet: int, seed: int) -> SlicePlans:
    """Packets of a slice, drawn from its trips and the shares of their routes."""
    assert part.state is not None
    state = part.state
    by_group = np.zeros((int(state.group.max(initial=0)) + 1, *part.demand.shape[1:]))
    for group, demand in zip(state.group, part.demand, strict=True):
        by_group[group] += demand
    packets = draw_packets(
        part.hours, inputs, state.pair, by_group.ravel()[state.pair], state.paths.ptr, state.paths.flow,
        packet=packet, seed=seed, number=SLICES.index((part.day_part, part.hours)),
    )  # fmt: skip
    length = np.zeros(state.n_paths, np.int64)
    taken = np.zeros(state.n_paths, np.bool_)
    taken[packets.path] = True
    count_road_links(taken, state.paths.slot_ptr, state.paths.slot, part.problem.order, n_roads, length)
    # A way over connectors alone uses no road.
    used = length > 0
    row = np.cumsum(used, dtype=np.int32) - np.int32(1)
    link = np.empty(int(length.sum()), np.int32)
    copy_road_links(used, state.paths.slot_ptr, state.paths.slot, part.problem.order, n_roads, link)
    drives = np.flatnonzero(used[packets.path])
    # In the order of their departures those on the road at a time lie together in memory.
    drives = drives[np.argsort(packets.depart_s[drives], kind="stable")]
    return SlicePlans(packets.depart_s[drives], row[packets.path[drives]], length[used], link)
