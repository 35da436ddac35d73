"""A day on the spatial queue: counts and times of links by bin, times of legs, releases, charges.

Vehicles leave a link in the order in which they came, not before its free time, at most at its capacity, and only if
there is room on the next one. After Gawron (1998) and MATSim's QSim (Horni, Nagel and Axhausen 2016, The Multi-Agent
Transport Simulation MATSim), run by events instead of by seconds, with room that moves back through the jam.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.networks.city import F64, I32, I64
from transport_abm.networks.queues.charges import EntryCharge, charge_faults
from transport_abm.networks.queues.kernels_day import run
from transport_abm.networks.queues.kernels_detours import count_present, first_entry
from transport_abm.networks.queues.kernels_links import CS
from transport_abm.networks.queues.kernels_moves import Rules
from transport_abm.networks.queues.network import WHERE, QueueNetwork
from transport_abm.networks.queues.plans import Plans, Routes, VehicleKinds, plan_faults
from transport_abm.networks.queues.state import (
    HORIZON_S,
    QueueState,
    build_state,
    check_belongs,
    check_same_charge,
)


@dataclass(frozen=True)
class QueueDay:
    """What a day gave, up to the second where it stands. Arrays belong to the state, which goes on changing them."""

    bin_min: int
    """Minutes of a bin."""
    entered: I32
    """By bin and link: real vehicles that entered it."""
    time_cs: I64
    """By bin of entry and link: time that those which have left it spent there, times real vehicles [cs]."""
    departure_cs: I32
    """By leg: when it was to begin; -1 if it did not [cs]. A wait to enter the first link is part of the leg."""
    arrival_cs: I32
    """By leg: when it ended; -1 if it did not [cs]."""
    released: I32
    """By link: real vehicles that waited too long at its end and entered a full link."""
    charged: I64
    """By bin and group of the charge: entries that paid [real vehicles]."""
    paid_fen: I64
    """By simulated vehicle: what each of its real vehicles paid [0.01 CNY]; no rows without a charge."""
    state: QueueState
    """Where the day stands; `run_day` goes on from it."""

    @property
    def time_s(self) -> F64:
        """By bin of entry and link: time spent by those which entered then [vehicle s]."""
        time: F64 = self.time_cs / CS
        return time

    @property
    def on_road(self) -> int:
        """Simulated vehicles on links or waiting to enter one."""
        return int(self.state.vehicles_on_link.sum() + self.state.vehicles_at_origin.sum())

    @property
    def told_cs(self) -> int:
        """Who came onto a link before this time has left it: counts and times of those entries change no more [cs]."""
        # Within a second vehicles come onto a link in the order of events: the first in line may not be the earliest.
        return int(first_entry(self.state.links, self.state.second * CS)) // CS * CS

    def mean_time_s(self, network: QueueNetwork) -> F64:
        """Mean time on each link by bin of entry, among those which have left it; free time where none has [s].

        Parameters
        ----------
        network
            Links of the day.

        Returns
        -------
        F64
            Shape (bins, links).
        """
        left = self.entered.astype(np.int64)
        present = np.zeros_like(left)
        count_present(self.state.links, self.state.weight, self.bin_min * 60 * CS, present)
        left -= present
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = self.time_s / left
        return np.where(left > 0, mean, network.free_time_s)


def run_day(
    network: QueueNetwork, plans: Plans, routes: Routes, *, bin_min: int = 15, end_h: float = 30.0,
    charge: EntryCharge | None = None, state: QueueState | None = None, until_s: int | None = None,
    horizon_s: int = HORIZON_S, check: bool = True, trace: bool = False,
) -> QueueDay:  # fmt: skip
    """Let the vehicles of a day drive.

    Parameters
    ----------
    network
        Links.
    plans
        Vehicles and their legs.
    routes
        Ways.
    bin_min
        Minutes of a bin of the counts [min].
    end_h
        Hour at which the day ends; legs that would begin later do not [h].
    charge
        Charges for entering links.
    state
        Where to go on, with the same network, plans, routes, charge, bins and end; from midnight if not given.
    until_s
        Second at which to stop; the end of the day if not given [s].
    horizon_s
        Slots of the wheel, a power of two [s].
    check
        Whether to look the plans through again.
    trace
        Whether to keep who came onto which link when (``QueueState.trace``), from midnight on.

    Returns
    -------
    QueueDay
        Up to the second ``until_s``. The same bits however often the day was stopped on the way.

    Raises
    ------
    NetworkError
        Plans or charges that do not fit; all faults at once. A trace of a state that keeps none.
    ReproducibilityError
        A state of something else.
    """
    faults: list[Fault | str] = []
    if not (isinstance(bin_min, int) and 1 <= bin_min <= 1440):
        faults.append(Fault(WHERE, "bin_min", "whole minutes, 1 to 1440", repr(bin_min)))
    if not 1 <= end_h * 3600 <= 3_600_000:
        faults.append(Fault(WHERE, "end_h", "a second at least, at most 1000 hours", repr(end_h)))
    if until_s is not None and not until_s >= 0:
        faults.append(Fault(WHERE, "until_s", "0 or more", repr(until_s)))
    if not isinstance(horizon_s, int) or horizon_s < 2 or horizon_s & (horizon_s - 1):
        faults.append(Fault(WHERE, "horizon_s", "a power of two, 2 or more", repr(horizon_s)))
    end_s = 0 if faults else round(end_h * 3600)
    if end_s and charge is not None:
        faults += charge_faults(charge, network.n_links, -(-end_s // (60 * bin_min)))
    if state is None and check:
        faults += plan_faults(network, plans, routes)
    if faults:
        raise NetworkError(faults)
    if state is None:
        state = build_state(
            network, plans, routes, bin_min=bin_min, end_h=end_h, charge=charge, horizon_s=horizon_s, trace=trace
        )  # fmt: skip
    else:
        check_belongs(state, network, plans, routes)
        check_same_charge(state, charge)
        if state.shape[4:] != (end_s, bin_min):
            raise NetworkError(
                Fault(
                    WHERE,
                    "end_h and bin_min",
                    f"those of the state, {state.shape[4:]}",
                    f"{(end_s, bin_min)}",
                )
            )
        if trace and not state.keeps_trace:
            raise NetworkError(
                Fault(WHERE, "trace", "a state that keeps one from midnight on", "one without")
            )
    until = end_s if until_s is None else int(min(until_s, end_s))
    rules = _rules(plans.kinds, charge, bin_min, network.stuck_wait_s)
    trips = state.trips(plans, routes)
    while not run(state.links, trips, rules, state.counts, state.wheel, until):
        state.widen()
    return day_of(state)


def day_of(state: QueueState) -> QueueDay:
    """What a day gave up to where it stands."""
    counts = state.counts
    return QueueDay(
        state.shape[5], counts.entered, counts.time, state.departure_cs, state.arrival_cs, state.links.released,
        counts.charged, counts.paid, state,
    )  # fmt: skip


def _rules(kinds: VehicleKinds, charge: EntryCharge | None, bin_min: int, stuck_wait_s: int) -> Rules:
    """What holds for all links, as the kernel takes it."""
    weight = np.asarray(kinds.weight, np.int32)
    size = np.maximum(np.rint(np.asarray(kinds.pcu) * 100), 1).astype(np.int32) * weight
    exempt = np.zeros(len(weight), np.bool_)
    group, amount = np.zeros(0, np.int16), np.zeros((0, 0), np.int32)
    if charge is not None:
        exempt = np.isin(kinds.vehicle_class, list(charge.exempt))
        group = np.asarray(charge.group, np.int16)
        amount = np.rint(np.asarray(charge.amount_cny) * 100).astype(np.int32)
    arrays: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_]] = (size, weight, exempt)
    return Rules(*arrays, group, amount, bin_min * 60 * CS, int(stuck_wait_s) * CS)
