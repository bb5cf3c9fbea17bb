"""Only seconds in which packets were late are added up, each with what the kernel counted in it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gryphon.sender import processor
from gryphon.sender.processor import Machine, Processor, Spent
from gryphon.sender.replay.measures import new_histograms, record_value
from gryphon.sender.results.histogram import Counts
from gryphon.sender.results.lateness import WhileLate

SECOND = 1_000_000_000


@dataclass
class Kernel:
    """What it has counted so far."""

    spent: Spent = field(default_factory=lambda: Spent(5, 5))
    machine: Machine = field(default_factory=lambda: Machine(100, 100))
    late: Counts = field(default_factory=lambda: new_histograms()[0])

    def watched(self, since_ns: int = 0, processes: int = 1) -> Processor:
        return Processor(self.late, since_ns, processes, (lambda: self.spent, lambda: self.machine))

    def second(self, late: bool, busy_s: float = 0.0, waited_s: float = 0.0) -> None:
        for _ in range(10):
            record_value(self.late, 50_000 if late else 100)
        self.spent = Spent(self.spent.busy + round(busy_s * SECOND), self.spent.waited + round(waited_s * SECOND))


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


def test_a_second_in_time_is_left_out_and_a_late_one_counts_with_its_own(kernel: Kernel) -> None:
    watched = kernel.watched()
    kernel.second(late=False, busy_s=0.9, waited_s=0.1)
    watched.look(SECOND, 400, 300)
    assert watched.while_late == WhileLate()
    kernel.second(late=True, busy_s=0.25, waited_s=0.5)
    watched.look(3 * SECOND, 400 + SECOND // 2, 300 + SECOND // 4)
    assert watched.while_late == WhileLate(
        elapsed_s=2.0, available_s=2.0, busy_s=0.25, waited_s=0.5, device_s=0.5, held_s=0.25, still_s=0.0
    )


def test_a_look_that_comes_late_without_work_or_waiting_comes_after_a_standstill(kernel: Kernel) -> None:
    watched = kernel.watched()
    kernel.second(late=True, busy_s=0.5, waited_s=0.5)
    watched.look(5 * SECOND, SECOND // 2, SECOND // 2)
    assert watched.while_late.still_s == pytest.approx(5 - processor.LOOKS_S - 2)
    kernel.second(late=True)
    watched.look(6 * SECOND, SECOND // 2, SECOND // 2)
    assert watched.while_late.still_s == pytest.approx(5 - processor.LOOKS_S - 2)


def test_late_seconds_add_up(kernel: Kernel) -> None:
    watched = kernel.watched()
    for number in range(1, 4):
        kernel.second(late=number != 2, busy_s=0.5)
        watched.look(number * SECOND, 0, 0)
    assert (watched.while_late.elapsed_s, watched.while_late.busy_s) == (2.0, 1.0)


def test_what_the_host_takes_is_taken_in_the_measure_in_which_this_machine_was_busy(kernel: Kernel) -> None:
    watched = kernel.watched()
    kernel.second(late=True, busy_s=0.5)
    kernel.machine = Machine(160, 140)  # 60 ticks busy and 40 stolen
    watched.look(SECOND, 0, 0)
    assert watched.while_late.stolen_s == pytest.approx(0.5 * 0.4)


def test_the_warm_up_is_left_out(kernel: Kernel) -> None:
    watched = kernel.watched(since_ns=2 * SECOND)
    for number in range(1, 4):
        kernel.second(late=True, busy_s=0.5)
        watched.look(number * SECOND, 0, 0)
    assert watched.while_late.elapsed_s == 1.0


def test_processes_beyond_the_processors_have_a_part_of_one_each(kernel: Kernel) -> None:
    watched = kernel.watched(processes=4 * len(os.sched_getaffinity(0)))
    kernel.second(late=True)
    watched.look(SECOND, 0, 0)
    assert watched.while_late.available_s == 0.25


def test_this_kernel_counts_the_processor_time_of_this_thread() -> None:
    before = processor.spent()
    while processor.spent().busy == before.busy:
        pass
    assert processor.spent().busy > before.busy
    assert processor.machine().busy > 0


def test_a_kernel_that_counts_no_waits_leaves_the_time_of_the_thread(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(processor, "_OF_THREAD", tmp_path / "missing")
    monkeypatch.setattr(processor, "_OF_MACHINE", tmp_path / "missing")
    assert processor.spent().busy > 0
    assert processor.spent().waited == 0
    assert processor.machine() == Machine(0, 0)
