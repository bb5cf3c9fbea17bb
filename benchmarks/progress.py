"""Follows a run from the server's side: nginx's own count of requests over time, and the costs of everybody."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.measure import busy_seconds, cpu_seconds, has_ended, own_cpu_seconds, peak_bytes
from gryphon.lab.hosts import Lab
from gryphon.lab.processes import processes_in
from gryphon.lab.servers import Nginx

_INTERVAL = 0.1
_QUIET = 5.0
"""Seconds without a request after which a run that should go on is over."""


@dataclass
class Progress:
    """What was seen of a run.

    Attributes:
        served: (monotonic seconds, requests since the start) whenever there were more than before.
        cpu: of the watched processes, in their order, at the end.
        busy: mean number of cores that anybody else was using meanwhile.
    """

    served: list[tuple[float, int]]
    cpu: list[float]
    server_cpu: float
    busy: float
    peak: int
    packets: int
    requests: int
    connections: int

    def rate(self) -> float:
        """Requests a second from the first one to the last."""
        if len(self.served) < 2:
            return 0.0
        (start, before), (end, after) = self.served[0], self.served[-1]
        return (after - before) / (end - start)


@dataclass
class Follower:
    """Watches one run; made right before it starts.

    Attributes:
        others: processes whose CPU time counts from now on, such as the intercept.
    """

    lab: Lab
    nginx: Nginx
    others: Sequence[int]
    _before: list[float] = field(init=False)

    def __post_init__(self) -> None:
        self._mark = self.nginx.mark()
        self._packets = received(self.lab)
        self._before = [cpu_seconds(pid) for pid in self.others]
        inside = processes_in(self.lab.namespace("server"))
        self._server = [pid for pid in inside if pid not in self.others]
        self._server_before = self._server_cpu()
        self._own = own_cpu_seconds(os.getpid())
        self._start = time.monotonic(), busy_seconds()

    def follow(
        self, sender: subprocess.Popen[bytes], wanted: int, patience: float, over: Callable[[], bool] | None = None
    ) -> Progress:
        """Watches until the run is over: the sender has ended, or is one that never ends and has nothing left to do.

        Args:
            wanted: requests of the whole run.
            patience: seconds after which it is over in any case.
            over: for a sender that does not end by itself: asked once all is served. Such a run is over, too, when
                nothing was served for a while.
        """
        start = last = time.monotonic()
        served: list[tuple[float, int]] = []
        peak = 0
        before = start
        while not has_ended(sender) and time.monotonic() - start < patience:
            now, requests = time.monotonic(), self.nginx.mark().requests - self._mark.requests
            peak = max(peak, peak_bytes(sender.pid))
            if requests > (served[-1][1] if served else 0):
                served = served or [(before, 0)]
                served.append((now, requests))
                last = now
            elif served and over and (now - last > _QUIET or (requests >= wanted and over())):
                break
            before = now
            time.sleep(_INTERVAL)
        return self._end(sender, served, peak)

    def _end(self, sender: subprocess.Popen[bytes], served: list[tuple[float, int]], peak: int) -> Progress:
        cpu = [cpu_seconds(sender.pid)]
        cpu += [cpu_seconds(pid) - before for pid, before in zip(self.others, self._before, strict=True)]
        server_cpu = self._server_cpu() - self._server_before
        own = own_cpu_seconds(os.getpid()) - self._own
        others = busy_seconds() - self._start[1] - sum(cpu) - server_cpu - own
        mark = self.nginx.mark()
        requests = mark.requests - self._mark.requests
        if served and requests > served[-1][1]:
            served.append((time.monotonic(), requests))
        return Progress(
            served=served,
            cpu=cpu,
            server_cpu=server_cpu,
            busy=max(0.0, others / (time.monotonic() - self._start[0])),
            peak=peak,
            packets=received(self.lab) - self._packets,
            requests=requests,
            connections=mark.accepted - self._mark.accepted,
        )

    def _server_cpu(self) -> float:
        return sum(own_cpu_seconds(pid) for pid in self._server)  # nginx and its workers, all of them


def received(lab: Lab) -> int:
    """Packets that came in on the server's eth0 so far."""
    line = ["ip", "-s", "-j", "link", "show", "dev", "eth0"]
    return int(json.loads(lab.run("server", line).stdout)[0]["stats64"]["rx"]["packets"])
