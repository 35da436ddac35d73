"""Kernel that writes out sampled household types as rows of households and persons."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from transport_abm.core.draws import hash_uniform

F64 = NDArray[np.float64]

# Columns of the type table (int32).
COMPOSITION, SIZE, CAR, NEV, REGISTRATION, QUINTILE = range(6)
N_TYPE = 6
# Keys of the draws.
KEY_INCOME, KEY_PARKING, KEY_PERSON, KEY_LICENCE, KEY_E_BIKE, KEY_BICYCLE = range(6)
N_KEY = 6
# Numbers of the draws within the stream of persons.
K_SEX, K_AGE = 0, 1
ID_ZONE_BITS = 32


class HouseholdColumns(NamedTuple):
    """Columns of households that the kernel fills."""

    id: NDArray[np.int64]
    zone: NDArray[np.int16]
    size: NDArray[np.int8]
    income_cny: NDArray[np.float32]
    car: NDArray[np.int8]
    nev: NDArray[np.int8]
    e_bike: NDArray[np.int8]
    bicycle: NDArray[np.int8]
    parking: NDArray[np.bool_]
    registration: NDArray[np.int8]


class PersonColumns(NamedTuple):
    """Columns of persons that the kernel fills."""

    id: NDArray[np.int64]
    household: NDArray[np.int32]
    age: NDArray[np.int8]
    sex: NDArray[np.int8]
    status: NDArray[np.int8]
    licence: NDArray[np.bool_]
    vot: NDArray[np.int8]


class Composition(NamedTuple):
    """Members of each composition and the classes they belong to."""

    indptr: NDArray[np.int32]
    person_class: NDArray[np.int32]
    sex: NDArray[np.int8]
    status: NDArray[np.int8]
    age_chance: F64


class Rates(NamedTuple):
    """Chances and amounts of what is drawn household by household and person by person."""

    male_share: float
    income_cny: F64
    """Mean income per member by quintile [CNY/year]."""
    income_spread: float
    vot_low_cny: float
    vot_high_cny: float
    licence: F64
    """Shape (ages, sexes, has a car, quintiles)."""
    licence_min_year: int
    licence_max_year: int
    parking: F64
    """Shape (zones, has a car)."""
    e_bike: F64
    """Shape (zones, has a car): chance of an adult who may ride."""
    bicycle: F64
    rider_min_year: int
    rider_max_year: int


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _pick(chance: F64, u: float) -> int:
    """First place whose running sum passes u."""
    low, high = 0, chance.shape[0] - 1
    while low < high:
        middle = (low + high) // 2
        if chance[middle] > u:
            high = middle
        else:
            low = middle + 1
    return low


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _write_zone(
    z: int,
    count: NDArray[np.int32],
    start: NDArray[np.int64],
    kind: NDArray[np.int32],
    composition: Composition,
    rates: Rates,
    key: NDArray[np.uint64],
    household: HouseholdColumns,
    person: PersonColumns,
) -> None:
    """Households and members of one zone."""
    h, p = start[0, z], start[1, z]
    address = np.int64(z) << ID_ZONE_BITS
    h_id, p_id = address, address
    for t in range(count.shape[1]):
        has_car = 1 if kind[t, CAR] > 0 else 0
        quintile = kind[t, QUINTILE]
        first = composition.indptr[kind[t, COMPOSITION]]
        for _ in range(count[z, t]):
            size = kind[t, SIZE]
            spread = 2.0 * hash_uniform(key[KEY_INCOME], np.uint64(h_id), np.uint64(0)) - 1.0
            member_cny = rates.income_cny[quintile] * (1.0 + rates.income_spread * spread)
            household.id[h] = h_id
            household.zone[h] = z
            household.size[h] = size
            household.income_cny[h] = member_cny * size
            household.car[h] = kind[t, CAR]
            household.nev[h] = kind[t, NEV]
            household.registration[h] = kind[t, REGISTRATION]
            u = hash_uniform(key[KEY_PARKING], np.uint64(h_id), np.uint64(0))
            household.parking[h] = u < rates.parking[z, has_car]
            vot = 0 if member_cny < rates.vot_low_cny else (2 if member_cny >= rates.vot_high_cny else 1)
            e_bike, bicycle, drivers, able = 0, 0, 0, -1
            for m in range(first, first + size):
                c = composition.person_class[m]
                sex = composition.sex[m]
                if sex < 0:
                    u = hash_uniform(key[KEY_PERSON], np.uint64(p_id), np.uint64(K_SEX))
                    sex = 1 if u < rates.male_share else 0
                u = hash_uniform(key[KEY_PERSON], np.uint64(p_id), np.uint64(K_AGE))
                age = _pick(composition.age_chance[c], u)
                u = hash_uniform(key[KEY_LICENCE], np.uint64(p_id), np.uint64(0))
                licence = u < rates.licence[age, sex, has_car, quintile]
                drivers += 1 if licence else 0
                if able < 0 and rates.licence_min_year <= age <= rates.licence_max_year:
                    able = p
                if rates.rider_min_year <= age <= rates.rider_max_year:
                    u = hash_uniform(key[KEY_E_BIKE], np.uint64(p_id), np.uint64(0))
                    e_bike += 1 if u < rates.e_bike[z, has_car] else 0
                    u = hash_uniform(key[KEY_BICYCLE], np.uint64(p_id), np.uint64(0))
                    bicycle += 1 if u < rates.bicycle[z, has_car] else 0
                person.id[p] = p_id
                person.household[p] = h
                person.age[p] = age
                person.sex[p] = sex
                person.status[p] = composition.status[c]
                person.licence[p] = licence
                person.vot[p] = vot
                p += 1
                p_id += 1
            if has_car == 1 and drivers == 0 and able >= 0:
                # Somebody of a household with a car may drive it.
                person.licence[able] = True
            household.e_bike[h] = e_bike
            household.bicycle[h] = bicycle
            h += 1
            h_id += 1


@njit(cache=True, nogil=True, parallel=True, error_model="numpy")  # type: ignore[untyped-decorator]
def write_rows(
    count: NDArray[np.int32],
    start: NDArray[np.int64],
    kind: NDArray[np.int32],
    composition: Composition,
    rates: Rates,
    key: NDArray[np.uint64],
    household: HouseholdColumns,
    person: PersonColumns,
) -> None:
    """Write the sampled households and their members, zone by zone.

    Parameters
    ----------
    count : int32[zones, types]     households of each type
    start : int64[2, zones]         first row of each zone: households, persons
    kind : int32[types, 6]          composition, size, cars, of them battery-electric, registration, quintile
    composition : Composition
    rates : Rates
    key : uint64[6]                 keys of the draws
    household, person : columns     overwritten
    """
    for z in prange(count.shape[0]):
        # A call, as numba drops writes into fields of tuples made directly in a parallel loop.
        _write_zone(z, count, start, kind, composition, rates, key, household, person)
