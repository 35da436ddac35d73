"""Mode choice against closed forms, its slow twin, and the observed shares."""

from __future__ import annotations

import math

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive_choice as naive
from tests.tiny import tiny_city
from transport_abm.agents import kernels_choice as kernel
from transport_abm.agents.mode_choice import Travellers, car_count, choice_terms, corrected_constant
from transport_abm.agents.tours import Tours, trip_count
from transport_abm.core.draws import Stream, stream_key
from transport_abm.core.vocabulary import Mode
from transport_abm.networks.level_of_service import (
    ACTIVE_KM,
    BARRED_MIN,
    CAR_KM,
    CAR_MIN,
    CHARGE_CNY,
    N_LOS,
    OIL_MIN,
    TRANSIT_CNY,
    TRANSIT_MIN,
)
from transport_abm.networks.road_users import CarKind
from transport_abm.policy.inputs import year_inputs

ALL_FLAGS = 127
"""All means at hand; the last bit is the car from elsewhere."""
# exp and log of the kernel and of Python's library differ in the last places only.
LAST_PLACES = 1e-9


def terms(**changes: float):
    """Utility coefficients of 2023, a year without pandemic, with constants like the fitted ones."""
    constant = np.array([0.0, -1.7, -1.7, -1.5, -1.5, -1.6, -2.0, -3.1, -3.0, 0.5, -1.5])
    return choice_terms(constant, tiny_city().fares, year_inputs(2023))._replace(**changes)


def random_day(seed: int, n_zones: int = 5, n_tours: int = 400):
    """A random level of service, zone table and tours."""
    rng = np.random.default_rng(seed)
    km = rng.uniform(0.3, 18.0, (n_zones, n_zones))
    los = np.zeros((4, n_zones, n_zones, N_LOS), np.float32)
    for p in range(4):
        los[p, ..., ACTIVE_KM] = km
        los[p, ..., CAR_KM] = km * 1.1
        los[p, ..., CAR_MIN] = km * rng.uniform(1.5, 4.0, km.shape)
        los[p, ..., CHARGE_CNY] = rng.choice([0.0, 5.0], km.shape)
        for first in (OIL_MIN, BARRED_MIN):
            # Longer ways with another charge, as of cars that avoid one or go round.
            los[p, ..., first : first + 2] = los[p, ..., CAR_MIN : CAR_MIN + 2] * np.float32(
                rng.uniform(1, 2)
            )
            los[p, ..., first + 2] = los[p, ..., CHARGE_CNY] + rng.choice([0.0, 8.0], km.shape)
        for option in range(3):
            minutes = km * rng.uniform(3.0, 6.0, km.shape) + 15
            los[p, ..., TRANSIT_MIN + option] = np.where(rng.random(km.shape) < 0.2, np.inf, minutes)
            los[p, ..., TRANSIT_CNY + option] = 2 + km * 0.2
    zone = np.zeros((n_zones, kernel.N_ZONE), np.float32)
    zone[:, kernel.RING] = rng.integers(2, 8, n_zones)
    zone[:, kernel.RADIUS_KM] = rng.uniform(0.3, 2.0, n_zones)
    for column in (kernel.PARK_WALK_MIN, kernel.PARK_SEARCH_MIN, kernel.TAXI_WAIT_MIN):
        zone[:, column] = rng.uniform(1, 10, n_zones)
    zone[:, kernel.PARKING_FIRST], zone[:, kernel.PARKING_AFTER] = rng.uniform(0, 12, (2, n_zones))
    zone[:, kernel.SHARED_CHANCE] = rng.uniform(0, 1, n_zones)
    tour = np.empty((n_tours, 7), np.int32)
    tour[:, 0] = np.arange(n_tours)
    tour[:, 1] = rng.integers(0, 6, n_tours)
    tour[:, 2:4] = rng.integers(0, n_zones, (n_tours, 2))
    tour[:, 4] = np.where(rng.random(n_tours) < 0.3, rng.integers(0, n_zones, n_tours), -1)
    tour[:, 5] = rng.integers(0, 4, n_tours)
    tour[:, 6] = np.maximum(tour[:, 5], rng.integers(0, 4, n_tours))
    spread = rng.uniform(0.2, 2.5, n_tours).astype(np.float32)
    address = rng.integers(0, 2**60, n_tours, dtype=np.uint64)
    flag = rng.integers(0, 256, n_tours).astype(np.uint8)
    weight = -rng.uniform(0.02, 0.15, n_tours).astype(np.float32)
    return tour, spread, address, flag, weight, los, zone


def kernel_utilities(i, day, t):
    """Utilities of tour i from the kernel, with its own addressed draws."""
    tour, spread, address, flag, weight, los, zone = day
    key = stream_key(7, Stream.MODE, 0)
    drawn = tuple(
        float(kernel.hash_uniform(key, address[i], np.uint64(k))) for k in (kernel.K_SHARED, kernel.K_PARKING)
    )
    v = np.empty(kernel.N_MODE)
    place = (tour[i, 2], tour[i, 3], tour[i, 4], tour[i, 5], tour[i, 6], tour[i, 1])
    kernel.tour_utility(*place, spread[i], flag[i], weight[i], drawn, los, zone, t, v)
    return v, drawn


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32))
def test_kernel_equals_its_slow_twin(seed: int) -> None:
    day = random_day(seed, n_tours=60)
    tour, spread, address, flag, weight, los, zone = day
    t = terms(credit_cny_km=0.02, shared_cny_min=0.07)
    key = stream_key(7, Stream.MODE, 0)
    mode = np.empty(len(tour), np.int8)
    kernel.choose_modes(tour, spread, address, flag, weight, los, zone, t, key, mode)
    for i in range(len(tour)):
        v, drawn = kernel_utilities(i, day, t)
        twin = naive.utilities(tour[i], spread[i], int(flag[i]), float(weight[i]), *drawn, los, zone, t)
        for m in Mode:
            if m in twin:
                assert v[m] == pytest.approx(twin[m], rel=1e-5, abs=1e-5), m  # float32 tables
            else:
                assert v[m] == -np.inf, m
        exact = {m: float(v[m]) for m in Mode if v[m] > -np.inf}
        assert mode[i] == naive.chosen(exact, t.theta, key, address[i])


def test_expected_shares_equal_the_mean_of_the_twins_probabilities() -> None:
    day = random_day(3)
    tour, spread, address, flag, weight, los, zone = day
    t, key = terms(), stream_key(7, Stream.MODE, 0)
    central = np.array([True, False, True, False, False])
    total = np.empty((1, kernel.N_MODE))
    kernel.expected_trips(tour, spread, address, flag, weight, los, zone, t, key, central, total)
    twin = np.zeros(kernel.N_MODE)
    for i in range(len(tour)):
        v, _ = kernel_utilities(i, day, t)
        probability = naive.probabilities({m: float(v[m]) for m in Mode if v[m] > -np.inf}, t.theta)
        trips = sum(bool(central[a] or central[b]) for a, b, _ in naive.legs(tour[i]))
        for m, p in probability.items():
            twin[m] += trips * p
    np.testing.assert_allclose(total[0], twin, rtol=LAST_PLACES)


@pytest.mark.parametrize(
    ("theta", "car"), [(1.0, 1 / 3), (0.5, 1 / (1 + math.sqrt(2))), (0.1, 1 / (1 + 2**0.1)), (1e-9, 0.5)]
)
def test_red_bus_blue_bus(theta: float, car: float) -> None:
    """V-15: two equal buses in one nest and a car share like two modes as the buses become one."""
    v = np.full(kernel.N_MODE, -np.inf)
    v[[Mode.BUS, Mode.METRO, Mode.CAR_DRIVER]] = 0.0
    probability = np.empty(kernel.N_MODE)
    kernel.mode_probability(v, np.array([1.0, theta, 1.0, 1.0]), np.empty(4), probability)
    assert probability[Mode.CAR_DRIVER] == pytest.approx(car, abs=1e-9)
    assert probability.sum() == pytest.approx(1.0, abs=1e-12)
    assert probability[Mode.BUS] == probability[Mode.METRO]


def test_published_red_bus_blue_bus_values() -> None:
    """V-15, the printed values 0.3333, 0.4142, 0.4827 (0.5 in the limit)."""
    printed = {1.0: 0.3333, 0.5: 0.4142, 0.1: 0.4827}
    for theta, value in printed.items():
        assert 1 / (1 + 2**theta) == pytest.approx(value, abs=5e-5)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32))
def test_log_share_rule_finds_the_constants_behind_any_shares(seed: int) -> None:
    """V-16: shares are met to 1e-6 within 100 steps, and the constants are those that made them."""
    tour, spread, address, flag, weight, los, zone = random_day(seed)
    los[..., ACTIVE_KM] *= 0.25
    rng = np.random.default_rng(seed)
    flag[:] = np.where(
        rng.random(len(flag)) < 0.5, ALL_FLAGS - kernel.RESTRICTED, kernel.HAS_BICYCLE | kernel.CAN_RIDE
    )
    central, total = np.ones(len(zone), bool), np.empty((1, kernel.N_MODE))
    t, key = terms(), stream_key(7, Stream.MODE, 0)
    true = t.constant + np.append(0.0, rng.uniform(-1, 1, len(Mode) - 1))

    def share(constant: np.ndarray) -> np.ndarray:
        kernel.expected_trips(
            tour, spread, address, flag, weight, los, zone, t._replace(constant=constant), key, central, total
        )
        return total[0] / total[0].sum()

    observed, constant = share(true), t.constant
    for _ in range(100):
        modelled = share(constant)
        if np.abs(modelled - observed).max() < 1e-6:
            break
        constant = corrected_constant(constant, observed, modelled, t.theta)
    assert np.abs(share(constant) - observed).max() < 1e-6
    np.testing.assert_allclose(constant, true, atol=1e-3)


def test_draws_follow_the_probabilities() -> None:
    """Shares of drawn modes stay within four standard errors of the nested-logit probabilities."""
    n = 200_000
    tour, spread, _, flag, weight, los, zone = random_day(11, n_tours=1)
    t, key = terms(), stream_key(5, Stream.MODE, 0)
    flag[:] = ALL_FLAGS - kernel.RESTRICTED
    v = np.empty(kernel.N_MODE)
    zone[:, kernel.SHARED_CHANCE] = 1.0
    t = t._replace(parking_paid_share=0.0)
    place = (tour[0, 2], tour[0, 3], tour[0, 4], tour[0, 5], tour[0, 6], tour[0, 1])
    kernel.tour_utility(*place, spread[0], flag[0], weight[0], (0.0, 1.0), los, zone, t, v)
    probability = np.empty(kernel.N_MODE)
    kernel.mode_probability(v, t.theta, np.empty(4), probability)
    many = np.repeat(tour, n, axis=0)
    many[:, 0] = 0
    mode = np.empty(n, np.int8)
    kernel.choose_modes(
        many, np.repeat(spread, n), np.arange(n, dtype=np.uint64), flag, weight, los, zone, t, key, mode
    )
    share = np.bincount(mode, minlength=kernel.N_MODE) / n
    error = np.sqrt(probability * (1 - probability) / n)
    assert np.all(np.abs(share - probability) <= 4 * error + 1e-12)


def test_same_bits_on_one_and_two_threads() -> None:
    tour, spread, address, flag, weight, los, zone = random_day(5, n_tours=100_000)
    t, key = terms(), stream_key(7, Stream.MODE, 0)
    chunks = (len(tour) + kernel.CHUNK - 1) // kernel.CHUNK
    results = []
    before = numba.get_num_threads()
    for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
        numba.set_num_threads(threads)
        mode, total = np.empty(len(tour), np.int8), np.empty((chunks, kernel.N_MODE))
        kernel.choose_modes(tour, spread, address, flag, weight, los, zone, t, key, mode)
        kernel.expected_trips(
            tour, spread, address, flag, weight, los, zone, t, key, np.ones(len(zone), bool), total
        )
        results.append((mode.tobytes(), total.sum(axis=0).tobytes()))
    numba.set_num_threads(before)
    assert results[0] == results[1]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.1, 30.0))
def test_a_dearer_mode_is_never_chosen_by_more(seed: int, rise: float) -> None:
    """V-41: with the same draws nobody turns to a mode because it became dearer."""
    tour, spread, address, flag, weight, los, zone = random_day(seed, n_tours=2000)
    t, key = terms(), stream_key(7, Stream.MODE, 0)
    before, after = np.empty(len(tour), np.int8), np.empty(len(tour), np.int8)
    kernel.choose_modes(tour, spread, address, flag, weight, los, zone, t, key, before)
    dearer = los.copy()
    dearer[..., TRANSIT_CNY + 1] += np.float32(rise)
    kernel.choose_modes(tour, spread, address, flag, weight, dearer, zone, t, key, after)
    turned_to = (after == Mode.METRO) & (before != Mode.METRO)
    assert not turned_to.any()


def test_kernels_compile_once_for_the_dtypes_of_the_tables() -> None:
    tour, spread, address, flag, weight, los, zone = random_day(5)
    mode = np.empty(len(tour), np.int8)
    key = stream_key(7, Stream.MODE, 0)
    kernel.choose_modes(tour, spread, address, flag, weight, los, zone, terms(), key, mode)
    kernel.choose_modes(tour, spread, address, flag, weight, los, zone, terms(), key, mode)
    assert len(kernel.choose_modes.signatures) == 1


def test_car_trips_by_kind_are_the_drivers_trips_by_their_flags() -> None:
    tour, spread, address, flag, weight, *_ = random_day(7)
    rng = np.random.default_rng(7)
    mode = rng.choice([-1, int(Mode.BUS), int(Mode.CAR_DRIVER)], len(tour)).astype(np.int8)
    tours = Tours(tour, spread, address, mode)
    count = car_count(tours, Travellers(flag, weight), 5)
    expected = np.zeros((4, 4, 5, 5), int)
    for row, by in zip(tour, mode, strict=True):
        if by == Mode.CAR_DRIVER:
            kind = {
                (False, False): CarKind.OIL, (True, False): CarKind.NEV,
                (False, True): CarKind.OIL_BARRED, (True, True): CarKind.NEV_BARRED,
            }[bool(flag[row[0]] & kernel.NEV_CAR), bool(flag[row[0]] & kernel.RESTRICTED)]  # fmt: skip
            for origin, destination, period in naive.legs(row):
                expected[kind, period, origin, destination] += 1
    np.testing.assert_array_equal(count, expected)
    np.testing.assert_array_equal(count.sum(axis=0), trip_count(tours, 5)[Mode.CAR_DRIVER])
