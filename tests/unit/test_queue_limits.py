"""The spatial queue: states that belong to something else, and numbers at the ends of their ranges."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.queue_case import CAR, RULES, chain, plans_of, random_case
from transport_abm.core.errors import NetworkError, ReproducibilityError, StoreError
from transport_abm.networks.formats.queue_form import queue_moves
from transport_abm.networks.queues.charges import EntryCharge
from transport_abm.networks.queues.day import run_day
from transport_abm.networks.queues.network import build_queue_network
from transport_abm.networks.queues.plans import VehicleKinds, build_routes, round_packets
from transport_abm.networks.queues.state import QueueState

CHARGE = EntryCharge(np.array([0, 0], np.int16), np.full((8, 1), 5.0))


@pytest.mark.parametrize("kept", ["in memory", "in a file"])
@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("charge", {"charge": None}),
        ("charge", {"charge": dataclasses.replace(CHARGE, exempt=frozenset({0}))}),
        ("charge", {"charge": dataclasses.replace(CHARGE, group=np.array([-1, 0], np.int16))}),
        ("network", {"network": chain([100.0] * 2, 10.0, [900.0, 1800.0])}),
        ("plans", {"plans": plans_of([[0, 1]] * 3, [0.0, 1.0, 3.0])[0]}),
        ("routes", {"routes": plans_of([[0, 0]] * 3, [0.0] * 3)[1]}),
    ],
)
def test_a_day_goes_on_only_with_what_it_began_with(
    tmp_path: Path, kept: str, part: str, change: dict[str, Any]
) -> None:
    network = chain([100.0] * 2, 10.0, [1800.0] * 2)
    plans, routes = plans_of([[0, 1]] * 3, [0.0, 1.0, 2.0])
    same = {"network": network, "plans": plans, "routes": routes, "charge": CHARGE}
    state = run_day(**same, end_h=2, until_s=5).state  # type: ignore[arg-type]
    if kept == "in a file":
        state.save(tmp_path / "state.npz")
        state = QueueState.load(tmp_path / "state.npz")
    with pytest.raises(ReproducibilityError, match=part):
        run_day(**(same | change), end_h=2, state=state)  # type: ignore[arg-type]


def test_a_day_goes_on_with_things_of_the_same_content(tmp_path: Path) -> None:
    case = random_case(11, 6, 16, 150, jam=True)
    again = random_case(11, 6, 16, 150, jam=True)
    whole = run_day(case.network, case.plans, case.routes, end_h=1, charge=case.charge)
    state = run_day(case.network, case.plans, case.routes, end_h=1, charge=case.charge, until_s=900).state
    state.save(tmp_path / "state.npz")
    for start in (state.copy(), QueueState.load(tmp_path / "state.npz")):
        rest = run_day(again.network, again.plans, again.routes, end_h=1, charge=again.charge, state=start)
        for name in ("entered", "time_cs", "arrival_cs", "released", "charged", "paid_fen"):
            np.testing.assert_array_equal(getattr(rest, name), getattr(whole, name), err_msg=name)


def test_a_state_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = chain([100.0], 10.0, [1800.0])
    state = run_day(network, *plans_of([[0]], [0.0]), until_s=1).state
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be written"):
        state.save(tmp_path / "file" / "state.npz")
    (tmp_path / "file").unlink()
    state.save(tmp_path / "state.npz")
    before = (tmp_path / "state.npz").read_bytes()

    def fail(*args: object, **columns: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(StoreError, match="No space"):
        state.save(tmp_path / "state.npz")
    assert [file.name for file in tmp_path.iterdir()] == ["state.npz"]
    assert (tmp_path / "state.npz").read_bytes() == before


def test_a_damaged_archive_is_told_as_such(tmp_path: Path) -> None:
    """Each bit of the first header in turn: some ask for encryption or for packing that Python has not."""
    network = chain([100.0], 10.0, [1800.0])
    run_day(network, *plans_of([[0]], [0.0]), until_s=1).state.save(tmp_path / "state.npz")
    data = (tmp_path / "state.npz").read_bytes()
    central = data.rfind(b"PK\x01\x02")
    for place in [*range(30), *range(central, central + 46)]:
        for bit in range(8):
            broken = bytearray(data)
            broken[place] ^= 1 << bit
            (tmp_path / "broken.npz").write_bytes(broken)
            # Some bits, as those of dates, are no matter: then it is read.
            with contextlib.suppress(ReproducibilityError):
                QueueState.load(tmp_path / "broken.npz")


def test_a_leg_that_would_begin_after_the_day_does_not_begin() -> None:
    network = chain([100.0] * 2, 10.0, [1800.0] * 2)
    plans, routes = plans_of([[0], [1]], [0.0, 7300.0])
    plans = dataclasses.replace(
        plans, leg_indptr=np.array([0, 2]), kind=np.zeros(1, np.int8), stop_cs=np.array([0, 2**31 - 1], np.int32)
    )  # fmt: skip
    day = run_day(network, plans, routes, end_h=2, trace=True)
    np.testing.assert_array_equal(day.departure_cs, [0, -1])
    assert len(queue_moves(day, plans, np.array([-1, 0], np.int32)).vehicle) == 1


def test_what_closed_links_can_do_is_no_matter() -> None:
    one = np.ones(3)
    network = build_queue_network(
        np.array([0, 1, 1], np.int32), np.array([1, 2, 2], np.int32), 3, 100 * one, np.array([10.0, 10.0, np.inf]),
        np.array([1800.0, 1800.0, 1e7]), np.array([1.0, 1.0, 1e6]), rules=RULES,
    )  # fmt: skip
    day = run_day(network, *plans_of([[0, 1]], [0.0]))
    assert day.arrival_cs[0] == 2000


def test_patience_in_whole_seconds_may_be_any_kind_of_number() -> None:
    network = chain([100.0], 10.0, [1800.0])
    for wait in (30.0, np.float64(30), np.int32(30)):
        other = dataclasses.replace(network, stuck_wait_s=wait)  # type: ignore[arg-type]
        assert run_day(other, *plans_of([[0]], [0.0])).arrival_cs[0] == 1000
    with pytest.raises(NetworkError, match="stuck_wait_s: expected whole seconds, 1 to"):
        dataclasses.replace(network, stuck_wait_s=10**17)
    with pytest.raises(NetworkError, match="horizon_s"):
        run_day(network, *plans_of([[0]], [0.0]), horizon_s=2.0)  # type: ignore[arg-type]


def test_what_a_vehicle_pays_may_be_more_than_32_bits() -> None:
    network = build_queue_network(
        np.zeros(1, np.int32), np.zeros(1, np.int32), 1, np.array([100.0]), np.array([10.0]), np.array([1800.0]),
        np.ones(1), rules=RULES,
    )  # fmt: skip
    charge = EntryCharge(np.zeros(1, np.int16), np.full((120, 1), 1e5))
    day = run_day(network, *plans_of([[0] * 300], [0.0]), charge=charge)
    assert day.paid_fen[0] == 300 * 10_000_000


def test_overfull_links_are_counted_right() -> None:
    """Packets of 100,000 pcu that the stuck rule lets onto a link: their room stays a 32-bit number, or they wait."""
    n = 300
    tail = np.array([*range(1, n + 1), 0], np.int32)
    network = build_queue_network(
        tail, np.array([0] * n + [n + 1], np.int32), n + 2, np.full(n + 1, 100.0), np.full(n + 1, 10.0),
        np.append(np.full(n, 9e5), 30.0), np.ones(n + 1), rules=dataclasses.replace(RULES, stuck_wait_s=1),
    )  # fmt: skip
    kinds = VehicleKinds(np.zeros(1, np.int8), np.array([1e5]), np.ones(1, np.int32))
    plans, routes = plans_of([[k, n] for k in range(n)], [0.0] * n, kinds)
    state = run_day(network, plans, routes, end_h=1).state
    # 214 of them, and the next would be more than 2^31 hundredths.
    assert state.vehicles_on_link[n] == 214
    assert int(state.vehicles_on_link.sum()) + state.vehicles_done == n


def test_links_that_are_no_32_bit_numbers_are_refused() -> None:
    for link in (np.array([2**32, 2**32 + 1]), np.array([0.9, 1.2])):
        with pytest.raises(NetworkError, match="link: expected whole numbers of 32 bits"):
            build_routes(np.array([0, 2]), link)  # type: ignore[arg-type]
    broken = VehicleKinds(np.zeros(1, np.int8), np.ones(1), np.array([1.9]))  # type: ignore[arg-type]
    with pytest.raises(NetworkError, match=r"kinds.weight: expected whole numbers"):
        run_day(chain([100.0], 10.0, [1800.0]), *plans_of([[0]], [0.0], broken))


def test_packets_too_many_for_32_bits_are_refused() -> None:
    with pytest.raises(NetworkError, match="demand"):
        round_packets(np.array([2**31 - 0.5]), 1, seed=0, year=2020)
    assert round_packets(np.array([2**31 - 2.0]), 1, seed=0, year=2020)[0] == 2**31 - 2
    with pytest.raises(NetworkError, match="agent: expected shape"):
        round_packets(np.ones(3), 1, seed=0, year=2020, agent=np.zeros(1, np.int64))


def test_all_routes_that_cannot_be_driven_are_counted() -> None:
    network = chain([100.0] * 3, 10.0, [1800.0] * 3)
    bad = EntryCharge(np.array([0, 0, 7], np.int16), np.zeros((120, 1)))
    with pytest.raises(NetworkError) as raised:
        run_day(network, *plans_of([[0, 2], [0, 1], [9]], [0.0] * 3, CAR), charge=bad)
    text = str(raised.value)
    assert "one of 2 such routes" in text and "entry charge" in text
