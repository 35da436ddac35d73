"""Buses: what the timetable needs, line by line, and how the companies renew them.

    needed buses of a line = (running time both ways + layover) / shortest headway * s

s is the fleet of the base year over the sum of the first factors in the base year: it stands for the spare buses
and for the routes that one line of the city stands for. More frequent service needs more buses in proportion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.energy_use import bus_size_factor
from transport_abm.agents.fleets import turnover
from transport_abm.agents.fleets.cohorts import share_out
from transport_abm.agents.fleets.operators import OperatorKind, Operators, city_scale, operators_of
from transport_abm.agents.fleets.renewal import (
    BEV,
    CNG,
    DIESEL,
    DIESEL_HEV,
    FCEV,
    LNG,
    choose_replacement,
    read_offers,
    total_cost_cny,
)
from transport_abm.agents.fleets.turnover import SlotVehicles
from transport_abm.agents.vehicles import VehicleBook
from transport_abm.core.columns import Column
from transport_abm.core.draws import Stream, uniform
from transport_abm.core.vocabulary import Period, TransitMode, VehicleClass
from transport_abm.networks.city import City
from transport_abm.networks.transit.service_km import line_km_day
from transport_abm.networks.transit.transit_service import line_headway_min, pattern_runs

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Bool = NDArray[np.bool_]
_BUS = VehicleClass.BUS
BUS_OPTIONS = (DIESEL, DIESEL_HEV, CNG, LNG, BEV, FCEV)
_DAY_YEAR = 365.0
_LINE_ROOM = 1 << 24
"""More than the buses of a line."""
MOUNTAIN_DISTRICTS = ("Mentougou", "Fangshan", "Huairou", "Pinggu", "Miyun", "Yanqing")
"""Districts of Beijing with mountain lines."""


class BusLength(IntEnum):
    """Length classes of buses: 8-10 m, 12 m, articulated."""

    SHORT = 0
    STANDARD = 1
    ARTICULATED = 2


class Buses(SlotVehicles):
    """City buses."""

    line = Column(np.int32, "row", "line of the city's transit network that it serves")
    length_class = Column(np.int8, "1", "BusLength code")
    emergency = Column(np.bool_, "1", "kept for emergency transport")


@dataclass(frozen=True)
class BusService:
    """What the timetable of one year asks of each line of the city; zero for metro lines."""

    bus_count: F64
    """Buses on the road at the busiest time, before spare buses and scale."""
    km_year: F64
    """Kilometres of the timetable in a year, before the scale [km/year]."""


def bus_service(city: City, inputs: Mapping[str, float], year: int) -> BusService:
    """Buses and kilometres that the timetable asks for.

    Parameters
    ----------
    city
        Lines, patterns and headways.
    inputs
        Parameter values; read: ``transit.bus_headway_factor``, ``transit_supply.bus_speed_kmh``,
        ``transit_supply.bus_layover_share``, ``transit_supply.night_service_h``.
    year
        Calendar year, for lines that open and close.

    Returns
    -------
    BusService
        By line of the city.
    """
    transit = city.transit
    runs = pattern_runs(transit, inputs, year) & (transit.line_mode[transit.pattern_line] == TransitMode.BUS)
    metres = np.concatenate([[0.0], np.cumsum(transit.segment_length_m)])
    km = (metres[transit.pattern_indptr[1:]] - metres[transit.pattern_indptr[:-1]]) / 1e3
    line_km = np.bincount(transit.pattern_line[runs], km[runs], minlength=transit.n_lines)
    per_hour = np.stack([60.0 / line_headway_min(transit, inputs, period) for period in Period], axis=1)
    cycle_h = (
        line_km / inputs["transit_supply.bus_speed_kmh"] * (1.0 + inputs["transit_supply.bus_layover_share"])
    )
    km_day = np.where(transit.line_mode == TransitMode.BUS, line_km_day(transit, inputs, year), 0.0)
    return BusService(cycle_h * per_hour.max(axis=1), km_day * _DAY_YEAR)


def line_districts(city: City) -> tuple[NDArray[np.int16], F64]:
    """District of each line's depot, and the share of its calls in mountain districts.

    A stop lies in the district of the nearest zone; the depot in the district of most calls.
    """
    transit, zones = city.transit, city.zones
    far = (transit.stop_x_m[:, None] - zones.x_m) ** 2 + (transit.stop_y_m[:, None] - zones.y_m) ** 2
    stop_district = zones.district[far.argmin(axis=1)].astype(np.int64)
    call_line = np.repeat(transit.pattern_line, np.diff(transit.pattern_indptr))
    count = np.zeros((transit.n_lines, len(city.districts.name_en)))
    np.add.at(count, (call_line, stop_district[transit.stop]), 1.0)
    mountain = np.isin(city.districts.name_en, MOUNTAIN_DISTRICTS)
    share = count[:, mountain].sum(axis=1) / np.maximum(count.sum(axis=1), 1.0)
    return count.argmax(axis=1).astype(np.int16), share


@dataclass(frozen=True)
class BusLines:
    """What a line passes on to its buses; one entry a line of the city."""

    district: NDArray[np.int16]
    mountain: Bool
    operator: NDArray[np.int32]
    scale: float
    """Buses owned over buses that the timetable of the base year asks for [1]."""


def build_bus_lines(city: City, inputs: Mapping[str, float], operators: Operators, year: int) -> BusLines:
    """Depot, mountain flag and company of every line, and the scale from timetable to fleet.

    Parameters
    ----------
    city
        Lines and districts.
    inputs
        Values of the base year; read: ``transit_supply.bus_fleet``, ``fleets.bus.mountain_share``.
    operators
        The first bus company runs the lines of the central districts, the second the others.
    year
        Base year.

    Returns
    -------
    BusLines
        By line.
    """
    district, share = line_districts(city)
    company = operators_of(operators, OperatorKind.BUS_COMPANY)
    asked = bus_service(city, inputs, year).bus_count.sum()
    fleet = inputs["transit_supply.bus_fleet"] * city_scale(city, inputs)
    return BusLines(
        district=district,
        mountain=share >= inputs["fleets.bus.mountain_share"],
        operator=np.where(city.districts.central[district], company[0], company[-1]).astype(np.int32),
        scale=float(fleet / asked) if asked else 0.0,
    )


def needed_buses(service: BusService, lines: BusLines) -> I64:
    """Buses that each line owns; the total is rounded once, the lines share it out."""
    exact = service.bus_count * lines.scale
    return share_out(round(float(exact.sum())), exact)


def build_buses(city: City, inputs: Mapping[str, float], lines: BusLines, *, year: int, seed: int) -> Buses:
    """The buses at the end of the base year.

    Battery-electric buses stand on lines without mountains, more of them on central lines; the rest is split by
    the shares of the parameters.

    Parameters
    ----------
    city
        Lines and districts.
    inputs
        Values of the base year, ``fleets.bus.*``.
    lines
        From `build_bus_lines`.
    year
        Base year.
    seed
        Address of the draws.

    Returns
    -------
    Buses
        One row a bus.
    """
    line = np.repeat(
        np.arange(city.transit.n_lines, dtype=np.int32), needed_buses(bus_service(city, inputs, year), lines)
    )
    n = len(line)
    slot = np.arange(n, dtype=np.int32)
    emergency, length_class = _slot_traits(slot, inputs, seed)
    exempt = lines.mountain[line] | emergency
    option = _base_options(city, inputs, lines.district[line], exempt, seed)
    return Buses.build(
        n,
        operator=lines.operator[line],
        district=lines.district[line],
        age=turnover.draw_ages(option, BUS_OPTIONS, inputs, "fleets.bus", seed=seed, class_=_BUS),
        powertrain=np.array([each.powertrain for each in BUS_OPTIONS], np.int8)[option],
        fuel=np.array([each.fuel for each in BUS_OPTIONS], np.int8)[option],
        exempt=exempt,
        slot=slot,
        line=line,
        length_class=length_class,
        emergency=emergency,
    )


def _slot_traits(
    slot: NDArray[np.int32], inputs: Mapping[str, float], seed: int
) -> tuple[Bool, NDArray[np.int8]]:
    """Whether a place is kept for emergencies, and the length of its bus."""
    emergency = uniform(seed, Stream.FLEET, slot, 0, 2) < inputs["fleets.bus.emergency_share"]
    draw = uniform(seed, Stream.FLEET, slot, 0, 3)
    short, articulated = inputs["energy.bus_short_share"], inputs["energy.bus_articulated_share"]
    length = np.where(draw < short, BusLength.SHORT, BusLength.STANDARD)
    return emergency, np.where(draw >= 1.0 - articulated, BusLength.ARTICULATED, length).astype(np.int8)


def _base_options(
    city: City, inputs: Mapping[str, float], district: NDArray[np.int16], exempt: Bool, seed: int
) -> NDArray[np.int8]:
    """Option of every bus in the base year."""
    n = len(district)
    bev = round(inputs["fleets.bus.bev_count"] * city_scale(city, inputs))
    rest = np.array([inputs[f"fleets.bus.{each.name}_rest_share"] for each in BUS_OPTIONS[:4]])
    slot = np.arange(n, dtype=np.int64)
    rank = uniform(seed, Stream.FLEET, slot, 0, 4) + np.where(
        exempt, 2.0, np.where(city.districts.central[district], 0.0, inputs["fleets.bus.suburb_lag"])
    )
    order = np.argsort(rank, kind="stable")
    first = order[: min(bev, n)]
    option = np.empty(n, np.int8)
    option[first] = BUS_OPTIONS.index(BEV)
    others = order[len(first) :]
    others = others[np.argsort(uniform(seed, Stream.FLEET, others, 0, 5), kind="stable")]
    option[others] = np.repeat(np.arange(4, dtype=np.int8), share_out(len(others), rest))
    return option


def renew_buses(
    buses: Buses,
    service: BusService,
    lines: BusLines,
    inputs: Mapping[str, float],
    book: VehicleBook,
    *,
    year: int,
    seed: int,
) -> None:
    """One year of the buses: they age, retire, follow the timetable and are replaced.

    Parameters
    ----------
    buses
        Changed.
    service
        Timetable of the year.
    lines
        From `build_bus_lines`.
    inputs
        Values of the year.
    book
        Filled for buses.
    year, seed
        Address of the draws.

    Notes
    -----
    Buses that one line can spare serve the lines that lack some before any is bought; what is left over is sold.
    """
    turnover.open_fleet(buses, _BUS, book)
    left = turnover.scrap(
        buses, _BUS, buses.alive & (buses.age >= inputs["fleets.bus.retirement_year"]), book
    )
    lack = _follow_timetable(buses, needed_buses(service, lines), lines, book)
    km = _km_bus(service, lines, inputs)
    slot = _fill_slots(buses, left, lack)
    _buy(buses, lack, slot, km, lines, inputs, book, year=year, seed=seed, k=0)
    in_scope = buses.alive & ~buses.exempt
    oil = in_scope & ~turnover.new_energy(buses)
    kept = int(np.floor((1.0 - inputs["fleets.bus_nev_share"]) * in_scope.sum() + 1e-9))
    early = turnover.oldest(buses, oil, int(oil.sum()) - kept)
    gone = turnover.scrap(buses, _BUS, early, book)
    _buy(buses, buses.line[gone], buses.slot[gone], km, lines, inputs, book, year=year, seed=seed, k=1)
    turnover.close_fleet(buses, _BUS, book)


def _follow_timetable(buses: Buses, need: I64, lines: BusLines, book: VehicleBook) -> NDArray[np.int32]:
    """Move spare buses to lines that lack some and sell the rest; lines of the buses still to buy."""
    have = np.bincount(buses.line[buses.alive], minlength=len(need))
    spare = np.zeros(len(buses), np.bool_)
    for line in np.flatnonzero(have > need):
        there = buses.alive & (buses.line == line)
        spare |= turnover.oldest(buses, there, int(have[line] - need[line]))
    lack = np.repeat(np.arange(len(need), dtype=np.int32), np.maximum(need - have, 0))
    row = np.flatnonzero(spare)
    row = row[np.lexsort((buses.slot[row], buses.age[row]))]  # the youngest stay
    moved = row[: len(lack)]
    to = lack[: len(moved)]
    buses.line[moved] = to
    buses.district[moved] = lines.district[to]
    buses.operator[moved] = lines.operator[to]
    buses.exempt[moved] = lines.mountain[to] | buses.emergency[moved]
    spare[moved] = False
    turnover.take_out(buses, _BUS, spare, book)
    return lack[len(moved) :]


def _km_bus(service: BusService, lines: BusLines, inputs: Mapping[str, float]) -> F64:
    """Kilometres a year of one bus of each line."""
    owned = service.bus_count * lines.scale
    km = service.km_year * km_scale(lines, inputs)
    return np.divide(km, owned, out=np.zeros_like(km), where=owned > 0)


def km_scale(lines: BusLines, inputs: Mapping[str, float]) -> float:
    """Real kilometres over those of the timetable of the city's lines [1].

    The scale of the fleet without its spare buses, which do not run.
    """
    return lines.scale * inputs["transit_supply.bus_in_service_share"]


def _buy(
    buses: Buses,
    line: NDArray[np.int32],
    slot: NDArray[np.int32],
    km_line: F64,
    lines: BusLines,
    inputs: Mapping[str, float],
    book: VehicleBook,
    *,
    year: int,
    seed: int,
    k: int,
) -> None:
    """Buy a bus for every entry of ``line`` and its slot."""
    emergency, length_class = _slot_traits(slot, inputs, seed)
    exempt = lines.mountain[line] | emergency
    offers = read_offers(
        inputs, "fleets.bus", BUS_OPTIONS, _BUS, year=year, size_factor=1.0 / bus_size_factor(inputs)
    )
    # Offers are those of a bus of 12 m; prices and upkeep are taken to grow with the length as the energy does.
    size = np.array([inputs["energy.bus_short_factor"], 1.0, inputs["energy.bus_articulated_factor"]])
    cost = total_cost_cny(offers, km_line[line], inputs) * size[length_class][:, None]
    ruled = ~exempt & (year >= inputs["fleets.bus.mandate_year"] or inputs["fleets.bus_nev_share"] > 0.0)
    choice = choose_replacement(
        cost,
        offers.new_energy | ~ruled[:, None],
        slot.astype(np.int64),
        year=year,
        seed=seed,
        inputs=inputs,
        k=2 * int(_BUS) + k,
    )
    turnover.add(
        buses, _BUS, BUS_OPTIONS, choice, book, operator=lines.operator[line], district=lines.district[line],
        exempt=exempt, slot=slot, line=line, length_class=length_class, emergency=emergency,
    )  # fmt: skip


def _fill_slots(buses: Buses, left: I64, lack: NDArray[np.int32]) -> NDArray[np.int32]:
    """Slots for buses to buy: on each line first those whose buses have just left, then any vacant ones.

    So the buses of a line whose timetable stays are replaced slot by slot, whatever happens on other lines.
    """
    slot = np.full(len(lack), -1, np.int32)
    left = left[np.lexsort((buses.slot[left], buses.line[left]))]
    wanted, given = _nth_of_line(lack), _nth_of_line(buses.line[left])
    at = np.minimum(np.searchsorted(given, wanted), max(len(given) - 1, 0))
    if len(given):
        same = given[at] == wanted
        slot[same] = buses.slot[left[at[same]]]
    top = int(buses.slot.max(initial=-1)) + 1
    free = np.ones(top, np.bool_)
    free[buses.slot[buses.alive]] = False
    free[slot[slot >= 0]] = False
    count = int((slot < 0).sum())
    vacant = np.flatnonzero(free)[:count]
    slot[slot < 0] = np.concatenate([vacant, np.arange(top, top + count - len(vacant))])
    return slot


def _nth_of_line(line: NDArray[np.int32]) -> I64:
    """A number for each entry of a sorted list of lines that tells line and place within the line; rises."""
    first = np.searchsorted(line, line)
    return np.asarray(line.astype(np.int64) * _LINE_ROOM + np.arange(len(line)) - first)
