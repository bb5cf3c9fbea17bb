"""Points of the server under test: whether it can answer forged addresses, and so many users."""

from __future__ import annotations

from collections.abc import Iterator

from gryphon.controller.policy import show_service
from gryphon.controller.source import Service
from gryphon.sender.check.conntrack import conntrack
from gryphon.sender.check.facts import Asked, Facts, Listener, Process
from gryphon.sender.check.point import Finding, Point, missing, supported, unknown
from gryphon.sender.check.range_points import overlap, route, rp_filter

TOO_FEW = 128
"""A queue shorter than this overflows at the rates of any load test."""
PLENTY = 4096
"""What Linux itself takes for the largest listen queue since 5.4 (net.core.somaxconn)."""


def hook(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """A program of gryphon's that cannot see answers leave."""
    for one in facts.interfaces:
        if one.xdp == "gryphon_xdp" and not one.tc:
            yield missing(
                f"gryphon's program on {one.name} is at XDP, which sees what arrives; a server's answers leave",
                f"stop that gryphon-intercept and start gryphon-intercept --tc {one.name}",
            )
        elif one.tc:
            yield supported(f"gryphon's program is at tc egress of {one.name}")


def listening(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Each service of this host: whether something listens, and how long its queue is."""
    for service, listener in facts.listeners.items():
        shown = show_service(service)
        if listener is None:
            yield missing(f"nothing listens at {shown}", f"start the server, and see ss -ltn 'sport = :{service[1]}'")
        elif listener.waiting >= max(listener.backlog, 1):
            yield missing(
                f"{shown}: {listener.waiting} connections wait to be accepted and the queue is full (backlog "
                f"{listener.backlog}): SYNs are dropped",
                _longer(service),
            )
        else:
            yield _enough(f"{shown} listens with a backlog of", listener.backlog, asked, _longer(service))


def _longer(service: Service) -> str:
    """The backlog is the server's own setting."""
    return (
        f"raise the backlog in the server's configuration (nginx: listen {service[1]} backlog={PLENTY};) and restart it"
    )


def _enough(what: str, value: int, asked: Asked, mend: str) -> Finding:
    """A queue's length against what a run may put into it at once."""
    wanted = min(asked.users or PLENTY, PLENTY)
    if value >= wanted:
        return supported(f"{what} {value:,}")
    if value < min(TOO_FEW, wanted):
        return missing(f"{what} {value:,}, too short for a burst of users", mend)
    return unknown(f"{what} {value:,}: enough only while the server accepts at once", mend)


def _queue(name: str) -> Point:
    """A point about one of the sysctls that bound the queues of a listening socket."""

    def judge(facts: Facts, asked: Asked) -> Iterator[Finding]:
        value = facts.sysctls.get(name)
        if value is None:
            yield unknown(f"{name} cannot be read")
        else:
            yield _enough(f"{name} is", value, asked, f"sysctl -w {name}={PLENTY}, then restart the server")

    return Point(name.rpartition(".")[2], "server", judge)


def syncookies(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Cookies lose what does not fit into them (ip-sysctl.rst, tcp_syncookies)."""
    value = facts.sysctls.get("net.ipv4.tcp_syncookies")
    if value is None:
        yield unknown("net.ipv4.tcp_syncookies cannot be read")
    elif value == 2:
        yield missing(
            "every connection gets a cookie: no measure of a real handshake", "sysctl -w net.ipv4.tcp_syncookies=1"
        )
    elif value == 1:
        yield supported("cookies only when the queue overflows (then the log says 'possible SYN flooding')")
    else:
        yield supported("off: when the queue overflows, SYNs are dropped")


def tw_reuse(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Ports of connections that the server itself opens (ip-sysctl.rst, tcp_tw_reuse)."""
    value = facts.sysctls.get("net.ipv4.tcp_tw_reuse")
    if value is None:
        yield unknown("net.ipv4.tcp_tw_reuse cannot be read")
    elif value == 1:
        yield supported("ports in TIME-WAIT are used again for connections that this server opens")
    else:
        yield unknown(
            f"{value}: of no account for the users; a proxy that opens connections to other hosts may run out of ports",
            "sysctl -w net.ipv4.tcp_tw_reuse=1",
        )


def files(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Open files for the wanted users, one each, of the whole host and of the processes that listen."""
    most = facts.sysctls.get("fs.file-max")
    if asked.users and most is not None and most < 1.1 * asked.users:
        yield missing(f"fs.file-max is {most:,} for {asked.users:,} users", f"sysctl -w fs.file-max={2 * asked.users}")
    if not facts.listeners:
        yield unknown("no service of this host was named", "gryphon check --role server -x PORT-ADDRESS:PORT -u USERS")
    for service, listener in facts.listeners.items():
        if listener is not None:
            yield _files_of(show_service(service), listener, asked)


def _files_of(shown: str, listener: Listener, asked: Asked) -> Finding:
    """The processes of one service."""
    if not listener.processes:
        return unknown(f"{shown}: whose socket that is, only root may see", "run gryphon check with sudo")
    room = sum(process.files for process in listener.processes)
    named = f"{shown}: {_named(listener.processes)} may open {room:,} files"
    if asked.users is None:
        return unknown(f"{named}; how many users there will be, nobody said", "give -u")
    if room >= asked.users + 32 * len(listener.processes):
        return supported(f"{named}, {asked.users:,} users")
    each = asked.users // len(listener.processes) + 1024
    return missing(
        f"{named}, too few for {asked.users:,} users",
        f"{_prlimit(listener.processes, each)} (for good: LimitNOFILE={each} in its systemd unit, nginx "
        "also worker_rlimit_nofile and worker_connections)",
    )


def _prlimit(processes: tuple[Process, ...], files: int) -> str:
    """The command for one process, or for each of several."""
    limit = f"--nofile={files}:{files}"
    if len(processes) == 1:
        return f"prlimit --pid {processes[0].number} {limit}"
    numbers = " ".join(str(process.number) for process in processes)
    return f"for p in {numbers}; do prlimit --pid $p {limit}; done"


def _named(processes: tuple[Process, ...]) -> str:
    """The processes of a service in a few words."""
    first = processes[0]
    if len(processes) == 1:
        return f"{first.name} (process {first.number})"
    return f"{len(processes)} processes of {first.name} ({first.number}, ...) together"


SERVER_POINTS = (
    Point("hook", "server", hook),
    Point("forged range", "server", overlap),
    Point("route of the range", "server", route),
    Point("rp_filter", "server", rp_filter),
    Point("conntrack", "server", conntrack),
    Point("listening", "server", listening),
    _queue("net.core.somaxconn"),
    _queue("net.ipv4.tcp_max_syn_backlog"),
    Point("tcp_syncookies", "server", syncookies),
    Point("tcp_tw_reuse", "server", tw_reuse),
    Point("file limit", "server", files),
)
