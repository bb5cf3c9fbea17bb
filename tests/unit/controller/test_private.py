"""What is kept from one start to the next is kept only where nobody else can put something in its place."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from types import SimpleNamespace

import pytest

from gryphon.controller.private import private_directory


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This user's home, in a directory that is nobody else's."""
    tmp_path.chmod(0o755)
    made = tmp_path / "home"
    made.mkdir(mode=0o755)
    monkeypatch.setattr(pwd, "getpwuid", lambda _: SimpleNamespace(pw_dir=str(made)))
    return made


def test_it_is_made_for_this_user_alone(home: Path) -> None:
    made = private_directory("programs")
    assert made == home / ".cache/gryphon/programs"
    assert made is not None
    assert made.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("part", [".cache/gryphon/programs", ".cache/gryphon", ".cache", "."])
@pytest.mark.parametrize("mode", [0o777, 0o775])
def test_where_a_part_of_the_path_is_anybodys_nothing_is_kept(home: Path, part: str, mode: int) -> None:
    private_directory("programs")
    (home / part).chmod(mode)
    assert private_directory("programs") is None


def test_a_link_leads_to_where_the_same_holds(home: Path, tmp_path: Path) -> None:
    """Its target's own parents count: who may rename the target may put another in its place."""
    open_to_all = tmp_path / "open"
    (open_to_all / "cache").mkdir(parents=True)
    (home / ".cache").symlink_to(open_to_all / "cache")
    assert private_directory("programs") is not None
    open_to_all.chmod(0o777)
    assert private_directory("programs") is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to another user: run it with sudo")
def test_another_users_directory_is_not_used(home: Path) -> None:
    private_directory("programs")
    os.chown(home / ".cache/gryphon/programs", 65534, 65534)
    assert private_directory("programs") is None
