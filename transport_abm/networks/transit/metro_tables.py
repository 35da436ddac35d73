"""Metro lines from three documented CSV tables, and a fourth for openings.

A folder holds one file for each name below; a prefix (``beijing_subway_lines.csv``) is allowed.

``lines.csv``
    ``line, alias, cars_per_train, car_type, design_speed_kmh, loop`` (alias: English; loop: True, False).
``line_stations.csv``
    ``line, seq, station_cn, station_en, lon_wgs84, lat_wgs84, dist_from_prev_m``. A station without a place
    is put between its neighbours by distance.
``trains_per_hour.csv``
    ``line, direction, date_group, hour, trains_per_hour_max_over_stations``: departures in one direction.
``openings.csv`` (optional)
    ``line, from_station, to_station, open_year, close_year, service``: stretches of a line in service from a
    year on (close_year may be empty). Stretches of different ``service`` are run apart. A line without rows
    has always been open.

Running time of a segment: ``t = L / v + v / a + dwell`` at cruising speed ``v`` and acceleration ``a``
(:func:`transport_abm.networks.reference.metro.running_time_s`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.core.vocabulary import PERIOD_HOURS, Period, TransitMode
from transport_abm.networks.cities.csv_files import Columns, read_columns
from transport_abm.networks.cities.geo import great_circle_m, project
from transport_abm.networks.city import F64, TransitNetwork
from transport_abm.networks.reference.metro import running_time_s
from transport_abm.networks.reference.transit_table import (
    OPEN_END_YEAR,
    Line,
    Pattern,
    TransitTable,
    with_transfers,
)

WEEKDAY_GROUPS = ("工作日", "平常日", "平日", "全日", "weekday", "daily")
"""Values of ``date_group`` that stand for a weekday, the best first."""

_LINES = ("line", "alias", "cars_per_train", "car_type", "design_speed_kmh", "loop")
_STATIONS = ("line", "seq", "station_cn", "station_en", "lon_wgs84", "lat_wgs84", "dist_from_prev_m")
_TRAINS = ("line", "direction", "date_group", "hour", "trains_per_hour_max_over_stations")
_OPENINGS = ("line", "from_station", "to_station", "open_year", "close_year", "service")
_FIRST_HOUR, _LAST_HOUR = 5, 23
"""Hours in which the night period is served before 7 and after 19 [hour of day]."""
SERVED_HOURS: dict[Period, tuple[int, ...]] = {
    period: tuple(
        hour % 24
        for hour in range(int(PERIOD_HOURS[period][0]), int(PERIOD_HOURS[period][1]))
        if hour < _LAST_HOUR or hour >= 24 + _FIRST_HOUR
    )
    for period in Period
}
"""Hours of a day over which the departures of a period are counted."""
_MAX_DETOUR = 3.0


@dataclass(frozen=True)
class Opening:
    """A stretch of a line and its years of service."""

    line: str
    from_station: str
    to_station: str
    open_year: int
    close_year: int = OPEN_END_YEAR
    service: str = ""


@dataclass(frozen=True)
class MetroTable:
    """One line as read."""

    name_zh: str
    name_en: str
    places: float
    seats: float
    design_speed_kmh: float
    loop: bool
    station_zh: tuple[str, ...]
    station_en: tuple[str, ...]
    lon: F64
    lat: F64
    length_m: F64
    """Length of the segments [m]; a loop's closing segment included."""
    headway_min: tuple[float, ...]


def find_table(folder: Path, name: str) -> Path | None:
    """Find the file of a table, with or without a prefix."""
    found = sorted(path for path in folder.glob(f"*{name}") if path.name in (name, path.name))
    exact = [path for path in found if path.name == name or path.name.endswith(f"_{name}")]
    exact = [
        path for path in exact if not path.name.endswith("_line_stations.csv") or name == "line_stations.csv"
    ]
    if len(exact) > 1:
        raise NetworkError(
            Fault(name, "files", "one table of this name", ", ".join(path.name for path in exact))
        )
    return exact[0] if exact else None


def read_metro_tables(folder: Path | str, cars: Mapping[str, tuple[float, float]]) -> list[MetroTable]:
    """Read the metro lines of a folder.

    Parameters
    ----------
    folder
        Folder with the tables.
    cars
        Places and seats of one car [persons], by car type.

    Returns
    -------
    list[MetroTable]
        Lines in the order of ``lines.csv``.

    Raises
    ------
    NetworkError
        With every fault of the tables.
    """
    place = Path(folder)
    faults: list[Fault] = []
    tables = []
    for name, needed in (
        ("lines.csv", _LINES),
        ("line_stations.csv", _STATIONS),
        ("trains_per_hour.csv", _TRAINS),
    ):
        path = find_table(place, name)
        if path is None:
            faults.append(Fault(name, "file", "a table of this name", f"none in {place.name}"))
        else:
            tables.append(read_columns(path, needed, faults))
    if faults:
        raise NetworkError(faults)
    lines, stations, trains = tables
    headway = _headways(trains)
    stretch = _stations(stations)
    count = lines.number("cars_per_train", 1, 20)
    speed = lines.number("design_speed_kmh", 10, 500)
    found = []
    for k, name in enumerate(lines.text("line")):
        kind = lines.text("car_type")[k]
        if kind not in cars:
            lines.fault(f"car_type, row {k + 2}", " or ".join(sorted(cars)), repr(kind))
        if name not in stretch or len(stretch[name][0]) < 2:
            stations.fault("line", f"at least two stations of {name}", str(len(stretch.get(name, ((),))[0])))
        if name not in headway:
            trains.fault("line", f"trains of {name} on a weekday ({', '.join(WEEKDAY_GROUPS)})", "none")
        if not faults:
            places, seats = cars[kind]
            loop = lines.text("loop")[k].lower() in ("true", "1", "yes")
            found.append(
                _line(
                    name,
                    lines.text("alias")[k],
                    (places * count[k], seats * count[k]),
                    float(speed[k]),
                    loop,
                    stretch[name],
                    headway[name],
                )
            )
    if faults:
        raise NetworkError(faults)
    return found


def _headways(trains: Columns) -> dict[str, tuple[float, ...]]:
    """Work out minutes between trains in one direction, by line and period."""
    hour = trains.number("hour", 0, 47)
    rate = trains.number("trains_per_hour_max_over_stations", 0, 120)
    by_line: dict[str, dict[str, dict[tuple[str, int], float]]] = {}
    directions: dict[tuple[str, str], set[str]] = {}
    cells = zip(
        trains.text("line"), trains.text("direction"), trains.text("date_group"), hour, rate, strict=True
    )
    for line, direction, group, h, trains_h in cells:
        if group in WEEKDAY_GROUPS and not math.isnan(h) and not math.isnan(trains_h):
            key = (direction, int(h))
            by_line.setdefault(line, {}).setdefault(group, {})[key] = trains_h
            directions.setdefault((line, group), set()).add(direction)
    result = {}
    for line, groups in by_line.items():
        group = min(groups, key=WEEKDAY_GROUPS.index)
        sides = directions[line, group]
        headways = []
        for period in Period:
            hours = SERVED_HOURS[period]
            mean = sum(groups[group].get((side, hour), 0.0) for side in sides for hour in hours)
            mean /= len(sides) * len(hours)
            headways.append(60 / mean if mean > 0 else math.inf)
        result[line] = tuple(headways)
    return result


_Stretch = tuple[tuple[str, ...], tuple[str, ...], F64, F64, F64]


def _stations(table: Columns) -> dict[str, _Stretch]:
    """Collect the stations of each line: names, places, lengths from the station before."""
    seq = table.number("seq", 0, 10_000)
    lon = table.number("lon_wgs84", -180, 180, default=math.nan)
    lat = table.number("lat_wgs84", -90, 90, default=math.nan)
    length_m = table.number("dist_from_prev_m", 0, 200_000, default=math.nan)
    zh, en = table.text("station_cn"), table.text("station_en")
    rows: dict[str, list[int]] = {}
    for k, line in enumerate(table.text("line")):
        rows.setdefault(line, []).append(k)
    found = {}
    for line, own in rows.items():
        own.sort(key=lambda k: float(seq[k]))
        if len(set(seq[own])) < len(own):
            table.fault("seq", f"each number once on {line}", "a number twice")
        names = tuple(zh[k] or en[k] for k in own)
        if len(set(names)) < len(names) or not all(names):
            table.fault("station_cn", f"each station once on {line}", "an empty name or a name twice")
        x, y, step = lon[own].copy(), lat[own].copy(), length_m[own].copy()
        if (np.isnan(step[1:]) | (step[1:] <= 0)).any():
            table.fault("dist_from_prev_m", f"lengths above 0 after the first station of {line}", "none")
            continue
        step[0] = 0.0
        known, at = ~np.isnan(x) & ~np.isnan(y), np.cumsum(step)
        if known.sum() < 2:
            table.fault("lon_wgs84", f"places of at least two stations of {line}", str(int(known.sum())))
            continue
        x, y = _between(at, x, known), _between(at, y, known)
        straight = great_circle_m(x[:-1], y[:-1], x[1:], y[1:])
        if (straight > _MAX_DETOUR * step[1:] + 2_000).any():
            k = int(np.argmax(straight - _MAX_DETOUR * step[1:]))
            got = f"{straight[k]:.0f} m apart and {step[k + 1]:.0f} m along the line"
            table.fault(
                f"{line}, {names[k]} to {names[k + 1]}", "a length that reaches the next station", got
            )
        found[line] = (names, tuple(en[k] or zh[k] for k in own), x, y, step[1:])
    return found


def _between(at: F64, value: F64, known: np.ndarray) -> F64:
    """Fill in unknown places by distance along the line, going on straight beyond the ends."""
    filled = np.interp(at, at[known], value[known])
    first, last = np.flatnonzero(known)[[0, -1]]
    for k in [*range(first - 1, -1, -1), *range(last + 1, len(at))]:
        a, b = (k + 1, k + 2) if k < first else (k - 1, k - 2)
        filled[k] = filled[a] + (filled[a] - filled[b]) * (at[k] - at[a]) / (at[a] - at[b])
    return np.asarray(filled)


def _line(
    name: str,
    alias: str,
    room: tuple[float, float],
    speed_kmh: float,
    loop: bool,
    stretch: _Stretch,
    headway_min: tuple[float, ...],
) -> MetroTable:
    """Put a line together; the closing segment of a loop gets the line's own detour."""
    zh, en, lon, lat, length_m = stretch
    if loop:
        straight = great_circle_m(lon, lat, np.roll(lon, -1), np.roll(lat, -1))
        length_m = np.append(length_m, straight[-1] * length_m.sum() / straight[:-1].sum())
    return MetroTable(name, alias or name, *room, speed_kmh, loop, zh, en, lon, lat, length_m, headway_min)


def read_openings(path: Path | str) -> list[Opening]:
    """Read the optional table of openings.

    Parameters
    ----------
    path
        CSV file ``openings.csv``.

    Returns
    -------
    list[Opening]
        Stretches with their years.

    Raises
    ------
    NetworkError
        With every fault of the table.
    """
    faults: list[Fault] = []
    table = read_columns(Path(path), _OPENINGS, faults)
    opens = table.number("open_year", 0, OPEN_END_YEAR)
    closes = table.number("close_year", 0, OPEN_END_YEAR, default=OPEN_END_YEAR)
    if faults:
        raise NetworkError(faults)
    text = (table.text(name) for name in ("line", "from_station", "to_station", "service"))
    return [
        Opening(line, start, stop, int(opens[k]), int(closes[k]), service)
        for k, (line, start, stop, service) in enumerate(zip(*text, strict=True))
    ]


def build_metro_network(
    lines: Sequence[MetroTable], openings: Iterable[Opening], inputs: Mapping[str, float], crs: str
) -> TransitNetwork:
    """Lay metro lines out as stops (one for each line at a station), patterns by years, and transfers.

    Parameters
    ----------
    lines
        Lines as read.
    openings
        Stretches with years of service; a line without any has always been open.
    inputs
        Parameters ``transit_supply.metro_*``.
    crs
        Projected CRS of the city.

    Returns
    -------
    TransitNetwork
        Metro lines; stations of the same name are joined by a transfer.

    Raises
    ------
    NetworkError
        If an opening names an unknown line or station.
    """
    table = TransitTable(TransitMode.METRO)
    by_line: dict[str, list[Opening]] = {}
    for opening in openings:
        by_line.setdefault(opening.line, []).append(opening)
    faults = [
        Fault("openings.csv", "line", "a line of lines.csv", name)
        for name in by_line
        if name not in {line.name_zh for line in lines}
    ]
    place: dict[str, list[int]] = {}
    for row, line in enumerate(lines):
        first = len(table.stop)
        x_m, y_m = project(line.lon, line.lat, crs)
        for k, name in enumerate(line.station_zh):
            place.setdefault(name, []).append(first + k)
            point = (float(line.lon[k]), float(line.lat[k]), float(x_m[k]), float(y_m[k]))
            table.stop.append((line.station_en[k], name, *point))
        table.line.append(
            Line(line.name_en, line.name_zh, TransitMode.METRO, line.places, line.seats, line.headway_min)
        )
        time_s = running_time_s(line.length_m, line.design_speed_kmh, inputs)
        for start, stop, opens, closes in _runs(line, by_line.get(line.name_zh, []), faults):
            calls = [first + k % len(line.station_zh) for k in range(start, stop + 1)]
            length, time = line.length_m[start:stop].tolist(), time_s[start:stop].tolist()
            road: list[list[int]] = [[] for _ in length]
            for way in (1, -1):
                table.pattern.append(
                    Pattern(row, calls[::way], length[::way], time[::way], road, opens, closes)
                )
    if faults:
        raise NetworkError(faults)
    pairs = [(a, b) for stops in place.values() for k, a in enumerate(stops) for b in stops[k + 1 :]]
    walk_m = np.full(len(pairs), inputs["transit_supply.metro_transfer_m"])
    return with_transfers(table.network(), np.array(pairs, np.int32).reshape(-1, 2), walk_m)


def _runs(
    line: MetroTable, openings: Sequence[Opening], faults: list[Fault]
) -> list[tuple[int, int, int, int]]:
    """Return the stretches run as one: first and last segment end, first year, first year without."""
    n = len(line.length_m)
    if not openings:
        return [(0, n, 0, OPEN_END_YEAR)]
    row = {name: k for k, name in enumerate(line.station_zh)}
    parts = []
    for opening in openings:
        ends = [opening.from_station, opening.to_station]
        unknown = [name for name in ends if name not in row]
        faults += [Fault("openings.csv", line.name_zh, "stations of the line", name) for name in unknown]
        if not unknown:
            a, b = sorted(row[name] for name in ends)
            whole = line.loop and a == b
            parts.append((0 if whole else a, n if whole else b, opening))
    change = sorted({year for _, _, part in parts for year in (part.open_year, part.close_year)})
    running: dict[tuple[int, int], int] = {}
    result = []
    for year in change:
        now = set()
        for service in sorted({part.service for _, _, part in parts}):
            is_open = np.zeros(n + 2, bool)
            for a, b, part in parts:
                if part.service == service and part.open_year <= year < part.close_year:
                    is_open[a + 1 : b + 1] = True
            edge = np.flatnonzero(np.diff(is_open.astype(np.int8)))
            now |= {(int(a), int(b)) for a, b in zip(edge[::2], edge[1::2], strict=True)}
        result += [(*run, running.pop(run), year) for run in sorted(set(running) - now)]
        for run in sorted(now):
            running.setdefault(run, year)
    return result + [(*run, opens, OPEN_END_YEAR) for run, opens in sorted(running.items())]
