"""Kernel of the choice between a new car and used ones from outside the city.

    V(a) = fixed_k(a) - w cost_k(a),      a = 0 new, a > 0 used of that age
    used if theta ln sum_{a > 0} exp(V(a) / theta) + g_1 > V(0) + g_0,    of the age with the largest V(a) / theta + g_{1 + a}

g are Gumbel numbers addressed by purchase. A nest, so that more ages on offer do not multiply those who look for a used
car (McFadden 1978).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from transport_abm.core.draws import hash_uniform

F64 = NDArray[np.float64]
I8 = NDArray[np.int8]

HALF_STEP = 2.0**-54
"""Keeps the logarithm of a draw finite."""


class Bought(NamedTuple):
    """What the choice needs to know of each buyer."""

    kind: I8  # what is bought
    variant: I8  # 2 x what is given up + post
    weight: F64  # price weight w [utility/(10,000 CNY)]


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def gumbel(u: float) -> float:
    """Standard Gumbel number from a uniform one in [0, 1)."""
    return float(-np.log(-np.log(u + HALF_STEP)))


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)  # type: ignore[untyped-decorator]
def choose_ages(
    bought: Bought, address: NDArray[np.uint64], key: np.uint64, cost: F64, fixed: F64, theta: float, out: I8
) -> None:
    """Age of the car that each buyer takes.

    Parameters
    ----------
    bought : see there
    address : uint64[buyers]    identity of the purchase
    key : uint64                stream key of the draws
    cost : float64[variants, kinds, ages]   perceived cost; age 0 is the new car [10,000 CNY]
    fixed : float64[kinds, ages]            utility without cost; minus infinity for what cannot be had
    theta : float               nest parameter of used cars [1]
    out : int8[buyers], overwritten
    """
    for i in prange(out.shape[0]):
        # Indices of arrays, as the index of a parallel loop is unsigned.
        k, c, w = bought.kind[i], bought.variant[i], bought.weight[i]
        top, best, chosen = -np.inf, -np.inf, 0
        for a in range(1, fixed.shape[1]):
            if fixed[k, a] > -np.inf:
                v = (fixed[k, a] - w * cost[c, k, a]) / theta
                top = max(top, v)
                value = v + gumbel(hash_uniform(key, address[i], np.uint64(1 + a)))
                if value > best:
                    best, chosen = value, a
        if chosen > 0:
            total = 0.0
            for a in range(1, fixed.shape[1]):
                if fixed[k, a] > -np.inf:
                    total += np.exp((fixed[k, a] - w * cost[c, k, a]) / theta - top)
            used = theta * (top + np.log(total)) + gumbel(hash_uniform(key, address[i], np.uint64(1)))
            new = fixed[k, 0] - w * cost[c, k, 0] + gumbel(hash_uniform(key, address[i], np.uint64(0)))
            if not used > new:
                chosen = 0
        out[i] = chosen
