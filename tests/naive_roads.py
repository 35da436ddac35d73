"""Slow, obvious twins of the road kernels."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

import numpy as np

from transport_abm.networks.city import F64
from transport_abm.networks.roads.road_classes import RoadClasses
from transport_abm.networks.roads.road_problem import RoadProblem


def naive_tree(problem: RoadProblem, cost: F64, origin: int) -> tuple[list[float], list[int]]:
    """Cost from ``origin`` to each node and the last link on the way (-1: none)."""
    leaving: list[list[int]] = [[] for _ in range(problem.n_nodes)]
    for link in range(problem.n_links):
        leaving[problem.tail[link]].append(link)
    best = [float("inf")] * problem.n_nodes
    last = [-1] * problem.n_nodes
    best[origin] = 0.0
    heap = [(0.0, origin)]
    while heap:
        base, node = heapq.heappop(heap)
        if base > best[node] or (node < problem.first_through_node and node != origin):
            continue
        for link in leaving[node]:
            head = int(problem.head[link])
            if base + cost[link] < best[head]:
                best[head] = base + float(cost[link])
                last[head] = link
                heapq.heappush(heap, (best[head], head))
    return best, last


def naive_turn_costs(
    problem: RoadProblem, cost: F64, origin: int, forbidden: set[tuple[int, int]]
) -> list[float]:
    """Cost from ``origin`` to each node where some turns from link to link are forbidden: a search over links."""
    best_link = [float("inf")] * problem.n_links
    heap = [(float(cost[k]), k) for k in range(problem.n_links) if problem.tail[k] == origin]
    while heap:
        base, link = heapq.heappop(heap)
        if base >= best_link[link]:
            continue
        best_link[link] = base
        node = int(problem.head[link])
        if node < problem.first_through_node:
            continue
        for after in range(problem.n_links):
            if problem.tail[after] == node and (link, after) not in forbidden:
                heapq.heappush(heap, (base + float(cost[after]), after))
    best = [float("inf")] * problem.n_nodes
    best[origin] = 0.0
    for link, value in enumerate(best_link):
        best[problem.head[link]] = min(best[problem.head[link]], value)
    return best


def naive_path(problem: RoadProblem, last: Sequence[int], node: int) -> Iterator[int]:
    """Links of the way to ``node``, last link first."""
    while last[node] >= 0:
        yield last[node]
        node = int(problem.tail[last[node]])


def naive_load(problem: RoadProblem, cost: F64, zone_node: Sequence[int], demand: F64) -> tuple[F64, float]:
    """All demand on the cheapest ways: flow by link, and demand times cost."""
    flow = np.zeros(problem.n_links)
    total = 0.0
    for origin, start in enumerate(zone_node):
        best, last = naive_tree(problem, cost, int(start))
        for zone, node in enumerate(zone_node):
            if demand[origin, zone] > 0 and node != start:
                total += demand[origin, zone] * best[node]
                for link in naive_path(problem, last, int(node)):
                    flow[link] += demand[origin, zone]
    return flow, total


def naive_cost(problem: RoadProblem, flow: F64) -> F64:
    """Cost of each link at a flow, link by link."""
    cost = np.empty(problem.n_links)
    for k in range(problem.n_links):
        load = (flow[k] + problem.preload_pcuh[k]) / problem.capacity_pcuh[k]
        cost[k] = problem.free_time_s[k] * (1 + problem.bpr_scale[k] * load ** problem.bpr_power[k])
        cost[k] += problem.fixed_cost_s[k]
    return cost


def naive_gap(problem: RoadProblem, zone_node: Sequence[int], demand: F64, flow: F64) -> float:
    """(sum x c - sum d u) / sum x c."""
    cost = naive_cost(problem, flow)
    total = sum(x * c for x, c in zip(flow, cost, strict=True) if x > 0)
    return (total - naive_load(problem, cost, zone_node, demand)[1]) / total if total > 0 else 0.0


def naive_class_gap(
    problem: RoadProblem, classes: RoadClasses, zone_node: Sequence[int], demand: F64, flow: F64
) -> float:
    """(sum x c - sum d u) / sum x c in pcu over classes; ``flow`` counts the vehicles of each."""
    cost = naive_cost(problem, (classes.pcu[:, None] * flow).sum(axis=0))
    total = least = 0.0
    for k, pcu in enumerate(classes.pcu):
        own = cost + classes.fixed_cost_s[k]
        total += sum(float(pcu * x * c) for x, c in zip(flow[k], own, strict=True) if x > 0)
        least += float(pcu) * naive_load(problem, own, zone_node, demand[k])[1]
    return (total - least) / total if total > 0 else 0.0


def naive_class_equilibrium(
    problem: RoadProblem, classes: RoadClasses, zone_node: Sequence[int], demand: F64, sweeps: int
) -> F64:
    """Vehicles of each class by link, by successive averages."""
    flow = np.zeros((len(classes.pcu), problem.n_links))
    for k in range(1, sweeps + 1):
        cost = naive_cost(problem, (classes.pcu[:, None] * flow).sum(axis=0))
        for c in range(len(classes.pcu)):
            wish = naive_load(problem, cost + classes.fixed_cost_s[c], zone_node, demand[c])[0]
            flow[c] += (wish - flow[c]) / k
    return flow


def class_beckmann(problem: RoadProblem, classes: RoadClasses, flow: F64) -> float:
    """The sum that an equilibrium of several classes makes smallest."""
    paid = np.where(flow > 0, np.where(flow > 0, classes.fixed_cost_s, 0.0) * flow, 0.0)
    every = (classes.pcu[:, None] * flow).sum(axis=0)
    return beckmann(problem, every) + float((classes.pcu[:, None] * paid).sum())


def naive_equilibrium(problem: RoadProblem, zone_node: Sequence[int], demand: F64, sweeps: int) -> F64:
    """Flow by successive averages."""
    flow = np.zeros(problem.n_links)
    for k in range(1, sweeps + 1):
        flow += (naive_load(problem, naive_cost(problem, flow), zone_node, demand)[0] - flow) / k
    return flow


def naive_frank_wolfe(
    problem: RoadProblem, zone_node: Sequence[int], demand: F64, sweeps: int
) -> tuple[F64, float]:
    """Flow by Frank and Wolfe (1956) with exact steps, and the highest floor it gives for the sum of integrals."""
    flow = naive_load(problem, naive_cost(problem, np.zeros(problem.n_links)), zone_node, demand)[0]
    floor = -float("inf")
    for _ in range(sweeps):
        cost = naive_cost(problem, flow)
        aim = naive_load(problem, cost, zone_node, demand)[0]
        floor = max(floor, beckmann(problem, flow) + float(cost @ (aim - flow)))
        low, high = 0.0, 1.0
        for _ in range(40):
            middle = (low + high) / 2
            falls = naive_cost(problem, flow + middle * (aim - flow)) @ (aim - flow) < 0
            low, high = (middle, high) if falls else (low, middle)
        flow = flow + low * (aim - flow)
    return flow, floor


def beckmann(problem: RoadProblem, flow: F64) -> float:
    """Sum over links of the integral of cost up to the flow, for problems without closed links."""
    power = problem.bpr_power + 1
    load = (flow + problem.preload_pcuh) / problem.capacity_pcuh
    base = problem.preload_pcuh / problem.capacity_pcuh
    rise = problem.bpr_scale * problem.capacity_pcuh / power * (load**power - base**power)
    return float((problem.free_time_s * (flow + rise) + problem.fixed_cost_s * flow).sum())
