"""What a year leaves behind in vehicles, plates and posts, in whole vehicles of the city."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.vehicle_districts import DistrictVehicles
from transport_abm.agents.vehicles import SHAPE, VehicleBook

F64 = NDArray[np.float64]
FLOWS = ("opening", "new", "brought_in", "scrapped", "taken_out", "closing")


@dataclass(frozen=True)
class PlateFigures:
    """Applicants and plates of a year, by ApplicantKind and pool (ordinary, new-energy)."""

    waiting: F64
    """Applicants who wait at the end of the year [applicants]."""
    quota: F64
    """Plates of the year [plates/year]."""
    issued: F64
    used: F64
    held: F64
    """Given and not used yet at the end of the year [plates]."""
    expired: F64
    odds: F64
    """Chance of an applicant to be given a plate in the year [1]."""
    wait_year: F64
    """Expected wait by pool [year]."""


@dataclass(frozen=True)
class VehicleYear:
    """Vehicles of one year in the city."""

    opening: F64
    """Stock at the start of the year by class, powertrain and fuel [vehicles]; as all that follow."""
    new: F64
    brought_in: F64
    scrapped: F64
    taken_out: F64
    closing: F64
    registered_nev: float
    """New-energy vehicles ever registered in the city [vehicles]."""
    out_of_town: float
    """Cars with plates of other provinces that residents keep, beside the stock [cars]."""
    district: DistrictVehicles
    """Those that have a district."""
    plates: PlateFigures | None
    """None in the base year, whose plates are part of what is given."""
    posts: Mapping[str, float] = field(default_factory=dict)
    """Charging posts by kind [posts]."""
    rule_share: Mapping[str, float] = field(default_factory=dict)
    """Shares that the plan sets for fleets, each in the scope of its target [1], by outcome."""
    lacking: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """What each of these shares lacks to one, by part [1]."""


def weighted(books: Sequence[tuple[VehicleBook, float]]) -> dict[str, F64]:
    """Sum of books, each times what one of its rows stands for.

    Parameters
    ----------
    books
        Books of one year with the weight of their rows.

    Returns
    -------
    dict[str, NDArray[np.float64]]
        Each flow by class, powertrain and fuel [vehicles].
    """
    out = {name: np.zeros(SHAPE) for name in FLOWS}
    for book, weight in books:
        for name in FLOWS:
            out[name] += getattr(book, name) * weight
    return out
