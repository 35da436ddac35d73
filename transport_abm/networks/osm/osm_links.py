"""From OpenStreetMap ways to road links: strong component, contraction of bends, tables.

The contraction keeps the nodes that OSMnx's ``simplify_graph`` keeps (Boeing 2025, "Topological graph
simplification solutions to the street intersection miscount problem", Transactions in GIS 29(3)): a node is
an end of links unless it has exactly two neighbours and two or four directed pieces. A link's class is the
one of most of its length; lanes and capacity are means by length, the free speed keeps the running time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.core.vocabulary import LinkClass
from transport_abm.networks.cities.geo import great_circle_m, project
from transport_abm.networks.city import F64, I32, I64, RoadNetwork
from transport_abm.networks.osm.osm_tags import Supply
from transport_abm.networks.osm.osm_turns import Turn
from transport_abm.networks.roads.turns import passable_turns

OUTSIDE_RINGS = 7
"""Ring of a place beyond the last ring road, and of every place until rings are drawn."""


@dataclass(frozen=True)
class Link:
    """A contracted link: its pieces of road and the nodes it passes, ends included."""

    path: tuple[int, ...]
    """Node ids."""
    pieces: tuple[tuple[Supply, float], ...]
    """Supply and length [m] of each stretch."""


@dataclass(frozen=True)
class Pieces:
    """Directed stretches between neighbouring OpenStreetMap nodes, in the order of the ways."""

    node_id: I64
    """Ascending."""
    lon: F64
    lat: F64
    tail: I64
    """Row in ``node_id``."""
    head: I64
    supply: I32
    """Row in ``supplies``."""
    supplies: tuple[Supply, ...]


def strong_part(pieces: Pieces) -> Pieces:
    """Keep the largest part in which every node reaches every other.

    Parameters
    ----------
    pieces
        Stretches of road.

    Returns
    -------
    Pieces
        Stretches between nodes of that part, and those nodes.
    """
    n = len(pieces.node_id)
    graph = coo_matrix((np.ones(len(pieces.tail), np.int8), (pieces.tail, pieces.head)), shape=(n, n))
    _, part = connected_components(graph, directed=True, connection="strong")
    size = np.bincount(part, minlength=1)
    first = np.full(len(size), n)
    np.minimum.at(first, part, np.arange(n))
    largest = min(np.flatnonzero(size == size.max()), key=lambda k: first[k])
    keep = part == largest
    row = np.cumsum(keep) - 1
    inside = keep[pieces.tail] & keep[pieces.head]
    return Pieces(
        pieces.node_id[keep],
        pieces.lon[keep],
        pieces.lat[keep],
        row[pieces.tail[inside]],
        row[pieces.head[inside]],
        pieces.supply[inside],
        pieces.supplies,
    )


def _ends(n: int, tail: I64, head: I64) -> list[bool]:
    """Tell which nodes are ends of links by OSMnx's rules 1 to 3."""
    pairs = np.unique(np.stack([np.concatenate([tail, head]), np.concatenate([head, tail])], axis=1), axis=0)
    neighbours = np.bincount(pairs[:, 0], minlength=n)
    out, into = np.bincount(tail, minlength=n), np.bincount(head, minlength=n)
    degree = out + into
    end = (neighbours != 2) | ~np.isin(degree, (2, 4)) | (out == 0) | (into == 0)
    end[tail[tail == head]] = True
    return [bool(flag) for flag in end]


def contract(pieces: Pieces) -> list[Link]:
    """Join stretches at bends into links between junctions and dead ends.

    Parameters
    ----------
    pieces
        Stretches of road.

    Returns
    -------
    list[Link]
        Links, in no particular order.
    """
    n = len(pieces.node_id)
    end = _ends(n, pieces.tail, pieces.head)
    length = great_circle_m(
        pieces.lon[pieces.tail], pieces.lat[pieces.tail], pieces.lon[pieces.head], pieces.lat[pieces.head]
    ).tolist()
    tail, head, supply = pieces.tail.tolist(), pieces.head.tolist(), pieces.supply.tolist()
    ids = pieces.node_id.tolist()
    first: list[dict[int, int]] = [{} for _ in range(n)]
    for k, (a, b) in enumerate(zip(tail, head, strict=True)):
        first[a].setdefault(b, k)

    def link(path: list[int], steps: list[int]) -> Link:
        return Link(
            tuple(ids[row] for row in path), tuple((pieces.supplies[supply[k]], length[k]) for k in steps)
        )

    links = [link([a, b], [k]) for k, (a, b) in enumerate(zip(tail, head, strict=True)) if end[a] and end[b]]
    for start in range(n):
        for after in first[start] if end[start] else ():
            if not end[after]:
                path = _walk(start, after, first, end)
                if path is not None:
                    links.append(link(path, [first[a][b] for a, b in pairwise(path)]))
    return links


def _walk(start: int, after: int, first: Sequence[dict[int, int]], end: Sequence[bool]) -> list[int] | None:
    """Follow a chain of bends from one end to the next; None if it leads nowhere."""
    path = [start, after]
    passed = {start, after}
    while not end[path[-1]]:
        ahead = [row for row in first[path[-1]] if row not in passed]
        if not ahead:
            return [*path, start] if start in first[path[-1]] and len(path) > 2 else None
        path.append(ahead[0])
        passed.add(ahead[0])
    return path


def build_roads(
    node_id: I64, lon: F64, lat: F64, links: Sequence[Link], crs: str, turns: Sequence[Turn] = ()
) -> RoadNetwork:
    """Number nodes and links and lay them out as tables.

    Nodes are numbered by OpenStreetMap id; links by tail, head, length and shape. Links that return to their
    own start are left out, as nobody drives them to get anywhere.

    Parameters
    ----------
    node_id
        Ids of all nodes that links pass, ascending.
    lon, lat
        Their places [degrees].
    links
        Contracted links.
    crs
        Projected CRS of the city.
    turns
        Turn restrictions. Those that would lock a link in or out are lifted.

    Returns
    -------
    RoadNetwork
        The roads; rings are not drawn yet (7 everywhere) and every link has always been open.

    Raises
    ------
    NetworkError
        If no link is left.
    """
    links = [link for link in links if link.path[0] != link.path[-1]]
    if not links:
        raise NetworkError(Fault("roads", "links", "a connected network of roads for cars", "none"))
    length = np.array([sum(piece[1] for piece in link.pieces) for link in links])
    places = [np.searchsorted(node_id, link.path) for link in links]
    order = sorted(
        range(len(links)),
        key=lambda k: (links[k].path[0], links[k].path[-1], round(float(length[k]), 3), links[k].path),
    )
    used = np.unique([link.path[end] for link in links for end in (0, -1)])
    row = np.searchsorted(node_id, used)
    x_m, y_m = project(lon[row], lat[row], crs)
    sums = np.array([_sums(links[k].pieces) for k in order])
    length = np.maximum(length[order], 0.1)
    total = np.maximum(sums[:, 0], 1e-9)
    link_class = np.array([_main_class(links[k].pieces) for k in order], np.int8)
    points = np.concatenate([places[k] for k in order])
    turn_from, turn_to = _forbidden([links[k].path for k in order], turns)
    roads = RoadNetwork(
        node_lon=lon[row],
        node_lat=lat[row],
        node_x_m=x_m,
        node_y_m=y_m,
        tail=np.searchsorted(used, [links[k].path[0] for k in order]).astype(np.int32),
        head=np.searchsorted(used, [links[k].path[-1] for k in order]).astype(np.int32),
        length_m=length,
        link_class=link_class,
        lanes=(sums[:, 1] / total).astype(np.float32),
        capacity_pcuh=sums[:, 2] / total,
        free_speed_kmh=total / sums[:, 3],
        ring=np.full(len(order), OUTSIDE_RINGS, np.int8),
        drive=np.ones(len(order), bool),
        walk=link_class >= LinkClass.PRIMARY,
        open_year=np.zeros(len(order), np.int16),
        shape_indptr=np.concatenate([[0], np.cumsum([len(places[k]) for k in order])]).astype(np.int64),
        shape_lon=lon[points],
        shape_lat=lat[points],
        name=tuple(_main_name(links[k].pieces) for k in order),
        turn_from=turn_from,
        turn_to=turn_to,
    )
    return passable_turns(roads)


def _forbidden(paths: Sequence[tuple[int, ...]], turns: Sequence[Turn]) -> tuple[I32, I32]:
    """Pairs of links by the nodes that they pass: those that no turn may join, each once and ascending."""
    into: dict[tuple[int, int], list[int]] = {}
    out: dict[int, list[int]] = {}
    for row, path in enumerate(paths):
        into.setdefault((path[-2], path[-1]), []).append(row)
        out.setdefault(path[0], []).append(row)
    pairs = set()
    for turn in turns:
        meant = [row for row in out.get(turn.node, []) if paths[row][1] == turn.after]
        # A rule for links that are not there says nothing; one that allows only such a link would lock the way.
        if meant:
            others = [row for row in out[turn.node] if row not in meant]
            for leave in into.get((turn.before, turn.node), []):
                pairs |= {(leave, enter) for enter in (others if turn.only else meant)}
    rows = np.array(sorted(pairs), np.int32).reshape(-1, 2)
    return rows[:, 0].copy(), rows[:, 1].copy()


def _sums(pieces: Sequence[tuple[Supply, float]]) -> tuple[float, float, float, float]:
    """Sum length, lanes, capacity and running time over the pieces of a link."""
    metres = [max(length_m, 1e-9) for _, length_m in pieces]
    lanes = sum(supply.lanes * m for (supply, _), m in zip(pieces, metres, strict=True))
    capacity = sum(supply.capacity_pcuh * m for (supply, _), m in zip(pieces, metres, strict=True))
    time = sum(m / supply.speed_kmh for (supply, _), m in zip(pieces, metres, strict=True))
    return sum(metres), lanes, capacity, time


def _main_class(pieces: Sequence[tuple[Supply, float]]) -> int:
    """Return the class with most of the length; the higher class of equals."""
    share: dict[int, float] = {}
    for supply, length_m in pieces:
        share[supply.link_class] = share.get(supply.link_class, 0.0) + length_m
    return min(share, key=lambda kind: (-round(share[kind], 3), kind))


def _main_name(pieces: Sequence[tuple[Supply, float]]) -> str:
    """Return the name with most of the length among the named pieces."""
    share: dict[str, float] = {}
    for supply, length_m in pieces:
        if supply.name:
            share[supply.name] = share.get(supply.name, 0.0) + length_m
    return min(share, key=lambda name: (-round(share[name], 3), name)) if share else ""
