"""What keeps `gryphon-intercept` from starting is one sentence with its exit status, and leaves nothing behind."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from intercepting import attached, command, intercepting

from gryphon.lab.commands import script
from gryphon.lab.hosts import Lab


@pytest.fixture(autouse=True)
def _nothing_stays(lab: Lab) -> Iterator[None]:
    yield
    assert attached(lab) == ""


def sentence(stderr: str) -> str:
    (line,) = stderr.splitlines()
    assert line.startswith("gryphon-intercept: ")
    return line


def test_a_missing_interface_is_named_with_those_there_are(lab: Lab) -> None:
    done = command(lab, "--tc", "eth7")
    assert done.returncode == 3
    assert "no interface eth7" in sentence(done.stderr)
    assert "eth0" in done.stderr


def test_a_second_intercept_on_the_interface_is_refused(lab: Lab) -> None:
    with intercepting(lab, "first", "--tc", "eth0"):
        done = command(lab, "--tc", "eth0", "--listen", ":36525")
        assert done.returncode == 3
        assert "Another intercept" in sentence(done.stderr)
        taken = command(lab, "--xdp", "eth0")
        assert taken.returncode == 3
        assert "cannot listen at *:36524 (Address already in use)" in sentence(taken.stderr)


@pytest.mark.parametrize(
    ("drop", "named"),
    [
        (["--reuid", "65534", "--regid", "65534", "--clear-groups"], "CAP_BPF and CAP_NET_ADMIN and CAP_PERFMON"),
        (["--bounding-set", "-net_admin"], "CAP_NET_ADMIN"),
        (["--bounding-set", "-perfmon,-sys_admin"], "CAP_PERFMON"),
    ],
)
def test_a_missing_capability_is_named(lab: Lab, drop: list[str], named: str) -> None:
    lab.directory.chmod(0o711)
    line = [script("gryphon-intercept"), "--tc", "eth0", "-l", "/dev/null"]
    done = lab.run("server", ["setpriv", *drop, *line], check=False)
    assert done.returncode == 3
    assert f"needs {named}, which this process lacks" in sentence(done.stderr)


def test_a_foreign_xdp_program_is_named(lab: Lab) -> None:
    load = "\n".join(
        [
            "from gryphon.bpf import loader, syscall",
            "import pathlib, socket, sys",
            "source = pathlib.Path(sys.argv[1]); source.write_text('int other(struct xdp_md *c) { return 2; }')",
            "module = loader.compile(source, {})",
            "program = module.load(syscall.XDP, 'other', 'somebody_else')",
            "link = syscall.xdp_link(program, socket.if_nametoindex('eth0'), 4)",
            "print('attached', flush=True); import signal; signal.pause()",
        ]
    )
    import subprocess

    child = lab.popen("server", [sys.executable, "-c", load, str(lab.directory / "other.c")], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"attached\n"
    try:
        done = command(lab, "--xdp", "eth0")
        assert done.returncode == 3
        assert "somebody_else" in sentence(done.stderr)
    finally:
        lab.end(child)
        child.stdout.close()


def test_a_missing_bcc_says_what_to_install(lab: Lab) -> None:
    code = (
        "import pathlib, gryphon.bpf.loader as l; l.SYSTEM_PACKAGES = (pathlib.Path('/nonexistent'),)\n"
        "from gryphon.intercept.cli import main; main(['--tc', 'eth0', '-l', '/dev/null'])"
    )
    done = lab.run("server", [sys.executable, "-c", code], check=False)
    assert done.returncode == 3
    assert "apt install python3-bpfcc" in sentence(done.stderr)


def test_a_ready_file_that_cannot_be_written_is_said_and_nothing_is_left(lab: Lab) -> None:
    done = command(lab, "--tc", "eth0", "--ready-file", "/nonexistent/ready")
    assert done.returncode == 3
    assert "cannot write the ready file /nonexistent/ready" in sentence(done.stderr)


def test_an_interface_that_goes_away_ends_it(lab: Lab) -> None:
    from intercepting import Intercept

    lab.run("server", ["ip", "link", "add", "gone0", "type", "veth", "peer", "name", "gone1"])
    intercept = Intercept(lab, "server", "gone", "--xdp", "gone0")
    intercept.is_ready()
    lab.run("server", ["ip", "link", "del", "gone0"])
    assert intercept.ends() == 3
    assert "the interface gone0 is gone, and the interception with it" in intercept.said
