"""Results of a run and ensembles of runs: one long table of outcomes, a manifest, and the flows for the maps.

A run directory holds ``outcomes.parquet``, ``roads.parquet``, ``transit.parquet`` and ``manifest.json``. It is written
under another name and moved into place, so that it is either whole or not there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transport_abm.core.errors import Fault, StoreError
from transport_abm.core.parquet import ParquetTable
from transport_abm.core.whole_files import whole_folder
from transport_abm.policy.targets import Target, read_targets

COLUMNS = ("outcome", "year", "district", "class", "value", "unit")
FILES = {"outcomes": "outcomes.parquet", "roads": "roads.parquet", "transit": "transit.parquet"}
MANIFEST = "manifest.json"
FORMAT = 1
Z_95 = 1.959963984540054
"""Quantile of the normal distribution between whose signs 95 % lie."""
NEEDED = {
    "run": str,
    "scenario": dict,
    "city": dict,
    "base_year": dict,
    "parameter_tags": dict,
    "versions": dict,
}
"""What a manifest must hold, and of what kind."""


@dataclass(frozen=True)
class Results:
    """Outcomes of one run.

    ``table`` is long: outcome, year, district (empty: the outcome's own domain), class, value, unit.
    """

    manifest: Mapping[str, Any]
    table: pd.DataFrame
    roads: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Flow of each link in the peaks of some years: year, link, am_pcuh, pm_pcuh, load (flow over capacity)."""
    transit: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Passengers of each metro section in the morning peak of some years."""

    def __getitem__(self, outcome: str) -> pd.Series[float]:
        """Series of an outcome over the years, in its own domain and without class."""
        return self.series(outcome)

    def series(self, outcome: str, *, district: str = "", class_: str = "") -> pd.Series[float]:
        """Series of an outcome over the years.

        Parameters
        ----------
        outcome
            Name of the outcome.
        district
            English name of a district; empty for the outcome's own domain.
        class_
            Class, such as a mode; empty for the total.

        Raises
        ------
        KeyError
            If the run has no such outcome.
        """
        rows = self.table[
            (self.table["outcome"] == outcome)
            & (self.table["district"] == district)
            & (self.table["class"] == class_)
        ]
        if rows.empty:
            known = sorted(set(self.table["outcome"]))
            raise KeyError(
                f"outcome {outcome!r} (district {district!r}, class {class_!r}); known: {', '.join(known)}"
            )
        return pd.Series(rows["value"].to_numpy(), index=rows["year"].to_numpy(), name=outcome)

    def frame(self) -> pd.DataFrame:
        """Copy of the whole table."""
        return self.table.copy()

    @property
    def name(self) -> str:
        """Name of the scenario."""
        return str(self.manifest["scenario"]["name"])

    @property
    def years(self) -> list[int]:
        """Simulated years."""
        return sorted(int(year) for year in self.table["year"].unique())

    @property
    def converged(self) -> bool:
        """True if every year met the thresholds of the equilibrium."""
        return bool(self.series("converged").min() > 0.5)

    def targets(self) -> pd.DataFrame:
        """Targets of the plan beside this run; see ``Ensemble.targets``."""
        return Ensemble((self,)).targets()

    def save(self, folder: Path | str) -> Path:
        """Write the run directory, whole or not at all.

        Raises
        ------
        StoreError
            If the folder exists already or cannot be written.
        """
        folder = Path(folder)
        if folder.exists():
            raise StoreError(f"{folder}: expected a new folder, got one that exists; give another name")
        with whole_folder(folder) as place:
            self.table.to_parquet(place / FILES["outcomes"], index=False)
            self.roads.to_parquet(place / FILES["roads"], index=False)
            self.transit.to_parquet(place / FILES["transit"], index=False)
            (place / MANIFEST).write_text(
                json.dumps(self.manifest, indent=1, ensure_ascii=False, sort_keys=True), encoding="utf-8"
            )
        return folder

    @classmethod
    def load(cls, folder: Path | str) -> Results:
        """Read a run directory.

        Raises
        ------
        StoreError
            If files are missing or broken; all of them are named.
        """
        folder = Path(folder)
        faults: list[Fault] = []
        tables: dict[str, pd.DataFrame] = {}
        if not folder.is_dir():
            raise StoreError(f"{folder}: expected a run directory, got nothing there")
        try:
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            faults += _manifest_faults(manifest)
        except (OSError, ValueError, RecursionError) as error:
            manifest = {}
            faults.append(Fault(MANIFEST, "file", "a manifest in JSON", type(error).__name__))
        for name, file in FILES.items():
            try:
                tables[name] = ParquetTable(folder / file).read().to_pandas(use_threads=False)
            except (OSError, ValueError) as error:
                faults.append(Fault(file, "file", "a Parquet table", type(error).__name__))
        if "outcomes" in tables:
            faults += _table_faults(tables["outcomes"])
        if faults:
            raise StoreError("\n".join(f"{folder}/{fault}" for fault in faults))
        return cls(manifest, tables["outcomes"], tables["roads"], tables["transit"])


def _manifest_faults(manifest: object) -> list[Fault]:
    """What a manifest lacks that results are read by."""
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        found = manifest.get("format") if isinstance(manifest, dict) else type(manifest).__name__
        return [Fault(MANIFEST, "format", str(FORMAT), repr(found))]
    faults = [
        Fault(MANIFEST, key, kind.__name__, type(manifest.get(key)).__name__)
        for key, kind in NEEDED.items()
        if not isinstance(manifest.get(key), kind)
    ]
    scenario, city = manifest.get("scenario"), manifest.get("city")
    if isinstance(scenario, dict):
        if not isinstance(scenario.get("name"), str):
            faults.append(Fault(MANIFEST, "scenario.name", "a name", repr(scenario.get("name"))))
        if not isinstance(scenario.get("replication"), int):
            faults.append(
                Fault(MANIFEST, "scenario.replication", "a number", repr(scenario.get("replication")))
            )
    if isinstance(city, dict) and not isinstance(city.get("name"), str):
        faults.append(Fault(MANIFEST, "city.name", "a name", repr(city.get("name"))))
    return faults


def _table_faults(table: pd.DataFrame) -> list[Fault]:
    """What is wrong with a table of outcomes."""
    file = FILES["outcomes"]
    if tuple(table.columns) != COLUMNS:
        return [Fault(file, "columns", ", ".join(COLUMNS), ", ".join(map(str, table.columns)))]
    faults = [
        Fault(file, column, "numbers", str(table[column].dtype))
        for column in ("year", "value")
        if not pd.api.types.is_numeric_dtype(table[column])
    ]
    if table.empty:
        faults.append(Fault(file, "rows", "outcomes of a year or more", "none"))
    return faults


@dataclass(frozen=True)
class Ensemble:
    """Runs of one scenario that differ by replication."""

    runs: tuple[Results, ...]

    def __iter__(self) -> Iterator[Results]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)

    @property
    def name(self) -> str:
        """Name of the scenario."""
        return self.runs[0].name

    @classmethod
    def load(cls, folders: Iterable[Path | str]) -> Ensemble:
        """Read several run directories, sorted by replication."""
        runs = sorted(
            (Results.load(folder) for folder in folders),
            key=lambda run: int(run.manifest["scenario"]["replication"]),
        )
        return cls(tuple(runs))

    def frame(self) -> pd.DataFrame:
        """All tables below each other, with the column ``replication``."""
        return pd.concat(
            [run.table.assign(replication=int(run.manifest["scenario"]["replication"])) for run in self.runs],
            ignore_index=True,
        )

    def quantiles(self, probability: Sequence[float] = (0.05, 0.5, 0.95)) -> pd.DataFrame:
        """Mean and quantiles over replications of every outcome.

        Returns
        -------
        pd.DataFrame
            Columns outcome, year, district, class, unit, mean, and one ``q05``-like column for each probability.
        """
        keys = ["outcome", "year", "district", "class", "unit"]
        grouped = self.frame().groupby(keys, sort=False)["value"]
        out = grouped.mean().rename("mean").to_frame()
        for p in probability:
            out[f"q{round(100 * p):02d}"] = grouped.quantile(p)
        return out.reset_index()

    def paired(self, base: Ensemble) -> pd.DataFrame:
        """Differences to another ensemble, replication by replication, with mean and 5-95 % band."""
        keys = ["outcome", "year", "district", "class", "unit"]
        both = self.frame().merge(base.frame(), on=[*keys, "replication"], suffixes=("", "_base"))
        both["difference"] = both["value"] - both["value_base"]
        grouped = both.groupby(keys, sort=False)["difference"]
        out = grouped.mean().rename("mean").to_frame()
        out["q05"], out["q95"] = grouped.quantile(0.05), grouped.quantile(0.95)
        return out.reset_index()

    def probability(self, target: Target) -> float:
        """Share of replications that meet a target, or NaN where the runs or the text do not say."""
        value = self.target_values(target)
        if target.value is None or not len(value):
            return float("nan")
        return float(np.mean([bool(target.is_met(v)) for v in value]))

    def targets(self) -> pd.DataFrame:
        """Every target that the model computes, beside the plan: mean, band, gap, share of replications that meet it.

        A target that the text gives no number for stands there without plan, gap and share; one without a
        year is held against the last year of the runs.
        """
        rows = []
        for target in read_targets().values():
            if not target.modelled:
                continue
            value = self.target_values(target)
            known = len(value) > 0
            plan = float("nan") if target.value is None else target.value
            mean = float(np.mean(value)) if known else float("nan")
            met = sum(bool(target.is_met(v)) for v in value)
            low, high = wilson_interval(met, len(value) if target.value is not None else 0)
            rows.append(
                {
                    "id": target.id, "outcome": target.outcome, "year": target.year_in(self.years),
                    "comparator": target.comparator or "", "plan": plan, "mean": mean,
                    "q05": float(np.quantile(value, 0.05)) if known else float("nan"),
                    "q95": float(np.quantile(value, 0.95)) if known else float("nan"),
                    "gap": mean - plan, "met_share": self.probability(target),
                    "met_low": low, "met_high": high, "replications": len(value),
                    "strength": target.strength, "unit": target.unit,
                    "clause_en": target.clause_en, "clause_zh": target.clause_zh,
                }
            )  # fmt: skip
        return pd.DataFrame(rows)

    @property
    def years(self) -> list[int]:
        """Years that all runs hold."""
        return sorted(set.intersection(*(set(run.years) for run in self.runs)))

    def target_values(
        self, target: Target, *, district: str = "", class_: str = "", outcome: str | None = None
    ) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Outcome of a target in its year, one value a replication that holds a finite one.

        Parameters
        ----------
        target
            The target.
        district, class_
            Other domain or class than the target's own.
        outcome
            Another outcome in the same year, such as another reading of the same words.
        """
        found = []
        for run in self.runs:
            table = run.table
            rows = table[
                (table["outcome"] == (outcome or target.outcome))
                & (table["year"] == target.year_in(self.years))
                & (table["district"] == district)
                & (table["class"] == class_)
            ]
            found += rows["value"].tolist()
        value = np.array(found, np.float64)
        return value[np.isfinite(value)]


def wilson_interval(met: int, of: int, *, z: float = Z_95) -> tuple[float, float]:
    """Wilson's score interval of a share.

    Parameters
    ----------
    met
        Runs that meet a target.
    of
        All runs; without any, the interval is NaN.
    z
        Quantile of the normal distribution; that of 95 % by default.

    Returns
    -------
    tuple[float, float]
        Lower and upper end [1].

    Notes
    -----
    (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n); Wilson 1927, Journal of the American Statistical
    Association 22, 209-212.
    """
    if not 0 <= met <= of:
        raise ValueError(f"expected 0 to {of} runs, got {met}")
    if not of:
        return float("nan"), float("nan")
    share, z2 = met / of, z * z
    middle = share + z2 / (2 * of)
    half = z * math.sqrt(share * (1.0 - share) / of + z2 / (4 * of * of))
    low, high = (middle - half) / (1.0 + z2 / of), (middle + half) / (1.0 + z2 / of)
    # Rounding must not cut off the certain ends.
    return (0.0 if met == 0 else low), (1.0 if met == of else high)
