"""The sixteen districts of Beijing: published totals and hand-set outlines.

Outlines are put together from the chains of ``data/boundaries.csv``. A chain is shared by the two
districts at its sides, so the districts meet without gaps or overlaps.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.ops import polygonize

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.networks.city import Districts, Outlines
from transport_abm.networks.reference._tables import points, table, to_metres


@dataclass(frozen=True)
class DistrictFacts:
    """Published and prior numbers of the districts, one entry a district."""

    name_en: tuple[str, ...]
    name_zh: tuple[str, ...]
    central: NDArray[np.bool_]
    residents: NDArray[np.float64]
    """Residents of the 2020 census."""
    area_km2: NDArray[np.float64]
    """Official area."""
    jobs: NDArray[np.float64]
    """Employees of legal units, end of 2023."""
    zone_count: NDArray[np.int64]
    background_share: NDArray[np.float64]


@cache
def district_facts() -> DistrictFacts:
    """Numbers of ``data/districts.csv``."""
    rows = table("districts")

    def column(name: str) -> NDArray[np.float64]:
        return np.array([float(row[name]) for row in rows])

    return DistrictFacts(
        name_en=tuple(row["name_en"] for row in rows),
        name_zh=tuple(row["name_zh"] for row in rows),
        central=column("central") == 1,
        residents=column("residents"),
        area_km2=column("area_km2"),
        jobs=column("jobs"),
        zone_count=column("zone_count").astype(np.int64),
        background_share=column("background_share"),
    )


@cache
def district_polygons() -> tuple[shapely.Polygon, ...]:
    """Outlines of the districts in degrees, in the order of the districts."""
    faults = []
    polygons = []
    for name in district_facts().name_en:
        lines = [
            shapely.LineString(points(row["points"]))
            for row in table("boundaries")
            if name in (row["side_a"], row["side_b"])
        ]
        found = list(polygonize(lines))
        if len(found) != 1:
            faults.append(
                Fault("boundaries.csv", name, "chains that close one outline", f"{len(found)} outlines")
            )
            continue
        polygons.append(shapely.normalize(found[0]))
    if faults:
        raise NetworkError(faults)
    return tuple(polygons)


@cache
def district_polygons_m() -> tuple[shapely.Polygon, ...]:
    """Outlines of the districts in projected metres."""

    def project(lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(to_metres(lonlat[:, 0], lonlat[:, 1]))

    return tuple(shapely.transform(polygon, project) for polygon in district_polygons())


def outlines_of(polygons: list[tuple[int, shapely.Polygon]]) -> Outlines:
    """Outlines of polygons in degrees, each with the row that owns it."""
    coordinates = [shapely.get_coordinates(polygon.exterior) for _, polygon in polygons]
    indptr = np.zeros(len(polygons) + 1, np.int64)
    np.cumsum([len(part) for part in coordinates], out=indptr[1:])
    flat = np.concatenate(coordinates)
    owner = np.array([row for row, _ in polygons], np.int32)
    return Outlines(owner, indptr, np.ascontiguousarray(flat[:, 0]), np.ascontiguousarray(flat[:, 1]))


def build_reference_districts() -> Districts:
    """Districts of the bundled city.

    Returns
    -------
    Districts
        Sixteen districts with their outlines.

    Raises
    ------
    NetworkError
        If the chains do not close.

    Notes
    -----
    Outlines are hand-set to 0.01 degree (0.005 in the core). The exclave of Chaoyang at the Capital airport
    is counted with Shunyi, which surrounds it.
    """
    facts = district_facts()
    outlines = outlines_of(list(enumerate(district_polygons())))
    return Districts(facts.name_en, facts.name_zh, facts.central.copy(), outlines)
