"""A table keeps what it is given, refuses what does not fit, and never gives an identity twice."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport_abm.core.columns import Column, Table, UndeclaredAccessError
from transport_abm.core.errors import InputError, ReproducibilityError


class Homes(Table):
    """A small table."""

    zone = Column(np.int16, "row", "home zone")
    size = Column(np.int8, "1", "persons", default=1)
    income_cny = Column(np.float32, "CNY/year", "income")
    parking = Column(bool, "1", "own space")


def test_columns_are_live_views_of_declared_type() -> None:
    homes = Homes.build(3, zone=[4, 5, 6], parking=True)
    homes.zone[1] = 9
    assert homes.zone.tolist() == [4, 9, 6]
    assert homes.size.tolist() == [1, 1, 1]
    assert homes.parking.tolist() == [True, True, True]
    assert [getattr(homes, n).dtype for n in ("zone", "income_cny", "parking")] == [
        np.int16,
        np.float32,
        bool,
    ]
    homes.zone = 2
    assert homes.zone.tolist() == [2, 2, 2]


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(InputError) as caught:
        Homes.build(2, zone=[70_000, 1], siez=1, income_cny=[np.nan, 1], parking=[1, 0], size=[1, 2, 3])
    assert len(caught.value.faults) == 5
    for text in ("70000", "siez", "NaN", "fit bool", "2 values"):
        assert text in str(caught.value)


@pytest.mark.parametrize("value", [32_768, -32_769, 0.5, "4", [[1], [2]], [1]])
def test_nothing_is_cut_wrapped_or_rounded(value: object) -> None:
    homes = Homes.build(2)
    with pytest.raises(InputError):
        homes.zone = value
    with pytest.raises(InputError):
        homes.append(2, zone=value)
    assert len(homes) == 2 and homes.zone.tolist() == [0, 0]


@given(sizes=st.lists(st.integers(0, 9), max_size=8))
def test_appended_rows_equal_rows_built_at_once(sizes: list[int]) -> None:
    zone = np.arange(sum(sizes), dtype=np.int16)
    grown, start = Homes.build(0), 0
    for n in sizes:
        assert grown.append(n, zone=zone[start : start + n]) == slice(start, start + n)
        start += n
    whole = Homes.build(len(zone), zone=zone)
    for name, values in whole.snapshot().items():
        assert np.array_equal(values, grown.snapshot()[name]), name


def test_room_doubles_so_that_births_stay_cheap() -> None:
    homes, moves, before = Homes.build(1), 0, None
    for _ in range(1000):
        homes.append(1)
        base = homes.zone.base
        moves, before = moves + (base is not before), base
    assert moves <= 11


@given(alive=st.lists(st.booleans(), max_size=30))
def test_compacting_keeps_the_living_in_order_and_maps_every_row(alive: list[bool]) -> None:
    homes = Homes.build(len(alive), zone=np.arange(len(alive), dtype=np.int16))
    homes.alive[:] = alive
    kept = np.flatnonzero(alive)
    new_row = homes.compact()
    assert homes.zone.tolist() == kept.tolist() == homes.id.tolist()
    assert homes.alive.all()
    assert new_row[kept].tolist() == list(range(len(kept)))
    assert (np.delete(new_row, kept) == -1).all()


def test_an_identity_is_never_given_twice_and_finds_its_row() -> None:
    homes = Homes.build(4)
    homes.alive[[1, 3]] = False
    homes.compact()
    homes.append(2)
    assert homes.id.tolist() == [0, 2, 4, 5]
    assert homes.row_of(4) == 2
    with pytest.raises(LookupError):
        homes.row_of(3)
    with pytest.raises(InputError, match="rising identities from 6 on"):
        homes.append(1, id=[5])
    with pytest.raises(InputError, match="below"):
        homes.append(1, id=[2**59])
    homes.append(1, id=[10])
    homes.append(1)
    assert homes.id[-2:].tolist() == [10, 11]


def test_a_snapshot_restores_everything_even_the_next_identity() -> None:
    homes = Homes.build(3, zone=[1, 2, 3])
    buffer = io.BytesIO()
    np.savez(buffer, **homes.snapshot())
    buffer.seek(0)
    homes.zone[:] = 0
    homes.append(5)
    homes.restore(dict(np.load(buffer, allow_pickle=False)))
    assert homes.zone.tolist() == [1, 2, 3]
    homes.append(1)
    assert homes.id.tolist() == [0, 1, 2, 3]


def test_a_snapshot_of_another_shape_is_refused_and_changes_nothing() -> None:
    homes = Homes.build(2, zone=7)
    good = homes.snapshot()
    for bad in (
        {k: v for k, v in good.items() if k != "zone"},
        {**good, "zone": good["zone"].astype(np.int64)},
        {**good, "zone": good["zone"][:1]},
        {**good, "more": good["zone"]},
    ):
        with pytest.raises(ReproducibilityError):
            homes.restore(bad)
    assert homes.zone.tolist() == [7, 7]


def test_a_guarded_table_opens_only_what_is_declared() -> None:
    homes = Homes.build(2)
    with homes.guarded(frozenset({"zone"}), frozenset({"size"})):
        homes.size[:] = homes.zone + np.int16(2)
        with pytest.raises(ValueError, match="read-only"):
            homes.zone[:] = 1
        with pytest.raises(UndeclaredAccessError, match="income_cny"):
            homes.income_cny  # noqa: B018
        for change in (lambda: homes.append(1), homes.compact, lambda: homes.restore({})):
            with pytest.raises(UndeclaredAccessError):
                change()
    homes.zone[:] = 1
    with homes.guarded(frozenset(), frozenset({"*"})):
        homes.append(1, zone=homes.zone[:1])
    assert homes.size.tolist() == [2, 2, 1]


def test_declarations_are_documented_and_cannot_hide_the_table() -> None:
    rows = {row.column: row for row in Homes.describe()}
    assert list(rows) == ["id", "alive", "zone", "size", "income_cny", "parking"]
    assert rows["size"] == ("Homes", "size", "int8", "1", "persons", 1)
    with pytest.raises(TypeError, match="taken"):
        type("Bad", (Table,), {"compact": Column(np.int8, "1", "x")})
    with pytest.raises(TypeError, match="unit"):
        Column(np.int8, "", "x")
    with pytest.raises(TypeError, match="integers, floats"):
        Column(np.str_, "1", "x")
    with pytest.raises(AttributeError, match="no column"):
        Homes.build(1).column("nothing")


def test_memory_is_the_sum_of_the_columns() -> None:
    assert Homes.build(1000).memory_bytes == 1000 * (8 + 1 + 2 + 1 + 4 + 1)
