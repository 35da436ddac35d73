"""Roads of the bundled city: rings, radials, arterials and a street grid, as directed links."""

from __future__ import annotations

import numpy as np
import shapely

from transport_abm.core.vocabulary import LinkClass
from transport_abm.networks.city import RoadNetwork
from transport_abm.networks.reference._tables import settings, to_degrees
from transport_abm.networks.reference.interchanges import interchanges, join_layers, junctions, limited_graph
from transport_abm.networks.reference.landuse import build_land_use
from transport_abm.networks.reference.rings import ring_of_metres
from transport_abm.networks.reference.road_graph import (
    RoadGraph,
    RoadPiece,
    cut,
    drop_stubs,
    join_bends,
    largest_part,
    split_long,
    surface_graph,
)
from transport_abm.networks.reference.road_grid import grid_lines
from transport_abm.networks.reference.road_lines import RoadLine, main_lines, side_lines
from transport_abm.networks.roads.road_supply import RoadDefaults, build_road_defaults


def build_reference_roads(supply: RoadDefaults | None = None) -> RoadNetwork:
    """Road network of the bundled city.

    Parameters
    ----------
    supply
        Capacity and free speed by class; the catalogue's own if not given.

    Returns
    -------
    RoadNetwork
        Strongly connected for driving; every road has a link in each direction.

    Notes
    -----
    Main roads are hand-set lines (``data/roads.csv``). Side roads, street grid and interchanges are built by
    rule (``data/settings.csv``); they are not real streets.
    """
    supply = build_road_defaults() if supply is None else supply
    lanes = {kind: float(supply.lanes[kind]) for kind in LinkClass if kind <= LinkClass.TERTIARY}
    main = main_lines()
    limited = [line for line in main if line.limited]
    side = side_lines(main, lanes[LinkClass.SECONDARY])
    grid = grid_lines(build_land_use(), main, lanes)
    streets = [line for line in main if not line.limited]
    crossing = [*streets, *(line for line in grid if line.link_class is not LinkClass.TERTIARY)]
    lesser = [line for line in grid if line.link_class is LinkClass.TERTIARY]
    ramps, cuts = interchanges(limited, crossing)
    meetings = junctions(limited)
    marks = {row: [*ramps[row], *meetings[row]] for row in range(len(limited))}
    upper = limited_graph(limited, marks)
    ramp_at = np.array(
        [
            limited[row].shape.interpolate(along).coords[0]
            for row in range(len(limited))
            for along in ramps[row]
        ]
    )
    surface = surface_graph([*_cut_lines(crossing, cuts), *side, *lesser])
    drop_stubs(surface, settings()["stub_m"])
    graph = largest_part(join_layers(surface, upper, ramp_at))
    join_bends(graph, keep={end for piece in graph.piece if piece.ramp for end in (piece.tail, piece.head)})
    split_long(graph, settings()["link_max_m"])
    return _network(largest_part(graph), supply)


def _cut_lines(lines: list[RoadLine], cuts: dict[int, list[float]]) -> list[RoadLine]:
    """The lines, cut where ramps meet them."""
    return [
        RoadLine(part, line.link_class, line.lanes, line.name, line.open_year, line.main)
        for row, line in enumerate(lines)
        for part in (cut(line.shape, cuts[row]) if row in cuts else [line.shape])
    ]


def _network(graph: RoadGraph, supply: RoadDefaults) -> RoadNetwork:
    """Directed links of the two-way pieces, ordered by tail and head."""
    both = [
        (tail, head, shape, piece)
        for piece in graph.piece
        for tail, head, shape in (
            (piece.tail, piece.head, piece.shape),
            (piece.head, piece.tail, piece.shape[::-1]),
        )
    ]
    both.sort(key=lambda link: (link[0], link[1], link[3].length_m))
    pieces = [link[3] for link in both]
    kind = np.array([int(piece.line.link_class) for piece in pieces], np.int8)
    ramp = np.array([piece.ramp for piece in pieces])
    # a ramp stands for the ramps of both carriageways
    lanes = np.where(ramp, 2 * supply.ramp_lanes, [piece.line.lanes for piece in pieces])
    indptr = np.concatenate([[0], np.cumsum([len(link[2]) for link in both])]).astype(np.int64)
    shape_lon, shape_lat = to_degrees(*np.vstack([link[2] for link in both]).T)
    lon, lat = to_degrees(*graph.node.T)
    line = shapely.linestrings(
        np.vstack([link[2] for link in both]), indices=np.repeat(np.arange(len(both)), np.diff(indptr))
    )
    middle = shapely.get_coordinates(shapely.line_interpolate_point(line, 0.5, normalized=True))
    surface = np.isin(kind, [LinkClass.MOTORWAY, LinkClass.EXPRESSWAY], invert=True)
    return RoadNetwork(
        node_lon=lon,
        node_lat=lat,
        node_x_m=graph.node[:, 0].copy(),
        node_y_m=graph.node[:, 1].copy(),
        tail=np.array([link[0] for link in both], np.int32),
        head=np.array([link[1] for link in both], np.int32),
        length_m=np.array([piece.length_m for piece in pieces]),
        link_class=kind,
        lanes=lanes.astype(np.float32),
        capacity_pcuh=lanes * supply.capacity_pcuhlane[kind],
        free_speed_kmh=supply.speed_kmh[kind] * np.where(ramp, supply.ramp_speed_share, 1.0),
        ring=ring_of_metres(middle[:, 0], middle[:, 1]),
        drive=np.ones(len(both), np.bool_),
        walk=surface & ~ramp,
        open_year=np.array([piece.line.open_year for piece in pieces], np.int16),
        shape_indptr=indptr,
        shape_lon=shape_lon,
        shape_lat=shape_lat,
        name=tuple(_name(piece) for piece in pieces),
    )


def _name(piece: RoadPiece) -> str:
    """Name of a link."""
    return f"{piece.line.name}, ramp" if piece.ramp else piece.line.name
