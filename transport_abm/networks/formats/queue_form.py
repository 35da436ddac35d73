"""A network from a file as the spatial queue takes it, and what the queue gives as link results."""

from __future__ import annotations

import numpy as np

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.networks.city import F64
from transport_abm.networks.formats.link_results import VEHICLESH, LinkResults, build_link_results
from transport_abm.networks.formats.road_file import RoadFile
from transport_abm.networks.queues.day import QueueDay
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


def queue_link_results(day: QueueDay, network: QueueNetwork, length_m: F64, *, year: int) -> LinkResults:
    """Flows and mean times of a day in the queue, by bin and link.

    Parameters
    ----------
    day
        What the queue gave.
    network
        Its links.
    length_m
        Length by link [m].
    year
        Simulated year [year].

    Returns
    -------
    LinkResults
        Vehicles per hour that came onto each open link in each bin, and the mean time of those that have left it.
    """
    width_s = 60 * day.bin_min
    flow: F64 = np.asarray(day.entered * (3600.0 / width_s), np.float64)
    time: F64 = np.asarray(day.mean_time_s(network), np.float64)
    bins = [(width_s * k, width_s * (k + 1)) for k in range(len(day.entered))]
    return build_link_results(
        network.tail, network.head, length_m, bins, flow, time,
        year=year, flow_unit=VEHICLESH,
    )  # fmt: skip
