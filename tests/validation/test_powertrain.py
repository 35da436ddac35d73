"""Powertrain choice against theory: Bass's curve (V-38), willingness to pay, and draws against probabilities."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tiny import tiny_city
from transport_abm.agents.cars import kernels_powertrain as kernel
from transport_abm.agents.cars.access import build_access
from transport_abm.agents.cars.offers import Alternative, offers
from transport_abm.agents.cars.powertrain import (
    choice_probabilities,
    choose_powertrain,
    describe_buyers,
    peer_share,
    utility_terms,
    willingness_weight,
)
from transport_abm.agents.tables import Households
from transport_abm.agents.vehicles import Cars
from transport_abm.core.draws import Stream, stream_key, uniform
from transport_abm.core.vocabulary import PlateKind, Powertrain
from transport_abm.policy.inputs import year_inputs

CITY = tiny_city()
BEV = (Alternative.BEV_SHORT, Alternative.BEV_LONG)


def same_households(n: int) -> tuple[Households, Cars]:
    """Households of one zone and one income, each with an oil car."""
    households = Households.build(n, income_cny=np.float32(150_000), car=np.int8(1), size=np.int8(3))
    return households, Cars.build(n, household=np.arange(n, dtype=np.int32))


def test_v38_a_city_of_equals_who_follow_their_peers_adopts_along_the_bass_curve() -> None:
    """The model's own peers and draws, with the peer term that Bass's hazard asks for.

    Bass (1969): who has not adopted does so at the rate p + q F. In a step of length d a logit between waiting
    (utility 0) and adopting gives the chance h = 1 - exp(-(p + q F) d) when adopting has the utility
    ln(h / (1 - h)). F is read with `peer_share`, the utility stands in the place term, and prices, posts and
    constants are zero: what is left of the model is peers, kernel and draws.
    """
    p, q, step, years, n = 0.03, 0.38, 0.05, 20, 60_000
    households, cars = same_households(n)
    worst = 0.0
    for k in range(round(years / step)):
        share = peer_share(cars, households, CITY.zones).share[:1]
        hazard = -np.expm1(-(p + q * share) * step)
        place = np.stack([np.zeros_like(share), np.log(hazard / (1 - hazard))], axis=2)
        terms = kernel.Terms(np.zeros((2, 2)), np.zeros((2, 2)), place, np.ones((1, 2), np.bool_))
        waiting = np.flatnonzero(cars.powertrain == Powertrain.ICE)
        m = len(waiting)
        buyers = kernel.Buyers(
            np.zeros(m, np.int16),
            np.zeros(m, np.int8),
            np.zeros(m),
            np.zeros(m, np.int8),
            np.zeros(m, np.int8),
        )
        chosen = np.empty(m, np.int8)
        address = cars.id[waiting].view(np.uint64)
        kernel.choose_alternatives(buyers, address, stream_key(1, Stream.POWERTRAIN, k), terms, chosen)
        cars.powertrain[waiting[chosen == 1]] = Powertrain.BEV
        decay = np.exp(-(p + q) * (k + 1) * step)
        bass = (1 - decay) / (1 + q / p * decay)
        worst = max(worst, abs((cars.powertrain == Powertrain.BEV).mean() - bass))
    # 2 % of the market: a step lags by about half its length times the slope, 0.3 %; draws add the rest.
    assert worst < 0.02
    assert (cars.powertrain == Powertrain.BEV).mean() > 0.95


def test_willingness_to_pay_gives_the_published_weights() -> None:
    """Qian, Grisolia and Soopramanien (2019): a home post CNY 91,039, a free new-energy plate CNY 106,144."""
    inputs = year_inputs(2020)
    assert round(willingness_weight(inputs["powertrain.home_post_wtp_cny"], inputs), 2) == 0.73
    assert round(willingness_weight(inputs["powertrain.free_plate_wtp_cny"], inputs), 2) == 0.85


def test_at_median_income_a_home_post_is_worth_its_willingness_to_pay() -> None:
    """Taking the post away and the sum off the price leaves every choice as likely as before."""
    households, cars = same_households(24)
    inputs = year_inputs(2021)
    access = build_access(households, CITY.zones, CITY.districts, year_inputs(2020), seed=1, sample=1.0)
    peers = peer_share(cars, households, CITY.zones)
    terms = utility_terms(CITY.zones, access, peers, offers(inputs), inputs)
    household = np.arange(24, dtype=np.int32)
    buyers = describe_buyers(household, np.zeros(24, np.int8), households, access, peers, inputs)
    with_post = choice_probabilities(buyers._replace(variant=np.ones(24, np.int8)), terms)
    cost = terms.cost.copy()
    cost[0] = cost[1]  # at home power is cheaper too; here only the post itself counts
    cost[0, list(BEV)] -= 91_039 / 1e4
    cost[0, Alternative.PHEV] -= inputs["powertrain.home_post_phev_share"] * 91_039 / 1e4
    paid = choice_probabilities(buyers._replace(variant=np.zeros(24, np.int8)), terms._replace(cost=cost))
    assert paid == pytest.approx(with_post, abs=1e-12)


def test_a_hundred_km_more_range_from_300_km_on_is_worth_about_21_000_yuan() -> None:
    inputs = year_inputs(2020)
    worth_cny = (
        inputs["powertrain.range_weight"] * np.log(400 / 300) / inputs["powertrain.price_weight"] * 1e4
    )
    assert worth_cny == pytest.approx(21_600, abs=100)


def test_the_price_weight_falls_with_income_by_its_power() -> None:
    households = Households.build(3, income_cny=np.array([75_000, 150_000, 300_000], np.float32))
    cars = Cars.build(0)
    inputs = year_inputs(2020)
    access = build_access(households, CITY.zones, CITY.districts, inputs, seed=1, sample=1.0)
    peers = peer_share(cars, households, CITY.zones)
    weight = describe_buyers(
        np.arange(3, dtype=np.int32), np.zeros(3, np.int8), households, access, peers, inputs
    ).weight
    assert weight == pytest.approx(0.08 * np.array([0.5, 1.0, 2.0]) ** -0.4)


@pytest.mark.parametrize("plate", list(PlateKind))
def test_draws_match_probabilities(plate: PlateKind) -> None:
    n = 60_000
    lot = uniform(5, Stream.INCOME, np.arange(n), 0)
    households = Households.build(
        n, zone=(np.arange(n) % 12).astype(np.int16), income_cny=(30_000 + 400_000 * lot).astype(np.float32),
        car=np.int8(1), parking=lot > 0.5,
    )  # fmt: skip
    cars = Cars.build(n, household=np.arange(n, dtype=np.int32))
    inputs = year_inputs(2025)
    access = build_access(households, CITY.zones, CITY.districts, inputs, seed=1, sample=1.0)
    peers = peer_share(cars, households, CITY.zones)
    household, plates = np.arange(n, dtype=np.int32), np.full(n, plate, np.int8)
    bought = choose_powertrain(
        household, plates, households.id, households, CITY.zones, access, peers, offers(inputs), inputs,
        year=2025, seed=2,
    )  # fmt: skip
    probability = choice_probabilities(
        describe_buyers(household, plates, households, access, peers, inputs),
        utility_terms(CITY.zones, access, peers, offers(inputs), inputs),
    )
    count = np.bincount(bought.alternative, minlength=len(Alternative))
    sigma = np.sqrt((probability * (1 - probability)).sum(axis=0))
    assert (np.abs(count - probability.sum(axis=0)) <= 3 * sigma).all()
    # Also among the rich alone, so that the draws are not just right on the whole.
    rich = lot > 0.8
    count = np.bincount(bought.alternative[rich], minlength=len(Alternative))
    sigma = np.sqrt((probability * (1 - probability))[rich].sum(axis=0))
    assert (np.abs(count - probability[rich].sum(axis=0)) <= 3 * sigma).all()


def test_cheaper_packs_alone_bring_battery_cars_below_oil_cars() -> None:
    """Parity follows from the pack price: at 2020's packs a battery car costs more than at any later price."""
    dear = {"vehicle_prices.battery_cny_kwh": 900.0}
    for year in (2024, 2030):
        cheap, held = offers(year_inputs(year)), offers(year_inputs(year, dear))
        gap = held.price_cny - cheap.price_cny
        pack = year_inputs(year)["vehicle_prices.battery_cny_kwh"]
        assert gap[Alternative.BEV_LONG] == pytest.approx(75 * (900 - pack) * 1.2)
        assert gap[Alternative.ICE] == 0.0
    cost = [offers(year_inputs(y)).perceived_cny(year_inputs(y))[0, 1] for y in (2022, 2030)]
    ahead = [c[Alternative.ICE] - c[Alternative.BEV_SHORT] for c in cost]
    assert ahead[0] < 0.0 < ahead[1]
