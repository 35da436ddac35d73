"""A city's roads as an assignment problem, and distances on foot and by bicycle.

Time on an empty link: length over free speed, and the delay at signals by class. Times under load: BPR. Trips
inside a zone are as long as the mean of two random points in a disc of its area, ``0.51 sqrt(area)``, times a
detour.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.core.vocabulary import LinkClass, Period
from transport_abm.networks.city import F32, F64, I32, Bool, City, RoadNetwork
from transport_abm.networks.roads.assignment import RoadProblem, skim_roads
from transport_abm.networks.roads.connectors import Connectors
from transport_abm.networks.roads.road_problem import first_bad
from transport_abm.networks.transit.transit_service import line_headway_min, pattern_runs
from transport_abm.policy.inputs import YearInputs, shipped_catalogue

DISC_MEAN_DISTANCE = 128 / (45 * np.pi**1.5)
"""Mean distance of two random points in a disc of area 1."""
CAR_CLASSES = tuple(kind for kind in LinkClass if kind is not LinkClass.PATH)
SIGNAL_CLASSES = (LinkClass.PRIMARY, LinkClass.SECONDARY, LinkClass.TERTIARY, LinkClass.LOCAL)


def road_problem(
    city: City,
    inputs: YearInputs,
    *,
    period: Period,
    year: int,
    preload_pcuh: F64 | None = None,
) -> RoadProblem:
    """Roads of a city in a year, every link in its row; those closed to cars have infinite times.

    Parameters
    ----------
    city
        The city.
    inputs
        Read: ``roads.`` paths; headways of buses.
    period
        Period of the day: decides how many buses run.
    year
        Links that open later are closed [year].
    preload_pcuh
        Flow by link that takes room and does not choose its way [pcu/h]; the buses' where not given.

    Returns
    -------
    RoadProblem
        To be assigned with ``zones.node``; flows come out in the rows of ``city.roads``.

    Raises
    ------
    NetworkError
        If a length, speed or capacity of an open link is wrong.
    """
    roads = city.roads
    is_open = roads.drive & (roads.open_year <= year)
    _check_open(roads, is_open)
    scale = np.zeros(len(LinkClass))
    scale[list(CAR_CLASSES)] = inputs.array("roads.bpr_scale_{}", CAR_CLASSES)
    free_s = free_link_time_s(roads, inputs)
    return RoadProblem(
        tail=roads.tail,
        head=roads.head,
        n_nodes=roads.n_nodes,
        free_time_s=np.where(is_open, free_s, np.inf),
        capacity_pcuh=np.where(is_open, roads.capacity_pcuh, 1.0),
        bpr_scale=scale[roads.link_class],
        bpr_power=np.full(roads.n_links, inputs["roads.bpr_power"]),
        fixed_cost_s=np.zeros(roads.n_links),
        preload_pcuh=bus_flow_pcuh(city, inputs, period=period, year=year)
        if preload_pcuh is None
        else preload_pcuh,
    )


def free_link_time_s(roads: RoadNetwork, inputs: YearInputs) -> F64:
    """Time on every link when it is empty: free speed, and the delay at its signals.

    Parameters
    ----------
    roads
        Links.
    inputs
        Read: ``roads.signal_delay_`` paths.

    Returns
    -------
    F64
        By link [s].
    """
    delay_s_km = np.zeros(len(LinkClass))
    delay_s_km[list(SIGNAL_CLASSES)] = inputs.array("roads.signal_delay_{}_s_km", SIGNAL_CLASSES)
    with np.errstate(divide="ignore", invalid="ignore"):
        driving_s = roads.length_m / roads.free_speed_kmh * 3.6
    time_s: F64 = driving_s + roads.length_m / 1000 * delay_s_km[roads.link_class]
    return time_s


def _check_open(roads: RoadNetwork, is_open: Bool) -> None:
    """Refuse open links without a length, speed or capacity; a speed of zero would close them without a word."""
    faults: list[Fault | str] = []
    for name, least, expected in (
        ("length_m", 0.0, "0 or more on a link open to cars"),
        ("free_speed_kmh", np.nextafter(0.0, 1.0), "more than 0 on a link open to cars"),
        ("capacity_pcuh", np.nextafter(0.0, 1.0), "more than 0 on a link open to cars"),
    ):
        value = getattr(roads, name)
        faults += first_bad(name, value, ~is_open | (np.isfinite(value) & (value >= least)), expected)
    if faults:
        raise NetworkError(faults)


def bus_flow_pcuh(city: City, inputs: YearInputs, *, period: Period, year: int) -> F64:
    """Room that buses take on each link.

    Parameters
    ----------
    city
        The city.
    inputs
        Read: ``roads.pce_bus``, bus headways.
    period
        Period of the day.
    year
        Patterns that do not run in it are left out [year].

    Returns
    -------
    F64
        By link [pcu/h].
    """
    transit = city.transit
    with np.errstate(divide="ignore"):
        departures_h: F64 = 60.0 / line_headway_min(transit, inputs, period)[transit.pattern_line]
    departures_h = np.where(pattern_runs(transit, inputs, year), departures_h, 0.0)
    by_call = np.repeat(departures_h, np.diff(transit.pattern_indptr))
    by_link = np.repeat(by_call, np.diff(transit.road_indptr))
    flow = np.zeros(city.roads.n_links)
    np.add.at(flow, transit.road_link, by_link * inputs["roads.pce_bus"])
    return flow


def entering_links(city: City, within_ring: float, connectors: Connectors | None = None) -> tuple[Bool, Bool]:
    """Links that lead into the area inside a ring road: tail outside, head inside.

    Parameters
    ----------
    city
        The city.
    within_ring
        The ring road.
    connectors
        Links between zones and roads, if they are part of the network.

    Returns
    -------
    entering, inside
        By link of the roads, then of the connectors, outbound and inbound: whether it leads in, and whether it
        starts inside.

    Notes
    -----
    A node is inside if all its links are: the ring road itself, with its ways out, is outside, and driving
    along it is free. A zone, and its node, are where its centre is. Every way into a zone inside passes at least
    one such link; one that leaves the area and comes back passes two.
    """
    roads, zones = city.roads, city.zones
    ring = np.zeros(roads.n_nodes, np.int8)
    np.maximum.at(ring, roads.tail, roads.ring)
    np.maximum.at(ring, roads.head, roads.ring)
    ring[zones.node] = 0
    np.maximum.at(ring, zones.node, zones.ring)
    inside = ring <= within_ring
    start, end, drive = inside[roads.tail], inside[roads.head], roads.drive
    if connectors is not None:
        zone, node = zones.ring[connectors.zone] <= within_ring, inside[connectors.node]
        start, end = np.concatenate([start, zone, node]), np.concatenate([end, node, zone])
        drive = np.concatenate([drive, np.ones(2 * len(zone), bool)])
    return drive & ~start & end, start


def active_skim_m(city: City, inputs: YearInputs | None = None) -> F32:
    """Distances between zones on foot and by bicycle, in both directions of every link that is open to them.

    Parameters
    ----------
    city
        The city.
    inputs
        Read: ``active.detour_factor``, ``active.intrazonal_`` paths; the catalogue's where not given.

    Returns
    -------
    F32
        Distance [m], shape (zones, zones), symmetric; trips inside the zone on the diagonal.

    Notes
    -----
    A zone whose node is not on the largest connected part of the walking network is reached from that part's
    nearest node, by the straight line times the detour factor. No way is shorter than the straight line
    between the zones' centres. Zones that share a node are a straight line times the detour factor apart.
    """
    roads, zones = city.roads, city.zones
    detour = _value(inputs, "active.detour_factor")
    straight_m = np.hypot(zones.x_m[:, None] - zones.x_m, zones.y_m[:, None] - zones.y_m)
    node, access_m = _walking_node(roads, zones.node)
    if len(node):
        way_m = _walking_distance_m(roads, node)
        access_m = access_m * detour
        way_m = np.maximum(way_m + access_m[:, None] + access_m, straight_m)
        distance_m = np.where(node[:, None] == node, np.maximum(way_m, straight_m * detour), way_m)
    else:
        distance_m = straight_m * detour
    np.fill_diagonal(distance_m, intrazonal_m(city, inputs))
    return distance_m.astype(np.float32)


def intrazonal_m(city: City, inputs: YearInputs | None = None) -> F64:
    """Mean distance of trips inside each zone.

    Parameters
    ----------
    city
        The city.
    inputs
        Read: ``active.intrazonal_`` paths; the catalogue's values where not given.

    Returns
    -------
    F64
        By zone [m].
    """
    straight_m = DISC_MEAN_DISTANCE * np.sqrt(city.zones.area_m2)
    detoured_m = straight_m * _value(inputs, "active.intrazonal_factor")
    distance_m: F64 = np.minimum(detoured_m, _value(inputs, "active.intrazonal_most_m"))
    return distance_m


def fill_intrazonal(
    city: City, time_s: F32, length_m: F32, entries: F32 | None = None, inputs: YearInputs | None = None
) -> None:
    """Put car trips inside zones, and between zones that share a node, into skims.

    They are as long as trips inside the zone on foot (the mean of both for two zones) and as fast as the car
    trip from the zone to its nearest other zone.

    Parameters
    ----------
    city
        The city.
    time_s, length_m
        Skims of shape (zones, zones), changed in place [s], [m].
    entries
        Entries into the charged area, changed in place: none inside a zone.
    inputs
        As in ``intrazonal_m``.
    """
    node = city.zones.node
    inside_m = intrazonal_m(city, inputs)
    together = node[:, None] == node
    away = np.where(together | ~np.isfinite(time_s), np.inf, time_s)
    zone = np.arange(len(node))
    nearest = away.argmin(axis=1)
    near_s, near_m = away[zone, nearest], length_m[zone, nearest].astype(np.float64)
    known = np.isfinite(near_s) & (near_m > 0)
    pace_s_m = np.divide(near_s, near_m, out=np.full(len(node), _free_pace_s_m(city.roads)), where=known)
    if known.any():
        pace_s_m[~known] = pace_s_m[known].mean()
    way_m = (inside_m[:, None] + inside_m) / 2
    length_m[together] = way_m[together]
    time_s[together] = (way_m * pace_s_m[:, None])[together]
    if entries is not None:
        np.fill_diagonal(entries, 0.0)


def _value(inputs: YearInputs | None, path: str) -> float:
    """A parameter; the catalogue's where no inputs are given."""
    if inputs is not None:
        return inputs[path]
    value = shipped_catalogue().parameters[path].value
    if value is None:
        raise KeyError(f"{path} is dated: pass the inputs of a year")
    return value


def _free_pace_s_m(roads: RoadNetwork) -> float:
    """Mean time for a metre of empty road."""
    length_m = roads.length_m[roads.drive]
    return float((length_m / roads.free_speed_kmh[roads.drive] * 3.6).sum() / length_m.sum())


def _walking_node(roads: RoadNetwork, node: I32) -> tuple[I32, F64]:
    """Nearest node of the largest connected walking network, and the way there [m]; empty if none."""
    tail, head = roads.tail[roads.walk], roads.head[roads.walk]
    if not len(tail):
        return np.empty(0, np.int32), np.empty(0)
    graph = coo_matrix((np.ones(len(tail)), (tail, head)), (roads.n_nodes, roads.n_nodes))
    part = connected_components(graph, directed=False)[1]
    member = np.flatnonzero(part == np.bincount(part).argmax())
    place = np.column_stack((roads.node_x_m, roads.node_y_m))
    access_m, nearest = cKDTree(place[member]).query(place[node])
    return member[nearest].astype(np.int32), np.asarray(access_m, np.float64)


def _walking_distance_m(roads: RoadNetwork, node: I32) -> F64:
    """Shortest ways between nodes over links open to walking, in both directions."""
    tail, head, length_m = roads.tail[roads.walk], roads.head[roads.walk], roads.length_m[roads.walk]
    both = np.concatenate((length_m, length_m))
    ones, none = np.ones(len(both)), np.zeros(len(both))
    problem = RoadProblem(
        tail=np.concatenate((tail, head)),
        head=np.concatenate((head, tail)),
        n_nodes=roads.n_nodes,
        free_time_s=both,
        capacity_pcuh=ones,
        bpr_scale=none,
        bpr_power=none,
        fixed_cost_s=none,
        preload_pcuh=none,
    )
    way_m = skim_roads(problem, both, node, np.empty((0, len(both))))[0].astype(np.float64)
    # The two directions add the same lengths in another order.
    shorter_m: F64 = np.minimum(way_m, way_m.T)
    return shorter_m
