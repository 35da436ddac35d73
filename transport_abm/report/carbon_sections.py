"""Sections of the report."""

from __future__ import annotations

from transport_abm.report.markup import Markup
from transport_abm.report.reading import Reading
from transport_abm.report.texts import Texts


def carbon_section(reading: Reading, words: Texts) -> Markup | None:
    """A section."""
    return None
