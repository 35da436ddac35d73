"""Equilibria to 1e-8 where costs are anything but gentle: free links, constant links, steep powers, tolls, huge loads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.naive_roads import beckmann, naive_cost, naive_frank_wolfe, naive_gap
from transport_abm.networks.city import F64, I32
from transport_abm.networks.formats.tntp import read_tntp_network, read_tntp_trips
from transport_abm.networks.roads.assignment import RoadProblem, assign_roads
from transport_abm.networks.roads.equilibrium import Equilibrium
from transport_abm.networks.roads.kernels_newton import newton_step
from transport_abm.networks.roads.road_classes import one_class

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
