"""Powertrain choice: the kernel and its twin, who may buy what, peers, plates and constants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive_powertrain as naive
from tests.powertrain_case import BEV, CITY, NEV, Case, N
from transport_abm.agents.cars import kernels_powertrain as kernel
from transport_abm.agents.cars.offers import Alternative, offers
from transport_abm.agents.cars.powertrain import (
    Peers,
    choice_probabilities,
    choose_powertrain,
    describe_buyers,
    expected_shares,
    identify_constants,
    observed_shares,
    pool_value,
    utility_terms,
)
from transport_abm.core.draws import Stream, stream_key
from transport_abm.core.errors import InputError, ObservationError
from transport_abm.core.vocabulary import PlateKind, Powertrain
from transport_abm.policy.inputs import YearInputs, year_inputs


@pytest.fixture(scope="module")
def case() -> Case:
    return Case()


@pytest.fixture
def threads() -> Iterator[None]:
    before = numba.get_num_threads()
    yield
    numba.set_num_threads(before)


def of_buyer(case: Case, row: int, inputs: YearInputs) -> dict[Alternative, float]:
    """Utilities of what a buyer may have, from the definitions."""
    income, zone = float(case.households.income_cny[row]), int(case.households.zone[row])
    post, trade = bool(case.access.home_post[row]), int(case.given_up[row])
    return {
        kind: naive.utility(kind, zone, income, post, trade, case.access, case.peers, inputs)
        for kind in Alternative
        if naive.may_carry(int(case.plate[row]), kind, inputs)
    }


@pytest.mark.parametrize(
    ("year", "changes"),
    [
        (2021, {}),
        (2022, {"energy.fuel_tax_cny_l": 1.5, "prices.electricity_factor": 1.3}),
        (2024, {"powertrain.model_factor": 2.0, "cars.tradein_subsidy_cny": 5000.0}),
        (2027, {"powertrain.fuel_use_limit_l_100km": 5.0, "vehicle_prices.nev_tax_relief_shift": 0.2}),
    ],
)
def test_the_kernel_is_its_slow_twin(case: Case, year: int, changes: dict[str, float]) -> None:
    inputs = year_inputs(year, changes)
    probability = choice_probabilities(case.buyers(inputs), case.terms(inputs))
    chosen = case.bought(inputs).alternative
    key = stream_key(3, Stream.POWERTRAIN, year)
    for row in range(0, N, 37):
        v = of_buyer(case, row, inputs)
        expected = naive.probabilities(v)
        assert probability[row] == pytest.approx([expected.get(kind, 0.0) for kind in Alternative], abs=1e-9)
        assert chosen[row] == naive.drawn(v, key, int(case.key[row]))


def test_kernels_are_compiled_once_for_the_types_of_the_tables(case: Case) -> None:
    case.bought(case.inputs)
    case.shares(case.inputs)
    for function in (kernel.choose_alternatives, kernel.expected_counts):
        assert len(function.signatures) == 1


@settings(max_examples=25, deadline=None)
@given(year=st.integers(2020, 2035), attention=st.floats(0.2, 1), weight=st.floats(0.04, 0.16))
def test_probabilities_sum_to_one_and_are_zero_for_what_a_plate_rules_out(
    case: Case, year: int, attention: float, weight: float
) -> None:
    inputs = year_inputs(year, {"powertrain.attention": attention, "powertrain.price_weight": weight})
    probability = choice_probabilities(case.buyers(inputs), case.terms(inputs))
    assert np.allclose(probability.sum(axis=1), 1.0, atol=1e-12)
    new_energy = case.plate == PlateKind.NEW_ENERGY
    assert not probability[new_energy, : Alternative.BEV_SHORT].any()
    assert (probability[~new_energy, : Alternative.FCEV] > 0).all()
    assert bool(probability[:, Alternative.FCEV].any()) == (inputs["powertrain.fcev_offered"] >= 1)


@pytest.mark.parametrize("year", [2020, 2023, 2030])
def test_a_new_energy_plate_carries_battery_and_fuel_cell_cars_alone(case: Case, year: int) -> None:
    bought = case.bought(year_inputs(year))
    on_new_energy = bought.powertrain[case.plate == PlateKind.NEW_ENERGY]
    assert set(on_new_energy.tolist()) <= {int(Powertrain.BEV), int(Powertrain.FCEV)}
    assert len(set(bought.powertrain[case.plate == PlateKind.ORDINARY].tolist())) >= 4


def test_a_purchase_says_range_price_and_post(case: Case) -> None:
    inputs = year_inputs(2024)
    bought, sold = case.bought(inputs), offers(inputs)
    assert np.array_equal(bought.range_km, sold.range_km[bought.alternative].astype(np.int16))
    for row in range(0, N, 101):
        kind = Alternative(bought.alternative[row])
        paid = naive.price_cny(kind, inputs) + naive.tax_cny(kind, inputs)
        paid -= naive.subsidy_cny(kind, int(case.given_up[row]), inputs)
        assert bought.price_cny[row] == pytest.approx(paid, rel=1e-6)
    plugs = np.isin(bought.alternative, [Alternative.PHEV, *BEV])
    assert np.array_equal(bought.home_post, plugs & case.access.home_post)


def test_choices_and_sums_have_the_same_bits_on_one_and_two_threads(case: Case, threads: None) -> None:
    results = []
    for count in (1, 2):
        numba.set_num_threads(count)
        results.append(
            (
                case.bought(case.inputs).alternative.tobytes(),
                case.shares(case.inputs).tobytes(),
                pool_value(
                    case.households, CITY.zones, case.access, case.peers, np.array([9.0, 4.0]),
                    offers(case.inputs), case.inputs,
                ).tobytes(),
            )
        )  # fmt: skip
    assert results[0] == results[1]


def test_a_choice_depends_on_its_own_key_and_not_on_who_else_buys(case: Case) -> None:
    inputs = case.inputs
    every = case.bought(inputs).alternative
    some = np.arange(N - 1, 0, -7)
    fewer = choose_powertrain(
        case.household[some], case.plate[some], case.key[some], case.households, CITY.zones, case.access,
        case.peers, offers(inputs), inputs, year=inputs.year, seed=3, given_up=case.given_up[some],
    )  # fmt: skip
    assert np.array_equal(fewer.alternative, every[some])


def test_buyers_of_unequal_length_are_refused(case: Case) -> None:
    with pytest.raises(
        InputError, match=r"plate: expected 3 values, got 2\n.*given_up: expected 3 values, got 1"
    ):
        describe_buyers(
            np.arange(3, dtype=np.int32), np.zeros(2, np.int8), case.households, case.access, case.peers,
            case.inputs, given_up=np.zeros(1, np.int8),
        )  # fmt: skip


# Peers, plates and constants.


def test_peers_are_the_cars_of_the_same_zone_and_third_of_incomes(case: Case) -> None:
    income, zone = case.households.income_cny, case.households.zone
    new_energy = np.isin(case.cars.powertrain, [2, 3, 4])
    city = new_energy.mean()
    counted = np.zeros((12, 3, 2))
    for car in range(len(case.cars)):
        home = case.cars.household[car]
        group = sum(income[home] > cut for cut in case.peers.cut_cny)
        counted[zone[home], group] += (1, new_energy[car])
    assert case.peers.share == pytest.approx((counted[..., 1] + city) / (counted[..., 0] + 1))
    assert np.bincount(case.peers.group(income)) / N == pytest.approx([1 / 3] * 3, abs=1e-3)
    assert case.peers.median_cny == pytest.approx(np.median(income))


def test_the_value_of_a_plate_is_the_logsum_of_what_it_may_carry(case: Case) -> None:
    wait = np.array([12.0, 3.0])
    value = pool_value(
        case.households, CITY.zones, case.access, case.peers, wait, offers(case.inputs), case.inputs
    )
    no_lottery = case.inputs["powertrain.price_weight"] * case.inputs["powertrain.free_plate_wtp_cny"] / 1e4
    for row in range(0, N, 53):
        income, zone = float(case.households.income_cny[row]), int(case.households.zone[row])
        post = bool(case.access.home_post[row])
        for plate in (PlateKind.ORDINARY, PlateKind.NEW_ENERGY):
            v = {
                kind: naive.utility(kind, zone, income, post, 0, case.access, case.peers, case.inputs)
                for kind in Alternative
                if naive.may_carry(plate, kind, case.inputs)
            }
            expected = naive.logsum(v) + case.inputs["powertrain.wait_weight"] * np.log(1 + wait[plate])
            expected += no_lottery * (plate == PlateKind.NEW_ENERGY)
            # Straight lines between the points of the table.
            assert value[row, plate] == pytest.approx(expected, abs=1e-3)


def test_a_longer_wait_lowers_the_value_of_its_own_plate_alone(case: Case) -> None:
    def value(ordinary: float, new_energy: float) -> np.ndarray:
        wait = np.array([ordinary, new_energy])
        return pool_value(
            case.households, CITY.zones, case.access, case.peers, wait, offers(case.inputs), case.inputs
        )

    base, longer, never = value(5, 5), value(5, 10), value(np.inf, 5)
    assert np.array_equal(base[:, 0], longer[:, 0])
    assert (longer[:, 1] < base[:, 1]).all()
    assert np.isfinite(never).all() and (never[:, 0] < base[:, 0]).all()


def test_constants_are_those_that_meet_the_observed_shares(case: Case) -> None:
    inputs = year_inputs(2021)
    rows = np.arange(N)
    plate = np.where(rows % 8 == 0, int(PlateKind.NEW_ENERGY), int(PlateKind.ORDINARY)).astype(np.int8)
    buyers = describe_buyers(case.household, plate, case.households, case.access, case.peers, inputs)
    observed = observed_shares(inputs)
    assert observed.sum() == pytest.approx(1.0)
    found = identify_constants(observed, buyers, case.terms(inputs), inputs)
    assert found[Alternative.ICE] == inputs["powertrain.constant_ice"]
    assert found[Alternative.FCEV] == inputs["powertrain.constant_fcev"]
    paths = {f"powertrain.constant_{kind.name.lower()}": found[kind] for kind in Alternative}
    again = year_inputs(2021, paths)
    assert expected_shares(buyers, case.terms(again)) == pytest.approx(observed, abs=1e-8)


def test_shares_that_cannot_be_are_refused_by_name(case: Case) -> None:
    inputs = year_inputs(2021)
    ordinary = np.zeros(N, np.int8)
    buyers = describe_buyers(case.household, ordinary, case.households, case.access, case.peers, inputs)
    with pytest.raises(
        ObservationError, match=r"PHEV: expected above 0.*\n.*FCEV: expected 0, as nobody may buy it"
    ):
        identify_constants(np.array([0.8, 0.1, 0.0, 0.05, 0.04, 0.01]), buyers, case.terms(inputs), inputs)
    half = np.where(np.arange(N) % 2 == 0, int(PlateKind.NEW_ENERGY), 0).astype(np.int8)
    buyers = describe_buyers(case.household, half, case.households, case.access, case.peers, inputs)
    with pytest.raises(ObservationError, match="shares that the plates of the buyers allow"):
        identify_constants(observed_shares(inputs), buyers, case.terms(inputs), inputs)


def test_more_new_energy_neighbours_win_more_new_energy_cars(case: Case) -> None:
    more = Peers(case.peers.share + 0.3, case.peers.cut_cny, case.peers.median_cny)
    terms = utility_terms(CITY.zones, case.access, more, offers(case.inputs), case.inputs)
    assert expected_shares(case.buyers(case.inputs), terms)[NEV].sum() > case.shares(case.inputs)[NEV].sum()


def test_a_home_post_wins_battery_cars(case: Case) -> None:
    everywhere = replace(case.access, home_post=np.ones(N, np.bool_))
    buyers = describe_buyers(
        case.household,
        case.plate,
        case.households,
        everywhere,
        case.peers,
        case.inputs,
        given_up=case.given_up,
    )
    assert expected_shares(buyers, case.terms(case.inputs))[BEV].sum() > case.shares(case.inputs)[BEV].sum()
