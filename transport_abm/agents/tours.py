"""The tours of a weekday: who goes out, for what, where to and when.

Mandatory tours go to the person's fixed work or school zone. The rate of the other tours carries one factor, solved
in closed form so that the central city's trips of a normal year equal the published 39.55 million; the pandemic series
then takes its share off both kinds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transport_abm.agents.kernels_choice import CHUNK
from transport_abm.agents.kernels_tours import (
    TourTerms,
    count_central_trips,
    count_tours,
    count_trips,
    fill_tours,
)
from transport_abm.agents.tables import Households, Persons
from transport_abm.core.draws import Stream, stream_key
from transport_abm.core.vocabulary import Mode, Period, PersonStatus, Purpose
from transport_abm.policy.inputs import YearInputs

PERSON, PURPOSE, ORIGIN, DESTINATION, STOP, DEPART, BACK = range(7)
"""Columns of ``Tours.table``."""


@dataclass
class Tours:
    """Tours of one weekday of one year.

    ``table`` is int32 of shape (tours, 7): person row, purpose, origin, destination, stop (-1: none), period of
    departure, period of return. A tour has two trips, or three with a stop on the way home.
    """

    table: NDArray[np.int32]
    spread: NDArray[np.float32]
    """Real distance over the one between zone centres, mean one [1]."""
    address: NDArray[np.uint64]
    """Address of the tour's draws: person's identity and number of the tour."""
    mode: NDArray[np.int8]
    """Chosen mode; -1 before the choice, or where no mode is available."""

    def __len__(self) -> int:
        return len(self.table)


def activity(inputs: YearInputs) -> float:
    """Share of a normal year's out-of-home activity that takes place [1]."""
    return 1.0 - inputs["pandemic.activity_drop"] * inputs["pandemic.intensity"]


def tour_terms(inputs: YearInputs, rate_scale: float, *, normal_year: bool = False) -> TourTerms:
    """Rates and shares of tour-making in a year.

    Parameters
    ----------
    inputs
        Parameters of the year.
    rate_scale
        Factor on the rates of other tours, from the base year.
    normal_year
        Leave the pandemic out.
    """
    active = 1.0 if normal_year else activity(inputs)
    attend = np.zeros(len(PersonStatus))
    attend[PersonStatus.WORKER] = inputs["tours.attend_worker"] * active
    attend[PersonStatus.STUDENT] = inputs["tours.attend_student"] * active
    business, shopping, leisure = (
        inputs["tours.business_share_worker"], inputs["tours.shopping_share"], inputs["tours.leisure_share"],
    )  # fmt: skip
    purpose = np.array([(0.0, shopping, leisure, 1.0 - shopping - leisure)] * len(PersonStatus))
    purpose[PersonStatus.WORKER, 0] = business
    purpose[PersonStatus.WORKER, 1:] *= 1.0 - business
    depart = np.array(
        [
            [inputs[f"tours.depart_{period}_{kind}"] for period in ("am", "midday", "pm")]
            for kind in ("work", "school", "other")
        ]
    )
    back = np.array(
        [
            [0.0] + [inputs[f"tours.back_{period}_{kind}"] for period in ("midday", "pm")]
            for kind in ("work", "school")
        ]
    )
    return TourTerms(
        attend_share=attend,
        telework_share=inputs["tours.wfh_share"],
        stop_share=inputs["tours.stop_share"],
        stop_near_home_share=inputs["tours.stop_near_home_share"],
        subtour_share=inputs["tours.subtour_share"],
        other_rate=inputs.array("tours.other_rate_{}", PersonStatus) * rate_scale * active,
        telework_rate=inputs["tours.telework_rate"],
        purpose_cumulative=np.cumsum(purpose, axis=1),
        depart_cumulative=_cumulative_with_rest(depart),
        back_cumulative=_cumulative_with_rest(back),
        back_same_share=inputs["tours.back_same_share"],
    )


def draw_tours(
    persons: Persons,
    households: Households,
    terms: TourTerms,
    cumulative: NDArray[np.float32],
    *,
    seed: int,
    year: int,
) -> Tours:
    """Draw everybody's tours of the year's weekday.

    Parameters
    ----------
    persons, households
        The people.
    terms
        Rates and shares of the year.
    cumulative
        Cumulated destination shares, float32 of shape (4, zones, zones).
    seed
        Seed of the run.
    year
        Simulated year; the pattern draws do not change with it, so that a person keeps habits.

    Returns
    -------
    Tours
        In the order of persons, no mode chosen.
    """
    # Patterns and places are drawn with the year 0: habits last, and years differ only by their causes.
    keys = np.array([stream_key(seed, Stream.TOUR_PATTERN, 0), stream_key(seed, Stream.DESTINATION, 0)])
    count = np.empty(len(persons), np.int8)
    count_tours(
        persons.alive,
        persons.status,
        persons.work_zone,
        persons.school_zone,
        persons.id,
        keys[0],
        terms,
        count,
    )
    start = np.zeros(len(persons) + 1, np.int64)
    np.cumsum(count, out=start[1:])
    n = int(start[-1])
    tours = Tours(
        np.empty((n, 7), np.int32), np.empty(n, np.float32), np.empty(n, np.uint64), np.full(n, -1, np.int8)
    )
    person = (persons.status, persons.work_zone, persons.school_zone, persons.id)
    home = households.zone[persons.household]
    fill_tours(
        persons.alive, person, home, keys, terms, cumulative, start, tours.table, tours.spread, tours.address
    )
    return tours


def central_trips(tours: Tours, central: NDArray[np.bool_]) -> tuple[int, int]:
    """Sampled trips that have an end in the central city, and all sampled trips."""
    chunk = np.empty(((len(tours) + CHUNK - 1) // CHUNK, 2), np.int64)
    count_central_trips(tours.table, central, CHUNK, chunk)
    inside, trips = chunk.sum(axis=0)
    return int(inside), int(trips)


def trip_count(tours: Tours, n_zones: int) -> NDArray[np.int32]:
    """Sampled trips by mode, period, origin zone and destination zone; int32."""
    count = np.zeros((len(Mode), len(Period), n_zones, n_zones), np.int32)
    count_trips(tours.table, tours.mode, count)
    return count


def going_early(tours: Tours) -> Tours:
    """Tours that go out in the night period before the morning peak: to work and school; others go out in the evening.

    They end as if in another period, so that what they add to the night is their way out.
    """
    table = tours.table
    mandatory = np.isin(table[:, PURPOSE], (Purpose.WORK, Purpose.SCHOOL))
    row = np.flatnonzero((table[:, DEPART] == Period.NIGHT) & mandatory)
    early = table[row]
    early[:, BACK] = Period.AM
    return Tours(early, tours.spread[row], tours.address[row], tours.mode[row])


def _cumulative_with_rest(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cumulated shares by row, with the rest in one more column."""
    return np.cumsum(np.column_stack([share, 1.0 - share.sum(axis=1)]), axis=1)
