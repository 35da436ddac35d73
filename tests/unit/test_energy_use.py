"""Energy of a kilometre: by speed, weather, year of registration and class; what is missing is an error."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.carbon_city import (
    F,
    P,
    V,
    full_stock,
)
from transport_abm.agents.energy_use import energy_use, petrol_car_l_100km, wall_kwh_km
from transport_abm.carbon.account import build_account
from transport_abm.carbon.activity import Consumer, build_activity, build_work
from transport_abm.carbon.factors import build_factors
from transport_abm.core.errors import MissingFactorError, ParameterError
from transport_abm.policy.inputs import year_inputs


@given(v=st.floats(5.0, 30.0), step=st.floats(0.5, 4.0))
def test_below_its_best_speed_every_car_uses_less_when_it_drives_faster(v: float, step: float) -> None:
    inputs = year_inputs(2020)
    # the petrol curve is lowest at (100 i / 2 c)^(1/3) = 61 km/h, the battery car's in mild weather at 34 km/h
    assert petrol_car_l_100km(v + step, inputs) < petrol_car_l_100km(v, inputs)
    assert wall_kwh_km(V.PRIVATE_CAR, v + step, inputs, 20) < wall_kwh_km(V.PRIVATE_CAR, v, inputs, 20)


@given(v=st.floats(62.0, 110.0), step=st.floats(0.5, 8.0), cold=st.floats(-15.0, 15.0))
def test_above_it_every_car_uses_more_and_cold_moves_the_best_speed_up(
    v: float, step: float, cold: float
) -> None:
    inputs = year_inputs(2020)
    assert petrol_car_l_100km(v + step, inputs) > petrol_car_l_100km(v, inputs)
    assert wall_kwh_km(V.PRIVATE_CAR, v + step, inputs, 20) > wall_kwh_km(V.PRIVATE_CAR, v, inputs, 20)
    grid = np.linspace(15, 110, 400)
    best = [grid[np.argmin(wall_kwh_km(V.PRIVATE_CAR, grid, inputs, t))] for t in (20, cold)]
    assert best[1] >= best[0]


@pytest.mark.parametrize("class_", list(V))
def test_heat_and_cold_cost_electricity_in_every_class(class_: V) -> None:
    inputs = year_inputs(2020)
    cold, mild, hot = (float(wall_kwh_km(class_, 25, inputs, t)) for t in (-10, 20, 35))
    assert cold > mild < hot


@pytest.mark.parametrize("class_", list(V))
def test_a_later_registration_uses_less_in_every_class(class_: V) -> None:
    inputs = year_inputs(2025)
    for powertrain, fuel in ((P.ICE, F.DIESEL), (P.BEV, F.ELECTRICITY), (P.FCEV, F.HYDROGEN)):
        use, beside = energy_use(
            class_, powertrain, fuel, inputs, speed_kmh=25.0, registered_year=np.array([2015, 2020, 2025])
        )
        assert (np.diff(use) < 0).all()
        assert not beside.any()


def test_a_plug_in_hybrid_with_a_longer_range_burns_less_and_charges_more() -> None:
    inputs = year_inputs(2020)
    litre, kwh = energy_use(
        V.PRIVATE_CAR,
        P.PHEV,
        F.PETROL,
        inputs,
        speed_kmh=25.0,
        registered_year=2019,
        range_km=np.array([30, 60, 120]),
    )
    assert (np.diff(litre) < 0).all()
    assert (np.diff(kwh) > 0).all()
    told, default = (
        energy_use(V.TAXI, P.PHEV, F.PETROL, inputs, speed_kmh=25.0, registered_year=2019, range_km=r)
        for r in (inputs["energy.phev_range_km"], 0)
    )
    assert told == default


@pytest.mark.parametrize(("car_km", "kwh"), [(10.0, 10.0 * 1.9 * 1.7), (0.0, 500.0 * 0.07)])
def test_metro_uses_energy_by_car_km_with_stations_and_by_passenger_where_no_car_km_are_known(
    car_km: float, kwh: float
) -> None:
    inputs = year_inputs(2020)
    some = [
        build_work(Consumer.METRO, 1, vehicle_km=car_km, passenger_km=500.0),
        build_work(Consumer.E_BIKE, 1, vehicle_km=100.0, passenger_km=100.0),
        build_work(Consumer.RAIL, 1, tonne_km=1000.0),
    ]
    account = build_account(build_activity(some, full_stock(), inputs, 2020), inputs)
    used = account.energy[:, P.BEV, F.ELECTRICITY, 0]
    assert used[Consumer.METRO] == pytest.approx(kwh, rel=1e-12)
    assert used[Consumer.E_BIKE] == pytest.approx(100.0 * inputs["energy.e_bike_kwh_km"], rel=1e-12)
    assert used[Consumer.RAIL] == pytest.approx(10.5, rel=1e-12)
    assert account.energy_tj.sum() == pytest.approx(used.sum() * 3.6e-6, rel=1e-12)


def test_the_mean_bus_is_a_mix_of_lengths_and_a_gas_bus_has_its_figure_at_its_usual_speed() -> None:
    inputs = year_inputs(2020)
    mix = 0.7 + 0.15 * 1.45 + 0.15 * 0.65
    year = {
        "registered_year": inputs["energy.reference_ice_year"],
        "speed_kmh": inputs["energy.bus_usual_kmh"],
    }
    for fuel, figure in ((F.DIESEL, 0.38), (F.CNG, 0.42), (F.LNG, 0.36)):
        use, _ = energy_use(V.BUS, P.ICE, fuel, inputs, **year)
        assert float(use) == pytest.approx(mix * figure, rel=1e-12)
    hybrid, _ = energy_use(V.BUS, P.HEV, F.DIESEL, inputs, **year)
    assert float(hybrid) == pytest.approx(0.78 * mix * 0.38, rel=1e-12)
    assert float(wall_kwh_km(V.BUS, 18, inputs, 18)) == pytest.approx(
        mix * (0.8 + 2.5 / 18) / 0.92, rel=1e-12
    )


def test_classes_have_their_figure_in_mild_weather_at_their_usual_speed() -> None:
    inputs = year_inputs(2020)
    for class_ in (
        V.TAXI,
        V.VAN,
        V.TRUCK,
        V.COACH,
        V.SANITATION,
        V.AIRPORT,
        V.OFFICIAL_CAR,
        V.RIDE_HAIL,
        V.OTHER,
    ):
        usual = inputs[f"energy.{class_.name.lower()}_usual_kmh"]
        figure = inputs[f"energy.{class_.name.lower()}_electricity_100km"] / 100
        assert float(wall_kwh_km(class_, usual, inputs, 20)) == pytest.approx(figure, rel=1e-12)


def test_a_missing_figure_is_an_error_that_names_it_never_an_average() -> None:
    inputs = year_inputs(2020)
    with pytest.raises(MissingFactorError, match=r"bus with petrol.*energy\.bus_petrol_100km"):
        energy_use(V.BUS, P.ICE, F.PETROL, inputs, speed_kmh=20.0, registered_year=2019)
    for powertrain, fuel in (
        (P.BEV, F.PETROL),
        (P.ICE, F.ELECTRICITY),
        (P.FCEV, F.DIESEL),
        (P.ICE, F.HYDROGEN),
    ):
        with pytest.raises(MissingFactorError, match="do not go together"):
            energy_use(V.VAN, powertrain, fuel, inputs, speed_kmh=20.0, registered_year=2019)
    with pytest.raises(MissingFactorError, match="grid for 2012"):
        build_factors(inputs, 2012)


def test_percent_in_place_of_a_share_is_refused_by_name() -> None:
    for path in ("carbon.petrol_oxidation_share", "energy.phev_charge_share", "carbon.grid_decline_share"):
        with pytest.raises(ParameterError, match=path):
            year_inputs(2020, overrides={path: 2.5})
