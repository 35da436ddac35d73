"""Rungs of road traffic beside the static equilibrium (L1): one network, one demand, one set of outputs.

L0, volume-delay: all trips of a period take the cheapest way at the present times, flows are averaged with those of
earlier days (1/k), and times follow flows by the volume-delay functions. No equilibrium is sought.

L2, spatial queue: every car, taxi and van trip of the day is a vehicle (or part of a packet) that drives on links with
a flow capacity and room for so many vehicles; queues spill back. Times of the day's quarter hours become times of the
periods, by which drivers learn (``roads.learning``). The static equilibrium gives the first day's routes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from transport_abm.core.vocabulary import Period
from transport_abm.networks.city import F64, I32, City
from transport_abm.networks.queues.day import QueueDay, run_day
from transport_abm.networks.queues.kernels_links import CS
from transport_abm.networks.queues.network import QueueNetwork, build_queue_network, queue_rules
from transport_abm.networks.queues.plans import Plans, Routes, VehicleKinds, build_routes
from transport_abm.networks.queues.vehicles import draw_packets, hour_of_day, period_hours
from transport_abm.networks.roads.assignment import assign_all_or_nothing, assign_roads, link_time_s
from transport_abm.networks.roads.learning import add_missing_routes, learn_routes
from transport_abm.networks.roads.road_classes import RoadClasses, group_classes
from transport_abm.networks.roads.road_problem import RoadProblem
from transport_abm.networks.roads.road_state import RoadState
from transport_abm.policy.inputs import YearInputs

BIN_MIN = 15
BINS_H = 60 // BIN_MIN
END_H = 30
"""The day is followed until two hours into the next one, so that its last trips arrive."""
NEW_ROUTE_SHARE = 0.1
"""A new route must be cheaper by this share of the wanted gap."""
LEAST_LEFT = 0.1
"""Share of a link's capacity that buses leave to others at least [1]."""
WARM_GAP = 0.01
"""Relative gap of the equilibrium that gives the first day's routes: days of learning follow anyway."""


@dataclass
class PeriodTraffic:
    """What a rung knows of one period."""

    problem: RoadProblem
    """Links and zones' connectors."""
    classes: RoadClasses
    """Classes of vehicles and what they pay."""
    demand: F64
    """Vehicles that leave in the period, by class and pair of zones."""
    hourly: float
    """Factor from the period's vehicles to the flow of its design hour [1/h]."""
    flow_pcuh: F64
    """By link of the problem, of the design hour."""
    time_s: F64
    """By link of the problem."""
    state: RoadState | None = None
    gap: float = np.inf


@dataclass(frozen=True)
class DayReport:
    """What the queue tells of a day beside flows and times."""

    day: QueueDay

    @property
    def released_share(self) -> float:
        """Moves that only the stuck rule made possible, as a share of all [1]."""
        return float(self.day.released.sum()) / max(float(self.day.entered.sum()), 1.0)

    @property
    def late_share(self) -> float:
        """Packets still on the road or not yet on it when the day ends, as a share of all [1]."""
        return float(np.mean(self.day.arrival_cs < 0)) if len(self.day.arrival_cs) else 0.0


def load_volume_delay(traffic: PeriodTraffic, zone_node: I32, *, day: int) -> None:
    """One day of rung L0: the cheapest ways at the present times, averaged flows, new times.

    Parameters
    ----------
    traffic
        The period; flows, times and gap are replaced.
    zone_node
        Node of each zone.
    day
        Number of the day, from 1: the new flows weigh ``1 / day``.
    """
    problem = traffic.problem
    groups = group_classes(problem, traffic.classes)
    new = np.zeros(problem.n_links)
    least = 0.0
    for number, fixed_s in enumerate(groups.fixed_s):
        own = traffic.classes.pcu * (groups.group == number)
        demand = np.tensordot(own, traffic.demand, axes=1) * traffic.hourly
        part = assign_all_or_nothing(problem, traffic.time_s + fixed_s, zone_node, demand)
        used = part > 0
        new += part
        least += float((part[used] * traffic.time_s[used]).sum())
    used = traffic.flow_pcuh > 0
    spent = float((traffic.flow_pcuh[used] * traffic.time_s[used]).sum())
    traffic.gap = max(0.0, (spent - least) / spent) if spent > 0 else np.inf
    traffic.flow_pcuh = traffic.flow_pcuh + (new - traffic.flow_pcuh) / day
    traffic.time_s = link_time_s(problem, traffic.flow_pcuh)


def first_routes(traffic: PeriodTraffic, zone_node: I32, *, sweeps: int) -> None:
    """Routes of the static equilibrium for the first day of rung L2; times are its times."""
    flows = assign_roads(
        traffic.problem, zone_node, traffic.demand * traffic.hourly, gap=WARM_GAP, max_iterations=sweeps,
        classes=traffic.classes,
    )  # fmt: skip
    traffic.state, traffic.flow_pcuh, traffic.time_s = flows.state, flows.flow_pcuh, flows.time_s


def add_routes(traffic: PeriodTraffic, zone_node: I32) -> None:
    """Routes for the pairs that have trips for the first time.

    Parameters
    ----------
    traffic
        The period; its routes are replaced.
    zone_node
        Node of each zone.
    """
    assert traffic.state is not None
    traffic.state = add_missing_routes(
        traffic.problem, traffic.time_s, zone_node, traffic.demand, traffic.classes, traffic.state
    )


def queue_of(
    city: City, periods: Sequence[PeriodTraffic], inputs: YearInputs, *, packet: int
) -> QueueNetwork:
    """The roads as links with room and capacity for the vehicles that are not buses.

    Parameters
    ----------
    city
        The city.
    periods
        Problems of the periods: free times, capacities, and the buses on each link.
    inputs
        Read: ``queue.`` paths.
    packet
        Vehicles that move together.

    Returns
    -------
    QueueNetwork
        One row for each link of the city's roads.

    Notes
    -----
    A link keeps its capacity all day, so that buses take what they take in the mean of the day's periods but the
    night's, at most ``1 - LEAST_LEFT`` of it.
    """
    roads, problem = city.roads, periods[0].problem
    n = roads.n_links
    buses = np.mean([traffic.problem.preload_pcuh[:n] for traffic in periods[:-1]], axis=0)
    capacity = problem.capacity_pcuh[:n]
    return build_queue_network(
        roads.tail, roads.head, roads.n_nodes, length_m=roads.length_m, free_time_s=problem.free_time_s[:n],
        capacity_pcuh=np.maximum(capacity - buses, LEAST_LEFT * capacity), lanes=np.maximum(roads.lanes, 1.0),
        rules=queue_rules(inputs), packet=packet,
    )  # fmt: skip


def simulate_day(
    periods: Sequence[PeriodTraffic],
    queue: QueueNetwork,
    inputs: YearInputs,
    *,
    packet: int,
    seed: int,
) -> DayReport:
    """One day of rung L2: all vehicles of the day on links that fill up.

    Parameters
    ----------
    periods
        Every period in order, with its routes; flows and times of the roads are replaced by those of the day.
    queue
        The roads: the links that come before the connectors in the problems.
    inputs
        Read: ``departures.`` and ``queue.`` paths.
    packet
        Vehicles that move together.
    seed
        Seed of the run.

    Returns
    -------
    DayReport
        Counts of the day.
    """
    plans, routes = _plans(periods, queue.n_links, inputs, packet, seed)
    day = run_day(queue, plans, routes, bin_min=BIN_MIN, end_h=END_H, check=False)
    for period, traffic in zip(Period, periods, strict=True):
        bins = np.concatenate(
            [hour_of_day(hour) * BINS_H + np.arange(BINS_H) for hour in period_hours(period)]
        )
        entered, spent = day.entered[bins], day.time_s[bins]
        total = entered.sum(axis=0)
        n = queue.n_links
        # Where nobody drove the link is as fast as it is empty; connectors keep their times.
        traffic.time_s = traffic.problem.free_time_s.copy()
        traffic.time_s[:n][total > 0] = spent.sum(axis=0)[total > 0] / total[total > 0]
        by_hour = entered.reshape(-1, BINS_H, n).sum(axis=1)
        traffic.flow_pcuh = np.concatenate((by_hour.max(axis=0), np.zeros(traffic.problem.n_links - n)))
    return DayReport(day)


def learn(traffic: PeriodTraffic, zone_node: I32, inputs: YearInputs) -> None:
    """Drivers of a period learn from its times: routes and gap of the day.

    Parameters
    ----------
    traffic
        The period; routes and gap are replaced.
    zone_node
        Node of each zone.
    inputs
        Read: ``learning.`` paths.
    """
    assert traffic.state is not None
    learnt = learn_routes(
        traffic.problem, traffic.time_s, zone_node, traffic.demand, traffic.classes, traffic.state,
        rate=inputs["learning.switch_rate"], least_share=inputs["learning.least_share"],
        tolerance=NEW_ROUTE_SHARE * inputs["learning.gap"],
    )  # fmt: skip
    traffic.state, traffic.gap = learnt.state, learnt.relative_gap


def _plans(
    periods: Sequence[PeriodTraffic], n_roads: int, inputs: YearInputs, packet: int, seed: int
) -> tuple[Plans, Routes]:
    """Plans of all packets of a day, and the routes that they share."""
    first_route = 0
    departs, chosen, links, lengths = [], [], [], []
    for period, traffic in zip(Period, periods, strict=True):
        assert traffic.state is not None
        state = traffic.state
        share = state.paths.flow
        by_group = np.zeros((int(state.group.max(initial=0)) + 1, *traffic.demand.shape[1:]))
        np.add.at(by_group, state.group, traffic.demand)
        packets = draw_packets(
            period, inputs, state.pair, by_group.ravel()[state.pair] / packet, state.paths.ptr, share, seed=seed
        )  # fmt: skip
        road = traffic.problem.order[state.paths.slot]
        on_road = road < n_roads
        before = np.concatenate((np.zeros(1, np.int64), np.cumsum(on_road)))
        links.append(road[on_road].astype(np.int32))
        lengths.append(np.diff(before[state.paths.slot_ptr]))
        # A way over connectors alone uses no road.
        drives = lengths[-1][packets.path] > 0
        departs.append(packets.depart_s[drives])
        chosen.append(packets.path[drives] + np.int32(first_route))
        first_route += state.n_paths
    indptr = np.concatenate((np.zeros(1, np.int64), np.cumsum(np.concatenate(lengths))))
    routes = build_routes(indptr, np.concatenate(links), copy=False)
    depart_s = np.concatenate(departs)
    n = len(depart_s)
    plans = Plans(
        leg_indptr=np.arange(n + 1, dtype=np.int64), route=np.concatenate(chosen), earliest_cs=depart_s * np.int32(CS),
        stop_cs=np.zeros(n, np.int32), kind=np.zeros(n, np.int8),
        kinds=VehicleKinds(np.zeros(1, np.int8), np.ones(1), np.array([packet], np.int32)),
    )  # fmt: skip
    return plans, routes
