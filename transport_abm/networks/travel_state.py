"""State of the supply side: skims, flows and times by period, and what transit strategies were found on."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from transport_abm.core.vocabulary import PERIOD_LENGTH_H, Mode, Period, TransitMode, TransitOption
from transport_abm.networks.city import F32, F64, City
from transport_abm.networks.level_of_service import ACTIVE_KM, N_LOS
from transport_abm.networks.road_users import RoadRules
from transport_abm.networks.roads.assignment import RoadState
from transport_abm.networks.roads.connectors import Connectors, build_connectors
from transport_abm.networks.roads.road_skims import active_skim_m
from transport_abm.networks.simulated_day import DayReport, Slice
from transport_abm.networks.transit.transit_assignment import (
    TransitCrowding,
    TransitResult,
    TransitService,
    free_crowding,
)
from transport_abm.networks.transit.transit_gap import LoadingAverage
from transport_abm.policy.inputs import YearInputs

Count = np.ndarray[tuple[int, ...], np.dtype[np.int32]]
"""Sampled trips by mode or car kind, and by pair of zones."""

OPTION_OF_MODE = {
    Mode.BUS: TransitOption.BUS,
    Mode.METRO: TransitOption.METRO,
    Mode.BUS_METRO: TransitOption.BUS_METRO,
}


@dataclass(frozen=True)
class StrategyInput:
    """What transit strategies of a period are found on; while it hardly moves they are kept."""

    perceived_s: F64
    """By call: running time as felt in the crowd [s]."""
    frequency_share: F64
    """By call: share of departures that can be boarded [1]."""
    demand: F64
    """By option and pair of zones [persons/h]."""

    def moved(self, other: StrategyInput | None) -> float:
        """Largest mean relative difference to another one; infinite where there is none.

        Demand counts a tenth: a new demand on the same strategies moves flows, and times only through them.
        """
        if other is None:
            return float("inf")
        total = max(float(self.demand.sum()), float(other.demand.sum()), 1e-9)
        return max(
            float(
                np.abs(self.perceived_s - other.perceived_s).sum() / max(float(other.perceived_s.sum()), 1e-9)
            ),
            float(np.abs(self.frequency_share - other.frequency_share).mean()),
            float(np.abs(self.demand - other.demand).sum()) / total / 10.0,
        )


@dataclass(frozen=True)
class TravelStart:
    """Flows of the base year, from which a first year begins: settled traffic instead of empty roads."""

    link_flow_pcuh: F64
    """By period and link [pcu/h]."""
    call_flow: F64
    """By period and transit call [persons/h]."""


@dataclass
class Travel:
    """State of the supply side: skims, flows and times by period."""

    rung: str
    """Model of road traffic: L0, L1 or L2."""
    seed: int
    """Seed of the run's draws."""
    connectors: Connectors
    """How the trips of each zone get on the roads."""
    radius_km: F32
    """Mean distance of trips inside each zone [km]."""
    nearest: np.ndarray[tuple[int], np.dtype[np.int64]]
    """Nearest other zone of each zone."""
    los: F32
    """Level of service, float32 of shape (periods, zones, zones, ``N_LOS``)."""
    transit_km: F32
    """Bus and metro km of each transit option: shape (options, periods, 2, zones, zones)."""
    link_flow_pcuh: F64
    link_time_s: F64
    """By period and link."""
    road_state: list[RoadState | None]
    road_gap: F64
    """Relative gap of the road equilibrium by period."""
    crowding: list[TransitCrowding]
    transit_result: dict[tuple[int, int], TransitResult] = field(default_factory=dict)
    transit_change: float = np.inf
    loading_average: list[LoadingAverage | None] = field(default_factory=lambda: [None] * len(Period))
    """By period: average of this year's loadings, for the gap."""
    crowd_gap: F64 = field(default_factory=lambda: np.full(len(Period), np.nan))
    """By period: relative gap of the average of the loadings in its crowd, when strategies were last found [1]."""
    bus_speed_kmh: F64 = field(default_factory=lambda: np.full(len(Period), np.nan))
    boardings: F64 = field(default_factory=lambda: np.zeros(len(TransitMode)))
    """Boardings of bus and metro per weekday."""
    metro_load: F64 = field(default_factory=lambda: np.zeros(0))
    """Load over places of each metro section in the morning peak [1]."""
    metro_passenger_km: F64 = field(default_factory=lambda: np.zeros(0))
    """Passenger-km of each metro section in the morning peak hour."""
    metro_length_km: float = 0.0
    services: dict[tuple[int, int], TransitService] = field(default_factory=dict)
    road_days: list[int] = field(default_factory=lambda: [0] * len(Period))
    """By period: days whose flows rung L0 has averaged."""
    slices: list[Slice] = field(default_factory=list)
    """Slices of the last simulated day of rung L2: routes, and what drivers expect."""
    queue_day: DayReport | None = None
    """What the last day of rung L2 told."""
    road_demand: list[F64 | None] = field(default_factory=lambda: [None] * len(Period))
    """By period: vehicles of each class that were last assigned this year [vehicles/h]; on rung L2 by part of the day,
    those that leave in it."""
    loadings: list[int] = field(default_factory=lambda: [0] * len(Period))
    """By period: how often passengers have been loaded; weighs the next loading in the average of the crowd."""
    rules: RoadRules | None = None
    """Where charges and bars of the year hold on the roads."""
    strategy_input: list[StrategyInput | None] = field(default_factory=lambda: [None] * len(Period))
    """By period: what the strategies in force were found on."""

    @property
    def has_run(self) -> bool:
        """Whether any trips have been assigned yet."""
        return bool(np.isfinite(self.transit_change))

    def largest_crowd_gap(self) -> float:
        """Largest gap of transit over the periods; 0 where no average of loadings was ever looked at [1]."""
        known = self.crowd_gap[np.isfinite(self.crowd_gap)]
        return float(known.max()) if len(known) else 0.0


def build_travel(city: City, inputs: YearInputs, *, rung: str = "L1", seed: int = 0) -> Travel:
    """Travel before any traffic: walking and cycling distances; the rest is empty.

    Parameters
    ----------
    city
        The city.
    inputs
        Parameters of the base year.
    rung
        Model of road traffic: L0, L1 or L2.
    seed
        Seed of the run's draws: of departures and routes on rung L2.

    Returns
    -------
    Travel
        To be filled by ``open_year`` and ``update_travel``.
    """
    n, periods = len(city.zones), len(Period)
    active_m = active_skim_m(city, inputs)
    los = np.zeros((periods, n, n, N_LOS), np.float32)
    los[..., ACTIVE_KM] = active_m / 1000.0
    away = active_m.copy()
    np.fill_diagonal(away, np.inf)
    return Travel(
        rung=rung,
        seed=seed,
        connectors=build_connectors(city, inputs),
        radius_km=np.diagonal(active_m).astype(np.float32) / np.float32(1000.0),
        nearest=np.argmin(away, axis=1),
        los=los,
        transit_km=np.zeros((len(TransitOption), periods, 2, n, n), np.float32),
        link_flow_pcuh=np.zeros((periods, city.roads.n_links)),
        link_time_s=np.zeros((periods, city.roads.n_links)),
        road_state=[None] * periods,
        road_gap=np.full(periods, np.inf),
        crowding=[free_crowding(city.transit) for _ in range(periods)],
    )


def hourly(inputs: YearInputs, period: Period) -> float:
    """Factor from a period's trips to the flow of its design hour [1/h]."""
    return inputs[f"traffic.peak_hour_factor_{period.name.lower()}"] / PERIOD_LENGTH_H[period]
