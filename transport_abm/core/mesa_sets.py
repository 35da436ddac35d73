"""Sets of several kinds of agents, chained: what `model.agents` is when some agents live in columns."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any, Self

import numpy as np
from mesa.agent import AgentSet

from transport_abm.core.mesa_rows import ColumnAgentSet, ColumnGroupBy, RowVerbs


class MixedAgentSet(RowVerbs):
    """Sets of several kinds, one after another; `shuffle` shuffles within each part."""

    def __init__(self, parts: Iterable[Any], random: Random) -> None:
        self._parts, self.random = [part for part in parts if len(part)], random

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __iter__(self) -> Iterator[Any]:
        return itertools.chain.from_iterable(self._parts)

    def __contains__(self, agent: object) -> bool:
        return any(agent in part for part in self._parts)

    def __getitem__(self, item: int | slice) -> Any:
        if isinstance(item, slice):
            return [self[i] for i in range(*item.indices(len(self)))]
        place = item + len(self) if item < 0 else item
        for part in self._parts:
            if 0 <= place < len(part):
                return part[place] if isinstance(part, ColumnAgentSet) else list(part)[place]
            place -= len(part)
        raise IndexError(item)

    def __copy__(self) -> MixedAgentSet:
        return MixedAgentSet(map(_own, self._parts), self.random)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self).copy()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def _become(self, parts: Iterable[Any], inplace: bool) -> MixedAgentSet:
        """This set with those parts, or a new one."""
        made = MixedAgentSet(parts, self.random)
        if not inplace:
            return made
        self._parts = made._parts
        return self

    def _update(self, agents: Iterable[Any]) -> Self:
        """Hold these agents instead."""
        self._parts = _runs(agents, self.random)
        return self

    def add(self, agent: Any) -> None:
        """Take an agent into this set, at its end."""
        if agent not in self:
            self._parts = [*self._parts, *_runs([agent], self.random)]

    def discard(self, agent: Any) -> None:
        """Take an agent out of this set if it is in it (not out of the model)."""
        parts = []
        for part in self._parts:
            if agent in part:
                part = _own(part)  # never touch the model's own set
                part.discard(agent)
            parts.append(part)
        self._become(parts, inplace=True)

    def clear(self) -> None:
        """Take all agents out of this set."""
        self._parts = []

    def select(
        self,
        filter_func: Callable[[Any], bool] | None = None,
        at_most: float = float("inf"),
        inplace: bool = False,
        agent_type: type | None = None,
    ) -> MixedAgentSet:
        """As Mesa's."""
        limit = int(len(self) * at_most) if isinstance(at_most, float) and at_most <= 1.0 else at_most
        parts = []
        for part in self._parts:
            if limit <= 0:
                break
            found = part.select(filter_func, agent_type=agent_type)
            found = found if len(found) <= limit else found.select(at_most=int(limit))
            limit -= len(found)
            parts.append(found)
        return self._become(parts, inplace)

    def get(self, attr_names: Any, handle_missing: str = "error", default_value: Any = None) -> list[Any]:
        """Values of one attribute, or a list of values for each agent."""
        values = (part.get(attr_names, handle_missing, default_value) for part in self._parts)
        return [x for part in values for x in (part.tolist() if isinstance(part, np.ndarray) else part)]

    def agg(self, attribute: str, func: Any) -> Any:
        """As Mesa's."""
        if len(self._parts) == 1:
            return self._parts[0].agg(attribute, func)
        values = self.get(attribute)
        return func(values) if callable(func) else [f(values) for f in func]

    def set(self, attr_name: str, value: Any) -> Self:
        """Give every agent a value."""
        for part in self._parts:
            part.set(attr_name, value)
        return self

    def do(self, method: Any, *args: Any, **kwargs: Any) -> Self:
        """Run a behaviour, part by part."""
        for part in self._parts:
            part.do(method, *args, **kwargs)
        return self

    def map(self, method: Any, *args: Any, **kwargs: Any) -> list[Any]:
        """As `do`, with the results of every agent."""
        return [result for part in self._parts for result in part.map(method, *args, **kwargs)]

    def shuffle(self, inplace: bool = False) -> MixedAgentSet:
        """The same agents in random order within each part."""
        return self._become((part.shuffle() for part in self._parts), inplace)

    def sort(self, key: Any, ascending: bool = False, inplace: bool = False) -> MixedAgentSet:
        """The same agents by an attribute or function, across the parts."""
        if len(self._parts) == 1:
            return self._become([self._parts[0].sort(key, ascending)], inplace)
        read = operator.attrgetter(key) if isinstance(key, str) else key
        ordered = sorted(self, key=read, reverse=not ascending)
        return self._become(_runs(ordered, self.random), inplace)

    def groupby(self, by: Any, result_type: str = "agentset") -> ColumnGroupBy:
        """Groups by an attribute or function, joined over the parts."""
        joined: dict[Any, list[Any]] = {}
        for part in self._parts:
            for name, members in part.groupby(by).groups.items():
                joined.setdefault(name, []).append(members)
        if result_type != "agentset":
            return ColumnGroupBy({n: list(itertools.chain.from_iterable(p)) for n, p in joined.items()})
        return ColumnGroupBy(
            {n: p[0] if len(p) == 1 else MixedAgentSet(p, self.random) for n, p in joined.items()}
        )


def gather(agents: Iterable[Any], random: Random | None = None) -> Any:
    """Set of any agents in the given order: columns where they can be, objects as Mesa keeps them."""
    parts = _runs(agents, random)
    if len(parts) == 1:
        return parts[0]
    return MixedAgentSet(parts, random or (parts[0].random if parts else Random(0)))


def _runs(agents: Iterable[Any], random: Random | None) -> list[Any]:
    """Runs of neighbours that belong to the same table, or to none."""
    parts: list[Any] = []
    for binding, run in itertools.groupby(agents, lambda agent: getattr(agent, "_binding", None)):
        if binding is None:
            parts.append(AgentSet(list(run), random=random))
        else:
            parts.append(ColumnAgentSet(binding, np.array([a.row for a in run], np.int32), random))
    return parts


def _own(part: Any) -> Any:
    """A copy whose membership can change without touching the model."""
    return part.copy() if isinstance(part, RowVerbs) else AgentSet(list(part), random=part.random)
