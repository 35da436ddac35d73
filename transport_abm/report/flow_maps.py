"""Maps of the peaks: load of roads and of metro sections."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from transport_abm.core.vocabulary import LinkClass, TransitMode
from transport_abm.networks.city import City
from transport_abm.report import svg
from transport_abm.report.figures import percent, plain
from transport_abm.report.frames import FINE, Frame, area_path, inner, lines_path, rings_of, scale_bar, whole
from transport_abm.report.maps import LAND, LAND_EDGE
from transport_abm.report.markup import Markup, el, join
from transport_abm.report.texts import Texts

LOAD_EDGE = (0.5, 0.7, 0.85, 1.0)
LOAD_FILL = ("#a9bac3", "#5aa0c4", "#efb23e", "#e0692a", "#9c1036")
"""Lightness falls from class to class, so that order survives without colour vision and in print."""
ROAD_WIDTH = (0.7, 1.0, 1.6, 2.0, 2.6)
MAIN_WIDER = 1.7
METRO_EDGE = (0.4, 0.6, 0.8, 1.0)
MOST_BYTES = 700_000
"""Size that one road map may have; small roads are left out until it fits."""
MAIN = (LinkClass.MOTORWAY, LinkClass.EXPRESSWAY)
SMALL = (LinkClass.TERTIARY, LinkClass.LOCAL, LinkClass.PATH)
RING_NAME = re.compile(r"^\s*(?:(\d)(?:st|nd|rd|th) Ring Road\s*$|[东南西北]*([二三四五六])环)")
TOP_SECTIONS = 10


@dataclass(frozen=True)
class RoadPair:
    """Roads drawn once for both directions: the link whose shape is drawn, and the larger load of the two."""

    link: NDArray[np.int64]
    load: NDArray[np.float64]


def road_pairs(city: City, flows: pd.DataFrame) -> RoadPair:
    """One row for each pair of opposite links between the same nodes, with the larger load.

    Parameters
    ----------
    city
        The city.
    flows
        Columns ``link`` and ``load``.

    Returns
    -------
    RoadPair
        Drive links, each road once.
    """
    roads = city.roads
    load = np.zeros(roads.n_links)
    link = flows["link"].to_numpy(np.int64)
    load[link] = np.nan_to_num(flows["load"].to_numpy(np.float64))
    drive = np.flatnonzero(roads.drive)
    tail, head = roads.tail[drive].astype(np.int64), roads.head[drive].astype(np.int64)
    key = np.minimum(tail, head) * roads.n_nodes + np.maximum(tail, head)
    # Loads ascend inside a pair, so that the last of each key is the fuller direction.
    order = np.lexsort((drive, load[drive], key))
    last = np.flatnonzero(np.append(np.diff(key[order]) != 0, True)) if len(order) else order
    chosen = drive[order[last]]
    return RoadPair(chosen, load[chosen])


def road_map(city: City, flows: pd.DataFrame, words: Texts, *, title: str, credit: str | None, central: bool) -> Markup:
    """Load of the roads in the fuller peak.

    Parameters
    ----------
    city
        The city.
    flows
        Columns ``link`` and ``load`` (flow over capacity).
    words
        Language.
    title
        What the map shows, in words.
    credit
        Attribution of the city's data.
    central
        The city inside the 6th ring road; else the whole city, main roads only.

    Returns
    -------
    Markup
        The map.
    """
    place = (0.0, 0.0, 920.0, 700.0)
    frame = inner(city, place) if central else whole(city, (0.0, 0.0, 920.0, 760.0))
    pairs = road_pairs(city, flows)
    parts = _road_paths(city, pairs, frame, central=central)
    clip = f"clip-roads-{int(central)}"
    names = ("map.load.0", "map.load.1", "map.load.2", "map.load.3", "map.load.4")
    return svg.drawing(
        920, frame.height, _window(frame, clip), el("g", _land(city, frame), parts, clip_path=f"url(#{clip})"),
        _district_names(city, frame, words), _ring_names(city, frame, words) if central else None,
        _key(frame, words("map.load.legend"), [words(name) for name in names]), scale_bar(frame, words),
        _credit(frame, credit), label=title, least=680,
    )  # fmt: skip


def _road_paths(city: City, pairs: RoadPair, frame: Frame, *, central: bool) -> Markup:
    """One path for each class of load and of road; small roads give way until the map is small enough."""
    roads = city.roads
    class_, group = roads.link_class[pairs.link], np.searchsorted(LOAD_EDGE, pairs.load, side="right")
    keep = ~(np.isin(class_, SMALL) & (pairs.load < LOAD_EDGE[0]))
    if not central:
        keep &= (class_ <= LinkClass.PRIMARY) | ((class_ == LinkClass.SECONDARY) & (group > 0))
    for least in (1.0, 2.0, 4.0, 8.0):
        parts = []
        for g in range(len(LOAD_FILL)):
            for main in (False, True):
                chosen = pairs.link[keep & (group == g) & (np.isin(class_, MAIN) == main)]
                shape = _shapes(city, chosen)
                d = lines_path(*shape, frame, least=0.0 if main else least, tolerance=0.4)
                if d:
                    width = ROAD_WIDTH[g] * (MAIN_WIDER if main else 1.0) * (1.0 if central else 0.8)
                    parts.append(el("path", d=Markup(d), stroke=LOAD_FILL[g], stroke_width=float(width * FINE)))
        drawn = el("g", *parts, fill="none", stroke_linecap="round", stroke_linejoin="round", transform=f"scale({1 / FINE})")
        if len(drawn) <= MOST_BYTES:
            return drawn
        # Next try: fewer small roads.
        keep &= ~((class_ >= LinkClass.SECONDARY) & (pairs.load < LOAD_EDGE[0])) | np.isin(class_, MAIN)
    return drawn


def _shapes(city: City, link: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Points of some links below each other."""
    roads = city.roads
    start, count = roads.shape_indptr[link], roads.shape_indptr[link + 1] - roads.shape_indptr[link]
    indptr = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
    index = np.repeat(start - indptr[:-1], count) + np.arange(indptr[-1])
    return roads.shape_lon[index], roads.shape_lat[index], indptr


def _land(city: City, frame: Frame) -> Markup:
    """Districts as a quiet ground."""
    shapes = [
        el("path", d=area_path(rings_of(city.districts.outlines, frame, d)), fill=LAND, stroke=LAND_EDGE, stroke_width=1.6,
           stroke_dasharray="7 5")
        for d in range(len(city.districts.name_en))
    ]  # fmt: skip
    return el("g", *shapes, transform=f"scale({1 / FINE})")


def _district_names(city: City, frame: Frame, words: Texts) -> Markup:
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
        box = (at_x - half, at_y - 14, at_x + half, at_y + 4)
        if any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken):
            continue
        taken.append(box)
        out.append(svg.text(at_x, at_y, name, anchor="middle", size=13, fill="#33454f", bold=True, halo=True))
    return join(out)


def _ring_names(city: City, frame: Frame, words: Texts) -> Markup:
    """Numbers of the ring roads at their southern ends."""
    found: dict[int, list[int]] = {}
    for link, name in enumerate(city.roads.name):
        match = RING_NAME.match(name) if name else None
        if match and city.roads.link_class[link] in MAIN:
            number = int(match[1]) if match[1] else "二三四五六".index(match[2]) + 2
            found.setdefault(number, []).append(int(city.roads.shape_indptr[link]))
    out = []
    for number, point in sorted(found.items()):
        x, y = frame.xy(city.roads.shape_lon[point], city.roads.shape_lat[point])
        k = int(np.argmax(y))
        if frame.top + 10 < y[k] < frame.top + frame.height - 10 and frame.left < x[k] < frame.left + frame.width:
            out.append(svg.text(float(x[k]), float(y[k]) + 4, words("map.ring", n=number), anchor="middle", size=11.5, fill=svg.INK, halo=True))
    return join(out)


def _key(frame: Frame, legend: str, names: Sequence[str]) -> Markup:
    """Legend of loads in the upper left corner."""
    x, y = frame.left + 12, frame.top + 12
    out = [
        el("rect", x=float(x - 6), y=float(y - 6), width=208.0, height=34.0 + 19 * len(names), fill=svg.PAPER, fill_opacity=0.88, rx=3),
        svg.text(x + 2, y + 11, legend, bold=True, size=12.5),
    ]
    for k, name in enumerate(names):
        at = y + 30 + 19 * k
        out.append(svg.line((x + 2, at), (x + 30, at), stroke=LOAD_FILL[k], width=1.6 + 1.0 * k))
        out.append(svg.text(x + 40, at + 4.5, name, size=12))
    return join(out)


def _window(frame: Frame, clip: str) -> Markup:
    """Clip of a frame."""
    left, top, right, bottom = frame.box
    return el("clipPath", el("path", d=f"M{left} {top}H{right}V{bottom}H{left}Z"), id=clip)


def _credit(frame: Frame, credit: str | None) -> Markup | None:
    """Attribution in the lower right corner."""
    if not credit:
        return None
    return svg.text(frame.left + frame.width - 8, frame.top + frame.height - 8, credit, anchor="end", size=11, fill=svg.MUTED, halo=True)


@dataclass(frozen=True)
class Section:
    """A metro section between two neighbouring stations, in its fuller direction."""

    line: int
    start: int
    end: int
    passengers_h: float
    load: float


def metro_sections(city: City, flows: pd.DataFrame) -> list[Section]:
    """Sections with passengers, the fuller direction of each, fullest first.

    Parameters
    ----------
    city
        The city.
    flows
        Columns ``call``, ``passengers_h`` and ``load``.

    Returns
    -------
    list[Section]
        Sections of the metro.
    """
    transit = city.transit
    best: dict[tuple[int, str, str], Section] = {}
    call = flows["call"].to_numpy(np.int64)
    pattern = np.searchsorted(transit.pattern_indptr, call, side="right") - 1
    columns = zip(call.tolist(), pattern.tolist(), flows["passengers_h"].tolist(), flows["load"].tolist(), strict=True)
    for c, p, passengers, load in columns:
        if c + 1 >= transit.pattern_indptr[p + 1] or not (math.isfinite(load) and math.isfinite(passengers)):
            continue
        section = Section(int(transit.pattern_line[p]), int(transit.stop[c]), int(transit.stop[c + 1]), passengers, load)
        ends = sorted((transit.stop_name_en[section.start], transit.stop_name_en[section.end]))
        key = (section.line, ends[0], ends[1])
        if key not in best or load > best[key].load:
            best[key] = section
    return sorted(best.values(), key=lambda s: (-s.load, s.line, s.start, s.end))


def section_name(city: City, section: Section, words: Texts) -> str:
    """Stations of a section in the direction of the load."""
    names = city.transit.stop_name_zh if words.zh else city.transit.stop_name_en
    return f"{names[section.start]} → {names[section.end]}"


def line_name(city: City, section: Section, words: Texts) -> str:
    """Line of a section."""
    return (city.transit.line_name_zh if words.zh else city.transit.line_name_en)[section.line]


def metro_map(city: City, flows: pd.DataFrame, words: Texts, *, title: str, credit: str | None) -> Markup:
    """Load of the metro sections in the morning peak; the fullest ones are numbered.

    Parameters
    ----------
    city
        The city.
    flows
        Columns ``call``, ``passengers_h`` and ``load``.
    words
        Language.
    title
        What the map shows, in words.
    credit
        Attribution of the city's data.

    Returns
    -------
    Markup
        The map.
    """
    frame = inner(city, (0.0, 0.0, 920.0, 700.0))
    transit = city.transit
    x, y = frame.xy(transit.stop_lon, transit.stop_lat)
    sections = metro_sections(city, flows)
    most = max((s.passengers_h for s in sections), default=1.0) or 1.0
    drawn, dots = [], []
    for s in reversed(sections):
        a, b = (float(x[s.start]), float(y[s.start])), (float(x[s.end]), float(y[s.end]))
        group = int(np.searchsorted(METRO_EDGE, s.load, side="right"))
        tip = words("map.metro.tip", line=line_name(city, s, words), section=section_name(city, s, words),
                    passengers=plain(s.passengers_h, 0), load=percent(s.load, 0))  # fmt: skip
        width = 1.5 + 7.5 * s.passengers_h / most
        drawn.append(el("path", el("title", tip), d=svg.way([a, b]), stroke=LOAD_FILL[group], stroke_width=float(width)))
        dots += [a, b]
    stations = "".join(f"M{px:.0f} {py:.0f}h0" for px, py in sorted({(round(px), round(py)) for px, py in dots}))
    clip = "clip-metro"
    names = [words(f"map.metro.{k}") for k in range(len(LOAD_FILL))]
    return svg.drawing(
        920, frame.height, _window(frame, clip),
        el("g", _land(city, frame), _ring_lines(city, frame), el("g", *drawn, fill="none", stroke_linecap="round"),
           el("path", d=stations, stroke=svg.PAPER, stroke_width=2.6, stroke_linecap="round"), clip_path=f"url(#{clip})"),
        _district_names(city, frame, words), _ring_names(city, frame, words), _numbers(sections, x, y, frame),
        _key(frame, words("map.metro.legend"), names), scale_bar(frame, words), _credit(frame, credit),
        label=title, least=680,
    )  # fmt: skip


def _numbers(sections: Sequence[Section], x: NDArray[np.float64], y: NDArray[np.float64], frame: Frame) -> Markup:
    """Numbers of the fullest sections, as in the table beside the map."""
    out, taken = [], list[svg.XY]()
    left, top, right, bottom = frame.box
    for k, s in enumerate(sections[:TOP_SECTIONS]):
        at = (float(x[s.start] + x[s.end]) / 2, float(y[s.start] + y[s.end]) / 2)
        if not (left < at[0] < right and top < at[1] < bottom):
            continue
        while any(math.hypot(at[0] - b[0], at[1] - b[1]) < 17 for b in taken):
            at = (at[0] + 12, at[1] - 12)
        taken.append(at)
        out.append(svg.circle(at, 8, fill=svg.INK, stroke=svg.PAPER, width=1.2))
        out.append(svg.text(at[0], at[1] + 3.8, str(k + 1), anchor="middle", fill=svg.PAPER, size=10.5, bold=True))
    return join(out)


def _ring_lines(city: City, frame: Frame) -> Markup:
    """Motorways and expressways as thin lines to find one's way."""
    link = np.flatnonzero(np.isin(city.roads.link_class, MAIN) & city.roads.drive & (city.roads.tail < city.roads.head))
    d = lines_path(*_shapes(city, link), frame, least=0.5, tolerance=0.6)
    return el("g", el("path", d=Markup(d), fill="none", stroke="#ccd5d9", stroke_width=2.0), transform=f"scale({1 / FINE})")


METRO = TransitMode.METRO
