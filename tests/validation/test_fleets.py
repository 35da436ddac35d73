"""Whole fleets over the years: books, rules, exempt vehicles, levers, published totals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numba
import numpy as np
import pytest

from tests.tiny import tiny_city
from transport_abm.agents.fleets.buses import bus_service, needed_buses
from transport_abm.agents.fleets.fleets import Fleets, FleetWork, build_fleets, fleet_km, renew_fleets
from transport_abm.agents.fleets.operators import OperatorKind, city_scale
from transport_abm.agents.fleets.ride_hail import wanted_cars
from transport_abm.agents.fleets.rules import check_fleet_rules, reconciliation, rule_shares
from transport_abm.agents.fleets.taxis import TaxiOwner
from transport_abm.agents.fleets.trucks import freight_work
from transport_abm.agents.fleets.turnover import SlotVehicles, new_energy
from transport_abm.agents.vehicles import VehicleBook
from transport_abm.core.errors import ParameterError
from transport_abm.core.vocabulary import Fuel, Powertrain, VehicleClass
from transport_abm.networks.city import City
from transport_abm.policy.inputs import YearInputs, year_inputs
from transport_abm.policy.levers import LeverSetting, read_levers

SEED = 11
YEARS = tuple(range(2021, 2027))
OIL = (Powertrain.ICE, Powertrain.HEV)


@cache
def city() -> City:
    """The tiny city with two million residents; its outer district has mountain lines."""
    tiny = tiny_city()
    zones = replace(tiny.zones, residents=tiny.zones.residents * 250.0)
    return replace(tiny, zones=zones, districts=replace(tiny.districts, name_en=("Inner", "Huairou")))


def inputs_of(year: int, levers: Mapping[str, float] | None = None, **values: float) -> YearInputs:
    """Inputs of a year under levers in force from 2021, and further values by path."""
    settings = [LeverSetting(lever=k, value=v, start_year=2021) for k, v in (levers or {}).items()]
    return year_inputs(year, {path.replace("__", "."): value for path, value in values.items()}, settings)


def run(
    levers: Mapping[str, float] | None = None,
    *,
    years: tuple[int, ...] = YEARS,
    seed: int = SEED,
    hired_ratio: float = 1.0,
    freight: bool = False,
    **values: float,
) -> tuple[Fleets, list[VehicleBook], list[dict[str, float]]]:
    """Fleets after the years, with the books and the shares of every year."""
    fleets = build_fleets(city(), inputs_of(2020, None, **values), seed=seed)
    books, shares = [], []
    for year in years:
        inputs, book = inputs_of(year, levers, **values), VehicleBook(year)
        work = FleetWork(hired_ratio, freight_work(city(), inputs, year) if freight else None)
        renew_fleets(fleets, city(), inputs, work, book, year=year, seed=seed)
        books.append(book)
        shares.append(rule_shares(fleets))
    return fleets, books, shares


@cache
def baseline() -> tuple[Fleets, list[VehicleBook], list[dict[str, float]]]:
    """The run without levers; do not change it."""
    return run()


def alive_by_slot(fleet: SlotVehicles, where: np.ndarray) -> np.ndarray:
    """Slot, age, powertrain and fuel of living vehicles, ordered by slot."""
    rows = np.flatnonzero(fleet.alive & where)
    rows = rows[np.argsort(fleet.slot[rows])]
    return np.stack([fleet.slot[rows], fleet.age[rows], fleet.powertrain[rows], fleet.fuel[rows]])


def test_the_books_of_every_class_close_and_carry_over() -> None:  # V-42
    fleets, books, _ = run(freight=True, hired_ratio=1.2)
    for before, after in pairwise(books):
        assert (before.closing == after.opening).all()
    for book in books:
        book.check()
    last = books[-1].closing.sum(axis=(1, 2))
    assert last[VehicleClass.BUS] == fleets.buses.alive.sum()
    assert last[VehicleClass.TAXI] == fleets.taxis.alive.sum()
    assert last[VehicleClass.RIDE_HAIL] == fleets.ride_hail.alive.sum()
    assert last[VehicleClass.VAN] == fleets.vans.alive.sum()
    assert last[VehicleClass.PRIVATE_CAR] == 0
    counted = sum(cohort.total for cohort in fleets.cohorts.values())
    table_classes = [VehicleClass.BUS, VehicleClass.TAXI, VehicleClass.RIDE_HAIL, VehicleClass.VAN]
    assert last.sum() - last[table_classes].sum() == counted


def test_no_slot_is_filled_twice_and_licences_are_constant() -> None:
    fleets, _, _ = run({"bus_nev_share": 0.9, "taxi_nev_deadline_year": 2023}, hired_ratio=0.9)
    for fleet in (fleets.buses, fleets.taxis, fleets.ride_hail):
        slot = fleet.slot[fleet.alive]
        assert len(np.unique(slot)) == len(slot)
    assert sorted(fleets.taxis.slot[fleets.taxis.alive]) == list(range(round(71_000 * _scale())))


def _scale() -> float:
    """Residents of the city over those of Beijing."""
    return city_scale(city(), inputs_of(2020))


def test_the_base_year_has_the_published_fleets() -> None:
    inputs = inputs_of(2020)
    fleets, scale = build_fleets(city(), inputs, seed=SEED), _scale()
    assert len(fleets.buses) == round(23_000 * scale)
    bev = fleets.buses.powertrain == Powertrain.BEV
    assert bev.sum() == min(round(12_500 * scale), len(fleets.buses))
    assert (fleets.taxis.powertrain == Powertrain.BEV).sum() == round(9_900 * scale)
    sanitation = [c for name, c in fleets.cohorts.items() if name.startswith("sanitation")]
    assert sum(c.new_energy for c in sanitation) == round(4_500 * scale)
    parts = reconciliation(fleets, inputs, scale)
    assert parts["automobiles left over"] == 0 and parts["motor vehicles left over"] == 0
    assert all(count >= 0 for count in parts.values())


def test_a_share_of_nothing_is_not_told() -> None:
    fleets = build_fleets(city(), inputs_of(2020), seed=SEED)
    assert "sanitation_new_nev_share" not in rule_shares(fleets)
    assert {"bus_nev_share", "taxi_nev_share", "airport_electric_share"} <= set(rule_shares(fleets))
    assert all(0.0 <= share <= 1.0 for share in baseline()[2][-1].values())


def test_gas_buses_are_clean_and_not_new() -> None:
    fleets = build_fleets(city(), inputs_of(2020), seed=SEED)
    gas = np.isin(fleets.buses.fuel, [Fuel.CNG, Fuel.LNG])
    assert gas.any() and not new_energy(fleets.buses)[gas].any()


def test_mountain_lines_emergency_buses_and_single_owners_are_exempt() -> None:
    fleets = build_fleets(city(), inputs_of(2020), seed=SEED)
    buses, taxis = fleets.buses, fleets.taxis
    assert (buses.exempt == (fleets.lines.mountain[buses.line] | buses.emergency)).all()
    assert fleets.lines.mountain[2]  # all its calls are in Huairou
    everywhere = build_fleets(city(), inputs_of(2020, None, fleets__bus__mountain_share=1.0), seed=SEED)
    assert not everywhere.lines.mountain[1]  # it calls in both districts
    assert (taxis.exempt == (taxis.owner != TaxiOwner.COMPANY)).all()
    kind = fleets.operators.kind[taxis.operator]
    assert (kind[taxis.owner == TaxiOwner.COMPANY] == OperatorKind.TAXI_COMPANY).all()
    assert (kind[taxis.owner == TaxiOwner.INDIVIDUAL] == OperatorKind.INDIVIDUAL_TAXIS).all()


def test_no_oil_bus_or_taxi_in_scope_is_bought_under_the_mandate() -> None:
    fleets, first = baseline()[0], build_fleets(city(), inputs_of(2020), seed=SEED)
    for fleet, base_count in ((fleets.buses, len(first.buses)), (fleets.taxis, len(first.taxis))):
        bought = fleet.alive & ~fleet.exempt
        bought[:base_count] = False
        assert bought.sum() > 10 and new_energy(fleet)[bought].all()


def test_without_the_mandate_buses_in_scope_follow_their_cost() -> None:
    _, _, shares = run(fleets__bus__mandate_year=2100.0)
    assert shares[-1]["bus_nev_share"] < baseline()[2][-1]["bus_nev_share"]


@pytest.mark.parametrize("share", [0.8, 0.95, 1.0])
def test_the_bus_lever_is_met_in_the_year_it_asks(share: float) -> None:
    fleets, books, shares = run({"bus_nev_share": share})
    for year in shares:
        assert year["bus_nev_share"] >= share
    if share == 1.0:
        in_scope = fleets.buses.alive & ~fleets.buses.exempt
        assert new_energy(fleets.buses)[in_scope].all()
    assert books[0].closing[VehicleClass.BUS].sum() == baseline()[1][0].closing[VehicleClass.BUS].sum()


def test_a_bus_lever_that_asks_less_than_renewal_gives_changes_nothing() -> None:
    fleets, _, _ = run({"bus_nev_share": 0.3})
    everywhere = np.ones(len(fleets.buses), np.bool_)
    same = baseline()[0].buses
    assert (
        alive_by_slot(fleets.buses, everywhere) == alive_by_slot(same, np.ones(len(same), np.bool_))
    ).all()


def test_exempt_vehicles_are_untouched_by_the_rules() -> None:
    ruled, _, _ = run({"bus_nev_share": 1.0, "taxi_nev_deadline_year": 2022})
    free = baseline()[0]
    for with_rule, without in ((ruled.buses, free.buses), (ruled.taxis, free.taxis)):
        a, b = alive_by_slot(with_rule, with_rule.exempt), alive_by_slot(without, without.exempt)
        assert a.shape == b.shape and a.shape[1] > 0 and (a == b).all()
    everything, _, _ = run({"airport_electric_share": 1.0, "sanitation_nev_share": 1.0})
    for name in ("airport_special", "sanitation_light_special"):
        assert (everything.cohorts[name].count == free.cohorts[name].count).all()


def test_the_deadline_empties_the_oil_taxis_in_scope_and_not_before() -> None:
    _, _, shares = run({"taxi_nev_deadline_year": 2024})
    before = baseline()[2]
    for k, year in enumerate(YEARS):
        if year < 2024:
            assert shares[k] == before[k]
        else:
            assert shares[k]["taxi_nev_share"] == 1.0
    assert before[YEARS.index(2024)]["taxi_nev_share"] < 1.0


def test_a_lower_age_limit_renews_taxis_sooner() -> None:
    limits = (10, 8, 6, 5)
    runs = [run({"taxi_age_limit_year": limit}, years=(2021, 2022)) for limit in limits]
    new = [books[0].new[VehicleClass.TAXI].sum() for _, books, _ in runs]
    share = [shares[-1]["taxi_nev_share"] for _, _, shares in runs]
    assert all(a < b for a, b in pairwise(new[1:])) and new[0] <= new[1]
    assert share == sorted(share) and share[0] < share[-1]
    for (fleets, _, _), limit in zip(runs, limits, strict=True):
        assert fleets.taxis.age[fleets.taxis.alive].max() < limit


@pytest.mark.parametrize(
    ("lever", "outcome", "values"),
    [
        ("sanitation_nev_share", "sanitation_new_nev_share", (0.0, 0.5, 0.8, 1.0)),
        ("airport_electric_share", "airport_electric_share", (0.0, 0.5, 0.8, 1.0)),
        ("bus_nev_share", "bus_nev_share", (0.0, 0.8, 0.9, 1.0)),
    ],
)
def test_a_share_lever_never_lowers_its_share_and_is_met(
    lever: str, outcome: str, values: tuple[float, ...]
) -> None:
    got = [run({lever: value}, years=(2021,))[2][0][outcome] for value in values]
    assert got == sorted(got) and got[-1] > got[0]
    assert all(share >= value for share, value in zip(got, values, strict=True))


def test_the_official_lever_raises_new_energy_purchases_of_official_cars_only() -> None:
    got = {}
    for value in (0.0, 0.3, 0.6, 1.0):
        fleets, _, _ = run({"official_fleet_nev_share": value}, years=(2021,))
        bought = fleets.cohorts["official"].bought
        got[value] = 1.0 - bought[list(OIL)].sum() / bought.sum()
        assert (fleets.cohorts["company"].count == run(years=(2021,))[0].cohorts["company"].count).all()
        assert got[value] >= value
    assert list(got.values()) == sorted(got.values()) and got[1.0] == 1.0 > got[0.0]


def test_a_lever_at_its_default_is_the_baseline_to_the_last_vehicle() -> None:
    names = [
        name for name, lever in read_levers().items() if any(p.startswith("fleets.") for p in lever.parameter)
    ]
    assert len(names) >= 6
    _, books, _ = run({name: read_levers()[name].default for name in names})
    for a, b in zip(books, baseline()[1], strict=True):
        assert (a.new == b.new).all() and (a.scrapped == b.scrapped).all() and (a.closing == b.closing).all()


def test_more_frequent_buses_need_more_buses_in_proportion() -> None:
    fleets = build_fleets(city(), inputs_of(2020), seed=SEED)
    base = needed_buses(bus_service(city(), inputs_of(2021), 2021), fleets.lines).sum()
    for factor in (0.5, 0.8, 1.25, 2.0):
        inputs = inputs_of(2021, {"bus_headway_factor": factor})
        need = needed_buses(bus_service(city(), inputs, 2021), fleets.lines).sum()
        assert need == pytest.approx(base / factor, abs=1)
    more, books, _ = run({"bus_headway_factor": 0.5}, years=(2021, 2022))
    assert more.buses.alive.sum() == 2 * base and books[1].taken_out[VehicleClass.BUS].sum() == 0
    less, books, _ = run({"bus_headway_factor": 2.0}, years=(2021,))
    assert less.buses.alive.sum() == pytest.approx(base / 2, abs=1)
    assert books[0].taken_out[VehicleClass.BUS].sum() > 0


def test_ride_hail_follows_the_hired_kilometres_and_settles() -> None:
    inputs = inputs_of(2021)
    base = len(build_fleets(city(), inputs_of(2020), seed=SEED).ride_hail)
    assert wanted_cars(base, 6_000, 1.0, inputs) == base
    assert wanted_cars(base, 6_000, 0.0, inputs) == 0.0
    taxi, car = inputs["fleets.taxi.km_year"], inputs["fleets.ride_hail.km_year"]
    wanted = wanted_cars(base, 6_000, 1.3, inputs)
    assert wanted * car + 6_000 * taxi == pytest.approx(1.3 * (base * car + 6_000 * taxi), rel=1e-12)
    sizes = [
        run(years=tuple(range(2021, 2021 + n)), hired_ratio=1.3)[0].ride_hail.alive.sum()
        for n in (1, 2, 4, 8)
    ]
    assert base < sizes[0] < sizes[1] < sizes[2] <= sizes[3]
    taxis = round(71_000 * _scale())
    assert sizes[3] == pytest.approx(wanted_cars(base, taxis, 1.3, inputs), rel=0.01)


def test_kilometres_are_those_of_the_work_whatever_the_fleet() -> None:
    fleets, _, _ = run({"bus_nev_share": 1.0}, years=(2021,), hired_ratio=1.1)
    inputs = inputs_of(2021)
    km = fleet_km(fleets, city(), FleetWork(1.1), inputs, year=2021)
    first = build_fleets(city(), inputs_of(2020), seed=SEED)
    base = fleet_km(first, city(), FleetWork(), inputs, year=2021)
    hired = base.taxi.sum() + base.ride_hail.sum()
    assert km.taxi.sum() + km.ride_hail.sum() == pytest.approx(1.1 * hired, rel=1e-12)
    assert km.bus.sum() == pytest.approx(base.bus.sum(), rel=1e-12)
    assert (km.bus[~fleets.buses.alive] == 0).all() and (km.bus[fleets.buses.alive] > 0).all()
    assert base.taxi[0] == pytest.approx(inputs["fleets.taxi.km_year"], rel=1e-12)


def test_the_same_seed_gives_the_same_fleets_on_one_thread_and_on_two() -> None:
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        again = run()
    finally:
        numba.set_num_threads(threads)
    for name in ("buses", "taxis", "ride_hail", "vans"):
        a, b = getattr(again[0], name).snapshot(), getattr(baseline()[0], name).snapshot()
        assert all((a[column] == b[column]).all() for column in b)
    assert all((again[0].cohorts[n].count == c.count).all() for n, c in baseline()[0].cohorts.items())
    other = run(seed=SEED + 1, years=(2021,))[0].ride_hail.snapshot()
    assert (other["powertrain"][:500] != baseline()[0].ride_hail.snapshot()["powertrain"][:500]).any()


def test_dearer_diesel_sells_no_fewer_battery_sanitation_vehicles() -> None:
    cheap, dear = (run(years=(2025,), fleets__diesel_cny_l=v)[2][0] for v in (4.0, 14.0))
    assert dear["sanitation_new_nev_share.all"] > cheap["sanitation_new_nev_share.all"]


def test_the_shipped_rules_do_not_contradict_each_other() -> None:
    for year in (2020, 2021, 2025, 2030):
        assert check_fleet_rules(inputs_of(year)) == []


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"fleets.bus_nev_share": 95.0}, "fleets.bus_nev_share"),
        ({"fleets.official_nev_share": -0.1}, "fleets.official_nev_share"),
        ({"fleets.taxi.mandate_year": 2030.0, "fleets.taxi_nev_deadline_year": 2025.0}, "fleets.taxi_nev_deadline_year"),
        ({"fleets.bus.bev_count": 30_000.0}, "fleets.bus.bev_count"),
        ({"fleets.taxi.bev_count": 80_000.0}, "fleets.taxi.bev_count"),
        ({"fleets.taxi.other_age_max_year": 9.0}, "fleets.taxi.other_age_max_year"),
        ({"fleets.bus.other_age_min_year": 9.0}, "fleets.bus.other_age_min_year"),
        ({"fleets.ride_hail.petrol_base_share": 0.6}, "fleets.ride_hail.petrol_base_share"),
        ({"fleets.taxi.individual_share": 0.99}, "fleets.taxi.individual_share"),
        ({"fleets.automobile_count": 5_100_000.0}, "fleets.automobile_count"),
        ({"fleets.motor_vehicle_count": 5_000_000.0}, "fleets.motor_vehicle_count"),
    ],
)  # fmt: skip
def test_a_contradiction_is_refused_by_name(values: dict[str, float], field: str) -> None:
    inputs = YearInputs(2021, {**inputs_of(2021), **values})
    assert field in [fault.field for fault in check_fleet_rules(inputs)]


def test_all_contradictions_are_named_at_once() -> None:
    wrong = {"fleets.bus_nev_share": 1.5, "fleets.airport_electric_share": 50.0, "fleets.taxi.bev_count": 1e5}
    faults = check_fleet_rules(YearInputs(2021, {**inputs_of(2021), **wrong}))
    assert {fault.field for fault in faults} == set(wrong)


def test_fleets_larger_than_the_automobiles_are_refused() -> None:
    with pytest.raises(ParameterError, match="automobile_count"):
        build_fleets(city(), inputs_of(2020, None, fleets__automobile_count=5.3e6), seed=SEED)
