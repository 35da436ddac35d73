"""V-42: nothing is lost on the way through a run: persons, tours, trips, vehicles, passengers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import nnls

import transport_abm.schedule as schedule
from tests.naive_choice import legs
from tests.tiny import tiny_city
from tests.tiny_runs import SHORT_WAYS, finished, quick, ringed_city, tiny_case, value
from transport_abm.agents.population import PopulationChange
from transport_abm.agents.tours import BACK, DEPART, DESTINATION, ORIGIN, PERSON, PURPOSE, STOP, trip_count
from transport_abm.core.vocabulary import Mode, Period, PersonStatus, Purpose, TransitMode, TransitOption
from transport_abm.model import TransportModel
from transport_abm.networks.travel import OPTION_OF_MODE, hourly

ROUNDING = 1e-9
SINGLE = 1e-5
"""Skims are single-precision numbers."""
EVERY_PASSENGER = SHORT_WAYS | {"transit.same_share": 0.0}
"""Loads transit anew in every iteration, so that the lines hold the passengers of the last one."""


@pytest.fixture(scope="module")
def model() -> TransportModel:
    """The tiny city with rings after 2020."""
    return finished(tiny_case(parameters=EVERY_PASSENGER), ringed_city())


@pytest.fixture(scope="module")
def count(model: TransportModel) -> np.ndarray:
    """Trips by mode, period, origin and destination."""
    assert model.world.tours is not None
    return trip_count(model.world.tours, len(model.world.city.zones))


@pytest.mark.parametrize("sample", [1.0, 0.3])
def test_the_population_changes_by_births_deaths_and_moves_alone(
    sample: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: list[PopulationChange] = []
    real = schedule.update_population

    def recorded(*args: object, **kwargs: object) -> PopulationChange:
        changes.append(real(*args, **kwargs))  # type: ignore[arg-type]
        return changes[-1]

    monkeypatch.setattr(schedule, "update_population", recorded)
    years = (2020, 2024)
    model = finished(tiny_case(years=years, sample=sample))
    assert [change.year for change in changes] == [2021, 2022, 2023, 2024]
    weight = 1.0 / sample
    before = round(value(model, "residents", year=2020) / weight)
    for change in changes:
        assert change.before == before
        assert change.after == before + change.births - change.deaths + change.moved_in - change.moved_out
        assert change.after == change.target
        assert value(model, "residents", year=change.year) == pytest.approx(
            change.after * weight, rel=ROUNDING
        )
        before = change.after
    assert sum(change.births for change in changes) > 0
    assert sum(change.deaths for change in changes) > 0
    assert sum(change.moved_in for change in changes) > 0
    assert int(model.world.persons.alive.sum()) == before


def test_nobody_comes_back_and_every_living_person_has_a_living_household() -> None:
    with quick():
        model = TransportModel(tiny_case(years=(2020, 2023), sample=0.3), city=tiny_city())
    gone: set[int] = set()
    known: set[int] = set()
    for _ in model.years:
        with quick():
            model.step()
        persons, households = model.world.persons, model.world.households
        alive = set(persons.id[persons.alive].tolist())
        assert len(alive) == int(persons.alive.sum())
        assert not alive & gone
        gone |= known - alive
        known |= alive
        home = persons.household[persons.alive]
        assert households.alive[home].all()
        living = np.bincount(home, minlength=len(households))
        np.testing.assert_array_equal(living[households.alive], households.size[households.alive])
    assert gone


def test_trips_are_the_legs_of_tours_counted_once(model: TransportModel, count: np.ndarray) -> None:
    tours = model.world.tours
    assert tours is not None
    slow = np.zeros(count.shape, np.int64)
    for tour, mode in zip(tours.table, tours.mode, strict=True):
        for a, b, period in legs(tour):
            slow[mode, period, a, b] += 1
    np.testing.assert_array_equal(count, slow)
    assert count.sum() == 2 * len(tours) + np.sum(tours.table[:, STOP] >= 0)


def test_every_tour_has_a_mode(model: TransportModel) -> None:
    assert model.world.tours is not None
    assert model.world.tours.mode.min() >= 0


def test_modes_add_up_to_all_trips(model: TransportModel, count: np.ndarray) -> None:
    for outcome in ("trips", "trips_city", "passenger_km"):
        total = value(model, outcome)
        parts = sum(value(model, outcome, mode.name.lower()) for mode in Mode)
        assert parts == pytest.approx(total, rel=ROUNDING)
    assert value(model, "trips_city") == count.sum() * model.world.weight
    districts = model.world.city.districts.name_en
    shares = ["", *districts]
    for name in shares:
        share = sum(value(model, "mode_share", mode.name.lower(), district=name) for mode in Mode)
        assert share == pytest.approx(1.0, abs=ROUNDING)
    assert sum(value(model, "residents", district=name) for name in districts) == pytest.approx(
        value(model, "residents")
    )
    by_district = sum(value(model, "passenger_km", district=name) for name in districts)
    assert by_district == pytest.approx(value(model, "passenger_km"), rel=ROUNDING)


def test_every_tour_ends_where_it_began(model: TransportModel, count: np.ndarray) -> None:
    """At home, or at the work place if made from there; so a zone's arrivals equal its departures."""
    tours, persons = model.world.tours, model.world.persons
    assert tours is not None
    for tour in tours.table[:500]:
        assert legs(tour)[-1][1] == tour[ORIGIN] == legs(tour)[0][0]
    table = tours.table
    home = model.world.households.zone[persons.household[table[:, PERSON]]]
    work = persons.work_zone[table[:, PERSON]]
    at_work = table[:, ORIGIN] != home
    np.testing.assert_array_equal(table[at_work, ORIGIN], work[at_work])
    assert np.all(table[at_work, PURPOSE] == Purpose.ERRAND)
    by_mode = count.sum(axis=1)
    np.testing.assert_array_equal(by_mode.sum(axis=1), by_mode.sum(axis=2))


def test_tours_from_work_are_made_by_those_who_went_to_work(model: TransportModel) -> None:
    assert model.world.tours is not None
    table = model.world.tours.table
    home = model.world.households.zone[model.world.persons.household[table[:, PERSON]]]
    from_work = table[:, ORIGIN] != home
    went = set(table[table[:, PURPOSE] == Purpose.WORK, PERSON].tolist())
    assert from_work.any()
    assert set(table[from_work, PERSON].tolist()) <= went


def test_the_dead_and_small_children_make_no_tour() -> None:
    model = finished(tiny_case(years=(2020, 2022), sample=0.5))
    persons, tours = model.world.persons, model.world.tours
    assert tours is not None
    assert not persons.alive.all()
    maker = tours.table[:, PERSON]
    assert persons.alive[maker].all()
    assert np.any(persons.status == PersonStatus.CHILD)
    assert not np.any(persons.status[maker] == PersonStatus.CHILD)
    to_work = tours.table[:, PURPOSE] == Purpose.WORK
    assert np.all(persons.status[maker[to_work]] == PersonStatus.WORKER)
    np.testing.assert_array_equal(tours.table[to_work, DESTINATION], persons.work_zone[maker[to_work]])
    assert np.bincount(maker[to_work]).max() == 1


def test_nobody_comes_back_before_leaving(model: TransportModel) -> None:
    assert model.world.tours is not None
    table = model.world.tours.table
    depart, back = table[:, DEPART], table[:, BACK]
    # The night has two ends: to work and school people go before the morning peak, for all else after the evening's.
    early = (depart == Period.NIGHT) & (table[:, PURPOSE] <= Purpose.SCHOOL)
    assert np.all(back[~early] >= depart[~early])
    assert set(back[early].tolist()) == {Period.MIDDAY, Period.PM, Period.NIGHT}


def vehicles_h(model: TransportModel, count: np.ndarray, period: Period) -> np.ndarray:
    """Cars of one period's design hour between zones, from the definitions [veh/h]."""
    inputs, weight = model.case.inputs(2020), model.world.weight
    hired = count[Mode.TAXI, period] + count[Mode.RIDE_HAIL, period]
    running = 1.0 - inputs["traffic.hired_empty_share"]
    cars = count[Mode.CAR_DRIVER, period] + hired / inputs["traffic.hired_occupancy"] / running
    private = 1.0 - inputs[f"traffic.background_share_{period.name.lower()}"]
    return np.asarray(cars * weight * hourly(inputs, period) / private)


@pytest.mark.parametrize("period", list(Period))
def test_every_car_trip_is_on_the_road_from_its_origin_to_its_destination(
    model: TransportModel, count: np.ndarray, period: Period
) -> None:
    """At each node: flow out less flow in is what zones send there less what they take there.

    A zone is joined to several nodes, so flows on its connectors are looked for that close the balance of
    every node and every zone at once; that there are such, none below zero, is the law.
    """
    city, joins = model.world.city, model.world.travel.connectors
    demand = vehicles_h(model, count, period) * ~np.eye(len(city.zones), dtype=bool)
    flow, roads = model.world.travel.link_flow_pcuh[period], city.roads
    out = np.bincount(roads.tail, flow, roads.n_nodes) - np.bincount(roads.head, flow, roads.n_nodes)
    n, zones, number = len(joins), len(city.zones), np.arange(len(joins))
    balance = np.zeros((roads.n_nodes + 2 * zones, 2 * n))
    balance[joins.node, number] = 1.0
    balance[joins.node, n + number] = -1.0
    balance[roads.n_nodes + joins.zone, number] = 1.0
    balance[roads.n_nodes + zones + joins.zone, n + number] = 1.0
    wanted = np.concatenate([out, demand.sum(axis=1), demand.sum(axis=0)])
    _, left = nnls(balance, wanted)
    assert demand.sum() > 10
    assert np.abs(flow).sum() > demand.sum() / 10
    assert left < 1e-8 * demand.sum()


def test_no_car_is_on_a_road_closed_to_cars_or_before_it_opens() -> None:
    """The busiest link closed, and the next one not open before 2021."""
    city = tiny_city()
    roads = city.roads
    flow = finished(tiny_case()).world.travel.link_flow_pcuh.sum(axis=0)
    closed, later = (int(link) for link in np.argsort(-flow)[:2])
    drive, opens = roads.drive.copy(), roads.open_year.copy()
    drive[closed], opens[later] = False, 2021
    other = replace(city, name="tiny-closed", roads=replace(roads, drive=drive, open_year=opens))
    case = tiny_case(years=(2020, 2021), parameters=SHORT_WAYS)
    with quick():
        model = TransportModel(case, city=other)
        model.step()
        assert model.world.travel.link_flow_pcuh[:, [closed, later]].max() == 0.0
        model.step()
    assert model.world.travel.link_flow_pcuh[:, closed].max() == 0.0
    assert model.world.travel.link_flow_pcuh[:, later].max() > 0.0


def options(model: TransportModel) -> Iterator[tuple[Mode, TransitOption, Period]]:
    """Every transit mode and period."""
    for mode, option in OPTION_OF_MODE.items():
        for period in Period:
            yield mode, option, period


def test_every_passenger_is_on_the_lines(model: TransportModel, count: np.ndarray) -> None:
    """Passenger-km and boardings on the lines are those of the trips between zones; nobody is left."""
    travel, transit = model.world.travel, model.world.city.transit
    inputs = model.case.inputs(2020)
    between = ~np.eye(len(model.world.city.zones), dtype=bool)
    for mode, option, period in options(model):
        demand = count[mode, period] * between * model.world.weight * hourly(inputs, period)
        result = travel.transit_result[int(option), int(period)]
        assert result.unserved == 0.0
        km = np.asarray(result.skims["bus_km"], np.float64) + result.skims["metro_km"]
        assert (result.call_flow * transit.segment_length_m / 1000.0).sum() == pytest.approx(
            (demand * km).sum(), rel=SINGLE
        )
        assert result.call_board.sum() == pytest.approx(
            (demand * result.skims["boardings"]).sum(), rel=SINGLE
        )


def test_the_days_boardings_are_those_of_all_periods(model: TransportModel, count: np.ndarray) -> None:
    travel, transit = model.world.travel, model.world.city.transit
    inputs = model.case.inputs(2020)
    line = transit.pattern_line[np.repeat(np.arange(transit.n_patterns), np.diff(transit.pattern_indptr))]
    for submode in TransitMode:
        mine = transit.line_mode[line] == submode
        day = sum(
            travel.transit_result[int(option), int(period)].call_board[mine].sum() / hourly(inputs, period)
            for _, option, period in options(model)
        )
        assert value(model, "boardings", submode.name.lower()) == pytest.approx(day, rel=ROUNDING)


def test_steps_touch_only_what_they_declare() -> None:
    """With every other column made read-only a run gives the same bits."""
    case = tiny_case(years=(2020, 2021), sample=0.3)
    checked = finished(case, ringed_city(), check=True)
    assert checked.table.equals(finished(case, ringed_city()).table)
