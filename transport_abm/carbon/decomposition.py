"""Why CO2 changed: six factors with nothing left over, and a fair share for each lever.

    CO2 = sum over cells of  activity x structure x load x fuel x efficiency x grid
    effect of x = sum over cells of  L(C_after, C_before) ln(x_after / x_before),   L(a, b) = (a - b) / ln(a / b)

A cell is a consumer, powertrain and fuel. Activity is the converted turnover, structure a consumer's share of it, load its
kilometres for each unit carried, fuel the share of the kilometres by powertrain and fuel, efficiency the energy of a
kilometre, grid the CO2 of the energy. Where a term vanishes on one side, the limit holds: the whole change belongs to
the factors that vanish, in equal parts. Logarithmic mean Divisia index, additive form I (Ang 2004, 2005; limits: Ang and
Liu 2007). Shares of levers: Shapley (1953), over runs with the same draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transport_abm.carbon.account import Account
from transport_abm.carbon.activity import Consumer
from transport_abm.carbon.converted_turnover import MEMBERS
from transport_abm.core.draws import Stream, uniform
from transport_abm.core.errors import ConservationError, Fault, InputError
from transport_abm.core.vocabulary import Accounting, Fuel, Powertrain, Scope

F64 = NDArray[np.float64]

FACTORS = ("activity", "structure", "load", "efficiency", "fuel", "grid")
G_PER_T = 1e6
EXACT_LEVERS = 6
"""Up to so many levers every set of them is run: at most 64 runs."""


def log_mean(a: ArrayLike, b: ArrayLike) -> F64:
    """Logarithmic mean (a - b) / ln(a / b) of positive numbers, and a where they are equal."""
    high, low = np.asarray(a, np.float64), np.asarray(b, np.float64)
    x = np.log(high / low)
    safe = np.where(x == 0.0, 1.0, x)
    return np.asarray(low * np.where(x == 0.0, 1.0, np.expm1(safe) / safe))


def lmdi(before: ArrayLike, after: ArrayLike) -> F64:
    """Effects of factors on the change of their products.

    Parameters
    ----------
    before, after
        Factors of each cell, shape (factors, cells), none below zero. NaN where a factor has no meaning because
        another one is zero (the energy of a kilometre that nobody drives): it then counts as unchanged.

    Returns
    -------
    NDArray[np.float64]
        Effects, shape (factors, cells); the sum over factors is the change of each cell's product.

    Raises
    ------
    InputError
        If a factor is negative or infinite, or the shapes differ.

    Notes
    -----
    Ang (2005), Energy Policy 33; limits of Ang and Liu (2007), Energy Policy 35. Validation case V-28.
    """
    first, last = np.asarray(before, np.float64), np.asarray(after, np.float64)
    bad = [name for name, x in (("before", first), ("after", last)) if (x < 0.0).any() or np.isinf(x).any()]
    if bad or first.shape != last.shape:
        raise InputError(
            Fault("lmdi", name, "factors of 0 or more in one shape", "others") for name in bad or ["shape"]
        )
    start = np.where(np.isnan(first), np.where(np.isnan(last), 1.0, last), first)
    end = np.where(np.isnan(last), np.where(np.isnan(first), 1.0, first), last)
    c0, c1 = start.prod(axis=0), end.prod(axis=0)
    both = (c0 > 0.0) & (c1 > 0.0)
    ratio = np.log(np.where(both, end, 1.0) / np.where(both, start, 1.0))
    smooth = log_mean(np.where(both, c1, 1.0), np.where(both, c0, 1.0)) * ratio
    vanishing = np.where(c0 > 0.0, end == 0.0, start == 0.0) & ((c0 > 0.0) != (c1 > 0.0))
    count = np.maximum(vanishing.sum(axis=0), 1)
    return np.asarray(np.where(both, smooth, vanishing * ((c1 - c0) / count)))


@dataclass(frozen=True, eq=False)
class Decomposition:
    """Effects of the six factors on a change."""

    effect: F64
    """By factor (in the order of `FACTORS`) and consumer [t/year, or g/tkm for an intensity]."""
    change: float
    """What is explained."""

    def by_factor(self) -> dict[str, float]:
        """Effect of each factor; they add up to the change."""
        return dict(zip(FACTORS, self.effect.sum(axis=1).tolist(), strict=True))


def decompose(
    base: Account,
    account: Account,
    inputs: Mapping[str, float],
    *,
    accounting: Accounting = Accounting.PROVINCIAL,
    scope: Scope | None = None,
    intensity: bool = False,
) -> Decomposition:
    """Why CO2, or an intensity, differs between two accounts.

    Parameters
    ----------
    base, account
        Two years, or two scenarios in one year.
    inputs
        Values; needs ``carbon.road_pkm_per_tkm`` and ``carbon.rail_pkm_per_tkm``.
    accounting
        Way of counting.
    scope
        Operating transport of a scope; by default the whole city with private cars and e-bikes.
    intensity
        Explain CO2 for each unit carried instead of CO2; activity then has no effect.

    Returns
    -------
    Decomposition
        Effects by factor and consumer.

    Raises
    ------
    ConservationError
        If the effects do not add up to the change.

    Notes
    -----
    In the whole city all passenger-km count as on roads, the metro's too, so that a change of mode is not a change
    of weights. Who carries nothing that is counted (sanitation, airport) carries one person, beside the turnover.
    Where kilometres are not known (rail freight), what is carried stands for them in both accounts.
    """
    cells = [_quantities(each, inputs, accounting, scope) for each in (base, account)]
    known = (cells[0].km > 0.0) & (cells[1].km > 0.0)
    before, after = (_factors(each, known, intensity=intensity) for each in cells)
    effect = lmdi(before, after).reshape(len(FACTORS), len(Consumer), -1).sum(axis=2)
    totals = [float(each.co2_t.sum()) / (each.turnover if intensity else 1.0) for each in cells]
    unit = G_PER_T if intensity else 1.0
    result = Decomposition(effect * unit, (totals[1] - totals[0]) * unit)
    if abs(result.effect.sum() - result.change) > 1e-9 * max(*totals, 1e-30) * unit:
        raise ConservationError(
            f"decomposition {base.year}-{account.year}: {result.effect.sum() - result.change:g} is left"
        )
    return result


@dataclass(frozen=True, eq=False)
class _Quantities:
    """What the factors are made of: carried and km by consumer; km, energy and CO2 by consumer, powertrain, fuel."""

    turnover: float
    """What is carried and counted."""
    carried: F64
    """By consumer; who carries nothing that is counted carries one person."""
    km: F64
    kind_km: F64
    energy_tj: F64
    co2_t: F64


def _quantities(
    account: Account, inputs: Mapping[str, float], accounting: Accounting, scope: Scope | None
) -> _Quantities:
    """Quantities of an account in a scope."""
    road = inputs["carbon.road_pkm_per_tkm"]
    if scope is None:
        energy, co2 = account.energy_tj.sum(axis=3), account.co2_t[accounting].sum(axis=3)
        kind_km, km = account.kind_km.copy(), account.vehicle_km
        carried = account.tonne_km + account.passenger_km / road
    else:
        member = np.isin(np.arange(len(Consumer)), [int(each) for each in MEMBERS[scope]])
        part = account.operating
        energy = part.energy_tj * member[:, None, None]
        co2 = part.co2_t[accounting] * member[:, None, None]
        kind_km, km = part.kind_km * member[:, None, None], part.kind_km.sum(axis=(1, 2)) * member
        weight = np.full(len(Consumer), road)
        if scope is Scope.S3:
            weight[Consumer.METRO] = inputs["carbon.rail_pkm_per_tkm"]
        carried = (part.tonne_km + part.passenger_km / weight) * member
    turnover = float(carried.sum())
    if turnover <= 0.0:
        raise ConservationError(f"decomposition {account.year}: nothing is carried")
    carried = np.where(carried > 0.0, carried, km / road)
    # a plug-in hybrid's electricity moves the kilometres that stand under the fuel of its engine
    kind_km[:, Powertrain.PHEV, Fuel.ELECTRICITY] = kind_km[:, Powertrain.PHEV].sum(axis=1)
    return _Quantities(turnover, carried, km, kind_km, energy, co2)


def _factors(q: _Quantities, known: NDArray[np.bool_], *, intensity: bool) -> F64:
    """Six factors of each cell, shape (factors, cells); NaN where one has no meaning."""
    move = np.where(known, q.km, q.carried)
    kind = np.where(known[:, None, None], q.kind_km, 0.0)
    share = _ratio(kind, q.km[:, None, None])
    # who has no kilometres in one of the accounts: shares of the energy stand for those of the kilometres
    whole = _ratio(q.energy_tj, q.energy_tj.sum(axis=(1, 2), keepdims=True))
    share = np.where(known[:, None, None], share, np.nan_to_num(whole))
    shape = share.shape
    out = np.empty((len(FACTORS), *shape))
    out[0] = 1.0 if intensity else q.turnover
    out[1] = np.broadcast_to(_ratio(q.carried, np.full(q.carried.shape, q.turnover))[:, None, None], shape)
    out[2] = np.broadcast_to(_ratio(move, q.carried)[:, None, None], shape)
    out[3] = _ratio(q.energy_tj, move[:, None, None] * share)
    out[4] = share
    out[5] = _ratio(q.co2_t, q.energy_tj)
    return out.reshape(len(FACTORS), -1)


def _ratio(top: F64, bottom: F64) -> F64:
    """Top over bottom, NaN where the bottom is zero."""
    some = np.broadcast_to(bottom != 0.0, np.broadcast(top, bottom).shape)
    return np.asarray(np.divide(top, bottom, out=np.full(some.shape, np.nan), where=some))


def shapley(
    value: Callable[[frozenset[str]], ArrayLike],
    levers: Sequence[str],
    *,
    seed: int = 0,
    permutation_count: int = 200,
) -> dict[str, F64]:
    """Fair share of each lever in what all of them do together.

    Parameters
    ----------
    value
        Outcome, one number or an array of outcomes, of a run with these levers on and the others off; called once for a
        set of levers.
    levers
        Names of the levers.
    seed, permutation_count
        Beyond six levers: draws, and how many orders are drawn; every order is also taken backwards.

    Returns
    -------
    dict[str, NDArray[np.float64]]
        Share of each lever; they add up to value(all) - value(none), whether exact or drawn.

    Raises
    ------
    InputError
        If a lever is named twice, or no order is drawn.

    Notes
    -----
    Exact up to six levers (64 runs); beyond that the mean over orders (Castro, Gomez and Tejada 2009).
    """
    names = tuple(levers)
    faults = [
        Fault("shapley", "levers", "each lever once", repr(each))
        for each in sorted({n for n in names if names.count(n) > 1})
    ]
    if permutation_count < 1:
        faults.append(Fault("shapley", "permutation_count", "1 or more", str(permutation_count)))
    if faults:
        raise InputError(faults)
    known: dict[frozenset[str], F64] = {}

    def worth(on: frozenset[str]) -> F64:
        """Outcome of a set, run once."""
        if on not in known:
            known[on] = np.asarray(value(on), np.float64)
        return known[on]

    if len(names) <= EXACT_LEVERS:
        return {name: _exact_share(name, names, worth) for name in names}
    return _drawn_shares(names, worth, seed, permutation_count)


def _exact_share(name: str, names: tuple[str, ...], worth: Callable[[frozenset[str]], F64]) -> F64:
    """Mean of what a lever adds, over all orders."""
    others = [each for each in names if each != name]
    out = np.zeros_like(worth(frozenset()))
    for size in range(len(names)):
        weight = factorial(size) * factorial(len(others) - size) / factorial(len(names))
        for some in combinations(others, size):
            on = frozenset(some)
            out = out + weight * (worth(on | {name}) - worth(on))
    return np.asarray(out)


def _drawn_shares(
    names: tuple[str, ...], worth: Callable[[frozenset[str]], F64], seed: int, count: int
) -> dict[str, F64]:
    """Mean of what each lever adds, over drawn orders and their reverses."""
    out = {name: np.zeros_like(worth(frozenset())) for name in names}
    for k in range(count):
        order = np.argsort(uniform(seed, Stream.ATTRIBUTION, np.arange(len(names)), 0, k), kind="stable")
        for turn in (order, order[::-1]):
            on: frozenset[str] = frozenset()
            for i in turn.tolist():
                more = on | {names[i]}
                out[names[i]] = out[names[i]] + (worth(more) - worth(on)) / (2 * count)
                on = more
    return out
