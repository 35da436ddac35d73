"""From lines to a graph: streets meet where they cross, expressways only at interchanges.

Surface streets are cut at every crossing; near crossings become one node, short dead ends and doubles
are left out, and nodes that only bend a road become shape points. Expressways and motorways keep a layer
of their own.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from transport_abm.core.vocabulary import LinkClass
from transport_abm.networks.reference._tables import settings
from transport_abm.networks.reference.road_lines import RoadLine

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

_SAME_PLACE_M = 0.01
_DOUBLE_LENGTH = 1.3


@dataclass
class RoadPiece:
    """A two-way stretch between two nodes."""

    tail: int
    head: int
    shape: F64
    """Points from tail to head [m], shape (points, 2)."""
    line: RoadLine
    ramp: bool = False
    length_m: float = field(init=False)
    """Length along the shape."""

    def __post_init__(self) -> None:
        self.length_m = float(shapely.LineString(self.shape).length)

    @property
    def kind(self) -> tuple[int, float, str, int]:
        """What two pieces must share to become one."""
        return int(self.line.link_class), self.line.lanes, self.line.name, self.line.open_year


@dataclass
class RoadGraph:
    """Nodes in metres and two-way pieces between them."""

    node: F64
    piece: list[RoadPiece] = field(default_factory=list)


def merged(place: F64, radius_m: float) -> I64:
    """Number of the cluster of each point; points nearer than the radius are in one cluster."""
    pairs = cKDTree(place).query_pairs(radius_m, output_type="ndarray")
    ones = np.ones(len(pairs), np.int8)
    graph = coo_matrix((ones, (pairs[:, 0], pairs[:, 1])), shape=(len(place), len(place)))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _means(place: F64, cluster: I64) -> F64:
    """Middle of each cluster."""
    count = np.bincount(cluster)
    return np.column_stack([np.bincount(cluster, place[:, axis]) / count for axis in (0, 1)])


def cut(line: shapely.LineString, place: list[float]) -> list[shapely.LineString]:
    """Pieces of a line between distances along it; the points of a closed line start at its first vertex."""
    xy = shapely.get_coordinates(line)
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(xy, axis=0).T))])
    marks = sorted({0.0, float(along[-1]), *place})
    pieces = []
    for start, end in pairwise(marks):
        inner = xy[(along > start + _SAME_PLACE_M) & (along < end - _SAME_PLACE_M)]
        ends = [shapely.get_coordinates(line.interpolate(mark)) for mark in (start, end)]
        if end - start > _SAME_PLACE_M:
            pieces.append(shapely.LineString(np.vstack([ends[0], inner, ends[1]])))
    return pieces


def surface_graph(lines: list[RoadLine]) -> RoadGraph:
    """Graph of the surface streets: a node at every crossing."""
    number = settings()
    shapes = np.array([line.shape for line in lines])
    noded = shapely.get_parts(shapely.unary_union(shapely.multilinestrings(shapes)))
    owner = _owners(noded, shapes, lines)
    ends = shapely.get_coordinates(
        np.concatenate([shapely.get_point(noded, 0), shapely.get_point(noded, -1)])
    )
    cluster = merged(ends, number["merge_m"])
    graph = RoadGraph(_means(ends, cluster))
    for row, shape in enumerate(noded):
        tail, head = int(cluster[row]), int(cluster[row + len(noded)])
        if tail == head:
            continue
        xy = shapely.get_coordinates(shape)
        xy[0], xy[-1] = graph.node[tail], graph.node[head]
        graph.piece.append(RoadPiece(tail, head, xy, lines[owner[row]]))
    _drop_doubles(graph)
    return graph


def _owners(noded: NDArray[np.object_], shapes: NDArray[np.object_], lines: list[RoadLine]) -> I64:
    """Line on which each piece lies: the one of the highest class, main roads first."""
    middle = shapely.line_interpolate_point(noded, 0.5, normalized=True)
    piece, line = shapely.STRtree(shapes).query(middle, predicate="dwithin", distance=_SAME_PLACE_M)
    rank = np.array([2 * int(road.link_class) + (not road.main) for road in lines])
    order = np.lexsort((line, rank[line], piece))
    first = np.unique(piece[order], return_index=True)[1]
    return np.asarray(line[order][first], np.int64)


def _drop_doubles(graph: RoadGraph) -> None:
    """Of pieces between the same two nodes keep the best class, unless their lengths differ much."""
    best: dict[tuple[int, int], list[RoadPiece]] = defaultdict(list)
    for piece in sorted(graph.piece, key=lambda p: (p.kind[0], p.length_m, p.tail, p.head)):
        ends = (min(piece.tail, piece.head), max(piece.tail, piece.head))
        if all(piece.length_m > _DOUBLE_LENGTH * other.length_m for other in best[ends]):
            best[ends].append(piece)
    graph.piece = [piece for pieces in best.values() for piece in pieces]


def _by_node(graph: RoadGraph) -> dict[int, list[int]]:
    """Pieces at each node."""
    at: dict[int, list[int]] = defaultdict(list)
    for row, piece in enumerate(graph.piece):
        at[piece.tail].append(row)
        at[piece.head].append(row)
    return at


def drop_stubs(graph: RoadGraph, length_m: float) -> None:
    """Leave out short dead ends of lesser streets until none is left."""
    while True:
        at = _by_node(graph)
        dead = {
            row
            for row, piece in enumerate(graph.piece)
            if piece.length_m < length_m
            and not piece.ramp
            and piece.line.link_class >= LinkClass.SECONDARY
            and min(len(at[piece.tail]), len(at[piece.head])) == 1
        }
        if not dead:
            return
        graph.piece = [piece for row, piece in enumerate(graph.piece) if row not in dead]


def join_bends(graph: RoadGraph, keep: set[int]) -> None:
    """Make shape points of nodes where exactly two pieces of one kind meet."""
    at = _by_node(graph)
    gone: set[int] = set()
    for node in sorted(at):
        rows = at[node]
        if node in keep or len(rows) != 2 or rows[0] == rows[1]:
            continue
        first, second = (graph.piece[row] for row in rows)
        far = [p.head if p.tail == node else p.tail for p in (first, second)]
        if first.kind != second.kind or far[0] == far[1] or node in far:
            continue
        inward = first.shape if first.head == node else first.shape[::-1]
        outward = second.shape if second.tail == node else second.shape[::-1]
        graph.piece[rows[0]] = RoadPiece(
            far[0], far[1], np.vstack([inward, outward[1:]]), first.line, first.ramp
        )
        gone.add(rows[1])
        at[far[1]] = [rows[0] if row == rows[1] else row for row in at[far[1]]]
    graph.piece = [piece for row, piece in enumerate(graph.piece) if row not in gone]


def split_long(graph: RoadGraph, length_m: float) -> None:
    """Put nodes into long streets, and one into each of several pieces between the same two nodes."""
    seen: set[tuple[int, int]] = set()
    node, pieces = list(graph.node), []
    for piece in graph.piece:
        ends = (min(piece.tail, piece.head), max(piece.tail, piece.head))
        count = 1 if piece.line.limited or piece.ramp else int(np.ceil(piece.length_m / length_m))
        count = max(count, 2 if ends in seen else 1)
        seen.add(ends)
        line = shapely.LineString(piece.shape)
        tail = piece.tail
        for part in cut(line, [line.length * k / count for k in range(1, count)]):
            xy = shapely.get_coordinates(part)
            last = part.coords[-1] == line.coords[-1]
            head = piece.head if last else len(node)
            if not last:
                node.append(xy[-1])
            pieces.append(RoadPiece(tail, head, xy, piece.line, piece.ramp))
            tail = head
    graph.node, graph.piece = np.array(node), pieces


def largest_part(graph: RoadGraph) -> RoadGraph:
    """The largest connected part; its nodes keep their order."""
    tail = np.array([piece.tail for piece in graph.piece])
    head = np.array([piece.head for piece in graph.piece])
    links = coo_matrix((np.ones(len(tail)), (tail, head)), shape=(len(graph.node), len(graph.node)))
    part = connected_components(links, directed=False)[1]
    used = np.flatnonzero(part == np.bincount(part).argmax())
    new = np.full(len(graph.node), -1, np.int64)
    new[used] = np.arange(len(used))
    pieces = [
        RoadPiece(int(new[piece.tail]), int(new[piece.head]), piece.shape, piece.line, piece.ramp)
        for piece in graph.piece
        if new[piece.tail] >= 0
    ]
    return RoadGraph(graph.node[used], pieces)
