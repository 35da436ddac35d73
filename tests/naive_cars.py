"""Slow and obvious twins of the kernels of private cars."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.cars.kernels_turnover import (
    HOUSEHOLD_GONE,
    LEFT_CITY,
    NO_CAR,
    OLDEST_YEAR,
    SCRAPPED,
    SOLD,
    STAYS,
)
from transport_abm.agents.tables import Households, Persons
from transport_abm.agents.vehicles import Cars
from transport_abm.core.draws import Stream, uniform
from transport_abm.core.vocabulary import PersonStatus

F64 = NDArray[np.float64]


def places(cars: Cars) -> list[int]:
    """How many living cars of the same household stand in rows before; -1 for rows not alive."""
    out = []
    for i in range(len(cars)):
        before = [j for j in range(i) if cars.alive[j] and cars.household[j] == cars.household[i]]
        out.append(len(before) if cars.alive[i] else -1)
    return out


def fates(cars: Cars, households: Households, chance: F64, year: int, seed: int) -> list[tuple[int, int]]:
    """Fate and age of each row after a year: first scrapping, then leaving, then being sold, on one draw."""
    out = []
    for i, place in enumerate(places(cars)):
        age, h = int(cars.age[i]), int(cars.household[i])
        if place < 0:
            out.append((NO_CAR, age))
        elif not households.alive[h]:
            out.append((HOUSEHOLD_GONE, age))
        else:
            draw = float(uniform(seed, Stream.SCRAP, households.id[h : h + 1], year, place)[0])
            fate, passed, left = STAYS, 0.0, 1.0
            for k, outcome in enumerate((SCRAPPED, LEFT_CITY, SOLD)):
                part = left * float(chance[cars.powertrain[i], min(age, OLDEST_YEAR), k])
                if passed <= draw < passed + part:
                    fate = outcome
                passed, left = passed + part, left - part
            out.append((fate, min(age + 1, OLDEST_YEAR)))
    return out


def members(persons: Persons, household: int, child_age: float) -> tuple[int, int, int]:
    """Living workers, licence holders and children of one household."""
    own = [i for i in range(len(persons)) if persons.alive[i] and persons.household[i] == household]
    return (
        sum(1 for i in own if persons.status[i] == PersonStatus.WORKER),
        sum(1 for i in own if persons.licence[i]),
        sum(1 for i in own if persons.age[i] < child_age),
    )


def wish(first: float, second: float, u: float, held: int, licence: int, habit: float) -> int:
    """Cars that one household wants."""
    if licence == 0:
        return 0
    taste = math.log(u / (1.0 - u))
    if held == 0:
        wants_one = first + taste > 0
    else:
        wants_one = first + habit > 0 or first + habit + taste > 0
    if not wants_one:
        return 0
    if held == 2:
        return 2 if second + habit + taste > 0 else 1
    return 2 if licence >= 2 and second + taste > 0 else 1


def weibull_survival(age: float, mean_year: float, shape: float) -> float:
    """Share of cars alive at an age, with the scale found by integrating the survival to its mean."""
    low, high = 0.1, 10.0 * mean_year
    for _ in range(80):
        scale = (low + high) / 2
        step = scale / 2000
        mean = sum(math.exp(-(((k + 0.5) * step / scale) ** shape)) * step for k in range(10_000))
        low, high = (scale, high) if mean < mean_year else (low, scale)
    return math.exp(-((age / low) ** shape))
