"""Networks that are written in a format are read back as they were, whatever they are called."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.networks_drawn import road_files
from transport_abm.networks.formats.gmns import read_gmns
from transport_abm.networks.formats.gmns_write import write_gmns
from transport_abm.networks.formats.link_results import (
    PCUH,
    VEHICLESH,
    build_link_results,
    read_link_results,
    write_link_results,
)
from transport_abm.networks.formats.matsim_events import VehicleMoves, write_matsim_events
from transport_abm.networks.formats.matsim_network import read_matsim_network, write_matsim_network
from transport_abm.networks.formats.road_file import RoadFile

ROUNDING = 1e-14
"""Two or three conversions of units, each rounded once."""
COSTS = ("free_time_s", "capacity_pcuh", "bpr_scale", "bpr_power", "fixed_cost_s", "preload_pcuh")


def same(new: RoadFile, old: RoadFile, columns: tuple[str, ...]) -> None:
    """Names and links are the same, columns but for rounding."""
    assert (new.node_name, new.link_name, new.crs) == (old.node_name, old.link_name, old.crs)
    for name in ("tail", "head"):
        np.testing.assert_array_equal(getattr(new.problem, name), getattr(old.problem, name))
    for name in columns:
        np.testing.assert_allclose(getattr(new.problem, name), getattr(old.problem, name), rtol=ROUNDING)
    for name in ("length_m", "lanes", "free_speed_kmh", "x", "y"):
        np.testing.assert_allclose(getattr(new, name), getattr(old, name), rtol=ROUNDING)


@given(road_files(closed_lanes=0.0))
@settings(max_examples=60, deadline=None)
def test_a_network_written_as_gmns_is_read_back_as_it_was(roads: RoadFile) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_gmns(roads, Path(folder) / "net")
        back = read_gmns(Path(folder) / "net")
    same(back, roads, COSTS)
    assert back.uses == roads.uses and back.zone_name == roads.zone_name
    assert back.problem.first_through_node == roads.problem.first_through_node
    np.testing.assert_array_equal(back.zone_node, roads.zone_node)
    np.testing.assert_array_equal(back.toll, roads.toll)
    if roads.demand is None:
        assert back.demand is None
    else:
        np.testing.assert_array_equal(back.demand, roads.demand)


@given(road_files(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_network_written_as_matsim_is_read_back_as_it_was(roads: RoadFile, packed: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("network.xml.gz" if packed else "network.xml")
        write_matsim_network(roads, path)
        back = read_matsim_network(path)
    speed = np.where(
        roads.open, roads.length_m / np.where(roads.open, roads.problem.free_time_s, 1) * 3.6, roads.free_speed_kmh
    )  # fmt: skip
    np.testing.assert_allclose(back.free_speed_kmh, speed, rtol=ROUNDING)
    np.testing.assert_array_equal(back.open, roads.open)
    same(back, RoadFile(**{**vars(roads), "free_speed_kmh": speed}), ("free_time_s", "capacity_pcuh"))


@given(st.integers(0, 5), st.integers(1, 4), st.data())
@settings(max_examples=40, deadline=None)
def test_link_results_are_read_back_bit_for_bit(links: int, parts: int, data: st.DataObject) -> None:
    value = st.just(0.0) | st.floats(1e-6, 1e9)
    rows = st.lists(st.lists(value, min_size=links, max_size=links), min_size=parts, max_size=parts)
    flow, time = (np.array(data.draw(rows), np.float64).reshape(parts, links) for _ in range(2))
    if links:
        time[:, data.draw(st.integers(0, links - 1))] = np.inf
    node = np.arange(links, dtype=np.int32)
    unit = data.draw(st.sampled_from([PCUH, VEHICLESH]))
    bins = [(900 * k, 900 * (k + 1)) for k in range(parts)]
    results = build_link_results(node, node + 1, node * 10.0, bins, flow, time, year=2024, flow_unit=unit)
    assert len(results) == np.isfinite(time).sum()
    with tempfile.TemporaryDirectory() as folder:
        write_link_results(results, Path(folder) / "links.parquet")
        back = read_link_results(Path(folder) / "links.parquet")
    assert back.flow_unit == results.flow_unit == unit
    for name, column in vars(results).items():
        if name == "flow_unit":
            continue
        np.testing.assert_array_equal(getattr(back, name), column)
        assert getattr(back, name).dtype == column.dtype
    known = ~np.isnan(results.speed_kmh)
    np.testing.assert_allclose(
        results.speed_kmh[known] * results.time_s[known], 36.0 * results.link[known], rtol=1e-12
    )


@st.composite
def moves(draw: st.DrawFn) -> VehicleMoves:
    """Up to five legs over up to four links, some cut short on the way."""
    legs = draw(st.integers(0, 5))
    start, depart, arrive, link, enter, indptr = [], [], [], [], [], [0]
    for _ in range(legs):
        stands = draw(st.integers(-1, 3))
        count = draw(st.integers(0 if stands >= 0 else 1, 4))
        clock = draw(st.integers(0, 5))
        depart.append(clock)
        reached = draw(st.integers(0, count))
        for k in range(count):
            clock += draw(st.integers(0, 2))
            enter.append(clock if k < reached else -1)
            link.append(draw(st.integers(0, 3)))
        indptr.append(len(link))
        start.append(stands)
        done = reached == count and draw(st.booleans())
        arrive.append(clock + draw(st.integers(0, 2)) if done else -1)
    vehicle = draw(st.lists(st.integers(0, 2), min_size=legs, max_size=legs))
    columns = [np.array(part, np.int32) for part in (vehicle, start, depart, arrive)]
    return VehicleMoves(
        *columns, np.array(indptr, np.int64), np.array(link, np.int32), np.array(enter, np.int32)
    )


def told(moves: VehicleMoves) -> list[tuple[int, str, int, int]]:
    """The events of all legs, told one by one: time, type, vehicle, link (-1 where the event names none)."""
    events = []
    for k, v in enumerate(moves.vehicle.tolist()):
        part = slice(moves.route_indptr[k], moves.route_indptr[k + 1])
        links, times = moves.link[part].tolist(), moves.enter_s[part].tolist()
        start, depart, arrive = (
            int(column[k]) for column in (moves.start_link, moves.depart_s, moves.arrive_s)
        )
        here = start if start >= 0 else links[0]
        mine = [(depart, "departure", v, here)]
        begins = times[0] if links else (depart if arrive >= 0 else -1)
        if begins >= 0:
            mine += [(begins, "PersonEntersVehicle", v, -1), (begins, "vehicle enters traffic", v, here)]
        for place, (link, time) in enumerate(zip(links, times, strict=True)):
            if time >= 0 and (place or start >= 0):
                mine += [(time, "left link", v, here), (time, "entered link", v, link)]
            here = link if time >= 0 else here
        if arrive >= 0:
            mine += [
                (arrive, "vehicle leaves traffic", v, here), (arrive, "PersonLeavesVehicle", v, -1),
                (arrive, "arrival", v, here),
            ]  # fmt: skip
        events += [(time, k, event) for time, *event in mine]
    events.sort(key=lambda event: event[:2])
    return [(time, *event) for time, _, event in events]


@given(moves())
@settings(max_examples=150, deadline=None)
def test_events_are_those_that_one_would_tell_leg_by_leg(drawn: VehicleMoves) -> None:
    links, vehicles = ['a"', "<b>", "路", "{d}"], ["p&q", "'", "{v}"]
    with tempfile.TemporaryDirectory() as folder:
        write_matsim_events(drawn, links, vehicles, Path(folder) / "events.xml.gz")
        tree = ElementTree.fromstring(gzip.decompress((Path(folder) / "events.xml.gz").read_bytes()))
    found = []
    for event in tree:
        vehicle = event.get("vehicle", event.get("person"))
        assert event.get("person", vehicle) == vehicle
        link = links.index(event.get("link", "")) if "link" in event.keys() else -1  # noqa: SIM118
        found.append(
            (int(float(event.get("time", "x"))), event.get("type"), vehicles.index(vehicle or ""), link)
        )
    assert found == told(drawn)
