"""Slow, obvious twins of the carbon account: one vehicle kind at a time, one order of levers at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import permutations
from math import exp, factorial, log

from transport_abm.carbon.activity import Activity, Consumer, Size
from transport_abm.carbon.energy import size_factor
from transport_abm.core.vocabulary import Fuel, Powertrain, VehicleClass
from transport_abm.policy.inputs import YearInputs


def year_mean_kwh_km(speed_kmh: float, inputs: YearInputs) -> float:
    """Electricity of a battery car at the wall, day by representative day."""
    total = days = 0.0
    for day in ("winter", "mild", "summer"):
        t, n = inputs[f"energy.temperature_{day}_c"], inputs[f"energy.days_{day}"]
        power = inputs["energy.bev_aux_kw"]
        if t < inputs["energy.heating_start_c"]:
            power += inputs["energy.heating_kw_c"] * (inputs["energy.heating_start_c"] - t)
        if t > inputs["energy.cooling_start_c"]:
            power += inputs["energy.cooling_kw_c"] * (t - inputs["energy.cooling_start_c"])
        at_battery = inputs["energy.bev_base_kwh_km"] + power / speed_kmh
        at_battery += inputs["energy.bev_air_kwh_km_per_kmh2"] * speed_kmh**2
        total += n * at_battery / inputs["energy.car_charging_efficiency"]
        days += n
    return total / days


def petrol_l_km(speed_kmh: float, inputs: YearInputs) -> float:
    """Fuel of a petrol car."""
    by_time = 100.0 * inputs["energy.ice_idle_l_h"] / speed_kmh
    air = inputs["energy.ice_air_l_100km_per_kmh2"] * speed_kmh**2
    return (inputs["energy.ice_base_l_100km"] + by_time + air) / 100.0


def private_car_energy(activity: Activity, inputs: YearInputs) -> dict[str, float]:
    """Litres and kilowatt-hours of private cars, row by row."""
    out = {"petrol": 0.0, "electricity": 0.0}
    for k in range(len(activity.consumer)):
        if activity.consumer[k] != Consumer.PRIVATE_CAR:
            continue
        v, km = float(activity.speed_kmh[k]), float(activity.vehicle_km[k])
        year = activity.year - int(activity.age[k])
        gain = inputs["energy.ice_improvement_share"] * (year - inputs["energy.reference_ice_year"])
        litre = petrol_l_km(v, inputs) * exp(-gain)
        gain = inputs["energy.electric_improvement_share"] * (year - inputs["energy.reference_electric_year"])
        kwh = year_mean_kwh_km(v, inputs) * exp(-gain)
        kind = Powertrain(int(activity.powertrain[k]))
        electric = 1.0 if kind is Powertrain.BEV else 0.0
        if kind in (Powertrain.HEV, Powertrain.PHEV):
            assert v <= inputs["energy.hev_city_kmh"]
            litre *= inputs["energy.hev_factor"]
        if kind is Powertrain.PHEV:
            reach = float(activity.range_km[k]) or inputs["energy.phev_range_km"]
            within = 1.0 - exp(-reach / inputs["energy.phev_day_km"])
            electric = inputs["energy.phev_charge_share"] * within
        out["petrol"] += (1.0 - electric) * km * litre
        out["electricity"] += electric * km * kwh
    return out


def diesel_truck_l(activity: Activity, inputs: YearInputs) -> float:
    """Litres of diesel trucks, row by row."""
    total = 0.0
    for k in range(len(activity.consumer)):
        if activity.consumer[k] == int(VehicleClass.TRUCK) and activity.fuel[k] == Fuel.DIESEL:
            usual = petrol_l_km(inputs["energy.truck_usual_kmh"], inputs)
            curve = petrol_l_km(float(activity.speed_kmh[k]), inputs) / usual
            year = activity.year - int(activity.age[k])
            gain = inputs["energy.heavy_improvement_share"] * (year - inputs["energy.reference_ice_year"])
            use = inputs["energy.truck_diesel_100km"] / 100.0 * curve * exp(-gain)
            total += float(activity.vehicle_km[k]) * use * size_factor(Size(int(activity.size[k])), inputs)
    return total


def lmdi_cell(before: Sequence[float], after: Sequence[float]) -> list[float]:
    """Effects on one cell whose factors are all positive."""
    c0 = c1 = 1.0
    for x, y in zip(before, after, strict=True):
        c0, c1 = c0 * x, c1 * y
    weight = c0 if c0 == c1 else (c1 - c0) / log(c1 / c0)
    return [weight * log(y / x) for x, y in zip(before, after, strict=True)]


def shapley_by_orders(value: Callable[[frozenset[str]], float], names: Sequence[str]) -> dict[str, float]:
    """Mean of what each lever adds, over every order in which levers can come."""
    out = dict.fromkeys(names, 0.0)
    for order in permutations(names):
        on: frozenset[str] = frozenset()
        for name in order:
            out[name] += (value(on | {name}) - value(on)) / factorial(len(names))
            on = on | {name}
    return out
