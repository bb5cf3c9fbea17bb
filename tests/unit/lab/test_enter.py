"""`gryphon demo --enter` leads into a host of the kept lab, or says what is wrong."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from gryphon.controller.errors import EnvironmentFault, InputFault
from gryphon.lab import leftovers, needs
from gryphon.lab.enter import enter, shell


def test_a_host_that_is_none_is_named_with_those_there_are() -> None:
    with pytest.raises(InputFault, match="--enter router: the lab's hosts are sender, server, assistant"):
        enter("router")


def test_without_a_kept_lab_it_says_how_to_make_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "KEPT", f"glnone{os.getpid()}-")
    monkeypatch.setattr(needs, "check", lambda tools: None)
    with pytest.raises(EnvironmentFault, match="`gryphon demo --keep` makes one"):
        enter("server")


def test_both_commands_and_the_administrators_tools_are_on_the_path() -> None:
    line, environment = shell("gl-", "server", "/opt/bin:/usr/bin")
    assert any(word.endswith("/gl-server") for word in line)
    assert environment["PATH"] == f"{Path(sys.executable).parent}:/opt/bin:/usr/bin:/usr/sbin:/sbin"
    assert environment["PS1"] == "server$ "
    assert environment["LAB"] == str(leftovers.directory("gl-"))
