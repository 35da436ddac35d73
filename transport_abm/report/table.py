"""Tables of the report: traffic outcomes by year, and plain tables."""

from __future__ import annotations

import math
from collections.abc import Sequence

from transport_abm.core.vocabulary import Mode, Period, TransitMode, label
from transport_abm.outcomes import OUTCOMES
from transport_abm.report.charts import VARIANTS, few_years
from transport_abm.report.figures import Form, form
from transport_abm.report.markup import Markup, el, join, user_text
from transport_abm.report.names import is_vehicle_class, vehicle_class_name
from transport_abm.report.reading import Reading, observed_values
from transport_abm.report.texts import Texts

MODES = tuple(mode.name.lower() for mode in Mode)
PEAKS = (Period.AM.name.lower(), Period.PM.name.lower())
GROUPS: tuple[tuple[str, tuple[tuple[str, tuple[str, ...]], ...]], ...] = (
    ("table.speed", (("network_speed", PEAKS), ("bus_speed", PEAKS), ("car_time", PEAKS))),
    (
        "table.trips",
        (
            ("trips", ("",)),
            ("trips_city", ("",)),
            ("mean_distance", ("",)),
            ("commute_distance", ("",)),
            ("commute_share_am", ("",)),
        ),
    ),
    ("table.passenger_km", (("passenger_km", ("", *MODES)),)),
    ("table.car", (("car_km", ("", "private", "hired")),)),
    (
        "table.transit",
        (
            ("boardings", ("bus", "metro")),
            ("crowding", ("over_capacity", "mean_load")),
            ("metro_length", ("",)),
        ),
    ),
    ("table.people", (("residents", ("",)),)),
)
"""Rows of the table in their groups: outcome and its classes. Any other outcomes follow by themselves."""
VEHICLES = frozenset(
    name for name, item in OUTCOMES.items() if not item.measure.__module__.endswith(".outcomes.travel")
)
"""Outcomes with many classes, which have sections of their own: the table holds their totals."""
ELSEWHERE = frozenset({*VARIANTS, "mode_share", "gap", "converged"})
MOST_YEARS = 11


def class_name(class_: str, words: Texts) -> str:
    """Label of a class of an outcome."""
    if class_.upper() in Mode.__members__:
        return label(Mode[class_.upper()], words.language)
    for kind in (Period, TransitMode):
        if class_.upper() in kind.__members__:
            return label(kind[class_.upper()], words.language)
    if is_vehicle_class(class_):
        return vehicle_class_name(class_, words)
    return words(f"class.{class_}") if words.has(f"class.{class_}") else class_


def outcome_name(outcome: str, class_: str, words: Texts, *, short: bool = False) -> str:
    """Label of an outcome with its class."""
    known = OUTCOMES.get(outcome)
    name = words.either(known.label_en, known.label_zh) if known else outcome
    if not class_:
        return name
    return (
        class_name(class_, words)
        if short
        else words("table.of_class", name=name, class_=class_name(class_, words))
    )


def plain_table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[int] = (),
    class_: str | None = None,
) -> Markup:
    """A table with a head; the columns named in ``right`` hold numbers."""
    top = el(
        "tr",
        *(el("th", name, scope="col", class_="n" if k in right else None) for k, name in enumerate(head)),
    )
    body = [
        el("tr", *(el("td", cell, class_="n" if k in right else None) for k, cell in enumerate(row)))
        for row in rows
    ]
    return el("div", el("table", el("thead", top), el("tbody", *body), class_=class_), class_="scroll")


def traffic_table(reading: Reading, words: Texts) -> Markup:
    """Traffic outcomes by year: means over the replications, with units and published values.

    Parameters
    ----------
    reading
        The runs.
    words
        Language.

    Returns
    -------
    Markup
        The table.
    """
    years = few_years(reading.years, MOST_YEARS)
    named = {outcome for _, rows in GROUPS for outcome, _ in rows} | ELSEWHERE
    vehicles = tuple((name, _totals(reading, name)) for name in reading.units if name in VEHICLES)
    named |= VEHICLES
    others = tuple(
        (outcome, tuple(reading.classes(outcome))) for outcome in reading.units if outcome not in named
    )
    head = [el("th", words("table.outcome"), scope="col")]
    head += [el("th", str(year), scope="col", class_="n") for year in years]
    head.append(el("th", words("word.observed"), scope="col", class_="n"))
    body: list[Markup] = []
    for group, outcomes in (*GROUPS, ("table.vehicles", vehicles), ("table.other", others)):
        rows = [
            row
            for outcome, classes in outcomes
            if outcome in reading.units
            for row in _rows(reading, outcome, classes, years, words)
        ]
        if rows:
            body.append(el("tr", el("th", words(group), colspan=len(head), scope="colgroup"), class_="group"))
            body += rows
    table = el("table", el("thead", el("tr", *head)), el("tbody", *body), class_="years")
    return el("div", table, class_="scroll")


def _totals(reading: Reading, outcome: str) -> tuple[str, ...]:
    """The total of an outcome; the classes that are not parts of another one where it has no total."""
    classes = reading.classes(outcome)
    return ("",) if "" in classes else tuple(name for name in classes if "." not in name)


def _rows(
    reading: Reading, outcome: str, classes: Sequence[str], years: Sequence[int], words: Texts
) -> list[Markup]:
    """One outcome with its classes; parts of a total are written like the total, which leads them."""
    shapes = {
        class_: form(
            reading.units[outcome], [reading.mean(outcome, year, class_=class_) for year in years], words
        )
        for class_ in classes
    }
    whole = shapes.get("") if len(classes) > 1 else None
    return [_row(reading, outcome, class_, years, words, shapes[class_], whole) for class_ in classes]


def _row(
    reading: Reading,
    outcome: str,
    class_: str,
    years: Sequence[int],
    words: Texts,
    own: Form,
    whole: Form | None,
) -> Markup:
    """One outcome or one class of it by year."""
    points = [reading.point(outcome, year, class_=class_) for year in years]
    short = whole is not None and class_ != ""
    shape = own
    if (
        short
        and whole is not None
        and max((abs(p[0]) for p in points if math.isfinite(p[0])), default=0.0) >= 0.1 * whole.scale
    ):
        shape = whole
    cells = []
    for p in points:
        tip = (
            words("table.band", low=shape(p[1]), high=shape(p[2]))
            if reading.runs > 1 and math.isfinite(p[0])
            else None
        )
        cells.append(el("td", shape(p[0]), class_="n", title=tip))
    published = observed_values(outcome, class_)
    shown = (
        el(
            "span",
            f"{shape(published[-1].value)} ({published[-1].year})",
            title=words.translate(published[-1].source),
        )
        if published
        else None
    )
    name = user_text(outcome_name(outcome, class_, words, short=short))
    unit = (
        None
        if short and whole is not None and shape.unit == whole.unit
        else el("span", f" {shape.unit}", class_="unit")
    )
    return el(
        "tr",
        el("th", name, unit, scope="row", class_="sub" if short else None),
        join(cells),
        el("td", shown, class_="n"),
    )
