"""Compiling beforehand: a word the first time, none later, and once more for what was left half done."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from numba.core import config

from gryphon.controller.errors import EnvironmentFault
from gryphon.sender import warm


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Jobs done, in order; each into a cache of the test's own, and all by this process."""
    done: list[str] = []
    for job in warm._JOBS:
        (tmp_path / warm._PACKAGES.get(job, job)).mkdir(exist_ok=True)
        monkeypatch.setitem(warm._JOBS, job, lambda job=job: done.append(job))
    monkeypatch.setattr(warm, "cache_directory", lambda package: tmp_path / package.name)
    monkeypatch.setattr(warm, "forget_old_caches", lambda package: None)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    return done


class _Helper:
    """Another process, in its place: ``job`` is what it gets done before it ends."""

    def __init__(self, job: str) -> None:
        self._job = job
        self.killed = False

    def wait(self) -> None:
        marker = warm._marker(self._job)
        assert marker is not None
        if not self.killed:
            marker.touch()

    def kill(self) -> None:
        self.killed = True


@pytest.fixture
def started(compiled: list[str], monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Jobs of other processes, on a machine with two cores; of each only the first is ever done."""
    lines: list[list[str]] = []

    def start(line: list[str], **_: object) -> _Helper:
        lines.append(line[line.index("gryphon.sender.warm") + 1 :])
        return _Helper(lines[-1][0])

    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    return lines


def test_a_second_process_does_half_of_the_work(compiled: list[str], started: list[list[str]]) -> None:
    warm.warm_up()
    assert (started, compiled) == ([["capture"]], ["replay", "transmit"])


def test_nobody_waits_for_a_second_process_that_has_everything_to_do(
    compiled: list[str], started: list[list[str]]
) -> None:
    warm.warm_up(("capture", "extract"))
    assert (started, compiled) == ([], ["capture", "extract"])


def test_what_the_second_process_left_is_done_here(compiled: list[str], started: list[list[str]]) -> None:
    warm.warm_up(("capture", "extract", "replay"))
    assert (started, compiled) == ([["capture", "extract"]], ["replay", "extract"])


def test_an_interrupt_ends_the_second_process(
    compiled: list[str], started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(warm._JOBS, "replay", interrupted)
    with pytest.raises(KeyboardInterrupt):
        warm.warm_up()
    assert not warm._is_done("capture")


def test_the_second_process_does_its_jobs_without_a_word(
    compiled: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    warm.main(["capture", "extract"])
    assert compiled == ["capture", "extract"]
    assert warm._is_done("extract")
    assert capsys.readouterr() == ("", "")


def test_without_a_place_for_its_work_there_is_no_second_process(
    compiled: list[str], started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm, "cache_directory", lambda package: None)
    warm.warm_up()
    assert (started, compiled) == ([], ["capture", "replay", "transmit"])


def test_the_first_time_compiles_everything_and_says_so(
    compiled: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    warm.warm_up()
    assert compiled == ["capture", "replay", "transmit"]
    assert "compiling" in capsys.readouterr().err


def test_a_command_compiles_what_it_needs(compiled: list[str]) -> None:
    warm.warm_up(("capture", "extract"))
    assert compiled == ["capture", "extract"]


def test_the_second_time_does_nothing_without_a_word(compiled: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    warm.warm_up()
    compiled.clear()
    capsys.readouterr()
    warm.warm_up()
    assert compiled == []
    assert capsys.readouterr() == ("", "")


def test_a_command_that_only_reads_captures_compiles_no_more(
    compiled: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    warm.warm_up(("capture",))
    assert compiled == ["capture"]
    assert "compiling, once for this version and user" in capsys.readouterr().err


def test_what_was_interrupted_is_compiled_at_the_next_time(
    compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setitem(warm._JOBS, "replay", interrupted)
        with pytest.raises(KeyboardInterrupt):
            warm.warm_up()
    assert compiled == ["capture"]
    warm.warm_up()
    assert compiled == ["capture", "replay", "transmit"]


def test_without_a_safe_cache_everything_is_compiled_each_time(
    compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm, "cache_directory", lambda package: None)
    warm.warm_up()
    warm.warm_up()
    assert compiled == ["capture", "replay", "transmit"] * 2


def test_set_up_without_permission_to_send_says_so_and_goes_on(
    compiled: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def forbidden() -> None:
        raise EnvironmentFault("raw sockets need CAP_NET_RAW")

    monkeypatch.setitem(warm._JOBS, "transmit", forbidden)
    warm.main([])
    assert compiled == ["capture", "extract", "replay"]
    assert "CAP_NET_RAW" in capsys.readouterr().err


def test_the_smallest_run_touches_every_package() -> None:
    """The real thing, in this user's cache: it raises nothing where only the sockets may be forbidden."""
    warm._read_capture()
    warm._extract_packets()
    warm._step_engine()
    warm._build_frames()


def test_what_was_compiled_for_another_processor_is_compiled_again(
    compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """numba compiles again, and did so in the middle of a run whose grant then ran out."""
    warm.warm_up(("capture",))
    monkeypatch.setattr(config, "CPU_NAME", "generic")
    warm._processor.cache_clear()
    warm.warm_up(("capture",))
    monkeypatch.undo()
    warm._processor.cache_clear()
    assert compiled == ["capture", "capture"]
