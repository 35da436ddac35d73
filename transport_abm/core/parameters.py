"""The catalogue of parameters: every behavioural or physical number with its range, unit, tag and source.

A parameter is one row of `parameters/*.csv`. One whose value is empty is dated: its values by year stand in
`series/*.csv`, are joined by straight lines, and are held beyond the first and last year.
"""

from __future__ import annotations

import bisect
import csv
import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from transport_abm.core.errors import Fault, ParameterError

TAGS: Final = ("source-read", "measured", "literature", "prior")
"""How a number is known: read in its source, measured by us, taken from literature, or assumed."""

PARAMETER_FIELDS: Final = ("path", "value", "unit", "low", "high", "tag", "source", "name_en", "name_zh")
SERIES_FIELDS: Final = ("path", "year", "value", "unit", "tag", "source")

_PATH = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9][a-z0-9_]*)+")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number of the model; `value` is None where a series gives it by year."""

    path: str
    value: float | None
    unit: str
    low: float
    high: float
    tag: str
    source: str
    name_en: str
    name_zh: str


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one parameter by year, ascending; each point has its own tag and source."""

    path: str
    years: tuple[int, ...]
    values: tuple[float, ...]
    unit: str
    tags: tuple[str, ...]
    sources: tuple[str, ...]

    def at(self, year: int) -> float:
        """Value in a year: linear between given years, held beyond the ends."""
        i = bisect.bisect_left(self.years, year)
        if i == len(self.years):
            return self.values[-1]
        if i == 0 or self.years[i] == year:
            return self.values[i]
        before, after = self.values[i - 1], self.values[i]
        return before + (after - before) * (year - self.years[i - 1]) / (self.years[i] - self.years[i - 1])


@dataclass(frozen=True)
class Catalogue:
    """All parameters and series, by path."""

    parameters: Mapping[str, Parameter]
    series: Mapping[str, Series]

    def resolve(self, year: int, overrides: Mapping[str, float] | None = None) -> Mapping[str, float]:
        """Value of every parameter in one year.

        Parameters
        ----------
        year
            Calendar year.
        overrides
            Values by path that replace the catalogue's in every year, those of a series too.

        Returns
        -------
        Mapping[str, float]
            Value by path, for every path of the catalogue.

        Raises
        ------
        ParameterError
            If an override is unknown, not a finite number, or outside its range.
        """
        values = {path: self._base(row, year) for path, row in self.parameters.items()}
        if overrides:
            self.check_overrides(overrides)
            values.update({path: float(value) for path, value in overrides.items()})
        return values

    def _base(self, row: Parameter, year: int) -> float:
        """The catalogue's own value of one parameter in one year."""
        return self.series[row.path].at(year) if row.value is None else row.value

    def check_overrides(self, overrides: Mapping[str, object], where: str = "overrides") -> None:
        """Refuse overrides that are unknown, not finite numbers, or outside their range.

        Parameters
        ----------
        overrides
            Values by path.
        where
            Name of the input they came from, for the message.

        Raises
        ------
        ParameterError
            Naming every fault, with the nearest known path for an unknown one.
        """
        faults = []
        for path, value in overrides.items():
            row = self.parameters.get(path)
            if row is None:
                faults.append(
                    Fault(where, str(path), "a path of the catalogue" + self.hint(path), "an unknown one")
                )
            elif isinstance(value, bool) or not isinstance(value, (int, float)):
                faults.append(Fault(where, path, "a number", repr(value)))
            elif not row.low <= value <= row.high:  # NaN fails here too
                expected = f"{row.low:g} to {row.high:g} [{row.unit}]"
                faults.append(Fault(where, path, expected, repr(value)))
        if faults:
            raise ParameterError(faults)

    def hint(self, path: str) -> str:
        """' (did you mean ...?)' with the nearest known path, or nothing."""
        return did_you_mean(str(path), self.parameters)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """' (did you mean ...?)' with the nearest known word, or an empty text."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {near[0]!r}?)" if near else ""


def read_parameters(folder: Path) -> Catalogue:
    """Read and check the whole catalogue.

    Parameters
    ----------
    folder
        Folder that holds `parameters/*.csv` and, if there are dated parameters, `series/*.csv`.

    Returns
    -------
    Catalogue
        Rows in the order of their paths.

    Raises
    ------
    ParameterError
        Naming every fault of every file.
    """
    faults: list[Fault] = []
    parameters: dict[str, Parameter] = {}
    for where, row in _rows(folder / "parameters", PARAMETER_FIELDS, faults):
        parameter = _parameter(where, row, faults)
        if parameter.path in parameters:
            faults.append(Fault(where, "path", "each path once", f"{parameter.path!r} again"))
        parameters[parameter.path] = parameter
    if not parameters:
        faults.append(Fault(str(folder / "parameters"), "*.csv", "at least one parameter", "none"))
    points: dict[str, dict[int, tuple[float, str, str]]] = {}
    for where, row in _rows(folder / "series", SERIES_FIELDS, faults):
        _add_point(where, row, parameters, points, faults)
    faults.extend(
        Fault(str(folder), path, "a value, or a series for an empty value", "neither")
        for path, row in parameters.items()
        if row.value is None and path not in points
    )
    if faults:
        raise ParameterError(faults)
    return Catalogue(
        {path: parameters[path] for path in sorted(parameters)},
        {path: _series(path, points[path], parameters[path].unit) for path in sorted(points)},
    )


def _series(path: str, points: Mapping[int, tuple[float, str, str]], unit: str) -> Series:
    """Points of one path, ordered by year."""
    years = tuple(sorted(points))
    values, tags, sources = zip(*(points[year] for year in years), strict=True)
    return Series(path, years, values, unit, tags, sources)


def _rows(folder: Path, fields: tuple[str, ...], faults: list[Fault]) -> Iterator[tuple[str, dict[str, str]]]:
    """Rows of all CSV files of a folder with their places; wrong headers and lengths are faults."""
    for path in sorted(folder.glob("*.csv")):
        name = f"{folder.name}/{path.name}"
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.reader(file, strict=True)
                header = tuple(next(reader, ()))
                if header != fields:
                    faults.append(Fault(name, "header", ",".join(fields), ",".join(header)))
                    continue
                for cells in reader:
                    where = f"{name}:{reader.line_num}"
                    if len(cells) == len(fields):
                        yield where, {f: cell.strip() for f, cell in zip(fields, cells, strict=True)}
                    elif cells:
                        faults.append(Fault(where, "row", f"{len(fields)} cells", f"{len(cells)}"))
        except (UnicodeDecodeError, csv.Error) as error:
            faults.append(Fault(name, "file", "CSV in UTF-8", str(error)))


def _parameter(where: str, row: Mapping[str, str], faults: list[Fault]) -> Parameter:
    """One checked row of a parameter file."""
    if not _PATH.fullmatch(row["path"]):
        faults.append(
            Fault(where, "path", "lower-case words joined by dots, as area.name", repr(row["path"]))
        )
    value = _number(where, row, "value", faults) if row["value"] else None
    low, high = _number(where, row, "low", faults), _number(where, row, "high", faults)
    _check_texts(where, row, ("unit", "source", "name_en", "name_zh"), faults)
    if low > high:
        faults.append(Fault(where, "low", f"at most high, {high:g}", f"{low:g}"))
    elif value is not None and (value < low or value > high):
        faults.append(Fault(where, "value", f"{low:g} to {high:g}", f"{value:g}"))
    return Parameter(
        row["path"], value, row["unit"], low, high, row["tag"], row["source"], row["name_en"], row["name_zh"]
    )


def _add_point(
    where: str,
    row: Mapping[str, str],
    parameters: Mapping[str, Parameter],
    points: dict[str, dict[int, tuple[float, str, str]]],
    faults: list[Fault],
) -> None:
    """Check one row of a series file against its parameter and keep it."""
    path, value = row["path"], _number(where, row, "value", faults)
    _check_texts(where, row, ("unit", "source"), faults)
    if not re.fullmatch(r"\d{4}", row["year"]):
        faults.append(Fault(where, "year", "four digits", repr(row["year"])))
        return
    year = int(row["year"])
    parameter = parameters.get(path)
    if parameter is None:
        expected = "a path with a row in parameters/" + did_you_mean(path, parameters)
        faults.append(Fault(where, "path", expected, repr(path)))
        return
    if parameter.value is not None:
        faults.append(Fault(where, "path", "a parameter with empty value", f"{path!r} = {parameter.value:g}"))
    if row["unit"] != parameter.unit:
        faults.append(Fault(where, "unit", f"{parameter.unit!r} as in parameters/", repr(row["unit"])))
    if value < parameter.low or value > parameter.high:
        faults.append(Fault(where, "value", f"{parameter.low:g} to {parameter.high:g}", f"{value:g}"))
    if year in points.setdefault(path, {}):
        faults.append(Fault(where, "year", "each year once", f"{path!r} in {year} again"))
    points[path][year] = (value, row["tag"], row["source"])


def _number(where: str, row: Mapping[str, str], field: str, faults: list[Fault]) -> float:
    """A finite number, or NaN and a fault."""
    try:
        number = float(row[field]) if "_" not in row[field] else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        faults.append(Fault(where, field, "a finite number", repr(row[field])))
        return math.nan
    return number


def _check_texts(where: str, row: Mapping[str, str], fields: Iterable[str], faults: list[Fault]) -> None:
    """The tag is one of the known ones and no required text is empty."""
    if row["tag"] not in TAGS:
        faults.append(Fault(where, "tag", " | ".join(TAGS), repr(row["tag"])))
    faults.extend(Fault(where, field, "a text", "nothing") for field in fields if not row[field])
