"""Traffic of a city's roads: the vehicles of each class on the rung of the run, and what it offers to choices.

L1 settles each period in an equilibrium; L0 (``roads.volume_delay``) seeks none, L2 (``simulated_day``) drives. On every
rung flows and times by link end in the state, and times, distances and charges between zones in the level of service.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from transport_abm.core.vocabulary import PERIOD_OF_PART, DayPart, Period
from transport_abm.networks.city import F32, F64, I32, City
from transport_abm.networks.each_period import each_of
from transport_abm.networks.level_of_service import BARRED_MIN, CAR_MIN, OIL_MIN
from transport_abm.networks.road_users import (
    RoadRules,
    RoadUser,
    charges_cny,
    is_day,
    road_classes,
    user_demand,
)
from transport_abm.networks.roads.assignment import assign_roads, skim_roads
from transport_abm.networks.roads.connectors import connect
from transport_abm.networks.roads.road_problem import RoadProblem
from transport_abm.networks.roads.road_skims import fill_intrazonal, road_problem
from transport_abm.networks.roads.turns import forbid_turns
from transport_abm.networks.roads.volume_delay import load_volume_delay
from transport_abm.networks.simulated_day import (
    Slice,
    find_routes,
    learn_slice,
    open_slices,
    period_gap,
    period_traffic,
    queue_of,
    simulate_day,
)
from transport_abm.networks.travel_state import Count, Travel, hourly
from transport_abm.policy.inputs import YearInputs

Early = tuple[Count, Count]
"""Trips of the night period that leave before the morning peak, by mode and pair of zones; those of car drivers by kind."""

COLD = 2
"""Times as many sweeps in a period's first assignment."""


def update_roads(
    travel: Travel, city: City, inputs: YearInputs, period: Period, count: Count, cars: Count | None, weight: float,
    fresh: F32,
) -> None:  # fmt: skip
    """Vehicles of one period to the roads on rungs L0 and L1; times, distances and charges into ``fresh``.

    Parameters
    ----------
    travel
        State; changed in place. On rung L2 the day has been simulated before.
    city, inputs
        City, parameters of the year.
    period
        Period of the day.
    count
        Sampled trips of the period by mode, origin and destination.
    cars
        Sampled trips of car drivers of the period by ``CarKind``, or None.
    weight
        Persons that one sampled person stands for.
    fresh
        Level of service of the period, changed in place.
    """
    rules = _rules(travel)
    if travel.rung != "L1":
        problem = build_road_problem(travel, city, inputs, period)
        if travel.rung == "L0":
            demand = user_demand(rules, inputs, period, count, cars, weight * hourly(inputs, period))
            _load_roads(travel, inputs, period, problem, demand)
        skim_cars(travel, city, inputs, period, problem, _with_connectors(travel, problem, period), fresh)
        return
    demand = user_demand(rules, inputs, period, count, cars, weight * hourly(inputs, period))
    before = travel.road_demand[period]
    if before is not None:
        moved = float(np.abs(demand - before).sum()) / max(float(before.sum()), 1e-9)
        if moved <= inputs["traffic.same_share"] and travel.road_gap[period] <= inputs["traffic.road_gap"]:
            # Hardly a trip has changed: flows and times stay, and ``fresh`` holds the times already.
            return
    travel.road_demand[period] = demand
    problem = build_road_problem(travel, city, inputs, period)
    flows = assign_roads(
        problem,
        np.arange(len(city.zones), dtype=np.int32),
        demand,
        gap=inputs["traffic.road_gap"],
        # Without known paths it takes more sweeps to come near; later calls go on from there.
        max_iterations=int(inputs["traffic.road_iterations"])
        * (COLD if travel.road_state[period] is None else 1),
        state=travel.road_state[period],
        classes=road_classes(rules, inputs, period),
    )
    n = city.roads.n_links
    travel.road_state[period] = flows.state
    travel.road_gap[period] = flows.relative_gap
    travel.link_flow_pcuh[period] = flows.flow_pcuh[:n]
    travel.link_time_s[period] = flows.time_s[:n]
    skim_cars(travel, city, inputs, period, problem, flows.time_s, fresh)


def simulate_roads(
    travel: Travel, city: City, inputs: YearInputs, count: Count, cars: Count | None, early: Early | None,
    weight: float,
) -> None:  # fmt: skip
    """Days of rung L2 with the trips of one day, and what drivers learn from them, until hardly any could save by another
    way; the parameters are those of ``update_travel``."""
    rules = _rules(travel)
    vehicles = {part: _vehicles(rules, inputs, part, count, cars, early, weight) for part in DayPart}
    if _hardly_moved(travel, inputs, vehicles):
        return
    problems = {period: build_road_problem(travel, city, inputs, period) for period in Period}
    classes = {period: road_classes(rules, inputs, period) for period in Period}
    # Whatever the sample, so that its size does not change how queues spill back.
    packet = int(inputs["learning.packet_vehicles"])
    queue = queue_of(city, problems, inputs, packet=packet)
    parts = open_slices(travel.slices, problems, classes, vehicles, inputs)
    zone_node = np.arange(len(city.zones), dtype=np.int32)
    days = int(inputs["learning.days_per_choice"])

    def find(part: Slice) -> None:
        find_routes(part, queue, zone_node, inputs, packet=packet, seed=travel.seed)

    each_of(parts, find)
    for left in reversed(range(days)):

        def learn(part: Slice, more: int = left) -> None:
            learn_slice(part, queue, zone_node, inputs)
            if more:
                find(part)

        travel.queue_day = simulate_day(parts, queue, packet=packet, then=learn)
        for period in Period:
            travel.road_gap[period] = period_gap(parts, period)
        if (travel.road_gap <= inputs["learning.gap"]).all():
            break
    n = queue.n_links
    for period in Period:
        travel.link_flow_pcuh[period], travel.link_time_s[period] = period_traffic(parts, period, n)
    travel.slices = parts
    travel.road_demand = [vehicles[part] for part in DayPart]


def _vehicles(
    rules: RoadRules, inputs: YearInputs, part: DayPart, count: Count, cars: Count | None, early: Early | None,
    weight: float,
) -> F64:  # fmt: skip
    """Vehicles that leave in a part of the day, by class and pair of zones."""
    period = PERIOD_OF_PART[part]
    trips, drivers = count[:, period], None if cars is None else cars[:, period]
    if period is Period.NIGHT:
        out, out_drivers = early or (np.zeros_like(trips), np.zeros_like(count[0, period]))
        first = part is DayPart.EARLY
        trips = out if first else trips - out
        if drivers is not None:
            drivers = np.broadcast_to(out_drivers, drivers.shape) if first else drivers - out_drivers
    return user_demand(rules, inputs, period, trips, drivers, weight)


def _hardly_moved(travel: Travel, inputs: YearInputs, vehicles: Mapping[DayPart, F64]) -> bool:
    """Whether the day would be as the last one: hardly a trip has changed, and drivers had nothing to learn."""
    for part, before in zip(DayPart, travel.road_demand, strict=False):
        if before is None:
            return False
        moved = float(np.abs(vehicles[part] - before).sum())
        if moved > inputs["traffic.same_share"] * max(float(before.sum()), 1e-9):
            return False
    return bool((travel.road_gap <= inputs["learning.gap"]).all())


def _load_roads(
    travel: Travel, inputs: YearInputs, period: Period, problem: RoadProblem, demand: F64
) -> None:
    """One day of rung L0 in a period."""
    n = travel.link_flow_pcuh.shape[1]
    travel.road_days[period] += 1
    flow = np.concatenate([travel.link_flow_pcuh[period], np.zeros(problem.n_links - n)])
    loaded = load_volume_delay(
        problem, np.arange(demand.shape[1], dtype=np.int32), demand, road_classes(_rules(travel), inputs, period),
        flow, _with_connectors(travel, problem, period), day=travel.road_days[period],
    )  # fmt: skip
    travel.link_flow_pcuh[period], travel.link_time_s[period] = loaded.flow_pcuh[:n], loaded.time_s[:n]
    travel.road_gap[period] = loaded.relative_gap


def _with_connectors(travel: Travel, problem: RoadProblem, period: Period) -> F64:
    """Times of a period's roads, and of connectors and turns, which never change."""
    time_s = problem.free_time_s.copy()
    time_s[: travel.link_time_s.shape[1]] = travel.link_time_s[period]
    return time_s


def _rules(travel: Travel) -> RoadRules:
    """Rules of the year that was opened."""
    assert travel.rules is not None, "open_year comes first"
    return travel.rules


def build_road_problem(travel: Travel, city: City, inputs: YearInputs, period: Period) -> RoadProblem:
    """Roads of a period, the zones' connectors, and behind them the turns at nodes that forbid some."""
    roads = road_problem(city, inputs, period=period, year=inputs.year)
    joined = connect(roads, travel.connectors, len(city.zones), inputs)
    return forbid_turns(joined, city.roads.turn_from, city.roads.turn_to)


def skim_cars(
    travel: Travel,
    city: City,
    inputs: YearInputs,
    period: Period,
    problem: RoadProblem,
    time_s: F64,
    fresh: F32,
) -> None:
    """Times, distances and charges along the cheapest ways of each class into ``fresh``; ``time_s`` includes the
    connectors."""
    rules = _rules(travel)
    charge, lez = charges_cny(inputs, period)
    fixed_s = road_classes(rules, inputs, period).fixed_cost_s
    way_m = np.concatenate([city.roads.length_m, np.tile(travel.connectors.length_m, 2)])
    length_m = np.concatenate([way_m, np.zeros(problem.n_links - len(way_m))])
    attributes = np.stack([time_s, length_m, rules.charged.astype(np.float64)])

    def skim(user: RoadUser, entry_cny: float, among: I32) -> F32:
        _, car_s, car_m, entries = skim_roads(problem, time_s + fixed_s[user], among, attributes)
        if len(among) == len(city.zones):
            fill_intrazonal(city, car_s, car_m, entries, inputs)
        # A way that weaves along the border of the area enters it once in law.
        entered = np.where(np.isfinite(entries), np.minimum(entries, 1.0), 0.0)
        return np.stack([car_s / 60.0, car_m / 1000.0, entered * np.float32(entry_cny)], axis=-1)

    free, oil, barred = (slice(first, first + 3) for first in (CAR_MIN, OIL_MIN, BARRED_MIN))
    every = np.arange(len(city.zones), dtype=np.int32)
    fresh[..., free] = skim(RoadUser.NEV_CAR, charge, every)
    fresh[..., oil] = skim(RoadUser.OIL_CAR, charge + lez, every) if lez > 0 else fresh[..., free]
    fresh[..., barred] = fresh[..., oil]
    # Only trips among zones outside the ring can be those of barred cars.
    outside = np.flatnonzero(rules.bypass.any(axis=0) | rules.bypass.any(axis=1)).astype(np.int32)
    if is_day(period) and inputs["tail_number.day_count"] > 0 and len(outside):
        around = np.zeros((*rules.bypass.shape, 3), np.float32)
        around[np.ix_(outside, outside)] = skim(RoadUser.OIL_CAR_BARRED, charge + lez, outside)
        fresh[rules.bypass, barred] = around[rules.bypass]
