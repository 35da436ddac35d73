"""Who is on the roads: cars by powertrain and tail number, hired cars, goods vehicles; what they pay and where they may go.

All that is known of a trip decides its class. By day a car on its barred day, and a goods vehicle without a permit, may
not enter the 5th ring; trips from outside to outside then go round it. Trips with an end inside are not made by barred
cars (the choice of modes sees to that), and goods vehicles that make them have a permit. Where no way leads round the
ring, a trip goes as it always did. The area charge is paid by cars, hired ones included, the low-emission charge by
private cars that are not new-energy; goods vehicles pay neither (their rules are permits). Buses are preloaded.

Simplifications: goods vehicles and through traffic are a share of the flow with the pattern of the cars, in passenger
cars; hired cars pay no low-emission charge, as nobody's fare has it; the night period is free although goods vehicles
may enter from 23 h only.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from transport_abm.core.vocabulary import Mode, Period
from transport_abm.networks.city import F64, Bool, City
from transport_abm.networks.roads.assignment import RoadClasses, skim_roads
from transport_abm.networks.roads.connectors import Connectors
from transport_abm.networks.roads.road_problem import RoadProblem
from transport_abm.networks.roads.road_skims import entering_links
from transport_abm.policy.inputs import YearInputs

Count = NDArray[np.int32]

BARRED_RING = 5
"""Inside this ring hold the tail-number rule and the permits of goods vehicles, by day."""


class CarKind(IntEnum):
    """What is known of a driver's car: rows of the count of car trips."""

    OIL = 0
    NEV = 1
    OIL_BARRED = 2
    NEV_BARRED = 3


class RoadUser(IntEnum):
    """Classes of the road equilibrium; the first four are those of ``CarKind``."""

    OIL_CAR = 0
    NEV_CAR = 1
    OIL_CAR_BARRED = 2
    NEV_CAR_BARRED = 3
    HIRED_CAR = 4
    GOODS = 5
    GOODS_BARRED = 6


BARRED = (RoadUser.OIL_CAR_BARRED, RoadUser.NEV_CAR_BARRED, RoadUser.GOODS_BARRED)
FREE_TWIN = {
    RoadUser.OIL_CAR_BARRED: RoadUser.OIL_CAR,
    RoadUser.NEV_CAR_BARRED: RoadUser.NEV_CAR,
    RoadUser.GOODS_BARRED: RoadUser.GOODS,
}
"""Class that makes the trips of a barred one at night and where no way leads round the ring."""


@dataclass(frozen=True)
class RoadRules:
    """Where the rules of a year hold; links are rows of the problem with connectors."""

    charged: Bool
    """Links that lead into the charged area."""
    barred: Bool
    """Links that lead into the 5th ring."""
    beyond: Bool
    """Links that do not start inside the 5th ring: only these does a barred class ever see."""
    bypass: Bool
    """Shape (zones, zones): both ends outside the 5th ring, and a way that does not enter it."""


def build_rules(city: City, connectors: Connectors, inputs: YearInputs, problem: RoadProblem) -> RoadRules:
    """Find where the rules of a year hold.

    Parameters
    ----------
    city
        The city.
    connectors
        Links between zones and roads.
    inputs
        Read: ``road_charge.ring``.
    problem
        Roads of the year with connectors.

    Returns
    -------
    RoadRules
        For all periods of the year.
    """

    def padded(part: Bool) -> Bool:
        # Turns are links behind the others; none leads anywhere.
        return np.concatenate([part, np.zeros(problem.n_links - len(part), bool)])

    charged = padded(entering_links(city, inputs["road_charge.ring"], connectors)[0])
    barred, inside = (padded(part) for part in entering_links(city, BARRED_RING, connectors))
    outside = np.flatnonzero(city.zones.ring > BARRED_RING).astype(np.int32)
    bypass = np.zeros((len(city.zones), len(city.zones)), bool)
    if len(outside) and barred.any():
        cost = np.where(barred, np.inf, problem.free_time_s)
        reach = skim_roads(problem, cost, outside, np.empty((0, problem.n_links)))[0]
        bypass[np.ix_(outside, outside)] = np.isfinite(reach)
        # Trips inside a zone, and between zones at one node, use no road.
        bypass &= city.zones.node[:, None] != city.zones.node
    return RoadRules(charged, barred, ~inside, bypass)


def charges_cny(inputs: YearInputs, period: Period) -> tuple[float, float]:
    """Area charge and low-emission charge for one entry in a period [CNY]."""
    peak = period in (Period.AM, Period.PM)
    holds = peak or (period is Period.MIDDAY and not inputs["road_charge.peak_only"] > 0.5)
    return (inputs["road_charge.cny"], inputs["road_charge.lez_cny"]) if holds else (0.0, 0.0)


def is_day(period: Period) -> bool:
    """Whether the rules of the 5th ring hold: 7-19 h of 7-20 h (cars) and 6-23 h (goods vehicles)."""
    return period is not Period.NIGHT


def road_classes(rules: RoadRules, inputs: YearInputs, period: Period) -> RoadClasses:
    """What each class pays and where it may not go in a period.

    Parameters
    ----------
    rules
        Rules of the year.
    inputs
        Read: ``road_charge.`` paths, ``mode_choice.value_of_time_middle_cny_h``.
    period
        Period of the day.

    Returns
    -------
    RoadClasses
        In the order of ``RoadUser``. A charge counts as the time that the middle class of travellers gives for it.
    """
    charge, lez = charges_cny(inputs, period)
    second_cny = inputs["mode_choice.value_of_time_middle_cny_h"] / 3600.0
    fixed = np.zeros((len(RoadUser), len(rules.charged)))
    for user in (RoadUser.OIL_CAR, RoadUser.NEV_CAR, RoadUser.HIRED_CAR):
        lez_too = lez if user is RoadUser.OIL_CAR else 0.0
        fixed[user, rules.charged] = (charge + lez_too) / second_cny
    for user in BARRED:
        # What lies behind a closed link cannot be paid for: classes that are alike stay one group.
        fixed[user] = np.where(rules.beyond, fixed[FREE_TWIN[user]], 0.0)
        if is_day(period):
            fixed[user, rules.barred] = np.inf
    names = tuple(user.name.lower().replace("_", " ") for user in RoadUser)
    return RoadClasses(names, np.ones(len(RoadUser)), fixed)


def user_demand(
    rules: RoadRules, inputs: YearInputs, period: Period, count: Count, cars: Count | None, factor: float
) -> F64:
    """Vehicles of each class between zones.

    Parameters
    ----------
    rules
        Rules of the year.
    inputs
        Read: ``traffic.hired_occupancy``, ``traffic.hired_empty_share``, ``traffic.background_share_`` of the period.
    period
        Period of the day.
    count
        Sampled trips of the period by mode, origin and destination.
    cars
        Sampled trips of car drivers of the period by ``CarKind``, origin and destination; all are oil cars that are
        free to go where not given.
    factor
        Vehicles in the design hour that one sampled trip stands for [1/h].

    Returns
    -------
    F64
        [vehicles/h], shape (users, zones, zones).
    """
    out = np.zeros((len(RoadUser), *count.shape[1:]))
    if cars is None:
        out[RoadUser.OIL_CAR] = count[Mode.CAR_DRIVER]
    else:
        out[: len(CarKind)] = cars
    hired = (count[Mode.TAXI].astype(np.float64) + count[Mode.RIDE_HAIL]) / inputs["traffic.hired_occupancy"]
    out[RoadUser.HIRED_CAR] = hired / (1.0 - inputs["traffic.hired_empty_share"])
    background = inputs[f"traffic.background_share_{period.name.lower()}"]
    out[RoadUser.GOODS_BARRED] = out.sum(axis=0) * (background / (1.0 - background))
    goes_round = rules.bypass if is_day(period) else np.zeros_like(rules.bypass)
    for user, free in FREE_TWIN.items():
        out[free] += np.where(goes_round, 0.0, out[user])
        out[user] *= goes_round
    out *= factor
    return out
