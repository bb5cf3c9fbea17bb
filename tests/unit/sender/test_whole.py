"""A file is whole or not there: what cannot be written leaves what was there before, and nothing beside it."""

from __future__ import annotations

import os
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gryphon.sender.whole import write_whole


@contextmanager
def full(after: int) -> Iterator[None]:
    """A disk that has room for so many bytes of each file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (after, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("room", [0, 1000])
def test_a_full_disk_leaves_no_file(tmp_path: Path, room: int) -> None:
    with full(room), pytest.raises(OSError, match="File too large"):
        write_whole(tmp_path / "new", "x" * 5000)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text("before")
    with full(1000), pytest.raises(OSError, match="File too large"):
        write_whole(path, b"x" * 5000)
    assert [each.name for each in tmp_path.iterdir()] == ["result.json"]
    assert path.read_text() == "before"


def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    write_whole(tmp_path / "ours", "é")
    (tmp_path / "other").touch()
    assert (tmp_path / "ours").read_bytes() == "é".encode()
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_file_that_is_replaced_keeps_owner_permissions_and_links(tmp_path: Path) -> None:
    path, link = tmp_path / "result", tmp_path / "link"
    path.write_text("before")
    path.chmod(0o640)
    link.symlink_to("result")
    if os.geteuid() == 0:
        os.chown(path, 1234, 2345)
    before = path.stat()
    write_whole(link, "after")
    after = path.stat()
    assert link.is_symlink()
    assert path.read_text() == "after"
    assert stat.S_IMODE(after.st_mode) == 0o640
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)


def test_a_file_in_a_directory_that_takes_no_other_is_written_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").write_text("before")

    def refuse(**_: object) -> tuple[int, str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    write_whole(tmp_path / "there", "after")
    assert (tmp_path / "there").read_text() == "after"
    with pytest.raises(PermissionError):
        write_whole(tmp_path / "new", "after")


def test_what_is_no_file_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_whole(pipe, "through")
        assert os.read(reader, 100) == b"through"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    with pytest.raises(OSError, match="No space left"):
        write_whole("/dev/full", "x")
