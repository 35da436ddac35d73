"""Slow, obvious twin of the timetable kernels: Dijkstra on the time-expanded graph of a table that repeats."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from transport_abm.core.vocabulary import Period, TransitOption
from transport_abm.networks.transit.timetable import DS_PER_MIN, Timetable, departure_timetable, leave_ds
from transport_abm.networks.transit.timetable_assignment import assign_timetable
from transport_abm.networks.transit.transit_assignment import TransitCrowding, TransitResult
from transport_abm.networks.transit.transit_service import TransitService, build_graph

F64 = NDArray[np.float64]


@dataclass
class Line:
    """One line in one direction: stops, time of each segment [0.1 s], departures at its first stop [0.1 s]."""

    stops: list[int]
    ride: list[int]
    starts: list[int]
    metro: bool = False
    loop: bool = False
    felt: list[float] = field(default_factory=list)
    """Perceived over actual time of each segment."""
    share: float = 1.0
    """Share of departures that can be boarded."""
    headway_min: float = 10.0
    """Minutes that a rider waits on for the next departure when one is full."""

    def __post_init__(self) -> None:
        if not self.felt:
            self.felt = [1.0] * len(self.ride)

    def at(self, k: int, start: int) -> int:
        """Time at which a vehicle leaves (or reaches) position k."""
        return start + sum(self.ride[:k])


@dataclass
class Net:
    """Lines, walks between stops (from, to, min) and from zones (zone, stop, min); a loop lists its first stop twice."""

    n_stops: int
    n_zones: int
    lines: list[Line]
    walks: list[tuple[int, int, float]]
    access: list[tuple[int, int, float]]
    cycle: int
    samples: int = 3
    wait_weight: float = 2.0
    walk_weight: float = 1.8
    transfer_min: float = 6.0

    def service(self) -> TransitService:
        """The net as a compiled service."""
        stop, follows, metro, km, headway = [], [], [], [], []
        for line in self.lines:
            base = len(stop)
            last = len(line.stops) - 1
            for k, s in enumerate(line.stops):
                stop.append(s)
                metro.append(line.metro)
                headway.append(line.headway_min)
                km.append(0.001 * line.ride[k] if k < last else 0.0)
                follows.append(-1 if k == last else base if line.loop and k == last - 1 else base + k + 1)
        walks, access = sorted(self.walks), sorted(self.access)
        graph = build_graph(
            np.array(stop, np.int32),
            np.array(follows, np.int32),
            np.array(metro, bool),
            np.array(km, np.float64),
            n_stops=self.n_stops,
            walks=(
                np.array([w[0] for w in walks], np.int32),
                np.array([w[1] for w in walks], np.int32),
                np.array([w[2] for w in walks], np.float64),
            ),
            access=(
                np.array([a[0] for a in access], np.int32),
                np.array([a[1] for a in access], np.int32),
                np.array([a[2] for a in access], np.float64),
                self.n_zones,
            ),
        )
        inputs = {
            "transit.bus_useful_share": 1.0,
            "transit.wait_weight": self.wait_weight,
            "transit.walk_weight": self.walk_weight,
            "transit.transfer_penalty_min": self.transfer_min,
            "transit.timetable_samples": float(self.samples),
            "transit.timetable_cycle_min": self.cycle / DS_PER_MIN,
        }
        n = len(stop)
        return TransitService(
            2025, Period.AM, TransitOption.BUS, graph, np.arange(n, dtype=np.int32),
            np.arange(self.n_stops, dtype=np.int32), np.array(headway, np.float64), n, inputs,
        )  # fmt: skip

    def call_time_s(self) -> F64:
        """Running time of each call's segment."""
        return np.array([t for line in self.lines for t in [*line.ride, 0]], np.float64) * 60 / DS_PER_MIN

    def crowding(self) -> TransitCrowding:
        """What crowds do on each call."""
        felt = np.array([f for line in self.lines for f in [*line.felt, 1.0]], np.float64)
        share = np.array([line.share for line in self.lines for _ in line.stops], np.float64)
        return TransitCrowding(np.zeros_like(felt), felt, share, 0.0)

    def table(self) -> Timetable:
        """Departures as given."""
        starts = [np.array(line.starts, np.float64) for line in self.lines]
        return departure_timetable(self.service(), self.call_time_s(), starts, self.cycle, ((0, self.cycle),))

    def run(self, demand: F64 | None = None) -> TransitResult:
        """What the kernels say."""
        return assign_timetable(
            self.service(), demand, self.call_time_s(), crowding=self.crowding(), timetable=self.table()
        )


PARTS = ("access_min", "wait_min", "bus_min", "metro_min", "crowded_min", "boardings", "bus_boardings")


def _ds(minutes: float) -> int:
    return int(np.rint(minutes * DS_PER_MIN))


def _moves(net: Net, state: tuple, to: int) -> Iterator[tuple[float, tuple, dict[str, float]]]:  # type: ignore[type-arg]
    """Out of a state: cost, next state, and what the move adds to the parts."""
    kind = state[0]
    if kind == "wait":
        _, s, t = state
        for i, line in enumerate(net.lines):
            for k in range(len(line.ride)):
                if line.stops[k] == s:
                    for start in line.starts:
                        gap = (line.at(k, start) - t) % net.cycle / DS_PER_MIN
                        lost = line.headway_min * (1 - line.share) / line.share
                        gain = {
                            "wait_min": gap + lost,
                            "boardings": 1.0,
                            "bus_boardings": float(not line.metro),
                        }
                        yield net.wait_weight * (gap + lost), ("on", i, k, start), gain
    elif kind == "on":
        _, i, k, start = state
        line = net.lines[i]
        name = "metro_min" if line.metro else "bus_min"
        ride = line.ride[k] / DS_PER_MIN
        reach = line.at(k + 1, start)
        yield (
            ride * line.felt[k],
            ("off", line.stops[k + 1], reach % net.cycle),
            {
                name: ride,
                "crowded_min": ride * line.felt[k],
            },
        )
        if k + 1 < len(line.ride):
            yield (
                ride * line.felt[k],
                ("on", i, k + 1, start),
                {name: ride, "crowded_min": ride * line.felt[k]},
            )
        elif line.loop:
            # The vehicle waits for its line's next departure from the first stop.
            hold, then = min(((s - reach) % net.cycle, s) for s in line.starts)
            ride += hold / DS_PER_MIN
            yield ride * line.felt[k], ("on", i, 0, then), {name: ride, "crowded_min": ride * line.felt[k]}
    else:
        _, s, t = state
        for z, stop, m in net.access:
            if z == to and stop == s:
                yield net.walk_weight * m, ("home",), {"access_min": m}
        yield net.transfer_min, ("wait", s, t), {}
        if kind == "off":
            for a, b, m in net.walks:
                if a == s:
                    then = ("walked", b, (t + _ds(m)) % net.cycle)
                    yield net.walk_weight * m, then, {"access_min": m}


def cheapest_journey(net: Net, origin: int, leave: int, to: int) -> dict[str, float] | None:
    """Cost and parts of the cheapest journey of a rider who leaves home at a moment [0.1 s]; None if there is none.

    The table repeats, so a state is known by its time within the cycle.
    """
    heap: list[tuple[float, int, tuple, dict[str, float]]] = []  # type: ignore[type-arg]
    n = 0
    for z, s, m in net.access:
        if z == origin:
            n += 1
            start = ("wait", s, (leave + _ds(m)) % net.cycle)
            heap.append((net.walk_weight * m, n, start, {"access_min": m}))
    heapq.heapify(heap)
    settled = set()
    while heap:
        cost, _, state, parts = heapq.heappop(heap)
        if state == ("home",):
            return {"total": cost, **{name: parts.get(name, 0.0) for name in PARTS}}
        if state in settled:
            continue
        settled.add(state)
        for more, then, gain in _moves(net, state, to):
            if then not in settled:
                n += 1
                new = {name: parts.get(name, 0.0) + gain.get(name, 0.0) for name in {*parts, *gain}}
                heapq.heappush(heap, (cost + more, n, then, new))
    return None


def run_naive(net: Net) -> dict[str, F64]:
    """Means over the sampled departures for all pairs of zones."""
    z = net.n_zones
    out = {name: np.zeros((z, z)) for name in ("total", *PARTS)}
    leave = leave_ds(z, net.samples, net.table())
    for o in range(z):
        for d in range(z):
            found = [cheapest_journey(net, o, int(t), d) for t in leave[o]] if o != d else [None]
            if any(f is None for f in found):
                out["total"][o, d] = np.inf
                continue
            for name in out:
                out[name][o, d] = np.mean([f[name] for f in found if f is not None])
    return out
