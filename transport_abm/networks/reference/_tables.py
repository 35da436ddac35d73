"""Read the hand-set tables of the bundled city, and project its coordinates."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pyproj import Transformer

CRS = "EPSG:32650"
"""WGS 84 / UTM zone 50N."""

F64 = NDArray[np.float64]


@cache
def table(name: str) -> tuple[dict[str, str], ...]:
    """Rows of ``data/<name>.csv``; lines that start with ``#`` are notes."""
    text = files(__package__).joinpath("data", f"{name}.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(line for line in text.splitlines() if line and not line.startswith("#")))


@cache
def settings() -> dict[str, float]:
    """Numbers of the ground's construction."""
    return {row["name"]: float(row["value"]) for row in table("settings")}


def points(text: str) -> F64:
    """Longitude and latitude of ``"lon lat;lon lat"``, shape (points, 2)."""
    return np.array([[float(part) for part in pair.split()] for pair in text.split(";")], dtype=np.float64)


@cache
def _transformer(inverse: bool) -> Transformer:
    return (
        Transformer.from_crs(CRS, 4326, always_xy=True)
        if inverse
        else Transformer.from_crs(4326, CRS, always_xy=True)
    )


def to_metres(lon: ArrayLike, lat: ArrayLike) -> tuple[F64, F64]:
    """Projected coordinates of WGS 84 degrees."""
    x_m, y_m = _transformer(False).transform(np.asarray(lon, np.float64), np.asarray(lat, np.float64))
    return np.asarray(x_m), np.asarray(y_m)


def to_degrees(x_m: ArrayLike, y_m: ArrayLike) -> tuple[F64, F64]:
    """WGS 84 degrees of projected coordinates."""
    lon, lat = _transformer(True).transform(np.asarray(x_m, np.float64), np.asarray(y_m, np.float64))
    return np.asarray(lon), np.asarray(lat)


def line_m(text: str) -> F64:
    """Projected points of ``"lon lat;lon lat"``, shape (points, 2)."""
    lonlat = points(text)
    return np.column_stack(to_metres(lonlat[:, 0], lonlat[:, 1]))
