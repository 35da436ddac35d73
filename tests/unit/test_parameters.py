"""The catalogue refuses every faulty row by name and joins dated values by straight lines."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

import transport_abm
from transport_abm.core.errors import ParameterError
from transport_abm.core.parameters import PARAMETER_FIELDS, SERIES_FIELDS, TAGS, read_parameters

PARAMETERS = [
    "mode_choice.time_weight,1.5,1,0,3,prior,our guess,time weight,时间权重",
    "prices.fuel,,CNY/L,4,12,source-read,notices,fuel price,油价",
    '"roads.pce.2",2,pcu,1,4,literature,"HCM, ch. 3",bus,公交车',
]
SERIES = [
    "prices.fuel,2020,6,CNY/L,source-read,notice of 2020",
    "prices.fuel,2024,8,CNY/L,prior,guess",
    "prices.fuel,2023,7.4,CNY/L,source-read,notice of 2023",
]


def write(folder: Path, parameters: list[str], series: list[str] | None = None) -> Path:
    """A folder with these rows."""
    for name, fields, rows in (
        ("parameters", PARAMETER_FIELDS, parameters),
        ("series", SERIES_FIELDS, series or []),
    ):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "area.csv").write_text("\n".join([",".join(fields), *rows]) + "\n", encoding="utf-8")
    return folder


def test_values_come_back_by_path(tmp_path: Path) -> None:
    catalogue = read_parameters(write(tmp_path, PARAMETERS, SERIES))
    assert catalogue.resolve(2020) == {"mode_choice.time_weight": 1.5, "prices.fuel": 6.0, "roads.pce.2": 2.0}
    row = catalogue.parameters["roads.pce.2"]
    assert (row.source, row.name_zh, row.tag, row.low, row.high) == (
        "HCM, ch. 3",
        "公交车",
        "literature",
        1,
        4,
    )
    assert catalogue.series["prices.fuel"].tags == ("source-read", "source-read", "prior")
    assert pickle.loads(pickle.dumps(catalogue)) == catalogue


@pytest.mark.parametrize(
    ("year", "price"),
    [(1990, 6), (2020, 6), (2021, 6 + 1.4 / 3), (2023, 7.4), (2024, 8), (2060, 8)],
)
def test_series_are_linear_between_years_and_held_beyond(tmp_path: Path, year: int, price: float) -> None:
    got = read_parameters(write(tmp_path, PARAMETERS, SERIES)).resolve(year)["prices.fuel"]
    assert got == pytest.approx(price, rel=1e-15)


def test_overrides_replace_values_in_every_year(tmp_path: Path) -> None:
    catalogue = read_parameters(write(tmp_path, PARAMETERS, SERIES))
    for year in (2020, 2024):
        values = catalogue.resolve(year, {"prices.fuel": 5, "mode_choice.time_weight": 0})
        assert values == {"mode_choice.time_weight": 0.0, "prices.fuel": 5.0, "roads.pce.2": 2.0}


def test_every_faulty_override_is_named_at_once(tmp_path: Path) -> None:
    catalogue = read_parameters(write(tmp_path, PARAMETERS, SERIES))
    bad = {"mode_choice.time_wieght": 1.0, "prices.fuel": 13.0, "roads.pce.2": float("nan")}
    with pytest.raises(ParameterError) as caught:
        catalogue.resolve(2020, bad)
    assert len(caught.value.faults) == 3
    for text in ("did you mean 'mode_choice.time_weight'?", "4 to 12 [CNY/L]", "nan"):
        assert text in str(caught.value)
    for value in (True, "7", None):
        with pytest.raises(ParameterError, match="a number"):
            catalogue.check_overrides({"prices.fuel": value})


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("mode_choice.time_weight,1,1,0,3,prior,s,n,名", "each path once"),
        ("Mode.weight,1,1,0,3,prior,s,n,名", "lower-case words"),
        ("weight,1,1,0,3,prior,s,n,名", "lower-case words"),
        ("a.b,4,1,0,3,prior,s,n,名", "value: expected 0 to 3, got 4"),
        ("a.b,1,1,3,0,prior,s,n,名", "low: expected at most high"),
        ("a.b,nan,1,0,3,prior,s,n,名", "value: expected a finite number"),
        ("a.b,1,1,-inf,3,prior,s,n,名", "low: expected a finite number"),
        ("a.b,1,1,0,1_0,prior,s,n,名", "high: expected a finite number"),
        ("a.b,1,1,0,3,guess,s,n,名", "tag: expected source-read"),
        ("a.b,1,,0,3,prior,s,n,名", "unit: expected a text"),
        ("a.b,1,1,0,3,prior,,n,名", "source: expected a text"),
        ("a.b,1,1,0,3,prior,s,,名", "name_en: expected a text"),
        ("a.b,1,1,0,3,prior,s,n,", "name_zh: expected a text"),
        ("a.b,,1,0,3,prior,s,n,名", "a series for an empty value"),
        ("a.b,1,1,0,3,prior,s,n", "9 cells"),
    ],
)
def test_a_faulty_parameter_is_refused_by_name(tmp_path: Path, row: str, fault: str) -> None:
    with pytest.raises(ParameterError) as caught:
        read_parameters(write(tmp_path, [*PARAMETERS, row], SERIES))
    assert len(caught.value.faults) == 1
    assert fault in str(caught.value)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("prices.feul,2020,6,CNY/L,prior,s", "did you mean 'prices.fuel'"),
        ("mode_choice.time_weight,2020,1,1,prior,s", "a parameter with empty value"),
        ("prices.fuel,2020,6,CNY/L,prior,s", "each year once"),
        ("prices.fuel,20,6,CNY/L,prior,s", "four digits"),
        ("prices.fuel,2025,6,CNY,prior,s", "as in parameters/"),
        ("prices.fuel,2025,3,CNY/L,prior,s", "4 to 12"),
        ("prices.fuel,2025,,CNY/L,prior,s", "a finite number"),
        ("prices.fuel,2025,6,CNY/L,,s", "tag"),
        ("prices.fuel,2025,6,CNY/L,prior,", "source: expected a text"),
    ],
)
def test_a_faulty_point_of_a_series_is_refused_by_name(tmp_path: Path, row: str, fault: str) -> None:
    with pytest.raises(ParameterError) as caught:
        read_parameters(write(tmp_path, PARAMETERS, [*SERIES, row]))
    assert len(caught.value.faults) == 1
    assert fault in str(caught.value)


def test_all_faults_of_all_files_come_in_one_error(tmp_path: Path) -> None:
    folder = write(tmp_path, [*PARAMETERS, "a.b,9,,0,3,prior,s,n,名"], [*SERIES, "no.where,2020,6,1,prior,s"])
    (folder / "parameters" / "broken.csv").write_text("path,value\nx,1\n", encoding="utf-8")
    (folder / "parameters" / "latin.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ParameterError) as caught:
        read_parameters(folder)
    assert len(caught.value.faults) == 5


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="at least one parameter"):
        read_parameters(tmp_path)


def test_every_row_of_the_shipped_catalogue_is_valid() -> None:
    catalogue = read_parameters(Path(transport_abm.__file__).parent / "policy" / "data")
    assert {row.tag for row in catalogue.parameters.values()} <= set(TAGS)
    for year in (2019, 2025, 2030):
        assert catalogue.resolve(year).keys() == catalogue.parameters.keys()
