"""What each lever of a scenario adds to what its levers do together, from runs with and without each of them.

    share(lever) = mean over all orders of [ x(levers before it, and it) - x(levers before it) ]     (Shapley 1953)

All runs have the same draws. The shares add up to what the levers do together, whatever they do to each other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from transport_abm.carbon.decomposition import EXACT_LEVERS, shapley
from transport_abm.core.errors import Fault, LeverError, ScenarioError
from transport_abm.core.parameters import did_you_mean
from transport_abm.experiments.paired import Progress, Run, asked_targets, model_runs, silent
from transport_abm.networks.city import City
from transport_abm.policy.scenario import Scenario
from transport_abm.policy.targets import Target
from transport_abm.results import Ensemble, Results

COLUMNS = (
    "scenario", "city", "sample", "levers", "target", "outcome", "year", "replications", "without", "with", "share",
    "low", "high",
)  # fmt: skip
JOINED = "+"
"""Joins levers that are switched together."""


def attribution(
    case: Scenario,
    groups: Sequence[str],
    *,
    targets: Sequence[str] | None = None,
    replications: int = 1,
    run: Run | None = None,
    city: City | None = None,
    keep: Path | str | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Share of each lever, or group of levers, in what they do together to every target.

    Parameters
    ----------
    case
        The scenario, with all its levers; those that are not named are in force in every run.
    groups
        Levers that the scenario sets, at most six; some joined by ``+`` are switched together.
    targets, replications, run, city, keep, progress
        As in ``experiments.paired.lever_matrix``.

    Returns
    -------
    pd.DataFrame
        Columns ``COLUMNS``, one row for each group and target. ``without`` and ``with`` are the outcome without and with all
        groups, ``share`` the mean over the replications, ``low`` and ``high`` their 5 and 95 % quantiles. The shares of a
        target add up to ``with`` less ``without``.

    Raises
    ------
    LeverError
        If a lever is not set by the scenario, is named twice, or the groups are none or more than six.
    ScenarioError
        If a target is unknown or there is no replication.
    """
    asked, members = asked_targets(targets), _members(case, groups)
    if replications < 1:
        raise ScenarioError(Fault("attribution", "replications", "one or more", str(replications)))
    cases = [case.replace(replication=case.replication + n) for n in range(replications)]
    sets = [frozenset(some) for size in range(len(members) + 1) for some in combinations(members, size)]
    every = [_switched(each, members, on) for each in cases for on in sets]
    do, tell = run or model_runs(every, city, keep), progress or silent

    known: dict[frozenset[str], NDArray[np.float64]] = {}

    def value(on: frozenset[str]) -> NDArray[np.float64]:
        """Outcome of each target in each replication, with some groups in force; run once."""
        if on not in known:
            what = ", ".join(name for name in members if name in on) or "Without these levers"
            tell(what, len(known) / len(sets))
            known[on] = np.array([_values(do(_switched(each, members, on)), asked) for each in cases])
        return known[on]

    share = shapley(value, list(members))
    rows = [
        {
            "scenario": case.name, "city": case.city, "sample": case.sample, "levers": name, "target": target.id,
            "outcome": target.outcome, "year": target.year_in(range(case.years[0], case.years[1] + 1)),
            "replications": replications, "without": value(sets[0])[:, k].mean(), "with": value(sets[-1])[:, k].mean(),
            "share": share[name][:, k].mean(), "low": np.quantile(share[name][:, k], 0.05),
            "high": np.quantile(share[name][:, k], 0.95),
        }
        for name in members
        for k, target in enumerate(asked)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _members(case: Scenario, groups: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """Levers of each group; all faults at once."""
    held = [setting.lever for setting in case.levers]
    members = {group: tuple(word.strip() for word in group.split(JOINED)) for group in groups}
    named = [word for group in groups for word in members[group]]
    expected = "a lever that the scenario sets: " + (", ".join(held) or "it sets none")
    faults = [
        Fault("attribution", "lever", expected + did_you_mean(word, held), word)
        for word in dict.fromkeys(named)
        if word not in held
    ]
    faults += [
        Fault("attribution", "lever", "each lever once", word)
        for word in dict.fromkeys(w for w in named if named.count(w) > 1)
    ]
    if not 1 <= len(groups) <= EXACT_LEVERS:
        expected = f"1 to {EXACT_LEVERS} levers or groups (joined by {JOINED}), as every set of them is run"
        faults.append(Fault("attribution", "levers", expected, str(len(groups))))
    if faults:
        raise LeverError(faults)
    return members


def _switched(case: Scenario, members: Mapping[str, tuple[str, ...]], on: frozenset[str]) -> Scenario:
    """The scenario without the groups that are off."""
    off = {lever for group, levers in members.items() if group not in on for lever in levers}
    return case.replace(levers=tuple(each for each in case.levers if each.lever not in off))


def _values(results: Results, asked: Sequence[Target]) -> list[float]:
    """Outcome of each target; NaN where the run has none."""
    found = (Ensemble((results,)).target_values(target) for target in asked)
    return [float(value[0]) if len(value) else math.nan for value in found]
