"""The command as a process, as far as it gets without root: help, version, mistakes, exit statuses."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-c", "from gryphon.intercept.cli import main; main()"]


def run(directory: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=directory,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def said(done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence on standard error."""
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("gryphon-intercept: ")
    return line


def test_help_names_every_option_and_imports_nothing_heavy(tmp_path: Path) -> None:
    done = run(tmp_path, "--help")
    assert done.returncode == 0
    for option in ("--xdp", "--tc", "--xdp-mode", "--listen", "--allow-ranges", "--allow-services", "--linger"):
        assert option in done.stdout
    for option in ("--token-file", "--ready-file", "--detach", "--log", "--log-level", "--version"):
        assert option in done.stdout
    code = "import sys, gryphon.intercept.cli; print({'numpy', 'pyroute2', 'bcc', 'numba'} & set(sys.modules))"
    probe = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert probe.stdout.strip() == "set()"
    assert not list(tmp_path.iterdir())


def test_version_is_one_line(tmp_path: Path) -> None:
    done = run(tmp_path, "--version")
    assert done.returncode == 0
    assert done.stdout.startswith("gryphon-intercept ")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "name the interface that the answers pass"),
        (["--xdp", "eth0", "--tc", "eth0"], "exclude each other"),
        (["--tc", "eth0", "--listen", "eth0:80"], "is not an address of this host"),
        (["--tc", "eth0", "--allow-ranges", "10.0.0.1/8"], "has host bits set"),
        (["--tc", "eth0", "--allow-services", "10.0.0.1"], "is not a service"),
        (["--tc", "eth0", "--linger", "-1"], "--linger is 0 to 86400 seconds"),
        (["--tc", "eth0", "--sample", "100"], "--sample is a multiple of 8 from 0 to 1024 bytes, not 100"),
        (["--tc", "eth0", "--xdp-mode", "fast"], "native, generic or auto"),
        (["--tc", "eth0", "--token-file", "none"], "cannot read the token file none: No such file"),
        (["--tc", "eth0", "-l", "none/here.log"], "cannot write the log none/here.log"),
        (["--tc", "eth0", "--log-level", "all"], "--log-level all: give error, warning, info or debug"),
        (["--detach"], "name the one interface to detach from"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    done = run(tmp_path, *arguments)
    assert done.returncode == 2
    assert sentence in said(done)


def test_an_unknown_option_is_status_2(tmp_path: Path) -> None:
    done = run(tmp_path, "--fast")
    assert done.returncode == 2
    assert "No such option" in done.stderr


def test_an_empty_token_variable_is_said(tmp_path: Path) -> None:
    done = run(tmp_path, "--tc", "eth0", GRYPHON_TOKEN="")
    assert done.returncode == 2
    assert "GRYPHON_TOKEN is empty" in said(done)


def test_a_port_in_use_is_said_before_anything_is_attached(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(tmp_path, "--tc", "no-such-if", "--listen", f"127.0.0.1:{port}")
    assert done.returncode == 3
    assert f"cannot listen at 127.0.0.1:{port} (Address already in use)" in said(done)
    assert "Address already in use" in (tmp_path / "error_intercept.log").read_text()


def test_an_address_of_another_host_is_said(tmp_path: Path) -> None:
    done = run(tmp_path, "--tc", "no-such-if", "--listen", "192.0.2.77:0")
    assert done.returncode == 3
    assert "cannot listen at 192.0.2.77:0" in said(done)


def test_an_unexpected_fault_is_one_sentence_and_its_traceback_is_in_the_log(tmp_path: Path) -> None:
    code = (
        "import gryphon.intercept.run as r\n"
        "def broken(options, log): raise KeyError('surprise')\n"
        "r.run = broken\n"
        "from gryphon.intercept.cli import main; main(['--tc', 'eth0'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "unexpected KeyError: 'surprise'; the traceback is in error_intercept.log" in said(done)
    assert "Traceback" in (tmp_path / "error_intercept.log").read_text()
