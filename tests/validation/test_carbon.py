"""Published numbers and closed forms: energy tables (V-26), converted turnover (V-27), LMDI (V-28), fuels (V-29)."""

from __future__ import annotations

import numpy as np
import pytest

from tests.naive_carbon import lmdi_cell, shapley_by_orders
from transport_abm.agents.energy_use import (
    battery_bus_kwh_km,
    climate_kw,
    electric_share,
    petrol_car_l_100km,
    wall_kwh_km,
)
from transport_abm.carbon.converted_turnover import converted_turnover
from transport_abm.carbon.decomposition import lmdi, log_mean, shapley
from transport_abm.carbon.factors import build_factors, combustion_kg
from transport_abm.core.errors import InputError
from transport_abm.core.vocabulary import Accounting, Fuel, VehicleClass
from transport_abm.policy.inputs import year_inputs

INPUTS = year_inputs(2021)
SPEED_KMH = (15, 25, 40, 60, 90)


@pytest.mark.parametrize(
    ("temperature_c", "published"),
    [
        (20, (15.6, 13.7, 13.4, 14.9, 19.4)),
        (-5, (28.1, 21.2, 18.1, 18.0, 21.5)),
        (32, (19.2, 15.8, 14.8, 15.8, 20.0)),
    ],
)
def test_v26_wall_energy_of_a_battery_car_by_speed_and_temperature(
    temperature_c: float, published: tuple[float, ...]
) -> None:
    got = 100 * wall_kwh_km(VehicleClass.PRIVATE_CAR, SPEED_KMH, INPUTS, temperature_c)
    assert got == pytest.approx(published, abs=0.05)  # the table has one decimal


def test_v26_fuel_of_a_petrol_car_by_speed() -> None:
    assert petrol_car_l_100km(SPEED_KMH, INPUTS) == pytest.approx((11.3, 8.7, 7.5, 7.1, 7.5), abs=0.05)


@pytest.mark.parametrize(("temperature_c", "published"), [(18, 0.94), (-5, 1.33), (30, 1.06)])
def test_v26_energy_of_a_battery_bus_by_temperature(temperature_c: float, published: float) -> None:
    power = climate_kw(temperature_c, INPUTS, "bus_")
    assert float(battery_bus_kwh_km(18, power, INPUTS)) == pytest.approx(published, abs=0.005)


def test_v26_a_plug_in_hybrid_of_50_km_drives_0_379_of_its_way_on_electricity() -> None:
    assert float(electric_share(50, INPUTS)) == pytest.approx(0.6 * (1 - np.exp(-1)), abs=1e-12)


def test_v27_100_tkm_500_road_pkm_and_30_rail_pkm_are_180() -> None:
    assert converted_turnover(100.0, {"road": 500.0, "rail": 30.0}, INPUTS) == 180.0


def test_v27_ships_and_flights_take_the_coefficients_of_the_statistics() -> None:
    way = {"water_berth": 7.0, "water_seat": 9.0, "air_domestic": 13.89, "air_international": 13.33}
    assert converted_turnover(0.0, way, INPUTS) == pytest.approx(12.0, abs=1e-12)


def test_v29_fuels_emit_the_product_of_the_guideline_values() -> None:
    kg = combustion_kg(INPUTS)
    assert kg[Fuel.PETROL] / INPUTS["carbon.petrol_density_kg_l"] == pytest.approx(2.9251, abs=1e-4)
    assert kg[Fuel.DIESEL] / INPUTS["carbon.diesel_density_kg_l"] == pytest.approx(3.0959, abs=1e-4)
    assert kg[Fuel.CNG] == pytest.approx(2.1622, abs=1e-4)


def test_a_battery_car_of_2021_emits_78_g_and_a_petrol_car_190_g() -> None:
    factor = build_factors(INPUTS, 2021)[Accounting.PROVINCIAL]
    battery = float(wall_kwh_km(VehicleClass.PRIVATE_CAR, 25, INPUTS, 20)) * factor[Fuel.ELECTRICITY]
    petrol = float(petrol_car_l_100km(25, INPUTS)) / 100 * factor[Fuel.PETROL]
    assert battery * 1000 == pytest.approx(0.13694 * 568.8, abs=0.1)
    assert petrol * 1000 == pytest.approx(190, abs=1)


def test_the_grid_of_2021_is_the_published_one_and_later_ones_use_nothing_published_later() -> None:
    factor = build_factors(INPUTS, 2021)[:, Fuel.ELECTRICITY]
    assert factor[Accounting.PROVINCIAL] == pytest.approx(0.5688, abs=1e-12)
    assert factor[Accounting.REGIONAL] == pytest.approx(0.712, abs=1e-12)
    later = build_factors(year_inputs(2022), 2022)[Accounting.PROVINCIAL, Fuel.ELECTRICITY]
    assert later == pytest.approx(0.5688 * np.exp(-0.025), abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_v28_lmdi_leaves_nothing_and_is_symmetric_in_time(seed: int) -> None:
    before, after = np.random.default_rng(seed).uniform(0.01, 100.0, (2, 6, 40))
    forth, back = lmdi(before, after), lmdi(after, before)
    change = after.prod(axis=0) - before.prod(axis=0)
    scale = np.maximum(after.prod(axis=0), before.prod(axis=0))
    assert (np.abs(forth.sum(axis=0) - change) / scale).max() < 1e-10
    assert (np.abs(forth + back) / scale).max() < 1e-10


def test_v28_lmdi_is_that_of_the_plain_formula() -> None:
    before, after = np.random.default_rng(3).uniform(0.5, 2.0, (2, 4, 5))
    plain = np.array([lmdi_cell(before[:, k], after[:, k]) for k in range(5)]).T
    assert lmdi(before, after) == pytest.approx(plain, rel=1e-12)


def test_v28_two_factors_that_grow_alike_share_the_change_evenly() -> None:
    # 1 x 1 -> 2 x 2: the change of 3 in halves; 10 x 3 -> 10 x 6: all of the 30 by the second
    assert lmdi([[1.0], [1.0]], [[2.0], [2.0]])[:, 0] == pytest.approx([1.5, 1.5], abs=1e-12)
    assert lmdi([[10.0], [3.0]], [[10.0], [6.0]])[:, 0] == pytest.approx([0.0, 30.0], abs=1e-12)


def test_v28_a_vanishing_factor_takes_the_limit_of_ever_smaller_ones() -> None:
    after = np.array([[4.0], [5.0], [6.0]])
    exact = lmdi([[2.0], [0.0], [6.0]], after)[:, 0]
    assert exact == pytest.approx([0.0, 120.0, 0.0], abs=1e-12)
    gaps = [
        np.abs(lmdi([[2.0], [tiny], [6.0]], after)[:, 0] - exact).max() for tiny in (1e-20, 1e-100, 1e-300)
    ]
    assert gaps[0] > gaps[1] > gaps[2]
    # the limit is reached as 1 / ln(1 / tiny): at 1e-300 the first factor still has ln 2 / 690 of the 120
    assert gaps[2] == pytest.approx(120 * np.log(2) / np.log(60 / 6e-300), rel=0.01)


def test_v28_factors_that_vanish_together_share_evenly_and_undefined_ones_count_as_unchanged() -> None:
    effect = lmdi([[3.0], [0.0], [0.0], [np.nan]], [[3.0], [2.0], [5.0], [7.0]])
    assert effect[:, 0] == pytest.approx([0.0, 105.0, 105.0, 0.0], abs=1e-12)
    gone = lmdi([[3.0], [2.0], [5.0], [7.0]], [[3.0], [0.0], [0.0], [np.nan]])
    assert gone == pytest.approx(-effect, abs=1e-12)
    assert not lmdi([[0.0], [np.nan]], [[0.0], [np.nan]]).any()


def test_lmdi_refuses_factors_below_zero() -> None:
    with pytest.raises(InputError, match="lmdi: after"):
        lmdi([[1.0]], [[-1.0]])


def test_the_logarithmic_mean_lies_between_the_geometric_and_the_arithmetic_one() -> None:
    a, b = np.random.default_rng(5).uniform(0.1, 9.0, (2, 500))
    mean = log_mean(a, b)
    assert (mean >= np.sqrt(a * b) * (1 - 1e-12)).all()
    assert (mean <= (a + b) / 2 * (1 + 1e-12)).all()
    assert log_mean(3.0, 3.0) == 3.0
    assert float(log_mean(1.0, 1.0 + 1e-12)) == pytest.approx(1.0, abs=1e-11)  # no cancellation near equality


def test_shapley_of_the_glove_game_is_the_textbook_one() -> None:
    def pairs(on: frozenset[str]) -> float:
        return float("left" in on and bool(on & {"right", "other"}))

    share = shapley(pairs, ["left", "right", "other"])
    assert [float(share[name]) for name in ("left", "right", "other")] == pytest.approx(
        [2 / 3, 1 / 6, 1 / 6], abs=1e-12
    )


def _game(on: frozenset[str]) -> float:
    """A set function with interactions."""
    size = sum(ord(name) - 96 for name in on)
    return size + 0.7 * ("a" in on and "c" in on) - 2.0 * ("b" in on and "d" in on) + 0.01 * size**2


def test_shapley_is_the_mean_over_all_orders() -> None:
    exact, slow = shapley(_game, "abcdef"), shapley_by_orders(_game, "abcdef")
    assert {name: float(share) for name, share in exact.items()} == pytest.approx(slow, abs=1e-12)


def test_drawn_shapley_adds_up_exactly_and_nears_the_mean_over_all_orders() -> None:
    names = "abcdefg"
    drawn, slow = shapley(_game, names, permutation_count=300, seed=4), shapley_by_orders(_game, names)
    assert sum(float(x) for x in drawn.values()) == pytest.approx(_game(frozenset(names)), abs=1e-9)
    # one order's gain of a pair (2.0 at most) is there or not: 600 draws in antithetic pairs leave 3 x 1.0 / sqrt(300)
    assert all(abs(float(drawn[name]) - slow[name]) < 3 / np.sqrt(300) for name in names)


def test_each_set_of_levers_is_run_once_and_a_lever_named_twice_is_refused() -> None:
    seen: list[frozenset[str]] = []

    def value(on: frozenset[str]) -> list[float]:
        seen.append(on)
        return [float(len(on)), 1.0]

    share = shapley(value, "abcd")
    assert len(seen) == len(set(seen)) == 16
    assert np.array(list(share.values())) == pytest.approx(np.array([[1.0, 0.0]] * 4), abs=1e-12)
    with pytest.raises(InputError, match="each lever once, got 'a'"):
        shapley(value, ["a", "b", "a"])


def test_ways_of_counting_follow_their_definitions() -> None:
    inputs = year_inputs(2025)
    factor, burnt = build_factors(inputs, 2025), combustion_kg(inputs)
    trend = np.exp(-0.025 * 4)
    assert (factor[:4, : Fuel.ELECTRICITY] == burnt[: Fuel.ELECTRICITY]).all()
    assert factor[Accounting.DIRECT, [Fuel.ELECTRICITY, Fuel.HYDROGEN]].tolist() == [0.0, 0.0]
    # green: 10 TWh from outside and 1 GW x 1350 h inside, of a use joined by a line from 123.3 to 155 TWh
    green = (10 + 1.35) / (123.3 + (155 - 123.3) * 4 / 9)
    market = (1 - green) * 1.1 * 0.712 * trend
    assert factor[Accounting.MARKET, Fuel.ELECTRICITY] == pytest.approx(market, rel=1e-12)
    wheel = factor[Accounting.WELL_TO_WHEEL]
    assert wheel[Fuel.PETROL] == pytest.approx(1.20 * burnt[Fuel.PETROL], rel=1e-12)
    assert wheel[Fuel.DIESEL] == pytest.approx(1.19 * burnt[Fuel.DIESEL], rel=1e-12)
    assert wheel[Fuel.LNG] == pytest.approx(1.15 * burnt[Fuel.LNG], rel=1e-12)
    assert wheel[Fuel.ELECTRICITY] == pytest.approx(0.5688 * trend * 1.09 / 0.95, rel=1e-12)
    assert wheel[Fuel.HYDROGEN] == 10.0
