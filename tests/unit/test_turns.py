"""Forbidden turns: read from the map, kept with the city, obeyed by every way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import osmium
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.naive_roads import naive_turn_costs
from tests.property.test_road_assignment import random_case
from tests.tiny import COLUMNS, tiny_city
from tests.unit.test_osm_roads import DEFAULTS, assert_same_roads, link, osm_xml
from transport_abm.core.errors import NetworkError
from transport_abm.core.vocabulary import Period
from transport_abm.networks.cities.city_files import city_digest, city_faults, read_city, write_city
from transport_abm.networks.city import RoadNetwork
from transport_abm.networks.osm.osm_pbf import read_osm_file
from transport_abm.networks.osm.osm_roads import read_osm_xml
from transport_abm.networks.osm.road_join import keep_strong_part, select_links
from transport_abm.networks.roads.assignment import RoadProblem, assign_roads, skim_roads
from transport_abm.networks.roads.turns import forbid_turns, passable_turns
from transport_abm.networks.travel import build_travel, open_year
from transport_abm.policy.inputs import year_inputs

CASE = st.integers(0, 2**32 - 1)
few = settings(max_examples=40, deadline=None)


def turn_case(seed: int) -> tuple[RoadProblem, np.ndarray, np.ndarray, set[tuple[int, int]]]:
    """The random network with a third of all turns between roads forbidden, U-turns and parallel links among them."""
    problem, _, demand = random_case(seed)
    rng = np.random.default_rng(seed + 5)
    meet = np.argwhere(problem.head[:, None] == problem.tail[None, :])
    chosen = meet[rng.random(len(meet)) < 0.3]
    return problem, demand, chosen, {(int(a), int(b)) for a, b in chosen}


@few
@given(CASE)
def test_costs_are_those_of_a_search_over_links(seed: int) -> None:
    problem, _, chosen, forbidden = turn_case(seed)
    rng = np.random.default_rng(seed)
    parted = forbid_turns(problem, chosen[:, 0], chosen[:, 1])
    cost = np.where(rng.random(problem.n_links) < 0.1, np.inf, rng.uniform(1, 10, problem.n_links))
    every = np.concatenate([cost, np.zeros(parted.n_links - problem.n_links)])
    zone = np.arange(problem.first_through_node, dtype=np.int32)
    skim = skim_roads(parted, every, zone, np.empty((0, parted.n_links)))[0]
    for origin in zone.tolist():
        best = naive_turn_costs(problem, cost, origin, forbidden)
        np.testing.assert_allclose(skim[origin], np.array(best, np.float32)[zone], rtol=1e-6)


@few
@given(CASE)
def test_no_path_of_an_equilibrium_makes_a_forbidden_turn_and_links_keep_their_rows(seed: int) -> None:
    problem, demand, chosen, forbidden = turn_case(seed)
    parted = forbid_turns(problem, chosen[:, 0], chosen[:, 1])
    zone = np.arange(problem.first_through_node, dtype=np.int32)
    reach = skim_roads(parted, parted.free_time_s, zone, np.empty((0, parted.n_links)))[0]
    flows = assign_roads(
        parted, zone, np.where(np.isfinite(reach), demand, 0.0), gap=1e-6, max_iterations=100
    )
    assert flows.converged
    n, paths = problem.n_links, flows.state.paths
    for p in range(len(paths.flow)):
        row = parted.order[paths.slot[paths.slot_ptr[p] : paths.slot_ptr[p + 1]]]
        road = row[row < n]
        assert (problem.head[road[:-1]] == problem.tail[road[1:]]).all()
        assert not forbidden & set(zip(road[:-1].tolist(), road[1:].tolist(), strict=True))
    # At every node of the roads as they were, what comes in goes out or ends there.
    balance = np.bincount(problem.head, flows.flow_pcuh[:n], problem.n_nodes)
    balance -= np.bincount(problem.tail, flows.flow_pcuh[:n], problem.n_nodes)
    assert np.abs(balance[len(zone) :]).max() <= 1e-9 * max(demand.sum(), 1)


def test_nothing_forbidden_is_the_same_problem_and_wrong_turns_are_named() -> None:
    problem, *_ = turn_case(1)
    none = np.empty(0, np.int32)
    assert forbid_turns(problem, none, none) is problem
    meets = int(np.flatnonzero(problem.tail == problem.head[0])[0])
    apart = int(np.flatnonzero(problem.tail != problem.head[0])[0])
    with pytest.raises(NetworkError, match=r"turn 1: expected a link that begins where the other ends"):
        forbid_turns(problem, np.array([0, 0]), np.array([meets, apart]))
    with pytest.raises(
        NetworkError, match=rf"turn 0: expected links from 0 to {problem.n_links - 1}, got 0 to 999"
    ):
        forbid_turns(problem, np.array([0]), np.array([999]))


def relation(number: int, kind: str, leave: str, via: str, enter: str, more: str = "") -> str:
    """A restriction as OpenStreetMap XML; members are written like ``w103`` or ``n3``."""
    role = zip(("from", "via", "to"), (leave, via, enter), strict=True)
    members = "".join(
        f'<member type="{"way" if ref[0] == "w" else "node"}" ref="{ref[1:]}" role="{name}"/>'
        for name, ref in role
    )
    return (
        f'<relation id="{number}" version="1">{members}<tag k="type" v="restriction"/>'
        f'<tag k="restriction" v="{kind}"/>{more}</relation>'
    )


RELATIONS = [
    relation(1, "no_left_turn", "w102", "n3", "w103"),  # 2-3-4, from the street that runs beside 101
    relation(2, "only_right_turn", "w103", "n3", "w102"),  # 4-3-2 alone
    relation(3, "no_u_turn", "w103", "n4", "w103"),
    relation(4, "no_right_turn", "w100", "n2", "w106", '<tag k="except" v="psv;motorcar"/>'),
    relation(5, "no_left_turn", "w106", "w102", "w103"),  # over a way
    relation(6, "no_left_turn", "w110", "n11", "w111"),  # of the roundabout both sides meet the node
    relation(7, "no_straight_on", "w100", "n2", "w999"),
    relation(9, "no_u_turn", "w100", "n2", "w100"),
]
CONDITIONAL = RELATIONS[3].replace('k="restriction"', 'k="restriction:hgv"').replace('id="4"', 'id="8"')


@pytest.fixture(scope="module")
def map_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The map of the tests of readers, with restrictions."""
    path = tmp_path_factory.mktemp("turns") / "town.osm"
    text = osm_xml().replace("</osm>", "\n".join([*RELATIONS, CONDITIONAL, "</osm>"]))
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def roads(map_file: Path) -> RoadNetwork:
    """The map as pyosmium reads it."""
    return read_osm_file(map_file, DEFAULTS)


def test_restrictions_of_the_map_forbid_the_turns_that_they_mean(roads: RoadNetwork) -> None:
    found = set(zip(roads.turn_from.tolist(), roads.turn_to.tolist(), strict=True))
    (back,), to_3 = link(roads, 4, 3), link(roads, 2, 3)
    (to_4,), (to_9,) = link(roads, 3, 4), link(roads, 3, 9)
    assert len(to_3) == 2  # ways 101 and 102 run from node 2 to 3: nodes alone cannot tell them apart
    expected = {(int(row), int(to_4)) for row in to_3}
    expected |= {(int(back), int(to_4)), (int(back), int(to_9)), (int(to_4), int(back))}
    expected.add((int(link(roads, 1, 2)[0]), int(link(roads, 2, 1)[0])))
    assert found == expected


def test_both_readers_and_packed_files_find_the_same_turns(
    map_file: Path, roads: RoadNetwork, tmp_path: Path
) -> None:
    assert_same_roads(read_osm_xml(map_file, DEFAULTS), roads)
    with osmium.SimpleWriter(str(tmp_path / "town.osm.pbf")) as writer:
        for item in osmium.FileProcessor(str(map_file)):
            writer.add(item)
    assert_same_roads(read_osm_file(tmp_path / "town.osm.pbf", DEFAULTS), roads)


def test_turns_follow_their_links_when_links_are_left_out_or_ordered_anew(roads: RoadNetwork) -> None:
    keep = np.setdiff1d(np.arange(roads.n_links), link(roads, 3, 9))[::-1]
    fewer = select_links(roads, keep)
    pairs = {(int(keep[a]), int(keep[b])) for a, b in zip(fewer.turn_from, fewer.turn_to, strict=True)}
    both = np.isin(roads.turn_from, keep) & np.isin(roads.turn_to, keep)
    assert pairs == set(zip(roads.turn_from[both].tolist(), roads.turn_to[both].tolist(), strict=True))
    assert 0 < len(pairs) < len(roads.turn_from)
    assert len(keep_strong_part(roads).turn_from) == len(roads.turn_from)


def test_a_ban_that_locks_a_link_in_is_lifted_and_others_stay(roads: RoadNetwork) -> None:
    every = np.flatnonzero(roads.head == roads.head[link(roads, 3, 4)[0]])
    out = np.flatnonzero(roads.tail == roads.head[link(roads, 3, 4)[0]])
    locked = [(a, b) for a in every for b in out]
    leave, enter = (np.array(part, np.int32) for part in zip(*locked, strict=True))
    shut = replace(
        roads,
        turn_from=np.concatenate([roads.turn_from, leave]),
        turn_to=np.concatenate([roads.turn_to, enter]),
    )
    freed = passable_turns(shut)
    assert not np.isin(freed.turn_from, every).any()
    assert (freed.turn_from == link(roads, 1, 2)[0]).sum() == 1


def test_a_city_keeps_its_turns_and_one_without_any_has_no_table(tmp_path: Path) -> None:
    city = tiny_city()
    write_city(city, tmp_path / "plain")
    assert not (tmp_path / "plain" / "turns.parquet").exists()
    roads = city.roads
    leave, enter = np.argwhere(roads.head[:, None] == roads.tail[None, :])[[3, 50, 51]].T.astype(np.int32)
    turning = replace(city, roads=replace(roads, turn_from=leave, turn_to=enter))
    write_city(turning, tmp_path / "turning")
    again = read_city(tmp_path / "turning")
    np.testing.assert_array_equal(again.roads.turn_from, leave)
    np.testing.assert_array_equal(again.roads.turn_to, enter)
    assert city_digest(again) == city_digest(turning) != city_digest(city)
    (tmp_path / "turning" / "turns.parquet").unlink()
    with pytest.raises(NetworkError, match=r"turns\.parquet"):
        read_city(tmp_path / "turning")
    apart = replace(city, roads=replace(roads, turn_from=leave, turn_to=np.roll(enter, 1)))
    assert any("the node where the first link ends" in str(fault) for fault in city_faults(apart))
    lost = replace(city, roads=replace(roads, turn_from=leave + 10_000, turn_to=enter))
    assert any("from_link[0]" in str(fault) for fault in city_faults(lost))


def test_cars_of_a_city_take_no_forbidden_turn() -> None:
    """Nobody may turn from the expressway into a street or back: times rise."""
    city, inputs = tiny_city(), year_inputs(2020)
    roads = city.roads
    pairs = [
        (a, b)
        for a, b in np.argwhere(roads.head[:, None] == roads.tail[None, :])
        if roads.head[a] // COLUMNS == 3
        and (roads.tail[a] // COLUMNS == 3) != (roads.head[b] // COLUMNS == 3)
    ]
    leave, enter = (np.array(part, np.int32) for part in zip(*pairs, strict=True))
    barred = replace(city, roads=replace(roads, turn_from=leave, turn_to=enter))
    minutes = []
    for one in (city, barred):
        travel = build_travel(one, inputs)
        open_year(travel, one, inputs)
        assert travel.link_time_s.shape == (len(Period), roads.n_links)
        minutes.append(travel.los[Period.AM, ..., 1])
    assert (minutes[1] >= minutes[0] - 1e-4).all() and (minutes[1] > minutes[0] + 0.1).any()
