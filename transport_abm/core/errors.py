"""Errors and warnings of the package: each message says what was expected, what came, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One thing wrong with one input: where it is, what was expected, what was found."""

    file: str
    field: str
    expected: str
    got: str

    def __str__(self) -> str:
        got = self.got if len(self.got) <= 120 else self.got[:117] + "..."
        return f"{self.file}: {self.field}: expected {self.expected}, got {got}"


class TransportAbmError(Exception):
    """Base of every error that the package raises on purpose."""


class InputError(TransportAbmError, ValueError):
    """An input is wrong. Carries every fault of that input, one line each."""

    def __init__(self, faults: Fault | str | Iterable[Fault | str]) -> None:
        if isinstance(faults, (Fault, str)):
            faults = (faults,)
        self.faults: tuple[Fault | str, ...] = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))

    def __reduce__(self) -> tuple[type[InputError], tuple[tuple[Fault | str, ...]]]:
        return type(self), (self.faults,)


class ScenarioError(InputError):
    """A scenario file or object is wrong."""


class ParameterError(InputError):
    """A parameter is unknown or outside its range."""


class LeverError(InputError):
    """A lever is unknown, outside its bounds, or has no mechanism in the model yet."""


class NetworkError(InputError):
    """A city, network, timetable or boundary file is wrong."""


class ObservationError(InputError):
    """A table of observations is wrong."""


class MissingFactorError(TransportAbmError, KeyError):
    """A factor for a year or class is missing; it is never replaced by an average."""


class ConservationError(TransportAbmError):
    """Persons, vehicles, trips or flows do not close."""


class ReproducibilityError(TransportAbmError):
    """A snapshot, digest or stream does not match what it claims."""


class RunError(TransportAbmError):
    """A run failed; names the year and step."""


class StoreError(TransportAbmError):
    """A run directory is broken, or stands in the way."""


class MissingExtraError(TransportAbmError, ImportError):
    """An optional package is missing; names the extra to install."""


class TransportAbmWarning(UserWarning):
    """Base of the package's warnings."""


class ConvergenceWarning(TransportAbmWarning):
    """An equilibrium stopped before its threshold; its gap stands beside the outcomes."""


class SampleWarning(TransportAbmWarning):
    """The sample is too small for what is asked of it."""
