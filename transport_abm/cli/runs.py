"""Commands that run scenarios, report on runs and compare them."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from transport_abm.cli.main import app
from transport_abm.cli.show import (
    JsonOption,
    Language,
    LanguageOption,
    Tell,
    console,
    notes,
    print_json,
    print_table,
    progress,
)
from transport_abm.core.errors import Fault, LeverError, ScenarioError
from transport_abm.core.parameters import did_you_mean
from transport_abm.policy.scenario import Scenario, scenario_names


class Rung(StrEnum):
    """Models of road traffic, as in ``Scenario.traffic``."""

    L0 = "L0"
    L1 = "L1"
    L2 = "L2"


WORDS = {
    "target": ("Target", "目标"), "year": ("Year", "年份"), "plan": ("Plan", "规划值"), "model": ("Model", "模拟值"),
    "band": ("5-95 %", "5-95%区间"), "gap": ("Gap", "差距"), "met": ("Met in", "达标比例"), "runs": ("runs", "次运行"),
    "none": ("none of these years is a target year", "所选年份内无目标年"),
    "title": ("Targets of the plan", "规划目标对照"), "converged": ("not converged", "未收敛"),
    "written": ("Written to", "结果目录"), "outcome": ("Outcome", "指标"), "base": ("A", "A"), "other": ("B", "B"),
    "difference": ("B - A", "B - A"),
}  # fmt: skip


def word(name: str, language: Language) -> str:
    """A word of the tables in a language."""
    return WORDS[name][1 if language is Language.ZH else 0]


@app.command("run")
def run_command(
    scenario: Annotated[
        str, typer.Argument(help="Name of a shipped scenario (baseline, plan) or a TOML file.")
    ],
    city: Annotated[
        str | None, typer.Option(help="City: a name or a city folder; by default the scenario's.")
    ] = None,
    sample: Annotated[float | None, typer.Option(help="Share of the population simulated, 0.001-1.")] = None,
    years: Annotated[str | None, typer.Option(help="First and last year, as 2020-2030, or one year.")] = None,
    replications: Annotated[int, typer.Option(min=1, max=1000, help="Runs with different draws.")] = 1,
    seed: Annotated[int | None, typer.Option(help="Seed of all draws.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="lever=value, from the first year; repeatable.")
    ] = None,
    traffic: Annotated[
        Rung | None,
        typer.Option(
            help="Road traffic: L0 volume-delay, L1 static equilibrium, L2 spatial queue; by default the scenario's."
        ),
    ] = None,
    uncertain: Annotated[
        bool,
        typer.Option(
            "--uncertain", help="Draw uncertain vehicle, price and carbon numbers in replications above 0."
        ),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the run directories; by default runs/.")
    ] = None,
    report: Annotated[
        bool, typer.Option("--report", help="Also write report.html (en and zh) beside the run.")
    ] = False,
    matrix: Annotated[
        Path | None,
        typer.Option(help="CSV file of the command matrix, for the ledger of the report; needs --report."),
    ] = None,
    language: LanguageOption = Language.EN,
    as_json: JsonOption = False,
) -> None:
    """Run a scenario and print its targets; the outcomes go to a run directory."""
    case = read_case(
        scenario, sample=sample, years=years, seed=seed, settings=set_ or [], replications=replications
    )
    if uncertain:
        case = case.replace(uncertain=True)
    if traffic is not None:
        case = case.replace(traffic=traffic.value)
    if matrix is not None and not report:
        raise ScenarioError(Fault("command line", "--matrix", "--report, which shows it", "none"))
    from transport_abm.experiments.paired import read_matrix

    effects = None if matrix is None else read_matrix(matrix)
    from transport_abm.model import run
    from transport_abm.networks.cities.open_city import open_city
    from transport_abm.results import Ensemble

    with progress(as_json) as tell:
        tell("Opening the city", 0.0)
        place, _ = open_city(city or case.city)
        case = case.replace(city=place.name)
        folder = out or Path("runs")
        runs, folders = [], []
        for number in range(replications):
            part = case.replace(replication=case.replication + number)
            results = run(part, city=place, progress=_part(tell, number, replications))
            folders.append(save_run(results, folder))
            runs.append(results)
    ensemble = Ensemble(tuple(runs))
    pages = write_reports(folders, effects) if report else []
    if as_json:
        print_json(run_document(ensemble, folders, pages))
        return
    print_targets(ensemble, language)
    for path in [*folders, *pages]:
        notes.print(f"{word('written', language)} {path}", soft_wrap=True)


@app.command("report")
def report_command(
    run: Annotated[
        list[Path], typer.Argument(help="One or more run directories (replications of one scenario).")
    ],
    out: Annotated[
        Path | None, typer.Option(help="HTML file; by default report-LANGUAGE.html in the run directory.")
    ] = None,
    city: Annotated[
        str | None, typer.Option(help="City folder, where the run's city is not known by name.")
    ] = None,
    matrix: Annotated[
        Path | None,
        typer.Option(help="CSV file of the command matrix: levers against targets, in the ledger."),
    ] = None,
    language: LanguageOption = Language.EN,
) -> None:
    """Make one self-contained HTML file of a run, or of several replications."""
    from transport_abm.experiments.paired import read_matrix
    from transport_abm.report import write_report
    from transport_abm.results import Ensemble

    effects = None if matrix is None else read_matrix(matrix)
    ensemble = Ensemble.load(run)
    target = out or run[0] / f"report-{language.value}.html"
    write_report(ensemble, target, language=language.value, city=city, matrix=effects)
    console.print(str(target), soft_wrap=True)


@app.command("compare")
def compare_command(
    a: Annotated[Path, typer.Argument(help="Run directory A.")],
    b: Annotated[Path, typer.Argument(help="Run directory B.")],
    language: LanguageOption = Language.EN,
    as_json: JsonOption = False,
) -> None:
    """Compare two runs, outcome by outcome, in the last year that both hold."""
    from transport_abm.outcomes import OUTCOMES
    from transport_abm.results import Results

    first, second = Results.load(a), Results.load(b)
    common = sorted(set(first.years) & set(second.years))
    if not common:
        raise ScenarioError(Fault(str(b), "years", f"a year of {a}", str(second.years)))
    keys = ["outcome", "year", "district", "class", "unit"]
    both = first.table.merge(second.table, on=keys, suffixes=("_a", "_b"))
    both["difference"] = both["value_b"] - both["value_a"]
    if as_json:
        print_json({"a": first.manifest["run"], "b": second.manifest["run"], "rows": both.to_dict("records")})
        return
    last = both[(both["year"] == common[-1]) & (both["district"] == "")]
    rows = []
    for row in last.to_dict("records"):
        item = OUTCOMES.get(str(row["outcome"]))
        name = (item.label_zh if language is Language.ZH else item.label_en) if item else str(row["outcome"])
        percent = row["unit"] == "1"
        rows.append((
            f"{name}{' / ' + str(row['class']) if row['class'] else ''}", number(row["value_a"], percent),
            number(row["value_b"], percent), number(row["difference"], percent, sign=True),
            "%" if percent else str(row["unit"]),
        ))  # fmt: skip
    title = f"A = {first.name}, B = {second.name}, {common[-1]}"
    print_table(title, [word("outcome", language), "A", "B", "B - A", ""], rows, right=(1, 2, 3))


def read_case(
    scenario: str,
    *,
    sample: float | None,
    years: str | None,
    seed: int | None,
    settings: list[str],
    replications: int,
) -> Scenario:
    """The scenario with the options of the command line; all faults of the options at once."""
    if scenario in scenario_names():
        case = Scenario.named(scenario)
    elif "/" in scenario or scenario.endswith(".toml") or Path(scenario).exists():
        case = Scenario.read(Path(scenario))
    else:
        expected = f"a TOML file, or one of: {', '.join(scenario_names())}"
        expected += did_you_mean(scenario, scenario_names())
        raise ScenarioError(Fault("command line", "SCENARIO", expected, scenario))
    changes: dict[str, Any] = {}
    faults: list[Fault] = []
    if sample is not None:
        changes["sample"] = sample
    if seed is not None:
        changes["seed"] = seed
    if years is not None:
        parts = years.split("-")
        if len(parts) in (1, 2) and all(part.isdecimal() and len(part) == 4 for part in parts):
            changes["years"] = (int(parts[0]), int(parts[-1]))
        else:
            faults.append(Fault("command line", "--years", "a year or two, as 2020-2030", years))
    levers = list(case.levers)
    for setting in settings:
        name, _, text = setting.partition("=")
        try:
            value = float(text)
        except ValueError:
            faults.append(Fault("command line", "--set", "lever=number", setting))
            continue
        levers = [lever for lever in levers if lever.lever != name]
        try:
            from transport_abm.policy.levers import LeverSetting

            levers.append(
                LeverSetting(lever=name, value=value, start_year=(changes.get("years") or case.years)[0])
            )
        except LeverError as error:
            found = (fault for fault in error.faults if isinstance(fault, Fault))
            faults += [Fault("command line", f"--set {setting}", f.expected, f.got) for f in found]
    if faults:
        raise ScenarioError(faults)
    if settings:
        changes["levers"] = tuple(levers)
    return case.replace(**changes) if changes else case


def _part(tell: Tell, number: int, of: int) -> Tell:
    """Progress of one replication as a part of all."""
    return lambda what, done: tell(what, (number + done) / of)


def save_run(results: Any, folder: Path) -> Path:
    """Save a run under its scenario, replication and id; a run that is there already is the same run."""
    from transport_abm.results import Results

    manifest = results.manifest
    name = f"{results.name}-r{manifest['scenario']['replication']}-{manifest['run'][:8]}"
    target = folder / name
    if (target / "manifest.json").is_file() and Results.load(target).manifest["run"] == manifest["run"]:
        return target
    saved: Path = results.save(target)
    return saved


def write_reports(folders: list[Path], matrix: Any = None) -> list[Path]:
    """The report of these runs in both languages, beside the first; with a matrix of levers and targets if there is one."""
    from transport_abm.report import write_report
    from transport_abm.results import Ensemble

    pages = []
    for language in Language:
        page = folders[0] / f"report-{language.value}.html"
        write_report(Ensemble.load(folders), page, language=language.value, matrix=matrix)
        pages.append(page)
    return pages


def run_document(ensemble: Any, folders: list[Path], pages: list[Path]) -> dict[str, Any]:
    """What ``run --json`` prints."""
    return {
        "scenario": json.loads(json.dumps(ensemble.runs[0].manifest["scenario"])),
        "runs": [
            {"folder": str(folder), "run": run.manifest["run"], "converged": run.converged}
            for folder, run in zip(folders, ensemble, strict=True)
        ],
        "reports": [str(page) for page in pages],
        "targets": ensemble.targets().to_dict("records"),
        "green_share": {str(y): v for y, v in ensemble.runs[0]["green_share"].items()},
    }  # fmt: skip


def print_targets(ensemble: Any, language: Language) -> None:
    """The closing table: each target of the plan beside the runs."""
    table = ensemble.targets()
    rows = []
    for row in table.itertuples():
        clause = row.clause_zh if language is Language.ZH else row.clause_en
        if not row.replications:
            continue
        percent = str(row.unit).partition(" ")[0] == "1"
        band = f"{number(row.q05, percent)} - {number(row.q95, percent)}" if len(ensemble) > 1 else "-"
        unit = "%" if percent else row.unit
        # A target that the text gives no number for has no plan, gap and verdict.
        asked = row.plan == row.plan
        met = (
            f"{round(row.met_share * row.replications)} / {row.replications} {word('runs', language)}"
            if asked
            else "-"
        )
        rows.append((
            f"{row.id} {clause}", str(row.year), f"{row.comparator} {number(row.plan, percent)} {unit}" if asked else "-",
            number(row.mean, percent), band, number(row.gap, percent, sign=True), met,
        ))  # fmt: skip
    names = [word(name, language) for name in ("target", "year", "plan", "model", "band", "gap", "met")]
    print_table(word("title", language), names, rows, right=(3, 4, 5))
    if not rows:
        console.print(word("none", language))
    if not all(run.converged for run in ensemble):
        console.print(f"! {word('converged', language)}")


def number(value: float, percent: bool, *, sign: bool = False) -> str:
    """A number for people: shares in percent, large ones with separators."""
    if value != value:
        return "-"
    plus = "+" if sign else ""
    if percent:
        return f"{value * 100:{plus}.2f}"
    return f"{value:{plus},.0f}" if abs(value) >= 1000 else f"{value:{plus}.2f}"
