"""Private cars: how they are built, turn over, change hands, and how many are wanted."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import pytest
from hypothesis import given as forall
from hypothesis import settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests import naive_cars
from tests.tiny import tiny_city
from transport_abm.agents.cars.desire import (
    LICENCES,
    calibrate_desire,
    choose_desire,
    expected_queue,
    members,
    utilities,
)
from transport_abm.agents.cars.kernels_turnover import age_cars, place_in_household
from transport_abm.agents.cars.stock import build_cars, count_cars
from transport_abm.agents.cars.turnover import (
    Given,
    may_replace,
    scrappage_pays,
    thresholds,
    turn_over,
    yearly_chances,
)
from transport_abm.agents.synthesis import synthesise
from transport_abm.agents.tables import Households, Persons
from transport_abm.agents.vehicles import Cars, VehicleBook
from transport_abm.core.draws import Stream, stream_key, uniform
from transport_abm.core.errors import InputError
from transport_abm.core.vocabulary import PersonStatus, PlateKind, Powertrain
from transport_abm.policy.inputs import YearInputs, year_inputs
from transport_abm.policy.levers import LeverSetting

CITY = tiny_city()


@dataclass
class Case:
    """People of the tiny city and their cars."""

    households: Households
    persons: Persons
    cars: Cars


def build(seed: int = 1) -> Case:
    """The tiny city at the end of 2020."""
    households, persons, _ = synthesise(CITY.zones, CITY.districts, year_inputs(2020), sample=1.0, seed=seed)
    return Case(households, persons, build_cars(households, year_inputs(2020), seed=seed))


def street(n: int, seed: int = 3) -> Case:
    """Households with 0, 1 or 2 cars of all kinds and ages, some of them gone."""
    u = uniform(seed, Stream.HOUSEHOLD, np.arange(n), 0)
    count = (u * 3).astype(np.int8)
    households = Households.build(
        n, car=count, alive=uniform(seed, Stream.HOUSEHOLD, np.arange(n), 0, 1) > 0.05
    )
    holder = np.repeat(np.arange(n, dtype=np.int32), count)
    rank = np.arange(len(holder))
    powertrain = (rank % 4).astype(np.int8)
    cars = Cars.build(
        len(holder), household=holder, powertrain=powertrain, age=(rank % 25).astype(np.int8),
        plate=np.where(powertrain == Powertrain.BEV, PlateKind.NEW_ENERGY, PlateKind.ORDINARY).astype(np.int8),
        alive=rank % 17 > 0,
    )  # fmt: skip
    return Case(households, Persons.build(0), cars)


def turn(
    case: Case, inputs: YearInputs, seed: int = 1, **more: NDArray[np.int8]
) -> tuple[Given, VehicleBook]:
    """One year's turnover."""
    book = VehicleBook(inputs.year)
    given = turn_over(case.cars, case.households, inputs, book, year=inputs.year, seed=seed, **more)
    book.check()
    return given, book


def test_every_car_of_a_household_is_a_row_and_counting_gives_them_back() -> None:
    case = build()
    car, nev = case.households.car.copy(), case.households.nev.copy()
    case.households.car[:] = 0
    case.households.nev[:] = 0
    count_cars(case.households, case.cars)
    np.testing.assert_array_equal(case.households.car, car)
    np.testing.assert_array_equal(case.households.nev, nev)


def test_only_cars_that_can_be_charged_have_a_range_and_only_battery_cars_a_new_energy_plate() -> None:
    cars = build().cars
    plug = np.isin(cars.powertrain, (Powertrain.PHEV, Powertrain.BEV))
    np.testing.assert_array_equal(cars.range_km > 0, plug)
    assert (cars.powertrain[cars.plate == PlateKind.NEW_ENERGY] == Powertrain.BEV).all()
    assert not (cars.plate == PlateKind.OUT_OF_TOWN).any()
    assert (cars.age[cars.powertrain == Powertrain.BEV] <= 2020 - 2014).all()


def test_powertrains_of_the_base_year_have_their_shares() -> None:
    n = 60_000
    inputs = year_inputs(2020)
    households = Households.build(n, car=np.int8(1), nev=(np.arange(n) % 10 == 0).astype(np.int8))
    cars = build_cars(households, inputs, seed=1)
    rest = n - n // 10
    for p, path in ((Powertrain.PHEV, "cars.phev_share"), (Powertrain.HEV, "cars.hev_share")):
        share = inputs[path]
        error = np.sqrt(rest * share * (1 - share))
        assert abs((cars.powertrain == p).sum() - rest * share) < 4 * error
    assert (cars.powertrain == Powertrain.BEV).sum() == n // 10
    ordinary = (cars.plate[cars.powertrain == Powertrain.BEV] == PlateKind.ORDINARY).sum()
    share = inputs["cars.bev_ordinary_plate_share"]
    assert abs(ordinary - n // 10 * share) < 4 * np.sqrt(n // 10 * share * (1 - share))


def test_more_battery_cars_than_cars_are_refused() -> None:
    with pytest.raises(InputError, match="households: nev"):
        build_cars(
            Households.build(3, car=np.int8(1), nev=np.array([0, 1, 2], np.int8)), year_inputs(2020), seed=1
        )


def test_posts_at_home_are_those_of_the_household() -> None:
    households = Households.build(50, car=np.int8(2))
    post = np.arange(50) % 3 == 0
    cars = build_cars(households, year_inputs(2020), seed=1, home_post=post)
    np.testing.assert_array_equal(cars.home_post, post[cars.household])


def test_fates_are_those_of_the_slow_twin() -> None:
    case = street(300)
    chance = yearly_chances(year_inputs(2023))
    slow = naive_cars.fates(case.cars, case.households, chance, 2023, 5)
    n = len(case.cars)
    place, fate, age = np.empty(n, np.int8), np.empty(n, np.int8), case.cars.age.copy()
    place_in_household(case.cars.household, case.cars.alive, np.zeros(300, np.int8), place)
    assert place.tolist() == naive_cars.places(case.cars)
    age_cars(
        case.cars.household, place, case.cars.powertrain, case.households.id, case.households.alive,
        thresholds(chance), stream_key(5, Stream.SCRAP, 2023), age, fate,
    )  # fmt: skip
    assert list(zip(fate.tolist(), age.tolist(), strict=True)) == slow
    assert set(fate.tolist()) == set(range(6))


def test_one_and_two_threads_give_the_same_bits() -> None:
    threads = numba.get_num_threads()
    results = []
    try:
        for count in (1, 2):
            numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))
            case = build()
            wanted = choose_desire(
                case.households, case.persons, CITY.zones, year_inputs(2022), year=2022, seed=1
            )
            given, book = turn(case, year_inputs(2022))
            results.append(
                [*case.cars.snapshot().values(), wanted, given.household, given.plate, book.closing]
            )
    finally:
        numba.set_num_threads(threads)
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)


@settings(max_examples=25, deadline=None)
@forall(
    seed=st.integers(0, 2**32), year=st.integers(2021, 2030), resold=st.floats(0, 1), buyers=st.floats(0, 1)
)
def test_owners_have_a_car_or_its_plate_and_the_gone_have_nothing(
    seed: int, year: int, resold: float, buyers: float
) -> None:
    case = street(400, seed)
    cars, alive = case.cars, case.households.alive
    own = np.flatnonzero(cars.alive)
    before = np.zeros((400, len(PlateKind)), np.int64)
    np.add.at(before, (cars.household[own], cars.plate[own]), 1)
    given, _ = turn(
        case, year_inputs(year, {"cars.resold_share": resold, "cars.used_buyer_share": buyers}), seed
    )
    own = np.flatnonzero(cars.alive)
    after = np.zeros_like(before)
    np.add.at(after, (cars.household[own], cars.plate[own]), 1)
    np.add.at(after, (given.household, given.plate), 1)
    np.testing.assert_array_equal(after[alive], before[alive])
    assert not after[~alive].any()


def test_cars_sold_inside_the_city_replace_cars_that_are_gone() -> None:
    parts = {"cars.resold_share": 1.0, "cars.used_buyer_share": 1.0, "cars.replace_share": 0.3}
    market, none = street(20_000), street(20_000)
    given, book = turn(market, year_inputs(2022, parts))
    apart, book_apart = turn(none, year_inputs(2022, parts | {"cars.used_buyer_share": 0.0}))
    bought = len(apart) - len(given)
    assert bought > 500
    assert book.scrapped.sum() == book_apart.scrapped.sum()
    assert book_apart.taken_out.sum() - book.taken_out.sum() == bought
    moved = market.cars.household != none.cars.household
    assert moved.sum() <= bought
    assert (market.cars.alive & ~none.cars.alive).sum() == bought
    # Nobody who wants fewer cars than were held takes a used one.
    unwilling = street(20_000)
    all_given, _ = turn(unwilling, year_inputs(2022, parts), wanted=np.zeros(20_000, np.int8))
    assert len(all_given) == len(apart)


def test_no_car_outlives_the_age_limit() -> None:
    case = street(3_000)
    turn(case, year_inputs(2022, {"cars.age_limit_year": 12.0}))
    lives = case.cars.alive
    assert case.cars.age[lives].max() == 12


def test_cars_leave_the_city_for_age_only_beyond_the_age() -> None:
    parts = {"cars.replace_share": 0.0, "cars.export_share": 0.3, "cars.export_age_year": 6.0}
    chance = yearly_chances(year_inputs(2022, parts))
    assert not chance[:, :7, 1].any()
    assert (chance[:, 7:, 1] == 0.3).all()


def subsidy(value: float) -> YearInputs:
    """Inputs of 2025 under the trade-in subsidy."""
    return year_inputs(2025, None, [LeverSetting(lever="tradein_subsidy_cny", value=value, start_year=2024)])


def test_a_subsidy_of_nothing_changes_nothing() -> None:
    assert subsidy(0.0) == year_inputs(2025)


def test_the_subsidy_makes_more_owners_give_up_oil_cars_and_none_keep_one() -> None:
    parts = {"cars.resold_share": 0.0}
    free, paid = street(20_000), street(20_000)
    given, book = turn(free, year_inputs(2025, parts))
    more, book_more = turn(
        paid,
        year_inputs(2025, parts, [LeverSetting(lever="tradein_subsidy_cny", value=20_000, start_year=2024)]),
    )
    assert not (paid.cars.alive & ~free.cars.alive).any()
    extra = free.cars.alive & ~paid.cars.alive
    assert set(free.cars.powertrain[extra].tolist()) == {Powertrain.ICE, Powertrain.HEV}
    assert extra.sum() == len(more) - len(given) > 20
    assert book_more.scrapped.sum() == book.scrapped.sum()
    chance = yearly_chances(subsidy(20_000.0))[..., 2] / yearly_chances(year_inputs(2025))[..., 2]
    np.testing.assert_allclose(chance[Powertrain.ICE, 1:], np.exp(0.12 * 2))
    assert (chance[[Powertrain.PHEV, Powertrain.BEV, Powertrain.FCEV]] == 1.0).all()


def test_the_national_subsidy_scraps_more_of_the_old_cars_it_is_for_and_no_other() -> None:
    none = {"vehicle_prices.tradein_nev_cny": 0.0, "vehicle_prices.tradein_ice_cny": 0.0}
    paid = none | {"vehicle_prices.tradein_nev_cny": 20_000.0}
    before, after = yearly_chances(year_inputs(2025, none)), yearly_chances(year_inputs(2025, paid))
    np.testing.assert_array_equal(before[..., 1:], after[..., 1:])
    rate = np.log1p(-after[:, :30, 0]) / np.log1p(-before[:, :30, 0])
    for p, youngest in (
        (Powertrain.ICE, 13),
        (Powertrain.HEV, 13),
        (Powertrain.PHEV, 7),
        (Powertrain.BEV, 7),
    ):
        assert (after[p, :youngest, 0] == before[p, :youngest, 0]).all()
        np.testing.assert_allclose(rate[p, youngest:], np.exp(0.12 * 2), rtol=1e-6)


@pytest.mark.parametrize(
    ("powertrain", "registered", "paid"),
    [
        (Powertrain.ICE, 2008, True),
        (Powertrain.ICE, 2012, False),
        (Powertrain.HEV, 2010, True),
        (Powertrain.BEV, 2017, True),
        (Powertrain.PHEV, 2018, False),
    ],
)
def test_the_stage_of_a_scrapped_car_is_told_by_its_registration_in_whatever_year_it_goes(
    powertrain: Powertrain, registered: int, paid: bool
) -> None:
    for year in (2024, 2025):
        told = scrappage_pays(
            np.array([powertrain], np.int8), np.array([registered], np.int16), year_inputs(year)
        )
        assert told.tolist() == [paid]


def test_a_car_given_up_keeps_its_year_of_registration() -> None:
    case = street(3_000)
    before = (2021 - case.cars.age.astype(int), case.cars.household.copy(), case.cars.alive.copy())
    given, _ = turn(case, year_inputs(2022, {"cars.used_buyer_share": 0.0}))
    held = set(zip(before[1][before[2]].tolist(), before[0][before[2]].tolist(), strict=True))
    assert len(given) > 100
    assert set(zip(given.household.tolist(), given.registered_year.tolist(), strict=True)) <= held


def test_luck_belongs_to_the_household_not_to_the_row() -> None:
    one, other = street(2_000), street(2_000)
    other.cars.alive[:] = False
    old = np.flatnonzero(one.cars.alive)
    columns = {name: one.cars.column(name)[old] for name in ("household", "age", "powertrain", "plate")}
    other.cars.append(len(old), **columns)
    given, again = turn(one, year_inputs(2022))[0], turn(other, year_inputs(2022))[0]
    np.testing.assert_array_equal(given.household, again.household)
    np.testing.assert_array_equal(given.powertrain, again.powertrain)


def test_plates_are_used_again_up_to_the_cars_wanted() -> None:
    given = Given(
        np.array([0, 0, 1, 2, 3], np.int32), np.zeros(5, np.int8), np.ones(5, np.bool_), np.zeros(5, np.int8),
        np.full(5, 2010, np.int16),
    )  # fmt: skip
    car, wanted = np.array([0, 1, 0, 0], np.int8), np.array([1, 1, 2, 0], np.int8)
    assert may_replace(given, car, wanted).tolist() == [True, False, False, True, False]


def wish_inputs(case: Case, year: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int8]]:
    """Utilities without the constant, and members."""
    inputs = year_inputs(year)
    member = members(case.households, case.persons, inputs)
    return *utilities(case.households, member, CITY.zones, inputs, year, None), member


def test_wishes_are_those_of_the_slow_twin() -> None:
    case, inputs = build(), year_inputs(2020)
    constant = 0.4
    wanted = choose_desire(
        case.households, case.persons, CITY.zones, inputs, year=2020, seed=1, constant=constant
    )
    first, second, member = wish_inputs(case, 2020)
    u = uniform(1, Stream.DESIRE, case.households.id, 0)
    for h in range(0, len(case.households), 7):
        assert tuple(member[h]) == naive_cars.members(case.persons, h, inputs["cars.child_age_year"])
        one, two = first[h] + constant, second[h] + constant
        held, licence = int(case.households.car[h]), int(member[h, LICENCES])
        assert wanted[h] == naive_cars.wish(one, two, u[h], held, licence, inputs["cars.desire_habit"])
    assert set(wanted.tolist()) == {0, 1, 2}


def test_utility_is_that_of_the_blueprint() -> None:
    inputs = year_inputs(2020)
    households = Households.build(
        1, income_cny=np.float32(np.e * inputs["cars.income_reference_cny"]), parking=True, car=np.int8(0)
    )
    status = np.array([PersonStatus.WORKER, PersonStatus.WORKER, PersonStatus.CHILD], np.int8)
    persons = Persons.build(
        3, age=np.array([30, 31, 3], np.int8), status=status, licence=[True, False, False]
    )
    member = members(households, persons, inputs)
    metro = np.full(len(CITY.zones), 0.5)
    first, second = utilities(households, member, CITY.zones, inputs, 2020, metro)
    assert first[0] == pytest.approx(0.9 + 2 * 0.25 + 0.4 + 0.5 - 0.35 * 0.5, abs=1e-6)
    assert second[0] - first[0] == pytest.approx(-2.6 + 0.6, abs=1e-6)
    with pytest.raises(InputError, match="metro: shape"):
        utilities(households, member, CITY.zones, inputs, 2020, metro[:-1])


def test_the_constant_meets_the_waiting_lists_in_the_mean_over_tastes() -> None:
    case, inputs = build(), year_inputs(2020)
    constant = calibrate_desire(case.households, case.persons, CITY.zones, inputs, year=2020, sample=1.0)
    queue = (3_100_000 + 390_000) * CITY.zones.residents.sum() / 21_893_095
    first, second, member = wish_inputs(case, 2020)
    expected = expected_queue(
        first + constant, second + constant, case.households.car, member[:, LICENCES],
        inputs["cars.desire_habit"], case.households.alive,
    )  # fmt: skip
    assert expected == pytest.approx(queue, rel=1e-9)
    seen = []
    for seed in range(40):
        wanted = choose_desire(
            case.households, case.persons, CITY.zones, inputs, year=2020, seed=seed, constant=constant
        )
        seen.append(np.maximum(wanted - case.households.car, 0).sum())
    error = np.std(seen, ddof=1) / np.sqrt(len(seen))
    assert abs(np.mean(seen) - queue) < 3.5 * error


def test_a_waiting_list_longer_than_licences_allow_is_refused() -> None:
    case = build()
    inputs = year_inputs(2020, {"plates.waiting_ordinary_count": 9e6})
    with pytest.raises(InputError, match=r"waiting_\*_count: cars wanted: expected at most"):
        calibrate_desire(case.households, case.persons, CITY.zones, inputs, year=2020, sample=1.0)


@settings(max_examples=20, deadline=None)
@forall(seed=st.integers(0, 2**32), constant=st.floats(-3.0, 3.0))
def test_taste_alone_takes_no_last_car_and_nobody_wants_beyond_licences(seed: int, constant: float) -> None:
    case, inputs = CASE, year_inputs(2020)
    wanted = choose_desire(
        case.households, case.persons, CITY.zones, inputs, year=2020, seed=seed, constant=constant
    )
    first, _, member = wish_inputs(case, 2020)
    held, licence = case.households.car, member[:, LICENCES]
    used_to = first + constant + inputs["cars.desire_habit"] > 0
    assert (wanted[(held > 0) & (licence > 0) & used_to] >= 1).all()
    assert (wanted <= np.maximum(licence, held)).all()
    assert not wanted[licence == 0].any()


CASE = build()


def test_tastes_last_and_more_income_never_means_fewer_cars() -> None:
    case, inputs = build(), year_inputs(2020, {"cars.price_growth": 0.0})
    zones = CITY.zones
    now = choose_desire(case.households, case.persons, zones, inputs, year=2020, seed=1)
    later = choose_desire(case.households, case.persons, zones, inputs, year=2027, seed=1)
    np.testing.assert_array_equal(now, later)
    case.households.income_cny[:] *= 1.3
    richer = choose_desire(case.households, case.persons, zones, inputs, year=2027, seed=1)
    assert (richer >= now).all()
    assert (richer > now).any()


def test_the_gone_want_nothing_and_a_station_nearby_lowers_wishes() -> None:
    case, inputs, zones = build(), year_inputs(2020), CITY.zones
    case.households.alive[::5] = False
    far = choose_desire(
        case.households, case.persons, zones, inputs, year=2020, seed=1, metro=np.zeros(len(zones))
    )
    near = choose_desire(
        case.households, case.persons, zones, inputs, year=2020, seed=1, metro=np.ones(len(zones))
    )
    assert not far[::5].any()
    assert (near <= far).all()
    assert (near < far).any()
