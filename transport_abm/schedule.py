"""The numbered order of a year: which step comes after which, and when the year is settled.

1 people change       2 cars and plates      3 operators       4 work places     5 lines and rules of the year
6 tours               repeat until the gaps close:  7 mode choice    8 traffic: roads, transit, level of service
9 energy and CO2
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.destinations import attraction, cumulative_shares
from transport_abm.agents.mode_choice import (
    car_count,
    choice_terms,
    choose,
    reference_logsum,
    traveller_terms,
    zone_terms,
)
from transport_abm.agents.population import update_population
from transport_abm.agents.tables import Households, Persons
from transport_abm.agents.tours import draw_tours, going_early, tour_terms, trip_count
from transport_abm.agents.vehicle_market import (
    change_cars,
    fleet_work,
    renew_operators,
    see_hired_km,
    vehicle_year,
)
from transport_abm.agents.vehicles import Applicants, Cars
from transport_abm.agents.workplaces import allocate_workplaces, job_total
from transport_abm.carbon.account import Account
from transport_abm.carbon.weekday import carbon_year, weekday_travel
from transport_abm.core.steps import Step, run_step, step
from transport_abm.core.vocabulary import Mode, Period
from transport_abm.networks.city import City
from transport_abm.networks.level_of_service import ACTIVE_KM
from transport_abm.networks.travel import open_year, update_travel
from transport_abm.outcomes import SettledTravel, YearView
from transport_abm.policy.inputs import BASE_YEAR, YearInputs
from transport_abm.world import World

Tell = Callable[[str, float], None]
"""Called with what is happening and the share of the year that is done."""


@step(
    reads=("persons.*", "households.*"),
    writes=("persons.*", "households.*"),
)
def change_people(
    persons: Persons, households: Households, city: City, inputs: YearInputs, world: World
) -> None:
    """People age, are born, die, move in, out and house; the total follows the published series."""
    if inputs.year > BASE_YEAR:
        update_population(
            households, persons, city.zones, inputs, year=inputs.year, seed=world.seed, sample=world.sample
        )


@step(
    reads=("persons.*", "households.*", "cars.*", "applicants.*"),
    writes=("households.car", "households.nev", "households.outside_car", "cars.*", "applicants.*"),
)
def change_stock(
    persons: Persons,
    households: Households,
    cars: Cars,
    applicants: Applicants,
    city: City,
    inputs: YearInputs,
    world: World,
) -> None:
    """Cars age and leave; households wish, apply, are given plates and choose what they buy."""
    if inputs.year > BASE_YEAR:
        change_cars(world.vehicles, city, households, persons, inputs, seed=world.seed, sample=world.sample)


@step()
def renew_fleet(city: City, inputs: YearInputs, world: World) -> None:
    """Operators retire and renew buses, taxis, ride-hail cars, vans, trucks and other fleets under costs and rules."""
    if inputs.year > BASE_YEAR:
        renew_operators(world.vehicles, city, inputs, seed=world.seed)
    else:
        world.vehicles.work = fleet_work(world.vehicles, city, inputs)


@step(
    reads=(
        "persons.id",
        "persons.alive",
        "persons.status",
        "persons.age",
        "persons.household",
        "households.zone",
    ),
    writes=("persons.work_zone", "persons.school_zone"),
)
def place_work(
    persons: Persons, households: Households, city: City, inputs: YearInputs, world: World
) -> None:
    """Workers and pupils without a place, movers and job changers are matched to work places and schools."""
    # Work is matched by distance, not by the year's times: places last longer than traffic jams.
    distance_km = world.travel.los[0, :, :, ACTIVE_KM].astype(np.float64)
    world.places = allocate_workplaces(
        persons, households, city.zones, city.districts, distance_km, inputs,
        seed=world.seed, year=inputs.year, fit=world.places or world.base.places, draw_all=world.places is None,
        distance_km=distance_km,
    )  # fmt: skip


@step()
def open_lines(city: City, inputs: YearInputs, world: World) -> None:
    """Lines of the year open, headways and rules change."""
    open_year(world.travel, city, inputs, world.start)


@step(
    reads=(
        "persons.id", "persons.alive", "persons.status", "persons.age", "persons.licence", "persons.vot",
        "persons.household", "persons.work_zone", "persons.school_zone", "households.zone", "households.size",
        "households.income_cny", "households.car", "households.nev", "households.outside_car", "households.e_bike",
        "households.bicycle",
    ),
)  # fmt: skip
def make_tours(
    persons: Persons, households: Households, city: City, inputs: YearInputs, world: World
) -> None:
    """Everybody draws the tours of the weekday: how many, for what, where to and when."""
    world.travellers = traveller_terms(persons, households, inputs, seed=world.seed)
    terms = choice_terms(world.base.constants(), city.fares, inputs, world.driving)
    zone = zone_terms(city.zones, world.travel.radius_km, inputs)
    logsum = reference_logsum(world.travellers, world.travel.los, zone, terms)
    pull = attraction(city.zones, job_total(city.zones, city.districts, inputs), inputs)
    cumulative = cumulative_shares(pull, logsum, world.base.scales())
    world.tours = draw_tours(
        persons,
        households,
        tour_terms(inputs, world.base.rate_scale),
        cumulative,
        seed=world.seed,
        year=inputs.year,
    )


@step()
def choose_modes(city: City, inputs: YearInputs, world: World) -> None:
    """Each tour takes the mode with the largest perceived utility."""
    assert world.tours is not None and world.travellers is not None
    terms = choice_terms(world.base.constants(), city.fares, inputs, world.driving)
    zone = zone_terms(city.zones, world.travel.radius_km, inputs)
    choose(world.tours, world.travellers, world.travel.los, zone, terms, seed=world.seed)


YEAR: tuple[Step[..., None], ...] = (change_people, change_stock, renew_fleet, place_work, open_lines)
"""Steps that open a year; ``make_tours``, then ``choose_modes`` and the traffic until they settle, follow."""


_SETTLED = {"share": "traffic.share_gap", "transit": "traffic.transit_gap"}
ASKED: Mapping[str, Mapping[str, str]] = {
    "L0": _SETTLED,
    "L1": {"road": "traffic.road_gap", **_SETTLED},
    "L2": {"road": "learning.gap", "share": "learning.share_gap", "transit": "learning.transit_gap"},
}
"""By rung: which gaps must close before a year is settled, and their thresholds; L0 seeks no equilibrium of routes."""
SHRINK = 0.7
"""A step that leaves more than this share of the last change of choices was too long."""
SMALLEST_STEP = 0.25


@dataclass
class Settled:
    """A year that has run."""

    view: YearView
    iterations: int


def run_year(world: World, inputs: YearInputs, *, check: bool = False, tell: Tell | None = None) -> Settled:
    """Run one year to its end.

    Parameters
    ----------
    world
        State; changed in place.
    inputs
        Parameters of the year.
    check
        Enforce the declarations of the steps.
    tell
        Progress.

    Returns
    -------
    Settled
        What outcomes are measured on.
    """
    say = tell or (lambda what, done: None)
    first = world.tours is None
    available: Mapping[str, object] = {
        "world": world, "city": world.city, "persons": world.persons, "households": world.households, "inputs": inputs,
        "cars": world.vehicles.cars, "applicants": world.vehicles.applicants,
    }  # fmt: skip
    for item in YEAR:
        say(item.process, 0.0)
        run_step(item, available, check)
    most = _most_iterations(world.travel.rung, first, inputs)

    def travel_again(done: float, tours_too: bool) -> NDArray[np.int32]:
        # Destinations look at the travel times of the year before; the first year has none but its own.
        if tours_too:
            say(make_tours.process, done)
            run_step(make_tours, available, check)
        say(choose_modes.process, done)
        run_step(choose_modes, available, check)
        assert world.tours is not None
        return trip_count(world.tours, len(world.city.zones))

    count = travel_again(0.0, True)
    share = _central_share(world, count)
    gap: dict[str, float] = {}
    # Whole steps settle fastest while times answer weakly to choices; those of a simulated day answer strongly, and the
    # first year from empty roads does not settle by them.
    whole = inputs["learning.first_step"] if world.travel.rung == "L2" else 1.0
    step = 0.5 if first and world.start is None else whole
    change = np.inf
    for iteration in range(1, most + 1):
        say("Traffic on roads and lines", (iteration - 0.7) / most)
        assert world.tours is not None and world.travellers is not None
        n_zones = len(world.city.zones)
        cars, early = car_count(world.tours, world.travellers, n_zones), None
        if world.travel.rung == "L2":
            out = going_early(world.tours)
            counts = trip_count(out, n_zones), car_count(out, world.travellers, n_zones)
            early = (counts[0][:, Period.NIGHT], counts[1][:, Period.NIGHT])
        update_travel(
            world.travel, world.city, inputs, count, weight=world.weight, step=step, cars=cars, early=early
        )
        count = travel_again((iteration - 0.2) / most, first)
        before, share = share, _central_share(world, count)
        last_change, change = change, float(np.abs(share - before).max())
        gap = {
            "road": float(world.travel.road_gap.max()),
            "share": still_to_come(change, step),
            "transit": world.travel.transit_change,
        }
        gap["excess"] = max(gap[name] / inputs[path] for name, path in ASKED[world.travel.rung].items())
        if gap["excess"] <= 1.0:
            break
        if change > SHRINK * last_change:
            # Choices and times swing round each other on crowded roads: go only part of the way.
            step = max(step / 2.0, SMALLEST_STEP)
    assert world.tours is not None
    gap["iterations"] = float(iteration)
    gap["crowd"] = world.travel.largest_crowd_gap()
    travel = SettledTravel(
        city=world.city, travel=world.travel, tours=world.tours, count=count, weight=world.weight,
        residents=world.residents(), inputs=inputs, gap=gap,
    )  # fmt: skip
    say("Energy and CO2", 1.0)
    account = account_year(travel, world)
    world.base_account = world.base_account or account
    vehicles = vehicle_year(world.vehicles, world.households, world.city, sample=world.sample)
    return Settled(YearView.of(travel, vehicles, account, world.base_account), iteration)


def still_to_come(change: float, step: float) -> float:
    """What choices may still change by, after times went part of the way to new ones; never less than they changed.

    Parameters
    ----------
    change
        Change of choices by this step.
    step
        Part of the way that times went, above 0, at most 1 [1].

    Returns
    -------
    float
        The rest of the way if choices answer to it as they did to the step.
    """
    return change * max(1.0, (1.0 - step) / step)


def _most_iterations(rung: str, first: bool, inputs: YearInputs) -> int:
    """How often modes are chosen and traffic follows, at most."""
    which = "first" if first else "later"
    if rung != "L2":
        return int(inputs[f"traffic.{which}_iterations"])
    return math.ceil(inputs[f"learning.{which}_days"] / inputs["learning.days_per_choice"])


def account_year(travel: SettledTravel, world: World) -> Account:
    """Energy and CO2 of the settled year; operators remember what was asked of hired cars."""
    inputs = travel.inputs
    weekday = weekday_travel(
        travel.city, travel.travel, travel.count, travel.mode_km, travel.line_km, inputs, inputs.year
    )
    see_hired_km(
        world.vehicles, float(np.sum(weekday.taxi_hired_km) + np.sum(weekday.ride_hail_hired_km)), inputs
    )
    return carbon_year(weekday, world.vehicles, world.households, travel.city, inputs, sample=world.sample)


def _central_share(world: World, count: NDArray[np.int32]) -> NDArray[np.float64]:
    """Mode shares of the trips that have an end in the central city."""
    central = world.central
    touches = central[:, None] | central[None, :]
    total = np.array([count[mode].sum(axis=0, dtype=np.int64)[touches].sum() for mode in Mode], np.float64)
    return np.asarray(total / max(1.0, total.sum()))
