"""Rows of a table as a Mesa `AgentSet`: `ColumnAgentSet` with the whole public surface of Mesa's sets.

It is a table and an array of rows, or none at all for every row; handles of single agents are made only when
somebody asks for them. A `vectorized` behaviour is written once, for a set, and serves a single agent too.
"""

from __future__ import annotations

import builtins
import operator
import weakref
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any, Self

import numpy as np
from mesa.agent import AgentSet
from numpy.typing import ArrayLike, NDArray

from transport_abm.core.columns import Table
from transport_abm.core.errors import Fault, InputError

try:  # its home moved between Mesa 3.3 and 3.5
    from mesa.agentset import GroupBy
except ImportError:
    from mesa.agent import GroupBy

_EXACT: dict[Any, Callable[[NDArray[Any]], Any]] = {
    builtins.sum: lambda v: v.sum(dtype=np.float64 if v.dtype.kind == "f" else np.int64).item(),
    builtins.min: lambda v: v.min().item(),
    builtins.max: lambda v: v.max().item(),
}


class vectorized:
    """A behaviour written once, on a set of rows; `agent.behaviour()` runs it on a set of one row."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.__doc__ = function.__doc__
        self.name = function.__name__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, agent: Any, owner: type) -> Any:
        if agent is None:
            return self
        return lambda *args, **kwargs: self(agent, *args, **kwargs)

    def __call__(self, target: Any, *args: Any, **kwargs: Any) -> Any:
        """Run on a set as it is, or on one agent as a set of one; then a single result is a scalar."""
        if isinstance(target, ColumnAgentSet):
            return self.function(target, *args, **kwargs)
        result = self.function(target._binding.single(target), *args, **kwargs)
        return result[0].item() if isinstance(result, np.ndarray) and result.shape == (1,) else result


class Binding:
    """A table within a model: which handle class shows its rows, and the handles now in use."""

    def __init__(self, model: Any, agent_type: type, table: Table, slot: int) -> None:
        self.model, self.agent_type, self.table, self.slot = model, agent_type, table, slot
        self._handles: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "_handles"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._handles = weakref.WeakValueDictionary()

    def handle(self, row: int) -> Any:
        """The handle of a row: the same object as long as anybody holds it."""
        identity = int(self.table._data["id"][row])
        handle = self._handles.get(identity)
        if handle is None:
            handle = new_handle(self.agent_type, self, identity)
            self._handles[identity] = handle
        return handle

    def all(self) -> ColumnAgentSet:
        """Every agent alive; without dead rows no row numbers are stored."""
        alive = self.table._data["alive"][: len(self.table)]
        return ColumnAgentSet(self, None if alive.all() else np.flatnonzero(alive).astype(np.int32))

    def single(self, agent: Any) -> ColumnAgentSet:
        """Set of one agent."""
        return ColumnAgentSet(self, np.array([agent.row], np.int32))


def new_handle(agent_type: type, binding: Binding, identity: int) -> Any:
    """A handle that finds its row when first used, as its binding may still be half unpickled."""
    handle: Any = object.__new__(agent_type)
    handle.__dict__.update(_binding=binding, _id=identity, _row=-1, _generation=-1)
    return handle


class RowVerbs(AgentSet):  # type: ignore[misc]
    """What both kinds of sets share."""

    random: Random

    @classmethod
    def _from_iterable(cls, agents: Iterable[Any]) -> Any:
        """Result of `a & b`, `a | b`, ...: a set in the given order, each agent once."""
        from transport_abm.core.mesa_sets import gather  # the two files need each other

        return gather(dict.fromkeys(agents))

    def to_list(self) -> list[Any]:
        """All agents, as handles or objects."""
        return list(self)

    def shuffle_do(self, method: Any, *args: Any, **kwargs: Any) -> Self:
        """As `shuffle` then `do`; a vectorised behaviour sees all rows at once, in shuffled order."""
        self.shuffle().do(method, *args, **kwargs)
        return self

    def copy(self) -> Self:
        """A set of its own with the same members."""
        return self.__copy__()

    @abstractmethod
    def __copy__(self) -> Self:
        """As `copy`."""

    def remove(self, agent: Any) -> None:
        """Take an agent out of this set (not out of the model)."""
        if agent not in self:
            raise KeyError(agent)
        self.discard(agent)

    def pop(self) -> Any:
        """Take out and return the first agent."""
        if not len(self):
            raise KeyError("pop from an empty set")
        agent = self[0]
        self.discard(agent)
        return agent


class ColumnAgentSet(RowVerbs):
    """Agents of one table, in the order of `rows`; `rows=None` is every row there was when it was made."""

    def __init__(
        self, binding: Binding, rows: NDArray[np.int32] | None, random: Random | None = None
    ) -> None:
        self._binding, self._rows = binding, rows
        self._count = len(binding.table) if rows is None else len(rows)
        self._generation = binding.table.generation
        self.random = random or binding.model.random

    # rows and columns

    @property
    def table(self) -> Table:
        """The table behind the set."""
        return self._binding.table

    @property
    def model(self) -> Any:
        """The model that the agents live in."""
        return self._binding.model

    @property
    def rows(self) -> NDArray[np.int32]:
        """Row numbers, made on the spot where the set is every row."""
        self._check()
        return np.arange(self._count, dtype=np.int32) if self._rows is None else self._rows

    def _check(self) -> None:
        """Refuse to use row numbers from before rows were renumbered."""
        if self._generation != self.table.generation:
            raise RuntimeError(
                "the table was compacted or restored after this set was made: take the set anew"
            )

    def _index(self) -> Any:
        """What selects the set's rows in a column."""
        self._check()
        return slice(0, self._count) if self._rows is None else self._rows

    def col(self, name: str) -> NDArray[Any]:
        """Values of a column, for these rows (a view if the set is every row)."""
        values: NDArray[Any] = self.table.column(name)[self._index()]
        return values

    def put(self, name: str, value: ArrayLike) -> None:
        """Write a column for these rows: one value, or one for each."""
        if name not in self.table.columns:
            raise AttributeError(f"{type(self.table).__name__} has no column {name!r}")
        values, expected = self.table.columns[name].cast(value, self._count)
        if values is None:
            raise InputError(Fault(type(self.table).__name__, name, expected, repr(value)))
        self.table.column(name)[self._index()] = values

    def _sub(self, chosen: Any) -> ColumnAgentSet:
        """Set of some of the rows, by mask, positions or slice."""
        return ColumnAgentSet(self._binding, self.rows[chosen], self.random)

    def _become(self, other: ColumnAgentSet, inplace: bool) -> ColumnAgentSet:
        """This set with the other's members, or the other set."""
        if not inplace:
            return other
        self._rows, self._count = other._rows, other._count
        return self

    # the protocol of a set

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Any]:
        self._check()
        rows = range(self._count) if self._rows is None else map(int, self._rows)
        return map(self._binding.handle, rows)

    def __contains__(self, agent: object) -> bool:
        if getattr(agent, "_binding", None) is not self._binding:
            return False
        self._check()
        row: int = agent.row  # type: ignore[attr-defined]
        return row < self._count if self._rows is None else bool((self._rows == row).any())

    def __getitem__(self, item: int | slice) -> Any:
        self._check()
        rows: Any = range(self._count) if self._rows is None else self._rows
        chosen = rows[item]
        if isinstance(item, slice):
            return [self._binding.handle(int(row)) for row in chosen]
        return self._binding.handle(int(chosen))

    def __copy__(self) -> ColumnAgentSet:
        self._check()
        return ColumnAgentSet(self._binding, None if self._rows is None else self._rows.copy(), self.random)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self).copy()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def add(self, agent: Any) -> None:
        """Take an agent of the same table into this set."""
        if getattr(agent, "_binding", None) is not self._binding:
            raise TypeError(f"a set of {self._binding.agent_type.__name__} rows cannot hold {agent!r}")
        if agent not in self:
            self._rows = np.append(self.rows, np.int32(agent.row))
            self._count += 1

    def discard(self, agent: Any) -> None:
        """Take an agent out of this set if it is in it (not out of the model)."""
        if agent in self:
            self._become(self._sub(self.rows != agent.row), inplace=True)

    def clear(self) -> None:
        """Take all agents out of this set."""
        self._become(self._sub(slice(0, 0)), inplace=True)

    def _update(self, agents: Iterable[Any]) -> Self:
        """Hold these agents instead."""
        rows = np.array([agent.row for agent in agents], np.int32)
        self._rows, self._count, self._generation = rows, len(rows), self.table.generation
        return self

    # Mesa's verbs

    def select(
        self,
        filter_func: Callable[[Any], bool] | None = None,
        at_most: float = float("inf"),
        inplace: bool = False,
        agent_type: type | None = None,
        *,
        where: Callable[[ColumnAgentSet], Any] | ArrayLike | None = None,
    ) -> ColumnAgentSet:
        """As Mesa's; `where` is a mask, or makes one from the set: fast, while `filter_func` sees handles."""
        found = self
        if agent_type is not None and not issubclass(self._binding.agent_type, agent_type):
            found = found._sub(slice(0, 0))
        if where is not None:
            found = found._sub(np.asarray(where(found) if callable(where) else where, np.bool_))
        if filter_func is not None:
            found = found._sub(np.fromiter((bool(filter_func(a)) for a in found), np.bool_, len(found)))
        limit = int(len(self) * at_most) if isinstance(at_most, float) and at_most <= 1.0 else at_most
        if limit < len(found):
            found = found._sub(slice(0, int(limit)))
        return self._become(found, inplace) if inplace or found is not self else self.copy()

    def get(self, attr_names: Any, handle_missing: str = "error", default_value: Any = None) -> Any:
        """Values of one attribute (an array if it is a column), or a list of values for each agent."""
        if handle_missing not in ("error", "default"):
            raise ValueError(f"handle_missing: expected 'error' or 'default', got {handle_missing!r}")
        if isinstance(attr_names, str):
            return self._values(attr_names, handle_missing, default_value)
        values = [self._values(name, handle_missing, default_value) for name in attr_names]
        lists = [v.tolist() if isinstance(v, np.ndarray) else v for v in values]
        return [list(row) for row in zip(*lists, strict=True)]

    def _values(self, name: str, handle_missing: str, default_value: Any) -> Any:
        """Values of one attribute, copied."""
        if name in self.table.columns:
            return np.array(self.col(name))
        if handle_missing == "default":
            return [getattr(agent, name, default_value) for agent in self]
        return [getattr(agent, name) for agent in self]

    def agg(self, attribute: str, func: Any) -> Any:
        """As Mesa's; built-in sum, min and max work on the array, so that small integers cannot overflow."""
        if attribute not in self.table.columns:
            values: Any = self.get(attribute)
            return func(values) if callable(func) else [f(values) for f in func]
        column = self.col(attribute)
        return _aggregate(column, func) if callable(func) else [_aggregate(column, f) for f in func]

    def set(self, attr_name: str, value: Any) -> Self:
        """Give every agent a value; an array gives each agent its own."""
        if attr_name in self.table.columns:
            self.put(attr_name, value)
        else:
            for agent in self:
                setattr(agent, attr_name, value)
        return self

    def _kernel(self, method: Any) -> vectorized | None:
        """The vectorised behaviour of that name, if it is one."""
        found = getattr(self._binding.agent_type, method, None) if isinstance(method, str) else method
        return found if isinstance(found, vectorized) else None

    def do(self, method: Any, *args: Any, **kwargs: Any) -> Self:
        """Run a behaviour: once on all rows if it is vectorised, else agent by agent."""
        if (kernel := self._kernel(method)) is not None:
            kernel(self, *args, **kwargs)
        else:
            for agent in self:
                _call(agent, method, args, kwargs)
        return self

    def map(self, method: Any, *args: Any, **kwargs: Any) -> list[Any]:
        """As `do`, with the results of every agent."""
        if (kernel := self._kernel(method)) is None:
            return [_call(agent, method, args, kwargs) for agent in self]
        result = kernel(self, *args, **kwargs)
        return [None] * len(self) if result is None else np.asarray(result).tolist()

    def shuffle(self, inplace: bool = False) -> ColumnAgentSet:
        """The same agents in random order."""
        generator = np.random.default_rng(self.random.getrandbits(64))
        return self._become(self._sub(generator.permutation(self._count)), inplace)

    def sort(self, key: Any, ascending: bool = False, inplace: bool = False) -> ColumnAgentSet:
        """The same agents by an attribute or function, ties in their present order."""
        if not isinstance(key, str) or key not in self.table.columns:
            read = operator.attrgetter(key) if isinstance(key, str) else key
            keys = [read(agent) for agent in self]
            order = np.array(sorted(range(len(keys)), key=keys.__getitem__, reverse=not ascending), np.int64)
        elif ascending:
            order = np.argsort(self.col(key), kind="stable")
        else:
            order = self._count - 1 - np.argsort(self.col(key)[::-1], kind="stable")[::-1]
        return self._become(self._sub(order), inplace)

    def groupby(self, by: Any, result_type: str = "agentset") -> GroupBy:
        """Groups by an attribute or function, in the order in which their first members stand."""
        if isinstance(by, str) and by in self.table.columns:
            value = self.col(by)
            names = None
        else:
            read, place = by if callable(by) else operator.attrgetter(by), dict[Any, int]()
            value = np.array([place.setdefault(read(agent), len(place)) for agent in self], np.int64)
            names = list(place)
        position = np.argsort(value, kind="stable")
        ordered = value[position]
        start = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]][: len(ordered)])
        stop = np.append(start[1:], len(ordered))
        names = names if names is not None else ordered[start].tolist()
        groups: dict[Any, Any] = {
            names[i]: self._sub(position[start[i] : stop[i]]) for i in np.argsort(position[start])
        }
        if result_type != "agentset":
            groups = {name: list(members) for name, members in groups.items()}
        return ColumnGroupBy(groups)


class ColumnGroupBy(GroupBy):  # type: ignore[misc]
    """Mesa's `GroupBy` whose `agg` works on columns."""

    def agg(self, attr_name: str, func: Callable[..., Any]) -> dict[Any, Any]:
        """Aggregate of an attribute in each group."""
        return {
            name: group.agg(attr_name, func)
            if isinstance(group, RowVerbs)
            else func([getattr(agent, attr_name) for agent in group])
            for name, group in self.groups.items()
        }


def _call(agent: Any, method: Any, args: Any, kwargs: Any) -> Any:
    """A method by name, or a function of the agent."""
    if isinstance(method, str):
        return getattr(agent, method)(*args, **kwargs)
    return method(agent, *args, **kwargs)


def _aggregate(values: NDArray[Any], func: Callable[..., Any]) -> Any:
    """One aggregate, in double precision; only NumPy's own functions are trusted with small integers."""
    if func in _EXACT and values.size:
        return _EXACT[func](values)
    if values.dtype.kind == "f":
        values = values.astype(np.float64, copy=False)
    elif (getattr(func, "__module__", None) or "").partition(".")[0] != "numpy":
        values = values.astype(np.int64)
    return func(values)
