"""The road assignment problem: links with their cost functions, as arrays, checked.

Cost of a link at flow ``x``: ``t0 (1 + B ((x + preload) / C) ** p) + fixed`` (Bureau of Public Roads, 1964).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.networks.city import F64, I32
from transport_abm.networks.roads.kernels_paths import Graph

WHERE = "road assignment"


@dataclass(frozen=True)
class RoadProblem:
    """Directed links and their cost functions; one row a link.

    A closed link has an infinite ``free_time_s``: it keeps its row, so that flows of different years line up.
    """

    tail: I32
    head: I32
    n_nodes: int
    free_time_s: F64
    """Time on the empty link [s]; infinite where closed."""
    capacity_pcuh: F64
    """Flow at which the time is ``1 + bpr_scale`` times the free time [pcu/h], positive."""
    bpr_scale: F64
    bpr_power: F64
    fixed_cost_s: F64
    """Cost that does not depend on flow, such as a toll [s]."""
    preload_pcuh: F64
    """Flow that takes room and does not choose its way, such as buses [pcu/h]."""
    first_through_node: int = 0
    """Nodes with a lower number are entered and left by their own zone's trips only."""
    graph: Graph = field(init=False, repr=False, compare=False)
    """Links by tail."""
    order: NDArray[np.int64] = field(init=False, repr=False, compare=False)
    """By slot of the graph: row of the link."""

    def __post_init__(self) -> None:
        faults = _faults(self)
        if faults:
            raise NetworkError(faults)
        tail = np.asarray(self.tail, np.int32)
        order = np.argsort(tail, kind="stable")
        indptr = np.zeros(self.n_nodes + 1, np.int64)
        np.cumsum(np.bincount(tail, minlength=self.n_nodes), out=indptr[1:])
        head = np.asarray(self.head, np.int32)[order]
        object.__setattr__(self, "graph", Graph(indptr, tail[order], head, int(self.first_through_node)))
        object.__setattr__(self, "order", order)

    @property
    def n_links(self) -> int:
        """Number of links, closed ones included."""
        return len(self.tail)

    def digest(self, zone_node: I32) -> str:
        """Name of the links and zones, whatever their times: paths found under one digest fit the other."""
        text = hashlib.blake2b(digest_size=16)
        for part in (self.graph.tail, self.graph.head, np.asarray(zone_node, np.int32)):
            text.update(np.ascontiguousarray(part).tobytes())
        text.update(f"{self.n_nodes} {self.first_through_node}".encode())
        return text.hexdigest()


def link_time_s(problem: RoadProblem, flow_pcuh: F64) -> F64:
    """Time on each link at a flow.

    Parameters
    ----------
    problem
        Links.
    flow_pcuh
        Flow by link without the preload [pcu/h].

    Returns
    -------
    F64
        Time by link [s]; infinite where closed.
    """
    load = (flow_pcuh + problem.preload_pcuh) / problem.capacity_pcuh
    time: F64 = problem.free_time_s * (1.0 + problem.bpr_scale * load**problem.bpr_power)
    return time


def beckmann_sum(problem: RoadProblem, flow_pcuh: F64) -> float:
    """Sum over links of the integral of cost up to the flow: what an equilibrium makes smallest.

    Parameters
    ----------
    problem
        Links.
    flow_pcuh
        Flow by link without the preload [pcu/h].

    Returns
    -------
    float
        In the problem's unit of time, times vehicles per hour; closed links add nothing.

    Notes
    -----
    Beckmann, McGuire and Winsten (1956).
    """
    power = problem.bpr_power + 1.0
    base = problem.preload_pcuh / problem.capacity_pcuh
    load = base + flow_pcuh / problem.capacity_pcuh
    rise = problem.bpr_scale * problem.capacity_pcuh / power * (load**power - base**power)
    free = np.where(np.isfinite(problem.free_time_s), problem.free_time_s, 0.0)
    return float((free * (flow_pcuh + rise) + problem.fixed_cost_s * flow_pcuh).sum())


def first_bad(name: str, value: F64, good: NDArray[np.bool_], expected: str) -> list[Fault]:
    """One fault for a column with rows that are not good."""
    bad = np.flatnonzero(~good)
    if not len(bad):
        return []
    return [Fault(WHERE, f"{name}, {len(bad)} links from row {bad[0]}", expected, repr(value[bad[0]].item()))]


def _faults(problem: RoadProblem) -> list[Fault]:
    """Everything that is wrong with the columns of a problem."""
    n = len(problem.tail)
    columns = (
        "head", "free_time_s", "capacity_pcuh", "bpr_scale", "bpr_power", "fixed_cost_s", "preload_pcuh",
    )  # fmt: skip
    faults = [
        Fault(WHERE, name, f"shape ({n},), as tail", str(np.shape(getattr(problem, name))))
        for name in columns
        if np.shape(getattr(problem, name)) != (n,)
    ]
    if faults:
        return faults
    if not 0 <= problem.first_through_node <= problem.n_nodes:
        expected = f"from 0 to {problem.n_nodes}, the number of nodes"
        faults.append(Fault(WHERE, "first_through_node", expected, str(problem.first_through_node)))
    for name in ("tail", "head"):
        node = np.asarray(getattr(problem, name))
        if node.dtype.kind not in "iu":
            faults.append(Fault(WHERE, name, "whole numbers", str(node.dtype)))
            continue
        inside = (node >= 0) & (node < problem.n_nodes)
        faults += first_bad(name, node, inside, f"a node from 0 to {problem.n_nodes - 1}")
    with np.errstate(invalid="ignore"):
        time = problem.free_time_s
        faults += first_bad("free_time_s", time, time >= 0, "0 or more, or infinite (closed)")
        value = problem.capacity_pcuh
        faults += first_bad("capacity_pcuh", value, (value > 0) & np.isfinite(value), "more than 0")
        # Between 0 and 1 the cost of an empty link would rise infinitely fast.
        value = problem.bpr_power
        good = ((value >= 1) | (value == 0)) & np.isfinite(value)
        faults += first_bad("bpr_power", value, good, "0, or 1 or more")
        for name in ("bpr_scale", "fixed_cost_s", "preload_pcuh"):
            value = getattr(problem, name)
            faults += first_bad(name, value, (value >= 0) & np.isfinite(value), "0 or more")
    return faults
