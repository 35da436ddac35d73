"""The spatial queue against its slow twin, and what holds whatever the network and the plans."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.naive_queue import NaiveQueue
from tests.queue_case import Case, random_case
from transport_abm.networks.queues.day import QueueDay, run_day
from transport_abm.networks.queues.detours import reroute, vehicle_places
from transport_abm.networks.queues.plans import build_routes
from transport_abm.networks.queues.state import QueueState

END_H = 1.0

cases = st.builds(
    random_case,
    seed=st.integers(0, 2**32 - 1),
    n_nodes=st.integers(1, 8),
    n_links=st.integers(1, 24),
    n_vehicles=st.integers(1, 150),
    jam=st.booleans(),
)


def run(case: Case, **options: object) -> QueueDay:
    return run_day(case.network, case.plans, case.routes, end_h=END_H, charge=case.charge, **options)  # type: ignore[arg-type]


def assert_same(day: QueueDay, other: QueueDay) -> None:
    for name in ("entered", "time_cs", "departure_cs", "arrival_cs", "released", "charged", "paid_fen"):
        np.testing.assert_array_equal(getattr(day, name), getattr(other, name), err_msg=name)


@settings(max_examples=150, deadline=None)
@given(case=cases, horizon_s=st.sampled_from([2, 16, 1024]))
def test_the_queue_is_its_slow_twin_bit_for_bit(case: Case, horizon_s: int) -> None:
    day = run(case, horizon_s=horizon_s)
    twin = NaiveQueue(
        case.network, case.plans, case.routes, end_h=END_H, charge=case.charge, horizon_s=horizon_s
    ).run()
    np.testing.assert_array_equal(day.entered, twin.entered)
    np.testing.assert_array_equal(day.time_cs, twin.time)
    np.testing.assert_array_equal(day.departure_cs, twin.departure)
    np.testing.assert_array_equal(day.arrival_cs, twin.arrival)
    np.testing.assert_array_equal(day.released, twin.released)
    np.testing.assert_array_equal(day.charged, twin.charged)
    np.testing.assert_array_equal(day.paid_fen, twin.paid)
    assert [len(link.vehicles) for link in twin.links] == day.state.vehicles_on_link.tolist()


@settings(max_examples=40, deadline=None)
@given(case=cases, minutes=st.sets(st.integers(1, 59), max_size=4))
def test_a_day_stopped_and_kept_in_a_file_at_any_minutes_is_the_same_day(
    case: Case, minutes: set[int]
) -> None:
    straight, state = run(case, trace=True), None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "state.npz"
        for minute in sorted(minutes):
            run(case, state=state, until_s=60 * minute, trace=True).state.save(file)
            state = QueueState.load(file)
    day = run(case, state=state, trace=True)
    assert_same(day, straight)
    np.testing.assert_array_equal(day.state.trace, straight.state.trace)


@settings(max_examples=60, deadline=None)
@given(case=cases)
def test_a_trace_tells_of_every_link_that_a_leg_came_onto(case: Case) -> None:
    """Links of each leg in the order of its route, as many as were counted, in time; asking for it changes nothing."""
    day = run(case, trace=True)
    assert_same(day, run(case))
    leg, link, time = day.state.trace.T
    plans = case.plans
    vehicle = np.repeat(np.arange(plans.n_vehicles), np.diff(plans.leg_indptr))
    weight = np.asarray(plans.kinds.weight)[plans.kind[vehicle[leg]]]
    counted = np.zeros_like(day.entered)
    np.add.at(counted, (time // (6000 * day.bin_min), link), weight)
    np.testing.assert_array_equal(counted, day.entered)
    for k in range(plans.n_legs):
        own, way = leg == k, case.routes.links_of(int(plans.route[k]))
        np.testing.assert_array_equal(link[own], way[: own.sum()])
        assert (np.diff(time[own]) >= 0).all()
        if day.arrival_cs[k] >= 0:
            assert own.sum() == len(way) and (not len(way) or day.departure_cs[k] <= time[own][0])


@settings(max_examples=40, deadline=None)
@given(case=cases)
def test_no_vehicle_is_lost_or_made_in_any_minute(case: Case) -> None:
    state = None
    for minute in range(1, 61):
        day = run(case, state=state, until_s=60 * minute)
        state = day.state
        on_link, at_origin = state.vehicles_on_link, state.vehicles_at_origin
        assert (on_link >= 0).all() and (at_origin >= 0).all()
        begun = (day.departure_cs >= 0) & (day.departure_cs < 6000 * minute)
        ended = (day.arrival_cs >= 0) & (day.arrival_cs < 6000 * minute)
        assert begun.sum() - ended.sum() == day.on_road


@settings(max_examples=60, deadline=None)
@given(case=cases, minute=st.integers(1, 59))
def test_counts_of_entries_that_are_told_change_no_more(case: Case, minute: int) -> None:
    day, now = run(case, until_s=60 * minute), 6000 * minute
    present = vehicle_places(day.state)
    # The first entry that is not told is still on its link; whole seconds.
    first = min([now, *present.entered_cs[present.at_origin == 0].tolist()])
    assert day.told_cs == first // 100 * 100
    told = day.told_cs // (6000 * day.bin_min)
    entered, time_cs = day.entered[:told].copy(), day.time_cs[:told].copy()
    later = run(case, state=day.state)
    np.testing.assert_array_equal(later.entered[:told], entered)
    np.testing.assert_array_equal(later.time_cs[:told], time_cs)


@settings(max_examples=40, deadline=None)
@given(case=cases)
def test_vehicles_leave_a_link_in_the_order_in_which_they_came(case: Case) -> None:
    """On one link alone, legs end in the order in which they began, whatever the vehicles."""
    day = run(case)
    ways = [case.routes.links_of(route).tolist() for route in range(case.routes.n_routes)]
    only = np.array([way[0] if len(way) == 1 else -1 for way in ways])
    for link in range(case.network.n_links):
        legs = np.flatnonzero((only[case.plans.route] == link) & (day.arrival_cs >= 0))
        order = legs[np.argsort(day.arrival_cs[legs], kind="stable")]
        # Within one second vehicles enter by their numbers.
        assert (np.diff(day.departure_cs[order] // 100) >= 0).all()


@settings(max_examples=100, deadline=None)
@given(
    case=cases,
    minutes=st.sets(st.integers(1, 59), min_size=1, max_size=3),
    draw=st.randoms(use_true_random=False),
)
def test_new_ways_are_driven_as_by_the_twin(case: Case, minutes: set[int], draw: random.Random) -> None:
    """Some vehicles get another rest of their way, wherever they are."""
    network, plans, routes = case.network, case.plans, case.routes
    twin = NaiveQueue(network, plans, routes, end_h=END_H, charge=case.charge)
    state, at = None, 0
    for minute in sorted(minutes):
        state = run(case, state=state, until_s=60 * minute, trace=True).state
        twin.run(at, 60 * minute)
        at = 60 * minute
        places = vehicle_places(state)
        link_of = dict(zip(places.vehicle.tolist(), places.link.tolist(), strict=True))
        waiting = set(places.vehicle[places.at_origin == 1].tolist())
        ways: dict[int, list[int]] = {}
        for vehicle in range(plans.n_vehicles):
            if state.leg[vehicle] == plans.leg_indptr[vehicle + 1] or draw.random() < 0.4:
                continue
            way, node = [], None
            if vehicle in waiting:
                way = [link_of[vehicle]]
            elif vehicle in link_of:
                node = int(network.head[link_of[vehicle]])
            else:
                way = [draw.randrange(network.n_links)]
            node = int(network.head[way[0]]) if way else node
            for _ in range(draw.randrange(4)):
                leaving = np.flatnonzero(network.tail == node)
                if not len(leaving):
                    break
                way.append(int(draw.choice(leaving.tolist())))
                node = int(network.head[way[-1]])
            ways[vehicle] = way
        indptr = np.concatenate([[0], np.cumsum([len(way) for way in ways.values()])]).astype(np.int64)
        links = np.array([link for way in ways.values() for link in way], np.int32)
        reroute(state, network, plans, routes, np.array(list(ways), np.int32), build_routes(indptr, links))
        twin.reroute(ways, at)
    day = run(case, state=state)
    twin.run(at)
    assert len(day.state.trace) == day.state.moves + day.state.vehicles_on_link.sum()
    np.testing.assert_array_equal(day.entered, twin.entered)
    np.testing.assert_array_equal(day.time_cs, twin.time)
    np.testing.assert_array_equal(day.departure_cs, twin.departure)
    np.testing.assert_array_equal(day.arrival_cs, twin.arrival)
    np.testing.assert_array_equal(day.released, twin.released)
