"""The tour constant of deliveries against a salesman, and the arithmetic of the base year's turnover."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.naive_freight import goods_city, salesman_km
from transport_abm.agents.fleets.cohorts import scrap_share
from transport_abm.agents.fleets.deliveries import BHH, tour_length_km
from transport_abm.agents.fleets.trucks import TRUCKS, build_truck_cohorts, freight_work
from transport_abm.policy.inputs import year_inputs


def test_a_good_tour_through_a_thousand_points_has_the_length_of_the_constant() -> None:
    """Beardwood, Halton and Hammersley 1959; 2-opt with moved stretches ends a few per cent above the best."""
    length = np.array([salesman_km(1000, seed) for seed in (1, 2, 3)])
    expected = tour_length_km(0.0, 1000.0, 1000.0, 1.0)
    assert expected == pytest.approx(BHH * math.sqrt(1000))
    assert length.mean() / expected == pytest.approx(1.0, abs=0.05)
    assert (length > 0.98 * expected).all()


def test_the_turnover_of_the_base_year_is_trucks_times_kilometres_times_load() -> None:
    city = goods_city()
    inputs = year_inputs(2020)
    work = freight_work(city, inputs, 2020)
    scale = city.zones.residents.sum() / inputs["population.base_resident_count"]
    by_hand = sum(
        113660 * scale * share * km * load
        for share, km, load in ((0.35, 22000, 1.0), (0.2, 30000, 3.5), (0.45, 45000, 10.0))
    )
    assert work.road_tkm.sum() == pytest.approx(by_hand, rel=1e-8)
    assert work.rail_share == pytest.approx(0.088, abs=1e-8)
    stock = [cohort.total for cohort in build_truck_cohorts(city, inputs, seed=1)]
    assert np.abs(np.array(stock[:3]) - work.truck_count).max() <= 1
    assert sum(stock[:3]) == round(113660 * scale)


def test_trucks_live_as_long_as_the_study_says() -> None:
    """Mean lives of Hao, Wang, Ouyang and Cheng 2011: the sum of S(a), half a year taken for whole years."""
    inputs = year_inputs(2020)
    for name, mean in zip((*TRUCKS, "coach"), (8.0, 10.1, 12.8, 5.5), strict=True):
        hazard = scrap_share(inputs[f"freight.{name}.mean_life_year"], inputs["fleets.survival_shape"])
        alive = np.cumprod(1.0 - hazard)
        assert 1.0 + alive.sum() - 0.5 == pytest.approx(mean, abs=0.02)
