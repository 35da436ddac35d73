"""Draws of uncertain numbers are central in replication 0, the same in every scenario, and inside their ranges."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport_abm.base_year import UNREAD_AREAS
from transport_abm.core.errors import ParameterError
from transport_abm.core.parameters import Catalogue, Parameter, Series
from transport_abm.policy import uncertainty
from transport_abm.policy.inputs import Draw, shipped_catalogue, year_inputs
from transport_abm.policy.levers import LeverSetting
from transport_abm.policy.scenario import Scenario
from transport_abm.policy.uncertainty import COLUMNS, Uncertain, draw_parameters, read_uncertain, triangular

PATH = "fares.bus_factor"
"""Any undated parameter with a range around its value, and a lever on it."""


def table(folder: Path, *rows: str) -> Path:
    """A table of uncertain parameters."""
    path = folder / "uncertain.csv"
    path.write_text("\n".join([",".join(COLUMNS), *rows]) + "\n", encoding="utf-8")
    return path


def one(path: str = PATH, operation: str = "scale", low: float = 0.8, high: float = 1.5) -> Uncertain:
    """One uncertain parameter."""
    return Uncertain(path, operation, low, 1.0, high, "source")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The shipped table is replaced by one parameter."""
    monkeypatch.setattr(uncertainty, "read_uncertain", lambda: {PATH: one()})
    draw_parameters.cache_clear()
    yield
    draw_parameters.cache_clear()


def test_quantiles_of_the_triangular_distribution_are_those_of_the_closed_form() -> None:
    # Peak at 1 between 0 and 4: a quarter lies below the peak; the median is 4 - sqrt(6).
    assert triangular(0.25, 0.0, 1.0, 4.0) == pytest.approx(1.0, abs=1e-12)
    assert triangular(0.5, 0.0, 1.0, 4.0) == pytest.approx(4.0 - math.sqrt(6.0), abs=1e-12)
    assert (triangular(0.0, 0.0, 1.0, 4.0), triangular(1.0, 0.0, 1.0, 4.0)) == (0.0, 4.0)
    assert triangular(0.7, 2.0, 2.0, 2.0) == 2.0


def test_mean_of_many_draws_is_the_mean_of_ends_and_peak() -> None:
    u = (np.arange(20_000) + 0.5) / 20_000
    mean = np.mean([triangular(float(x), -1.0, 0.5, 3.0) for x in u])
    assert mean == pytest.approx((-1.0 + 0.5 + 3.0) / 3.0, abs=1e-6)


@given(
    u=st.floats(0, 1), low=st.floats(-5, 0), peak=st.floats(0, 5), more=st.floats(0, 5)
)  # the peak lies between the ends
def test_no_draw_leaves_its_range(u: float, low: float, peak: float, more: float) -> None:
    high = peak + more
    assert low - 1e-9 <= triangular(u, low, peak, high) <= high + 1e-9


def test_the_shipped_table_names_parameters_that_the_fit_of_the_base_year_does_not_read() -> None:
    rows = read_uncertain()
    areas = {path.partition(".")[0] for path in rows}
    assert areas <= UNREAD_AREAS
    assert all(row.low < row.high and row.source for row in rows.values())


def test_replication_0_is_central_and_each_other_one_draws_its_own(drawn: None) -> None:
    assert draw_parameters(1, 0) == {}
    values = [draw_parameters(1, r)[PATH].value for r in (1, 2, 3)]
    assert len(set(values)) == 3 and all(0.8 <= v <= 1.5 for v in values)
    draw_parameters.cache_clear()
    assert [draw_parameters(1, r)[PATH].value for r in (1, 2, 3)] == values
    assert draw_parameters(2, 1)[PATH].value != values[0]


def test_a_new_row_changes_no_other_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    draw_parameters.cache_clear()
    monkeypatch.setattr(uncertainty, "read_uncertain", lambda: {PATH: one()})
    before = draw_parameters(1, 1)[PATH]
    draw_parameters.cache_clear()
    more = {"fares.metro_factor": one("fares.metro_factor"), PATH: one()}
    monkeypatch.setattr(uncertainty, "read_uncertain", lambda: more)
    assert draw_parameters(1, 1)[PATH] == before
    draw_parameters.cache_clear()


def test_every_scenario_draws_the_same_and_levers_act_on_top(drawn: None) -> None:
    base = Scenario.named("baseline").replace(uncertain=True, replication=3)
    plan = Scenario.named("plan").replace(uncertain=True, replication=3)
    assert base.draws() == plan.draws()
    central = Scenario.named("baseline").replace(replication=3)
    factor = base.draws()[PATH].value
    assert base.inputs(2025)[PATH] == factor * central.inputs(2025)[PATH]
    lever = LeverSetting(lever="bus_fare_factor", value=2.0, start_year=2024)
    assert base.replace(levers=(lever,)).inputs(2025)[PATH] == pytest.approx(2.0 * factor, rel=1e-12)


def test_without_the_word_uncertain_nothing_is_drawn(drawn: None) -> None:
    case = Scenario.named("baseline").replace(replication=3)
    assert case.draws() == {}
    assert case.inputs(2025) == case.replace(replication=0).inputs(2025)
    assert case.replace(uncertain=True, replication=0).inputs(2025) == case.inputs(2025)


def test_a_value_given_by_hand_is_not_drawn(drawn: None) -> None:
    case = Scenario.named("baseline").replace(uncertain=True, replication=3, parameters={PATH: 1.25})
    assert case.draws() == {} and case.inputs(2025)[PATH] == 1.25


def test_a_drawn_value_stops_at_the_end_of_the_parameters_range_where_a_lever_would_leave_it() -> None:
    row = shipped_catalogue().parameters[PATH]
    lever = LeverSetting(lever="bus_fare_factor", value=3.0, start_year=2024)
    inputs = year_inputs(2025, {}, (lever,), {PATH: Draw("set", row.high)})
    assert inputs[PATH] == row.high


def test_a_factor_multiplies_every_year_of_a_series_and_a_value_replaces_it() -> None:
    path, series = next(iter(shipped_catalogue().series.items()))
    for year in series.years[:2]:
        central = year_inputs(year)[path]
        assert year_inputs(year, drawn={path: Draw("scale", 0.5)})[path] == 0.5 * central
        assert year_inputs(year, drawn={path: Draw("set", 7.0)})[path] == 7.0


def test_a_scenario_says_in_its_file_that_it_draws(tmp_path: Path) -> None:
    case = Scenario.named("plan").replace(uncertain=True)
    case.write(tmp_path / "s.toml")
    assert "uncertain = true" in (tmp_path / "s.toml").read_text(encoding="utf-8")
    assert Scenario.read(tmp_path / "s.toml") == case


def test_all_faults_of_a_table_come_in_one_error(tmp_path: Path) -> None:
    catalogue = Catalogue(
        {
            "a.plain": Parameter("a.plain", 2.0, "1", 0.0, 5.0, "prior", "s", "n", "n"),
            "a.dated": Parameter("a.dated", None, "1", 0.0, 5.0, "prior", "s", "n", "n"),
        },
        {"a.dated": Series("a.dated", (2020, 2030), (1.0, 4.0), "1", ("prior",) * 2, ("s",) * 2)},
    )
    good = table(tmp_path, "a.plain,set,triangular,1,3,s", "a.dated,scale,triangular,0.5,1.2,s")
    assert [row.peak for row in read_uncertain(good, catalogue).values()] == [2.0, 1.0]
    bad = table(
        tmp_path,
        "a.plian,scale,triangular,0.9,1.1,s",
        "a.plain,set,normal,3,4,",
        "a.dated,scale,triangular,0.5,1.5,s",
    )
    with pytest.raises(ParameterError) as caught:
        read_uncertain(bad, catalogue)
    told = str(caught.value)
    for words in (
        "a.plian.path: expected a path of the catalogue (did you mean 'a.plain'?)",
        "a.plain.distribution",
        "a.plain.source",
        "a.plain.low: expected a range around the central value 2",
        "a.dated.high: expected values inside the parameter's range, 0 to 5",
    ):
        assert words in told, words
    with pytest.raises(ParameterError, match=r"a\.dated\.operation: expected 'scale'"):
        read_uncertain(table(tmp_path, "a.dated,set,triangular,0.5,1.5,s"), catalogue)
