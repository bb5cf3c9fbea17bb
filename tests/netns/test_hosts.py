"""The lab's hosts: they reach each other and nobody else, and go without a trace however their owner ends."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from gryphon.controller.errors import EnvironmentFault
from gryphon.lab import leftovers
from gryphon.lab.hosts import Lab
from gryphon.lab.processes import NAMESPACES, processes_in, start_time
from gryphon.lab.waiting import until
from gryphon.lab.wiring import HOSTS, LINKS, End, HostName

_LISTEN = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.create_server((sys.argv[1], 7), family=family) as listener:
    print("ready", flush=True)
    listener.accept()[0].sendall(b"here")
"""
_CONNECT = "import socket, sys; print(socket.create_connection((sys.argv[1], 7), 5).recv(4).decode())"

_OWNER = """
import sys
from gryphon.lab.hosts import Lab
from gryphon.lab.servers import Nginx
with Lab() as lab, Nginx(lab):
    print(lab.prefix, flush=True)
    sys.stdin.read()
"""


def _traces(prefix: str) -> list[str]:
    """All that can be seen of a lab on this machine."""
    mounts = [line for line in Path("/proc/mounts").read_text().splitlines() if prefix in line]
    names = [entry.name for entry in NAMESPACES.iterdir() if entry.name.startswith(prefix)]
    files = leftovers.directory(prefix)
    return [*mounts, *names, *([str(files)] if files.exists() else [])]


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(("one", "other"), [pair for link in LINKS for pair in (link, link[::-1])])
def test_neighbours_reach_each_other(lab: Lab, one: End, other: End, version: int) -> None:
    address = other.v4 if version == 4 else other.v6
    listener = lab.popen(other.host, [sys.executable, "-c", _LISTEN, address], stdout=subprocess.PIPE)
    assert listener.stdout is not None
    with listener.stdout:
        assert listener.stdout.readline() == b"ready\n"
        said = lab.run(one.host, [sys.executable, "-c", _CONNECT, address]).stdout
    assert said == "here\n"
    assert listener.wait(10) == 0


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("outside", ["192.0.2.1", "10.16.14.1", "8.8.8.8", "2001:db8::1", "fd00:18::1"])
def test_no_host_has_a_route_outside(lab: Lab, host: HostName, outside: str) -> None:
    asked = lab.run(host, ["ip", "route", "get", outside], check=False)
    assert asked.returncode != 0
    assert "unreachable" in asked.stderr


@pytest.mark.parametrize("host", HOSTS)
def test_no_host_forwards_or_makes_addresses_of_its_own(lab: Lab, host: HostName) -> None:
    keys = ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding", "net.ipv4.conf.all.rp_filter"]
    keys += ["net.ipv4.conf.eth0.rp_filter"]
    assert lab.run(host, ["/usr/sbin/sysctl", "-n", *keys]).stdout.split() == ["0"] * 4
    assert "fe80" not in lab.run(host, ["ip", "-6", "address"]).stdout


def test_the_forged_ranges_lead_to_the_host_that_was_chosen(lab: Lab) -> None:
    def hops() -> list[str]:
        asked = [lab.run("server", ["ip", "route", "get", to]).stdout for to in ("10.17.255.1", "fd00:17::5")]
        return [answer.split(" via ")[1].split()[0] for answer in asked]

    lab.route_forged("assistant")
    assert hops() == ["10.16.16.119", "fd00:16:16::119"]
    lab.route_forged("sender")
    assert hops() == ["10.16.15.117", "fd00:16:15::117"]


def test_a_failing_command_is_one_sentence_with_its_own_complaint(lab: Lab) -> None:
    with pytest.raises(EnvironmentFault, match=r"^`ip link show nowhere` failed in the lab: .*nowhere.*\.$"):
        lab.run("server", ["ip", "link", "show", "nowhere"])


@pytest.mark.parametrize("fails", [False, True])
def test_it_leaves_no_trace(fails: bool) -> None:
    lab = Lab()
    try:
        with lab:
            child = lab.popen("server", ["sleep", "600"])
            stranger = subprocess.Popen(["nsenter", f"--net={NAMESPACES / lab.namespace('sender')}", "sleep", "600"])
            until("the stranger to be inside", lambda: stranger.pid in processes_in(lab.namespace("sender")))
            assert _traces(lab.prefix)
            if fails:
                raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert child.poll() == -signal.SIGTERM
    assert stranger.wait(5) == -signal.SIGTERM
    assert _traces(lab.prefix) == []


def test_what_ignores_sigterm_is_killed() -> None:
    with Lab() as lab:
        stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(600)"
        child = lab.popen("server", [sys.executable, "-c", stubborn], stdout=subprocess.PIPE)
        assert child.stdout is not None
        with child.stdout:
            child.stdout.readline()
            assert lab.end(child, patience=0.1) == -signal.SIGKILL


def _owner() -> tuple[subprocess.Popen[str], str]:
    owner = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_OWNER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    return owner, owner.stdout.readline().strip()


def _close(owner: subprocess.Popen[str]) -> None:
    for pipe in (owner.stdin, owner.stdout):
        assert pipe is not None
        pipe.close()


def test_interrupted_it_leaves_no_trace() -> None:
    owner, prefix = _owner()
    assert _traces(prefix)
    owner.send_signal(signal.SIGINT)
    owner.wait(20)
    _close(owner)
    assert _traces(prefix) == []


def test_kill_9_of_the_owner_ends_its_processes_and_the_next_sweep_removes_the_rest() -> None:
    owner, prefix = _owner()
    inside = {pid: os.pidfd_open(pid) for pid in processes_in(f"{prefix}server")}
    assert len(inside) == 3, "nginx: a master and two workers"
    owner.kill()
    owner.wait()
    _close(owner)
    for pidfd in inside.values():
        ended, _, _ = select.select([pidfd], [], [], 10)
        assert ended
        os.close(pidfd)
    assert _traces(prefix), "what the kernel does not remove by itself"
    assert prefix in leftovers.sweep()
    assert _traces(prefix) == []


def test_a_sweep_leaves_labs_whose_owner_lives(lab: Lab) -> None:
    assert lab.prefix not in leftovers.sweep()
    assert lab.run("server", ["true"]).returncode == 0


def test_an_owner_is_told_from_a_later_process_with_its_id() -> None:
    now = start_time(os.getpid())
    assert now is not None
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert start_time(ended.pid) is None
