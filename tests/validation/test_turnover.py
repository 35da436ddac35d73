"""V-18 and V-42 for private cars: the Weibull steady state, and books that close with nothing left."""

from __future__ import annotations

import numpy as np
import pytest

from tests.naive_cars import weibull_survival
from tests.tiny import tiny_city
from transport_abm.agents.cars.stock import (
    add_cars,
    base_ages,
    build_cars,
    count_cars,
    past_cohorts,
    registered_before,
)
from transport_abm.agents.cars.turnover import hazard, leaving_share, may_replace, survival, turn_over
from transport_abm.agents.population import update_population
from transport_abm.agents.synthesis import synthesise
from transport_abm.agents.tables import Households
from transport_abm.agents.vehicles import Cars, VehicleBook
from transport_abm.core.errors import ConservationError
from transport_abm.core.vocabulary import PlateKind, Powertrain, VehicleClass
from transport_abm.policy.inputs import YearInputs, year_inputs

CITY = tiny_city()
MEAN_YEAR, SHAPE = 14.5, 4.8
PRIVATE = VehicleClass.PRIVATE_CAR
SCRAPPING_ONLY = {"cars.export_share": 0.0, "cars.replace_share": 0.0}
PRIVATE_CARS_2020, PRIVATE_BATTERY_CARS_2020 = 5_078_000, 300_000
NEW_ENERGY_2017, PUBLIC_BATTERY_2020 = 137_800, 70_600


def test_expected_life_in_whole_years_is_the_mean_life_and_a_half() -> None:
    age = np.arange(200.0)
    assert survival(age, MEAN_YEAR, SHAPE).sum() == pytest.approx(15.0, abs=1e-6)


def test_survival_has_the_published_values() -> None:
    published = {14.5: 0.896, 13.1: 0.836, 11.5: 0.715, 12.8: 0.818, 10.1: 0.535, 8.0: 0.147}
    for mean, share in published.items():
        assert float(survival(np.array([10.0]), mean, SHAPE)[0]) == pytest.approx(share, abs=6e-4)


def test_scale_gives_the_mean_life() -> None:
    for age in (5.0, 15.0):
        slow = weibull_survival(age, MEAN_YEAR, SHAPE)
        assert float(survival(np.array([age]), MEAN_YEAR, SHAPE)[0]) == pytest.approx(slow, abs=1e-6)


def test_hazards_multiply_to_the_survival() -> None:
    age = np.arange(40.0)
    stays = np.cumprod(1.0 - hazard(age, MEAN_YEAR, SHAPE))
    np.testing.assert_allclose(stays, survival(age + 1, MEAN_YEAR, SHAPE), rtol=1e-9)


@pytest.mark.parametrize(("powertrain", "mean"), [(Powertrain.ICE, 14.5), (Powertrain.BEV, 12.0)])
def test_stock_in_the_steady_state_is_sales_times_expected_life(powertrain: Powertrain, mean: float) -> None:
    yearly, years = 6_000, 45
    households = Households.build(yearly * years)
    cars = Cars.build(0)
    stock = []
    for t in range(years):
        year = 2021 + t
        book = VehicleBook(year)
        turn_over(cars, households, year_inputs(2021, SCRAPPING_ONLY), book, year=year, seed=1)
        add_cars(
            cars, book, household=np.arange(t * yearly, (t + 1) * yearly, dtype=np.int32),
            plate=np.zeros(yearly, np.int8), powertrain=np.full(yearly, powertrain, np.int8),
            range_km=np.zeros(yearly, np.int16), home_post=np.zeros(yearly, np.bool_),
        )  # fmt: skip
        book.check()
        stock.append(int(book.closing.sum()))
    steady = yearly * survival(np.arange(200.0), mean, SHAPE).sum()
    assert steady == pytest.approx(yearly * (mean + 0.5), rel=1e-6)
    assert stock[-1] == pytest.approx(steady, rel=0.01)


def _year(people: tuple, cars: Cars, year: int, inputs: YearInputs) -> VehicleBook:  # type: ignore[type-arg]
    """One year: people change, cars turn over, every second owner replaces, some cars come from outside."""
    households, persons = people
    update_population(households, persons, CITY.zones, inputs, year=year, seed=1, sample=1.0)
    book = VehicleBook(year)
    given = turn_over(cars, households, inputs, book, year=year, seed=1)
    count_cars(households, cars)
    chosen = may_replace(given, households.car, np.full(len(households), 1, np.int8))
    n = int(chosen.sum())
    powertrain = np.where(np.arange(n) % 3 == 0, Powertrain.BEV, given.powertrain[chosen]).astype(np.int8)
    add_cars(
        cars, book, household=given.household[chosen], plate=given.plate[chosen], powertrain=powertrain,
        range_km=np.zeros(n, np.int16), home_post=np.zeros(n, np.bool_), brought_in=np.arange(n) % 5 == 0,
    )  # fmt: skip
    count_cars(households, cars)
    return book


def test_books_close_every_year_by_powertrain_and_each_opens_where_the_last_closed() -> None:
    people = synthesise(CITY.zones, CITY.districts, year_inputs(2020), sample=1.0, seed=1)[:2]
    cars = build_cars(people[0], year_inputs(2020), seed=1)
    before = np.bincount(cars.powertrain[cars.alive], minlength=len(Powertrain))
    flows = np.zeros(4, np.int64)
    for year in range(2021, 2031):
        book = _year(people, cars, year, year_inputs(year))
        book.check()
        np.testing.assert_array_equal(book.opening[PRIVATE].sum(axis=1), before)
        before = np.bincount(cars.powertrain[cars.alive], minlength=len(Powertrain))
        np.testing.assert_array_equal(book.closing[PRIVATE].sum(axis=1), before)
        parts = (book.new, book.brought_in, book.scrapped, book.taken_out)
        flows += [int(part[PRIVATE].sum()) for part in parts]
        assert not any(part[other].any() for part in parts for other in VehicleClass if other != PRIVATE)
        assert people[0].car[people[0].alive].sum() == before.sum()
    assert (flows > 0).all()


def test_a_car_lost_outside_the_books_is_found() -> None:
    people = synthesise(CITY.zones, CITY.districts, year_inputs(2020), sample=1.0, seed=1)[:2]
    cars = build_cars(people[0], year_inputs(2020), seed=1)
    book = VehicleBook(2021)
    turn_over(cars, people[0], year_inputs(2021), book, year=2021, seed=1)
    book.check()
    cars.alive[np.flatnonzero(cars.alive & (cars.powertrain == Powertrain.ICE))[0]] = False
    none = np.zeros(0, np.int8)
    add_cars(
        cars, book, household=none.astype(np.int32), plate=none, powertrain=none,
        range_km=none.astype(np.int16), home_post=none.astype(np.bool_),
    )  # fmt: skip
    with pytest.raises(ConservationError, match=r"private_car ICE petrol: \+1"):
        book.check()


def test_past_cohorts_survive_to_the_stock_of_2020() -> None:
    inputs = year_inputs(2020)
    stock = base_ages(inputs).sum(axis=1)
    petrol = 1.0 - inputs["cars.phev_share"] - inputs["cars.hev_share"]
    assert stock[Powertrain.ICE] == pytest.approx(
        (PRIVATE_CARS_2020 - PRIVATE_BATTERY_CARS_2020) * petrol, rel=0.005
    )
    assert stock[Powertrain.BEV] == pytest.approx(PRIVATE_BATTERY_CARS_2020, rel=0.005)


def test_battery_cars_of_2017_leave_room_for_a_public_fleet_no_larger_than_that_of_2020() -> None:
    inputs = year_inputs(2020)
    cohort, leaving = past_cohorts(inputs)[Powertrain.BEV], leaving_share(inputs)[Powertrain.BEV]
    stays = np.r_[1.0, np.cumprod(1.0 - leaving)]
    private_2017 = sum(cohort[age] * stays[age - 3] for age in range(3, 8))
    assert 0 < NEW_ENERGY_2017 - private_2017 < PUBLIC_BATTERY_2020


def test_stock_of_2020_loses_as_many_cars_as_the_registrations_of_2020_and_2021_say() -> None:
    inputs = year_inputs(2020)
    stock = base_ages(inputs)
    ordinary = PRIVATE_CARS_2020 - PRIVATE_BATTERY_CARS_2020
    share = {
        Powertrain.ICE: 1 - inputs["cars.phev_share"] - inputs["cars.hev_share"],
        Powertrain.HEV: inputs["cars.hev_share"],
        Powertrain.PHEV: inputs["cars.phev_share"],
    }
    count = {p: ordinary * part for p, part in share.items()} | {Powertrain.BEV: PRIVATE_BATTERY_CARS_2020}
    lost = sum(n * stock[p] @ leaving_share(inputs)[p] / stock[p].sum() for p, n in count.items())
    published = ((498_700 - 88_000) / 5_908_000 + (542_093 - 174_000) / 5_996_000) / 2
    assert lost / PRIVATE_CARS_2020 == pytest.approx(published, rel=0.005)


def test_cars_ever_registered_are_those_in_use_and_those_gone() -> None:
    inputs = year_inputs(2020)
    n = 30_000
    cars = build_cars(Households.build(n, car=np.int8(1), nev=np.int8(1)), inputs, seed=1)
    ever = registered_before(cars, inputs)
    cohort, in_use = past_cohorts(inputs)[Powertrain.BEV], base_ages(inputs)[Powertrain.BEV]
    gone = sum(cohort - in_use) / sum(in_use)
    assert 0 < gone < 0.05
    assert ever[Powertrain.BEV] == pytest.approx(n * (1 + gone))
    assert ever[Powertrain.ICE] == 0


def test_built_stock_has_the_ages_of_the_cohorts() -> None:
    n = 40_000
    households = Households.build(n, car=np.int8(1))
    inputs = year_inputs(2020)
    cars = build_cars(households, inputs, seed=1)
    petrol = cars.powertrain == Powertrain.ICE
    share = base_ages(inputs)[Powertrain.ICE] / base_ages(inputs)[Powertrain.ICE].sum()
    seen = np.bincount(cars.age[petrol], minlength=len(share)) / petrol.sum()
    error = np.sqrt(share * (1 - share) / petrol.sum())
    assert (abs(seen - share) <= 4.5 * error).all()
    assert (cars.plate == PlateKind.ORDINARY).all()
