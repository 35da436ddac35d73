"""Fleets counted by age instead of vehicle by vehicle: official cars, sanitation, airport, trucks, motorcycles.

    scrapped(a) = h(a) count(a),  h(a) = 1 - S(a + 1) / S(a),  S(a) = exp(-(a / T)^k),  T = mean life / Gamma(1 + 1/k)

Counts are whole; what does not divide is rounded up or down by an addressed draw with the right mean, so the
books close exactly. Survival: Weibull by class (Hao, Wang, Ouyang and Cheng 2011, Science China Technological
Sciences 54).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import gamma

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.fleets.renewal import Option, replacement_share
from transport_abm.agents.vehicles import VehicleBook
from transport_abm.core.draws import Stream, uniform
from transport_abm.core.errors import Fault, InputError
from transport_abm.core.vocabulary import NEW_ENERGY, Fuel, Powertrain, VehicleClass

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]

AGE_COUNT = 31
"""Ages 0 to 30; whatever is older leaves."""
SHAPE = (len(Powertrain), len(Fuel), AGE_COUNT)
_CELLS = SHAPE[0] * SHAPE[1] * SHAPE[2]
_NEW_ENERGY = [int(powertrain) for powertrain in NEW_ENERGY]


@dataclass
class Cohort:
    """One fleet counted by powertrain, fuel and age."""

    name: str
    """Name, unique among the cohorts of a run; part of the paths of its parameters."""
    class_: VehicleClass
    number: int
    """Number for the draws, unique among the cohorts of a run."""
    count: I64
    """Vehicles, shape (powertrains, fuels, ages)."""
    exempt: bool = False
    """Outside the rule of the plan for its fleet."""
    bought: I64 = field(default_factory=lambda: np.zeros(SHAPE[:2], np.int64))
    """Vehicles bought in the last year, by powertrain and fuel."""

    @property
    def total(self) -> int:
        """Vehicles."""
        return int(self.count.sum())

    @property
    def new_energy(self) -> int:
        """New-energy vehicles."""
        return int(self.count[_NEW_ENERGY].sum())

    def by_kind(self) -> I64:
        """Vehicles by powertrain and fuel."""
        return np.asarray(self.count.sum(axis=2))


def survival(mean_life_year: float, shape: float) -> F64:
    """Share of vehicles still in use by age.

    Parameters
    ----------
    mean_life_year
        Mean life [year].
    shape
        Weibull shape [1].

    Returns
    -------
    NDArray[np.float64]
        S(a) for ages 0 to AGE_COUNT; the last is zero, as nothing grows older.
    """
    scale = mean_life_year / gamma(1.0 + 1.0 / shape)
    share = np.exp(-((np.arange(AGE_COUNT + 1) / scale) ** shape))
    share[AGE_COUNT] = 0.0
    return share


def scrap_share(mean_life_year: float, shape: float) -> F64:
    """Share of each age that is scrapped within a year, shape (AGE_COUNT,); one for the oldest."""
    left = survival(mean_life_year, shape)
    return np.asarray(1.0 - left[1:] / np.maximum(left[:-1], np.finfo(np.float64).tiny))


def share_out(total: int, weight: F64) -> I64:
    """Split a whole number by weights, largest remainders first; adds up exactly."""
    weight = np.asarray(weight, np.float64)
    if total and not weight.sum() > 0.0:
        raise InputError(Fault("cohorts", "weight", "a positive weight for a positive total", "zero"))
    exact = total * weight / weight.sum() if total else np.zeros(weight.shape)
    whole = np.floor(exact).astype(np.int64)
    rest = total - int(whole.sum())
    order = np.argsort(-(exact - whole).ravel(), kind="stable")[:rest]
    whole.reshape(-1)[order] += 1
    return whole


def build_cohort(
    name: str,
    class_: VehicleClass,
    number: int,
    stock: Mapping[Option, int],
    age_weight: Mapping[Option, F64] | F64,
    *,
    exempt: bool = False,
) -> Cohort:
    """A cohort from its stock by option and the profile of ages.

    Parameters
    ----------
    name, class_, number, exempt
        As in `Cohort`.
    stock
        Vehicles by option.
    age_weight
        Weights of ages 0, 1, ... (up to AGE_COUNT), for all options or by option.

    Returns
    -------
    Cohort
        Whole numbers that add up to the stock.
    """
    count = np.zeros(SHAPE, np.int64)
    for option, total in stock.items():
        weight = age_weight[option] if isinstance(age_weight, Mapping) else age_weight
        count[option.powertrain, option.fuel, : len(weight)] += share_out(total, weight)
    return Cohort(name, class_, number, count, exempt)


def scrap_cohort(cohort: Cohort, share: F64, book: VehicleBook, *, year: int, seed: int) -> int:
    """Open the year of a cohort: scrap a share of every age, and let the rest grow a year older.

    Parameters
    ----------
    cohort
        Changed.
    share
        Share scrapped by age, shape (AGE_COUNT,) (from `scrap_share`).
    book
        Its opening stock and what is scrapped are added.
    year, seed
        Address of the draws.

    Returns
    -------
    int
        Vehicles scrapped.
    """
    book.opening[cohort.class_] += cohort.by_kind()
    cohort.bought[:] = 0
    key = np.arange(_CELLS, dtype=np.int64) + cohort.number * _CELLS
    draw = uniform(seed, Stream.FLEET, key, year).reshape(SHAPE)
    gone = np.minimum(np.floor(cohort.count * share + draw).astype(np.int64), cohort.count)
    gone[:, :, -1] = cohort.count[:, :, -1]
    return _leave(cohort, gone, book, older=True)


def retire_oldest(cohort: Cohort, powertrains: Sequence[Powertrain], count: int, book: VehicleBook) -> int:
    """Retire so many vehicles of some powertrains before their time, the oldest first.

    Parameters
    ----------
    cohort
        Changed; call after `scrap_cohort`.
    powertrains
        Whose vehicles.
    count
        How many; at most as many as there are.
    book
        They are added to what is scrapped.

    Returns
    -------
    int
        Vehicles retired.
    """
    gone = np.zeros(SHAPE, np.int64)
    left = count
    for age in range(AGE_COUNT - 1, -1, -1):
        have = np.zeros(SHAPE[:2], np.int64)
        have[list(powertrains)] = cohort.count[list(powertrains), :, age]
        take = min(left, int(have.sum()))
        if take:
            gone[:, :, age] = share_out(take, have.astype(np.float64))
            left -= take
    return _leave(cohort, gone, book, older=False)


def _leave(cohort: Cohort, gone: I64, book: VehicleBook, *, older: bool) -> int:
    """Take vehicles out and, if asked, let the rest age by a year."""
    rest = cohort.count - gone
    if older:
        cohort.count[:, :, 1:] = rest[:, :, :-1]
        cohort.count[:, :, 0] = 0
    else:
        cohort.count[:] = rest
    book.scrapped[cohort.class_] += gone.sum(axis=2)
    return int(gone.sum())


def buy_cohort(
    cohort: Cohort,
    count: int,
    options: Sequence[Option],
    cost_cny: F64,
    allowed: NDArray[np.bool_],
    book: VehicleBook,
    *,
    year: int,
    seed: int,
    inputs: Mapping[str, float],
    k: int = 0,
) -> I64:
    """Buy so many new vehicles, shared out over the options by the logit on their cost.

    Parameters
    ----------
    cohort
        Changed.
    count
        Vehicles to buy.
    options
        What can be bought.
    cost_cny, allowed
        By option, shape (options,).
    book
        They are added to the new ones.
    year, seed, k
        Address of the draw that rounds; ``k`` tells several purchases of one year apart.
    inputs
        Parameter values; needs ``fleets.tco_scale_cny``.

    Returns
    -------
    NDArray[np.int64]
        Bought by option; adds up to ``count``.
    """
    share = replacement_share(np.atleast_2d(cost_cny), np.atleast_2d(allowed), inputs)[0]
    draw = uniform(seed, Stream.FLEET, np.array([_CELLS * cohort.number]), year, 1 + k)[0]
    bought = _round_shares(count, share, draw)
    for option, number in zip(options, bought, strict=True):
        add_cohort(cohort, option, int(number), book)
    return bought


def add_cohort(cohort: Cohort, option: Option, count: int, book: VehicleBook) -> None:
    """Add new vehicles of one option, and book them."""
    cohort.count[option.powertrain, option.fuel, 0] += count
    cohort.bought[option.powertrain, option.fuel] += count
    book.new[cohort.class_, option.powertrain, option.fuel] += count


def _round_shares(count: int, share: F64, draw: float) -> I64:
    """Whole numbers that add up to the count, each with the right mean: systematic sampling with one draw."""
    ends = np.minimum(np.floor(np.cumsum(share) * count + draw).astype(np.int64), count)
    ends[np.flatnonzero(share)[-1] :] = count  # whatever the sum of the shares rounds to
    return np.diff(ends, prepend=0)


def close_cohort(cohort: Cohort, book: VehicleBook) -> None:
    """Add the stock at the end of the year to the book."""
    book.closing[cohort.class_] += cohort.by_kind()
