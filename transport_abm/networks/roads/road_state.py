"""Paths of an equilibrium between two assignments: shares of demand that fit any later demand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transport_abm.networks.city import F64, I64
from transport_abm.networks.roads.kernels_assignment import Paths, copy_kept, mark_kept


@dataclass(frozen=True)
class RoadState:
    """Paths of an equilibrium and the share of each in its pair's demand: the warm start of the next one."""

    digest: str
    """Links and zones to which the paths belong."""
    pair: I64
    """(Group times zones plus origin) times zones plus destination, ascending."""
    paths: Paths
    """``flow`` holds shares, which add to 1 in each pair."""
    group: I64
    """By class: the group whose paths it uses."""
    pair_count: int
    """Zones squared: pairs of one group."""

    @property
    def n_paths(self) -> int:
        """Number of paths."""
        return len(self.paths.flow)

    @property
    def n_bytes(self) -> int:
        """Memory held [bytes]."""
        return int(self.pair.nbytes + sum(part.nbytes for part in self.paths))

    def regrouped(self, group: I64) -> RoadState:
        """The same paths for classes in other groups: each group takes those of its first class.

        Parameters
        ----------
        group
            By class: its new group; groups are numbered in the order of their first class.

        Returns
        -------
        RoadState
            This one where nothing changes.
        """
        if np.array_equal(group, self.group):
            return self
        taken = self.group[np.unique(group, return_index=True)[1]]
        end = np.searchsorted(self.pair, np.arange(int(self.group.max()) + 2) * self.pair_count)
        parts = [np.arange(end[old], end[old + 1]) for old in taken]
        pair = np.concatenate(
            [
                self.pair[part] + (new - old) * self.pair_count
                for new, (old, part) in enumerate(zip(taken, parts, strict=True))
            ]
        )
        row = np.concatenate(parts)
        old, length = self.paths, np.diff(self.paths.slot_ptr)
        path = _ranges(old.ptr[row], old.ptr[row + 1])
        slot = _ranges(old.slot_ptr[path], old.slot_ptr[path + 1])
        paths = Paths(
            _pointers(np.diff(old.ptr)[row]), old.flow[path], _pointers(length[path]), old.slot[slot]
        )
        return RoadState(self.digest, pair, paths, group, self.pair_count)


def _pointers(count: I64) -> I64:
    """First place of each of some runs, and the end."""
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(count)))


def _ranges(first: I64, end: I64) -> I64:
    """Numbers of several ranges, one range after the other."""
    count = end - first
    start = np.repeat(first - _pointers(count)[:-1], count)
    return np.asarray(start + np.arange(int(count.sum())), np.int64)


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


def first_paths(
    pair: I64, demand: F64, state: RoadState | None, closed: NDArray[np.bool_], *, empty_too: bool = False
) -> Paths:
    """Paths to start from: those of the state that are still open, with the new demand in the old shares.

    ``closed`` has a row a group and a column a slot. Paths that nobody took are left out but with ``empty_too``.
    """
    nothing = Paths(
        np.zeros(len(pair) + 1, np.int64), np.empty(0), np.zeros(1, np.int64), np.empty(0, np.int32)
    )
    if state is None or state.n_paths == 0:
        return nothing
    old = state.paths
    length = np.diff(old.slot_ptr)
    row = np.empty(int(pair[-1]) + 1, np.int64)
    row[pair] = np.arange(len(pair))
    place = row[state.pair]
    keep = np.empty(len(old.flow), np.bool_)
    shut = closed if closed.any() else closed[:0]
    mark_kept(old, state.pair // state.pair_count, demand[place], shut, empty_too, keep)
    owner = np.repeat(place, np.diff(old.ptr))
    share = old.flow[keep]
    ptr = np.concatenate((np.zeros(1, np.int64), np.cumsum(np.bincount(owner[keep], minlength=len(pair)))))
    slot_ptr = np.concatenate((np.zeros(1, np.int64), np.cumsum(length[keep])))
    slot = old.slot
    if not keep.all():
        slot = np.empty(int(slot_ptr[-1]), np.int32)
        copy_kept(old, keep, slot)
    paths = Paths(ptr, share, slot_ptr, slot)
    total = _sums(paths, share)
    return paths._replace(flow=share * np.repeat(demand / np.where(total > 0, total, 1.0), np.diff(ptr)))
