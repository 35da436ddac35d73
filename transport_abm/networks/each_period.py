"""Work on the periods of a day, or other parts of it, several at once where threads may nest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import TypeVar

import numba

from transport_abm.core.vocabulary import Period

P = TypeVar("P")
T = TypeVar("T")


def longest_first() -> list[Period]:
    """The periods in the order in which work on them should start: the peaks take longest."""
    return sorted(Period, key=lambda period: period not in (Period.AM, Period.PM))


def each_period(work: Callable[[Period], T]) -> list[T]:
    """Work on every period, several at once; no period reads what another writes."""
    order = longest_first()
    done = dict(zip(order, each_of(order, work), strict=True))
    return [done[period] for period in Period]


def each_of(parts: Sequence[P], work: Callable[[P], T]) -> list[T]:
    """Work on every part, several at once where Numba's threads allow it; no part reads what another writes."""
    threads = min(numba.get_num_threads(), len(parts))
    if threads <= 1 or not _threads_may_nest():
        return [work(part) for part in parts]

    def alone(part: P) -> T:
        numba.set_num_threads(1)
        return work(part)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(alone, parts))


@contextmanager
def beside() -> Iterator[Callable[[Callable[[], None]], None]]:
    """Work that is done beside the caller's own where Numba's threads allow it, else at once; all of it is done at the end.

    Yields
    ------
    Callable
        Takes a piece of work, which reads and writes nothing that other pieces or the caller write; a piece may hand over
        more as it goes on.
    """
    threads = numba.get_num_threads()
    if threads <= 1 or not _threads_may_nest():
        yield lambda work: work()
        return

    def alone(work: Callable[[], None]) -> None:
        numba.set_num_threads(1)
        work()

    with ThreadPoolExecutor(threads) as pool:
        begun: list[Future[None]] = []
        yield lambda work: begun.append(pool.submit(alone, work))
        # A piece that hands over more does so before it ends, so that the list is complete when its end is reached.
        for each in begun:
            each.result()


@cache
def _threads_may_nest() -> bool:
    """Whether parallel kernels may be called from several Python threads: with OpenMP or TBB only."""
    for layer in ("omppool", "tbbpool"):
        try:
            import_module(f"numba.np.ufunc.{layer}")
        except ImportError:
            continue
        return True
    return False
