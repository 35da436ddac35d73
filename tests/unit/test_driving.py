"""What driving costs follows the cars of the year, and the base year keeps what was observed in it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tiny import tiny_city
from transport_abm.agents.cars.driving import AGES, count_by_age, driving_ratio, energy_cny_km
from transport_abm.agents.energy_use import energy_use
from transport_abm.agents.mode_choice import choice_terms, driving_cny_km, driving_cny_scale
from transport_abm.agents.vehicles import Cars
from transport_abm.core.vocabulary import Fuel, Mode, Powertrain, VehicleClass
from transport_abm.policy.fuels import household_prices_cny
from transport_abm.policy.inputs import Draw, year_inputs

OIL, ELECTRIC = 0, 1


def stock(*kinds: tuple[Powertrain, int, int]) -> np.ndarray:
    """Counts of cars of a powertrain, an age and a number."""
    out = np.zeros((len(Powertrain), AGES))
    for powertrain, age, number in kinds:
        out[powertrain, age] += number
    return out


def test_cars_in_use_are_counted_by_powertrain_and_age() -> None:
    cars = Cars.build(
        4, powertrain=np.array([0, 3, 3, 0], np.int8), age=np.array([2, 5, 99, 2], np.int8),
        alive=np.array([True, True, True, False]),
    )  # fmt: skip
    np.testing.assert_array_equal(
        count_by_age(cars),
        stock((Powertrain.ICE, 2, 1), (Powertrain.BEV, 5, 1), (Powertrain.BEV, AGES - 1, 1)),
    )


def test_the_base_years_stock_at_any_prices_has_the_ratio_one() -> None:
    count = stock((Powertrain.ICE, 7, 90), (Powertrain.PHEV, 3, 4), (Powertrain.BEV, 1, 6))
    assert driving_ratio(count, count, year_inputs(2020)).tolist() == [1.0, 1.0]


def test_a_stock_that_only_ages_with_the_calendar_costs_less_by_the_yearly_gain() -> None:
    count, inputs = stock((Powertrain.ICE, 7, 90), (Powertrain.BEV, 2, 6)), year_inputs(2026)
    oil, electric = driving_ratio(count, count, inputs)
    assert oil == pytest.approx(np.exp(-6 * inputs["energy.ice_improvement_share"]))
    assert electric == pytest.approx(np.exp(-6 * inputs["energy.electric_improvement_share"]))


def test_the_ratio_is_the_mean_cost_of_cars_added_one_by_one() -> None:
    inputs = year_inputs(2025)
    base = [(Powertrain.ICE, 6, 80), (Powertrain.HEV, 2, 5), (Powertrain.PHEV, 3, 1)]
    later = [(Powertrain.ICE, 9, 60), (Powertrain.HEV, 1, 9), (Powertrain.PHEV, 0, 20)]
    petrol, home, public = household_prices_cny(inputs, 2025)
    share = inputs["mode_choice.home_charging_share"]

    def mean(kinds: list[tuple[Powertrain, int, int]], year: int) -> float:
        total, number = 0.0, 0
        for powertrain, age, n in kinds:
            litre, kwh = energy_use(
                VehicleClass.PRIVATE_CAR, powertrain, Fuel.PETROL, inputs,
                speed_kmh=inputs["energy.private_car_usual_kmh"], registered_year=year - age,
            )  # fmt: skip
            total += n * (float(litre) * petrol + float(kwh) * (share * home + (1.0 - share) * public))
            number += n
        return total / number

    expected = mean(later, 2025) / mean(base, 2020)
    ratio = driving_ratio(stock(*later), stock(*base), inputs)
    assert ratio[OIL] == pytest.approx(expected, rel=1e-12)
    assert ratio[ELECTRIC] == 1.0  # no electric car in either year


def test_a_limit_on_fuel_use_makes_driving_cheaper() -> None:
    count, inputs = stock((Powertrain.ICE, 0, 10), (Powertrain.BEV, 0, 1)), year_inputs(2025)
    limited = np.ones((len(Powertrain), AGES))
    limited[Powertrain.ICE, 0] = 0.8
    free, held = driving_ratio(count, count, inputs), driving_ratio(count, count, inputs, limited)
    assert held[OIL] == pytest.approx(0.8 * free[OIL])
    assert held[ELECTRIC] == free[ELECTRIC]
    assert (energy_cny_km(inputs, 2025) > 0.0).all()


def test_draws_of_energy_leave_the_costs_of_the_base_year_and_move_those_of_later_years() -> None:
    drawn = {
        "energy.ice_base_l_100km": Draw("set", 5.2), "energy.bev_base_kwh_km": Draw("set", 0.1),
        "energy.ice_improvement_share": Draw("set", 0.025),
    }  # fmt: skip
    fares, constant = tiny_city().fares, np.zeros(len(Mode))
    central, start = year_inputs(2020), year_inputs(2020, None, (), drawn)
    assert driving_cny_km(start)[0] > 1.03 * driving_cny_km(central)[0]
    scale = driving_cny_scale(central, start)
    plain, held = choice_terms(constant, fares, central), choice_terms(constant, fares, start, scale)
    assert held.ice_cny_km == pytest.approx(plain.ice_cny_km, rel=1e-12)
    assert held.bev_cny_km == pytest.approx(plain.bev_cny_km, rel=1e-12)
    assert driving_cny_scale(central, central) == (1.0, 1.0)
    count = stock((Powertrain.ICE, 6, 1), (Powertrain.BEV, 1, 1))
    later = [
        driving_ratio(count, count, inputs)[OIL]
        for inputs in (year_inputs(2030), year_inputs(2030, None, (), drawn))
    ]
    assert later[1] < later[0] < 1.0
