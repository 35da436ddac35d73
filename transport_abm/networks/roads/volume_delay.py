"""Rung L0: cheapest ways and volume-delay functions, without an equilibrium.

Each day all trips take the cheapest way at the times of the day before; flows are averaged over the days (1/k), and
times follow flows by the volume-delay functions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from transport_abm.networks.city import F64, I32
from transport_abm.networks.roads.assignment import assign_all_or_nothing, link_time_s
from transport_abm.networks.roads.road_classes import RoadClasses, group_classes
from transport_abm.networks.roads.road_problem import RoadProblem


class Loaded(NamedTuple):
    """Flows after a day."""

    flow_pcuh: F64
    time_s: F64
    relative_gap: float
    """(sum x t - sum y t) / sum x t of the flows before the day, with ``y`` the flow on the cheapest ways [1]."""


def load_volume_delay(
    problem: RoadProblem, zone_node: I32, demand: F64, classes: RoadClasses, flow_pcuh: F64, time_s: F64, *, day: int
) -> Loaded:  # fmt: skip
    """One day of rung L0.

    Parameters
    ----------
    problem
        Links.
    zone_node
        Node of each zone.
    demand
        [vehicles/h], shape (classes, zones, zones).
    classes
        Classes of vehicles and what they pay.
    flow_pcuh, time_s
        Averaged flow and times by link before the day.
    day
        Number of the day, from 1: its flows weigh ``1 / day``.

    Returns
    -------
    Loaded
        Averaged flow and times after the day.

    Raises
    ------
    NetworkError
        If a pair with demand has no way over open links.
    """
    groups = group_classes(problem, classes)
    new, least = np.zeros(problem.n_links), 0.0
    for number, fixed_s in enumerate(groups.fixed_s):
        group_demand = np.tensordot(classes.pcu * (groups.group == number), demand, axes=1)
        part = assign_all_or_nothing(problem, time_s + fixed_s, zone_node, group_demand)
        used = part > 0
        new += part
        least += float((part[used] * time_s[used]).sum())
    used = flow_pcuh > 0
    spent = float((flow_pcuh[used] * time_s[used]).sum())
    flow = flow_pcuh + (new - flow_pcuh) / day
    return Loaded(
        flow, link_time_s(problem, flow), max(0.0, (spent - least) / spent) if spent > 0 else np.inf
    )
