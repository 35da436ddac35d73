"""Where people work and learn: doubly constrained gravity, whole persons, kept until they move or change.

    T_ij = a_i O_i b_j D_j exp(-beta c_ij)

O: workers by home zone; D: work places, scaled to the workers. beta is found once, in the first year, so that
residents of the central districts commute the observed mean distance (Hyman 1969), and is then kept. Later
years draw only new workers, movers and job changers, into the places that the others leave free.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.gravity import balance, calibrate_beta, deterrence_of
from transport_abm.agents.kernels_rounding import round_matrix
from transport_abm.agents.margins import district_quantity, read_margins
from transport_abm.agents.schools import school_place
from transport_abm.agents.tables import Households, Persons
from transport_abm.core.draws import Stream, stream_key, uniform
from transport_abm.core.errors import ConvergenceWarning, InputError
from transport_abm.core.vocabulary import PersonStatus
from transport_abm.networks.city import Districts, Zones
from transport_abm.policy.inputs import YearInputs

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

NOWHERE = -1
NO_YEAR = 0
M_PER_KM = 1000.0


@dataclass(frozen=True)
class PlaceFit:
    """How one kind of place was matched in a year; pass it on to the next year."""

    beta: float
    """Deterrence coefficient [1 / unit of cost]."""
    mean_km: float
    """Mean distance of those it was fitted to, in the year of the fit [km]."""
    reached: bool
    """Whether the wanted mean lies within what the totals allow."""
    drawn: int = 0
    """Persons drawn in this year."""


@dataclass(frozen=True)
class WorkplaceFit:
    """Fit of work places and schools; pass it on to the next year."""

    work: PlaceFit
    pupil: PlaceFit
    student: PlaceFit
    balance_share: float
    """Share of workers matched near home so far [1]."""


def zone_distance_km(zones: Zones, inputs: YearInputs) -> F64:
    """Straight distance between zone centres times the detour factor; inside zones a mean distance [km]."""
    straight = np.hypot(zones.x_m[:, None] - zones.x_m[None, :], zones.y_m[:, None] - zones.y_m[None, :])
    distance = straight * inputs["work.detour_factor"] / M_PER_KM
    np.fill_diagonal(distance, np.sqrt(zones.area_m2) * inputs["work.intrazonal_share"] / M_PER_KM)
    return np.asarray(distance)


def job_total(zones: Zones, districts: Districts, inputs: YearInputs) -> F64:
    """Jobs by zone after the lever that moves a share of the central districts' jobs outwards.

    The share leaves every central zone evenly and goes to the receiving districts as their jobs are.
    """
    share = inputs["land_use.decentralised_job_share"]
    if share == 0:
        return zones.jobs
    receives = district_quantity(read_margins(), districts.name_en, "receives_jobs", 0.0) > 0
    if not receives.any():
        receives = ~districts.central
    central = districts.central[zones.district]
    takes = receives[zones.district] & ~central
    if not zones.jobs[takes].sum() > 0:
        raise InputError(
            "land_use.decentralised_job_share: expected a receiving district with jobs, got none"
        )
    jobs = np.where(central, zones.jobs * (1 - share), zones.jobs)
    moved = zones.jobs.sum() - jobs.sum()
    jobs[takes] *= 1 + moved / zones.jobs[takes].sum()
    return np.asarray(jobs)


def allocate_workplaces(
    persons: Persons,
    households: Households,
    zones: Zones,
    districts: Districts,
    cost_min: F64,
    inputs: YearInputs,
    *,
    seed: int,
    year: int,
    fit: WorkplaceFit | None = None,
    draw_all: bool = False,
    distance_km: F64 | None = None,
) -> WorkplaceFit:
    """Give every worker a work place and every pupil and student a school.

    Parameters
    ----------
    persons, households
        The people; ``work_zone`` and ``school_zone`` are written.
    zones
        Zones with jobs and school places.
    districts
        Districts: which are central, which receive decentralised jobs.
    cost_min
        Shape (zones, zones): cost of travel, in minutes or any other unit that stays the same over the years;
        infinite where there is no way.
    inputs
        Parameters of the year.
    seed
        Seed of the run.
    year
        Simulated year.
    fit
        Result of the year before. Without it everybody is drawn and the coefficients are fitted.
    draw_all
        Draw everybody, though with the coefficients of ``fit``.
    distance_km
        Shape (zones, zones): network distance; straight distance with the detour factor if not given [km].

    Returns
    -------
    WorkplaceFit
        Coefficients and how many were drawn.

    Notes
    -----
    Hyman (1969), Wilson (1967). With no lever set the result is bit for bit that of no lever.
    """
    cost = np.asarray(cost_min, np.float64)
    if cost.shape != (len(zones), len(zones)):
        raise InputError(f"cost_min: expected shape {(len(zones),) * 2}, got {cost.shape}")
    given = zone_distance_km(zones, inputs) if distance_km is None else distance_km
    distance = np.asarray(given, np.float64)
    home = households.zone[persons.household]
    central = districts.central[zones.district]
    everybody = np.ones(len(zones), np.bool_)
    student_min = inputs["school.student_min_year"]
    at_school = persons.alive & (persons.status == PersonStatus.STUDENT)
    works = persons.alive & (persons.status == PersonStatus.WORKER)
    persons.work_zone[~works] = NOWHERE
    persons.school_zone[~at_school] = NOWHERE
    share = inputs["land_use.jobs_housing_balance_share"]
    task = _Task(persons, home, cost, distance, seed, year)

    # The same workers stay matched near home while the lever's share grows.
    rank = uniform(seed, Stream.WORKPLACE, persons.id, NO_YEAR, K_NEAR)
    near = works & (rank < share)
    newly = near & (rank >= (fit.balance_share if fit else 0.0))
    some = fit is not None and not draw_all
    changes = uniform(seed, Stream.JOB_CHANGE, persons.id, year) < inputs["work.job_change_share"]
    free = works & ((persons.work_zone == NOWHERE) | changes | newly if some else True)
    work = task.match(
        Stream.WORKPLACE, persons.work_zone, works, free, near, job_total(zones, districts, inputs),
        fit.work if fit else None, inputs["work.mean_distance_central_km"], central,
        inputs["work.balance_beta_factor"], 0.0,
    )  # fmt: skip
    older = persons.age >= student_min
    nobody = np.zeros(len(persons), np.bool_)
    kinds = (
        (at_school & ~older, "pupil", nobody),
        (at_school & older, "student", persons.age == student_min),
    )
    places = school_place(zones, *(float(who.sum()) for who, _, _ in kinds))
    both = []
    for (who, path, comes), places_of in zip(kinds, places, strict=True):
        before: PlaceFit | None = getattr(fit, path) if fit else None
        free = who & ((persons.school_zone == NOWHERE) | comes if some else True)
        found = task.match(
            Stream.SCHOOL, persons.school_zone, who, free, nobody, places_of, before,
            inputs[f"school.mean_distance_{path}_km"], everybody, 1.0, inputs["school.slack_share"],
        )  # fmt: skip
        both.append(found)
    return WorkplaceFit(work, both[0], both[1], share)


K_ORDER, K_NEAR = 1, 2
"""Numbers of the draws of persons: their order, their rank for work near home; 0 is the rounding's."""


@dataclass
class _Task:
    """What all kinds of places share."""

    persons: Persons
    home: NDArray[np.int16]
    cost: F64
    distance: F64
    seed: int
    year: int

    def match(
        self, stream: Stream, place: NDArray[np.int16], who: Bool, free: Bool, near: Bool, places: F64,
        before: PlaceFit | None, wanted_km: float, measured: Bool, near_factor: float,
        slack: float,
    ) -> PlaceFit:  # fmt: skip
        """Draw a place for all who are free, into the places that the others of their kind leave."""
        n = len(places)
        rows = np.flatnonzero(free)
        if not rows.size:
            return replace(before, drawn=0) if before else PlaceFit(0.0, 0.0, False)
        if not places.sum() > 0:
            raise InputError("places: expected some jobs or school places in the city, got none")
        # Two classes of origins: zones as they are, and zones of those matched near home.
        origin = self.home[rows].astype(np.int64) + n * near[rows]
        leaving = np.bincount(origin, minlength=2 * n).astype(np.float64)
        capacity = places * (who.sum() / places.sum())
        vacant = self._vacant(place, who & ~free, capacity, len(rows), slack if before else 0.0)
        if before is None:
            once = leaving[:n] + leaving[n:]
            found = calibrate_beta(
                once, vacant, self.cost, lambda flow: self._mean_km(flow, measured), wanted_km
            )
            if not found.reached:
                text = (
                    f"{stream.name.lower()}: mean distance {found.mean:.2f} km instead of {wanted_km:.2f} km"
                )
                warnings.warn(ConvergenceWarning(text), stacklevel=4)
            before = PlaceFit(found.beta, found.mean, found.reached)
        # The few who look in a later year cannot fill every place that is left; their own sums hold all the same.
        flow = self._flow(leaving, vacant, before.beta, near_factor, tell=len(rows) == int(who.sum()))
        whole = np.zeros(flow.shape, np.int32)
        round_matrix(flow, stream_key(self.seed, stream, self.year), whole)
        self._hand_out(stream, place, rows, origin, whole)
        return replace(before, drawn=len(rows))

    def _vacant(self, place: NDArray[np.int16], stays: Bool, capacity: F64, wanted: int, slack: float) -> F64:
        """Places left by those who stay, and a share of all places, scaled to those who look for one."""
        taken = np.bincount(place[stays], minlength=len(capacity))
        left = np.maximum(capacity - taken, 0.0) + slack * capacity
        return np.asarray(left * (wanted / left.sum()))

    def _mean_km(self, flow: F64, measured: Bool) -> float:
        """Mean distance of trips from the measured origins."""
        part = flow[measured]
        way = np.where(part > 0, self.distance[measured], 0.0)
        return float((part * way).sum() / max(part.sum(), 1e-300))

    def _flow(self, leaving: F64, vacant: F64, beta: float, near_factor: float, tell: bool) -> F64:
        """Balanced matrix of both classes of origins; the second is left out while it is empty."""
        n = len(vacant)
        if not leaving[n:].any():
            return balance(leaving[:n], vacant, deterrence_of(self.cost, beta), tell=tell)
        both = [deterrence_of(self.cost, beta), deterrence_of(self.cost, beta * near_factor)]
        return balance(leaving, vacant, np.concatenate(both), tell=tell)

    def _hand_out(
        self, stream: Stream, place: NDArray[np.int16], rows: I64, origin: I64, whole: NDArray[np.int32]
    ) -> None:
        """Give the whole numbers of each row to its persons, in an order drawn by person."""
        lot = uniform(self.seed, stream, self.persons.id[rows], self.year, K_ORDER)
        order = np.lexsort((lot, origin))
        zone, n = np.arange(whole.shape[1], dtype=np.int16), whole.shape[1]
        given = np.repeat(np.tile(zone, len(whole)), whole.ravel())
        if len(given) != len(rows):
            raise InputError(f"places: expected {len(rows)} in {n} zones, got {len(given)}")
        place[rows[order]] = given
