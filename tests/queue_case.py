"""Small networks and plans for the spatial queue."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from transport_abm.networks.queues.charges import EntryCharge
from transport_abm.networks.queues.network import QueueNetwork, QueueRules, build_queue_network
from transport_abm.networks.queues.plans import Plans, Routes, VehicleKinds, build_routes

RULES = QueueRules(jam_spacing_m=7.5, wave_kmh=18.0, storage_power=1.0, stuck_wait_s=30)
CAR = VehicleKinds(np.zeros(1, np.int8), np.ones(1), np.ones(1, np.int32))


@dataclass(frozen=True)
class Case:
    """All that a day needs."""

    network: QueueNetwork
    plans: Plans
    routes: Routes
    charge: EntryCharge | None = None


def plans_of(
    routes: list[list[int]],
    departures_s: list[float],
    kinds: VehicleKinds = CAR,
    kind: list[int] | None = None,
) -> tuple[Plans, Routes]:
    """One leg for each vehicle, each with a route of its own."""
    n = len(routes)
    indptr = np.concatenate([[0], np.cumsum([len(route) for route in routes])]).astype(np.int64)
    link = np.array([link for route in routes for link in route], np.int32)
    plans = Plans(
        np.arange(n + 1, dtype=np.int64), np.arange(n, dtype=np.int32),
        np.rint(np.array(departures_s) * 100).astype(np.int32), np.zeros(n, np.int32),
        np.zeros(n, np.int8) if kind is None else np.array(kind, np.int8), kinds,
    )  # fmt: skip
    return plans, build_routes(indptr, link)


def chain(
    length_m: list[float],
    speed_ms: float,
    capacity_pcuh: list[float],
    lanes: float = 1.0,
    rules: QueueRules = RULES,
    packet: int = 1,
) -> QueueNetwork:
    """Links one after the other."""
    n = len(length_m)
    length = np.array(length_m, float)
    node = np.arange(n + 1, dtype=np.int32)
    return build_queue_network(
        node[:-1], node[1:], n + 1, length, length / speed_ms, np.array(capacity_pcuh, float), np.full(n, lanes),
        rules=rules, packet=packet,
    )  # fmt: skip


def random_case(seed: int, n_nodes: int, n_links: int, n_vehicles: int, *, jam: bool) -> Case:
    """Any network, with loops, parallel and zero-length links and islands, and vehicles that wander over it."""
    rng = np.random.default_rng(seed)
    tail = rng.integers(0, n_nodes, n_links).astype(np.int32)
    head = rng.integers(0, n_nodes, n_links).astype(np.int32)
    length = rng.choice([0.0, 0.3, 10.0, 60.0, 200.0, 5000.0], n_links)
    free = np.where(
        rng.random(n_links) < 0.1, rng.uniform(0, 3000, n_links), length / rng.uniform(5, 20, n_links)
    )
    capacity = rng.uniform(60, 400, n_links) if jam else rng.uniform(300, 8000, n_links)
    network = build_queue_network(
        tail, head, n_nodes, length, free, capacity, rng.integers(1, 4, n_links).astype(float),
        rules=replace(RULES, stuck_wait_s=int(rng.choice([5, 30, 600]))),
    )  # fmt: skip
    leaving = [np.flatnonzero(tail == node) for node in range(n_nodes)]
    routes = []
    for _ in range(int(rng.integers(1, 40))):
        link, route = int(rng.integers(0, n_links)), []
        for _ in range(int(rng.integers(0, 12))):
            route.append(link)
            if not len(leaving[head[link]]):
                break
            link = int(rng.choice(leaving[head[link]]))
        routes.append(route)
    legs = rng.choice([1, 1, 1, 2, 6], n_vehicles)
    indptr = np.concatenate([[0], np.cumsum(legs)]).astype(np.int64)
    earliest = rng.integers(0, 200_000 if jam else 330_000, indptr[-1])
    for vehicle in range(n_vehicles):
        earliest[indptr[vehicle] : indptr[vehicle + 1]].sort()
    kinds = VehicleKinds(
        np.array([0, 4, 6], np.int8), np.array([1.0, 2.5, 0.35]), np.array([1, 1, 7], np.int32)
    )
    plans = Plans(
        indptr, rng.integers(0, len(routes), indptr[-1]).astype(np.int32), earliest.astype(np.int32),
        rng.integers(0, 20_000, indptr[-1]).astype(np.int32), rng.integers(0, 3, n_vehicles).astype(np.int8), kinds,
    )  # fmt: skip
    link = np.array([link for route in routes for link in route], np.int32)
    route_indptr = np.concatenate([[0], np.cumsum([len(route) for route in routes])]).astype(np.int64)
    charge = EntryCharge(
        rng.integers(-1, 2, n_links).astype(np.int16), np.round(rng.uniform(0, 20, (4, 2)), 2), frozenset({4})
    )
    return Case(network, plans, build_routes(route_indptr, link), charge)
