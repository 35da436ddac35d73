"""Which ring road encloses a point: areas inside ring roads, given or drawn from the names of the roads.

A ring drawn from names is the closed line through the outermost named point in each of 72 directions from the
centre; directions without one are joined by straight radii between their neighbours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import shapely
from numpy.typing import ArrayLike
from shapely.geometry import Polygon

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.networks.cities.geo import project
from transport_abm.networks.city import I8, RoadNetwork, Zones

_SECTORS = 72
_LEAST_SECTORS = 36
_MARGIN_M = 40.0
"""Half the width of a ring road, so that both carriageways lie inside [m]."""
BEYOND = 7


def ring_from_names(roads: RoadNetwork, pattern: str, centre_x_m: float, centre_y_m: float) -> Polygon:
    """Draw the area inside a ring road through the links of a name.

    Parameters
    ----------
    roads
        Roads with names.
    pattern
        Regular expression that the names of the ring's links contain.
    centre_x_m, centre_y_m
        A point inside the ring [m].

    Returns
    -------
    Polygon
        The area [m].

    Raises
    ------
    NetworkError
        If the named links surround less than half of the centre.
    """
    named = np.flatnonzero([re.search(pattern, name) is not None for name in roads.name])
    ends = np.concatenate([roads.tail[named], roads.head[named]])
    x, y = roads.node_x_m[ends] - centre_x_m, roads.node_y_m[ends] - centre_y_m
    sector = np.floor((np.arctan2(y, x) / (2 * np.pi) + 1) * _SECTORS).astype(np.int64) % _SECTORS
    radius = np.zeros(_SECTORS)
    np.maximum.at(radius, sector, np.hypot(x, y) + _MARGIN_M)
    seen = np.flatnonzero(radius > 0)
    if len(seen) < _LEAST_SECTORS:
        raise NetworkError(
            Fault("roads", pattern, "links all around the centre", f"{len(seen)} of {_SECTORS} sectors")
        )
    filled = np.interp(np.arange(_SECTORS), seen, radius[seen], period=_SECTORS)
    angle = (np.arange(_SECTORS) + 0.5) / _SECTORS * 2 * np.pi
    return Polygon(
        np.column_stack([centre_x_m + filled * np.cos(angle), centre_y_m + filled * np.sin(angle)])
    )


def ring_of(areas: Mapping[int, Polygon], x_m: ArrayLike, y_m: ArrayLike) -> I8:
    """Find the innermost ring around each point.

    Parameters
    ----------
    areas
        Areas inside the rings [m], by ring number (2 to 6).
    x_m, y_m
        Points [m].

    Returns
    -------
    int8 array
        Ring number; 7 beyond them all.
    """
    x, y = np.asarray(x_m, np.float64), np.asarray(y_m, np.float64)
    ring = np.full(x.shape, BEYOND, np.int8)
    for number in sorted(areas, reverse=True):
        shapely.prepare(areas[number])
        ring[shapely.contains_xy(areas[number], x, y)] = number
    return ring


def with_rings(
    roads: RoadNetwork, zones: Zones, areas: Mapping[int, Polygon], crs: str
) -> tuple[RoadNetwork, Zones]:
    """Write the rings into links (by their middle) and zones (by their centre).

    Parameters
    ----------
    roads, zones
        The tables.
    areas
        Areas inside the rings [m], by ring number.
    crs
        Projected CRS of the city.

    Returns
    -------
    RoadNetwork, Zones
        The tables with rings.
    """
    middle = (roads.shape_indptr[:-1] + roads.shape_indptr[1:]) // 2
    before = np.maximum(middle - 1, roads.shape_indptr[:-1])
    x_m, y_m = project(roads.shape_lon, roads.shape_lat, crs)
    link = ring_of(areas, (x_m[middle] + x_m[before]) / 2, (y_m[middle] + y_m[before]) / 2)
    return replace(roads, ring=link), replace(zones, ring=ring_of(areas, zones.x_m, zones.y_m))
