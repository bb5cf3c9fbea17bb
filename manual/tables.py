"""Tables of options in README.md and docs/: what each option means, in the words that a reader of the docs meets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

_OPTION = re.compile(r"(?<![\w-])-{1,2}[A-Za-z][\w-]*")


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        forms: its first column, Markdown: the options as they are written.
        meaning: its second, Markdown.
    """

    forms: str
    meaning: str

    @property
    def options(self) -> frozenset[str]:
        """The options that it is about."""
        code = " ".join(re.findall(r"`([^`]*)`", self.forms))
        return frozenset(_OPTION.findall(code))


def option_table(page: str, heading: str) -> list[Row]:
    """The rows of the first table after a heading.

    Args:
        page: of the project, such as ``docs/check.md``.
        heading: the beginning of its text; empty: the page's first table.

    Raises:
        LookupError: there is none.
    """
    lines = (ROOT / page).read_text().splitlines()
    start = 0
    if heading:
        starts = [at for at, line in enumerate(lines) if line.lstrip("# ").startswith(heading) and line.startswith("#")]
        if not starts:
            raise LookupError(f"{page} has no heading '{heading}'")
        start = starts[0]
    first = next((at for at in range(start, len(lines)) if lines[at].startswith("| option ")), None)
    if first is None:
        raise LookupError(f"{page} has no table of options behind '{heading}'")
    rows = []
    for line in lines[first + 2 :]:
        if not line.startswith("|"):
            break
        forms, meaning = (cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"), maxsplit=1))
        rows.append(Row(forms.replace("\\|", "|"), meaning.replace("\\|", "|")))
    return rows
