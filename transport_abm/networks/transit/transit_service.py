"""Compiled transit service of one year, period and option: which calls run, how often, and walks to stops.

A zone's walk to a stop is ``detour x distance``. Trips begin all over a zone, not at its centre, so for a
stop within the equivalent radius ``R = sqrt(A / pi)`` of the zone's settled area ``A`` the distance is

    min(2/3 R, 1/2 sqrt(A / n)),      n = max(1, share x stops of the submode within R),

the mean distance from a uniformly spread point to the centre of the disc, or to the nearest of ``n`` spread
stops, whichever is less; ``share`` is the part of the stops that serve one destination equally well. The
settled area is the zone's area, but no more than its residents and jobs fill at a built-up density. Platforms
of one metro station count as one stop. A bus call whose segments are longer than the stop spacing stands
for the stops along them: it counts for as many, and a zone within half a segment outside ``R`` walks
``2/pi`` of the way, the mean distance to a line through the stop. Other stops lie at their distance from
the centre; those beyond a submode's reach are left out, except the nearest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.core.vocabulary import Period, TransitMode, TransitOption
from transport_abm.networks.city import F64, I32, I64, Bool, City, TransitNetwork, Zones
from transport_abm.networks.transit.kernels_transit import TransitGraph


class Inputs(Protocol):
    """Parameter values by path, as in ``YearInputs``."""

    def __getitem__(self, path: str, /) -> float: ...


OPTION_MODES: dict[TransitOption, tuple[TransitMode, ...]] = {
    TransitOption.BUS: (TransitMode.BUS,),
    TransitOption.METRO: (TransitMode.METRO,),
    TransitOption.BUS_METRO: (TransitMode.BUS, TransitMode.METRO),
}


@dataclass(frozen=True)
class TransitService:
    """Transit network of one year, period and option, compiled for assignment."""

    year: int
    period: Period
    option: TransitOption
    graph: TransitGraph
    call: I32
    """City row of each compiled call."""
    stop: I32
    """City row of each compiled stop."""
    headway_min: F64
    """Minutes between departures at each compiled call, levers applied."""
    n_city_calls: int
    inputs: Inputs

    @property
    def n_zones(self) -> int:
        """Number of zones."""
        return len(self.graph.access_indptr) - 1


def pattern_runs(transit: TransitNetwork, inputs: Inputs, year: int) -> Bool:
    """Patterns in service in a year, with metro openings after the base year delayed by the lever.

    A pattern that closes after the base year closes later by the same delay, so that a shorter pattern runs
    on until the longer one that replaces it opens.

    Parameters
    ----------
    transit
        Lines and patterns.
    inputs
        Read: ``transit.metro_opening_delay_year`` [year], ``transit.delay_base_year`` [year].
    year
        Calendar year.

    Returns
    -------
    Bool
        One value for each pattern.
    """
    delay = round(inputs["transit.metro_opening_delay_year"])
    base = inputs["transit.delay_base_year"]
    metro = transit.line_mode[transit.pattern_line] == TransitMode.METRO
    opens = transit.open_year.astype(np.int64)
    closes = transit.close_year.astype(np.int64)
    opens = np.where(metro & (opens > base), opens + delay, opens)
    closes = np.where(metro & (closes > base) & (closes < _NEVER), closes + delay, closes)
    return (opens <= year) & (year < closes)


_NEVER = 9999
"""Close year of a pattern without an end (see TransitNetwork)."""


def line_headway_min(transit: TransitNetwork, inputs: Inputs, period: Period) -> F64:
    """Minutes between departures of each line, levers applied; infinite where it does not run [min]."""
    factor = np.where(
        transit.line_mode == TransitMode.METRO,
        inputs["transit.metro_headway_factor"],
        inputs["transit.bus_headway_factor"],
    )
    headway: F64 = transit.line_headway_min[:, period] * factor
    return headway


def build_transit_service(
    city: City, inputs: Inputs, *, year: int, period: Period, option: TransitOption
) -> TransitService:
    """Compile the calls that run in a year and period, their walks, and the walks from zones.

    Parameters
    ----------
    city
        Zones and transit network.
    inputs
        Read: the ``transit.`` paths of access, headway factors and opening delay.
    year
        Calendar year.
    period
        Period of the day.
    option
        Which lines may be used.

    Returns
    -------
    TransitService
        Ready for ``assign_transit``. A service without any call is valid: every pair is unreachable.

    Raises
    ------
    NetworkError
        If a headway is not positive, or a pattern has fewer than two calls.
    """
    transit = city.transit
    headway = line_headway_min(transit, inputs, period)
    allowed = np.isin(transit.line_mode, OPTION_MODES[option]) & np.isfinite(headway)
    runs = pattern_runs(transit, inputs, year) & allowed[transit.pattern_line]
    count = np.diff(transit.pattern_indptr)
    _check(transit, headway, runs, count)
    pattern_of_call = np.repeat(np.arange(transit.n_patterns, dtype=np.int32), count)
    call = np.flatnonzero(runs[pattern_of_call]).astype(np.int32)
    stop, call_stop = np.unique(transit.stop[call], return_inverse=True)
    line = transit.pattern_line[pattern_of_call[call]]
    follows = _next_calls(transit.stop[call], pattern_of_call[call])
    walk_from, walk_to, walk_min = _transfers(transit, stop, inputs)
    segment_m = _mean_segment_m(
        call_stop.astype(np.int32), follows, transit.segment_length_m[call], len(stop)
    )
    access = _access(city.zones, transit, stop, segment_m, inputs)
    graph = build_graph(
        call_stop.astype(np.int32),
        follows,
        transit.line_mode[line] == TransitMode.METRO,
        transit.segment_length_m[call] / 1000,
        n_stops=len(stop),
        walks=(walk_from, walk_to, walk_min),
        access=access,
    )
    return TransitService(
        year, period, option, graph, call, stop.astype(np.int32), headway[line], len(transit.stop), inputs
    )


def _check(transit: TransitNetwork, headway: F64, runs: Bool, count: I64) -> None:
    """Refuse headways that are not positive and patterns that lead nowhere."""
    faults = [
        Fault("transit", f"line {transit.line_name_en[k]} headway", "positive minutes", repr(headway[k]))
        for k in np.flatnonzero(~(headway > 0))
    ]
    faults += [
        Fault("transit", f"pattern {k}", "two calls or more", str(count[k]))
        for k in np.flatnonzero(runs & (count < 2))
    ]
    if faults:
        raise NetworkError(faults)


def _next_calls(stop: I32, pattern: I32) -> I32:
    """Call where the segment leaving each call arrives; a loop's last segment arrives at its first call."""
    n = len(stop)
    follows = np.full(n, -1, np.int32)
    if n == 0:
        return follows
    last = np.append(pattern[1:] != pattern[:-1], True)
    follows[~last] = np.flatnonzero(~last).astype(np.int32) + 1
    end = np.flatnonzero(last)
    start = np.append(0, end[:-1] + 1)
    loop = (stop[start] == stop[end]) & (end - start >= 2)
    # The closing call is the same moment as the first one: riders stay on board over the seam.
    follows[end[loop] - 1] = start[loop]
    return follows


def build_graph(
    call_stop: I32,
    call_next: I32,
    call_metro: Bool,
    call_km: F64,
    *,
    n_stops: int,
    walks: tuple[I32, I32, F64],
    access: tuple[I32, I32, F64, int],
) -> TransitGraph:
    """Arrays of the kernels from calls, walks between stops and walks from zones.

    Parameters
    ----------
    call_stop, call_next, call_metro, call_km
        Stop, following call (-1: none), submode and segment length [km] of each call.
    n_stops
        Number of stops.
    walks
        From, to and time [min] of walks between stops.
    access
        Zone (ascending), stop and time [min] of walks between zones and stops; number of zones.

    Returns
    -------
    TransitGraph
        The compiled arrays.
    """
    call_prev = np.full(len(call_stop), -1, np.int32)
    leaves = np.flatnonzero(call_next >= 0)
    call_prev[call_next[leaves]] = leaves
    by_stop = np.argsort(call_stop, kind="stable").astype(np.int32)
    walk_from, walk_to, walk_min = walks
    by_end = np.argsort(walk_to, kind="stable")
    zone, access_stop, access_min, n_zones = access
    return TransitGraph(
        call_stop=call_stop,
        call_next=call_next,
        call_prev=call_prev,
        call_metro=call_metro,
        call_km=call_km,
        stop_indptr=_indptr(call_stop, n_stops),
        stop_call=by_stop,
        walk_indptr=_indptr(walk_to, n_stops),
        walk_from=walk_from[by_end],
        walk_min=walk_min[by_end],
        access_indptr=_indptr(zone, n_zones),
        access_stop=access_stop,
        access_min=access_min,
    )


def _indptr(owner: NDArray[np.integer], n: int) -> I32:
    """Row pointers of a table grouped by owner."""
    return np.append(0, np.cumsum(np.bincount(owner, minlength=n))).astype(np.int32)


def _transfers(transit: TransitNetwork, stop: NDArray[np.integer], inputs: Inputs) -> tuple[I32, I32, F64]:
    """Walks between compiled stops: from, to, minutes."""
    row = np.full(transit.n_stops, -1, np.int32)
    row[stop] = np.arange(len(stop))
    start, end = row[transit.transfer_from], row[transit.transfer_to]
    keep = (start >= 0) & (end >= 0)
    minutes = transit.transfer_walk_m[keep] / _metres_per_minute(inputs)
    return start[keep], end[keep], minutes


def _metres_per_minute(inputs: Inputs) -> float:
    """Walking speed [m/min]."""
    return inputs["transit.access_speed_kmh"] * 1000 / 60


def _access(
    zones: Zones, transit: TransitNetwork, stop: NDArray[np.integer], segment_m: F64, inputs: Inputs
) -> tuple[I32, I32, F64, int]:
    """Walks between zones and stops of both submodes: zone (ascending), stop, minutes; number of zones."""
    people = zones.residents + zones.jobs
    settled_m2 = np.minimum(zones.area_m2, people / inputs["transit.settled_density_km2"] * 1e6)
    zone_part, stop_part, min_part = [], [], []
    for mode in TransitMode:
        name = mode.name.lower()
        mine = np.flatnonzero(transit.stop_mode[stop] == mode)
        if len(mine) == 0:
            continue
        reach_m = inputs[f"transit.{name}_access_max_m"]
        if mode is TransitMode.BUS:
            stops = np.maximum(1.0, segment_m[mine] / inputs["transit.bus_stop_spacing_m"])
            around_m = np.where(stops > 1, np.minimum(segment_m[mine] / 2, reach_m), 0.0)
        else:
            stops = _share_of_station(transit, stop[mine])
            around_m = np.zeros(len(mine))
        distance = np.hypot(
            zones.x_m[:, None] - transit.stop_x_m[stop[mine]],
            zones.y_m[:, None] - transit.stop_y_m[stop[mine]],
        )
        walk_m, kept = access_distance_m(
            distance,
            settled_m2,
            inputs[f"transit.{name}_choice_share"] * stops,
            around_m,
            reach_m=reach_m,
            limit_m=inputs["transit.access_limit_m"],
        )
        zone, k = np.nonzero(kept)
        zone_part.append(zone)
        stop_part.append(mine[k])
        min_part.append(walk_m[zone, k] * inputs["transit.walk_detour"] / _metres_per_minute(inputs))
    if not zone_part:
        return np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0), len(zones)
    zone_all = np.concatenate(zone_part)
    order = np.argsort(zone_all, kind="stable")
    return (
        zone_all[order].astype(np.int32),
        np.concatenate(stop_part)[order].astype(np.int32),
        np.concatenate(min_part)[order],
        len(zones),
    )


def _share_of_station(transit: TransitNetwork, stop: NDArray[np.integer]) -> F64:
    """Part of a station that each platform is: one over the platforms of the same name."""
    if not transit.stop_name_zh:
        return np.ones(len(stop))
    name = np.array([transit.stop_name_zh[s] for s in stop])
    _, station, count = np.unique(name, return_inverse=True, return_counts=True)
    return 1.0 / count[station]


def _mean_segment_m(call_stop: I32, call_next: I32, length_m: F64, n_stops: int) -> F64:
    """Mean length of the segments that leave or reach each stop [m]; 0 without any."""
    go = np.flatnonzero(call_next >= 0)
    ends = np.concatenate([call_stop[go], call_stop[call_next[go]]])
    total = np.bincount(ends, np.tile(length_m[go], 2), n_stops)
    return total / np.maximum(np.bincount(ends, minlength=n_stops), 1)


def access_distance_m(
    distance_m: F64, settled_m2: F64, stops: F64, around_m: F64, *, reach_m: float, limit_m: float
) -> tuple[F64, Bool]:
    """Walking distance between zones and stops of one submode, before the detour, and which walks are kept.

    Parameters
    ----------
    distance_m
        Straight distance from zone centres to stops, shape (zones, stops) [m].
    settled_m2
        Settled area of each zone [m2].
    stops
        Equally good stops that each stop counts for.
    around_m
        Distance over which each stop stands for unlisted ones [m].
    reach_m
        Stops within this distance are kept.
    limit_m
        Beyond the reach, the nearest stop is kept if it is within this distance.

    Returns
    -------
    tuple of F64 and Bool
        Distance [m] and whether the walk is kept, each of shape (zones, stops).

    Notes
    -----
    Mean distance in a disc to its centre: 2/3 R. Mean distance to the nearest of n points spread at random
    over an area A: 1/2 sqrt(A / n) (Clark and Evans 1954). Mean distance to a line that passes at random
    direction through a point at distance r: 2/pi r.
    """
    radius = np.sqrt(settled_m2 / np.pi)[:, None]
    inside = distance_m <= radius
    n = np.maximum(1.0, inside @ stops)
    spread = np.minimum(2 / 3 * radius[:, 0], 0.5 * np.sqrt(settled_m2 / n))[:, None]
    passing = np.where(distance_m <= around_m, np.maximum(2 / np.pi * distance_m, spread), distance_m)
    walk_m = np.where(inside, spread, passing)
    kept = (distance_m <= reach_m) | inside
    nearest = distance_m.argmin(axis=1)
    rows = np.arange(len(distance_m))
    kept[rows, nearest] |= distance_m[rows, nearest] <= limit_m
    return walk_m, kept
