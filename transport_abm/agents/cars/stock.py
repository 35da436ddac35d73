"""The stock of private cars: built for the end of the base year, added to by registrations, counted by household.

The share of cars of age a in the stock of the base year is that of the survivors of a past cohort,

    n(a) ~ new(base year - a) x prod_{b < a} (1 - leaving(b)),

with the same chances of leaving as in the years to come.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.cars.turnover import count_private, leaving_share
from transport_abm.agents.tables import Households
from transport_abm.agents.vehicles import Cars, VehicleBook
from transport_abm.core.draws import Stream, uniform
from transport_abm.core.errors import Fault, InputError
from transport_abm.core.vocabulary import PlateKind, Powertrain, VehicleClass
from transport_abm.policy.inputs import BASE_YEAR, YearInputs

I8 = NDArray[np.int8]
I16 = NDArray[np.int16]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
F64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

NO_YEAR = 0
PLACES = 4
"""Draws set aside for the places of cars in a household, more than any holds."""
FIRST_ICE_YEAR, FIRST_BEV_YEAR = 2001, 2014
"""First years of the cohorts in the catalogue: by the names of the parameters."""
K_POWERTRAIN, K_AGE, K_PLATE, K_RANGE = range(4)


def past_cohorts(inputs: YearInputs) -> F64:
    """Private cars first registered in past years, by powertrain and age at the end of the base year.

    Parameters
    ----------
    inputs
        Parameters of the base year.

    Returns
    -------
    NDArray[np.float64]
        Shape (powertrains, ages) [cars]; for plain and plug-in hybrids relative to the base year's.
    """
    leaving = leaving_share(inputs)
    out = np.zeros_like(leaving)
    ice, bev = BASE_YEAR - FIRST_ICE_YEAR + 1, BASE_YEAR - FIRST_BEV_YEAR + 1
    years = [str(BASE_YEAR - a) for a in range(ice)]
    out[Powertrain.ICE, :ice] = inputs.array("cars.past_new_ordinary_{}", years)
    out[Powertrain.BEV, :bev] = inputs.array("cars.past_new_bev_{}", years[:bev])
    for p, name in ((Powertrain.HEV, "hev"), (Powertrain.PHEV, "phev")):
        age = np.arange(int(BASE_YEAR - inputs[f"cars.{name}_first_year"]) + 1)
        out[p, : len(age)] = np.exp(-inputs[f"cars.{name}_growth"] * age)
    out[Powertrain.FCEV, 0] = 1.0
    return out


def base_ages(inputs: YearInputs) -> F64:
    """Cars of past cohorts still in the city at the end of the base year, by powertrain and age.

    Parameters
    ----------
    inputs
        Parameters of the base year.

    Returns
    -------
    NDArray[np.float64]
        Shape (powertrains, ages) [cars]; for plain and plug-in hybrids relative to the base year's.
    """
    stays = np.cumprod(1.0 - leaving_share(inputs), axis=1)
    return np.asarray(past_cohorts(inputs) * np.c_[np.ones(len(Powertrain)), stays[:, :-1]])


def registered_before(cars: Cars, inputs: YearInputs) -> F64:
    """Private cars ever registered up to the end of the base year, those no longer in use among them.

    Parameters
    ----------
    cars
        Private cars of the base year.
    inputs
        Parameters of the base year.

    Returns
    -------
    NDArray[np.float64]
        By powertrain, in rows of the table; later years add `VehicleBook.new`. For petrol cars from the first
        cohort of the catalogue on.
    """
    count = np.bincount(cars.powertrain[cars.alive], minlength=len(Powertrain))
    return np.asarray(count * past_cohorts(inputs).sum(axis=1) / base_ages(inputs).sum(axis=1))


def build_cars(
    households: Households, inputs: YearInputs, *, seed: int, home_post: Bool | None = None
) -> Cars:
    """Build the private cars at the end of the base year, one row for each car held.

    Parameters
    ----------
    households
        Households with their cars and, of them, battery-electric ones.
    inputs
        Parameters of the base year.
    seed
        Seed of the run.
    home_post
        Households with a post at home, if known by now; none otherwise, shape (households,).

    Returns
    -------
    Cars
        The cars, grouped by household; a household's battery-electric cars come first.

    Raises
    ------
    InputError
        If a household has more battery-electric cars than cars.
    """
    wrong = np.flatnonzero((households.nev > households.car) | (households.car < 0))
    if wrong.size:
        got = f"{len(wrong)} others, the first in row {wrong[0]}"
        raise InputError(Fault("households", "nev", "battery-electric cars among the cars held", got))
    count = np.where(households.alive, households.car, 0)
    household = np.repeat(np.arange(len(households), dtype=np.int32), count)
    place = np.arange(len(household)) - np.repeat(np.cumsum(count, dtype=np.int64) - count, count)
    agent = households.id[household] * PLACES + place

    def draw(k: int) -> F64:
        return uniform(seed, Stream.CAR_AGE, agent, NO_YEAR, k)

    lot = draw(K_POWERTRAIN)
    plug_in, hybrid = inputs["cars.phev_share"], inputs["cars.phev_share"] + inputs["cars.hev_share"]
    powertrain = np.select(
        [place < households.nev[household], lot < plug_in, lot < hybrid],
        [Powertrain.BEV, Powertrain.PHEV, Powertrain.HEV],
        Powertrain.ICE,
    ).astype(np.int8)
    upper = np.cumsum(base_ages(inputs), axis=1)
    upper /= upper[:, -1:]
    age, lot = np.empty(len(household), np.int8), draw(K_AGE)
    for p in Powertrain:
        rows = powertrain == p
        age[rows] = np.searchsorted(upper[p], lot[rows], side="right")
    battery = powertrain == Powertrain.BEV
    ordinary = ~battery | (draw(K_PLATE) < inputs["cars.bev_ordinary_plate_share"])
    return Cars.build(
        len(household), household=household, age=age, powertrain=powertrain,
        range_km=_base_range(powertrain, age, draw(K_RANGE), inputs),
        plate=np.where(ordinary, PlateKind.ORDINARY, PlateKind.NEW_ENERGY).astype(np.int8),
        home_post=False if home_post is None else home_post[household],
    )  # fmt: skip


def _base_range(powertrain: I8, age: I8, lot: F64, inputs: YearInputs) -> I16:
    """Electric range of the cars of the base year [km]: later models reach farther, models of a year differ."""
    newest = inputs["cars.bev_range_km"] - inputs["cars.bev_range_growth_km"] * age
    spread = 1.0 + inputs["cars.bev_range_spread"] * (2.0 * lot - 1.0)
    battery = np.maximum(newest, inputs["cars.bev_range_min_km"]) * spread
    reach = np.select(
        [powertrain == Powertrain.BEV, powertrain == Powertrain.PHEV], [battery, inputs["cars.phev_range_km"]]
    )
    return np.asarray(np.rint(reach), np.int16)


def add_cars(
    cars: Cars,
    book: VehicleBook,
    *,
    household: I32,
    plate: I8,
    powertrain: I8,
    range_km: I16,
    home_post: Bool,
    brought_in: Bool | bool = False,
    age: I8 | int = 0,
) -> None:
    """Add newly registered cars at the end of the table, and enter them in the books.

    Parameters
    ----------
    cars
        Private cars; gets new rows.
    book
        Books of the year; new and brought in grow, and closing is counted from the table again.
    household
        Row of the household that holds each [row].
    plate, powertrain
        Codes.
    range_km
        Electric range, 0 for none [km].
    home_post
        Whether it can be charged at home.
    brought_in
        True for cars that come from outside the city instead of from the factory.
    age
        Completed years; above 0 only for cars brought in [year].
    """
    n = len(household)
    new = cars.append(
        n, household=household, plate=plate, powertrain=powertrain, range_km=range_km, home_post=home_post,
        age=np.broadcast_to(np.asarray(age, np.int8), n),
    )  # fmt: skip
    own = VehicleClass.PRIVATE_CAR
    from_outside = np.zeros(len(cars), np.bool_)
    from_outside[new] = brought_in
    from_factory = np.zeros(len(cars), np.bool_)
    from_factory[new] = ~from_outside[new]
    book.new[own] += count_private(cars, from_factory)[own]
    book.brought_in[own] += count_private(cars, from_outside)[own]
    book.closing[own] = count_private(cars, cars.alive)[own]


def count_cars(households: Households, cars: Cars) -> None:
    """Write the cars that each household holds, and how many of them are battery-electric or fuel-cell cars.

    Parameters
    ----------
    households
        Columns ``car`` and ``nev`` are overwritten.
    cars
        Private cars.
    """
    n = len(households)
    holder = cars.household[cars.alive]
    electric = np.isin(cars.powertrain[cars.alive], (Powertrain.BEV, Powertrain.FCEV))
    households.car[:] = np.bincount(holder, minlength=n)
    households.nev[:] = np.bincount(holder[electric], minlength=n)
