"""When people travel: the bundled city's base year against counted entries into the metro and the commuting report."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tiny_runs import value
from transport_abm.agents.tours import going_early, trip_count
from transport_abm.core.vocabulary import DayPart, Mode, Period
from transport_abm.model import TransportModel
from transport_abm.networks.simulated_day import SLICES, slice_share
from transport_abm.policy.inputs import year_inputs
from transport_abm.policy.scenario import Scenario

ENTRIES = {
    5: 31110, 6: 236820, 7: 718547, 8: 699336, 9: 324776, 10: 182265, 11: 165485, 12: 180040, 13: 180206, 14: 177002,
    15: 198395, 16: 261298, 17: 564080, 18: 594474, 19: 300824, 20: 192883, 21: 140479, 22: 35221,
}  # fmt: skip
"""By hour: entries at 276 metro stations of Beijing on a Tuesday of March 2016; data set of Zhang et al. (2021), IEEE
Transactions on Intelligent Transportation Systems 22, 7004-7014. Of those after 22 h about one in a hundred of all is missing."""
PARTS = ((0, 7), (7, 9), (9, 17), (17, 19), (19, 24))


@pytest.mark.slow
def test_metro_trips_of_the_base_year_lie_in_the_counted_parts_of_the_day() -> None:
    model = TransportModel(Scenario.named("baseline").replace(sample=0.01, years=(2020, 2020)))
    model.step()
    tours, n_zones = model.world.tours, len(model.world.city.zones)
    assert tours is not None
    metro = [Mode.METRO, Mode.BUS_METRO]
    by_period = trip_count(tours, n_zones)[metro].sum(axis=(0, 2, 3))
    early = int(trip_count(going_early(tours), n_zones)[metro][:, Period.NIGHT].sum())
    trips = np.array([early, *by_period[: Period.NIGHT], by_period[Period.NIGHT] - early])
    counted = np.array([sum(n for hour, n in ENTRIES.items() if a <= hour < b) for a, b in PARTS], float)
    counted[-1] += 0.01 * counted.sum()
    np.testing.assert_allclose(trips / trips.sum(), counted / counted.sum(), atol=0.0125)
    assert value(model, "commute_share_am") == pytest.approx(0.80, abs=0.05)


@pytest.mark.parametrize(
    ("hours", "day_part"),
    [
        ((6,), DayPart.EARLY),
        ((7,), DayPart.AM),
        ((9, 10), DayPart.MIDDAY),
        ((16,), DayPart.MIDDAY),
        ((18,), DayPart.PM),
    ],
)
def test_hours_inside_a_part_of_the_day_are_those_of_the_count(
    hours: tuple[int, ...], day_part: DayPart
) -> None:
    own = [hour for part, part_hours in SLICES if part is day_part for hour in part_hours]
    counted = sum(ENTRIES[hour] for hour in hours) / sum(ENTRIES.get(hour, 0) for hour in own)
    # Before the metro opens a few leave that nobody counted.
    assert slice_share(hours, day_part, year_inputs(2020)) == pytest.approx(counted, abs=0.02)
