"""The account of a year of the model: its weekday's kilometres, speeds and passengers, its vehicles and its freight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from transport_abm.agents.cars.out_of_town import usable_share
from transport_abm.agents.fleets.buses import km_scale
from transport_abm.agents.fleets.fleets import fleet_km
from transport_abm.agents.fleets.vans import van_km_year
from transport_abm.agents.tables import Households
from transport_abm.agents.vehicle_market import Vehicles
from transport_abm.carbon.account import Account, build_account
from transport_abm.carbon.activity import Stock
from transport_abm.carbon.sources import fleet_use, freight_year, stock_of_cars, year_activity
from transport_abm.carbon.works import WeekdayTravel
from transport_abm.core.vocabulary import Mode, Period, TransitMode
from transport_abm.networks.city import City
from transport_abm.networks.level_of_service import CAR_KM, CAR_MIN
from transport_abm.networks.transit.service_km import segment_km_day
from transport_abm.networks.travel import Travel
from transport_abm.policy.inputs import YearInputs

F64 = NDArray[np.float64]
MINUTES = 60.0
MOTOR_MODES = (Mode.CAR_DRIVER, Mode.TAXI, Mode.RIDE_HAIL)
BUS_MODES = (Mode.BUS, Mode.BUS_METRO)


def weekday_travel(
    city: City, travel: Travel, count: NDArray[np.int32], mode_km: F64, transit_km: F64, inputs: Mapping[str, float],
    year: int,
) -> WeekdayTravel:  # fmt: skip
    """One weekday of the settled year, by district.

    Parameters
    ----------
    city
        The city.
    travel
        Times and speeds of the year.
    count
        Sampled trips by mode, period, origin and destination.
    mode_km
        Passenger-km by mode and origin zone, weighted [person-km/d].
    transit_km
        Passenger-km on buses and on metro by origin zone, weighted, shape (2, zones) [person-km/d].
    inputs
        Parameters of the year.
    year
        Calendar year.

    Returns
    -------
    WeekdayTravel
        Arrays by district of origin; vehicles of lines by the district they run in.
    """
    district, n = city.zones.district, len(city.districts.name_en)

    def by_district(value: F64) -> F64:
        return np.asarray(np.bincount(district, weights=value, minlength=n), np.float64)

    bus_km, metro_car_km = _line_km(city, inputs, year)
    speed = travel.bus_speed_kmh[np.isfinite(travel.bus_speed_kmh)]
    hired = inputs["traffic.hired_occupancy"]
    return WeekdayTravel(
        car_km=by_district(mode_km[Mode.CAR_DRIVER]),
        car_kmh=_car_kmh(travel, count, by_district),
        taxi_hired_km=by_district(mode_km[Mode.TAXI] / hired),
        ride_hail_hired_km=by_district(mode_km[Mode.RIDE_HAIL] / hired),
        bus_km=bus_km,
        bus_passenger_km=by_district(transit_km[TransitMode.BUS]),
        bus_kmh=float(speed.mean()) if len(speed) else inputs["energy.bus_usual_kmh"],
        metro_passenger_km=by_district(transit_km[TransitMode.METRO]),
        metro_car_km=metro_car_km,
        e_bike_km=by_district(mode_km[Mode.E_BIKE]),
        car_passenger_km=by_district(mode_km[Mode.CAR_DRIVER] + mode_km[Mode.CAR_PASSENGER]),
    )


def _car_kmh(travel: Travel, count: NDArray[np.int32], by_district) -> F64:  # type: ignore[no-untyped-def]
    """Mean speed of the car trips that start in each district; the city's where there are none [km/h]."""
    km, hours = (np.zeros(count.shape[2]) for _ in range(2))
    for period in Period:
        trips = count[list(MOTOR_MODES), period].sum(axis=0, dtype=np.float64)
        used = trips > 0
        km += np.where(used, trips * travel.los[period, :, :, CAR_KM], 0.0).sum(axis=1)
        hours += np.where(used, trips * travel.los[period, :, :, CAR_MIN], 0.0).sum(axis=1) / MINUTES
    distance, time = by_district(km), by_district(hours)
    mean = float(km.sum() / hours.sum()) if hours.sum() > 0 else 1.0
    return np.asarray(np.divide(distance, time, out=np.full(len(time), mean), where=time > 0))


def _line_km(city: City, inputs: Mapping[str, float], year: int) -> tuple[F64, F64]:
    """Kilometres of buses and of metro cars by the district they run in [km/d]."""
    transit, zones, n = city.transit, city.zones, len(city.districts.name_en)
    km = segment_km_day(transit, inputs, year)
    _, nearest = cKDTree(np.column_stack([zones.x_m, zones.y_m])).query(
        np.column_stack([transit.stop_x_m, transit.stop_y_m])
    )
    where = zones.district[nearest][transit.stop]
    line = np.repeat(transit.pattern_line, np.diff(transit.pattern_indptr))
    metro = transit.line_mode[line] == TransitMode.METRO
    # Trains are known by their places; cars follow from the places of one.
    cars = transit.line_vehicle_capacity[line] / inputs["carbon.metro_car_places"]
    return tuple(
        np.bincount(where, weights=weight, minlength=n).astype(np.float64)
        for weight in (np.where(metro, 0.0, km), np.where(metro, km * cars, 0.0))
    )  # type: ignore[return-value]


def carbon_year(
    weekday: WeekdayTravel,
    vehicles: Vehicles,
    households: Households,
    city: City,
    inputs: YearInputs,
    *,
    sample: float,
) -> Account:
    """Energy and CO2 of a year.

    Parameters
    ----------
    weekday
        One weekday of the settled year.
    vehicles
        Vehicles at the end of the year and the work of the fleets.
    households
        Who holds the private cars.
    city
        The city.
    inputs
        Parameters of the year.
    sample
        Share of the people simulated [1].

    Returns
    -------
    Account
        The carbon account.

    Raises
    ------
    ConservationError
        If work is left without vehicles.
    MissingFactorError
        If a kind of vehicle or a fuel has no factor.
    """
    year, zones, fleets, work = inputs.year, city.zones, vehicles.fleets, vehicles.work
    assert work.freight is not None
    # Lines of the city stand for more lines than are drawn, or for fewer.
    weekday = replace(weekday, bus_km=np.asarray(weekday.bus_km) * km_scale(fleets.lines, inputs))
    people = np.bincount(zones.district, zones.residents + zones.jobs, minlength=len(city.districts.name_en))
    # Cars from elsewhere drive on the city's roads, on the days on which they may.
    near = usable_share(zones, inputs)[households.zone[vehicles.outside.household]]
    activity = year_activity(
        Stock.join(
            [
                stock_of_cars(vehicles.cars, households, zones.district, 1.0 / sample),
                stock_of_cars(vehicles.outside, households, zones.district, near / sample),
            ]
        ),
        fleet_use(
            fleets,
            fleet_km(fleets, city, work, inputs, year=year),
            van_km_year(fleets.vans, city, inputs, work.freight.deliveries),
        ),
        freight_year(work.freight),
        weekday,
        inputs,
        district_share=people / people.sum(),
        year=year,
    )
    return build_account(activity, inputs, vehicles.limited_use)
