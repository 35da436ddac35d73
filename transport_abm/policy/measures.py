"""The plan's measures: which lever or outcome of the model each of them maps to, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from transport_abm.core.errors import InputError
from transport_abm.policy.levers import read_levers
from transport_abm.policy.tables import Row, data_folder, read_table
from transport_abm.policy.targets import read_targets

OUTSIDE = "outside the model"
LATER = "later"
COLUMNS = ("id", "section", "clause_zh", "clause_en", "maps_to", "reason")


@dataclass(frozen=True)
class Measure:
    """One measure of the plan."""

    id: str
    section: str
    """Clause of the plan."""
    clause_zh: str
    clause_en: str
    levers: tuple[str, ...]
    """Levers through which it acts, built or not."""
    outcomes: tuple[str, ...]
    """Outcomes that show it, where it is no lever."""
    outside: bool
    """True where it is no matter for this model."""
    reason: str

    @property
    def works(self) -> bool:
        """True if at least one of its levers has a mechanism now."""
        return any(read_levers()[lever].built for lever in self.levers)


def read_measures(path: Path | None = None) -> Mapping[str, Measure]:
    """Read the measures of the plan.

    Parameters
    ----------
    path
        A table with the columns of the shipped one; the shipped one by default.

    Returns
    -------
    Mapping[str, Measure]
        Measures by id, in the order of the plan.

    Raises
    ------
    InputError
        If the table is wrong; all faults are named.
    """
    return _shipped() if path is None else read_table(path, COLUMNS, InputError, _measure)


@cache
def _shipped() -> Mapping[str, Measure]:
    """The shipped measures, read once."""
    return read_measures(data_folder() / "measures.csv")


def _measure(row: Row) -> Measure:
    """One measure from its row, with its faults noted in the row."""
    cells = row.cells
    for column in COLUMNS:
        row.text(column)
    words = () if cells["maps_to"] in (OUTSIDE, LATER) else tuple(cells["maps_to"].split(";"))
    levers = tuple(word for word in words if word in read_levers())
    known = {target.outcome for target in read_targets().values()}
    # A share that a rule asks for has the name of the lever that sets it: the lever comes first.
    outcomes = tuple(word for word in words if word and word in known and word not in levers)
    if len(levers) + len(outcomes) != len(words):
        row.fault("maps_to", f"levers and outcomes of the model joined by ';', {OUTSIDE!r} or {LATER!r}")
    return Measure(
        cells["id"], cells["section"], cells["clause_zh"], cells["clause_en"], levers, outcomes,
        cells["maps_to"] == OUTSIDE, cells["reason"],
    )  # fmt: skip
