"""What the tables of a city folder must hold: columns, types, ranges, references."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transport_abm.core.vocabulary import LinkClass, Period, TransitMode
from transport_abm.networks.city import City, Districts, Fares, Outlines, RoadNetwork, TransitNetwork, Zones

Values = NDArray[np.generic] | tuple[str, ...]
Table = Mapping[str, Values]
Tables = Mapping[str, Table]

_INFINITE = float("inf")
_MAX_YEAR = 9999


@dataclass(frozen=True)
class Column:
    """One column: its type, the range of its values, and the table whose rows it names."""

    name: str
    kind: str
    low: float = -_INFINITE
    high: float = _INFINITE
    refers: str = ""
    """File whose rows the values number."""
    above: bool = False
    """True if ``low`` itself is not allowed."""
    infinite: bool = False
    """True if infinity is allowed."""


def _text(name: str) -> Column:
    """Return a column of text."""
    return Column(name, "text")


def _real(
    name: str,
    low: float = -_INFINITE,
    high: float = _INFINITE,
    *,
    above: bool = False,
    infinite: bool = False,
) -> Column:
    """Return a column of 64-bit reals."""
    return Column(name, "float64", low, high, above=above, infinite=infinite)


def _row(name: str, kind: str, refers: str) -> Column:
    """Return a column that names rows of another table."""
    return Column(name, kind, 0, refers=refers)


def _count(name: str, low: int = 0) -> Column:
    """Return a column that counts rows of the flat table that follows."""
    return Column(name, "int64", low, 2**40)


_PLACE = (
    _real("lon", -180, 180),
    _real("lat", -90, 90),
)
_POINT = (*_PLACE, _real("x_m"), _real("y_m"))
_YEAR = Column("open_year", "int16", 0, _MAX_YEAR)
_HEADWAY = tuple(f"headway_{period.name.lower()}_min" for period in Period)

SCHEMA: dict[str, tuple[Column, ...]] = {
    "districts.parquet": (_text("name_en"), _text("name_zh"), Column("central", "bool")),
    "district_outlines.parquet": (_row("owner", "int32", "districts.parquet"), _count("points", 3)),
    "district_points.parquet": _PLACE,
    "zones.parquet": (
        _text("name"),
        _row("district", "int16", "districts.parquet"),
        Column("ring", "int8", 2, 7),
        *_POINT,
        _real("area_m2", 0, 1e12, above=True),
        _real("residents", 0, 1e9),
        _real("jobs", 0, 1e9),
        _real("school_places", 0, 1e9),
        _row("node", "int32", "nodes.parquet"),
    ),
    "zone_outlines.parquet": (_row("owner", "int32", "zones.parquet"), _count("points", 3)),
    "zone_points.parquet": _PLACE,
    "nodes.parquet": _POINT,
    "links.parquet": (
        _row("tail", "int32", "nodes.parquet"),
        _row("head", "int32", "nodes.parquet"),
        _real("length_m", 0, 1e6, above=True),
        Column("link_class", "int8", 0, len(LinkClass) - 1),
        Column("lanes", "float32", 0, 50),
        _real("capacity_pcuh", 0, 1e6),
        _real("free_speed_kmh", 0, 1e3),
        Column("ring", "int8", 2, 7),
        Column("drive", "bool"),
        Column("walk", "bool"),
        _YEAR,
        _count("points"),
    ),
    "link_names.parquet": (_text("name"),),
    "turns.parquet": (
        _row("from_link", "int32", "links.parquet"),
        _row("node", "int32", "nodes.parquet"),
        _row("to_link", "int32", "links.parquet"),
    ),
    "link_points.parquet": _PLACE,
    "stops.parquet": (
        _text("name_en"),
        _text("name_zh"),
        *_POINT,
        Column("mode", "int8", 0, len(TransitMode) - 1),
    ),
    "lines.parquet": (
        _text("name_en"),
        _text("name_zh"),
        Column("mode", "int8", 0, len(TransitMode) - 1),
        _real("vehicle_capacity", 0, 1e5, above=True),
        _real("vehicle_seats", 0, 1e5),
        *(_real(name, 0, above=True, infinite=True) for name in _HEADWAY),
    ),
    "patterns.parquet": (
        _row("line", "int32", "lines.parquet"),
        _YEAR,
        Column("close_year", "int16", 0, _MAX_YEAR),
        _count("calls", 1),
    ),
    "calls.parquet": (
        _row("stop", "int32", "stops.parquet"),
        _real("segment_length_m", 0, 1e7),
        _real("segment_time_s", 0, 1e6),
        _count("road_links"),
    ),
    "call_links.parquet": (_row("link", "int32", "links.parquet"),),
    "transfers.parquet": (
        _row("from_stop", "int32", "stops.parquet"),
        _row("to_stop", "int32", "stops.parquet"),
        _real("walk_m", 0, 1e6),
    ),
}
"""Columns of every table of a city folder, by file."""

OPTIONAL = frozenset({"turns.parquet"})
"""Tables that a folder has only where they hold something."""

COUNTED: tuple[tuple[str, str, str], ...] = (
    ("district_outlines.parquet", "points", "district_points.parquet"),
    ("zone_outlines.parquet", "points", "zone_points.parquet"),
    ("links.parquet", "points", "link_points.parquet"),
    ("patterns.parquet", "calls", "calls.parquet"),
    ("calls.parquet", "road_links", "call_links.parquet"),
)
"""A column of counts, and the flat table whose rows it shares out."""


def _indptr_count(indptr: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many rows each owner has."""
    return np.diff(indptr).astype(np.int64)


def _count_indptr(count: Values) -> NDArray[np.int64]:
    """Return where the rows of each owner start."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(np.asarray(count), dtype=np.int64)])


def _outline_tables(outlines: Outlines) -> tuple[Table, Table]:
    """Return the two tables of a set of outlines."""
    rows: Table = {"owner": outlines.owner, "points": _indptr_count(outlines.indptr)}
    return rows, {"lon": outlines.lon, "lat": outlines.lat}


def city_tables(city: City) -> Tables:
    """Lay a city out as flat tables, one for each file of its folder.

    Parameters
    ----------
    city
        The city.

    Returns
    -------
    Tables
        Columns by name, by file.
    """
    districts, zones, roads, transit = city.districts, city.zones, city.roads, city.transit
    headway = np.asarray(transit.line_headway_min, np.float64).reshape(len(transit.line_mode), len(Period))
    district_outlines, district_points = _outline_tables(districts.outlines)
    zone_outlines, zone_points = _outline_tables(zones.outlines)
    point = ("lon", "lat", "x_m", "y_m")
    turns: Tables = {}
    if len(roads.turn_from) or len(roads.turn_to):
        # A turn from a link that is not there has no node; the reference is reported with the rest.
        known = np.clip(roads.turn_from, 0, max(roads.n_links - 1, 0))
        turns = {
            "turns.parquet": {
                "from_link": roads.turn_from, "node": roads.head[known].astype(np.int32), "to_link": roads.turn_to
            }
        }  # fmt: skip
    return {
        "districts.parquet": {name: getattr(districts, name) for name in ("name_en", "name_zh", "central")},
        "district_outlines.parquet": district_outlines,
        "district_points.parquet": district_points,
        "zones.parquet": {column.name: getattr(zones, column.name) for column in SCHEMA["zones.parquet"]},
        "zone_outlines.parquet": zone_outlines,
        "zone_points.parquet": zone_points,
        "nodes.parquet": {name: getattr(roads, f"node_{name}") for name in point},
        "links.parquet": {
            column.name: getattr(roads, column.name)
            for column in SCHEMA["links.parquet"]
            if column.name != "points"
        }
        | {"points": _indptr_count(roads.shape_indptr)},
        "link_names.parquet": {"name": roads.name},
        **turns,
        "link_points.parquet": {"lon": roads.shape_lon, "lat": roads.shape_lat},
        "stops.parquet": {
            column.name: getattr(transit, f"stop_{column.name}") for column in SCHEMA["stops.parquet"]
        },
        "lines.parquet": {
            column.name: getattr(transit, f"line_{column.name}")
            for column in SCHEMA["lines.parquet"]
            if column.name not in _HEADWAY
        }
        | {name: np.ascontiguousarray(headway[:, k]) for k, name in enumerate(_HEADWAY)},
        "patterns.parquet": {
            "line": transit.pattern_line,
            "open_year": transit.open_year,
            "close_year": transit.close_year,
            "calls": _indptr_count(transit.pattern_indptr),
        },
        "calls.parquet": {
            "stop": transit.stop,
            "segment_length_m": transit.segment_length_m,
            "segment_time_s": transit.segment_time_s,
            "road_links": _indptr_count(transit.road_indptr),
        },
        "call_links.parquet": {"link": transit.road_link},
        "transfers.parquet": {
            "from_stop": transit.transfer_from,
            "to_stop": transit.transfer_to,
            "walk_m": transit.transfer_walk_m,
        },
    }


def _outlines(rows: Table, points: Table) -> dict[str, object]:
    """Return the fields of a set of outlines."""
    return {"owner": rows["owner"], "indptr": _count_indptr(rows["points"]), **points}


def tables_city(tables: Tables, name: str, crs: str, fares: Fares, meta: Mapping[str, object]) -> City:
    """Build a city from its flat tables, which must be free of faults.

    Parameters
    ----------
    tables
        Columns by name, by file.
    name, crs
        Name and projected CRS of the city.
    fares
        Fare rules.
    meta
        What the city says about itself: date, sources, licence.

    Returns
    -------
    City
        The city.
    """

    def build(kind: type, **fields: object) -> object:
        return kind(**fields)

    districts = build(
        Districts,
        **tables["districts.parquet"],
        outlines=Outlines(
            **_outlines(tables["district_outlines.parquet"], tables["district_points.parquet"])  # type: ignore[arg-type]
        ),
    )
    zones = build(
        Zones,
        **tables["zones.parquet"],
        outlines=Outlines(**_outlines(tables["zone_outlines.parquet"], tables["zone_points.parquet"])),  # type: ignore[arg-type]
    )
    links, turns = dict(tables["links.parquet"]), tables.get("turns.parquet", {})
    roads = build(
        RoadNetwork,
        **{f"node_{key}": value for key, value in tables["nodes.parquet"].items()},
        shape_indptr=_count_indptr(links.pop("points")),
        **links,
        **{f"shape_{key}": value for key, value in tables["link_points.parquet"].items()},
        name=tables["link_names.parquet"]["name"],
        **{f"turn_{key}": turns[f"{key}_link"] for key in ("from", "to") if turns},
    )
    lines, calls, patterns = (tables[f"{key}.parquet"] for key in ("lines", "calls", "patterns"))
    headway = np.column_stack([np.asarray(lines[key]) for key in _HEADWAY])
    transit = build(
        TransitNetwork,
        **{f"stop_{key}": value for key, value in tables["stops.parquet"].items()},
        **{f"line_{key}": value for key, value in lines.items() if key not in _HEADWAY},
        line_headway_min=headway.reshape(-1, len(_HEADWAY)),
        pattern_line=patterns["line"],
        pattern_indptr=_count_indptr(patterns["calls"]),
        stop=calls["stop"],
        segment_length_m=calls["segment_length_m"],
        segment_time_s=calls["segment_time_s"],
        road_indptr=_count_indptr(calls["road_links"]),
        road_link=tables["call_links.parquet"]["link"],
        open_year=patterns["open_year"],
        close_year=patterns["close_year"],
        transfer_from=tables["transfers.parquet"]["from_stop"],
        transfer_to=tables["transfers.parquet"]["to_stop"],
        transfer_walk_m=tables["transfers.parquet"]["walk_m"],
    )
    return City(name, crs, districts, zones, roads, transit, fares, meta)  # type: ignore[arg-type]
