"""Road assignment: time to reach a gap, on published networks and a real street graph (trees: ``bench_routing``).

Run from the checkout: ``python -m benchmarks.bench_roads [folder of the shared data]``.
"""

from __future__ import annotations

import gzip
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from transport_abm.networks.city import F64
from transport_abm.networks.formats.tntp import read_tntp_network, read_tntp_trips
from transport_abm.networks.roads.assignment import RoadFlows, RoadProblem, assign_roads

SPEED_KMH = {"motorway": 80, "trunk": 70, "primary": 55, "secondary": 45, "tertiary": 35}
CAPACITY_PCUH = {"motorway": 5800, "trunk": 5800, "primary": 2700, "secondary": 1400, "tertiary": 900}
TRIPS_PCUH = 150_000
"""Demand of the street graph: some main roads above capacity."""
ZONE_COUNT = 400


def timed(work: Callable[[], RoadFlows]) -> tuple[RoadFlows, float, float]:
    """Result, seconds by the clock, seconds of processor time of all threads."""
    start, spent = time.perf_counter(), time.process_time()
    return work(), time.perf_counter() - start, time.process_time() - spent


def bench_published(folder: Path) -> None:
    """Seconds to 1e-6 from a cold start."""
    for name in ("SiouxFalls", "Anaheim"):
        network = read_tntp_network(folder / f"{name}_net.tntp")
        demand = read_tntp_trips(folder / f"{name}_trips.tntp")
        problem, node = network.problem(), np.arange(network.n_zones, dtype=np.int32)
        assign_roads(problem, node, demand, gap=0.1, max_iterations=3)  # compile
        flows, seconds, _ = timed(
            lambda p=problem, n=node, d=demand: assign_roads(p, n, d, gap=1e-6, max_iterations=99)
        )
        print(f"{name}: gap {flows.relative_gap:.1e} in {seconds:.3f} s, {flows.iterations} sweeps")


def read_streets(folder: Path) -> tuple[RoadProblem, F64, F64]:
    """Largest strongly connected part of the 2012 street graph; km east and north of its nodes."""
    with gzip.open(folder / "beijing_osm2012_edges.csv.gz") as file:
        links = pd.read_csv(file)
    with gzip.open(folder / "beijing_osm2012_nodes.csv.gz") as file:
        nodes = pd.read_csv(file)
    links = links[links["drive"] == 1]
    row = pd.Series(np.arange(len(nodes)), index=nodes["osm_node_id"])
    tail, head = row[links["u_osm"]].to_numpy(), row[links["v_osm"]].to_numpy()
    part = connected_components(
        coo_matrix((np.ones(len(tail)), (tail, head)), (len(nodes), len(nodes))), connection="strong"
    )[1]
    keep = part == np.bincount(part).argmax()
    new, inside = np.cumsum(keep) - 1, keep[tail] & keep[head]
    links = links[inside]
    kind = links["highway"].astype(str).str.split("_").str[0]
    speed = kind.map(SPEED_KMH).fillna(30).to_numpy(float)
    length_m = np.maximum(links["straight_m"].to_numpy(float), 5)
    n = len(links)
    problem = RoadProblem(
        tail=new[tail[inside]].astype(np.int32), head=new[head[inside]].astype(np.int32),
        n_nodes=int(keep.sum()),
        free_time_s=length_m / speed * 3.6, capacity_pcuh=kind.map(CAPACITY_PCUH).fillna(450).to_numpy(float),
        bpr_scale=np.where(speed >= 70, 0.15, 0.6), bpr_power=np.full(n, 4.0), fixed_cost_s=np.zeros(n),
        preload_pcuh=np.zeros(n),
    )  # fmt: skip
    return problem, nodes["lon"].to_numpy()[keep] * 85.3, nodes["lat"].to_numpy()[keep] * 111.0


def bench_streets(folder: Path) -> None:
    """A cold start and four warm ones, with dense and with sampled demand."""
    problem, x_km, y_km = read_streets(folder)
    rng = np.random.default_rng(1)
    node = rng.choice(problem.n_nodes, ZONE_COUNT, replace=False).astype(np.int32)
    distance = np.hypot(x_km[node][:, None] - x_km[node], y_km[node][:, None] - y_km[node])
    size = rng.lognormal(0, 0.7, ZONE_COUNT)
    trips = np.outer(size, size) * np.exp(-distance / 6)
    np.fill_diagonal(trips, 0)
    trips *= TRIPS_PCUH / trips.sum()
    sampled = rng.poisson(trips / 10) * 10.0
    for name, base in (("all pairs", trips), ("sampled", sampled)):
        flows, seconds, busy = timed(
            lambda d=base: assign_roads(problem, node, d, gap=1e-3, max_iterations=50)
        )
        slow = flows.flow_pcuh @ flows.time_s / (flows.flow_pcuh @ problem.free_time_s)
        print(
            f"{name}: {np.count_nonzero(base)} pairs, mean time {slow:.2f} x free; cold to "
            f"{flows.relative_gap:.1e} in {seconds:.2f} s ({busy:.2f} s of processor), "
            f"{flows.iterations} sweeps; state {flows.state.n_bytes / 1e6:.0f} MB, "
            f"{flows.state.n_paths} paths"
        )
        spent, spent_busy, sweeps = 0.0, 0.0, []
        for _ in range(4):
            if base is trips:
                demand = base * rng.lognormal(0, 0.1, base.shape) * rng.uniform(0.97, 1.03)
            else:  # a tenth of the sampled trips are others
                demand = rng.binomial((base / 10).astype(int), 0.9) * 10.0 + rng.poisson(trips / 100) * 10.0
            flows, seconds, busy = timed(
                lambda d=demand, s=flows.state: assign_roads(
                    problem, node, d, gap=1e-3, max_iterations=50, state=s
                )
            )
            spent += seconds
            spent_busy += busy
            sweeps.append(flows.iterations)
        print(
            f"  four warm starts, demand changed by about a tenth: {spent:.2f} s "
            f"({spent_busy:.2f} s of processor), sweeps {sweeps}"
        )
    print(f"most memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")


def main() -> None:
    """Run what the files at hand allow."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    for name, bench in (("tntp", bench_published), ("roads", bench_streets)):
        if (folder / name).is_dir():
            bench(folder / name)
        else:
            print(f"{name}: no files")


if __name__ == "__main__":
    main()
