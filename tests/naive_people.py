"""Slow and obvious twins of the kernels of fitting and synthesis."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


def rake_in_cycles(seed: F64, use: F64, target: F64, cycles: int) -> F64:
    """Iterative proportional fitting, one control after the other; the factor by bisection."""
    weight = seed.copy()
    for _ in range(cycles):
        for c in range(len(target)):
            low, high = -30.0, 30.0
            for _ in range(60):
                middle = (low + high) / 2
                reached = float((weight * use[:, c] * np.exp(middle * use[:, c])).sum())
                low, high = (middle, high) if reached < target[c] else (low, middle)
            weight = weight * np.exp(low * use[:, c])
    return weight


def balance_in_cycles(origin: F64, destination: F64, deterrence: F64, cycles: int) -> F64:
    """Furness: scale rows, then columns, over and over."""
    flow = deterrence.copy()
    for _ in range(cycles):
        for i in range(len(origin)):
            flow[i] *= origin[i] / flow[i].sum()
        for j in range(len(destination)):
            flow[:, j] *= destination[j] / flow[:, j].sum()
    return flow


def systematic_counts(weight: F64, start: float) -> list[int]:
    """How many whole numbers lie in each type's step of the running sum, shifted by the start."""
    counts, before = [], start
    for value in weight:
        after = before + value
        counts.append(sum(1 for k in range(math.floor(before), math.floor(after) + 1) if before < k <= after))
        before = after
    return counts
