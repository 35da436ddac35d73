"""Transit service of a year, walks from zones, bus times, fares and crowding, each checked by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numba
import numpy as np
import pytest

from tests.tiny import tiny_city
from transport_abm.core.errors import NetworkError
from transport_abm.core.vocabulary import LinkClass, Period, TransitMode, TransitOption
from transport_abm.networks.city import City, TransitNetwork
from transport_abm.networks.transit.transit_assignment import (
    TransitResult,
    assign_transit,
    build_transit_service,
    bus_segment_time_s,
    crowding_multiplier,
    free_crowding,
    transit_fare_cny,
    update_crowding,
)
from transport_abm.networks.transit.transit_service import access_distance_m, pattern_runs
from transport_abm.policy.inputs import YearInputs, year_inputs

METRO, BUS = TransitMode.METRO, TransitMode.BUS
NEVER = 9999


def inputs_with(**changes: float) -> YearInputs:
    """Shipped parameters with some ``transit.`` paths changed."""
    return year_inputs(2025, {f"transit.{name}": value for name, value in changes.items()})


def lines_city(
    stop_xy_m: Sequence[tuple[float, float]],
    stop_mode: Sequence[TransitMode],
    patterns: Sequence[Sequence[int]],
    *,
    headway_min: Sequence[float],
    zone_xy_m: Sequence[tuple[float, float]],
    years: Sequence[tuple[int, int]] | None = None,
    walks: Sequence[tuple[int, int, float]] = (),
) -> City:
    """Tiny city's roads with lines of one pattern each, 120 s and 1 km a segment; zones are points."""
    tiny = tiny_city()
    place = np.array(stop_xy_m, np.float64)
    indptr = np.append(0, np.cumsum([len(p) for p in patterns])).astype(np.int64)
    stop = np.array([s for p in patterns for s in p], np.int32)
    leaves = np.ones(len(stop))
    leaves[indptr[1:] - 1] = 0
    n = len(patterns)
    mode = np.array([stop_mode[p[0]] for p in patterns], np.int8)
    both_ways = [(a, b, m) for i, j, m in walks for a, b in ((i, j), (j, i))]
    transit = TransitNetwork(
        stop_name_en=tuple(str(k) for k in range(len(place))), stop_name_zh=(),
        stop_lon=place[:, 0], stop_lat=place[:, 1], stop_x_m=place[:, 0], stop_y_m=place[:, 1],
        stop_mode=np.array(stop_mode, np.int8),
        line_name_en=tuple(str(k) for k in range(n)), line_name_zh=(), line_mode=mode,
        line_vehicle_capacity=np.full(n, 100.0), line_vehicle_seats=np.full(n, 40.0),
        line_headway_min=np.repeat(np.array(headway_min, np.float64)[:, None], 4, axis=1),
        pattern_line=np.arange(n, dtype=np.int32), pattern_indptr=indptr, stop=stop,
        segment_length_m=1000 * leaves, segment_time_s=120 * leaves,
        road_indptr=np.zeros(len(stop) + 1, np.int64), road_link=np.zeros(0, np.int32),
        open_year=np.array([y[0] for y in years] if years else [0] * n, np.int16),
        close_year=np.array([y[1] for y in years] if years else [NEVER] * n, np.int16),
        transfer_from=np.array([w[0] for w in both_ways], np.int32),
        transfer_to=np.array([w[1] for w in both_ways], np.int32),
        transfer_walk_m=np.array([w[2] for w in both_ways], np.float64),
    )  # fmt: skip
    zone = np.array(zone_xy_m, np.float64)
    pick = np.zeros(len(zone), np.int64)
    zones = dataclasses.replace(
        tiny.zones, name=tuple(str(k) for k in range(len(zone))), district=tiny.zones.district[pick],
        ring=tiny.zones.ring[pick], lon=zone[:, 0], lat=zone[:, 1], x_m=zone[:, 0], y_m=zone[:, 1],
        area_m2=np.full(len(zone), 1e6), residents=np.zeros(len(zone)), jobs=np.zeros(len(zone)),
        school_places=np.zeros(len(zone)), node=tiny.zones.node[pick],
    )  # fmt: skip
    return dataclasses.replace(tiny, zones=zones, transit=transit)


def assigned(
    city: City,
    inputs: YearInputs,
    option: TransitOption = TransitOption.METRO,
    *,
    year: int = 2025,
    demand: np.ndarray | None = None,
) -> TransitResult:
    """Build the service and assign, on the timetable's times."""
    service = build_transit_service(city, inputs, year=year, period=Period.AM, option=option)
    return assign_transit(service, demand, city.transit.segment_time_s)


def ring_city() -> City:
    """A one-way metro ring of four stations 4 km apart, closing on its first stop; a zone at each station."""
    corner = [(0.0, 0.0), (4000.0, 0.0), (4000.0, 4000.0), (0.0, 4000.0)]
    return lines_city(corner, [METRO] * 4, [[0, 1, 2, 3, 0]], headway_min=[6], zone_xy_m=corner)


def test_riders_stay_on_board_over_the_seam_of_a_loop() -> None:
    """From station 3 to station 1 over the seam: two segments, one boarding, half a headway of waiting."""
    inputs = inputs_with(metro_access_max_m=1000, access_limit_m=2500)
    demand = np.zeros((4, 4))
    demand[3, 1] = 10
    result = assigned(ring_city(), inputs, demand=demand)
    assert result.skims["boardings"][3, 1] == 1
    assert result.skims["metro_min"][3, 1] == pytest.approx(4)
    assert result.skims["wait_min"][3, 1] == pytest.approx(3)
    assert result.skims["total"][3, 1] == pytest.approx(2 * 3 + 4)
    assert result.call_flow == pytest.approx([10, 0, 0, 10, 0])
    assert result.call_board == pytest.approx([0, 0, 0, 10, 0])


def test_single_line_costs_weighted_walk_half_the_headway_and_the_ride() -> None:
    """Zone 500 m from the first of three stations, headway 6 min, two segments of 2 min."""
    city = lines_city(
        [(0.0, 0.0), (5000.0, 0.0), (10000.0, 0.0)], [METRO] * 3, [[0, 1, 2], [2, 1, 0]],
        headway_min=[6, 6], zone_xy_m=[(0.0, 500.0), (10000.0, 0.0)],
    )  # fmt: skip
    skims = assigned(city, inputs_with()).skims
    walk = 500 * 1.3 / 80
    assert skims["access_min"][0, 1] == pytest.approx(walk)
    assert skims["wait_min"][0, 1] == pytest.approx(3)
    assert skims["metro_km"][0, 1] == pytest.approx(2)
    assert skims["total"][0, 1] == pytest.approx(1.8 * walk + 2 * 3 + 4)
    assert skims["total"][1, 0] == pytest.approx(1.8 * walk + 2 * 3 + 4)


def test_headway_factors_act_on_their_own_submode_only() -> None:
    city = tiny_city()
    call_time_s = np.full(len(city.transit.stop), 120.0)
    for option, name in ((TransitOption.METRO, "metro"), (TransitOption.BUS, "bus")):
        wait = {}
        for changed in ("", "metro", "bus"):
            inputs = inputs_with(**({f"{changed}_headway_factor": 0.5} if changed else {}))
            service = build_transit_service(city, inputs, year=2025, period=Period.AM, option=option)
            wait[changed] = service.headway_min
            assert np.isfinite(assign_transit(service, None, call_time_s).skims["total"]).any()
        other = "bus" if name == "metro" else "metro"
        np.testing.assert_array_equal(wait[name], 0.5 * wait[""])
        np.testing.assert_array_equal(wait[other], wait[""])


def test_line_that_does_not_run_in_a_period_is_left_out() -> None:
    """Bus 2 of the tiny city has no night service."""
    city, inputs = tiny_city(), inputs_with()
    count = {
        period: len(
            build_transit_service(city, inputs, year=2025, period=period, option=TransitOption.BUS).call
        )
        for period in (Period.AM, Period.NIGHT)
    }
    assert count == {Period.AM: 26, Period.NIGHT: 14}


def staged_metro() -> TransitNetwork:
    """Open since 2010; a short line replaced by a longer one in 2022; planned for 2024; a bus from 2024."""
    return lines_city(
        [(0.0, 0.0), (1000.0, 0.0), (2000.0, 0.0), (0.0, 0.0), (1000.0, 0.0)], [METRO] * 3 + [BUS] * 2,
        [[0, 1], [0, 1], [0, 1, 2], [1, 2], [3, 4]], headway_min=[5] * 5, zone_xy_m=[(0.0, 0.0)],
        years=[(2010, NEVER), (2010, 2022), (2022, NEVER), (2024, NEVER), (2024, NEVER)],
    ).transit  # fmt: skip


@pytest.mark.parametrize(
    ("delay", "year", "expected"),
    [
        (0, 2021, [1, 1, 0, 0, 0]),
        (0, 2022, [1, 0, 1, 0, 0]),
        (0, 2024, [1, 0, 1, 1, 1]),
        (2, 2022, [1, 1, 0, 0, 0]),
        (2, 2024, [1, 0, 1, 0, 1]),
        (2, 2026, [1, 0, 1, 1, 1]),
    ],
)
def test_patterns_open_and_close_and_the_delay_shifts_later_metro_only(
    delay: int, year: int, expected: list[int]
) -> None:
    runs = pattern_runs(staged_metro(), inputs_with(metro_opening_delay_year=delay), year)
    assert runs.astype(int).tolist() == expected


def test_zone_beyond_every_station_is_unreachable_and_its_demand_is_reported() -> None:
    city = lines_city(
        [(0.0, 0.0), (5000.0, 0.0)], [METRO] * 2, [[0, 1], [1, 0]], headway_min=[5, 5],
        zone_xy_m=[(0.0, 0.0), (5000.0, 0.0), (0.0, 6001.0), (0.0, 5999.0)],
    )  # fmt: skip
    result = assigned(city, inputs_with(), demand=np.ones((4, 4)))
    total = result.skims["total"]
    assert np.isinf(total[2]).all() and np.isinf(total[:, 2]).all() and np.isinf(np.diag(total)).all()
    assert np.isfinite(total[3, 1]) and np.isfinite(total[1, 3])
    assert result.unserved == np.isinf(total).sum()
    for name, skim in result.skims.items():
        if name != "total":
            assert not skim[np.isinf(total)].any(), name


def test_option_without_any_line_leaves_all_pairs_unreachable() -> None:
    city = lines_city(
        [(0.0, 0.0), (5000.0, 0.0)], [METRO] * 2, [[0, 1]], headway_min=[5],
        zone_xy_m=[(0.0, 0.0), (5000.0, 0.0)],
    )  # fmt: skip
    result = assigned(city, inputs_with(), TransitOption.BUS, demand=np.ones((2, 2)))
    assert np.isinf(result.skims["total"]).all()
    assert result.unserved == 4


def bus_to_metro_city() -> City:
    """Bus from stop 0 to 1, 100 m from metro station 2, metro on to 3; zones at 0, 1/2 and 3."""
    return lines_city(
        [(0.0, 0.0), (8000.0, 0.0), (8100.0, 0.0), (20000.0, 0.0)], [BUS, BUS, METRO, METRO],
        [[0, 1], [2, 3]], headway_min=[10, 4], walks=[(1, 2, 160.0)],
        zone_xy_m=[(0.0, 0.0), (8000.0, 0.0), (20000.0, 0.0)],
    )  # fmt: skip


def test_combined_option_holds_only_pairs_that_use_bus_and_metro() -> None:
    city, inputs = bus_to_metro_city(), inputs_with(bus_useful_share=1.0)
    combined = assigned(city, inputs, TransitOption.BUS_METRO).skims
    assert np.isfinite(combined["total"]).sum() == 1
    # waits 5 and 2, rides 2 and 2, a walk of 160 m at 80 m/min, one transfer
    assert combined["total"][0, 2] == pytest.approx(2 * 7 + 4 + 1.8 * 2 + 6)
    assert combined["boardings"][0, 2] == 2
    assert combined["bus_boardings"][0, 2] == 1
    assert combined["access_min"][0, 2] == pytest.approx(2)
    assert np.isinf(assigned(city, inputs, TransitOption.BUS).skims["total"][0, 2])
    assert np.isinf(assigned(city, inputs, TransitOption.METRO).skims["total"][0, 2])
    less = inputs_with(combined_min_min=2.5)
    assert np.isinf(assigned(city, less, TransitOption.BUS_METRO).skims["total"]).all()


def test_mean_walk_inside_a_zone_and_to_the_nearest_of_several_stops() -> None:
    """Area pi km2 (R = 1 km): one stop 2/3 km; four stops 1/2 sqrt(pi / 4); outside its distance."""
    area = np.full(3, np.pi * 1e6)
    distance = np.array(
        [[300.0, 1500.0, 2500.0, 3500.0], [100.0, 200.0, 300.0, 400.0], [7000.0, 5000.0, 6000.0, 8000.0]]
    )
    one, half, none = np.ones(4), np.full(4, 0.5), np.zeros(4)
    walk, kept = access_distance_m(distance, area, one, none, reach_m=2000, limit_m=5500)
    assert walk[0] == pytest.approx([2000 / 3, 1500, 2500, 3500])
    assert kept[0].tolist() == [True, True, False, False]
    assert walk[1] == pytest.approx(np.full(4, 500 * np.sqrt(np.pi / 4)))
    assert kept[2].tolist() == [False, True, False, False]
    fewer, _ = access_distance_m(distance, area, half, none, reach_m=2000, limit_m=5500)
    assert fewer[1] == pytest.approx(np.full(4, 500 * np.sqrt(np.pi / 2)))


def test_bus_call_stands_for_the_stops_along_its_segments() -> None:
    """Outside R = 1 km, within half a segment: 2/pi of the distance, no less than the walk inside."""
    distance = np.array([[1010.0, 1200.0, 1201.0]])
    walk, _ = access_distance_m(
        distance, np.array([np.pi * 1e6]), np.ones(3), np.full(3, 1200.0), reach_m=1200, limit_m=6000
    )
    assert walk[0] == pytest.approx([2000 / 3, 2400 / np.pi, 1201])


def test_platforms_of_one_station_count_as_one_stop() -> None:
    """Two lines at one station: two platforms of one name are no closer than one; two stations are."""
    walk = {}
    for names in (("A", "A", "B", "B"), ("A", "C", "B", "D")):
        city = lines_city(
            [(0.0, 0.0), (10.0, 0.0), (9000.0, 0.0), (9010.0, 0.0)], [METRO] * 4, [[0, 2], [1, 3]],
            headway_min=[5, 5], zone_xy_m=[(0.0, 0.0), (9000.0, 0.0)],
        )  # fmt: skip
        zones = dataclasses.replace(city.zones, area_m2=np.full(2, np.pi * 1e6), residents=np.full(2, 1e6))
        transit = dataclasses.replace(city.transit, stop_name_zh=names)
        city = dataclasses.replace(city, zones=zones, transit=transit)
        walk[names] = assigned(city, inputs_with(metro_choice_share=1.0)).skims["access_min"][0, 1]
    one, two = walk.values()
    assert one == pytest.approx(2 * 2000 / 3 * 1.3 / 80)
    assert two == pytest.approx(2 * 500 * np.sqrt(np.pi / 2) * 1.3 / 80)


def congested(city: City, factor: float) -> np.ndarray:
    """Link times at ``factor`` times the free time."""
    return factor * city.roads.length_m * 3.6 / city.roads.free_speed_kmh


def test_bus_time_by_hand_and_metro_keeps_its_timetable() -> None:
    """1 km of secondary road at 45 km/h: 80 s, twice that in congestion, x 1.15, and one stop of 25 s."""
    city, inputs = tiny_city(), inputs_with()
    time_s = bus_segment_time_s(city.transit, city.roads, congested(city, 2.0), inputs)
    assert city.roads.link_class[city.transit.road_link[0]] == LinkClass.SECONDARY
    metro_calls = city.transit.pattern_indptr[2]
    np.testing.assert_array_equal(time_s[:metro_calls], city.transit.segment_time_s[:metro_calls])
    assert time_s[metro_calls] == pytest.approx(1.15 * 160 + 25)
    assert time_s[city.transit.pattern_indptr[3] - 1] == 0


def test_bus_is_no_faster_than_its_top_speed() -> None:
    city, inputs = tiny_city(), inputs_with(bus_speed_max_kmh=36)
    time_s = bus_segment_time_s(city.transit, city.roads, congested(city, 1.0), inputs)
    assert time_s[city.transit.pattern_indptr[2]] == pytest.approx(100 + 25)


def test_long_segment_stands_for_several_stops() -> None:
    """2,800 m at a stop every 700 m: four dwells; off the roads at 20 km/h."""
    city = bus_to_metro_city()
    transit = dataclasses.replace(city.transit, segment_length_m=2.8 * city.transit.segment_length_m)
    time_s = bus_segment_time_s(transit, city.roads, congested(city, 1.0), inputs_with())
    assert time_s == pytest.approx([2800 / 20 * 3.6 + 4 * 25, 0, 120, 0])


def test_bus_lanes_spare_the_delay_on_main_roads_only() -> None:
    city = tiny_city()
    roads = city.roads
    main = dataclasses.replace(roads, link_class=np.full(roads.n_links, LinkClass.PRIMARY, np.int8))
    call = city.transit.pattern_indptr[2]
    for lane, delay_s in ((0.0, 80.0), (0.5, 40.0), (1.0, 0.0)):
        inputs = inputs_with(bus_lane_share=lane)
        slow = bus_segment_time_s(city.transit, roads, congested(city, 2.0), inputs)
        spared = bus_segment_time_s(city.transit, main, congested(city, 2.0), inputs)
        assert slow[call] == pytest.approx(1.15 * 160 + 25)
        assert spared[call] == pytest.approx(1.15 * (80 + delay_s) + 25)


def test_metro_fare_by_bands() -> None:
    """3, 4, 5, 6 yuan to 6, 12, 22, 32 km, then one more for every 20 km begun."""
    km = np.array([0, 0.5, 6, 6.01, 12, 22, 32, 32.01, 52, 52.01, 92.01], np.float32)
    zero = np.zeros_like(km)
    fare = transit_fare_cny(tiny_city().fares, zero, km, zero, year_inputs(2025))
    assert fare.tolist() == [0, 3, 3, 4, 4, 5, 6, 7, 7, 8, 10]


def test_bus_fare_by_boarding_with_card() -> None:
    """Half of 2 yuan to 10 km and of one more for every 5 km begun, on each bus."""
    km = np.array([0, 3, 10, 10.5, 15, 15.5, 12, 24], np.float32)
    boardings = np.array([0, 1, 1, 1, 1, 1, 2, 2], np.float32)
    fare = transit_fare_cny(tiny_city().fares, km, np.zeros_like(km), boardings, year_inputs(2025))
    assert fare.tolist() == [0, 1, 1, 1.5, 1.5, 2, 2, 3]


def test_fare_factors_scale_their_own_submode() -> None:
    three, ten, one = (np.array([v], np.float32) for v in (3, 10, 1))
    inputs = year_inputs(2025, {"fares.metro_factor": 2.0, "fares.bus_factor": 1.5})
    assert transit_fare_cny(tiny_city().fares, three, ten, one, inputs).tolist() == [4 * 2 + 1 * 1.5]


def test_crowding_multiplier_at_known_loads() -> None:
    """40 seats, 10 m2 of floor (60 standing at 6 persons/m2): empty, all seated, 5 persons/m2, and beyond."""
    load = np.array([0, 20, 40, 65, 90, 120], np.float64)
    result = crowding_multiplier(load, np.full(6, 40.0), np.full(6, 100.0), 6.0, inputs_with())
    assert result == pytest.approx([1, 1.075, 1.15, 1.525, 1.9, 1.9])


def test_crowding_state_averages_loadings_and_thins_overfull_departures() -> None:
    """Headway 6 min (10/h), 100 places: 500 persons/h fill half, 2,000 overfill."""
    city, inputs = ring_city(), inputs_with()
    flow = np.array([500.0, 2000, 0, 0, 0])
    state = update_crowding(city.transit, inputs, flow, year=2025, period=Period.AM)
    assert state.frequency_share == pytest.approx([1 / (1 + 0.5**4), 1 / (1 + 2.0**4), 1, 1, 1])
    assert state.multiplier[0] == pytest.approx(1.15 + 0.75 * (10 / 10) / 5)
    assert state.change == pytest.approx(1)
    half = update_crowding(
        city.transit, inputs, 0 * flow, year=2025, period=Period.AM, previous=state, step=0.5
    )
    np.testing.assert_allclose(half.flow, flow / 2)
    steady = update_crowding(
        city.transit, inputs, flow, year=2025, period=Period.AM, previous=state, step=0.5
    )
    assert steady.change == 0


def test_crowd_lengthens_perceived_time_and_waits_but_not_the_ride() -> None:
    city, inputs = ring_city(), inputs_with(metro_access_max_m=1000, access_limit_m=2500)
    service = build_transit_service(city, inputs, year=2025, period=Period.AM, option=TransitOption.METRO)
    time_s = city.transit.segment_time_s
    empty = assign_transit(service, None, time_s, crowding=free_crowding(city.transit))
    plain = assign_transit(service, None, time_s, previous=empty)
    assert plain.change == 0
    state = update_crowding(city.transit, inputs, np.full(5, 900.0), year=2025, period=Period.AM)
    full = assign_transit(service, None, time_s, crowding=state, previous=plain)
    np.testing.assert_array_equal(full.skims["in_vehicle_min"], plain.skims["in_vehicle_min"])
    assert full.skims["crowded_min"][0, 1] == pytest.approx(2 * 1.9)
    assert full.skims["wait_min"][0, 1] == pytest.approx(3 * (1 + 0.9**4))
    assert full.change > 0


def test_loop_of_assignment_and_crowding_settles() -> None:
    """Two like lines share an overload: averaged loadings come to rest, with more than one line used."""
    corner = [(0.0, 0.0), (9000.0, 0.0)]
    city = lines_city(corner, [METRO] * 2, [[0, 1], [0, 1]], headway_min=[6, 6], zone_xy_m=corner)
    inputs = inputs_with()
    slow = city.transit.segment_time_s.copy()
    slow[2] = 1200
    service = build_transit_service(city, inputs, year=2025, period=Period.AM, option=TransitOption.METRO)
    demand = np.array([[0.0, 2400], [0, 0]])
    state = free_crowding(city.transit)
    for k in range(1, 201):
        result = assign_transit(service, demand, slow, crowding=state)
        state = update_crowding(
            city.transit, inputs, result.call_flow, year=2025, period=Period.AM, previous=state, step=1 / k
        )
    assert state.flow.sum() == pytest.approx(2400)
    assert state.flow[0] > state.flow[2] > 100


def test_same_bits_on_one_and_two_threads_in_a_city() -> None:
    city, inputs = tiny_city(), inputs_with()
    demand = np.outer(city.zones.residents, city.zones.jobs) / 7000
    call_time_s = bus_segment_time_s(city.transit, city.roads, congested(city, 1.3), inputs)
    service = build_transit_service(city, inputs, year=2025, period=Period.AM, option=TransitOption.BUS_METRO)
    threads = numba.get_num_threads()
    try:
        runs = []
        for n in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(n)
            runs.append(assign_transit(service, demand, call_time_s))
    finally:
        numba.set_num_threads(threads)
    assert runs[0].call_flow.tobytes() == runs[1].call_flow.tobytes()
    for name, skim in runs[0].skims.items():
        assert skim.tobytes() == runs[1].skims[name].tobytes(), name


def test_all_faults_of_the_tables_come_in_one_error() -> None:
    city = tiny_city()
    service = build_transit_service(
        city, inputs_with(), year=2025, period=Period.AM, option=TransitOption.METRO
    )
    with pytest.raises(NetworkError) as error:
        assign_transit(service, np.full((12, 12), -1.0), np.zeros(3))
    assert {getattr(fault, "field", fault) for fault in error.value.faults} == {"call_time_s", "demand"}


def test_headway_of_zero_is_refused_by_name() -> None:
    city = tiny_city()
    headway = city.transit.line_headway_min.copy()
    headway[1, Period.AM] = 0
    wrong = dataclasses.replace(city, transit=dataclasses.replace(city.transit, line_headway_min=headway))
    with pytest.raises(NetworkError, match="Bus 1"):
        build_transit_service(wrong, inputs_with(), year=2025, period=Period.AM, option=TransitOption.METRO)
