"""The model: a ``mesa.Model`` whose persons and households are rows of tables, stepped year by year."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from transport_abm.agents.fleets.buses import Buses
from transport_abm.agents.fleets.operators import Operators
from transport_abm.agents.fleets.permits import Vans
from transport_abm.agents.fleets.ride_hail import RideHailCars
from transport_abm.agents.fleets.taxis import Taxis
from transport_abm.agents.mode_choice import choice_terms, choose, driving_cny_scale, zone_terms
from transport_abm.agents.powertrain_fit import identify_powertrain
from transport_abm.agents.tables import Households, Persons
from transport_abm.agents.tours import PERSON, Tours
from transport_abm.agents.vehicles import Cars
from transport_abm.before_run import check_years
from transport_abm.builder import build_world, run_seed
from transport_abm.core.errors import ConvergenceWarning, RunError
from transport_abm.core.mesa_view import (
    ColumnAgent,
    ColumnAgentSet,
    ColumnDataCollector,
    ColumnModel,
    vectorized,
)
from transport_abm.core.vocabulary import Period, TransitMode
from transport_abm.fit_base_year import base_year
from transport_abm.networks.cities.city_files import city_digest
from transport_abm.networks.cities.open_city import open_city
from transport_abm.networks.city import City
from transport_abm.outcomes import OUTCOMES, record_outcomes
from transport_abm.policy.inputs import BASE_YEAR, YearInputs, year_inputs
from transport_abm.policy.scenario import Scenario
from transport_abm.provenance import manifest
from transport_abm.results import Ensemble, Results
from transport_abm.schedule import run_year
from transport_abm.world import World

Progress = Callable[[str, float], None]
"""Called with what is happening and the share of the run that is done."""


class Household(ColumnAgent):
    """Handle on one household."""

    table = Households


class Person(ColumnAgent):
    """Handle on one person; ``step`` chooses the modes of the person's own tours at the present travel times."""

    table = Persons

    @vectorized
    def step(people: ColumnAgentSet) -> None:
        """Choose the mode of each tour of these people."""
        model: TransportModel = people.model
        model.choose_modes_of(people.rows)


class Car(ColumnAgent):
    """Handle on one private car."""

    table = Cars


class Operator(ColumnAgent):
    """Handle on one operator of a fleet."""

    table = Operators


class Bus(ColumnAgent):
    """Handle on one city bus."""

    table = Buses


class Taxi(ColumnAgent):
    """Handle on one cruising taxi."""

    table = Taxis


class RideHailCar(ColumnAgent):
    """Handle on one ride-hail car."""

    table = RideHailCars


class Van(ColumnAgent):
    """Handle on one delivery van."""

    table = Vans


class TransportModel(ColumnModel):
    """One run of a scenario, in years.

    Parameters
    ----------
    case
        The scenario (``case``, since Mesa's newer versions use ``scenario`` themselves).
    city
        The city; by default the one that the scenario names.
    check
        Enforce the declarations of every step (for tests).
    progress
        Called with what is happening and the share of the run that is done.

    Attributes
    ----------
    year
        Last year that has run; None before the first.
    world
        City, people, tours and travel.
    table
        Outcomes of the years that have run.
    """

    def __init__(
        self,
        case: Scenario,
        *,
        city: City | None = None,
        check: bool = False,
        progress: Progress | None = None,
    ) -> None:
        seed = run_seed(case.seed, case.replication)
        super().__init__(rng=seed)
        self.case = case
        self.check = check
        self.year: int | None = None
        self._progress = progress
        check_years(case.name, self.years, case.inputs)
        self._tell("Opening the city", 0.0)
        if city is None:
            city, digest = open_city(case.city)
        else:
            digest = city_digest(city)
        base = base_year(city, digest, dict(case.parameters), tell=lambda what, done: self._tell(what, 0.0))
        self._tell("Building the population", 0.0)
        drawn = case.draws()
        # Weights that are drawn come with constants of their own, so that 2021 stays as it was bought.
        self._fitted = identify_powertrain(city, overrides=case.parameters, drawn=drawn) if drawn else {}
        start = year_inputs(BASE_YEAR, {**case.parameters, **self._fitted}, (), drawn)
        self.world: World = build_world(city, base, start, sample=case.sample, seed=seed, rung=case.traffic)
        if drawn:
            central = year_inputs(BASE_YEAR, case.parameters)
            self.world.observed_driving = driving_cny_scale(central, start)
        self.attach(Household, self.world.households)
        self.attach(Person, self.world.persons)
        vehicles = self.world.vehicles
        fleets = vehicles.fleets
        for handle, table in (
            (Car, vehicles.cars), (Operator, fleets.operators), (Bus, fleets.buses), (Taxi, fleets.taxis),
            (RideHailCar, fleets.ride_hail), (Van, fleets.vans),
        ):  # fmt: skip
            self.attach(handle, table)
        self.manifest = manifest(
            case,
            city={"name": city.name, "digest": digest, "meta": _plain(city.meta)},
            base=base.facts(),
            fit=self.world.fit,
        )
        self._tables: list[pd.DataFrame] = []
        self._roads: list[pd.DataFrame] = []
        self._transit: list[pd.DataFrame] = []
        # A partial of a function of the module can be pickled, and Mesa calls it with the model.
        self.datacollector = ColumnDataCollector(
            model_reporters={name: partial(_latest, name) for name in OUTCOMES}
        )

    def __getstate__(self) -> dict[str, Any]:
        """A progress callback belongs to a terminal, not to the model."""
        return self.__dict__ | {"_progress": None}

    @property
    def years(self) -> range:
        """Years that run: from the base year on, whichever year is the first to be reported."""
        return range(min(BASE_YEAR, self.case.years[0]), self.case.years[1] + 1)

    @property
    def table(self) -> pd.DataFrame:
        """Outcomes of the years that have run, in the long form of ``Results``."""
        return pd.concat(self._tables, ignore_index=True) if self._tables else pd.DataFrame()

    def inputs(self, year: int) -> YearInputs:
        """Values of all parameters in one year of this run."""
        given = {**self.case.parameters, **self._fitted}
        return year_inputs(year, given, self.case.levers, self.case.draws())

    def step(self) -> None:
        """Run the next year.

        Raises
        ------
        RunError
            If the last year has run.
        """
        year = self.years.start if self.year is None else self.year + 1
        if year not in self.years:
            raise RunError(f"year: expected one of {self.years.start}-{self.years.stop - 1}, got {year}")
        done = (year - self.years.start) / len(self.years)
        inputs = self.inputs(year)
        settled = run_year(
            self.world,
            inputs,
            check=self.check,
            tell=lambda what, part: self._tell(f"{year}: {what}", done + part / len(self.years)),
        )
        self.year = year
        if settled.view.gap["excess"] > 1.0:
            warnings.warn(
                f"{year}: not converged after {settled.iterations} iterations: gap is "
                f"{settled.view.gap['excess']:.2f} times its threshold",
                ConvergenceWarning,
                stacklevel=2,
            )
        if year >= self.case.years[0]:
            self._tables.append(record_outcomes(settled.view))
            self._record_flows(year)
            self.datacollector.collect(self)

    def run(self) -> Results:
        """Run all years that are left.

        Returns
        -------
        Results
            Outcomes, manifest and flows.
        """
        while self.year is None or self.year + 1 in self.years:
            self.step()
        self._tell("Done", 1.0)
        return self.results()

    def branch(self, case: Scenario, *, progress: Progress | None = None) -> TransportModel:
        """A copy of this run as it stands that goes on under other levers, as if it had run under them from the start.

        Parameters
        ----------
        case
            A scenario whose inputs of the years that have run are those of this one.
        progress
            As in the model itself.

        Returns
        -------
        TransportModel
            The copy; this run is left as it is. The city and the constants of the base year are shared.

        Raises
        ------
        RunError
            If the scenarios differ in more than name, description and levers, or in a year that has run.
        ScenarioError
            If the years that are left cannot be run.
        """
        same = case.replace(name=self.case.name, description=self.case.description, levers=self.case.levers)
        if same != self.case:
            raise RunError(
                f"branch {case.name}: expected a scenario that differs by levers only, got another"
            )
        past = range(self.years.start, self.years.start if self.year is None else self.year + 1)
        other = [year for year in past if case.inputs(year) != self.case.inputs(year)]
        if other:
            raise RunError(
                f"branch {case.name}: expected the inputs of this run up to {self.year}, got others in {other[0]}"
            )
        world = self.world
        # Neither is ever written to, and both are large.
        shared = {id(part): part for part in (world.city, world.base)}
        twin = copy.deepcopy(self, shared)
        twin.case, twin._progress = case, progress
        check_years(case.name, twin.years, case.inputs)
        twin.manifest = manifest(case, city=self.manifest["city"], base=world.base.facts(), fit=world.fit)
        return twin

    def results(self) -> Results:
        """Outcomes of the years that have run."""
        return Results(
            self.manifest,
            self.table,
            pd.concat(self._roads, ignore_index=True),
            pd.concat(self._transit, ignore_index=True),
        )

    def choose_modes_of(self, rows: np.ndarray[Any, np.dtype[np.int32]] | None) -> None:
        """Choose again the modes of the tours of some persons at the present travel times.

        Parameters
        ----------
        rows
            Rows of the persons; None for all.
        """
        world = self.world
        if world.tours is None or world.travellers is None or self.year is None:
            return
        inputs = self.inputs(self.year)
        terms = choice_terms(world.base.constants(), world.city.fares, inputs, world.driving)
        zone = zone_terms(world.city.zones, world.travel.radius_km, inputs)
        if rows is None or len(rows) == len(world.persons):
            choose(world.tours, world.travellers, world.travel.los, zone, terms, seed=world.seed)
            return
        # Tours stand in the order of persons, so those of one person are found by bisection.
        owner = world.tours.table[:, PERSON]
        first, last = np.searchsorted(owner, rows, "left"), np.searchsorted(owner, rows, "right")
        own = np.concatenate([np.arange(a, b) for a, b in zip(first, last, strict=True)] or [np.arange(0)])
        part = Tours(
            world.tours.table[own], world.tours.spread[own], world.tours.address[own], world.tours.mode[own]
        )
        choose(part, world.travellers, world.travel.los, zone, terms, seed=world.seed)
        world.tours.mode[own] = part.mode

    def _record_flows(self, year: int) -> None:
        """Flows of the peaks, for the maps; the first and last year and every fifth."""
        if year not in self.case.years and year % 5:
            return
        world = self.world
        flow, roads = world.travel.link_flow_pcuh, world.city.roads
        load = np.maximum(flow[Period.AM], flow[Period.PM]) / roads.capacity_pcuh
        used = np.flatnonzero(load > 0)
        self._roads.append(
            pd.DataFrame(
                {
                    "year": np.int16(year), "link": used.astype(np.int32),
                    "am_pcuh": flow[Period.AM, used].astype(np.float32), "pm_pcuh": flow[Period.PM, used].astype(np.float32),
                    "load": load[used].astype(np.float32),
                }
            )
        )  # fmt: skip
        transit = world.city.transit
        metro = np.flatnonzero(world.travel.metro_passenger_km > 0)
        length_km = np.maximum(transit.segment_length_m[metro] / 1000.0, 1e-9)
        pattern = np.searchsorted(transit.pattern_indptr, metro, side="right") - 1
        assert np.all(transit.line_mode[transit.pattern_line[pattern]] == TransitMode.METRO)
        self._transit.append(
            pd.DataFrame(
                {
                    "year": np.int16(year), "call": metro.astype(np.int32), "pattern": pattern.astype(np.int32),
                    "passengers_h": (world.travel.metro_passenger_km[metro] / length_km).astype(np.float32),
                    "load": world.travel.metro_load[metro].astype(np.float32),
                }
            )
        )  # fmt: skip

    def _tell(self, what: str, done: float) -> None:
        """Pass progress on."""
        if self._progress is not None:
            self._progress(what, done)


def _latest(name: str, model: TransportModel) -> float | None:
    """Newest value of an outcome in its own domain."""
    table = model._tables[-1]
    rows = table[(table["outcome"] == name) & (table["district"] == "") & (table["class"] == "")]
    return float(rows["value"].iloc[0]) if len(rows) else None


def run(case: Scenario, *, city: City | None = None, progress: Progress | None = None) -> Results:
    """Run a scenario from its first to its last year.

    Parameters
    ----------
    case
        The scenario.
    city
        The city; by default the one that the scenario names.
    progress
        Called with what is happening and the share of the run that is done.

    Returns
    -------
    Results
        Outcomes of all years.

    Examples
    --------
    >>> import transport_abm as ta
    >>> results = ta.run(ta.Scenario.named("plan").replace(sample=0.001))  # doctest: +SKIP
    """
    return TransportModel(case, city=city, progress=progress).run()


def run_replications(
    case: Scenario,
    replications: int | Sequence[int],
    *,
    city: City | None = None,
    progress: Progress | None = None,
) -> Ensemble:
    """Run a scenario several times with other draws.

    Parameters
    ----------
    case
        The scenario.
    replications
        How many, counted from the scenario's own replication, or which ones.
    city, progress
        As in ``run``.
    """
    numbers: Iterable[int] = (
        range(case.replication, case.replication + replications)
        if isinstance(replications, int)
        else replications
    )
    return Ensemble(tuple(run(case.replace(replication=n), city=city, progress=progress) for n in numbers))


def _plain(value: Any) -> Any:
    """Facts of a city as plain JSON values."""
    if isinstance(value, dict) or hasattr(value, "items"):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
