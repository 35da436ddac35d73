"""Expressways and motorways: where they meet each other, and where ramps lead down to the streets."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from transport_abm.core.vocabulary import LinkClass
from transport_abm.networks.reference._tables import settings
from transport_abm.networks.reference.road_graph import RoadGraph, RoadPiece, cut, merged
from transport_abm.networks.reference.road_lines import RoadLine

F64 = NDArray[np.float64]
Marks = dict[int, list[float]]
"""Distances along each line, by row of the line [m]."""


def _crossing_points(one: shapely.LineString, other: shapely.LineString) -> list[shapely.Point]:
    """Points where two lines cross or touch; a shared stretch counts at its middle."""
    parts = [part for part in shapely.get_parts(one.intersection(other)) if not part.is_empty]
    return [part if part.geom_type == "Point" else part.interpolate(0.5, normalized=True) for part in parts]


def junctions(limited: list[RoadLine]) -> Marks:
    """Distances along each expressway at which it meets another one."""
    near = settings()["junction_m"]
    marks: Marks = defaultdict(list)
    for row, line in enumerate(limited):
        for column, other in enumerate(limited):
            if row == column:
                continue
            points = _crossing_points(line.shape, other.shape)
            ends = [] if other.shape.is_closed else [shapely.Point(other.shape.coords[k]) for k in (0, -1)]
            points += [end for end in ends if line.shape.distance(end) < near]
            marks[row].extend(line.shape.project(point) for point in points)
    return marks


def interchanges(limited: list[RoadLine], streets: list[RoadLine]) -> tuple[Marks, Marks]:
    """Choose where ramps go: distances along each expressway, and along each street cut there."""
    number = settings()
    shapes = np.array([street.shape for street in streets])
    tree = shapely.STRtree(shapes)
    on_limited: Marks = defaultdict(list)
    on_street: Marks = defaultdict(list)
    for row, line in enumerate(limited):
        motorway = line.link_class is LinkClass.MOTORWAY
        spacing = number["interchange_motorway_m" if motorway else "interchange_expressway_m"]
        found = []
        for column in np.sort(tree.query(line.shape, predicate="intersects")):
            street = streets[column]
            for point in _crossing_points(line.shape, street.shape):
                rank = (not street.main, int(street.link_class))
                found.append((rank, line.shape.project(point), int(column), street.shape.project(point)))
        for rank, along, column, street_along in sorted(found):
            free = spacing * (2 if rank[0] else 1)
            if all(abs(along - taken) >= free for taken in on_limited[row]):
                on_limited[row].append(along)
                on_street[column].append(street_along)
    return on_limited, on_street


def limited_graph(limited: list[RoadLine], marks: Marks) -> RoadGraph:
    """Graph of the expressways with nodes at the marks; near marks of several lines are one node."""
    stretches = [(line, part) for row, line in enumerate(limited) for part in cut(line.shape, marks[row])]
    ends = np.array([part.coords[k] for k in (0, -1) for _, part in stretches])
    cluster = merged(ends, settings()["junction_m"])
    count = np.bincount(cluster)
    node = np.column_stack([np.bincount(cluster, ends[:, axis]) / count for axis in (0, 1)])
    graph = RoadGraph(node)
    for row, (line, part) in enumerate(stretches):
        tail, head = int(cluster[row]), int(cluster[row + len(stretches)])
        if tail != head:
            xy = shapely.get_coordinates(part)
            xy[0], xy[-1] = node[tail], node[head]
            graph.piece.append(RoadPiece(tail, head, xy, line))
    return graph


def _bow(start: F64, end: F64, length_m: float) -> F64:
    """A ramp's shape: bowed sideways to the right length, straight if the ends are farther apart."""
    step = end - start
    distance = float(np.hypot(*step))
    if distance >= length_m:
        return np.vstack([start, end])
    side = np.array([-step[1], step[0]]) / distance if distance > 1 else np.array([1.0, 0.0])
    height = np.sqrt(length_m**2 - distance**2) / 2
    return np.vstack([start, (start + end) / 2 + side * height, end])


def join_layers(surface: RoadGraph, limited: RoadGraph, ramp_at: F64) -> RoadGraph:
    """One graph of streets and expressways, with a ramp at each interchange and at each loose end."""
    number = settings()
    offset = len(surface.node)
    degree = np.bincount([end for piece in limited.piece for end in (piece.tail, piece.head)])
    up = {int(row) for row in cKDTree(limited.node).query(ramp_at)[1]}
    up |= {int(row) for row in np.flatnonzero(degree == 1)}
    shift = [
        RoadPiece(piece.tail + offset, piece.head + offset, piece.shape, piece.line)
        for piece in limited.piece
    ]
    fastest: dict[int, RoadLine] = {}
    for piece in limited.piece:
        for end in (piece.tail, piece.head):
            held = fastest.get(end)
            fastest[end] = piece.line if held is None or piece.line.open_year < held.open_year else held
    used = np.array(sorted({end for piece in surface.piece for end in (piece.tail, piece.head)}))
    streets = cKDTree(surface.node[used])
    ramps = []
    for row in sorted(up):
        distance, nearest = streets.query(limited.node[row])
        if distance > number["interchange_motorway_m"]:
            continue  # a motorway that leaves the city
        street = int(used[nearest])
        shape = _bow(limited.node[row], surface.node[street], number["ramp_m"])
        ramps.append(RoadPiece(row + offset, street, shape, fastest[row], ramp=True))
    return RoadGraph(np.vstack([surface.node, limited.node]), [*surface.piece, *shift, *ramps])
