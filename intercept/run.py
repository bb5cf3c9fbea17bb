"""One run of the intercept: listen, attach, say so, serve, linger, detach."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FrameType

from gryphon.controller.errors import EnvironmentFault, Fault
from gryphon.controller.interception import Interception
from gryphon.controller.leave import leave
from gryphon.controller.limits import Limits
from gryphon.controller.listen import bind, show
from gryphon.controller.logs import FILE_ONLY
from gryphon.controller.policy import Policy, show_service
from gryphon.controller.privileges import give_up
from gryphon.controller.serve import Server
from gryphon.controller.strays import Strays, open_tap
from gryphon.controller.tls import Identity
from gryphon.controller.tokens import Token, find_token, new_token
from gryphon.intercept.notify import notify
from gryphon.intercept.options import Options

_MADE_HERE = "made at the start"


class InterceptionGone(EnvironmentFault):
    """The interface, or the program on it, was removed while answers were intercepted."""


class Stops:
    """Ctrl-C and SIGTERM: counted from the first moment, handed to the server once there is one."""

    def __init__(self) -> None:
        self.count = 0
        self._at_once = False
        self.server: Server | None = None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # nohup wants SIGHUP ignored; a script's & has SIGINT ignored, which `kill -INT` is not to be
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        self._tell()

    def _tell(self) -> None:
        if self.server is not None:
            self.server.stop()
            if self._at_once:
                self.server.stop()

    def hand_to(self, server: Server, at_once: bool) -> None:
        """From now on the server hears of every stop, also of earlier ones; ``at_once``: the first one counts twice."""
        self.server, self._at_once = server, at_once
        for _ in range(self.count):
            self._tell()


def run(options: Options, log: logging.Logger) -> None:
    """Intercept until stopped. Faults before the interception stands leave nothing behind."""
    stops = Stops()
    token = find_token(path=options.token_file) or Token(new_token(), _MADE_HERE)
    policy = Policy(options.ranges, options.services)
    identity = Identity.load(options.tls_cert, options.tls_key) if options.tls_cert else None
    limits = Limits(allowance=options.allowance)
    with bind("--listen", options.host, options.port) as listener:
        if options.ready_file is not None:
            with suppress(OSError):  # if it cannot be written, that is said when it is
                options.ready_file.unlink()  # of one that was killed
        interception = Interception.attach(
            options.hook, options.interface, xdp_mode=options.xdp_mode, sample=options.sample
        )
        try:
            _warn(interception, token, log)
            listener.listen(64)
            watch = _watch(options.interface, interception.is_there)
            strays = Strays(interception.hook, open_tap())
            server = Server(
                interception,
                listener,
                token.value,
                policy,
                options.linger_s,
                limits,
                watch=watch,
                log=log,
                strays=strays,
                identity=identity,
            )
            stops.hand_to(server, at_once=options.keep)
            give_up(["CAP_NET_ADMIN"] if options.hook == "tc" else [], _written(options))
            with (
                _exported(options.metrics, interception, server, log),
                _ready_file(options.ready_file, interception, listener),
            ):
                _announce(interception, listener, token, identity, log)
                _say_limits(options, log)
                notify("READY=1")
                server.run()
                notify("STOPPING=1")
        except InterceptionGone:
            with suppress(OSError, Fault):  # of the interception only the pins are left
                interception.detach()
            raise
        except BaseException:
            stays = leave(interception)
            if stays is not None:
                log.warning("%s", stays)
            raise
        stays = None
        if options.keep:
            stays = leave(interception)
        else:
            interception.detach()
        log.info("%s", stays or f"detached from {options.interface}")


@contextmanager
def _exported(text: str | None, interception: Interception, server: Server, log: logging.Logger) -> Iterator[None]:
    """The figures for Prometheus, where they are wanted."""
    if text is None:
        yield
        return
    from gryphon.controller.exporter import Exporter
    from gryphon.intercept.figures import figures

    exporter = Exporter(text, partial(figures, interception, server.leases))
    exporter.start()
    log.info("metrics at http://%s/metrics", exporter.where)
    try:
        yield
    finally:
        exporter.close()


def _written(options: Options) -> list[Path]:
    """The directories in which files are still to be made or removed: the log's next one, the ready file."""
    handlers = logging.getLogger("gryphon").handlers
    logs = [Path(handler.baseFilename) for handler in handlers if isinstance(handler, logging.FileHandler)]
    return [path.absolute().parent for path in [*logs, options.ready_file] if path is not None]


def _watch(interface: str, is_there: Callable[[], bool]) -> Callable[[], None]:
    index = socket.if_nametoindex(interface)

    def check() -> None:
        found = -1
        with suppress(OSError):
            found = socket.if_nametoindex(interface)
        if found != index:
            raise InterceptionGone(f"the interface {interface} is gone, and the interception with it")
        if not is_there():
            raise InterceptionGone(
                f"somebody removed the interception from {interface}: answers to forged addresses leave the server; "
                "every sender was told to stop. Find out who changes tc filters there, then start again"
            )

    return check


def _warn(interception: Interception, token: Token, log: logging.Logger) -> None:
    if interception.taken_over:
        log.info("took over what an earlier intercept left on %s", interception.interface)
    if len(token.value) < 16:
        log.warning("the token from %s is short: anybody who can reach the port may guess it", token.origin)


def _say_limits(options: Options, log: logging.Logger) -> None:
    """For the log: what the operator allows."""
    ranges = ", ".join(map(str, options.ranges or ())) or "private and other space of nobody's"
    services = ", ".join(map(show_service, options.services or ())) or "any service"
    log.info(
        "allowed: forged %s against %s, %s", ranges, services, str(options.allowance) or "no limits", extra=FILE_ONLY
    )


def _announce(
    interception: Interception, listener: socket.socket, token: Token, identity: Identity | None, log: logging.Logger
) -> None:
    where = f"{interception.hook} on {interception.interface} ({interception.mode})"
    host, port = listener.getsockname()[:2]
    listening = f"listening at {show('*' if host in ('::', '0.0.0.0') else host, port)}"
    if identity is not None:
        listening += f" with TLS, fingerprint {identity.fingerprint}"
    shown = f"token {token.value}" if token.origin == _MADE_HERE else f"token from {token.origin}"
    log.info("ready: %s, %s", where, listening, extra=FILE_ONLY)
    with suppress(OSError):  # nobody reads standard output: not a reason to stop
        print(f"gryphon-intercept is ready: {where}, {listening}, {shown}", flush=True)


@contextmanager
def _ready_file(path: Path | None, interception: Interception, listener: socket.socket) -> Iterator[None]:
    """Write what is ready, at once whole, and remove it at the end."""
    if path is None:
        yield
        return
    host, port = listener.getsockname()[:2]
    ready = {
        "pid": os.getpid(),
        "hook": interception.hook,
        "interface": interception.interface,
        "mode": interception.mode,
        "sample": interception.sample,
        "address": host,
        "port": port,
    }
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(json.dumps(ready) + "\n")
        temporary.replace(path)
    except OSError as error:
        raise EnvironmentFault(f"cannot write the ready file {path}: {error.strerror}") from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
