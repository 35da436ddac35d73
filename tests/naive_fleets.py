"""Slow, obvious twins of the fleets' choices: one vehicle, plain Python, written from the definitions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from transport_abm.core.draws import Stream, uniform


def present_value_cny(
    price_cny: float, resale_cny: float, running_cny_year: float, years: int, rate: float
) -> float:
    """Total cost of ownership, year by year."""
    paid = price_cny
    for year in range(1, years + 1):
        paid += running_cny_year / (1.0 + rate) ** year
    return paid - resale_cny / (1.0 + rate) ** years


def cheapest(
    cost_cny: Sequence[float],
    allowed: Sequence[bool],
    key: int,
    *,
    scale_cny: float,
    seed: int,
    year: int,
    k: int,
) -> int:
    """Option with the least cost after Gumbel noise, option by option."""
    best, chosen = -math.inf, -1
    for j, cost in enumerate(cost_cny):
        if not allowed[j]:
            continue
        draw = float(uniform(seed, Stream.RENEWAL, [key], year, 16 * k + j)[0])
        value = -math.log(-math.log(draw)) - cost / scale_cny
        if value > best:
            best, chosen = value, j
    return chosen


def stock_by_age(sales: float, mean_life_year: float, shape: float, years: int) -> list[float]:
    """Stock by age after so many years of constant sales, each age thinned by its survival."""
    scale = mean_life_year / math.gamma(1.0 + 1.0 / shape)
    return [sales * math.exp(-((age / scale) ** shape)) for age in range(years)]
