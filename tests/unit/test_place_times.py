"""Times between places follow from lengths, speeds, timetables and headways."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.tiny import tiny_city
from transport_abm.core.errors import NetworkError
from transport_abm.core.vocabulary import Period, TransitMode
from transport_abm.networks.cities.geo import unproject
from transport_abm.networks.cities.place_times import MEASURES, Places, place_times, read_places
from transport_abm.networks.city import City
from transport_abm.policy.inputs import year_inputs

INPUTS = year_inputs(2020)


def places(*node: int) -> Places:
    """Places at nodes of the tiny city."""
    roads = tiny_city().roads
    row = list(node)
    lon, lat = unproject(roads.node_x_m[row], roads.node_y_m[row], tiny_city().crs)
    names = tuple(f"node {k}" for k in node)
    return Places(names, names, lon, lat)


def inside_city() -> City:
    """The tiny city; its districts reach to the nodes at its edge."""
    city = tiny_city()
    outlines = city.districts.outlines
    wider = replace(
        outlines, lon=(outlines.lon - 116.4) * 1.2 + 116.4, lat=(outlines.lat - 39.92) * 1.2 + 39.92
    )
    return replace(city, districts=replace(city.districts, outlines=wider))


def test_metro_takes_half_a_headway_or_so_and_the_timetable() -> None:
    times = place_times(inside_city(), places(21, 27), INPUTS)
    # three segments of 150 s; a train every 6 minutes at midday
    ride = 3 * 150 / 60 + INPUTS["transit.wait_alpha"] * 6
    assert times["metro_ride_min"][0, 1] == pytest.approx(ride, rel=1e-5)
    assert times["metro_min"][0, 1] == pytest.approx(ride, abs=0.1)  # the stations are the places
    assert times["transit_min"][0, 1] <= times["metro_min"][0, 1] + 1e-6
    morning = place_times(inside_city(), places(21, 27), INPUTS, Period.AM)
    assert ride - morning["metro_ride_min"][0, 1] == pytest.approx(INPUTS["transit.wait_alpha"] * 3, rel=1e-5)


def test_cars_take_length_over_free_speed() -> None:
    times = place_times(inside_city(), places(21, 27), INPUTS)
    assert times["road_km"][0, 1] == pytest.approx(6.0, rel=1e-6)
    assert times["road_min"][0, 1] == pytest.approx(
        6.0 / 80 * 60, rel=1e-5
    )  # the middle row is an expressway
    assert np.isnan(np.diagonal(times["road_km"])).all()


def test_places_outside_and_cities_without_lines_have_no_times() -> None:
    city = inside_city()
    away = places(21, 27)
    away = replace(away, lon=away.lon + np.array([0.0, 1.0]))
    assert all(np.isnan(times).all() for times in place_times(city, away, INPUTS).values())
    transit = tiny_city().transit
    never = replace(
        transit, open_year=np.where(transit.line_mode[transit.pattern_line] == TransitMode.METRO, 2030, 0)
    )
    times = place_times(replace(city, transit=never), places(21, 27), INPUTS)
    assert np.isnan(times["metro_min"]).all() and np.isfinite(times["road_min"][0, 1])


def test_shipped_places_are_rounded_and_read() -> None:
    found = read_places()
    assert len(found) == 12 and len(set(found.name_zh)) == 12
    for value in (found.lon, found.lat):
        assert np.abs(value * 200 - np.round(value * 200)).max() < 1e-6
    times = place_times(tiny_city(), found, INPUTS)
    assert set(times) == set(MEASURES)


def test_faults_of_a_table_of_places_come_at_once(tmp_path: Path) -> None:
    (tmp_path / "places.csv").write_text("name_en,name_zh,lon,lat\nA,,nan,39.9\nA,,116,95\n")
    with pytest.raises(NetworkError) as caught:
        read_places(tmp_path / "places.csv")
    assert len(caught.value.faults) == 3
