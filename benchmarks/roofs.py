"""What the machine cannot do without: the roofs under which kernels are measured. Processor seconds of one thread."""

from __future__ import annotations

import time
from functools import cache

import numpy as np
from numba import njit

CHAINS = 16
IN_CACHE, IN_MEMORY = 1 << 20, 1 << 28
"""Bytes that stay near the core, and that do not."""
ROWS, STEPS = 512, 400_000


@njit(cache=True)
def _walk(following, steps):  # type: ignore[no-untyped-def]
    """Follow ``CHAINS`` chains of lines at once."""
    at = np.arange(CHAINS)
    for _ in range(steps):
        for chain in range(CHAINS):
            at[chain] = following[at[chain] * 8]
    return at.sum()


@cache
def line_ns(size_bytes: int) -> float:
    """Time of a random line of the cache among so many bytes, with many in flight [ns]."""
    n = size_bytes // 64
    following = np.zeros(8 * n, np.int64)
    order = np.random.default_rng(1).permutation(n)
    following[8 * order] = np.roll(order, 1)
    steps = max(2_000_000 // CHAINS, n // CHAINS)
    _walk(following, 10)
    return _least(lambda: _walk(following, steps)) / (steps * CHAINS) * 1e9


@njit(cache=True, error_model="numpy")
def _relax(tail, head, weight, cost):  # type: ignore[no-untyped-def]
    """Take the smaller of what a row costs and what it costs by another one, in all columns."""
    for k in range(len(tail)):
        a, b, w = tail[k], head[k], weight[k]
        for lane in range(cost.shape[1]):
            cost[b, lane] = min(cost[b, lane], cost[a, lane] + w)


@cache
def relax_ns(lanes: int) -> float:
    """Time to add a weight and take the smaller of two costs, one of ``lanes`` that stand side by side in the cache [ns]."""
    rng = np.random.default_rng(1)
    tail, head = rng.integers(0, ROWS, (2, STEPS))
    weight, cost = rng.uniform(1, 2, STEPS), rng.uniform(0, 100, (ROWS, lanes))
    _relax(tail[:1], head[:1], weight[:1], cost)
    return _least(lambda: _relax(tail, head, weight, cost)) / (STEPS * lanes) * 1e9


def _least(work) -> float:  # type: ignore[no-untyped-def]
    """Least processor seconds of three."""
    times = []
    for _ in range(3):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)
