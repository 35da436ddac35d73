"""Work places and schools: totals, mean distances, persistence and levers."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numba
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.tiny import tiny_city
from transport_abm.agents.schools import school_place
from transport_abm.agents.synthesis import synthesise
from transport_abm.agents.tables import Households, Persons
from transport_abm.agents.workplaces import (
    WorkplaceFit,
    allocate_workplaces,
    job_total,
    zone_distance_km,
)
from transport_abm.core.errors import ConvergenceWarning, InputError
from transport_abm.core.vocabulary import PersonStatus
from transport_abm.policy.inputs import YearInputs, year_inputs

CITY = tiny_city()
NEAR = {
    "work.mean_distance_central_km": 2.2,
    "school.mean_distance_pupil_km": 2.0,
    "school.mean_distance_student_km": 2.5,
}
"""Mean distances that a city of 6 km can have [km]."""
INPUTS = year_inputs(2020, NEAR)
DISTANCE = zone_distance_km(CITY.zones, INPUTS)
MIN_PER_KM = 2.0


def with_values(year: int, **levers: float) -> YearInputs:
    """Inputs of a year with land-use levers."""
    values = {f"land_use.{name}": value for name, value in levers.items()}
    return YearInputs(year, {**year_inputs(year, NEAR), **values})


def allocate(
    people: tuple[Households, Persons], inputs: YearInputs, year: int, fit: WorkplaceFit | None = None
) -> WorkplaceFit:
    """Allocate in the tiny city."""
    return allocate_workplaces(
        people[1],
        people[0],
        CITY.zones,
        CITY.districts,
        DISTANCE * MIN_PER_KM,
        inputs,
        seed=3,
        year=year,
        fit=fit,
    )


@pytest.fixture
def people() -> tuple[Households, Persons]:
    """A fresh population of the tiny city."""
    households, persons, _ = synthesise(CITY.zones, CITY.districts, INPUTS, sample=1.0, seed=3)
    return households, persons


def workers(persons: Persons) -> NDArray[np.bool_]:
    """Living workers."""
    return np.asarray(persons.alive & (persons.status == PersonStatus.WORKER))


def test_every_worker_works_and_jobs_are_filled_to_within_one(people: tuple[Households, Persons]) -> None:
    allocate(people, INPUTS, 2020)
    works = workers(people[1])
    assert (people[1].work_zone[works] >= 0).all()
    assert (people[1].work_zone[~works] == -1).all()
    taken = np.bincount(people[1].work_zone[works], minlength=len(CITY.zones))
    jobs = CITY.zones.jobs * works.sum() / CITY.zones.jobs.sum()
    assert np.abs(taken - jobs).max() < 1 + 1e-6


def test_pupils_and_students_have_schools_and_nobody_else(people: tuple[Households, Persons]) -> None:
    allocate(people, INPUTS, 2020)
    learns = people[1].status == PersonStatus.STUDENT
    assert (people[1].school_zone[learns] >= 0).all()
    assert (people[1].school_zone[~learns] == -1).all()
    kinds = [learns & (people[1].age < 18), learns & (people[1].age >= 18)]
    for who, places in zip(kinds, school_place(CITY.zones, *(k.sum() for k in kinds)), strict=True):
        taken = np.bincount(people[1].school_zone[who], minlength=len(CITY.zones))
        assert np.abs(taken - places).max() < 1 + 1e-6


def test_campus_holds_students_and_every_zone_its_pupils() -> None:
    places = CITY.zones.residents * 0.1
    places[3] += 500
    pupil, student = school_place(replace(CITY.zones, school_places=places), places.sum() - 500, 500)
    np.testing.assert_allclose(pupil, CITY.zones.residents * 0.1)
    np.testing.assert_allclose(student, np.where(np.arange(12) == 3, 500, 0), atol=1e-9)


def test_central_residents_commute_the_observed_mean_distance(people: tuple[Households, Persons]) -> None:
    fit = allocate(people, INPUTS, 2020)
    assert fit.work.reached
    assert fit.work.mean_km == pytest.approx(2.2, rel=1e-4)
    home = people[0].zone[people[1].household]
    measured = workers(people[1]) & CITY.districts.central[CITY.zones.district][home]
    distance = DISTANCE[home[measured], people[1].work_zone[measured]]
    assert distance.mean() == pytest.approx(2.2, abs=4 * distance.std() / np.sqrt(measured.sum()))


def test_mean_that_the_totals_do_not_allow_is_told(people: tuple[Households, Persons]) -> None:
    inputs = YearInputs(2020, {**INPUTS, "work.mean_distance_central_km": 30.0})
    with pytest.warns(ConvergenceWarning, match="mean distance"):
        fit = allocate(people, inputs, 2020)
    assert not fit.work.reached


def test_places_stay_but_for_job_changers_and_the_jobs_stay_filled(
    people: tuple[Households, Persons],
) -> None:
    fit = allocate(people, INPUTS, 2020)
    works, before = workers(people[1]), people[1].work_zone.copy()
    again = allocate(people, with_values(2021), 2021, fit)
    share = again.work.drawn / works.sum()
    assert share == pytest.approx(INPUTS["work.job_change_share"], abs=4 * np.sqrt(0.12 * 0.88 / works.sum()))
    assert (before[works] != people[1].work_zone[works]).sum() <= again.work.drawn
    assert again.work.beta == fit.work.beta
    taken = np.bincount(people[1].work_zone[works], minlength=len(CITY.zones))
    assert np.abs(taken - CITY.zones.jobs * works.sum() / CITY.zones.jobs.sum()).max() < 2 + 1e-6


def test_movers_get_a_new_place_and_those_who_stop_lose_theirs(people: tuple[Households, Persons]) -> None:
    fit = allocate(people, INPUTS, 2020)
    rows = np.flatnonzero(workers(people[1]))
    people[1].work_zone[rows[:50]] = -1
    people[1].status[rows[50:60]] = PersonStatus.RETIRED
    allocate(people, with_values(2021), 2021, fit)
    assert (people[1].work_zone[rows[:50]] >= 0).all()
    assert (people[1].work_zone[rows[50:60]] == -1).all()


def test_lever_of_share_zero_changes_no_bit_however_strong(people: tuple[Households, Persons]) -> None:
    bits = []
    for factor in (1.0, 5.0):
        fit = allocate(people, INPUTS, 2020)
        strong = YearInputs(2021, {**with_values(2021), "work.balance_beta_factor": factor})
        fit = allocate(people, strong, 2021, fit)
        bits.append((fit, people[1].work_zone.tobytes(), people[1].school_zone.tobytes()))
    assert bits[0] == bits[1]


def test_decentralised_jobs_leave_the_centre_and_none_is_lost() -> None:
    jobs = job_total(CITY.zones, CITY.districts, with_values(2025, decentralised_job_share=0.2))
    central = CITY.districts.central[CITY.zones.district]
    np.testing.assert_allclose(jobs[central], 0.8 * CITY.zones.jobs[central])
    assert jobs.sum() == pytest.approx(CITY.zones.jobs.sum(), rel=1e-12)


def test_workers_matched_near_home_commute_less(people: tuple[Households, Persons]) -> None:
    fit = allocate(people, INPUTS, 2020)
    home, works = people[0].zone[people[1].household], workers(people[1])
    before = people[1].work_zone.copy()
    after = allocate(people, with_values(2021, jobs_housing_balance_share=0.3), 2021, fit)
    near = DISTANCE[home[works], people[1].work_zone[works]].mean()
    people[1].work_zone[:] = before
    allocate(people, with_values(2021), 2021, fit)
    assert near < DISTANCE[home[works], people[1].work_zone[works]].mean()
    assert after.work.drawn > 0.3 * works.sum()
    assert after.balance_share == 0.3


def test_pairs_without_a_way_are_not_used(people: tuple[Households, Persons]) -> None:
    cost = DISTANCE * MIN_PER_KM
    cost[0, 11] = np.inf
    allocate_workplaces(people[1], people[0], CITY.zones, CITY.districts, cost, INPUTS, seed=3, year=2020)
    home = people[0].zone[people[1].household]
    assert not ((home == 0) & (people[1].work_zone == 11)).any()


def test_cost_of_wrong_shape_is_refused(people: tuple[Households, Persons]) -> None:
    with pytest.raises(InputError, match="shape"):
        allocate_workplaces(
            people[1], people[0], CITY.zones, CITY.districts, np.ones((3, 3)), INPUTS, seed=3, year=2020
        )


def test_same_bits_on_one_and_two_threads(people: tuple[Households, Persons]) -> None:
    bits = []
    for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
        numba.set_num_threads(threads)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            allocate(people, INPUTS, 2020)
        bits.append((people[1].work_zone.tobytes(), people[1].school_zone.tobytes()))
    numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
    assert bits[0] == bits[1]
