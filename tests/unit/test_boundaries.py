"""District polygons: read, turned to WGS 84 when they are not, refused when they are no districts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely

from transport_abm.core.errors import NetworkError
from transport_abm.networks.cities.boundaries import (
    Boundaries,
    district_of,
    read_boundaries,
    read_district_totals,
)
from transport_abm.networks.cities.geo import great_circle_m, wgs84_to_gcj02


def square(west: float, south: float, size: float = 0.1) -> list[list[float]]:
    """Corners of a square."""
    east, north = west + size, south + size
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def feature(name: str, code: str, ring: list[list[float]], central: object = 0) -> dict[str, object]:
    """A district."""
    properties = {"name_en": name, "name_cn": name + "区", "adcode": code, "central_six": central}
    return {
        "type": "Feature",
        "properties": properties,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }


def write(path: Path, *features: object) -> Path:
    """Write the districts."""
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return path


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Two districts side by side."""
    west, east = square(116.3, 39.9), square(116.4, 39.9)
    return write(tmp_path / "districts.geojson", feature("West", "1", west, 1), feature("East", "2", east))


def test_districts_come_in_the_order_of_the_file(two: Path) -> None:
    found = read_boundaries(two, "wgs84")
    assert found.districts.name_en == ("West", "East") and found.districts.name_zh == ("West区", "East区")
    assert found.districts.central.tolist() == [True, False] and found.code == ("1", "2")
    assert found.districts.outlines.owner.tolist() == [0, 1]
    row = district_of(found.polygon, np.array([116.35, 116.45, 120.0]), np.array([39.95, 39.95, 39.95]))
    assert row.tolist() == [0, 1, -1]


def test_the_datum_is_found_from_points_whose_district_is_known(two: Path, tmp_path: Path) -> None:
    ring = [
        np.column_stack(wgs84_to_gcj02(*np.array(square(116.3 + k, 39.9)).T)).tolist() for k in (0.0, 0.1)
    ]
    shifted = write(
        tmp_path / "shifted.geojson", feature("West", "1", ring[0]), feature("East", "2", ring[1])
    )
    lon = np.array([116.3005, 116.35, 116.4005, 116.45, 116.3985])
    lat = np.full(5, 39.95)
    reference = (lon, lat, ["1", "1", "2", "2", "1"])
    assert read_boundaries(two, "detect", reference).datum == "wgs84"
    found = read_boundaries(shifted, "detect", reference)
    assert found.datum == "gcj02"
    corner = shapely.get_coordinates(found.polygon[0])[0]
    assert great_circle_m(corner[0], corner[1], 116.3, 39.9) < 0.01


def test_totals_are_matched_by_code_and_empty_jobs_are_unknown(two: Path, tmp_path: Path) -> None:
    found = read_boundaries(two, "wgs84")
    (tmp_path / "people.csv").write_text("code,people,jobs\n2,20,\n1,10,5\n")
    totals = read_district_totals(
        tmp_path / "people.csv", found, {"code": "code", "residents": "people", "jobs": "jobs"}
    )
    assert totals.residents.tolist() == [10, 20]
    np.testing.assert_array_equal(totals.jobs, [5, np.nan])


@pytest.mark.parametrize(
    ("features", "words"),
    [
        ([feature("A", "1", square(0, 0)), feature("A", "2", square(1, 1))], "each name once"),
        ([feature("A", "1", square(0, 0)), feature("B", "2", square(0.05, 0))], "an overlap"),
        ([feature("A", "1", [[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]])], "a valid polygon"),
        ([feature("A", "1", [[0, 0], [1, 1]])], "at least 4 points"),
        ([feature("A", "1", [[0, 0], [400, 1], [1, 0], [0, 0]])], "degrees on the Earth"),
        ([feature("A", "1", [[0, 0], ["x", 1], [1, 0], [0, 0]])], "rings of longitude"),
        ([feature("A", "1", square(0, 0), "yes")], "0 or 1"),
        ([{"type": "Feature", "properties": {}, "geometry": {"type": "Point"}}], "name_en or name_zh"),
        ([17], "properties and a geometry"),
        ([], "a list of districts"),
    ],
)
def test_what_is_no_district_is_named(features: list[object], words: str, tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=words):
        read_boundaries(write(tmp_path / "bad.geojson", *features), "wgs84")


def test_every_fault_of_a_table_is_named(two: Path, tmp_path: Path) -> None:
    found = read_boundaries(two, "wgs84")
    (tmp_path / "people.csv").write_text("code,people\n1,-5\n1,many\n")
    with pytest.raises(NetworkError) as caught:
        read_district_totals(tmp_path / "people.csv", found, {"code": "code", "residents": "people"})
    text = str(caught.value)
    assert "people, row 2" in text and "people, row 3" in text
    assert "each district once" in text and "a row for district 2" in text


@pytest.mark.shared
def test_beijings_districts_hold_their_own_metro_stations(shared_data: Path) -> None:
    path = shared_data / "boundaries" / "beijing_districts16_wgs84.geojson"
    stations = pd.read_csv(
        shared_data / "subway" / "beijing_subway_line_stations.csv", dtype={"district_adcode": str}
    )
    stations = stations.dropna(subset=["lon_wgs84", "district_adcode"])
    lon, lat = stations.lon_wgs84.to_numpy(), stations.lat_wgs84.to_numpy()
    codes = stations.district_adcode.tolist()
    found = read_boundaries(path, "detect", (lon, lat, codes))
    assert found.datum == "wgs84" and len(found.code) == 16

    def right(polygons: Boundaries) -> float:
        row = district_of(polygons.polygon, lon, lat)
        return float(np.mean([row[k] >= 0 and polygons.code[row[k]] == code for k, code in enumerate(codes)]))

    # stations on a border may fall to either side
    assert right(found) > 0.97
    assert right(found) > right(read_boundaries(path, "gcj02"))
