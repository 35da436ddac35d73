"""Kernels of the plate institutions: who can apply in a household, lottery keys, who leaves a full list.

A lottery without replacement with weights w takes the n smallest keys -ln(u) / w (Efraimidis and Spirakis
2006): the next one drawn is always i with chance w_i over the sum of weights not drawn yet.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from transport_abm.core.draws import hash_uniform

Bool = NDArray[np.bool_]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I8 = NDArray[np.int8]
I16 = NDArray[np.int16]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]

NOBODY = -1
GENERATIONS = 3
"""Bands of age, from the youngest member up, that a household can span."""


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)  # type: ignore[untyped-decorator]
def lottery_keys(key: np.uint64, address: I64, kind: I8, weight: F64, out: F64) -> None:
    """Keys of a lottery: the smallest win.

    Parameters
    ----------
    key : uint64            from `stream_key`
    address : int64[n]      identities that address the draws
    kind : int8[n]          number of the draw
    weight : float64[n]     > 0; a weight of zero never wins
    out : float64[n]        overwritten
    """
    for i in prange(address.shape[0]):
        u = hash_uniform(key, np.uint64(address[i]), np.uint64(kind[i]))
        out[i] = -np.log(1.0 - u) / weight[i] if weight[i] > 0.0 else np.inf


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _band(years: int, gap_year: float) -> int:
    """Generation of one so many years older than the youngest."""
    if years < gap_year:
        return 0
    return 1 if years < 2.0 * gap_year else GENERATIONS - 1


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def find_members(
    household: I32,
    age: I8,
    licence: Bool,
    alive: Bool,
    adult_year: int,
    gap_year: float,
    driver: I32,
    count: I16,
) -> None:
    """Who could apply in each household, and what its family would be made of.

    Parameters
    ----------
    household : int32[persons]      row of the household
    age : int8[persons]
    licence : bool[persons]         holds a licence to drive
    alive : bool[persons]
    adult_year : int                age from which one can apply
    gap_year : float                ages between generations
    driver : int32[households, 2]   overwritten: the first two adults with a licence, -1 for none
    count : int16[households, 4]    overwritten: members, adults with a licence, generations, and adults in
                                    the generation of the first of them
    """  # fmt: skip
    n = driver.shape[0]
    youngest = np.full(n, 127, np.int16)
    driver[:] = NOBODY
    count[:] = 0
    for i in range(household.shape[0]):
        if not alive[i]:
            continue
        h = household[i]
        youngest[h] = min(youngest[h], age[i])
        count[h, 0] += 1
        if licence[i] and age[i] >= adult_year:
            if count[h, 1] < 2:
                driver[h, count[h, 1]] = i
            count[h, 1] += 1
    seen = np.zeros(n, np.int8)
    head = np.zeros(n, np.int8)
    for h in range(n):
        if driver[h, 0] >= 0:
            head[h] = _band(age[driver[h, 0]] - youngest[h], gap_year)
    for i in range(household.shape[0]):
        if not alive[i]:
            continue
        h = household[i]
        band = _band(age[i] - youngest[h], gap_year)
        seen[h] |= 1 << band
        count[h, 3] += age[i] >= adult_year and driver[h, 0] >= 0 and band == head[h]
    for h in range(n):
        for band in range(GENERATIONS):
            count[h, 2] += (seen[h] >> band) & 1


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def keep_first(row: I64, household: I32, room: I16, kept: Bool) -> None:
    """Let the first rows of each household stay, as many as there is room for.

    Parameters
    ----------
    row : int64[n]                  rows of applicants, the first to apply first
    household : int32[applicants]
    room : int16[households]        overwritten: room left
    kept : bool[n]                  overwritten
    """
    for i in range(row.shape[0]):
        h = household[row[i]]
        kept[i] = room[h] > 0
        if kept[i]:
            room[h] -= 1
