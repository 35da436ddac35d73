"""The command ladder as a user starts it, on the tiny city."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.test_command_line import DONE, in_process, one_line_each, transport_abm
from tests.tiny import tiny_city
from transport_abm.experiments.ladder import COMPARED
from transport_abm.networks.cities.city_files import write_city


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny city as a folder."""
    folder = tmp_path_factory.mktemp("ladder") / "tiny"
    write_city(tiny_city(), folder)
    return folder


def test_every_rung_stands_beside_the_others_with_its_cost(town: Path) -> None:
    done = transport_abm(
        "ladder",
        "--city",
        town,
        "--sample",
        "1",
        "--json",
        "--out",
        "ladder.html",
        "-l",
        "zh",
        cwd=town.parent,
    )
    assert done.returncode == DONE, done.stderr
    document = json.loads(done.stdout)
    rows = {(row["outcome"], row["class"]): row for row in document["rows"]}
    assert {"green_share", "car_time", "network_speed", "gap", "queue", "seconds", "peak_gb"} <= {
        k for k, _ in rows
    }
    assert {outcome for outcome, _ in COMPARED} <= {k for k, _ in rows}
    for rung in ("L0", "L1", "L2"):
        assert rows["green_share", ""][rung] == pytest.approx(rows["green_share", ""]["L1"], abs=0.01)
        assert 0 < rows["peak_gb", ""][rung] < 8 and rows["seconds", ""][rung] > 0
    assert rows["queue", "late"]["L1"] is None and rows["queue", "late"]["L2"] == 0.0
    assert any("L1" in reason and "L2" in reason for reason in document["reasons"])
    page = (town.parent / "ladder.html").read_text(encoding="utf-8")
    assert 'lang="zh-CN"' in page and "道路交通模型阶梯对照" in page and "L2" in page
    assert "观测值" in page and "73.1 (2020)" in page


def test_unknown_rungs_are_named(tmp_path: Path) -> None:
    one_line_each(in_process("ladder", "--rungs", "L1,L7,L1", cwd=tmp_path), "rungs")
    one_line_each(in_process("ladder", "--rungs", "", cwd=tmp_path), "rungs")
    assert not list(tmp_path.iterdir())
