"""Vehicles of a simulated day: none lost on average, departures and routes as asked for."""

from __future__ import annotations

import math

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport_abm.core.draws import Stream, stream_key, uniform
from transport_abm.core.vocabulary import PERIOD_HOURS, PERIOD_OF_PART, DayPart
from transport_abm.networks.queues.vehicles import (
    DAY_START_H,
    Packets,
    draw_packets,
    hour_of_day,
)
from transport_abm.networks.simulated_day import SLICES, slice_share
from transport_abm.policy.inputs import year_inputs

GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
INPUTS = year_inputs(2020)


AM = SLICES.index((DayPart.AM, (7, 8)))


def drawn(demand: list[float], number: int = AM, *, seed: int = 1, paths: int = 2) -> Packets:
    """Packets of pairs with two routes, of which the first takes 0.7."""
    n = len(demand)
    share = np.tile([0.7, 0.3] if paths == 2 else [1.0], n)
    return draw_packets(
        SLICES[number][1], INPUTS, np.arange(n, dtype=np.int64) * 17, np.array(demand), np.arange(n + 1, dtype=np.int64) * paths,
        share, packet=1, seed=seed, number=number,
    )  # fmt: skip


def test_slices_make_up_the_day_once_and_each_lies_in_its_period() -> None:
    hours = [hour for _, part in SLICES for hour in part]
    assert sorted(hours) == list(range(24))
    assert [hour_of_day(hour) for hour in hours] == list(range(24))
    assert hour_of_day(DAY_START_H) == 0
    for day_part, part in SLICES:
        first, last = PERIOD_HOURS[PERIOD_OF_PART[day_part]]
        assert all(first <= hour < last or first <= hour + 24 < last for hour in part)


@pytest.mark.parametrize("day_part", DayPart)
def test_shares_of_the_hours_and_of_the_slices_add_up_in_each_part_of_the_day(day_part: DayPart) -> None:
    own = [hours for part, hours in SLICES if part is day_part]
    assert sum(INPUTS[f"departures.hour_{hour:02d}"] for part in own for hour in part) == pytest.approx(
        1.0, abs=1e-12
    )
    assert sum(slice_share(part, day_part, INPUTS) for part in own) == pytest.approx(1.0, abs=1e-12)


def test_rounding_keeps_the_demand_on_average() -> None:
    """The mean over 2,000 pairs lies within four standard errors of the demand; whole numbers are kept exactly."""
    packets = drawn([2.3] * 2000)
    error = math.sqrt(0.3 * 0.7 / 2000)
    assert abs(len(packets) / 2000 - 2.3) < 4 * error
    assert len(drawn([3.0] * 50)) == 150
    assert len(drawn([0.0] * 50)) == 0


@pytest.mark.parametrize("number", range(len(SLICES)))
def test_departures_follow_the_shares_of_the_hours(number: int) -> None:
    """Stratified draws miss each hour's share by one packet at most."""
    n = 1000
    packets = drawn([float(n)], number, paths=1)
    share = {hour: INPUTS[f"departures.hour_{hour:02d}"] for hour in SLICES[number][1]}
    found = np.bincount(packets.depart_s // 3600, minlength=24)
    for hour in range(24):
        asked = n * share.get(hour, 0.0) / sum(share.values())
        assert abs(found[hour_of_day(hour)] - asked) <= 1.0 + 1e-9


@given(st.integers(2, 400), st.integers(0, 50))
def test_routes_follow_their_shares(n: int, seed: int) -> None:
    """The discrepancy of multiples of the golden ratio grows like log n: a few packets at most."""
    packets = drawn([float(n)], seed=seed)
    assert abs(float((packets.path == 0).sum()) - 0.7 * n) <= 2.0 + math.log(n)


def test_draws_are_those_of_the_slow_twin() -> None:
    demand = [0.4, 2.6, 7.0, 1.5]
    packets = drawn(demand)
    address = np.arange(4) * 17
    u, a, b = (uniform(1, Stream.DEPARTURE, address, AM, k) for k in range(3))
    rows = []
    for pair in range(4):
        whole = math.floor(demand[pair])
        n = whole + int(u[pair] < demand[pair] - whole)
        for k in range(n):
            quantile = (k + a[pair]) / n
            first = INPUTS["departures.hour_07"]
            late = quantile >= first
            inside = (quantile - first) / (1 - first) if late else quantile / first
            depart = int((hour_of_day(8 if late else 7) + inside) * 3600.0 + 1e-9)
            route = 2 * pair + int((b[pair] + k * GOLDEN) % 1.0 >= 0.7)
            rows.append((pair, route, depart))
    assert [
        tuple(int(v) for v in row) for row in zip(packets.pair, packets.path, packets.depart_s, strict=True)
    ] == rows
    assert stream_key(1, Stream.DEPARTURE, 0) != stream_key(1, Stream.DEPARTURE, 1)


def test_threads_change_nothing() -> None:
    before = numba.get_num_threads()
    demand = list(np.linspace(0.1, 9.0, 300))
    try:
        numba.set_num_threads(1)
        one = drawn(demand)
        numba.set_num_threads(min(2, numba.config.NUMBA_NUM_THREADS))
        two = drawn(demand)
    finally:
        numba.set_num_threads(before)
    assert np.array_equal(one.depart_s, two.depart_s) and np.array_equal(one.path, two.path)
