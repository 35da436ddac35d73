"""What a kilometre of driving costs with the cars of a year, against those of the base year.

    ratio(year) = sum_pa n_pa(year) c_p(year - a) / sum_pa n_pa(year)
                / the same for the cars of the base year, at the prices of the year

n are the private cars in use by powertrain and age, c the energy of a kilometre of a car first registered in a year,
at the usual speed and the year's prices. The curves of the base year hold for its stock, so its ratio is one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.energy_use import energy_use
from transport_abm.agents.vehicles import FUEL_OF_CAR, Cars
from transport_abm.core.vocabulary import Fuel, Powertrain, VehicleClass
from transport_abm.policy.fuels import household_prices_cny
from transport_abm.policy.inputs import BASE_YEAR, YearInputs

F64 = NDArray[np.float64]

ELECTRIC = (Powertrain.BEV, Powertrain.FCEV)
"""Cars that mode choice counts as electric (`Households.nev`); all others share the cost of oil cars."""
BURNING = tuple(p for p in Powertrain if p not in ELECTRIC)
AGES = 61
"""Ages that are told apart; older cars count with the last [year]."""


def count_by_age(cars: Cars) -> F64:
    """Cars in use by powertrain and age, shape (powertrains, `AGES`) [rows]."""
    alive = cars.alive
    age = np.minimum(cars.age[alive], AGES - 1).astype(np.int64)
    code = cars.powertrain[alive].astype(np.int64) * AGES + age
    return np.bincount(code, minlength=len(Powertrain) * AGES).reshape(-1, AGES).astype(np.float64)


def energy_cny_km(inputs: YearInputs, year: int, limited_use: F64 | None = None) -> F64:
    """Energy of a kilometre by powertrain and age in a year, at the prices of the inputs.

    Parameters
    ----------
    inputs
        Parameters of the year whose prices hold.
    year
        Year in which the cars have their ages.
    limited_use
        Fuel under limits on new cars over that without, shape (powertrains, ages); none by default [1].

    Returns
    -------
    NDArray[np.float64]
        Shape (powertrains, `AGES`) [CNY/km].
    """
    petrol, home, public = household_prices_cny(inputs, inputs.year)
    share = inputs["mode_choice.home_charging_share"]
    charging = share * home + (1.0 - share) * public
    price = {Fuel.PETROL: petrol, Fuel.ELECTRICITY: charging, Fuel.HYDROGEN: inputs["fleets.hydrogen_cny_kg"]}
    out = np.empty((len(Powertrain), AGES))
    for p in Powertrain:
        fuel = Fuel(FUEL_OF_CAR[p])
        own, beside = energy_use(
            VehicleClass.PRIVATE_CAR, p, fuel, inputs, speed_kmh=inputs["energy.private_car_usual_kmh"],
            registered_year=year - np.arange(AGES),
        )  # fmt: skip
        if limited_use is not None:
            own = own * limited_use[p, :AGES]
        out[p] = own * price[fuel] + beside * charging
    return out


def driving_ratio(count: F64, base_count: F64, inputs: YearInputs, limited_use: F64 | None = None) -> F64:
    """Cost of a kilometre with the cars of the year over that with the cars of the base year.

    Parameters
    ----------
    count, base_count
        Cars in use in the year and in the base year, from `count_by_age`.
    inputs
        Parameters of the year.
    limited_use
        As in `energy_cny_km`, for the cars of the year.

    Returns
    -------
    NDArray[np.float64]
        For oil cars and for electric ones [1]; one where either year has none.
    """
    now, base = energy_cny_km(inputs, inputs.year, limited_use), energy_cny_km(inputs, BASE_YEAR)
    return np.array([_mean(count, now, g) / _mean(base_count, base, g) if _both(count, base_count, g) else 1.0
                     for g in (BURNING, ELECTRIC)])  # fmt: skip


def _both(count: F64, base_count: F64, group: Sequence[Powertrain]) -> bool:
    """Whether both years have cars of a group."""
    rows = list(group)
    return bool(count[rows].any() and base_count[rows].any())


def _mean(count: F64, cost: F64, group: Sequence[Powertrain]) -> float:
    """Mean cost over the cars of a group [CNY/km]."""
    rows = list(group)
    return float((count[rows] * cost[rows]).sum() / count[rows].sum())
