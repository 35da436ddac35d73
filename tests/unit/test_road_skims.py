"""A city's roads as a problem; distances on foot; trips inside a zone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.tiny import tiny_city
from transport_abm.core.errors import NetworkError
from transport_abm.core.vocabulary import LinkClass, Period
from transport_abm.networks.city import City
from transport_abm.networks.roads.assignment import assign_roads, skim_roads
from transport_abm.networks.roads.connectors import build_connectors, connect
from transport_abm.networks.roads.road_skims import (
    DISC_MEAN_DISTANCE,
    active_skim_m,
    bus_flow_pcuh,
    entering_links,
    fill_intrazonal,
    intrazonal_m,
    road_problem,
)
from transport_abm.policy.inputs import YearInputs, year_inputs


@pytest.fixture
def city() -> City:
    return tiny_city()


@pytest.fixture
def inputs() -> YearInputs:
    return year_inputs(2020)


def test_an_empty_link_takes_its_length_at_free_speed_and_its_signals(city: City, inputs: YearInputs) -> None:
    problem = road_problem(city, inputs, period=Period.AM, year=2020)
    roads = city.roads
    express = roads.link_class == LinkClass.EXPRESSWAY
    np.testing.assert_allclose(problem.free_time_s[express], 1000 / (80 / 3.6))
    second = roads.link_class == LinkClass.SECONDARY
    delay = inputs["roads.signal_delay_secondary_s_km"]
    np.testing.assert_allclose(problem.free_time_s[second], 1000 / (45 / 3.6) + delay)


def test_links_closed_to_cars_keep_their_row_and_stay_empty(city: City, inputs: YearInputs) -> None:
    late = city.roads.open_year.copy()
    late[city.roads.link_class == LinkClass.EXPRESSWAY] = 2025
    drive = city.roads.drive.copy()
    drive[8] = False
    city = replace(city, roads=replace(city.roads, open_year=late, drive=drive))
    demand = np.full((12, 12), 5.0)
    closed = road_problem(city, inputs, period=Period.AM, year=2024)
    flows = assign_roads(closed, city.zones.node, demand, gap=1e-4, max_iterations=50)
    assert flows.flow_pcuh.shape == (city.roads.n_links,) and flows.flow_pcuh.any()
    assert not flows.flow_pcuh[late == 2025].any() and not flows.flow_pcuh[8]
    later = road_problem(city, inputs, period=Period.AM, year=2025)
    opened = assign_roads(later, city.zones.node, demand, gap=1e-4, max_iterations=50, state=flows.state)
    assert opened.flow_pcuh[late == 2025].any() and not opened.flow_pcuh[8]


def test_open_links_that_cannot_be_driven_are_named_all_at_once_and_closed_ones_may_be_anything(
    city: City, inputs: YearInputs
) -> None:
    roads = city.roads
    length, speed, capacity = roads.length_m.copy(), roads.free_speed_kmh.copy(), roads.capacity_pcuh.copy()
    length[3], length[9], speed[5], capacity[7] = -1.0, np.nan, 0.0, np.inf
    bad = replace(roads, length_m=length, free_speed_kmh=speed, capacity_pcuh=capacity)
    with pytest.raises(NetworkError) as caught:
        road_problem(replace(city, roads=bad), inputs, period=Period.AM, year=2020)
    text = str(caught.value)
    assert len(caught.value.faults) == 3
    for words in (
        "length_m, 2 links from row 3",
        "free_speed_kmh, 1 links from row 5",
        "capacity_pcuh, 1 links from row 7",
    ):
        assert words in text
    drive = roads.drive.copy()
    drive[[3, 5, 7, 9]] = False
    problem = road_problem(
        replace(city, roads=replace(bad, drive=drive)), inputs, period=Period.AM, year=2020
    )
    assert np.isinf(problem.free_time_s[[3, 5, 7, 9]]).all()


def test_buses_take_room_on_their_links(city: City, inputs: YearInputs) -> None:
    transit = city.transit
    flow = np.zeros(city.roads.n_links)
    for pattern in range(transit.n_patterns):
        headway = transit.line_headway_min[transit.pattern_line[pattern], Period.AM]
        for call in range(transit.pattern_indptr[pattern], transit.pattern_indptr[pattern + 1]):
            for link in transit.road_link[transit.road_indptr[call] : transit.road_indptr[call + 1]]:
                flow[link] += 60 / headway * inputs["roads.pce_bus"]
    np.testing.assert_allclose(bus_flow_pcuh(city, inputs, period=Period.AM, year=2020), flow)
    night = bus_flow_pcuh(city, inputs, period=Period.NIGHT, year=2020)
    assert flow.any() and (night <= flow).all() and night.sum() < flow.sum()


@pytest.mark.parametrize("joined", [False, True])
def test_nobody_gets_into_the_charged_area_unpaid(city: City, inputs: YearInputs, joined: bool) -> None:
    connectors = build_connectors(city, inputs)
    problem = road_problem(city, inputs, period=Period.AM, year=2020)
    node = city.zones.node
    if joined:
        problem, node = connect(problem, connectors, 12, inputs), np.arange(12, dtype=np.int32)
    entering, inside = entering_links(city, 2, connectors if joined else None)
    open_s = np.where(entering, np.inf, 1.0)
    skim = skim_roads(problem, open_s, node, np.empty((0, problem.n_links)))[0]
    within = city.zones.ring <= 2
    assert entering.any() and np.isinf(skim[np.ix_(~within, within)]).all()
    assert np.isfinite(skim[np.ix_(within, ~within)]).all()
    assert not (entering & inside).any() and inside.any()


def test_walking_distance_is_symmetric_and_never_below_the_straight_line(
    city: City, inputs: YearInputs
) -> None:
    distance = active_skim_m(city, inputs).astype(np.float64)
    zones = city.zones
    straight = np.hypot(zones.x_m[:, None] - zones.x_m, zones.y_m[:, None] - zones.y_m)
    np.fill_diagonal(straight, 0)
    np.testing.assert_array_equal(distance, distance.T)
    assert (distance >= straight * (1 - 1e-6)).all()
    np.testing.assert_allclose(np.diagonal(distance), intrazonal_m(city, inputs), rtol=1e-6)


def test_walkers_use_links_in_both_directions_and_not_the_expressway(city: City, inputs: YearInputs) -> None:
    roads, zones = city.roads, city.zones
    one_way = replace(roads, walk=roads.walk & (roads.tail < roads.head))
    distance = active_skim_m(city, inputs)
    np.testing.assert_array_equal(active_skim_m(replace(city, roads=one_way), inputs), distance)
    # Nodes 22 and 26 lie four links apart on the expressway of row 3; on foot it takes two links more.
    ends = replace(zones, node=np.append(np.array([22, 26], np.int32), zones.node[2:]))
    assert active_skim_m(replace(city, zones=ends), inputs)[0, 1] == pytest.approx(6000)


def test_a_city_without_walking_links_falls_back_on_straight_lines(city: City, inputs: YearInputs) -> None:
    zones = city.zones
    bare = replace(city, roads=replace(city.roads, walk=np.zeros(city.roads.n_links, bool)))
    straight = np.hypot(zones.x_m[:, None] - zones.x_m, zones.y_m[:, None] - zones.y_m)
    off = ~np.eye(len(zones), dtype=bool)
    expected = straight * inputs["active.detour_factor"]
    np.testing.assert_allclose(active_skim_m(bare, inputs)[off], expected[off], rtol=1e-6)


def test_a_disc_has_the_mean_distance_of_its_points() -> None:
    """Midpoint rule over a grid of a unit-area disc, pairs of points; the constant is 128 / (45 pi^1.5)."""
    radius = np.sqrt(1 / np.pi)
    grid = (np.arange(28) + 0.5) / 14 - 1
    x, y = (part.ravel() * radius for part in np.meshgrid(grid, grid))
    inside = np.hypot(x, y) < radius
    x, y = x[inside], y[inside]
    mean = np.hypot(x[:, None] - x, y[:, None] - y).mean()
    assert mean == pytest.approx(DISC_MEAN_DISTANCE, rel=5e-3)


def test_trips_inside_a_zone_go_as_fast_as_to_the_nearest_zone(city: City, inputs: YearInputs) -> None:
    time_s = np.array([[0, 100, 300], [120, 0, 0], [320, 0, 0]], np.float32)
    length_m = np.array([[0, 1000, 2000], [1000, 0, 0], [2000, 0, 0]], np.float32)
    zones = city.zones
    three = replace(
        city, zones=replace(zones, node=np.array([0, 5, 5], np.int32), area_m2=np.array([1e6, 4e6, 1e6]))
    )
    inside = intrazonal_m(three, inputs)
    entries = np.ones((3, 3), np.float32)
    fill_intrazonal(three, time_s, length_m, entries, inputs)
    np.testing.assert_allclose(np.diagonal(length_m), inside, rtol=1e-6)
    assert time_s[0, 0] == pytest.approx(inside[0] * 100 / 1000)
    assert time_s[2, 1] == pytest.approx((inside[1] + inside[2]) / 2 * 320 / 2000)
    assert time_s[0, 1] == 100 and not np.diagonal(entries).any() and entries.sum() == 6


def test_a_large_outer_zone_has_no_trips_across_its_mountains(city: City, inputs: YearInputs) -> None:
    zones = city.zones
    wide = replace(city, zones=replace(zones, area_m2=np.full(len(zones), 5e8)))
    assert (intrazonal_m(wide, inputs) == inputs["active.intrazonal_most_m"]).all()
