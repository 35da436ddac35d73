"""Inputs of a year refuse unknown paths, cannot be changed, and follow the catalogue."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

from transport_abm.core.errors import ParameterError
from transport_abm.core.vocabulary import Sex
from transport_abm.policy.inputs import YearInputs, shipped_catalogue, year_inputs


@pytest.fixture
def inputs() -> YearInputs:
    """Three parameters."""
    return YearInputs(2021, {"a.female": 1, "a.male": 2.5, "b.c": -1.0})


def test_an_unknown_path_is_refused_with_the_nearest_known_one(inputs: YearInputs) -> None:
    with pytest.raises(ParameterError, match=r"did you mean 'a\.female'"):
        inputs["a.femal"]
    with pytest.raises(ParameterError):
        inputs.get("a.femal", 0.0)


def test_values_cannot_be_changed(inputs: YearInputs) -> None:
    with pytest.raises(TypeError):
        inputs["a.male"] = 1.0  # type: ignore[index]
    with pytest.raises(TypeError):
        inputs.values_by_path["a.male"] = 1.0  # type: ignore[index]
    with pytest.raises(AttributeError):
        inputs.year = 2022  # type: ignore[misc]


def test_an_array_follows_the_order_of_the_names_or_of_an_enumeration(inputs: YearInputs) -> None:
    assert inputs.array("a.{}", ["male", "female"]).tolist() == [2.5, 1.0]
    assert inputs.array("a.{}", Sex).tolist() == [1.0, 2.5]
    assert inputs.array("a.{}", []).dtype == np.float64


def test_an_array_names_every_missing_path(inputs: YearInputs) -> None:
    with pytest.raises(ParameterError) as caught:
        inputs.array("a.{}", ["male", "x", "y"])
    assert len(caught.value.faults) == 2


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(ParameterError, match=r"a\.b"):
        YearInputs(2020, {"a.b": value})


def test_inputs_survive_a_pickle(inputs: YearInputs) -> None:
    again = pickle.loads(pickle.dumps(inputs))
    assert again == inputs
    assert hash(again) == hash(inputs)


def test_a_later_change_of_the_source_does_not_reach_the_inputs() -> None:
    source = {"a.b": 1.0}
    inputs = YearInputs(2020, source)
    source["a.b"] = 2.0
    assert inputs["a.b"] == 1.0


def test_an_override_replaces_the_catalogue_in_every_year() -> None:
    assert year_inputs(2020, {"prices.petrol_cny_l": 9.0})["prices.petrol_cny_l"] == 9.0
    assert year_inputs(2030, {"prices.petrol_cny_l": 9.0})["prices.petrol_cny_l"] == 9.0


def test_an_override_outside_its_range_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"parking\.paid_share"):
        year_inputs(2020, {"parking.paid_share": 1.01})


def test_the_pandemic_is_over_from_2023_on() -> None:
    intensity = [year_inputs(year)["pandemic.intensity"] for year in range(2019, 2031)]
    assert intensity == [0.0, 1.0, 0.6, 0.8] + [0.0] * 8


def test_the_pandemic_shifts_are_the_logs_of_the_published_shares() -> None:
    inputs = year_inputs(2020)
    walk = math.log(31.2 / 30.2)
    share = {"bus": (11.7, 15.3), "metro": (14.7, 16.5), "bicycle": (15.5, 12.1), "car": (26.9, 25.9)}
    for mode, (after, before) in share.items():
        expected = math.log(after / before) - walk
        assert inputs[f"pandemic.{mode}_shift"] == pytest.approx(expected, abs=5e-7)  # six decimals kept
    assert inputs["pandemic.activity_drop"] == pytest.approx(1 - 36.19 / 39.55, abs=5e-7)


def test_points_after_2021_are_marked_as_outside_facts() -> None:
    for path, series in shipped_catalogue().series.items():
        if path.startswith(("prices.", "pandemic.")):
            for year, source in zip(series.years, series.sources, strict=True):
                assert year <= 2021 or "outside fact" in source, (path, year)
