"""The plan's targets and measures are all there and say what the text says."""

from __future__ import annotations

from pathlib import Path

import pytest

from transport_abm.core.errors import InputError
from transport_abm.policy import measures, targets
from transport_abm.policy.levers import read_levers
from transport_abm.policy.measures import read_measures
from transport_abm.policy.tables import data_folder
from transport_abm.policy.targets import read_targets


def test_all_24_targets_and_50_measures_of_the_plan_are_listed_in_order() -> None:
    assert list(read_targets()) == [f"T{k:02d}" for k in range(1, 25)]
    assert list(read_measures()) == [f"M{k:02d}" for k in range(1, 51)]


def test_the_green_share_is_set_at_76_5_percent_in_2025_and_strives_for_78_in_2030() -> None:
    first, second = read_targets()["T18"], read_targets()["T23"]
    assert (first.outcome, first.year, first.comparator, first.value) == ("green_share", 2025, ">=", 0.765)
    assert (second.outcome, second.year, second.comparator, second.value) == ("green_share", 2030, ">=", 0.78)
    assert (first.strength, second.strength) == ("must", "strive")
    assert "力争" in second.clause_zh and "力争" not in first.clause_zh


def test_the_transport_targets_alone_are_called_modelled_and_each_has_an_outcome() -> None:
    modelled = {target.id for target in read_targets().values() if target.modelled}
    assert modelled == {f"T{k}" for k in range(14, 25)}
    assert all(bool(target.outcome) == target.modelled for target in read_targets().values())


def test_a_target_without_a_year_is_held_against_the_last_year_of_a_run() -> None:
    assert read_targets()["T24"].year_in([2020, 2027]) == 2027
    assert read_targets()["T22"].year_in([2020, 2027]) == 2030


def test_less_is_better_for_the_intensity_alone_and_a_share_without_a_number_should_rise() -> None:
    falling = {target.id for target in read_targets().values() if target.modelled and target.direction < 0}
    assert falling == {"T22"}


def test_a_share_equal_to_the_target_meets_it_and_a_year_equal_to_a_deadline_does_not() -> None:
    share, peak = read_targets()["T18"], read_targets()["T06"]
    assert share.is_met(0.765) is True
    assert share.is_met(0.7649) is False
    assert peak.is_met(2030) is False
    assert peak.is_met(2029) is True
    assert share.gap(0.755) == pytest.approx(-0.01, abs=1e-15)


def test_a_fall_meets_a_target_that_asks_for_a_fall() -> None:
    intensity = read_targets()["T22"]
    assert intensity.is_met(-0.12) is True
    assert intensity.is_met(-0.08) is False


def test_a_target_without_a_number_is_neither_met_nor_missed() -> None:
    for identity in ("T03", "T05", "T17", "T20"):
        assert read_targets()[identity].is_met(1.0) is None
        assert read_targets()[identity].gap(1.0) is None


def test_the_wording_of_each_target_agrees_with_its_strength() -> None:
    words = {"strive": "力争", "basically": "基本", "about": "左右"}
    for target in read_targets().values():
        if target.strength in words:
            assert words[target.strength] in target.clause_zh, target.id


def test_every_measure_maps_to_levers_or_outcomes_or_says_why_not() -> None:
    for measure in read_measures().values():
        assert measure.reason
        assert set(measure.levers) <= set(read_levers())
        if measure.outside:
            assert not measure.levers and not measure.outcomes
    assert read_measures()["M18"].works
    assert read_measures()["M21"].works
    assert not read_measures()["M14"].works


def test_all_faults_of_a_table_come_in_one_error(tmp_path: Path) -> None:
    text = (data_folder() / "targets.csv").read_text(encoding="utf-8")
    broken = text.replace("T18,16", "T18,", 1).replace("2030,>=,0.78", "soon,=,0.78", 1)
    (tmp_path / "targets.csv").write_text(broken, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        targets.read_targets(tmp_path / "targets.csv")
    text = str(caught.value)
    assert "T18.section" in text and "T23.year" in text and "T23.comparator" in text


def test_a_measure_that_maps_to_an_unknown_lever_is_refused(tmp_path: Path) -> None:
    text = (data_folder() / "measures.csv").read_text(encoding="utf-8")
    (tmp_path / "m.csv").write_text(text.replace("depot_pv_mw", "depot_pv", 1), encoding="utf-8")
    with pytest.raises(InputError, match=r"M15\.maps_to"):
        measures.read_measures(tmp_path / "m.csv")


@pytest.mark.parametrize("content", [b"", b"id,section\n", b"\xff\xfe", None])
def test_a_table_that_cannot_be_read_is_an_input_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "targets.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"targets\.csv"):
        targets.read_targets(path)
