"""Applications and plates from year to year in a small city, bad input refused, levers that move what they name."""

from __future__ import annotations

from functools import cache

import numba
import numpy as np
import pytest

from tests.naive_plates import members
from tests.tiny import tiny_city
from transport_abm.agents.cars.applications import build_applicants, update_applicants
from transport_abm.agents.cars.kernels_plates import find_members, keep_first, lottery_keys
from transport_abm.agents.cars.plate_rules import POOLS, check_rules, family_score, score_growth
from transport_abm.agents.cars.plates import (
    PlateBook,
    PlateYear,
    allocate_plates,
    choose_use,
    expected_wait_year,
    use_plates,
)
from transport_abm.agents.synthesis import synthesise
from transport_abm.agents.tables import Households, Persons
from transport_abm.agents.vehicles import Applicants, Cars
from transport_abm.core.draws import Stream, stream_key, uniform
from transport_abm.core.errors import ConservationError, InputError, LeverError, ParameterError
from transport_abm.core.vocabulary import ApplicantKind, Registration
from transport_abm.policy.inputs import YearInputs, year_inputs
from transport_abm.policy.levers import LeverSetting

FAMILY, INDIVIDUAL, UNIT = ApplicantKind
ORDINARY, NEW_ENERGY = POOLS
CITY = tiny_city()
NO_CARS = Cars.build(0)
SAMPLE = 8000 / 21_893_095
"""The small city's share of Beijing."""


@cache
def _people() -> tuple[Households, Persons]:
    return synthesise(CITY.zones, CITY.districts, year_inputs(2020), sample=1.0, seed=1)[:2]


def people() -> tuple[Households, Persons, np.ndarray]:
    """A small population of its own, and the cars it wants: one more in half of the households."""
    households, persons = Households.build(0), Persons.build(0)
    households.restore(_people()[0].snapshot())
    persons.restore(_people()[1].snapshot())
    wanted = np.minimum(households.car + np.arange(len(households)) % 2, 2).astype(np.int8)
    return households, persons, wanted


def build(case: tuple[Households, Persons, np.ndarray], sample: float = SAMPLE) -> Applicants:
    households, persons, wanted = case
    return build_applicants(households, persons, NO_CARS, wanted, year_inputs(2020), seed=1, sample=sample)


def update(
    table: Applicants, case: tuple[Households, Persons, np.ndarray], year: int, inputs: YearInputs | None = None,
    gain: float = 0.0,
) -> None:  # fmt: skip
    households, persons, wanted = case
    value = np.zeros((len(households), 2))
    value[:, NEW_ENERGY] = gain
    update_applicants(
        table, households, persons, NO_CARS, wanted, value, inputs or year_inputs(year), year=year, seed=1
    )


def give(
    table: Applicants, case: tuple[Households, Persons, np.ndarray], year: int, sample: float = SAMPLE
) -> PlateYear:
    """Plates of a year: given out, used, put on cars."""
    inputs = year_inputs(year)
    done = allocate_plates(table, inputs, year=year, seed=1, sample=sample)
    used = choose_use(table, done.winner, inputs, year=year, seed=1)
    row = done.winner[used]
    home = table.household[row[table.kind[row] != UNIT]]
    use_plates(table, done.winner, used, done, inputs, year=year)
    np.add.at(case[0].car, home, 1)
    return done


def audit(table: Applicants, case: tuple[Households, Persons, np.ndarray]) -> None:
    """One application or plate a person, one a family, and none of members beside it."""
    households, persons, _ = case
    rows = np.flatnonzero(table.alive & (table.kind != UNIT))
    person = table.person[rows][table.kind[rows] == INDIVIDUAL]
    assert len(np.unique(person)) == len(person)
    active = rows[table.won_year[rows] >= 0]
    alone = np.bincount(table.household[active], minlength=len(households))
    family = table.household[active][table.kind[active] == FAMILY]
    assert (alone[family] == 1).all()
    waits = active[table.won_year[active] == 0]
    single = waits[table.kind[waits] == INDIVIDUAL]
    assert persons.licence[table.person[single]].all()
    assert (persons.household[table.person[single]] == table.household[single]).all()
    assert (households.car[table.household[waits[table.kind[waits] == FAMILY]]] == 0).all()


def test_first_lists_have_the_published_lengths_and_only_those_who_want_a_car() -> None:
    case = people()
    table = build(case, SAMPLE / 2)
    inputs = year_inputs(2020)
    for pool, known in ((ORDINARY, 3_100_000), (NEW_ENERGY, 390_000)):
        waits = (table.pool == pool) & (table.won_year == 0) & (table.kind == INDIVIDUAL)
        assert abs(waits.sum() - known * SAMPLE / 2) <= 1
        assert (table.since_year[waits] <= 2020).all()
    held = (table.won_year == 2020).sum()
    expected = (40_000 * 0.953333 + 80_000 * 0.908571) * inputs["plates.unused_share"] * SAMPLE / 2
    assert abs(held - expected) <= 1
    rows = np.flatnonzero(table.kind == INDIVIDUAL)
    home, count = np.unique(table.household[rows], return_counts=True)
    assert (count <= (case[2] - case[0].car)[home]).all()
    assert not (table.kind == FAMILY).any(), "families apply since 2021"
    audit(table, case)


def test_fewer_who_want_a_car_make_a_shorter_list() -> None:
    case = people()
    case[2][400:] = 0
    table = build(case)
    households, persons, wanted = case
    driver = persons.alive & persons.licence & (persons.age >= year_inputs(2020)["plates.adult_year"])
    adults = np.bincount(persons.household[driver], minlength=len(households))
    room = np.clip(np.minimum(wanted, adults) - households.car, 0, 2)
    assert (table.kind == INDIVIDUAL).sum() == room.sum() > 0
    waits = (table.kind == INDIVIDUAL) & (table.won_year == 0)
    assert (waits & (table.pool == ORDINARY)).sum() < 3_100_000 * SAMPLE
    audit(table, case)


def test_qualified_households_come_first() -> None:
    case = people()
    case[0].registration[:] = np.where(
        np.arange(len(case[0])) % 4 == 1, Registration.OTHER, Registration.LOCAL
    )
    table = build(case, SAMPLE / 10)
    home = table.household[table.kind == INDIVIDUAL]
    u = case[0].registration[home] == Registration.OTHER
    qualified = year_inputs(2020)["plates.other_eligible_share"]
    assert 0 < u.mean() < 2 * qualified / (1 + qualified)


def test_plates_and_applications_of_ten_years_close_and_nobody_holds_two() -> None:
    case = people()
    table = build(case)
    held = int((table.won_year > 0).sum())
    for year in range(2021, 2031):
        update(table, case, year)
        audit(table, case)
        done = give(table, case, year, 5 * SAMPLE)
        audit(table, case)
        flows = done.issued.sum() - done.used.sum() - done.expired.sum()
        assert done.held.sum() == held + flows
        assert done.book.opening.sum() == held
        held = int(done.held.sum())
        assert (done.issued <= done.quota).all()
        assert (case[0].car <= 2).all()


def test_members_join_in_one_family_from_2021_with_their_points() -> None:
    case = people()
    households, persons, wanted = case
    table = build(case)
    before = {int(h): int(i) for h, i in zip(table.household, np.arange(len(table)), strict=True) if h >= 0}
    rounds, pool, since = table.round_count.copy(), table.pool.copy(), table.since_year.copy()
    inputs = year_inputs(2021, {"plates.family_apply_share": 1.0})
    update(table, case, 2021, inputs)
    rows = np.flatnonzero(table.alive & (table.kind == FAMILY))
    assert rows.size > 100
    assert (households.car[table.household[rows]] == 0).all()
    assert (table.person[rows] == -1).all()
    assert len(np.unique(table.household[rows])) == len(rows)
    checked = 0
    for row in rows:
        home = int(table.household[row])
        who = np.flatnonzero(persons.alive & (persons.household == home))
        drawn = members(
            [(0, int(persons.age[i]), bool(persons.licence[i]), True) for i in who], 1,
            int(inputs["plates.adult_year"]), inputs["plates.generation_gap_year"],
        )[0]  # fmt: skip
        if wanted[home] != 1:
            continue
        i = before.get(home, -1)
        years = 0.0
        if i >= 0 and row == i:
            years = 1.0 + rounds[i] // 2 if pool[i] == ORDINARY else 2021.0 - since[i]
            assert table.since_year[row] == since[i], "the place in time is kept"
        score = family_score(drawn["size"], drawn["generations"], drawn["peers"] > 1, years, 0.0, inputs)
        assert table.score[row] == score
        checked += 1
    assert checked > 50
    points, place = table.score[rows].copy(), table.household[rows]
    update(table, case, 2022, year_inputs(2022))
    stays = table.alive[rows] & (table.kind[rows] == FAMILY)
    assert stays.all()
    size = households.size[place]
    assert (table.score[rows] - points >= size).all(), "a point for each member and year, at least"
    audit(table, case)


def test_a_family_of_a_couple_and_a_child_gains_ten_points_a_year() -> None:
    assert score_growth(3, 2, True, year_inputs(2021)) == (2 * 2 + 1) * 2
    assert score_growth(2, 2, False, year_inputs(2021)) == (1 + 1) * 2
    inputs = year_inputs(2021)
    grown = family_score(3, 2, True, 2.0, 1.0, inputs)
    assert grown - family_score(3, 2, True, 0.0, 0.0, inputs) == score_growth(3, 2, True, inputs)


def test_households_that_want_no_more_cars_leave_the_lists() -> None:
    case = people()
    table = build(case)
    case[2][:] = case[0].car
    update(table, case, 2021)
    assert not (table.alive & (table.won_year == 0) & (table.kind != UNIT)).any()
    assert (table.alive & (table.won_year == 2020)).any(), "plates in hand stay valid"


def test_plates_of_the_dead_expire_and_return_to_the_next_year() -> None:
    case = people()
    table = build(case)
    holds = np.flatnonzero(table.won_year == 2020)
    waits = np.flatnonzero((table.won_year == 0) & (table.kind == INDIVIDUAL))[:5]
    case[1].alive[table.person[holds]] = False
    case[1].alive[table.person[waits]] = False
    update(table, case, 2021)
    assert (table.won_year[holds] == -2021).all()
    assert not table.alive[waits].any()
    done = give(table, case, 2021)
    assert done.expired.sum() >= len(holds)
    update(table, case, 2022)
    np.testing.assert_array_equal(give(table, case, 2022).returned, done.expired)


def test_one_whose_plate_expired_cannot_apply_for_three_years() -> None:
    case = people()
    table = build(case, SAMPLE / 4)
    inputs = year_inputs(2021)
    done = allocate_plates(table, inputs, year=2021, seed=1, sample=SAMPLE)
    none = np.zeros(len(done.winner), np.bool_)
    use_plates(table, done.winner, none, done, inputs, year=2021)
    lost = np.flatnonzero(table.won_year == -2021)
    assert lost.size
    person = table.person[lost]
    for year in (2022, 2023, 2024, 2025):
        update(table, case, year)
        waits = table.person[table.alive & (table.won_year == 0)]
        again = np.isin(person, waits)
        assert not again.any() if year < 2025 else again.any()
        give(table, case, year)


def test_those_who_value_new_energy_more_apply_for_it() -> None:
    share = []
    for gain in (-2.0, 0.0, 2.0):
        case = people()
        table = build(case, SAMPLE / 50)
        first = len(table)
        update(table, case, 2021, gain=gain)
        share.append(float((table.pool[first:] == NEW_ENERGY).mean()))
    assert share[0] < share[1] < share[2]
    assert share[1] == pytest.approx(0.5, abs=0.05), "without a difference both alike"


def test_who_changes_the_pool_starts_again_unless_a_family() -> None:
    case = people()
    table = build(case)
    pool, n = table.pool.copy(), len(table)
    inputs = year_inputs(2021, {"plates.reconsider_share": 1.0, "plates.family_rule": 0.0})
    update(table, case, 2021, inputs, gain=4.0)
    moved = table.alive[:n] & (table.kind[:n] == INDIVIDUAL) & (table.pool[:n] != pool)
    assert moved.sum() > 100
    assert (table.since_year[:n][moved] == 2021).all()
    assert not table.round_count[:n][moved].any()


def test_losers_of_the_lottery_have_more_rounds_and_units_keep_their_number() -> None:
    case = people()
    table = build(case)
    units = int((table.kind == UNIT).sum())
    before = table.round_count.copy()
    done = give(table, case, 2021)
    lost = np.flatnonzero(table.alive & (table.won_year == 0) & (table.pool == ORDINARY))
    assert (table.round_count[lost] == before[lost] + 2).all()
    assert done.applied[UNIT].sum() == units == done.waiting[UNIT].sum() + done.issued[UNIT].sum()
    assert give(table, case, 2022).applied[UNIT].sum() == units


@pytest.mark.parametrize("threads", [1, 2])
def test_lottery_keys_are_their_formula_on_any_number_of_threads(threads: int) -> None:
    n = 1000
    before = numba.get_num_threads()
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    try:
        key = np.empty(n)
        weight = np.arange(n) % 7.0
        kind = np.zeros(n, np.int8)
        lottery_keys(stream_key(1, Stream.LOTTERY, 2021), np.arange(n), kind, weight, key)
    finally:
        numba.set_num_threads(before)
    with np.errstate(divide="ignore"):
        expected = -np.log(1.0 - uniform(1, Stream.LOTTERY, np.arange(n), 2021)) / weight
    np.testing.assert_allclose(key[weight > 0], expected[weight > 0], rtol=1e-14)
    assert np.isinf(key[weight == 0]).all()


def test_members_are_those_of_the_slow_twin() -> None:
    word = np.random.default_rng(5)
    n, homes = 400, 130
    household = word.integers(0, homes, n).astype(np.int32)
    age = word.integers(0, 95, n).astype(np.int8)
    licence, alive = word.random(n) < 0.6, word.random(n) < 0.9
    driver, count = np.empty((homes, 2), np.int32), np.empty((homes, 4), np.int16)
    find_members(household, age, licence, alive, 18, 20.0, driver, count)
    rows = list(zip(household.tolist(), age.tolist(), licence.tolist(), alive.tolist(), strict=True))
    for h, twin in enumerate(members(rows, homes, 18, 20.0)):
        assert driver[h].tolist() == twin["drivers"]
        assert count[h].tolist() == [twin["size"], twin["adults"], twin["generations"], twin["peers"]]


def test_the_first_to_apply_stay() -> None:
    household = np.array([0, 1, 0, 0, 1], np.int32)
    kept = np.empty(5, np.bool_)
    keep_first(np.arange(5), household, np.array([2, 0], np.int16), kept)
    assert kept.tolist() == [True, False, True, False, False]


def test_one_more_applicant_changes_nobodys_draw() -> None:
    case = people()
    one, two = build(case), build(case)
    two.append(1, household=np.int32(1), kind=np.int8(UNIT), pool=np.int8(ORDINARY), address=np.int64(7))
    first = allocate_plates(one, year_inputs(2021), year=2021, seed=1, sample=SAMPLE)
    second = allocate_plates(two, year_inputs(2021), year=2021, seed=1, sample=SAMPLE)
    np.testing.assert_array_equal(first.winner, second.winner)


def test_books_that_do_not_close_are_refused_by_kind_and_pool() -> None:
    book = PlateBook(2023)
    book.issued[FAMILY, NEW_ENERGY] = 3
    with pytest.raises(ConservationError, match=r"plates 2023.*new_energy family: \+3"):
        book.check()


def test_plates_used_twice_or_never_won_are_refused() -> None:
    case = people()
    table = build(case)
    inputs = year_inputs(2021)
    done = allocate_plates(table, inputs, year=2021, seed=1, sample=SAMPLE)
    loser = np.flatnonzero(table.alive & (table.won_year == 0))[:1]
    for row in (np.repeat(done.winner[:1], 2), loser):
        with pytest.raises(InputError):
            use_plates(table, row, np.ones(len(row), np.bool_), done, inputs, year=2021)
    with pytest.raises(InputError, match="one a row"):
        use_plates(table, done.winner, np.ones(0, np.bool_), done, inputs, year=2021)


def test_values_that_do_not_fit_the_households_are_refused_together() -> None:
    households, persons, wanted = people()
    with pytest.raises(InputError) as error:
        update_applicants(
            Applicants.build(0), households, persons, NO_CARS, wanted[1:], np.zeros((3, 2)), year_inputs(2021),
            year=2021, seed=1,
        )  # fmt: skip
    assert len(error.value.faults) == 2


def test_wrong_rules_are_refused_all_at_once() -> None:
    wrong = {
        "plates.quota_ordinary": -1.0, "plates.new_energy_family_share": 60.0, "plates.ordinary_unit_share": 0.5,
    }  # fmt: skip
    with pytest.raises(ParameterError) as error:
        check_rules(YearInputs(2021, dict(year_inputs(2021)) | wrong))
    text = str(error.value)
    assert len(error.value.faults) == 3
    assert "plates.quota_ordinary: expected 0 or more" in text
    assert "plates.new_energy_family_share: expected a share from 0 to 1, not percent, got 60" in text
    assert "a sum of 1" in text
    with pytest.raises(ParameterError):
        year_inputs(2021, {"plates.new_energy_family_share": 60.0})
    with pytest.raises(ParameterError):
        year_inputs(2021, {"plates.quota_ordinary": -1.0})


def lever(name: str, value: float, year: int = 2023) -> YearInputs:
    return year_inputs(year, levers=[LeverSetting(lever=name, value=value, start_year=2022)])


@pytest.mark.parametrize("name", ["quota_ordinary", "quota_nev", "quota_family_nev", "family_priority"])
def test_a_lever_at_zero_is_the_baseline(name: str) -> None:
    assert lever(name, 0.0) == year_inputs(2023)


def test_levers_cannot_take_more_plates_than_there_are() -> None:
    for name, value, year in (("quota_ordinary", -30_000, 2025), ("quota_family_nev", -1, 2023)):
        with pytest.raises(LeverError, match="expected 0 to"):
            lever(name, value, year)
    assert lever("quota_ordinary", -30_000)["plates.quota_ordinary"] == 0.0


def outcome(inputs: YearInputs) -> tuple[PlateYear, np.ndarray]:
    case = people()
    table = build(case)
    update(table, case, 2023)
    by_kind, _ = expected_wait_year(table, inputs, sample=SAMPLE * 3)
    return allocate_plates(table, inputs, year=2023, seed=1, sample=SAMPLE * 3), by_kind


@pytest.mark.parametrize(
    ("name", "value", "kind", "pool"),
    [("quota_ordinary", 20_000, INDIVIDUAL, ORDINARY), ("quota_nev", 30_000, INDIVIDUAL, NEW_ENERGY),
     ("quota_nev", 30_000, FAMILY, NEW_ENERGY), ("quota_family_nev", 20_000, FAMILY, NEW_ENERGY),
     ("family_priority", 0.2, FAMILY, NEW_ENERGY), ("family_priority", -0.4, INDIVIDUAL, NEW_ENERGY)],
)  # fmt: skip
def test_levers_move_plates_and_waits_the_right_way(
    name: str, value: float, kind: ApplicantKind, pool: int
) -> None:
    base, wait = outcome(year_inputs(2023))
    more, less_wait = outcome(lever(name, value))
    assert more.quota[kind, pool] > base.quota[kind, pool]
    assert more.issued[kind, pool] >= base.issued[kind, pool]
    assert less_wait[kind, pool] < wait[kind, pool]
