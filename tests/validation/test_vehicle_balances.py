"""V-42 through whole runs: vehicles, plates, kilometres, energy and tonne-kilometres close in every year."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import transport_abm.schedule as schedule
from tests.tiny_runs import quick, tiny_case, wide_city
from transport_abm.agents.vehicle_year import FLOWS, VehicleYear
from transport_abm.agents.vehicles import IS_NEW_ENERGY
from transport_abm.carbon.account import Account
from transport_abm.core.vocabulary import Accounting, ApplicantKind, VehicleClass
from transport_abm.model import TransportModel

YEARS = (2020, 2023)
SAMPLE = 0.5


@pytest.fixture(scope="module")
def run() -> tuple[TransportModel, list[VehicleYear], list[Account]]:
    """The wide city year by year, with what each year left behind."""
    seen: list[VehicleYear] = []
    accounts: list[Account] = []
    real, account = schedule.vehicle_year, schedule.carbon_year
    with pytest.MonkeyPatch.context() as patch, quick():
        patch.setattr(schedule, "vehicle_year", lambda *a, **k: seen.append(real(*a, **k)) or seen[-1])
        patch.setattr(
            schedule, "carbon_year", lambda *a, **k: accounts.append(account(*a, **k)) or accounts[-1]
        )
        model = TransportModel(tiny_case(years=YEARS, sample=SAMPLE, parameters={}), city=wide_city())
        model.run()
    return model, seen, accounts


def test_every_class_powertrain_and_fuel_closes_and_one_year_opens_where_the_last_one_closed(
    run: tuple[TransportModel, list[VehicleYear], list[Account]],
) -> None:
    _, years, _ = run
    assert len(years) == 4
    for before, after in itertools.pairwise(years):
        flow = {name: getattr(after, name) for name in FLOWS}
        left = flow["opening"] + flow["new"] + flow["brought_in"] - flow["scrapped"] - flow["taken_out"]
        np.testing.assert_array_equal(left, flow["closing"])
        np.testing.assert_array_equal(after.opening, before.closing)
        assert after.new.sum() > 0
        assert after.scrapped.sum() > 0
    assert sum(year.brought_in.sum() for year in years) > 0
    assert not any(
        year.brought_in[c].any() for year in years for c in VehicleClass if c != VehicleClass.PRIVATE_CAR
    )


def test_new_energy_vehicles_ever_registered_grow_by_those_registered(
    run: tuple[TransportModel, list[VehicleYear], list[Account]],
) -> None:
    _, years, _ = run
    for before, after in itertools.pairwise(years):
        grown = after.registered_nev - before.registered_nev
        registered = after.new + after.brought_in
        assert grown == pytest.approx(registered[:, IS_NEW_ENERGY].sum(), abs=1e-6)
        assert after.registered_nev >= after.closing[:, IS_NEW_ENERGY].sum()


def test_cars_of_households_are_the_private_cars_in_use(
    run: tuple[TransportModel, list[VehicleYear], list[Account]],
) -> None:
    model, years, _ = run
    households, cars = model.world.households, model.world.vehicles.cars
    held = int(households.car[households.alive].sum(dtype=np.int64))
    assert held == int(cars.alive.sum())
    assert years[-1].closing[VehicleClass.PRIVATE_CAR].sum() == pytest.approx(held / SAMPLE)
    assert years[-1].private_by_district.sum() == pytest.approx(held / SAMPLE)
    assert households.alive[cars.household[cars.alive]].all()


def test_cars_from_elsewhere_stand_beside_the_stock_and_their_household_has_no_plate_for_them(
    run: tuple[TransportModel, list[VehicleYear], list[Account]],
) -> None:
    model, years, _ = run
    households, outside = model.world.households, model.world.vehicles.outside
    assert years[-1].out_of_town == outside.alive.sum() / SAMPLE > 0
    held = np.bincount(outside.household[outside.alive], minlength=len(households))
    np.testing.assert_array_equal(held, households.outside_car)
    assert households.alive[outside.household[outside.alive]].all()


def test_plates_given_are_used_held_or_expired_and_nobody_holds_two(
    run: tuple[TransportModel, list[VehicleYear], list[Account]],
) -> None:
    model, years, _ = run
    for before, after in itertools.pairwise(years[1:]):
        assert before.plates is not None
        assert after.plates is not None
        p = after.plates
        np.testing.assert_array_equal(before.plates.held + p.issued, p.used + p.expired + p.held)
    table = model.world.vehicles.applicants
    holds = table.alive & (table.won_year > 0)
    person = table.person[holds & (table.kind == ApplicantKind.INDIVIDUAL)]
    family = table.household[holds & (table.kind == ApplicantKind.FAMILY)]
    assert len(np.unique(person)) == len(person)
    assert len(np.unique(family)) == len(family)


def test_parts_of_the_account_add_up_to_the_whole(
    run: tuple[TransportModel, list[VehicleYear], list[Account]],
) -> None:
    _, _, accounts = run
    for account in accounts:
        for accounting in Accounting:
            whole = account.total_t(accounting)
            for axis in ("consumer", "powertrain", "fuel", "district"):
                assert account.by(axis, accounting).sum() == pytest.approx(whole, rel=1e-12)
        assert account.energy_tj.sum() > 0
        assert np.all(account.scope_co2_t[1] >= account.scope_co2_t[0])
