"""The script: columns of a recording in microseconds at the run's speed."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from peer import MESSAGE_COLUMNS, SESSION_COLUMNS, Message, make_script

from gryphon.controller.errors import InputFault
from gryphon.sender.replay.script import LONGEST_US, PATIENCE_US, End, compile_script

TWO = [Message(100, gap_ms=5), Message(50, gap_ms=20, expect=300, answer_ms=8)]


@pytest.mark.parametrize(
    ("speed", "gaps"), [(1.0, [5000, 20_000, 7000]), (2.0, [2500, 10_000, 3500]), (math.inf, [0] * 3)]
)
def test_the_speed_divides_gaps(speed: float, gaps: list[int]) -> None:
    script = make_script(TWO, speed=speed, last_gap_ms=7)
    assert list(script.entries["gap"]) == gaps


@pytest.mark.parametrize("speed", [0.5, 1.0, 8.0, math.inf])
def test_the_speed_leaves_answers_settling_and_patience_as_recorded(speed: float) -> None:
    entries = make_script(TWO, speed=speed, last_gap_ms=7).entries
    assert list(entries["duration"]) == [0, 8000, 0]
    assert list(entries["settle"]) == [200_000] * 3
    assert list(entries["patience"] - PATIENCE_US) == [5000, 20_000, 7000]


@pytest.mark.parametrize("speed", [1.0, 8.0, math.inf])
def test_a_hold_takes_the_place_of_every_recorded_end_unscaled(speed: float) -> None:
    script = make_script(TWO, sessions=3, end=End.CLIENT_RST, last_expect=9, speed=speed, hold_s=10.5)
    assert list(script.sessions["end"]) == [End.HELD] * 3
    assert list(script.entries["patience"][script.entries["last"] == 1]) == [10_500_000] * 3
    assert list(script.entries["expect"]) == [0, 300, 9] * 3


def test_a_hold_forever_is_as_long_as_anything_can_be() -> None:
    assert make_script(TWO, hold_s=math.inf).entries["patience"][-1] == LONGEST_US


def test_a_held_session_without_a_message_waits_for_nothing() -> None:
    assert list(make_script([], last_expect=300).entries["expect"]) == [300]
    assert list(make_script([], last_expect=300, hold_s=1.0).entries["expect"]) == [0]


def test_only_the_end_entry_of_each_session_is_the_last() -> None:
    script = make_script(TWO, sessions=3)
    assert list(script.entries["last"]) == [0, 0, 1] * 3
    assert list(script.sessions["first"]) == [0, 3, 6]
    assert list(script.sessions["entries"]) == [3, 3, 3]


def test_stream_ends_add_up_to_the_stream() -> None:
    script = make_script(TWO)
    assert list(script.entries["stream_end"]) == [100, 150, 150]
    assert script.sessions["length"][0] == 150


def test_a_pipelined_message_does_not_begin_a_new_answer_but_one_after_a_long_pause_does() -> None:
    script = make_script([Message(1), Message(1, gap_ms=5), Message(1, gap_ms=1500), Message(1, gap_ms=5, expect=9)])
    assert list(script.entries["fresh"])[1:4] == [0, 1, 1]


def _recording(**columns: int) -> SimpleNamespace:
    sessions, messages = np.zeros(1, SESSION_COLUMNS), np.zeros(1, MESSAGE_COLUMNS)
    sessions["server_port"] = 80
    for name, value in columns.items():
        (sessions if name in SESSION_COLUMNS.names else messages)[name] = value
    return SimpleNamespace(sessions=sessions, messages=messages, payload=np.zeros(1, np.uint8))


def test_sessions_go_to_the_server_of_their_port() -> None:
    assert compile_script(_recording(server_port=443), {80: 0, 443: 5}, 1.0).sessions["target"][0] == 5


def test_a_gap_beyond_reason_is_bounded() -> None:
    script = compile_script(_recording(gap_ns=(1 << 63) - 1), {80: 0}, 1e-9)
    assert script.entries["gap"][0] == LONGEST_US


def test_an_answer_beyond_32_bits_is_bounded() -> None:
    assert compile_script(_recording(expect=1 << 40), {80: 0}, 1.0).entries["expect"][0] == 0xFFFFFFFF


def test_a_recorded_window_scale_of_none_is_within_its_bounds() -> None:
    assert compile_script(_recording(syn_window_scale=255), {80: 0}, 1.0).sessions["syn_scale"][0] <= 14


def test_a_stream_longer_than_half_of_the_sequence_numbers_is_refused() -> None:
    compile_script(_recording(length=2**31 - 1), {80: 0}, 1.0)
    with pytest.raises(InputFault, match="sends 2,147,483,648 bytes in one session: at most 2,147,483,647 can be"):
        compile_script(_recording(length=2**31), {80: 0}, 1.0)
