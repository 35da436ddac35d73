"""Transit lines from a GTFS timetable: patterns by stop sequence, headways by period, running times.

Each sequence of stops of a route is a line of its own, with one pattern: GTFS routes mix short and long runs
whose headways differ. Departures of one weekday are counted at the first stop, in the hours in which a period
is served (:data:`transport_abm.networks.transit.metro_tables.SERVED_HOURS`); ``frequencies.txt`` counts as so many
departures. Lengths follow ``shape_dist_traveled`` if it fits the places of the stops in some unit, the
streets for buses, and straight lines otherwise.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.core.vocabulary import Period, TransitMode
from transport_abm.networks.cities.csv_files import Columns
from transport_abm.networks.cities.geo import great_circle_m, project
from transport_abm.networks.city import F64, RoadNetwork, TransitNetwork
from transport_abm.networks.reference.transit import add_transfers
from transport_abm.networks.reference.transit_table import Line, Pattern, TransitTable, join_networks
from transport_abm.networks.transit.bus_paths import STOP_TO_STREET_M, BusPaths
from transport_abm.networks.transit.gtfs_calendar import services_of_day
from transport_abm.networks.transit.gtfs_files import read_feed
from transport_abm.networks.transit.metro_tables import SERVED_HOURS

_CLOCK = re.compile(r"(\d{1,2}):([0-5]\d):([0-5]\d)")
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
class _Run:
    """Trips of one route over one sequence of stops."""

    route: str
    stops: tuple[str, ...]
    departure_s: list[float]
    """Departures at the first stop, from midnight [s]."""
    times_s: list[F64]
    """Seconds from departure to departure, NaN where the feed gives no time."""
    along: F64
    """``shape_dist_traveled`` of the stops, NaN if absent."""


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
    faults: list[Fault] = []
    mode_of = _route_modes(tables["routes.txt"])
    day, services = services_of_day(tables, date, faults)
    runs = _runs(tables, services) if not faults else []
    place = _places(tables["stops.txt"], {stop for run in runs for stop in run.stops})
    faults += [fault for table in tables.values() for fault in table.faults if fault not in faults]
    if faults:
        raise NetworkError(faults)
    notes: list[str] = []
    networks = []
    departure_s: list[F64] = []
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
        networks.append(_build(mode, own, place, names, rooms[mode], streets, crs, notes, departure_s))
    left = sum(mode_of.get(run.route) is None for run in runs)
    if left:
        notes.append(f"{left} patterns of ferries, cable cars and others left out")
    transit = add_transfers(join_networks(*networks), inputs)
    if not transit.n_lines:
        raise NetworkError(Fault(Path(path).name, "trips", f"trips of trains or buses on {day}", "none"))
    return GtfsTransit(transit, day, tuple(notes), tuple(departure_s))


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


def _seconds(text: str) -> float:
    """Read HH:MM:SS, hours past 24 allowed; NaN if it is none."""
    match = _CLOCK.fullmatch(text)
    return int(match[1]) * 3600.0 + int(match[2]) * 60 + int(match[3]) if match else math.nan


def _runs(tables: Mapping[str, Columns], services: set[str]) -> list[_Run]:
    """Gather the trips of the day by route and sequence of stops."""
    trips = tables["trips.txt"]
    cells = zip(trips.text("trip_id"), trips.text("route_id"), trips.text("service_id"), strict=True)
    known = set(tables["routes.txt"].text("route_id"))
    route: dict[str, str] = {}
    for row, (trip, own, service) in enumerate(cells):
        if own not in known:
            trips.fault(f"route_id, row {row + 2}", "a route of routes.txt", repr(own)[:60])
        if service in services:
            route[trip] = own
    times = tables["stop_times.txt"]
    sequence = times.number("stop_sequence", 0, 1e6)
    along = (
        times.number("shape_dist_traveled", 0, 1e9, default=math.nan)
        if "shape_dist_traveled" in times.column
        else None
    )
    rows: dict[str, list[int]] = {}
    for row, trip in enumerate(times.text("trip_id")):
        if trip in route:
            rows.setdefault(trip, []).append(row)
    stop, clock = times.text("stop_id"), times.text("departure_time")
    windows = _windows(tables.get("frequencies.txt"))
    runs: dict[tuple[str, tuple[str, ...]], _Run] = {}
    for trip, own_rows in rows.items():
        own_rows.sort(key=lambda row: float(sequence[row]))
        stops = tuple(stop[row] for row in own_rows)
        if len(stops) < 2:
            continue
        seconds = np.array([_seconds(clock[row]) for row in own_rows])
        if math.isnan(seconds[0]):
            times.fault(
                f"departure_time, row {own_rows[0] + 2}",
                "HH:MM:SS at the first stop",
                clock[own_rows[0]][:40],
            )
            continue
        key = (route[trip], stops)
        if key not in runs:
            far = (
                np.array([along[row] for row in own_rows])
                if along is not None
                else np.full(len(stops), np.nan)
            )
            runs[key] = _Run(*key, [], [], far)
        runs[key].times_s.append(np.diff(_filled(seconds)))
        runs[key].departure_s += _departures(float(seconds[0]), windows.get(trip))
    return [runs[key] for key in sorted(runs)]


def _filled(seconds: F64) -> F64:
    """Fill in missing times evenly between given ones; after the last given one they stay unknown."""
    known = np.flatnonzero(~np.isnan(seconds))
    filled = np.interp(np.arange(len(seconds)), known, seconds[known])
    filled[known[-1] + 1 :] = np.nan
    return np.asarray(filled)


def _windows(table: Columns | None) -> dict[str, list[tuple[float, float, float]]]:
    """Read the windows of frequencies.txt: start, end, headway [s] by trip."""
    windows: dict[str, list[tuple[float, float, float]]] = {}
    if table is not None:
        headway = table.number("headway_secs", 10, 86_400)
        cells = zip(
            table.text("trip_id"), table.text("start_time"), table.text("end_time"), headway, strict=True
        )
        for row, (trip, start, end, step) in enumerate(cells):
            window = (_seconds(start), _seconds(end), float(step))
            if not window[0] < window[1]:
                table.fault(
                    f"start_time, row {row + 2}", "HH:MM:SS before end_time", f"{start} to {end}"[:60]
                )
            elif step >= 1:
                windows.setdefault(trip, []).append(window)
    return windows


def _departures(start_s: float, windows: list[tuple[float, float, float]] | None) -> list[float]:
    """Departures of a trip: one, or those of the windows [s]."""
    if windows is None:
        return [start_s]
    times: list[float] = []
    for begin, end, step in windows:
        times += (begin + step * np.arange(math.ceil((end - begin) / step))).tolist()
    return times


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


def _lengths(run: _Run, place: Mapping[str, tuple[str, float, float]]) -> F64:
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
    runs: list[_Run],
    place: Mapping[str, tuple[str, float, float]],
    names: Mapping[str, str],
    room: tuple[float, float],
    streets: BusPaths | None,
    crs: str,
    notes: list[str],
    departure_s: list[F64],
) -> TransitNetwork:
    """Lay the lines of one mode out; the departures of each are added to a list."""
    table = TransitTable(mode)
    rows: dict[str, int] = {}
    left = 0
    for run in runs:
        calls, length, time = list(run.stops), _lengths(run, place), _times(run)
        road: list[list[int]] = [[] for _ in length]
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
        headway = _headways(run.departure_s)
        if len(calls) < 2 or not np.isfinite(headway).any():
            continue
        for stop in calls:
            if stop not in rows:
                label, lon, lat = place[stop]
                x_m, y_m = project(lon, lat, crs)
                rows[stop] = len(table.stop)
                table.stop.append((label, label, lon, lat, float(x_m), float(y_m)))
        label = f"{names[run.route]}: {place[calls[0]][0]} - {place[calls[-1]][0]}"
        table.line.append(Line(label, label, mode, *room, headway))
        departure_s.append(np.sort(run.departure_s))
        own = [rows[stop] for stop in calls]
        table.pattern.append(Pattern(len(table.line) - 1, own, length.tolist(), time.tolist(), road, 0))
    if left:
        notes.append(
            f"{left} bus calls left out: over {STOP_TO_STREET_M:g} m from a street, or at the same node"
        )
    return table.network()


def _times(run: _Run) -> F64:
    """Median running time of each segment [s], at least one second; the line's mean where unknown."""
    stack = np.stack(run.times_s)
    known = ~np.isnan(stack).all(axis=0)
    time = np.full(stack.shape[1], np.nan)
    time[known] = np.nanmedian(stack[:, known], axis=0)
    fill = float(time[known].mean()) if known.any() else 1.0
    return np.asarray(np.maximum(np.where(known, time, fill), 1.0))


def _headways(departure_s: list[float]) -> list[float]:
    """Minutes between departures by period; infinite without any."""
    count = np.bincount(np.array(departure_s, np.int64) // 3600 % 24, minlength=24)
    headway = []
    for period in Period:
        departures = float(count[list(SERVED_HOURS[period])].sum())
        headway.append(60 * len(SERVED_HOURS[period]) / departures if departures else math.inf)
    return headway
