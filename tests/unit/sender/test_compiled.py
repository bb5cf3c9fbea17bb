"""The kernels' cache: private to its user, and another one for every change of the source."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from types import SimpleNamespace

import pytest

from gryphon.sender import compiled


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory of the test's own."""
    tmp_path.chmod(0o700)
    monkeypatch.setattr(pwd, "getpwuid", lambda _: SimpleNamespace(pw_dir=str(tmp_path)))
    return tmp_path


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package with two sources."""
    directory = tmp_path / "package"
    directory.mkdir()
    (directory / "a.py").write_text("a = 1\n")
    (directory / "b.py").write_text("b = 2\n")
    return directory


def _directory(package: Path) -> Path | None:
    compiled.cache_directory.cache_clear()
    try:
        return compiled.cache_directory(package)
    finally:
        compiled.cache_directory.cache_clear()


def test_the_cache_is_made_for_its_user_alone(home: Path, package: Path) -> None:
    directory = _directory(package)
    assert directory is not None
    assert directory.is_relative_to(home / ".cache" / "gryphon")
    assert directory.stat().st_mode & 0o077 == 0
    assert directory.stat().st_uid == os.geteuid()


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
@pytest.mark.parametrize("part", ["", ".cache", ".cache/gryphon"])
def test_a_directory_on_the_way_that_others_may_write_is_refused(
    home: Path, package: Path, part: str, mode: int
) -> None:
    """Who may swap a parent puts code of theirs into this process."""
    (home / ".cache" / "gryphon").mkdir(parents=True, mode=0o700)
    (home / part).chmod(mode)
    assert _directory(package) is None


def test_the_cache_itself_must_not_be_writable_by_others(home: Path, package: Path) -> None:
    directory = _directory(package)
    assert directory is not None
    directory.chmod(0o770)
    assert _directory(package) is None


def test_a_sticky_parent_is_safe_enough_because_its_entries_belong_to_their_owners(home: Path, package: Path) -> None:
    """/tmp is one."""
    home.chmod(0o1777)
    assert _directory(package) is not None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a directory away")
def test_a_cache_that_belongs_to_somebody_else_is_refused(home: Path, package: Path) -> None:
    directory = _directory(package)
    assert directory is not None
    os.chown(directory, 65534, 65534)
    assert _directory(package) is None


def test_a_home_that_cannot_be_written_means_no_cache(home: Path, package: Path) -> None:
    (home / ".cache").write_text("a file in the way")
    assert _directory(package) is None


@pytest.mark.parametrize("change", ["edit", "add", "remove", "rename"])
def test_any_change_of_the_source_is_another_cache(home: Path, package: Path, change: str) -> None:
    """numba looks only at a kernel's own file, not at those that it inlines."""
    before = _directory(package)
    if change == "edit":
        (package / "b.py").write_text("b = 3\n")
    elif change == "add":
        (package / "c.py").write_text("")
    elif change == "remove":
        (package / "a.py").unlink()
    else:
        (package / "b.py").rename(package / "z.py")
    assert _directory(package) not in (None, before)


def test_the_same_source_is_the_same_cache(home: Path, package: Path) -> None:
    assert _directory(package) == _directory(package)


def test_old_caches_go_but_for_the_newest_and_the_present_one(home: Path, package: Path) -> None:
    present = _directory(package)
    assert present is not None
    for age in range(5):
        old = present.parent / f"package-{age}"
        old.mkdir()
        os.utime(old, (1000 - age, 1000 - age))
    other = present.parent / "another-0"
    other.mkdir()
    compiled.forget_old_caches(package, keep=2)
    compiled.cache_directory.cache_clear()
    assert {path.name for path in present.parent.iterdir()} == {present.name, "package-0", "package-1", "another-0"}
