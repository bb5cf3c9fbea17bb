"""One run of the intercept: listen, attach, say so, serve, linger, detach."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from gryphon.controller.errors import EnvironmentFault, Fault
from gryphon.controller.interception import Interception
from gryphon.controller.leave import leave
from gryphon.controller.logs import FILE_ONLY
from gryphon.controller.policy import Policy
from gryphon.controller.serve import Server
from gryphon.controller.strays import Strays, open_tap
from gryphon.controller.tokens import Token, find_token, new_token
from gryphon.intercept.options import Options

_MADE_HERE = "made at the start"


class InterfaceGone(EnvironmentFault):
    """The interface was removed while its answers were intercepted."""


class Stops:
    """Ctrl-C and SIGTERM: counted from the first moment, handed to the server once there is one."""

    def __init__(self) -> None:
        self.count = 0
        self.server: Server | None = None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup wants SIGHUP ignored
                signal.signal(number, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if self.server is not None:
            self.server.stop()

    def hand_to(self, server: Server) -> None:
        """From now on the server hears of every stop, also of earlier ones."""
        self.server = server
        for _ in range(self.count):
            server.stop()


def run(options: Options, log: logging.Logger) -> None:
    """Intercept until stopped. Faults before the interception stands leave nothing behind."""
    stops = Stops()
    token = find_token(path=options.token_file) or Token(new_token(), _MADE_HERE)
    policy = Policy(options.ranges, options.services)
    with bind(options.host, options.port) as listener:
        if options.ready_file is not None:
            with suppress(OSError):  # if it cannot be written, that is said when it is
                options.ready_file.unlink()  # of one that was killed
        interception = Interception.attach(
            options.hook, options.interface, xdp_mode=options.xdp_mode, sample=options.sample
        )
        try:
            _warn(interception, token, log)
            listener.listen(64)
            watch = _watch(options.interface)
            strays = Strays(interception.hook, open_tap())
            server = Server(
                interception, listener, token.value, policy, options.linger_s, watch=watch, log=log, strays=strays
            )
            stops.hand_to(server)
            with _ready_file(options.ready_file, interception, listener):
                _announce(interception, listener, token, log)
                server.run()
        except InterfaceGone:
            with suppress(OSError, Fault):  # of the interception only the pins are left
                interception.detach()
            raise
        except BaseException:
            stays = leave(interception)
            if stays is not None:
                log.warning("%s", stays)
            raise
        interception.detach()
        log.info("detached from %s", options.interface)


def _watch(interface: str) -> Callable[[], None]:
    index = socket.if_nametoindex(interface)

    def check() -> None:
        with suppress(OSError):
            if socket.if_nametoindex(interface) == index:
                return
        raise InterfaceGone(f"the interface {interface} is gone, and the interception with it")

    return check


def bind(host: str | None, port: int) -> socket.socket:
    """A socket bound where senders shall connect; None: all addresses, of IPv4 and IPv6 where there is IPv6."""
    try:
        if host is None:
            return _bind_all(port)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return _bind(family, host, port)
    except OSError as error:
        where = _show(host or "*", port)
        raise EnvironmentFault(
            f"cannot listen at {where} ({error.strerror}): --listen names another address or port"
        ) from error


def _bind_all(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        with suppress(OSError):
            return _bind(socket.AF_INET6, "::", port, dual=True)
    return _bind(socket.AF_INET, "0.0.0.0", port)


def _bind(family: socket.AddressFamily, host: str, port: int, dual: bool = False) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if dual else 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def _warn(interception: Interception, token: Token, log: logging.Logger) -> None:
    if interception.taken_over:
        log.info("took over what an earlier intercept left on %s", interception.interface)
    if len(token.value) < 16:
        log.warning("the token from %s is short: anybody who can reach the port may guess it", token.origin)


def _announce(interception: Interception, listener: socket.socket, token: Token, log: logging.Logger) -> None:
    where = f"{interception.hook} on {interception.interface} ({interception.mode})"
    host, port = listener.getsockname()[:2]
    listening = f"listening at {_show('*' if host in ('::', '0.0.0.0') else host, port)}"
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


def _show(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
