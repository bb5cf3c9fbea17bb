"""A server that stops in the middle of a run; alone in its module, whose server is gone afterwards."""

from __future__ import annotations

from sending import intercepted, long_run

from gryphon.lab.hosts import Lab
from gryphon.lab.recording import Recording
from gryphon.lab.servers import Nginx


def test_a_stopped_server_fails_its_users_and_the_run_ends(lab: Lab, nginx: Nginx, recording: Recording) -> None:
    with intercepted(lab, "target") as (topology, _):
        log = lab.directory / "stops.log"
        run = long_run(lab, nginx, recording, topology.intercept, ["-l", str(log)])
        nginx.stop()
        assert run.finish(60) == 1
        failed = run.result["users"]["failed"]
        assert failed["refused"] > 0
        assert run.result["users"]["started"] == 2000
        assert run.result["verdict"] == "failed"
        assert "FAILED" in run.text.splitlines()[-1]
        assert "ended: the run is over, and not all of its users have completed; it lived" in log.read_text()
