"""Whatever stands in a TNTP, GMNS or MATSim file from outside, the answer is one NetworkError that names it."""

from __future__ import annotations

import gzip
import tracemalloc
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.test_gmns import TABLES, write
from tests.unit.test_matsim import NET, PLANS
from tests.unit.test_tntp import NET as TNTP
from tests.unit.test_tntp import TRIPS
from transport_abm.core.errors import NetworkError, StoreError
from transport_abm.core.whole_files import whole_file, whole_folder
from transport_abm.networks.formats.gmns import read_gmns
from transport_abm.networks.formats.link_results import (
    SCHEMA,
    build_link_results,
    read_link_results,
    write_link_results,
)
from transport_abm.networks.formats.matsim_network import read_matsim_network
from transport_abm.networks.formats.matsim_plans import read_matsim_plans
from transport_abm.networks.formats.open_roads import FileKind, file_kind, open_roads
from transport_abm.networks.formats.queue_form import queue_network
from transport_abm.networks.formats.reading import Reading
from transport_abm.networks.formats.tntp import read_tntp, read_tntp_network, read_tntp_trips
from transport_abm.networks.queues.network import queue_rules
from transport_abm.policy.inputs import year_inputs

LAUGHS = "".join(f'<!ENTITY l{k} "{f"&l{k - 1};" * 10 if k else "ha"}">' for k in range(10))
BOMBS = [
    NET.replace('network_v2.dtd">', f'network_v2.dtd" [{LAUGHS}]>').replace('id="23"', 'id="&l9;"'),
    NET.replace('SYSTEM "http://www.matsim.org/files/dtd/network_v2.dtd"', '[<!ENTITY a SYSTEM "file:///etc/hostname">]'),
    NET.replace('network_v2.dtd">', 'network_v2.dtd" [<!ENTITY % p SYSTEM "file:///etc/hostname"> %p;]>'),
    NET.replace("<nodes>", "<nodes>" + "<a>" * 100_000),
    NET.replace('id="23"', 'id="&l;"'),
    NET.encode("utf-16").decode("latin-1"),
    "<network>" + "<nodes/>" * 3,
    "",
    "\x00",
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(BOMBS)))
@pytest.mark.parametrize("packed", [False, True])
def test_xml_that_means_harm_is_refused_in_little_memory(number: int, packed: bool, tmp_path: Path) -> None:
    path = tmp_path / ("network.xml.gz" if packed else "network.xml")
    data = BOMBS[number].encode("latin-1" if number == 5 else "utf-8")
    path.write_bytes(gzip.compress(data) if packed else data)
    tracemalloc.start()
    try:
        with pytest.raises(NetworkError, match=r"network\.xml"):
            read_matsim_network(path)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_the_outside_document_type_is_never_opened(tmp_path: Path) -> None:
    trap = tmp_path / "trap.dtd"
    trap.write_text('<!ENTITY a "12"><!ATTLIST link modes CDATA "bike">')
    text = NET.replace("http://www.matsim.org/files/dtd/network_v2.dtd", trap.as_uri())
    (tmp_path / "network.xml").write_text(text)
    assert read_matsim_network(tmp_path / "network.xml").open.sum() == 4
    (tmp_path / "network.xml").write_text(text.replace('id="12"', 'id="&a;"'))
    with pytest.raises(NetworkError, match="undefined entity"):
        read_matsim_network(tmp_path / "network.xml")


def test_files_that_grow_without_bound_are_refused(tmp_path: Path) -> None:
    (tmp_path / "n.xml.gz").write_bytes(gzip.compress(b"<network>" + b" " * 60_000_000))
    (tmp_path / "demand.csv.gz").write_bytes(
        gzip.compress(b"o_zone_id,d_zone_id,volume\n" + b"\n" * 60_000_000)
    )
    with zipfile.ZipFile(tmp_path / "n.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("node.csv", "node_id,x_coord,y_coord\n" + " " * 60_000_000)
    with pytest.raises(NetworkError, match="times the packed size"):
        read_matsim_network(tmp_path / "n.xml.gz")
    with pytest.raises(NetworkError, match="times the packed size"):
        read_gmns(tmp_path / "n.zip")
    with pytest.raises(NetworkError, match="size: expected at most"):
        read_gmns(write(tmp_path / "net"), demand_csv=tmp_path / "demand.csv.gz")


@pytest.mark.parametrize("packed", [False, True])
def test_every_truncation_of_matsim_files_is_refused(packed: bool, tmp_path: Path) -> None:
    suffix = ".xml.gz" if packed else ".xml"
    squeeze: Callable[[bytes], bytes] = gzip.compress if packed else bytes
    (tmp_path / f"whole{suffix}").write_bytes(squeeze(NET.encode()))
    roads = read_matsim_network(tmp_path / f"whole{suffix}")
    readers: tuple[tuple[str, Callable[[Path], object]], ...] = (
        (NET, read_matsim_network),
        (PLANS, lambda path: read_matsim_plans(path, roads)),
    )
    for text, read in readers:
        data = squeeze(text.encode())
        for size in range(0, len(data) - 1, max(len(data) // 60, 1)):
            (tmp_path / f"cut{suffix}").write_bytes(data[:size])
            with pytest.raises(NetworkError, match=r"cut\.xml"):
                read(tmp_path / f"cut{suffix}")


def test_every_truncation_of_a_gmns_zip_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "whole.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in TABLES.items():
            archive.writestr(name, text)
    data = (tmp_path / "whole.zip").read_bytes()
    read_gmns(tmp_path / "whole.zip")
    for size in range(0, len(data) - 1, len(data) // 40):
        (tmp_path / "cut.zip").write_bytes(data[:size])
        with pytest.raises(NetworkError, match=r"cut\.zip"):
            read_gmns(tmp_path / "cut.zip")


def test_a_link_table_cut_inside_a_row_is_refused(tmp_path: Path) -> None:
    text, read = TABLES["link.csv"], set()
    for size in range(len(text)):
        folder = write(tmp_path, link=text[:size], demand="")
        with suppress(NetworkError):
            read_gmns(folder)
            read.add(size)
    # Only where a row is whole, or lacks no more than an optional last cell, does a cut leave no trace.
    assert read == {
        size
        for size in range(text.index("\n1,") + 2, len(text))
        if text[size] == "\n" or text[size - 1] == "\n" or text[size - 1 : size + 2] == ",3\n"
    }


@pytest.mark.parametrize("kind", ["tntp", "trips", "network", "plans", "gmns"])
def test_flipped_bytes_are_read_or_refused_and_never_anything_else(kind: str, tmp_path: Path) -> None:
    (tmp_path / "sound.xml").write_text(NET)
    roads = read_matsim_network(tmp_path / "sound.xml")
    write(tmp_path / "net")
    texts: dict[str, tuple[str, str, Callable[[Path], object]]] = {
        "tntp": (TNTP, "file.tntp", read_tntp_network),
        "trips": (TRIPS, "file.tntp", read_tntp_trips),
        "network": (NET, "file.xml", read_matsim_network),
        "plans": (PLANS, "file.xml", lambda path: read_matsim_plans(path, roads)),
        "gmns": (TABLES["link.csv"], "net/link.csv", lambda _: read_gmns(tmp_path / "net")),
    }
    text, name, read = texts[kind]
    whole, path, refused = text.encode(), tmp_path / name, 0
    for place in range(0, len(whole), max(len(whole) // 150, 1)):
        for mask in (0x01, 0x10, 0x80):
            damaged = bytearray(whole)
            damaged[place] ^= mask
            path.write_bytes(damaged)
            try:
                read(path)
            except NetworkError:
                refused += 1
    assert refused > 50


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("100\t5", "-100\t5", "line 9, capacity: expected more than 0, got -100"),
        ("100\t5", "0\t5", "line 9, capacity"),
        ("100\t5", "nan\t5", "line 9, field 3: expected a number, got nan"),
        ("100\t5", "100\t-5", "line 9, length: expected 0 or more"),
        ("5\t6\t0.15", "5\t-6\t0.15", "line 9, free flow time: expected 0 or more"),
        ("0.15\t4", "-0.15\t4", "line 9, B: expected 0 or more"),
        ("0.15\t4", "0.15\t0.5", "line 9, power: expected 0, or 1 or more"),
        ("\t2\t1\t;", "\t-2\t1\t;", "line 9, toll: expected 0 or more"),
        ("ZONES> 2", "ZONES> 99999999999", "<NUMBER OF ZONES>: expected at most"),
        ("NODES>\t3", "NODES>\t99999999999", "<NUMBER OF NODES>: expected at most"),
        ("NODES>\t3", "NODES>\t" + "9" * 9_000, "<NUMBER OF NODES>: expected a whole number"),
    ],
)
def test_values_that_no_road_has_are_refused_with_their_line(
    old: str, new: str, words: str, tmp_path: Path
) -> None:
    assert old in TNTP
    (tmp_path / "net.tntp").write_text(TNTP.replace(old, new))
    with pytest.raises(NetworkError) as caught:
        read_tntp(tmp_path / "net.tntp")
    assert words in str(caught.value)


def test_a_trip_table_asks_for_no_more_memory_than_there_is(tmp_path: Path) -> None:
    (tmp_path / "trips.tntp").write_text(TRIPS.replace("ZONES> 2", "ZONES> 9999999"))
    with pytest.raises(NetworkError, match="<NUMBER OF ZONES>: expected at most 20000"):
        read_tntp_trips(tmp_path / "trips.tntp")


def test_tntp_files_that_do_not_fit_are_all_named(tmp_path: Path) -> None:
    (tmp_path / "net.tntp").write_text(TNTP)
    (tmp_path / "trips.tntp").write_text(TRIPS.replace("ZONES> 2", "ZONES> 3"))
    (tmp_path / "nodes.tntp").write_text("Node X Y\n1 0 0\n2 0 0\n")
    with pytest.raises(NetworkError) as caught:
        open_roads([tmp_path / name for name in ("trips.tntp", "nodes.tntp", "net.tntp")])
    assert [fault.split(": ")[1] for fault in map(str, caught.value.faults)] == ["<NUMBER OF ZONES>", "Node"]
    (tmp_path / "trips.tntp").write_text(TRIPS.replace("0.5;", "0.5"))
    (tmp_path / "net.tntp").write_text(TNTP.replace("0.15", "x"))
    with pytest.raises(NetworkError) as caught:
        open_roads([tmp_path / "trips.tntp", tmp_path / "net.tntp"])
    assert "net.tntp" in str(caught.value) and "trips.tntp" in str(caught.value)


def test_a_file_without_units_keeps_its_own_and_is_no_ground_for_a_queue(tmp_path: Path) -> None:
    (tmp_path / "net.tntp").write_text(TNTP)
    roads = read_tntp(tmp_path / "net.tntp")
    assert not roads.in_seconds and not roads.in_metres and roads.problem.free_time_s.tolist() == [6, 8]
    with pytest.raises(NetworkError) as caught:
        queue_network(roads, queue_rules(year_inputs(2021)))
    assert len(caught.value.faults) == 3
    known = read_tntp(tmp_path / "net.tntp", reading=Reading(time_unit="min", length_unit="mi"))
    assert known.problem.free_time_s.tolist() == [360, 480] and known.length_m[0] == 5 * 1609.344
    with pytest.raises(NetworkError) as caught:
        Reading(toll_factor=np.inf, distance_factor=-1.0)
    assert len(caught.value.faults) == 2 and "--toll-factor: expected a finite number" in str(caught.value)
    for reading in (Reading(time_unit="days"), Reading(length_unit="ell")):
        with pytest.raises(NetworkError, match="unit: expected one of"):
            read_tntp(tmp_path / "net.tntp", reading=reading)


def test_kinds_of_files_are_told_by_what_stands_in_them(tmp_path: Path) -> None:
    texts = {
        "a.tntp": (TNTP, FileKind.TNTP_NETWORK), "b.txt": (TRIPS, FileKind.TNTP_TRIPS),
        "c.tntp": ("node X Y ;\n1 2 3;\n", FileKind.TNTP_NODES), "d.xml": (NET, FileKind.MATSIM_NETWORK),
        "e.xml": (PLANS, FileKind.MATSIM_PLANS), "f.csv": (TABLES["demand.csv"], FileKind.GMNS_DEMAND),
    }  # fmt: skip
    for name, (text, kind) in texts.items():
        (tmp_path / name).write_text(text)
        assert file_kind(tmp_path / name) is kind
    assert file_kind(write(tmp_path / "net")) is FileKind.GMNS
    for name, text in (("x.xml", "<html/>"), ("x.csv", "a,b\n"), ("x.tntp", ""), ("x.xml.gz", "no gzip")):
        (tmp_path / name).write_text(text)
        with pytest.raises(NetworkError, match=name.replace(".", r"\.")):
            file_kind(tmp_path / name)
    (tmp_path / "empty").mkdir()
    for name, words in (
        ("empty", "empty: folder: expected node.csv and link.csv"),
        ("none.tntp", "no such file"),
        ("n" * 999, "nnn: file: expected a readable file, got File name too long"),
    ):
        with pytest.raises(NetworkError, match=words):
            file_kind(tmp_path / name)
    for group, words in (
        (("a.tntp", "d.xml"), "expected one network, got TNTP network and MATSim network"),
        (("b.txt",), "expected one network, got none"),
        (("a.tntp", "e.xml"), "e.xml: file: expected a file that goes with a TNTP network"),
        (("a.tntp", "a.tntp"), "expected one TNTP network"),
        (("x.csv", "x.tntp"), "an empty file"),
    ):
        with pytest.raises(NetworkError) as caught:
            open_roads([tmp_path / name for name in group])
        assert words in str(caught.value)


def test_link_results_that_are_broken_or_other_tables_are_refused(tmp_path: Path) -> None:
    node = np.arange(3, dtype=np.int32)
    time = np.full((1, 3), 60.0)
    results = build_link_results(node, node, np.full(3, 500.0), [(0, 900)], time, time, year=2025)
    path = tmp_path / "links.parquet"
    write_link_results(results, path)
    data = path.read_bytes()
    for size in (0, 4, len(data) // 2, len(data) - 4):
        path.write_bytes(data[:size])
        with pytest.raises(NetworkError, match=r"links\.parquet: file"):
            read_link_results(path)
    pq.write_table(pa.table({"year": pa.array([2025.0])}), path)
    with pytest.raises(NetworkError) as caught:
        read_link_results(path)
    assert len(caught.value.faults) == 9 and "year: expected a column of int16, got double" in str(
        caught.value
    )
    write_link_results(results, path)
    pq.write_table(pq.read_table(path).cast(SCHEMA), path)
    with pytest.raises(NetworkError, match="flow: expected the unit pcu/h or vehicles/h, got ''"):
        read_link_results(path)
    with pytest.raises(NetworkError, match=r"an ending \.parquet or \.csv"):
        write_link_results(results, tmp_path / "links.txt")
    for flow in (-time, time * np.nan, time[:, :2]):
        with pytest.raises(NetworkError, match="flow"):
            build_link_results(node, node, np.full(3, 500.0), [(0, 900)], flow, time, year=2025)


def test_a_writer_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with suppress(KeyboardInterrupt), whole_file(tmp_path / "file") as fresh:
        fresh.write_text("half")
        raise KeyboardInterrupt
    with suppress(KeyboardInterrupt), whole_folder(tmp_path / "folder") as fresh:
        (fresh / "a").write_text("half")
        raise KeyboardInterrupt
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "old"
    with pytest.raises(StoreError, match="cannot be written"), whole_file(tmp_path / "file" / "below"):
        pass
    with pytest.raises(StoreError, match="cannot be written"), whole_folder(tmp_path / "file" / "below"):
        pass
    with whole_file(tmp_path / "file") as fresh:
        fresh.write_text("new")
    (tmp_path / "folder").mkdir()
    with whole_folder(tmp_path / "folder") as fresh:
        (fresh / "a").write_text("whole")
    assert (tmp_path / "file").read_text() == "new" and (tmp_path / "folder" / "a").read_text() == "whole"
