"""What each machine puts on their network for forged addresses, seen from outside of them."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import dpkt

from gryphon.lab.waiting import until
from vagrant.machine import Machine

FORGED = "(dst net 10.17.15.0/24 or dst net fd17:15::/64)"
_SENTINEL = "icmp[icmptype] == icmp-echo"


def _taps() -> dict[str, str]:
    """Names of the host's ends of the machines' wires, by the other end's address."""
    links = json.loads(subprocess.run(["ip", "-j", "link"], check=True, capture_output=True, text=True).stdout)
    # qemu's end has the machine's address but for its first byte
    return {link["address"][2:]: link["ifname"] for link in links if link["ifname"].startswith("vnet")}


class Wire:
    """Captures on all three wires while the block lasts; afterwards ``seen`` has it.

    ``seen`` counts frames for forged addresses by the machine that sent them and the hardware address they went to.
    """

    def __init__(self, machines: dict[str, Machine], directory: Path) -> None:
        self._machines = machines
        self._directory = directory
        self._captures: dict[str, subprocess.Popen[bytes]] = {}
        self.macs = {name: machine.run("cat /sys/class/net/eth1/address").strip() for name, machine in machines.items()}
        self.seen: Counter[tuple[str, str]] = Counter()

    def _file(self, name: str) -> Path:
        return self._directory / f"wire-{name}.pcap"

    def __enter__(self) -> Self:
        taps = _taps()
        for name, mac in self.macs.items():
            line = ["tcpdump", "-i", taps[mac[2:]], "-Q", "in", "-p", "-n", "-U", "--immediate-mode", "-Z", "root"]
            line += ["-w", str(self._file(name)), f"{FORGED} or {_SENTINEL}"]
            capture = subprocess.Popen(line, stderr=subprocess.PIPE)
            assert capture.stderr is not None
            assert b"listening on" in capture.stderr.readline()
            self._captures[name] = capture
        return self

    def _frames(self, name: str) -> list[dpkt.ethernet.Ethernet]:
        with self._file(name).open("rb") as file:
            try:
                return [dpkt.ethernet.Ethernet(frame) for _, frame in dpkt.pcap.Reader(file)]
            except dpkt.dpkt.NeedData:  # it is being written
                return []

    def _pings(self, name: str) -> bool:
        return any(isinstance(frame.data.data, dpkt.icmp.ICMP) for frame in self._frames(name))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for name in self._captures if kind is None else ():
                other = "10.16.15.118" if name != "server" else "10.16.15.119"
                self._machines[name].run(f"sudo ping -c 1 {other}")
                until(f"the last frame of {name}", partial(self._pings, name), seconds=30)
        finally:
            for capture in self._captures.values():
                capture.terminate()
                capture.communicate()
        for name in self._captures:
            for frame in self._frames(name):
                if not isinstance(frame.data.data, dpkt.icmp.ICMP):
                    self.seen[name, ":".join(f"{byte:02x}" for byte in frame.dst)] += 1
