"""The Internet checksum is that of RFC 1071, wherever in the buffer the bytes start and however many they are."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gryphon.sender.transmit.checksum import as_words, at_every_byte, copy_and_sum, fold, sum_bytes


def reference(data: bytes) -> int:
    """RFC 1071, 1: 16-bit words added one by one, each carry added back at once."""
    total = 0
    for i in range(0, len(data), 2):
        total += int.from_bytes(data[i : i + 2].ljust(2, b"\0"), "big")
        total = (total & 0xFFFF) + (total >> 16)
    return total


@settings(deadline=None)  # the first example compiles
@given(data=st.binary(max_size=300), start=st.integers(0, 40))
@example(data=b"", start=3)
@example(data=b"\xff" * 65, start=1)
def test_a_sum_equals_the_reference_at_any_offset_and_length(data: bytes, start: int) -> None:
    buffer = np.frombuffer(b"\xa5" * start + data + b"\x5a" * 9, np.uint8)
    assert sum_bytes(buffer, as_words(buffer), start, len(data)) == reference(data)


@settings(deadline=None)  # the first example compiles
@given(data=st.binary(max_size=9), start=st.integers(0, 9))
def test_the_last_bytes_of_a_buffer_are_summed_though_they_fill_no_word(data: bytes, start: int) -> None:
    buffer = np.frombuffer(b"\xa5" * start + data, np.uint8)
    assert sum_bytes(buffer, as_words(buffer), start, len(data)) == reference(data)


@given(data=st.binary(max_size=300), start=st.integers(0, 40), at=st.integers(0, 40))
@example(data=b"\xff" * 65, start=1, at=2)
def test_copying_gives_the_bytes_and_their_sum_and_touches_no_others(data: bytes, start: int, at: int) -> None:
    source, into = np.frombuffer(b"\xa5" * start + data, np.uint8), np.full(400, 0x5A, np.uint8)
    eights = at_every_byte(into), at_every_byte(source)
    assert copy_and_sum(into, eights[0], at, source, eights[1], start, len(data)) == reference(data)
    assert into.tobytes() == (b"\x5a" * at + data).ljust(400, b"\x5a")


def test_the_longest_payload_does_not_overflow() -> None:
    buffer = np.full(65_535, 0xFF, np.uint8)
    assert sum_bytes(buffer, as_words(buffer), 0, 65_535) == reference(buffer.tobytes())
    into, eights = np.zeros_like(buffer), at_every_byte(buffer)
    assert copy_and_sum(into, at_every_byte(into), 0, buffer, eights, 0, 65_535) == reference(buffer.tobytes())


@settings(deadline=None)  # the first example compiles
@given(st.integers(0, 2**62))
def test_folding_keeps_the_value_of_the_ones_complement_sum(total: int) -> None:
    folded = fold(total)
    assert 0 <= folded <= 0xFFFF
    assert folded % 0xFFFF == total % 0xFFFF
    assert (folded == 0) == (total == 0)
