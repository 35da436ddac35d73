"""Steps get what they ask for, and under check cannot touch what they did not declare."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from transport_abm.core.columns import Column, Table, UndeclaredAccessError
from transport_abm.core.errors import RunError
from transport_abm.core.steps import process_table, registered_steps, run_step, step


class Homes(Table):
    """A small table."""

    zone = Column(np.int16, "row", "home zone")
    car = Column(np.int8, "1", "cars")


@step(reads=("homes.zone", "flow"), writes=("homes.car",))
def buy(homes: Homes, flow: np.ndarray, more: int = 1) -> int:
    """Buy a car for every zone.

    More text.
    """
    homes.car[:] = homes.zone + more
    return len(flow)


@step(reads=("homes.zone",))
def write_in_secret(homes: Homes) -> None:
    """Write what is only read."""
    homes.zone[:] = 1


@step(writes=("homes.car",))
def read_in_secret(homes: Homes) -> None:
    """Read what is not declared."""
    homes.car[:] = homes.zone


@step(reads=("homes.zone", "flow"))
def write_array(homes: Homes, flow: np.ndarray) -> None:
    """Write an array that is only read."""
    flow[0] = 5


@step(writes=("flow", "homes.*"))
def add_rows(homes: Homes, flow: np.ndarray) -> None:
    """Add rows."""
    homes.append(1)
    flow[0] = 5


@pytest.mark.parametrize("check", [False, True])
def test_a_step_gets_its_arguments_by_name(check: bool) -> None:
    homes = Homes.build(2, zone=[3, 4])
    world = {"homes": homes, "flow": np.zeros(7), "unused": None}
    assert run_step(buy, world, check) == 7
    assert homes.car.tolist() == [4, 5]
    assert run_step(buy, {**world, "more": 2}, check) == 7
    assert homes.car.tolist() == [5, 6]
    homes.zone[:] = 0  # the guard is gone


@pytest.mark.parametrize(
    ("bad", "error"),
    [(write_in_secret, ValueError), (read_in_secret, UndeclaredAccessError), (write_array, ValueError)],
)
def test_check_refuses_what_is_not_declared(bad: object, error: type[Exception]) -> None:
    homes = Homes.build(2)
    world = {"homes": homes, "flow": np.zeros(2)}
    run_step(bad, world)
    with pytest.raises(error):
        run_step(bad, world, check=True)
    homes.car[:] = homes.zone  # the guard is gone after a failure too
    world["flow"][0] = 0


def test_a_step_that_declares_all_columns_may_add_rows() -> None:
    homes, flow = Homes.build(2), np.zeros(2)
    run_step(add_rows, {"homes": homes, "flow": flow}, check=True)
    assert len(homes) == 3 and flow[0] == 5


def test_missing_inputs_and_columns_are_named_with_a_hint() -> None:
    with pytest.raises(RunError, match=r"'homes' \(did you mean 'home'\?\).*available: flow, home"):
        run_step(buy, {"home": 1, "flow": 2})

    @step(reads=("homes.zones",))
    def misspelt(homes: Homes) -> None:
        """Read a column that is not there."""

    with pytest.raises(RunError, match="did you mean 'zone'"):
        run_step(misspelt, {"homes": Homes.build(1)})


def test_declarations_must_name_arguments() -> None:
    with pytest.raises(TypeError, match="'persons' is no argument"):
        step(reads=("persons.age",))(lambda homes: None)
    with pytest.raises(TypeError, match="name of its own"):
        step()(lambda *homes: None)


def test_the_process_table_is_made_of_the_declarations() -> None:
    assert process_table([add_rows, buy]) == [
        (1, "test_steps.add_rows", "Add rows.", "", "flow, homes.*"),
        (2, "test_steps.buy", "Buy a car for every zone.", "homes.zone, flow", "homes.car"),
    ]
    assert registered_steps()[f"{__name__}.buy"] is buy
    assert buy.needs == ("homes", "flow") and buy.accepts == ("more",)


def test_a_step_is_still_its_function() -> None:
    assert buy(Homes.build(1), np.zeros(1)) == 1
    assert buy.__doc__ is not None and buy.__doc__.startswith("Buy a car")
    assert pickle.loads(pickle.dumps(buy)) is buy
