"""A run that was late because something stopped it says so, and does not take the blame or give it to the server."""

from __future__ import annotations

import os
import signal
import time

from sending import intercepted, long_run

from gryphon.lab.hosts import Lab
from gryphon.lab.recording import Recording
from gryphon.lab.servers import Nginx
from gryphon.lab.waiting import until

STOPPED_S = 4.0


def test_a_sender_that_was_stopped_says_for_how_long(lab: Lab, nginx: Nginx, recording: Recording) -> None:
    with intercepted(lab, "local") as (topology, _):
        run = long_run(lab, nginx, recording, topology.intercept)
        os.kill(run.child.pid, signal.SIGSTOP)
        since = time.monotonic()
        until("the standstill to last", lambda: time.monotonic() >= since + STOPPED_S)
        os.kill(run.child.pid, signal.SIGCONT)
        assert run.finish() == 0, run.text
    time_of = run.result["pacing"]["while_late"]
    assert STOPPED_S / 2 < time_of["still_s"] < time_of["elapsed_s"] - time_of["busy_s"]
    assert "was stopped, or the machine, for" in " ".join(run.text.split()), run.text
