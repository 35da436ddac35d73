"""The roads of a city in a year and period, as other tools are to see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from transport_abm.core.vocabulary import PERIOD_HOURS, LinkClass, Period
from transport_abm.networks.city import F64, I32, City
from transport_abm.networks.formats.link_results import LinkResults, build_link_results
from transport_abm.networks.formats.road_file import RoadFile, Shapes
from transport_abm.networks.roads.connectors import build_connectors, connect
from transport_abm.networks.roads.road_problem import RoadProblem, link_time_s
from transport_abm.networks.roads.road_skims import road_problem
from transport_abm.policy.inputs import YearInputs

DRIVE, WALK = "auto", "walk,bike"
"""Uses of links: what GMNS and MATSim files write of who may use them."""


def city_roads(
    city: City, inputs: YearInputs, *, period: Period, cars_alone: bool = False
) -> tuple[RoadFile, I32]:
    """Roads that are open in a year, with buses as preload and the zones' connectors: what the model assigns.

    Parameters
    ----------
    city
        The city.
    inputs
        Values of a year.
    period
        Period of the day, which decides how many buses run.
    cars_alone
        Only links that are open to cars, in the city's metres, without nodes and connectors of zones: for formats
        that cannot keep through traffic off connectors. Otherwise all links that are open, in degrees, and what the
        model assigns on.

    Returns
    -------
    RoadFile
        Links open to cars, on foot or by bicycle; names of links and nodes are rows of the city.
    I32
        Row of the city's link, by link of the roads (connectors are none of them and follow).
    """
    roads = city.roads
    problem = road_problem(city, inputs, period=period, year=inputs.year)
    usable = roads.drive if cars_alone else roads.drive | roads.walk
    row = np.flatnonzero(usable & (roads.open_year <= inputs.year)).astype(np.int32)
    problem = _part(problem, row)
    use = {(True, True): f"{DRIVE},{WALK}", (True, False): DRIVE, (False, True): WALK}
    kinds = [kind.name.lower() for kind in LinkClass]
    count = np.diff(roads.shape_indptr)[row]
    points = np.repeat(roads.shape_indptr[row] - np.cumsum(count) + count, count) + np.arange(count.sum())
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(count)])
    lanes, speed = roads.lanes[row].astype(np.float64), roads.free_speed_kmh[row]
    file = RoadFile(
        name=city.name, problem=problem, node_name=tuple(map(str, range(roads.n_nodes))),
        link_name=tuple(map(str, row.tolist())), zone_name=tuple(map(str, range(len(city.zones)))),
        zone_node=city.zones.node, length_m=roads.length_m[row], lanes=lanes, free_speed_kmh=speed,
        x=roads.node_lon, y=roads.node_lat, crs="EPSG:4326",
        uses=tuple(use[bool(roads.drive[k]), bool(roads.walk[k])] for k in row),
        facility=tuple(kinds[kind] for kind in roads.link_class[row]),
        shapes=Shapes(indptr, roads.shape_lon[points], roads.shape_lat[points]),
    )  # fmt: skip
    if cars_alone:
        return replace(file, x=roads.node_x_m, y=roads.node_y_m, crs=city.crs, shapes=None), row
    return _connected(file, city, inputs), row


def _part(problem: RoadProblem, row: I32) -> RoadProblem:
    """Some links of a problem."""
    return replace(
        problem, tail=problem.tail[row], head=problem.head[row], free_time_s=problem.free_time_s[row],
        capacity_pcuh=problem.capacity_pcuh[row], bpr_scale=problem.bpr_scale[row],
        bpr_power=problem.bpr_power[row], fixed_cost_s=problem.fixed_cost_s[row],
        preload_pcuh=problem.preload_pcuh[row],
    )  # fmt: skip


def _connected(roads: RoadFile, city: City, inputs: YearInputs) -> RoadFile:
    """The roads with the model's own connectors."""
    ends, zones = build_connectors(city, inputs), city.zones
    n, m = len(zones), 2 * len(ends)
    assert roads.lanes is not None and roads.free_speed_kmh is not None and roads.shapes is not None
    speed = inputs["traffic.connector_kmh"]
    names = [f"z{z}-{k}" for z, k in zip(ends.zone, ends.node, strict=True)]
    names += [f"{k}-z{z}" for z, k in zip(ends.zone, ends.node, strict=True)]
    return replace(
        roads, problem=connect(roads.problem, ends, n, inputs),
        node_name=(*(f"z{name}" for name in roads.zone_name), *roads.node_name),
        link_name=(*roads.link_name, *names), zone_node=np.arange(n, dtype=np.int32),
        length_m=np.concatenate([roads.length_m, np.tile(ends.length_m, 2)]),
        lanes=np.concatenate([roads.lanes, np.ones(m)]),
        free_speed_kmh=np.concatenate([roads.free_speed_kmh, np.full(m, speed)]),
        x=np.concatenate([zones.lon, city.roads.node_lon]), y=np.concatenate([zones.lat, city.roads.node_lat]),
        uses=(*roads.uses, *[DRIVE] * m), facility=(*roads.facility, *["connector"] * m),
        shapes=roads.shapes._replace(
            indptr=np.concatenate([roads.shapes.indptr, np.full(m, roads.shapes.indptr[-1])])
        ),
    )  # fmt: skip


def city_link_results(
    city: City, inputs: YearInputs, flow_pcuh: Mapping[Period, F64], row: I32
) -> LinkResults:
    """Flows of a run on the roads of a city, with the times that go with them.

    Parameters
    ----------
    city
        The city.
    inputs
        Values of the year of the run.
    flow_pcuh
        By period, flow by link of the city without buses [pcu/h].
    row
        Row of the city's link, by link of the roads, as :func:`city_roads` gives it.

    Returns
    -------
    LinkResults
        Links are rows of ``city_roads``.
    """
    periods = sorted(flow_pcuh)
    time = [
        link_time_s(road_problem(city, inputs, period=p, year=inputs.year), flow_pcuh[p])[row]
        for p in periods
    ]
    return build_link_results(
        city.roads.tail[row], city.roads.head[row], city.roads.length_m[row],
        [(int(PERIOD_HOURS[p][0] * 3600), int(PERIOD_HOURS[p][1] * 3600)) for p in periods],
        np.array([flow_pcuh[p][row] for p in periods]), np.array(time), year=inputs.year,
    )  # fmt: skip
