"""Base of every input schema: frozen, closed, strict, and with all faults in one error of the package."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from transport_abm.core.errors import Fault, InputError
from transport_abm.core.parameters import did_you_mean

LONGEST_SHOWN = 100

_WORDS = (
    ("Value error, ", ""),
    ("Input should be ", ""),
    ("String should match ", "a text that matches "),
    ("String should have ", "a text of "),
    ("Tuple should have ", "a list of "),
)


class Schema(BaseModel):
    """Base of every input: cannot be changed, takes no unknown field, documents itself."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        validate_default=True,
    )

    input_error: ClassVar[type[InputError]] = InputError

    if not TYPE_CHECKING:  # the checker keeps the typed signature of the fields

        def __init__(self, /, **data: Any) -> None:
            try:
                super().__init__(**data)
            except ValidationError as error:
                where = type(self).__name__
                raise self.input_error(faults_of(error, where, type(self))) from None


class FrozenValues(Mapping[str, float]):
    """Numbers by name, ordered by name; cannot be changed, can be hashed and pickled."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, float] | None = None) -> None:
        self._items = {name: float(value) for name, value in sorted((items or {}).items())}

    def __getitem__(self, name: str) -> float:
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(tuple(self._items.items()))

    def __eq__(self, other: object) -> bool:
        return dict(self) == dict(other) if isinstance(other, Mapping) else NotImplemented

    def __repr__(self) -> str:
        return repr(self._items)

    def __reduce__(self) -> tuple[type[FrozenValues], tuple[dict[str, float]]]:
        return type(self), (dict(self._items),)


def show(value: object) -> str:
    """Short text of any value, however large or deep."""
    if isinstance(value, int) and value.bit_length() > 4 * LONGEST_SHOWN:
        return "a whole number of more than 100 digits"
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a huge number inside, or brackets inside brackets without end
        return f"a {type(value).__name__} too large to show"
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 3] + "..."


def field_path(location: tuple[int | str, ...]) -> str:
    """Place of a field in words: ``levers[0].value``."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".") or "all"


def faults_of(error: ValidationError, file: str, schema: type[BaseModel]) -> list[Fault]:
    """Every fault of a validation error; those that hold a fault of the package keep its words."""
    faults: list[Fault] = []
    for item in error.errors(include_url=False):
        where = field_path(item["loc"])
        cause = item.get("ctx", {}).get("error")
        if isinstance(cause, InputError):
            faults.extend(_moved(fault, file, where) for fault in cause.faults)
        elif item["type"] == "extra_forbidden":
            known = schema.model_fields
            name = str(item["loc"][-1])
            expected = "one of " + ", ".join(known) + did_you_mean(name, known)
            faults.append(Fault(file, where, expected, f"the unknown field {show(name)}"))
        elif item["type"] == "missing":
            faults.append(Fault(file, where, "a value", "nothing"))
        else:
            faults.append(Fault(file, where, _expected(item["msg"]), show(item["input"])))
    return faults


def _expected(message: str) -> str:
    """Words of pydantic, turned so that they follow 'expected'."""
    for before, after in _WORDS:
        if message.startswith(before):
            return after + message.removeprefix(before)
    return message


def _moved(fault: Fault | str, file: str, where: str) -> Fault:
    """A fault found further down, told as a fault of this file."""
    if isinstance(fault, str):
        return Fault(file, where, fault, "a fault")
    field = fault.field if fault.field.startswith(where) else f"{where}.{fault.field}"
    return Fault(file, field, fault.expected, fault.got)


def moved_faults(error: InputError, file: str) -> list[Fault]:
    """Faults of an error, told as faults of a file."""
    return [
        Fault(file, fault.field, fault.expected, fault.got)
        if isinstance(fault, Fault)
        else Fault(file, "all", fault, "a fault")
        for fault in error.faults
    ]
