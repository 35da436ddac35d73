"""The trips of a GTFS feed on one day, gathered by route and sequence of stops.

A row of ``stop_times.txt`` may give arrival, departure, or neither: the one that is given stands for both, and
stops without times are put evenly between those with. The first and the last stop of a trip must have one.
Real feeds hold rows of trips, and trips of services, that are not in the feed: these are left out and counted
in the notes. What would be read in two ways (an id or a place in the order twice) is a fault.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from transport_abm.core.vocabulary import Period
from transport_abm.networks.cities.csv_files import Columns
from transport_abm.networks.city import F64
from transport_abm.networks.transit.metro_tables import SERVED_HOURS

_CLOCK = re.compile(r"([0-9]{1,2}):([0-5][0-9]):([0-5][0-9])")


@dataclass
class Run:
    """Trips of one route over one sequence of stops."""

    route: str
    stops: tuple[str, ...]
    departure_s: list[float]
    """Departures at the first stop, from midnight [s]."""
    times_s: list[F64]
    """By trip: seconds from departure to departure, and to the arrival at the last stop."""
    along: F64
    """``shape_dist_traveled`` of the stops, NaN if absent."""

    def time_s(self) -> F64:
        """Median running time of each segment over the day's trips, at least one second [s]."""
        return np.asarray(np.maximum(np.median(np.stack(self.times_s), axis=0), 1.0))


def read_runs(tables: Mapping[str, Columns], services: set[str], notes: list[str]) -> list[Run]:
    """Gather the trips of the day by route and sequence of stops.

    Parameters
    ----------
    tables
        Tables of the feed; faults are taken down in them.
    services
        Services that run on the day.
    notes
        List to which notes on what was left out are added.

    Returns
    -------
    list[Run]
        In order of route and stops.
    """
    route = _routes_of_trips(tables, services, notes)
    times = tables["stop_times.txt"]
    rows = _rows_of_trips(times, set(tables["trips.txt"].text("trip_id")), route, notes)
    windows = _windows(tables, notes)
    sequence = times.number("stop_sequence", 0, 1e6)
    along = times.number("shape_dist_traveled", 0, 1e9, default=math.nan)
    stop = times.text("stop_id")
    texts = [(times.text(name), name) for name in ("arrival_time", "departure_time")]
    runs: dict[tuple[str, tuple[str, ...]], Run] = {}
    short = len(route.keys() - rows.keys())
    for trip, own in rows.items():
        own.sort(key=lambda row: float(sequence[row]))
        for before, row in pairwise(own):
            if sequence[before] == sequence[row]:
                expected = f"each number once on trip {trip[:40]}"
                times.fault(f"stop_sequence, row {row + 2}", expected, f"{sequence[row]:g} again")
        if len(own) < 2:
            short += 1
            continue
        seconds = _seconds_along(times, texts, trip, own)
        if seconds is None:
            continue
        stops = tuple(stop[row] for row in own)
        key = (route[trip], stops)
        if key not in runs:
            runs[key] = Run(*key, [], [], along[own])
        runs[key].times_s.append(np.diff(seconds))
        runs[key].departure_s += _departures(float(seconds[0]), windows.get(trip))
    if short:
        notes.append(f"{short} trips of fewer than two stops left out")
    return [runs[key] for key in sorted(runs)]


def check_once(table: Columns, name: str) -> None:
    """Take down values of a column that come twice."""
    seen: set[str] = set()
    for row, value in enumerate(table.text(name)):
        if value in seen:
            table.fault(f"{name}, row {row + 2}", f"each {name} once", f"{value[:40]!r} again")
        seen.add(value)


def headways_min(departure_s: F64, time_s: F64) -> list[float]:
    """Minutes between departures by period, as the mean over the stops that a vehicle leaves.

    A vehicle may begin in one period and serve its last stops in the next. Counted at every stop that it
    leaves it is one vehicle in sum, so that the day's vehicle kilometres are kept, and a line is in service in
    every period in which it can be boarded anywhere.

    Parameters
    ----------
    departure_s
        Departures at the first stop, from midnight [s].
    time_s
        Running time of each segment [s].

    Returns
    -------
    list of float
        Headway in each period [min]; infinite where no vehicle leaves any stop in the hours of service.
    """
    offset = np.cumsum(time_s) - time_s
    hour = (departure_s[:, None] + offset).astype(np.int64) // 3600 % 24
    count = np.bincount(hour.ravel(), minlength=24)
    headway = []
    for period in Period:
        departures = int(count[list(SERVED_HOURS[period])].sum())
        minutes = 60 * len(SERVED_HOURS[period])
        headway.append(minutes * len(offset) / departures if departures else math.inf)
    return headway


def _routes_of_trips(tables: Mapping[str, Columns], services: set[str], notes: list[str]) -> dict[str, str]:
    """Route of each trip of the day."""
    trips = tables["trips.txt"]
    for name in ("routes.txt", "trips.txt", "stops.txt"):
        check_once(tables[name], f"{name[:-5]}_id")
    known = set(tables["routes.txt"].text("route_id"))
    dated: set[str] = set()
    for name in ("calendar.txt", "calendar_dates.txt"):
        if name in tables:
            dated |= set(tables[name].text("service_id"))
    route: dict[str, str] = {}
    undated = 0
    cells = zip(trips.text("trip_id"), trips.text("route_id"), trips.text("service_id"), strict=True)
    for row, (trip, own, service) in enumerate(cells):
        if own not in known:
            trips.fault(f"route_id, row {row + 2}", "a route of routes.txt", repr(own)[:60])
        undated += service not in dated
        if service in services:
            route[trip] = own
    if undated:
        notes.append(f"{undated} trips left out: their service_id has no dates")
    return route


def _rows_of_trips(
    times: Columns, known: set[str], route: Mapping[str, str], notes: list[str]
) -> dict[str, list[int]]:
    """Rows of ``stop_times.txt`` of each trip of the day."""
    rows: dict[str, list[int]] = {}
    strange = 0
    for row, trip in enumerate(times.text("trip_id")):
        if trip in route:
            rows.setdefault(trip, []).append(row)
        else:
            strange += trip not in known
    if strange:
        notes.append(f"{strange} rows of stop_times.txt left out: trips that trips.txt does not have")
    return rows


@lru_cache(maxsize=200_000)
def _seconds(text: str) -> float:
    """Read HH:MM:SS, hours past 24 allowed; NaN if it is none."""
    match = _CLOCK.fullmatch(text)
    return int(match[1]) * 3600.0 + int(match[2]) * 60 + int(match[3]) if match else math.nan


def _seconds_along(
    times: Columns, texts: list[tuple[list[str], str]], trip: str, rows: list[int]
) -> F64 | None:
    """Departure at each stop of a trip and arrival at its last [s]; None with faults."""
    clock = np.array([[_seconds(text[row]) for row in rows] for text, _ in texts])
    sound = True
    for (text, name), told in zip(texts, clock, strict=True):
        for row, second in zip(rows, told, strict=True):
            if text[row] and math.isnan(second):
                sound = False
                times.fault(f"{name}, row {row + 2}", "HH:MM:SS", text[row][:40])
    arrive, depart = np.where(np.isnan(clock), clock[::-1], clock)
    for at, place in ((0, "first"), (-1, "last")):
        if sound and math.isnan(arrive[at]):
            sound = False
            expected = f"HH:MM:SS at the {place} stop of trip {trip[:40]}"
            times.fault(f"departure_time, row {rows[at] + 2}", expected, "none")
    if not sound:
        return None
    known = np.flatnonzero(~np.isnan(arrive))
    order = np.column_stack([arrive[known], depart[known]]).ravel()
    for k in np.flatnonzero(np.diff(order) < 0):
        row = rows[known[(k + 1) // 2]]
        got = " and ".join(text[row] for text, _ in texts if text[row])
        expected = f"times that do not run backwards along trip {trip[:40]}"
        times.fault(f"departure_time, row {row + 2}", expected, got[:40])
        return None
    # A rest after the last stop is no running time.
    depart[-1] = arrive[-1]
    return np.asarray(np.interp(np.arange(len(rows)), known, depart[known]))


def _windows(tables: Mapping[str, Columns], notes: list[str]) -> dict[str, list[tuple[float, float, float]]]:
    """Read the windows of frequencies.txt: start, end, headway [s] by trip."""
    windows: dict[str, list[tuple[float, float, float]]] = {}
    table = tables.get("frequencies.txt")
    if table is None:
        return windows
    known = set(tables["trips.txt"].text("trip_id"))
    headway = table.number("headway_secs", 10, 86_400)
    cells = zip(table.text("trip_id"), table.text("start_time"), table.text("end_time"), headway, strict=True)
    strange = 0
    for row, (trip, start, end, step) in enumerate(cells):
        window = (_seconds(start), _seconds(end), float(step))
        strange += trip not in known
        if not window[0] < window[1]:
            table.fault(f"start_time, row {row + 2}", "HH:MM:SS before end_time", f"{start} to {end}"[:60])
        elif step >= 1:
            windows.setdefault(trip, []).append(window)
    if strange:
        notes.append(f"{strange} rows of frequencies.txt left out: trips that trips.txt does not have")
    return windows


def _departures(start_s: float, windows: list[tuple[float, float, float]] | None) -> list[float]:
    """Departures of a trip: one, or those of the windows [s]."""
    if windows is None:
        return [start_s]
    times: list[float] = []
    for begin, end, step in windows:
        times += (begin + step * np.arange(math.ceil((end - begin) / step))).tolist()
    return times
