"""Build a city from a user's files: roads, districts, population, trains and buses.

A recipe (:mod:`transport_abm.networks.cities.city_recipe`) names the files and the few choices that they leave open.
Zones are drawn inside each district by where its streets are (:mod:`transport_abm.networks.cities.city_zones`); a
district's residents are spread in proportion to the ends of its local streets, jobs in proportion to the ends
of all its streets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from shapely.geometry import Polygon

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.core.vocabulary import LinkClass, TransitMode
from transport_abm.networks.cities.boundaries import (
    Boundaries,
    DistrictTotals,
    district_of,
    read_boundaries,
    read_district_totals,
)
from transport_abm.networks.cities.city_files import city_faults
from transport_abm.networks.cities.city_recipe import CityRecipe, recipe_faults
from transport_abm.networks.cities.city_sources import build_meta, read_lines, read_metro, read_roads
from transport_abm.networks.cities.city_zones import LandPoints, ZoneTotals, build_zones, share_zones
from transport_abm.networks.cities.geo import projected_crs
from transport_abm.networks.cities.ring_areas import with_rings
from transport_abm.networks.city import F64, City, RoadNetwork, TransitNetwork, Zones
from transport_abm.networks.reference.build import with_road_nodes
from transport_abm.networks.reference.bus_lines import build_bus_lines
from transport_abm.networks.reference.transit import add_transfers, reference_fares
from transport_abm.networks.reference.transit_table import TransitTable, join_networks
from transport_abm.networks.transit.metro_tables import (
    MetroTable,
    Opening,
    build_metro_network,
)
from transport_abm.policy.inputs import BASE_YEAR, year_inputs

SPREAD = "spread within districts: residents by ends of local streets, jobs by ends of all streets (prior)"
Tell = Callable[[str], None]
_Part = TypeVar("_Part")


@dataclass(frozen=True)
class CityParts:
    """Everything a city is put together from, however it was read."""

    name: str
    crs: str
    boundaries: Boundaries
    totals: ZoneTotals
    land: LandPoints
    roads: RoadNetwork
    rings: Mapping[int, Polygon]
    """Areas inside the ring roads [m]; empty if there are none."""
    metro: Sequence[MetroTable]
    openings: Sequence[Opening]
    bus: Mapping[str, float] | None
    """Totals for the bus lines (see ``build_bus_lines``); None for no buses."""
    meta: Mapping[str, object]
    lines: Sequence[TransitNetwork] = ()
    """More lines over these roads, without transfers between them."""
    feed: TransitNetwork | None = None
    """Lines of a feed over these roads, with the transfers between their stops."""


def build_city_from_files(recipe: CityRecipe, tell: Tell | None = None) -> City:
    """Build a city from the files of a recipe.

    Parameters
    ----------
    recipe
        Files and choices.
    tell
        Called with what is being done.

    Returns
    -------
    City
        The city, free of faults.

    Raises
    ------
    NetworkError
        With the faults of all files, or if the parts do not fit together.
    """
    tell = tell or (lambda what: None)
    faults: list[Fault | str] = list(recipe_faults(recipe))
    if faults:
        raise NetworkError(faults)
    tell("Reading districts and residents")
    boundaries = _try(faults, lambda: read_boundaries(recipe.districts, recipe.datum))
    given = boundaries and _try(
        faults, lambda: read_district_totals(recipe.population, boundaries, recipe.population_columns)
    )
    crs = recipe.crs
    if boundaries and not crs:
        crs = projected_crs(boundaries.districts.outlines.lon, boundaries.districts.outlines.lat)
    tell(
        "Reading roads"
        if recipe.roads
        else "Asking Overpass for roads; a busy server is asked again every minute"
    )
    notes = [
        "spread within districts: residents by ends of local streets, jobs by ends of all streets (prior)"
    ]
    roads = _try(faults, lambda: read_roads(recipe, crs, notes))
    if boundaries and roads:
        faults += _ground_faults(boundaries, roads)
    tell("Reading trains and buses")
    metro = _try(faults, lambda: read_metro(recipe))
    inputs = year_inputs(BASE_YEAR)
    lines = _try(faults, lambda: read_lines(recipe, roads, inputs, crs, notes)) if roads else None
    if faults or not (boundaries and given and roads and metro and lines is not None):
        raise NetworkError(faults)
    totals = build_totals(
        boundaries,
        DistrictTotals(given.residents, fill_jobs(given, recipe.jobs_total, given.residents)),
        given.residents * recipe.school_places_per_resident,
        recipe.zones,
        recipe.zones_central,
    )
    bus = {"line_count": recipe.bus_routes, "fleet": recipe.bus_fleet, "route_km": recipe.bus_route_km,
           "representative_count": recipe.bus_lines}  # fmt: skip
    tell("Drawing zones and lines")
    return build_city(
        CityParts(
            recipe.name, crs, boundaries, totals, street_points(roads), roads, {}, *metro,
            bus if recipe.bus_routes else None, build_meta(recipe, notes), *lines,
        )
    )  # fmt: skip


def _try(faults: list[Fault | str], read: Callable[[], _Part]) -> _Part | None:
    """Read one part; take down its faults, so that those of the other parts come with them."""
    try:
        return read()
    except NetworkError as error:
        faults += [
            fault if isinstance(fault, Fault) else Fault("city", "", "", fault) for fault in error.faults
        ]
        return None


def _ground_faults(boundaries: Boundaries, roads: RoadNetwork) -> list[Fault]:
    """Find districts without roads: files of two places, or of two coordinate systems."""
    home = district_of(boundaries.polygon, roads.node_lon, roads.node_lat)
    held = np.bincount(home[home >= 0], minlength=len(boundaries.code))
    names = boundaries.districts.name_en
    if not held.any():
        place = f"{np.median(roads.node_lon):.2f}, {np.median(roads.node_lat):.2f}"
        return [Fault("roads", "places", "roads in the districts", f"none; they lie around {place}")]
    return [Fault("roads", name, "roads in the district", "none")
            for name, count in zip(names, held, strict=True) if not count]  # fmt: skip


def build_city(parts: CityParts) -> City:
    """Put a city together.

    Parameters
    ----------
    parts
        Districts, totals, land points, roads, rings, metro lines.

    Returns
    -------
    City
        The city, free of faults.

    Raises
    ------
    NetworkError
        If the parts do not fit together.
    """
    inputs = year_inputs(BASE_YEAR)
    zones = build_zones(parts.boundaries, parts.totals, parts.land, parts.crs)
    roads, zones = with_rings(parts.roads, zones, parts.rings, parts.crs)
    zones = with_road_nodes(zones, roads)
    metro = build_metro_network(parts.metro, parts.openings, inputs, parts.crs)
    bus = TransitTable(TransitMode.BUS).network()
    if parts.bus is not None:
        bus = build_bus_lines(roads, zones, inputs=inputs, **_bus_totals(parts.bus))
    transit = join_networks(metro, bus)
    for more in parts.lines:
        transit = join_networks(transit, more)
    settled = None
    if parts.feed is not None:
        settled = np.arange(transit.n_stops + parts.feed.n_stops) >= transit.n_stops
        transit = join_networks(transit, parts.feed)
    transit = add_transfers(transit, inputs, settled)
    zones = replace(zones, name=_names(zones, transit, parts.boundaries.districts.name_en))
    city = City(
        parts.name,
        parts.crs,
        parts.boundaries.districts,
        zones,
        roads,
        transit,
        reference_fares(),
        parts.meta,
    )
    faults = city_faults(city)
    if faults:
        raise NetworkError(faults)
    return city


def _bus_totals(bus: Mapping[str, float]) -> dict[str, int]:
    """Return the totals for the bus lines that are given."""
    return {name: int(value) for name, value in bus.items() if value}


def fill_jobs(given: DistrictTotals, total: float, share: F64) -> F64:
    """Share the jobs that the table does not give out to the districts it does not name.

    Parameters
    ----------
    given
        Jobs by district, NaN where unknown.
    total
        Jobs in the city.
    share
        What the rest is shared by, one number a district.

    Returns
    -------
    float64 array
        Jobs by district, whole numbers.

    Raises
    ------
    NetworkError
        If the given jobs exceed the total.
    """
    unknown = np.isnan(given.jobs)
    rest = total - np.nansum(given.jobs)
    if rest < 0 or (not unknown.any() and rest > 0):
        got = f"{np.nansum(given.jobs):.0f} in the table"
        raise NetworkError(Fault("population", "jobs", f"districts that add up to {total:.0f}", got))
    jobs = np.where(unknown, 0.0, given.jobs)
    if unknown.any():
        jobs[unknown] = np.round(rest * share[unknown] / share[unknown].sum())
    return jobs


def build_totals(
    boundaries: Boundaries, given: DistrictTotals, school_places: F64, zones: int, central: int
) -> ZoneTotals:
    """Share the zones out to the districts: in the centre by area, elsewhere by residents.

    Parameters
    ----------
    boundaries
        Districts.
    given
        Residents and jobs by district.
    school_places
        School places by district.
    zones
        Number of zones.
    central
        How many of them lie in central districts; 0 shares all by residents.

    Returns
    -------
    ZoneTotals
        Whole numbers by district.
    """
    people = given.residents + given.jobs
    inner = boundaries.districts.central
    if central and inner.any() and not inner.all():
        if not int(inner.sum()) <= central <= zones - int((~inner).sum()):
            raise NetworkError(Fault("recipe", "zones_central", "room for every district", str(central)))
        count = np.zeros(len(people), np.int64)
        size = np.sqrt(people * np.array([shape.area for shape in boundaries.polygon]))
        count[inner] = share_zones(central, size[inner])
        count[~inner] = share_zones(zones - central, people[~inner])
    else:
        if zones < len(people):
            raise NetworkError(
                Fault("recipe", "zones", f"at least {len(people)}, one a district", str(zones))
            )
        count = share_zones(zones, people)
    return ZoneTotals(np.round(given.residents), np.round(given.jobs), np.round(school_places), count)


def street_points(roads: RoadNetwork) -> LandPoints:
    """Turn the nodes of a network into land points by the streets that end there.

    Parameters
    ----------
    roads
        The roads.

    Returns
    -------
    LandPoints
        Residents and school places by ends of tertiary and local streets, jobs by ends of all streets.
    """
    local = np.isin(roads.link_class, (LinkClass.TERTIARY, LinkClass.LOCAL))
    street = roads.link_class >= LinkClass.PRIMARY
    ends = np.bincount(roads.tail[local], minlength=roads.n_nodes).astype(np.float64)
    every = np.bincount(roads.tail[street], minlength=roads.n_nodes).astype(np.float64)
    return LandPoints(roads.node_lon, roads.node_lat, ends, every, ends)


def _names(zones: Zones, transit: TransitNetwork, districts: Sequence[str]) -> tuple[str, ...]:
    """Name zones after the nearest metro station, if it is near; else number them in their district."""
    near_m = 2 * np.sqrt(zones.area_m2 / np.pi)
    station = np.flatnonzero(transit.stop_mode == TransitMode.METRO)
    x_m, y_m = transit.stop_x_m[station], transit.stop_y_m[station]
    seen: dict[str, int] = {}
    names = []
    for k, own in enumerate(zones.district.tolist()):
        label = districts[own]
        if len(station):
            away_m = np.hypot(x_m - zones.x_m[k], y_m - zones.y_m[k])
            nearest = int(np.argmin(away_m))
            if away_m[nearest] < near_m[k]:
                label += f": {transit.stop_name_en[station[nearest]]}"
        seen[label] = seen.get(label, 0) + 1
        names.append(f"{label} {seen[label]}")
    return tuple(names)
