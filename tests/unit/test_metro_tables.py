"""Metro tables: lengths, headways and years come out as they stand in the files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from transport_abm.core.errors import NetworkError
from transport_abm.core.vocabulary import Period
from transport_abm.networks.city import TransitNetwork
from transport_abm.networks.transit.metro_tables import (
    Opening,
    build_metro_network,
    read_metro_tables,
    read_openings,
)

CRS = "EPSG:32650"
CARS = {"B": (240.0, 40.0)}
INPUTS = {
    "transit_supply.metro_cruise_share": 0.8,
    "transit_supply.metro_acceleration_ms2": 0.8,
    "transit_supply.metro_dwell_s": 48.0,
    "transit_supply.metro_transfer_m": 200.0,
}
LINES = (
    "line,alias,cars_per_train,car_type,design_speed_kmh,loop\n"
    "1号线,Line 1,6,B,80,False\n2号线,Line 2,8,B,80,True\n"
)
STATIONS = (
    "line,seq,station_cn,station_en,lon_wgs84,lat_wgs84,dist_from_prev_m\n"
    "1号线,1,甲,A,116.30,39.90,\n1号线,2,乙,,116.32,39.90,1800\n"
    "1号线,3,丙,C,,,1700\n1号线,4,丁,D,116.36,39.90,1750\n"
    "2号线,1,乙,B,116.32,39.90,\n2号线,2,戊,E,116.34,39.92,2900\n2号线,3,己,F,116.30,39.92,3500\n"
)
RATES = "line,direction,date_group,hour,trains_per_hour_max_over_stations\n"


def rates() -> str:
    """Thirty trains an hour in the peaks, ten at noon, six in the evening; line 2 in one direction only."""
    rows = []
    for hour in range(24):
        trains = 30 if hour in (7, 8, 17, 18) else 10 if 9 <= hour < 17 else 6 if 5 <= hour < 23 else 0
        rows += [f"1号线,{way},工作日,{hour},{trains}" for way in ("东行", "西行")]
        rows += [f"1号线,东行,双休日,{hour},1", f"2号线,内环,全日,{hour},{12 if 7 <= hour < 19 else 0}"]
    return RATES + "\n".join(rows) + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Tables of two lines, with a prefix in their names."""
    (tmp_path / "town_lines.csv").write_text(LINES, encoding="utf-8")
    (tmp_path / "town_line_stations.csv").write_text(STATIONS, encoding="utf-8")
    (tmp_path / "town_trains_per_hour.csv").write_text(rates(), encoding="utf-8")
    return tmp_path


def network(folder: Path, *openings: Opening) -> TransitNetwork:
    """The lines as a transit network."""
    return build_metro_network(read_metro_tables(folder, CARS), openings, INPUTS, CRS)


def calls(transit: TransitNetwork, pattern: int) -> list[str]:
    """Names of the stations of a pattern."""
    stop = transit.stop[transit.pattern_indptr[pattern] : transit.pattern_indptr[pattern + 1]]
    return [transit.stop_name_zh[k] for k in stop]


def test_both_directions_of_a_line_are_patterns(folder: Path) -> None:
    transit = network(folder)
    assert calls(transit, 0) == ["甲", "乙", "丙", "丁"] and calls(transit, 1) == ["丁", "丙", "乙", "甲"]
    assert transit.segment_length_m[:4].tolist() == [1800, 1700, 1750, 0]
    assert transit.segment_length_m[4:8].tolist() == [1750, 1700, 1800, 0]
    assert transit.line_vehicle_capacity.tolist() == [1440, 1920]


def test_a_loop_closes_with_the_detour_of_the_line(folder: Path) -> None:
    transit = network(folder)
    assert calls(transit, 2) == ["乙", "戊", "己", "乙"]
    closing = transit.segment_length_m[transit.pattern_indptr[2] + 2]
    assert 2800 < closing < 2900 * 1.1  # as long as the mirrored first segment


def test_headways_count_the_trains_of_a_weekday(folder: Path) -> None:
    headway = network(folder).line_headway_min
    assert headway[0].tolist() == pytest.approx([2, 6, 2, 10])
    assert headway[1, Period.AM] == pytest.approx(5) and np.isinf(headway[1, Period.NIGHT])


def test_a_station_without_a_place_lies_between_its_neighbours(folder: Path) -> None:
    transit = network(folder)
    share = 1700 / (1700 + 1750)
    assert transit.stop_lon[2] == pytest.approx(116.32 + share * 0.04)


def test_running_time_is_that_of_a_trapezoid_with_dwell(folder: Path) -> None:
    speed = 0.8 * 80 / 3.6
    assert network(folder).segment_time_s[0] == pytest.approx(1800 / speed + speed / 0.8 + 48)


def test_stations_of_one_name_are_joined_both_ways(folder: Path) -> None:
    transit = network(folder)
    assert transit.transfer_from.tolist() == [1, 4] and transit.transfer_to.tolist() == [4, 1]
    assert transit.transfer_walk_m.tolist() == [200, 200]


def test_an_extension_gives_a_longer_pattern_from_its_year(folder: Path) -> None:
    first, then = Opening("1号线", "甲", "丙", 2010), Opening("1号线", "丙", "丁", 2022)
    transit = network(folder, first, then)
    line = transit.pattern_line == 0
    spans = [
        (calls(transit, p), int(transit.open_year[p]), int(transit.close_year[p]))
        for p in np.flatnonzero(line)
    ]
    assert (["甲", "乙", "丙"], 2010, 2022) in spans and (["甲", "乙", "丙", "丁"], 2022, 9999) in spans
    assert len(spans) == 4


def test_parts_of_different_service_are_run_apart_until_they_join(folder: Path) -> None:
    west, east = Opening("1号线", "甲", "丙", 2000), Opening("1号线", "丙", "丁", 2003, 2022, "old")
    transit = network(folder, west, east, Opening("1号线", "丙", "丁", 2022))
    running = {
        year: sorted(
            calls(transit, p)
            for p in range(0, transit.n_patterns, 2)
            if transit.pattern_line[p] == 0 and transit.open_year[p] <= year < transit.close_year[p]
        )
        for year in (2001, 2010, 2030)
    }
    assert running[2001] == [["甲", "乙", "丙"]]
    assert running[2010] == [["丙", "丁"], ["甲", "乙", "丙"]]
    assert running[2030] == [["甲", "乙", "丙", "丁"]]


def test_openings_are_read_with_their_ends_open(tmp_path: Path) -> None:
    text = "line,from_station,to_station,open_year,close_year,service\n"
    text += "1号线,甲,乙,2010,,\n1号线,乙,丙,2011,2020,x\n"
    (tmp_path / "openings.csv").write_text(text, encoding="utf-8")
    found = read_openings(tmp_path / "openings.csv")
    assert found == [Opening("1号线", "甲", "乙", 2010), Opening("1号线", "乙", "丙", 2011, 2020, "x")]


def test_an_opening_of_an_unknown_station_is_named(folder: Path) -> None:
    with pytest.raises(NetworkError, match="庚"):
        network(folder, Opening("1号线", "甲", "庚", 2010))


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("town_lines.csv", ",B,80,False", ",Z,80,False", "car_type, row 2"),
        ("town_lines.csv", ",80,True", ",fast,True", "design_speed_kmh, row 3"),
        ("town_line_stations.csv", ",1800", ",-1800", "dist_from_prev_m, row 3"),
        ("town_line_stations.csv", "116.36,39.90,1750", "126.36,39.90,1750", "reaches the next station"),
        ("town_line_stations.csv", "2号线,3,己", "2号线,2,己", "each number once"),
        ("town_line_stations.csv", "1号线,2,乙", "1号线,2,甲", "each station once"),
        ("town_line_stations.csv", "116.30,39.90", "nan,39.90", "lon_wgs84, row 2"),
        ("town_trains_per_hour.csv", "全日", "周日", "trains of 2号线"),
        (
            "town_trains_per_hour.csv",
            "trains_per_hour_max_over_stations",
            "trains",
            "no such column|a column",
        ),
    ],
)
def test_damaged_tables_are_named(folder: Path, file: str, old: str, new: str, words: str) -> None:
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(NetworkError, match=words):
        read_metro_tables(folder, CARS)


@pytest.mark.shared
def test_beijings_lines_have_their_published_lengths_and_peak_headways(shared_data: Path) -> None:
    cars = dict.fromkeys(("A", "B", "B-", "L", "D", "M", "LRT"), (240.0, 40.0))
    lines = {line.name_en: line for line in read_metro_tables(shared_data / "subway", cars)}
    assert len(lines) == 28 and sum(len(line.station_zh) for line in lines.values()) == 540
    assert lines["Line 5"].length_m.sum() == 27_060
    for name in ("Line 1", "Line 4", "Line 10"):
        assert lines[name].headway_min[Period.AM] < 2.25  # 30 trains in the hour from 08:00
