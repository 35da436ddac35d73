"""Kilometres of lines: departures times lengths, counted by hand on the tiny city."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tiny import tiny_city
from transport_abm.core.vocabulary import PERIOD_LENGTH_H, Period
from transport_abm.networks.transit.service_km import line_km_day
from transport_abm.policy.inputs import year_inputs


def test_kilometres_are_departures_times_length_summed_by_hand() -> None:
    transit, inputs = tiny_city().transit, year_inputs(2020)
    expected = np.zeros(len(transit.line_mode))
    for pattern, line in enumerate(transit.pattern_line):
        first, last = transit.pattern_indptr[pattern : pattern + 2]
        length_km = sum(transit.segment_length_m[first:last]) / 1000.0
        for period in Period:
            headway = transit.line_headway_min[line, period]
            hours = 6.0 if period is Period.NIGHT else PERIOD_LENGTH_H[period]
            if np.isfinite(headway):
                expected[line] += length_km * hours * 60.0 / headway
    assert expected.min() > 0
    np.testing.assert_allclose(line_km_day(transit, inputs, 2020), expected, rtol=1e-12)


def test_half_the_headway_doubles_the_kilometres_of_buses_only() -> None:
    transit = tiny_city().transit
    plain = line_km_day(transit, year_inputs(2020), 2020)
    dense = line_km_day(transit, year_inputs(2020, {"transit.bus_headway_factor": 0.5}), 2020)
    bus = transit.line_mode == 0
    np.testing.assert_allclose(dense[bus], 2.0 * plain[bus])
    assert np.array_equal(dense[~bus], plain[~bus])


def test_a_line_that_is_not_open_runs_no_kilometre() -> None:
    transit, inputs = tiny_city().transit, year_inputs(2020)
    before = int(transit.open_year.min()) - 1
    assert line_km_day(transit, inputs, before) == pytest.approx(0.0)
