"""Before a run: rules that contradict, fleets too big, missing factors and mixed units are refused by name, all at once."""

from __future__ import annotations

import pytest

from tests.tiny import tiny_city
from tests.tiny_runs import tiny_case
from transport_abm.before_run import check_years
from transport_abm.core.errors import Fault, LeverError, ScenarioError
from transport_abm.model import TransportModel
from transport_abm.policy.inputs import YearInputs, year_inputs
from transport_abm.policy.levers import LeverSetting
from transport_abm.policy.scenario import Scenario


def faults_of(case: Scenario) -> list[Fault]:
    """Faults with which a scenario is refused."""
    with pytest.raises(ScenarioError) as refused:
        check_years(case.name, range(case.years[0], case.years[1] + 1), case.inputs)
    return [fault for fault in refused.value.faults if isinstance(fault, Fault)]


def case_with(levers: dict[str, float], parameters: dict[str, float] | None = None) -> Scenario:
    """The baseline with levers in force from 2022 on."""
    settings = tuple(LeverSetting(lever=k, value=v, start_year=2022) for k, v in levers.items())
    return Scenario.named("baseline").replace(levers=settings, parameters=parameters or {})


@pytest.mark.parametrize("name", ["baseline", "plan"])
def test_shipped_scenarios_can_be_run(name: str) -> None:
    case = Scenario.named(name)
    check_years(case.name, range(case.years[0], case.years[1] + 1), case.inputs)


def test_quotas_below_zero_are_refused_with_the_first_year() -> None:
    """40,000 fewer ordinary plates a year leave none in 2021 and less than none from 2022 on."""
    faults = faults_of(case_with({"quota_ordinary": -40_000.0}))
    assert any("quota_ordinary" in f.field and f.file.endswith("2022") for f in faults)


def test_mandates_that_contradict_and_fleets_too_big_come_in_one_error() -> None:
    faults = faults_of(
        case_with(
            {"taxi_nev_deadline_year": 2021.0},
            {
                "fleets.taxi.mandate_year": 2023.0,
                "fleets.taxi.bev_count": 80_000.0,
                "fleets.bus.diesel_rest_share": 0.9,
            },
        )
    )
    fields = " ".join(f.field for f in faults)
    for path in ("taxi_nev_deadline_year", "taxi.bev_count", "diesel_rest_share"):
        assert path in fields
    assert all(f.file.startswith("scenario baseline") for f in faults)


def test_percent_for_a_share_is_refused() -> None:
    with pytest.raises(LeverError, match="from 0 to 1"):
        LeverSetting(lever="bus_nev_share", value=80.0, start_year=2022)


def test_a_missing_grid_factor_is_an_error_that_names_the_year() -> None:
    case = case_with({}, {"carbon.grid_first_year": 2024.0})
    with pytest.raises(ScenarioError, match=r"2020.*no factor of the"):
        check_years(case.name, range(2020, 2031), case.inputs)


@pytest.mark.parametrize(
    "path",
    [
        "fleets.taxi.bev_price_cny", "fleets.bus.cng_upkeep_cny_km", "freight.heavy.lng_price_cny",
        "fleets.sanitation_light.diesel_price_cny", "energy.van_electricity_100km", "energy.coach_lng_100km",
        "vehicle_prices.bev_short_cny", "prices.petrol_cny_l", "fleets.diesel_cny_l",
    ],
)  # fmt: skip
def test_a_missing_price_or_figure_of_one_year_is_named_before_the_run(path: str) -> None:
    def inputs_of(year: int, *, held: bool = False) -> YearInputs:
        values = year_inputs(year).values_by_path
        return YearInputs(year, {k: v for k, v in values.items() if k != path or year != 2024})

    with pytest.raises(ScenarioError, match=path) as refused:
        check_years("holes", range(2020, 2027), inputs_of)
    assert all("2024" in str(fault) for fault in refused.value.faults)


def test_more_cars_from_elsewhere_than_cars_wanted_are_refused() -> None:
    faults = faults_of(case_with({}, {"out_of_town.count_2018": 3.6e6}))
    assert [f.field for f in faults] == ["out_of_town.count_2018"]


def test_everything_that_contradicts_comes_in_one_error_with_its_first_year() -> None:
    case = case_with(
        {"taxi_nev_deadline_year": 2022.0, "quota_ordinary": -40_000.0},
        {
            "fleets.taxi.bev_count": 80_000.0, "fleets.taxi.mandate_year": 2023.0,
            "plates.ordinary_unit_share": 0.9, "out_of_town.count_2018": 3.6e6,
            "fleets.automobile_count": 5.3e6, "fleets.bus.retirement_year": 8.0,
        },
    )  # fmt: skip
    told = {(f.field.split(" ")[0], f.file[-4:]) for f in faults_of(case)}
    assert told >= {
        ("fleets.taxi.bev_count", "2020"), ("fleets.taxi_nev_deadline_year", "2022"),
        ("plates.ordinary_personal_share", "2020"), ("out_of_town.count_2018", "2020"),
        ("fleets.automobile_count", "2020"), ("fleets.bus.other_age_max_year", "2020"), ("quota_ordinary", "2022"),
    }  # fmt: skip


def test_the_model_refuses_before_it_opens_anything() -> None:
    opened: list[str] = []
    case = tiny_case(years=(2020, 2023)).replace(
        levers=(LeverSetting(lever="quota_ordinary", value=-40_000.0, start_year=2021),)
    )
    with pytest.raises(ScenarioError, match="quota_ordinary"):
        TransportModel(case, city=tiny_city(), progress=lambda what, done: opened.append(what))
    assert opened == []
