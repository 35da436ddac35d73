"""Where a day of the spatial queue stands: arrays alone, so that it can be kept in a file and gone on with."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transport_abm.core.errors import Fault, ReproducibilityError
from transport_abm.core.whole_files import whole_file
from transport_abm.networks.city import I32
from transport_abm.networks.queues.charges import EntryCharge
from transport_abm.networks.queues.kernels_links import (
    AHEAD,
    ARRIVED,
    BACK,
    BASE,
    CAPACITY,
    CHARGED,
    CHUNK,
    COUNT,
    CS,
    ENTRY,
    FLAGS,
    FREE,
    MASK,
    MOVES,
    RING_TOP,
    SECOND,
    STORAGE,
    TOLD,
    WORDS,
    Links,
    Wheel,
)  # fmt: skip
from transport_abm.networks.queues.kernels_moves import Counts, Trips
from transport_abm.networks.queues.kernels_plans import by_departure, first_places
from transport_abm.networks.queues.network import LEAST_PCUH, QueueNetwork
from transport_abm.networks.queues.plans import Plans, Routes

HORIZON_S = 1024
"""Slots of the wheel; events farther ahead are put again when its end is reached [s]."""
FIRST_RING = 8
"""Vehicles and holes a link's ring takes before it grows."""
SPARE = 1024
"""Entries of rings at first to grow into."""
BATCH = 2048
"""Codes taken from the wheel at a time: a multiple of its chunk."""
CLOSED_CS = 2**30
CLAIMS = 1e6
"""Claims of links that merge are whole numbers, the largest this one."""


class MadeFor:
    """What a state was made for: network, plans, routes and charge, themselves or their digests."""

    def __init__(self, **things: object) -> None:
        self.things = things
        self.digests: dict[str, bytes] = {}

    @classmethod
    def of_digests(cls, table: NDArray[np.uint8]) -> MadeFor:
        """From the digests that a file keeps; rows as ``PARTS``."""
        made = cls()
        made.digests = {name: row.tobytes() for name, row in zip(PARTS, table, strict=True)}
        return made

    def table(self) -> NDArray[np.uint8]:
        """Digests, one row a part."""
        return np.stack([np.frombuffer(self.digest(name), np.uint8) for name in PARTS])

    def digest(self, name: str) -> bytes:
        """Digest of a part, reckoned when it is first asked for."""
        if name not in self.digests:
            self.digests[name] = _digest(self.things[name])
        return self.digests[name]

    def differing(self, **things: object) -> list[str]:
        """Names of the parts that are not these: the same thing in memory, or one of the same content."""
        return [
            name
            for name, thing in things.items()
            if not (name in self.things and self.things[name] is thing)
            and self.digest(name) != _digest(thing)
        ]


PARTS = ("network", "plans", "routes", "charge")
"""What a state belongs to."""


@dataclass
class QueueState:
    """State of a day; the network, plans and routes stand beside it."""

    links: Links
    wheel: Wheel
    counts: Counts
    order: I32
    start: I32
    leg: I32
    following: I32
    first: I32
    last: I32
    departure_cs: I32
    arrival_cs: I32
    detour: I32
    weight: I32
    """By kind: real vehicles in a simulated one."""
    shape: tuple[int, ...] = field(default=())
    """Links, vehicles, legs, places in routes, seconds of the day, minutes of a bin."""
    made_for: MadeFor = field(default_factory=MadeFor)
    """Network, plans, routes and charge that it belongs to."""

    @property
    def second(self) -> int:
        """Second of the day that comes next."""
        return int(self.counts.clock[SECOND])

    @property
    def moves(self) -> int:
        """Links left so far, by simulated vehicles."""
        return int(self.counts.clock[MOVES])

    @property
    def record(self) -> I32:
        """Records of the rows, one row each."""
        return self.links.record.reshape(-1, WORDS)

    @property
    def vehicles_on_link(self) -> I32:
        """Simulated vehicles on each link."""
        return self.record[: self.n_links, COUNT].copy()

    @property
    def vehicles_at_origin(self) -> I32:
        """Simulated vehicles that wait to enter each link at the start of a leg."""
        return self.record[self.n_links :, COUNT].copy()

    @property
    def vehicles_done(self) -> int:
        """Simulated vehicles whose last leg is over."""
        return int(self.counts.clock[ARRIVED])

    @property
    def n_links(self) -> int:
        """Number of links."""
        return len(self.links.wait_first)

    def trips(self, plans: Plans, routes: Routes) -> Trips:
        """Vehicles and legs as the kernels take them."""
        return Trips(
            self.order, plans.leg_indptr, plans.earliest_cs, plans.stop_cs, plans.kind, routes.link, self.detour,
            self.start, self.leg, self.following, self.first, self.last, self.departure_cs, self.arrival_cs,
        )  # fmt: skip

    def widen(self) -> None:
        """More room for the rings."""
        old = self.links.ring
        ring = aligned((len(old) + max(len(old) // 2, ENTRY * (4 * int(self.record[:, MASK].max()) + 64)),))
        ring[: len(old)] = old
        self.links = self.links._replace(ring=ring)

    @property
    def keeps_trace(self) -> bool:
        """Whether a trace is kept."""
        return len(self.counts.trace) > 0

    @property
    def trace(self) -> I32:
        """Who came onto which link when, in the order of the moves: leg, link, time [cs]; shape (moves, 3)."""
        return self.counts.trace[: self.counts.clock[TOLD]]

    def lengthen_trace(self, n: int) -> None:
        """Room in the trace for so many more links, where one is kept."""
        if self.keeps_trace:
            more = np.zeros((n, 3), np.int32)
            self.counts = self.counts._replace(trace=np.concatenate([self.counts.trace, more]))

    def copy(self) -> QueueState:
        """A state of its own."""
        return _from_arrays({name: value.copy() for name, value in _arrays(self).items()}, self.made_for)

    def save(self, path: Path) -> None:
        """Write the state to an ``.npz`` file, whole or not at all: an earlier one stays until then.

        Raises
        ------
        StoreError
            If the file cannot be written.
        """
        with whole_file(Path(path)) as place, place.open("wb") as stream:
            np.savez(stream, allow_pickle=False, made_for=self.made_for.table(), **_arrays(self))

    @staticmethod
    def load(path: Path) -> QueueState:
        """Read a state.

        Raises
        ------
        ReproducibilityError
            If the file is missing, cut short, or no state of a spatial queue.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            return _from_arrays(arrays, MadeFor.of_digests(arrays.pop("made_for")))
        # The last one: a damaged header of the archive may ask for what Python's reader has not.
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
            EOFError,
            zipfile.BadZipFile,
            RuntimeError,
        ) as error:
            raise ReproducibilityError(
                f"{path}: expected a state of the spatial queue, got {error}"
            ) from None


def aligned(shape: tuple[int, ...]) -> I32:
    """Zeros whose rows of 64 bytes are lines of the cache."""
    size = int(np.prod(shape))
    raw = np.zeros(size + WORDS, np.int32)
    offset = (-raw.ctypes.data // raw.itemsize) % WORDS
    return raw[offset : offset + size].reshape(shape)


def build_state(
    network: QueueNetwork, plans: Plans, routes: Routes, *, bin_min: int, end_h: float,
    charge: EntryCharge | None, horizon_s: int = HORIZON_S, trace: bool = False,
) -> QueueState:  # fmt: skip
    """State at midnight: all roads empty, all vehicles at their first place.

    Parameters
    ----------
    network, plans, routes
        Checked.
    bin_min
        Minutes of a bin.
    end_h
        Last hour of the day.
    charge
        Charges for entering links, if any.
    horizon_s
        Slots of the wheel, a power of two: no result depends on it but the order within a second.
    trace
        Whether to keep who came onto which link when: 12 bytes for each link of each leg.

    Returns
    -------
    QueueState
        Ready for the first second.
    """
    n, end_s = network.n_links, round(end_h * 3600)
    n_bins = -(-end_s // (60 * bin_min))
    groups = (0, 0) if charge is None else charge.amount_cny.shape
    paid = np.zeros(0 if charge is None else plans.n_vehicles, np.int64)
    counts = Counts(
        np.zeros((n_bins, n), np.int32), np.zeros((n_bins, n), np.int64), np.zeros(groups, np.int64), paid,
        np.zeros(16, np.int64),
        np.zeros((int(np.diff(routes.indptr)[plans.route].sum()) + 1 if trace else 0, 3), np.int32),
    )  # fmt: skip
    counts.clock[RING_TOP] = n * FIRST_RING
    none = np.full(plans.n_legs, -1, np.int32)
    return QueueState(
        links=_links(network, charge),
        wheel=_wheel(n, horizon_s),
        counts=counts,
        order=by_departure(plans.leg_indptr, plans.earliest_cs, end_s, CS),
        start=first_places(routes.indptr, plans.route),
        leg=plans.leg_indptr[:-1].astype(np.int32),
        following=np.full(plans.n_vehicles, -1, np.int32),
        first=np.full(end_s, -1, np.int32),
        last=np.full(end_s, -1, np.int32),
        departure_cs=none,
        arrival_cs=none.copy(),
        detour=np.zeros(0, np.int32),
        weight=np.asarray(plans.kinds.weight, np.int32),
        shape=(n, plans.n_vehicles, plans.n_legs, len(routes.link), end_s, bin_min),
        made_for=MadeFor(network=network, plans=plans, routes=routes, charge=charge),
    )


def _links(network: QueueNetwork, charge: EntryCharge | None) -> Links:
    """Empty rows of all links and of the queues before them."""
    n = network.n_links
    record = aligned((2 * n, WORDS))
    link = record[:n]
    closed = np.isinf(network.free_time_s)
    link[:, BASE] = np.arange(n) * FIRST_RING
    link[:, MASK] = FIRST_RING - 1
    link[:, STORAGE] = np.rint(np.where(closed, 0.0, network.storage_pcu) * 100)
    link[:, CAPACITY] = np.rint(np.where(closed, LEAST_PCUH, network.capacity_pcuh) * 100)
    link[:, FREE] = np.rint(np.where(closed, CLOSED_CS / CS, network.free_time_s) * CS)
    link[:, BACK] = np.rint(np.where(closed, 0.0, network.wave_time_s) * CS)
    if charge is not None:
        link[charge.group >= 0, FLAGS] = CHARGED
    record[n:, MASK] = -1
    claim = np.where(closed, 0.0, network.priority)
    priority = np.maximum(np.rint(claim * (CLAIMS / claim.max(initial=1e-9))), 1).astype(np.int32)
    chain = np.full(n + 1, -1, np.int32)
    chain[n] = n
    return Links(
        record.ravel(), record.ravel().view(np.int64), aligned(((n * FIRST_RING + SPARE) * ENTRY,)), np.full(n, -1, np.int32),
        np.full(2 * n, -1, np.int32),
        np.zeros(2 * n, np.int32), np.concatenate([priority, priority]), np.zeros(2 * n, np.int64),
        np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(2 * n, np.int64), np.full(2 * n, -1, np.int32),
        chain, chain.copy(), np.zeros(n, np.int32),
    )  # fmt: skip


def _wheel(n_links: int, horizon_s: int) -> Wheel:
    """A wheel that holds one event of each link and one of its holes."""
    if horizon_s < 2 or horizon_s & (horizon_s - 1):
        raise ValueError(f"horizon_s: expected a power of two, got {horizon_s}")
    n_chunks = 2 * n_links // CHUNK + 2 * horizon_s + 1
    free = np.empty(n_chunks + 1, np.int32)
    free[:-1] = np.arange(n_chunks)[::-1]
    free[-1] = n_chunks
    return Wheel(
        np.full(horizon_s, -1, np.int32), np.zeros(horizon_s, np.int32), np.zeros(n_chunks * CHUNK, np.int32),
        np.full(n_chunks, -1, np.int32), free, np.zeros(BATCH + AHEAD, np.int32),
    )  # fmt: skip


_TUPLES = {"links": Links, "wheel": Wheel, "counts": Counts}


def _arrays(state: QueueState) -> dict[str, NDArray[np.generic]]:
    """All arrays by name."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for name, value in vars(state).items():
        if name == "made_for":
            continue
        if name in _TUPLES:
            arrays |= {f"{name}.{part}": getattr(value, part) for part in value._fields if part != "sums"}
        else:
            arrays[name] = np.asarray(value)
    return arrays


def _from_arrays(arrays: dict[str, NDArray[np.generic]], made_for: MadeFor) -> QueueState:
    """The state of which these are the arrays."""
    arrays = dict(arrays)
    record = aligned(arrays["links.record"].shape)
    record[:] = arrays["links.record"]
    arrays["links.record"], arrays["links.sums"] = record, record.view(np.int64)
    values = {name: value for name, value in arrays.items() if "." not in name and name != "shape"}
    parts = {
        name: kind(**{part: arrays[f"{name}.{part}"] for part in kind._fields})  # type: ignore[attr-defined]
        for name, kind in _TUPLES.items()
    }
    shape = tuple(int(size) for size in arrays["shape"])
    return QueueState(**values, **parts, shape=shape, made_for=made_for)  # type: ignore[arg-type]


def check_belongs(state: QueueState, network: QueueNetwork, plans: Plans, routes: Routes) -> None:
    """Refuse a state of another network, other plans or other routes.

    Raises
    ------
    ReproducibilityError
        If one of them is another one, or has other content.
    """
    expected = (network.n_links, plans.n_vehicles, plans.n_legs, len(routes.link))
    if state.shape[:4] != expected:
        fault = Fault(
            "state of the spatial queue", "links, vehicles, legs, places", str(expected), str(state.shape[:4])
        )
        raise ReproducibilityError(str(fault))
    _refuse(state.made_for.differing(network=network, plans=plans, routes=routes))


def check_same_charge(state: QueueState, charge: EntryCharge | None) -> None:
    """Refuse to go on with a state under another charge.

    Raises
    ------
    ReproducibilityError
        If the charge is another one, or one is there where none was, or none where one was.
    """
    _refuse(state.made_for.differing(charge=charge))


def _refuse(names: list[str]) -> None:
    """An error that names the parts that differ, if any do."""
    if names:
        expected, got = f"the {' and '.join(names)} that it was made for", "of other content"
        raise ReproducibilityError(str(Fault("state of the spatial queue", ", ".join(names), expected, got)))


def _digest(thing: object) -> bytes:
    """Digest of the content of numbers, arrays and records of them."""
    text = hashlib.blake2b(digest_size=16)
    _feed(text, thing)
    return text.digest()


def _feed(text: hashlib.blake2b, thing: object) -> None:
    """Put content into a digest."""
    if is_dataclass(thing):
        for column in fields(thing):
            text.update(f"{column.name}:".encode())
            _feed(text, getattr(thing, column.name))
    elif isinstance(thing, np.ndarray):
        text.update(f"{thing.dtype}{thing.shape}".encode())
        if thing.size:
            text.update(np.ascontiguousarray(thing).data)
    elif isinstance(thing, frozenset):
        text.update(repr(sorted(thing)).encode())
    else:
        text.update(repr(thing).encode())


__all__ = ["QueueState", "build_state", "check_belongs", "check_same_charge"]
