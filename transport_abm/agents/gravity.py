"""Doubly constrained gravity: trips between zones that meet the totals of both ends.

    T_ij = a_i O_i b_j D_j f(c_ij),  sum_j T_ij = O_i,  sum_i T_ij = D_j

which is the matrix of largest entropy given the totals and the mean of -ln f (Wilson 1967), found by
Furness's alternate scaling and, as that crawls where deterrence is steep, Newton steps on the column factors; where
even these begin too far away, as for schools that hardly anybody passes by, the solution is approached by way of
gentler deterrence. The deterrence coefficient is found by the secant method of Hyman (1969).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.kernels_fit import column_curvature, furness_half, solve_semidefinite
from transport_abm.core.errors import ConvergenceWarning, InputError

F64 = NDArray[np.float64]

TOLERANCE = 1e-10
"""Largest relative error of a column total; rows are exact (V-22 asks for 1e-8)."""
ROUGH_TOLERANCE = 1e-5
"""The same while the deterrence coefficient is still sought."""
FIRST_CYCLES, MORE_CYCLES = 20, 200
"""Cycles of alternate scaling before the first Newton step, and after one that does not help."""
MOST_LOG = 300.0
"""Largest log factor to begin with: products of a few stay numbers."""
MAX_ROUNDS = 30
FAR = 0.25
"""Relative error after the first cycles from which Newton steps find no way."""
GENTLER, GENTLER_TOLERANCE, GENTLER_CYCLES = (0.1, 0.3, 0.6), 0.01, (5, 20)
"""Powers of the deterrence on the way to its own, the error at which the next one begins, and cycles as above."""
MAX_HALVINGS = 4
LONGEST_STEP = 8.0
"""Largest change of a log factor in one Newton step."""
MAX_SECANTS = 40
FLAT = 2e-3
"""Relative fall of the mean between two coefficients below which steeper ones are not tried."""
STEEPEST = 60.0
"""Largest coefficient tried, times the mean cost without deterrence: beyond it the matrix hardly changes."""


@dataclass
class _Factors:
    """Row and column factors, kept between similar solutions."""

    row: F64
    column: F64


def balance(
    origin_total: F64,
    destination_total: F64,
    deterrence: F64,
    *,
    tolerance: float = TOLERANCE,
    start: _Factors | None = None,
    tell: bool = True,
) -> F64:
    """Matrix with given totals of rows and columns, proportional to deterrence times two factors.

    Parameters
    ----------
    origin_total
        Wanted row sums.
    destination_total
        Wanted column sums; the same sum.
    deterrence
        Shape (rows, columns), not negative.
    tolerance
        Largest relative error of a column sum [1].
    start
        Factors to start from; overwritten with the solution.
    tell
        Warn if the column totals cannot be met.

    Returns
    -------
    NDArray[np.float64]
        The matrix. Row sums are exact to rounding.

    Raises
    ------
    InputError
        If the totals differ in sum, are negative, or a row or column that wants trips is cut off.

    Notes
    -----
    Wilson (1967). Checked by V-22. Warns with ConvergenceWarning if the totals cannot be met.
    """
    faults = _faults(origin_total, destination_total, deterrence)
    if faults:
        raise InputError(faults)
    forth = np.ascontiguousarray(deterrence, np.float64)
    back = np.ascontiguousarray(forth.T)
    factors = start or _Factors(np.ones(len(origin_total)), np.ones(len(destination_total)))
    if start is None:
        factors.column[:] = destination_total > 0
    problem = _Balance(forth, back, origin_total, destination_total, factors)
    error = problem.scale(FIRST_CYCLES)
    if error > FAR:
        error = problem.approach()
    error = problem.settle(error, tolerance, MORE_CYCLES)
    if not error <= tolerance and tell:
        warnings.warn(
            ConvergenceWarning(f"balancing stopped at a relative error of {error:.1e}"), stacklevel=2
        )
    return problem.flow()


@dataclass
class _Balance:
    """One balancing problem and where its factors stand; rows are always exact."""

    forth: F64
    back: F64
    origin_total: F64
    destination_total: F64
    factors: _Factors

    def flow(self) -> F64:
        """The matrix at the present factors."""
        return np.asarray(self.factors.row[:, None] * self.forth * self.factors.column[None, :])

    def error(self) -> float:
        """Balance the rows; largest relative error of a column sum then."""
        furness_half(self.forth, self.factors.column, self.origin_total, self.factors.row)
        self.wanted = np.empty(len(self.destination_total))
        furness_half(self.back, self.factors.row, self.destination_total, self.wanted)
        used = self.destination_total > 0
        return float(np.abs(self.factors.column[used] / self.wanted[used] - 1.0).max())

    def scale(self, cycles: int) -> float:
        """Furness's alternate scaling."""
        error = self.error()
        for _ in range(cycles):
            self.factors.column[:] = self.wanted
            error = self.error()
        return error

    def settle(self, error: float, tolerance: float, cycles: int) -> float:
        """Newton steps until the error is small enough, alternate scaling where one does not help."""
        for _ in range(MAX_ROUNDS):
            if error <= tolerance:
                break
            after = self.newton(error)
            error = after if after < error else self.scale(cycles)
        return error

    def approach(self) -> float:
        """Factors near the solution: log factors grow about as the power of the deterrence does."""
        first, more = GENTLER_CYCLES
        used = self.destination_total > 0
        self.factors.column[:] = used
        for power, then in pairwise((*GENTLER, 1.0)):
            forth = self.forth**power
            gentler = _Balance(
                forth, np.ascontiguousarray(forth.T), self.origin_total, self.destination_total, self.factors
            )
            gentler.settle(gentler.scale(first), GENTLER_TOLERANCE, more)
            log = np.log(self.factors.column[used])
            grown = (log - log.mean()) * (then / power)
            self.factors.column[used] = np.exp(np.clip(grown, -MOST_LOG, MOST_LOG))
        return self.scale(first)

    def newton(self, error: float) -> float:
        """One Newton step on the columns' log factors, shortened until it helps; undone if it never does."""
        flow = self.flow()
        curvature = np.empty((flow.shape[1], flow.shape[1]))
        column_curvature(flow, self.origin_total, curvature)
        step = self.destination_total - flow.sum(axis=0)
        solve_semidefinite(curvature, step)
        before = self.factors.column.copy()
        step *= min(1.0, LONGEST_STEP / max(float(np.abs(step).max()), 1e-300))
        for _ in range(MAX_HALVINGS):
            self.factors.column[:] = before * np.exp(step)
            after = self.error()
            if after < error:
                return after
            step *= 0.25
        self.factors.column[:] = before
        return self.error()


def _faults(origin_total: F64, destination_total: F64, deterrence: F64) -> list[str]:
    """What is wrong with the input of `balance`."""
    faults = []
    if deterrence.shape != (len(origin_total), len(destination_total)):
        return [f"deterrence: expected one row for each origin total, got shape {deterrence.shape}"]
    if min(origin_total.min(), destination_total.min(), deterrence.min()) < 0:
        faults.append("totals and deterrence: expected no negative number")
    a, b = float(origin_total.sum()), float(destination_total.sum())
    if abs(a - b) > 1e-9 * max(a, b, 1e-300):
        faults.append(f"totals: expected the same sum, got {a} from origins and {b} to destinations")
    open_pair = deterrence > 0
    if np.any((origin_total > 0) & ~open_pair[:, destination_total > 0].any(axis=1)):
        faults.append("deterrence: expected every origin to reach a destination")
    if np.any((destination_total > 0) & ~open_pair[origin_total > 0].any(axis=0)):
        faults.append("deterrence: expected every destination to be reached")
    return faults


def deterrence_of(cost: F64, beta: float) -> F64:
    """Deterrence exp(-beta cost), each row scaled so that its nearest destination has 1."""
    open_pair = np.isfinite(cost)
    known = np.where(open_pair, cost, 0.0)
    nearest = np.where(open_pair, cost, np.inf).min(axis=1, keepdims=True)
    excess = known - np.where(np.isfinite(nearest), nearest, 0.0)
    return np.asarray(np.where(open_pair, np.exp(-beta * excess), 0.0))


@dataclass(frozen=True)
class Calibrated:
    """A deterrence coefficient that gives a wanted mean."""

    beta: float
    mean: float
    """Mean reached, in the unit of the measure."""
    flow: F64
    reached: bool
    """Whether the mean is within the tolerance."""


def calibrate_beta(
    origin_total: F64,
    destination_total: F64,
    cost: F64,
    mean_of: Callable[[F64], float],
    wanted_mean: float,
    *,
    tolerance: float = 1e-4,
) -> Calibrated:
    """Deterrence coefficient at which the balanced matrix has a wanted mean.

    Parameters
    ----------
    origin_total, destination_total
        Totals of both ends, with the same sum.
    cost
        Shape (rows, columns): cost of travel.
    mean_of
        Mean of a matrix, falling as the coefficient rises.
    wanted_mean
        Mean to reach, in the unit of ``mean_of``.
    tolerance
        Largest relative error of the mean [1].

    Returns
    -------
    Calibrated
        The coefficient and its matrix; the nearest one if the mean lies outside what the totals allow.

    Notes
    -----
    Hyman (1969): start at 1.5 / mean cost, then secant steps, kept between the bounds found so far.
    """
    factors = _Factors(np.ones(len(origin_total)), np.ones(len(destination_total)))
    factors.column[:] = destination_total > 0

    def flow_at(beta: float, precision: float) -> F64:
        return balance(
            origin_total, destination_total, deterrence_of(cost, beta), tolerance=precision, start=factors
        )

    unit = float(np.average(np.where(np.isfinite(cost), cost, 0.0) @ destination_total, weights=origin_total))
    unit = max(unit / max(float(destination_total.sum()), 1e-300), 1e-300)
    low, high = 0.0, np.inf
    known: list[tuple[float, float]] = [(0.0, mean_of(flow_at(0.0, ROUGH_TOLERANCE)))]
    beta = 1.5 / unit
    for _ in range(MAX_SECANTS):
        if known[-1][1] <= wanted_mean and len(known) == 1:
            break
        mean = mean_of(flow_at(beta, ROUGH_TOLERANCE))
        known.append((beta, mean))
        if abs(mean / wanted_mean - 1) <= tolerance / 4 or beta * unit > STEEPEST:
            break
        low, high = (beta, high) if mean > wanted_mean else (low, beta)
        (b0, m0), (b1, m1) = known[-2:]
        if not np.isfinite(high) and len(known) > 3 and m0 - m1 < FLAT * m0:
            break
        step = b1 + (wanted_mean - m1) * (b1 - b0) / (m1 - m0) if m1 != m0 else np.inf
        ceiling = high if np.isfinite(high) else 3 * low
        beta = step if low < step < ceiling else (low + high) / 2 if np.isfinite(high) else 2 * low
    best = min(known, key=lambda point: abs(point[1] - wanted_mean))[0]
    flow = flow_at(best, TOLERANCE)
    mean = mean_of(flow)
    return Calibrated(best, mean, flow, abs(mean / wanted_mean - 1) <= tolerance)
