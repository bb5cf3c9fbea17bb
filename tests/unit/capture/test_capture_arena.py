"""Columns that grow: the same rows in memory and in a file, also where a part of them is empty."""

from __future__ import annotations

import numpy as np
import pytest

from gryphon.sender.capture.arena import Arena


@pytest.mark.parametrize("in_memory", [0, 16, 1 << 20])
def test_rows_come_back_wherever_they_stand_and_empty_parts_add_nothing(in_memory: int) -> None:
    arena = Arena(np.int64, in_memory)
    for part in ([], [1, 2, 3], [], [4] * 5000, [5]):  # 3 and 5000: the last part begins in the middle of a page
        assert len(arena.extend(0)) == 0
        arena.extend(len(part))[:] = part
    assert arena.rows().tolist() == [1, 2, 3, *[4] * 5000, 5]
    assert len(Arena(np.int64, in_memory).rows()) == 0
