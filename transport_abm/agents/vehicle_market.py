"""Vehicles of a city from year to year: who gives up, wants, is allowed and buys a car, and how operators renew.

One year of private cars, in this order: cars age, are scrapped, sold and replaced; households wish; those who need a
plate apply; plates are given out; all buyers, of kept and of new plates, choose what they buy.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.cars.access import (
    Access,
    build_access,
    count_posts,
    update_access,
    update_home_posts,
)
from transport_abm.agents.cars.applications import build_applicants, update_applicants
from transport_abm.agents.cars.desire import calibrate_desire, choose_desire
from transport_abm.agents.cars.driving import AGES, count_by_age, driving_ratio
from transport_abm.agents.cars.offers import GivenUp, Offers, limited_use, offers
from transport_abm.agents.cars.out_of_town import build_out_of_town, change_out_of_town
from transport_abm.agents.cars.plates import (
    PlateYear,
    allocate_plates,
    choose_use,
    expected_wait_year,
    use_plates,
)
from transport_abm.agents.cars.pool_choice import identify_pools
from transport_abm.agents.cars.powertrain import Peers, choose_powertrain, peer_share, pool_value
from transport_abm.agents.cars.stock import add_cars, build_cars, count_cars, registered_before
from transport_abm.agents.cars.turnover import Given, count_private, may_replace, scrappage_pays, turn_over
from transport_abm.agents.cars.used import choose_used
from transport_abm.agents.fleets.cohorts import close_cohort
from transport_abm.agents.fleets.fleets import Fleets, FleetWork, build_fleets, renew_fleets
from transport_abm.agents.fleets.operators import city_scale
from transport_abm.agents.fleets.rules import lacking_shares, rule_shares
from transport_abm.agents.fleets.trucks import freight_work
from transport_abm.agents.tables import Households, Persons
from transport_abm.agents.vehicle_districts import fleet_tables, vehicles_by_district
from transport_abm.agents.vehicle_year import PlateFigures, VehicleYear, weighted
from transport_abm.agents.vehicles import (
    IS_NEW_ENERGY,
    Applicants,
    Cars,
    VehicleBook,
    count_vehicles,
)
from transport_abm.core.vocabulary import ApplicantKind, PlateKind, Powertrain
from transport_abm.networks.city import City
from transport_abm.policy.inputs import YearInputs

I8 = NDArray[np.int8]
I64 = NDArray[np.int64]
F64 = NDArray[np.float64]

PURCHASES = 8
"""Purchases set aside for the draws of one household: four on kept plates, four on new ones."""
NEW_PLATE = 4
OIL = (Powertrain.ICE, Powertrain.HEV)
OLDEST_YEAR = 60
"""Age up to which limits on fuel use are remembered [year]."""
POOLS = (PlateKind.ORDINARY, PlateKind.NEW_ENERGY)


@dataclass
class Vehicles:
    """Vehicles, applicants, posts and operators of a run, carried from year to year."""

    cars: Cars
    outside: Cars
    """Cars with plates of other provinces that residents keep; no part of the city's stock."""
    applicants: Applicants
    access: Access
    fleets: Fleets
    desire_constant: float
    """Constant of the wish for cars at which those of the base year are those held and applied for."""
    outside_constant: float
    """Constant of keeping a car with plates of another province."""
    pool_constant: float
    """Added to the worth of a new-energy plate, so that those of the base year wait in the pools they wait in."""
    wait_year: F64
    """Expected wait by pool that buyers know of: that of the year before [year]."""
    private_book: VehicleBook
    fleet_book: VehicleBook
    registered_nev: float
    """New-energy vehicles ever registered [vehicles]."""
    plate_year: PlateYear | None = None
    limited_use: F64 = field(default_factory=lambda: np.ones((len(Powertrain), OLDEST_YEAR + 1)))
    """Fuel of private cars under the limit of their year of registration over that without, by powertrain and age [1]."""
    unit_plate_count: I64 = field(default_factory=lambda: np.zeros(len(POOLS), np.int64))
    """Plates of the year that units put on a car, by pool [plates]."""
    work: FleetWork = field(default_factory=FleetWork)
    """What the year asked of the fleets."""
    base_count: F64 = field(default_factory=lambda: np.zeros((len(Powertrain), AGES)))
    """Private cars of the base year by powertrain and age [rows]."""
    driving_ratio: tuple[float, float] = (1.0, 1.0)
    """Energy cost of a kilometre with the oil and the electric cars of the year over that with those of the base
    year, at the prices of the year [1]."""
    base_hired_km: float = 0.0
    """Kilometres with passengers of taxis and ride-hail cars on a weekday of the base year [km/d]."""
    hired_ratio: float = 1.0
    """Those of the last year against a base year without pandemic [1]: what operators saw when they decided."""


def build_vehicles(
    city: City, households: Households, persons: Persons, inputs: YearInputs, *, seed: int, sample: float
) -> Vehicles:
    """Vehicles and applicants at the end of the base year.

    Parameters
    ----------
    city
        The city.
    households, persons
        The people, with the cars that households hold.
    inputs
        Parameters of the base year.
    seed
        Seed of the run.
    sample
        Share of the people simulated [1].

    Returns
    -------
    Vehicles
        Their state; the books of the base year hold its closing stock only.
    """
    zones, year = city.zones, inputs.year
    institution = sample * city_scale(city, inputs)
    access = build_access(households, zones, city.districts, inputs, seed=seed, sample=sample)
    cars = build_cars(households, inputs, seed=seed, home_post=access.home_post)
    count_cars(households, cars)
    constant = calibrate_desire(households, persons, zones, inputs, year=year, sample=sample)
    wanted = choose_desire(
        households, persons, zones, inputs, year=year, seed=seed, constant=constant, held=households.car
    )
    applicants = build_applicants(households, persons, cars, wanted, inputs, seed=seed, sample=institution)
    wait = expected_wait_year(applicants, inputs, sample=institution)[1]
    peers = peer_share(cars, households, zones)
    worth = pool_value(households, zones, access, peers, wait, offers(inputs), inputs)
    outside, outside_constant = build_out_of_town(households, wanted, zones, inputs, seed=seed, sample=sample)
    fleets = build_fleets(city, inputs, seed=seed)
    private, public = VehicleBook(year), VehicleBook(year)
    private.opening = private.closing = count_private(cars, cars.alive)
    for cohort in fleets.cohorts.values():
        close_cohort(cohort, public)
    for class_, table in fleet_tables(fleets):
        public.closing += count_vehicles(class_, table.powertrain, table.fuel, table.alive)
    public.opening = public.closing.copy()
    registered = registered_before(cars, inputs)[IS_NEW_ENERGY].sum() / sample
    registered += public.closing[:, IS_NEW_ENERGY].sum()
    return Vehicles(
        cars, outside, applicants, access, fleets, constant, outside_constant,
        identify_pools(applicants, worth, inputs), wait, private, public, float(registered),
        base_count=count_by_age(cars),
    )  # fmt: skip


@dataclass(frozen=True)
class Demand:
    """Those who buy a car in a year, and what they see."""

    household: NDArray[np.int32]
    """Row of the household, one a buyer: those who replace a car first, then those with a new plate."""
    plate: I8
    """PlateKind of the plate that the car will carry."""
    given_up: I8
    """GivenUp code."""
    key: I64
    """Address of the purchase's draws."""
    wanted: I8
    """Cars that each household wants, shape (households,)."""
    unit_pool: I8
    """Pools of the plates that units put on a car."""
    winner_used: NDArray[np.bool_]
    """Whether each of the year's holders of a plate uses it."""
    plate_year: PlateYear
    peers: Peers
    sale: Offers


def gather_demand(
    vehicles: Vehicles,
    city: City,
    households: Households,
    persons: Persons,
    inputs: YearInputs,
    *,
    seed: int,
    sample: float,
) -> Demand:
    """The year up to the purchases: cars leave, households wish and apply, plates are given out.

    Parameters
    ----------
    vehicles
        Changed in place; its private books hold what left.
    city, households, persons, inputs, seed, sample
        As in `change_cars`.

    Returns
    -------
    Demand
        Who buys.
    """
    year, zones, cars = inputs.year, city.zones, vehicles.cars
    book = vehicles.private_book = VehicleBook(year)
    wanted = choose_desire(
        households, persons, zones, inputs, year=year, seed=seed, constant=vehicles.desire_constant,
        held=households.car,
    )  # fmt: skip
    given = turn_over(cars, households, inputs, book, year=year, seed=seed, wanted=wanted)
    count_cars(households, cars)
    update_access(
        vehicles.access, households, zones, city.districts, inputs, year=year, seed=seed, sample=sample
    )
    peers, sale = peer_share(cars, households, zones), offers(inputs)
    replace = np.flatnonzero(may_replace(given, households.car, wanted))
    # An owner who replaces a car on a kept plate does not apply for it.
    households.car[:] += np.bincount(given.household[replace], minlength=len(households)).astype(np.int8)
    worth = pool_value(households, zones, vehicles.access, peers, vehicles.wait_year, sale, inputs)
    worth[:, PlateKind.NEW_ENERGY] += vehicles.pool_constant
    applicants = vehicles.applicants
    update_applicants(applicants, households, persons, cars, wanted, worth, inputs, year=year, seed=seed)
    plate_year = allocate_plates(
        applicants, inputs, year=year, seed=seed, sample=sample * city_scale(city, inputs)
    )
    used = choose_use(applicants, plate_year.winner, inputs, year=year, seed=seed)
    row = plate_year.winner[used]
    unit = applicants.kind[row] == ApplicantKind.UNIT
    kept, new = given.household[replace], applicants.household[row[~unit]]
    return Demand(
        household=np.concatenate((kept, new)),
        plate=np.concatenate((given.plate[replace], applicants.pool[row[~unit]])),
        given_up=np.concatenate((_given_up(given, replace, inputs), np.zeros(len(new), np.int8))),
        key=_purchase_key(households, kept, new),
        wanted=wanted,
        unit_pool=applicants.pool[row[unit]],
        winner_used=used,
        plate_year=plate_year,
        peers=peers,
        sale=sale,
    )


def change_cars(
    vehicles: Vehicles,
    city: City,
    households: Households,
    persons: Persons,
    inputs: YearInputs,
    *,
    seed: int,
    sample: float,
) -> None:
    """One year of private cars and plates.

    Parameters
    ----------
    vehicles
        Changed in place; its private books are those of the year afterwards.
    city
        The city.
    households, persons
        The people of the year; the cars that households hold are written.
    inputs
        Parameters of the year.
    seed
        Seed of the run.
    sample
        Share of the people simulated [1].

    Raises
    ------
    ConservationError
        If the books of vehicles or plates do not close.
    """
    demand = gather_demand(vehicles, city, households, persons, inputs, seed=seed, sample=sample)
    book, plate_year = vehicles.private_book, demand.plate_year
    bought = choose_powertrain(
        demand.household, demand.plate, demand.key, households, city.zones, vehicles.access, demand.peers,
        demand.sale, inputs, year=inputs.year, seed=seed, given_up=demand.given_up,
    )  # fmt: skip
    bought = choose_used(bought, demand.key, demand.sale, inputs, year=inputs.year, seed=seed)
    units = np.bincount(demand.unit_pool, minlength=len(POOLS)) / sample
    vehicles.unit_plate_count = np.rint(units).astype(np.int64)
    use_plates(
        vehicles.applicants, plate_year.winner, demand.winner_used, plate_year, inputs, year=inputs.year
    )
    add_cars(
        vehicles.cars, book, household=demand.household, plate=demand.plate, powertrain=bought.powertrain,
        range_km=bought.range_km, home_post=bought.home_post, brought_in=bought.age > 0, age=bought.age,
    )  # fmt: skip
    count_cars(households, vehicles.cars)
    update_home_posts(vehicles.access, households)
    book.check()
    change_out_of_town(
        vehicles.outside, households, demand.wanted, city.zones, vehicles.outside_constant, inputs,
        year=inputs.year, seed=seed,
    )  # fmt: skip
    vehicles.limited_use[:, 1:] = vehicles.limited_use[:, :-1].copy()
    vehicles.limited_use[:, 0] = limited_use(inputs)
    oil, electric = driving_ratio(
        count_by_age(vehicles.cars), vehicles.base_count, inputs, vehicles.limited_use
    )
    vehicles.driving_ratio = float(oil), float(electric)
    vehicles.plate_year, vehicles.wait_year = plate_year, plate_year.wait_year
    registered = book.new + book.brought_in
    vehicles.registered_nev += float(registered[:, IS_NEW_ENERGY].sum()) / sample


def _given_up(given: Given, row: I64, inputs: YearInputs) -> I8:
    """What each owner gives up, as subsidies ask: a scrapped car counts if it is of a stage that is paid for."""
    oil = np.isin(given.powertrain[row], OIL)
    scrapped = given.scrapped[row] & scrappage_pays(given.powertrain[row], given.registered_year[row], inputs)
    code = np.where(oil & ~scrapped, GivenUp.SOLD_OIL, GivenUp.NOTHING)
    code = np.where(oil & scrapped, GivenUp.SCRAPPED_OIL, code)
    return np.where(~oil & scrapped, GivenUp.SCRAPPED_OTHER, code).astype(np.int8)


def _purchase_key(households: Households, kept: NDArray[np.int32], new: NDArray[np.int32]) -> I64:
    """Addresses of purchases: household and place among its purchases of the kind."""
    parts = []
    for household, first in ((kept, 0), (new, NEW_PLATE)):
        order = np.argsort(household, kind="stable")
        place = np.empty(len(household), np.int64)
        inside = household[order]
        place[order] = np.arange(len(household)) - np.searchsorted(inside, inside)
        parts.append(households.id[household] * PURCHASES + first + np.minimum(place, NEW_PLATE - 1))
    return np.concatenate(parts)


def renew_operators(vehicles: Vehicles, city: City, inputs: YearInputs, *, seed: int) -> None:
    """One year of all fleets: operators see the work of the year before and the prices and rules of this one.

    Parameters
    ----------
    vehicles
        Changed in place; its fleet books are those of the year afterwards.
    city
        The city.
    inputs
        Parameters of the year.
    seed
        Seed of the run.

    Raises
    ------
    ConservationError
        If the books do not close.
    """
    year = inputs.year
    book = vehicles.fleet_book = VehicleBook(year)
    vehicles.work = fleet_work(vehicles, city, inputs)
    renew_fleets(vehicles.fleets, city, inputs, vehicles.work, book, year=year, seed=seed)
    book.check()
    vehicles.registered_nev += float(book.new[:, IS_NEW_ENERGY].sum())


def fleet_work(vehicles: Vehicles, city: City, inputs: YearInputs) -> FleetWork:
    """What a year asks of the fleets: goods, coaches and the kilometres that hired cars were asked for last."""
    return FleetWork(
        hired_ratio=vehicles.hired_ratio,
        freight=freight_work(city, inputs, inputs.year),
        hydrogen_site_count=float(vehicles.access.hydrogen_sites.sum()),
        unit_plate_count=(int(vehicles.unit_plate_count[0]), int(vehicles.unit_plate_count[1])),
    )


def see_hired_km(vehicles: Vehicles, hired_km: float, inputs: YearInputs) -> None:
    """Remember the hired kilometres of the year for the next decisions of operators.

    Parameters
    ----------
    vehicles
        Changed in place.
    hired_km
        Kilometres of taxis and ride-hail cars with passengers on a weekday [km/d].
    inputs
        Parameters of the year.
    """
    if vehicles.base_hired_km == 0.0:
        # The base year is one of the pandemic: without it, so much more would have been asked for.
        active = 1.0 - inputs["pandemic.activity_drop"] * inputs["pandemic.intensity"]
        vehicles.base_hired_km = hired_km / active
    vehicles.hired_ratio = hired_km / vehicles.base_hired_km if vehicles.base_hired_km else 1.0


def vehicle_year(vehicles: Vehicles, households: Households, city: City, *, sample: float) -> VehicleYear:
    """What the year left behind, weighted to the city.

    Parameters
    ----------
    vehicles
        State at the end of the year.
    households
        Who holds the private cars.
    city
        The city.
    sample
        Share of the people simulated [1].

    Returns
    -------
    VehicleYear
        Stocks, flows, plates, posts and the shares that the plan sets.
    """
    flow = weighted([(vehicles.private_book, 1.0 / sample), (vehicles.fleet_book, 1.0)])
    plates = None
    if vehicles.plate_year is not None:
        p = vehicles.plate_year
        names = ("waiting", "quota", "issued", "used", "held", "expired")
        count = {name: np.asarray(getattr(p, name), np.float64) / sample for name in names}
        plates = PlateFigures(**count, odds=p.odds, wait_year=p.wait_year)
    return VehicleYear(
        **flow, registered_nev=vehicles.registered_nev, plates=plates,
        district=vehicles_by_district(vehicles.cars, households, vehicles.fleets, city, sample=sample),
        posts=count_posts(vehicles.access, sample), rule_share=rule_shares(vehicles.fleets),
        out_of_town=float(vehicles.outside.alive.sum()) / sample,
        lacking=lacking_shares(vehicles.fleets),
    )  # fmt: skip
