"""Charts of the report: the green share against the plan, its variants, and the mode split."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from transport_abm.core.vocabulary import GREEN_MODES, Mode, label
from transport_abm.outcomes import OUTCOMES
from transport_abm.report import svg
from transport_abm.report.figures import percent, round_numbers
from transport_abm.report.markup import Markup, el, join
from transport_abm.report.reading import NAN, Observed, Point, Reading, TargetLine, observed_values
from transport_abm.report.texts import Texts

MODE_FILL: Mapping[Mode, str] = {
    Mode.WALK: "#00543f",
    Mode.BICYCLE: "#009e73",
    Mode.SHARED_BICYCLE: "#63c3a3",
    Mode.E_BIKE: "#b5e2d2",
    Mode.BUS: "#08407e",
    Mode.METRO: "#2b7fc1",
    Mode.BUS_METRO: "#9bcbea",
    Mode.TAXI: "#d99000",
    Mode.RIDE_HAIL: "#f2cf7a",
    Mode.CAR_DRIVER: "#8f3a12",
    Mode.CAR_PASSENGER: "#d79a78",
}
"""Active modes green, transit blue, hired amber, car brown; lightness tells them apart as well."""
VARIANTS = ("green_share", "green_share_city", "green_share_motorised", "green_share_no_e_bike")
MOST_BARS = 16
MOST_SLOT = 92.0


class Plot:
    """A field with a year axis and a percent axis."""

    def __init__(
        self,
        box: tuple[float, float, float, float],
        years: Sequence[int],
        values: Sequence[float],
        most: int = 6,
    ) -> None:
        self.left, self.top, self.right, self.bottom = box
        self.first, self.last = min(years), max(years)
        known = [v for v in values if math.isfinite(v)] or [0.0, 1.0]
        pad = max(0.004, 0.06 * (max(known) - min(known)))
        # A range that touches nothing below zero stays above it.
        low = min(known) - pad
        self.ticks = round_numbers(max(0.0, low) if min(known) >= 0.0 else low, max(known) + pad, most)

    def x(self, year: float) -> float:
        """Place of a year; the middle where there is one alone."""
        if self.first == self.last:
            return 0.5 * (self.left + self.right)
        return self.left + (self.right - self.left) * (year - self.first) / (self.last - self.first)

    def y(self, value: float) -> float:
        """Place of a value."""
        low, high = self.ticks[0], self.ticks[-1]
        return self.bottom - (self.bottom - self.top) * (value - low) / (high - low)

    def at(self, year: float, value: float) -> svg.XY:
        """Place of a value in a year."""
        return self.x(year), self.y(value)

    def axes(
        self, shown: Sequence[int], size: float = 12.5, write: Callable[[float], str] | None = None
    ) -> Markup:
        """Hairlines with percent, or numbers as ``write`` writes them, and years."""
        step = self.ticks[1] - self.ticks[0]
        digits = 0 if abs(100 * step - round(100 * step)) < 1e-6 else 1
        write = write or (lambda v: percent(v, digits))
        rows = [
            svg.line((self.left, self.y(v)), (self.right, self.y(v)))
            + svg.text(self.left - 8, self.y(v) + 4, write(v), anchor="end", fill=svg.MUTED, size=size)
            for v in self.ticks
        ]
        names = [
            svg.text(self.x(year), self.bottom + 22, str(year), anchor="middle", fill=svg.MUTED, size=size)
            for year in shown
        ]
        return join(rows + names)


def share_chart(reading: Reading, words: Texts) -> Markup:
    """Green-trip share by year: model with its band, published values, targets of the plan.

    Parameters
    ----------
    reading
        The runs.
    words
        Language.

    Returns
    -------
    Markup
        The chart.
    """
    model = reading.series("green_share")
    observed = [row for row in observed_values("green_share") if row.year <= reading.last_year]
    targets = [line for line in reading.targets if line.outcome == "green_share"]
    years = [*model, *(row.year for row in observed), *(line.year for line in targets)]
    values = (
        [v for p in model.values() for v in p]
        + [row.value for row in observed]
        + [line.plan for line in targets]
    )
    plot = Plot((62, 34, 760, 330), years, values)
    shown = list(range(plot.first, plot.last + 1, max(1, (plot.last - plot.first) // 16 + 1)))
    return svg.drawing(
        940,
        366,
        plot.axes(shown),
        _band(plot, model) if reading.runs > 1 else None,
        join(_target_mark(plot, line, model, words) for line in targets),
        join(_observed_mark(plot, row, model, words) for row in observed),
        _model_line(plot, model, svg.ACCENT, bad=reading.not_converged),
        _share_labels(plot, model, observed, reading, words),
        label=words("chart.share.title"),
        least=640,
    )


def _band(plot: Plot, model: Mapping[int, Point]) -> Markup:
    """The 5-95 % band over replications."""
    there = [plot.at(year, p[2]) for year, p in model.items()]
    back = [plot.at(year, p[1]) for year, p in model.items()][::-1]
    return (
        el("path", d=svg.way([*there, *back]) + "Z", fill=svg.ACCENT, fill_opacity=0.16)
        if there
        else Markup()
    )


def _model_line(
    plot: Plot, model: Mapping[int, Point], stroke: str, width: float = 2.6, bad: Sequence[int] = ()
) -> Markup:
    """Line through the means, with a tooltip at each year; broken over years that have no value."""
    every = range(min(model), max(model) + 1) if model else range(0)
    points = [plot.at(year, model[year][0]) if year in model else (NAN, NAN) for year in every]
    dots = [
        svg.circle(
            plot.at(year, p[0]),
            4.5 if year in bad else 2.8,
            fill=svg.ALARM if year in bad else stroke,
            title=f"{year}: {percent(p[0], 2)}",
        )
        for year, p in model.items()
    ]
    return el(
        "path", d=svg.way(points), fill="none", stroke=stroke, stroke_width=width, stroke_linejoin="round"
    ) + join(dots)


def _target_mark(plot: Plot, target: TargetLine, model: Mapping[int, Point], words: Texts) -> Markup:
    """Diamond of a target with its number beside it."""
    x, y = plot.at(target.year, target.plan)
    under = target.year in model and model[target.year][0] > target.plan
    title = f"{words('word.plan')} {target.year}: {percent(target.plan)}"
    near_end = x > plot.right - 70
    kind = "word.aim" if target.target.strength == "strive" else "word.target"
    label_y = y + 24 if under else y - 14
    return (
        svg.line((x - 26, y), (x + 26, y), stroke=svg.PLAN, width=1.5)
        + svg.diamond((x, y), 8, fill=svg.PLAN, title=title)
        + svg.text(
            x + (12 if near_end else 0),
            label_y,
            f"{words(kind)} {percent(target.plan)}",
            anchor="end" if near_end else "middle",
            fill=svg.PLAN,
            bold=True,
            halo=True,
        )
    )


def _observed_mark(plot: Plot, row: Observed, model: Mapping[int, Point], words: Texts) -> Markup:
    """Open circle of a published value with its number."""
    x, y = plot.at(row.year, row.value)
    # The number stands on the side where the model's line is not.
    above = row.year not in model or model[row.year][0] < row.value
    title = f"{words('word.published')} {row.year}: {percent(row.value)}"
    return svg.circle((x, y), 5, fill=svg.PAPER, stroke=svg.INK, width=2, title=title) + svg.text(
        x, y - 11 if above else y + 21, percent(row.value), anchor="middle", size=12.5, halo=True
    )


def _share_labels(
    plot: Plot, model: Mapping[int, Point], observed: Sequence[Observed], reading: Reading, words: Texts
) -> Markup:
    """Names of line, band and points, right of the field."""
    if not model:
        return Markup()
    last, runs, at = max(model), reading.runs, plot.right + 20
    y = min(max(plot.y(model[last][0]), plot.top + 10), plot.bottom - 80)
    parts = [
        svg.text(
            at, y + 4, f"{words('word.model')} {percent(model[last][0])}", fill=svg.ACCENT, bold=True, size=15
        ),
        svg.text(
            at,
            y + 23,
            words("chart.share.one_run") if runs == 1 else words("chart.share.mean", n=runs),
            fill=svg.MUTED,
            size=12,
        ),
    ]
    rows = [y + 46]
    if runs > 1:
        parts.append(svg.rect(at, y + 34, 16, 10, fill="#d6e3e7"))
        parts.append(svg.text(at + 23, y + 43, words("chart.share.band"), fill=svg.MUTED, size=12))
        rows.append(y + 66)
    if observed:
        parts.append(svg.circle((at + 8, rows[-1] - 4), 4.5, fill=svg.PAPER, stroke=svg.INK, width=2))
        parts.append(svg.text(at + 23, rows[-1], words("word.published"), fill=svg.MUTED, size=12))
        rows.append(rows[-1] + 20)
    if reading.not_converged:
        parts.append(svg.circle((at + 8, rows[-1] - 4), 4.5, fill=svg.ALARM))
        parts.append(svg.text(at + 23, rows[-1], words("trust.bad"), fill=svg.ALARM, size=12, bold=True))
    return join(parts)


def variant_charts(reading: Reading, words: Texts) -> Markup:
    """Small multiples of the variants of the green share, all on one scale.

    Parameters
    ----------
    reading
        The runs.
    words
        Language.

    Returns
    -------
    Markup
        One small chart a variant, in a grid.
    """
    known = {name: reading.series(name) for name in VARIANTS}
    values = [v for series in known.values() for p in series.values() for v in p]
    figures = []
    for name, model in known.items():
        if not model:
            continue
        plot = Plot((44, 26, 238, 128), reading.years, values, most=3)
        ends = sorted({min(model), max(model)})
        parts = [
            plot.axes(ends, size=11.5),
            _band(plot, model) if reading.runs > 1 else None,
            _model_line(plot, model, svg.ACCENT, 2.2),
        ]
        for year in ends:
            at = plot.at(year, model[year][0])
            anchor = "middle" if len(ends) == 1 else "start" if year == ends[0] else "end"
            parts.append(
                svg.text(
                    at[0],
                    at[1] - 9,
                    percent(model[year][0]),
                    size=12.5,
                    bold=True,
                    fill=svg.ACCENT,
                    anchor=anchor,
                    halo=True,
                )
            )
        outcome = OUTCOMES[name]
        title = words.either(outcome.label_en, outcome.label_zh)
        figures.append(
            el("figure", el("figcaption", title), svg.drawing(256, 152, *parts, label=title), class_="small")
        )
    return el("div", *figures, class_="multiples")


def mode_chart(reading: Reading, words: Texts) -> Markup:
    """Mode split by year as stacked bars, green modes below a line.

    Parameters
    ----------
    reading
        The runs.
    words
        Language.

    Returns
    -------
    Markup
        The chart.
    """
    years = few_years(reading.years, MOST_BARS)
    left, right, top, bottom = 96.0, 760.0, 16.0, 396.0
    slot = min(MOST_SLOT, (right - left) / len(years))
    right = left + slot * len(years)
    width = min(56.0, 0.74 * slot)
    parts: list[Markup] = []
    ends: dict[int, list[tuple[Mode, float, float]]] = {}
    line: list[svg.XY] = []
    for k, year in enumerate(years):
        x = left + (k + 0.5) * slot - width / 2
        base, green = bottom, bottom
        for mode in Mode:
            share = reading.mean("mode_share", year, class_=mode.name.lower())
            if not math.isfinite(share):
                continue
            height = share * (bottom - top)
            base -= height
            title = f"{year} {label(mode, words.language)}: {percent(share)}"
            parts.append(svg.rect(x, base, width, max(height - 0.8, 0.2), fill=MODE_FILL[mode], title=title))
            ends.setdefault(year, []).append((mode, base + height / 2, share))
            if mode in GREEN_MODES:
                green = base
        parts.append(
            svg.text(x + width / 2, bottom + 20, str(year), anchor="middle", fill=svg.MUTED, size=12.5)
        )
        line += [(x - 4, green), (x + width + 4, green), (NAN, NAN)]
    parts.append(el("path", d=svg.way(line), stroke=svg.INK, stroke_width=2.2, fill="none"))
    if ends:
        parts += [_mode_names(ends[years[-1]], right, top, bottom, words, reading, years[-1])]
        if len(years) > 1 and years[0] in ends:
            parts += [_mode_values(ends[years[0]], left, top, bottom)]
    return svg.drawing(940, 430, *parts, label=words("chart.modes.title"), least=640)


def _mode_names(
    rows: list[tuple[Mode, float, float]],
    right: float,
    top: float,
    bottom: float,
    words: Texts,
    reading: Reading,
    year: int,
) -> Markup:
    """Names and shares of the modes right of the last bar."""
    places = svg.spread([y for _, y, _ in rows], 17, top + 6, bottom)
    out = []
    for (mode, y, share), place in zip(rows, places, strict=True):
        out.append(
            el(
                "path",
                d=svg.way([(right - 2, y), (right + 12, place)]),
                stroke=MODE_FILL[mode],
                stroke_width=1.2,
                fill="none",
            )
        )
        out.append(svg.rect(right + 14, place - 6, 12, 12, fill=MODE_FILL[mode]))
        out.append(
            svg.text(right + 33, place + 4.5, f"{label(mode, words.language)} {percent(share)}", size=13)
        )
    return join(out)


def _mode_values(rows: list[tuple[Mode, float, float]], left: float, top: float, bottom: float) -> Markup:
    """Shares of the modes left of the first bar."""
    places = svg.spread([y for _, y, _ in rows], 17, top + 6, bottom)
    out = []
    for (mode, y, share), place in zip(rows, places, strict=True):
        out.append(
            el(
                "path",
                d=svg.way([(left - 12, place), (left + 4, y)]),
                stroke=MODE_FILL[mode],
                stroke_width=1.2,
                fill="none",
            )
        )
        out.append(svg.text(left - 16, place + 4.5, percent(share), size=13, anchor="end"))
    return join(out)


def few_years(years: Sequence[int], most: int) -> list[int]:
    """Years to show: all, or evenly chosen ones with the first and the last."""
    if len(years) <= most:
        return list(years)
    return sorted({years[round(k * (len(years) - 1) / (most - 1))] for k in range(most)})
