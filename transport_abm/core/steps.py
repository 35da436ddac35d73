"""Steps of the model: functions that ask for tables by argument name and declare what they read and write.

    @step(reads=("persons.age",), writes=("persons.licence",))
    def update_licence(persons: Persons, inputs: YearInputs) -> None:
        '''Adults gain or lose the driving licence.'''

The declarations print the process table of the ODD. Under `check=True` they are enforced: a column that is
not among the writes is read-only, one that is not among the reads either cannot be taken at all.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Generic, NamedTuple, ParamSpec, TypeVar

import numpy as np

from transport_abm.core.columns import Table
from transport_abm.core.errors import RunError
from transport_abm.core.parameters import did_you_mean

P = ParamSpec("P")
R = TypeVar("R", covariant=True)

_REGISTRY: dict[str, Step[..., object]] = {}


class ProcessRow(NamedTuple):
    """One step, as a row of the ODD's process table."""

    number: int
    step: str
    process: str
    reads: str
    writes: str


class Step(Generic[P, R]):
    """A function with its declarations; calling it calls the function.

    Attributes
    ----------
    name
        Last part of the module and the name, as "tours.draw".
    needs
        Names of the arguments that must be available.
    accepts
        Names of the arguments that are handed over if available (those with a default).
    reads, writes
        Declared "table.column", "table.*" for all columns (in writes also rows), or the name of an array.
    """

    def __init__(self, function: Callable[P, R], reads: tuple[str, ...], writes: tuple[str, ...]) -> None:
        functools.update_wrapper(self, function)
        self.function, self.reads, self.writes = function, reads, writes
        self.name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        arguments = inspect.signature(function).parameters.values()
        if any(a.kind in (a.VAR_POSITIONAL, a.VAR_KEYWORD, a.POSITIONAL_ONLY) for a in arguments):
            raise TypeError(f"step {self.name}: every argument needs a name of its own")
        self.needs = tuple(a.name for a in arguments if a.default is a.empty)
        self.accepts = tuple(a.name for a in arguments if a.default is not a.empty)
        for declaration in (*reads, *writes):
            table = declaration.partition(".")[0]
            if table not in (*self.needs, *self.accepts):
                raise TypeError(
                    f"step {self.name}: {declaration!r} is declared, but {table!r} is no argument"
                )

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    def __reduce__(self) -> str:
        """Pickled by name, as a function is."""
        return self.function.__qualname__

    def __repr__(self) -> str:
        return f"<step {self.name}>"

    @property
    def process(self) -> str:
        """First line of the docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    def columns(self, declarations: Iterable[str], table: str) -> frozenset[str]:
        """Declared columns of one table."""
        parts = (declaration.partition(".") for declaration in declarations)
        return frozenset(column or "*" for name, _, column in parts if name == table)


def step(
    *, reads: tuple[str, ...] = (), writes: tuple[str, ...] = ()
) -> Callable[[Callable[P, R]], Step[P, R]]:
    """Declare a function as a step.

    Parameters
    ----------
    reads
        What it reads: "table.column", "table.*", or the name of an array argument.
    writes
        What it writes, which it may read too; "table.*" if it adds or drops rows.

    Returns
    -------
    Callable
        The decorator.

    Raises
    ------
    TypeError
        If a declaration names no argument of the function.
    """

    def declare(function: Callable[P, R]) -> Step[P, R]:
        made = Step(function, tuple(reads), tuple(writes))
        _REGISTRY[f"{function.__module__}.{function.__qualname__}"] = made
        return made

    return declare


def run_step(step: Step[..., R], available: Mapping[str, object], check: bool = False) -> R:
    """Hand a step what it asks for and run it.

    Parameters
    ----------
    step
        The step.
    available
        Tables, arrays and inputs by the names that steps ask for.
    check
        Enforce the declarations: for tests, as it costs time and read-only arrays make Numba compile again.

    Returns
    -------
    R
        What the step returns.

    Raises
    ------
    RunError
        If something asked for is not available, or a declared column does not exist.
    """
    missing = [name for name in step.needs if name not in available]
    if missing:
        hints = ", ".join(repr(name) + did_you_mean(name, available) for name in missing)
        raise RunError(f"step {step.name} asks for {hints}; available: {', '.join(sorted(available))}")
    given = {name: available[name] for name in (*step.needs, *step.accepts) if name in available}
    _check_columns(step, given)
    if not check:
        return step.function(**given)
    with ExitStack() as guards:
        for name, value in given.items():
            reads, writes = step.columns(step.reads, name), step.columns(step.writes, name)
            if isinstance(value, Table):
                guards.enter_context(value.guarded(reads, writes))
            elif isinstance(value, np.ndarray) and not writes:
                given[name] = value.view()
                given[name].flags.writeable = False  # type: ignore[attr-defined]
        return step.function(**given)


def _check_columns(step: Step[..., object], given: Mapping[str, object]) -> None:
    """Every declared column exists."""
    for declaration in (*step.reads, *step.writes):
        name, _, column = declaration.partition(".")
        table = given.get(name)
        if isinstance(table, Table) and column not in ("", "*") and column not in table.columns:
            hint = did_you_mean(column, table.columns)
            raise RunError(
                f"step {step.name} declares {declaration!r}: {type(table).__name__} has none{hint}"
            )


def registered_steps() -> Mapping[str, Step[..., object]]:
    """Every step whose module is imported, by module and name, in the order of definition."""
    return dict(_REGISTRY)


def process_table(steps: Iterable[Step[..., object]]) -> list[ProcessRow]:
    """Rows of the ODD's process overview.

    Parameters
    ----------
    steps
        Steps in the order in which a year runs them.

    Returns
    -------
    list[ProcessRow]
        Number from 1, name, first line of the docstring, what it reads and writes.
    """
    return [
        ProcessRow(number, s.name, s.process, ", ".join(s.reads), ", ".join(s.writes))
        for number, s in enumerate(steps, start=1)
    ]
