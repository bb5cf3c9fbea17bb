"""Compressed captures, pipes and standard input: the same recording as from the plain file, or one sentence."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import lz4.frame
import pytest
import zstandard
from conversations import Conversation, same, write_pcap

from gryphon.controller.errors import EnvironmentFault, InputFault
from gryphon.sender.capture import arena
from gryphon.sender.capture.load import load
from gryphon.sender.capture.unpack import map_file

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "zstd": zstandard.compress,
    "lz4": lz4.frame.compress,
    "bzip2": lambda content: bz2.compress(content, 1),  # blocks of 100 KB: a block is had whole or not at all
}


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A capture of a few thousand packets that do not compress to nothing."""
    conversation = Conversation().open()
    for turn in range(1000):
        conversation.say(10 + 10 * turn, os.urandom(40))
        conversation.answer(15 + 10 * turn, os.urandom(60))
    conversation.close(20_000)
    return Path(write_pcap(tmp_path / "plain.pcap", conversation.packets))


@pytest.mark.parametrize("packer", PACKERS)
def test_a_compressed_capture_is_read_whatever_its_name(tmp_path: Path, plain: Path, packer: str) -> None:
    packed = tmp_path / "without_an_ending"
    packed.write_bytes(PACKERS[packer](plain.read_bytes()))
    assert same(load([str(packed)], None), load([str(plain)], None))


@pytest.mark.parametrize("packer", PACKERS)
def test_members_one_after_the_other_are_one_capture(tmp_path: Path, plain: Path, packer: str) -> None:
    content = plain.read_bytes()
    packed = tmp_path / "x"
    packed.write_bytes(PACKERS[packer](content[:5000]) + PACKERS[packer](content[5000:]))
    assert map_file(str(packed)).tobytes() == content


@pytest.mark.parametrize("packer", PACKERS)
def test_a_compressed_capture_that_is_cut_off_gives_what_it_has(
    tmp_path: Path, plain: Path, packer: str, caplog: pytest.LogCaptureFixture
) -> None:
    whole = PACKERS[packer](plain.read_bytes())
    packed = tmp_path / "x"
    packed.write_bytes(whole[: len(whole) * 3 // 4])
    recording = load([str(packed)], None)
    assert 0 < recording.packets < 2006
    assert len(recording.sessions) == 1
    assert f"{packed} " in caplog.text
    assert "offset" in caplog.text


@pytest.mark.parametrize("packer", PACKERS)
def test_a_compressed_file_that_is_damaged_from_the_start_is_one_sentence(tmp_path: Path, packer: str) -> None:
    packed = tmp_path / "x"
    packed.write_bytes(PACKERS[packer](b"x" * 1000)[:8] + b"\xff" * 40)
    with pytest.raises(InputFault, match=rf"x is damaged: {packer} cannot unpack it beyond offset \d+"):
        load([str(packed)], None)


@pytest.mark.parametrize("packer", PACKERS)
def test_nothing_compressed_is_empty_and_text_compressed_is_text(tmp_path: Path, packer: str) -> None:
    packed = tmp_path / "x"
    for content, sentence in ((b"", "x is empty"), (b"hello, world, hello", "looks like text")):
        packed.write_bytes(PACKERS[packer](content))
        with pytest.raises(InputFault, match=sentence):
            load([str(packed)], None)


def test_a_named_pipe_is_read_to_its_end(tmp_path: Path, plain: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(gzip.compress(plain.read_bytes())))
    writer.start()
    try:
        assert same(load([str(pipe)], None), load([str(plain)], None))
    finally:
        writer.join()


LOAD = """
import sys
from gryphon.controller.errors import InputFault
from gryphon.sender.capture.load import load
try:
    print(load(sys.argv[1:], None).packets)
except InputFault as fault:
    print(fault)
"""


def loaded_from_input(content: bytes, *files: str) -> str:
    """What a process says that has ``content`` as its standard input, in small and slow pieces."""
    process = subprocess.Popen(
        [sys.executable, "-c", LOAD, *files], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    assert process.stdin is not None
    with process.stdin:
        for start in range(0, 5):
            process.stdin.write(content[start : start + 1])
        process.stdin.write(content[5:])
    assert process.stdout is not None
    with process.stdout:
        said = process.stdout.read().decode().strip()
    assert process.wait() == 0
    return said


@pytest.mark.parametrize("packer", ["", "gzip", "zstd"])
def test_standard_input_is_a_file_too(plain: Path, packer: str) -> None:
    content = plain.read_bytes()
    assert loaded_from_input(PACKERS[packer](content) if packer else content, "-") == "2006"


def test_standard_input_is_read_once_and_an_empty_one_is_said(plain: Path) -> None:
    assert loaded_from_input(plain.read_bytes(), str(plain), "-", "-") == "standard input (-) can be read only once"
    assert loaded_from_input(b"", "-") == "standard input is empty, not a capture file"


def test_a_terminal_and_a_device_are_no_captures(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.openpty()
    kept = os.dup(0)
    try:
        os.dup2(theirs, 0)
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        with pytest.raises(InputFault, match="standard input is a terminal"):
            load(["-"], None)
    finally:
        os.dup2(kept, 0)
        for descriptor in (kept, ours, theirs):
            os.close(descriptor)
    with pytest.raises(InputFault, match="/dev/zero is not a file"):
        load(["/dev/zero"], None)


def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = tmp_path / "x.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(arena.Arena.__init__, "__defaults__", (1000,))
    monkeypatch.setattr(arena, "SPARED", 1 << 62)
    with pytest.raises(EnvironmentFault, match=f"no room for a temporary file in {tmp_path}"):
        load([str(packed)], None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plain.pcap", "x.gz"]


def test_everything_that_grows_may_stand_in_files(tmp_path: Path, plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = tmp_path / "x.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    reference = load([str(packed)], None)
    monkeypatch.setattr(arena.Arena.__init__, "__defaults__", (100,))
    assert same(load([str(packed)], None), reference)
