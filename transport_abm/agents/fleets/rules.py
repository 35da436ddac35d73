"""How far the fleets are from the plan's rules, and rules or fleets that contradict each other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.fleets.fleets import Fleets, len_alive
from transport_abm.agents.fleets.permits import in_scope, is_new_energy, van_nev_share
from transport_abm.agents.fleets.public_fleets import CAR_OPTIONS, bought_share, stock_share
from transport_abm.agents.fleets.ride_hail import RIDE_HAIL_OPTIONS
from transport_abm.agents.fleets.turnover import SlotVehicles, nev_share, new_energy
from transport_abm.agents.vehicles import IS_NEW_ENERGY, FleetVehicles
from transport_abm.core.errors import Fault
from transport_abm.core.vocabulary import Fuel, Powertrain, VehicleClass

KINDS_SHAPE = (len(Powertrain), len(Fuel))


def rule_shares(fleets: Fleets) -> dict[str, float]:
    """New-energy shares that the plan sets, in the scope of each target, and with everything under ``.all``.

    Parameters
    ----------
    fleets
        Fleets at the end of a year.

    Returns
    -------
    dict[str, float]
        ``bus_nev_share``, ``taxi_nev_share``, ``sanitation_new_nev_share`` (of what was bought in the year; light
        vehicles in scope, all sanitation vehicles), ``airport_electric_share``, ``van_nev_share``,
        ``public_fleet_electric_share`` (buses, taxis and sanitation vehicles in use; official cars, airport
        vehicles and vans too under ``.all``) [1]. A share of nothing is left out.
    """
    cohorts = fleets.cohorts
    sanitation = [each for name, each in cohorts.items() if name.startswith("sanitation")]
    airport = [cohorts["airport"], cohorts["airport_special"]]
    light = [cohorts["sanitation_light"]]
    alive = fleets.vans.alive
    share = {
        "bus_nev_share": nev_share(fleets.buses, in_scope=True),
        "bus_nev_share.all": nev_share(fleets.buses, in_scope=False),
        "taxi_nev_share": nev_share(fleets.taxis, in_scope=True),
        "taxi_nev_share.all": nev_share(fleets.taxis, in_scope=False),
        "sanitation_new_nev_share": bought_share(light),
        "sanitation_new_nev_share.all": bought_share(sanitation),
        "airport_electric_share": stock_share(airport[:1]),
        "airport_electric_share.all": stock_share(airport),
        "van_nev_share": van_nev_share(fleets.vans),
        "van_nev_share.all": float((is_new_energy(fleets.vans) & alive).sum() / max(int(alive.sum()), 1)),
        "public_fleet_electric_share": public_fleet_electric_share(fleets, in_scope=True),
        "public_fleet_electric_share.all": public_fleet_electric_share(fleets, in_scope=False),
    }
    if not any(
        each.bought.any() for each in sanitation
    ):  # the base year: what was bought is part of what is given
        del share["sanitation_new_nev_share"], share["sanitation_new_nev_share.all"]
    return {name: value for name, value in share.items() if value == value}


def lacking_shares(fleets: Fleets) -> dict[str, dict[str, float]]:
    """What the shares of the plan's rules lack to one, by part, each in the scope of its target.

    Parameters
    ----------
    fleets
        Fleets at the end of a year.

    Returns
    -------
    dict[str, dict[str, float]]
        By outcome as in `rule_shares`, then by part: the fuel of what is burnt, hybrids as ``hev``; for the public
        fleets the class. The parts of an outcome add up to one less its share.
    """
    cohorts, vans = fleets.cohorts, fleets.vans
    light, airport = cohorts["sanitation_light"], cohorts["airport"]
    bus, taxi = (_by_kind(table, table.alive & ~table.exempt) for table in (fleets.buses, fleets.taxis))
    sanitation = sum(cohorts[name].by_kind() for name in ("sanitation_light", "sanitation_heavy"))
    public = {"bus": bus, "taxi": taxi, "sanitation": np.asarray(sanitation)}
    whole = {
        "bus_nev_share": bus, "taxi_nev_share": taxi, "van_nev_share": _by_kind(vans, in_scope(vans)),
        "sanitation_new_nev_share": light.bought, "airport_electric_share": airport.by_kind(),
    }  # fmt: skip
    out = {name: _lacking(kind) for name, kind in whole.items()}
    total = sum(int(kind.sum()) for kind in public.values())
    out["public_fleet_electric_share"] = {
        name: float(kind[~IS_NEW_ENERGY].sum() / total) for name, kind in public.items() if total
    }
    return out


def _by_kind(fleet: FleetVehicles, where: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Vehicles by powertrain and fuel."""
    out = np.zeros(KINDS_SHAPE, np.int64)
    np.add.at(out, (fleet.powertrain[where], fleet.fuel[where]), 1)
    return out


def _lacking(kind: NDArray[np.int64]) -> dict[str, float]:
    """Share of each fuel among the vehicles that are not new-energy ones, hybrids apart."""
    total = int(kind.sum())
    part = {fuel.name.lower(): int(kind[Powertrain.ICE, fuel].sum()) for fuel in Fuel}
    part["hev"] = int(kind[Powertrain.HEV].sum())
    return {name: count / total for name, count in part.items() if count}


def reconciliation(fleets: Fleets, inputs: Mapping[str, float], scale: float) -> dict[str, int]:
    """How the fleets of the base year make up the published automobiles and motor vehicles.

    Parameters
    ----------
    fleets
        Fleets of the base year.
    inputs
        Values of the base year.
    scale
        Residents of the city over those of Beijing [1].

    Returns
    -------
    dict[str, int]
        Vehicles by part; ``automobiles left over`` and ``motor vehicles left over`` are zero where all adds up.
        Airport ground vehicles carry no road plate and are not part of the published totals.
    """
    by_class = dict.fromkeys(VehicleClass, 0)
    for cohort in fleets.cohorts.values():
        by_class[cohort.class_] += cohort.total
    part = {
        "private automobiles": round(inputs["fleets.private_automobile_count"] * scale),
        "official and company cars": by_class[VehicleClass.OFFICIAL_CAR],
        "taxis": len_alive(fleets.taxis),
        "ride-hail cars": len_alive(fleets.ride_hail),
        "buses": len_alive(fleets.buses),
        "coaches": by_class[VehicleClass.COACH],
        "delivery vans": len_alive(fleets.vans),
        "operating trucks": by_class[VehicleClass.TRUCK],
        "sanitation vehicles": by_class[VehicleClass.SANITATION],
    }
    automobile, other = round(inputs["fleets.automobile_count"] * scale), by_class[VehicleClass.OTHER]
    part["automobiles left over"] = automobile - sum(part.values())
    part["motorcycles and others"] = other
    part["motor vehicles left over"] = (
        round(inputs["fleets.motor_vehicle_count"] * scale) - automobile - other
    )
    part["airport ground vehicles (outside)"] = by_class[VehicleClass.AIRPORT]
    return part


def public_fleet_electric_share(fleets: Fleets, *, in_scope: bool) -> float:
    """New-energy vehicles among the public fleets in use [1].

    Parameters
    ----------
    fleets
        Fleets at the end of a year.
    in_scope
        Buses, taxis and sanitation vehicles without those exempt; otherwise with them, and with official cars,
        airport vehicles and delivery vans.

    Returns
    -------
    float
        The share; the plan names the first three and adds "and others".
    """
    tables: list[SlotVehicles] = [fleets.buses, fleets.taxis]
    nev = total = 0
    for table in tables:
        where = table.alive & ~table.exempt if in_scope else table.alive
        nev += int((new_energy(table) & where).sum())
        total += int(where.sum())
    names = ["sanitation_light", "sanitation_heavy"]
    if not in_scope:
        names += ["sanitation_light_special", "official", "airport", "airport_special"]
        nev += int((is_new_energy(fleets.vans) & fleets.vans.alive).sum())
        total += int(fleets.vans.alive.sum())
    nev += sum(fleets.cohorts[name].new_energy for name in names)
    total += sum(fleets.cohorts[name].total for name in names)
    return nev / total if total else 0.0


def check_fleet_rules(inputs: Mapping[str, float]) -> list[Fault]:
    """Rules and fleets of one year that contradict each other, without those of freight.

    Parameters
    ----------
    inputs
        Values of the year.

    Returns
    -------
    list[Fault]
        All faults; none if the year can be run.
    """
    faults: list[Fault] = []

    def ask(good: bool, path: str, expected: str) -> None:
        if not good:
            faults.append(Fault("fleets", path, expected, f"{inputs[path]:g}"))

    for path in _SHARES:
        ask(0.0 <= inputs[path] <= 1.0, path, "a share from 0 to 1 (not per cent)")
    ask(
        inputs["fleets.taxi_nev_deadline_year"] >= inputs["fleets.taxi.mandate_year"],
        "fleets.taxi_nev_deadline_year",
        f"not before the mandate for new taxis of {inputs['fleets.taxi.mandate_year']:g}",
    )
    for prefix, limit in _AGES.items():
        for part in ("nev_age_max_year", "other_age_max_year"):
            path = f"{prefix}.{part}"
            ask(
                inputs[path] < inputs[_BASE_LIMIT.get(limit, limit)],
                path,
                f"below {_BASE_LIMIT.get(limit, limit)}",
            )
        low = f"{prefix}.other_age_min_year"
        ask(
            inputs[low] <= inputs[f"{prefix}.other_age_max_year"],
            low,
            f"not above {prefix}.other_age_max_year",
        )
        ask(inputs[limit] >= 1.0, limit, "at least one year")
    for part, whole in _PARTS:
        ask(inputs[part] <= inputs[whole], part, f"not more than {whole} ({inputs[whole]:g})")
    for group in _SUMS:
        total = sum(inputs[path] for path in group)
        ask(
            abs(total - 1.0) <= 1e-9,
            group[0],
            f"shares that add up to 1 with {', '.join(group[1:])} (now {total:g})",
        )
    for group in _AT_MOST_ONE:
        ask(sum(inputs[path] for path in group) <= 1.0, group[0], f"at most 1 together with {group[1]}")
    others = sum(inputs[path] for path in _AUTOMOBILES)
    ask(
        inputs["fleets.automobile_count"] - inputs["fleets.private_automobile_count"] >= others,
        "fleets.automobile_count",
        f"private automobiles and at least {others:g} in the fleets",
    )
    ask(
        inputs["fleets.motor_vehicle_count"] >= inputs["fleets.automobile_count"],
        "fleets.motor_vehicle_count",
        "at least fleets.automobile_count",
    )
    return faults


_SHARES = (
    "fleets.bus_nev_share", "fleets.sanitation_nev_share", "fleets.airport_electric_share",
    "fleets.official_nev_share", "fleets.airport.new_electric_share", "fleets.bus.emergency_share",
    "fleets.bus.mountain_share", "fleets.ride_hail.adjust_share", "fleets.airport.exempt_share",
    "fleets.airport.bev_base_share", "fleets.sanitation.bev_light_share",
)  # fmt: skip
_AGES = {
    "fleets.bus": "fleets.bus.retirement_year",
    "fleets.taxi": "fleets.taxi_age_limit_year",
    "fleets.ride_hail": "fleets.ride_hail.age_limit_year",
}
_BASE_LIMIT = {"fleets.taxi_age_limit_year": "fleets.taxi.base_age_limit_year"}
"""Ages of the base year stand below the limit of the base year, whatever a lever makes of it later."""
_PARTS = (
    ("fleets.bus.bev_count", "transit_supply.bus_fleet"),
    ("fleets.taxi.bev_count", "fleets.taxi.count"),
    ("fleets.sanitation_light.no_substitute_count", "fleets.sanitation_light.count"),
)
_SUMS = (
    tuple(f"fleets.bus.{name}_rest_share" for name in ("diesel", "diesel_hev", "cng", "lng")),
    tuple(f"fleets.ride_hail.{option.name}_base_share" for option in RIDE_HAIL_OPTIONS),
    tuple(f"fleets.official.{option.name}_base_share" for option in CAR_OPTIONS),
    tuple(f"fleets.company.{option.name}_base_share" for option in CAR_OPTIONS),
)
_AT_MOST_ONE = (
    ("fleets.taxi.individual_share", "fleets.taxi.social_security_share"),
    ("energy.bus_short_share", "energy.bus_articulated_share"),
)
_AUTOMOBILES = (
    "transit_supply.bus_fleet", "fleets.taxi.count", "fleets.ride_hail.count", "fleets.official.count",
    "fleets.sanitation_light.count", "fleets.sanitation_heavy.count", "freight.operating_truck_count",
    "freight.coach_count",
)  # fmt: skip
