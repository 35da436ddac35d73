"""From one weekday of the travel model and the freight of a year to the works of a year.

year = weekday x (weekdays + weekend days x weekend factor)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transport_abm.carbon.activity import Consumer, Size, Work, build_work

F64 = NDArray[np.float64]

WEEKDAYS = ("winter", "mild", "summer")


@dataclass(frozen=True, eq=False)
class WeekdayTravel:
    """One weekday of the travel model, weighted to the city; arrays by district of origin, or totals of the city."""

    car_km: ArrayLike
    """Kilometres of private cars [km/d]."""
    car_kmh: ArrayLike
    """Mean speed of cars [km/h]."""
    taxi_hired_km: ArrayLike
    """Kilometres of cruising taxis with passengers [km/d]."""
    ride_hail_hired_km: ArrayLike
    """Kilometres of ride-hail cars with passengers [km/d]."""
    bus_km: ArrayLike
    """Bus-km in service [km/d]."""
    bus_passenger_km: ArrayLike
    """[pkm/d]"""
    bus_kmh: ArrayLike
    """Mean speed of buses [km/h]."""
    metro_passenger_km: ArrayLike
    """[pkm/d]"""
    metro_car_km: ArrayLike = 0.0
    """Kilometres of metro cars (trains x cars) [car-km/d]; 0 where they are not known."""
    e_bike_km: ArrayLike = 0.0
    """[km/d]"""
    car_passenger_km: ArrayLike | None = None
    """Person-km in private cars, drivers included [pkm/d]; without it the catalogue's occupancy."""


@dataclass(frozen=True, eq=False)
class FreightYear:
    """Freight and coaches of a year: arrays by district, or totals of the city."""

    van_km: ArrayLike
    """[km/year]"""
    van_tonne_km: ArrayLike
    """[tkm/year]"""
    truck_km: Mapping[Size, ArrayLike]
    """By size; Size.ANY has the figures of heavy trucks [km/year]."""
    truck_tonne_km: Mapping[Size, ArrayLike]
    """By size [tkm/year]."""
    coach_km: ArrayLike
    """[km/year]"""
    coach_passenger_km: ArrayLike
    """[pkm/year]"""
    rail_tonne_km: ArrayLike = 0.0
    """[tkm/year]"""
    van_kmh: ArrayLike | None = None
    """Mean speed; without it, for each class, the usual speed of the catalogue [km/h]."""
    truck_kmh: ArrayLike | None = None
    coach_kmh: ArrayLike | None = None


def year_days(inputs: Mapping[str, float], weekend: str) -> float:
    """Weekdays that a year is worth [d/year]; ``weekend`` names the factor: car, hired, bus, metro, ..."""
    weekdays = sum(inputs[f"energy.days_{day}"] for day in WEEKDAYS)
    return weekdays + inputs["energy.days_weekend"] * inputs[f"carbon.weekend_{weekend}_factor"]


def travel_works(
    travel: WeekdayTravel, inputs: Mapping[str, float], *, district_count: int, share: ArrayLike | None = None
) -> list[Work]:
    """Works of private cars, hired cars, buses, metro and e-bikes in a year.

    Parameters
    ----------
    travel
        One weekday.
    inputs
        Values of the year; needs ``energy.days_*``, weekend factors in ``carbon``, ``traffic.hired_*``.
    district_count
        Number of districts.
    share
        Shares of the districts for totals of the city.

    Returns
    -------
    list[Work]
        Six works.

    Raises
    ------
    InputError
        As in `build_work`.
    """
    day = {
        name: year_days(inputs, name) for name in ("car", "hired", "bus", "metro", "metro_train", "e_bike")
    }
    car_km = np.asarray(travel.car_km, np.float64)
    persons = (
        car_km * inputs["carbon.car_occupancy"]
        if travel.car_passenger_km is None
        else travel.car_passenger_km
    )
    works = [
        build_work(
            Consumer.PRIVATE_CAR, district_count, share=share, speed_kmh=travel.car_kmh,
            vehicle_km=car_km * day["car"], passenger_km=np.asarray(persons, np.float64) * day["car"],
        )
    ]  # fmt: skip
    hired = ((Consumer.TAXI, travel.taxi_hired_km), (Consumer.RIDE_HAIL, travel.ride_hail_hired_km))
    for consumer, hired_km in hired:
        km = np.asarray(hired_km, np.float64) * day["hired"]
        works.append(
            build_work(
                consumer, district_count, share=share, speed_kmh=travel.car_kmh,
                vehicle_km=km / (1.0 - inputs["traffic.hired_empty_share"]),
                passenger_km=km * inputs["traffic.hired_occupancy"],
            )
        )  # fmt: skip
    works.append(
        build_work(
            Consumer.BUS, district_count, share=share, speed_kmh=travel.bus_kmh,
            vehicle_km=np.asarray(travel.bus_km, np.float64) * day["bus"],
            passenger_km=np.asarray(travel.bus_passenger_km, np.float64) * day["bus"],
        )
    )  # fmt: skip
    works.append(
        build_work(
            Consumer.METRO, district_count, share=share,
            vehicle_km=np.asarray(travel.metro_car_km, np.float64) * day["metro_train"],
            passenger_km=np.asarray(travel.metro_passenger_km, np.float64) * day["metro"],
        )
    )  # fmt: skip
    e_bike_km = np.asarray(travel.e_bike_km, np.float64) * day["e_bike"]
    works.append(
        build_work(Consumer.E_BIKE, district_count, share=share, vehicle_km=e_bike_km, passenger_km=e_bike_km)
    )
    return works


def freight_works(
    freight: FreightYear, inputs: Mapping[str, float], *, district_count: int, share: ArrayLike | None = None
) -> list[Work]:
    """Works of vans, trucks by size, coaches and rail freight in a year; arguments as in `travel_works`."""
    kmh = {
        name: inputs[f"energy.{name}_usual_kmh"] if told is None else told
        for name, told in (
            ("van", freight.van_kmh),
            ("truck", freight.truck_kmh),
            ("coach", freight.coach_kmh),
        )
    }
    works = [
        build_work(
            Consumer.VAN, district_count, share=share, speed_kmh=kmh["van"],
            vehicle_km=freight.van_km, tonne_km=freight.van_tonne_km,
        ),
        build_work(
            Consumer.COACH, district_count, share=share, speed_kmh=kmh["coach"],
            vehicle_km=freight.coach_km, passenger_km=freight.coach_passenger_km,
        ),
        build_work(Consumer.RAIL, district_count, share=share, tonne_km=freight.rail_tonne_km),
    ]  # fmt: skip
    for size, km in freight.truck_km.items():
        works.append(
            build_work(
                Consumer.TRUCK, district_count, share=share, speed_kmh=kmh["truck"], size=Size(size),
                vehicle_km=km, tonne_km=freight.truck_tonne_km.get(size, 0.0),
            )
        )  # fmt: skip
    return works
