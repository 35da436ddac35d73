"""How far the passengers of a period are from equilibrium with the crowd they make.

Loadings are averaged. Their average ``x`` costs, in the crowd it meets now,

    C(x) = sum over calls of (riders x perceived ride + wait weight x wait / share boarded) + walks and changes,

with the wait that each loading had if all departures could be boarded. Nobody can do better than the best
strategies in the same crowd, so

    gap = (C(x) - sum demand x best cost) / C(x)

is not negative, and 0 at equilibrium (the gap of Spiess and Florian's linear programme). A past strategy over
several lines keeps its shares of them, which costs at least what the strategy would cost with shares of now:
the gap errs upwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from transport_abm.core.vocabulary import Period, TransitOption
from transport_abm.networks.city import F64, City
from transport_abm.networks.transit.transit_assignment import (
    TransitCrowding,
    TransitResult,
    assign_transit,
    free_crowding,
    update_crowding,
    varying_cost,
)
from transport_abm.networks.transit.transit_service import Inputs, TransitService


@dataclass(frozen=True)
class LoadingAverage:
    """Average of the loadings of a period."""

    call_flow: F64
    call_wait: F64
    steady_cost: float
    demand: F64
    """Shape (options, zones, zones) [persons/h]."""


def average_loadings(
    before: LoadingAverage | None, results: Sequence[TransitResult], demand: F64, step: float
) -> LoadingAverage:
    """Mix the last loading of all options into the average.

    Parameters
    ----------
    before
        Average so far; None before the first loading.
    results
        One for each option.
    demand
        What was loaded, shape (options, zones, zones) [persons/h].
    step
        Weight of the loading, 0-1.

    Returns
    -------
    LoadingAverage
        The new average.
    """
    flow = np.sum([result.call_flow for result in results], axis=0)
    wait = np.sum([result.call_wait for result in results], axis=0)
    steady = sum(result.steady_cost for result in results)
    if before is None:
        return LoadingAverage(flow, wait, steady, demand)
    return LoadingAverage(
        before.call_flow + step * (flow - before.call_flow),
        before.call_wait + step * (wait - before.call_wait),
        before.steady_cost + step * (steady - before.steady_cost),
        before.demand + step * (demand - before.demand),
    )


def transit_gap(
    average: LoadingAverage,
    results: Sequence[TransitResult],
    call_time_s: F64,
    crowding: TransitCrowding,
    inputs: Inputs,
) -> float:
    """Relative gap of averaged loadings in a crowd.

    Parameters
    ----------
    average
        Average of the loadings.
    results
        Best strategies (or journeys) in this crowd, one for each option.
    call_time_s
        Running time of each city call's segment [s].
    crowding
        The crowd.
    inputs
        Read: ``transit.wait_weight``.

    Returns
    -------
    float
        Relative gap [1]; 0 without passengers.
    """
    cost = average.steady_cost + varying_cost(
        average.call_flow, average.call_wait, call_time_s, crowding, inputs
    )
    best = 0.0
    for result, demand in zip(results, average.demand, strict=True):
        best += float(np.where(np.isfinite(result.least), result.least, 0.0).ravel() @ demand.ravel())
    return (cost - best) / cost if cost > 0 else 0.0


def settle_transit(
    city: City,
    services: Mapping[TransitOption, TransitService],
    demand: F64,
    call_time_s: F64,
    *,
    period: Period,
    gap: float,
    most: int,
    assign: Callable[..., TransitResult] = assign_transit,
) -> tuple[LoadingAverage, TransitCrowding, list[float]]:
    """Load a fixed demand until it is at equilibrium with its crowd, by successive averages.

    Loading ``k`` weighs ``2 / (k + 1)``, so that the first ones, made in empty vehicles, are forgotten sooner.

    Parameters
    ----------
    city
        The city.
    services
        Compiled services by option.
    demand
        Shape (options of ``services``, zones, zones) [persons/h].
    call_time_s
        Running time of each city call's segment [s].
    period
        Period of the day.
    gap
        Relative gap to stop at.
    most
        Most loadings.
    assign
        ``assign_transit`` or ``assign_timetable``.

    Returns
    -------
    tuple
        Average of the loadings, its crowd, and the gap before each loading but the first.
    """
    any_service = next(iter(services.values()))
    year, inputs = any_service.year, any_service.inputs
    crowding, average = free_crowding(city.transit), None
    gaps: list[float] = []
    for k in range(1, most + 1):
        results = [
            assign(service, own, call_time_s, crowding=crowding)
            for service, own in zip(services.values(), demand, strict=True)
        ]
        if average is not None:
            gaps.append(transit_gap(average, results, call_time_s, crowding, inputs))
            if gaps[-1] <= gap:
                break
        average = average_loadings(average, results, demand, 2.0 / (k + 1))
        crowding = update_crowding(city.transit, inputs, average.call_flow, year=year, period=period)
    assert average is not None
    return average, crowding, gaps
