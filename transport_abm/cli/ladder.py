"""Command of the ladder: the same year on every rung of road traffic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from transport_abm.cli.ledger import CityOption, SampleOption, SeedOption, SetOption
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


@app.command("ladder")
def ladder_command(
    scenario: Annotated[str, typer.Argument(help="Name of a shipped scenario or a TOML file.")] = "baseline",
    year: Annotated[
        str, typer.Option(help="Year to compare, or first and last, as 2020 or 2020-2022.")
    ] = "2020",
    rungs: Annotated[str, typer.Option(help="Rungs, with commas.")] = "L0,L1,L2",
    out: Annotated[
        Path | None, typer.Option(help="HTML file to write as well, in the language of the table.")
    ] = None,
    city: CityOption = None,
    sample: SampleOption = None,
    seed: SeedOption = None,
    set_: SetOption = None,
    language: LanguageOption = Language.EN,
    as_json: JsonOption = False,
) -> None:
    """The same year on every rung of road traffic: times, shares, speeds, gaps, seconds and memory."""
    from transport_abm.experiments.ladder import ladder_table, run_ladder
    from transport_abm.report.ladder_page import explain, ladder_rows, write_ladder
    from transport_abm.report.texts import texts

    case = read_case(scenario, sample=sample, years=year, seed=seed, settings=set_ or [], replications=1)
    names = [name.strip().upper() for name in rungs.split(",") if name.strip()]
    with progress(as_json) as tell:
        runs = run_ladder(case, names, city=city, tell=tell)
    if out is not None:
        write_ladder(runs, out, language=language.value)
    words = texts(language.value)
    if as_json:
        print_json({"rows": ladder_table(runs).to_dict("records"), "reasons": explain(runs, words)})
        return
    title = words("ladder.title", name=case.name, year=case.years[1])
    head = [words("ladder.what"), words("ladder.unit"), *names, words("word.observed")]
    print_table(title, head, ladder_rows(runs, words), right=tuple(range(2, 3 + len(runs))))
    for text in explain(runs, words):
        console.print(f"- {text}", soft_wrap=True)
    if out is not None:
        notes.print(str(out), soft_wrap=True)
