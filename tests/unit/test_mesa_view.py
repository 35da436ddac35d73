"""Agents in columns behave as Mesa's own objects do, whatever verb of Mesa's sets is used on them."""

from __future__ import annotations

import copy
import gc
import inspect
import pickle
import types
import weakref
from collections.abc import Iterator

import mesa
import numpy as np
import pytest
from mesa.agent import Agent, AgentSet

from transport_abm.core.columns import Column, Table
from transport_abm.core.errors import InputError
from transport_abm.core.mesa_view import (
    ColumnAgent,
    ColumnAgentSet,
    ColumnDataCollector,
    ColumnModel,
    MixedAgentSet,
    close_model,
    gather,
    vectorized,
)

ZONE = [3, 1, 2, 3, 1, 2, 3]
INCOME = [5.0, 1.0, 5.0, 2.0, 9.0, 1.0, 4.0]


class Homes(Table):
    """State of the homes."""

    zone = Column(np.int8, "row", "home zone")
    income_cny = Column(np.float32, "CNY", "income")


class Home(ColumnAgent):
    """A home in a row."""

    table = Homes

    @vectorized
    def step(homes: ColumnAgentSet, by: int = 1) -> np.ndarray:
        """Move on."""
        homes.put("zone", homes.col("zone") + np.int8(by))
        return homes.col("zone")

    def shout(self, sign: str = "!") -> str:
        """A behaviour of one agent."""
        return f"{self.zone}{sign}"

    @property
    def double(self) -> int:
        """An attribute that is no column."""
        return 2 * self.zone


class PlainHome(Agent):
    """The same home as an object of Mesa's."""

    def __init__(self, model: mesa.Model, zone: int, income_cny: float) -> None:
        super().__init__(model)
        self.zone, self.income_cny = zone, income_cny

    def step(self, by: int = 1) -> int:
        """Move on."""
        self.zone += by
        return self.zone

    def shout(self, sign: str = "!") -> str:
        """A behaviour of one agent."""
        return f"{self.zone}{sign}"

    @property
    def double(self) -> int:
        """An attribute that is no column."""
        return 2 * self.zone


def count(model: mesa.Model) -> int:
    """Number of agents."""
    return len(model.agents)


class Town(ColumnModel):
    """Homes in columns beside plain objects."""

    def __init__(self, *, rng: int = 1, plain: bool = True) -> None:
        super().__init__(rng=rng)
        self.attach(Home, Homes.build(len(ZONE), zone=ZONE, income_cny=INCOME))
        self.plain = PlainHome.create_agents(self, len(ZONE), ZONE, INCOME) if plain else None
        self.collector = ColumnDataCollector(
            model_reporters={"count": count},
            agent_reporters={"zone": "zone"},
            agenttype_reporters={Home: {"z": "zone"}, PlainHome: {"z": "zone"}},
        )

    def step(self) -> None:
        """One year."""
        self.agents.do("step")
        self.collector.collect(self)


@pytest.fixture
def town() -> Iterator[Town]:
    """A town with seven homes of each kind."""
    model = Town()
    yield model
    close_model(model)


def both(town: Town) -> tuple[ColumnAgentSet, AgentSet]:
    """The same homes as columns and as objects."""
    return town.agents_by_type[Home], town.agents_by_type[PlainHome]


def seen(agents: object) -> list[tuple[int, float]]:
    """What the agents of a set are, in its order."""
    return [(agent.zone, agent.income_cny) for agent in agents]


# ---- the same answers as Mesa's own sets

SELECTIONS = [
    {},
    {"filter_func": lambda a: a.zone > 1},
    {"at_most": 2},
    {"at_most": 0.5},
    {"at_most": 1.0},
    {"at_most": 1},
    {"filter_func": lambda a: a.zone == 3, "at_most": 2},
    {"agent_type": mesa.Agent},
    {"agent_type": str},
]


@pytest.mark.parametrize("how", SELECTIONS)
@pytest.mark.parametrize("inplace", [False, True])
def test_select_chooses_whom_mesa_chooses(town: Town, how: dict[str, object], inplace: bool) -> None:
    columns, objects = (s.select() for s in both(town))
    chosen, expected = columns.select(**how, inplace=inplace), objects.select(**how, inplace=inplace)
    assert seen(chosen) == seen(expected)
    assert len(columns) == len(objects)
    assert (chosen is columns) == inplace


@pytest.mark.parametrize("key", ["zone", "income_cny", "double", lambda a: -a.income_cny])
@pytest.mark.parametrize("ascending", [False, True])
def test_sort_orders_as_mesa_does_even_among_ties(town: Town, key: object, ascending: bool) -> None:
    columns, objects = both(town)
    assert seen(columns.sort(key, ascending)) == seen(objects.sort(key, ascending))
    kept = columns.select()
    assert kept.sort(key, ascending, inplace=True) is kept
    assert seen(kept) == seen(objects.sort(key, ascending))


@pytest.mark.parametrize("by", ["zone", "income_cny", "double", lambda a: a.zone > 1])
def test_groupby_groups_as_mesa_does_in_the_same_order(town: Town, by: object) -> None:
    columns, objects = both(town)
    for kind in ("agentset", "list"):
        mine, theirs = columns.groupby(by, kind), objects.groupby(by, kind)
        assert {k: seen(g) for k, g in mine} == {k: seen(g) for k, g in theirs}
        assert list(mine.groups) == list(theirs.groups)
        assert mine.count() == theirs.count()
        assert mine.agg("zone", sum) == theirs.agg("zone", sum)
    assert len(columns.select(at_most=0).groupby(by)) == 0


@pytest.mark.parametrize("func", [sum, min, max, np.mean, np.median, len, lambda v: v[0], [sum, np.max]])
@pytest.mark.parametrize("name", ["zone", "income_cny", "double"])
def test_agg_gives_what_mesa_gives(town: Town, func: object, name: str) -> None:
    columns, objects = both(town)
    assert columns.agg(name, func) == objects.agg(name, func)


def test_agg_of_small_integers_cannot_overflow() -> None:
    model = ColumnModel(rng=1)
    model.attach(Home, Homes.build(1000, zone=100))
    homes = model.agents_by_type[Home]
    for func in (sum, np.sum, lambda values: sum(values)):
        assert homes.agg("zone", func) == 100_000
    assert model.agents.agg("zone", sum) == 100_000


def test_get_set_do_and_map_do_what_mesas_do(town: Town) -> None:
    columns, objects = both(town)
    for verb in ("do", "shuffle_do"):
        for method in ("step", lambda agent, by: agent.step(by)):
            assert getattr(columns, verb)(method, 2) is columns
            getattr(objects, verb)(method, 2)
    assert columns.get("zone").tolist() == objects.get("zone") == [z + 8 for z in ZONE]
    assert columns.map("step", by=3) == objects.map("step", by=3)
    assert columns.map("shout", "?") == objects.map("shout", "?")
    assert columns.get(["zone", "double"]) == objects.get(["zone", "double"])
    assert columns.get("double") == objects.get("double")
    missing = {"handle_missing": "default", "default_value": 7}
    assert columns.get(["zone", "nil"], **missing) == objects.get(["zone", "nil"], **missing)
    for agents in (columns, objects):
        agents.set("zone", 4)
        assert agents.agg("zone", sum) == 28
        with pytest.raises(AttributeError):
            agents.get("nil")
        with pytest.raises(ValueError, match="handle_missing"):
            agents.get("zone", handle_missing="maybe")


def test_shuffle_keeps_the_members_and_follows_the_models_seed() -> None:
    def order(rng: int) -> list[int]:
        model = ColumnModel(rng=rng)
        model.attach(Home, Homes.build(50))
        return [agent.row for agent in model.agents_by_type[Home].shuffle()]

    assert sorted(order(1)) == list(range(50))
    assert order(1) == order(1)
    assert order(1) != order(2)
    assert order(1) != list(range(50))


def test_the_algebra_of_sets_works(town: Town) -> None:
    homes = town.agents_by_type[Home]
    rich, one = homes.select(lambda a: a.income_cny > 3), homes.select(lambda a: a.zone == 1)
    assert seen(rich & one) == [(1, 9)]
    assert len(rich | one) == 5
    assert len(rich - one) == 3
    assert len(rich ^ one) == 4
    assert isinstance(rich & one, ColumnAgentSet)
    assert one <= homes and not homes <= one
    assert homes.isdisjoint(town.agents_by_type[PlainHome])
    assert homes.index(homes[3]) == 3 and homes.count(homes[3]) == 1
    assert next(reversed(homes)) == homes[-1] == homes[6]
    assert homes[1:3] == [homes[1], homes[2]]
    mixed = homes[:2] + list(town.agents_by_type[PlainHome])[:1] + homes[2:3]
    assert list(gather(mixed)) == mixed


@pytest.mark.parametrize("kind", ["columns", "mixed"])
def test_membership_of_a_set_changes_without_touching_the_model(town: Town, kind: str) -> None:
    agents = (town.agents_by_type[Home] if kind == "columns" else town.agents).copy()
    n, first = len(agents), agents[0]
    agents.discard(first)
    assert first not in agents and len(agents) == n - 1
    agents.discard(first)
    with pytest.raises(KeyError):
        agents.remove(first)
    agents.add(first)
    agents.add(first)
    assert agents[-1] == first and len(agents) == n
    second = agents.pop()
    assert second not in agents
    agents.clear()
    assert len(agents) == 0 and list(agents) == []
    with pytest.raises(KeyError):
        agents.pop()
    assert len(town.agents) == 14 and first in town.agents and second in town.agents


# ---- handles


def test_a_handle_is_a_mesa_agent_on_its_row(town: Town) -> None:
    home = town.agents_by_type[Home][2]
    assert isinstance(home, mesa.Agent)
    assert (home.model, home.row, home.zone, home.pos) == (town, 2, 2, None)
    assert home.random is town.random and home.rng is town.rng
    home.zone = 9
    assert town.tables[Home].zone[2] == 9
    assert home.step() == 10
    assert home.step(by=2) == 12
    assert Home.step(home) == 13
    assert town.agents_by_type[Home][2] is home is town.agents[9]
    assert len({home, town.agents_by_type[Home][2]}) == 1
    with pytest.raises(AttributeError, match="no column 'zoen'"):
        home.zoen = 1
    with pytest.raises(InputError, match="-128 to 127"):
        home.zone = 200


def test_no_two_agents_of_a_model_share_a_unique_id(town: Town) -> None:
    town.attach(Other, Homes.build(3, id=[0, 2**40, 2**59 - 1]))
    identities = [agent.unique_id for agent in town.agents]
    assert len(set(identities)) == len(identities) == 17
    for i in range(13):
        town.attach(type(f"Kind{i}", (ColumnAgent,), {"table": Homes}), Homes.build(1, id=[2**59 - 1]))
    assert max(agent.unique_id for agent in town.agents) == 2**63 - 1
    with pytest.raises(TypeError, match="at most 15 tables"):
        town.attach(type("Kind14", (ColumnAgent,), {"table": Homes}), Homes.build(1))


class Other(ColumnAgent):
    """Another kind of agent on the same kind of table."""

    table = Homes


def test_agents_are_born_and_die(town: Town) -> None:
    homes = town.agents_by_type[Home]
    child = Home(town, zone=6)
    assert (child.zone, child.row) == (6, 7)
    assert child in town.agents and child not in homes
    born = Home.create_agents(town, 2, zone=[7, 8])
    assert seen(born) == [(7, 0), (8, 0)]
    homes[0].remove()
    town.deregister_agent(homes[1])
    assert len(town.agents_by_type[Home]) == 8
    assert town.agents_by_type[Home].get("zone").tolist() == [*ZONE[2:], 6, 7, 8]
    dead, last = homes[0], homes[6]
    town.tables[Home].compact()
    assert (child.row, child.zone, last.row) == (5, 6, 4)
    with pytest.raises(LookupError):
        dead.zone  # noqa: B018
    with pytest.raises(RuntimeError, match="take the set anew"):
        homes.get("zone")


def test_all_agents_can_be_removed_and_old_ids_stay_old(town: Town) -> None:
    town.remove_all_agents()
    assert len(town.agents) == 0
    assert Home(town).id == 7


def test_the_first_agent_of_a_class_makes_its_table() -> None:
    model = ColumnModel(rng=1)
    assert Home(model, zone=3).zone == 3
    assert model.agent_types == [Home]


def test_handles_are_made_only_when_asked_for() -> None:
    model = ColumnModel(rng=1)
    model.attach(Home, Homes.build(1000))
    homes = model.agents_by_type[Home]
    homes.do("step").shuffle().sort("zone").agg("zone", sum)
    homes.select(where=lambda h: h.col("zone") == 1).groupby("zone").agg("zone", sum)
    assert len(model.binding(Home)._handles) == 0
    assert homes._rows is None
    assert sum(1 for _ in homes) == 1000
    assert len(model.binding(Home)._handles) <= 1


# ---- the model


def test_mesa_sees_both_kinds_of_agents(town: Town) -> None:
    assert isinstance(town.agents, AgentSet) and isinstance(town.agents_by_type[Home], AgentSet)
    assert set(town.agent_types) == {PlainHome, Home} == set(town.agents_by_type)
    assert len(town.agents) == 14
    assert town.agents.get("zone") == ZONE + ZONE
    assert town.agents.map("step") == [z + 1 for z in ZONE + ZONE]
    assert seen(town.agents.select(lambda a: a.zone == 2)) == [(2, 1), (2, 9), (2, 1), (2, 9)]
    assert len(town.agents.select(at_most=9)) == 9
    assert len(town.agents.select(at_most=0.5)) == 7
    assert list(town.agents.select(agent_type=Home)) == list(town.agents_by_type[Home])
    ordered = town.agents.sort("zone", ascending=True)
    assert ordered.get("zone") == sorted(town.agents.get("zone"))
    assert town.agents.groupby("zone").count() == {4: 6, 2: 4, 3: 4}
    assert town.agents.groupby("zone", "list").agg("zone", sum) == {4: 24, 2: 8, 3: 12}
    assert town.agents.agg("zone", [min, max]) == [2, 4]
    assert sorted(a.unique_id for a in town.agents.shuffle()) == sorted(a.unique_id for a in town.agents)
    assert town.agents.set("zone", 5).agg("zone", sum) == 70
    assert len(town.agents & town.agents_by_type[Home]) == 7
    assert town.agents[-1] == town.agents.to_list()[-1] and town.agents[5:9] == list(town.agents)[5:9]
    with pytest.raises(IndexError):
        town.agents[14]
    with pytest.raises(AttributeError):
        town.agents = []


@pytest.mark.parametrize("rng", [None, True, 1.5, "1", np.random.default_rng(1)])
def test_the_seed_is_a_whole_number_and_nothing_else(rng: object) -> None:
    with pytest.raises(TypeError):
        ColumnModel(rng=rng)
    assert ColumnModel(rng=np.int64(3)).rng.random() == ColumnModel(rng=3).rng.random()


def test_tables_are_attached_once_and_to_their_own_class(town: Town) -> None:
    with pytest.raises(TypeError, match="has a table"):
        town.attach(Home, Homes.build(1))
    with pytest.raises(TypeError, match="needs Homes, got Table"):
        town.attach(Other, Table.build(1))
    with pytest.raises(TypeError, match="hides a column"):
        type("Bad", (ColumnAgent,), {"table": Homes, "zone": 1})
    with pytest.raises(TypeError, match="name the table"):
        type("Bad", (ColumnAgent,), {})


def test_the_collector_records_columns_and_objects_alike(town: Town) -> None:
    town.step()
    town.agents_by_type[Home][0].remove()
    town.step()
    assert town.collector.get_model_vars_dataframe()["count"].tolist() == [14, 13]
    columns = town.collector.get_agenttype_vars_dataframe(Home)
    objects = town.collector.get_agenttype_vars_dataframe(PlainHome)
    assert columns.index.names == objects.index.names == ["Step", "AgentID"]
    assert columns.loc[1]["z"].tolist() == objects.loc[1]["z"].tolist() == [z + 1 for z in ZONE]
    assert columns.loc[2]["z"].tolist() == objects.loc[2]["z"].tolist()[1:]
    assert columns.loc[2].index[0] == town.agents_by_type[Home][0].unique_id
    assert len(town.collector.get_agent_vars_dataframe()) == 14 + 13


def test_a_pickled_model_goes_on_as_the_original_does(town: Town) -> None:
    town.step()
    town.mayor = town.agents_by_type[Home][4]
    twin = pickle.loads(pickle.dumps(town))
    assert twin.mayor.zone == town.mayor.zone and twin.mayor.model is twin
    assert twin.mayor == twin.agents_by_type[Home][4]
    assert twin.mayor in twin.agents
    for model in (town, twin):
        model.step()
        model.agents.shuffle_do("step")
    assert twin.agents.get("zone") == town.agents.get("zone")
    assert twin.tables[Home] is not town.tables[Home]
    assert twin.collector.get_agent_vars_dataframe().equals(town.collector.get_agent_vars_dataframe())
    agents = pickle.loads(pickle.dumps(town.agents_by_type[Home].select(at_most=2)))
    assert seen(agents) == seen(town.agents_by_type[Home])[:2]
    assert seen(copy.copy(town.agents)) == seen(town.agents)
    close_model(twin)


def test_a_closed_model_is_freed() -> None:
    model = Town()
    model.step()
    alive = weakref.ref(model)
    close_model(model)
    del model
    gc.collect()
    assert alive() is None


# ---- nothing of Mesa's may look for objects behind our sets


def code_names(code: types.CodeType) -> set[str]:
    """Every attribute and global that a function mentions, in inner functions too."""
    inner = (code_names(c) for c in code.co_consts if isinstance(c, types.CodeType))
    return set(code.co_names).union(*inner)


@pytest.mark.parametrize("kind", [ColumnAgentSet, MixedAgentSet])
def test_no_method_of_mesas_sets_reaches_for_storage_we_do_not_have(kind: type) -> None:
    theirs = {type(mesa.Model(rng=1).agents), AgentSet}
    names = {name for t in theirs for name in dir(t) if not name.startswith("_") or name.startswith("__")}
    private = {"_agents", "_update"}
    for name in names:
        function = inspect.getattr_static(kind, name, None)
        assert function is not None or name in vars(object) or name.startswith("__"), f"{name} is missing"
        function = getattr(function, "__func__", function)
        if isinstance(function, types.FunctionType) and function.__module__.startswith("mesa"):
            assert not code_names(function.__code__) & private, f"{kind.__name__}.{name} is Mesa's own"
