"""The spatial queue: what it refuses, and its odd corners."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.queue_case import CAR, RULES, chain, plans_of, random_case
from transport_abm.core.errors import NetworkError, ReproducibilityError
from transport_abm.networks.formats.queue_form import queue_moves
from transport_abm.networks.queues import state as state_module
from transport_abm.networks.queues.charges import EntryCharge
from transport_abm.networks.queues.day import run_day
from transport_abm.networks.queues.detours import reroute, vehicle_places
from transport_abm.networks.queues.kernels_day import run
from transport_abm.networks.queues.network import build_queue_network, queue_rules
from transport_abm.networks.queues.plans import Plans, VehicleKinds, build_routes, plan_faults, round_packets
from transport_abm.networks.queues.state import QueueState
from transport_abm.policy.inputs import year_inputs


def test_rules_come_from_the_parameters() -> None:
    assert queue_rules(year_inputs(2025)).stuck_wait_s == 30


def test_all_faults_of_a_network_come_at_once() -> None:
    nan = np.array([1.0, np.nan, 1.0])
    with pytest.raises(NetworkError) as raised:
        build_queue_network(
            np.array([0, 1, 7], np.int32), np.array([1, 2, 0], np.int32), 3, -nan, -nan, np.array([1800.0, 0.0, -5.0]),
            np.array([1.0, 0.0, np.nan]), rules=RULES,
        )  # fmt: skip
    text = str(raised.value)
    assert all(name in text for name in ("tail", "length_m", "free_time_s", "capacity_pcuh", "lanes"))


def test_what_is_no_number_is_refused_by_its_name() -> None:
    nan = float("nan")
    with pytest.raises(NetworkError, match="stuck_wait_s: expected whole seconds, got nan"):
        dataclasses.replace(RULES, stuck_wait_s=nan)
    network = chain([100.0], 10.0, [1800.0])
    with pytest.raises(NetworkError, match="stuck_wait_s"):
        dataclasses.replace(network, stuck_wait_s=nan)
    with pytest.raises(NetworkError, match="packet: expected 1 or more"):
        round_packets(np.ones(1), nan, seed=0, year=2020)  # type: ignore[arg-type]
    with pytest.raises(NetworkError) as raised:
        run_day(network, *plans_of([[0]], [0.0]), until_s=nan, horizon_s=7)  # type: ignore[arg-type]
    assert [fault.field for fault in raised.value.faults] == ["until_s", "horizon_s"]


def test_columns_of_another_length_are_refused() -> None:
    one = np.ones(1)
    with pytest.raises(NetworkError, match="shape"):
        build_queue_network(np.zeros(2, np.int32), np.zeros(2, np.int32), 1, one, one, one, one, rules=RULES)


@pytest.mark.parametrize(
    ("routes", "expected"),
    [([[0, 2]], "where link 0 ends"), ([[0, 9]], "a link from 0 to 2"), ([[0, 1]], "an open link")],
)
def test_routes_that_cannot_be_driven_are_refused(routes: list[list[int]], expected: str) -> None:
    network = chain([100.0] * 3, 10.0, [1800.0] * 3)
    network = dataclasses.replace(network, free_time_s=np.array([10.0, np.inf, 10.0]))
    with pytest.raises(NetworkError, match=expected):
        run_day(network, *plans_of(routes, [0.0]))


def test_plans_with_faults_are_refused_with_all_of_them() -> None:
    network = chain([100.0] * 3, 10.0, [1800.0] * 3)
    routes = build_routes(np.array([0, 1]), np.array([0], np.int32))
    plans = Plans(
        np.array([0, 2]), np.array([0, 5], np.int32), np.array([500, 400], np.int32), np.array([0, -1], np.int32),
        np.array([3], np.int8), CAR,
    )  # fmt: skip
    assert [fault.field.split(",")[0] for fault in plan_faults(network, plans, routes)] == [
        "route", "stop_cs", "kind", "earliest_cs",
    ]  # fmt: skip


def test_kinds_too_large_for_whole_centiseconds_are_refused() -> None:
    network = chain([100.0], 10.0, [2.0])
    heavy = VehicleKinds(np.zeros(1, np.int8), np.array([90_000.0]), np.ones(1, np.int32))
    with pytest.raises(NetworkError, match="pcu"):
        run_day(network, *plans_of([[0]], [0.0], heavy))


def test_a_link_longer_than_the_wheel_takes_its_time() -> None:
    network = chain([100_000.0, 100.0], 10.0, [1800.0] * 2)
    plans, routes = plans_of([[0, 1]] * 3, [0.0, 1.0, 2.0])
    day = run_day(network, plans, routes, horizon_s=16)
    np.testing.assert_array_equal(day.arrival_cs, [1_001_000, 1_001_200, 1_001_400])
    np.testing.assert_array_equal(day.arrival_cs, run_day(network, plans, routes).arrival_cs)


def test_links_without_length_take_no_time_but_their_headway() -> None:
    network = chain([0.0] * 5, 10.0, [3600.0] * 5)
    day = run_day(network, *plans_of([[0, 1, 2, 3, 4]] * 2, [5.0, 5.0]))
    # The second waits behind the first for one headway at each end, and for its own at none.
    assert day.arrival_cs[0] == 500
    assert day.arrival_cs[1] == 600


def test_a_loop_of_one_link_can_be_driven_round() -> None:
    one = np.ones(1)
    network = build_queue_network(
        np.zeros(1, np.int32), np.zeros(1, np.int32), 1, 100 * one, 10 * one, 1800 * one, one, rules=RULES
    )
    day = run_day(network, *plans_of([[0] * 5], [0.0]))
    assert day.arrival_cs[0] == 5_000
    assert day.entered.sum() == 5


def test_an_island_with_no_way_out_can_be_entered() -> None:
    """Two links lead round and round; who drives in ends there."""
    network = build_queue_network(
        np.array([0, 1, 2], np.int32), np.array([1, 2, 1], np.int32), 3, np.full(3, 100.0), np.full(3, 10.0),
        np.full(3, 1800.0), np.ones(3), rules=RULES,
    )  # fmt: skip
    day = run_day(network, *plans_of([[0, 1, 2, 1]], [0.0]))
    assert day.arrival_cs[0] == 4_000


def test_a_leg_without_links_takes_no_time_and_a_stay_is_off_the_road() -> None:
    network = chain([100.0], 10.0, [1800.0])
    routes = build_routes(np.array([0, 0, 1]), np.array([0], np.int32))
    plans = Plans(
        np.array([0, 4]), np.array([1, 0, 1, 1], np.int32), np.array([0, 0, 0, 90_000], np.int32),
        np.array([0, 500, 6_000, 100], np.int32), np.zeros(1, np.int8), CAR,
    )  # fmt: skip
    day = run_day(network, plans, routes, until_s=1_000)
    np.testing.assert_array_equal(day.departure_cs, [0, 1_500, 7_500, 90_000])
    np.testing.assert_array_equal(day.arrival_cs, [1_000, 1_500, 8_500, 91_000])
    assert day.on_road == 0


def test_long_run_flow_is_capacity_to_the_vehicle() -> None:
    """A headway of 360,000 / 1,700 cs is no whole number; its rest is carried."""
    network = chain([10.0, 10.0], 10.0, [1700.0, 8000.0])
    day = run_day(network, *plans_of([[0, 1]] * 6000, [0.0] * 6000))
    order = np.sort(day.arrival_cs)
    assert order[5100] - order[0] == 3 * 360_000


def test_packets_take_headway_and_room_of_all_their_vehicles() -> None:
    network = chain([750.0, 150.0], 10.0, [1800.0, 1800.0], packet=6)
    kinds = VehicleKinds(np.zeros(1, np.int8), np.array([1.5]), np.array([4], np.int32))
    plans, routes = plans_of([[0, 1]] * 20, [0.0] * 20, kinds)
    day = run_day(network, plans, routes)
    np.testing.assert_array_equal(np.diff(np.sort(day.arrival_cs)), 1_200)
    assert day.entered[:, 0].sum() == 80


def test_charges_are_paid_by_bin_and_class() -> None:
    network = chain([100.0] * 2, 10.0, [1800.0] * 2)
    kinds = VehicleKinds(np.array([0, 4], np.int8), np.array([1.0, 2.0]), np.array([3, 1], np.int32))
    plans, routes = plans_of([[0, 1]] * 3, [0.0, 890.0, 1000.0], kinds, [0, 1, 0])
    amount = np.zeros((8, 1))
    amount[:2, 0] = 5.0, 7.5
    charge = EntryCharge(np.array([-1, 0], np.int16), amount, frozenset({4}))
    day = run_day(network, plans, routes, end_h=2, charge=charge)
    np.testing.assert_array_equal(day.paid_fen, [500, 0, 750])
    np.testing.assert_array_equal(day.charged[:3, 0], [3, 3, 0])


def test_mean_times_are_of_those_that_have_left_the_link() -> None:
    network = chain([100.0] * 2, 10.0, [1800.0, 360.0])
    kinds = VehicleKinds(np.zeros(1, np.int8), np.ones(1), np.array([3], np.int32))
    plans, routes = plans_of([[0, 1]] * 3, [890.0, 890.0, 895.0], kinds)
    day = run_day(network, plans, routes, end_h=1, until_s=935)
    # Three vehicles a packet: 6 s of headway on the first link, 30 s on the second.
    np.testing.assert_allclose(day.mean_time_s(network)[0], [(10 + 16 + 17) / 3, 10.0])
    np.testing.assert_allclose(day.mean_time_s(network)[1:, :], 10.0)
    full = run_day(network, plans, routes, end_h=1, state=day.state)
    np.testing.assert_allclose(full.mean_time_s(network)[1], [10.0, (10 + 34 + 58) / 3])


def test_a_charge_that_does_not_fit_is_refused() -> None:
    network = chain([100.0], 10.0, [1800.0])
    bad = EntryCharge(np.array([3], np.int16), np.full((7, 1), -1.0))
    with pytest.raises(NetworkError) as raised:
        run_day(network, *plans_of([[0]], [0.0]), end_h=2, charge=bad)
    assert len(raised.value.faults) == 2


def test_rings_that_are_short_grow_between_two_events(monkeypatch: pytest.MonkeyPatch) -> None:
    case = random_case(11, 6, 16, 150, jam=True)
    wide = run_day(case.network, case.plans, case.routes, end_h=1, charge=case.charge)
    monkeypatch.setattr(state_module, "FIRST_RING", 1)
    monkeypatch.setattr(state_module, "SPARE", 0)
    tight = run_day(case.network, case.plans, case.routes, end_h=1, charge=case.charge)
    assert len(wide.state.links.ring) != len(tight.state.links.ring)
    for name in ("entered", "time_cs", "departure_cs", "arrival_cs", "released", "paid_fen"):
        np.testing.assert_array_equal(getattr(wide, name), getattr(tight, name), err_msg=name)


def test_a_state_of_something_else_is_refused(tmp_path: Path) -> None:
    network = chain([100.0], 10.0, [1800.0])
    plans, routes = plans_of([[0]], [0.0])
    state = run_day(network, plans, routes, until_s=1).state
    with pytest.raises(ReproducibilityError, match="links, vehicles"):
        run_day(network, *plans_of([[0]] * 2, [0.0, 1.0]), state=state)
    with pytest.raises(NetworkError, match="end_h"):
        run_day(network, plans, routes, end_h=5, state=state)
    file = tmp_path / "state.npz"
    state.save(file)
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(ReproducibilityError, match="state"):
        QueueState.load(file)


def test_vehicles_are_found_and_refused_ways_change_nothing() -> None:
    network = chain([100.0] * 3, 10.0, [1800.0] * 3)
    plans, routes = plans_of([[0, 1, 2]] * 2, [0.0, 12.0])
    state = run_day(network, plans, routes, until_s=15).state
    places = vehicle_places(state)
    assert dict(zip(places.vehicle.tolist(), places.link.tolist(), strict=True)) == {0: 1, 1: 0}
    before = {name: value.copy() for name, value in state_module._arrays(state).items()}
    ways = build_routes(np.array([0, 1, 2]), np.array([0, 1], np.int32))
    with pytest.raises(NetworkError, match="to which the vehicle drives"):
        reroute(state, network, plans, routes, np.array([0, 1], np.int32), ways)
    after = state_module._arrays(state)
    assert all(np.array_equal(before[name], after[name]) for name in before)
    # The first leaves after its link; the second goes on as it would.
    ways = build_routes(np.array([0, 0, 2]), np.array([1, 2], np.int32))
    reroute(state, network, plans, routes, np.array([0, 1], np.int32), ways)
    day = run_day(network, plans, routes, state=state)
    np.testing.assert_array_equal(day.arrival_cs, [2_000, 4_200])


def test_packets_have_the_mean_of_the_demand() -> None:
    demand = np.array([0.0, 3.0, 10.0, 25.3, 0.02])
    packets = np.mean([round_packets(demand, 10, seed=seed, year=2025) for seed in range(4000)], axis=0) * 10
    # Four standard errors of a rounding by 10 with chance a half.
    np.testing.assert_allclose(packets, demand, atol=4 * 5 / np.sqrt(4000))
    np.testing.assert_array_equal(round_packets(np.array([20.0, 0.0]), 10, seed=1, year=2025), [2, 0])
    with pytest.raises(NetworkError, match="demand"):
        round_packets(np.array([np.nan]), 10, seed=1, year=2025)


def test_the_kernel_is_compiled_once_for_all_days() -> None:
    for seed in (1, 2):
        case = random_case(seed, 4, 9, 20, jam=False)
        run_day(case.network, case.plans, case.routes, end_h=1, charge=case.charge)
        run_day(case.network, case.plans, case.routes, end_h=1)
    assert len(run.signatures) == 1


def test_a_trace_begins_at_midnight_or_not_at_all() -> None:
    case = random_case(1, n_nodes=4, n_links=8, n_vehicles=10, jam=False)
    state = run_day(case.network, case.plans, case.routes, end_h=1.0, until_s=60).state
    with pytest.raises(NetworkError, match="trace: expected a state that keeps one"):
        run_day(case.network, case.plans, case.routes, end_h=1.0, state=state, trace=True)
    day = run_day(case.network, case.plans, case.routes, end_h=1.0, state=state)
    with pytest.raises(NetworkError, match="trace: expected one kept"):
        queue_moves(day, case.plans, np.full(case.plans.n_legs, -1, np.int32))
