"""A network from a file as the spatial queue takes it, and what the queue gives as link results and moves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.networks.city import F64, I32
from transport_abm.networks.formats.link_results import VEHICLESH, LinkResults, build_link_results
from transport_abm.networks.formats.matsim_events import VehicleMoves
from transport_abm.networks.formats.road_file import RoadFile
from transport_abm.networks.queues.day import QueueDay
from transport_abm.networks.queues.kernels_links import CS
from transport_abm.networks.queues.network import QueueNetwork, QueueRules, build_queue_network
from transport_abm.networks.queues.plans import Plans


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
    try:
        return build_queue_network(
            problem.tail, problem.head, problem.n_nodes, roads.length_m, problem.free_time_s, problem.capacity_pcuh,
            lanes, rules=rules, packet=packet,
        )  # fmt: skip
    except NetworkError as error:
        raise NetworkError([_named(fault, roads) for fault in error.faults]) from None


def _named(fault: Fault | str, roads: RoadFile) -> Fault | str:
    """A fault of the queue's columns with the file and its name of the link in place of the row."""
    if not isinstance(fault, Fault):
        return fault
    column, row, number = fault.field.partition(" links from row ")
    field = f"{column} links from link {roads.link_name[int(number)]}" if row else fault.field
    return replace(fault, file=roads.name, field=field)


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


def queue_moves(day: QueueDay, plans: Plans, start_link: I32) -> VehicleMoves:
    """Legs of a day as they were driven.

    Parameters
    ----------
    day
        A day of which a trace was kept.
    plans
        Its vehicles and legs.
    start_link
        By leg: link at whose head the vehicle stood before it; -1 where it came onto the tail of its first link.

    Returns
    -------
    VehicleMoves
        Legs that began, with the links that they came onto; times in the seconds in which they fall.

    Raises
    ------
    NetworkError
        If no trace was kept.
    """
    if not day.state.keeps_trace:
        raise NetworkError(
            Fault("day of the spatial queue", "trace", "one kept by run_day(trace=True)", "none")
        )
    trace = day.state.trace
    count = np.bincount(trace[:, 0], minlength=plans.n_legs)
    # A vehicle that stood nowhere and never came onto its first link has nothing to tell.
    told = np.flatnonzero((day.departure_cs >= 0) & ((count > 0) | (start_link >= 0)))
    # Moves of one leg are in order already.
    order = np.argsort(trace[:, 0], kind="stable")
    vehicle = np.repeat(np.arange(plans.n_vehicles, dtype=np.int32), np.diff(plans.leg_indptr))
    return VehicleMoves(
        vehicle=vehicle[told],
        start_link=start_link[told],
        depart_s=day.departure_cs[told] // CS,
        arrive_s=np.where(day.arrival_cs[told] >= 0, day.arrival_cs[told] // CS, -1),
        route_indptr=np.concatenate((np.zeros(1, np.int64), np.cumsum(count[told]))),
        link=trace[order, 1],
        enter_s=trace[order, 2] // CS,
    )
