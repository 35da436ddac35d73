"""Time and memory of 20 million agents in columns: `python -m benchmarks.bench_columns [agents]`.

Prints seconds for making the model, one step of every agent (two counter-based draws each), and Mesa's verbs,
with the peak memory of the whole process after each.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable

import mesa
import numpy as np
from numba import njit
from numpy.typing import NDArray

from transport_abm.core.columns import Column, Table
from transport_abm.core.draws import Stream, hash_uniform, stream_key
from transport_abm.core.mesa_view import ColumnAgent, ColumnAgentSet, ColumnModel, vectorized


class Commuters(Table):
    """Five columns beside identity and alive: 30 bytes an agent in all."""

    zone = Column(np.int16, "row", "home zone")
    mode = Column(np.int8, "1", "mode")
    income_cny = Column(np.float64, "CNY/year", "income")
    cost_cny = Column(np.float64, "CNY", "spent so far")
    trips = Column(np.int16, "1", "trips so far")


@njit(cache=True, nogil=True, error_model="numpy")
def commute(
    key: np.uint64,
    identity: NDArray[np.int64],
    mode: NDArray[np.int8],
    cost: NDArray[np.float64],
    trips: NDArray[np.int16],
) -> None:
    """Each agent draws a mode and a cost."""
    for i in range(identity.shape[0]):
        mode[i] = np.int8(hash_uniform(key, identity[i], 0) * 11)
        cost[i] += hash_uniform(key, identity[i], 1)
        trips[i] += 1


class Commuter(ColumnAgent):
    """One commuter."""

    table = Commuters

    @vectorized
    def step(people: ColumnAgentSet) -> None:
        """All rows at once."""
        names = ("mode", "cost_cny", "trips")
        columns = [people.col(name) for name in names]
        commute(stream_key(1, Stream.MODE, 2020), people.col("id"), *columns)
        for name, values in zip(names, columns, strict=True):
            people.put(name, values)


class City(ColumnModel):
    """Nothing but commuters."""

    def __init__(self, n: int) -> None:
        super().__init__(rng=1)
        self.attach(Commuter, Commuters.build(n))
        zone = self.tables[Commuter].column("zone")
        for start in range(0, n, 1_000_000):
            part = zone[start : start + 1_000_000]
            part[:] = np.arange(start, start + len(part)) % 500

    def step(self) -> None:
        """One day."""
        self.agents.do("step")


def timed(name: str, work: Callable[[], object]) -> object:
    """Run, and print the seconds and the peak memory so far."""
    start = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - start
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"{name:<42}{seconds:9.3f} s   peak {peak_gb:6.2f} GB", flush=True)
    return result


def main(n: int) -> None:
    """Run the benchmark."""
    print(f"{n:,} agents, mesa {mesa.__version__}, numpy {np.__version__}, Python {sys.version.split()[0]}")
    City(10).step()  # compile
    timed("import and compile done", lambda: None)
    model = timed("create", lambda: City(n))
    assert isinstance(model, City)
    timed("one model step", model.step)
    people = model.agents_by_type[Commuter]
    timed("agg(mean) of float64", lambda: people.agg("cost_cny", np.mean))
    timed("agg(sum) of int8", lambda: people.agg("mode", sum))
    timed("select(where=...)", lambda: people.select(where=lambda p: p.col("mode") == 3))
    timed("groupby(mode).count()", lambda: people.groupby("mode").count())
    timed("shuffle", lambda: people.shuffle())
    cost, mode = people.agg("cost_cny", np.mean), people.agg("mode", np.mean)
    print(f"mean cost {cost:.6f} (0.5 expected), mean mode {mode:.6f} (5 expected)")
    timed("10,000 handles, one attribute each", lambda: [a.zone for a in people[:10_000]])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000_000)
