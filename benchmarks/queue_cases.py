"""Grids with vehicles for the benchmarks of the spatial queue; numbers by address, so that all engines drive the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from transport_abm.core.draws import hash_uniform
from transport_abm.core.vocabulary import VehicleClass
from transport_abm.networks.queues.charges import EntryCharge
from transport_abm.networks.queues.network import QueueNetwork, build_queue_network, queue_rules
from transport_abm.networks.queues.plans import Plans, Routes, VehicleKinds, build_routes
from transport_abm.policy.inputs import year_inputs

LENGTH_M, SPEED_MS, CAPACITY_PCUH, LANES = 300.0, 12.5, 3600.0, 2.0
BIN_MIN = 15


@dataclass(frozen=True)
class GridCase:
    """A grid and what drives on it."""

    side: int
    network: QueueNetwork
    plans: Plans
    routes: Routes
    charge: EntryCharge | None


@njit(cache=True)
def _link(row, column, direction, side):  # type: ignore[no-untyped-def]
    """Row of the link that leaves a crossing to the east, west, south or north; numbered by crossing."""
    before = 4 * (row * side + column)
    # Crossings at the rim have fewer: links of those before are counted off.
    before -= 2 * row + (row > 0) * side + (row == side - 1) * column - (row == side - 1) * 0
    if column > 0:
        before -= 1
    if row == 0:
        before -= column
    if direction == 0:
        return before
    place = column < side - 1
    if direction == 1:
        return before + place
    place += column > 0
    if direction == 2:
        return before + place
    return before + place + (row < side - 1)


@njit(cache=True)
def _grid(side):  # type: ignore[no-untyped-def]
    """Ends of all links."""
    n = 4 * side * (side - 1)
    tail, head = np.empty(n, np.int32), np.empty(n, np.int32)
    count = 0
    for row in range(side):
        for column in range(side):
            for step in ((0, 1), (0, -1), (1, 0), (-1, 0)):
                r, c = row + step[0], column + step[1]
                if 0 <= r < side and 0 <= c < side:
                    tail[count], head[count] = row * side + column, r * side + c
                    count += 1
    return tail, head


@njit(cache=True)
def _ends(side, n, reach, key):  # type: ignore[no-untyped-def]
    """First and last crossings, at most ``reach`` streets apart in both directions, and where each way begins."""
    indptr = np.zeros(n + 1, np.int64)
    ends = np.empty((n, 4), np.int16)
    for i in range(n):
        agent = np.uint64(i)
        row = int(hash_uniform(key, agent, np.uint64(0)) * side)
        column = int(hash_uniform(key, agent, np.uint64(1)) * side)
        to_row = row + int((2 * hash_uniform(key, agent, np.uint64(2)) - 1) * (reach + 1))
        to_column = column + int((2 * hash_uniform(key, agent, np.uint64(3)) - 1) * (reach + 1))
        to_row = min(max(to_row, 0), side - 1)
        to_column = min(max(to_column, 0), side - 1)
        if to_row == row and to_column == column:
            to_row = row + 1 if row + 1 < side else row - 1
        ends[i] = row, column, to_row, to_column
        indptr[i + 1] = indptr[i] + abs(to_row - row) + abs(to_column - column)
    return indptr, ends


@njit(cache=True)
def _fill_ways(side, indptr, ends, key, link):  # type: ignore[no-untyped-def]
    """Ways along one street and then another."""
    for i in range(len(ends)):
        row, column, to_row, to_column = ends[i]
        k = indptr[i]
        along_first = hash_uniform(key, np.uint64(i), np.uint64(4)) < 0.5
        for part in range(2):
            if along_first == (part == 0):
                while column != to_column:
                    link[k] = _link(row, column, 0 if to_column > column else 1, side)
                    column += 1 if to_column > column else -1
                    k += 1
            else:
                while row != to_row:
                    link[k] = _link(row, column, 2 if to_row > row else 3, side)
                    row += 1 if to_row > row else -1
                    k += 1


def build_case(
    side: int, n_vehicles: int, *, hours: float, reach: int, start_h: float = 0.0, mixed: bool = True
) -> GridCase:
    """A grid of streets both ways and vehicles that leave evenly within some hours.

    ``mixed`` switches on what a real day has: buses of ten legs with short stays, vans with three stays, trucks'
    sizes, and a charge on a tenth of the links; otherwise all are cars with one leg.
    """
    tail, head = _grid(side)
    n_links = len(tail)
    full = np.full(n_links, 1.0)
    network = build_queue_network(
        tail, head, side * side, LENGTH_M * full, LENGTH_M / SPEED_MS * full, CAPACITY_PCUH * full, LANES * full,
        rules=queue_rules(year_inputs(2025)),
    )  # fmt: skip
    rng = np.random.default_rng(1)
    kind = (
        rng.choice(3, n_vehicles, p=[0.98, 0.01, 0.01]).astype(np.int8)
        if mixed
        else np.zeros(n_vehicles, np.int8)
    )
    legs = np.array([1, 10, 4])[kind]
    leg_indptr = np.concatenate([[0], np.cumsum(legs)]).astype(np.int64)
    n_legs = int(leg_indptr[-1])
    key = np.uint64(7)
    indptr, ends = _ends(side, n_legs, reach, key)
    link = np.empty(indptr[-1], np.int32)
    _fill_ways(side, indptr, ends, key, link)
    first = np.sort(rng.integers(0, int(hours * 360_000), n_vehicles)) + int(start_h * 360_000)
    earliest = np.repeat(first, legs).astype(np.int32)
    stop = np.repeat(np.array([0, 2_000, 30_000], np.int32)[kind], legs)
    kinds = VehicleKinds(
        np.array([VehicleClass.PRIVATE_CAR, VehicleClass.BUS, VehicleClass.VAN], np.int8),
        np.array([1.0, 2.0, 1.5]), np.ones(3, np.int32),
    )  # fmt: skip
    plans = Plans(leg_indptr, np.arange(n_legs, dtype=np.int32), earliest, stop, kind, kinds)
    charge = None
    if mixed:
        group = np.where(rng.random(n_links) < 0.1, 0, -1).astype(np.int16)
        charge = EntryCharge(group, np.full((30 * 60 // BIN_MIN, 1), 5.0), frozenset({int(VehicleClass.BUS)}))
    return GridCase(side, network, plans, build_routes(indptr, link, copy=False), charge)
