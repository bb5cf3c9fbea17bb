"""What keeps `gryphon send` from starting is one sentence with its exit status, and leaves nothing behind."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Sequence

import pytest
from checking import changed

from gryphon.lab.commands import interception, script
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import Recording
from gryphon.lab.topologies import TOPOLOGIES

TARGET = TOPOLOGIES[0]
TOKEN = secrets.token_hex(16)
RIGHT = {
    "-x": "80-10.16.15.118:80",
    "-f": "recorded.pcap",
    "-s": "10.16.15.118",
    "-u": "10",
    "-c": "10.17.15.*",
    "--json": "never.json",
}


def send(
    lab: Lab, changes: dict[str, str], *, token: str = TOKEN, before: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """`gryphon send` with right options but for the changes."""
    words = [word for pair in {**RIGHT, **changes}.items() for word in pair]
    line = [*before, script("gryphon"), "send", *words]
    return lab.run("sender", [*line, *(["--token", token] if token else [])], check=False)


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that it says."""
    (line,) = done.stderr.splitlines()
    assert line.startswith("gryphon: ")
    assert done.stdout == ""
    return line


WRONG_INPUT = [
    ({"-f": "missing.pcap"}, "no capture file missing.pcap"),
    ({"-f": "/etc/passwd"}, "not a pcap or pcapng capture: it looks like text"),
    ({"-x": "8081-10.16.15.118:80"}, "no session to port 8081 in recorded.pcap; it has port 80 (8 sessions)"),
    ({"-x": "80:10.16.15.118:80"}, "write RECORDED_PORT-SERVER:PORT"),
    ({"-u": "0"}, "at least one user is needed"),
    ({"-u": "8000000"}, "it holds 7,171,182 (254 addresses x 28,233 ports)"),
    ({"-c": "10.16.15.*", "-x": "80-10.16.16.118:80"}, "contains 10.16.15.117, an address of this host"),
    ({"-c": "10.16.16.0/24", "-x": "80-10.16.16.118:80"}, "contains 10.16.16.118, the server under test"),
    ({"-c": "fd00:17::/64"}, "is IPv6 and the server 10.16.15.118 is IPv4"),
    ({"-c": "10.17.15"}, "is not a forged range"),
    ({"-s": "a:b:c"}, "is no intercept: write HOST[:PORT]"),
    ({"-a": "0"}, "give a positive number such as 2 or 0.5, or max"),
    ({"--hold": "long"}, "--hold long: give a time such as 90s or 10m, at most 30d, or forever"),
    ({"-C": "2"}, "-C has no use here: one channel carries every record"),
    ({"-S": "1400"}, "-S has no use here"),
    ({"-P": "pid"}, "-P has no use here"),
    ({"--fail-if": "slow"}, "is not a condition"),
    ({"--xdp-mode": "fast"}, "give auto, native or generic"),
    ({"--transmit": "dpdk"}, "--transmit dpdk: give raw, link, xdp or auto"),
    ({"-o": "eth0"}, "-o eth0 is for frames, and raw sockets follow this host's routes"),
    ({"--json": "/nowhere/result.json"}, "the result cannot be written to /nowhere/result.json"),
    ({"-l": "/nowhere/log"}, "cannot write the log /nowhere/log"),
]


@pytest.mark.parametrize(("changes", "fragment"), WRONG_INPUT, ids=lambda value: str(value)[:40])
def test_wrong_input_is_named_with_what_to_do(
    lab: Lab, recording: Recording, changes: dict[str, str], fragment: str
) -> None:
    done = send(lab, changes)
    assert fragment in sentence(done)
    assert done.returncode == 2
    assert not (lab.directory / "never.json").exists()


def test_no_intercept_there_is_said(lab: Lab, recording: Recording) -> None:
    done = send(lab, {})
    assert "no intercept listens at 10.16.15.118:36524: start gryphon-intercept on that host" in sentence(done)
    assert done.returncode == 3


def test_no_token_says_how_to_give_one(lab: Lab, recording: Recording) -> None:
    done = send(lab, {}, token="")
    assert "--token, --token-file or GRYPHON_TOKEN" in sentence(done)
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("changes", "token", "fragment"),
    [
        ({}, "another token", "token"),
        ({"-c": "10.17.99.0/24"}, TOKEN, "10.17.99.0/24"),
    ],
    ids=["wrong token", "range not allowed"],
)
def test_what_the_intercept_refuses_is_said_with_its_reason(
    lab: Lab, recording: Recording, changes: dict[str, str], token: str, fragment: str
) -> None:
    allowed = ["--allow-ranges", "10.17.15.0/24"]
    with interception(lab, TARGET, {"GRYPHON_TOKEN": TOKEN}, lambda _: None, allowed):
        done = send(lab, changes, token=token)
    assert fragment in sentence(done)
    assert done.returncode == 3


@pytest.mark.parametrize(
    ("changes", "lacking", "named"),
    [
        ({}, "-net_raw", "CAP_NET_RAW"),
        ({"-s": "xdp:eth0"}, "-net_admin", "CAP_NET_ADMIN"),
    ],
)
def test_a_missing_capability_is_named(
    lab: Lab, recording: Recording, changes: dict[str, str], lacking: str, named: str
) -> None:
    done = send(lab, changes, before=["setpriv", "--bounding-set", lacking])
    assert named in sentence(done)
    assert done.returncode == 3


def test_a_missing_interface_is_named_with_those_there_are(lab: Lab, recording: Recording) -> None:
    done = send(lab, {"-s": "xdp:eth9"})
    assert "no interface eth9" in sentence(done)
    assert "eth0" in done.stderr
    assert done.returncode == 3


def test_a_live_host_on_the_link_that_nobody_has_spoken_to_is_no_forged_user(lab: Lab, recording: Recording) -> None:
    address = "10.16.17.200"
    with changed(lab, "assistant", f"address add {address}/24 dev eth1", f"address del {address}/24 dev eth1"):
        before = lab.run("sender", ["ip", "neigh", "show", address]).stdout
        done = send(lab, {"-s": "xdp:eth0", "-c": address})
    assert before == ""
    assert f"{address}/32 contains {address}, a neighbour of this host (02:00:10:16:17:19)" in sentence(done)
    assert done.returncode == 2


def test_ranges_of_strangers_are_refused_in_the_local_topology(lab: Lab, recording: Recording) -> None:
    done = send(lab, {"-s": "xdp:eth0", "-c": "8.8.8.0/24"})
    assert "8.8.8.0/24 is not allowed here" in sentence(done)
    assert done.returncode == 3
    assert "prog/xdp" not in lab.run("sender", ["ip", "link", "show", "eth0"]).stdout
