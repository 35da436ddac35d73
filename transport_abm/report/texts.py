"""Every word of the report in English and Chinese, from two tables.

``texts.csv`` holds the report's own words by key. ``phrases.csv`` holds the Chinese of English texts that
come from elsewhere (definitions of outcomes, sources, facts of the bundled city), looked up by the English
text itself, so that a text that changes loses its translation instead of keeping a wrong one.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Literal

from transport_abm.core.errors import Fault, InputError
from transport_abm.report.markup import Markup, user_text

Language = Literal["en", "zh"]
_NUMBER = re.compile(r"\d+")
LANGUAGES: tuple[Language, ...] = ("en", "zh")


def read_rows(name: str) -> list[dict[str, str]]:
    """Rows of a table in ``report/data``."""
    text = (files("transport_abm") / "report" / "data" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@cache
def text_table() -> Mapping[str, Mapping[str, str]]:
    """The report's words: key to language to text."""
    return MappingProxyType({row["key"]: MappingProxyType(row) for row in read_rows("texts.csv")})


@cache
def phrase_table() -> Mapping[str, str]:
    """Chinese of English texts that come from elsewhere."""
    return MappingProxyType({row["en"]: row["zh"] for row in read_rows("phrases.csv")})


@dataclass(frozen=True)
class Texts:
    """Words of one language."""

    language: Language

    @property
    def zh(self) -> bool:
        """True for Chinese."""
        return self.language == "zh"

    @property
    def gap(self) -> str:
        """What stands between two sentences."""
        return "" if self.zh else " "

    def __call__(self, key: str, **values: object) -> str:
        """A text by its key, with its blanks filled in."""
        return text_table()[key][self.language].format(**values)

    def has(self, key: str) -> bool:
        """True if there is a text of this key."""
        return key in text_table()

    def either(self, en: str, zh: str) -> str:
        """The one of two texts that is in this language."""
        return zh if self.zh else en

    def translate(self, en: str) -> str:
        """A text written in English elsewhere, in this language where a translation is known."""
        if not self.zh:
            return en
        known = phrase_table().get(en.strip())
        if known is None:
            # A text with counts stands in the table with # in their places.
            known = phrase_table().get(_NUMBER.sub("#", en.strip()))
            for number in _NUMBER.findall(en) if known else ():
                known = str(known).replace("#", number, 1)
        return known or en

    def phrase(self, en: str) -> Markup:
        """The same as markup; what nobody has translated, such as what a user wrote, stays as it is."""
        return user_text(self.translate(en))

    def join(self, parts: list[str]) -> str:
        """Parts of an enumeration."""
        return ("、" if self.zh else ", ").join(parts)


def texts(language: str) -> Texts:
    """Words of a language.

    Parameters
    ----------
    language
        ``en`` or ``zh``.

    Returns
    -------
    Texts
        The words.

    Raises
    ------
    InputError
        If there is no such language.
    """
    for known in LANGUAGES:
        if language == known:
            return Texts(known)
    raise InputError(Fault("report", "language", " or ".join(LANGUAGES), repr(language)))
