"""Energy of a kilometre by class, powertrain, fuel, speed and temperature.

    petrol car      f(v) = f0 + 100 i / v + c v^2                          [L/100 km], v in km/h
    battery car     e(v, T) = (e0 + (p + h(T)) / v + d v^2) / efficiency   [kWh/km at the wall]
    h(T)            a max(0, T_heat - T) + b max(0, T - T_cool)            [kW]
    battery bus     (E0 + (P + H(T)) / v) / efficiency

Other classes have a figure at their usual speed; away from it they follow the curve of the petrol or battery car, and
heat and cool by a multiple of a car's power. A plug-in hybrid drives the share s(R) = q (1 - exp(-R / D)) on electricity
and the rest as a hybrid. New vehicles of each year use less: exp(-gain (first registration - reference year)).
The year's mean of h(T) is taken over the representative days, so a year needs one evaluation. The forms are those of
published curves; the coefficients are priors (see the catalogue). Lives with the agents, because those who choose a
vehicle pay for its energy.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transport_abm.core.errors import MissingFactorError
from transport_abm.core.vocabulary import Fuel, Powertrain, VehicleClass
from transport_abm.policy.fuels import UNIT_OF_FUEL

F64 = NDArray[np.float64]

DAYS = ("winter", "mild", "summer")
PER_100_KM = 100.0
CAR_CLASSES: tuple[VehicleClass, ...] = (
    VehicleClass.PRIVATE_CAR, VehicleClass.OFFICIAL_CAR, VehicleClass.TAXI, VehicleClass.RIDE_HAIL,
)  # fmt: skip


def climate_kw(temperature_c: ArrayLike, inputs: Mapping[str, float], prefix: str = "") -> F64:
    """Power of heating and cooling.

    Parameters
    ----------
    temperature_c
        Air temperature [C].
    inputs
        Values of the year.
    prefix
        Nothing for cars, ``"bus_"`` for buses.

    Returns
    -------
    NDArray[np.float64]
        h(T) [kW].
    """
    t = np.asarray(temperature_c, np.float64)
    cold = np.maximum(0.0, inputs[f"energy.{prefix}heating_start_c"] - t)
    warm = np.maximum(0.0, t - inputs[f"energy.{prefix}cooling_start_c"])
    heating, cooling = inputs[f"energy.{prefix}heating_kw_c"], inputs[f"energy.{prefix}cooling_kw_c"]
    return np.asarray(heating * cold + cooling * warm)


def year_climate_kw(inputs: Mapping[str, float], prefix: str = "") -> float:
    """Mean power of heating and cooling over the representative weekdays [kW]; weekends have their weather."""
    days = np.array([inputs[f"energy.days_{day}"] for day in DAYS])
    power = climate_kw([inputs[f"energy.temperature_{day}_c"] for day in DAYS], inputs, prefix)
    return float(days @ power / days.sum())


def petrol_car_l_100km(speed_kmh: ArrayLike, inputs: Mapping[str, float]) -> F64:
    """Fuel use f(v) of a petrol car of the reference year [L/100 km].

    Parameters
    ----------
    speed_kmh
        Mean speed [km/h].
    inputs
        Values of the year.

    Returns
    -------
    NDArray[np.float64]
        [L/100 km], in the shape of the speed.
    """
    v = _speed(speed_kmh, inputs)
    by_time = PER_100_KM * inputs["energy.ice_idle_l_h"] / v
    return np.asarray(
        inputs["energy.ice_base_l_100km"] + by_time + inputs["energy.ice_air_l_100km_per_kmh2"] * v * v
    )


def battery_car_kwh_km(speed_kmh: ArrayLike, climate: ArrayLike, inputs: Mapping[str, float]) -> F64:
    """Electricity e(v, T) of a battery car of the reference year, at the wall [kWh/km].

    Parameters
    ----------
    speed_kmh
        Mean speed [km/h].
    climate
        Power of heating and cooling (from `climate_kw`) [kW].
    inputs
        Values of the year.

    Returns
    -------
    NDArray[np.float64]
        [kWh/km].
    """
    v = _speed(speed_kmh, inputs)
    by_time = (inputs["energy.bev_aux_kw"] + np.asarray(climate)) / v
    drag = inputs["energy.bev_air_kwh_km_per_kmh2"] * v * v
    return np.asarray(
        (inputs["energy.bev_base_kwh_km"] + by_time + drag) / inputs["energy.car_charging_efficiency"]
    )


def battery_bus_kwh_km(speed_kmh: ArrayLike, climate: ArrayLike, inputs: Mapping[str, float]) -> F64:
    """Electricity of a battery bus of 12 m, at the battery [kWh/km]; arguments as in `battery_car_kwh_km`."""
    by_time = (inputs["energy.bus_aux_kw"] + np.asarray(climate)) / _speed(speed_kmh, inputs)
    return np.asarray(inputs["energy.bus_base_kwh_km"] + by_time)


def bus_size_factor(inputs: Mapping[str, float]) -> float:
    """Energy of the mean bus against one of 12 m [1]."""
    long, short = inputs["energy.bus_articulated_share"], inputs["energy.bus_short_share"]
    mixed = long * inputs["energy.bus_articulated_factor"] + short * inputs["energy.bus_short_factor"]
    return 1.0 - long - short + mixed


def hybrid_factor(class_: VehicleClass, speed_kmh: ArrayLike, inputs: Mapping[str, float]) -> F64:
    """Fuel of a hybrid against the same vehicle without: flat in the city, straight line to the motorway [1]."""
    v = _speed(speed_kmh, inputs)
    if class_ not in CAR_CLASSES:
        return np.full(v.shape, inputs["energy.heavy_hev_factor"])
    known = [inputs["energy.hev_city_kmh"], inputs["energy.hev_fast_kmh"]]
    return np.asarray(np.interp(v, known, [inputs["energy.hev_factor"], inputs["energy.hev_fast_factor"]]))


def electric_share(range_km: ArrayLike, inputs: Mapping[str, float]) -> F64:
    """Share of a plug-in hybrid's distance on electricity; a range of zero or less takes the catalogue's [1]."""
    told = np.asarray(range_km, np.float64)
    reach = np.where(told > 0.0, told, inputs["energy.phev_range_km"])
    within = 1.0 - np.exp(-reach / inputs["energy.phev_day_km"])
    return np.asarray(inputs["energy.phev_charge_share"] * within)


def improvement(
    class_: VehicleClass, fuel: Fuel, registered_year: ArrayLike, inputs: Mapping[str, float]
) -> F64:
    """Energy of a vehicle first registered in a year against one of the reference year [1]."""
    if fuel in (Fuel.ELECTRICITY, Fuel.HYDROGEN):
        gain, reference = (
            inputs["energy.electric_improvement_share"],
            inputs["energy.reference_electric_year"],
        )
    else:
        name = "ice" if class_ in CAR_CLASSES else "heavy"
        gain, reference = inputs[f"energy.{name}_improvement_share"], inputs["energy.reference_ice_year"]
    return np.asarray(np.exp(-gain * (np.asarray(registered_year, np.float64) - reference)))


def engine_use(class_: VehicleClass, fuel: Fuel, speed_kmh: ArrayLike, inputs: Mapping[str, float]) -> F64:
    """Fuel of a vehicle of the reference year that burns it, or feeds its fuel cell.

    Parameters
    ----------
    class_, fuel
        Which vehicle.
    speed_kmh
        Mean speed [km/h].
    inputs
        Values of the year.

    Returns
    -------
    NDArray[np.float64]
        [L, m3 or kg for each km].

    Raises
    ------
    MissingFactorError
        If the catalogue has no figure for the class with this fuel.
    """
    curve = petrol_car_l_100km(speed_kmh, inputs)
    if (class_, fuel) == (VehicleClass.PRIVATE_CAR, Fuel.PETROL):
        return np.asarray(curve / PER_100_KM)
    size = bus_size_factor(inputs) if class_ is VehicleClass.BUS else 1.0
    usual = petrol_car_l_100km(inputs[f"energy.{class_.name.lower()}_usual_kmh"], inputs)
    return np.asarray(size * _figure(class_, fuel, inputs) * curve / usual / PER_100_KM)


def wall_kwh_km(
    class_: VehicleClass,
    speed_kmh: ArrayLike,
    inputs: Mapping[str, float],
    temperature_c: ArrayLike | None = None,
) -> F64:
    """Electricity of a battery vehicle of the reference year, at the wall.

    Parameters
    ----------
    class_
        Class.
    speed_kmh
        Mean speed [km/h].
    inputs
        Values of the year.
    temperature_c
        Air temperature [C]; the mean of the year's days by default.

    Returns
    -------
    NDArray[np.float64]
        [kWh/km].

    Raises
    ------
    MissingFactorError
        If the catalogue has no figure for the class.
    """
    prefix = "bus_" if class_ is VehicleClass.BUS else ""
    told = temperature_c is not None
    power = climate_kw(temperature_c, inputs, prefix) if told else year_climate_kw(inputs, prefix)  # type: ignore[arg-type]
    if class_ is VehicleClass.BUS:
        at_battery = battery_bus_kwh_km(speed_kmh, power, inputs) * bus_size_factor(inputs)
        return np.asarray(at_battery / inputs["energy.bus_charging_efficiency"])
    if class_ is VehicleClass.PRIVATE_CAR:
        return battery_car_kwh_km(speed_kmh, power, inputs)
    name = class_.name.lower()
    mild = _figure(class_, Fuel.ELECTRICITY, inputs) / PER_100_KM
    usual = battery_car_kwh_km(inputs[f"energy.{name}_usual_kmh"], 0.0, inputs)
    drive = mild * battery_car_kwh_km(speed_kmh, 0.0, inputs) / usual
    climate = inputs[f"energy.{name}_climate_factor"] * np.asarray(power) / _speed(speed_kmh, inputs)
    return np.asarray(drive + climate / inputs["energy.car_charging_efficiency"])


def energy_use(
    class_: VehicleClass,
    powertrain: Powertrain,
    fuel: Fuel,
    inputs: Mapping[str, float],
    *,
    speed_kmh: ArrayLike,
    registered_year: ArrayLike,
    range_km: ArrayLike = 0.0,
    temperature_c: ArrayLike | None = None,
) -> tuple[F64, F64]:
    """Energy of a kilometre of one kind of vehicle.

    Parameters
    ----------
    class_, powertrain, fuel
        Kind of vehicle; the fuel of a hybrid is that of its engine.
    inputs
        Values of the year.
    speed_kmh
        Mean speed [km/h].
    registered_year
        Year of first registration.
    range_km
        Electric range of a plug-in hybrid [km]; 0 takes the catalogue's.
    temperature_c
        Air temperature [C]; the mean of the year's days by default.

    Returns
    -------
    tuple[NDArray[np.float64], NDArray[np.float64]]
        Of ``fuel`` [L, m3 or kg for each km; kWh at the wall for electricity], and beside it the electricity of a
        plug-in hybrid [kWh/km], zero for others.

    Raises
    ------
    MissingFactorError
        If powertrain and fuel do not go together, or the catalogue has no figure for them.
    """
    newer = improvement(class_, fuel, registered_year, inputs)
    shape = np.broadcast(np.asarray(speed_kmh), newer).shape
    if powertrain is Powertrain.BEV and fuel is Fuel.ELECTRICITY:
        return wall_kwh_km(class_, speed_kmh, inputs, temperature_c) * newer, np.zeros(shape)
    if (powertrain is Powertrain.FCEV) is not (fuel is Fuel.HYDROGEN) or (
        powertrain is Powertrain.BEV or fuel is Fuel.ELECTRICITY
    ):
        raise MissingFactorError(_who(class_, powertrain, fuel) + ": powertrain and fuel do not go together")
    burnt = engine_use(class_, fuel, speed_kmh, inputs) * newer
    if powertrain in (Powertrain.HEV, Powertrain.PHEV):
        burnt = burnt * hybrid_factor(class_, speed_kmh, inputs)
    if powertrain is not Powertrain.PHEV:
        return np.asarray(burnt), np.zeros(shape)
    share = electric_share(range_km, inputs)
    newer = improvement(class_, Fuel.ELECTRICITY, registered_year, inputs)
    return np.asarray((1.0 - share) * burnt), share * newer * wall_kwh_km(
        class_, speed_kmh, inputs, temperature_c
    )


def usual_use(
    class_: VehicleClass,
    powertrain: Powertrain,
    fuel: Fuel,
    inputs: Mapping[str, float],
    *,
    registered_year: float,
    range_km: float = 0.0,
) -> tuple[float, float]:
    """What buyers, operators and drivers reckon with: `energy_use` at the usual speed of the class, mean of the year.

    Parameters
    ----------
    class_, powertrain, fuel, inputs, registered_year, range_km
        As in `energy_use`.

    Returns
    -------
    tuple[float, float]
        As in `energy_use`.

    Raises
    ------
    MissingFactorError
        As in `energy_use`.
    """
    own, beside = energy_use(
        class_, powertrain, fuel, inputs, speed_kmh=inputs[f"energy.{class_.name.lower()}_usual_kmh"],
        registered_year=registered_year, range_km=range_km,
    )  # fmt: skip
    return float(own), float(beside)


def _speed(speed_kmh: ArrayLike, inputs: Mapping[str, float]) -> F64:
    """Speed within the range of the curves."""
    low, high = inputs["energy.speed_low_kmh"], inputs["energy.speed_high_kmh"]
    return np.asarray(np.clip(np.asarray(speed_kmh, np.float64), low, high))


def _figure(class_: VehicleClass, fuel: Fuel, inputs: Mapping[str, float]) -> float:
    """Figure of a class and fuel for 100 km at its usual speed."""
    path = f"energy.{class_.name.lower()}_{fuel.name.lower()}_100km"
    if path not in inputs:
        unit = UNIT_OF_FUEL[fuel]
        raise MissingFactorError(
            f"no energy use of {class_.name.lower()} with {fuel.name.lower()}: the catalogue has no {path} [{unit}/100 km]"
        )
    return inputs[path]


def _who(class_: VehicleClass, powertrain: Powertrain, fuel: Fuel) -> str:
    """Name of a kind of vehicle in a message."""
    return f"{class_.name.lower()} {powertrain.name} {fuel.name.lower()}"
