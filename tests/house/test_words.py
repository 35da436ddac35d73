"""One word per thing: public names of the package use no word that the glossary bans."""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Iterator
from pathlib import Path

import transport_abm
from transport_abm.policy.inputs import shipped_catalogue
from transport_abm.policy.levers import read_levers
from transport_abm.policy.tables import data_folder

PACKAGE = Path(transport_abm.__file__).parent
COLUMNS = ["en", "zh", "unit", "meaning", "banned"]


def glossary() -> list[dict[str, str]]:
    """Rows of the glossary."""
    with (data_folder() / "glossary.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == COLUMNS
    return rows


def banned() -> dict[str, str]:
    """Banned word to the word to use."""
    return {word: row["en"] for row in glossary() for word in row["banned"].split(";") if word}


def words(name: str) -> set[str]:
    """Words of a name in snake_case or CamelCase, in lower case."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def public_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and name of every public function, class, argument, and module or class attribute."""

    def inside(body: list[ast.stmt]) -> Iterator[tuple[int, str]]:
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield node.lineno, node.name
                arguments = node.args
                for argument in arguments.posonlyargs + arguments.args + arguments.kwonlyargs:
                    yield node.lineno, argument.arg
            elif isinstance(node, ast.ClassDef):
                yield node.lineno, node.name
                if not node.name.startswith("_"):
                    yield from inside(node.body)
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                yield from ((node.lineno, each.id) for each in targets if isinstance(each, ast.Name))

    yield from ((line, name) for line, name in inside(tree.body) if not name.startswith("_"))


def test_the_glossary_has_every_word_once_in_both_languages() -> None:
    rows = glossary()
    assert len({row["en"] for row in rows}) == len(rows)
    assert len({row["zh"] for row in rows}) == len(rows)
    assert all(row["en"] and row["zh"] and row["meaning"] for row in rows)
    used = {word for row in rows for word in words(row["en"])}
    assert not used & set(banned())


def test_the_search_finds_a_banned_word_in_either_spelling() -> None:
    tree = ast.parse("class ZoneKPI:\n    kpi_min: int\ndef read(taz, x): ...\nclass _Arc:\n    arc: int")
    found = {name for _, name in public_names(tree) if words(name) & set(banned())}
    assert found == {"ZoneKPI", "kpi_min", "taz"}


def test_no_public_name_uses_a_banned_word() -> None:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for line, name in public_names(ast.parse(path.read_text(encoding="utf-8"))):
            found += [
                f"{path.relative_to(PACKAGE)}:{line}: {name!r}: say {banned()[word]!r}"
                for word in words(name) & set(banned())
            ]
    assert not found, "\n".join(found)


def test_no_parameter_or_lever_uses_a_banned_word() -> None:
    names = [*shipped_catalogue().parameters, *read_levers()]
    assert not [name for name in names if words(name) & set(banned())]
