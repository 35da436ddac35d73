"""Mesa's face of the tables: handles that are real `mesa.Agent`s, the model, and the data collector.

    class Person(ColumnAgent):
        table = Persons

        @vectorized
        def step(people: ColumnAgentSet) -> None:
            people.put("age", people.col("age") + 1)

`model.attach(Person, persons)` puts 20 million persons into a model at no cost: `model.agents` and
`model.agents_by_type[Person]` hold row numbers at most. `person.step()` runs the same code on one row.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import mesa
import numpy as np
import pandas as pd
from mesa.agent import Agent
from numpy.typing import ArrayLike, NDArray

from transport_abm.core.columns import ID_LIMIT, Table
from transport_abm.core.errors import Fault, InputError
from transport_abm.core.mesa_rows import Binding, ColumnAgentSet, new_handle, vectorized
from transport_abm.core.mesa_sets import MixedAgentSet, gather

__all__ = [
    "ColumnAgent",
    "ColumnAgentSet",
    "ColumnDataCollector",
    "ColumnModel",
    "MixedAgentSet",
    "close_model",
    "gather",
    "vectorized",
]


MOST_TABLES = 2**63 // ID_LIMIT - 1
"""How many tables a model can hold: one stretch of identities is left to Mesa's own objects."""


class _Cell:
    """Attribute of a handle: one cell of a column."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, agent: Any, owner: type) -> Any:
        return self if agent is None else agent._binding.table.column(self.name)[agent.row].item()

    def __set__(self, agent: Any, value: Any) -> None:
        table = agent._binding.table
        cast, expected = table.columns[self.name].cast(value, 1)
        if cast is None:
            raise InputError(Fault(type(agent).__name__, self.name, expected, repr(value)))
        table.column(self.name)[agent.row] = cast


class ColumnAgent(Agent):  # type: ignore[misc]
    """A real `mesa.Agent` whose state is one row of a table; subclasses name it in `table`.

    `Person(model, age=30)` adds a row. `unique_id` is the row's `id` plus 2**59 for each table of the model
    up to its own, so that no two agents share one; it fits 64 bits for up to 15 tables.
    """

    table: ClassVar[type[Table]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not isinstance(getattr(cls, "table", None), type):
            raise TypeError(f"{cls.__name__}: name the table, as `table = Persons`")
        for name in cls.table.columns:
            taken = getattr(cls, name, None)
            if hasattr(cls, name) and not isinstance(taken, _Cell):
                raise TypeError(f"{cls.__name__}.{name} hides a column of {cls.table.__name__}")
            setattr(cls, name, _Cell(name))

    def __new__(cls, model: ColumnModel, **values: Any) -> Self:
        """Add one agent to the model's table."""
        agent: Self = cls.create_agents(model, 1, **values)[0]
        return agent

    def __init__(self, model: ColumnModel, **values: Any) -> None:
        """Nothing to do: the row is there, and Mesa's registration is for objects only."""

    @classmethod
    def create_agents(cls, model: ColumnModel, n: int, **values: ArrayLike) -> ColumnAgentSet:
        """Add n agents to the model's table, making it if there is none.

        Parameters
        ----------
        model
            The model.
        n
            Number of agents.
        values
            By column: one value for all, or one for each.

        Returns
        -------
        ColumnAgentSet
            The new agents.
        """
        if cls not in model.tables:
            model.attach(cls, cls.table.build(0))
        binding = model.binding(cls)
        rows = binding.table.append(n, **values)
        return ColumnAgentSet(binding, np.arange(rows.start, rows.stop, dtype=np.int32))

    @property
    def model(self) -> Any:
        """The model that the agent lives in."""
        return self._binding.model

    @property
    def row(self) -> int:
        """Row in the table now; LookupError once the agent is dead and its row dropped."""
        table = self._binding.table
        if self._generation != table.generation:
            self.__dict__.update(_row=table.row_of(self._id), _generation=table.generation)
        row: int = self._row
        return row

    @property
    def unique_id(self) -> int:
        """Identity among all agents of the model."""
        identity: int = self._binding.slot * ID_LIMIT + self._id
        return identity

    @property
    def pos(self) -> tuple[float, float] | None:
        """Place (x, y) if the table has such columns."""
        if "x" in self.table.columns and "y" in self.table.columns:
            return (self.x, self.y)
        return None

    def remove(self) -> None:
        """Die: the row is dropped when the table is next compacted."""
        self._binding.table.column("alive")[self.row] = False

    def __setattr__(self, name: str, value: Any) -> None:
        if not hasattr(getattr(type(self), name, None), "__set__"):
            raise AttributeError(f"{type(self).__name__} has no column {name!r}; declare it in its table")
        object.__setattr__(self, name, value)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return bool(other._binding is self._binding and other._id == self._id)

    def __hash__(self) -> int:
        return hash((id(self._binding), self._id))

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[type, Binding, int]]:
        return new_handle, (type(self), self._binding, self._id)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._id}>"


class ColumnModel(mesa.Model):  # type: ignore[misc]
    """A `mesa.Model` some of whose agents live in tables; overrides public members only.

    Parameters
    ----------
    rng
        Seed, a whole number: other kinds give other streams on other versions of Mesa.
    """

    def __init__(self, *, rng: int) -> None:
        if isinstance(rng, bool):
            raise TypeError("rng: expected a whole number, got a bool")
        self._bindings: dict[type, Binding] = {}
        super().__init__(rng=operator.index(rng))

    def attach(self, agent_type: type[ColumnAgent], table: Table) -> None:
        """Put the rows of a table into the model as agents.

        Parameters
        ----------
        agent_type
            Class of their handles.
        table
            The rows.

        Raises
        ------
        TypeError
            If the class has been given a table, or is not made for this kind of table, or the model has 15.
        """
        if len(self._bindings) == MOST_TABLES:
            raise TypeError(f"a model has at most {MOST_TABLES} tables, so that identities fit 64 bits")
        if agent_type in self._bindings:
            raise TypeError(f"{agent_type.__name__} has a table in this model")
        if not isinstance(table, agent_type.table):
            raise TypeError(
                f"{agent_type.__name__} needs {agent_type.table.__name__}, got {type(table).__name__}"
            )
        self._bindings[agent_type] = Binding(self, agent_type, table, len(self._bindings) + 1)

    def binding(self, agent_type: type) -> Binding:
        """The table of a class within this model."""
        return self._bindings[agent_type]

    @property
    def tables(self) -> Mapping[type, Table]:
        """The attached tables, by the class of their handles."""
        return {agent_type: binding.table for agent_type, binding in self._bindings.items()}

    @property
    def agents(self) -> Any:
        """All agents alive: Mesa's own objects, then each table."""
        objects = super().agents
        if not self._bindings:
            return objects
        return MixedAgentSet([objects, *(b.all() for b in self._bindings.values())], self.random)

    @agents.setter
    def agents(self, agents: Any) -> None:
        raise AttributeError("model.agents belongs to Mesa; attach a table or create agents instead")

    @property
    def agents_by_type(self) -> dict[type, Any]:
        """Agents alive by class; made anew on each call."""
        return {**super().agents_by_type, **{t: b.all() for t, b in self._bindings.items()}}

    @property
    def agent_types(self) -> list[type]:
        """Classes of agents in the model."""
        return [*super().agent_types, *self._bindings]

    def deregister_agent(self, agent: Any) -> None:
        """Take an agent out of the model."""
        if isinstance(agent, ColumnAgent):
            agent.remove()
        else:
            super().deregister_agent(agent)

    def remove_all_agents(self) -> None:
        """Take all agents out of the model; tables stay attached, empty, and never give an old id again."""
        super().remove_all_agents()
        for binding in self._bindings.values():
            binding.table.column("alive")[:] = False
            binding.table.compact()


class _Attribute:
    """Reporter of an attribute; unlike Mesa's own it can be pickled."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, agent: Any) -> Any:
        return getattr(agent, self.name)


class ColumnDataCollector(mesa.DataCollector):  # type: ignore[misc]
    """Mesa's `DataCollector` that copies columns where all reporters of a type are names of columns.

    Everything else is collected by Mesa, agent by agent: `agent_reporters` visit each row's handle, so prefer
    `agenttype_reporters` for large tables. Can be pickled unless a reporter is a lambda.
    """

    def __init__(
        self,
        model_reporters: Mapping[str, Any] | None = None,
        agent_reporters: Mapping[str, Any] | None = None,
        agenttype_reporters: Mapping[type, Mapping[str, Any]] | None = None,
        tables: Mapping[str, Any] | None = None,
    ) -> None:
        self._columns: dict[type, dict[str, str]] = {}
        self._records: dict[type, list[tuple[int, NDArray[Any], dict[str, NDArray[Any]]]]] = {}
        rest: dict[type, dict[str, Any]] = {}
        for agent_type, reporters in (agenttype_reporters or {}).items():
            known = agent_type.table.columns if issubclass(agent_type, ColumnAgent) else {}
            if all(isinstance(r, str) and r in known for r in reporters.values()):
                self._columns[agent_type], self._records[agent_type] = dict(reporters), []
            else:
                rest[agent_type] = _picklable(reporters)
        super().__init__(model_reporters, _picklable(agent_reporters or {}), rest, tables)

    def collect(self, model: Any) -> None:
        """Collect all reporters now."""
        super().collect(model)
        by_type = model.agents_by_type if self._columns else {}
        for agent_type, columns in self._columns.items():
            if agent_type in by_type:
                agents = by_type[agent_type]
                unique_id = agents.col("id") + model.binding(agent_type).slot * ID_LIMIT
                values = {name: agents.get(column) for name, column in columns.items()}
                self._records[agent_type].append((int(model.steps), unique_id, values))

    def get_agenttype_vars_dataframe(self, agent_type: type) -> pd.DataFrame:
        """Records of one type, by Step and AgentID."""
        if agent_type not in self._columns:
            stock: pd.DataFrame = super().get_agenttype_vars_dataframe(agent_type)
            return stock
        names = ["Step", "AgentID"]
        frames = [
            pd.DataFrame(values, index=pd.MultiIndex.from_arrays([np.full(len(ids), now), ids], names=names))
            for now, ids, values in self._records[agent_type]
        ]
        if frames:
            return pd.concat(frames)
        return pd.DataFrame(columns=list(self._columns[agent_type]))


def _picklable(reporters: Mapping[str, Any]) -> dict[str, Any]:
    """Reporters with names of attributes made into objects."""
    return {name: _Attribute(r) if isinstance(r, str) else r for name, r in reporters.items()}


def close_model(model: Any) -> None:
    """Let go of a finished model: Mesa up to 3.4.1 keeps every model that had an object agent alive."""
    ids = getattr(Agent, "_ids", None)
    if ids is not None:
        ids.pop(model, None)
