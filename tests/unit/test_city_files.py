"""A city folder gives back the city that was written, or says everything that is wrong with it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.tiny import tiny_city
from transport_abm.core.errors import NetworkError
from transport_abm.networks.cities.city_files import city_digest, city_faults, read_city, write_city
from transport_abm.networks.city import City


def assert_same(one: object, other: object, place: str = "city") -> None:
    """Compare two trees of dataclasses to the bit, types included."""
    if dataclasses.is_dataclass(one):
        assert type(one) is type(other)
        for field in dataclasses.fields(one):
            assert_same(getattr(one, field.name), getattr(other, field.name), f"{place}.{field.name}")
    elif isinstance(one, np.ndarray):
        assert isinstance(other, np.ndarray), place
        assert one.dtype == other.dtype and one.shape == other.shape, place
        assert one.tobytes() == other.tobytes(), place
    else:
        assert one == other, place


def changed(city: City, table: str, **columns: object) -> City:
    """The city with some columns of one table replaced."""
    return dataclasses.replace(city, **{table: dataclasses.replace(getattr(city, table), **columns)})


def test_a_city_comes_back_from_its_folder_to_the_bit(tmp_path: Path) -> None:
    meta = {"date": "2026-06-30", "sources": ['a "quoted" line\nand another'], "深": {"k": [1, 2.5, True]}}
    city = dataclasses.replace(tiny_city(), meta=meta)
    write_city(city, tmp_path / "city")
    assert_same(read_city(tmp_path / "city"), city)


def test_link_names_come_back(tmp_path: Path) -> None:
    names = tuple(f"街{k}" for k in range(tiny_city().roads.n_links))
    city = changed(tiny_city(), "roads", name=names)
    write_city(city, tmp_path / "city")
    assert read_city(tmp_path / "city").roads.name == names


def test_the_digest_follows_every_number(tmp_path: Path) -> None:
    city = tiny_city()
    digest = write_city(city, tmp_path / "city")
    assert digest == city_digest(city) == city_digest(tmp_path / "city")
    residents = city.zones.residents.copy()
    residents[0] = np.nextafter(residents[0], 2e9)
    assert city_digest(changed(city, "zones", residents=residents)) != digest


def test_an_earlier_city_is_replaced_and_nothing_else_stays(tmp_path: Path) -> None:
    write_city(tiny_city(), tmp_path / "city")
    write_city(dataclasses.replace(tiny_city(), name="second"), tmp_path / "city")
    assert read_city(tmp_path / "city").name == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["city"]


def test_a_folder_that_is_not_a_city_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    with pytest.raises(NetworkError, match="earlier city"):
        write_city(tiny_city(), tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "years of work"


def test_a_city_with_faults_is_not_written(tmp_path: Path) -> None:
    city = tiny_city()
    zones = dataclasses.replace(city.zones, district=city.zones.district + np.int16(1))
    length = city.roads.length_m.copy()
    length[3] = np.nan
    roads = dataclasses.replace(city.roads, length_m=length)
    bad = dataclasses.replace(city, zones=zones, roads=roads)
    with pytest.raises(NetworkError) as caught:
        write_city(bad, tmp_path / "city")
    text = str(caught.value)
    assert "zones.parquet: district[6]" in text and "links.parquet: length_m[3]" in text
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("table", "column", "value", "where"),
    [
        ("roads", "tail", 10_000, "links.parquet: tail"),
        ("roads", "head", -1, "links.parquet: head"),
        ("roads", "capacity_pcuh", 0.0, "links.parquet: capacity_pcuh"),
        ("roads", "free_speed_kmh", np.inf, "links.parquet: free_speed_kmh"),
        ("roads", "ring", 9, "links.parquet: ring"),
        ("zones", "lat", 95.0, "zones.parquet: lat"),
        ("zones", "residents", -1.0, "zones.parquet: residents"),
        ("zones", "node", 42, "zones.parquet: node"),
        ("transit", "stop", 17, "calls.parquet: stop"),
        ("transit", "road_link", 142, "call_links.parquet: link"),
        ("transit", "pattern_line", 3, "patterns.parquet: line"),
        ("transit", "line_headway_min", 0.0, "lines.parquet: headway_am_min"),
    ],
)
def test_a_value_out_of_range_is_named(table: str, column: str, value: float, where: str) -> None:
    city = tiny_city()
    values = getattr(getattr(city, table), column).copy()
    values.flat[0] = value
    faults = city_faults(changed(city, table, **{column: values}))
    assert any(where in str(fault) for fault in faults), faults


def test_columns_of_another_type_or_length_are_named() -> None:
    city = tiny_city()
    wrong = changed(
        city, "zones", jobs=city.zones.jobs.astype(np.float32), residents=city.zones.residents[:-1]
    )
    text = "\n".join(map(str, city_faults(wrong)))
    assert "jobs: expected a column of float64, got float32" in text
    assert "residents: expected 12 rows, got 11 rows" in text
