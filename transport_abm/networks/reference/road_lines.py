"""Lines of the bundled city's roads: main roads where they run, side roads of expressways, a street grid between.

Main roads are hand-set (``data/roads.csv``). The grid follows Beijing's north-south, east-west pattern: every line
where residents and jobs are dense, every 2nd, 4th or 8th line elsewhere on the plain, none in the mountains.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.stats import binned_statistic_2d

from transport_abm.core.vocabulary import LinkClass
from transport_abm.networks.reference._tables import line_m, settings, table, to_metres
from transport_abm.networks.reference.districts import district_polygons_m
from transport_abm.networks.reference.landuse import LandUse, terrain

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

LIMITED = (LinkClass.MOTORWAY, LinkClass.EXPRESSWAY)
"""Classes that are reached only at interchanges."""


@dataclass(frozen=True)
class RoadLine:
    """A stretch of road in projected metres, both directions."""

    shape: shapely.LineString
    link_class: LinkClass
    lanes: float
    """Lanes in one direction."""
    name: str = ""
    open_year: int = 0
    main: bool = True
    """False for side roads and the street grid."""

    @property
    def limited(self) -> bool:
        """True if the road is reached only at interchanges."""
        return self.link_class in LIMITED


def main_lines() -> list[RoadLine]:
    """Hand-set roads; ring roads are closed."""
    lines = []
    for row in table("roads"):
        xy = line_m(row["points"])
        if row["ring"]:
            xy = np.vstack([xy, xy[:1]])
        kind = LinkClass[row["class"].upper()]
        shape = shapely.LineString(xy)
        lines.append(RoadLine(shape, kind, float(row["lanes"]), row["name_en"], int(row["open_year"])))
    return lines


def side_lines(lines: list[RoadLine], lanes: float) -> list[RoadLine]:
    """Side roads along one side of the urban expressways (their surface streets)."""
    offset = settings()["side_road_m"]
    found = []
    for line in lines:
        if line.link_class is not LinkClass.EXPRESSWAY:
            continue
        if line.shape.is_closed:
            shape = shapely.Polygon(line.shape).buffer(offset, join_style="mitre").exterior
        else:
            shape = line.shape.offset_curve(offset, join_style="mitre")
        found.append(
            RoadLine(
                shapely.LineString(shape), LinkClass.SECONDARY, lanes, f"{line.name}, side road", main=False
            )
        )
    return found


def noise(*number: I64 | int) -> F64:
    """Even numbers in [0, 1) that depend only on whole numbers (SplitMix64 finalizer)."""
    with np.errstate(over="ignore"):
        key = np.uint64(0x9E3779B97F4A7C15)
        for value in number:
            key = (key + np.asarray(value, np.int64).astype(np.uint64)) * np.uint64(0xBF58476D1CE4E5B9)
            key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            key = key ^ (key >> np.uint64(31))
    return np.asarray((key >> np.uint64(11)).astype(np.float64) / 2.0**53)


def _density(land: LandUse, origin: F64, columns: int, rows: int) -> F64:
    """Residents and jobs per km2 in blocks of four grid distances, shape (columns, rows)."""
    block = 4 * settings()["grid_m"]
    edges_x, edges_y = origin[0] + block * np.arange(columns + 1), origin[1] + block * np.arange(rows + 1)
    people = binned_statistic_2d(land.x_m, land.y_m, land.residents + land.jobs, "sum", [edges_x, edges_y])
    return np.asarray(people.statistic) / (block / 1000) ** 2


@dataclass(frozen=True)
class _Grid:
    """The street grid before anything is left out: crossings and the coarseness each block asks for."""

    x_m: F64
    y_m: F64
    step: I64
    """By block of four: 1, 2, 4 or 8 (every n-th line); 0 for none."""


def _grid(land: LandUse) -> _Grid:
    """Crossings over the whole city and the step of each block."""
    number = settings()
    side = number["grid_m"]
    centre = np.array(to_metres(number["centre_lon"], number["centre_lat"]))
    low = np.array([land.x_m.min(), land.y_m.min()])
    blocks_before = np.ceil((centre - low) / (8 * side)) * 2
    origin = centre - blocks_before * 4 * side
    columns, rows = (
        int(-(-(axis.max() - start) // (4 * side))) + 1
        for axis, start in zip((land.x_m, land.y_m), origin, strict=True)
    )
    density = _density(land, origin, columns, rows)
    middle_x, middle_y = np.meshgrid(
        origin[0] + 4 * side * (np.arange(columns) + 0.5),
        origin[1] + 4 * side * (np.arange(rows) + 0.5),
        indexing="ij",
    )
    plain = shapely.contains_xy(terrain("plain"), middle_x, middle_y)
    limits = [density >= number[f"grid_density_{step}"] for step in (1, 2, 4)]
    step = np.select([*limits, plain & (density > 0)], [1, 2, 4, 8], 0)
    i, j = np.meshgrid(np.arange(4 * columns + 1), np.arange(4 * rows + 1), indexing="ij")
    shift = number["grid_line_jitter"] * (2 * noise(i, 1) - 1) + number["grid_node_jitter"] * (
        2 * noise(i, j, 2) - 1
    )
    lift = number["grid_line_jitter"] * (2 * noise(j, 3) - 1) + number["grid_node_jitter"] * (
        2 * noise(i, j, 4) - 1
    )
    return _Grid(origin[0] + side * (i + shift), origin[1] + side * (j + lift), step)


def _kept(grid: _Grid, across: bool) -> tuple[I64, I64, Bool]:
    """Grid pieces to keep in one direction: crossing (i, j) where each starts, and whether it is a lesser street."""
    i, j = np.meshgrid(*(np.arange(n) for n in grid.x_m.shape), indexing="ij")
    if across:  # from (i, j) to (i + 1, j): line j, between the blocks below and above it
        i, j = i[:-1], j[:-1]
        line = j
        sides = [(i // 4, (j - 1) // 4), (i // 4, j // 4)]
    else:
        i, j = i[:, :-1], j[:, :-1]
        line = i
        sides = [((i - 1) // 4, j // 4), (i // 4, j // 4)]
    wanted, built_up = np.zeros((2, *i.shape), bool)
    columns, rows = grid.step.shape
    for column, row in sides:
        step = grid.step[np.clip(column, 0, columns - 1), np.clip(row, 0, rows - 1)]
        wanted |= (step > 0) & (line % np.maximum(step, 1) == 0)
        built_up |= (step == 1) | (step == 2)
    lesser = line % np.where(built_up, 4, 8) != 0
    wanted &= ~(lesser & (noise(i, j, 5 + int(across)) < settings()["grid_gap_share"]))
    return i[wanted], j[wanted], lesser[wanted]


def grid_lines(land: LandUse, main: list[RoadLine], lanes: dict[LinkClass, float]) -> list[RoadLine]:
    """Streets of the grid, without those beside a main road, on water, or cut by an expressway."""
    number, grid = settings(), _grid(land)
    shapes, lesser = [], []
    for across in (True, False):
        i, j, minor_piece = _kept(grid, across)
        ends = (i + int(across), j + int(not across))
        start = np.column_stack([grid.x_m[i, j], grid.y_m[i, j]])
        end = np.column_stack([grid.x_m[ends], grid.y_m[ends]])
        shapes.append(shapely.linestrings(np.stack([start, end], axis=1)))
        lesser.append(minor_piece)
    shape, minor = np.concatenate(shapes), np.concatenate(lesser)
    beside = shapely.union_all([line.shape.buffer(number["beside_m"], quad_segs=2) for line in main])
    city = shapely.union_all(list(district_polygons_m()))
    for area in (beside, city):
        shapely.prepare(area)
    keep = ~shapely.covers(beside, shape) & shapely.covers(city, shape)
    keep &= ~shapely.intersects(terrain("void"), shape)
    barrier = shapely.union_all([line.shape for line in main if line.limited])
    shapely.prepare(barrier)
    cut = shapely.intersects(barrier, shape) & minor
    middle = np.round(shapely.get_coordinates(shapely.centroid(shape))).astype(np.int64)
    keep &= ~(cut & (noise(middle[:, 0], middle[:, 1], 7) < number["severance_share"]))
    kinds = np.where(minor, int(LinkClass.TERTIARY), int(LinkClass.SECONDARY))
    return [
        RoadLine(line, LinkClass(int(kind)), lanes[LinkClass(int(kind))], main=False)
        for line, kind in zip(shape[keep], kinds[keep], strict=True)
    ]
