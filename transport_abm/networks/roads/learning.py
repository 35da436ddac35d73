"""What drivers expect of roads, learnt from day to day, and the routes that follow.

Drivers expect a link at flow ``x`` of their own hours to take ``f + g (x / C) ** p``. At first ``f`` is the empty link's
time, and ``g`` what nobody has to learn: at its capacity a link costs a little delay, far beyond it very much, as queues
do. After a day on which it took ``t`` at the load ``x / C``, part of the delay is laid to that flow, as much as the load
and at most all of it; the rest was there without it, since queues of other hours or of links ahead make it. So

    g = share (t - t0) / (x / C) ** p        f = t - g (x / C) ** p

says at the day's flow exactly what the day said. Expectations move towards it by a weight, ``g`` in logarithms, since
delays of queues differ by orders of size. The routes of the next day are an equilibrium of what is expected
(``assignment``), reached in a few sweeps from the routes of the day before. Nothing here decides the times: they are
those of the day that is then driven, and days that repeat are expected as they are; a good expectation only spares days.

After Cantarella and Cascetta (1995, Transportation Science 29, 305-329), who let costs be learnt by exponential filters.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from transport_abm.networks.city import F64, I32, Bool
from transport_abm.networks.roads.assignment import working_threads
from transport_abm.networks.roads.equilibrium import Equilibrium
from transport_abm.networks.roads.road_classes import RoadClasses
from transport_abm.networks.roads.road_problem import RoadProblem
from transport_abm.networks.roads.road_state import RoadState

LEAST_LOAD = 0.2
"""Flow over capacity below which none of a link's delay is laid to that flow [1]."""
SLIGHT_DELAY = 0.1
"""Part of the empty link's time that its flow is always believed to cost, or more flow would seem to cost nothing [1]."""

MANY_NEW = 0.02
"""Share of the demand between pairs without a route from which routes are sought as on a first day [1]. In the bundled city (1 %
of the people) a new year brings 4 to 16 %, by movers and new jobs, a choice of modes within a later year less than 1 %."""


class Expectation(NamedTuple):
    """What drivers expect of each link: ``fixed_s + growing_s (x / C) ** p``."""

    fixed_s: F64
    """Time whatever their own flow [s]; infinite where closed."""
    growing_s: F64
    """Delay where their flow is at capacity [s]; 0 where the time does not depend on it."""


def first_expectation(problem: RoadProblem, limited: Bool, *, delay_s: float) -> Expectation:
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
    Expectation
        The empty link's time, and ``delay_s`` where flow is limited: also on links that are closed, and may open.
    """
    return Expectation(
        problem.free_time_s.copy(), np.where(limited & (problem.free_time_s > 0), delay_s, 0.0)
    )


def first_powers(power: float) -> list[float]:
    """Powers at which routes are found, one after the other, where nobody has any yet.

    On empty roads with steep delays at once, all flee from the link that is full to the next, and hardly a sweep of cheapest
    ways brings them nearer to an equilibrium; with flat delays they spread in a few sweeps, and a steeper power then
    finds them spread.

    Parameters
    ----------
    power
        ``p``, 1 or more.

    Returns
    -------
    list
        1, 2, 4 and so on below ``p``, then ``p``.
    """
    doubled = range(math.ceil(math.log2(power)))
    return [*(float(2**k) for k in doubled), power]


def expected_problem(
    problem: RoadProblem, expectation: Expectation, capacity_pcuh: F64, *, power: float
) -> RoadProblem:
    """The links with the costs that drivers expect.

    Parameters
    ----------
    problem
        Links.
    expectation
        What drivers expect.
    capacity_pcuh
        Capacity that is left to those who choose their ways [pcu/h].
    power
        ``p``, 1 or more.

    Returns
    -------
    RoadProblem
        To be assigned.
    """
    fixed_s, growing_s = expectation
    # A link that was closed since the day is closed, one that was opened is new to all.
    fixed_s = np.where(np.isfinite(problem.free_time_s) & np.isfinite(fixed_s), fixed_s, problem.free_time_s)
    grows = (growing_s > 0) & np.isfinite(fixed_s)
    return replace(
        problem,
        free_time_s=fixed_s,
        bpr_scale=np.divide(growing_s, fixed_s, out=np.zeros(len(fixed_s)), where=grows),
        bpr_power=np.where(grows, power, 1.0),
        capacity_pcuh=capacity_pcuh,
        preload_pcuh=np.zeros(problem.n_links),
    )


def expected_routes(
    problem: RoadProblem, zone_node: I32, demand: F64, classes: RoadClasses, state: RoadState | None,
    *, gap: float, sweeps: int, new_sweeps: int = 0,
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
        Routes of the day before, with those that ``route_gap`` found; None on the first day.
    gap
        Relative gap at which to stop.
    sweeps
        Most sweeps of all cheapest ways, each followed by shifts of trips to cheaper routes.
    new_sweeps
        The same where many trips go between pairs that had no route: on one way each they would crowd it.

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
        work = Equilibrium(problem, nodes, demand, classes, gap, state, empty_too=True)
        new = work.share_without_path()
        if new > 0.0:
            work.sweep()
        # Drivers know their ways and those that would have been the best of the day before.
        work.spread(gap)
        for _ in range(max(sweeps, new_sweeps) if new > MANY_NEW else sweeps):
            reached = work.sweep()
            if reached <= gap:
                break
            work.shift(reached)
        flow = np.empty(problem.n_links)
        flow[problem.order] = work.flow
    return work.state(), flow


def learn(
    expectation: Expectation, problem: RoadProblem, capacity_pcuh: F64, flow_pcuh: F64, time_s: F64,
    *, delay_s: float, power: float, weight: float,
) -> Expectation:  # fmt: skip
    """What is expected after a day.

    Parameters
    ----------
    expectation
        What was expected before it.
    problem
        Links; read: the times of the empty ones.
    capacity_pcuh
        Capacity that is left to those who choose their ways [pcu/h].
    flow_pcuh
        Flow that wanted to use each link in the day [pcu/h].
    time_s
        Time that the day took on each link [s].
    delay_s
        Most that a link without a queue is believed to cost at its capacity [s].
    power
        ``p``.
    weight
        Weight of the day, 0 to 1.

    Returns
    -------
    Expectation
        After the day. Links whose time does not depend on flow, and closed ones, keep theirs.
    """
    told = (expectation.growing_s > 0) & np.isfinite(problem.free_time_s) & np.isfinite(time_s)
    empty_s, time, before = problem.free_time_s[told], time_s[told], expectation.growing_s[told]
    load = flow_pcuh[told] / capacity_pcuh[told]
    power_of_load = np.maximum(load, LEAST_LOAD) ** power
    share = np.where(load > LEAST_LOAD, np.minimum(load, 1.0), 0.0)
    least = np.minimum(delay_s, SLIGHT_DELAY * empty_s / power_of_load)
    growing = np.maximum(share * (time - empty_s) / power_of_load, least)
    fixed = time - growing * np.minimum(load**power, power_of_load)
    old_s = np.where(np.isfinite(expectation.fixed_s[told]), expectation.fixed_s[told], fixed)
    out = Expectation(expectation.fixed_s.copy(), expectation.growing_s.copy())
    out.growing_s[told] = np.exp((1.0 - weight) * np.log(before) + weight * np.log(growing))
    out.fixed_s[told] = (1.0 - weight) * old_s + weight * fixed
    return out


def route_gap(
    problem: RoadProblem, time_s: F64, zone_node: I32, demand: F64, classes: RoadClasses, state: RoadState
) -> tuple[float, float, RoadState]:
    """How much of their cost drivers could have saved on a day, and on which routes.

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
    gap, spent, state
        (sum x c - sum d u) / sum x c, with ``u`` the cost of the cheapest way at these times [1]; sum x c [vehicle s];
        the routes, and empty ones where a pair had a cheaper way.

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
        gap = work.sweep()
        work.merge_new_paths()
        return gap, spent, work.state()
