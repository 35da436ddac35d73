"""What real feeds hold: stations, transfers, long validities, trips over midnight and over periods, loops, dirt."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.tiny import tiny_city
from tests.unit.test_gtfs import INPUTS, feed, packed, read
from transport_abm.core.errors import NetworkError
from transport_abm.core.vocabulary import Period, TransitOption
from transport_abm.networks.city import City, TransitNetwork
from transport_abm.networks.transit.gtfs import GtfsTransit, read_gtfs
from transport_abm.networks.transit.timetable import DS_PER_MIN, Timetable, feed_timetable, longest_rest_ds
from transport_abm.networks.transit.timetable_assignment import assign_timetable
from transport_abm.networks.transit.transit_assignment import TransitCrowding
from transport_abm.networks.transit.transit_service import TransitService, build_transit_service
from transport_abm.policy.inputs import year_inputs

HOUR = 3600
WALKING = INPUTS | {"transit.access_speed_kmh": 4.8}


def clock(second: float) -> str:
    """HH:MM:SS."""
    minute, rest = divmod(round(second), 60)
    return f"{minute // 60:02d}:{minute % 60:02d}:{rest:02d}"


def rail(trips: Sequence[tuple[str, Sequence[tuple[str, float]]]], stops: str, **more: str) -> dict[str, str]:
    """A feed of trains: route and calls (stop and second) of each trip."""
    rows = [
        f"t{k},{stop},{n},{clock(second)},{clock(second)}"
        for k, (_, calls) in enumerate(trips)
        for n, (stop, second) in enumerate(calls)
    ]
    routes = dict.fromkeys(route for route, _ in trips)
    tables = {
        "stops.txt": "stop_id,stop_name,stop_lat,stop_lon,parent_station\n" + stops,
        "routes.txt": "route_id,route_short_name,route_type\n" + "".join(f"{r},{r},1\n" for r in routes),
        "trips.txt": "route_id,service_id,trip_id\n"
        + "".join(f"{route},week,t{k}\n" for k, (route, _) in enumerate(trips)),
        "stop_times.txt": "trip_id,stop_id,stop_sequence,arrival_time,departure_time\n" + "\n".join(rows),
        "calendar.txt": (
            "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n"
            "week,1,1,1,1,1,0,0,20240101,20241231\n"
        ),
    }
    return tables | {f"{name}.txt": text for name, text in more.items()}


def trains(folder: Path, tables: dict[str, str]) -> GtfsTransit:
    """The feed without buses."""
    return read_gtfs(packed(folder, tables), crs="EPSG:32650", inputs=WALKING, train=(1460, 250))


def walks(transit: TransitNetwork) -> dict[tuple[int, int], float]:
    """Walks between stops [m]."""
    ends = zip(transit.transfer_from.tolist(), transit.transfer_to.tolist(), strict=True)
    return dict(zip(ends, transit.transfer_walk_m.tolist(), strict=True))


# Stops by row: a, c, b, d, e, f. One degree of latitude is 111 km.
STATIONS = (
    "hall,Hall,39.900,116.30,\n"
    "a,Hall A,39.900,116.30,hall\nb,Hall B,39.909,116.30,hall\n"  # 1 km apart in one station
    "c,Centre,39.95,116.30,\nd,Centre,40.25,116.30,\n"  # one name, 33 km apart
    "e,Centre,40.2527,116.30,\nf,Quay,40.2536,116.30,\n"  # 300 m from d; 100 m from e and 400 m from d
)
LINES = [
    ("1", [("a", 8 * HOUR), ("c", 8.2 * HOUR)]),
    ("2", [("b", 8 * HOUR), ("d", 8.5 * HOUR)]),
    ("3", [("e", 8 * HOUR), ("f", 8.1 * HOUR)]),
]
A, C, B, D, E, F = range(6)


def test_rail_stops_are_joined_by_station_and_distance_not_by_name(tmp_path: Path) -> None:
    found = trains(tmp_path, rail(LINES, STATIONS))
    walk = walks(found.transit)
    assert found.transit.stop_name_en == ("Hall", "Centre", "Hall", "Centre", "Centre", "Quay")
    assert {pair for pair in walk if pair[0] < pair[1]} == {(A, B), (D, E), (D, F), (E, F)}
    assert walk[A, B] == walk[B, A] == pytest.approx(1.3 * 1_000, rel=0.01)
    assert walk[D, E] == pytest.approx(1.3 * 300, rel=0.01)
    assert walk[E, F] == pytest.approx(1.3 * 100, rel=0.01)
    assert any(note.startswith("2 pairs of rail stops of one name not joined") for note in found.notes)


def test_platforms_at_one_place_have_the_passage_of_a_station(tmp_path: Path) -> None:
    stops = STATIONS.replace("39.909", "39.900")
    assert walks(trains(tmp_path, rail(LINES, stops)).transit)[A, B] == 200


def test_transfers_join_forbid_and_time_pairs(tmp_path: Path) -> None:
    """180 s at 4.8 km/h are 240 m; a row about a stop goes before one about its station."""
    stated = "from_stop_id,to_stop_id,transfer_type,min_transfer_time\n" + "\n".join(
        [
            "c,d,0,", "d,e,2,120", "e,d,2,180", "e,f,3,", "f,e,3,", "hall,c,3,", "a,c,,600", "b,c,1,",
            "d,f,5,", "gone,f,0,",
        ]
    )  # fmt: skip
    found = trains(tmp_path, rail(LINES, STATIONS, transfers=stated))
    walk = walks(found.transit)
    assert walk[C, D] == pytest.approx(1.3 * 33_300, rel=0.01)
    assert walk[D, E] == walk[E, D] == pytest.approx(240)
    assert (E, F) not in walk and (F, E) not in walk
    assert walk[A, C] == pytest.approx(800) and walk[C, B] > 0 and (D, F) in walk
    assert any("2 rows of transfers.txt left out" in note for note in found.notes)
    assert any("4 pairs of stops joined or given a time, 1 parted" in note for note in found.notes)


def test_transfers_that_are_none_are_faults(tmp_path: Path) -> None:
    tables = rail(
        LINES, STATIONS, transfers="from_stop_id,to_stop_id,transfer_type,min_transfer_time\na,b,9,-3\n"
    )
    with pytest.raises(NetworkError) as caught:
        trains(tmp_path, tables)
    assert len(caught.value.faults) == 2
    assert "transfer_type, row 2" in str(caught.value) and "min_transfer_time, row 2" in str(caught.value)


def test_forbidden_walks_of_buses_are_left_out(tmp_path: Path) -> None:
    near = feed()
    row = {line.split(",")[0]: line for line in near["stops.txt"].splitlines()}
    near["stops.txt"] = near["stops.txt"].replace(row["m2"], row["b2"].replace("b2,B2", "m2,M2"))
    free = read(packed(tmp_path, near)).transit
    m2, b2 = (free.stop_name_en.index(name) for name in ("M2", "B2"))
    assert walks(free) == {(m2, b2): 150, (b2, m2): 150}
    near["transfers.txt"] = "from_stop_id,to_stop_id,transfer_type\nm2,b2,3\n"
    assert not walks(read(packed(tmp_path, near)).transit)
    # A way that is stated opens both: the network lists a walk both ways.
    near["transfers.txt"] += "b2,m2,0\n"
    assert walks(read(packed(tmp_path, near)).transit) == walks(free)


def test_the_busiest_wednesday_is_found_however_early_a_service_begins(tmp_path: Path) -> None:
    """One trip a day for a century, two more in 2026 but for one Wednesday, and a third on one Wednesday."""
    tables = rail([("1", LINES[0][1])] * 4, STATIONS)
    tables["trips.txt"] = "route_id,service_id,trip_id\n1,old,t0\n1,new,t1\n1,new,t2\n1,extra,t3\n"
    head = tables["calendar.txt"].splitlines()[0]
    tables["calendar.txt"] = (
        f"{head}\nold,1,1,1,1,1,1,1,20000101,20991231\nnew,1,1,1,1,1,0,0,20260105,20261218\n"
    )
    tables["calendar_dates.txt"] = "service_id,date,exception_type\nnew,20260107,2\nextra,20260113,1\n"
    begin = time.perf_counter()
    assert trains(tmp_path, tables).date == "20260114"
    assert time.perf_counter() - begin < 2
    tables["calendar_dates.txt"] += "extra,20260624,1\nnew,20260624,1\n"
    found = trains(tmp_path, tables)
    assert found.date == "20260624" and len(found.departure_s[0]) == 4


def test_a_feed_without_a_wednesday_is_refused(tmp_path: Path) -> None:
    tables = rail(LINES, STATIONS)
    tables["calendar.txt"] = tables["calendar.txt"].replace("1,1,1,1,1,0,0", "0,0,0,0,0,1,1")
    with pytest.raises(NetworkError, match="a Wednesday with trips"):
        trains(tmp_path, tables)


def city_of(transit: TransitNetwork) -> City:
    """A zone at each stop of the feed, as far as there are zones."""
    tiny = tiny_city()
    zones = replace(
        tiny.zones, x_m=tiny.zones.x_m.copy(), y_m=tiny.zones.y_m.copy(), area_m2=np.ones(len(tiny.zones))
    )
    n = min(len(tiny.zones), transit.n_stops)
    # Zones without a stop are far away.
    zones.x_m[n:] += 1e6
    zones.x_m[:n], zones.y_m[:n] = transit.stop_x_m[:n], transit.stop_y_m[:n]
    return replace(tiny, zones=zones, transit=transit)


def timetable(found: GtfsTransit, period: Period) -> tuple[TransitService, Timetable]:
    """The feed's departures in a period."""
    inputs = year_inputs(2025, {"transit.timetable_samples": 60})
    city = city_of(found.transit)
    service = build_transit_service(city, inputs, year=2025, period=period, option=TransitOption.METRO)
    return service, feed_timetable(service, found.transit.segment_time_s, found.departure_s, found.transit)


def test_a_train_counts_in_every_period_in_which_it_can_be_boarded(tmp_path: Path) -> None:
    """A train at 8:20 and one at 8:40, 30 min to each of three more stops: half of their stops are left after 9."""
    calls = [
        [(stop, 8 * HOUR + minute * 60 + 1800 * k) for k, stop in enumerate("acde")] for minute in (20, 40)
    ]
    found = trains(tmp_path, rail([("1", each) for each in calls], STATIONS))
    # Left in 7 to 9: a twice, c once; in 9 to 17: c once, d twice. Means over three stops.
    assert found.transit.line_headway_min[0].tolist() == [120, 480, np.inf, np.inf]
    for period in (Period.AM, Period.MIDDAY):
        service, table = timetable(found, period)
        assert len(table.time_ds) == 2 * 3
        skims = assign_timetable(service, None, found.transit.segment_time_s, timetable=table).skims
        # From the third stop to the fourth.
        assert skims["metro_min"][2, 3] == pytest.approx(30)


def test_departures_of_a_day_are_shared_among_its_periods(tmp_path: Path) -> None:
    trips = [("1", [("a", s), ("c", s + 3000), ("d", s + 6000)]) for s in range(6 * HOUR, 21 * HOUR, 1000)]
    headway = trains(tmp_path, rail(trips, STATIONS)).transit.line_headway_min[0]
    assert (np.array([2, 8, 2, 6]) * 60 / headway).sum() == pytest.approx(len(trips))


LOOP = "a,A,39.90,116.30,\nb,B,39.92,116.30,\nc,C,39.92,116.33,\n"


def lap(start: float) -> tuple[str, list[tuple[str, float]]]:
    """A lap of 15 min."""
    return "9", [(stop, start + 300 * k) for k, stop in enumerate("abca")]


def loop_feed(folder: Path, starts: Sequence[float]) -> GtfsTransit:
    """A loop line."""
    return trains(folder, rail([lap(start) for start in starts], LOOP))


def crowded_skims(found: GtfsTransit, service: TransitService, table: Timetable) -> dict[str, np.ndarray]:
    """Skims in a crowd in which each minute, of rest too, feels like one and a half."""
    ones = np.ones(service.n_city_calls)
    crowd = TransitCrowding(0 * ones, 1.5 * ones, ones, 0.0)
    time_s = found.transit.segment_time_s
    skims = assign_timetable(service, None, time_s, crowding=crowd, timetable=table).skims
    np.testing.assert_allclose(skims["crowded_min"][:3, :3], 1.5 * skims["metro_min"][:3, :3], atol=1e-3)
    return skims


def test_a_loops_last_lap_does_not_wait_for_the_morning(tmp_path: Path) -> None:
    """Every 20 min from 7 to 20:40: from c to b over the seam are 10 min and a rest of 5, at any hour."""
    found = loop_feed(tmp_path, range(7 * HOUR, 21 * HOUR, 1200))
    service, table = timetable(found, Period.AM)
    assert table.hold_ds.max() == 5 * DS_PER_MIN
    assert (table.stay[table.call == 2] < 0).sum() == 1
    skims = crowded_skims(found, service, table)
    assert skims["metro_min"][2, 1] == pytest.approx(15, abs=1e-3)
    assert skims["boardings"][2, 1] == 1


def test_laps_wait_their_own_time_where_departures_are_uneven(tmp_path: Path) -> None:
    """Every 16 min in the morning, every 40 in the day: rests of 1 and 25 min, and none from the peak's end to noon."""
    starts = [*range(7 * HOUR, 9 * HOUR, 960), *range(12 * HOUR, 16 * HOUR, 2400)]
    found = loop_feed(tmp_path, starts)
    for period, minutes in ((Period.AM, 11), (Period.MIDDAY, 35)):
        service, table = timetable(found, period)
        skims = crowded_skims(found, service, table)
        assert skims["metro_min"][2, 1] <= minutes + 1e-3
        assert sorted(set(table.hold_ds[table.stay >= 0].tolist())) == [0, 1 * DS_PER_MIN, 25 * DS_PER_MIN]


def test_longest_rests_follow_the_hours() -> None:
    """Every 10 min from 7 to 9, at 12, at 13:30, at 18:00 and 22:00, and a night train at 24:10."""
    starts = np.array([*range(420, 540, 10), 720, 810, 1080, 1320, 1450]) * float(DS_PER_MIN)
    rest = longest_rest_ds(starts) / DS_PER_MIN
    assert rest[[7, 8]].tolist() == [10, 10]
    assert rest[[9, 16]].tolist() == [90, 90]
    assert rest[17] == 120 and rest[19] == 240
    assert rest[[23, 0, 4, 5, 6]].tolist() == [0] * 5
    assert longest_rest_ds(np.zeros(0)).tolist() == [0] * 24


def with_times(rows: str, columns: str = "arrival_time,departure_time") -> dict[str, str]:
    """One train of three stops with given times."""
    tables = rail([("1", [("a", 8 * HOUR), ("b", 9 * HOUR), ("c", 10 * HOUR)])], LOOP)
    return tables | {"stop_times.txt": f"trip_id,stop_id,stop_sequence,{columns}\n{rows}\n"}


def test_arrivals_stand_in_for_departures(tmp_path: Path) -> None:
    """Departure to departure, and to the arrival at the last stop: a rest there is no running time."""
    rows = "t0,a,1,08:00:00,\nt0,b,2,08:04:00,08:05:00\nt0,c,3,08:09:00,08:30:00"
    found = trains(tmp_path, with_times(rows))
    assert found.transit.segment_time_s.tolist() == [300, 240, 0]
    only = with_times("t0,a,1,08:00:00\nt0,b,2,\nt0,c,3,08:10:00", "arrival_time")
    assert trains(tmp_path, only).transit.segment_time_s.tolist() == [300, 300, 0]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("t0,a,1,,08:00:00\nt0,b,2,,8h05\nt0,c,3,,08:10:00", "departure_time, row 3: expected HH:MM:SS, got 8h05"),
        ("t0,a,1,,08:00:00\nt0,b,2,8h05,08:06:00\nt0,c,3,,08:10:00", "arrival_time, row 3"),
        ("t0,a,1,,08:00:00\nt0,b,2,,07:59:00\nt0,c,3,,08:10:00", "row 3: expected times that do not run back.*t0"),
        ("t0,a,1,,08:00:00\nt0,b,2,08:06:00,08:05:00\nt0,c,3,,08:10:00", "row 3: expected times that do not run back"),
        ("t0,a,1,,08:00:00\nt0,b,2,,\nt0,c,3,,07:50:00", "row 4: expected times that do not run back"),
        ("t0,a,1,,08:00:00\nt0,b,2,,\nt0,c,3,,", "row 4: expected HH:MM:SS at the last stop of trip t0"),
        ("t0,a,1,,08:00:00\nt0,b,2,,08:05:00\nt0,c,3,,late", "departure_time, row 4: expected HH:MM:SS, got late"),
        ("t0,a,1,,\nt0,b,2,,08:05:00\nt0,c,3,,08:10:00", "row 2: expected HH:MM:SS at the first stop of trip t0"),
        ("t0,a,1,,08:00:00\nt0,b,1,,08:05:00\nt0,c,3,,08:10:00", "stop_sequence, row 3: expected each number once"),
    ],
)  # fmt: skip
def test_times_that_cannot_be_are_faults(rows: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=words) as caught:
        trains(tmp_path, with_times(rows))
    assert len(caught.value.faults) == 1


def test_a_feed_without_a_column_of_times_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="departure_time"):
        trains(tmp_path, with_times("t0,a,1,1\nt0,b,2,2\nt0,c,3,3", "pickup_type"))


@pytest.mark.parametrize(
    ("file", "row", "words"),
    [
        ("trips.txt", "1,week,t0", "trip_id, row 3: expected each trip_id once"),
        ("stops.txt", "a,Other,39.8,116.2,", "stop_id, row 5: expected each stop_id once"),
        ("routes.txt", "1,Other,3", "route_id, row 3: expected each route_id once"),
    ],
)
def test_ids_that_come_twice_are_faults(file: str, row: str, words: str, tmp_path: Path) -> None:
    tables = rail([("1", [("a", 8 * HOUR), ("b", 9 * HOUR)])], LOOP)
    tables[file] = tables[file].rstrip() + f"\n{row}\n"
    with pytest.raises(NetworkError, match=words):
        trains(tmp_path, tables)


def test_each_fault_is_told_once(tmp_path: Path) -> None:
    tables = rail([("1", [("a", 8 * HOUR), ("b", 9 * HOUR)])], LOOP)
    tables["stop_times.txt"] = tables["stop_times.txt"].replace("a,0,", "a,x,")
    tables["trips.txt"] += "2,week,t9\n"
    tables["frequencies.txt"] = "trip_id,start_time,end_time,headway_secs\nt0,05:00:00,04:00:00,0\n"
    tables["calendar.txt"] += "holiday,0,0,0,0,0,0,0,20240101,never\n"
    tables["routes.txt"] += "3,Rocket,1999\n"
    with pytest.raises(NetworkError) as caught:
        trains(tmp_path, tables)
    assert len(caught.value.faults) == len(set(caught.value.faults)) == 6


def test_rows_of_trips_and_services_that_are_not_there_are_counted(tmp_path: Path) -> None:
    tables = rail([("1", [("a", 8 * HOUR), ("b", 9 * HOUR)])], LOOP)
    tables["trips.txt"] += "1,never,t8\n1,week,t9\n"
    tables["stop_times.txt"] += "\ngone,a,1,08:00:00,\ngone,b,2,09:00:00,\nt9,a,1,08:00:00,"
    tables["frequencies.txt"] = "trip_id,start_time,end_time,headway_secs\ngone,05:00:00,09:00:00,600\n"
    notes = trains(tmp_path, tables).notes
    assert "1 trips left out: their service_id has no dates" in notes
    assert "2 rows of stop_times.txt left out: trips that trips.txt does not have" in notes
    assert "1 rows of frequencies.txt left out: trips that trips.txt does not have" in notes
    assert "1 trips of fewer than two stops left out" in notes


def test_lines_of_the_night_alone_are_counted_or_refused(tmp_path: Path) -> None:
    night = [("N", [("a", s), ("b", s + 600)]) for s in (23.5 * HOUR, 25 * HOUR)]
    with pytest.raises(NetworkError, match="1 lines with 2 departures, all outside these hours"):
        trains(tmp_path, rail(night, LOOP))
    found = trains(tmp_path, rail([*night, ("1", [("a", 8 * HOUR), ("b", 9 * HOUR)])], LOOP))
    assert found.transit.n_lines == 1
    assert any(note.startswith("1 lines with 2 departures left out") for note in found.notes)
