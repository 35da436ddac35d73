"""V-42 through whole runs: vehicles, plates, kilometres, energy and tonne-kilometres close in every year."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

import transport_abm.schedule as schedule
from tests.tiny_runs import quick, tiny_case, wide_city
from transport_abm.agents.vehicle_year import FLOWS, VehicleYear
from transport_abm.agents.vehicles import IS_NEW_ENERGY
from transport_abm.carbon.account import Account
from transport_abm.carbon.activity import Consumer
from transport_abm.core.vocabulary import Accounting, ApplicantKind, VehicleClass
from transport_abm.model import TransportModel
from transport_abm.outcomes.carbon import MODES

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
    assert years[-1].district.closing[:, VehicleClass.PRIVATE_CAR].sum() == pytest.approx(held / SAMPLE)
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


def outcome_rows(model: TransportModel, outcome: str) -> pd.DataFrame:
    """Rows of an outcome in the last year."""
    table = model.table
    return table[(table["outcome"] == outcome) & (table["year"] == YEARS[1])]


def test_vehicles_with_a_district_are_all_of_their_classes_and_the_others_have_none(
    run: tuple[TransportModel, list[VehicleYear], list[Account]],
) -> None:
    """New-energy vehicles of a class: its districts add up to it, or it stands in no district."""
    model, years, _ = run
    placed = [
        VehicleClass.PRIVATE_CAR,
        VehicleClass.TAXI,
        VehicleClass.RIDE_HAIL,
        VehicleClass.BUS,
        VehicleClass.VAN,
    ]
    for year in years:
        here = year.district.closing.sum(axis=0)
        np.testing.assert_allclose(here[placed], year.closing[placed], rtol=1e-12)
        others = [c for c in VehicleClass if c not in placed]
        assert here[others].sum() == 0.0 < year.closing[others].sum()
    for before_and_after in years[1:]:
        new = before_and_after.district.new.sum(axis=0)
        np.testing.assert_allclose(new[placed], before_and_after.new[placed], rtol=1e-12)
    rows = outcome_rows(model, "nev_stock")
    for class_ in ("private_car", "bus", "taxi", "van"):
        part = rows[rows["class"] == class_]
        whole = part.loc[part["district"] == "", "value"].sum()
        assert part.loc[part["district"] != "", "value"].sum() == pytest.approx(whole, rel=1e-12)
        assert whole > 0


def test_shares_by_district_weigh_up_to_the_share_of_the_city(
    run: tuple[TransportModel, list[VehicleYear], list[Account]],
) -> None:
    model, years, _ = run
    for name, count in years[-1].district.in_rule.items():
        if name != "public_fleet_electric_share":  # sanitation vehicles have no district
            assert count[:, 0].sum() / count[:, 1].sum() == pytest.approx(years[-1].rule_share[name])
        rows = outcome_rows(model, name)
        assert (rows["district"] != "").sum() == (count[:, 1] > 0).sum() > 0


def test_what_a_share_lacks_adds_up_to_one_less_the_share(
    run: tuple[TransportModel, list[VehicleYear], list[Account]],
) -> None:
    model, _, _ = run
    lacking = outcome_rows(model, "share_lacking")
    names = lacking["class"].str.partition(".")[0]
    assert set(names) >= {"taxi_nev_share", "public_fleet_electric_share", "new_nev_or_clean_share"}
    for name, part in lacking.groupby(names):
        rows = outcome_rows(model, str(name))
        share = float(rows.loc[(rows["district"] == "") & (rows["class"] == ""), "value"].iloc[0])
        assert part["value"].sum() == pytest.approx(1.0 - share, abs=1e-12), name
    for name in ("bus_nev_share", "airport_electric_share"):
        rows = outcome_rows(model, name)
        share = float(rows.loc[(rows["district"] == "") & (rows["class"] == ""), "value"].iloc[0])
        assert (name in set(names)) == (share < 1.0)


def test_co2_by_fuel_mode_class_and_district_is_the_same_total(
    run: tuple[TransportModel, list[VehicleYear], list[Account]],
) -> None:
    model, _, accounts = run
    total = accounts[-1].total_t()
    rows = outcome_rows(model, "co2")
    city, by_class = rows["district"] == "", rows["class"] != ""
    parts = {
        "class": rows[city & by_class], "district": rows[~city & ~by_class],
        "class in each district": rows[~city & by_class],
        "fuel": outcome_rows(model, "co2_fuel"), "mode": outcome_rows(model, "co2_mode"),
    }  # fmt: skip
    for name, part in parts.items():
        assert len(part) > 1 and part["value"].sum() == pytest.approx(total, rel=1e-9), name
    assert sorted(each for group in MODES.values() for each in group) == list(Consumer)
