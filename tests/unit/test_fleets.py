"""The choice operators share, and fleets counted by age."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.naive_fleets import cheapest, present_value_cny, stock_by_age
from transport_abm.agents.energy_use import energy_use
from transport_abm.agents.fleets.cohorts import (
    AGE_COUNT,
    add_cohort,
    build_cohort,
    buy_cohort,
    close_cohort,
    retire_oldest,
    scrap_cohort,
    scrap_share,
    share_out,
    survival,
)
from transport_abm.agents.fleets.renewal import (
    BEV,
    DIESEL,
    PETROL,
    PETROL_HEV,
    PETROL_PHEV,
    annuity,
    choose_replacement,
    fuel_price_cny,
    read_offers,
    replacement_share,
    total_cost_cny,
)
from transport_abm.agents.vehicles import VehicleBook
from transport_abm.core.errors import InputError, ParameterError
from transport_abm.core.vocabulary import Fuel, Powertrain, VehicleClass
from transport_abm.policy.fuels import carbon_cost_cny
from transport_abm.policy.inputs import year_inputs

INPUTS = year_inputs(2021)
SCALE = INPUTS["fleets.tco_scale_cny"]
BOTH = np.array([[True, True]])


def chosen(cost: list[float], allowed: list[bool], n: int) -> np.ndarray:
    """Choices of n vehicles with one cost."""
    rows = np.broadcast_to(np.array(cost), (n, len(cost)))
    key = np.arange(n, dtype=np.int64)
    return choose_replacement(rows, np.array([allowed]), key, year=2021, seed=7, inputs=INPUTS)


def test_equal_costs_are_bought_half_and_half() -> None:
    assert replacement_share(np.zeros((1, 2)), BOTH, INPUTS) == pytest.approx(
        np.array([[0.5, 0.5]]), abs=1e-15
    )
    n = 40_000
    assert abs(chosen([0.0, 0.0], [True, True], n).mean() - 0.5) < 4 * 0.5 / np.sqrt(n)


def test_a_huge_difference_of_cost_decides_for_all() -> None:
    assert (chosen([1e7, 0.0], [True, True], 5_000) == 1).all()
    assert replacement_share(np.array([[1e7, 0.0]]), BOTH, INPUTS)[0, 1] == 1.0


def test_one_scale_of_cost_is_worth_odds_of_e() -> None:
    share = replacement_share(np.array([[0.0, SCALE]]), BOTH, INPUTS)[0]
    assert share[0] / share[1] == pytest.approx(np.e, rel=1e-12)
    n = 40_000
    bought = (chosen([0.0, SCALE], [True, True], n) == 0).mean()
    assert abs(bought - share[0]) < 4 * np.sqrt(share[0] * share[1] / n)


def test_a_barred_option_is_never_bought_however_cheap() -> None:
    assert (chosen([-1e9, 0.0, 10.0], [False, True, True], 2_000) != 0).all()
    assert replacement_share(np.array([[-1e9, 0.0]]), np.array([[False, True]]), INPUTS)[0, 0] == 0.0


def test_who_is_left_without_an_option_is_refused() -> None:
    with pytest.raises(ParameterError, match="an option for every vehicle"):
        chosen([0.0, 0.0], [False, False], 3)
    with pytest.raises(ParameterError, match="finite costs"):
        chosen([0.0, float("nan")], [True, True], 3)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(-1e5, 1e5), min_size=2, max_size=6),
    st.integers(0, 2**40),
    st.integers(0, 30),
    st.data(),
)
def test_the_choice_is_that_of_its_twin(cost: list[float], key: int, k: int, data: st.DataObject) -> None:
    allowed = data.draw(st.lists(st.booleans(), min_size=len(cost), max_size=len(cost)).filter(any))
    got = choose_replacement(
        np.array([cost]),
        np.array([allowed]),
        np.array([key], np.int64),
        year=2025,
        seed=3,
        inputs=INPUTS,
        k=k,
    )
    assert got[0] == cheapest(cost, allowed, key, scale_cny=SCALE, seed=3, year=2025, k=k)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1e5), min_size=3, max_size=3), st.integers(0, 2), st.floats(0, 5e4))
def test_a_cheaper_option_wins_vehicles_and_moves_none_between_others(
    cost: list[float], which: int, cut: float
) -> None:
    before = chosen(cost, [True] * 3, 300)
    cost[which] -= cut
    after = chosen(cost, [True] * 3, 300)
    assert (after[before != after] == which).all()


def test_the_cost_of_ownership_is_the_sum_of_its_years() -> None:
    offers = read_offers(INPUTS, "fleets.taxi", (PETROL, PETROL_HEV, BEV), VehicleClass.TAXI, year=2021)
    km = 90_000.0
    rate = INPUTS["fleets.hurdle_rate"]
    got = total_cost_cny(offers, km, INPUTS)[0]
    for j in range(3):
        expected = present_value_cny(
            offers.price_cny[j],
            offers.resale_cny[j],
            km * offers.running_cny_km[j],
            int(offers.service_year),
            rate,
        )
        assert got[j] == pytest.approx(expected, rel=1e-12)


def test_operators_reckon_with_the_energy_that_the_account_counts() -> None:
    price = fuel_price_cny(INPUTS)
    options = (PETROL, PETROL_PHEV, BEV)
    got = read_offers(INPUTS, "fleets.ride_hail", options, VehicleClass.RIDE_HAIL, year=2021)
    for option, running in zip(options, got.running_cny_km, strict=True):
        own, beside = energy_use(
            VehicleClass.RIDE_HAIL, option.powertrain, option.fuel, INPUTS,
            speed_kmh=INPUTS["energy.ride_hail_usual_kmh"], registered_year=2021,
        )  # fmt: skip
        upkeep = INPUTS[f"fleets.ride_hail.{option.name}_upkeep_cny_km"]
        energy = own * price[option.fuel] + beside * price[Fuel.ELECTRICITY]
        assert running == pytest.approx(energy + upkeep, rel=1e-12)


def test_a_later_vehicle_and_a_smaller_one_cost_less_energy() -> None:
    def energy(year: int, size_factor: float = 1.0) -> float:
        offers = read_offers(
            INPUTS, "freight.heavy", (DIESEL,), VehicleClass.TRUCK, year=year, size_factor=size_factor
        )
        return float(offers.running_cny_km[0] - INPUTS["freight.heavy.diesel_upkeep_cny_km"])

    gain = INPUTS["energy.heavy_improvement_share"]
    assert energy(2025) / energy(2021) == pytest.approx(np.exp(-4 * gain), rel=1e-12)
    assert energy(2021, 0.42) / energy(2021) == pytest.approx(0.42, rel=1e-12)


def test_annuity_of_no_interest_is_the_number_of_years() -> None:
    assert annuity(0.0, 8.0) == 8.0
    assert annuity(1e-9, 8.0) == pytest.approx(8.0, abs=1e-6)
    assert annuity(0.08, 1.0) == pytest.approx(1 / 1.08, rel=1e-14)


def test_operators_pay_the_fuel_tax_and_the_carbon_price_in_full() -> None:
    base = fuel_price_cny(INPUTS)
    taxed = fuel_price_cny(year_inputs(2021, {"energy.fuel_tax_cny_l": 1.5}))
    assert taxed - base == pytest.approx(np.array([1.5, 1.5, 0, 0, 0, 0]), abs=1e-12)
    priced_inputs = year_inputs(2021, {"energy.carbon_price_cny_t": 200.0})
    priced = fuel_price_cny(priced_inputs)
    assert priced - base == pytest.approx([carbon_cost_cny(f, priced_inputs, 2021) for f in Fuel], abs=1e-12)
    assert (priced > base)[[Fuel.PETROL, Fuel.DIESEL, Fuel.CNG, Fuel.LNG, Fuel.ELECTRICITY]].all()


def test_survival_adds_up_to_fifteen_years_at_a_mean_life_of_fourteen_and_a_half() -> None:
    assert survival(14.5, 4.8).sum() == pytest.approx(15.0, abs=1e-6)  # V-18


def test_constant_sales_lead_to_the_steady_stock_of_the_survival_curve() -> None:
    share = scrap_share(10.0, 4.8)
    cohort = build_cohort("c", VehicleClass.TRUCK, 1, {DIESEL: 0}, np.ones(1))
    for year in range(2000, 2000 + AGE_COUNT):
        book = VehicleBook(year)
        scrap_cohort(cohort, share, book, year=year, seed=1)
        add_cohort(cohort, DIESEL, 1_000_000, book)
        close_cohort(cohort, book)
        book.check()
    expected = stock_by_age(1e6, 10.0, 4.8, AGE_COUNT)
    assert cohort.count.sum(axis=(0, 1)) == pytest.approx(
        expected, abs=AGE_COUNT
    )  # one vehicle a year of rounding


def test_the_oldest_age_leaves_whole() -> None:
    weight = np.zeros(AGE_COUNT)
    weight[-1] = 1.0
    cohort = build_cohort("c", VehicleClass.TRUCK, 1, {DIESEL: 17}, weight)
    assert scrap_cohort(cohort, np.zeros(AGE_COUNT), VehicleBook(2021), year=2021, seed=1) == 17
    assert cohort.total == 0


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 5_000),
    st.integers(0, 500),
    st.integers(0, 3_000),
    st.floats(2.0, 20.0),
    st.integers(0, 2**32),
    st.integers(0, 600),
)
def test_the_books_of_a_cohort_close_to_the_vehicle(
    diesel: int, bev: int, bought: int, life: float, seed: int, early: int
) -> None:
    cohort = build_cohort(
        "c", VehicleClass.TRUCK, 2, {DIESEL: diesel, BEV: bev}, survival(life, 4.8)[:AGE_COUNT]
    )
    assert cohort.total == diesel + bev and cohort.new_energy == bev
    book = VehicleBook(2021)
    gone = scrap_cohort(cohort, scrap_share(life, 4.8), book, year=2021, seed=seed)
    oil = int(cohort.by_kind()[Powertrain.ICE].sum())
    retired = retire_oldest(cohort, (Powertrain.ICE,), early, book)
    new = buy_cohort(
        cohort,
        bought,
        (DIESEL, BEV),
        np.array([0.0, 1e4]),
        BOTH[0],
        book,
        year=2021,
        seed=seed,
        inputs=INPUTS,
    )
    close_cohort(cohort, book)
    book.check()
    assert retired == min(early, oil) and new.sum() == bought
    assert cohort.total == diesel + bev - gone - retired + bought
    assert (cohort.count >= 0).all()


def test_early_retirement_takes_the_oldest_first() -> None:
    cohort = build_cohort("c", VehicleClass.TRUCK, 2, {DIESEL: 100, BEV: 100}, np.ones(10))
    retire_oldest(cohort, (Powertrain.ICE,), 25, VehicleBook(2021))
    left = cohort.count[Powertrain.ICE, Fuel.DIESEL]
    assert left[:7].tolist() == [10] * 7 and left[7] == 5 and left[8:].sum() == 0
    assert cohort.new_energy == 100


def test_rounded_purchases_have_the_right_mean_and_never_a_barred_option() -> None:
    cost, total = np.array([0.0, SCALE, 0.0]), np.zeros(3)
    options, allowed = (DIESEL, BEV, PETROL), np.array([True, True, False])
    runs = 2_000
    for seed in range(runs):
        cohort = build_cohort("c", VehicleClass.TRUCK, 3, {DIESEL: 0}, np.ones(1))
        bought = buy_cohort(
            cohort, 7, options, cost, allowed, VehicleBook(2021), year=2021, seed=seed, inputs=INPUTS
        )
        total += bought
        assert bought[2] == 0 and bought.sum() == 7
    expected = 7 * replacement_share(cost[None], allowed[None], INPUTS)[0]
    assert total / runs == pytest.approx(expected, abs=4 * 0.5 / np.sqrt(runs))


@given(st.integers(0, 10**6), st.lists(st.floats(0.0, 10.0), min_size=1, max_size=8))
def test_shares_of_a_whole_add_up_to_it(total: int, weight: list[float]) -> None:
    if total and not sum(weight) > 0:
        with pytest.raises(InputError):
            share_out(total, np.array(weight))
        return
    got = share_out(total, np.array(weight))
    assert got.sum() == total and (got >= 0).all()
    if total:
        assert (np.abs(got - total * np.array(weight) / sum(weight)) < 1 + 1e-6).all()
