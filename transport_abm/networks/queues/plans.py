"""What vehicles do in a day: legs with their routes, not before a time, after a stay; and packets of vehicles.

All times are whole centiseconds (``_cs``) after midnight.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transport_abm.core.draws import Stream, stream_key
from transport_abm.core.errors import Fault, NetworkError
from transport_abm.networks.city import F64, I8, I32, I64, Bool
from transport_abm.networks.queues.kernels_links import MOST_KINDS
from transport_abm.networks.queues.kernels_plans import (
    broken_leg,
    broken_route,
    mark_ends,
    round_up_by_chance,
)
from transport_abm.networks.queues.network import QueueNetwork

WHERE = "plans of the spatial queue"
MOST_PLACES = 2**31 - 2
"""Most links in all routes together: a place in them is a 32-bit number."""


@dataclass(frozen=True)
class Routes:
    """Ways through the network, shared by any number of legs. Build with `build_routes`."""

    indptr: I64
    """Links of route ``r`` are ``link[indptr[r]:indptr[r + 1]]``."""
    link: I32
    """Rows of links; the last link of each route stands as ``~link``, so that a vehicle sees the end when it comes."""

    @property
    def n_routes(self) -> int:
        """Number of routes, empty ones included."""
        return len(self.indptr) - 1

    def links_of(self, route: int) -> I32:
        """Links of a route."""
        link = self.link[self.indptr[route] : self.indptr[route + 1]].copy()
        link[link < 0] = ~link[link < 0]
        return link


def build_routes(indptr: I64, link: I32, *, copy: bool = True) -> Routes:
    """Routes from plain rows of links.

    Parameters
    ----------
    indptr
        Where each route begins, and the end.
    link
        Links of all routes, one after the other.
    copy
        Whether to leave ``link`` as it is; otherwise it is marked in place, which saves memory.

    Returns
    -------
    Routes
        Marked at their ends.

    Raises
    ------
    NetworkError
        If the rows do not fit ``link``, or a link is negative.
    """
    indptr = np.ascontiguousarray(indptr, np.int64)
    given = np.asarray(link)
    # Numbers that do not fit would name other links.
    if given.size and not (given.dtype.kind in "iu" and given.min() >= -(2**31) and given.max() < 2**31):
        expected = "whole numbers of 32 bits"
        raise NetworkError(
            Fault(WHERE, "link", expected, f"{given.dtype} from {given.min()} to {given.max()}")
        )
    link = np.array(given, np.int32, copy=True) if copy else np.asarray(given, np.int32)
    faults = []
    if not len(indptr) or indptr[0] != 0 or indptr[-1] != len(link) or (np.diff(indptr) < 0).any():
        faults.append(
            Fault(WHERE, "indptr", f"rising from 0 to {len(link)}, the number of links", str(indptr))
        )
    if len(link) > MOST_PLACES:
        faults.append(Fault(WHERE, "link", f"at most {MOST_PLACES} links in all routes", str(len(link))))
    if len(link) and link.min() < 0:
        faults.append(Fault(WHERE, "link", "0 or more", str(link.min())))
    if faults:
        raise NetworkError(faults)
    mark_ends(indptr, link)
    return Routes(indptr, link)


@dataclass(frozen=True)
class VehicleKinds:
    """Kinds of simulated vehicles, at most 64: class, size, and how many real vehicles each stands for."""

    vehicle_class: I8
    pcu: F64
    """Passenger-car units of one real vehicle, to a hundredth."""
    weight: I32
    """Real vehicles in one simulated vehicle."""


@dataclass(frozen=True)
class Plans:
    """Vehicles of a day, each a chain of legs; a bus has many legs with short stays."""

    leg_indptr: I64
    """Legs of vehicle ``v`` are ``leg_indptr[v]:leg_indptr[v + 1]``, at least one."""
    route: I32
    """By leg: row of the routes; a leg may start at another node than the last one ended."""
    earliest_cs: I32
    """By leg: departs not before this time of day [cs]."""
    stop_cs: I32
    """By leg: least stay between the arrival of the leg before and this departure [cs]."""
    kind: I8
    """By vehicle: row of the kinds."""
    kinds: VehicleKinds

    @property
    def n_vehicles(self) -> int:
        """Number of simulated vehicles."""
        return len(self.leg_indptr) - 1

    @property
    def n_legs(self) -> int:
        """Number of legs."""
        return len(self.route)


def plan_faults(network: QueueNetwork, plans: Plans, routes: Routes) -> list[Fault]:
    """What keeps plans from being driven.

    Parameters
    ----------
    network
        Links.
    plans
        Vehicles and legs.
    routes
        Ways.

    Returns
    -------
    list[Fault]
        Columns of wrong length or type, unknown links, routes or kinds, closed links, links that do not connect, times
        before midnight or that go back: the first of each sort, with their number. Empty where all is well.
    """
    faults = _shapes(plans) + _kinds(plans.kinds, network)
    if faults:
        return faults
    faults += check_ways(network, routes)
    faults += _first(
        "route",
        plans.route,
        (plans.route >= 0) & (plans.route < routes.n_routes),
        f"0 to {routes.n_routes - 1}",
    )
    faults += _first("earliest_cs", plans.earliest_cs, plans.earliest_cs >= 0, "0 or more")
    faults += _first("stop_cs", plans.stop_cs, plans.stop_cs >= 0, "0 or more")
    n_kinds = len(plans.kinds.weight)
    faults += _first("kind", plans.kind, (plans.kind >= 0) & (plans.kind < n_kinds), f"0 to {n_kinds - 1}")
    leg = int(broken_leg(plans.leg_indptr, plans.earliest_cs))
    if leg >= 0:
        times = f"{plans.earliest_cs[leg]} after {plans.earliest_cs[leg - 1]}"
        faults.append(Fault(WHERE, f"earliest_cs, leg {leg}", "not before the leg before", times))
    return faults


def check_ways(network: QueueNetwork, routes: Routes) -> list[Fault]:
    """The first route that cannot be driven, with the number of all of them, as a fault.

    Parameters
    ----------
    network
        Links.
    routes
        Ways.

    Returns
    -------
    list[Fault]
        None or one: an unknown or closed link, or two that do not connect.
    """
    is_open = np.isfinite(network.free_time_s)
    route, place, count = broken_route(routes.indptr, routes.link, network.tail, network.head, is_open)
    return [] if route < 0 else [_route_fault(network, routes, int(route), int(place), int(count))]


def _shapes(plans: Plans) -> list[Fault]:
    """Columns that do not fit each other."""
    faults = []
    for name, n in (("earliest_cs", plans.n_legs), ("stop_cs", plans.n_legs), ("kind", plans.n_vehicles)):
        shape = np.shape(getattr(plans, name))
        if shape != (n,):
            faults.append(Fault(WHERE, name, f"shape ({n},)", str(shape)))
    legs = plans.leg_indptr
    if not len(legs) or legs[0] != 0 or legs[-1] != plans.n_legs or (np.diff(legs) < 1).any():
        expected = f"rising from 0 to {plans.n_legs}, a leg for each vehicle at least"
        faults.append(Fault(WHERE, "leg_indptr", expected, str(legs)))
    types = (
        ("leg_indptr", "int64"),
        ("route", "int32"),
        ("earliest_cs", "int32"),
        ("stop_cs", "int32"),
        ("kind", "int8"),
    )
    for name, expected in types:
        if getattr(plans, name).dtype != expected:
            faults.append(Fault(WHERE, name, expected, str(getattr(plans, name).dtype)))
    return faults


def _kinds(kinds: VehicleKinds, network: QueueNetwork) -> list[Fault]:
    """What is wrong with the kinds of vehicles."""
    n = len(kinds.weight)
    if not 1 <= n <= MOST_KINDS or np.shape(kinds.pcu) != (n,) or np.shape(kinds.vehicle_class) != (n,):
        return [Fault(WHERE, "kinds", f"1 to {MOST_KINDS} rows of class, size and weight", str(n))]
    if np.asarray(kinds.weight).dtype.kind not in "iu":
        return [Fault(WHERE, "kinds.weight", "whole numbers", str(np.asarray(kinds.weight).dtype))]
    size = np.asarray(kinds.pcu) * kinds.weight
    # A time of a day of 1000 hours and the headway of the largest vehicle on the least capacity are together a 32-bit
    # number of centiseconds.
    is_open = np.isfinite(network.free_time_s)
    most = 4_900.0 * float(network.capacity_pcuh.min(initial=1e6, where=is_open))
    faults = _first(
        "kinds.pcu",
        kinds.pcu,
        (kinds.pcu >= 0.01) & (size <= min(most, 1e5)),
        "0.01 to what the least link takes",
    )
    return faults + _first("kinds.weight", kinds.weight, kinds.weight >= 1, "1 or more")


def _first(name: str, value: I32 | I8 | F64, good: Bool, expected: str) -> list[Fault]:
    """One fault for a column with rows that are not good."""
    bad = np.flatnonzero(~good)
    if not len(bad):
        return []
    return [Fault(WHERE, f"{name}, {len(bad)} rows from {bad[0]}", expected, str(value[bad[0]]))]


def _route_fault(network: QueueNetwork, routes: Routes, route: int, place: int, count: int) -> Fault:
    """The fault of a route that cannot be driven, one of so many."""
    links = routes.links_of(route)
    field = f"route {route}, link {place}" + (f" (one of {count} such routes)" if count > 1 else "")
    link = int(links[place])
    if not 0 <= link < network.n_links:
        return Fault(WHERE, field, f"a link from 0 to {network.n_links - 1}", str(link))
    if not np.isfinite(network.free_time_s[link]):
        return Fault(WHERE, field, "an open link", f"link {link}, which is closed")
    before = int(links[place - 1])
    expected = f"a link from node {network.head[before]}, where link {before} ends"
    return Fault(WHERE, field, expected, f"link {link} from node {network.tail[link]}")


def round_packets(
    demand: F64, packet: int, *, seed: int, year: int, stream: Stream = Stream.ROUND, k: int = 0,
    agent: I64 | None = None,
) -> I32:  # fmt: skip
    """Packets for each demand: ``demand / packet`` rounded up or down by chance, so that its mean is exact.

    Parameters
    ----------
    demand
        Real vehicles, by row [vehicles].
    packet
        Real vehicles in one packet.
    seed, year, stream, k
        Address of the draws.
    agent
        Identity of each row in the address; the row's number where not given.

    Returns
    -------
    I32
        Packets by row; the mean over seeds of packets times ``packet`` is the demand.

    Raises
    ------
    NetworkError
        If a demand is negative or missing, or the packet smaller than 1.
    """
    demand = np.asarray(demand, float)
    faults = []
    with np.errstate(invalid="ignore"):
        faults += _first("demand", demand, (demand >= 0) & (demand < 2**31 - 1), "0 to 2,147,483,646")
    if agent is not None and np.shape(agent) != demand.shape:
        faults.append(Fault(WHERE, "agent", f"shape {demand.shape}, as demand", str(np.shape(agent))))
    if not packet >= 1:
        faults.append(Fault(WHERE, "packet", "1 or more", repr(packet)))
    if faults:
        raise NetworkError(faults)
    who = np.arange(len(demand)) if agent is None else np.asarray(agent)
    key = stream_key(seed, stream, year)
    packets: I32 = round_up_by_chance(demand, float(packet), key, who.astype(np.uint64), np.uint64(k))
    return packets
