"""Slow, obvious twins of the powertrain choice: one buyer, plain Python, written from the definitions."""

from __future__ import annotations

import math

import numpy as np

from transport_abm.agents.cars.access import Access
from transport_abm.agents.cars.offers import Alternative, GivenUp
from transport_abm.agents.cars.powertrain import Peers
from transport_abm.agents.energy_use import energy_use
from transport_abm.core.draws import hash_uniform
from transport_abm.core.vocabulary import Fuel, PlateKind, Powertrain, VehicleClass
from transport_abm.policy.inputs import YearInputs

A = Alternative
NEW_ENERGY = (A.PHEV, A.BEV_SHORT, A.BEV_LONG, A.FCEV)
BATTERY = (A.BEV_SHORT, A.BEV_LONG)


def name(kind: Alternative) -> str:
    """Word of the kind in paths."""
    return kind.name.lower()


def may_carry(plate: int, kind: Alternative, inputs: YearInputs) -> bool:
    """Whether a car of this kind is on sale and may carry the plate."""
    if kind is A.FCEV and inputs["powertrain.fcev_offered"] < 1:
        return False
    return plate != PlateKind.NEW_ENERGY or kind in (A.BEV_SHORT, A.BEV_LONG, A.FCEV)


def use_km(kind: Alternative, i: YearInputs) -> tuple[float, float]:
    """Own fuel and electricity beside it of a kilometre of a new car."""
    powertrain = {A.ICE: 0, A.HEV: 1, A.PHEV: 2, A.BEV_SHORT: 3, A.BEV_LONG: 3, A.FCEV: 4}[kind]
    fuel = {3: Fuel.ELECTRICITY, 4: Fuel.HYDROGEN}.get(powertrain, Fuel.PETROL)
    own, beside = energy_use(
        VehicleClass.PRIVATE_CAR, Powertrain(powertrain), fuel, i, registered_year=i.year,
        speed_kmh=i["energy.private_car_usual_kmh"], range_km=i[f"powertrain.range_{name(kind)}_km"],
    )  # fmt: skip
    return float(own), float(beside)


def price_cny(kind: Alternative, i: YearInputs) -> float:
    """Price with VAT."""
    price = i[f"vehicle_prices.{name(kind)}_cny"]
    if kind in (A.PHEV, *BATTERY):
        pack = i["vehicle_prices.battery_cny_kwh"] * i["vehicle_prices.battery_factor"]
        price += i[f"vehicle_prices.pack_{name(kind)}_kwh"] * pack * i["vehicle_prices.battery_markup"]
    usual = {kind_: use_km(kind_, i)[0] for kind_ in (A.ICE, A.HEV)}
    limit = i["powertrain.fuel_use_limit_l_100km"] / 100
    if kind in usual and usual[kind] > limit:
        price += 100 * (1 - limit / usual[kind]) * i["vehicle_prices.fuel_saving_cny_percent"]
    return price


def tax_cny(kind: Alternative, i: YearInputs) -> float:
    """Purchase tax to pay."""
    tax = i["vehicle_prices.purchase_tax_rate"] * price_cny(kind, i) / (1 + i["vehicle_prices.vat_rate"])
    if kind not in NEW_ENERGY:
        return tax
    waived = i["vehicle_prices.nev_tax_relief_share"] + i["vehicle_prices.nev_tax_relief_shift"]
    return tax - min(tax * min(max(waived, 0), 1), i["vehicle_prices.nev_tax_relief_cap_cny"])


def energy_cny(kind: Alternative, post: bool, i: YearInputs) -> float:
    """Energy of a year."""
    petrol = i["prices.petrol_cny_l"] * i["prices.petrol_factor"] + i["energy.fuel_tax_cny_l"]
    home = i["prices.electricity_home_cny_kwh"] * i["prices.electricity_factor"]
    public = i["prices.electricity_public_cny_kwh"] * i["prices.electricity_factor"]
    share = i["access.home_kwh_share"] if post else 0.0
    power = share * home + (1 - share) * public
    limit = i["powertrain.fuel_use_limit_l_100km"] / 100
    own, beside = use_km(kind, i)
    price = {A.FCEV: i["fleets.hydrogen_cny_kg"], A.BEV_SHORT: power, A.BEV_LONG: power}.get(kind, petrol)
    km = {kind: (min(limit, own) if kind in (A.ICE, A.HEV) else own) * price + beside * power}
    return km[kind] * i["powertrain.km_year"]


def subsidy_cny(kind: Alternative, given_up: int, i: YearInputs) -> float:
    """All subsidies of a buyer."""
    total = 0.0
    if kind in NEW_ENERGY:
        total += i[f"vehicle_prices.subsidy_{name(kind)}_cny"] + i["vehicle_prices.nev_subsidy_cny"]
        if given_up in (GivenUp.SOLD_OIL, GivenUp.SCRAPPED_OIL):
            total += i["cars.tradein_subsidy_cny"]
    if given_up in (GivenUp.SCRAPPED_OIL, GivenUp.SCRAPPED_OTHER):
        total += i[f"vehicle_prices.tradein_{'nev' if kind in NEW_ENERGY else 'ice'}_cny"]
    return total


def perceived_cny(kind: Alternative, given_up: int, post: bool, i: YearInputs) -> float:
    """Perceived cost of owning a car."""
    price, rate = price_cny(kind, i), i["powertrain.discount_rate"]
    years = round(i["powertrain.horizon_year"])
    yearly = energy_cny(kind, post, i) + i[f"vehicle_prices.upkeep_{name(kind)}_cny"]
    yearly += i[f"vehicle_prices.insurance_{name(kind)}_share"] * price
    running = sum(yearly / (1 + rate) ** y for y in range(1, years + 1))
    resale = i[f"vehicle_prices.resale_{name(kind)}_share"] * price / (1 + rate) ** years
    once = price - subsidy_cny(kind, given_up, i) + tax_cny(kind, i)
    return once + i["powertrain.attention"] * running - resale


def utility(
    kind: Alternative,
    zone: int,
    income: float,
    post: bool,
    given_up: int,
    access: Access,
    peers: Peers,
    i: YearInputs,
) -> float:
    """Utility of one kind of car to one buyer."""
    ratio = max(income / peers.median_cny, i["powertrain.income_floor_share"])
    weight = i["powertrain.price_weight"] * ratio ** i["powertrain.income_power"]
    group = sum(income > cut for cut in peers.cut_cny)
    v = i[f"powertrain.constant_{name(kind)}"] - weight * perceived_cny(kind, given_up, post, i) / 1e4
    if kind is not A.ICE:
        elapsed = min(max(i.year - i["powertrain.drift_start_year"], 0), i["powertrain.drift_years"])
        v += i[f"powertrain.drift_{name(kind)}"] * elapsed
    if kind in NEW_ENERGY:
        v += i["powertrain.model_weight"] * math.log(i["powertrain.model_factor"])
        v += i["powertrain.peer_weight"] * float(peers.share[zone, group])
    home = i["powertrain.price_weight"] * i["powertrain.home_post_wtp_cny"] / 1e4 if post else 0.0
    if kind is A.PHEV:
        v += home * i["powertrain.home_post_phev_share"]
    if kind in (*BATTERY, A.FCEV):
        reach = i[f"powertrain.range_{name(kind)}_km"] / i["powertrain.range_reference_km"]
        v += i["powertrain.range_weight"] * math.log(reach)
    if kind in BATTERY:
        v += home
        v += i["powertrain.fast_weight"] * math.log(1 + access.fast_density[zone])
        v += i["powertrain.swap_weight"] * math.log(1 + access.swap_density[zone])
        v += i["powertrain.exempt_weight"] * i["tail_number.day_count"] * i["tail_number.bev_exempt_share"]
    if kind is A.FCEV:
        v += i["powertrain.hydrogen_weight"] * math.log(1 + access.hydrogen_density[zone])
    return v


def logsum(v: dict[Alternative, float]) -> float:
    """Inclusive value."""
    return math.log(sum(math.exp(x) for x in v.values()))


def probabilities(v: dict[Alternative, float]) -> dict[Alternative, float]:
    """Logit probabilities."""
    total = sum(math.exp(x) for x in v.values())
    return {kind: math.exp(x) / total for kind, x in v.items()}


def drawn(v: dict[Alternative, float], key: np.uint64, address: int) -> Alternative:
    """Kind with the largest utility and Gumbel number."""

    def gumbel(kind: Alternative) -> float:
        return -math.log(-math.log(hash_uniform(key, np.uint64(address), np.uint64(kind)) + 2.0**-54))

    return max(v, key=lambda kind: v[kind] + gumbel(kind))


def used_price_cny(kind: Alternative, age: int, i: YearInputs) -> float:
    """Price of a used car: what is left after the horizon, lost at an even rate."""
    left = i[f"vehicle_prices.resale_{name(kind)}_share"]
    return price_cny(kind, i) * left ** (age / i["powertrain.horizon_year"])


def used_perceived_cny(kind: Alternative, age: int, post: bool, i: YearInputs) -> float:
    """Perceived cost of a used car from elsewhere: no tax, no subsidy, dearer upkeep, older technique."""
    rate, years = i["powertrain.discount_rate"], round(i["powertrain.horizon_year"])
    gain = i[f"energy.{'ice' if kind in (A.ICE, A.HEV, A.PHEV) else 'electric'}_improvement_share"]
    yearly = energy_cny(kind, post, i) * math.exp(gain * age)
    yearly += i[f"vehicle_prices.upkeep_{name(kind)}_cny"] * (1 + i["cars.used_upkeep_growth"] * age)
    yearly += i[f"vehicle_prices.insurance_{name(kind)}_share"] * used_price_cny(kind, age, i)
    running = sum(yearly / (1 + rate) ** y for y in range(1, years + 1))
    resale = used_price_cny(kind, age + years, i) / (1 + rate) ** years
    once = i["cars.used_fee_cny"] + used_price_cny(kind, age, i)
    return once + i["powertrain.attention"] * running - resale


def used_utilities(kind: Alternative, weight: float, post: bool, i: YearInputs) -> dict[int, float]:
    """Utility of used cars of a kind by the ages that may be moved in."""
    out = {}
    for age in range(1, round(i["cars.used_oldest_year"]) + 1):
        burns = kind in (A.ICE, A.HEV, A.PHEV)
        if kind is A.FCEV or (burns and i.year - age < i["cars.used_oil_first_year"]):
            continue
        v = i["cars.used_constant"] + i["cars.used_age_weight"] * age
        if kind in BATTERY:
            new = i[f"powertrain.range_{name(kind)}_km"]
            reach = max(new - i["cars.bev_range_growth_km"] * age, i["cars.bev_range_min_km"])
            v += i["powertrain.range_weight"] * math.log(reach / new)
        out[age] = v - weight * used_perceived_cny(kind, age, post, i) / 1e4
    return out


def used_age(new: float, used: dict[int, float], theta: float, key: np.uint64, address: int) -> int:
    """Age that a buyer takes: 0 for the new car, by Gumbel numbers of both nests and of the ages."""

    def gumbel(k: int) -> float:
        return -math.log(-math.log(hash_uniform(key, np.uint64(address), np.uint64(k)) + 2.0**-54))

    if not used:
        return 0
    inclusive = theta * math.log(sum(math.exp(v / theta) for v in used.values()))
    if new + gumbel(0) >= inclusive + gumbel(1):
        return 0
    return max(used, key=lambda age: used[age] / theta + gumbel(1 + age))
