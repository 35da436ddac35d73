"""Costs that freight adds to the cost of ownership all operators share: barriers, hydrogen detours.

    cost_j = TCO_j + barrier_j + annuity(r, L) extra_j
    detour = km / range * 2 * (2 / 3) sqrt(A / (pi n)) * (cost of a km + value of an hour / v)

A barrier stands for what an operator lacks beside money (models on sale, workshops, habit). The way to the nearest
of n hydrogen sites spread over an area A is that of a disc of area A / n.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.fleets.renewal import (
    FCEV,
    Offers,
    Option,
    annuity,
    read_offers,
    total_cost_cny,
)
from transport_abm.core.vocabulary import VehicleClass
from transport_abm.policy.inputs import YearInputs

F64 = NDArray[np.float64]


def price_options(
    inputs: YearInputs,
    prefix: str,
    options: Sequence[Option],
    class_: VehicleClass,
    km_year: F64,
    *,
    size_factor: float = 1.0,
) -> tuple[Offers, F64]:
    """Offers of one kind of vehicle, and the total cost of ownership with the barrier of each option.

    Parameters
    ----------
    inputs
        Parameter values of the year; those of `read_offers`, and ``{prefix}.{option}_barrier_cny``.
    prefix
        Start of the paths, such as ``"freight.van"``.
    options
        What can be bought.
    class_
        Class whose energy holds.
    km_year
        Kilometres a year, one value a vehicle [km/year].
    size_factor
        Energy of the vehicle against the mean one of its class [1].

    Returns
    -------
    tuple
        Offers, and costs of shape (vehicles, options) [CNY].
    """
    offers = read_offers(inputs, prefix, options, class_, year=inputs.year, size_factor=size_factor)
    barrier = np.array([inputs[f"{prefix}.{option.name}_barrier_cny"] for option in options])
    return offers, total_cost_cny(offers, km_year, inputs) + barrier


def extra_cost_cny(extra_cny_year: F64, offers: Offers, inputs: Mapping[str, float]) -> F64:
    """Present value of yearly costs over the service [CNY]."""
    return np.asarray(annuity(inputs["fleets.hurdle_rate"], offers.service_year) * extra_cny_year)


def hydrogen_cost_cny(
    km_year: F64, prefix: str, offers: Offers, inputs: Mapping[str, float], site_count: float
) -> F64:
    """Cost of the ways to hydrogen sites.

    Parameters
    ----------
    km_year
        Kilometres a year [km/year].
    prefix
        Start of the paths; needs ``{prefix}.fcev_range_km``.
    offers
        Running costs, `FCEV` among the options.
    inputs
        Parameter values of the year.
    site_count
        Hydrogen sites; fewer than one count as one.

    Returns
    -------
    NDArray[np.float64]
        By vehicle [CNY/year].
    """
    area_km2 = inputs["freight.hydrogen_area_km2"] / max(site_count, 1.0)
    way_km = 2.0 * (2.0 / 3.0) * np.sqrt(area_km2 / np.pi) * inputs["freight.detour"]
    hour_km = inputs["freight.van_hour_cny"] / inputs["freight.van_speed_outside_kmh"]
    fills = np.asarray(km_year) / inputs[f"{prefix}.fcev_range_km"]
    return np.asarray(fills * way_km * (hour_km + offers.running_cny_km[offers.options.index(FCEV)]))


def hydrogen_site_count(inputs: YearInputs) -> float:
    """Hydrogen sites of the year, if those of its programme were built in every year since the base year.

    A caller that keeps the sites year by year should hand over its own number instead.
    """
    built = inputs["access.hydrogen_sites_year"] * max(0, inputs.year - 2020)
    return float(inputs["access.hydrogen_site_count"] + built)


def hydrogen_reach_share(inputs: Mapping[str, float], site_count: float) -> float:
    """Share of yards with a hydrogen site within reach: 1 - exp(-n pi d^2 / A) for sites placed at random [1]."""
    covered = np.pi * inputs["freight.hydrogen_reach_km"] ** 2 / inputs["freight.hydrogen_area_km2"]
    return float(-np.expm1(-site_count * covered))
