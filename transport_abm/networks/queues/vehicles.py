"""Vehicles of a simulated day, drawn from the trips of each slice and the shares of their routes.

The day runs from 4 to 28 h; trips of the night that leave before 4 are those of its next morning. A packet stands for
several vehicles; how many packets a pair sends is rounded at random, so that on average none is lost or made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from transport_abm.core.draws import Stream, stream_key
from transport_abm.networks.city import F64, I32, I64
from transport_abm.networks.queues.kernels_vehicles import fill_packets
from transport_abm.networks.queues.plans import round_packets
from transport_abm.policy.inputs import YearInputs

DAY_START_H = 4
"""Hour at which the simulated day begins: hardly anybody is on the road."""
DAY_H = 24


@dataclass(frozen=True)
class Packets:
    """Packets of one slice of the day, in the order of their pairs."""

    pair: I32
    """Row of the pair."""
    path: I32
    """Row of the path among those of the slice."""
    depart_s: I32
    """Departure [s after the start of the simulated day]."""

    def __len__(self) -> int:
        return len(self.depart_s)


def hour_of_day(hour: int) -> int:
    """Hours from the start of the simulated day to an hour of the clock."""
    return (hour - DAY_START_H) % DAY_H


def draw_packets(
    hours: Sequence[int],
    inputs: YearInputs,
    address: I64,
    demand: F64,
    path_ptr: I64,
    path_share: F64,
    *,
    packet: int,
    seed: int,
    number: int,
) -> Packets:
    """Draw the packets of a slice of the day.

    Parameters
    ----------
    hours
        Hours of the day in which they leave, in the order of the simulated day.
    inputs
        Read: ``departures.`` paths.
    address
        Identity of each pair, the same in every iteration and scenario.
    demand
        Vehicles by pair; their sum is kept on average.
    path_ptr, path_share
        First path of each pair; share of each path in its pair, adding up to 1 where there is demand.
    packet
        Vehicles in a packet.
    seed
        Seed of the run.
    number
        Number of the slice: slices draw apart.

    Returns
    -------
    Packets
        Departures and routes.
    """
    share = inputs.array("departures.hour_{}", [f"{hour:02d}" for hour in hours])
    cumulative = np.concatenate(([0.0], np.cumsum(share)))
    # Pairs draw alike in all years, so that days differ by their causes only; slices draw apart.
    key = stream_key(seed, Stream.DEPARTURE, number)
    count = round_packets(demand, packet, seed=seed, year=number, stream=Stream.DEPARTURE, agent=address)
    start = np.concatenate((np.zeros(1, np.int64), np.cumsum(count)))
    n = int(start[-1])
    depart_s, path = np.empty(n, np.int32), np.empty(n, np.int32)
    edge_s = np.array([hour_of_day(hour) * 3600.0 for hour in hours])
    fill_packets(
        start,
        address.astype(np.uint64),
        (path_ptr, path_share),
        cumulative / cumulative[-1],
        edge_s,
        key,
        depart_s,
        path,
    )
    return Packets(np.repeat(np.arange(len(demand), dtype=np.int32), count), path, depart_s)
