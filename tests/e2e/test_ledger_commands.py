"""The commands ledger, matrix and delay as a user starts them, on synthetic runs."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.e2e.test_command_line import DONE, in_process, one_line_each, refused, transport_abm
from tests.report_case import run_of
from tests.synthetic_vehicles import matrix_of, with_vehicles
from tests.tiny import tiny_city
from transport_abm.cli.runs import write_reports
from transport_abm.experiments import attribution, paired
from transport_abm.experiments.paired import read_matrix, write_matrix
from transport_abm.policy.scenario import Scenario
from transport_abm.results import Results

TRANSPORT = [f"T{k}" for k in range(14, 25)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three synthetic replications as run directories."""
    place = tmp_path_factory.mktemp("synthetic")
    return [with_vehicles(run_of(tiny_city(), k)).save(place / f"r{k}") for k in range(3)]


def ran_stub(case: Scenario) -> Results:
    """A model that knows one lever: each fuel price step adds vehicles."""
    result = with_vehicles(run_of(tiny_city(), case.replication))
    added = 1e5 * sum(s.share(2025) for s in case.levers if s.lever == "parking_price_factor")
    own = (
        (result.table["outcome"] == "nev_stock")
        & (result.table["class"] == "")
        & (result.table["year"] == 2025)
    )
    table = result.table.copy()
    table.loc[own, "value"] += added
    return replace(result, table=table)


@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paired runs of the stub instead of the model."""
    for module in (paired, attribution):
        monkeypatch.setattr(module, "model_runs", lambda cases, city, keep: ran_stub)


def test_the_ledger_is_printed_by_the_program_itself(folders: list[Path], tmp_path: Path) -> None:
    done = transport_abm("ledger", *folders, cwd=tmp_path)
    assert done.returncode == DONE, done.stderr
    assert "The ledger: every transport target of the plan" in done.stdout
    assert all(f"\n{name} " in done.stdout for name in TRANSPORT)
    assert "0 of 3" in done.stdout and "no verdict: the" in done.stdout
    assert "by chance alone" in done.stdout
    assert not list(tmp_path.iterdir())


def test_columns_stand_below_each_other_in_chinese_too(folders: list[Path], tmp_path: Path) -> None:
    done = in_process("ledger", *folders, "--language", "zh", cwd=tmp_path)
    assert done.returncode == DONE, done.stderr
    assert "规划交通目标台账" in done.stdout
    head = next(line for line in done.stdout.splitlines() if line.startswith("目标"))
    start = cell_len(head[: head.index("年份")])
    rows = [
        line for line in done.stdout.splitlines() if line[:3] in TRANSPORT and ("≥" in line or "≤" in line)
    ]
    assert len(rows) == 9
    for line in rows:
        cells = [cell_len(line[:k]) for k in range(len(line)) if line[k : k + 4] in ("2025", "2030")]
        assert start in cells, line


def test_the_ledger_as_json_holds_every_target_and_context(folders: list[Path], tmp_path: Path) -> None:
    done = in_process("ledger", *folders, "--json", cwd=tmp_path)
    document = json.loads(done.stdout)
    assert [row["id"] for row in document["targets"]] == TRANSPORT
    assert [row["id"] for row in document["context"]] == [f"T{k:02d}" for k in range(7, 14)]
    assert (document["runs"], document["uncertain"], document["missing"]) == (3, False, [])


def test_a_matrix_names_levers_that_close_gaps_and_conflicts(folders: list[Path], tmp_path: Path) -> None:
    effects = {("tail_number_bev_exempt", "T19"): 1e6, ("tail_number_bev_exempt", "T18"): -0.01}
    path = write_matrix(matrix_of(effects), tmp_path / "m.csv")
    done = in_process("ledger", *folders, "--matrix", path, cwd=tmp_path)
    assert done.returncode == DONE, done.stderr
    assert "Levers that would close the gap" in done.stdout
    assert "helps T19, harms T18" in " ".join(done.stdout.split())


def test_a_run_without_vehicles_says_what_is_missing(tmp_path: Path) -> None:
    folder = run_of(tiny_city()).save(tmp_path / "plain")
    done = in_process("ledger", folder, cwd=tmp_path)
    assert done.returncode == DONE, done.stderr
    text = " ".join(done.stdout.split())
    assert "These runs do not hold: " in text and "New-energy vehicles in use" in text
    assert "Traceback" not in done.stderr


def test_wrong_input_of_the_ledger_is_refused_by_name(folders: list[Path], tmp_path: Path) -> None:
    one_line_each(in_process("ledger", tmp_path / "none", cwd=tmp_path), "expected a run directory")
    (tmp_path / "m.csv").write_text("a,b\n", encoding="utf-8")
    refused(in_process("ledger", folders[0], "--matrix", tmp_path / "m.csv", cwd=tmp_path), "m.csv: header")
    refused(in_process("ledger", folders[0], folders[0], cwd=tmp_path), "each replication once")
    other = with_vehicles(run_of(tiny_city(), 5, case=Scenario.named("baseline"))).save(tmp_path / "other")
    refused(in_process("ledger", folders[0], other, cwd=tmp_path), "differ in")


def test_the_matrix_is_written_and_printed(stubbed: None, tmp_path: Path) -> None:
    done = in_process(
        "matrix", "baseline", "--levers", "parking_price_factor, wfh_share", "--targets", "T18,T19", "--out", "m.csv",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == DONE, done.stderr
    table = read_matrix(tmp_path / "m.csv").set_index(["lever", "target"])
    assert table.loc[("parking_price_factor", "T19"), "effect"] == pytest.approx(1e5)
    assert table.loc[("wfh_share", "T19"), "effect"] == 0.0
    assert "Parking prices" in done.stdout and "+100,000" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["m.csv"]


def test_wrong_input_of_the_matrix_is_told_before_anything_runs(tmp_path: Path) -> None:
    done = in_process(
        "matrix", "baseline", "--levers", "wfh_shar,parking_price_factor", "--step", "parking_price_factor=9", "--out", "m.csv",
        cwd=tmp_path,
    )  # fmt: skip
    one_line_each(done, "wfh_shar", "0 to 5")
    refused(in_process("matrix", "baseline", "--step", "a", "--out", "m.csv", cwd=tmp_path), "lever=number")
    refused(in_process("matrix", "baseline", "--targets", "T01", "--out", "m.csv", cwd=tmp_path), "T01")
    assert not list(tmp_path.iterdir())


def test_two_years_later_is_printed_target_by_target(stubbed: None, tmp_path: Path) -> None:
    done = in_process("delay", "plan", "parking_price_factor", "--json", cwd=tmp_path)
    assert done.returncode == DONE, done.stderr
    document = json.loads(done.stdout)
    effect = {row["target"]: row["effect"] for row in document["rows"]}
    assert document["years_later"] == 2 and set(effect) == set(TRANSPORT)
    setting = next(s for s in Scenario.named("plan").levers if s.lever == "parking_price_factor")
    assert setting.full_year is not None
    moved = setting.model_copy(
        update={"start_year": setting.start_year + 2, "full_year": setting.full_year + 2}
    )
    assert (
        effect["T19"] == pytest.approx(1e5 * (moved.share(2025) - setting.share(2025))) and effect["T19"] < 0
    )
    shown = in_process("delay", "plan", "parking_price_factor", "-l", "zh", cwd=tmp_path)
    assert "停车价格系数推迟 2 年" in shown.stdout


def test_shares_of_levers_are_printed_and_add_up(stubbed: None, tmp_path: Path) -> None:
    command = (
        "attribute",
        "plan",
        "--levers",
        "parking_price_factor,cycle_lane_share+sidewalk_quality",
        "--targets",
        "T18,T19",
    )
    done = in_process(*command, "--json", cwd=tmp_path)
    assert done.returncode == DONE, done.stderr
    rows = json.loads(done.stdout)["rows"]
    parking = next(s for s in Scenario.named("plan").levers if s.lever == "parking_price_factor")
    share = {(row["levers"], row["target"]): row["share"] for row in rows}
    assert share["parking_price_factor", "T19"] == pytest.approx(1e5 * parking.share(2025))
    assert share["cycle_lane_share+sidewalk_quality", "T19"] == pytest.approx(0.0, abs=1e-6)
    shown = in_process(*command, "-l", "zh", cwd=tmp_path)
    assert "沙普利值" in shown.stdout and "停车价格系数" in shown.stdout
    refused(
        in_process("attribute", "plan", "--levers", "wfh_share", cwd=tmp_path),
        "a lever that the scenario sets",
    )


def test_a_lever_that_the_scenario_does_not_set_is_refused(tmp_path: Path) -> None:
    one_line_each(in_process("delay", "baseline", "wfh_share", cwd=tmp_path), "it sets none")
    refused(
        in_process("delay", "plan", "parking_price_facto", cwd=tmp_path),
        "did you mean 'parking_price_factor'?",
    )


def test_a_report_with_a_matrix_has_its_table(folders: list[Path], tmp_path: Path) -> None:
    path = write_matrix(matrix_of({("wfh_share", "T18"): 0.01}), tmp_path / "m.csv")
    done = in_process("report", *folders, "--matrix", path, "--out", tmp_path / "r.html", cwd=tmp_path)
    assert done.returncode == DONE, done.stderr
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "What each lever does to each target" in text and "The ledger: every transport target" in text


def test_reports_beside_a_run_show_the_matrix_that_was_given(folders: list[Path], tmp_path: Path) -> None:
    path = write_matrix(matrix_of({("wfh_share", "T18"): 0.01}), tmp_path / "m.csv")
    own = Path(shutil.copytree(folders[0], tmp_path / "run"))
    for page, title in zip(
        write_reports([own], read_matrix(path)),
        ("What each lever does to each target", "各杠杆对各目标的影响"),
        strict=True,
    ):
        text = page.read_text(encoding="utf-8")
        assert title in text and "1%" in text  # the sample of the matrix stands below the title
    refused(in_process("run", "baseline", "--matrix", path, cwd=tmp_path), "--report, which shows it")
    refused(
        in_process("run", "baseline", "--report", "--matrix", tmp_path / "none.csv", cwd=tmp_path),
        "expected a matrix",
    )
