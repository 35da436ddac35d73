"""Kernels of the powertrain choice: utilities, draws, expected shares, values of a plate.

    V_k = -w C_k(post, what is given up) + fixed_k(post) + place_k(zone, income group)
    P(k) = exp(V_k) / sum_j exp(V_j)            over what is on sale and what the plate may carry
    choice = argmax_k V_k + g_k,    g_k a Gumbel number addressed by purchase and alternative

so that a change of one price moves only buyers who gain or lose by it. McFadden (1974).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from transport_abm.core.draws import hash_uniform

F64 = NDArray[np.float64]

CHUNK = 16_384
"""Buyers in one chunk; chunks are fixed, so sums do not depend on the number of threads."""
HALF_STEP = 2.0**-54
"""Keeps the logarithm of a draw finite."""


class Terms(NamedTuple):
    """Parts of the utilities of the alternatives."""

    cost: F64  # [2 x what is given up + post, alternatives]: perceived cost [10,000 CNY]
    fixed: F64  # [post, alternatives]: what depends on neither price nor place
    place: F64  # [zones, income groups, alternatives]: posts near and peers
    allowed: NDArray[np.bool_]  # [plates, alternatives]


class Buyers(NamedTuple):
    """What the choice needs to know of each buyer."""

    zone: NDArray[np.int16]
    group: NDArray[np.int8]
    weight: F64  # price weight w [utility/(10,000 CNY)]
    variant: NDArray[np.int8]  # 2 x what is given up + post
    plate: NDArray[np.int8]


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def utility(zone: int, group: int, weight: float, variant: int, plate: int, terms: Terms, v: F64) -> None:
    """Utility of each alternative, written to ``v``; minus infinity where it cannot be had."""
    for k in range(v.shape[0]):
        if terms.allowed[plate, k]:
            v[k] = terms.fixed[variant & 1, k] + terms.place[zone, group, k] - weight * terms.cost[variant, k]
        else:
            v[k] = -np.inf


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def logsum(v: F64) -> float:
    """Inclusive value ln sum exp of utilities, minus infinity where there are none."""
    top = -np.inf
    for k in range(v.shape[0]):
        top = max(top, v[k])
    if top == -np.inf:
        return -np.inf
    total = 0.0
    for k in range(v.shape[0]):
        total += np.exp(v[k] - top)
    return float(top + np.log(total))


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)  # type: ignore[untyped-decorator]
def choose_alternatives(
    buyers: Buyers, address: NDArray[np.uint64], key: np.uint64, terms: Terms, chosen: NDArray[np.int8]
) -> None:
    """Alternative with the largest perceived utility of every buyer.

    Parameters
    ----------
    buyers, terms : see there
    address : uint64[buyers]    identity of the purchase
    key : uint64                stream key of the draws
    chosen : int8[buyers], overwritten; -1 where nothing may be bought
    """
    n = chosen.shape[0]
    for chunk in prange((n + CHUNK - 1) // CHUNK):
        v = np.empty(terms.cost.shape[1])
        for i in range(chunk * CHUNK, min(n, (chunk + 1) * CHUNK)):
            utility(
                buyers.zone[i],
                buyers.group[i],
                buyers.weight[i],
                buyers.variant[i],
                buyers.plate[i],
                terms,
                v,
            )
            best = -np.inf
            chosen[i] = -1
            for k in range(v.shape[0]):
                if v[k] > -np.inf:
                    u = hash_uniform(key, address[i], np.uint64(k))
                    value = v[k] - np.log(-np.log(u + HALF_STEP))
                    if value > best:
                        best = value
                        chosen[i] = k


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)  # type: ignore[untyped-decorator]
def probabilities(buyers: Buyers, terms: Terms, out: F64) -> None:
    """Probability of each alternative, float64[buyers, alternatives], overwritten."""
    n = out.shape[0]
    for chunk in prange((n + CHUNK - 1) // CHUNK):
        v = np.empty(terms.cost.shape[1])
        for i in range(chunk * CHUNK, min(n, (chunk + 1) * CHUNK)):
            utility(
                buyers.zone[i],
                buyers.group[i],
                buyers.weight[i],
                buyers.variant[i],
                buyers.plate[i],
                terms,
                v,
            )
            total = logsum(v)
            for k in range(v.shape[0]):
                out[i, k] = np.exp(v[k] - total) if v[k] > -np.inf else 0.0


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)  # type: ignore[untyped-decorator]
def expected_counts(buyers: Buyers, terms: Terms, out: F64) -> None:
    """Sums of the probabilities over fixed chunks, float64[chunks, alternatives], overwritten."""
    n = buyers.zone.shape[0]
    for chunk in prange(out.shape[0]):
        v = np.empty(terms.cost.shape[1])
        for k in range(v.shape[0]):
            out[chunk, k] = 0.0
        for i in range(chunk * CHUNK, min(n, (chunk + 1) * CHUNK)):
            utility(
                buyers.zone[i],
                buyers.group[i],
                buyers.weight[i],
                buyers.variant[i],
                buyers.plate[i],
                terms,
                v,
            )
            total = logsum(v)
            for k in range(v.shape[0]):
                if v[k] > -np.inf:
                    out[chunk, k] += np.exp(v[k] - total)


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)  # type: ignore[untyped-decorator]
def tabulate_logsum(plate: int, weight: F64, terms: Terms, table: F64) -> None:
    """Inclusive value of a plate by zone, income group, post and point of a grid of price weights.

    weight : float64[points];  table : float64[zones, groups, 2, points], overwritten.
    """
    for zone in prange(table.shape[0]):
        v = np.empty(terms.cost.shape[1])
        for group in range(table.shape[1]):
            for post in range(table.shape[2]):
                for point in range(weight.shape[0]):
                    # The index of a parallel loop is unsigned.
                    utility(np.int64(zone), group, weight[point], post, plate, terms, v)
                    table[zone, group, post, point] = logsum(v)


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)  # type: ignore[untyped-decorator]
def read_table(
    zone: NDArray[np.int16],
    income_cny: NDArray[np.float32],
    post: NDArray[np.bool_],
    scale: F64,
    table: F64,
    out: F64,
) -> None:
    """Values of two tables at every household, by straight lines between points of the log of income.

    Parameters
    ----------
    zone, income_cny, post : arrays[households]
    scale : float64[4]          median income, lowest log ratio, highest log ratio, first cut; further cuts follow
    table : float64[2, zones, groups, 2, points]
    out : float64[households, 2], overwritten
    """
    points = table.shape[4]
    low, high = scale[1], scale[2]
    for i in prange(zone.shape[0]):
        group = 0
        for cut in range(3, scale.shape[0]):
            if income_cny[i] > scale[cut]:
                group += 1
        x = np.log(max(income_cny[i], 1.0) / scale[0])
        at = (min(max(x, low), high) - low) / (high - low) * (points - 1)
        left = min(int(at), points - 2)
        part = at - left
        home = 1 if post[i] else 0
        for pool in range(2):
            row = table[pool, zone[i], group, home]
            out[i, pool] = row[left] * (1.0 - part) + row[left + 1] * part
