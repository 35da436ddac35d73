"""V-41 for vehicles, plates, fleets, freight and power: each lever moves what it is meant to, through whole runs.

Runs differ by one lever only, in force from 2021 on, and share all draws, so that an effect is no chance.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import pandas as pd
import pytest

from tests.tiny_runs import finished, tiny_case, value, wide_city
from transport_abm.agents.fleets.fleets import FleetWork, build_fleets, renew_fleets
from transport_abm.agents.fleets.trucks import freight_work
from transport_abm.agents.vehicles import VehicleBook
from transport_abm.core.vocabulary import Powertrain
from transport_abm.model import TransportModel
from transport_abm.networks.cities.open_city import open_city
from transport_abm.policy.inputs import year_inputs
from transport_abm.policy.levers import LeverSetting, read_levers

LAST_YEAR = 2023


@cache
def run_with(**levers: float) -> TransportModel:
    """The wide city after its last year, with these levers in full force from 2021 on."""
    settings = tuple(LeverSetting(lever=k, value=v, start_year=2021) for k, v in levers.items())
    case = tiny_case(years=(2020, LAST_YEAR), parameters={}).replace(levers=settings)
    return finished(case, wide_city())


def of(lever: str, levels: tuple[float, ...], outcome: str, class_: str = "") -> list[float]:
    """An outcome of the last year at several levels of a lever; None leaves it alone."""
    return [value(run_with(**{lever: level}), outcome, class_) for level in levels]


def rises(values: list[float]) -> bool:
    """Whether every value is above the one before."""
    return all(a < b for a, b in pairwise(values))


def total(model: TransportModel, outcome: str, class_: str = "") -> float:
    """An outcome summed over the years after 2020."""
    series = model.results().series(outcome, class_=class_)
    return float(series[series.index > 2020].sum())


def new_energy_sold(model: TransportModel) -> float:
    """New-energy private cars first registered after 2020."""
    table = model.table
    kinds = [f"private_car.{kind}" for kind in ("phev", "bev", "fcev")]
    rows = (table["outcome"] == "vehicles_new") & table["class"].isin(kinds) & (table["year"] > 2020)
    return float(table.loc[rows, "value"].sum())


VEHICLE_LEVERS = [
    lever.id
    for lever in read_levers().values()
    if lever.built
    and all(
        path.partition(".")[0]
        in {
            "access",
            "carbon",
            "cars",
            "energy",
            "fleets",
            "freight",
            "plates",
            "powertrain",
            "vehicle_prices",
        }
        for path in lever.parameter
    )
]


def test_vehicle_levers_at_their_defaults_change_no_bit() -> None:
    """All at once over all years; a lever at its default makes no change, so none can hide another."""
    defaults = {lever: read_levers()[lever].default for lever in VEHICLE_LEVERS}
    assert len(defaults) >= 33
    pd.testing.assert_frame_equal(run_with(**defaults).table, run_with().table, check_exact=True)


def test_a_vehicle_lever_changes_nothing_before_its_start() -> None:
    later = (LeverSetting(lever="nev_subsidy_cny", value=50_000.0, start_year=2022),)
    case = tiny_case(years=(2020, LAST_YEAR), parameters={})
    plain, changed = run_with().table, finished(case.replace(levers=later), wide_city()).table
    first = plain["year"] <= 2021
    first_changed = changed["year"] <= 2021
    pd.testing.assert_frame_equal(changed[first_changed], plain[first], check_exact=True)
    assert not changed[~first_changed].reset_index(drop=True).equals(plain[~first].reset_index(drop=True))


@pytest.mark.parametrize(
    ("lever", "level", "pool"),
    [
        ("quota_ordinary", 200_000.0, "ordinary"),
        ("quota_nev", 200_000.0, "new_energy"),
        ("quota_family_nev", 200_000.0, "new_energy"),
    ],
)
def test_a_higher_quota_hands_out_more_plates_and_brings_more_cars(
    lever: str, level: float, pool: str
) -> None:
    base, more = run_with(), run_with(**{lever: level})
    assert total(more, "plate_issued", pool) > total(base, "plate_issued", pool)
    assert value(more, "vehicle_stock", "private_car") > value(base, "vehicle_stock", "private_car")


def test_family_priority_moves_plates_from_individuals_to_families() -> None:
    less, more = run_with(family_priority=-0.6), run_with(family_priority=0.2)
    families = [total(m, "plate_issued", "new_energy.family") for m in (less, more)]
    individuals = [total(m, "plate_issued", "new_energy.individual") for m in (less, more)]
    assert families[0] < families[1]
    assert individuals[0] > individuals[1]


@pytest.mark.parametrize(
    ("lever", "levels"),
    [
        ("nev_subsidy_cny", (0.0, 50_000.0)),
        ("tradein_subsidy_cny", (0.0, 50_000.0)),
        ("nev_tax_exempt_share", (-1.0, 0.0)),
        ("battery_cost_factor", (2.0, 0.3)),
        ("nev_model_factor", (0.2, 5.0)),
        ("home_post_programme", (0.0, 200_000.0)),
        ("fast_posts", (0.0, 50_000.0)),
        ("swap_stations", (0.0, 500.0)),
        ("fuel_tax_cny_l", (0.0, 5.0)),
    ],
)
def test_what_makes_new_energy_cars_cheaper_or_handier_sells_more_of_them(
    lever: str, levels: tuple[float, float]
) -> None:
    less, more = (new_energy_sold(run_with(**{lever: level})) for level in levels)
    assert less < more


def test_dear_electricity_sells_fewer_new_energy_cars_and_dear_fuel_more() -> None:
    cheap, dear = (new_energy_sold(run_with(electricity_price_factor=f)) for f in (0.5, 3.0))
    assert dear < cheap
    cheap, dear = (new_energy_sold(run_with(fuel_price_factor=f)) for f in (0.5, 3.0))
    assert cheap < dear


def test_a_limit_on_new_oil_cars_lowers_co2_of_private_cars() -> None:
    loose, tight = of("fuel_use_limit_l_100km", (12.0, 4.0), "co2", "private_car")
    assert tight < loose


def test_fuel_tax_and_carbon_price_take_kilometres_of_private_cars() -> None:
    for lever, high in (("fuel_tax_cny_l", 5.0), ("carbon_price_cny_t", 500.0)):
        free, dear = of(lever, (0.0, high), "car_km", "private")
        assert dear < free


def test_a_carbon_price_lowers_co2() -> None:
    free, dear = of("carbon_price_cny_t", (0.0, 500.0), "co2")
    assert dear < free


def test_hydrogen_sites_and_cheap_hydrogen_bring_fuel_cell_vehicles() -> None:
    """Few vehicles, so looked for in the fleets of the bundled city, which need no people."""
    city = open_city("beijing-reference")[0]

    def fuel_cells(**levers: float) -> int:
        settings = tuple(LeverSetting(lever=k, value=v, start_year=2021) for k, v in levers.items())
        fleets, count = build_fleets(city, year_inputs(2020), seed=1), 0
        sites = 0.0
        for year in range(2021, 2027):
            inputs = year_inputs(year, None, settings)
            sites += inputs["access.hydrogen_sites_year"]
            book = VehicleBook(year)
            work = FleetWork(freight=freight_work(city, inputs, year), hydrogen_site_count=sites)
            renew_fleets(fleets, city, inputs, work, book, year=year, seed=1)
            count += int(book.new[:, Powertrain.FCEV].sum())
        return count

    cheap = fuel_cells(hydrogen_price_factor=0.3)
    assert fuel_cells(hydrogen_price_factor=2.0) <= fuel_cells() < cheap
    assert cheap < fuel_cells(hydrogen_price_factor=0.3, hydrogen_stations=100.0)


def test_rules_for_fleets_raise_the_share_they_are_set_for() -> None:
    for lever, levels, outcome in (
        ("bus_nev_share", (0.0, 0.9, 1.0), "bus_nev_share"),
        ("airport_electric_share", (0.0, 0.6, 1.0), "airport_electric_share"),
        ("sanitation_nev_share", (0.0, 1.0), "sanitation_new_nev_share"),
    ):
        assert rises(of(lever, levels, outcome)), lever


def test_the_deadline_empties_the_oil_taxis_in_its_scope_and_the_age_limit_renews_them_sooner() -> None:
    base = value(run_with(), "taxi_nev_share")
    assert base < 1.0
    assert value(run_with(taxi_nev_deadline_year=2022.0), "taxi_nev_share") == 1.0
    assert value(run_with(taxi_age_limit_year=5.0), "taxi_nev_share") > base


def test_official_cars_follow_their_rule() -> None:
    none, all_ = (
        total(run_with(official_fleet_nev_share=share), "vehicles_new", "official_car.bev")
        for share in (0.0, 1.0)
    )
    assert none < all_


def test_permits_hours_and_rings_bring_new_energy_vans() -> None:
    assert rises(of("van_nev_priority", (0.0, 1.0), "van_nev_share"))
    assert rises(of("lez_ring", (1.0, 7.0), "van_nev_share"))


def test_fewer_permits_and_fewer_hours_leave_less_work_to_vans() -> None:
    few, many = of("van_permit_quota", (2_000.0, 25_000.0), "vehicle_km", "van")
    assert few < many
    short, long = of("delivery_hours", (4.0, 24.0), "vehicle_km", "van")
    assert short != long


def test_rail_takes_tonne_kilometres_and_co2_from_trucks() -> None:
    trucks = of("rail_shift_share", (0.0, 0.5), "vehicle_km", "truck")
    assert trucks[1] < trucks[0]
    assert rises(of("rail_shift_share", (0.0, 0.5), "co2", "rail"))


def test_consolidation_shortens_the_ways_of_vans() -> None:
    apart, together = of("consolidation_centres", (0.0, 100.0), "vehicle_km", "van")
    assert together < apart


def test_power_levers_lower_co2_where_they_count() -> None:
    market = of("green_power_import_twh", (10.0, 60.0), "co2_total", "market")
    assert market[1] < market[0]
    assert len(set(of("green_power_import_twh", (10.0, 60.0), "co2_total", "provincial"))) == 1
    for lever, levels, class_ in (
        ("local_pv_wind_gw", (1.0, 10.0), "provincial"),
        ("grid_factor_factor", (1.0, 0.5), "provincial"),
        ("depot_pv_mw", (0.0, 500.0), "provincial"),
    ):
        before, after = of(lever, levels, "co2_total", class_)
        assert after < before, lever
    assert len(set(of("grid_factor_factor", (1.0, 0.5), "co2_total", "direct"))) == 1


def test_without_a_grid_factor_electricity_has_no_co2() -> None:
    assert value(run_with(grid_factor_factor=0.0), "co2_fuel", "electricity") == 0.0
    assert value(run_with(), "co2_fuel", "electricity") > 0.0


def test_every_vehicle_lever_has_a_test_of_its_direction() -> None:
    """The name of each lever stands in a test of this file that runs the model with it."""
    from pathlib import Path

    text = Path(__file__).read_text(encoding="utf-8")
    assert not [lever for lever in VEHICLE_LEVERS if f"{lever}=" not in text and f'"{lever}"' not in text]
