"""Slow, obvious twin of the spatial queue: a heap of events, lists of vehicles, holes and waiting rows."""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from dataclasses import dataclass, field

import numpy as np

from transport_abm.networks.queues.charges import EntryCharge
from transport_abm.networks.queues.network import QueueNetwork
from transport_abm.networks.queues.plans import Plans, Routes

CS = 100


@dataclass
class Link:
    """One link with its vehicles, the first one first."""

    free: int
    back: int
    storage: int
    capacity: int
    priority: int
    vehicles: deque[Vehicle] = field(default_factory=deque)
    holes: deque[tuple[int, int]] = field(default_factory=deque)
    """Times at which they arrive at the upper end, and their sizes."""
    used: int = 0
    free_at: int = 0
    rest: int = 0
    waiting: list[tuple[str, int]] = field(default_factory=list)
    hole_due: bool = False
    blocked_since: int | None = None


@dataclass
class Vehicle:
    """One vehicle with what is left of its way."""

    number: int
    size: int
    weight: int
    vehicle_class: int
    links: deque[int] = field(default_factory=deque)
    came: int = 0
    may_leave: int = 0


class NaiveQueue:
    """A day of vehicles, second by second."""

    def __init__(
        self, network: QueueNetwork, plans: Plans, routes: Routes, *, bin_min: int = 15, end_h: float = 30.0,
        charge: EntryCharge | None = None, horizon_s: int = 1024,
    ) -> None:  # fmt: skip
        self.network, self.plans, self.routes, self.charge = network, plans, routes, charge
        self.horizon, self.stuck, self.bin_cs = horizon_s, network.stuck_wait_s * CS, bin_min * 60 * CS
        self.end_s = round(end_h * 3600)
        most = max(network.priority[np.isfinite(network.free_time_s)], default=1.0)
        n, bins = network.n_links, -(-self.end_s // (bin_min * 60))
        self.links = [
            Link(
                free=10**9 if np.isinf(network.free_time_s[k]) else int(np.rint(network.free_time_s[k] * CS)),
                back=int(np.rint(network.wave_time_s[k] * CS)),
                storage=int(np.rint(network.storage_pcu[k] * 100)),
                capacity=int(np.rint(network.capacity_pcuh[k] * 100)),
                priority=max(1, int(np.rint(network.priority[k] * (1e6 / most)))),
            )
            for k in range(n)
        ]
        self.origin: list[deque[tuple[int, Vehicle]]] = [deque() for _ in range(n)]
        self.credit: dict[tuple[str, int], int] = defaultdict(int)
        self.given = [0] * n
        """By link: size of all that was let in from a wait."""
        self.absent: dict[tuple[str, int], tuple[int, int]] = {}
        self.blocked: list[int] = []
        self.events: list[tuple[int, int, str, int]] = []
        self.put_so_far = 0
        self.leg_of: dict[int, int] = {}
        self.way_of: dict[int, list[int]] = {}
        self.entered = np.zeros((bins, n), np.int64)
        self.time = np.zeros((bins, n), np.int64)
        self.released = np.zeros(n, np.int64)
        self.departure = [-1] * plans.n_legs
        self.arrival = [-1] * plans.n_legs
        self.paid = [0] * plans.n_vehicles
        self.charged = np.zeros((0, 0) if charge is None else charge.amount_cny.shape, np.int64)
        self.departures: dict[int, deque[tuple[int, int]]] = defaultdict(deque)
        for vehicle in range(plans.n_vehicles):
            leg = int(plans.leg_indptr[vehicle])
            self.plan_departure(vehicle, leg, int(plans.earliest_cs[leg]))

    def plan_departure(self, vehicle: int, leg: int, time: int) -> None:
        self.departures[time // CS].append((vehicle, leg))
        if time // CS < self.end_s:
            self.departure[leg] = time

    def put(self, kind: str, link: int, time: int, second: int) -> None:
        at = min(time // CS, second + self.horizon - 1)
        heapq.heappush(self.events, (at, self.put_so_far, kind, link))
        self.put_so_far += 1

    def run(self, start_s: int = 0, until_s: int | None = None) -> NaiveQueue:
        for second in range(start_s, self.end_s if until_s is None else until_s):
            self.second(second)
        return self

    def second(self, second: int) -> None:
        while self.blocked:
            first = self.blocked[0]
            since = self.links[first].blocked_since
            assert since is not None
            if (since + self.stuck) // CS > second:
                break
            vehicle = self.links[first].vehicles[0]
            self.released[first] += vehicle.weight
            self.let_in(("link", first), vehicle.links[0], since + self.stuck, second)
        while self.departures[second] or (self.events and self.events[0][0] == second):
            while self.departures[second]:
                self.depart(*self.departures[second].popleft(), second)
            while self.events and self.events[0][0] == second:
                _, _, kind, link = heapq.heappop(self.events)
                if kind == "hole":
                    self.serve(link, second)
                else:
                    self.try_first(link, second)

    def depart(self, number: int, leg: int, second: int) -> None:
        time, kind, kinds = self.departure[leg], int(self.plans.kind[number]), self.plans.kinds
        links = self.way(leg)
        weight = int(kinds.weight[kind])
        vehicle = Vehicle(
            number,
            int(np.rint(kinds.pcu[kind] * 100)) * weight,
            weight,
            int(kinds.vehicle_class[kind]),
            deque(links),
        )
        self.leg_of[number] = leg
        if not links:
            self.arrive(vehicle, time)
        elif not self.origin[links[0]] and self.has_room(links[0], vehicle.size, second):
            self.enter(vehicle, time, second)
        else:
            self.origin[links[0]].append((time, vehicle))
            if len(self.origin[links[0]]) == 1:
                self.wait(("origin", links[0]), links[0], second)

    def arrive(self, vehicle: Vehicle, time: int) -> None:
        leg = self.leg_of[vehicle.number]
        self.arrival[leg] = time
        self.leg_of[vehicle.number] = leg + 1
        while leg + 1 < self.plans.leg_indptr[vehicle.number + 1]:
            leg += 1
            time = max(int(self.plans.earliest_cs[leg]), time + int(self.plans.stop_cs[leg]))
            if time // CS >= self.end_s or self.way(leg):
                self.plan_departure(vehicle.number, leg, time)
                self.leg_of[vehicle.number] = leg
                return
            self.departure[leg] = self.arrival[leg] = time
            self.leg_of[vehicle.number] = leg + 1

    def way(self, leg: int) -> list[int]:
        """Links of a leg."""
        return self.way_of.get(leg) or (
            [] if leg in self.way_of else self.routes.links_of(int(self.plans.route[leg])).tolist()
        )

    def reroute(self, ways: dict[int, list[int]], second: int) -> None:
        """New ways for vehicles, before a second."""
        off = dict(ways)
        for k, link in enumerate(self.links):
            for place, vehicle in enumerate(link.vehicles):
                if vehicle.number not in ways:
                    continue
                old, vehicle.links = vehicle.links, deque(off.pop(vehicle.number))
                if place == 0 and link.blocked_since is not None:
                    link.blocked_since = None
                    self.blocked.remove(k)
                    self.links[old[0]].waiting.remove(("link", k))
                    link.free_at = max(link.free_at, second * CS)
                    self.put("first", k, second * CS, second)
            for _, vehicle in self.origin[k]:
                if vehicle.number in ways:
                    vehicle.links = deque(off.pop(vehicle.number))
        for number, way in off.items():
            self.way_of[self.leg_of.get(number, int(self.plans.leg_indptr[number]))] = way

    def collect(self, link: Link, second: int) -> None:
        while link.holes and link.holes[0][0] // CS <= second:
            link.used -= link.holes.popleft()[1]

    def has_room(self, k: int, size: int, second: int) -> bool:
        link = self.links[k]
        if link.waiting:
            return False
        self.collect(link, second)
        return link.used == 0 or link.used + size // 2 <= link.storage

    def enter(self, vehicle: Vehicle, time: int, second: int) -> None:
        k = vehicle.links.popleft()
        link = self.links[k]
        vehicle.came, vehicle.may_leave = time, time + link.free
        link.vehicles.append(vehicle)
        link.used += vehicle.size
        self.entered[second * CS // self.bin_cs, k] += vehicle.weight
        charge = self.charge
        if charge is not None and charge.group[k] >= 0 and vehicle.vehicle_class not in charge.exempt:
            row, group = second * CS // self.bin_cs, int(charge.group[k])
            self.charged[row, group] += vehicle.weight
            self.paid[vehicle.number] += int(np.rint(charge.amount_cny[row, group] * 100))
        if len(link.vehicles) == 1:
            self.put("first", k, max(vehicle.may_leave, link.free_at), second)

    def leave(self, k: int, time: int, second: int) -> Vehicle:
        link = self.links[k]
        vehicle = link.vehicles.popleft()
        self.time[vehicle.came // self.bin_cs, k] += (time - vehicle.came) * vehicle.weight
        link.holes.append((time + link.back, vehicle.size))
        headway, link.rest = divmod(vehicle.size * 360_000 + link.rest, link.capacity)
        link.free_at = time + headway
        if link.vehicles:
            self.put("first", k, max(link.vehicles[0].may_leave, link.free_at), second)
        if link.waiting and not link.hole_due:
            self.call_hole(k, second)
        return vehicle

    def try_first(self, k: int, second: int) -> None:
        link = self.links[k]
        vehicle = link.vehicles[0]
        time = max(vehicle.may_leave, link.free_at)
        if time // CS > second:
            self.put("first", k, time, second)
            return
        if ("link", k) in self.absent:
            ahead, given = self.absent.pop(("link", k))
            self.credit[("link", k)] += (self.given[ahead] - given) * link.priority
        if not vehicle.links:
            self.leave(k, time, second)
            self.arrive(vehicle, time)
        elif self.has_room(vehicle.links[0], vehicle.size, second):
            self.leave(k, time, second)
            self.enter(vehicle, time, second)
        else:
            link.blocked_since = time
            self.blocked.append(k)
            self.wait(("link", k), vehicle.links[0], second)

    def wait(self, row: tuple[str, int], ahead: int, second: int) -> None:
        link = self.links[ahead]
        link.waiting.append(row)
        if link.holes and not link.hole_due:
            self.call_hole(ahead, second)

    def call_hole(self, k: int, second: int) -> None:
        self.links[k].hole_due = True
        self.put("hole", k, max(self.links[k].holes[0][0], second * CS), second)

    def first_of(self, row: tuple[str, int]) -> tuple[int, Vehicle]:
        """When the first vehicle of a waiting row began to wait, and the vehicle."""
        if row[0] == "origin":
            return self.origin[row[1]][0]
        since = self.links[row[1]].blocked_since
        assert since is not None
        return since, self.links[row[1]].vehicles[0]

    def serve(self, k: int, second: int) -> None:
        link = self.links[k]
        link.hole_due = False
        time = second * CS
        while link.waiting:
            claim = {
                row: self.credit[row] + self.links[row[1]].priority * self.first_of(row)[1].size
                for row in link.waiting
            }
            row = max(link.waiting, key=lambda each: claim[each])
            since, vehicle = self.first_of(row)
            if link.used == 0 or link.used + vehicle.size // 2 <= link.storage:
                self.given[k] += vehicle.size
                for each in [*link.waiting, *(each for each, (to, _) in self.absent.items() if to == k)]:
                    self.credit[row] -= self.links[each[1]].priority * vehicle.size
                for each in link.waiting:
                    self.credit[each] += self.links[each[1]].priority * vehicle.size
                self.let_in(row, k, max(time, since), second)
            elif link.holes and link.holes[0][0] // CS <= second:
                time = max(time, link.holes[0][0])
                link.used -= link.holes.popleft()[1]
            else:
                if link.holes and not link.hole_due:
                    self.call_hole(k, second)
                break

    def let_in(self, row: tuple[str, int], ahead: int, time: int, second: int) -> None:
        self.links[ahead].waiting.remove(row)
        if row[0] == "link":
            self.links[row[1]].blocked_since = None
            self.blocked.remove(row[1])
            vehicle = self.leave(row[1], time, second)
            behind = self.links[row[1]].vehicles
            if (
                behind
                and deque([ahead]) == deque(list(behind[0].links)[:1])
                and behind[0].may_leave <= self.links[row[1]].free_at
            ):
                # The next one would wait too but for its headway: the row keeps its claim.
                self.absent[row] = (ahead, self.given[ahead])
            self.enter(vehicle, time, second)
        else:
            self.enter(self.origin[ahead].popleft()[1], time, second)
            if self.origin[ahead]:
                self.wait(row, ahead, second)
