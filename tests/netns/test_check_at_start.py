"""`gryphon send` warns at its start of what would spoil the run, and goes on; nothing is said where all is well."""

from __future__ import annotations

from checking import sysctl
from sending import intercepted, start

from gryphon.lab.commands import options
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import Recording


def test_forwarding_on_a_local_sender_is_a_warning(lab: Lab, recording: Recording) -> None:
    line = options(recording, "xdp:eth0", 8)
    with intercepted(lab, "local"), sysctl(lab, "sender", "net.ipv4.ip_forward", 1):
        run = start(lab, line)
        assert run.finish() == 0, run.text
    (warning,) = [said for said in run.text.splitlines() if said.startswith("gryphon: ")]
    assert warning.startswith("gryphon: net.ipv4.ip_forward is on")
    assert "sysctl -w net.ipv4.ip_forward=0 (gryphon check says more)" in warning


def test_a_healthy_run_is_warned_of_nothing(lab: Lab, recording: Recording) -> None:
    with intercepted(lab, "local"):
        run = start(lab, options(recording, "xdp:eth0", 8))
        assert run.finish() == 0, run.text
    assert "gryphon: " not in run.text
