"""Travel: what roads, transit, walking and cycling offer in a year, and how traffic feeds back on it.

One iteration assigns the trips of each period to transit and roads, and mixes the new times into the
level-of-service table that choices read:  c <- (1 - l) c + l c_new.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from transport_abm.core.vocabulary import Mode, Period, TransitMode, TransitOption
from transport_abm.networks.city import F32, F64, City
from transport_abm.networks.each_period import beside, each_period, longest_first
from transport_abm.networks.road_traffic import (
    Early,
    build_road_problem,
    simulate_roads,
    skim_cars,
    update_roads,
)
from transport_abm.networks.road_users import build_rules
from transport_abm.networks.roads.assignment import link_time_s
from transport_abm.networks.transit.transit_assignment import build_transit_service, update_crowding
from transport_abm.networks.transit.transit_service import pattern_runs
from transport_abm.networks.transit_traffic import (
    Riding,
    find_strategies,
    load_lines,
    open_riding,
    transit_change,
)
from transport_abm.networks.travel_state import (
    OPTION_OF_MODE,
    Count,
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
    nothing = np.zeros((len(Mode), len(Period), len(city.zones), len(city.zones)), np.int32)

    def open_roads(period: Period) -> None:
        problem = build_road_problem(travel, city, inputs, period)
        travel.link_flow_pcuh[period] = begin.link_flow_pcuh[period]
        beyond = np.zeros(problem.n_links - city.roads.n_links)
        time_s = link_time_s(problem, np.concatenate([begin.link_flow_pcuh[period], beyond]))
        travel.link_time_s[period] = time_s[: city.roads.n_links]
        skim_cars(travel, city, inputs, period, problem, time_s, travel.los[period])
        travel.crowding[period] = update_crowding(
            city.transit, inputs, begin.call_flow[period], year=inputs.year, period=period
        )

    riding = _roads_then_strategies(travel, city, inputs, open_roads, nothing, 0.0)
    for period in Period:
        load_lines(
            travel, city, inputs, riding[period], loads=False, fresh=travel.los[period],
            boardings=np.zeros(len(TransitMode)),
        )  # fmt: skip
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
    count: Count,
    *,
    weight: float,
    step: float,
    cars: Count | None = None,
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

    fresh = travel.los.copy()

    def assign_period(period: Period) -> None:
        own = None if cars is None else cars[:, period]
        update_roads(travel, city, inputs, period, count[:, period], own, weight, fresh[period])

    riding = _roads_then_strategies(travel, city, inputs, assign_period, count, weight)

    def settle_period(period: Period) -> tuple[float, F64]:
        boardings = np.zeros(len(TransitMode))
        load_lines(travel, city, inputs, riding[period], loads=True, fresh=fresh[period], boardings=boardings)
        change = transit_change(travel.los[period], fresh[period], count[:, period])
        _mix(travel.los[period], fresh[period], step)
        return change, boardings

    results = each_period(settle_period)
    travel.transit_change = max(change for change, _ in results)
    travel.boardings = np.sum([boardings for _, boardings in results], axis=0)


def _roads_then_strategies(
    travel: Travel, city: City, inputs: YearInputs, roads: Callable[[Period], None], count: Count, weight: float
) -> dict[Period, Riding]:  # fmt: skip
    """Roads of every period, and where it is due the strategies of its passengers at the times of these roads.

    Each option's strategies are a piece of work of their own: of periods alone, the longest would leave threads idle.
    """
    riding: dict[Period, Riding] = {}
    with beside() as start:

        def work(period: Period) -> None:
            roads(period)
            riding[period] = open_riding(travel, city, inputs, period, count[:, period], weight)
            if riding[period].anew:
                for option in TransitOption:
                    start(partial(find_strategies, travel, inputs, riding[period], option))

        for period in longest_first():
            start(partial(work, period))
    return riding


def _mix(old: F32, new: F32, step: float) -> None:
    """Move the old values towards the new ones; what was or becomes infinite takes the new value at once."""
    if step >= 1.0:
        old[:] = new
        return
    with np.errstate(invalid="ignore"):
        mixed = old + np.float32(step) * (new - old)
    old[:] = np.where(np.isfinite(old) & np.isfinite(new), mixed, new)
