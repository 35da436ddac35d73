"""MATSim networks (network_v1.dtd and network_v2.dtd): read and write.

Links have a length [m], a free speed [m/s], a capacity [vehicles per ``capperiod``], lanes and modes. MATSim has no
delay function: for static equilibrium that of the Bureau of Public Roads is used, and said. When a network is written,
its free speed is length over free time, so that delay at signals on the empty road is kept; buses that take room,
tolls and zones are not part of the format.
"""

from __future__ import annotations

import gzip
import io
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO, cast
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.core.whole_files import whole_file
from transport_abm.networks.cities.csv_files import as_number
from transport_abm.networks.formats.reading import counted
from transport_abm.networks.formats.road_file import BPR_POWER, BPR_SCALE, RoadFile
from transport_abm.networks.formats.xml_scan import XmlScan, scan_xml
from transport_abm.networks.roads.road_problem import RoadProblem

CAR = "car"
"""Mode of the vehicles; a link without the attribute is open to it."""
_CRS = "coordinateReferenceSystem"
MOST_TIME_S = 30 * 86_400
"""Latest time of a plan [s]."""
_UNDEFINED = frozenset({"", "undefined"})


def read_matsim_network(path: Path, mode: str = CAR) -> RoadFile:
    """Read a MATSim network.

    Parameters
    ----------
    path
        network.xml, plain or compressed with gzip.
    mode
        Mode that drives; links of other modes keep their rows and are closed.

    Returns
    -------
    RoadFile
        Links in the order of the file, without zones.

    Raises
    ------
    NetworkError
        If the file is cut short or not a network, an id is used twice or unknown, or a length, speed, capacity or
        number of lanes is out of range. Every fault names its link.
    """
    scan = _NetworkScan(Path(path).name)
    scan_xml(Path(path), scan)
    if not scan.faults and not scan.link:
        scan.faults.append(Fault(scan.file, "links", "at least one link", "none"))
    if scan.faults:
        raise NetworkError(scan.faults)
    length, speed, capacity, lanes = np.array(scan.number, np.float64).reshape(-1, 4).T.copy()
    usable = np.array([mode in {word.strip() for word in uses.split(",")} for uses in scan.uses], bool)
    if not usable.any():
        raise NetworkError(Fault(scan.file, "modes", f"links for {mode}", "none"))
    n = len(scan.link)
    notes = [f"MATSim has no delay function: {BPR_SCALE:g} and {BPR_POWER:g} are used (BPR 1964)"]
    if closed := int((~usable).sum()):
        notes.append(counted(closed, "link is closed to cars", "links are closed to cars"))
    place = np.array(scan.place, np.float64).reshape(-1, 2)
    problem = RoadProblem(
        tail=np.array(scan.tail, np.int32), head=np.array(scan.head, np.int32), n_nodes=len(scan.node),
        free_time_s=np.where(usable, length / speed, np.inf), capacity_pcuh=capacity,
        bpr_scale=np.full(n, BPR_SCALE), bpr_power=np.full(n, BPR_POWER), fixed_cost_s=np.zeros(n),
        preload_pcuh=np.zeros(n),
    )  # fmt: skip
    return RoadFile(
        name=scan.file, problem=problem, node_name=tuple(scan.node), link_name=tuple(scan.link),
        zone_name=(), zone_node=np.empty(0, np.int32), length_m=length, lanes=lanes,
        free_speed_kmh=speed * 3.6, x=place[:, 0].copy(), y=place[:, 1].copy(), crs=scan.crs,
        uses=tuple(scan.uses), notes=tuple(notes),
    )  # fmt: skip


class _NetworkScan(XmlScan):
    """Handlers of a network."""

    tops = ("network",)
    outside_doctype = True
    wants_text = True

    def __init__(self, file: str) -> None:
        super().__init__(file)
        self.node: dict[str, int] = {}
        self.place: list[tuple[float, float]] = []
        self.link: dict[str, int] = {}
        self.tail: list[int] = []
        self.head: list[int] = []
        self.number: list[tuple[float, float, float, float]] = []
        self.uses: list[str] = []
        self.hours = 1.0
        self.crs = ""
        self.in_crs = False
        self.known_uses: dict[str, str] = {}

    def element(self, name: str, attributes: Mapping[str, str]) -> None:
        """Take a node, a link, or what stands above them."""
        if name == "link":
            self.take_link(attributes)
        elif name == "node":
            node = self.identity("node", attributes, self.node)
            x, y = (self.value(f"node {node}", attributes, key, -1e12, 1e12) for key in ("x", "y"))
            self.place.append((x, y))
        elif name == "links":
            text = attributes.get("capperiod", "01:00:00")
            seconds = clock_s(text)
            if not seconds:
                self.fault("links capperiod", "hh:mm:ss above 0", repr(text))
            self.hours = (seconds or 3600.0) / 3600.0
        elif name == "attribute":
            self.in_crs = self.depth == 3 and attributes.get("name") == _CRS

    def characters(self, text: str) -> None:
        """Take the coordinate system."""
        if self.in_crs:
            self.crs += text.strip()

    def leave(self, name: str) -> None:
        """End an attribute."""
        if name == "attribute":
            self.in_crs = False

    def take_link(self, attributes: Mapping[str, str]) -> None:
        """Take a link."""
        where = f"link {self.identity('link', attributes, self.link)}"
        ends = []
        for key in ("from", "to"):
            row = self.node.get(attributes.get(key, ""), -1)
            if row < 0:
                self.fault(f"{where} {key}", "a node of the file", repr(attributes.get(key)))
            ends.append(row)
        self.tail.append(ends[0])
        self.head.append(ends[1])
        length = self.value(where, attributes, "length", 0.0, 1e9)
        speed = self.value(where, attributes, "freespeed", 0.0, 1e9, above=True)
        if not length / speed < math.inf:
            self.fault(f"{where} freespeed", "a speed that passes the link in finite time", f"{speed:g}")
        capacity = self.value(where, attributes, "capacity", 0.0, 1e15, above=True)
        if not capacity / self.hours <= 1e15:
            self.fault(
                f"{where} capacity", "a capacity an hour up to 1e+15", f"{capacity:g} in {self.hours:g} h"
            )
            capacity = 1.0
        capacity /= self.hours
        lanes = self.value(where, attributes, "permlanes", 0.0, 1e6, above=True)
        self.number.append((length, speed, capacity, lanes))
        uses = attributes.get("modes", CAR)
        self.uses.append(self.known_uses.setdefault(uses, uses))

    def identity(self, kind: str, attributes: Mapping[str, str], rows: dict[str, int]) -> str:
        """The id of an element, once."""
        text = attributes.get("id", "")
        if not text or text in rows:
            self.fault(f"{kind} id", "an id used once", repr(text) + (", used twice" if text else ""))
        rows.setdefault(text, len(rows))
        return text

    def value(
        self, where: str, attributes: Mapping[str, str], key: str, low: float, high: float, *,
        above: bool = False,
    ) -> float:  # fmt: skip
        """A number of an element; 1, with a fault, if it is not one."""
        text = attributes.get(key)
        value = as_number(text)
        if not low <= value <= high or (above and value == low):
            self.fault(
                f"{where} {key}", f"a number {'above' if above else 'from'} {low:g} to {high:g}", repr(text)
            )
            return 1.0
        return value


def clock_s(text: str) -> float | None:
    """Seconds of a time as hh:mm:ss, hh:mm or seconds; None if it is not one.

    Parameters
    ----------
    text
        Hours may pass 24.

    Returns
    -------
    float or None
        [s].
    """
    values = [as_number(part) for part in text.split(":")]
    # The sign of -00:10:00 would be lost.
    if len(values) > 3 or not all(
        0 <= value < math.inf and math.copysign(1.0, value) > 0 for value in values
    ):
        return None
    if len(values) > 1 and max(values[1:]) >= 60:
        return None
    seconds = values[0] if len(values) == 1 else 3600 * values[0] + 60 * values[1] + sum(values[2:])
    return seconds if seconds <= MOST_TIME_S else None


def is_undefined(text: str | None) -> bool:
    """Whether an attribute of time is left open, as MATSim writes it."""
    return text is None or text.strip() in _UNDEFINED


def write_matsim_network(roads: RoadFile, path: Path) -> None:
    """Write a network as network.xml or network.xml.gz, completely or not at all.

    Parameters
    ----------
    roads
        Network with times in seconds, lengths in metres, lanes and coordinates. Links closed to cars keep the modes
        that the network gives them.
    path
        File; an earlier one is replaced.

    Raises
    ------
    NetworkError
        If the network lacks what MATSim needs, or a link of no length takes time.
    StoreError
        If the file cannot be written.
    """
    problem, is_open = roads.problem, roads.open
    given = (roads.lanes, roads.free_speed_kmh, roads.x, roads.y)
    faults = [
        Fault(roads.name, name, "values, to be written as MATSim", "none")
        for name, column in zip(("lanes", "free speed", "x", "y"), given, strict=True)
        if column is None
    ]
    if not (roads.in_seconds and roads.in_metres):
        faults.append(Fault(roads.name, "units", "units of time and length, to be written as MATSim", "none"))
    lanes, free_kmh, x, y = given
    if faults or lanes is None or free_kmh is None or x is None or y is None:
        raise NetworkError(faults)
    with np.errstate(divide="ignore", invalid="ignore"):
        speed = np.where(
            is_open & (problem.free_time_s > 0), roads.length_m / problem.free_time_s, free_kmh / 3.6
        )
    # On a link of no length that takes no time, any speed says the same.
    speed = np.where((roads.length_m == 0) & (problem.free_time_s == 0), 1.0, speed)
    faults = [
        Fault(roads.name, f"link {roads.link_name[k]}", "a speed above 0 and lanes, to be written as MATSim",
              f"{speed[k]:g} m/s, {lanes[k]:g} lanes")
        for k in np.flatnonzero(~(speed > 0) | ~np.isfinite(speed) | ~(lanes > 0))[:20]
    ]  # fmt: skip
    if faults:
        raise NetworkError(faults)
    uses = [
        text if ok else (text or "closed")
        for text, ok in zip(roads.uses or [""] * len(lanes), is_open, strict=True)
    ]
    with whole_file(path) as fresh, open_xml(fresh, packed=path.suffix == ".gz") as file:
        file.write('<!DOCTYPE network SYSTEM "http://www.matsim.org/files/dtd/network_v2.dtd">\n')
        file.write(f"<network name={quoteattr(roads.name)}>\n")
        if roads.crs:
            file.write(
                f'<attributes><attribute name="{_CRS}" class="java.lang.String">{escape(roads.crs)}</attribute>'
                "</attributes>\n"
            )
        file.write("<nodes>\n")
        for k, name in enumerate(roads.node_name):
            file.write(f'<node id={quoteattr(name)} x="{float(x[k])!r}" y="{float(y[k])!r}"/>\n')
        file.write(
            '</nodes>\n<links capperiod="01:00:00" effectivecellsize="7.5" effectivelanewidth="3.75">\n'
        )
        for k, name in enumerate(roads.link_name):
            tail, head = roads.node_name[problem.tail[k]], roads.node_name[problem.head[k]]
            file.write(
                f"<link id={quoteattr(name)} from={quoteattr(tail)} to={quoteattr(head)}"
                f' length="{float(roads.length_m[k])!r}" freespeed="{float(speed[k])!r}"'
                f' capacity="{float(problem.capacity_pcuh[k])!r}" permlanes="{float(lanes[k])!r}" oneway="1"'
                f" modes={quoteattr(_modes(uses[k]))}/>\n"
            )
        file.write("</links>\n</network>\n")


def _modes(uses: str) -> str:
    """Uses in MATSim's words: what GMNS calls auto is car."""
    words = [CAR if word == "auto" else word for word in re.split(r"[,;|\s]+", uses) if word]
    return ",".join(words) or CAR


@contextmanager
def open_xml(path: Path, *, packed: bool) -> Iterator[TextIO]:
    """A file with its XML declaration, compressed if asked; the same content gives the same bytes."""
    with path.open("wb") as raw:
        out = gzip.GzipFile("", "wb", 6, raw, mtime=0) if packed else raw
        try:
            text = io.TextIOWrapper(cast(BinaryIO, out), encoding="utf-8", newline="\n")
            text.write('<?xml version="1.0" encoding="utf-8"?>\n')
            yield text
            text.flush()
            text.detach()
        finally:
            if packed:
                out.close()
