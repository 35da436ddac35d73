"""A sound city passes; each kind of damage is found, with its rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.tiny import tiny_city
from transport_abm.networks.cities.city_check import CityFinding, check_city, city_info
from transport_abm.networks.city import City


def damaged(table: str, rows: object, **values: object) -> City:
    """The tiny city with some values of one table replaced."""
    city = tiny_city()
    part = getattr(city, table)
    new = {}
    for name, value in values.items():
        array = getattr(part, name).copy()
        array[rows] = value
        new[name] = array
    return replace(city, **{table: replace(part, **new)})


def named(city: City, words: str) -> CityFinding:
    """The one finding that holds the words."""
    (finding,) = [finding for finding in check_city(city) if words in finding.what]
    return finding


def test_a_sound_city_has_no_errors_and_no_warnings() -> None:
    assert {finding.level for finding in check_city(tiny_city())} <= {"note"}


@pytest.mark.parametrize(
    ("table", "rows", "values", "words", "where", "count"),
    [
        ("roads", 5, {"length_m": 400.0}, "shorter than the straight line", "links 5", 1),
        ("roads", slice(4, 9), {"free_speed_kmh": 400.0}, "free speeds", "links 4, 5, 6, ...", 5),
        ("roads", 7, {"capacity_pcuh": 9e4}, "capacities", "links 7", 1),
        ("zones", 3, {"residents": 0.0, "jobs": 0.0}, "without residents and jobs", "zones 3", 1),
        ("zones", 3, {"node": 41}, "well outside", "zones 3", 1),
        ("transit", 1, {"line_headway_min": np.inf}, "run in no period", "lines 1", 1),
        ("transit", 0, {"transfer_walk_m": 3000.0}, "transfers over", "transfers 0", 1),
        ("transit", 2, {"close_year": 0}, "close before they open", "patterns 2", 1),
        ("transit", 0, {"stop_x_m": 0.0}, "from the nearest node of a street", "stops 0", 1),
        ("transit", 1, {"segment_time_s": 1.0}, "absurd speed", "calls 1", 1),
    ],
)
def test_damage_is_found(
    table: str, rows: object, values: dict[str, object], words: str, where: str, count: int
) -> None:
    finding = named(damaged(table, rows, **values), words)
    assert finding.where == where and finding.count == count


def test_a_grid_survives_the_loss_of_a_street() -> None:
    city = damaged("roads", slice(0, 2), drive=False, walk=False)
    assert {finding.level for finding in check_city(city)} == {"error", "note"}  # a bus ran there


def test_an_island_and_a_zone_on_it_are_errors() -> None:
    city = tiny_city()
    touches = (city.roads.tail == 0) | (city.roads.head == 0)
    away = replace(city, roads=replace(city.roads, drive=~touches))
    node = city.zones.node.copy()
    node[0] = 0
    away = replace(away, zones=replace(city.zones, node=node))
    assert named(away, "zones whose node").level == "error"
    one_way = replace(city, roads=replace(city.roads, drive=city.roads.head != 0))
    finding = named(one_way, "outside the largest strongly")
    assert finding.where == "nodes 0" and finding.level == "error"


def test_a_pattern_with_one_stop_and_a_repeated_link_are_found() -> None:
    city = tiny_city()
    indptr = city.transit.pattern_indptr.copy()
    indptr[1] = 1
    assert named(replace(city, transit=replace(city.transit, pattern_indptr=indptr)), "one stop").count == 1
    tail, head = city.roads.tail.copy(), city.roads.head.copy()
    tail[1], head[1] = tail[0], head[0]
    twice = replace(city, roads=replace(city.roads, tail=tail, head=head))
    assert named(twice, "repeat another").count == 1


def test_bus_segments_must_follow_links_that_join() -> None:
    city = tiny_city()
    links = np.repeat(city.transit.road_link, 2)
    links[1::2] = links[1::2][::-1]
    wrong = replace(city.transit, road_link=links, road_indptr=city.transit.road_indptr * 2)
    assert named(replace(city, transit=wrong), "do not join").level == "error"


def test_totals_are_those_of_the_tables() -> None:
    info = city_info(tiny_city())
    assert (info["zones"], info["nodes"], info["links"]) == (12, 42, 142)
    assert info["residents"] == 8000 and info["residents_central"] == 5400
    assert info["metro_pattern_km"] == pytest.approx(12) and info["bus_pattern_km"] == pytest.approx(22)
    assert info["road_km"]["expressway"] == pytest.approx(12)  # type: ignore[index]
