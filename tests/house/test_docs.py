"""The documents agree with the model: generated parts, links, commands, scenarios, tests they name."""

from __future__ import annotations

import importlib.util
import re
import sys
import tomllib
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import typer.main

from transport_abm.cli import cities, ladder, ledger, listings, networks, runs  # noqa: F401
from transport_abm.cli.main import app
from transport_abm.core.draws import Stream
from transport_abm.networks.cities.city_build import CityRecipe
from transport_abm.policy.scenario import Scenario

ROOT = Path(__file__).resolve().parents[2]
WRITTEN = ("README.md", "README.zh.md", "DATA.md", "CHANGELOG.md", "docs/odd.md", "docs/parameters.md",
           "docs/method.md", "docs/guide.en.md", "docs/guide.zh.md")  # fmt: skip


@cache
def build() -> ModuleType:
    """The program that generates parts of the documents."""
    spec = importlib.util.spec_from_file_location("docs_build", ROOT / "docs" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def text_of(name: str) -> str:
    """A document."""
    return (ROOT / name).read_text(encoding="utf-8")


def test_generated_parts_are_current() -> None:
    stale = build().stale()
    assert not stale, f"{stale} differ from the registries; run: python docs/build.py"


def test_render_replaces_blocks_only_and_settles() -> None:
    text = "before\n<!-- begin streams -->\nSTALE\n<!-- end streams -->\nafter\n"
    new = build().render(text)
    assert new.startswith("before\n<!-- begin streams -->\n")
    assert new.endswith("\n<!-- end streams -->\nafter\n")
    assert f"{Stream.MODE.name.lower()} ({int(Stream.MODE)})" in new
    assert "STALE" not in new
    assert build().render(new) == new


@pytest.mark.parametrize("name", WRITTEN)
def test_every_block_that_begins_ends_and_is_known(name: str) -> None:
    begun = re.findall(r"<!-- begin ([a-z-]+) -->", text_of(name))
    ended = re.findall(r"<!-- end ([a-z-]+) -->", text_of(name))
    assert begun == ended
    assert set(begun) <= set(build().BLOCKS)


@pytest.mark.parametrize("name", WRITTEN)
def test_links_lead_to_files_of_the_project(name: str) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text_of(name))
    local = [link for link in links if "://" not in link]
    missing = [link for link in local if not ((ROOT / name).parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("name", WRITTEN)
def test_commands_and_options_exist(name: str) -> None:
    group = typer.main.get_command(app)
    for line in re.findall(r"^\s*(?:\.venv/bin/)?transport-abm ([^#\n`]*)", text_of(name), re.MULTILINE):
        words = line.split()
        command = group
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]  # type: ignore[attr-defined]
        assert command is not group, f"no such command: transport-abm {line}"
        known = {option for parameter in command.params for option in parameter.opts}
        used = {word.partition("=")[0] for word in words if word.startswith("-")}
        assert used <= known, f"transport-abm {line}: {sorted(used - known)}"


@pytest.mark.parametrize("name", WRITTEN)
def test_scenarios_and_recipes_in_the_documents_are_read(name: str) -> None:
    for block in re.findall(r"```toml\n(.*?)```", text_of(name), re.DOTALL):
        content = tomllib.loads(block)
        if "population_columns" in content:
            assert CityRecipe.model_validate(content).zones > 0
        else:
            case = Scenario.from_toml(block)
            assert case.levers or case.parameters


def test_tests_named_in_the_method_note_exist() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)`(?:: `(test_\w+)`)?", text_of("docs/method.md"))
    assert named
    for file, test in named:
        content = text_of(file)
        assert not test or f"def {test}(" in content, f"{file}::{test}"
