"""Laws of the equilibrium of several classes: cars that may not pass, cars that pay, vans of more room than a car."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.naive_roads import class_beckmann, naive_class_equilibrium, naive_class_gap, naive_cost
from tests.property.test_road_assignment import bits, random_case
from transport_abm.core.errors import ConservationError, NetworkError
from transport_abm.networks.city import F64, I32
from transport_abm.networks.roads import equilibrium
from transport_abm.networks.roads.assignment import RoadFlows, RoadProblem, assign_roads
from transport_abm.networks.roads.road_classes import RoadClasses, group_classes

ROUNDING = 1e-9
CASE = st.integers(0, 2**32 - 1)
few = settings(max_examples=25, deadline=None)


def class_case(seed: int) -> tuple[RoadProblem, RoadClasses, I32, F64]:
    """The random network with four classes: free, barred from some links, paying on some, heavy and as free as the first."""
    problem, zone_node, demand = random_case(seed)
    rng = np.random.default_rng(seed + 1)
    n = problem.n_links
    fixed = np.zeros((4, n))
    # The ring that joins all nodes stays open, so that every class can reach every zone.
    chord = n - 2 * problem.n_nodes
    fixed[1, chord:][rng.random(n - chord) < 0.5] = np.inf
    fixed[2] = rng.choice([0.0, 20.0, 80.0], n)
    classes = RoadClasses(("free", "barred", "paying", "heavy"), np.array([1.0, 1.0, 1.5, 2.0]), fixed)
    return problem, classes, zone_node, demand * rng.uniform(0, 0.4, (4, 1, 1))


def settle(
    problem: RoadProblem, classes: RoadClasses, zone_node: I32, demand: F64, **more: object
) -> RoadFlows:
    """An equilibrium to 1e-8."""
    return assign_roads(
        problem,
        zone_node,
        demand,
        gap=1e-8,
        max_iterations=300,
        classes=classes,
        **more,  # type: ignore[arg-type]
    )


@few
@given(CASE)
def test_the_gap_over_all_classes_is_what_its_definition_says(seed: int) -> None:
    problem, classes, zone_node, demand = class_case(seed)
    flows = settle(problem, classes, zone_node, demand)
    assert flows.converged
    gap = naive_class_gap(problem, classes, zone_node, demand, flows.class_flow_vehh)
    assert flows.relative_gap == pytest.approx(gap, abs=1e-12)
    pcu = (classes.pcu[:, None] * flows.class_flow_vehh).sum(axis=0)
    np.testing.assert_allclose(flows.flow_pcuh, pcu, atol=ROUNDING * demand.sum())


@few
@given(CASE)
def test_no_flow_of_averages_has_a_smaller_sum_of_integrals_and_charges(seed: int) -> None:
    problem, classes, zone_node, demand = class_case(seed)
    flows = settle(problem, classes, zone_node, demand)
    slow = naive_class_equilibrium(problem, classes, zone_node, demand, 20)
    total = float(flows.flow_pcuh @ flows.time_s) + 100.0 * flows.flow_pcuh.sum()
    best = class_beckmann(problem, classes, flows.class_flow_vehh)
    assert best <= class_beckmann(problem, classes, slow) + flows.relative_gap * total + ROUNDING


@few
@given(CASE)
def test_no_vehicle_is_on_a_link_closed_to_its_class_and_each_class_closes_at_every_node(seed: int) -> None:
    problem, classes, zone_node, demand = class_case(seed)
    flows = settle(problem, classes, zone_node, demand)
    assert not flows.class_flow_vehh[np.isinf(classes.fixed_cost_s)].any()
    for k in range(len(classes)):
        own = demand[k].copy()
        np.fill_diagonal(own, 0)
        balance = np.bincount(problem.tail, flows.class_flow_vehh[k], problem.n_nodes)
        balance -= np.bincount(problem.head, flows.class_flow_vehh[k], problem.n_nodes)
        balance[zone_node] -= own.sum(axis=1) - own.sum(axis=0)
        assert np.abs(balance).max() <= ROUNDING * max(own.sum(), 1)


@few
@given(CASE)
def test_classes_that_do_not_differ_are_one_class_to_the_last_bit(seed: int) -> None:
    problem, zone_node, demand = random_case(seed)
    same = RoadClasses(("one", "other"), np.ones(2), np.zeros((2, problem.n_links)))
    alone = assign_roads(problem, zone_node, demand, gap=1e-6, max_iterations=50)
    halves = assign_roads(
        problem, zone_node, np.stack([demand / 2, demand / 2]), gap=1e-6, max_iterations=50, classes=same
    )
    assert bits(alone) == bits(halves)
    np.testing.assert_allclose(halves.class_flow_vehh * 2, np.stack([alone.flow_pcuh] * 2), rtol=1e-12)


@few
@given(CASE)
def test_half_as_many_vehicles_of_twice_the_room_take_the_same_ways(seed: int) -> None:
    problem, classes, zone_node, demand = class_case(seed)
    wide = replace(classes, pcu=classes.pcu * 2)
    one, other = settle(problem, classes, zone_node, demand), settle(problem, wide, zone_node, demand / 2)
    assert one.flow_pcuh.tobytes() == other.flow_pcuh.tobytes()
    np.testing.assert_allclose(one.class_flow_vehh, other.class_flow_vehh * 2, rtol=1e-12)


@few
@given(CASE)
def test_paths_fit_classes_that_part_and_meet_again(seed: int) -> None:
    problem, classes, zone_node, demand = class_case(seed)
    alike = replace(classes, fixed_cost_s=np.zeros_like(classes.fixed_cost_s))
    cold = settle(problem, classes, zone_node, demand)
    together = settle(problem, alike, zone_node, demand)
    assert group_classes(problem, alike).n_groups == 1 and group_classes(problem, classes).n_groups == 3
    apart = settle(problem, classes, zone_node, demand, state=together.state)
    again = settle(problem, alike, zone_node, demand, state=apart.state)
    back = settle(problem, classes, zone_node, demand, state=cold.state)
    assert back.iterations == 1
    for one, other, who in ((apart, cold, classes), (again, together, alike)):
        assert one.converged
        cost = [naive_cost(problem, f.flow_pcuh) for f in (one, other)]
        total = float(one.flow_pcuh @ cost[0]) + 100.0 * one.flow_pcuh.sum()
        excess = (cost[0] - cost[1]) @ (one.flow_pcuh - other.flow_pcuh)
        assert excess <= (one.relative_gap + other.relative_gap) * total + ROUNDING, who.name


def test_those_who_pay_leave_the_short_way_to_those_who_do_not() -> None:
    """Two ways of 10 + x/10 and 30 + x/10; a charge of 50 on the first moves payers, and only payers, off it."""
    problem = RoadProblem(
        tail=np.array([0, 0], np.int32), head=np.array([1, 1], np.int32), n_nodes=2,
        free_time_s=np.array([10.0, 30.0]), capacity_pcuh=np.array([100.0, 300.0]), bpr_scale=np.ones(2),
        bpr_power=np.ones(2), fixed_cost_s=np.zeros(2), preload_pcuh=np.zeros(2),
    )  # fmt: skip
    classes = RoadClasses(("payers", "others"), np.ones(2), np.array([[50.0, 0.0], [0.0, 0.0]]))
    demand = np.zeros((2, 2, 2))
    demand[:, 0, 1] = 200.0, 100.0
    flows = settle(problem, classes, np.array([0, 1], np.int32), demand)
    # 10 + x/10 = 30 + (300 - x)/10 at 250 if nobody pays; with 100 who do not, the first way is never full enough.
    np.testing.assert_allclose(flows.class_flow_vehh, [[0.0, 200.0], [100.0, 0.0]], atol=1e-6)
    np.testing.assert_allclose(flows.time_s, [20.0, 50.0], rtol=1e-9)


def test_faults_of_classes_come_in_one_error_with_their_names() -> None:
    problem, classes, zone_node, demand = class_case(2)
    fixed = classes.fixed_cost_s.copy()
    fixed[2, 5] = -1.0
    bad = RoadClasses(("free", "barred", "paying", "free"), np.array([1.0, 0.0, np.nan, 1.0]), fixed)
    demand[1, 0, 2] = np.nan
    with pytest.raises(NetworkError) as caught:
        settle(problem, bad, zone_node, demand)
    text = str(caught.value)
    assert len(caught.value.faults) == 5
    for words in ("each name once", "class barred", "class paying", "1 links from row 5", "zone 0 to zone 2"):
        assert words in text
    with pytest.raises(NetworkError, match=r"demand: expected shape \(4, 6, 6\)"):
        settle(problem, classes, zone_node, demand[0])
    with pytest.raises(NetworkError, match="at least one class"):
        settle(problem, RoadClasses((), np.zeros(0), np.zeros((0, problem.n_links))), zone_node, demand[:0])


def test_a_class_that_is_locked_out_is_named_and_only_it() -> None:
    problem, classes, zone_node, demand = class_case(2)
    fixed = np.zeros_like(classes.fixed_cost_s)
    fixed[1, problem.head == 3] = np.inf
    demand[:, 4, 3] = 7.0
    demand[1, [0, 1, 2, 5], 3] = 0.0
    with pytest.raises(NetworkError) as caught:
        settle(problem, replace(classes, fixed_cost_s=fixed), zone_node, demand)
    assert len(caught.value.faults) == 1
    assert "demand of class barred from zone 4 to zone 3 (one of 1 such pairs)" in str(caught.value)


def test_a_state_of_another_number_of_classes_is_refused() -> None:
    problem, classes, zone_node, demand = class_case(2)
    state = assign_roads(problem, zone_node, demand[0], gap=1e-3, max_iterations=9).state
    with pytest.raises(NetworkError, match="4 classes, got a state of 1"):
        settle(problem, classes, zone_node, demand, state=state)


def test_a_lost_vehicle_is_an_error_that_names_its_class() -> None:
    problem, classes, zone_node, demand = class_case(2)
    work = equilibrium.Equilibrium(problem, zone_node, demand, classes, 1e-3, None)
    for _ in range(3):
        work.shift(work.sweep())
    assert work.class_flow().shape == (4, problem.n_links)
    # A path of the paying class forgets its last link.
    first = work.paths.ptr[work.group_ptr[work.group[2]]]
    work.paths.slot[work.paths.slot_ptr[first + 1] - 1] = work.paths.slot[work.paths.slot_ptr[first]]
    with pytest.raises(ConservationError, match="of class paying"):
        work.class_flow()
