"""Is a city fit to run on? Connectivity, absurd values, places out of reach; and how large it is.

A city that reads without faults can still be odd. Findings have a level: ``error`` would give wrong results,
``warning`` deserves a look, ``note`` is worth knowing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from transport_abm.core.vocabulary import LinkClass, TransitMode
from transport_abm.networks.city import I64, Bool, City, RoadNetwork, TransitNetwork

Level = Literal["error", "warning", "note"]

STATION_TO_STREET_M = 300.0
"""Farthest a metro station should lie from the streets [m]."""
TRANSFER_M = 1_000.0
"""Longest walk that is a transfer [m]."""
LENGTH_M = (1.0, 60_000.0)
LENGTH_SHORTFALL = 0.98
"""A link may not be shorter than this share of the straight line between its ends."""
SPEED_KMH = (5.0, 130.0)
CAPACITY_PCUHLANE = (100.0, 2_500.0)
SEGMENT_SPEED_KMH = (5.0, 160.0)
_NAMED = 3


@dataclass(frozen=True)
class CityFinding:
    """One thing about a city that deserves attention."""

    level: Level
    what: str
    where: str
    """Table, with the first few rows concerned."""
    count: int
    """Number of rows concerned."""


def check_city(city: City) -> list[CityFinding]:
    """Look for what would spoil a run.

    Parameters
    ----------
    city
        A city free of faults (as :func:`transport_abm.networks.cities.city_files.read_city` returns it).

    Returns
    -------
    list[CityFinding]
        Findings, errors first.
    """
    found = [*_roads(city.roads), *_zones(city), *_transit(city)]
    rank = {"error": 0, "warning": 1, "note": 2}
    return sorted(found, key=lambda finding: rank[finding.level])


def _finding(level: Level, what: str, table: str, bad: Bool) -> Iterator[CityFinding]:
    """Yield a finding if any row is bad."""
    rows = np.flatnonzero(bad)
    if len(rows):
        first = ", ".join(str(row) for row in rows[:_NAMED])
        more = ", ..." if len(rows) > _NAMED else ""
        yield CityFinding(level, what, f"{table} {first}{more}", len(rows))


def strong_parts(roads: RoadNetwork) -> I64:
    """Number the strongly connected parts of the links open to cars, largest first.

    Parameters
    ----------
    roads
        The roads.

    Returns
    -------
    int64 array
        Part of each node; -1 for nodes that no such link touches.
    """
    n = roads.n_nodes
    tail, head = roads.tail[roads.drive], roads.head[roads.drive]
    graph = coo_matrix((np.ones(len(tail), np.int8), (tail, head)), shape=(n, n))
    _, part = connected_components(graph, directed=True, connection="strong")
    touched = np.zeros(n, bool)
    touched[tail] = touched[head] = True
    size = np.bincount(part[touched], minlength=part.max() + 1)
    rank = np.empty(len(size), np.int64)
    rank[np.argsort(-size, kind="stable")] = np.arange(len(size))
    return np.where(touched, rank[part], -1)


def _roads(roads: RoadNetwork) -> Iterator[CityFinding]:
    """Yield findings about the roads."""
    part = strong_parts(roads)
    yield from _finding("error", "nodes outside the largest strongly connected part", "nodes", part > 0)
    walked = np.zeros(roads.n_nodes, bool)
    walked[roads.tail[roads.walk]] = walked[roads.head[roads.walk]] = True
    yield from _finding("warning", "nodes that no link touches", "nodes", (part < 0) & ~walked)
    yield from _finding("warning", "links that return to their start", "links", roads.tail == roads.head)
    straight_m = np.hypot(
        roads.node_x_m[roads.tail] - roads.node_x_m[roads.head],
        roads.node_y_m[roads.tail] - roads.node_y_m[roads.head],
    )
    short = roads.length_m < straight_m * LENGTH_SHORTFALL - 1
    yield from _finding("error", "links shorter than the straight line between their ends", "links", short)
    odd = (roads.length_m < LENGTH_M[0]) | (roads.length_m > LENGTH_M[1])
    yield from _finding("warning", f"links under {LENGTH_M[0]:g} m or over {LENGTH_M[1]:g} m", "links", odd)
    speed = roads.free_speed_kmh
    odd = roads.drive & ((speed < SPEED_KMH[0]) | (speed > SPEED_KMH[1]))
    what = f"free speeds under {SPEED_KMH[0]:g} or over {SPEED_KMH[1]:g} km/h"
    yield from _finding("warning", what, "links", odd)
    lane = roads.capacity_pcuh / np.maximum(roads.lanes, 1e-9)
    odd = roads.drive & ((lane < CAPACITY_PCUHLANE[0]) | (lane > CAPACITY_PCUHLANE[1]))
    what = f"capacities under {CAPACITY_PCUHLANE[0]:g} or over {CAPACITY_PCUHLANE[1]:g} pcu/h and lane"
    yield from _finding("warning", what, "links", odd)
    both = np.stack([roads.tail, roads.head, np.round(roads.length_m).astype(np.int64), roads.link_class])
    _, first = np.unique(both, axis=1, return_index=True)
    twice = np.ones(roads.n_links, bool)
    twice[first] = False
    yield from _finding("warning", "links that repeat another (ends, class, length)", "links", twice)
    yield from _finding(
        "note", "links that are neither driven nor walked", "links", ~roads.drive & ~roads.walk
    )


def _zones(city: City) -> Iterator[CityFinding]:
    """Yield findings about the zones."""
    zones, roads = city.zones, city.roads
    driven = strong_parts(roads)[zones.node] == 0
    yield from _finding("error", "zones whose node is not in the largest part open to cars", "zones", ~driven)
    empty = (zones.residents == 0) & (zones.jobs == 0)
    yield from _finding("note", "zones without residents and jobs", "zones", empty)
    away_m = np.hypot(zones.x_m - roads.node_x_m[zones.node], zones.y_m - roads.node_y_m[zones.node])
    radius_m = np.sqrt(zones.area_m2 / np.pi)
    far = away_m > np.maximum(2 * radius_m, 1_000)
    yield from _finding("warning", "zones whose node lies well outside them", "zones", far)
    sizes = np.bincount(zones.district, minlength=len(city.districts.name_en))
    yield from _finding("error", "districts without zones", "districts", sizes == 0)
    place = np.stack([zones.x_m, zones.y_m])
    _, first = np.unique(place, axis=1, return_index=True)
    twice = np.ones(len(zones), bool)
    twice[first] = False
    yield from _finding("warning", "zones at the same place as another", "zones", twice)


def _transit(city: City) -> Iterator[CityFinding]:
    """Yield findings about transit."""
    transit, roads = city.transit, city.roads
    calls = np.diff(transit.pattern_indptr)
    yield from _finding("error", "patterns with one stop", "patterns", calls < 2)
    served = np.isin(np.arange(transit.n_lines), transit.pattern_line)
    yield from _finding("warning", "lines without patterns", "lines", ~served)
    rests = np.isinf(transit.line_headway_min)
    never: Bool = np.asarray(rests.all(axis=1))
    yield from _finding("error", "lines that run in no period", "lines", never)
    some: Bool = np.asarray(rests.any(axis=1)) & ~never
    yield from _finding("note", "lines that rest in some period", "lines", some)
    yield from _finding(
        "error", "patterns that close before they open", "patterns", transit.close_year <= transit.open_year
    )
    yield from _finding(
        "note", "stops where nothing calls", "stops", ~np.isin(np.arange(transit.n_stops), transit.stop)
    )
    long = transit.transfer_walk_m > TRANSFER_M
    yield from _finding("warning", f"transfers over {TRANSFER_M:g} m", "transfers", long)
    pairs = np.stack([transit.transfer_from, transit.transfer_to])
    there = set(map(tuple, pairs.T.tolist()))
    lone = np.array([(b, a) not in there for a, b in pairs.T.tolist()], bool)
    yield from _finding("warning", "transfers in one direction only", "transfers", lone)
    yield from _finding("warning", "transfers from a stop to itself", "transfers", pairs[0] == pairs[1])
    yield from _segments(transit)
    yield from _bus_paths(transit, roads)
    street = roads.walk | (roads.link_class >= LinkClass.PRIMARY)
    near = np.unique(np.concatenate([roads.tail[street], roads.head[street]]))
    metro = transit.stop_mode == TransitMode.METRO
    if metro.any() and len(near):
        points = np.column_stack([roads.node_x_m[near], roads.node_y_m[near]])
        away_m, _ = cKDTree(points).query(np.column_stack([transit.stop_x_m, transit.stop_y_m]))
        what = f"metro stations over {STATION_TO_STREET_M:g} m from the nearest node of a street"
        yield from _finding("warning", what, "stops", metro & (away_m > STATION_TO_STREET_M))


def _segments(transit: TransitNetwork) -> Iterator[CityFinding]:
    """Yield findings about lengths and times of segments."""
    inner = np.ones(len(transit.stop), bool)
    inner[transit.pattern_indptr[1:] - 1] = False
    yield from _finding("error", "segments without length", "calls", inner & (transit.segment_length_m <= 0))
    mode = np.repeat(transit.line_mode[transit.pattern_line], np.diff(transit.pattern_indptr))
    metro = inner & (mode == TransitMode.METRO)
    yield from _finding(
        "error", "metro segments without time", "calls", metro & (transit.segment_time_s <= 0)
    )
    speed = transit.segment_length_m / np.maximum(transit.segment_time_s, 1e-9) * 3.6
    odd = metro & (transit.segment_time_s > 0)
    odd &= (speed < SEGMENT_SPEED_KMH[0]) | (speed > SEGMENT_SPEED_KMH[1])
    yield from _finding("warning", "metro segments at an absurd speed", "calls", odd)


def _bus_paths(transit: TransitNetwork, roads: RoadNetwork) -> Iterator[CityFinding]:
    """Yield findings about the links under bus segments."""
    count = np.diff(transit.road_indptr)
    inner = np.ones(len(transit.stop), bool)
    inner[transit.pattern_indptr[1:] - 1] = False
    mode = np.repeat(transit.line_mode[transit.pattern_line], np.diff(transit.pattern_indptr))
    bare = inner & (mode == TransitMode.BUS) & (count == 0)
    yield from _finding("error", "bus segments without road links", "calls", bare)
    closed = ~roads.drive[transit.road_link]
    yield from _finding("error", "bus segments over links closed to cars", "call_links", closed)
    joined = np.ones(len(transit.road_link), bool)
    joined[1:] = roads.head[transit.road_link[:-1]] == roads.tail[transit.road_link[1:]]
    joined[transit.road_indptr[:-1][count > 0]] = True
    yield from _finding("error", "bus segments whose links do not join", "call_links", ~joined)


def city_info(city: City) -> dict[str, object]:
    """Sum a city up.

    Parameters
    ----------
    city
        The city.

    Returns
    -------
    dict
        Name, CRS, sizes of the tables, residents, jobs, lengths [km] of roads and lines, and its own notes.
    """
    roads, transit, zones = city.roads, city.transit, city.zones
    mode = np.repeat(transit.line_mode[transit.pattern_line], np.diff(transit.pattern_indptr))
    by_class = np.bincount(roads.link_class, weights=roads.length_m / 1000, minlength=len(LinkClass))
    return {
        "name": city.name,
        "crs": city.crs,
        "districts": len(city.districts.name_en),
        "zones": len(zones),
        "residents": float(zones.residents.sum()),
        "jobs": float(zones.jobs.sum()),
        "school_places": float(zones.school_places.sum()),
        "residents_central": float(zones.residents[city.districts.central[zones.district]].sum()),
        "area_km2": float(zones.area_m2.sum() / 1e6),
        "nodes": roads.n_nodes,
        "links": roads.n_links,
        "road_km": {kind.name.lower(): round(float(by_class[kind]), 3) for kind in LinkClass},
        "lane_km": float((roads.length_m * roads.lanes).sum() / 1000),
        "stops": transit.n_stops,
        "metro_lines": int((transit.line_mode == TransitMode.METRO).sum()),
        "bus_lines": int((transit.line_mode == TransitMode.BUS).sum()),
        "patterns": transit.n_patterns,
        "metro_pattern_km": float(transit.segment_length_m[mode == TransitMode.METRO].sum() / 1000),
        "bus_pattern_km": float(transit.segment_length_m[mode == TransitMode.BUS].sum() / 1000),
        "transfers": len(transit.transfer_from),
        "meta": dict(city.meta),
    }
