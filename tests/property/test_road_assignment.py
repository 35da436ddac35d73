"""Laws of the road equilibrium on small random networks."""

from __future__ import annotations

from dataclasses import replace

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.naive_roads import (
    beckmann,
    naive_cost,
    naive_equilibrium,
    naive_gap,
    naive_load,
    naive_path,
    naive_tree,
)
from transport_abm.core.errors import NetworkError
from transport_abm.networks.city import F64, I32
from transport_abm.networks.roads import assignment, equilibrium, hierarchy
from transport_abm.networks.roads.assignment import (
    RoadFlows,
    RoadProblem,
    assign_all_or_nothing,
    assign_roads,
    skim_roads,
)
from transport_abm.networks.roads.hierarchy import LANES

ROUNDING = 1e-9
"""Sums of some hundred numbers in another order."""
CASE = st.integers(0, 2**32 - 1)
few = settings(max_examples=25, deadline=None)


def random_case(seed: int, n_zones: int = 6, n_nodes: int = 14) -> tuple[RoadProblem, I32, F64]:
    """A ring in both directions with chords; zones on the first nodes, which carry no through traffic."""
    rng = np.random.default_rng(seed)
    # Zones hang on the ring of the other nodes, so that all can be reached without passing a zone.
    inner = np.arange(n_zones, n_nodes)
    ring = list(zip(inner, np.roll(inner, -1), strict=True))
    hang = [(zone, int(rng.choice(inner))) for zone in range(n_zones)]
    chords = [tuple(rng.choice(n_nodes, 2, replace=False)) for _ in range(2 * n_nodes)]
    both = np.array(ring + [(b, a) for a, b in ring] + hang + [(b, a) for a, b in hang] + chords, np.int32)
    n = len(both)
    problem = RoadProblem(
        tail=both[:, 0].copy(),
        head=both[:, 1].copy(),
        n_nodes=n_nodes,
        free_time_s=rng.uniform(10, 100, n),
        capacity_pcuh=rng.uniform(200, 2000, n),
        bpr_scale=rng.uniform(0.1, 1, n),
        bpr_power=rng.choice([1.0, 2.0, 3.0, 4.0, 2.5], n),
        fixed_cost_s=rng.choice([0.0, 30.0], n),
        preload_pcuh=rng.choice([0.0, 100.0], n),
        first_through_node=n_zones,
    )
    demand = rng.uniform(0, 600, (n_zones, n_zones)) * (rng.random((n_zones, n_zones)) < 0.7)
    return problem, np.arange(n_zones, dtype=np.int32), demand


def settle(problem: RoadProblem, zone_node: I32, demand: F64, **more: object) -> RoadFlows:
    """An equilibrium to 1e-8."""
    return assign_roads(problem, zone_node, demand, gap=1e-8, max_iterations=300, **more)  # type: ignore[arg-type]


def monotone_excess(problem: RoadProblem, one: F64, other: F64) -> float:
    """(c(x) - c(y)) . (x - y): at most the two gaps times the two total costs (c rises with flow)."""
    return float((naive_cost(problem, one) - naive_cost(problem, other)) @ (one - other))


def total_cost(flows: RoadFlows) -> float:
    """Sum of flow times cost."""
    return float(flows.flow_pcuh @ flows.cost_s)


@few
@given(CASE)
def test_skims_are_those_of_the_obvious_dijkstra(seed: int) -> None:
    problem, zone_node, _ = random_case(seed)
    rng = np.random.default_rng(seed)
    cost = rng.uniform(1, 10, problem.n_links)
    cost[rng.random(problem.n_links) < 0.3] = np.inf
    length = rng.uniform(1, 10, problem.n_links)
    skim = skim_roads(problem, cost, zone_node, np.stack([length, np.ones(problem.n_links)]))
    for origin, start in enumerate(zone_node):
        best, last = naive_tree(problem, cost, start)
        for zone, node in enumerate(zone_node):
            path = list(naive_path(problem, last, node))
            reached = best[node] < np.inf
            expected = [best[node], length[path].sum(), len(path)] if reached else [np.inf] * 3
            np.testing.assert_allclose(skim[:, origin, zone], np.array(expected, np.float32), rtol=1e-6)


@few
@given(CASE)
def test_all_or_nothing_is_that_of_the_obvious_twin(seed: int) -> None:
    problem, zone_node, demand = random_case(seed)
    flow = assign_all_or_nothing(problem, problem.free_time_s, zone_node, demand)
    np.testing.assert_allclose(
        flow, naive_load(problem, problem.free_time_s, zone_node, demand)[0], rtol=ROUNDING
    )


@few
@given(CASE)
def test_the_gap_is_what_its_definition_says_and_small(seed: int) -> None:
    problem, zone_node, demand = random_case(seed)
    flows = settle(problem, zone_node, demand)
    assert flows.converged and flows.relative_gap <= 1e-8
    assert flows.relative_gap == pytest.approx(
        naive_gap(problem, zone_node, demand, flows.flow_pcuh), abs=1e-12
    )


@few
@given(CASE)
def test_what_enters_a_node_leaves_it_or_ends_there(seed: int) -> None:
    problem, zone_node, demand = random_case(seed)
    flows = assign_roads(problem, zone_node, demand, gap=1e-3, max_iterations=20)
    np.fill_diagonal(demand, 0)
    balance = np.zeros(problem.n_nodes)
    for link in range(problem.n_links):
        balance[problem.tail[link]] += flows.flow_pcuh[link]
        balance[problem.head[link]] -= flows.flow_pcuh[link]
    for zone, node in enumerate(zone_node):
        balance[node] -= demand[zone].sum() - demand[:, zone].sum()
    assert np.abs(balance).max() <= ROUNDING * max(demand.sum(), 1)


@few
@given(CASE)
def test_used_paths_cost_as_much_as_the_cheapest(seed: int) -> None:
    problem, zone_node, demand = random_case(seed)
    flows = settle(problem, zone_node, demand)
    paths, n_zones = flows.state.paths, len(zone_node)
    excess = 0.0
    for i, pair in enumerate(flows.state.pair):
        origin, zone = divmod(int(pair), n_zones)
        cheapest = naive_tree(problem, flows.cost_s, zone_node[origin])[0][zone_node[zone]]
        assert paths.flow[paths.ptr[i] : paths.ptr[i + 1]].sum() == pytest.approx(1, abs=1e-12)
        for path in range(paths.ptr[i], paths.ptr[i + 1]):
            link = problem.order[paths.slot[paths.slot_ptr[path] : paths.slot_ptr[path + 1]]]
            assert problem.tail[link[0]] == zone_node[origin] and problem.head[link[-1]] == zone_node[zone]
            assert (problem.head[link[:-1]] == problem.tail[link[1:]]).all()
            excess += paths.flow[path] * demand[origin, zone] * (flows.cost_s[link].sum() - cheapest)
    total = total_cost(flows)
    assert excess == pytest.approx(flows.relative_gap * total, abs=1e-11 * total + 1e-12)


@few
@given(CASE)
def test_no_flow_of_averages_has_a_smaller_beckmann_sum(seed: int) -> None:
    problem, zone_node, demand = random_case(seed)
    flows = settle(problem, zone_node, demand)
    slow = naive_equilibrium(problem, zone_node, demand, 30)
    allowed = flows.relative_gap * total_cost(flows) + ROUNDING
    assert beckmann(problem, flows.flow_pcuh) <= beckmann(problem, slow) + allowed


@few
@given(CASE)
def test_a_warm_start_ends_where_a_cold_one_does(seed: int) -> None:
    problem, zone_node, demand = random_case(seed)
    rng = np.random.default_rng(seed)
    before = replace(
        problem, free_time_s=problem.free_time_s * 1.5, fixed_cost_s=rng.permutation(problem.fixed_cost_s)
    )
    earlier = rng.permutation(demand.ravel()).reshape(demand.shape)
    state = settle(before, zone_node, earlier).state
    warm, cold = settle(problem, zone_node, demand, state=state), settle(problem, zone_node, demand)
    assert warm.converged
    allowed = warm.relative_gap * total_cost(warm) + cold.relative_gap * total_cost(cold) + ROUNDING
    assert monotone_excess(problem, warm.flow_pcuh, cold.flow_pcuh) <= allowed


@few
@given(CASE)
def test_an_equilibrium_is_recognised_by_its_own_state(seed: int) -> None:
    problem, zone_node, demand = random_case(seed)
    first = settle(problem, zone_node, demand)
    again = settle(problem, zone_node, demand, state=first.state)
    allowed = (first.relative_gap + again.relative_gap) * total_cost(first) + ROUNDING
    assert again.iterations == 1
    assert monotone_excess(problem, again.flow_pcuh, first.flow_pcuh) <= allowed


@few
@given(CASE)
def test_a_closed_link_carries_nothing_and_its_paths_are_left(seed: int) -> None:
    problem, zone_node, demand = random_case(seed)
    state = settle(problem, zone_node, demand).state
    chord = np.arange(2 * (problem.n_nodes - len(zone_node)) + 2 * len(zone_node), problem.n_links)
    free = problem.free_time_s.copy()
    free[chord] = np.inf
    flows = settle(replace(problem, free_time_s=free), zone_node, demand, state=state)
    assert flows.converged and not flows.flow_pcuh[chord].any() and np.isinf(flows.time_s[chord]).all()


@few
@given(CASE)
def test_pairs_that_lose_their_demand_find_their_way_back(seed: int) -> None:
    problem, zone_node, demand = random_case(seed)
    rng = np.random.default_rng(seed)
    state = settle(problem, zone_node, demand).state
    thin = settle(problem, zone_node, demand * (rng.random(demand.shape) < 0.5), state=state)
    back = settle(problem, zone_node, demand, state=thin.state)
    nothing = settle(problem, zone_node, demand * 0, state=back.state)
    assert back.relative_gap == pytest.approx(
        naive_gap(problem, zone_node, demand, back.flow_pcuh), abs=1e-12
    )
    assert nothing.relative_gap == 0 and not nothing.flow_pcuh.any()
    assert (np.diff(nothing.state.paths.ptr) == 1).all()


def bits(flows: RoadFlows) -> list[bytes]:
    """Everything an assignment returns, as bytes."""
    parts = [flows.flow_pcuh, flows.time_s, flows.cost_s, flows.state.pair, *flows.state.paths]
    return [part.tobytes() for part in parts] + [np.float64(flows.relative_gap).tobytes()]


def test_one_thread_and_two_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("needs two threads")
    n_zones = LANES + 7
    problem, zone_node, demand = random_case(1, n_zones, n_zones + 60)
    out = []
    monkeypatch.setattr(assignment, "SMALL_WORK", 0)
    before = numba.get_num_threads()
    try:
        for threads in (1, 2):
            numba.set_num_threads(threads)
            cold = assign_roads(problem, zone_node, demand * 0.02, gap=1e-6, max_iterations=40)
            warm = assign_roads(
                problem, zone_node, demand * 0.021, gap=1e-6, max_iterations=40, state=cold.state
            )
            skim = skim_roads(problem, warm.cost_s, zone_node, problem.free_time_s[None])
            load = assign_all_or_nothing(problem, warm.cost_s, zone_node, demand)
            out.append([*bits(cold), *bits(warm), skim.tobytes(), load.tobytes()])
            assert cold.converged and warm.converged
    finally:
        numba.set_num_threads(before)
    assert out[0] == out[1]


def test_links_that_cost_nothing_make_no_loops() -> None:
    problem, zone_node, demand = random_case(3)
    none = np.zeros(problem.n_links)
    flow = assign_all_or_nothing(problem, none, zone_node, demand)
    assert np.isfinite(flow).all() and flow.max() <= demand.sum() * (1 + ROUNDING)


def test_one_of_several_equal_ways_takes_all_and_of_equal_parallel_links_the_first() -> None:
    six = np.ones(6)
    problem = RoadProblem(
        np.array([0, 0, 2, 1, 3, 3], np.int32), np.array([1, 2, 3, 3, 4, 4], np.int32), 5,
        six, six, six, six, six * 0, six * 0,
    )  # fmt: skip
    demand = np.array([[0.0, 5.0], [0.0, 0.0]])
    flow = assign_all_or_nothing(problem, six, np.array([0, 4], np.int32), demand)
    assert flow.tolist() in ([5, 0, 0, 5, 5, 0], [0, 5, 5, 0, 5, 0])
    again = assign_all_or_nothing(problem, six, np.array([0, 4], np.int32), demand)
    assert again.tolist() == flow.tolist()


def test_all_faults_come_in_one_error() -> None:
    problem, zone_node, demand = random_case(2)
    demand[0, 1], demand[2, 3] = np.nan, -1
    with pytest.raises(NetworkError) as caught:
        assign_roads(problem, np.append(zone_node[:-1], 99), demand, gap=0, max_iterations=0)
    assert len(caught.value.faults) == 5
    demand[:] = np.inf
    with pytest.raises(NetworkError, match=rf"\(one of {demand.size} such pairs\): .*got inf") as caught:
        assign_roads(problem, zone_node, demand, gap=1, max_iterations=np.nan)  # type: ignore[arg-type]
    assert len(caught.value.faults) == 6 and "max_iterations" in str(caught.value.faults[-1])


@pytest.mark.parametrize(("trips", "power"), [(1e300, 4.0), (1e100, 4.0), (1e3, 900.0)])
def test_a_cost_beyond_all_numbers_is_not_taken_for_a_closed_road(trips: float, power: float) -> None:
    problem, zone_node, demand = random_case(2)
    steep = replace(
        problem, bpr_power=np.full(problem.n_links, power), capacity_pcuh=np.ones(problem.n_links)
    )
    with pytest.raises(
        NetworkError, match=r"demand, capacity and power, .* from row 0: .* can be computed"
    ) as caught:
        settle(steep, zone_node, demand * trips)
    assert len(caught.value.faults) == 1


def test_demand_without_a_way_is_named() -> None:
    problem, zone_node, demand = random_case(2)
    free = problem.free_time_s.copy()
    free[problem.head == 3] = np.inf
    demand[:] = 0
    demand[3, 3], demand[4, 3], demand[3, 4] = 7, 8, 9
    closed = replace(problem, free_time_s=free)
    for assign in (settle, lambda *case: assign_all_or_nothing(case[0], free, *case[1:])):
        with pytest.raises(NetworkError, match=r"from zone 4 to zone 3 \(one of 1 such pairs\)"):
            assign(closed, zone_node, demand)
    demand[4, 3] = 0
    assert settle(closed, zone_node, demand).flow_pcuh.any()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("capacity_pcuh", 0.0),
        ("free_time_s", -1.0),
        ("preload_pcuh", np.nan),
        ("bpr_power", np.inf),
        ("bpr_power", 0.5),
    ],
)
def test_links_without_a_cost_function_are_refused(column: str, value: float) -> None:
    problem, _, _ = random_case(2)
    bad = getattr(problem, column).copy()
    bad[5] = value
    with pytest.raises(NetworkError, match=f"{column}, 1 links from row 5"):
        replace(problem, **{column: bad})


@pytest.mark.parametrize("first", [-1, 15])
def test_a_first_through_node_outside_the_network_is_refused(first: int) -> None:
    problem, _, _ = random_case(2)
    with pytest.raises(NetworkError, match=f"first_through_node: expected from 0 to 14.*got {first}"):
        replace(problem, first_through_node=first)


def test_a_state_of_other_links_is_refused() -> None:
    problem, zone_node, demand = random_case(2)
    state = settle(problem, zone_node, demand).state
    other, _, _ = random_case(4)
    with pytest.raises(NetworkError, match="a state of others"):
        settle(other, zone_node, demand, state=state)


def test_read_only_inputs_of_any_whole_number_type_need_no_second_compilation() -> None:
    problem, zone_node, demand = random_case(5)
    state = settle(problem, zone_node, demand).state
    kernels = (hierarchy.path_block, equilibrium.shift_flows, equilibrium.merge_paths, hierarchy.skim_block)
    skim_roads(problem, problem.free_time_s, zone_node, problem.free_time_s[None])
    zone_node, demand = zone_node.astype(np.int64), demand.copy()
    zone_node.flags.writeable = demand.flags.writeable = False
    before = [len(kernel.signatures) for kernel in kernels]
    settle(problem, zone_node, demand, state=state)
    assign_all_or_nothing(problem, problem.free_time_s, zone_node, demand)
    skim_roads(problem, problem.free_time_s, zone_node, problem.free_time_s[None])
    assert [len(kernel.signatures) for kernel in kernels] == before
