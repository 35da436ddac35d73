"""Slow, obvious twins of delivery tours, and a travelling salesman to hold the tour constant against."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tests.tiny import tiny_city
from transport_abm.core.draws import Stream, uniform
from transport_abm.networks.city import City

F64 = NDArray[np.float64]

RINGS = (2, 2, 3, 4, 5, 5, 6, 6, 6, 7, 7, 7)


def goods_city(people: float = 1000.0, stretch: float = 6.0) -> City:
    """The tiny city with so many more people and so much more room, and a ring of every kind."""
    city = tiny_city()
    zones = city.zones
    return replace(
        city,
        zones=replace(
            zones, residents=zones.residents * people, jobs=zones.jobs * people,
            area_m2=zones.area_m2 * stretch**2, x_m=zones.x_m * stretch, y_m=zones.y_m * stretch,
            ring=np.array(RINGS, np.int8),
        ),
    )  # fmt: skip


def longest_tour(
    radius_km: float,
    stop_km2: float,
    speed_kmh: float,
    window_h: float,
    load: float,
    stop_h: float,
    detour: float,
) -> tuple[float, float, float]:
    """Stops, length and duration of the longest tour, found by halving the interval of its stops."""

    def length_km(n: float) -> float:
        area_km2 = n / stop_km2
        return 2.0 * radius_km + 0.7124 * math.sqrt(n * area_km2) * detour

    def duration_h(n: float) -> float:
        return length_km(n) / speed_kmh + n * stop_h

    low, high = 1.0, load
    if duration_h(high) <= window_h:
        low = high
    elif duration_h(low) < window_h:
        for _ in range(200):
            middle = (low + high) / 2.0
            if duration_h(middle) <= window_h:
                low = middle
            else:
                high = middle
    return low, length_km(low), duration_h(low)


def salesman_km(point_count: int, seed: int) -> float:
    """Length of a good tour through uniform points of a unit torus: greedy, then 2-opt and moved stretches.

    A torus has no edge, so no boundary term is needed.
    """
    key = np.arange(point_count, dtype=np.int64)
    point = np.stack([uniform(seed, Stream.UNCERTAINTY, key, 0, k) for k in range(2)], axis=1)
    gap = np.abs(point[:, None] - point[None])
    gap = np.minimum(gap, 1.0 - gap)
    distance = np.sqrt((gap**2).sum(axis=2))
    tour = _greedy(distance)
    better = True
    while better:
        better = _two_opt(tour, distance)
        better |= _move_stretches(tour, distance)
    return float(distance[tour, np.roll(tour, -1)].sum())


def _greedy(distance: F64) -> NDArray[np.int64]:
    """Join the nearest ends of paths until one tour is left."""
    n = len(distance)
    first, second = np.triu_indices(n, 1)
    order = np.argsort(distance[first, second], kind="stable")
    path = list(range(n))
    neighbours: list[list[int]] = [[] for _ in range(n)]

    def find(a: int) -> int:
        while path[a] != a:
            path[a] = path[path[a]]
            a = path[a]
        return a

    joined = 0
    for a, b in zip(first[order].tolist(), second[order].tolist(), strict=True):
        if len(neighbours[a]) < 2 and len(neighbours[b]) < 2 and find(a) != find(b):
            path[find(a)] = find(b)
            neighbours[a].append(b)
            neighbours[b].append(a)
            joined += 1
            if joined == n - 1:
                break
    here = next(a for a in range(n) if len(neighbours[a]) < 2)
    tour, before = [here], -1
    while len(tour) < n:
        here, before = next(b for b in neighbours[here] if b != before), here
        tour.append(here)
    return np.array(tour)


def _two_opt(tour: NDArray[np.int64], distance: F64) -> bool:
    """For each link the best exchange with a later one; whether any made the tour shorter."""
    n, better = len(tour), False
    for i in range(n - 2):
        a, b = tour[i], tour[i + 1]
        c, d = tour[i + 2 :], np.append(tour[i + 3 :], tour[0])
        change = distance[a, c] + distance[b, d] - distance[a, b] - distance[c, d]
        j = int(np.argmin(change))
        if change[j] < -1e-12:
            tour[i + 1 : i + 3 + j] = tour[i + 1 : i + 3 + j][::-1].copy()
            better = True
    return better


def _move_stretches(tour: NDArray[np.int64], distance: F64) -> bool:
    """Move stretches of one to three points to where they are cheapest; whether any made the tour shorter."""
    n, better = len(tour), False
    for length in (3, 2, 1):
        for i in range(n):
            turned = np.roll(tour, -i)  # the stretch is at the front
            head, tail, rest = turned[0], turned[length - 1], turned[length:]
            after = np.append(rest[1:], rest[0])
            saved = distance[rest[-1], head] + distance[tail, rest[0]] - distance[rest[-1], rest[0]]
            link = distance[rest, after]
            straight = distance[rest, head] + distance[tail, after] - link
            back = distance[rest, tail] + distance[head, after] - link
            ways = np.concatenate([straight, back])
            j = int(np.argmin(ways))
            if ways[j] < saved - 1e-12:
                stretch = turned[:length] if j < len(rest) else turned[:length][::-1]
                k = j % len(rest) + 1
                tour[:] = np.concatenate([rest[:k], stretch, rest[k:]])
                better = True
    return better
