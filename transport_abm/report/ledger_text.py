"""The ledger in words: what a terminal and a page both say of a target."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from transport_abm.core.vocabulary import Mode, label
from transport_abm.outcomes import OUTCOMES
from transport_abm.policy.levers import read_levers
from transport_abm.policy.scenario import FIRST_YEAR
from transport_abm.policy.targets import Target, read_targets
from transport_abm.report.figures import MISSING, form, percent, plain, points
from transport_abm.report.ledger import INTENSITY, Closer, Driver, Entry, Ledger, Variant
from transport_abm.report.names import vehicle_class_name
from transport_abm.report.texts import Texts

SIGNS = {">=": "≥", "<=": "≤", "<": "<"}
MOST_CLOSERS = 5


def clause(target: Target, words: Texts) -> str:
    """Text of the plan in this language."""
    return words.either(target.clause_en, target.clause_zh)


def definition(target: Target, words: Texts) -> str:
    """Domain, exemptions and how the words are read."""
    out = words("ledger.clause_of", clause=target.section)
    out += words.gap + words("ledger.domain", domain=words.translate(target.domain))
    if target.exemptions:
        listed = words.join([words.translate(item) for item in target.exemptions])
        out += words.gap + words("ledger.exempt", list=listed)
    return out + words.gap + words.translate(target.note)


def amount(target: Target, value: float, words: Texts, *, unit: str = "", sign: bool = False) -> str:
    """A value of a target's outcome with its unit."""
    if not math.isfinite(value):
        return MISSING
    if target.is_share:
        return percent(value, sign=sign)
    shape = form(unit or target.unit, [value, target.value or 0.0], words)
    return f"{shape(value, sign=sign)} {shape.unit}"


def difference(target: Target, value: float, words: Texts, *, unit: str = "") -> str:
    """A difference of two values: shares in percentage points."""
    if not math.isfinite(value):
        return MISSING
    if target.is_share:
        return points(value, words)
    shape = form(unit or target.unit, [value], words)
    return f"{shape(value, sign=True)} {shape.unit}"


def goal(target: Target, words: Texts) -> str:
    """Comparator and value of the plan."""
    if target.value is None or target.comparator is None:
        return words("ledger.no_number")
    if target.unit == "year":
        return f"{SIGNS[target.comparator]} {target.value:.0f}"
    if not target.is_share:
        return f"{SIGNS[target.comparator]} {amount(target, target.value, words)}"
    # The plan's own digits: 76.5, not 76.50, and 100, not 100.0.
    shown = f"{100.0 * target.value:.6g}".replace("-", "\u2212")
    return f"{SIGNS[target.comparator]} {shown}%"


def year_text(entry: Entry, words: Texts) -> str:
    """Year of a target; one that the text does not name is marked."""
    if entry.year is None:
        return MISSING
    return str(entry.year) if entry.target.year is not None else words("ledger.last_year", year=entry.year)


def model(entry: Entry, words: Texts) -> str:
    """Mean of the runs."""
    return amount(entry.target, entry.mean, words, unit=entry.unit, sign=(entry.target.value or 0.0) < 0.0)


def band(entry: Entry, words: Texts) -> str:
    """5-95 % band of the runs; a dash for one run."""
    if entry.runs < 2:
        return MISSING
    sign = (entry.target.value or 0.0) < 0.0
    if entry.target.is_share:
        return f"{percent(entry.low, sign=sign)} – {percent(entry.high, sign=sign)}"
    shape = form(entry.unit, [entry.low, entry.high, entry.target.value or 0.0], words)
    return f"{shape(entry.low, sign=sign)} – {shape(entry.high, sign=sign)} {shape.unit}"


def gap(entry: Entry, words: Texts) -> str:
    """Model less plan."""
    return difference(entry.target, entry.gap, words, unit=entry.unit)


def chance(entry: Entry, words: Texts) -> str:
    """Runs that meet the target, with Wilson's interval."""
    if entry.met is None or not entry.runs:
        return MISSING
    low, high = (percent(end, 0) for end in entry.interval)
    return words("ledger.chance", met=entry.met, runs=entry.runs, low=low, high=high)


def answer(entry: Entry, words: Texts) -> str:
    """The verdict in a word or two."""
    if entry.missing:
        return words(f"ledger.missing.{entry.missing}", year=entry.year)
    verdict = words(f"ledger.verdict.{entry.verdict}")
    if entry.robust is not None and entry.verdict in ("met", "missed", "open"):
        verdict += words.gap + words(f"ledger.robust.{entry.robust}")
    return verdict


def reasons(
    entry: Entry, ledger: Ledger, words: Texts, districts: Mapping[str, str] | None = None
) -> list[tuple[str, str]]:
    """Why: heading and text of each kind of reason that there is.

    Parameters
    ----------
    entry
        A target beside the runs.
    ledger
        The ledger it stands in.
    words
        Language.
    districts
        Names of the districts in this language by their English ones, where the city is known.

    Returns
    -------
    list[tuple[str, str]]
        Headings with their texts, in reading order.
    """
    semicolon = "；" if words.zh else "; "
    robust = [words(f"ledger.robust_why.{entry.robust}")] if entry.robust is not None else []
    out: list[tuple[str, list[str]]] = [
        ("ledger.robust", robust),
        ("ledger.variants", variants(entry, words)),
        ("ledger.factors", [driver(d, entry, words) for d in entry.drivers if d.kind == "factor"]),
        ("ledger.lacking", [driver(d, entry, words) for d in entry.drivers if d.kind == "lacking"]),
        ("ledger.changes", [driver(d, entry, words) for d in entry.drivers if d.kind == "change"]),
        ("ledger.parts", [driver(d, entry, words) for d in entry.drivers if d.kind == "part"]),
        (
            "ledger.drivers",
            [lever_driver(d, entry, ledger, words) for d in entry.drivers if d.kind == "lever"],
        ),
        ("ledger.closers", _closers(entry, ledger, words)),
        ("ledger.conflicts", conflicts(entry, ledger, words)),
        (_district_heading(entry, words), _district_texts(entry, words, districts or {})),
    ]
    return [(words(key), semicolon.join(texts)) for key, texts in out if texts]


def _district_heading(entry: Entry, words: Texts) -> str:
    """Heading of the districts; where not all that the target counts has a district, it says what has."""
    own = f"ledger.districts.{entry.target.outcome}"
    return own if words.has(own) else "ledger.districts"


def _district_texts(entry: Entry, words: Texts, districts: Mapping[str, str]) -> list[str]:
    """Districts with their values; one text where all are alike."""
    shown = [
        (_place(name, districts, words), amount(entry.target, value, words, unit=entry.unit))
        for name, value in entry.districts
    ]
    values = {value for _, value in shown}
    if len(shown) > 1 and len(values) == 1:
        return [words("ledger.every_district", n=len(shown), value=values.pop())]
    return [f"{name} {value}" for name, value in shown]


def _place(name: str, districts: Mapping[str, str], words: Texts) -> str:
    """Name of a district; an empty one is what has none."""
    return (districts.get(name) or words.translate(name)) if name else words("ledger.no_district")


def lever_name(lever: str, words: Texts) -> str:
    """Name of a lever."""
    row = read_levers().get(lever)
    return words.either(row.name_en, row.name_zh) if row else lever


def lever_moved(lever: str, ledger: Ledger, words: Texts) -> str:
    """A lever and where the matrix moves it, without which nobody knows what helps: its bounds lie on both sides."""
    step = ledger.step(lever)
    name = lever_name(lever, words)
    return (
        words("ledger.moved", lever=name, step=step_text(lever, step, words)) if math.isfinite(step) else name
    )


def step_text(lever: str, step: float, words: Texts) -> str:
    """Value of a lever with its unit."""
    row = read_levers().get(lever)
    number = f"{step:,.0f}" if step == round(step) else f"{step:,.6g}"
    if row is None:
        return number
    if row.unit == "year" and row.low >= FIRST_YEAR:
        return f"{step:.0f}"
    if row.operation == "scale":
        return f"× {number}"
    if row.unit == "1":
        return percent(step, 0) if abs(step) <= 1.0 else number
    unit = words(f"lever.unit.{row.unit}") if words.has(f"lever.unit.{row.unit}") else row.unit
    return f"{number} {unit}".strip()


def lever_driver(item: Driver, entry: Entry, ledger: Ledger, words: Texts) -> str:
    """One lever with its step and its effect."""
    return f"{lever_moved(item.name, ledger, words)}{words('sentence.colon')}{difference(entry.target, item.value, words)}"


def driver(item: Driver, entry: Entry, words: Texts) -> str:
    """One driver with its size."""
    if item.kind == "change":
        return f"{label(Mode[item.name.upper()], words.language)} {points(item.value, words)}"
    if item.kind == "lacking":
        return f"{vehicle_class_name(item.name, words)} {points(item.value, words, sign=False)}"
    shape = form(item.unit, [item.value], words)
    name = vehicle_class_name(item.name, words)
    return f"{name} {shape(item.value, sign=item.kind == 'factor')} {shape.unit}"


def variants(entry: Entry, words: Texts) -> list[str]:
    """Other readings of the words; of scopes and accounting modes the extremes and how many meet the plan."""
    own = [v for v in entry.variants if v.outcome != INTENSITY]
    out = [
        f"{vehicle_class_name(v.class_, words) if v.class_ else outcome_label(v.outcome, words)}"
        f" {_variant(v, entry, words)}"
        for v in own
    ]
    rows = sorted((v for v in entry.variants if v.outcome == INTENSITY), key=lambda v: v.mean)
    if rows:
        met = sum(entry.target.is_met(v.mean) is True for v in rows)
        out.append(words("ledger.scopes", n=len(rows), met=met))
        out += [
            f"{words(key)} {vehicle_class_name(v.class_, words)} {_variant(v, entry, words)}"
            for key, v in (("ledger.lowest", rows[0]), ("ledger.highest", rows[-1]))
        ]
    return out


def _variant(item: Variant, entry: Entry, words: Texts) -> str:
    """Value of another reading."""
    return amount(entry.target, item.mean, words, unit=entry.unit, sign=item.outcome == INTENSITY)


def outcome_label(outcome: str, words: Texts) -> str:
    """Label of an outcome; its name where it is not registered."""
    known = OUTCOMES.get(outcome)
    return words.either(known.label_en, known.label_zh) if known else outcome


def _closers(entry: Entry, ledger: Ledger, words: Texts) -> list[str]:
    """Levers that would close the gap, or that none of the matrix does."""
    if entry.shortfall <= 0.0:
        return []
    if ledger.matrix is None:
        return []
    enough = [c for c in entry.closers if c.closes]
    if enough:
        return [closer(c, entry, words) for c in enough[:MOST_CLOSERS]]
    near = [closer(c, entry, words) for c in entry.closers[:2]]
    return [words("ledger.none_closes"), *near]


def closer(item: Closer, entry: Entry, words: Texts) -> str:
    """One lever with its effect and the share of its step that is needed, or the part of the gap that it closes."""
    return words(
        "ledger.closer" if item.closes else "ledger.closer_part",
        lever=lever_name(item.lever, words),
        step=step_text(item.lever, item.step, words),
        effect=difference(entry.target, item.effect, words),
        needed=percent(item.needed if item.closes else 1.0 / item.needed, 0),
    )


def conflicts(entry: Entry, ledger: Ledger, words: Texts) -> list[str]:
    """Levers that help here and harm elsewhere, or the other way round."""
    known = read_targets()
    return [
        words(
            "ledger.conflict_helps" if item.helps else "ledger.conflict_harms",
            lever=lever_moved(item.lever, ledger, words),
            effect=difference(entry.target, item.effect, words),
            other=item.other,
            other_effect=difference(known[item.other], item.other_effect, words),
        )
        for item in entry.conflicts
    ]


def basis(ledger: Ledger, words: Texts) -> str:
    """What bands and probabilities hold, and whether levers are known."""
    kind = "one" if ledger.runs == 1 else "uncertain" if ledger.uncertain else "chance"
    out = words(f"ledger.basis.{kind}", n=ledger.runs)
    return out if ledger.matrix is not None else out + words.gap + words("ledger.no_matrix")


def context_names(entries: Sequence[Entry], words: Texts) -> list[list[str]]:
    """Rows of the targets of grid and storage: id, clause, year, plan."""
    return [
        [entry.target.id, clause(entry.target, words), year_text(entry, words), goal(entry.target, words)]
        for entry in entries
    ]


def number_of(value: float) -> str:
    """A count."""
    return plain(value, 0)
