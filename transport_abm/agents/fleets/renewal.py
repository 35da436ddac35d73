"""The choice all operators share: the powertrain of a replacement by its total cost of ownership.

    TCO_j = price_j - subsidy_j - resale_j / (1 + r)^L + annuity(r, L) * (km * (sum_f use_jf p_f + upkeep_j) + licence_j)
    P(j)  = exp(-TCO_j / b) / sum over the allowed options

r is the hurdle rate, L the years in service, b the logit scale [CNY]. Every option of every vehicle has a draw of
its own (Gumbel), so a cheaper option can only win vehicles, never move one between two others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transport_abm.agents.energy_use import usual_use
from transport_abm.core.draws import Stream, uniform
from transport_abm.core.errors import Fault, ParameterError
from transport_abm.core.vocabulary import NEW_ENERGY, Fuel, Powertrain, VehicleClass
from transport_abm.policy.fuels import pump_price_cny
from transport_abm.policy.inputs import YearInputs

F64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

_GUMBEL_STEP = 16
"""Draws set aside for the options of one choice."""


@dataclass(frozen=True)
class Option:
    """What an operator can buy: a powertrain with a fuel, under a name that stands in the parameter paths."""

    name: str
    powertrain: Powertrain
    fuel: Fuel

    @property
    def new_energy(self) -> bool:
        """Whether it counts as a new-energy vehicle."""
        return self.powertrain in NEW_ENERGY


PETROL = Option("petrol", Powertrain.ICE, Fuel.PETROL)
PETROL_HEV = Option("hev", Powertrain.HEV, Fuel.PETROL)
PETROL_PHEV = Option("phev", Powertrain.PHEV, Fuel.PETROL)
DIESEL = Option("diesel", Powertrain.ICE, Fuel.DIESEL)
DIESEL_HEV = Option("diesel_hev", Powertrain.HEV, Fuel.DIESEL)
CNG = Option("cng", Powertrain.ICE, Fuel.CNG)
LNG = Option("lng", Powertrain.ICE, Fuel.LNG)
BEV = Option("bev", Powertrain.BEV, Fuel.ELECTRICITY)
FCEV = Option("fcev", Powertrain.FCEV, Fuel.HYDROGEN)


@dataclass(frozen=True)
class Offers:
    """What the options of one kind of vehicle cost in one year; one entry an option."""

    options: tuple[Option, ...]
    price_cny: F64
    """Purchase price, taxes included and subsidies taken off [CNY]."""
    running_cny_km: F64
    """Energy and upkeep [CNY/km]."""
    resale_cny: F64
    """Value at the end of the service [CNY]."""
    service_year: float
    """Years in service [year]."""

    @property
    def powertrain(self) -> NDArray[np.int8]:
        """Powertrain code by option."""
        return np.array([option.powertrain for option in self.options], np.int8)

    @property
    def fuel(self) -> NDArray[np.int8]:
        """Fuel code by option."""
        return np.array([option.fuel for option in self.options], np.int8)

    @property
    def new_energy(self) -> Bool:
        """Whether each option is a new-energy vehicle."""
        return np.array([option.new_energy for option in self.options], np.bool_)


def fuel_price_cny(inputs: Mapping[str, float]) -> F64:
    """Prices that operators pay for fuels, with the further fuel tax and the carbon price in full.

    Parameters
    ----------
    inputs
        Parameter values of the year.

    Returns
    -------
    NDArray[np.float64]
        By fuel: petrol and diesel [CNY/L], CNG [CNY/m3], LNG and hydrogen [CNY/kg], electricity [CNY/kWh].
    """
    if inputs["energy.carbon_price_cny_t"] and not isinstance(inputs, YearInputs):
        raise TypeError("a carbon price needs the inputs of a year, for the grid of that year")
    return np.array([pump_price_cny(fuel, inputs, getattr(inputs, "year", 0)) for fuel in Fuel])


def read_offers(
    inputs: Mapping[str, float],
    prefix: str,
    options: Sequence[Option],
    class_: VehicleClass,
    *,
    year: int,
    size_factor: float = 1.0,
) -> Offers:
    """Offers of one kind of vehicle from the parameters; energy is that of the carbon account (`usual_use`).

    Parameters
    ----------
    inputs
        Parameter values of the year: ``{prefix}.{option}_price_cny``, ``_upkeep_cny_km``;
        ``{prefix}.nev_subsidy_cny``, ``{prefix}.resale_share``, ``{prefix}.service_year``; ``energy`` of the class.
    prefix
        Start of the paths, such as ``"fleets.bus"``.
    options
        What can be bought.
    class_
        Class whose energy holds.
    year
        Calendar year, in which what is bought is registered.
    size_factor
        Energy of the vehicle against the mean one of its class [1].

    Returns
    -------
    Offers
        Costs by option.

    Raises
    ------
    ParameterError
        If a path is not in the catalogue.
    MissingFactorError
        If the class has no energy figure for an option.
    """
    fuel_price = fuel_price_cny(inputs)
    price = np.array([inputs[f"{prefix}.{option.name}_price_cny"] for option in options])
    use = np.array(
        [
            usual_use(class_, option.powertrain, option.fuel, inputs, registered_year=year)
            for option in options
        ]
    )
    upkeep = np.array([inputs[f"{prefix}.{option.name}_upkeep_cny_km"] for option in options])
    own, beside = size_factor * use.T
    fuel = [option.fuel for option in options]
    running = own * fuel_price[fuel] + beside * fuel_price[Fuel.ELECTRICITY] + upkeep
    subsidy = inputs[f"{prefix}.nev_subsidy_cny"] * np.array([option.new_energy for option in options], float)
    return Offers(
        options=tuple(options),
        price_cny=price - np.minimum(subsidy, price),
        running_cny_km=running,
        resale_cny=price * inputs[f"{prefix}.resale_share"],
        service_year=inputs[f"{prefix}.service_year"],
    )


def annuity(rate: float, year_count: float) -> float:
    """Present value of one yuan a year, paid at the end of each of so many years [1]."""
    return year_count if rate == 0.0 else -float(np.expm1(-year_count * np.log1p(rate))) / rate


def total_cost_cny(offers: Offers, km_year: ArrayLike, inputs: Mapping[str, float]) -> F64:
    """Total cost of ownership over the service.

    Parameters
    ----------
    offers
        Costs by option.
    km_year
        Kilometres a year, one value a vehicle [km/year].
    inputs
        Parameter values; needs ``fleets.hurdle_rate``.

    Returns
    -------
    NDArray[np.float64]
        Present value of all costs, shape (vehicles, options) [CNY].
    """
    rate, life = inputs["fleets.hurdle_rate"], offers.service_year
    capital = offers.price_cny - offers.resale_cny * (1.0 + rate) ** -life
    km = np.atleast_1d(np.asarray(km_year, np.float64))
    return np.asarray(capital + annuity(rate, life) * km[:, None] * offers.running_cny_km)


def choose_replacement(
    cost_cny: F64,
    allowed: Bool,
    key: NDArray[np.int64],
    *,
    year: int,
    seed: int,
    inputs: Mapping[str, float],
    stream: Stream = Stream.RENEWAL,
    k: int = 0,
) -> NDArray[np.int8]:
    """Option that each vehicle is replaced by: a logit on the total cost among the allowed ones.

    Parameters
    ----------
    cost_cny
        Total cost of ownership, shape (vehicles, options) [CNY]; one row may stand for all.
    allowed
        What mandates, permits and supply leave to choose from, same shape.
    key
        Identity of each vehicle, for the draws.
    year, seed, stream, k
        Address of the draws; ``k`` tells several choices of one identity in one year apart.
    inputs
        Parameter values; needs ``fleets.tco_scale_cny``.

    Returns
    -------
    NDArray[np.int8]
        Number of the option, one a vehicle.

    Raises
    ------
    ParameterError
        If a vehicle is left without any option, or a cost is not a number.
    """
    n, option_count = len(key), cost_cny.shape[1]
    allowed = np.broadcast_to(allowed, (n, option_count))
    _check_choice(cost_cny, allowed)
    best = np.full(n, -np.inf)
    chosen = np.full(n, -1, np.int8)
    for j in range(option_count):
        draw = uniform(seed, stream, key, year, k * _GUMBEL_STEP + j)
        noise = -np.log(-np.log(np.maximum(draw, np.finfo(np.float64).tiny)))
        value = np.where(allowed[:, j], noise - cost_cny[:, j] / inputs["fleets.tco_scale_cny"], -np.inf)
        better = value > best
        chosen[better] = j
        best[better] = value[better]
    return chosen


def replacement_share(cost_cny: F64, allowed: Bool, inputs: Mapping[str, float]) -> F64:
    """Probability of each option: what `choose_replacement` does on average.

    Parameters
    ----------
    cost_cny, allowed
        As in `choose_replacement`.
    inputs
        Parameter values; needs ``fleets.tco_scale_cny``.

    Returns
    -------
    NDArray[np.float64]
        Shares, shape (vehicles, options); every row adds to one.

    Raises
    ------
    ParameterError
        As in `choose_replacement`.
    """
    allowed = np.broadcast_to(allowed, cost_cny.shape)
    _check_choice(cost_cny, allowed)
    value = np.where(allowed, -cost_cny / inputs["fleets.tco_scale_cny"], -np.inf)
    weight = np.exp(value - value.max(axis=1, keepdims=True, initial=-np.inf))
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))


def _check_choice(cost_cny: F64, allowed: Bool) -> None:
    """Every vehicle has an option, every cost is a number, and the draws have room for the options."""
    if cost_cny.shape[1] > _GUMBEL_STEP:
        raise ValueError(f"at most {_GUMBEL_STEP} options")
    faults = []
    stuck = int((~allowed.any(axis=1)).sum())
    if stuck:
        faults.append(
            Fault("renewal", "allowed", "an option for every vehicle", f"none for {stuck} of {len(allowed)}")
        )
    if not np.isfinite(cost_cny).all():
        faults.append(Fault("renewal", "cost_cny", "finite costs", "NaN or infinite"))
    if faults:
        raise ParameterError(faults)
