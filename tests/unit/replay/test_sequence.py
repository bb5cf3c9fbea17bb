"""32-bit numbers that wrap."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gryphon.sender.replay.sequence import MASK, after, instant, plus, scramble

numbers = st.integers(0, MASK)


@given(numbers, st.integers(-(1 << 31), (1 << 31) - 1))
def test_after_undoes_plus(number: int, steps: int) -> None:
    assert after(plus(number, steps), number) == steps


@given(numbers, numbers)
def test_of_two_numbers_one_lies_after_the_other(a: int, b: int) -> None:
    if (a - b) & MASK != 1 << 31:
        assert after(a, b) == -after(b, a)


def test_order_holds_across_the_wrap() -> None:
    assert after(5, MASK - 4) == 10
    assert after(MASK - 4, 5) == -10


@given(numbers, st.integers(0, 1 << 40))
def test_an_instant_is_never_the_number_that_stands_for_none(number: int, steps: int) -> None:
    assert 1 <= instant(number, steps) <= MASK
    assert (instant(number, steps) - number - steps) & MASK in (0, 1)


def test_scramble_maps_different_numbers_to_different_numbers() -> None:
    assert len({int(scramble(value)) for value in range(50_000)}) == 50_000


@given(numbers)
def test_scramble_stays_in_32_bits(number: int) -> None:
    assert 0 <= int(scramble(number)) <= MASK
