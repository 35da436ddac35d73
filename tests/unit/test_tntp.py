"""TNTP files: what is read, and how a broken one is refused."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from transport_abm.cli.city_table import finding_text
from transport_abm.core.errors import NetworkError
from transport_abm.networks.formats.tntp import (
    read_tntp,
    read_tntp_flow,
    read_tntp_network,
    read_tntp_nodes,
    read_tntp_trips,
)

NET = """<NUMBER OF ZONES> 2
<NUMBER OF NODES>\t3
<FIRST THRU NODE> 3
<NUMBER OF LINKS> 2
<ORIGINAL HEADER>~ Init node ;
<END OF METADATA>

~ init term capacity length fft b power speed toll type ;
\t1\t3\t100\t5\t6\t0.15\t4\t0\t2\t1\t;
3 2 200 7 8 0.3 1 0 0 1;
"""
TRIPS = """<NUMBER OF ZONES> 2
<TOTAL OD FLOW> 30.5
<END OF METADATA>

Origin \t1
1 : 0.0; 2 : 30.0;
Origin 2
 1 :  0.5;
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "file.tntp"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_network_is_read_with_nodes_from_zero(tmp_path: Path) -> None:
    network = read_tntp_network(write(tmp_path, NET))
    assert (network.n_zones, network.n_nodes, network.first_through_node) == (2, 3, 2)
    assert network.tail.tolist() == [0, 2] and network.head.tolist() == [2, 1]
    problem = network.problem(time_unit_s=60, toll_factor=0.5, distance_factor=2)
    assert problem.free_time_s.tolist() == [360, 480]
    assert problem.fixed_cost_s.tolist() == [(0.5 * 2 + 2 * 5) * 60, 2 * 7 * 60]
    assert problem.bpr_scale.tolist() == [0.15, 0.3] and problem.bpr_power.tolist() == [4, 1]


def test_trips_are_read_origin_first(tmp_path: Path) -> None:
    assert read_tntp_trips(write(tmp_path, TRIPS)).tolist() == [[0, 30], [0.5, 0]]


def test_flows_are_put_in_the_order_of_the_network(tmp_path: Path) -> None:
    network = read_tntp_network(write(tmp_path, NET))
    flow, cost = read_tntp_flow(write(tmp_path, "From To Volume Cost\n3 2 5 8\n1 3 4 6\n"), network)
    assert flow.tolist() == [4, 5] and cost.tolist() == [6, 8]


def test_nodes_are_put_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    x, y = read_tntp_nodes(write(tmp_path, "Node X Y ;\n2 3.5 4 ;\n1 1 2 ;\n"))
    assert x.tolist() == [1, 3.5] and y.tolist() == [2, 4]


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (read_tntp_network, NET[:40], "<END OF METADATA>: expected this line"),
        (
            read_tntp_network,
            NET.replace("<NUMBER OF LINKS> 2", ""),
            "<NUMBER OF LINKS>: expected a whole number",
        ),
        (read_tntp_network, NET[: NET.rindex("3 2")], "links: expected 2 rows"),
        (read_tntp_network, NET[: NET.rindex("0.3")], "line 10: expected 10 fields, got 5 fields"),
        (read_tntp_network, NET.replace("0.15", "0,15"), "line 9, field 6: expected a number, got 0,15"),
        (read_tntp_network, NET.replace("3 2 200", "3 4 200"), "line 10: expected a node from 1 to 3, got 4"),
        (
            read_tntp_network,
            NET.replace("3 2 200", "3 nan 200"),
            "line 10, field 2: expected a number, got nan",
        ),
        (read_tntp_trips, TRIPS.replace("0.5;", "0.5"), "line 8: expected ';' after the last entry"),
        (read_tntp_trips, TRIPS.replace("30.0;", "3"), "line 6: expected ';' after the last entry"),
        (read_tntp_trips, TRIPS.replace("30.0", "-3"), "line 6: expected 'destination : trips;'"),
        (
            read_tntp_trips,
            TRIPS.replace("2 : 30.0", "7 : 30.0"),
            "line 6: expected a zone from 1 to 2, got 7",
        ),
        (read_tntp_trips, TRIPS.replace("Origin \t1\n", ""), "line 5: expected a line 'Origin n'"),
        (read_tntp_trips, TRIPS[: TRIPS.index("Origin 2")].replace("30.0", "20"), "expected 30.5 in all"),
        (read_tntp_network, NET[: NET.rindex(";")], "line 10: expected ';' at its end, as in the first row"),
        (read_tntp_trips, TRIPS.replace("30.5", "many"), "<TOTAL OD FLOW>: expected a number, got 'many'"),
        (read_tntp_nodes, "Node X Y\n1 2 3\n3 2 3\n", "1 to 2, each once"),
        (read_tntp_nodes, "Node X Y\n1 2 3.5 ;\n2 2 3", "line 3: expected ';' at its end"),
        (
            read_tntp_network,
            NET.replace("NODE> 3", "NODE> 5"),
            "<FIRST THRU NODE>: expected from 1 to 4, got 5",
        ),
        (read_tntp_trips, TRIPS.replace("Origin 2", "Origin 1"), "line 7: expected each origin once"),
        (read_tntp_trips, TRIPS.replace("1 : 0.0", "2 : 0.0"), "line 6: expected each destination once"),
        (
            read_tntp_network,
            NET.replace("<END", "<number of nodes> 4 ~ or\n<END"),
            "line 6, <NUMBER OF NODES>: expected '3', as before, got '4'",
        ),
        (read_tntp_network, NET.replace("0.15", "1_0"), "line 9, field 6: expected a number, got 1_0"),
        (read_tntp_network, NET.replace("0.15", "\uff11"), "line 9, field 6: expected a number"),
        (read_tntp_network, NET.replace("LINKS> 2", "LINKS> \u0662"), "LINKS>: expected a whole number"),
        (read_tntp_trips, TRIPS.replace("Origin 2", "Origin \uff12"), "line 7: expected a zone from 1 to 2"),
        (read_tntp_trips, TRIPS.replace("0.5", "0_5"), "line 8: expected 'destination : trips;'"),
        (read_tntp_nodes, "Node X Y ;\n1 2 3.5 ;\n2 2 3", "line 3: expected ';' at its end"),
    ],
)
def test_a_broken_file_is_refused_with_its_place(
    tmp_path: Path, read: Callable[[Path], object], text: str, message: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(NetworkError) as caught:
        read(path)
    assert str(path) in str(caught.value) and message in str(caught.value)


def test_a_flow_file_names_each_link_once(tmp_path: Path) -> None:
    network = read_tntp_network(write(tmp_path, NET))
    for text, message in [
        ("1 3 4 6\n", "1 links missing"),
        ("1 3 4 6\n1 3 4 6\n", "each link of the network once"),
    ]:
        with pytest.raises(NetworkError, match=message):
            read_tntp_flow(write(tmp_path, "From To Volume Cost\n" + text), network)


def test_flows_of_links_between_the_same_nodes_are_all_kept(tmp_path: Path) -> None:
    twice = NET.replace("LINKS> 2", "LINKS> 3") + "3 2 200 7 9 0.3 1 0 0 1;\n"
    network = read_tntp_network(write(tmp_path, twice))
    flow, cost = read_tntp_flow(write(tmp_path, "From To Volume Cost\n3 2 5 8\n1 3 4 6\n3 2 7 9\n"), network)
    assert flow.tolist() == [4, 5, 7] and cost.tolist() == [6, 8, 9]


def test_files_that_are_packed_or_begin_with_a_mark_are_read_and_half_of_one_is_refused(
    tmp_path: Path,
) -> None:
    for name, data in (
        ("a.tntp", b"\xef\xbb\xbf" + NET.encode()),
        ("b.tntp.gz", gzip.compress(NET.encode())),
    ):
        (tmp_path / name).write_bytes(data)
        assert len(read_tntp_network(tmp_path / name).tail) == 2
    (tmp_path / "b.tntp.gz").write_bytes(data[:-12])
    with pytest.raises(NetworkError, match=r"b\.tntp\.gz: file: expected a readable file"):
        read_tntp_network(tmp_path / "b.tntp.gz")


def test_a_missing_or_binary_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="no such file"):
        read_tntp_trips(tmp_path / "none.tntp")
    (tmp_path / "binary.tntp").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(NetworkError, match="UTF-8"):
        read_tntp_network(tmp_path / "binary.tntp")


def test_all_faults_of_a_file_come_at_once(tmp_path: Path) -> None:
    with pytest.raises(NetworkError) as caught:
        read_tntp_network(write(tmp_path, NET.replace("100", "x").replace("200", "y")))
    assert len(caught.value.faults) == 2
    assert np.all(["line" in str(fault) for fault in caught.value.faults])


def test_a_row_with_one_fault_is_looked_at_further_and_so_is_the_rest_of_the_file(tmp_path: Path) -> None:
    bad = NET.replace("3 2 200 7 8 0.3 1 0 0 1;", "9 x 0 -7 y 0.3 0.5 0 -1 1;\n3 2 -200 7;")
    bad = bad.replace("NODE> 3", "NODE> 30").replace("<NUMBER OF LINKS> 2\n", "")
    with pytest.raises(NetworkError) as caught:
        read_tntp_network(write(tmp_path, bad))
    found = [str(fault).removeprefix(f"{tmp_path / 'file.tntp'}: ") for fault in caught.value.faults]
    for words in (
        "<NUMBER OF LINKS>: expected", "<FIRST THRU NODE>: expected from 1 to 4, got 30", "line 9, field 2",
        "line 9, field 5", "line 9: expected a node from 1 to 3, got 9", "line 9, capacity", "line 9, length",
        "line 9, power", "line 9, toll", "line 10: expected 10 fields", "line 10, capacity",
    ):  # fmt: skip
        assert [text for text in found if text.startswith(words)], words
    assert len(found) == 11


def test_a_flow_file_cut_inside_its_last_number_is_refused(tmp_path: Path) -> None:
    network = read_tntp_network(write(tmp_path, NET))
    text = "From To Volume Cost\n3 2 5 8.5 ;\n1 3 4 6.25 ;\n"
    assert read_tntp_flow(write(tmp_path, text), network)[1].tolist() == [6.25, 8.5]
    with pytest.raises(NetworkError, match="line 3: expected ';' at its end"):
        read_tntp_flow(write(tmp_path, text[:-5]), network)
    with pytest.raises(NetworkError, match="line 2: expected each link of the network once"):
        read_tntp_flow(write(tmp_path, text.replace("3 2", "3.5 2")), network)
    with pytest.raises(NetworkError, match="line 2, field 1: expected a number, got 3_"):
        read_tntp_flow(write(tmp_path, text.replace("3 2", "3_ 2")), network)


def table_of(n: int, total: str | None, more: float = 0.0, *, zeros: bool = True) -> str:
    """A file of trips between n zones, whose last ones have few; ``more`` is added to the sum where none is given."""
    trips = np.round(np.random.default_rng(7).uniform(1.0, 1000.0, (n, n)), 2)
    trips[-1] = np.round(trips[-1] / 100.0, 2)
    np.fill_diagonal(trips, 0.0)
    if not zeros:
        trips[np.random.default_rng(8).random((n, n)) < 0.5] = 0.0
    shown = f"{trips.sum() + more:.2f}" if total is None else total
    text = f"<NUMBER OF ZONES> {n}\n" + f"<TOTAL OD FLOW> {shown}\n" * bool(shown) + "<END OF METADATA>\n"
    for origin in range(n):
        text += f"Origin {origin + 1}\n" + "".join(
            f"{k + 1} : {value:.2f};" + "\n" * (k % 5 == 4) for k, value in enumerate(trips[origin]) if value
        )
        text += "\n"
    return text


def notes_of(folder: Path, text: str) -> tuple[str, ...]:
    """Notes on trips between 20 zones."""
    (folder / "net.tntp").write_text(NET.replace("ZONES> 2", "ZONES> 20").replace("NODES>\t3", "NODES>\t20"))
    notes = read_tntp(folder / "net.tntp", write(folder, text)).notes
    assert not [note for note in notes if finding_text(note, zh=True).isascii()]
    return tuple(note for note in notes if "TOTAL OD FLOW" in note)


@pytest.mark.parametrize("total", [None, ""])
def test_trips_cut_anywhere_near_the_end_are_refused(total: str | None, tmp_path: Path) -> None:
    """Losses are far below the thousandth by which published totals may be off."""
    text = table_of(20, total).rstrip()
    read_tntp_trips(write(tmp_path, text))
    start = text.index("Origin 20")
    for size in range(start + 1, len(text)):
        with pytest.raises(NetworkError, match=r"file\.tntp"):
            read_tntp_trips(write(tmp_path, text[:size]))
    # Without the whole last origin, it may be one that sends no trips, beside a total that is off.
    if total is None:
        assert len(notes_of(tmp_path, text[:start])) == 1
    else:
        with pytest.raises(NetworkError, match="expected a last 'Origin 20'"):
            read_tntp_trips(write(tmp_path, text[:start]))


def test_trips_of_few_pairs_are_never_cut_without_a_word(tmp_path: Path) -> None:
    text = table_of(20, None, zeros=False).rstrip()
    assert notes_of(tmp_path, text) == ()
    for size in range(text.index("Origin 20"), len(text)):
        try:
            (note,) = notes_of(tmp_path, text[:size])
        except NetworkError:
            continue
        assert note.startswith("trips add to ") and "the file is cut short" in note


def test_a_published_total_may_be_rounded_and_off_by_a_thousandth_with_a_note(tmp_path: Path) -> None:
    added = float(table_of(20, None).split("FLOW> ")[1].split("\n")[0])
    for total in (f"{added:.0f}", f"{added + 0.15:.2f}", f"{added:.6e}"):
        assert notes_of(tmp_path, table_of(20, total)) == ()
    for more in (-0.0009 * added, 5.0):
        (note,) = notes_of(tmp_path, table_of(20, None, more))
        assert note == (
            f"trips add to {added:.12g} and TOTAL OD FLOW says {added + more:.2f}".rstrip("0")
            + ": it is off, or the file is cut short"
        )
    with pytest.raises(NetworkError, match="in all, as <TOTAL OD FLOW>"):
        notes_of(tmp_path, table_of(20, None, 0.0011 * added))
    assert notes_of(tmp_path, table_of(20, "")) == (
        "there is no TOTAL OD FLOW: it cannot be told whether trips are missing at the end",
    )


def test_without_a_total_the_last_zone_with_trips_is_an_origin(tmp_path: Path) -> None:
    text = "<NUMBER OF ZONES> 3\n<END OF METADATA>\nOrigin 1\n3 : 6;\n"
    with pytest.raises(NetworkError, match="expected a last 'Origin 3'"):
        read_tntp_trips(write(tmp_path, text))
    assert read_tntp_trips(write(tmp_path, text + "Origin 3\n")).sum() == 6
    assert read_tntp_trips(write(tmp_path, "<TOTAL OD FLOW> 6\n" + text)).sum() == 6
