"""MATSim populations (population_v5.dtd and population_v6.dtd): the selected plans as vehicles with routes.

A person with a leg by the mode that drives is a vehicle. Its legs begin at the end of the activity before: at
``end_time``, or ``max_dur`` after arrival; legs by other modes between two drives take their ``trav_time``. As in
MATSim a vehicle stands at the head of the link of its activity, so the first link of a route is not driven, and the
last one is, whole. A leg without a route takes the cheapest way on the empty roads.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import shapely

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.core.vocabulary import VehicleClass
from transport_abm.networks.cities.csv_files import as_number
from transport_abm.networks.city import F64, I32, I64
from transport_abm.networks.formats.matsim_network import CAR, MOST_TIME_S, clock_s, is_undefined
from transport_abm.networks.formats.reading import counted
from transport_abm.networks.formats.road_file import RoadFile, stop_at
from transport_abm.networks.formats.xml_scan import XmlScan, scan_xml
from transport_abm.networks.queues.plans import Plans, Routes, VehicleKinds, build_routes
from transport_abm.networks.roads.hierarchy import hierarchy_of

NO_LINK = -1


@dataclass(frozen=True)
class MatsimPlans:
    """Vehicles of a population, as the spatial queue takes them; rows of links are those of the network."""

    plans: Plans
    """One simulated vehicle of one passenger-car unit a driver."""
    routes: Routes
    start_link: I32
    """By leg: link at whose head the vehicle stands before it."""
    vehicle_name: tuple[str, ...]
    """Ids of the persons who drive, by vehicle."""
    notes: tuple[str, ...]


def read_matsim_plans(path: Path, roads: RoadFile, mode: str = CAR) -> MatsimPlans:
    """Read the selected plans of a population.

    Parameters
    ----------
    path
        population.xml or plans.xml, plain or compressed with gzip.
    roads
        The network that it belongs to.
    mode
        Mode whose legs are driven.

    Returns
    -------
    MatsimPlans
        Vehicles in the order of the file. Legs that begin and end on one link have an empty route.

    Raises
    ------
    NetworkError
        If the file is cut short or not a population, a link is unknown, a route is not connected or closed to cars, a
        time is missing or wrong, or a leg has no way. Faults name the person and the leg.
    """
    scan = _PlanScan(Path(path).name, roads, mode)
    scan_xml(Path(path), scan)
    if not scan.faults and not scan.vehicle_name:
        scan.faults.append(Fault(scan.file, "persons", f"at least one with a leg by {mode}", "none"))
    if scan.faults:
        raise NetworkError(scan.faults)
    notes = list(scan.notes())
    start, end = (
        _on_links(roads, links, spots)
        for links, spots in ((scan.from_link, scan.from_spot), (scan.to_link, scan.to_spot))
    )
    if count := len(scan.from_spot) + len(scan.to_spot):
        notes.append(
            counted(
                count,
                "end of a leg has no link and is put on the nearest one",
                "ends of legs have no link and are put on the nearest one",
            )
        )
    indptr, link = _routes(scan, roads, start, end, notes)
    kinds = VehicleKinds(np.full(1, VehicleClass.PRIVATE_CAR, np.int8), np.ones(1), np.ones(1, np.int32))
    plans = Plans(
        leg_indptr=np.array(scan.leg_indptr, np.int64), route=np.arange(len(start), dtype=np.int32),
        earliest_cs=np.array(scan.earliest_cs, np.int32), stop_cs=np.array(scan.stop_cs, np.int32),
        kind=np.zeros(len(scan.vehicle_name), np.int8), kinds=kinds,
    )  # fmt: skip
    return MatsimPlans(
        plans, build_routes(indptr, link, copy=False), start, tuple(scan.vehicle_name), tuple(notes)
    )


class _Activity(NamedTuple):
    """An activity of a plan."""

    attributes: Mapping[str, str]


class _Leg:
    """A leg of a plan; ``route`` is filled in when its text has been read."""

    def __init__(self, attributes: Mapping[str, str]) -> None:
        self.attributes = attributes
        self.route: Mapping[str, str] = {}
        self.links = ""


class _PlanScan(XmlScan):
    """Handlers of a population; holds one person at a time, and the legs as numbers."""

    tops = ("population",)
    outside_doctype = True
    wants_text = True

    def __init__(self, file: str, roads: RoadFile, mode: str) -> None:
        super().__init__(file)
        self.mode = mode
        self.link_row = {name: row for row, name in enumerate(roads.link_name)}
        self.open = roads.open
        self.tail, self.head = roads.problem.tail, roads.problem.head
        self.persons: set[str] = set()
        self.person = ""
        self.plan: list[_Activity | _Leg] | None = None
        self.chosen: list[_Activity | _Leg] | None = None
        self.n_plans = 0
        self.n_selected = 0
        self.in_route = False
        self.n_without_drive = 0
        self.vehicle_name: list[str] = []
        self.leg_indptr = array("q", [0])
        self.earliest_cs, self.stop_cs = array("i"), array("i")
        self.from_link, self.to_link = array("i"), array("i")
        self.from_spot: dict[int, tuple[float, float]] = {}
        self.to_spot: dict[int, tuple[float, float]] = {}
        self.given: dict[int, Any] = {}

    def notes(self) -> list[str]:
        """What was left out."""
        if not self.n_without_drive:
            return []
        return [
            counted(
                self.n_without_drive,
                "person does not drive and is left out",
                "persons do not drive and are left out",
            )
        ]

    def element(self, name: str, attributes: Mapping[str, str]) -> None:
        """Take the parts of a person."""
        if name == "person":
            self.person = attributes.get("id", "")
            if not self.person or self.person in self.persons:
                self.fault("person id", "an id used once", repr(self.person))
            self.persons.add(self.person)
            self.chosen, self.n_plans, self.n_selected = None, 0, 0
        elif name == "plan":
            self.plan = []
            self.n_plans += 1
            chosen = attributes.get("selected", "no") == "yes"
            self.n_selected += chosen
            if chosen or self.n_plans == 1:
                self.chosen = self.plan
        elif self.plan is not None and name in ("act", "activity"):
            self.plan.append(_Activity(dict(attributes)))
        elif self.plan is not None and name == "leg":
            self.plan.append(_Leg(dict(attributes)))
        elif name == "route" and self.plan and isinstance(self.plan[-1], _Leg):
            self.plan[-1].route = dict(attributes)
            self.in_route = True

    def characters(self, text: str) -> None:
        """Take the links of a route."""
        if self.in_route and self.plan and isinstance(leg := self.plan[-1], _Leg):
            leg.links += text

    def leave(self, name: str) -> None:
        """End a route, a plan or a person."""
        if name == "route":
            self.in_route = False
        elif name == "plan":
            self.plan = None
        elif name == "person":
            if self.n_plans > 1 and self.n_selected != 1:
                self.fault(
                    f"person {self.person}", "one selected plan", f"{self.n_selected} of {self.n_plans}"
                )
            elif self.chosen is not None:
                self.take_plan(self.chosen)

    def take_plan(self, plan: list[_Activity | _Leg]) -> None:
        """Put the drives of a plan into the columns."""
        where = f"person {self.person}"
        kinds = [isinstance(part, _Activity) for part in plan]
        if not plan or kinds != [k % 2 == 0 for k in range(len(plan))] or not kinds[-1]:
            self.fault(where, "activities with one leg between two", "another order")
            return
        # Earliest time so far [s]; time since the last arrival of the vehicle [s]; None where it cannot be known.
        clock: float | None = None
        since: float | None = None
        legs = 0
        for k, part in enumerate(plan[:-1]):
            if isinstance(part, _Activity):
                clock, since = self.after_activity(
                    f"{where}, activity {k // 2 + 1}", part.attributes, clock, since
                )
                continue
            name = f"{where}, leg {k // 2 + 1}"
            if part.attributes.get("mode") == self.mode:
                if clock is None and since is None:
                    self.fault(name, "an activity before it with end_time or max_dur", "neither")
                before, after = plan[k - 1], plan[k + 1]
                assert isinstance(before, _Activity) and isinstance(after, _Activity)
                self.take_leg(name, part, (before.attributes, after.attributes))
                # A leg whose time follows from the arrival before it is not due before that leg was.
                if max(clock or 0.0, since or 0.0) > MOST_TIME_S:
                    self.fault(name, "times within 30 days", "durations that add up to more")
                    clock, since = 0.0, 0.0
                due = max(round(100 * (clock or 0.0)), self.earliest_cs[-1] if legs else 0)
                self.earliest_cs.append(due)
                # Before its first leg the vehicle has arrived nowhere.
                self.stop_cs.append(round(100 * (since or 0.0)) if legs else 0)
                clock, since, legs = None, 0.0, legs + 1
                continue
            text = part.attributes.get("trav_time")
            if text is None:
                text = part.route.get("trav_time")
            took = None if is_undefined(text) else self.time(f"{name} trav_time", text or "")
            clock = None if clock is None or took is None else clock + took
            since = None if since is None or took is None else since + took
        if legs:
            self.vehicle_name.append(self.person)
            self.leg_indptr.append(len(self.from_link))
        else:
            self.n_without_drive += 1

    def after_activity(
        self, where: str, attributes: Mapping[str, str], clock: float | None, since: float | None
    ) -> tuple[float | None, float | None]:
        """Earliest end, and time since the vehicle's arrival, after an activity."""
        if not is_undefined(text := attributes.get("end_time")):
            # Who arrives later than the end leaves at once.
            return self.time(f"{where} end_time", text or ""), 0.0
        if is_undefined(text := attributes.get("max_dur")):
            return None, None
        lasts = self.time(f"{where} max_dur", text or "")
        return None if clock is None else clock + lasts, None if since is None else since + lasts

    def time(self, field: str, text: str) -> float:
        """A time; 0, with a fault, if it is not one."""
        seconds = clock_s(text)
        if seconds is None:
            self.fault(field, "hh:mm:ss, up to 30 days", repr(text))
        return seconds or 0.0

    def take_leg(self, name: str, leg: _Leg, acts: tuple[Mapping[str, str], Mapping[str, str]]) -> None:
        """Put a drive into the columns: its links if it has a route, else its ends."""
        row = len(self.from_link)
        words = leg.links.split() if leg.route.get("type", "links") == "links" else []
        if words:
            links = np.array([self.link_row.get(word, NO_LINK) for word in words], np.int32)
            self.check_route(name, words, links)
            self.check_ends(name, words, (leg.route, *acts))
            self.given[row] = links[1:]
            self.from_link.append(int(links[0]))
            self.to_link.append(int(links[-1]))
            return
        for act, key, column, spots in (
            (acts[0], "start_link", self.from_link, self.from_spot),
            (acts[1], "end_link", self.to_link, self.to_spot),
        ):
            text = leg.route.get(key) or act.get("link")
            link = NO_LINK if text is None else self.link_row.get(text, NO_LINK)
            if text is not None and (link == NO_LINK or not self.open[link]):
                self.fault(f"{name} {key}", f"a link of the network for {self.mode}", repr(text))
            if text is None:
                spots[row] = self.spot(name, act)
            column.append(link)

    def check_route(self, name: str, words: list[str], links: I32) -> None:
        """Links are known, open and follow each other."""
        for k in np.flatnonzero(links < 0)[:3]:
            self.fault(f"{name} route", "links of the network", repr(words[k]))
        if (links < 0).any():
            return
        for k in np.flatnonzero(~self.open[links[1:]])[:3]:
            self.fault(f"{name} route", f"links open to {self.mode}", repr(words[k + 1]))
        for k in np.flatnonzero(self.head[links[:-1]] != self.tail[links[1:]])[:3]:
            self.fault(f"{name} route", "links that follow each other", f"{words[k]} {words[k + 1]}")

    def check_ends(
        self,
        name: str,
        words: list[str],
        given: tuple[Mapping[str, str], Mapping[str, str], Mapping[str, str]],
    ) -> None:
        """A route begins and ends on the links that it names as its ends, and on those of its activities."""
        route, before, after = given
        for field, text, word in (
            ("start_link", route.get("start_link"), words[0]),
            ("end_link", route.get("end_link"), words[-1]),
            ("link of the activity before", before.get("link"), words[0]),
            ("link of the activity after", after.get("link"), words[-1]),
        ):
            if text is not None and text != word:
                self.fault(f"{name} {field}", f"{word!r}, as in the links of its route", repr(text))

    def spot(self, name: str, act: Mapping[str, str]) -> tuple[float, float]:
        """Coordinates of an activity."""
        x, y = as_number(act.get("x")), as_number(act.get("y"))
        if not (abs(x) < 1e12 and abs(y) < 1e12):
            self.fault(name, "activities with a link, or x and y", "neither")
            return 0.0, 0.0
        return x, y


def _on_links(roads: RoadFile, links: array[int], spots: Mapping[int, tuple[float, float]]) -> I32:
    """Links of the ends of legs; those given by coordinates are on the nearest link that is open."""
    out = np.array(links, np.int32)
    if not spots:
        return out
    if roads.x is None or roads.y is None:
        raise NetworkError(Fault(roads.name, "nodes", "coordinates, as activities have no links", "none"))
    row = np.flatnonzero(roads.open)
    ends: F64 = np.stack([roads.problem.tail[row], roads.problem.head[row]], axis=1)
    lines = shapely.linestrings(np.stack([roads.x[ends], roads.y[ends]], axis=2))
    points = shapely.points(np.array(list(spots.values()), np.float64))
    found = shapely.STRtree(lines).query_nearest(points, all_matches=False)
    out[list(spots)] = row[found[1]]
    return out


def _routes(scan: _PlanScan, roads: RoadFile, start: I32, end: I32, notes: list[str]) -> tuple[I64, I32]:
    """Links driven by each leg: as given, or the cheapest way on the empty roads."""
    problem = roads.problem
    ways = None
    parts: list[I32] = []
    known: dict[tuple[int, int], I32] = {}
    faults: list[Fault | str] = []
    for row in range(len(start)):
        if row in scan.given:
            parts.append(scan.given[row])
            continue
        pair = (int(start[row]), int(end[row]))
        if pair not in known:
            if pair[0] == pair[1]:
                known[pair] = np.empty(0, np.int32)
            else:
                if ways is None:
                    cost = (problem.free_time_s + problem.fixed_cost_s)[problem.order]
                    ways = hierarchy_of(problem.graph).ways(cost)
                cost_s, slots = ways.path(int(problem.head[pair[0]]), int(problem.tail[pair[1]]))
                if not np.isfinite(cost_s):
                    vehicle = bisect_right(scan.leg_indptr, row) - 1
                    who = f"person {scan.vehicle_name[vehicle]}, drive {row - scan.leg_indptr[vehicle] + 1}: "
                    names = f"leg from link {roads.link_name[pair[0]]} to {roads.link_name[pair[1]]}"
                    faults.append(Fault(scan.file, who + names, "a way over open links", "none"))
                known[pair] = np.append(problem.order[slots], pair[1]).astype(np.int32)
        parts.append(known[pair])
    stop_at(faults)
    if count := len(start) - len(scan.given):
        notes.append(
            counted(
                count,
                "leg has no route and takes the cheapest way on the empty roads",
                "legs have no route and take the cheapest way on the empty roads",
            )
        )
    indptr = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([len(part) for part in parts], out=indptr[1:])
    link = np.concatenate(parts) if parts else np.empty(0, np.int32)
    return indptr, link.astype(np.int32)
