"""Compiling beforehand: a word the first time, none later, and once more for what was left half done."""

from __future__ import annotations

from pathlib import Path

import pytest

from gryphon.controller.errors import EnvironmentFault
from gryphon.sender import warm


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Packages compiled, in order; each into a cache of the test's own."""
    done: list[str] = []
    for package in warm._PACKAGES:
        (tmp_path / package).mkdir()
        monkeypatch.setitem(warm._PACKAGES, package, lambda package=package: done.append(package))
    monkeypatch.setattr(warm, "cache_directory", lambda package: tmp_path / package.name)
    monkeypatch.setattr(warm, "forget_old_caches", lambda package: None)
    return done


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
        patch.setitem(warm._PACKAGES, "replay", interrupted)
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

    monkeypatch.setitem(warm._PACKAGES, "transmit", forbidden)
    warm.main()
    assert compiled == ["capture", "extract", "replay"]
    assert "CAP_NET_RAW" in capsys.readouterr().err


def test_the_smallest_run_touches_every_package() -> None:
    """The real thing, in this user's cache: it raises nothing where only the sockets may be forbidden."""
    warm._read_capture()
    warm._extract_packets()
    warm._step_engine()
