"""Kernel that rounds a matrix to whole numbers without touching its sums, and without bias.

Dependent rounding (Gandhi, Khuller, Parthasarathy and Srinivasan 2006): as long as entries are fractional,
some of them form a cycle through rows and columns; along it a random amount is added to every other entry
and taken from the rest, with mean zero, until one is whole. No sum changes, and each entry keeps its
expectation.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from transport_abm.core.draws import hash_uniform

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
F64 = NDArray[np.float64]

NEAR = 1e-9
"""Fractions nearer than this to a whole number are whole."""


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _is_open(fraction: float) -> bool:
    """Whether an entry is still fractional."""
    return NEAR < fraction < 1.0 - NEAR


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _next(line: F64, first: I64, i: int, skip: int) -> int:
    """First open entry of a line other than one; what lies before it is closed for good."""
    n = line.shape[0]
    while first[i] < n and not _is_open(line[first[i]]):
        first[i] += 1
    for k in range(first[i], n):
        if k != skip and _is_open(line[k]):
            return k
    return -1


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _walk(
    fraction: F64, first_row: I64, first_column: I64, start: int, path: I32, seen: I32
) -> tuple[int, int, int]:
    """Walk from a row over open entries until a row or column comes again.

    Returns where the cycle begins, where it ends, and 1 if a row came again, 0 if a column, -1 if a line had
    no second open entry. path[0], path[1]: rows and columns passed; seen[0], seen[1]: their place plus one.
    """
    k = 0
    path[0, 0] = start
    seen[0, start] = 1
    while True:
        r = path[0, k]
        c = _next(fraction[r], first_row, r, path[1, k - 1] if k > 0 else -1)
        if c < 0:
            return k, k - 1, -1
        path[1, k] = c
        if seen[1, c] > 0:
            return seen[1, c], k, 0
        seen[1, c] = k + 1
        r = _next(fraction[:, c], first_column, c, r)
        if r < 0:
            return k, k, -1
        path[0, k + 1] = r
        if seen[0, r] > 0:
            return seen[0, r] - 1, k, 1
        seen[0, r] = k + 2
        k += 1


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _turn(fraction: F64, path: I32, begin: int, end: int, by_row: bool, u: float) -> None:
    """Shift a cycle up or down, with mean zero, until one of its entries is whole."""
    up, down = 1.0, 1.0
    back = 0 if by_row else -1
    for k in range(begin, end + 1):
        plus = fraction[path[0, k], path[1, k]]
        minus = fraction[path[0, k + 1 + back], path[1, k + back]]
        up = min(up, 1.0 - plus, minus)
        down = min(down, plus, 1.0 - minus)
    shift = up if u * (up + down) < down else -down
    for k in range(begin, end + 1):
        fraction[path[0, k], path[1, k]] += shift
        fraction[path[0, k + 1 + back], path[1, k + back]] -= shift


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def round_matrix(flow: F64, key: np.uint64, out: I32) -> None:
    """Whole numbers with the row sums of a matrix and its column sums to within one.

    Parameters
    ----------
    flow : float64[rows, columns]       >= 0; row sums are whole numbers
    key : uint64                        key of the draws, numbered by turn
    out : int32[rows, columns]          overwritten: floor or ceiling of each entry
    """
    rows, columns = flow.shape
    # One more row takes up what the column sums lack to be whole.
    fraction = np.zeros((rows + 1, columns))
    for c in range(columns):
        total = 0.0
        for r in range(rows):
            whole = np.floor(flow[r, c])
            out[r, c] = int(whole)
            fraction[r, c] = flow[r, c] - whole
            total += fraction[r, c]
        fraction[rows, c] = np.ceil(total - NEAR) - total
    first_row = np.zeros(rows + 1, np.int64)
    first_column = np.zeros(columns, np.int64)
    longest = max(rows + 1, columns) + 2
    path = np.zeros((2, longest), np.int32)
    seen = np.zeros((2, longest), np.int32)
    turn = 0
    for start in range(rows + 1):
        while _next(fraction[start], first_row, start, -1) >= 0:
            begin, end, kind = _walk(fraction, first_row, first_column, start, path, seen)
            if kind < 0:
                # Rounding errors left a single open entry in a line: it is whole but for those.
                r, c = path[0, begin], path[1, end]
                fraction[r, c] = np.round(fraction[r, c])
            else:
                u = hash_uniform(key, np.uint64(turn), np.uint64(0))
                _turn(fraction, path, begin, end, kind == 1, u)
                turn += 1
            for k in range(min(end + 3, longest)):
                seen[0, path[0, k]] = 0
                seen[1, path[1, k]] = 0
    for r in range(rows):
        for c in range(columns):
            out[r, c] += int(np.round(fraction[r, c]))
