"""GMNS folders: what is read of them, and how broken ones are refused."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.tiny import tiny_city
from transport_abm.cli.city_table import finding_text
from transport_abm.core.errors import NetworkError, StoreError
from transport_abm.core.vocabulary import Period
from transport_abm.networks.formats import gmns
from transport_abm.networks.formats.city_roads import city_link_results, city_roads
from transport_abm.networks.formats.gmns import read_gmns
from transport_abm.networks.formats.gmns_write import write_gmns
from transport_abm.networks.formats.queue_form import queue_network
from transport_abm.networks.formats.reading import Reading
from transport_abm.networks.formats.road_file import lost_trips, road_problems
from transport_abm.networks.queues.network import queue_rules
from transport_abm.networks.roads.assignment import assign_roads
from transport_abm.networks.roads.connectors import build_connectors, connect
from transport_abm.networks.roads.road_skims import road_problem
from transport_abm.policy.inputs import year_inputs

TABLES = {
    "config.csv": "dataset_name,long_length,speed,crs\nthree,miles,mph,EPSG:4326\n",
    "node.csv": "node_id,x_coord,y_coord,zone_id\na,1,2,10\nb,3,4,\nc,5,6,20\n",
    "link.csv": (
        "link_id,from_node_id,to_node_id,directed,length,free_speed,capacity,lanes,allowed_uses,toll\n"
        "1,a,b,TRUE,1,30,900,2,\"AUTO, BIKE\",\n"
        "2,b,c,false,0.5,60,1000,1,,3\n"
        "3,c,a,1,,,,,WALK,\n"
    ),
    "demand.csv": "o_zone_id,d_zone_id,volume\n10,20,100\n20,10,5.5\n10,20,11\n",
}  # fmt: skip


def write(folder: Path, **changed: str) -> Path:
    """A folder of the tables, some of them changed; those that are empty are left out."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (TABLES | {f"{key}.csv": value for key, value in changed.items()}).items():
        (folder / name).unlink(missing_ok=True)
        if text:
            (folder / name).write_text(text, encoding="utf-8")
    return folder


def table(name: str, old: str, new: str) -> dict[str, str]:
    """One table with a piece replaced."""
    text = TABLES[f"{name}.csv"]
    assert old in text
    return {name: text.replace(old, new)}


def test_capacity_is_that_of_all_lanes_and_units_are_the_config_s(tmp_path: Path) -> None:
    roads = read_gmns(write(tmp_path))
    assert roads.node_name == ("a", "b", "c") and roads.crs == "EPSG:4326"
    assert roads.link_name == ("1", "2", "3", "2 (reverse)")
    problem = roads.problem
    assert problem.tail.tolist() == [0, 1, 2, 2] and problem.head.tolist() == [1, 2, 0, 1]
    np.testing.assert_allclose(roads.length_m, [1609.344, 804.672, 0, 804.672])
    np.testing.assert_allclose(problem.free_time_s, [120, 30, np.inf, 30])
    assert problem.capacity_pcuh.tolist() == [1800, 1000, 1, 1000]
    assert problem.bpr_scale.tolist() == [0.15] * 4 and problem.bpr_power.tolist() == [4] * 4
    assert roads.zone_name == ("10", "20") and roads.zone_node.tolist() == [0, 2]
    assert roads.demand is not None and roads.demand.tolist() == [[0, 111], [5.5, 0]]
    text = " ".join(roads.notes)
    assert "1 link is closed to cars" in text and "tolls are left out" in text and "BPR 1964" in text
    assert roads.lanes is not None and roads.lanes.tolist() == [2, 1, 0, 1]
    ground = queue_network(roads, queue_rules(year_inputs(2021)))
    assert np.isinf(ground.free_time_s[2]) and ground.storage_pcu[0] == pytest.approx(2 * 1609.344 / 7.5)


def test_units_are_never_guessed_and_can_be_given(tmp_path: Path) -> None:
    folder = write(tmp_path, config="")
    with pytest.raises(NetworkError) as caught:
        read_gmns(folder)
    assert "long_length (or --length-unit)" in str(caught.value) and "--speed-unit" in str(caught.value)
    roads = read_gmns(folder, Reading(length_unit="km", speed_unit="km/h"))
    np.testing.assert_allclose(roads.problem.free_time_s[:2], [120, 30])
    assert roads.length_m[0] == 1000
    with pytest.raises(NetworkError, match=r"config\.csv: long_length .*furlongs"):
        read_gmns(write(tmp_path, **table("config", "miles", "furlongs")))


def test_a_toll_costs_what_the_user_says(tmp_path: Path) -> None:
    roads = read_gmns(write(tmp_path), Reading(toll_factor=20.0))
    assert roads.problem.fixed_cost_s.tolist() == [0, 60, 0, 60]
    assert not any("toll" in note for note in roads.notes)


def test_groups_of_uses_and_delay_functions_of_other_tools_are_read(tmp_path: Path) -> None:
    link = (
        "link_id,from_node_id,to_node_id,dir_flag,length,free_speed,capacity,lanes,allowed_uses,"
        "VDF_fftt1,VDF_alpha1,VDF_beta1\n"
        "1,a,b,1,1,30,900,2,motor;x,3,0.4,5\n2,b,c,0,1,60,1000,1,foot,,,\n3,c,a,1,1,60,1000,0,,,,\n"
    )
    groups = 'use_group,uses\nMotor,"AUTO,TRUCK"\nfoot,walk\n'
    roads = read_gmns(write(tmp_path, link=link, use_group=groups))
    assert roads.problem.free_time_s.tolist() == [180, np.inf, np.inf, np.inf]
    assert roads.problem.bpr_scale.tolist() == [0.4, 0.15, 0.15, 0.15]
    assert roads.problem.bpr_power.tolist() == [5, 4, 4, 4]
    assert any("dir_flag" in note for note in roads.notes)


def test_a_zone_of_several_nodes_shares_its_trips_among_them(tmp_path: Path) -> None:
    roads = read_gmns(write(tmp_path, **table("node", "3,4,", "3,4,10")))
    assert roads.zone_node.tolist() == [0, 1] and roads.problem.first_through_node == 2
    assert roads.node_name[:3] == ("zone 10", "zone 20", "a")
    assert roads.demand is not None and roads.n_zones == 2
    flows = assign_roads(roads.problem, roads.zone_node, roads.demand, gap=1e-9, max_iterations=50)
    by_name = dict(zip(roads.link_name, flows.flow_pcuh.tolist(), strict=True))
    # From b it is nearer to c than from a, and back.
    assert by_name["zone 10 to b"] == pytest.approx(111) and by_name["b to zone 10"] == pytest.approx(5.5)
    assert by_name["1"] == 0 and by_name["2"] == pytest.approx(111)


def centroids(folder: Path, more: str = "", links: str = "") -> dict[str, float]:
    """Flows of 100 trips from A to C: the short way leads through the centroid of B, the long one through node 4."""
    node = "node_id,x_coord,y_coord,node_type,zone_id\n1,0,0,centroid,A\n2,1,0,centroid,B\n3,2,0,centroid,C\n4,1,1,,\n"
    link = "link_id,from_node_id,to_node_id,directed,length,free_speed,capacity,lanes\n" + "".join(
        f"{name},{name[0]},{name[1]},true,{length},30,900,1\n"
        for name, length in (
            ("12", 1),
            ("23", 1),
            ("14", 5),
            ("43", 5),
            *((name, 1) for name in links.split()),
        )
    )
    demand = "o_zone_id,d_zone_id,volume\nA,C,100\n"
    roads = read_gmns(write(folder, node=node + more, link=link, demand=demand))
    assert roads.demand is not None and not [text for text in road_problems(roads) if "no way" in text]
    flows = assign_roads(roads.problem, roads.zone_node, roads.demand, gap=1e-9, max_iterations=50)
    return dict(zip(roads.link_name, flows.flow_pcuh.tolist(), strict=True))


def test_no_traffic_passes_a_centroid_however_many_nodes_zones_have(tmp_path: Path) -> None:
    assert centroids(tmp_path) == {"12": 0, "23": 0, "14": 100, "43": 100}
    # C has an ordinary node beside its centroid: trips may end there, and still none pass the centroid of B.
    joined = centroids(tmp_path, "5,3,0,,C\n", "35")
    assert [joined[name] for name in ("12", "23", "14", "43", "35")] == [0, 0, 100, 100, 0]
    short = centroids(tmp_path, "5,3,0,,C\n", "35 45")
    assert short["45"] == short["5 to zone C"] == pytest.approx(100) and short["12"] == short["43"] == 0
    # Two centroids of C, of which one is nearer to A.
    both = centroids(tmp_path, "5,3,0,centroid,C\n", "35 53 45")
    assert both["45"] == pytest.approx(100) and both["12"] == both["43"] == both["35"] == 0
    # Two centroids of B, and one of no zone: neither is a way.
    assert centroids(tmp_path, "5,3,0,centroid,B\n6,3,0,centroid,\n", "15 53 16 63")["14"] == pytest.approx(
        100
    )


def test_a_centroid_keeps_its_name_and_its_trips_begin_at_it(tmp_path: Path) -> None:
    node = "node_id,x_coord,y_coord,node_type,zone_id\n"
    node += "a,1,2,,10\nb,3,4,Centroid,10\nc,5,6,centroid,20\nd,7,8,centroid,\ne,9,9,centroid,20\n"
    roads = read_gmns(write(tmp_path, node=node))
    assert roads.node_name == ("b", "zone 20", "d", "a") and roads.problem.first_through_node == 3
    assert roads.zone_name == ("10", "20") and roads.zone_node.tolist() == [0, 1]
    assert roads.x is not None and roads.x.tolist() == [3, 7, 7, 1]
    # Links of the file keep their rows; c is now the node of zone 20.
    assert roads.problem.tail.tolist() == [3, 0, 1, 1, 0, 3]
    assert roads.problem.head.tolist() == [0, 1, 3, 0, 3, 0]
    assert roads.link_name[4:] == ("zone 10 to a", "a to zone 10")
    assert "several centroids of one zone are taken as one node" in roads.notes
    for text in roads.notes[-2:]:
        assert not finding_text(text, zh=True).isascii()


@pytest.mark.parametrize("number", ["1_0", "\uff11\uff10", "\u0661\u0660"])
def test_numbers_of_other_spellings_are_refused(number: str, tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"x_coord, row 3"):
        read_gmns(write(tmp_path, **table("node", "3,4", f"{number},4")))
    with pytest.raises(NetworkError, match=r"capacity, row 2"):
        read_gmns(write(tmp_path, **table("link", "900,2", f"{number},2")))


def test_a_zip_file_and_demand_from_elsewhere_are_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "net")
    with zipfile.ZipFile(tmp_path / "net.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
    (tmp_path / "more.csv").write_text("o_zone_id,d_zone_id,volume\n20,20,1\n")
    roads = read_gmns(tmp_path / "net.zip", demand_csv=tmp_path / "more.csv")
    assert roads.demand is not None and roads.demand.tolist() == [[0, 0], [0, 1]]


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("node", "b,3", "a,3", r"node\.csv: node_id, row 3: expected each id once \(first in row 2\)"),
        ("node", "b,3", ",3", r"node\.csv: node_id, row 3: expected an id"),
        ("node", "3,4", "nan,4", r"x_coord, row 3: .*nan"),
        ("node", "3,4", "inf,4", r"x_coord, row 3: .*inf"),
        ("node", "y_coord", "why", r"y_coord: expected a column"),
        ("link", "1,a,b", "2,a,b", r"link\.csv: link_id, row 3: expected each id once"),
        ("link", "1,a,b", "1,a,z", r"to_node_id, row 2: expected a node of node\.csv, got 'z'"),
        ("link", "TRUE,1,30", "TRUE,-1,30", r"length, row 2: expected a number from 0 to 1e\+09, got '-1'"),
        ("link", "TRUE,1,30", "TRUE,NaN,30", r"length, row 2: .*'NaN'"),
        ("link", "TRUE,1,30", "TRUE,,30", r"length, row 2: .*''"),
        ("link", "TRUE,1,30", "TRUE,1,0", r"free_speed, row 2: expected a number above 0"),
        ("link", "TRUE,1,30", "maybe,1,30", r"directed, row 2: expected true or false"),
        ("link", "900,2", "-900,2", r"capacity, row 2: expected a number above 0"),
        ("link", "900,2", "0,2", r"capacity, row 2: expected a number above 0"),
        ("link", "900,2", "900,-2", r"lanes, row 2"),
        ("link", "900,2", "900,", r"lanes, row 2"),
        ("link", "TRUE,1,30", "TRUE,1,1e-305", r"free_speed, row 2: expected a speed that passes the link"),
        ("link", ",3\n", ",-3\n", r"toll, row 3"),
        ("link", ",3\n", ",3,7\n", r"link\.csv: row 3: expected 10 cells"),
        ("link", "directed", "way", r"directed: expected a column of this name \(or dir_flag\)"),
        (
            "link",
            "length,free_speed",
            "lanes,free_speed",
            r"link\.csv: lanes: expected one column of this name, got 2",
        ),
        ("demand", "20,10,5.5", "20,99,5.5", r"demand\.csv: d_zone_id, row 3: .*'99'"),
        ("demand", "20,10,5.5", "20,10,-5.5", r"volume, row 3"),
        ("demand", "20,10,5.5", "20,10,1e400", r"volume, row 3"),
        ("demand", "20,10,5.5", "20,10", r"demand\.csv: row 3: expected 3 cells"),
        ("config", "three", "three,miles,mph,X\nfour", r"config\.csv: rows: expected one, got 2"),
    ],
)
def test_a_broken_table_is_refused_with_its_row(
    name: str, old: str, new: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(NetworkError, match=words):
        read_gmns(write(tmp_path, **table(name, old, new)))


def test_all_faults_of_all_tables_come_at_once(tmp_path: Path) -> None:
    broken = (
        table("node", "3,4", "x,4") | table("link", "TRUE,1,30", "TRUE,-1,-30") | table("demand", "11", "-11")
    )
    with pytest.raises(NetworkError) as caught:
        read_gmns(write(tmp_path, config="", **broken))
    text = str(caught.value)
    for words in (
        "x_coord, row 3",
        "length, row 2",
        "free_speed, row 2",
        "volume, row 4",
        "long_length",
        "speed",
    ):
        assert words in text


def test_a_column_that_is_missing_hides_no_other_fault_and_makes_none(tmp_path: Path) -> None:
    broken = (
        {"node": TABLES["node.csv"].replace("node_id", "id").replace("3,4", "x,4")}
        | {"link": TABLES["link.csv"].replace("capacity", "flow").replace("TRUE,1,30", "TRUE,-1,30")}
        | {"demand": TABLES["demand.csv"].replace("o_zone_id", "from").replace("5.5", "-5.5")}
    )  # fmt: skip
    with pytest.raises(NetworkError) as caught:
        read_gmns(write(tmp_path, **broken))
    assert sorted(str(fault).split(": expected")[0] for fault in caught.value.faults) == [
        "demand.csv: o_zone_id", "demand.csv: volume, row 3", "link.csv: capacity", "link.csv: length, row 2",
        "node.csv: node_id", "node.csv: x_coord, row 3",
    ]  # fmt: skip


def test_all_tables_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    folder = write(tmp_path, link="")
    for name in ("node.csv", "demand.csv"):
        (folder / name).write_bytes(b"\xff\xfe")
    with pytest.raises(NetworkError) as caught:
        read_gmns(folder)
    assert [str(fault).split(": expected")[0] for fault in caught.value.faults] == [
        "node.csv: encoding", "demand.csv: encoding", f"{folder.name}: link.csv",
    ]  # fmt: skip


@pytest.mark.parametrize("zero", ["0", "0.0", "-0", "0e0", ".0"])
def test_a_link_without_a_lane_is_closed_however_its_zero_is_written(zero: str, tmp_path: Path) -> None:
    assert read_gmns(write(tmp_path, **table("link", "900,2", f"900,{zero}"))).open.tolist() == [
        False,
        True,
        False,
        True,
    ]


def test_a_power_that_no_delay_has_is_named_by_its_row(tmp_path: Path) -> None:
    link = TABLES["link.csv"].replace("toll", "VDF_beta1").replace(",3\n", ",0.5\n")
    with pytest.raises(
        NetworkError, match=r"link\.csv: VDF_beta1, row 3: expected 0, or 1 or more, got 0\.5"
    ):
        read_gmns(write(tmp_path, link=link))


def test_a_table_that_may_have_lost_its_end_is_noted(tmp_path: Path) -> None:
    note = "demand.csv does not end with a line break: its last row may be cut short"
    for name in gmns.TABLES:
        assert not finding_text(note.replace("demand.csv", name), zh=True).isascii()
    assert note not in read_gmns(write(tmp_path)).notes
    assert note in read_gmns(write(tmp_path, demand=TABLES["demand.csv"][:-2])).notes


def test_a_zone_that_zone_csv_lacks_is_named_and_one_without_node_is_noted(tmp_path: Path) -> None:
    with pytest.raises(
        NetworkError, match=r"node\.csv: zone_id, row 4: expected a zone of zone\.csv, got '20'"
    ):
        read_gmns(write(tmp_path, zone="zone_id\n10\n"))
    roads = read_gmns(write(tmp_path, zone="zone_id\n10\n20\n30\n"))
    assert "1 zone of zone.csv has no node and is left out" in roads.notes


def test_missing_and_closed_networks_are_refused(tmp_path: Path) -> None:
    for changed, words in (
        ({"link": ""}, r"link\.csv: expected a table of the network"),
        ({"node": "node_id,x_coord,y_coord\n"}, r"node\.csv: rows: expected at least one"),
        (table("link", '"AUTO, BIKE"', "BIKE") | {}, r""),
    ):
        if words:
            with pytest.raises(NetworkError, match=words):
                read_gmns(write(tmp_path, **changed))
    only_walk = TABLES["link.csv"].replace('"AUTO, BIKE"', "BIKE").replace("1000,1,,3", "1000,1,BUS,3")
    with pytest.raises(NetworkError, match="allowed_uses: expected links for one of"):
        read_gmns(write(tmp_path, link=only_walk))


def test_problems_of_a_sound_network_are_told(tmp_path: Path) -> None:
    one_way = TABLES["link.csv"].replace("false", "true")
    found = road_problems(read_gmns(write(tmp_path, link=one_way)))
    assert "1 node that cars can enter and not leave" in found
    assert "1 node that cars can leave and not enter" in found
    assert "1 pair of zones with 5.5 trips and no way" in found


def test_trips_without_a_way_are_named_as_in_the_file(tmp_path: Path) -> None:
    """Nothing leaves d, nothing enters e; f and g are an island."""
    node = "node_id,x_coord,y_coord,zone_id\n" + "".join(f"{name},1,2,{name.upper()}\n" for name in "abcdefg")
    ends = ("ab", "bc", "ca", "ad", "ea", "fg", "gf")
    link = "link_id,from_node_id,to_node_id,directed,length,free_speed,capacity,lanes\n" + "".join(
        f"{a}{b},{a},{b},true,1,30,900,1\n" for a, b in ends
    )
    pairs = (
        ("A", "B", 1),
        ("D", "A", 2),
        ("D", "E", 3),
        ("A", "E", 4),
        ("A", "F", 5),
        ("G", "C", 6),
        ("F", "G", 7),
    )
    demand = "o_zone_id,d_zone_id,volume\n" + "".join(f"{a},{b},{trips}\n" for a, b, trips in pairs)
    roads = read_gmns(write(tmp_path / "net", node=node, link=link, demand=demand))
    assert [str(fault) for fault in lost_trips(roads)] == [
        "net: demand from zone D: expected an open link from its node d, got none for 5 trips of 2 pairs",
        "net: demand to zone E: expected an open link to its node e, got none for 4 trips of 1 pairs",
        "net: demand from zone A to zone F: expected a way over open links, got none for 5 trips",
        "net: demand from zone G to zone C: expected a way over open links, got none for 6 trips",
    ]


def test_a_city_is_written_as_the_model_assigns_it(tmp_path: Path) -> None:
    city, inputs = tiny_city(), year_inputs(2021)
    roads, row = city_roads(city, inputs, period=Period.PM)
    flow = np.arange(city.roads.n_links) * 3.0
    results = city_link_results(city, inputs, {Period.AM: flow, Period.PM: flow * 2}, row)
    write_gmns(roads, tmp_path / "out", results)
    back = read_gmns(tmp_path / "out")
    own = connect(
        road_problem(city, inputs, period=Period.PM, year=2021), build_connectors(city, inputs), 12, inputs
    )
    assert back.problem.digest(back.zone_node) == own.digest(np.arange(12, dtype=np.int32))
    for name in ("free_time_s", "capacity_pcuh", "bpr_scale", "bpr_power", "preload_pcuh"):
        np.testing.assert_allclose(getattr(back.problem, name), getattr(own, name), rtol=1e-14)
    rows = (tmp_path / "out" / "link_performance.csv").read_text().splitlines()
    assert rows[0] == "link_id,from_node_id,to_node_id,year,time_period,volume,travel_time,speed"
    assert len(rows) == 1 + 2 * len(row)
    assert rows[2].startswith("1,0,7,2021,0700_0900,3.0,")
    assert rows[1 + len(row) + 1].startswith("1,0,7,2021,1700_1900,6.0,")
    assert "LINESTRING (116.37" in (tmp_path / "out" / "link.csv").read_text()


def test_nothing_is_half_written_and_nothing_overwritten(tmp_path: Path) -> None:
    roads = read_gmns(write(tmp_path / "net"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    with pytest.raises(StoreError, match="holds something"):
        write_gmns(roads, tmp_path / "full")
    without_lanes = type(roads)(**{**vars(roads), "lanes": None, "in_metres": False})
    with pytest.raises(NetworkError, match="lanes") as caught:
        write_gmns(without_lanes, tmp_path / "new")
    assert len(caught.value.faults) == 2
    broken = type(roads)(**{**vars(roads), "link_name": roads.link_name[:2]})
    with pytest.raises(IndexError):
        write_gmns(broken, tmp_path / "new")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["full", "net"]
    assert [file.name for file in (tmp_path / "full").iterdir()] == ["mine"]
