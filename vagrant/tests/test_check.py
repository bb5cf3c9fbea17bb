"""`gryphon check` on each host: nothing to mend as provisioned, and one misconfiguration each, with its command."""

from __future__ import annotations

import json
from typing import Any

from vagrant.machine import Machine

RUN = "-x 80-10.16.15.118:80 -c '10.17.15.*'"


def check(machine: Machine, options: str) -> tuple[int, dict[str, Any]]:
    """Exit status and result."""
    done = machine.ask(f"sudo gryphon check {options} --json -")
    assert done.stdout.startswith("{"), done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout)


def unmet(result: dict[str, Any]) -> list[dict[str, Any]]:
    return [point for point in result["points"] if point["verdict"] == "not" and point["needed"]]


def test_nothing_is_to_mend_on_the_sender(sender: Machine) -> None:
    status, result = check(sender, f"--role sender {RUN}")
    assert (status, unmet(result)) == (0, [])


def test_nothing_is_to_mend_on_the_server(server: Machine) -> None:
    status, result = check(server, f"--role server -i eth1 {RUN}")
    assert (status, unmet(result)) == (0, [])


def test_nothing_is_to_mend_on_the_assistant(assistant: Machine) -> None:
    status, result = check(assistant, "--role assistant -i eth1 -c '10.17.15.*'")
    assert (status, unmet(result)) == (0, [])


def test_a_missing_route_is_named_on_the_server(server: Machine) -> None:
    """Without its own route the range leaves by the default route, which is another interface here."""
    server.run("sudo ip route del 10.17.15.0/24")
    try:
        status, result = check(server, f"--role server -i eth1 {RUN}")
    finally:
        server.run("sudo ip route replace 10.17.15.0/24 via 10.16.15.119")
    (point,) = unmet(result)
    assert (status, point["point"]) == (3, "route of the range")
    assert "eth0" in point["seen"]
    assert point["mend"].startswith("ip route replace 10.17.15.0/24 ")


def test_a_strict_filter_is_named_on_the_server(server: Machine) -> None:
    """Packets come in by eth1, the range's route leads to eth0."""
    server.run("sudo sh -c 'ip route del 10.17.15.0/24; sysctl -w net.ipv4.conf.eth1.rp_filter=1'")
    try:
        status, result = check(server, f"--role server {RUN}")
    finally:
        server.run(
            "sudo sh -c 'ip route replace 10.17.15.0/24 via 10.16.15.119; sysctl -w net.ipv4.conf.eth1.rp_filter=0'"
        )
    assert status == 3
    (point,) = [point for point in unmet(result) if point["point"] == "rp_filter"]
    assert "rp_filter 1 on eth1 drops packets from 10.17.15.0/24" in point["seen"]
    assert "net.ipv4.conf.eth1.rp_filter=0" in point["mend"]


def test_forwarding_is_named_on_the_assistant(assistant: Machine) -> None:
    assistant.run("sudo sysctl -w net.ipv4.ip_forward=1")
    try:
        status, result = check(assistant, "--role assistant -i eth1 -c '10.17.15.*'")
    finally:
        assistant.run("sudo sysctl -w net.ipv4.ip_forward=0")
    (point,) = unmet(result)
    assert (status, point["point"], point["mend"]) == (3, "ip_forward", "sysctl -w net.ipv4.ip_forward=0")
