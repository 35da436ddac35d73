"""Links by the node they leave, and the fixed chunks in which kernels work.

Links are stored by tail (compressed rows); "slot" is a link's place in that order. Work is dealt to a fixed number of
chunks, each with its own sums, and the chunks are added in order: the number of threads never changes a bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CHUNK_COUNT = 16
"""Chunks of work: fixed, because the order of sums is part of the result."""


class Graph(NamedTuple):
    """Links by tail: those that leave node ``n`` are slots ``indptr[n]:indptr[n + 1]``."""

    indptr: NDArray[np.int64]
    tail: NDArray[np.int32]
    head: NDArray[np.int32]
    first_through: int
    """Nodes with a lower number carry no through traffic."""
