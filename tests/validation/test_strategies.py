"""Optimal strategies against their published example, a naive twin, and the laws they must keep."""

from __future__ import annotations

import dataclasses

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.naive_transit import Line, Net, run_kernels, run_naive
from transport_abm.networks.transit.kernels_transit import BOARDINGS, CROWDED, WAIT, WALK, assign_strategies

REL = 1e-12
"""Rounding of sums of a few dozen doubles."""


def spiess_florian() -> Net:
    """Four lines from A to B over X and Y, mean waits 6, 6, 15 and 3 min; zone k stands at stop k."""
    a, x, y, b = range(4)
    lines = [
        Line([a, b], [25.0], 1 / 6),
        Line([a, x, y], [7.0, 6.0], 1 / 6),
        Line([x, y, b], [4.0, 4.0], 1 / 15),
        Line([y, b], [10.0], 1 / 3),
    ]
    access = [(k, k, 0.0) for k in range(4)]
    return Net(4, 4, lines, [], access, wait_alpha=1.0, wait_weight=1.0, walk_weight=1.0, transfer_min=0.0)


def random_net(seed: int) -> Net:
    """A small network with lines, loops, walks and zones; times are real numbers, so there are no ties."""
    random = np.random.default_rng(seed)
    n_stops, n_zones = int(random.integers(2, 8)), int(random.integers(2, 6))
    lines = []
    for _ in range(int(random.integers(1, 7))):
        stops = [int(s) for s in random.permutation(n_stops)[: random.integers(2, n_stops + 1)]]
        loop = bool(random.random() < 0.25 and len(stops) > 2)
        ride = [float(t) for t in random.uniform(0.5, 9, len(stops))]
        lines.append(
            Line(
                stops,
                ride,
                float(random.uniform(0.02, 0.6)),
                bool(random.random() < 0.4),
                loop,
                [float(k) for k in random.uniform(0.2, 4, len(stops))],
                float(random.uniform(1, 1.9)),
            )
        )
    walks = [
        (i, j, float(random.uniform(0.5, 12)))
        for i in range(n_stops)
        for j in range(n_stops)
        if i != j and random.random() < 0.2
    ]
    access = [
        (z, s, float(random.uniform(0, 15)))
        for z in range(n_zones)
        for s in range(n_stops)
        if random.random() < 0.5
    ]
    return Net(n_stops, n_zones, lines, walks, access)


def demand_of(net: Net, seed: int) -> np.ndarray:
    """Random demand between all zones."""
    return np.random.default_rng(seed).uniform(0, 100, (net.n_zones, net.n_zones))


def test_spiess_and_florian_published_example() -> None:
    """V-17."""
    total = run_kernels(spiess_florian()).total
    assert total[0, 3] == pytest.approx(27.75, abs=1e-9)
    assert total[1, 3] == pytest.approx(267 / 14, abs=1e-9)  # 19.0714
    assert total[2, 3] == pytest.approx(11.5, abs=1e-9)


def test_spiess_and_florian_published_line_flows() -> None:
    """From A half take line 1, half line 2; at Y 1/6 board line 3 and 5/6 line 4."""
    demand = np.zeros((4, 4))
    demand[0, 3] = 1.0
    result = run_kernels(spiess_florian(), demand)
    # rows: line 1 (A, B), line 2 (A, X, Y), line 3 (X, Y, B), line 4 (Y, B)
    assert result.flow == pytest.approx([0.5, 0, 0.5, 0.5, 0, 0, 1 / 12, 0, 5 / 12, 0], abs=1e-15)
    assert result.board == pytest.approx([0.5, 0, 0.5, 0, 0, 0, 1 / 12, 0, 5 / 12, 0], abs=1e-15)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**9))
def test_kernels_equal_their_naive_twin(seed: int) -> None:
    net = random_net(seed)
    demand = demand_of(net, seed)
    fast, slow = run_kernels(net, demand), run_naive(net, demand)
    np.testing.assert_allclose(fast.total, slow.total, rtol=REL)
    np.testing.assert_allclose(fast.flow, slow.flow, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(fast.board, slow.board, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(fast.lost, slow.lost, rtol=REL)
    # single precision of the skims
    np.testing.assert_allclose(fast.skim, slow.skim, rtol=1e-6, atol=1e-6)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**9))
def test_generalised_time_is_the_weighted_sum_of_its_parts(seed: int) -> None:
    net = random_net(seed)
    result = run_kernels(net)
    skim = result.skim.astype(np.float64)
    parts = (
        net.walk_weight * skim[WALK]
        + net.wait_weight * skim[WAIT]
        + skim[CROWDED]
        + net.transfer_min * (skim[BOARDINGS] - 1)
    )
    reached = np.isfinite(result.total)
    np.testing.assert_allclose(parts[reached], result.total[reached], rtol=1e-6)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**9))
def test_boardings_and_demand_close(seed: int) -> None:
    """Persons boarding equal demand times expected boardings; what is not served is reported."""
    net = random_net(seed)
    demand = demand_of(net, seed)
    result = run_kernels(net, demand)
    reached = np.isfinite(result.total)
    assert result.lost.sum() == pytest.approx(demand[~reached].sum(), rel=REL)
    assert result.board.sum() == pytest.approx((demand * result.skim[BOARDINGS])[reached].sum(), rel=1e-6)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**9), st.floats(0.3, 0.95))
def test_shorter_headway_never_raises_any_cost(seed: int, factor: float) -> None:
    net = random_net(seed)
    which = seed % len(net.lines)
    faster = list(net.lines)
    faster[which] = dataclasses.replace(net.lines[which], frequency=net.lines[which].frequency / factor)
    before, after = run_kernels(net).total, run_kernels(dataclasses.replace(net, lines=faster)).total
    assert (after <= before * (1 + REL)).all()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**9))
def test_more_lines_never_raise_any_cost(seed: int) -> None:
    net = random_net(seed)
    fewer = dataclasses.replace(net, lines=net.lines[:-1])
    if fewer.lines:
        assert (run_kernels(net).total <= run_kernels(fewer).total * (1 + REL)).all()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**9), st.floats(0.1, 50))
def test_doubled_demand_doubles_flow(seed: int, factor: float) -> None:
    net = random_net(seed)
    demand = demand_of(net, seed)
    once, more = run_kernels(net, demand), run_kernels(net, factor * demand)
    np.testing.assert_allclose(more.flow, factor * once.flow, rtol=1e-9, atol=1e-9)


def test_same_bits_on_one_and_two_threads() -> None:
    """V-36."""
    net = random_net(31)
    demand = demand_of(net, 31)
    threads = numba.get_num_threads()
    try:
        results = []
        for n in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(n)
            results.append(run_kernels(net, demand))
    finally:
        numba.set_num_threads(threads)
    one, two = results
    for name in ("total", "skim", "flow", "board", "lost"):
        assert getattr(one, name).tobytes() == getattr(two, name).tobytes()


def test_labels_far_beyond_the_queue_are_still_in_order() -> None:
    """Costs larger than the queue's range fall into its last bucket and change nothing but speed."""
    net = random_net(5)
    slow = dataclasses.replace(
        net,
        lines=[dataclasses.replace(line, ride_min=[400 * t for t in line.ride_min]) for line in net.lines],
    )
    demand = demand_of(net, 5)
    fast, naive = run_kernels(slow, demand), run_naive(slow, demand)
    assert np.nanmax(np.where(np.isfinite(fast.total), fast.total, np.nan)) > 600
    np.testing.assert_allclose(fast.total, naive.total, rtol=REL)
    np.testing.assert_allclose(fast.flow, naive.flow, rtol=1e-9, atol=1e-9)


def test_one_compiled_version_serves_all_tables() -> None:
    run_kernels(spiess_florian())
    run_kernels(random_net(1), demand_of(random_net(1), 1))
    assert len(assign_strategies.signatures) == 1
