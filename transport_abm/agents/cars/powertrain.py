"""Which powertrain a buyer chooses: a logit over six kinds of cars, and what a plate is worth.

    V_k = -b_p(inc) P_k + b_R ln(R_k / R_0) + b_D ln(1 + fast) + b_H home + b_S peers + b_X days exempt + ASC_k(t)
    b_p(inc) = b_p (inc / median)^-0.4
    value of a plate = ln sum_k exp(V_k) over what it may carry + b_W ln(1 + expected wait) [+ value of no lottery]

The wait for a plate works in its value: a buyer who holds one waits no more. Peers are the new-energy share among the
cars of the same zone and income group; single tastes are the Gumbel numbers of each purchase, so everybody has a
threshold of their own. Constants are identified on purchases of 2021, by ASC_k <- ASC_k + ln(S_observed / S_model)
(Berry, Levinsohn & Pakes 1995), and drift with the number of models. Willingness to pay: Qian, Grisolia and
Soopramanien (2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.cars import kernels_powertrain as kernel
from transport_abm.agents.cars.access import Access, check_length
from transport_abm.agents.cars.offers import (
    IS_BATTERY,
    IS_NEW_ENERGY,
    POWERTRAIN_OF,
    Alternative,
    GivenUp,
    Offers,
)
from transport_abm.agents.tables import Households
from transport_abm.agents.vehicles import IS_NEW_ENERGY as COUNTS_AS_NEW_ENERGY
from transport_abm.agents.vehicles import Cars
from transport_abm.core.draws import Stream, stream_key
from transport_abm.core.errors import Fault, InputError, ObservationError
from transport_abm.core.vocabulary import PlateKind
from transport_abm.networks.city import Zones
from transport_abm.policy.inputs import YearInputs

F64 = NDArray[np.float64]
I8 = NDArray[np.int8]
Bool = NDArray[np.bool_]

CNY_10K = 1e4
INCOME_GROUPS = 3
"""Peers are those of the same third of incomes."""
MOST_INCOMES = 500_000
"""From twice as many households on, every k-th one serves for the cuts: a thousandth of exactness is enough."""
GRID_POINTS = 128
RICHEST_RATIO = 50.0
"""Incomes over the median up to which the value of a plate is tabulated; richer ones count as this rich."""
MOST_ROUNDS = 500
N = len(Alternative)


@dataclass(frozen=True)
class Peers:
    """New-energy shares among the cars of each zone and income group, and the incomes that part the groups."""

    share: F64
    """Shape (zones, income groups) [1]."""
    cut_cny: F64
    """Incomes between the groups, ascending [CNY/year]."""
    median_cny: float
    """Median income of households [CNY/year]."""

    def group(self, income_cny: NDArray[np.float32]) -> I8:
        """Income group of each household."""
        return np.searchsorted(self.cut_cny, income_cny).astype(np.int8)


@dataclass(frozen=True)
class Purchase:
    """What the buyers bought, one entry a buyer."""

    alternative: I8
    """`Alternative` code."""
    powertrain: I8
    range_km: NDArray[np.int16]
    home_post: Bool
    """Charges at a post at home."""
    price_cny: NDArray[np.float32]
    """Price with VAT and tax, less subsidies [CNY]."""
    variant: I8
    """2 x what is given up + post."""
    weight: F64
    """Utility lost by CNY 10,000."""
    age: I8
    """Completed years of the car; 0 for new ones, others come from outside the city (`agents.cars.used`)."""


def peer_share(cars: Cars, households: Households, zones: Zones) -> Peers:
    """New-energy share among the cars of each zone and third of incomes.

    Parameters
    ----------
    cars
        Private cars.
    households
        Who holds them.
    zones
        Zones of the city.

    Returns
    -------
    Peers
        Shares; the city's share counts as one more car, so that a zone without cars has it.
    """
    income = households.income_cny[households.alive]
    income = income[:: max(1, len(income) // MOST_INCOMES)]
    middle = np.arange(1, INCOME_GROUPS) / INCOME_GROUPS
    *cuts, median = np.quantile(income, [*middle, 0.5]) if income.size else [1.0] * INCOME_GROUPS
    cut = np.array(cuts, np.float64)
    alive = cars.alive
    holder = cars.household[alive]
    group = np.searchsorted(cut, households.income_cny[holder])
    cell = households.zone[holder].astype(np.int64) * INCOME_GROUPS + group
    new_energy = COUNTS_AS_NEW_ENERGY[cars.powertrain[alive]]
    size = len(zones) * INCOME_GROUPS
    count = np.bincount(cell, minlength=size)
    city = float(new_energy.mean()) if new_energy.size else 0.0
    share = (np.bincount(cell[new_energy], minlength=size) + city) / (count + 1.0)
    return Peers(share.reshape(len(zones), INCOME_GROUPS), cut, max(float(median), 1.0))


def constants(inputs: YearInputs) -> F64:
    """Constants of the alternatives in a year, with their drift and the number of models [utility]."""
    drift = np.zeros(N)
    drift[1:] = inputs.array("powertrain.drift_{}", list(Alternative)[1:])
    elapsed = min(
        max(inputs.year - inputs["powertrain.drift_start_year"], 0.0), inputs["powertrain.drift_years"]
    )
    models = inputs["powertrain.model_weight"] * np.log(inputs["powertrain.model_factor"])
    return np.asarray(
        inputs.array("powertrain.constant_{}", Alternative)
        + drift * elapsed
        + np.where(IS_NEW_ENERGY, models, 0.0)
    )


def willingness_weight(cny: float, inputs: YearInputs) -> float:
    """Utility of a sum of money at median income: price weight x sum / CNY 10,000."""
    return inputs["powertrain.price_weight"] * cny / CNY_10K


def utility_terms(
    zones: Zones, access: Access, peers: Peers, offers: Offers, inputs: YearInputs
) -> kernel.Terms:
    """Parts of the utilities in a year.

    Parameters
    ----------
    zones
        Zones of the city.
    access
        Posts and sites.
    peers
        New-energy shares.
    offers
        Cars on sale.
    inputs
        Parameters of the year.

    Returns
    -------
    kernel.Terms
        Costs by what is given up and post, terms without price, terms by place, what each plate may carry.
    """
    cost = offers.perceived_cny(inputs).reshape(len(GivenUp) * 2, N) / CNY_10K
    fixed = np.tile(constants(inputs), (2, 1))
    by_range = offers.range_km > 0.0
    by_range[Alternative.PHEV] = False  # its engine goes on where the battery ends
    ratio = offers.range_km[by_range] / inputs["powertrain.range_reference_km"]
    fixed[:, by_range] += inputs["powertrain.range_weight"] * np.log(ratio)
    exempt = inputs["tail_number.day_count"] * inputs["tail_number.bev_exempt_share"]
    fixed[:, IS_BATTERY] += inputs["powertrain.exempt_weight"] * exempt
    post = willingness_weight(inputs["powertrain.home_post_wtp_cny"], inputs)
    fixed[1, IS_BATTERY] += post
    fixed[1, Alternative.PHEV] += inputs["powertrain.home_post_phev_share"] * post
    place = np.zeros((len(zones), INCOME_GROUPS, N))
    place[:, :, IS_NEW_ENERGY] = inputs["powertrain.peer_weight"] * peers.share[:, :, None]
    near = inputs["powertrain.fast_weight"] * np.log1p(access.fast_density)
    near = near + inputs["powertrain.swap_weight"] * np.log1p(access.swap_density)
    place[:, :, IS_BATTERY] += near[:, None, None]
    hydrogen = inputs["powertrain.hydrogen_weight"] * np.log1p(access.hydrogen_density)
    place[:, :, Alternative.FCEV] += hydrogen[:, None]
    allowed = np.tile(offers.available, (len(PlateKind), 1))
    # A plug-in hybrid counts as new-energy but needs an ordinary plate in Beijing.
    allowed[PlateKind.NEW_ENERGY, : Alternative.BEV_SHORT] = False
    return kernel.Terms(cost, fixed, place, allowed)


def describe_buyers(
    household: NDArray[np.int32],
    plate: I8,
    households: Households,
    access: Access,
    peers: Peers,
    inputs: YearInputs,
    *,
    given_up: I8 | None = None,
) -> kernel.Buyers:
    """What the choice needs to know of each buyer.

    Parameters
    ----------
    household
        Row of the household, one a buyer.
    plate
        PlateKind of the plate that the car will carry.
    households, access, peers
        Their state.
    inputs
        Parameters of the year.
    given_up
        `GivenUp` codes; nothing by default.

    Returns
    -------
    kernel.Buyers
        Zone, income group, price weight, variant of the cost and plate.

    Raises
    ------
    InputError
        If the arrays differ in length, or the access of some households is not known.
    """
    check_length(access, households)
    n = len(household)
    trade = np.zeros(n, np.int8) if given_up is None else np.asarray(given_up, np.int8)
    faults = [
        Fault("buyers", name, f"{n} values", f"{len(values)}")
        for name, values in (("plate", plate), ("given_up", trade))
        if len(values) != n
    ]
    if faults:
        raise InputError(faults)
    income = households.income_cny[household]
    ratio = np.maximum(income.astype(np.float64), 1.0) / peers.median_cny
    return kernel.Buyers(
        zone=households.zone[household],
        group=peers.group(income),
        weight=price_weight(ratio, inputs),
        variant=(2 * trade + access.home_post[household]).astype(np.int8),
        plate=np.ascontiguousarray(plate, np.int8),
    )


def price_weight(ratio: F64, inputs: YearInputs) -> F64:
    """Utility lost by CNY 10,000 at an income over the median."""
    ratio = np.clip(ratio, inputs["powertrain.income_floor_share"], RICHEST_RATIO)
    return np.asarray(inputs["powertrain.price_weight"] * ratio ** inputs["powertrain.income_power"])


def choose_powertrain(
    household: NDArray[np.int32],
    plate: I8,
    key: NDArray[np.int64],
    households: Households,
    zones: Zones,
    access: Access,
    peers: Peers,
    offers: Offers,
    inputs: YearInputs,
    *,
    year: int,
    seed: int,
    given_up: I8 | None = None,
) -> Purchase:
    """Every buyer takes the car with the largest perceived utility that the plate may carry.

    Parameters
    ----------
    household
        Row of the household, one a buyer.
    plate
        PlateKind of the plate that the car will carry.
    key
        Persistent identity of the purchase: the address of its draws.
    households, zones, access, peers, offers
        Their state, and the cars on sale.
    inputs
        Parameters of the year.
    year
        Simulated year.
    seed
        Seed of the run.
    given_up
        `GivenUp` codes; nothing by default.

    Returns
    -------
    Purchase
        What each bought.

    Raises
    ------
    InputError
        If the arrays differ in length.
    """
    if len(key) != len(household):
        raise InputError(Fault("buyers", "key", f"{len(household)} values", f"{len(key)}"))
    terms = utility_terms(zones, access, peers, offers, inputs)
    buyers = describe_buyers(household, plate, households, access, peers, inputs, given_up=given_up)
    chosen = np.empty(len(household), np.int8)
    address = np.ascontiguousarray(key, np.int64).view(np.uint64)
    kernel.choose_alternatives(buyers, address, stream_key(seed, Stream.POWERTRAIN, year), terms, chosen)
    plugs = IS_BATTERY.copy()
    plugs[Alternative.PHEV] = True
    paid = offers.price_cny + offers.tax_cny - offers.subsidy_cny
    return Purchase(
        alternative=chosen,
        powertrain=POWERTRAIN_OF[chosen],
        range_km=offers.range_km[chosen].astype(np.int16),
        home_post=access.home_post[household] & plugs[chosen],
        price_cny=(paid[chosen] - offers.trade_cny[buyers.variant // 2, chosen]).astype(np.float32),
        variant=buyers.variant,
        weight=buyers.weight,
        age=np.zeros(len(household), np.int8),
    )


def choice_probabilities(buyers: kernel.Buyers, terms: kernel.Terms) -> F64:
    """Probability of each alternative for each buyer, shape (buyers, alternatives)."""
    out = np.empty((len(buyers.zone), N))
    kernel.probabilities(buyers, terms, out)
    return out


def expected_shares(buyers: kernel.Buyers, terms: kernel.Terms) -> F64:
    """Expected share of each alternative among purchases, summed in fixed chunks."""
    n = len(buyers.zone)
    part = np.empty((-(-n // kernel.CHUNK), N))
    kernel.expected_counts(buyers, terms, part)
    return np.asarray(part.sum(axis=0) / max(n, 1))


def observed_shares(inputs: YearInputs) -> F64:
    """Shares of purchases of 2021 that identify the constants."""
    share = inputs.array("powertrain.share_2021_{}", Alternative)
    return np.asarray(share / share.sum())


def identify_constants(
    observed: F64, buyers: kernel.Buyers, terms: kernel.Terms, inputs: YearInputs, *, gap: float = 1e-9
) -> F64:
    """Constants with which the expected shares of purchases are the observed ones.

    Parameters
    ----------
    observed
        Share of each alternative among purchases.
    buyers, terms
        Buyers of the year and the parts of their utilities, from `utility_terms`.
    inputs
        Parameters of the year that `terms` are of.
    gap
        Largest difference of shares [1].

    Returns
    -------
    NDArray[np.float64]
        Values for the parameters `powertrain.constant_*`; the petrol car's is kept. An alternative that is not
        on sale and was not bought keeps its constant.

    Raises
    ------
    ObservationError
        If a share cannot be met: something bought that nobody may buy, or the reverse; or shares that the
        plates of the buyers rule out.
    """
    may = np.asarray(terms.allowed[np.unique(buyers.plate)].any(axis=0), np.bool_)
    faults = [
        Fault(
            "observed shares",
            kind.name,
            "above 0" if may[kind] else "0, as nobody may buy it",
            f"{observed[kind]:g}",
        )
        for kind in Alternative
        if (observed[kind] > 0.0) != may[kind]
    ]
    if faults:
        raise ObservationError(faults)
    observed = observed / observed.sum()
    shift = np.zeros(N)
    for _ in range(MOST_ROUNDS):
        model = expected_shares(buyers, terms._replace(fixed=terms.fixed + shift))
        if np.abs(model - observed).max() <= gap:
            return np.asarray(inputs.array("powertrain.constant_{}", Alternative) + shift)
        shift[may] += np.log(observed[may] / model[may])
        shift -= np.where(may, shift[Alternative.ICE], 0.0)
    got = ", ".join(f"{kind.name} {model[kind]:.4f}" for kind in Alternative)
    raise ObservationError(
        Fault("observed shares", "plates", "shares that the plates of the buyers allow", got)
    )


def pool_value(
    households: Households,
    zones: Zones,
    access: Access,
    peers: Peers,
    wait_year: F64,
    offers: Offers,
    inputs: YearInputs,
) -> F64:
    """Value of an ordinary and of a new-energy plate to every household.

    Parameters
    ----------
    households, zones, access, peers
        Their state.
    wait_year
        Expected wait for an ordinary and for a new-energy plate; infinite where none is handed out [year].
    offers
        Cars on sale.
    inputs
        Parameters of the year.

    Returns
    -------
    NDArray[np.float64]
        Value, shape (households, 2) [utility].

    Notes
    -----
    Read from a table by zone, income group, post and the log of income (straight lines between 128 points;
    the error is below 0.001).
    """
    check_length(access, households)
    terms = utility_terms(zones, access, peers, offers, inputs)
    log_ratio = np.linspace(
        np.log(inputs["powertrain.income_floor_share"]), np.log(RICHEST_RATIO), GRID_POINTS
    )
    weight = price_weight(np.exp(log_ratio), inputs)
    table = np.empty((2, len(zones), INCOME_GROUPS, 2, GRID_POINTS))
    for plate in (PlateKind.ORDINARY, PlateKind.NEW_ENERGY):
        kernel.tabulate_logsum(int(plate), weight, terms, table[plate])
    wait = np.minimum(np.asarray(wait_year, np.float64), inputs["powertrain.wait_max_year"])
    table += (inputs["powertrain.wait_weight"] * np.log1p(wait))[:, None, None, None, None]
    no_lottery = willingness_weight(inputs["powertrain.free_plate_wtp_cny"], inputs)
    table[PlateKind.NEW_ENERGY] += no_lottery
    scale = np.concatenate([[peers.median_cny, log_ratio[0], log_ratio[-1]], peers.cut_cny])
    out = np.empty((len(households), 2))
    kernel.read_table(households.zone, households.income_cny, access.home_post, scale, table, out)
    return out
