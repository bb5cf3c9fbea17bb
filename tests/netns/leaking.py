"""The life of runs as chapters, under captures on every interface beyond the interception: not one answer may show."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

from intercepting import Intercept, answer
from sending import TOKEN, Run, established, long_run, start

from gryphon.lab.commands import options, script
from gryphon.lab.hosts import Lab
from gryphon.lab.impair import Impairment
from gryphon.lab.recording import Recording
from gryphon.lab.servers import PORT, Nginx
from gryphon.lab.topologies import Topology
from gryphon.lab.waiting import until
from gryphon.lab.watch import Watch
from gryphon.lab.wiring import SERVER_V4

_STORM = """
import socket, struct, sys
tcp = struct.pack("!HHIIBBHHH", 80, 40000, 1, 1, 5 << 4, 0x10, 1000, 0, 0)
ends = socket.inet_aton(sys.argv[1]) + socket.inet_aton("10.17.15.7")
packet = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0) + ends + tcp
sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
for _ in range(int(sys.argv[2])):
    sock.sendto(packet, ("10.17.15.7", 0))
"""
OVERFLOW = 300_000
"""Answers that a ring of 16 MiB does not hold."""


class Story:
    """Runs in one topology, each with its own end; `told` has the chapters that were seen to happen."""

    def __init__(self, lab: Lab, nginx: Nginx, recording: Recording, topology: Topology) -> None:
        self._lab, self._nginx, self._recording, self._topology = lab, nginx, recording, topology
        self._intercept: Intercept | None = None
        self._names = 0
        self.told: list[str] = []
        lab.route_forged(topology.via)

    @property
    def is_local(self) -> bool:
        return self._topology.interceptor is None

    def intercept(self) -> None:
        """Starts one where the topology has it; from a killed one it takes over."""
        if self._topology.interceptor is None:
            return
        self._names += 1
        name = f"leak-{self._topology.name}-{self._names}"
        hook = self._topology.hook
        self._intercept = Intercept(self._lab, self._topology.interceptor, name, hook, "eth0", token=TOKEN)
        self._intercept.is_ready()

    def whole_run(self) -> None:
        """Start, steady load, the users' own ends."""
        run = start(self._lab, [*self._line(60), "-i", "100"])
        assert run.finish() in ((0,) if not self.told else (0, 1)), run.text  # 1: addresses of users killed before
        self.told.append("a whole run")

    def run_with_loss(self) -> None:
        """Packets of the users are lost: retransmissions both ways, and users that give up."""
        with Impairment(self._lab, "sender", PORT, loss=0.05, duplicate=0.02, reorder=0.05) as impairment:
            run = start(self._lab, [*self._line(60), "-i", "100", "-t", "5"])
            assert run.finish() in (0, 1), run.text
        assert impairment.counts.dropped > 0
        self.told.append("loss")

    def overflow(self) -> None:
        """The ring's reader stands still while more answers come than the ring holds."""
        run = self._middle()
        reader = run.child.pid if self._intercept is None else self._intercept.child.pid
        os.kill(reader, signal.SIGSTOP)
        try:
            self._lab.run("server", [sys.executable, "-c", _STORM, SERVER_V4, str(OVERFLOW)], timeout=60)
        finally:
            os.kill(reader, signal.SIGCONT)
        run.child.send_signal(signal.SIGINT)
        status = run.finish(20)
        # 3 where it took so long that the grant was lost before, 1 where all users had given up by then
        assert status in (1, 3, 130), run.text
        if status == 130 and run.result["packets"]["ring_lost"]:
            self.told.append("overflow")

    def interrupted(self) -> None:
        """Ctrl-C in the middle: every user is reset."""
        run = self._middle()
        run.child.send_signal(signal.SIGINT)
        assert run.finish(20) == 130, run.text
        self.told.append("interrupted")

    def sender_killed(self) -> None:
        """The server goes on talking to hundreds of users that are gone."""
        run = self._middle()
        run.child.kill()
        run.finish()
        assert established(self._lab)
        self.told.append("sender killed")

    def intercept_killed(self) -> None:
        """The sender stops by itself; the next intercept takes over."""
        assert self._intercept is not None
        run = self._middle()
        self._kill_intercept()
        assert run.finish(20) == 3, run.text
        self.intercept()
        self.told.append("intercept killed")

    def both_killed(self) -> None:
        """At the same moment."""
        run = self._middle()
        self._kill_intercept()
        run.child.kill()
        run.finish()
        self.intercept()
        self.told.append("both killed")

    def stopped(self) -> None:
        """The intercept is told to stop in the middle: the sender hears of it, and it lingers."""
        assert self._intercept is not None
        run = self._middle()
        self._intercept.signal(signal.SIGTERM)
        assert run.finish(20) == 3, run.text
        assert self._intercept.child.poll() is None, "it lingers"
        self.told.append("stopped")

    def is_quiet(self, watch: Watch) -> None:
        """Nothing has left so far."""
        left = watch.seen()
        assert left == {}, f"answers to forged addresses left by the end of {self.told}: {left}, {watch.shown()}"

    def end(self, watch: Watch) -> None:
        """What is left is detached: only now an answer passes, which shows that the captures were listening."""
        self.is_quiet(watch)
        self._kill_intercept()
        host = self._topology.interceptor or "sender"
        line = [script("gryphon-intercept"), "--detach", "eth0", "-l", "/dev/null"]
        self._lab.run(host, line)
        answer(self._lab, 4711)
        until("the answer that nothing drops any more", lambda: watch.seen())
        self.told.append("detached")

    def _middle(self) -> Run:
        return long_run(
            self._lab, self._nginx, self._recording, self._topology.intercept, ["-m", str(len(self.told) % 2)]
        )

    def _line(self, users: int) -> list[str]:
        return options(self._recording, self._topology.intercept, users)

    def _kill_intercept(self) -> None:
        if self._intercept is not None:
            self._intercept.signal(signal.SIGKILL)
            self._intercept.ends()


def tell(story: Story, watch: Watch, rounds: int) -> None:
    """The short story, or each chapter so many times."""
    story.intercept()
    both = [] if story.is_local else [story.intercept_killed, story.both_killed]
    chapters: list[Callable[[], None]] = [story.sender_killed, *both[1:]]
    if rounds:
        chapters = [story.whole_run, story.run_with_loss, story.overflow, story.interrupted, story.sender_killed, *both]
    chapters *= max(rounds, 1)
    for chapter in chapters:
        chapter()
        story.is_quiet(watch)
    if rounds and not story.is_local:
        story.stopped()
    story.end(watch)
