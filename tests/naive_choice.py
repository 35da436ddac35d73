"""Slow, obvious twins of the kernels of mode choice: one tour, plain Python, written from the definitions."""

from __future__ import annotations

import math

import numpy as np

from transport_abm.agents import kernels_choice as kernel
from transport_abm.agents.kernels_choice import ChoiceTerms
from transport_abm.core.draws import hash_uniform
from transport_abm.core.vocabulary import NEST_OF_MODE, Mode, Nest, Period
from transport_abm.networks.level_of_service import (
    ACTIVE_KM,
    BARRED_CNY,
    BARRED_KM,
    BARRED_MIN,
    CAR_KM,
    CAR_MIN,
    CHARGE_CNY,
    OIL_CNY,
    OIL_KM,
    OIL_MIN,
    TRANSIT_CNY,
    TRANSIT_MIN,
)


def legs(tour: np.ndarray) -> list[tuple[int, int, int]]:
    """Trips of a tour: from, to, period."""
    _, _, origin, destination, stop, depart, back = (int(x) for x in tour)
    if stop < 0:
        return [(origin, destination, depart), (destination, origin, back)]
    return [(origin, destination, depart), (destination, stop, back), (stop, origin, back)]


def utilities(tour, spread, flag, weight, shared, parks, los, zone, t: ChoiceTerms) -> dict[Mode, float]:
    """Utility of each available mode of one tour."""
    trips = legs(tour)
    n = len(trips)
    origin, destination, stop = int(tour[2]), int(tour[3]), int(tour[4])
    real = []
    for a, b, p in trips:
        between = float(los[p, a, b, ACTIVE_KM])
        real.append(between + (float(spread) - 1) * min(between, float(zone[a, kernel.RADIUS_KM])))
    ratio = [
        r / float(los[p, a, b, ACTIVE_KM]) if los[p, a, b, ACTIVE_KM] > 0 else 1.0
        for r, (a, b, p) in zip(real, trips, strict=True)
    ]
    mean = lambda values: sum(values) / n  # noqa: E731
    per_leg = lambda column: [float(los[p, a, b, column]) for a, b, p in trips]  # noqa: E731
    car_min = [x * r for x, r in zip(per_leg(CAR_MIN), ratio, strict=True)]
    car_km = [x * r for x, r in zip(per_leg(CAR_KM), ratio, strict=True)]
    credit = weight * t.credit_cny_km * mean(real)
    out: dict[Mode, float] = {}

    def value(mode: Mode, minutes: float, yuan: float, green: bool) -> float:
        return t.constant[mode] + t.time_weight * minutes + weight * yuan - (credit if green else 0.0)

    if max(real) <= t.walk_max_km:
        out[Mode.WALK] = value(Mode.WALK, t.walk_weight * mean([r / t.walk_kmh * 60 for r in real]), 0, True)
    rides = [t.cycle_start_min + r / t.cycle_kmh * 60 for r in real]
    if max(real) <= t.cycle_max_km:
        if flag & kernel.HAS_BICYCLE:
            out[Mode.BICYCLE] = value(Mode.BICYCLE, t.cycle_weight * mean(rides), 0, True)
        if flag & kernel.CAN_SHARE_BICYCLE and shared < zone[origin, kernel.SHARED_CHANCE]:
            price = mean(
                [t.shared_first_cny + t.shared_cny_min * max(0, x - t.shared_first_min) for x in rides]
            )
            out[Mode.SHARED_BICYCLE] = value(
                Mode.SHARED_BICYCLE, t.cycle_weight * (mean(rides) + t.shared_walk_min), price, True
            )
    if max(real) <= t.e_bike_max_km and flag & kernel.HAS_E_BIKE:
        minutes = mean([t.cycle_start_min + r / t.e_bike_kmh * 60 for r in real])
        out[Mode.E_BIKE] = value(Mode.E_BIKE, t.e_bike_weight * minutes, t.e_bike_cny_km * mean(real), True)
    for number, mode in enumerate((Mode.BUS, Mode.METRO, Mode.BUS_METRO)):
        minutes = mean(per_leg(TRANSIT_MIN + number))
        if math.isfinite(minutes):
            out[mode] = value(mode, minutes, mean(per_leg(TRANSIT_CNY + number)), True)
    if not math.isfinite(mean(car_min)):
        return out
    charge = mean(per_leg(CHARGE_CNY))
    if flag & kernel.RESTRICTED:
        columns = (BARRED_MIN, BARRED_KM, BARRED_CNY)
    elif flag & kernel.NEV_CAR:
        columns = (CAR_MIN, CAR_KM, CHARGE_CNY)
    else:
        columns = (OIL_MIN, OIL_KM, OIL_CNY)
    own_min, own_km = ([x * r for x, r in zip(per_leg(c), ratio, strict=True)] for c in columns[:2])
    wait = t.hired_wait_weight * mean([float(zone[a, kernel.TAXI_WAIT_MIN]) for a, _, _ in trips])
    taxi = mean([t.taxi_flag_cny + t.taxi_cny_km * max(0, k - t.taxi_flag_km) for k in car_km])
    ride = mean(
        [
            t.ride_hail_flag_cny + t.ride_hail_cny_km * k + t.ride_hail_cny_min * m
            for k, m in zip(car_km, car_min, strict=True)
        ]
    )
    out[Mode.TAXI] = value(Mode.TAXI, wait + mean(car_min), taxi + charge, False)
    out[Mode.RIDE_HAIL] = value(
        Mode.RIDE_HAIL, wait * t.ride_hail_wait_factor + mean(car_min), ride + charge, False
    )
    ends = t.walk_weight * float(zone[destination, kernel.PARK_WALK_MIN]) + float(
        zone[destination, kernel.PARK_SEARCH_MIN]
    )
    per_km = t.bev_cny_km if flag & kernel.NEV_CAR else t.ice_cny_km
    cost = per_km * mean(own_km) + mean(per_leg(columns[2]))
    if parks < t.parking_paid_share:
        places = [(destination, t.parking_hour[int(tour[1])])] + (
            [(stop, t.parking_hour[-1])] if stop >= 0 else []
        )
        for place, hours in places:
            first, after = float(zone[place, kernel.PARKING_FIRST]), float(zone[place, kernel.PARKING_AFTER])
            cost += (first * min(hours, 1) + after * max(0, hours - 1)) / n
    in_area = any(
        zone[z, kernel.RING] <= t.restricted_ring
        for z in (origin, destination, *([stop] if stop >= 0 else []))
    )
    barred = bool(flag & kernel.RESTRICTED) and in_area and (tour[5] < 3 or tour[6] < 3)
    if flag & kernel.FROM_ELSEWHERE:
        places = [origin, destination, *([stop] if stop >= 0 else [])]
        barred = in_area and bool({tour[5], tour[6]} & {Period.AM, Period.PM})
        if flag & kernel.RESTRICTED:  # no permit today
            barred = any(zone[z, kernel.RING] <= t.permit_ring for z in places)
    if not barred and flag & kernel.HAS_CAR:
        out[Mode.CAR_DRIVER] = value(Mode.CAR_DRIVER, mean(own_min) + ends / n, cost, False)
    if not barred and flag & kernel.CAN_RIDE:
        out[Mode.CAR_PASSENGER] = value(
            Mode.CAR_PASSENGER, mean(own_min), t.passenger_cost_share * cost, False
        )
    return out


def probabilities(utility: dict[Mode, float], theta: np.ndarray) -> dict[Mode, float]:
    """Nested-logit probabilities from utilities."""
    nests: dict[Nest, float] = {}
    for nest in Nest:
        inside = [u for mode, u in utility.items() if NEST_OF_MODE[mode] is nest]
        if inside:
            nests[nest] = theta[nest] * math.log(sum(math.exp(u / theta[nest]) for u in inside))
    total = sum(math.exp(i) for i in nests.values())
    return {
        mode: math.exp(u / theta[NEST_OF_MODE[mode]]) / math.exp(nests[NEST_OF_MODE[mode]] / theta[NEST_OF_MODE[mode]])
        * math.exp(nests[NEST_OF_MODE[mode]]) / total
        for mode, u in utility.items()
    }  # fmt: skip


def chosen(utility: dict[Mode, float], theta: np.ndarray, key: np.uint64, address: np.uint64) -> int:
    """Mode of largest perceived utility with the addressed Gumbel numbers; -1 where there is none."""
    draw = lambda k: -math.log(-math.log(float(hash_uniform(key, address, np.uint64(k))) + 2.0**-54))  # noqa: E731
    nests: dict[Nest, float] = {}
    for nest in Nest:
        inside = [u for mode, u in utility.items() if NEST_OF_MODE[mode] is nest]
        if inside:
            nests[nest] = theta[nest] * math.log(sum(math.exp(u / theta[nest]) for u in inside)) + draw(
                kernel.K_NEST + nest
            )
    if not nests:
        return -1
    best = max(nests, key=lambda nest: nests[nest])
    inside_best = {
        m: u / theta[best] + draw(kernel.K_MODE + m) for m, u in utility.items() if NEST_OF_MODE[m] is best
    }
    return int(max(inside_best, key=lambda m: inside_best[m]))
