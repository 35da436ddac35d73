"""What a report reads of the runs: means and bands over replications, gaps, targets, published values."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from transport_abm.core.errors import Fault, InputError
from transport_abm.policy.targets import Target, read_targets
from transport_abm.report.texts import read_rows
from transport_abm.results import Ensemble, Results

NAN = float("nan")
Point = tuple[float, float, float]
"""Mean, 5 % and 95 % quantile over replications."""
NO_POINT: Point = (NAN, NAN, NAN)
CONVERGED_AT = 1.0
"""A gap of one times its threshold still counts as converged."""


@dataclass(frozen=True)
class TargetLine:
    """One target of the plan beside the runs."""

    target: Target
    year: int
    plan: float
    mean: float
    low: float
    high: float
    met: int
    """Replications that meet the target."""
    runs: int
    """Replications that hold its year."""

    @property
    def outcome(self) -> str:
        """Outcome that the target is about."""
        return self.target.outcome

    @property
    def gap(self) -> float:
        """Model less plan."""
        return self.mean - self.plan


@dataclass(frozen=True)
class Observed:
    """One published value."""

    outcome: str
    class_: str
    year: int
    value: float
    tag: str
    source: str


@dataclass(frozen=True)
class Reading:
    """Runs of one scenario, read for a report."""

    ensemble: Ensemble

    @property
    def runs(self) -> int:
        """Number of replications."""
        return len(self.ensemble)

    @property
    def manifest(self) -> Mapping[str, Any]:
        """Manifest of the first run."""
        return self.ensemble.runs[0].manifest

    @property
    def scenario(self) -> Mapping[str, Any]:
        """Scenario of the runs, as the manifest has it."""
        return part(self.manifest, "scenario")

    @cached_property
    def frame(self) -> pd.DataFrame:
        """All outcomes with their replication; what is not finite is missing."""
        frame = self.ensemble.frame()
        values = frame["value"].to_numpy(np.float64)
        return frame.assign(value=np.where(np.isfinite(values), values, np.nan))

    @cached_property
    def _points(self) -> Mapping[tuple[str, str, str], Mapping[int, Point]]:
        """Mean and band by outcome, district and class, then year."""
        grouped = self.frame.groupby(["outcome", "district", "class", "year"], sort=False)["value"]
        table = pd.DataFrame(
            {"mean": grouped.mean(), "low": grouped.quantile(0.05), "high": grouped.quantile(0.95)}
        )
        out: dict[tuple[str, str, str], dict[int, Point]] = {}
        for key, row in zip(table.index.tolist(), table.to_numpy().tolist(), strict=True):
            out.setdefault((str(key[0]), str(key[1]), str(key[2])), {})[int(key[3])] = (
                row[0],
                row[1],
                row[2],
            )
        return out

    @cached_property
    def years(self) -> list[int]:
        """Simulated years."""
        return sorted({int(year) for year in self.frame["year"].unique()})

    @property
    def first_year(self) -> int:
        """First simulated year."""
        return self.years[0]

    @property
    def last_year(self) -> int:
        """Last simulated year."""
        return self.years[-1]

    @cached_property
    def units(self) -> Mapping[str, str]:
        """Unit by outcome."""
        return {
            str(row[0]): str(row[1])
            for row in self.frame[["outcome", "unit"]].drop_duplicates().itertuples(index=False)
        }

    def point(self, outcome: str, year: int, *, district: str = "", class_: str = "") -> Point:
        """Mean and band of a value; NaN where there is none."""
        return self._points.get((outcome, district, class_), {}).get(year, NO_POINT)

    def mean(self, outcome: str, year: int, *, district: str = "", class_: str = "") -> float:
        """Mean of a value over replications."""
        return self.point(outcome, year, district=district, class_=class_)[0]

    def series(self, outcome: str, *, class_: str = "") -> dict[int, Point]:
        """Mean and band by year, of the years that have a value."""
        known = self._points.get((outcome, "", class_), {})
        return {year: known[year] for year in self.years if year in known and math.isfinite(known[year][0])}

    def series_years(self, outcomes: Collection[str]) -> set[int]:
        """Years in which any class of these outcomes has a value."""
        return {year for key, rows in self._points.items() if key[0] in outcomes for year in rows}

    def classes(self, outcome: str) -> list[str]:
        """Classes of an outcome in its own domain, in the order of the table."""
        return [key[2] for key in self._points if key[0] == outcome and key[1] == ""]

    def worst(self, class_: str, year: int) -> float:
        """Largest gap of a year over the replications; missing where any replication has none."""
        rows = self._gap_rows(class_, year)
        return float(rows.max()) if len(rows) and bool(np.isfinite(rows).all()) else NAN

    def _gap_rows(self, class_: str, year: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Gaps of a year, one a replication."""
        frame = self.frame
        rows = frame[(frame["outcome"] == "gap") & (frame["class"] == class_) & (frame["year"] == year)]
        return rows["value"].to_numpy(np.float64)

    @cached_property
    def excess(self) -> Mapping[int, float]:
        """Worst gap of each year as a multiple of its threshold; NaN where it is not known."""
        return {year: self.worst("excess", year) for year in self.years}

    @cached_property
    def not_converged(self) -> list[int]:
        """Years in which a run stopped above its threshold, or does not say."""
        return [year for year, excess in self.excess.items() if not excess <= CONVERGED_AT]

    @cached_property
    def targets(self) -> list[TargetLine]:
        """Targets that the model computes, beside the runs."""
        lines = []
        frame = self.frame[(self.frame["district"] == "") & (self.frame["class"] == "")]
        for target in read_targets().values():
            if target.status != "modelled" or target.value is None or target.year is None:
                continue
            rows = frame[(frame["outcome"] == target.outcome) & (frame["year"] == target.year)]
            value = rows["value"].dropna().to_numpy(np.float64)
            mean, low, high = self.point(target.outcome, target.year)
            met = sum(bool(target.is_met(float(v))) for v in value)
            lines.append(TargetLine(target, target.year, target.value, mean, low, high, met, len(value)))
        return lines

    def flows(self, name: str, year: int) -> pd.DataFrame:
        """Mean flows over the replications in one year, by link or by call of a pattern."""
        tables = [
            table[table["year"] == year]
            for table in (getattr(run, name) for run in self.ensemble)
            if len(table)
        ]
        if not tables:
            return pd.DataFrame()
        key = "link" if name == "roads" else "call"
        both = pd.concat(tables, ignore_index=True)
        values = [column for column in both.columns if column not in ("year", key, "pattern")]
        # A link without flow in a replication has no row there: it counts as zero.
        mean: pd.DataFrame = both.groupby(key)[values].sum() / len(tables)
        return mean.reset_index()

    def flow_year(self, name: str) -> int | None:
        """Last year with flows."""
        years = [
            int(table["year"].max()) for table in (getattr(run, name) for run in self.ensemble) if len(table)
        ]
        return min(years) if years else None


def part(manifest: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A table of the manifest; empty where it is missing or no table."""
    value = manifest.get(name)
    return value if isinstance(value, Mapping) else {}


def observed_values(outcome: str, class_: str = "") -> list[Observed]:
    """Published values of an outcome, by year."""
    rows = (
        Observed(
            row["outcome"], row["class"], int(row["year"]), float(row["value"]), row["tag"], row["source"]
        )
        for row in read_rows("observed.csv")
    )
    return sorted(
        (row for row in rows if row.outcome == outcome and row.class_ == class_), key=lambda row: row.year
    )


def read_runs(results: Results | Ensemble) -> Reading:
    """Check the runs of a report.

    Parameters
    ----------
    results
        One run, or replications of one scenario.

    Returns
    -------
    Reading
        The runs.

    Raises
    ------
    InputError
        If there is no run, a run is empty or has no scenario, or the runs are not replications of one
        scenario.
    """
    ensemble = Ensemble((results,)) if isinstance(results, Results) else results
    faults = []
    if not len(ensemble):
        raise InputError(Fault("report", "results", "at least one run", "none"))
    for number, run in enumerate(ensemble):
        if not part(run.manifest, "scenario").get("name"):
            faults.append(Fault(f"run {number}", "manifest.scenario", "a scenario with a name", "none"))
        if run.table.empty:
            faults.append(Fault(f"run {number}", "outcomes", "at least one year", "none"))
    if faults:
        raise InputError(faults)
    cases = [dict(part(run.manifest, "scenario")) for run in ensemble]
    numbers = [case.pop("replication", None) for case in cases]
    if any(case != cases[0] for case in cases):
        differ = sorted(
            {key for case in cases for key in case | cases[0] if case.get(key) != cases[0].get(key)}
        )
        faults.append(
            Fault(
                "report",
                "results",
                "replications of one scenario",
                f"runs that differ in {', '.join(differ)}",
            )
        )
    if len({part(run.manifest, "city").get("digest") for run in ensemble}) > 1:
        faults.append(Fault("report", "results", "runs on one city", "runs on several"))
    if len(ensemble) > 1 and len(set(numbers)) < len(numbers):
        faults.append(Fault("report", "results", "each replication once", f"replications {numbers}"))
    if faults:
        raise InputError(faults)
    return Reading(ensemble)
