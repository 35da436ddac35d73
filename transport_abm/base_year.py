"""The base year: constants that make the model meet what was observed in 2020, fitted on its own trips.

Three things are solved together, each in closed form or by one-dimensional search, with every lever at rest:
the mode constants (observed shares of 2020), the factor on other tours (trips of a normal year), and the
scale of each destination choice (mean distances). They belong to a city and a set of parameters, never to a scenario,
and are kept in a cache so that every run on that city starts from the same ones.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from transport_abm.core.cache import cache_folder
from transport_abm.core.vocabulary import Mode
from transport_abm.policy.inputs import shipped_catalogue

BASE_YEAR = 2020
FIT_SEED = 20201231
FIT_SAMPLE = 0.02
"""Sample on which the constants are fitted, whatever the sample of the run [1]."""
FIT_PERSONS = 50_000
"""A small city is fitted on at least so many persons, as far as it has them."""
SHARE_TOLERANCE = 1e-6
ROUND_TOLERANCE = 1e-4
"""Gap of the shares before the last round: traffic moves them by more between rounds."""
VERSION = 1
"""Raised by hand whenever the fit or the mechanisms it runs change, so that old constants are not used again."""


@dataclass(frozen=True)
class BaseYear:
    """What the base year fixes for all years and scenarios."""

    constant: tuple[float, ...]
    """Constant of each mode, walking zero [utility]."""
    rate_scale: float
    """Factor on the rates of other tours [1]."""
    destination_scale: tuple[float, ...]
    """Scale of the logsum in the destination choice: business, shopping, leisure, errand [1]."""
    share_gap: float
    """Largest gap between fitted and observed mode shares [1]."""
    trips_gap: float
    """Relative gap between modelled and observed trips of a normal year [1]."""

    def constants(self) -> NDArray[np.float64]:
        """Mode constants as an array."""
        return np.array(self.constant, np.float64)

    def scales(self) -> NDArray[np.float64]:
        """Destination scales as an array."""
        return np.array(self.destination_scale, np.float64)

    @classmethod
    def start(cls) -> BaseYear:
        """Starting values of the fit: the blueprint's constants for a synthetic sample."""
        constant = dict.fromkeys(Mode, 0.0) | {
            Mode.BICYCLE: -1.7, Mode.SHARED_BICYCLE: -1.7, Mode.E_BIKE: -1.5, Mode.BUS: -1.5, Mode.METRO: -1.6,
            Mode.BUS_METRO: -2.0, Mode.TAXI: -3.1, Mode.RIDE_HAIL: -3.0, Mode.CAR_DRIVER: 0.5, Mode.CAR_PASSENGER: -1.5,
        }  # fmt: skip
        return cls(tuple(constant[mode] for mode in Mode), 1.0, (1.0, 2.0, 2.0, 2.0), 1.0, 1.0)


def fit_key(city_digest: str, overrides: Mapping[str, float]) -> str:
    """Name of the constants: city, parameters and version of the fit."""
    rows = {path: repr(row) for path, row in sorted(shipped_catalogue().parameters.items())}
    series = {path: repr(row) for path, row in sorted(shipped_catalogue().series.items())}
    content = [VERSION, city_digest, rows, series, sorted(overrides.items()), FIT_SEED, FIT_SAMPLE]
    text = json.dumps(content, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def read_base_year(key: str) -> BaseYear | None:
    """Constants from the cache, or None where there are none (or broken ones)."""
    try:
        content = json.loads((cache_folder() / "base_year" / f"{key}.json").read_text(encoding="utf-8"))
        content["constant"], content["destination_scale"] = (
            tuple(content["constant"]),
            tuple(content["destination_scale"]),
        )
        base = BaseYear(**content)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return base if np.isfinite(base.constants()).all() and len(base.constant) == len(Mode) else None


def write_base_year(key: str, base: BaseYear) -> None:
    """Keep constants in the cache; a cache that cannot be written is no fault."""
    folder = cache_folder() / "base_year"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=folder, suffix=".tmp", delete=False, encoding="utf-8"
        ) as file:
            json.dump(asdict(base), file)
        os.replace(file.name, folder / f"{key}.json")
    except OSError:
        return
