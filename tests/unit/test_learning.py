"""Drivers who learn their routes: nobody is lost, nobody moves in an equilibrium, and days lead there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.validation.test_equilibrium import braess
from transport_abm.core.errors import NetworkError
from transport_abm.networks.road_rungs import PeriodTraffic, load_volume_delay
from transport_abm.networks.roads.assignment import assign_roads, link_time_s
from transport_abm.networks.roads.kernels_assignment import Paths, load_paths
from transport_abm.networks.roads.kernels_learning import switch_routes
from transport_abm.networks.roads.learning import add_missing_routes, learn_routes
from transport_abm.networks.roads.road_classes import one_class
from transport_abm.networks.roads.road_problem import RoadProblem
from transport_abm.networks.roads.road_state import RoadState

DEMAND = np.array([[0.0, 6.0], [0.0, 0.0]])
ZONES = np.array([0, 1], np.int32)
FREE_S = 1e-9
"""Free time that the links of Braess have instead of none."""
HOW = {"rate": 0.3, "least_share": 0.0, "tolerance": 1e-6}


def loaded(problem: RoadProblem, state: RoadState) -> np.ndarray:
    """Flow by link of the routes of a state."""
    flow, by_link = np.empty(problem.n_links), np.empty(problem.n_links)
    amount = state.paths.flow * np.repeat(DEMAND.ravel()[state.pair], np.diff(state.paths.ptr))
    load_paths(state.paths._replace(flow=amount), flow)
    by_link[problem.order] = flow
    return by_link


def first(problem: RoadProblem) -> RoadState:
    """All drivers on the way that is cheapest when roads are empty."""
    return assign_roads(problem, ZONES, DEMAND, gap=1e-9, max_iterations=1).state


@pytest.mark.parametrize("bridge", [True, False])
def test_days_of_learning_lead_to_the_equilibrium_of_braess(bridge: bool) -> None:
    """V-05 by another way: 92 for everybody with the bridge, 83 without."""
    problem = braess(bridge=bridge)
    state, gap = first(problem), 1.0
    for _ in range(300):
        time = link_time_s(problem, loaded(problem, state))
        learnt = learn_routes(problem, time, ZONES, DEMAND[None], one_class(problem), state, **HOW)
        state, gap = learnt.state, learnt.relative_gap
    flow = loaded(problem, state)
    used = flow > 0
    total = float(flow[used] @ link_time_s(problem, flow)[used])
    assert gap < 1e-4
    assert total / 6.0 == pytest.approx(92.0 if bridge else 83.0, rel=1e-4)


def test_nobody_moves_in_an_equilibrium() -> None:
    problem = braess(bridge=True)
    flows = assign_roads(problem, ZONES, DEMAND, gap=1e-12, max_iterations=100)
    learnt = learn_routes(problem, flows.time_s, ZONES, DEMAND[None], one_class(problem), flows.state, **HOW)
    assert learnt.relative_gap == pytest.approx(0.0, abs=1e-9)
    np.testing.assert_allclose(loaded(problem, learnt.state), flows.flow_pcuh, atol=1e-8)


def test_the_gap_is_what_drivers_could_save() -> None:
    """All six on the bridge at times 60 + 10 + 60 + bridge; the direct ways at those times are cheaper."""
    problem = braess(bridge=True)
    state = first(problem)
    time = link_time_s(problem, loaded(problem, state))
    learnt = learn_routes(problem, time, ZONES, DEMAND[None], one_class(problem), state, **HOW)
    spent = 60.0 + 60.0 + 16.0
    least = 60.0 + 50.0
    assert learnt.relative_gap == pytest.approx((spent - least) / spent, abs=FREE_S)


@given(st.lists(st.floats(0, 100), min_size=2, max_size=8), st.data(), st.floats(0.05, 5), st.floats(0, 0.2))
def test_switching_keeps_the_drivers_of_a_pair(
    flow: list[float], data: st.DataObject, rate: float, least: float
) -> None:
    n = len(flow)
    cost = np.array(data.draw(st.lists(st.floats(0.1, 1e4), min_size=n, max_size=n)))
    paths = Paths(
        np.array([0, n], np.int64), np.array(flow), np.arange(n + 1, dtype=np.int64), np.arange(n, dtype=np.int32)
    )  # fmt: skip
    switch_routes(paths, cost, rate, least)
    assert (paths.flow >= 0).all()
    assert paths.flow.sum() == pytest.approx(sum(flow), rel=1e-12, abs=1e-9)
    # Costs never rise for those who move, and of two routes the dearer loses the larger share.
    assert float(paths.flow @ cost) <= float(np.array(flow) @ cost) * (1 + 1e-9) + 1e-9


def test_new_pairs_get_a_route_and_the_others_keep_theirs() -> None:
    problem = braess(bridge=True)
    flows = assign_roads(problem, ZONES, DEMAND, gap=1e-9, max_iterations=50)
    empty = assign_roads(problem, ZONES, np.zeros((2, 2)), gap=1e-9, max_iterations=1).state
    new = add_missing_routes(problem, problem.free_time_s, ZONES, DEMAND[None], one_class(problem), empty)
    assert new.n_paths == 1 and new.paths.flow.tolist() == [1.0]
    kept = add_missing_routes(problem, problem.free_time_s, ZONES, DEMAND[None], one_class(problem), flows.state)
    np.testing.assert_allclose(kept.paths.flow, flows.state.paths.flow, rtol=1e-15)


def test_a_pair_without_a_way_is_named() -> None:
    problem = braess(bridge=True)
    closed = np.full(problem.n_links, np.inf)
    with pytest.raises(NetworkError, match="no way"):
        learn_routes(problem, closed, ZONES, DEMAND[None], one_class(problem), first(problem), **HOW)


def test_volume_delay_days_average_their_flows() -> None:
    """Day one is the cheapest way of empty roads; day two averages it with the cheapest way at its times."""
    problem = braess(bridge=True)
    traffic = PeriodTraffic(problem, one_class(problem), DEMAND[None], 1.0, np.zeros(problem.n_links), problem.free_time_s.copy())
    load_volume_delay(traffic, ZONES, day=1)
    one = traffic.flow_pcuh.copy()
    np.testing.assert_allclose(one, loaded(problem, first(problem)))
    np.testing.assert_allclose(traffic.time_s, link_time_s(problem, one))
    load_volume_delay(traffic, ZONES, day=2)
    # 60 + 60 + 16 on the bridge, 110 on either direct way: the other half goes there.
    assert traffic.flow_pcuh.sum() == pytest.approx(0.5 * 18 + 0.5 * 12)
    assert traffic.gap == pytest.approx((136 - 110) / 136)
