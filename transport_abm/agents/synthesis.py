"""The synthetic population: household types fitted to margins, rounded zone by zone, written out as rows.

A log-linear seed over household types (composition x income quintile x cars x registration) is raked in each
district to households by size, quintile and cars and to persons by class, sex and registration (hierarchical
fitting: both levels at once). Each zone takes its residents' share of the district's weights;
truncate-replicate-sample (Lovelace and Ballas 2013) turns weight x sample into whole households. Everybody
lives in a household: those of collective dwellings appear as shared rooms of one to six persons.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.fitting import FitReport, fit_table, rake, truncate_replicate_sample
from transport_abm.agents.kernels_synthesis import (
    CAR,
    COMPOSITION,
    N_TYPE,
    NEV,
    QUINTILE,
    REGISTRATION,
    SIZE,
    Composition,
    HouseholdColumns,
    PersonColumns,
    Rates,
    write_rows,
)
from transport_abm.agents.margins import (
    CAR_CLASSES,
    CARS_OF_CLASS,
    EITHER_SEX,
    LAST_AGE_YEAR,
    MARGINS,
    NEV_OF_CLASS,
    QUINTILES,
    Margins,
    district_quantity,
    read_margins,
)
from transport_abm.agents.schools import school_place
from transport_abm.agents.tables import Households, Persons
from transport_abm.core.draws import Stream, stream_key, uniform
from transport_abm.core.errors import InputError
from transport_abm.core.vocabulary import AgeGroup, PersonStatus, Registration, Sex
from transport_abm.networks.city import Districts, Zones
from transport_abm.policy.inputs import YearInputs

F64 = NDArray[np.float64]
I32 = NDArray[np.int32]

CAR_CLASS = N_TYPE
"""Extra column of the type table here: class of cars and their drive."""
KEY_STREAMS = (
    Stream.INCOME, Stream.PARKING, Stream.PERSON, Stream.LICENCE, Stream.E_BIKE, Stream.BICYCLE,
)  # fmt: skip
NO_YEAR = 0
DORMITORY = "YD"
"""Code of the person class that lives in students' dormitories."""
FEWEST_STUDENTS = 0.02
"""Smallest density of campuses relative to the city's: keeps the logarithm of odds finite."""


def synthesise(
    zones: Zones, districts: Districts, inputs: YearInputs, *, sample: float, seed: int
) -> tuple[Households, Persons, FitReport]:
    """Build the population of the base year.

    Parameters
    ----------
    zones
        Zones with their residents.
    districts
        Districts; names of the table of district margins get their own odds, others the city's.
    inputs
        Parameters of the base year.
    sample
        Share of the population to build, above 0 up to 1 [1].
    seed
        Seed of the run.

    Returns
    -------
    Households, Persons, FitReport
        Tables with rows grouped by zone, and the fit of the district weights to their margins.

    Raises
    ------
    InputError
        If the sample or the residents are out of range.

    Notes
    -----
    Margins and parameters: policy/data/margins and policy/data/parameters/population.csv with their sources.
    Persons of a zone differ from residents x sample by less than twice the largest household.
    """
    if not 0 < sample <= 1:
        raise InputError(f"sample: expected above 0 up to 1, got {sample}")
    if not (np.isfinite(zones.residents).all() and zones.residents.min() >= 0 < zones.residents.sum()):
        raise InputError("zones.residents: expected 0 or more in each zone and some in all")
    margins = read_margins()
    kind = type_table(margins)
    use = control_use(margins, kind, inputs)
    weight, report = fit_districts(margins, kind, use, zones, districts, inputs)
    start = uniform(seed, Stream.ROUND, np.arange(len(zones)), NO_YEAR)
    count = truncate_replicate_sample(zone_weight(margins, kind, weight, zones, inputs) * sample, start)
    rates = _rates(margins, kind, weight.sum(axis=0), zones, inputs)
    households, persons = _write(margins, kind, count, rates, seed)
    return households, persons, report


def campus_place(margins: Margins, zones: Zones) -> F64:
    """Places of higher education by zone: what school places exceed those of the residents' pupils."""
    code = margins.classes
    learns = code.status == PersonStatus.STUDENT
    dorm = np.array([name == DORMITORY for name in code.code])
    total = float(zones.residents.sum())
    pupils, students = total * code.share[learns & ~dorm].sum(), total * code.share[dorm].sum()
    return school_place(zones, float(pupils), float(students))[1]


def zone_weight(margins: Margins, kind: I32, weight: F64, zones: Zones, inputs: YearInputs) -> F64:
    """Weights of the types in each zone, shape (zones, types); their persons are the zone's residents.

    Students' dormitories lie where the campuses of the district are; everybody else fills up the residents.
    """
    types = margins.types
    dorm_class = margins.classes.code.index(DORMITORY)
    has = np.add.reduceat(types.person_class == dorm_class, types.indptr[:-1]) > 0
    dorm = has[kind[:, COMPOSITION]]
    persons = weight * kind[:, SIZE]
    district, n = zones.district, len(weight)
    in_dorm, at_home = persons[:, dorm].sum(axis=1), persons[:, ~dorm].sum(axis=1)
    campus = campus_place(margins, zones)
    by_district = np.bincount(district, campus, n)
    share = np.where(by_district[district] > 0, campus, zones.residents)
    share = share / np.maximum(np.bincount(district, share, n), 1e-300)[district]
    room = zones.residents * inputs["population.campus_max_share"]
    there = np.minimum(share * in_dorm[district], room)
    over = np.maximum(in_dorm - np.bincount(district, there, n), 0.0)
    free = room - there
    there += free * (over / np.maximum(np.bincount(district, free, n), 1e-300))[district]
    out = weight[district]
    out[:, dorm] *= (there / np.maximum(in_dorm[district], 1e-300))[:, None]
    out[:, ~dorm] *= ((zones.residents - there) / np.maximum(at_home[district], 1e-300))[:, None]
    return out


def type_table(margins: Margins) -> I32:
    """All household types, neighbours alike: int32 of shape (types, 7).

    Sorted by size, then to and fro by cars, registration and quintile, so that whole stretches of rows stand
    for one category and the systematic rounding keeps their sums within one.
    """
    grid = np.meshgrid(
        np.arange(len(margins.types.members)), np.arange(len(CAR_CLASSES)), np.arange(len(Registration)),
        np.arange(QUINTILES), indexing="ij",
    )  # fmt: skip
    composition, car, registration, quintile = (axis.ravel() for axis in grid)
    size = margins.types.size[composition]
    # A car needs somebody who may drive it; students in shared rooms hold none.
    grown = np.isin(
        margins.classes.age_group, (AgeGroup.YOUTH, AgeGroup.ADULT, AgeGroup.MIDDLE, AgeGroup.SENIOR)
    )
    able = grown & (margins.classes.status != PersonStatus.STUDENT)
    drives = np.add.reduceat(able[margins.types.person_class], margins.types.indptr[:-1]) > 0
    keep = (car == 0) | drives[composition]

    def fro(values: NDArray[Any], turn: NDArray[Any]) -> NDArray[Any]:
        return np.where(turn % 2 == 0, values, -values)

    order = np.lexsort(
        (
            composition,
            fro(quintile, registration + car + size),
            fro(registration, car + size),
            fro(car, size),
            size,
        )
    )
    order = order[keep[order]]
    table = np.empty((len(order), N_TYPE + 1), np.int32)
    table[:, COMPOSITION], table[:, SIZE] = composition[order], size[order]
    table[:, CAR], table[:, NEV] = np.take(CARS_OF_CLASS, car[order]), np.take(NEV_OF_CLASS, car[order])
    table[:, REGISTRATION], table[:, QUINTILE], table[:, CAR_CLASS] = (
        registration[order],
        quintile[order],
        car[order],
    )
    return table


def control_names(margins: Margins) -> tuple[str, ...]:
    """Names of the controls, in the order of `control_use`."""
    names = [f"person class {code}" for code in margins.classes.code]
    for margin, categories in MARGINS.items():
        names += [f"{margin} {category}" for category in categories]
    return tuple(names)


def control_use(margins: Margins, kind: I32, inputs: YearInputs) -> F64:
    """What one household of each type adds to each control: shape (types, controls)."""
    types, male = margins.types, inputs["population.either_male_share"]
    n = len(types.members)
    by_class, by_sex = np.zeros((n, len(margins.classes.code))), np.zeros((n, len(Sex)))
    for c in range(n):
        for m in range(types.indptr[c], types.indptr[c + 1]):
            by_class[c, types.person_class[m]] += 1
            men = male if types.sex[m] == EITHER_SEX else float(types.sex[m] == Sex.MALE)
            by_sex[c] += [1 - men, men]
    size = kind[:, SIZE]
    one = {
        "size": np.eye(len(MARGINS["size"]))[size - 1],
        "sex": by_sex[kind[:, COMPOSITION]],
        "income": np.eye(QUINTILES)[kind[:, QUINTILE]],
        "registration": np.eye(len(Registration))[kind[:, REGISTRATION]] * size[:, None],
        "car": np.eye(len(CAR_CLASSES))[kind[:, CAR_CLASS]],
    }
    return np.concatenate([by_class[kind[:, COMPOSITION]], *(one[margin] for margin in MARGINS)], axis=1)


def seed_weight(margins: Margins, kind: I32, use: F64, inputs: YearInputs) -> F64:
    """Log-linear seed of the type weights, before any margin is met."""

    def value(name: str) -> float:
        return inputs[f"population.seed_{name}"]

    code = margins.classes
    size = kind[:, SIZE].astype(np.float64)
    persons = use[:, : len(code.code)]
    working = persons[:, code.status == PersonStatus.WORKER].sum(axis=1) / size
    young = persons[:, code.age_group <= AgeGroup.PUPIL].sum(axis=1) > 0
    senior = persons[:, code.age_group == AgeGroup.SENIOR].sum(axis=1) > 0
    shared = margins.types.shared[kind[:, COMPOSITION]]
    quintile = kind[:, QUINTILE] - (QUINTILES - 1) / 2
    registration, car = kind[:, REGISTRATION], kind[:, CAR]
    other = registration == Registration.OTHER
    permit = registration == Registration.PERMIT
    log = np.log(margins.types.share[kind[:, COMPOSITION]])
    log += other * (value("other_shared") * shared + value("other_senior") * senior)
    log += permit * (value("permit_shared") * shared + value("permit_senior") * senior)
    log += quintile * (value("income_working") * (working - 0.5) + value("income_shared") * shared)
    log += quintile * (value("income_other") * other)
    has = car > 0
    log += has * (
        value("car_income") * quintile + value("car_size") * (size - 2) + value("car_child") * young
        + value("car_other") * other + value("car_permit") * permit + value("car_shared") * shared
    )  # fmt: skip
    log += (car > 1) * (value("two_car_income") * quintile + value("two_car_size") * (size - 2))
    log += (kind[:, NEV] > 0) * value("nev_income") * quintile
    return np.asarray(np.exp(log))


def district_targets(margins: Margins, residents: F64, campus: F64, names: tuple[str, ...]) -> F64:
    """Targets of every control in every district; over the city they sum to the city's shares.

    Parameters
    ----------
    margins
        Margins of the city and relative odds of districts.
    residents
        Residents by district [persons].
    campus
        Places of higher education by district [persons].
    names
        Names of the districts.

    Returns
    -------
    NDArray[np.float64]
        Shape (districts, controls).
    """

    def split(total: F64, share: F64, log_odds: F64) -> F64:
        """Table of districts by categories with both margins met and given relative odds."""
        if not (total > 0).all():
            some = total > 0
            out = np.zeros((len(total), len(share)))
            out[some] = split(total[some], share, log_odds[some])
            return out
        seed = share[None, :] * np.exp(log_odds)
        return fit_table(seed, [((0,), total), ((1,), total.sum() * share)])

    def odds(quantity: str) -> F64:
        return np.log(district_quantity(margins, names, quantity, 1.0))

    city = margins.city
    household = residents / float(city["size"] @ np.arange(1, len(city["size"]) + 1))
    senior = (margins.classes.age_group == AgeGroup.SENIOR).astype(np.float64)
    non_local = district_quantity(margins, names, "non_local_index", float(1 - city["registration"][0]))
    away = (np.arange(len(Registration)) != Registration.LOCAL).astype(np.float64)
    rank = np.arange(QUINTILES) - (QUINTILES - 1) / 2
    parts = {
        "size": household[:, None] * city["size"],
        "sex": residents[:, None] * city["sex"],
        "income": split(household, city["income"], np.outer(odds("income_index"), rank)),
        "registration": split(
            residents, city["registration"], np.outer(np.log(non_local / (1 - non_local)), away)
        ),
        "car": split(
            household, city["car"], np.outer(odds("car_index"), np.array(CARS_OF_CLASS, np.float64))
        ),
    }
    # Students of dormitories live where the campuses are; a district without one keeps a few.
    dorm = np.array([code == DORMITORY for code in margins.classes.code], np.float64)
    density = campus / np.maximum(residents, 1e-300) * (residents.sum() / max(campus.sum(), 1e-300))
    by_campus = np.log(np.maximum(density, FEWEST_STUDENTS))
    log_odds = np.outer(odds("senior_index"), senior) + np.outer(by_campus, dorm)
    persons = split(residents, margins.classes.share, log_odds)
    return np.concatenate([persons, *(parts[margin] for margin in MARGINS)], axis=1)


def fit_districts(
    margins: Margins, kind: I32, use: F64, zones: Zones, districts: Districts, inputs: YearInputs
) -> tuple[F64, FitReport]:
    """Weights of the types in each district, shape (districts, types), and how they fit."""
    residents: F64 = np.bincount(zones.district, zones.residents, len(districts.name_en)).astype(np.float64)
    campus = np.bincount(zones.district, campus_place(margins, zones), len(residents)).astype(np.float64)
    target = district_targets(margins, residents, campus, districts.name_en)
    seed = seed_weight(margins, kind, use, inputs)
    city = rake(seed / seed.sum() * target[:, -len(CAR_CLASSES) :].sum(), use, target.sum(axis=0))
    weight = np.zeros((len(residents), len(kind)))
    steps = city.steps
    for d in np.flatnonzero(residents > 0):
        # Start from the city's weights: a district is a small step away.
        fitted = rake(city.weight * residents[d] / residents.sum(), use, target[d])
        weight[d] = fitted.weight
        steps = max(steps, fitted.steps)
    names = tuple(f"{d}: {c}" for d in districts.name_en for c in control_names(margins))
    return weight, FitReport(names, target.ravel(), (weight @ use).ravel(), steps)


def _by_ring(zones: Zones, inputs: YearInputs, path: str) -> F64:
    """A parameter with one value within the 3rd ring, one within the 5th and one beyond, by zone."""
    value = inputs.array(f"population.{path}_{{}}", ("within_3rd_ring", "within_5th_ring", "beyond_5th_ring"))
    return value[np.where(zones.ring <= 3, 0, np.where(zones.ring <= 5, 1, 2))]


def _rates(margins: Margins, kind: I32, weight: F64, zones: Zones, inputs: YearInputs) -> Rates:
    """Chances and amounts from the parameters, with the income and licence levels solved."""
    ratio = inputs.array("population.income_ratio_q{}", [str(k + 1) for k in range(QUINTILES)])
    people = weight * kind[:, SIZE]
    mean = inputs["population.income_cny"]
    level = float(people @ ratio[kind[:, QUINTILE]] / people.sum())
    e_bike = _by_ring(zones, inputs, "e_bike_share")
    bicycle = np.full(len(zones), inputs["population.bicycle_share"])
    with_car = np.array([1.0, inputs["population.e_bike_car_factor"]])
    parking = np.stack(
        [
            np.full(len(zones), inputs["population.parking_no_car_share"]),
            _by_ring(zones, inputs, "parking_share"),
        ],
        axis=1,
    )
    return Rates(
        male_share=inputs["population.either_male_share"],
        income_cny=mean * ratio / level,
        income_spread=inputs["population.income_spread"],
        vot_low_cny=mean * inputs["population.vot_low_ratio"],
        vot_high_cny=mean * inputs["population.vot_high_ratio"],
        licence=licence_chance(margins, kind, weight, inputs),
        licence_min_year=int(inputs["population.licence_min_year"]),
        licence_max_year=int(inputs["population.licence_max_year"]),
        parking=parking,
        e_bike=e_bike[:, None] * with_car,
        bicycle=np.repeat(bicycle[:, None], 2, axis=1),
        rider_min_year=int(inputs["population.rider_min_year"]),
        rider_max_year=int(inputs["population.rider_max_year"]),
    )


def licence_chance(margins: Margins, kind: I32, weight: F64, inputs: YearInputs) -> F64:
    """Chance of a licence by age, sex, car and quintile, at the level that gives the published share.

    Logit in sex, age group, car and income; the constant is solved by bisection on the expected number, which
    counts that one able member of each household with a car drives.
    """
    age = np.arange(LAST_AGE_YEAR + 1)
    may = (age >= inputs["population.licence_min_year"]) & (age <= inputs["population.licence_max_year"])
    group = inputs.array("population.licence_{}", ("youth", "adult", "middle", "senior"))
    by_age = group[np.searchsorted([25, 45, 60], age, side="right")]
    rank = np.arange(QUINTILES) - (QUINTILES - 1) / 2
    log_odds = (
        by_age[:, None, None, None]
        + inputs["population.licence_male"] * np.arange(2)[:, None, None]
        + inputs["population.licence_car"] * np.arange(2)[:, None]
        + inputs["population.licence_income"] * rank
    )
    types = margins.types
    chance_of_age = np.diff(margins.classes.age_chance, axis=1, prepend=0.0)
    men = np.where(types.sex == EITHER_SEX, inputs["population.either_male_share"], types.sex == Sex.MALE)
    unable = 1 - (chance_of_age @ may)[types.person_class]
    demand = np.zeros((len(types.members), 2, QUINTILES))
    np.add.at(demand, (kind[:, COMPOSITION], np.minimum(kind[:, CAR], 1), kind[:, QUINTILE]), weight)
    no_able = np.multiply.reduceat(unable, types.indptr[:-1])
    wanted = inputs["population.licence_share"] * float(weight @ kind[:, SIZE])

    def chance(constant: float) -> F64:
        return np.asarray(may[:, None, None, None] / (1 + np.exp(-(constant + log_odds))))

    def expected(constant: float) -> float:
        by_class = np.einsum("ca,asbq->csbq", chance_of_age, chance(constant))[types.person_class]
        member = by_class[:, 0] * (1 - men)[:, None, None] + by_class[:, 1] * men[:, None, None]
        holders = np.add.reduceat(member, types.indptr[:-1], axis=0)
        nobody = np.multiply.reduceat(1 - member, types.indptr[:-1], axis=0)
        holders[:, 1] += nobody[:, 1] - no_able[:, None]
        return float((demand * holders).sum())

    low, high = -12.0, 12.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if expected(middle) < wanted else (low, middle)
    return chance(low)


def _write(margins: Margins, kind: I32, count: I32, rates: Rates, seed: int) -> tuple[Households, Persons]:
    """The tables, filled zone by zone."""
    by_zone = count.sum(axis=1, dtype=np.int64)
    people = count.astype(np.int64) @ kind[:, SIZE].astype(np.int64)
    start = np.stack([np.cumsum(by_zone) - by_zone, np.cumsum(people) - people])
    households, persons = Households.build(int(by_zone.sum())), Persons.build(int(people.sum()))
    classes, types = margins.classes, margins.types
    write_rows(
        count, start, np.ascontiguousarray(kind[:, :N_TYPE]),
        Composition(types.indptr, types.person_class, types.sex, classes.status, classes.age_chance),
        rates,
        np.array([stream_key(seed, stream, NO_YEAR) for stream in KEY_STREAMS], np.uint64),
        HouseholdColumns(*(households.column(name) for name in HouseholdColumns._fields)),
        PersonColumns(*(persons.column(name) for name in PersonColumns._fields)),
    )  # fmt: skip
    return households, persons
