"""Fleets counted by age: official and company cars, sanitation, airport ground vehicles, motorcycles.

    company cars = automobiles - private ones - the other automobiles of this room        (base year)
    others       = motor vehicles - automobiles                                           (base year)

Each is replaced one for one; the rules ask for a share of new-energy vehicles among what is bought, and at the
airports also in the stock. To the cost of a car of another kind than petrol is added a barrier: what a buyer
lacks beside money, such as models on sale or a post at the yard.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from transport_abm.agents.fleets.cohorts import (
    AGE_COUNT,
    Cohort,
    add_cohort,
    build_cohort,
    buy_cohort,
    close_cohort,
    retire_oldest,
    scrap_cohort,
    scrap_share,
    share_out,
    survival,
)
from transport_abm.agents.fleets.renewal import (
    BEV,
    DIESEL,
    PETROL,
    PETROL_HEV,
    PETROL_PHEV,
    Option,
    read_offers,
    total_cost_cny,
)
from transport_abm.agents.vehicles import VehicleBook
from transport_abm.core.errors import Fault, ParameterError
from transport_abm.core.vocabulary import Powertrain, VehicleClass

UNITS = "company"
"""Cohort of the cars of units."""
CAR_OPTIONS = (PETROL, PETROL_HEV, PETROL_PHEV, BEV)
WORK_OPTIONS = (DIESEL, BEV)
_OIL = (Powertrain.ICE, Powertrain.HEV)


@dataclass(frozen=True)
class CohortKind:
    """One fleet counted by age: where its parameters stand and which rule holds for what it buys."""

    name: str
    class_: VehicleClass
    number: int
    prefix: str
    options: tuple[Option, ...]
    exempt: bool = False
    size: str = ""
    """Size whose energy against a heavy vehicle of the class holds; none if empty."""
    rule: str = ""
    """Path of the least new-energy share of what is bought; none if empty."""
    stock_rule: str = ""
    """Path of the least new-energy share of the stock; none if empty."""


_C = VehicleClass
KINDS: tuple[CohortKind, ...] = (
    CohortKind("official", _C.OFFICIAL_CAR, 1, "fleets.official", CAR_OPTIONS, rule="fleets.official_nev_share"),
    CohortKind("company", _C.OFFICIAL_CAR, 2, "fleets.company", CAR_OPTIONS),
    CohortKind(
        "sanitation_light", _C.SANITATION, 3, "fleets.sanitation_light", WORK_OPTIONS,
        size="light", rule="fleets.sanitation_nev_share",
    ),
    CohortKind(
        "sanitation_light_special", _C.SANITATION, 4, "fleets.sanitation_light", (DIESEL,), exempt=True, size="light"
    ),
    CohortKind("sanitation_heavy", _C.SANITATION, 5, "fleets.sanitation_heavy", WORK_OPTIONS),
    CohortKind(
        "airport", _C.AIRPORT, 6, "fleets.airport", WORK_OPTIONS,
        rule="fleets.airport.new_electric_share", stock_rule="fleets.airport_electric_share",
    ),
    CohortKind("airport_special", _C.AIRPORT, 7, "fleets.airport", (DIESEL,), exempt=True),
    CohortKind("other", _C.OTHER, 8, "fleets.other", (PETROL,)),
)  # fmt: skip
"""Numbers are those of the draws, and never given again; further cohorts of other rooms count from 20."""


def base_stock(
    inputs: Mapping[str, float], scale: float, other_automobile_count: int
) -> dict[str, dict[Option, int]]:
    """Vehicles of each cohort at the end of the base year, by option.

    Parameters
    ----------
    inputs
        Values of the base year.
    scale
        Residents of the city over those of Beijing [1].
    other_automobile_count
        Buses, taxis, ride-hail cars, vans, trucks and coaches.

    Returns
    -------
    dict[str, dict[Option, int]]
        By name of the cohort.

    Raises
    ------
    ParameterError
        If the fleets together are more than the automobiles that are not private.
    """

    def whole(path: str) -> int:
        return round(inputs[path] * scale)

    light, special = (
        whole("fleets.sanitation_light.count"),
        whole("fleets.sanitation_light.no_substitute_count"),
    )
    bev, airport = whole("fleets.sanitation.bev_count"), whole("fleets.airport.count")
    light_bev = min(light - special, round(bev * inputs["fleets.sanitation.bev_light_share"]))
    heavy = whole("fleets.sanitation_heavy.count")
    airport_special = round(airport * inputs["fleets.airport.exempt_share"])
    airport_bev = round((airport - airport_special) * inputs["fleets.airport.bev_base_share"])
    official = whole("fleets.official.count")
    automobile = whole("fleets.automobile_count") - whole("fleets.private_automobile_count")
    company = automobile - other_automobile_count - official - light - heavy
    stock: dict[str, dict[Option, int]] = {
        "sanitation_light": {BEV: light_bev, DIESEL: light - special - light_bev},
        "sanitation_light_special": {DIESEL: special},
        "sanitation_heavy": {BEV: bev - light_bev, DIESEL: heavy - bev + light_bev},
        "airport": {BEV: airport_bev, DIESEL: airport - airport_special - airport_bev},
        "airport_special": {DIESEL: airport_special},
        "other": {PETROL: whole("fleets.motor_vehicle_count") - whole("fleets.automobile_count")},
    }
    for name, total in (("official", official), ("company", company)):
        share = np.array([inputs[f"fleets.{name}.{each.name}_base_share"] for each in CAR_OPTIONS])
        stock[name] = dict(zip(CAR_OPTIONS, share_out(max(total, 0), share).tolist(), strict=True))
    faults = [
        Fault("fleets", f"{name} ({option.name})", "0 or more vehicles", str(count))
        for name, by in stock.items()
        for option, count in by.items()
        if count < 0
    ]
    if company < 0:
        faults.append(
            Fault(
                "fleets",
                "fleets.automobile_count",
                "at least the fleets beside the private cars",
                f"{company} left",
            )
        )
    if faults:
        raise ParameterError(faults)
    return stock


def build_public_fleets(
    inputs: Mapping[str, float], scale: float, other_automobile_count: int
) -> dict[str, Cohort]:
    """The cohorts at the end of the base year; parameters as in `base_stock`.

    Ages follow the survival curve of the class, cut off for new-energy vehicles at
    ``{prefix}.nev_age_max_year``.
    """
    stock = base_stock(inputs, scale, other_automobile_count)
    out = {}
    for kind in KINDS:
        left = survival(inputs[f"{kind.prefix}.mean_life_year"], inputs["fleets.survival_shape"])[:AGE_COUNT]
        young = left[: int(inputs["fleets.cohort_nev_age_max_year"]) + 1]
        weight = {option: young if option.new_energy else left for option in kind.options}
        out[kind.name] = build_cohort(
            kind.name, kind.class_, kind.number, stock[kind.name], weight, exempt=kind.exempt
        )
    return out


def renew_public_fleets(
    cohorts: Mapping[str, Cohort],
    inputs: Mapping[str, float],
    book: VehicleBook,
    *,
    year: int,
    seed: int,
    unit_plate_count: tuple[int, int] = (0, 0),
) -> None:
    """One year of the cohorts of `KINDS`: what is scrapped is replaced under the rules of the year.

    Parameters
    ----------
    cohorts
        By name; changed. Those of other rooms are left alone.
    inputs
        Values of the year.
    book
        Filled for their classes.
    year, seed
        Address of the draws.
    unit_plate_count
        Ordinary and new-energy plates that units were given and put on a further car: company cars grow by them.
    """
    for kind in KINDS:
        cohort = cohorts[kind.name]
        hazard = scrap_share(inputs[f"{kind.prefix}.mean_life_year"], inputs["fleets.survival_shape"])
        need = scrap_cohort(cohort, hazard, book, year=year, seed=seed)
        ordinary, new_energy = unit_plate_count if kind.name == UNITS else (0, 0)
        _replace(cohort, kind, need + ordinary, inputs, book, year=year, seed=seed)
        add_cohort(cohort, BEV, new_energy, book)
        if kind.stock_rule:
            least = int(np.ceil(inputs[kind.stock_rule] * cohort.total - 1e-9))
            early = retire_oldest(cohort, _OIL, max(0, least - cohort.new_energy), book)
            add_cohort(cohort, BEV, early, book)
        close_cohort(cohort, book)


def _replace(
    cohort: Cohort,
    kind: CohortKind,
    count: int,
    inputs: Mapping[str, float],
    book: VehicleBook,
    *,
    year: int,
    seed: int,
) -> None:
    """Buy so many vehicles, the share that a rule asks for among the new-energy options only."""
    if len(kind.options) == 1:
        add_cohort(cohort, kind.options[0], count, book)
        return
    offers = read_offers(
        inputs,
        kind.prefix,
        kind.options,
        kind.class_,
        year=year,
        size_factor=inputs[f"energy.{kind.size}_factor"] if kind.size else 1.0,
    )
    cost = total_cost_cny(offers, inputs[f"{kind.prefix}.km_year"], inputs)[0]
    if kind.options == CAR_OPTIONS:
        cost = cost + [inputs[f"{kind.prefix}.{option.name}_barrier_cny"] for option in CAR_OPTIONS]
    ruled = min(count, int(np.ceil(inputs[kind.rule] * count - 1e-9))) if kind.rule else 0
    for k, (part, allowed) in enumerate(
        ((ruled, offers.new_energy), (count - ruled, np.ones(len(kind.options), np.bool_)))
    ):
        buy_cohort(cohort, part, kind.options, cost, allowed, book, year=year, seed=seed, inputs=inputs, k=k)


def stock_share(cohorts: Iterable[Cohort]) -> float:
    """New-energy vehicles in the stock of some cohorts [1]; zero of nothing."""
    some: Sequence[Cohort] = list(cohorts)
    total = sum(each.total for each in some)
    return sum(each.new_energy for each in some) / total if total else 0.0


def bought_share(cohorts: Iterable[Cohort]) -> float:
    """New-energy vehicles among what some cohorts bought in the last year [1]; zero of nothing."""
    some: Sequence[Cohort] = list(cohorts)
    total = sum(int(each.bought.sum()) for each in some)
    oil = sum(int(each.bought[[int(p) for p in _OIL]].sum()) for each in some)
    return (total - oil) / total if total else 0.0
