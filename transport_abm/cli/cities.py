"""Commands that build cities, look at them, check them, draw them and compare them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from transport_abm.cli.city_table import comparison, comparison_rows, comparison_text, finding_text, info_rows
from transport_abm.cli.main import app
from transport_abm.cli.show import (
    JsonOption,
    Language,
    LanguageOption,
    console,
    notes,
    print_json,
    print_table,
)
from transport_abm.core.errors import NetworkError, StoreError

CityArgument = Annotated[str, typer.Argument(help="Name of a city, or a city folder.")]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", help="City folder to write; by default one in the cache, known by name."),
]

cities = typer.Typer(
    help="Build cities, look at them, check them, draw them, compare them.", no_args_is_help=True
)
app.add_typer(cities, name="city")


@cities.command("recipe")
def recipe_command() -> None:
    """Print a commented recipe to start from."""
    from transport_abm.networks.cities.city_recipe import recipe_template

    typer.echo(recipe_template(), nl=False)


@cities.command("build")
def build_command(
    recipe: Annotated[Path, typer.Argument(help="Recipe (TOML); see: transport-abm city recipe.")],
    out: OutOption = None,
    language: LanguageOption = Language.EN,
    as_json: JsonOption = False,
) -> None:
    """Build a city from roads, districts, residents, metro, buses or GTFS, as a recipe names them."""
    from transport_abm.networks.cities.city_recipe import read_recipe

    plan = read_recipe(recipe)

    def build(tell: Callable[[str], None]) -> Any:
        from transport_abm.networks.cities.city_build import build_city_from_files

        return build_city_from_files(plan, tell)

    _build(plan.name, out, build, language, as_json)


@cities.command("build-beijing")
def build_beijing_command(
    folder: Annotated[
        Path,
        typer.Argument(help="Folder with roads/, subway/, boundaries/, population/ of Beijing."),
    ],
    out: OutOption = None,
    language: LanguageOption = Language.EN,
    as_json: JsonOption = False,
) -> None:
    """Build beijing-osm: real roads of the centre, real districts, residents and metro."""

    def build(tell: Callable[[str], None]) -> Any:
        from transport_abm.networks.cities.beijing_osm import build_beijing_osm

        tell("Reading the files of Beijing; about a minute")
        return build_beijing_osm(folder)

    _build("beijing-osm", out, build, language, as_json)


@cities.command("info")
def info_command(
    city: CityArgument, language: LanguageOption = Language.EN, as_json: JsonOption = False
) -> None:
    """How large a city is, and what it says about its data."""
    from transport_abm.networks.cities.city_check import city_info
    from transport_abm.networks.cities.open_city import open_city

    place, digest = open_city(city)
    facts = city_info(place) | {"digest": digest}
    if as_json:
        print_json(facts)
        return
    zh = language is Language.ZH
    _table(("项目", "值") if zh else ("What", "Value"), info_rows(facts, zh))


@cities.command("check")
def check_command(
    city: CityArgument, language: LanguageOption = Language.EN, as_json: JsonOption = False
) -> None:
    """What would spoil a run in a city; exit code 1 if there is an error."""
    from transport_abm.networks.cities.city_check import check_city
    from transport_abm.networks.cities.open_city import open_city

    found = check_city(open_city(city)[0])
    errors = sum(finding.level == "error" for finding in found)
    if as_json:
        print_json({"city": city, "errors": errors, "findings": [vars(finding) for finding in found]})
    else:
        zh = language is Language.ZH
        names = ("级别", "问题", "位置", "数量") if zh else ("Level", "What", "Where", "Rows")
        level = {"error": "错误", "warning": "警告", "note": "提示"} if zh else {}
        rows = [(level.get(f.level, f.level), finding_text(f.what, zh), f.where, str(f.count)) for f in found]
        if rows:
            _table(names, rows, right=(3,))
        _say(f"{errors} 个错误" if zh else f"{errors} errors")
    if errors:
        raise typer.Exit(1)


@cities.command("map")
def map_command(
    city: CityArgument, picture: Annotated[Path, typer.Argument(metavar="OUT.png", help="PNG file to write.")]
) -> None:
    """Draw a city: districts, roads, metro and zones."""
    if picture.suffix.lower() != ".png":
        raise StoreError(f"{picture}: expected a name ending in .png")
    from transport_abm.report.citymap import write_city_map

    _say(str(write_city_map(city, picture)))


@cities.command("compare")
def compare_command(
    a: CityArgument,
    b: CityArgument,
    places: Annotated[
        Path | None,
        typer.Option(help="CSV: name_en, name_zh, lon, lat; 12 places of Beijing by default."),
    ] = None,
    year: Annotated[
        int, typer.Option(min=2020, max=2030, help="Year whose roads and lines are open.")
    ] = 2020,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="A page in Markdown instead of tables.")
    ] = False,
    language: LanguageOption = Language.EN,
    as_json: JsonOption = False,
) -> None:
    """Travel times between well-known places in two cities, side by side: empty roads, metro, all transit."""
    zh = language is Language.ZH
    result = comparison(a, b, places, year, _teller())
    if as_json:
        print_json(result)
        return
    if markdown:
        typer.echo(comparison_text(result, zh), nl=False)
        return
    _say(f"A = {result['a']['name']}, B = {result['b']['name']}, {year}")
    for title, names, rows in comparison_rows(result, zh):
        _say(f"\n{title}")
        _table(names, rows, right=(2, 3, 4, 5))


def _build(
    name: str,
    out: Path | None,
    build: Callable[[Callable[[str], None]], Any],
    language: Language,
    as_json: bool,
) -> None:
    """Build a city, write it, and say where it is and what was found."""
    from transport_abm.networks.cities.city_check import check_city
    from transport_abm.networks.cities.city_files import folder_faults, write_city
    from transport_abm.networks.cities.open_city import city_folder

    folder = out or city_folder(name)
    if out is None:
        folder.parent.mkdir(parents=True, exist_ok=True)
    faults = folder_faults(folder)
    if faults:
        raise NetworkError(faults)
    tell = _teller()
    city = build(tell)
    tell("Writing")
    try:
        digest = write_city(city, folder)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written: {error.strerror}") from error
    found = check_city(city)
    levels = {level: sum(f.level == level for f in found) for level in ("error", "warning", "note")}
    if as_json:
        print_json({"name": city.name, "folder": str(folder), "digest": digest, "findings": levels})
        return
    zh = language is Language.ZH
    _say(str(folder))
    size = f"{len(city.zones)} zones, {city.roads.n_links} links, {city.transit.n_lines} lines"
    size_zh = f"{len(city.zones)} 个小区、{city.roads.n_links} 条路段、{city.transit.n_lines} 条线路"
    _note(f"{city.name}: {size_zh if zh else size}")
    if found:
        count = ", ".join(f"{number} {level}" for level, number in levels.items() if number)
        _note(f"{'检查' if zh else 'Check'}: {count} (transport-abm city check {out or name})")


def _teller() -> Callable[[str], None]:
    """What is being done, with seconds since the start, on the error stream."""
    began = time.monotonic()
    return lambda what: _note(f"{time.monotonic() - began:5.1f} s  {what}")


def _say(text: str) -> None:
    """A line on standard output, as it is: names of cities may hold brackets."""
    console.print(text, markup=False, soft_wrap=True)


def _note(text: str) -> None:
    """A line on the error stream, as it is."""
    notes.print(text, markup=False, soft_wrap=True)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> None:
    """A table of cells as they are."""
    print_table("", columns, rows, right)


@cities.command("fit")
def fit_command(
    city: CityArgument,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for the file; by default the cache, where runs find it."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Fit a city's base-year constants to the observed shares, with every lever at rest; runs do it by themselves."""
    from transport_abm.base_year import city_key, fit_key, write_base_year
    from transport_abm.fit_base_year import fit_base_year
    from transport_abm.networks.cities.open_city import open_city

    place, digest = open_city(city)
    base = fit_base_year(place, {}, tell=lambda what, done: _note(f"{what}: {done:.0%}"))
    key = fit_key(city_key(place, digest), {})
    write_base_year(key, base, out)
    if as_json:
        print_json({"key": key} | base.facts())
        return
    facts = base.facts()
    rows = [(mode, f"{value:.4f}") for mode, value in facts["constant"].items()]
    rows += [("other tours, factor", f"{base.rate_scale:.4f}"), ("gap of shares", f"{base.share_gap:.1e}"),
             ("gap of trips", f"{base.trips_gap:.1e}")]  # fmt: skip
    _table(("Constant", "Value"), rows, right=(1,))
