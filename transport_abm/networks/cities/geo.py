"""Coordinates: GCJ-02 and BD-09 to and from WGS 84, their detection, and projection to metres.

Maps published in mainland China are drawn in GCJ-02, an offset of WGS 84 by some hundred metres that varies
smoothly with the place; Baidu adds a second offset (BD-09). The forward formulas are the ones in public use
(for example the ``eviltransform`` and ``coordtransform`` projects); the way back is the fixed point of
``wgs = gcj - (forward(wgs) - wgs)``, which contracts by about 1e-4 a step.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from pyproj import CRS, Transformer
from scipy.spatial import cKDTree

from transport_abm.networks.city import F64, I64, Bool

WGS84 = "EPSG:4326"

_AXIS_M = 6_378_245.0
_ECCENTRICITY_SQUARED = 0.006_693_421_622_965_943_23
_CHINA = (72.004, 137.8347, 0.8293, 55.8271)
_STEPS = 6
_EARTH_RADIUS_M = 6_371_009.0
_BD = np.pi * 3000 / 180
_BD_LON, _BD_LAT = 0.0065, 0.006


def _in_china(lon: F64, lat: F64) -> Bool:
    """Tell which points lie in the rectangle where GCJ-02 is in force."""
    west, east, south, north = _CHINA
    return np.asarray((lon >= west) & (lon <= east) & (lat >= south) & (lat <= north))


def _waves(t: F64, *waves: tuple[float, float]) -> F64:
    """Sum sine waves of given amplitude and frequency [half turns per unit], times two thirds."""
    total = np.zeros_like(t)
    for amplitude, frequency in waves:
        total += amplitude * np.sin(t * frequency * np.pi)
    return total * (2 / 3)


def _offset(lon: F64, lat: F64) -> tuple[F64, F64]:
    """Offset from WGS 84 to GCJ-02 [degrees]; zero outside China."""
    x, y = lon - 105.0, lat - 35.0
    common = _waves(x, (20.0, 6.0), (20.0, 2.0))
    root = np.sqrt(np.abs(x))
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + common
    north += _waves(y, (20.0, 1.0), (40.0, 1 / 3)) + _waves(y, (160.0, 1 / 12), (320.0, 1 / 30))
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + common
    east += _waves(x, (20.0, 1.0), (40.0, 1 / 3)) + _waves(x, (150.0, 1 / 12), (300.0, 1 / 30))
    angle = np.radians(lat)
    magic = 1 - _ECCENTRICITY_SQUARED * np.sin(angle) ** 2
    to_lat = 180.0 / (_AXIS_M * (1 - _ECCENTRICITY_SQUARED) / (magic * np.sqrt(magic)) * np.pi)
    to_lon = 180.0 / (_AXIS_M / np.sqrt(magic) * np.cos(angle) * np.pi)
    inside = _in_china(lon, lat)
    return np.where(inside, east * to_lon, 0.0), np.where(inside, north * to_lat, 0.0)


def _pair(lon: ArrayLike, lat: ArrayLike) -> tuple[F64, F64]:
    """Take two arrays of equal shape."""
    lon, lat = np.broadcast_arrays(np.asarray(lon, np.float64), np.asarray(lat, np.float64))
    return lon, lat


def wgs84_to_gcj02(lon: ArrayLike, lat: ArrayLike) -> tuple[F64, F64]:
    """Turn WGS 84 into GCJ-02; points outside China are returned unchanged.

    Parameters
    ----------
    lon, lat
        WGS 84 coordinates [degrees], any shape.

    Returns
    -------
    tuple of arrays
        GCJ-02 longitude and latitude [degrees].
    """
    lon, lat = _pair(lon, lat)
    east, north = _offset(lon, lat)
    return lon + east, lat + north


def gcj02_to_wgs84(lon: ArrayLike, lat: ArrayLike) -> tuple[F64, F64]:
    """Turn GCJ-02 into WGS 84 by iteration, to well under a millimetre.

    Parameters
    ----------
    lon, lat
        GCJ-02 coordinates [degrees], any shape.

    Returns
    -------
    tuple of arrays
        WGS 84 longitude and latitude [degrees]; points outside China are unchanged.
    """
    lon, lat = _pair(lon, lat)
    guess_lon, guess_lat = lon, lat
    for _ in range(_STEPS):
        east, north = _offset(guess_lon, guess_lat)
        guess_lon, guess_lat = lon - east, lat - north
    return guess_lon, guess_lat


def gcj02_to_bd09(lon: ArrayLike, lat: ArrayLike) -> tuple[F64, F64]:
    """Turn GCJ-02 into Baidu's BD-09 [degrees]."""
    lon, lat = _pair(lon, lat)
    radius = np.hypot(lon, lat) + 0.00002 * np.sin(lat * _BD)
    angle = np.arctan2(lat, lon) + 0.000003 * np.cos(lon * _BD)
    return radius * np.cos(angle) + _BD_LON, radius * np.sin(angle) + _BD_LAT


def bd09_to_gcj02(lon: ArrayLike, lat: ArrayLike) -> tuple[F64, F64]:
    """Turn Baidu's BD-09 into GCJ-02 [degrees] by iteration."""
    lon, lat = _pair(lon, lat)
    guess_lon, guess_lat = lon - _BD_LON, lat - _BD_LAT
    for _ in range(_STEPS):
        there_lon, there_lat = gcj02_to_bd09(guess_lon, guess_lat)
        guess_lon, guess_lat = guess_lon + lon - there_lon, guess_lat + lat - there_lat
    return guess_lon, guess_lat


def bd09_to_wgs84(lon: ArrayLike, lat: ArrayLike) -> tuple[F64, F64]:
    """Turn Baidu's BD-09 into WGS 84 [degrees]."""
    return gcj02_to_wgs84(*bd09_to_gcj02(lon, lat))


def wgs84_to_bd09(lon: ArrayLike, lat: ArrayLike) -> tuple[F64, F64]:
    """Turn WGS 84 into Baidu's BD-09 [degrees]."""
    return gcj02_to_bd09(*wgs84_to_gcj02(lon, lat))


@dataclass(frozen=True)
class Detection:
    """Whether points fit a reference better as WGS 84 or as GCJ-02."""

    is_gcj02: bool
    as_wgs84_m: float
    """Median distance to the reference if the points are read as WGS 84 [m]."""
    as_gcj02_m: float
    """Median distance to the reference if the points are read as GCJ-02 [m]."""


def detect_gcj02(points: tuple[F64, F64], reference_points: tuple[F64, F64]) -> Detection:
    """Find out whether points are in GCJ-02 by laying them over a reference in WGS 84.

    Parameters
    ----------
    points
        Longitude and latitude of unknown make [degrees].
    reference_points
        Longitude and latitude in WGS 84 [degrees] of things the points should lie on, such as points along
        roads (see :func:`densify`) for vehicle traces, or stations for stations.

    Returns
    -------
    Detection
        The verdict, with both median distances.

    Raises
    ------
    ValueError
        If either set is empty.
    """
    reference_lon, reference_lat = _pair(*reference_points)
    lon, lat = _pair(*points)
    if not lon.size or not reference_lon.size:
        raise ValueError("expected points and reference points, got an empty set; give at least one of each")
    stretch = np.cos(np.radians(np.mean(reference_lat)))
    metre = np.radians(1.0) * _EARTH_RADIUS_M
    tree = cKDTree(np.column_stack([reference_lon.ravel() * stretch, reference_lat.ravel()]) * metre)

    def median_m(lon: F64, lat: F64) -> float:
        distance_m, _ = tree.query(np.column_stack([lon.ravel() * stretch, lat.ravel()]) * metre)
        return float(np.median(distance_m))

    plain, converted = median_m(lon, lat), median_m(*gcj02_to_wgs84(lon, lat))
    return Detection(converted < plain, plain, converted)


def densify(lon: F64, lat: F64, indptr: I64, spacing_m: float) -> tuple[F64, F64]:
    """Put points along lines so that neighbours are at most ``spacing_m`` apart.

    Parameters
    ----------
    lon, lat
        Shape points of all lines [degrees].
    indptr
        Line ``k`` has the points ``indptr[k]:indptr[k+1]``.
    spacing_m
        Largest distance between neighbours [m].

    Returns
    -------
    tuple of arrays
        Longitude and latitude of the old and the new points [degrees].
    """
    start = np.arange(len(lon) - 1)
    start = start[~np.isin(start + 1, indptr)]
    span_m = great_circle_m(lon[start], lat[start], lon[start + 1], lat[start + 1])
    pieces = np.maximum(1, np.ceil(span_m / spacing_m)).astype(np.int64)
    row = np.repeat(np.arange(len(start)), pieces)
    share = (np.arange(len(row)) - np.repeat(np.cumsum(pieces) - pieces, pieces)) / pieces[row]
    here, there = start[row], start[row] + 1
    more_lon = lon[here] + share * (lon[there] - lon[here])
    more_lat = lat[here] + share * (lat[there] - lat[here])
    last = indptr[1:][np.diff(indptr) > 0] - 1
    return np.concatenate([more_lon, lon[last]]), np.concatenate([more_lat, lat[last]])


def great_circle_m(lon: ArrayLike, lat: ArrayLike, other_lon: ArrayLike, other_lat: ArrayLike) -> F64:
    """Great-circle distance on the mean sphere.

    Parameters
    ----------
    lon, lat, other_lon, other_lat
        WGS 84 coordinates [degrees].

    Returns
    -------
    array
        Distance [m], by the haversine formula with a radius of 6,371,009 m (as OSMnx has it).
    """
    lon, lat, other_lon, other_lat = (np.radians(a) for a in (lon, lat, other_lon, other_lat))
    half = np.sin((other_lat - lat) / 2) ** 2
    half = half + np.cos(lat) * np.cos(other_lat) * np.sin((other_lon - lon) / 2) ** 2
    return np.asarray(2 * np.arcsin(np.minimum(1.0, np.sqrt(half))) * _EARTH_RADIUS_M)


def projected_crs(lon: ArrayLike, lat: ArrayLike) -> str:
    """Name the UTM zone of the middle of some points (Beijing: EPSG:32650).

    Parameters
    ----------
    lon, lat
        WGS 84 coordinates [degrees].

    Returns
    -------
    str
        ``"EPSG:326nn"`` in the north, ``"EPSG:327nn"`` in the south.
    """
    lon, lat = _pair(lon, lat)
    middle = (float(np.min(lon)) + float(np.max(lon))) / 2
    zone = min(60, int((middle + 180) // 6) + 1)
    return f"EPSG:{(32600 if (float(np.min(lat)) + float(np.max(lat))) >= 0 else 32700) + zone}"


@lru_cache(maxsize=32)
def _transformer(source: str, target: str) -> Transformer:
    """Return the transformation between two CRS, longitude first."""
    return Transformer.from_crs(source, target, always_xy=True)


def is_projected(crs: str) -> bool:
    """Tell whether a text names a projected CRS in metres."""
    try:
        found = CRS.from_user_input(crs)
    except Exception:  # pyproj raises several kinds for what it cannot parse
        return False
    return bool(found.is_projected) and all(axis.unit_conversion_factor == 1 for axis in found.axis_info)


def project(lon: ArrayLike, lat: ArrayLike, crs: str) -> tuple[F64, F64]:
    """Project WGS 84 to metres.

    Parameters
    ----------
    lon, lat
        WGS 84 coordinates [degrees].
    crs
        Projected CRS, such as ``"EPSG:32650"``.

    Returns
    -------
    tuple of arrays
        ``x_m`` and ``y_m`` [m].
    """
    lon, lat = _pair(lon, lat)
    x_m, y_m = _transformer(WGS84, crs).transform(lon, lat)
    return np.asarray(x_m, np.float64), np.asarray(y_m, np.float64)


def unproject(x_m: ArrayLike, y_m: ArrayLike, crs: str) -> tuple[F64, F64]:
    """Turn projected metres back into WGS 84.

    Parameters
    ----------
    x_m, y_m
        Coordinates in ``crs`` [m].
    crs
        Projected CRS.

    Returns
    -------
    tuple of arrays
        ``lon`` and ``lat`` [degrees].
    """
    x_m, y_m = _pair(x_m, y_m)
    lon, lat = _transformer(crs, WGS84).transform(x_m, y_m)
    return np.asarray(lon, np.float64), np.asarray(lat, np.float64)
