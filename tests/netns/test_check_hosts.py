"""Each misconfiguration, made on purpose on one of the lab's hosts, is named there with the command that mends it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from capturing import lacking
from checking import RANGE, RUN, changed, check, sysctl
from sending import BY_NAME, intercepted

from gryphon.lab.hosts import Lab
from gryphon.lab.needs import tool
from gryphon.lab.servers import Nginx
from gryphon.lab.wiring import SERVER_V4

SERVER = ["--role", "server", *RUN]
PORT = 8081
MOST_TRACKED = 1_000_000
LISTEN = f"import socket, signal; s = socket.create_server(('', {PORT}), backlog=%d); print(flush=True); signal.pause()"
CONNECT = f"import socket, signal; c = [socket.create_connection(('{SERVER_V4}', {PORT})) for _ in range(2)]; print()"
DATAGRAMS = """
import pathlib, socket, sys
count, most = (pathlib.Path(f"/proc/sys/net/netfilter/nf_conntrack_{name}") for name in ("count", "max"))
wanted = int(most.read_text()) * 97 // 100
sending = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(wanted // 60_000 + 2)]
for one in sending:
    for port in range(1, 60_001):
        one.sendto(b"", ("127.0.0.1", port))
    if int(count.read_text()) >= wanted:
        break
print(count.read_text())
"""


@pytest.fixture(autouse=True)
def _answering(nginx: Nginx) -> None:
    """A server that listens."""


@pytest.fixture
def fresh() -> Iterator[Lab]:
    """Hosts of a test's own, for what their kernels remember afterwards."""
    with Lab() as made:
        yield made


@contextmanager
def listening(lab: Lab, backlog: int, before: Sequence[str] = ()) -> Iterator[list[str]]:
    """A server that accepts nobody; the words that describe a run against it."""
    line = [*before, sys.executable, "-c", LISTEN % backlog]
    child = lab.popen("server", line, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"\n"
    try:
        yield ["-x", f"{PORT}-{SERVER_V4}:{PORT}", "-c", "10.17.15.*"]
    finally:
        lab.end(child)
        child.stdout.close()


def test_the_lab_s_own_hosts_have_nothing_to_mend(lab: Lab) -> None:
    lab.route_forged("assistant")
    for role in ("sender", "server", "assistant"):
        checked = check(lab, role, "--role", role, *RUN, "-u", "1000")
        assert (checked.status, checked.bad) == (0, []), checked.text
        assert checked.document["roles"] == [role]
    lab.route_forged("sender")


def test_without_options_a_host_is_told_what_it_can(lab: Lab) -> None:
    checked = check(lab, "assistant")
    assert (checked.status, checked.document["roles"]) == (0, [])
    assert {row["role"] for row in checked.document["points"]} == {"host"}
    assert "add --role sender, server or assistant" in checked.text


def test_a_process_without_capabilities_is_told_which(lab: Lab) -> None:
    lab.directory.chmod(0o711)
    checked = check(lab, "assistant", "--role", "assistant", before=["setpriv", "--bounding-set", "-net_admin"])
    assert checked.status == 3
    assert checked.bad == ["capabilities: this process lacks CAP_NET_ADMIN -> sudo gryphon check"]


def test_a_missing_route_is_named(lab: Lab) -> None:
    with changed(lab, "server", f"route add unreachable {RANGE}", f"route del unreachable {RANGE}"):
        checked = check(lab, "server", *SERVER, "-s", "10.16.16.119", "--role", "server")
    assert any(
        line.startswith(f"route of the range: there is no route for {RANGE} (No route to host)")
        and line.endswith(f"ip route replace {RANGE} via 10.16.16.119")
        for line in checked.bad
    ), checked.text


def test_a_range_on_the_link_is_named(lab: Lab) -> None:
    with changed(lab, "server", f"route add {RANGE} dev eth0", f"route del {RANGE} dev eth0"):
        checked = check(lab, "server", *SERVER)
    (line,) = checked.bad
    assert (
        "leads out of eth0 on its link: the kernel asks for each forged address (ARP, NDP) and nobody answers" in line
    )
    assert f"ip route replace {RANGE} via ASSISTANT" in line


def test_a_strict_filter_is_named_where_the_route_leads_elsewhere(lab: Lab) -> None:
    with intercepted(lab, "assistant"), sysctl(lab, "server", "net.ipv4.conf.eth0.rp_filter", 1):
        checked = check(lab, "server", *SERVER)
    lab.route_forged("sender")
    (line,) = checked.bad
    assert line == (
        f"rp_filter: rp_filter 1 on eth0 drops packets from {RANGE}, whose route leads out of eth1 -> "
        "sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0"
    )


@pytest.mark.parametrize(("host", "words"), [("assistant", ["--role", "assistant"]), ("sender", ["-s", "xdp:eth0"])])
def test_forwarding_is_named_where_answers_arrive(lab: Lab, host: str, words: list[str]) -> None:
    with sysctl(lab, host, "net.ipv4.ip_forward", 1):  # type: ignore[arg-type]
        checked = check(lab, host, *words, "-c", "10.17.15.*")  # type: ignore[arg-type]
    (line,) = checked.bad
    assert line.startswith("ip_forward: net.ipv4.ip_forward is on")
    assert line.endswith("sysctl -w net.ipv4.ip_forward=0")


def test_a_full_table_of_tracked_connections_is_named(fresh: Lab) -> None:
    most = Path("/proc/sys/net/netfilter/nf_conntrack_max")
    if not most.exists():
        lacking("the kernel tracks no connections (nf_conntrack)")
    if int(most.read_text()) > MOST_TRACKED:
        lacking(f"the table of tracked connections is larger than {MOST_TRACKED:,}, which takes too long to fill")
    rules = "table inet tracking {\nchain out {\ntype filter hook output priority 0\nct state new accept\n}\n}\n"
    fresh.run("server", [tool("nft"), "-f", "-"], text=rules)
    try:
        fresh.run("server", [sys.executable, "-c", DATAGRAMS], timeout=60)
        checked = check(fresh, "server", *SERVER)
    finally:
        fresh.run("server", [tool("nft"), "delete", "table", "inet", "tracking"])
    (line,) = [line for line in checked.bad if not line.startswith("listening")]
    assert line.startswith("conntrack: the table of tracked connections is full")
    assert "sysctl -w net.netfilter.nf_conntrack_max=" in line


def test_an_interface_that_is_not_there_is_named(lab: Lab) -> None:
    checked = check(lab, "assistant", "--role", "assistant", "-i", "eth9")
    (line,) = checked.bad
    assert line == "XDP: there is no interface eth9 -> name one of those there are: -i eth0 or eth1"


def test_a_server_that_does_not_listen_is_named(lab: Lab) -> None:
    checked = check(lab, "server", "-x", f"81-{SERVER_V4}:81", "-c", "10.17.15.*")
    (line,) = checked.bad
    assert line.startswith(f"listening: nothing listens at {SERVER_V4}:81")


def test_a_listen_backlog_of_one_is_named_and_so_is_a_full_one(lab: Lab) -> None:
    with listening(lab, 1) as run:
        short = check(lab, "server", *run)
        lab.run("sender", [sys.executable, "-c", CONNECT])
        full = check(lab, "server", *run)
        with intercepted(lab, "local"):
            canary = check(lab, "sender", *run, "-s", "xdp:eth0")
    (line,) = short.bad
    assert line.startswith(f"listening: {SERVER_V4}:{PORT} listens with a backlog of 1, too short")
    (line,) = full.bad
    assert "2 connections wait to be accepted and the queue is full (backlog 1): SYNs are dropped" in line
    assert "raise the backlog" in line
    assert canary.canary["outcome"] == "silent"
    assert "ss -ltn" in canary.cause(f"the queue of {SERVER_V4}:{PORT} is full")[1]


def test_a_limit_of_files_too_small_for_the_users_is_named(lab: Lab) -> None:
    with listening(lab, 4096, before=["prlimit", "--nofile=64"]) as run:
        checked = check(lab, "server", *run, "-u", "1000")
        enough = check(lab, "server", *run, "-u", "30")
    (line,) = checked.bad
    assert line.startswith(f"file limit: {SERVER_V4}:{PORT}: ")
    assert "may open 64 files, too few for 1,000 users" in line
    assert "--nofile=2024:2024" in line
    assert enough.bad == []


def test_a_real_host_in_the_forged_range_is_named(fresh: Lab) -> None:
    there = changed(fresh, "assistant", "address add 10.17.15.200/24 dev eth0", "address del 10.17.15.200/24 dev eth0")
    beside = changed(fresh, "server", "address add 10.17.15.118/24 dev eth1", "address del 10.17.15.118/24 dev eth1")
    with there, beside:
        checked = check(fresh, "server", "--role", "server", "-c", "10.17.15.192/26")
    assert checked.status == 3
    (line,) = [line for line in checked.bad if line.startswith("forged range")]
    assert "10.17.15.192/26 contains 10.17.15.200, a real host (02:00:10:16:16:19 on eth1)" in line
    assert "choose a range of nobody's with -c" in line


def test_the_role_is_told_from_what_hangs_on_the_interfaces(lab: Lab) -> None:
    with intercepted(lab, "assistant"):
        assert check(lab, "assistant").document["roles"] == ["assistant"]
    with intercepted(lab, "target"):
        assert check(lab, "server").document["roles"] == ["server"]
    lab.route_forged("sender")


def test_standard_output_takes_the_json_alone(lab: Lab) -> None:
    from gryphon.lab.commands import script

    done = lab.run("assistant", [script("gryphon"), "check", "--json", "-"])
    assert json.loads(done.stdout)["exit_status"] == 0


def test_a_target_topology_with_its_default_route_is_well(lab: Lab) -> None:
    assert BY_NAME["target"].hook == "--tc"
    with intercepted(lab, "target"):
        assert check(lab, "server", *SERVER, "-i", "eth0").bad == []
