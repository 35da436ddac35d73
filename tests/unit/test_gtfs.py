"""A GTFS feed becomes lines with the trips, times and ways it tells of; a hostile one is refused."""

from __future__ import annotations

import io
import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.tiny import tiny_city
from transport_abm.core.errors import NetworkError
from transport_abm.core.vocabulary import Period, TransitMode, TransitOption
from transport_abm.networks.cities.city_check import check_city
from transport_abm.networks.cities.geo import great_circle_m
from transport_abm.networks.transit.gtfs import GtfsTransit, read_gtfs, route_mode
from transport_abm.networks.transit.timetable import feed_timetable
from transport_abm.networks.transit.timetable_assignment import assign_timetable
from transport_abm.networks.transit.transit_assignment import build_transit_service
from transport_abm.policy.inputs import year_inputs

INPUTS = {
    "transit_supply.bus_places": 85.0,
    "transit_supply.bus_seats": 32.0,
    "transit_supply.metro_transfer_m": 200.0,
    "transit_supply.bus_metro_transfer_m": 150.0,
    "transit_supply.bus_metro_reach_m": 1500.0,
    "transit_supply.bus_bus_reach_m": 600.0,
    "transit.walk_detour": 1.3,
    "transit.bus_stop_spacing_m": 500.0,
}


def feed() -> dict[str, str]:
    """A metro with a train every 6 minutes by frequency, a bus every half hour by trips, and a ferry."""
    roads = tiny_city().roads

    def stop(name: str, node: int, parent: str = "") -> str:
        return f"{name},{name.title()},{roads.node_lat[node]},{roads.node_lon[node]},{parent}"

    stops = ["stop_id,stop_name,stop_lat,stop_lon,parent_station", stop("hall", 21)]
    stops += [
        stop("m1", 21, "hall"),
        stop("m2", 23),
        stop("m3", 27),
        stop("b1", 7),
        stop("b2", 9),
        stop("b3", 11),
    ]
    trips = ["route_id,service_id,trip_id", "M,week,mt", "M,week,back", "F,week,ft", "B,sunday,bs"]
    times = ["trip_id,stop_id,stop_sequence,departure_time"]
    times += ["mt,m1,1,07:00:00", "mt,m2,2,07:02:30", "mt,m3,3,07:07:00"]
    times += ["back,m3,1,07:30:00", "back,m2,2,", "back,m1,3,07:40:00"]
    times += ["ft,b1,1,08:00:00", "ft,b3,2,08:30:00", "bs,b1,1,08:00:00", "bs,b3,2,08:30:00"]
    for k in range(34):  # 06:00 to 22:30
        hour, minute = divmod(360 + 30 * k, 60)
        trips.append(f"B,week,b{k}")
        for order, (name, delay) in enumerate((("b1", 0), ("b2", 6), ("b3", 12)), 1):
            late = minute + delay
            times.append(f"b{k},{name},{order},{hour + late // 60:02d}:{late % 60:02d}:00")
    return {
        "stops.txt": "\n".join(stops),
        "routes.txt": "route_id,route_short_name,route_type\nM,Line 1,1\nB,20,3\nF,Ferry,4\n",
        "trips.txt": "\n".join(trips),
        "stop_times.txt": "\n".join(times),
        "calendar.txt": (
            "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n"
            "week,1,1,1,1,1,0,0,20240101,20241231\nsunday,0,0,0,0,0,0,1,20240101,20241231\n"
        ),
        "calendar_dates.txt": "service_id,date,exception_type\nweek,20240103,2\n",
        "frequencies.txt": (
            "trip_id,start_time,end_time,headway_secs\nmt,05:00:00,23:00:00,360\nback,07:00:00,09:00:00,360\n"
        ),
        "feed_info.txt": "a table that nobody asked for",
    }


def packed(folder: Path, tables: dict[str, str]) -> Path:
    """The feed as a zip file."""
    with zipfile.ZipFile(folder / "feed.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in tables.items():
            archive.writestr(name, text)
    return folder / "feed.zip"


def read(path: Path, date: str = "") -> GtfsTransit:
    """The feed over the tiny city's roads."""
    return read_gtfs(
        path, crs="EPSG:32650", inputs=INPUTS, train=(1460, 250), roads=tiny_city().roads, date=date
    )


@pytest.fixture
def found(tmp_path: Path) -> GtfsTransit:
    """The feed as lines."""
    return read(packed(tmp_path, feed()))


def test_every_sequence_of_stops_is_a_line(found: GtfsTransit) -> None:
    assert found.transit.line_mode.tolist() == [TransitMode.METRO, TransitMode.METRO, TransitMode.BUS]
    assert found.transit.line_name_en[2] == "20: B1 - B3"
    assert any("ferries" in note for note in found.notes)


def test_headways_count_departures_of_a_weekday(found: GtfsTransit) -> None:
    there, back, bus = found.transit.line_headway_min
    assert there.tolist() == [6, 6, 6, 6]
    assert back[Period.AM] == 6 and np.isinf(back[[Period.MIDDAY, Period.PM, Period.NIGHT]]).all()
    # 05 to 07 and 19 to 23 hours: trips at 06:00, 06:30 and from 19:00 to 22:30
    assert bus.tolist() == [30, 30, 30, 36]


def test_the_day_is_a_wednesday_on_which_the_service_is_not_called_off(
    found: GtfsTransit, tmp_path: Path
) -> None:
    assert found.date == "20240110"
    (tmp_path / "other").mkdir()
    sunday = read(packed(tmp_path / "other", feed()), "20240107")
    assert sunday.transit.n_lines == 1 and sunday.transit.line_name_en[0].startswith("20")
    with pytest.raises(NetworkError, match="20240103"):
        read(packed(tmp_path, feed()), "20240103")


def test_running_times_come_from_the_timetable(found: GtfsTransit) -> None:
    assert found.transit.segment_time_s[:3].tolist() == [150, 270, 0]
    assert found.transit.segment_time_s[3:6].tolist() == [300, 300, 0]  # the missing time is put in between


def test_buses_run_on_streets_that_join(found: GtfsTransit) -> None:
    city = replace(tiny_city(), transit=found.transit)
    assert not [finding for finding in check_city(city) if finding.level == "error"]
    assert found.transit.segment_length_m[6:9].tolist() == pytest.approx([2000, 2000, 0])


def test_metro_lengths_follow_the_feed_in_its_unit_or_the_straight_line(
    found: GtfsTransit, tmp_path: Path
) -> None:
    roads = tiny_city().roads
    straight = great_circle_m(roads.node_lon[21], roads.node_lat[21], roads.node_lon[23], roads.node_lat[23])
    assert found.transit.segment_length_m[0] == pytest.approx(float(straight))
    tables = feed()
    far = {"mt,m1": 0, "mt,m2": 2.2, "mt,m3": 6.3}
    lines = [
        line + "," + str(next((km for key, km in far.items() if line.startswith(key)), ""))
        for line in tables["stop_times.txt"].splitlines()
    ]
    lines[0] = lines[0].rstrip(",") + ",shape_dist_traveled"
    tables["stop_times.txt"] = "\n".join(lines)
    in_km = read(packed(tmp_path, tables)).transit
    assert in_km.segment_length_m[:2].tolist() == pytest.approx([2200, 4100])


def test_platforms_take_the_name_of_their_station(found: GtfsTransit) -> None:
    assert "Hall" in found.transit.stop_name_en


def test_a_folder_reads_like_a_zip(found: GtfsTransit, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, text in feed().items():
        (folder / name).write_text(text, encoding="utf-8")
    other = read(folder)
    assert other.transit.line_name_en == found.transit.line_name_en
    assert (other.transit.segment_time_s == found.transit.segment_time_s).all()


def test_without_roads_there_are_no_buses_and_a_note(tmp_path: Path) -> None:
    path = packed(tmp_path, feed())
    only = read_gtfs(path, crs="EPSG:32650", inputs=INPUTS, train=(1460, 250))
    assert only.transit.n_lines == 2 and any("no roads" in note for note in only.notes)


@pytest.mark.parametrize(
    ("code", "mode"),
    [(0, TransitMode.METRO), (1, TransitMode.METRO), (401, TransitMode.METRO), (3, TransitMode.BUS),
     (702, TransitMode.BUS), (4, None), (1500, None)],
)  # fmt: skip
def test_route_types_are_mapped(code: int, mode: TransitMode | None) -> None:
    assert route_mode(code) is mode


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("stops.txt", "stop_lat", "latitude", "stop_lat: expected a column"),
        ("stops.txt", "m2,M2,39", "m2,M2,139", "stop_lat"),
        ("stops.txt", "m2,M2,39", "m2,M2,nan", "stop_lat"),
        ("stops.txt", "m3,M3", "m9,M9", "stop m3 of stop_times"),
        ("routes.txt", "20,3", "20,999", "a route type of the standard"),
        ("trips.txt", "B,week,b0", "X,week,b0", "a route of routes.txt"),
        ("stop_times.txt", "mt,m1,1,07:00:00", "mt,m1,1,7 o'clock", "HH:MM:SS"),
        ("stop_times.txt", "mt,m1,1,", "mt,m1,inf,", "stop_sequence"),
        ("calendar.txt", "20240101", "20240141", "dates as YYYYMMDD"),
        ("calendar_dates.txt", "20240103,2", "20240103,7", "exception_type"),
        ("frequencies.txt", ",360", ",0", "headway_secs"),
        ("frequencies.txt", "23:00:00", "04:00:00", "before end_time"),
    ],
)
def test_faults_of_the_tables_are_named(file: str, old: str, new: str, words: str, tmp_path: Path) -> None:
    tables = feed()
    assert old in tables[file]
    tables[file] = tables[file].replace(old, new)
    with pytest.raises(NetworkError, match=words):
        read(packed(tmp_path, tables))


def test_missing_tables_are_named_together(tmp_path: Path) -> None:
    with pytest.raises(NetworkError) as caught:
        read(packed(tmp_path, {"stops.txt": feed()["stops.txt"]}))
    assert all(
        name in str(caught.value) for name in ("routes.txt", "trips.txt", "stop_times.txt", "calendar.txt")
    )


@pytest.mark.parametrize(
    "name", ["../stops.txt", "/etc/stops.txt", "a/../../b", "C:\\stops.txt", "..\\stops.txt"]
)
def test_names_that_lead_out_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="a name inside the archive"):
        read(packed(tmp_path, feed() | {name: "x"}))


def test_bombs_are_refused_while_they_are_read(tmp_path: Path) -> None:
    path = packed(tmp_path, feed() | {"stop_times.txt": "trip_id\n" + "0" * 50_000_000})
    with pytest.raises(NetworkError, match="times the packed size"):
        read(path)


def test_a_size_that_lies_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path, feed())
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        at = archive.getinfo("stop_times.txt").header_offset
    data[at + 26 : at + 28] = struct.pack("<H", 60_000)
    path.write_bytes(bytes(data))
    with pytest.raises(NetworkError, match=r"feed\.zip"):
        read(path)


@pytest.mark.parametrize("cut", [0, 10, 300, -30])
def test_truncated_zips_are_refused(cut: int, tmp_path: Path) -> None:
    path = packed(tmp_path, feed())
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(NetworkError, match=r"feed\.zip"):
        read(path)


def test_twice_the_same_member_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path, feed())
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("stops.txt", "stop_id\n")
    with pytest.raises(NetworkError, match="one member of this name"):
        read(path)


def test_feed_keeps_the_departures_of_its_day(found: GtfsTransit) -> None:
    """Every 6 minutes from 5 to 23, from 7 to 9, and every half hour from 6 to 22:30."""
    hour = 3600.0
    metro, back, bus = found.departure_s
    assert len(metro) == 180 and metro[0] == 5 * hour and (np.diff(metro) == 360).all()
    assert back[[0, -1]].tolist() == [7 * hour, 9 * hour - 360]
    assert bus.tolist() == [6 * hour + 1800 * k for k in range(34)]


def test_timetable_of_a_feed_waits_for_its_departures(found: GtfsTransit) -> None:
    """From station m1 to m3: a train every 6 minutes, so a wait of 3 on average, and 7 minutes on board."""
    tiny = tiny_city()
    stop = found.transit.stop[:3]
    zones = replace(
        tiny.zones,
        x_m=tiny.zones.x_m.copy(),
        y_m=tiny.zones.y_m.copy(),
        area_m2=np.full(len(tiny.zones), 1.0),
    )
    zones.x_m[:3], zones.y_m[:3] = found.transit.stop_x_m[stop], found.transit.stop_y_m[stop]
    city = replace(tiny, zones=zones, transit=found.transit)
    inputs = year_inputs(2025, {"transit.timetable_samples": 60})
    for period, served in ((Period.MIDDAY, False), (Period.AM, True)):
        service = build_transit_service(city, inputs, year=2025, period=period, option=TransitOption.METRO)
        time_s = city.transit.segment_time_s
        table = feed_timetable(service, time_s, found.departure_s, city.transit)
        skims = assign_timetable(service, None, time_s, timetable=table).skims
        # 60 riders in hours of service: three standard errors of a wait between 0 and 6 minutes.
        assert skims["wait_min"][0, 2] == pytest.approx(3, abs=3 * 6 / np.sqrt(12 * 60))
        assert skims["metro_min"][0, 2] == pytest.approx(7)
        # Trains back run from 7 to 9 only.
        assert np.isfinite(skims["total"][2, 0]) == served


def test_departures_of_another_network_are_refused(found: GtfsTransit) -> None:
    city = replace(tiny_city(), transit=found.transit)
    service = build_transit_service(
        city, year_inputs(2025), year=2025, period=Period.AM, option=TransitOption.METRO
    )
    with pytest.raises(NetworkError, match="departures of 3 patterns"):
        feed_timetable(service, found.transit.segment_time_s, found.departure_s[:2], found.transit)
