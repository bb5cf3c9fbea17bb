"""However the grant ends, no packet of a user leaves later than a second afterwards, in one process or several."""

from __future__ import annotations

import signal
import sys
import time

import pytest
from sending import intercepted, long_run

from gryphon.lab.commands import script
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import Recording
from gryphon.lab.servers import Nginx
from gryphon.lab.tap import Tap
from gryphon.lab.waiting import until

pytestmark = pytest.mark.usefixtures("bpf_privileges")

MARK = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'last', ('10.16.15.118', 9))"


@pytest.mark.parametrize(
    ("number", "more"),
    [
        (signal.SIGTERM, []),
        (signal.SIGKILL, ["--threads", "3"]),
        (signal.SIGTERM, ["--threads", "2", "--transmit", "xdp", "-o", "eth0"]),
    ],
    ids=["stopped", "killed, threads", "stopped, threads and xdp"],
)
def test_no_packet_leaves_a_second_after_the_intercept_ended(
    lab: Lab, nginx: Nginx, recording: Recording, taking: None, number: signal.Signals, more: list[str]
) -> None:
    path = lab.directory / f"ended-{number}-{len(more)}.pcap"
    with (
        intercepted(lab, "target") as (topology, child),
        Tap(lab, "server", "eth0", path, "src net 10.17.0.0/16 or udp port 9") as tap,
    ):
        assert child is not None
        run = long_run(lab, nginx, recording, topology.intercept, more)
        ended = time.time()
        child.send_signal(number)
        assert run.finish(8) == 3, run.text
        lab.run("sender", [sys.executable, "-c", MARK])
        until("the last packet", lambda: any(packet.endswith(b"last") for _, packet in tap.packets()))
        times = [at for at, packet in tap.packets() if not packet.endswith(b"last")]
    lab.run("server", [script("gryphon-intercept"), "--detach", "eth0", "-l", "/dev/null"], check=False)
    assert any(ended - 1 < at < ended for at in times)  # it was at work
    assert max(times) < ended + 1
    assert run.result["verdict"] == "grant_lost"
    assert "intercept" in run.text
