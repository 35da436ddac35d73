"""Equilibria to 1e-8 where costs are anything but gentle: free links, constant links, steep powers, tolls, huge loads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from tests.naive_roads import beckmann, naive_class_gap, naive_cost, naive_frank_wolfe, naive_gap
from transport_abm.networks.city import F64, I32
from transport_abm.networks.formats.tntp import read_tntp_network, read_tntp_trips
from transport_abm.networks.roads.assignment import RoadProblem, assign_roads
from transport_abm.networks.roads.equilibrium import Equilibrium
from transport_abm.networks.roads.kernels_newton import newton_step
from transport_abm.networks.roads.road_classes import RoadClasses, one_class

CASE = st.integers(0, 2**32 - 1)


def hard_case(seed: int) -> tuple[RoadProblem, I32, F64]:
    """A random network of which every column is drawn from what makes equilibria hard."""
    rng = np.random.default_rng(seed)
    n_zones = int(rng.integers(3, 9))
    n_nodes = int(rng.integers(n_zones + 4, n_zones + 20))
    inner = np.arange(n_zones, n_nodes)
    ring = list(zip(inner, np.roll(inner, -1), strict=True))
    hang = [(zone, int(rng.choice(inner))) for zone in range(n_zones)]
    chords = [tuple(rng.choice(n_nodes, 2, replace=False)) for _ in range(2 * n_nodes)]
    both = np.array(ring + [(b, a) for a, b in ring] + hang + [(b, a) for a, b in hang] + chords, np.int32)
    n = len(both)
    free = rng.uniform(1, 100, n) * rng.choice([1e-3, 1, 1e3])
    free[rng.random(n) < rng.choice([0, 0.3])] = 0
    steep = rng.choice([0, 1.0, 1.5, 2, 4, 8, 16.83], n) if rng.random() < 0.7 else np.full(n, 4.0)
    problem = RoadProblem(
        tail=both[:, 0].copy(), head=both[:, 1].copy(), n_nodes=n_nodes,
        free_time_s=free, capacity_pcuh=rng.uniform(200, 2000, n) * 10.0 ** rng.integers(-1, 2, n),
        bpr_scale=np.where(rng.random(n) < rng.choice([0, 0.4]), 0, rng.choice([0.15, 1, 10.0], n)),
        bpr_power=steep, fixed_cost_s=rng.choice([0, 30.0, 1e4], n) * (rng.random() < 0.5),
        preload_pcuh=rng.choice([0, 100.0], n) * (rng.random() < 0.5),
        # Zones that may be passed, as in Sioux Falls, and zones that may not, as in Anaheim.
        first_through_node=n_zones if rng.random() < 0.5 else 0,
    )  # fmt: skip
    demand = rng.uniform(0, 1, (n_zones, n_zones)) * 10.0 ** rng.uniform(-3, 1, (n_zones, n_zones))
    return problem, np.arange(n_zones, dtype=np.int32), demand * rng.choice([50, 500, 5000])


@settings(max_examples=60, deadline=None)
@given(CASE)
@example(28)
@example(267)
@example(287)
@example(367)
def test_a_gap_of_1e_8_is_reached_and_is_what_its_definition_says(seed: int) -> None:
    """The four examples stand still for good where paths are shifted pair by pair alone."""
    problem, zone_node, demand = hard_case(seed)
    flows = assign_roads(problem, zone_node, demand, gap=1e-8, max_iterations=300)
    assert flows.converged
    assert naive_gap(problem, zone_node, demand, flows.flow_pcuh) == pytest.approx(
        flows.relative_gap, abs=1e-11
    )


@settings(max_examples=15, deadline=None)
@given(CASE)
def test_the_sum_of_integrals_lies_between_floor_and_ceiling_of_a_slow_convex_search(seed: int) -> None:
    problem, zone_node, demand = hard_case(seed)
    flows = assign_roads(problem, zone_node, demand, gap=1e-8, max_iterations=300)
    slow, floor = naive_frank_wolfe(problem, zone_node, demand, 30)
    total = float(flows.flow_pcuh @ flows.cost_s)
    best = beckmann(problem, flows.flow_pcuh)
    assert floor - 1e-9 * abs(best) <= best <= beckmann(problem, slow) * (1 + 1e-9) + 1e-8 * total


@settings(max_examples=25, deadline=None)
@given(CASE)
def test_a_step_of_all_pairs_never_raises_the_sum_of_integrals_and_loses_no_trip(seed: int) -> None:
    problem, zone_node, demand = hard_case(seed)
    work = Equilibrium(problem, zone_node, demand[None], one_class(problem), 1e-8, None)
    for _ in range(3):
        work.sweep()
        work.shift(1.0)
    links = (work.parameter, work.fixed, work.flow, work.cost, work.slope)
    flow = np.empty(problem.n_links)
    sums = []
    for _ in range(4):
        flow[problem.order] = work.flow
        sums.append(beckmann(problem, flow))
        newton_step(work.paths, work.group_ptr, links, 100)
        assert (work.paths.flow >= 0).all()
        np.testing.assert_allclose(
            np.add.reduceat(work.paths.flow, work.paths.ptr[:-1]), work.demand, rtol=1e-9
        )
        work._settle_flow()
    assert (np.diff(sums) <= 1e-12 * np.abs(sums[:-1])).all()


def test_costs_that_rise_straight_are_levelled_by_one_step() -> None:
    """Two pairs share a link that is a thousand times steeper than the ways round it: Newton is exact there."""
    one = np.ones(5)
    problem = RoadProblem(
        tail=np.array([0, 1, 2, 0, 1], np.int32), head=np.array([2, 2, 3, 3, 3], np.int32), n_nodes=4,
        free_time_s=one, capacity_pcuh=one, bpr_scale=np.array([1.0, 1.0, 1000.0, 1.0, 2.0]), bpr_power=one,
        fixed_cost_s=np.array([0.0, 0.0, 0.0, 50.0, 40.0]), preload_pcuh=np.zeros(5),
    )  # fmt: skip
    demand = np.zeros((3, 3))
    demand[0, 2] = demand[1, 2] = 10.0
    work = Equilibrium(problem, np.array([0, 1, 3], np.int32), demand[None], one_class(problem), 1e-12, None)
    for _ in range(3):
        work.shift(work.sweep())
    assert np.diff(work.paths.ptr).tolist() == [2, 2]
    work.paths.flow[:] = 5.0
    work._settle_flow()
    links = (work.parameter, work.fixed, work.flow, work.cost, work.slope)
    length, excess, _ = newton_step(work.paths, work.group_ptr, links, 100)
    work._settle_flow()
    assert length == 1.0 and excess > 1000.0
    assert newton_step(work.paths, work.group_ptr, links, 100)[1] < 1e-9 * excess
    # 2 x + 1000 (x + y) = 59 = 3 y + 1000 (x + y), with x and y what the two pairs leave on the shared link.
    flow = np.empty(5)
    flow[problem.order] = work.flow
    np.testing.assert_allclose(flow[:3], np.array([1.5, 1.0, 2.5]) * 59 / 2503, rtol=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_networks_that_come_as_tntp_files_with_tolls_and_distances_reach_1e_8(
    seed: int, tmp_path: Path
) -> None:
    problem, _, demand = hard_case(seed)
    rng, n = np.random.default_rng(seed), problem.n_links
    length, toll = rng.uniform(0, 5, n), rng.choice([0.0, 1.5], n)
    n_zones = len(demand)
    head = [
        f"<NUMBER OF ZONES> {n_zones}", f"<NUMBER OF NODES> {problem.n_nodes}",
        f"<FIRST THRU NODE> {problem.first_through_node + 1}", f"<NUMBER OF LINKS> {n}", "<END OF METADATA>",
    ]  # fmt: skip
    columns = (
        problem.tail + 1, problem.head + 1, problem.capacity_pcuh, length, problem.free_time_s,
        problem.bpr_scale, problem.bpr_power, np.zeros(n), toll, np.ones(n),
    )  # fmt: skip
    rows = [" ".join(repr(value) for value in np.array(row).tolist()) for row in zip(*columns, strict=True)]
    rows = [
        f"{int(float(r.split()[0]))} {int(float(r.split()[1]))} {' '.join(r.split()[2:])} ;" for r in rows
    ]
    (tmp_path / "net.tntp").write_text("\n".join([*head, "~ links", *rows]))
    trips = [head[0], f"<TOTAL OD FLOW> {demand.sum()!r}".replace("np.float64(", "").replace(")", "")]
    for origin in range(n_zones):
        cells = " ".join(f"{k + 1} : {float(value)!r};" for k, value in enumerate(demand[origin]))
        trips += [f"Origin {origin + 1}", cells]
    (tmp_path / "trips.tntp").write_text("\n".join([*trips[:2], "<END OF METADATA>", *trips[2:]]))
    network = read_tntp_network(tmp_path / "net.tntp")
    wanted = read_tntp_trips(tmp_path / "trips.tntp")
    np.testing.assert_array_equal(wanted, demand)
    read = network.problem(toll_factor=0.7, distance_factor=0.04)
    np.testing.assert_allclose(read.fixed_cost_s, 0.7 * toll + 0.04 * length, rtol=1e-12)
    zone_node = np.arange(n_zones, dtype=np.int32)
    flows = assign_roads(read, zone_node, wanted, gap=1e-8, max_iterations=300)
    assert flows.converged and naive_gap(read, zone_node, wanted, flows.flow_pcuh) <= 1.01e-8
    np.testing.assert_allclose(flows.cost_s, naive_cost(read, flows.flow_pcuh), rtol=1e-12)


@pytest.mark.parametrize("load", [1.0, 2.0, 5.0, 10.0])
@pytest.mark.parametrize("toll_s", [50.0, 1.0, 0.1])
def test_classes_that_pay_a_little_differently_find_their_ways(load: float, toll_s: float) -> None:
    """Two ways, one with a toll for half of the drivers: these leave it to the others as far as it is worth it.

    Swaps between the classes change no flow of a link. Shifts pair by pair take one sweep for each small part of them.
    """
    free_s, capacity, total = np.array([600.0, 660.0]), 1000.0, 2000.0 * load
    problem = RoadProblem(
        np.zeros(2, np.int32), np.ones(2, np.int32), 2, free_s, np.full(2, capacity), np.full(2, 0.15), np.full(2, 4.0),
        np.zeros(2), np.zeros(2),
    )  # fmt: skip
    demand = np.zeros((2, 2, 2))
    demand[:, 0, 1] = total / 2
    nodes, names = np.array([0, 1], np.int32), ("payers", "exempt")
    without = RoadClasses(names, np.ones(2), np.zeros((2, 2)))
    classes = RoadClasses(names, np.ones(2), np.array([[toll_s, 0.0], [0.0, 0.0]]))

    def dearer(flow: float) -> float:
        """How much longer the way with the toll takes, with its toll, at a flow on it."""
        time = free_s * (1.0 + 0.15 * (np.array([flow, total - flow]) / capacity) ** 4)
        return float(time[0] + toll_s - time[1])

    # All who are exempt take the way with the toll, and of the payers as many as make both ways equal for them.
    payers = brentq(dearer, total / 2, total, xtol=1e-9) - total / 2 if dearer(total / 2) < 0 else 0.0
    before = assign_roads(problem, nodes, demand, gap=1e-8, max_iterations=20, classes=without)
    for state in (None, before.state):
        flows = assign_roads(
            problem, nodes, demand, gap=1e-10, max_iterations=20, classes=classes, state=state
        )
        assert flows.converged
        # An excess of the gap's share of all cost, at the toll: so many may still be on the wrong way.
        wrong = 1e-10 * float((flows.flow_pcuh * flows.time_s).sum()) / toll_s
        np.testing.assert_allclose(flows.class_flow_vehh[:, 0], [payers, total / 2], rtol=1e-6, atol=wrong)


@settings(max_examples=10, deadline=None)
@given(CASE)
def test_classes_with_small_differences_on_networks_reach_1e_8(seed: int) -> None:
    problem, zone_node, demand = hard_case(seed)
    rng = np.random.default_rng(seed)
    fixed = np.array([np.zeros(problem.n_links), *rng.uniform(0, 1, (2, problem.n_links))])
    classes = RoadClasses(("a", "b", "c"), np.ones(3), fixed)
    split = np.stack([demand / 3] * 3)
    flows = assign_roads(problem, zone_node, split, gap=1e-8, max_iterations=80, classes=classes)
    assert flows.converged
    assert naive_class_gap(problem, classes, zone_node, split, flows.class_flow_vehh) <= 1.1e-8
