"""A network from a file as the spatial queue takes it."""

from __future__ import annotations

import numpy as np

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.networks.formats.road_file import RoadFile
from transport_abm.networks.queues.network import QueueNetwork, QueueRules, build_queue_network


def queue_network(roads: RoadFile, rules: QueueRules, *, packet: int = 1) -> QueueNetwork:
    """Links of a file for the spatial queue.

    Parameters
    ----------
    roads
        Network.
    rules
        What all links have in common.
    packet
        Real vehicles that most simulated vehicles stand for.

    Returns
    -------
    QueueNetwork
        Rows of the file; links closed to cars keep theirs.

    Raises
    ------
    NetworkError
        If the file does not say in which unit its times or lengths are, or has no lanes; or a value is none that the
        queue can run on.
    """
    faults = [
        Fault(roads.name, field, expected, "none")
        for given, field, expected in (
            (roads.in_seconds, "unit of time", "a unit (--time-unit)"),
            (roads.in_metres, "unit of length", "a unit (--length-unit)"),
            (roads.lanes is not None, "lanes", "lanes by link, which this format does not have"),
        )
        if not given
    ]
    if faults or roads.lanes is None:
        raise NetworkError(faults)
    problem = roads.problem
    # A closed link needs no lanes in a file; the queue asks for some, and never uses them.
    lanes = np.where(roads.open, roads.lanes, 1.0)
    return build_queue_network(
        problem.tail, problem.head, problem.n_nodes, roads.length_m, problem.free_time_s, problem.capacity_pcuh,
        lanes, rules=rules, packet=packet,
    )  # fmt: skip
