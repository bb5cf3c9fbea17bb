"""A process of ours tells what its work came to, whatever that was."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from gryphon.controller.errors import EnvironmentFault, InputFault
from gryphon.sender.process import Bug, Process, private_bytes


@contextmanager
def at_work(work: Callable[[], object]) -> Iterator[Process]:
    process = Process(work, [])
    try:
        yield process
    finally:
        process.close()


def result(work: Callable[[], object]) -> object:
    with at_work(work) as process:
        while True:
            assert select.select([process.pipe], [], [], 10)[0]
            if process.has_ended():
                return process.result()


def fail(error: BaseException) -> object:
    raise error


def test_what_the_work_gave_arrives_however_large() -> None:
    assert result(lambda: {"pid": os.getpid() != parent, "large": b"x" * 3_000_000}) == {
        "pid": True,
        "large": b"x" * 3_000_000,
    }


parent = os.getpid()


def test_a_fault_arrives_as_what_it_was() -> None:
    with pytest.raises(EnvironmentFault, match="the driver refuses"):
        result(lambda: fail(EnvironmentFault("the driver refuses")))
    with pytest.raises(InputFault):
        result(lambda: fail(InputFault("no")))


def test_any_other_error_is_a_bug_whose_traceback_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with pytest.raises(Bug, match=r"^ZeroDivisionError: "):
        result(lambda: 1 // 0)
    assert "Traceback" in caplog.text


def test_one_that_was_killed_is_named_with_the_signal() -> None:
    with pytest.raises(EnvironmentFault, match="was killed by SIGKILL"):
        result(lambda: os.kill(os.getpid(), signal.SIGKILL))


def test_signals_of_the_terminal_are_left_to_the_parent() -> None:
    assert result(lambda: [os.kill(os.getpid(), number) for number in (signal.SIGINT, signal.SIGTERM)]) == [None, None]


def test_one_that_does_not_end_is_ended() -> None:
    reading, writing = os.pipe()
    process = Process(lambda: os.read(reading, 1), [])
    process.close(patience_s=0.05)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    os.close(reading)
    os.close(writing)


def test_memory_of_its_own_is_what_it_has_written() -> None:
    held: list[bytearray] = []

    def grow() -> int:
        before = private_bytes()
        held.append(bytearray(20 << 20))
        held[0][::4096] = b"x" * (5 << 10)
        return private_bytes() - before

    grown = result(grow)
    assert isinstance(grown, int)
    assert 18 << 20 < grown < 24 << 20


def test_one_beside_the_run_that_failed_is_told_of_when_it_is_dismissed(caplog: pytest.LogCaptureFixture) -> None:
    Process(lambda: 1 // 0, []).dismiss("the live view", patience_s=10)
    assert "the live view had stopped by itself: ZeroDivisionError" in caplog.text


def test_one_that_ends_when_it_was_told_to_is_not_worth_a_word(caplog: pytest.LogCaptureFixture) -> None:
    Process(lambda: None, []).dismiss("the live view", patience_s=10)
    assert caplog.text == ""


def test_one_that_does_not_end_when_it_is_dismissed_is_ended() -> None:
    process = Process(signal.pause, [])
    process.dismiss("the live view", patience_s=0.1)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
