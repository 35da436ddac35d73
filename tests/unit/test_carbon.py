"""The carbon account keeps its books: activity from the tables, energy, CO2, scopes and intensities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.carbon_city import (
    AGES,
    DISTRICTS,
    SHARE,
    F,
    P,
    V,
    account_of,
    activity_of,
    cars_stock,
    full_stock,
    works,
)
from tests.naive_carbon import diesel_truck_l, private_car_energy
from transport_abm.agents.fleets.cohorts import SHAPE as COHORT_SHAPE
from transport_abm.agents.fleets.cohorts import Cohort
from transport_abm.agents.tables import Households
from transport_abm.agents.vehicles import Cars, FleetVehicles
from transport_abm.carbon.account import build_account, compare_published, intensity_change
from transport_abm.carbon.activity import Consumer, Size, Stock, build_activity, build_work
from transport_abm.carbon.sources import (
    FleetUse,
    size_of_cohort,
    stock_of_cars,
    stock_of_cohorts,
    stock_of_fleet,
    year_activity,
)
from transport_abm.carbon.works import FreightYear, WeekdayTravel, travel_works, year_days
from transport_abm.core.errors import ConservationError, InputError, MissingFactorError
from transport_abm.core.vocabulary import NEW_ENERGY, Accounting, Scope
from transport_abm.policy.inputs import year_inputs


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


def test_a_weekday_becomes_a_year_with_empty_running_and_passengers() -> None:
    inputs = year_inputs(2020)
    travel = WeekdayTravel(
        car_km=[100.0, 50.0], car_kmh=25.0, taxi_hired_km=[13.0, 0.0], ride_hail_hired_km=[0.0, 26.0], bus_km=9.0,
        bus_passenger_km=90.0, bus_kmh=18.0, metro_passenger_km=70.0, metro_car_km=3.0, e_bike_km=[5.0, 5.0],
    )  # fmt: skip
    work = {each.consumer: each for each in travel_works(travel, inputs, district_count=2)}
    day = {
        name: 249 + 116 * inputs[f"carbon.weekend_{name}_factor"]
        for name in ("car", "hired", "bus", "metro_train")
    }
    assert work[Consumer.PRIVATE_CAR].passenger_km == pytest.approx(
        1.3 * day["car"] * np.array([100, 50]), rel=1e-12
    )
    # 35 % of a hired car's way is empty, 1.4 passengers on the rest
    assert work[Consumer.TAXI].vehicle_km == pytest.approx(day["hired"] * np.array([20.0, 0.0]), rel=1e-12)
    assert work[Consumer.RIDE_HAIL].vehicle_km == pytest.approx(
        day["hired"] * np.array([0.0, 40.0]), rel=1e-12
    )
    assert work[Consumer.RIDE_HAIL].passenger_km.sum() == pytest.approx(1.4 * 26.0 * day["hired"], rel=1e-12)
    assert work[Consumer.BUS].vehicle_km.tolist() == pytest.approx([9.0 * day["bus"], 0.0], rel=1e-12)
    assert work[Consumer.METRO].vehicle_km.sum() == pytest.approx(3.0 * day["metro_train"], rel=1e-12)
    told = WeekdayTravel(**{**vars(travel), "car_passenger_km": [7.0, 8.0]})
    assert travel_works(told, inputs, district_count=2)[0].passenger_km.sum() == pytest.approx(
        15.0 * day["car"], rel=1e-12
    )


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
