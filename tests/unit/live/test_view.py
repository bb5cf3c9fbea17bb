"""The live view looks at counters that others write, shows the log above itself, and goes when it is told to."""

from __future__ import annotations

import io
import logging
import os
import pty
import sys
import threading
import time
from pathlib import Path

import pytest

from gryphon.lab.waiting import until
from gryphon.sender.live.view import Eyes, live_view, wanted
from gryphon.sender.replay.measures import Counter, Histogram
from gryphon.sender.shared_measures import SharedMeasures

SECOND = 1_000_000_000


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("quiet", "terminal", "term", "shown"),
    [
        (False, True, "xterm", True),
        (True, True, "xterm", False),
        (False, False, "xterm", False),
        (False, True, "dumb", False),
        (False, True, None, False),
    ],
)
def test_it_is_for_terminals_that_can(
    quiet: bool, terminal: bool, term: str | None, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TERM", raising=False)
    if term is not None:
        monkeypatch.setenv("TERM", term)
    assert wanted(quiet, Terminal() if terminal else io.StringIO()) is shown


def test_rates_are_those_of_the_last_second_and_totals_of_the_run() -> None:
    measures = SharedMeasures(2)
    measures.epoch_ns = epoch = 5 * SECOND
    eyes = Eyes(measures)
    for fifth in range(1, 16):
        measures.shares[fifth % 2].counters[Counter.PACKETS_SENT] += 100
        measures.shares[1].histograms[Histogram.RESPONSE_INTENDED, 7] += 3
        look = eyes.look(epoch + fifth * SECOND // 5)
    assert look.time_s == 3.0
    assert look.step_s == pytest.approx(1.0)
    assert (look.totals[Counter.PACKETS_SENT], look.delta[Counter.PACKETS_SENT]) == (1500, 500)
    assert (look.whole[7], look.response[7]) == (45, 15)


def test_the_first_look_goes_back_to_the_start() -> None:
    measures = SharedMeasures(1)
    measures.epoch_ns = SECOND
    measures.shares[0].counters[Counter.STARTED] = 50
    look = Eyes(measures).look(SECOND + SECOND // 2)
    assert (look.step_s, look.delta[Counter.STARTED]) == (0.5, 50)


def test_on_a_terminal_it_draws_logs_above_and_wipes_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    seen = bytearray()

    def drawn(what: bytes) -> bool:
        try:
            seen.extend(os.read(ours, 1 << 16))
        except BlockingIOError:
            return False
        return what in seen

    measures = SharedMeasures(1)
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        screen = logging.StreamHandler(terminal)
        logging.getLogger().addHandler(screen)
        try:
            with live_view(measures, 10.0):
                measures.shares[0].counters[Counter.STARTED] = 4321
                measures.epoch_ns = time.monotonic_ns()
                until("the picture", lambda: drawn(b"4,321"))
                logging.getLogger("gryphon").warning("the server is silent")
                until("the warning", lambda: drawn(b"the server is silent"))
            assert screen.stream is terminal
            until("the picture's end", lambda: drawn(b"\x1b[?25h"))  # the cursor is shown again
        finally:
            logging.getLogger().removeHandler(screen)
    os.close(ours)
    assert b"of about 10 s" in seen


class Gone(Terminal):
    """A terminal whose window was closed."""

    def write(self, text: str) -> int:
        raise OSError(5, "Input/output error")


def test_a_terminal_that_goes_away_disturbs_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Gone())
    measures = SharedMeasures(1)
    with live_view(measures, None):
        measures.epoch_ns = time.monotonic_ns()
        until("the view to give up", lambda: not living())


def living() -> list[str]:
    """Our child processes that have not ended."""
    children = Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split()
    return [pid for pid in children if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"]
