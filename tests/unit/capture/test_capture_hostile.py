"""Files that are made to take long: what was days, or quadratic in the size of the file, ends within the test's time.

They come from tests/fuzz/hostile.py; ``make fuzz`` reads them with a bound on time and memory.
"""

from __future__ import annotations

import lzma
import zlib
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


def test_packets_in_thousands_of_fragments_end(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(hostile.fragments(20_000_000))
    with pytest.raises(InputFault, match="no TCP connection"):
        load([str(path)], None)


def test_of_many_link_types_that_cannot_be_read_ten_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "x"
    path.write_bytes(hostile.links(200_000))
    with pytest.raises(InputFault, match="be replayed"):
        load([str(path)], None)
    (line,) = [line for line in caplog.messages if "link type" in line]
    assert " more, which are left out" in line
    assert len(line) < 400


def test_a_file_that_asks_for_gigabytes_of_dictionary_is_refused(tmp_path: Path) -> None:
    """The block header's byte for the size of the dictionary (xz file format 5.3.1), with its checksum."""
    content = bytearray(lzma.compress(bytes(4000), preset=0))
    size = content[12] * 4
    where = content.index(b"\x21\x01", 12) + 2
    content[where] = 40  # 4 GiB
    content[12 + size : 16 + size] = zlib.crc32(content[12 : 12 + size]).to_bytes(4, "little")
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(InputFault, match=r"xz cannot unpack it .* \(Memory usage limit exceeded\)"):
        load([str(path)], None)
