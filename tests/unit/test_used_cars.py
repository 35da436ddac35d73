"""Used cars from outside the city: who takes one instead of a new car, and what keeps them out."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from tests import naive_powertrain as naive
from tests.powertrain_case import Case
from transport_abm.agents.cars.offers import IS_BATTERY, POWERTRAIN_OF, Alternative, offers
from transport_abm.agents.cars.powertrain import Purchase
from transport_abm.agents.cars.stock import add_cars
from transport_abm.agents.cars.used import OIL, choose_used, oldest_age, used_terms
from transport_abm.agents.vehicles import Cars, VehicleBook
from transport_abm.core.draws import Stream, stream_key
from transport_abm.core.errors import InputError
from transport_abm.core.vocabulary import Powertrain, VehicleClass
from transport_abm.policy.inputs import YearInputs, year_inputs

WILLING = {"cars.used_constant": 0.0}
"""Buyers to whom a used car is as good as a new one: enough of them to see who moves."""


@pytest.fixture(scope="module")
def case() -> Case:
    return Case()


def taken(case: Case, inputs: YearInputs, seed: int = 3) -> Purchase:
    """The purchases of the case with the ages of the cars."""
    return choose_used(case.bought(inputs), case.key, offers(inputs), inputs, year=inputs.year, seed=seed)


def used_share(case: Case, inputs: YearInputs) -> float:
    return float((taken(case, inputs).age > 0).mean())


@pytest.mark.parametrize("year", [2021, 2024, 2030])
def test_the_choice_is_that_of_the_slow_twin(case: Case, year: int) -> None:
    inputs = year_inputs(year, WILLING)
    bought = taken(case, inputs)
    key = stream_key(3, Stream.USED_ELSEWHERE, year)
    sale = offers(inputs)
    seen = set()
    for i in range(0, len(bought.age), 11):
        kind, weight = Alternative(bought.alternative[i]), float(bought.weight[i])
        given_up, post = divmod(int(bought.variant[i]), 2)
        new = -weight * naive.perceived_cny(kind, given_up, bool(post), inputs) / 1e4
        used = naive.used_utilities(kind, weight, bool(post), inputs)
        age = naive.used_age(new, used, inputs["cars.used_nest"], key, int(case.key[i]))
        assert bought.age[i] == age
        if age:
            fee = inputs["cars.used_fee_cny"]
            assert bought.price_cny[i] == pytest.approx(naive.used_price_cny(kind, age, inputs) + fee)
        elif kind is Alternative.ICE:
            assert bought.price_cny[i] <= sale.price_cny[kind] + sale.tax_cny[kind]
        seen.add(age)
    assert len(seen) > 2


def test_no_oil_car_older_than_the_citys_emission_standard_comes_in(case: Case) -> None:
    for year in (2021, 2023, 2026):
        inputs = year_inputs(year, WILLING)
        bought = taken(case, inputs)
        oil = np.isin(bought.alternative, [int(k) for k in OIL])
        used = bought.age > 0
        assert year - int(bought.age[used & oil].max()) == inputs["cars.used_oil_first_year"]
        assert bought.age[used & ~oil].max() > year - inputs["cars.used_oil_first_year"]
    assert oldest_age(year_inputs(2020))[list(OIL)].tolist() == [0, 0, 0]
    assert not np.isfinite(used_terms(offers(year_inputs(2020)), year_inputs(2020))[1][list(OIL), 1:]).any()


def test_a_later_standard_keeps_out_oil_cars_alone(case: Case) -> None:
    strict = year_inputs(2025, WILLING | {"cars.used_oil_first_year": 2024.0})
    before, after = taken(case, year_inputs(2025, WILLING)), taken(case, strict)
    oil = np.isin(before.alternative, [int(k) for k in OIL])
    np.testing.assert_array_equal(before.age[~oil], after.age[~oil])
    assert (after.age[oil] > 0).sum() < (before.age[oil] > 0).sum()
    assert after.age[oil].max() == 1


@pytest.mark.parametrize(
    ("change", "sign"),
    [
        ({"cars.used_fee_cny": 15_000.0}, -1),
        ({"cars.used_age_weight": -0.4}, -1),
        ({"cars.used_upkeep_growth": 0.2}, -1),
        ({"vehicle_prices.ice_cny": 150_000.0}, 1),
        ({"cars.used_constant": 1.0}, 1),
    ],
)
def test_what_makes_used_cars_dearer_lowers_their_share(
    case: Case, change: dict[str, float], sign: int
) -> None:
    plain, changed = (used_share(case, year_inputs(2025, WILLING | c)) for c in ({}, change))
    assert sign * (changed - plain) > 0.005


def test_a_subsidy_for_new_cars_keeps_buyers_from_used_ones(case: Case) -> None:
    inputs, paid = (
        year_inputs(2025, WILLING | {"vehicle_prices.nev_subsidy_cny": cny}) for cny in (0.0, 40_000.0)
    )
    kind = Alternative.BEV_LONG
    cost, more = used_terms(offers(inputs), inputs)[0], used_terms(offers(paid), paid)[0]
    np.testing.assert_array_equal(cost[:, :, 1:], more[:, :, 1:])
    np.testing.assert_allclose(cost[:, kind, 0] - more[:, kind, 0], 4.0)


def test_used_battery_cars_reach_less_far_and_keep_their_powertrain(case: Case) -> None:
    inputs = year_inputs(2025, WILLING)
    bought, new = taken(case, inputs), case.bought(inputs)
    battery = IS_BATTERY[bought.alternative] & (bought.age > 0)
    assert battery.sum() > 20
    assert (bought.range_km[battery] < new.range_km[battery]).all()
    np.testing.assert_array_equal(bought.range_km[bought.age == 0], new.range_km[bought.age == 0])
    np.testing.assert_array_equal(bought.powertrain, POWERTRAIN_OF[bought.alternative])


def test_with_the_shipped_constant_some_of_two_in_a_hundred_buy_used_in_2021() -> None:
    assert 0.008 < used_share(Case(), year_inputs(2021)) < 0.05


def test_cars_brought_in_stand_in_the_books_by_powertrain_and_age_as_they_are(case: Case) -> None:
    inputs = year_inputs(2025, WILLING)
    bought = taken(case, inputs)
    cars, book = Cars.build(0), VehicleBook(2025)
    add_cars(
        cars, book, household=case.household, plate=case.plate, powertrain=bought.powertrain,
        range_km=bought.range_km, home_post=bought.home_post, brought_in=bought.age > 0, age=bought.age,
    )  # fmt: skip
    book.check()
    own = VehicleClass.PRIVATE_CAR
    used = np.bincount(bought.powertrain[bought.age > 0], minlength=len(Powertrain))
    np.testing.assert_array_equal(book.brought_in[own].sum(axis=1), used)
    np.testing.assert_array_equal(cars.age, bought.age)
    assert used[Powertrain.ICE] > 0
    assert used[Powertrain.BEV] > 0


def test_one_and_two_threads_give_the_same_ages(case: Case) -> None:
    threads = numba.get_num_threads()
    try:
        ages = []
        for count in (1, 2):
            numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))
            ages.append(taken(case, year_inputs(2025, WILLING)).age)
    finally:
        numba.set_num_threads(threads)
    np.testing.assert_array_equal(*ages)


def test_one_key_a_purchase_is_asked_for(case: Case) -> None:
    inputs = year_inputs(2025)
    with pytest.raises(InputError, match="used cars: key"):
        choose_used(case.bought(inputs), case.key[:-1], offers(inputs), inputs, year=2025, seed=3)
