"""What holds in one simulated year: every parameter of the catalogue after overrides and levers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from transport_abm.core.errors import Fault, LeverError, ParameterError
from transport_abm.core.parameters import Catalogue, did_you_mean, read_parameters
from transport_abm.policy.levers import LeverSetting, apply_levers, change_values
from transport_abm.policy.tables import data_folder

BASE_YEAR = 2020
"""First simulated year: its people, vehicles and mode shares are given; what follows is modelled."""


class YearInputs(Mapping[str, float]):
    """Parameter values that hold in one year; cannot be changed after it is built.

    Parameters
    ----------
    year
        Simulated year [year].
    values
        Value of every parameter by path, in the unit of the catalogue.

    Raises
    ------
    ParameterError
        If a value is not a finite number; all of them are named.

    Examples
    --------
    >>> inputs = YearInputs(2020, {"fares.bus_factor": 1})
    >>> inputs["fares.bus_factor"]
    1.0
    """

    __slots__ = ("_values", "_year")

    def __init__(self, year: int, values: Mapping[str, float]) -> None:
        faults = [
            Fault(f"inputs of {year}", path, "a finite number", repr(value))
            for path, value in values.items()
            if not math.isfinite(value)
        ]
        if faults:
            raise ParameterError(faults)
        self._year = int(year)
        self._values = MappingProxyType({path: float(value) for path, value in values.items()})

    @property
    def year(self) -> int:
        """Simulated year."""
        return self._year

    @property
    def values_by_path(self) -> Mapping[str, float]:
        """All values by path, read-only."""
        return self._values

    def __getitem__(self, path: str) -> float:
        try:
            return self._values[path]
        except KeyError:
            raise ParameterError(self._unknown(path)) from None

    def __contains__(self, path: object) -> bool:
        return path in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"YearInputs(year={self._year}, {len(self._values)} parameters)"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, YearInputs):
            return NotImplemented
        return self._year == other._year and self._values == other._values

    def __hash__(self) -> int:
        return hash((self._year, frozenset(self._values.items())))

    def __reduce__(self) -> tuple[type[YearInputs], tuple[int, dict[str, float]]]:
        return type(self), (self._year, dict(self._values))

    def array(self, pattern: str, names: Iterable[str | Enum]) -> NDArray[np.float64]:
        """Values of several paths in the order of ``names``.

        Parameters
        ----------
        pattern
            Path with one pair of braces, such as ``"mode_choice.constant_{}"``.
        names
            What to put in the braces. Members of an enumeration give their name in lower case, so that a
            whole enumeration of ``core.vocabulary`` may be passed.

        Returns
        -------
        NDArray[np.float64]
            One value for each name.

        Raises
        ------
        ParameterError
            If a path is not in the catalogue; all such paths are named.
        """
        paths = [pattern.format(name.name.lower() if isinstance(name, Enum) else name) for name in names]
        missing = [self._unknown(path) for path in paths if path not in self._values]
        if missing:
            raise ParameterError(missing)
        return np.array([self._values[path] for path in paths], dtype=np.float64)

    def _unknown(self, path: str) -> Fault:
        """Fault of a path that is not there."""
        expected = "a path of the catalogue" + did_you_mean(str(path), self._values)
        return Fault(f"inputs of {self._year}", "path", expected, repr(path))


@dataclass(frozen=True, slots=True)
class Draw:
    """What one run draws for an uncertain parameter."""

    operation: Literal["set", "scale"]
    """``set`` replaces the value, ``scale`` multiplies that of each year."""
    value: float

    def __call__(self, value: float) -> float:
        """The value after the draw."""
        return self.value if self.operation == "set" else self.value * value


@cache
def shipped_catalogue() -> Catalogue:
    """Catalogue of the parameters that the package ships; read once."""
    return read_parameters(data_folder())


def year_inputs(
    year: int,
    overrides: Mapping[str, float] | None = None,
    levers: Sequence[LeverSetting] = (),
    drawn: Mapping[str, Draw] | None = None,
    *,
    held: bool = False,
) -> YearInputs:
    """Values of all parameters in one year: catalogue, then overrides, then draws, then levers.

    Parameters
    ----------
    year
        Simulated year [year].
    overrides
        Values that replace the catalogue's in every year, by path.
    levers
        Settings of levers; the ones in force in ``year`` change the parameters they act on.
    drawn
        Draws of uncertain parameters by path. A lever that takes a drawn value out of the parameter's range
        takes it to the end of the range, so that no draw makes a scenario impossible.
    held
        Take every value that a lever takes out of its range to the end of it, instead of refusing it: to look for
        further faults of what is refused already.

    Returns
    -------
    YearInputs
        The values.

    Raises
    ------
    ParameterError
        If an override is unknown or outside its range.
    LeverError
        If a lever is set twice, or takes a parameter outside the parameter's range.
    """
    catalogue = shipped_catalogue()
    values = dict(catalogue.resolve(year, dict(overrides or {})))
    drawn = drawn or {}
    for path, draw in drawn.items():
        values[path] = draw(values[path])
    if levers:
        changes = apply_levers(levers, year)
        change_values(values, changes)
        rows = [(change.lever, catalogue.parameters[change.path]) for change in changes]
        for _, row in rows:
            if held or row.path in drawn:
                values[row.path] = min(max(values[row.path], row.low), row.high)
        faults = [
            Fault(
                f"inputs of {year}",
                f"{lever} -> {row.path}",
                f"{row.low:g} to {row.high:g}",
                f"{values[row.path]:g}",
            )
            for lever, row in rows
            if not row.low <= values[row.path] <= row.high
        ]
        if faults:
            raise LeverError(faults)
    return YearInputs(year, values)
