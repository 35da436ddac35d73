"""Representative bus lines that match the published totals of a bus system.

Thousands of real stops would swell the network without telling a zone model more, so lines call at one or
two stops a zone, and each representative line stands for about three real routes. (The real stop spacing
enters as time lost at stops and as access distance.) For representative line ``l`` that stands for ``k_l``
routes of length ``L_l``, run by ``v_l`` buses at speed ``s`` with layover share ``o``:

    sum k_l = routes,   sum k_l L_l = route km,   sum v_l = buses in service,
    headway_l = 60 * 2 L_l (1 + o) / s / v_l                     [min, peak]
    sum 120 L_l sum_p hours_p share_p / headway_l = bus km a day

The first two hold by ``k_l = 1 + (K - 1) / (1 + exp(-a - t min(L_l, M)) / d_l)`` with unknowns ``a`` and
``t`` (people by kilometre ``d`` relative to the mean; no line stands for more than ``K`` routes; ``M`` the
longest trunk line, so that mountain lines do not make up the length), the third by ``v_l`` in proportion to
``k_l L_l d_l**e`` (square-root rule of Mohring 1972), the last by one factor on the midday and evening
frequencies. Lines follow shortest paths of bus roads between neighbouring stops (`bus_streets`); their
termini are chosen by gravity (`bus_termini`). Nothing is random.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.core.vocabulary import PERIOD_LENGTH_H, Period, TransitMode
from transport_abm.networks.city import F64, RoadNetwork, TransitNetwork, Zones
from transport_abm.networks.reference.bus_streets import BusStreets, build_bus_streets
from transport_abm.networks.reference.bus_termini import choose_bus_lines
from transport_abm.networks.reference.transit_table import Line, Pattern, TransitTable
from transport_abm.policy.inputs import year_inputs

_DAY_YEAR = 365.0
_STEEPEST = 2.0
_FAR = 500.0
_LEAST = 1e-6


@dataclass(frozen=True)
class BusTotals:
    """What the lines must add up to."""

    route_count: float
    route_km: float | None
    """Length of all routes, one direction each [km]; None leaves the mean length of the lines as drawn."""
    bus_count: float
    """Buses in service on a weekday."""
    bus_km_day: float
    """Kilometres of all buses in a day [km]."""


@dataclass(frozen=True)
class BusService:
    """Service of each representative line."""

    routes: F64
    """Real routes that the line stands for."""
    buses: F64
    """Buses on the line in the peak."""
    headway_min: F64
    """Shape (lines, periods) [min]."""


def bus_totals(
    inputs: Mapping[str, float],
    *,
    line_count: float | None = None,
    fleet: float | None = None,
    route_km: float | None = None,
) -> BusTotals:
    """Totals to meet: Beijing's published ones, or others.

    Parameters
    ----------
    inputs
        Parameters ``transit_supply.bus_*``.
    line_count
        Real routes; the published ones by default.
    fleet
        Buses owned; the published ones by default.
    route_km
        Length of all routes [km]; the published one by default, or as drawn if ``line_count`` is given.

    Returns
    -------
    BusTotals
        The totals.
    """
    if route_km is None and line_count is None:
        route_km = inputs["transit_supply.bus_route_km"]
    fleet = inputs["transit_supply.bus_fleet"] if fleet is None else fleet
    return BusTotals(
        route_count=inputs["transit_supply.bus_route_count"] if line_count is None else line_count,
        route_km=route_km,
        bus_count=fleet * inputs["transit_supply.bus_in_service_share"],
        bus_km_day=fleet * inputs["transit_supply.bus_km_year_vehicle"] / _DAY_YEAR,
    )


def service_hours(inputs: Mapping[str, float]) -> F64:
    """Hours of a weekday in which lines run, by period [h].

    Parameters
    ----------
    inputs
        Parameter ``transit_supply.night_service_h``.

    Returns
    -------
    float64 array
        One value for each period; headways of a period hold in these hours.
    """
    hours = np.array(PERIOD_LENGTH_H, np.float64)
    hours[Period.NIGHT] = inputs["transit_supply.night_service_h"]
    return hours


def _route_counts(length_km: F64, dense: F64, totals: BusTotals, inputs: Mapping[str, float]) -> F64:
    """Real routes for each line: from one to a highest number, more where people are, of the given length."""
    mean = totals.route_count / len(length_km)
    if mean <= 1:
        return np.full(len(length_km), mean)
    most = max(inputs["transit_supply.bus_routes_max"], 2 * mean)
    base = np.log(np.maximum(dense, _LEAST))
    longest = np.minimum(length_km, inputs["transit_supply.bus_trunk_max_km"])
    longest -= longest.mean()

    def routes(tilt: float) -> F64:
        def counts(level: float) -> F64:
            return np.asarray(1 + (most - 1) * expit(level + base + tilt * longest), np.float64)

        level = brentq(lambda v: float(counts(v).sum()) - totals.route_count, -_FAR, _FAR)
        return counts(level)

    wanted = totals.route_km
    if wanted is None:
        return routes(0.0)
    low, high = (float(routes(tilt) @ length_km) for tilt in (-_STEEPEST, _STEEPEST))
    if not low <= wanted <= high:
        expected = f"{low:.0f} to {high:.0f} km with {totals.route_count:g} routes on this network"
        raise NetworkError(Fault("bus lines", "route_km", expected, f"{wanted:.0f} km"))
    return routes(brentq(lambda tilt: float(routes(tilt) @ length_km) - wanted, -_STEEPEST, _STEEPEST))


def plan_bus_service(
    length_km: F64, people: F64, totals: BusTotals, inputs: Mapping[str, float]
) -> BusService:
    """Share routes, buses and departures out to representative lines.

    Parameters
    ----------
    length_km
        Length of each line, one direction [km].
    people
        Residents and jobs at the stops of each line [persons].
    totals
        What the lines must add up to.
    inputs
        Parameters ``transit_supply.bus_*`` and ``transit_supply.night_service_h``.

    Returns
    -------
    BusService
        Routes, buses and headways; they add up to the totals.

    Raises
    ------
    NetworkError
        If lines of these lengths cannot add up to the route kilometres.
    """
    dense = people / length_km / (people.sum() / length_km.sum())
    routes = _route_counts(length_km, dense, totals, inputs)
    ratio = np.power(dense, inputs["transit_supply.bus_frequency_elasticity"])
    most = inputs["transit_supply.bus_frequency_ratio_max"]
    load = routes * length_km * np.clip(ratio, 1 / most, most)
    buses = totals.bus_count * load / load.sum()
    speed = inputs["transit_supply.bus_speed_kmh"]
    cycle_h = 2 * length_km * (1 + inputs["transit_supply.bus_layover_share"]) / speed
    peak_min = 60 * cycle_h / buses
    hours = service_hours(inputs)
    peak_km_h = float((120 * length_km / peak_min).sum())
    share = np.ones(len(Period))
    share[Period.MIDDAY] = inputs["transit_supply.bus_midday_share"]
    share[Period.NIGHT] = inputs["transit_supply.bus_night_share"]
    off_peak = np.array([Period.MIDDAY, Period.NIGHT])
    peak_h = hours.sum() - hours[off_peak].sum()
    left_h = totals.bus_km_day / peak_km_h - peak_h
    share[off_peak] *= max(left_h, 0.0) / float(hours[off_peak] @ share[off_peak])
    with np.errstate(divide="ignore"):
        return BusService(routes, buses, peak_min[:, None] / share)


def _line_part(streets: BusStreets, call: list[int]) -> tuple[list[float], list[list[int]]]:
    """Length and road links of each segment of a sequence of stops."""
    road = [streets.path(here, there) for here, there in pairwise(call)]
    return [float(streets.link_length_m[links].sum()) for links in road], road


def build_bus_lines(
    roads: RoadNetwork,
    zones: Zones,
    *,
    line_count: float | None = None,
    fleet: float | None = None,
    route_km: float | None = None,
    representative_count: int | None = None,
    inputs: Mapping[str, float] | None = None,
) -> TransitNetwork:
    """Build representative bus lines over any road network and zones.

    Each line stands for several real routes: its headway is theirs together, so that routes, route length,
    buses and bus kilometres a day add up to the published totals. Every zone with residents has a stop that
    a line serves. Deterministic.

    Parameters
    ----------
    roads
        Road network; buses use links open to motor vehicles in the base year.
    zones
        Zones with residents and jobs.
    line_count, fleet, route_km
        Totals to meet (see `bus_totals`); Beijing's published ones by default.
    representative_count
        Lines to build, about; fewer where the zones give fewer pairs of termini.
    inputs
        Parameters; the shipped ones of 2020 by default.

    Returns
    -------
    TransitNetwork
        Bus lines with two patterns each, on road links; no transfers.

    Raises
    ------
    NetworkError
        If no bus can run on the roads, or the totals cannot be met.
    """
    inputs = year_inputs(2020) if inputs is None else inputs
    totals = bus_totals(inputs, line_count=line_count, fleet=fleet, route_km=route_km)
    count = inputs["transit_supply.bus_representative_count"]
    count = min(count if representative_count is None else representative_count, totals.route_count)
    streets = build_bus_streets(roads, zones, inputs)
    calls = choose_bus_lines(streets, zones, int(count), inputs)
    parts = [[_line_part(streets, order) for order in (call, call[::-1])] for call in calls]
    length_km = np.array([sum(sum(length) for length, _ in ways) / 2000 for ways in parts])
    people = np.array([streets.people[call].sum() for call in calls])
    service = plan_bus_service(length_km, people, totals, inputs)
    table = TransitTable(TransitMode.BUS)
    for stop, node in enumerate(streets.node.tolist()):
        name = zones.name[int(streets.zone[stop])]
        lon, lat = float(roads.node_lon[node]), float(roads.node_lat[node])
        x_m, y_m = float(roads.node_x_m[node]), float(roads.node_y_m[node])
        table.stop.append((name, name, lon, lat, x_m, y_m))
    places, seats = inputs["transit_supply.bus_places"], inputs["transit_supply.bus_seats"]
    for row, (call, ways) in enumerate(zip(calls, parts, strict=True)):
        ends = " - ".join(table.stop[stop][0] for stop in (call[0], call[-1]))
        headway = service.headway_min[row].tolist()
        name_en, name_zh = f"Bus {row + 1}: {ends}", f"公交{row + 1}：{ends}"
        table.line.append(Line(name_en, name_zh, TransitMode.BUS, places, seats, headway))
        for order, (length, road) in zip((call, call[::-1]), ways, strict=True):
            table.pattern.append(Pattern(row, order, length, [0.0] * len(length), road, 0))
    return table.network()
