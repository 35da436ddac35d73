"""The vector model is an agent model: stepping agents singly, in any order, gives the batch's bits.

It holds for behaviours that read only their own row, or what others were before the step (synchronous
update).
"""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from transport_abm.core.columns import Column, Table
from transport_abm.core.draws import Stream, uniform
from transport_abm.core.mesa_view import ColumnAgent, ColumnAgentSet, ColumnModel, close_model, vectorized


class Walkers(Table):
    """Agents on a ring who move at random and grow richer or poorer."""

    place = Column(np.int32, "1", "place on the ring")
    wealth_cny = Column(np.float64, "CNY", "wealth", default=100)
    moves = Column(np.int16, "1", "number of moves so far")


class Walker(ColumnAgent):
    """One walker."""

    table = Walkers

    @vectorized
    def step(walkers: ColumnAgentSet) -> None:
        """Move if the first draw says so; the second draw changes the wealth."""
        model, identity = walkers.model, walkers.col("id")
        luck = uniform(model.seed, Stream.MOVE, identity, model.year, 1)
        moving = uniform(model.seed, Stream.MOVE, identity, model.year) < 0.4 + 0.2 * luck
        walkers.put("place", (walkers.col("place") + moving) % 7)
        walkers.put("moves", walkers.col("moves") + moving.astype(np.int16))
        walkers.put("wealth_cny", walkers.col("wealth_cny") * (0.9 + 0.2 * luck))


class Ring(ColumnModel):
    """Walkers, with some dead rows among them."""

    def __init__(self, seed: int, n: int, dead: int) -> None:
        super().__init__(rng=seed)
        self.seed, self.year = seed, 2020
        self.attach(Walker, Walkers.build(n, place=np.arange(n) % 7))
        self.table = self.tables[Walker]
        self.table.alive[:dead] = False


SIZES = {"seed": st.integers(0, 2**32), "n": st.integers(0, 25), "data": st.data()}


def same(a: Table, b: Table) -> bool:
    """Whether two tables hold the same bits."""
    mine, other = a.snapshot(), b.snapshot()
    return all(np.array_equal(mine[name], other[name]) for name in mine)


@settings(max_examples=60, deadline=None)
@given(**SIZES)
def test_stepping_singly_in_any_order_is_the_batch(seed: int, n: int, data: st.DataObject) -> None:
    dead = data.draw(st.integers(0, n))
    batch, singly = Ring(seed, n, dead), Ring(seed, n, dead)
    for year in (2020, 2021, 2022):
        batch.year = singly.year = year
        batch.agents.do("step")
        agents = list(singly.agents)
        for i in data.draw(st.permutations(range(len(agents)))):
            agents[i].step()
    assert same(batch.table, singly.table)
    assert n - dead < 15 or batch.table.moves.any()  # the behaviour does something
    assert not batch.table.moves[:dead].any()
    close_model(batch)
    close_model(singly)


@settings(max_examples=30, deadline=None)
@given(**SIZES)
def test_mesas_own_verbs_give_the_batch_too(seed: int, n: int, data: st.DataObject) -> None:
    models = [Ring(seed, n, 0) for _ in range(5)]
    models[0].agents.do("step")
    models[1].agents.shuffle_do("step")
    models[2].agents_by_type[Walker].map(lambda agent: agent.step())
    models[3].agents.do(Walker.step)
    models[4].agents.groupby("place").do("do", "step")
    assert all(same(models[0].table, model.table) for model in models[1:])


@settings(max_examples=30, deadline=None)
@given(**SIZES)
def test_the_living_do_not_feel_that_the_dead_are_dropped(seed: int, n: int, data: st.DataObject) -> None:
    dead = data.draw(st.integers(0, n))
    kept, dropped = Ring(seed, n, dead), Ring(seed, n, dead)
    dropped.table.compact()
    for model in (kept, dropped):
        model.agents.do("step")
    kept.table.compact()
    assert same(kept.table, dropped.table)
