"""Road equilibria against AequilibraE (bi-conjugate Frank-Wolfe): seconds to the same gap, one thread each.

Run with ``make bench-peers``, or from the checkout in an environment with the dependency group ``peers``:
``python -m benchmarks.peers_roads [folder of the shared data]``. Processor seconds of a second run each; the gap
of both flows is measured by one yardstick, and their flow must close at every node.
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import time
from pathlib import Path

import numba
import numpy as np
import pandas as pd

from benchmarks.bench_roads import ZONE_COUNT, read_streets
from benchmarks.figures import keep
from transport_abm.networks.city import F64, I32
from transport_abm.networks.formats.tntp import read_tntp_network, read_tntp_trips
from transport_abm.networks.roads.assignment import (
    RoadProblem,
    assign_all_or_nothing,
    assign_roads,
    link_time_s,
)

MOST_SWEEPS = 2000
STREET_TRIPS_PCUH = 150_000


def measured_gap(problem: RoadProblem, zone_node: I32, demand: F64, flow: F64) -> float:
    """(sum x c - sum d u) / sum x c of any flow."""
    cost = link_time_s(problem, flow) + problem.fixed_cost_s
    best = assign_all_or_nothing(problem, cost, zone_node, demand)
    return float((flow - best) @ cost / (flow @ cost))


def imbalance(problem: RoadProblem, zone_node: I32, demand: F64, flow: F64) -> float:
    """Largest loss or gain of flow at a node, as a share of all demand."""
    wanted = demand.copy()
    np.fill_diagonal(wanted, 0.0)
    n = problem.n_nodes
    balance = np.bincount(problem.head, flow, n) - np.bincount(problem.tail, flow, n)
    balance += np.bincount(zone_node, wanted.sum(axis=1) - wanted.sum(axis=0), n)
    return float(np.abs(balance).max() / wanted.sum())


def peer_setup(problem: RoadProblem, zone_node: I32, demand: F64):  # type: ignore[no-untyped-def]
    """Graph and matrix of AequilibraE; zones get the lowest node numbers, as it wants."""
    from aequilibrae.matrix import AequilibraeMatrix
    from aequilibrae.paths import Graph

    number = np.zeros(problem.n_nodes, np.int64)
    number[zone_node] = np.arange(1, len(zone_node) + 1)
    rest = np.flatnonzero(number == 0)
    number[rest] = len(zone_node) + 1 + np.arange(len(rest))
    n = problem.n_links
    graph = Graph()
    graph.network = pd.DataFrame(
        {
            "link_id": np.arange(1, n + 1), "a_node": number[problem.tail], "b_node": number[problem.head],
            "direction": np.ones(n, np.int8), "id": np.arange(1, n + 1),
            "free_flow_time": problem.free_time_s, "capacity": problem.capacity_pcuh,
            "b": problem.bpr_scale, "power": problem.bpr_power,
        }
    )  # fmt: skip
    graph.prepare_graph(np.arange(1, len(zone_node) + 1))
    graph.set_graph("free_flow_time")
    graph.set_blocked_centroid_flows(problem.first_through_node > 0)
    matrix = AequilibraeMatrix()
    matrix.create_empty(zones=len(zone_node), matrix_names=["cars"], memory_only=True)
    matrix.index[:] = np.arange(1, len(zone_node) + 1)
    matrix.matrices[:, :, 0] = demand
    matrix.computational_view(["cars"])
    return graph, matrix


def peer_flow(problem: RoadProblem, zone_node: I32, demand: F64, gap: float) -> tuple[F64, float, int]:
    """Flow of AequilibraE, its processor seconds without set-up, and its sweeps."""
    from aequilibrae.paths import TrafficAssignment, TrafficClass

    graph, matrix = peer_setup(problem, zone_node, demand)
    job = TrafficAssignment()
    job.set_classes([TrafficClass("cars", graph, matrix)])
    job.set_vdf("BPR")
    job.set_vdf_parameters({"alpha": "b", "beta": "power"})
    job.set_capacity_field("capacity")
    job.set_time_field("free_flow_time")
    job.set_algorithm("bfw")
    job.max_iter, job.rgap_target = MOST_SWEEPS, gap
    job.set_cores(1)
    start = time.process_time()
    with contextlib.redirect_stderr(io.StringIO()):  # it draws progress bars
        job.execute()
    spent = time.process_time() - start
    result = job.results().sort_index()
    flow = result["cars_ab"].reindex(np.arange(1, problem.n_links + 1)).fillna(0.0).to_numpy(np.float64)
    return flow, spent, len(job.report())


def compare(name: str, problem: RoadProblem, zone_node: I32, demand: F64, gap: float) -> None:
    """One line for each side, and the ratio."""
    np.fill_diagonal(demand, 0.0)
    assign_roads(problem, zone_node, demand, gap=gap, max_iterations=2)  # compile, and build the hierarchy
    start = time.process_time()
    flows = assign_roads(problem, zone_node, demand, gap=gap, max_iterations=MOST_SWEEPS)
    ours = time.process_time() - start
    assign_all_or_nothing(problem, flows.time_s, zone_node, demand)
    start = time.process_time()
    assign_all_or_nothing(problem, flows.time_s, zone_node, demand)
    load = time.process_time() - start
    theirs_flow, theirs, sweeps = peer_flow(problem, zone_node, demand, gap)
    for who, flow, spent, count in (
        ("this project", flows.flow_pcuh, ours, flows.iterations),
        ("AequilibraE bfw", theirs_flow, theirs, sweeps),
    ):
        reached = measured_gap(problem, zone_node, demand, flow)
        lost = imbalance(problem, zone_node, demand, flow)
        print(
            f"{name}, {who}: {spent:.3f} s, {count} sweeps, gap {reached:.2e} (asked {gap:.0e}), imbalance {lost:.1e}"
        )
    apart = np.abs(flows.flow_pcuh - theirs_flow).sum() / flows.flow_pcuh.sum()
    print(f"  {theirs / ours:.0f} times faster; flows differ by {apart:.1e} of all", flush=True)
    keep(
        f"equilibrium, {name}, gap {gap:.0e}", ours, "s", peer=("AequilibraE bfw", theirs),
        roof=("one all-or-nothing load", load), bar_faster=5.0,
    )  # fmt: skip


def main() -> None:
    """Sioux Falls, Anaheim and the streets of Beijing, as far as the files are at hand."""
    logging.disable(logging.CRITICAL)
    numba.set_num_threads(1)
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    for name, gaps in (("SiouxFalls", (1e-4, 1e-6)), ("Anaheim", (1e-4, 1e-6))):
        if not (folder / "tntp" / f"{name}_net.tntp").is_file():
            print(f"{name}: no files")
            continue
        network = read_tntp_network(folder / "tntp" / f"{name}_net.tntp")
        demand = read_tntp_trips(folder / "tntp" / f"{name}_trips.tntp")
        for gap in gaps:
            compare(name, network.problem(), np.arange(network.n_zones, dtype=np.int32), demand, gap)
    if not (folder / "roads").is_dir():
        print("streets: no files")
        return
    problem, x_km, y_km = read_streets(folder / "roads")
    rng = np.random.default_rng(1)
    node = rng.choice(problem.n_nodes, ZONE_COUNT, replace=False).astype(np.int32)
    distance = np.hypot(x_km[node][:, None] - x_km[node], y_km[node][:, None] - y_km[node])
    size = rng.lognormal(0, 0.7, ZONE_COUNT)
    demand = np.outer(size, size) * np.exp(-distance / 6)
    np.fill_diagonal(demand, 0.0)
    demand *= STREET_TRIPS_PCUH / demand.sum()
    for gap in (1e-4, 1e-5):
        compare("streets of Beijing", problem, node, demand, gap)


if __name__ == "__main__":
    main()
