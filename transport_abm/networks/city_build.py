"""Build a city from a user's files: roads, districts, population, metro.

A recipe names the files and the few choices that the files leave open. Zones are drawn inside each district
by where its streets are (:mod:`transport_abm.networks.city_zones`); a district's residents are spread in
proportion to the ends of its local streets, jobs in proportion to the ends of all its streets.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError
from shapely.geometry import Polygon

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.core.vocabulary import LinkClass, TransitMode
from transport_abm.networks.boundaries import (
    Boundaries,
    Datum,
    DistrictTotals,
    read_boundaries,
    read_district_totals,
)
from transport_abm.networks.city import F64, City, RoadNetwork, TransitNetwork, Zones
from transport_abm.networks.city_files import city_faults
from transport_abm.networks.city_zones import LandPoints, ZoneTotals, build_zones, share_zones
from transport_abm.networks.csv_files import read_columns
from transport_abm.networks.geo import is_projected, projected_crs
from transport_abm.networks.metro_tables import (
    MetroTable,
    Opening,
    build_metro_network,
    find_table,
    read_metro_tables,
    read_openings,
)
from transport_abm.networks.osm_pbf import read_osm_file
from transport_abm.networks.reference.build import with_road_nodes
from transport_abm.networks.reference.bus_lines import build_bus_lines
from transport_abm.networks.reference.transit import add_transfers, reference_fares
from transport_abm.networks.reference.transit_table import TransitTable, join_networks
from transport_abm.networks.ring_areas import with_rings
from transport_abm.networks.road_supply import build_road_defaults
from transport_abm.policy.inputs import year_inputs

BASE_YEAR = 2020


class CityRecipe(BaseModel):
    """What to build a city from."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str
    date: str
    """Date of the data, such as 2020-11-01."""
    licence: str
    sources: tuple[str, ...]
    roads: Path
    """OpenStreetMap file (.osm.pbf, .osm, .osm.gz, .osm.bz2)."""
    speed_limits: bool = True
    """Whether maxspeed tags are believed."""
    districts: Path
    """GeoJSON of the districts."""
    datum: Datum = "wgs84"
    """Coordinates of the districts: wgs84 or gcj02."""
    population: Path
    """CSV table of residents (and jobs) by district."""
    population_columns: Mapping[str, str]
    """Its columns: code or name_zh or name_en, residents, and optionally jobs."""
    metro: Path | None = None
    """Folder with the metro tables, or none."""
    cars: Path | None = None
    """CSV table car_type, places, seats; needed with metro."""
    crs: str = ""
    """Projected CRS; the UTM zone of the districts if empty."""
    zones: int
    """Number of zones."""
    zones_central: int = 0
    """How many of them lie in the central districts; 0 shares by residents alone."""
    jobs_total: float
    """Jobs in the city; those the table does not give are shared by residents."""
    school_places_per_resident: float
    """Pupils and students over residents."""
    bus_routes: float = 0
    """Bus routes; 0 for no buses."""
    bus_fleet: float = 0
    """Buses."""
    bus_route_km: float = 0
    """Length of the bus routes [km]; as drawn if 0."""
    bus_lines: int = 0
    """Representative lines to build."""


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


def read_recipe(path: Path | str) -> CityRecipe:
    """Read a recipe from TOML; its paths are relative to the file.

    Parameters
    ----------
    path
        TOML file with the fields of :class:`CityRecipe`.

    Returns
    -------
    CityRecipe
        The recipe.

    Raises
    ------
    NetworkError
        With every fault of the file.
    """
    place = Path(path)
    try:
        data = tomllib.loads(place.read_text(encoding="utf-8"))
        recipe = CityRecipe.model_validate(data)
    except ValidationError as error:
        faults = [
            Fault(place.name, ".".join(map(str, item["loc"])), item["msg"], repr(item.get("input"))[:60])
            for item in error.errors()
        ]
        raise NetworkError(faults) from None
    except (OSError, ValueError, RecursionError) as error:
        raise NetworkError(Fault(place.name, "file", "a recipe in TOML", str(error)[:100])) from None
    names = [name for name in ("roads", "districts", "population", "metro", "cars") if getattr(recipe, name)]
    return recipe.model_copy(update={name: place.parent / getattr(recipe, name) for name in names})


def build_city_from_files(recipe: CityRecipe) -> City:
    """Build a city from the files of a recipe.

    Parameters
    ----------
    recipe
        Files and choices.

    Returns
    -------
    City
        The city, free of faults.

    Raises
    ------
    NetworkError
        If a file has faults, or the parts do not fit together.
    """
    boundaries = read_boundaries(recipe.districts, recipe.datum)
    if recipe.crs and not is_projected(recipe.crs):
        raise NetworkError(Fault("recipe", "crs", "a projected CRS in metres", recipe.crs))
    outlines = boundaries.districts.outlines
    crs = recipe.crs or projected_crs(outlines.lon, outlines.lat)
    given = read_district_totals(recipe.population, boundaries, recipe.population_columns)
    roads = read_osm_file(recipe.roads, build_road_defaults(speed_limits=recipe.speed_limits), crs)
    metro, openings = read_metro(recipe)
    bus = {"line_count": recipe.bus_routes, "fleet": recipe.bus_fleet, "route_km": recipe.bus_route_km,
           "representative_count": recipe.bus_lines}  # fmt: skip
    totals = build_totals(
        boundaries,
        DistrictTotals(given.residents, fill_jobs(given, recipe.jobs_total, given.residents)),
        given.residents * recipe.school_places_per_resident,
        recipe.zones,
        recipe.zones_central,
    )
    note = "spread within districts: residents by ends of local streets, jobs by ends of all streets (prior)"
    return build_city(
        CityParts(
            recipe.name, crs, boundaries, totals, street_points(roads), roads, {}, metro, openings,
            bus if recipe.bus_routes else None, build_meta(recipe, [note]),
        )
    )  # fmt: skip


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
    zones = replace(zones, name=_names(zones, metro, parts.boundaries.districts.name_en))
    bus = TransitTable(TransitMode.BUS).network()
    if parts.bus is not None:
        bus = build_bus_lines(roads, zones, inputs=inputs, **_bus_totals(parts.bus))
    transit = add_transfers(join_networks(metro, bus), inputs)
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


def read_metro(recipe: CityRecipe) -> tuple[list[MetroTable], list[Opening]]:
    """Read the metro lines of a recipe; nothing if it has none."""
    if recipe.metro is None:
        return [], []
    if recipe.cars is None:
        raise NetworkError(Fault("recipe", "cars", "a table of car types with a metro", "none"))
    faults: list[Fault] = []
    table = read_columns(recipe.cars, ("car_type", "places", "seats"), faults)
    places, seats = table.number("places", 1, 2_000), table.number("seats", 0, 2_000)
    if faults:
        raise NetworkError(faults)
    kinds = zip(table.text("car_type"), places, seats, strict=True)
    cars = {kind: (float(room), float(seat)) for kind, room, seat in kinds}
    openings = find_table(recipe.metro, "openings.csv")
    return read_metro_tables(recipe.metro, cars), read_openings(openings) if openings else []


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


def build_meta(recipe: CityRecipe, notes: Sequence[str]) -> dict[str, object]:
    """Write down date, sources, licence, notes and the digests of the files."""
    files = [path for path in (recipe.roads, recipe.districts, recipe.population) if path]
    if recipe.metro is not None:
        files += [path for path in sorted(recipe.metro.iterdir()) if path.suffix == ".csv"]
    return {
        "date": recipe.date,
        "licence": recipe.licence,
        "sources": list(recipe.sources),
        "notes": list(notes),
        "files": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files},
    }


def _names(zones: Zones, metro: TransitNetwork, districts: Sequence[str]) -> tuple[str, ...]:
    """Name zones after the nearest metro station, if it is near; else number them in their district."""
    near_m = 2 * np.sqrt(zones.area_m2 / np.pi)
    seen: dict[str, int] = {}
    names = []
    for k, own in enumerate(zones.district.tolist()):
        label = districts[own]
        if metro.n_stops:
            away_m = np.hypot(metro.stop_x_m - zones.x_m[k], metro.stop_y_m - zones.y_m[k])
            nearest = int(np.argmin(away_m))
            if away_m[nearest] < near_m[k]:
                label += f": {metro.stop_name_en[nearest]}"
        seen[label] = seen.get(label, 0) + 1
        names.append(f"{label} {seen[label]}")
    return tuple(names)
