"""Links of the spatial queue: time, capacity, room and how fast a jam clears, checked.

A link follows a triangular fundamental diagram, cut at its capacity: free speed, jam density of a vehicle in
``jam_spacing_m`` on each lane, and a wave that runs back from where vehicles leave (Newell 1993, Transportation
Research B 27, 281-313). Room that a vehicle leaves behind comes to the upper end of the link after the wave's time.
There is no limit to the rate at which vehicles enter but room: two full links that merge fill the one ahead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.networks.city import F64, I32
from transport_abm.networks.queues.kernels_links import CS, LINK

WHERE = "spatial queue"
LONGEST_S = 5e6
"""Longest time on a link: two months; longer ones would overflow whole centiseconds [s]."""
LEAST_PCUH = 1.0
"""Least capacity of an open link [pcu/h]."""


@dataclass(frozen=True)
class QueueRules:
    """What all links of a spatial queue have in common."""

    jam_spacing_m: float
    """Length of lane that a standing passenger car takes [m]."""
    wave_kmh: float
    """Speed at which room moves back through a jam [km/h]."""
    storage_power: float
    """Room of links goes with the share of vehicles simulated to this power [1]."""
    stuck_wait_s: int
    """A vehicle that has waited so long for room enters the full link [s]."""

    def __post_init__(self) -> None:
        faults = [
            Fault(WHERE, name, "more than 0", repr(getattr(self, name)))
            for name in ("jam_spacing_m", "wave_kmh", "stuck_wait_s")
            if not 0 < getattr(self, name) < np.inf
        ]
        if not 0 <= self.storage_power <= 1:
            faults.append(Fault(WHERE, "storage_power", "0 to 1", repr(self.storage_power)))
        if self.stuck_wait_s % 1 != 0:
            faults.append(Fault(WHERE, "stuck_wait_s", "whole seconds", repr(self.stuck_wait_s)))
        if faults:
            raise NetworkError(faults)


def queue_rules(inputs: Mapping[str, float]) -> QueueRules:
    """Rules of a year.

    Parameters
    ----------
    inputs
        Read: ``queue.`` paths.

    Returns
    -------
    QueueRules
        As the parameters say.
    """
    stuck = inputs["queue.stuck_wait_s"]
    return QueueRules(
        jam_spacing_m=inputs["queue.jam_spacing_m"],
        wave_kmh=inputs["queue.wave_kmh"],
        storage_power=inputs["queue.storage_power"],
        stuck_wait_s=int(stuck) if stuck == int(stuck) else stuck,  # type: ignore[arg-type]
    )


@dataclass(frozen=True)
class QueueNetwork:
    """Directed links; one row a link. A closed link has an infinite ``free_time_s`` and keeps its row."""

    tail: I32
    head: I32
    n_nodes: int
    free_time_s: F64
    """Time on the empty link [s]; infinite where closed."""
    capacity_pcuh: F64
    """Most that leaves the link [pcu/h]."""
    storage_pcu: F64
    """Room on the link [pcu]; a vehicle or packet enters if half of it fits, or if the link is empty."""
    wave_time_s: F64
    """Time from a vehicle's exit until its room can be used at the upper end [s]."""
    priority: F64
    """Share in the room ahead where several links wait for it, relative to the others' [1], positive; kept to a
    millionth of the largest."""
    stuck_wait_s: int
    """A vehicle that has waited so long for room enters the full link [s]."""

    def __post_init__(self) -> None:
        faults = _faults(self)
        if faults:
            raise NetworkError(faults)

    @property
    def n_links(self) -> int:
        """Number of links, closed ones included."""
        return len(self.tail)


def build_queue_network(
    tail: I32, head: I32, n_nodes: int, length_m: F64, free_time_s: F64, capacity_pcuh: F64, lanes: F64,
    *, rules: QueueRules, packet: int = 1, priority: F64 | None = None,
) -> QueueNetwork:  # fmt: skip
    """Links with the room that their length and lanes give.

    Room is ``length * lanes / jam_spacing``, times ``packet ** (1 - storage_power)`` where a simulated vehicle stands
    for several, and never less than capacity needs: ``capacity * free_time`` in whole packets. A vehicle may enter where
    half of it fits, so that room is kept on the mean, and an empty link takes one packet of any size. The wave takes
    ``length / wave speed``, but never so long that room would limit the flow below capacity: at most
    ``room / capacity - free_time``.

    Parameters
    ----------
    tail, head
        Nodes of each link.
    n_nodes
        Number of nodes.
    length_m
        Length of each link [m].
    free_time_s
        Time on the empty link; infinite where closed [s].
    capacity_pcuh
        Capacity of the link, all lanes [pcu/h].
    lanes
        Lanes in this direction.
    rules
        Spacing in a jam, speed of the wave, power of the sample, patience.
    packet
        Real vehicles that most simulated vehicles stand for.
    priority
        Claims where links merge; the capacity where not given.

    Returns
    -------
    QueueNetwork
        Links in the same rows.

    Raises
    ------
    NetworkError
        Negative, missing or absurd numbers, nodes out of range, closed links apart.
    """
    n = len(tail)
    shapes = {
        "head": np.shape(head), "length_m": np.shape(length_m), "free_time_s": np.shape(free_time_s),
        "capacity_pcuh": np.shape(capacity_pcuh), "lanes": np.shape(lanes),
    }  # fmt: skip
    faults: list[Fault | str] = [
        Fault(WHERE, name, f"shape ({n},), as tail", str(shape))
        for name, shape in shapes.items()
        if shape != (n,)
    ]
    if not 1 <= packet < np.inf:
        faults.append(Fault(WHERE, "packet", "1 or more", repr(packet)))
    if faults:
        raise NetworkError(faults)
    with np.errstate(invalid="ignore"):
        faults += _bad("length_m", length_m, (length_m >= 0) & np.isfinite(length_m), "0 or more")
        faults += _bad("lanes", lanes, (lanes > 0) & np.isfinite(lanes), "more than 0")
    capacity = np.asarray(capacity_pcuh, float)
    with np.errstate(all="ignore"):
        per_s = capacity / 3600.0
        # Times in the queue are whole centiseconds, and the wave may not be longer for that.
        open_time = np.where(np.isinf(free_time_s), 0.0, np.rint(free_time_s * CS) / CS)
        storage = length_m * lanes / rules.jam_spacing_m * float(packet) ** (1.0 - rules.storage_power)
        storage = np.maximum(storage, np.ceil(per_s * open_time / packet) * packet)
        # What fits are whole packets: by their number the wave must leave the capacity.
        whole = np.maximum(np.floor(storage / packet + 0.5), 1.0) * packet
        wave = np.minimum(length_m / (rules.wave_kmh / 3.6), np.maximum(whole / per_s - open_time, 0.0))
        wave = np.floor(wave * CS + 1e-6) / CS
    storage, wave = (np.where(np.isfinite(value), value, 0.0) for value in (storage, wave))
    claim = capacity if priority is None else priority
    free_time = np.asarray(free_time_s, float)
    try:
        network = QueueNetwork(
            tail, head, n_nodes, free_time, capacity, storage, wave, claim, rules.stuck_wait_s
        )
    except NetworkError as error:
        raise NetworkError([*faults, *error.faults]) from None
    if faults:
        raise NetworkError(faults)
    return network


def _bad(name: str, value: NDArray[np.generic], good: NDArray[np.bool_], expected: str) -> list[Fault]:
    """One fault for a column with rows that are not good."""
    rows = np.flatnonzero(~good)
    if not len(rows):
        return []
    return [
        Fault(WHERE, f"{name}, {len(rows)} links from row {rows[0]}", expected, repr(value[rows[0]].item()))
    ]


def _faults(network: QueueNetwork) -> list[Fault]:
    """Everything that is wrong with the columns of a network."""
    n = len(network.tail)
    numbers = ("free_time_s", "capacity_pcuh", "storage_pcu", "wave_time_s", "priority")
    faults = [
        Fault(WHERE, name, f"shape ({n},), as tail", str(np.shape(getattr(network, name))))
        for name in ("head", *numbers)
        if np.shape(getattr(network, name)) != (n,)
    ]
    if n >= LINK:
        faults.append(Fault(WHERE, "links", f"fewer than {LINK}", str(n)))
    if faults:
        return faults
    for name in ("tail", "head"):
        node = np.asarray(getattr(network, name))
        if node.dtype.kind not in "iu":
            faults.append(Fault(WHERE, name, "whole numbers", str(node.dtype)))
            continue
        inside = (node >= 0) & (node < network.n_nodes)
        faults += _bad(name, node, inside, f"a node from 0 to {network.n_nodes - 1}")
    with np.errstate(invalid="ignore"):
        value = network.free_time_s
        good = (value >= 0) & ((value <= LONGEST_S) | np.isinf(value))
        faults += _bad("free_time_s", value, good, f"0 to {LONGEST_S:g}, or infinite (closed)")
        # Nobody asks what a closed link can do.
        closed = np.isinf(value)
        value = network.capacity_pcuh
        good = closed | ((value >= LEAST_PCUH) & (value <= 1e6))
        faults += _bad("capacity_pcuh", value, good, f"{LEAST_PCUH:g} to 1e+06")
        value = network.priority
        if value is not network.capacity_pcuh:
            good = closed | ((value > 0) & (value <= 1e6))
            faults += _bad("priority", value, good, "more than 0, at most 1e+06")
        value = network.storage_pcu
        faults += _bad("storage_pcu", value, closed | ((value >= 0) & (value <= 1e6)), "0 to 1e+06")
        value = network.wave_time_s
        good = closed | ((value >= 0) & (value <= LONGEST_S))
        faults += _bad("wave_time_s", value, good, f"0 to {LONGEST_S:g}")
    if not (1 <= network.stuck_wait_s <= LONGEST_S and network.stuck_wait_s % 1 == 0):
        expected = f"whole seconds, 1 to {LONGEST_S:g}"
        faults.append(Fault(WHERE, "stuck_wait_s", expected, repr(network.stuck_wait_s)))
    return faults
