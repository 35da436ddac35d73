"""Sections of the report that say what comes out: headline, charts, maps, table."""

from __future__ import annotations

import math

from transport_abm.networks.city import City
from transport_abm.report import ledger_text as say
from transport_abm.report.charts import mode_chart, share_chart, variant_charts
from transport_abm.report.figures import percent, plain, points, small
from transport_abm.report.frames import has_outskirts
from transport_abm.report.ledger import INTENSITY, Ledger
from transport_abm.report.maps import change_map, share_map
from transport_abm.report.markup import Markup, el, join, user_text
from transport_abm.report.metro_map import TOP_SECTIONS, line_name, metro_map, metro_sections, section_name
from transport_abm.report.reading import CONVERGED_AT, Reading, TargetLine, observed_values
from transport_abm.report.road_map import road_map
from transport_abm.report.table import plain_table, traffic_table
from transport_abm.report.texts import Texts

HEADLINE = "green_share"
CARDS = (HEADLINE, "nev_stock", INTENSITY)
"""Outcomes with a card of their own for each of their targets."""
NEAR = 5e-4
"""A gap below this share (of the plan, for a number) rounds to nothing."""
FEW_RUNS = 20
"""With fewer replications a 5-95 % band says little more than the range."""


def section(key: str, words: Texts, *content: str | None) -> Markup:
    """A section with its heading."""
    return el("section", el("h2", words(f"{key}.title")), *content, id=key.replace(".", "-"))


def figure(title: str, drawing: str, *notes: str | None) -> Markup:
    """A drawing under its title, with notes below."""
    shown = [el("p", note, class_="note") for note in notes if note]
    return el("figure", el("figcaption", title), el("div", drawing, class_="scroll"), *shown)


def alarm(reading: Reading, words: Texts) -> Markup | None:
    """Loud banner if a year is not converged."""
    years = reading.not_converged
    if not years:
        return None
    worst = max((reading.excess[year] for year in years), key=lambda e: (math.isfinite(e), e))
    shown = words("alarm.text", years=words.join([str(y) for y in years]), worst=plain(worst, 1))
    return el("div", el("strong", words("alarm.title")), " ", shown, class_="alarm", role="alert")


def headline(reading: Reading, words: Texts, ledger: Ledger) -> Markup:
    """Will the headline targets be met: one card a target, with one plain sentence each.

    Parameters
    ----------
    reading
        The runs.
    words
        Language.
    ledger
        The ledger, which knows whether an answer is robust.

    Returns
    -------
    Markup
        The section.
    """
    cards = [
        _card(reading, line, words, ledger)
        for name in CARDS
        for line in reading.targets
        if line.outcome == name and (name == HEADLINE or name in reading.units)
    ]
    if reading.runs == 1:
        sure = words("headline.one_run")
    else:
        kind = "headline.band_uncertain" if ledger.uncertain else "headline.band"
        sure = words(kind, n=reading.runs)
        if reading.runs < FEW_RUNS:
            sure += words.gap + words("headline.few_runs")
    return section(
        "headline",
        words,
        el("div", *cards, class_="cards"),
        el("p", sure, class_="note"),
    )


def _card(reading: Reading, line: TargetLine, words: Texts, ledger: Ledger) -> Markup:
    """One target: model, plan, gap, band, how sure."""
    kind = words("word.aim" if line.target.strength == "strive" else "word.target")
    top = el("h3", words("headline.card", year=line.year, kind=kind, plan=say.goal(line.target, words)))
    if not line.runs or not math.isfinite(line.mean):
        one = "_one" if reading.first_year == reading.last_year else ""
        text = words(
            f"headline.no_year{one}", first=reading.first_year, last=reading.last_year, year=line.year
        )
        what = el("span", words(f"headline.model.{line.outcome}"))
        return el("article", top, el("p", "- ", what, class_="big"), el("p", text), class_="card")
    excess = reading.excess.get(line.year, float("nan"))
    good = excess <= CONVERGED_AT
    met_all, met_none = line.met == line.runs, line.met == 0
    rows = [
        (words("word.plan"), _told(line, line.plan, words)),
        (words("headline.gap"), say.difference(line.target, line.gap, words)),
        (
            words("headline.band_name"),
            say.band(ledger[line.target.id], words) if line.runs > 1 else words("headline.no_band"),
        ),
        (
            words("headline.sure"),
            words("headline.met_share", met=line.met, runs=line.runs, share=percent(line.met / line.runs, 0)),
        ),
    ]
    robust = ledger[line.target.id].robust
    if robust is not None:
        rows.append((words("ledger.robust"), words(f"ledger.robust_why.{robust}")))
    facts = el("dl", *(el("dt", name) + el("dd", value) for name, value in rows))
    chip = el(
        "p",
        words("gap.good" if good else "gap.bad", excess=small(excess) if good else plain(excess, 1)),
        class_="chip" if good else "chip bad",
    )
    number, _, unit = _told(line, line.mean, words).partition(" ")
    mood = "unknown" if not good else "met" if met_all else "missed" if met_none else "open"
    return el(
        "article",
        top,
        el(
            "p", number, el("span", f"{unit} {words(f'headline.model.{line.outcome}')}".strip()), class_="big"
        ),
        el("p", _sentence(line, words, good), class_="sentence"),
        facts,
        chip,
        class_=f"card {mood}",
    )


def _told(line: TargetLine, value: float, words: Texts) -> str:
    """A value of a target's outcome; a change keeps its sign."""
    return say.amount(line.target, value, words, sign=line.plan < 0.0)


def _sentence(line: TargetLine, words: Texts, converged: bool) -> str:
    """The answer in one sentence; the verdict follows the unrounded number."""
    met_all, met_none = line.met == line.runs, line.met == 0
    if not converged:
        return words("headline.unknown", year=line.year, value=_told(line, line.mean, words))
    side = "above" if line.gap > 0 else "below"
    if line.target.is_share:
        distance = words("unit.points_long", value=plain(abs(100.0 * line.gap), 1))
    else:
        distance = say.amount(line.target, abs(line.gap), words)
    near = abs(line.gap) < NEAR * (1.0 if line.target.is_share else abs(line.plan))
    where = words("headline.at") if near else words(f"headline.{side}", distance=distance)
    number = "one" if line.runs == 1 else "many"
    verdict = "met" if met_all else "missed" if met_none else "open"
    kind = words("word.aim_of" if line.target.strength == "strive" else "word.target_of")
    return words(
        f"headline.{verdict}.{number}",
        year=line.year,
        what=words(f"headline.what.{line.outcome}"),
        value=_told(line, line.mean, words),
        where=where,
        kind=kind,
        met=line.met,
        runs=line.runs,
    )


def share_section(reading: Reading, words: Texts) -> Markup:
    """Green share against the plan, with its variants."""
    sources = [
        words(
            "chart.share.source",
            year=row.year,
            value=percent(row.value),
            source=words.translate(row.source),
            tag=words(f"tag.{row.tag}"),
        )
        for row in observed_values(HEADLINE)
    ]
    return section(
        "chart.share",
        words,
        figure(words("chart.share.caption"), share_chart(reading, words), words("chart.share.note")),
        el(
            "details",
            el("summary", words("chart.share.sources")),
            el("ul", *(el("li", s) for s in sources)),
            open="open",
        ),
        el("h3", words("chart.variants.title")),
        el("p", words("chart.variants.note"), class_="note"),
        variant_charts(reading, words),
    )


def mode_section(reading: Reading, words: Texts) -> Markup:
    """Mode split by year."""
    return section(
        "chart.modes",
        words,
        figure(words("chart.modes.caption"), mode_chart(reading, words), words("chart.modes.note")),
    )


def district_section(reading: Reading, city: City | None, words: Texts, credit: str | None) -> Markup:
    """Green share by district, and its change."""
    first, last = reading.first_year, reading.last_year
    names = sorted({str(name) for name in reading.frame["district"].unique()} - {""})
    now = {name: reading.mean(HEADLINE, last, district=name) for name in names}
    change = {name: now[name] - reading.mean(HEADLINE, first, district=name) for name in names}
    if city is None:
        head = [words("map.district"), str(last), words("map.change.legend")]
        rows = [[user_text(name), percent(now[name]), points(change[name], words)] for name in names]
        return section("map", words, plain_table(head, rows, right=(1, 2)))
    parts = [
        figure(
            words("map.share.title", year=last),
            share_map(city, now, last, words, credit),
            words("map.share.note"),
            words.phrase(str(city.meta["note"])) if "note" in city.meta else None,
        )
    ]
    if first < last:
        parts.append(
            figure(
                words("map.change.title", first=first, last=last),
                change_map(city, change, first, last, words, credit),
            )
        )
    return section("map", words, *parts)


def road_section(reading: Reading, city: City, words: Texts, credit: str | None) -> Markup | None:
    """Load of the roads in the last recorded year."""
    year = reading.flow_year("roads")
    if year is None:
        return None
    flows = reading.flows("roads", year)
    title = words("map.road.caption", year=year)
    wide = words("map.road.wide", year=year)
    maps = [
        figure(
            title,
            road_map(city, flows, words, title=title, credit=credit, central=True),
            words("map.road.note"),
        )
    ]
    if has_outskirts(city):
        maps.append(figure(wide, road_map(city, flows, words, title=wide, credit=credit, central=False)))
    return section("map.road", words, *maps)


def metro_section(reading: Reading, city: City, words: Texts, credit: str | None) -> Markup | None:
    """Load of the metro in the morning peak of the last recorded year."""
    year = reading.flow_year("transit")
    if year is None:
        return None
    flows = reading.flows("transit", year)
    title = words("map.metro.caption", year=year)
    head = [words(f"map.metro.{name}") for name in ("rank", "line", "section", "passengers", "load")]
    rows = [
        [
            str(k + 1),
            user_text(line_name(city, s, words)),
            user_text(section_name(city, s, words)),
            plain(s.passengers_h, 0),
            percent(s.load, 0),
        ]
        for k, s in enumerate(metro_sections(city, flows)[:TOP_SECTIONS])
    ]
    return section(
        "map.metro",
        words,
        figure(title, metro_map(city, flows, words, title=title, credit=credit), words("map.metro.note")),
        el("h3", words("map.metro.top")),
        plain_table(head, rows, right=(3, 4)),
    )


def table_section(reading: Reading, words: Texts) -> Markup:
    """Traffic outcomes by year."""
    note = words("table.note_mean", n=reading.runs) if reading.runs > 1 else words("table.note_one")
    return section(
        "table",
        words,
        el("p", join([note, words("table.note")], words.gap), class_="note"),
        traffic_table(reading, words),
    )
