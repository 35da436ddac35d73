"""Tell network files apart by what stands in them, and open those of one network together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from transport_abm.core.errors import Fault, NetworkError
from transport_abm.networks.cities.csv_files import read_text
from transport_abm.networks.formats.gmns import read_gmns
from transport_abm.networks.formats.matsim_network import read_matsim_network
from transport_abm.networks.formats.matsim_plans import MatsimPlans, read_matsim_plans
from transport_abm.networks.formats.reading import Reading
from transport_abm.networks.formats.road_file import RoadFile, stop_at
from transport_abm.networks.formats.tntp import read_tntp
from transport_abm.networks.formats.xml_scan import Refused, XmlScan, scan_xml

_HEAD_CHARACTERS = 1 << 16


class FileKind(StrEnum):
    """Kinds of files of a road network."""

    TNTP_NETWORK = "TNTP network"
    TNTP_TRIPS = "TNTP trips"
    TNTP_NODES = "TNTP nodes"
    GMNS = "GMNS"
    GMNS_DEMAND = "GMNS demand"
    MATSIM_NETWORK = "MATSim network"
    MATSIM_PLANS = "MATSim plans"


NETWORKS = (FileKind.TNTP_NETWORK, FileKind.GMNS, FileKind.MATSIM_NETWORK)
"""Kinds that hold links; the others belong to one of them."""
_EXTRA: Mapping[FileKind, tuple[FileKind, ...]] = {
    FileKind.TNTP_NETWORK: (FileKind.TNTP_TRIPS, FileKind.TNTP_NODES),
    FileKind.GMNS: (FileKind.GMNS_DEMAND,),
    FileKind.MATSIM_NETWORK: (FileKind.MATSIM_PLANS,),
}


@dataclass(frozen=True)
class OpenedRoads:
    """A network with what belongs to it."""

    kind: FileKind
    roads: RoadFile
    plans: MatsimPlans | None = None


def file_kind(path: Path) -> FileKind:
    """What kind of file this is.

    Parameters
    ----------
    path
        File, or folder with node.csv and link.csv.

    Returns
    -------
    FileKind
        Told by its content.

    Raises
    ------
    NetworkError
        If it is missing, cannot be read, or is none of them.
    """
    try:
        return _kind(path)
    except OSError as error:
        # A name too long, or a folder above that may not be looked into.
        raise NetworkError(Fault(str(path), "file", "a readable file", str(error.strerror))) from None


def _kind(path: Path) -> FileKind:
    """What kind of file this is; errors of the system go through."""
    expected = "a TNTP file, a MATSim network or population, or a GMNS folder, zip or demand.csv"
    name = path.name.lower()
    if path.is_dir():
        if (path / "node.csv").is_file() or (path / "link.csv").is_file():
            return FileKind.GMNS
        raise NetworkError(Fault(str(path), "folder", "node.csv and link.csv", "neither"))
    if not path.exists():
        raise NetworkError(Fault(str(path), "file", expected, "no such file"))
    if name.endswith(".zip"):
        return FileKind.GMNS
    if name.endswith((".xml", ".xml.gz", ".xml.bz2")):
        scan = _Top(path.name)
        scan_xml(path, scan)
        if scan.faults:
            raise NetworkError(scan.faults)
        return FileKind.MATSIM_NETWORK if scan.top == "network" else FileKind.MATSIM_PLANS
    head = read_text(path)[:_HEAD_CHARACTERS].lower()
    words = head.split()
    for kind, found in (
        (FileKind.GMNS_DEMAND, "o_zone_id" in head.partition("\n")[0]),
        (FileKind.TNTP_NETWORK, "<number of links>" in head),
        (FileKind.TNTP_TRIPS, "<number of zones>" in head),
        (FileKind.TNTP_NODES, words[:3] == ["node", "x", "y"]),
    ):
        if found:
            return kind
    raise NetworkError(Fault(path.name, "file", expected, repr(head[:60]) if head else "an empty file"))


def open_roads(paths: Sequence[Path], reading: Reading | None = None) -> OpenedRoads:
    """Open a network and the trips, coordinates or plans that belong to it.

    Parameters
    ----------
    paths
        One network, and at most one file of each kind that goes with it, in any order.
    reading
        Units and costs that the files do not give.

    Returns
    -------
    OpenedRoads
        The network.

    Raises
    ------
    NetworkError
        If a file is broken, a kind is there twice or belongs to another format, or there is no network. All faults of
        all files are named.
    """
    faults: list[Fault | str] = []
    kinds: dict[FileKind, Path] = {}
    for path in paths:
        try:
            kind = file_kind(path)
        except NetworkError as error:
            faults += error.faults
            continue
        if kind in kinds:
            faults.append(Fault(path.name, "file", f"one {kind}", f"another one beside {kinds[kind].name}"))
        kinds.setdefault(kind, path)
    networks = [kind for kind in NETWORKS if kind in kinds]
    if len(networks) != 1 and not faults:
        faults.append(Fault("files", "network", "one network", " and ".join(networks) or "none"))
    stop_at(faults)
    network = networks[0]
    for kind in kinds.keys() - {network, *_EXTRA[network]}:
        faults.append(Fault(kinds[kind].name, "file", f"a file that goes with a {network}", kind))
    stop_at(faults)
    if network is FileKind.TNTP_NETWORK:
        trips, nodes = kinds.get(FileKind.TNTP_TRIPS), kinds.get(FileKind.TNTP_NODES)
        return OpenedRoads(network, read_tntp(kinds[network], trips, nodes, reading))
    if network is FileKind.GMNS:
        return OpenedRoads(network, read_gmns(kinds[network], reading, kinds.get(FileKind.GMNS_DEMAND)))
    roads = read_matsim_network(kinds[network])
    plans = kinds.get(FileKind.MATSIM_PLANS)
    return OpenedRoads(network, roads, None if plans is None else read_matsim_plans(plans, roads))


class _Top(XmlScan):
    """Reads as far as the outermost element."""

    tops = ("network", "population")
    outside_doctype = True

    def element(self, name: str, attributes: Mapping[str, str]) -> None:
        """Stop reading."""
        raise Refused
