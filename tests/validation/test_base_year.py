"""The base year: constants that come with the package belong to the bundled city and the catalogue as they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.tiny import tiny_city
from tests.tiny_runs import SHORT_WAYS, quick
from transport_abm import builder
from transport_abm import fit_base_year as fit
from transport_abm.agents.mode_choice import driving_cny_km
from transport_abm.agents.tables import Households, Persons
from transport_abm.agents.vehicle_market import Vehicles, build_vehicles
from transport_abm.base_year import UNREAD_AREAS, city_key, fit_key, read_base_year, shipped_folder
from transport_abm.core.vocabulary import Mode
from transport_abm.networks.cities.open_city import open_city
from transport_abm.networks.city import City
from transport_abm.policy.inputs import BASE_YEAR, YearInputs, year_inputs


@pytest.mark.slow
def test_shipped_constants_are_those_of_the_bundled_city_and_catalogue() -> None:
    """After a change of a parameter or of the bundled city: make base-year."""
    city, digest = open_city("beijing-reference")
    key = fit_key(city_key(city, digest), {})
    assert (shipped_folder() / f"{key}.npz").is_file(), "constants are stale: make base-year"
    base = read_base_year(key)
    assert base is not None
    assert base.share_gap < 1e-6
    assert abs(base.trips_gap) < 1e-3
    assert base.constant[Mode.WALK] == 0
    assert base.start is not None
    assert base.start.link_flow_pcuh.shape == (4, city.roads.n_links)
    assert len(list(shipped_folder().glob("*.npz"))) == 1


def test_observed_shares_are_one_and_green_ones_are_the_published_share() -> None:
    inputs = year_inputs(2020)
    share = inputs.array("mode_choice.share_{}", Mode)
    assert share.sum() == pytest.approx(1, abs=1e-12)
    green = share[: Mode.TAXI].sum()
    assert green == pytest.approx(0.731, abs=1e-12)
    np.testing.assert_allclose(share[[Mode.WALK, Mode.BUS]], [0.312, 0.117])
    assert share[Mode.BICYCLE] + share[Mode.SHARED_BICYCLE] + share[Mode.E_BIKE] == pytest.approx(0.155)
    assert share[Mode.METRO] + share[Mode.BUS_METRO] == pytest.approx(0.147)


class Recorder(YearInputs):
    """Inputs that note which paths are read; going through the names of all is no reading."""

    __slots__ = ("read",)

    def __init__(self, year: int, values: Mapping[str, float]) -> None:
        super().__init__(year, values)
        self.read: set[str] = set()

    def __getitem__(self, path: str) -> float:
        self.read.add(path)
        return super().__getitem__(path)

    def array(self, pattern: str, names: Iterable[str | Enum]) -> NDArray[np.float64]:
        names = list(names)
        self.read |= {pattern.format(name.name.lower() if isinstance(name, Enum) else name) for name in names}
        return super().array(pattern, names)


def recorder(year: int, overrides: Mapping[str, float]) -> Recorder:
    """The catalogue's values, noting what is read of them."""
    return Recorder(year, dict(year_inputs(year, overrides)))


def test_of_the_areas_left_out_of_the_key_the_fit_feels_only_what_a_kilometre_of_driving_costs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The world of the fit has vehicles, which read those areas; but of the people they only say who keeps a car from
    elsewhere."""
    costs = recorder(BASE_YEAR, SHORT_WAYS)
    driving_cny_km(costs)
    assert any(path.partition(".")[0] in UNREAD_AREAS for path in costs.read)
    told: list[Recorder] = []
    built: list[bool] = []

    def noted(year: int, overrides: Mapping[str, float]) -> Recorder:
        told.append(recorder(year, overrides))
        return told[-1]

    def unfelt(
        city: City, households: Households, persons: Persons, inputs: Recorder, **more: Any
    ) -> Vehicles:
        before = [
            {name: table.column(name).copy() for name in table.columns if name != "outside_car"}
            for table in (households, persons)
        ]
        plain = YearInputs(inputs.year, inputs.values_by_path)
        vehicles = build_vehicles(city, households, persons, plain, **more)
        for table, old in zip((households, persons), before, strict=True):
            assert all(np.array_equal(table.column(name), column) for name, column in old.items())
        built.append(True)
        return vehicles

    monkeypatch.setattr(fit, "year_inputs", noted)
    monkeypatch.setattr(builder, "build_vehicles", unfelt)
    with quick():
        fit.fit_base_year(tiny_city(), SHORT_WAYS, sample=1.0)
    (inputs,) = told
    assert built == [True]
    assert any(path.startswith("mode_choice.") for path in inputs.read)
    left_out = {path for path in inputs.read if path.partition(".")[0] in UNREAD_AREAS}
    assert left_out <= costs.read


@pytest.mark.parametrize(
    "path", ["energy.ice_idle_l_h", "energy.heating_kw_c", "energy.e_bike_kwh_km", "energy.fuel_tax_cny_l"]
)
def test_what_changes_the_cost_of_driving_asks_for_constants_of_its_own(path: str) -> None:
    higher = 1.1 * year_inputs(BASE_YEAR)[path] or 0.5
    assert fit_key("city", {path: higher}) != fit_key("city", {})


@pytest.mark.parametrize(
    "path", ["energy.truck_diesel_100km", "fleets.hurdle_rate", "powertrain.peer_weight"]
)
def test_what_the_fit_does_not_feel_leaves_its_constants(path: str) -> None:
    assert fit_key("city", {path: 1.05 * year_inputs(BASE_YEAR)[path]}) == fit_key("city", {})
