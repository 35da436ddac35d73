"""Lines of TNTP files: metadata, rows of numbers, and signs that a file is cut short."""

from __future__ import annotations

import math
from pathlib import Path

from transport_abm.core.errors import Fault
from transport_abm.networks.cities.csv_files import as_number, read_text

Lines = list[tuple[int, str]]
"""Rows with the numbers of their lines."""


def split(path: Path, faults: list[Fault | str], *, has_meta: bool = True) -> tuple[dict[str, str], Lines]:
    """Metadata by name, and the numbered lines after it; both without comments, lines without blanks."""
    text = read_text(Path(path))
    meta: dict[str, str] = {}
    lines: Lines = []
    inside = has_meta
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.split("~", 1)[0].strip()
        if inside and stripped.startswith("<"):
            name, _, value = stripped[1:].partition(">")
            name, value = name.strip().upper(), value.strip()
            if meta.setdefault(name, value) != value:
                faults.append(
                    Fault(str(path), f"line {number}, <{name}>", f"{meta[name]!r}, as before", repr(value))
                )
            inside = name != "END OF METADATA"
        elif stripped:
            lines.append((number, stripped))
    if inside:
        faults.append(Fault(str(path), "<END OF METADATA>", "this line before the rows", "none"))
    return meta, lines


def whole_last(path: Path, lines: Lines, faults: list[Fault | str]) -> None:
    """A fault if the last row is cut: a number cut short is a number still, and only the sign after it tells."""
    rows = without_header(lines)
    # A header may lack the sign, or have it alone; it speaks for the rows only where there is one.
    first = rows if len(rows) > 1 else lines
    if len(first) > 1 and first[0][1].endswith(";") and not lines[-1][1].endswith(";"):
        number, last = lines[-1]
        faults.append(Fault(str(path), f"line {number}", "';' at its end, as in the first row", last))


def without_header(lines: Lines) -> Lines:
    """Rows without the line of column names, if there is one: a line without any number."""
    names = lines[0][1].rstrip(";").split() if lines else []
    return lines[1:] if lines and all(number_of(name) is None for name in names) else lines


def count_of(path: Path, meta: dict[str, str], name: str, faults: list[Fault | str]) -> int:
    """A positive whole number of the metadata; 0, with a fault, if it is none."""
    text = meta.get(name)
    if text is None or not _is_whole(text) or int(text) < 1:
        faults.append(
            Fault(str(path), f"<{name}>", "a whole number, 1 or more", repr(text) if text else "none")
        )
        return 0
    return int(text)


def number_of(text: str) -> float | None:
    """A finite number, or None."""
    value = as_number(text.strip())
    return value if math.isfinite(value) else None


def numbers_of(path: Path, number: int, text: str, least: int, faults: list[Fault | str]) -> list[float]:
    """The first numbers of a row, as many as it must have; NaN, with a fault, where there is none."""
    fields = text.rstrip(";").split()
    values = [number_of(field) for field in fields[:least]]
    if len(fields) < least:
        faults.append(Fault(str(path), f"line {number}", f"{least} fields", f"{len(fields)} fields: {text}"))
    for place, value in enumerate(values, 1):
        if value is None:
            faults.append(Fault(str(path), f"line {number}, field {place}", "a number", fields[place - 1]))
    return [math.nan if value is None else value for value in values] + [math.nan] * (least - len(values))


def zone_of(path: Path, where: str, text: str, n_zones: int, faults: list[Fault | str]) -> int:
    """Row of a zone written from 1; -1, with a fault, if it is not one."""
    name = text.strip()
    if _is_whole(name) and 1 <= int(name) <= n_zones:
        return int(name) - 1
    faults.append(Fault(str(path), where, f"a zone from 1 to {n_zones}", name or "none"))
    return -1


def half_unit(text: str) -> float:
    """Half a unit of the last digit of a printed number: what rounding may have taken from it."""
    digits, _, power = text.strip().lower().partition("e")
    return 0.5 * 10.0 ** min(int(power or 0) - len(digits.partition(".")[2]), 300)


def _is_whole(text: str) -> bool:
    """Whether a text is a whole number in plain digits, of a length that fits anything that is counted."""
    return text.isascii() and text.isdecimal() and len(text) <= 12
