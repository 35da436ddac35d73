"""Tables of agents as columns: one array per attribute, declared once with its type, unit and meaning.

    class Households(Table):
        zone = Column(np.int16, "row", "home zone")
        income_cny = Column(np.float32, "CNY/year", "income of the household")

    households = Households.build(n, zone=zone)
    households.zone[:10]            # a view of the live column: writing to it writes to the table

Each row has an `id` that never changes and is never given again (draws are addressed by it), and a flag
`alive`. Take columns anew after `append`, `compact` or `restore`: these may move them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Generic, NamedTuple, Self, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from transport_abm.core.errors import Fault, InputError, ReproducibilityError

S = TypeVar("S", bound=np.generic)

ID_LIMIT = 2**59
"""Identities stay below this, so that tables can be told apart by adding multiples of it in 64 bits."""

NEXT_ID = "next_id"
"""Name under which a snapshot holds the next identity to give."""


class ColumnRow(NamedTuple):
    """One declared column, as a row of the generated documents."""

    table: str
    column: str
    dtype: str
    unit: str
    meaning: str
    default: float


class UndeclaredAccessError(AttributeError):
    """A step touched a column that it did not declare."""


class Column(Generic[S]):
    """Declaration of one column of a `Table`; on a table it gives the live array.

    Parameters
    ----------
    dtype
        Type of the values: an integer, float or boolean type of NumPy.
    unit
        Unit, "1" for shares and counts, "row" for the row number of another table.
    meaning
        What a value means, in one line.
    default
        Value of rows for which none is given.
    """

    @overload
    def __init__(
        self: Column[np.bool_], dtype: type[bool], unit: str, meaning: str, default: float = ...
    ) -> None: ...
    @overload
    def __init__(self, dtype: type[S], unit: str, meaning: str, default: float = ...) -> None: ...

    def __init__(self, dtype: DTypeLike, unit: str, meaning: str, default: float = 0) -> None:
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        if self.dtype.kind not in "biuf":
            raise TypeError(f"a column holds integers, floats or booleans, not {self.dtype}")
        if not unit or not meaning:
            raise TypeError("a column needs a unit and a meaning")
        self.unit, self.meaning = unit, meaning
        self.default: Any = np.asarray(default).astype(self.dtype)[()]
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, table: None, owner: type) -> Self: ...
    @overload
    def __get__(self, table: Table, owner: type) -> NDArray[S]: ...

    def __get__(self, table: Table | None, owner: type) -> Self | NDArray[S]:
        return self if table is None else table.column(self.name)

    def __set__(self, table: Table, value: ArrayLike) -> None:
        """Overwrite the whole column (one value, or one for each row)."""
        values, expected = self.cast(value, len(table))
        if values is None:
            raise InputError(Fault(type(table).__name__, self.name, expected, _shown(value)))
        table.column(self.name)[:] = values

    def cast(self, value: ArrayLike, n: int) -> tuple[NDArray[S] | None, str]:
        """Values that fit this column, or None and what was expected: nothing is cut, wrapped or rounded."""
        values = np.asarray(value)
        if values.ndim > 1 or (values.ndim == 1 and values.shape[0] != n):
            return None, f"one value or {n} values"
        if not np.can_cast(values.dtype, self.dtype, "same_kind"):
            return None, f"values that fit {self.dtype}"
        if self.dtype.kind in "iu" and values.size and not np.can_cast(values.dtype, self.dtype, "safe"):
            limit = np.iinfo(self.dtype)
            if values.min() < limit.min or values.max() > limit.max:
                return None, f"{limit.min} to {limit.max} ({self.dtype})"
        if self.dtype.kind == "f" and np.isnan(values).any():
            return None, "numbers, not NaN"
        return values.astype(self.dtype, copy=False), ""


class Table:
    """Rows of one kind of agent, stored column by column."""

    id = Column(np.int64, "1", "identity that never changes and is never given again")
    alive = Column(np.bool_, "1", "whether the row is in use", default=True)

    columns: ClassVar[Mapping[str, Column[Any]]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        found: dict[str, Column[Any]] = {}
        for base in reversed(cls.__mro__):
            for name, value in vars(base).items():
                if not isinstance(value, Column):
                    continue
                if base is not Table and name not in ("id", "alive") and hasattr(Table, name):
                    raise TypeError(f"{cls.__name__}.{name}: the name is taken by Table itself")
                found[name] = value
        cls.columns = found

    def __init__(self) -> None:
        self._data = {name: np.empty(0, column.dtype) for name, column in self.columns.items()}
        self._n = 0
        self._next_id = 0
        self._generation = 0
        self._guard: tuple[frozenset[str], frozenset[str]] | None = None

    @classmethod
    def build(cls, n: int, **values: ArrayLike) -> Self:
        """A table of n rows.

        Parameters
        ----------
        n
            Number of rows.
        values
            By column: one value for all rows, or one for each row; the default where none is given.
            Identities count from 0 unless given.

        Returns
        -------
        Self
            The table.

        Raises
        ------
        InputError
            Naming every unknown column and every value of wrong length, type or range.
        """
        table = cls()
        table.append(n, **values)
        return table

    def append(self, n: int, **values: ArrayLike) -> slice:
        """Add n rows at the end, with new identities; room grows by doubling.

        Parameters
        ----------
        n
            Number of rows to add.
        values
            As in `build`.

        Returns
        -------
        slice
            The new rows.

        Raises
        ------
        InputError
            As in `build`; then no row is added.
        """
        self._refuse_change("rows are added")
        ready = self._checked(n, values)
        first, last = self._n, self._n + n
        if last > self._data["id"].shape[0]:
            self._grow(last if not first else max(last, 2 * first))
        self._n = last
        for name, column in self.columns.items():
            self._data[name][first:last] = ready.get(name, column.default)
        if "id" in ready:
            self._next_id = max(self._next_id, int(ready["id"].max(initial=-1)) + 1)
        else:
            self._data["id"][first:last] = np.arange(self._next_id, self._next_id + n)
            self._next_id += n
        return slice(first, last)

    def _checked(self, n: int, values: Mapping[str, ArrayLike]) -> dict[str, NDArray[Any]]:
        """Values that fit the columns; raises with all faults."""
        where, ready, faults = type(self).__name__, {}, []
        if n < 0:
            raise InputError(Fault(where, "n", "0 or more rows", str(n)))
        for name, value in values.items():
            if name not in self.columns:
                faults.append(Fault(where, name, "one of " + ", ".join(self.columns), "an unknown column"))
                continue
            cast, expected = self.columns[name].cast(value, n)
            if cast is None:
                faults.append(Fault(where, name, expected, _shown(value)))
            else:
                ready[name] = cast
        new = ready.get("id")
        if new is not None and n and not faults:
            rising = new.ndim == 1 and bool((np.diff(new) > 0).all())
            if not rising or new[0] < self._next_id or new[-1] >= ID_LIMIT:
                expected = f"rising identities from {self._next_id} on, below {ID_LIMIT}"
                faults.append(Fault(where, "id", expected, _shown(new)))
        if faults:
            raise InputError(faults)
        return ready

    def _grow(self, capacity: int) -> None:
        """Give every column room for so many rows, one column at a time to keep the peak low."""
        for name, old in self._data.items():
            new = np.empty(capacity, old.dtype)
            new[: self._n] = old[: self._n]
            self._data[name] = new

    def __len__(self) -> int:
        """Number of rows, the dead ones too until `compact`."""
        return self._n

    def column(self, name: str) -> NDArray[Any]:
        """The live array of a column, by its name.

        Parameters
        ----------
        name
            Name of the column.

        Returns
        -------
        NDArray
            View of the rows; read-only in a guarded table unless the step declared to write it.

        Raises
        ------
        AttributeError
            If there is no such column, or a guarded step did not declare it.
        """
        if name not in self._data:
            raise AttributeError(f"{type(self).__name__} has no column {name!r}")
        view = self._data[name][: self._n]
        if self._guard is not None:
            reads, writes = self._guard
            if name not in writes and "*" not in writes:
                if name not in reads and "*" not in reads:
                    raise UndeclaredAccessError(f"{type(self).__name__}.{name} is read but not declared")
                view.flags.writeable = False
        return view

    def compact(self) -> NDArray[np.int32]:
        """Drop the dead rows, keeping the order of the others.

        Returns
        -------
        NDArray[np.int32]
            New row of each old row, -1 for the dropped: the map for other tables' references.
        """
        self._refuse_change("rows are dropped")
        alive = self._data["alive"][: self._n]
        new_row = np.where(alive, np.cumsum(alive, dtype=np.int32) - 1, -1).astype(np.int32)
        kept = int(alive.sum())
        if kept < self._n:
            for name, old in self._data.items():
                self._data[name] = old[: self._n][alive] if name != "alive" else np.ones(kept, np.bool_)
            self._n = kept
            self._generation += 1
        return new_row

    @property
    def generation(self) -> int:
        """How often rows were renumbered: row numbers taken before are worthless after."""
        return self._generation

    def row_of(self, identity: int) -> int:
        """Row of an identity, found by bisection as identities rise.

        Raises
        ------
        LookupError
            If the row was dropped or never existed.
        """
        known = self._data["id"][: self._n]
        row = int(np.searchsorted(known, identity))
        if row == self._n or known[row] != identity:
            raise LookupError(f"{type(self).__name__} has no row with id {identity}")
        return row

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Copies of all columns, and the next identity under `next_id`; ready for `np.savez`."""
        state = {name: data[: self._n].copy() for name, data in self._data.items()}
        state[NEXT_ID] = np.array([self._next_id], np.int64)
        return state

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Become what a snapshot holds.

        Parameters
        ----------
        state
            From `snapshot`.

        Raises
        ------
        ReproducibilityError
            If its columns, types or lengths are not those of this table; then nothing is changed.
        """
        self._refuse_change("rows are replaced")
        wanted = {
            **{name: column.dtype for name, column in self.columns.items()},
            NEXT_ID: np.dtype(np.int64),
        }
        got = {name: values.dtype for name, values in state.items()}
        if wanted != got:
            wrong = sorted(name for name in wanted.keys() | got.keys() if wanted.get(name) != got.get(name))
            raise ReproducibilityError(
                f"snapshot of {type(self).__name__}: columns differ: {', '.join(wrong)}"
            )
        if len({values.shape for name, values in state.items() if name != NEXT_ID}) != 1:
            raise ReproducibilityError(f"snapshot of {type(self).__name__}: columns differ in length")
        self._data = {name: state[name].copy() for name in self.columns}
        self._n = self._data["id"].shape[0]
        self._next_id = int(state[NEXT_ID][0])
        self._generation += 1

    @property
    def memory_bytes(self) -> int:
        """Memory held by the columns, spare room included [byte]."""
        return sum(data.nbytes for data in self._data.values())

    @classmethod
    def describe(cls) -> list[ColumnRow]:
        """The declared columns, in the order of their declaration."""
        return [
            ColumnRow(cls.__name__, name, str(c.dtype), c.unit, c.meaning, c.default.item())
            for name, c in cls.columns.items()
        ]

    @contextmanager
    def guarded(self, reads: frozenset[str], writes: frozenset[str]) -> Iterator[Self]:
        """Within the block only these columns can be taken, and only those of `writes` be written.

        "*" stands for all columns; in `writes` it also allows rows to be added or dropped.
        """
        before, self._guard = self._guard, (reads, writes)
        try:
            yield self
        finally:
            self._guard = before

    def _refuse_change(self, what: str) -> None:
        """In a guarded table rows come and go only for a step that declares to write all columns."""
        if self._guard is not None and "*" not in self._guard[1]:
            raise UndeclaredAccessError(
                f"{type(self).__name__}: {what}, but '*' is not among the declared writes"
            )


Table.columns = {name: value for name, value in vars(Table).items() if isinstance(value, Column)}


def _shown(value: object) -> str:
    """A value in a message: arrays by type, shape and range."""
    values = np.asarray(value)
    if values.ndim == 0:
        return repr(value)
    text = f"{values.dtype} of shape {values.shape}"
    if values.size and values.dtype.kind in "iuf":
        text += f" from {values.min()} to {values.max()}"
    return text
