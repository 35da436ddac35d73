"""Static user equilibrium of road traffic.

Every pair's used paths cost the same and no path costs less (Wardrop 1952). With link cost ``c(x)`` rising in
flow this is the minimum of the sum of the integrals of ``c`` (Beckmann et al. 1956). Solved by gradient
projection on paths (Jayakrishnan et al. 1994), helped by Newton steps where it creeps, with new paths from
sweeps of all cheapest ways (``hierarchy``), until the relative gap ``(sum x c - sum d u) / sum x c`` is small:
``u`` is the cost of a pair's cheapest path at the costs of flow ``x``. A state of an earlier call starts the
next one: its paths take the new demand in the old shares. Classes of vehicles may pay different fixed costs and
find other links closed (``road_classes``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.networks.city import F32, F64, I32
from transport_abm.networks.roads.equilibrium import Equilibrium, unreachable
from transport_abm.networks.roads.hierarchy import hierarchy_of
from transport_abm.networks.roads.road_classes import RoadClasses, class_faults, one_class
from transport_abm.networks.roads.road_problem import WHERE, RoadProblem, link_time_s
from transport_abm.networks.roads.road_state import RoadState

__all__ = [
    "RoadClasses",
    "RoadFlows",
    "RoadProblem",
    "RoadState",
    "assign_all_or_nothing",
    "assign_roads",
    "link_time_s",
    "skim_roads",
]

SMALL_WORK = 1_000_000
"""Zones times links below which one thread is faster than the hand-over to several."""
MOST_COST = 1e290
"""Largest cost that all demand on one link may come to; sums over links of larger ones would not be finite."""
MOST_NAMED = 5
"""Pairs or zones named of one kind of fault; all are counted."""

NEXT_TO_NOTHING = 1e-10
"""Share of the least cost of a link."""


@dataclass(frozen=True)
class RoadFlows:
    """Result of an assignment, by link in the rows of the problem."""

    flow_pcuh: F64
    """Flow of all classes without the preload [pcu/h]."""
    time_s: F64
    """Time; infinite where the link is closed [s]."""
    cost_s: F64
    """Time and the problem's fixed cost, without what a class pays beyond it [s]."""
    class_flow_vehh: F64
    """Vehicles of each class: shape (classes, links) [vehicles/h]."""
    relative_gap: float
    """(sum x c - sum d u) / sum x c over all classes in pcu, of this flow; infinite if no sweep was left to measure
    it."""
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
    classes: RoadClasses | None = None,
) -> RoadFlows:
    """Flows at which no trip would gain by another way.

    Parameters
    ----------
    problem
        Links and their cost functions.
    zone_node
        Node of each zone.
    demand
        [vehicles/h], shape (classes, zones, zones), origin first; without classes (zones, zones) [pcu/h]. The
        diagonal, and pairs whose zones share a node, use no link.
    gap
        Relative gap at which to stop.
    max_iterations
        Most sweeps of all cheapest ways.
    state
        State of an earlier call with the same links, zones and number of classes; times, tolls, closures and
        demand may differ.
    classes
        Classes of vehicles; cars alone where not given.

    Returns
    -------
    RoadFlows
        Flow, time and cost by link, the gap reached, and the state for a next call.

    Raises
    ------
    NetworkError
        If demand is not finite, negative, too much to be computed or cannot get to its destination, if a zone's
        node is outside the network, if a class has a pcu or cost that cannot be, or if the state belongs to other
        links, zones or classes. All faults are named, with their class.
    ConservationError
        If flow of a class is lost or made at a node.

    Notes
    -----
    Method: Jayakrishnan, Tsai, Prashker and Rajadhyaksha (1994), Transportation Research Record 1443, 75-83.
    Checked by V-01, V-03 and V-05. The same bits come out on any number of threads.
    """
    who = one_class(problem) if classes is None else classes
    wanted = np.asarray(demand, np.float64)
    wanted = wanted[None] if classes is None else wanted
    names = who.name if classes is not None else ("",)
    faults = class_faults(problem, who) + _demand_faults(
        problem, zone_node, wanted, gap, max_iterations, names
    )
    if not faults:
        faults += _cost_at_most(problem, wanted, who)
    nodes = np.array(zone_node, np.int32)
    if not faults and state is not None:
        if state.digest != problem.digest(nodes):
            faults.append(Fault(WHERE, "state", "paths on the same links and zones", "a state of others"))
        if len(state.group) != len(who):
            faults.append(Fault(WHERE, "state", f"{len(who)} classes", f"a state of {len(state.group)}"))
    if faults:
        raise NetworkError(faults)
    with working_threads(problem, nodes):
        work = Equilibrium(problem, nodes, wanted, who, gap, state)
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
        flow = np.empty(problem.n_links)
        flow[problem.order] = work.flow
        time = link_time_s(problem, flow)
        return RoadFlows(
            flow, time, time + problem.fixed_cost_s, work.class_flow(), float(relative_gap), iteration,
            bool(relative_gap <= gap), work.state(),
        )  # fmt: skip


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
    faults = _demand_faults(problem, zone_node, np.asarray(demand, np.float64)[None], 1.0, 1, ("",))
    faults += _cost_faults(problem, link_cost_s)
    if faults:
        raise NetworkError(faults)
    nodes = np.array(zone_node, np.int32)
    cost, _ = _nothing_free(np.asarray(link_cost_s, np.float64)[problem.order])
    with working_threads(problem, nodes):
        part, total = hierarchy_of(problem.graph).ways(cost).load(nodes, demand)
    if not np.isfinite(total):
        reach = skim_roads(problem, link_cost_s, nodes, np.empty((0, problem.n_links)))[0]
        if len(lost := np.argwhere((np.asarray(demand) > 0) & np.isinf(reach))):
            raise NetworkError(unreachable(lost, np.asarray(demand)))
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
    cost, least = _nothing_free(np.asarray(link_cost_s, np.float64)[problem.order])
    with working_threads(problem, nodes):
        out = hierarchy_of(problem.graph).ways(cost).skim(nodes, attribute[:, problem.order])
    if least > 0.0:
        # Ways over links that cost nothing alone.
        out[0, out[0] < 0.5 * least] = 0.0
    return out


def _nothing_free(cost_s: F64) -> tuple[F64, float]:
    """Costs in which links that cost nothing cost next to nothing, and the least cost of the others; 0 without such links.

    Else the sums along trees of cheapest ways could go round in them. In single precision no sum shows the difference.
    """
    free = cost_s == 0.0
    if not free.any():
        return cost_s, 0.0
    least = float(cost_s.min(initial=1.0, where=(cost_s > 0.0) & np.isfinite(cost_s)))
    return np.where(free, NEXT_TO_NOTHING * least, cost_s), least


@contextmanager
def working_threads(problem: RoadProblem, zone_node: I32) -> Iterator[None]:
    """One thread for small work, as many as allowed for the rest; results do not depend on it."""
    before = numba.get_num_threads()
    if problem.n_links * len(zone_node) < SMALL_WORK:
        numba.set_num_threads(1)
    try:
        yield
    finally:
        numba.set_num_threads(before)


def _node_faults(problem: RoadProblem, zone_node: I32) -> list[Fault | str]:
    """Zones whose node is not in the network."""
    node = np.asarray(zone_node)
    if node.ndim != 1 or node.dtype.kind not in "iu":
        return [Fault(WHERE, "zone_node", "whole numbers, one a zone", f"{node.dtype} {node.shape}")]
    bad = np.flatnonzero((node < 0) | (node >= problem.n_nodes))
    expected = f"a node from 0 to {problem.n_nodes - 1}"
    return [
        Fault(WHERE, f"zone_node of zone {zone}{_one_of(bad, 'zones')}", expected, str(node[zone]))
        for zone in bad[:MOST_NAMED]
    ]


def _one_of(bad: NDArray[np.int64], what: str) -> str:
    """How many there are, where not all of them are named."""
    return f" (one of {len(bad)} such {what})" if len(bad) > MOST_NAMED else ""


def _cost_at_most(problem: RoadProblem, demand: F64, classes: RoadClasses) -> list[Fault | str]:
    """Links that would cost more than a number can hold if all demand took them; such a cost looks like a closure."""
    with np.errstate(over="ignore", invalid="ignore"):
        total = float((demand.sum(axis=(1, 2)) * classes.pcu).sum())
        cost = (link_time_s(problem, np.full(problem.n_links, total)) + problem.fixed_cost_s) * total
    bad = np.flatnonzero(~(cost <= MOST_COST) & np.isfinite(problem.free_time_s))
    if not len(bad):
        return []
    k = bad[0]
    where = f"demand, capacity and power, {len(bad)} links from row {k}"
    got = f"{total:g} pcu/h, {problem.capacity_pcuh[k]:g} pcu/h and {problem.bpr_power[k]:g}"
    return [Fault(WHERE, where, "a cost that can be computed if all demand takes the link", got)]


def _cost_faults(problem: RoadProblem, link_cost_s: F64) -> list[Fault | str]:
    """Link costs of the wrong shape, negative or not a number."""
    if np.shape(link_cost_s) != (problem.n_links,):
        return [Fault(WHERE, "link_cost_s", f"shape ({problem.n_links},)", str(np.shape(link_cost_s)))]
    bad = np.flatnonzero(~(np.asarray(link_cost_s) >= 0))
    return [
        Fault(WHERE, f"link_cost_s of link {k}", "0 or more", repr(float(link_cost_s[k])))
        for k in bad[:MOST_NAMED]
    ]


def _demand_faults(
    problem: RoadProblem, zone_node: I32, demand: F64, gap: float, max_iterations: int, names: tuple[str, ...]
) -> list[Fault | str]:
    """Everything that is wrong with what is to be assigned; demand has a matrix a class."""
    faults = _node_faults(problem, zone_node)
    n_zones = len(np.atleast_1d(zone_node))
    if demand.shape != (len(names), n_zones, n_zones):
        axes = f"({n_zones}, {n_zones})" if names == ("",) else f"({len(names)}, {n_zones}, {n_zones})"
        got = demand.shape[1:] if names == ("",) else demand.shape
        faults.append(Fault(WHERE, "demand", f"shape {axes}", str(got)))
    else:
        for name, part in zip(names, demand, strict=True):
            who = f" of class {name}" if name else ""
            bad = np.argwhere(~((part >= 0) & np.isfinite(part)))
            for origin, destination in bad[:MOST_NAMED]:
                where = f"demand{who} from zone {origin} to zone {destination}{_one_of(bad, 'pairs')}"
                got_one = repr(float(part[origin, destination]))
                faults.append(Fault(WHERE, where, "0 or more [vehicles/h]", got_one))
    if not gap > 0:
        faults.append(Fault(WHERE, "gap", "more than 0", repr(gap)))
    if not max_iterations >= 1:
        faults.append(Fault(WHERE, "max_iterations", "1 or more", repr(max_iterations)))
    return faults
