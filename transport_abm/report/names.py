"""Names of vehicle classes, powertrains, plates, fuels, scopes: the classes of outcomes in both languages."""

from __future__ import annotations

from enum import IntEnum

from transport_abm.core.vocabulary import (
    Accounting,
    ApplicantKind,
    Fuel,
    PlateKind,
    Powertrain,
    Scope,
    VehicleClass,
    label,
)
from transport_abm.report.texts import Texts

KINDS: tuple[type[IntEnum], ...] = (
    VehicleClass,
    Powertrain,
    Fuel,
    PlateKind,
    ApplicantKind,
    Scope,
    Accounting,
)


def vehicle_class_name(class_: str, words: Texts) -> str:
    """Label of a class of a vehicle or carbon outcome; parts joined by dots are named one by one.

    Parameters
    ----------
    class_
        Class as in the table of outcomes, such as ``private_car.bev`` or ``s1.direct``.
    words
        Language.

    Returns
    -------
    str
        The label; what has none stays as it is.
    """
    return " · ".join(_part(part, words) for part in class_.split(".")) if class_ else words("class.total")


def _part(part: str, words: Texts) -> str:
    """Label of one part."""
    for kind in KINDS:
        if part.upper() in kind.__members__:
            return label(kind[part.upper()], words.language)
    return words(f"class.{part}") if words.has(f"class.{part}") else part


def is_vehicle_class(class_: str) -> bool:
    """True if every part of a class is a word of vehicles, plates, fuels, scopes or accounting modes."""
    return all(any(part.upper() in kind.__members__ for kind in KINDS) for part in class_.split("."))
