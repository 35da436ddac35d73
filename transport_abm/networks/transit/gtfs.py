"""Transit lines from a GTFS timetable: patterns by stop sequence, headways by period, running times.

Each sequence of stops of a route is a line of its own, with one pattern: GTFS routes mix short and long runs
whose headways differ. Departures of one weekday are counted at the stops, in the hours in which a period
is served (:data:`transport_abm.networks.transit.metro_tables.SERVED_HOURS`); ``frequencies.txt`` counts as so many
departures. Running times are the median of the day's trips, the same in all periods. Lengths follow
``shape_dist_traveled`` if it fits the places of the stops in some unit, the streets for buses, and straight lines
otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.core.vocabulary import TransitMode
from transport_abm.networks.cities.csv_files import Columns
from transport_abm.networks.cities.geo import great_circle_m, project
from transport_abm.networks.city import F64, RoadNetwork, TransitNetwork
from transport_abm.networks.reference.transit_table import Line, Pattern, TransitTable, join_networks
from transport_abm.networks.transit.bus_paths import STOP_TO_STREET_M, BusPaths
from transport_abm.networks.transit.gtfs_calendar import services_of_day
from transport_abm.networks.transit.gtfs_files import read_feed
from transport_abm.networks.transit.gtfs_transfers import join_stops, read_transfers
from transport_abm.networks.transit.gtfs_trips import Run, headways_min, read_runs

_HOURS = "5 to 23 h"
"""Hours outside which no period is served."""
_UNITS_M = (1.0, 1000.0, 1609.344, 0.3048)
_DETOUR = (0.95, 3.0)
_RAIL = {0, 1, 2, 5, 7, 12, *range(100, 118), *range(400, 406), *range(900, 907)}
_BUS = {3, 11, *range(200, 210), *range(700, 717), 800}
_OTHER = {
    4,
    6,
    *range(1000, 1022),
    *range(1100, 1115),
    1200,
    *range(1300, 1308),
    1400,
    *range(1500, 1508),
    1700,
}


@dataclass(frozen=True)
class GtfsTransit:
    """Lines of a feed."""

    transit: TransitNetwork
    date: str
    """The weekday that was counted."""
    notes: tuple[str, ...]
    """What was left out, and how much of it."""
    departure_s: tuple[F64, ...]
    """By pattern: departures of the day at its first stop, in order, from midnight [s]."""


@dataclass
class _Laid:
    """What is gathered while lines are laid out."""

    notes: list[str]
    departure_s: list[F64] = field(default_factory=list)
    """By pattern: departures of the day at its first stop [s]."""
    stop_id: list[str] = field(default_factory=list)
    """By stop of the network: its id in the feed."""
    night: list[int] = field(default_factory=list)
    """By line outside the hours of service: its departures."""


def route_mode(route_type: int) -> TransitMode | None:
    """Return the mode of a GTFS route type (basic or extended); None for ferries and others.

    Parameters
    ----------
    route_type
        Code of ``routes.txt``.

    Returns
    -------
    TransitMode or None
        METRO for everything on rails.

    Raises
    ------
    KeyError
        If the code is not one of the standard.
    """
    if route_type in _RAIL:
        return TransitMode.METRO
    if route_type in _BUS:
        return TransitMode.BUS
    if route_type in _OTHER:
        return None
    raise KeyError(route_type)


def read_gtfs(
    path: Path | str,
    *,
    crs: str,
    inputs: Mapping[str, float],
    train: tuple[float, float],
    roads: RoadNetwork | None = None,
    date: str = "",
    modes: Collection[TransitMode] = tuple(TransitMode),
) -> GtfsTransit:
    """Read the transit lines of a feed.

    Parameters
    ----------
    path
        Folder or zip file.
    crs
        Projected CRS of the city.
    inputs
        Parameters ``transit_supply.*`` and ``transit.*``.
    train
        Places and seats of a train [persons]; those of a bus are parameters.
    roads
        Roads for the buses; without them buses are left out.
    date
        Day to count (YYYYMMDD); the Wednesday with most trips if empty.
    modes
        Modes to read.

    Returns
    -------
    GtfsTransit
        Lines with transfers.

    Raises
    ------
    NetworkError
        With the faults of the feed.
    """
    tables = read_feed(path)
    # All tables take their faults down in one list.
    faults = tables["trips.txt"].faults
    notes: list[str] = []
    mode_of = _route_modes(tables["routes.txt"])
    day, services = services_of_day(tables, date, faults)
    runs = read_runs(tables, services, notes)
    place = _places(tables["stops.txt"], {stop for run in runs for stop in run.stops})
    stated = read_transfers(tables, notes)
    if faults:
        raise NetworkError(dict.fromkeys(faults))
    laid = _Laid(notes)
    networks = []
    rooms = {
        TransitMode.METRO: train,
        TransitMode.BUS: (inputs["transit_supply.bus_places"], inputs["transit_supply.bus_seats"]),
    }
    for mode in (TransitMode.METRO, TransitMode.BUS):
        own = [run for run in runs if mode_of.get(run.route) is mode and mode in modes]
        if mode is TransitMode.BUS and roads is None and own:
            notes.append(f"{len(own)} bus patterns left out: no roads given")
            own = []
        streets = BusPaths(roads, crs) if mode is TransitMode.BUS and roads is not None else None
        names = _route_names(tables["routes.txt"])
        networks.append(_build(mode, own, place, names, rooms[mode], streets, crs, laid))
    left = sum(mode_of.get(run.route) is None for run in runs)
    if left:
        notes.append(f"{left} patterns of ferries, cable cars and others left out")
    transit = join_networks(*networks)
    night = f"{len(laid.night)} lines with {sum(laid.night)} departures"
    if not transit.n_lines:
        got = f"{night}, all outside these hours" if laid.night else "none"
        expected = f"trips of trains or buses on {day} in the hours of service ({_HOURS})"
        raise NetworkError(Fault(Path(path).name, "trips", expected, got))
    if laid.night:
        notes.append(f"{night} left out: all outside the hours of service ({_HOURS})")
    transit = join_stops(transit, laid.stop_id, tables["stops.txt"], stated, inputs, notes)
    return GtfsTransit(transit, day, tuple(notes), tuple(laid.departure_s))


def _route_modes(routes: Columns) -> dict[str, TransitMode | None]:
    """Read the mode of each route."""
    kinds = routes.number("route_type", 0, 2_000)
    modes: dict[str, TransitMode | None] = {}
    for row, route in enumerate(routes.text("route_id")):
        try:
            modes[route] = route_mode(int(kinds[row])) if not math.isnan(kinds[row]) else None
        except KeyError:
            routes.fault(f"route_type, row {row + 2}", "a route type of the standard", f"{kinds[row]:.0f}")
    return modes


def _route_names(routes: Columns) -> dict[str, str]:
    """Read the name of each route."""
    rows = zip(
        routes.text("route_id"), routes.text("route_short_name"), routes.text("route_long_name"), strict=True
    )
    return {route: short or long or route for route, short, long in rows}


def _places(stops: Columns, used: set[str]) -> dict[str, tuple[str, float, float]]:
    """Read name and place of the stops in use; platforms take the name of their station."""
    ids, names = stops.text("stop_id"), stops.text("stop_name")
    name = dict(zip(ids, names, strict=True))
    parent = dict(zip(ids, stops.text("parent_station"), strict=True))
    lon = stops.number("stop_lon", -180, 180, default=math.nan)
    lat = stops.number("stop_lat", -90, 90, default=math.nan)
    place = {}
    for row, stop in enumerate(ids):
        if stop in used:
            if math.isnan(lon[row]) or math.isnan(lat[row]):
                stops.fault(f"stop_lat, row {row + 2}", "a place of a stop in use", "none")
            label = name.get(parent[stop], "") or name[stop] or stop
            place[stop] = (label, float(lon[row]), float(lat[row]))
    for stop in sorted(used - place.keys())[:5]:
        stops.fault("stop_id", f"stop {stop[:40]} of stop_times.txt", "none")
    return place


def _lengths(run: Run, place: Mapping[str, tuple[str, float, float]]) -> F64:
    """Length of the segments from the distances of the feed, if they fit, else straight [m]."""
    lon, lat = np.array([place[stop][1:] for stop in run.stops]).T
    straight = great_circle_m(lon[:-1], lat[:-1], lon[1:], lat[1:])
    step = np.diff(run.along)
    if not np.isnan(step).any() and (step > 0).all() and straight.sum() > 0:
        for unit_m in _UNITS_M:
            if _DETOUR[0] < step.sum() * unit_m / straight.sum() < _DETOUR[1]:
                return np.asarray(np.maximum(step * unit_m, 1.0))
    return np.maximum(straight, 1.0)


def _build(
    mode: TransitMode,
    runs: Sequence[Run],
    place: Mapping[str, tuple[str, float, float]],
    names: Mapping[str, str],
    room: tuple[float, float],
    streets: BusPaths | None,
    crs: str,
    laid: _Laid,
) -> TransitNetwork:
    """Lay the lines of one mode out."""
    table = TransitTable(mode)
    rows: dict[str, int] = {}
    left = short = 0
    for run in runs:
        calls, length, time = list(run.stops), _lengths(run, place), run.time_s()
        road: list[list[int]] = [[] for _ in length]
        departure_s = np.sort(run.departure_s)
        headway = headways_min(departure_s, time)
        if streets is not None:
            nodes = [streets.nearest(*place[stop][1:]) for stop in calls]
            keep: list[int] = []
            for k, node in enumerate(nodes):
                if node >= 0 and (not keep or node != nodes[keep[-1]]):
                    keep.append(k)
            left += len(nodes) - len(keep)
            calls = [calls[k] for k in keep]
            road = [streets.path(nodes[a], nodes[b]) for a, b in pairwise(keep)]
            length = np.array([streets.roads.length_m[links].sum() for links in road])
            time = np.zeros(len(road))
        if len(calls) < 2:
            short += 1
            continue
        if not np.isfinite(headway).any():
            laid.night.append(len(departure_s))
            continue
        for stop in calls:
            if stop not in rows:
                label, lon, lat = place[stop]
                x_m, y_m = project(lon, lat, crs)
                rows[stop] = len(table.stop)
                laid.stop_id.append(stop)
                table.stop.append((label, label, lon, lat, float(x_m), float(y_m)))
        label = f"{names[run.route]}: {place[calls[0]][0]} - {place[calls[-1]][0]}"
        table.line.append(Line(label, label, mode, *room, headway))
        laid.departure_s.append(departure_s)
        own = [rows[stop] for stop in calls]
        table.pattern.append(Pattern(len(table.line) - 1, own, length.tolist(), time.tolist(), road, 0))
    if short:
        laid.notes.append(f"{short} bus patterns left out: fewer than two of their stops are at streets")
    if left:
        laid.notes.append(
            f"{left} bus calls left out: over {STOP_TO_STREET_M:g} m from a street, or at the same node"
        )
    return table.network()
