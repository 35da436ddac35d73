"""Whatever stands in a file from outside, the answer is one NetworkError that names it."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.tiny import tiny_city
from tests.unit.test_osm_roads import DEFAULTS, osm_xml
from transport_abm.core.errors import NetworkError
from transport_abm.networks.cities.boundaries import read_boundaries
from transport_abm.networks.cities.city_files import read_city, write_city
from transport_abm.networks.cities.csv_files import read_columns
from transport_abm.networks.osm.osm_pbf import read_osm_file
from transport_abm.networks.osm.osm_roads import read_osm_xml
from transport_abm.networks.osm.osm_safety import check_osm_xml


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound city folder."""
    write_city(tiny_city(), tmp_path / "city")
    return tmp_path / "city"


def signed(folder: Path, file: str, data: bytes) -> None:
    """Replace a file and put its right digest into city.toml, as someone with ill will would."""
    (folder / file).write_bytes(data)
    toml = (folder / "city.toml").read_text(encoding="utf-8")
    toml = re.sub(rf'("{file}" = )"[0-9a-f]+"', rf'\1"{hashlib.sha256(data).hexdigest()}"', toml)
    (folder / "city.toml").write_text(toml, encoding="utf-8")


def table(folder: Path, file: str, **columns: object) -> bytes:
    """A Parquet table with some columns replaced, or left out where None."""
    old = pq.read_table(folder / file)
    for name, values in columns.items():
        place = old.schema.get_field_index(name)
        old = old.remove_column(place)
        if values is not None:
            old = old.add_column(place, name, values)
    sink = pa.BufferOutputStream()
    pq.write_table(old, sink)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("file", ["links.parquet", "zones.parquet", "city.toml", "call_links.parquet"])
def test_a_missing_file_is_named(folder: Path, file: str) -> None:
    (folder / file).unlink()
    with pytest.raises(NetworkError, match=file):
        read_city(folder)


def test_every_truncation_is_refused(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        whole = path.read_bytes()
        for size in (0, 1, len(whole) // 2, len(whole) - 4):
            path.write_bytes(whole[:size])
            with pytest.raises(NetworkError):
                read_city(folder)
        path.write_bytes(whole)
    read_city(folder)


@pytest.mark.parametrize("size", [0, 4, 50, 400])
def test_truncated_tables_with_right_digests_are_refused(folder: Path, size: int) -> None:
    signed(folder, "links.parquet", (folder / "links.parquet").read_bytes()[:size])
    with pytest.raises(NetworkError, match=r"links\.parquet: file: expected a Parquet table"):
        read_city(folder)


def test_flipped_bytes_never_pass(folder: Path) -> None:
    whole = (folder / "links.parquet").read_bytes()
    for place in range(5, len(whole), 97):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        signed(folder, "links.parquet", bytes(damaged))
        try:
            read_city(folder)
        except NetworkError:
            continue
        # statistics and encodings of the container may change; the contents may not
        assert pq.read_table(folder / "links.parquet").equals(pq.read_table(pa.BufferReader(whole)))


def test_all_faults_of_a_folder_come_at_once(folder: Path) -> None:
    n = tiny_city().roads.n_links
    tail = pa.array(np.full(n, 999, np.int32))
    length = pa.array(np.full(n, np.nan))
    signed(folder, "links.parquet", table(folder, "links.parquet", tail=tail, length_m=length, ring=None))
    signed(folder, "zones.parquet", table(folder, "zones.parquet", jobs=pa.array([None] * 12, pa.float64())))
    signed(folder, "stops.parquet", table(folder, "stops.parquet", mode=pa.array(["metro"] * 17)))
    with pytest.raises(NetworkError) as caught:
        read_city(folder)
    text = str(caught.value)
    for words in (
        "ring: expected a column of int8",
        "jobs: expected no empty cells",
        "mode: expected a column of int8, got text",
    ):
        assert words in text


def test_changed_contents_with_right_digests_do_not_pass_as_the_same_city(folder: Path) -> None:
    jobs = pa.array(np.full(12, 7.0))
    signed(folder, "zones.parquet", table(folder, "zones.parquet", jobs=jobs))
    with pytest.raises(NetworkError, match="contents were changed"):
        read_city(folder)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("format = 1", "format = 2"),
        ("format = 1", "format = "),
        ('name = "tiny"', 'name = ""'),
        ('name = "tiny"', "name = 5"),
        ('"bus_base_cny" = 2.0', '"bus_base_cny" = nan'),
        ('"bus_base_cny" = 2.0', '"bus_base_cny" = "two"'),
        ('"bus_base_cny" = 2.0', ""),
        ('"metro_cny" = [3.0, 4.0, 5.0, 6.0]', '"metro_cny" = [3.0]'),
        ('"metro_up_to_km" = [6.0, 12.0', '"metro_up_to_km" = [60.0, 12.0'),
        ("[digests]", "[digest]"),
        ("[meta]", "meta = 1\n[other]"),
        ('"licence" = ', '"deep" = ' + "[" * 5000 + "]" * 5000 + '\n"licence" = '),
        ('"licence" = ', '"big" = ' + "9" * 10_000 + '\n"licence" = '),
    ],
)
def test_a_damaged_head_is_refused(folder: Path, old: str, new: str) -> None:
    text = (folder / "city.toml").read_text(encoding="utf-8")
    assert old in text
    (folder / "city.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(NetworkError, match=r"city\.toml"):
        read_city(folder)


def test_folders_links_and_other_bytes_are_no_city(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"city\.toml"):
        read_city(tmp_path / "nowhere")
    (folder / "city.toml").write_bytes(b"\xff\xfe\x00" * 50)
    with pytest.raises(NetworkError, match="UTF-8"):
        read_city(folder)
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "city.toml").mkdir()
    with pytest.raises(NetworkError, match="something else"):
        read_city(folder)


LAUGHS = '<?xml version="1.0"?><!DOCTYPE osm [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><osm>&b;</osm>'
OUTSIDE = '<?xml version="1.0"?><!DOCTYPE osm [<!ENTITY a SYSTEM "file:///etc/hostname">]><osm>&a;</osm>'
NODE = '<node id="1" lat="39.9" lon="116.3"/><node id="2" lat="39.91" lon="116.3"/>'
WAY = '<way id="9"><nd ref="1"/><nd ref="2"/><tag k="highway" v="residential"/></way>'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LAUGHS, "DOCTYPE"),
        (OUTSIDE, "DOCTYPE"),
        ("<osm>" + "<a>" * 50 + "</a>" * 50 + "</osm>", "nesting"),
        ("<html><body/></html>", "osm or osmChange at the top"),
        ("<osm>" + NODE.replace("39.91", "nan") + WAY + "</osm>", "node 2 lat"),
        ("<osm>" + NODE.replace("39.91", "91") + WAY + "</osm>", "node 2 lat"),
        ("<osm>" + NODE.replace('lon="116.3"', 'lon="1e400"') + WAY + "</osm>", "node 1 lon"),
        ("<osm>" + NODE.replace('id="2"', 'id="two"') + WAY + "</osm>", "node id"),
        ("<osm>" + NODE.replace('id="2"', 'id="' + "9" * 30 + '"') + WAY + "</osm>", "node id"),
        ("<osm>" + NODE + WAY.replace('ref="2"', 'ref="3"') + "</osm>", "1 missing, the first is 3"),
        ("<osm>" + NODE + WAY.replace('k="highway"', "") + "</osm>", "a key and a value"),
        ("<osm>" + NODE + WAY.replace("/>", ">", 1) + "</osm>", "well-formed"),
        ("<osm>" + NODE + "</osm>", "at least one way"),
        ("<osm>" + NODE + WAY.replace("residential", "footway") + "</osm>", "roads from motorway"),
        ("<osm>" + NODE + WAY.replace("<tag", '<tag k="oneway" v="yes"/><tag') + "</osm>", "roads for cars"),
        ("", "well-formed"),
        ("\x00\x01\x02", "well-formed"),
    ],
)
@pytest.mark.parametrize("read", [read_osm_file, read_osm_xml])
def test_hostile_maps_are_refused(read: object, text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "map.osm").write_text(text.replace("<osm>", '<osm version="0.6">'), encoding="utf-8")
    with pytest.raises(NetworkError, match=words):
        read(tmp_path / "map.osm", DEFAULTS)  # type: ignore[operator]


@pytest.mark.parametrize(("name", "pack"), [("map.osm.gz", gzip.compress), ("map.osm.bz2", bz2.compress)])
def test_maps_that_grow_without_bound_are_refused(name: str, pack: object, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(pack(b"<osm>" + b" " * 60_000_000))  # type: ignore[operator]
    with pytest.raises(NetworkError, match="times the packed size"):
        check_osm_xml(tmp_path / name)


@pytest.mark.parametrize(("name", "pack"), [("map.osm.gz", gzip.compress), ("map.osm.bz2", bz2.compress)])
def test_truncated_maps_are_refused(name: str, pack: object, tmp_path: Path) -> None:
    data = pack(osm_xml().encode())  # type: ignore[operator]
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(NetworkError, match=name):
        read_osm_file(tmp_path / name, DEFAULTS)


@pytest.mark.parametrize(
    "data", [b"", b"\x00\x00\x00\x0d\n\x09OSMHeader\x18\x7f", b"PK\x03\x04", b"\xff" * 100]
)
def test_what_is_no_pbf_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "map.osm.pbf").write_bytes(data)
    with pytest.raises(NetworkError, match=r"map\.osm\.pbf"):
        read_osm_file(tmp_path / "map.osm.pbf", DEFAULTS)


def test_maps_of_another_name_or_nowhere_are_refused(tmp_path: Path) -> None:
    (tmp_path / "map.txt").write_text("roads")
    for name, words in (("map.txt", "osm.pbf"), ("none.osm", "no such file")):
        with pytest.raises(NetworkError, match=words):
            read_osm_file(tmp_path / name, DEFAULTS)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 100_000, "JSON"),
        ("", "JSON"),
        ("{}", "a list of districts"),
        ('{"features": 5}', "a list of districts"),
    ],
)
def test_hostile_boundaries_are_refused(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "map.geojson").write_text(text)
    with pytest.raises(NetworkError, match=words):
        read_boundaries(tmp_path / "map.geojson", "wgs84")


def test_hostile_tables_are_refused(tmp_path: Path) -> None:
    cases = {
        "latin.csv": ("name\nCaf\xe9\n".encode("latin-1"), "UTF-8"),
        "short.csv.gz": (gzip.compress(b"name\nA\n")[:-6], "readable"),
        "quote.csv": (b'name\n"A\n', "CSV table"),
    }
    for name, (data, words) in cases.items():
        (tmp_path / name).write_bytes(data)
        faults: list[object] = []
        try:
            read_columns(tmp_path / name, ("name",), faults)  # type: ignore[arg-type]
        except NetworkError as error:
            faults = list(error.faults)
        assert words in "\n".join(map(str, faults))
    (tmp_path / "wide.csv").write_text("a,b\n1\n1,2,3\n")
    found: list[object] = []
    read_columns(tmp_path / "wide.csv", ("a", "c"), found)  # type: ignore[arg-type]
    assert len(found) == 3
    (tmp_path / "twice.csv").write_text("a,b, a ,,\n1,2,3,,\n")
    found.clear()
    read_columns(tmp_path / "twice.csv", ("a",), found)  # type: ignore[arg-type]
    assert [str(fault) for fault in found] == ["twice.csv: a: expected one column of this name, got 2"]
