"""Optimal strategies on a frequency-based transit network: labels, loading and expected skims.

A traveller at a stop waits for whichever comes first of a set of attractive lines. With mean wait ``alpha /
f`` for a combined frequency ``f``, the expected cost from a platform is

    u = (w alpha + sum_a f_a v_a) / sum_a f_a        over the attractive lines a,

where ``v_a`` is the cost on board of line ``a``, and the share of line ``a`` is ``p_a = f_a / sum f``.
Calls are settled in ascending order of cost towards one destination, so a call that is settled before its
platform belongs to the attractive set, and none after (Spiess and Florian 1989, Transportation Research
23B, 83-102).

Nodes: call ``c`` (on board, leaving call c) is ``c``; platform of stop ``s`` (about to board) is ``C + s``;
``s`` after alighting is ``C + S + s``. A platform can only be left by boarding and is reached from a zone
or from an alighted stop (a transfer), so every traveller boards at least once and pays one penalty less
than boardings.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

WALK, WAIT, BUS_MIN, METRO_MIN, CROWDED, BOARDINGS, BUS_BOARDINGS, BUS_KM, METRO_KM = range(9)
"""Rows of the skim block; CROWDED (perceived in-vehicle time) follows from the label and the others."""
N_SKIM = 9


class TransitGraph(NamedTuple):
    """Shape of a compiled transit network (C calls, S stops, Z zones)."""

    call_stop: I32
    """int32[C] stop of each call."""
    call_next: I32
    """int32[C] call at which the segment that leaves the call arrives; -1 at a terminus."""
    call_prev: I32
    """int32[C] call whose segment arrives here; -1 at a first call."""
    call_metro: Bool
    """bool[C] metro (True) or bus."""
    call_km: F64
    """float64[C] length of the segment that leaves the call [km]."""
    stop_indptr: I32
    stop_call: I32
    """Calls of stop s: ``stop_call[stop_indptr[s]:stop_indptr[s + 1]]``."""
    walk_indptr: I32
    walk_from: I32
    walk_min: F64
    """Walks [min] that end at stop s: rows ``walk_indptr[s]:walk_indptr[s + 1]``."""
    access_indptr: I32
    access_stop: I32
    access_min: F64
    """Walks between zone z and stops [min], used both ways."""


class TransitCost(NamedTuple):
    """Times, frequencies and weights of one strategy computation."""

    ride_min: F64
    """float64[C] running time of the segment that leaves the call [min]."""
    ride_cost: F64
    """float64[C] the same as perceived in the crowd [min]."""
    frequency: F64
    """float64[C] departures that can be boarded [1/min]; 0 where nobody can board."""
    wait_alpha: float
    """Mean wait of a combined frequency f is wait_alpha / f [1]."""
    wait_weight: float
    walk_weight: float
    transfer_min: float
    """Penalty of a boarding beyond the first [min]."""


_BUCKETS_PER_MIN, _N_BUCKETS = 4.0, 2048
"""Buckets of the queue: they change its speed, never its order. The last bucket holds all beyond."""


class _Queue(NamedTuple):
    """Nodes by label: a list for every bucket of labels, and a heap for the bucket that is open."""

    bucket: I32
    list_key: F64
    list_item: I32
    """Shape (entries, 2): node, and the next entry of its bucket or -1."""
    heap_key: F64
    heap_node: I32


class _Work(NamedTuple):
    """Scratch arrays of one chunk of destinations, N = C + 2 S nodes."""

    label: F64
    succ: I32
    settled: Bool
    chosen: Bool
    order: I32
    freq: F64
    freq_cost: F64
    walk: F64
    flow: F64
    used: Bool
    mean: F64
    queue: _Queue


@njit(cache=True, nogil=True, error_model="numpy")
def _new_work(n_calls, n_stops, n_walks):  # type: ignore[no-untyped-def]
    """Allocate the scratch arrays; the queue holds every push that one destination can make."""
    n = n_calls + 2 * n_stops
    n_queue = 3 * n_calls + 2 * n_stops + n_walks + 8
    return _Work(
        np.empty(n, np.float64),
        np.empty(n, np.int32),
        np.empty(n, np.bool_),
        np.empty(n_calls, np.bool_),
        np.empty(n, np.int32),
        np.empty(n_stops, np.float64),
        np.empty(n_stops, np.float64),
        np.empty(n_stops, np.float64),
        np.empty(n, np.float64),
        np.empty(n, np.bool_),
        np.empty((n, N_SKIM), np.float64),
        _Queue(
            np.empty(_N_BUCKETS, np.int32),
            np.empty(n_queue, np.float64),
            np.empty((n_queue, 2), np.int32),
            np.empty(n_queue, np.float64),
            np.empty(n_queue, np.int32),
        ),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def _lift(key, node, heap_key, heap_node, size):  # type: ignore[no-untyped-def]
    """Add a node to the heap of the current bucket; return the heap's new size."""
    i = size
    while i > 0:
        parent = (i - 1) >> 2
        if heap_key[parent] <= key:
            break
        heap_key[i] = heap_key[parent]
        heap_node[i] = heap_node[parent]
        i = parent
    heap_key[i] = key
    heap_node[i] = node
    return size + 1


@njit(cache=True, nogil=True, error_model="numpy")
def _drop_first(heap_key, heap_node, size):  # type: ignore[no-untyped-def]
    """Remove the first entry of the heap; return its new size."""
    size -= 1
    key = heap_key[size]
    node = heap_node[size]
    i = 0
    while True:
        child = 4 * i + 1
        if child >= size:
            break
        best = child
        for k in range(child + 1, min(child + 4, size)):
            if heap_key[k] < heap_key[best]:
                best = k
        if heap_key[best] >= key:
            break
        heap_key[i] = heap_key[best]
        heap_node[i] = heap_node[best]
        i = best
    heap_key[i] = key
    heap_node[i] = node
    return size


@njit(cache=True, nogil=True, error_model="numpy")
def _push(key, node, at, bucket, list_key, list_item, heap_key, heap_node):  # type: ignore[no-untyped-def]
    """Queue a node: in the heap if its bucket is open, else in its bucket's list; return the queue's new state."""
    opened, size, listed = at
    b = min(int(key * _BUCKETS_PER_MIN), _N_BUCKETS - 1)
    if b <= opened:
        return opened, _lift(key, node, heap_key, heap_node, size), listed
    list_key[listed] = key
    list_item[listed, 0] = node
    list_item[listed, 1] = bucket[b]
    bucket[b] = listed
    return opened, size, listed + 1


@njit(cache=True, nogil=True, error_model="numpy")
def _open_next(at, bucket, list_key, list_item, heap_key, heap_node, label, settled):  # type: ignore[no-untyped-def]
    """Put the next bucket's nodes in the empty heap; return the queue's new state."""
    opened, size, listed = at
    opened += 1
    while opened < _N_BUCKETS and bucket[opened] < 0:
        opened += 1
    if opened < _N_BUCKETS:
        k = bucket[opened]
        while k >= 0:
            node = list_item[k, 0]
            if not settled[node] and list_key[k] <= label[node]:
                size = _lift(list_key[k], node, heap_key, heap_node, size)
            k = list_item[k, 1]
    return opened, size, listed


@njit(cache=True, nogil=True, error_model="numpy")
def _search(graph, cost, zone, work):  # type: ignore[no-untyped-def]
    """Settle all nodes towards one zone, in ascending order of cost; return their count."""
    # Arrays are taken out of their tuples once: in the loop that would count references.
    call_stop, call_prev, stop_indptr, stop_call = (
        graph.call_stop, graph.call_prev, graph.stop_indptr, graph.stop_call,
    )  # fmt: skip
    walk_indptr, walk_from, walk_min = graph.walk_indptr, graph.walk_from, graph.walk_min
    access_stop, access_min = graph.access_stop, graph.access_min
    frequency, ride_cost = cost.frequency, cost.ride_cost
    label, succ, settled, chosen, order = work.label, work.succ, work.settled, work.chosen, work.order
    freq, freq_cost, walk = work.freq, work.freq_cost, work.walk
    bucket, list_key, list_item, heap_key, heap_node = work.queue
    n_calls = len(call_stop)
    n_stops = len(stop_indptr) - 1
    alighted = n_calls + n_stops
    label[:] = np.inf
    settled[:] = False
    chosen[:] = False
    freq[:] = 0.0
    freq_cost[:] = 0.0
    walk[:] = 0.0
    wait_cost = cost.wait_weight * cost.wait_alpha
    bucket[:] = -1
    at = (-1, 0, 0)
    n_settled = 0
    for i in range(graph.access_indptr[zone], graph.access_indptr[zone + 1]):
        s = access_stop[i]
        value = cost.walk_weight * access_min[i]
        if value < label[alighted + s]:
            label[alighted + s] = value
            succ[alighted + s] = -1
            walk[s] = access_min[i]
            at = _push(value, alighted + s, at, bucket, list_key, list_item, heap_key, heap_node)
    while at[0] < _N_BUCKETS:
        if at[1] == 0:
            at = _open_next(at, bucket, list_key, list_item, heap_key, heap_node, label, settled)
            continue
        node = heap_node[0]
        at = (at[0], _drop_first(heap_key, heap_node, at[1]), at[2])
        if settled[node]:
            continue
        settled[node] = True
        here = label[node]
        order[n_settled] = node
        n_settled += 1
        if node < n_calls:
            s = call_stop[node]
            platform = n_calls + s
            f = frequency[node]
            if f > 0.0 and not settled[platform]:
                chosen[node] = True
                freq[s] += f
                freq_cost[s] += f * here
                label[platform] = (wait_cost + freq_cost[s]) / freq[s]
                at = _push(label[platform], platform, at, bucket, list_key, list_item, heap_key, heap_node)
            p = call_prev[node]
            if p >= 0 and here + ride_cost[p] < label[p]:
                label[p] = here + ride_cost[p]
                succ[p] = node
                at = _push(label[p], p, at, bucket, list_key, list_item, heap_key, heap_node)
        elif node < alighted:
            a = node + n_stops
            if here + cost.transfer_min < label[a]:
                label[a] = here + cost.transfer_min
                succ[a] = node
                walk[a - alighted] = 0.0
                at = _push(label[a], a, at, bucket, list_key, list_item, heap_key, heap_node)
        else:
            s = node - alighted
            for i in range(stop_indptr[s], stop_indptr[s + 1]):
                p = call_prev[stop_call[i]]
                if p >= 0 and here + ride_cost[p] < label[p]:
                    label[p] = here + ride_cost[p]
                    succ[p] = node
                    at = _push(label[p], p, at, bucket, list_key, list_item, heap_key, heap_node)
            for i in range(walk_indptr[s], walk_indptr[s + 1]):
                a = alighted + walk_from[i]
                value = here + cost.walk_weight * walk_min[i]
                if value < label[a]:
                    label[a] = value
                    succ[a] = node
                    walk[a - alighted] = walk_min[i]
                    at = _push(value, a, at, bucket, list_key, list_item, heap_key, heap_node)
    return n_settled


@njit(cache=True, nogil=True, error_model="numpy")
def _best_access(graph, cost, zone, work):  # type: ignore[no-untyped-def]
    """Access link with the least expected cost from ``zone``; -1 where no stop leads on."""
    n_calls = len(graph.call_stop)
    best = -1
    least = np.inf
    for i in range(graph.access_indptr[zone], graph.access_indptr[zone + 1]):
        value = cost.walk_weight * graph.access_min[i] + work.label[n_calls + graph.access_stop[i]]
        if value < least:
            least = value
            best = i
    return best, least


@njit(cache=True, nogil=True, error_model="numpy")
def _load(graph, cost, n_settled, work, flows):  # type: ignore[no-untyped-def]
    """Send flow from platforms down the strategies, in descending order of cost; mark used nodes."""
    n_calls = len(graph.call_stop)
    n_stops = len(graph.stop_indptr) - 1
    flow, used = work.flow, work.used
    for k in range(n_settled - 1, -1, -1):
        node = work.order[k]
        if not used[node]:
            continue
        q = flow[node]
        if n_calls <= node < n_calls + n_stops:
            s = node - n_calls
            wait = cost.wait_alpha / work.freq[s]
            for i in range(graph.stop_indptr[s], graph.stop_indptr[s + 1]):
                c = graph.stop_call[i]
                if work.chosen[c]:
                    part = q * cost.frequency[c] / work.freq[s]
                    flow[c] += part
                    used[c] = True
                    flows[1, c] += part
                    flows[2, c] += part * wait
        else:
            if node < n_calls:
                flows[0, node] += q
            follow = work.succ[node]
            if follow >= 0:
                flow[follow] += q
                used[follow] = True


@njit(cache=True, nogil=True, error_model="numpy")
def _expect(graph, cost, n_settled, work):  # type: ignore[no-untyped-def]
    """Expected times, distances and boardings from every used node, in ascending order of cost."""
    n_calls = len(graph.call_stop)
    n_stops = len(graph.stop_indptr) - 1
    mean = work.mean
    for k in range(n_settled):
        node = work.order[k]
        if not work.used[node]:
            continue
        row = mean[node]
        if n_calls <= node < n_calls + n_stops:
            s = node - n_calls
            row[:] = 0.0
            for i in range(graph.stop_indptr[s], graph.stop_indptr[s + 1]):
                c = graph.stop_call[i]
                if work.chosen[c]:
                    share = cost.frequency[c] / work.freq[s]
                    for j in range(N_SKIM):
                        row[j] += share * mean[c, j]
                    if not graph.call_metro[c]:
                        row[BUS_BOARDINGS] += share
            row[BOARDINGS] += 1.0
            row[WAIT] += cost.wait_alpha / work.freq[s]
            continue
        follow = work.succ[node]
        if follow >= 0:
            row[:] = mean[follow]
        else:
            row[:] = 0.0
        if node >= n_calls:
            row[WALK] += work.walk[node - n_calls - n_stops]
        else:
            row[CROWDED] += cost.ride_cost[node]
            if graph.call_metro[node]:
                row[METRO_MIN] += cost.ride_min[node]
                row[METRO_KM] += graph.call_km[node]
            else:
                row[BUS_MIN] += cost.ride_min[node]
                row[BUS_KM] += graph.call_km[node]


@njit(cache=True, nogil=True, error_model="numpy")
def _assign_to(graph, cost, demand, zone, work, total, skim, flows):  # type: ignore[no-untyped-def]
    """Strategies, loading and skims towards one zone; return the demand left unserved [persons/h]."""
    n_calls = len(graph.call_stop)
    n_zones = len(graph.access_indptr) - 1
    loaded = demand.shape[0] > 0
    n_settled = _search(graph, cost, zone, work)
    work.flow[:] = 0.0
    work.used[:] = False
    lost = 0.0
    for origin in range(n_zones):
        best, least = _best_access(graph, cost, origin, work)
        if best < 0 or origin == zone:
            total[origin, zone] = np.inf
            if loaded:
                lost += demand[origin, zone]
            continue
        total[origin, zone] = least
        platform = n_calls + graph.access_stop[best]
        work.used[platform] = True
        if loaded:
            work.flow[platform] += demand[origin, zone]
    _load(graph, cost, n_settled, work, flows)
    _expect(graph, cost, n_settled, work)
    for origin in range(n_zones):
        if total[origin, zone] == np.inf:
            for j in range(N_SKIM):
                skim[j, origin, zone] = 0.0
            continue
        best, _ = _best_access(graph, cost, origin, work)
        row = work.mean[n_calls + graph.access_stop[best]]
        for j in range(N_SKIM):
            skim[j, origin, zone] = row[j]
        skim[WALK, origin, zone] = row[WALK] + graph.access_min[best]
    return lost


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)
def assign_strategies(graph, cost, demand, chunk_indptr, total, skim, chunk_flow, lost):  # type: ignore[no-untyped-def]
    """Optimal strategies, flows and expected skims between all zones.

    Parameters
    ----------
    graph : TransitGraph
    cost : TransitCost
    demand : float64[Z, Z]            [persons/h], origin first; shape (0, 0) to compute skims only
    chunk_indptr : int64[K + 1]       fixed chunks of destinations: K sums, added in order by the caller
    total : float64[Z, Z]             [generalised min], overwritten; inf where no strategy leads
    skim : float32[9, Z, Z]           expected values, overwritten; 0 where ``total`` is inf
    chunk_flow : float64[K, 3, C]     [persons/h] leaving each call on board, boarding there; minutes these wait; added to
    lost : float64[Z]                 [persons/h] unserved demand towards each zone, overwritten

    Notes
    -----
    Spiess and Florian (1989). Checked by V-17 and by the twin in ``tests/naive_transit.py``. A zone has no
    strategy to itself.
    """
    n_stops = len(graph.stop_indptr) - 1
    for k in prange(len(chunk_indptr) - 1):
        work = _new_work(len(graph.call_stop), n_stops, len(graph.walk_from) + len(graph.access_stop))
        for zone in range(chunk_indptr[k], chunk_indptr[k + 1]):
            lost[zone] = _assign_to(graph, cost, demand, zone, work, total, skim, chunk_flow[k])
