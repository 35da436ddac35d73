"""Frequency-based transit assignment: strategies, flows and skims between zones, and crowding.

Generalised time of a strategy (weights from the catalogue):

    1.8 walk + 2.0 wait + chi in-vehicle + 6 min x (boardings - 1)

with ``chi`` the perceived multiplier of the crowd on each segment and waits on frequencies that overfull
vehicles cannot offer: ``f_eff = f / (1 + (flow / (f K))^beta)`` (Spiess and Florian 1989; Wardman and Whelan
2011; Cominetti and Correa 2001). One call computes strategies and loads them once; the loop that balances
flow and crowd lies outside: sum ``call_flow`` over the options of a period and pass it to
``update_crowding``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.core.vocabulary import Period, TransitMode, TransitOption
from transport_abm.networks.city import F32, F64, TransitNetwork
from transport_abm.networks.transit.kernels_transit import (
    BOARDINGS,
    BUS_BOARDINGS,
    BUS_KM,
    BUS_MIN,
    CROWDED,
    METRO_KM,
    METRO_MIN,
    N_SKIM,
    WAIT,
    WALK,
    TransitCost,
    assign_strategies,
)
from transport_abm.networks.transit.transit_service import (
    Inputs,
    TransitService,
    build_transit_service,
    line_headway_min,
    pattern_runs,
)
from transport_abm.networks.transit.transit_times import bus_segment_time_s, transit_fare_cny

__all__ = [
    "TransitCrowding",
    "TransitResult",
    "TransitService",
    "assign_transit",
    "build_transit_service",
    "bus_segment_time_s",
    "crowding_multiplier",
    "free_crowding",
    "transit_fare_cny",
    "update_crowding",
]

N_CHUNKS = 16
"""Chunks of destinations whose flows are summed apart: fixed, so that results do not depend on threads."""


@dataclass(frozen=True)
class TransitCrowding:
    """State of the crowd in one period: what the last loading left for the next."""

    flow: F64
    """Passengers per hour on the segment leaving each city call, averaged over iterations."""
    multiplier: F64
    """Perceived over actual running time on each city call's segment [1]."""
    frequency_share: F64
    """Share of departures at each city call that can be boarded [1]."""
    change: float
    """Sum of absolute differences between the last loading and the state before it, over the loading [1]."""


@dataclass(frozen=True)
class TransitResult:
    """Skims and flows of one strategy computation."""

    skims: Mapping[str, F32]
    """Expected values, shape (zones, zones), origin first: ``total`` [generalised min], ``access_min`` (all
    walking), ``wait_min``, ``in_vehicle_min``, ``crowded_min`` (as perceived), ``boardings``,
    ``bus_boardings``, ``bus_km``, ``metro_km``, ``bus_min``, ``metro_min``. Where ``total`` is infinite the
    others are 0."""
    call_flow: F64
    """Passengers per hour on the segment leaving each city call."""
    call_board: F64
    """Passengers per hour boarding at each city call."""
    unserved: float
    """Demand between pairs without a strategy [persons/h]; every zone to itself is such a pair."""
    change: float
    """Sum of absolute differences of ``total`` to the previous result over its sum, for pairs reached in
    both [1]; infinite without a previous result."""
    least: F32
    """Least cost between zones before any pair was left out of the option [generalised min]."""
    call_wait: F64
    """Part of the wait of those who board at each city call that grows as 1 / share of departures that can be boarded:
    passengers times minutes, an hour, at a share of 1."""
    steady_cost: float
    """Cost of all loaded passengers that no crowd changes: walks, changes, waits by the clock [min/h]."""


def assign_transit(
    service: TransitService,
    demand: F64 | None,
    call_time_s: F64,
    *,
    crowding: TransitCrowding | None = None,
    previous: TransitResult | None = None,
) -> TransitResult:
    """Compute optimal strategies between all zones and load them once.

    Parameters
    ----------
    service
        Compiled service.
    demand
        Passengers per hour, shape (zones, zones), origin first; None to compute skims only.
    call_time_s
        Running time with dwell of the segment leaving each city call [s], from ``bus_segment_time_s``.
    crowding
        State of the crowd; None for empty vehicles.
    previous
        Result to compare with.

    Returns
    -------
    TransitResult
        Skims and flows. For ``TransitOption.BUS_METRO`` pairs whose strategy spends less than
        ``transit.combined_min_min`` expected minutes on either submode have an infinite ``total``.

    Raises
    ------
    NetworkError
        If shapes do not fit, or demand or a used segment time is negative or not finite.
    """
    check_tables(service, demand, call_time_s)
    n_zones, n_calls = service.n_zones, len(service.call)
    total = np.empty((n_zones, n_zones))
    skim = np.empty((N_SKIM, n_zones, n_zones), np.float32)
    chunk_flow = np.zeros((N_CHUNKS, 3, n_calls))
    lost = np.empty(n_zones)
    table = np.empty((0, 0)) if demand is None else np.array(demand, np.float64, order="C")
    chunk_indptr = np.arange(N_CHUNKS + 1, dtype=np.int64) * n_zones // N_CHUNKS
    assign_strategies(
        service.graph,
        _cost(service, call_time_s, crowding),
        table,
        chunk_indptr,
        total,
        skim,
        chunk_flow,
        lost,
    )
    flow = chunk_flow.sum(axis=0)
    if crowding is not None:
        # As if all departures could be boarded, so that it can be reckoned in any other crowd.
        flow[2] *= crowding.frequency_share[service.call]
    least = total.astype(np.float32)
    cost = cost_of(total, table)
    skims = named_skims(service, total, skim)
    return loaded_result(
        service, crowding, call_time_s, least, cost, skims, flow, float(lost.sum()), previous
    )


def cost_of(total: F64, demand: F64) -> float:
    """Sum of demand times cost over the pairs that are reached; 0 without demand."""
    if len(demand) == 0:
        return 0.0
    return float(np.where(np.isfinite(total), total, 0.0).ravel() @ demand.ravel())


def loaded_result(
    service: TransitService,
    crowding: TransitCrowding | None,
    call_time_s: F64,
    least: F32,
    cost: float,
    skims: Mapping[str, F32],
    flow: F64,
    unserved: float,
    previous: TransitResult | None,
) -> TransitResult:
    """Result from flows by compiled call (on board, boarding, waiting) and the cost of all that were loaded."""
    on_board, board, wait = np.zeros((3, service.n_city_calls))
    on_board[service.call], board[service.call], wait[service.call] = flow
    change = np.inf if previous is None else relative_change(skims["total"], previous.skims["total"])
    varies = varying_cost(on_board, wait, call_time_s, crowding, service.inputs)
    return TransitResult(
        skims=skims, call_flow=on_board, call_board=board, unserved=unserved, change=change, least=least,
        call_wait=wait, steady_cost=cost - varies,
    )  # fmt: skip


def varying_cost(
    call_flow: F64, call_wait: F64, call_time_s: F64, crowding: TransitCrowding | None, inputs: Inputs
) -> float:
    """Cost of riding and waiting in a state of the crowd.

    Parameters
    ----------
    call_flow, call_wait
        Riders, and minutes waited if all departures could be boarded, by city call.
    call_time_s
        Running time of each city call's segment [s].
    crowding
        State of the crowd; None for empty vehicles.
    inputs
        Read: ``transit.wait_weight``.

    Returns
    -------
    float
        Persons times generalised minutes, an hour.
    """
    felt = 1.0 if crowding is None else crowding.multiplier
    share = 1.0 if crowding is None else crowding.frequency_share
    ride = call_flow * call_time_s / 60 * felt
    return float(ride.sum() + inputs["transit.wait_weight"] * (call_wait / share).sum())


def check_tables(service: TransitService, demand: F64 | None, call_time_s: F64) -> None:
    """Refuse tables that do not fit the service."""
    faults = []
    if call_time_s.shape != (service.n_city_calls,):
        faults.append(
            Fault("transit", "call_time_s", f"{service.n_city_calls} calls", str(call_time_s.shape))
        )
    else:
        time = call_time_s[service.call][service.graph.call_next >= 0]
        bad = ~(np.isfinite(time) & (time >= 0))
        if bad.any():
            faults.append(
                Fault("transit", "call_time_s", "finite seconds, not negative", f"{bad.sum()} others")
            )
    if demand is not None:
        shape = (service.n_zones, service.n_zones)
        if demand.shape != shape:
            faults.append(Fault("transit", "demand", f"shape {shape}", str(demand.shape)))
        elif not (np.isfinite(demand).all() and (demand >= 0).all()):
            faults.append(Fault("transit", "demand", "finite passengers, not negative", "others"))
    if faults:
        raise NetworkError(faults)


def _cost(service: TransitService, call_time_s: F64, crowding: TransitCrowding | None) -> TransitCost:
    """Times, boardable frequencies and weights of the compiled calls."""
    inputs = service.inputs
    ride_min = call_time_s[service.call] / 60
    frequency = np.where(service.graph.call_next >= 0, 1 / service.headway_min, 0.0)
    # A bus line of the tables may stand for several routes; a rider can use only some of their departures.
    frequency = frequency * np.where(service.graph.call_metro, 1.0, inputs["transit.bus_useful_share"])
    ride_cost = ride_min
    if crowding is not None:
        ride_cost = ride_min * crowding.multiplier[service.call]
        frequency = frequency * crowding.frequency_share[service.call]
    return TransitCost(
        ride_min,
        ride_cost,
        frequency,
        inputs["transit.wait_alpha"],
        inputs["transit.wait_weight"],
        inputs["transit.walk_weight"],
        inputs["transit.transfer_penalty_min"],
    )


def named_skims(service: TransitService, total: F64, skim: F32) -> dict[str, F32]:
    """Named skims; combined trips need both submodes."""
    if service.option is TransitOption.BUS_METRO:
        least = service.inputs["transit.combined_min_min"]
        single = (skim[BUS_MIN] < least) | (skim[METRO_MIN] < least)
        total[single] = np.inf
        skim[:, single] = 0
    return {
        "total": total.astype(np.float32),
        "access_min": skim[WALK],
        "wait_min": skim[WAIT],
        "in_vehicle_min": skim[BUS_MIN] + skim[METRO_MIN],
        "crowded_min": skim[CROWDED],
        "boardings": skim[BOARDINGS],
        "bus_boardings": skim[BUS_BOARDINGS],
        "bus_km": skim[BUS_KM],
        "metro_km": skim[METRO_KM],
        "bus_min": skim[BUS_MIN],
        "metro_min": skim[METRO_MIN],
    }


def relative_change(new: F32, old: F32) -> float:
    """Sum of absolute differences over the old sum, for pairs finite in both; 0 where there are none."""
    both = np.isfinite(new) & np.isfinite(old)
    base = float(old[both].sum(dtype=np.float64))
    return float(np.abs(new[both] - old[both]).sum(dtype=np.float64)) / base if base > 0 else 0.0


def crowding_multiplier(
    load: F64, seats: F64, capacity: F64, standing_p_m2: F64 | float, inputs: Inputs
) -> F64:
    """Perceived over actual in-vehicle time for the passengers of one vehicle.

    Parameters
    ----------
    load, seats, capacity
        Passengers, seats and all places of a vehicle.
    standing_p_m2
        Standing density at which the vehicle is at capacity [persons/m2]; gives its floor area.
    inputs
        Read: ``transit.crowding_seat_slope``, ``transit.crowding_stand_max``,
        ``transit.crowding_dense_p_m2``.

    Returns
    -------
    F64
        ``1 + slope load/seats`` until the seats are taken, then linear in the standing density up to the
        maximum at the dense load, and that maximum beyond.

    Notes
    -----
    Form of Wardman and Whelan (2011).
    """
    slope, top = inputs["transit.crowding_seat_slope"], inputs["transit.crowding_stand_max"]
    dense = inputs["transit.crowding_dense_p_m2"]
    seated = np.where(load < seats, load / np.maximum(seats, 1), 1.0)
    floor_m2 = (capacity - seats) / standing_p_m2
    standing = np.maximum(load - seats, 0.0)
    density = np.where(floor_m2 > 0, standing / np.where(floor_m2 > 0, floor_m2, 1.0), dense * (standing > 0))
    result: F64 = 1 + slope * seated + (top - 1 - slope) * np.minimum(density / dense, 1.0)
    return result


def free_crowding(transit: TransitNetwork) -> TransitCrowding:
    """State of empty vehicles."""
    n = len(transit.stop)
    return TransitCrowding(np.zeros(n), np.ones(n), np.ones(n), float("inf"))


def update_crowding(
    transit: TransitNetwork,
    inputs: Inputs,
    call_flow: F64,
    *,
    year: int,
    period: Period,
    previous: TransitCrowding | None = None,
    step: float = 1.0,
) -> TransitCrowding:
    """Average the last loading into the state of the crowd (method of successive averages).

    Parameters
    ----------
    transit
        Lines with seats and places.
    inputs
        Read: headway factors, ``transit.crowding_*``, ``transit.*_standing_capacity_p_m2``,
        ``transit.overload_power``.
    call_flow
        Passengers per hour on the segment leaving each city call, summed over the options of the period.
    year
        Calendar year.
    period
        Period of the day.
    previous
        State before this loading.
    step
        Weight of this loading, 0-1; 1 replaces the state.

    Returns
    -------
    TransitCrowding
        New state, with the relative change that this loading asked for.
    """
    before = np.zeros_like(call_flow) if previous is None else previous.flow
    change = float(np.abs(call_flow - before).sum() / max(float(call_flow.sum()), 1e-9))
    flow = call_flow if previous is None else before + step * (call_flow - before)
    line = np.repeat(transit.pattern_line, np.diff(transit.pattern_indptr))
    runs = np.repeat(pattern_runs(transit, inputs, year), np.diff(transit.pattern_indptr))
    per_hour = np.where(runs, 60 / line_headway_min(transit, inputs, period)[line], 0.0)
    running = per_hour > 0
    load = np.divide(flow, per_hour, out=np.zeros_like(flow), where=running)
    metro = transit.line_mode[line] == TransitMode.METRO
    standing = np.where(
        metro, inputs["transit.metro_standing_capacity_p_m2"], inputs["transit.bus_standing_capacity_p_m2"]
    )
    capacity = transit.line_vehicle_capacity[line]
    multiplier = crowding_multiplier(load, transit.line_vehicle_seats[line], capacity, standing, inputs)
    # Smooth and never zero: a frequency that falls to nothing at capacity makes whole strategies flip to and fro.
    share = 1 / (1 + (load / capacity) ** inputs["transit.overload_power"])
    return TransitCrowding(flow, multiplier, share, change)
