"""MATSim networks, plans and events: what is read, written and refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.tiny import tiny_city
from transport_abm.core.errors import NetworkError
from transport_abm.core.vocabulary import Period
from transport_abm.networks.formats.city_roads import city_roads
from transport_abm.networks.formats.matsim_events import VehicleMoves, write_matsim_events
from transport_abm.networks.formats.matsim_network import (
    clock_s,
    read_matsim_network,
    write_matsim_network,
)
from transport_abm.networks.formats.matsim_plans import MatsimPlans, read_matsim_plans
from transport_abm.networks.formats.queue_form import queue_link_results, queue_network
from transport_abm.networks.formats.road_file import RoadFile
from transport_abm.networks.queues.day import run_day
from transport_abm.networks.queues.network import queue_rules
from transport_abm.policy.inputs import year_inputs

NET = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE network SYSTEM "http://www.matsim.org/files/dtd/network_v2.dtd">
<network name="square">
<attributes><attribute name="coordinateReferenceSystem" class="java.lang.String">EPSG:32650</attribute></attributes>
<nodes><node id="1" x="0" y="0"/><node id="2" x="1000" y="0"/><node id="3" x="1000" y="1000"/>
<node id="4" x="0" y="1000"><attributes><attribute name="k" class="java.lang.String">v</attribute></attributes></node></nodes>
<links capperiod="00:30:00">
<link id="12" from="1" to="2" length="1000" freespeed="10" capacity="900" permlanes="1.0" oneway="1" modes="car,bus"/>
<link id="23" from="2" to="3" length="1000" freespeed="20" capacity="900" permlanes="2"/>
<link id="34" from="3" to="4" length="1000" freespeed="20" capacity="900" permlanes="2"/>
<link id="41" from="4" to="1" length="1000" freespeed="20" capacity="900" permlanes="2"/>
<link id="13" from="1" to="3" length="1500" freespeed="1" capacity="900" permlanes="1" modes="bike"/>
</links></network>
"""
PLANS = """<?xml version="1.0"?>
<!DOCTYPE population SYSTEM "http://www.matsim.org/files/dtd/population_v6.dtd">
<population>
<attributes><attribute name="coordinateReferenceSystem" class="java.lang.String">EPSG:32650</attribute></attributes>
<person id="ann"><attributes><attribute name="age" class="java.lang.Integer">30</attribute></attributes>
<plan selected="no"><activity type="h" link="41" end_time="01:00:00"/><leg mode="car"/><activity type="w" link="12"/></plan>
<plan selected="yes"><activity type="h" link="41" end_time="07:00:00"/>
<leg mode="walk" trav_time="00:01:00"><route type="generic" start_link="41" end_link="41"/></leg>
<activity type="car interaction" link="41" max_dur="00:00:30"/>
<leg mode="car" trav_time="undefined">
<route type="links" start_link="41" end_link="34" vehicleRefId="null">41 12 23 34</route></leg>
<activity type="w" link="34" max_dur="08:00:00"/>
<leg mode="car"><route type="links">34 41</route></leg>
<activity type="s" link="41" end_time="17:00"/>
<leg mode="car"/>
<activity type="h" link="41"/></plan></person>
<person id="bob"><plan><activity type="h" x="500" y="-10" end_time="25:00:00"/><leg mode="car"/>
<activity type="w" x="1010" y="500"/></plan></person>
<person id="cyd"><plan><activity type="h" link="12" end_time="08:00:00"/><leg mode="bike"/>
<activity type="w" link="12"/></plan></person>
</population>
"""  # fmt: skip
OLD = """<population desc="v5"><person id="1" employed="no"><plan selected="yes"><act type="h" link="12" end_time="06:00" />
<leg mode="car"><route>12 23</route></leg><act type="w" link="23" /></plan></person></population>"""


def network(folder: Path, text: str = NET) -> RoadFile:
    """The network of a text."""
    (folder / "network.xml").write_text(text, encoding="utf-8")
    return read_matsim_network(folder / "network.xml")


def plans(folder: Path, text: str = PLANS) -> MatsimPlans:
    """The plans of a text on the square."""
    roads = network(folder)
    (folder / "plans.xml").write_text(text, encoding="utf-8")
    return read_matsim_plans(folder / "plans.xml", roads)


def test_a_network_is_read_with_capacities_per_hour_and_links_of_other_modes_closed(tmp_path: Path) -> None:
    roads = network(tmp_path)
    assert roads.node_name == ("1", "2", "3", "4") and roads.link_name == ("12", "23", "34", "41", "13")
    assert roads.problem.capacity_pcuh.tolist() == [1800] * 5
    assert roads.problem.free_time_s.tolist() == [100, 50, 50, 50, np.inf]
    assert roads.lanes is not None and roads.lanes.tolist() == [1, 2, 2, 2, 1]
    assert roads.uses == ("car,bus", "car", "car", "car", "bike") and roads.crs == "EPSG:32650"
    assert "1 link is closed to cars" in roads.notes


def test_the_selected_plan_becomes_a_vehicle_with_routes_and_times(tmp_path: Path) -> None:
    found = plans(tmp_path)
    v, names = found.plans, network(tmp_path).link_name
    routes = [[names[k] for k in found.routes.links_of(r)] for r in v.route.tolist()]
    assert found.vehicle_name == ("ann", "bob") and v.leg_indptr.tolist() == [0, 3, 4]
    # Three legs of Ann: given, given, and none to drive; one of Bob, from the link nearest to his house.
    assert routes == [["12", "23", "34"], ["41"], [], ["23"]]
    assert [names[k] for k in found.start_link] == ["41", "34", "41", "12"]
    morning = 7 * 3600 + 90
    assert v.earliest_cs.tolist() == [100 * time for time in (morning, morning, 17 * 3600, 25 * 3600)]
    assert v.stop_cs.tolist() == [0, 100 * 8 * 3600, 0, 0]
    assert v.kind.tolist() == [0, 0] and v.kinds.pcu.tolist() == [1] and v.kinds.weight.tolist() == [1]
    assert len(found.notes) == 3


def test_a_walk_between_two_drives_lengthens_the_stop(tmp_path: Path) -> None:
    text = PLANS.replace('<leg mode="car"><route type="links">34 41</route></leg>', '<leg mode="walk" trav_time="00:02:00"/>'
        '<activity type="x" link="34" max_dur="00:03:00"/><leg mode="car"/>')  # fmt: skip
    assert plans(tmp_path, text).plans.stop_cs.tolist() == [0, 100 * (8 * 3600 + 300), 0, 0]


def test_the_queue_drives_plans_as_they_say_on_empty_roads(tmp_path: Path) -> None:
    found = plans(tmp_path)
    ground = queue_network(network(tmp_path), queue_rules(year_inputs(2021)))
    day = run_day(ground, found.plans, found.routes)
    begin, end = day.departure_cs / 100, day.arrival_cs / 100
    np.testing.assert_allclose(begin[[0, 2, 3]], [7 * 3600 + 90, 17 * 3600, 25 * 3600])
    assert begin[1] == end[0] + 8 * 3600
    np.testing.assert_allclose(end - begin, [200, 50, 0, 50], atol=0.02)
    found_links = queue_link_results(day, ground, network(tmp_path).length_m, year=2024)
    used = found_links.flow > 0
    # Ann comes onto 12, 23 and 34 after seven and onto 41 after fifteen; Bob onto 23 after one at night.
    assert list(zip(found_links.start_s[used] / 900, found_links.link[used].tolist(), strict=True)) == [
        (28, 0), (28, 1), (28, 2), (60, 3), (100, 1),
    ]  # fmt: skip
    assert found_links.flow[used].tolist() == [4] * 5 and found_links.flow_unit == "vehicles/h"
    np.testing.assert_allclose(found_links.speed_kmh[used], [36, 72, 72, 72, 72], rtol=1e-3)


def test_the_older_form_of_plans_is_read(tmp_path: Path) -> None:
    found = plans(tmp_path, OLD)
    assert found.routes.links_of(0).tolist() == [1] and found.start_link.tolist() == [0]
    assert found.plans.earliest_cs.tolist() == [2_160_000]


def test_a_missing_route_is_the_cheapest_way_on_the_empty_roads(tmp_path: Path) -> None:
    city, inputs = tiny_city(), year_inputs(2021)
    roads, _ = city_roads(city, inputs, period=Period.AM, cars_alone=True)
    from tests.naive_roads import naive_load

    persons = "".join(
        f'<person id="{a}-{b}"><plan><act type="h" link="{a}" end_time="06:00"/><leg mode="car"/>'
        f'<act type="w" link="{b}"/></plan></person>'
        for a in range(0, 142, 29)
        for b in range(3, 142, 31)
    )
    (tmp_path / "p.xml").write_text(f"<population>{persons}</population>")
    found = read_matsim_plans(tmp_path / "p.xml", roads)
    problem = roads.problem
    for name, r in zip(found.vehicle_name, found.plans.route.tolist(), strict=True):
        a, b = map(int, name.split("-"))
        links = found.routes.links_of(r)
        chain = [a, *links.tolist()]
        assert chain[-1] == b
        assert (problem.head[chain[:-1]] == problem.tail[chain[1:]]).all()
        ends = [int(problem.head[a]), int(problem.tail[b])]
        demand = np.array([[0.0, 1.0], [0.0, 0.0]])
        cost = naive_load(problem, problem.free_time_s, ends, demand)[1] if ends[0] != ends[1] else 0.0
        assert problem.free_time_s[links[:-1]].sum() == pytest.approx(cost, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("07:30:15", 27_015), ("24:00", 86_400), ("30:00:00.5", 108_000.5), ("90", 90), ("7", 7), ("-1:00:00", None),
     ("-00:10:00", None), ("00:-0:10", None), ("1_0", None), ("\u0661\u0660", None),
     ("07:60:00", None), ("07:00:61", None), ("nan", None), ("inf", None), ("1e9", None), ("a", None), ("1:2:3:4", None)],
)  # fmt: skip
def test_times_are_read_or_refused(text: str, seconds: float | None) -> None:
    assert clock_s(text) == seconds


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('length="1500"', 'length="-1500"', "link 13 length: expected a number from 0"),
        ('length="1500"', 'length="NaN"', "link 13 length"),
        ('length="1500"', "", "link 13 length: .*None"),
        ('freespeed="1"', 'freespeed="0"', "link 13 freespeed: expected a number above 0"),
        ('freespeed="1"', 'freespeed="Infinity"', "link 13 freespeed"),
        ('capacity="900" permlanes="1" ', 'capacity="-9" permlanes="0" ', "link 13 permlanes"),
        ('id="23"', 'id="12"', "link id: expected an id used once, got '12', used twice"),
        ('node id="2"', 'node id="1"', "node id: .*'1', used twice"),
        ('to="3" length="1500"', 'to="9" length="1500"', "link 13 to: expected a node of the file, got '9'"),
        ('x="1000" y="0"', 'x="nan" y="0"', "node 2 x"),
        ('capperiod="00:30:00"', 'capperiod="00:00:00"', "links capperiod"),
        ('capperiod="00:30:00"', 'capperiod="an hour"', "links capperiod"),
        ('capperiod="00:30:00"', 'capperiod="1e-308"', "link 12 capacity: expected a capacity an hour up to"),
        ('length="1500"', 'length="1_500"', "link 13 length: expected a number from 0"),
        ("<network name", "<net name", "well-formed|network at the top"),
        ("</links></network>", "", "well-formed"),
        ('network_v2.dtd">', 'network_v2.dtd" [<!ENTITY a "b">]>', "DOCTYPE: expected no declarations"),
        ('freespeed="10"', 'freespeed="1e-320"', "link 12 freespeed: expected a speed that passes the link"),
        ('length="1500"', 'length="15&a;00"', "undefined entity"),
        (NET[NET.index("<link id") : NET.index("</links>")], "", "links: expected at least one link"),
    ],
)
def test_broken_networks_are_refused(old: str, new: str, words: str, tmp_path: Path) -> None:
    assert old in NET
    with pytest.raises(NetworkError, match=words):
        network(tmp_path, NET.replace(old, new, 1))


def test_links_that_no_queue_takes_are_told_by_file_and_name(tmp_path: Path) -> None:
    roads = network(tmp_path, NET.replace('freespeed="20" capacity="900"', 'freespeed="1e-5" capacity="0.1"'))
    with pytest.raises(NetworkError) as caught:
        queue_network(roads, queue_rules(year_inputs(2021)))
    told = "network.xml: capacity_pcuh, 3 links from link 23: expected 1 to 1e+06, got 0.2"
    assert told in map(str, caught.value.faults) and "row" not in str(caught.value)


def test_a_network_without_links_for_cars_is_refused(tmp_path: Path) -> None:
    text = (
        NET.replace('modes="car,bus"', "")
        .replace("permlanes=", 'modes="pt" permlanes=')
        .replace('modes="bike"', "")
    )
    with pytest.raises(NetworkError, match="modes: expected links for car"):
        network(tmp_path, text)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("41 12 23 34<", "41 12 99 34<", "person ann, leg 2 route: expected links of the network, got '99'"),
        (
            "41 12 23 34<",
            "41 23 34<",
            "person ann, leg 2 route: expected links that follow each other, got '?41 23",
        ),
        (
            'start_link="41" end_link="34" v',
            'start_link="x" end_link="23" v',
            "leg 2 start_link: expected '41', as in the",
        ),
        (
            'start_link="41" end_link="34" v',
            'start_link="41" end_link="23" v',
            "leg 2 end_link: expected '34', as in the",
        ),
        (
            'type="w" link="34"',
            'type="w" link="12"',
            "leg 2 link of the activity after: expected '34'.*got '12'",
        ),
        ('type="s" link="41"', 'type="s" link="nowhere"', "leg 3 link of the activity after: expected '41'"),
        ("34 41<", "34 41 13<", "person ann, leg 3 route: expected links open to car, got '?13"),
        ('end_time="17:00"', 'end_time="17:99"', "person ann, activity 4 end_time: expected hh:mm:ss"),
        ('end_time="25:00:00"', "", "person bob, leg 1: expected an activity before it with end_time"),
        ('trav_time="00:01:00"', 'trav_time="-1"', "person ann, leg 1 trav_time"),
        (
            'link="34" max_dur="08:00:00"',
            'link="34" max_dur="720:00:00"/><leg mode="w" trav_time="99"/><activity type="x" link="34" max_dur="720:00:00"',
            "person ann, leg 4: expected times within 30 days",
        ),
        ('link="34" max_dur="08:00:00"', 'link="34"', "person ann, leg 3: expected an activity before it"),
        ('x="500" y="-10"', 'x="500"', "person bob, leg 1: expected activities with a link, or x and y"),
        ('x="500" y="-10"', 'x="inf" y="0"', "person bob, leg 1: expected activities with a link"),
        ('x="500" y="-10"', 'link="77"', "person bob, leg 1 start_link: expected a link of the network"),
        (
            'x="500" y="-10"',
            'link="13"',
            "person bob, leg 1 start_link: expected a link of the network for car",
        ),
        ('person id="bob"', 'person id="ann"', "person id: expected an id used once, got 'ann'"),
        ('plan selected="no"', 'plan selected="yes"', "person ann: expected one selected plan, got 2 of 2"),
        ('plan selected="yes"', "plan", "person ann: expected one selected plan, got 0 of 2"),
        ('<leg mode="bike"/>', "", "person cyd: expected activities with one leg between"),
        ("</population>", "", "well-formed"),
        ("population>", "plans>", "population at the top|well-formed"),
    ],
)
def test_broken_plans_are_refused(old: str, new: str, words: str, tmp_path: Path) -> None:
    assert old in PLANS
    with pytest.raises(NetworkError, match=words):
        plans(tmp_path, PLANS.replace(old, new, 1))


def test_a_leg_without_a_way_and_a_population_without_drivers_are_refused(tmp_path: Path) -> None:
    roads = network(tmp_path, NET.replace('id="34"', 'modes="bus" id="34"'))
    (tmp_path / "p.xml").write_text(OLD.replace("12 23", "").replace('link="23"', 'link="41"'))
    with pytest.raises(
        NetworkError, match="person 1, drive 1: leg from link 12 to 41: expected a way over open links"
    ):
        read_matsim_plans(tmp_path / "p.xml", roads)
    with pytest.raises(NetworkError, match="persons: expected at least one with a leg by car"):
        plans(tmp_path, "<population></population>")


def test_all_faults_come_at_once_up_to_twenty(tmp_path: Path) -> None:
    with pytest.raises(NetworkError) as caught:
        network(
            tmp_path, NET.replace('length="1000"', 'length="-1"').replace('capacity="900"', 'capacity="x"')
        )
    assert len(caught.value.faults) == 9
    many = "".join(f'<link id="x{k}" from="8" to="9"/>' for k in range(50))
    with pytest.raises(NetworkError) as caught:
        network(tmp_path, NET.replace("</links>", f"{many}</links>"))
    assert len(caught.value.faults) == 20


def test_a_city_written_for_matsim_keeps_its_times_on_the_empty_road(tmp_path: Path) -> None:
    roads, row = city_roads(tiny_city(), year_inputs(2021), period=Period.AM, cars_alone=True)
    write_matsim_network(roads, tmp_path / "network.xml.gz")
    write_matsim_network(roads, tmp_path / "again.xml.gz")
    assert (tmp_path / "network.xml.gz").read_bytes() == (tmp_path / "again.xml.gz").read_bytes()
    back = read_matsim_network(tmp_path / "network.xml.gz")
    np.testing.assert_allclose(back.problem.free_time_s, roads.problem.free_time_s, rtol=1e-14)
    assert back.crs == tiny_city().crs and back.link_name == tuple(map(str, row))


def test_a_link_of_no_length_that_takes_time_cannot_be_written(tmp_path: Path) -> None:
    roads = network(tmp_path)
    roads.length_m[0] = 0.0
    with pytest.raises(NetworkError, match="link 12: expected a speed above 0"):
        write_matsim_network(roads, tmp_path / "out.xml")
    assert not (tmp_path / "out.xml").exists()


def moves(**changed: list[int]) -> VehicleMoves:
    """One vehicle over two links, with some columns replaced."""
    columns = {
        "vehicle": [0], "start_link": [2], "depart_s": [10], "arrive_s": [30], "route_indptr": [0, 2],
        "link": [0, 1], "enter_s": [12, 20],
    } | changed  # fmt: skip
    return VehicleMoves(**{key: np.array(value, np.int32) for key, value in columns.items()})


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"vehicle": [7]}, "vehicle: expected rows from 0 to 0"),
        ({"link": [0, 3]}, "link: expected rows from 0 to 2"),
        ({"start_link": [-2]}, "start_link: expected rows from -1"),
        ({"enter_s": [20, 12]}, "times that do not run backwards"),
        ({"enter_s": [-1, 12]}, "times that do not run backwards"),
        ({"enter_s": [12, -1]}, "times that do not run backwards"),
        ({"enter_s": [5, 12]}, "times that do not run backwards"),
        ({"arrive_s": [19]}, "times that do not run backwards"),
        ({"enter_s": [12]}, r"enter_s: expected shape \(2,\)"),
        ({"route_indptr": [0, 1]}, "route_indptr: expected offsets"),
        ({"route_indptr": [0, 0], "link": [], "enter_s": [], "start_link": [-1]}, "a link in every leg"),
    ],
)
def test_moves_that_cannot_be_are_not_written(
    changed: dict[str, list[int]], words: str, tmp_path: Path
) -> None:
    with pytest.raises(NetworkError, match=words):
        write_matsim_events(moves(**changed), ["a", "b", "c"], ["v"], tmp_path / "events.xml")
    assert not list(tmp_path.iterdir())


def test_events_stand_in_the_file_as_matsim_writes_them(tmp_path: Path) -> None:
    write_matsim_events(moves(), ["a", "b", "c"], ["v"], tmp_path / "events.xml")
    lines = (tmp_path / "events.xml").read_text().splitlines()
    assert lines[1] == '<events version="1.0">'
    assert lines[2] == '<event time="10.0" type="departure" person="v" link="c" legMode="car" />'
    assert lines[4] == (
        '<event time="12.0" type="vehicle enters traffic" person="v" link="c" vehicle="v" networkMode="car" '
        'relativePosition="1.0" />'
    )
    assert lines[5:7] == [
        '<event time="12.0" type="left link" vehicle="v" link="c" />',
        '<event time="12.0" type="entered link" vehicle="v" link="a" />',
    ]
    assert lines[-2] == '<event time="30.0" type="arrival" person="v" link="b" legMode="car" />'


def test_who_is_under_way_at_the_end_of_the_day_is_stuck_where_it_is(tmp_path: Path) -> None:
    """Ann stands on her second link, Bob has not got onto his first one, Cid has arrived."""
    columns = {
        "vehicle": [0, 1, 2], "start_link": [2, 2, 2], "depart_s": [10, 11, 12], "arrive_s": [-1, -1, 40],
        "route_indptr": [0, 3, 4, 5], "link": [0, 1, 2, 0, 0], "enter_s": [12, 20, -1, -1, 15],
    }  # fmt: skip
    names = (["a", "b", "c"], ["ann", "bob", "cid"])
    write_matsim_events(moves(**columns), *names, tmp_path / "events.xml", end_s=100)
    lines = (tmp_path / "events.xml").read_text().splitlines()
    assert lines[-3:-1] == [
        '<event time="100.0" type="stuckAndAbort" person="ann" link="b" legMode="car" />',
        '<event time="100.0" type="stuckAndAbort" person="bob" link="c" legMode="car" />',
    ]
    assert sum("stuckAndAbort" in line for line in lines) == 2
    with pytest.raises(NetworkError, match="times up to 39 s, the end of the day, got 40 s"):
        write_matsim_events(moves(**columns), *names, tmp_path / "late.xml", end_s=39)
    assert not (tmp_path / "late.xml").exists()
