"""Effects of levers on targets, alone, late and together: the model is a set function here, the laws are not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from tests.report_case import TRANSPORT, run_of, set_values
from tests.synthetic_vehicles import matrix_of, with_vehicles
from tests.tiny import tiny_city
from transport_abm.core.errors import LeverError, ScenarioError, StoreError
from transport_abm.experiments.attribution import COLUMNS as SHARES
from transport_abm.experiments.attribution import attribution
from transport_abm.experiments.paired import (
    COLUMNS,
    START_YEAR,
    delay,
    lever_matrix,
    modest_step,
    read_matrix,
    write_matrix,
)
from transport_abm.policy.levers import LeverSetting, read_levers
from transport_abm.policy.scenario import Scenario
from transport_abm.policy.targets import read_targets
from transport_abm.results import Results


def stub(levers_effect: dict[str, dict[str, float]], fail: str = "") -> object:
    """A model that is a set function: each lever in force adds its effect to each target's outcome."""
    calls: list[Scenario] = []

    def run(case: Scenario) -> Results:
        calls.append(case)
        if any(setting.lever == fail for setting in case.levers):
            raise RuntimeError("it broke\nhere")
        result = with_vehicles(run_of(tiny_city(), case.replication))
        for setting in case.levers:
            for outcome, effect in levers_effect.get(setting.lever, {}).items():
                for target in read_targets().values():
                    if target.outcome == outcome:
                        year = target.year_in(result.years)
                        share = setting.share(year)
                        before = float(result.series(outcome).loc[year])
                        result = set_values(result, outcome, year, before + share * effect)
        return result

    run.calls = calls  # type: ignore[attr-defined]
    return run


CASE = Scenario.named("baseline").replace(years=(2024, 2030))


def test_a_matrix_finds_the_effects_of_a_set_function() -> None:
    effects = {"fuel_price_factor": {"nev_stock": 1e5, "green_share": 0.01}, "wfh_share": {}}
    run = stub(effects)
    matrix = lever_matrix(CASE, ["fuel_price_factor", "wfh_share"], replications=2, run=run)  # type: ignore[arg-type]
    assert list(matrix.columns) == list(COLUMNS)
    assert len(matrix) == 2 * len(TRANSPORT) and set(matrix["replications"]) == {2}
    cell = matrix.set_index(["lever", "target"])["effect"]
    assert cell["fuel_price_factor", "T19"] == pytest.approx(1e5)
    assert cell["fuel_price_factor", "T18"] == pytest.approx(0.01)
    assert (cell["wfh_share"] == 0.0).all()  # same draws: what no lever touches does not move at all
    calls = run.calls  # type: ignore[attr-defined]
    assert [c.replication for c in calls] == [0, 1] * 3 and len({c.seed for c in calls}) == 1


def test_a_run_that_fails_is_a_row_with_its_reason() -> None:
    run = stub({}, fail="wfh_share")
    matrix = lever_matrix(CASE, ["wfh_share", "bus_lane_share"], run=run)  # type: ignore[arg-type]
    failed = matrix[matrix["lever"] == "wfh_share"]
    assert (failed["reason"] == "RuntimeError: it broke; here").all() and failed["effect"].isna().all()
    assert (matrix.loc[matrix["lever"] == "bus_lane_share", "reason"] == "").all()


def test_an_outcome_or_year_that_is_not_there_is_told_in_the_row() -> None:
    def bare(case: Scenario) -> Results:
        run = run_of(tiny_city())
        keep = (run.table["outcome"] == "green_share") & (run.table["year"] < 2030)
        return replace(run, table=run.table[keep])

    matrix = lever_matrix(CASE.replace(years=(2024, 2029)), ["wfh_share"], run=bare).set_index("target")
    assert matrix.loc["T18", "effect"] == 0.0
    assert matrix.loc["T23", "reason"] == "2030 is not a year of the runs"
    assert matrix.loc["T14", "reason"] == "no outcome bus_nev_share"


def test_all_wrong_input_of_a_matrix_is_told_before_the_first_run() -> None:
    run = stub({})
    with pytest.raises(LeverError) as caught:
        lever_matrix(CASE, ["wfh_shar", "wfh_share"], steps={"bus_lane_share": 1, "wfh_share": 2.0}, run=run)  # type: ignore[arg-type]
    told = str(caught.value)
    assert "did you mean 'wfh_share'?" in told and "bus_lane_share" in told and "0 to 0.3" in told
    with pytest.raises(ScenarioError, match="T99"):
        lever_matrix(CASE, ["wfh_share"], targets=["T99"], run=run)  # type: ignore[arg-type]
    with pytest.raises(LeverError, match="above 0, at most 1"):
        lever_matrix(CASE, ["wfh_share"], share=1.5, run=run)  # type: ignore[arg-type]
    assert not run.calls  # type: ignore[attr-defined]


def test_every_built_lever_has_a_step_inside_its_bounds_that_changes_something() -> None:
    for lever in read_levers().values():
        if lever.built:
            for share in (0.25, 1.0):
                step = modest_step(lever, share)
                LeverSetting(lever=lever.id, value=step, start_year=START_YEAR)
                assert step != lever.default, lever.id


def test_two_years_later_moves_start_and_full_year_and_nothing_else() -> None:
    plan = Scenario.named("plan").replace(years=(2024, 2030))
    setting = plan.levers[0]
    run = stub({setting.lever: {"nev_stock": 8e5}})
    table = delay(plan, setting.lever, 2, run=run).set_index("target")  # type: ignore[arg-type]
    before, after = run.calls  # type: ignore[attr-defined]
    moved = next(s for s in after.levers if s.lever == setting.lever)
    assert (moved.start_year, moved.value) == (setting.start_year + 2, setting.value)
    assert moved.full_year == (setting.full_year + 2 if setting.full_year else None)
    assert {s for s in after.levers if s.lever != setting.lever} == {
        s for s in before.levers if s.lever != setting.lever
    }
    lost = 8e5 * (setting.share(2025) - moved.share(2025))
    assert lost > 0 and table.loc["T19", "effect"] == pytest.approx(-lost)
    assert (table["years_later"] == 2).all()


def test_a_deadline_that_comes_later_is_a_later_deadline() -> None:
    setting = LeverSetting(lever="taxi_nev_deadline_year", value=2025, start_year=2022)
    run = stub({})
    delay(CASE.replace(levers=(setting,)), setting.lever, 2, run=run)  # type: ignore[arg-type]
    (moved,) = run.calls[-1].levers  # type: ignore[attr-defined]
    assert (moved.value, moved.start_year) == (2027, 2024)


FARES = tuple(
    LeverSetting(lever=lever, value=2.0, start_year=2024)
    for lever in ("parking_price_factor", "metro_fare_factor", "bus_fare_factor")
)


def test_shares_of_levers_add_up_and_levers_alone_keep_their_own_effect() -> None:
    """Effects that add up are their own shares; each set of levers is run once, in every replication."""
    effects = {"parking_price_factor": {"nev_stock": 3e4}, "metro_fare_factor": {"nev_stock": -1e4}}
    run = stub(effects)
    case = CASE.replace(levers=FARES)
    table = attribution(case, ["parking_price_factor", "metro_fare_factor"], replications=2, run=run)  # type: ignore[arg-type]
    assert list(table.columns) == list(SHARES) and len(table) == 2 * len(TRANSPORT)
    share = table.set_index(["levers", "target"])["share"]
    assert share["parking_price_factor", "T19"] == pytest.approx(3e4)
    assert share["metro_fare_factor", "T19"] == pytest.approx(-1e4)
    for _, part in table.groupby("target"):
        assert part["share"].sum() == pytest.approx((part["with"] - part["without"]).iloc[0], abs=1e-9)
    calls = run.calls  # type: ignore[attr-defined]
    assert len(calls) == 2 * 4
    assert all(
        "bus_fare_factor" in {s.lever for s in c.levers} for c in calls
    )  # not named: in force in every run


def test_levers_that_only_act_together_share_their_effect_evenly_and_a_group_has_it_all() -> None:
    def run(case: Scenario) -> Results:
        both = {"parking_price_factor", "metro_fare_factor"} <= {s.lever for s in case.levers}
        result = with_vehicles(run_of(tiny_city(), case.replication))
        before = float(result.series("nev_stock").loc[2025])
        return set_values(result, "nev_stock", 2025, before + 1e5 * both)

    case, named = CASE.replace(levers=FARES), ["parking_price_factor", "metro_fare_factor"]
    apart = attribution(case, named, targets=["T19"], run=run)
    assert apart["share"].tolist() == pytest.approx([5e4, 5e4])
    joined = attribution(case, ["+".join(named), "bus_fare_factor"], targets=["T19"], run=run)
    assert joined["share"].tolist() == pytest.approx([1e5, 0.0], abs=1e-9)


def test_wrong_levers_of_an_attribution_are_told_at_once_before_a_run() -> None:
    run, case = stub({}), CASE.replace(levers=FARES)
    with pytest.raises(LeverError) as caught:
        attribution(
            case, ["parking_price_facto", "bus_fare_factor", "bus_fare_factor+metro_fare_factor"], run=run
        )  # type: ignore[arg-type]
    told = str(caught.value)
    assert "did you mean 'parking_price_factor'?" in told and "each lever once" in told
    with pytest.raises(LeverError, match="1 to 6"):
        attribution(case, [], run=run)  # type: ignore[arg-type]
    assert not run.calls  # type: ignore[attr-defined]


def test_a_lever_that_the_scenario_does_not_set_cannot_come_later() -> None:
    with pytest.raises(LeverError, match="it sets none"):
        delay(CASE, "wfh_share", run=stub({}))  # type: ignore[arg-type]


def test_a_matrix_read_is_the_matrix_written(tmp_path: Path) -> None:
    matrix = lever_matrix(CASE, ["wfh_share", "bus_lane_share"], run=stub({}, fail="wfh_share"))  # type: ignore[arg-type]
    again = read_matrix(write_matrix(matrix, tmp_path / "m.csv"))
    pd.testing.assert_frame_equal(again, matrix, check_dtype=False)


def test_a_file_that_is_no_matrix_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    for content, words in (
        (b"", "expected a matrix"),
        (b"\xff\xfe", "expected a matrix"),
        (b"a,b\n1,2\n", "header"),
    ):
        path.write_bytes(content)
        with pytest.raises(StoreError, match=words):
            read_matrix(path)
    with pytest.raises(StoreError, match="expected a matrix"):
        read_matrix(tmp_path / "none.csv")
    good = matrix_of({("wfh_share", "T18"): 0.1})
    write_matrix(good.assign(lever="no_such", effect="x"), path)
    with pytest.raises(StoreError) as caught:
        read_matrix(path)
    assert "no_such" in str(caught.value) and "effect: expected numbers" in str(caught.value)
