"""Static user equilibrium of road traffic.

Every pair's used paths cost the same and no path costs less (Wardrop 1952). With link cost ``c(x)`` rising
in flow this is the minimum of the sum of the integrals of ``c`` (Beckmann et al. 1956). Solved by gradient
projection on paths (Jayakrishnan et al. 1994), with new paths from sweeps of all cheapest ways (``hierarchy``),
until the relative gap ``(sum x c - sum d u) / sum x c`` is small: ``u`` is the cost of a pair's cheapest path at
the costs of flow ``x``. A state of an earlier call starts the next one: its paths take the new demand in the old
shares.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from transport_abm.core.errors import ConservationError, Fault, NetworkError
from transport_abm.networks.city import F32, F64, I32, I64
from transport_abm.networks.roads.hierarchy import blocks, each_block, hierarchy_of
from transport_abm.networks.roads.kernels_assignment import (
    Paths,
    load_new,
    load_paths,
    measure_merged,
    merge_paths,
    shift_flows,
    update_links,
)
from transport_abm.networks.roads.road_problem import WHERE, RoadProblem, link_time_s
from transport_abm.networks.roads.road_state import RoadState, first_paths, shares

__all__ = [
    "RoadFlows",
    "RoadProblem",
    "RoadState",
    "assign_all_or_nothing",
    "assign_roads",
    "link_time_s",
    "skim_roads",
]

PASS_COUNT = 20
"""Most passes of flow shifts between two sweeps."""
TOLERANCE_SHARE = 0.1
"""Share of the wanted gap below which a cost difference is left alone."""
PASS_GAP_SHARE = 0.02
"""Passes end once the excess among known paths is this share of the sweep's gap, or of the wanted one."""
SMALL_WORK = 1_000_000
"""Zones times links below which one thread is faster than the hand-over to several."""
CLOSURE = 1e-9
"""Largest imbalance at a node, as a share of all demand: rounding only."""


@dataclass(frozen=True)
class RoadFlows:
    """Result of an assignment, by link in the rows of the problem."""

    flow_pcuh: F64
    """Flow without the preload [pcu/h]."""
    time_s: F64
    """Time; infinite where the link is closed [s]."""
    cost_s: F64
    """Time and fixed cost [s]."""
    relative_gap: float
    """(sum x c - sum d u) / sum x c, of this flow; infinite if no sweep was left to measure it."""
    iterations: int
    """Sweeps of all cheapest ways."""
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
    """Flows at which no trip would gain by another way.

    Parameters
    ----------
    problem
        Links and their cost functions.
    zone_node
        Node of each zone.
    demand
        [pcu/h], shape (zones, zones), origin first. The diagonal, and pairs whose zones share a node, use no
        link.
    gap
        Relative gap at which to stop.
    max_iterations
        Most sweeps of all cheapest ways.
    state
        State of an earlier call with the same links and zones; times, tolls, closures and demand may differ.

    Returns
    -------
    RoadFlows
        Flow, time and cost by link, the gap reached, and the state for a next call.

    Raises
    ------
    NetworkError
        If demand is not finite, negative or cannot get to its destination, if a zone's node is outside the
        network, or if the state belongs to other links or zones. All faults are named.
    ConservationError
        If flow is lost or made at a node.

    Notes
    -----
    Method: Jayakrishnan, Tsai, Prashker and Rajadhyaksha (1994), Transportation Research Record 1443, 75-83.
    Checked by V-01, V-03 and V-05. The same bits come out on any number of threads.
    """
    faults = _demand_faults(problem, zone_node, demand, gap, max_iterations)
    nodes = np.array(zone_node, np.int32)
    if not faults and state is not None and state.digest != problem.digest(nodes):
        faults.append(Fault(WHERE, "state", "paths on the same links and zones", "a state of others"))
    if faults:
        raise NetworkError(faults)
    with _threads(problem, nodes):
        work = _Work(problem, nodes, np.asarray(demand, np.float64), gap, state)
        if state is not None and work.is_complete():
            # The known paths first: a pass over them costs less than a sweep.
            work.shift(gap)
        relative_gap = np.inf
        iteration = 0
        while iteration < max_iterations:
            iteration += 1
            relative_gap = work.sweep()
            if relative_gap <= gap or iteration == max_iterations:
                break
            work.shift(relative_gap)
        return work.result(float(relative_gap), iteration, bool(relative_gap <= gap))


def assign_all_or_nothing(problem: RoadProblem, link_cost_s: F64, zone_node: I32, demand: F64) -> F64:
    """Flow of each link if all demand takes the cheapest way.

    Parameters
    ----------
    problem
        Links.
    link_cost_s
        Cost by link [s].
    zone_node
        Node of each zone.
    demand
        [pcu/h], shape (zones, zones), origin first.

    Returns
    -------
    F64
        Flow by link [pcu/h].

    Raises
    ------
    NetworkError
        As ``assign_roads``.
    """
    faults = _demand_faults(problem, zone_node, demand, 1.0, 1) + _cost_faults(problem, link_cost_s)
    if faults:
        raise NetworkError(faults)
    nodes = np.array(zone_node, np.int32)
    cost = np.asarray(link_cost_s, np.float64)[problem.order]
    with _threads(problem, nodes):
        part, total = hierarchy_of(problem.graph).ways(cost).load(nodes, demand)
    if not np.isfinite(total):
        reach = skim_roads(problem, link_cost_s, nodes, np.empty((0, problem.n_links)))[0]
        raise NetworkError(_unreachable(np.argwhere((demand > 0) & np.isinf(reach)), demand))
    flow = np.empty(problem.n_links)
    flow[problem.order] = part
    return flow


def skim_roads(
    problem: RoadProblem, link_cost_s: F64, zone_node: I32, attributes: NDArray[np.floating]
) -> F32:
    """Cost and sums of link attributes along the cheapest ways between all zones.

    Parameters
    ----------
    problem
        Links.
    link_cost_s
        Cost by link that decides the way [s]; infinite where closed.
    zone_node
        Node of each zone.
    attributes
        What to add up along the way, shape (k, links).

    Returns
    -------
    F32
        Shape (k + 1, zones, zones), origin first: cost, then each attribute. Infinite where there is no way;
        0 on the diagonal.

    Raises
    ------
    NetworkError
        If a cost is negative or not a number, a zone's node is outside the network, or a shape does not fit.
    """
    attribute = np.atleast_2d(np.asarray(attributes, np.float64))
    faults = _node_faults(problem, zone_node) + _cost_faults(problem, link_cost_s)
    if attribute.shape[1] != problem.n_links:
        faults.append(Fault(WHERE, "attributes", f"shape (k, {problem.n_links})", str(attribute.shape)))
    if faults:
        raise NetworkError(faults)
    nodes = np.array(zone_node, np.int32)
    cost = np.asarray(link_cost_s, np.float64)[problem.order]
    with _threads(problem, nodes):
        return hierarchy_of(problem.graph).ways(cost).skim(nodes, attribute[:, problem.order])


@contextmanager
def _threads(problem: RoadProblem, zone_node: I32) -> Iterator[None]:
    """One thread for small work, as many as allowed for the rest; results do not depend on it."""
    before = numba.get_num_threads()
    if problem.n_links * len(zone_node) < SMALL_WORK:
        numba.set_num_threads(1)
    try:
        yield
    finally:
        numba.set_num_threads(before)


class _Work:
    """An assignment under way; links by slot of the graph."""

    def __init__(
        self, problem: RoadProblem, zone_node: I32, demand: F64, gap: float, state: RoadState | None
    ) -> None:
        self.problem = problem
        self.hierarchy = hierarchy_of(problem.graph)
        self.zone_node = zone_node
        self.demand_matrix = demand
        self.gap = gap
        self.parameter = np.column_stack(
            [
                problem.free_time_s, problem.bpr_scale, problem.capacity_pcuh, problem.bpr_power,
                problem.fixed_cost_s, problem.preload_pcuh,
            ]
        )[problem.order]  # fmt: skip
        n_zones = len(zone_node)
        outside = zone_node[:, None] != zone_node[None, :]
        wanted = np.flatnonzero((demand > 0) & outside)
        self.pair = wanted if state is None else np.union1d(wanted, state.pair)
        self.demand = demand.ravel()[self.pair]
        self.origin = (self.pair // n_zones).astype(np.int32)
        self.destination = zone_node[self.pair % n_zones]
        closed = np.isinf(self.parameter[:, 0])
        self.paths = first_paths(self.pair, self.demand, state, closed)
        self.flow = np.zeros(problem.n_links)
        self.cost = np.empty(problem.n_links)
        self.slope = np.empty(problem.n_links)
        self._clear_new()
        self._settle_flow()

    def _settle_flow(self) -> None:
        """Flows from path flows (no rounding is carried on), costs from flows."""
        load_paths(self.paths, self.flow)
        update_links(self.parameter, self.flow, self.cost, self.slope)

    def is_complete(self) -> bool:
        """Whether all demand has a path."""
        return bool((np.diff(self.paths.ptr) > 0)[self.demand > 0].all())

    def sweep(self) -> float:
        """Cheapest ways of all pairs: the gap of the flow as it stands, then new paths where they are cheaper."""
        used = self.flow > 0
        total = float((self.flow[used] * self.cost[used]).sum())
        n_zones = len(self.zone_node)
        complete = self.is_complete()
        if complete:
            parts = self._new_paths(blocks(n_zones))
        else:
            parts = []
            has_path = np.diff(self.paths.ptr) > 0
            for block in blocks(n_zones):
                parts += self._new_paths([block])
                pairs = self._pairs(block)
                ptr = np.concatenate(([0], np.cumsum(parts[-1][1])))
                # The next origins see what these load.
                load_new(self.demand[pairs], has_path[pairs], ptr, parts[-1][2], self.flow)
                update_links(self.parameter, self.flow, self.cost, self.slope)
        cheapest, length, slot = (np.concatenate(part) for part in zip(*parts, strict=True))
        missing = np.flatnonzero(np.isinf(cheapest) & (self.demand > 0))
        if len(missing):
            where = np.column_stack((self.pair[missing] // n_zones, self.pair[missing] % n_zones))
            raise NetworkError(_unreachable(where, self.demand_matrix))
        self._new = (np.concatenate((np.zeros(1, np.int64), np.cumsum(length))), slot)
        if not complete:
            self._merge()
            return np.inf
        shortest = float((self.demand[self.demand > 0] * cheapest[self.demand > 0]).sum())
        return max((total - shortest) / total, 0.0) if total > 0 else 0.0

    def _pairs(self, block: slice) -> slice:
        """Pairs that start in a block of zones."""
        start, stop = np.searchsorted(self.origin, (block.start, block.stop))
        return slice(int(start), int(stop))

    def _new_paths(self, parts: list[slice]) -> list[tuple[F64, I64, I32]]:
        """Cheapest costs of the pairs of some blocks of zones; lengths and slots of their new paths."""
        ways = self.hierarchy.ways(self.cost)
        tolerance = TOLERANCE_SHARE * self.gap

        def work(block: slice) -> tuple[F64, I64, I32]:
            pairs = self._pairs(block)
            row = (self.origin[pairs] - block.start).astype(np.int32)
            asked = (pairs.start, row, self.destination[pairs])
            return ways.new_paths(self.zone_node, block, asked, self.paths, tolerance)

        return each_block(work, parts)

    def _merge(self) -> None:
        """Drop paths without flow, add the new ones, and settle the flow."""
        new_ptr, new_slot = self._new
        ptr = np.empty(len(self.pair) + 1, np.int64)
        slot_count = np.empty(len(self.pair) + 1, np.int64)
        measure_merged(self.paths, self.demand, new_ptr, ptr, slot_count)
        merged = Paths(
            ptr, np.empty(ptr[-1]), np.empty(ptr[-1] + 1, np.int64), np.empty(slot_count[-1], np.int32)
        )
        merge_paths(self.paths, self.demand, new_ptr, new_slot, slot_count, merged)
        self.paths = merged
        self._clear_new()
        self._settle_flow()

    def _clear_new(self) -> None:
        """No new paths wait to be merged."""
        self._new = (np.zeros(len(self.pair) + 1, np.int64), np.empty(0, np.int32))

    def shift(self, relative_gap: float) -> None:
        """Shift flow between the paths of each pair until little is left to gain before the next sweep."""
        self._merge()
        mark = np.empty((2, self.problem.n_links), np.int64)
        path_cost = np.empty(int(np.diff(self.paths.ptr).max(initial=1)))
        links = (self.parameter, self.flow, self.cost, self.slope)
        aim = PASS_GAP_SHARE * max(self.gap, min(relative_gap, 1.0))
        tolerance = TOLERANCE_SHARE * self.gap
        for _ in range(PASS_COUNT):
            excess = shift_flows(self.paths, links, tolerance, mark, path_cost)
            used = self.flow > 0
            total = float((self.flow[used] * self.cost[used]).sum())
            if excess <= aim * total:
                break
        self._settle_flow()

    def result(self, relative_gap: float, iterations: int, converged: bool) -> RoadFlows:
        """Flows by link in the rows of the problem."""
        problem = self.problem
        flow = np.empty(problem.n_links)
        flow[problem.order] = self.flow
        _check_closure(problem, flow, self.origin, self.zone_node, self.destination, self.demand)
        time = link_time_s(problem, flow)
        state = RoadState(problem.digest(self.zone_node), self.pair, shares(self.paths, self.demand))
        return RoadFlows(flow, time, time + problem.fixed_cost_s, relative_gap, iterations, converged, state)


def _check_closure(
    problem: RoadProblem, flow: F64, origin: I32, zone_node: I32, destination: I32, demand: F64
) -> None:
    """At every node: what flows in and starts there flows out or ends there."""
    n = problem.n_nodes
    balance = np.bincount(problem.head, flow, n) - np.bincount(problem.tail, flow, n)
    balance += np.bincount(zone_node[origin], demand, n) - np.bincount(destination, demand, n)
    worst = int(np.abs(balance).argmax())
    if not abs(balance[worst]) <= CLOSURE * max(float(demand.sum()), 1.0):
        raise ConservationError(
            f"road assignment: node {worst} gains {balance[worst]:.6g} pcu/h of {demand.sum():.6g}; "
            "flow must close at every node"
        )


def _node_faults(problem: RoadProblem, zone_node: I32) -> list[Fault | str]:
    """Zones whose node is not in the network."""
    node = np.asarray(zone_node)
    if node.ndim != 1 or node.dtype.kind not in "iu":
        return [Fault(WHERE, "zone_node", "whole numbers, one a zone", f"{node.dtype} {node.shape}")]
    bad = np.flatnonzero((node < 0) | (node >= problem.n_nodes))
    expected = f"a node from 0 to {problem.n_nodes - 1}"
    return [Fault(WHERE, f"zone_node of zone {zone}", expected, str(node[zone])) for zone in bad[:5]]


def _cost_faults(problem: RoadProblem, link_cost_s: F64) -> list[Fault | str]:
    """Link costs of the wrong shape, negative or not a number."""
    if np.shape(link_cost_s) != (problem.n_links,):
        return [Fault(WHERE, "link_cost_s", f"shape ({problem.n_links},)", str(np.shape(link_cost_s)))]
    bad = np.flatnonzero(~(np.asarray(link_cost_s) >= 0))
    return [Fault(WHERE, f"link_cost_s of link {k}", "0 or more", repr(link_cost_s[k])) for k in bad[:5]]


def _demand_faults(
    problem: RoadProblem, zone_node: I32, demand: F64, gap: float, max_iterations: int
) -> list[Fault | str]:
    """Everything that is wrong with what is to be assigned."""
    faults = _node_faults(problem, zone_node)
    n_zones = len(np.atleast_1d(zone_node))
    if np.shape(demand) != (n_zones, n_zones):
        faults.append(Fault(WHERE, "demand", f"shape ({n_zones}, {n_zones})", str(np.shape(demand))))
    else:
        for origin, destination in np.argwhere(~((demand >= 0) & np.isfinite(demand)))[:5]:
            where = f"demand from zone {origin} to zone {destination}"
            faults.append(Fault(WHERE, where, "0 or more [pcu/h]", repr(float(demand[origin, destination]))))
    if not gap > 0:
        faults.append(Fault(WHERE, "gap", "more than 0", repr(gap)))
    if max_iterations < 1:
        faults.append(Fault(WHERE, "max_iterations", "1 or more", repr(max_iterations)))
    return faults


def _unreachable(pair: NDArray[np.int64], demand: F64) -> list[Fault]:
    """One fault a pair that has demand and no way; the first five, with the count of all."""
    return [
        Fault(
            WHERE, f"demand from zone {origin} to zone {destination} (one of {len(pair)} such pairs)",
            "a way over open links", f"{demand[origin, destination]:.6g} pcu/h and no way",
        )
        for origin, destination in pair[:5]
    ]  # fmt: skip
