"""Paired runs: what one lever alone, or two years' delay of it, does to every target of the plan.

    effect(lever, target) = mean over r of [ x_r(scenario with the lever at its step) - x_r(scenario) ]

Both runs of a pair have the same seed and replication, so the same draws (common random numbers): what differs is
what the lever does, not chance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transport_abm.core.errors import Fault, LeverError, RunError, ScenarioError, StoreError
from transport_abm.core.parameters import did_you_mean
from transport_abm.core.whole_files import whole_file
from transport_abm.networks.city import City
from transport_abm.policy.levers import Lever, LeverSetting, read_levers
from transport_abm.policy.scenario import FIRST_YEAR, Scenario, first_difference
from transport_abm.policy.targets import Target, read_targets
from transport_abm.results import Ensemble, Results

Run = Callable[[Scenario], Results]
Progress = Callable[[str, float], None]
Values = dict[str, dict[int, float]]
"""Outcome of each target by replication."""

COLUMNS = (
    "scenario", "city", "sample", "lever", "step", "unit", "start_year", "target", "outcome", "year", "replications",
    "base", "value", "effect", "low", "high", "reason",
)  # fmt: skip
NUMBERS = ("sample", "step", "start_year", "year", "replications", "base", "value", "effect", "low", "high")
START_YEAR = 2023
"""Year from which a lever holds in a paired run: the first full year after the plan."""


def modest_step(lever: Lever, share: float) -> float:
    """Value of a lever some share of the way from no change to its bound.

    Parameters
    ----------
    lever
        The lever.
    share
        Share of the way to its high bound, or to the low one where the high bound changes nothing [1].

    Returns
    -------
    float
        Value in the lever's unit; a lever in whole numbers moves by at least one.
    """
    bound = lever.high if lever.high > lever.default else lever.low
    value = lever.default + share * (bound - lever.default)
    if not lever.whole:
        return value
    return float(math.ceil(value) if bound > lever.default else math.floor(value))


def lever_matrix(
    case: Scenario,
    levers: Sequence[str] | None = None,
    *,
    targets: Sequence[str] | None = None,
    steps: Mapping[str, float] | None = None,
    share: float = 1.0,
    start_year: int = START_YEAR,
    replications: int = 1,
    run: Run | None = None,
    city: City | None = None,
    keep: Path | str | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Effect of every lever alone on every target.

    Parameters
    ----------
    case
        Scenario that the levers are added to; a lever that it sets already is set to the step instead.
    levers
        Ids of levers; by default all whose mechanism is built.
    targets
        Ids of targets; by default all that the model computes.
    steps
        Value of some levers, in their units; others go ``share`` of the way to their bound.
    share
        Share of the way to the bound [1].
    start_year
        Year from which the lever is in force; at the earliest the first year of the scenario.
    replications
        Pairs of runs for each lever.
    run
        How a scenario is run; by default the model on ``city``.
    city
        The city; by default the one that the scenario names.
    keep
        Folder in which each run is kept as it ends, and from which it is read if it is there already.
    progress
        Called with what is happening and the share that is done.

    Returns
    -------
    pd.DataFrame
        Columns ``COLUMNS``, one row for each lever and target. ``effect`` is the mean over the pairs, ``low`` and
        ``high`` their 5 and 95 % quantiles. A run that failed, or an outcome that is not there, leaves a row without
        effect and with its reason.

    Raises
    ------
    LeverError
        If a lever is unknown or not built, or a step is outside its bounds.
    ScenarioError
        If a target is unknown, or nothing is to be run.
    """
    return pd.concat(
        list(
            matrix_parts(
                case, levers, targets=targets, steps=steps, share=share, start_year=start_year,
                replications=replications, run=run, city=city, keep=keep, progress=progress,
            )
        ),
        ignore_index=True,
    )  # fmt: skip


def matrix_parts(
    case: Scenario,
    levers: Sequence[str] | None = None,
    *,
    targets: Sequence[str] | None = None,
    steps: Mapping[str, float] | None = None,
    share: float = 1.0,
    start_year: int = START_YEAR,
    replications: int = 1,
    run: Run | None = None,
    city: City | None = None,
    keep: Path | str | None = None,
    progress: Progress | None = None,
) -> Iterator[pd.DataFrame]:
    """The rows of ``lever_matrix``, lever by lever as their runs end; all input is checked before the first run."""
    asked = asked_targets(targets)
    start = min(max(start_year, case.years[0]), case.years[1])
    settings = _settings(levers, steps or {}, share, start)
    if replications < 1:
        raise ScenarioError(Fault("matrix", "replications", "one or more", str(replications)))
    tell = progress or silent
    cases = [case.replace(replication=case.replication + n) for n in range(replications)]
    every = [*cases, *(each for setting in settings for each in _with(cases, setting))]
    return _parts(cases, settings, asked, run or model_runs(every, city, keep), tell)


def _parts(
    cases: Sequence[Scenario],
    settings: Sequence[LeverSetting],
    asked: Sequence[Target],
    do: Run,
    tell: Progress,
) -> Iterator[pd.DataFrame]:
    """Run the base once and each lever after it."""
    total = len(settings) + 1
    tell("Without levers of the matrix", 0.0)
    base = _values((do(case) for case in cases), asked)
    for k, setting in enumerate(settings):
        tell(setting.lever, (k + 1) / total)
        reason = ""
        try:
            # Runs whose inputs are the same in every year are the same run: none is needed.
            acts = first_difference(cases[0], _with(cases, setting)[0]) is not None
            value = _values((do(case) for case in _with(cases, setting)), asked) if acts else base
        except StoreError:
            raise
        except Exception as error:  # a run that fails is a row of the experiment, whatever failed in it
            value, reason = {}, _reason(error)
        head = {
            "scenario": cases[0].name, "city": cases[0].city, "sample": cases[0].sample, "lever": setting.lever,
            "step": setting.value, "unit": read_levers()[setting.lever].unit, "start_year": setting.start_year,
        }  # fmt: skip
        rows = [head | _row(target, cases[0], base, value, reason) for target in asked]
        yield pd.DataFrame(rows, columns=list(COLUMNS))


def delay(
    case: Scenario,
    lever: str,
    years: int = 2,
    *,
    targets: Sequence[str] | None = None,
    replications: int = 1,
    run: Run | None = None,
    city: City | None = None,
    keep: Path | str | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """What the targets lose or gain if one lever of a scenario comes later.

    Parameters
    ----------
    case
        The scenario.
    lever
        A lever that it sets.
    years
        Years by which its start and its full year move, and its value where that is a calendar year [year].
    targets, replications, run, city, keep, progress
        As in ``lever_matrix``.

    Returns
    -------
    pd.DataFrame
        Columns ``COLUMNS`` and ``years_later``; ``base`` is the scenario as it is, ``value`` with the delay.

    Raises
    ------
    LeverError
        If the scenario does not set the lever.
    ScenarioError
        If a target is unknown, or the delayed years are not possible.
    """
    asked = asked_targets(targets)
    held = {setting.lever: setting for setting in case.levers}
    if lever not in held:
        expected = "a lever that the scenario sets: " + (", ".join(held) or "it sets none")
        raise LeverError(Fault("delay", "lever", expected + did_you_mean(lever, held), lever))
    before = held[lever]
    later = LeverSetting(
        lever=lever, value=_later_value(before, years), start_year=before.start_year + years, ramp=before.ramp,
        full_year=None if before.full_year is None else before.full_year + years,
    )  # fmt: skip
    tell = progress or silent
    cases = [case.replace(replication=case.replication + n) for n in range(max(1, replications))]
    do = run or model_runs([*cases, *_with(cases, later)], city, keep)
    tell("As planned", 0.0)
    base = _values((do(each) for each in cases), asked)
    tell(f"{years} years later", 0.5)
    value, reason = {}, ""
    try:
        value = _values((do(each) for each in _with(cases, later)), asked)
    except StoreError:
        raise
    except Exception as error:  # as in the matrix
        reason = _reason(error)
    head = {
        "scenario": case.name, "city": case.city, "sample": case.sample, "lever": lever, "step": later.value,
        "unit": read_levers()[lever].unit, "start_year": later.start_year,
    }  # fmt: skip
    rows = [head | _row(target, case, base, value, reason) for target in asked]
    return pd.DataFrame(rows, columns=list(COLUMNS)).assign(years_later=years)


def _later_value(setting: LeverSetting, years: int) -> float:
    """Value of a setting that comes later: a deadline moves with it, at most to the end of its range."""
    lever = read_levers()[setting.lever]
    if lever.unit != "year" or lever.low < FIRST_YEAR:
        return setting.value
    return min(setting.value + years, lever.high)


def write_matrix(matrix: pd.DataFrame, path: Path | str) -> Path:
    """Write a matrix as CSV, whole or not at all.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    path = Path(path)
    with whole_file(path) as place:
        matrix.to_csv(place, index=False, lineterminator="\n", encoding="utf-8")
    return path


def read_matrix(path: Path | str) -> pd.DataFrame:
    """Read a matrix that ``write_matrix`` wrote.

    Raises
    ------
    StoreError
        If the file cannot be read or is not such a matrix; all faults are named.
    """
    path = Path(path)
    try:
        text = {name: str for name in COLUMNS if name not in NUMBERS}
        table = pd.read_csv(path, encoding="utf-8", keep_default_na=False, na_values=[""], dtype=text)
    except (OSError, ValueError) as error:
        raise StoreError(
            f"{path}: expected a matrix of levers and targets: {str(error).splitlines()[0]}"
        ) from error
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise StoreError(f"{path}: header: expected {', '.join(COLUMNS)}, got none of {', '.join(missing)}")
    faults = [
        f"{path}: {name}: expected numbers, got {table[name].dtype}"
        for name in NUMBERS
        if len(table) and not pd.api.types.is_numeric_dtype(table[name])
    ]
    for name, known in (("lever", read_levers()), ("target", read_targets())):
        unknown = sorted(set(table[name].astype(str)) - set(known))
        faults += [
            f"{path}: {name}: expected one that this version knows, got {word!r:.60}" for word in unknown
        ]
    if faults:
        raise StoreError("\n".join(faults))
    return table.assign(
        **{name: table[name].fillna("").astype(str) for name in COLUMNS if name not in NUMBERS}
    )


def asked_targets(ids: Sequence[str] | None) -> list[Target]:
    """Targets by id, or all that the model computes; ScenarioError names all that are unknown."""
    known = read_targets()
    if ids is None:
        return [target for target in known.values() if target.modelled]
    faults = [
        Fault("matrix", "target", "a target that the model computes" + did_you_mean(word, known), word)
        for word in ids
        if word not in known or not known[word].modelled
    ]
    if faults or not ids:
        raise ScenarioError(faults or Fault("matrix", "target", "at least one", "none"))
    return [known[word] for word in ids]


def _settings(
    ids: Sequence[str] | None, steps: Mapping[str, float], share: float, start: int
) -> list[LeverSetting]:
    """One setting a lever; all faults of all levers at once."""
    known = read_levers()
    asked = [lever.id for lever in known.values() if lever.built] if ids is None else list(ids)
    faults: list[Fault | str] = []
    if not 0.0 < share <= 1.0:
        faults.append(Fault("matrix", "share", "above 0, at most 1", f"{share:g}"))
    faults += [
        Fault("matrix", "step", "a lever of the matrix" + did_you_mean(word, asked), word)
        for word in sorted(set(steps) - set(asked))
    ]
    out = []
    for word in asked:
        if word not in known or not known[word].built:
            expected = "a lever of the catalogue whose mechanism is built" + did_you_mean(word, known)
            faults.append(Fault("matrix", "lever", expected, word))
            continue
        try:
            value = steps.get(word, modest_step(known[word], share))
            out.append(LeverSetting(lever=word, value=value, start_year=start))
        except LeverError as error:
            faults += error.faults
    if faults or not asked:
        raise LeverError(faults or Fault("matrix", "lever", "at least one", "none"))
    return out


def _with(cases: Iterable[Scenario], setting: LeverSetting) -> list[Scenario]:
    """Scenarios with one lever's setting replaced or added."""
    return [
        case.replace(levers=(*(each for each in case.levers if each.lever != setting.lever), setting))
        for case in cases
    ]


def _values(runs: Iterable[Results], asked: Sequence[Target]) -> Values:
    """Outcome of every target by replication; nothing else of the runs is kept."""
    out: Values = {target.id: {} for target in asked}
    for run in runs:
        number = int(run.manifest["scenario"]["replication"])
        for target in asked:
            for value in Ensemble((run,)).target_values(target):
                out[target.id][number] = float(value)
    return out


def _row(target: Target, case: Scenario, base: Values, value: Values, reason: str) -> dict[str, Any]:
    """One target's part of a row."""
    year = target.year_in(range(case.years[0], case.years[1] + 1))
    before, after = base[target.id], value.get(target.id, {})
    both = sorted(set(before) & set(after))
    difference = np.array([after[n] - before[n] for n in both])
    if not both and not reason:
        inside = case.years[0] <= year <= case.years[1]
        reason = f"no outcome {target.outcome}" if inside else f"{year} is not a year of the runs"
    known = len(both) > 0
    return {
        "target": target.id, "outcome": target.outcome, "year": year, "replications": len(both),
        "base": float(np.mean([before[n] for n in both])) if known else math.nan,
        "value": float(np.mean([after[n] for n in both])) if known else math.nan,
        "effect": float(difference.mean()) if known else math.nan,
        "low": float(np.quantile(difference, 0.05)) if known else math.nan,
        "high": float(np.quantile(difference, 0.95)) if known else math.nan,
        "reason": reason,
    }  # fmt: skip


def model_runs(cases: Sequence[Scenario], city: City | None, keep: Path | str | None) -> Run:
    """How scenarios are run: the model on one city, opened once.

    Parameters
    ----------
    cases
        All scenarios that will be run; the years before they differ run once.
    city
        The city; by default the one that they name.
    keep
        Folder in which each run is kept as it ends; None keeps none.

    Returns
    -------
    Run
        Runs one of them.
    """
    # Imported here: a matrix that is only read needs no model.
    from transport_abm.experiments.shared_years import kept_runs, shared_runs
    from transport_abm.networks.cities.open_city import open_city

    place = city or open_city(cases[0].city)[0]
    run = shared_runs(cases, place)
    return run if keep is None else kept_runs(run, keep, place)


def _reason(error: Exception) -> str:
    """Why a run failed, in one line."""
    kind = "" if isinstance(error, (RunError, ScenarioError, LeverError)) else f"{type(error).__name__}: "
    return f"{kind}{error}".replace("\n", "; ")[:300] or type(error).__name__


def silent(what: str, done: float) -> None:
    """No progress."""
