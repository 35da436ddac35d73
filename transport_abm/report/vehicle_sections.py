"""Sections of the report."""

from __future__ import annotations

from transport_abm.report.markup import Markup
from transport_abm.report.reading import Reading
from transport_abm.report.texts import Texts


def vehicle_section(reading: Reading, words: Texts) -> Markup | None:
    """A section."""
    return None


def plate_section(reading: Reading, words: Texts) -> Markup | None:
    """A section."""
    return None


def fleet_section(reading: Reading, words: Texts) -> Markup | None:
    """A section."""
    return None
