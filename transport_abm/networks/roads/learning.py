"""Routes learnt from day to day: drivers leave a route the more readily, the more it costs above the cheapest one.

After a day at link times ``c``, of the drivers of a pair on route ``p`` the share ``min(1, r (c_p - c_min) / c_min)``
changes to the pair's cheapest route (proportional switching, Smith 1984, Transportation Science 18, 245-252), which is
found on the whole network. The others keep to theirs. Where nobody gains by another route nobody moves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from transport_abm.networks.city import F64, I32
from transport_abm.networks.roads.assignment import working_threads
from transport_abm.networks.roads.equilibrium import Equilibrium
from transport_abm.networks.roads.road_classes import RoadClasses
from transport_abm.networks.roads.road_problem import RoadProblem
from transport_abm.networks.roads.road_state import RoadState


@dataclass(frozen=True)
class LearntRoutes:
    """Routes for the next day."""

    state: RoadState
    relative_gap: float
    """(sum x c - sum d u) / sum x c of the day's routes at the day's costs."""


def learn_routes(
    problem: RoadProblem,
    time_s: F64,
    zone_node: I32,
    demand: F64,
    classes: RoadClasses,
    state: RoadState,
    *,
    rate: float,
    least_share: float,
    tolerance: float,
) -> LearntRoutes:
    """Let drivers learn from the times of a day.

    Parameters
    ----------
    problem
        Links; of their costs only the fixed part counts.
    time_s
        Time met on each link [s]; infinite where closed.
    zone_node
        Node of each zone.
    demand
        Vehicles by class and pair of zones, in any unit.
    classes
        Classes of vehicles and what they pay.
    state
        Routes of the day.
    rate
        ``r``: drivers who change for each 100 % of excess cost [1].
    least_share
        Routes with a smaller share of their pair are given up [1].
    tolerance
        A new route is taken up if it is cheaper by this share of the cost [1].

    Returns
    -------
    LearntRoutes
        Routes and shares of the next day, and how far from an equilibrium the day was.

    Raises
    ------
    NetworkError
        If a pair with demand has no way over open links.
    """
    nodes = np.array(zone_node, np.int32)
    with working_threads(problem, nodes):
        work = Equilibrium(_at(problem, time_s), nodes, demand, classes, 10.0 * tolerance, state)
        gap = work.sweep()
        if not np.isfinite(gap):
            # Pairs without a route have one now; they are measured with the others.
            gap = work.sweep()
        work.take_new_paths()
        work.switch(rate, least_share)
    return LearntRoutes(work.state(), float(gap))


def add_missing_routes(
    problem: RoadProblem, time_s: F64, zone_node: I32, demand: F64, classes: RoadClasses, state: RoadState
) -> RoadState:
    """Give pairs that have demand and no route the cheapest one; the others keep theirs.

    Parameters
    ----------
    problem, time_s, zone_node, demand, classes
        As in ``learn_routes``.
    state
        Routes that are known.

    Returns
    -------
    RoadState
        A route for every pair with demand.

    Raises
    ------
    NetworkError
        If a pair with demand has no way over open links.
    """
    nodes = np.array(zone_node, np.int32)
    with working_threads(problem, nodes):
        work = Equilibrium(_at(problem, time_s), nodes, demand, classes, 1.0, state)
        if not work.is_complete():
            work.sweep()
    return work.state()


def _at(problem: RoadProblem, time_s: F64) -> RoadProblem:
    """The links with times that do not depend on flow."""
    nothing = np.zeros(problem.n_links)
    return replace(problem, free_time_s=time_s, bpr_scale=nothing, bpr_power=nothing, preload_pcuh=nothing)
