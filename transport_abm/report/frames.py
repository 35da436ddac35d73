"""Frames of the maps: from degrees to a drawing of equal aspect, scale bars, simplified path data.

x = (lon - west) * cos(mean lat) * s,   y = (north - lat) * s      (equirectangular; s in units per degree)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from transport_abm.networks.city import City, Outlines
from transport_abm.report import svg
from transport_abm.report.figures import plain
from transport_abm.report.markup import Markup
from transport_abm.report.texts import Texts

F64 = NDArray[np.float64]
KM_PER_DEGREE = 111.195
"""Length of a degree of latitude on a sphere of 6,371 km [km]."""
CENTRAL_RING = 6
CLOSER = 1.4
"""A second map is worth its place if it is at least so much larger."""
FINE = 2
"""Path coordinates are whole numbers of halves of a unit."""


@dataclass(frozen=True)
class Frame:
    """A rectangle of the drawing that shows a rectangle of the world."""

    left: float
    top: float
    width: float
    height: float
    west: float
    north: float
    scale: float
    """Units per degree of latitude."""
    squeeze: float
    """Cosine of the mean latitude."""

    def xy(self, lon: F64, lat: F64) -> tuple[F64, F64]:
        """Places of points in the drawing."""
        return self.left + (lon - self.west) * self.squeeze * self.scale, self.top + (
            self.north - lat
        ) * self.scale

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom."""
        return self.left, self.top, self.left + self.width, self.top + self.height

    @property
    def km(self) -> float:
        """Units per kilometre."""
        return self.scale / KM_PER_DEGREE


def frame_of(lon: F64, lat: F64, place: tuple[float, float, float, float], pad: float = 0.03) -> Frame:
    """Frame that shows all points, centred in a place of the drawing.

    Parameters
    ----------
    lon, lat
        Points that must be seen [degree].
    place
        Left, top, width and height of the place.
    pad
        Margin on every side, as a share of the extent.

    Returns
    -------
    Frame
        The frame; it fills the place and shows more of the world on the longer side.
    """
    left, top, width, height = place
    squeeze = float(np.cos(np.deg2rad((lat.min() + lat.max()) / 2)))
    span_x = max(float(lon.max() - lon.min()) * squeeze, 1e-6) * (1 + 2 * pad)
    span_y = max(float(lat.max() - lat.min()), 1e-6) * (1 + 2 * pad)
    scale = min(width / span_x, height / span_y)
    west = float(lon.min() + lon.max()) / 2 - width / scale / squeeze / 2
    north = float(lat.min() + lat.max()) / 2 + height / scale / 2
    return Frame(left, top, width, height, west, north, scale, squeeze)


def whole(city: City, place: tuple[float, float, float, float]) -> Frame:
    """Frame of all districts, as high as its width asks for."""
    lon, lat = city.districts.outlines.lon, city.districts.outlines.lat
    if not len(lon):
        lon, lat = city.zones.lon, city.zones.lat
    return frame_of(lon, lat, place)


def inner(city: City, place: tuple[float, float, float, float]) -> Frame:
    """Frame of the city inside the 6th ring road; the whole city where it has no such zones."""
    inside = city.zones.ring <= CENTRAL_RING
    if not inside.any():
        return whole(city, place)
    return frame_of(city.zones.lon[inside], city.zones.lat[inside], place, pad=0.05)


def has_outskirts(city: City) -> bool:
    """True if the city is so much larger than its part inside the 6th ring road that it needs its own map."""
    place = (0.0, 0.0, 1.0, 1.0)
    return inner(city, place).scale >= CLOSER * whole(city, place).scale


def central(city: City, place: tuple[float, float, float, float]) -> Frame:
    """Frame of the central districts."""
    outlines = city.districts.outlines
    point = np.repeat(city.districts.central[outlines.owner], np.diff(outlines.indptr))
    if not point.any():
        return whole(city, place)
    return frame_of(outlines.lon[point], outlines.lat[point], place)


def rings_of(outlines: Outlines, frame: Frame, owner: int) -> list[F64]:
    """Outlines of one row in the drawing, one array of points each."""
    x, y = frame.xy(outlines.lon, outlines.lat)
    return [
        np.column_stack([x[a:b], y[a:b]])
        for k, (a, b) in enumerate(
            zip(outlines.indptr[:-1].tolist(), outlines.indptr[1:].tolist(), strict=True)
        )
        if outlines.owner[k] == owner and b - a >= 3
    ]


def area_path(rings: list[F64]) -> str:
    """Path data of polygons."""
    out = []
    for ring in rings:
        points = np.round(ring * FINE).astype(np.int64)
        out.append(_relative(points) + "z")
    return "".join(out)


def lines_path(
    lon: F64, lat: F64, indptr: NDArray[np.int64], frame: Frame, *, least: float, tolerance: float
) -> str:
    """Path data of many polylines as whole numbers, in halves of a unit.

    Parameters
    ----------
    lon, lat
        Points of all lines below each other [degree].
    indptr
        Line ``k`` has the points ``indptr[k]:indptr[k+1]``.
    frame
        Where they are drawn; lines outside are left out.
    least
        Lines whose extent is smaller are left out [unit].
    tolerance
        Points nearer than this to the line without them are left out [unit].

    Returns
    -------
    str
        One path.
    """
    if len(indptr) < 2:
        return ""
    x, y = frame.xy(lon, lat)
    owner = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    lines = shapely.linestrings(np.column_stack([x, y]), indices=owner)
    box = shapely.bounds(lines)
    left, top, right, bottom = frame.box
    seen = (box[:, 2] >= left) & (box[:, 0] <= right) & (box[:, 3] >= top) & (box[:, 1] <= bottom)
    seen &= np.maximum(box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]) >= least
    # Topology need not be kept for lines; what leaves the frame is clipped by the drawing.
    kept = shapely.simplify(lines[seen], tolerance, preserve_topology=False)
    points, index = shapely.get_coordinates(kept, return_index=True)
    whole_number = np.round(points * FINE).astype(np.int64)
    starts = np.searchsorted(index, np.arange(len(kept) + 1))
    return "".join(
        _relative(whole_number[a:b]) for a, b in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)
    )


def _relative(points: NDArray[np.int64]) -> str:
    """One line as a start and relative steps; steps of nothing are left out."""
    if len(points) < 2:
        return ""
    step = np.diff(points, axis=0)
    step = step[(step != 0).any(axis=1)]
    if not len(step):
        return ""
    words = [f"M{points[0, 0]} {points[0, 1]}l"]
    # A minus sign separates numbers by itself, so a blank before it is left out.
    last = ""
    for dx, dy in step.tolist():
        last += f"{'' if dx < 0 or not last else ' '}{dx}{'' if dy < 0 else ' '}{dy}"
    return words[0] + last


def scale_bar(frame: Frame, words: Texts, *, dx: float = 14.0, dy: float = 16.0) -> Markup:
    """Scale bar in the lower left corner of a frame."""
    most = frame.width / 4 / frame.km
    power = 10.0 ** np.floor(np.log10(most))
    length = float(max(f * power for f in (1.0, 2.0, 5.0) if f * power <= most))
    x, y = frame.left + dx, frame.top + frame.height - dy
    end = x + length * frame.km
    bar = svg.way([(x, y - 5), (x, y), (end, y), (end, y - 5)])
    name = f"{plain(length, 0 if length >= 1 else 1)} {words('unit.km')}"
    return Markup(f'<path d="{bar}" fill="none" stroke="{svg.INK}" stroke-width="1.4"/>') + svg.text(
        end + 7, y + 1, name, size=12, fill=svg.MUTED, halo=True
    )
