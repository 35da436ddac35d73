"""Numbers as people read them: units, decimals, percent, millions or 万."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from transport_abm.report.texts import Texts, read_rows

MISSING = "-"
THOUSANDS = 1000.0
TINY = 1e-6


@dataclass(frozen=True)
class Form:
    """How the numbers of one row are shown."""

    scale: float
    """What the numbers are divided by."""
    decimals: int
    unit: str
    """Label of the unit after the division."""

    def __call__(self, value: float, *, sign: bool = False) -> str:
        """A number in this form; a dash where there is none."""
        return plain(value / self.scale, self.decimals, sign=sign)


@cache
def _units() -> Mapping[str, Mapping[str, str]]:
    """Rows of the table of units by unit."""
    return {row["unit"]: row for row in read_rows("units.csv")}


def plain(value: float, decimals: int, *, sign: bool = False) -> str:
    """A number with thousands separators and a true minus; a dash where there is none."""
    if not math.isfinite(value):
        return MISSING
    text = f"{value:{'+' if sign else ''},.{decimals}f}"
    if float(text.replace(",", "")) == 0.0:
        text = text.lstrip("+-")
    return text.replace("-", "\u2212")


def percent(share: float, decimals: int = 1, *, sign: bool = False) -> str:
    """A share in percent."""
    return f"{plain(100.0 * share, decimals, sign=sign)}%" if math.isfinite(share) else MISSING


def points(difference: float, words: Texts, *, sign: bool = True) -> str:
    """A difference of two shares in percentage points."""
    return (
        words("unit.points", value=plain(100.0 * difference, 1, sign=sign))
        if math.isfinite(difference)
        else MISSING
    )


def small(value: float) -> str:
    """A small number to two significant digits, without exponents down to a millionth."""
    if not math.isfinite(value):
        return MISSING
    if value == 0.0 or abs(value) >= 1.0:
        return plain(value, 2 if 0.0 < abs(value) < 100.0 else 0)
    if abs(value) < TINY:
        return f"< {plain(TINY, 6)}"
    return plain(value, 1 - math.floor(math.log10(abs(value))))


def form(unit: str, values: Sequence[float], words: Texts) -> Form:
    """Form of the numbers of one row.

    Parameters
    ----------
    unit
        Unit of the outcome.
    values
        The numbers; the largest sets scale and decimals.
    words
        Language.

    Returns
    -------
    Form
        Scale, decimals and label.
    """
    largest = max((abs(v) for v in values if math.isfinite(v)), default=0.0)
    row = _units().get(unit)
    if row is None:
        whole = all(v == round(v) for v in values if math.isfinite(v))
        return Form(1.0, 0 if whole else _decimals(largest), unit)
    scale = float(row[f"scale_{words.language}"])
    if largest >= scale > 1.0:
        return Form(scale, _decimals(largest / scale), row[f"scaled_{words.language}"])
    if scale < 1.0:
        return Form(scale, int(row["decimals"]), row[f"scaled_{words.language}"])
    return Form(1.0, int(row["decimals"]) if largest < THOUSANDS else 0, row[words.language])


def _decimals(largest: float) -> int:
    """Decimals that leave three or four digits."""
    return 0 if largest >= THOUSANDS else 1 if largest >= 100.0 else 2


def nice_step(span: float, most: int) -> float:
    """Step of 1, 2, 2.5 or 5 times a power of ten that divides a span in at most so many parts."""
    rough = max(span, 1e-12) / max(1, most)
    power = 10.0 ** math.floor(math.log10(rough))
    return next(
        factor * power for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * power >= rough * (1.0 - 1e-9)
    )


def round_numbers(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers that enclose a range."""
    step = nice_step(high - low, most)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [k * step for k in range(first, max(last, first + 1) + 1)]
