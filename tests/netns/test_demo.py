"""`gryphon demo` shows equal counts in all topologies, and leaves no trace however it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gryphon.lab import leftovers
from gryphon.lab.commands import script
from gryphon.lab.demo import run_demo
from gryphon.lab.processes import NAMESPACES, processes_in
from gryphon.lab.topologies import TOPOLOGIES

USERS = 50


def _start(*options: str) -> subprocess.Popen[str]:
    line = [script("gryphon"), "demo", "-u", str(USERS), *options]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture
def demo() -> Iterator[subprocess.Popen[str]]:
    process = _start()
    with process:
        yield process
        process.kill()


def _prefix(text: str) -> str:
    """The prefix of the lab's namespaces, from the path of its recording."""
    match = re.search(r"/(gl\w+-)lab/recorded\.pcap", text)
    assert match is not None, text
    return match[1]


def _traces(prefix: str) -> list[str]:
    names = [entry.name for entry in NAMESPACES.iterdir() if entry.name.startswith(prefix)]
    files = leftovers.directory(prefix)
    mounts = [line for line in Path("/proc/mounts").read_text().splitlines() if prefix in line]
    return [*names, *mounts, *([str(files)] if files.exists() else [])]


def _until_replaying(demo: subprocess.Popen[str]) -> str:
    """What it printed up to the first replay."""
    assert demo.stdout is not None
    text = ""
    for line in demo.stdout:
        text += line
        if "sender# gryphon send" in line:
            return text
    raise AssertionError(text)


def test_all_counts_agree_and_nothing_is_left(demo: subprocess.Popen[str]) -> None:
    text, _ = demo.communicate(timeout=110)
    assert demo.returncode == 0, text
    assert text.rstrip().endswith("All counts agree in all topologies.")
    assert "DIFFERS" not in text
    for topology in TOPOLOGIES:
        table = text.partition(f"Topology {topology.name}:")[2]
        for what in ("users started", "users completed", "connections"):
            assert re.search(rf"^  {what} +{USERS} +{USERS} .* OK$", table, re.MULTILINE), what
    assert _traces(_prefix(text)) == []


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_while_replaying_it_leaves_nothing(demo: subprocess.Popen[str], sign: signal.Signals) -> None:
    prefix = _prefix(_until_replaying(demo))
    inside = processes_in(f"{prefix}server") + processes_in(f"{prefix}sender")
    assert inside
    demo.send_signal(sign)
    text, _ = demo.communicate(timeout=60)
    assert demo.returncode == 130, text
    assert "Interrupted; the lab is gone." in text
    assert _traces(prefix) == []
    assert not [pid for pid in inside if _in_a_lab(pid, prefix)]


def _in_a_lab(pid: int, prefix: str) -> bool:
    try:
        return prefix.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


_AS_NOBODY = """
import os, sys
import gryphon.lab.demo
from gryphon.sender.cli import main
os.setuid(65534)
sys.argv[1:] = ["demo"]
main()
"""


def test_an_ordinary_user_is_told_what_it_needs(tmp_path: Path) -> None:
    """The modules are loaded as root, so that the checkout may be where nobody else can read."""
    line = [script("python"), "-c", _AS_NOBODY]
    done = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
    assert done.returncode == 3
    assert done.stderr.strip().splitlines()[-1].endswith("only root may do: run it with sudo.")


def test_removing_when_nothing_is_kept_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(leftovers, "KEPT", f"glnone{os.getpid()}-")
    assert run_demo(remove=True) == 0
    assert capsys.readouterr().out == "There is no kept lab.\n"
