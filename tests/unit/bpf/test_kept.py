"""What is kept of a compiled program is either what was written or nothing, and old files go."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from gryphon.bpf import kept
from gryphon.bpf.kept import Code, MapShape

LOAD_MAP = bytes([0x18, 0x11, 0, 0, 3, 0, 0, 0]) + bytes(8)  # r1 = map 3, in two slots
LOAD_NUMBER = bytes([0x18, 0x01, 0, 0, 3, 0, 0, 0]) + bytes(8)
CODE = Code({"f": LOAD_MAP + LOAD_NUMBER}, [MapShape("ring", 27, 0, 0, 4096, 0)])


def test_what_was_written_is_read(tmp_path: Path) -> None:
    kept.write(tmp_path / "a.json", CODE)
    assert kept.read(tmp_path / "a.json") == CODE
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "7", '{"functions": {}}', '{"functions": [], "maps": []}', '{"functions": {}, "maps": [["a", 1]]}'],
)
def test_what_cannot_be_read_is_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    assert kept.read(tmp_path / "a.json") is None


def test_what_is_not_there_is_nothing(tmp_path: Path) -> None:
    assert kept.read(tmp_path / "a.json") is None


def test_maps_of_maps_are_not_kept(tmp_path: Path) -> None:
    kept.write(tmp_path / "a.json", Code({}, [MapShape("rings", 12, 4, 4, 8, 0)]))
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_written_is_no_fault(tmp_path: Path) -> None:
    kept.write(tmp_path / "missing" / "a.json", CODE)


def test_only_the_newest_stay_and_reading_makes_new(tmp_path: Path) -> None:
    for number in range(kept.FILES):
        kept.write(tmp_path / f"{number}.json", CODE)
        os.utime(tmp_path / f"{number}.json", (number, number))
    kept.read(tmp_path / "0.json")
    kept.write(tmp_path / "new.json", CODE)
    names = {path.stem for path in tmp_path.iterdir()}
    assert names == {"new", "0", *map(str, range(2, kept.FILES))}


def test_only_loads_of_maps_are_changed() -> None:
    changed = kept.with_maps(LOAD_MAP + LOAD_NUMBER, {3: 70})
    assert changed == LOAD_MAP.replace(b"\3", bytes([70])) + LOAD_NUMBER


@pytest.mark.parametrize("other", ["text", "flags", "compiler", "kernel"])
def test_another_text_compiler_or_kernel_is_another_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    compiler = tmp_path / "compiler"
    compiler.write_text("1")
    before = kept.file_name("text", ["-DA=1"], compiler)
    assert before == kept.file_name("text", ["-DA=1"], compiler)
    text, flags = ("text2" if other == "text" else "text"), (["-DA=2"] if other == "flags" else ["-DA=1"])
    if other == "compiler":
        compiler.write_text("12")
    if other == "kernel":
        monkeypatch.setattr(kept.platform, "release", lambda: "7.0")
    assert kept.file_name(text, flags, compiler) != before


def test_the_file_says_nothing_but_code_and_maps(tmp_path: Path) -> None:
    kept.write(tmp_path / "a.json", CODE)
    assert set(json.loads((tmp_path / "a.json").read_text())) == {"functions", "maps"}
