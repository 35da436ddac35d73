"""The ledger: for each target of the plan whether the runs meet it, how sure that is, and why.

    P(met) = runs that meet it / runs, with Wilson's 95 % interval
    needed share of a lever's step = gap / effect of the step          (a straight line through a paired run)

The interval covers what the runs vary: chance alone, or also the uncertain numbers where the runs draw them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from transport_abm.core.vocabulary import Accounting, Scope
from transport_abm.policy.targets import Target, read_targets
from transport_abm.report.reading import CONVERGED_AT, Reading, read_runs
from transport_abm.results import Ensemble, Results, wilson_interval

Verdict = Literal["met", "missed", "open", "no_number", "not_converged", "no_value", "context"]
Robust = Literal["met", "missed", "no", "unknown"]
NAN = math.nan
INTENSITY = "operating_intensity_change"
CHANGE_BY = "co2_change_by"
INTENSITY_BY = "intensity_change_by"
GREEN = "green_share"
MODES = "mode_share"
LACKING = "share_lacking"
CONTEXT = tuple(f"T{k:02d}" for k in range(7, 14))
"""Grid and storage: listed beside transport, and not modelled."""
READINGS: Mapping[str, tuple[str, ...]] = {
    "green_share": ("green_share_city", "green_share_motorised", "green_share_no_e_bike"),
    "nev_stock": ("nev_registered",),
}
"""Other readings of the same words, reported beside the outcome and never in its place."""
ALL = "all"
"""Class of a fleet's share with its exempt vehicles."""
LEAST_EFFECT = 1e-3
"""An effect below this part of the plan's value counts as none; of shares below a tenth of a point, as they are written."""
CONFLICT_EFFECT = 0.05
"""Levers conflict by effects of at least this part of what the strongest lever does to the target."""
MOST_DRIVERS = 4


@dataclass(frozen=True)
class Driver:
    """Something that makes or moves the outcome: a factor of the decomposition, a mode, a fuel, a class, a lever."""

    kind: Literal["factor", "change", "lacking", "part", "lever"]
    name: str
    value: float
    unit: str


@dataclass(frozen=True)
class Closer:
    """A lever that moves the outcome towards the plan."""

    lever: str
    step: float
    effect: float
    needed: float
    """Share of the step that would close the gap, on a straight line [1]."""

    @property
    def closes(self) -> bool:
        """True if the step is enough."""
        return self.needed <= 1.0


@dataclass(frozen=True)
class Conflict:
    """A lever that moves this target and another one in opposite senses."""

    lever: str
    effect: float
    other: str
    """Id of the other target."""
    other_effect: float
    helps: bool
    """True if it helps this target and harms the other."""


@dataclass(frozen=True)
class Variant:
    """The same target under another reading, scope or accounting mode."""

    outcome: str
    class_: str
    mean: float
    met: int | None
    runs: int


@dataclass(frozen=True)
class Entry:
    """One target in the ledger."""

    target: Target
    year: int | None
    values: tuple[float, ...]
    """Outcome in the target's year, one a run."""
    unit: str
    mean: float
    low: float
    high: float
    met: int | None
    """Runs that meet it; None where the text gives no number."""
    interval: tuple[float, float]
    """Wilson's interval of the probability of meeting it [1]."""
    converged: bool
    verdict: Verdict
    missing: Literal["", "year", "outcome"]
    """What the runs lack, where there is no value."""
    drivers: tuple[Driver, ...] = ()
    closers: tuple[Closer, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    districts: tuple[tuple[str, float], ...] = ()
    """Outcome by district; of a number also what has no district, under an empty name."""
    variants: tuple[Variant, ...] = ()
    robust: Robust | None = None
    """Only for the intensity of operating transport: whether every scope and accounting mode agrees."""

    @property
    def runs(self) -> int:
        """Runs that hold a value."""
        return len(self.values)

    @property
    def gap(self) -> float:
        """Mean less plan, in the target's unit; NaN where either is missing."""
        return NAN if self.target.value is None else self.mean - self.target.value

    @property
    def shortfall(self) -> float:
        """How far the mean is on the wrong side of the plan; zero where it meets it."""
        if self.target.value is None or not math.isfinite(self.mean) or self.target.is_met(self.mean):
            return 0.0
        return abs(self.gap)

    @property
    def probability(self) -> float:
        """Share of the runs that meet it; NaN where nothing can be said."""
        return NAN if self.met is None or not self.runs else self.met / self.runs


@dataclass(frozen=True)
class Ledger:
    """All targets of transport, and those of grid and storage beside them."""

    entries: tuple[Entry, ...]
    context: tuple[Entry, ...]
    runs: int
    scenario: str
    uncertain: bool
    """True if the runs draw the uncertain numbers, so that bands and probabilities hold more than chance."""
    matrix: pd.DataFrame | None = None

    def __getitem__(self, identity: str) -> Entry:
        """Entry of a target."""
        return {entry.target.id: entry for entry in (*self.entries, *self.context)}[identity]

    @property
    def missing(self) -> tuple[str, ...]:
        """Outcomes that targets need and the runs do not hold."""
        return tuple(dict.fromkeys(e.target.outcome for e in self.entries if e.missing == "outcome"))

    def step(self, lever: str) -> float:
        """Value to which the matrix moves a lever; NaN for one that it does not hold."""
        if self.matrix is None:
            return NAN
        rows = self.matrix.loc[self.matrix["lever"] == lever, "step"]
        return float(rows.iloc[0]) if len(rows) else NAN

    @property
    def conflicts(self) -> tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]:
        """Levers that help some targets and harm others: lever, helped, harmed."""
        found: dict[str, tuple[set[str], set[str]]] = {}
        for entry in self.entries:
            for item in entry.conflicts:
                helped, harmed = found.setdefault(item.lever, (set(), set()))
                (helped if item.helps else harmed).add(entry.target.id)
        return tuple((lever, tuple(sorted(h)), tuple(sorted(d))) for lever, (h, d) in found.items())


def build_ledger(results: Results | Ensemble | Reading, matrix: pd.DataFrame | None = None) -> Ledger:
    """The ledger of a run, or of replications of one scenario.

    Parameters
    ----------
    results
        The runs.
    matrix
        Effects of levers on targets, as ``experiments.paired.lever_matrix`` gives them: with it the ledger names
        levers that drive and close gaps, and conflicts between targets.

    Returns
    -------
    Ledger
        One entry for each target that the model computes, and context.

    Raises
    ------
    InputError
        If the runs do not belong together.
    """
    reading = results if isinstance(results, Reading) else read_runs(results)
    effects = None if matrix is None else clear_effects(matrix)
    known = read_targets()
    entries = tuple(_entry(reading, target, effects) for target in known.values() if target.modelled)
    context = tuple(_context(known[name]) for name in CONTEXT if not known[name].modelled)
    return Ledger(
        entries, context, reading.runs, str(reading.scenario.get("name", "")),
        bool(reading.scenario.get("uncertain", False)), matrix,
    )  # fmt: skip


def clear_effects(matrix: pd.DataFrame) -> pd.DataFrame:
    """Rows of a matrix with an effect that is more than rounding and, over several pairs, more than chance.

    Returns
    -------
    pd.DataFrame
        The rows, with ``sense``: 1 where the lever helps the target, -1 where it harms it.
    """
    known = read_targets()
    rows = matrix[np.isfinite(matrix["effect"].to_numpy(np.float64))].copy()
    scale = np.array(
        [1.0 if known[t].is_share else abs(known[t].value or 1.0) for t in rows["target"]], np.float64
    )
    sense = np.array([known[t].direction for t in rows["target"]], np.float64)
    effect, low, high = (rows[name].to_numpy(np.float64) for name in ("effect", "low", "high"))
    clear = (np.abs(effect) >= LEAST_EFFECT * scale) & ((low > 0.0) | (high < 0.0))
    out: pd.DataFrame = rows.assign(sense=(np.sign(effect) * sense).astype(int))[clear]
    return out


def _context(target: Target) -> Entry:
    """A target that is listed and not modelled."""
    return Entry(target, target.year, (), target.unit, NAN, NAN, NAN, None, (NAN, NAN), True, "context", "")


def _entry(reading: Reading, target: Target, effects: pd.DataFrame | None) -> Entry:
    """One target beside the runs."""
    ensemble, year = reading.ensemble, target.year_in(reading.years)
    value = ensemble.target_values(target)
    known = len(value) > 0
    mean, low, high = (
        (float(value.mean()), float(np.quantile(value, 0.05)), float(np.quantile(value, 0.95)))
        if known
        else (NAN, NAN, NAN)
    )
    met = None if target.value is None or not known else sum(bool(target.is_met(v)) for v in value)
    converged = reading.excess.get(year, NAN) <= CONVERGED_AT
    missing: Literal["", "year", "outcome"] = (
        "" if known else "outcome" if target.outcome not in reading.units or year in reading.years else "year"
    )
    entry = Entry(
        target, year, tuple(float(v) for v in value), reading.units.get(target.outcome, target.unit), mean, low, high,
        met, (NAN, NAN) if met is None else wilson_interval(met, len(value)), converged,
        _verdict(met, len(value), known, converged), missing,
    )  # fmt: skip
    if not known:
        return entry
    variants = _variants(reading, target)
    return Entry(
        **{name: getattr(entry, name) for name in _PLAIN},
        drivers=_drivers(reading, target, year, effects),
        closers=_closers(entry, effects),
        conflicts=_conflicts(target, effects),
        districts=_districts(reading, target, year),
        variants=variants,
        robust=_robust(variants, ensemble) if target.outcome == INTENSITY else None,
    )


_PLAIN = (
    "target", "year", "values", "unit", "mean", "low", "high", "met", "interval", "converged", "verdict", "missing",
)  # fmt: skip


def _verdict(met: int | None, runs: int, known: bool, converged: bool) -> Verdict:
    """The answer; none from a year that is not settled, nor where the text has no number."""
    if not known:
        return "no_value"
    if not converged:
        return "not_converged"
    if met is None:
        return "no_number"
    return "met" if met == runs else "missed" if met == 0 else "open"


def _variants(reading: Reading, target: Target) -> tuple[Variant, ...]:
    """Other readings of the words, and for the intensity every scope and accounting mode."""
    asked = [(outcome, "") for outcome in READINGS.get(target.outcome, ())]
    asked.append((target.outcome, ALL))
    if target.outcome == INTENSITY:
        asked += [(INTENSITY, f"{s.name}.{a.name}".lower()) for s in Scope for a in Accounting]
    out = []
    for outcome, class_ in asked:
        value = reading.ensemble.target_values(target, class_=class_, outcome=outcome)
        if len(value):
            met = None if target.value is None else sum(bool(target.is_met(v)) for v in value)
            out.append(Variant(outcome, class_, float(value.mean()), met, len(value)))
    return tuple(out)


def _robust(variants: Sequence[Variant], ensemble: Ensemble) -> Robust:
    """Whether every scope and accounting mode gives the same answer in every run."""
    rows = [v for v in variants if v.outcome == INTENSITY]
    if len(rows) < len(Scope) * len(Accounting) or any(v.runs < len(ensemble) for v in rows):
        return "unknown"
    if all(v.met == v.runs for v in rows):
        return "met"
    return "missed" if all(v.met == 0 for v in rows) else "no"


def _drivers(reading: Reading, target: Target, year: int, effects: pd.DataFrame | None) -> tuple[Driver, ...]:
    """What makes the outcome, what it lacks, and what moves it most; all of it is computed from the runs."""
    out: list[Driver] = []
    if target.outcome == INTENSITY:
        # The target is about the intensity; its own factors say more than those of the carbon.
        outcome = INTENSITY_BY if INTENSITY_BY in reading.units else CHANGE_BY
        out += _largest(reading, outcome, year, "factor")
    elif target.outcome == GREEN:
        out += _changes(reading, MODES, year)
    elif target.is_share:
        out += _largest(reading, LACKING, year, "lacking", prefix=f"{target.outcome}.")
    else:
        out += _largest(reading, target.outcome, year, "part")
    if effects is not None:
        rows = effects[effects["target"] == target.id]
        order = rows["effect"].abs().sort_values(ascending=False, kind="stable").index[:MOST_DRIVERS]
        out += [
            Driver("lever", str(row["lever"]), float(row["effect"]), target.unit)
            for row in rows.loc[order].to_dict("records")
        ]
    return tuple(out)


def _largest(
    reading: Reading, outcome: str, year: int, kind: Literal["factor", "lacking", "part"], *, prefix: str = ""
) -> list[Driver]:
    """Classes of an outcome in a year, the largest first; classes of classes are left out."""
    rows = [
        (name.removeprefix(prefix), reading.mean(outcome, year, class_=name))
        for name in reading.classes(outcome)
        if name.startswith(prefix) and name != prefix and "." not in name.removeprefix(prefix)
    ]
    kept = sorted((r for r in rows if math.isfinite(r[1]) and r[1] != 0.0), key=lambda r: -abs(r[1]))
    most = len(kept) if kind == "factor" else MOST_DRIVERS
    return [Driver(kind, name, value, reading.units[outcome]) for name, value in kept[:most]]


def _changes(reading: Reading, outcome: str, year: int) -> list[Driver]:
    """Change of the classes of an outcome since the first year of the runs, the largest first."""
    rows = [
        (
            name,
            reading.mean(outcome, year, class_=name) - reading.mean(outcome, reading.first_year, class_=name),
        )
        for name in reading.classes(outcome)
        if name
    ]
    kept = sorted((r for r in rows if math.isfinite(r[1]) and r[1] != 0.0), key=lambda r: -abs(r[1]))
    return [Driver("change", name, value, "1") for name, value in kept[:MOST_DRIVERS]]


def _closers(entry: Entry, effects: pd.DataFrame | None) -> tuple[Closer, ...]:
    """Levers that move a missed target the right way, the smallest needed share first."""
    if effects is None or entry.shortfall <= 0.0:
        return ()
    rows = effects[(effects["target"] == entry.target.id) & (effects["sense"] > 0)]
    out = [
        Closer(
            str(r["lever"]), float(r["step"]), float(r["effect"]), entry.shortfall / abs(float(r["effect"]))
        )
        for r in rows.to_dict("records")
    ]
    return tuple(sorted(out, key=lambda c: c.needed))


def _conflicts(target: Target, effects: pd.DataFrame | None) -> tuple[Conflict, ...]:
    """Levers with one sense here and the other at another target, of a size that counts at both."""
    if effects is None:
        return ()
    size = effects["effect"].abs()
    strong = size >= CONFLICT_EFFECT * size.groupby(effects["target"]).transform("max")
    rows = effects[strong].to_dict("records")
    own = {str(row["lever"]): row for row in rows if row["target"] == target.id}
    out = []
    for row in rows:
        here = own.get(str(row["lever"]))
        if here is not None and here["sense"] == -row["sense"]:
            effect, other = float(here["effect"]), float(row["effect"])
            out.append(Conflict(str(row["lever"]), effect, str(row["target"]), other, here["sense"] > 0))
    return tuple(out)


def _districts(reading: Reading, target: Target, year: int) -> tuple[tuple[str, float], ...]:
    """The outcome by district, where the runs have it; of a number also what has no district."""
    names = sorted({str(name) for name in reading.frame["district"].unique()} - {""})
    rows = ((name, reading.mean(target.outcome, year, district=name)) for name in names)
    known = [row for row in rows if math.isfinite(row[1])]
    rest = reading.mean(target.outcome, year) - sum(value for _, value in known)
    if known and not target.is_share and abs(rest) > LEAST_EFFECT * abs(reading.mean(target.outcome, year)):
        known.append(("", rest))
    return tuple(known)


def ledger_document(ledger: Ledger) -> dict[str, Any]:
    """The ledger as plain values, for JSON."""
    return {
        "scenario": ledger.scenario,
        "runs": ledger.runs,
        "uncertain": ledger.uncertain,
        "missing": list(ledger.missing),
        "targets": [_plain(entry) for entry in ledger.entries],
        "context": [_plain(entry) for entry in ledger.context],
        "conflicts": [
            {"lever": lever, "helps": list(helped), "harms": list(harmed)}
            for lever, helped, harmed in ledger.conflicts
        ],
    }


def _plain(entry: Entry) -> dict[str, Any]:
    """One entry as plain values."""
    t = entry.target
    return {
        "id": t.id, "clause": t.section, "clause_zh": t.clause_zh, "clause_en": t.clause_en, "outcome": t.outcome,
        "domain": t.domain, "exemptions": list(t.exemptions), "note": t.note, "strength": t.strength,
        "year": entry.year, "comparator": t.comparator, "plan": t.value, "unit": t.unit,
        "mean": entry.mean, "q05": entry.low, "q95": entry.high, "runs": entry.runs, "met": entry.met,
        "probability": entry.probability, "interval": list(entry.interval), "gap": entry.gap,
        "converged": entry.converged, "verdict": entry.verdict, "missing": entry.missing, "robust": entry.robust,
        "drivers": [vars(item) for item in entry.drivers],
        "closers": [vars(item) | {"closes": item.closes} for item in entry.closers],
        "conflicts": [vars(item) for item in entry.conflicts],
        "districts": dict(entry.districts),
        "variants": [
            {"outcome": v.outcome, "class": v.class_, "mean": v.mean, "met": v.met, "runs": v.runs}
            for v in entry.variants
        ],
    }  # fmt: skip
