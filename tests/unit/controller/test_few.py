"""The shared memory of the first services and ranges always says which of them it has, and that it lacks the others."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gryphon.controller.few import FEW, Entries

WORDS = 3


class Memory:
    """What the program would see."""

    def __init__(self) -> None:
        self.words = np.zeros((FEW, WORDS), np.uint64)
        self.used, self.more = np.zeros(1, np.uint64), np.zeros(1, np.uint64)
        self.entries = Entries(self.words, self.used, self.more)

    def living(self) -> list[list[int]]:
        """The entries that count, of those that the program looks at."""
        return [[int(word) for word in entry] for entry in self.words[: int(self.used[0])] if entry[-1]]


STEPS = st.lists(st.tuples(st.booleans(), st.integers(1, 20), st.integers(1, 2**64 - 1)), max_size=80)


@given(STEPS)
def test_what_is_not_there_is_counted_and_settles_as_soon_as_there_is_room(steps: list[tuple[bool, int, int]]) -> None:
    memory, held = Memory(), dict[int, list[int]]()
    for adds, key, word in steps:
        if adds:
            held[key] = [key, word, key]
            memory.entries.set(key, held[key])
        else:
            held.pop(key, None)
            memory.entries.forget(key)
        living = memory.living()
        assert all(entry in held.values() for entry in living)
        assert len({entry[0] for entry in living}) == len(living) == min(len(held), FEW)
        assert int(memory.more[0]) == len(held) - len(living)


def test_an_entry_keeps_its_place_while_others_come_and_go() -> None:
    memory = Memory()
    for key in (1, 2, 3):
        memory.entries.set(key, [key, 0, 1])
    memory.entries.forget(1)
    memory.entries.set(4, [4, 0, 1])
    memory.entries.set(3, [3, 7, 1])
    assert memory.words[:4].tolist() == [[4, 0, 1], [2, 0, 1], [3, 7, 1], [0, 0, 0]]


def test_the_word_that_makes_an_entry_count_is_written_last_and_taken_away_first() -> None:
    written: list[tuple[int, int]] = []

    class Watched(np.ndarray[Any, Any]):
        def __setitem__(self, where: Any, value: Any) -> None:
            written.append((where[1], int(value)))
            super().__setitem__(where, value)

    memory = np.zeros((FEW, WORDS), np.uint64).view(Watched)
    entries = Entries(memory, np.zeros(1, np.uint64), np.zeros(1, np.uint64))
    entries.set("a", [5, 6, 7])
    entries.forget("a")
    assert written == [(0, 5), (1, 6), (-1, 7), (-1, 0)]
