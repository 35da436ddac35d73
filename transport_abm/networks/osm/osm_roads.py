"""Roads from OpenStreetMap through OSMnx: a place or a polygon over Overpass, or an XML file.

Answers are kept in a cache folder and can be pinned to a date, so a network can be built again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import networkx as nx
import numpy as np
import osmnx as ox
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.networks.cities.geo import projected_crs
from transport_abm.networks.city import RoadNetwork
from transport_abm.networks.osm.osm_links import Link, build_roads
from transport_abm.networks.osm.osm_safety import check_osm_xml
from transport_abm.networks.osm.osm_tags import HIGHWAYS, TAGS, direction, is_street, way_supply
from transport_abm.networks.osm.osm_turns import Turn, read_turns
from transport_abm.networks.roads.road_supply import RoadDefaults

_DECIMALS = 7
"""OpenStreetMap stores places to 1e-7 degrees."""


@contextmanager
def _settings(**changes: object) -> Iterator[None]:
    """Change OSMnx's global settings and put them back."""
    before = {name: getattr(ox.settings, name) for name in changes}
    try:
        for name, value in changes.items():
            setattr(ox.settings, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(ox.settings, name, value)


def read_osm_xml(path: Path | str, defaults: RoadDefaults, crs: str = "") -> RoadNetwork:
    """Read the roads of an OpenStreetMap XML file with OSMnx.

    Parameters
    ----------
    path
        File ending in ``.osm``, ``.osm.gz`` or ``.osm.bz2``.
    defaults
        Supply where the tags are silent.
    crs
        Projected CRS, or empty for the UTM zone of the roads.

    Returns
    -------
    RoadNetwork
        The largest strongly connected part of the roads for cars, bends contracted.

    Raises
    ------
    NetworkError
        If the file is unsafe, cannot be read, or holds no such roads.
    """
    place = Path(path)
    if not place.is_file():
        raise NetworkError(Fault(place.name, "file", "an OpenStreetMap file", "no such file"))
    check_osm_xml(place)
    with _settings(useful_tags_way=list(TAGS), useful_tags_node=[]):
        graph = ox.graph_from_xml(place, simplify=False, retain_all=True)
    return _build(graph, place.name, defaults, crs, read_turns(place))


def read_osm_place(
    place: str | Polygon,
    defaults: RoadDefaults,
    *,
    cache_folder: Path | str,
    date: str = "",
    overpass_url: str = "",
    crs: str = "",
) -> RoadNetwork:
    """Fetch the roads of a place from Overpass with OSMnx.

    Parameters
    ----------
    place
        A name that Nominatim knows, or a polygon in WGS 84.
    defaults
        Supply where the tags are silent.
    cache_folder
        Folder that keeps the answers; a second call reads them instead of asking.
    date
        State of the map to ask for, such as ``"2026-01-01"``; empty for now.
    overpass_url
        Address of another Overpass server, or empty for OSMnx's own.
    crs
        Projected CRS, or empty for the UTM zone of the roads.

    Returns
    -------
    RoadNetwork
        The largest strongly connected part of the roads for cars, bends contracted.

    Raises
    ------
    NetworkError
        If the server cannot be reached, or answers without roads.

    Notes
    -----
    Turn restrictions do not come with these answers; an extract has them. Map data (c) OpenStreetMap contributors,
    ODbL. Be gentle with public servers: for a whole city take an
    extract and :func:`transport_abm.networks.osm.osm_pbf.read_osm_file`.
    """
    what = f'[date:"{date}T00:00:00Z"]' if date else ""
    changes: dict[str, object] = {
        "use_cache": True,
        "cache_folder": str(cache_folder),
        "useful_tags_way": list(TAGS),
        "useful_tags_node": [],
        "overpass_settings": "[out:json][timeout:{timeout}]" + what + "{maxsize}",
    }
    if overpass_url:
        changes |= {"overpass_url": overpass_url.rstrip("/"), "overpass_rate_limit": False}
    custom = f'["highway"~"^({"|".join(HIGHWAYS)})$"]["area"!~"yes"]'
    name = place if isinstance(place, str) else "polygon"
    try:
        with _settings(**changes):
            polygon: BaseGeometry = (
                ox.geocode_to_gdf(place).geometry.iloc[0] if isinstance(place, str) else place
            )
            graph = ox.graph_from_polygon(polygon, custom_filter=custom, simplify=False, retain_all=True)
    except Exception as error:  # the network, the server and OSMnx each have their own kinds
        # Errors of the connection are OSErrors; what they say of pools and retries helps nobody.
        lost = isinstance(error, OSError)
        got = f"no connection ({type(error).__name__})" if lost else f"{type(error).__name__}: {error}"[:100]
        raise NetworkError(Fault(name, "Overpass", "an answer with roads", got)) from None
    return _build(graph, name, defaults, crs)


def _build(
    graph: nx.MultiDiGraph, file: str, defaults: RoadDefaults, crs: str, turns: Sequence[Turn] = ()
) -> RoadNetwork:
    """Filter, take the strong part, contract and lay out as tables."""
    for _, _, key, data in graph.edges(keys=True, data=True):
        del key
        tags = {name: value for name, value in data.items() if name in TAGS and isinstance(value, str)}
        oneway = bool(data.get("oneway"))
        street = is_street(tags)
        data.clear()
        if street:
            data["piece"] = way_supply(tags, oneway or direction(tags) != 0, defaults)
    graph.remove_edges_from([(u, v, k) for u, v, k, data in graph.edges(keys=True, data=True) if not data])
    graph.remove_nodes_from(list(nx.isolates(graph)))
    if not len(graph):
        raise NetworkError(Fault(file, "ways", "roads from motorway to residential", "none"))
    for node, data in graph.nodes(data=True):
        if not (abs(data.get("x", np.inf)) <= 180 and abs(data.get("y", np.inf)) <= 90):
            raise NetworkError(Fault(file, f"node {node}", "a place on the Earth", str(data)[:60]))
        data["x"], data["y"] = round(data["x"], _DECIMALS), round(data["y"], _DECIMALS)
    graph = ox.truncate.largest_component(graph, strongly=True)
    if not graph.edges:
        raise NetworkError(Fault(file, "links", "a connected network of roads for cars", "none"))
    graph = ox.distance.add_edge_lengths(graph)
    ids = np.array(sorted(graph.nodes), np.int64)
    lon = np.array([graph.nodes[node]["x"] for node in ids.tolist()], np.float64)
    lat = np.array([graph.nodes[node]["y"] for node in ids.tolist()], np.float64)
    for node in graph.nodes:
        graph.nodes[node]["id"] = node
    for u, v, data in graph.edges(data=True):
        data["steps"] = ((u, v, data["piece"], data["length"]),)
        del data["piece"]
    simple = ox.simplify_graph(graph, edge_attr_aggs={"length": sum, "steps": lambda parts: sum(parts, ())})
    links = []
    for _, _, data in simple.edges(data=True):
        steps = data["steps"]
        path = (steps[0][0], *(step[1] for step in steps))
        links.append(Link(path, tuple((step[2], float(step[3])) for step in steps)))
    crs = crs or projected_crs(lon, lat)
    return build_roads(ids, lon, lat, links, crs, turns)
