"""What is on sale and where one can charge: prices, taxes, posts, and which way each lever pushes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.powertrain_case import BEV, CITY, NEV, SAMPLE, Case, N
from transport_abm.agents.cars.access import count_posts, update_access, update_home_posts
from transport_abm.agents.cars.offers import Alternative, GivenUp, offers
from transport_abm.agents.cars.powertrain import (
    constants,
    describe_buyers,
    expected_shares,
)
from transport_abm.core.errors import InputError, ParameterError, RunError
from transport_abm.policy.inputs import YearInputs, year_inputs
from transport_abm.policy.levers import LeverSetting, read_levers


@pytest.fixture(scope="module")
def case() -> Case:
    return Case()


# Levers and prices: which way they push.


@pytest.mark.parametrize(
    ("path", "factor"),
    [
        ("prices.petrol_factor", 1.5),
        ("vehicle_prices.battery_factor", 0.5),
        ("powertrain.model_factor", 2.0),
        ("prices.electricity_factor", 0.5),
    ],
)
def test_what_favours_battery_cars_raises_their_share(case: Case, path: str, factor: float) -> None:
    base = case.inputs
    better = year_inputs(2024, {path: base[path] * factor})
    assert case.shares(better)[BEV].sum() > case.shares(base)[BEV].sum() + 1e-4


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("vehicle_prices.nev_subsidy_cny", 20_000.0),
        ("energy.fuel_tax_cny_l", 2.0),
        ("energy.carbon_price_cny_t", 500.0),
        ("cars.tradein_subsidy_cny", 20_000.0),
        ("tail_number.day_count", 2.0),
    ],
)
def test_what_pays_for_battery_cars_raises_their_share(case: Case, path: str, value: float) -> None:
    assert (
        case.shares(year_inputs(2024, {path: value}))[BEV].sum() > case.shares(case.inputs)[BEV].sum() + 1e-4
    )


def test_a_dearer_litre_of_petrol_turns_nobody_from_a_battery_car(case: Case) -> None:
    before = case.bought(case.inputs).alternative
    after = case.bought(year_inputs(2024, {"prices.petrol_factor": 2.0})).alternative
    was, now = np.isin(before, [*BEV, Alternative.FCEV]), np.isin(after, [*BEV, Alternative.FCEV])
    assert np.array_equal(before[was], after[was])
    assert now.sum() > was.sum()


def test_without_the_exemption_the_tail_number_rule_wins_no_battery_car(case: Case) -> None:
    none = {"tail_number.bev_exempt_share": 0.0}
    base = case.shares(year_inputs(2024, none))
    assert np.array_equal(case.shares(year_inputs(2024, {**none, "tail_number.day_count": 2.0})), base)
    assert base[BEV].sum() < case.shares(case.inputs)[BEV].sum()


LEVERS = {
    "nev_subsidy_cny": (20_000.0, NEV, 1),
    "nev_tax_exempt_share": (1.0, NEV, 1),
    "battery_cost_factor": (0.5, BEV, 1),
    "nev_model_factor": (3.0, NEV, 1),
    "fuel_use_limit_l_100km": (6.0, [Alternative.ICE], -1),
    "home_post_programme": (100_000.0, BEV, 1),
    "fast_posts": (20_000.0, BEV, 1),
    "swap_stations": (500.0, BEV, 1),
    "hydrogen_stations": (100.0, [Alternative.FCEV], 1),
    "hydrogen_price_factor": (0.5, [Alternative.FCEV], 1),
}


def of_lever(case: Case, settings: tuple[LeverSetting, ...]) -> np.ndarray:
    """Shares of purchases in 2028 with levers in force since 2022."""
    by_year = {year: year_inputs(year, levers=settings) for year in range(2021, 2029)}
    access = case.carried(by_year)
    return expected_shares(
        describe_buyers(case.household, case.plate, case.households, access, case.peers, by_year[2028]),
        case.terms(by_year[2028], access),
    )


@pytest.mark.parametrize("lever", LEVERS)
def test_each_lever_pushes_the_share_it_is_for(case: Case, lever: str) -> None:
    value, kinds, sign = LEVERS[lever]
    base = of_lever(case, ())[kinds].sum()
    moved = of_lever(case, (LeverSetting(lever=lever, value=value, start_year=2022),))[kinds].sum()
    assert sign * (moved - base) > 1e-6
    assert sign * (moved / base - 1.0) > 1e-4


def test_levers_at_their_default_change_nothing(case: Case) -> None:
    catalogue = read_levers()
    neutral = tuple(LeverSetting(lever=x, value=catalogue[x].default, start_year=2022) for x in LEVERS)
    assert of_lever(case, neutral).tobytes() == of_lever(case, ()).tobytes()


# Offers.


def test_taxes_of_three_rules_worked_by_hand() -> None:
    of_2021, of_2024, of_2026 = (offers(year_inputs(year)) for year in (2021, 2024, 2026))
    assert of_2021.tax_cny[Alternative.ICE] == pytest.approx(120_000 / 1.13 * 0.1)
    assert not of_2021.tax_cny[NEV].any()
    assert of_2024.price_cny[Alternative.BEV_SHORT] == pytest.approx(100_000 + 50 * 500 * 1.2)
    assert of_2026.tax_cny[Alternative.BEV_SHORT] == pytest.approx(
        of_2026.price_cny[Alternative.BEV_SHORT] / 1.13 * 0.05
    )
    dear = offers(
        year_inputs(2024, {"vehicle_prices.bev_long_cny": 220_000.0, "vehicle_prices.battery_factor": 3.0})
    )
    assert dear.price_cny[Alternative.BEV_LONG] == pytest.approx(355_000)
    assert dear.tax_cny[Alternative.BEV_LONG] == pytest.approx(355_000 / 1.13 * 0.1 - 30_000)
    assert offers(year_inputs(2026, {"vehicle_prices.nev_tax_relief_shift": -1.0})).tax_cny[
        Alternative.BEV_SHORT
    ] == pytest.approx(2 * of_2026.tax_cny[Alternative.BEV_SHORT])


def test_national_subsidies_end_with_2022_and_scrapping_pays_in_2024() -> None:
    assert offers(year_inputs(2022)).subsidy_cny[Alternative.BEV_LONG] == 12_600
    for year in (2023, 2024, 2030):
        assert not offers(year_inputs(year)).subsidy_cny.any()
    trade = offers(year_inputs(2024)).trade_cny
    assert trade[GivenUp.SCRAPPED_OIL, Alternative.BEV_LONG] == 20_000
    assert trade[GivenUp.SCRAPPED_OTHER, Alternative.ICE] == 15_000
    assert not trade[GivenUp.NOTHING].any() and not trade[GivenUp.SOLD_OIL].any()
    assert not offers(year_inputs(2023)).trade_cny.any()


def test_a_limit_on_fuel_use_saves_petrol_and_costs_money() -> None:
    base, limited = (
        offers(year_inputs(2024)),
        offers(year_inputs(2024, {"powertrain.fuel_use_limit_l_100km": 4.5})),
    )
    assert limited.petrol_l_km[Alternative.ICE] == 0.045
    assert limited.petrol_l_km[Alternative.HEV] == 0.045
    saved_percent = 100 * (1 - 0.045 / base.petrol_l_km[Alternative.ICE])
    dearer = saved_percent * year_inputs(2024)["vehicle_prices.fuel_saving_cny_percent"]
    assert limited.price_cny[Alternative.ICE] - base.price_cny[Alternative.ICE] == pytest.approx(dearer)
    assert np.array_equal(limited.price_cny[NEV], base.price_cny[NEV])


@pytest.mark.parametrize("kind", list(Alternative))
def test_a_missing_price_is_an_error_that_names_it(kind: Alternative) -> None:
    path = f"vehicle_prices.{kind.name.lower()}_cny"
    values = {name: value for name, value in year_inputs(2024).items() if name != path}
    with pytest.raises(ParameterError, match=f"inputs of 2024.*{path}"):
        offers(YearInputs(2024, values))
    with pytest.raises(
        ParameterError, match=f"offers of 2024: price of {kind.name}: .*more than 0 CNY, got -"
    ):
        offers(YearInputs(2024, {**values, path: -1e6}))


def test_drift_starts_after_the_years_that_identify_the_constants_and_ends() -> None:
    kind = Alternative.BEV_LONG
    fixed = year_inputs(2020)["powertrain.constant_bev_long"]
    assert constants(year_inputs(2020))[kind] == constants(year_inputs(2021))[kind] == fixed
    drift = year_inputs(2021)["powertrain.drift_bev_long"]
    assert constants(year_inputs(2023))[kind] == pytest.approx(fixed + 2 * drift)
    assert constants(year_inputs(2035))[kind] == constants(year_inputs(2027))[kind]
    assert constants(year_inputs(2030))[Alternative.ICE] == 0.0


# Access.


def test_homes_with_a_bay_can_have_a_post_far_more_often(case: Case) -> None:
    bay, post = case.access.bay, case.access.home_post
    assert np.array_equal(bay[case.households.parking], np.ones(int(case.households.parking.sum()), bool))
    for has_bay, chance in ((True, 0.8), (False, 0.25)):
        rows = post[bay == has_bay]
        assert abs(rows.mean() - chance) < 3 * np.sqrt(chance * (1 - chance) / len(rows))
    assert (post[(case.households.nev > 0)] == case.access.home_built[case.households.nev > 0]).all()
    assert not case.access.home_built[case.households.nev == 0].any()


def test_public_posts_are_those_at_the_start_and_those_built_since(case: Case) -> None:
    part = CITY.zones.residents.sum() / year_inputs(2020)["population.base_resident_count"]
    start = count_posts(case.access, SAMPLE)
    assert start["public"] + start["fast"] == pytest.approx(48_300 * part)
    later = count_posts(case.carried({year: year_inputs(year) for year in (2021, 2022)}), SAMPLE)
    assert later["fast"] - start["fast"] == pytest.approx(2 * 3000 * part)
    assert later["public"] - start["public"] == pytest.approx(2 * 3000 * part)
    assert later["swap"] - start["swap"] == pytest.approx(2 * 20 * part)
    assert later["hydrogen"] - start["hydrogen"] == pytest.approx(2 * 2 * part)


def test_a_programme_builds_its_posts_and_takes_none_away(case: Case) -> None:
    part = CITY.zones.residents.sum() / year_inputs(2020)["population.base_resident_count"]
    years = range(2021, 2029)
    base = case.carried({year: year_inputs(year) for year in years})
    levers = {"access.home_programme_posts_year": 200_000.0}
    more = case.carried({year: year_inputs(year, levers) for year in years})
    assert (more.home_post >= base.home_post).all() and (more.home_built >= base.home_built).all()
    posts = len(years) * 200_000 * part
    assert more.programme_posts == pytest.approx(posts)
    holds = case.households.car > 0
    chance = np.where(base.bay, 0.8, 0.25)
    needing = (1 - chance)[holds].sum() / SAMPLE
    assert more.programme_share == pytest.approx(posts / needing)
    # Everybody is reached by a lot of their own: binomial within three standard errors.
    reached = (more.home_built & ~base.home_post)[holds]
    p = (1 - chance[holds]) * more.programme_share
    assert abs(reached.sum() - p.sum()) < 3 * np.sqrt((p * (1 - p)).sum())
    # Those who can charge at home leave the public posts to others.
    assert (more.fast_density > base.fast_density).all()


def test_more_cars_without_a_post_crowd_the_fast_posts(case: Case) -> None:
    base = case.carried({2021: year_inputs(2021)})
    crowded = Case()
    crowded.households.nev[:] = crowded.households.car
    after = crowded.carried({2021: year_inputs(2021)})
    assert (after.fast_density < base.fast_density).all()
    assert after.fast_posts.sum() == pytest.approx(base.fast_posts.sum())


def test_posts_follow_cars_and_stay_where_the_household_stays() -> None:
    case = Case()
    before = case.access.home_built.copy()
    case.households.nev[:] = 0
    access = case.access
    update_access(
        access,
        case.households,
        CITY.zones,
        CITY.districts,
        year_inputs(2021),
        year=2021,
        seed=1,
        sample=SAMPLE,
    )
    assert np.array_equal(access.home_built, before)
    case.households.append(10, zone=np.int16(3), car=np.int8(1), nev=np.int8(1), parking=True)
    gone = np.flatnonzero(before)[0]
    case.households.alive[gone] = False
    update_access(
        access,
        case.households,
        CITY.zones,
        CITY.districts,
        year_inputs(2022),
        year=2022,
        seed=1,
        sample=SAMPLE,
    )
    assert len(access.home_post) == N + 10 and access.bay[N:].all()
    assert np.array_equal(access.home_built[N:], access.home_post[N:])
    assert not access.home_built[gone]
    free = np.flatnonzero(access.home_post & ~access.home_built & case.households.alive)[:5]
    case.households.nev[free] = 1
    update_home_posts(access, case.households)
    assert access.home_built[free].all() and not access.home_built[gone]
    case.households.append(1)
    with pytest.raises(InputError, match="home_post: expected 5011 households: call update_access"):
        update_home_posts(access, case.households)
    with pytest.raises(RunError, match="expected the year after 2022"):
        update_access(
            access,
            case.households,
            CITY.zones,
            CITY.districts,
            year_inputs(2022),
            year=2022,
            seed=1,
            sample=SAMPLE,
        )
