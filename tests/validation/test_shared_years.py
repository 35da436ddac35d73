"""Runs that share the years before they differ are, to the last bit, runs of their own; a kept run is run once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from tests.tiny import tiny_city
from tests.tiny_runs import finished, quick, tiny_case
from transport_abm.core.errors import RunError, ScenarioError, StoreError
from transport_abm.experiments.paired import lever_matrix
from transport_abm.experiments.shared_years import kept_runs, shared_runs
from transport_abm.model import TransportModel
from transport_abm.policy.levers import LeverSetting
from transport_abm.policy.scenario import Scenario, first_difference
from transport_abm.results import Results

BASE = tiny_case(years=(2020, 2022))
SETTING = LeverSetting(lever="nev_subsidy_cny", value=50_000.0, start_year=2022)
FARE = LeverSetting(lever="metro_fare_factor", value=3.0, start_year=2022)


def under(*settings: LeverSetting, case: Scenario = BASE) -> Scenario:
    """The scenario with levers."""
    return case.replace(levers=settings)


def same(a: Results, b: Results) -> bool:
    """Outcomes, flows and manifest are the same, to the last bit."""
    pd.testing.assert_frame_equal(a.table, b.table, check_exact=True)
    pd.testing.assert_frame_equal(a.roads, b.roads, check_exact=True)
    pd.testing.assert_frame_equal(a.transit, b.transit, check_exact=True)
    return a.manifest == b.manifest


@pytest.fixture(scope="module")
def trunk() -> Iterator[TransportModel]:
    """The base scenario up to 2021."""
    with quick():
        model = TransportModel(BASE, city=tiny_city())
        while model.year != 2021:
            model.step()
        yield model


@pytest.mark.parametrize("setting", [SETTING, FARE])
def test_a_branch_is_a_run_of_its_own_and_leaves_the_trunk_as_it_was(
    trunk: TransportModel, setting: LeverSetting
) -> None:
    before = trunk.table
    with quick():
        branch = trunk.branch(under(setting)).run()
    assert same(branch, finished(under(setting)).results())
    assert not branch.table.equals(finished(BASE).table)
    pd.testing.assert_frame_equal(trunk.table, before, check_exact=True)
    with quick():
        assert same(trunk.branch(BASE).run(), finished(BASE).results())


def test_a_branch_with_another_past_is_refused(trunk: TransportModel) -> None:
    early = LeverSetting(lever="nev_subsidy_cny", value=50_000.0, start_year=2021)
    with pytest.raises(RunError, match="up to 2021, got others in 2021"):
        trunk.branch(under(early))
    for other in (BASE.replace(seed=2), BASE.replace(years=(2020, 2023)), BASE.replace(replication=1)):
        with pytest.raises(RunError, match="differs by levers only"):
            trunk.branch(other)


def test_a_branch_that_cannot_be_run_is_refused_before_it_runs(trunk: TransportModel) -> None:
    less = [LeverSetting(lever="quota_ordinary", value=v, start_year=2022) for v in (-1_000.0, -40_000.0)]
    trunk.branch(under(less[0]))
    with pytest.raises(ScenarioError, match="quota_ordinary"):
        trunk.branch(under(less[1]))


def test_the_first_year_that_differs_is_the_start_of_the_lever() -> None:
    assert first_difference(BASE, under(SETTING)) == 2022
    default = LeverSetting(lever="metro_fare_factor", value=1.0, start_year=2021)
    assert first_difference(BASE, under(default)) is None
    assert first_difference(under(default, SETTING), under(SETTING)) is None


def test_shared_runs_are_runs_of_their_own_and_run_the_common_years_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cases = [case.replace(replication=r) for r in (0, 1) for case in (BASE, under(SETTING), under(FARE))]
    stepped: list[tuple[int, int]] = []
    real = TransportModel.step

    def counted(model: TransportModel) -> None:
        real(model)
        assert model.year is not None
        stepped.append((model.case.replication, model.year))

    monkeypatch.setattr(TransportModel, "step", counted)
    with quick():
        run = shared_runs(cases, tiny_city())
        found = [run(case) for case in cases]
    assert sorted(stepped) == [(r, y) for r in (0, 1) for y in (2020, 2021, 2022, 2022, 2022)]
    monkeypatch.undo()
    for case, results in zip(cases, found, strict=True):
        assert same(results, finished(case).results())


def test_a_matrix_that_was_stopped_goes_on_from_the_runs_it_kept(tmp_path: Path) -> None:
    levers = ["nev_subsidy_cny", "metro_fare_factor"]
    told: list[str] = []

    def stop(what: str, done: float) -> None:
        told.append(what)
        if what == "metro_fare_factor":
            raise KeyboardInterrupt

    keep = tmp_path / "runs"
    options = {"targets": ["T18", "T23"], "start_year": 2022, "city": tiny_city(), "keep": keep}
    with quick(), pytest.raises(KeyboardInterrupt):
        lever_matrix(BASE, levers, progress=stop, **options)  # type: ignore[arg-type]
    kept = {path.name: (path / "manifest.json").stat().st_mtime_ns for path in keep.iterdir()}
    assert len(kept) == 2  # without levers, and the first of them
    with quick():
        whole = lever_matrix(BASE, levers, **options)  # type: ignore[arg-type]
        alone = lever_matrix(BASE, levers, **{**options, "keep": None})  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(whole, alone, check_exact=True)
    after = {path.name: (path / "manifest.json").stat().st_mtime_ns for path in keep.iterdir()}
    assert len(after) == 3 and kept.items() <= after.items()


def test_a_lever_that_changes_no_input_needs_no_run() -> None:
    ran: list[Scenario] = []

    def run(case: Scenario) -> Results:
        ran.append(case)
        return finished(case.replace(levers=())).results()

    set_already = BASE.replace(levers=(FARE,))
    matrix = lever_matrix(
        set_already,
        ["metro_fare_factor"],
        targets=["T18"],
        steps={"metro_fare_factor": 3.0},
        start_year=2022,
        run=run,
    )
    assert len(ran) == 1 and (matrix["effect"].fillna(0.0) == 0.0).all()


def test_a_kept_run_that_is_broken_is_refused_by_name(tmp_path: Path) -> None:
    calls: list[Scenario] = []

    def run(case: Scenario) -> Results:
        calls.append(case)
        return finished(case).results()

    kept = kept_runs(run, tmp_path, tiny_city())
    first = kept(BASE)
    assert same(kept(BASE), first) and len(calls) == 1
    (folder,) = tmp_path.iterdir()
    (folder / "outcomes.parquet").write_bytes(b"cut")
    with pytest.raises(StoreError, match="outcomes"):
        kept(BASE)
    shutil.rmtree(folder)
    assert same(kept(BASE), first) and len(calls) == 2
