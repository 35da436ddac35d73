"""Section of the report on carbon: by class and accounting mode, the intensity in every scope, and why it changes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from transport_abm.core.vocabulary import Accounting, Scope, label
from transport_abm.policy.targets import read_targets
from transport_abm.report.figures import form, percent
from transport_abm.report.ledger import CHANGE_BY, INTENSITY, INTENSITY_BY
from transport_abm.report.markup import Markup, el, join, user_text
from transport_abm.report.names import vehicle_class_name
from transport_abm.report.reading import Reading
from transport_abm.report.sections import figure, section
from transport_abm.report.series_charts import (
    CONSUMER_FILL,
    FUEL_FILL,
    LINE_FILL,
    MODE_FILL,
    Line,
    change_chart,
    line_chart,
    stack_chart,
)
from transport_abm.report.table import plain_table
from transport_abm.report.texts import Texts
from transport_abm.report.vehicle_sections import by_class, marks

SHORT = re.compile("[:：]")
"""A scope's short name ends where it is explained."""
HEADLINE = f"{Scope.S2.name}.{Accounting.PROVINCIAL.name}".lower()
"""Pair of scope and accounting mode that the ledger's number is of."""


def carbon_section(
    reading: Reading, words: Texts, districts: Mapping[str, str] | None = None
) -> Markup | None:
    """CO2 by class, fuel, mode, district, scope and accounting mode, with the plan's intensity target."""
    figures = [
        _stack(reading, "co2", "carbon.by_class", CONSUMER_FILL, words),
        _accounting(reading, words),
        _intensity(reading, words),
        _scopes(reading, words),
        _changes(reading, INTENSITY_BY, "carbon.intensity_change", words),
        _changes(reading, CHANGE_BY, "carbon.change", words),
        _stack(reading, "co2_fuel", "carbon.fuel", FUEL_FILL, words),
        _stack(reading, "co2_mode", "carbon.mode", MODE_FILL, words),
        _districts(reading, words, districts),
        _stack(reading, "energy", "carbon.energy", FUEL_FILL, words),
        _published(reading, words),
    ]
    return section("carbon", words, *figures) if any(figures) else None


def _stack(reading: Reading, outcome: str, key: str, fill: Mapping[str, str], words: Texts) -> Markup | None:
    """An outcome by its classes, stacked."""
    parts = by_class(reading, outcome, fill, words)
    if not parts:
        return None
    title = words(key)
    note = words(f"{key}.note") if words.has(f"{key}.note") else None
    return figure(title, stack_chart(parts, reading.units[outcome], words, label=title), note)


def _accounting(reading: Reading, words: Texts) -> Markup | None:
    """City total by accounting mode."""
    known = set(reading.classes("co2_total"))
    lines = [
        Line(
            label(item, words.language),
            LINE_FILL[item],
            reading.series("co2_total", class_=item.name.lower()),
        )
        for item in Accounting
        if item.name.lower() in known
    ]
    if not lines:
        return None
    title = words("carbon.accounting")
    chart = line_chart(lines, reading.units["co2_total"], words, label=title, band=reading.runs > 1)
    return figure(title, chart, words("carbon.accounting.note"))


def _intensity(reading: Reading, words: Texts) -> Markup | None:
    """Change of the intensity since 2020 by scope, under the headline's accounting mode."""
    mode = HEADLINE.partition(".")[2]
    lines = [
        Line(SHORT.split(label(item, words.language))[0], LINE_FILL[item],
             reading.series(INTENSITY, class_=f"{item.name.lower()}.{mode}"))
        for item in Scope
        if f"{item.name.lower()}.{mode}" in reading.classes(INTENSITY)
    ]  # fmt: skip
    if not lines and reading.series(INTENSITY):
        lines = [Line(words("class.total"), LINE_FILL[0], reading.series(INTENSITY))]
    if not lines:
        return None
    title = words("carbon.intensity")
    found = [m for m in marks(INTENSITY, reading.years, words) if m.year in reading.years]
    chart = line_chart(lines, "1", words, label=title, marks=found, band=reading.runs > 1)
    return figure(title, chart, words("carbon.intensity.note", mode=vehicle_class_name(mode, words)))


def _scopes(reading: Reading, words: Texts) -> Markup | None:
    """The intensity in every scope and accounting mode, in the target's year or the last one."""
    known = set(reading.classes(INTENSITY))
    if not any("." in name for name in known):
        return None
    target = next(t for t in read_targets().values() if t.outcome == INTENSITY)
    year = target.year if target.year in reading.years else reading.last_year
    head = el(
        "tr",
        el("th", words("carbon.scope"), scope="col"),
        *(el("th", label(a, words.language), scope="col", class_="n") for a in Accounting),
    )
    body = []
    for s in Scope:
        cells = []
        for a in Accounting:
            name = f"{s.name}.{a.name}".lower()
            mean, low, high = reading.point(INTENSITY, year, class_=name)
            good = target.is_met(mean) if math.isfinite(mean) else None
            kind = "" if good is None else " good" if good else " short"
            tip = words("table.band", low=percent(low, sign=True), high=percent(high, sign=True))
            shown = percent(mean, sign=True)
            cell = el("strong", shown) if name == HEADLINE else shown
            cells.append(el("td", cell, class_=f"n{kind}", title=tip if reading.runs > 1 else None))
        body.append(el("tr", el("th", label(s, words.language), scope="row"), join(cells)))
    table = el("div", el("table", el("thead", head), el("tbody", *body), class_="scopes"), class_="scroll")
    return figure(words("carbon.scopes", year=year), table, words("carbon.scopes.note"))


def _districts(reading: Reading, words: Texts, districts: Mapping[str, str] | None) -> Markup | None:
    """CO2 by district in the first and the last year, and new-energy vehicles of the last."""
    names = sorted({str(name) for name in reading.frame["district"].unique()} - {""})
    first, last = reading.first_year, reading.last_year
    unit = reading.units.get("co2", "")
    known = {name: [reading.mean("co2", year, district=name) for year in (first, last)] for name in names}
    known = {name: value for name, value in known.items() if math.isfinite(value[1])}
    if not known:
        return None
    shape = form(unit, [value for both in known.values() for value in both], words)
    cars = form("vehicles", [0.0], words)
    rows = [
        [
            user_text((districts or {}).get(name) or words.translate(name)), shape(before), shape(after),
            percent(after / before - 1.0, 0, sign=True) if before > 0.0 else "-",
            cars(reading.mean("nev_stock", last, district=name)),
            percent(reading.mean("private_nev_share", last, district=name)),
        ]
        for name, (before, after) in sorted(known.items(), key=lambda item: -item[1][1])
    ]  # fmt: skip
    head = [
        words("map.district"), f"{first}, {shape.unit}", f"{last}, {shape.unit}", words("carbon.district.change"),
        words("carbon.district.nev", year=last), words("carbon.district.private", year=last),
    ]  # fmt: skip
    table = plain_table(head, rows, right=range(1, len(head)))
    return figure(words("carbon.district"), table, words("carbon.district.note"))


def _published(reading: Reading, words: Texts) -> Markup | None:
    """CO2 of the base year beside published totals, with the gap."""
    ending = ".model"
    names = [name.removesuffix(ending) for name in reading.classes("co2_published") if name.endswith(ending)]
    rows = []
    for name in names:
        found = [
            next(iter(reading.series("co2_published", class_=f"{name}.{part}").values()), (math.nan,))[0]
            for part in ("model", "published", "gap")
        ]
        shape = form(reading.units["co2_published"], found[:2], words)
        rows.append([words.phrase(name), shape(found[0]), shape(found[1]), percent(found[2], 0, sign=True)])
    if not rows:
        return None
    head = [words("carbon.what"), words("carbon.model_mt"), words("carbon.published_mt"), words("ledger.gap")]
    table = plain_table(head, rows, right=(1, 2, 3))
    return figure(words("carbon.published"), table, words("carbon.published.note"))


def _changes(reading: Reading, outcome: str, key: str, words: Texts) -> Markup | None:
    """Why an outcome of the last year changed, by factor."""
    names = [name for name in reading.classes(outcome) if name and "." not in name]
    year = reading.last_year
    rows = [
        (words(f"class.{n}") if words.has(f"class.{n}") else n, reading.mean(outcome, year, class_=n))
        for n in names
    ]
    rows = [row for row in rows if math.isfinite(row[1])]
    if not rows:
        return None
    title = words(key, year=year)
    chart = change_chart(rows, reading.units[outcome], words, label=title)
    return figure(title, chart, words("carbon.change.note"))
