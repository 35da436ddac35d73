"""Turnover of private cars: they age, are scrapped, sold inside the city or out of it, and owners keep the plate.

    S(a) = exp(-(a / T)^k),  h(a) = 1 - S(a + 1) / S(a),  T = mean life / Gamma(1 + 1 / k)

with k and the mean life after Hao, Wang, Ouyang and Cheng (2011). Beside being scrapped, a car older than some
years leaves the city with a yearly chance, and an owner changes a car that still runs with a chance that rises
with its age: r(a) = r_max / (1 + exp(-(a - a_0) / s)). A car sold in this way is bought by an owner inside the
city whose own car is gone, on that owner's plate, or else leaves the city too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.cars.kernels_turnover import (
    HOUSEHOLD_GONE,
    LEFT_CITY,
    OLDEST_YEAR,
    SCRAPPED,
    SOLD,
    age_cars,
    place_in_household,
)
from transport_abm.agents.tables import Households
from transport_abm.agents.vehicles import FUEL_OF_CAR, Cars, VehicleBook, count_vehicles
from transport_abm.core.draws import Stream, stream_key, uniform
from transport_abm.core.vocabulary import NEW_ENERGY, PlateKind, Powertrain, VehicleClass
from transport_abm.policy.inputs import YearInputs

I8 = NDArray[np.int8]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
F64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

OIL = (Powertrain.ICE, Powertrain.HEV)
"""Cars that count as oil cars under the trade-in subsidy: they cannot be charged."""
MIDDLE = 0.5
"""Cars of a year are registered all through it; its middle stands for them [year]."""
CNY_PER_UNIT = 1e4
"""The response to the subsidy is given per ten thousand yuan."""
K_BUYER, K_OFFER = 0, 1
PLACES = 4
"""Draws set aside for the places of cars in a household, more than any holds."""


@dataclass(frozen=True)
class Given:
    """Cars that left their owners in a year and whose owners may replace them on the plate they keep."""

    household: I32
    """Row of the household."""
    plate: I8
    """PlateKind code of the plate it keeps."""
    scrapped: Bool
    """True if the car was scrapped, False if it was sold."""
    powertrain: I8
    """Powertrain code of the car given up."""
    registered_year: NDArray[np.int16]
    """Year in which the car given up was first registered: tells its emission stage."""

    def __len__(self) -> int:
        return len(self.household)


def survival(age: F64, mean_year: float, shape: float) -> F64:
    """Share of cars not scrapped by an age, S(a) = exp(-(a / T)^k).

    Parameters
    ----------
    age
        Ages [year].
    mean_year
        Mean life [year].
    shape
        Weibull shape k [1].

    Returns
    -------
    NDArray[np.float64]
        Shares [1], of the shape of ``age``.

    Notes
    -----
    Hao, Wang, Ouyang and Cheng (2011), Sci China Tech Sci 54(3). T = mean / Gamma(1 + 1/k).
    """
    scale = mean_year / math.gamma(1.0 + 1.0 / shape)
    return np.asarray(np.exp(-((age / scale) ** shape)))


def hazard(age: F64, mean_year: float, shape: float) -> F64:
    """Chance of being scrapped within the year that follows an age, h(a) = 1 - S(a + 1) / S(a).

    Parameters
    ----------
    age
        Ages at the beginning of the year [year].
    mean_year
        Mean life [year].
    shape
        Weibull shape k [1].

    Returns
    -------
    NDArray[np.float64]
        Chances [1]; exact for old ages too, where both survivals are near nothing.
    """
    scale = mean_year / math.gamma(1.0 + 1.0 / shape)
    return np.asarray(-np.expm1((age / scale) ** shape - ((age + 1.0) / scale) ** shape))


def _response(subsidy_cny: float, inputs: YearInputs) -> float:
    """Factor by which a subsidy raises a chance [1]."""
    return math.exp(inputs["cars.tradein_response"] * subsidy_cny / CNY_PER_UNIT)


def scrappage_pays(powertrain: I8, registered_year: NDArray[np.int16], inputs: YearInputs) -> Bool:
    """Whether the national subsidy for scrapping is paid for cars, by their emission stage.

    Parameters
    ----------
    powertrain
        Codes.
    registered_year
        Years of first registration, of the shape of ``powertrain``.
    inputs
        Parameters of the year.

    Returns
    -------
    NDArray[np.bool_]
        True where the car is of the stage that the rule names; a year's cars are dated in its middle.

    Notes
    -----
    The rule tells the stage by the date of first registration, for oil cars and new-energy ones.
    """
    nev = np.isin(powertrain, [int(p) for p in NEW_ENERGY])
    last = np.where(nev, inputs["cars.scrappage_nev_to_year"], inputs["cars.scrappage_oil_to_year"])
    return np.asarray(registered_year + MIDDLE <= last)


def yearly_chances(inputs: YearInputs) -> F64:
    """Chances of a car in one year, each given that those before did not happen.

    Parameters
    ----------
    inputs
        Parameters of the year.

    Returns
    -------
    NDArray[np.float64]
        Shape (powertrains, ages, 3): scrapped; taken out of the city for age; changed by its owner [1].

    Notes
    -----
    Subsidies work by the factor exp(response x subsidy / 10,000): the city's for giving up an oil car scales
    the chance that one old enough is changed, up to 1; the national one for scrapping, of the dated prices,
    scales the Weibull hazard rate of cars of the emission stages that it is for.
    """
    age = np.arange(OLDEST_YEAR + 1, dtype=np.float64)
    out = np.empty((len(Powertrain), len(age), 3))
    mean = inputs.array("cars.life_mean_year_{}", Powertrain)
    for p in Powertrain:
        out[p, :, 0] = hazard(age, float(mean[p]), inputs["cars.life_shape"])
    paid_cny = max(inputs["vehicle_prices.tradein_nev_cny"], inputs["vehicle_prices.tradein_ice_cny"])
    if paid_cny > 0:
        registered = (inputs.year - 1 - age).astype(np.int16)
        for p in Powertrain:
            old = scrappage_pays(np.full(len(age), p, np.int8), registered, inputs)
            out[p, old, 0] = 1.0 - (1.0 - out[p, old, 0]) ** _response(paid_cny, inputs)
    out[:, age + 1 > inputs["cars.age_limit_year"], 0] = 1.0
    out[:, :, 1] = np.where(age > inputs["cars.export_age_year"], inputs["cars.export_share"], 0.0)
    rise = (age - inputs["cars.replace_age_year"]) / inputs["cars.replace_spread_year"]
    out[:, :, 2] = inputs["cars.replace_share"] / (1.0 + np.exp(-rise))
    more = _response(inputs["cars.tradein_subsidy_cny"], inputs)
    old = age >= inputs["cars.tradein_age_year"]
    for p in OIL:
        out[p, old, 2] = np.minimum(out[p, old, 2] * more, 1.0)
    return out


def leaving_share(inputs: YearInputs) -> F64:
    """Share of cars of each powertrain and age that are gone from the city a year later [1].

    Parameters
    ----------
    inputs
        Parameters of the year.

    Returns
    -------
    NDArray[np.float64]
        Shape (powertrains, ages). Of the cars that owners change, those resold inside the city stay.
    """
    chance = yearly_chances(inputs)
    stays = 1.0 - chance[:, :, 2] * (1.0 - inputs["cars.resold_share"])
    return np.asarray(1.0 - (1.0 - chance[:, :, 0]) * (1.0 - chance[:, :, 1]) * stays)


def thresholds(chance: F64) -> F64:
    """Cumulative chances from conditional ones, along the last axis [1]."""
    return np.asarray(1.0 - np.cumprod(1.0 - chance, axis=-1))


def count_private(cars: Cars, where: Bool) -> I64:
    """Private cars by class, powertrain and fuel, in the form of the books [rows].

    Parameters
    ----------
    cars
        The cars.
    where
        Which rows count, shape (cars,).

    Returns
    -------
    NDArray[np.int64]
        Shape (classes, powertrains, fuels).
    """
    powertrain = cars.powertrain[where]
    return count_vehicles(VehicleClass.PRIVATE_CAR, powertrain, FUEL_OF_CAR[powertrain], slice(None))


def turn_over(
    cars: Cars,
    households: Households,
    inputs: YearInputs,
    book: VehicleBook,
    *,
    year: int,
    seed: int,
    wanted: I8 | None = None,
) -> Given:
    """Age the cars by a year and take out those that are scrapped, sold out of the city, or whose household is gone.

    Parameters
    ----------
    cars
        Private cars; changed in place. Rows that end are no longer alive, cars sold inside the city change hands.
    households
        The households after the population's changes of the year.
    inputs
        Parameters of the year.
    book
        Books of the year; the private class is set: opening, scrapped, taken out and, for now, closing.
    year
        Simulated year.
    seed
        Seed of the run.
    wanted
        Cars each household wants, if known: one that wants fewer than it held buys no used car instead.

    Returns
    -------
    Given
        One entry for each car that left its owner, unless the owner took a used car from inside the city
        instead; in the order of rows. Households that are gone have none.
    """
    n = len(cars)
    opening = cars.alive.copy()
    held = np.zeros(len(households), np.int8)
    place, fate = np.empty(n, np.int8), np.empty(n, np.int8)
    place_in_household(cars.household, opening, held, place)
    book.opening[VehicleClass.PRIVATE_CAR] = count_private(cars, opening)[VehicleClass.PRIVATE_CAR]
    age_cars(
        cars.household, place, cars.powertrain, households.id, households.alive,
        thresholds(yearly_chances(inputs)), stream_key(seed, Stream.SCRAP, year), cars.age, fate,
    )  # fmt: skip
    ended = np.flatnonzero((fate == SCRAPPED) | (fate == LEFT_CITY) | (fate == SOLD))
    willing = np.ones(len(ended), np.bool_)
    if wanted is not None:
        owner = cars.household[ended]
        willing = wanted[owner] >= held[owner]
    given = Given(
        cars.household[ended], cars.plate[ended], fate[ended] == SCRAPPED, cars.powertrain[ended],
        (year - cars.age[ended].astype(np.int16)).astype(np.int16),
    )  # fmt: skip
    identity = households.id[given.household]
    offer, buyer = _match_used(given, fate[ended], willing, identity, place[ended], inputs, year, seed)
    sold, old = ended[offer], ended[buyer]
    cars.alive[(fate == HOUSEHOLD_GONE)] = False
    cars.alive[ended] = False
    cars.alive[sold] = True
    cars.household[sold] = given.household[buyer]
    cars.plate[sold] = given.plate[buyer]
    cars.home_post[sold] = cars.home_post[old]
    own = VehicleClass.PRIVATE_CAR
    scrapped = fate == SCRAPPED
    book.scrapped[own] = count_private(cars, scrapped)[own]
    book.taken_out[own] = count_private(cars, opening & ~cars.alive & ~scrapped)[own]
    book.closing[own] = count_private(cars, cars.alive)[own]
    keeps = np.ones(len(ended), np.bool_)
    keeps[buyer] = False
    return Given(*(getattr(given, each.name)[keeps] for each in fields(Given)))


def may_replace(given: Given, car: I8, wanted: I8) -> Bool:
    """Which of the cars given up are replaced: the owner still wants more cars than are left.

    Parameters
    ----------
    given
        Cars given up.
    car
        Cars of each household after `turn_over` and `count_cars`, shape (households,).
    wanted
        Cars that each household wants, shape (households,).

    Returns
    -------
    NDArray[np.bool_]
        True for the first entries of a household, as many as it lacks; the other plates lapse.
    """
    place = np.empty(len(given), np.int8)
    place_in_household(given.household, np.ones(len(given), np.bool_), car.copy(), place)
    return np.asarray(place < wanted[given.household])


def _match_used(
    given: Given, fate: I8, willing: Bool, identity: I64, place: I8, inputs: YearInputs, year: int, seed: int
) -> tuple[I64, I64]:
    """Cars offered inside the city and owners who take one instead of a new car, as pairs of entries.

    Offers: cars their owners changed, with the share that is resold inside the city. Buyers: owners whose own
    car was scrapped or too old for the city. The longer side is cut by lot, plate kind by plate kind.
    """
    agent = identity * PLACES + place
    lot = uniform(seed, Stream.USED_CAR, agent, year, K_OFFER)
    may_offer = (fate == SOLD) & (lot < inputs["cars.resold_share"])
    wish = uniform(seed, Stream.USED_CAR, agent, year, K_BUYER)
    may_buy = (fate != SOLD) & willing & (wish < inputs["cars.used_buyer_share"])
    offer, buyer = [], []
    for plate in PlateKind:
        offered = np.flatnonzero(may_offer & (given.plate == plate))
        wants = np.flatnonzero(may_buy & (given.plate == plate))
        pairs = min(len(offered), len(wants))
        offer.append(offered[np.argsort(lot[offered], kind="stable")[:pairs]])
        buyer.append(wants[np.argsort(wish[wants], kind="stable")[:pairs]])
    return np.concatenate(offer), np.concatenate(buyer)
