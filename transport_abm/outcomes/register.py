"""What outcomes are measured on, and the register in which each of them stands with its unit and definition."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from transport_abm.agents.tours import Tours
from transport_abm.agents.vehicle_year import VehicleYear
from transport_abm.carbon.account import Account
from transport_abm.core.vocabulary import Mode, Period, TransitMode
from transport_abm.networks.city import City
from transport_abm.networks.level_of_service import ACTIVE_KM, CAR_KM
from transport_abm.networks.travel import Travel
from transport_abm.policy.inputs import YearInputs

Row = tuple[str, str, float]
"""District (empty: the outcome's own domain), class (empty: total), value."""

TRANSIT_OF_MODE = {Mode.BUS: 0, Mode.METRO: 1, Mode.BUS_METRO: 2}


@dataclass(frozen=True)
class SettledTravel:
    """Trips and times of a year that has settled."""

    city: City
    travel: Travel
    tours: Tours
    count: NDArray[np.int32]
    """Sampled trips by mode, period, origin and destination."""
    weight: float
    """Persons that one sampled person stands for."""
    residents: NDArray[np.float64]
    """Living residents by home zone, weighted [persons]."""
    inputs: YearInputs
    gap: Mapping[str, float]
    """How far the equilibrium is from its thresholds."""

    @cached_property
    def central(self) -> NDArray[np.bool_]:
        """By zone: in the central city."""
        return self.city.districts.central[self.city.zones.district]

    @cached_property
    def pair_count(self) -> NDArray[np.int64]:
        """Sampled trips by mode, origin and destination, all periods."""
        return np.asarray(self.count.sum(axis=1, dtype=np.int64))

    @cached_property
    def touches_central(self) -> NDArray[np.bool_]:
        """By origin and destination: an end lies in the central city."""
        return self.central[:, None] | self.central[None, :]

    @cached_property
    def central_count(self) -> NDArray[np.int64]:
        """Sampled trips by mode with an end in the central city."""
        return np.asarray(self.pair_count[:, self.touches_central].sum(axis=1))

    @cached_property
    def district_count(self) -> NDArray[np.int64]:
        """Sampled trips by district and mode, of the trips with an end in the district."""
        out = np.zeros((len(self.city.districts.name_en), len(Mode)), np.int64)
        for d in range(len(out)):
            inside = self.city.zones.district == d
            out[d] = self.pair_count[:, inside[:, None] | inside[None, :]].sum(axis=1)
        return out

    @cached_property
    def mode_km(self) -> NDArray[np.float64]:
        """Passenger-km by mode and origin zone [person-km/day]."""
        km = np.zeros((len(Mode), len(self.city.zones)))
        for mode in Mode:
            for period in Period:
                table = self.travel.los[period]
                if mode in TRANSIT_OF_MODE:
                    option = TRANSIT_OF_MODE[mode]
                    distance = self.travel.transit_km[option, period].sum(axis=0)
                elif mode >= Mode.TAXI:
                    distance = table[:, :, CAR_KM]
                else:
                    distance = table[:, :, ACTIVE_KM]
                trips = self.count[mode, period]
                km[mode] += np.where(
                    trips > 0, trips * np.where(np.isfinite(distance), distance, 0.0), 0.0
                ).sum(axis=1)
        return km * self.weight

    @cached_property
    def line_km(self) -> NDArray[np.float64]:
        """Passenger-km on buses and on metro by origin zone, shape (2, zones) [person-km/day]."""
        km = np.zeros((len(TransitMode), len(self.city.zones)))
        for mode, option in TRANSIT_OF_MODE.items():
            for period in Period:
                trips = self.count[mode, period]
                for part in TransitMode:
                    distance = self.travel.transit_km[option, period, part]
                    km[part] += np.where(trips > 0, trips * distance, 0.0).sum(axis=1)
        return km * self.weight


@dataclass(frozen=True)
class YearView(SettledTravel):
    """What the outcomes of one year are measured on."""

    vehicles: VehicleYear
    """Vehicles, plates and posts of the year."""
    account: Account
    """Energy and CO2 of the year."""
    base_account: Account
    """Those of the base year."""

    @classmethod
    def of(
        cls, travel: SettledTravel, vehicles: VehicleYear, account: Account, base_account: Account
    ) -> YearView:
        """A settled year with its vehicles and its CO2; what was counted already is not counted again."""
        view = object.__new__(cls)
        view.__dict__.update(vars(travel), vehicles=vehicles, account=account, base_account=base_account)
        return view


Measure = Callable[[YearView], Iterator[Row]]


@dataclass(frozen=True)
class Outcome:
    """A reported quantity."""

    name: str
    unit: str
    label_en: str
    label_zh: str
    definition: str
    measure: Measure


OUTCOMES: dict[str, Outcome] = {}


def outcome(unit: str, label_en: str, label_zh: str, definition: str) -> Callable[[Measure], Measure]:
    """Register a function as an outcome; its name is the outcome's."""

    def register(measure: Measure) -> Measure:
        OUTCOMES[measure.__name__] = Outcome(measure.__name__, unit, label_en, label_zh, definition, measure)
        return measure

    return register


def record_outcomes(view: YearView) -> pd.DataFrame:
    """All outcomes of a year, as rows outcome, year, district, class, value, unit."""
    rows: list[tuple[Any, ...]] = []
    for item in OUTCOMES.values():
        rows += [
            (item.name, view.inputs.year, district, class_, float(value), item.unit)
            for district, class_, value in item.measure(view)
        ]
    return pd.DataFrame(rows, columns=["outcome", "year", "district", "class", "value", "unit"])
