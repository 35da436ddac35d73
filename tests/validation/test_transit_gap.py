"""Transit loadings in the crowd they make: the gap, and that it closes, on strategies and by the timetable."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.unit.test_transit_assignment import inputs_with, lines_city
from transport_abm.core.vocabulary import Period, TransitMode, TransitOption
from transport_abm.networks.city import City
from transport_abm.networks.transit.timetable_assignment import assign_timetable
from transport_abm.networks.transit.transit_assignment import (
    TransitResult,
    assign_transit,
    build_transit_service,
    free_crowding,
    update_crowding,
)
from transport_abm.networks.transit.transit_gap import average_loadings, settle_transit, transit_gap

METRO = TransitMode.METRO
RUNGS = pytest.mark.parametrize("assign", [assign_transit, assign_timetable])


def busy_city() -> City:
    """A fast line and a slow one from one end to the other, and a third that crosses them half-way."""
    place = [(0.0, 0.0), (9000.0, 0.0), (18000.0, 0.0), (9000.0, 9000.0)]
    return lines_city(
        place, [METRO] * 4, [[0, 1, 2], [0, 2], [3, 1, 2], [0, 1]], headway_min=[6, 5, 7, 9], zone_xy_m=place
    )


def settled(assign: Callable[..., TransitResult], gap: float, most: int, riders: float = 1.0):  # type: ignore[no-untyped-def]
    """Load the busy city, with up to twice the places it has."""
    city, inputs = busy_city(), inputs_with(timetable_samples=20)
    time_s = city.transit.segment_time_s.copy()
    time_s[3] = 600
    demand = np.zeros((1, 4, 4))
    demand[0, 0, 2], demand[0, 0, 1], demand[0, 3, 2] = 2800 * riders, 600 * riders, 900 * riders
    service = build_transit_service(city, inputs, year=2025, period=Period.AM, option=TransitOption.METRO)
    services = {TransitOption.METRO: service}
    average, crowding, gaps = settle_transit(
        city, services, demand, time_s, period=Period.AM, gap=gap, most=most, assign=assign
    )
    return city, service, demand, time_s, average, crowding, gaps


@RUNGS
def test_averaged_loadings_come_to_equilibrium_with_their_crowd(assign: Callable[..., TransitResult]) -> None:
    _, _, demand, _, average, crowding, gaps = settled(assign, 1e-3, 400)
    assert gaps[0] > 0.02
    assert 0 <= gaps[-1] <= 1e-3
    assert average.demand == pytest.approx(demand)
    # the crowd bites, and still riders take more than one line
    assert crowding.frequency_share.min() < 0.8
    assert (average.call_flow[[0, 3]] > 100).all()


@RUNGS
def test_gap_is_never_negative(assign: Callable[..., TransitResult]) -> None:
    gaps = settled(assign, 0.0, 40)[-1]
    assert len(gaps) == 39
    # least costs are kept in single precision
    assert min(gaps) > -1e-7


@RUNGS
def test_loadings_in_their_own_empty_vehicles_have_no_gap(assign: Callable[..., TransitResult]) -> None:
    city, service, demand, time_s, *_ = settled(assign, 0.0, 2)
    empty = free_crowding(city.transit)
    result = assign(service, demand[0], time_s, crowding=empty)
    average = average_loadings(None, [result], demand, 1.0)
    assert transit_gap(average, [result], time_s, empty, service.inputs) == pytest.approx(0, abs=1e-7)


@RUNGS
def test_cost_of_a_loading_in_a_crowd_is_the_demand_times_its_cost(
    assign: Callable[..., TransitResult],
) -> None:
    """In the crowd in which it was found, what a loading costs by its flows is what its skims say."""
    city, service, demand, time_s, average, *_ = settled(assign, 0.0, 3)
    crowd = update_crowding(city.transit, service.inputs, average.call_flow, year=2025, period=Period.AM)
    result = assign(service, demand[0], time_s, crowding=crowd)
    again = average_loadings(None, [result], demand, 1.0)
    assert transit_gap(again, [result], time_s, crowd, service.inputs) == pytest.approx(0, abs=1e-7)
    # and the parts that crowds do not change are the weighted walks and changes, with waits by the clock
    skims = {name: skim.astype(np.float64) for name, skim in result.skims.items()}
    ride = (demand[0] * skims["crowded_min"]).sum()
    felt = result.call_flow * time_s / 60 * crowd.multiplier
    assert felt.sum() == pytest.approx(ride, rel=1e-5)


def test_gap_sees_riders_who_could_do_better() -> None:
    """All on one of two like lines, half empty: by hand, what they would save by the emptier vehicle."""
    ends = [(0.0, 0.0), (9000.0, 0.0)]
    city = lines_city(ends, [METRO] * 2, [[0, 1], [0, 1]], headway_min=[6, 6], zone_xy_m=ends)
    inputs = inputs_with()
    service = build_transit_service(city, inputs, year=2025, period=Period.AM, option=TransitOption.METRO)
    demand, time_s = np.array([[[0.0, 400], [0, 0]]]), city.transit.segment_time_s
    shut = free_crowding(city.transit)
    # Only the first line can be boarded: the second one's segment takes an hour.
    slow = time_s.copy()
    slow[2] = 3600
    average = average_loadings(None, [assign_transit(service, demand[0], slow, crowding=shut)], demand, 1.0)
    assert average.call_flow == pytest.approx([400, 0, 0, 0])
    best = assign_transit(service, demand[0], time_s, crowding=shut)
    # waits of 3 min, where both lines give 1.5 min; weight 2; rides of 2 min
    assert transit_gap(average, [best], time_s, shut, inputs) == pytest.approx((8 - 5) / 8, rel=1e-6)
