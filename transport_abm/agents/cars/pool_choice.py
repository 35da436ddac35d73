"""Which plate one waits for: a logit on the worth of an ordinary and of a new-energy plate, with a lasting taste.

    P(new-energy) = 1 / (1 + exp(-(s (V_new - V_ordinary + c) + c_0)))

The constant c is solved on the published lists of the base year.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from transport_abm.agents.vehicles import Applicants
from transport_abm.core.draws import Stream, uniform
from transport_abm.core.vocabulary import ApplicantKind, PlateKind
from transport_abm.policy.inputs import YearInputs

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


def identify_pools(applicants: Applicants, pool_value: F64, inputs: YearInputs) -> float:
    """Constant of the new-energy pool at which those who wait would choose as they did.

    Parameters
    ----------
    applicants
        The pools of the base year, whose sizes are published.
    pool_value
        Value of an ordinary and of a new-energy plate in the base year, shape (households, 2).
    inputs
        Parameters of the base year.

    Returns
    -------
    float
        To be added to the value of a new-energy plate [utility]; zero where nobody waits in one of the pools.
    """
    waits = applicants.alive & (applicants.won_year == 0) & (applicants.kind == ApplicantKind.INDIVIDUAL)
    rows = np.flatnonzero(waits)
    share = float(np.mean(applicants.pool[rows] == PlateKind.NEW_ENERGY)) if len(rows) else 0.0
    if not 0.0 < share < 1.0:
        return 0.0
    scale = inputs["plates.pool_scale"]
    value = pool_value[applicants.household[rows]]
    gain = (
        scale * (value[:, PlateKind.NEW_ENERGY] - value[:, PlateKind.ORDINARY])
        + inputs["plates.pool_constant_new_energy"]
    )

    def excess(constant: float) -> float:
        return float(np.mean(0.5 * (1.0 + np.tanh(0.5 * (gain + constant))))) - share

    return float(brentq(excess, -FARTHEST, FARTHEST)) / scale if scale else 0.0


FARTHEST = 100.0
"""Bound of the constant of the new-energy pool [utility]."""


def prefers_new_energy(
    address: I64, kind: ApplicantKind, value: F64, inputs: YearInputs, seed: int
) -> NDArray[np.int8]:
    """Pool that each would choose now, by logit against a lasting draw."""
    scale, constant = inputs["plates.pool_scale"], inputs["plates.pool_constant_new_energy"]
    gain = scale * (value[:, PlateKind.NEW_ENERGY] - value[:, PlateKind.ORDINARY]) + constant
    chance = 0.5 * (1.0 + np.tanh(0.5 * gain))
    taste = uniform(seed, Stream.POOL, address, 0, int(kind))
    return np.where(taste < chance, PlateKind.NEW_ENERGY, PlateKind.ORDINARY).astype(np.int8)
