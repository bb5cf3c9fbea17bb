"""The kernels are the distribution's own; every variant of the BPF programs compiles without headers and loads."""

from __future__ import annotations

import os

import pytest

from vagrant.machine import Machine

LOADS = """
import sys
from gryphon.bpf import loader
from gryphon.controller import egress, xdp
from gryphon.controller.attach import SOURCE
module = loader.compile(SOURCE, {"RING_BYTES": 1 << 16, "SAMPLE": int(sys.argv[1]), "RINGS": int(sys.argv[2])})
for hook in (xdp, egress):
    module.load(hook.KIND, hook.FUNCTION, hook.NAME)
print("loaded")
"""
TRANSMITS = """
from gryphon.sender.transmit.xdp_program import XdpProgram
XdpProgram()
print("loaded")
"""


@pytest.mark.parametrize("host", ["sender", "server", "assistant"])
def test_the_kernel_is_stock_and_has_no_headers(machines: dict[str, Machine], host: str) -> None:
    release = machines[host].run("uname -r").strip()
    assert release.startswith(os.environ["GRYPHON_KERNEL"])
    assert "cloud-amd64" in release
    assert machines[host].ask(f"test -e /lib/modules/{release}/build").returncode != 0
    assert "linux-headers" not in machines[host].run("dpkg-query -W -f '${Package} '")


@pytest.mark.parametrize(("sample", "rings"), [(0, 1), (1024, 1), (64, 4)])
def test_every_variant_of_the_interception_loads(sender: Machine, sample: int, rings: int) -> None:
    """The verifier of each kernel follows other things: 6.1 knew no bound of a length whose bytes were swapped."""
    sender.write("/tmp/loads.py", LOADS)
    assert sender.run(f"sudo /opt/gryphon/bin/python /tmp/loads.py {sample} {rings}").endswith("loaded\n")


def test_the_programs_of_the_xdp_transmitter_load(sender: Machine) -> None:
    sender.write("/tmp/transmits.py", TRANSMITS)
    assert sender.run("sudo /opt/gryphon/bin/python /tmp/transmits.py") == "loaded\n"
