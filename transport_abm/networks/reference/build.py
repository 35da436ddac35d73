"""The bundled city `beijing-reference`: a Beijing-like city from published totals and hand-set places."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial import cKDTree

from transport_abm.networks.city import City, RoadNetwork, Zones
from transport_abm.networks.reference._tables import CRS
from transport_abm.networks.reference.districts import build_reference_districts
from transport_abm.networks.reference.roads import build_reference_roads
from transport_abm.networks.reference.transit import build_reference_transit, reference_fares
from transport_abm.networks.reference.zones import build_reference_zones

NAME = "beijing-reference"


def build_reference_city() -> City:
    """Build the bundled city; the same bytes every time.

    Returns
    -------
    City
        Districts, zones, roads, transit and fares, with their sources in ``meta``.

    Raises
    ------
    NetworkError
        If a table of the package is damaged.
    """
    roads = build_reference_roads()
    zones = with_road_nodes(build_reference_zones(), roads)
    return City(
        name=NAME,
        crs=CRS,
        districts=build_reference_districts(),
        zones=zones,
        roads=roads,
        transit=build_reference_transit(roads, zones),
        fares=reference_fares(),
        meta=reference_meta(),
    )


def with_road_nodes(zones: Zones, roads: RoadNetwork) -> Zones:
    """Tie each zone to the nearest node of a street open to cars, walkers and cyclists from the start."""
    street = roads.drive & roads.walk & (roads.open_year == 0)
    node = np.unique(np.concatenate([roads.tail[street], roads.head[street]]))
    tree = cKDTree(np.column_stack([roads.node_x_m[node], roads.node_y_m[node]]))
    nearest = tree.query(np.column_stack([zones.x_m, zones.y_m]))[1]
    return replace(zones, node=node[nearest].astype(np.int32))


def reference_meta() -> dict[str, object]:
    """Sources, licence and date of the bundled city, by part and with a tag."""
    return {
        "date": "2024",
        "licence": "Apache-2.0 (with the package)",
        "note": (
            "Hand-set from general knowledge and published totals. It resembles Beijing; it is not a map of "
            "Beijing. The street grid, side roads and interchanges are built by rule."
        ),
        "residents": "source-read: seventh national census (2020), Beijing bureau",
        "jobs": (
            "source-read: fifth economic census (2023), city, Chaoyang, Haidian, Fengtai; prior: split among "
            "the other districts; the Economic-Technological Development Area is counted with Daxing"
        ),
        "school_places": "literature: pupils and students of 2020, rounded; prior: split among places",
        "district_outlines": "prior: hand-set to 0.01 degree; areas within 6 percent of the official ones",
        "roads": "literature: published ring road lengths; prior: hand-set lines to 0.005 degree, lanes",
        "zones": "prior: Voronoi cells of seeds that follow residents and jobs",
    }
