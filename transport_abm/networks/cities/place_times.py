"""Travel times of a city between well-known places, so that two cities can be laid side by side.

Places are points: by road from the nearest node of the roads for cars, on an empty network (free speeds and
delays at signals); by transit door to door with empty vehicles: walks, waits and rides of the strategy with
the least generalised time. Neither depends on how a city is cut into zones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import shapely
from shapely.geometry import Polygon

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.core.vocabulary import Period, TransitOption
from transport_abm.networks.cities.city_check import strong_parts
from transport_abm.networks.cities.csv_files import read_columns
from transport_abm.networks.cities.geo import project
from transport_abm.networks.city import F64, Bool, City, Outlines, Zones
from transport_abm.networks.roads.assignment import skim_roads
from transport_abm.networks.roads.road_skims import road_problem
from transport_abm.networks.transit.transit_assignment import (
    assign_transit,
    build_transit_service,
    bus_segment_time_s,
)
from transport_abm.policy.inputs import YearInputs

MEASURES = ("road_min", "road_km", "metro_ride_min", "metro_min", "transit_min")
"""By car on empty roads; by metro without and with walks; by the best of metro, bus and both."""


@dataclass(frozen=True)
class Places:
    """Points in a city."""

    name_en: tuple[str, ...]
    name_zh: tuple[str, ...]
    lon: F64
    lat: F64

    def __len__(self) -> int:
        return len(self.lon)


def read_places(path: Path | str | None = None) -> Places:
    """Read places from a table; those of Beijing that come with the package by default.

    Parameters
    ----------
    path
        CSV file with ``name_en, name_zh, lon, lat`` (WGS 84).

    Returns
    -------
    Places
        In the order of the file.

    Raises
    ------
    NetworkError
        With every fault of the file.
    """
    faults: list[Fault] = []
    place = Path(path) if path else Path(str(files("transport_abm.networks.cities") / "data" / "places.csv"))
    table = read_columns(place, ("name_en", "name_zh", "lon", "lat"), faults)
    lon, lat = table.number("lon", -180, 180), table.number("lat", -90, 90)
    names = table.text("name_en")
    for k, name in enumerate(names):
        if not name or name in names[:k]:
            table.fault(f"name_en, row {k + 2}", "each name once", repr(name)[:60])
    if not faults and table.rows < 2:
        faults.append(Fault(place.name, "rows", "at least two places", str(table.rows)))
    if faults:
        raise NetworkError(faults)
    zh = tuple(own or names[k] for k, own in enumerate(table.text("name_zh")))
    return Places(tuple(names), zh, lon, lat)


def place_times(
    city: City, places: Places, inputs: YearInputs, period: Period = Period.MIDDAY
) -> Mapping[str, F64]:
    """Times and distances between places.

    Parameters
    ----------
    city
        The city.
    places
        The places.
    inputs
        Parameters of the year; its lines and links are those that are open.
    period
        Period of the day, for the headways.

    Returns
    -------
    dict
        By measure (see ``MEASURES``) an array of shape (places, places), origin first [min], [km]; NaN
        where a place lies outside the city's districts, or there is no way.
    """
    result = {name: np.full((len(places), len(places)), np.nan) for name in MEASURES}
    inside = np.flatnonzero(_in_city(city, places))
    if not len(inside):
        return result
    points = _as_zones(city, places, inside)
    problem = road_problem(city, inputs, period=period, year=inputs.year)
    free_s = problem.free_time_s
    time_s, way_m = skim_roads(problem, free_s, points.node, city.roads.length_m[None, :])
    found = {"road_min": time_s / 60, "road_km": way_m / 1000}
    call_time_s = bus_segment_time_s(city.transit, city.roads, free_s, inputs)
    least = np.full((len(inside), len(inside)), np.inf)
    for option in TransitOption:
        service = build_transit_service(
            replace(city, zones=points), inputs, year=inputs.year, period=period, option=option
        )
        skims = assign_transit(service, None, call_time_s).skims
        door_min = skims["access_min"] + skims["wait_min"] + skims["in_vehicle_min"]
        door_min = np.where(np.isfinite(skims["total"]), door_min, np.inf)
        if option is TransitOption.METRO:
            found["metro_min"] = door_min
            found["metro_ride_min"] = door_min - skims["access_min"]
        better = skims["total"] < least
        found["transit_min"] = np.where(better, door_min, found.get("transit_min", np.inf))
        least = np.where(better, skims["total"], least)
    for name, value in found.items():
        value = value.astype(np.float64)
        np.fill_diagonal(value, np.nan)
        result[name][np.ix_(inside, inside)] = np.where(np.isfinite(value), value, np.nan)
    return result


def _in_city(city: City, places: Places) -> Bool:
    """Places inside one of the districts or on a border."""
    lines, found = city.districts.outlines, np.zeros(len(places), bool)
    for a, b in zip(lines.indptr[:-1], lines.indptr[1:], strict=True):
        outline = Polygon(np.column_stack([lines.lon[a:b], lines.lat[a:b]]))
        found |= shapely.intersects_xy(outline, places.lon, places.lat)
    return found


def _as_zones(city: City, places: Places, inside: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Zones:
    """Places as zones without extent or people."""
    lon, lat, n = places.lon[inside], places.lat[inside], len(inside)
    x_m, y_m = project(lon, lat, city.crs)
    roads = city.roads
    driven = np.flatnonzero(strong_parts(roads) == 0)
    away_m = np.hypot(roads.node_x_m[driven] - x_m[:, None], roads.node_y_m[driven] - y_m[:, None])
    zero = np.zeros(n)
    return Zones(
        name=tuple(places.name_en[k] for k in inside.tolist()),
        district=np.zeros(n, np.int16),
        ring=np.full(n, 7, np.int8),
        lon=lon, lat=lat, x_m=x_m, y_m=y_m,
        area_m2=zero, residents=zero, jobs=zero, school_places=zero,
        node=driven[away_m.argmin(axis=1)].astype(np.int32),
        outlines=Outlines(np.zeros(0, np.int32), np.zeros(1, np.int64), np.zeros(0), np.zeros(0)),
    )  # fmt: skip
