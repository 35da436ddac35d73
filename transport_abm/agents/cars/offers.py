"""What is on sale in a year: price, tax, subsidy, energy, upkeep, resale and range of each kind of car.

    price of a battery car = rest of the car + pack [kWh] x pack price [CNY/kWh] x mark-up
    tax                    = rate x price / (1 + VAT); for new-energy cars less the relief, which has a cap
    P = price - subsidy + tax + chi sum_{y=1..Y} (energy + upkeep) / (1 + r)^y - resale / (1 + r)^Y

Whether battery cars become cheaper than oil cars follows from the pack price; it is not put in. Prices, taxes and
rules of later years are outside inputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.energy_use import usual_use
from transport_abm.agents.vehicles import FUEL_OF_CAR
from transport_abm.core.errors import Fault, ParameterError
from transport_abm.core.vocabulary import NEW_ENERGY, Fuel, Powertrain, VehicleClass
from transport_abm.policy.fuels import household_prices_cny
from transport_abm.policy.inputs import YearInputs

F64 = NDArray[np.float64]


class Alternative(IntEnum):
    """Kinds of cars among which a buyer chooses."""

    ICE = 0
    HEV = 1
    PHEV = 2
    BEV_SHORT = 3
    BEV_LONG = 4
    FCEV = 5


class GivenUp(IntEnum):
    """What a buyer gives up for the new car, as far as subsidies ask."""

    NOTHING = 0
    SOLD_OIL = 1
    SCRAPPED_OIL = 2
    SCRAPPED_OTHER = 3


POWERTRAIN_OF = np.array(
    [Powertrain.ICE, Powertrain.HEV, Powertrain.PHEV, Powertrain.BEV, Powertrain.BEV, Powertrain.FCEV],
    np.int8,
)
"""Powertrain of each alternative."""

IS_NEW_ENERGY = np.isin(POWERTRAIN_OF, [int(p) for p in NEW_ENERGY])
IS_BATTERY = np.isin(POWERTRAIN_OF, int(Powertrain.BEV))
LIMITED = (Alternative.ICE, Alternative.HEV)
"""Oil cars, for which the limit on fuel use holds."""
WITH_PACK = (Alternative.PHEV, Alternative.BEV_SHORT, Alternative.BEV_LONG)
SUBSIDISED = (Alternative.PHEV, Alternative.BEV_SHORT, Alternative.BEV_LONG, Alternative.FCEV)
PERCENT = 100.0


@dataclass(frozen=True)
class Offers:
    """Cars on sale in a year; arrays in the order of `Alternative`."""

    year: int
    available: NDArray[np.bool_]
    price_cny: F64
    """Price with VAT, before tax and subsidy [CNY]."""
    tax_cny: F64
    """Purchase tax to pay [CNY]."""
    subsidy_cny: F64
    """Subsidy that every buyer gets [CNY]."""
    trade_cny: F64
    """Further subsidy by what is given up, shape (`GivenUp`, alternatives) [CNY]."""
    petrol_l_km: F64
    electricity_kwh_km: F64
    hydrogen_kg_km: F64
    energy_cny: F64
    """Energy of a year without and with a home post, shape (2, alternatives) [CNY/year]."""
    upkeep_cny: F64
    """Upkeep and insurance of a year [CNY/year]."""
    resale_cny: F64
    """Worth at the end of the horizon [CNY]."""
    range_km: F64
    """Electric range [km], 0 for none."""

    def perceived_cny(self, inputs: YearInputs) -> F64:
        """Perceived cost of owning each kind of car.

        Parameters
        ----------
        inputs
            Parameters of the year.

        Returns
        -------
        NDArray[np.float64]
            Cost [CNY], shape (`GivenUp`, 2 without and with a home post, alternatives).
        """
        rate, last = inputs["powertrain.discount_rate"], inputs["powertrain.horizon_year"]
        worth = (1.0 + rate) ** -np.arange(1.0, round(last) + 1.0)
        running = inputs["powertrain.attention"] * worth.sum() * (self.energy_cny + self.upkeep_cny)
        once = self.price_cny - self.subsidy_cny + self.tax_cny - self.resale_cny * worth[-1]
        return np.asarray(once + running[None] - self.trade_cny[:, None, :])


def offers(inputs: YearInputs) -> Offers:
    """Cars on sale under the prices, taxes and rules of a year.

    Parameters
    ----------
    inputs
        Parameters of the year.

    Returns
    -------
    Offers
        One entry for each alternative.

    Raises
    ------
    ParameterError
        If a price is missing, or is not above zero; all of one kind are named.
    """
    petrol, electricity, hydrogen = _use_km(inputs)
    limit = inputs["powertrain.fuel_use_limit_l_100km"] / PERCENT
    for kind in LIMITED:
        petrol[kind] = min(petrol[kind], limit)
    price = _price_cny(inputs, petrol)
    available = np.ones(len(Alternative), np.bool_)
    available[Alternative.FCEV] = inputs["powertrain.fcev_offered"] >= 1.0
    subsidy = np.zeros(len(Alternative))
    subsidy[list(SUBSIDISED)] = inputs.array("vehicle_prices.subsidy_{}_cny", SUBSIDISED)
    subsidy[IS_NEW_ENERGY] += inputs["vehicle_prices.nev_subsidy_cny"]
    insurance = inputs.array("vehicle_prices.insurance_{}_share", Alternative)
    return Offers(
        year=inputs.year, available=available, price_cny=price, tax_cny=_tax_cny(inputs, price),
        subsidy_cny=subsidy, trade_cny=_trade_cny(inputs), petrol_l_km=petrol,
        electricity_kwh_km=electricity, hydrogen_kg_km=hydrogen,
        energy_cny=_energy_cny(inputs, petrol, electricity, hydrogen),
        upkeep_cny=inputs.array("vehicle_prices.upkeep_{}_cny", Alternative) + insurance * price,
        resale_cny=inputs.array("vehicle_prices.resale_{}_share", Alternative) * price,
        range_km=inputs.array("powertrain.range_{}_km", Alternative),
    )  # fmt: skip


def _use_km(inputs: YearInputs) -> tuple[F64, F64, F64]:
    """Petrol, electricity and hydrogen of a kilometre of a car registered in the year, at the usual speed of cars."""
    petrol, electricity, hydrogen = (np.zeros(len(Alternative)) for _ in range(3))
    for kind in Alternative:
        powertrain = Powertrain(POWERTRAIN_OF[kind])
        fuel = Fuel(FUEL_OF_CAR[powertrain])
        own, beside = usual_use(
            VehicleClass.PRIVATE_CAR, powertrain, fuel, inputs, registered_year=inputs.year,
            range_km=inputs[f"powertrain.range_{kind.name.lower()}_km"],
        )  # fmt: skip
        {Fuel.PETROL: petrol, Fuel.ELECTRICITY: electricity, Fuel.HYDROGEN: hydrogen}[fuel][kind] = own
        electricity[kind] += beside
    return petrol, electricity, hydrogen


def limited_use(inputs: YearInputs) -> F64:
    """Fuel of cars registered in the year under the limit over that without it, by powertrain [1]."""
    free, limit = _use_km(inputs)[0], inputs["powertrain.fuel_use_limit_l_100km"] / PERCENT
    out = np.ones(len(Powertrain))
    for kind in LIMITED:
        out[POWERTRAIN_OF[kind]] = min(1.0, limit / free[kind])
    return out


def _price_cny(inputs: YearInputs, petrol: F64) -> F64:
    """Prices with VAT: packs at the year's price, and what a limit on fuel use costs oil cars."""
    price = inputs.array("vehicle_prices.{}_cny", Alternative)
    pack = inputs["vehicle_prices.battery_cny_kwh"] * inputs["vehicle_prices.battery_factor"]
    kwh = inputs.array("vehicle_prices.pack_{}_kwh", WITH_PACK)
    price[list(WITH_PACK)] += kwh * pack * inputs["vehicle_prices.battery_markup"]
    free = _use_km(inputs)[0]
    for kind in LIMITED:
        saved_percent = PERCENT * (1.0 - petrol[kind] / free[kind])
        price[kind] += saved_percent * inputs["vehicle_prices.fuel_saving_cny_percent"]
    faults = [
        Fault(f"offers of {inputs.year}", f"price of {kind.name}", "more than 0 CNY", f"{price[kind]:g}")
        for kind in Alternative
        if not price[kind] > 0.0
    ]
    if faults:
        raise ParameterError(faults)
    return price


def _tax_cny(inputs: YearInputs, price: F64) -> F64:
    """Purchase tax after the relief of new-energy cars."""
    tax = inputs["vehicle_prices.purchase_tax_rate"] * price / (1.0 + inputs["vehicle_prices.vat_rate"])
    share = inputs["vehicle_prices.nev_tax_relief_share"] + inputs["vehicle_prices.nev_tax_relief_shift"]
    relief = np.minimum(tax * min(max(share, 0.0), 1.0), inputs["vehicle_prices.nev_tax_relief_cap_cny"])
    return np.asarray(np.where(IS_NEW_ENERGY, tax - relief, tax))


def _trade_cny(inputs: YearInputs) -> F64:
    """Subsidies by what is given up."""
    scrapped = np.where(
        IS_NEW_ENERGY, inputs["vehicle_prices.tradein_nev_cny"], inputs["vehicle_prices.tradein_ice_cny"]
    )
    changed = np.where(IS_NEW_ENERGY, inputs["cars.tradein_subsidy_cny"], 0.0)
    return np.stack([np.zeros(len(Alternative)), changed, scrapped + changed, scrapped])


def _energy_cny(inputs: YearInputs, petrol: F64, electricity: F64, hydrogen: F64) -> F64:
    """Energy of a year, without and with a home post."""
    petrol_cny_l, home, public = household_prices_cny(inputs, inputs.year)
    share = inputs["access.home_kwh_share"]
    hydrogen_cny_kg = inputs["fleets.hydrogen_cny_kg"]
    without = petrol * petrol_cny_l + hydrogen * hydrogen_cny_kg + electricity * public
    with_post = without + electricity * share * (home - public)
    return inputs["powertrain.km_year"] * np.stack([without, with_post])
