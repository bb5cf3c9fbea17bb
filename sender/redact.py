"""Command lines without what must not be read by others."""

from __future__ import annotations

from collections.abc import Sequence

_SECRETS = ("--token",)


def without_secrets(words: Sequence[str]) -> list[str]:
    """A command line that may be shown, logged and kept: what follows --token is not in it."""
    shown: list[str] = []
    for word in words:
        option, equals, _ = word.partition("=")
        if shown and shown[-1] in _SECRETS:
            shown.append("***")
        else:
            shown.append(f"{option}=***" if equals and option in _SECRETS else word)
    return shown
