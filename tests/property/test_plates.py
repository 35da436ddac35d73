"""Whatever applies and whatever the quotas: plates are conserved, nobody is passed over, all have fair odds."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.naive_plates import Urn, best_families, lottery
from transport_abm.agents.cars.plate_rules import POOLS, SHAPE, ladder, round_lots
from transport_abm.agents.cars.plates import allocate_plates, choose_use, draw_lottery, use_plates
from transport_abm.agents.vehicles import Applicants
from transport_abm.core.draws import Stream, uniform
from transport_abm.core.vocabulary import ApplicantKind
from transport_abm.policy.inputs import YearInputs, year_inputs

FAMILY, INDIVIDUAL, UNIT = ApplicantKind
ORDINARY, NEW_ENERGY = POOLS
YEARS = range(2021, 2026)
BASE = {year: dict(year_inputs(year)) for year in YEARS}


@st.composite
def lists(draw: st.DrawFn) -> tuple[Applicants, int]:
    """Waiting lists with many ties in score and year, some plates held from 2020, and a seed."""
    n = draw(st.integers(1, 120))
    seed = draw(st.integers(0, 2**32))
    word = np.random.default_rng(seed)
    kind = word.choice([FAMILY, INDIVIDUAL], n).astype(np.int8)
    table = Applicants.build(
        n, kind=kind, pool=word.integers(0, 2, n).astype(np.int8), household=np.arange(n, dtype=np.int32),
        person=np.where(kind == INDIVIDUAL, np.arange(n), -1).astype(np.int32),
        since_year=word.integers(2017, 2021, n).astype(np.int16),
        round_count=word.integers(0, 12, n).astype(np.int16),
        score=np.where(kind == FAMILY, word.integers(3, 9, n), 0).astype(np.float32),
        won_year=np.where(word.random(n) < 0.1, 2020, 0).astype(np.int16), address=np.arange(n),
    )  # fmt: skip
    return table, seed


quotas = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 20), st.floats(0, 1))


def inputs_of(year: int, quota: tuple[int, int, int, float]) -> YearInputs:
    """A year with other quotas, and a few units."""
    values = {
        "plates.quota_ordinary": quota[0], "plates.quota_new_energy": quota[1],
        "plates.quota_new_energy_family": quota[2], "plates.new_energy_family_share": quota[3],
        "plates.waiting_ordinary_unit_count": 5.0, "plates.waiting_new_energy_unit_count": 3.0,
    }  # fmt: skip
    return YearInputs(year, BASE[year] | values)


@given(lists(), st.lists(quotas, min_size=len(YEARS), max_size=len(YEARS)))
@settings(max_examples=60, deadline=None)
def test_plates_are_conserved_and_never_exceed_the_quota(
    case: tuple[Applicants, int], quota: list[tuple[int, int, int, float]]
) -> None:
    table, seed = case
    urn, before = Urn(), np.zeros(SHAPE, int)
    for kind in ApplicantKind:
        for pool in POOLS:
            urn.held[kind, pool] = int(
                ((table.won_year > 0) & (table.kind == kind) & (table.pool == pool)).sum()
            )
    for year, each in zip(YEARS, quota, strict=True):
        inputs = inputs_of(year, each)
        done = allocate_plates(table, inputs, year=year, seed=seed, sample=1.0)
        used = choose_use(table, done.winner, inputs, year=year, seed=seed)
        use_plates(table, done.winner, used, done, inputs, year=year)
        assert (done.issued <= done.quota).all()
        assert (done.issued <= done.applied).all()
        np.testing.assert_array_equal(done.returned, before)
        total = done.quota.sum() + done.operating.sum() - before.sum()
        assert abs(total - each[0] - each[1] - each[2]) <= len(POOLS), (
            "the lots are the quota, to within one a pool"
        )
        np.testing.assert_array_equal(done.waiting, done.applied - done.issued)
        for kind in ApplicantKind:
            for pool in POOLS:
                where = (kind, pool)
                held = urn.close(
                    where, int(done.issued[where]), int(done.used[where]), int(done.expired[where])
                )
                assert held == done.held[where]
        assert used.sum() == done.used.sum()
        before = done.expired.copy()
        rows = np.flatnonzero(table.alive & (table.kind != UNIT))
        assert len(np.unique(table.household[rows])) == len(rows), "nobody holds or waits twice"
        assert (table.won_year[rows] == year).sum() == done.held[[FAMILY, INDIVIDUAL]].sum(), (
            "plates of earlier years are gone"
        )


@given(lists(), quotas)
@settings(max_examples=60, deadline=None)
def test_no_family_loses_to_a_lower_score_and_no_individual_to_a_later_one(
    case: tuple[Applicants, int], quota: tuple[int, int, int, float]
) -> None:
    table, seed = case
    waits = table.won_year == 0
    allocate_plates(table, inputs_of(2021, quota), year=2021, seed=seed, sample=1.0)
    n = len(waits)
    won = table.won_year[:n] == 2021
    for kind in (FAMILY, INDIVIDUAL):
        mine = np.flatnonzero(waits & (table.kind[:n] == kind) & (table.pool[:n] == NEW_ENERGY))
        day = uniform(seed, Stream.APPLICATION, table.address[mine], 0, int(kind))
        score = table.score[mine] if kind == FAMILY else np.zeros(len(mine))
        rows = list(zip(score.tolist(), (table.since_year[mine] + day).tolist(), strict=True))
        expected = best_families(rows, int(won[mine].sum()))
        assert set(np.flatnonzero(won[mine]).tolist()) == expected


@given(lists(), quotas)
@settings(max_examples=40, deadline=None)
def test_the_lottery_is_its_slow_twin(
    case: tuple[Applicants, int], quota: tuple[int, int, int, float]
) -> None:
    table, seed = case
    inputs = inputs_of(2021, quota)
    mine = np.flatnonzero((table.won_year == 0) & (table.pool == ORDINARY))
    weight = np.where(table.kind[mine] == FAMILY, table.score[mine], ladder(table.round_count[mine], inputs))
    kind = table.kind[mine].tolist()
    done = allocate_plates(table, inputs, year=2021, seed=seed, sample=1.0)
    n = int(done.issued[[FAMILY, INDIVIDUAL], ORDINARY].sum())
    twin = lottery(seed, 2021, table.address[mine].tolist(), kind, weight.tolist(), n)
    assert set(np.flatnonzero(table.won_year[mine] == 2021).tolist()) == twin
    assert n == min(len(mine), int(done.quota[[FAMILY, INDIVIDUAL], ORDINARY].sum()))


@given(st.lists(st.floats(0, 500), min_size=1, max_size=6), st.floats(0, 1, exclude_max=True))
def test_lots_are_rounded_up_or_down_and_keep_their_sum(lot: list[float], u: float) -> None:
    whole = round_lots(np.array(lot), u)
    assert (np.abs(whole - np.array(lot)) < 1.0 + 1e-9).all()
    assert abs(whole.sum() - sum(lot)) < 1.0 + 1e-9
    assert (whole >= 0).all()


@given(st.integers(0, 2**32), st.integers(2, 60), st.integers(1, 59))
@settings(max_examples=50, deadline=None)
def test_a_further_plate_takes_nothing_from_those_who_win_without_it(seed: int, n: int, quota: int) -> None:
    who, kind = np.arange(n), np.full(n, INDIVIDUAL, np.int8)
    weight = (1.0 + np.arange(n) % 5).astype(np.float64)
    few = draw_lottery(who, kind, weight, min(quota, n), year=2021, seed=seed)
    more = draw_lottery(who, kind, weight, min(quota + 1, n), year=2021, seed=seed)
    assert set(few) <= set(more)
    assert len(few) == min(quota, n)


@given(st.integers(0, 2**32), st.permutations(range(12)))
@settings(max_examples=40, deadline=None)
def test_who_wins_does_not_depend_on_the_order_of_rows(seed: int, order: list[int]) -> None:
    who, kind = np.arange(12), np.full(12, INDIVIDUAL, np.int8)
    weight = (1.0 + np.arange(12) % 4).astype(np.float64)
    there = draw_lottery(who, kind, weight, 5, year=2022, seed=seed)
    here = draw_lottery(who[order], kind, weight[order], 5, year=2022, seed=seed)
    assert set(there) == {order[i] for i in here}


def test_equal_weights_have_equal_odds_and_heavier_ones_better() -> None:
    repeats, n, quota = 3000, 20, 4
    weight = np.where(np.arange(n) < 10, 1.0, 3.0)
    count = np.zeros(n)
    for seed in range(repeats):
        count[
            draw_lottery(np.arange(n), np.full(n, INDIVIDUAL, np.int8), weight, quota, year=2021, seed=seed)
        ] += 1
    for group in (count[:10], count[10:]):
        p = group.mean() / repeats
        chi = ((group - group.mean()) ** 2).sum() / (repeats * p * (1 - p))
        assert chi < 9 + 3 * np.sqrt(18)
    assert count[10:].mean() > 2 * count[:10].mean()


def test_small_samples_are_not_biased() -> None:
    # Over evenly spread draws the mean of each lot is the lot itself.
    lot = np.array([0.3, 1.7, 0.05, 2.0])
    mean = np.mean([round_lots(lot, u) for u in (np.arange(2000) + 0.5) / 2000], axis=0)
    np.testing.assert_allclose(mean, lot, atol=1e-3)
