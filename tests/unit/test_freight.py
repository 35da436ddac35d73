"""Freight: books close, tonne-kilometres balance, and every lever moves what it should and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.naive_freight import goods_city, longest_tour
from transport_abm.agents.energy_use import usual_use
from transport_abm.agents.fleets.deliveries import (
    DeliveryWork,
    Market,
    daily_stops,
    delivery_work,
    plan_tours,
    tour_length_km,
)
from transport_abm.agents.fleets.permits import (
    IS_EXEMPT_KIND,
    PERMIT_LIMIT_RING,
    Vans,
    check_freight_rules,
    delivery_window_h,
    in_scope,
    is_new_energy,
    may_buy_oil,
    oil_window_cost_cny,
    oil_window_h,
    van_nev_share,
)
from transport_abm.agents.fleets.renewal import BEV, DIESEL, FCEV, annuity
from transport_abm.agents.fleets.trucks import (
    HEAVY,
    TRUCKS,
    build_truck_cohorts,
    freight_work,
    renew_truck_cohorts,
    truck_costs,
)
from transport_abm.agents.fleets.trucks import OPTIONS as TRUCK_OPTIONS
from transport_abm.agents.fleets.vans import (
    OPTIONS,
    battery_day,
    build_vans,
    renew_vans,
    van_costs,
    van_km_by_district,
    van_km_year,
    van_need,
)
from transport_abm.agents.vehicles import VehicleBook, count_vehicles
from transport_abm.core.errors import LeverError
from transport_abm.core.vocabulary import VehicleClass
from transport_abm.policy.fuels import carbon_cost_cny
from transport_abm.policy.inputs import YearInputs, year_inputs
from transport_abm.policy.levers import LeverSetting, read_levers

CITY = goods_city()
FREIGHT_LEVERS = (
    "van_permit_quota", "van_nev_priority", "delivery_hours", "lez_ring", "rail_shift_share",
    "consolidation_centres",
)  # fmt: skip


def inputs_of(year: int, levers: Mapping[str, float] | None = None, /, **overrides: float) -> YearInputs:
    """Values of a year with levers in full force and freight parameters replaced."""
    chosen = tuple(LeverSetting(lever=name, value=v, start_year=year) for name, v in (levers or {}).items())
    return year_inputs(year, {f"freight.{name}": v for name, v in overrides.items()}, chosen)


def run_vans(
    levers: Mapping[str, float] | None = None, years: int = 5, **overrides: float
) -> tuple[Vans, list[VehicleBook]]:
    """Vans after some years, and the books."""
    vans = build_vans(CITY, inputs_of(2020, **overrides), seed=7)
    books = []
    for year in range(2021, 2021 + years):
        inputs = inputs_of(year, levers, **overrides)
        book = VehicleBook(year)
        renew_vans(vans, CITY, inputs, delivery_work(CITY, inputs), book, year=year, seed=7)
        books.append(book)
    return vans, books


def stock(vans: Vans) -> np.ndarray:
    """Vans in use as the book counts them."""
    return count_vehicles(VehicleClass.VAN, vans.powertrain, vans.fuel, vans.alive)


# tours


@given(
    radius=st.floats(0.2, 60), density=st.floats(0.05, 500), speed=st.floats(8, 60), window=st.floats(3, 12),
    load=st.floats(1, 120), stop_min=st.floats(1, 30),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_a_tour_is_the_longest_that_load_and_hours_allow(
    radius: float, density: float, speed: float, window: float, load: float, stop_min: float
) -> None:
    one = np.ones(1)
    plan = plan_tours(
        10.0 * one, density * one, radius * one, speed * one, window * one,
        load_stop_count=load, stop_h=stop_min / 60, detour=1.3,
    )  # fmt: skip
    n, length_km, duration_h = longest_tour(radius, density, speed, window, load, stop_min / 60, 1.3)
    got = plan.stop_count[0], plan.length_km[0], plan.duration_h[0]
    assert got == pytest.approx((n, length_km, duration_h), rel=1e-9)
    assert plan.tour_count[0] * plan.stop_count[0] == pytest.approx(10.0)


def test_four_times_the_stops_of_a_place_make_the_local_tour_twice_as_long() -> None:
    there = 2 * 8.0
    once = tour_length_km(8.0, 20.0, 5.0, 1.3) - there  # 20 stops on 4 km2
    again = tour_length_km(8.0, 80.0, 20.0, 1.3) - there  # 80 stops on the same 4 km2
    assert again == pytest.approx(2 * once)
    assert once == pytest.approx(0.7124 * 1.3 * np.sqrt(20 * 4))


def test_every_stop_is_on_a_tour_or_left_by_the_quota() -> None:
    for quota in (25000.0, 3000.0):
        inputs = inputs_of(2021, van_permit_quota=quota)
        work = delivery_work(CITY, inputs)
        assert work.stop.sum() + work.unserved_stop == pytest.approx(daily_stops(CITY, inputs).sum())
    assert work.unserved_stop > 0


def test_a_zone_without_people_and_jobs_needs_no_van() -> None:
    zones = CITY.zones
    residents, jobs = zones.residents.copy(), zones.jobs.copy()
    residents[3] = jobs[3] = 0.0
    work = delivery_work(replace(CITY, zones=replace(zones, residents=residents, jobs=jobs)), inputs_of(2021))
    assert work.van[:, 3].tolist() == [0.0, 0.0]
    assert np.isfinite(work.van_km).all()


def test_slower_streets_need_more_vans() -> None:
    inputs = inputs_of(2021)
    slow, fast = (delivery_work(CITY, inputs, speed_kmh=np.full(12, v)).van.sum() for v in (12.0, 40.0))
    assert slow > fast


# vans


def test_the_books_of_vans_close_every_year() -> None:
    vans, books = run_vans({"lez_ring": 4, "van_permit_quota": 5000})
    opening = stock(build_vans(CITY, inputs_of(2020), seed=7))
    for book in books:
        book.check()
        assert (book.opening == opening).all()
        opening = book.closing
    assert (stock(vans) == opening).all()
    assert sum(int(book.taken_out.sum()) for book in books) > 0


def test_there_are_as_many_vans_as_the_deliveries_need() -> None:
    vans, _ = run_vans(years=2)
    inputs = inputs_of(2022)
    need = van_need(CITY, inputs, delivery_work(CITY, inputs))
    assert int(vans.alive.sum()) == need.count.sum()
    work = delivery_work(CITY, inputs)
    assert need.count.sum() == pytest.approx(work.van.sum(), abs=1.0)


def test_vans_drive_the_kilometres_of_their_districts() -> None:
    vans, _ = run_vans(years=1)
    inputs = inputs_of(2021)
    work = delivery_work(CITY, inputs)
    km = van_km_year(vans, CITY, inputs, work)
    got = np.bincount(vans.district, km, len(CITY.districts.central))
    assert got == pytest.approx(van_km_by_district(CITY, inputs, work), rel=1e-12)
    assert not km[~vans.alive].any()


def test_the_same_seed_gives_the_same_vans_and_another_seed_others() -> None:
    one, two = run_vans()[0], run_vans()[0]
    assert all((one.column(name) == two.column(name)).all() for name in Vans.columns)
    other = build_vans(CITY, inputs_of(2020), seed=8)
    assert (other.powertrain != build_vans(CITY, inputs_of(2020), seed=7).powertrain).any()


def test_the_base_year_has_the_given_share_of_new_energy_vans_in_scope() -> None:
    vans = build_vans(CITY, inputs_of(2020), seed=7)
    n = int(in_scope(vans).sum())
    assert van_nev_share(vans) == pytest.approx(0.72, abs=4 * np.sqrt(0.72 * 0.28 / n))
    assert not in_scope(vans)[IS_EXEMPT_KIND[vans.cargo]].any()
    assert (vans.exempt == IS_EXEMPT_KIND[vans.cargo]).all()
    assert (vans.permit == (vans.ring <= PERMIT_LIMIT_RING)).all()


def test_a_battery_van_does_its_day_on_its_battery_or_with_one_midday_charge() -> None:
    inputs = inputs_of(2021)
    store = 0.85 * 75 * (1 - 0.018 * 7)
    far = store / (0.30 * 1.25)
    feasible, midday = battery_day(np.array([far * 0.999, far * 1.001, far + 30 / 0.375 + 0.1]), inputs)
    assert feasible.tolist() == [True, True, False]
    assert midday.tolist() == [False, True, True]


# permits and windows


def test_hours_closed_to_oil_vans_cost_what_lost_and_night_hours_cost() -> None:
    inputs = inputs_of(2021)
    assert (delivery_window_h(inputs), oil_window_h(inputs)) == (9.0, 7.0)
    assert oil_window_cost_cny(inputs) == pytest.approx((2 * 60 + 7 * 15) * 310 * 0.25)


def test_oil_vans_pay_for_lost_hours_inside_the_ring_only_and_exempt_ones_never() -> None:
    inputs = inputs_of(2021)
    ring, cargo = np.array([3, 7, 3], np.int8), np.array([0, 0, 2], np.int8)
    cost, _ = van_costs(np.full(3, 60.0), ring, cargo, inputs, 4.0)
    diesel = cost[:, OPTIONS.index(DIESEL)]
    assert diesel[1] == diesel[2]
    assert diesel[0] - diesel[1] == pytest.approx(annuity(0.08, 7.0) * oil_window_cost_cny(inputs))
    assert np.ptp(cost[:, OPTIONS.index(BEV)]) == 0.0


def test_the_carbon_price_is_paid_once_on_every_unit_of_fuel() -> None:
    year = 2025
    free, paid = (year_inputs(year, {"energy.carbon_price_cny_t": price}) for price in (0.0, 300.0))
    more = truck_costs("heavy", paid, 4.0) - truck_costs("heavy", free, 4.0)
    units = paid["freight.heavy.km_year"] * annuity(0.08, paid["freight.heavy.service_year"])
    for option, extra in zip(TRUCK_OPTIONS, more, strict=True):
        use, _ = usual_use(VehicleClass.TRUCK, option.powertrain, option.fuel, paid, registered_year=year)
        assert extra == pytest.approx(units * use * carbon_cost_cny(option.fuel, paid, year))


@given(draw=st.floats(0, 0.999999), priority=st.floats(0, 1), lez=st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_exempt_vans_may_always_burn_oil(draw: float, priority: float, lez: int) -> None:
    inputs = inputs_of(2021, van_nev_priority=priority, lez_ring=float(lez))
    ring, cargo = np.tile(np.arange(2, 8, dtype=np.int8), 6), np.repeat(np.arange(6, dtype=np.int8), 6)
    may = may_buy_oil(ring, cargo, np.full(36, draw), inputs)
    assert may[IS_EXEMPT_KIND[cargo]].all()
    barred = (ring <= lez) & (lez > 1)
    refused = (ring <= PERMIT_LIMIT_RING) & (draw < priority)
    assert (may == (IS_EXEMPT_KIND[cargo] | ~(barred | refused))).all()


# levers


def test_the_default_of_each_lever_is_the_value_of_the_catalogue() -> None:
    plain = year_inputs(2025)
    for name in FREIGHT_LEVERS:
        lever = read_levers()[name]
        assert [plain[path] for path in lever.parameter] == [lever.default], name
        assert inputs_of(2025, {name: lever.default}) == plain


def test_priority_raises_the_new_energy_share_and_leaves_exempt_vans_alone() -> None:
    none, full = (run_vans({"van_nev_priority": p})[0] for p in (0.0, 1.0))
    assert van_nev_share(full) > van_nev_share(none)
    for column in ("powertrain", "fuel", "age", "cargo"):
        left, right = (v.column(column)[v.alive & v.exempt] for v in (none, full))
        assert (left == right).all()


def test_full_priority_puts_no_new_oil_van_in_scope() -> None:
    vans, _ = run_vans({"van_nev_priority": 1.0}, years=5)
    young = in_scope(vans) & (vans.age < 5)
    assert young.sum() > 100
    assert is_new_energy(vans)[young].all()


def test_fewer_permits_leave_fewer_vans_inside_the_ring_and_never_more_than_the_quota() -> None:
    scale = CITY.zones.residents.sum() / year_inputs(2021)["population.base_resident_count"]
    before = len(build_vans(CITY, inputs_of(2020), seed=7))
    for quota in (0, 2000, 4000):
        vans, _ = run_vans({"van_permit_quota": quota}, years=1)
        held = int((vans.alive & vans.permit).sum())
        assert held == int(quota * scale)
        assert int(vans.alive.sum()) < before
    with pytest.raises(LeverError):
        inputs_of(2021, {"van_permit_quota": -1})


def test_a_binding_quota_takes_oil_vans_first_under_full_priority() -> None:
    priority = {"van_nev_priority": 1.0, "van_permit_quota": 7000}
    lottery = {"van_nev_priority": 0.0, "van_permit_quota": 7000}
    with_it, without = (run_vans(levers, years=1)[0] for levers in (priority, lottery))
    assert van_nev_share(with_it) > van_nev_share(without)


def test_shorter_delivery_hours_mean_more_tours_and_kilometres_inside_the_ring() -> None:
    inside = CITY.zones.ring <= PERMIT_LIMIT_RING
    works = [
        delivery_work(CITY, inputs_of(2021, {"delivery_hours": h, "van_permit_quota": 100000}))
        for h in (4.0, 6.0, 24.0)
    ]
    km = [work.van_km[:, inside].sum() for work in works]
    vans = [work.van[:, inside].sum() for work in works]
    assert km[0] > km[1] > km[2]
    assert vans[0] > vans[1] > vans[2]
    outside = [work.van_km[:, ~inside].sum() for work in works]
    assert outside[0] == outside[2]


def test_inside_the_low_emission_ring_only_new_energy_and_exempt_vans_are_left() -> None:
    shares, sold = [], []
    for ring in (1, 3, 5, 7):
        vans, books = run_vans({"lez_ring": ring}, years=1)
        barred = vans.alive & (vans.ring <= ring) & ~vans.exempt
        assert is_new_energy(vans)[barred].all()
        shares.append(float(is_new_energy(vans)[vans.alive].mean()))
        sold.append(int(books[0].taken_out.sum()))
    assert shares == sorted(shares) and shares[0] < shares[-1]
    assert sold == sorted(sold) and sold[0] < sold[1] < sold[-1]


def test_consolidation_centres_cut_stops_and_kilometres_of_vans_and_put_trucks_on_the_way() -> None:
    none, some, many = (
        delivery_work(CITY, inputs_of(2021, {"consolidation_centres": n, "van_permit_quota": 100000}))
        for n in (0, 4, 12)
    )
    assert none.linehaul_km == 0.0 < some.linehaul_km < many.linehaul_km
    for name in ("stop", "van_km", "van"):
        values = [getattr(work, name).sum() for work in (none, some, many)]
        assert values[0] > values[1] > values[2], name


def test_rail_takes_what_the_heavy_trucks_lose_to_the_tonne_kilometre() -> None:
    before, after = (freight_work(CITY, inputs_of(2025, {"rail_shift_share": s}), 2025) for s in (0.0, 0.3))
    assert before.demand_tkm == after.demand_tkm
    assert after.rail_tkm - before.rail_tkm == before.road_tkm[HEAVY] - after.road_tkm[HEAVY] > 0
    assert (after.road_tkm[:HEAVY] == before.road_tkm[:HEAVY]).all()
    assert after.truck_count[HEAVY] < before.truck_count[HEAVY]


@given(year=st.integers(2020, 2035), shift=st.floats(0, 0.5), growth=st.floats(-0.05, 0.08))
@settings(max_examples=60, deadline=None)
def test_road_and_rail_add_up_to_the_demand_exactly(year: int, shift: float, growth: float) -> None:
    work = freight_work(CITY, inputs_of(year, rail_shift_share=shift, goods_growth=growth), year)
    assert int(work.road_tkm.sum()) + work.rail_tkm == work.demand_tkm
    assert (work.road_tkm > 0).all()


# trucks and coaches


def test_the_books_of_trucks_and_coaches_close_and_their_number_follows_the_work() -> None:
    cohorts = build_truck_cohorts(CITY, inputs_of(2020), seed=7)
    for year, shift in ((2021, 0.0), (2022, 0.0), (2023, 0.5), (2024, 0.5)):
        inputs = inputs_of(year, rail_shift_share=shift)
        work, book = freight_work(CITY, inputs, year), VehicleBook(year)
        renew_truck_cohorts(cohorts, work, inputs, book, year=year, seed=7)
        book.check()
        assert [cohort.total for cohort in cohorts] == [*work.truck_count, work.coach_count]
        assert book.closing[VehicleClass.TRUCK].sum() == work.truck_count.sum()
        assert book.closing[VehicleClass.COACH].sum() == work.coach_count


def test_more_hydrogen_sites_and_cheaper_hydrogen_make_fuel_cells_cheaper() -> None:
    inputs = inputs_of(2025)
    fcev = TRUCK_OPTIONS.index(FCEV)
    few, many = (truck_costs(name, inputs, n)[fcev] for name in ("heavy",) for n in (4.0, 74.0))
    assert few > many
    cheap = year_inputs(2025, {"fleets.hydrogen_cny_kg": 20.0})
    assert truck_costs("heavy", cheap, 4.0)[fcev] < few


def test_the_pandemic_empties_coaches_and_not_their_yards() -> None:
    calm, hit = (
        freight_work(CITY, year_inputs(2022, {"pandemic.intensity": strength}), 2022)
        for strength in (0.0, 1.0)
    )
    assert hit.coach_count == calm.coach_count
    assert hit.coach_pkm == pytest.approx(calm.coach_pkm * 0.55**2)


# bad input


def test_rules_that_contradict_are_named_together() -> None:
    assert check_freight_rules(year_inputs(2025)) == []
    bad = dict(year_inputs(2025).values_by_path)
    bad.update({
        "freight.light_truck_share": 35.0, "freight.van_permit_quota": -5.0, "freight.rail_shift_share": 0.95,
        "freight.delivery_hours": 0.0, "freight.cargo_cold_chain_share": 1.0, "freight.van_nev_priority": 80.0,
    })  # fmt: skip
    fields = {fault.field for fault in check_freight_rules(YearInputs(2025, bad))}
    assert len(fields) == 6
    assert "freight.van_permit_quota" in fields and "freight.van_nev_priority" in fields


def test_goods_vans_and_parcel_vans_are_both_there() -> None:
    work: DeliveryWork = delivery_work(CITY, inputs_of(2021))
    assert (work.van.sum(axis=1) > 100).all()
    assert len(work.van) == len(Market)
    assert len(TRUCKS) == 3
