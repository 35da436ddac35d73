"""Converted turnover: goods and passengers in one unit, and who belongs to operating transport.

    converted = tonne-km + sum over ways of passenger-km / (passenger-km that count as one tonne-km)

The coefficients are those of the Chinese statistics (road 10, rail 1, ships 1 and 3, flights 13.89 and 13.33). They have
no figure for city buses, taxis and metro: buses and taxis count as road; the metro counts as rail, or as road in a
variant, because the choice alone moves the intensity more than any measure does.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from transport_abm.carbon.activity import Activity, Consumer
from transport_abm.core.errors import Fault, InputError
from transport_abm.core.vocabulary import Scope

F64 = NDArray[np.float64]

WAYS = ("road", "rail", "water_berth", "water_seat", "air_domestic", "air_international")

_GOODS = (Consumer.VAN, Consumer.TRUCK, Consumer.COACH)
_CITY = (*_GOODS, Consumer.BUS, Consumer.TAXI, Consumer.RIDE_HAIL)
MEMBERS: dict[Scope, tuple[Consumer, ...]] = {
    Scope.S1: _GOODS,
    Scope.S2: _CITY,
    Scope.S3: (*_CITY, Consumer.METRO),
    Scope.S3_METRO_ROAD: (*_CITY, Consumer.METRO),
}
"""Consumers of each scope; private cars, e-bikes and rail freight belong to none."""


def converted_turnover(
    tonne_km: float, passenger_km: Mapping[str, float], inputs: Mapping[str, float]
) -> float:
    """Goods and passengers in one unit.

    Parameters
    ----------
    tonne_km
        [tkm]
    passenger_km
        [pkm] by way: road, rail, water_berth, water_seat, air_domestic, air_international.
    inputs
        Values of the year; needs ``carbon.<way>_pkm_per_tkm``.

    Returns
    -------
    float
        Converted turnover [tkm].

    Raises
    ------
    InputError
        If a way is unknown.

    Notes
    -----
    Chinese statistics, definition of converted turnover; validation case V-27.
    """
    unknown = sorted(set(passenger_km) - set(WAYS))
    if unknown:
        raise InputError(
            Fault("converted turnover", way, "one of " + ", ".join(WAYS), "an unknown way") for way in unknown
        )
    return tonne_km + sum(pkm / inputs[f"carbon.{way}_pkm_per_tkm"] for way, pkm in passenger_km.items())


def turnover_of_scopes(activity: Activity, inputs: Mapping[str, float]) -> F64:
    """Converted turnover of operating transport in each scope.

    Parameters
    ----------
    activity
        What moves in the year; only its operating rows count.
    inputs
        Values of the year; needs ``carbon.road_pkm_per_tkm`` and ``carbon.rail_pkm_per_tkm``.

    Returns
    -------
    NDArray[np.float64]
        [tkm/year], shape (scopes,).
    """
    count = len(Consumer)
    tonne = np.bincount(activity.consumer, np.where(activity.operating, activity.tonne_km, 0.0), count)
    passenger = np.bincount(
        activity.consumer, np.where(activity.operating, activity.passenger_km, 0.0), count
    )
    out = np.zeros(len(Scope))
    for scope, members in MEMBERS.items():
        ways = {"road": 0.0, "rail": 0.0}
        for consumer in members:
            as_rail = consumer is Consumer.METRO and scope is Scope.S3
            ways["rail" if as_rail else "road"] += float(passenger[consumer])
        out[scope] = converted_turnover(float(tonne[list(members)].sum()), ways, inputs)
    return out
