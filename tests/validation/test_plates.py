"""V-19 and V-20: the lottery has the published distributions, the queue its order; the rules are Beijing's own."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import hypergeom

from tests.naive_plates import inclusion
from transport_abm.agents.cars.plate_rules import (
    POOLS,
    check_rules,
    family_score,
    ladder,
    read_history,
    read_quota,
)
from transport_abm.agents.cars.plates import allocate_plates, draw_lottery, expected_wait_year
from transport_abm.agents.vehicles import Applicants
from transport_abm.core.vocabulary import ApplicantKind, PlateKind
from transport_abm.policy.inputs import year_inputs

FAMILY, INDIVIDUAL, UNIT = ApplicantKind
ORDINARY, NEW_ENERGY = POOLS


def draws(weight: np.ndarray, n: int, repeats: int) -> np.ndarray:
    """Who wins in many lotteries, shape (repeats, applicants)."""
    who, kind = np.arange(len(weight)), np.full(len(weight), INDIVIDUAL, np.int8)
    won = np.zeros((repeats, len(weight)), bool)
    for seed in range(repeats):
        won[seed, draw_lottery(who, kind, weight, n, year=2021, seed=seed)] = True
    return won


def test_equal_weights_give_the_hypergeometric_mean_and_variance() -> None:
    total, marked, n, repeats = 60, 24, 15, 4000
    count = draws(np.ones(total), n, repeats)[:, :marked].sum(axis=1)
    law = hypergeom(total, marked, n)
    mean, variance, kurtosis = (float(x) for x in law.stats("mvk"))
    assert mean == pytest.approx(n * marked / total)
    assert abs(count.mean() - mean) < 3 * np.sqrt(variance / repeats)
    spread = variance * np.sqrt((kurtosis + 2.0) / repeats)
    assert abs(count.var() - variance) < 3 * spread


def test_weighted_inclusion_meets_exact_enumeration() -> None:
    weight, n, repeats = np.array([1.0, 1.0, 2.0, 3.0, 5.0, 14.0]), 3, 20_000
    exact = np.array(inclusion(weight.tolist(), n))
    assert exact.sum() == pytest.approx(n)
    share = draws(weight, n, repeats).mean(axis=0)
    assert (np.abs(share - exact) < 3 * np.sqrt(exact * (1 - exact) / repeats)).all()


def queue(length: int, per_year: int) -> Applicants:
    """Individuals who wait for new-energy plates, some years' worth, the rows in no order of time."""
    n = np.arange(length)
    since = 2010 + (n * 7) % 10
    return Applicants.build(
        length, kind=np.int8(INDIVIDUAL), pool=np.int8(NEW_ENERGY), household=n.astype(np.int32),
        person=n.astype(np.int32), since_year=since.astype(np.int16), address=n,
    )  # fmt: skip


def only(**quota: float) -> dict[str, float]:
    """Overrides: no plates but these, all for families and individuals, families without a part."""
    shares = {f"plates.{pool.name.lower()}_{each}_share": float(each == "personal")
              for pool in POOLS for each in ("personal", "unit", "operating")}  # fmt: skip
    none = {
        f"plates.quota_{name}": 0.0
        for name in ("ordinary", "new_energy", "new_energy_family", "new_energy_individual")
    }
    units = {f"plates.waiting_{pool.name.lower()}_unit_count": 0.0 for pool in POOLS}
    given = {f"plates.quota_{name}": value for name, value in quota.items()}
    return {**shares, **none, **units, "plates.new_energy_family_share": 0.0, **given}


def test_the_queue_has_no_inversion_and_waits_its_length_by_its_quota() -> None:
    length, quota = 1200, 100
    people = queue(length, quota)
    inputs = {year: year_inputs(year, only(new_energy=quota)) for year in range(2021, 2033)}
    by_kind, by_pool = expected_wait_year(people, inputs[2021], sample=1.0)
    assert by_pool[NEW_ENERGY] == by_kind[INDIVIDUAL, NEW_ENERGY] == length / quota
    last = 2010
    for k, year in enumerate(inputs):
        done = allocate_plates(people, inputs[year], year=year, seed=3, sample=1.0)
        won = people.won_year == year
        assert won.sum() == quota
        assert people.since_year[won].min() >= last, "nobody wins after one who applied later"
        last = people.since_year[won].max()
        assert done.wait_year[NEW_ENERGY] == (length - (k + 1) * quota) / quota
    assert (people.won_year > 0).all(), "the last one has waited length / quota years"
    assert people.won_year.max() - 2020 == length / quota


def test_expected_wait_of_a_lottery_is_one_by_its_odds() -> None:
    n = np.arange(500)
    people = Applicants.build(500, kind=np.int8(INDIVIDUAL), pool=np.int8(ORDINARY), household=n.astype(np.int32),
                              person=n.astype(np.int32), since_year=np.int16(2020), address=n)  # fmt: skip
    inputs = year_inputs(2021, only(ordinary=20.0))
    wait = expected_wait_year(people, inputs, sample=1.0)[1][ORDINARY]
    done = allocate_plates(people, inputs, year=2021, seed=1, sample=1.0)
    assert done.odds[INDIVIDUAL, ORDINARY] == 20 / 500
    assert wait == 1.0 / done.odds[INDIVIDUAL, ORDINARY]


def test_a_pool_without_quota_waits_as_long_as_the_cap() -> None:
    by_kind, by_pool = expected_wait_year(queue(10, 1), year_inputs(2021, only()), sample=1.0)
    assert by_pool[NEW_ENERGY] == year_inputs(2021)["plates.wait_max_year"] == by_kind[INDIVIDUAL, NEW_ENERGY]
    assert by_pool[ORDINARY] == 0.0, "nobody waits for one"


def test_the_published_example_of_a_family_has_126_points() -> None:
    # Eight members, three generations; main, spouse and two others with five points each: quota office, 2020.
    inputs = year_inputs(2021)
    score = family_score(8, 3, True, 10.0, 10.0, inputs)
    assert score == 126.0
    assert score / 1.0 == 126.0, "times the odds of an individual's first lottery"
    assert score / ladder(4 * 2, inputs) == pytest.approx(25.2), "25 times those of one with ladder 5"


@pytest.mark.parametrize(
    ("year", "total", "new_energy"),
    [(2020, 120_000, 80_000), (2021, 100_000, 60_000), (2022, 100_000, 70_000), (2023, 100_000, 70_000),
     (2024, 120_000, 100_000), (2025, 140_000, 120_000), (2026, 180_000, 160_000), (2030, 180_000, 160_000)],
)  # fmt: skip
def test_quotas_are_the_published_ones(year: int, total: int, new_energy: int) -> None:
    inputs = year_inputs(year)
    extra = inputs["plates.quota_new_energy_family"] + inputs["plates.quota_new_energy_individual"]
    assert inputs["plates.quota_new_energy"] + extra == new_energy
    assert inputs["plates.quota_ordinary"] == total - new_energy
    if year > 2020:
        quota = read_quota(inputs)
        np.testing.assert_allclose(quota.lot.sum() + quota.operating.sum(), total, rtol=1e-6)


def test_classes_of_2023_are_the_published_ones() -> None:
    quota = read_quota(year_inputs(2023))
    got = [quota.lot[:, ORDINARY].sum() - quota.lot[UNIT, ORDINARY], quota.lot[UNIT, ORDINARY],
           quota.operating[ORDINARY], *quota.lot[:, NEW_ENERGY], quota.operating[NEW_ENERGY]]  # fmt: skip
    np.testing.assert_allclose(got, [28_600, 1_200, 200, 50_880, 12_720, 3_600, 2_800], atol=0.1)


def test_before_2021_there_are_no_families() -> None:
    quota = read_quota(year_inputs(2020))
    assert not quota.families
    assert not quota.lot[FAMILY].any()
    assert read_quota(year_inputs(2021)).families


def test_lists_of_2020_follow_from_past_lists_and_quotas() -> None:
    history = read_history()
    for pool, known in ((ORDINARY, 3_100_000), (NEW_ENERGY, 390_000)):
        left = history.survivors(pool, 0.05)
        assert left.sum() == pytest.approx(known)
        assert (left >= 0).all()
    # A queue keeps its last entries: without exits those that fill the list, the oldest cut.
    entries = np.diff(history.waiting[:, NEW_ENERGY], prepend=0.0) + history.quota[:, NEW_ENERGY]
    left, behind = history.survivors(NEW_ENERGY, 0.0), 0.0
    for k in range(len(left))[::-1]:
        assert left[k] == pytest.approx(min(entries[k], 390_000 - behind))
        behind += left[k]


@pytest.mark.parametrize("year", range(2020, 2031))
def test_rules_of_every_year_hold(year: int) -> None:
    check_rules(year_inputs(year))


def test_plates_are_kinds_of_the_pools() -> None:
    assert POOLS == (PlateKind.ORDINARY, PlateKind.NEW_ENERGY)
