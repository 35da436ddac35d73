"""Commands that list what the model knows: targets, measures, levers, parameters, outcomes, scenarios."""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from typing import Annotated, Any

import typer

from transport_abm.cli.main import app
from transport_abm.cli.show import JsonOption, Language, LanguageOption, console, print_json, print_table


@app.command("targets")
def targets_command(language: LanguageOption = Language.EN, as_json: JsonOption = False) -> None:
    """The plan's 24 targets: clause, year, value, strength of wording, and whether the model computes them."""
    from transport_abm.policy.targets import read_targets
    from transport_abm.report.ledger_text import goal
    from transport_abm.report.texts import texts

    words, targets = texts(language.value), list(read_targets().values())
    if as_json:
        print_json([plain(target) for target in targets])
        return
    zh = language is Language.ZH
    status = {
        "modelled": ("modelled", "已建模"),
        "later": ("not built yet", "尚未建模"),
        "outside": ("outside the model", "模型范围外"),
    }
    rows = [
        (
            t.id,
            t.section,
            t.clause_zh if zh else t.clause_en,
            str(t.year or "-"),
            goal(t, words) if t.value is not None else "-",
            words(f"strength.{t.strength}"),
            status[t.status][zh],
        )
        for t in targets
    ]
    names = (
        ("目标", "条款", "内容", "年份", "数值", "措辞", "状态")
        if zh
        else ("Id", "Clause", "Text", "Year", "Value", "Wording", "Model")
    )
    print_table("规划目标" if zh else "Targets of the plan", names, rows)


@app.command("measures")
def measures_command(language: LanguageOption = Language.EN, as_json: JsonOption = False) -> None:
    """The plan's 50 measures and the levers or outcomes they map to."""
    from transport_abm.policy.measures import read_measures

    measures = list(read_measures().values())
    if as_json:
        print_json([plain(measure) for measure in measures])
        return
    zh = language is Language.ZH
    rows = [
        (
            m.id,
            m.section,
            m.clause_zh if zh else m.clause_en,
            _joined([*m.levers, *m.outcomes]) or ("outside the model" if m.outside else "-"),
            m.reason,
        )
        for m in measures
    ]
    names = ("措施", "条款", "内容", "对应", "说明") if zh else ("Id", "Clause", "Text", "Maps to", "Why")
    print_table("规划措施" if zh else "Measures of the plan", names, rows)


@app.command("levers")
def levers_command(
    everything: Annotated[
        bool, typer.Option("--all", help="Also those whose mechanism is not built yet.")
    ] = False,
    language: LanguageOption = Language.EN,
    as_json: JsonOption = False,
) -> None:
    """What a scenario can change: unit, bounds, the value that means no change, the responsible agency."""
    from transport_abm.policy.levers import read_levers

    levers = list(read_levers().values())
    if as_json:
        print_json([plain(lever) for lever in levers])
        return
    zh = language is Language.ZH
    rows = [
        (
            item.id,
            item.name_zh if zh else item.name_en,
            item.unit,
            f"{item.low:g} - {item.high:g}",
            f"{item.default:g}",
            item.agency,
            item.clause,
        )
        for item in levers
        if everything or item.built
    ]
    names = (
        ("杠杆", "名称", "单位", "范围", "不变值", "主管部门", "条款")
        if zh
        else ("Lever", "Name", "Unit", "Bounds", "No change", "Agency", "Clause")
    )
    print_table("政策杠杆" if zh else "Levers", names, rows, right=(4,), whole=(0,))
    waiting = sum(not item.built for item in levers)
    if waiting and not everything:
        console.print(
            f"另有 {waiting} 个杠杆的机制尚未建模（--all）"
            if zh
            else f"{waiting} more levers have no mechanism yet (--all)"
        )


@app.command("parameters")
def parameters_command(
    find: Annotated[str, typer.Argument(help="Only paths or names that hold this text.")] = "",
    language: LanguageOption = Language.EN,
    as_json: JsonOption = False,
) -> None:
    """Every number of the model: value, unit, range, tag and source."""
    from transport_abm.policy.inputs import shipped_catalogue

    catalogue = shipped_catalogue()
    found = [
        p
        for path, p in sorted(catalogue.parameters.items())
        if find.lower() in f"{path} {p.name_en} {p.name_zh}".lower()
    ]
    if as_json:
        print_json([plain(p) | {"series": _series(catalogue, p.path)} for p in found])
        return
    zh = language is Language.ZH
    rows = [
        (p.path, p.name_zh if zh else p.name_en, f"{p.value:g}" if p.value is not None else _span(catalogue, p.path), p.unit,
         f"{p.low:g} - {p.high:g}", p.tag, p.source)
        for p in found
    ]  # fmt: skip
    names = (
        ("参数", "名称", "值", "单位", "范围", "标签", "来源")
        if zh
        else ("Parameter", "Name", "Value", "Unit", "Range", "Tag", "Source")
    )
    print_table("参数" if zh else "Parameters", names, rows, right=(2,), whole=(0,))


@app.command("outcomes")
def outcomes_command(language: LanguageOption = Language.EN, as_json: JsonOption = False) -> None:
    """Every quantity that a run reports, with its definition."""
    from transport_abm.outcomes import OUTCOMES

    items = list(OUTCOMES.values())
    if as_json:
        print_json(
            [
                {
                    "name": o.name,
                    "unit": o.unit,
                    "en": o.label_en,
                    "zh": o.label_zh,
                    "definition": o.definition,
                }
                for o in items
            ]
        )
        return
    zh = language is Language.ZH
    rows = [(o.name, o.label_zh if zh else o.label_en, o.unit, o.definition) for o in items]
    print_table(
        "指标" if zh else "Outcomes",
        ("指标", "名称", "单位", "定义") if zh else ("Outcome", "Name", "Unit", "Definition"),
        rows,
        whole=(0,),
    )


@app.command("scenarios")
def scenarios_command(as_json: JsonOption = False) -> None:
    """The scenarios that come with the package."""
    from transport_abm.policy.scenario import Scenario, scenario_names

    cases = [Scenario.named(name) for name in scenario_names()]
    if as_json:
        print_json([case.model_dump(mode="json") for case in cases])
        return
    print_table(
        "",
        ("Scenario", "Levers", "Description"),
        [(c.name, str(len(c.levers)), c.description) for c in cases],
        right=(1,),
    )


@app.command("schema")
def schema_command() -> None:
    """JSON Schema of scenario files, for editors."""
    from transport_abm.policy.scenario import json_schema

    print_json(json_schema())


def plain(item: Any) -> dict[str, Any]:
    """A record as plain values."""
    if is_dataclass(item) and not isinstance(item, type):
        return asdict(item)
    out: dict[str, Any] = item.model_dump(mode="json")
    return out


def _joined(value: Any) -> str:
    """A list of names as one text."""
    return value if isinstance(value, str) else ", ".join(value)


def _series(catalogue: Any, path: str) -> dict[str, float] | None:
    """Years and values of a series."""
    series = catalogue.series.get(path)
    return {str(y): v for y, v in zip(series.years, series.values, strict=True)} if series else None


def _span(catalogue: Any, path: str) -> str:
    """First and last value of a series."""
    series = catalogue.series[path]
    return f"{series.values[0]:g} ({series.years[0]}) - {series.values[-1]:g} ({series.years[-1]})"
