"""The constants of the powertrain choice are those that the purchases of 2021 ask for, and nothing later."""

from __future__ import annotations

import pytest

from transport_abm.agents.powertrain_fit import identify_powertrain
from transport_abm.networks.open_city import open_city
from transport_abm.policy.inputs import Draw, shipped_catalogue, year_inputs


def test_shipped_constants_are_those_identified_on_the_purchases_of_2021() -> None:
    """At a fifth of the sample of the shipped ones, so up to what the draw of buyers moves them."""
    found = identify_powertrain(open_city("beijing-reference")[0], sample=0.01)
    shipped = year_inputs(2021)
    assert found == pytest.approx({path: shipped[path] for path in found}, abs=0.05)


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
