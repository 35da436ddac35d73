"""A city of 12 zones that fits on a page: a grid of streets, a metro line and two bus lines."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from transport_abm.core.vocabulary import LinkClass, TransitMode
from transport_abm.networks.city import (
    F64,
    City,
    Districts,
    Fares,
    Outlines,
    RoadNetwork,
    TransitNetwork,
    Zones,
)

COLUMNS, ROWS = 7, 6
SPACING_M = 1000.0
"""Distance between neighbouring nodes of the grid [m]."""
_WEST_X_M, _SOUTH_Y_M = 446_000.0, 4_417_000.0


def _lon_lat(x_m: F64, y_m: F64) -> tuple[F64, F64]:
    """Turn metres into degrees; a plane is good enough for a city of 6 km."""
    return 116.37 + (x_m - _WEST_X_M) / 85_300, 39.90 + (y_m - _SOUTH_Y_M) / 111_030


def _boxes(x_m: F64, y_m: F64, half_x_m: float, half_y_m: float) -> Outlines:
    """Rectangles around centres."""
    corner_x = (x_m[:, None] + half_x_m * np.array([-1, 1, 1, -1, -1])).ravel()
    corner_y = (y_m[:, None] + half_y_m * np.array([-1, -1, 1, 1, -1])).ravel()
    lon, lat = _lon_lat(corner_x, corner_y)
    return Outlines(
        np.arange(len(x_m), dtype=np.int32), np.arange(len(x_m) + 1, dtype=np.int64) * 5, lon, lat
    )


def _roads() -> RoadNetwork:
    """A grid of two-way streets; the middle row is an expressway, the middle column a primary road."""
    column, row = (grid.ravel() for grid in np.meshgrid(np.arange(float(COLUMNS)), np.arange(float(ROWS))))
    x_m, y_m = _WEST_X_M + column * SPACING_M, _SOUTH_Y_M + row * SPACING_M
    pairs = [(n, n + 1) for n in range(COLUMNS * ROWS) if (n + 1) % COLUMNS]
    pairs += [(n, n + COLUMNS) for n in range(COLUMNS * (ROWS - 1))]
    both = np.array(sorted(pairs + [(b, a) for a, b in pairs]), np.int32)
    tail, head = both[:, 0].copy(), both[:, 1].copy()
    along_row = row[tail] == row[head]
    link_class = np.full(len(tail), LinkClass.SECONDARY, np.int8)
    link_class[~along_row & (column[tail] == COLUMNS // 2)] = LinkClass.PRIMARY
    link_class[along_row & (row[tail] == ROWS // 2)] = LinkClass.EXPRESSWAY
    lanes = np.array([0, 3, 2, 2], np.float32)[link_class]
    lon, lat = _lon_lat(x_m, y_m)
    return RoadNetwork(
        node_lon=lon, node_lat=lat, node_x_m=x_m, node_y_m=y_m, tail=tail, head=head,
        length_m=np.full(len(tail), SPACING_M), link_class=link_class, lanes=lanes,
        capacity_pcuh=lanes.astype(np.float64) * np.array([0.0, 1950.0, 900.0, 700.0])[link_class],
        free_speed_kmh=np.array([0.0, 80.0, 55.0, 45.0])[link_class],
        ring=np.where(np.maximum(abs(column[tail] - 3), abs(row[tail] - 3)) <= 1, 2, 3).astype(np.int8),
        drive=np.ones(len(tail), bool), walk=link_class != LinkClass.EXPRESSWAY,
        open_year=np.zeros(len(tail), np.int16),
        shape_indptr=np.arange(len(tail) + 1, dtype=np.int64) * 2,
        shape_lon=lon[both].ravel(), shape_lat=lat[both].ravel(),
    )  # fmt: skip


def _zones() -> Zones:
    """Four columns and three rows of zones; the two western columns are the central district."""
    column, row = (grid.ravel() for grid in np.meshgrid(np.arange(4.0), np.arange(3.0), indexing="ij"))
    x_m, y_m = _WEST_X_M + 750 + 1500 * column, _SOUTH_Y_M + 833 + 1667 * row
    lon, lat = _lon_lat(x_m, y_m)
    node = np.rint((y_m - _SOUTH_Y_M) / SPACING_M) * COLUMNS + np.rint((x_m - _WEST_X_M) / SPACING_M)
    residents = np.array([900, 1100, 800, 1000, 700, 900, 600, 500, 600, 400, 300, 200], np.float64)
    jobs = np.array([300, 500, 300, 900, 1400, 800, 200, 200, 100, 50, 150, 100], np.float64)
    return Zones(
        name=tuple(f"zone {k}" for k in range(12)), district=(column // 2).astype(np.int16),
        ring=np.where(column < 2, 2, 3).astype(np.int8), lon=lon, lat=lat, x_m=x_m, y_m=y_m,
        area_m2=np.full(12, 1500.0 * 1667.0), residents=residents, jobs=jobs,
        school_places=np.rint(residents * 0.2),
        node=node.astype(np.int32), outlines=_boxes(x_m, y_m, 750, 833.5),
    )  # fmt: skip


def _transit(roads: RoadNetwork) -> TransitNetwork:
    """A metro along row 3 with four stations, a bus along row 1 and a bus along column 4."""
    paths = [
        [3 * COLUMNS + c for c in (0, 2, 4, 6)],
        [COLUMNS + c for c in range(7)],
        [r * COLUMNS + 4 for r in range(6)],
    ]
    place = [node for path in paths for node in path]
    first = np.cumsum([0] + [len(path) for path in paths])
    link = {(int(a), int(b)): k for k, (a, b) in enumerate(zip(roads.tail, roads.head, strict=True))}
    stop: list[int] = []
    length: list[float] = []
    time: list[float] = []
    road: list[int] = []
    road_count: list[int] = []
    indptr = [0]
    for number in range(len(paths)):
        stops = list(range(first[number], first[number + 1]))
        for order in (stops, stops[::-1]):
            for here, there in zip(order, [*order[1:], None], strict=True):
                stop.append(here)
                metro_length = 0.0 if there is None else 2 * SPACING_M
                length.append(metro_length if number == 0 else metro_length / 2)
                time.append(150.0 if number == 0 and there is not None else 0.0)
                on_road = number > 0 and there is not None
                road_count.append(int(on_road))
                if on_road and there is not None:
                    road.append(link[place[here], place[there]])
            indptr.append(len(stop))
    near = [(0, 10), (2, 14), (2, 8)]
    x_m, y_m = roads.node_x_m[place], roads.node_y_m[place]
    near += [(a, b) for a in range(11) for b in range(11, 17) if place[a] == place[b] and (a, b) not in near]
    transfer = np.array(sorted({pair for a, b in near for pair in ((a, b), (b, a))}), np.int32)
    walk_m = (
        np.hypot(x_m[transfer[:, 0]] - x_m[transfer[:, 1]], y_m[transfer[:, 0]] - y_m[transfer[:, 1]]) + 100
    )
    keep = walk_m <= 600
    return TransitNetwork(
        stop_name_en=tuple(f"stop {k}" for k in range(len(place))),
        stop_name_zh=tuple(f"站{k}" for k in range(len(place))),
        stop_lon=roads.node_lon[place], stop_lat=roads.node_lat[place], stop_x_m=x_m, stop_y_m=y_m,
        stop_mode=np.array([TransitMode.METRO] * 4 + [TransitMode.BUS] * 13, np.int8),
        line_name_en=("Line 1", "Bus 1", "Bus 2"), line_name_zh=("1号线", "1路", "2路"),
        line_mode=np.array([TransitMode.METRO, TransitMode.BUS, TransitMode.BUS], np.int8),
        line_vehicle_capacity=np.array([1460.0, 80.0, 80.0]),
        line_vehicle_seats=np.array([250.0, 30.0, 30.0]),
        line_headway_min=np.array([[3.0, 6.0, 3.0, 10.0], [6.0, 10.0, 6.0, 20.0], [8.0, 12.0, 8.0, np.inf]]),
        pattern_line=np.array([0, 0, 1, 1, 2, 2], np.int32), pattern_indptr=np.array(indptr, np.int64),
        stop=np.array(stop, np.int32), segment_length_m=np.array(length), segment_time_s=np.array(time),
        road_indptr=np.concatenate([[0], np.cumsum(road_count)]).astype(np.int64),
        road_link=np.array(road, np.int32),
        open_year=np.zeros(6, np.int16), close_year=np.full(6, 9999, np.int16),
        transfer_from=transfer[keep, 0].copy(), transfer_to=transfer[keep, 1].copy(),
        transfer_walk_m=walk_m[keep],
    )  # fmt: skip


@lru_cache(maxsize=1)
def tiny_city() -> City:
    """Two districts (the first is central), 12 zones, 42 nodes, 142 links, 3 transit lines."""
    roads = _roads()
    box_x = _WEST_X_M + np.array([1500.0, 4500.0])
    box_y = np.full(2, _SOUTH_Y_M + 2500.0)
    districts = Districts(
        ("Inner", "Outer"), ("内区", "外区"), np.array([True, False]), _boxes(box_x, box_y, 1500, 2500)
    )
    fares = Fares(
        np.array([6.0, 12.0, 22.0, 32.0]),
        np.array([3.0, 4.0, 5.0, 6.0]),
        20.0,
        2.0,
        10.0,
        5.0,
        0.5,
        13.0,
        3.0,
        2.3,
    )
    meta = {"date": "2026-06-30", "sources": ["drawn by hand"], "licence": "Apache-2.0"}
    return City("tiny", "EPSG:32650", districts, _zones(), roads, _transit(roads), fares, meta)
