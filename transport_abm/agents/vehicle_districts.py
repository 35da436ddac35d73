"""Vehicles by district: private cars where their households live, hired cars where drivers do, buses and vans at depots.

Fleets that are counted by age alone (official cars, coaches, trucks, sanitation, airport and others) have no district.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.fleets.fleets import Fleets
from transport_abm.agents.fleets.permits import in_scope
from transport_abm.agents.tables import Households
from transport_abm.agents.vehicles import FUEL_OF_CAR, IS_NEW_ENERGY, SHAPE, Cars, FleetVehicles
from transport_abm.core.vocabulary import VehicleClass
from transport_abm.networks.city import City

F64 = NDArray[np.float64]
Bool = NDArray[np.bool_]
Codes = NDArray[Any]


@dataclass(frozen=True)
class DistrictVehicles:
    """Vehicles of one year that have a district."""

    closing: F64
    """In use at the end of the year, by district, class, powertrain and fuel [vehicles]."""
    new: F64
    """Of these, first registered in the year; in the base year those that are given with age 0 [vehicles]."""
    in_rule: Mapping[str, F64]
    """In the scope of a target of the plan, by outcome: by district, new-energy ones and all [vehicles]."""


def fleet_tables(fleets: Fleets) -> tuple[tuple[VehicleClass, FleetVehicles], ...]:
    """Fleets that stand vehicle by vehicle."""
    return (
        (VehicleClass.BUS, fleets.buses),
        (VehicleClass.TAXI, fleets.taxis),
        (VehicleClass.RIDE_HAIL, fleets.ride_hail),
        (VehicleClass.VAN, fleets.vans),
    )


def vehicles_by_district(
    cars: Cars, households: Households, fleets: Fleets, city: City, *, sample: float
) -> DistrictVehicles:
    """Count the vehicles that have a district.

    Parameters
    ----------
    cars, households
        Private cars and who holds them.
    fleets
        Fleets of operators, whole whatever the sample.
    city
        Zones and districts.
    sample
        Share of the people simulated [1].

    Returns
    -------
    DistrictVehicles
        Counts, weighted to the city.
    """
    n = len(city.districts.name_en)
    alive = cars.alive
    home, kind = city.zones.district[households.zone[cars.household[alive]]], cars.powertrain[alive]
    young = cars.age[alive] == 0
    closing = _count(n, VehicleClass.PRIVATE_CAR, home, kind, FUEL_OF_CAR[kind]) / sample
    new = _count(n, VehicleClass.PRIVATE_CAR, home[young], kind[young], FUEL_OF_CAR[kind[young]]) / sample
    for class_, table in fleet_tables(fleets):
        for out, where in ((closing, table.alive), (new, table.alive & (table.age == 0))):
            out += _count(n, class_, table.district[where], table.powertrain[where], table.fuel[where])
    bus, taxi = (_in_rule(table, table.alive & ~table.exempt, n) for table in (fleets.buses, fleets.taxis))
    rule = {
        "bus_nev_share": bus, "taxi_nev_share": taxi, "public_fleet_electric_share": bus + taxi,
        "van_nev_share": _in_rule(fleets.vans, in_scope(fleets.vans), n),
    }  # fmt: skip
    return DistrictVehicles(closing, new, rule)


def _count(n: int, class_: VehicleClass, district: Codes, powertrain: Codes, fuel: Codes) -> F64:
    """Vehicles of one class by district, class, powertrain and fuel."""
    out = np.zeros((n, *SHAPE))
    code = (district.astype(np.int64) * SHAPE[1] + powertrain) * SHAPE[2] + fuel
    out[:, class_] = np.bincount(code, minlength=n * SHAPE[1] * SHAPE[2]).reshape(n, *SHAPE[1:])
    return out


def _in_rule(table: FleetVehicles, where: Bool, n: int) -> F64:
    """New-energy vehicles and all, of those that count, by district."""
    district, battery = table.district[where], IS_NEW_ENERGY[table.powertrain[where]]
    count = [np.bincount(part, minlength=n) for part in (district[battery], district)]
    return np.stack(count, axis=1).astype(np.float64)
