"""Commands of the ledger: every target beside the runs, every lever against every target, a lever that comes late."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from transport_abm.cli.main import app
from transport_abm.cli.runs import read_case
from transport_abm.cli.show import (
    JsonOption,
    Language,
    LanguageOption,
    console,
    notes,
    print_json,
    print_table,
    progress,
)
from transport_abm.core.errors import Fault, ScenarioError

MatrixOption = Annotated[
    Path | None,
    typer.Option(
        "--matrix", help="CSV file of the command matrix: names levers, conflicts and what would close gaps."
    ),
]
ScenarioArgument = Annotated[str, typer.Argument(help="Name of a shipped scenario or a TOML file.")]
CityOption = Annotated[
    str | None, typer.Option(help="City: a name or a city folder; by default the scenario's.")
]
SampleOption = Annotated[float | None, typer.Option(help="Share of the population simulated, 0.001-1.")]
YearsOption = Annotated[str | None, typer.Option(help="First and last year, as 2020-2030.")]
SeedOption = Annotated[int | None, typer.Option(help="Seed of all draws.")]
ReplicationsOption = Annotated[int, typer.Option(min=1, max=1000, help="Pairs of runs for each lever.")]
KeepOption = Annotated[
    Path | None,
    typer.Option(help="Folder in which each run is kept as it ends; the same command goes on from there."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="lever=value of the scenario, from its first year; repeatable."),
]


@app.command("ledger")
def ledger_command(
    run: Annotated[
        list[Path], typer.Argument(help="One or more run directories (replications of one scenario).")
    ],
    matrix: MatrixOption = None,
    language: LanguageOption = Language.EN,
    as_json: JsonOption = False,
) -> None:
    """For each transport target of the plan: will it be met, how sure is that, and why."""
    from transport_abm.experiments.paired import read_matrix
    from transport_abm.report.ledger import build_ledger, ledger_document
    from transport_abm.results import Ensemble

    effects = None if matrix is None else read_matrix(matrix)
    ledger = build_ledger(Ensemble.load(run), effects)
    if as_json:
        print_json(ledger_document(ledger))
        return
    print_ledger(ledger, language)


@app.command("matrix")
def matrix_command(
    scenario: ScenarioArgument,
    out: Annotated[Path, typer.Option(help="CSV file to write; it grows lever by lever.")],
    levers: Annotated[
        str | None, typer.Option(help="Ids of levers with commas; by default all whose mechanism is built.")
    ] = None,
    targets: Annotated[
        str | None, typer.Option(help="Ids of targets with commas; by default all computed.")
    ] = None,
    step: Annotated[
        list[str] | None, typer.Option("--step", help="lever=value: a lever's own step; repeatable.")
    ] = None,
    share: Annotated[float, typer.Option(help="Other levers: share of the way to their bound.")] = 1.0,
    start_year: Annotated[
        int | None, typer.Option(help="Year from which a lever is in force; by default 2023.")
    ] = None,
    city: CityOption = None,
    sample: SampleOption = None,
    years: YearsOption = None,
    seed: SeedOption = None,
    set_: SetOption = None,
    replications: ReplicationsOption = 1,
    uncertain: Annotated[bool, typer.Option("--uncertain", help="Draw the uncertain numbers too.")] = False,
    keep: KeepOption = None,
    language: LanguageOption = Language.EN,
    as_json: JsonOption = False,
) -> None:
    """Run every lever alone against every target: paired runs with the same draws, one lever after the other.

    Years before a lever is in force run once for all. Runs are kept beside the file, so a command that was stopped goes on.
    """
    import pandas as pd

    from transport_abm.experiments.paired import START_YEAR, matrix_parts, write_matrix

    case, place = _case(scenario, city, sample, years, seed, set_, replications, uncertain)
    own = _steps(step or [])
    parts: list[pd.DataFrame] = []
    with progress(as_json) as tell:
        rows = matrix_parts(
            case, _ids(levers), targets=_ids(targets), steps=own, share=share, start_year=start_year or START_YEAR,
            replications=replications, city=place, keep=keep or out.with_suffix(".runs"), progress=tell,
        )  # fmt: skip
        for part in rows:
            parts.append(part)
            write_matrix(pd.concat(parts, ignore_index=True), out)
    table = pd.concat(parts, ignore_index=True)
    if as_json:
        print_json({"file": str(out), "rows": table.to_dict("records")})
        return
    print_matrix(table, language)
    notes.print(str(out), soft_wrap=True)


@app.command("delay")
def delay_command(
    scenario: ScenarioArgument,
    lever: Annotated[str, typer.Argument(help="A lever that the scenario sets.")],
    by: Annotated[int, typer.Option("--by", min=1, max=30, help="Years by which it comes later.")] = 2,
    city: CityOption = None,
    sample: SampleOption = None,
    years: YearsOption = None,
    seed: SeedOption = None,
    set_: SetOption = None,
    replications: ReplicationsOption = 1,
    uncertain: Annotated[bool, typer.Option("--uncertain", help="Draw the uncertain numbers too.")] = False,
    keep: KeepOption = None,
    language: LanguageOption = Language.EN,
    as_json: JsonOption = False,
) -> None:
    """What every target loses or gains if one lever comes two years later, or as many as --by says."""
    from transport_abm.experiments.paired import delay

    case, place = _case(scenario, city, sample, years, seed, set_, replications, uncertain)
    with progress(as_json) as tell:
        table = delay(case, lever, by, replications=replications, city=place, keep=keep, progress=tell)
    if as_json:
        print_json({"lever": lever, "years_later": by, "rows": table.to_dict("records")})
        return
    print_delay(table, language)


@app.command("attribute")
def attribute_command(
    scenario: ScenarioArgument,
    levers: Annotated[
        str,
        typer.Option(
            help="Up to six levers that the scenario sets, with commas; some joined by + are switched together."
        ),
    ],
    targets: Annotated[
        str | None, typer.Option(help="Ids of targets with commas; by default all computed.")
    ] = None,
    city: CityOption = None,
    sample: SampleOption = None,
    years: YearsOption = None,
    seed: SeedOption = None,
    set_: SetOption = None,
    replications: ReplicationsOption = 1,
    uncertain: Annotated[bool, typer.Option("--uncertain", help="Draw the uncertain numbers too.")] = False,
    keep: KeepOption = None,
    language: LanguageOption = Language.EN,
    as_json: JsonOption = False,
) -> None:
    """What each lever of a scenario adds to what they do together: every set of them is run, with the same draws."""
    from transport_abm.experiments.attribution import attribution

    case, place = _case(scenario, city, sample, years, seed, set_, replications, uncertain)
    with progress(as_json) as tell:
        table = attribution(
            case, _ids(levers) or [], targets=_ids(targets), replications=replications, city=place, keep=keep,
            progress=tell,
        )  # fmt: skip
    if as_json:
        print_json({"scenario": case.name, "rows": table.to_dict("records")})
        return
    print_attribution(table, language)


def print_ledger(ledger: Any, language: Language) -> None:
    """The ledger as a table, the reasons below it."""
    from transport_abm.report import ledger_text as say
    from transport_abm.report.texts import texts

    words = texts(language.value)
    names = ("target", "clause", "year", "plan", "model", "band", "met", "gap", "answer")
    rows = [
        (
            e.target.id,
            words("ledger.worded", clause=say.clause(e.target, words), strength=words(f"strength.{e.target.strength}")),
            say.year_text(e, words), say.goal(e.target, words), say.model(e, words), say.band(e, words), say.chance(e, words),
            say.gap(e, words), say.answer(e, words),
        )
        for e in ledger.entries
    ]  # fmt: skip
    print_table(
        words("ledger.title"),
        [words(f"ledger.{n}") for n in names],
        rows,
        right=(4, 5, 7),
        whole=(0, 2),
        most={3: 14, 4: 14, 5: 18, 6: 12, 7: 12, 8: 20},
    )
    console.print(say.basis(ledger, words))
    if ledger.missing:
        listed = words.join([f"{say.outcome_label(name, words)}" for name in ledger.missing])
        console.print(f"! {words('ledger.missing', list=listed)}")
    why = [
        (e.target.id, heading, text)
        for e in ledger.entries
        for heading, text in say.reasons(e, ledger, words)
    ]
    if why:
        console.print()
        print_table(words("ledger.why"), [words("ledger.target"), "", ""], why, whole=(0, 1))
    if ledger.conflicts:
        console.print()
        console.print(words("ledger.conflict_list"))
        for lever, helped, harmed in ledger.conflicts:
            line = words(
                "ledger.conflict", lever=say.lever_moved(lever, ledger, words), helped=words.join(list(helped)),
                harmed=words.join(list(harmed)),
            )  # fmt: skip
            console.print(f"- {line}")
    console.print()
    columns = [words(f"ledger.{n}") for n in ("target", "clause", "year", "plan")]
    print_table(words("ledger.context"), columns, say.context_names(ledger.context, words), whole=(0, 2))


def print_matrix(table: Any, language: Language) -> None:
    """Levers by targets; the reasons of failed runs below."""
    from transport_abm.policy.targets import read_targets
    from transport_abm.report import ledger_text as say
    from transport_abm.report.texts import texts

    words, known = texts(language.value), read_targets()
    ids = list(dict.fromkeys(table["target"]))
    rows = []
    for lever, part in table.groupby("lever", sort=False):
        cells = {row["target"]: row for row in part.to_dict("records")}
        step = say.step_text(str(lever), float(part["step"].iloc[0]), words)
        rows.append(
            [f"{say.lever_name(str(lever), words)} {step}"]
            + [say.difference(known[t], float(cells[t]["effect"]), words) if t in cells else "-" for t in ids]
        )
    columns = [words("matrix.lever"), *ids]
    print_table(words("matrix.title"), columns, rows, right=range(1, len(columns)))
    for lever, reason in (
        table.loc[table["reason"] != "", ["lever", "reason"]].drop_duplicates().itertuples(index=False)
    ):
        notes.print(f"! {say.lever_name(str(lever), words)}: {reason}", soft_wrap=True, markup=False)


def print_attribution(table: Any, language: Language) -> None:
    """Targets by groups of levers, what they do together, and the outcome without and with them."""
    from transport_abm.policy.targets import read_targets
    from transport_abm.report import ledger_text as say
    from transport_abm.report.texts import texts

    words, known = texts(language.value), read_targets()
    groups, rows = list(dict.fromkeys(table["levers"])), []
    for id_, part in table.groupby("target", sort=False):
        target, first = known[str(id_)], part.iloc[0]
        sign = (target.value or 0.0) < 0.0
        shares = [say.difference(target, float(value), words) for value in part["share"]]
        rows.append((
            target.id, str(first["year"]), say.amount(target, first["without"], words, sign=sign), *shares,
            say.difference(target, first["with"] - first["without"], words),
            say.amount(target, first["with"], words, sign=sign),
        ))  # fmt: skip
    names = [
        " + ".join(say.lever_name(lever.strip(), words) for lever in group.split("+")) for group in groups
    ]
    columns = [words("ledger.target"), words("ledger.year"), words("attribution.without"), *names]
    columns += [words("attribution.together"), words("attribution.with")]
    print_table(words("attribution.title"), columns, rows, right=range(2, len(columns)), whole=(0, 1))


def print_delay(table: Any, language: Language) -> None:
    """Targets as set and with the delay."""
    from transport_abm.policy.targets import read_targets
    from transport_abm.report import ledger_text as say
    from transport_abm.report.texts import texts

    words, known = texts(language.value), read_targets()
    rows = []
    for row in table.to_dict("records"):
        target = known[str(row["target"])]
        sign = (target.value or 0.0) < 0.0
        rows.append(
            (
                target.id, say.clause(target, words), str(row["year"]), say.goal(target, words),
                say.amount(target, row["base"], words, sign=sign), say.amount(target, row["value"], words, sign=sign),
                say.difference(target, row["effect"], words), str(row["reason"]),
            )
        )  # fmt: skip
    first = table.iloc[0]
    title = words(
        "matrix.years_later", lever=say.lever_name(str(first["lever"]), words), n=int(first["years_later"])
    )
    columns = [words(f"ledger.{n}") for n in ("target", "clause", "year", "plan")]
    columns += [words(f"matrix.{n}") for n in ("as_is", "later", "effect", "reason")]
    print_table(title, columns, rows, right=(4, 5, 6), whole=(0, 2))


def _case(
    scenario: str,
    city: str | None,
    sample: float | None,
    years: str | None,
    seed: int | None,
    settings: list[str] | None,
    replications: int,
    uncertain: bool,
) -> tuple[Any, Any]:
    """Scenario and city of paired runs; the city stays closed until all input is checked."""
    case = read_case(
        scenario, sample=sample, years=years, seed=seed, settings=settings or [], replications=replications
    )
    if uncertain:
        case = case.replace(uncertain=True)
    if city is None:
        return case, None
    from transport_abm.networks.cities.open_city import open_city

    place, _ = open_city(city)
    return case.replace(city=place.name), place


def _ids(text: str | None) -> list[str] | None:
    """Names of a list with commas."""
    return None if text is None else [word.strip() for word in text.split(",") if word.strip()]


def _steps(settings: list[str]) -> dict[str, float]:
    """Steps of the command line; all faults at once."""
    out, faults = {}, []
    for setting in settings:
        name, _, text = setting.partition("=")
        try:
            out[name] = float(text)
        except ValueError:
            faults.append(Fault("command line", "--step", "lever=number", setting))
    if faults:
        raise ScenarioError(faults)
    return out
