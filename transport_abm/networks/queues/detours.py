"""Where vehicles are while the day stands still, and new ways for them.

Between two calls of `run_day` a caller looks where vehicles are (`vehicle_places`), decides, and gives some of them
another rest of the way (`reroute`); the day then goes on. Nothing is drawn and nothing depends on the order of rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.networks.city import I32, I64
from transport_abm.networks.queues.kernels_detours import find_vehicles, set_ways
from transport_abm.networks.queues.network import QueueNetwork
from transport_abm.networks.queues.plans import MOST_PLACES, Plans, Routes, check_ways
from transport_abm.networks.queues.state import QueueState, check_belongs

WHERE = "new ways in the spatial queue"


@dataclass(frozen=True)
class VehiclePlaces:
    """Vehicles on the road, by link and in the order in which they will leave it."""

    vehicle: I32
    link: I32
    """Link on which it is, or which it waits to enter."""
    at_origin: I32
    """1 where it waits to enter the first link of its leg, else 0."""
    entered_cs: I32
    """When it came onto the link, or began to wait to enter it [cs]."""
    next_link: I32
    """Link after that; -1 where its leg ends."""


def vehicle_places(state: QueueState) -> VehiclePlaces:
    """Where the vehicles on the road are.

    Parameters
    ----------
    state
        A day that stands still.

    Returns
    -------
    VehiclePlaces
        One row a vehicle; vehicles at a stop, not yet begun or done have none.
    """
    table: I32 = find_vehicles(state.links)
    return VehiclePlaces(*(np.ascontiguousarray(table[:, column]) for column in range(5)))


def reroute(
    state: QueueState, network: QueueNetwork, plans: Plans, routes: Routes, vehicle: I32, ways: Routes
) -> None:
    """Give vehicles another rest of their leg.

    A vehicle on a link goes on with the new way after that link: its first link leaves the node to which the vehicle
    is driving; an empty way ends the leg at that node. For a vehicle that is not on the road the way is that of its
    next leg, whole. One that waits to enter its first link keeps that link: its way begins with it.

    Parameters
    ----------
    state
        A day that stands still; changed.
    network, plans, routes
        What the state belongs to.
    vehicle
        Vehicles, each once.
    ways
        A way for each of them, from `build_routes`.

    Raises
    ------
    NetworkError
        Unknown, repeated or finished vehicles, ways that cannot be driven or do not begin where the vehicle is; nothing
        is changed then.
    """
    check_belongs(state, network, plans, routes)
    vehicle = np.asarray(vehicle, np.int32)
    faults: list[Fault | str] = []
    if ways.n_routes != len(vehicle):
        faults.append(Fault(WHERE, "ways", f"{len(vehicle)}, one for each vehicle", str(ways.n_routes)))
    if len(vehicle) and not (vehicle.min() >= 0 and vehicle.max() < plans.n_vehicles):
        faults.append(
            Fault(WHERE, "vehicle", f"0 to {plans.n_vehicles - 1}", f"{vehicle.min()} to {vehicle.max()}")
        )
    elif len(np.unique(vehicle)) != len(vehicle):
        faults.append(Fault(WHERE, "vehicle", "each once", "a vehicle twice"))
    if len(routes.link) + len(state.detour) + len(ways.link) > MOST_PLACES:
        faults.append(Fault(WHERE, "ways", f"at most {MOST_PLACES} links in all", "more"))
    if faults:
        raise NetworkError(faults)
    faults += check_ways(network, ways)
    if not faults:
        faults += _misplaced(state, network, plans, vehicle, ways)
    if faults:
        raise NetworkError(faults)
    first: I64 = ways.indptr[:-1] + len(routes.link) + len(state.detour)
    state.detour = np.concatenate([state.detour, ways.link])
    state.lengthen_trace(len(ways.link))
    way_of = np.full(plans.n_vehicles, -1, np.int32)
    way_of[vehicle] = np.arange(len(vehicle))
    trips = state.trips(plans, routes)
    on_road = np.zeros(len(vehicle), np.bool_)
    set_ways(state.links, state.wheel, trips, state.counts, way_of, ways.indptr, first, on_road)
    off = vehicle[~on_road]
    empty = np.diff(ways.indptr)[~on_road] == 0
    state.start[state.leg[off]] = np.where(empty, -1, first[~on_road])


def _misplaced(
    state: QueueState, network: QueueNetwork, plans: Plans, vehicle: I32, ways: Routes
) -> list[Fault | str]:
    """Vehicles that are done, and ways that begin where their vehicle is not."""
    faults: list[Fault | str] = [
        Fault(WHERE, f"vehicle {each}", "legs that are not over", "the end of its last leg")
        for each in vehicle[state.leg[vehicle] == plans.leg_indptr[vehicle + 1]]
    ]
    places = vehicle_places(state)
    row_of = np.full(plans.n_vehicles, -1, np.int64)
    row_of[places.vehicle] = np.arange(len(places.vehicle))
    for k, row in enumerate(row_of[vehicle]):
        links = ways.links_of(k)
        if row < 0:
            continue
        link = int(places.link[row])
        if places.at_origin[row]:
            if not len(links) or links[0] != link:
                got = f"link {links[0]}" if len(links) else "no link"
                faults.append(
                    Fault(WHERE, f"way {k}", f"link {link} first, which the vehicle waits to enter", got)
                )
        elif len(links) and network.tail[links[0]] != network.head[link]:
            expected = f"a link from node {network.head[link]}, to which the vehicle drives"
            faults.append(
                Fault(WHERE, f"way {k}", expected, f"link {links[0]} from node {network.tail[links[0]]}")
            )
    return faults
