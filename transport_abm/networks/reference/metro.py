"""Urban rail lines of the reference city, drawn by hand from published figures.

Termini and interchanges stand at places set by hand from general knowledge (rounded to 0.005 degree); the
stations between them are spread evenly. The segments of a section share its published length in
proportion to the straight lines between stations, so lines are as long as published. Running time of a
segment of length ``L`` at cruising speed ``v`` with acceleration and braking ``a`` and dwell ``d``:

    t = L / v + v / a + d    if L >= v**2 / a,    else    t = 2 sqrt(L / a) + d

A section that opens in December (as most do) carries its first passengers of a full year in the next one: its
first year of service is the first in which it runs for more than half of the months. A line that is extended
gets a new full pattern from that year, and the old one closes. A loop is closed: its last call repeats its
first stop, and travellers stay on board there (`transit_service` joins the two calls).

Left out: stations that opened later than their section, and the different fares of the airport lines.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from transport_abm.core.vocabulary import TransitMode
from transport_abm.networks.cities.geo import great_circle_m, project
from transport_abm.networks.city import F64, TransitNetwork
from transport_abm.networks.reference.transit_table import OPEN_END_YEAR, Line, Pattern, TransitTable

_PERIODS = ("am", "midday", "pm", "night")
_HALF_YEAR_MONTH = 6


@dataclass(frozen=True)
class MetroLine:
    """One line as published: trains, design speed, stations and length, headways by period [min]."""

    line: str
    name_en: str
    name_zh: str
    places: float
    """Places of one train [persons]."""
    seats: float
    design_speed_kmh: float
    station_count: int
    """Stations of the whole line, end of 2025 or as planned."""
    length_km: float
    """Published length of the whole line [km]."""
    headway_min: tuple[float, ...]


@dataclass(frozen=True)
class MetroSection:
    """A part of a line that opened on one day."""

    line: str
    opened: str
    """Year and month of the opening, as 2021-12."""
    closed: str
    """Year and month in which the section left this line, or empty."""
    length_km: float
    station: tuple[str, ...]
    planned: bool
    """True if the opening is a plan, not a fact."""

    @property
    def years(self) -> tuple[int, int]:
        """First year of service, and first year without."""
        return _service_year(self.opened), _service_year(self.closed) if self.closed else OPEN_END_YEAR


@dataclass(frozen=True)
class Metro:
    """All lines, their sections in order along each line, and the place of every station."""

    line: tuple[MetroLine, ...]
    section: tuple[MetroSection, ...]
    place: Mapping[str, tuple[float, float]]
    """Longitude and latitude of each station [degrees], by Chinese name."""
    hand_set: frozenset[str]
    """Stations whose place is set by hand; the others are interpolated."""
    name_en: Mapping[str, str]


def _rows(name: str) -> Iterator[dict[str, str]]:
    """Rows of one of the bundled tables."""
    text = files("transport_abm.networks.reference").joinpath("data", name).read_text(encoding="utf-8")
    yield from csv.DictReader(text.splitlines())


def _service_year(month: str) -> int:
    """First year with more than half of its months after an event in a month such as 2021-12."""
    year, number = (int(part) for part in month.split("-"))
    return year if number <= _HALF_YEAR_MONTH else year + 1


def _fill_places(section: tuple[MetroSection, ...], place: dict[str, tuple[float, float]]) -> None:
    """Spread stations without a place evenly between their neighbours, section by section."""
    for part in section:
        known = [k for k, name in enumerate(part.station) if name in place]
        point = np.array([place[part.station[k]] for k in known])
        for k, name in enumerate(part.station):
            if name not in place:
                lon, lat = (float(np.interp(k, known, point[:, axis])) for axis in (0, 1))
                place[name] = (lon, lat)


@cache
def read_metro() -> Metro:
    """Read the bundled metro tables.

    Returns
    -------
    Metro
        Lines, sections and the place of every station.
    """
    car = {row["car_type"]: (float(row["places"]), float(row["seats"])) for row in _rows("metro_cars.csv")}
    line = tuple(
        MetroLine(
            row["line"],
            row["name_en"],
            row["name_zh"],
            int(row["cars"]) * car[row["car_type"]][0],
            int(row["cars"]) * car[row["car_type"]][1],
            float(row["design_speed_kmh"]),
            int(row["station_count"]),
            float(row["length_km"]),
            tuple(float(row[f"headway_{period}_min"]) for period in _PERIODS),
        )
        for row in _rows("metro_lines.csv")
    )
    section = tuple(
        MetroSection(
            row["line"],
            row["opened"],
            row["closed"],
            float(row["length_km"]),
            tuple(row["stations"].split()),
            row["status"] == "planned",
        )
        for row in _rows("metro_sections.csv")
    )
    station = list(_rows("metro_stations.csv"))
    place = {row["name_zh"]: (float(row["lon"]), float(row["lat"])) for row in station if row["lon"]}
    hand_set = frozenset(place)
    _fill_places(section, place)
    return Metro(line, section, place, hand_set, {row["name_zh"]: row["name_en"] for row in station})


def length_in_service_km(year: int) -> float:
    """Length of the lines in service all through a year.

    Parameters
    ----------
    year
        Year of service; the network at the end of a year is that of the next one.

    Returns
    -------
    float
        Sum of the published section lengths [km].
    """
    spans = ((part.length_km, *part.years) for part in read_metro().section)
    return sum(length for length, opens, closes in spans if opens <= year < closes)


def segment_lengths_m(section: MetroSection, place: Mapping[str, tuple[float, float]]) -> F64:
    """Share a section's published length out to its segments.

    Parameters
    ----------
    section
        The section.
    place
        Longitude and latitude of the stations [degrees].

    Returns
    -------
    float64 array
        Length of each segment [m]; they add up to the published length.
    """
    lon, lat = np.array([place[name] for name in section.station]).T
    straight = great_circle_m(lon[:-1], lat[:-1], lon[1:], lat[1:])
    return np.asarray(section.length_km * 1000 * straight / straight.sum(), np.float64)


def running_time_s(length_m: F64, design_speed_kmh: float, inputs: Mapping[str, float]) -> F64:
    """Time from one departure to the next, dwell included.

    Parameters
    ----------
    length_m
        Length of the segments [m].
    design_speed_kmh
        Design speed of the line [km/h].
    inputs
        Parameters ``transit_supply.metro_*``.

    Returns
    -------
    float64 array
        Running time and dwell [s].

    Notes
    -----
    Trapezoid of speed (triangle on segments too short to reach cruising speed), as in Vuchic (2007).
    """
    speed = inputs["transit_supply.metro_cruise_share"] * design_speed_kmh / 3.6
    acceleration = inputs["transit_supply.metro_acceleration_ms2"]
    cruising = length_m / speed + speed / acceleration
    short = 2 * np.sqrt(length_m / acceleration)
    run = np.where(length_m >= speed**2 / acceleration, cruising, short)
    return np.asarray(run + inputs["transit_supply.metro_dwell_s"], np.float64)


def _chains(parts: list[MetroSection]) -> list[tuple[MetroSection, ...]]:
    """Sections of one line, joined where the end of one is the start of the next."""
    chains: list[tuple[MetroSection, ...]] = []
    for part in parts:
        if chains and chains[-1][-1].station[-1] == part.station[0]:
            chains[-1] = (*chains[-1], part)
        else:
            chains.append((part,))
    return chains


def _services(parts: list[MetroSection]) -> Iterator[tuple[tuple[MetroSection, ...], int, int]]:
    """Chains of sections that are run as one, with their first year and the first year without."""
    change = sorted({year for part in parts for year in part.years if year != OPEN_END_YEAR})
    running: dict[tuple[MetroSection, ...], int] = {}
    for year in change:
        now = _chains([part for part in parts if part.years[0] <= year < part.years[1]])
        for chain in [chain for chain in running if chain not in now]:
            yield chain, running.pop(chain), year
        for chain in now:
            running.setdefault(chain, year)
    for chain, opens in running.items():
        yield chain, opens, OPEN_END_YEAR


def build_metro(inputs: Mapping[str, float], *, crs: str) -> TransitNetwork:
    """Lay the metro out as stops (one for each line at a station), lines and patterns in both directions.

    Parameters
    ----------
    inputs
        Parameters ``transit_supply.metro_*``.
    crs
        Projected CRS of the city.

    Returns
    -------
    TransitNetwork
        Metro lines without transfers.
    """
    metro = read_metro()
    table = TransitTable(TransitMode.METRO)
    for row, line in enumerate(metro.line):
        table.line.append(
            Line(line.name_en, line.name_zh, TransitMode.METRO, line.places, line.seats, line.headway_min)
        )
        parts = [part for part in metro.section if part.line == line.line]
        stop: dict[str, int] = {}
        for name in (name for part in parts for name in part.station):
            if name not in stop:
                stop[name] = len(table.stop)
                lon, lat = metro.place[name]
                x_m, y_m = project(lon, lat, crs)
                table.stop.append((metro.name_en[name], name, lon, lat, float(x_m), float(y_m)))
        for chain, opens, closes in _services(parts):
            call = [stop[chain[0].station[0]]]
            call += [stop[name] for part in chain for name in part.station[1:]]
            length = np.concatenate([segment_lengths_m(part, metro.place) for part in chain])
            time = running_time_s(length, line.design_speed_kmh, inputs)
            road: list[list[int]] = [[] for _ in length]
            for way in (1, -1):
                segment = (length[::way].tolist(), time[::way].tolist())
                table.pattern.append(Pattern(row, call[::way], *segment, road, opens, closes))
    return table.network()
