"""The base year: constants that come with the package belong to the bundled city and the catalogue as they are."""

from __future__ import annotations

import numpy as np
import pytest

from transport_abm.base_year import city_key, fit_key, read_base_year, shipped_folder
from transport_abm.core.vocabulary import Mode
from transport_abm.networks.open_city import open_city
from transport_abm.policy.inputs import year_inputs


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
