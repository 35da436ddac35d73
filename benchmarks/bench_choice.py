"""Mode choice: trips chosen per second on one and two threads, on the bundled city's own tours.

Run with: python -m benchmarks.bench_choice [sample]
"""

from __future__ import annotations

import sys
import time

import numba

from transport_abm.agents.mode_choice import choice_terms, choose, zone_terms
from transport_abm.model import TransportModel
from transport_abm.policy.scenario import Scenario


def main(sample: float) -> None:
    """Print trips per second."""
    model = TransportModel(Scenario.named("baseline").replace(sample=sample, years=(2020, 2020)))
    model.step()
    world, inputs = model.world, model.case.inputs(2020)
    assert world.tours is not None and world.travellers is not None
    terms = choice_terms(world.base.constants(), world.city.fares, inputs)
    zone = zone_terms(world.city.zones, world.travel.radius_km, inputs)
    trips = 2 * len(world.tours) + int((world.tours.table[:, 4] >= 0).sum())
    for threads in (1, numba.config.NUMBA_NUM_THREADS):
        numba.set_num_threads(threads)
        best = float("inf")
        for _ in range(5):
            start = time.perf_counter()
            choose(world.tours, world.travellers, world.travel.los, zone, terms, seed=world.seed)
            best = min(best, time.perf_counter() - start)
        rate = trips / best / 1e6
        print(f"{threads} threads: {trips:,} trips in {best:.3f} s, best of 5: {rate:.1f} M trips/s")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 0.05)
