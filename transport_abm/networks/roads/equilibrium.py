"""An equilibrium under way: paths of the pairs of each group of classes, their flow, and the gap.

Links are named by their slot in the graph; flow counts passenger-car units. Groups are classes that pay the same: they
share sweeps and paths, and each class has the share of its demand in them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from transport_abm.core.errors import ConservationError, Fault, NetworkError
from transport_abm.networks.city import F64, I32, I64
from transport_abm.networks.roads.hierarchy import LANES, Ways, each_block, hierarchy_of
from transport_abm.networks.roads.kernels_assignment import (
    Paths,
    load_new,
    load_paths,
    measure_merged,
    merge_paths,
    shift_flows,
    update_links,
)
from transport_abm.networks.roads.kernels_newton import newton_step
from transport_abm.networks.roads.road_classes import RoadClasses, group_classes
from transport_abm.networks.roads.road_problem import WHERE, RoadProblem
from transport_abm.networks.roads.road_state import RoadState, first_paths, shares

PASS_COUNT = 20
"""Most passes of flow shifts between two sweeps."""
TOLERANCE_SHARE = 0.1
"""Share of the wanted gap below which a cost difference is left alone."""
PASS_GAP_SHARE = 0.02
"""Passes end once the excess among known paths is this share of the sweep's gap, or of the wanted one."""
CREEP_SHARE = 0.9
"""A sweep whose gap is more than this share of the last one's has gained too little from shifts pair by pair."""
NEWTON_COUNT = 40
"""Most steps of all pairs together between two sweeps."""
NEWTON_LEAST, NEWTON_WORK = 60, 50_000_000
"""Conjugate gradients of all these steps: at least so many, and so much work divided by the links of all paths."""
NEW_SHARE = 0.5
"""Share of the demand without a path above which those who are swept later see what the earlier ones load."""
CLOSURE = 1e-9
"""Largest imbalance at a node, as a share of all demand: rounding only."""

Found = tuple[F64, I64, I32]
"""Cheapest costs of some pairs; lengths and slots of their new paths."""


class Part(NamedTuple):
    """Pairs of one group from as many origins as are swept together."""

    group: int
    origin: I32
    """Nodes of the origins."""
    pairs: slice
    row: I32
    """By pair: place in ``origin``."""


class Equilibrium:
    """Paths of all pairs and their flow, to be improved until no trip would gain by another way."""

    def __init__(
        self,
        problem: RoadProblem,
        zone_node: I32,
        demand: F64,
        classes: RoadClasses,
        gap: float,
        state: RoadState | None,
        *,
        empty_too: bool = False,
    ) -> None:
        self.problem, self.zone_node, self.classes, self.gap = problem, zone_node, classes, gap
        self.class_demand = demand
        self.hierarchy = hierarchy_of(problem.graph)
        groups = group_classes(problem, classes)
        self.group, self.fixed = groups.group, np.ascontiguousarray(groups.fixed_s[:, problem.order])
        self.parameter = np.column_stack(
            [
                problem.free_time_s, problem.bpr_scale, problem.capacity_pcuh, problem.bpr_power,
                problem.preload_pcuh,
            ]
        )[problem.order]  # fmt: skip
        by_group = np.zeros((groups.n_groups, *demand.shape[1:]))
        for k, group in enumerate(self.group):
            by_group[group] += classes.pcu[k] * demand[k]
        outside = zone_node[:, None] != zone_node[None, :]
        self.pair_count = outside.size
        known = None if state is None else state.regrouped(self.group)
        wanted = ((by_group > 0) & outside).ravel()
        if known is not None:
            wanted[known.pair] = True
        self.pair = np.flatnonzero(wanted)
        self.demand = by_group.ravel()[self.pair]
        self.group_ptr = np.searchsorted(self.pair, np.arange(groups.n_groups + 1) * self.pair_count)
        place = self.pair % self.pair_count
        self.origin = (place // len(zone_node)).astype(np.int32)
        self.destination = zone_node[place % len(zone_node)]
        closed = np.isinf(self.parameter[:, 0]) | np.isinf(self.fixed)
        self.paths = first_paths(self.pair, self.demand, known, closed, empty_too=empty_too)
        self.parts = self._split()
        self.above = [self.hierarchy.above(_distinct(self.destination[a:b])) for a, b in self._bounds()]
        self.group_flow = np.zeros(self.fixed.shape)
        # Of one group the flow of all is its own.
        self.flow = self.group_flow[0] if groups.n_groups == 1 else np.zeros(problem.n_links)
        self.cost = np.empty(self.fixed.shape)
        self.slope = np.empty(problem.n_links)
        self.last_gap, self.creeps = np.inf, False
        self._clear_new()
        self._settle_flow()

    def _bounds(self) -> list[tuple[int, int]]:
        """First pair and end of each group."""
        return list(zip(self.group_ptr[:-1].tolist(), self.group_ptr[1:].tolist(), strict=True))

    def _split(self) -> list[Part]:
        """Pairs by group and by origins that are swept together; in the order of the pairs."""
        parts = []
        for group, (start, end) in enumerate(self._bounds()):
            origin = self.origin[start:end]
            used = _distinct(origin)
            for first in range(0, len(used), LANES):
                zone = used[first : first + LANES]
                a, b = np.searchsorted(origin, (zone[0], zone[-1] + 1)).tolist()
                row = np.searchsorted(zone, origin[a:b]).astype(np.int32)
                parts.append(Part(group, self.zone_node[zone], slice(start + a, start + b), row))
        return parts

    def _settle_flow(self) -> None:
        """Flows from path flows (no rounding is carried on), costs from flows."""
        for group, flow in enumerate(self.group_flow):
            load_paths(self._paths_of(group, self.paths.flow), flow)
        if len(self.group_flow) > 1:
            self.flow[:] = self.group_flow.sum(axis=0)
        update_links(self.parameter, self.fixed, self.flow, self.cost, self.slope)

    def _paths_of(self, group: int, flow: F64) -> Paths:
        """Paths of one group with flows of one's choice."""
        a, b = self.paths.ptr[self.group_ptr[group]], self.paths.ptr[self.group_ptr[group + 1]]
        return self.paths._replace(flow=flow[a:b], slot_ptr=self.paths.slot_ptr[a : b + 1])

    def total_cost(self) -> float:
        """Sum of flow times cost over links and groups; flow of several groups is that last settled."""
        total = 0.0
        for flow, cost in zip(self.group_flow, self.cost, strict=True):
            used = flow > 0
            total += float((flow[used] * cost[used]).sum())
        return total

    def is_complete(self) -> bool:
        """Whether all demand has a path."""
        return bool((np.diff(self.paths.ptr) > 0)[self.demand > 0].all())

    def share_without_path(self) -> float:
        """Share of the demand whose pair has no path."""
        return float(self.demand[np.diff(self.paths.ptr) == 0].sum()) / max(float(self.demand.sum()), 1e-300)

    def sweep(self) -> float:
        """Cheapest ways of all pairs: the gap of the flow as it stands, then new paths where they are cheaper."""
        total = self.total_cost()
        has_path = np.diff(self.paths.ptr) > 0
        complete = bool(has_path[self.demand > 0].all())
        if float(self.demand[~has_path].sum()) <= NEW_SHARE * float(self.demand.sum()):
            ways = [self.hierarchy.ways(cost) for cost in self.cost]
            found = each_block(lambda part: self._find(part, ways[part.group]), self.parts)
        else:
            found = []
            for part in self.parts:
                found.append(self._find(part, self.hierarchy.ways(self.cost[part.group])))
                ptr = np.concatenate(([0], np.cumsum(found[-1][1])))
                # The next origins see what these load.
                load_new(self.demand[part.pairs], has_path[part.pairs], ptr, found[-1][2], self.flow)
                update_links(self.parameter, self.fixed, self.flow, self.cost, self.slope)
        if not found:
            return 0.0
        cheapest, length, slot = (np.concatenate(part) for part in zip(*found, strict=True))
        self._check_reached(cheapest)
        self._new = (np.concatenate((np.zeros(1, np.int64), np.cumsum(length))), slot)
        if not complete:
            self.take_new_paths()
            return np.inf
        shortest = float((self.demand[self.demand > 0] * cheapest[self.demand > 0]).sum())
        gap = max((total - shortest) / total, 0.0) if total > 0 else 0.0
        self.creeps, self.last_gap = gap > CREEP_SHARE * self.last_gap, gap
        return gap

    def _find(self, part: Part, ways: Ways) -> Found:
        """Cheapest costs of the pairs of a part, and new paths where they are cheaper."""
        asked = (part.pairs.start, part.row, self.destination[part.pairs], self.demand[part.pairs])
        tolerance = TOLERANCE_SHARE * self.gap
        return ways.new_paths(part.origin, self.above[part.group], asked, self.paths, tolerance)

    def _check_reached(self, cheapest: F64) -> None:
        """Every pair with demand has a way; else an error that names class and zones."""
        missing = self.pair[np.isinf(cheapest) & (self.demand > 0)]
        if not len(missing):
            return
        faults: list[Fault | str] = []
        for k, name in enumerate(self.classes.name):
            place = missing[missing // self.pair_count == self.group[k]] % self.pair_count
            where = np.column_stack(np.divmod(place, len(self.zone_node)))
            where = where[self.class_demand[k][where[:, 0], where[:, 1]] > 0]
            faults += unreachable(where, self.class_demand[k], name if len(self.classes) > 1 else "")
        raise NetworkError(faults)

    def take_new_paths(self) -> None:
        """Drop paths without flow, add the new ones, and settle the flow."""
        self.merge_new_paths()
        self._settle_flow()

    def merge_new_paths(self) -> None:
        """Drop paths without flow and add the new ones, which change the flow of pairs that had none."""
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

    def _clear_new(self) -> None:
        """No new paths wait to be merged."""
        self._new = (np.zeros(len(self.pair) + 1, np.int64), np.empty(0, np.int32))

    def shift(self, relative_gap: float) -> None:
        """Shift flow between the paths of each pair until little is left to gain before the next sweep."""
        self.take_new_paths()
        aim = PASS_GAP_SHARE * max(self.gap, min(relative_gap, 1.0))
        self.spread(aim)
        if self.creeps:
            self._move_together(aim)

    def spread(self, aim: float) -> None:
        """Shifts between known paths, empty ones too, until the excess among them is some share of all cost, or many passes."""
        mark = np.empty((2, self.problem.n_links), np.int64)
        path_cost = np.empty(int(np.diff(self.paths.ptr).max(initial=1)))
        links = (self.parameter, self.fixed, self.flow, self.cost, self.slope)
        for _ in range(PASS_COUNT):
            excess = shift_flows(
                self.paths, self.group_ptr, links, TOLERANCE_SHARE * self.gap, mark, path_cost
            )
            if excess <= aim * self.total_cost():
                break
        self._settle_flow()

    def _move_together(self, aim: float) -> None:
        """Newton steps of all pairs, for as long as they gain and are worth their time."""
        links = (self.parameter, self.fixed, self.flow, self.cost, self.slope)
        budget = max(NEWTON_LEAST, NEWTON_WORK // max(len(self.paths.slot), 1))
        for _ in range(NEWTON_COUNT):
            length, excess, used = newton_step(self.paths, self.group_ptr, links, budget)
            self._settle_flow()
            budget -= used
            if length == 0.0 or budget <= 0 or excess <= aim * self.total_cost():
                break

    def class_flow(self) -> F64:
        """Vehicles of each class on each link in the rows of the problem [vehicles/h], shape (classes, links).

        Classes of a group are on its paths in the shares of their demand. Flow closes at every node.
        """
        problem, out = self.problem, np.zeros((len(self.classes), self.problem.n_links))
        pair_of_path = np.repeat(np.arange(len(self.pair)), np.diff(self.paths.ptr))
        for k in range(len(self.classes)):
            group = int(self.group[k])
            if not self.class_demand[k].any():
                continue
            if (self.group == group).sum() == 1 and self.classes.pcu[k] == 1.0:
                out[k, problem.order] = self.group_flow[group]
            else:
                own = self.class_demand[k].ravel()[self.pair % self.pair_count]
                share = np.divide(own, self.demand, out=np.zeros(len(own)), where=self.demand > 0)
                flow = np.empty(problem.n_links)
                load_paths(self._paths_of(group, self.paths.flow * share[pair_of_path]), flow)
                out[k, problem.order] = flow
            name = f" of class {self.classes.name[k]}" if len(self.classes) > 1 else ""
            _check_closure(problem, out[k], self.zone_node, self.class_demand[k], name)
        return out

    def state(self) -> RoadState:
        """Paths and shares for a next call."""
        paths = shares(self.paths, self.demand)
        return RoadState(self.problem.digest(self.zone_node), self.pair, paths, self.group, self.pair_count)


def _distinct(number: I32) -> I32:
    """Numbers that occur, each once, ascending; none is large, so that counting beats sorting."""
    return np.flatnonzero(np.bincount(number)).astype(np.int32)


def _check_closure(problem: RoadProblem, flow: F64, zone_node: I32, demand: F64, name: str) -> None:
    """At every node: what flows in and starts there flows out or ends there."""
    n = problem.n_nodes
    balance = np.zeros(n)
    # Counts of nothing are whole numbers even with weights.
    balance += np.bincount(problem.head, flow, n)
    balance -= np.bincount(problem.tail, flow, n)
    balance += np.bincount(zone_node, demand.sum(axis=1), n) - np.bincount(zone_node, demand.sum(axis=0), n)
    worst = int(np.abs(balance).argmax())
    if not abs(balance[worst]) <= CLOSURE * max(float(demand.sum()), 1.0):
        raise ConservationError(
            f"road assignment: node {worst} gains {balance[worst]:.6g} vehicles/h{name} of {demand.sum():.6g}; "
            "flow must close at every node"
        )


def unreachable(pair: NDArray[np.int64], demand: F64, name: str = "") -> list[Fault]:
    """One fault a pair that has demand and no way; the first five, with the count of all."""
    who = f" of class {name}" if name else ""
    return [
        Fault(
            WHERE, f"demand{who} from zone {origin} to zone {destination} (one of {len(pair)} such pairs)",
            "a way over open links", f"{demand[origin, destination]:.6g} vehicles/h and no way",
        )
        for origin, destination in pair[:5]
    ]  # fmt: skip
