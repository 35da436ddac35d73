"""Travel: what roads, transit, walking and cycling offer in a year, and how traffic feeds back on it.

One iteration assigns the trips of each period to transit and roads, and mixes the new times into the
level-of-service table that choices read:  c <- (1 - l) c + l c_new.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from transport_abm.core.vocabulary import Mode, Period, TransitMode, TransitOption
from transport_abm.networks.city import F32, F64, City
from transport_abm.networks.each_period import each_period
from transport_abm.networks.level_of_service import (
    ACTIVE_KM,
    TRANSIT_CNY,
    TRANSIT_MIN,
)
from transport_abm.networks.road_traffic import (
    Early,
    build_road_problem,
    simulate_roads,
    skim_cars,
    update_roads,
)
from transport_abm.networks.road_users import build_rules
from transport_abm.networks.roads.assignment import link_time_s
from transport_abm.networks.transit.timetable_assignment import assign_timetable
from transport_abm.networks.transit.transit_assignment import (
    assign_transit,
    build_transit_service,
    bus_segment_time_s,
    transit_fare_cny,
    update_crowding,
)
from transport_abm.networks.transit.transit_gap import average_loadings, transit_gap
from transport_abm.networks.transit.transit_service import pattern_runs
from transport_abm.networks.travel_state import (
    OPTION_OF_MODE,
    StrategyInput,
    Travel,
    TravelStart,
    build_travel,
    hourly,
)
from transport_abm.policy.inputs import YearInputs

__all__ = [
    "OPTION_OF_MODE",
    "StrategyInput",
    "Travel",
    "TravelStart",
    "build_travel",
    "hourly",
    "open_year",
    "update_travel",
]

STARTED = 4
"""Loadings that flows of the base year count for in the average of the crowd."""


def open_year(travel: Travel, city: City, inputs: YearInputs, start: TravelStart | None = None) -> None:
    """Compile the transit services of a year; in the first year, also find times to begin with.

    Parameters
    ----------
    travel
        State; changed in place.
    city
        The city.
    inputs
        Parameters of the year.
    start
        Flows of the base year to begin the first year with; empty roads and lines where there are none.
    """
    travel.services = {
        (int(option), int(period)): build_transit_service(
            city, inputs, year=inputs.year, period=period, option=option
        )
        for option in TransitOption
        for period in Period
    }
    # Times of an earlier year's strategies cannot be compared with those of new lines.
    travel.transit_result = {}
    travel.strategy_input = [None] * len(Period)
    travel.loading_average = [None] * len(Period)
    travel.crowd_gap = np.full(len(Period), np.nan)
    travel.road_demand = [None] * len(Period)
    # New lines make new crowds: what was averaged so far counts for a few loadings only.
    travel.loadings = [min(n, STARTED) for n in travel.loadings]
    travel.road_days = [min(n, 1) for n in travel.road_days]
    travel.metro_length_km = _metro_length_km(city, inputs)
    travel.rules = build_rules(
        city, travel.connectors, inputs, build_road_problem(travel, city, inputs, Period.MIDDAY)
    )
    if travel.has_run:
        # On every rung a later year goes on from the traffic of the year before.
        return
    begin = start or TravelStart(
        np.zeros_like(travel.link_flow_pcuh), np.zeros((len(Period), len(city.transit.stop)))
    )
    nothing = np.zeros((len(Mode), len(city.zones), len(city.zones)), np.int32)

    def start_period(period: Period) -> None:
        problem = build_road_problem(travel, city, inputs, period)
        travel.link_flow_pcuh[period] = begin.link_flow_pcuh[period]
        beyond = np.zeros(problem.n_links - city.roads.n_links)
        time_s = link_time_s(problem, np.concatenate([begin.link_flow_pcuh[period], beyond]))
        travel.link_time_s[period] = time_s[: city.roads.n_links]
        skim_cars(travel, city, inputs, period, problem, time_s, travel.los[period])
        travel.crowding[period] = update_crowding(
            city.transit, inputs, begin.call_flow[period], year=inputs.year, period=period
        )
        _update_transit(
            travel, city, inputs, period, nothing, 0.0, False, travel.los[period], np.zeros(len(TransitMode))
        )

    each_period(start_period)
    if start is not None:
        travel.loadings = [STARTED] * len(Period)


def _metro_length_km(city: City, inputs: YearInputs) -> float:
    """Length of the metro lines in service; the two directions of a section count once."""
    transit = city.transit
    runs = pattern_runs(transit, inputs, inputs.year)
    metro = runs & (transit.line_mode[transit.pattern_line] == TransitMode.METRO)
    call = np.repeat(metro, np.diff(transit.pattern_indptr))
    return float(transit.segment_length_m[call].sum() / 2000.0)


def update_travel(
    travel: Travel,
    city: City,
    inputs: YearInputs,
    count: np.ndarray[tuple[int, ...], np.dtype[np.int32]],
    *,
    weight: float,
    step: float,
    cars: np.ndarray[tuple[int, ...], np.dtype[np.int32]] | None = None,
    early: Early | None = None,
) -> None:
    """Assign the trips of a day and mix the new times and costs into the level of service.

    Parameters
    ----------
    travel
        State; changed in place.
    city
        The city.
    inputs
        Parameters of the year.
    count
        Sampled trips by mode, period, origin and destination.
    weight
        Persons that one sampled person stands for.
    step
        Weight ``l`` of the new times, 0-1.
    cars
        Sampled trips of car drivers by ``CarKind``, period, origin and destination; all are oil cars that are free to
        go where not given.
    early
        Sampled trips of the night period that leave before the morning peak, by mode, origin and destination, and
        those of car drivers by ``CarKind``; only rung L2 asks when at night a trip leaves, and takes none for early where
        not given.

    Raises
    ------
    NetworkError
        If demand cannot be served on the network.
    """
    if travel.rung == "L2":
        simulate_roads(travel, city, inputs, count, cars, early, weight)

    def assign_period(period: Period) -> tuple[float, F64]:
        fresh = travel.los[period].copy()
        boardings = np.zeros(len(TransitMode))
        own = None if cars is None else cars[:, period]
        update_roads(travel, city, inputs, period, count[:, period], own, weight, fresh)
        _update_transit(travel, city, inputs, period, count[:, period], weight, True, fresh, boardings)
        change = _transit_change(travel.los[period], fresh, count[:, period])
        _mix(travel.los[period], fresh, step)
        return change, boardings

    results = each_period(assign_period)
    travel.transit_change = max(change for change, _ in results)
    travel.boardings = np.sum([boardings for _, boardings in results], axis=0)


def _transit_change(old: F32, new: F32, count: np.ndarray[tuple[int, ...], np.dtype[np.int32]]) -> float:
    """Mean relative change of generalised transit time over the passengers of a period."""
    moved = total = 0.0
    for mode, option in OPTION_OF_MODE.items():
        before, after = old[..., TRANSIT_MIN + int(option)], new[..., TRANSIT_MIN + int(option)]
        used = (count[mode] > 0) & np.isfinite(before) & np.isfinite(after)
        passengers = count[mode][used].astype(np.float64)
        moved += float((passengers * np.abs(after[used] - before[used])).sum())
        total += float((passengers * before[used]).sum())
    return moved / total if total > 0 else 0.0


def _update_transit(
    travel: Travel, city: City, inputs: YearInputs, period: Period, count: np.ndarray[tuple[int, ...], np.dtype[np.int32]],
    weight: float, loads: bool, fresh: F32, boardings: F64,
) -> None:  # fmt: skip
    """Passengers of one period to the lines; generalised times and fares into ``fresh``."""
    time_s = bus_segment_time_s(city.transit, city.roads, travel.link_time_s[period], inputs)
    demand = np.stack([count[mode] for mode in OPTION_OF_MODE]) * (weight * hourly(inputs, period))
    zone = np.arange(len(city.zones))
    demand[:, zone, zone] = 0.0
    state = StrategyInput(
        time_s * travel.crowding[period].multiplier, travel.crowding[period].frequency_share, demand
    )
    found_anew = state.moved(travel.strategy_input[period]) > inputs["transit.same_share"]
    if found_anew:
        assign = assign_timetable if inputs["transit.timetable"] > 0.5 else assign_transit
        for option in TransitOption:
            key = (int(option), int(period))
            travel.transit_result[key] = assign(
                travel.services[key], demand[option], time_s, crowding=travel.crowding[period],
                previous=travel.transit_result.get(key),
            )  # fmt: skip
        travel.strategy_input[period] = state
    results = [travel.transit_result[int(option), int(period)] for option in TransitOption]
    for option, result in zip(TransitOption, results, strict=True):
        skims = result.skims
        # The strategy's total counts crowding, waits, walks and transfers in weighted minutes.
        total = skims["total"].copy()
        fare = transit_fare_cny(
            city.fares, skims["bus_km"], skims["metro_km"], skims["bus_boardings"], inputs
        )
        _fill_transit_intrazonal(travel, total, fare, skims)
        fresh[..., TRANSIT_MIN + int(option)] = total
        fresh[..., TRANSIT_CNY + int(option)] = fare
        travel.transit_km[int(option), period, 0] = skims["bus_km"]
        travel.transit_km[int(option), period, 1] = skims["metro_km"]
    # Crowds answer sharply to strategies that flip as a whole: their flows are averaged over many loadings.
    step = max(1.0 / (travel.loadings[period] + 1), inputs["transit.crowd_step"]) if loads else 0.0
    average = travel.loading_average[period]
    if found_anew and average is not None:
        travel.crowd_gap[period] = transit_gap(average, results, time_s, travel.crowding[period], inputs)
    if loads:
        travel.loading_average[period] = average_loadings(average, results, demand, step)
    call_flow = np.sum([result.call_flow for result in results], axis=0)
    board = np.sum([result.call_board for result in results], axis=0)
    travel.crowding[period] = update_crowding(
        city.transit,
        inputs,
        call_flow,
        year=inputs.year,
        period=period,
        previous=travel.crowding[period],
        step=step,
    )
    travel.loadings[period] += loads
    _measure_transit(
        travel, city, inputs, period, call_flow, board / max(hourly(inputs, period), 1e-12), time_s, boardings
    )


def _fill_transit_intrazonal(travel: Travel, total: F32, fare: F32, skims: Mapping[str, F32]) -> None:
    """Trips inside a zone ride as to the nearest zone, for the part of the way that they are long."""
    zone = np.arange(len(travel.nearest))
    near = travel.nearest
    away_km = travel.los[0, zone, near, ACTIVE_KM]
    part = np.minimum(1.0, travel.radius_km / np.maximum(away_km, 1e-3))
    riding = skims["crowded_min"][zone, near]
    total[zone, zone] = total[zone, near] - riding * (1.0 - part)
    fare[zone, zone] = fare[zone, near]


def _measure_transit(
    travel: Travel,
    city: City,
    inputs: YearInputs,
    period: Period,
    call_flow: F64,
    call_board: F64,
    time_s: F64,
    boardings: F64,
) -> None:
    """Boardings of the day, bus speed and metro load."""
    transit = city.transit
    call_line = np.repeat(transit.pattern_line, np.diff(transit.pattern_indptr))
    runs = np.repeat(pattern_runs(transit, inputs, inputs.year), np.diff(transit.pattern_indptr))
    metro = transit.line_mode[call_line] == TransitMode.METRO
    boardings[TransitMode.METRO] += call_board[metro].sum()
    boardings[TransitMode.BUS] += call_board[~metro].sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        departures = np.where(runs, 60.0 / transit.line_headway_min[call_line, period], 0.0)
    bus = ~metro & runs & (transit.segment_length_m > 0)
    hours = float((time_s[bus] * departures[bus]).sum() / 3600.0)
    if hours > 0:
        travel.bus_speed_kmh[period] = float(
            (transit.segment_length_m[bus] * departures[bus]).sum() / 1000.0 / hours
        )
    if period is Period.AM:
        section = metro & runs & (transit.segment_length_m > 0)
        places = departures * transit.line_vehicle_capacity[call_line]
        travel.metro_load = np.divide(
            call_flow, places, out=np.zeros_like(call_flow), where=section & (places > 0)
        )
        travel.metro_passenger_km = np.where(section, call_flow * transit.segment_length_m / 1000.0, 0.0)


def _mix(old: F32, new: F32, step: float) -> None:
    """Move the old values towards the new ones; what was or becomes infinite takes the new value at once."""
    if step >= 1.0:
        old[:] = new
        return
    with np.errstate(invalid="ignore"):
        mixed = old + np.float32(step) * (new - old)
    old[:] = np.where(np.isfinite(old) & np.isfinite(new), mixed, new)
