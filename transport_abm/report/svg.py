"""Building blocks of the drawings: text, lines and legends as SVG, in units of about one screen pixel."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from transport_abm.report.markup import Markup, el, join

INK, MUTED, HAIR, PAPER = "#1c2b33", "#5c6c75", "#dbe2e6", "#ffffff"
ACCENT, ALARM, PLAN = "#0a5a73", "#a3123a", "#8a4b00"
XY = tuple[float, float]


def drawing(
    width: float, height: float, *content: str | None, label: str, least: int | None = None
) -> Markup:
    """An SVG that fills the width of its column and keeps its shape.

    Parameters
    ----------
    width, height
        Size of the drawing's own units.
    *content
        What it shows.
    label
        What it shows in words, for readers aloud.
    least
        Width below which the drawing scrolls instead of shrinking [px].
    """
    style = f"min-width:{least}px" if least else None
    return el("svg", *content, viewBox=f"0 0 {width:g} {height:g}", role="img", aria_label=label, style=style)


def text(
    x: float,
    y: float,
    content: str,
    *,
    anchor: str = "start",
    fill: str = INK,
    size: float = 13.0,
    bold: bool = False,
    halo: bool = False,
) -> Markup:
    """A line of text; a halo keeps it readable over lines."""
    return el(
        "text",
        content,
        x=float(x),
        y=float(y),
        text_anchor=None if anchor == "start" else anchor,
        fill=fill,
        font_size=float(size),
        font_weight=600 if bold else None,
        class_="halo" if halo else None,
    )


def line(a: XY, b: XY, *, stroke: str = HAIR, width: float = 1.0, dash: str | None = None) -> Markup:
    """A straight line."""
    return el(
        "line",
        x1=float(a[0]),
        y1=float(a[1]),
        x2=float(b[0]),
        y2=float(b[1]),
        stroke=stroke,
        stroke_width=float(width),
        stroke_dasharray=dash,
    )


def rect(
    x: float,
    y: float,
    width: float,
    height: float,
    *,
    fill: str,
    title: str | None = None,
    stroke: str | None = None,
) -> Markup:
    """A rectangle with a tooltip."""
    return el(
        "rect",
        el("title", title) if title else None,
        x=float(x),
        y=float(y),
        width=float(width),
        height=float(height),
        fill=fill,
        stroke=stroke,
    )


def circle(
    at: XY,
    radius: float,
    *,
    fill: str,
    stroke: str | None = None,
    width: float = 1.5,
    title: str | None = None,
) -> Markup:
    """A circle with a tooltip."""
    return el(
        "circle",
        el("title", title) if title else None,
        cx=float(at[0]),
        cy=float(at[1]),
        r=float(radius),
        fill=fill,
        stroke=stroke,
        stroke_width=float(width) if stroke else None,
    )


def diamond(at: XY, radius: float, *, fill: str, title: str | None = None) -> Markup:
    """A diamond with a tooltip."""
    x, y = at
    d = way([(x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y)]) + "Z"
    return el("path", el("title", title) if title else None, d=d, fill=fill, stroke=PAPER, stroke_width=1.5)


def way(points: Iterable[XY]) -> str:
    """Path data through points; broken where a point is not finite."""
    words, pen = [], "M"
    for x, y in points:
        if not (math.isfinite(x) and math.isfinite(y)):
            pen = "M"
            continue
        words.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "L"
    return "".join(words)


def spread(wanted: Sequence[float], least: float, low: float, high: float) -> list[float]:
    """Places as near as possible to the wanted ones, at least so far apart, inside a range where they fit.

    Parameters
    ----------
    wanted
        Places that labels would like to have.
    least
        Distance between two labels.
    low, high
        Range of the places.

    Returns
    -------
    list[float]
        Places in the order of ``wanted``.
    """
    order = sorted(range(len(wanted)), key=lambda k: (wanted[k], k))
    # Pool neighbours that are too near into blocks that stand around their common mean (isotonic regression).
    blocks: list[list[float]] = []
    for rank, k in enumerate(order):
        blocks.append([wanted[k] - rank * least, 1.0])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            total, count = (
                blocks[-2][0] * blocks[-2][1] + blocks[-1][0] * blocks[-1][1],
                blocks[-2][1] + blocks[-1][1],
            )
            blocks[-2:] = [[total / count, count]]
    flat = [value for value, count in blocks for _ in range(round(count))]
    top = max(low, high - least * (len(wanted) - 1))
    out = [0.0] * len(wanted)
    for rank, k in enumerate(order):
        out[k] = min(max(flat[rank], low), top) + rank * least
    return out


def text_width(content: str, size: float) -> float:
    """Rough width of a text: a Chinese character is as wide as high, a Latin one a little over half."""
    return size * sum(1.0 if ord(letter) > 0x2E7F else 0.56 for letter in content)


def swatches(
    x: float, y: float, items: Sequence[tuple[str, str]], *, size: float = 12.0, step: float = 19.0
) -> Markup:
    """A legend of coloured squares below each other."""
    return join(
        rect(x, y + k * step, 16, 12, fill=fill, stroke="#00000022")
        + text(x + 23, y + k * step + 10.5, name, size=size)
        for k, (fill, name) in enumerate(items)
    )
