"""A first pass over OpenStreetMap XML that refuses what would harm or mislead a reader.

Refused: document types and entities (they expand without bound), nesting, size after decompression, numbers
that are not numbers, places off the Earth, ways over nodes that the file does not hold.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.networks.formats.xml_scan import XmlScan, scan_xml

MAX_WAY_NODES = 50_000


def is_xml(path: Path) -> bool:
    """Tell OpenStreetMap XML (plain, gzip or bzip2) from other files by its name."""
    return path.name.lower().endswith((".osm", ".xml", ".osm.gz", ".xml.gz", ".osm.bz2", ".xml.bz2"))


class _Scan(XmlScan):
    """Handlers of one pass."""

    tops = ("osm", "osmChange")

    def __init__(self, file: str) -> None:
        super().__init__(file)
        self.nodes = array("q")
        self.refs = array("q")
        self.way = ""
        self.way_nodes = 0

    def number(self, field: str, text: str | None) -> int | None:
        """Read an id."""
        if (
            text is not None
            and len(text) <= 19
            and text.removeprefix("-").isascii()
            and text.removeprefix("-").isdigit()
        ):
            value = int(text)
            if abs(value) < 2**62:
                return value
        self.fault(field, "a whole number", repr(text))
        return None

    def place(self, field: str, text: str | None, limit: float) -> None:
        """Check a coordinate."""
        try:
            value = float(text) if text is not None and len(text) < 40 else math.nan
        except ValueError:
            value = math.nan
        if not abs(value) <= limit:
            self.fault(field, f"degrees from -{limit:g} to {limit:g}", repr(text))

    def element(self, name: str, attributes: Mapping[str, str]) -> None:
        """Handle the start of an element."""
        if name == "node":
            node = self.number("node id", attributes.get("id"))
            if node is not None:
                self.nodes.append(node)
                self.place(f"node {node} lat", attributes.get("lat"), 90)
                self.place(f"node {node} lon", attributes.get("lon"), 180)
        elif name == "way":
            self.way, self.way_nodes = str(self.number("way id", attributes.get("id"))), 0
        elif name == "nd":
            self.way_nodes += 1
            if self.way_nodes > MAX_WAY_NODES:
                self.stop(f"way {self.way}", f"at most {MAX_WAY_NODES} nodes", "more")
            ref = self.number(f"way {self.way} nd", attributes.get("ref"))
            if ref is not None:
                self.refs.append(ref)
        elif name == "tag" and not {"k", "v"} <= attributes.keys():
            self.fault("tag", "a key and a value", str(sorted(attributes))[:60])


def check_osm_xml(path: Path) -> None:
    """Read an OpenStreetMap XML file once and refuse it if anything is wrong.

    Parameters
    ----------
    path
        File, plain or compressed with gzip or bzip2.

    Raises
    ------
    NetworkError
        With the faults found (at most 20).
    """
    scan = _Scan(path.name)
    scan_xml(path, scan)
    if scan.faults:
        raise NetworkError(scan.faults)
    refs = np.frombuffer(scan.refs, np.int64) if scan.refs else np.empty(0, np.int64)
    nodes = np.frombuffer(scan.nodes, np.int64) if scan.nodes else np.empty(0, np.int64)
    missing = np.unique(refs[~np.isin(refs, nodes)])
    if len(missing):
        got = f"{len(missing)} missing, the first is {missing[0]} (cut the extract with complete ways)"
        raise NetworkError(Fault(path.name, "way nodes", "nodes that the file holds", got))
    if not len(refs):
        raise NetworkError(Fault(path.name, "ways", "at least one way", "none"))
