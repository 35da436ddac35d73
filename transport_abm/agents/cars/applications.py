"""Applications for plates: who waits at the end of 2020, who applies, changes the pool or leaves in a year.

    room = min(cars wanted, adults with a licence) - cars held - plates held

A household has as many individual applications as there is room, each of another adult with a licence, or
since 2021 one of the family if it has no car. The pool is a binary logit on the value of each kind of plate,

    P(new-energy) = 1 / (1 + exp(-scale (V_new_energy - V_ordinary) - constant)),

against a lasting draw of each person or household, which also decides who waits in which pool at first.
Simplified: cars are in the names of different adults with a licence, whoever they are; families keep their
members while they wait, but for those born, dead or moved.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.cars.kernels_plates import find_members, keep_first
from transport_abm.agents.cars.plate_rules import (
    POOLS,
    family_score,
    ladder,
    read_history,
    read_quota,
    round_lots,
    score_growth,
    smallest,
)
from transport_abm.agents.cars.pool_choice import prefers_new_energy
from transport_abm.agents.tables import Households, Persons
from transport_abm.agents.vehicles import Applicants, Cars
from transport_abm.core.draws import Stream, uniform
from transport_abm.core.errors import Fault, InputError
from transport_abm.core.vocabulary import ApplicantKind, PlateKind, Registration
from transport_abm.policy.inputs import YearInputs

Bool = NDArray[np.bool_]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
I16 = NDArray[np.int16]
I32 = NDArray[np.int32]

FAMILY, INDIVIDUAL, UNIT = ApplicantKind.FAMILY, ApplicantKind.INDIVIDUAL, ApplicantKind.UNIT
ORDINARY, NEW_ENERGY = PlateKind.ORDINARY, PlateKind.NEW_ENERGY
NOBODY = -1

K_ELIGIBLE, K_TOGETHER, K_APPLY, K_SINCE, K_LOT, K_UNIT, K_RECONSIDER = range(10, 17)
"""Draws of the stream of applications; smaller ones are times of application."""


@dataclass(frozen=True)
class Members:
    """What the members of each household allow; shapes (households,)."""

    driver: I32
    """First two adults with a licence, shape (households, 2), -1 for none."""
    size: I16
    adults: I16
    """Adults with a licence."""
    generation: I16
    couple: Bool
    """Whether the main applicant has another adult of the generation."""
    eligible: Bool
    """Whether the members qualify: local, with a permit, or long enough in the city."""


def _members(households: Households, persons: Persons, inputs: YearInputs, seed: int) -> Members:
    """Look at the members of all households."""
    n = len(households)
    driver, count = np.empty((n, 2), np.int32), np.empty((n, 4), np.int16)
    find_members(
        persons.household, persons.age, persons.licence, persons.alive,
        int(inputs["plates.adult_year"]), inputs["plates.generation_gap_year"], driver, count,
    )  # fmt: skip
    u = uniform(seed, Stream.APPLICATION, households.id, 0, K_ELIGIBLE)
    other = households.registration == Registration.OTHER
    eligible = households.alive & (~other | (u < inputs["plates.other_eligible_share"]))
    return Members(driver, count[:, 0], count[:, 1], count[:, 2], count[:, 3] > 1, eligible)


def _check_lengths(households: Households, **columns: NDArray[np.generic]) -> None:
    """One value, or one row of values, for each household."""
    n = len(households)
    faults = [
        Fault("plates", name, f"{n} values, one a household", f"{values.shape[0]}")
        for name, values in columns.items()
        if values.shape[0] != n
    ]
    if faults:
        raise InputError(faults)


def build_applicants(
    households: Households,
    persons: Persons,
    cars: Cars,
    wanted: NDArray[np.int8],
    inputs: YearInputs,
    *,
    seed: int,
    sample: float,
) -> Applicants:
    """Those who wait for a plate, or hold an unused one, at the end of the base year.

    Parameters
    ----------
    households, persons
        The people.
    cars
        Their cars (`households.car` counts them).
    wanted
        Cars wanted, one number a household.
    inputs
        Parameters of the base year.
    seed
        Seed of the run.
    sample
        Share of the city's people in the table [1].

    Returns
    -------
    Applicants
        Individuals and units; families apply from 2021 on.

    Notes
    -----
    Taken from those who want a car they do not hold and qualify, then from others who want one; if there are
    fewer than the published lists name, the list of ordinary plates is shorter. Years of application follow
    from past lists and quotas (`History.survivors`). Rounds before 2021 are counted in rounds of the rule of
    2021, as both give one step of the ladder a year.
    """
    _check_lengths(households, wanted=wanted)
    members = _members(households, persons, inputs, seed)
    room = np.minimum(wanted, members.adults) - households.car
    room = np.where(households.alive, room, 0).clip(0, 2)
    first = np.flatnonzero(room > 0)
    second = np.flatnonzero(room > 1)
    home = np.concatenate((first, second))
    # Adults in whose name no car is: the first after as many as there are cars.
    place = np.concatenate((households.car[first].clip(0, 1), np.ones(len(second), np.int64)))
    person = members.driver[home, place]
    taste = uniform(seed, Stream.POOL, persons.id[person], 0, int(INDIVIDUAL))
    target = inputs.array("plates.waiting_{}_count", POOLS) * sample
    personal = inputs.array("plates.{}_personal_share", POOLS)
    held = read_history().quota[-1] * personal * inputs["plates.unused_share"] * sample
    u = float(uniform(seed, Stream.POOL, np.array([0]), 0, K_UNIT)[0])
    new_held, old_held, new, old = round_lots(
        np.array([held[NEW_ENERGY], held[ORDINARY], target[NEW_ENERGY], target[ORDINARY]]), u
    )
    lot = uniform(seed, Stream.APPLICATION, persons.id[person], 0, K_LOT)
    chosen = smallest(lot + ~members.eligible[home], int(new_held + old_held + new + old))
    home, person, lot = home[chosen], person[chosen], lot[chosen]
    green = np.zeros(len(home), np.bool_)
    green[smallest(taste[chosen], int(new_held + new))] = True
    won = np.zeros(len(home), np.bool_)
    for rows, n in ((np.flatnonzero(green), new_held), (np.flatnonzero(~green), old_held)):
        won[rows[smallest(lot[rows], int(n))]] = True
    applicants = Applicants.build(
        len(home), household=home.astype(np.int32), person=person, kind=np.int8(INDIVIDUAL),
        pool=np.where(green, NEW_ENERGY, ORDINARY).astype(np.int8), address=persons.id[person],
        won_year=np.where(won, inputs.year, 0).astype(np.int16),
    )  # fmt: skip
    _date(applicants, inputs, seed)
    add_units(applicants, inputs, year=inputs.year, seed=seed, sample=sample)
    return applicants


def _date(applicants: Applicants, inputs: YearInputs, seed: int) -> None:
    """Years of application and rounds lost of the first pools."""
    history = read_history()
    per_year = inputs["plates.round_year_count"]
    for pool in POOLS:
        left = history.survivors(pool, inputs["plates.exit_share"])
        edge = np.cumsum(left) / left.sum()
        rows = np.flatnonzero(applicants.pool == pool)
        u = uniform(seed, Stream.APPLICATION, applicants.address[rows], 0, K_SINCE)
        k = np.searchsorted(edge, u, side="right").clip(0, len(left) - 1)
        applicants.since_year[rows] = history.year[k]
        if pool == ORDINARY:  # rounds of the year of application: all after a time spread over the year
            within = np.clip((edge[k] - u) * left.sum() / left[k], 0.0, 1.0)
            rounds = per_year * (history.year[-1] - history.year[k]) + np.floor(per_year * within)
            applicants.round_count[rows] = rounds.astype(np.int16)


def add_units(applicants: Applicants, inputs: YearInputs, *, year: int, seed: int, sample: float) -> None:
    """Let units apply, so that their lists keep their size.

    Parameters
    ----------
    applicants
        Applications; units are added at the end.
    inputs
        Parameters of the year.
    year
        Year in which they apply.
    seed
        Seed of the run.
    sample
        Share of the city in the table [1].
    """
    size = inputs.array("plates.waiting_{}_unit_count", POOLS) * sample
    u = float(uniform(seed, Stream.POOL, np.array([1]), 0, K_UNIT)[0])
    here = np.bincount(applicants.pool[_rows(applicants, UNIT)], minlength=len(POOLS))
    for pool, wanted in zip(POOLS, round_lots(size, u), strict=True):
        n = max(int(wanted - here[pool]), 0)
        new = applicants.append(n, kind=np.int8(UNIT), pool=np.int8(pool), since_year=np.int16(year))
        # Addressed by year and place in it, so that every scenario has the same units.
        applicants.address[new] = np.arange(n) + (year * len(POOLS) + pool) * UNITS_YEAR


UNITS_YEAR = 2**32
"""Identities of units count from (year, pool) x 2**32."""


def update_applicants(
    applicants: Applicants,
    households: Households,
    persons: Persons,
    cars: Cars,
    wanted: NDArray[np.int8],
    pool_value: F64,
    inputs: YearInputs,
    *,
    year: int,
    seed: int,
) -> None:
    """Carry the applications from the end of the year before to the lottery of a year.

    Parameters
    ----------
    applicants
        Applications, changed in place.
    households, persons
        The people; `households.car` counts cars in use and those about to be replaced on a kept plate.
    cars
        Their cars.
    wanted
        Cars wanted, one number a household.
    pool_value
        Value of an ordinary and of a new-energy plate, shape (households, 2).
    inputs
        Parameters of the year.
    year
        Simulated year.
    seed
        Seed of the run.

    Raises
    ------
    InputError
        If `wanted` or `pool_value` do not fit the households.
    """
    _check_lengths(households, wanted=wanted, pool_value=pool_value)
    members = _members(households, persons, inputs, seed)
    _close(applicants, households, persons, year)
    taken = _homes(applicants, applicants.won_year != 0, len(households))
    room = np.minimum(wanted, members.adults) - households.car - taken
    room = np.where(households.alive, room, 0).clip(0, 2).astype(np.int16)
    _leave(applicants, households, members, room, inputs)
    _grow(applicants, members, inputs)
    whole = np.zeros(len(households), np.bool_)
    if read_quota(inputs).families:
        free = (households.car == 0) & (taken == 0) & (room > 0)
        whole = _join(applicants, households, members, free, pool_value, inputs, year, seed)
    _reconsider(applicants, pool_value, inputs, year, seed)
    _apply(applicants, households, persons, members, np.where(whole, 0, room), pool_value, inputs, year, seed)


def _rows(applicants: Applicants, kind: ApplicantKind) -> I64:
    """Rows of one kind that wait."""
    return np.flatnonzero(applicants.alive & (applicants.won_year == 0) & (applicants.kind == kind))


def _homes(applicants: Applicants, where: Bool, n: int) -> I16:
    """Applicants of each household among some."""
    mine = where & applicants.alive & (applicants.kind != UNIT) & (applicants.household >= 0)
    return np.bincount(applicants.household[mine], minlength=n).astype(np.int16)


def _close(applicants: Applicants, households: Households, persons: Persons, year: int) -> None:
    """End the applications of the dead and departed; their unused plates expire. Others move along."""
    rows = np.flatnonzero(applicants.alive & (applicants.kind == INDIVIDUAL))
    person = applicants.person[rows]
    lost = person < 0
    lost |= ~persons.alive[person]
    applicants.household[rows[~lost]] = persons.household[person[~lost]]
    gone = np.zeros(len(applicants), np.bool_)
    gone[rows[lost]] = True
    rows = np.flatnonzero(applicants.alive & (applicants.kind != UNIT))
    home = applicants.household[rows]
    gone[rows[(home < 0) | ~households.alive[home]]] = True
    applicants.alive[gone & (applicants.won_year == 0)] = False
    applicants.won_year[gone & (applicants.won_year > 0)] = -year


def _leave(
    applicants: Applicants, households: Households, members: Members, room: I16, inputs: YearInputs
) -> None:
    """Take back applications of those who want no more cars, and of families that have one or are no more."""
    rows = _rows(applicants, FAMILY)
    home = applicants.household[rows]
    stays = (room[home] > 0) & (households.car[home] == 0) & (members.adults[home] > 0)
    stays &= members.size[home] >= inputs["plates.family_size_min"]
    applicants.alive[rows[~stays]] = False
    rows = _rows(applicants, INDIVIDUAL)
    kept = np.empty(len(rows), np.bool_)
    keep_first(rows, applicants.household, room.copy(), kept)
    applicants.alive[rows[~kept]] = False


def _grow(applicants: Applicants, members: Members, inputs: YearInputs) -> None:
    """Give families their points for another year."""
    rows = _rows(applicants, FAMILY)
    home = applicants.household[rows]
    growth = score_growth(members.size[home], members.generation[home], members.couple[home], inputs)
    applicants.score[rows] += growth.astype(np.float32)


def _reconsider(applicants: Applicants, pool_value: F64, inputs: YearInputs, year: int, seed: int) -> None:
    """Some of those who wait choose again; individuals who change lose their place, families keep points."""
    for kind in (FAMILY, INDIVIDUAL):
        rows = _rows(applicants, kind)
        u = uniform(seed, Stream.APPLICATION, applicants.address[rows], year, K_RECONSIDER + int(kind))
        rows = rows[u < inputs["plates.reconsider_share"]]
        value = pool_value[applicants.household[rows]]
        pool = prefers_new_energy(applicants.address[rows], kind, value, inputs, seed)
        changes = pool != applicants.pool[rows]
        applicants.pool[rows[changes]] = pool[changes]
        if kind == INDIVIDUAL:
            applicants.since_year[rows[changes]] = year
            applicants.round_count[rows[changes]] = 0


def _join(
    applicants: Applicants,
    households: Households,
    members: Members,
    free: Bool,
    pool_value: F64,
    inputs: YearInputs,
    year: int,
    seed: int,
) -> Bool:
    """Turn the applications of members into one of their family, and let new families apply.

    Returns which households have a family application.
    """  # fmt: skip
    n = len(households)
    already = np.zeros(n, np.bool_)
    already[applicants.household[_rows(applicants, FAMILY)]] = True
    u = uniform(seed, Stream.APPLICATION, households.id, 0, K_TOGETHER)
    can = free & ~already & (members.size >= inputs["plates.family_size_min"]) & (members.adults > 0)
    can &= u < inputs["plates.family_apply_share"]
    rows = _rows(applicants, INDIVIDUAL)
    rows = rows[can[applicants.household[rows]]]
    home = applicants.household[rows]
    main, first, place = np.unique(home, return_index=True, return_inverse=True)
    waited = np.where(
        applicants.pool[rows] == ORDINARY,
        ladder(applicants.round_count[rows], inputs),
        year - applicants.since_year[rows],
    )
    leads = np.zeros(len(rows), np.bool_)
    leads[first] = True
    head = np.bincount(place, np.where(leads | members.couple[home], waited, 0.0), minlength=len(main))
    rest = np.bincount(place, np.where(leads | members.couple[home], 0.0, waited), minlength=len(main))
    since = np.full(len(main), year, np.int16)
    np.minimum.at(since, place, applicants.since_year[rows])
    kept = rows[first]
    applicants.alive[rows[~leads]] = False
    applicants.kind[kept], applicants.person[kept], applicants.round_count[kept] = FAMILY, NOBODY, 0
    applicants.since_year[kept] = since
    fresh = can & members.eligible
    fresh[main] = False
    u = uniform(seed, Stream.APPLICATION, households.id, year, K_APPLY)
    new = np.flatnonzero(fresh & (u < inputs["plates.apply_share"])).astype(np.int32)
    added = applicants.append(len(new), household=new, kind=np.int8(FAMILY), since_year=np.int16(year))
    rows = np.concatenate((kept, np.arange(added.start, added.stop)))
    home = applicants.household[rows]
    none = np.zeros(len(new))
    score = family_score(
        members.size[home], members.generation[home], members.couple[home],
        np.concatenate((head, none)), np.concatenate((rest, none)), inputs,
    )  # fmt: skip
    applicants.score[rows] = score.astype(np.float32)
    applicants.address[rows] = households.id[home]
    applicants.pool[rows] = prefers_new_energy(households.id[home], FAMILY, pool_value[home], inputs, seed)
    already[home] = True
    return already


def _apply(
    applicants: Applicants,
    households: Households,
    persons: Persons,
    members: Members,
    room: I16,
    pool_value: F64,
    inputs: YearInputs,
    year: int,
    seed: int,
) -> None:
    """New applications of individuals, each an adult with a licence who has none, in whose name no car is."""  # fmt: skip
    n = len(households)
    rows = np.flatnonzero(applicants.alive & (applicants.kind == INDIVIDUAL))
    other = np.full(n, NOBODY, np.int32)
    other[applicants.household[rows]] = applicants.person[rows]
    left = room - _homes(applicants, applicants.won_year == 0, n)
    left = np.where(members.eligible, left, 0)
    single, both = np.flatnonzero(left > 0), np.flatnonzero(left > 1)
    # The car, if any, is in the name of the one who does not apply.
    place = (households.car[single] > 0) | (members.driver[single, 0] == other[single])
    place &= members.driver[single, 1] != other[single]
    home = np.concatenate((single, both)).astype(np.int32)
    person = members.driver[home, np.concatenate((place, np.ones(len(both), np.bool_))).astype(np.int64)]
    u = uniform(seed, Stream.APPLICATION, persons.id[person], year, K_APPLY)
    applies = (u < inputs["plates.apply_share"]) & (person >= 0)
    home, person = home[applies], person[applies]
    order = np.lexsort((person, home))
    home, person = home[order], person[order]
    address = persons.id[person]
    applicants.append(
        len(home), household=home, person=person, kind=np.int8(INDIVIDUAL), address=address,
        since_year=np.int16(year),
        pool=prefers_new_energy(address, INDIVIDUAL, pool_value[home], inputs, seed),
    )  # fmt: skip
