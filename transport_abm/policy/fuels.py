"""What burning or using one unit of a fuel emits, and what taxes and the carbon price make of it.

    CO2 per tonne = net calorific value x carbon content x oxidised share x 44 / 12

Units: litre of petrol and diesel, cubic metre of compressed gas, kilogram of liquefied gas and hydrogen, kilowatt-hour
of electricity. The products are computed from the guideline values, never typed. The grid of a year is the published
factor of 2021 with the assumed decline; the factors of 2022 and later were published later and are not used.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from math import exp

import numpy as np
from numpy.typing import NDArray

from transport_abm.core.errors import MissingFactorError
from transport_abm.core.vocabulary import Fuel

F64 = NDArray[np.float64]

CO2_PER_CARBON = 44.0 / 12.0
MJ_PER_KWH = 3.6
KG_PER_T = 1000.0
HOUR_TWH_PER_GW = 1e-3


class Grid(IntEnum):
    """Which grid's average factor."""

    BEIJING = 0
    NORTH_CHINA = 1
    NATIONAL = 2


UNIT_OF_FUEL: tuple[str, ...] = ("L", "L", "m3", "kg", "kWh", "kg")
"""Unit of one of each fuel, in the order of `Fuel`."""
_PRICE_OF_FUEL: tuple[tuple[str, str], ...] = (
    ("prices.petrol_cny_l", "prices.petrol_factor"),
    ("fleets.diesel_cny_l", ""),
    ("fleets.cng_cny_m3", ""),
    ("fleets.lng_cny_kg", ""),
    ("fleets.electricity_cny_kwh", "prices.electricity_factor"),
    ("fleets.hydrogen_cny_kg", ""),
)
"""Paths of the price of each fuel and of the factor on it, in the order of `Fuel`."""


def heat_mj(inputs: Mapping[str, float]) -> F64:
    """Net calorific value of one unit of each fuel.

    Parameters
    ----------
    inputs
        Values of the year; needs the heat and density of each fuel in ``carbon``.

    Returns
    -------
    NDArray[np.float64]
        [MJ for each litre, m3, kg or kWh], in the order of `Fuel`.
    """
    return np.array(
        [
            inputs["carbon.petrol_heat_gj_t"] * inputs["carbon.petrol_density_kg_l"],
            inputs["carbon.diesel_heat_gj_t"] * inputs["carbon.diesel_density_kg_l"],
            inputs["carbon.cng_heat_mj_m3"],
            inputs["carbon.lng_heat_gj_t"],
            MJ_PER_KWH,
            inputs["carbon.hydrogen_heat_mj_kg"],
        ]
    )


def combustion_kg(inputs: Mapping[str, float]) -> F64:
    """CO2 of burning one unit of each fuel.

    Parameters
    ----------
    inputs
        Values of the year; needs heat, density, carbon content and oxidised share in ``carbon``.

    Returns
    -------
    NDArray[np.float64]
        [kg for each litre, m3, kg or kWh], in the order of `Fuel`; zero for electricity and hydrogen.

    Notes
    -----
    Guideline values of China for company accounts; validation case V-29.
    """
    out = np.zeros(len(Fuel))
    for fuel in (Fuel.PETROL, Fuel.DIESEL, Fuel.CNG, Fuel.LNG):
        name = fuel.name.lower()
        carbon_kg_mj = inputs[f"carbon.{name}_carbon_t_tj"] / KG_PER_T
        out[fuel] = carbon_kg_mj * inputs[f"carbon.{name}_oxidation_share"] * CO2_PER_CARBON
    return out * heat_mj(inputs)


def grid_kg_kwh(inputs: Mapping[str, float], grid: Grid, year: int) -> float:
    """Average factor of a grid in a year, levers included.

    Parameters
    ----------
    inputs
        Values of the year; needs ``carbon.grid_*`` and, for Beijing, the local solar and wind.
    grid
        Which grid.
    year
        Calendar year.

    Returns
    -------
    float
        [kg/kWh].

    Raises
    ------
    MissingFactorError
        If the year lies before the first one with a factor.

    Notes
    -----
    Solar and wind inside the city beyond those of 2021 lower the factor of Beijing by their share of the city's
    use; green power from outside counts in the market account alone (`market_kg_kwh`), as it is bought by contract.
    """
    first = int(inputs["carbon.grid_first_year"])
    if year < first:
        raise MissingFactorError(
            f"no factor of the {grid.name} grid for {year}: the first is that of {first}"
        )
    path = f"carbon.grid_{grid.name.lower()}_kg_kwh"
    trend = exp(-inputs["carbon.grid_decline_share"] * (year - inputs["carbon.grid_year"]))
    factor = inputs[path] * trend * inputs["carbon.grid_factor"]
    return factor * (1.0 - local_share(inputs)) if grid is Grid.BEIJING else factor


def local_share(inputs: Mapping[str, float]) -> float:
    """Share of the city's electricity from local solar and wind beyond those of 2021 [1]; below zero if less."""
    more_gw = inputs["carbon.local_pv_wind_gw"] - inputs["carbon.local_pv_wind_base_gw"]
    twh = more_gw * inputs["carbon.local_pv_wind_hour"] * HOUR_TWH_PER_GW
    return min(twh / inputs["carbon.electricity_use_twh"], 1.0)


def green_share(inputs: Mapping[str, float]) -> float:
    """Share of the city's electricity that is green, from outside and inside [1]."""
    local_twh = inputs["carbon.local_pv_wind_gw"] * inputs["carbon.local_pv_wind_hour"] * HOUR_TWH_PER_GW
    return min(
        (inputs["carbon.green_power_import_twh"] + local_twh) / inputs["carbon.electricity_use_twh"], 1.0
    )


def market_kg_kwh(inputs: Mapping[str, float], year: int) -> float:
    """Factor of electricity as bought: green power at zero, the rest at the residual factor of the region.

    Parameters
    ----------
    inputs
        Values of the year.
    year
        Calendar year.

    Returns
    -------
    float
        (1 - green share) x residual factor [kg/kWh].

    Raises
    ------
    MissingFactorError
        As in `grid_kg_kwh`.
    """
    residual = grid_kg_kwh(inputs, Grid.NORTH_CHINA, year) * inputs["carbon.residual_grid_factor"]
    return (1.0 - green_share(inputs)) * residual


def carbon_cost_cny(fuel: Fuel, inputs: Mapping[str, float], year: int) -> float:
    """What the carbon price adds to one unit of a fuel: to what is burnt, and to the power of Beijing's grid.

    Parameters
    ----------
    fuel
        Fuel.
    inputs
        Values of the year; needs ``energy.carbon_price_cny_t``.
    year
        Calendar year.

    Returns
    -------
    float
        [CNY for each litre, m3, kg or kWh].

    Raises
    ------
    MissingFactorError
        As in `grid_kg_kwh`, for electricity.
    """
    if fuel is Fuel.ELECTRICITY:
        kg = grid_kg_kwh(inputs, Grid.BEIJING, year)
    else:
        kg = float(combustion_kg(inputs)[fuel])
    return kg * inputs["energy.carbon_price_cny_t"] / KG_PER_T


def fuel_tax_cny(fuel: Fuel, inputs: Mapping[str, float]) -> float:
    """Further tax on one unit of a fuel [CNY/L]: on petrol and diesel, zero for others."""
    return inputs["energy.fuel_tax_cny_l"] if fuel in (Fuel.PETROL, Fuel.DIESEL) else 0.0


def levies_cny(fuel: Fuel, inputs: Mapping[str, float], year: int, *, passed: float = 1.0) -> float:
    """What the further fuel tax and the carbon price add to one unit of a fuel.

    Parameters
    ----------
    fuel
        Fuel.
    inputs
        Values of the year.
    year
        Calendar year.
    passed
        Share of the carbon price that reaches the buyer [1].

    Returns
    -------
    float
        [CNY for each litre, m3, kg or kWh].
    """
    tax = fuel_tax_cny(fuel, inputs)
    # Without a carbon price no factor of a grid is asked for.
    return tax + (
        passed * carbon_cost_cny(fuel, inputs, year) if inputs["energy.carbon_price_cny_t"] else 0.0
    )


def pump_price_cny(fuel: Fuel, inputs: Mapping[str, float], year: int, *, passed: float = 1.0) -> float:
    """Price of one unit of a fuel at the pump, or of electricity as operators buy it, levies included.

    Parameters
    ----------
    fuel, inputs, year, passed
        As in `levies_cny`.

    Returns
    -------
    float
        [CNY for each litre, m3, kg or kWh].
    """
    path, factor = _PRICE_OF_FUEL[fuel]
    price = inputs[path] * (inputs[factor] if factor else 1.0)
    return price + levies_cny(fuel, inputs, year, passed=passed)


def household_prices_cny(inputs: Mapping[str, float], year: int) -> tuple[float, float, float]:
    """What a household pays: petrol [CNY/L], electricity at home and at a public post [CNY/kWh], levies included."""
    passed = inputs["vehicle_prices.carbon_pass_share"]
    factor = inputs["prices.electricity_factor"]
    power = levies_cny(Fuel.ELECTRICITY, inputs, year, passed=passed)
    return (
        pump_price_cny(Fuel.PETROL, inputs, year, passed=passed),
        inputs["prices.electricity_home_cny_kwh"] * factor + power,
        inputs["prices.electricity_public_cny_kwh"] * factor + power,
    )
