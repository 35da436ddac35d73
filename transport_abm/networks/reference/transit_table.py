"""Append stops, lines and patterns one by one, and read them off as the arrays of a transit network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from transport_abm.core.vocabulary import TransitMode
from transport_abm.networks.city import F64, I32, TransitNetwork

OPEN_END_YEAR = 9999
"""Close year of a pattern without an end."""

_STOP_COLUMNS = ("stop_name_en", "stop_name_zh", "stop_lon", "stop_lat", "stop_x_m", "stop_y_m", "stop_mode")
_LINE_COLUMNS = ("line_name_en", "line_name_zh", "line_mode", "line_vehicle_capacity", "line_vehicle_seats")
_FLAT_COLUMNS = ("segment_length_m", "segment_time_s", "open_year", "close_year", "transfer_walk_m")


@dataclass(frozen=True)
class Line:
    """One line: names, mode, places and seats of one train or bus, headway by period [min]."""

    name_en: str
    name_zh: str
    mode: TransitMode
    places: float
    seats: float
    headway_min: Sequence[float]


@dataclass(frozen=True)
class Pattern:
    """Calls of one direction of a line, in order; segment ``k`` joins call ``k`` to ``k + 1``."""

    line: int
    stop: Sequence[int]
    length_m: Sequence[float]
    time_s: Sequence[float]
    road: Sequence[Sequence[int]]
    open_year: int
    close_year: int = OPEN_END_YEAR


@dataclass
class TransitTable:
    """Growing lists of stops (name_en, name_zh, lon, lat, x_m, y_m), lines and patterns."""

    mode: TransitMode
    stop: list[tuple[str, str, float, float, float, float]] = field(default_factory=list)
    line: list[Line] = field(default_factory=list)
    pattern: list[Pattern] = field(default_factory=list)

    def network(self) -> TransitNetwork:
        """Lay the lists out as a transit network without transfers.

        Returns
        -------
        TransitNetwork
            One row for each stop, line and pattern, in the order of the lists.
        """
        name_en, name_zh, *point = zip(*self.stop, strict=True) if self.stop else ((),) * 6
        lon, lat, x_m, y_m = (np.array(column, np.float64) for column in point)
        road = [links for pattern in self.pattern for links in (*pattern.road, ())]
        ends = np.cumsum([0] + [len(pattern.stop) for pattern in self.pattern])
        return TransitNetwork(
            stop_name_en=tuple(map(str, name_en)),
            stop_name_zh=tuple(map(str, name_zh)),
            stop_lon=lon,
            stop_lat=lat,
            stop_x_m=x_m,
            stop_y_m=y_m,
            stop_mode=np.full(len(self.stop), self.mode, np.int8),
            line_name_en=tuple(line.name_en for line in self.line),
            line_name_zh=tuple(line.name_zh for line in self.line),
            line_mode=np.array([line.mode for line in self.line], np.int8),
            line_vehicle_capacity=np.array([line.places for line in self.line], np.float64),
            line_vehicle_seats=np.array([line.seats for line in self.line], np.float64),
            line_headway_min=np.array([line.headway_min for line in self.line], np.float64).reshape(-1, 4),
            pattern_line=np.array([pattern.line for pattern in self.pattern], np.int32),
            pattern_indptr=ends.astype(np.int64),
            stop=np.array([stop for pattern in self.pattern for stop in pattern.stop], np.int32),
            segment_length_m=np.array([v for p in self.pattern for v in (*p.length_m, 0.0)], np.float64),
            segment_time_s=np.array([v for p in self.pattern for v in (*p.time_s, 0.0)], np.float64),
            road_indptr=np.cumsum([0] + [len(links) for links in road]).astype(np.int64),
            road_link=np.array([link for links in road for link in links], np.int32),
            open_year=np.array([pattern.open_year for pattern in self.pattern], np.int16),
            close_year=np.array([pattern.close_year for pattern in self.pattern], np.int16),
            transfer_from=np.zeros(0, np.int32),
            transfer_to=np.zeros(0, np.int32),
            transfer_walk_m=np.zeros(0, np.float64),
        )


def join_networks(first: TransitNetwork, second: TransitNetwork) -> TransitNetwork:
    """Put the stops, lines, patterns and transfers of a second network behind those of a first.

    Parameters
    ----------
    first, second
        Two networks over the same road network.

    Returns
    -------
    TransitNetwork
        Rows of ``first``, then those of ``second`` with their references shifted.
    """
    row: dict[str, object] = {}
    for name in (*_STOP_COLUMNS, *_LINE_COLUMNS, *_FLAT_COLUMNS, "line_headway_min", "road_link"):
        a, b = getattr(first, name), getattr(second, name)
        row[name] = a + b if isinstance(a, tuple) else np.concatenate([a, b])
    for name, shift in (
        ("pattern_line", first.n_lines),
        ("stop", first.n_stops),
        ("transfer_from", first.n_stops),
        ("transfer_to", first.n_stops),
    ):
        row[name] = np.concatenate([getattr(first, name), getattr(second, name) + np.int32(shift)])
    for name in ("pattern_indptr", "road_indptr"):
        a, b = getattr(first, name), getattr(second, name)
        row[name] = np.concatenate([a, b[1:] + a[-1]])
    return replace(first, **row)  # type: ignore[arg-type]


def with_transfers(network: TransitNetwork, pair: I32, walk_m: F64) -> TransitNetwork:
    """Set the transfers of a network, both ways.

    Parameters
    ----------
    network
        The network.
    pair
        Rows of two stops, shape (pairs, 2), each pair once.
    walk_m
        Walking distance of each pair [m].

    Returns
    -------
    TransitNetwork
        The network with ``2 * pairs`` transfers, ordered by stop.
    """
    both = np.concatenate([pair, pair[:, ::-1]]).reshape(-1, 2)
    walk = np.concatenate([walk_m, walk_m]).astype(np.float64)
    order = np.lexsort((both[:, 1], both[:, 0]))
    return replace(
        network,
        transfer_from=both[order, 0].astype(np.int32),
        transfer_to=both[order, 1].astype(np.int32),
        transfer_walk_m=walk[order],
    )
