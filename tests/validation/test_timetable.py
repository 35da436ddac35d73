"""Journeys in a timetable against a slow twin, closed forms, and the laws they must keep."""

from __future__ import annotations

import dataclasses

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.naive_timetable import DS_PER_MIN, PARTS, Line, Net, run_naive
from transport_abm.networks.transit.kernels_timetable import assign_journeys
from transport_abm.networks.transit.timetable import headway_timetable

SINGLE = 3e-6
"""Rounding of labels in single precision: sums of a few dozen floats."""
HOUR = 60 * DS_PER_MIN


def random_net(seed: int) -> Net:
    """A small network with lines, loops, walks and zones; what is felt in the crowd is real, so there are no ties."""
    random = np.random.default_rng(seed)
    n_stops, n_zones = int(random.integers(2, 7)), int(random.integers(2, 5))
    cycle = 6 * int(random.integers(300, 1_500))
    lines = []
    for _ in range(int(random.integers(1, 6))):
        stops = [int(s) for s in random.permutation(n_stops)[: random.integers(2, n_stops + 1)]]
        loop = bool(random.random() < 0.3 and len(stops) > 2)
        stops += stops[:1] if loop else []
        starts = sorted({int(t) for t in random.integers(0, cycle, random.integers(1, 4))})
        if loop:
            # The rest at the end of a lap is reported as its mean, which even departures make exact.
            starts = [
                starts[0] % (cycle // len(starts)) + k * cycle // len(starts) for k in range(len(starts))
            ]
        rides = len(stops) - 1
        lines.append(
            Line(
                stops,
                # Some segments last longer than the cycle.
                [int(t) for t in random.integers(1, 3_000 if random.random() < 0.8 else 15_000, rides)],
                starts,
                bool(random.random() < 0.4),
                loop,
                [float(f) for f in random.uniform(1, 1.9, rides)],
                float(random.choice([1.0, random.uniform(0.3, 1)])),
                float(random.uniform(2, 20)),
            )
        )
    walks = [
        (i, j, float(random.uniform(0.5, 6)))
        for i in range(n_stops)
        for j in range(n_stops)
        if i != j and random.random() < 0.2
    ]
    access = [
        (z, s, float(random.uniform(0, 8)))
        for z in range(n_zones)
        for s in range(n_stops)
        if random.random() < 0.5
    ]
    weights = [float(w) for w in random.uniform([1, 1, 0], [3, 3, 8])]
    return Net(n_stops, n_zones, lines, walks, access, cycle, int(random.integers(1, 5)), *weights)


def demand_of(net: Net, seed: int) -> np.ndarray:
    """Random demand between all zones."""
    return np.random.default_rng(seed).uniform(0, 100, (net.n_zones, net.n_zones))


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**9))
def test_journeys_equal_those_of_their_naive_twin(seed: int) -> None:
    net = random_net(seed)
    fast, slow = net.run().skims, run_naive(net)
    np.testing.assert_allclose(fast["total"], slow["total"], rtol=SINGLE)
    for name in PARTS:
        np.testing.assert_allclose(fast[name], slow[name], rtol=1e-4, atol=2e-3, err_msg=name)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**9))
def test_riders_boarding_and_their_kilometres_are_those_of_the_demand(seed: int) -> None:
    net = random_net(seed)
    demand = demand_of(net, seed)
    result, service = net.run(demand), net.service()
    reached = np.isfinite(result.skims["total"])
    served = np.where(reached, demand, 0.0)
    skims = {name: skim.astype(np.float64) for name, skim in result.skims.items()}
    assert result.unserved == pytest.approx(demand[~reached].sum(), rel=1e-12)
    assert result.call_board.sum() == pytest.approx((served * skims["boardings"]).sum(), rel=1e-6)
    km = (result.call_flow * service.graph.call_km).sum()
    assert km == pytest.approx((served * (skims["bus_km"] + skims["metro_km"])).sum(), rel=1e-5)
    assert (result.call_flow >= 0).all() and (result.call_flow[service.graph.call_next < 0] == 0).all()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**9))
def test_one_more_departure_never_raises_any_cost(seed: int) -> None:
    # A loop's vehicle would leave its first stop at another time: only lines with an end are compared.
    net = random_net(seed)
    lines = [dataclasses.replace(line, loop=False) for line in net.lines]
    before = dataclasses.replace(net, lines=lines)
    more = dataclasses.replace(lines[0], starts=sorted({*lines[0].starts, seed % net.cycle}))
    after = dataclasses.replace(net, lines=[more, *lines[1:]])
    old, new = before.run().skims["total"], after.run().skims["total"]
    assert (new <= old * (1 + SINGLE)).all()


def shuttle(starts: list[list[int]], samples: int = 60, **changes: float) -> Net:
    """Lines of one segment of five minutes from stop 0 to stop 1; zones stand at the stops."""
    lines = [Line([0, 1], [5 * DS_PER_MIN], own) for own in starts]
    net = Net(2, 2, lines, [], [(0, 0, 0.0), (1, 1, 0.0)], HOUR, samples)
    return dataclasses.replace(net, **changes)


@pytest.mark.parametrize("headway", [4, 10, 20, 60])
def test_mean_wait_for_regular_departures_is_half_the_headway(headway: int) -> None:
    skims = shuttle([list(range(7, HOUR, headway * DS_PER_MIN))]).run().skims
    # one rider in every minute: at most half a minute off
    assert skims["wait_min"][0, 1] == pytest.approx(headway / 2, abs=0.5)
    assert skims["total"][0, 1] == pytest.approx(2 * skims["wait_min"][0, 1] + 5, rel=SINGLE)


@pytest.mark.parametrize("apart", [0, 3, 6])
def test_two_lines_wait_for_whichever_comes_first(apart: int) -> None:
    """Headway 12, the second line d behind the first: (d^2 + (12 - d)^2) / 24 minutes on average."""
    first = list(range(0, HOUR, 12 * DS_PER_MIN))
    second = [t + apart * DS_PER_MIN for t in first]
    wait = shuttle([first, second]).run().skims["wait_min"][0, 1]
    assert wait == pytest.approx((apart**2 + (12 - apart) ** 2) / 24, abs=0.3)


@pytest.mark.parametrize(("late", "wait"), [(0, 0.0), (1, 20 - 1 / DS_PER_MIN)])
def test_a_change_missed_by_a_moment_waits_for_the_next_departure(late: int, wait: float) -> None:
    """A feeder arrives at a line that runs every 20 minutes as it leaves, or a tenth of a second later."""
    feeder = Line([0, 1], [5 * DS_PER_MIN + late], [0])
    trunk = Line([1, 2], [7 * DS_PER_MIN], [(5 + 20 * k) * DS_PER_MIN for k in range(3)])
    access = [(0, 0, 0.0), (1, 2, 0.0), (2, 1, 0.0)]
    skims = Net(3, 3, [feeder, trunk], [], access, HOUR, 1).run().skims
    to_change, to_end = skims["wait_min"][0, 2], skims["wait_min"][0, 1]
    assert to_end - to_change == pytest.approx(wait, abs=1e-4)
    assert skims["boardings"][0, 1] == 2


def test_without_weights_the_cost_is_the_time_by_the_clock() -> None:
    net = shuttle([[0]], samples=1, wait_weight=1.0, walk_weight=1.0, transfer_min=0.0)
    skims = net.run().skims
    assert skims["total"][0, 1] == pytest.approx(skims["wait_min"][0, 1] + 5, rel=SINGLE)


def test_full_vehicles_cost_the_headways_that_are_let_pass() -> None:
    """With a share p boarded, (1 - p) / p departures leave without the rider on average."""
    free = shuttle([[0, HOUR // 2]])
    full = dataclasses.replace(free, lines=[dataclasses.replace(free.lines[0], share=0.4, headway_min=30.0)])
    more = full.run().skims["wait_min"][0, 1] - free.run().skims["wait_min"][0, 1]
    assert more == pytest.approx(30 * 0.6 / 0.4, rel=1e-5)


def test_a_loop_carries_over_its_seam_and_waits_there_for_its_next_departure() -> None:
    """Three segments of 5 min, departures every 20: 15 min round, 5 min of rest; from stop 2 to stop 1 over the seam."""
    five = 5 * DS_PER_MIN
    line = Line([0, 1, 2, 0], [five] * 3, [0, 4 * five, 8 * five], metro=True, loop=True)
    net = Net(3, 3, [line], [], [(k, k, 0.0) for k in range(3)], HOUR)
    demand = np.zeros((3, 3))
    demand[2, 1] = 90.0
    result = net.run(demand)
    assert result.skims["metro_min"][2, 1] == pytest.approx(5 + 5 + 5, abs=1e-4)
    assert result.skims["metro_min"][2, 0] == pytest.approx(5, abs=1e-4)
    assert result.skims["boardings"][2, 1] == 1
    assert result.call_flow == pytest.approx([90, 0, 90, 0], abs=1e-9)
    assert result.call_board == pytest.approx([0, 0, 90, 0], abs=1e-9)


def test_departures_from_headways_are_even_and_whole_in_number() -> None:
    net = shuttle([[0]], cycle=HOUR)
    service = dataclasses.replace(net.service(), headway_min=np.full(2, 7.0))
    table = headway_timetable(service, net.call_time_s())
    # 60 / 7 = 8.6: nine departures, every 60 / 9 minutes, to a tenth of a second
    assert len(table.time_ds) == 9
    gap = np.diff(np.sort(table.time_ds))
    assert np.abs(gap - HOUR / 9).max() < 1


def test_same_bits_on_one_and_two_threads() -> None:
    """V-36."""
    random = np.random.default_rng(3)
    net = random_net(11)
    # More zones than one block of lanes holds.
    access = [(z, int(random.integers(net.n_stops)), float(random.uniform(0, 8))) for z in range(70)]
    net = dataclasses.replace(net, n_zones=70, access=access)
    demand = demand_of(net, 1)
    threads = numba.get_num_threads()
    results = []
    try:
        for n in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(n)
            results.append(net.run(demand))
    finally:
        numba.set_num_threads(threads)
    one, two = results
    assert np.isfinite(one.skims["total"]).any()
    for name in one.skims:
        assert one.skims[name].tobytes() == two.skims[name].tobytes()
    assert one.call_flow.tobytes() == two.call_flow.tobytes()
    assert one.call_board.tobytes() == two.call_board.tobytes()


def test_a_line_without_departures_serves_nobody() -> None:
    result = shuttle([[]]).run(np.full((2, 2), 10.0))
    assert np.isinf(result.skims["total"]).all()
    assert result.unserved == 40


def test_one_compiled_version_serves_all_tables() -> None:
    random_net(1).run()
    random_net(2).run(demand_of(random_net(2), 2))
    assert len(assign_journeys.signatures) == 1
