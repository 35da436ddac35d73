"""Cheapest ways: trees against SciPy's Dijkstra, and a period's skims and loading, on the cities at hand.

Run from the checkout: ``python -m benchmarks.bench_routing``. Processor seconds of one thread; each figure is the
least of some runs, the two sides in turn.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable

import numba
import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from benchmarks.figures import keep
from benchmarks.roofs import relax_ns
from transport_abm.core.errors import NetworkError
from transport_abm.core.vocabulary import Period
from transport_abm.networks.cities.open_city import open_city
from transport_abm.networks.city import F64
from transport_abm.networks.roads.connectors import build_connectors, connect
from transport_abm.networks.roads.hierarchy import LANES, build_hierarchy
from transport_abm.networks.roads.road_problem import RoadProblem
from transport_abm.networks.roads.road_skims import road_problem
from transport_abm.policy.inputs import year_inputs

ROUNDS = 5
PAIRS = 2000
"""Pairs of nodes between which single ways are looked for."""


def spent(work: Callable[[], object]) -> float:
    """Processor seconds of a piece of work."""
    start = time.process_time()
    work()
    return time.process_time() - start


def as_matrix(problem: RoadProblem, cost: F64) -> csr_matrix:
    """Open links by tail for SciPy, of parallel ones the cheapest; no link leads to a zone, so none is passed."""
    graph, n = problem.graph, problem.n_nodes
    keep = np.flatnonzero(np.isfinite(cost) & (graph.head >= graph.first_through))
    keep = keep[np.lexsort((cost[keep], graph.head[keep], graph.tail[keep]))]
    pair = graph.tail[keep].astype(np.int64) * n + graph.head[keep]
    keep = keep[np.unique(pair, return_index=True)[1]]
    return csr_matrix((cost[keep], (graph.tail[keep], graph.head[keep])), (n, n))


def bench_city(name: str) -> None:
    """Print all figures of a city's roads in the morning peak, on empty roads."""
    try:
        city, _ = open_city(name)
    except NetworkError as error:
        print(f"{name}: skipped ({error})")
        return
    inputs, n_zones = year_inputs(2025), len(city.zones)
    roads = road_problem(city, inputs, period=Period.AM, year=2025)
    problem = connect(roads, build_connectors(city, inputs), n_zones, inputs)
    cost = problem.free_time_s[problem.order]
    hierarchy = build_hierarchy(problem.graph)
    build = min(spent(lambda: build_hierarchy(problem.graph)) for _ in range(ROUNDS))
    ways = hierarchy.ways(cost)
    weigh = min(spent(lambda: hierarchy.ways(cost)) for _ in range(ROUNDS))
    print(
        f"{name}: {problem.n_nodes} nodes, {problem.n_links} links, {n_zones} zones; {hierarchy.n_chords} chords, "
        f"{hierarchy.n_bytes / 1e6:.1f} MB; built in {build * 1e3:.0f} ms, weighed in {weigh * 1e3:.1f} ms"
    )
    matrix, origin = as_matrix(problem, cost), np.arange(LANES, dtype=np.int32)
    inner = slice(problem.first_through_node, None)
    found, expected = ways.costs(origin)[:, inner], dijkstra(matrix, indices=origin)[:, inner]
    same = np.array_equal(found.astype(np.float32), expected.astype(np.float32))
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(spent(lambda: ways.costs(origin)) / LANES)
        theirs.append(spent(lambda: dijkstra(matrix, indices=origin)) / LANES)
    print(
        f"  one-to-all trees: {1 / min(ours):,.0f} a second, SciPy {1 / min(theirs):,.0f}: "
        f"{min(theirs) / min(ours):.0f} times as many; the same in single precision: {same}"
    )
    # Each chord is looked at once for each origin; a period does so for the cost and two sums, and for the load.
    tree_ms = hierarchy.n_chords * relax_ns(LANES) / 1e6
    bars = name == "beijing-osm"
    keep(
        f"routing, {name}: a tree to all nodes", min(ours) * 1e3, "ms", peer=("SciPy dijkstra", min(theirs) * 1e3),
        roof=(f"{hierarchy.n_chords:,} chords", tree_ms), bar_faster=25.0 if bars else None,
    )  # fmt: skip
    zone, rng = np.arange(n_zones, dtype=np.int32), np.random.default_rng(1)
    attributes = np.stack([np.where(np.isfinite(cost), cost, 0.0), rng.uniform(0, 1, len(cost))])
    demand = rng.uniform(0, 1, (n_zones, n_zones))
    ways.skim(zone, attributes), ways.load(zone, demand), ways.path(0, 1)
    skim = min(spent(lambda: ways.skim(zone, attributes)) for _ in range(ROUNDS))
    load = min(spent(lambda: ways.load(zone, demand)) for _ in range(ROUNDS))
    pair = rng.integers(0, problem.n_nodes, (PAIRS, 2)).tolist()
    single = spent(lambda: [ways.path(*p) for p in pair]) / PAIRS
    print(
        f"  a period: weights, cost and two sums of all pairs of zones {(weigh + skim) * 1e3:.0f} ms, all demand loaded "
        f"{load * 1e3:.0f} ms, together {(weigh + skim + load) * 1e3:.0f} ms; one way with its links {single * 1e6:.0f} us"
    )
    keep(
        f"routing, {name}: skims and loading of a period", (weigh + skim + load) * 1e3, "ms",
        roof=(f"{n_zones} zones, 4 sums over all chords", 4 * n_zones * tree_ms), bar=500.0 if bars else None,
    )  # fmt: skip
    print(f"  most memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")


def main() -> None:
    """The bundled city, and beijing-osm where it is built."""
    numba.set_num_threads(1)
    for name in ("beijing-reference", "beijing-osm"):
        bench_city(name)


if __name__ == "__main__":
    main()
