"""The program as a user starts it: what it prints, what it writes, and how it refuses what is wrong."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pandas as pd
import pytest

from tests.tiny import tiny_city
from tests.tiny_runs import quick
from transport_abm.networks.cities.city_files import write_city
from transport_abm.outcomes import OUTCOMES
from transport_abm.policy.inputs import shipped_catalogue
from transport_abm.policy.levers import read_levers
from transport_abm.policy.targets import read_targets
from transport_abm.results import FILES, MANIFEST, Results

DONE, WRONG_INPUT = 0, 2


def transport_abm(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Start the program in a folder; one thread, since the city is tiny."""
    root = Path(__file__).resolve().parents[2]
    env = os.environ | {"PYTHONPATH": str(root), "NUMBA_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "transport_abm", *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, encoding="utf-8", check=False
    )


def in_process(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The same without a new process, for variants of what has been started as a program already."""
    from transport_abm.cli import main

    out, err, command = io.StringIO(), io.StringIO(), ["transport-abm", *map(str, arguments)]
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err), quick():
        patch.chdir(cwd)
        patch.setattr(sys, "argv", command)
        try:
            main()
            code = DONE
        except SystemExit as end:
            code = int(end.code or 0)
        except Exception:
            traceback.print_exc()
            code = 1
    return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())


def refused(done: subprocess.CompletedProcess[str], *words: str) -> list[str]:
    """Lines of an error: exit code 2, nothing on standard output, no traceback, the words in them."""
    assert done.returncode == WRONG_INPUT, done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout
    lines = [line for line in done.stderr.splitlines() if not line.startswith("warning:")]
    assert lines
    for word in words:
        assert any(word in line for line in lines), done.stderr
    return lines


def one_line_each(done: subprocess.CompletedProcess[str], *faults: str) -> None:
    """As many lines as faults, each with its words."""
    lines = refused(done, *faults)
    assert len(lines) == len(faults), done.stderr
    assert all(line.startswith("error: ") for line in lines)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the tiny city."""
    folder = tmp_path_factory.mktemp("cities") / "tiny"
    write_city(tiny_city(), folder)
    return folder


@pytest.fixture(scope="module")
def ran(
    city: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[subprocess.CompletedProcess[str], Path]:
    """A run of the tiny city over 2024 and 2025, a year with a target, and the folder that it went to."""
    place = tmp_path_factory.mktemp("runs")
    done = transport_abm(
        "run", "baseline", "--city", city, "--sample", 1, "--years", "2024-2025", "--out", "out", cwd=place
    )
    return done, place / "out"


@pytest.fixture
def run_copy(ran: tuple[object, Path], tmp_path: Path) -> Path:
    """A copy of that run's directory, to be damaged."""
    (original,) = ran[1].iterdir()
    return Path(shutil.copytree(original, tmp_path / "damaged"))


def test_a_run_prints_its_targets_and_leaves_a_whole_directory(
    ran: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, out = ran
    assert done.returncode == DONE, done.stderr
    assert "Targets of the plan" in done.stdout
    assert "2025" in done.stdout
    (folder,) = out.iterdir()
    assert {path.name for path in folder.iterdir()} == {*FILES.values(), MANIFEST}
    assert str(folder.relative_to(out.parent)) in done.stderr
    results = Results.load(folder)
    assert results.years == [2024, 2025]
    # The published totals are those of 2020; so small a city buys no sanitation vehicle in two years.
    assert set(OUTCOMES) - set(results.table["outcome"]) <= {
        "co2_published",
        "queue",
        "sanitation_new_nev_share",
    }
    assert set(results.table["outcome"]) <= set(OUTCOMES)
    assert results.manifest["scenario"]["city"] == "tiny"
    assert folder.name == f"baseline-r0-{results.manifest['run'][:8]}"


def test_the_same_run_again_prints_json_and_the_same_directory(ran: tuple[object, Path], city: Path) -> None:
    out = ran[1]
    done = in_process(
        "run",
        "baseline",
        "--city",
        city,
        "--sample",
        1,
        "--years",
        "2024-2025",
        "--out",
        out,
        "--json",
        cwd=out,
    )
    assert done.returncode == DONE, done.stderr
    document = json.loads(done.stdout)
    (folder,) = out.iterdir()
    assert [Path(run["folder"]) for run in document["runs"]] == [folder]
    assert document["green_share"]["2025"] == Results.load(folder)["green_share"].loc[2025]
    assert document["scenario"]["years"] == [2024, 2025]
    assert {row["id"] for row in document["targets"]} <= set(read_targets())


def test_levers_and_replications_of_the_command_line_reach_the_runs(city: Path, tmp_path: Path) -> None:
    done = in_process(
        "run", "baseline", "--city", city, "--sample", 0.2, "--years", 2020, "--replications", 2,
        "--set", "metro_fare_factor=2", "--set", "wfh_share=0.1", "--seed", 7, "--json", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == DONE, done.stderr
    document = json.loads(done.stdout)
    loaded = [Results.load(tmp_path / run["folder"]) for run in document["runs"]]
    assert [run.manifest["scenario"]["replication"] for run in loaded] == [0, 1]
    assert not loaded[0].table.equals(loaded[1].table)
    for run in loaded:
        levers = {each["lever"]: each["value"] for each in run.manifest["scenario"]["levers"]}
        assert levers["metro_fare_factor"] == 2.0
        assert levers["wfh_share"] == 0.1
        assert run.manifest["scenario"]["seed"] == 7
        assert run.years == [2020]


def test_a_scenario_file_runs(city: Path, tmp_path: Path) -> None:
    text = 'name = "mine"\nyears = [2020, 2020]\nsample = 0.1\n'
    text += '[[levers]]\nlever = "bus_fare_factor"\nvalue = 0\nstart_year = 2020\n'
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    done = in_process("run", "mine.toml", "--city", city, "--json", "-l", "zh", cwd=tmp_path)
    assert done.returncode == DONE, done.stderr
    assert json.loads(done.stdout)["scenario"]["name"] == "mine"


def test_compare_of_a_run_with_itself_shows_no_difference(ran: tuple[object, Path], tmp_path: Path) -> None:
    (folder,) = ran[1].iterdir()
    done = in_process("compare", folder, folder, "--json", cwd=tmp_path)
    assert done.returncode == DONE, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert len(rows) == len(Results.load(folder).table)
    assert all(row["difference"] == 0 for row in rows)
    for language, word in (("en", "Green-trip share"), ("zh", "绿色出行比例")):
        done = in_process("compare", folder, folder, "--language", language, cwd=tmp_path)
        assert done.returncode == DONE, done.stderr
        assert word in done.stdout


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_report_is_one_page_in_either_language(
    ran: tuple[object, Path], city: Path, tmp_path: Path, language: str
) -> None:
    (folder,) = ran[1].iterdir()
    page = tmp_path / "page.html"
    done = transport_abm("report", folder, "--city", city, "--out", page, "-l", language, cwd=tmp_path)
    assert done.returncode == DONE, done.stderr
    text = page.read_text(encoding="utf-8")
    assert text.lstrip().lower().startswith("<!doctype html>")
    assert ("结果" in text) == (language == "zh")


@pytest.mark.parametrize(
    ("command", "en", "zh", "count"),
    [
        ("targets", "Targets of the plan", "规划目标", lambda: len(read_targets())),
        ("levers", "Congestion charge", "拥堵费", lambda: len(read_levers())),
        ("parameters", "Utility of one", "效用", lambda: len(shipped_catalogue().parameters)),
        ("outcomes", "Green-trip share", "绿色出行比例", lambda: len(OUTCOMES)),
    ],
)
def test_what_the_model_knows_is_listed_in_both_languages_and_for_programs(
    command: str, en: str, zh: str, count: object, tmp_path: Path
) -> None:
    for language, word in (("en", en), ("zh", zh)):
        done = in_process(command, "--language", language, cwd=tmp_path)
        assert done.returncode == DONE, done.stderr
        assert word in done.stdout
        printed = done.stdout
    done = in_process(command, "--json", cwd=tmp_path)
    assert done.returncode == DONE, done.stderr
    rows = json.loads(done.stdout)
    assert len(rows) == count()  # type: ignore[operator]
    # Names are never cut when a table is written to a file.
    names = [row.get("id") or row.get("path") or row["name"] for row in rows if row.get("built", True)]
    assert not [name for name in names if name not in printed]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "faults"),
    [
        (["run", "baselin"], ["baselin"]),
        (["run", "baseline", "--years", "20-30"], ["--years"]),
        (["run", "baseline", "--years", "2030-2020"], ["years"]),
        (["run", "baseline", "--sample", "2"], ["sample"]),
        (["run", "baseline", "--set", "congestion_charge=5"], ["did you mean 'congestion_charge_cny'"]),
        (["run", "baseline", "--set", "tou_ratio=3"], ["not built"]),
        (["run", "baseline", "--set", "metro_fare_factor"], ["lever=number"]),
        (["run", "baseline", "--set", "metro_fare_factor=99"], ["metro_fare_factor=99"]),
        (["run", "baseline", "--set", "metro_fare_factor=nan"], ["metro_fare_factor=nan"]),
        (["run", "baseline", "--set", "tail_number_days=0.5"], ["a whole number"]),
        (
            ["run", "baseline", "--years", "x", "--set", "no=1", "--set", "y"],
            ["--years", "no=1", "lever=number"],
        ),
        (["run", "baseline", "--city", "no-such-city"], ["no-such-city"]),
        (["run", "baseline", "--city", "./nowhere"], ["nowhere"]),
        (["run", "missing.toml"], ["missing.toml"]),
        (["report", "nowhere"], ["nowhere"]),
        (["compare", "nowhere", "nowhere"], ["nowhere"]),
    ],
)
def test_wrong_input_is_refused_in_one_line_a_fault(
    arguments: list[str], faults: list[str], tmp_path: Path
) -> None:
    one_line_each(in_process(*arguments, cwd=tmp_path), *faults)
    assert not list(tmp_path.iterdir())


def test_the_program_itself_refuses_wrong_input(tmp_path: Path) -> None:
    one_line_each(transport_abm("run", "baselin", cwd=tmp_path), "did you mean 'baseline'")
    wrong = ["run", "baseline", "--years", "x", "--set", "wfh_share=2", "--set", "y"]
    one_line_each(transport_abm(*wrong, cwd=tmp_path), "--years", "wfh_share=2", "lever=number")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["levers", "targets"])
def test_lists_come_out_of_the_program_in_any_terminal(command: str, tmp_path: Path) -> None:
    """Chinese words and JSON on a terminal that says nothing about its letters."""
    done = transport_abm(command, "-l", "zh", cwd=tmp_path)
    assert done.returncode == DONE, done.stderr
    assert "交通" in done.stdout
    assert json.loads(transport_abm(command, "--json", cwd=tmp_path).stdout)


def test_usage_that_is_wrong_is_refused(tmp_path: Path) -> None:
    for wrong in ("run", "fly", "run baseline --sample many", "run baseline --replications 0"):
        done = in_process(*wrong.split(), cwd=tmp_path)
        assert "Traceback" not in done.stderr
        assert done.returncode == WRONG_INPUT
    assert not list(tmp_path.iterdir())


def test_a_broken_scenario_file_is_refused_with_all_its_faults(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("name = [", encoding="utf-8")
    one_line_each(transport_abm("run", "broken.toml", cwd=tmp_path), "broken.toml")
    (tmp_path / "wrong.toml").write_text(
        'name = "x"\nsmaple = 0.1\nsample = 2\n[parameters]\n"mode_choice.tme_weight" = 1\n', encoding="utf-8"
    )
    lines = refused(transport_abm("run", "wrong.toml", cwd=tmp_path), "smaple", "sample", "tme_weight")
    assert len(lines) == 3
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    one_line_each(transport_abm("run", "bytes.toml", cwd=tmp_path), "bytes.toml")
    assert len(list(tmp_path.iterdir())) == 3


def test_a_damaged_city_is_refused_and_nothing_is_written(city: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(city, tmp_path / "copy"))
    for table in copy.glob("*.parquet"):
        table.write_bytes(table.read_bytes()[:50])
        break
    done = transport_abm("run", "baseline", "--city", copy, "--out", tmp_path / "out", cwd=tmp_path)
    refused(done)
    assert not (tmp_path / "out").exists()


def _no_manifest(folder: Path) -> None:
    (folder / MANIFEST).unlink()


def _no_table(folder: Path) -> None:
    (folder / FILES["outcomes"]).unlink()


def _cut_table(folder: Path) -> None:
    table = folder / FILES["roads"]
    table.write_bytes(table.read_bytes()[:-40])


def _other_columns(folder: Path) -> None:
    pd.DataFrame({"a": [1]}).to_parquet(folder / FILES["outcomes"])


def _no_rows(folder: Path) -> None:
    table = pd.read_parquet(folder / FILES["outcomes"])
    table.iloc[:0].to_parquet(folder / FILES["outcomes"], index=False)


def _words_for_values(folder: Path) -> None:
    table = pd.read_parquet(folder / FILES["outcomes"])
    table.assign(value="much").to_parquet(folder / FILES["outcomes"], index=False)


def _empty_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_text("", encoding="utf-8")


def _list_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_text("[1]", encoding="utf-8")


def _bare_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_text('{"format": 1}', encoding="utf-8")


def _odd_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_text('{"format": 1, "run": 3, "scenario": "x", "city": []}', encoding="utf-8")


def _other_format(folder: Path) -> None:
    content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    (folder / MANIFEST).write_text(json.dumps(content | {"format": 99}), encoding="utf-8")


DAMAGES = [
    _no_manifest, _no_table, _cut_table, _other_columns, _no_rows, _words_for_values, _empty_manifest,
    _list_manifest, _bare_manifest, _odd_manifest, _other_format,
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__.strip("_"))
def test_a_damaged_run_directory_is_refused(damage: object, run_copy: Path, tmp_path: Path) -> None:
    damage(run_copy)  # type: ignore[operator]
    before = sorted(path.name for path in run_copy.iterdir())
    for arguments in (["compare", run_copy, run_copy], ["report", run_copy]):
        lines = refused(in_process(*arguments, cwd=tmp_path))
        assert all(line.startswith("error: ") for line in lines)
    assert sorted(path.name for path in run_copy.iterdir()) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["damaged"]
