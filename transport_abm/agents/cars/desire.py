"""How many cars a household wants: an ordered logit with tastes that last, and habit.

    V_1 = c + b_i ln(income / reference) + b_w workers + b_c child + b_p parking - b_m metro
    V_2 = V_1 - d + b_2 ln(income / reference);   wants n cars if V_n + taste > 0

(blueprint section 5). The taste is one logistic draw of the household for all years. Who holds cars is used to
them: habit is added to their utility, and dislike never takes away a last car, only the loss of the last licence
or of income does. More cars than licences are not wanted, beyond those held.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from transport_abm.agents.cars.kernels_turnover import count_members, count_wishes, fill_utilities
from transport_abm.agents.tables import Households, Persons
from transport_abm.core.draws import Stream, stream_key
from transport_abm.core.errors import Fault, InputError
from transport_abm.core.vocabulary import PersonStatus, PlateKind
from transport_abm.networks.city import Zones
from transport_abm.policy.inputs import YearInputs

I8 = NDArray[np.int8]
F64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

NO_YEAR = 0
POOLS = (PlateKind.ORDINARY, PlateKind.NEW_ENERGY)
WEIGHTS = ("income", "worker", "child", "parking", "second", "second_income")
LICENCES = 1
"""Column of the licence holders among the members."""
FARTHEST = 40.0
"""Bounds of the constant: at 40 logits a chance differs from 0 or 1 by less than rounding."""
EXACT = 1e-10
"""Accuracy of the constant."""


def members(households: Households, persons: Persons, inputs: YearInputs) -> I8:
    """Workers, licence holders and children by household, shape (households, 3) [persons]."""
    out = np.zeros((len(households), 3), np.int8)
    count_members(
        persons.household, persons.alive, persons.status, persons.licence, persons.age,
        int(PersonStatus.WORKER), inputs["cars.child_age_year"], out,
    )  # fmt: skip
    return out


def utilities(
    households: Households, member: I8, zones: Zones, inputs: YearInputs, year: int, metro: F64 | None
) -> F64:
    """Utility of a first and of a second car before the constant, shape (2, households) [1]."""
    if metro is not None and metro.shape != (len(zones),):
        raise InputError(Fault("metro", "shape", f"({len(zones)},): one share a zone", str(metro.shape)))
    prices = (1.0 + inputs["cars.price_growth"]) ** (year - inputs["cars.income_reference_year"])
    floor, reference = inputs["cars.income_floor_cny"], inputs["cars.income_reference_cny"] * prices
    log_income = np.log(np.maximum(households.income_cny, floor, dtype=np.float64) / reference)
    weight = inputs.array("cars.desire_{}", WEIGHTS)
    home = np.empty(0) if metro is None else inputs["cars.desire_metro"] * metro[households.zone]
    out = np.empty((2, len(households)))
    fill_utilities(log_income, member, households.parking, home, weight, out)
    return out


def choose_desire(
    households: Households,
    persons: Persons,
    zones: Zones,
    inputs: YearInputs,
    *,
    year: int,
    seed: int,
    constant: float | None = None,
    held: I8 | None = None,
    metro: F64 | None = None,
) -> I8:
    """Cars that each household wants to hold in a year.

    Parameters
    ----------
    households, persons
        The people.
    zones
        Zones of the homes.
    inputs
        Parameters of the year.
    year
        Simulated year.
    seed
        Seed of the run.
    constant
        Constant of the first car, from `calibrate_desire`; the catalogue's if none is given [1].
    held
        Cars each household is used to; ``households.car`` if none is given. After `turn_over` and
        `count_cars`, pass the counts of before, or call this first, shape (households,).
    metro
        Share of each zone within walking distance of a station; left out if none is given, shape (zones,) [1].

    Returns
    -------
    NDArray[np.int8]
        0, 1 or 2 for each household; 0 for those that are gone.

    Raises
    ------
    InputError
        If the shares of the metro are not one for each zone.
    """
    member = members(households, persons, inputs)
    utility = utilities(households, member, zones, inputs, year, metro)
    level = inputs["cars.desire_constant"] if constant is None else constant
    out = np.empty(len(households), np.int8)
    count_wishes(
        utility, stream_key(seed, Stream.DESIRE, NO_YEAR), households.id,
        households.car if held is None else held, member, np.array([level, inputs["cars.desire_habit"]]),
        households.alive, out,
    )  # fmt: skip
    return out


def expected_queue(first: F64, second: F64, held: I8, licence: I8, habit: float, alive: Bool) -> float:
    """Cars wanted beyond those held, by all households, in the mean over tastes [cars].

    Parameters
    ----------
    first, second
        Utilities with the constant, one a household [1].
    held, licence
        Cars and licences of each household.
    habit
        Utility of what one is used to [1].
    alive
        Households that count.

    Returns
    -------
    float
        Mean over the logistic tastes of the sum of max(wanted - held, 0).
    """

    def chance(utility: F64) -> F64:
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(utility, -700.0, 700.0))))

    # One taste decides on both cars, so that the chance of both is the smaller of the two.
    one = chance(first)
    keeps = np.where(first + habit > 0, 1.0, chance(first + habit))
    two = np.where(licence > 1, np.minimum(chance(second), np.where(held > 0, keeps, one)), 0.0)
    beyond = np.where(held == 0, one + two, np.where(held == 1, two, 0.0))
    return float(beyond[alive & (licence > 0)].sum())


def calibrate_desire(
    households: Households,
    persons: Persons,
    zones: Zones,
    inputs: YearInputs,
    *,
    year: int,
    sample: float,
    metro: F64 | None = None,
) -> float:
    """Constant at which the cars wanted beyond those held in the base year are those applied for.

    Parameters
    ----------
    households, persons
        The people of the base year.
    zones
        Zones of the homes.
    inputs
        Parameters of the base year.
    year
        Base year.
    sample
        Share of the population simulated [1].
    metro
        As in `choose_desire`.

    Returns
    -------
    float
        The constant, exact to rounding in the mean over tastes [1].

    Raises
    ------
    InputError
        If not even everybody's wish would fill the waiting lists.

    Notes
    -----
    The waiting lists are those of persons, plates.waiting_*_count (China Daily, 25 February 2019). The number
    wanted rises with the constant, so that there is one root (Brent's method).
    """
    member = members(households, persons, inputs)
    licence = member[:, LICENCES]
    first, second = utilities(households, member, zones, inputs, year, metro)
    habit, held, alive = inputs["cars.desire_habit"], households.car, households.alive
    residents = float(zones.residents.sum()) / inputs["population.base_resident_count"]
    waiting = float(inputs.array("plates.waiting_{}_count", POOLS).sum())
    queue = waiting / inputs["cars.application_per_car"] * residents * sample

    def wanted(level: float) -> float:
        return expected_queue(first + level, second + level, held, licence, habit, alive)

    low, high = -FARTHEST, FARTHEST
    most = wanted(high)
    if most < queue:
        expected = f"at most {most:,.0f}, all that licences allow"
        raise InputError(Fault("plates.waiting_*_count", "cars wanted", expected, f"{queue:,.0f}"))
    return float(brentq(lambda level: wanted(level) - queue, low, high, xtol=EXACT))
