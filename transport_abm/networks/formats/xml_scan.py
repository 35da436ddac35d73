"""One pass over XML from outside that refuses what would harm a reader.

Refused: entities and internal subsets of a document type (they expand without bound), nesting, size after
decompression, files that are cut short or not well-formed. Memory does not grow with the file. Where a format writes a
document type that only names an outside file, that line is blanked before the parser sees it: the outside file is never
opened, and a name that only it could explain is an error, not a hole in a number.
"""

from __future__ import annotations

import bz2
import gzip
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, cast
from xml.parsers import expat

from transport_abm.core.errors import Fault

MAX_XML_BYTES = 8_000_000_000
"""Largest XML after decompression [bytes]."""
MAX_RATIO = 200
"""Largest decompressed over compressed size; real maps and plans stay near 10 to 40."""
_RATIO_FREE_BYTES = 20_000_000
MAX_DEPTH = 16
MAX_FAULTS = 20
_CHUNK = 1 << 18
_QUOTED = rb"""(?:"[^"<>&]*"|'[^'<>&]*')"""
_PLAIN_DOCTYPE = re.compile(
    rb"<!DOCTYPE\s+[\w:.-]+\s+(?:SYSTEM|PUBLIC\s+" + _QUOTED + rb")\s+" + _QUOTED + rb"\s*>"
)


class Refused(Exception):
    """The file cannot be read on."""


def open_plain(path: Path) -> BinaryIO:
    """Open a file, decompressing what ends in .gz or .bz2."""
    name = path.name.lower()
    if name.endswith(".gz"):
        return cast(BinaryIO, gzip.open(path, "rb"))
    if name.endswith(".bz2"):
        return cast(BinaryIO, bz2.open(path, "rb"))
    return path.open("rb")


class XmlScan:
    """Handlers of one pass; a reader of a format overrides ``element``, ``leave`` and ``characters``."""

    tops: tuple[str, ...] = ()
    """Names that the outermost element may have."""
    outside_doctype = False
    """Whether a document type may name an outside file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.faults: list[Fault] = []
        self.depth = 0
        self.top = ""

    def element(self, name: str, attributes: Mapping[str, str]) -> None:
        """Take the start of an element."""

    def leave(self, name: str) -> None:
        """Take the end of an element."""

    def characters(self, text: str) -> None:
        """Take text between tags; only called where ``wants_text`` was set."""

    wants_text = False

    def fault(self, field: str, expected: str, got: str) -> None:
        """Take down a fault; give up when there are many."""
        self.faults.append(Fault(self.file, field, expected, got[:80]))
        if len(self.faults) >= MAX_FAULTS:
            raise Refused

    def stop(self, field: str, expected: str, got: str) -> None:
        """Take down a fault and give up."""
        self.faults.append(Fault(self.file, field, expected, got[:80]))
        raise Refused

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Handle the start of an element."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.stop("element", f"nesting of at most {MAX_DEPTH}", "more")
        if self.depth == 1:
            self.top = name
            if name not in self.tops:
                self.stop("element", f"{' or '.join(self.tops)} at the top", name)
        self.element(name, attributes)

    def end(self, name: str) -> None:
        """Handle the end of an element."""
        self.depth -= 1
        self.leave(name)

    def doctype(self, *_ignored: object) -> None:
        """Refuse document types."""
        self.stop("DOCTYPE", "no declarations" if self.outside_doctype else "none", "a document type")

    def entity(self, *_ignored: object) -> None:
        """Refuse entities."""
        self.stop("ENTITY", "none", "an entity")


def scan_xml(path: Path, scan: XmlScan) -> None:
    """Read a file once; what is wrong stands in the scan's faults afterwards.

    Parameters
    ----------
    path
        File, plain or compressed with gzip or bzip2.
    scan
        Handlers.
    """
    parser = expat.ParserCreate()
    parser.StartElementHandler = scan.start
    parser.EndElementHandler = scan.end
    parser.StartDoctypeDeclHandler = scan.doctype
    parser.EntityDeclHandler = scan.entity
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    if scan.wants_text:
        parser.buffer_text = True
        parser.CharacterDataHandler = scan.characters
    try:
        packed = path.stat().st_size
        with open_plain(path) as file:
            _feed(parser, file, packed, scan)
    except Refused:
        pass
    except expat.ExpatError as error:
        scan.faults.append(Fault(scan.file, "XML", "well-formed XML", str(error)))
    except (OSError, EOFError, ValueError, LookupError, zlib.error) as error:
        scan.faults.append(Fault(scan.file, "file", "a readable file", f"{type(error).__name__}: {error}"))


def _feed(parser: expat.XMLParserType, file: BinaryIO, packed: int, scan: XmlScan) -> None:
    """Feed a file to the parser in pieces of bounded size."""
    total = 0
    while data := file.read(_CHUNK):
        if not total and scan.outside_doctype:
            data = _PLAIN_DOCTYPE.sub(lambda found: re.sub(rb"[^\r\n]", b" ", found[0]), data, count=1)
        total += len(data)
        if total > MAX_XML_BYTES or total > max(packed * MAX_RATIO, _RATIO_FREE_BYTES):
            scan.stop("size", f"at most {MAX_XML_BYTES} bytes and {MAX_RATIO} times the packed size", "more")
        parser.Parse(data, False)
    parser.Parse(b"", True)
