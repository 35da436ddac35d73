"""Rungs of road traffic through whole runs of the tiny city: one demand, one set of outputs, differences that theory asks for."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pandas as pd
import pytest

from tests.tiny import tiny_city
from tests.tiny_runs import busy_city, finished, tiny_case, value
from transport_abm.agents.mode_choice import car_count
from transport_abm.agents.tours import DEPART, DESTINATION, ORIGIN, PURPOSE, going_early, trip_count
from transport_abm.core.vocabulary import DayPart, Mode, Period, Purpose
from transport_abm.model import TransportModel
from transport_abm.networks.city import City
from transport_abm.networks.road_users import user_demand
from transport_abm.networks.roads.road_skims import free_link_time_s
from transport_abm.networks.travel import open_year, update_travel

PERIODS = [period.name.lower() for period in Period]


@lru_cache(maxsize=1)
def jammed_city() -> City:
    """Main roads only, each with a capacity far below what its peak asks for."""
    city = busy_city()
    return replace(
        city, name="tiny-jammed", roads=replace(city.roads, capacity_pcuh=np.full(city.roads.n_links, 22.0))
    )


def on(rung: str, *, busy: bool = False, threads: int = 1) -> TransportModel:
    """The tiny city's base year on a rung."""
    case = tiny_case().replace(traffic=rung)
    return finished(case, jammed_city() if busy else tiny_city(), threads=threads)


@pytest.fixture(scope="module")
def quiet() -> dict[str, TransportModel]:
    """The tiny city, whose roads are nearly empty, on each rung."""
    return {rung: on(rung) for rung in ("L0", "L1", "L2")}


@pytest.fixture(scope="module")
def busy() -> dict[str, TransportModel]:
    """The jammed city on each rung."""
    return {rung: on(rung, busy=True) for rung in ("L1", "L2")}


def test_on_empty_roads_the_rungs_agree(quiet: dict[str, TransportModel]) -> None:
    """Without queues a car takes the free time and what volume-delay functions add at low loads: a few per cent."""
    for rung in ("L0", "L2"):
        for period in PERIODS:
            assert value(quiet[rung], "car_time", period) == pytest.approx(
                value(quiet["L1"], "car_time", period), rel=0.03
            )
        assert value(quiet[rung], "green_share") == pytest.approx(
            value(quiet["L1"], "green_share"), abs=0.003
        )
        assert value(quiet[rung], "trips_city") == value(quiet["L1"], "trips_city")


def test_the_simulated_day_brings_everybody_home(
    quiet: dict[str, TransportModel], busy: dict[str, TransportModel]
) -> None:
    for model in (quiet["L2"], busy["L2"]):
        assert value(model, "queue", "late") == 0.0
    assert value(quiet["L2"], "queue", "released") == 0.0


def test_flow_through_a_queue_never_exceeds_what_a_link_can_pass(busy: dict[str, TransportModel]) -> None:
    """In the busiest hour a link takes in what it lets out and what it has room for; volume-delay functions take more."""
    capacity = busy["L2"].world.city.roads.capacity_pcuh
    room = busy["L2"].world.city.roads.length_m / 7.5 * busy["L2"].world.city.roads.lanes
    flow = busy["L2"].world.travel.link_flow_pcuh
    assert (flow <= capacity + room + 1.0).all()
    assert (busy["L1"].world.travel.link_flow_pcuh > 1.2 * capacity).any()


def test_times_of_the_simulated_day_are_never_below_the_free_time(busy: dict[str, TransportModel]) -> None:
    model = busy["L2"]
    free_s = free_link_time_s(model.world.city.roads, model.inputs(2020))
    drive = model.world.city.roads.drive
    # Whole centiseconds: half of one may be lost.
    assert (model.world.travel.link_time_s[:, drive] >= free_s[drive] - 0.006).all()
    assert value(model, "car_time", "am") > 1.2 * value(on("L2"), "car_time", "am")


@pytest.mark.parametrize("rung", ["L0", "L1", "L2"])
def test_a_later_year_begins_with_the_traffic_of_the_year_before(rung: str) -> None:
    model = on(rung, busy=True)
    travel = copy.deepcopy(model.world.travel)
    open_year(travel, model.world.city, model.inputs(2020), model.world.start)
    np.testing.assert_array_equal(travel.link_time_s, model.world.travel.link_time_s)
    np.testing.assert_array_equal(travel.los, model.world.travel.los)


def test_those_who_go_out_at_night_to_work_leave_before_the_morning_peak(
    quiet: dict[str, TransportModel],
) -> None:
    """The slow twin counts tour by tour: the first slice has the ways out to work and school of the night and nothing else, and
    with the others of the night it has all that the night has."""
    model = quiet["L2"]
    world, inputs, n = model.world, model.inputs(2020), len(model.world.city.zones)
    assert world.tours is not None and world.travellers is not None
    wanted = np.zeros((len(Mode), n, n), np.int32)
    for row, mode in zip(world.tours.table, world.tours.mode, strict=True):
        if mode >= 0 and row[DEPART] == Period.NIGHT and row[PURPOSE] in (Purpose.WORK, Purpose.SCHOOL):
            wanted[mode, row[ORIGIN], row[DESTINATION]] += 1
    out = going_early(world.tours)
    early = trip_count(out, n)[:, Period.NIGHT]
    np.testing.assert_array_equal(early, wanted)
    count, cars = trip_count(world.tours, n), car_count(world.tours, world.travellers, n)
    early_cars = car_count(out, world.travellers, n)[:, Period.NIGHT]
    travel = copy.deepcopy(world.travel)
    travel.road_demand = [None] * len(DayPart)
    update_travel(
        travel, world.city, inputs, count, weight=world.weight, step=1.0, cars=cars, early=(early, early_cars)
    )
    assert travel.rules is not None
    first, *others = [part for part in travel.slices if part.period is Period.NIGHT]
    rules = (travel.rules, inputs, Period.NIGHT)
    assert early_cars.any() and first.day_part is DayPart.EARLY
    np.testing.assert_allclose(first.demand, user_demand(*rules, early, early_cars, world.weight), rtol=1e-12)
    night = user_demand(*rules, count[:, Period.NIGHT], cars[:, Period.NIGHT], world.weight)
    np.testing.assert_allclose(first.demand + sum(part.demand for part in others), night, atol=1e-9)


def test_a_slice_without_trips_says_nothing_of_the_times_of_its_period() -> None:
    """Nobody goes out early, and a link is closed: its time stays infinite, all others are finite."""
    city = tiny_city()
    opens = city.roads.open_year.copy()
    opens[0] = 2100
    closed = replace(city, name="tiny-closed", roads=replace(city.roads, open_year=opens))
    model = finished(tiny_case().replace(traffic="L2"), closed)
    world, n = model.world, len(city.zones)
    assert world.tours is not None and world.travellers is not None
    travel = copy.deepcopy(world.travel)
    travel.road_demand = [None] * len(DayPart)
    count, cars = trip_count(world.tours, n), car_count(world.tours, world.travellers, n)
    update_travel(travel, closed, model.inputs(2020), count, weight=world.weight, step=1.0, cars=cars)
    assert not travel.slices[0].demand.any()
    assert np.isinf(travel.link_time_s[:, 0]).all() and np.isfinite(travel.link_time_s[:, 1:]).all()


def test_where_the_time_goes_adds_up(
    quiet: dict[str, TransportModel], busy: dict[str, TransportModel]
) -> None:
    for model in (*quiet.values(), *busy.values()):
        parts = sum(value(model, "road_hours", part) for part in ("free", "below", "near"))
        assert parts == pytest.approx(value(model, "road_hours"), rel=1e-9)


def test_a_simulated_day_has_the_same_bits_on_one_and_two_threads(busy: dict[str, TransportModel]) -> None:
    other = on("L2", busy=True, threads=2)
    pd.testing.assert_frame_equal(busy["L2"].table, other.table, check_exact=True)
    np.testing.assert_array_equal(busy["L2"].world.travel.link_time_s, other.world.travel.link_time_s)


def test_wider_roads_never_lengthen_the_day(busy: dict[str, TransportModel]) -> None:
    city = jammed_city()
    wide = replace(
        city, name="tiny-wide", roads=replace(city.roads, capacity_pcuh=city.roads.capacity_pcuh * 3.0)
    )
    model = finished(tiny_case().replace(traffic="L2"), wide)
    for period in ("am", "pm"):
        assert value(model, "car_time", period) < value(busy["L2"], "car_time", period)
