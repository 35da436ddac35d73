"""The ground of the bundled city against published totals, its own geometry, and the real outlines."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import fields
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import shapely
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from transport_abm.core.vocabulary import LinkClass
from transport_abm.networks.cities.city_files import city_faults
from transport_abm.networks.city import City, Outlines, RoadNetwork, Zones
from transport_abm.networks.reference._tables import to_metres
from transport_abm.networks.reference.build import build_reference_city
from transport_abm.networks.reference.districts import district_facts, district_polygons, district_polygons_m
from transport_abm.networks.reference.landuse import build_land_use
from transport_abm.networks.reference.rings import ring_length_km, ring_of, ring_of_metres
from transport_abm.networks.reference.road_grid import noise

# Seventh national census, 1 November 2020 (Beijing bureau).
CENSUS_2020 = {
    "Dongcheng": 708829, "Xicheng": 1106214, "Chaoyang": 3452460, "Fengtai": 2019764, "Shijingshan": 567851,
    "Haidian": 3133469, "Mentougou": 392606, "Fangshan": 1312778, "Tongzhou": 1840295, "Shunyi": 1324044,
    "Changping": 2269487, "Daxing": 1993591, "Huairou": 441040, "Pinggu": 457313, "Miyun": 527683,
    "Yanqing": 345671,
}  # fmt: skip
# Fifth economic census, end of 2023, bulletin no. 7.
JOBS_2023 = {"Chaoyang": 2604000, "Haidian": 2397000, "Fengtai": 1145000}
JOBS_2023_CITY = 13136000
RING_LENGTH_KM = {2: 32.7, 3: 48.3, 4: 65.3, 5: 98.6, 6: 187.6}
LANDMARKS = {
    "Tiananmen": (116.391, 39.907, "Dongcheng", 2),
    "Jinrongjie": (116.357, 39.916, "Xicheng", 2),
    "Guomao": (116.4605, 39.909, "Chaoyang", 4),
    "Zhongguancun": (116.315, 39.981, "Haidian", 4),
    "Wangjing": (116.473, 39.999, "Chaoyang", 5),
    "Summer Palace": (116.272, 39.998, "Haidian", 5),
    "Fengtai Science City": (116.29, 39.825, "Fengtai", 5),
    "Pingguoyuan": (116.178, 39.926, "Shijingshan", 6),
    "Dayu": (116.105, 39.935, "Mentougou", 6),
    "Huilongguan": (116.335, 40.075, "Changping", 6),
    "Yizhuang": (116.505, 39.795, "Daxing", 6),
    "Tongzhou Beiyuan": (116.64, 39.905, "Tongzhou", 6),
    "Shunyi town": (116.655, 40.13, "Shunyi", 7),
    "Liangxiang": (116.14, 39.73, "Fangshan", 7),
    "Badaling": (116.015, 40.355, "Yanqing", 7),
    "Yanqi Lake": (116.67, 40.40, "Huairou", 7),
    "Gubeikou": (117.15, 40.68, "Miyun", 7),
    "Jinhaihu": (117.31, 40.18, "Pinggu", 7),
}


@lru_cache
def the_city() -> City:
    """Build the bundled city once for all tests."""
    return build_reference_city()


def outline_area_m2(outlines: Outlines, rows: int) -> np.ndarray:
    """Area inside the outlines of each row, in projected metres."""
    area = np.zeros(rows)
    for part, owner in enumerate(outlines.owner):
        own = slice(outlines.indptr[part], outlines.indptr[part + 1])
        area[owner] += shapely.Polygon(np.column_stack(to_metres(outlines.lon[own], outlines.lat[own]))).area
    return area


def digest(*tables: Zones | RoadNetwork) -> str:
    """Digest of every array and text of the tables."""
    total = hashlib.sha256()
    for table in tables:
        for field in fields(table):
            value = getattr(table, field.name)
            parts = (
                (value.owner, value.indptr, value.lon, value.lat) if isinstance(value, Outlines) else (value,)
            )
            for part in parts:
                total.update(part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode())
    return total.hexdigest()


def test_residents_sum_exactly_to_the_census_of_each_district() -> None:
    zones, districts = the_city().zones, the_city().districts
    for row, name in enumerate(districts.name_en):
        assert zones.residents[zones.district == row].sum() == CENSUS_2020[name], name
    assert zones.residents.sum() == 21893095
    assert zones.residents[districts.central[zones.district]].sum() == 10988587


def test_jobs_sum_exactly_to_the_published_districts_and_the_city() -> None:
    zones, districts = the_city().zones, the_city().districts
    for name, jobs in JOBS_2023.items():
        assert zones.jobs[zones.district == districts.name_en.index(name)].sum() == jobs
    assert zones.jobs.sum() == JOBS_2023_CITY


def test_cells_and_zones_hold_the_same_people_jobs_and_school_places() -> None:
    land, zones = build_land_use(), the_city().zones
    assert land.residents.sum() == pytest.approx(zones.residents.sum(), rel=1e-12)
    assert land.jobs.sum() == pytest.approx(zones.jobs.sum(), rel=1e-12)
    # whole pupils in each of sixteen districts
    assert abs(land.school_places.sum() - zones.school_places.sum()) <= 8
    for value in (zones.residents, zones.jobs, zones.school_places):
        assert (value >= 0).all() and (value == np.round(value)).all()
    assert not land.residents[land.void].any()


def test_people_thin_out_from_ring_to_ring() -> None:
    land = build_land_use()
    ring = ring_of_metres(land.x_m, land.y_m)
    density = [(land.residents + land.jobs)[ring == number].mean() for number in range(2, 8)]
    assert density == sorted(density, reverse=True)


@pytest.mark.parametrize("ring", sorted(RING_LENGTH_KM))
def test_ring_roads_have_their_published_length(ring: int) -> None:
    # hand-set chords of 0.005 degree cut the corners of the real road
    assert ring_length_km(ring) == pytest.approx(RING_LENGTH_KM[ring], rel=0.03)


def test_district_areas_are_within_six_percent_of_the_official_ones() -> None:
    area_km2 = np.array([polygon.area for polygon in district_polygons_m()]) / 1e6
    facts = district_facts()
    assert dict(zip(facts.name_en, area_km2, strict=True)) == pytest.approx(
        dict(zip(facts.name_en, facts.area_km2, strict=True)), rel=0.06
    )
    # official total of the municipality
    assert area_km2.sum() == pytest.approx(16410, rel=0.01)


def test_districts_meet_without_gaps_or_overlaps() -> None:
    polygons = np.array(district_polygons())
    whole = shapely.union_all(polygons)
    assert whole.area == pytest.approx(shapely.area(polygons).sum(), rel=1e-12)
    assert isinstance(whole, shapely.Polygon) and not whole.interiors


@pytest.mark.parametrize("name", sorted(LANDMARKS))
def test_landmarks_lie_in_their_district_and_ring(name: str) -> None:
    lon, lat, district, ring = LANDMARKS[name]
    found = [shapely.contains_xy(polygon, lon, lat) for polygon in district_polygons()]
    assert district_facts().name_en[int(np.argmax(found))] == district and sum(found) == 1
    assert ring_of([lon], [lat])[0] == ring


def test_zones_tile_their_district() -> None:
    zones = the_city().zones
    assert 300 <= len(zones) <= 450
    assert (np.diff(zones.district) >= 0).all()
    # degrees back to metres moves a corner by less than a millimetre
    assert outline_area_m2(zones.outlines, len(zones)) == pytest.approx(zones.area_m2, rel=1e-6)
    for row, polygon in enumerate(district_polygons_m()):
        own = zones.district == row
        assert zones.area_m2[own].sum() == pytest.approx(polygon.area, rel=1e-9)
        assert shapely.contains_xy(polygon, zones.x_m[own], zones.y_m[own]).all()


def test_zones_of_the_central_city_are_a_few_square_kilometres() -> None:
    city = the_city()
    central = city.districts.central[city.zones.district]
    assert 150 <= central.sum() <= 230
    assert 3e6 <= np.median(city.zones.area_m2[central]) <= 8e6


def test_every_street_can_be_reached_from_every_other() -> None:
    roads = the_city().roads
    for year in (2020, 2030):
        link = roads.drive & (roads.open_year <= year)
        graph = csr_matrix(
            (np.ones(link.sum()), (roads.tail[link], roads.head[link])), shape=(roads.n_nodes, roads.n_nodes)
        )
        part = connected_components(graph, directed=True, connection="strong")[1]
        used = np.union1d(roads.tail[link], roads.head[link])
        assert len(np.unique(part[used])) == 1
    assert 6000 <= roads.n_nodes <= 12000


def test_links_are_as_long_as_their_shape() -> None:
    roads = the_city().roads
    x_m, y_m = to_metres(roads.shape_lon, roads.shape_lat)
    step = np.hypot(np.diff(x_m), np.diff(y_m))
    first, last = roads.shape_indptr[:-1], roads.shape_indptr[1:] - 1
    along = np.concatenate([[0], np.cumsum(step)])
    assert roads.length_m == pytest.approx(along[last] - along[first], abs=1e-3)
    assert roads.length_m.min() > 50
    for end, node in ((first, roads.tail), (last, roads.head)):
        assert np.hypot(x_m[end] - roads.node_x_m[node], y_m[end] - roads.node_y_m[node]).max() < 0.01


def test_no_two_links_join_the_same_nodes_and_every_road_runs_both_ways() -> None:
    roads = the_city().roads
    there = set(zip(roads.tail.tolist(), roads.head.tolist(), strict=True))
    assert len(there) == roads.n_links
    assert there == {(head, tail) for tail, head in there}


def test_expressways_meet_streets_only_at_ramps() -> None:
    roads = the_city().roads
    ramp = np.array([name.endswith(", ramp") for name in roads.name])
    limited = np.isin(roads.link_class, [LinkClass.MOTORWAY, LinkClass.EXPRESSWAY])
    assert limited[ramp].all() and not (roads.walk & limited).any()
    above = np.unique(roads.tail[limited & ~ramp])
    below = np.unique(roads.tail[~limited])
    assert not np.intersect1d(above, below).size


def test_road_lengths_are_near_the_published_totals() -> None:
    roads = the_city().roads
    km = roads.length_m / 2000
    limited = roads.link_class <= LinkClass.EXPRESSWAY
    inside = roads.ring <= 6
    # Beijing around 2020: 390 km of urban expressways, 6,150 km of urban roads, 1,170 km of motorways.
    # The built-up area is smaller than the 6th ring; no motorway spur or link road is drawn.
    assert km[roads.link_class == LinkClass.EXPRESSWAY].sum() == pytest.approx(390, rel=0.05)
    assert km[(~limited | (roads.link_class == LinkClass.EXPRESSWAY)) & inside].sum() == pytest.approx(
        6150, rel=0.06
    )
    assert km[roads.link_class == LinkClass.MOTORWAY].sum() == pytest.approx(1170, rel=0.12)


def test_zones_enter_the_network_on_a_near_street_that_is_open() -> None:
    city = the_city()
    zones, roads = city.zones, city.roads
    street = roads.drive & roads.walk & (roads.open_year == 0)
    assert np.isin(zones.node, roads.tail[street]).all()
    distance_m = np.hypot(zones.x_m - roads.node_x_m[zones.node], zones.y_m - roads.node_y_m[zones.node])
    assert np.average(distance_m, weights=zones.residents) < 500


def test_the_city_passes_the_checks_of_a_city_folder() -> None:
    assert city_faults(the_city()) == []


def test_another_process_builds_the_same_bytes() -> None:
    code = (
        "from tests.validation.test_reference_ground import digest;"
        "from transport_abm.networks.reference.roads import build_reference_roads;"
        "from transport_abm.networks.reference.zones import build_reference_zones;"
        "from transport_abm.networks.reference.build import with_road_nodes;"
        "roads = build_reference_roads();"
        "print(digest(with_road_nodes(build_reference_zones(), roads), roads))"
    )
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": str(root)}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == digest(the_city().zones, the_city().roads)


def test_noise_is_even_and_depends_on_every_number() -> None:
    i, j = np.meshgrid(np.arange(100), np.arange(100), indexing="ij")
    value = noise(i, j, 1)
    # 10,000 draws: the mean of ten tenths each within 4 standard errors
    count = np.histogram(value, bins=10, range=(0, 1))[0]
    assert np.abs(count - 1000).max() < 4 * np.sqrt(900)
    assert np.unique(value).size == value.size
    assert not (value == noise(i, j, 2)).any() and not np.allclose(value, value.T)


@pytest.mark.shared
def test_districts_overlap_the_real_ones(shared_data: Path) -> None:
    real = json.loads((shared_data / "boundaries" / "beijing_districts16_wgs84.geojson").read_text("utf-8"))
    shapes = {
        one["properties"]["name_en"]: shapely.geometry.shape(one["geometry"]) for one in real["features"]
    }
    for name, ours in zip(district_facts().name_en, district_polygons(), strict=True):
        theirs = shapes[name]
        overlap = ours.intersection(theirs).area / ours.union(theirs).area
        # a vertex of 0.005 degree weighs more on the small districts of the core
        assert overlap > (0.75 if name in ("Dongcheng", "Xicheng") else 0.85), name
