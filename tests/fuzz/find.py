"""What the fuzzer looks for."""

from __future__ import annotations


class Find(Exception):
    """Something that the reader must not do; ``key`` is the same for what is likely the same mistake."""

    def __init__(self, key: str, text: str) -> None:
        super().__init__(text)
        self.key = key
