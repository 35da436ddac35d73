"""Seconds for one transit assignment of all zone pairs, by option: ``python benchmarks/bench_transit.py``.

Uses the reference city where it can be built, otherwise a network of its size drawn at random.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable

import numba
import numpy as np

from transport_abm.core.vocabulary import Period, TransitMode, TransitOption
from transport_abm.networks.city import (
    City,
    Districts,
    Fares,
    Outlines,
    RoadNetwork,
    TransitNetwork,
    Zones,
)
from transport_abm.networks.transit.transit_assignment import (
    assign_transit,
    build_transit_service,
    bus_segment_time_s,
    update_crowding,
)
from transport_abm.policy.inputs import year_inputs

REPEATS = 3
DEMAND_PERSONS_H = 800_000.0


def _drawn_city(n_zones: int = 400, n_metro: int = 27, n_bus: int = 320) -> City:
    """Zones and lines at random in a disc: lines are walks between neighbouring stops of a hexagonal grid."""
    random = np.random.default_rng(7)
    radius = 25_000 * np.sqrt(random.random(n_zones))
    angle = 2 * np.pi * random.random(n_zones)
    x_m, y_m = radius * np.cos(angle), radius * np.sin(angle)
    patterns: list[np.ndarray] = []
    mode: list[int] = []
    stop_x: list[np.ndarray] = []
    n_stops = 0
    for number, spacing, count, kind in (
        (n_bus, 700.0, 28, TransitMode.BUS),
        (n_metro, 1300.0, 20, TransitMode.METRO),
    ):
        side = int(50_000 / spacing)
        grid = np.stack(np.meshgrid(np.arange(side), np.arange(side), indexing="ij"), -1).reshape(-1, 2)
        stop_x.append(grid * spacing - 25_000)
        for _ in range(number):
            place = np.array(
                [random.integers(side // 5, 4 * side // 5), random.integers(side // 5, 4 * side // 5)]
            )
            heading = random.integers(4)
            row = []
            for _step in range(count):
                row.append(n_stops + place[0] * side + place[1])
                if random.random() < 0.15:
                    heading = (heading + random.choice([-1, 1])) % 4
                place = np.clip(place + [[1, 0], [0, 1], [-1, 0], [0, -1]][heading], 0, side - 1)
            line = np.array([s for k, s in enumerate(row) if k == 0 or s != row[k - 1]])
            if len(line) > 2:
                patterns += [line, line[::-1]]
                mode.append(kind)
        n_stops += side * side
    stop = np.concatenate(patterns).astype(np.int32)
    place = np.concatenate(stop_x)
    indptr = np.append(0, np.cumsum([len(p) for p in patterns]))
    length = np.append(np.hypot(*(place[stop[1:]] - place[stop[:-1]]).T), 0.0)
    length[indptr[1:] - 1] = 0
    line_mode = np.array(mode, np.int8)
    n_bus_stops = len(stop_x[0])
    metro_stop = np.unique(stop[stop >= n_bus_stops])
    bus_stop = np.unique(stop[stop < n_bus_stops])
    gap = np.hypot(*(place[metro_stop][:, None] - place[bus_stop][None]).transpose(2, 0, 1))
    a, b = np.nonzero(gap < 400)
    start, end = metro_stop[a], bus_stop[b]
    n_lines = len(line_mode)
    metro = line_mode == TransitMode.METRO
    zero = np.zeros(n_zones)
    outlines = Outlines(np.zeros(0, np.int32), np.zeros(1, np.int64), zero[:0], zero[:0])
    transit = TransitNetwork(
        (), (), place[:, 0], place[:, 1], place[:, 0], place[:, 1],
        np.where(np.arange(n_stops) < n_bus_stops, TransitMode.BUS, TransitMode.METRO).astype(np.int8),
        tuple(str(k) for k in range(n_lines)), (), line_mode, np.where(metro, 1460.0, 80.0),
        np.where(metro, 250.0, 30.0), np.where(metro, 3.0, 8.0)[:, None] * np.ones((1, 4)),
        np.repeat(np.arange(n_lines, dtype=np.int32), 2), indptr.astype(np.int64), stop, length,
        length / 1000 * 3600 / 35, np.zeros(len(stop) + 1, np.int64), np.zeros(0, np.int32),
        np.zeros(2 * n_lines, np.int16), np.full(2 * n_lines, 9999, np.int16),
        np.concatenate([start, end]).astype(np.int32), np.concatenate([end, start]).astype(np.int32),
        np.concatenate([gap[a, b], gap[a, b]]) + 100,
    )  # fmt: skip
    zones = Zones(
        (), zero.astype(np.int16), zero.astype(np.int8), x_m, y_m, x_m, y_m, np.full(n_zones, 5e6),
        np.full(n_zones, 5e4), np.full(n_zones, 3e4), zero, zero.astype(np.int32), outlines,
    )  # fmt: skip
    none = np.zeros(0)
    roads = RoadNetwork(
        none, none, none, none, none.astype(np.int32), none.astype(np.int32), none, none.astype(np.int8),
        none.astype(np.float32), none, none, none.astype(np.int8), none.astype(bool), none.astype(bool),
        none.astype(np.int16), np.zeros(1, np.int64), none, none,
    )  # fmt: skip
    fares = Fares(
        np.array([6.0, 12.0, 22.0, 32.0]), np.array([3.0, 4.0, 5.0, 6.0]), 20, 2, 10, 5, 0.5, 13, 3, 2.3
    )
    return City("drawn", "", Districts((), (), none.astype(bool), outlines), zones, roads, transit, fares)


def _city() -> City:
    """Reference city where its builder exists, else the drawn one."""
    try:
        build: Callable[[], City] = importlib.import_module(
            "transport_abm.networks.reference.build"
        ).build_reference_city
    except ImportError:
        return _drawn_city()
    return build()


def main() -> None:
    """Print seconds by option."""
    city, inputs = _city(), year_inputs(2025)
    n = len(city.zones)
    roads = city.roads
    start = time.perf_counter()
    call_time_s = bus_segment_time_s(city.transit, roads, roads.length_m * 3.6 / roads.free_speed_kmh, inputs)
    print(f"{city.name}: {n} zones, {city.transit.n_stops} stops, {len(city.transit.stop)} calls, "
          f"{numba.get_num_threads()} threads; bus times {time.perf_counter() - start:.3f} s")  # fmt: skip
    far = np.hypot(city.zones.x_m[:, None] - city.zones.x_m, city.zones.y_m[:, None] - city.zones.y_m)
    demand = city.zones.residents[:, None] * city.zones.jobs * np.exp(-far / 8000)
    demand *= DEMAND_PERSONS_H / demand.sum()
    for option in TransitOption:
        start = time.perf_counter()
        service = build_transit_service(city, inputs, year=2025, period=Period.AM, option=option)
        build_s = time.perf_counter() - start
        assign_transit(service, demand, call_time_s)
        seconds, cpu = [], []
        for _ in range(REPEATS):
            start, used = time.perf_counter(), time.process_time()
            result = assign_transit(service, demand, call_time_s)
            seconds.append(time.perf_counter() - start)
            cpu.append(time.process_time() - used)
        start = time.perf_counter()
        update_crowding(city.transit, inputs, result.call_flow, year=2025, period=Period.AM)
        crowd_s = time.perf_counter() - start
        total = result.skims["total"]
        print(f"{option.name:9s} calls {len(service.call):6d} access {len(service.graph.access_stop):6d} "
              f"build {build_s:.3f} s, assign {min(seconds):.3f} s ({min(cpu):.3f} s of processor), "
              f"crowding {crowd_s:.4f} s; "
              f"reached {np.isfinite(total).mean():.3f}, mean {total[np.isfinite(total)].mean():.1f} min, "
              f"unserved {result.unserved / demand.sum():.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
