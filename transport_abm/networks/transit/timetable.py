"""Timetable assignment, the second rung of transit: cheapest journeys by the clock instead of strategies by frequency.

A table of departures repeats: every ``transit.timetable_cycle_min`` where it is made from headways, every
day where it is read from a feed. A line with headway ``h`` has the whole number of departures nearest to
``cycle / h`` in a cycle, evenly spaced; the first of a pattern whose first call is row ``c`` of the city
comes ``spacing x frac(c g)`` after the start, ``g = (sqrt 5 - 1) / 2``. Running times are those of the
strategies: the timetable's on rails, the roads' for buses. A loop's vehicle waits at the end of its lap for
its next departure; by a feed's departures its trip ends there if that would be longer than the line's vehicles
are apart, as at night.

Riders know the table. They leave home at ``transit.timetable_samples`` moments spread over the period and
take the journey of least generalised time, weighted as in the strategies; a change is one walk at most. Of a
bus line's departures they can use the share ``transit.bus_useful_share``. Crowding acts twice: ride times
are multiplied as perceived, and where only a share ``p`` of departures can be boarded a rider lets
``(1 - p) / p`` of them pass on average, and waits that many headways longer.

Boardings are not capped, since each has its price: with four at most, half of the pairs that need several
representative bus lines would have no journey. Public routers were looked at: those that search all departures
at once (R5 with r5py, OpenTripPlanner) are Java programs that need a street map and answer with travel
times; RAPTOR packages in Python take milliseconds a query; none takes crowding, weights, or passengers to be
loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.networks.city import F64, I32, I64, TransitNetwork
from transport_abm.networks.transit.metro_tables import SERVED_HOURS
from transport_abm.networks.transit.transit_service import TransitService

DS_PER_MIN = 600
"""Units of the clock in a minute: tenths of a second (ds)."""
_GOLDEN = (5**0.5 - 1) / 2
_SILVER = 2**0.5 - 1
"""Irrational steps: multiples of them spread evenly over the unit interval, wherever one stops."""


@dataclass(frozen=True)
class Timetable:
    """Departures of one service, repeated for ever."""

    cycle_ds: int
    """Time after which the table repeats [0.1 s]."""
    windows_ds: tuple[tuple[int, int], ...]
    """Parts of the cycle in which riders leave home: start and length of each [0.1 s]."""
    call: I32
    """Compiled call that each event leaves; events are in order of call."""
    time_ds: I32
    """Time of the event in the cycle [0.1 s]."""
    ride_ds: I32
    """Time until the vehicle reaches the next call [0.1 s]."""
    stay: I32
    """Next event of the same trip; -1 where it ends."""
    hold_ds: I32
    """Time that the vehicle then waits before it leaves [0.1 s]."""
    even: bool = True
    """Whether the departures of each pattern are evenly spaced, so that every lap of a loop waits alike."""


def headway_timetable(service: TransitService, call_time_s: F64) -> Timetable:
    """Make a table from headways: even departures, a whole number in each cycle.

    Parameters
    ----------
    service
        Compiled service.
    call_time_s
        Running time with dwell of the segment leaving each city call [s].

    Returns
    -------
    Timetable
        The table; riders leave home all through the cycle.
    """
    cycle = round(service.inputs["transit.timetable_cycle_min"] * DS_PER_MIN)
    first = pattern_starts(service)
    headway = useful_headway_min(service)[first] * DS_PER_MIN
    count = np.maximum(1, np.rint(cycle / headway)).astype(np.int64)
    offset = (service.call[first] + 1) * _GOLDEN % 1.0
    starts = [cycle / n * (np.arange(n) + part) for n, part in zip(count, offset, strict=True)]
    return departure_timetable(service, call_time_s, starts, cycle, ((0, cycle),))


def feed_timetable(
    service: TransitService, call_time_s: F64, departure_s: Sequence[F64], transit: TransitNetwork
) -> Timetable:
    """Make a table from the departures of a feed: it repeats every day.

    Parameters
    ----------
    service
        Compiled service of a city whose transit network is that of the feed.
    call_time_s
        Running time with dwell of the segment leaving each city call [s].
    departure_s
        By pattern of the network: departures of the day at its first stop, from midnight [s].
    transit
        The network.

    Returns
    -------
    Timetable
        All the day's departures; riders leave home in the served hours of the service's period.

    Raises
    ------
    NetworkError
        If there are not as many patterns in both.
    """
    if len(departure_s) != transit.n_patterns:
        expected = f"departures of {transit.n_patterns} patterns"
        raise NetworkError(Fault("timetable", "departure_s", expected, str(len(departure_s))))
    second, hour = DS_PER_MIN // 60, 60 * DS_PER_MIN
    first = service.call[pattern_starts(service)]
    pattern = np.searchsorted(transit.pattern_indptr, first, side="right") - 1
    starts = [departure_s[p] * second for p in pattern]
    windows = tuple((h * hour, hour) for h in SERVED_HOURS[service.period])
    rests = [longest_rest_ds(each) for each in starts]
    return departure_timetable(service, call_time_s, starts, 24 * hour, windows, rests)


def longest_rest_ds(start_ds: F64) -> F64:
    """Longest rest of a loop's vehicle between two laps, by the hour of the day in which a lap ends [0.1 s].

    It is the longest time between two departures within the same hours of service of a period; the length of
    those hours if there is one departure; nothing if there is none, for then there is no next lap to wait for.

    Parameters
    ----------
    start_ds
        Departures of the day from midnight [0.1 s].

    Returns
    -------
    F64
        24 values.
    """
    hour = 60 * DS_PER_MIN
    period = np.full(24, -1)
    for each, hours in SERVED_HOURS.items():
        period[list(hours)] = each
    # Hours are counted from the first of service: those without service come last.
    first = int(np.flatnonzero((period >= 0) & (np.roll(period, 1) < 0))[0])
    period = np.roll(period, -first)
    stretch = np.append(0, np.cumsum(period[1:] != period[:-1]))
    time = np.sort((start_ds - first * hour) % (24 * hour))
    own = stretch[(time // hour).astype(np.int64)]
    longest = np.zeros(stretch[-1] + 1)
    same = own[1:] == own[:-1]
    np.maximum.at(longest, own[1:][same], np.diff(time)[same])
    alone = np.bincount(own, minlength=len(longest)) == 1
    alone[stretch[period < 0]] = False
    longest[alone] = np.bincount(stretch)[alone] * hour
    rest: F64 = np.roll(longest[stretch], first)
    return rest


def departure_timetable(
    service: TransitService,
    call_time_s: F64,
    starts_ds: Sequence[F64],
    cycle_ds: int,
    windows_ds: tuple[tuple[int, int], ...],
    rests_ds: Sequence[F64] | None = None,
) -> Timetable:
    """Make a table from the departures of each pattern at its first call.

    Parameters
    ----------
    service
        Compiled service.
    call_time_s
        Running time with dwell of the segment leaving each city call [s].
    starts_ds
        By compiled pattern: departures at its first call in one cycle [0.1 s].
    cycle_ds
        Time after which the table repeats [0.1 s].
    windows_ds
        Start and length of the parts of the cycle in which riders leave home [0.1 s].
    rests_ds
        By compiled pattern and hour of the cycle: longest rest of a loop's vehicle before its next lap [0.1 s];
        where it would be longer, the trip ends with its lap. None for even departures, which have no long rests.

    Returns
    -------
    Timetable
        The table.
    """
    follows = service.graph.call_next
    n_calls = len(follows)
    first = pattern_starts(service)
    pattern = np.repeat(np.arange(len(first)), np.diff(np.append(first, n_calls)))
    count = np.array([len(starts) for starts in starts_ds], np.int64)
    begin = np.append(0, np.cumsum(count))
    start = np.concatenate([*starts_ds, np.zeros(0)]) % cycle_ds
    start = start[np.lexsort((start, np.repeat(np.arange(len(count)), count)))]
    along = along_pattern(service, call_time_s * DS_PER_MIN / 60)
    # One event for each leaving call and departure, in order of calls; ``base`` is a call's first.
    own = np.where(follows >= 0, count[pattern], 0) if n_calls else np.zeros(0, np.int64)
    base = np.append(0, np.cumsum(own))
    call = np.repeat(np.arange(n_calls), own)
    number = np.arange(len(call)) - base[call]
    leaves = start[begin[pattern[call]] + number]
    time = np.rint(leaves + along[call]).astype(np.int64)
    reach = np.rint(leaves + along[np.minimum(call + 1, n_calls - 1)]).astype(np.int64)
    ahead = follows[call]
    goes_on = follows[ahead] >= 0
    stay = np.where(goes_on, base[ahead] + number, -1)
    hold = np.zeros_like(time)
    seam = goes_on & (ahead <= call)
    for p in np.unique(pattern[call[seam]]):
        mine = np.flatnonzero(seam & (pattern[call] == p))
        rows = time[base[first[p]] : base[first[p] + 1]]
        at = reach[mine] % cycle_ds
        k = np.searchsorted(rows, at)
        wraps = k == len(rows)
        k[wraps] = 0
        stay[mine] = base[first[p]] + k
        rest = rows[k] + wraps * cycle_ds - at
        if rests_ds is not None:
            over = rest > rests_ds[p][at // (60 * DS_PER_MIN)]
            stay[mine[over]], rest[over] = -1, 0
        hold[mine] = rest
    return Timetable(
        cycle_ds,
        windows_ds,
        call.astype(np.int32),
        (time % cycle_ds).astype(np.int32),
        np.maximum(reach - time, 1).astype(np.int32),
        stay.astype(np.int32),
        hold.astype(np.int32),
        rests_ds is None,
    )


def useful_headway_min(service: TransitService) -> F64:
    """Minutes between the departures that a rider can use, by compiled call [min]."""
    share = np.where(service.graph.call_metro, 1.0, service.inputs["transit.bus_useful_share"])
    headway: F64 = service.headway_min / share
    return headway


def pattern_starts(service: TransitService) -> I64:
    """First compiled call of each pattern; every pattern ends with the one call that leads nowhere."""
    ends = np.flatnonzero(service.graph.call_next < 0)
    return np.append(0, ends[:-1] + 1) if len(ends) else np.zeros(0, np.int64)


def along_pattern(service: TransitService, segment: F64) -> F64:
    """Sum of city segments from a pattern's first call to each compiled call."""
    own = segment[service.call]
    total = np.append(0.0, np.cumsum(own))[:-1]
    first = pattern_starts(service)
    along: F64 = total - np.repeat(total[first], np.diff(np.append(first, len(own))))
    return along


def leave_ds(n_zones: int, samples: int, table: Timetable) -> NDArray[np.int32]:
    """Moments at which riders leave each zone [0.1 s].

    Parameters
    ----------
    n_zones, samples
        Number of zones, and of moments for each.
    table
        Timetable whose windows are sampled.

    Returns
    -------
    NDArray
        Shape (zones, samples): one in each equal part of the windows, spread inside the parts.
    """
    j, zone = np.arange(samples), np.arange(n_zones)[:, None]
    inside = ((j + 1) * _GOLDEN + (zone + 1) * _SILVER) % 1.0
    start, length = np.array(table.windows_ds).T
    ends = np.cumsum(length)
    gone = ends[-1] * (j + inside) / samples
    window = np.minimum(np.searchsorted(ends, gone, side="right"), len(ends) - 1)
    leave = np.floor(start[window] + gone - (ends - length)[window]).astype(np.int64) % table.cycle_ds
    moment: NDArray[np.int32] = leave.astype(np.int32)
    return moment
