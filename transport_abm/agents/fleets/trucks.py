"""Freight and coach work of a year, and the trucks and coaches that do it, counted by age.

    demand(t) = road(2020) / (1 - rail share) (1 + g)^(t - 2020),   road(2020) = sum_c trucks_c km_c load_c
    rail(t)   = demand(t) rail share + shift * bulk share * heavy road(t),   road(t) = demand(t) - rail(t), exactly
    trucks_c(t) = road_c(t) / (load_c km_c)

Tonne-kilometres are whole numbers, so the balance closes to the unit. The turnover of Beijing's operating road freight
in 2020 was not found; it stands as trucks times kilometres times load. Lives: Hao, Wang, Ouyang and Cheng 2011.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.fleets.cohorts import (
    AGE_COUNT,
    Cohort,
    build_cohort,
    buy_cohort,
    close_cohort,
    retire_oldest,
    scrap_cohort,
    scrap_share,
    share_out,
    survival,
)
from transport_abm.agents.fleets.deliveries import DeliveryWork, delivery_work
from transport_abm.agents.fleets.freight_costs import (
    extra_cost_cny,
    hydrogen_cost_cny,
    hydrogen_reach_share,
    hydrogen_site_count,
    price_options,
)
from transport_abm.agents.fleets.operators import city_scale
from transport_abm.agents.fleets.renewal import BEV, DIESEL, FCEV, LNG
from transport_abm.agents.fleets.vans import van_km_by_district
from transport_abm.agents.vehicles import VehicleBook
from transport_abm.core.vocabulary import Powertrain, VehicleClass
from transport_abm.networks.city import City
from transport_abm.policy.inputs import BASE_YEAR, YearInputs

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

TRUCKS = ("light", "medium", "heavy")
"""Truck classes in the order of every array here."""
HEAVY = TRUCKS.index("heavy")
COACH = "coach"
OPTIONS = (DIESEL, LNG, BEV, FCEV)
_NUMBER = {"light": 41, "medium": 42, "heavy": 43, COACH: 44}
"""Numbers of the cohorts for the draws, 41 to 44."""


@dataclass(frozen=True)
class FreightWork:
    """What freight and coaches do in a year."""

    year: int
    demand_tkm: int
    """Goods by road trucks and rail [tkm]; equals their sum to the unit."""
    road_tkm: I64
    """By truck class, in the order of TRUCKS [tkm]."""
    rail_tkm: int
    """Goods on rail [tkm]."""
    truck_km: F64
    """Kilometres by truck class, those to consolidation centres with the light ones [km]."""
    truck_count: I64
    """Trucks needed by class."""
    coach_pkm: float
    """Passenger-kilometres of coaches [pkm]."""
    coach_km: float
    """Kilometres of coaches [km]."""
    coach_count: int
    """Coaches needed."""
    van_km: F64
    """Kilometres of delivery vans by district [km]."""
    van_tkm: F64
    """Tonne-kilometres of delivery vans by district [tkm]; not part of the demand above."""
    deliveries: DeliveryWork
    """Deliveries of a working day."""

    @property
    def rail_share(self) -> float:
        """Rail's share of the goods by truck and rail [1]."""
        return self.rail_tkm / self.demand_tkm if self.demand_tkm else 0.0


def freight_work(city: City, inputs: YearInputs, year: int, *, speed_kmh: F64 | None = None) -> FreightWork:
    """Freight and coach work of a year.

    Parameters
    ----------
    city
        Zones; a city smaller than Beijing has Beijing's goods by its residents.
    inputs
        Parameter values of the year.
    year
        Calendar year.
    speed_kmh
        Speed of vans by zone [km/h]; the catalogue's where not given.

    Returns
    -------
    FreightWork
        Road and rail add up to the demand exactly.
    """
    deliveries = delivery_work(city, inputs, speed_kmh=speed_kmh)
    days = inputs["freight.working_day_count"]
    scale = city_scale(city, inputs)
    load = inputs.array("freight.{}.load_t", TRUCKS)
    km_year = inputs.array("freight.{}.km_year", TRUCKS)
    demand, road, rail = _goods(scale, load, km_year, inputs, year)
    truck_km = road / load
    truck_km[TRUCKS.index("light")] += deliveries.linehaul_km * days
    coach_km, coach_pkm, coach_count = _coaches(scale, inputs, year)
    district_count = len(city.districts.central)
    by_zone = deliveries.goods_tkm.sum(axis=0) * days
    van_tkm = np.asarray(np.bincount(city.zones.district, by_zone, district_count), np.float64)
    return FreightWork(
        year=year, demand_tkm=demand, road_tkm=road, rail_tkm=rail, truck_km=truck_km,
        truck_count=np.rint(truck_km / km_year).astype(np.int64), coach_pkm=coach_pkm, coach_km=coach_km,
        coach_count=coach_count, van_km=van_km_by_district(city, inputs, deliveries), van_tkm=van_tkm,
        deliveries=deliveries,
    )  # fmt: skip


def _goods(scale: float, load_t: F64, km_year: F64, inputs: YearInputs, year: int) -> tuple[int, I64, int]:
    """Demand, road by class and rail, in whole tonne-kilometres."""
    truck = inputs["freight.operating_truck_count"] * scale * _truck_share(inputs)
    base = truck * km_year * load_t
    growth = (1.0 + inputs["freight.goods_growth"]) ** (year - BASE_YEAR)
    share = inputs["freight.base_rail_share"]
    demand = round(float(base.sum()) / (1.0 - share) * growth)
    road = share_out(demand - round(demand * share), base)
    moved = inputs["freight.rail_shift_share"] * inputs["freight.bulk_share"] * int(road[HEAVY])
    road[HEAVY] -= round(moved)
    return demand, road, demand - int(road.sum())


def _coaches(scale: float, inputs: Mapping[str, float], year: int) -> tuple[float, float, int]:
    """Kilometres, passenger-kilometres and vehicles of coaches: the pandemic empties roads and seats alike."""
    growth = (1.0 + inputs["freight.coach_growth"]) ** (year - BASE_YEAR)
    count = inputs["freight.coach_count"] * scale * growth
    intensity = inputs["pandemic.intensity"]
    km = count * inputs["freight.coach.km_year"] * (1.0 - inputs["freight.coach_km_drop"] * intensity)
    riders = inputs["freight.coach_riders"] * (1.0 - inputs["freight.coach_rider_drop"] * intensity)
    return km, km * riders, round(count)


def build_truck_cohorts(city: City, inputs: YearInputs, *, seed: int) -> tuple[Cohort, ...]:
    """Light, medium and heavy operating trucks and coaches at the end of the base year.

    Parameters
    ----------
    city
        Gives the scale.
    inputs
        Parameter values of the base year.
    seed
        Not used: the stock is shared out, not drawn.

    Returns
    -------
    tuple[Cohort, ...]
        In the order light, medium, heavy, coach; ages as if the fleet had long renewed itself.
    """
    del seed
    scale = city_scale(city, inputs)
    total = round(inputs["freight.operating_truck_count"] * scale)
    count = [*share_out(total, _truck_share(inputs)), round(inputs["freight.coach_count"] * scale)]
    return tuple(_build(name, int(n), inputs) for name, n in zip((*TRUCKS, COACH), count, strict=True))


def _truck_share(inputs: Mapping[str, float]) -> F64:
    """Shares of the truck classes, scaled to add up to one."""
    share = np.array([inputs[f"freight.{name}_truck_share"] for name in TRUCKS])
    return np.asarray(share / share.sum())


def _build(name: str, total: int, inputs: Mapping[str, float]) -> Cohort:
    """One cohort: shares of powertrains by priors, new-energy ones young."""
    share = np.array([inputs[f"freight.{name}.{option.name}_base_share"] for option in OPTIONS[1:]])
    stock = share_out(total, np.array([1.0 - share.sum(), *share]))
    left = survival(inputs[f"freight.{name}.mean_life_year"], inputs["fleets.survival_shape"])[:AGE_COUNT]
    young = np.where(np.arange(AGE_COUNT) <= inputs["freight.truck_nev_oldest_year"], left, 0.0)
    return build_cohort(
        f"{name}_truck" if name in TRUCKS else name,
        VehicleClass.TRUCK if name in TRUCKS else VehicleClass.COACH,
        _NUMBER[name],
        {option: int(n) for option, n in zip(OPTIONS, stock, strict=True)},
        {option: young if option.new_energy else left for option in OPTIONS},
    )


def renew_truck_cohorts(
    cohorts: Sequence[Cohort],
    work: FreightWork,
    inputs: YearInputs,
    book: VehicleBook,
    *,
    year: int,
    seed: int,
    site_count: float | None = None,
) -> None:
    """Trucks and coaches age, are scrapped, and are bought up to what their work needs.

    Parameters
    ----------
    cohorts
        From `build_truck_cohorts`; changed.
    work
        Freight work of the year.
    inputs
        Parameter values of the year.
    book
        Filled for trucks and coaches.
    year, seed
        Address of the draws.
    site_count
        Hydrogen sites; the catalogue's path to the year where not given.
    """
    sites = hydrogen_site_count(inputs) if site_count is None else site_count
    need = dict(zip((*TRUCKS, COACH), (*work.truck_count.tolist(), work.coach_count), strict=True))
    names = {number: name for name, number in _NUMBER.items()}
    for cohort in cohorts:
        name = names[cohort.number]
        share = scrap_share(inputs[f"freight.{name}.mean_life_year"], inputs["fleets.survival_shape"])
        scrap_cohort(cohort, share, book, year=year, seed=seed)
        gap = need[name] - cohort.total
        if gap < 0:
            retired = retire_oldest(cohort, (Powertrain.ICE,), -gap, book)
            retire_oldest(cohort, (Powertrain.BEV, Powertrain.FCEV), -gap - retired, book)
        else:
            _buy(cohort, name, gap, sites, inputs, book, year=year, seed=seed)
        close_cohort(cohort, book)


def _buy(
    cohort: Cohort,
    name: str,
    count: int,
    sites: float,
    inputs: YearInputs,
    book: VehicleBook,
    *,
    year: int,
    seed: int,
) -> None:
    """Buy vehicles in four groups: battery feasible or not, hydrogen in reach or not."""
    cost = truck_costs(name, inputs, sites)
    battery, hydrogen = inputs[f"freight.{name}.bev_feasible_share"], hydrogen_reach_share(inputs, sites)
    weight = np.outer([1.0 - battery, battery], [1.0 - hydrogen, hydrogen])
    group = share_out(count, weight)
    for k, (can_battery, can_hydrogen) in enumerate(np.ndindex(2, 2)):
        number = int(group[can_battery, can_hydrogen])
        if number:
            allowed = np.array([True, True, can_battery == 1, can_hydrogen == 1])
            buy_cohort(cohort, number, OPTIONS, cost, allowed, book, year=year, seed=seed, inputs=inputs, k=k)


def truck_costs(name: str, inputs: YearInputs, site_count: float) -> F64:
    """Total cost of ownership of a truck or coach by option.

    Parameters
    ----------
    name
        One of TRUCKS, or COACH.
    inputs
        Parameter values of the year.
    site_count
        Hydrogen sites.

    Returns
    -------
    NDArray[np.float64]
        In the order of OPTIONS [CNY].
    """
    km_year = np.array([inputs[f"freight.{name}.km_year"]])
    offers, cost = price_options(
        inputs,
        f"freight.{name}",
        OPTIONS,
        VehicleClass.COACH if name == COACH else VehicleClass.TRUCK,
        km_year,
        size_factor=inputs[f"energy.{name}_factor"] if name in ("light", "medium") else 1.0,
    )
    extra = np.zeros_like(cost)
    extra[:, OPTIONS.index(FCEV)] = hydrogen_cost_cny(km_year, f"freight.{name}", offers, inputs, site_count)
    return np.asarray((cost + extra_cost_cny(extra, offers, inputs))[0])
