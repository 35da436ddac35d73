"""The commands about networks of other tools: what they print and write, and how they refuse what is wrong."""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.e2e.test_command_line import in_process, one_line_each, refused
from tests.tiny import tiny_city
from tests.tiny_runs import tiny_case
from tests.unit.test_gmns import TABLES, write
from tests.unit.test_matsim import NET, PLANS
from transport_abm.cli.city_table import finding_text
from transport_abm.core.vocabulary import Period
from transport_abm.model import run
from transport_abm.networks.cities.city_files import write_city
from transport_abm.networks.formats.gmns import read_gmns
from transport_abm.networks.formats.link_results import read_link_results
from transport_abm.networks.formats.matsim_network import read_matsim_network

FORMATS = Path(__file__).resolve().parents[2] / "transport_abm" / "networks" / "formats"
BRAESS = """<NUMBER OF ZONES> 2
<NUMBER OF NODES> 4
<FIRST THRU NODE> 3
<NUMBER OF LINKS> 5
<END OF METADATA>
1 3 1 1 1e-9 1e10 1 0 0 1;
1 4 1 1 50 0.02 1 0 0 1;
3 2 1 1 50 0.02 1 0 0 1;
4 2 1 1 1e-9 1e10 1 0 0 1;
3 4 1 1 10 0.1 1 0 0 1;
"""
SIX = "<NUMBER OF ZONES> 2\n<TOTAL OD FLOW> 6\n<END OF METADATA>\nOrigin 1\n2 : 6;\n"


@pytest.fixture
def braess(tmp_path: Path) -> Path:
    """A folder with the network of Braess (1968) and six trips."""
    (tmp_path / "net.tntp").write_text(BRAESS)
    (tmp_path / "trips.tntp").write_text(SIX)
    return tmp_path


def test_an_equilibrium_is_printed_with_its_gap_times_and_sum(braess: Path) -> None:
    done = in_process("network", "assign", "net.tntp", "trips.tntp", "--gap", "1e-10", "--json", cwd=braess)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    # V-05: six travellers, 92 each; the sum of integrals is 2 * (5 * 16 + 50 * 2 + 2) + 10 * 2 + 2.
    assert facts["total_time"] == pytest.approx(6 * 92, rel=1e-8)
    assert facts["beckmann"] == pytest.approx(386, rel=1e-8)
    assert facts["gap"] <= 1e-10 and facts["converged"] and facts["unit"] == "the file's own"
    assert (facts["nodes"], facts["links"], facts["zones"], facts["demand"]) == (4, 5, 2, 6)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_flows_are_written_by_the_names_of_the_file(braess: Path, suffix: str) -> None:
    done = in_process(
        "network", "assign", "net.tntp", "trips.tntp", "--gap", "1e-10", "--out", f"o.{suffix}",
        "--time-unit", "min", "-l", "zh", cwd=braess,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "总时间" in done.stdout and "9.2" in done.stdout
    if suffix == "csv":
        with (braess / "o.csv").open() as file:
            rows = list(csv.DictReader(file))
    else:
        table = pq.read_table(braess / "o.parquet")
        assert table.schema.field("time").metadata == {b"unit": b"s"}
        rows = table.to_pylist()
    assert [(row["link"], row["tail"], row["head"]) for row in rows[:2]] == [("1", "1", "3"), ("2", "1", "4")]
    np.testing.assert_allclose([float(row["flow"]) for row in rows], [4, 2, 2, 4, 2], rtol=1e-6)
    np.testing.assert_allclose([float(row["time"]) for row in rows], [2400, 3120, 3120, 2400, 720], rtol=1e-6)


def test_a_gap_that_is_not_reached_is_an_exit_code_of_one(braess: Path) -> None:
    done = in_process(
        "network", "assign", "net.tntp", "trips.tntp", "--gap", "1e-12", "--iterations", "1", cwd=braess
    )
    assert done.returncode == 1 and "not converged" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("gap", ["inf", "nan", "0", "-1", "1", "2"])
def test_a_gap_that_says_nothing_is_refused(braess: Path, gap: str) -> None:
    done = in_process("network", "assign", "net.tntp", "trips.tntp", "--gap", gap, cwd=braess)
    one_line_each(done, "--gap: expected a number above 0 and below 1, got")


def test_files_that_do_not_simulate_are_told_by_their_kinds(braess: Path) -> None:
    refused(
        in_process("network", "simulate", "net.tntp", "trips.tntp", cwd=braess),
        "net.tntp: network: expected a MATSim network, got TNTP network",
        "trips.tntp: plans: expected a MATSim population, got TNTP trips",
    )


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_day_is_written_by_the_names_of_the_file_and_tells_who_is_stuck(
    tmp_path: Path, suffix: str
) -> None:
    (tmp_path / "network.xml").write_text(NET, encoding="utf-8")
    (tmp_path / "plans.xml").write_text(PLANS, encoding="utf-8")
    done = in_process(
        "network", "simulate", "network.xml", "plans.xml", "--out", f"o.{suffix}", "--events", "e.xml",
        "--end-h", "7.03", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    if suffix == "csv":
        with (tmp_path / "o.csv").open() as file:
            rows = list(csv.DictReader(file))
    else:
        table = pq.read_table(tmp_path / "o.parquet")
        assert table.schema.field("time_s").metadata == {b"unit": b"s"} and not table.schema.metadata
        assert table.schema.field("flow").metadata == {b"unit": b"vehicles/h"}
        rows = table.to_pylist()
    assert list(rows[0]) == ["start_s", "end_s", "link", "tail", "head", "flow", "time_s", "speed_kmh"]
    roads = read_matsim_network(tmp_path / "network.xml")
    ends = {
        (roads.link_name[k], roads.node_name[roads.problem.tail[k]], roads.node_name[roads.problem.head[k]])
        for k in np.flatnonzero(roads.open)
    }
    assert {(row["link"], row["tail"], row["head"]) for row in rows} == ends
    # Ann came onto link 12 at 25,290 s and is there when the day ends at 25,308 s.
    stuck = [event for event in (tmp_path / "e.xml").read_text().splitlines() if "stuckAndAbort" in event]
    assert '<event time="25308.0" type="stuckAndAbort" person="ann" link="12" legMode="car" />' in stuck


def test_published_optimum_comes_out_of_the_command(shared_data: Path, tmp_path: Path) -> None:
    files = [shared_data / "tntp" / f"SiouxFalls_{part}.tntp" for part in ("net", "trips")]
    facts = json.loads(
        in_process("network", "assign", *files, "--gap", "1e-8", "--json", cwd=tmp_path).stdout
    )
    assert facts["gap"] <= 1e-8
    assert facts["beckmann"] == pytest.approx(4_231_335.28710744, rel=2e-8)
    assert facts["total_time"] == pytest.approx(7_480_225.34, rel=1e-6)


def test_a_check_prints_sizes_notes_and_problems_in_both_languages(tmp_path: Path) -> None:
    write(tmp_path / "net", link=TABLES["link.csv"].replace("false", "true"))
    (tmp_path / "n.xml").write_text(NET)
    (tmp_path / "p.xml").write_text(PLANS)
    english = in_process("network", "check", "net", cwd=tmp_path)
    assert english.returncode == 0, english.stderr
    for words in (
        "GMNS",
        "116.5",
        "1 node that cars can enter and not leave",
        "tolls are left out",
        "1 pair of zones",
    ):
        assert words in english.stdout
    chinese = in_process("network", "check", "net", "--language", "zh", cwd=tmp_path).stdout
    for words in (
        "出行量",
        "1 个节点汽车只能进不能出",
        "费用不含通行费",
        "1 个小区对（共 5.5 次出行）没有通路",
    ):
        assert words in chinese
    facts = json.loads(in_process("network", "check", "p.xml", "n.xml", "--json", cwd=tmp_path).stdout)
    assert (facts["nodes"], facts["links"], facts["open"], facts["zones"]) == (4, 5, 4, 0)
    assert (
        (facts["vehicles"], facts["legs"]) == (2, 4) and len(facts["notes"]) == 5 and facts["problems"] == []
    )
    assert "未发现" in in_process("network", "check", "n.xml", "-l", "zh", cwd=tmp_path).stdout


def test_every_remark_on_a_network_is_known_in_chinese() -> None:
    beginning = r"(?:notes\.append\(|notes = \[|found\.append\(|return \[|notes=\(\*roads\.notes, )"
    found = set()
    for path in FORMATS.glob("*.py"):
        source = path.read_text(encoding="utf-8")
        found |= set(re.findall(beginning + r'\s*f?"([^"<]+)"', source))
        # Counted remarks come in two: of one thing, and of several.
        for one, rest, many in re.findall(r'"(\w+)( [^"]+)",\s*f?"(\1s [^"]+)"', source):
            for text in (one + rest, many):
                found.add("{count} " + text)
    assert len(found) == 34
    for text in found:
        shown = finding_text(re.sub(r"\{[^}]+\}", "7.5", text), zh=True)
        assert not shown.isascii(), text
        assert shown.count("7.5") == text.count("{")


def test_each_fault_is_one_line_and_no_traceback(braess: Path) -> None:
    (braess / "bad.tntp").write_text(BRAESS.replace("1 4 1 1 50", "1 4 -1 1 nan").replace("3 2 1", "3 9 1"))
    one_line_each(
        in_process("network", "check", "bad.tntp", "none.xml", cwd=braess),
        "none.xml",
    )
    one_line_each(
        in_process("network", "check", "bad.tntp", cwd=braess), "line 7, field 5: expected a number, got nan",
        "line 7, capacity: expected more than 0, got -1", "line 8: expected a node from 1 to 4, got 9",
    )  # fmt: skip
    one_line_each(
        in_process("network", "assign", "net.tntp", cwd=braess), "demand: expected trips between zones"
    )
    (braess / "trips.tntp").write_text(SIX.replace("Origin 1\n2", "Origin 2\n1"))
    refused(
        in_process("network", "assign", "net.tntp", "trips.tntp", "--out", "o.csv", cwd=braess),
        "net.tntp: demand from zone 2: expected an open link from its node 2, got none for 6 trips of 1 pairs",
    )
    for arguments, words in (
        (("check", "net.tntp", "--length-unit", "ell"), "--length-unit: expected one of"),
        (("assign", "net.tntp", "trips.tntp", "--out", "o.txt"), "an ending .parquet or .csv"),
        (("export", "nowhere", "out", "--format", "gmns"), "nowhere"),
    ):
        one_line_each(in_process("network", *arguments, cwd=braess), words)
    assert not {"o.txt", "out"} & {file.name for file in braess.iterdir()}


def test_results_never_take_the_place_of_what_they_came_from(tmp_path: Path) -> None:
    write(tmp_path / "net")
    done = in_process("network", "assign", "net", "--out", "net/demand.csv", cwd=tmp_path)
    one_line_each(done, "net/demand.csv: expected a file that is not read from, got one of the inputs")
    assert (tmp_path / "net" / "demand.csv").read_text(encoding="utf-8") == TABLES["demand.csv"]
    zero = TABLES["demand.csv"].replace("5.5", "0")
    write(
        tmp_path / "net",
        demand=zero,
        link=TABLES["link.csv"].replace("3,c,a,1,,,,,WALK", "3,c,a,1,1,30,900,1,"),
    )
    for _ in range(2):
        assert in_process("network", "assign", "net", "--out", "net/flows.csv", cwd=tmp_path).returncode == 0


def test_a_city_and_a_run_on_it_are_exported(tmp_path: Path, tiny_base: object) -> None:
    city = tiny_city()
    write_city(city, tmp_path / "city")
    for kind in ("gmns", "matsim", "parquet"):
        done = in_process(
            "network", "export", tmp_path / "city", kind, "--format", kind, "--year", 2024, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == kind
    assert read_gmns(tmp_path / "gmns").n_zones == 12
    matsim = read_matsim_network(tmp_path / "matsim" / "network.xml.gz")
    assert matsim.problem.n_links == city.roads.n_links and matsim.crs == city.crs
    links = pq.read_table(tmp_path / "parquet" / "links.parquet")
    assert links.num_rows > city.roads.n_links and links.schema.metadata[b"crs"] == b"EPSG:4326"
    again = in_process("network", "export", tmp_path / "city", "gmns", "--format", "gmns", cwd=tmp_path)
    one_line_each(again, "expected a new or empty folder")


def test_flows_of_a_run_are_exported_with_the_times_that_go_with_them(tmp_path: Path) -> None:
    city = tiny_city()
    write_city(city, tmp_path / "city")
    from transport_abm.networks.cities.open_city import open_city

    results = run(tiny_case(), city=open_city(str(tmp_path / "city"))[0])
    folder = results.save(tmp_path / "run")
    arguments = ("network", "export", tmp_path / "city", "out", "--run", folder)
    for kind, words in (("matsim", "gmns or parquet"),):
        one_line_each(in_process(*arguments, "--format", kind, cwd=tmp_path), words)
    one_line_each(
        in_process(*arguments, "--format", "parquet", "--year", 2029, cwd=tmp_path), "one of the years"
    )
    done = in_process(*arguments, "--format", "parquet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = read_link_results(tmp_path / "out" / "link_results.parquet")
    year = int(results.roads["year"].min())
    part = results.roads[results.roads["year"] == year]
    assert set(found.year.tolist()) == {year} and sorted(set(found.start_s.tolist())) == [25_200, 61_200]
    for period, start in ((Period.AM, 25_200), (Period.PM, 61_200)):
        total = part["am_pcuh" if period is Period.AM else "pm_pcuh"].sum()
        assert found.flow[found.start_s == start].sum() == pytest.approx(total, rel=1e-6)
    assert (found.time_s > 0).all() and (found.speed_kmh < 81).all()


def test_a_population_drives_its_day_and_its_links_are_written(tmp_path: Path) -> None:
    """Nobody else is on the square: each link is as fast as it is empty, and every leg arrives."""
    (tmp_path / "network.xml").write_text(NET, encoding="utf-8")
    (tmp_path / "plans.xml").write_text(PLANS, encoding="utf-8")
    done = in_process(
        "network", "simulate", "network.xml", "plans.xml", "--out", "links.parquet", "--json", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["arrived"] == facts["legs"] > 0
    assert facts["released"] == 0 and facts["on_road"] == 0
    table = pq.read_table(tmp_path / "links.parquet").to_pandas()
    driven = table[table["flow"] > 0]
    # 1,000 m at 10 m/s on the first link, at 20 m/s on the others.
    assert set(np.round(driven["time_s"], 6)) == {100.0, 50.0}
    told = in_process(
        "network", "simulate", "network.xml", "plans.xml", "--events", "events.xml.gz", cwd=tmp_path
    )
    assert told.returncode == 0, told.stderr
    with gzip.open(tmp_path / "events.xml.gz", "rt", encoding="utf-8") as file:
        events = [dict(event.attrib) for event in ElementTree.parse(file).getroot()]
    kinds = Counter(event["type"] for event in events)
    assert kinds["departure"] == kinds["arrival"] == facts["legs"]
    # Ann's first leg: 90 s after seven, three links of 50 s.
    ann = [e for e in events if e.get("vehicle") == "ann" and e["type"] == "entered link"]
    assert [(e["link"], float(e["time"])) for e in ann[:3]] == [
        ("12", 25290.0),
        ("23", 25390.0),
        ("34", 25440.0),
    ]
    wrong = in_process("network", "simulate", "network.xml", "plans.xml", "--events", "e.txt", cwd=tmp_path)
    one_line_each(wrong, "an ending .xml")
    before = sorted(file.name for file in tmp_path.iterdir())
    (tmp_path / "taken.xml").mkdir()
    for place, words in (
        ("plans.xml", "is not read from"),
        ("network.xml/e.xml", "no folder"),
        ("taken.xml", "a folder"),
    ):
        both = ("--out", "both.csv", "--events", place)
        one_line_each(
            in_process("network", "simulate", "network.xml", "plans.xml", *both, cwd=tmp_path), words
        )
    (tmp_path / "taken.xml").rmdir()
    assert sorted(file.name for file in tmp_path.iterdir()) == before
    assert (tmp_path / "plans.xml").read_text(encoding="utf-8") == PLANS
    shown = in_process("network", "simulate", "network.xml", "plans.xml", "-l", "zh", cwd=tmp_path)
    assert shown.returncode == 0 and "到达的出行段" in shown.stdout
    one_line_each(in_process("network", "simulate", "network.xml", "network.xml", cwd=tmp_path), "network")
