"""V-39: a sample of the people gives the same shares as all of them, but for chance.

Shares of trips are means over households, in which trips hang together; their standard error is measured over
replications with other draws, so a share at a small sample lies within three of its standard errors.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from tests.tiny_runs import finished, tiny_case, value, wide_city
from transport_abm.core.vocabulary import Mode

REPLICATIONS = 10
SAMPLES = (0.05, 0.1, 0.25)
STANDARD_ERRORS = 3.0
OUTCOMES = [("green_share", ""), ("green_share_city", "")] + [
    ("mode_share", mode.name.lower()) for mode in (Mode.WALK, Mode.BUS, Mode.METRO, Mode.CAR_DRIVER)
]


@cache
def drawn(sample: float) -> np.ndarray:
    """Outcomes of replications at a sample, of shape (replications, outcomes)."""
    count = REPLICATIONS if sample < 1 else 2
    models = [
        finished(tiny_case(sample=sample, replication=r, parameters={}), wide_city()) for r in range(count)
    ]
    return np.array([[value(model, *name) for name in OUTCOMES] for model in models])


@pytest.mark.slow
@pytest.mark.parametrize("sample", SAMPLES)
def test_shares_of_a_sample_are_those_of_all_within_three_standard_errors(sample: float) -> None:
    few, everybody = drawn(sample), drawn(1.0).mean(axis=0)
    error = few.std(axis=0, ddof=1) / np.sqrt(len(few))
    # The runs with everybody have an error of their own, as if a larger sample.
    full = few.std(axis=0, ddof=1) * np.sqrt(sample / 2.0)
    assert np.all(np.abs(few.mean(axis=0) - everybody) <= STANDARD_ERRORS * np.hypot(error, full))


@pytest.mark.slow
def test_chance_falls_with_the_root_of_the_sample() -> None:
    """Five times the people, a fifth of the variance; ten draws give a ratio to a factor of 4."""
    small, large = drawn(0.05).var(axis=0, ddof=1), drawn(0.25).var(axis=0, ddof=1)
    ratio = np.exp(np.mean(np.log(small / large)))
    assert 5.0 / 4.0 < ratio < 5.0 * 4.0


@pytest.mark.slow
def test_totals_are_weighted_to_all_people() -> None:
    """Residents do not depend on the sample but for whole rows; trips but for chance."""
    for sample in SAMPLES:
        model = finished(tiny_case(sample=sample, parameters={}), wide_city())
        residents = float(wide_city().zones.residents.sum())
        assert value(model, "residents") == pytest.approx(
            residents, abs=2.0 * len(wide_city().zones) / sample
        )
        full = finished(tiny_case(parameters={}), wide_city())
        assert value(model, "trips_city") == pytest.approx(value(full, "trips_city"), rel=0.05)
