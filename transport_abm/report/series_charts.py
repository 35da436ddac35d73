"""Charts of quantities by year: stacked bars of parts, lines with their targets, bars that rise and fall."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from transport_abm.core.vocabulary import Fuel, Powertrain, VehicleClass
from transport_abm.report import svg
from transport_abm.report.charts import Plot, few_years
from transport_abm.report.figures import Form, form, round_numbers
from transport_abm.report.markup import Markup, el, join
from transport_abm.report.reading import NAN, Point
from transport_abm.report.texts import Texts

MOST_BARS = 16
HEADROOM = 1.06
"""Room above the highest bar, for its number."""
WIDE = 940.0
WHOLE = 100.0
MOST_ROUNDED = 0.1
"""A value that rounding changes by more than this part is told in a unit of its own."""
POWERTRAIN_FILL: Mapping[str, str] = {
    Powertrain.ICE.name.lower(): "#8f3a12",
    Powertrain.HEV.name.lower(): "#d79a78",
    Powertrain.PHEV.name.lower(): "#63c3a3",
    Powertrain.BEV.name.lower(): "#00755a",
    Powertrain.FCEV.name.lower(): "#2b7fc1",
}
"""Oil brown, new energy green and blue."""
CLASS_FILL: Mapping[str, str] = dict(
    zip(
        (item.name.lower() for item in VehicleClass),
        ("#0a5a73", "#5aa7bd", "#d99000", "#f2cf7a", "#08407e", "#7b9fd0", "#8f3a12", "#5c6c75", "#009e73", "#9a5ba5",
         "#c3cbd0"),
        strict=True,
    )
)  # fmt: skip
CONSUMER_FILL: Mapping[str, str] = {**CLASS_FILL, "metro": "#3d3a8c", "e_bike": "#b5e2d2", "rail": "#1c2b33"}
"""Vehicle classes, and what uses energy beside them."""
MODE_FILL: Mapping[str, str] = {
    "car": "#0a5a73", "hired": "#d99000", "bus": "#0a3b78", "coach": "#7a9fd0", "metro": "#3d3a8c", "e_bike": "#b5e2d2",
    "road_goods": "#5c6c75", "rail": "#1c2b33", "services": "#c4c9cc",
}  # fmt: skip
FUEL_FILL: Mapping[str, str] = dict(
    zip(
        (item.name.lower() for item in Fuel),
        ("#8f3a12", "#4b2a1a", "#d99000", "#f2cf7a", "#00755a", "#2b7fc1"),
        strict=True,
    )
)
LINE_FILL = ("#0a5a73", "#b3521b", "#009e73", "#7b4ba0", "#c69214", "#5c6c75")


@dataclass(frozen=True)
class Part:
    """One coloured part of a stack."""

    name: str
    fill: str
    values: Mapping[int, float]


@dataclass(frozen=True)
class Line:
    """One line of a chart."""

    name: str
    fill: str
    points: Mapping[int, Point]
    dash: str | None = None


@dataclass(frozen=True)
class Mark:
    """A value of the plan."""

    year: int
    value: float
    name: str


def stack_chart(
    parts: Sequence[Part], unit: str, words: Texts, *, label: str, marks: Sequence[Mark] = ()
) -> Markup:
    """Stacked bars by year, with names and values of the last year at their right.

    Parameters
    ----------
    parts
        From the bottom to the top; parts that are always zero are left out.
    unit
        Unit of the outcome.
    words
        Language.
    label
        What the chart shows, for readers aloud.
    marks
        Values of the plan, held against the whole bar.

    Returns
    -------
    Markup
        The chart.
    """
    shown = [p for p in parts if any(math.isfinite(v) and v > 0.0 for v in p.values.values())]
    every = sorted({year for p in shown for year in p.values} | {m.year for m in marks})
    years = few_years(every, MOST_BARS) if every else []
    years = sorted({*years, *(m.year for m in marks)})
    if not years or not shown:
        return Markup()
    total = {year: sum(_finite(p.values.get(year)) for p in shown) for year in years}
    ceiling = max([*total.values(), *(m.value for m in marks)])
    shape = form(unit, [ceiling], words)
    ticks = round_numbers(0.0, HEADROOM * ceiling / shape.scale, 5)
    left, right, top, bottom = 70.0, 690.0, 40.0, 372.0
    slot = min(92.0, (right - left) / len(years))
    right, width = left + slot * len(years), min(52.0, 0.7 * slot)
    high = (bottom - top) / (ticks[-1] * shape.scale)
    digits = 0 if ticks[1] >= 1 and float(ticks[1]).is_integer() else 1 if ticks[1] >= 0.1 else 2
    out = [
        svg.line((left, y), (right, y))
        + svg.text(left - 8, y + 4, f"{t:,.{digits}f}", anchor="end", fill=svg.MUTED, size=12.5)
        for t in ticks
        for y in (bottom - t * shape.scale * high,)
    ]
    out.append(svg.text(left - 8, top - 18, shape.unit, fill=svg.MUTED, size=12.5))
    ends: list[tuple[Part, float]] = []
    last = max(year for year in years if total[year] > 0.0)
    for k, year in enumerate(years):
        x, base = left + (k + 0.5) * slot - width / 2, bottom
        for part in shown:
            height = _finite(part.values.get(year)) * high
            base -= height
            if height > 0.0:
                tip = f"{year} {part.name}: {shape(part.values[year])} {shape.unit}"
                out.append(svg.rect(x, base, width, max(height - 0.6, 0.2), fill=part.fill, title=tip))
            if year == last:
                ends.append((part, base + height / 2))
        middle = x + width / 2
        out.append(svg.text(middle, bottom + 20, str(year), anchor="middle", fill=svg.MUTED, size=12.5))
        if total[year] > 0.0:
            out.append(svg.text(middle, base - 6, shape(total[year]), anchor="middle", size=11.5, halo=True))
    out += [_stack_mark(m, years, left, slot, bottom - m.value * high) for m in marks]
    x_last = left + (years.index(last) + 0.5) * slot + width / 2
    out.append(_names(ends, x_last, right, top, bottom, last, unit, shape, words))
    return svg.drawing(WIDE, 404, *out, label=label, least=640)


def _finite(value: float | None) -> float:
    """A value, or zero where there is none."""
    return value if value is not None and math.isfinite(value) else 0.0


def _stack_mark(mark: Mark, years: Sequence[int], left: float, slot: float, y: float) -> Markup:
    """A value of the plan across the bar of its year."""
    x = left + (years.index(mark.year) + 0.5) * slot
    return (
        svg.line((x - slot / 2, y), (x + slot / 2, y), stroke=svg.PLAN, width=2.0)
        + svg.diamond((x, y), 7, fill=svg.PLAN, title=mark.name)
        + svg.text(x, y - 12, mark.name, anchor="middle", fill=svg.PLAN, bold=True, size=12.5, halo=True)
    )


def _names(
    ends: Sequence[tuple[Part, float]],
    x: float,
    right: float,
    top: float,
    bottom: float,
    year: int,
    unit: str,
    shape: Form,
    words: Texts,
) -> Markup:
    """Names and values of the last bar's parts; a part too small for the axis' unit is told in its own."""
    places = svg.spread([y for _, y in ends], 17, top, bottom)
    out = []
    for (part, y), place in zip(ends, places, strict=True):
        way = svg.way([(x + 1, y), (right + 12, place)])
        out.append(el("path", d=way, stroke=part.fill, stroke_width=1.1, fill="none"))
        out.append(svg.rect(right + 14, place - 6, 12, 12, fill=part.fill))
        value = _finite(part.values.get(year))
        text = f"{part.name} {_told(value, unit, shape, words)}"
        out.append(svg.text(right + 32, place + 4.5, text, size=12.5))
    return join(out)


def _told(value: float, unit: str, shape: Form, words: Texts) -> str:
    """A value in the axis' unit, or in its own where rounding would leave little of it."""
    if abs(round(value / shape.scale, shape.decimals) * shape.scale - value) <= MOST_ROUNDED * abs(value):
        return shape(value)
    own = form(unit, [value], words)
    return f"{own(value)} {own.unit}" if own != shape else shape(value)


def line_chart(
    lines: Sequence[Line],
    unit: str,
    words: Texts,
    *,
    label: str,
    marks: Sequence[Mark] = (),
    band: bool = False,
    zero: bool = True,
) -> Markup:
    """Lines by year with their names at the right, and values of the plan.

    Parameters
    ----------
    lines
        The lines.
    unit
        Unit of the outcome.
    words
        Language.
    label
        What the chart shows, for readers aloud.
    marks
        Values of the plan.
    band
        Draw the 5-95 % band of each line.
    zero
        Begin the axis at zero.

    Returns
    -------
    Markup
        The chart.
    """
    shown = [each for each in lines if each.points]
    years = [*(y for each in shown for y in each.points), *(m.year for m in marks)]
    if not shown:
        return Markup()
    raw = [v for each in shown for p in each.points.values() for v in p] + [m.value for m in marks]
    shape = form(unit, raw, words)
    if unit == "1" and max(abs(v) for v in raw) < 0.1:
        shape = replace(shape, decimals=2)
    scaled = [v / shape.scale for v in raw] + ([0.0] if zero else [])
    plot = Plot((70, 40, 690, 330), years, scaled, most=5)
    if unit == "1" and plot.ticks[-1] > WHOLE >= max(scaled):
        plot.ticks = [0.0, 20.0, 40.0, 60.0, 80.0, WHOLE]  # no share is above 100 %
    every = max(1, (plot.last - plot.first) // 14 + 1)
    ticks = list(range(plot.first, plot.last + 1, every))
    gap = plot.ticks[1] - plot.ticks[0]
    digits = 0 if abs(gap - round(gap)) < 1e-9 else 1 if gap >= 0.1 else 2
    out = [
        plot.axes(ticks, write=lambda v: f"{v:,.{digits}f}".replace("-", "\u2212")),
        svg.text(plot.left - 8, plot.top - 18, shape.unit, fill=svg.MUTED, size=12.5),
    ]
    if plot.ticks[0] < 0.0 < plot.ticks[-1]:
        out.append(svg.line((plot.left, plot.y(0.0)), (plot.right, plot.y(0.0)), stroke=svg.MUTED))
    ends: list[tuple[Line, float]] = []
    for each in shown:
        if band:
            out.append(_band(plot, each, shape.scale))
        out.append(_line(plot, each, shape.scale, shape, each.dash))
        last = max(each.points)
        ends.append((each, plot.y(each.points[last][0] / shape.scale)))
    for m in marks:
        x, y = plot.at(m.year, m.value / shape.scale)
        near = x > plot.right - 60
        out += [
            svg.diamond((x, y), 7, fill=svg.PLAN, title=m.name),
            svg.text(x - (12 if near else 0), y - (0 if near else 12) + (4 if near else 0), m.name,
                     anchor="end" if near else "middle", fill=svg.PLAN, bold=True, size=12.5, halo=True),
        ]  # fmt: skip
    places = svg.spread([y for _, y in ends], 18, plot.top, plot.bottom)
    for (each, _), place in zip(ends, places, strict=True):
        value = each.points[max(each.points)][0]
        text = f"{each.name} {_told(value, unit, shape, words)}"
        out.append(svg.text(plot.right + 14, place + 4.5, text, fill=each.fill, bold=True, size=12.5))
    return svg.drawing(WIDE, 362, *out, label=label, least=640)


def _line(plot: Plot, each: Line, scale: float, shape: Form, dash: str | None) -> Markup:
    """One line with dots that tell their values."""
    every = range(min(each.points), max(each.points) + 1)
    way = svg.way([plot.at(y, each.points[y][0] / scale) if y in each.points else (NAN, NAN) for y in every])
    dots = [
        svg.circle(plot.at(y, p[0] / scale), 2.6, fill=each.fill, title=f"{y} {each.name}: {shape(p[0])}")
        for y, p in each.points.items()
    ]
    path = el("path", d=way, fill="none", stroke=each.fill, stroke_width=2.2, stroke_linejoin="round",
              stroke_dasharray=dash)  # fmt: skip
    return path + join(dots)


def _band(plot: Plot, each: Line, scale: float) -> Markup:
    """The 5-95 % band of a line."""
    there = [plot.at(y, p[2] / scale) for y, p in each.points.items()]
    back = [plot.at(y, p[1] / scale) for y, p in each.points.items()][::-1]
    return el("path", d=svg.way([*there, *back]) + "Z", fill=each.fill, fill_opacity=0.13)


def small_chart(
    line: Line,
    years: Sequence[int],
    words: Texts,
    *,
    label: str,
    marks: Sequence[Mark] = (),
    band: bool = False,
) -> Markup:
    """A small chart of a share from 0 to 100 %, with the plan's value."""
    plot = Plot((40, 26, 238, 128), [*years, *(m.year for m in marks)], [0.0, 1.0], most=3)
    plot.ticks = [0.0, 0.5, 1.0]
    ends = sorted({min(line.points), max(line.points)})
    shape = form("1", [1.0], words)
    out = [plot.axes(ends, size=11.5), _band(plot, line, 1.0) if band else None]
    for m in marks:
        out += [
            svg.line(
                (plot.left, plot.y(m.value)), (plot.right, plot.y(m.value)), stroke=svg.PLAN, dash="4 3"
            ),
            svg.diamond(plot.at(m.year, m.value), 6, fill=svg.PLAN, title=m.name),
        ]
    out.append(_line(plot, line, 1.0, shape, None))
    for year in ends:
        x, y = plot.at(year, line.points[year][0])
        anchor = "start" if year == ends[0] and len(ends) > 1 else "end"
        above = y - 9 if y > plot.top + 24 else y + 19
        out.append(
            svg.text(x, above, f"{shape(line.points[year][0])}%", size=12.5, bold=True, fill=line.fill, anchor=anchor,
                     halo=True)
        )  # fmt: skip
    return svg.drawing(256, 152, *out, label=label)


def change_chart(rows: Sequence[tuple[str, float]], unit: str, words: Texts, *, label: str) -> Markup:
    """Bars left and right of zero, one a factor, with their values; the last is their sum."""
    if not rows:
        return Markup()
    total = sum(value for _, value in rows)
    shown = [*rows, (words("carbon.sum"), total)]
    most = max(max(abs(v) for _, v in shown), 1e-12)
    shape = form(unit, [most], words)
    middle, half, step = 470.0, 270.0, 30.0
    out = [svg.text(middle, 16, shape.unit, anchor="middle", fill=svg.MUTED, size=12.5)]
    for k, (name, value) in enumerate(shown):
        y, length = 28 + k * step, half * abs(value) / most
        last = k == len(shown) - 1
        fill = svg.INK if last else "#b3521b" if value > 0 else "#0f7f6b"
        x = middle if value > 0 else middle - length
        out.append(
            svg.rect(x, y, max(length, 0.5), 19, fill=fill, title=f"{name}: {shape(value, sign=True)}")
        )
        out.append(svg.text(8, y + 14, name, size=13, bold=last))
        at = (middle + length + 7, "start") if value > 0 else (middle - length - 7, "end")
        out.append(svg.text(at[0], y + 14, shape(value, sign=True), size=12.5, anchor=at[1]))
    bottom = 28 + len(shown) * step
    out.append(svg.line((middle, 24), (middle, bottom), stroke=svg.MUTED))
    return svg.drawing(WIDE, bottom + 8, *out, label=label, least=640)
