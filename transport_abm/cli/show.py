"""Shared by the commands: languages, tables and progress on a terminal, JSON for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console, JustifyMethod
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

Tell = Callable[[str, float], None]


class Language(StrEnum):
    """Language of what is printed."""

    EN = "en"
    ZH = "zh"


LanguageOption = Annotated[Language, typer.Option("--language", "-l", help="Language: en or zh.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")]

console = Console(highlight=False)
notes = Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    """One JSON document on standard output; numbers that are not finite become null."""
    json.dump(_finite(value), sys.stdout, ensure_ascii=False, indent=1)
    sys.stdout.write("\n")


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    right: Sequence[int] = (),
    whole: Sequence[int] = (),
    most: Mapping[int, int] | None = None,
) -> None:
    """A table; wide cells wrap but in the columns that stay whole, at most so wide as told, and nothing is cut."""
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for number, name in enumerate(columns):
        side: JustifyMethod = "right" if number in right else "left"
        table.add_column(
            name, justify=side, overflow="fold", no_wrap=number in whole, max_width=(most or {}).get(number)
        )
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # no cell is markup
    width = console.width if console.is_terminal else 160
    Console(highlight=False, width=width).print(table)


@contextmanager
def progress(quiet: bool = False) -> Iterator[Tell]:
    """Progress with what is happening and how long it will take, on a terminal only."""
    if quiet or not notes.is_terminal:
        yield lambda what, done: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=notes, transient=True) as bar:
        task = bar.add_task("Starting", total=1.0, left="")
        began = time.monotonic()
        first: list[float] = []

        def tell(what: str, done: float) -> None:
            # Opening and fitting take time before the years begin; the estimate counts from the first year.
            if done > 0 and not first:
                first.append(time.monotonic())
            left = ""
            if first and done > 0.02:
                seconds = (time.monotonic() - (first[0] if done < 1 else began)) * (1.0 - done) / done
                left = f"about {seconds:.0f} s left" if done < 1 else ""
            bar.update(task, completed=done, description=what, left=left)

        yield tell


def _finite(value: Any) -> Any:
    """The value with every number that JSON cannot hold made null."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not (value == value and abs(value) != float("inf")):
        return None
    if hasattr(value, "item") and callable(value.item):
        return _finite(value.item())
    return value
