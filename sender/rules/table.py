"""A table of a rules file, key by key: wrong types, bounds and unknown keys get one sentence each."""

from __future__ import annotations

from typing import Any

from gryphon.controller.errors import InputFault


class Table:
    """One rule's keys; ``label`` names the rule in every fault."""

    def __init__(self, label: str, keys: dict[str, Any]) -> None:
        self.label = label
        self._keys = keys
        self._known: set[str] = set()

    def fault(self, sentence: str) -> InputFault:
        """What refuses the rule."""
        return InputFault(f"{self.label}: {sentence}")

    def has(self, key: str) -> bool:
        """Whether the rule names the key."""
        return key in self._keys

    def get(self, key: str) -> Any:
        """The key's value as it stands; None without one."""
        self._known.add(key)
        return self._keys.get(key)

    def number(self, key: str, least: int, most: int) -> int | None:
        """A whole number in its bounds; None where the key is left out."""
        value = self.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.fault(f"{key} = {shown(value)}: give a whole number from {least:,} to {most:,}")
        return value

    def text(self, key: str) -> str | None:
        """A text; None where the key is left out."""
        value = self.get(key)
        if value is not None and not isinstance(value, str):
            raise self.fault(f"{key} = {shown(value)}: give a text in quotes")
        return value

    def flag(self, key: str) -> bool | None:
        """True or false; None where the key is left out."""
        value = self.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.fault(f"{key} = {shown(value)}: give true or false")
        return value

    def choice(self, key: str, *allowed: str) -> str | None:
        """One of these words; None where the key is left out."""
        value = self.text(key)
        if value is not None and value not in allowed:
            raise self.fault(f"{key} = {shown(value)}: give {' or '.join(allowed)}")
        return value

    def finish(self) -> None:
        """Refuse a key that nobody has asked for."""
        for key in self._keys:
            if key not in self._known:
                raise self.fault(f"the key {key} is not known: write one of {', '.join(sorted(self._known))}")


def shown(value: Any) -> str:
    """A value as a rules file spells it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else str(value)
