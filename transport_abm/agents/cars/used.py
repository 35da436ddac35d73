"""New, or used from outside the city: what a buyer who has chosen a kind of car and holds a plate takes.

    new           V_0 = -w P_k
    used, age a   V_a = c + d a + b_R ln(R_k(a) / R_k) - w U_k(a)
    used if theta ln sum_a exp(V_a / theta) + g > V_0 + g'
    U_k(a) = fee + B_k s_k^(a / Y) + chi sum_{y=1..Y} (energy(a) + upkeep(a)) / (1 + r)^y - B_k s_k^((a + Y) / Y) / (1 + r)^Y

B is the price of the new car and s its worth after the horizon of Y years, so that used cars lose value at the rate at
which buyers reckon with it. Used cars pay no purchase tax and get no subsidy. Oil cars moved in must meet the standard
for new ones (National VI in Beijing since 2020), so that only those registered since it began elsewhere can come; there
is no such rule for battery cars. The kind is chosen at the terms of new cars: used ones of the kind follow.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.cars.kernels_used import Bought, choose_ages
from transport_abm.agents.cars.offers import IS_BATTERY, Alternative, GivenUp, Offers
from transport_abm.agents.cars.powertrain import CNY_10K, Purchase
from transport_abm.core.draws import Stream, stream_key
from transport_abm.core.errors import Fault, InputError
from transport_abm.policy.inputs import YearInputs

F64 = NDArray[np.float64]
I8 = NDArray[np.int8]

OIL = (Alternative.ICE, Alternative.HEV, Alternative.PHEV)
"""Cars with an exhaust, for which the emission standard holds."""
N = len(Alternative)


def oldest_age(inputs: YearInputs) -> NDArray[np.int64]:
    """Oldest used car of each kind that may be moved in; 0 for none [year]."""
    oldest = np.full(N, int(inputs["cars.used_oldest_year"]))
    within = max(int(inputs.year - inputs["cars.used_oil_first_year"]), 0)
    oldest[list(OIL)] = np.minimum(oldest[list(OIL)], within)
    oldest[Alternative.FCEV] = 0
    return oldest


def used_range_km(sale: Offers, inputs: YearInputs) -> F64:
    """Electric range by kind and age, shape (kinds, ages) [km]: older battery cars reach less far."""
    age = np.arange(int(inputs["cars.used_oldest_year"]) + 1)
    out = np.repeat(sale.range_km[:, None], len(age), axis=1)
    shorter = out[IS_BATTERY] - inputs["cars.bev_range_growth_km"] * age
    lowest = np.minimum(inputs["cars.bev_range_min_km"], out[IS_BATTERY])
    out[IS_BATTERY] = np.maximum(shorter, lowest)
    return out


def used_price_cny(sale: Offers, inputs: YearInputs) -> F64:
    """Price by kind and age, shape (kinds, ages) [CNY]; age 0 is the new car without tax and subsidy."""
    age = np.arange(int(inputs["cars.used_oldest_year"]) + 1)
    left = sale.resale_cny / sale.price_cny
    return np.asarray(sale.price_cny[:, None] * left[:, None] ** (age / inputs["powertrain.horizon_year"]))


def used_terms(sale: Offers, inputs: YearInputs) -> tuple[F64, F64]:
    """Perceived costs and other utilities of new and used cars.

    Parameters
    ----------
    sale
        New cars on sale.
    inputs
        Parameters of the year.

    Returns
    -------
    tuple[NDArray[np.float64], NDArray[np.float64]]
        Cost, shape (2 x what is given up + post, kinds, ages) [10,000 CNY], and utility without cost, shape (kinds,
        ages), minus infinity for what cannot be had. Age 0 is the new car.
    """
    horizon, rate = inputs["powertrain.horizon_year"], inputs["powertrain.discount_rate"]
    worth = (1.0 + rate) ** -np.arange(1.0, round(horizon) + 1.0)
    price = used_price_cny(sale, inputs)
    age = np.arange(price.shape[1])
    left = sale.resale_cny / sale.price_cny
    insurance = inputs.array("vehicle_prices.insurance_{}_share", Alternative)[:, None] * price
    upkeep = inputs.array("vehicle_prices.upkeep_{}_cny", Alternative)[:, None]
    upkeep = upkeep * (1.0 + inputs["cars.used_upkeep_growth"] * age)
    gain = np.full(N, inputs["energy.electric_improvement_share"])
    gain[list(OIL)] = inputs["energy.ice_improvement_share"]
    energy = sale.energy_cny[:, :, None] * np.exp(gain[:, None] * age)
    running = inputs["powertrain.attention"] * worth.sum() * (energy + upkeep + insurance)
    once = inputs["cars.used_fee_cny"] + price - price * left[:, None] * worth[-1]
    cost = np.tile(once + running, (len(GivenUp), 1, 1, 1)).reshape(2 * len(GivenUp), N, len(age))
    cost[:, :, 0] = sale.perceived_cny(inputs).reshape(2 * len(GivenUp), N)
    fixed = np.tile(inputs["cars.used_constant"] + inputs["cars.used_age_weight"] * age, (N, 1))
    reach = used_range_km(sale, inputs)[IS_BATTERY]
    fixed[IS_BATTERY] += inputs["powertrain.range_weight"] * np.log(reach / reach[:, :1])
    fixed[age > oldest_age(inputs)[:, None]] = -np.inf
    fixed[:, 0] = 0.0
    return cost / CNY_10K, fixed


def choose_used(
    bought: Purchase, key: NDArray[np.int64], sale: Offers, inputs: YearInputs, *, year: int, seed: int
) -> Purchase:
    """Which of the buyers take a used car from outside the city instead of a new one of the kind.

    Parameters
    ----------
    bought
        Kinds of cars that the buyers chose.
    key
        Persistent identity of the purchase: the address of its draws.
    sale
        New cars on sale.
    inputs
        Parameters of the year.
    year
        Simulated year.
    seed
        Seed of the run.

    Returns
    -------
    Purchase
        The purchases with the ages of the cars, 0 for new ones; ranges and prices are theirs.

    Raises
    ------
    InputError
        If there is not one key a purchase.
    """
    n = len(bought.alternative)
    if len(key) != n:
        raise InputError(Fault("used cars", "key", f"{n} values", f"{len(key)}"))
    cost, fixed = used_terms(sale, inputs)
    age = np.empty(n, np.int8)
    address = np.ascontiguousarray(key, np.int64).view(np.uint64)
    choose_ages(
        Bought(bought.alternative, bought.variant, bought.weight), address,
        stream_key(seed, Stream.USED_ELSEWHERE, year), cost, fixed, inputs["cars.used_nest"], age,
    )  # fmt: skip
    used = age > 0
    kind = bought.alternative
    price = used_price_cny(sale, inputs)[kind, age] + inputs["cars.used_fee_cny"]
    reach = used_range_km(sale, inputs)[kind, age]
    return replace(
        bought,
        age=age,
        range_km=np.where(used, reach, bought.range_km).astype(np.int16),
        price_cny=np.where(used, price, bought.price_cny).astype(np.float32),
    )
