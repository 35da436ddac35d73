"""The plan's targets: what the text asks for, how strictly, of whom, and whether the model can say."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from transport_abm.core.errors import InputError
from transport_abm.policy.tables import Row, data_folder, read_table

Comparator = Literal[">=", "<=", "<"]
Strength = Literal["must", "strive", "basically", "about", "context"]
Status = Literal["modelled", "later", "outside"]

STRENGTHS = ("must", "strive", "basically", "about", "context")
STATUSES = ("modelled", "later", "outside")
COLUMNS = (
    "id", "section", "clause_zh", "clause_en", "outcome", "year", "comparator", "value", "unit", "domain",
    "exemptions", "strength", "status", "note",
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """One target of the plan."""

    id: str
    section: str
    """Clause of the plan."""
    clause_zh: str
    clause_en: str
    outcome: str
    """Outcome of the model it is held against; empty if there is none."""
    year: int | None
    """Year for which it is set; None where the text names none: it is reported for the last year of a run."""
    comparator: Comparator | None
    value: float | None
    """None where the text gives no number: it is reported without a verdict."""
    unit: str
    domain: str
    exemptions: tuple[str, ...]
    strength: Strength
    """Wording of the text: must, strive (力争), basically (基本), about (左右), or context only."""
    status: Status
    """Modelled now, later (its mechanism is not built yet), or outside the model."""
    note: str

    @property
    def modelled(self) -> bool:
        """True if the model has an outcome for it."""
        return self.status == "modelled"

    @property
    def direction(self) -> int:
        """1 where more is better, -1 where less is; a share that the text gives no number for should rise."""
        return -1 if self.comparator in ("<=", "<") else 1

    @property
    def is_share(self) -> bool:
        """True if values are shares or relative changes, shown in percent."""
        return self.unit.partition(" ")[0] == "1"

    def year_in(self, years: Collection[int]) -> int:
        """Year in which a run is held against it: its own, or the last of the run where the text names none."""
        return max(years) if self.year is None else self.year

    def is_met(self, value: float) -> bool | None:
        """Whether a value meets the target; None where the text gives no number."""
        if self.value is None or self.comparator is None:
            return None
        if self.comparator == ">=":
            return value >= self.value
        return value <= self.value if self.comparator == "<=" else value < self.value

    def gap(self, value: float) -> float | None:
        """Value less target, in the target's unit; None where the text gives no number."""
        return None if self.value is None else value - self.value


def read_targets(path: Path | None = None) -> Mapping[str, Target]:
    """Read the targets of the plan.

    Parameters
    ----------
    path
        A table with the columns of the shipped one; the shipped one by default.

    Returns
    -------
    Mapping[str, Target]
        Targets by id, in the order of the plan.

    Raises
    ------
    InputError
        If the table is wrong; all faults are named.
    """
    return _shipped() if path is None else read_table(path, COLUMNS, InputError, _target)


@cache
def _shipped() -> Mapping[str, Target]:
    """The shipped targets, read once."""
    return read_targets(data_folder() / "targets.csv")


def _target(row: Row) -> Target:
    """One target from its row, with its faults noted in the row."""
    cells = row.cells
    for column in ("id", "section", "clause_zh", "clause_en", "unit", "domain", "note"):
        row.text(column)
    value, year = row.number_or_none("value"), row.year_or_none("year")
    comparator = row.one_of("comparator", (">=", "<=", "<", ""))
    if (value is None) != (not comparator):
        row.fault("comparator", "a comparator with a value, and none without")
    status = row.one_of("status", STATUSES)
    if (status == "modelled") != bool(cells["outcome"]):
        row.fault("outcome", "an outcome for a modelled target, and none for the others")
    return Target(
        id=cells["id"], section=cells["section"], clause_zh=cells["clause_zh"],
        clause_en=cells["clause_en"], outcome=cells["outcome"], year=year,
        comparator=comparator or None,  # type: ignore[arg-type]
        value=value, unit=cells["unit"], domain=cells["domain"],
        exemptions=tuple(part.strip() for part in cells["exemptions"].split(";") if part.strip()),
        strength=row.one_of("strength", STRENGTHS),  # type: ignore[arg-type]
        status=status,  # type: ignore[arg-type]
        note=cells["note"],
    )  # fmt: skip
