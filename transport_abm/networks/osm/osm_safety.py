"""A first pass over OpenStreetMap XML that refuses what would harm or mislead a reader.

Refused: document types and entities (they expand without bound), nesting, size after decompression, numbers
that are not numbers, places off the Earth, ways over nodes that the file does not hold.
"""

from __future__ import annotations

import bz2
import gzip
import math
import zlib
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, cast
from xml.parsers import expat

import numpy as np

from transport_abm.core.errors import Fault, NetworkError

MAX_XML_BYTES = 8_000_000_000
"""Largest XML after decompression [bytes]."""
MAX_RATIO = 200
"""Largest decompressed over compressed size; real OpenStreetMap XML stays near 10 to 30."""
_RATIO_FREE_BYTES = 20_000_000
MAX_DEPTH = 16
MAX_WAY_NODES = 50_000
_CHUNK = 1 << 18
_MAX_FAULTS = 20


class _Refused(Exception):
    """The file cannot be read on."""


def is_xml(path: Path) -> bool:
    """Tell OpenStreetMap XML (plain, gzip or bzip2) from other files by its name."""
    return path.name.lower().endswith((".osm", ".xml", ".osm.gz", ".xml.gz", ".osm.bz2", ".xml.bz2"))


def open_plain(path: Path) -> BinaryIO:
    """Open a file, decompressing what ends in .gz or .bz2."""
    name = path.name.lower()
    if name.endswith(".gz"):
        return cast(BinaryIO, gzip.open(path, "rb"))
    if name.endswith(".bz2"):
        return cast(BinaryIO, bz2.open(path, "rb"))
    return path.open("rb")


class _Scan:
    """Handlers of one pass."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.faults: list[Fault] = []
        self.depth = 0
        self.nodes = array("q")
        self.refs = array("q")
        self.way = ""
        self.way_nodes = 0

    def fault(self, field: str, expected: str, got: str) -> None:
        """Take down a fault; give up when there are many."""
        self.faults.append(Fault(self.file, field, expected, got[:80]))
        if len(self.faults) >= _MAX_FAULTS:
            raise _Refused

    def stop(self, field: str, expected: str, got: str) -> None:
        """Take down a fault and give up."""
        self.faults.append(Fault(self.file, field, expected, got[:80]))
        raise _Refused

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

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Handle the start of an element."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.stop("element", f"nesting of at most {MAX_DEPTH}", "more")
        if self.depth == 1 and name not in ("osm", "osmChange"):
            self.stop("element", "osm at the top", name)
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

    def end(self, _name: str) -> None:
        """Handle the end of an element."""
        self.depth -= 1

    def doctype(self, *_ignored: object) -> None:
        """Refuse document types."""
        self.stop("DOCTYPE", "none", "a document type")

    def entity(self, *_ignored: object) -> None:
        """Refuse entities."""
        self.stop("ENTITY", "none", "an entity")


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
    parser = expat.ParserCreate()
    parser.StartElementHandler = scan.start
    parser.EndElementHandler = scan.end
    parser.StartDoctypeDeclHandler = scan.doctype
    parser.EntityDeclHandler = scan.entity
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    try:
        packed = path.stat().st_size
        with open_plain(path) as file:
            _feed(parser, file, packed, scan)
    except _Refused:
        pass
    except expat.ExpatError as error:
        scan.faults.append(Fault(path.name, "XML", "well-formed XML", str(error)))
    except (OSError, EOFError, ValueError, zlib.error) as error:
        scan.faults.append(Fault(path.name, "file", "a readable file", f"{type(error).__name__}: {error}"))
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


def _feed(parser: expat.XMLParserType, file: BinaryIO, packed: int, scan: _Scan) -> None:
    """Feed a file to the parser in pieces of bounded size."""
    total = 0
    while data := file.read(_CHUNK):
        total += len(data)
        if total > MAX_XML_BYTES or total > max(packed * MAX_RATIO, _RATIO_FREE_BYTES):
            scan.stop("size", f"at most {MAX_XML_BYTES} bytes and {MAX_RATIO} times the packed size", "more")
        parser.Parse(data, False)
    parser.Parse(b"", True)
