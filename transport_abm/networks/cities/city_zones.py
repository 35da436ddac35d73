"""Split districts into zones that follow where people live and work.

Each district gets a number of seeds. They start evenly along a space-filling order of the land points and
move to the weighted middle of their points (Lloyd 1982, Least squares quantization in PCM); the zones are
their Voronoi cells clipped to the district. The weight of a point is a power below one of its residents and
jobs, so that zones are small where many live and not too large elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from scipy.spatial import cKDTree
from shapely.geometry.base import BaseGeometry

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.networks.cities.boundaries import Boundaries, build_outlines, district_of
from transport_abm.networks.cities.geo import project, unproject
from transport_abm.networks.city import F64, I8, I16, I64, Zones

_ROUNDS = 30
_GRID = 1 << 16
_POWER = 0.75
"""Power of residents and jobs that weighs a point when zones are drawn."""
_FLOOR = 0.05
"""Least weight of a point, as a share of the mean, so that empty land is divided too."""


@dataclass(frozen=True)
class LandPoints:
    """Points that carry residents, jobs and school places; only their shares in a district count."""

    lon: F64
    lat: F64
    residents: F64
    jobs: F64
    school_places: F64

    def __len__(self) -> int:
        return len(self.lon)


@dataclass(frozen=True)
class ZoneTotals:
    """What the zones of each district add up to, and how many there are."""

    residents: F64
    jobs: F64
    school_places: F64
    zone_count: I64


def share_zones(total: int, size: F64) -> I64:
    """Share a number of zones out to districts in proportion to their size, at least one each.

    Parameters
    ----------
    total
        Number of zones.
    size
        Size of each district.

    Returns
    -------
    int64 array
        Zones of each district; they add up to ``total``.
    """
    spare = total - len(size)
    exact = size / size.sum() * spare
    count: I64 = np.floor(exact).astype(np.int64)
    count[np.argsort(count - exact, kind="stable")[: spare - int(count.sum())]] += 1
    count += 1
    return count


def whole_numbers(value: F64, total: float) -> F64:
    """Scale values to a total and round them so that they add up to it (largest remainders).

    Parameters
    ----------
    value
        Values of at least 0, not all 0.
    total
        A whole number.

    Returns
    -------
    float64 array
        Whole numbers.
    """
    scaled = value * (total / value.sum())
    whole = np.floor(scaled)
    missing = round(total - float(whole.sum()))
    whole[np.argsort(whole - scaled, kind="stable")[:missing]] += 1
    return np.asarray(whole, np.float64)


def _order(x_m: F64, y_m: F64) -> I64:
    """Order points along a Z-shaped space-filling curve (Morton 1966)."""
    span = max(float(np.ptp(x_m)), float(np.ptp(y_m)), 1.0)
    code = np.zeros(len(x_m), np.int64)
    for shift, axis in enumerate((x_m, y_m)):
        value = ((axis - axis.min()) / span * (_GRID - 1)).astype(np.int64)
        for step, mask in ((8, 0x00FF00FF), (4, 0x0F0F0F0F), (2, 0x33333333), (1, 0x55555555)):
            value = (value | (value << step)) & mask
        code |= value << shift
    order: I64 = np.argsort(code, kind="stable")
    return order


def place_seeds(x_m: F64, y_m: F64, weight: F64, count: int) -> F64:
    """Place seeds so that each holds about the same weight of nearby points.

    Parameters
    ----------
    x_m, y_m, weight
        Points and their weights, above 0.
    count
        Seeds wanted; fewer come back where there are too few points.

    Returns
    -------
    float64 array
        Seeds, shape (seeds, 2).
    """
    place = np.column_stack([x_m, y_m])
    order = _order(x_m, y_m)
    reached = np.cumsum(weight[order]) / weight.sum()
    first = np.searchsorted(reached, (np.arange(count) + 0.5) / count)
    seed = np.unique(place[order[np.minimum(first, len(order) - 1)]], axis=0)
    for _ in range(_ROUNDS):
        nearest = cKDTree(seed).query(place)[1]
        amount = np.bincount(nearest, weight, len(seed))
        held = amount > 0
        middle = np.column_stack([np.bincount(nearest, weight * axis, len(seed)) for axis in (x_m, y_m)])
        seed = middle[held] / amount[held, None]
    return np.asarray(seed)


def build_zones(boundaries: Boundaries, totals: ZoneTotals, land: LandPoints, crs: str) -> Zones:
    """Split every district into zones and fill them.

    Parameters
    ----------
    boundaries
        Districts and their polygons.
    totals
        Residents, jobs, school places and number of zones by district.
    land
        Points that say where in a district they are.
    crs
        Projected CRS of the city.

    Returns
    -------
    Zones
        Zones in order of district, north to south; rings are not drawn (7) and nodes not chosen (0).

    Raises
    ------
    NetworkError
        If a district holds no land points with residents.
    """
    polygons = [shapely.transform(shape, lambda p: np.column_stack(project(p[:, 0], p[:, 1], crs)))
                for shape in boundaries.polygon]  # fmt: skip
    home = district_of(boundaries.polygon, land.lon, land.lat)
    x_m, y_m = project(land.lon, land.lat, crs)
    names = boundaries.districts.name_en
    faults = [
        Fault("land points", name, f"points with {what} in the district", "none")
        for row, name in enumerate(names)
        for what, value, total in (
            ("residents", land.residents, totals.residents[row]),
            ("jobs", land.jobs, totals.jobs[row]),
            ("school places", land.school_places, totals.school_places[row]),
        )
        if total > 0 and not value[home == row].sum() > 0
    ]
    if faults:
        raise NetworkError(faults)
    shapes: list[BaseGeometry] = []
    parts: list[tuple[F64, F64, F64, F64, F64]] = []
    district: list[int] = []
    for row, polygon in enumerate(polygons):
        own = np.flatnonzero(home == row)
        cells, filled = _split(polygon, x_m[own], y_m[own], _take(land, own), totals, row)
        shapes += cells
        parts.append(filled)
        district += [row] * len(cells)
    centre_x, centre_y, residents, jobs, school_places = (
        np.concatenate(part) for part in zip(*parts, strict=True)
    )
    lon, lat = unproject(centre_x, centre_y, crs)
    degrees = [shapely.transform(shape, lambda p: np.column_stack(unproject(p[:, 0], p[:, 1], crs)))
               for shape in shapes]  # fmt: skip
    number: I16 = np.array(district, np.int16)
    ring: I8 = np.full(len(shapes), 7, np.int8)
    return Zones(
        name=tuple(f"{names[row]} {k + 1 - district.index(row)}" for k, row in enumerate(district)),
        district=number,
        ring=ring,
        lon=lon,
        lat=lat,
        x_m=centre_x,
        y_m=centre_y,
        area_m2=np.array([shape.area for shape in shapes]),
        residents=residents,
        jobs=jobs,
        school_places=school_places,
        node=np.zeros(len(shapes), np.int32),
        outlines=build_outlines(degrees),
    )


def _take(land: LandPoints, own: I64) -> LandPoints:
    """Return some of the points."""
    return LandPoints(
        land.lon[own], land.lat[own], land.residents[own], land.jobs[own], land.school_places[own]
    )


def _split(
    polygon: BaseGeometry, x_m: F64, y_m: F64, land: LandPoints, totals: ZoneTotals, row: int
) -> tuple[list[BaseGeometry], tuple[F64, F64, F64, F64, F64]]:
    """Split one district: cells, their centres, residents, jobs and school places."""
    share = land.residents / max(land.residents.sum(), 1e-9) * totals.residents[row]
    share = share + land.jobs / max(land.jobs.sum(), 1e-9) * totals.jobs[row]
    weight = share**_POWER
    weight = np.maximum(weight, _FLOOR * weight.mean())
    seed = place_seeds(x_m, y_m, weight, int(totals.zone_count[row]))
    seed = seed[np.lexsort((seed[:, 0], -np.round(seed[:, 1], -3)))]
    if len(seed) > 1:
        voronoi = shapely.voronoi_polygons(shapely.MultiPoint(seed), extend_to=polygon, ordered=True)
        cells = [
            shapely.normalize(shapely.intersection(cell, polygon)) for cell in shapely.get_parts(voronoi)
        ]
    else:
        cells = [shapely.normalize(polygon)]
    keep = np.array([cell.area > 0 for cell in cells])
    seed, cells = seed[keep], [cell for cell in cells if cell.area > 0]
    nearest = cKDTree(seed).query(np.column_stack([x_m, y_m]))[1]
    n = len(seed)
    centre = np.empty((n, 2))
    for k in range(n):
        own = np.flatnonzero(nearest == k)
        centre[k] = _centre(x_m[own], y_m[own], share[own] + 1e-6, cells[k])
    filled = [
        whole_numbers(np.bincount(nearest, value, n).astype(np.float64), total) if total > 0 else np.zeros(n)
        for value, total in (
            (land.residents, totals.residents[row]),
            (land.jobs, totals.jobs[row]),
            (land.school_places, totals.school_places[row]),
        )
    ]
    return cells, (centre[:, 0].copy(), centre[:, 1].copy(), filled[0], filled[1], filled[2])


def _centre(x_m: F64, y_m: F64, weight: F64, cell: BaseGeometry) -> Sequence[float]:
    """Return the weighted middle of a zone's points, the nearest point if that lies outside the zone."""
    if not len(x_m):
        point = cell.representative_point()
        return float(point.x), float(point.y)
    x, y = float(np.average(x_m, weights=weight)), float(np.average(y_m, weights=weight))
    if not shapely.contains_xy(cell, x, y):
        nearest = int(np.argmin(np.hypot(x_m - x, y_m - y)))
        x, y = float(x_m[nearest]), float(y_m[nearest])
    return x, y
