"""``--metrics``: figures for Prometheus over HTTP, read when they are asked for and at no other time.

Nothing is counted here: a collector reads what the program counts anyway. Who connects and says nothing is left after
a few seconds; what is shown are sums, no addresses and no secrets.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from importlib.metadata import version
from threading import Thread
from typing import Any, cast
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, MetricsHandler, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gryphon.controller.listen import bind, parse_listen, show

_PATIENCE_S = 5.0

_FRONT = b"<!DOCTYPE html><title>gryphon</title><p><a href=/metrics>Metrics</a>\n"

Collect = Callable[[], Iterable[Metric]]


class _Collector(Collector):
    """A function as prometheus_client wants it."""

    def __init__(self, function: Collect) -> None:
        self._function = function

    def collect(self) -> Iterable[Metric]:
        return self._function()


def info(name: str, what: str, labels: dict[str, str]) -> Metric:
    """A gauge that is always 1 and says something by its labels."""
    labels = {"version": version("gryphon"), **labels}
    family = GaugeMetricFamily(name, what, labels=list(labels))
    family.add_metric(list(labels.values()), 1)
    return family


class Exporter:
    """A listening HTTP server whose /metrics has what ``collect`` gives, and the CPU and memory of a process.

    Args:
        text: ``--metrics``, ADDR:PORT or :PORT.
        collect: called in another thread than the caller's at each request.

    Raises:
        InputFault: no address.
        EnvironmentFault: it cannot be listened at.
    """

    def __init__(self, text: str, collect: Collect) -> None:
        host, port = parse_listen("--metrics", text)
        listener = bind("--metrics", host, port)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collector(collect))
        owner = os.getpid()  # the process that is measured, whichever serves
        ProcessCollector(registry=registry, pid=lambda: owner)
        self._server = _over(listener, type("Figures", (_Figures,), {"registry": registry}))
        self._thread: Thread | None = None
        self.where = show(*listener.getsockname()[:2])

    def start(self) -> None:
        """Serve in a thread of this process."""
        self._thread = Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        if self._thread is not None:
            self._server.shutdown()
        self._server.server_close()


class _Figures(MetricsHandler):
    """The figures at /metrics, a page that leads there at /, and nothing anywhere else."""

    timeout = _PATIENCE_S

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/metrics":
            super().do_GET()
        elif path == "/":
            self._answer(HTTPStatus.OK, _FRONT)
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"")

    def _answer(self, status: HTTPStatus, page: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: who looks is no event of the run."""


def _over(listener: socket.socket, handler: type[MetricsHandler]) -> ThreadingHTTPServer:
    """A server over a bound socket."""
    server = ThreadingHTTPServer(("", 0), handler, bind_and_activate=False)
    server.socket.close()
    cast("Any", server).socket = listener
    server.daemon_threads = True
    server.block_on_close = False
    server.server_activate()
    return server
