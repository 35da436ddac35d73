"""Why CO2 changes: six factors without residual, and levers that act in their direction and on nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from tests.carbon_city import (
    AGES,
    F,
    P,
    V,
    account_of,
    full_stock,
    works,
)
from transport_abm.carbon.account import Account, build_account
from transport_abm.carbon.activity import Consumer, Stock, Work, build_activity, build_work
from transport_abm.carbon.decomposition import FACTORS, decompose
from transport_abm.carbon.factors import build_factors
from transport_abm.core.vocabulary import Accounting, Scope
from transport_abm.policy.fuels import carbon_cost_cny, fuel_tax_cny
from transport_abm.policy.inputs import year_inputs
from transport_abm.policy.levers import LeverSetting


@pytest.mark.parametrize("accounting", list(Accounting))
@pytest.mark.parametrize("scope", [None, *Scope])
def test_six_factors_explain_every_change_without_residual(
    accounting: Accounting, scope: Scope | None
) -> None:
    extra = [
        Stock.build(V.BUS, P.FCEV, F.HYDROGEN, 0, 5.0),
        Stock.build(V.TRUCK, P.BEV, F.ELECTRICITY, 0, 9.0, size=3),
    ]
    base, after, inputs = account_of(2020), account_of(2028, 1.7, extra), year_inputs(2028)
    forth = decompose(base, after, inputs, accounting=accounting, scope=scope)
    back = decompose(after, base, inputs, accounting=accounting, scope=scope)
    if scope is None:
        told = [each.total_t(accounting) for each in (base, after)]
    else:
        told = [float(each.scope_co2_t[scope, accounting]) for each in (base, after)]
    assert abs(sum(forth.by_factor().values()) - (told[1] - told[0])) < 1e-10 * max(told)
    assert np.abs(forth.effect + back.effect).max() < 1e-10 * max(told)


def test_an_intensity_is_explained_without_activity_and_its_change_is_that_of_the_account() -> None:
    base, after, inputs = account_of(2020), account_of(2028, 1.7), year_inputs(2028)
    for scope in Scope:
        told = decompose(base, after, inputs, scope=scope, intensity=True)
        change = (after.intensity - base.intensity)[scope, Accounting.PROVINCIAL]
        assert told.change == pytest.approx(change, abs=1e-9 * base.intensity[scope, Accounting.PROVINCIAL])
        assert told.by_factor()["activity"] == 0.0


def test_each_cause_shows_in_its_own_factor() -> None:
    inputs, base = year_inputs(2025), account_of(2025)

    def largest(after: Account) -> tuple[str, dict[str, float]]:
        effect = decompose(base, after, inputs).by_factor()
        return max(effect, key=lambda name: abs(effect[name])), effect

    name, effect = largest(account_of(2025, grid_factor_factor=0.5))
    assert name == "grid" and effect["grid"] < 0
    assert (
        max(abs(effect[other]) for other in FACTORS[:5]) < 1e-6
    )  # [t] of a city of 20 thousand tonnes: rounding
    name, effect = largest(account_of(2025, extra=[Stock.build(V.BUS, P.BEV, F.ELECTRICITY, AGES, 50.0)]))
    assert name == "fuel" and effect["fuel"] < 0
    doubled = [Work(w.consumer, 2 * w.vehicle_km, 2 * w.passenger_km, 2 * w.tonne_km, w.speed_kmh, w.size, w.operating)
               for w in works(inputs)]  # fmt: skip
    name, effect = largest(build_account(build_activity(doubled, full_stock(), inputs, 2025), inputs))
    assert name == "activity" and effect["activity"] == pytest.approx(base.total_t(), rel=1e-9)
    emptier = [Work(w.consumer, 2 * w.vehicle_km, w.passenger_km, w.tonne_km, w.speed_kmh, w.size, w.operating)
               if w.consumer is Consumer.TRUCK else w for w in works(inputs)]  # fmt: skip
    name, effect = largest(build_account(build_activity(emptier, full_stock(), inputs, 2025), inputs))
    assert name == "load" and effect["load"] == pytest.approx(base.by("consumer")[Consumer.TRUCK], rel=1e-9)


def test_a_metro_whose_car_km_become_known_leaves_no_residual() -> None:
    inputs = year_inputs(2025)
    bus = build_work(Consumer.BUS, 1, vehicle_km=50.0, passenger_km=900.0, speed_kmh=18.0)
    van = build_work(Consumer.VAN, 1, vehicle_km=50.0, tonne_km=20.0, speed_kmh=30.0)
    two = [
        build_account(
            build_activity(
                [bus, van, build_work(Consumer.METRO, 1, vehicle_km=km, passenger_km=800.0)],
                full_stock(),
                inputs,
                2025,
            ),
            inputs,
        )
        for km in (0.0, 40.0)
    ]
    told = decompose(*two, inputs, scope=Scope.S3)
    change = float(np.diff([each.scope_co2_t[Scope.S3, Accounting.PROVINCIAL] for each in two])[0])
    assert sum(told.by_factor().values()) == pytest.approx(change, abs=1e-15)
    assert told.by_factor()["efficiency"] == pytest.approx(change, abs=1e-15)


def test_green_power_from_outside_lowers_the_market_account_and_no_other() -> None:
    base, green = account_of(2025), account_of(2025, green_power_import_twh=30.0)
    assert green.total_t(Accounting.MARKET) < base.total_t(Accounting.MARKET)
    for accounting in (
        Accounting.DIRECT,
        Accounting.PROVINCIAL,
        Accounting.REGIONAL,
        Accounting.WELL_TO_WHEEL,
    ):
        assert green.total_t(accounting) == base.total_t(accounting)


def test_local_solar_and_wind_lower_the_provincial_and_the_market_account() -> None:
    base, more = account_of(2025), account_of(2025, local_pv_wind_gw=5.0)
    assert more.total_t() < base.total_t()
    assert more.total_t(Accounting.MARKET) < base.total_t(Accounting.MARKET)
    assert more.total_t(Accounting.REGIONAL) == base.total_t(Accounting.REGIONAL)


def test_solar_power_on_depots_replaces_the_grid_for_buses_and_metro_alone_and_never_more_than_they_use() -> (
    None
):
    base, some, most = (account_of(2025, **({"depot_pv_mw": x} if x else {})) for x in (0.0, 0.5, 500.0))
    depot = [Consumer.BUS, Consumer.METRO]
    assert (some.by("consumer")[depot] < base.by("consumer")[depot]).all()
    saved = base.total_t() - some.total_t()
    factor = build_factors(year_inputs(2025), 2025)[Accounting.PROVINCIAL, F.ELECTRICITY]
    assert saved == pytest.approx(0.5 * 1150 * 0.8 * factor, rel=1e-9)
    assert not most.co2_t[Accounting.PROVINCIAL, depot, :, F.ELECTRICITY].any()
    assert (most.by("consumer")[Consumer.TAXI] == base.by("consumer")[Consumer.TAXI]).all()
    assert most.co2_t.min() == 0.0


def test_fuel_tax_and_carbon_price_cost_what_they_say() -> None:
    base = year_inputs(2025)
    taxed = year_inputs(2025, levers=[LeverSetting(lever="fuel_tax_cny_l", value=1.5, start_year=2024)])
    assert [fuel_tax_cny(fuel, base) for fuel in F] == [0.0] * 6
    assert [fuel_tax_cny(fuel, taxed) for fuel in F] == [1.5, 1.5, 0.0, 0.0, 0.0, 0.0]
    priced = year_inputs(
        2025, levers=[LeverSetting(lever="carbon_price_cny_t", value=200.0, start_year=2024)]
    )
    assert not any(carbon_cost_cny(fuel, base, 2025) for fuel in F)
    assert carbon_cost_cny(F.PETROL, priced, 2025) == pytest.approx(0.2 * 2.17917, abs=1e-5)
    assert carbon_cost_cny(F.ELECTRICITY, priced, 2025) == pytest.approx(
        0.2 * 0.5688 * np.exp(-0.1), abs=1e-9
    )
    assert carbon_cost_cny(F.HYDROGEN, priced, 2025) == 0.0
