"""What a road offers where the map does not say: lanes, capacity and free speed by link class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from transport_abm.core.vocabulary import LinkClass
from transport_abm.networks.city import F64
from transport_abm.policy.inputs import year_inputs

_CLASSES = [kind for kind in LinkClass if kind is not LinkClass.PATH]
_BASE_YEAR = 2020


@dataclass(frozen=True)
class RoadDefaults:
    """Supply by link class (rows of LinkClass up to LOCAL) and of ramps."""

    lanes: F64
    """Lanes in one direction."""
    capacity_pcuhlane: F64
    """Capacity of one lane [pcu/h]."""
    speed_kmh: F64
    """Free speed [km/h]."""
    ramp_lanes: float
    """Lanes of a ramp or turning road."""
    ramp_speed_share: float
    """Free speed of a ramp over the free speed of its class [1]."""
    speed_limits: bool = field(default=True, kw_only=True)
    """Whether ``maxspeed`` tags are believed; False where they are known to be made up."""


def build_road_defaults(
    inputs: Mapping[str, float] | None = None, *, speed_limits: bool = True
) -> RoadDefaults:
    """Take the road supply from the parameters.

    Parameters
    ----------
    inputs
        Values by path (``road_supply.*``), or None for the catalogue's own.
    speed_limits
        Whether the map's ``maxspeed`` tags are believed.

    Returns
    -------
    RoadDefaults
        Supply by link class.
    """
    values = year_inputs(_BASE_YEAR) if inputs is None else inputs

    def by_class(pattern: str) -> F64:
        paths = (pattern.format(kind.name.lower()) for kind in _CLASSES)
        return np.array([values[path] for path in paths], np.float64)

    return RoadDefaults(
        by_class("road_supply.lanes_{}"),
        by_class("road_supply.capacity_{}_pcuhlane"),
        by_class("road_supply.speed_{}_kmh"),
        values["road_supply.ramp_lanes"],
        values["road_supply.ramp_speed_share"],
        speed_limits=speed_limits,
    )
