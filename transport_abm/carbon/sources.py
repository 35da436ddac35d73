"""The year's activity from the tables of the model: private cars, fleets, freight and one weekday of travel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transport_abm.agents.fleets.cohorts import Cohort
from transport_abm.agents.fleets.fleets import FleetKm, Fleets
from transport_abm.agents.fleets.trucks import TRUCKS, FreightWork
from transport_abm.agents.tables import Households
from transport_abm.agents.vehicles import FUEL_OF_CAR, Cars, FleetVehicles
from transport_abm.carbon.activity import Activity, Consumer, Size, Stock, Work, build_activity, build_work
from transport_abm.carbon.works import FreightYear, WeekdayTravel, freight_works, travel_works
from transport_abm.core.vocabulary import VehicleClass

F64 = NDArray[np.float64]


def stock_of_cars(
    cars: Cars, households: Households, zone_district: NDArray[np.int16], weight: ArrayLike
) -> Stock:
    """Private cars by the district of their household.

    Parameters
    ----------
    cars, households
        Tables; rows not alive are left out.
    zone_district
        District of each zone.
    weight
        Cars that one row stands for, 1 / sample; one for all or one a row.

    Returns
    -------
    Stock
        By powertrain, age and home district.
    """
    alive = cars.alive
    powertrain = cars.powertrain[alive]
    part = np.broadcast_to(np.asarray(weight, np.float64), alive.shape)[alive]
    district = zone_district[households.zone[cars.household[alive]]]
    return Stock.build(
        int(VehicleClass.PRIVATE_CAR), powertrain, FUEL_OF_CAR[powertrain], cars.age[alive], part,
        district=district, range_km=cars.range_km[alive],
    )  # fmt: skip


def stock_of_fleet(
    class_: VehicleClass, vehicles: FleetVehicles, km: F64 | None = None, *, at_home: bool = False
) -> Stock:
    """Vehicles of a fleet.

    Parameters
    ----------
    class_
        Their class.
    vehicles
        Table; rows not alive are left out.
    km
        Kilometres of each row, by which they share the class's work [km/year]; by default all alike.
    at_home
        They drive in the district of their depot; by default all over the city.

    Returns
    -------
    Stock
        By powertrain, fuel and age.
    """
    alive = vehicles.alive
    # a fleet whose rows are all given no kilometres shares its work evenly
    part: ArrayLike = 1.0 if km is None or not km[alive].any() else km[alive]
    home: ArrayLike = vehicles.district[alive] if at_home else -1
    return Stock.build(
        int(class_),
        vehicles.powertrain[alive],
        vehicles.fuel[alive],
        vehicles.age[alive],
        part,
        district=home,
    )


def size_of_cohort(cohort: Cohort) -> Size:
    """Size that the name of a cohort tells: light, medium or heavy."""
    words = cohort.name.split("_")
    return next((size for size in Size if size.name.lower() in words), Size.ANY)


def stock_of_cohorts(cohorts: Sequence[Cohort]) -> Stock:
    """Vehicles of cohorts by class, size, powertrain, fuel and age."""
    return Stock.join(
        [
            Stock.of_cohort(each.class_, each.count, size=size_of_cohort(each))
            for each in cohorts
            if each.total
        ]
    )


@dataclass(frozen=True, eq=False)
class FleetUse:
    """Vehicles of the fleets and the kilometres of their rows."""

    buses: FleetVehicles
    bus_km: F64
    """Of each row [km/year]."""
    taxis: FleetVehicles
    ride_hail: FleetVehicles
    vans: FleetVehicles
    van_km: F64
    """Of each row [km/year]."""
    cohorts: Mapping[str, Cohort]
    cohort_km: Mapping[str, float]
    """Of one vehicle, by the name of the cohort; those that are missing work by the freight of the year [km/year]."""


def year_activity(
    cars_stock: Stock,
    fleets: FleetUse,
    freight: FreightYear,
    travel: WeekdayTravel,
    inputs: Mapping[str, float],
    *,
    district_share: F64,
    year: int,
) -> Activity:
    """The activity of a year from the tables of the model.

    Parameters
    ----------
    cars_stock
        Private cars (from `stock_of_cars`).
    fleets
        Fleets and their kilometres.
    freight
        Goods and coaches of the year.
    travel
        One weekday.
    inputs
        Values of the year.
    district_share
        Shares of the districts for what is known for the city alone, such as those of residents and jobs.
    year
        Calendar year.

    Returns
    -------
    Activity
        All consumers; a class without work and vehicles has no rows.

    Raises
    ------
    ConservationError
        If a class has work and no vehicles.
    """
    cohorts = list(fleets.cohorts.values())
    stock = Stock.join(
        [
            cars_stock,
            stock_of_fleet(VehicleClass.BUS, fleets.buses, fleets.bus_km),
            stock_of_fleet(VehicleClass.TAXI, fleets.taxis),
            stock_of_fleet(VehicleClass.RIDE_HAIL, fleets.ride_hail),
            stock_of_fleet(VehicleClass.VAN, fleets.vans, fleets.van_km, at_home=True),
            stock_of_cohorts(cohorts),
        ]
    )
    count = len(district_share)
    works = [
        *travel_works(travel, inputs, district_count=count, share=district_share),
        *freight_works(freight, inputs, district_count=count, share=district_share),
    ]
    for name, km in fleets.cohort_km.items():
        works.append(cohort_work(fleets.cohorts[name], km, inputs, district_share))
    return build_activity(works, stock, inputs, year)


def cohort_work(cohort: Cohort, km: float, inputs: Mapping[str, float], share: F64) -> Work:
    """Work of one cohort whose vehicles drive so many kilometres.

    Parameters
    ----------
    cohort
        Vehicles.
    km
        Of one vehicle [km/year].
    inputs
        Values of the year; needs ``carbon.<class>_kmh``.
    share
        Shares of the districts, shape (districts,).

    Returns
    -------
    Work
        Kilometres that carry nothing that is counted.
    """
    kmh = inputs[f"carbon.{cohort.class_.name.lower()}_kmh"]
    return build_work(
        Consumer(cohort.class_), len(share), share=share, vehicle_km=cohort.total * km, speed_kmh=kmh,
        size=size_of_cohort(cohort),
    )  # fmt: skip


def fleet_use(fleets: Fleets, km: FleetKm, van_km: F64) -> FleetUse:
    """Fleets with their kilometres: ``km`` from `fleet_km`, ``van_km`` of each van from `van_km_year`."""
    return FleetUse(
        buses=fleets.buses, bus_km=km.bus, taxis=fleets.taxis, ride_hail=fleets.ride_hail, vans=fleets.vans,
        van_km=van_km, cohorts=fleets.cohorts, cohort_km=km.cohort,
    )  # fmt: skip


def freight_year(work: FreightWork, *, van_kmh: ArrayLike | None = None) -> FreightYear:
    """Freight and coaches of a year as the account takes them; vans by district, trucks by size."""
    sizes = [Size[name.upper()] for name in TRUCKS]
    return FreightYear(
        van_km=work.van_km,
        van_tonne_km=work.van_tkm,
        truck_km={size: float(km) for size, km in zip(sizes, work.truck_km, strict=True)},
        truck_tonne_km={size: float(tkm) for size, tkm in zip(sizes, work.road_tkm, strict=True)},
        coach_km=work.coach_km,
        coach_passenger_km=work.coach_pkm,
        rail_tonne_km=float(work.rail_tkm),
        van_kmh=van_kmh,
    )
