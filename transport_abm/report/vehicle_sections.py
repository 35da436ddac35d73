"""Sections of the report on vehicles: stock, sales, plates and fleets; each appears if the runs hold its outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from transport_abm.core.vocabulary import Powertrain, VehicleClass, label
from transport_abm.policy.inputs import shipped_catalogue
from transport_abm.policy.targets import Target, read_targets
from transport_abm.report.charts import few_years
from transport_abm.report.figures import form, percent, plain
from transport_abm.report.ledger_text import outcome_label
from transport_abm.report.markup import Markup, el
from transport_abm.report.names import vehicle_class_name
from transport_abm.report.reading import Reading
from transport_abm.report.sections import figure, section
from transport_abm.report.series_charts import (
    CLASS_FILL,
    LINE_FILL,
    POWERTRAIN_FILL,
    Line,
    Mark,
    Part,
    line_chart,
    small_chart,
    stack_chart,
)
from transport_abm.report.table import plain_table
from transport_abm.report.texts import Texts

FLEETS = (
    "bus_nev_share", "taxi_nev_share", "sanitation_new_nev_share", "van_nev_share", "public_fleet_electric_share",
    "airport_electric_share", "new_nev_or_clean_share",
)  # fmt: skip
PLATES = (
    "plate_quota",
    "plate_issued",
    "plate_used",
    "plate_expired",
    "plate_waiting",
    "plate_odds",
    "plate_wait_year",
)
SHARES = ("private_nev_share", "new_nev_share_private")
PRIVATE = VehicleClass.PRIVATE_CAR.name.lower()
MOST_YEARS = 11


def vehicle_section(reading: Reading, words: Texts) -> Markup | None:
    """Stock and sales by powertrain, new-energy vehicles by class against the plan, posts."""
    figures = [
        _stock(reading, words),
        _new_energy(reading, words),
        _sales(reading, words),
        _shares(reading, words),
        _posts(reading, words),
    ]
    return section("vehicles", words, *figures) if any(figures) else None


def plate_section(reading: Reading, words: Texts) -> Markup | None:
    """Waiting lists, odds and waits, and the books of the plates."""
    if not any(name in reading.units for name in PLATES):
        return None
    figures = []
    for name in ("plate_waiting", "plate_odds", "plate_wait_year"):
        classes = [c for c in reading.classes(name) if "." in c] or [c for c in reading.classes(name) if c]
        # Odds of the pools lie far apart: each pool has its own axis.
        pools = list(dict.fromkeys(c.partition(".")[0] for c in classes)) if name == "plate_odds" else [""]
        for pool in pools:
            parts = [c for c in classes if c.partition(".")[0] == pool or not pool]
            title = outcome_label(name, words)
            if pool:
                title = words("table.of_class", name=title, class_=vehicle_class_name(pool, words))
            lines = _lines(reading, name, parts, words)
            if any(line.points for line in lines):
                cap = shipped_catalogue().parameters["plates.wait_max_year"].value
                note = words("plates.wait.note", n=f"{cap:g}") if name == "plate_wait_year" else None
                chart = line_chart(lines, reading.units[name], words, label=title)
                figures.append(figure(title, chart, note))
    rows, years = [], few_years(sorted(reading.series_years(PLATES[:4])), MOST_YEARS)
    for name in PLATES[:4]:
        for class_ in reading.classes(name):
            if "." in class_:
                values = [reading.mean(name, year, class_=class_) for year in years]
                shown = (plain(value, 0) for value in values)
                rows.append([outcome_label(name, words), vehicle_class_name(class_, words), *shown])
    head = [words("table.outcome"), words("plates.pool"), *map(str, years)]
    table = plain_table(head, rows, right=range(2, len(head)), class_="years") if rows else None
    return section("plates", words, el("p", words("plates.note"), class_="note"), *figures, table)


def fleet_section(reading: Reading, words: Texts) -> Markup | None:
    """Each fleet that the plan has a rule for, its share by year against the plan's value."""
    shown = []
    for name in FLEETS:
        points = reading.series(name)
        if not points:
            continue
        title = outcome_label(name, words)
        line = Line(title, LINE_FILL[0], points)
        chart = small_chart(
            line,
            reading.years,
            words,
            label=title,
            marks=marks(name, reading.years, words),
            band=reading.runs > 1,
        )
        target = _target(name)
        says = [words("fleets.basically")] if target is not None and target.value is None else []
        every = reading.series(name, class_="all")
        if every:
            last = max(every)
            says.append(words("fleets.all", value=percent(every[last][0]), year=last))
        notes = [el("p", text, class_="note") for text in says]
        shown.append(el("figure", el("figcaption", title), chart, *notes, class_="small"))
    if not shown:
        return None
    note = el("p", words("fleets.note"), class_="note")
    return section("fleets", words, note, el("div", *shown, class_="multiples fleets"))


def marks(outcome: str, years: Sequence[int], words: Texts) -> list[Mark]:
    """Values that the plan sets for an outcome; one without a year stands at the last year."""
    out = []
    for target in read_targets().values():
        if target.outcome == outcome and target.value is not None:
            kind = words("word.aim" if target.strength == "strive" else "word.target")
            shape = form("1" if target.is_share else target.unit, [target.value], words)
            unit = "%" if target.is_share else f" {shape.unit}"
            out.append(Mark(target.year_in(years), target.value, f"{kind} {shape(target.value)}{unit}"))
    return out


def _target(outcome: str) -> Target | None:
    """The target of an outcome."""
    return next((t for t in read_targets().values() if t.outcome == outcome), None)


def _by_powertrain(reading: Reading, outcome: str, classes: Sequence[str], words: Texts) -> list[Part]:
    """Parts of an outcome by powertrain, over some vehicle classes."""
    known = set(reading.classes(outcome))
    parts = []
    for item in Powertrain:
        name = item.name.lower()
        values: dict[int, float] = {}
        for class_ in classes:
            if f"{class_}.{name}" in known:
                for year, point in reading.series(outcome, class_=f"{class_}.{name}").items():
                    values[year] = values.get(year, 0.0) + point[0]
        parts.append(Part(label(item, words.language), POWERTRAIN_FILL[name], values))
    return parts


def by_class(reading: Reading, outcome: str, fill: Mapping[str, str], words: Texts) -> list[Part]:
    """Parts of an outcome by the classes that have a colour."""
    known = set(reading.classes(outcome))
    return [
        Part(
            _first_upper(vehicle_class_name(name, words)), colour,
            {year: p[0] for year, p in reading.series(outcome, class_=name).items()},
        )
        for name, colour in fill.items()
        if name in known
    ]  # fmt: skip


def _first_upper(name: str) -> str:
    """A name at the start of a line."""
    return name[:1].upper() + name[1:]


def _lines(reading: Reading, outcome: str, classes: Sequence[str], words: Texts) -> list[Line]:
    """One line a class."""
    return [
        Line(vehicle_class_name(c, words), LINE_FILL[k % len(LINE_FILL)], reading.series(outcome, class_=c),
             None if k < len(LINE_FILL) else "5 3")
        for k, c in enumerate(classes)
    ]  # fmt: skip


def _stock(reading: Reading, words: Texts) -> Markup | None:
    """All vehicles in use, by powertrain."""
    if "vehicle_stock" not in reading.units:
        return None
    title = words("vehicles.stock")
    parts = _by_powertrain(reading, "vehicle_stock", list(CLASS_FILL), words)
    return figure(
        title,
        stack_chart(parts, reading.units["vehicle_stock"], words, label=title),
        words("vehicles.stock.note"),
    )


def _new_energy(reading: Reading, words: Texts) -> Markup | None:
    """New-energy vehicles by class against the plan's number."""
    if "nev_stock" not in reading.units:
        return None
    title = words("vehicles.nev")
    parts = by_class(reading, "nev_stock", CLASS_FILL, words)
    if not parts:
        whole = {year: p[0] for year, p in reading.series("nev_stock").items()}
        parts = [Part(words("class.total"), LINE_FILL[0], whole)]
    found = [m for m in marks("nev_stock", reading.years, words) if m.year in reading.years]
    chart = stack_chart(parts, reading.units["nev_stock"], words, label=title, marks=found)
    return figure(title, chart, words("vehicles.nev.note"))


def _sales(reading: Reading, words: Texts) -> Markup | None:
    """Newly registered private cars by powertrain."""
    if "vehicles_new" not in reading.units:
        return None
    title = words("vehicles.sales")
    parts = _by_powertrain(reading, "vehicles_new", [PRIVATE], words)
    chart = stack_chart(parts, reading.units["vehicles_new"], words, label=title)
    # In the first year nobody buys.
    return figure(title, chart) if chart else None


def _shares(reading: Reading, words: Texts) -> Markup | None:
    """New-energy shares of private cars, in use and new."""
    names = [name for name in SHARES if reading.series(name)]
    if not names:
        return None
    lines = [
        Line(words(f"vehicles.{name}"), LINE_FILL[k], reading.series(name)) for k, name in enumerate(names)
    ]
    title = words("vehicles.shares")
    return figure(title, line_chart(lines, "1", words, label=title, band=reading.runs > 1))


def _posts(reading: Reading, words: Texts) -> Markup | None:
    """Charging posts by kind."""
    classes = [c for c in reading.classes("charging_posts") if c]
    if not classes:
        return None
    title = outcome_label("charging_posts", words)
    # Hydrogen is a fuel elsewhere, and sites here.
    lines = [
        replace(line, name=words(f"posts.{name}")) if words.has(f"posts.{name}") else line
        for name, line in zip(classes, _lines(reading, "charging_posts", classes, words), strict=True)
    ]
    return figure(title, line_chart(lines, reading.units["charging_posts"], words, label=title))
