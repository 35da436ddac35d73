"""The spatial queue against theory that can be redone by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.queue_case import CAR, RULES, chain, plans_of
from transport_abm.networks.formats.tntp import read_tntp_network, read_tntp_trips
from transport_abm.networks.queues.day import run_day
from transport_abm.networks.queues.network import QueueNetwork, QueueRules, build_queue_network
from transport_abm.networks.queues.plans import Plans, VehicleKinds, build_routes, round_packets
from transport_abm.networks.queues.state import QueueState
from transport_abm.networks.roads.hierarchy import build_hierarchy

TNTP = Path(__file__).resolve().parents[3] / "shared" / "data" / "tntp"
PATIENT = QueueRules(jam_spacing_m=7.5, wave_kmh=18.0, storage_power=1.0, stuck_wait_s=10**6)


def test_bottleneck_gives_all_the_published_equal_cost() -> None:
    """V-06, Vickrey 1969: 6,000 vehicles, 3,000 an hour, departures at the rates of the equilibrium."""
    n, rate, alpha, beta, gamma, wish_h = 6000, 3000.0, 6.4, 3.9, 15.21, 4.0
    first = -gamma / (beta + gamma) * n / rate
    on_time = -beta * gamma / (beta + gamma) * n / rate / alpha
    early, late = rate * alpha / (alpha - beta), rate * alpha / (alpha + gamma)
    vehicle = np.arange(n) + 0.5
    n_early = early * (on_time - first)
    depart_h = np.where(vehicle < n_early, first + vehicle / early, on_time + (vehicle - n_early) / late)
    one = np.ones(1)
    network = QueueNetwork(
        np.array([0], np.int32), np.array([1], np.int32), 2, 0 * one, rate * one, 9e5 * one, 0 * one, one, 30
    )
    plans, routes = plans_of([[0]] * n, list((wish_h + depart_h) * 3600))
    day = run_day(network, plans, routes, end_h=10)
    assert (day.arrival_cs >= 0).all()
    arrive_h = day.arrival_cs / 360_000 - wish_h
    delay_h = (day.arrival_cs - day.departure_cs) / 360_000
    cost = alpha * delay_h + np.where(arrive_h < 0, -beta * arrive_h, gamma * arrive_h)
    # One vehicle's headway is 0.0003 h, at most 0.005 of cost; times are whole centiseconds.
    np.testing.assert_allclose(cost, 6.2082, rtol=1e-3)
    assert delay_h.max() == pytest.approx(0.9700, abs=5e-4)
    assert arrive_h.min() == pytest.approx(-1.5918, abs=5e-4)
    assert arrive_h.max() == pytest.approx(0.4082, abs=5e-4)


def test_shock_moves_back_at_the_speed_of_the_kinematic_wave() -> None:
    """V-07: free speed 20 m/s, jam density 0.2 veh/m, wave 5 m/s; 0.6 veh/s come, 0.4 pass: -2.2222 m/s.

    On links of 50 m the queue's tail is known to a link. What no chain of links resolves: speeds inside a link, and
    the start-up wave through vehicles on one link; they show from link to link alone.
    """
    n, length = 120, 50.0
    rules = QueueRules(jam_spacing_m=5.0, wave_kmh=18.0, storage_power=1.0, stuck_wait_s=10**6)
    network = chain([length] * n, 20.0, [2880.0] * (n - 1) + [1440.0], rules=rules)
    np.testing.assert_allclose(network.wave_time_s[:-1], length / 5.0)
    depart = np.arange(0, 2500, 1 / 0.6)
    plans, routes = plans_of([list(range(n))] * len(depart), list(depart))
    state, seen = None, []
    for time in range(600, 2400, 20):
        day = run_day(network, plans, routes, end_h=1, state=state, until_s=time)
        state = day.state
        density = state.vehicles_on_link / length
        full = np.flatnonzero(density > 0.075)
        seen.append((time, full.min() * length, density[-40:-1].mean()))
    table = np.array(seen)
    assert table[table[:, 0] > 1200, 2] == pytest.approx(0.12, rel=0.01)
    inside = table[(table[:, 0] > 700)]
    speed = np.polyfit(inside[:, 0], inside[:, 1], 1)[0]
    assert speed == pytest.approx(-20 / 9, rel=0.02)


@pytest.mark.parametrize("passes_pcuh", [300.0, 600.0, 900.0, 1200.0])
def test_flow_falls_with_density_on_the_congested_side_of_the_triangle(passes_pcuh: float) -> None:
    """A link whose end lets less through than comes holds ``k = jam - q / w``; without a queue ``k = q / u``."""
    length, speed, wave = 300.0, 15.0, 5.0
    network = chain(
        [length, length, length, length], speed, [1500.0, 1500.0, 1500.0, passes_pcuh], rules=PATIENT
    )
    assert network.wave_time_s[1] == pytest.approx(length / wave)
    plans, routes = plans_of([[0, 1, 2, 3]] * 3000, list(np.arange(3000) * 2.4))
    state, count = None, []
    for time in range(3000, 5400, 7):
        state = run_day(network, plans, routes, end_h=2, state=state, until_s=time).state
        count.append(state.vehicles_on_link[2])
    flow = passes_pcuh / 3600
    expected = (1 / 7.5 - flow / wave) * length
    assert np.mean(count) == pytest.approx(expected, abs=0.6)


def test_density_on_the_free_side_is_flow_over_speed() -> None:
    network = chain([300.0] * 3, 15.0, [1500.0] * 3, rules=PATIENT)
    plans, routes = plans_of([[0, 1, 2]] * 1500, list(np.arange(1500) * 4.0))
    state, count = None, []
    for time in range(1000, 5000, 7):
        state = run_day(network, plans, routes, end_h=2, state=state, until_s=time).state
        count.append(state.vehicles_on_link[1])
    assert np.mean(count) == pytest.approx(0.25 * 20.0, abs=0.1)


def fork(
    capacity: list[float], priority: list[float] | None = None, rules: QueueRules = PATIENT
) -> QueueNetwork:
    """Two links, 0 and 1, that lead into 2, and 3 behind it."""
    tail, head = np.array([0, 1, 2, 3], np.int32), np.array([2, 2, 3, 4], np.int32)
    full = np.ones(4)
    return build_queue_network(
        tail, head, 5, 300 * full, 20 * full, np.array(capacity), full, rules=rules,
        priority=None if priority is None else np.array(priority),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("capacity", "priority", "share"),
    [
        ([1800.0, 900.0, 1800.0, 600.0], None, 2 / 3),
        ([1800.0, 1800.0, 1800.0, 600.0], None, 1 / 2),
        ([1800.0, 1800.0, 1800.0, 600.0], [3.0, 1.0, 1.0, 1.0], 3 / 4),
        ([1800.0, 600.0, 1800.0, 900.0], None, 3 / 4),
        ([1800.0, 1800.0, 1800.0, 600.0], [0.75, 0.25, 1.0, 1.0], 3 / 4),
        ([1800.0, 1800.0, 1800.0, 600.0], [0.2, 0.8, 0.1, 0.1], 1 / 5),
    ],
)
def test_full_links_share_the_room_ahead_by_their_priorities(
    capacity: list[float], priority: list[float] | None, share: float
) -> None:
    network = fork(capacity, priority)
    plans, routes = plans_of([[0, 2, 3]] * 2000 + [[1, 2, 3]] * 2000, list(np.arange(2000) * 1.0) * 2)
    state = run_day(network, plans, routes, end_h=1.5, until_s=1800).state
    before = arrived_by_way(state, 2000)
    after = arrived_by_way(run_day(network, plans, routes, end_h=1.5, state=state).state, 2000)
    gain = after - before
    assert gain.sum() == pytest.approx(capacity[3], abs=2)
    assert gain[0] / gain.sum() == pytest.approx(share, abs=0.01)


def arrived_by_way(state: QueueState, n: int) -> np.ndarray:
    """Vehicles that have arrived, of the first ``n`` and of the others."""
    done = state.arrival_cs >= 0
    return np.array([done[:n].sum(), done[n:].sum()])


def test_a_queue_for_one_way_holds_up_those_who_go_the_other_way() -> None:
    """First in, first out: at a fork the flow of both ways is what the blocked one lets through."""
    tail, head = np.array([0, 1, 1], np.int32), np.array([1, 2, 3], np.int32)
    full = np.ones(3)
    capacity = np.array([1800.0, 1800.0, 300.0])
    network = build_queue_network(tail, head, 4, 150 * full, 10 * full, capacity, full, rules=PATIENT)
    plans, routes = plans_of([[0, 1], [0, 2]] * 1000, list(np.arange(2000) * 2.0))
    day = run_day(network, plans, routes, end_h=2)
    hour = (day.arrival_cs > 1_800 * 100) & (day.arrival_cs <= 5_400 * 100)
    assert hour[1::2].sum() == pytest.approx(300, abs=2)
    assert hour[::2].sum() == pytest.approx(300, abs=3)


def test_mean_number_on_a_link_is_arrivals_times_time_spent() -> None:
    """V-35, Little's law, link by link, for a peak that spills back and is over."""
    network = fork([1800.0, 900.0, 1500.0, 1000.0], rules=RULES)
    rng = np.random.default_rng(3)
    routes_of = [[0, 2, 3]] * 700 + [[1, 2, 3]] * 400
    plans, routes = plans_of(routes_of, list(rng.uniform(0, 3000, 1100)))
    state, number = None, np.zeros(4)
    for second in range(1, 7201):
        state = run_day(network, plans, routes, end_h=2, state=state, until_s=second).state
        number += state.vehicles_on_link
    day = run_day(network, plans, routes, end_h=2, state=state)
    assert day.on_road == 0
    mean_number = number / 7200
    rate, spent = day.entered.sum(0) / 7200, day.time_s.sum(0) / day.entered.sum(0)
    np.testing.assert_allclose(mean_number, rate * spent, rtol=0.01)


def test_twice_the_capacity_for_an_hour_drains_with_releases_counted() -> None:
    """A ring of full links would stand for good; patience of 30 s lets it go, and says how often."""
    n = 8
    node = np.arange(n, dtype=np.int32)
    tail, head = np.concatenate([node, node]), np.concatenate([(node + 1) % n, node + n]).astype(np.int32)
    full = np.ones(2 * n)
    network = build_queue_network(tail, head, 2 * n, 75 * full, 6 * full, 900 * full, full, rules=RULES)
    # Each drives half round and off: twice the capacity of the ring.
    ways = [[(k + i) % n for i in range(n // 2)] + [n + (k + n // 2) % n] for k in range(n)]
    trips = [(k, second) for k in range(n) for second in np.arange(0, 3600, 8.0)]
    plans, routes = plans_of([ways[k] for k, _ in trips], [second for _, second in trips])
    day = run_day(network, plans, routes, end_h=30)
    assert (day.arrival_cs >= 0).all()
    assert day.on_road == 0
    assert day.released.sum() > 0
    free_s = (n // 2 + 1) * 6.0
    assert (day.arrival_cs - day.departure_cs).min() >= free_s * 100


@pytest.mark.shared
@pytest.mark.parametrize("packet", [2, 5, 10])
def test_sioux_falls_takes_as_long_with_packets_of_vehicles_as_with_each_vehicle(packet: int) -> None:
    """Mean time of a peak with queues, for samples from 100 to 10 % of the vehicles."""
    if not TNTP.is_dir():
        pytest.skip("the TNTP files are not beside the checkout (../shared/data/tntp)")
    whole, part = sioux_falls(1), sioux_falls(packet)
    assert whole[0] > 1.05 * whole[1]
    assert part[0] == pytest.approx(whole[0], rel=0.05)


def sioux_falls(packet: int) -> tuple[float, float]:
    """Mean time with queues and on empty roads, of a fifth of the daily demand within an hour [s]."""
    file = read_tntp_network(TNTP / "SiouxFalls_net.tntp")
    trips = read_tntp_trips(TNTP / "SiouxFalls_trips.tntp")
    problem = file.problem(time_unit_s=60.0)
    lanes = np.maximum(np.rint(file.capacity / 1800), 1)
    network = build_queue_network(
        file.tail, file.head, file.n_nodes, file.free_time * 60 * 15, file.free_time * 60, file.capacity, lanes,
        rules=RULES, packet=packet,
    )  # fmt: skip
    ways = build_hierarchy(problem.graph).ways(problem.free_time_s[problem.order])
    zones = [(o, d) for o in range(file.n_zones) for d in range(file.n_zones) if o != d and trips[o, d] > 0]
    paths = [problem.order[ways.path(o, d)[1]] for o, d in zones]
    indptr = np.concatenate([[0], np.cumsum([len(path) for path in paths])]).astype(np.int64)
    routes = build_routes(indptr, np.concatenate(paths).astype(np.int32))
    demand = np.array([trips[pair] for pair in zones]) * 0.2
    count = round_packets(demand, packet, seed=1, year=2020)
    route = np.repeat(np.arange(len(zones), dtype=np.int32), count)
    rng = np.random.default_rng(5)
    n = len(route)
    plans = Plans(
        np.arange(n + 1, dtype=np.int64), route, rng.integers(0, 360_000, n).astype(np.int32), np.zeros(n, np.int32),
        np.zeros(n, np.int8), VehicleKinds(CAR.vehicle_class, CAR.pcu, np.array([packet], np.int32)),
    )  # fmt: skip
    day = run_day(network, plans, routes, end_h=12)
    assert (day.arrival_cs >= 0).all()
    free = np.array([file.free_time[path].sum() * 60 for path in paths])
    return float((day.arrival_cs - day.departure_cs).mean() / 100), float(free[route].mean())
