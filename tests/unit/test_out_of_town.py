"""Cars with plates of other provinces: who keeps one, how their number follows the rule, and when they may move."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tiny import tiny_city
from transport_abm.agents import kernels_choice as kernel
from transport_abm.agents.cars.out_of_town import (
    build_out_of_town,
    calibrate_out_of_town,
    change_out_of_town,
    choose_out_of_town,
    day_share,
    usable_share,
)
from transport_abm.agents.mode_choice import traveller_terms
from transport_abm.agents.synthesis import synthesise
from transport_abm.agents.tables import Households, Persons
from transport_abm.agents.vehicle_market import build_vehicles
from transport_abm.core.draws import Stream, uniform
from transport_abm.core.errors import InputError
from transport_abm.core.vocabulary import PlateKind, Powertrain, Registration
from transport_abm.policy.inputs import year_inputs

CITY = tiny_city()
N = 40_000
ALL_DAYS = {"out_of_town.permit_year_count": 400.0}
RESIDENTS = float(CITY.zones.residents.sum()) / year_inputs(2020)["population.base_resident_count"]
SAMPLE = N / 2_000_000 / RESIDENTS
"""So that the 709,000 cars of 2018 are about 14,000 among the households of the test."""


def street() -> tuple[Households, np.ndarray]:
    """Households of all zones, half of which want a car more than they hold."""
    row = np.arange(N)
    households = Households.build(
        N, zone=(row % len(CITY.zones)).astype(np.int16), car=(row % 3 == 0).astype(np.int8), size=np.int8(2),
        registration=np.where(row % 2, Registration.OTHER, Registration.LOCAL).astype(np.int8),
    )  # fmt: skip
    return households, (households.car + (row % 4 < 2)).astype(np.int8)


def test_permits_allow_84_days_inside_the_ring_and_all_days_beyond() -> None:
    inputs = year_inputs(2021)
    assert day_share(inputs) == pytest.approx(84 / 365)
    inside = CITY.zones.ring <= 6
    assert inside.any()
    np.testing.assert_allclose(usable_share(CITY.zones, inputs)[inside], 84 / 365)
    assert (usable_share(CITY.zones, inputs)[~inside] == 1.0).all()
    assert day_share(year_inputs(2021, ALL_DAYS)) == 1.0


def test_with_all_days_usable_as_many_are_kept_as_in_2018_and_fewer_under_the_rule() -> None:
    households, wanted = street()
    inputs = year_inputs(2020)
    constant = calibrate_out_of_town(households, wanted, CITY.zones, inputs, sample=SAMPLE)
    free = choose_out_of_town(households, wanted, CITY.zones, constant, year_inputs(2020, ALL_DAYS), seed=1)
    ruled = choose_out_of_town(households, wanted, CITY.zones, constant, inputs, seed=1)
    expected = 709_000 * RESIDENTS * SAMPLE
    assert abs(free.sum() - expected) < 4 * np.sqrt(expected)
    assert not (ruled & ~free).any()
    assert ruled.sum() < 0.75 * free.sum()
    assert (wanted[ruled] > households.car[ruled]).all()


def test_chances_follow_the_formula() -> None:
    households, wanted = street()
    inputs = year_inputs(2022)
    holds = choose_out_of_town(households, wanted, CITY.zones, -0.3, inputs, seed=5)
    u = uniform(5, Stream.OUT_OF_TOWN, households.id, 0)
    days = usable_share(CITY.zones, inputs)
    for h in range(0, N, 37):
        elsewhere = households.registration[h] == Registration.OTHER
        odds = np.exp(-0.3 + elsewhere * inputs["out_of_town.elsewhere_weight"]) * days[households.zone[h]]
        assert holds[h] == (wanted[h] > households.car[h] and u[h] < odds / (1 + odds))


def test_a_plate_of_the_city_ends_the_car_from_elsewhere_and_the_table_follows_the_households() -> None:
    households, wanted = street()
    inputs = year_inputs(2020)
    cars, constant = build_out_of_town(households, wanted, CITY.zones, inputs, seed=1, sample=SAMPLE)
    assert (cars.plate == PlateKind.OUT_OF_TOWN).all()
    assert (cars.powertrain == Powertrain.ICE).all()
    keepers = np.flatnonzero(households.outside_car)
    np.testing.assert_array_equal(np.sort(cars.household), keepers)
    served = keepers[::2]
    households.car[served] = wanted[served]
    households.alive[keepers[1::10]] = False
    before = cars.age.copy()
    for year in (2021, 2022):
        change_out_of_town(
            cars, households, wanted, CITY.zones, constant, year_inputs(year), year=year, seed=1
        )
        held = np.bincount(cars.household[cars.alive], minlength=N)
        np.testing.assert_array_equal(held, households.outside_car)
    assert not households.outside_car[served].any()
    assert not households.outside_car[~households.alive].any()
    old = cars.alive[: len(before)]
    aged, fresh = cars.age[: len(before)][old] == before[old] + 2, cars.age[: len(before)][old] < 2
    assert (aged | fresh).all()
    assert 0 < fresh.sum() < aged.sum()


def test_more_cars_than_households_that_want_one_are_refused() -> None:
    households, wanted = street()
    with pytest.raises(InputError, match="count_2018"):
        calibrate_out_of_town(
            households,
            wanted,
            CITY.zones,
            year_inputs(2020, {"out_of_town.count_2018": 2.9e6}),
            sample=SAMPLE,
        )


def test_none_are_kept_where_none_were() -> None:
    households, wanted = street()
    cars, _ = build_out_of_town(
        households,
        wanted,
        CITY.zones,
        year_inputs(2020, {"out_of_town.count_2018": 0.0}),
        seed=1,
        sample=SAMPLE,
    )
    assert len(cars) == 0


def test_the_number_hangs_on_the_published_one_and_hardly_on_who_wants_cars() -> None:
    """The base-year constants are fitted with these cars and do not know the parameters of the wish."""
    kept = []
    for weight in (0.6, 1.3):
        inputs = year_inputs(2020, {"cars.desire_income": weight})
        households, persons, _ = synthesise(CITY.zones, CITY.districts, inputs, sample=1.0, seed=1)
        vehicles = build_vehicles(CITY, households, persons, inputs, seed=1, sample=1.0)
        kept.append(vehicles.outside.alive.sum())
        assert vehicles.private_book.closing.sum() == vehicles.cars.alive.sum()
    assert kept[0] > 20
    assert abs(kept[1] - kept[0]) < 3 * np.sqrt(kept[0])


# Who may drive when: the barring rule of the kernel, by permit, ring and period.
AM, MIDDAY, PM, NIGHT = range(4)
ELSEWHERE, TODAY = kernel.FROM_ELSEWHERE | kernel.HAS_CAR, kernel.RESTRICTED


@pytest.mark.parametrize(
    ("flag", "ring", "depart", "back", "barred"),
    [
        (ELSEWHERE, 5, AM, MIDDAY, True),  # with a permit: not in the peaks inside the 5th ring
        (ELSEWHERE, 5, MIDDAY, PM, True),
        (ELSEWHERE, 5, MIDDAY, NIGHT, False),
        (ELSEWHERE, 6, AM, PM, False),
        (ELSEWHERE | TODAY, 6, MIDDAY, MIDDAY, True),  # without: nowhere inside the 6th ring, at no time
        (ELSEWHERE | TODAY, 6, NIGHT, NIGHT, True),
        (ELSEWHERE | TODAY, 7, AM, PM, False),
        (kernel.HAS_CAR | TODAY, 5, AM, PM, True),  # a car of the city on its tail-number day
        (kernel.HAS_CAR | TODAY, 6, AM, PM, False),
        (kernel.HAS_CAR | TODAY, 5, NIGHT, NIGHT, False),
        (kernel.HAS_CAR, 2, AM, PM, False),
    ],
)
def test_rules_bar_a_car_by_its_plate_place_and_period(
    flag: int, ring: int, depart: int, back: int, barred: bool
) -> None:
    from tests.validation.test_mode_choice import terms

    assert bool(kernel._is_barred(np.uint8(flag), np.float32(ring), depart, back, terms())) is barred


def test_the_car_from_elsewhere_goes_to_the_first_driver_without_one_and_has_a_permit_on_84_days() -> None:
    n = 30_000
    households = Households.build(n, car=np.int8(0), outside_car=np.int8(1), size=np.int8(2))
    persons = Persons.build(
        2 * n,
        household=np.repeat(np.arange(n, dtype=np.int32), 2),
        age=np.int8(40),
        licence=np.array([True, False] * n),
    )
    flag = traveller_terms(persons, households, year_inputs(2023), seed=1).flag
    first, second = flag[::2], flag[1::2]
    assert (first & kernel.HAS_CAR > 0).all()
    assert not (second & kernel.HAS_CAR).any()
    assert (flag & kernel.FROM_ELSEWHERE > 0).all()
    assert (second & kernel.CAN_RIDE > 0).all()
    free = (first & kernel.RESTRICTED == 0).mean()
    expected = 84 / 365 * (1 - year_inputs(2023)["tail_number.day_count"] / 5)
    assert abs(free - expected) < 4 * np.sqrt(expected * (1 - expected) / n)
    own = Households.build(n, car=np.int8(1), outside_car=np.int8(1), size=np.int8(2))
    both = Persons.build(2 * n, household=persons.household, age=np.int8(40), licence=True)
    flag = traveller_terms(both, own, year_inputs(2023), seed=1).flag
    assert not (flag[::2] & kernel.FROM_ELSEWHERE).any()
    assert (flag[1::2] & kernel.FROM_ELSEWHERE > 0).all()
