"""The base year: constants that make the model meet what was observed in 2020, fitted on its own trips.

Three things are solved together, each in closed form or by one-dimensional search, with every lever at rest:
the mode constants (observed shares of 2020), the factor on other tours (trips of a normal year), and the
scale of each destination choice (mean distances). They belong to a city and a set of parameters, never to a scenario,
and are kept in a cache so that every run on that city starts from the same ones.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.mode_choice import driving_cny_km
from transport_abm.agents.workplaces import PlaceFit, WorkplaceFit
from transport_abm.core.cache import cache_folder
from transport_abm.core.errors import StoreError
from transport_abm.core.vocabulary import Mode
from transport_abm.core.whole_files import whole_file
from transport_abm.networks.cities.open_city import VERSION_KEY
from transport_abm.networks.city import City
from transport_abm.networks.travel import TravelStart
from transport_abm.policy.inputs import BASE_YEAR, shipped_catalogue, year_inputs

FIT_SEED = 20201231
FIT_SAMPLE = 0.02
"""Sample on which the constants are fitted, whatever the sample of the run [1]."""
FIT_PERSONS = 50_000
"""A small city is fitted on at least so many persons, as far as it has them."""
SHARE_TOLERANCE = 1e-6
ROUND_TOLERANCE = 1e-4
"""Gap of the shares before the last round: traffic moves them by more between rounds."""
UNREAD_AREAS = frozenset(
    (
        "access",
        "carbon",
        "cars",
        "departures",
        "energy",
        "fleets",
        "freight",
        "learning",
        "plates",
        "powertrain",
        "queue",
        "vehicle_prices",
    )
)
"""Areas of the catalogue that the fit does not read, but for what driving costs: who holds which vehicle is given, and
the fit runs on rung L1, whichever rung a run uses.

Cars from elsewhere (``out_of_town``) are read: their number follows from that area, while ``cars`` moves only a little
which of the households that want a car keep one."""
VERSION = 6
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
    places: WorkplaceFit | None = None
    """Distance coefficients of work places and schools."""
    start: TravelStart | None = None
    """Flows of the fitted year: only a place to begin from, whatever the year then settles at."""

    def constants(self) -> NDArray[np.float64]:
        """Mode constants as an array."""
        return np.array(self.constant, np.float64)

    def scales(self) -> NDArray[np.float64]:
        """Destination scales as an array."""
        return np.array(self.destination_scale, np.float64)

    def facts(self) -> dict[str, Any]:
        """The constants for a manifest."""
        return {
            "constant": dict(zip((mode.name.lower() for mode in Mode), self.constant, strict=True)),
            "rate_scale": self.rate_scale,
            "destination_scale": list(self.destination_scale),
            "share_gap": self.share_gap,
            "trips_gap": self.trips_gap,
        }

    @classmethod
    def first_guess(cls) -> BaseYear:
        """Where the fit starts; it ends at the same place from elsewhere."""
        constant = dict.fromkeys(Mode, 0.0) | {
            Mode.BICYCLE: -1.6, Mode.SHARED_BICYCLE: -2.8, Mode.E_BIKE: -1.6, Mode.BUS: -1.4, Mode.METRO: -2.1,
            Mode.BUS_METRO: -2.5, Mode.TAXI: -4.0, Mode.RIDE_HAIL: -3.6, Mode.CAR_DRIVER: 1.0, Mode.CAR_PASSENGER: -4.0,
        }  # fmt: skip
        return cls(tuple(constant[mode] for mode in Mode), 1.8, (1.7, 4.6, 2.9, 3.7), 1.0, 1.0)


def city_key(city: City, digest: str) -> str:
    """What tells a city apart for its constants.

    The digest of its content; for a city that the package builds, the digest of what built it and its rough totals, as
    the last bits of its coordinates differ between versions of the numerical libraries.
    """
    built_from = city.meta.get(VERSION_KEY)
    if built_from is None:
        return digest
    roads, zones, transit = city.roads, city.zones, city.transit
    sums = (
        zones.residents,
        zones.jobs,
        zones.area_m2,
        roads.length_m,
        roads.capacity_pcuh,
        transit.segment_length_m,
    )
    rough = [f"{float(np.sum(column)):.4g}" for column in sums]
    return " ".join([str(built_from), str(len(zones)), str(roads.n_links), str(len(transit.stop)), *rough])


def fit_key(city_digest: str, overrides: Mapping[str, float]) -> str:
    """Name of the constants: city (see ``city_key``), parameters and version of the fit."""
    catalogue = shipped_catalogue()
    content = [
        VERSION, city_digest, FIT_SEED, FIT_SAMPLE, sorted(item for item in overrides.items() if _matters(item[0])),
        # Of the areas that are left out, the fit feels only what a kilometre of driving costs.
        [float(f"{cost:.6g}") for cost in driving_cny_km(year_inputs(BASE_YEAR, overrides))],
        sorted((path, row.value) for path, row in catalogue.parameters.items() if _matters(path)),
        sorted((path, row.years, row.values) for path, row in catalogue.series.items() if _matters(path)),
    ]  # fmt: skip
    return hashlib.blake2b(json.dumps(content).encode(), digest_size=16).hexdigest()


def _matters(path: str) -> bool:
    """Whether the fit can depend on a parameter."""
    return path.partition(".")[0] not in UNREAD_AREAS


def shipped_folder() -> Path:
    """Folder of the constants that come with the package, for the bundled city."""
    return Path(str(files("transport_abm") / "networks" / "reference" / "data" / "base_year"))


def read_base_year(key: str) -> BaseYear | None:
    """Constants that come with the package or lie in the cache, or None where there are none (or broken ones)."""
    for folder in (shipped_folder(), cache_folder() / "base_year"):
        try:
            with np.load(folder / f"{key}.npz", allow_pickle=False) as file:
                base = BaseYear(
                    tuple(float(c) for c in file["constant"]),
                    float(file["rate_scale"]),
                    tuple(float(c) for c in file["destination_scale"]),
                    float(file["share_gap"]),
                    float(file["trips_gap"]),
                    _places(file["places"]),
                    TravelStart(file["link_flow"].astype(np.float64), file["call_flow"].astype(np.float64)),
                )
        except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError):
            continue
        if np.isfinite(base.constants()).all() and len(base.constant) == len(Mode):
            return base
    return None


def _places(table: NDArray[np.float64]) -> WorkplaceFit:
    """Coefficients of work places, schools of pupils and of students from their table."""
    work, pupil, student = (PlaceFit(float(row[0]), float(row[1]), bool(row[2])) for row in table)
    return WorkplaceFit(work, pupil, student, 0.0)


def write_base_year(key: str, base: BaseYear, folder: Path | None = None) -> None:
    """Keep constants in the cache; a cache that cannot be written is no fault."""
    assert base.start is not None and base.places is not None
    places = (base.places.work, base.places.pupil, base.places.student)
    place = folder or cache_folder() / "base_year"
    try:
        with whole_file(place / f"{key}.npz") as written, written.open("wb") as file:
            np.savez_compressed(
                file,
                constant=base.constants(),
                rate_scale=base.rate_scale,
                destination_scale=base.scales(),
                share_gap=base.share_gap,
                trips_gap=base.trips_gap,
                places=np.array([(fit.beta, fit.mean_km, fit.reached) for fit in places], np.float64),
                link_flow=base.start.link_flow_pcuh.astype(np.float16),
                call_flow=base.start.call_flow.astype(np.float16),
            )
    except StoreError:
        return
