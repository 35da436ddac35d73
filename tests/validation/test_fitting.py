"""V-21, V-22: fitting keeps margins and cross-product ratios; gravity keeps totals at the entropy optimum."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.naive_people import balance_in_cycles, rake_in_cycles, systematic_counts
from transport_abm.agents.fitting import FitReport, fit_table, rake, truncate_replicate_sample
from transport_abm.agents.gravity import balance, calibrate_beta, deterrence_of
from transport_abm.agents.kernels_rounding import round_matrix
from transport_abm.core.errors import ConvergenceWarning, InputError

F64 = NDArray[np.float64]

MARGIN = 1e-6
"""Relative error of a margin that V-21 allows."""
TOTAL = 1e-8
"""Relative error of a total that V-22 allows."""
SMALL_SEED = np.array([[40.0, 30, 20, 10], [35, 50, 100, 75], [30, 80, 70, 120], [20, 30, 40, 50]])
ROWS, COLUMNS = np.array([150.0, 300, 400, 150]), np.array([200.0, 300, 400, 100])


def cross_ratio(table: F64) -> F64:
    """Cross-product ratios against the first row and column."""
    return np.asarray(table[1:, 1:] * table[0, 0] / (table[1:, :1] * table[:1, 1:]))


def test_fitted_table_has_the_margins_and_the_cross_product_ratios_of_its_seed() -> None:
    table = fit_table(SMALL_SEED, [((0,), ROWS), ((1,), COLUMNS)])
    np.testing.assert_allclose(table.sum(axis=1), ROWS, rtol=MARGIN)
    np.testing.assert_allclose(table.sum(axis=0), COLUMNS, rtol=MARGIN)
    np.testing.assert_allclose(cross_ratio(table), cross_ratio(SMALL_SEED), rtol=1e-9)


def test_table_of_three_axes_meets_a_margin_of_two_of_them() -> None:
    seed = 1.0 + np.arange(24.0).reshape(2, 3, 4)
    truth = seed * np.array([1.0, 2.0])[:, None, None] * np.array([3.0, 1.0, 0.5])[:, None]
    table = fit_table(seed, [((0, 1), truth.sum(axis=2)), ((2,), truth.sum(axis=(0, 1)))])
    np.testing.assert_allclose(table, truth, rtol=1e-8)


def test_margins_that_cannot_be_met_are_refused() -> None:
    with pytest.raises(InputError, match="common sum"):
        fit_table(SMALL_SEED, [((0,), ROWS), ((1,), 2 * COLUMNS)])
    with pytest.raises(InputError, match="empty slice"):
        fit_table(np.diag([1.0, 0.0]), [((0,), np.ones(2)), ((1,), np.ones(2))])


def household_problem(random: np.random.Generator) -> tuple[F64, F64, F64]:
    """Seed, use and reachable targets: two household margins and two person counts."""
    size, kind = random.integers(1, 4, 30), random.integers(0, 3, 30)
    children = np.minimum(random.integers(0, 3, 30), size - 1)
    use = np.concatenate([np.eye(3)[kind], children[:, None], (size - children)[:, None]], axis=1)
    seed = random.uniform(0.5, 2.0, 30)
    return seed, use.astype(np.float64), (seed * random.uniform(0.5, 2.0, 30)) @ use


@pytest.mark.parametrize("number", range(5))
def test_raking_equals_the_cycles_of_proportional_fitting(number: int) -> None:
    seed, use, target = household_problem(np.random.default_rng(number))
    raked = rake(seed, use, target)
    np.testing.assert_allclose(raked.weight @ use, target, rtol=MARGIN)
    np.testing.assert_allclose(raked.weight, rake_in_cycles(seed, use, target, 300), rtol=1e-5)


def test_raked_weights_are_the_seed_times_one_factor_for_each_control() -> None:
    seed, use, target = household_problem(np.random.default_rng(9))
    raked = rake(seed, use, target)
    np.testing.assert_allclose(raked.weight, seed * np.exp(use @ raked.factor), rtol=1e-12)


def test_control_of_zero_empties_its_types() -> None:
    raked = rake(np.ones(3), np.array([[1.0, 0], [1, 1], [1, 0]]), np.array([6.0, 0.0]))
    np.testing.assert_allclose(raked.weight, [3, 0, 3])


def test_contradicting_controls_are_told() -> None:
    with pytest.warns(ConvergenceWarning):
        rake(np.ones(2), np.array([[1.0, 1.0], [1.0, 1.0]]), np.array([1.0, 2.0]))


def test_fit_report_measures_are_those_of_a_hand_calculation() -> None:
    report = FitReport(("a", "b"), np.array([10.0, 20.0]), np.array([11.0, 18.0]))
    assert report.tae == pytest.approx(3)
    assert report.srmse == pytest.approx(np.sqrt(2.5) / 15)
    assert report.chi_square == pytest.approx(0.1 + 0.2)
    assert (report.worst, report.max_error) == ("a", pytest.approx(0.1))


@given(st.lists(st.floats(0, 4), min_size=1, max_size=30), st.floats(0, 1, exclude_max=True))
@example([1.0], 1.0 - 2.0**-53)
@example([1e-13, 1.0, 0.5, 1e-13], 1.0 - 2.0**-53)
@settings(max_examples=60, deadline=None)
def test_rounding_gives_floor_or_ceiling_and_keeps_every_running_sum(
    values: list[float], start: float
) -> None:
    weight = np.array(values)
    count = truncate_replicate_sample(weight[None, :], np.array([start]))[0]
    assert np.all(np.abs(np.cumsum(count) - np.cumsum(weight)) < 1 + 1e-9)
    assert np.all((count >= np.floor(weight) - 1e-9) & (count <= np.floor(weight + 1 - 1e-12) + 1e-9))


def test_rounding_equals_its_twin() -> None:
    random = np.random.default_rng(3)
    weight, start = random.uniform(0, 2, (20, 15)), random.uniform(0, 1, 20)
    count = truncate_replicate_sample(weight, start)
    assert [systematic_counts(row, u) for row, u in zip(weight, start, strict=True)] == count.tolist()


def test_rounding_is_unbiased_over_the_starts() -> None:
    weight = np.array([0.1, 0.75, 1.3, 0.35, 2.5])
    steps = 20_000
    start = (np.arange(steps) + 0.5) / steps
    count = truncate_replicate_sample(weight[None, :], start, group=np.zeros(steps, np.int32))
    np.testing.assert_allclose(count.mean(axis=0), weight, atol=2 / steps)


def gravity_problem() -> tuple[F64, F64, F64]:
    """Totals of six zones and the cost between them."""
    random = np.random.default_rng(5)
    place = random.uniform(0, 20, (6, 2))
    cost = np.hypot(*(place[:, None] - place[None, :]).T) + 2
    origin, destination = random.uniform(50, 200, 6), random.uniform(50, 200, 6)
    return origin, destination * origin.sum() / destination.sum(), cost


def test_balanced_matrix_has_both_totals() -> None:
    origin, destination, cost = gravity_problem()
    flow = balance(origin, destination, deterrence_of(cost, 0.2))
    np.testing.assert_allclose(flow.sum(axis=1), origin, rtol=TOTAL)
    np.testing.assert_allclose(flow.sum(axis=0), destination, rtol=TOTAL)
    np.testing.assert_allclose(
        flow, balance_in_cycles(origin, destination, deterrence_of(cost, 0.2), 400), rtol=1e-6
    )


def test_totals_hold_where_deterrence_is_steep() -> None:
    origin, destination, cost = gravity_problem()
    flow = balance(origin, destination, deterrence_of(cost, 4.0))
    np.testing.assert_allclose(flow.sum(axis=0), destination, rtol=TOTAL)


def test_totals_hold_where_nearly_everybody_goes_to_the_nearest() -> None:
    """A street grid of ties and few persons, whole numbers at both ends: as pupils and schools."""
    random, side = np.random.default_rng(8), np.arange(18) * 2.0
    x, y = (axis.ravel() for axis in np.meshgrid(side, side))
    cost = np.abs(x[:, None] - x) + np.abs(y[:, None] - y) + 0.7
    origin, destination = (random.poisson(5, len(x)).astype(float) for _ in range(2))
    surplus = int(origin.sum() - destination.sum())
    destination[np.argsort(-destination)[: abs(surplus)]] += np.sign(surplus)
    flow = balance(origin, destination, deterrence_of(cost, 6.0))
    np.testing.assert_allclose(flow.sum(axis=1), origin, rtol=TOTAL)
    np.testing.assert_allclose(flow.sum(axis=0), destination, rtol=TOTAL)


def test_balanced_matrix_has_the_largest_entropy_of_all_with_its_totals_and_mean_cost() -> None:
    origin, destination, cost = gravity_problem()
    flow = balance(origin, destination, deterrence_of(cost, 0.2))

    def entropy(matrix: F64) -> float:
        return float(-(matrix * (np.log(matrix) - 1)).sum())

    # Any small change that keeps the totals and the mean cost lowers it.
    random = np.random.default_rng(1)
    constraints = [np.kron(np.eye(6)[k], np.ones(6)) for k in range(6)]
    constraints += [np.kron(np.ones(6), np.eye(6)[k]) for k in range(6)] + [cost.ravel()]
    _, value, basis = np.linalg.svd(np.array(constraints))
    free = basis[int((value > 1e-9).sum()) :]
    for _ in range(20):
        change = (random.normal(size=len(free)) @ free).reshape(6, 6)
        step = 0.3 * flow.min() / np.abs(change).max()
        assert entropy(flow + step * change) < entropy(flow)


def test_found_coefficient_gives_the_wanted_mean() -> None:
    origin, destination, cost = gravity_problem()
    truth = balance(origin, destination, deterrence_of(cost, 0.17))
    wanted = float((truth * cost).sum() / truth.sum())
    found = calibrate_beta(
        origin, destination, cost, lambda flow: float((flow * cost).sum() / flow.sum()), wanted
    )
    assert found.reached
    assert found.mean == pytest.approx(wanted, rel=1e-4)
    assert found.beta == pytest.approx(0.17, rel=2e-3)


def test_zone_that_is_cut_off_is_refused() -> None:
    with pytest.raises(InputError, match="reach"):
        balance(np.ones(2), np.ones(2), np.array([[0.0, 0.0], [1.0, 1.0]]))


@given(st.integers(0, 2**32), st.integers(2, 7), st.integers(2, 7))
@settings(max_examples=40, deadline=None)
def test_rounded_matrix_keeps_rows_exactly_and_columns_within_one(
    number: int, rows: int, columns: int
) -> None:
    random = np.random.default_rng(number)
    flow = random.gamma(0.5, 1.0, (rows, columns)) + 1e-3
    flow *= (np.ceil(flow.sum(axis=1)) / flow.sum(axis=1))[:, None]
    whole = np.empty(flow.shape, np.int32)
    round_matrix(flow, np.uint64(number), whole)
    np.testing.assert_array_equal(whole.sum(axis=1), np.rint(flow.sum(axis=1)))
    assert np.all(np.abs(whole.sum(axis=0) - flow.sum(axis=0)) < 1 + 1e-6)
    assert np.all(np.abs(whole - flow) < 1 + 1e-6)


def test_rounded_matrix_is_unbiased() -> None:
    flow = np.array([[0.2, 0.5, 1.3], [0.9, 0.9, 0.2], [0.05, 0.4, 0.55]])
    whole, total, runs = np.empty((3, 3), np.int32), np.zeros((3, 3)), 4000
    for key in range(runs):
        round_matrix(flow, np.uint64(key * 7919 + 1), whole)
        total += whole
    # Four standard errors of a chance of one half.
    np.testing.assert_allclose(total / runs, flow, atol=4 * 0.5 / np.sqrt(runs))


def test_same_bits_on_one_and_two_threads() -> None:
    origin, destination, cost = gravity_problem()
    weight, start = np.random.default_rng(2).uniform(0, 2, (40, 30)), np.linspace(0, 0.99, 40)
    results = []
    for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
        numba.set_num_threads(threads)
        flow = balance(origin, destination, deterrence_of(cost, 1.5))
        results.append((flow.tobytes(), truncate_replicate_sample(weight, start).tobytes()))
    numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
    assert results[0] == results[1]
