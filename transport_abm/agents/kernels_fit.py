"""Kernels of fitting: raking on counts, systematic rounding, balancing of a trip matrix.

Raking: w_t = s_t exp(sum_c lambda_c x_ct) with sum_t w_t x_ct = M_c, by Newton's method on the convex dual
sum_t w_t - sum_c lambda_c M_c. Its solution is the fixed point of iterative proportional fitting
(Deming and Stephan 1940; Ireland and Kullback 1968), reached in a few steps instead of hundreds of cycles.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

I32 = NDArray[np.int32]
F64 = NDArray[np.float64]


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def solve_semidefinite(matrix: F64, vector: F64) -> None:
    """Solve matrix x = vector by Cholesky in place; redundant unknowns are left at zero.

    Parameters
    ----------
    matrix : float64[n, n]      symmetric, positive semidefinite; overwritten
    vector : float64[n]         right side; overwritten by the solution
    """
    n = vector.shape[0]
    skip = np.zeros(n, np.bool_)
    column = np.empty(n)
    scale = np.empty(n)
    for j in range(n):
        scale[j] = matrix[j, j]
    for j in range(n):
        pivot = matrix[j, j]
        if pivot <= 1e-11 * scale[j] or scale[j] <= 0.0:
            skip[j] = True
            for i in range(j, n):
                matrix[i, j] = 0.0
            continue
        root = np.sqrt(pivot)
        matrix[j, j] = root
        for i in range(j + 1, n):
            matrix[i, j] /= root
            column[i] = matrix[i, j]
        # What is left loses its part at once, row by row: a loop without a sum over slices that begin at 0, which the
        # processor does in vectors.
        for i in range(j + 1, n):
            factor = column[i]
            left = matrix[i, j + 1 : i + 1]
            part = column[j + 1 : i + 1]
            for k in range(len(left)):
                left[k] -= factor * part[k]
    for j in range(n):
        if skip[j]:
            vector[j] = 0.0
            continue
        for k in range(j):
            vector[j] -= matrix[j, k] * vector[k]
        vector[j] /= matrix[j, j]
    for j in range(n - 1, -1, -1):
        if skip[j]:
            continue
        for i in range(j + 1, n):
            vector[j] -= matrix[i, j] * vector[i]
        vector[j] /= matrix[j, j]


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _weigh(seed: F64, indptr: I32, index: I32, count: F64, factor: F64, weight: F64) -> float:
    """Weights at given log factors; returns their sum."""
    total = 0.0
    for t in range(seed.shape[0]):
        power = 0.0
        for e in range(indptr[t], indptr[t + 1]):
            power += factor[index[e]] * count[e]
        weight[t] = seed[t] * np.exp(power)
        total += weight[t]
    return total


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def rake_newton(
    seed: F64, indptr: I32, index: I32, count: F64, target: F64, stop: F64, factor: F64, weight: F64
) -> tuple[int, float]:
    """Weights nearest to the seed (in relative entropy) that meet every control.

    Parameters
    ----------
    seed : float64[types]           >= 0
    indptr : int32[types + 1]       entries of type t are indptr[t]:indptr[t + 1]
    index : int32[entries]          control of the entry
    count : float64[entries]        how much one unit of the type adds to the control
    target : float64[controls]      > 0
    stop : float64[2]               largest relative error to accept, largest number of steps
    factor : float64[controls]      log factors: start values in, solution out
    weight : float64[types]         overwritten

    Returns
    -------
    int, float                      steps taken, largest relative error
    """
    n = target.shape[0]
    total = _weigh(seed, indptr, index, count, factor, weight)
    for step in range(int(stop[1]) + 1):
        achieved = np.zeros(n)
        curvature = np.zeros((n, n))
        for t in range(seed.shape[0]):
            for e in range(indptr[t], indptr[t + 1]):
                part = weight[t] * count[e]
                achieved[index[e]] += part
                for f in range(indptr[t], e + 1):
                    a, b = index[e], index[f]
                    curvature[max(a, b), min(a, b)] += part * count[f]
        error = np.max(np.abs(achieved - target) / target)
        if error <= stop[0] or step == int(stop[1]):
            return step, error
        move = target - achieved
        slope = move.copy()
        solve_semidefinite(curvature, move)
        gain = np.sum(slope * move)
        dual = total - np.sum(factor * target)
        length = 1.0
        before = factor.copy()
        for _ in range(40):
            factor[:] = before + length * move
            total = _weigh(seed, indptr, index, count, factor, weight)
            if total - np.sum(factor * target) <= dual - 1e-4 * length * gain + 1e-12 * abs(dual):
                break
            length *= 0.5
    return int(stop[1]), error


LEAST_FRACTION = 1e-12
"""Fraction of a weight below which it is rounding and gives nobody [1]."""


@njit(cache=True, nogil=True, parallel=True, error_model="numpy")  # type: ignore[untyped-decorator]
def round_rows(weight: F64, row_of: I32, scale: F64, start: F64, out: I32) -> None:
    """Truncate, replicate, sample: whole numbers whose running sums follow those of the weights.

    out[r, t] is the number of k with k - start[r] in the running sum's step at t: the floor of the weight,
    plus one with a chance equal to its fraction.

    Parameters
    ----------
    weight : float64[groups, types]     >= 0
    row_of : int32[rows]                group whose weights the row takes
    scale : float64[rows]               factor on them
    start : float64[rows]               in [0, 1)
    out : int32[rows, types]            overwritten

    Notes
    -----
    Lovelace and Ballas (2013), with the systematic sample of Madow (1949) for the last step, which keeps
    each type's chance exact and neighbouring types' sums within one.
    """
    for r in prange(out.shape[0]):
        running = start[r]
        last = 0
        for t in range(out.shape[1]):
            own = weight[row_of[r], t] * scale[r]
            running += own
            # A running sum that rounding lifts to a whole number must not give a type more than its weight allows.
            count = max(int(np.floor(running)) - last, int(np.floor(own)))
            out[r, t] = min(count, int(np.floor(own + 1.0 - LEAST_FRACTION)))
            last += out[r, t]


# One thread: a half step takes a tenth of a millisecond, less than the hand-over to others.
@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def furness_half(deterrence: F64, other: F64, total: F64, out: F64) -> None:
    """One half step: factors that meet the totals of the rows.

    out_r = total_r / sum_c deterrence_rc other_c, and 0 where the total is 0.

    Parameters
    ----------
    deterrence : float64[rows, columns]     >= 0
    other : float64[columns]                factors of the columns
    total : float64[rows]
    out : float64[rows]                     overwritten
    """
    n = other.shape[0]
    for r in range(total.shape[0]):
        if total[r] == 0.0:
            out[r] = 0.0
            continue
        s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
        for c in range(0, n - 3, 4):
            s0 += deterrence[r, c] * other[c]
            s1 += deterrence[r, c + 1] * other[c + 1]
            s2 += deterrence[r, c + 2] * other[c + 2]
            s3 += deterrence[r, c + 3] * other[c + 3]
        for c in range(n - n % 4, n):
            s0 += deterrence[r, c] * other[c]
        out[r] = total[r] / (s0 + s1 + s2 + s3)


@njit(cache=True, nogil=True, parallel=True, error_model="numpy")  # type: ignore[untyped-decorator]
def column_curvature(flow: F64, origin_total: F64, out: F64) -> None:
    """How column sums answer to the columns' log factors when the rows are kept balanced.

    out_jk = [j = k] sum_i T_ij - sum_i T_ij T_ik / O_i

    Parameters
    ----------
    flow : float64[rows, columns]       balanced in its rows
    origin_total : float64[rows]        row sums
    out : float64[columns, columns]     overwritten; singular, as a common factor changes nothing
    """
    for j in prange(out.shape[0]):
        for k in range(out.shape[1]):
            out[j, k] = 0.0
        total = 0.0
        for i in range(flow.shape[0]):
            if flow[i, j] > 0.0:
                total += flow[i, j]
                share = flow[i, j] / origin_total[i]
                for k in range(out.shape[1]):
                    out[j, k] -= share * flow[i, k]
        out[j, j] += total
