"""V-01, V-03, V-05: published equilibria.

Sioux Falls and Anaheim come from Transportation Networks for Research (github.com/bstabler).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.naive_roads import beckmann
from transport_abm.networks.formats.tntp import (
    read_tntp_flow,
    read_tntp_network,
    read_tntp_nodes,
    read_tntp_trips,
)
from transport_abm.networks.roads.assignment import RoadProblem, assign_roads

PUBLISHED = {
    "SiouxFalls": (4_231_335.28710744, 7_480_225.34),
    "Anaheim": (1_286_032.171096032, 1_419_913.85),
}
"""Beckmann sum and total time, in the files' units."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_equilibrium_is_reached(shared_data: Path, name: str) -> None:
    """The Beckmann sum exceeds its minimum by at most the gap times the total cost (convexity)."""
    folder = shared_data / "tntp"
    network = read_tntp_network(folder / f"{name}_net.tntp")
    demand = read_tntp_trips(folder / f"{name}_trips.tntp")
    problem = network.problem()
    flows = assign_roads(
        problem, np.arange(network.n_zones, dtype=np.int32), demand, gap=1e-6, max_iterations=50
    )
    best, published_total = PUBLISHED[name]
    total = float(flows.flow_pcuh @ flows.time_s)
    assert flows.converged and flows.relative_gap <= 1e-6
    assert -1e-9 * best <= beckmann(problem, flows.flow_pcuh) - best <= 1e-6 * total
    assert total == pytest.approx(published_total, rel=2e-5)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_flows_are_reached_link_by_link(shared_data: Path, name: str) -> None:
    folder = shared_data / "tntp"
    network = read_tntp_network(folder / f"{name}_net.tntp")
    demand = read_tntp_trips(folder / f"{name}_trips.tntp")
    published, cost = read_tntp_flow(folder / f"{name}_flow.tntp", network)
    problem = network.problem()
    flows = assign_roads(
        problem, np.arange(network.n_zones, dtype=np.int32), demand, gap=1e-12, max_iterations=100
    )
    assert flows.converged
    np.testing.assert_allclose(flows.cost_s, cost, rtol=1e-7)
    assert beckmann(problem, flows.flow_pcuh) == pytest.approx(PUBLISHED[name][0], rel=1e-12)
    assert flows.flow_pcuh @ flows.time_s == pytest.approx(PUBLISHED[name][1], rel=2e-9)
    np.testing.assert_allclose(flows.flow_pcuh, published, atol=1e-3)


def test_zones_of_anaheim_carry_no_through_traffic(shared_data: Path) -> None:
    folder = shared_data / "tntp"
    network = read_tntp_network(folder / "Anaheim_net.tntp")
    demand = read_tntp_trips(folder / "Anaheim_trips.tntp")
    zone_node = np.arange(network.n_zones, dtype=np.int32)
    flow = assign_roads(network.problem(), zone_node, demand, gap=1e-4, max_iterations=20).flow_pcuh
    np.fill_diagonal(demand, 0)
    entering = np.bincount(network.head, flow, network.n_nodes)[: network.n_zones]
    np.testing.assert_allclose(entering, demand.sum(axis=0), rtol=1e-9)


def test_nodes_of_sioux_falls_lie_in_south_dakota(shared_data: Path) -> None:
    x, y = read_tntp_nodes(shared_data / "tntp" / "SiouxFalls_node.tntp")
    assert len(x) == 24 and (np.abs(x + 96.75) < 0.1).all() and (np.abs(y - 43.55) < 0.1).all()


def braess(*, bridge: bool) -> RoadProblem:
    """Links 0-2 and 3-1 cost 10 x, links 0-3 and 2-1 cost 50 + x, the bridge 2-3 10 + x (Braess 1968)."""
    free = np.array([1e-9, 50, 50, 1e-9, 10 if bridge else np.inf])
    one = np.ones(5)
    return RoadProblem(
        tail=np.array([0, 0, 2, 3, 2], np.int32), head=np.array([2, 3, 1, 1, 3], np.int32), n_nodes=4,
        free_time_s=free, capacity_pcuh=one, bpr_scale=np.array([1e10, 1 / 50, 1 / 50, 1e10, 1 / 10]),
        bpr_power=one, fixed_cost_s=one * 0, preload_pcuh=one * 0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("bridge", "cost", "flow"), [(True, 92, [4, 2, 2, 4, 2]), (False, 83, [3, 3, 3, 3, 0])]
)
def test_a_bridge_makes_everybody_slower(bridge: bool, cost: float, flow: list[float]) -> None:
    demand = np.array([[0.0, 6.0], [0.0, 0.0]])
    flows = assign_roads(
        braess(bridge=bridge), np.array([0, 1], np.int32), demand, gap=1e-12, max_iterations=200
    )
    assert flows.converged
    used = flows.flow_pcuh > 0
    assert flows.flow_pcuh == pytest.approx(flow, abs=1e-6)
    assert flows.flow_pcuh[used] @ flows.cost_s[used] / 6 == pytest.approx(cost, abs=1e-6)
