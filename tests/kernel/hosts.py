"""Two namespaces joined by a veth pair: a server, whose answers to forged addresses go to a helper."""

from __future__ import annotations

import ctypes
import itertools
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

_numbers = itertools.count()
_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
INTERFACE = "k0"


class Pair:
    """The hosts "server" and "helper"; each has one interface, k0, beside lo. Removed at the end with all in them."""

    def __init__(self) -> None:
        number = next(_numbers)
        self.names = {host: f"gk-{os.getpid()}-{number}-{host}" for host in ("server", "helper")}

    def __enter__(self) -> Self:
        for name in self.names.values():
            command("ip", "netns", "add", name)
            for setting in ("all", "default"):
                self._sysctl(name, f"net.ipv6.conf.{setting}.disable_ipv6=1")
        server, helper = self.names["server"], self.names["helper"]
        command(
            "ip", "link", "add", INTERFACE, "netns", server, "type", "veth", "peer", "name", INTERFACE, "netns", helper
        )
        for name in self.names.values():
            command("ip", "-n", name, "link", "set", "lo", "up")
            command("ip", "-n", name, "link", "set", INTERFACE, "up")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in self.names.values():
            namespace = Path(f"/run/netns/{name}").stat().st_ino
            subprocess.run(["ip", "netns", "delete", name], check=False)
            for folder in ("/sys/fs/bpf/gryphon", "/run/gryphon"):
                for left in Path(folder).glob(f"{namespace}-*"):
                    subprocess.run(["rm", "-r", str(left)], check=True)

    def run(self, host: str, *argv: str) -> str:
        """Runs a command on a host and gives its output."""
        return command(*self._inside(host), *argv)

    def start(self, host: str, code: str) -> subprocess.Popen[str]:
        """Starts Python on a host."""
        return subprocess.Popen(self.python(host, code), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def python(self, host: str, code: str) -> list[str]:
        """Gives the command that runs Python on a host."""
        return [*self._inside(host), sys.executable, "-c", code]

    def replug(self, host: str, index: int) -> None:
        """Takes the cable out and puts another in, whose interface on the host has that index."""
        other = next(name for name in self.names if name != host)
        self.run(host, "ip", "link", "delete", INTERFACE)
        names = "netns", self.names[host], "index", str(index), "type", "veth", "peer", "name", INTERFACE
        command("ip", "link", "add", INTERFACE, *names, "netns", self.names[other])
        for each in self.names.values():
            command("ip", "-n", each, "link", "set", INTERFACE, "up")

    @contextmanager
    def on(self, host: str) -> Iterator[None]:
        """Moves this thread into a host."""
        with Path("/proc/thread-self/ns/net").open() as home, Path(f"/run/netns/{self.names[host]}").open() as there:
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    def send(self, host: str, packet: bytes, count: int = 1) -> None:
        """Puts a frame on the host's cable, through tc egress."""
        with self.on(host), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
            raw.bind((INTERFACE, 0))
            for _ in range(count):
                raw.send(packet)

    def tap(self, host: str) -> socket.socket:
        """Gives a socket that hears every frame that comes in on the host's cable, behind XDP."""
        with self.on(host):
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            raw.bind((INTERFACE, 3))
        raw.settimeout(5)
        return raw

    def _inside(self, host: str) -> list[str]:
        return ["nsenter", f"--net=/run/netns/{self.names[host]}"]

    def _sysctl(self, name: str, setting: str) -> None:
        command("nsenter", f"--net=/run/netns/{name}", "sysctl", "-qw", setting)


def command(*argv: str) -> str:
    """Runs a command that must succeed."""
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def frames(tap: socket.socket, last: bytes) -> Sequence[bytes]:
    """Gives what a tap hears until a certain frame."""
    heard: list[bytes] = []
    while not heard or heard[-1] != last:
        heard.append(tap.recv(65536))
    return heard[:-1]
