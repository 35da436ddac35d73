"""Two readers of OpenStreetMap, OSMnx and pyosmium, give one network; tags mean what the map's wiki says."""

from __future__ import annotations

import bz2
import dataclasses
import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import numpy as np
import osmium
import osmnx as ox
import pytest
from shapely.geometry import box

from transport_abm.core.errors import NetworkError
from transport_abm.core.vocabulary import LinkClass
from transport_abm.networks.cities.geo import great_circle_m
from transport_abm.networks.city import RoadNetwork
from transport_abm.networks.osm.osm_pbf import read_osm_file
from transport_abm.networks.osm.osm_roads import read_osm_place, read_osm_xml
from transport_abm.networks.osm.osm_tags import direction, is_street, read_lanes, read_speed_kmh, way_supply
from transport_abm.networks.roads.road_supply import RoadDefaults

DEFAULTS = RoadDefaults(
    np.array([3.0, 3, 3, 2, 1, 1]),
    np.array([2000.0, 1950, 900, 700, 450, 300]),
    np.array([100.0, 80, 55, 45, 30, 20]),
    1.0,
    0.6,
)

NODES = {
    1: (116.30, 39.90), 2: (116.31, 39.90), 3: (116.32, 39.90), 4: (116.32, 39.91), 5: (116.31, 39.91),
    6: (116.30, 39.91), 7: (116.305, 39.902), 8: (116.3151, 39.9049), 9: (116.33, 39.90),
    10: (116.331, 39.9005),
    11: (116.332, 39.90), 12: (116.331, 39.8995), 13: (116.34, 39.90), 14: (116.35, 39.95),
    15: (116.36, 39.95), 16: (116.315, 39.9101), 17: (116.325, 39.905), 18: (116.325, 39.906), 19: (116.326, 39.906),
}  # fmt: skip

WAYS: dict[int, tuple[list[int], dict[str, str]]] = {
    100: ([1, 7, 2], {"highway": "primary", "name": "弯路", "lanes": "4", "maxspeed": "60;80"}),  # a curve
    101: ([2, 3], {"highway": "secondary", "oneway": "yes"}),
    102: ([2, 3], {"highway": "tertiary"}),  # parallel to 101
    103: ([3, 4], {"highway": "residential"}),
    104: ([5, 16, 4], {"highway": "secondary", "oneway": "-1", "maxspeed": "30 mph"}),  # open from 4 to 5
    105: ([5, 8], {"highway": "residential", "lanes": "1"}),
    106: ([8, 2], {"highway": "unclassified"}),  # 5-8-2 is one link of two ways
    107: ([6, 5], {"highway": "tertiary"}),
    108: ([6, 1], {"highway": "tertiary_link", "oneway": "yes"}),
    109: ([3, 9], {"highway": "primary"}),
    110: ([9, 10, 11, 12, 9], {"highway": "primary", "junction": "roundabout"}),
    111: ([11, 13], {"highway": "living_street"}),  # dead end
    112: ([14, 15], {"highway": "residential"}),  # an island
    113: ([13, 3], {"highway": "footway"}),
    114: ([1, 13], {"highway": "service"}),
    115: ([4, 17, 18, 19, 17], {"highway": "residential"}),  # a street that closes on itself
    116: ([6, 13], {"highway": "residential", "access": "private"}),
    117: ([3, 13], {"railway": "subway"}),
}


def osm_xml(nodes: dict[int, tuple[float, float]] = NODES) -> str:
    """The map as OpenStreetMap XML."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<osm version="0.6">']
    lines += [f'<node id="{k}" lon="{lon}" lat="{lat}" version="1"/>' for k, (lon, lat) in nodes.items()]
    for k, (refs, tags) in WAYS.items():
        inner = "".join(f'<nd ref="{ref}"/>' for ref in refs)
        inner += "".join(f'<tag k="{key}" v="{value}"/>' for key, value in tags.items())
        lines.append(f'<way id="{k}" version="1">{inner}</way>')
    return "\n".join([*lines, "</osm>"])


@pytest.fixture(scope="module")
def xml_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The map as a file."""
    path = tmp_path_factory.mktemp("map") / "town.osm"
    path.write_text(osm_xml(), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def roads(xml_file: Path) -> RoadNetwork:
    """The map as pyosmium reads it."""
    return read_osm_file(xml_file, DEFAULTS)


def assert_same_roads(one: RoadNetwork, other: RoadNetwork) -> None:
    """Compare every column."""
    for field in dataclasses.fields(RoadNetwork):
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        if isinstance(mine, tuple):
            assert mine == theirs, field.name
        else:
            assert mine.dtype == theirs.dtype, field.name
            np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-9, err_msg=field.name)


def link(roads: RoadNetwork, tail: int, head: int) -> np.ndarray:
    """Rows of the links from one OpenStreetMap node to another."""

    def row(node: int) -> int:
        return int(np.argmin(np.hypot(roads.node_lon - NODES[node][0], roads.node_lat - NODES[node][1])))

    return np.flatnonzero((roads.tail == row(tail)) & (roads.head == row(head)))


def test_osmnx_and_pyosmium_read_the_same_network(xml_file: Path, roads: RoadNetwork) -> None:
    assert_same_roads(read_osm_xml(xml_file, DEFAULTS), roads)


def test_packed_and_binary_files_give_the_same_network(
    xml_file: Path, roads: RoadNetwork, tmp_path: Path
) -> None:
    (tmp_path / "town.osm.gz").write_bytes(gzip.compress(xml_file.read_bytes()))
    (tmp_path / "town.osm.bz2").write_bytes(bz2.compress(xml_file.read_bytes()))
    with osmium.SimpleWriter(str(tmp_path / "town.osm.pbf")) as writer:
        for item in osmium.FileProcessor(str(xml_file)):
            writer.add(item)
    for name in ("town.osm.gz", "town.osm.bz2", "town.osm.pbf"):
        assert_same_roads(read_osm_file(tmp_path / name, DEFAULTS), roads)


def test_islands_paths_services_and_private_roads_are_left_out(roads: RoadNetwork) -> None:
    places = set(zip(roads.node_lon.round(6), roads.node_lat.round(6), strict=True))
    # 7, 8, 10, 12 and 16 are bends, 18 and 19 too, in the street that closes on itself; 14 and 15 an island
    assert places == {NODES[k] for k in (1, 2, 3, 4, 5, 6, 9, 11, 13, 17)}
    assert roads.drive.all()


def test_a_curve_keeps_its_length_and_shape(roads: RoadNetwork) -> None:
    (row,) = link(roads, 1, 2)
    lon, lat = np.array([NODES[k] for k in (1, 7, 2)]).T
    assert roads.length_m[row] == pytest.approx(great_circle_m(lon[:-1], lat[:-1], lon[1:], lat[1:]).sum())
    shape = slice(roads.shape_indptr[row], roads.shape_indptr[row + 1])
    np.testing.assert_allclose(roads.shape_lon[shape], lon, atol=1e-7)
    assert roads.name[row] == "弯路"


def test_one_way_streets_run_one_way(roads: RoadNetwork) -> None:
    assert len(link(roads, 4, 5)) == 1 and len(link(roads, 5, 4)) == 0
    assert len(link(roads, 6, 1)) == 1 and len(link(roads, 1, 6)) == 0


def test_parallel_ways_stay_two_links(roads: RoadNetwork) -> None:
    assert sorted(roads.link_class[link(roads, 2, 3)]) == [LinkClass.SECONDARY, LinkClass.TERTIARY]
    assert len(link(roads, 3, 2)) == 1


def test_a_roundabout_turns_in_the_order_of_its_nodes(roads: RoadNetwork) -> None:
    assert len(link(roads, 9, 11)) == 1 and len(link(roads, 11, 9)) == 1
    (out,) = link(roads, 9, 11)
    assert roads.shape_lat[roads.shape_indptr[out] + 1] == pytest.approx(NODES[10][1])


def test_a_link_of_two_ways_averages_their_supply(roads: RoadNetwork) -> None:
    (row,) = link(roads, 5, 2)
    assert roads.link_class[row] == LinkClass.LOCAL
    assert roads.free_speed_kmh[row] == pytest.approx(20)
    assert roads.capacity_pcuh[row] == pytest.approx(300 * float(roads.lanes[row]), rel=1e-6)


def test_every_node_reaches_every_other(roads: RoadNetwork) -> None:
    reach = np.eye(roads.n_nodes, dtype=bool)
    reach[roads.tail, roads.head] = True
    for _ in range(roads.n_nodes):
        reach = reach @ reach
    assert reach.all()


def test_the_order_of_nodes_in_the_file_does_not_matter(roads: RoadNetwork, tmp_path: Path) -> None:
    (tmp_path / "other.osm").write_text(osm_xml(dict(reversed(NODES.items()))), encoding="utf-8")
    assert_same_roads(read_osm_file(tmp_path / "other.osm", DEFAULTS), roads)


@pytest.mark.parametrize(
    ("text", "kmh"),
    [("60", 60), ("60;80", 70), ("30 mph", 48.28032), ("50 km/h", 50), ("none", np.nan), ("CN:urban", np.nan),
     ("", np.nan), ("1e9", np.nan), ("900", np.nan), ("0", np.nan), ("-60", np.nan), ("nan", np.nan)],
)  # fmt: skip
def test_speeds_are_read(text: str, kmh: float) -> None:
    np.testing.assert_allclose(read_speed_kmh(text), kmh)


@pytest.mark.parametrize(
    ("text", "lanes"),
    [("2", 2), ("2;3", 2.5), ("1.5", 1.5), ("2|1", 1.5), ("many", np.nan), ("99", np.nan), ("2 mph", np.nan)],
)
def test_lanes_are_read(text: str, lanes: float) -> None:
    np.testing.assert_allclose(read_lanes(text), lanes)


def test_lanes_of_a_two_way_road_are_shared() -> None:
    tags = {"highway": "primary", "lanes": "6"}
    assert way_supply(tags, False, DEFAULTS).lanes == 3
    assert way_supply(tags, True, DEFAULTS).lanes == 6
    assert way_supply({"highway": "residential", "lanes": "1"}, False, DEFAULTS).lanes == 1


def test_a_limit_lowers_the_speed_of_a_street_and_sets_that_of_an_expressway() -> None:
    def speed(highway: str, limit: str) -> float:
        return way_supply({"highway": highway, "maxspeed": limit}, True, DEFAULTS).speed_kmh

    assert speed("primary", "80") == 55 and speed("primary", "40") == 40
    assert speed("trunk", "60") == 60 and speed("motorway", "120") == 120
    assert speed("trunk_link", "60") == pytest.approx(48)
    blind = dataclasses.replace(DEFAULTS, speed_limits=False)
    assert way_supply({"highway": "trunk", "maxspeed": "60"}, True, blind).speed_kmh == 80


def test_access_and_direction_follow_the_map() -> None:
    assert is_street({"highway": "primary", "access": "private", "motor_vehicle": "yes"})
    assert not is_street({"highway": "primary", "motorcar": "no"})
    assert not is_street({"highway": "residential", "area": "yes"})
    assert not is_street({"highway": "footway"}) and not is_street({})
    assert direction({"oneway": "reverse"}) == -1 and direction({"junction": "roundabout"}) == 1
    assert direction({"oneway": "no"}) == 0


@pytest.fixture
def overpass() -> Iterator[tuple[str, list[str]]]:
    """A server on this machine that answers every query with the map."""
    queries: list[str] = []
    elements: list[dict[str, object]] = [
        {"type": "node", "id": k, "lon": lon, "lat": lat} for k, (lon, lat) in NODES.items()
    ]
    elements += [{"type": "way", "id": k, "nodes": refs, "tags": tags} for k, (refs, tags) in WAYS.items()]

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
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/api", queries
    server.shutdown()
    server.server_close()


def test_overpass_gives_the_same_network_once_asked_and_dated(
    overpass: tuple[str, list[str]], roads: RoadNetwork, tmp_path: Path
) -> None:
    url, queries = overpass
    before = {name: getattr(ox.settings, name) for name in dir(ox.settings) if not name.startswith("_")}
    area = box(116.25, 39.85, 116.40, 39.99)
    for _ in range(2):
        found = read_osm_place(area, DEFAULTS, cache_folder=tmp_path, date="2024-01-01", overpass_url=url)
        assert_same_roads(found, roads)
    assert len(queries) == 1  # the second time it comes from the cache
    assert '[date:"2024-01-01T00:00:00Z"]' in queries[0] and "motorway" in queries[0]
    assert before == {name: getattr(ox.settings, name) for name in before}


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="Overpass"):
        read_osm_place(
            box(116, 39, 116.01, 39.01),
            DEFAULTS,
            cache_folder=tmp_path,
            overpass_url="http://127.0.0.1:9/api",
        )


@pytest.mark.shared
@pytest.mark.slow
def test_both_readers_agree_on_real_beijing(shared_data: Path) -> None:
    path = shared_data / "roads" / "beijing_osm2012_junctions.osm.bz2"
    one = read_osm_file(path, DEFAULTS)
    assert one.n_nodes > 15_000
    assert_same_roads(read_osm_xml(path, DEFAULTS), one)
