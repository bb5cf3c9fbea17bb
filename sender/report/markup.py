"""HTML and SVG as text, written so that nothing out of a file can be anything but text.

``Markup`` is what may stand in a page as it is; mypy refuses any other string in its place. Strings become markup
through ``text``, and values of attributes are escaped always.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from typing import Final, NewType

Markup = NewType("Markup", str)

_UNPRINTABLE: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]"
)
"""What HTML forbids, and the marks that turn the direction of what follows."""

_VOID: Final = {"meta", "br", "link"}


def text(value: object, most: int = 2000) -> Markup:
    """A value as text, at most so many characters of it."""
    words = str(value)
    if len(words) > most:
        words = words[:most] + " ..."
    return Markup(html.escape(_UNPRINTABLE.sub("\ufffd", words)))


def element(name: str, /, *children: Markup, **attributes: object) -> Markup:
    """An element; of attributes' names underscores become hyphens, and one at the end is dropped (``class_``).

    An attribute that is None is left out.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value, 20_000)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{given}>" if name in _VOID else f"<{name}{given}>{join(children)}</{name}>")


def join(parts: Iterable[Markup], between: str = "") -> Markup:
    """Pieces one behind the other."""
    return Markup(between.join(parts))


def table(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> Markup:
    """A table, its first column a heading of the row, words to the left and numbers to the right.

    It scrolls by itself where the screen is narrow.
    """
    kinds = ["words" if any(row[at][:1].isalpha() for row in rows) else None for at in range(len(head))]
    top = element(
        "tr", *(element("th", text(word), scope="col", class_=kind) for word, kind in zip(head, kinds, strict=True))
    )
    body = [
        element(
            "tr",
            element("th", text(row[0], 120), scope="row"),
            *(element("td", text(cell, 300), class_=kind) for cell, kind in zip(row[1:], kinds[1:], strict=True)),
        )
        for row in rows
    ]
    made = element("table", element("caption", text(caption)), element("thead", top), element("tbody", *body))
    return element("div", made, class_="wide", tabindex="0", role="region", aria_label=caption)
