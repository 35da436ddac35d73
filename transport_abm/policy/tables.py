"""Reading the plan's CSV tables: every fault of a file with the row it stands in."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from transport_abm.core.errors import Fault, InputError

T = TypeVar("T")


def data_folder() -> Path:
    """Folder of the shipped tables of the plan, parameters and scenarios."""
    return Path(str(files("transport_abm.policy").joinpath("data")))


@dataclass
class Row:
    """Cells of one row, with the faults found in them so far."""

    file: str
    cells: dict[str, str]
    faults: list[Fault] = field(default_factory=list)

    def fault(self, column: str, expected: str) -> None:
        """Note that a cell is not what it should be."""
        identity = next(iter(self.cells.values()), "?")
        self.faults.append(Fault(self.file, f"{identity}.{column}", expected, repr(self.cells[column])))

    def text(self, column: str) -> str:
        """A text that must not be empty."""
        if not self.cells[column]:
            self.fault(column, "a text")
        return self.cells[column]

    def one_of(self, column: str, words: Sequence[str]) -> str:
        """One of the given words."""
        if self.cells[column] not in words:
            self.fault(column, "one of " + ", ".join(repr(word) for word in words))
        return self.cells[column]

    def number(self, column: str) -> float:
        """A finite number; NaN after a fault."""
        try:
            value = float(self.cells[column])
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            self.fault(column, "a finite number")
            return math.nan
        return value

    def number_or_none(self, column: str) -> float | None:
        """A finite number, or None for an empty cell."""
        return self.number(column) if self.cells[column] else None

    def year_or_none(self, column: str) -> int | None:
        """A year of four digits, or None for an empty cell."""
        cell = self.cells[column]
        if not cell:
            return None
        if not (len(cell) == 4 and cell.isascii() and cell.isdigit()):
            self.fault(column, "a year of four digits")
            return None
        return int(cell)


def read_rows(path: Path, columns: Sequence[str], error: type[InputError]) -> list[Row]:
    """Rows of a CSV table that has exactly the given columns and a unique ``id``.

    Parameters
    ----------
    path
        The file, UTF-8.
    columns
        Header expected, in order; the first column identifies the row.
    error
        Error to raise.

    Returns
    -------
    list[Row]
        Rows in the order of the file.

    Raises
    ------
    InputError
        Of the given kind, if the file cannot be read, its header or a row has the wrong columns, or an
        identifier stands twice.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            lines = list(csv.reader(stream))
    except (OSError, ValueError, csv.Error) as cause:
        raise error(Fault(path.name, "file", "a readable CSV table in UTF-8", str(cause))) from None
    if not lines or lines[0] != list(columns):
        got = ",".join(lines[0]) if lines else "an empty file"
        raise error(Fault(path.name, "header", ",".join(columns), got))
    faults = []
    seen: set[str] = set()
    for number, cells in enumerate(lines[1:], start=2):
        if len(cells) != len(columns):
            faults.append(Fault(path.name, f"line {number}", f"{len(columns)} cells", str(len(cells))))
        elif cells[0] in seen:
            faults.append(Fault(path.name, f"line {number}", f"a new {columns[0]}", f"{cells[0]!r} again"))
        seen.add(cells[0] if cells else "")
    if faults:
        raise error(faults)
    return [Row(path.name, dict(zip(columns, cells, strict=True))) for cells in lines[1:]]


def raise_faults(rows: Sequence[Row], error: type[InputError]) -> None:
    """Raise all faults of a table at once, if there are any."""
    faults = [fault for row in rows for fault in row.faults]
    if faults:
        raise error(faults)


def read_table(
    path: Path,
    columns: Sequence[str],
    error: type[InputError],
    build: Callable[[Row], T],
    check: Callable[[Sequence[Row], Mapping[str, T]], None] | None = None,
) -> Mapping[str, T]:
    """Things of a table by their ids, in the order of the file.

    Parameters
    ----------
    path, columns, error
        As in `read_rows`.
    build
        Makes one thing from its row, and notes faults in the row.
    check
        Notes faults of rows that do not go together.

    Returns
    -------
    Mapping[str, T]
        Things by id; cannot be changed.

    Raises
    ------
    InputError
        If the table is wrong; all faults are named.
    """
    rows = read_rows(path, columns, error)
    out = {row.cells["id"]: build(row) for row in rows}
    if check is not None:
        check(rows, out)
    raise_faults(rows, error)
    return MappingProxyType(out)
