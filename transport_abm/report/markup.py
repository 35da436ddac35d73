"""HTML and SVG as text, safe by default: every plain string is escaped, only ``Markup`` passes as it is."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_VOID = frozenset({"meta", "br", "hr", "line", "path", "rect", "circle", "polygon", "polyline", "use"})
_SVG_VOID = _VOID - {"meta", "br", "hr"}


class Markup(str):
    """Text that is HTML already and is not escaped again."""

    __slots__ = ()

    def __add__(self, other: str) -> Markup:
        return Markup(str.__add__(self, escape(other)))


def escape(text: object) -> Markup:
    """Escape a text for elements and quoted attributes; characters that HTML forbids become U+FFFD.

    Parameters
    ----------
    text
        Any object; ``Markup`` passes as it is.

    Returns
    -------
    Markup
        Safe text.
    """
    if isinstance(text, Markup):
        return text
    return Markup(html.escape(_ILLEGAL.sub("\ufffd", str(text)), quote=True))


def el(tag: str, *content: str | None, **attributes: object) -> Markup:
    """One element.

    Parameters
    ----------
    tag
        Name of the element.
    *content
        Children; plain strings are escaped, None is left out.
    **attributes
        Attributes; ``class_`` stands for class, underscores for hyphens, and None leaves one out.

    Returns
    -------
    Markup
        The element.
    """
    words = [tag]
    for name, value in attributes.items():
        if value is not None:
            shown = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else escape(value)
            words.append(f'{name.rstrip("_").replace("_", "-")}="{shown}"')
    inside = "".join(escape(part) for part in content if part is not None)
    if tag in _VOID and not inside:
        return Markup(f"<{' '.join(words)}{'/' if tag in _SVG_VOID else ''}>")
    return Markup(f"<{' '.join(words)}>{inside}</{tag}>")


def join(parts: Iterable[str | None], between: str = "") -> Markup:
    """Parts in a row, each escaped unless it is markup."""
    return Markup(escape(between).join(escape(part) for part in parts if part is not None))


def user_text(text: object) -> Markup:
    """A text that a user or a city wrote: escaped, and its writing direction kept to itself."""
    return el("bdi", str(text))
