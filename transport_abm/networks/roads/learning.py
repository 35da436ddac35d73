"""What drivers expect of roads, learnt from day to day, and the routes that follow.

Drivers expect a link at flow ``x`` to take ``t0 (1 + b (x / C) ** p)``. At first ``b`` is what nobody has to learn: at its
capacity a link costs a little delay, far beyond it very much, as queues do. After a day on which the link took ``t`` at
the flow ``x``, the day says ``b = (t / t0 - 1) / (x / C) ** p``, and the expectation moves towards it by a weight, in
logarithms, since delays of queues differ by orders of size. The routes of the next day are an equilibrium of what is
expected (``assignment``), reached in a few sweeps from the routes of the day before. Nothing here decides the times: they
are those of the day that is then driven; a good expectation only spares days.

After Cantarella and Cascetta (1995, Transportation Science 29, 305-329), who let costs be learnt by exponential filters.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from transport_abm.networks.city import F64, I32, Bool
from transport_abm.networks.roads.assignment import working_threads
from transport_abm.networks.roads.equilibrium import Equilibrium
from transport_abm.networks.roads.road_classes import RoadClasses
from transport_abm.networks.roads.road_problem import RoadProblem
from transport_abm.networks.roads.road_state import RoadState

LEAST_LOAD = 0.2
"""Flow over capacity below which a day says nothing about how a link answers to flow [1]."""


def first_expectation(problem: RoadProblem, limited: Bool, *, delay_s: float) -> F64:
    """What is expected of links that nobody has driven in a queue.

    Parameters
    ----------
    problem
        Links.
    limited
        By link: True where flow is limited by a capacity, as connectors and free turns are not.
    delay_s
        Delay of a link whose flow equals its capacity [s].

    Returns
    -------
    F64
        ``b`` by link [1]; 0 where the time does not depend on flow.
    """
    time = problem.free_time_s
    with np.errstate(divide="ignore"):
        return np.where(limited & np.isfinite(time) & (time > 0), delay_s / time, 0.0)


def expected_problem(
    problem: RoadProblem, expectation: F64, capacity_pcuh: F64, *, power: float
) -> RoadProblem:
    """The links with the costs that drivers expect.

    Parameters
    ----------
    problem
        Links.
    expectation
        ``b`` by link.
    capacity_pcuh
        Capacity that is left to those who choose their ways [pcu/h].
    power
        ``p``, 1 or more.

    Returns
    -------
    RoadProblem
        To be assigned.
    """
    return replace(
        problem,
        bpr_scale=expectation,
        bpr_power=np.where(expectation > 0, power, 1.0),
        capacity_pcuh=capacity_pcuh,
        preload_pcuh=np.zeros(problem.n_links),
    )


def expected_routes(
    problem: RoadProblem, zone_node: I32, demand: F64, classes: RoadClasses, state: RoadState | None,
    *, gap: float, sweeps: int,
) -> tuple[RoadState, F64]:  # fmt: skip
    """Routes near an equilibrium of what is expected, from those of the day before.

    Parameters
    ----------
    problem
        Links as ``expected_problem`` gives them.
    zone_node
        Node of each zone.
    demand
        [vehicles/h], shape (classes, zones, zones).
    classes
        Classes of vehicles and what they pay.
    state
        Routes of the day before; None on the first day.
    gap
        Relative gap at which to stop.
    sweeps
        Most sweeps of all cheapest ways, each followed by shifts of trips to cheaper routes.

    Returns
    -------
    state, flow
        Routes, and their flow by link of the problem [pcu/h].

    Raises
    ------
    NetworkError
        If a pair with demand has no way over open links.
    """
    nodes = np.array(zone_node, np.int32)
    with working_threads(problem, nodes):
        work = Equilibrium(problem, nodes, demand, classes, gap, state)
        for _ in range(sweeps):
            reached = work.sweep()
            if reached <= gap:
                break
            work.shift(reached)
        if not work.is_complete():
            work.sweep()
        flow = np.empty(problem.n_links)
        flow[problem.order] = work.flow
    return work.state(), flow


def learn(
    expectation: F64, problem: RoadProblem, flow_pcuh: F64, time_s: F64, *, least: F64, power: float, weight: float
) -> F64:  # fmt: skip
    """What is expected after a day.

    Parameters
    ----------
    expectation
        ``b`` by link before the day.
    problem
        Links as ``expected_problem`` gives them.
    flow_pcuh
        Flow that wanted to use each link in the day [pcu/h].
    time_s
        Time that the day took on each link [s].
    least
        ``b`` below which no day brings it: the first expectation.
    power
        ``p``.
    weight
        Weight of the day, 0 to 1.

    Returns
    -------
    F64
        ``b`` after the day; 0 stays 0.
    """
    limited = expectation > 0
    load = flow_pcuh[limited] / problem.capacity_pcuh[limited]
    free_s = problem.free_time_s[limited]
    told = np.where(
        load > LEAST_LOAD, (time_s[limited] / free_s - 1.0) / np.maximum(load, LEAST_LOAD) ** power, 0.0
    )
    told = np.maximum(told, least[limited])
    out = expectation.copy()
    out[limited] = np.exp((1.0 - weight) * np.log(expectation[limited]) + weight * np.log(told))
    return out


def route_gap(
    problem: RoadProblem, time_s: F64, zone_node: I32, demand: F64, classes: RoadClasses, state: RoadState
) -> tuple[float, float]:
    """How much of their cost drivers could have saved on a day.

    Parameters
    ----------
    problem
        Links; of their costs only the fixed part counts.
    time_s
        Time of the day on each link [s]; infinite where closed.
    zone_node
        Node of each zone.
    demand
        Vehicles by class and pair of zones, in any unit.
    classes
        Classes of vehicles and what they pay.
    state
        Routes of the day.

    Returns
    -------
    gap, spent
        (sum x c - sum d u) / sum x c, with ``u`` the cost of the cheapest way at these times [1]; sum x c [vehicle s].

    Raises
    ------
    NetworkError
        If a pair with demand has no way over open links.
    """
    nothing = np.zeros(problem.n_links)
    met = replace(problem, free_time_s=time_s, bpr_scale=nothing, bpr_power=nothing, preload_pcuh=nothing)
    nodes = np.array(zone_node, np.int32)
    with working_threads(problem, nodes):
        work = Equilibrium(met, nodes, demand, classes, 1.0, state)
        spent = work.total_cost()
        return work.sweep(), spent
