"""Kernels of mode choice: utility of each mode for a tour, nested-logit draw, expected shares, logsums.

    V_m = ASC_m + b_t GT_m + b_c C_m,        averaged over the trips of the tour
    P(m) = exp(V_m / th_n) / sum_k exp(V_k / th_n) * exp(I_n) / sum_r exp(I_r),   I_n = th_n ln sum_k exp(V_k / th_n)

The draw is the maximum of I_n + g_n over nests, then of V_m / th_n + g_m inside the nest, with one Gumbel number per
nest and per mode, each addressed by its own counter: a change of one mode's cost moves only travellers who gain or
lose by it (common random numbers), and the result does not depend on threads. Ben-Akiva & Lerman (1985), ch. 10.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, prange

from transport_abm.core.draws import hash_uniform
from transport_abm.networks.level_of_service import (
    ACTIVE_KM,
    BARRED_MIN,
    CAR_KM,
    CAR_MIN,
    CHARGE_CNY,
    OIL_MIN,
    TRANSIT_CNY,
    TRANSIT_MIN,
)

N_MODE = 11
N_NEST = 4
WALK, BICYCLE, SHARED, E_BIKE, BUS, METRO, BOTH, TAXI, RIDE_HAIL, DRIVER, PASSENGER = range(N_MODE)
NEST_START = np.array([0, 4, 7, 9, 11], dtype=np.int64)
"""Modes are numbered nest by nest: nest n holds modes NEST_START[n]:NEST_START[n+1]."""

CHUNK = 32_768
"""Tours in one chunk; chunks are fixed, so sums do not depend on the number of threads."""

# Columns of the zone table (float32).
(
    RING,
    RADIUS_KM,
    PARK_WALK_MIN,
    PARK_SEARCH_MIN,
    SHARED_CHANCE,
    TAXI_WAIT_MIN,
    PARKING_FIRST,
    PARKING_AFTER,
) = range(8)
N_ZONE = 8

AM, PM, NIGHT = 0, 2, 3
"""Periods that rules name, as in ``core.vocabulary.Period``."""

# Bits of a traveller's flags.
HAS_CAR, NEV_CAR, RESTRICTED, HAS_BICYCLE, HAS_E_BIKE, CAN_RIDE, CAN_SHARE_BICYCLE = 1, 2, 4, 8, 16, 32, 64
FROM_ELSEWHERE = 128
"""The car has plates of another province: RESTRICTED then means without an entry permit today."""

# Counters k of the draws of one tour.
K_NEST, K_MODE, K_SHARED, K_PARKING = 0, 8, 24, 25


class ChoiceTerms(NamedTuple):
    """Coefficients of the utilities, as plain numbers that a kernel can read."""

    constant: np.ndarray  # float64[modes]: ASC with the year's shifts [utility]
    theta: np.ndarray  # float64[nests]: nest parameters [1]
    time_weight: float  # b_t [utility/min], negative
    walk_weight: float
    walk_kmh: float
    walk_max_km: float
    cycle_weight: float
    cycle_kmh: float
    cycle_max_km: float
    e_bike_weight: float
    e_bike_kmh: float
    e_bike_max_km: float
    cycle_start_min: float
    shared_walk_min: float
    shared_cny_min: float
    shared_first_cny: float
    shared_first_min: float
    e_bike_cny_km: float
    taxi_flag_cny: float
    taxi_flag_km: float
    taxi_cny_km: float
    ride_hail_flag_cny: float
    ride_hail_cny_km: float
    ride_hail_cny_min: float
    hired_wait_weight: float
    ride_hail_wait_factor: float
    ice_cny_km: float
    bev_cny_km: float
    passenger_cost_share: float
    credit_cny_km: float
    permit_ring: float  # ring inside which cars from elsewhere need a permit
    restricted_ring: float
    parking_paid_share: float
    parking_hour: np.ndarray  # float64[purposes + 1]: parked hours by purpose, last one for a stop [h]


@njit(cache=True, nogil=True, error_model="numpy")
def _parking_cny(zone, place, hour):
    """Price of parking: one rate for the first hour, another after."""
    return zone[place, PARKING_FIRST] * min(hour, 1.0) + zone[place, PARKING_AFTER] * max(0.0, hour - 1.0)


@njit(cache=True, nogil=True, error_model="numpy")
def _is_barred(flag, ring, depart, back, terms):
    """Whether rules keep the car off a tour that comes as far in as a ring."""
    if flag & FROM_ELSEWHERE:
        if flag & RESTRICTED:
            return ring <= terms.permit_ring
        # With a permit, cars from elsewhere may not drive inside the 5th ring in the peaks.
        return ring <= terms.restricted_ring and (depart in (AM, PM) or back in (AM, PM))
    return flag & RESTRICTED != 0 and ring <= terms.restricted_ring and (depart < NIGHT or back < NIGHT)


@njit(cache=True, nogil=True, error_model="numpy")
def tour_utility(
    origin, destination, stop, depart, back, purpose, spread, flag, cost_weight, drawn, los, zone, terms, v
):  # fmt: skip
    """Utility of each mode for one tour, written to ``v``; minus infinity where a mode is not available.

    ``drawn`` holds two uniform numbers: is a shared bicycle near, does the driver pay for parking.
    """
    inf = np.inf
    n_leg = 2 if stop < 0 else 3
    for m in range(N_MODE):
        v[m] = 0.0
    walk_min = cycle_min = e_bike_min = car_min = hired_wait = 0.0
    own_min = own_km = own_cny = 0.0
    km = car_km = charge = longest_km = 0.0
    bus_min = metro_min = both_min = bus_cny = metro_cny = both_cny = 0.0
    shared_cny = taxi_cny = ride_cny = 0.0
    # The driver's own car: first of its three columns.
    own = BARRED_MIN if flag & RESTRICTED else (CAR_MIN if flag & NEV_CAR else OIL_MIN)
    a = origin
    ring = zone[origin, RING]
    for leg in range(n_leg):
        if leg == 0:
            b = destination
            p = depart
        else:
            p = back
            b = stop if (leg == 1 and stop >= 0) else origin
        row = los[p, a, b]
        leg_km = row[ACTIVE_KM]
        # Spread of real distances round the one between zone centres: at most one zone radius either way.
        real_km = leg_km + (spread - 1.0) * min(leg_km, zone[a, RADIUS_KM])
        ratio = real_km / leg_km if leg_km > 0.0 else 1.0
        km += real_km
        longest_km = max(longest_km, real_km)
        t = row[CAR_MIN] * ratio
        c = row[CAR_KM] * ratio
        car_min += t
        car_km += c
        charge += row[CHARGE_CNY]
        own_min += row[own] * ratio
        own_km += row[own + 1] * ratio
        own_cny += row[own + 2]
        hired_wait += zone[a, TAXI_WAIT_MIN]
        taxi_cny += terms.taxi_flag_cny + terms.taxi_cny_km * max(0.0, c - terms.taxi_flag_km)
        ride_cny += terms.ride_hail_flag_cny + terms.ride_hail_cny_km * c + terms.ride_hail_cny_min * t
        walk_min += real_km / terms.walk_kmh * 60.0
        ride = terms.cycle_start_min + real_km / terms.cycle_kmh * 60.0
        cycle_min += ride
        shared_cny += terms.shared_first_cny + terms.shared_cny_min * max(0.0, ride - terms.shared_first_min)
        e_bike_min += terms.cycle_start_min + real_km / terms.e_bike_kmh * 60.0
        bus_min += row[TRANSIT_MIN]
        metro_min += row[TRANSIT_MIN + 1]
        both_min += row[TRANSIT_MIN + 2]
        bus_cny += row[TRANSIT_CNY]
        metro_cny += row[TRANSIT_CNY + 1]
        both_cny += row[TRANSIT_CNY + 2]
        ring = min(ring, zone[b, RING])
        a = b
    share = 1.0 / n_leg
    bt = terms.time_weight * share
    bc = cost_weight * share
    credit = bc * terms.credit_cny_km
    constant = terms.constant
    # Active modes.
    v[WALK] = (
        constant[WALK] + bt * terms.walk_weight * walk_min - credit * km
        if longest_km <= terms.walk_max_km
        else -inf
    )
    within = longest_km <= terms.cycle_max_km
    v[BICYCLE] = (
        constant[BICYCLE] + bt * terms.cycle_weight * cycle_min - credit * km
        if within and flag & HAS_BICYCLE
        else -inf
    )
    v[SHARED] = -inf
    if within and flag & CAN_SHARE_BICYCLE and drawn[0] < zone[origin, SHARED_CHANCE]:
        time = cycle_min + n_leg * terms.shared_walk_min
        v[SHARED] = constant[SHARED] + bt * terms.cycle_weight * time + bc * shared_cny - credit * km
    v[E_BIKE] = -inf
    if longest_km <= terms.e_bike_max_km and flag & HAS_E_BIKE:
        v[E_BIKE] = (
            constant[E_BIKE]
            + bt * terms.e_bike_weight * e_bike_min
            + (bc * terms.e_bike_cny_km - credit) * km
        )
    # Transit: generalised minutes come weighted from the assignment.
    v[BUS] = constant[BUS] + bt * bus_min + bc * bus_cny - credit * km if bus_min < inf else -inf
    v[METRO] = constant[METRO] + bt * metro_min + bc * metro_cny - credit * km if metro_min < inf else -inf
    v[BOTH] = constant[BOTH] + bt * both_min + bc * both_cny - credit * km if both_min < inf else -inf
    # Hired and own cars.
    if not car_min < inf:
        v[TAXI] = v[RIDE_HAIL] = v[DRIVER] = v[PASSENGER] = -inf
        return
    wait = terms.hired_wait_weight * hired_wait
    v[TAXI] = constant[TAXI] + bt * (wait + car_min) + bc * (taxi_cny + charge)
    v[RIDE_HAIL] = (
        constant[RIDE_HAIL] + bt * (wait * terms.ride_hail_wait_factor + car_min) + bc * (ride_cny + charge)
    )
    at_ends = zone[destination, PARK_WALK_MIN] * terms.walk_weight + zone[destination, PARK_SEARCH_MIN]
    drive_cny = (terms.bev_cny_km if flag & NEV_CAR else terms.ice_cny_km) * own_km + own_cny
    if drawn[1] < terms.parking_paid_share:
        drive_cny += _parking_cny(zone, destination, terms.parking_hour[purpose])
        if stop >= 0:
            drive_cny += _parking_cny(zone, stop, terms.parking_hour[-1])
    barred = _is_barred(flag, ring, depart, back, terms)
    v[DRIVER] = (
        constant[DRIVER] + bt * (own_min + at_ends) + bc * drive_cny
        if flag & HAS_CAR and not barred
        else -inf
    )
    v[PASSENGER] = (
        constant[PASSENGER] + bt * own_min + bc * terms.passenger_cost_share * drive_cny
        if flag & CAN_RIDE and not barred
        else -inf
    )


@njit(cache=True, nogil=True, error_model="numpy")
def nest_logsum(v, theta, logsum):
    """Inclusive value of each nest, minus infinity where none of its modes is available."""
    for n in range(N_NEST):
        top = -np.inf
        for m in range(NEST_START[n], NEST_START[n + 1]):
            top = max(top, v[m])
        if top == -np.inf:
            logsum[n] = -np.inf
            continue
        total = 0.0
        for m in range(NEST_START[n], NEST_START[n + 1]):
            total += np.exp((v[m] - top) / theta[n])
        logsum[n] = top + theta[n] * np.log(total)


@njit(cache=True, nogil=True, error_model="numpy")
def mode_probability(v, theta, logsum, probability):
    """Nested-logit probabilities of the modes from their utilities."""
    nest_logsum(v, theta, logsum)
    top = logsum.max()
    total = 0.0
    for n in range(N_NEST):
        total += np.exp(logsum[n] - top)
    for n in range(N_NEST):
        share = np.exp(logsum[n] - top) / total
        for m in range(NEST_START[n], NEST_START[n + 1]):
            probability[m] = share * np.exp((v[m] - logsum[n]) / theta[n]) if v[m] > -np.inf else 0.0
    return top + np.log(total)


@njit(cache=True, nogil=True, error_model="numpy")
def gumbel(u):
    """Standard Gumbel number from a uniform one in [0, 1)."""
    return -np.log(-np.log(u + 2.0**-54))


@njit(cache=True, nogil=True, error_model="numpy")
def drawn_mode(v, theta, logsum, key, address):
    """Mode with the largest perceived utility, from Gumbel numbers addressed by tour."""
    nest_logsum(v, theta, logsum)
    best_nest = 0
    best = -np.inf
    for n in range(N_NEST):
        if logsum[n] > -np.inf:
            value = logsum[n] + gumbel(hash_uniform(key, address, np.uint64(K_NEST + n)))
            if value > best:
                best = value
                best_nest = n
    best = -np.inf
    mode = -1
    for m in range(NEST_START[best_nest], NEST_START[best_nest + 1]):
        if v[m] > -np.inf:
            value = v[m] / theta[best_nest] + gumbel(hash_uniform(key, address, np.uint64(K_MODE + m)))
            if value > best:
                best = value
                mode = m
    return mode


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)
def choose_modes(tour, spread, address, traveller_flag, cost_weight, los, zone, terms, key, mode):
    """Choose the mode of every tour.

    Parameters
    ----------
    tour : int32[tours, 7]      person row, purpose, origin, destination, stop (-1 none), depart, back
    spread : float32[tours]     real distance over the one between zone centres [1]
    address : uint64[tours]     address of the tour's draws
    traveller_flag : uint8[persons]
    cost_weight : float32[persons]   b_c with income [utility/CNY]
    los : float32[periods, zones, zones, level_of_service.N_LOS]
    zone : float32[zones, N_ZONE]
    terms : ChoiceTerms
    key : uint64                stream key of the draws
    mode : int8[tours], overwritten; -1 where no mode is available
    """
    n = tour.shape[0]
    for chunk in prange((n + CHUNK - 1) // CHUNK):
        v = np.empty(N_MODE)
        logsum = np.empty(N_NEST)
        for i in range(chunk * CHUNK, min(n, (chunk + 1) * CHUNK)):
            person = tour[i, 0]
            drawn = (
                hash_uniform(key, address[i], np.uint64(K_SHARED)),
                hash_uniform(key, address[i], np.uint64(K_PARKING)),
            )
            tour_utility(
                tour[i, 2],
                tour[i, 3],
                tour[i, 4],
                tour[i, 5],
                tour[i, 6],
                tour[i, 1],
                spread[i],
                traveller_flag[person],
                cost_weight[person],
                drawn,
                los,
                zone,
                terms,
                v,
            )
            mode[i] = drawn_mode(v, terms.theta, logsum, key, address[i])


@njit(cache=True, nogil=True, error_model="numpy")
def count_cars(tour, mode, flag, count):
    """Add every trip of a car driver to ``count`` int32[4, periods, zones, zones].

    Rows by the driver's flags: new-energy car 1, barred today 2, both 3, neither 0.
    """
    for i in range(tour.shape[0]):
        if mode[i] != DRIVER:
            continue
        own = flag[tour[i, 0]]
        kind = (1 if own & NEV_CAR else 0) + (2 if own & RESTRICTED else 0)
        origin, destination, stop = tour[i, 2], tour[i, 3], tour[i, 4]
        count[kind, tour[i, 5], origin, destination] += 1
        if stop < 0:
            count[kind, tour[i, 6], destination, origin] += 1
        else:
            count[kind, tour[i, 6], destination, stop] += 1
            count[kind, tour[i, 6], stop, origin] += 1


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)
def expected_trips(tour, spread, address, traveller_flag, cost_weight, los, zone, terms, key, central, total):
    """Expected trips by mode that have an end in the central city, summed in fixed chunks.

    central : bool[zones];  total : float64[chunks, modes], overwritten. Other arguments as in ``choose_modes``.
    """
    n = tour.shape[0]
    for chunk in prange((n + CHUNK - 1) // CHUNK):
        v = np.empty(N_MODE)
        logsum = np.empty(N_NEST)
        probability = np.empty(N_MODE)
        for m in range(N_MODE):
            total[chunk, m] = 0.0
        for i in range(chunk * CHUNK, min(n, (chunk + 1) * CHUNK)):
            origin, destination, stop = tour[i, 2], tour[i, 3], tour[i, 4]
            if stop < 0:
                trips = 2.0 if central[origin] or central[destination] else 0.0
            else:
                trips = 0.0 + (central[origin] or central[destination])
                trips += central[destination] or central[stop]
                trips += central[stop] or central[origin]
            if trips == 0.0:
                continue
            person = tour[i, 0]
            drawn = (
                hash_uniform(key, address[i], np.uint64(K_SHARED)),
                hash_uniform(key, address[i], np.uint64(K_PARKING)),
            )
            tour_utility(
                origin,
                destination,
                stop,
                tour[i, 5],
                tour[i, 6],
                tour[i, 1],
                spread[i],
                traveller_flag[person],
                cost_weight[person],
                drawn,
                los,
                zone,
                terms,
                v,
            )
            mode_probability(v, terms.theta, logsum, probability)
            for m in range(N_MODE):
                total[chunk, m] += trips * probability[m]


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)
def zone_logsum(flag, weight, depart, back, purpose, los, zone, terms, out):
    """Logsum of all modes between all zones for one kind of traveller, out and back.

    flag : int, weight : float (cost weight), depart, back, purpose : int;  out : float32[zones, zones], overwritten.
    """
    for o in prange(los.shape[1]):
        v = np.empty(N_MODE)
        logsum = np.empty(N_NEST)
        probability = np.empty(N_MODE)
        for d in range(los.shape[2]):
            # The index of a parallel loop is unsigned: mixed with -1 it would turn into a float.
            tour_utility(
                np.int64(o),
                np.int64(d),
                np.int64(-1),
                depart,
                back,
                purpose,
                1.0,
                flag,
                weight,
                (0.5, 0.5),
                los,
                zone,
                terms,
                v,
            )
            out[o, d] = mode_probability(v, terms.theta, logsum, probability)
