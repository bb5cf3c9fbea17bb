"""Capabilities are given up for good, in the thread and all that it starts; one that is needed stays."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has capabilities to give up: run it with sudo")

_CODE = """
import subprocess, sys, threading
from pathlib import Path
from gryphon.controller.privileges import give_up

def seen(status):
    lines = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return [int(lines[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs")]

give_up(sys.argv[1].split(",") if sys.argv[1] else [], [Path(name) for name in sys.argv[2:]])
print(seen(Path("/proc/self/status").read_text()))
thread = threading.Thread(target=lambda: print(seen(Path("/proc/thread-self/status").read_text())))
thread.start(); thread.join()
print(seen(subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True).stdout))
"""
ADMIN, OVERRIDE = 1 << 12, 1 << 1


def left(keep: str, *files: Path, before: tuple[str, ...] = ()) -> list[list[int]]:
    """What the process, a thread of it and a program that it executes have afterwards."""
    line = [*before, sys.executable, "-c", _CODE, keep, *map(str, files)]
    said = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    return [[int(number) for number in row.strip("[]").split(",")] for row in said.splitlines()]


def test_nothing_is_left_in_the_process_its_threads_and_what_it_executes() -> None:
    assert left("") == [[0, 0, 0, 0, 0, 1]] * 3


def test_what_is_kept_is_kept_alone() -> None:
    assert left("CAP_NET_ADMIN") == [[0, ADMIN, ADMIN, ADMIN, 0, 1]] * 3


def test_what_was_never_held_is_not_kept() -> None:
    assert left("CAP_NET_ADMIN", before=("setpriv", "--bounding-set", "-net_admin"))[0][:4] == [0, 0, 0, 0]


def test_without_the_right_to_lower_the_bounding_set_executing_gives_nothing_back_either() -> None:
    process, thread, executed = left("", before=("setpriv", "--bounding-set", "-setpcap"))
    assert process[1:3] == thread[1:3] == [0, 0]
    assert process[5] == executed[5] == 1


def test_root_keeps_the_right_to_write_where_another_owns_only_while_a_file_needs_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    own, others = tmp_path / "own", tmp_path / "others"
    own.mkdir()
    others.mkdir()
    os.chown(others, 65534, 65534)
    assert left("", own / "result.json")[0][2] == 0
    assert left("", own / "result.json", others / "result.json")[0][2] == OVERRIDE
    (others / "result.json").touch()  # root's own, in the directory of another
    assert left("", others / "result.json")[0][2] == 0
