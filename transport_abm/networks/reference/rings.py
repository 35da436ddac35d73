"""Which ring road encloses a point: 2 to 6, or 7 beyond the 6th.

The ring roads are the hand-set closed lines of ``data/roads.csv``. Their published lengths are 32.7, 48.3,
65.3, 98.6 and 187.6 km; the hand-set ones are within 3 percent (tests).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from transport_abm.networks.reference._tables import line_m, table, to_metres

BEYOND = 7
"""Code of a point outside every ring road."""


@cache
def ring_polygons() -> dict[int, shapely.Polygon]:
    """Areas inside the ring roads, in projected metres, by ring number."""
    rows = [row for row in table("roads") if row["ring"]]
    return {int(row["ring"]): shapely.Polygon(line_m(row["points"])) for row in rows}


def ring_length_km(ring: int) -> float:
    """Length of the centre line of a ring road [km]."""
    return float(ring_polygons()[ring].exterior.length) / 1000


def ring_of_metres(x_m: ArrayLike, y_m: ArrayLike) -> NDArray[np.int8]:
    """Innermost ring road that contains each point of EPSG:32650.

    Parameters
    ----------
    x_m, y_m
        Projected coordinates [m].

    Returns
    -------
    int8 array
        2 to 6; 7 beyond the 6th ring road.
    """
    x, y = np.asarray(x_m, np.float64), np.asarray(y_m, np.float64)
    ring = np.full(x.shape, BEYOND, np.int8)
    for number, polygon in sorted(ring_polygons().items(), reverse=True):
        shapely.prepare(polygon)
        ring[shapely.contains_xy(polygon, x, y)] = number
    return ring


def ring_of(lon: ArrayLike, lat: ArrayLike) -> NDArray[np.int8]:
    """Innermost ring road that contains each WGS 84 point.

    Parameters
    ----------
    lon, lat
        WGS 84 coordinates [degree].

    Returns
    -------
    int8 array
        2 to 6; 7 beyond the 6th ring road.
    """
    return ring_of_metres(*to_metres(lon, lat))
