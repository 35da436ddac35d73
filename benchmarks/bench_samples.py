"""V-39: the green share of 2020 at samples of 1, 5 and 25 %, set against the error that sampling gives it.

    python -m benchmarks.bench_samples [city]        beijing-reference by default

The standard error is measured over replications of the 1 % sample and falls with the root of the sample. Prints each
share, its error, and by how many errors of their difference two samples differ (three is the bar).
"""

from __future__ import annotations

import sys
import time
from itertools import combinations

import numpy as np

import transport_abm as ta

REPLICATIONS = {0.01: 6, 0.05: 2, 0.25: 1}
"""Runs of each sample."""


def main() -> None:
    """Run and print."""
    city = sys.argv[1] if len(sys.argv) > 1 else "beijing-reference"
    case = ta.Scenario.named("baseline").replace(years=(2020, 2020), city=city)
    share: dict[float, np.ndarray] = {}
    for sample, count in REPLICATIONS.items():
        start = time.perf_counter()
        runs = ta.run_replications(case.replace(sample=sample), count).runs
        share[sample] = np.array([float(run["green_share"].loc[2020]) for run in runs])
        print(
            f"{city} {sample:.0%}: {share[sample].round(5)} in {time.perf_counter() - start:.0f} s",
            flush=True,
        )
    one = min(share)
    spread = float(share[one].std(ddof=1))
    error = {s: spread * np.sqrt(one / s / len(values)) for s, values in share.items()}
    print("sample  green share  standard error")
    for sample, values in share.items():
        print(f"{sample:6.0%}  {values.mean():11.4%}  {error[sample]:14.4%}")
    for a, b in combinations(share, 2):
        apart = abs(share[a].mean() - share[b].mean()) / np.hypot(error[a], error[b])
        print(f"{a:.0%} and {b:.0%}: {apart:.2f} standard errors apart (bar: 3)")


if __name__ == "__main__":
    main()
