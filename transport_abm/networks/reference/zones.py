"""Zones of the bundled city: small where people live and work, large in the mountains.

Each district gets a fixed number of seeds. They start evenly along a space-filling order of the land-use
cells and move to the weighted middle of their cells (Lloyd 1982, Least squares quantization in PCM, IEEE
Trans. Inf. Theory 28); the zones are their Voronoi cells clipped to the district. Weight of a cell:
(residents + jobs) ** power, with a floor.
"""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from transport_abm.networks.city import Outlines, Zones
from transport_abm.networks.reference._tables import settings, table, to_degrees, to_metres
from transport_abm.networks.reference.districts import district_facts, district_polygons_m, outlines_of
from transport_abm.networks.reference.landuse import LandUse, build_land_use
from transport_abm.networks.reference.rings import ring_of_metres

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


def _interleaved(value: I64) -> I64:
    """The low 16 bits of each number with a zero bit between them."""
    spread = value & 0xFFFF
    for shift, mask in ((8, 0x00FF00FF), (4, 0x0F0F0F0F), (2, 0x33333333), (1, 0x55555555)):
        spread = (spread | (spread << shift)) & mask
    return spread


def _seeds(x_m: F64, y_m: F64, weight: F64, count: int) -> F64:
    """Seeds of one district after Lloyd's moves, shape (count, 2)."""
    side = settings()["cell_m"]
    place = np.column_stack([x_m, y_m])
    column = ((place - place.min(axis=0)) / side).astype(np.int64)
    order = np.argsort(_interleaved(column[:, 0]) | (_interleaved(column[:, 1]) << 1), kind="stable")
    reached = np.cumsum(weight[order]) / weight.sum()
    seed = place[order[np.searchsorted(reached, (np.arange(count) + 0.5) / count)]]
    for _ in range(int(settings()["zone_rounds"])):
        nearest = cKDTree(seed).query(place)[1]
        amount = np.bincount(nearest, weight, count)
        middle = [
            np.bincount(nearest, weight * axis, count) / np.maximum(amount, 1e-9) for axis in (x_m, y_m)
        ]
        seed = np.where(amount[:, None] > 0, np.column_stack(middle), seed)
    return np.asarray(seed, np.float64)


def _whole(value: F64, total: float) -> F64:
    """Whole numbers near the values that sum exactly to the total (largest remainders)."""
    scaled = value * (total / value.sum())
    whole: F64 = np.floor(scaled)
    missing = round(total - whole.sum())
    whole[np.argsort(whole - scaled, kind="stable")[:missing]] += 1
    return whole


def _clipped(seed: F64, district: shapely.Polygon) -> list[shapely.Geometry]:
    """Voronoi cells of the seeds clipped to the district, in the order of the seeds."""
    cells = shapely.get_parts(shapely.voronoi_polygons(shapely.MultiPoint(seed), extend_to=district))
    inside = shapely.get_coordinates(shapely.point_on_surface(cells))
    order = np.argsort(cKDTree(seed).query(inside)[1])
    return [shapely.normalize(shapely.intersection(cell, district)) for cell in cells[order]]


def _names(x_m: F64, y_m: F64, district: NDArray[np.int16]) -> tuple[str, ...]:
    """Names from the nearest town or job centre of the same district, numbered."""
    rows = [*table("towns"), *table("jobs")]
    town_x, town_y = to_metres([float(row["lon"]) for row in rows], [float(row["lat"]) for row in rows])
    home = np.full(len(rows), -1)
    for row, polygon in enumerate(district_polygons_m()):
        home[shapely.contains_xy(polygon, town_x, town_y)] = row
    seen: dict[str, int] = {}
    names = []
    for x, y, own in zip(x_m, y_m, district, strict=True):
        distance = np.where(home == own, np.hypot(town_x - x, town_y - y), np.inf)
        label = f"{district_facts().name_en[own]}: {rows[int(np.argmin(distance))]['name_en']}"
        seen[label] = seen.get(label, 0) + 1
        names.append(f"{label} {seen[label]}")
    return tuple(names)


def _centre(land: LandUse, own: I64, shape: shapely.Geometry) -> tuple[float, float]:
    """Middle of a zone's residents and jobs; the nearest of its cells if that falls outside the zone."""
    weight = land.residents[own] + land.jobs[own] + 1e-6
    x, y = (float(np.average(axis[own], weights=weight)) for axis in (land.x_m, land.y_m))
    if not shapely.contains_xy(shape, x, y):
        nearest = own[np.argmin(np.hypot(land.x_m[own] - x, land.y_m[own] - y))]
        x, y = float(land.x_m[nearest]), float(land.y_m[nearest])
    return x, y


def _outlines(shapes: list[shapely.Geometry]) -> Outlines:
    """Outlines of the zones in degrees."""

    def degrees(xy: F64) -> F64:
        return np.column_stack(to_degrees(xy[:, 0], xy[:, 1]))

    parts = [
        (row, shapely.transform(part, degrees))
        for row, shape in enumerate(shapes)
        for part in shapely.get_parts(shape)
        if isinstance(part, shapely.Polygon)
    ]
    return outlines_of(parts)


def _sum_by_zone(value: F64, zone: I64, first: NDArray[np.int64], total: F64) -> F64:
    """Cell values summed to zones, in whole numbers that sum exactly to each district's total."""
    amount = np.asarray(np.bincount(zone, value, int(first[-1])), np.float64)
    parts = [_whole(amount[first[row] : first[row + 1]], total[row]) for row in range(len(total))]
    return np.concatenate(parts)


def build_reference_zones() -> Zones:
    """Zones of the bundled city, not yet tied to the roads (``node`` is -1).

    Returns
    -------
    Zones
        Rows grouped by district; residents and jobs sum exactly to the district's published totals.
    """
    facts, land, number = district_facts(), build_land_use(), settings()
    first = np.concatenate([[0], np.cumsum(facts.zone_count)])
    zone = np.zeros(len(land.x_m), np.int64)
    shapes: list[shapely.Geometry] = []
    for row, polygon in enumerate(district_polygons_m()):
        own = land.district == row
        weight = (land.residents[own] + land.jobs[own]) ** number["zone_weight_power"]
        weight = np.maximum(weight, number["zone_weight_floor"] * weight.mean())
        seed = _seeds(land.x_m[own], land.y_m[own], weight, int(facts.zone_count[row]))
        zone[own] = first[row] + cKDTree(seed).query(np.column_stack([land.x_m[own], land.y_m[own]]))[1]
        shapes.extend(_clipped(seed, polygon))
    centre = np.array([_centre(land, np.flatnonzero(zone == row), shape) for row, shape in enumerate(shapes)])
    x_m, y_m = centre[:, 0], centre[:, 1]
    lon, lat = to_degrees(x_m, y_m)
    district = np.repeat(np.arange(len(facts.name_en)), facts.zone_count).astype(np.int16)
    places = np.asarray(np.bincount(land.district, land.school_places).round(), np.float64)
    return Zones(
        name=_names(x_m, y_m, district),
        district=district,
        ring=ring_of_metres(x_m, y_m),
        lon=lon,
        lat=lat,
        x_m=x_m.copy(),
        y_m=y_m.copy(),
        area_m2=shapely.area(np.array(shapes)),
        residents=_sum_by_zone(land.residents, zone, first, facts.residents),
        jobs=_sum_by_zone(land.jobs, zone, first, facts.jobs),
        school_places=_sum_by_zone(land.school_places, zone, first, places),
        node=np.full(len(shapes), -1, np.int32),
        outlines=_outlines(shapes),
    )
