"""The fuzzer finds what is broken, keeps the input, and finds nothing in a reader that works."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from tests.fuzz.captures import chunks, parse
from tests.fuzz.mutate import Mutator
from tests.fuzz.seeds import seeds
from tests.fuzz.supervise import Supervisor
from tests.unit.fuzz.broken_engine import READERS

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("mistake", [name for name in READERS if name])
def test_a_broken_reader_is_a_find_and_its_input_is_kept(
    tmp_path: Path, mistake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRYPHON_BROKEN", mistake)
    supervisor = Supervisor(tmp_path, 1, 1, module="tests.unit.fuzz.broken_engine")
    assert supervisor.run("coverage", 30) == 1
    (found,) = (tmp_path / "finds").glob("*.bin")
    assert found.read_bytes() == b"the input"
    assert found.with_suffix(".txt").read_text().startswith(mistake)


def test_a_reader_that_works_is_no_find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRYPHON_BROKEN", "")
    supervisor = Supervisor(tmp_path, 1, 1, module="tests.unit.fuzz.broken_engine")
    assert supervisor.run("coverage", 30) == 0
    assert list((tmp_path / "finds").iterdir()) == []


@pytest.mark.timeout(600)  # of which most is for compiling, once for a version of the reader
def test_two_hundred_mutations_of_captures_are_recordings_or_sentences(capfd: pytest.CaptureFixture[str]) -> None:
    assert Supervisor(ROOT / "build" / "fuzz", 1, 7).run("compiled", 300, executions=200) == 0
    told = capfd.readouterr().out.splitlines()[-1].split()  # the lines before it tell how far it is
    assert int(told[1]) >= 200
    assert 0 < int(told[told.index("gave") - 1]) < int(told[1])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("disabled", ["0", "1"])
def test_negative_indexes_are_mistakes(tmp_path: Path, disabled: str) -> None:
    script = f"""
from pathlib import Path
import numpy as np
from tests.fuzz import reader
reader.checked(Path({str(tmp_path)!r})) if {disabled} == 0 else reader.plain()
from gryphon.sender.compiled import _compile
(tmp := Path({str(tmp_path)!r}) / "kernel.py").write_text("def at(rows, index): return rows['x'][index]")
import sys; sys.path.insert(0, str(tmp.parent))
import kernel
at = _compile(kernel.at, True)
rows = np.zeros(3, [("x", "i8")])
assert at(rows, 2) == 0
for index in (-1, 3):
    try:
        at(rows, index)
    except IndexError:
        continue
    raise SystemExit(f"{{index}} was taken")
"""
    environment = {**os.environ, "NUMBA_DISABLE_JIT": disabled, "NUMBA_BOUNDSCHECK": str(1 - int(disabled))}
    subprocess.run([sys.executable, "-c", script], env=environment, cwd=ROOT, check=True)


def test_the_same_seed_gives_the_same_inputs() -> None:
    one, other = (Mutator(seeds(), Random(5)) for _ in range(2))
    inputs = [one.next() for _ in range(100)]
    assert inputs == [other.next() for _ in range(100)]
    assert len(set(inputs)) > 90


def test_a_capture_is_the_same_after_a_file() -> None:
    for capture in seeds():
        if capture.style.pcapng and capture.style.block != 6:
            continue
        again = parse(b"".join(chunks(capture)))
        assert again is not None
        assert [(p.time_ns // 1000, p.frame, p.link) for p in again.packets] == [
            (p.time_ns // 1000, p.frame, p.link) for p in capture.packets
        ]
