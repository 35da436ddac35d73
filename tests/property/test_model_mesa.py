"""The model is a Mesa model of agents: single agents, sets of them, collected data, and copies in a file."""

from __future__ import annotations

import pickle

import mesa
import numpy as np
import pandas as pd
import pytest

from tests.tiny_runs import finished, quick, ringed_city, tiny_case, value
from transport_abm.core.vocabulary import Mode, PersonStatus
from transport_abm.model import Bus, Car, Household, Operator, Person, RideHailCar, Taxi, TransportModel, Van
from transport_abm.outcomes import OUTCOMES

FEW = {"sample": 0.1, "years": (2020, 2021)}


@pytest.fixture
def model() -> TransportModel:
    """One tenth of the tiny city after two years."""
    return finished(tiny_case(**FEW), ringed_city())  # type: ignore[arg-type]


def tour_modes(model: TransportModel) -> np.ndarray:
    """Modes of all tours."""
    assert model.world.tours is not None
    return model.world.tours.mode


@pytest.mark.parametrize("order", ["forward", "backward", "shuffled"])
def test_persons_who_choose_one_by_one_in_any_order_choose_as_all_together(
    model: TransportModel, order: str
) -> None:
    """The permanent proof that the vector model is the agent model."""
    people = model.agents_by_type[Person]
    people.do("step")
    together = tour_modes(model).copy()
    assert len(np.unique(together)) > 8
    handles = list(people)
    if order == "backward":
        handles.reverse()
    if order == "shuffled":
        np.random.default_rng(1).shuffle(handles)
    tour_modes(model)[:] = -1
    for person in handles:
        person.step()
    np.testing.assert_array_equal(tour_modes(model), together)


def test_the_year_chooses_as_its_persons_do(model: TransportModel) -> None:
    """The last choice of a year is the persons' own step at the times that it saw."""
    from transport_abm.schedule import choose_modes

    inputs = model.case.inputs(model.year)
    choose_modes(model.world.city, inputs, model.world)
    by_schedule = tour_modes(model).copy()
    tour_modes(model)[:] = -1
    model.agents_by_type[Person].shuffle_do("step")
    np.testing.assert_array_equal(tour_modes(model), by_schedule)


def test_one_persons_step_leaves_the_others_alone(model: TransportModel) -> None:
    tours = model.world.tours
    assert tours is not None
    model.agents_by_type[Person].do("step")
    together = tours.mode.copy()
    row = int(tours.table[len(tours) // 2, 0])
    tours.mode[:] = -1
    next(person for person in model.agents_by_type[Person] if person.row == row).step()
    own = tours.table[:, 0] == row
    np.testing.assert_array_equal(tours.mode[own], together[own])
    assert np.all(tours.mode[~own] == -1)


def test_half_of_the_persons_choose_as_they_do_among_all(model: TransportModel) -> None:
    people = model.agents_by_type[Person]
    people.do("step")
    together = tour_modes(model).copy()
    tour_modes(model)[:] = -1
    workers = people.select(lambda person: person.status == PersonStatus.WORKER)
    workers.do("step")
    tours = model.world.tours
    assert tours is not None
    theirs = np.isin(tours.table[:, 0], workers.rows)
    assert 0 < theirs.sum() < len(theirs)
    np.testing.assert_array_equal(tours.mode[theirs], together[theirs])
    assert np.all(tours.mode[~theirs] == -1)


def test_the_model_and_its_agents_are_mesas(model: TransportModel) -> None:
    assert isinstance(model, mesa.Model)
    handles = {Household, Person, Car, Operator, Bus, Taxi, RideHailCar, Van}
    assert set(model.agent_types) == handles
    people = model.agents_by_type[Person]
    assert len(model.agents) == sum(len(model.agents_by_type[handle]) for handle in handles)
    vehicles = model.world.vehicles
    for handle, table in (
        (Car, vehicles.cars), (Operator, vehicles.fleets.operators), (Bus, vehicles.fleets.buses),
        (Taxi, vehicles.fleets.taxis), (RideHailCar, vehicles.fleets.ride_hail), (Van, vehicles.fleets.vans),
    ):  # fmt: skip
        assert len(model.agents_by_type[handle]) == int(table.alive.sum()) > 0
    assert len(people) == int(model.world.persons.alive.sum())
    person = people[0]
    assert isinstance(person, mesa.Agent)
    assert person.model is model
    assert person in model.agents
    assert len({agent.unique_id for agent in model.agents}) == len(model.agents)
    assert model.steps == 2
    assert model.year == 2021


def test_sets_of_agents_answer_as_the_tables_do(model: TransportModel) -> None:
    people = model.agents_by_type[Person]
    persons, alive = model.world.persons, model.world.persons.alive
    np.testing.assert_array_equal(people.get("age"), persons.age[alive])
    assert people.agg("age", np.mean) == pytest.approx(float(persons.age[alive].mean()))
    old = people.select(lambda person: person.age >= 60)
    assert len(old) == int(np.sum(persons.age[alive] >= 60)) > 0
    sizes = people.groupby("status").count()
    expected = np.bincount(persons.status[alive], minlength=len(PersonStatus))
    assert sizes == {int(s): int(n) for s, n in enumerate(expected) if n}
    assert model.agents_by_type[Household].agg("size", sum) == len(people)


def test_the_data_collector_holds_the_outcomes(model: TransportModel) -> None:
    frame = model.datacollector.get_model_vars_dataframe()
    assert list(frame.columns) == list(OUTCOMES)
    assert len(frame) == len(model.years)
    for name in ("green_share", "trips_city", "residents", "metro_length"):
        collected = frame[name].to_numpy()
        np.testing.assert_array_equal(collected, [value(model, name, year=year) for year in model.years])
    assert frame["mode_share"].isna().all()  # has classes only


def test_a_model_goes_on_from_a_file_as_if_it_had_not_stopped() -> None:
    case = tiny_case(sample=0.2, years=(2020, 2023))
    straight = finished(case, ringed_city())
    with quick():
        stopped = TransportModel(case, city=ringed_city(), progress=lambda what, done: None)
        stopped.step()
        stopped.step()
        resumed = pickle.loads(pickle.dumps(stopped))
        assert resumed.year == 2021
        results = resumed.run()
    pd.testing.assert_frame_equal(results.table, straight.table, check_exact=True)
    np.testing.assert_array_equal(tour_modes(resumed), tour_modes(straight))
    pd.testing.assert_frame_equal(
        resumed.datacollector.get_model_vars_dataframe(), straight.datacollector.get_model_vars_dataframe()
    )
    assert len(resumed.agents_by_type[Person]) == len(straight.agents_by_type[Person])
    # And the one that was copied goes on, too.
    with quick():
        pd.testing.assert_frame_equal(stopped.run().table, straight.table, check_exact=True)


def test_a_model_refuses_a_year_after_its_last(model: TransportModel) -> None:
    from transport_abm.core.errors import RunError

    with pytest.raises(RunError, match="2020-2021, got 2022"):
        model.step()


def test_no_person_changes_when_choosing(model: TransportModel) -> None:
    before = {name: array.copy() for name, array in model.world.persons.snapshot().items()}
    model.agents_by_type[Person].do("step")
    for name, array in model.world.persons.snapshot().items():
        np.testing.assert_array_equal(array, before[name])


def test_the_modes_are_those_of_the_vocabulary(model: TransportModel) -> None:
    assert set(np.unique(tour_modes(model))) <= {int(mode) for mode in Mode}
