"""What every map of flows stands on: districts, main roads, names, legend, attribution."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from transport_abm.core.errors import StoreError
from transport_abm.core.vocabulary import LinkClass
from transport_abm.networks.city import City
from transport_abm.report import svg
from transport_abm.report.frames import FINE, Frame, area_path, lines_path, rings_of
from transport_abm.report.maps import LAND, LAND_EDGE, overlap
from transport_abm.report.markup import Markup, el, join
from transport_abm.report.texts import Texts

LOAD_FILL = ("#a9bac3", "#5aa0c4", "#efb23e", "#e0692a", "#9c1036")
"""Lightness falls from class to class, so that order survives without colour vision and in print."""
MAIN = (LinkClass.MOTORWAY, LinkClass.EXPRESSWAY)
FIRST_RING, RING_ZH = 2, "二三四五六"
RING_NAME = re.compile(r"^\s*(?:([2-6])(?:st|nd|rd|th) Ring Road\s*$|[东南西北]*([二三四五六])环)")


def rows_named(flows: pd.DataFrame, key: str, count: int) -> NDArray[np.int64]:
    """Rows of the city that the flows name."""
    row = flows[key].to_numpy(np.int64)
    if len(row) and not 0 <= row.min() <= row.max() < count:
        raise StoreError(
            f"flows: {key}: expected rows of the city, 0 to {count - 1}, got {row.min()} to {row.max()}"
        )
    return row


def link_shapes(
    city: City, link: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Points of some links below each other."""
    roads = city.roads
    start, count = roads.shape_indptr[link], roads.shape_indptr[link + 1] - roads.shape_indptr[link]
    indptr = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
    index = np.repeat(start - indptr[:-1], count) + np.arange(indptr[-1])
    return roads.shape_lon[index], roads.shape_lat[index], indptr


def land(city: City, frame: Frame) -> Markup:
    """Districts as a quiet ground."""
    shapes = [
        el(
            "path",
            d=area_path(rings_of(city.districts.outlines, frame, d)),
            fill=LAND,
            stroke=LAND_EDGE,
            stroke_width=1.6,
            stroke_dasharray="7 5",
        )
        for d in range(len(city.districts.name_en))
    ]
    return el("g", *shapes, transform=f"scale({1 / FINE})")


def main_roads(city: City, frame: Frame) -> Markup:
    """Motorways and expressways as thin lines to find one's way."""
    roads = city.roads
    link = np.flatnonzero(np.isin(roads.link_class, MAIN) & roads.drive)
    tail, head = roads.tail[link].astype(np.int64), roads.head[link].astype(np.int64)
    pair = np.minimum(tail, head) * roads.n_nodes + np.maximum(tail, head)
    link = link[np.sort(np.unique(pair, return_index=True)[1])]
    d = lines_path(*link_shapes(city, link), frame, least=0.5, tolerance=0.6)
    return el(
        "g",
        el("path", d=Markup(d), fill="none", stroke="#ccd5d9", stroke_width=2.0),
        transform=f"scale({1 / FINE})",
    )


def district_names(city: City, frame: Frame, words: Texts) -> Markup:
    """Names of the districts at the middle of their zones in the frame."""
    names = city.districts.name_zh if words.zh else city.districts.name_en
    x, y = frame.xy(city.zones.lon, city.zones.lat)
    left, top, right, bottom = frame.box
    inside = (x > left) & (x < right) & (y > top) & (y < bottom)
    out, taken = [], [(left, top, left + 215, top + 150)]
    for d, name in enumerate(names):
        own = inside & (city.zones.district == d)
        if own.sum() < 2:
            continue
        half = svg.text_width(name, 13) / 2
        at_x = min(max(float(x[own].mean()), left + half + 4), right - half - 4)
        at_y = min(max(float(y[own].mean()), top + 16), bottom - 30)
        box = (at_x - half - 5, at_y - 17, at_x + half + 5, at_y + 7)
        if any(overlap(box, other) for other in taken):
            continue
        taken.append(box)
        out.append(svg.text(at_x, at_y, name, anchor="middle", size=13, fill="#33454f", bold=True, halo=True))
    return join(out)


def ring_names(city: City, frame: Frame, words: Texts) -> Markup:
    """Numbers of the ring roads at their southern ends."""
    found: dict[int, list[int]] = {}
    for link, name in enumerate(city.roads.name):
        match = RING_NAME.match(name) if name else None
        if match and city.roads.link_class[link] in MAIN:
            number = int(match[1]) if match[1] else RING_ZH.index(match[2]) + FIRST_RING
            found.setdefault(number, []).append(int(city.roads.shape_indptr[link]))
    out = []
    for number, point in sorted(found.items()):
        x, y = frame.xy(city.roads.shape_lon[point], city.roads.shape_lat[point])
        k = int(np.argmax(y))
        if (
            frame.top + 10 < y[k] < frame.top + frame.height - 10
            and frame.left < x[k] < frame.left + frame.width
        ):
            out.append(
                svg.text(
                    float(x[k]),
                    float(y[k]) + 4,
                    words("map.ring", n=RING_ZH[number - FIRST_RING] if words.zh else number),
                    anchor="middle",
                    size=11.5,
                    fill=svg.INK,
                    halo=True,
                )
            )
    return join(out)


def load_legend(frame: Frame, legend: str, names: Sequence[str], more: str | None = None) -> Markup:
    """Legend of loads in the upper left corner."""
    x, y = frame.left + 12, frame.top + 12
    out = [
        el(
            "rect",
            x=float(x - 6),
            y=float(y - 6),
            width=208.0,
            height=34.0 + 19 * (len(names) + (more is not None)),
            fill=svg.PAPER,
            fill_opacity=0.95,
            rx=3,
        ),
        svg.text(x + 2, y + 11, legend, bold=True, size=12.5),
    ]
    for k, name in enumerate(names):
        at = y + 30 + 19 * k
        out.append(svg.line((x + 2, at), (x + 30, at), stroke=LOAD_FILL[k], width=1.6 + 1.0 * k))
        out.append(svg.text(x + 40, at + 4.5, name, size=12))
    if more is not None:
        out.append(svg.text(x + 2, y + 34 + 19 * len(names), more, size=11.5, fill=svg.MUTED))
    return join(out)


def window(frame: Frame, clip: str) -> Markup:
    """Clip of a frame."""
    left, top, right, bottom = frame.box
    return el("clipPath", el("path", d=f"M{left} {top}H{right}V{bottom}H{left}Z"), id=clip)


def credit_line(frame: Frame, credit: str | None) -> Markup | None:
    """Attribution in the lower right corner."""
    if not credit:
        return None
    return svg.text(
        frame.left + frame.width - 8,
        frame.top + frame.height - 8,
        credit,
        anchor="end",
        size=11,
        fill=svg.MUTED,
        halo=True,
    )
