"""Solves the base year's constants on the model's own trips, with every lever at rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.destinations import PURPOSES, attraction, cumulative_shares, fit_scale
from transport_abm.agents.mode_choice import (
    choice_terms,
    choose,
    corrected_constant,
    expected_central_share,
    nest_theta,
    observed_share,
    reference_logsum,
    traveller_terms,
    zone_terms,
)
from transport_abm.agents.tours import central_trips, draw_tours, tour_terms, trip_count
from transport_abm.agents.workplaces import job_total
from transport_abm.base_year import (
    FIT_PERSONS,
    FIT_SAMPLE,
    FIT_SEED,
    ROUND_TOLERANCE,
    SHARE_TOLERANCE,
    BaseYear,
    city_key,
    fit_key,
    read_base_year,
    write_base_year,
)
from transport_abm.builder import build_world
from transport_abm.core.steps import run_step
from transport_abm.networks.city import City
from transport_abm.networks.level_of_service import ACTIVE_KM
from transport_abm.networks.travel import TravelStart, update_travel
from transport_abm.policy.inputs import BASE_YEAR, YearInputs, year_inputs
from transport_abm.schedule import open_lines, place_work
from transport_abm.world import World

OUTER = 8
"""Rounds of fit and traffic."""
INNER = 100
DEPTH = 6
"""Steps that the mixing of the log-share rule remembers."""


def base_year(
    city: City,
    digest: str,
    overrides: Mapping[str, float],
    *,
    tell: Callable[[str, float], None] | None = None,
) -> BaseYear:
    """Constants of a city and a set of parameters, from the cache or fitted now.

    Parameters
    ----------
    city
        The city.
    digest
        Digest of the city's files.
    overrides
        Parameters that differ from the catalogue.
    tell
        Progress: what is happening, and the share that is done.
    """
    key = fit_key(city_key(city, digest), overrides)
    base = read_base_year(key)
    if base is None:
        base = fit_base_year(city, overrides, tell=tell)
        write_base_year(key, base)
    return base


def fit_base_year(
    city: City,
    overrides: Mapping[str, float],
    *,
    sample: float | None = None,
    tell: Callable[[str, float], None] | None = None,
) -> BaseYear:
    """Fit mode constants, tour rates and destination scales to the observations of the base year.

    Parameters
    ----------
    city
        The city.
    overrides
        Parameters that differ from the catalogue.
    sample
        Share of the population on which to fit [1]; by default ``FIT_SAMPLE``, more in a small city.
    tell
        Progress.

    Returns
    -------
    BaseYear
        The constants, with the gaps that are left.
    """
    inputs = year_inputs(BASE_YEAR, overrides)
    if sample is None:
        sample = min(1.0, max(FIT_SAMPLE, FIT_PERSONS / float(city.zones.residents.sum())))
    world = build_world(city, BaseYear.first_guess(), inputs, sample=sample, seed=FIT_SEED)
    available = {
        "world": world, "city": city, "persons": world.persons, "households": world.households, "inputs": inputs,
    }  # fmt: skip
    run_step(place_work, available)
    run_step(open_lines, available)
    world.travellers = traveller_terms(world.persons, world.households, inputs, seed=world.seed)
    for outer in range(1, OUTER + 1):
        if tell is not None:
            tell("Fitting the base year to the observed shares", (outer - 1) / OUTER)
        _fit_tours(world, inputs)
        _fit_constants(world, inputs, SHARE_TOLERANCE if outer == OUTER else ROUND_TOLERANCE)
        if outer == OUTER:
            break
        terms = choice_terms(world.base.constants(), city.fares, inputs)
        zone = zone_terms(city.zones, world.travel.radius_km, inputs)
        assert world.tours is not None
        choose(world.tours, world.travellers, world.travel.los, zone, terms, seed=world.seed)
        count = trip_count(world.tours, len(city.zones))
        update_travel(
            world.travel, city, inputs, count, weight=world.weight, step=1.0 / outer if outer < 4 else 0.25
        )
    # Rounded as the file rounds it, so that a run begins alike whether the fit is new or read.
    link_flow = np.minimum(world.travel.link_flow_pcuh, 60_000.0).astype(np.float16).astype(np.float64)
    call_flow = np.stack([crowding.flow for crowding in world.travel.crowding])
    call_flow = np.minimum(call_flow, 60_000.0).astype(np.float16).astype(np.float64)
    return replace(world.base, places=world.places, start=TravelStart(link_flow, call_flow))


def _fit_tours(world: World, inputs: YearInputs) -> None:
    """Destination scales and the rate of other tours at the present level of service; draws the year's tours."""
    assert world.travellers is not None
    city = world.city
    terms = choice_terms(world.base.constants(), city.fares, inputs)
    zone = zone_terms(city.zones, world.travel.radius_km, inputs)
    logsum = reference_logsum(world.travellers, world.travel.los, zone, terms)
    pull = attraction(city.zones, job_total(city.zones, city.districts, inputs), inputs)
    distance = world.travel.los[0, :, :, ACTIVE_KM]
    residents = world.residents()
    scale = [
        fit_scale(pull[p], logsum, distance, residents, inputs[f"destination.mean_distance_{purpose}_km"])
        for p, purpose in enumerate(PURPOSES)
    ]
    cumulative = cumulative_shares(pull, logsum, np.array(scale))
    central_residents = float(city.zones.residents[world.central].sum())
    observed = inputs["tours.central_trip_rate"] * central_residents / world.weight

    def trips(rate_scale: float) -> float:
        terms = tour_terms(inputs, rate_scale, normal_year=True)
        tours = draw_tours(
            world.persons, world.households, terms, cumulative, seed=world.seed, year=BASE_YEAR
        )
        return float(central_trips(tours, world.central)[0])

    # Other tours grow almost in proportion to the scale, so a few secant steps are enough.
    low, high = 0.0, world.base.rate_scale
    at_low, at_high = trips(low), trips(high)
    rate = high
    for _ in range(4):
        if at_high == at_low:
            break
        rate = high + (observed - at_high) * (high - low) / (at_high - at_low)
        low, at_low, high, at_high = high, at_high, rate, trips(rate)
        if abs(at_high / observed - 1.0) < 1e-4:
            break
    world.base = replace(
        world.base, destination_scale=tuple(scale), rate_scale=rate, trips_gap=at_high / observed - 1.0
    )
    world.tours = draw_tours(
        world.persons, world.households, tour_terms(inputs, rate), cumulative, seed=world.seed, year=BASE_YEAR
    )


def _fit_constants(world: World, inputs: YearInputs, tolerance: float) -> None:
    """Log-share rule on expected shares until they meet the observed ones.

    The rule alone creeps where few may use a mode; mixing its last steps (Anderson 1965) takes a tenth of the steps to
    the same fixed point.
    """
    assert world.tours is not None and world.travellers is not None
    zone = zone_terms(world.city.zones, world.travel.radius_km, inputs)
    observed, theta = observed_share(inputs), nest_theta(inputs)
    constant: NDArray[np.float64] = world.base.constants()
    gap = 1.0
    points: list[NDArray[np.float64]] = []
    steps: list[NDArray[np.float64]] = []
    for _ in range(INNER):
        terms = choice_terms(constant, world.city.fares, inputs)
        share = expected_central_share(
            world.tours, world.travellers, world.travel.los, zone, terms, world.central, seed=world.seed
        )
        # Shares of modes that this city does not have go to the others, as in the rule.
        wanted = np.where(share > 0, observed, 0.0) / observed[share > 0].sum()
        gap = float(np.abs(share - wanted).max())
        if gap < tolerance:
            break
        points.append(constant)
        steps.append(corrected_constant(constant, observed, share, theta) - constant)
        constant = _mixed(points[-DEPTH:], steps[-DEPTH:])
    world.base = replace(world.base, constant=tuple(float(c) for c in constant), share_gap=gap)


def _mixed(points: list[NDArray[np.float64]], steps: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Next point of Anderson's mixing: the combination of the last points whose step is the smallest."""
    if len(points) == 1:
        return np.asarray(points[0] + steps[0])
    turn = np.array([step - steps[-1] for step in steps[:-1]]).T
    weight, *_ = np.linalg.lstsq(turn, -steps[-1], rcond=1e-10)
    best = points[-1] + np.array([p - points[-1] for p in points[:-1]]).T @ weight
    left = steps[-1] + turn @ weight
    return np.asarray(best + left)
