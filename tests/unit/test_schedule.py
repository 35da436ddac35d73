"""When a year is settled: a short step hides nothing of what is still to come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport_abm.schedule import still_to_come


@given(st.floats(0.01, 1.0), st.floats(0.0, 1.0), st.floats(1e-6, 0.5))
def test_what_is_left_to_the_fixed_point_is_never_more_than_told(
    step: float, swing: float, away: float
) -> None:
    """Choices that answer in a line: ``away`` from where they settle, and a whole step overshoots by ``swing``."""
    left = abs(1.0 - step * (1.0 + swing)) * away
    assert left <= still_to_come(step * away, step) * (1 + 1e-9)


@given(st.floats(0.01, 0.5), st.floats(1e-6, 0.5))
def test_of_choices_that_do_not_swing_it_is_what_is_left(step: float, away: float) -> None:
    assert still_to_come(step * away, step) == pytest.approx((1.0 - step) * away)
