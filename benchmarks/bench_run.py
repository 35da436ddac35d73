"""Whole runs: seconds by year and peak memory of the bundled city at 1 %, and of beijing-osm at 5 % where it is built.

Run with: python benchmarks/bench_run.py [city sample first last [L0, L1 or L2]]
"""

from __future__ import annotations

import resource
import sys
import time
import warnings

from transport_abm.core.errors import NetworkError
from transport_abm.model import TransportModel
from transport_abm.policy.scenario import Scenario


def measure(city: str, sample: float, years: tuple[int, int], rung: str = "L1") -> None:
    """Run and print."""
    start = time.perf_counter()
    try:
        model = TransportModel(
            Scenario.named("baseline").replace(sample=sample, years=years, city=city, traffic=rung)
        )
    except NetworkError as error:
        print(f"{city}: skipped ({error})")
        return
    print(
        f"{city} at {sample:g} on {rung}: set-up {time.perf_counter() - start:.1f} s (city, constants, people)"
    )
    began = time.perf_counter()
    for year in model.years:
        start = time.perf_counter()
        model.step()
        table = model.table[model.table["year"] == year].set_index(["outcome", "district", "class"])["value"]
        print(
            f"  {year}: {time.perf_counter() - start:6.1f} s, {table['gap', '', 'iterations']:.0f} iterations, "
            f"gap {table['gap', '', 'excess']:.2f} of the threshold, green share {table['green_share', '', '']:.4f}",
            flush=True,
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"  all years {time.perf_counter() - began:.1f} s, peak memory of the process {peak:.2f} GB")


def main() -> None:
    """The bars of the project, or one run of the user's choice."""
    warnings.simplefilter("ignore")
    if len(sys.argv) in (5, 6):
        measure(sys.argv[1], float(sys.argv[2]), (int(sys.argv[3]), int(sys.argv[4])), *sys.argv[5:])
        return
    measure("beijing-reference", 0.01, (2020, 2030))
    measure("beijing-reference", 0.01, (2020, 2030), "L2")
    measure("beijing-osm", 0.05, (2020, 2030))
    measure("beijing-osm", 0.05, (2020, 2030), "L2")


if __name__ == "__main__":
    main()
