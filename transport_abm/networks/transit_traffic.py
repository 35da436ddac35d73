"""Traffic of a city's lines: the passengers of a period to strategies, and what lines offer to choices.

Strategies of the options of a period depend on the crowd of the loading before, not on each other: each is a piece of
work of its own between ``open_riding`` and ``load_lines``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from transport_abm.core.vocabulary import Period, TransitMode, TransitOption
from transport_abm.networks.city import F32, F64, City
from transport_abm.networks.level_of_service import ACTIVE_KM, TRANSIT_CNY, TRANSIT_MIN
from transport_abm.networks.transit.timetable_assignment import assign_timetable
from transport_abm.networks.transit.transit_assignment import (
    assign_transit,
    bus_segment_time_s,
    transit_fare_cny,
    update_crowding,
)
from transport_abm.networks.transit.transit_gap import average_loadings, transit_gap
from transport_abm.networks.transit.transit_service import pattern_runs
from transport_abm.networks.travel_state import OPTION_OF_MODE, Count, StrategyInput, Travel, hourly
from transport_abm.policy.inputs import YearInputs


class Riding(NamedTuple):
    """Passengers of a period and what their strategies are found on."""

    period: Period
    time_s: F64
    """Running time of the segment that leaves each call of the city [s]."""
    state: StrategyInput
    """The same as perceived in the crowd, departures that can be boarded, and passengers [persons/h]."""
    anew: bool
    """Whether it differs from what the strategies in force were found on."""


def open_riding(
    travel: Travel, city: City, inputs: YearInputs, period: Period, count: Count, weight: float
) -> Riding:
    """Passengers of a period on the lines at the times of its roads.

    Parameters
    ----------
    travel
        State; read: the period's times of roads, crowd, and what strategies were found on.
    city, inputs
        City, parameters of the year.
    period
        Period of the day.
    count
        Sampled trips of the period by mode, origin and destination.
    weight
        Persons that one sampled person stands for.

    Returns
    -------
    Riding
        For ``find_strategies``, where they are to be found anew, and ``load_lines``.
    """
    time_s = bus_segment_time_s(city.transit, city.roads, travel.link_time_s[period], inputs)
    demand = np.stack([count[mode] for mode in OPTION_OF_MODE]) * (weight * hourly(inputs, period))
    zone = np.arange(len(city.zones))
    demand[:, zone, zone] = 0.0
    crowd = travel.crowding[period]
    state = StrategyInput(time_s * crowd.multiplier, crowd.frequency_share, demand)
    anew = state.moved(travel.strategy_input[period]) > inputs["transit.same_share"]
    return Riding(period, time_s, state, anew)


def find_strategies(travel: Travel, inputs: YearInputs, riding: Riding, option: TransitOption) -> None:
    """Strategies or journeys of one option, and their loading, into ``travel.transit_result``."""
    assign = assign_timetable if inputs["transit.timetable"] > 0.5 else assign_transit
    key = (int(option), int(riding.period))
    travel.transit_result[key] = assign(
        travel.services[key], riding.state.demand[option], riding.time_s,
        crowding=travel.crowding[riding.period], previous=travel.transit_result.get(key),
    )  # fmt: skip


def load_lines(
    travel: Travel, city: City, inputs: YearInputs, riding: Riding, *, loads: bool, fresh: F32, boardings: F64
) -> None:
    """Crowds and speeds of lines after a loading; generalised times and fares of a period into ``fresh``.

    Parameters
    ----------
    travel
        State; changed in place. The strategies of all options of the period are those of ``riding``, or still as good.
    city, inputs
        City, parameters of the year.
    riding
        Passengers of the period.
    loads
        Whether their flows crowd the lines; otherwise only times and fares are looked up.
    fresh
        Level of service of the period, changed in place.
    boardings
        By mode, added to: boardings of the day.
    """
    period, time_s = riding.period, riding.time_s
    if riding.anew:
        travel.strategy_input[period] = riding.state
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
    if riding.anew and average is not None:
        travel.crowd_gap[period] = transit_gap(average, results, time_s, travel.crowding[period], inputs)
    if loads:
        travel.loading_average[period] = average_loadings(average, results, riding.state.demand, step)
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


def transit_change(old: F32, new: F32, count: Count) -> float:
    """Mean relative change of generalised transit time over the passengers of a period."""
    moved = total = 0.0
    for mode, option in OPTION_OF_MODE.items():
        before, after = old[..., TRANSIT_MIN + int(option)], new[..., TRANSIT_MIN + int(option)]
        used = (count[mode] > 0) & np.isfinite(before) & np.isfinite(after)
        passengers = count[mode][used].astype(np.float64)
        moved += float((passengers * np.abs(after[used] - before[used])).sum())
        total += float((passengers * before[used]).sum())
    return moved / total if total > 0 else 0.0


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
