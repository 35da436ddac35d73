"""The ledger says what runs say of every target: values are synthetic here, the laws are not."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.report_case import TRANSPORT, Checker, run_of, set_values
from tests.synthetic_vehicles import matrix_of, with_vehicles
from tests.tiny import tiny_city
from transport_abm.core.vocabulary import Accounting, Scope
from transport_abm.report.ledger import CONTEXT, build_ledger, clear_effects, ledger_document
from transport_abm.report.ledger_text import reasons
from transport_abm.report.page import build_page
from transport_abm.report.reading import read_runs
from transport_abm.report.texts import LANGUAGES, texts
from transport_abm.results import Ensemble, Results, wilson_interval

PUBLISHED = {
    (81, 263): (0.2553, 0.3662),
    (15, 148): (0.0624, 0.1605),
    (0, 20): (0.0000, 0.1611),
    (1, 29): (0.0061, 0.1718),
    (29, 29): (0.8830, 1.0000),
}
"""Score intervals without continuity correction, Newcombe 1998, Statistics in Medicine 17, table I (method 3)."""


@pytest.fixture(scope="module")
def run() -> Results:
    """One synthetic run."""
    return with_vehicles(run_of(tiny_city()))


@pytest.fixture(scope="module")
def runs() -> Ensemble:
    """Five synthetic replications."""
    return Ensemble(tuple(with_vehicles(run_of(tiny_city(), k)) for k in range(5)))


@pytest.mark.parametrize(("counts", "interval"), PUBLISHED.items())
def test_wilsons_interval_agrees_with_the_published_table(
    counts: tuple[int, int], interval: tuple[float, float]
) -> None:
    assert wilson_interval(*counts) == pytest.approx(interval, abs=5e-5)


def test_wilsons_interval_is_the_same_from_both_sides_and_unknown_without_runs() -> None:
    low, high = wilson_interval(3, 10)
    assert wilson_interval(7, 10) == pytest.approx((1 - high, 1 - low), abs=1e-15)
    assert all(math.isnan(end) for end in wilson_interval(0, 0))
    with pytest.raises(ValueError, match="expected 0 to 2 runs, got 3"):
        wilson_interval(3, 2)


def test_every_transport_target_has_an_entry_and_grid_and_storage_stand_beside(runs: Ensemble) -> None:
    ledger = build_ledger(runs)
    assert [entry.target.id for entry in ledger.entries] == TRANSPORT
    assert tuple(entry.target.id for entry in ledger.context) == CONTEXT
    assert all(entry.verdict == "context" and not entry.values for entry in ledger.context)
    assert ledger.missing == () and ledger.runs == 5


def test_mean_band_gap_and_probability_are_those_of_the_runs(runs: Ensemble) -> None:
    entry = build_ledger(runs)["T19"]
    value = np.array([float(r.series("nev_stock").loc[2025]) for r in runs])
    assert entry.values == tuple(value)
    assert (entry.mean, entry.gap) == (value.mean(), value.mean() - 2e6)
    assert (entry.low, entry.high) == (np.quantile(value, 0.05), np.quantile(value, 0.95))
    assert (entry.met, entry.probability, entry.verdict) == (0, 0.0, "missed")
    assert entry.interval == wilson_interval(0, 5)


def test_a_target_that_some_runs_meet_is_open(run: Results) -> None:
    parts = [set_values(with_vehicles(run_of(tiny_city(), k)), "nev_stock", 2025, v) for k, v in
             enumerate((1.9e6, 2e6, 2.1e6))]  # fmt: skip
    entry = build_ledger(Ensemble(tuple(parts)))["T19"]
    assert (entry.met, entry.verdict) == (2, "open")
    assert entry.interval == wilson_interval(2, 3)


def test_the_verdict_follows_the_unrounded_number(run: Results) -> None:
    almost = set_values(run, "bus_nev_share", 2025, 0.999999)
    assert build_ledger(almost)["T14"].verdict == "missed"
    assert build_ledger(set_values(run, "bus_nev_share", 2025, 1.0))["T14"].verdict == "met"


def test_basically_has_a_number_of_the_model_and_no_verdict(runs: Ensemble) -> None:
    ledger = build_ledger(runs)
    for name in ("T17", "T20"):
        entry = ledger[name]
        assert entry.verdict == "no_number" and math.isfinite(entry.mean)
        assert entry.met is None and math.isnan(entry.gap) and math.isnan(entry.probability)
        assert all(math.isnan(end) for end in entry.interval)


def test_a_target_without_a_year_is_reported_for_the_last_year(run: Results) -> None:
    entry = build_ledger(run)["T24"]
    assert entry.year == 2030 and entry.mean == float(run.series("airport_electric_share").loc[2030])


def test_a_run_without_vehicles_says_what_is_missing() -> None:
    ledger = build_ledger(run_of(tiny_city()))
    lacking = {entry.target.id for entry in ledger.entries if entry.missing == "outcome"}
    assert lacking == set(TRANSPORT) - {"T18", "T23"}
    assert all(ledger[name].verdict == "no_value" for name in lacking)
    assert {"nev_stock", "bus_nev_share", "operating_intensity_change"} <= set(ledger.missing)


def test_a_year_that_the_runs_do_not_hold_is_told_apart_from_a_missing_outcome(run: Results) -> None:
    short = replace(run, table=run.table[run.table["year"] <= 2026])
    ledger = build_ledger(short)
    assert ledger["T22"].missing == "year" and ledger["T19"].missing == ""
    assert ledger["T24"].year == 2026


def test_a_year_that_is_not_converged_has_no_verdict() -> None:
    run = with_vehicles(run_of(tiny_city(), excess=2.5))
    ledger = build_ledger(run)
    assert ledger["T22"].verdict == "not_converged" and ledger["T19"].verdict == "missed"


def scopes(run: Results, value: float) -> Results:
    """The run with one intensity in all scopes and accounting modes."""
    for s in Scope:
        for a in Accounting:
            run = set_values(run, "operating_intensity_change", 2030, value, f"{s.name}.{a.name}".lower())
    return set_values(run, "operating_intensity_change", 2030, value)


def test_robust_needs_every_scope_and_every_accounting_mode(run: Results) -> None:
    assert build_ledger(scopes(run, -0.2))["T22"].robust == "met"
    assert build_ledger(scopes(run, -0.05))["T22"].robust == "missed"
    one_off = set_values(scopes(run, -0.2), "operating_intensity_change", 2030, -0.09, "s3.market")
    assert build_ledger(one_off)["T22"].robust == "no"
    part = scopes(run, -0.2)
    part = replace(part, table=part.table[part.table["class"] != "s3.market"])
    assert build_ledger(part)["T22"].robust == "unknown"
    assert build_ledger(run)["T19"].robust is None


def test_robust_needs_every_run() -> None:
    both = tuple(scopes(with_vehicles(run_of(tiny_city(), k)), -0.2 + 0.15 * k) for k in (0, 1))
    entry = build_ledger(Ensemble(both))["T22"]
    assert entry.robust == "no" and entry.verdict == "open"


def test_other_readings_of_the_same_words_stand_beside_the_first(run: Results) -> None:
    entry = build_ledger(run)["T19"]
    found = {v.outcome: v.mean for v in entry.variants}
    assert found["nev_registered"] == pytest.approx(1.1 * entry.mean)
    names = {v.outcome for v in build_ledger(run)["T18"].variants}
    assert names == {"green_share_city", "green_share_motorised", "green_share_no_e_bike"}


def test_the_share_of_a_fleet_with_its_exempt_vehicles_is_another_reading(run: Results) -> None:
    (variant,) = build_ledger(run)["T15"].variants
    assert variant.class_ == "all" and variant.mean == pytest.approx(0.9 * build_ledger(run)["T15"].mean)


def test_factors_of_the_intensity_are_all_there_and_the_largest_parts_of_a_stock(run: Results) -> None:
    ledger = build_ledger(run)
    factors = {d.name: d.value for d in ledger["T22"].drivers if d.kind == "factor"}
    assert set(factors) == {"activity", "structure", "load", "efficiency", "fuel", "grid"}
    rows = run.table[run.table["outcome"] == "co2_change_by"].assign(
        outcome="intensity_change_by", unit="g/tkm"
    )
    both = replace(run, table=pd.concat([run.table, rows]))
    assert {d.unit for d in build_ledger(both)["T22"].drivers} == {
        "g/tkm"
    }  # the target's own factors come first
    parts = [d for d in ledger["T19"].drivers if d.kind == "part"]
    assert parts[0].name == "private_car" and len(parts) == 4
    assert [d.value for d in parts] == sorted((d.value for d in parts), reverse=True)


def with_rows(run: Results, *rows: tuple[str, int, str, str, float, str]) -> Results:
    """The run with further outcomes."""
    return replace(run, table=pd.concat([run.table, pd.DataFrame(rows, columns=run.table.columns)]))


def test_what_a_share_lacks_is_read_from_the_runs_and_largest_first(run: Results) -> None:
    rows = [
        ("share_lacking", 2025, "", f"bus_nev_share.{k}", v, "1")
        for k, v in (("diesel", 0.02), ("cng", 0.05))
    ]
    other = ("share_lacking", 2025, "", "taxi_nev_share.petrol", 0.4, "1")
    ledger = build_ledger(with_rows(run, *rows, other))
    lacking = {
        name: [(d.name, d.value) for d in ledger[name].drivers if d.kind == "lacking"] for name in TRANSPORT
    }
    assert lacking["T14"] == [("cng", 0.05), ("diesel", 0.02)]
    assert lacking["T15"] == [("petrol", 0.4)] and lacking["T24"] == []
    assert not build_ledger(run)["T14"].drivers  # nothing is said that no run holds


def test_changes_of_mode_shares_are_those_since_the_first_year(run: Results) -> None:
    first, moved = min(run.years), {"bus": 0.03, "car_driver": -0.05, "walk": 0.01}
    for class_, change in moved.items():
        now = float(run.series("mode_share", class_=class_).loc[first]) + change
        run = set_values(run, "mode_share", 2030, now, class_)
    changes = [(d.name, d.value) for d in build_ledger(run)["T23"].drivers if d.kind == "change"]
    assert [name for name, _ in changes] == ["car_driver", "bus", "walk"]
    assert dict(changes) == pytest.approx(moved)


def test_a_number_by_district_tells_what_has_no_district_and_a_share_does_not(run: Results) -> None:
    whole = float(run.series("nev_stock").loc[2025])
    parts = [
        ("nev_stock", 2025, name, "", part * whole, "vehicles") for name, part in (("A", 0.5), ("B", 0.3))
    ]
    shares = [("bus_nev_share", 2025, name, "", 0.5, "1") for name in ("A", "B")]
    ledger = build_ledger(with_rows(run, *parts, *shares))
    known = dict(ledger["T19"].districts)
    assert known == pytest.approx({"A": 0.5 * whole, "B": 0.3 * whole, "": 0.2 * whole})
    assert ledger["T14"].districts == (("A", 0.5), ("B", 0.5))


def test_levers_that_close_a_gap_come_by_the_share_of_their_step_that_is_needed(run: Results) -> None:
    short = set_values(run, "nev_stock", 2025, 1.9e6)
    effects = {
        ("fuel_price_factor", "T19"): 4e5,
        ("electricity_price_factor", "T19"): -2e5,
        ("tail_number_days", "T19"): 5e4,
        ("wfh_share", "T19"): 1.0,
    }
    entry = build_ledger(short, matrix_of(effects))["T19"]
    assert [(c.lever, c.closes) for c in entry.closers] == [
        ("fuel_price_factor", True),
        ("tail_number_days", False),
    ]
    assert [c.needed for c in entry.closers] == pytest.approx([0.25, 2.0])
    assert [d.name for d in entry.drivers if d.kind == "lever"][:2] == [
        "fuel_price_factor",
        "electricity_price_factor",
    ]
    assert not build_ledger(run, matrix_of({("wfh_share", "T18"): 0.05}))["T18"].closers  # met already


def test_a_fall_helps_the_intensity_and_a_rise_helps_the_shares(run: Results) -> None:
    effects = {("fuel_price_factor", "T22"): -0.02, ("fuel_price_factor", "T18"): 0.01}
    assert build_ledger(run, matrix_of(effects)).conflicts == ()
    effects = {("tail_number_bev_exempt", "T19"): 1e5, ("tail_number_bev_exempt", "T18"): -0.01}
    ledger = build_ledger(run, matrix_of(effects))
    assert ledger.conflicts == (("tail_number_bev_exempt", ("T19",), ("T18",)),)
    (item,) = ledger["T18"].conflicts
    assert (item.other, item.helps) == ("T19", False)


def test_a_small_side_effect_is_no_conflict(run: Results) -> None:
    effects = {
        ("fuel_price_factor", "T19"): 1e5, ("fuel_price_factor", "T18"): -0.001, ("wfh_share", "T18"): 0.03,
    }  # fmt: skip
    assert build_ledger(run, matrix_of(effects)).conflicts == ()
    effects["fuel_price_factor", "T18"] = -0.002
    assert build_ledger(run, matrix_of(effects)).conflicts == (("fuel_price_factor", ("T19",), ("T18",)),)


def test_an_effect_is_clear_from_what_can_be_written(run: Results) -> None:
    effects = {("fuel_price_factor", "T22"): -0.0009, ("wfh_share", "T22"): -0.0011}
    assert list(clear_effects(matrix_of(effects))["lever"]) == ["wfh_share"]


def test_an_effect_that_chance_could_give_is_no_driver_and_no_conflict(run: Results) -> None:
    matrix = matrix_of({("fuel_price_factor", "T19"): 1e5, ("fuel_price_factor", "T18"): -0.01})
    matrix.loc[matrix["target"] == "T18", "high"] = 0.001
    ledger = build_ledger(run, matrix)
    assert ledger.conflicts == () and not [d for d in ledger["T18"].drivers if d.kind == "lever"]


def test_the_document_is_json_with_nulls_for_what_is_not_known(run: Results) -> None:
    from transport_abm.cli.show import _finite

    document = json.loads(json.dumps(_finite(ledger_document(build_ledger(run))), allow_nan=False))
    rows = {row["id"]: row for row in document["targets"]}
    assert list(rows) == TRANSPORT
    assert rows["T17"]["plan"] is None and rows["T17"]["verdict"] == "no_number"
    assert rows["T22"]["robust"] in ("met", "missed", "no")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_shows_ledger_matrix_vehicles_plates_fleets_and_carbon(
    runs: Ensemble, language: str
) -> None:
    matrix = matrix_of({("fuel_price_factor", "T19"): 1e5, ("fuel_price_factor", "T18"): float("nan")})
    words = texts(language)
    text = build_page(read_runs(runs), words, tiny_city(), matrix=matrix)
    checker = Checker(text)
    for key in ("ledger", "matrix", "vehicles", "plates", "fleets", "carbon"):
        assert words(f"{key}.title") in checker.text, key
    assert checker.text.count("T19") == 2  # ledger and matrix


def test_a_page_of_a_run_without_vehicles_has_the_ledger_and_none_of_their_sections() -> None:
    run = run_of(tiny_city())
    run = replace(
        run, table=run.table[run.table["outcome"].isin({"green_share", "gap", "converged", "mode_share"})]
    )
    words = texts("en")
    text = Checker(build_page(read_runs(run), words, tiny_city())).text
    assert words("ledger.title") in text and "These runs do not hold" in text
    for key in ("matrix", "vehicles", "plates", "fleets", "carbon"):
        assert words(f"{key}.title") not in text, key


def test_a_lever_is_named_with_the_value_to_which_the_matrix_moves_it(run: Results) -> None:
    """A lever that is moved to its lower bound helps by going down: its name alone would say the opposite."""
    short = set_values(run, "nev_stock", 2025, 1.9e6)
    matrix = matrix_of({("tail_number_bev_exempt", "T19"): -2e4, ("tail_number_bev_exempt", "T18"): 0.01})
    ledger, words = build_ledger(short, matrix.assign(step=0.0)), texts("en")
    told = dict(reasons(ledger["T19"], ledger, words))
    for heading in ("ledger.drivers", "ledger.conflicts"):
        assert "tail-number limit to 0%" in told[words(heading)]
    part = build_ledger(short, matrix_of({("tail_number_bev_exempt", "T19"): 2e4}))
    assert "20% of the gap" in dict(reasons(part["T19"], part, words))[words("ledger.closers")]
