"""V-37: with common random numbers the effect of a small lever is far less uncertain than from separate runs.

Var(X_lever - X_base) of paired replications against that of independent ones, which is twice Var(X).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from tests.tiny_runs import finished, ringed_city, tiny_case, value

REPLICATIONS = 24
MOST = 0.3
"""Largest ratio of the variances that the design allows."""
SMALL = {
    "metro_fare_factor": 1.2,
    "parking_price_factor": 1.25,
    "sidewalk_quality": 0.6,
    "congestion_charge_cny": 5.0,
    "wfh_share": 0.02,
}


@cache
def outcomes(lever: str = "", level: float = 0.0) -> dict[str, np.ndarray]:
    """Outcomes of all replications, a fifth of the tiny city each."""
    levers = {lever: level} if lever else {}
    models = [
        finished(tiny_case(levers, sample=0.2, replication=r), ringed_city()) for r in range(REPLICATIONS)
    ]
    names = ("green_share", "trips_city", "car_km")
    return {name: np.array([value(model, name) for model in models]) for name in names}


@pytest.mark.parametrize("lever", list(SMALL))
def test_paired_differences_vary_far_less_than_independent_ones(lever: str) -> None:
    base, changed = outcomes(), outcomes(lever, SMALL[lever])
    name = "trips_city" if lever == "wfh_share" else "green_share"
    paired = np.var(changed[name] - base[name], ddof=1)
    independent = np.var(changed[name], ddof=1) + np.var(base[name], ddof=1)
    assert 0 < paired < MOST * independent


def test_replications_are_not_alike() -> None:
    for name, drawn in outcomes().items():
        assert len(np.unique(drawn)) > REPLICATIONS / 2, name


def test_a_pair_agrees_on_the_sign_where_independent_runs_would_not() -> None:
    """Dearer parking raises the green share in each single replication."""
    effect = outcomes("parking_price_factor", 1.25)["green_share"] - outcomes()["green_share"]
    assert np.all(effect > 0)
    assert effect.mean() < 2 * outcomes()["green_share"].std(ddof=1)
