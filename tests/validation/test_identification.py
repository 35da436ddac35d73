"""The constants of the powertrain choice are those that the purchases of 2021 ask for, and nothing later."""

from __future__ import annotations

import numpy as np
import pytest

from transport_abm.agents.cars.offers import offers
from transport_abm.agents.cars.powertrain import peer_share, pool_value
from transport_abm.agents.powertrain_fit import identify_powertrain
from transport_abm.agents.synthesis import synthesise
from transport_abm.agents.vehicle_market import build_vehicles
from transport_abm.core.vocabulary import ApplicantKind, PlateKind
from transport_abm.networks.cities.open_city import open_city
from transport_abm.policy.inputs import Draw, shipped_catalogue, year_inputs


def test_shipped_constants_are_those_identified_on_the_purchases_of_2021() -> None:
    found = identify_powertrain(open_city("beijing-reference")[0], sample=0.05)
    shipped = year_inputs(2021)
    assert found == pytest.approx({path: shipped[path] for path in found}, abs=0.002)


def test_other_weights_of_the_choice_buy_the_same_in_2021() -> None:
    """What is not known after 2021 does not touch 2021: a draw of the weights comes with its own constants."""
    city = open_city("beijing-reference")[0]
    drawn = {"powertrain.home_post_wtp_cny": Draw("set", 125_000.0)}
    found = identify_powertrain(city, sample=0.005, drawn=drawn)
    plain = identify_powertrain(city, sample=0.005)
    for kind in ("bev_short", "bev_long"):
        path = f"powertrain.constant_{kind}"
        # Posts at home are worth a quarter of a utility more; about half of the buyers of battery cars have one.
        assert plain[path] - 0.3 < found[path] < plain[path] - 0.05


def test_what_is_observed_after_2021_is_no_parameter() -> None:
    """Shares of purchases are those of 2021: the catalogue knows no later ones."""
    names = {path for path in shipped_catalogue().parameters if path.startswith("powertrain.share_")}
    assert names and all("_2021_" in path for path in names)


def test_those_who_wait_choose_the_pools_they_wait_in() -> None:
    """The constant of the new-energy pool gives back the share of the published lists, in the mean over tastes."""
    city = open_city("beijing-reference")[0]
    inputs = year_inputs(2020)
    households, persons, _ = synthesise(city.zones, city.districts, inputs, sample=0.005, seed=3)
    vehicles = build_vehicles(city, households, persons, inputs, seed=3, sample=0.005)
    applicants, cars = vehicles.applicants, vehicles.cars
    worth = pool_value(
        households, city.zones, vehicles.access, peer_share(cars, households, city.zones), vehicles.wait_year,
        offers(inputs), inputs,
    )  # fmt: skip
    rows = np.flatnonzero((applicants.kind == ApplicantKind.INDIVIDUAL) & (applicants.won_year == 0))
    home = applicants.household[rows]
    gain = worth[home, PlateKind.NEW_ENERGY] + vehicles.pool_constant - worth[home, PlateKind.ORDINARY]
    waits = np.mean(applicants.pool[rows] == PlateKind.NEW_ENERGY)
    assert np.mean(1.0 / (1.0 + np.exp(-gain))) == pytest.approx(waits, abs=1e-9)
    assert waits == pytest.approx(0.39 / 3.49, rel=0.05)
