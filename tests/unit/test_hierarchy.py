"""Laws of the hierarchy: costs, sums, flows and paths are those of Dijkstra, whatever the network."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numba
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from benchmarks.bench_roads import read_streets
from tests.naive_roads import naive_load, naive_path, naive_tree
from tests.tiny import tiny_city
from transport_abm.core.errors import NetworkError
from transport_abm.core.vocabulary import Period
from transport_abm.networks.city import F64
from transport_abm.networks.roads.assignment import assign_all_or_nothing, assign_roads, skim_roads
from transport_abm.networks.roads.connectors import build_connectors, connect
from transport_abm.networks.roads.hierarchy import LANES, Ways, build_hierarchy, hierarchy_of
from transport_abm.networks.roads.kernels_paths import Graph
from transport_abm.networks.roads.road_problem import RoadProblem
from transport_abm.networks.roads.road_skims import road_problem
from transport_abm.policy.inputs import year_inputs

ROUNDING = 1e-12
"""The same numbers are added in another order."""
SINGLE = 1e-6
"""Skims are kept in single precision."""
CASE = st.integers(0, 2**32 - 1)
few = settings(max_examples=60, deadline=None)


def network(tail: list[int], head: list[int], n_nodes: int, cost: list[float], first: int = 0) -> RoadProblem:
    """A network of which only links and costs on the empty road count."""
    n = len(tail)
    return RoadProblem(
        tail=np.array(tail, np.int32), head=np.array(head, np.int32), n_nodes=n_nodes,
        free_time_s=np.array(cost, np.float64), capacity_pcuh=np.ones(n), bpr_scale=np.zeros(n),
        bpr_power=np.zeros(n), fixed_cost_s=np.zeros(n), preload_pcuh=np.zeros(n), first_through_node=first,
    )  # fmt: skip


def random_network(seed: int) -> RoadProblem:
    """Any directed network: loops, parallel, closed and free links, islands, nodes without through traffic."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 30))
    m = int(rng.integers(0, 4 * n))
    cost = rng.choice([rng.uniform(0.1, 10, m), rng.integers(0, 4, m).astype(float)])
    cost = np.where(rng.random(m) < 0.1, np.inf, cost)
    first = int(rng.integers(0, n + 1)) if rng.random() < 0.5 else 0
    return network(list(rng.integers(0, n, m)), list(rng.integers(0, n, m)), n, list(cost), first)


def ways_of(problem: RoadProblem) -> Ways:
    """Ways on empty roads."""
    return hierarchy_of(problem.graph).ways(problem.free_time_s[problem.order])


def check_path(problem: RoadProblem, slots: F64, origin: int, node: int, cost: float) -> None:
    """Links follow one another from the origin to the node, pass no node twice, and cost what they should."""
    link = problem.order[slots]
    passed = [origin, *problem.head[link]]
    assert list(problem.tail[link]) == passed[:-1]
    assert passed[-1] == node
    assert len(set(passed)) == len(passed)
    assert min(passed[1:-1], default=problem.n_nodes) >= problem.first_through_node
    np.testing.assert_allclose(problem.free_time_s[link].sum(), cost, rtol=ROUNDING)


@few
@given(CASE)
def test_costs_and_paths_between_all_nodes_are_those_of_the_obvious_dijkstra(seed: int) -> None:
    problem = random_network(seed)
    ways = ways_of(problem)
    found = ways.costs(np.arange(problem.n_nodes))
    for origin in range(problem.n_nodes):
        best, _ = naive_tree(problem, problem.free_time_s, origin)
        np.testing.assert_allclose(found[origin], best, rtol=ROUNDING)
        for node in range(problem.n_nodes):
            cost, slots = ways.path(origin, node)
            np.testing.assert_allclose(cost, best[node], rtol=ROUNDING)
            if np.isfinite(cost):
                check_path(problem, slots, origin, node, cost)
            else:
                assert len(slots) == 0


@few
@given(CASE)
def test_costs_are_those_of_scipy(seed: int) -> None:
    problem = random_network(seed)
    n, open_ = problem.n_nodes, np.isfinite(problem.free_time_s) & (problem.tail != problem.head)
    # SciPy adds up parallel links and takes zeros for no link: keep the least, shift all by a step.
    least = np.full((n, n), np.inf)
    np.minimum.at(least, (problem.tail[open_], problem.head[open_]), problem.free_time_s[open_] + 1)
    tail, head = np.nonzero(np.isfinite(least))
    matrix = csr_matrix((least[tail, head], (tail, head)), (n, n))
    shifted = network(list(tail), list(head), n, list(least[tail, head]))
    np.testing.assert_allclose(ways_of(shifted).costs(np.arange(n)), dijkstra(matrix), rtol=ROUNDING)


@few
@given(CASE)
def test_sums_and_flows_along_the_ways_are_those_of_the_obvious_twin(seed: int) -> None:
    problem = random_network(seed)
    rng = np.random.default_rng(seed)
    # Costs without ties: each pair has one cheapest way.
    cost = np.where(np.isfinite(problem.free_time_s), rng.uniform(0.1, 10, problem.n_links), np.inf)
    zone = rng.integers(0, problem.n_nodes, 9).astype(np.int32)
    length, demand = rng.uniform(1, 10, problem.n_links), rng.uniform(0, 10, (9, 9))
    ways = hierarchy_of(problem.graph).ways(cost[problem.order])
    skim = ways.skim(zone, length[None, problem.order])
    for i, origin in enumerate(zone):
        best, last = naive_tree(problem, cost, origin)
        for j, node in enumerate(zone):
            reached = best[node] < np.inf
            total = length[list(naive_path(problem, last, node))].sum() if reached else np.inf
            np.testing.assert_allclose(skim[:, i, j], [best[node], total], rtol=SINGLE)
    reach = np.isfinite(skim[0])
    slot_flow, total = ways.load(zone, demand * reach)
    flow = np.empty(problem.n_links)
    flow[problem.order] = slot_flow
    expected, expected_total = naive_load(problem, cost, list(zone), demand * reach)
    np.testing.assert_allclose(flow, expected, rtol=ROUNDING, atol=ROUNDING)
    np.testing.assert_allclose(total, expected_total, rtol=ROUNDING)


@settings(max_examples=300, deadline=None)
@given(CASE, st.integers(0, 2))
@example(13786, 1)
def test_no_way_and_no_flow_goes_round_where_links_cost_nothing(seed: int, dearest: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 20))
    m = int(rng.integers(n, 5 * n))
    cost = np.where(rng.random(m) < 0.1, np.inf, rng.integers(0, dearest + 1, m).astype(float))
    problem = network(list(rng.integers(0, n, m)), list(rng.integers(0, n, m)), n, list(cost))
    zone = np.arange(n, dtype=np.int32)
    best, links = skim_roads(problem, cost, zone, np.ones((1, m)))
    np.testing.assert_allclose(best, ways_of(problem).costs(zone), rtol=SINGLE)
    there = np.isfinite(links)
    assert links[there].max() < n
    demand = np.where(there, rng.uniform(0, 1, (n, n)), 0.0)
    flow = assign_all_or_nothing(problem, cost, zone, demand)
    np.testing.assert_allclose(flow.sum(), (demand[there] * links[there]).sum(), rtol=SINGLE)
    paths = assign_roads(problem, zone, demand, gap=1e-3, max_iterations=2).state.paths
    for first, end in pairwise(paths.slot_ptr):
        assert len(set(problem.graph.head[paths.slot[first:end]])) == end - first


def test_a_pair_without_a_way_is_infinitely_far_and_its_demand_is_told() -> None:
    # Nodes 2 and 3 are an island that can be entered and not left; node 4 touches nothing.
    ways = ways_of(network([0, 1, 1, 2, 3], [1, 0, 2, 3, 2], 5, [1, 1, 1, 1, 1]))
    cost = ways.costs(np.arange(5))
    assert cost[0].tolist() == [0, 1, 2, 3, np.inf]
    assert cost[3].tolist() == [np.inf, np.inf, 1, 0, np.inf]
    assert cost[4].tolist() == [np.inf] * 4 + [0]
    assert ways.load(np.array([3, 0], np.int32), np.array([[0.0, 1.0], [0.0, 0.0]]))[1] == np.inf


def test_links_that_cost_nothing_are_free_and_no_way_goes_round_in_them() -> None:
    problem = network([0, 1, 2, 2, 3, 1], [1, 2, 1, 3, 0, 1], 4, [0] * 6)
    ways = ways_of(problem)
    assert (ways.costs(np.arange(4)) == 0).all()
    for origin in range(4):
        for node in range(4):
            check_path(problem, ways.path(origin, node)[1], origin, node, 0.0)


def test_of_parallel_links_the_cheapest_is_driven_and_of_equal_ones_the_first() -> None:
    problem = network([0, 0, 0, 0], [1, 1, 1, 1], 2, [3, 2, 2, np.inf])
    cost, slots = ways_of(problem).path(0, 1)
    assert cost == 2
    assert problem.order[slots].tolist() == [1]


def test_zones_that_carry_no_through_traffic_are_left_and_entered_only() -> None:
    # 0-1-2 is short and passes zone 1; the way round over nodes 3 and 4 is long.
    problem = network([0, 1, 0, 3, 4, 0], [1, 2, 3, 4, 2, 2], 5, [1, 1, 5, 5, 5, np.inf], first=3)
    ways = ways_of(problem)
    assert ways.path(0, 2)[0] == 15
    assert ways.path(0, 1)[0] == 1
    zone = np.arange(3, dtype=np.int32)
    assert ways.costs(zone, zone).tolist() == [[0, 1, 15], [np.inf, 0, 1], [np.inf, np.inf, 0]]


@pytest.mark.parametrize("n_nodes", [0, 1])
def test_networks_without_links_have_no_ways(n_nodes: int) -> None:
    none = np.empty(0, np.int32)
    hierarchy = build_hierarchy(Graph(np.zeros(n_nodes + 1, np.int64), none, none, 0))
    cost = hierarchy.ways(np.empty(0)).costs(np.arange(n_nodes))
    assert cost.tolist() == [[0.0]] * n_nodes


@pytest.mark.parametrize("value", [-1.0, np.nan, -np.inf])
def test_costs_that_are_negative_or_no_number_are_refused_by_name(value: float) -> None:
    problem = network([0, 1], [1, 0], 2, [1, 1])
    with pytest.raises(NetworkError, match="link_cost of slot 1"):
        hierarchy_of(problem.graph).ways(np.array([1.0, value]))
    with pytest.raises(NetworkError, match="shape"):
        hierarchy_of(problem.graph).ways(np.ones(3))


def test_a_hierarchy_is_built_once_for_the_same_links_and_serves_any_costs() -> None:
    one, two = (network([0, 1, 2], [1, 2, 0], 3, cost) for cost in ([1, 2, 3], [9, np.inf, 0]))
    assert hierarchy_of(one.graph) is hierarchy_of(two.graph)
    other = network([0, 1, 2], [1, 2, 0], 3, [1, 2, 3], first=1)
    assert hierarchy_of(one.graph) is not hierarchy_of(other.graph)
    assert ways_of(one).path(0, 2)[0] == 3
    assert ways_of(two).path(0, 2)[0] == np.inf


def all_bits(ways: Ways, zone: np.ndarray, attribute: F64) -> tuple[bytes, ...]:
    """Everything that can be asked about some zones."""
    skim = ways.skim(zone, attribute)
    flow, total = ways.load(zone, np.isfinite(skim[0]) * np.outer(zone + 1.3, zone + 0.7))
    return skim.tobytes(), flow.tobytes(), str(total).encode(), ways.costs(zone).tobytes()


def test_one_and_two_threads_give_the_same_bits() -> None:
    rng = np.random.default_rng(5)
    n = 400
    tail, head = rng.integers(0, n, (2, 5 * n))
    problem = network(list(tail), list(head), n, list(rng.uniform(1, 9, 5 * n)))
    zone, attribute = np.arange(LANES + 7, dtype=np.int32), rng.uniform(0, 1, (2, 5 * n))
    before = numba.get_num_threads()
    found = []
    try:
        for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            found.append(all_bits(ways_of(problem), zone, attribute))
    finally:
        numba.set_num_threads(before)
    assert found[0] == found[1]


def test_ways_between_the_zones_of_the_tiny_city_are_those_of_the_obvious_dijkstra() -> None:
    city, inputs = tiny_city(), year_inputs(2025)
    roads = road_problem(city, inputs, period=Period.AM, year=2025)
    n_zones = len(city.zones)
    problem = connect(roads, build_connectors(city, inputs), n_zones, inputs)
    zone = np.arange(n_zones, dtype=np.int32)
    found = ways_of(problem).costs(zone, zone)
    for origin in range(n_zones):
        best, _ = naive_tree(problem, problem.free_time_s, origin)
        np.testing.assert_allclose(found[origin], best[:n_zones], rtol=ROUNDING)


@pytest.mark.shared
def test_trees_of_the_streets_of_beijing_are_those_of_scipy(shared_data: Path) -> None:
    problem, _, _ = read_streets(shared_data / "roads")
    origin = np.linspace(0, problem.n_nodes - 1, 20).astype(np.int32)
    # Of parallel links SciPy would add the times.
    order = np.lexsort((problem.free_time_s, problem.head, problem.tail))
    tail, head = problem.tail[order], problem.head[order]
    first = np.concatenate(([True], (np.diff(tail) != 0) | (np.diff(head) != 0)))
    row = order[first]
    matrix = csr_matrix(
        (problem.free_time_s[row], (problem.tail[row], problem.head[row])), (problem.n_nodes, problem.n_nodes)
    )
    np.testing.assert_allclose(
        ways_of(problem).costs(origin), dijkstra(matrix, indices=origin), rtol=ROUNDING
    )
