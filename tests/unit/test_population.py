"""The population from year to year: exact balances, published totals, identities that last."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiny import tiny_city
from transport_abm.agents.population import PopulationChange, _exactly, update_population
from transport_abm.agents.synthesis import synthesise
from transport_abm.agents.tables import Households, Persons
from transport_abm.core.vocabulary import PersonStatus
from transport_abm.policy.inputs import YearInputs, year_inputs

CITY = tiny_city()
YEARS = range(2021, 2026)


def build(seed: int = 1) -> tuple[Households, Persons]:
    """The population of the tiny city."""
    return synthesise(CITY.zones, CITY.districts, year_inputs(2020), sample=1.0, seed=seed)[:2]


def step(people: tuple[Households, Persons], year: int, inputs: YearInputs | None = None) -> PopulationChange:
    """One year."""
    return update_population(*people, CITY.zones, inputs or year_inputs(year), year=year, seed=1, sample=1.0)


def test_persons_close_every_year_and_follow_the_published_total() -> None:
    people = build()
    for year in YEARS:
        before = int(people[1].alive.sum())
        change = step(people, year)
        assert change.before == before
        assert change.after == before + change.births + change.moved_in - change.deaths - change.moved_out
        assert change.after == people[1].alive.sum() == change.target
        count = year_inputs(year)["population.resident_count"]
        assert change.target == round(CITY.zones.residents.sum() * count / 21_893_095)


def test_identities_are_never_changed_nor_given_again() -> None:
    people = build()
    known: list[set[int]] = [set(), set()]
    for year in YEARS:
        ids = [table.id.copy() for table in people]
        step(people, year)
        for k, table in enumerate(people):
            np.testing.assert_array_equal(table.id[: len(ids[k])], ids[k])
            new = set(table.id[len(ids[k]) :].tolist())
            assert not new & known[k]
            known[k] |= set(ids[k].tolist()) | new
            assert len(known[k]) == len(table)


def test_dead_and_departed_never_return() -> None:
    people = build()
    gone = np.zeros(0, np.int64)
    for year in YEARS:
        step(people, year)
        assert not people[1].alive[gone].any()
        gone = np.flatnonzero(~people[1].alive)
    assert gone.size


def test_household_sizes_are_their_living_members_and_nobody_lives_in_an_empty_one() -> None:
    people = build()
    for year in YEARS:
        step(people, year)
    households, persons = people
    np.testing.assert_array_equal(
        np.bincount(persons.household[persons.alive], minlength=len(households)), households.size
    )
    np.testing.assert_array_equal(households.alive, households.size > 0)


def test_survivors_are_one_year_older_and_newborn_are_children() -> None:
    people = build()
    age, n = people[1].age.copy(), len(people[1])
    change = step(people, 2021)
    stays = people[1].alive[:n]
    np.testing.assert_array_equal(people[1].age[:n][stays], age[stays] + 1)
    born = slice(n, n + change.births)
    assert (people[1].age[born] == 0).all() and (people[1].status[born] == PersonStatus.CHILD).all()


def test_statuses_follow_age() -> None:
    people = build()
    for year in YEARS:
        step(people, year)
    persons, inputs = people[1], year_inputs(2025)
    age, status = persons.age[persons.alive], persons.status[persons.alive]
    assert not ((status == PersonStatus.CHILD) & (age >= inputs["population.school_age_year"])).any()
    assert not ((status == PersonStatus.STUDENT) & (age >= inputs["population.study_end_year"])).any()
    assert not ((status == PersonStatus.OTHER_ADULT) & (age >= inputs["population.retire_male_year"])).any()


def test_births_and_deaths_have_their_published_rates() -> None:
    births = deaths = residents = 0
    expected = np.zeros(2)
    for seed in range(8):
        people = build(seed)
        inputs = year_inputs(2021)
        change = update_population(*people, CITY.zones, inputs, year=2021, seed=seed, sample=1.0)
        births, deaths, residents = births + change.births, deaths + change.deaths, residents + change.before
        expected += (
            change.before
            * np.array([inputs["population.birth_rate"], inputs["population.death_rate"]])
            / 1000
        )
    # Counts of rare events: four standard deviations of a Poisson count.
    assert abs(births - expected[0]) < 4 * np.sqrt(expected[0])
    assert abs(deaths - expected[1]) < 4 * np.sqrt(expected[1])


def test_movers_look_for_work_and_school_anew_and_the_rest_keep_theirs() -> None:
    people = build()
    persons = people[1]
    persons.work_zone[persons.status == PersonStatus.WORKER] = 3
    zone, n = people[0].zone[persons.household].copy(), len(persons)
    step(people, 2021)
    persons = people[1]
    works = persons.alive[:n] & (persons.status[:n] == PersonStatus.WORKER)
    moved = people[0].zone[persons.household[:n]] != zone
    assert (moved & works).any()
    assert (persons.work_zone[:n][works & moved] == -1).all()
    assert (persons.work_zone[:n][persons.alive[:n] & ~works] == -1).all()


def test_mean_income_follows_the_published_series() -> None:
    people = build()
    for year in YEARS:
        step(people, year)
        alive = people[0].alive
        mean = people[0].income_cny[alive].sum(dtype=np.float64) / people[1].alive.sum()
        assert mean == pytest.approx(year_inputs(year)["population.income_cny"], rel=1e-5)


def test_cars_change_only_by_those_of_households_that_end() -> None:
    people = build()
    for year in YEARS:
        alive, car = people[0].alive.copy(), people[0].car.copy()
        change = step(people, year)
        ended = alive & ~people[0].alive[: len(alive)]
        assert change.cars_lost == car[ended].sum()
        np.testing.assert_array_equal(people[0].car[: len(car)], car)
        assert not people[0].car[len(car) :].any()


def test_growing_city_takes_people_in_and_a_shrinking_one_lets_them_go() -> None:
    for factor in (1.05, 0.85):
        people, inputs = build(), year_inputs(2021)
        count = factor * inputs["population.resident_count"]
        change = step(people, 2021, YearInputs(2021, {**inputs, "population.resident_count": count}))
        assert change.after == change.target
        assert (change.moved_in > change.moved_out) == (factor > 1)


def test_same_seed_gives_the_same_bits_and_another_seed_does_not() -> None:
    digests = []
    for seed in (5, 5, 6):
        people = build()
        update_population(*people, CITY.zones, year_inputs(2021), year=2021, seed=seed, sample=1.0)
        digests.append(tuple(t.column(name).tobytes() for t in people for name in t.columns))
    assert digests[0] == digests[1] != digests[2]


@given(st.lists(st.integers(1, 6), max_size=40), st.integers(0, 120))
@settings(max_examples=100, deadline=None)
def test_chosen_households_never_exceed_the_number_and_meet_it_where_singles_are_left(
    sizes: list[int], wanted: int
) -> None:
    size = np.array(sizes + [1] * 6, np.int64)
    chosen = _exactly(size, wanted)
    assert len(set(chosen.tolist())) == len(chosen)
    assert size[chosen].sum() == min(wanted, size.sum())
