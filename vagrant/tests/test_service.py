"""The intercept as a service under systemd: three capabilities, there after a boot, and no leak at a restart."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from gryphon.lab.waiting import until
from vagrant.machine import Machine
from vagrant.replay import send
from vagrant.tests.test_faults import looping
from vagrant.wire import Wire

TOKEN = "a-token-of-these-machines"
UNIT = "gryphon-intercept"
CAPABILITIES = 1 << 12 | 1 << 38 | 1 << 39
"""CAP_NET_ADMIN, CAP_PERFMON, CAP_BPF."""


@pytest.fixture(scope="module")
def service(machines: dict[str, Machine]) -> Iterator[Machine]:
    """The assistant with the unit as docs/installation.md installs it."""
    assistant = machines["assistant"]
    assistant.run(f"sudo install -m 644 /opt/gryphon/lib/systemd/system/{UNIT}.service /etc/systemd/system/")
    assistant.run("sudo install -d -m 700 /etc/gryphon")
    assistant.write("/etc/gryphon/intercept", "OPTIONS=--xdp eth1\n")
    assistant.write("/etc/gryphon/token", TOKEN)
    assistant.run(f"sudo chmod 600 /etc/gryphon/token && sudo systemctl enable --now {UNIT}")
    yield assistant
    assistant.run(f"sudo systemctl disable --now {UNIT}")
    assistant.run("sudo gryphon-intercept --detach eth1")


def pid(assistant: Machine) -> int:
    return int(assistant.run(f"systemctl show -P MainPID {UNIT}"))


def test_it_has_three_capabilities_and_nothing_else(service: Machine) -> None:
    status = service.run(f"sudo cat /proc/{pid(service)}/status")
    held = dict(re.findall(r"^(Cap\w+):\s*(\w+)$", status, re.MULTILINE))
    assert int(held["CapEff"], 16) & ~CAPABILITIES == 0
    assert int(held["CapBnd"], 16) == CAPABILITIES
    assert "NoNewPrivs:\t1" in status


def test_systemd_finds_no_fault_and_little_exposure(service: Machine) -> None:
    verified = service.ask(f"systemd-analyze verify --man=no /etc/systemd/system/{UNIT}.service")
    assert (verified.returncode, verified.stderr) == (0, "")
    judged = service.run(f"sudo systemd-analyze security {UNIT} | tail -1")
    (exposure,) = re.findall(r"exposure level for \S+: (\d+\.\d+)", judged)
    assert float(exposure) < 2.5


def test_a_run_is_served(service: Machine, machines: dict[str, Machine], recording: str) -> None:
    run = send(machines, recording, "10.16.15.119", token=TOKEN, users=100)
    run.assert_whole(100)


def test_a_restart_in_the_middle_of_a_run_leaks_nothing(
    service: Machine, machines: dict[str, Machine], wire: Wire, recording: str
) -> None:
    """It ends the run; the program stays attached meanwhile (--keep), and the next one takes it over."""
    with wire:
        with machines["sender"].running(looping(recording, TOKEN, 600)) as run:
            machines["server"].wait_for_requests()
            before = pid(service)
            service.run(f"sudo systemctl restart {UNIT}")
            assert run.wait() == 3, run.text
        assert pid(service) != before
        again = send(machines, recording, "10.16.15.119", token=TOKEN, users=100)
    again.assert_whole(100)
    assert set(wire.seen) == {("server", wire.macs["assistant"])}


def test_it_is_there_after_a_boot(service: Machine, machines: dict[str, Machine], recording: str) -> None:
    service.reboot()
    until("the service", lambda: service.run(f"systemctl is-active {UNIT}", check=False) == "active\n", seconds=300)
    run = send(machines, recording, "10.16.15.119", token=TOKEN, users=100)
    run.assert_whole(100)
