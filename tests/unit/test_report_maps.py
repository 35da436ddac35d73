"""Maps of the report: each road and section once, in its colour, the same size every time; credits."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.report_case import page, run_of
from tests.tiny import tiny_city
from transport_abm.networks.cities.city_files import write_city
from transport_abm.report import write_city_map
from transport_abm.report.frames import whole
from transport_abm.report.ground import LOAD_FILL
from transport_abm.report.metro_map import metro_sections
from transport_abm.report.road_map import road_map, road_pairs
from transport_abm.report.texts import texts


@pytest.mark.parametrize(
    ("language", "credit"), [("en", "© OpenStreetMap contributors"), ("zh", "© OpenStreetMap 贡献者")]
)
def test_city_from_openstreetmap_names_its_contributors_on_every_map(
    tmp_path: Path, language: str, credit: str
) -> None:
    city = replace(tiny_city(), meta={"sources": ["extract of OpenStreetMap"], "licence": "ODbL 1.0"})
    write_city(city, tmp_path / "osm")
    text = page(run_of(city), tmp_path / "osm", tmp_path, language)
    maps = re.findall(r"<svg.*?</svg>", text, re.DOTALL)[-4:]  # two of districts, roads, metro
    assert all(credit in drawing for drawing in maps) and text.count(credit) == len(maps) + 1


def test_road_is_drawn_once_with_its_fuller_direction() -> None:
    city = tiny_city()
    flows = pd.DataFrame({"link": [0, 1], "load": [0.3, 0.4]})
    back = next(
        k
        for k in range(city.roads.n_links)
        if (city.roads.tail[k], city.roads.head[k]) == (city.roads.head[0], city.roads.tail[0])
    )
    flows.loc[2] = [back, 0.9]
    pairs = road_pairs(city, flows)
    assert len(pairs.link) == city.roads.n_links // 2
    assert pairs.load[pairs.link == back].tolist() == [0.9] and not (pairs.link == 0).any()


def test_road_map_draws_each_load_in_its_colour() -> None:
    city = tiny_city()
    flows = pd.DataFrame({"link": np.arange(city.roads.n_links), "load": 0.7})
    drawn = road_map(city, flows, texts("en"), title="t", credit=None, central=True)
    paths = re.findall(r'<path d="[^"]*" stroke="(#\w+)"', drawn)
    assert set(paths) == {LOAD_FILL[1]}  # 60-80 %
    assert len(paths) == 3  # expressway, primary and secondary roads


def test_map_is_equal_in_both_directions() -> None:
    frame = whole(tiny_city(), (0.0, 0.0, 400.0, 400.0))
    x, y = frame.xy(np.array([116.40, 116.40 + 1 / 85.3]), np.array([39.92, 39.92 + 1 / 111.03]))
    assert x[1] - x[0] == pytest.approx(frame.km, rel=0.01)  # 1 %: cos of the mean latitude
    assert y[0] - y[1] == pytest.approx(frame.km, rel=0.01)


def test_metro_section_is_shown_in_its_fuller_direction() -> None:
    city = tiny_city()
    flows = pd.DataFrame(
        {"call": [0, 1, 2, 4, 5, 6], "passengers_h": [5.0] * 6, "load": [0.1, 0.2, 0.3, 0.4, 0.1, 0.9]}
    )
    sections = metro_sections(city, flows)
    # Pattern 1 runs back: its call 6 is the way from stop 1 to stop 0, the section of call 0.
    assert [(s.start, s.end, s.load) for s in sections] == [(1, 0, 0.9), (3, 2, 0.4), (1, 2, 0.2)]


def test_city_of_fifty_thousand_links_stays_under_its_size() -> None:
    city, count = tiny_city(), 50_000
    rng = np.random.Generator(np.random.PCG64(1))
    lon, lat = 115.5 + 1.9 * rng.random(count), 39.5 + 1.5 * rng.random(count)
    bend = rng.normal(0, 0.01, (count, 4, 2)).cumsum(axis=1)
    roads = replace(
        city.roads, node_x_m=np.zeros(count + 1), tail=np.arange(count, dtype=np.int32),
        head=np.arange(1, count + 1, dtype=np.int32), link_class=rng.integers(0, 6, count).astype(np.int8),
        drive=np.ones(count, bool), shape_indptr=np.arange(count + 1, dtype=np.int64) * 4,
        shape_lon=(lon[:, None] + bend[:, :, 0]).ravel(), shape_lat=(lat[:, None] + bend[:, :, 1]).ravel(),
        capacity_pcuh=np.ones(count),
    )  # fmt: skip
    zones = replace(city.zones, lon=np.linspace(115.5, 117.4, 12), lat=np.linspace(39.5, 41.0, 12))
    large = replace(city, roads=roads, zones=zones)
    flows = pd.DataFrame({"link": np.arange(count), "load": rng.random(count) * 1.3})
    drawn = road_map(large, flows, texts("en"), title="t", credit=None, central=True)
    assert 100_000 < len(drawn) < 1_000_000  # two road maps and the rest of the page stay under 2.5 MB


def test_city_map_is_a_picture_and_the_same_twice(tmp_path: Path) -> None:
    first = write_city_map(tiny_city(), tmp_path / "a.png").read_bytes()
    assert first.startswith(b"\x89PNG") and len(first) > 20_000
    assert write_city_map(tiny_city(), tmp_path / "b.png").read_bytes() == first
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_city_map_writes_english_where_no_font_has_chinese(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setattr("transport_abm.report.citymap.cjk_font", lambda: None)
    write_city_map(tiny_city(), tmp_path / "a.png")
    assert not [
        w for w in recwarn if "missing from" in str(w.message)
    ]  # a glyph that is missing would be a box
