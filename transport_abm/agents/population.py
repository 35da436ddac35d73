"""The population from year to year: people age, die, are born, change status, come, leave, move and house.

    persons(t) = persons(t - 1) + births + moved in - deaths - moved out

Deaths follow a Gompertz hazard whose level meets the published death rate; births meet the published birth
rate. Migration closes the gap to the published total of residents: non-local households without a car leave
with a yearly chance, and arriving households are drawn as copies of non-local ones (a hot deck). Nobody's
identity is given again; the dead and departed stay as rows that are not alive. Marriages are left out: new
households are those of young adults who leave home alone, and of arrivals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.tables import ID_YEAR, Households, Persons
from transport_abm.core.columns import Table
from transport_abm.core.draws import Stream, uniform
from transport_abm.core.errors import ConservationError
from transport_abm.core.vocabulary import PersonStatus, Registration, Sex
from transport_abm.networks.city import Zones
from transport_abm.policy.inputs import YearInputs

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

NOWHERE = -1
OLDEST_YEAR = 120
PER_THOUSAND = 1e-3
MAX_ROUNDS = 100


@dataclass(frozen=True)
class PopulationChange:
    """Mass balance of one year, in rows (multiply by 1 / sample for persons)."""

    year: int
    before: int
    births: int
    deaths: int
    moved_in: int
    moved_out: int
    after: int
    target: int
    """Rows that the published total asks for."""
    moved: int
    """Persons in households that changed their zone."""
    new_households: int
    cars_lost: int
    """Cars of households that left or died out."""


def update_population(
    households: Households,
    persons: Persons,
    zones: Zones,
    inputs: YearInputs,
    *,
    year: int,
    seed: int,
    sample: float,
) -> PopulationChange:
    """Carry the population from the end of the year before into a year.

    Parameters
    ----------
    households, persons
        The people; changed in place, with new rows at the end.
    zones
        Zones with their residents of the base year.
    inputs
        Parameters of the year.
    year
        Simulated year, after the base year.
    seed
        Seed of the run.
    sample
        Share of the population simulated [1].

    Returns
    -------
    PopulationChange
        The balance of the year.

    Raises
    ------
    ConservationError
        If the balance does not close.

    Notes
    -----
    Workers and students who moved or are new have no work place or school until `allocate_workplaces`.
    """
    before = int(persons.alive.sum())
    held = _cars(households)
    target = round(
        sample * float(zones.residents.sum()) * inputs["population.resident_count"]
        / inputs["population.base_resident_count"]
    )  # fmt: skip
    first_household = len(households)
    persons.age[persons.alive] = np.minimum(persons.age[persons.alive] + 1, OLDEST_YEAR)
    deaths = _die(persons, inputs, year, seed)
    _change_status(persons, inputs, year, seed)
    births = _bear(persons, inputs, year, seed, before)
    _count_members(households, persons)
    moved_out = _leave_city(households, persons, inputs, year, seed, target)
    _count_members(households, persons)
    moved_in = _come(households, persons, target - int(persons.alive.sum()), year, seed)
    _leave_home(households, persons, zones, inputs, year, seed)
    _count_members(households, persons)
    moved = _move(households, persons, zones, inputs, year, seed)
    _scale_income(households, inputs)
    after = int(persons.alive.sum())
    if after != before + births + moved_in - deaths - moved_out:
        flows = f"{births} born + {moved_in} in - {deaths} dead - {moved_out} out"
        raise ConservationError(f"persons {year}: {before} + {flows} != {after}")
    return PopulationChange(
        year, before, births, deaths, moved_in, moved_out, after, target, moved,
        len(households) - first_household, held - _cars(households),
    )  # fmt: skip


def _cars(households: Households) -> int:
    """Cars of living households."""
    return int(households.car[households.alive].sum(dtype=np.int64))


def _new_ids(table: Table, n: int, year: int) -> I64:
    """Identities of newcomers: counted within the year, after those already given in it."""
    first = year * ID_YEAR
    last = int(table.id[-1]) if len(table) else -1
    return np.arange(n, dtype=np.int64) + max(first, last + 1)


def _die(persons: Persons, inputs: YearInputs, year: int, seed: int) -> int:
    """Deaths by age, at the published rate in expectation."""
    slope, modal = inputs["population.death_slope"], inputs["population.death_modal_year"]
    rows = np.flatnonzero(persons.alive)
    count = np.bincount(persons.age[rows], minlength=OLDEST_YEAR + 1)
    hazard = slope * np.exp(slope * (np.arange(OLDEST_YEAR + 1) - modal))
    wanted = inputs["population.death_rate"] * PER_THOUSAND * len(rows)
    low, high = 0.0, 1e3
    for _ in range(80):
        level = (low + high) / 2
        low, high = (level, high) if count @ -np.expm1(-level * hazard) < wanted else (low, level)
    chance = -np.expm1(-low * hazard)
    dies = uniform(seed, Stream.DEATH, persons.id[rows], year) < chance[persons.age[rows]]
    persons.alive[rows[dies]] = False
    return int(dies.sum())


def _change_status(persons: Persons, inputs: YearInputs, year: int, seed: int) -> None:
    """Children go to school, students to work, workers retire; some learn to drive."""
    age, status, alive = persons.age, persons.status, persons.alive
    status[alive & (status == PersonStatus.CHILD) & (age >= inputs["population.school_age_year"])] = (
        PersonStatus.STUDENT
    )
    grown = age >= inputs["school.student_min_year"]
    rows = np.flatnonzero(alive & (status == PersonStatus.STUDENT) & grown)
    lot = uniform(seed, Stream.PERSON, persons.id[rows], year, K_STUDY)
    goes_on = lot < inputs["population.study_stay_share"]
    rows = rows[~goes_on | (age[rows] >= inputs["population.study_end_year"])]
    works = uniform(seed, Stream.PERSON, persons.id[rows], year, K_WORK)
    status[rows] = np.where(
        works < inputs["population.worker_share_after_study"], PersonStatus.WORKER, PersonStatus.OTHER_ADULT
    )
    persons.school_zone[rows] = NOWHERE
    by_sex = inputs.array("population.retire_{}_year", (Sex.FEMALE, Sex.MALE))
    limit = by_sex[persons.sex]
    due = alive & (age >= limit)
    status[due & (status == PersonStatus.OTHER_ADULT)] = PersonStatus.RETIRED
    rows = np.flatnonzero(due & (status == PersonStatus.WORKER))
    at_limit, later = inputs["population.retire_share"], inputs["population.retire_late_share"]
    chance = np.where(age[rows] < limit[rows] + 1, at_limit, later)
    rows = rows[uniform(seed, Stream.RETIREMENT, persons.id[rows], year) < chance]
    status[rows] = PersonStatus.RETIRED
    persons.work_zone[rows] = NOWHERE
    grown = alive & ~persons.licence & (age >= inputs["population.licence_min_year"])
    young = age < YOUNG_DRIVER_YEAR
    rows = np.flatnonzero(grown & (age < LATE_DRIVER_YEAR))
    chance = np.where(
        young[rows], inputs["population.licence_hazard_youth"], inputs["population.licence_hazard_adult"]
    )
    persons.licence[rows] = uniform(seed, Stream.LICENCE, persons.id[rows], year) < chance
    persons.licence[alive & (age > inputs["population.licence_max_year"])] = False


K_STUDY, K_WORK = 0, 1
YOUNG_DRIVER_YEAR, LATE_DRIVER_YEAR = 30, 60
"""Ages between which the two hazards of a first licence hold: by the definition of the parameters."""


def _bear(persons: Persons, inputs: YearInputs, year: int, seed: int, residents: int) -> int:
    """Births to women of the years of motherhood, at the published rate in expectation."""
    mother = persons.alive & (persons.sex == Sex.FEMALE)
    mother &= persons.age >= inputs["population.mother_min_year"]
    mother &= persons.age <= inputs["population.mother_max_year"]
    rows = np.flatnonzero(mother)
    wanted = inputs["population.birth_rate"] * PER_THOUSAND * residents
    rows = rows[uniform(seed, Stream.BIRTH, persons.id[rows], year) * max(len(rows), 1) < wanted]
    boys = uniform(seed, Stream.BIRTH, persons.id[rows], year, 1) < inputs["population.birth_male_share"]
    persons.append(
        len(rows), id=_new_ids(persons, len(rows), year), household=persons.household[rows],
        vot=persons.vot[rows], sex=np.where(boys, Sex.MALE, Sex.FEMALE).astype(np.int8),
        status=np.int8(PersonStatus.CHILD),
    )  # fmt: skip
    return len(rows)


def _count_members(households: Households, persons: Persons) -> None:
    """Set the sizes of households; those without members are no longer alive."""
    members = np.bincount(persons.household[persons.alive], minlength=len(households))
    households.size[:] = members
    households.alive[members == 0] = False


def _exactly(size: I64, wanted: int) -> I64:
    """First rows of a list of sizes that sum to a number: a prefix, then whatever still fits."""
    total = np.cumsum(size)
    first = int(np.searchsorted(total, wanted, side="right"))
    taken = list(range(first))
    left = wanted - (int(total[first - 1]) if first else 0)
    while left > 0:
        fits = np.flatnonzero(size[first:] <= left)
        if not fits.size:
            break
        best = fits[np.argmax(size[first:][fits])] + first
        taken.append(int(best))
        left -= int(size[best])
        first = int(best) + 1
    return np.array(taken, np.int64)


def _remove(households: Households, persons: Persons, gone: Bool) -> int:
    """Take whole households out of the city."""
    leaves = persons.alive & gone[persons.household]
    persons.alive[leaves] = False
    households.alive[gone] = False
    return int(leaves.sum())


def _leave_city(
    households: Households, persons: Persons, inputs: YearInputs, year: int, seed: int, target: int
) -> int:
    """Non-local households without a car leave with a chance; more leave while the total is too high."""
    rows = np.flatnonzero(households.alive)
    local = households.registration[rows] == Registration.LOCAL
    settled = local | (households.car[rows] > 0)
    lot = uniform(seed, Stream.MIGRATION, households.id[rows], year)
    gone = np.zeros(len(households), np.bool_)
    gone[rows[~settled & (lot < inputs["population.out_share"])]] = True
    left = _remove(households, persons, gone)
    surplus = int(persons.alive.sum()) - target
    if surplus > 0:
        order = np.lexsort((lot, local, settled))
        order = order[households.alive[rows[order]]]
        size = households.size[rows[order]].astype(np.int64)
        gone[:] = False
        gone[rows[order[_exactly(size, surplus)]]] = True
        left += _remove(households, persons, gone)
    return left


def _come(households: Households, persons: Persons, wanted: int, year: int, seed: int) -> int:
    """Arrivals: copies of non-local households drawn by lot, without cars, up to a number of persons."""
    donor = np.flatnonzero(households.alive & (households.registration == Registration.OTHER))
    came = 0
    if not donor.size:
        donor = np.flatnonzero(households.alive)
    for k in range(1, MAX_ROUNDS):
        if came >= wanted or not donor.size:
            break
        lot = uniform(seed, Stream.MIGRATION, households.id[donor], year, k)
        order = donor[np.argsort(lot, kind="stable")]
        chosen = order[_exactly(households.size[order].astype(np.int64), wanted - came)]
        if not chosen.size:
            break
        came += _copy(households, persons, chosen, year)
    return came


def _copy(households: Households, persons: Persons, chosen: I64, year: int) -> int:
    """Append copies of households and their living members; returns the number of persons."""
    place = np.full(len(households), NOWHERE, np.int64)
    place[chosen] = np.arange(len(chosen))
    member = np.flatnonzero(persons.alive & (place[persons.household] >= 0))
    home = {
        name: households.column(name)[chosen]
        for name in ("zone", "size", "income_cny", "e_bike", "bicycle", "registration")
    }
    new = households.append(len(chosen), id=_new_ids(households, len(chosen), year), **home)
    who = {name: persons.column(name)[member] for name in ("age", "sex", "status", "licence", "vot")}
    row = (new.start + place[persons.household[member]]).astype(np.int32)
    persons.append(len(member), id=_new_ids(persons, len(member), year), household=row, **who)
    return len(member)


def _draw_zone(zones: Zones, u: F64) -> NDArray[np.int16]:
    """Zone of a new home, in proportion to residents."""
    share = np.cumsum(zones.residents) / zones.residents.sum()
    return np.searchsorted(share, u, side="right").clip(0, len(zones) - 1).astype(np.int16)


def _leave_home(
    households: Households, persons: Persons, zones: Zones, inputs: YearInputs, year: int, seed: int
) -> None:
    """Young adults who live with a parent start a household of their own with a yearly chance."""
    age = persons.age
    of_age = age >= inputs["population.leave_home_min_year"]
    of_age &= age <= inputs["population.leave_home_max_year"]
    rows = np.flatnonzero(persons.alive & (persons.status != PersonStatus.STUDENT) & of_age)
    rows = rows[uniform(seed, Stream.SPLIT, persons.id[rows], year) < inputs["population.leave_home_share"]]
    eldest = np.zeros(len(households), np.int8)
    np.maximum.at(eldest, persons.household[persons.alive], age[persons.alive])
    rows = rows[eldest[persons.household[rows]] >= age[rows] + inputs["population.leave_home_gap_year"]]
    old = persons.household[rows]
    zone = _draw_zone(zones, uniform(seed, Stream.SPLIT, persons.id[rows], year, 1))
    share = households.income_cny[old] / np.maximum(households.size[old], 1)
    new = households.append(
        len(rows), id=_new_ids(households, len(rows), year), zone=zone, size=np.int8(1), income_cny=share,
        registration=households.registration[old],
    )  # fmt: skip
    persons.household[rows] = np.arange(new.start, new.stop, dtype=np.int32)
    persons.work_zone[rows] = NOWHERE


def _move(
    households: Households, persons: Persons, zones: Zones, inputs: YearInputs, year: int, seed: int
) -> int:
    """Households move with a chance; their members look for work and school anew."""
    rows = np.flatnonzero(households.alive)
    rows = rows[uniform(seed, Stream.MOVE, households.id[rows], year) < inputs["population.move_share"]]
    zone = _draw_zone(zones, uniform(seed, Stream.MOVE, households.id[rows], year, 1))
    moves = np.zeros(len(households), np.bool_)
    moves[rows] = zone != households.zone[rows]
    households.zone[rows] = zone
    members = moves[persons.household] & persons.alive
    persons.work_zone[members] = NOWHERE
    persons.school_zone[members] = NOWHERE
    return int(members.sum())


def _scale_income(households: Households, inputs: YearInputs) -> None:
    """Bring the mean income per resident to the published one."""
    alive = households.alive
    people = float(households.size[alive].sum(dtype=np.int64))
    total = float(households.income_cny[alive].sum(dtype=np.float64))
    if total > 0:
        households.income_cny[alive] *= np.float32(inputs["population.income_cny"] * people / total)
