"""Files that are made to take long: what was days, or quadratic in the size of the file, ends within the test's time.

They come from tests/fuzz/hostile.py; ``make fuzz`` reads them with a bound on time and memory.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gryphon.controller.errors import InputFault
from gryphon.sender.capture.load import load
from tests.fuzz import hostile


def test_a_file_of_nothing_but_interfaces_ends(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(hostile.interfaces(4_000_000))
    with pytest.raises(InputFault, match=r"no TCP connection in .* \(0 packets\)"):
        load([str(path)], None)


def test_flows_that_were_chosen_to_collide_end(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(hostile.colliding_flows(30_000_000))
    with pytest.raises(InputFault, match="none of the 535715 sessions"):
        load([str(path)], None)
