"""Sections that say how far to trust the report: convergence, priors, what is not built, sources."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from transport_abm.core.vocabulary import Mode, label
from transport_abm.outcomes import OUTCOMES
from transport_abm.policy.inputs import shipped_catalogue
from transport_abm.policy.levers import read_levers
from transport_abm.policy.targets import Target, read_targets
from transport_abm.report.figures import percent, plain, small
from transport_abm.report.markup import Markup, el, user_text
from transport_abm.report.reading import CONVERGED_AT, Reading, part
from transport_abm.report.sections import section
from transport_abm.report.table import plain_table
from transport_abm.report.texts import Texts

TAG_ORDER = ("source-read", "measured", "literature", "prior", "scenario")
GAPS = ("road", "share", "transit")


def trust_section(reading: Reading, words: Texts) -> Markup:
    """How far to trust the numbers: convergence, fit of people and base year, priors.

    Parameters
    ----------
    reading
        The runs.
    words
        Language.

    Returns
    -------
    Markup
        The section.
    """
    return section(
        "trust",
        words,
        el("h3", words("trust.convergence")),
        el("p", words("trust.convergence.note"), class_="note"),
        _convergence(reading, words),
        el("h3", words("trust.tags")),
        _tags(reading.manifest, words),
        el("h3", words("trust.fit")),
        _fit(reading.manifest, words),
    )


def _convergence(reading: Reading, words: Texts) -> Markup:
    """Gaps of every year; the worst replication counts."""
    head = [
        words("trust.year"),
        *(words(f"trust.gap.{name}") for name in GAPS),
        words("trust.excess"),
        words("trust.iterations"),
        words("trust.state"),
    ]
    rows = []
    for year in reading.years:
        excess = reading.excess[year]
        good = excess <= CONVERGED_AT
        state = el("span", words("trust.good" if good else "trust.bad"), class_=None if good else "bad")
        rows.append(
            [
                str(year),
                *(small(reading.worst(name, year)) for name in GAPS),
                f"{plain(excess, 2)} ×" if math.isfinite(excess) else "-",
                plain(reading.worst("iterations", year), 0),
                state,
            ]
        )
    return plain_table(head, rows, right=(1, 2, 3, 4, 5))


def prior_share(manifest: Mapping[str, Any]) -> tuple[int, int]:
    """Number of parameters that are priors, and number of all."""
    tags = {str(k): v for k, v in part(manifest, "parameter_tags").items() if isinstance(v, int) and v >= 0}
    return tags.get("prior", 0), sum(tags.values())


def _tags(manifest: Mapping[str, Any], words: Texts) -> Markup:
    """How the parameters are known."""
    prior, total = prior_share(manifest)
    if not total:
        return el("p", "-")
    tags = {str(k): v for k, v in part(manifest, "parameter_tags").items() if isinstance(v, int)}
    order = [*(t for t in TAG_ORDER if t in tags), *sorted(set(tags) - set(TAG_ORDER))]
    rows = [
        [
            words(f"tag.{t}") if words.has(f"tag.{t}") else user_text(t),
            words(f"tag.{t}.meaning") if words.has(f"tag.{t}.meaning") else "",
            plain(tags[t], 0),
            percent(tags[t] / total, 0),
        ]
        for t in order
    ]
    said = el("p", words("trust.priors", share=percent(prior / total, 0), prior=prior, total=total))
    return said + plain_table(
        [words("trust.tag"), words("trust.meaning"), words("trust.count"), words("trust.share")],
        rows,
        right=(2, 3),
    )


def _fit(manifest: Mapping[str, Any], words: Texts) -> Markup:
    """Fit of the synthetic population and of the base year."""
    fit, base = part(manifest, "population_fit"), part(manifest, "base_year")
    rows = [
        [words(f"fit.{name}"), _number(fit.get(name), as_percent=name in ("max_error",))]
        for name in ("max_error", "srmse", "tae", "chi_square")
    ]
    rows += [
        [words("fit.share_gap"), _number(base.get("share_gap"))],
        [words("fit.trips_gap"), _number(base.get("trips_gap"))],
    ]
    table = plain_table([words("fit.what"), words("fit.value")], rows, right=(1,))
    constants = base.get("constant")
    shown = None
    if isinstance(constants, (list, tuple)) and len(constants) == len(Mode):
        pairs = [
            words("fit.constant", mode=label(mode, words.language), value=_number(constants[mode]))
            for mode in Mode
        ]
        shown = el("p", words("fit.constants", list=words.join(pairs)), class_="note")
    return table + el("p", words("fit.note"), class_="note") + (shown or Markup())


def _number(value: object, *, as_percent: bool = False) -> str:
    """A number of the manifest, or a dash."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return "-"
    return percent(float(value), 2) if as_percent else small(float(value))


def unbuilt_section(words: Texts) -> Markup:
    """Targets of the plan about which the model cannot say anything yet, or at all."""
    later = [target for target in read_targets().values() if target.status == "later"]
    outside = [target for target in read_targets().values() if target.status == "outside"]
    head = [words(f"targets.{name}") for name in ("id", "clause", "text", "year", "strength", "state")]
    return section(
        "unbuilt",
        words,
        el("p", words("unbuilt.note", n=len(later))) if later else None,
        plain_table(head, [_target_row(t, words) for t in later], class_="targets") if later else None,
        el(
            "details",
            el("summary", words("unbuilt.outside", n=len(outside))),
            plain_table(head, [_target_row(t, words) for t in outside], class_="targets"),
        ),
    )


def _target_row(target: Target, words: Texts) -> list[str]:
    """One target in words."""
    clause: str = (
        target.clause_zh
        if words.zh
        else el("span", target.clause_en) + el("br") + el("span", target.clause_zh, class_="zh", lang="zh-CN")
    )
    return [
        target.id,
        words("targets.clause_number", n=target.section),
        clause,
        str(target.year or "-"),
        words(f"strength.{target.strength}"),
        words(f"status.{target.status}"),
    ]


def scenario_section(reading: Reading, words: Texts) -> Markup:
    """The scenario in words: description, levers, overridden parameters.

    Parameters
    ----------
    reading
        The runs.
    words
        Language.

    Returns
    -------
    Markup
        The section.
    """
    case = reading.scenario
    description = str(case.get("description") or "")
    levers = case.get("levers") or ()
    said = [item for item in (_lever(row, words) for row in levers if isinstance(row, Mapping)) if item]
    values = part(case, "parameters")
    known = shipped_catalogue().parameters
    changed = []
    for path, value in sorted(values.items()):
        row = known.get(str(path))
        name = user_text(words.either(row.name_en, row.name_zh) if row else path)
        before = small(row.value) if row and row.value is not None else "-"
        changed.append([name, el("code", str(path)), before, _number(value)])
    head = [words(f"scenario.{name}") for name in ("parameter", "path", "catalogue", "here")]
    return section(
        "scenario",
        words,
        el(
            "p",
            el("strong", user_text(case.get("name", ""))),
            words("sentence.colon"),
            words.phrase(description),
        )
        if description
        else el("p", el("strong", user_text(case.get("name", "")))),
        el("h3", words("scenario.levers")),
        el("ul", *(el("li", item) for item in said)) if said else el("p", words("scenario.no_levers")),
        el("h3", words("scenario.parameters")),
        plain_table(head, changed, right=(2, 3)) if changed else el("p", words("scenario.no_parameters")),
    )


def _lever(row: Mapping[str, Any], words: Texts) -> Markup | None:
    """One lever setting as a sentence."""
    lever = read_levers().get(str(row.get("lever")))
    value, start, full = row.get("value"), row.get("start_year"), row.get("full_year")
    if lever is None:
        return user_text(f"{row.get('lever')}: {value}")
    name = words.either(lever.name_en, lever.name_zh)
    amount = (
        _amount(float(value), lever.unit, lever.operation, words) if isinstance(value, (int, float)) else "-"
    )
    rest = _amount(lever.default, lever.unit, lever.operation, words)
    if full is None or full == start:
        how = words("lever.step", start=start)
    else:
        ramp = str(row.get("ramp") or lever.ramp)
        how = (
            words(f"lever.{ramp}", start=start, full=full)
            if words.has(f"lever.{ramp}")
            else f"{start}-{full}"
        )
    said = words("lever.sentence", name=name, amount=amount, rest=rest, how=how)
    return el("span", said) + el("span", f" {lever.id}", class_="id")


def _amount(value: float, unit: str, operation: str, words: Texts) -> str:
    """Value of a lever with its unit."""
    number = f"{value:,.10g}"
    if operation == "scale":
        return f"× {number}"
    if unit == "1":
        return f"{100.0 * value:.4g}%" if 0.0 <= value <= 1.0 else number
    known = words(f"lever.unit.{unit}") if words.has(f"lever.unit.{unit}") else unit
    return f"{number} {known}"


def source_section(reading: Reading, words: Texts, notes: list[str], credit: str | None) -> Markup:
    """Where the run comes from: ids, versions, city and its licence.

    Parameters
    ----------
    reading
        The runs.
    words
        Language.
    notes
        What the reader should know about the city of the maps.
    credit
        Attribution of the city's data.

    Returns
    -------
    Markup
        The section.
    """
    manifest, case, city = reading.manifest, reading.scenario, part(reading.manifest, "city")
    runs = [str(run.manifest.get("run", "-")) for run in reading.ensemble]
    versions = part(manifest, "versions")
    rows: list[tuple[str, str]] = [
        (words("source.run"), el("code", words.join(runs))),
        (
            words("source.seed"),
            words(
                "source.seeds",
                seed=case.get("seed", "-"),
                list=words.join(
                    [str(run.manifest["scenario"].get("replication", 0)) for run in reading.ensemble]
                ),
            ),
        ),
        (
            words("source.sample"),
            f"{100.0 * float(case['sample']):.6g}%" if isinstance(case.get("sample"), (int, float)) else "-",
        ),
        (
            words("source.traffic"),
            _traffic(str(case.get("traffic", "-")), words),
        ),
        (words("source.code"), el("code", str(manifest.get("code", "-")))),
        (
            words("source.versions"),
            words.join([f"{name} {version}" for name, version in sorted(versions.items())]),
        ),
        (
            words("source.city"),
            el("span", user_text(city.get("name", "-")), " ", el("code", str(city.get("digest", "-")))),
        ),
    ]
    if credit:
        rows.append((words("source.credit"), credit))
    rows += [
        (_meta_name(str(key), words), _meta_value(value, words)) for key, value in part(city, "meta").items()
    ]
    listed = el("dl", *(el("dt", name) + el("dd", value) for name, value in rows), class_="facts")
    return section("source", words, *(el("p", note) for note in notes), listed)


def _traffic(rung: str, words: Texts) -> str:
    """Model of road traffic; what no version knows stays as it is."""
    key = f"source.traffic.{rung}"
    return words(key) if words.has(key) else rung


def _meta_name(key: str, words: Texts) -> str:
    """Name of a fact about the city."""
    return (
        words("source.meta", name=words(f"meta.{key}"))
        if words.has(f"meta.{key}")
        else words("source.meta", name=key)
    )


def _meta_value(value: object, words: Texts) -> Markup:
    """A fact about the city as text."""
    if isinstance(value, (list, tuple)):
        return Markup(_in_a_row([_meta_value(v, words) for v in value], words))
    if isinstance(value, Mapping):
        return Markup(_in_a_row([_meta_value(f"{k}: {v}", words) for k, v in value.items()], words))
    return words.phrase(str(value))


def _in_a_row(parts: list[Markup], words: Texts) -> str:
    """Facts in a row."""
    return ("；" if words.zh else "; ").join(parts)


def definition_section(reading: Reading, words: Texts) -> Markup:
    """What every outcome means."""
    rows = [
        [words.either(item.label_en, item.label_zh), words.phrase(item.definition), el("code", item.name)]
        for item in OUTCOMES.values()
        if item.name in reading.units
    ]
    return section(
        "define",
        words,
        plain_table(
            [words("table.outcome"), words("define.meaning"), words("define.id")], rows, class_="define"
        ),
    )
