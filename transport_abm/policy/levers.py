"""Levers of the plan: what a government can change, when, how fast, and on which parameter.

A setting of a lever moves from the lever's default (no change) to its value:

    level(year) = default + share(year) * (value - default)

``share`` is 0 up to the start year and 1 from the full year on; between them it is ``t`` (linear) or
``t^2 (3 - 2 t)`` (s-curve), ``t`` the elapsed share of the time between. A step is 1 from the start year on.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from transport_abm.core.errors import Fault, InputError, LeverError
from transport_abm.core.parameters import did_you_mean
from transport_abm.policy.schema import Schema
from transport_abm.policy.tables import Row, data_folder, read_table

Operation = Literal["set", "add", "scale"]
Ramp = Literal["step", "linear", "s-curve"]
Year = Annotated[int, Field(ge=2000, le=2100)]

COLUMNS = (
    "id", "parameter", "operation", "unit", "low", "high", "default", "whole", "ramp", "agency", "clause",
    "mechanism", "name_en", "name_zh", "source", "description",
)  # fmt: skip


@dataclass(frozen=True)
class Lever:
    """One row of the lever catalogue."""

    id: str
    parameter: tuple[str, ...]
    """Paths the lever acts on; empty while its mechanism is not built."""
    operation: Operation
    unit: str
    low: float
    high: float
    default: float
    """Value that means no change."""
    whole: bool
    """True where only whole numbers make sense; such a lever is always a step."""
    ramp: Ramp
    """How the lever moves if a setting gives a full year and no ramp."""
    agency: str
    clause: str
    built: bool
    """False while the mechanism behind the lever is not built yet."""
    name_en: str
    name_zh: str
    source: str
    description: str


@dataclass(frozen=True)
class Change:
    """What one lever does to one parameter in one year."""

    lever: str
    path: str
    operation: Operation
    level: float


def read_levers(path: Path | None = None) -> Mapping[str, Lever]:
    """Read the lever catalogue.

    Parameters
    ----------
    path
        A table with the columns of the shipped one; the shipped one by default.

    Returns
    -------
    Mapping[str, Lever]
        Levers by id, in the order of the file.

    Raises
    ------
    LeverError
        If the table is wrong; all faults are named.
    """
    return _shipped() if path is None else read_table(path, COLUMNS, LeverError, _lever, _one_owner)


@cache
def _shipped() -> Mapping[str, Lever]:
    """The shipped catalogue, read once."""
    return read_levers(data_folder() / "levers.csv")


def _one_owner(rows: Sequence[Row], levers: Mapping[str, Lever]) -> None:
    """No two levers act on one parameter, which would make their order matter."""
    owner: dict[str, str] = {}
    for row in rows:
        for parameter in levers[row.cells["id"]].parameter:
            if owner.setdefault(parameter, row.cells["id"]) != row.cells["id"]:
                row.fault("parameter", f"a parameter that no other lever moves ({owner[parameter]} does)")


def _lever(row: Row) -> Lever:
    """One lever from its row, with its faults noted in the row."""
    cells = row.cells
    for column in ("id", "unit", "agency", "clause", "name_en", "name_zh", "source", "description"):
        row.text(column)
    low, high, default = row.number("low"), row.number("high"), row.number("default")
    if not low <= default <= high:
        row.fault("default", f"a value from low to high ({low:g} to {high:g})")
    operation = row.one_of("operation", ("set", "add", "scale"))
    neutral = {"add": 0.0, "scale": 1.0}.get(operation, default)
    if default != neutral:
        row.fault("default", f"{neutral:g}, which changes nothing when the operation is {operation}")
    built = row.one_of("mechanism", ("built", "later")) == "built"
    parameter = tuple(cells["parameter"].split(";")) if cells["parameter"] else ()
    if built != bool(parameter):
        row.fault("parameter", "a path for a lever whose mechanism is built, and none for a later one")
    whole = row.one_of("whole", ("yes", "no")) == "yes"
    ramp = row.one_of("ramp", ("step", "linear", "s-curve"))
    if whole and built and ramp != "step":
        row.fault("ramp", "'step' for a lever in whole numbers")
    return Lever(
        id=cells["id"], parameter=parameter, operation=operation, unit=cells["unit"],  # type: ignore[arg-type]
        low=low, high=high, default=default, whole=whole, ramp=ramp,  # type: ignore[arg-type]
        agency=cells["agency"], clause=cells["clause"], built=built, name_en=cells["name_en"],
        name_zh=cells["name_zh"], source=cells["source"], description=cells["description"],
    )  # fmt: skip


class LeverSetting(Schema):
    """One lever of a scenario: where it goes, from when, and how fast."""

    input_error: ClassVar[type[InputError]] = LeverError

    lever: str
    """Id of a lever of the catalogue whose mechanism is built."""
    value: float
    """Value in the lever's unit once it is fully in force."""
    start_year: Year
    """Year in which the lever begins to move; a step is fully in force in this year [year]."""
    full_year: Year | None = None
    """Year from which the value holds in full; without it the lever is a step [year]."""
    ramp: Ramp | None = None
    """Way from the start year to the full year; without it the lever's own."""

    @field_validator("lever")
    @classmethod
    def _known(cls, lever: str) -> str:
        """The lever is in the catalogue and has a mechanism."""
        levers = read_levers()
        if lever not in levers:
            raise ValueError("a lever of the catalogue" + did_you_mean(lever, levers))
        if not levers[lever].built:
            raise ValueError("a lever that works: its mechanism is not built yet")
        return lever

    @field_validator("value")
    @classmethod
    def _within(cls, value: float, info: ValidationInfo) -> float:
        """The value is inside the lever's bounds."""
        lever = read_levers().get(info.data.get("lever", ""))
        if lever is not None:
            if not lever.low <= value <= lever.high:
                raise ValueError(f"a value from {lever.low:g} to {lever.high:g} [{lever.unit}]")
            if lever.whole and value != int(value):
                raise ValueError(f"a whole number [{lever.unit}]")
        return value

    @field_validator("full_year")
    @classmethod
    def _after_start(cls, full_year: int | None, info: ValidationInfo) -> int | None:
        """A lever cannot be in full force before it starts, nor move between whole numbers."""
        if full_year is None:
            return None
        lever = read_levers().get(info.data.get("lever", ""))
        if lever is not None and lever.whole:
            raise ValueError("no full_year: this lever takes whole numbers, so it is a step")
        start = info.data.get("start_year")
        if start is not None and full_year < start:
            raise ValueError(f"a year not before start_year {start}")
        return full_year

    @field_validator("ramp")
    @classmethod
    def _fits(cls, ramp: Ramp | None, info: ValidationInfo) -> Ramp | None:
        """A ramp needs a full year; a step has none."""
        if "full_year" not in info.data or "lever" not in info.data:
            return ramp  # told already
        full_year = info.data["full_year"]
        if full_year is None and ramp in ("linear", "s-curve"):
            raise ValueError("a full_year with a ramp, or 'step'")
        if full_year is not None and (ramp or read_levers()[info.data["lever"]].ramp) == "step":
            raise ValueError("'linear' or 's-curve' with a full_year")
        return ramp

    def share(self, year: int) -> float:
        """Share of the way from default to value covered in a year [1]."""
        if year < self.start_year:
            return 0.0
        if self.full_year is None or year >= self.full_year:
            return 1.0
        elapsed = (year - self.start_year) / (self.full_year - self.start_year)
        if (self.ramp or read_levers()[self.lever].ramp) == "s-curve":
            return elapsed * elapsed * (3.0 - 2.0 * elapsed)
        return elapsed

    def level(self, year: int) -> float:
        """Value of the lever in a year, in its unit; exactly the default or the value at the ends."""
        share = self.share(year)
        default = read_levers()[self.lever].default
        if share == 0.0:
            return default
        return self.value if share == 1.0 else default + share * (self.value - default)


def apply_levers(settings: Sequence[LeverSetting], year: int) -> tuple[Change, ...]:
    """What the levers of a scenario do to the parameters in one year.

    Parameters
    ----------
    settings
        Settings, each lever at most once.
    year
        Simulated year [year].

    Returns
    -------
    tuple[Change, ...]
        Changes in the order of the catalogue. A lever at its default gives none, so that it leaves every
        parameter as it is, to the last bit.

    Raises
    ------
    LeverError
        If a lever is set twice.
    """
    faults = twice(settings)
    if faults:
        raise LeverError(faults)
    levers = read_levers()
    order = {lever: k for k, lever in enumerate(levers)}
    changes: list[Change] = []
    for setting in sorted(settings, key=lambda each: order[each.lever]):
        lever, level = levers[setting.lever], setting.level(year)
        if level != lever.default:
            changes.extend(Change(lever.id, path, lever.operation, level) for path in lever.parameter)
    return tuple(changes)


def twice(settings: Sequence[LeverSetting], file: str = "scenario") -> list[Fault]:
    """Faults of levers that are set more than once."""
    seen: set[str] = set()
    faults = []
    for k, setting in enumerate(settings):
        if setting.lever in seen:
            faults.append(Fault(file, f"levers[{k}].lever", "each lever once", f"{setting.lever!r} again"))
        seen.add(setting.lever)
    return faults


def change_values(values: MutableMapping[str, float], changes: Sequence[Change]) -> None:
    """Carry out changes on parameter values, in place.

    Parameters
    ----------
    values
        Values by path; overwritten.
    changes
        What to do, in order.

    Raises
    ------
    LeverError
        If a lever acts on a path that is not in the catalogue.
    """
    missing = [change for change in changes if change.path not in values]
    if missing:
        raise LeverError(Fault("levers", c.lever, "a path of the catalogue", repr(c.path)) for c in missing)
    for change in changes:
        if change.operation == "set":
            values[change.path] = change.level
        elif change.operation == "add":
            values[change.path] += change.level
        else:
            values[change.path] *= change.level
