"""Kilometres that the vehicles of transit lines run on a weekday, from departures and lengths.

km(line) = sum over its patterns in service of length x sum over periods of hours x 60 / headway
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transport_abm.core.vocabulary import PERIOD_LENGTH_H, Period
from transport_abm.networks.city import TransitNetwork
from transport_abm.networks.transit.transit_service import Inputs, line_headway_min, pattern_runs

F64 = NDArray[np.float64]
MINUTES = 60.0
METRES = 1000.0


def segment_km_day(transit: TransitNetwork, inputs: Inputs, year: int) -> F64:
    """Vehicle kilometres on each segment on a weekday.

    Parameters
    ----------
    transit
        Lines and patterns.
    inputs
        Headway factors, the delay of openings and ``transit_supply.night_service_h``.
    year
        Calendar year.

    Returns
    -------
    NDArray[np.float64]
        By call, for the segment that leaves it [km/day]; zero where a line does not run.
    """
    departures = np.zeros(transit.n_lines)
    hours = {
        **dict(zip(Period, PERIOD_LENGTH_H, strict=True)),
        Period.NIGHT: inputs["transit_supply.night_service_h"],
    }
    for period in Period:
        headway = line_headway_min(transit, inputs, period)
        departures += np.divide(
            hours[period] * MINUTES,
            headway,
            out=np.zeros(len(headway)),
            where=np.isfinite(headway) & (headway > 0),
        )
    runs = np.where(pattern_runs(transit, inputs, year), departures[transit.pattern_line], 0.0)
    return np.asarray(np.repeat(runs, np.diff(transit.pattern_indptr)) * transit.segment_length_m / METRES)


def line_km_day(transit: TransitNetwork, inputs: Inputs, year: int) -> F64:
    """Vehicle kilometres of each line on a weekday; arguments as in `segment_km_day` [km/day]."""
    line = np.repeat(transit.pattern_line, np.diff(transit.pattern_indptr))
    km = np.bincount(line, weights=segment_km_day(transit, inputs, year), minlength=transit.n_lines)
    return np.asarray(km, np.float64)
