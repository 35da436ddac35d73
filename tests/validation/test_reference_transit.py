"""Transit of the bundled city against published figures: metro length, stations and times, bus totals."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.tiny import tiny_city
from transport_abm.core.errors import NetworkError
from transport_abm.core.vocabulary import TransitMode
from transport_abm.networks.cities.geo import great_circle_m
from transport_abm.networks.city import F64, City, TransitNetwork
from transport_abm.networks.reference.build import build_reference_city
from transport_abm.networks.reference.bus_lines import (
    build_bus_lines,
    bus_totals,
    plan_bus_service,
    service_hours,
)
from transport_abm.networks.reference.bus_streets import build_bus_streets
from transport_abm.networks.reference.metro import (
    length_in_service_km,
    read_metro,
    running_time_s,
    segment_lengths_m,
)
from transport_abm.networks.reference.transit import build_reference_transit, reference_fares
from transport_abm.networks.reference.transit_table import OPEN_END_YEAR
from transport_abm.policy.inputs import year_inputs

PUBLISHED_KM = {2020: 727.0, 2021: 783.1, 2022: 797.3, 2023: 836.0, 2024: 879.0, 2025: 909.0}
"""Urban rail in service at the end of the year; the network of the next year's service."""
TERMINUS_TO_TERMINUS_MIN = {"5": 51, "8": 86, "14": 82, "16": 84, "17": 65, "19": 28}
"""Last trains of the operator's timetable, 2026; the one dwell of all lines was set by these and line 2."""
INPUTS = year_inputs(2020)


@pytest.fixture(scope="module")
def city() -> City:
    """The bundled city."""
    return build_reference_city()


@pytest.fixture(scope="module")
def transit(city: City) -> TransitNetwork:
    """Its transit."""
    return city.transit


def _patterns(transit: TransitNetwork, mode: TransitMode) -> list[int]:
    """Patterns of one mode."""
    return np.flatnonzero(transit.line_mode[transit.pattern_line] == mode).tolist()


def _calls(transit: TransitNetwork, pattern: int) -> slice:
    """Calls of a pattern."""
    return slice(int(transit.pattern_indptr[pattern]), int(transit.pattern_indptr[pattern + 1]))


def _bus_length_km(transit: TransitNetwork) -> F64:
    """Mean length of the two directions of each bus line."""
    total = np.zeros(transit.n_lines)
    for pattern in _patterns(transit, TransitMode.BUS):
        total[transit.pattern_line[pattern]] += (
            transit.segment_length_m[_calls(transit, pattern)].sum() / 2000
        )
    length: F64 = total[transit.line_mode == TransitMode.BUS]
    return length


def test_metro_length_by_year_is_the_published_one() -> None:
    for year, published in PUBLISHED_KM.items():
        # section lengths come from opening notices, which leave out tail and depot tracks here and there
        assert length_in_service_km(year + 1) == pytest.approx(published, rel=0.015), year


def test_metro_lines_have_their_published_stations_and_length() -> None:
    metro = read_metro()
    for line in metro.line:
        parts = [part for part in metro.section if part.line == line.line and not part.planned]
        if not parts:
            continue
        stations = {name for part in parts for name in part.station}
        assert len(stations) == line.station_count, line.line
        assert sum(part.length_km for part in parts) == pytest.approx(line.length_km, rel=0.03), line.line


def test_metro_alignments_are_nearly_as_long_as_the_tracks() -> None:
    """Straight lines between stations are shorter than tracks with curves and tails, but not by much."""
    metro = read_metro()
    straight = track = 0.0
    for part in metro.section:
        lon, lat = np.array([metro.place[name] for name in part.station]).T
        metres = float(great_circle_m(lon[:-1], lat[:-1], lon[1:], lat[1:]).sum())
        # ends are rounded by up to 0.35 km each, and published lengths may hold a kilometre of tail track
        assert part.length_km * 800 - 1000 <= metres <= part.length_km * 1000 + 700, part.station
        straight, track = straight + metres, track + part.length_km * 1000
    assert 0.88 < straight / track < 1.0


def test_segments_of_a_section_add_up_to_its_length() -> None:
    metro = read_metro()
    for part in metro.section:
        length = segment_lengths_m(part, metro.place)
        assert np.all(length > 200)
        assert length.sum() == pytest.approx(part.length_km * 1000)


def test_one_dwell_fits_the_timetable_of_six_lines() -> None:
    metro = read_metro()
    for line in metro.line:
        if line.line in TERMINUS_TO_TERMINUS_MIN:
            parts = [part for part in metro.section if part.line == line.line]
            length = np.concatenate([segment_lengths_m(part, metro.place) for part in parts])
            minutes = running_time_s(length, line.design_speed_kmh, INPUTS).sum() / 60
            assert minutes == pytest.approx(TERMINUS_TO_TERMINUS_MIN[line.line], rel=0.08), line.line


def test_short_and_long_segments_meet_where_cruising_speed_is_just_reached() -> None:
    speed = INPUTS["transit_supply.metro_cruise_share"] * 80 / 3.6
    reach = speed**2 / INPUTS["transit_supply.metro_acceleration_ms2"]
    below, at, above = running_time_s(np.array([reach - 0.01, reach, reach + 0.01]), 80.0, INPUTS)
    assert below < at < above
    assert above - below < 0.01


def test_stations_stand_near_the_real_ones(shared_data: Path) -> None:
    metro = read_metro()
    real = pd.read_csv(shared_data / "subway" / "beijing_subway_line_stations.csv").dropna(subset="lon_wgs84")
    real["name"] = real.station_cn.str.replace(r"\(.*", "", regex=True)
    place = real.groupby("name")[["lon_wgs84", "lat_wgs84"]].mean()
    known = [name for name in place.index if name in metro.place]
    assert len(known) > 400
    lon, lat = np.array([metro.place[name] for name in known]).T
    metres = great_circle_m(lon, lat, *place.loc[known].to_numpy().T)
    assert np.median(metres) < 700
    assert metres.max() < 2500


def test_peak_headways_are_those_of_the_timetable(shared_data: Path) -> None:
    trains = pd.read_csv(shared_data / "subway" / "beijing_subway_trains_per_hour.csv")
    peak = trains[trains.date_group.str.contains("工作日") & trains.hour.isin([7, 8])]
    count = peak.groupby(["line", "hour"]).trains_per_hour_max_over_stations.max().groupby("line").mean()
    for line in read_metro().line:
        name = line.name_zh.removesuffix("八通线").removesuffix("大兴线")
        if name in count.index:
            assert line.headway_min[0] == pytest.approx(60 / count[name], rel=0.25), name


def test_a_line_runs_every_stretch_once_in_each_direction(transit: TransitNetwork) -> None:
    for year in range(2018, 2031):
        seen: set[tuple[int, int]] = set()
        for pattern in _patterns(transit, TransitMode.METRO):
            if transit.open_year[pattern] <= year < transit.close_year[pattern]:
                stop = transit.stop[_calls(transit, pattern)].tolist()
                hops = set(pairwise(stop))
                assert len(hops) == len(stop) - 1
                assert not hops & seen
                seen |= hops
        assert {(b, a) for a, b in seen} == seen


def test_a_gap_that_closes_joins_two_parts_into_one_line(transit: TransitNetwork) -> None:
    line = transit.line_name_en.index("Line 8")
    mine = transit.pattern_line == line
    for year, parts in ((2020, 2), (2021, 2), (2022, 1), (2030, 1)):
        assert (mine & (transit.open_year <= year) & (year < transit.close_year)).sum() == 2 * parts, year
    assert transit.open_year[mine & (transit.close_year == OPEN_END_YEAR)].tolist() == [2022, 2022]


def test_loop_lines_end_where_they_start(transit: TransitNetwork) -> None:
    for name in ("Line 2", "Line 10"):
        for pattern in np.flatnonzero(transit.pattern_line == transit.line_name_en.index(name)):
            stop = transit.stop[_calls(transit, int(pattern))]
            assert stop[0] == stop[-1]
            assert len(set(stop.tolist())) == len(stop) - 1


def test_headways_are_finite_and_peaks_are_busiest(transit: TransitNetwork) -> None:
    headway = transit.line_headway_min
    assert np.all(np.isfinite(headway) & (headway > 0))
    assert np.all(headway[:, 0] <= headway[:, 1] + 1e-9)
    assert np.all(headway[:, 0] <= headway[:, 3] + 1e-9)


def test_buses_and_kilometres_are_the_published_ones(transit: TransitNetwork) -> None:
    totals = bus_totals(INPUTS)
    length = _bus_length_km(transit)
    headway = transit.line_headway_min[transit.line_mode == TransitMode.BUS]
    cycle_h = (
        2 * length * (1 + INPUTS["transit_supply.bus_layover_share"]) / INPUTS["transit_supply.bus_speed_kmh"]
    )
    assert (60 * cycle_h / headway[:, 0]).sum() == pytest.approx(20_000, rel=0.01)
    assert (120 * length[:, None] / headway * service_hours(INPUTS)).sum() == pytest.approx(totals.bus_km_day)
    assert 250 <= len(length) <= 500


def test_routes_and_their_length_are_the_published_ones(transit: TransitNetwork) -> None:
    length = _bus_length_km(transit)
    people = 1000.0 + np.arange(len(length))
    service = plan_bus_service(length, np.asarray(people, np.float64), bus_totals(INPUTS), INPUTS)
    assert service.routes.sum() == pytest.approx(1207, rel=0.02)
    assert service.routes @ length == pytest.approx(28_400, rel=0.02)
    assert service.routes.min() >= 1
    assert service.buses.sum() == pytest.approx(20_000, rel=0.02)


def test_route_kilometres_out_of_reach_are_refused() -> None:
    with pytest.raises(NetworkError, match="route_km"):
        plan_bus_service(np.array([5.0, 8.0]), np.array([1.0, 2.0]), bus_totals(INPUTS), INPUTS)


def test_every_zone_with_residents_has_a_bus(city: City) -> None:
    streets = build_bus_streets(city.roads, city.zones, INPUTS)
    bus = np.flatnonzero(city.transit.stop_mode == TransitMode.BUS)
    served = np.isin(bus, city.transit.stop)
    assert len(bus) == len(streets.node)
    for zone, stops in enumerate(streets.zone_stop):
        assert city.zones.residents[zone] == 0 or served[list(stops)].any(), city.zones.name[zone]


def test_buses_run_on_connected_open_roads_from_stop_to_stop(city: City) -> None:
    transit, roads = city.transit, city.roads
    for pattern in _patterns(transit, TransitMode.BUS):
        calls = range(transit.pattern_indptr[pattern], transit.pattern_indptr[pattern + 1] - 1)
        for call in calls:
            link = transit.road_link[transit.road_indptr[call] : transit.road_indptr[call + 1]]
            ends = transit.stop[call : call + 2]
            nodes = [roads.tail[link[0]], roads.head[link[-1]]]
            assert np.array_equal(roads.node_x_m[nodes], transit.stop_x_m[ends])
            assert np.array_equal(roads.node_y_m[nodes], transit.stop_y_m[ends])
            assert np.array_equal(roads.head[link[:-1]], roads.tail[link[1:]])
            assert roads.length_m[link].sum() == pytest.approx(transit.segment_length_m[call])
            assert roads.drive[link].all()
            assert roads.open_year[link].max() <= 2020


def test_platforms_of_one_station_are_joined_and_walks_go_both_ways(transit: TransitNetwork) -> None:
    walk = dict(
        zip(
            zip(transit.transfer_from.tolist(), transit.transfer_to.tolist(), strict=True),
            transit.transfer_walk_m.tolist(),
            strict=True,
        )
    )
    assert len(walk) == len(transit.transfer_from)
    assert all(walk[b, a] == metres for (a, b), metres in walk.items())
    station = [stop for stop, name in enumerate(transit.stop_name_zh) if name == "西直门"]
    assert len(station) == 3
    assert all(
        walk[a, b] == INPUTS["transit_supply.metro_transfer_m"] for a in station for b in station if a != b
    )


def test_nearly_every_metro_station_has_a_bus_at_its_door(transit: TransitNetwork) -> None:
    """Published: 88 to 91 % of entrances have a bus stop within 50 m."""
    metro = transit.stop_mode == TransitMode.METRO
    joined = np.zeros(transit.n_stops, bool)
    joined[transit.transfer_from[~metro[transit.transfer_to]]] = True
    assert joined[metro].mean() > 0.88


def test_the_same_roads_and_zones_give_the_same_network(city: City) -> None:
    again = build_reference_transit(city.roads, city.zones)
    for field in fields(again):
        one, other = getattr(city.transit, field.name), getattr(again, field.name)
        assert np.array_equal(one, other), field.name


def test_bus_lines_grow_on_any_grid_of_streets() -> None:
    city = tiny_city()
    bus = build_bus_lines(city.roads, city.zones, line_count=20, fleet=100)
    assert set(bus.stop.tolist()) == set(range(bus.n_stops))
    cycle_h = 2 * _bus_length_km(bus) * 1.15 / INPUTS["transit_supply.bus_speed_kmh"]
    assert (60 * cycle_h / bus.line_headway_min[:, 0]).sum() == pytest.approx(87, rel=0.01)


def test_one_way_streets_leave_every_bus_stop_within_reach() -> None:
    city = tiny_city()
    roads = city.roads
    row, column = (np.rint(v / 1000).astype(int) for v in (roads.node_y_m, roads.node_x_m))
    east, north = (v[roads.head] - v[roads.tail] for v in (column, row))
    inner_row, inner_column = (np.isin(v - v.min(), [1, 2, 4])[roads.tail] for v in (row, column))
    against = (inner_row & (east < 0)) | (inner_column & (north < 0))
    oneway = replace(roads, drive=roads.drive & ~against)
    streets = build_bus_streets(oneway, city.zones, INPUTS)
    assert np.isfinite(streets.distance_m).all()
    for here in range(len(streets.node)):
        link = streets.path(here, (here + 1) % len(streets.node))
        assert oneway.drive[link].all()
        assert np.array_equal(oneway.head[link[:-1]], oneway.tail[link[1:]])


def test_fares_are_the_published_bands() -> None:
    fares = reference_fares()
    assert fares.metro_up_to_km.tolist() == [6, 12, 22, 32]
    assert fares.metro_cny.tolist() == [3, 4, 5, 6]
    assert (fares.bus_base_cny, fares.bus_base_km, fares.bus_step_km, fares.bus_card_discount) == (
        2,
        10,
        5,
        0.5,
    )
    assert (fares.taxi_flagfall_cny, fares.taxi_flagfall_km, fares.taxi_cny_km) == (13, 3, 2.3)
