"""Plates: who is given one in a year, who uses it, and the books of plates.

    ordinary      lottery of families (weight: score) and individuals (weight: ladder) in one lot
    new-energy    families by score, then individuals by time of application
    units         a draw for each pool

    held(t) = held(t - 1) + issued - used - expired,   by kind of applicant and pool, with zero residual

A plate not used while it is valid expires; the next year's lot of the same kind and pool has one more.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.cars.applications import add_units, build_applicants, update_applicants
from transport_abm.agents.cars.kernels_plates import lottery_keys
from transport_abm.agents.cars.plate_rules import (
    POOLS,
    SHAPE,
    Quota,
    ladder,
    read_quota,
    round_lots,
    smallest,
)
from transport_abm.agents.vehicles import Applicants
from transport_abm.core.draws import Stream, stream_key, uniform
from transport_abm.core.errors import ConservationError, Fault, InputError
from transport_abm.core.vocabulary import ApplicantKind, PlateKind
from transport_abm.policy.inputs import YearInputs

__all__ = [
    "PlateBook", "PlateYear", "allocate_plates", "build_applicants", "choose_use", "expected_wait_year",
    "update_applicants", "use_plates",
]  # fmt: skip

Bool = NDArray[np.bool_]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

FAMILY, INDIVIDUAL, UNIT = ApplicantKind.FAMILY, ApplicantKind.INDIVIDUAL, ApplicantKind.UNIT
ORDINARY, NEW_ENERGY = PlateKind.ORDINARY, PlateKind.NEW_ENERGY


def _none() -> I64:
    """No plates of any kind and pool."""
    return np.zeros(SHAPE, np.int64)


@dataclass
class PlateBook:
    """Plates of one year by kind of applicant and pool [plates of the table, not weighted]."""

    year: int
    opening: I64 = field(default_factory=_none)
    """Held unused at the end of the year before."""
    issued: I64 = field(default_factory=_none)
    used: I64 = field(default_factory=_none)
    expired: I64 = field(default_factory=_none)
    held: I64 = field(default_factory=_none)
    """Held unused at the end of the year."""

    def check(self) -> None:
        """Raise ConservationError unless every kind and pool closes exactly."""
        left = self.opening + self.issued - self.used - self.expired - self.held
        if left.any():
            where = ", ".join(
                f"{PlateKind(pool).name.lower()} {ApplicantKind(kind).name.lower()}: {left[kind, pool]:+d}"
                for kind, pool in np.argwhere(left)
            )
            raise ConservationError(f"plates {self.year}: the books do not close: {where}")


@dataclass
class PlateYear:
    """What the plate institutions did in one year; counts by kind and pool are of the table, not weighted."""

    year: int
    winner: I64
    """Rows with a plate that can be used: won this year, or held from before; those of units too."""
    quota: I64
    """Lots, with the plates that expired the year before. Families and individuals draw ordinary plates from
    one lot: what families drew stands in their row, the rest in that of individuals."""
    operating: I64
    """Plates for operating vehicles, by pool; they need no application here."""
    returned: I64
    """Part of the quota that expired the year before."""
    applied: I64
    """Waiting before plates were given out."""
    waiting: I64
    """Waiting after."""
    odds: F64
    """Issued by applied; 0 where nobody applied."""
    wait_kind_year: F64
    """Waiting by a year's quota, for each kind [year]."""
    wait_year: F64
    """The same for each pool, families and individuals together [year]."""
    book: PlateBook

    @property
    def issued(self) -> I64:
        """Plates given out."""
        return self.book.issued

    @property
    def used(self) -> I64:
        """Plates put on a car."""
        return self.book.used

    @property
    def expired(self) -> I64:
        """Plates not used while valid."""
        return self.book.expired

    @property
    def held(self) -> I64:
        """Plates unused at the end of the year."""
        return self.book.held


def _count(applicants: Applicants, where: Bool) -> I64:
    """Applicants by kind and pool."""
    code = applicants.kind[where].astype(np.int64) * len(POOLS) + applicants.pool[where]
    return np.bincount(code, minlength=SHAPE[0] * SHAPE[1]).reshape(SHAPE)


def _waiting(applicants: Applicants, kind: ApplicantKind, pool: PlateKind) -> I64:
    """Rows of one kind that wait in one pool."""
    waits = applicants.alive & (applicants.won_year == 0)
    return np.flatnonzero(waits & (applicants.kind == kind) & (applicants.pool == pool))


def draw_lottery(address: I64, kind: NDArray[np.int8], weight: F64, n: int, *, year: int, seed: int) -> I64:
    """Winners of a lottery without replacement.

    Parameters
    ----------
    address, kind
        Identity of each applicant and its kind: the address of its draw.
    weight
        Chance of each relative to others, at every plate.
    n
        Plates.
    year
        Year of the lottery.
    seed
        Seed of the run.

    Returns
    -------
    NDArray[np.int64]
        Places of the winners, rising; those of weight zero win after all others.

    Notes
    -----
    Efraimidis and Spirakis (2006). Every scenario has the same draws.
    """
    key = np.empty(len(address))
    lottery_keys(stream_key(seed, Stream.LOTTERY, year), address, kind, np.asarray(weight, np.float64), key)
    return smallest(key, n)


def _wins_ordinary(applicants: Applicants, n: int, inputs: YearInputs, year: int, seed: int) -> I64:
    """Families and individuals drawn from the one lot of ordinary plates."""
    waits = applicants.alive & (applicants.won_year == 0) & (applicants.pool == ORDINARY)
    rows = np.flatnonzero(waits & (applicants.kind != UNIT))
    kind = applicants.kind[rows]
    weight = np.where(kind == FAMILY, applicants.score[rows], ladder(applicants.round_count[rows], inputs))
    return rows[draw_lottery(applicants.address[rows], kind, weight, n, year=year, seed=seed)]


def _queue_key(applicants: Applicants, rows: I64, kind: ApplicantKind, seed: int) -> F64:
    """Time of application: the year and a lasting draw within it."""
    day = uniform(seed, Stream.APPLICATION, applicants.address[rows], 0, int(kind))
    return applicants.since_year[rows] + day


def _wins_by_score(applicants: Applicants, n: int, seed: int) -> I64:
    """Families of the highest score, the earlier ones among equals."""
    rows = _waiting(applicants, FAMILY, NEW_ENERGY)
    score = -applicants.score[rows].astype(np.float64)
    return rows[smallest(score, n, _queue_key(applicants, rows, FAMILY, seed))]


def _wins_by_time(applicants: Applicants, n: int, seed: int) -> I64:
    """Individuals who applied first."""
    rows = _waiting(applicants, INDIVIDUAL, NEW_ENERGY)
    since = _queue_key(applicants, rows, INDIVIDUAL, seed)
    return rows[smallest(since, n)]


def _draw_units(applicants: Applicants, n: I64, inputs: YearInputs, year: int, seed: int) -> I64:
    """Units drawn from each pool."""
    won = []
    for pool in POOLS:
        rows = _waiting(applicants, UNIT, pool)
        place = draw_lottery(
            applicants.address[rows],
            applicants.kind[rows],
            np.ones(len(rows)),
            int(n[pool]),
            year=year,
            seed=seed,
        )
        won.append(rows[place])
    return np.concatenate(won)


def _lots(quota: Quota, sample: float, year: int, seed: int) -> tuple[I64, I64]:
    """Whole plates of the sample by kind and pool, and those for operating vehicles by pool."""
    lot, operating = _none(), np.zeros(len(POOLS), np.int64)
    for pool in POOLS:
        u = float(uniform(seed, Stream.PLATE, np.array([pool]), year)[0])
        whole = round_lots(np.append(quota.lot[:, pool], quota.operating[pool]) * sample, u)
        lot[:, pool], operating[pool] = whole[:-1], whole[-1]
    return lot, operating


def expected_wait_year(applicants: Applicants, inputs: YearInputs, *, sample: float) -> tuple[F64, F64]:
    """Years until one who applies now has a plate, if lists and quotas stay as they are.

    Parameters
    ----------
    applicants
        Those who wait.
    inputs
        Parameters of the year.
    sample
        Share of the city's people in the table [1].

    Returns
    -------
    tuple[NDArray[np.float64], NDArray[np.float64]]
        By kind and pool, and by pool for families and individuals together [year]; at most the cap of the
        catalogue.

    Notes
    -----
    A lottery with odds p a year takes 1 / p years in expectation, a queue its length by the year's quota: both
    are waiting / quota.
    """
    quota = read_quota(inputs).lot * sample
    waiting = _count(applicants, applicants.alive & (applicants.won_year == 0)).astype(np.float64)
    people = [FAMILY, INDIVIDUAL]
    by_pool = _years(waiting[people].sum(axis=0), quota[people].sum(axis=0), inputs)
    by_kind = _years(waiting, quota, inputs)
    by_kind[people, ORDINARY] = by_pool[ORDINARY]  # one lot
    return by_kind, by_pool


def _years(waiting: F64, quota: F64, inputs: YearInputs) -> F64:
    """Waiting by quota, up to the cap."""
    cap = inputs["plates.wait_max_year"]
    short = waiting < cap * quota
    years: F64 = np.divide(waiting, quota, out=np.where(waiting > 0.0, cap, 0.0), where=short)
    return years


def allocate_plates(
    applicants: Applicants, inputs: YearInputs, *, year: int, seed: int, sample: float
) -> PlateYear:
    """Give out the plates of a year.

    Parameters
    ----------
    applicants
        Those who wait; winners get the year in `won_year`, losers of the lottery more rounds. Rows whose plate
        expired leave once they may apply again.
    inputs
        Parameters of the year.
    year
        Simulated year.
    seed
        Seed of the run.
    sample
        Share of the city's people in the table [1].

    Returns
    -------
    PlateYear
        Winners, quotas, odds and waits; its book closes with `use_plates`.

    Raises
    ------
    ParameterError
        If the rules of the year cannot hold.

    Notes
    -----
    What families leave of their new-energy lot goes to individuals.
    """
    add_units(applicants, inputs, year=year, seed=seed, sample=sample)
    lot, operating = _lots(read_quota(inputs), sample, year, seed)
    returned = _count(applicants, applicants.alive & (applicants.won_year == -(year - 1)))
    held = applicants.alive & ((applicants.won_year > 0) | (applicants.won_year == -year))
    book = PlateBook(year, opening=_count(applicants, held))
    applied = _count(applicants, applicants.alive & (applicants.won_year == 0))
    quota = lot + returned
    drawn = _wins_ordinary(applicants, int(quota[[FAMILY, INDIVIDUAL], ORDINARY].sum()), inputs, year, seed)
    family = int((applicants.kind[drawn] == FAMILY).sum())
    quota[INDIVIDUAL, ORDINARY] += quota[FAMILY, ORDINARY] - family
    quota[FAMILY, ORDINARY] = family
    vacant = max(int(quota[FAMILY, NEW_ENERGY] - applied[FAMILY, NEW_ENERGY]), 0)
    quota[FAMILY, NEW_ENERGY] -= vacant
    quota[INDIVIDUAL, NEW_ENERGY] += vacant
    ranked = _wins_by_score(applicants, int(quota[FAMILY, NEW_ENERGY]), seed)
    queued = _wins_by_time(applicants, int(quota[INDIVIDUAL, NEW_ENERGY]), seed)
    units = _draw_units(applicants, quota[UNIT], inputs, year, seed)
    applicants.won_year[np.concatenate((drawn, ranked, queued, units))] = year
    book.issued = _count(applicants, applicants.alive & (applicants.won_year == year))
    lost = applicants.alive & (applicants.won_year == 0) & (applicants.pool == ORDINARY)
    applicants.round_count[lost] += int(inputs["plates.round_year_count"])
    free = (applicants.won_year < 0) & (year + applicants.won_year >= max(inputs["plates.barred_year"], 1.0))
    applicants.alive[free] = False
    by_kind, by_pool = expected_wait_year(applicants, inputs, sample=sample)
    return PlateYear(
        year, np.flatnonzero(applicants.alive & (applicants.won_year > 0)), quota, operating, returned, applied,
        applied - book.issued, book.issued / np.maximum(applied, 1), by_kind, by_pool, book,
    )  # fmt: skip


def choose_use(applicants: Applicants, row: I64, inputs: YearInputs, *, year: int, seed: int) -> Bool:
    """Which of those who hold a plate put it on a car this year.

    Parameters
    ----------
    applicants
        The table.
    row
        Rows with a plate, such as `PlateYear.winner`.
    inputs
        Parameters of the year.
    year
        Simulated year.
    seed
        Seed of the run.

    Returns
    -------
    NDArray[np.bool_]
        One for each row.
    """
    kind = applicants.kind[row].astype(np.int64)
    u = np.empty(len(row))
    for each in ApplicantKind:
        mine = kind == each
        u[mine] = uniform(seed, Stream.PLATE_USE, applicants.address[row[mine]], year, int(each))
    chance = np.where(
        applicants.won_year[row] == year, inputs["plates.use_share"], inputs["plates.use_late_share"]
    )
    return np.asarray(u < chance)


def use_plates(
    applicants: Applicants, row: I64, used: Bool, plate_year: PlateYear, inputs: YearInputs, *, year: int
) -> None:
    """Book which plates were used; others are held until they expire.

    Parameters
    ----------
    applicants
        The table: those who used theirs are no longer alive; those whose plate expired get minus the year in
        `won_year` and cannot apply for a while.
    row
        Rows with a plate, all or some of `plate_year.winner`.
    used
        Whether each of them used it.
    plate_year
        From `allocate_plates` of the same year; its book is completed.
    inputs
        Parameters of the year.
    year
        Simulated year.

    Raises
    ------
    InputError
        If a row has no plate or comes twice.
    ConservationError
        If the books do not close.
    """
    row = np.asarray(row, np.int64)
    faults = []
    if len(row) != len(used):
        faults.append(Fault("plates", "used", f"{len(row)} values, one a row", f"{len(used)}"))
    if len(np.unique(row)) != len(row):
        faults.append(Fault("plates", "row", "each row once", "a row twice"))
    if not np.isin(row, plate_year.winner).all() or not (applicants.won_year[row] > 0).all():
        faults.append(Fault("plates", "row", "rows with a plate", "a row without"))
    if faults:
        raise InputError(faults)
    bought = np.zeros(len(applicants), np.bool_)
    bought[row[np.asarray(used, np.bool_)]] = True
    book = plate_year.book
    book.used += _count(applicants, bought)
    applicants.alive[bought] = False
    won = applicants.won_year
    due = applicants.alive & (won > 0) & (year - won >= inputs["plates.valid_year"])
    applicants.won_year[due] = -year
    book.expired = _count(applicants, applicants.alive & (applicants.won_year == -year))
    book.held = _count(applicants, applicants.alive & (applicants.won_year > 0))
    book.check()
