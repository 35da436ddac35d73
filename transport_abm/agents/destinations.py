"""Where other tours go: a logit over zones with attraction and the mode-choice logsum.

    P(d | o) = A_d exp(s L_od) / sum_k A_k exp(s L_ok)

The scale s of each purpose is solved so that the mean distance of its trips equals the parameter
``destination.mean_distance_*_km`` in the base year, and stays as it is in all later years and scenarios.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from transport_abm.core.errors import NetworkError
from transport_abm.networks.city import Zones
from transport_abm.policy.inputs import YearInputs

PURPOSES = ("business", "shopping", "leisure", "errand")
"""Purposes of other tours in the order of the kernels."""


def attraction(zones: Zones, jobs: NDArray[np.float64], inputs: YearInputs) -> NDArray[np.float64]:
    """Attraction of each zone for each purpose of other tours.

    Parameters
    ----------
    zones
        Zones of the city.
    jobs
        Jobs by zone in the year [jobs].
    inputs
        Parameters of the year.

    Returns
    -------
    NDArray[np.float64]
        Shape (4, zones): business counts jobs; the others residents and weighted jobs.
    """
    weight = inputs.array("destination.jobs_weight_{}", PURPOSES[1:])
    return np.vstack([jobs, zones.residents + weight[:, None] * jobs])


def destination_share(
    attraction_zone: NDArray[np.float64], logsum: NDArray[np.float32], scale: float
) -> NDArray[np.float64]:
    """Share of the tours of each origin zone (row) that go to each zone (column)."""
    exponent = scale * logsum.astype(np.float64)
    exponent -= exponent.max(axis=1, keepdims=True)
    weight = np.exp(exponent) * attraction_zone
    total = weight.sum(axis=1, keepdims=True)
    if not np.all(total > 0):
        raise NetworkError(
            f"destinations: {int((total <= 0).sum())} zones reach no zone with residents or jobs"
        )
    return np.asarray(weight / total)


def fit_scale(
    attraction_zone: NDArray[np.float64],
    logsum: NDArray[np.float32],
    distance_km: NDArray[np.float32],
    origin_weight: NDArray[np.float64],
    mean_km: float,
) -> float:
    """Scale of the logsum at which the mean distance equals ``mean_km``.

    Returns the nearest end of the range 0.05-20 where the mean cannot be reached by any scale.
    """

    def excess(log_scale: float) -> float:
        share = destination_share(attraction_zone, logsum, float(np.exp(log_scale)))
        return float(origin_weight @ (share * distance_km).sum(axis=1) / origin_weight.sum()) - mean_km

    low, high = np.log(0.05), np.log(20.0)
    at_low, at_high = excess(low), excess(high)
    if at_low * at_high > 0:
        return float(np.exp(low if abs(at_low) < abs(at_high) else high))
    return float(np.exp(brentq(excess, low, high, xtol=1e-6)))


def cumulative_shares(
    attraction_zone: NDArray[np.float64], logsum: NDArray[np.float32], scale: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Destination shares cumulated over zones, float32 of shape (4, zones, zones)."""
    return np.stack(
        [
            np.cumsum(destination_share(attraction_zone[p], logsum, float(scale[p])), axis=1).astype(
                np.float32
            )
            for p in range(len(PURPOSES))
        ]
    )
