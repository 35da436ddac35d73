"""Shortest ways for buses over the roads, from the node nearest to one stop to that of the next."""

from __future__ import annotations

import math

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from transport_abm.networks.cities.city_check import strong_parts
from transport_abm.networks.cities.geo import project
from transport_abm.networks.city import I32, RoadNetwork

STOP_TO_STREET_M = 1_000.0
"""Farthest a bus stop may lie from a road node [m]."""


class BusPaths:
    """Shortest ways for buses over the roads."""

    def __init__(self, roads: RoadNetwork, crs: str) -> None:
        self.roads = roads
        self.crs = crs
        self.node = np.flatnonzero(strong_parts(roads) == 0)
        self.tree = cKDTree(np.column_stack([roads.node_x_m[self.node], roads.node_y_m[self.node]]))
        drive = np.flatnonzero(roads.drive)
        order = drive[np.lexsort((roads.length_m[drive], roads.head[drive], roads.tail[drive]))]
        key = roads.tail[order].astype(np.int64) * roads.n_nodes + roads.head[order]
        self.link = order[np.unique(key, return_index=True)[1]]
        self.row = {(int(roads.tail[k]), int(roads.head[k])): int(k) for k in self.link}
        ends = (roads.tail[self.link], roads.head[self.link])
        shape = (roads.n_nodes, roads.n_nodes)
        self.graph = coo_matrix((roads.length_m[self.link], ends), shape=shape).tocsr()
        self.before: dict[int, I32] = {}

    def nearest(self, lon: float, lat: float) -> int:
        """Return the nearest node; -1 if none is near."""
        x_m, y_m = project(lon, lat, self.crs)
        away_m, row = self.tree.query([float(x_m), float(y_m)], distance_upper_bound=STOP_TO_STREET_M)
        return int(self.node[row]) if math.isfinite(away_m) else -1

    def path(self, here: int, there: int) -> list[int]:
        """Return the links of the shortest way."""
        if here not in self.before:
            self.before[here] = dijkstra(self.graph, indices=here, return_predecessors=True)[1]
        links = []
        while there != here:
            last = int(self.before[here][there])
            links.append(self.row[last, there])
            there = last
        return links[::-1]
