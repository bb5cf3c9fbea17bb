"""Examples of trouble name users so that a person finds them: in the server's log, and in the recording."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conversations import Conversation, write_pcap

from gryphon.sender.capture.load import load
from gryphon.sender.capture.recording import Recording, Rules
from gryphon.sender.replay.addresses import BLOCK
from gryphon.sender.replay.arrivals import Arrivals
from gryphon.sender.replay.engine import Engine, Plan
from gryphon.sender.replay.examples import EACH, OTHER_CONTENT, OTHER_SIZE, new_examples
from gryphon.sender.replay.script import compile_script
from gryphon.sender.troubles import session_number, troubles


@pytest.fixture
def capture(tmp_path: Path) -> str:
    """Three conversations with port 80, and before and between them others: numbers 1, 3 and 4 of five."""
    packets = []
    for number, port in enumerate((25, 80, 25, 80, 80)):
        one = Conversation(client=f"10.0.0.{11 + number}", server_port=port).open(100 * number)
        one.say(100 * number + 5, b"hello")
        one.answer(100 * number + 6, b"welcome")
        one.close(100 * number + 10)
        packets += one.packets
    return write_pcap(tmp_path / "five.pcap", packets)


@pytest.fixture
def recording(capture: str) -> Recording:
    return load([capture], [80], Rules(), None)


def _engine(recording: Recording, users: int = 7, **share: int) -> Engine:
    blocks = np.zeros(1, BLOCK)
    blocks[0] = (0, 0xFFFF_0A11_0F01, 254, 0)
    plan = Plan(users, Arrivals(((0.0, 1000.0),)), blocks, [0], 1, **share)  # type: ignore[arg-type]
    return Engine(compile_script(recording, {80: 0}, 1.0), plan, 0)


def _met(engine: Engine, kind: int, place: int, **values: Any) -> None:
    row = engine.examples[kind * EACH + place]
    for name, value in {"used": 1, **values}.items():
        row[name] = value


def test_the_session_is_the_number_that_inspect_takes(capture: str, recording: Recording) -> None:
    assert [session_number(recording, user) for user in range(5)] == [1, 3, 4, 1, 3]
    for user in range(3):
        number = session_number(recording, user)
        line = [Path(sys.executable).with_name("gryphon"), "inspect", capture, "--session", str(number)]
        said = subprocess.run(line, capture_output=True, text=True, check=True).stdout
        assert f"session     {number} of 5, 10.0.0.{11 + number}:40000 -> 10.0.0.2:80" in said


def test_an_example_has_the_users_number_in_the_whole_run(recording: Recording) -> None:
    engine = _engine(recording, share=2, shares=3)
    _met(engine, 0, 0, row=1, loop=0)
    (row,) = troubles(engine, recording)
    assert (row["user"], row["session"]) == (5, session_number(recording, 5))
    assert row["address"] == str(engine.place(1, 0)[0])


def test_an_example_has_the_users_address_and_port_in_that_loop(recording: Recording) -> None:
    engine = _engine(recording)
    _met(engine, 0, 0, row=4, loop=1, message=2, time_us=1_234_567)
    (row,) = troubles(engine, recording)
    address, port = engine.place(4, 1)
    assert row == {
        "kind": "refused",
        "address": str(address),
        "port": port,
        "user": 4,
        "loop": 1,
        "session": 3,
        "message": 2,
        "time_s": 1.234567,
    }
    assert engine.place(4, 0) != engine.place(4, 1)


def test_another_size_says_both_and_another_content_how_it_began(recording: Recording) -> None:
    engine = _engine(recording)
    begins = np.frombuffer(b"-ERR\r\n\xff\0".ljust(32, b"."), np.uint8)
    _met(engine, OTHER_CONTENT, 0, begins=begins, seen=8)
    _met(engine, OTHER_SIZE, 0, wanted=7, got=12)
    size, content = troubles(engine, recording)
    assert (size["kind"], size["recorded_bytes"], size["bytes"]) == ("other_size", 7, 12)
    assert (content["kind"], content["begins"]) == ("other_content", r"-ERR\r\n\xff\x00")


def test_kinds_stand_in_their_order_and_each_in_the_order_of_time(recording: Recording) -> None:
    engine = _engine(recording)
    for kind, place, user in ((OTHER_SIZE, 0, 1), (3, 1, 2), (3, 0, 3), (0, 0, 4)):
        _met(engine, kind, place, row=user)
    assert [(row["kind"], row["user"]) for row in troubles(engine, recording)] == [
        ("refused", 4),
        ("early_close", 3),
        ("early_close", 2),
        ("other_size", 1),
    ]


def test_a_run_without_trouble_has_no_examples(recording: Recording) -> None:
    assert troubles(SimpleNamespace(examples=new_examples()), recording) == []  # type: ignore[arg-type]
