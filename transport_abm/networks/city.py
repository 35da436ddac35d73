"""The tables of a city: districts, zones, roads and transit, as arrays.

Coordinates are WGS 84 (``lon``, ``lat``) and metres in the city's projected CRS (``x_m``, ``y_m``).
Rows are numbered from 0 in every table; other tables refer to rows, never to names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

I8 = NDArray[np.int8]
I16 = NDArray[np.int16]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class Outlines:
    """Polygon outlines as flat arrays: outline ``k`` belongs to row ``owner[k]``, points ``indptr[k]:indptr[k+1]``.

    Parts of a multipolygon are several outlines with one owner. Holes are not kept.
    """

    owner: I32
    indptr: I64
    lon: F64
    lat: F64


@dataclass(frozen=True)
class Districts:
    """Administrative districts."""

    name_en: tuple[str, ...]
    name_zh: tuple[str, ...]
    central: Bool
    """True for the districts of the central city (the domain of the green-trip share)."""
    outlines: Outlines


@dataclass(frozen=True)
class Zones:
    """Model zones, rows grouped by district."""

    name: tuple[str, ...]
    district: I16
    """Row of the district."""
    ring: I8
    """Innermost ring road that contains the zone's centre (2-6); 7 beyond the 6th."""
    lon: F64
    lat: F64
    x_m: F64
    y_m: F64
    area_m2: F64
    residents: F64
    """Residents in the base year [persons]."""
    jobs: F64
    """Work places in the base year [jobs]."""
    school_places: F64
    """Pupils and students the zone's schools hold [persons]."""
    node: I32
    """Road node through which the zone's car trips enter and leave."""
    outlines: Outlines

    def __len__(self) -> int:
        return len(self.district)


@dataclass(frozen=True)
class RoadNetwork:
    """Directed road links between nodes."""

    node_lon: F64
    node_lat: F64
    node_x_m: F64
    node_y_m: F64
    tail: I32
    head: I32
    length_m: F64
    link_class: I8
    lanes: F32
    """Lanes in the link's direction."""
    capacity_pcuh: F64
    """Capacity of the link, all lanes [pcu/h]."""
    free_speed_kmh: F64
    ring: I8
    """Innermost ring road that contains the link's middle (2-6); 7 beyond."""
    drive: Bool
    """Open to motor vehicles."""
    walk: Bool
    """Open to walking and cycling (in both directions)."""
    open_year: I16
    """First year in which the link is open."""
    shape_indptr: I64
    """Shape points of link k: ``shape_lon[shape_indptr[k]:shape_indptr[k+1]]``, ends included."""
    shape_lon: F64
    shape_lat: F64
    name: tuple[str, ...] = ()
    """Name by link, or empty."""
    turn_from: I32 = field(default_factory=lambda: np.empty(0, np.int32))
    """Forbidden turns: the link that is left."""
    turn_to: I32 = field(default_factory=lambda: np.empty(0, np.int32))
    """The link that must not be entered from it; it begins where the other ends."""

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.node_x_m)

    @property
    def n_links(self) -> int:
        """Number of links."""
        return len(self.tail)


@dataclass(frozen=True)
class TransitNetwork:
    """Metro and bus lines.

    A line has patterns (usually one a direction, or one a loop direction); pattern ``p`` calls at stops
    ``stop[pattern_indptr[p]:pattern_indptr[p+1]]`` in order. The segment that *leaves* call ``c`` has length
    ``segment_length_m[c]`` and, for metro, running time with dwell ``segment_time_s[c]``; the last call of a
    pattern carries zeros. Bus segments run on road links ``road_link[road_indptr[c]:road_indptr[c+1]]``.
    """

    stop_name_en: tuple[str, ...]
    stop_name_zh: tuple[str, ...]
    stop_lon: F64
    stop_lat: F64
    stop_x_m: F64
    stop_y_m: F64
    stop_mode: I8
    """TransitMode of the stop."""
    line_name_en: tuple[str, ...]
    line_name_zh: tuple[str, ...]
    line_mode: I8
    """TransitMode of the line."""
    line_vehicle_capacity: F64
    """Seated and standing places of one train or bus [persons]."""
    line_vehicle_seats: F64
    """Seats of one train or bus."""
    line_headway_min: F64
    """Shape (lines, periods): minutes between departures in one direction; infinite where the line does not run."""
    pattern_line: I32
    pattern_indptr: I64
    stop: I32
    segment_length_m: F64
    segment_time_s: F64
    road_indptr: I64
    road_link: I32
    open_year: I16
    """By pattern: first year of service."""
    close_year: I16
    """By pattern: first year without service (9999: none)."""
    transfer_from: I32
    transfer_to: I32
    transfer_walk_m: F64
    """Walking distance between two stops; both directions are listed."""

    @property
    def n_stops(self) -> int:
        """Number of stops."""
        return len(self.stop_x_m)

    @property
    def n_lines(self) -> int:
        """Number of lines."""
        return len(self.line_mode)

    @property
    def n_patterns(self) -> int:
        """Number of patterns."""
        return len(self.pattern_line)


@dataclass(frozen=True)
class Fares:
    """Fare rules: distance bands and flag falls, all in yuan and kilometres."""

    metro_up_to_km: F64
    """Upper ends of the metro's distance bands, ascending; the last is infinite or followed by the step."""
    metro_cny: F64
    """Fare in each band."""
    metro_step_km: float
    """Beyond the last band, one more yuan for each such distance."""
    bus_base_cny: float
    bus_base_km: float
    bus_step_km: float
    """Beyond the base distance, one more yuan for each such distance."""
    bus_card_discount: float
    """Share taken off with a card."""
    taxi_flagfall_cny: float
    taxi_flagfall_km: float
    taxi_cny_km: float


@dataclass(frozen=True)
class City:
    """A city: everything a run needs to know about where it happens."""

    name: str
    crs: str
    """Projected CRS of ``x_m``, ``y_m``."""
    districts: Districts
    zones: Zones
    roads: RoadNetwork
    transit: TransitNetwork
    fares: Fares
    meta: Mapping[str, object] = field(default_factory=dict)
    """Date, sources, licence, digests: what city.toml says beside the tables."""
