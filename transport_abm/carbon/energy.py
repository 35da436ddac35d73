"""Energy of a year's activity: what each row uses of its fuel, and beside it the electricity of plug-in hybrids.

Vehicles: kilometres x energy of a kilometre (`agents.energy_use`) x size. Metro: traction by car-km and stations by
their share, or by passenger-km where no car-km are known. E-bikes by kilometre, rail freight by tonne-km.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.energy_use import energy_use
from transport_abm.carbon.activity import Activity, Consumer, Size
from transport_abm.core.vocabulary import Fuel, Powertrain, VehicleClass
from transport_abm.policy.fuels import heat_mj

F64 = NDArray[np.float64]

SHAPE = (len(Consumer), len(Powertrain), len(Fuel))
MJ_PER_TJ = 1e6


def size_factor(size: Size, inputs: Mapping[str, float]) -> float:
    """Energy of a vehicle of a size against a heavy one of its class [1]; one for those of no size."""
    if size in (Size.ANY, Size.HEAVY):
        return 1.0
    return inputs[f"energy.{size.name.lower()}_factor"]


def energy_of_rows(
    activity: Activity, inputs: Mapping[str, float], limited_use: F64 | None = None
) -> tuple[F64, F64]:
    """Energy of each row of an activity.

    Parameters
    ----------
    activity
        What moves in the year.
    inputs
        Values of the year; needs ``energy``.
    limited_use
        Fuel of private cars under the limit of the year they were registered in over that without one, shape
        (powertrains, ages) [1]; no limit by default.

    Returns
    -------
    tuple[NDArray[np.float64], NDArray[np.float64]]
        Of the row's own fuel [L, m3, kg or kWh a year], and electricity beside it [kWh/year]; shape (rows,).

    Raises
    ------
    MissingFactorError
        If a kind of vehicle in the rows has no figure.
    """
    own, beside = np.zeros(len(activity.consumer)), np.zeros(len(activity.consumer))
    key = np.stack([activity.consumer, activity.powertrain, activity.fuel, activity.size])
    kinds, which = np.unique(key, axis=1, return_inverse=True)
    for k, (consumer, powertrain, fuel, size) in enumerate(kinds.T.tolist()):
        row = np.flatnonzero(which.ravel() == k)
        if consumer >= len(VehicleClass):
            own[row] = _of_others(Consumer(consumer), activity, row, inputs)
            continue
        use, electricity = energy_use(
            VehicleClass(consumer), Powertrain(powertrain), Fuel(fuel), inputs,
            speed_kmh=activity.speed_kmh[row], registered_year=activity.year - activity.age[row],
            range_km=activity.range_km[row],
        )  # fmt: skip
        km = activity.vehicle_km[row] * size_factor(Size(size), inputs)
        if limited_use is not None and consumer == VehicleClass.PRIVATE_CAR:
            km = km * limited_use[powertrain, np.minimum(activity.age[row], limited_use.shape[1] - 1)]
        own[row], beside[row] = km * use, km * electricity
    return own, beside


def _of_others(
    consumer: Consumer, activity: Activity, row: NDArray[np.int64], inputs: Mapping[str, float]
) -> F64:
    """Electricity of metro, e-bikes and rail freight [kWh/year]."""
    if consumer is Consumer.E_BIKE:
        return np.asarray(activity.vehicle_km[row] * inputs["energy.e_bike_kwh_km"])
    if consumer is Consumer.RAIL:
        return np.asarray(activity.tonne_km[row] * inputs["energy.rail_kwh_tkm"])
    if activity.vehicle_km[row].sum() > 0.0:
        with_stations = inputs["energy.metro_kwh_car_km"] * (1.0 + inputs["energy.metro_station_share"])
        return np.asarray(activity.vehicle_km[row] * with_stations)
    return np.asarray(activity.passenger_km[row] * inputs["energy.metro_kwh_pkm"])


def energy_by_kind(
    activity: Activity,
    inputs: Mapping[str, float],
    *,
    operating_only: bool = False,
    limited_use: F64 | None = None,
) -> F64:
    """Energy of an activity by consumer, powertrain, fuel and district.

    Parameters
    ----------
    activity
        What moves in the year.
    inputs
        Values of the year.
    operating_only
        Only rows of operating transport.
    limited_use
        As in `energy_of_rows`.

    Returns
    -------
    NDArray[np.float64]
        [L, m3, kg or kWh a year], shape (consumers, powertrains, fuels, districts). The electricity of a plug-in
        hybrid stands under electricity.

    Raises
    ------
    MissingFactorError
        As in `energy_of_rows`.
    """
    own, beside = energy_of_rows(activity, inputs, limited_use)
    if operating_only:
        own, beside = np.where(activity.operating, own, 0.0), np.where(activity.operating, beside, 0.0)
    count = activity.district_count
    kind = (activity.consumer * SHAPE[1] + activity.powertrain) * SHAPE[2]
    size = SHAPE[0] * SHAPE[1] * SHAPE[2] * count
    first = np.bincount((kind + activity.fuel) * count + activity.district, weights=own, minlength=size)
    second = np.bincount(
        (kind + Fuel.ELECTRICITY) * count + activity.district, weights=beside, minlength=size
    )
    return np.asarray((first + second).reshape(*SHAPE, count))


def terajoule(energy: F64, inputs: Mapping[str, float]) -> F64:
    """Energy in native units to TJ by the net calorific values; the fuel is the axis before the last."""
    return np.asarray(energy * heat_mj(inputs)[:, None] / MJ_PER_TJ)
