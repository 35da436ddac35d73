"""The street grid between the main roads.

It follows Beijing's north-south, east-west pattern: every line where residents and jobs are dense, every
2nd, 4th or 8th line elsewhere on the plain, none in the mountains. Which of its lesser streets are
missing is decided by a hash of their row and column, so the same grid comes out every time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.stats import binned_statistic_2d

from transport_abm.core.vocabulary import LinkClass
from transport_abm.networks.reference._tables import settings, to_metres
from transport_abm.networks.reference.districts import district_polygons_m
from transport_abm.networks.reference.landuse import LandUse, terrain
from transport_abm.networks.reference.road_lines import RoadLine

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

_BLOCK = 4
"""Grid distances along the side of a block; a block has one density."""


@dataclass(frozen=True)
class _Grid:
    """The street grid before anything is left out: crossings and the coarseness each block asks for."""

    x_m: F64
    y_m: F64
    step: I64
    """By block: 1, 2, 4 or 8 (every n-th line); 0 for none."""


@dataclass(frozen=True)
class _Pieces:
    """Grid pieces in one direction: the crossings where each starts and ends, its class, and two hashes."""

    shape: NDArray[np.object_]
    kind: I64
    gap: F64
    severance: F64


def noise(*number: I64 | int) -> F64:
    """Even numbers in [0, 1) that depend only on whole numbers (SplitMix64 finalizer)."""
    key: NDArray[np.uint64] = np.array(0x9E3779B97F4A7C15, np.uint64)
    with np.errstate(over="ignore"):
        for value in number:
            key = (key + np.asarray(value, np.int64).astype(np.uint64)) * np.uint64(0xBF58476D1CE4E5B9)
            key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            key = key ^ (key >> np.uint64(31))
    return np.asarray((key >> np.uint64(11)).astype(np.float64) / 2.0**53)


def _step(land: LandUse, origin: F64, columns: int, rows: int) -> I64:
    """Coarseness of each block: by residents and jobs per km2, and by plain or mountain."""
    number = settings()
    block = _BLOCK * number["grid_m"]
    edges = [start + block * np.arange(n + 1) for start, n in zip(origin, (columns, rows), strict=True)]
    people = binned_statistic_2d(land.x_m, land.y_m, land.residents + land.jobs, "sum", edges)
    density = np.asarray(people.statistic) / (block / 1000) ** 2
    middle_x, middle_y = np.meshgrid(*(edge[:-1] + block / 2 for edge in edges), indexing="ij")
    plain = shapely.contains_xy(terrain("plain"), middle_x, middle_y)
    dense = [density >= number[f"grid_density_{step}"] for step in (1, 2, 4)]
    return np.asarray(np.select([*dense, plain & (density > 0)], [1, 2, 4, 8], 0), np.int64)


def _grid(land: LandUse) -> _Grid:
    """Crossings over the whole city and the step of each block; one crossing is the city's centre."""
    number = settings()
    side = number["grid_m"]
    block = _BLOCK * side
    centre = np.array(to_metres(number["centre_lon"], number["centre_lat"]))
    low, high = (np.array([end(land.x_m), end(land.y_m)]) for end in (np.min, np.max))
    origin = centre - np.ceil((centre - low) / (2 * block)) * 2 * block
    columns, rows = (int(count) + 1 for count in np.ceil((high - origin) / block))
    i, j = np.meshgrid(np.arange(_BLOCK * columns + 1), np.arange(_BLOCK * rows + 1), indexing="ij")
    of_line, of_node = number["grid_line_jitter"], number["grid_node_jitter"]
    shift = of_line * (2 * noise(i, 1) - 1) + of_node * (2 * noise(i, j, 2) - 1)
    lift = of_line * (2 * noise(j, 3) - 1) + of_node * (2 * noise(i, j, 4) - 1)
    step = _step(land, origin, columns, rows)
    return _Grid(origin[0] + side * (i + shift), origin[1] + side * (j + lift), step)


def _pieces(grid: _Grid, across: bool) -> _Pieces:
    """All pieces that the blocks beside them ask for, west to east (``across``) or south to north."""
    i, j = np.meshgrid(*(np.arange(n) for n in grid.x_m.shape), indexing="ij")
    i, j = (i[:-1], j[:-1]) if across else (i[:, :-1], j[:, :-1])
    line = j if across else i
    columns, rows = grid.step.shape
    wanted, dense = np.zeros((2, *i.shape), np.bool_)
    for back in (1, 0):  # the block before the line and the block after it
        column = (i if across else i - back) // _BLOCK
        row = (j - back if across else j) // _BLOCK
        step = grid.step[np.clip(column, 0, columns - 1), np.clip(row, 0, rows - 1)]
        wanted |= (step > 0) & (line % np.maximum(step, 1) == 0)
        dense |= step == 1
    # where dense, every 8th line is an arterial and every 4th a secondary road; elsewhere one class lower
    ranks = [dense & (line % 8 == 0), (line % 8 == 0) | (dense & (line % 4 == 0))]
    kind = np.select(ranks, [int(LinkClass.PRIMARY), int(LinkClass.SECONDARY)], int(LinkClass.TERTIARY))
    i, j, kind = i[wanted], j[wanted], kind[wanted]
    ends = (i + int(across), j + int(not across))
    start = np.column_stack([grid.x_m[i, j], grid.y_m[i, j]])
    end = np.column_stack([grid.x_m[ends], grid.y_m[ends]])
    shape = shapely.linestrings(np.stack([start, end], axis=1))
    return _Pieces(shape, kind, noise(i, j, 5 + int(across)), noise(i, j, 7 + int(across)))


def grid_lines(land: LandUse, main: list[RoadLine], lanes: dict[LinkClass, float]) -> list[RoadLine]:
    """Streets between the main roads.

    Parameters
    ----------
    land
        Residents and jobs by cell.
    main
        Hand-set roads: no grid street runs beside them.
    lanes
        Lanes in one direction by class.

    Returns
    -------
    list of RoadLine
        One straight piece for each street between two crossings of the grid.
    """
    number, grid = settings(), _grid(land)
    both = [_pieces(grid, across) for across in (True, False)]
    shape = np.concatenate([part.shape for part in both])
    kind = np.concatenate([part.kind for part in both])
    gap = np.concatenate([part.gap for part in both])
    severance = np.concatenate([part.severance for part in both])
    beside = shapely.union_all([line.shape.buffer(number["beside_m"], quad_segs=2) for line in main])
    city = shapely.union_all(list(district_polygons_m()))
    barrier = shapely.union_all([line.shape for line in main if line.limited])
    for area in (beside, city, barrier):
        shapely.prepare(area)
    keep = ~shapely.covers(beside, shape) & shapely.covers(city, shape)
    keep &= ~shapely.intersects(terrain("void"), shape)
    severed = shapely.intersects(barrier, shape) & (severance < number["severance_share"])
    keep &= (kind != LinkClass.TERTIARY) | ((gap >= number["grid_gap_share"]) & ~severed)
    return [
        RoadLine(line, LinkClass(int(one)), lanes[LinkClass(int(one))], main=False)
        for line, one in zip(shape[keep], kind[keep], strict=True)
    ]
