"""What the tags of an OpenStreetMap way say about a road: class, direction, lanes, speed.

Only roads for motor vehicles from motorway to residential are kept; without this filter a network holds
parking aisles, tracks and railways. Direction follows OSMnx (``oneway`` and roundabouts).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import NamedTuple

from transport_abm.core.vocabulary import LinkClass
from transport_abm.networks.roads.road_supply import RoadDefaults

CLASS_OF_HIGHWAY: dict[str, LinkClass] = {
    "motorway": LinkClass.MOTORWAY,
    "trunk": LinkClass.EXPRESSWAY,
    "primary": LinkClass.PRIMARY,
    "secondary": LinkClass.SECONDARY,
    "tertiary": LinkClass.TERTIARY,
    "unclassified": LinkClass.LOCAL,
    "residential": LinkClass.LOCAL,
    "living_street": LinkClass.LOCAL,
}
"""Link class by value of ``highway``; the ``_link`` of the first five is a ramp of that class."""

HIGHWAYS: tuple[str, ...] = (*CLASS_OF_HIGHWAY, *(f"{name}_link" for name in list(CLASS_OF_HIGHWAY)[:5]))
"""Values of ``highway`` that are kept."""

TAGS: tuple[str, ...] = (
    "highway", "oneway", "junction", "lanes", "maxspeed", "name", "access", "area",
    "motor_vehicle", "motorcar",
)  # fmt: skip
"""Tags that are read."""

_ONE_WAY = {"yes", "true", "1", "-1", "reverse", "T", "F"}
_AGAINST = {"-1", "reverse", "T"}
_CLOSED = {"no", "private", "agricultural", "forestry", "emergency"}
_NUMBER = re.compile(r"\s*(\d{1,4}(?:\.\d{1,4})?)\s*(km/h|kmh|kph|mph|knots)?\s*")
_KMH = {"mph": 1.609344, "knots": 1.852}
_MAX_LANES = 12
_SPEED_KMH = (5.0, 140.0)
_MAX_NAME = 200


class Supply(NamedTuple):
    """Supply of a stretch of road in one direction."""

    link_class: int
    lanes: float
    capacity_pcuh: float
    speed_kmh: float
    name: str


def highway_class(highway: str) -> tuple[LinkClass, bool] | None:
    """Return the class of a ``highway`` value and whether it is a ramp; None if it is not kept."""
    if highway not in HIGHWAYS:
        return None
    base = highway.removesuffix("_link")
    return CLASS_OF_HIGHWAY[base], base != highway


def is_street(tags: Mapping[str, str]) -> bool:
    """Tell whether a way is a road that ordinary motor vehicles may use."""
    if highway_class(tags.get("highway", "")) is None or tags.get("area") == "yes":
        return False
    ruling = tags.get("motorcar", tags.get("motor_vehicle", tags.get("access", "yes")))
    return ruling not in _CLOSED


def direction(tags: Mapping[str, str]) -> int:
    """Return 1 for a way open along its nodes only, -1 for against them only, 0 for both directions."""
    oneway = tags.get("oneway", "")
    if oneway in _ONE_WAY:
        return -1 if oneway in _AGAINST else 1
    return 1 if tags.get("junction") == "roundabout" else 0


def _numbers(text: str) -> list[tuple[float, str]]:
    """Take the numbers and units out of '60', '60;80', '40 mph', '3|2'; nothing if any part is not one."""
    found = []
    for part in re.split(r"[;|,]", text[:100]):
        match = _NUMBER.fullmatch(part)
        if match is None:
            return []
        found.append((float(match[1]), match[2] or ""))
    return found


def read_lanes(text: str) -> float:
    """Return the mean of the lane numbers in a tag; NaN if it holds none between 1 and 12."""
    found = [number for number, unit in _numbers(text) if not unit]
    mean = math.fsum(found) / len(found) if found else math.nan
    return mean if 1 <= mean <= _MAX_LANES else math.nan


def read_speed_kmh(text: str) -> float:
    """Return the mean of the speeds in a tag [km/h]; NaN if it holds none between 5 and 140."""
    found = [number * _KMH.get(unit, 1.0) for number, unit in _numbers(text)]
    mean = math.fsum(found) / len(found) if found else math.nan
    return mean if _SPEED_KMH[0] <= mean <= _SPEED_KMH[1] else math.nan


def way_supply(tags: Mapping[str, str], oneway: bool, defaults: RoadDefaults) -> Supply:
    """Work out what a way offers in one of its directions.

    ``lanes`` counts both directions of a two-way road. A speed limit replaces the default free speed on
    motorways and expressways; below them it can only lower it, as the defaults hold the delay at signals.

    Parameters
    ----------
    tags
        Tags of a way that :func:`is_street` accepts.
    oneway
        Whether the way has one direction only.
    defaults
        Supply where the tags are silent.

    Returns
    -------
    Supply
        Class, lanes, capacity [pcu/h] and free speed [km/h].
    """
    found = highway_class(tags["highway"])
    assert found is not None
    kind, ramp = found
    lanes = read_lanes(tags.get("lanes", "")) / (1 if oneway else 2)
    if math.isnan(lanes):
        lanes = defaults.ramp_lanes if ramp else float(defaults.lanes[kind])
    lanes = max(1.0, lanes)
    speed_kmh = float(defaults.speed_kmh[kind]) * (defaults.ramp_speed_share if ramp else 1.0)
    limit_kmh = read_speed_kmh(tags.get("maxspeed", "")) if defaults.speed_limits else math.nan
    if not math.isnan(limit_kmh):
        speed_kmh = limit_kmh if kind <= LinkClass.EXPRESSWAY and not ramp else min(speed_kmh, limit_kmh)
    capacity_pcuh = lanes * float(defaults.capacity_pcuhlane[kind])
    name = "".join(c for c in tags.get("name", "")[:_MAX_NAME] if c.isprintable())
    return Supply(int(kind), lanes, capacity_pcuh, speed_kmh, name)
