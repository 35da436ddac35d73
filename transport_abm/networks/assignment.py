"""Static user equilibrium of road traffic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.networks.city import F32, F64, I32
from transport_abm.networks.kernels_paths import load_trees, skim_trees
from transport_abm.networks.road_problem import WHERE, RoadProblem, link_time_s

__all__ = ["RoadFlows", "RoadProblem", "RoadState", "assign_roads", "link_time_s", "skim_roads"]


@dataclass(frozen=True)
class RoadState:
    """What a warm start needs."""

    digest: str
    flow_pcuh: F64


@dataclass(frozen=True)
class RoadFlows:
    """Result of an assignment, by link in the rows of the problem."""

    flow_pcuh: F64
    """Flow without the preload [pcu/h]."""
    time_s: F64
    cost_s: F64
    """Time and fixed cost [s]."""
    relative_gap: float
    iterations: int
    converged: bool
    state: RoadState


def assign_roads(
    problem: RoadProblem,
    zone_node: I32,
    demand: F64,
    *,
    gap: float,
    max_iterations: int,
    state: RoadState | None = None,
) -> RoadFlows:
    """User equilibrium (thin version: averages)."""
    zone_node = np.ascontiguousarray(zone_node, np.int32)
    demand = np.ascontiguousarray(demand, np.float64)
    graph, order = problem.graph, problem.order
    flow = np.zeros(problem.n_links)
    part = np.empty(problem.n_links)
    relative_gap, k = np.inf, 0
    for k in range(1, max_iterations + 1):
        cost = link_time_s(problem, flow) + problem.fixed_cost_s
        shortest = load_trees(graph, cost[order], zone_node, demand, part)
        if not np.isfinite(shortest):
            raise NetworkError(Fault(WHERE, "demand", "a way for every pair with demand", "none"))
        used = flow > 0
        total = float(flow[used] @ cost[used])
        if k > 1:
            relative_gap = (total - shortest) / total if total > 0 else 0.0
            if relative_gap <= gap:
                break
        target = np.empty_like(flow)
        target[order] = part
        flow = flow + (target - flow) / k
    time = link_time_s(problem, flow)
    return RoadFlows(
        flow, time, time + problem.fixed_cost_s, float(relative_gap), k, relative_gap <= gap,
        RoadState(problem.digest(zone_node), flow),
    )  # fmt: skip


def skim_roads(problem: RoadProblem, link_cost_s: F64, zone_node: I32, attributes: NDArray[np.floating]) -> F32:
    """Cost and sums of link attributes along the cheapest ways between all zones."""
    order = problem.order
    zone_node = np.ascontiguousarray(zone_node, np.int32)
    attribute = np.ascontiguousarray(np.asarray(attributes, np.float64).reshape(-1, problem.n_links)[:, order])
    out = np.empty((len(attribute) + 1, len(zone_node), len(zone_node)), np.float32)
    skim_trees(problem.graph, np.asarray(link_cost_s, np.float64)[order], attribute, zone_node, out)
    return out
