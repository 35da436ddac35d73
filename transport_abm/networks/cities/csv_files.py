"""Read a CSV file from outside into checked columns, taking down every fault."""

from __future__ import annotations

import csv
import gzip
import io
import math
import zlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.networks.city import F64

MAX_BYTES = 500_000_000
"""Largest table after decompression [bytes]."""
MAX_RATIO = 200
"""Largest decompressed over packed size; tables pack 5 to 40 fold."""
_RATIO_FREE_BYTES = 20_000_000
MAX_TEXT = 2_000
_MAX_FAULTS = 20


def read_text(path: Path, limit: int = MAX_BYTES) -> str:
    """Read a text file in UTF-8, decompressing ``.gz``.

    Parameters
    ----------
    path
        The file.
    limit
        Most bytes after decompression.

    Returns
    -------
    str
        The text, without a byte-order mark.

    Raises
    ------
    NetworkError
        If the file is missing, too large, broken or not UTF-8.
    """
    try:
        if not path.is_file():
            raise NetworkError(Fault(path.name, "file", "a file", "no such file"))
        if path.suffix == ".gz":
            limit = min(limit, max(path.stat().st_size * MAX_RATIO, _RATIO_FREE_BYTES))
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise NetworkError(Fault(path.name, "file", "a readable file", type(error).__name__)) from None
    return decode(data, path.name, limit)


def decode(data: bytes, file: str, limit: int = MAX_BYTES) -> str:
    """Turn bytes into text, or say why not."""
    if len(data) > limit:
        raise NetworkError(Fault(file, "size", f"at most {limit} bytes", "more"))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NetworkError(Fault(file, "encoding", "UTF-8", str(error)[:80])) from None


def as_number(text: str | None) -> float:
    """A number as files spell it; not a number where it is none.

    Python's own reader would also take underscores and digits of other scripts.
    """
    if text is None or len(text) >= 40 or not text.isascii() or "_" in text:
        return math.nan
    try:
        return float(text)
    except ValueError:
        return math.nan


class Columns:
    """Columns of one CSV table as text, with typed access that takes down faults."""

    def __init__(
        self, file: str, text: str, needed: tuple[str, ...], faults: list[Fault], longest: int = MAX_TEXT
    ) -> None:
        self.file = file
        self.longest = longest
        self.faults = faults
        self.column: dict[str, list[str]] = {}
        self.rows = 0
        try:
            self._take(csv.reader(io.StringIO(text, newline=""), strict=True))
        except csv.Error as error:
            faults.append(Fault(file, "file", "a CSV table", str(error)))
        self.missing = [name for name in needed if name not in self.column]
        faults += [Fault(file, name, "a column of this name", "none") for name in self.missing]
        self.sound = not self.missing

    def _take(self, reader: Iterable[list[str]]) -> None:
        """Take the rows of a reader."""
        header: list[str] = []
        rows: list[list[str]] = []
        for row in reader:
            if not row:
                continue
            if not header:
                header = [name.strip() for name in row]
            elif len(row) != len(header) or any(len(cell) > self.longest for cell in row):
                got = f"{len(row)} cells" if len(row) != len(header) else "a cell too long"
                self.fault(
                    f"row {len(rows) + 2}", f"{len(header)} cells of at most {self.longest} characters", got
                )
                rows.append((row + [""] * len(header))[: len(header)])
            else:
                rows.append(row)
        # Of two columns of one name the last would be read and the other one be lost. Columns without a name are none.
        for name, count in Counter(header).items():
            if name and count > 1:
                self.fault(name, "one column of this name", str(count))
        self.rows = len(rows)
        self.column = {name: [row[k].strip() for row in rows] for k, name in enumerate(header)}

    def fault(self, field: str, expected: str, got: str) -> None:
        """Take down a fault of this table, up to a limit."""
        if sum(fault.file == self.file for fault in self.faults) < _MAX_FAULTS:
            self.faults.append(Fault(self.file, field, expected, got))

    def text(self, name: str, default: str = "") -> list[str]:
        """Return a column of text; ``default`` in every row if the column is absent."""
        return self.column.get(name, [default] * self.rows)

    def number(
        self, name: str, low: float, high: float, default: float | None = None, *, above: bool = False
    ) -> F64:
        """Return a column of numbers, NaN where faulty; ``default`` (if any) stands in for empty cells."""
        values = np.full(self.rows, math.nan)
        for row, cell in enumerate(self.text(name)):
            if not cell and default is not None:
                values[row] = default
                continue
            value = as_number(cell)
            if not low <= value <= high or (above and value == low):
                self.fault(
                    f"{name}, row {row + 2}",
                    f"a number {'above' if above else 'from'} {low:g} to {high:g}",
                    repr(cell),
                )
                value = math.nan
            values[row] = value
        return values


def read_columns(path: Path, needed: tuple[str, ...], faults: list[Fault]) -> Columns:
    """Read a CSV file.

    Parameters
    ----------
    path
        File, plain or ending in ``.gz``.
    needed
        Columns it must have.
    faults
        List to which faults of the content are added.

    Returns
    -------
    Columns
        The table; unusable where ``sound`` is False.

    Raises
    ------
    NetworkError
        If the file cannot be read at all.
    """
    return Columns(path.name, read_text(path), needed, faults)
