"""Numbers on the command line: what is none ends in one sentence with what to give."""

from __future__ import annotations

from collections.abc import Callable

from gryphon.controller.errors import InputFault


def whole(option: str, example: str) -> Callable[[str], int]:
    """A reader of an option's whole number; it raises ``InputFault``."""

    def read(text: str) -> int:
        try:
            return int(text)
        except ValueError as error:
            raise InputFault(
                f"{option} {text}: that is no whole number; give one such as {option} {example}"
            ) from error

    return read


def decimal(option: str, example: str) -> Callable[[str], float]:
    """The same of any number."""

    def read(text: str) -> float:
        try:
            return float(text)
        except ValueError as error:
            raise InputFault(f"{option} {text}: that is no number; give one such as {option} {example}") from error

    return read
