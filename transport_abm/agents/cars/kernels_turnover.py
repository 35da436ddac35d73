"""Kernels of the private-car stock: places of cars in their households, fates of a year, wishes for cars.

A car draws at the address (household, place of the car in the household), so that the same household meets the
same luck in every scenario, whichever car stands at its door.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from transport_abm.core.draws import hash_uniform

I8 = NDArray[np.int8]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

STAYS, SCRAPPED, LEFT_CITY, SOLD, HOUSEHOLD_GONE, NO_CAR = 0, 1, 2, 3, 4, 5
"""Fates of a row in a year; a sold car finds its buyer, inside the city or not, later."""
OLDEST_YEAR = 126
"""Last age of the tables of chances: int8 holds no more than one year beyond."""


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def place_in_household(household: I32, alive: Bool, count: I8, out: I8) -> None:
    """Number the living cars of each household in the order of their rows.

    Parameters
    ----------
    household : int32[cars]     row of the household
    alive : bool[cars]          rows in use
    count : int8[households]    zero at the start; living cars of each household at the end
    out : int8[cars]            overwritten: 0 for the first car of a household, 1 for the second; -1 if not alive
    """
    for i in range(household.shape[0]):
        if alive[i]:
            h = household[i]
            out[i] = count[h]
            count[h] += 1
        else:
            out[i] = -1


@njit(cache=True, nogil=True, parallel=True, error_model="numpy")  # type: ignore[untyped-decorator]
def age_cars(
    household: I32, place: I8, powertrain: I8, household_id: I64, household_alive: Bool,
    threshold: F64, key: np.uint64, age: I8, fate: I8,
) -> None:  # fmt: skip
    """One year of every car: it grows older, and is scrapped, leaves the city, is sold or stays.

    Parameters
    ----------
    household : int32[cars]             row of the household
    place : int8[cars]                  from `place_in_household`
    powertrain : int8[cars]             code
    household_id : int64[households]    identities
    household_alive : bool[households]  False: its cars leave
    threshold : float64[powertrains, ages, 3]   cumulative chances of scrapping, leaving, being sold
    key : uint64                        from `stream_key`
    age : int8[cars]                    one more for every living row
    fate : int8[cars]                   overwritten
    """
    for i in prange(household.shape[0]):
        if place[i] < 0:
            fate[i] = NO_CAR
            continue
        h = household[i]
        if not household_alive[h]:
            fate[i] = HOUSEHOLD_GONE
            continue
        a = age[i]
        u = hash_uniform(key, np.uint64(household_id[h]), np.uint64(place[i]))
        row = threshold[powertrain[i], min(a, OLDEST_YEAR)]
        if u >= row[2]:
            fate[i] = STAYS
        elif u >= row[1]:
            fate[i] = SOLD
        elif u >= row[0]:
            fate[i] = LEFT_CITY
        else:
            fate[i] = SCRAPPED
        age[i] = min(a + 1, OLDEST_YEAR)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def count_members(household: I32, alive: Bool, works: Bool, licence: Bool, young: Bool, out: I8) -> None:
    """Workers, licences and children of each household.

    Parameters
    ----------
    household : int32[persons]      row of the household
    alive, works, licence, young : bool[persons]
    out : int8[households, 3]       zero at the start; workers, licence holders, children
    """
    for i in range(household.shape[0]):
        if alive[i]:
            h = household[i]
            if works[i]:
                out[h, 0] += 1
            if licence[i]:
                out[h, 1] += 1
            if young[i]:
                out[h, 2] += 1


@njit(cache=True, nogil=True, parallel=True, error_model="numpy")  # type: ignore[untyped-decorator]
def count_wishes(
    first: F64, second: F64, taste: F64, held: I8, licence: I8, habit: float, alive: Bool, out: I8
) -> None:
    """Cars wanted by each household.

    Parameters
    ----------
    first, second : float64[households]     utility of holding a first and a second car
    taste : float64[households]             logistic, the same in every year
    held : int8[households]                 cars held
    licence : int8[households]              members who may drive
    habit : float                           utility of what one is used to
    alive : bool[households]
    out : int8[households]                  overwritten: 0, 1 or 2
    """
    for h in prange(out.shape[0]):
        n = 0
        if alive[h] and licence[h] > 0:
            e = taste[h]
            one = first[h] + (habit + max(e, 0.0) if held[h] > 0 else e)
            if one > 0.0:
                n = 1
                if held[h] > 1:
                    if second[h] + habit + e > 0.0:
                        n = 2
                elif licence[h] > 1 and second[h] + e > 0.0:
                    n = 2
        out[h] = n
