"""Kernels that draw the tours of a weekday: how many, for what, where to and when.

Each person makes a mandatory tour (work or school) with a probability, may stop on the way home, may go out from the
work place in between, and makes floor(rate + u) other tours. Every draw is addressed by person, tour and counter.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, prange

from transport_abm.core.draws import hash_uniform

WORK, SCHOOL, BUSINESS, SHOPPING, LEISURE, ERRAND = range(6)
WORKER, STUDENT = 0, 1
MIDDAY, NIGHT = 1, 3
MAX_OTHER = 5
"""Most other tours a person can make in a day."""

# Counters of the draws of one person (stream TOUR_PATTERN) and of one tour (stream DESTINATION).
K_ATTEND, K_TELEWORK, K_STOP, K_SUBTOUR, K_OTHER = 0, 1, 2, 3, 4
K_PURPOSE, K_WHERE, K_STOP_END, K_STOP_WHERE, K_DEPART, K_BACK, K_SPREAD = range(7)


class TourTerms(NamedTuple):
    """Rates and shares of tour-making, as plain numbers that a kernel can read."""

    attend_share: np.ndarray  # float64[statuses]: makes the mandatory tour, the year's activity included
    telework_share: float
    stop_share: float
    stop_near_home_share: float
    subtour_share: float
    other_rate: np.ndarray  # float64[statuses]: other tours per person and weekday
    telework_rate: float  # further other tours of those who work at home
    purpose_cumulative: np.ndarray  # float64[statuses, 4]: business, shopping, leisure, errand
    depart_cumulative: np.ndarray  # float64[3, periods]: work, school, other
    back_cumulative: np.ndarray  # float64[2, periods]: work, school
    back_same_share: float  # other tours that end in the period in which they start


@njit(cache=True, nogil=True, error_model="numpy")
def _pattern(person_status, has_work, has_school, address, key, terms):
    """Mandatory tour (0/1), stop (0/1), sub-tour (0/1) and number of other tours of one person."""
    attends = 0
    at_home = False
    if (person_status == WORKER and has_work) or (person_status == STUDENT and has_school):
        attends = (
            1 if hash_uniform(key, address, np.uint64(K_ATTEND)) < terms.attend_share[person_status] else 0
        )
        if person_status == WORKER:
            at_home = hash_uniform(key, address, np.uint64(K_TELEWORK)) < terms.telework_share
            if at_home:
                attends = 0
    stop = 1 if attends and hash_uniform(key, address, np.uint64(K_STOP)) < terms.stop_share else 0
    subtour = 0
    if attends and person_status == WORKER:
        subtour = 1 if hash_uniform(key, address, np.uint64(K_SUBTOUR)) < terms.subtour_share else 0
    rate = terms.other_rate[person_status] + (terms.telework_rate if at_home else 0.0)
    other = min(MAX_OTHER, int(np.floor(rate + hash_uniform(key, address, np.uint64(K_OTHER)))))
    return attends, stop, subtour, other


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)
def count_tours(alive, status, work_zone, school_zone, person_id, key, terms, count):
    """Number of tours of each person; arrays by person, ``count`` int8 is overwritten."""
    for i in prange(len(status)):
        count[i] = 0
        if alive[i]:
            attends, _, subtour, other = _pattern(
                status[i], work_zone[i] >= 0, school_zone[i] >= 0, np.uint64(person_id[i]), key, terms
            )
            count[i] = attends + subtour + other


@njit(cache=True, nogil=True, error_model="numpy")
def _position(cumulative, u):
    """First place whose cumulative share exceeds ``u``."""
    low, high = 0, len(cumulative) - 1
    u = u * cumulative[high]
    while low < high:
        middle = (low + high) // 2
        if cumulative[middle] > u:
            high = middle
        else:
            low = middle + 1
    return low


@njit(cache=True, nogil=True, error_model="numpy")
def _spread(u):
    """Distance between random points round its mean: Rayleigh with mean one."""
    return np.sqrt(-np.log(1.0 - u)) * 1.1283791670955126  # 2 / sqrt(pi)


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)
def fill_tours(alive, person, home, keys, terms, cumulative, start, tour, spread, address):
    """Write the tours of every person into their rows.

    Parameters
    ----------
    alive : bool[persons]
    person : (status int8, work_zone int16, school_zone int16, id int64), each [persons]
    home : int16[persons]           home zone
    keys : uint64[2]                streams TOUR_PATTERN and DESTINATION
    terms : TourTerms
    cumulative : float32[4, zones, zones]   destination shares, cumulated, for business, shopping, leisure, errand
    start : int64[persons + 1]      first row of each person
    tour : int32[tours, 7], spread : float32[tours], address : uint64[tours], overwritten
    """
    status, work_zone, school_zone, person_id = person
    key, place = keys[0], keys[1]
    for i in prange(len(status)):
        if not alive[i] or start[i] == start[i + 1]:
            continue
        who = np.uint64(person_id[i])
        attends, stop, subtour, other = _pattern(
            status[i], work_zone[i] >= 0, school_zone[i] >= 0, who, key, terms
        )
        row = start[i]
        if attends:
            at = who * np.uint64(16)
            kind = 0 if status[i] == WORKER else 1
            destination = work_zone[i] if kind == 0 else school_zone[i]
            depart = _position(terms.depart_cumulative[kind], hash_uniform(place, at, np.uint64(K_DEPART)))
            back = _position(terms.back_cumulative[kind], hash_uniform(place, at, np.uint64(K_BACK)))
            where = -1
            if stop:
                near_home = hash_uniform(place, at, np.uint64(K_STOP_END)) < terms.stop_near_home_share
                seen_from = home[i] if near_home else destination
                where = _position(cumulative[1, seen_from], hash_uniform(place, at, np.uint64(K_STOP_WHERE)))
            # Those who go out at night go before the morning peak, and come back at any time.
            _write(tour, row, i, kind, home[i], destination, where, depart, max(depart % NIGHT, back))
            spread[row] = _spread(hash_uniform(place, at, np.uint64(K_SPREAD)))
            address[row] = at
            row += 1
        if subtour:
            at = who * np.uint64(16) + np.uint64(1)
            where = _position(cumulative[3, work_zone[i]], hash_uniform(place, at, np.uint64(K_WHERE)))
            _write(tour, row, i, ERRAND, work_zone[i], where, -1, MIDDAY, MIDDAY)
            spread[row] = _spread(hash_uniform(place, at, np.uint64(K_SPREAD)))
            address[row] = at
            row += 1
        for j in range(other):
            at = who * np.uint64(16) + np.uint64(2 + j)
            kind = _position(
                terms.purpose_cumulative[status[i]], hash_uniform(place, at, np.uint64(K_PURPOSE))
            )
            where = _position(cumulative[kind, home[i]], hash_uniform(place, at, np.uint64(K_WHERE)))
            depart = _position(terms.depart_cumulative[2], hash_uniform(place, at, np.uint64(K_DEPART)))
            same = hash_uniform(place, at, np.uint64(K_BACK)) < terms.back_same_share
            _write(
                tour,
                row,
                i,
                BUSINESS + kind,
                home[i],
                where,
                -1,
                depart,
                depart if same else min(NIGHT, depart + 1),
            )
            spread[row] = _spread(hash_uniform(place, at, np.uint64(K_SPREAD)))
            address[row] = at
            row += 1


@njit(cache=True, nogil=True, error_model="numpy")
def _write(tour, row, person, purpose, origin, destination, stop, depart, back):
    """One tour into its row."""
    tour[row, 0] = person
    tour[row, 1] = purpose
    tour[row, 2] = origin
    tour[row, 3] = destination
    tour[row, 4] = stop
    tour[row, 5] = depart
    tour[row, 6] = back


@njit(cache=True, nogil=True, error_model="numpy")
def count_trips(tour, mode, count):
    """Add every trip to ``count`` int32[modes, periods, zones, zones]; tours without a mode are left out."""
    for i in range(tour.shape[0]):
        m = mode[i]
        if m < 0:
            continue
        origin, destination, stop = tour[i, 2], tour[i, 3], tour[i, 4]
        count[m, tour[i, 5], origin, destination] += 1
        if stop < 0:
            count[m, tour[i, 6], destination, origin] += 1
        else:
            count[m, tour[i, 6], destination, stop] += 1
            count[m, tour[i, 6], stop, origin] += 1


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)
def count_central_trips(tour, central, chunk_length, total):
    """Trips that have an end in the central city and all trips, ``total`` int64[chunks, 2], overwritten."""
    n = tour.shape[0]
    for chunk in prange(total.shape[0]):
        inside = 0
        trips = 0
        for i in range(chunk * chunk_length, min(n, (chunk + 1) * chunk_length)):
            origin, destination, stop = central[tour[i, 2]], central[tour[i, 3]], tour[i, 4]
            if stop < 0:
                trips += 2
                inside += 2 if origin or destination else 0
            else:
                trips += 3
                inside += (origin or destination) + (destination or central[stop]) + (central[stop] or origin)
        total[chunk, 0] = inside
        total[chunk, 1] = trips
