"""Offsets of Chinese maps have the known size, undo themselves, and are recognised in real traces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport_abm.networks.cities.geo import (
    bd09_to_wgs84,
    densify,
    detect_gcj02,
    gcj02_to_wgs84,
    great_circle_m,
    project,
    projected_crs,
    unproject,
    wgs84_to_bd09,
    wgs84_to_gcj02,
)

CENTIMETRE_M = 0.01
BEIJING = np.meshgrid(np.linspace(115.4, 117.5, 40), np.linspace(39.4, 41.1, 40))


def test_the_offset_in_beijing_is_between_300_and_700_metres() -> None:
    lon, lat = BEIJING
    shift_m = great_circle_m(lon, lat, *wgs84_to_gcj02(lon, lat))
    assert shift_m.min() > 300 and shift_m.max() < 700


def test_tiananmen_moves_as_published() -> None:
    """The pair in the tests of the eviltransform project."""
    lon, lat = wgs84_to_gcj02(116.377817, 39.911954)
    assert float(great_circle_m(lon, lat, 116.38404722455657, 39.91334545536069)) < 0.1


@given(lon=st.floats(73.7, 134.7), lat=st.floats(18.3, 53.4))
def test_there_and_back_is_under_a_centimetre_in_china(lon: float, lat: float) -> None:
    assert great_circle_m(lon, lat, *gcj02_to_wgs84(*wgs84_to_gcj02(lon, lat))) < CENTIMETRE_M
    assert great_circle_m(lon, lat, *bd09_to_wgs84(*wgs84_to_bd09(lon, lat))) < CENTIMETRE_M


@pytest.mark.parametrize(("lon", "lat"), [(139.69, 35.69), (13.4, 52.5), (-0.1, 51.5), (151.2, -33.9)])
def test_nothing_moves_outside_china(lon: float, lat: float) -> None:
    assert wgs84_to_gcj02(lon, lat) == (lon, lat)
    assert gcj02_to_wgs84(lon, lat) == (lon, lat)


def test_beijing_is_in_utm_zone_50() -> None:
    assert projected_crs(*BEIJING) == "EPSG:32650"
    assert projected_crs([-58.4], [-34.6]) == "EPSG:32721"


def test_projection_keeps_lengths_to_one_part_in_a_thousand_and_undoes_itself() -> None:
    lon, lat = BEIJING
    x_m, y_m = project(lon, lat, "EPSG:32650")
    flat_m = np.hypot(np.diff(x_m, axis=1), np.diff(y_m, axis=1))
    round_m = great_circle_m(lon[:, 1:], lat[:, 1:], lon[:, :-1], lat[:, :-1])
    # UTM's own scale (0.9996 to 1.0003) and the sphere against the ellipsoid (0.3 %)
    assert np.abs(flat_m / round_m - 1).max() < 0.004
    assert great_circle_m(lon, lat, *unproject(x_m, y_m, "EPSG:32650")).max() < CENTIMETRE_M


def test_densified_lines_have_no_gap_and_no_bridge() -> None:
    lon, lat = np.array([116.0, 116.01, 116.5, 116.51]), np.array([40.0, 40.0, 39.0, 39.001])
    more_lon, more_lat = densify(lon, lat, np.array([0, 2, 4]), 20.0)
    order = np.argsort(more_lon)
    step_m = great_circle_m(
        more_lon[order][:-1], more_lat[order][:-1], more_lon[order][1:], more_lat[order][1:]
    )
    assert np.sort(step_m)[-2] <= 20.0 + CENTIMETRE_M < 100_000 < step_m.max()  # one jump, between the lines
    assert set(lon) <= set(more_lon)


def test_an_empty_set_cannot_be_judged() -> None:
    with pytest.raises(ValueError, match="empty"):
        detect_gcj02((np.empty(0), np.empty(0)), BEIJING)


@pytest.mark.shared
def test_taxi_traces_are_recognised_on_real_roads(shared_data: Path) -> None:
    roads = pd.read_csv(shared_data / "roads" / "beijing_osm2020core_edges.csv.gz", usecols=["wkt"]).wkt
    shapes = [np.array([pair.split() for pair in wkt[12:-1].split(", ")], float) for wkt in roads.iloc[::2]]
    indptr = np.cumsum([0] + [len(shape) for shape in shapes])
    points = np.concatenate(shapes)
    streets = densify(points[:, 0], points[:, 1], indptr, 20.0)
    taxi = pd.read_csv(shared_data / "taxi" / "beijing_taxi_2013_traj_points.csv.gz").dropna().iloc[::40]
    lon, lat = taxi.lon_wgs84.to_numpy(), taxi.lat_wgs84.to_numpy()
    inside = (lon > 116.27) & (lon < 116.48) & (lat > 39.82) & (lat < 39.98)
    assert not detect_gcj02((lon[inside], lat[inside]), streets).is_gcj02
    assert detect_gcj02(wgs84_to_gcj02(lon[inside], lat[inside]), streets).is_gcj02
