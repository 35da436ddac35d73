"""The carbon account keeps its books, and its levers act in their direction and on nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.naive_carbon import diesel_truck_l, private_car_energy
from transport_abm.agents.energy_use import energy_use, petrol_car_l_100km, wall_kwh_km
from transport_abm.agents.fleets.cohorts import SHAPE as COHORT_SHAPE
from transport_abm.agents.fleets.cohorts import Cohort
from transport_abm.agents.tables import Households
from transport_abm.agents.vehicles import Cars, FleetVehicles
from transport_abm.carbon.account import Account, build_account, compare_published, intensity_change
from transport_abm.carbon.activity import Activity, Consumer, Size, Stock, Work, build_activity, build_work
from transport_abm.carbon.decomposition import FACTORS, decompose
from transport_abm.carbon.factors import build_factors
from transport_abm.carbon.sources import (
    FleetUse,
    size_of_cohort,
    stock_of_cars,
    stock_of_cohorts,
    stock_of_fleet,
    year_activity,
)
from transport_abm.carbon.works import FreightYear, WeekdayTravel, freight_works, travel_works, year_days
from transport_abm.core.errors import ConservationError, InputError, MissingFactorError, ParameterError
from transport_abm.core.vocabulary import NEW_ENERGY, Accounting, Fuel, Powertrain, Scope, VehicleClass
from transport_abm.policy.fuels import carbon_cost_cny, fuel_tax_cny
from transport_abm.policy.inputs import YearInputs, year_inputs
from transport_abm.policy.levers import LeverSetting

V, P, F = VehicleClass, Powertrain, Fuel
DISTRICTS = 3
SHARE = np.array([0.5, 0.3, 0.2])
AGES = np.arange(8)
MIX: tuple[tuple[V, P, F, float, Size], ...] = (
    (V.OFFICIAL_CAR, P.ICE, F.PETROL, 300.0, Size.ANY),
    (V.TAXI, P.ICE, F.PETROL, 60.0, Size.ANY),
    (V.TAXI, P.BEV, F.ELECTRICITY, 10.0, Size.ANY),
    (V.RIDE_HAIL, P.PHEV, F.PETROL, 50.0, Size.ANY),
    (V.BUS, P.ICE, F.DIESEL, 5.0, Size.ANY),
    (V.BUS, P.HEV, F.DIESEL, 3.0, Size.ANY),
    (V.BUS, P.ICE, F.LNG, 4.0, Size.ANY),
    (V.BUS, P.ICE, F.CNG, 2.0, Size.ANY),
    (V.BUS, P.BEV, F.ELECTRICITY, 9.0, Size.ANY),
    (V.COACH, P.ICE, F.DIESEL, 10.0, Size.ANY),
    (V.VAN, P.ICE, F.DIESEL, 80.0, Size.ANY),
    (V.VAN, P.BEV, F.ELECTRICITY, 20.0, Size.ANY),
    (V.TRUCK, P.ICE, F.DIESEL, 40.0, Size.LIGHT),
    (V.TRUCK, P.ICE, F.DIESEL, 30.0, Size.HEAVY),
    (V.TRUCK, P.FCEV, F.HYDROGEN, 1.0, Size.HEAVY),
    (V.SANITATION, P.ICE, F.DIESEL, 8.0, Size.LIGHT),
)


def cars_stock() -> Stock:
    """Private cars of four powertrains in all districts."""
    kinds = (
        (P.ICE, F.PETROL, 4000.0),
        (P.HEV, F.PETROL, 100.0),
        (P.PHEV, F.PETROL, 90.0),
        (P.BEV, F.ELECTRICITY, 300.0),
    )
    return Stock.join(
        [
            Stock.build(V.PRIVATE_CAR, p, f, AGES, n * SHARE[d], district=d, range_km=55)
            for p, f, n in kinds
            for d in range(DISTRICTS)
        ]
    )


def full_stock(extra: Sequence[Stock] = ()) -> Stock:
    """Vehicles of every class."""
    fleets = [Stock.build(c, p, f, AGES, n, size=size) for c, p, f, n, size in MIX]
    return Stock.join([cars_stock(), *fleets, *extra])


def works(inputs: YearInputs, growth: float = 1.0) -> list[Work]:
    """A small city's year."""
    travel = WeekdayTravel(
        car_km=growth * 1e5 * SHARE, car_kmh=[24.0, 30.0, 40.0], taxi_hired_km=7e3, ride_hail_hired_km=9e3, bus_km=4e3,
        bus_passenger_km=6e4, bus_kmh=18.0, metro_passenger_km=9e4, metro_car_km=2e3, e_bike_km=2e4,
    )  # fmt: skip
    freight = FreightYear(
        van_km=3e6, van_tonne_km=1e6, truck_km={Size.HEAVY: growth * 2e6, Size.LIGHT: 1e6},
        truck_tonne_km={Size.HEAVY: growth * 2e7, Size.LIGHT: 2e6}, coach_km=6e5, coach_passenger_km=1e7, rail_tonne_km=1e7,
    )  # fmt: skip
    return [
        *travel_works(travel, inputs, district_count=DISTRICTS, share=SHARE),
        *freight_works(freight, inputs, district_count=DISTRICTS, share=SHARE),
        build_work(Consumer.OFFICIAL_CAR, DISTRICTS, vehicle_km=4e6, speed_kmh=25.0, share=SHARE),
        build_work(
            Consumer.SANITATION, DISTRICTS, vehicle_km=2e5, speed_kmh=20.0, share=SHARE, size=Size.LIGHT
        ),
    ]


def activity_of(year: int, inputs: YearInputs, growth: float = 1.0, extra: Sequence[Stock] = ()) -> Activity:
    """Activity of the small city."""
    return build_activity(works(inputs, growth), full_stock(extra), inputs, year)


def account_of(year: int = 2020, growth: float = 1.0, extra: Sequence[Stock] = (), **lever: float) -> Account:
    """Account of the small city, with levers in force from 2021 on."""
    settings_ = [LeverSetting(lever=name, value=value, start_year=2021) for name, value in lever.items()]
    inputs = year_inputs(year, levers=settings_)
    return build_account(activity_of(year, inputs, growth, extra), inputs)


# ---- energy of a kilometre


@given(v=st.floats(5.0, 30.0), step=st.floats(0.5, 4.0))
def test_below_its_best_speed_every_car_uses_less_when_it_drives_faster(v: float, step: float) -> None:
    inputs = year_inputs(2020)
    # the petrol curve is lowest at (100 i / 2 c)^(1/3) = 61 km/h, the battery car's in mild weather at 34 km/h
    assert petrol_car_l_100km(v + step, inputs) < petrol_car_l_100km(v, inputs)
    assert wall_kwh_km(V.PRIVATE_CAR, v + step, inputs, 20) < wall_kwh_km(V.PRIVATE_CAR, v, inputs, 20)


@given(v=st.floats(62.0, 110.0), step=st.floats(0.5, 8.0), cold=st.floats(-15.0, 15.0))
def test_above_it_every_car_uses_more_and_cold_moves_the_best_speed_up(
    v: float, step: float, cold: float
) -> None:
    inputs = year_inputs(2020)
    assert petrol_car_l_100km(v + step, inputs) > petrol_car_l_100km(v, inputs)
    assert wall_kwh_km(V.PRIVATE_CAR, v + step, inputs, 20) > wall_kwh_km(V.PRIVATE_CAR, v, inputs, 20)
    grid = np.linspace(15, 110, 400)
    best = [grid[np.argmin(wall_kwh_km(V.PRIVATE_CAR, grid, inputs, t))] for t in (20, cold)]
    assert best[1] >= best[0]


@pytest.mark.parametrize("class_", list(V))
def test_heat_and_cold_cost_electricity_in_every_class(class_: V) -> None:
    inputs = year_inputs(2020)
    cold, mild, hot = (float(wall_kwh_km(class_, 25, inputs, t)) for t in (-10, 20, 35))
    assert cold > mild < hot


@pytest.mark.parametrize("class_", list(V))
def test_a_later_registration_uses_less_in_every_class(class_: V) -> None:
    inputs = year_inputs(2025)
    for powertrain, fuel in ((P.ICE, F.DIESEL), (P.BEV, F.ELECTRICITY), (P.FCEV, F.HYDROGEN)):
        use, beside = energy_use(
            class_, powertrain, fuel, inputs, speed_kmh=25.0, registered_year=np.array([2015, 2020, 2025])
        )
        assert (np.diff(use) < 0).all()
        assert not beside.any()


def test_a_plug_in_hybrid_with_a_longer_range_burns_less_and_charges_more() -> None:
    inputs = year_inputs(2020)
    litre, kwh = energy_use(
        V.PRIVATE_CAR,
        P.PHEV,
        F.PETROL,
        inputs,
        speed_kmh=25.0,
        registered_year=2019,
        range_km=np.array([30, 60, 120]),
    )
    assert (np.diff(litre) < 0).all()
    assert (np.diff(kwh) > 0).all()
    told, default = (
        energy_use(V.TAXI, P.PHEV, F.PETROL, inputs, speed_kmh=25.0, registered_year=2019, range_km=r)
        for r in (inputs["energy.phev_range_km"], 0)
    )
    assert told == default


def test_a_missing_figure_is_an_error_that_names_it_never_an_average() -> None:
    inputs = year_inputs(2020)
    with pytest.raises(MissingFactorError, match=r"bus with petrol.*energy\.bus_petrol_100km"):
        energy_use(V.BUS, P.ICE, F.PETROL, inputs, speed_kmh=20.0, registered_year=2019)
    for powertrain, fuel in (
        (P.BEV, F.PETROL),
        (P.ICE, F.ELECTRICITY),
        (P.FCEV, F.DIESEL),
        (P.ICE, F.HYDROGEN),
    ):
        with pytest.raises(MissingFactorError, match="do not go together"):
            energy_use(V.VAN, powertrain, fuel, inputs, speed_kmh=20.0, registered_year=2019)
    with pytest.raises(MissingFactorError, match="grid for 2012"):
        build_factors(inputs, 2012)


def test_percent_in_place_of_a_share_is_refused_by_name() -> None:
    for path in ("carbon.petrol_oxidation_share", "energy.phev_charge_share", "carbon.grid_decline_share"):
        with pytest.raises(ParameterError, match=path):
            year_inputs(2020, overrides={path: 2.5})


# ---- activity


def test_what_the_works_carry_is_what_the_rows_carry() -> None:
    inputs = year_inputs(2020)
    activity = activity_of(2020, inputs)
    for name in ("vehicle_km", "passenger_km", "tonne_km"):
        by_work = np.zeros((len(Consumer), DISTRICTS))
        for work in works(inputs):
            by_work[work.consumer] += getattr(work, name)
        by_row = np.zeros((len(Consumer), DISTRICTS))
        np.add.at(by_row, (activity.consumer, activity.district), getattr(activity, name))
        assert by_row == pytest.approx(by_work, rel=1e-12)


def test_a_year_is_worth_its_weekdays_and_its_weekends_at_their_factor() -> None:
    inputs = year_inputs(2020, overrides={"carbon.weekend_car_factor": 1.0})
    assert year_days(inputs, "car") == 365.0
    assert year_days(year_inputs(2020, overrides={"carbon.weekend_car_factor": 0.5}), "car") == 249 + 58


def test_a_car_drives_less_with_every_year_and_at_home() -> None:
    inputs = year_inputs(2020)
    activity = activity_of(2020, inputs)
    cars = (
        (activity.consumer == Consumer.PRIVATE_CAR)
        & (activity.powertrain == P.ICE)
        & (activity.district == 1)
    )
    km = activity.vehicle_km[cars][np.argsort(activity.age[cars])]
    assert km[1:] / km[:-1] == pytest.approx(np.full(len(AGES) - 1, np.exp(-0.04)), rel=1e-9)
    only = Stock.build(V.PRIVATE_CAR, P.ICE, F.PETROL, 3, [5.0, 2.0], district=[0, 1])
    electric = Stock.build(V.PRIVATE_CAR, P.BEV, F.ELECTRICITY, 1, 4.0, district=1)
    work = build_work(Consumer.PRIVATE_CAR, 3, vehicle_km=[10.0, 20.0, 30.0], speed_kmh=25.0)
    got = build_activity([work], Stock.join([only, electric]), inputs, 2020)
    assert not ((got.district == 0) & (got.powertrain == P.BEV)).any()
    third = got.district == 2  # nobody there holds a car: the city's cars drive its kilometres
    assert got.vehicle_km[third].sum() == pytest.approx(30.0, abs=1e-12)
    assert set(got.powertrain[third]) == {P.ICE, P.BEV}


def test_work_without_vehicles_is_an_error_that_names_the_class() -> None:
    inputs = year_inputs(2020)
    with pytest.raises(ConservationError, match="work without vehicles: truck medium"):
        build_activity(
            [build_work(Consumer.TRUCK, 2, vehicle_km=5.0, size=Size.MEDIUM)], full_stock(), inputs, 2020
        )


def test_wrong_works_and_stocks_are_refused_with_all_faults() -> None:
    with pytest.raises(InputError) as caught:
        build_work(Consumer.VAN, 2, vehicle_km=-1.0, tonne_km=[np.nan, 1.0], share=[50.0, 50.0])
    text = str(caught.value)
    assert "vehicle_km" in text and "tonne_km" in text and "shares that add up to 1" in text
    with pytest.raises(InputError, match="counts of 0 or more"):
        Stock.build(V.BUS, P.BEV, F.ELECTRICITY, 1, [-2.0])


# ---- account


@settings(max_examples=15, deadline=None)
@given(growth=st.floats(0.0, 5.0), year=st.integers(2020, 2035))
def test_co2_by_consumer_fuel_powertrain_and_district_is_the_same_total(growth: float, year: int) -> None:
    account = account_of(year, growth)
    for accounting in Accounting:
        total = account.total_t(accounting)
        for axis in ("consumer", "powertrain", "fuel", "district"):
            assert account.by(axis, accounting).sum() == pytest.approx(total, rel=1e-12)
        assert (account.co2_t[accounting] >= 0.0).all()
        inside = account.operating.co2_t[accounting]
        assert (inside <= account.co2_t[accounting].sum(axis=3) * (1 + 1e-12)).all()


def test_energy_of_cars_and_trucks_is_that_of_adding_row_by_row() -> None:
    inputs = year_inputs(2023)
    activity = activity_of(2023, inputs)
    account, slow = build_account(activity, inputs), private_car_energy(activity, inputs)
    cars = account.energy[Consumer.PRIVATE_CAR].sum(axis=(0, 2))
    assert cars[F.PETROL] == pytest.approx(slow["petrol"], rel=1e-12)
    assert cars[F.ELECTRICITY] == pytest.approx(slow["electricity"], rel=1e-12)
    trucks = account.energy[Consumer.TRUCK, P.ICE, F.DIESEL].sum()
    assert trucks == pytest.approx(diesel_truck_l(activity, inputs), rel=1e-12)


def test_with_a_grid_of_zero_electricity_emits_nothing_in_any_way_of_counting() -> None:
    clean, base = account_of(2025, grid_factor_factor=0.0), account_of(2025)
    assert not clean.co2_t[:, :, :, F.ELECTRICITY].any()
    rest = [fuel for fuel in F if fuel is not F.ELECTRICITY]
    assert (clean.co2_t[:, :, :, rest] == base.co2_t[:, :, :, rest]).all()
    assert (clean.energy == base.energy).all()


def test_counting_direct_emissions_leaves_electricity_and_hydrogen_out_and_well_to_wheel_exceeds_the_provincial() -> (
    None
):
    account = account_of(2025)
    direct, wheel = account.co2_t[Accounting.DIRECT], account.co2_t[Accounting.WELL_TO_WHEEL]
    assert not direct[:, :, [F.ELECTRICITY, F.HYDROGEN]].any()
    used = account.energy > 0.0
    assert (wheel[used] > account.co2_t[Accounting.PROVINCIAL][used]).all()
    assert (account.co2_t[Accounting.PROVINCIAL] >= direct).all()


def test_private_cars_and_e_bikes_are_in_the_city_and_not_in_operating_transport() -> None:
    account, more = (
        account_of(2025),
        account_of(2025, extra=[Stock.build(V.PRIVATE_CAR, P.BEV, F.ELECTRICITY, 0, 9e4)]),
    )
    assert account.by("consumer")[[Consumer.PRIVATE_CAR, Consumer.E_BIKE, Consumer.RAIL]].all()
    outside = (
        Consumer.PRIVATE_CAR,
        Consumer.OFFICIAL_CAR,
        Consumer.SANITATION,
        Consumer.E_BIKE,
        Consumer.RAIL,
    )
    assert not account.operating.co2_t[:, list(outside)].any()
    assert more.total_t() < account.total_t()
    assert (more.intensity == account.intensity).all()


def test_scopes_hold_each_other_and_metro_weighs_ten_times_as_rail() -> None:
    account = account_of(2025)
    co2, turnover = account.scope_co2_t, account.turnover_tkm
    assert (np.diff(co2[[Scope.S1, Scope.S2, Scope.S3]], axis=0) >= 0.0).all()
    assert (co2[Scope.S3] == co2[Scope.S3_METRO_ROAD]).all()
    metro = account.passenger_km[Consumer.METRO]
    assert turnover[Scope.S3] - turnover[Scope.S2] == pytest.approx(metro, rel=1e-12)
    assert turnover[Scope.S3_METRO_ROAD] - turnover[Scope.S2] == pytest.approx(metro / 10, rel=1e-9)
    goods = account.tonne_km[[Consumer.VAN, Consumer.TRUCK]].sum() + account.passenger_km[Consumer.COACH] / 10
    assert turnover[Scope.S1] == pytest.approx(goods, rel=1e-12)


def test_a_verdict_is_robust_only_where_all_twenty_intensities_agree() -> None:
    base, inputs = account_of(2020), year_inputs(2030)
    same = intensity_change(base, base, inputs)
    assert not same.change.any() and not same.meets.any() and same.robust
    clean = Stock.build(V.BUS, P.BEV, F.ELECTRICITY, 0, 1e5)
    mixed = intensity_change(account_of(2020, extra=[clean]), base, inputs)
    assert mixed.meets[Scope.S2, Accounting.DIRECT] and not mixed.meets[Scope.S1].any()
    assert not mixed.robust
    bus = build_work(Consumer.BUS, 1, vehicle_km=5.0, passenger_km=9.0, speed_kmh=18.0)
    no_goods = build_account(build_activity([bus], full_stock(), inputs, 2020), inputs)
    with pytest.raises(MissingFactorError, match="no converted turnover in 2020 in S1"):
        _ = no_goods.intensity


def test_published_totals_stand_beside_the_models_and_do_not_move_it() -> None:
    account = account_of(2020)
    rows = compare_published(account, year_inputs(2020))
    assert rows[0].model == pytest.approx(
        account.co2_t[Accounting.DIRECT, : Consumer.METRO].sum() / 1e6, rel=1e-12
    )
    assert rows[0].gap_share == pytest.approx(rows[0].model / 19.86 - 1, rel=1e-12)
    assert len(rows) == 7 and all(row.published == 4.14 for row in rows[1:])


# ---- why it changed


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


# ---- levers


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


# ---- from the tables of the model


def test_tables_become_stocks_with_the_weight_of_the_sample_and_without_the_dead() -> None:
    households = Households.build(2, zone=[0, 1])
    cars = Cars.build(
        4,
        household=[0, 1, 1, 1],
        age=[2, 2, 5, 5],
        powertrain=[P.ICE, P.PHEV, P.BEV, P.BEV],
        range_km=[0, 80, 400, 500],
    )
    cars.alive[0] = False
    stock = stock_of_cars(cars, households, np.array([0, 2], np.int16), 20.0)
    assert stock.count.tolist() == [20.0, 40.0]
    assert stock.district.tolist() == [2, 2]
    assert stock.fuel.tolist() == [F.PETROL, F.ELECTRICITY]
    assert stock.range_km.tolist() == [80.0, 0.0]
    taxis = FleetVehicles.build(
        3, powertrain=[P.BEV] * 3, fuel=[F.ELECTRICITY] * 3, age=[1, 1, 2], district=[0, 1, 1]
    )
    assert stock_of_fleet(V.TAXI, taxis, np.array([5.0, 7.0, 0.0])).count.tolist() == [12.0, 0.0]
    assert stock_of_fleet(V.TAXI, taxis, at_home=True).district.tolist() == [0, 1, 1]


def test_cohorts_tell_their_size_by_their_name() -> None:
    count = np.zeros(COHORT_SHAPE, np.int64)
    count[P.ICE, F.DIESEL, [0, 3]] = 4, 6
    cohorts = [
        Cohort(name, V.SANITATION, k, count) for k, name in enumerate(("sanitation_light_special", "airport"))
    ]
    assert [size_of_cohort(each) for each in cohorts] == [Size.LIGHT, Size.ANY]
    stock = stock_of_cohorts(cohorts)
    assert stock.count.sum() == 20 and set(stock.size) == {Size.LIGHT, Size.ANY}


def test_the_years_activity_holds_every_consumer_once_and_new_energy_vehicles_use_no_more_than_their_part() -> (
    None
):
    inputs = year_inputs(2022)
    rows = {
        name: FleetVehicles.build(
            2, powertrain=[P.ICE, P.BEV], fuel=[F.DIESEL, F.ELECTRICITY], age=3, district=[0, 1]
        )
        for name in ("buses", "taxis", "ride_hail", "vans")
    }
    count = np.zeros(COHORT_SHAPE, np.int64)
    count[P.ICE, F.DIESEL, 2] = 10
    cohorts = {
        name: Cohort(name, class_, k, count)
        for k, (name, class_) in enumerate(
            (("light", V.TRUCK), ("heavy", V.TRUCK), ("coach", V.COACH), ("official", V.OFFICIAL_CAR))
        )
    }
    fleets = FleetUse(
        **rows,
        bus_km=np.array([1.0, 3.0]),
        van_km=np.array([5.0, 5.0]),
        cohorts=cohorts,
        cohort_km={"official": 1e4},
    )
    freight = FreightYear(8.0, 4.0, {Size.LIGHT: 6.0, Size.HEAVY: 7.0}, {Size.HEAVY: 70.0}, 5.0, 90.0, 11.0)
    travel = WeekdayTravel([9.0, 6.0, 1.0], 25.0, 2.0, 3.0, 4.0, 40.0, 18.0, 50.0, 1.0, 6.0)
    activity = year_activity(cars_stock(), fleets, freight, travel, inputs, district_share=SHARE, year=2022)
    km = activity.total("vehicle_km")
    assert km[Consumer.OFFICIAL_CAR] == pytest.approx(1e5, rel=1e-12)
    assert km[Consumer.TRUCK] == pytest.approx(13.0, rel=1e-12)
    bus = activity.consumer == Consumer.BUS
    electric = bus & np.isin(activity.powertrain, NEW_ENERGY)
    assert activity.vehicle_km[electric].sum() == pytest.approx(
        0.75 * activity.vehicle_km[bus].sum(), rel=1e-12
    )
    moved = set(activity.consumer) | {Consumer.SANITATION, Consumer.AIRPORT, Consumer.OTHER}
    assert moved == set(Consumer)
