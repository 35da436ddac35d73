"""Figures of the benchmarks in one table, against peers, against the machine's roof and against the project's bars.

Each benchmark keeps its figures in ``benchmarks/figures.csv``, a row each, in place of the row that it kept before.
``python -m benchmarks.figures`` prints the table.
"""

from __future__ import annotations

import csv
import platform
import re
import sys
from collections.abc import Iterable
from datetime import date
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

FILE = Path(__file__).with_name("figures.csv")
WIDTH = 190
COLUMNS = (
    "what", "figure", "unit", "peer", "peer figure", "times faster", "roof", "roof figure", "times the roof", "bar",
    "met", "machine", "date",
)  # fmt: skip


def keep(
    what: str, figure: float, unit: str, *, peer: tuple[str, float] | None = None,
    roof: tuple[str, float] | None = None, bar: float | None = None, bar_faster: float | None = None,
) -> None:  # fmt: skip
    """Keep a figure; the less of it the better.

    Parameters
    ----------
    what
        What was measured, on what: the name of the row.
    figure, unit
        Measured.
    peer
        Another tool that did the same, and its figure in the same unit.
    roof
        What the machine cannot do without, and how long it takes for that alone, in the same unit.
    bar, bar_faster
        The project's bar: most of the figure, or least times faster than the peer.
    """
    rows = {row["what"]: row for row in read()}
    faster = peer[1] / figure if peer else None
    met = [] if bar is None else [figure <= bar]
    met += [] if bar_faster is None or faster is None else [faster >= bar_faster]
    bars = [] if bar is None else [f"at most {_short(bar)} {unit}"]
    bars += [] if bar_faster is None else [f"at least {bar_faster:g} times faster"]
    values = (
        what, _short(figure), unit, *((peer[0], _short(peer[1])) if peer else ("", "")),
        _short(faster), *((roof[0], _short(roof[1])) if roof else ("", "")),
        _short(figure / roof[1] if roof else None), "; ".join(bars), ("yes" if all(met) else "no") if met else "",
        machine(), date.today().isoformat(),
    )  # fmt: skip
    rows[what] = dict(zip(COLUMNS, values, strict=True))
    with FILE.open("w", encoding="utf-8", newline="") as stream:
        table = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows[name] for name in sorted(rows))


def read() -> list[dict[str, str]]:
    """The rows kept so far."""
    if not FILE.is_file():
        return []
    with FILE.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def machine() -> str:
    """Processor, cores, and the versions that decide how fast kernels are."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").is_file() else ""
    names = re.findall(r"model name\s*:\s*(.+)", text) or [platform.processor() or platform.machine()]
    cores = f"{len(names)} cores, " if text else ""
    return f"{names[0].strip()}, {cores}Python {platform.python_version()}, numba {version('numba')}"


def show(rows: Iterable[dict[str, str]]) -> None:
    """Print the table."""
    table = Table(title="Benchmarks: the less the better")
    for name in ("what", "figure", "against peers", "against the machine", "bar"):
        table.add_column(name, overflow="fold")
    told = set()
    for row in rows:
        told.add(f"{row['machine']}; {row['date']}")
        peer = (
            f"{row['peer']} {row['peer figure']}: {row['times faster']} times faster" if row["peer"] else ""
        )
        roof = f"{row['times the roof']} times {row['roof']} ({row['roof figure']})" if row["roof"] else ""
        met = {"yes": ": met", "no": ": MISSED"}.get(row["met"], "")
        table.add_row(row["what"], f"{row['figure']} {row['unit']}", peer, roof, row["bar"] + met)
    # Where nobody looks at a screen (a log, a file) lines may be long.
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    console.print(table)
    for each in sorted(told):
        console.print(each)


def _short(value: float | None) -> str:
    """Three digits that count, nothing where there is nothing."""
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    show(read())
