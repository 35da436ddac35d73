"""The synthetic population meets its margins, zone by zone and at any sample."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numba
import numpy as np
import pytest

from tests.tiny import tiny_city
from transport_abm.agents.fitting import FitReport
from transport_abm.agents.margins import MARGINS, SIZES, read_margins
from transport_abm.agents.synthesis import control_names, synthesise
from transport_abm.agents.tables import ID_ZONE, Households, Persons
from transport_abm.core.errors import InputError
from transport_abm.core.vocabulary import PersonStatus, Registration, Sex
from transport_abm.networks.city import City, Zones
from transport_abm.policy.inputs import YearInputs, year_inputs

INPUTS = year_inputs(2020)
FACTOR = 30.0
"""The tiny city with so many times its residents, where shares can be told from chance."""


def larger(city: City) -> Zones:
    """Zones of the tiny city with more residents."""
    return replace(city.zones, residents=city.zones.residents * FACTOR)


@pytest.fixture(scope="module")
def people() -> tuple[Zones, Households, Persons, FitReport]:
    """The whole population of the larger tiny city."""
    zones = larger(tiny_city())
    return zones, *synthesise(zones, tiny_city().districts, INPUTS, sample=1.0, seed=4)


def digest(households: Households, persons: Persons) -> tuple[bytes, ...]:
    """All columns as bytes."""
    return tuple(t.column(name).tobytes() for t in (households, persons) for name in t.columns)


def test_district_weights_meet_every_margin(people: tuple[Zones, Households, Persons, FitReport]) -> None:
    assert people[3].max_error < 1e-6
    assert len(people[3].name) == 2 * len(control_names(read_margins()))


@pytest.mark.parametrize("sample", [1.0, 0.25, 0.01])
def test_sampled_persons_of_each_zone_are_its_residents_to_rounding(sample: float) -> None:
    zones = larger(tiny_city())
    households, persons, _ = synthesise(zones, tiny_city().districts, INPUTS, sample=sample, seed=1)
    count = np.bincount(households.zone[persons.household], minlength=len(zones))
    assert np.abs(count - zones.residents * sample).max() < 2 * SIZES


def test_households_hold_the_members_their_size_says(
    people: tuple[Zones, Households, Persons, FitReport],
) -> None:
    _, households, persons, _ = people
    np.testing.assert_array_equal(np.bincount(persons.household), households.size)


def test_rounded_population_has_the_citys_shares(
    people: tuple[Zones, Households, Persons, FitReport],
) -> None:
    zones, households, persons, _ = people
    city, n = read_margins().city, len(persons)
    # Rounding moves each zone by less than a household, twelve zones by less than twelve.
    slack = len(zones) * SIZES / n
    cars = 1 - city["car"][0] + city["car"][3:].sum()
    assert households.car.sum() / n == pytest.approx(cars * len(households) / n, abs=slack)
    nev = city["car"][[2, 4]].sum()
    assert households.nev.sum() / len(households) == pytest.approx(nev, abs=slack)
    size = np.bincount(households.size, minlength=SIZES + 1)[1:] / len(households)
    np.testing.assert_allclose(size, city["size"], atol=slack)
    local = households.size[households.registration == Registration.LOCAL].sum() / n
    assert local == pytest.approx(city["registration"][0], abs=slack)
    np.testing.assert_allclose(
        [(persons.status == s).mean() for s in PersonStatus],
        [read_margins().classes.share[read_margins().classes.status == s].sum() for s in PersonStatus],
        atol=2 * slack,
    )


def test_drawn_attributes_have_their_published_means(
    people: tuple[Zones, Households, Persons, FitReport],
) -> None:
    _, households, persons, _ = people
    n = len(persons)
    four_errors = 4 * 0.5 / np.sqrt(n)
    assert persons.licence.mean() == pytest.approx(INPUTS["population.licence_share"], abs=four_errors)
    assert (persons.sex == Sex.MALE).mean() == pytest.approx(read_margins().city["sex"][1], abs=four_errors)
    assert (persons.age >= 60).mean() == pytest.approx(0.196, abs=2e-3)
    assert (persons.age >= 65).mean() == pytest.approx(0.133, abs=four_errors)
    income = households.income_cny.sum(dtype=np.float64) / n
    assert income == pytest.approx(INPUTS["population.income_cny"], rel=5e-3)


def test_statuses_fit_the_ages(people: tuple[Zones, Households, Persons, FitReport]) -> None:
    persons = people[2]
    assert persons.age[persons.status == PersonStatus.CHILD].max() < 6
    assert persons.age[persons.status == PersonStatus.WORKER].min() >= 18
    assert persons.age[persons.status == PersonStatus.RETIRED].min() >= 50
    assert not persons.licence[persons.age < 18].any()


def test_household_with_a_car_has_a_driver_if_somebody_is_of_the_age(
    people: tuple[Zones, Households, Persons, FitReport],
) -> None:
    _, households, persons, _ = people
    drivers = np.bincount(persons.household, persons.licence)
    able = np.bincount(persons.household, (persons.age >= 18) & (persons.age <= 75))
    assert not ((households.car > 0) & (able > 0) & (drivers == 0)).any()


def test_richer_households_hold_more_cars(people: tuple[Zones, Households, Persons, FitReport]) -> None:
    households = people[1]
    per_head = households.income_cny / households.size
    poor, rich = np.quantile(per_head, [0.2, 0.8])
    assert households.car[per_head >= rich].mean() > 1.5 * households.car[per_head <= poor].mean()


def test_identities_rise_and_count_from_their_zone(
    people: tuple[Zones, Households, Persons, FitReport],
) -> None:
    _, households, persons, _ = people
    assert (np.diff(persons.id) > 0).all() and (np.diff(households.id) > 0).all()
    np.testing.assert_array_equal(persons.id // ID_ZONE, households.zone[persons.household])


def test_change_of_one_zone_leaves_the_people_of_the_others_as_they_are() -> None:
    zones = tiny_city().zones
    # Move residents between two zones of one district: its weights stay the same.
    residents = zones.residents.copy()
    residents[0] += 100
    residents[1] -= 100
    both = []
    for one in (zones, replace(zones, residents=residents)):
        households, persons, _ = synthesise(one, tiny_city().districts, INPUTS, sample=1.0, seed=2)
        other = households.zone[persons.household] >= 2
        both.append(
            (persons.id[other].tobytes(), persons.age[other].tobytes(), persons.licence[other].tobytes())
        )
    assert both[0] == both[1]


def test_same_bits_on_one_and_two_threads_and_for_the_same_seed_only() -> None:
    city, results = tiny_city(), []
    for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
        numba.set_num_threads(threads)
        results.append(digest(*synthesise(city.zones, city.districts, INPUTS, sample=0.5, seed=1)[:2]))
    numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
    assert results[0] == results[1]
    assert results[0] != digest(*synthesise(city.zones, city.districts, INPUTS, sample=0.5, seed=2)[:2])


def test_mean_persons_over_seeds_is_residents_times_sample() -> None:
    city, runs = tiny_city(), 60
    count = [len(synthesise(city.zones, city.districts, INPUTS, sample=0.05, seed=s)[1]) for s in range(runs)]
    error = np.std(count) / np.sqrt(runs)
    assert abs(np.mean(count) - city.zones.residents.sum() * 0.05) < 4 * error


def test_zone_without_residents_stays_empty() -> None:
    city = tiny_city()
    residents = city.zones.residents.copy()
    residents[6:] = 0
    zones = replace(city.zones, residents=residents)
    households, _, report = synthesise(zones, city.districts, INPUTS, sample=1.0, seed=1)
    assert households.zone.max() == 5
    assert report.max_error < 1e-6


@pytest.mark.parametrize("sample", [0.0, 1.5, -1.0])
def test_sample_out_of_range_is_refused(sample: float) -> None:
    with pytest.raises(InputError, match="sample"):
        synthesise(tiny_city().zones, tiny_city().districts, INPUTS, sample=sample, seed=1)


def test_broken_margins_name_all_their_faults(tmp_path: Path) -> None:
    from transport_abm.policy.tables import data_folder

    for file in (data_folder() / "margins").iterdir():
        text = file.read_text(encoding="utf-8")
        if file.name == "city.csv":
            text = text.replace("income,1,0.2,", "income,1,0.3,")
        if file.name == "household_types.csv":
            text = text.replace("AWm AOf I,0.02,0,prior", "AWm ZZ I,0.02,0,guess")
        (tmp_path / file.name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_margins(tmp_path)
    message = str(caught.value)
    assert "income" in message and "ZZ" in message and "guess" in message


def test_every_margin_has_a_category_for_each_code() -> None:
    city = read_margins().city
    assert {name: len(share) for name, share in city.items()} == {k: len(v) for k, v in MARGINS.items()}


def test_higher_income_parameter_scales_every_income() -> None:
    city = tiny_city()
    double = YearInputs(2020, {**INPUTS, "population.income_cny": 2 * INPUTS["population.income_cny"]})
    one = synthesise(city.zones, city.districts, INPUTS, sample=0.2, seed=1)[0].income_cny
    two = synthesise(city.zones, city.districts, double, sample=0.2, seed=1)[0].income_cny
    np.testing.assert_allclose(two, 2 * one, rtol=1e-6)
