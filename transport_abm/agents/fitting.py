"""Fitting of tables and weights to known totals, their rounding, and how well they fit.

Iterative proportional fitting repeats w <- w M_c / (sum of w in c) over all margins (Deming and Stephan
1940). It keeps every cross-product ratio of the seed. `rake` reaches the same weights for controls that count
persons in households, where a household adds more than one to a control.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.kernels_fit import rake_newton, round_rows
from transport_abm.core.errors import ConvergenceWarning, InputError

F64 = NDArray[np.float64]
I32 = NDArray[np.int32]

TABLE_TOLERANCE = 1e-12
"""Largest relative error of a margin of a table."""
TOLERANCE = 1e-8
"""Largest relative error of a raked control; V-21 asks for 1e-6."""
MAX_CYCLES = 5000
MAX_STEPS = 100


@dataclass(frozen=True)
class FitReport:
    """How near fitted values come to their targets."""

    name: tuple[str, ...]
    """Names of the controls."""
    target: F64
    achieved: F64
    steps: int = 0
    """Steps of the slowest fit."""

    @property
    def tae(self) -> float:
        """Total absolute error, in the unit of the targets."""
        return float(np.abs(self.achieved - self.target).sum())

    @property
    def srmse(self) -> float:
        """Root mean square error over the mean of the targets [1]."""
        return float(np.sqrt(np.mean((self.achieved - self.target) ** 2)) / self.target.mean())

    @property
    def chi_square(self) -> float:
        """Pearson's sum of squared errors over targets."""
        used = self.target > 0
        return float(((self.achieved - self.target)[used] ** 2 / self.target[used]).sum())

    @property
    def max_error(self) -> float:
        """Largest relative error of a control [1]."""
        return float(self._relative().max(initial=0.0))

    @property
    def worst(self) -> str:
        """Name of the control with the largest relative error."""
        return self.name[int(self._relative().argmax())] if self.name else ""

    def summary(self) -> dict[str, float]:
        """The measures of fit by name, for the manifest of a run."""
        return {
            "tae": self.tae, "srmse": self.srmse, "chi_square": self.chi_square,
            "max_error": self.max_error, "steps": float(self.steps),
        }  # fmt: skip

    def _relative(self) -> F64:
        """Relative errors; absolute where the target is zero."""
        return np.asarray(np.abs(self.achieved - self.target) / np.where(self.target > 0, self.target, 1.0))


@dataclass(frozen=True)
class Raked:
    """Weights that meet the controls."""

    weight: F64
    factor: F64
    """Log factor of each control: start values for a similar fit."""
    steps: int
    error: float
    """Largest relative error of a control [1]."""


def fit_table(
    seed: F64, margins: Sequence[tuple[tuple[int, ...], F64]], *, tolerance: float = TABLE_TOLERANCE
) -> F64:
    """Fit a table to margins by iterative proportional fitting.

    Parameters
    ----------
    seed
        Table of any number of axes, not negative; zeros stay zero.
    margins
        Pairs of axes kept (ascending) and the sums wanted over the others.
    tolerance
        Largest relative error of a margin [1].

    Returns
    -------
    NDArray[np.float64]
        Table with those margins and the cross-product ratios of the seed.

    Raises
    ------
    InputError
        If the margins do not have the same sum, or ask for something where the seed is empty.

    Notes
    -----
    Deming and Stephan (1940). Checked by V-21.
    """
    table = np.array(seed, np.float64)
    every = range(table.ndim)
    sums = [float(np.sum(wanted)) for _, wanted in margins]
    if max(sums) - min(sums) > 1e-9 * max(max(sums), 1.0):
        raise InputError(f"margins: expected one common sum, got {sums}")
    error = np.inf
    for _ in range(MAX_CYCLES):
        error = 0.0
        for axes, wanted in margins:
            away = tuple(axis for axis in every if axis not in axes)
            got = table.sum(axis=away)
            if np.any((got <= 0) & (wanted > 0)):
                raise InputError(
                    "margins: expected a seed above zero wherever a margin is, got an empty slice"
                )
            error = max(error, float(np.max(np.abs(got - wanted) / np.where(wanted > 0, wanted, 1.0))))
            ratio = np.divide(wanted, got, out=np.zeros_like(got), where=got > 0)
            table *= np.expand_dims(ratio, away)
        if error <= tolerance:
            return table
    warnings.warn(ConvergenceWarning(f"table fit stopped at a relative error of {error:.1e}"), stacklevel=2)
    return table


def rake(
    seed: F64,
    use: F64,
    target: F64,
    *,
    start: F64 | None = None,
    tolerance: float = TOLERANCE,
) -> Raked:
    """Weights of types that meet controls on households and persons at once.

    Parameters
    ----------
    seed
        Weight of each type before the fit, not negative.
    use
        Shape (types, controls): what one unit of a type adds to a control.
    target
        Wanted sum of each control; a zero empties the types that use it.
    start
        Log factors of a similar fit, to start from.
    tolerance
        Largest relative error of a control [1].

    Returns
    -------
    Raked
        Weights ``seed * exp(use @ factor)``.

    Notes
    -----
    Warns with ConvergenceWarning if the controls contradict each other.
    """
    wanted = target > 0
    base = np.where((use[:, ~wanted] > 0).any(axis=1), 0.0, seed)
    part = use[:, wanted]
    type_row, control = np.nonzero(part)
    indptr = np.zeros(len(seed) + 1, np.int32)
    np.cumsum(np.bincount(type_row, minlength=len(seed)), out=indptr[1:])
    factor = np.zeros(int(wanted.sum())) if start is None else start[wanted].copy()
    weight = np.empty(len(seed))
    stop = np.array([tolerance, MAX_STEPS], np.float64)
    steps, error = rake_newton(
        np.ascontiguousarray(base), indptr, control.astype(np.int32), part[type_row, control],
        np.ascontiguousarray(target[wanted]), stop, factor, weight,
    )  # fmt: skip
    if not error <= tolerance:
        warnings.warn(ConvergenceWarning(f"raking stopped at a relative error of {error:.1e}"), stacklevel=2)
    every = np.zeros(len(target))
    every[wanted] = factor
    return Raked(weight, every, int(steps), float(error))


def truncate_replicate_sample(
    weight: F64, start: F64, *, group: I32 | None = None, scale: F64 | None = None
) -> I32:
    """Whole numbers of each type, row by row, with the right expectation.

    Parameters
    ----------
    weight
        Shape (groups, types), not negative.
    start
        One uniform draw in [0, 1) for each row.
    group
        Group of weights that each row takes; row by row if not given.
    scale
        Factor of each row; 1 if not given.

    Returns
    -------
    NDArray[np.int32]
        Shape (rows, types); any stretch of neighbouring types sums to within one of its weights.
    """
    rows = len(start)
    group = np.arange(rows, dtype=np.int32) if group is None else group
    scale = np.ones(rows) if scale is None else scale
    out = np.empty((rows, weight.shape[1]), np.int32)
    round_rows(np.ascontiguousarray(weight), group, scale, np.ascontiguousarray(start), out)
    return out
