"""Whole runs: seconds by year and peak memory, of the bundled city and of beijing-osm where it is built.

Run with: python -m benchmarks.bench_run [city sample first last [L0, L1 or L2]]
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import NamedTuple

from benchmarks.figures import keep
from transport_abm.core.errors import NetworkError
from transport_abm.model import TransportModel
from transport_abm.policy.scenario import Scenario


class Run(NamedTuple):
    """A run by its city, share of the people, first and last year and rung, with the project's bars."""

    city: str
    sample: float
    first: int
    last: int
    rung: str = "L1"
    most_s: float | None = None
    most_gb: float | None = None


RUNS = (
    Run("beijing-reference", 0.01, 2020, 2030),
    Run("beijing-reference", 0.01, 2020, 2030, "L2", most_s=60),
    Run("beijing-osm", 0.05, 2020, 2030),
    Run("beijing-osm", 0.05, 2020, 2030, "L2", most_s=480),
    Run("beijing-osm", 1.0, 2020, 2020, "L2", most_s=600, most_gb=14),
)


def measure(run: Run) -> None:
    """Run, print and keep."""
    start = time.perf_counter()
    try:
        model = TransportModel(
            Scenario.named("baseline").replace(
                sample=run.sample, years=(run.first, run.last), city=run.city, traffic=run.rung
            )
        )
    except NetworkError as error:
        print(f"{run.city}: skipped ({error})")
        return
    began = time.perf_counter()
    name = f"{run.city}, {run.sample:g} of the people, {run.first}-{run.last}, {run.rung}"
    print(f"{name}: set-up {began - start:.1f} s (city, constants, people)")
    for year in model.years:
        begin = time.perf_counter()
        model.step()
        table = model.table[model.table["year"] == year].set_index(["outcome", "district", "class"])["value"]
        print(
            f"  {year}: {time.perf_counter() - begin:6.1f} s, {table['gap', '', 'iterations']:.0f} iterations, "
            f"gap {table['gap', '', 'excess']:.2f} of the threshold, green share {table['green_share', '', '']:.4f}",
            flush=True,
        )
    end, peak_gb = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"  all years {end - began:.1f} s, peak memory of the process {peak_gb:.2f} GB")
    # A city's first run also fits its constants; set-up is printed above.
    keep(f"run, {name}: the years", end - began, "s", bar=run.most_s)
    keep(f"run, {name}: peak memory", peak_gb, "GB", bar=run.most_gb)


def main() -> None:
    """The bars of the project, each in a process of its own, or one run of the user's choice."""
    warnings.simplefilter("ignore")
    if len(sys.argv) in (5, 6):
        city, sample, first, last, *rung = sys.argv[1:]
        bars = {run[:5]: run for run in RUNS}
        run = Run(city, float(sample), int(first), int(last), *rung)
        measure(bars.get(run[:5], run))
        return
    for run in RUNS:
        subprocess.run(
            [sys.executable, "-m", "benchmarks.bench_run", *map(str, run[:5])],
            cwd=Path(__file__).resolve().parents[1], check=True,
        )  # fmt: skip


if __name__ == "__main__":
    main()
