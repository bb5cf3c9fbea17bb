"""What is missing for the lab is said in one sentence that names what to do."""

from __future__ import annotations

import os

import pytest

from gryphon.controller.errors import EnvironmentFault
from gryphon.lab import needs


def test_a_missing_tool_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "_SEARCH", "/nonexistent")
    with pytest.raises(EnvironmentFault, match=r"^`nginx` is not installed: .*`apt-get install nginx-light`\.$"):
        needs.tool("nginx")


def test_another_user_than_root_is_sent_to_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(EnvironmentFault, match=r"only root may do: run it with sudo\.$"):
        needs.check()
