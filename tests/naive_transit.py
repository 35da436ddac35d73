"""Slow, obvious twin of the transit kernels: labels by sweeps, flows and means by linear equations."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from transport_abm.networks.transit.kernels_transit import TransitCost, TransitGraph, assign_strategies
from transport_abm.networks.transit.transit_service import build_graph

F64 = NDArray[np.float64]


@dataclass
class Line:
    """One line in one direction; a loop runs on from its last stop to its first."""

    stops: list[int]
    ride_min: list[float]
    frequency: float
    metro: bool = False
    loop: bool = False
    km: list[float] = field(default_factory=list)
    crowd: float = 1.0

    def __post_init__(self) -> None:
        if not self.km:
            self.km = [0.5 * t for t in self.ride_min]

    def next(self, k: int) -> int | None:
        """Position after position ``k``."""
        if k + 1 < len(self.stops):
            return k + 1
        return 0 if self.loop else None


@dataclass
class Net:
    """Stops, lines, walks between stops (from, to, min) and walks from zones (zone, stop, min)."""

    n_stops: int
    n_zones: int
    lines: list[Line]
    walks: list[tuple[int, int, float]]
    access: list[tuple[int, int, float]]
    wait_alpha: float = 0.5
    wait_weight: float = 2.0
    walk_weight: float = 1.8
    transfer_min: float = 6.0

    def calls(self) -> list[tuple[int, int]]:
        """All (line, position) pairs, in the order of the kernels' rows."""
        return [(i, k) for i, line in enumerate(self.lines) for k in range(len(line.stops))]

    def graph(self) -> TransitGraph:
        """Arrays for the kernels."""
        calls = self.calls()
        row = {call: k for k, call in enumerate(calls)}
        moves = [((i, k), self.lines[i].next(k)) for i, k in calls]
        walks = sorted(self.walks)
        access = sorted(self.access)
        return build_graph(
            np.array([self.lines[i].stops[k] for i, k in calls], np.int32),
            np.array([-1 if n is None else row[i, n] for (i, _), n in moves], np.int32),
            np.array([self.lines[i].metro for i, _ in calls], bool),
            np.array([0.0 if n is None else self.lines[i].km[k] for (i, k), n in moves]),
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
        )  # fmt: skip

    def cost(self) -> TransitCost:
        """Times, frequencies and weights for the kernels."""
        calls = self.calls()
        leaves = [self.lines[i].next(k) is not None for i, k in calls]
        ride = np.array(
            [self.lines[i].ride_min[k] if go else 0.0 for (i, k), go in zip(calls, leaves, strict=True)]
        )
        crowd = np.array([self.lines[i].crowd for i, _ in calls])
        frequency = np.array(
            [self.lines[i].frequency if go else 0.0 for (i, _), go in zip(calls, leaves, strict=True)]
        )
        return TransitCost(
            ride,
            ride * crowd,
            frequency,
            self.wait_alpha,
            self.wait_weight,
            self.walk_weight,
            self.transfer_min,
        )


@dataclass
class Fast:
    """What the kernels say about a net."""

    total: F64
    skim: NDArray[np.float32]
    flow: F64
    board: F64
    lost: F64


def run_kernels(net: Net, demand: F64 | None = None, n_chunks: int = 3) -> Fast:
    """Run the kernels on a net."""
    z, n_calls = net.n_zones, len(net.calls())
    total, skim, lost = np.empty((z, z)), np.empty((9, z, z), np.float32), np.empty(z)
    flow = np.zeros((n_chunks, 3, n_calls))
    chunks = np.arange(n_chunks + 1, dtype=np.int64) * z // n_chunks
    table = np.empty((0, 0)) if demand is None else demand
    assign_strategies(net.graph(), net.cost(), table, chunks, total, skim, flow, lost)
    both = flow.sum(axis=0)
    return Fast(total, skim, both[0], both[1], lost)


def optimal_set(options: list[tuple[float, float]], wait_cost: float) -> tuple[float, list[int]]:
    """Cost of waiting for the best set of (cost on board, frequency), and that set."""
    best, chosen = np.inf, []
    total_f = total_fv = 0.0
    for k in sorted(range(len(options)), key=lambda k: options[k][0]):
        value, f = options[k]
        if f <= 0 or not value < best:
            continue
        total_f += f
        total_fv += f * value
        best = (wait_cost + total_fv) / total_f
        chosen.append(k)
    return best, chosen


@dataclass
class Labels:
    """Costs to one destination: on board of each call, on each platform, after alighting at each stop."""

    call: dict[tuple[int, int], float]
    platform: list[float]
    alighted: list[float]


def _sweep(net: Net, destination: int, old: Labels) -> Labels:
    """One improvement of all labels."""
    egress = {s: m for z, s, m in net.access if z == destination}
    call = {}
    for i, k in net.calls():
        n = net.lines[i].next(k)
        call[i, k] = np.inf
        if n is not None:
            line = net.lines[i]
            call[i, k] = line.ride_min[k] * line.crowd + min(old.call[i, n], old.alighted[line.stops[n]])
    platform, alighted = [], []
    for s in range(net.n_stops):
        here = [(call[i, k], net.lines[i].frequency) for i, k in net.calls() if net.lines[i].stops[k] == s]
        platform.append(optimal_set(here, net.wait_weight * net.wait_alpha)[0])
        ways = [net.transfer_min + platform[s]]
        if s in egress:
            ways.append(net.walk_weight * egress[s])
        ways += [net.walk_weight * m + old.alighted[j] for i, j, m in net.walks if i == s]
        alighted.append(min(ways))
    return Labels(call, platform, alighted)


def labels_to(net: Net, destination: int) -> Labels:
    """Least costs to a destination: sweeps from infinity until nothing changes."""
    labels = Labels(dict.fromkeys(net.calls(), np.inf), [np.inf] * net.n_stops, [np.inf] * net.n_stops)
    while True:
        better = _sweep(net, destination, labels)
        if better == labels:
            return labels
        labels = better


def _moves(net: Net, destination: int, labels: Labels) -> dict[object, list[tuple[float, object, F64]]]:
    """Out of each state: probability, next state (None at the end), and what the move adds to the skims."""
    egress = {s: m for z, s, m in net.access if z == destination}
    moves: dict[object, list[tuple[float, object, F64]]] = {}

    def gain(**what: float) -> F64:
        names = ["walk", "wait", "bus", "metro", "crowded", "board", "bus_board", "bus_km", "metro_km"]
        return np.array([what.get(name, 0.0) for name in names])

    for i, k in net.calls():
        line = net.lines[i]
        n = line.next(k)
        if n is None or not np.isfinite(labels.call[i, k]):
            continue
        kind = {
            "metro" if line.metro else "bus": line.ride_min[k],
            "metro_km" if line.metro else "bus_km": line.km[k],
        }
        stay = labels.call[i, n] <= labels.alighted[line.stops[n]]
        then = ("call", i, n) if stay else ("alighted", line.stops[n])
        moves["call", i, k] = [(1.0, then, gain(crowded=line.ride_min[k] * line.crowd, **kind))]
    for s in range(net.n_stops):
        here = [(i, k) for i, k in net.calls() if net.lines[i].stops[k] == s]
        options = [(labels.call[c], net.lines[c[0]].frequency) for c in here]
        if np.isfinite(labels.platform[s]):
            _, chosen = optimal_set(options, net.wait_weight * net.wait_alpha)
            f = sum(options[k][1] for k in chosen)
            moves["platform", s] = [
                (
                    options[k][1] / f,
                    ("call", *here[k]),
                    gain(
                        wait=net.wait_alpha / f, board=1.0, bus_board=float(not net.lines[here[k][0]].metro)
                    ),
                )
                for k in chosen
            ]
        if np.isfinite(labels.alighted[s]):
            ways: list[tuple[float, object, F64]] = [
                (net.transfer_min + labels.platform[s], ("platform", s), gain())
            ]
            if s in egress:
                ways.append((net.walk_weight * egress[s], None, gain(walk=egress[s])))
            ways += [
                (net.walk_weight * m + labels.alighted[j], ("alighted", j), gain(walk=m))
                for i, j, m in net.walks
                if i == s
            ]
            _, then_s, what = min(ways, key=lambda way: way[0])
            moves["alighted", s] = [(1.0, then_s, what)]
    return moves


def run_naive(net: Net, demand: F64) -> Fast:
    """Labels by sweeps; visits ``x = (I - P')^-1 q`` and means ``m = (I - P)^-1 r`` by dense solves."""
    z, calls = net.n_zones, net.calls()
    out = Fast(
        np.full((z, z), np.inf), np.zeros((9, z, z), np.float32), np.zeros(len(calls)), np.zeros(len(calls)),
        np.zeros(z),
    )  # fmt: skip
    for d in range(z):
        labels = labels_to(net, d)
        moves = _moves(net, d, labels)
        states = list(moves)
        row = {state: k for k, state in enumerate(states)}
        step, reward = np.zeros((len(states), len(states))), np.zeros((len(states), 9))
        for state, ways in moves.items():
            for p, then, what in ways:
                reward[row[state]] += p * what
                if then is not None:
                    step[row[state], row[then]] += p
        mean = np.linalg.solve(np.eye(len(states)) - step, reward)
        start = np.zeros(len(states))
        for o in range(z):
            doors = [
                (net.walk_weight * m + labels.platform[s], s, m) for zone, s, m in net.access if zone == o
            ]
            cost, s, m = min(doors, default=(np.inf, -1, 0.0))
            if o == d or not np.isfinite(cost):
                out.lost[d] += demand[o, d]
                continue
            out.total[o, d] = cost
            out.skim[:, o, d] = mean[row["platform", s]] + m * np.eye(9)[0]
            start[row["platform", s]] += demand[o, d]
        visits = np.linalg.solve(np.eye(len(states)) - step.T, start)
        for k, call in enumerate(calls):
            if ("call", *call) in row:
                out.flow[k] += visits[row["call", *call]]
                stop = ("platform", net.lines[call[0]].stops[call[1]])
                if stop in row:
                    out.board[k] += visits[row[stop]] * step[row[stop], row["call", *call]]
    return out
