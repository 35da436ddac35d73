"""Classes on the roads of the tiny city: who pays, who is barred, who goes round, and that no vehicle is lost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.tiny import COLUMNS, ROWS, tiny_city
from transport_abm.core.vocabulary import Mode, Period
from transport_abm.networks.city import City
from transport_abm.networks.level_of_service import (
    BARRED_CNY,
    BARRED_KM,
    BARRED_MIN,
    CAR_KM,
    CAR_MIN,
    CHARGE_CNY,
    OIL_CNY,
    OIL_KM,
    OIL_MIN,
)
from transport_abm.networks.road_users import (
    BARRED,
    CarKind,
    RoadUser,
    road_classes,
    user_demand,
)
from transport_abm.networks.roads.assignment import assign_roads, link_time_s
from transport_abm.networks.roads.connectors import connect
from transport_abm.networks.roads.road_classes import group_classes
from transport_abm.networks.roads.road_problem import RoadProblem
from transport_abm.networks.roads.road_skims import road_problem
from transport_abm.networks.travel import Travel, build_travel, open_year, update_travel
from transport_abm.policy.inputs import YearInputs, year_inputs

DAY = (Period.AM, Period.MIDDAY, Period.PM)


@pytest.fixture
def city() -> City:
    """The tiny city with a 5th ring round the three middle columns: zones west and east of it are outside."""
    city = tiny_city()
    roads, zones = city.roads, city.zones
    column = np.arange(COLUMNS * ROWS) % COLUMNS
    row = np.arange(COLUMNS * ROWS) // COLUMNS
    core = (column >= 2) & (column <= 4) & (row >= 1)
    ring = np.where(core[roads.tail] & core[roads.head], 4, 6).astype(np.int8)
    within = (column[zones.node] >= 2) & (column[zones.node] <= 4) & (row[zones.node] >= 1)
    return replace(
        city,
        roads=replace(roads, ring=ring),
        zones=replace(zones, ring=np.where(within, 4, 6).astype(np.int8)),
    )


def opened(city: City, **values: float) -> tuple[Travel, YearInputs, RoadProblem]:
    """Travel at the beginning of a year, its inputs, and the roads at midday with connectors."""
    inputs = year_inputs(2020, {name.replace("__", "."): value for name, value in values.items()})
    travel = build_travel(city, inputs)
    open_year(travel, city, inputs)
    roads = road_problem(city, inputs, period=Period.MIDDAY, year=2020)
    return travel, inputs, connect(roads, travel.connectors, len(city.zones), inputs)


def trips(city: City, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Trips by mode and period, and car trips by kind."""
    n, rng = len(city.zones), np.random.default_rng(seed)
    count = rng.integers(0, 30, (len(Mode), len(Period), n, n)).astype(np.int32)
    cars = rng.integers(0, 30, (len(CarKind), len(Period), n, n)).astype(np.int32)
    count[Mode.CAR_DRIVER] = cars.sum(axis=0)
    return count, cars


@pytest.mark.parametrize("period", list(Period))
def test_every_vehicle_is_in_one_class_and_the_background_is_its_share_of_the_flow(
    city: City, period: Period
) -> None:
    travel, inputs, _ = opened(city)
    count, cars = trips(city)
    demand = user_demand(travel.rules, inputs, period, count[:, period], cars[:, period], 2.0)
    hired = (count[Mode.TAXI, period] + count[Mode.RIDE_HAIL, period]) / inputs["traffic.hired_occupancy"]
    vehicles = count[Mode.CAR_DRIVER, period] + hired / (1 - inputs["traffic.hired_empty_share"])
    background = inputs[f"traffic.background_share_{period.name.lower()}"]
    np.testing.assert_allclose(demand.sum(axis=0), 2.0 * vehicles / (1 - background), rtol=1e-12)
    goods = demand[[RoadUser.GOODS, RoadUser.GOODS_BARRED]].sum()
    assert goods == pytest.approx(background * demand.sum())
    np.testing.assert_allclose(demand[[0, 2]].sum(axis=0), 2.0 * cars[[0, 2], period].sum(axis=0))
    assert bool(demand[list(BARRED)].any()) == (period in DAY)


def test_without_kinds_all_cars_are_free_oil_cars(city: City) -> None:
    travel, inputs, _ = opened(city)
    count, _ = trips(city)
    demand = user_demand(travel.rules, inputs, Period.AM, count[:, 0], None, 1.0)
    np.testing.assert_array_equal(demand[RoadUser.OIL_CAR], count[Mode.CAR_DRIVER, 0])
    assert not demand[[RoadUser.NEV_CAR, RoadUser.OIL_CAR_BARRED, RoadUser.NEV_CAR_BARRED]].any()


def test_by_day_a_barred_through_trip_goes_round_the_ring_and_at_night_through_it(city: City) -> None:
    travel, inputs, problem = opened(city)
    rules = travel.rules
    outside = city.zones.ring > 5
    west = np.flatnonzero(outside & (city.zones.x_m < city.zones.x_m.mean()))
    east = np.flatnonzero(outside & (city.zones.x_m > city.zones.x_m.mean()))
    assert rules.bypass[np.ix_(west, east)].all() and not rules.bypass[~outside].any()
    demand = np.zeros((len(RoadUser), 12, 12))
    demand[np.ix_([RoadUser.OIL_CAR, RoadUser.OIL_CAR_BARRED], west, east)] = 30.0
    zone = np.arange(12, dtype=np.int32)
    through = {}
    for period in (Period.AM, Period.NIGHT):
        flows = assign_roads(
            problem, zone, demand, gap=1e-6, max_iterations=50, classes=road_classes(rules, inputs, period)
        )
        through[period] = flows.class_flow_vehh[:, rules.barred].sum(axis=1)
    assert through[Period.AM][RoadUser.OIL_CAR_BARRED] == 0
    assert through[Period.AM][RoadUser.OIL_CAR] > 0
    assert through[Period.NIGHT][RoadUser.OIL_CAR_BARRED] > 0


def test_with_no_charge_all_who_are_free_share_their_ways(city: City) -> None:
    travel, inputs, problem = opened(city)
    by_day = group_classes(problem, road_classes(travel.rules, inputs, Period.AM))
    assert by_day.group.tolist() == [0, 0, 1, 1, 0, 0, 1]
    assert group_classes(problem, road_classes(travel.rules, inputs, Period.NIGHT)).n_groups == 1
    charged = opened(city, road_charge__cny=20.0)[1]
    paying = group_classes(problem, road_classes(travel.rules, charged, Period.AM))
    # Goods vehicles pay nothing; those who never get to the charged area are still alike.
    assert paying.group.tolist() == [0, 0, 1, 1, 0, 2, 1]


def test_each_class_is_offered_the_times_charges_and_ways_that_are_its_own(city: City) -> None:
    _, inputs, problem = opened(city, road_charge__cny=3.0, road_charge__lez_cny=30.0, road_charge__ring=5)
    travel = opened(city, road_charge__cny=3.0, road_charge__lez_cny=30.0, road_charge__ring=5)[0]
    los, outside = travel.los, city.zones.ring > 5
    into = np.ix_(outside, ~outside)
    for period in DAY:
        np.testing.assert_array_equal(los[period][into][..., CHARGE_CNY], 3.0)
        np.testing.assert_array_equal(los[period][into][..., OIL_CNY], 33.0)
    assert not los[Period.NIGHT][..., [CHARGE_CNY, OIL_CNY, BARRED_CNY]].any()
    np.testing.assert_array_equal(los[Period.NIGHT][..., OIL_MIN], los[Period.NIGHT][..., CAR_MIN])
    am = los[Period.AM].astype(np.float64)
    # Who pays more to enter goes further rather than pay, never faster.
    assert (am[..., OIL_MIN] >= am[..., CAR_MIN] - 1e-4).all() and (
        am[..., OIL_MIN] > am[..., CAR_MIN] + 1
    ).any()
    assert (am[..., OIL_KM] > am[..., CAR_KM] + 0.5).any()
    round_it = travel.rules.bypass
    assert (am[round_it, BARRED_MIN] >= am[round_it, OIL_MIN] - 1e-4).all()
    assert not am[round_it, BARRED_CNY].any() and (am[round_it, BARRED_KM] > am[round_it, CAR_KM] + 0.5).any()
    np.testing.assert_array_equal(am[~round_it][:, BARRED_MIN], am[~round_it][:, OIL_MIN])
    assert problem.n_links == len(travel.rules.charged) and inputs["road_charge.ring"] == 5


def test_a_city_within_the_ring_and_without_charges_has_one_class() -> None:
    city = tiny_city()
    travel, inputs, _ = opened(city)
    count, cars = trips(city)
    update_travel(travel, city, inputs, count, weight=1.0, step=1.0, cars=cars)
    other = opened(city)[0]
    update_travel(other, city, inputs, count, weight=1.0, step=1.0)
    np.testing.assert_allclose(travel.link_flow_pcuh, other.link_flow_pcuh, rtol=1e-9, atol=1e-6)
    for period in Period:
        background = inputs[f"traffic.background_share_{period.name.lower()}"]
        roads = road_problem(city, inputs, period=period, year=2020)
        problem = connect(roads, travel.connectors, 12, inputs)
        demand = travel.road_demand[period].sum(axis=0)
        alone = assign_roads(
            problem, np.arange(12, dtype=np.int32), demand, gap=inputs["traffic.road_gap"],
            max_iterations=2 * int(inputs["traffic.road_iterations"]),
        )  # fmt: skip
        n = city.roads.n_links
        np.testing.assert_allclose(travel.link_flow_pcuh[period], alone.flow_pcuh[:n], rtol=1e-9, atol=1e-6)
        time = link_time_s(problem, alone.flow_pcuh)[:n]
        np.testing.assert_allclose(travel.link_time_s[period], time, rtol=1e-9)
        assert 0 < background < 1
