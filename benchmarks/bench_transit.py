"""Seconds for transit assignments of all zone pairs on both rungs: ``python -m benchmarks.bench_transit [CITY]``.

Without the name or folder of a city, uses the reference city where it can be built, otherwise a network of its
size drawn at random. Prints how journeys by the timetable differ from strategies, and the gap of loadings.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable

import numba
import numpy as np

from benchmarks.figures import keep
from benchmarks.roofs import IN_CACHE, line_ns, relax_ns
from transport_abm.core.vocabulary import Period, TransitMode, TransitOption
from transport_abm.networks.cities.open_city import open_city
from transport_abm.networks.city import (
    City,
    Districts,
    Fares,
    Outlines,
    RoadNetwork,
    TransitNetwork,
    Zones,
)
from transport_abm.networks.transit.timetable_assignment import LANES, assign_timetable, headway_timetable
from transport_abm.networks.transit.transit_assignment import (
    TransitResult,
    assign_transit,
    build_transit_service,
    bus_segment_time_s,
)
from transport_abm.networks.transit.transit_gap import settle_transit
from transport_abm.policy.inputs import YearInputs, year_inputs

Assign = Callable[..., TransitResult]

REPEATS = 3
DEMAND_PERSONS_H = 800_000.0
LOADINGS = 12


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
    """City that the command line names; else the reference city where its builder exists, else the drawn one."""
    if len(sys.argv) > 1:
        return open_city(sys.argv[1])[0]
    try:
        build: Callable[[], City] = importlib.import_module(
            "transport_abm.networks.reference.build"
        ).build_reference_city
    except ImportError:
        return _drawn_city()
    return build()


def _measure(
    name: str, assign: Assign, city: City, inputs: YearInputs, demand: np.ndarray, call_time_s: np.ndarray
) -> dict[tuple[Period, TransitOption], TransitResult]:
    """Assign all options and periods, several times, and print the least seconds of each; compiled before."""
    results, total, least_s = {}, np.zeros(2), 0.0
    for period in Period:
        for option in TransitOption:
            service = build_transit_service(city, inputs, year=2025, period=period, option=option)
            if not results:
                assign(service, demand, call_time_s)
            seconds, cpu = [], []
            for _ in range(REPEATS):
                start, used = time.perf_counter(), time.process_time()
                results[period, option] = assign(service, demand, call_time_s)
                seconds.append(time.perf_counter() - start)
                cpu.append(time.process_time() - used)
            least = np.array([min(seconds), min(cpu)])
            total += least
            if assign is assign_timetable:
                events = len(headway_timetable(service, call_time_s).call)
                least_s += len(city.zones) * events * relax_ns(LANES) * 1e-9
            else:
                least_s += len(city.zones) * len(service.call) * line_ns(IN_CACHE) * 1e-9
            cost = results[period, option].skims["total"]
            print(f"{name:10s} {period.name:6s} {option.name:9s} {least[0]:.3f} s ({least[1]:.3f} s of processor); "
                  f"reached {np.isfinite(cost).mean():.3f}, mean {cost[np.isfinite(cost)].mean():.1f} min")  # fmt: skip
    print(f"{name}: all zone pairs, options and periods in {total[0]:.2f} s ({total[1]:.2f} s of processor)")
    # The least is to meet every departure, or every call of a line, once for each zone, on all threads.
    met = "departures" if assign is assign_timetable else "calls"
    keep(
        f"transit, {city.name}, {name}: all zones, options and periods", total[0], "s",
        roof=(f"{met} met once by each zone", least_s / numba.get_num_threads()),
        bar=5.0 if assign is assign_timetable and city.name == "beijing-osm" else None,
    )  # fmt: skip
    return results


def _compare(
    slow: dict[tuple[Period, TransitOption], TransitResult],
    clock: dict[tuple[Period, TransitOption], TransitResult],
    demand: np.ndarray,
) -> None:
    """Print how journeys by the timetable differ from strategies, weighed by riders and not."""
    print("timetable less strategies, pairs with both: mean by riders; mean; quantiles 5, 25, 50, 75, 95 %")
    for (period, option), result in clock.items():
        a, b = slow[period, option].skims, result.skims
        both = np.isfinite(a["total"]) & np.isfinite(b["total"])
        for part in ("total", "access_min", "wait_min", "in_vehicle_min", "boardings"):
            change = b[part][both].astype(np.float64) - a[part][both]
            mean = np.average(change, weights=demand[both])
            cut = " ".join(f"{q:7.2f}" for q in np.quantile(change, [0.05, 0.25, 0.5, 0.75, 0.95]))
            print(f"{period.name:6s} {option.name:9s} {part:14s} {mean:7.2f} {change.mean():7.2f}  {cut}")


def _settle(
    assign: Assign, name: str, city: City, inputs: YearInputs, demand: np.ndarray, call_time_s: np.ndarray
) -> None:
    """Print the gap of morning loadings in their crowd."""
    services = {
        option: build_transit_service(city, inputs, year=2025, period=Period.AM, option=option)
        for option in TransitOption
    }
    start = time.perf_counter()
    tables = np.stack([demand / len(services)] * len(services))
    *_, gaps = settle_transit(
        city, services, tables, call_time_s, period=Period.AM, gap=1e-3, most=LOADINGS, assign=assign
    )
    shown = ", ".join(f"{k + 2}: {gaps[k]:.2e}" for k in (0, 1, 3, 7, len(gaps) - 1) if k < len(gaps))
    print(f"{name}: gap at loading {shown}; {time.perf_counter() - start:.1f} s")


def main() -> None:
    """Print seconds by rung, period and option, how the rungs differ, and how loadings settle."""
    city, inputs = _city(), year_inputs(2025)
    n, roads = len(city.zones), city.roads
    call_time_s = bus_segment_time_s(city.transit, roads, roads.length_m * 3.6 / roads.free_speed_kmh, inputs)
    print(f"{city.name}: {n} zones, {city.transit.n_stops} stops, {len(city.transit.stop)} calls, "
          f"{numba.get_num_threads()} threads")  # fmt: skip
    far = np.hypot(city.zones.x_m[:, None] - city.zones.x_m, city.zones.y_m[:, None] - city.zones.y_m)
    demand = city.zones.residents[:, None] * city.zones.jobs * np.exp(-far / 8000)
    np.fill_diagonal(demand, 0.0)
    demand *= DEMAND_PERSONS_H / demand.sum()
    strategies = _measure("strategies", assign_transit, city, inputs, demand, call_time_s)
    journeys = _measure("timetable", assign_timetable, city, inputs, demand, call_time_s)
    _compare(strategies, journeys, demand)
    for name, assign in (("strategies", assign_transit), ("timetable", assign_timetable)):
        _settle(assign, name, city, inputs, demand, call_time_s)


if __name__ == "__main__":
    main()
