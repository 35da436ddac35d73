"""CO2 of one unit of each fuel in each way of counting.

    direct          what is burnt in the city's vehicles; electricity and hydrogen count zero
    provincial      and electricity at the average factor of Beijing's grid
    regional        and electricity at the average factor of North China
    market          and electricity as bought: green power at zero, the rest at the residual factor
    well to wheel   what is burnt and all that lies upstream: making and carrying of fuels, losses of the grid, hydrogen

The physical products are in `policy.fuels`, where those who pay a carbon price find them too.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from transport_abm.core.vocabulary import Accounting, Fuel
from transport_abm.policy.fuels import (
    Grid,
    carbon_cost_cny,
    combustion_kg,
    fuel_tax_cny,
    grid_kg_kwh,
    heat_mj,
    market_kg_kwh,
)

__all__ = [
    "Grid",
    "build_factors",
    "carbon_cost_cny",
    "combustion_kg",
    "fuel_tax_cny",
    "grid_kg_kwh",
    "heat_mj",
]

F64 = NDArray[np.float64]
BURNT = (Fuel.PETROL, Fuel.DIESEL, Fuel.CNG, Fuel.LNG)


def build_factors(inputs: Mapping[str, float], year: int) -> F64:
    """CO2 of one unit of each fuel in each way of counting.

    Parameters
    ----------
    inputs
        Values of the year; needs ``carbon``.
    year
        Calendar year.

    Returns
    -------
    NDArray[np.float64]
        [kg for each L, m3, kg or kWh], shape (accountings, fuels).

    Raises
    ------
    MissingFactorError
        If the year lies before the first grid factor.
    """
    burnt = combustion_kg(inputs)
    out = np.tile(burnt, (len(Accounting), 1))
    local = grid_kg_kwh(inputs, Grid.BEIJING, year)
    out[Accounting.PROVINCIAL, Fuel.ELECTRICITY] = local
    out[Accounting.REGIONAL, Fuel.ELECTRICITY] = grid_kg_kwh(inputs, Grid.NORTH_CHINA, year)
    out[Accounting.MARKET, Fuel.ELECTRICITY] = market_kg_kwh(inputs, year)
    whole = out[Accounting.WELL_TO_WHEEL]
    for fuel in BURNT:
        whole[fuel] *= 1.0 + inputs[f"carbon.{fuel.name.lower()}_upstream_share"]
    upstream = 1.0 + inputs["carbon.electricity_upstream_share"]
    whole[Fuel.ELECTRICITY] = local * upstream / (1.0 - inputs["carbon.grid_loss_share"])
    whole[Fuel.HYDROGEN] = inputs["carbon.hydrogen_upstream_kg_kg"]
    return out
