"""Levers change exactly the parameters they name, when and as fast as they are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from transport_abm.core.errors import LeverError
from transport_abm.policy.inputs import shipped_catalogue, year_inputs
from transport_abm.policy.levers import LeverSetting, apply_levers, change_values, read_levers
from transport_abm.policy.tables import data_folder

BUILT = [lever for lever in read_levers().values() if lever.built]
LATER = [lever for lever in read_levers().values() if not lever.built]


def test_every_built_lever_acts_on_parameters_of_the_catalogue() -> None:
    known = shipped_catalogue().parameters
    for lever in BUILT:
        assert lever.parameter
        assert set(lever.parameter) <= set(known), lever.id


def test_the_default_of_a_set_lever_is_the_catalogues_value() -> None:
    for lever in BUILT:
        for path in lever.parameter:
            if lever.operation == "set":
                assert shipped_catalogue().parameters[path].value == lever.default, lever.id


def test_the_bounds_of_a_lever_stay_inside_the_range_of_its_parameter() -> None:
    for lever in BUILT:
        for path in lever.parameter:
            row = shipped_catalogue().parameters[path]
            base = year_inputs(2020)[path]
            for value in (lever.low, lever.high):
                after = {"set": value, "add": base + value, "scale": base * value}[lever.operation]
                assert row.low <= after <= row.high, lever.id


def test_a_lever_at_its_default_leaves_every_parameter_bit_identical() -> None:
    settings = [LeverSetting(lever=lever.id, value=lever.default, start_year=2021) for lever in BUILT]
    for year in (2020, 2025, 2030):
        assert year_inputs(year, levers=settings) == year_inputs(year)


def test_a_lever_changes_its_own_parameter_and_no_other() -> None:
    before = year_inputs(2025)
    for lever in BUILT:
        value = lever.high if lever.high != lever.default else lever.low
        after = year_inputs(2025, levers=[LeverSetting(lever=lever.id, value=value, start_year=2025)])
        assert {path for path in before if before[path] != after[path]} == set(lever.parameter), lever.id


@pytest.mark.parametrize("lever", LATER, ids=lambda lever: lever.id)
def test_a_lever_without_a_mechanism_is_refused_by_name(lever: object) -> None:
    identity = lever.id  # type: ignore[attr-defined]
    with pytest.raises(LeverError, match=f"mechanism is not built yet.*'{identity}'"):
        LeverSetting(lever=identity, value=0.0, start_year=2025)


def test_a_step_holds_from_its_first_year_on_and_not_before() -> None:
    setting = LeverSetting(lever="parking_price_factor", value=2.0, start_year=2024)
    assert [setting.level(year) for year in (2023, 2024, 2030)] == [1.0, 2.0, 2.0]


def test_half_way_through_a_linear_ramp_half_the_change_is_in_force() -> None:
    setting = LeverSetting(lever="wfh_share", value=0.2, start_year=2022, full_year=2026, ramp="linear")
    assert setting.level(2024) == pytest.approx(0.1, abs=1e-15)
    assert setting.level(2023) == pytest.approx(0.05, abs=1e-15)


def test_the_s_curve_is_slow_at_the_ends() -> None:
    setting = LeverSetting(lever="wfh_share", value=0.2, start_year=2020, full_year=2024, ramp="s-curve")
    # t^2 (3 - 2 t) at 1/4, 1/2, 3/4 is 5/32, 1/2, 27/32
    assert [setting.share(year) for year in (2021, 2022, 2023)] == [5 / 32, 1 / 2, 27 / 32]


def test_without_a_ramp_a_setting_takes_that_of_its_lever() -> None:
    setting = LeverSetting(lever="cycle_lane_share", value=1.0, start_year=2020, full_year=2030)
    assert read_levers()["cycle_lane_share"].ramp == "linear"
    assert setting.share(2025) == 0.5


def test_a_factor_multiplies_an_override_and_a_set_lever_replaces_it() -> None:
    factor = LeverSetting(lever="parking_price_factor", value=2.0, start_year=2020)
    assert year_inputs(2020, {"parking.price_factor": 1.5}, [factor])["parking.price_factor"] == 3.0
    share = LeverSetting(lever="wfh_share", value=0.2, start_year=2020)
    assert year_inputs(2020, {"tours.wfh_share": 0.1}, [share])["tours.wfh_share"] == 0.2


def test_override_and_lever_together_cannot_leave_the_range_of_a_parameter() -> None:
    factor = LeverSetting(lever="parking_price_factor", value=5.0, start_year=2020)
    with pytest.raises(LeverError, match=r"parking_price_factor -> parking\.price_factor"):
        year_inputs(2020, {"parking.price_factor": 9.0}, [factor])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"lever": "parking_price_facto"}, "did you mean 'parking_price_factor'"),
        ({"value": 5.1}, "from 0 to 5"),
        ({"value": float("nan")}, "finite"),
        ({"value": float("inf")}, "finite"),
        ({"value": True}, "number"),
        ({"start_year": 2024.0}, "integer"),
        ({"full_year": 2023}, "not before start_year 2024"),
        ({"full_year": 2026}, "'linear' or 's-curve'"),
        ({"full_year": 2026, "ramp": "step"}, "'linear' or 's-curve'"),
        ({"ramp": "linear"}, "a full_year"),
        ({"lever": "tail_number_days", "value": 1.5}, "a whole number"),
        ({"lever": "tail_number_days", "value": 2.0, "full_year": 2026}, "no full_year"),
        ({"until": 2026}, "unknown field 'until'"),
    ],
)
def test_a_wrong_setting_says_what_was_expected(fields: dict[str, object], message: str) -> None:
    right = {"lever": "parking_price_factor", "value": 2.0, "start_year": 2024}
    with pytest.raises(LeverError, match=message):
        LeverSetting(**(right | fields))  # type: ignore[arg-type]


def test_a_lever_set_twice_is_refused() -> None:
    setting = LeverSetting(lever="wfh_share", value=0.1, start_year=2024)
    with pytest.raises(LeverError, match="each lever once"):
        apply_levers([setting, setting], 2025)


def test_a_change_of_an_unknown_path_is_refused() -> None:
    setting = LeverSetting(lever="wfh_share", value=0.1, start_year=2024)
    with pytest.raises(LeverError, match=r"tours\.wfh_share"):
        change_values({}, apply_levers([setting], 2025))


def test_two_levers_cannot_share_a_parameter_and_a_factor_starts_from_one(tmp_path: Path) -> None:
    text = (data_folder() / "levers.csv").read_text(encoding="utf-8")
    broken = text.replace("fares.bus_factor", "fares.metro_factor", 1)
    broken = broken.replace("scale,1,0.5,3,1,no", "scale,1,0.5,3,2,no", 1)
    (tmp_path / "levers.csv").write_text(broken, encoding="utf-8")
    with pytest.raises(LeverError) as caught:
        read_levers(tmp_path / "levers.csv")
    assert "bus_fare_factor.parameter" in str(caught.value)
    assert "taxi_fare_factor.default" in str(caught.value)
