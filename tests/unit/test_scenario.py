"""Scenario files: strict, complete, and every fault of a file in one message."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import pytest

from transport_abm.core.errors import ScenarioError
from transport_abm.policy.inputs import year_inputs
from transport_abm.policy.levers import LeverSetting
from transport_abm.policy.scenario import Scenario, json_schema, scenario_names
from transport_abm.policy.tables import data_folder

FULL = Scenario(
    name="all-fields_1",
    description='quotes " and \\ and \x7f, 中文,\nnew lines and tabs\t',
    city="tiny",
    years=(2021, 2024),
    sample=0.001,
    seed=2**63 - 1,
    replication=3,
    levers=(
        LeverSetting(lever="wfh_share", value=0.1, start_year=2022, full_year=2024, ramp="s-curve"),
        LeverSetting(lever="tail_number_days", value=2, start_year=2021),
    ),
    parameters={"parking.paid_share": 0.1 + 0.2, "fares.bus_factor": 1e-7},
)


def fault_of(text: str) -> str:
    """Message of a text that must be refused."""
    with pytest.raises(ScenarioError) as caught:
        Scenario.from_toml(text, "a.toml")
    return str(caught.value)


def test_baseline_and_plan_are_shipped_and_named_after_their_files() -> None:
    assert set(scenario_names()) >= {"baseline", "plan"}
    for name in scenario_names():
        assert Scenario.named(name).name == name


def test_the_baseline_sets_no_lever() -> None:
    baseline = Scenario.named("baseline")
    assert baseline.levers == () and len(baseline.parameters) == 0
    assert baseline.inputs(2028) == year_inputs(2028)


def test_the_plan_equals_the_baseline_up_to_its_first_year() -> None:
    plan, baseline = Scenario.named("plan"), Scenario.named("baseline")
    assert [plan.inputs(year) == baseline.inputs(year) for year in (2020, 2021, 2022)] == [True] * 3
    assert plan.inputs(2023) != baseline.inputs(2023)


def test_every_lever_of_the_plan_cites_its_clause() -> None:
    text = (data_folder() / "scenarios" / "plan.toml").read_text(encoding="utf-8")
    for block in text.split("# Clause")[1:]:
        assert block.lstrip()[0].isdigit()
    cited = text.split("# Clause", 1)[1]
    assert cited.count("[[levers]]") == len(Scenario.named("plan").levers)
    assert text.split("# Clause", 1)[0].count("[[levers]]") == 0


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ScenarioError, match="did you mean 'baseline'"):
        Scenario.named("basline")


def test_a_written_scenario_is_read_back_to_the_last_bit(tmp_path: Path) -> None:
    FULL.write(tmp_path / "s.toml")
    again = Scenario.read(tmp_path / "s.toml")
    assert again == FULL
    assert hash(again) == hash(FULL)
    assert again.to_toml() == FULL.to_toml()


def test_a_scenario_survives_a_pickle_and_cannot_be_changed() -> None:
    assert pickle.loads(pickle.dumps(FULL)) == FULL
    with pytest.raises(ValueError, match="frozen"):
        FULL.sample = 0.5
    with pytest.raises(TypeError):
        FULL.parameters["parking.paid_share"] = 0.5  # type: ignore[index]


def test_the_order_of_overrides_does_not_matter() -> None:
    forward = {"parking.paid_share": 0.4, "fares.bus_factor": 1.0}
    backward = dict(reversed(forward.items()))
    assert (
        Scenario(name="s", parameters=forward).to_toml() == Scenario(name="s", parameters=backward).to_toml()
    )


def test_replace_checks_again() -> None:
    base = Scenario.named("plan")
    assert base.replace(sample=1).sample == 1.0
    assert base.replace(sample=1).levers == base.levers
    with pytest.raises(ScenarioError, match="sample"):
        base.replace(sample=2)
    with pytest.raises(ScenarioError, match="did you mean 'sample'"):
        base.replace(smaple=0.1)


def test_two_faults_come_in_one_error() -> None:
    text = fault_of('name = "s"\nsmaple = 0.1\nsample = 2')
    assert "a.toml: smaple: expected one of" in text and "did you mean 'sample'" in text
    assert "a.toml: sample: expected less than or equal to 1, got 2" in text


def test_faults_in_levers_and_parameters_are_told_with_their_place() -> None:
    text = fault_of("""
name = "Not A Name"
years = [2030, 2020]
[[levers]]
lever = "parking_price_factr"
value = 1
start_year = 2022
[[levers]]
lever = "tou_ratio"
value = "many"
start_year = 2022
full_year = 2021
[parameters]
"parking.paid_shar" = 0.1
"parking.paid_share" = 2
"fares.bus_factor" = true
""")
    for expected in (
        "a.toml: name:",
        "a.toml: years: expected a first year not after the last",
        "a.toml: levers[0].lever: expected a lever of the catalogue (did you mean 'parking_price_factor'?)",
        "a.toml: levers[1].lever: expected a lever that works: its mechanism is not built yet",
        "a.toml: levers[1].value: expected a valid number",
        "a.toml: levers[1].full_year: expected a year not before start_year 2022",
        "a.toml: parameters.parking.paid_shar: expected a path of the catalogue (did you mean",
        "a.toml: parameters.parking.paid_share: expected 0 to 1",
        "a.toml: parameters.fares.bus_factor: expected a number",
    ):
        assert expected in text


def test_a_lever_set_twice_is_refused() -> None:
    lever = '[[levers]]\nlever = "wfh_share"\nvalue = 0.1\nstart_year = 2022\n'
    assert "levers[1].lever: expected each lever once" in fault_of('name = "s"\n' + lever * 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "name: expected a value, got nothing"),
        ("name = ", "expected TOML"),
        ('name = "s"\nname = "s"', "expected TOML"),
        ("a = " + "[" * 100_000, "brackets too deep"),
        ("a = " + "{b = " * 100_000, "brackets too deep"),
        ("a = " + "1" * 5_000, "expected TOML"),
        ('name = "s"\nseed = 0x' + "f" * 6_000, "seed: expected less than"),
        ('name = "s"\nsample = 0x' + "f" * 6_000, "sample: expected"),
        ('name = "s"\n[parameters]\n"fares.bus_factor" = 0x' + "f" * 6_000, "expected a number"),
        ('name = "s"\nsample = nan', "sample: expected"),
        ('name = "s"\nsample = -inf', "sample: expected"),
        ('name = "s"\n[parameters]\n"fares.bus_factor" = nan', "fares.bus_factor: expected"),
        ('name = "s"\nsample = 0', "sample: expected greater than or equal to 0.001"),
        ('name = "s"\nseed = -1', "seed: expected greater than or equal to 0"),
        ('name = "s"\nseed = 1.0', "seed: expected a valid integer"),
        ('name = "s"\nseed = true', "seed: expected a valid integer"),
        ('name = "s"\nseed = "1"', "seed: expected a valid integer"),
        ('name = "s"\nyears = [2020]', "years"),
        ('name = "s"\nyears = 2020-01-01', "years"),
        ('name = "s"\ntraffic = "L3"', "traffic: expected 'L0', 'L1' or 'L2'"),
        ('name = "s"\nlevers = 3', "levers"),
        ('name = "s"\nlevers = [3]', "levers[0]"),
        ('name = "s"\nparameters = [1]', "parameters"),
        ('self = 1\nname = "s"', "self: expected one of name"),
        ('name = "../s"', "name: expected a text that matches"),
        ('name = "s\\n"', "name: expected a text that matches"),
        ('name = "s"\ncity = "/etc"', "city: expected a text that matches"),
        (f'name = "{"s" * 65}"', "name: expected a text that matches"),
        ("#" * 1_000_001, "at most 1 MB"),
    ],
)  # fmt: skip
def test_hostile_text_is_refused_in_words(text: str, message: str) -> None:
    assert message in fault_of(text)


def test_what_is_no_file_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes('name = "é"'.encode("latin-1"))
    (tmp_path / "large.toml").write_bytes(b"#" * 1_000_001)
    os.mkfifo(tmp_path / "pipe.toml")
    for name, message in (
        (".", "a folder"),
        ("none.toml", "no such file"),
        ("pipe.toml", "expected a scenario file"),
        ("latin.toml", "text in UTF-8"),
        ("large.toml", "at most 1 MB"),
        ("\0", "file"),
        ("x" * 5_000, "file"),
    ):
        with pytest.raises(ScenarioError, match=message):
            Scenario.read(tmp_path / name)


def test_the_shipped_json_schema_is_current_and_lists_the_levers_that_work() -> None:
    shipped = json.loads((data_folder() / "scenario.schema.json").read_text(encoding="utf-8"))
    assert shipped == json_schema(), "run transport_abm.policy.scenario.write_json_schema()"
    names = shipped["$defs"]["LeverSetting"]["properties"]["lever"]["enum"]
    assert "parking_price_factor" in names and "tou_ratio" not in names


def test_every_field_of_a_scenario_says_what_it_is() -> None:
    schema = json_schema()
    for part in (schema, schema["$defs"]["LeverSetting"]):
        assert part["additionalProperties"] is False
        for field, description in part["properties"].items():
            assert description.get("description"), field
