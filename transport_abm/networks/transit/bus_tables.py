"""Bus lines from two documented CSV tables with the places of their stops.

A folder holds one file for each name below; a prefix (``town_bus_stops.csv``) is allowed.

``bus_stops.csv``
    ``line, direction, seq, stop_cn, stop_en, lon_wgs84, lat_wgs84``: the calls of each direction in order
    (one of the two names may be empty).
``bus_headways.csv``
    ``line, am_min, midday_min, pm_min, night_min``: minutes between departures in one direction; empty where
    the line does not run. ``open_year`` and ``close_year`` are optional.

Buses take the shortest way over the roads between the nodes nearest to their stops.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.core.vocabulary import Period, TransitMode
from transport_abm.networks.cities.csv_files import Columns, read_columns
from transport_abm.networks.cities.geo import project
from transport_abm.networks.city import RoadNetwork, TransitNetwork
from transport_abm.networks.reference.transit_table import OPEN_END_YEAR, Line, Pattern, TransitTable
from transport_abm.networks.transit.bus_paths import STOP_TO_STREET_M, BusPaths
from transport_abm.networks.transit.metro_tables import find_table

_STOPS = ("line", "direction", "seq", "stop_cn", "stop_en", "lon_wgs84", "lat_wgs84")
_HEADWAYS = ("line", *(f"{period.name.lower()}_min" for period in Period))


@dataclass(frozen=True)
class BusTables:
    """Bus lines as read."""

    line: tuple[str, ...]
    headway_min: tuple[tuple[float, ...], ...]
    """By line and period; infinite where the line does not run [min]."""
    years: tuple[tuple[int, int], ...]
    """First year of service and first year without."""
    call: tuple[tuple[int, tuple[int, ...]], ...]
    """Row of the line, and rows of the stops, of each direction."""
    stop: tuple[tuple[str, str, float, float], ...]
    """English and Chinese name, longitude and latitude of each stop."""


def read_bus_tables(folder: Path | str) -> BusTables:
    """Read the bus lines of a folder.

    Parameters
    ----------
    folder
        Folder with the tables.

    Returns
    -------
    BusTables
        Lines in the order of ``bus_headways.csv``.

    Raises
    ------
    NetworkError
        With every fault of the tables.
    """
    place = Path(folder)
    faults: list[Fault] = []
    tables = []
    for name, needed in (("bus_stops.csv", _STOPS), ("bus_headways.csv", _HEADWAYS)):
        path = find_table(place, name)
        if path is None:
            faults.append(Fault(name, "file", "a table of this name", f"none in {place.name}"))
        else:
            tables.append(read_columns(path, needed, faults))
    if faults:
        raise NetworkError(faults)
    stops, headways = tables
    lines = headways.text("line")
    minutes = np.column_stack([headways.number(name, 0.5, 1_440, default=math.inf) for name in _HEADWAYS[1:]])
    opens = headways.number("open_year", 0, OPEN_END_YEAR, default=0)
    closes = headways.number("close_year", 0, OPEN_END_YEAR, default=OPEN_END_YEAR)
    for k, name in enumerate(lines):
        if name in lines[:k]:
            headways.fault(f"line, row {k + 2}", "each line once", name)
        if np.isinf(minutes[k]).all():
            headways.fault(f"line, row {k + 2}", "a headway in some period", "none")
    calls, places = _calls(stops, {name: k for k, name in enumerate(lines)})
    if faults:
        raise NetworkError(faults)
    years = tuple((int(a), int(b)) for a, b in zip(opens, closes, strict=True))
    return BusTables(tuple(lines), tuple(map(tuple, minutes.tolist())), years, calls, places)


def _calls(
    table: Columns, row_of: Mapping[str, int]
) -> tuple[tuple[tuple[int, tuple[int, ...]], ...], tuple[tuple[str, str, float, float], ...]]:
    """Gather the calls of each direction; a stop is a name at a place."""
    seq = table.number("seq", 0, 10_000)
    lon, lat = table.number("lon_wgs84", -180, 180), table.number("lat_wgs84", -90, 90)
    zh, en = table.text("stop_cn"), table.text("stop_en")
    rows: dict[tuple[str, str], list[int]] = {}
    for k, key in enumerate(zip(table.text("line"), table.text("direction"), strict=True)):
        if key[0] not in row_of:
            table.fault(f"line, row {k + 2}", "a line of bus_headways.csv", repr(key[0])[:60])
        if not (zh[k] or en[k]):
            table.fault(f"stop_cn, row {k + 2}", "a name", "none")
        rows.setdefault(key, []).append(k)
    stop: dict[tuple[str, str, float, float], int] = {}
    calls = []
    for (line, direction), own in rows.items():
        own.sort(key=lambda k: float(seq[k]))
        if len(own) < 2 or len(set(seq[own].tolist())) < len(own):
            table.fault("seq", f"two or more calls of {line} {direction}, numbered apart", "others")
        keys = [(en[k] or zh[k], zh[k] or en[k], float(lon[k]), float(lat[k])) for k in own]
        calls.append((row_of.get(line, -1), tuple(stop.setdefault(key, len(stop)) for key in keys)))
    for name in sorted(row_of.keys() - {line for line, _ in rows}):
        table.fault("line", f"stops of {name[:40]}", "none")
    return tuple(calls), tuple(stop)


def build_bus_network(
    tables: BusTables, roads: RoadNetwork, inputs: Mapping[str, float], crs: str, notes: list[str]
) -> TransitNetwork:
    """Lay bus lines out over the roads.

    Parameters
    ----------
    tables
        Lines as read.
    roads
        Roads on which the buses run.
    inputs
        Parameters ``transit_supply.bus_places`` and ``transit_supply.bus_seats``.
    crs
        Projected CRS of the city.
    notes
        List to which a note on calls left out is added.

    Returns
    -------
    TransitNetwork
        Bus lines without transfers.

    Raises
    ------
    NetworkError
        If no line has two stops near the roads.
    """
    table, streets = TransitTable(TransitMode.BUS), BusPaths(roads, crs)
    room = (inputs["transit_supply.bus_places"], inputs["transit_supply.bus_seats"])
    for name, headway in zip(tables.line, tables.headway_min, strict=True):
        table.line.append(Line(name, name, TransitMode.BUS, *room, headway))
    for en, zh, lon, lat in tables.stop:
        x_m, y_m = project(lon, lat, crs)
        table.stop.append((en, zh, lon, lat, float(x_m), float(y_m)))
    node = [streets.nearest(lon, lat) for _, _, lon, lat in tables.stop]
    left = 0
    for line, stops in tables.call:
        kept: list[int] = []
        for stop in stops:
            if node[stop] >= 0 and (not kept or node[stop] != node[kept[-1]]):
                kept.append(stop)
        left += len(stops) - len(kept)
        if len(kept) < 2:
            continue
        road = [streets.path(node[a], node[b]) for a, b in pairwise(kept)]
        length = [float(roads.length_m[links].sum()) for links in road]
        table.pattern.append(Pattern(line, kept, length, [0.0] * len(road), road, *tables.years[line]))
    if not table.pattern:
        got = f"none within {STOP_TO_STREET_M:g} m"
        raise NetworkError(Fault("bus_stops.csv", "lon_wgs84", "stops near the roads", got))
    if left:
        notes.append(
            f"{left} bus calls left out: over {STOP_TO_STREET_M:g} m from a street, or at the same node"
        )
    return table.network()
