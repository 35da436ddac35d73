"""All fleets of a city beside the private cars: who has them, what they do in a year, how they are renewed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.fleets.buses import (
    Buses,
    BusLines,
    BusService,
    build_bus_lines,
    build_buses,
    bus_service,
    km_scale,
    renew_buses,
)
from transport_abm.agents.fleets.cohorts import Cohort
from transport_abm.agents.fleets.operators import Operators, build_operators, city_scale
from transport_abm.agents.fleets.permits import Vans
from transport_abm.agents.fleets.public_fleets import KINDS, build_public_fleets, renew_public_fleets
from transport_abm.agents.fleets.ride_hail import RideHailCars, build_ride_hail, renew_ride_hail, wanted_cars
from transport_abm.agents.fleets.taxis import Taxis, build_taxis, renew_taxis
from transport_abm.agents.fleets.trucks import FreightWork, build_truck_cohorts, renew_truck_cohorts
from transport_abm.agents.fleets.vans import build_vans, renew_vans
from transport_abm.agents.vehicles import VehicleBook
from transport_abm.networks.city import City
from transport_abm.policy.inputs import YearInputs

F64 = NDArray[np.float64]


@dataclass
class Fleets:
    """Operators and their vehicles, all counted whole whatever the sample of the run."""

    operators: Operators
    buses: Buses
    taxis: Taxis
    ride_hail: RideHailCars
    vans: Vans
    cohorts: dict[str, Cohort]
    """Fleets counted by age, by name: official, company, sanitation, airport, other; trucks and coaches."""
    lines: BusLines
    base_ride_hail_count: int
    """Ride-hail cars of the base year."""


@dataclass(frozen=True)
class FleetWork:
    """What a year asks of the fleets."""

    hired_ratio: float = 1.0
    """Kilometres of taxis and ride-hail asked for over those that the fleets of the base year serve in a normal
    year [1]."""
    freight: FreightWork | None = None
    """Goods, deliveries and coaches; without it vans, trucks and coaches are left alone."""
    hydrogen_site_count: float | None = None
    """Hydrogen sites; the catalogue's path where none are given."""
    unit_plate_count: tuple[int, int] = (0, 0)
    """Ordinary and new-energy plates that units put on a further company car this year [plates]."""


def build_fleets(city: City, inputs: YearInputs, *, seed: int) -> Fleets:
    """The fleets at the end of the base year.

    Parameters
    ----------
    city
        Lines, zones and districts. A city smaller than Beijing has Beijing's fleets by its residents.
    inputs
        Values of the base year; its year is the base year.
    seed
        Address of the draws.

    Returns
    -------
    Fleets
        Operators, four fleets vehicle by vehicle, the others counted by age.

    Raises
    ------
    ParameterError
        If the fleets are more than the automobiles that are not private.
    """
    operators = build_operators(city, inputs, seed=seed)
    lines = build_bus_lines(city, inputs, operators, inputs.year)
    buses = build_buses(city, inputs, lines, year=inputs.year, seed=seed)
    taxis = build_taxis(city, inputs, operators, seed=seed)
    ride_hail = build_ride_hail(city, inputs, operators, seed=seed)
    vans = build_vans(city, inputs, operators, seed=seed)
    trucks = build_truck_cohorts(city, inputs, seed=seed)
    rest = sum(map(len, (buses, taxis, ride_hail, vans))) + sum(cohort.total for cohort in trucks)
    cohorts = build_public_fleets(inputs, city_scale(city, inputs), rest)
    cohorts.update({cohort.name: cohort for cohort in trucks})
    return Fleets(operators, buses, taxis, ride_hail, vans, cohorts, lines, len(ride_hail))


def renew_fleets(
    fleets: Fleets,
    city: City,
    inputs: YearInputs,
    work: FleetWork,
    book: VehicleBook,
    *,
    year: int,
    seed: int,
) -> None:
    """One year of all fleets: they age, retire, follow their work and are replaced; their books are filled.

    Parameters
    ----------
    fleets
        Changed.
    city
        Lines, zones and districts.
    inputs
        Values of the year.
    work
        What the year asks of the fleets.
    book
        Filled for every class but the private cars; what others put there stays.
    year, seed
        Address of the draws.
    """
    renew_buses(
        fleets.buses, bus_service(city, inputs, year), fleets.lines, inputs, book, year=year, seed=seed
    )
    renew_taxis(fleets.taxis, inputs, book, year=year, seed=seed)
    wanted = wanted_cars(fleets.base_ride_hail_count, int(fleets.taxis.alive.sum()), work.hired_ratio, inputs)
    renew_ride_hail(fleets.ride_hail, wanted, city, inputs, book, year=year, seed=seed)
    renew_public_fleets(
        fleets.cohorts, inputs, book, year=year, seed=seed, unit_plate_count=work.unit_plate_count
    )
    if work.freight is not None:
        renew_vans(
            fleets.vans, city, inputs, work.freight.deliveries, book, fleets.operators, year=year, seed=seed,
            site_count=work.hydrogen_site_count,
        )  # fmt: skip
        own = {kind.name for kind in KINDS}
        trucks = [cohort for name, cohort in fleets.cohorts.items() if name not in own]
        renew_truck_cohorts(
            trucks, work.freight, inputs, book, year=year, seed=seed, site_count=work.hydrogen_site_count
        )


@dataclass(frozen=True)
class FleetKm:
    """Kilometres of a year: of each row of a table, or of one vehicle of a cohort [km/year]; dead rows have none."""

    bus: F64
    taxi: F64
    ride_hail: F64
    cohort: dict[str, float]
    """By name, the cohorts of `public_fleets` only."""


def fleet_km(
    fleets: Fleets, city: City, work: FleetWork, inputs: Mapping[str, float], *, year: int
) -> FleetKm:
    """Kilometres that the vehicles of the fleets drive in a year.

    Parameters
    ----------
    fleets
        Fleets that do the work of the year.
    city
        Lines.
    work
        Hired kilometres; taxis and ride-hail cars are driven more or less in the same proportion.
    inputs
        Values of the year.
    year
        Calendar year.

    Returns
    -------
    FleetKm
        Buses share the kilometres of their line's timetable; the totals do not depend on how many there are.
    """
    buses, taxis, cars = fleets.buses, fleets.taxis, fleets.ride_hail
    taxi_km, car_km = inputs["fleets.taxi.km_year"], inputs["fleets.ride_hail.km_year"]
    asked = work.hired_ratio * (len_alive(taxis) * taxi_km + fleets.base_ride_hail_count * car_km)
    supply = len_alive(taxis) * taxi_km + len_alive(cars) * car_km
    use = asked / supply if supply else 0.0
    return FleetKm(
        bus=_bus_km(buses, bus_service(city, inputs, year), fleets.lines, inputs),
        taxi=np.where(taxis.alive, taxi_km * use, 0.0),
        ride_hail=np.where(cars.alive, car_km * use, 0.0),
        cohort={kind.name: inputs[f"{kind.prefix}.km_year"] for kind in KINDS},
    )


def len_alive(table: Taxis | RideHailCars | Buses | Vans) -> int:
    """Vehicles in use."""
    return int(table.alive.sum())


def _bus_km(buses: Buses, service: BusService, lines: BusLines, inputs: Mapping[str, float]) -> F64:
    """Kilometres of each bus: its line's, shared evenly."""
    alive = buses.alive
    count = np.bincount(buses.line[alive], minlength=len(service.km_year))
    # a line too small for a whole bus of its own is driven by those of other lines
    total = float(service.km_year.sum()) * km_scale(lines, inputs)
    served = np.where(count > 0, service.km_year, 0.0)
    each = np.divide(served, count, out=np.zeros_like(served), where=count > 0)
    factor = total / served.sum() if served.sum() else 0.0
    return np.where(alive, each[buses.line] * factor, 0.0)
