"""The real commands in the lab's hosts: `gryphon-intercept` where it belongs and `gryphon send` on the sender."""

from __future__ import annotations

import contextlib
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from gryphon.controller.errors import EnvironmentFault
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import Recording
from gryphon.lab.servers import PORT
from gryphon.lab.topologies import Topology
from gryphon.lab.waiting import until
from gryphon.lab.wiring import FORGED_V6, SERVER_V4, SERVER_V6

Tell = Callable[[str], None]
SPEED = 2


def script(name: str) -> str:
    """The command that was installed beside the interpreter that runs this."""
    return str(Path(sys.executable).parent / name)


def options(recording: Recording, intercept: str, users: int) -> list[str]:
    """What `gryphon` is told to replay a recording of the lab's nginx."""
    server, clients = (SERVER_V4, "10.17.15.*") if recording.version == 4 else (f"[{SERVER_V6}]", str(FORGED_V6))
    line = ["send", "-x", f"{PORT}-{server}:{PORT}", "-f", str(recording.path), "-s", intercept]
    return [*line, "-u", str(users), "-a", str(SPEED), "-c", clients]


@contextlib.contextmanager
def interception(
    lab: Lab, topology: Topology, environment: Mapping[str, str], tell: Tell = print, more: Sequence[str] = ()
) -> Iterator[subprocess.Popen[bytes] | None]:
    """`gryphon-intercept` where the topology has one, ready when entered and gone when left.

    Raises:
        EnvironmentFault: it does not get ready; the sentence has its last line.
    """
    if topology.interceptor is None:
        yield None
        return
    ready = lab.directory / f"{topology.name}.ready"
    ready.unlink(missing_ok=True)
    output = lab.directory / f"{topology.name}.output"
    line = [topology.hook, "eth0", "--ready-file", str(ready), "--linger", "0", *more]
    tell(f"{topology.interceptor}# {shlex.join(['gryphon-intercept', *line])}")
    with output.open("wb") as file:
        argv = [script("gryphon-intercept"), *line]
        child = lab.popen(topology.interceptor, argv, stdout=file, stderr=file, environment=environment)

    def is_ready() -> bool:
        if child.poll() is not None:
            said = "".join(output.read_text().strip().splitlines()[-1:])
            raise EnvironmentFault(f"`gryphon-intercept` ended with status {child.returncode}: {said}")
        return ready.exists()

    try:
        until("`gryphon-intercept` to be ready", is_ready, seconds=30)
        yield child
    finally:
        lab.end(child, patience=15)


def send(lab: Lab, line: Sequence[str], environment: Mapping[str, str], *, seconds: float, tell: Tell = print) -> int:
    """Runs `gryphon` on the sender, its output passing through, and gives back its exit status.

    Interrupted meanwhile, it lets it reset its connections and say what it did.

    Raises:
        EnvironmentFault: it takes longer than `seconds`.
    """
    tell(f"sender# {shlex.join(['gryphon', *line])}")
    child = lab.popen("sender", [script("gryphon"), *line], environment=environment)
    try:
        return child.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        lab.end(child)
        raise EnvironmentFault(f"`gryphon send` did not finish within {seconds:.0f} s and was ended.") from None
    except KeyboardInterrupt:
        child.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=15)
        raise
