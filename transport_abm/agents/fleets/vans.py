"""Delivery vans under 4.5 t: as many as the deliveries of the year need, renewed at the cost of their work.

    vans in use(district, ring, cargo) = vans that its tours need,   scrapped(a) = h(a) vans(a)
    cost_j = TCO_j(km of the cell) + annuity (window_j + charging_j + hydrogen detour_j) + barrier_j

An option must be allowed (permits, low-emission ring) and feasible: a battery van must manage its day on 85 % of
its worn battery, or with one half-hour at a fast post. Survival: light trucks of Hao, Wang, Ouyang and Cheng 2011.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.fleets.cohorts import AGE_COUNT, scrap_share, share_out, survival
from transport_abm.agents.fleets.deliveries import DeliveryWork, Market, delivery_work
from transport_abm.agents.fleets.freight_costs import (
    extra_cost_cny,
    hydrogen_cost_cny,
    hydrogen_site_count,
    price_options,
)
from transport_abm.agents.fleets.operators import OperatorKind, Operators, city_scale, operators_of
from transport_abm.agents.fleets.permits import (
    EXEMPT_KINDS,
    IS_EXEMPT_KIND,
    PERMIT_LIMIT_RING,
    CargoKind,
    Vans,
    in_low_emission_ring,
    is_new_energy,
    may_buy_oil,
    oil_window_cost_cny,
)
from transport_abm.agents.fleets.renewal import BEV, DIESEL, FCEV, PETROL, choose_replacement
from transport_abm.agents.vehicles import VehicleBook, count_vehicles
from transport_abm.core.columns import ID_LIMIT
from transport_abm.core.draws import Stream, uniform
from transport_abm.core.vocabulary import Fuel, Powertrain, VehicleClass
from transport_abm.networks.city import City
from transport_abm.policy.inputs import YearInputs

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

OPTIONS = (PETROL, DIESEL, BEV, FCEV)
OIL = np.array([not option.new_energy for option in OPTIONS])
RINGS = 8
"""Cells of a district: one for each value of a zone's ring, 0 to 7."""
_KEY = int(VehicleClass.VAN) * ID_LIMIT
_CELL_ROOM = 1 << 20
"""Room for the new vans of one cell among the keys of draws."""
_MARKET_OF_CARGO = np.array(
    [Market.PARCEL if kind == CargoKind.PARCEL else Market.GENERAL for kind in CargoKind], np.int8
)


@dataclass(frozen=True)
class VanNeed:
    """Vans that the deliveries need, by cell (district times RINGS plus ring) and cargo."""

    count: I64
    """Vans, shape (cells, cargo kinds)."""
    km_day: F64
    """Kilometres of one van on a working day, shape (cells, markets) [km/day]."""


def van_need(city: City, inputs: Mapping[str, float], work: DeliveryWork) -> VanNeed:
    """Whole vans by cell and cargo.

    Parameters
    ----------
    city
        Zones.
    inputs
        Parameter values of the year.
    work
        Deliveries of the year.

    Returns
    -------
    VanNeed
        Vans inside the 5th ring are at most the permits; rounding keeps the totals inside and outside.
    """
    zones = city.zones
    cell_count = len(city.districts.central) * RINGS
    cell = zones.district.astype(np.int64) * RINGS + zones.ring
    van = np.stack([np.bincount(cell, work.van[m], cell_count) for m in Market], axis=1)
    km = np.stack([np.bincount(cell, work.van_km[m], cell_count) for m in Market], axis=1)
    exact = np.zeros((cell_count, len(CargoKind)))
    exact[:, CargoKind.PARCEL] = van[:, Market.PARCEL]
    inside = np.arange(cell_count) % RINGS <= PERMIT_LIMIT_RING
    for kind in EXEMPT_KINDS:
        exact[:, kind] = van[:, Market.GENERAL] * inputs[f"freight.cargo_{kind.name.lower()}_share"]
    exact[inside, CargoKind.SUBURBAN_MAIL] = 0.0
    exact[:, CargoKind.GENERAL] = van[:, Market.GENERAL] - exact[:, list(EXEMPT_KINDS)].sum(axis=1)
    permits = int(inputs["freight.van_permit_quota"] * city_scale(city, inputs))
    count = np.zeros(exact.shape, np.int64)
    count[inside] = share_out(min(permits, round(exact[inside].sum())), exact[inside])
    count[~inside] = share_out(round(exact[~inside].sum()), exact[~inside])
    return VanNeed(count, np.divide(km, van, out=np.zeros_like(km), where=van > 0))


def build_vans(city: City, inputs: YearInputs, operators: Operators | None = None, *, seed: int) -> Vans:
    """Vans at the end of the base year.

    Parameters
    ----------
    city
        Zones.
    inputs
        Parameter values of the base year.
    operators
        Operators; the vans go to the logistics firms in turn. Without them none is given (-1).
    seed
        Seed of the run.

    Returns
    -------
    Vans
        As many as the deliveries need, with powertrains and ages of the base year by priors.
    """
    need = van_need(city, inputs, delivery_work(city, inputs))
    vans = Vans.build(0)
    rows = _append(vans, need.count, inputs, operators)
    draws = [uniform(seed, Stream.FLEET, vans.id[rows] + _KEY, 0, k) for k in range(3)]
    permit, exempt = vans.permit, vans.exempt
    share = np.where(permit, inputs["freight.van_permit_nev_share"], inputs["freight.van_other_nev_share"])
    share = np.where(exempt, inputs["freight.van_exempt_nev_share"], share)
    battery = draws[0] < share
    petrol = draws[1] < inputs["freight.van_petrol_share"]
    vans.powertrain[:] = np.where(battery, Powertrain.BEV, Powertrain.ICE)
    vans.fuel[:] = np.where(battery, Fuel.ELECTRICITY, np.where(petrol, Fuel.PETROL, Fuel.DIESEL))
    left = survival(inputs["freight.van_mean_life_year"], inputs["fleets.survival_shape"])[:AGE_COUNT]
    young = np.where(np.arange(AGE_COUNT) <= inputs["freight.van_nev_oldest_year"], left, 0.0)
    ages = [np.searchsorted(np.cumsum(w) / w.sum(), draws[2], side="right") for w in (left, young)]
    vans.age[:] = np.minimum(np.where(battery, ages[1], ages[0]), AGE_COUNT - 1)
    return vans


def renew_vans(
    vans: Vans,
    city: City,
    inputs: YearInputs,
    work: DeliveryWork,
    book: VehicleBook,
    operators: Operators | None = None,
    *,
    year: int,
    seed: int,
    site_count: float | None = None,
) -> None:
    """Vans age, are scrapped or sold out of town, and are replaced up to what the deliveries need.

    Parameters
    ----------
    vans
        Changed.
    city, inputs
        The city and the parameter values of the year.
    work
        Deliveries of the year.
    book
        Filled for the van class.
    operators
        As in `build_vans`.
    year, seed
        Address of the draws.
    site_count
        Hydrogen sites; the catalogue's path to the year where not given.

    Notes
    -----
    Oil vans barred by a low-emission ring are sold out of town. Where fewer vans are needed than there are, oil
    vans go before others in the degree of the priority of new-energy vans; exempt kinds have cells of their own.
    """
    book.opening += _count(vans, vans.alive)
    key = vans.id + _KEY
    hazard = scrap_share(inputs["freight.van_mean_life_year"], inputs["fleets.survival_shape"])
    worn = vans.alive & (uniform(seed, Stream.FLEET, key, year) < hazard[vans.age])
    book.scrapped += _count(vans, worn)
    vans.alive[worn] = False
    vans.age[vans.alive] += 1
    oil = ~is_new_energy(vans) & ~IS_EXEMPT_KIND[vans.cargo]
    need = van_need(city, inputs, work)
    sold = vans.alive & oil & in_low_emission_ring(vans.ring, inputs)
    score = uniform(seed, Stream.FLEET, key, year, 1) + inputs["freight.van_nev_priority"] * oil
    sold |= _beyond_need(vans, vans.alive & ~sold, score, need.count)
    book.taken_out += _count(vans, sold)
    vans.alive[sold] = False
    missing = need.count - _by_cell(vans, need.count.shape)
    rows = _append(vans, missing, inputs, operators)
    sites = hydrogen_site_count(inputs) if site_count is None else site_count
    _choose(vans, rows, missing, need, inputs, sites, year=year, seed=seed)
    book.new += _count(vans, rows)
    book.closing += _count(vans, vans.alive)


def van_km_year(vans: Vans, city: City, inputs: Mapping[str, float], work: DeliveryWork) -> F64:
    """Kilometres of each van in a year [km/year].

    Parameters
    ----------
    vans
        Vans of the year.
    city, inputs, work
        As in `van_need`.

    Returns
    -------
    NDArray[np.float64]
        By row, zero for rows not in use; scaled so that each district that has vans drives what its tours need.
    """
    need = van_need(city, inputs, work)
    km = need.km_day[_cell(vans), _MARKET_OF_CARGO[vans.cargo]] * vans.alive
    district_count = len(city.districts.central)
    driven = np.bincount(vans.district, km, district_count)
    wanted = van_km_by_district(city, inputs, work)
    factor = np.divide(wanted, driven, out=np.zeros_like(driven), where=driven > 0)
    return np.asarray(km * factor[vans.district])


def van_km_by_district(city: City, inputs: Mapping[str, float], work: DeliveryWork) -> F64:
    """Kilometres of vans by district of their stops [km/year]."""
    days = inputs["freight.working_day_count"]
    by_zone = work.van_km.sum(axis=0) * days
    return np.asarray(np.bincount(city.zones.district, by_zone, len(city.districts.central)), np.float64)


def _choose(
    vans: Vans,
    rows: slice,
    missing: I64,
    need: VanNeed,
    inputs: YearInputs,
    site_count: float,
    *,
    year: int,
    seed: int,
) -> None:
    """Powertrain and fuel of new vans; a draw is addressed by its cell and its number there."""
    flat = np.maximum(missing, 0).ravel()
    code = np.repeat(np.arange(flat.size), flat)
    number = np.arange(code.size) - np.repeat(np.cumsum(flat) - flat, flat)
    key = _KEY + code * _CELL_ROOM + number
    cargo, ring = vans.cargo[rows], vans.ring[rows]
    km_day = need.km_day[_cell(vans)[rows], _MARKET_OF_CARGO[cargo]]
    cost, allowed = van_costs(km_day, ring, cargo, inputs, site_count)
    granted = may_buy_oil(ring, cargo, uniform(seed, Stream.RENEWAL, key, year, 256), inputs)
    allowed &= granted[:, None] | ~OIL
    chosen = choose_replacement(cost, allowed, key, year=year, seed=seed, inputs=inputs)
    vans.powertrain[rows] = np.array([option.powertrain for option in OPTIONS], np.int8)[chosen]
    vans.fuel[rows] = np.array([option.fuel for option in OPTIONS], np.int8)[chosen]


def van_costs(
    km_day: F64,
    ring: NDArray[np.int8],
    cargo: NDArray[np.int8],
    inputs: YearInputs,
    site_count: float,
) -> tuple[F64, Bool]:
    """Total cost of ownership of each option, and whether it can do the work.

    Parameters
    ----------
    km_day
        Kilometres on a working day [km/day].
    ring, cargo
        Ring served and CargoKind, by van.
    inputs
        Parameter values of the year.
    site_count
        Hydrogen sites.

    Returns
    -------
    tuple
        Cost [CNY] and feasibility, shape (vans, options); hydrogen is always feasible.
    """
    km_year = km_day * inputs["freight.working_day_count"]
    offers, cost = price_options(inputs, "freight.van", OPTIONS, VehicleClass.VAN, km_year)
    feasible, midday = battery_day(km_day, inputs)
    extra = np.zeros_like(cost)
    barred = (ring <= PERMIT_LIMIT_RING) & ~IS_EXEMPT_KIND[cargo]
    extra[np.ix_(barred, OIL)] = oil_window_cost_cny(inputs)
    post_h = inputs["freight.fast_charge_h"] * inputs["freight.working_day_count"]
    extra[:, OPTIONS.index(BEV)] = midday * post_h * inputs["freight.van_hour_cny"]
    extra[:, OPTIONS.index(FCEV)] = hydrogen_cost_cny(km_year, "freight.van", offers, inputs, site_count)
    can = np.ones(cost.shape, np.bool_)
    can[:, OPTIONS.index(BEV)] = feasible
    return cost + extra_cost_cny(extra, offers, inputs), can


def battery_day(km_day: F64, inputs: Mapping[str, float]) -> tuple[Bool, Bool]:
    """Whether a battery van manages its day, and whether it has to charge at midday.

    Parameters
    ----------
    km_day
        Kilometres on a working day [km/day].
    inputs
        Parameter values of the year.

    Returns
    -------
    tuple
        Feasible, and in need of one stop at a fast post, by van; the battery is as worn as at the end of service.
    """
    use_kwh = km_day * inputs["freight.van_battery_kwh_km"] * inputs["freight.van_winter_factor"]
    health = 1.0 - inputs["freight.battery_fade_year"] * inputs["freight.van.service_year"]
    store_kwh = inputs["freight.battery_usable_share"] * inputs["freight.van_battery_kwh"] * health
    fast_kwh = inputs["freight.fast_charge_kw"] * inputs["freight.fast_charge_h"]
    midday = use_kwh > store_kwh
    return np.asarray(use_kwh <= store_kwh + fast_kwh), np.asarray(midday)


def _append(vans: Vans, count: I64, inputs: Mapping[str, float], operators: Operators | None) -> slice:
    """Add the vans that cells lack; powertrain and fuel are set by the caller."""
    flat = np.maximum(count, 0).ravel()
    code = np.repeat(np.arange(flat.size), flat)
    cell, cargo = np.divmod(code, len(CargoKind))
    district, ring = np.divmod(cell, RINGS)
    load = np.array([
        inputs[f"freight.{m.name.lower()}_load_stop_count"] * inputs[f"freight.{m.name.lower()}_stop_t"]
        for m in Market
    ])  # fmt: skip
    return vans.append(
        code.size, operator=_operator(operators, district), district=district.astype(np.int16),
        exempt=IS_EXEMPT_KIND[cargo], permit=ring <= PERMIT_LIMIT_RING, cargo=cargo.astype(np.int8),
        capacity_t=load[_MARKET_OF_CARGO[cargo]].astype(np.float32), ring=ring.astype(np.int8),
    )  # fmt: skip


def _operator(operators: Operators | None, district: I64) -> NDArray[np.int32]:
    """Rows of the logistics firms that run the vans of each district, taken in turn."""
    firm = (
        np.empty(0, np.int32) if operators is None else operators_of(operators, OperatorKind.LOGISTICS_FIRM)
    )
    if not firm.size:
        return np.full(district.size, -1, np.int32)
    return np.asarray(firm[(district + np.arange(district.size)) % firm.size], np.int32)


def _cell(vans: Vans) -> I64:
    """Cell of each van."""
    return vans.district.astype(np.int64) * RINGS + vans.ring


def _by_cell(vans: Vans, shape: tuple[int, ...]) -> I64:
    """Vans in use by cell and cargo."""
    code = (_cell(vans) * len(CargoKind) + vans.cargo)[vans.alive]
    return np.bincount(code, minlength=shape[0] * shape[1]).reshape(shape)


def _beyond_need(vans: Vans, among: Bool, score: F64, need: I64) -> Bool:
    """Vans beyond the need of their cell and cargo: those with the highest scores."""
    row = np.flatnonzero(among)
    code = (_cell(vans) * len(CargoKind) + vans.cargo)[row]
    order = np.lexsort((score[row], code))
    ordered = code[order]
    rank = np.arange(row.size) - np.searchsorted(ordered, ordered)
    out = np.zeros(len(vans), np.bool_)
    out[row[order]] = rank >= need.ravel()[ordered]
    return out


def _count(vans: Vans, where: Bool | slice) -> I64:
    """Vans by class, powertrain and fuel, as the book wants them."""
    return count_vehicles(VehicleClass.VAN, vans.powertrain, vans.fuel, where)
