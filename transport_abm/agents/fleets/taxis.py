"""Cruising taxis: a fixed number of licences, an age limit, and rules on what may run.

A taxi at the age limit, or barred by the deadline, is scrapped and its licence is filled anew in the same year.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.fleets import turnover
from transport_abm.agents.fleets.cohorts import share_out
from transport_abm.agents.fleets.operators import (
    OperatorKind,
    Operators,
    city_scale,
    district_residents,
    draw_district,
    operators_of,
)
from transport_abm.agents.fleets.renewal import (
    BEV,
    PETROL,
    PETROL_HEV,
    choose_replacement,
    read_offers,
    total_cost_cny,
)
from transport_abm.agents.fleets.turnover import SlotVehicles
from transport_abm.agents.vehicles import VehicleBook
from transport_abm.core.columns import Column
from transport_abm.core.draws import Stream, uniform
from transport_abm.core.vocabulary import VehicleClass
from transport_abm.networks.city import City

_TAXI = VehicleClass.TAXI
TAXI_OPTIONS = (PETROL, PETROL_HEV, BEV)


class TaxiOwner(IntEnum):
    """Who owns a cruising taxi; the last two are outside the plan's rule."""

    COMPANY = 0
    INDIVIDUAL = 1
    SOCIAL_SECURITY = 2


_OPERATOR = {
    TaxiOwner.COMPANY: OperatorKind.TAXI_COMPANY,
    TaxiOwner.INDIVIDUAL: OperatorKind.INDIVIDUAL_TAXIS,
    TaxiOwner.SOCIAL_SECURITY: OperatorKind.SOCIAL_SECURITY_TAXIS,
}


class Taxis(SlotVehicles):
    """Cruising taxis; the slot is the licence."""

    owner = Column(np.int8, "1", "TaxiOwner code")


def build_taxis(city: City, inputs: Mapping[str, float], operators: Operators, *, seed: int) -> Taxis:
    """The taxis at the end of the base year.

    Parameters
    ----------
    city
        Taxis are at home where residents are.
    inputs
        Values of the base year, ``fleets.taxi.*``.
    operators
        Companies share the licences of companies evenly; single owners form groups.
    seed
        Address of the draws.

    Returns
    -------
    Taxis
        One row a licence.

    Notes
    -----
    The battery-electric taxis of the base year belong to companies: the rules that brought them were for them.
    """
    scale = city_scale(city, inputs)
    n = round(inputs["fleets.taxi.count"] * scale)
    slot = np.arange(n, dtype=np.int32)
    draw = uniform(seed, Stream.FLEET, slot, 0, 20)
    individual, social = inputs["fleets.taxi.individual_share"], inputs["fleets.taxi.social_security_share"]
    owner = np.where(draw < individual, TaxiOwner.INDIVIDUAL, TaxiOwner.COMPANY)
    owner = np.where(draw >= 1.0 - social, TaxiOwner.SOCIAL_SECURITY, owner).astype(np.int8)
    exempt = owner != TaxiOwner.COMPANY
    option = np.zeros(n, np.int8)
    order = np.argsort(uniform(seed, Stream.FLEET, slot, 0, 21) + 1.0 * exempt, kind="stable")
    option[order[: min(n, round(inputs["fleets.taxi.bev_count"] * scale))]] = TAXI_OPTIONS.index(BEV)
    operator = np.empty(n, np.int32)
    for each, kind in _OPERATOR.items():
        rows = operators_of(operators, kind)
        mine = np.flatnonzero(owner == each)
        operator[mine] = np.repeat(rows, share_out(len(mine), np.ones(len(rows))))
    home = draw_district(district_residents(city), uniform(seed, Stream.FLEET, slot, 0, 22))
    return Taxis.build(
        n,
        operator=operator,
        district=home,
        age=turnover.draw_ages(option, TAXI_OPTIONS, inputs, "fleets.taxi", seed=seed, class_=_TAXI),
        powertrain=np.array([each.powertrain for each in TAXI_OPTIONS], np.int8)[option],
        fuel=np.array([each.fuel for each in TAXI_OPTIONS], np.int8)[option],
        exempt=exempt,
        slot=slot,
        owner=owner,
    )


def renew_taxis(
    taxis: Taxis, inputs: Mapping[str, float], book: VehicleBook, *, year: int, seed: int
) -> None:
    """One year of the taxis: they age, leave at the age limit or the deadline, and are replaced.

    Parameters
    ----------
    taxis
        Changed.
    inputs
        Values of the year; the rules are ``fleets.taxi_age_limit_year``, ``fleets.taxi.mandate_year`` (from then on
        a taxi in scope is replaced by a new-energy one) and ``fleets.taxi_nev_deadline_year`` (from then on no
        other taxi in scope may run).
    book
        Filled for taxis.
    year, seed
        Address of the draws.
    """
    turnover.open_fleet(taxis, _TAXI, book)
    deadline = year >= inputs["fleets.taxi_nev_deadline_year"]
    barred = ~taxis.exempt & ~turnover.new_energy(taxis) if deadline else np.zeros(len(taxis), np.bool_)
    old = taxis.age >= inputs["fleets.taxi_age_limit_year"]
    gone = turnover.scrap(taxis, _TAXI, taxis.alive & (old | barred), book)
    slot: NDArray[np.int32] = taxis.slot[gone]
    exempt = taxis.exempt[gone]
    offers = read_offers(inputs, "fleets.taxi", TAXI_OPTIONS, _TAXI, year=year)
    ruled = ~exempt & (deadline or year >= inputs["fleets.taxi.mandate_year"])
    choice = choose_replacement(
        np.broadcast_to(
            total_cost_cny(offers, inputs["fleets.taxi.km_year"], inputs), (len(slot), len(TAXI_OPTIONS))
        ),
        offers.new_energy | ~ruled[:, None],
        slot.astype(np.int64),
        year=year,
        seed=seed,
        inputs=inputs,
        k=2 * int(_TAXI),
    )
    turnover.add(
        taxis, _TAXI, TAXI_OPTIONS, choice, book, operator=taxis.operator[gone], district=taxis.district[gone],
        exempt=exempt, slot=slot, owner=taxis.owner[gone],
    )  # fmt: skip
    turnover.close_fleet(taxis, _TAXI, book)
