"""Published and assumed margins of the population, read from policy/data/margins, and the household types.

A household type is a composition of members (age group, status, sex) with an income quintile, cars and a
registration. Shares are of the city; districts differ by relative odds, and the city's totals are kept.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.fitting import fit_table
from transport_abm.core.errors import Fault, InputError
from transport_abm.core.parameters import TAGS
from transport_abm.core.vocabulary import AGE_GROUP_START_YEAR, AgeGroup, PersonStatus, Registration, Sex
from transport_abm.policy.tables import data_folder

F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I8 = NDArray[np.int8]

SIZES = 6
QUINTILES = 5
CAR_CLASSES = ("none", "one", "one_nev", "two", "two_nev")
CARS_OF_CLASS = (0, 1, 1, 2, 2)
NEV_OF_CLASS = (0, 0, 1, 0, 1)
EITHER_SEX = -1
LAST_AGE_YEAR = 100
MARGINS = {
    "size": tuple(str(k + 1) for k in range(SIZES)),
    "sex": tuple(sex.name.lower() for sex in Sex),
    "income": tuple(str(k + 1) for k in range(QUINTILES)),
    "registration": tuple(code.name.lower() for code in Registration),
    "car": CAR_CLASSES,
}
DISTRICT_QUANTITIES = ("non_local_index", "income_index", "car_index", "senior_index", "receives_jobs")


@dataclass(frozen=True)
class PersonClasses:
    """Classes of persons: age group and status."""

    code: tuple[str, ...]
    age_group: I8
    status: I8
    share: F64
    """Share of residents [1]."""
    age_chance: F64
    """Shape (classes, ages): running sum of the chances of single years of age."""


@dataclass(frozen=True)
class HouseholdTypes:
    """Compositions of households; members of row c are indptr[c]:indptr[c + 1]."""

    members: tuple[str, ...]
    indptr: I32
    person_class: I32
    sex: I8
    """Sex code, or EITHER_SEX."""
    share: F64
    shared: NDArray[np.bool_]
    """Rooms shared by people who are no family: how collective households appear here."""

    @property
    def size(self) -> I32:
        """Members of each composition."""
        return np.diff(self.indptr)


@dataclass(frozen=True)
class Margins:
    """Everything the synthesis is fitted to."""

    classes: PersonClasses
    types: HouseholdTypes
    city: dict[str, F64]
    """Shares by margin, in the order of MARGINS."""
    district: dict[str, dict[str, float]]
    """Relative odds by district name and quantity."""


def _rows(path: Path, fields: tuple[str, ...], faults: list[Fault]) -> list[dict[str, str]]:
    """Rows of a table of margins; wrong columns and tags become faults."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != fields:
            faults.append(Fault(path.name, "columns", ", ".join(fields), ", ".join(reader.fieldnames or ())))
            return []
        rows = list(reader)
    for k, row in enumerate(rows, start=2):
        if row["tag"] not in TAGS or not row["source"]:
            faults.append(Fault(path.name, f"line {k}", "a tag and a source", f"{row['tag']!r}"))
    return rows


def _read_classes(folder: Path, faults: list[Fault]) -> PersonClasses | None:
    """Person classes with the chances of single years of age."""
    ages = _rows(folder / "ages.csv", ("age_low", "age_high", "share", "unit", "tag", "source"), faults)
    fields = ("code", "age_group", "status", "age_low", "age_high", "share", "unit", "tag", "source")
    rows = _rows(folder / "person_classes.csv", fields, faults)
    if faults:
        return None
    weight = np.zeros(LAST_AGE_YEAR + 1)
    for row in ages:
        low, high = int(row["age_low"]), int(row["age_high"])
        weight[low : high + 1] = float(row["share"]) / (high - low + 1)
    group = np.array([AgeGroup[row["age_group"]] for row in rows], np.int8)
    share = np.array([float(row["share"]) for row in rows])
    chance = np.zeros((len(rows), LAST_AGE_YEAR + 1))
    for k, row in enumerate(rows):
        chance[k, int(row["age_low"]) : int(row["age_high"]) + 1] = 1.0
    for one in np.unique(group):
        # The classes of an age group share out its ages so that all together have the published ages.
        here = np.flatnonzero(group == one)
        first = AGE_GROUP_START_YEAR[one]
        last = AGE_GROUP_START_YEAR[one + 1] if one + 1 < len(AgeGroup) else LAST_AGE_YEAR + 1
        ages_of = weight[first:last] / weight[first:last].sum() * share[here].sum()
        table = fit_table(chance[here, first:last], [((0,), share[here]), ((1,), ages_of)])
        chance[here, first:last] = table
    return PersonClasses(
        tuple(row["code"] for row in rows),
        group,
        np.array([PersonStatus[row["status"]] for row in rows], np.int8),
        share / share.sum(),
        np.cumsum(chance / chance.sum(axis=1, keepdims=True), axis=1),
    )


def _read_types(folder: Path, codes: tuple[str, ...], faults: list[Fault]) -> HouseholdTypes:
    """Compositions; a member is a class code, then m or f where the sex is given."""
    rows = _rows(folder / "household_types.csv", ("members", "share", "shared", "tag", "source"), faults)
    person_class, sex, indptr = [], [], [0]
    for row in rows:
        for member in row["members"].split():
            code = member.rstrip("mf")
            if code not in codes:
                faults.append(
                    Fault("household_types.csv", row["members"], "codes of person_classes.csv", member)
                )
                continue
            person_class.append(codes.index(code))
            sex.append({"m": Sex.MALE, "f": Sex.FEMALE}.get(member[len(code) :], EITHER_SEX))
        indptr.append(len(person_class))
    return HouseholdTypes(
        tuple(row["members"] for row in rows), np.array(indptr, np.int32), np.array(person_class, np.int32),
        np.array(sex, np.int8), np.array([float(row["share"]) for row in rows]),
        np.array([row["shared"] == "1" for row in rows]),
    )  # fmt: skip


@cache
def read_margins(folder: Path | None = None) -> Margins:
    """Read the margins of the population.

    Parameters
    ----------
    folder
        Folder of the tables; the shipped one if not given.

    Returns
    -------
    Margins
        Checked margins.

    Raises
    ------
    InputError
        Naming every fault of the tables.
    """
    folder = folder or data_folder() / "margins"
    faults: list[Fault] = []
    classes = _read_classes(folder, faults)
    types = _read_types(folder, classes.code if classes else (), faults)
    rows = _rows(folder / "city.csv", ("margin", "category", "share", "unit", "tag", "source"), faults)
    found = {(row["margin"], row["category"]): float(row["share"]) for row in rows}
    city = {}
    for margin, categories in MARGINS.items():
        missing = [name for name in categories if (margin, name) not in found]
        share = np.array([found.get((margin, name), 0.0) for name in categories])
        if missing or abs(share.sum() - 1) > 1e-6 or share.min() < 0:
            faults.append(
                Fault("city.csv", margin, "shares of " + ", ".join(categories) + " that sum to 1", str(share))
            )
        city[margin] = share / max(share.sum(), 1e-300)
    rows = _rows(folder / "districts.csv", ("district", "quantity", "value", "unit", "tag", "source"), faults)
    district: dict[str, dict[str, float]] = {}
    for row in rows:
        if row["quantity"] not in DISTRICT_QUANTITIES:
            faults.append(Fault("districts.csv", "quantity", ", ".join(DISTRICT_QUANTITIES), row["quantity"]))
        district.setdefault(row["district"], {})[row["quantity"]] = float(row["value"])
    if faults or classes is None:
        raise InputError(faults)
    return Margins(classes, types, city, district)


def district_quantity(margins: Margins, names: tuple[str, ...], quantity: str, neutral: float) -> F64:
    """A quantity by district name; neutral for districts that the table does not hold."""
    return np.array([margins.district.get(name, {}).get(quantity, neutral) for name in names])
