"""Random numbers by address: the same (seed, stream, agent, year, k) always gives the same number.

A draw is a hash of its address, never the next value of a sequence, so it does not depend on the order of
agents, on chunks, threads or processes, nor on which other draws a scenario makes (common random numbers).

    key  = m(m(m(seed + C0) + C1 stream) + C2 year)
    draw = m(m(key + C0 agent) + C1 k) / 2**64, cut to 53 bits

m is the finaliser of SplitMix64 (Steele, Lea and Flood 2014, variant 13 of Stafford); C0 is its golden
gamma, C1 and C2 are odd constants with about as many ones as zeros.
"""

from __future__ import annotations

import operator
from enum import IntEnum

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

_MASK = (1 << 64) - 1
_GAMMA = 0x9E3779B97F4A7C15
_STREAM_STEP = 0xD1B54A32D192ED03
_YEAR_STEP = 0x8CB92BA72F3D8DD7

_C0 = np.uint64(_GAMMA)
_C1 = np.uint64(_STREAM_STEP)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)
_S27 = np.uint64(27)
_S30 = np.uint64(30)
_S31 = np.uint64(31)
_S11 = np.uint64(11)
_UNIT = 2.0**-53


class Stream(IntEnum):
    """Purposes of draws. Append only: a number once given is never given to another purpose."""

    INCOME = 1
    HOUSEHOLD = 2
    PERSON = 3
    TOUR_PATTERN = 4
    DESTINATION = 5
    STOP = 6
    PERIOD = 7
    MODE = 8
    WORKPLACE = 9
    MOVE = 10
    JOB_CHANGE = 11
    BIRTH = 12
    DEATH = 13
    MIGRATION = 14
    LENGTH = 15
    ROUND = 16
    SCHOOL = 17
    LICENCE = 18
    CAR = 19
    REGISTRATION = 20
    PARKING = 21
    E_BIKE = 22
    BICYCLE = 23
    HOME = 24
    VALUE_OF_TIME = 25
    POWERTRAIN = 26
    PLATE = 27
    SCRAP = 28
    CHARGING = 29
    TELEWORK = 30
    ERROR_TERM = 31
    SAMPLE = 32
    RETIREMENT = 33
    SPLIT = 34
    DAY = 35
    PLATE_DIGIT = 36
    REPLACEMENT = 37
    DESIRE = 38
    LOTTERY = 39
    USED_CAR = 40
    RENEWAL = 41
    FLEET = 42
    HOME_POST = 43
    POOL = 44
    PLATE_USE = 45
    CAR_AGE = 46
    UNCERTAINTY = 47
    APPLICATION = 48
    ATTRIBUTION = 49
    USED_ELSEWHERE = 50
    OUT_OF_TOWN = 51
    DEPARTURE = 52


def _mix(z: int) -> int:
    """Finaliser of SplitMix64 on a Python integer."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def stream_key(seed: int, stream: Stream, year: int) -> np.uint64:
    """Key of all draws of one purpose in one year of one run.

    Parameters
    ----------
    seed
        Seed of the run, 0 to 2**64 - 1.
    stream
        Purpose of the draws.
    year
        Calendar year; 0 for draws that belong to no year.

    Returns
    -------
    np.uint64
        First argument of `hash_uniform`.

    Raises
    ------
    ValueError
        If the seed or the year is out of its range.
    """
    seed, year = operator.index(seed), operator.index(year)
    if not 0 <= seed <= _MASK:
        raise ValueError(f"seed: expected 0 to 2**64 - 1, got {seed}")
    if year < 0:
        raise ValueError(f"year: expected 0 or more, got {year}")
    key = _mix((seed + _GAMMA) & _MASK)
    key = _mix((key + _STREAM_STEP * Stream(stream)) & _MASK)
    return np.uint64(_mix((key + _YEAR_STEP * year) & _MASK))


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def hash_uniform(key: np.uint64, agent: np.uint64, k: np.uint64) -> float:
    """Draw number k of one agent, for use inside kernels.

    Parameters
    ----------
    key : uint64        from `stream_key`
    agent : integer     identity of the agent, never its row
    k : integer         number of the draw within the stream

    Returns
    -------
    float64             in [0, 1), a multiple of 2**-53
    """
    z = np.uint64(key) + np.uint64(agent) * _C0
    z = (z ^ (z >> _S30)) * _M1
    z = (z ^ (z >> _S27)) * _M2
    z = z ^ (z >> _S31)
    z = z + np.uint64(k) * _C1
    z = (z ^ (z >> _S30)) * _M1
    z = (z ^ (z >> _S27)) * _M2
    z = z ^ (z >> _S31)
    return np.float64(z >> _S11) * _UNIT


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _fill(key: np.uint64, agent: NDArray[np.uint64], k: np.uint64, out: NDArray[np.float64]) -> None:
    """One draw for each agent."""
    for i in range(agent.shape[0]):
        out[i] = hash_uniform(key, agent[i], k)


def uniform(seed: int, stream: Stream, agent: ArrayLike, year: int, k: int = 0) -> NDArray[np.float64]:
    """One draw for each agent.

    Parameters
    ----------
    seed
        Seed of the run.
    stream
        Purpose of the draws.
    agent
        Identities of the agents (integers, never negative), one dimension.
    year
        Calendar year; 0 for draws that belong to no year.
    k
        Number of the draw within the stream, for purposes that need several.

    Returns
    -------
    NDArray[np.float64]
        Draws in [0, 1), one for each agent, the same bits as `hash_uniform`.

    Raises
    ------
    ValueError
        If the seed, year or k is out of its range, or the identities are not one row of whole numbers.
    """
    agent = np.asarray(agent)
    if agent.ndim != 1 or (agent.size and agent.dtype.kind not in "iu"):
        raise ValueError(f"agent: expected one row of integers, got {agent.dtype} of shape {agent.shape}")
    k = operator.index(k)
    if not 0 <= k <= _MASK:
        raise ValueError(f"k: expected 0 or more, got {k}")
    agent = np.ascontiguousarray(agent)
    agent = agent.view(np.uint64) if agent.dtype in (np.int64, np.uint64) else agent.astype(np.uint64)
    out = np.empty(agent.shape[0], np.float64)
    _fill(stream_key(seed, stream, year), agent, np.uint64(k), out)
    return out
