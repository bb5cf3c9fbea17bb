"""The loop of a run with a wire of the test's own: back-pressure, interrupts, a lost grant."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gryphon.controller.errors import GrantLost
from gryphon.controller.record import RECORD
from gryphon.sender.intercepts import Batch
from gryphon.sender.loop import Loop, Stop
from gryphon.sender.replay.packet import PACKET
from gryphon.sender.results.verdict import Ending


class Engine:
    """Sends a batch a step until it has none left; counts what it is asked for."""

    def __init__(self, batches: int = 3, takes: int = 1 << 30, open_users: int = 5) -> None:
        self.left, self.takes, self.open_users = batches, takes, open_users
        self.consumed, self.aborts, self.served, self.refused = 0, 0, 0, list[int]()
        self.serial = 0
        self.starts = list[int]()
        self.behind = False

    @property
    def finished(self) -> bool:
        return self.left == 0

    def _batch(self, size: int) -> Any:
        packets = np.zeros(size, PACKET)
        packets["row"] = np.arange(self.serial, self.serial + size)
        self.serial += size
        return packets

    def step(self, now: int, records: Any, samples: Any, starts: int) -> Any:
        self.starts.append(starts)
        assert [bytes(sample) for sample in samples] == [seq.tobytes() for seq in records["seq"]]
        self.consumed = min(len(records), self.takes)
        self.served += self.consumed
        self.left -= 1 if self.consumed == len(records) and self.left else 0
        return self._batch(4)

    def abort(self, now: int) -> Any:
        self.aborts += 1
        size = min(self.open_users, 2)
        self.open_users -= size
        return self._batch(size), self.open_users == 0

    def note_refused(self, rows: Any) -> None:
        self.refused += list(rows)

    def idle_ns(self, now: int) -> int:
        return 0


class Transmitter:
    """Takes at most ``room`` packets a call; every second call takes none."""

    def __init__(self, room: int = 100, refused: list[int] | None = None, jam: bool = False) -> None:
        self.room, self.refused, self.jam = room, refused or [], jam
        self.sent, self.waits, self.calls = list[int](), 0, 0
        self.on_wait: Callable[[], None] = lambda: None

    def send(self, packets: Any) -> int:
        self.calls += 1
        taken = 0 if self.jam else min(self.room, len(packets))
        if self.room < 4 and self.calls % 2:
            taken = 0
        self.sent += [int(row) for row in packets["row"][:taken]]
        return taken

    def wait_writable(self, timeout_s: float) -> None:
        self.waits += 1
        self.on_wait()

    def refused_rows(self) -> Any:
        rows, self.refused = np.array(self.refused, np.uint32), []
        return rows


class Source:
    """Records, then what the test wants to happen; ``kept`` is what happens when nobody reads."""

    def __init__(
        self,
        batches: list[int] | None = None,
        then: Callable[[], None] = lambda: None,
        kept: Callable[[], None] = lambda: None,
    ) -> None:
        self.batches, self.then, self.keep = batches or [], then, kept

    def read(self) -> Any:
        """A batch whose samples are the sequence numbers of their records."""
        if not self.batches:
            self.then()
        records = np.zeros(self.batches.pop(0) if self.batches else 0, RECORD)
        records["seq"] = np.arange(len(records))
        return Batch(records, records["seq"].copy().view(np.uint8).reshape(-1, 4))

    def wait(self, seconds: float) -> None:
        raise AssertionError("the loop sleeps though packets were sent")


def _run(engine: Engine, transmitter: Transmitter, source: Source) -> tuple[Ending, Loop]:
    with Stop() as stop:
        loop = Loop(engine, transmitter, source, lambda now: None, stop)  # type: ignore[arg-type]
        return loop.run(), loop


def _raise(fault: Exception) -> None:
    raise fault


def _signal(number: int = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)


def test_a_run_ends_when_the_engine_has_finished() -> None:
    ending, loop = _run(engine := Engine(), transmitter := Transmitter(), Source())
    assert ending is Ending.FINISHED
    assert transmitter.sent == list(range(12))
    assert engine.aborts == 0
    assert loop.ended_ns > 0


@pytest.mark.parametrize("room", [1, 3])
def test_back_pressure_delays_packets_and_loses_none(room: int) -> None:
    ending, _ = _run(Engine(), transmitter := Transmitter(room), Source())
    assert ending is Ending.FINISHED
    assert transmitter.sent == list(range(12))
    assert transmitter.waits > 0


def test_every_record_is_served_however_few_a_step_takes() -> None:
    _run(engine := Engine(takes=7), Transmitter(), Source([100, 9000]))
    assert engine.served == 9100


def test_more_users_start_in_a_turn_while_some_have_to_wait() -> None:
    class Behind(Engine):
        @property
        def finished(self) -> bool:
            self.behind = self.left > 4
            return self.left == 0

    engine = Behind(batches=9)
    _run(engine, Transmitter(), Source())
    assert engine.starts == [256, 512, 1024, 1024, 1024, 1024, 512, 256, 256]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_resets_every_open_connection(number: int) -> None:
    engine = Engine(batches=1 << 30)
    ending, _ = _run(engine, transmitter := Transmitter(), Source(then=lambda: _signal(number)))
    assert ending is Ending.INTERRUPTED
    assert engine.open_users == 0
    assert engine.aborts == 3
    assert transmitter.sent == list(range(engine.serial))


def test_a_second_signal_leaves_at_once() -> None:
    """Even in the middle of back-pressure that never ends."""
    engine, transmitter = Engine(batches=1 << 30), Transmitter(jam=True)
    transmitter.on_wait = _signal
    ending, _ = _run(engine, transmitter, Source())
    assert ending is Ending.INTERRUPTED
    assert transmitter.sent == []
    assert engine.aborts == 0


def test_a_lost_grant_sends_nothing_more_not_even_resets() -> None:
    engine = Engine(batches=1 << 30)
    lost = GrantLost("the intercept is gone")
    ending, loop = _run(engine, transmitter := Transmitter(), Source([5], then=lambda: _raise(lost)))
    assert ending is Ending.GRANT_LOST
    assert loop.lost is lost
    assert engine.aborts == 0
    assert transmitter.sent == [0, 1, 2, 3]


def test_a_grant_that_is_lost_while_the_device_is_full_sends_nothing_of_what_waits() -> None:
    engine, transmitter = Engine(batches=1 << 30), Transmitter(jam=True)
    ending, loop = _run(engine, transmitter, Source(kept=lambda: _raise(GrantLost("gone"))))
    assert ending is Ending.GRANT_LOST
    assert (transmitter.calls, transmitter.sent, engine.aborts) == (1, [], 0)
    assert str(loop.lost) == "gone"


def test_a_grant_is_kept_while_connections_are_reset_and_its_loss_ends_that() -> None:
    engine = Engine(batches=1 << 30, open_users=10)
    source = Source(then=_signal, kept=lambda: _raise(GrantLost("gone")) if engine.aborts == 2 else None)
    ending, _ = _run(engine, Transmitter(), source)
    assert ending is Ending.GRANT_LOST
    assert (engine.aborts, engine.open_users) == (2, 6)


def test_another_fault_is_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError):
        _run(Engine(), Transmitter(), Source(then=lambda: _raise(ZeroDivisionError())))


def test_rows_that_the_host_refused_reach_the_engine() -> None:
    _run(engine := Engine(), Transmitter(refused=[4, 9]), Source())
    assert engine.refused == [4, 9]


def test_signals_are_as_before_after_the_run() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    _run(Engine(), Transmitter(), Source())
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
