"""Sections of the report for the ledger and for what each lever does to each target."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from transport_abm.policy.targets import Target, read_targets
from transport_abm.report import ledger_text as say
from transport_abm.report.figures import Form, form
from transport_abm.report.ledger import Entry, Ledger, clear_effects
from transport_abm.report.markup import Markup, el, join, user_text
from transport_abm.report.sections import section
from transport_abm.report.table import plain_table
from transport_abm.report.texts import Texts

COLUMNS = ("target", "year", "plan", "model", "met", "gap", "answer")
HELP, HARM = (15, 127, 107), (179, 82, 27)
"""Ends of the colours of the heat table: towards the plan, away from it."""


def ledger_section(ledger: Ledger, words: Texts, districts: Mapping[str, str] | None = None) -> Markup:
    """Every transport target beside the runs, with reasons below each.

    Parameters
    ----------
    ledger
        The ledger.
    words
        Language.
    districts
        Names of the districts in this language by their English ones, where the city is known.

    Returns
    -------
    Markup
        The section.
    """
    head = el(
        "tr", *(el("th", words(f"ledger.{name}"), scope="col", class_="n" if name in ("model", "gap") else None)
                for name in COLUMNS)
    )  # fmt: skip
    body = join(_rows(entry, ledger, words, districts) for entry in ledger.entries)
    table = el("table", el("thead", head), el("tbody", body), class_="ledger")
    lacking = (
        words("ledger.missing", list=words.join([say.outcome_label(name, words) for name in ledger.missing]))
        if ledger.missing
        else None
    )
    conflicts = [
        words(
            "ledger.conflict", lever=say.lever_moved(lever, ledger, words), helped=words.join(list(helped)),
            harmed=words.join(list(harmed)),
        )
        for lever, helped, harmed in ledger.conflicts
    ]  # fmt: skip
    context = plain_table(
        [words(f"ledger.{name}") for name in ("target", "clause", "year", "plan")],
        say.context_names(ledger.context, words),
        class_="targets",
    )
    return section(
        "ledger",
        words,
        el("p", f"{words('ledger.lead')}{words.gap}{say.basis(ledger, words)}", class_="note"),
        el("p", lacking, class_="note") if lacking else None,
        el("div", table, class_="scroll"),
        el("h3", words("ledger.conflict_list")) if conflicts else None,
        el("ul", *(el("li", text) for text in conflicts)) if conflicts else None,
        el("details", el("summary", words("ledger.context")), context),
    )


def _rows(entry: Entry, ledger: Ledger, words: Texts, districts: Mapping[str, str] | None) -> Markup:
    """One target: its numbers, and below them definition and reasons."""
    band = say.band(entry, words)
    sure = say.chance(entry, words)
    cells = [
        el("td", el("strong", entry.target.id), " ", say.clause(entry.target, words),
           el("span", f" {words(f'strength.{entry.target.strength}')}", class_="unit")),
        el("td", say.year_text(entry, words)),
        el("td", say.goal(entry.target, words)),
        el("td", say.model(entry, words), *([el("br"), el("span", band, class_="unit")] if entry.runs > 1 else []),
           class_="n"),
        el("td", sure),
        el("td", say.gap(entry, words), class_="n"),
        el("td", el("span", say.answer(entry, words), class_=f"verdict {entry.verdict}")),
    ]  # fmt: skip
    original = None if words.zh else el("span", f" {entry.target.clause_zh}", class_="zh", lang="zh-CN")
    why = [el("p", user_text(say.definition(entry.target, words)), original, class_="defined")]
    why += [
        el("p", el("b", heading), words("sentence.colon"), user_text(text))
        for heading, text in say.reasons(entry, ledger, words, districts)
    ]
    reasons = el("details", el("summary", words("ledger.why")), *why)
    return el("tr", *cells, class_="main") + el("tr", el("td", reasons, colspan=len(COLUMNS)), class_="why")


def matrix_section(matrix: pd.DataFrame, scenario: str, words: Texts) -> Markup | None:
    """What each lever does to each target, as a table of colours.

    Parameters
    ----------
    matrix
        Effects, as ``experiments.paired.lever_matrix`` gives them.
    scenario
        Name of the scenario of the report.
    words
        Language.

    Returns
    -------
    Markup | None
        The section; None for an empty matrix.
    """
    if matrix.empty:
        return None
    known = read_targets()
    clear = {
        (str(r["lever"]), str(r["target"])): int(r["sense"]) for r in clear_effects(matrix).to_dict("records")
    }
    ids = [t for t in known if t in set(matrix["target"])]
    largest = {t: _largest(matrix, t) for t in ids}
    shapes = {t: _shape(known[t], largest[t], words) for t in ids}
    head = el(
        "tr",
        el("th", words("matrix.lever"), scope="col"),
        *(
            el("th", t, el("br"), el("span", say.outcome_label(known[t].outcome, words), class_="unit"), el("br"),
               el("span", shapes[t].unit, class_="unit"), scope="col", class_="n")
            for t in ids
        ),
    )  # fmt: skip
    body = []
    for lever, part in matrix.groupby("lever", sort=False):
        cells = {str(row["target"]): row for row in part.to_dict("records")}
        name, step = (
            say.lever_name(str(lever), words),
            say.step_text(str(lever), float(part["step"].iloc[0]), words),
        )
        body.append(
            el("tr", el("th", name, el("span", f" {step}", class_="id"), scope="row"),
               *(_cell(cells.get(t), clear.get((str(lever), t), 0), largest[t], shapes[t], words) for t in ids))
        )  # fmt: skip
    failed = [
        el(
            "li",
            say.lever_name(str(row["lever"]), words),
            words("sentence.colon"),
            user_text(str(row["reason"])),
        )
        for row in matrix.loc[matrix["reason"] != "", ["lever", "reason"]]
        .drop_duplicates()
        .to_dict("records")
    ]
    other = sorted({str(name) for name in matrix["scenario"]} - {scenario})
    shares = words.join([f"{100.0 * s:g}%" for s in sorted(set(matrix["sample"]))])
    pairs = int(matrix["replications"].max())
    basis = words("matrix.basis", share=shares, city=words.join(sorted(set(matrix["city"]))), n=pairs)
    if pairs == 1:
        basis += words.gap + words("matrix.one_pair")
    years = "/".join(str(int(y)) for y in sorted(set(matrix["start_year"])))
    return section(
        "matrix",
        words,
        el("p", words("matrix.note", year=years), class_="note"),
        el("p", user_text(basis), class_="note"),
        *(el("p", user_text(words("matrix.other", name=name)), class_="note") for name in other),
        el("div", el("table", el("thead", head), el("tbody", *body), class_="heat"), class_="scroll"),
        el("details", el("summary", words("matrix.failed")), el("ul", *failed)) if failed else None,
    )


def _largest(matrix: pd.DataFrame, target: str) -> float:
    """Largest effect of any lever on a target, whatever its sign."""
    effects = matrix.loc[matrix["target"] == target, "effect"].abs()
    return float(effects.max()) if effects.notna().any() else math.nan


def _shape(target: Target, largest: float, words: Texts) -> Form:
    """How the effects on a target are written: percentage points, or the outcome's unit."""
    if target.is_share:
        return Form(0.01, 1, words("unit.points", value="").strip())
    return form(target.unit, [largest], words)


def _cell(row: Mapping[Any, Any] | None, sense: int, largest: float, shape: Form, words: Texts) -> Markup:
    """One cell: the effect, in a colour that says whether it helps."""
    if row is None or not math.isfinite(float(row["effect"])):
        return el("td", "-", class_="n")
    if sense == 0:
        return el("td", "", class_="n")
    effect = float(row["effect"])
    part = min(1.0, abs(effect) / largest) if largest > 0 else 0.0
    base = HELP if sense > 0 else HARM
    # From a tint that can be seen to one on which black can still be read.
    weight = 0.10 + 0.55 * part
    mixed = "".join(f"{round(255 - (255 - c) * weight):02x}" for c in base)
    target = read_targets()[str(row["target"])]
    tip = say.amount(target, float(row["value"]), words, sign=(target.value or 0.0) < 0.0)
    return el("td", shape(effect, sign=True), class_="n", style=f"background:#{mixed}", title=tip)
