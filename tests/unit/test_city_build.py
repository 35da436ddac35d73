"""A city is built from a user's files: totals are kept, zones tile the districts, networks are joined."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from shapely.geometry import Polygon, box

from tests.tiny import tiny_city
from tests.unit.test_metro_tables import LINES, STATIONS, rates
from transport_abm.core.errors import NetworkError
from transport_abm.networks.cities.boundaries import DistrictTotals
from transport_abm.networks.cities.city_build import build_city_from_files, fill_jobs
from transport_abm.networks.cities.city_check import check_city, strong_parts
from transport_abm.networks.cities.city_recipe import read_recipe
from transport_abm.networks.cities.city_zones import place_seeds, share_zones, whole_numbers
from transport_abm.networks.cities.geo import project
from transport_abm.networks.cities.ring_areas import ring_from_names, ring_of
from transport_abm.networks.city import City
from transport_abm.networks.osm.road_join import join_roads, keep_strong_part, select_links

RECIPE = """
name = "town"
date = "2026-01-01"
licence = "ODbL"
sources = ["drawn by hand"]
roads = "town.osm"
districts = "districts.geojson"
population = "people.csv"
population_columns = { name_en = "district", residents = "people", jobs = "jobs" }
metro = "."
cars = "cars.csv"
zones = 10
jobs_total = 9000
school_places_per_resident = 0.125
bus_routes = 6
bus_fleet = 60
bus_lines = 4
"""


def grid_osm(columns: int = 9, rows: int = 6) -> str:
    """A town of straight streets, two-way."""
    nodes, ways = [], []
    for r in range(rows):
        for c in range(columns):
            lon, lat = 116.29 + c * 0.01, 39.89 + r * 0.008
            nodes.append(f'<node id="{r * 100 + c + 1}" lon="{lon:.5f}" lat="{lat:.5f}"/>')
    lines = [[r * 100 + c + 1 for c in range(columns)] for r in range(rows)]
    lines += [[r * 100 + c + 1 for r in range(rows)] for c in range(columns)]
    for k, line in enumerate(lines):
        refs = "".join(f'<nd ref="{ref}"/>' for ref in line)
        kind = "secondary" if k % 3 == 0 else "residential"
        ways.append(f'<way id="{k + 1}">{refs}<tag k="highway" v="{kind}"/></way>')
    return '<osm version="0.6">' + "".join(nodes + ways) + "</osm>"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of a town of two districts."""
    folder = tmp_path_factory.mktemp("town")
    (folder / "town.osm").write_text(grid_osm(), encoding="utf-8")
    features = [
        {
            "type": "Feature",
            "properties": {"name_en": name, "central": central},
            "geometry": {"type": "Polygon", "coordinates": [list(map(list, shape.exterior.coords))]},
        }
        for name, central, shape in (
            ("West", 1, box(116.28, 39.88, 116.33, 39.94)),
            ("East", 0, box(116.33, 39.88, 116.38, 39.94)),
        )
    ]
    (folder / "districts.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    (folder / "people.csv").write_text("district,people,jobs\nWest,20001,6000\nEast,10000,\n")
    (folder / "cars.csv").write_text("car_type,places,seats\nB,240,40\n")
    (folder / "lines.csv").write_text(LINES, encoding="utf-8")
    (folder / "line_stations.csv").write_text(STATIONS, encoding="utf-8")
    (folder / "trains_per_hour.csv").write_text(rates(), encoding="utf-8")
    (folder / "town.toml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def city(town: Path) -> City:
    """The town as a city."""
    return build_city_from_files(read_recipe(town / "town.toml"))


def test_totals_of_the_districts_are_kept_to_the_person(city: City) -> None:
    west = city.zones.district == 0
    assert city.zones.residents[west].sum() == 20_001 and city.zones.residents[~west].sum() == 10_000
    assert city.zones.jobs[west].sum() == 6_000 and city.zones.jobs[~west].sum() == 3_000
    assert city.zones.school_places.sum() == round(20_001 * 0.125) + 1_250


def test_zones_tile_their_districts(city: City) -> None:
    outlines = city.zones.outlines
    for row in range(2):
        own = np.flatnonzero(city.zones.district == row)
        parts = []
        for k in np.flatnonzero(np.isin(outlines.owner, own)):
            span = slice(outlines.indptr[k], outlines.indptr[k + 1])
            parts.append(Polygon(np.column_stack([outlines.lon[span], outlines.lat[span]])))
        whole = shapely.union_all(parts)
        assert sum(part.area for part in parts) == pytest.approx(whole.area, rel=1e-6)  # no overlap
        assert whole.area == pytest.approx(0.05 * 0.06, rel=1e-3)  # no gap; edges bend a little in projection
    assert len(city.zones) == 10


def test_a_built_city_has_no_errors(city: City) -> None:
    assert not [finding for finding in check_city(city) if finding.level == "error"]
    assert city.transit.n_lines > 2 and len(city.transit.transfer_from) > 0


def test_the_same_files_give_the_same_city(city: City, town: Path) -> None:
    from transport_abm.networks.cities.city_files import city_digest

    assert city_digest(build_city_from_files(read_recipe(town / "town.toml"))) == city_digest(city)


def test_a_recipe_with_faults_names_them_all(town: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text(RECIPE.replace("zones = 10", 'zones = "ten"\ncolour = "red"'))
    with pytest.raises(NetworkError) as caught:
        read_recipe(tmp_path / "bad.toml")
    assert "zones" in str(caught.value) and "colour" in str(caught.value)
    with pytest.raises(NetworkError, match="TOML"):
        read_recipe(tmp_path / "none.toml")


def test_given_jobs_may_not_exceed_the_total() -> None:
    given = DistrictTotals(np.array([1.0, 1.0]), np.array([10.0, np.nan]))
    assert fill_jobs(given, 15, np.ones(2)).tolist() == [10, 5]
    with pytest.raises(NetworkError, match="add up to"):
        fill_jobs(given, 9, np.ones(2))


def test_shares_and_whole_numbers_add_up() -> None:
    size = np.array([5.0, 1.0, 0.0, 3.3])
    assert share_zones(13, size).sum() == 13 and share_zones(4, size).tolist() == [1, 1, 1, 1]
    assert whole_numbers(np.array([1.0, 1.0, 1.0]), 10).sum() == 10


def test_seeds_follow_the_weight() -> None:
    x_m = np.concatenate([np.linspace(0, 100, 50), np.linspace(5_000, 5_100, 50)])
    seeds = place_seeds(x_m, np.zeros(100), np.repeat([9.0, 1.0], 50), 10)
    assert (seeds[:, 0] < 1_000).sum() == 9


def test_rings_nest_and_a_ring_is_drawn_through_named_roads() -> None:
    areas = {2: box(-1, -1, 1, 1), 4: box(-3, -3, 3, 3)}
    assert ring_of(areas, [0, 2, 5], [0, 0, 0]).tolist() == [2, 4, 7]
    roads = tiny_city().roads
    angle = np.linspace(0, 2 * np.pi, roads.n_nodes, endpoint=False)
    circle = replace(roads, node_x_m=5_000 * np.cos(angle), node_y_m=5_000 * np.sin(angle))
    drawn = ring_from_names(replace(circle, name=("北二环路",) * roads.n_links), "二环", 0.0, 0.0)
    assert ring_of({2: drawn}, [0, 4_900, 0], [0, 0, 5_200]).tolist() == [2, 2, 7]
    with pytest.raises(NetworkError, match="all around"):
        ring_from_names(replace(circle, name=("北二环路",) + ("",) * 141), "二环", 0.0, 0.0)


def test_two_networks_join_at_the_border_into_one() -> None:
    roads = tiny_city().roads
    west, east = roads.node_x_m.min(), roads.node_x_m.max()
    area = box(west - 1, roads.node_y_m.min() - 1, west + 3_500, roads.node_y_m.max() + 1)
    inner = select_links(roads, np.flatnonzero((roads.node_x_m[roads.tail] <= west + 3_000)
                                               & (roads.node_x_m[roads.head] <= west + 3_000)))  # fmt: skip
    joint = join_roads(inner, roads, area, 1_000.0)
    assert joint.left_out == 0 and joint.joined == 12  # six rows, both ways
    assert joint.roads.n_nodes == roads.n_nodes and joint.roads.n_links == roads.n_links
    assert (strong_parts(joint.roads) == 0).all() and joint.roads.node_x_m.max() == east
    assert joint.roads.length_m == pytest.approx(1_000.0)  # every link is led back to where it came from


def test_the_strong_part_leaves_dead_ends_out() -> None:
    roads = tiny_city().roads
    part = keep_strong_part(replace(roads, drive=roads.head != 0))
    assert part.n_nodes == roads.n_nodes - 1
    lon, lat = part.shape_lon[part.shape_indptr[:-1]], part.shape_lat[part.shape_indptr[:-1]]
    assert (lon == part.node_lon[part.tail]).all() and (lat == part.node_lat[part.tail]).all()


@pytest.mark.shared
@pytest.mark.slow
def test_beijing_is_built_from_the_real_files(shared_data: Path) -> None:
    from transport_abm.networks.cities.beijing_osm import build_beijing_osm

    city = build_beijing_osm(shared_data)
    assert city.zones.residents.sum() == 21_893_095 and city.zones.jobs.sum() == 13_136_000
    assert city.zones.residents[city.districts.central[city.zones.district]].sum() == 10_988_587
    assert not [finding for finding in check_city(city) if finding.level == "error"]
    assert 300 <= len(city.zones) <= 700 and city.roads.n_nodes > 20_000
    x_m, y_m = project(116.391, 39.907, city.crs)
    assert city.zones.ring[np.argmin(np.hypot(city.zones.x_m - x_m, city.zones.y_m - y_m))] == 2
    transit = city.transit
    km = {}
    for year in (2020, 2026):
        on = (
            (transit.open_year <= year)
            & (year < transit.close_year)
            & (transit.line_mode[transit.pattern_line] == 1)
        )
        call = np.repeat(on, np.diff(transit.pattern_indptr))
        km[year] = transit.segment_length_m[call].sum() / 2000
    # 699 km at the end of 2019, 909 km at the end of 2025, with tails beyond the termini
    assert 640 < km[2020] < 700 and 860 < km[2026] < 910
