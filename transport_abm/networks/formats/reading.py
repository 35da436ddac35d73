"""What a reader is told about a file that the file may not say itself: units, and what tolls and distance cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from transport_abm.core.errors import Fault, NetworkError

TIME_S: Mapping[str, float] = {"s": 1.0, "min": 60.0, "h": 3600.0}
"""Units of time [s]."""
_M, _KM, _MILE, _FOOT = 1.0, 1000.0, 1609.344, 0.3048
LENGTH_M: Mapping[str, float] = {
    "m": _M, "meter": _M, "meters": _M, "metre": _M, "metres": _M,
    "km": _KM, "kilometer": _KM, "kilometers": _KM, "kilometre": _KM, "kilometres": _KM,
    "mi": _MILE, "mile": _MILE, "miles": _MILE, "ft": _FOOT, "foot": _FOOT, "feet": _FOOT,
}  # fmt: skip
"""Units of length, the international mile and foot [m]."""
SPEED_KMH: Mapping[str, float] = {
    "kmh": 1.0, "km/h": 1.0, "kph": 1.0, "kmph": 1.0, "mph": _MILE / _KM, "mi/h": _MILE / _KM, "m/s": 3.6,
    "ft/s": _FOOT * 3.6, "ft/min": _FOOT * 0.06,
}  # fmt: skip
"""Units of speed [km/h]."""


@dataclass(frozen=True)
class Reading:
    """Units and costs that a user gives beside a file; a unit that is None must stand in the file."""

    time_unit: str | None = None
    length_unit: str | None = None
    speed_unit: str | None = None
    toll_factor: float = 0.0
    """Cost of a unit of toll, in the file's unit of time, or in seconds where the format has one."""
    distance_factor: float = 0.0
    """Cost of a unit of length, likewise."""

    def __post_init__(self) -> None:
        faults = [
            Fault(
                "costs",
                f"--{name.replace('_', '-')}",
                "a finite number, 0 or more",
                repr(getattr(self, name)),
            )
            for name in ("toll_factor", "distance_factor")
            if not 0 <= getattr(self, name) < math.inf
        ]
        if faults:
            raise NetworkError(faults)


def counted(count: int, one: str, many: str) -> str:
    """A count with the words that go with it."""
    return f"{count} {one if count == 1 else many}"


def unit(table: Mapping[str, float], text: str, file: str, field: str, faults: list[Fault | str]) -> float:
    """How many of the project's units one of a named unit is; 1, with a fault, if the name is not known."""
    size = table.get(text.strip().lower())
    if size is None:
        faults.append(Fault(file, field, f"one of {', '.join(table)}", repr(text) if text else "none"))
        return 1.0
    return size
