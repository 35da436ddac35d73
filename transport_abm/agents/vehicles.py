"""Columns of vehicles and of those who wait for a plate, and the books of the vehicle stock.

    closing = opening + new + brought in - scrapped - taken out,   by class, powertrain and fuel, with zero residual

Private cars are sampled with their households and carry the run's weight; fleets are small enough to be simulated
whole, whatever the sample, so their weight is one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from transport_abm.core.columns import Column, Table
from transport_abm.core.errors import ConservationError
from transport_abm.core.vocabulary import NEW_ENERGY, Fuel, Powertrain, VehicleClass

I64 = NDArray[np.int64]
SHAPE = (len(VehicleClass), len(Powertrain), len(Fuel))
IS_NEW_ENERGY = np.isin(np.arange(len(Powertrain)), [int(p) for p in NEW_ENERGY])


class Cars(Table):
    """Private cars in use, each held by a household."""

    household = Column(np.int32, "row", "household that holds it")
    age = Column(np.int8, "year", "completed years since it was first registered")
    powertrain = Column(np.int8, "1", "Powertrain code")
    range_km = Column(np.int16, "km", "electric range of a new one of its kind, 0 for none")
    plate = Column(np.int8, "1", "PlateKind code")
    home_post = Column(np.bool_, "1", "can charge at a post at home")


class Applicants(Table):
    """Those who wait for a plate or hold an unused one: a family, an individual or a unit."""

    household = Column(np.int32, "row", "household, -1 for a unit", default=-1)
    person = Column(np.int32, "row", "who applies, -1 for a family or a unit", default=-1)
    kind = Column(np.int8, "1", "ApplicantKind code")
    pool = Column(np.int8, "1", "PlateKind code of the plate it waits for")
    since_year = Column(np.int16, "year", "year of the application")
    round_count = Column(np.int16, "1", "lottery rounds lost so far")
    score = Column(np.float32, "1", "points of a family, 0 for others")
    won_year = Column(
        np.int16,
        "year",
        "year in which it was given a plate not used yet; minus the year in which one expired",
    )
    address = Column(
        np.int64, "1", "identity of the person, household or unit, by which its draws are addressed"
    )


class FleetVehicles(Table):
    """Vehicles of operators; buses, taxis, ride-hail cars and vans add columns of their own."""

    operator = Column(np.int32, "row", "operator that runs it")
    district = Column(np.int16, "row", "district of its depot or home")
    age = Column(np.int8, "year", "completed years since it was first registered")
    powertrain = Column(np.int8, "1", "Powertrain code")
    fuel = Column(np.int8, "1", "Fuel code; of the engine for hybrids")
    exempt = Column(np.bool_, "1", "outside the rule of the plan for its fleet")


@dataclass
class VehicleBook:
    """Books of one year: stocks and flows by class, powertrain and fuel [vehicles of the table, not weighted]."""

    year: int
    opening: I64 = field(default_factory=lambda: np.zeros(SHAPE, np.int64))
    new: I64 = field(default_factory=lambda: np.zeros(SHAPE, np.int64))
    brought_in: I64 = field(default_factory=lambda: np.zeros(SHAPE, np.int64))
    scrapped: I64 = field(default_factory=lambda: np.zeros(SHAPE, np.int64))
    taken_out: I64 = field(default_factory=lambda: np.zeros(SHAPE, np.int64))
    closing: I64 = field(default_factory=lambda: np.zeros(SHAPE, np.int64))

    def check(self) -> None:
        """Raise ConservationError unless every class, powertrain and fuel closes exactly."""
        left = self.opening + self.new + self.brought_in - self.scrapped - self.taken_out - self.closing
        if left.any():
            where = ", ".join(
                f"{VehicleClass(c).name.lower()} {Powertrain(p).name} {Fuel(f).name.lower()}: {left[c, p, f]:+d}"
                for c, p, f in np.argwhere(left)
            )
            raise ConservationError(f"vehicles {self.year}: the books do not close: {where}")


def count_vehicles(
    class_: VehicleClass,
    powertrain: NDArray[np.int8],
    fuel: NDArray[np.int8],
    where: NDArray[np.bool_] | slice,
) -> I64:
    """Vehicles of one class by class, powertrain and fuel.

    Parameters
    ----------
    class_
        Their class.
    powertrain, fuel
        Codes, one a vehicle.
    where
        Which of them count.

    Returns
    -------
    NDArray[np.int64]
        Counts, shape (classes, powertrains, fuels); zero for other classes.
    """
    out = np.zeros(SHAPE, np.int64)
    code = powertrain[where].astype(np.int64) * len(Fuel) + fuel[where]
    out[class_] = np.bincount(code, minlength=len(Powertrain) * len(Fuel)).reshape(SHAPE[1:])
    return out


FUEL_OF_CAR = np.array([Fuel.PETROL, Fuel.PETROL, Fuel.PETROL, Fuel.ELECTRICITY, Fuel.HYDROGEN], np.int8)
"""Fuel of a private car by powertrain."""
