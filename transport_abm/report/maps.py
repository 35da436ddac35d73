"""District maps of the report: green share by district, and its change."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
import shapely.ops

from transport_abm.networks.city import City
from transport_abm.report import svg
from transport_abm.report.figures import nice_step, percent, plain
from transport_abm.report.frames import CLOSER, FINE, Frame, area_path, central, rings_of, scale_bar, whole
from transport_abm.report.markup import Markup, el, join
from transport_abm.report.texts import Texts

SEQUENCE = ("#e8f3f1", "#c6e3e0", "#9dcecb", "#6eb5b5", "#41979d", "#1b6f7d", "#084658")
DIVERGING = ("#8c510a", "#cf9a4b", "#f0dcb4", "#e7ebeb", "#b9e0da", "#57aaa2", "#01665e")
NO_VALUE = "#e9ecee"
LAND, LAND_EDGE = "#f4f6f5", "#b7c2c8"
LABEL_SIZE = 12.5
LABEL_MOVES = (17.0, -17.0, 33.0, -33.0)
"""Ways up and down that a label may go to find room."""
Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""


@dataclass(frozen=True)
class Scale:
    """Classes of values with their colours."""

    edges: tuple[float, ...]
    """Inner edges, ascending; one less than colours."""
    fills: tuple[str, ...]

    def fill(self, value: float) -> str:
        """Colour of a value."""
        return (
            self.fills[int(np.searchsorted(self.edges, value, side="right"))]
            if math.isfinite(value)
            else NO_VALUE
        )


def share_scale(values: Sequence[float]) -> Scale:
    """Up to six classes of shares between round edges."""
    known = [v for v in values if math.isfinite(v)] or [0.0]
    step = max(0.005, nice_step(max(known) - min(known), len(SEQUENCE) - 1))
    first = math.floor(min(known) / step + 1e-9)
    count = min(len(SEQUENCE), max(1, math.floor(max(known) / step + 1e-9) - first + 1))
    if count == 1:  # one class alone would have no edges to show
        return Scale((first * step, (first + 1) * step), (SEQUENCE[0], SEQUENCE[3], SEQUENCE[6]))
    edges = tuple((first + k) * step for k in range(1, count))
    fills = tuple(SEQUENCE[round(k * (len(SEQUENCE) - 1) / max(1, count - 1))] for k in range(count))
    return Scale(edges, fills)


def change_scale(values: Sequence[float]) -> Scale:
    """Seven classes around zero; the middle one is no change worth a colour."""
    known = [abs(v) for v in values if math.isfinite(v)] or [0.0]
    step = max(0.002, nice_step(max(max(known), 1e-4), 3))
    return Scale(tuple(step * k for k in (-2.5, -1.5, -0.5, 0.5, 1.5, 2.5)), DIVERGING)


def district_map(
    city: City,
    values: Mapping[str, float],
    scale: Scale,
    words: Texts,
    *,
    show: Callable[[float], str],
    legend: str,
    title: str,
    credit: str | None,
) -> Markup:
    """Choropleth of the districts: the whole city, and the central districts enlarged.

    Parameters
    ----------
    city
        The city.
    values
        Value by English name of the district.
    scale
        Colours.
    words
        Language.
    show
        Value as text.
    legend
        Name of the values above the legend.
    title
        What the map shows, in words.
    credit
        Attribution of the city's data.

    Returns
    -------
    Markup
        The map.
    """
    left = whole(city, (0.0, 0.0, 520.0, 560.0))
    right = central(city, (548.0, 150.0, 372.0, 372.0))
    parts = [_panel(city, left, values, scale, words, show, clip=None), scale_bar(left, words)]
    if right.scale >= CLOSER * left.scale:
        parts += [
            svg.text(right.left, right.top - 10, words("map.central"), fill=svg.MUTED, size=12.5),
            _panel(city, right, values, scale, words, show, clip=f"clip-{_slug(title)}"),
            svg.rect(right.left, right.top, right.width, right.height, fill="none", stroke=svg.HAIR),
            scale_bar(right, words),
        ]
    return svg.drawing(
        920,
        570,
        *parts,
        svg.text(right.left, 16, legend, bold=True),
        _legend(right.left, 28, scale, show),
        svg.text(920, 562, credit, anchor="end", size=11, fill=svg.MUTED) if credit else None,
        label=title,
        least=680,
    )


def _slug(text: str) -> str:
    """A short id from a text, the same each time."""
    return format(sum((k + 1) * ord(letter) for k, letter in enumerate(text)), "x")


def _legend(x: float, y: float, scale: Scale, show: Callable[[float], str]) -> Markup:
    """Classes in two columns, as ranges."""
    names = []
    for k in range(len(scale.fills)):
        low = show(scale.edges[k - 1]) if k else None
        high = show(scale.edges[k]) if k < len(scale.edges) else None
        names.append(
            f"{low} – {high}" if low and high else f"< {high}" if high else f"≥ {low}" if low else show(0.0)
        )
    half = (len(names) + 1) // 2
    rows = list(zip(scale.fills, names, strict=True))
    return svg.swatches(x, y, rows[:half]) + svg.swatches(x + 186, y, rows[half:])


def _panel(
    city: City,
    frame: Frame,
    values: Mapping[str, float],
    scale: Scale,
    words: Texts,
    show: Callable[[float], str],
    clip: str | None,
) -> Markup:
    """Districts of one frame with names and values where they fit."""
    shapes, labels, taken = [], [], list[Box]()
    if clip is not None:  # the scale bar stands there
        taken.append((frame.left, frame.top + frame.height - 40, frame.left + 150, frame.top + frame.height))
    names = city.districts.name_zh if words.zh else city.districts.name_en
    order = sorted(range(len(names)), key=lambda d: (not city.districts.central[d], d))
    for d in order:
        rings = rings_of(city.districts.outlines, frame, d)
        value = values.get(city.districts.name_en[d], float("nan"))
        heart = bool(city.districts.central[d])
        fill = scale.fill(value)
        shapes.append(
            el(
                "path",
                el("title", f"{names[d]}: {show(value)}"),
                d=area_path(rings),
                fill=fill,
                stroke="#ffffff",
                stroke_width=2.0,
            )
        )
        spot = _spot(rings, frame)
        if spot is not None:
            # Central districts are named on the enlarged map whatever their size.
            half = _half(names[d], show(value))
            need = 0.62 * half if not heart else half if clip is None else 0.0
            labels.append(_label(spot, names[d], show(value), fill, taken, need=need, box=frame.box))
    drawn = el("g", *shapes, transform=f"scale({1 / FINE})")
    if clip is None:
        return drawn + _central_edge(city, frame) + join(labels)
    left, top, right, bottom = frame.box
    window = el("clipPath", el("path", d=f"M{left} {top}H{right}V{bottom}H{left}Z"), id=clip)
    return window + el("g", drawn, clip_path=f"url(#{clip})") + join(labels)


def _central_edge(city: City, frame: Frame) -> Markup:
    """Outline of the central city."""
    areas = [
        shapely.Polygon(ring).buffer(0)
        for d in np.flatnonzero(city.districts.central).tolist()
        for ring in rings_of(city.districts.outlines, frame, d)
    ]
    if not areas:
        return Markup()
    # Closing by a unit takes away the slivers between outlines that do not quite meet.
    union = shapely.union_all(areas).buffer(1.0).buffer(-1.0)
    parts = [
        np.asarray(part.exterior.coords) for part in getattr(union, "geoms", [union]) if not part.is_empty
    ]
    return el(
        "g",
        el("path", d=area_path(parts), fill="none", stroke=svg.INK, stroke_width=3.0),
        transform=f"scale({1 / FINE})",
    )


def _spot(
    rings: list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]], frame: Frame
) -> tuple[float, float, float] | None:
    """Middle of the largest circle inside a district within the frame, and its radius."""
    window = shapely.box(*frame.box)
    best: tuple[float, float, float] | None = None
    for ring in rings:
        area = shapely.Polygon(ring).buffer(0).intersection(window)
        for piece in getattr(area, "geoms", [area]):
            if piece.is_empty or piece.geom_type != "Polygon":
                continue
            middle = shapely.ops.polylabel(piece, tolerance=1.0)
            radius = float(piece.exterior.distance(middle))
            if best is None or radius > best[2]:
                best = (float(middle.x), float(middle.y), radius)
    return best


def _label(
    spot: tuple[float, float, float],
    name: str,
    value: str,
    fill: str,
    taken: list[Box],
    *,
    need: float,
    box: Box,
) -> Markup | None:
    """Name and value of a district, left out where they would not fit."""
    x, y, radius = spot
    size = LABEL_SIZE
    half = _half(name, value)
    for move in (0.0, *LABEL_MOVES) if need == 0.0 else (0.0,):
        own = (x - half, y + move - 15, x + half, y + move + 17)
        seen = box[0] - 30 < own[0] and own[2] < box[2] + 1 and box[1] < own[1] and own[3] < box[3] + 1
        if radius >= need and seen and not any(overlap(own, other) for other in taken):
            break
    else:
        return None
    taken.append(own)
    y += move
    fits = radius >= half and move == 0.0
    ink = "#ffffff" if fits and _dark(fill) else svg.INK
    return svg.text(x, y - 2, name, anchor="middle", fill=ink, size=size, halo=not fits) + svg.text(
        x, y + 14, value, anchor="middle", fill=ink, size=size, bold=True, halo=not fits
    )


def _half(name: str, value: str) -> float:
    """Half of the width of a label."""
    return max(svg.text_width(name, LABEL_SIZE), svg.text_width(value, LABEL_SIZE)) / 2


def overlap(a: Box, b: Box) -> bool:
    """True if two boxes overlap."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _dark(fill: str) -> bool:
    """True if white letters read better than black ones on a colour (relative luminance of WCAG 2)."""
    channel = [int(fill[k : k + 2], 16) / 255.0 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channel]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] < 0.22


def share_map(city: City, values: Mapping[str, float], year: int, words: Texts, credit: str | None) -> Markup:
    """Green share by district in one year."""
    title = words("map.share.title", year=year)
    return district_map(
        city,
        values,
        share_scale(list(values.values())),
        words,
        show=percent,
        legend=words("map.share.legend"),
        title=title,
        credit=credit,
    )


def change_map(
    city: City, values: Mapping[str, float], first: int, last: int, words: Texts, credit: str | None
) -> Markup:
    """Change of the green share by district between two years."""
    title = words("map.change.title", first=first, last=last)
    return district_map(
        city,
        values,
        change_scale(list(values.values())),
        words,
        show=lambda v: plain(100.0 * v, 1, sign=True),
        legend=words("map.change.legend"),
        title=title,
        credit=credit,
    )
