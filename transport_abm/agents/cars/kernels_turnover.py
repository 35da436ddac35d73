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
def count_members(
    household: I32, alive: Bool, status: I8, licence: Bool, age: I8, worker: int, child_age: float, out: I8
) -> None:
    """Workers, licences and children of each household.

    Parameters
    ----------
    household : int32[persons]      row of the household
    alive : bool[persons]
    status : int8[persons]          code; those with the code `worker` work
    licence : bool[persons]
    age : int8[persons]             below `child_age`: a child
    worker : integer
    child_age : float
    out : int8[households, 3]       zero at the start; workers, licence holders, children
    """
    for i in range(household.shape[0]):
        if alive[i]:
            row = out[household[i]]
            row[0] += status[i] == worker
            row[1] += licence[i]
            row[2] += age[i] < child_age


@njit(cache=True, nogil=True, parallel=True, error_model="numpy")  # type: ignore[untyped-decorator]
def fill_utilities(log_income: F64, member: I8, parking: Bool, home: F64, weight: F64, utility: F64) -> None:
    """Utilities of a first and of a second car.

    Parameters
    ----------
    log_income : float64[households]    log of income over its reference
    member : int8[households, 3]        from `count_members`
    parking : bool[households]          has an own parking space
    home : float64[households or 0]     what the home zone adds; empty for nothing
    weight : float64[6]                 income, worker, child, parking, second car, income on a second car
    utility : float64[2, households]    overwritten
    """
    for h in prange(member.shape[0]):
        v = weight[0] * log_income[h] + weight[1] * member[h, 0]
        # A branch, as the index of a parallel loop is unsigned: beside 0 it would turn into a float.
        if home.shape[0] > 0:
            v += home[h]
        if member[h, 2] > 0:
            v += weight[2]
        if parking[h]:
            v += weight[3]
        utility[0, h] = v
        utility[1, h] = v + weight[4] + weight[5] * log_income[h]


@njit(cache=True, nogil=True, parallel=True, error_model="numpy")  # type: ignore[untyped-decorator]
def count_wishes(
    utility: F64, key: np.uint64, identity: I64, held: I8, member: I8, level: F64, alive: Bool, out: I8
) -> None:
    """Cars wanted by each household.

    Parameters
    ----------
    utility : float64[2, households]    of holding a first and a second car, before the constant
    key : uint64                        from `stream_key`, the same in every year
    identity : int64[households]
    held : int8[households]             cars held
    member : int8[households, 3]        from `count_members`
    level : float64[2]                  constant of both cars, utility of what one is used to
    alive : bool[households]
    out : int8[households]              overwritten: 0, 1 or 2
    """
    for h in prange(out.shape[0]):
        n, licence = 0, member[h, 1]
        if alive[h] and licence > 0:
            u = hash_uniform(key, np.uint64(identity[h]), np.uint64(0))
            e = np.log(max(u, SMALLEST)) - np.log1p(-u)
            one = utility[0, h] + level[0] + (level[1] + max(e, 0.0) if held[h] > 0 else e)
            if one > 0.0:
                n = 1
                if held[h] > 1:
                    if utility[1, h] + level[0] + level[1] + e > 0.0:
                        n = 2
                elif licence > 1 and utility[1, h] + level[0] + e > 0.0:
                    n = 2
        out[h] = n


SMALLEST = 2.0**-60
"""Stands for a draw of 0, below every other draw: keeps the logarithm finite."""
