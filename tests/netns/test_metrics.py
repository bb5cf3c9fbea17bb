"""A real Prometheus scrapes both commands during a run, and every query of the dashboard has data."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path

from sending import intercepted, start

from gryphon.controller.errors import EnvironmentFault
from gryphon.lab.commands import options
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import Recording
from gryphon.lab.servers import Nginx
from gryphon.lab.servers.prometheus import Prometheus
from gryphon.lab.waiting import until
from gryphon.lab.wiring import SERVER_V4

DASHBOARD = Path(__file__).parents[2] / "docs/grafana/gryphon.json"
SENDER, INTERCEPT = "127.0.0.1:9637", f"{SERVER_V4}:9636"


def queries() -> dict[str, str]:
    """Those of the dashboard by panel and legend, its variables filled in as Grafana would."""
    filled = {"$__rate_interval": "5s", "$sender": re.escape(SENDER), "$intercept": re.escape(INTERCEPT)}
    found = {}
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            text = target["expr"]
            for name, value in filled.items():
                text = text.replace(name, value.replace("\\", "\\\\"))
            found[f"{panel['title']}: {target['legendFormat']}"] = text
    return found


def test_prometheus_has_what_both_commands_count(lab: Lab, nginx: Nginx, recording: Recording) -> None:
    with (
        intercepted(lab, "target", "--metrics", INTERCEPT, "--sample", "16") as (topology, _),
        Prometheus(lab, [SENDER, INTERCEPT]) as seen,
    ):
        # the recording's pauses, the loops and the hold keep them connected until they are stopped
        words = ["-i", "50", "--loops", "forever", "--verify", "16", "--metrics", SENDER]
        run = start(lab, [*options(recording, topology.intercept, 200), *words])
        until("both to be scraped", lambda: seen.healthy() == sorted([SENDER, INTERCEPT]), seconds=30)

        empty = set(queries())

        def filled() -> bool:
            assert run.child.poll() is None, run.text
            empty.difference_update([name for name in empty if seen.query(queries()[name])])
            return not empty

        with contextlib.suppress(EnvironmentFault):
            until("every query of the dashboard to have data", filled, seconds=30)
        assert empty == set()
        until("all users", lambda: float(seen.query("gryphon_users_started")[0]["value"][1]) == 200, seconds=30)
        run.child.terminate()
        assert run.finish() == 130, run.text
        assert float(seen.query("gryphon_intercept_recorded_packets_total")[0]["value"][1]) > 200
        until("the sender's port to be closed", lambda: seen.healthy() == [INTERCEPT], seconds=10)
