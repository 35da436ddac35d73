"""What is not known about vehicles, prices and factors: curated ranges, and addressed draws from them.

A parameter of the table is drawn from a triangular distribution with its ends in the table and its peak at the
catalogue's own value (``set``), or multiplied in every year by a factor with its peak at 1 (``scale``):

    x = low + sqrt(u (high - low)(peak - low))            for u <= (peak - low) / (high - low), else
    x = high - sqrt((1 - u)(high - low)(high - peak))

``u`` is addressed by seed, path and replication, so that every scenario draws the same, and a new row of the table
changes no other row's draw. Draws of different parameters are independent. Replication 0 keeps every central value.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np

from transport_abm.core.errors import ParameterError
from transport_abm.core.parameters import Catalogue, Parameter
from transport_abm.policy.inputs import Draw, shipped_catalogue
from transport_abm.policy.tables import Row, data_folder, raise_faults, read_rows

COLUMNS = ("path", "operation", "distribution", "low", "high", "source")


@dataclass(frozen=True)
class Uncertain:
    """One uncertain parameter."""

    path: str
    operation: str
    """``set``: ends in the parameter's unit; ``scale``: factors on the value of every year."""
    low: float
    peak: float
    high: float
    source: str
    """Where the range is from."""

    def draw(self, u: float) -> float:
        """Value at a draw from 0 to 1."""
        return triangular(u, self.low, self.peak, self.high)


def triangular(u: float, low: float, peak: float, high: float) -> float:
    """Quantile of a triangular distribution.

    Parameters
    ----------
    u
        Probability from 0 to 1.
    low, peak, high
        Ends and peak of the density.
    """
    if high <= low:
        return low
    if u * (high - low) <= peak - low:
        return low + math.sqrt(u * (high - low) * (peak - low))
    return high - math.sqrt((1.0 - u) * (high - low) * (high - peak))


def read_uncertain(path: Path | None = None, catalogue: Catalogue | None = None) -> Mapping[str, Uncertain]:
    """Read the table of uncertain parameters.

    Parameters
    ----------
    path
        A table with the columns of the shipped one; the shipped one by default.
    catalogue
        Parameters that the table is about; the shipped ones by default.

    Returns
    -------
    Mapping[str, Uncertain]
        Rows by path, in the order of the file.

    Raises
    ------
    ParameterError
        If the table is wrong; all faults are named.
    """
    if path is None and catalogue is None:
        return _shipped()
    return _read(path or data_folder() / "uncertain.csv", catalogue or shipped_catalogue())


@cache
def _shipped() -> Mapping[str, Uncertain]:
    """The shipped table, read once."""
    return _read(data_folder() / "uncertain.csv", shipped_catalogue())


def _read(path: Path, catalogue: Catalogue) -> Mapping[str, Uncertain]:
    """Read and check a table."""
    rows = read_rows(path, COLUMNS, ParameterError)
    found = [_uncertain(row, catalogue) for row in rows]
    raise_faults(rows, ParameterError)
    return MappingProxyType({item.path: item for item in found})


def _uncertain(row: Row, catalogue: Catalogue) -> Uncertain:
    """One row, with its faults noted in it."""
    path = row.cells["path"]
    operation = row.one_of("operation", ("set", "scale"))
    row.one_of("distribution", ("triangular",))
    row.text("source")
    low, high = row.number("low"), row.number("high")
    parameter = catalogue.parameters.get(path)
    if parameter is None:
        row.fault("path", "a path of the catalogue" + catalogue.hint(path))
        return Uncertain(path, operation, low, 1.0, high, row.cells["source"])
    if operation == "set" and parameter.value is None:
        row.fault("operation", "'scale' for a parameter with values by year")
    peak = 1.0 if operation == "scale" or parameter.value is None else parameter.value
    if not low <= peak <= high:
        row.fault("low", f"a range around the central value {peak:g}")
    values = _values(parameter, catalogue)
    ends = [low, high] if operation == "set" else [end * v for end in (low, high) for v in values]
    if any(not parameter.low <= end <= parameter.high for end in ends):
        row.fault("high", f"values inside the parameter's range, {parameter.low:g} to {parameter.high:g}")
    return Uncertain(path, operation, low, peak, high, row.cells["source"])


def _values(parameter: Parameter, catalogue: Catalogue) -> tuple[float, ...]:
    """Central value, or all values of the series."""
    return catalogue.series[parameter.path].values if parameter.value is None else (parameter.value,)


@lru_cache(maxsize=1024)
def draw_parameters(seed: int, replication: int) -> Mapping[str, Draw]:
    """Draws of all uncertain parameters in one replication.

    Parameters
    ----------
    seed
        Seed of the scenario.
    replication
        Number of the replication; 0 draws nothing, so that all values are central.

    Returns
    -------
    Mapping[str, Draw]
        Draws by path; the same in every scenario.
    """
    if replication == 0:
        return MappingProxyType({})
    # Imported here: compiled functions need not be loaded to read a scenario.
    from transport_abm.core.draws import Stream, uniform

    rows = list(read_uncertain().values())
    u = uniform(
        seed, Stream.UNCERTAINTY, np.array([address(row.path) for row in rows], np.uint64), 0, replication
    )
    return MappingProxyType(
        {
            row.path: Draw("set" if row.operation == "set" else "scale", row.draw(float(x)))
            for row, x in zip(rows, u, strict=True)
        }
    )


def address(path: str) -> int:
    """Address of a parameter's draws: a digest of its path, 0 to 2**64 - 1."""
    return int.from_bytes(hashlib.blake2b(path.encode(), digest_size=8).digest(), "little")
