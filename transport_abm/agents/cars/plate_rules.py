"""Rules of the plate institutions, dated: quotas by class, the ladder of individuals, the score of families.

    ladder = 1 + floor(rounds lost / rounds a step)
    score  = ((main + spouse) c + sum of the others) generations,   points = base + those for years waited

c is 2 for a couple that applies together, else 1 with the main applicant alone in the brackets. Quotas:
rules and figures of the Beijing quota office (the catalogue names the notices).
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transport_abm.core.errors import Fault, ParameterError
from transport_abm.core.vocabulary import ApplicantKind, PlateKind
from transport_abm.policy.tables import data_folder

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

POOLS = (PlateKind.ORDINARY, PlateKind.NEW_ENERGY)
"""Plates for which one waits."""
SHAPE = (len(ApplicantKind), len(POOLS))
CLASSES = ("personal", "unit", "operating")
SUM_TOLERANCE = 1e-5
"""Shares are written with six digits."""

QUOTAS = (
    "plates.quota_ordinary", "plates.quota_new_energy", "plates.quota_new_energy_family",
    "plates.quota_new_energy_individual",
)  # fmt: skip
HISTORY = (
    "year", "ordinary_quota_count", "new_energy_quota_count", "ordinary_waiting_count", "new_energy_waiting_count",
    "tag", "source",
)  # fmt: skip


@dataclass(frozen=True)
class Quota:
    """Plates of one year by whom they are for [plates/year of the city, or of the sample]."""

    lot: F64
    """Shape (kinds, pools); families and individuals share the lot of ordinary plates, which stands in the
    row of individuals."""
    operating: F64
    """For operating vehicles, by pool."""
    families: bool
    """Whether families can apply."""


def read_quota(inputs: Mapping[str, float]) -> Quota:
    """Quotas of a year by kind of applicant and pool.

    Parameters
    ----------
    inputs
        Parameters of the year.

    Returns
    -------
    Quota
        For the whole city.

    Raises
    ------
    ParameterError
        If a quota is below zero, a share is not from 0 to 1 (percent, say), or the shares of a pool do not
        sum to 1; all faults at once.
    """
    check_rules(inputs)
    lot = np.zeros(SHAPE)
    operating = np.zeros(len(POOLS))
    for pool in POOLS:
        name = pool.name.lower()
        total = inputs[f"plates.quota_{name}"]
        personal, unit, operating[pool] = (total * inputs[f"plates.{name}_{each}_share"] for each in CLASSES)
        lot[ApplicantKind.UNIT, pool] = unit
        lot[ApplicantKind.INDIVIDUAL, pool] = personal
    families = inputs["plates.family_rule"] >= 0.5
    share = inputs["plates.new_energy_family_share"] if families else 0.0
    personal = lot[ApplicantKind.INDIVIDUAL, PlateKind.NEW_ENERGY]
    lot[ApplicantKind.FAMILY, PlateKind.NEW_ENERGY] = (
        personal * share + inputs["plates.quota_new_energy_family"] * families
    )
    lot[ApplicantKind.INDIVIDUAL, PlateKind.NEW_ENERGY] = (
        personal * (1.0 - share) + inputs["plates.quota_new_energy_individual"]
    )
    return Quota(lot, operating, families)


def check_rules(inputs: Mapping[str, float]) -> None:
    """Refuse rules that cannot hold, all faults at once.

    Parameters
    ----------
    inputs
        Parameters of a year.

    Raises
    ------
    ParameterError
        As in `read_quota`.
    """
    where = f"plates of {getattr(inputs, 'year', 'the year')}"
    faults = [
        Fault(where, path, "0 or more [plates/year]", f"{inputs[path]:g}")
        for path in QUOTAS
        if not inputs[path] >= 0.0
    ]
    shares = [f"plates.{pool.name.lower()}_{each}_share" for pool in POOLS for each in CLASSES]
    for path in (*shares, "plates.new_energy_family_share"):
        if not 0.0 <= inputs[path] <= 1.0:
            hint = ", not percent" if 1.0 < inputs[path] <= 100.0 else ""
            faults.append(Fault(where, path, f"a share from 0 to 1{hint}", f"{inputs[path]:g}"))
    for pool in POOLS:
        paths = [f"plates.{pool.name.lower()}_{each}_share" for each in CLASSES]
        total = math.fsum(inputs[path] for path in paths)
        if abs(total - 1.0) > SUM_TOLERANCE:
            faults.append(Fault(where, " + ".join(paths), "a sum of 1", f"{total:g}"))
    if faults:
        raise ParameterError(faults)


def round_lots(quota: F64, u: float) -> I64:
    """Whole numbers for lots in a row, each without bias, their sum within one of the sum of lots.

    Parameters
    ----------
    quota
        Lots, none below zero.
    u
        One draw from 0 to 1.

    Returns
    -------
    NDArray[np.int64]
        Floor or ceiling of each.

    Notes
    -----
    Systematic rounding: the sums up to each lot, moved by u, are cut; the lots are their differences.
    """
    edge = np.floor(np.concatenate(([0.0], np.cumsum(quota))) + u).astype(np.int64)
    return np.diff(edge)


def smallest(key: F64, n: int, then: F64 | None = None) -> I64:
    """Places of the n smallest keys, in rising order of place.

    Parameters
    ----------
    key
        Keys, none NaN.
    n
        How many.
    then
        Keys that decide among equals at the edge; the first places without.

    Returns
    -------
    NDArray[np.int64]
        Places; all of them if n exceeds their number.
    """
    if n >= len(key):
        return np.arange(len(key))
    if n <= 0:
        return np.zeros(0, np.int64)
    limit = np.partition(key, n - 1)[n - 1]
    sure, tied = np.flatnonzero(key < limit), np.flatnonzero(key == limit)
    if then is not None:
        tied = tied[np.argsort(then[tied], kind="stable")]
    return np.sort(np.concatenate((sure, tied[: n - len(sure)])))


def ladder(rounds: ArrayLike, inputs: Mapping[str, float]) -> F64:
    """Weight of an individual in the lottery, by rounds lost [1]."""
    return 1.0 + np.floor(np.asarray(rounds, np.float64) / inputs["plates.ladder_round_count"])


def family_score(
    size: ArrayLike,
    generation: ArrayLike,
    couple: ArrayLike,
    head_points: ArrayLike,
    other_points: ArrayLike,
    inputs: Mapping[str, float],
) -> F64:
    """Score of families.

    Parameters
    ----------
    size
        Members that apply together, two or more.
    generation
        Generations among them.
    couple
        Whether main applicant and spouse are both among them.
    head_points
        Points for years waited of the main applicant, and of the spouse in a couple.
    other_points
        Points for years waited of all others.
    inputs
        Parameters of the year.

    Returns
    -------
    NDArray[np.float64]
        Scores [points].

    Notes
    -----
    The quota office's own example: eight members of three generations, both of the couple and two others with
    five points each, have ((2 + 5) + (1 + 5)) 2 + (6 + 10), times 3: 126 points.
    """
    main, other = inputs["plates.score_main_point"], inputs["plates.score_other_point"]
    pair = np.asarray(couple, np.bool_)
    head = main + np.where(pair, other, 0.0) + np.asarray(head_points)
    factor = np.where(pair, inputs["plates.score_couple_factor"], 1.0)
    rest = other * (np.asarray(size) - 1.0 - pair) + np.asarray(other_points)
    score: F64 = (head * factor + rest) * np.minimum(generation, inputs["plates.score_generation_max"])
    return score


def score_growth(
    size: ArrayLike, generation: ArrayLike, couple: ArrayLike, inputs: Mapping[str, float]
) -> F64:
    """Points that a family gains by another year of waiting."""
    pair = np.asarray(couple, np.bool_)
    weight = np.where(pair, 2.0 * inputs["plates.score_couple_factor"], 1.0) + np.asarray(size) - 1.0 - pair
    growth: F64 = weight * np.minimum(generation, inputs["plates.score_generation_max"])
    return growth * inputs["plates.score_year_point"]


@dataclass(frozen=True)
class History:
    """Quotas and waiting lists of the years before the base year's end, by pool [plates, persons]."""

    year: I64
    quota: F64
    waiting: F64

    def survivors(self, pool: PlateKind, exit_share: float) -> F64:
        """Those still waiting at the end of the last year, by year of application [persons].

        Parameters
        ----------
        pool
            Which waiting list.
        exit_share
            Share of those waiting that gives up in a year.

        Returns
        -------
        NDArray[np.float64]
            One number for each year; they sum to the last waiting list.

        Notes
        -----
        Entries of a year are what the list grew by, plus plates and exits. A lottery takes from cohorts by
        their ladder, one step a year; a queue takes the oldest.
        """
        n = len(self.year)
        left = np.zeros(n)
        for t in range(n):
            left *= 1.0 - exit_share
            quota, waiting = self.quota[t, pool], self.waiting[t, pool]
            left[t] = max(waiting - left.sum() + quota, 0.0)
            if pool == PlateKind.ORDINARY:
                chance = left * (t - np.arange(n) + 1.0).clip(1.0)
                left -= np.minimum(quota * chance / max(chance.sum(), 1.0), left)
            else:
                taken = np.clip(quota - np.concatenate(([0.0], np.cumsum(left)[:-1])), 0.0, left)
                left -= taken
        return left


@cache
def read_history(path: Path | None = None) -> History:
    """Read the table of past quotas and waiting lists.

    Parameters
    ----------
    path
        A table with the columns of the shipped one; the shipped one by default.

    Returns
    -------
    History
        Years in a row.

    Raises
    ------
    ParameterError
        If the table is wrong; all faults are named.
    """
    path = path or data_folder() / "plates" / "history.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        header, *lines = list(csv.reader(stream))
    if tuple(header) != HISTORY:
        raise ParameterError(Fault(path.name, "header", ",".join(HISTORY), ",".join(header)))
    faults: list[Fault] = []
    values: list[list[float]] = []
    for k, cells in enumerate(lines, start=2):
        row = dict(zip(HISTORY, cells, strict=False))
        try:
            numbers = [float(row[name]) for name in HISTORY[:5]]
        except (KeyError, ValueError):
            faults.append(Fault(path.name, f"line {k}", "five numbers, a tag and a source", ",".join(cells)))
            continue
        if min(numbers) < 0.0 or not all(map(math.isfinite, numbers)):
            faults.append(Fault(path.name, f"line {k}", "numbers from 0 up", ",".join(cells)))
        elif values and numbers[0] != values[-1][0] + 1.0:
            faults.append(Fault(path.name, f"line {k}", f"the year {values[-1][0] + 1:.0f}", cells[0]))
        values.append(numbers)
    if faults or not values:
        raise ParameterError(faults or Fault(path.name, "rows", "at least one year", "none"))
    table = np.array(values)
    return History(table[:, 0].astype(np.int64), table[:, 1:3], table[:, 3:5])
