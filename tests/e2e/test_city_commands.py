"""The commands about cities, from files to a run: what they build, print and refuse."""

from __future__ import annotations

import bz2
import gzip
import json
import re
import shutil
import sys
import threading
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import numpy as np
import osmium
import pytest
from shapely.geometry import box, mapping

from tests.tiny import tiny_city
from tests.unit.test_city_build import grid_osm
from tests.unit.test_metro_tables import LINES, STATIONS, rates
from transport_abm.cli import main
from transport_abm.core.cache import cache_folder
from transport_abm.core.vocabulary import TransitMode
from transport_abm.networks.cities.city_files import read_city, write_city
from transport_abm.networks.cities.city_recipe import CityRecipe, recipe_template
from transport_abm.networks.city import City

HEAD = """
name = "town"
date = "2026-01-01"
licence = "ODbL, OpenStreetMap contributors"
sources = ["drawn by hand"]
districts = "districts.geojson"
population = "people.csv"
population_columns = { name_en = "district", residents = "people", jobs = "jobs" }
zones = 10
jobs_total = 1200
school_places_per_resident = 0.2
"""
ROADS = 'roads = "town.osm"\n'
METRO = 'metro = "metro"\ncars = "cars.csv"\n'
BUSES = "bus_routes = 6\nbus_fleet = 60\nbus_lines = 4\n"
FEED = 'gtfs = "feed"\ntrain_places = 1440\ntrain_seats = 240\n'
FEED_TABLES = {
    "stops.txt": "stop_id,stop_name,stop_lat,stop_lon\na,A,39.898,116.30\nb,B,39.898,116.33\nc,C,39.898,116.36\n",
    "routes.txt": "route_id,route_short_name,route_type\nM,Metro,1\nB,20,3\n",
    "trips.txt": "route_id,service_id,trip_id\nM,week,m1\nM,week,m2\nB,week,b1\nB,week,b2\n",
    "stop_times.txt": (
        "trip_id,stop_id,stop_sequence,departure_time\n"
        "m1,a,1,07:00:00\nm1,b,2,07:04:00\nm1,c,3,07:08:00\nm2,c,1,07:00:00\nm2,b,2,07:04:00\nm2,a,3,07:08:00\n"
        "b1,a,1,07:00:00\nb1,b,2,07:10:00\nb1,c,3,07:20:00\nb2,c,1,07:00:00\nb2,b,2,07:10:00\nb2,a,3,07:20:00\n"
    ),
    "calendar.txt": (
        "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n"
        "week,1,1,1,1,1,0,0,20240101,20241231\n"
    ),
    "frequencies.txt": "trip_id,start_time,end_time,headway_secs\n"
    + "".join(
        f"{trip},05:00:00,23:00:00,{step}\n"
        for trip, step in (("m1", 300), ("m2", 300), ("b1", 600), ("b2", 600))
    ),
}
BUS_STOPS = "line,direction,seq,stop_cn,stop_en,lon_wgs84,lat_wgs84\n" + "".join(
    f"9路,{way},{k},站{stop},Stop {stop},{116.30 + 0.02 * stop:.3f},39.914\n"
    for way, order in ((0, (0, 1, 2)), (1, (2, 1, 0)))
    for k, stop in enumerate(order)
)
PLACES = (
    "name_en,name_zh,lon,lat\nWest gate,西门,116.30,39.90\nEast [gate],东门,116.36,39.92\nMoon,月球,10,10\n"
)


@pytest.fixture
def town(tmp_path: Path) -> Path:
    """A folder with the files of a town of two districts."""
    folder = tmp_path / "town"
    for name in ("metro", "bus", "feed"):
        (folder / name).mkdir(parents=True)
    (folder / "town.osm").write_text(grid_osm(), encoding="utf-8")
    shapes = (
        ("West", "西区", 1, box(116.28, 39.88, 116.33, 39.94)),
        ("East", "东区", 0, box(116.33, 39.88, 116.38, 39.94)),
    )
    features = [
        {
            "type": "Feature",
            "properties": {"name_en": en, "name_zh": zh, "central": central},
            "geometry": mapping(shape),
        }
        for en, zh, central, shape in shapes
    ]
    (folder / "districts.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    (folder / "people.csv").write_text("district,people,jobs\nWest,2000,700\nEast,1000,\n")
    (folder / "cars.csv").write_text("car_type,places,seats\nB,240,40\n")
    for name, text in (("lines", LINES), ("line_stations", STATIONS), ("trains_per_hour", rates())):
        (folder / "metro" / f"{name}.csv").write_text(text, encoding="utf-8")
    for file, text in FEED_TABLES.items():
        (folder / "feed" / file).write_text(text)
    (folder / "bus" / "bus_stops.csv").write_text(BUS_STOPS, encoding="utf-8")
    (folder / "bus" / "bus_headways.csv").write_text("line,am_min,midday_min,pm_min,night_min\n9路,6,10,6,\n")
    (folder / "places.csv").write_text(PLACES, encoding="utf-8")
    return folder


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs the program: exit code, standard output and error stream."""

    def run(*words: object) -> tuple[int, str, str]:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["transport-abm", *map(str, words)])
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return int(caught.value.code or 0), out, err

    return run


Command = Callable[..., tuple[int, str, str]]


def built(command: Command, town: Path, recipe: str, out: str = "city") -> City:
    """The city of a recipe."""
    (town / "town.toml").write_text(recipe, encoding="utf-8")
    code, printed, err = command("city", "build", town / "town.toml", "--out", town / out)
    assert code == 0, err
    assert printed.strip() == str(town / out)
    return read_city(town / out)


def refused(command: Command, town: Path, recipe: str) -> list[str]:
    """The faults of a recipe: one a line, exit code 2, and nothing written."""
    (town / "town.toml").write_text(recipe, encoding="utf-8")
    before = sorted(town.iterdir())
    code, out, err = command("city", "build", town / "town.toml", "--out", town / "city")
    lines = [line for line in err.splitlines() if "error" in line]
    assert code == 2 and not out
    assert lines and all(re.fullmatch(r"error: [^:]+: .+: expected .+, got .+", line) for line in lines), err
    assert sorted(town.iterdir()) == before
    return lines


def assert_same_roads(one: City, other: City) -> None:
    """The same nodes and links in the same order."""
    for name in (
        "node_lon",
        "node_lat",
        "tail",
        "head",
        "length_m",
        "link_class",
        "lanes",
        "free_speed_kmh",
        "capacity_pcuh",
    ):
        assert np.array_equal(getattr(one.roads, name), getattr(other.roads, name)), name


def test_the_template_is_a_recipe(command: Command) -> None:
    code, out, _ = command("city", "recipe")
    assert code == 0 and out == recipe_template()
    assert CityRecipe.model_validate(tomllib.loads(out)).zones > 0
    named = set(re.findall(r"^(?:# )?(\w+) = ", out, re.MULTILINE))
    assert named == set(CityRecipe.model_fields)


def test_a_city_is_built_looked_at_checked_drawn_and_compared(command: Command, town: Path) -> None:
    city = built(command, town, HEAD + ROADS + METRO + BUSES)
    folder = town / "city"
    assert city.zones.residents.sum() == 3_000 and city.zones.jobs.sum() == 1_200 and len(city.zones) == 10
    code, out, _ = command("city", "info", folder, "--json")
    facts = json.loads(out)
    assert code == 0 and facts["residents"] == 3_000 and facts["metro_lines"] == 2
    assert set(facts["meta"]["files"]) >= {"town.osm", "districts.geojson", "people.csv", "lines.csv"}
    assert "常住人口" in command("city", "info", folder, "--language", "zh")[1]
    code, out, _ = command("city", "check", folder, "--json")
    assert code == 0 and json.loads(out)["errors"] == 0
    code, out, _ = command("city", "map", folder, town / "town.png")
    assert code == 0 and (town / "town.png").read_bytes().startswith(b"\x89PNG")
    code, out, _ = command("city", "compare", folder, folder, "--places", town / "places.csv", "--json")
    there, *moon = json.loads(out)["rows"]
    assert code == 0
    for measure in ("road_min", "road_km", "metro_ride_min", "metro_min", "transit_min"):
        assert there[measure]["ratio"] == 1 and there[measure]["difference"] == 0 and there[measure]["a"] > 0
        assert all(row[measure]["a"] is None for row in moon)
    assert there["metro_ride_min"]["a"] < there["metro_min"]["a"]
    # the grid: 6 columns and 2 or 3 rows apart
    assert 5 < there["road_km"]["a"] < 9


def test_the_comparison_is_printed_in_both_languages_and_as_a_page(command: Command, town: Path) -> None:
    built(command, town, HEAD + ROADS)
    words = ("city", "compare", town / "city", town / "city", "--places", town / "places.csv")
    code, out, _ = command(*words)
    assert code == 0 and "West gate" in out and "East [gate]" in out and " - " in out
    code, out, _ = command(*words, "--language", "zh")
    assert code == 0 and "西门" in out and "空载道路驾车" in out
    code, out, _ = command(*words, "--markdown")
    assert (
        code == 0
        and out.startswith("# Travel times in town and town")
        and "| West gate | East [gate] |" in out
    )


def stretch(town: Path, factor: float) -> None:
    """Draw the town larger: in a city of eight kilometres nobody changes from bus to metro."""

    def lon(value: str) -> str:
        return f"{116.29 + (float(value) - 116.29) * factor:.5f}"

    def lat(value: str) -> str:
        return f"{39.89 + (float(value) - 39.89) * factor:.5f}"

    for file, pattern in (
        ("town.osm", r'lon="([\d.]+)" lat="([\d.]+)"'),
        ("districts.geojson", r"\[(116[\d.]*), (39[\d.]*)\]"),
    ):
        text = (town / file).read_text()
        form = 'lon="{}" lat="{}"' if file == "town.osm" else "[{}, {}]"
        text = re.sub(pattern, lambda m, form=form: form.format(lon(m[1]), lat(m[2])), text)
        (town / file).write_text(text)
    stops = (town / "feed" / "stops.txt").read_text()
    stops = re.sub(r"(39[\d.]*),(116[\d.]*)", lambda m: f"{lat(m[1])},{lon(m[2])}", stops)
    (town / "feed" / "stops.txt").write_text(stops)


def test_a_built_city_is_known_by_name_and_can_be_run(command: Command, town: Path) -> None:
    stretch(town, 3.0)
    (town / "town.toml").write_text(HEAD + ROADS + FEED + BUSES, encoding="utf-8")
    code, out, err = command("city", "build", town / "town.toml", "--json")
    assert code == 0, err
    folder = Path(json.loads(out)["folder"])
    assert folder == cache_folder() / "cities" / "town"
    code, out, err = command(
        "run",
        "baseline",
        "--city",
        "town",
        "--sample",
        "1",
        "--years",
        "2020",
        "--out",
        town / "runs",
        "--json",
    )
    assert code == 0, err
    assert 0 < json.loads(out)["green_share"]["2020"] < 1
    shutil.rmtree(folder)


def test_an_error_in_a_city_is_an_exit_code_of_one(command: Command, tmp_path: Path) -> None:
    city = tiny_city()
    never = replace(city.transit, close_year=city.transit.open_year.copy())
    write_city(replace(city, transit=never), tmp_path / "city")
    code, out, _ = command("city", "check", tmp_path / "city", "--json")
    finding = json.loads(out)["findings"][0]
    assert code == 1 and finding["level"] == "error" and finding["count"] == 6
    code, out, _ = command("city", "check", tmp_path / "city", "--language", "zh")
    assert code == 1 and "先关闭后开通的运行方案" in out


def test_every_finding_is_known_in_chinese() -> None:
    from transport_abm.cli.city_table import finding_text
    from transport_abm.networks.cities import city_check

    source = Path(city_check.__file__).read_text(encoding="utf-8")
    texts = re.findall(r'(?:what = f?|_finding\(\s*"\w+",\s*f?)"([^"]+)"', source)
    assert len(texts) == 30
    for text in texts:
        shown = finding_text(re.sub(r"\{[^}]+\}", "7.5", text), zh=True)
        assert not shown.isascii() and shown.count("7.5") == text.count("{")


def write_pbf(xml: Path, path: Path) -> None:
    """Write the nodes and ways of an XML file as PBF."""
    with osmium.SimpleWriter(str(path)) as writer:
        for item in osmium.FileProcessor(str(xml)):
            writer.add(item)


def test_every_reader_and_format_gives_the_same_roads(command: Command, town: Path) -> None:
    plain = built(command, town, HEAD + ROADS)
    write_pbf(town / "town.osm", town / "town.osm.pbf")
    (town / "town.osm.bz2").write_bytes(bz2.compress((town / "town.osm").read_bytes()))
    for n, roads in enumerate(
        ('roads = "town.osm.pbf"\n', 'roads = "town.osm.bz2"\n', ROADS + 'reader = "osmnx"\n')
    ):
        assert_same_roads(plain, built(command, town, HEAD + roads, f"city{n}"))


def test_a_feed_gives_what_tables_and_totals_do_not(command: Command, town: Path) -> None:
    def lines(recipe: str, out: str) -> list[int]:
        modes = built(command, town, HEAD + ROADS + recipe, out).transit.line_mode
        return [int((modes == mode).sum()) for mode in (TransitMode.METRO, TransitMode.BUS)]

    assert lines(FEED, "both") == [2, 2]
    assert lines(FEED + 'bus = "bus"\n', "trains") == [2, 1]
    assert lines('gtfs = "feed"\n' + METRO, "buses") == [2, 2]
    with zipfile.ZipFile(town / "feed.zip", "w") as archive:
        for file, text in FEED_TABLES.items():
            archive.writestr(file, text)
    assert lines(FEED.replace("feed", "feed.zip"), "zip") == [2, 2]
    assert read_city(town / "zip").transit.line_name_en == read_city(town / "both").transit.line_name_en


def test_a_built_city_keeps_the_walks_of_its_feed(command: Command, town: Path) -> None:
    """Stations of one name 5 km apart are two; 120 s at 4.8 km/h are 160 m; a change is forbidden."""
    stops = FEED_TABLES["stops.txt"].replace("c,C", "c,A")
    (town / "feed" / "stops.txt").write_text(stops)
    stated = "from_stop_id,to_stop_id,transfer_type,min_transfer_time\na,a,2,120\nb,b,3,\n"
    (town / "feed" / "transfers.txt").write_text(stated)
    for more, walks in (("", [150, 160]), ('bus = "bus"\n', [])):
        transit = built(command, town, HEAD + ROADS + FEED + more, f"city{len(walks)}").transit
        rail = transit.stop_mode == TransitMode.METRO
        start, end = transit.transfer_from, transit.transfer_to
        assert not (rail[start] & rail[end]).any()
        if walks:
            assert sorted(transit.transfer_walk_m[rail[start]].tolist()) == pytest.approx(walks)


def test_bus_tables_keep_stops_headways_and_ways(command: Command, town: Path) -> None:
    transit = built(command, town, HEAD + ROADS + 'bus = "bus"\n').transit
    assert transit.line_headway_min.tolist() == [[6, 10, 6, np.inf]]
    assert transit.stop_name_zh == ("站0", "站1", "站2") and transit.stop_name_en[0] == "Stop 0"
    assert transit.stop.tolist() == [0, 1, 2, 2, 1, 0]
    # 0.02 degrees of longitude at 39.914 north, along a street
    assert transit.segment_length_m[[0, 1, 3, 4]] == pytest.approx(1_706, rel=0.01)


@pytest.fixture
def overpass() -> Iterator[tuple[str, list[str]]]:
    """A server on this machine that answers every query with the streets of the town."""
    queries: list[str] = []
    text = grid_osm()
    elements: list[dict[str, object]] = [
        {"type": "node", "id": int(k), "lon": float(lon), "lat": float(lat)}
        for k, lon, lat in re.findall(r'<node id="(\d+)" lon="([\d.]+)" lat="([\d.]+)"/>', text)
    ]
    for k, inner, kind in re.findall(r'<way id="(\d+)">(.*?)<tag k="highway" v="(\w+)"/></way>', text):
        refs = [int(ref) for ref in re.findall(r'ref="(\d+)"', inner)]
        elements.append({"type": "way", "id": int(k), "nodes": refs, "tags": {"highway": kind}})

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            queries.append(parse_qs(body)["data"][0])
            answer = json.dumps({"version": 0.6, "elements": elements}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/api", queries
    server.shutdown()
    server.server_close()


def test_overpass_gives_the_roads_of_the_file_asked_once_and_dated(
    command: Command, town: Path, overpass: tuple[str, list[str]]
) -> None:
    url, queries = overpass
    (town / "area.geojson").write_text(json.dumps(mapping(box(116.28, 39.88, 116.38, 39.94))))
    recipe = f'polygon = "area.geojson"\noverpass_date = "2025-01-01"\noverpass_url = "{url}"\noverpass_cache = "asked"\n'
    plain = built(command, town, HEAD + ROADS, "plain")
    first = built(command, town, HEAD + recipe)
    assert_same_roads(plain, first)
    assert_same_roads(first, built(command, town, HEAD + recipe))
    assert len(queries) == 1 and '[date:"2025-01-01T00:00:00Z"]' in queries[0]
    assert any("2025-01-01" in str(note) for note in first.meta["notes"])  # type: ignore[attr-defined]


def test_without_a_server_there_is_one_clear_line(command: Command, town: Path) -> None:
    (town / "area.geojson").write_text(json.dumps(mapping(box(116.28, 39.88, 116.38, 39.94))))
    recipe = 'polygon = "area.geojson"\noverpass_url = "http://127.0.0.1:9/api"\n'
    lines = refused(command, town, HEAD + recipe)
    assert len(lines) == 1 and "no connection" in lines[0]


@pytest.mark.parametrize(
    ("recipe", "fields"),
    [
        ("name = [", ["file"]),
        (HEAD.replace("zones", "zonse") + ROADS, ["zones", "zonse"]),
        (HEAD.replace("= 10", "= 0").replace("1200", "nan") + ROADS, ["zones", "jobs_total"]),
        (HEAD.replace('"town"', '"../town"') + ROADS + 'datum = "bd09"\n', ["name", "datum"]),
        (HEAD.replace('"town"', '"beijing-reference"') + ROADS, ["name"]),
        (HEAD, ["roads"]),
        (HEAD + ROADS + 'place = "Town"\npolygon = "none.geojson"\n', ["roads", "polygon"]),
        (HEAD + ROADS + 'crs = "EPSG:4326"\noverpass_date = "2025-13-01"\n', ["overpass_date"]),
        (HEAD + ROADS + 'crs = "EPSG:4326"\noverpass_date = "2025-12-01"\n', ["overpass_date", "crs"]),
        (HEAD + ROADS + 'crs = "EPSG:2263"\n', ["crs"]),  # feet
        (HEAD + 'place = "Town"\noverpass_url = "file:///etc/passwd"\n', ["overpass_url"]),
        (
            HEAD.replace("people.csv", "no.csv") + 'roads = "no.osm"\nmetro = "no"\n',
            ["cars", "roads", "population", "metro"],
        ),
        (HEAD + 'roads = "feed"\nbus = "cars.csv"\n', ["roads", "bus"]),
        (HEAD + ROADS + METRO + BUSES + 'gtfs = "feed"\n', ["gtfs"]),
        (HEAD + ROADS + 'gtfs = "feed"\n', ["train_seats"]),
        (HEAD + ROADS + 'bus = "bus"\nbus_routes = 6\n', ["bus_routes", "bus_fleet"]),
        (HEAD.replace("zones = 10", "zones = 1") + ROADS, ["zones"]),
        (HEAD.replace('jobs = "jobs"', 'work = "jobs"') + ROADS, ["population_columns"]),
    ],
)
def test_all_faults_of_a_recipe_come_at_once(
    command: Command, town: Path, recipe: str, fields: list[str]
) -> None:
    lines = refused(command, town, recipe)
    assert sorted(line.split(": ")[2] for line in lines) == sorted(fields), lines


def test_faults_of_all_files_come_at_once(command: Command, town: Path) -> None:
    (town / "people.csv").write_text("district,people,jobs\nWest,nan,700\nEast,-1,inf\n")
    (town / "town.osm").write_text(grid_osm().replace('lat="39.89000"', 'lat="NaN"', 1))
    (town / "cars.csv").write_text("car_type,places,seats\nB,none,40\n")
    (town / "bus" / "bus_headways.csv").write_text("line,am_min,midday_min,pm_min,night_min\n9路,-6,10,6,\n")
    lines = refused(command, town, HEAD + ROADS + METRO)
    assert {line.split(": ")[1] for line in lines} == {"people.csv", "town.osm", "cars.csv"}
    assert sum("people.csv" in line for line in lines) == 3
    (town / "town.osm").write_text(grid_osm())
    (town / "people.csv").write_text("district,people,jobs\nWest,2000,700\nEast,1000,\n")
    assert "bus_headways.csv: am_min, row 2" in refused(command, town, HEAD + ROADS + 'bus = "bus"\n')[0]


def bomb_xml(_: Path) -> bytes:
    """Entities that expand to a billion laughs."""
    laughs = "".join(f'<!ENTITY l{k} "{f"&l{k - 1};" * 10 if k else "ha"}">' for k in range(10))
    return f'<?xml version="1.0"?><!DOCTYPE osm [{laughs}]><osm version="0.6">&l9;</osm>'.encode()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("town.osm", bomb_xml),
        ("town.osm", lambda path: path.read_bytes()[:-200]),
        ("town.osm", lambda path: b""),
        ("town.osm", lambda path: path.read_bytes().replace(b"116.", b"16.")),  # another place on the Earth
        ("town.osm.gz", lambda path: gzip.compress(b"<osm>" + bytes(30_000_000), 9)),
        ("town.osm.bz2", lambda path: bz2.compress(b"<osm>" + b" " * 30_000_000, 9)),
        ("town.osm.pbf", lambda path: bytes(range(256)) * 400),
        ("town.osm.pbf", lambda path: b"\x00\x00\x00\x0d\n\tOSMHeader\x18\xff\xff\xff\x7f" + b"\xff" * 4_000),
        ("town.osm.pbf", lambda path: b""),
    ],
    ids=["entities", "cut", "empty", "elsewhere", "gzip", "bzip2", "garbage", "lying", "nothing"],
)
def test_hostile_roads_are_refused(
    command: Command, town: Path, file: str, content: Callable[[Path], bytes]
) -> None:
    data = content(town / "town.osm")
    (town / file).write_bytes(data)
    lines = refused(command, town, HEAD + f'roads = "{file}"\n')
    assert all(file in line or line.startswith("error: roads: ") for line in lines)


def test_a_cut_binary_file_is_refused(command: Command, town: Path) -> None:
    write_pbf(town / "town.osm", town / "town.osm.pbf")
    (town / "town.osm.pbf").write_bytes((town / "town.osm.pbf").read_bytes()[:-20])
    assert "town.osm.pbf" in refused(command, town, HEAD + 'roads = "town.osm.pbf"\n')[0]


def test_districts_in_metres_or_elsewhere_are_refused(command: Command, town: Path) -> None:
    districts = town / "districts.geojson"
    data = json.loads(districts.read_text())
    rings = [box(116.28, 39.88, 116.33, 39.94), box(116.33, 39.88, 116.38, 39.94)]
    for scale, words in ((1_000.0, "degrees on the Earth"), (0.5, "roads in the districts")):
        for feature, ring in zip(data["features"], rings, strict=True):
            points = [[x * scale, y * scale] for x, y in ring.exterior.coords]
            feature["geometry"]["coordinates"] = [points]
        districts.write_text(json.dumps(data))
        assert words in refused(command, town, HEAD + ROADS)[0]
    districts.write_text("[" * 100_000)
    assert "districts.geojson: file: expected JSON" in refused(command, town, HEAD + ROADS)[0]


def test_a_polygon_in_metres_is_refused_before_anything_is_asked(
    command: Command, town: Path, overpass: tuple[str, list[str]]
) -> None:
    url, queries = overpass
    (town / "area.geojson").write_text(json.dumps(mapping(box(446_000, 4_417_000, 452_000, 4_422_000))))
    lines = refused(command, town, HEAD + f'polygon = "area.geojson"\noverpass_url = "{url}"\n')
    assert "area.geojson" in lines[0] and "degrees" in lines[0] and not queries


def test_a_zip_that_grows_without_bound_is_refused(command: Command, town: Path) -> None:
    with zipfile.ZipFile(town / "feed.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for file, text in FEED_TABLES.items():
            archive.writestr(file, text if file != "stops.txt" else b"0" * 30_000_000)
    lines = refused(command, town, HEAD + ROADS + FEED.replace("feed", "feed.zip"))
    assert "stops.txt" in lines[0] and "packed size" in lines[0]


def test_what_stands_in_the_way_is_left_alone(command: Command, town: Path) -> None:
    (town / "town.toml").write_text(HEAD + ROADS, encoding="utf-8")
    for out in (town, town / "people.csv", town / "none" / "city"):
        code, printed, err = command("city", "build", town / "town.toml", "--out", out)
        assert code == 2 and not printed and "folder" in err
    code, _, err = command("city", "map", town, town / "town.jpg")
    assert code == 2 and ".png" in err
    code, _, err = command("city", "info", "nowhere")
    assert code == 2 and "beijing-reference" in err


def test_missing_files_of_beijing_are_named_at_once(command: Command, tmp_path: Path) -> None:
    code, _, err = command("city", "build-beijing", tmp_path, "--out", tmp_path / "city")
    assert code == 2 and not (tmp_path / "city").exists()
    for name in (
        "beijing_osm2012_junctions.osm.bz2",
        "beijing_districts16_wgs84.geojson",
        "population",
        "subway",
    ):
        assert name in err
    assert len(err.strip().splitlines()) >= 4
