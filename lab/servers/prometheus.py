"""A real Prometheus in the lab, on the sender's host: it scrapes what is there, and its HTTP interface is asked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from gryphon.controller.errors import EnvironmentFault
from gryphon.lab.hosts import Lab
from gryphon.lab.needs import tool
from gryphon.lab.servers.daemon import Daemon

PORT = 9090

_CONFIGURATION = """\
global:
  scrape_interval: 500ms
scrape_configs:
  - job_name: gryphon
    static_configs:
      - targets: {targets}
"""


class Prometheus(Daemon):
    """prometheus on the sender's host, as a context manager.

    Args:
        targets: ADDRESS:PORT each, scraped twice a second.
    """

    def __init__(self, lab: Lab, targets: Sequence[str]) -> None:
        super().__init__(lab, "prometheus", host="sender")
        self._targets = list(targets)

    def query(self, expression: str) -> list[Any]:
        """The samples that an expression has now: a list of {metric, value}."""
        return list(self._ask(f"/api/v1/query?{urlencode({'query': expression})}")["data"]["result"])

    def healthy(self) -> list[str]:
        """The targets whose last scrape worked."""
        targets = self._ask("/api/v1/targets")["data"]["activeTargets"]
        return sorted(target["labels"]["instance"] for target in targets if target["health"] == "up")

    def _ask(self, path: str) -> Any:
        done = self.lab.run("sender", [tool("curl"), "-sf", f"http://127.0.0.1:{PORT}{path}"], check=False)
        if done.returncode:
            raise EnvironmentFault(f"prometheus gives no answer in the lab (curl: {done.returncode}).")
        return json.loads(done.stdout)

    def _line(self) -> list[str]:
        configuration = self.directory / "prometheus.yml"
        configuration.write_text(_CONFIGURATION.format(targets=json.dumps(self._targets)))
        return [
            tool("prometheus"),
            f"--config.file={configuration}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{PORT}",
        ]

    def _answers(self) -> bool:
        done = self.lab.run("sender", [tool("curl"), "-sf", f"http://127.0.0.1:{PORT}/-/ready"], check=False)
        return done.returncode == 0
