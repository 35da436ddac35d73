"""What drivers expect of roads: what days told, whoever made the queue; routes that follow; the gap of a day."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.validation.test_equilibrium import braess
from transport_abm.core.errors import NetworkError
from transport_abm.networks.roads.assignment import assign_roads, link_time_s
from transport_abm.networks.roads.learning import (
    Expectation,
    expected_problem,
    expected_routes,
    first_expectation,
    first_powers,
    learn,
    route_gap,
)
from transport_abm.networks.roads.road_classes import one_class
from transport_abm.networks.roads.road_problem import RoadProblem
from transport_abm.networks.roads.volume_delay import load_volume_delay

DEMAND = np.array([[0.0, 6.0], [0.0, 0.0]])
ZONES = np.array([0, 1], np.int32)
FREE_S = 1e-9
"""Free time that the links of Braess have instead of none."""
POWER = 6.0


def links(free_s: list[float], capacity: list[float]) -> RoadProblem:
    """Links side by side between two nodes."""
    n = len(free_s)
    nothing = np.zeros(n)
    return RoadProblem(
        tail=np.zeros(n, np.int32), head=np.ones(n, np.int32), n_nodes=2, free_time_s=np.array(free_s),
        capacity_pcuh=np.array(capacity), bpr_scale=nothing, bpr_power=np.ones(n), fixed_cost_s=nothing,
        preload_pcuh=nothing,
    )  # fmt: skip


def told(
    roads: RoadProblem, before: Expectation, flow: list[float], time: list[float], *, weight: float = 1.0
) -> Expectation:
    """What is expected after one day."""
    return learn(
        before, roads, roads.capacity_pcuh, np.array(flow), np.array(time), delay_s=30.0, power=POWER, weight=weight
    )  # fmt: skip


def expected_s(roads: RoadProblem, expectation: Expectation, flow: list[float]) -> np.ndarray:
    """Times that are expected at a flow."""
    problem = expected_problem(roads, expectation, roads.capacity_pcuh, power=POWER)
    return link_time_s(problem, np.array(flow))


@given(st.lists(st.tuples(st.floats(0.0, 4000.0), st.floats(1.0, 100.0)), min_size=2, max_size=2))
def test_what_a_day_told_is_expected_at_the_same_flow(day: list[tuple[float, float]]) -> None:
    """With all weight on the day, the expected time at the day's flow is the time that the day took: of links with
    and without queues, crowded by their own flow or by others."""
    roads = links([60.0, 100.0], [1000.0, 500.0])
    flow = [x for x, _ in day]
    time = [slow * free for (_, slow), free in zip(day, roads.free_time_s, strict=True)]
    after = told(roads, first_expectation(roads, np.ones(2, bool), delay_s=30.0), flow, time)
    np.testing.assert_allclose(expected_s(roads, after, flow), time, rtol=1e-9)
    assert (after.fixed_s > 0).all() and (after.growing_s > 0).all()


def test_a_queue_of_others_does_not_answer_to_ones_own_flow() -> None:
    """Ten minutes of delay at a tenth of the capacity: others made it, and staying away would not shorten it."""
    roads = links([60.0, 60.0], [1000.0, 1000.0])
    after = told(
        roads, first_expectation(roads, np.ones(2, bool), delay_s=30.0), [100.0, 1500.0], [660.0, 660.0]
    )
    np.testing.assert_allclose(expected_s(roads, after, [0.0, 0.0]), [660.0, 60.0], rtol=1e-4)


def test_closed_links_are_never_expected_open_and_opened_ones_are_new() -> None:
    roads = links([60.0, np.inf], [1000.0, 1000.0])
    first = first_expectation(roads, np.ones(2, bool), delay_s=30.0)
    after = told(roads, first, [500.0, 0.0], [70.0, np.inf])
    assert np.isinf(expected_problem(roads, after, roads.capacity_pcuh, power=POWER).free_time_s[1])
    opened = links([np.inf, 45.0], [1000.0, 1000.0])
    assert np.isinf(expected_problem(opened, after, roads.capacity_pcuh, power=POWER).free_time_s[0])
    assert expected_s(opened, after, [0.0, 1000.0])[1] == pytest.approx(75.0)
    met = told(opened, after, [0.0, 1500.0], [np.inf, 300.0])
    assert expected_s(opened, met, [0.0, 1500.0])[1] == pytest.approx(300.0)


def test_an_unknown_link_costs_its_delay_at_capacity() -> None:
    roads = links([60.0, 100.0], [1000.0, 500.0])
    first = first_expectation(roads, np.array([True, False]), delay_s=30.0)
    expected = expected_problem(roads, first, roads.capacity_pcuh, power=POWER)
    np.testing.assert_allclose(link_time_s(expected, roads.capacity_pcuh), [90.0, 100.0])
    np.testing.assert_allclose(link_time_s(expected, 2.0 * roads.capacity_pcuh), [60.0 + 64 * 30.0, 100.0])


@given(st.floats(0.0, 3.0), st.floats(1.0, 50.0), st.floats(0.0, 1.0))
def test_expectations_lie_between_the_old_one_and_what_the_day_told(
    load: float, slow: float, weight: float
) -> None:
    roads = links([60.0], [1000.0])
    old = Expectation(np.array([90.0]), np.array([150.0]))
    new = told(roads, old, [load * 1000.0], [60.0 * slow])
    after = told(roads, old, [load * 1000.0], [60.0 * slow], weight=weight)
    for before, day, mean in zip(old, new, after, strict=True):
        low, high = sorted((before[0], day[0]))
        assert low * (1 - 1e-9) <= mean[0] <= high * (1 + 1e-9)


def test_days_of_queues_lead_to_equal_times() -> None:
    """Two ways that queue as bottlenecks do, t = t0 + T / 2 (x / C - 1): learning splits trips until both take as long.

    By hand: 3,000 trips/h over two hours on capacities of 1,000 and 800, both ways of 600 s. Equal times need equal loads.
    """
    roads = links([600.0, 600.0], [1000.0, 800.0])
    demand = np.array([[0.0, 3000.0], [0.0, 0.0]])
    expectation, state = first_expectation(roads, np.ones(2, bool), delay_s=30.0), None
    for _ in range(40):
        expected = expected_problem(roads, expectation, roads.capacity_pcuh, power=POWER)
        flows = assign_roads(expected, ZONES, demand, gap=1e-6, max_iterations=20, state=state)
        state = flows.state
        time = 600.0 + 3600.0 * np.maximum(flows.flow_pcuh / roads.capacity_pcuh - 1.0, 0.0)
        gap, _, _ = route_gap(roads, time, ZONES, demand[None], one_class(roads), state)
        expectation = told(roads, expectation, flows.flow_pcuh.tolist(), time.tolist(), weight=0.5)
    np.testing.assert_allclose(flows.flow_pcuh, [3000 / 1.8, 3000 * 0.8 / 1.8], rtol=1e-3)
    assert gap < 1e-3


def test_the_gap_is_what_drivers_could_save() -> None:
    """All six on the bridge at times 60, 60 and 16; the direct ways at those times take 110."""
    problem = braess(bridge=True)
    state = assign_roads(problem, ZONES, DEMAND, gap=1e-9, max_iterations=1).state
    time = np.array([60.0, 50.0, 50.0, 60.0, 16.0])
    order = np.lexsort((problem.head, problem.tail))
    names = {(0, 2): 60.0, (0, 3): 50.0, (2, 1): 50.0, (3, 1): 60.0, (2, 3): 16.0}
    time = np.array([names[int(a), int(b)] for a, b in zip(problem.tail, problem.head, strict=True)])
    assert len(order) == len(time)
    gap, spent, _ = route_gap(problem, time, ZONES, DEMAND[None], one_class(problem), state)
    assert spent == pytest.approx(6 * 136.0)
    assert gap == pytest.approx((136.0 - 110.0) / 136.0, abs=FREE_S)


def test_the_best_way_of_a_day_is_known_on_the_next_without_seeking_it() -> None:
    """All drive the short way; the day shows the long one to be faster; the next day's trips are split over both."""
    roads = links([60.0, 100.0], [1000.0, 1000.0])
    demand = np.array([[0.0, 1500.0], [0.0, 0.0]])
    state = assign_roads(roads, ZONES, demand, gap=1e-9, max_iterations=1).state
    assert state.n_paths == 1
    day = np.array([600.0, 100.0])
    gap, _, state = route_gap(roads, day, ZONES, demand[None], one_class(roads), state)
    assert gap == pytest.approx(5.0 / 6.0) and state.n_paths == 2
    expected = told(
        roads, first_expectation(roads, np.ones(2, bool), delay_s=30.0), [1500.0, 0.0], day.tolist()
    )
    problem = expected_problem(roads, expected, roads.capacity_pcuh, power=POWER)
    state, flow = expected_routes(problem, ZONES, demand[None], one_class(roads), state, gap=1e-9, sweeps=0)
    times = link_time_s(problem, flow)
    assert flow.sum() == pytest.approx(1500.0) and (flow > 100.0).all()
    assert times[0] == pytest.approx(times[1], rel=1e-6)


def crowded_grid(side: int) -> tuple[RoadProblem, np.ndarray]:
    """A grid of two-way links whose trips between all nodes want several times their capacity."""
    node = np.arange(side * side).reshape(side, side)
    pairs = np.concatenate(
        [
            np.column_stack((a.ravel(), b.ravel()))
            for a, b in ((node[:, :-1], node[:, 1:]), (node[:-1], node[1:]))
        ]
    )
    tail, head = np.concatenate((pairs, pairs[:, ::-1])).T.astype(np.int32)
    nothing, draw = np.zeros(len(tail)), np.random.default_rng(1)
    roads = RoadProblem(
        tail=tail, head=head, n_nodes=side * side, free_time_s=draw.uniform(30.0, 90.0, len(tail)),
        capacity_pcuh=draw.uniform(400.0, 1200.0, len(tail)), bpr_scale=nothing, bpr_power=np.ones(len(tail)),
        fixed_cost_s=nothing, preload_pcuh=nothing,
    )  # fmt: skip
    demand = draw.uniform(0.0, 60.0, (side * side, side * side))
    np.fill_diagonal(demand, 0.0)
    return roads, demand[None]


def test_routes_from_nothing_come_nearer_through_flat_delays() -> None:
    """With as many sweeps the drivers of a crowded grid come closer to an equilibrium of steep delays over flat ones than with
    the steep ones at once."""
    roads, demand = crowded_grid(10)
    zones = np.arange(100, dtype=np.int32)
    first = first_expectation(roads, np.ones(roads.n_links, bool), delay_s=30.0)

    def gap_of(powers: list[float], sweeps: int) -> float:
        state = None
        for power in powers:
            problem = expected_problem(roads, first, roads.capacity_pcuh, power=power)
            state, flow = expected_routes(
                problem, zones, demand, one_class(roads), state, gap=0.02, sweeps=sweeps
            )
        assert state is not None
        return route_gap(roads, link_time_s(problem, flow), zones, demand, one_class(roads), state)[0]

    steps = first_powers(POWER)
    assert gap_of(steps, 1) < gap_of([POWER], len(steps)) / 3.0
    assert gap_of(steps, 2) < 0.02


@given(st.floats(1.0, 12.0))
def test_powers_rise_to_the_last(power: float) -> None:
    steps = first_powers(power)
    assert steps[0] == min(1.0, power) and steps[-1] == power
    assert all(one < other <= 2.0 * one for one, other in itertools.pairwise(steps))


def test_an_equilibrium_leaves_nothing_to_save() -> None:
    problem = braess(bridge=True)
    flows = assign_roads(problem, ZONES, DEMAND, gap=1e-12, max_iterations=100)
    gap, _, _ = route_gap(problem, flows.time_s, ZONES, DEMAND[None], one_class(problem), flows.state)
    assert gap == pytest.approx(0.0, abs=1e-9)


def test_a_pair_without_a_way_is_named() -> None:
    problem = braess(bridge=True)
    state = assign_roads(problem, ZONES, DEMAND, gap=1e-9, max_iterations=1).state
    with pytest.raises(NetworkError, match="no way"):
        route_gap(problem, np.full(problem.n_links, np.inf), ZONES, DEMAND[None], one_class(problem), state)


def test_volume_delay_days_average_their_flows() -> None:
    """Day one is the cheapest way of empty roads; day two averages it with the cheapest way at its times."""
    problem = braess(bridge=True)
    one = load_volume_delay(
        problem,
        ZONES,
        DEMAND[None],
        one_class(problem),
        np.zeros(problem.n_links),
        problem.free_time_s,
        day=1,
    )
    assert one.flow_pcuh.sum() == pytest.approx(18.0) and one.relative_gap == np.inf
    np.testing.assert_allclose(one.time_s, link_time_s(problem, one.flow_pcuh))
    two = load_volume_delay(
        problem, ZONES, DEMAND[None], one_class(problem), one.flow_pcuh, one.time_s, day=2
    )  # fmt: skip
    # 60 + 60 + 16 on the bridge, 110 on either direct way: the other half goes there.
    assert two.flow_pcuh.sum() == pytest.approx(0.5 * 18 + 0.5 * 12)
    assert two.relative_gap == pytest.approx((136 - 110) / 136)


def test_many_new_pairs_seek_routes_as_on_a_first_day_and_few_do_not() -> None:
    """Routes of some pairs are known; others begin to travel: all on one way each, or spread over several."""
    roads, demand = crowded_grid(10)
    zones = np.arange(100, dtype=np.int32)
    first = first_expectation(roads, np.ones(roads.n_links, bool), delay_s=30.0)
    problem = expected_problem(roads, first, roads.capacity_pcuh, power=4.0)
    who, draw = one_class(roads), np.random.default_rng(3).random(demand.shape)

    def gap_of(new_share: float, new_sweeps: int) -> float:
        known = np.where(draw < new_share, 0.0, demand)
        state, _ = expected_routes(problem, zones, known, who, None, gap=1e-3, sweeps=20)
        state, flow = expected_routes(
            problem, zones, demand, who, state, gap=1e-3, sweeps=0, new_sweeps=new_sweeps
        )
        return route_gap(roads, link_time_s(problem, flow), zones, demand, who, state)[0]

    assert gap_of(0.2, 2) < gap_of(0.2, 0) / 3.0
    assert gap_of(0.01, 2) == gap_of(0.01, 0)


@given(st.floats(1.2, 20.0))
def test_a_pair_that_is_new_keeps_nobody_from_his_other_ways(slower: float) -> None:
    """What a link is expected to take has grown: drivers leave it alike, whether or not others drive for the first time."""
    two = links([60.0, 80.0], [1000.0, 1000.0])
    back = replace(
        two, tail=np.array([0, 0, 1], np.int32), head=np.array([1, 1, 0], np.int32), free_time_s=np.array([60.0, 80.0, 50.0]),
        capacity_pcuh=np.full(3, 1000.0), bpr_scale=np.full(3, 0.5), bpr_power=np.full(3, POWER), fixed_cost_s=np.zeros(3),
        preload_pcuh=np.zeros(3),
    )  # fmt: skip
    before = np.array([[0.0, 2000.0], [0.0, 0.0]])
    state, _ = expected_routes(back, ZONES, before[None], one_class(back), None, gap=1e-6, sweeps=20)
    dearer = replace(back, free_time_s=back.free_time_s * np.array([slower, 1.0, 1.0]))
    flows = [
        expected_routes(dearer, ZONES, (before + more)[None], one_class(dearer), state, gap=1e-6, sweeps=0)[1]
        for more in (np.zeros((2, 2)), np.array([[0.0, 0.0], [700.0, 0.0]]))
    ]
    np.testing.assert_allclose(flows[1], flows[0] + np.array([0.0, 0.0, 700.0]), atol=0.1)
    time = link_time_s(dearer, flows[1])
    assert time[0] == pytest.approx(time[1], rel=1e-3) or flows[1][0] == 0.0
