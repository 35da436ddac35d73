"""Cheapest ways on roads whose costs change: a hierarchy made once, weighed in milliseconds, exact.

The order in which nodes are taken out decides how many chords there are, never what is found. It is the
minimum-degree order of SciPy's SuperLU (Liu 1985, ACM Transactions on Mathematical Software 11, 141-153), which on
the streets of Beijing needs no more chords than nested dissection. Chords, weights and sweeps: see
``kernels_hierarchy``. Nodes without through traffic stay outside: ways only begin or end there.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import TypeVar

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, diags
from scipy.sparse.linalg import splu

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.networks.city import F32, F64, I32, I64
from transport_abm.networks.roads.kernels_assignment import Paths
from transport_abm.networks.roads.kernels_hierarchy import (
    Chords,
    Weights,
    ancestors,
    eliminate,
    postorder,
    spread_flow,
    sum_chords,
    weigh_chords,
)
from transport_abm.networks.roads.kernels_paths import Graph
from transport_abm.networks.roads.kernels_sweep import Block, cost_block
from transport_abm.networks.roads.kernels_ways import find_way, load_block, path_block, skim_block

P = TypeVar("P")
T = TypeVar("T")

LANES = 64
"""Most origins that are swept together: their costs to a node fill eight lines of the cache."""
LANE_STEP = 32
"""Lanes come in this number: the vector loop takes them in such strides."""
KEPT = 8
"""Hierarchies kept for networks met before."""
_kept: OrderedDict[bytes, Hierarchy] = OrderedDict()
_lock = Lock()


@dataclass(frozen=True)
class Hierarchy:
    """Chords of a graph; they hold for any costs of its links."""

    graph: Graph
    chords: Chords

    @property
    def n_chords(self) -> int:
        """Number of chords."""
        return len(self.chords.upper)

    @property
    def n_bytes(self) -> int:
        """Memory of the chords [bytes]."""
        return sum(part.nbytes for part in self.chords)

    def above(self, target: I32) -> I32:
        """Ranks through which ways to some nodes of the graph may come down, descending."""
        found: I32 = ancestors(self.chords, self.graph, target)
        return found

    def ways(self, link_cost: F64) -> Ways:
        """Cheapest ways at some costs.

        Parameters
        ----------
        link_cost
            Cost by slot of the graph, 0 or more; infinite where closed.

        Returns
        -------
        Ways
            To be asked for costs, skims, flows and paths.

        Raises
        ------
        NetworkError
            If the shape does not fit, or a cost is negative or not a number.
        """
        shape = (len(self.graph.tail),)
        if np.shape(link_cost) != shape:
            raise NetworkError([Fault("hierarchy", "link_cost", f"shape {shape}", str(np.shape(link_cost)))])
        link = np.array(link_cost, np.float64)
        bad = np.flatnonzero(~(link >= 0))
        if len(bad):
            raise NetworkError(
                [
                    Fault("hierarchy", f"link_cost of slot {k}", "0 or more", repr(float(link[k])))
                    for k in bad[:5]
                ]
            )
        n = self.n_chords
        weights = Weights(np.empty((2, n)), np.empty((2 * n, 2), np.int32), link)
        weigh_chords(self.chords, self.graph, weights)
        return Ways(self, weights)


@dataclass(frozen=True)
class Ways:
    """Cheapest ways at given costs of links. Origins and targets are nodes of the graph."""

    hierarchy: Hierarchy
    weights: Weights

    def costs(self, origin: I32, target: I32 | None = None) -> F64:
        """Costs from origins to targets.

        Parameters
        ----------
        origin, target
            Nodes; all nodes are targets where none are given.

        Returns
        -------
        F64
            Shape (origins, targets); infinite where there is no way.
        """
        chords, graph = self.hierarchy.chords, self.hierarchy.graph
        start = np.array(origin, np.int32)
        end = np.arange(len(chords.rank), dtype=np.int32) if target is None else np.array(target, np.int32)
        nodes = ancestors(chords, graph, end)
        out = np.empty((len(end), len(start)))

        def work(block: slice) -> None:
            cost_block(chords, graph, self.weights, _block(start, block, nodes), end, out[:, block])

        each_block(work, blocks(len(start)))
        return out.T

    def skim(self, zone_node: I32, attributes: F64) -> F32:
        """Costs and sums of link attributes along the cheapest ways between all zones.

        Parameters
        ----------
        zone_node
            Node of each zone.
        attributes
            By slot, shape (k, links).

        Returns
        -------
        F32
            Shape (k + 1, zones, zones): cost, then each attribute; infinite where there is no way.
        """
        chords, graph = self.hierarchy.chords, self.hierarchy.graph
        zone = np.array(zone_node, np.int32)
        nodes = ancestors(chords, graph, zone)
        attribute = np.ascontiguousarray(attributes.T, np.float64)
        sums = np.empty((2, self.hierarchy.n_chords, attribute.shape[1]))
        sum_chords(chords, self.weights, attribute, sums)
        out = np.empty((attribute.shape[1] + 1, len(zone), len(zone)), np.float32)

        def work(block: slice) -> None:
            part = np.empty((len(out), block.stop - block.start, len(zone)), np.float32)
            ask = _block(zone, block, nodes)
            skim_block(chords, graph, self.weights, ask, zone, (attribute, sums), part)
            out[:, block] = part

        each_block(work, blocks(len(zone)))
        return out

    def load(self, zone_node: I32, demand: F64) -> tuple[F64, float]:
        """All demand on the cheapest ways.

        Parameters
        ----------
        zone_node
            Node of each zone.
        demand
            [pcu/h], shape (zones, zones), origin first.

        Returns
        -------
        flow, cost
            By slot [pcu/h]; sum of demand times cost, infinite if a pair has demand and no way.
        """
        chords, graph = self.hierarchy.chords, self.hierarchy.graph
        zone = np.array(zone_node, np.int32)
        wanted = np.array(demand, np.float64)
        nodes = ancestors(chords, graph, zone)

        def work(block: slice) -> tuple[F64, F64, float]:
            flows = (np.zeros((2, self.hierarchy.n_chords)), np.zeros(len(graph.tail)))
            ask = _block(zone, block, nodes)
            cost = load_block(chords, graph, self.weights, ask, zone, wanted[block], flows)
            return *flows, cost

        # Blocks are added in their order, whoever worked on them: the same bits on any number of threads.
        chord_flow, flow, total = np.zeros((2, self.hierarchy.n_chords)), np.zeros(len(graph.tail)), 0.0
        for by_chord, by_link, cost in each_block(work, blocks(len(zone))):
            chord_flow += by_chord
            flow += by_link
            total += cost
        spread_flow(chords, self.weights, chord_flow, flow)
        return flow, total

    def path(self, origin: int, destination: int) -> tuple[float, I32]:
        """Cheapest way between two nodes.

        Parameters
        ----------
        origin, destination
            Nodes.

        Returns
        -------
        cost, slots
            Infinite and empty where there is no way.
        """
        chords, graph = self.hierarchy.chords, self.hierarchy.graph
        cost, slots = find_way(chords, graph, self.weights, np.int32(origin), np.int32(destination))
        return float(cost), slots

    def new_paths(
        self, origin: I32, above: I32, pairs: tuple[int, I32, I32, F64], paths: Paths, tolerance: float
    ) -> tuple[F64, I64, I32]:
        """Costs of the pairs of some origins, and paths for those with demand that lack one or know only dearer ones.

        Parameters
        ----------
        origin
            Nodes of the origins, at most ``LANES``.
        above
            ``Hierarchy.above`` of all destinations of these pairs, or of more.
        pairs
            First of the pairs in ``paths``; of each pair the origin's place in ``origin``, the destination's node, and
            its demand.
        paths
            Paths that are known.
        tolerance
            Share of the cost by which a new path must be cheaper [1].

        Returns
        -------
        cheapest, length, slot
            Cost of each pair's cheapest way, infinite without demand; links of its new path, 0 where it needs none;
            those links.
        """
        chords, graph = self.hierarchy.chords, self.hierarchy.graph
        ask = _block(origin, slice(None), above)
        found: tuple[F64, I64, I32] = path_block(chords, graph, self.weights, ask, pairs, paths, tolerance)
        return found


def _block(origin: I32, block: slice, nodes: I32) -> Block:
    """Some of the origins as a block of whole strides."""
    part = np.ascontiguousarray(origin[block])
    return Block(part, nodes, -(-len(part) // LANE_STEP) * LANE_STEP)


def blocks(n: int) -> list[slice]:
    """Origins in blocks of as many as are swept together."""
    return [slice(first, min(first + LANES, n)) for first in range(0, max(n, 1), LANES)]


def each_block(work: Callable[[P], T], parts: list[P]) -> list[T]:
    """Work on parts of the origins, on as many threads as Numba may use; results in the order of the parts."""
    threads = min(numba.get_num_threads(), len(parts))
    if threads < 2:
        return [work(part) for part in parts]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, parts))


def hierarchy_of(graph: Graph) -> Hierarchy:
    """Hierarchy of a graph; one that was met before is not built again.

    Parameters
    ----------
    graph
        Links by tail.

    Returns
    -------
    Hierarchy
        Shared: not to be changed.
    """
    text = hashlib.blake2b(f"{len(graph.indptr)} {graph.first_through}".encode(), digest_size=16)
    text.update(graph.tail.tobytes())
    text.update(graph.head.tobytes())
    name = text.digest()
    with _lock:
        if name not in _kept:
            _kept[name] = build_hierarchy(graph)
            if len(_kept) > KEPT:
                _kept.popitem(last=False)
        _kept.move_to_end(name)
        return _kept[name]


def build_hierarchy(graph: Graph) -> Hierarchy:
    """Chords of a graph.

    Parameters
    ----------
    graph
        Links by tail.

    Returns
    -------
    Hierarchy
        Good for any costs of these links.
    """
    outside = graph.first_through
    n = len(graph.indptr) - 1 - outside
    inner = (graph.tail >= outside) & (graph.head >= outside)
    tail, head = graph.tail[inner] - np.int64(outside), graph.head[inner] - np.int64(outside)
    order = _minimum_degree(*_neighbours(tail, head, n))
    order = order[postorder(*eliminate(*_ranked(order, tail, head)))]
    rank = _inverse(order)
    ptr, upper = eliminate(*_ranked(order, tail, head))
    lower = np.repeat(np.arange(n, dtype=np.int32), np.diff(ptr))
    parent = np.full(n, -1, np.int32)
    parent[np.diff(ptr) > 0] = upper[ptr[:-1][np.diff(ptr) > 0]]
    low, high = np.sort(np.stack((rank[tail], rank[head])).astype(np.int64), axis=0)
    chord = np.searchsorted(lower * np.int64(n) + upper, low * n + high)
    link_chord = np.full(len(graph.tail), -1, np.int32)
    link_chord[inner] = np.where(low == high, -1, chord)
    into = np.flatnonzero(graph.head < outside)
    chords = Chords(
        ptr=ptr,
        lower=lower,
        upper=upper,
        below_ptr=_pointers(upper, n),
        below=np.argsort(upper, kind="stable").astype(np.int32),
        parent=parent,
        rank=np.concatenate((np.full(outside, -1, np.int32), rank)),
        link_chord=link_chord,
        into_ptr=_pointers(graph.head[into], outside),
        into=into[np.argsort(graph.head[into], kind="stable")].astype(np.int32),
    )
    return Hierarchy(graph, chords)


def _pointers(row: NDArray[np.integer], n: int) -> I64:
    """First place of each of ``n`` rows in their order, and the end."""
    ptr = np.zeros(n + 1, np.int64)
    np.cumsum(np.bincount(row, minlength=n), out=ptr[1:])
    return ptr


def _inverse(order: I64) -> I32:
    """Place of each node in an order."""
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return rank


def _ranked(order: I64, tail: I64, head: I64) -> tuple[I64, I32]:
    """Neighbours of nodes that are numbered by their place in an order."""
    rank = _inverse(order).astype(np.int64)
    return _neighbours(rank[tail], rank[head], len(order))


def _neighbours(tail: I64, head: I64, n: int) -> tuple[I64, I32]:
    """Neighbours of each node whatever the direction, each once, as compressed rows."""
    both = np.unique(np.concatenate((tail * n + head, head * n + tail)))
    one, other = both // max(n, 1), both % max(n, 1)
    apart = one != other
    return _pointers(one[apart], n), other[apart].astype(np.int32)


def _minimum_degree(ptr: I64, other: I32) -> I64:
    """Order in which nodes go: at each time one with few neighbours left."""
    n = len(ptr) - 1
    if n < 2:
        return np.arange(n)
    degree = np.diff(ptr)
    one = np.repeat(np.arange(n), degree)
    # Only the pattern counts; a strong diagonal keeps the factors from exchanging rows.
    matrix = coo_matrix((-np.ones(len(other)), (one, other)), (n, n)) + diags(degree + 1.0)
    factors = splu(
        matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
    )
    return np.argsort(factors.perm_c)
