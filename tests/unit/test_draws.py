"""Draws depend on their address alone, are uniform, and are independent along every part of the address."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit
from scipy import stats

from transport_abm.core.draws import Stream, hash_uniform, stream_key, uniform

MASK = (1 << 64) - 1
SIZE = 200_000
AGENT = np.arange(SIZE)
LIMIT = 1e-4  # the inputs are fixed, so a test that passes once passes always; a bad hash fails by far


def mix(z: int) -> int:
    """SplitMix64's finaliser in plain integers."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def slow_uniform(seed: int, stream: Stream, agent: int, year: int, k: int) -> float:
    """The hash in plain integers: obvious and slow."""
    key = mix((seed + 0x9E3779B97F4A7C15) & MASK)
    key = mix((key + 0xD1B54A32D192ED03 * stream) & MASK)
    key = mix((key + 0x8CB92BA72F3D8DD7 * year) & MASK)
    z = mix((key + 0x9E3779B97F4A7C15 * agent) & MASK)
    z = mix((z + 0xD1B54A32D192ED03 * k) & MASK)
    return (z >> 11) / 2**53


def chi_square_of_pairs(a: np.ndarray, b: np.ndarray, bins: int = 16) -> float:
    """Probability that independent uniform pairs lie as unevenly in a grid as these."""
    count = np.histogram2d(a, b, bins=bins, range=((0, 1), (0, 1)))[0]
    return float(stats.chisquare(count.ravel()).pvalue)


def test_finaliser_gives_the_published_sequence_of_splitmix64() -> None:
    # First outputs of SplitMix64 seeded with 1234567, as published with the reference code of Vigna.
    state, got = 1234567, []
    for _ in range(3):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        got.append(mix(state))
    assert got == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_draws_are_frozen() -> None:
    # A change of these numbers changes the outcome of every run ever made.
    got = uniform(1, Stream.MODE, [0, 1, 2], 2020)
    assert got.tolist() == [slow_uniform(1, Stream.MODE, agent, 2020, 0) for agent in range(3)]
    assert [f"{value:.6f}" for value in got] == ["0.428184", "0.827672", "0.703163"]


@given(
    seed=st.integers(0, MASK),
    stream=st.sampled_from(Stream),
    agent=st.integers(0, 2**63 - 1),
    year=st.integers(0, 9999),
    k=st.integers(0, MASK),
)
def test_array_kernel_and_plain_integers_agree_to_the_bit(
    seed: int, stream: Stream, agent: int, year: int, k: int
) -> None:
    expected = slow_uniform(seed, stream, agent, year, k)
    assert uniform(seed, stream, np.array([agent]), year, k)[0] == expected
    assert hash_uniform(stream_key(seed, stream, year), np.uint64(agent), np.uint64(k)) == expected
    assert 0 <= expected < 1


def test_kernels_may_pass_any_integer_type() -> None:
    @njit
    def draw(key: int, agent: np.ndarray, k: int) -> float:
        return hash_uniform(key, agent[0], k)

    key = stream_key(5, Stream.HOME, 2021)
    expected = slow_uniform(5, Stream.HOME, 77, 2021, 3)
    for dtype in (np.int16, np.int32, np.int64, np.uint64):
        assert draw(key, np.array([77], dtype), 3) == expected
        assert uniform(5, Stream.HOME, np.array([77], dtype), 2021, 3)[0] == expected


def test_largest_draw_is_below_one() -> None:
    assert (MASK >> 11) * 2.0**-53 < 1


@pytest.mark.parametrize("k", [0, 1])
@pytest.mark.parametrize("stream", list(Stream))
def test_each_stream_is_uniform(stream: Stream, k: int) -> None:
    count = np.histogram(uniform(11, stream, AGENT, 2024, k), bins=100, range=(0, 1))[0]
    assert stats.chisquare(count).pvalue > LIMIT


def test_no_two_parts_of_the_address_can_stand_in_for_each_other() -> None:
    base = uniform(11, Stream.MODE, AGENT, 2024)
    others = {
        "seed": uniform(12, Stream.MODE, AGENT, 2024),
        "stream": uniform(11, Stream.WORKPLACE, AGENT, 2024),
        "year": uniform(11, Stream.MODE, AGENT, 2025),
        "k": uniform(11, Stream.MODE, AGENT, 2024, 1),
        "agent": uniform(11, Stream.MODE, AGENT + 1, 2024),
    }
    for name, other in others.items():
        assert chi_square_of_pairs(base, other) > LIMIT, name
        if name != "agent":
            assert not np.isin(base, other).any(), name


def test_streams_are_independent_of_each_other() -> None:
    draws = [uniform(3, stream, AGENT[:20_000], 2020) for stream in Stream]
    worst = min(chi_square_of_pairs(a, b, 8) for i, a in enumerate(draws) for b in draws[:i])
    assert worst > LIMIT / (len(draws) * (len(draws) - 1) / 2)


def test_years_and_successive_k_of_one_agent_are_uniform() -> None:
    key = stream_key(1, Stream.TOUR_PATTERN, 2020)
    by_k = [hash_uniform(key, np.uint64(7), np.uint64(k)) for k in range(10_000)]
    by_seed = [
        hash_uniform(stream_key(s, Stream.MODE, 2020), np.uint64(7), np.uint64(0)) for s in range(10_000)
    ]
    for draws in (by_k, by_seed):
        assert stats.kstest(draws, "uniform").pvalue > LIMIT
        assert abs(np.corrcoef(draws[1:], draws[:-1])[0, 1]) < 0.04  # four standard errors


@pytest.mark.parametrize("part", ["agent", "k", "seed"])
def test_flipping_one_bit_of_the_address_flips_half_of_the_bits_of_the_draw(part: str) -> None:
    address = {"seed": 123_456, "agent": 987_654, "k": 5}

    def bits(**changed: int) -> int:
        a = {**address, **changed}
        key = stream_key(a["seed"], Stream.MODE, 2020)
        return int(hash_uniform(key, np.uint64(a["agent"]), np.uint64(a["k"])) * 2**53)

    flips = [(bits() ^ bits(**{part: address[part] ^ (1 << b)})).bit_count() for b in range(40)]
    # 40 x 53 fair coins: mean 26.5, standard error of the mean 0.58
    assert abs(np.mean(flips) - 26.5) < 4 * 0.58
    assert min(flips) >= 10


@given(order=st.permutations(list(range(12))), cut=st.integers(0, 12))
def test_draws_do_not_depend_on_order_or_chunks(order: list[int], cut: int) -> None:
    agent = np.array(order) * 1_000_003
    whole = uniform(9, Stream.MOVE, agent, 2022)
    parts = [uniform(9, Stream.MOVE, agent[:cut], 2022), uniform(9, Stream.MOVE, agent[cut:], 2022)]
    assert np.array_equal(whole, np.concatenate(parts))


def test_streams_keep_their_numbers() -> None:
    # Append only. These numbers are part of every result; add new ones at the end.
    expected = [
        "INCOME", "HOUSEHOLD", "PERSON", "TOUR_PATTERN", "DESTINATION", "STOP", "PERIOD", "MODE", "WORKPLACE",
        "MOVE", "JOB_CHANGE", "BIRTH", "DEATH", "MIGRATION", "LENGTH", "ROUND", "SCHOOL", "LICENCE", "CAR",
        "REGISTRATION", "PARKING", "E_BIKE", "BICYCLE", "HOME", "VALUE_OF_TIME", "POWERTRAIN", "PLATE",
        "SCRAP", "CHARGING", "TELEWORK", "ERROR_TERM", "SAMPLE", "RETIREMENT", "SPLIT", "DAY", "PLATE_DIGIT",
    ]  # fmt: skip
    assert [Stream(number).name for number in range(1, len(expected) + 1)] == expected
    assert len({int(stream) for stream in Stream}) == len(Stream.__members__)


def test_wrong_addresses_are_refused() -> None:
    for seed, year in ((-1, 2020), (2**64, 2020), (0, -1)):
        with pytest.raises(ValueError, match="expected"):
            stream_key(seed, Stream.MODE, year)
    with pytest.raises(ValueError, match="integers"):
        uniform(1, Stream.MODE, np.array([0.5]), 2020)
    with pytest.raises(ValueError, match="one row"):
        uniform(1, Stream.MODE, np.zeros((2, 2), np.int64), 2020)
    with pytest.raises(ValueError, match="k: expected"):
        uniform(1, Stream.MODE, [1], 2020, -1)
    assert uniform(1, Stream.MODE, [], 2020).shape == (0,)
