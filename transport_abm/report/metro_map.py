"""Metro map of the report: load of the sections in the morning peak."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from transport_abm.networks.city import City
from transport_abm.report import svg
from transport_abm.report.figures import percent, plain
from transport_abm.report.frames import Frame, inner, scale_bar
from transport_abm.report.ground import (
    LOAD_FILL,
    credit_line,
    district_names,
    land,
    load_legend,
    main_roads,
    ring_names,
    rows_named,
    window,
)
from transport_abm.report.markup import Markup, el, join
from transport_abm.report.texts import Texts

METRO_EDGE = (0.4, 0.6, 0.8, 1.0)
TOP_SECTIONS = 10
DOTTED_FROM = 3.4


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
    call = rows_named(flows, "call", len(transit.stop))
    pattern = np.searchsorted(transit.pattern_indptr, call, side="right") - 1
    columns = zip(
        call.tolist(), pattern.tolist(), flows["passengers_h"].tolist(), flows["load"].tolist(), strict=True
    )
    for c, p, passengers, load in columns:
        if c + 1 >= transit.pattern_indptr[p + 1] or not (math.isfinite(load) and math.isfinite(passengers)):
            continue
        section = Section(
            int(transit.pattern_line[p]), int(transit.stop[c]), int(transit.stop[c + 1]), passengers, load
        )
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
    drawn, dots = [], list[svg.XY]()
    for s in reversed(sections):
        a, b = (float(x[s.start]), float(y[s.start])), (float(x[s.end]), float(y[s.end]))
        group = int(np.searchsorted(METRO_EDGE, s.load, side="right"))
        tip = words(
            "map.metro.tip",
            line=line_name(city, s, words),
            section=section_name(city, s, words),
            passengers=plain(s.passengers_h, 0),
            load=percent(s.load, 0),
        )
        width = 1.2 + 6.0 * s.passengers_h / most
        drawn.append(
            el(
                "path",
                el("title", tip),
                d=svg.way([a, b]),
                stroke=LOAD_FILL[group],
                stroke_width=float(width),
            )
        )
        if width >= DOTTED_FROM:  # on thin lines dots would look like gaps
            dots += [a, b]
    stations = "".join(
        f"M{px:.0f} {py:.0f}h0" for px, py in sorted({(round(px), round(py)) for px, py in dots})
    )
    clip = "clip-metro"
    names = [words(f"map.metro.{k}") for k in range(len(LOAD_FILL))]
    return svg.drawing(
        920,
        frame.height,
        window(frame, clip),
        el(
            "g",
            land(city, frame),
            main_roads(city, frame),
            el("g", *drawn, fill="none", stroke_linecap="round"),
            el("path", d=stations, stroke=svg.PAPER, stroke_width=1.9, stroke_linecap="round"),
            clip_path=f"url(#{clip})",
        ),
        district_names(city, frame, words),
        ring_names(city, frame, words),
        _numbers(sections, x, y, frame),
        load_legend(frame, words("map.metro.legend"), names, words("map.metro.width", most=plain(most, 0))),
        scale_bar(frame, words),
        credit_line(frame, credit),
        label=title,
        least=680,
    )


def _numbers(
    sections: Sequence[Section], x: NDArray[np.float64], y: NDArray[np.float64], frame: Frame
) -> Markup:
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
        out.append(
            svg.text(at[0], at[1] + 3.8, str(k + 1), anchor="middle", fill=svg.PAPER, size=10.5, bold=True)
        )
    return join(out)
