"""Cars with plates of other provinces: who keeps one in the city without a plate of its own, and on which days it moves.

    P(holds) = 1 / (1 + exp(-(c + b_e elsewhere + b_d ln d)))        of households that want a car beyond those they hold
    d        = days that may be used: permits a year x days of a permit / 365 at homes inside the ring of permits, else 1

The constant c is identified on the cars that were kept in the city in 2018 by renewing permits without end, so when all
days could be used; how many are left under the rule of a year follows. Each household has one taste for all years. The
cars are no part of the city's registered stock; their kilometres are driven on its roads and stand in its energy and CO2.
All of them burn petrol: an electric one from elsewhere needs the permit too. Simplified: the ring stands for the area of
permits (all of Tongzhou belongs to it as well), and a household keeps one at most.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from transport_abm.agents.cars.stock import base_ages
from transport_abm.agents.cars.turnover import hazard
from transport_abm.agents.tables import Households
from transport_abm.agents.vehicles import Cars
from transport_abm.core.draws import Stream, uniform
from transport_abm.core.errors import Fault, InputError, ParameterError
from transport_abm.core.vocabulary import PlateKind, Powertrain, Registration
from transport_abm.networks.city import Zones
from transport_abm.policy.inputs import YearInputs

Bool = NDArray[np.bool_]
F64 = NDArray[np.float64]
I8 = NDArray[np.int8]
I64 = NDArray[np.int64]

NO_YEAR = 0
K_TASTE, K_AGE, K_SCRAP = range(3)
FARTHEST = 40.0
"""Bounds of the constant: at 40 logits a chance differs from 0 or 1 by less than rounding."""
EXACT = 1e-10
DAYS = 365.0


def day_share(inputs: YearInputs) -> float:
    """Share of the days of a year on which a car with plates of another province may enter [1]."""
    days = inputs["out_of_town.permit_year_count"] * inputs["out_of_town.permit_day"]
    return float(min(days / DAYS, 1.0))


def usable_share(zones: Zones, inputs: YearInputs) -> F64:
    """Share of the days on which such a car may be used near each zone [1]."""
    inside = zones.ring <= inputs["out_of_town.permit_ring"]
    return np.where(inside, day_share(inputs), 1.0)


def check_count(inputs: YearInputs) -> None:
    """Refuse more cars of 2018 than were wanted without a plate.

    Parameters
    ----------
    inputs
        Parameters of the year.

    Raises
    ------
    ParameterError
        If there are as many as applications for plates stand for, or more.
    """
    waiting = inputs["plates.waiting_ordinary_count"] + inputs["plates.waiting_new_energy_count"]
    wanted = waiting / inputs["cars.application_per_car"]
    if inputs["out_of_town.count_2018"] >= wanted > 0.0:
        expected = f"fewer than the {wanted:,.0f} cars that applicants for plates want"
        raise ParameterError(
            Fault(
                "cars from elsewhere",
                "out_of_town.count_2018",
                expected,
                f"{inputs['out_of_town.count_2018']:g}",
            )
        )


def _wishes(households: Households, wanted: I8) -> I64:
    """Households that want a car beyond those they hold."""
    return np.flatnonzero(households.alive & (wanted > households.car))


def _utility(households: Households, row: I64, inputs: YearInputs) -> F64:
    """Utility of such a car on all days, before the constant."""
    elsewhere = households.registration[row] == Registration.OTHER
    return np.asarray(inputs["out_of_town.elsewhere_weight"] * elsewhere, np.float64)


def calibrate_out_of_town(
    households: Households, wanted: I8, zones: Zones, inputs: YearInputs, *, sample: float
) -> float:
    """Constant at which those who want a car would keep the cars of 2018 if all days could be used.

    Parameters
    ----------
    households
        Households of the base year with the cars they hold.
    wanted
        Cars that each wants.
    zones
        Zones of the homes.
    inputs
        Parameters of the base year.
    sample
        Share of the people simulated [1].

    Returns
    -------
    float
        The constant, in the mean over tastes [1].

    Raises
    ------
    InputError
        If more cars were kept than households want one.
    """
    row = _wishes(households, wanted)
    value = _utility(households, row, inputs)
    residents = float(zones.residents.sum()) / inputs["population.base_resident_count"]
    count = inputs["out_of_town.count_2018"] * residents * sample
    if count <= 0.0:
        return -FARTHEST
    if count >= len(row):
        expected = f"fewer than the {len(row) / sample / residents:,.0f} households that want a car"
        raise InputError(
            Fault("out_of_town.count_2018", "cars", expected, f"{inputs['out_of_town.count_2018']:,.0f}")
        )

    def excess(level: float) -> float:
        return float((1.0 / (1.0 + np.exp(-(level + value)))).sum()) - count

    return float(brentq(excess, -FARTHEST, FARTHEST, xtol=EXACT))


def choose_out_of_town(
    households: Households, wanted: I8, zones: Zones, constant: float, inputs: YearInputs, *, seed: int
) -> Bool:
    """Which households keep a car with plates of another province in a year.

    Parameters
    ----------
    households
        Households with the cars they hold on plates of the city.
    wanted
        Cars that each wants.
    zones
        Zones of the homes.
    constant
        From `calibrate_out_of_town`.
    inputs
        Parameters of the year.
    seed
        Seed of the run.

    Returns
    -------
    NDArray[np.bool_]
        Shape (households,).
    """
    out = np.zeros(len(households), np.bool_)
    row = _wishes(households, wanted)
    days = usable_share(zones, inputs)[households.zone[row]]
    worth = inputs["out_of_town.day_weight"] * np.log(np.maximum(days, 1.0 / DAYS))
    value = constant + _utility(households, row, inputs) + worth
    u = uniform(seed, Stream.OUT_OF_TOWN, households.id[row], NO_YEAR, K_TASTE)
    out[row] = (u < 1.0 / (1.0 + np.exp(-value))) & (days > 0.0)
    return out


def build_out_of_town(
    households: Households, wanted: I8, zones: Zones, inputs: YearInputs, *, seed: int, sample: float
) -> tuple[Cars, float]:
    """Cars with plates of other provinces at the end of the base year, as old as the city's own petrol cars.

    Parameters
    ----------
    households
        Column ``outside_car`` is written.
    wanted, zones, inputs, sample
        As in `calibrate_out_of_town`.
    seed
        Seed of the run.

    Returns
    -------
    tuple[Cars, float]
        One row for each car, and the constant.

    Raises
    ------
    InputError
        As in `calibrate_out_of_town`.
    """
    constant = calibrate_out_of_town(households, wanted, zones, inputs, sample=sample)
    holds = choose_out_of_town(households, wanted, zones, constant, inputs, seed=seed)
    home = np.flatnonzero(holds).astype(np.int32)
    upper = np.cumsum(base_ages(inputs)[Powertrain.ICE])
    u = uniform(seed, Stream.OUT_OF_TOWN, households.id[home], NO_YEAR, K_AGE)
    age = np.searchsorted(upper / upper[-1], u, side="right").astype(np.int8)
    households.outside_car[:] = holds
    cars = Cars.build(
        len(home), household=home, age=age, powertrain=np.int8(Powertrain.ICE),
        plate=np.int8(PlateKind.OUT_OF_TOWN),
    )  # fmt: skip
    return cars, constant


def change_out_of_town(
    cars: Cars, households: Households, wanted: I8, zones: Zones, constant: float, inputs: YearInputs, *,
    year: int, seed: int,
) -> None:  # fmt: skip
    """One year: cars age, worn-out ones are replaced by new ones, those no longer kept leave, others come.

    Parameters
    ----------
    cars
        Changed in place.
    households
        With the cars they hold after the purchases of the year; column ``outside_car`` is written.
    wanted, zones, constant, inputs
        As in `choose_out_of_town`.
    year
        Simulated year.
    seed
        Seed of the run.
    """
    holds = choose_out_of_town(households, wanted, zones, constant, inputs, seed=seed)
    cars.alive[cars.alive & ~holds[cars.household]] = False
    rows = np.flatnonzero(cars.alive)
    chance = hazard(
        cars.age[rows].astype(np.float64), inputs["cars.life_mean_year_ice"], inputs["cars.life_shape"]
    )
    worn = uniform(seed, Stream.OUT_OF_TOWN, households.id[cars.household[rows]], year, K_SCRAP) < chance
    cars.age[rows] = np.where(worn, 0, np.minimum(cars.age[rows] + 1, np.iinfo(np.int8).max - 1))
    kept = np.zeros(len(households), np.bool_)
    kept[cars.household[rows]] = True
    home = np.flatnonzero(holds & ~kept).astype(np.int32)
    cars.append(
        len(home), household=home, age=np.int8(0), powertrain=np.int8(Powertrain.ICE),
        plate=np.int8(PlateKind.OUT_OF_TOWN),
    )  # fmt: skip
    households.outside_car[:] = holds
