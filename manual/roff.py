"""Text and inline Markdown as roff, in the macros of man(7)."""

from __future__ import annotations

import re
from collections.abc import Iterable

_INLINE = re.compile(r"`([^`]+)`|\[([^\]]+)\]\([^)]*\)|\*\*([^*]+)\*\*")


def escaped(text: str) -> str:
    """Plain text that roff takes literally: no line of it begins with a dot that would be a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^(?=[.'])", r"\\&", text, flags=re.M)


def inline(markdown: str) -> str:
    """Markdown of one paragraph: code and strong text bold, links as their text."""
    parts = []
    at = 0
    for found in _INLINE.finditer(markdown):
        parts.append(escaped(markdown[at : found.start()]))
        code, link, strong = found.groups()
        parts.append(escaped(_plain(link)) if link else f"\\fB{escaped(code or strong)}\\fR")
        at = found.end()
    parts.append(escaped(markdown[at:]))
    return "".join(parts)


def _plain(markdown: str) -> str:
    return markdown.replace("`", "")


def section(title: str, *paragraphs: str) -> list[str]:
    """A section of running text, each paragraph Markdown."""
    lines = [f".SH {title}"]
    for number, paragraph in enumerate(paragraphs):
        if number:
            lines.append(".PP")
        lines += _filled(inline(" ".join(paragraph.split())))
    return lines


def entry(tag: str, meaning: str) -> list[str]:
    """One entry of a list, both Markdown."""
    return [".TP", inline(tag), *_filled(inline(meaning))]


def example(text: str, words: str) -> list[str]:
    """A command as it is typed, and what it does."""
    return [".PP", *_filled(inline(words)), ".PP", ".RS 4", ".nf", *map(escaped, text.splitlines()), ".fi", ".RE"]


def header(name: str, section_number: int, date: str, source: str) -> list[str]:
    """The page's title line."""
    kind = {1: "User Commands", 8: "System Administration"}[section_number]
    return [f'.TH {escaped(name.upper())} {section_number} "{date}" "{source}" "{kind}"']


def page(lines: Iterable[str]) -> str:
    """The whole, without trailing spaces, which mandoc dislikes."""
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _filled(text: str) -> list[str]:
    """A new line after each sentence, as roff wants it, and so small differences between versions."""
    sentences = re.sub(r"(?<=[a-z0-9)R][.:?]) (?=[A-Z\\])", "\n", text).splitlines()
    return [re.sub(r"^(?=[.'])", r"\\&", sentence) for sentence in sentences]
