"""Ride-hail cars: a fleet that follows the kilometres asked for.

    wanted fleet = fleet of the base year + (hired km / hired km of the base year - 1) * (km of taxis + km of cars) / km of a car

The licences of taxis are fixed, so all change of the hired kilometres falls on ride-hail; the fleet covers a given
share of the gap each year.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from transport_abm.agents.fleets import turnover
from transport_abm.agents.fleets.cohorts import share_out
from transport_abm.agents.fleets.operators import (
    OperatorKind,
    Operators,
    city_scale,
    district_residents,
    draw_district,
    operators_of,
)
from transport_abm.agents.fleets.renewal import (
    BEV,
    PETROL,
    PETROL_HEV,
    PETROL_PHEV,
    choose_replacement,
    read_offers,
    total_cost_cny,
)
from transport_abm.agents.fleets.turnover import SlotVehicles
from transport_abm.agents.vehicles import VehicleBook
from transport_abm.core.draws import Stream, uniform
from transport_abm.core.vocabulary import VehicleClass
from transport_abm.networks.city import City

_RIDE_HAIL = VehicleClass.RIDE_HAIL
RIDE_HAIL_OPTIONS = (PETROL, PETROL_HEV, PETROL_PHEV, BEV)


class RideHailCars(SlotVehicles):
    """Cars licensed for ride-hailing."""


def build_ride_hail(
    city: City, inputs: Mapping[str, float], operators: Operators, *, seed: int
) -> RideHailCars:
    """The ride-hail cars at the end of the base year.

    Parameters
    ----------
    city
        Cars are at home where residents are.
    inputs
        Values of the base year, ``fleets.ride_hail.*``.
    operators
        Platforms share the cars evenly.
    seed
        Address of the draws.

    Returns
    -------
    RideHailCars
        One row a car.
    """
    n = round(inputs["fleets.ride_hail.count"] * city_scale(city, inputs))
    slot = np.arange(n, dtype=np.int32)
    share = np.array([inputs[f"fleets.ride_hail.{each.name}_base_share"] for each in RIDE_HAIL_OPTIONS])
    order = np.argsort(uniform(seed, Stream.FLEET, slot, 0, 40), kind="stable")
    option = np.empty(n, np.int8)
    option[order] = np.repeat(np.arange(len(share), dtype=np.int8), share_out(n, share))
    rows = operators_of(operators, OperatorKind.RIDE_HAIL_PLATFORM)
    return RideHailCars.build(
        n,
        operator=rows[slot % len(rows)],
        district=draw_district(district_residents(city), uniform(seed, Stream.FLEET, slot, 0, 41)),
        age=turnover.draw_ages(
            option, RIDE_HAIL_OPTIONS, inputs, "fleets.ride_hail", seed=seed, class_=_RIDE_HAIL
        ),
        powertrain=np.array([each.powertrain for each in RIDE_HAIL_OPTIONS], np.int8)[option],
        fuel=np.array([each.fuel for each in RIDE_HAIL_OPTIONS], np.int8)[option],
        slot=slot,
    )


def wanted_cars(base_count: int, taxi_count: int, hired_ratio: float, inputs: Mapping[str, float]) -> float:
    """Ride-hail cars that serve the hired kilometres at the usual kilometres of a car.

    Parameters
    ----------
    base_count
        Ride-hail cars of the base year.
    taxi_count
        Taxis.
    hired_ratio
        Hired kilometres over those of the base year [1].
    inputs
        Parameter values; read: ``fleets.taxi.km_year``, ``fleets.ride_hail.km_year``.

    Returns
    -------
    float
        Cars; never below zero.
    """
    km = inputs["fleets.ride_hail.km_year"]
    served_km = base_count * km + taxi_count * inputs["fleets.taxi.km_year"]
    return max(0.0, base_count + (hired_ratio - 1.0) * served_km / km)


def renew_ride_hail(
    cars: RideHailCars,
    wanted: float,
    city: City,
    inputs: Mapping[str, float],
    book: VehicleBook,
    *,
    year: int,
    seed: int,
) -> None:
    """One year of the ride-hail cars: they age, leave at the age limit, and the fleet moves towards what is wanted.

    Parameters
    ----------
    cars
        Changed.
    wanted
        Cars that would serve the demand (from `wanted_cars`).
    city
        Gives the homes of further cars.
    inputs
        Values of the year.
    book
        Filled for ride-hail cars.
    year, seed
        Address of the draws.
    """
    before = int(cars.alive.sum())
    platforms = np.unique(cars.operator)
    turnover.open_fleet(cars, _RIDE_HAIL, book)
    gone = turnover.scrap(
        cars, _RIDE_HAIL, cars.alive & (cars.age >= inputs["fleets.ride_hail.age_limit_year"]), book
    )
    target = round(before + inputs["fleets.ride_hail.adjust_share"] * (wanted - before))
    have = before - len(gone)
    turnover.take_out(cars, _RIDE_HAIL, turnover.oldest(cars, cars.alive, have - target), book)
    slot = _vacant_slots(cars, max(0, target - have))
    offers = read_offers(inputs, "fleets.ride_hail", RIDE_HAIL_OPTIONS, _RIDE_HAIL, year=year)
    ruled = year >= inputs["fleets.ride_hail.mandate_year"]
    choice = choose_replacement(
        np.broadcast_to(
            total_cost_cny(offers, inputs["fleets.ride_hail.km_year"], inputs),
            (len(slot), len(RIDE_HAIL_OPTIONS)),
        ),
        (offers.new_energy | (not ruled))[None, :],
        slot.astype(np.int64),
        year=year,
        seed=seed,
        inputs=inputs,
        k=2 * int(_RIDE_HAIL),
    )
    turnover.add(
        cars,
        _RIDE_HAIL,
        RIDE_HAIL_OPTIONS,
        choice,
        book,
        operator=platforms[slot % len(platforms)] if len(slot) else np.empty(0, np.int32),
        district=draw_district(district_residents(city), uniform(seed, Stream.FLEET, slot, 0, 41)),
        slot=slot,
    )
    turnover.close_fleet(cars, _RIDE_HAIL, book)


def _vacant_slots(cars: RideHailCars, count: int) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """Slots that no living car fills, lowest first, then new ones."""
    top = int(cars.slot.max(initial=-1)) + 1
    free = np.ones(top, np.bool_)
    free[cars.slot[cars.alive]] = False
    vacant = np.flatnonzero(free)[:count]
    return np.concatenate([vacant, np.arange(top, top + count - len(vacant))]).astype(np.int32)
