"""The ladder of traffic rungs as a page: one year on each rung side by side, and where the differences come from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from transport_abm.experiments.ladder import RungRun, ladder_table
from transport_abm.outcomes import OUTCOMES
from transport_abm.report.figures import form, percent, plain, points
from transport_abm.report.markup import el, user_text
from transport_abm.report.page import document, write_page
from transport_abm.report.reading import observed_values
from transport_abm.report.table import class_name, plain_table
from transport_abm.report.texts import Texts, texts

COSTS = ("seconds", "set_up_s", "peak_gb")
"""Rows of the table that are no outcomes."""
SMALL = 0.02
"""Differences of times and hours below this share are not spoken of [1]."""
PLAIN = (("gap", "excess"), ("gap", "iterations"))
"""Rows that are numbers and no shares."""
PARTS = ("free", "below", "near")
WHOLES = ("road_hours",)
"""Outcomes of which the table has the parts beside the whole."""


def ladder_rows(runs: Sequence[RungRun], words: Texts) -> list[tuple[str, ...]]:
    """The table for people: name, unit, a cell for each rung, what was observed.

    Parameters
    ----------
    runs
        One run for each rung.
    words
        Language.

    Returns
    -------
    list
        Cells of each row; a dash where a rung has no value. The last cell is the published value
        of the nearest year, if there is one.
    """
    table, year = ladder_table(runs), _year(runs)
    rows = []
    for row in table.to_dict("records"):
        values = [float(row[run.rung]) for run in runs]
        plain_number = (row["outcome"], row["class"]) in PLAIN
        # Parts of a sum stand in the unit of the whole.
        whole = table[table["outcome"] == row["outcome"]] if row["outcome"] in WHOLES else None
        size = values if whole is None else whole[[run.rung for run in runs]].to_numpy(float).ravel().tolist()
        how = form("" if plain_number else str(row["unit"]), size, words)
        published = observed_values(str(row["outcome"]), str(row["class"]))
        nearest = min(published, key=lambda one: abs(one.year - year), default=None)
        seen = "" if nearest is None else f"{how(nearest.value)} ({nearest.year})"
        rows.append((_name(str(row["outcome"]), str(row["class"]), words), how.unit, *map(how, values), seen))
    return rows


def _year(runs: Sequence[RungRun]) -> int:
    """The year that is compared."""
    case = runs[0].manifest["scenario"]
    assert isinstance(case, dict)
    return int(case["years"][1])


def _name(outcome: str, class_: str, words: Texts) -> str:
    """Label of a row."""
    if outcome in COSTS:
        return words(f"ladder.{outcome}")
    known = OUTCOMES[outcome]
    name = words.either(known.label_en, known.label_zh)
    return words("table.of_class", name=name, class_=class_name(class_, words)) if class_ else name


def explain(runs: Sequence[RungRun], words: Texts) -> list[str]:
    """Where the differences between neighbouring rungs come from, in sentences with the runs' own numbers.

    Parameters
    ----------
    runs
        One run for each rung, from the lowest.
    words
        Language.

    Returns
    -------
    list
        Sentences.
    """
    said = []
    for low, high in pairwise(runs):
        names = {"a": low.rung, "b": high.rung}
        a, b = low.value("car_time", "am"), high.value("car_time", "am")
        said.append(words("ladder.car_time", **names, at_a=plain(a, 1), at_b=plain(b, 1)))
        total = low.value("road_hours")
        change = {part: high.value("road_hours", part) - low.value("road_hours", part) for part in PARTS}
        for part in PARTS:
            if total > 0 and abs(change[part]) > SMALL * total:
                share = percent(change[part] / total, 0, sign=True)
                said.append(words(f"ladder.hours.{part}", **names, share=share))
                reason = f"ladder.hours.{part}.{high.rung}"
                if words.has(reason):
                    said[-1] += words.gap + words(reason)
        said.append(
            words(
                "ladder.choices", **names,
                green=points(high.value("green_share") - low.value("green_share"), words),
                car=points(high.value("mode_share", "car_driver") - low.value("mode_share", "car_driver"), words),
            )
        )  # fmt: skip
        said.append(
            words(
                f"ladder.why.{high.rung}",
                gap_a=percent(low.value("gap", "road")),
                gap_b=percent(high.value("gap", "road")),
            )
        )
    for run in runs:
        released = run.value("queue", "released")
        if released == released:
            late = run.value("queue", "late")
            said.append(words("ladder.released", released=percent(released, 2), late=percent(late, 2)))
        if run.value("gap", "excess") > 1.0:
            said.append(words("ladder.unsettled", a=run.rung, excess=plain(run.value("gap", "excess"), 2)))
    return said


def write_ladder(runs: Sequence[RungRun], path: Path, *, language: str = "en") -> Path:
    """Write the ladder as one self-contained HTML file.

    Parameters
    ----------
    runs
        One run for each rung, from the lowest.
    path
        File.
    language
        ``en`` or ``zh``.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    words = texts(language)
    case = runs[0].manifest["scenario"]
    assert isinstance(case, dict)
    title = words("ladder.title", name=case["name"], year=_year(runs))
    facts = words("ladder.facts", share=f"{100.0 * float(case['sample']):g}%", city=case["city"])
    head = [
        words("ladder.what"),
        words("ladder.unit"),
        *(words(f"source.traffic.{run.rung}") for run in runs),
        words("word.observed"),
    ]
    body = [
        el("header", el("h1", title), el("p", user_text(facts), class_="facts-line")),
        el(
            "section",
            el("h2", words("ladder.side")),
            plain_table(head, ladder_rows(runs, words), right=tuple(range(2, 3 + len(runs)))),
        ),
        el(
            "section", el("h2", words("ladder.why")), el("ul", *(el("li", text) for text in explain(runs, words)))
        ),
        el("footer", words("page.footer")),
    ]  # fmt: skip
    return write_page(path, document(title, body, words))
