"""Where people live, work and study: published district totals spread over small square cells.

Inside district d the share of cell c is

    s_c = b * u_c / sum(u) + (1 - b) * sum_k w_k * g_kc / sum(w)

with background ``u`` (exponential decline from the centre; a small factor in the mountains that falls
with the distance from a main road; none on lakes, parks and runways), share ``b`` outside the towns, and
towns k with weight ``w`` and a Gaussian ``g`` that sums to 1 inside the district. Exponential decline:
Clark (1951), Urban Population Densities, J. R. Stat. Soc. A 114.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from transport_abm.networks.reference._tables import line_m, settings, table, to_metres
from transport_abm.networks.reference.districts import district_facts, district_polygons_m

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class LandUse:
    """Square cells with the residents, jobs and school places on them."""

    x_m: F64
    y_m: F64
    district: NDArray[np.int16]
    plain: NDArray[np.bool_]
    void: NDArray[np.bool_]
    """Lakes, large parks, palaces and runways."""
    residents: F64
    jobs: F64
    school_places: F64


@cache
def terrain(kind: str) -> shapely.Geometry:
    """Union of the hand-set areas of one kind (``"plain"``, ``"void"``) in projected metres."""
    return shapely.union_all(
        [shapely.Polygon(line_m(row["points"])) for row in table("terrain") if row["kind"] == kind]
    )


def _inside(area: shapely.Geometry, x_m: F64, y_m: F64) -> NDArray[np.bool_]:
    """Which points lie in the area."""
    shapely.prepare(area)
    return np.asarray(shapely.contains_xy(area, x_m, y_m))


def _cells() -> tuple[F64, F64, NDArray[np.int16]]:
    """Centres of the cells and the district of each, rows grouped by district."""
    side = settings()["cell_m"]
    parts = []
    for row, polygon in enumerate(district_polygons_m()):
        west, south, east, north = polygon.bounds
        column_x = np.arange(np.floor(west / side), np.ceil(east / side)) * side + side / 2
        column_y = np.arange(np.floor(south / side), np.ceil(north / side)) * side + side / 2
        x, y = (grid.ravel() for grid in np.meshgrid(column_x, column_y))
        keep = _inside(polygon, x, y)
        parts.append((x[keep], y[keep], np.full(int(keep.sum()), row, np.int16)))
    x_m, y_m, district = (np.concatenate(part) for part in zip(*parts, strict=True))
    return x_m, y_m, district


def _centres(name: str, weight: str) -> tuple[F64, F64, F64, F64, NDArray[np.int16]]:
    """Place, weight, width [m] and district of the centres of a table; rows without a place are left out."""
    rows = [row for row in table(name) if row["lon"]]
    x_m, y_m = to_metres([float(row["lon"]) for row in rows], [float(row["lat"]) for row in rows])
    amount = np.array([float(row[weight]) for row in rows])
    width = np.array([float(row["sigma_km"]) for row in rows]) * 1000
    district = np.full(len(rows), -1, np.int16)
    for row, polygon in enumerate(district_polygons_m()):
        district[_inside(polygon, x_m, y_m)] = row
    return x_m, y_m, amount, width, district


def _peaks(name: str, weight: str, cells: tuple[F64, F64, NDArray[np.int16]], usable: F64) -> F64:
    """Sum of the centres' Gaussians on the cells, each cut to its own district and holding its weight."""
    x_m, y_m, district = cells
    total = np.zeros(len(x_m))
    for x, y, amount, width, home in zip(*_centres(name, weight), strict=True):
        own = np.flatnonzero(district == home)
        bell = np.exp(-((x_m[own] - x) ** 2 + (y_m[own] - y) ** 2) / (2 * width**2)) * usable[own]
        total[own] += amount * bell / bell.sum()
    return total


def _road_distance_m(x_m: F64, y_m: F64) -> F64:
    """Distance to the nearest main road, from points set along the roads at half a cell's side."""
    side = settings()["cell_m"]
    roads = [shapely.LineString(line_m(row["points"])) for row in table("roads")]
    place = shapely.get_coordinates(shapely.segmentize(roads, side / 2))
    return np.asarray(cKDTree(place).query(np.column_stack([x_m, y_m]))[0], np.float64)


def _scaled(value: F64, total: float) -> F64:
    """The values scaled to a total; zeros stay zeros."""
    amount = float(value.sum())
    return value * (total / amount) if amount > 0 else value


@cache
def build_land_use() -> LandUse:
    """Land use of the bundled city: cells that sum to the published totals of their district.

    Returns
    -------
    LandUse
        About 100,000 cells, rows grouped by district.
    """
    number, facts = settings(), district_facts()
    cells = _cells()
    x_m, y_m, district = cells
    plain, void = _inside(terrain("plain"), x_m, y_m), _inside(terrain("void"), x_m, y_m)
    valley = number["mountain_factor"] * np.exp(-_road_distance_m(x_m, y_m) / number["valley_m"])
    usable = np.where(void, 0.0, np.where(plain, 1.0, valley))
    centre_x, centre_y = to_metres(number["centre_lon"], number["centre_lat"])
    distance_km = np.hypot(x_m - centre_x, y_m - centre_y) / 1000
    decline_km = np.where(
        facts.central[district], number["background_decline_km"], number["background_decline_outer_km"]
    )
    background = usable * np.exp(-distance_km / decline_km)
    town, centre = _peaks("towns", "residents_k", cells, usable), _peaks("jobs", "jobs_k", cells, usable)
    campus = _peaks("schools", "places_k", cells, usable) * 1000
    residents, jobs = np.zeros(len(x_m)), np.zeros(len(x_m))
    for row in range(len(facts.name_en)):
        own = district == row
        share = facts.background_share[row] if town[own].any() else 1.0
        total = facts.residents[row]
        residents[own] = _scaled(background[own], share * total) + _scaled(town[own], (1 - share) * total)
        follow = number["jobs_background_share"]
        jobs[own] = _scaled(residents[own], follow * facts.jobs[row])
        jobs[own] += _scaled(centre[own], (1 - follow) * facts.jobs[row])
    pupils = sum(float(row["places_k"]) for row in table("schools") if not row["lon"]) * 1000
    school_places = campus + residents * (pupils / facts.residents.sum())
    return LandUse(x_m, y_m, district, plain, void, residents, jobs, school_places)
