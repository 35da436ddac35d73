"""Paths of an equilibrium between two assignments: shares of demand that fit any later demand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transport_abm.networks.city import F64, I64
from transport_abm.networks.roads.kernels_assignment import Paths


@dataclass(frozen=True)
class RoadState:
    """Paths of an equilibrium and the share of each in its pair's demand: the warm start of the next one."""

    digest: str
    """Links and zones to which the paths belong."""
    pair: I64
    """Origin times zones plus destination, ascending."""
    paths: Paths
    """``flow`` holds shares, which add to 1 in each pair."""

    @property
    def n_paths(self) -> int:
        """Number of paths."""
        return len(self.paths.flow)

    @property
    def n_bytes(self) -> int:
        """Memory held [bytes]."""
        return int(self.pair.nbytes + sum(part.nbytes for part in self.paths))


def _sums(paths: Paths, value: F64) -> F64:
    """Sum of a value of paths by pair."""
    filled = np.diff(paths.ptr) > 0
    out = np.zeros(len(paths.ptr) - 1)
    if filled.any():
        out[filled] = np.add.reduceat(value, paths.ptr[:-1][filled])
    return out


def shares(paths: Paths, demand: F64) -> Paths:
    """Paths with shares in place of flows; the kept path of a pair without demand has all."""
    count = np.diff(paths.ptr)
    total = np.repeat(_sums(paths, paths.flow), count)
    share = np.where(total > 0, paths.flow / np.where(total > 0, total, 1.0), 0.0)
    share[paths.ptr[:-1][(count > 0) & (demand == 0)]] = 1.0
    return Paths(paths.ptr, share, paths.slot_ptr, paths.slot)


def first_paths(pair: I64, demand: F64, state: RoadState | None, closed: NDArray[np.bool_]) -> Paths:
    """Paths to start from: those of the state that are still open, with the new demand in the old shares."""
    nothing = Paths(
        np.zeros(len(pair) + 1, np.int64), np.empty(0), np.zeros(1, np.int64), np.empty(0, np.int32)
    )
    if state is None or state.n_paths == 0:
        return nothing
    old = state.paths
    keep = old.flow > 0
    if closed.any():
        shut = np.concatenate((np.zeros(1, np.int64), np.cumsum(closed[old.slot])))
        keep &= shut[old.slot_ptr[1:]] == shut[old.slot_ptr[:-1]]
    place = np.searchsorted(pair, state.pair)
    owner = np.repeat(place, np.diff(old.ptr))
    # Of a pair without demand only the path with the largest share stays.
    order = np.lexsort((-old.flow * keep, owner))
    leader = np.zeros(len(owner), bool)
    leader[order[np.concatenate(([True], np.diff(owner[order]) > 0))]] = True
    keep &= (demand[owner] > 0) | leader
    length = np.diff(old.slot_ptr)
    share = old.flow[keep]
    ptr = np.concatenate((np.zeros(1, np.int64), np.cumsum(np.bincount(owner[keep], minlength=len(pair)))))
    slot_ptr = np.concatenate((np.zeros(1, np.int64), np.cumsum(length[keep])))
    slot = old.slot if keep.all() else old.slot[np.repeat(keep, length)]
    paths = Paths(ptr, share, slot_ptr, slot)
    total = _sums(paths, share)
    return paths._replace(flow=share * np.repeat(demand / np.where(total > 0, total, 1.0), np.diff(ptr)))
