"""Join two road networks at the border of an area: one inside, the other outside.

Links of the outer network that cross the border are led to a node of the inner one: near where they cross, on
a road of similar class, and on a carriageway that goes the same way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import shapely
from scipy.spatial import cKDTree
from shapely.geometry.base import BaseGeometry

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.core.vocabulary import LinkClass
from transport_abm.networks.cities.city_check import strong_parts
from transport_abm.networks.city import F64, I32, I64, RoadNetwork
from transport_abm.networks.roads.turns import kept_turns, passable_turns

_NODE_COLUMNS = ("node_lon", "node_lat", "node_x_m", "node_y_m")
_LINK_COLUMNS = (
    "tail", "head", "length_m", "link_class", "lanes", "capacity_pcuh", "free_speed_kmh", "ring", "drive",
    "walk", "open_year",
)  # fmt: skip
_SIMILAR = 1
_CANDIDATES = 40


@dataclass(frozen=True)
class Joint:
    """What was joined."""

    roads: RoadNetwork
    joined: int
    """Links led over the border."""
    left_out: int
    """Links that cross the border with no road of similar class within reach."""


def select_links(roads: RoadNetwork, keep: I64) -> RoadNetwork:
    """Return a network of some links, with the nodes they touch.

    Parameters
    ----------
    roads
        The network.
    keep
        Rows of the links to keep, in the order wanted.

    Returns
    -------
    RoadNetwork
        Links and nodes, renumbered.
    """
    used = np.unique(np.concatenate([roads.tail[keep], roads.head[keep]]))
    count = np.diff(roads.shape_indptr)[keep]
    indptr = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
    flat = np.repeat(roads.shape_indptr[:-1][keep] - indptr[:-1], count) + np.arange(indptr[-1])
    values: dict[str, object] = {name: getattr(roads, name)[used] for name in _NODE_COLUMNS}
    values |= {name: getattr(roads, name)[keep] for name in _LINK_COLUMNS}
    values["tail"] = np.searchsorted(used, roads.tail[keep]).astype(np.int32)
    values["head"] = np.searchsorted(used, roads.head[keep]).astype(np.int32)
    values["shape_indptr"] = indptr
    values["shape_lon"], values["shape_lat"] = roads.shape_lon[flat], roads.shape_lat[flat]
    values["name"] = tuple(roads.name[k] for k in keep.tolist()) if roads.name else ()
    row = np.full(roads.n_links, -1)
    row[keep] = np.arange(len(keep))
    values["turn_from"], values["turn_to"] = kept_turns(roads, row)
    return RoadNetwork(**values)  # type: ignore[arg-type]


def keep_strong_part(roads: RoadNetwork) -> RoadNetwork:
    """Keep the largest part in which every node reaches every other by car.

    Parameters
    ----------
    roads
        The network.

    Returns
    -------
    RoadNetwork
        The part, links ordered by tail, head and length.
    """
    part = strong_parts(roads)
    keep = np.flatnonzero((part[roads.tail] == 0) & (part[roads.head] == 0))
    order = np.lexsort((roads.length_m[keep], roads.head[keep], roads.tail[keep]))
    return select_links(roads, keep[order])


def join_roads(inner: RoadNetwork, outer: RoadNetwork, area: BaseGeometry, reach_m: float) -> Joint:
    """Put an outer network around an inner one.

    Parameters
    ----------
    inner
        Network that holds inside the area.
    outer
        Network that holds outside of it, in the same CRS.
    area
        The area (metres in that CRS).
    reach_m
        Farthest node of the inner network that a crossing link is led to, from where it crosses [m].

    Returns
    -------
    Joint
        The joined network, strongly connected.

    Raises
    ------
    NetworkError
        If no link can be joined although links cross the border.
    """
    shapely.prepare(area)
    inside = shapely.contains_xy(area, outer.node_x_m, outer.node_y_m)
    tail_in, head_in = inside[outer.tail], inside[outer.head]
    crossing = np.flatnonzero((tail_in != head_in) & outer.drive)
    target, extra_m = _targets(inner, outer, area, crossing, head_in, reach_m)
    joined, extra_m = crossing[target >= 0], extra_m[target >= 0]
    if len(crossing) and not len(joined):
        raise NetworkError(Fault("roads", "border", f"a road within {reach_m:g} m of a crossing", "none"))
    keep = np.concatenate([np.flatnonzero(~tail_in & ~head_in), joined])
    rows = np.concatenate([np.full(len(keep) - len(joined), -1), target[target >= 0]])
    merged = _append(
        inner, outer, keep, rows, head_in, np.concatenate([np.zeros(len(rows) - len(joined)), extra_m])
    )
    return Joint(passable_turns(keep_strong_part(merged)), len(joined), len(crossing) - len(joined))


def _group(link_class: F64) -> F64:
    """Return 0 for roads without level crossings, 1 for the others."""
    return np.asarray(link_class > LinkClass.EXPRESSWAY).astype(np.float64)


def _targets(
    inner: RoadNetwork,
    outer: RoadNetwork,
    area: BaseGeometry,
    crossing: I64,
    head_in: np.ndarray,
    reach_m: float,
) -> tuple[I64, F64]:
    """Choose the inner node for each crossing link, and the length to add to the part outside [m]."""
    target = np.full(len(crossing), -1, np.int64)
    length_m = np.zeros(len(crossing))
    border = area.boundary
    for into in (True, False):
        ends = inner.tail if into else inner.head
        step = np.stack([inner.node_x_m[inner.head] - inner.node_x_m[inner.tail],
                         inner.node_y_m[inner.head] - inner.node_y_m[inner.tail]])  # fmt: skip
        at = np.column_stack([inner.node_x_m[ends], inner.node_y_m[ends]])
        tree = cKDTree(at)
        for k in np.flatnonzero(head_in[crossing] == into).tolist():
            link = int(crossing[k])
            a, b = int(outer.tail[link]), int(outer.head[link])
            line = shapely.LineString([(outer.node_x_m[n], outer.node_y_m[n]) for n in (a, b)])
            where = shapely.get_coordinates(line.intersection(border))
            if not len(where):
                continue
            away = np.array([outer.node_x_m[b] - outer.node_x_m[a], outer.node_y_m[b] - outer.node_y_m[a]])
            distance, near = tree.query(where[0], k=_CANDIDATES, distance_upper_bound=reach_m)
            near, distance = near[np.isfinite(distance)], distance[np.isfinite(distance)]
            same = _group(inner.link_class[near]) == _group(outer.link_class[link])
            close = np.abs(inner.link_class[near].astype(int) - int(outer.link_class[link])) <= _SIMILAR
            along = away @ step[:, near] > 0
            score = distance + reach_m * (~close) + 2 * reach_m * (~along) + 4 * reach_m * (~same)
            if len(near) and same[np.argmin(score)]:
                best = int(np.argmin(score))
                target[k] = ends[near[best]]
                outside = a if into else b
                gone = np.hypot(*(where[0] - (outer.node_x_m[outside], outer.node_y_m[outside])))
                length_m[k] = gone + distance[best]
    return target, length_m


def _append(
    inner: RoadNetwork, outer: RoadNetwork, keep: I64, target: I64, head_in: np.ndarray, length_m: F64
) -> RoadNetwork:
    """Put chosen outer links behind the inner network; ``target`` (or -1) replaces their inner end."""
    n = inner.n_nodes
    values: dict[str, object] = {}
    for name in _NODE_COLUMNS:
        values[name] = np.concatenate([getattr(inner, name), getattr(outer, name)])
    for name in _LINK_COLUMNS:
        values[name] = np.concatenate([getattr(inner, name), getattr(outer, name)[keep]])
    led = target >= 0
    into = led & head_in[keep]
    tail: I32 = np.where(led & ~into, target, outer.tail[keep] + n).astype(np.int32)
    head: I32 = np.where(into, target, outer.head[keep] + n).astype(np.int32)
    values["tail"] = np.concatenate([inner.tail, tail])
    values["head"] = np.concatenate([inner.head, head])
    straight = np.hypot(
        np.asarray(values["node_x_m"])[tail] - np.asarray(values["node_x_m"])[head],
        np.asarray(values["node_y_m"])[tail] - np.asarray(values["node_y_m"])[head],
    )
    length = np.where(led, np.maximum(length_m, np.maximum(straight, 1.0)), outer.length_m[keep])
    values["length_m"] = np.concatenate([inner.length_m, length])
    kept = _shape_rows(outer, keep, led)
    lon, lat = np.asarray(values["node_lon"]), np.asarray(values["node_lat"])
    ends_lon, ends_lat = np.stack([lon[tail], lon[head]], 1), np.stack([lat[tail], lat[head]], 1)
    shapes_lon = [ends_lon[k] if led[k] else outer.shape_lon[kept[k]] for k in range(len(keep))]
    shapes_lat = [ends_lat[k] if led[k] else outer.shape_lat[kept[k]] for k in range(len(keep))]
    count = np.concatenate([np.diff(inner.shape_indptr), [len(shape) for shape in shapes_lon]])
    values["shape_indptr"] = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
    values["shape_lon"] = np.concatenate([inner.shape_lon, *shapes_lon])
    values["shape_lat"] = np.concatenate([inner.shape_lat, *shapes_lat])
    names = inner.name or ("",) * inner.n_links
    others = outer.name or ("",) * outer.n_links
    values["name"] = names + tuple(others[k] for k in keep.tolist())
    row = np.full(outer.n_links, -1)
    row[keep] = inner.n_links + np.arange(len(keep))
    leave, enter = kept_turns(outer, row)
    # Where an end was led elsewhere its turns are gone.
    meet = np.asarray(values["head"])[leave] == np.asarray(values["tail"])[enter]
    values["turn_from"] = np.concatenate([inner.turn_from, leave[meet]])
    values["turn_to"] = np.concatenate([inner.turn_to, enter[meet]])
    return replace(inner, **values)  # type: ignore[arg-type]


def _shape_rows(roads: RoadNetwork, keep: I64, skip: np.ndarray) -> list[slice]:
    """Return where the shape points of links lie; nothing for those to skip."""
    return [
        slice(0, 0) if skip[k] else slice(roads.shape_indptr[row], roads.shape_indptr[row + 1])
        for k, row in enumerate(keep.tolist())
    ]
