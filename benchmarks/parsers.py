"""What reads a capture in a process of its own: `python -m benchmarks.parsers gryphon FILE` prints time and facts.

The time is that of the reading alone: interpreter and imports are not in it.
"""

from __future__ import annotations

import json
import sys
import time
import zlib
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from benchmarks.recordings import PORT

Facts = dict[str, float]


def gryphon(path: str, most: int) -> Facts:
    """From the file to the finished script, all that a run needs of a capture."""
    from gryphon.sender.capture.load import load
    from gryphon.sender.replay.script import compile_script

    begun = time.perf_counter()
    recording = load([path], [PORT])
    loaded = time.perf_counter()
    script = compile_script(recording, {PORT: 0}, 1.0)
    ended = time.perf_counter()
    return {
        "seconds": ended - begun,
        "script_seconds": ended - loaded,
        "packets": recording.packets,
        "sessions": len(script.sessions),
        "messages": len(script.entries) - len(script.sessions),
        "client_bytes": len(script.payload),
        "server_bytes": int(recording.sessions["server_bytes"].sum()),
        "client_crc": zlib.crc32(script.payload.data),
    }


def dpkt(path: str, most: int) -> Facts:
    """The least that a script with dpkt can do: client bytes for each flow; no order, no messages."""
    import dpkt

    begun = time.perf_counter()
    flows: dict[tuple[bytes, int], int] = {}
    packets = 0
    with Path(path).open("rb") as file:
        for _, frame in dpkt.pcap.Reader(file):
            packets += 1
            ip = dpkt.ethernet.Ethernet(frame).data
            if isinstance(ip, dpkt.ip.IP) and isinstance(ip.data, dpkt.tcp.TCP) and ip.data.dport == PORT:
                flow = ip.src, ip.data.sport
                flows[flow] = flows.get(flow, 0) + len(ip.data.data)
    seconds = time.perf_counter() - begun
    return {"seconds": seconds, "packets": packets, "sessions": len(flows), "client_bytes": sum(flows.values())}


def scapy(path: str, most: int) -> Facts:
    """The same with scapy, for the first ``most`` packets."""
    from scapy.layers.inet import IP, TCP
    from scapy.layers.l2 import Ether  # noqa: F401  the link type that scapy then knows
    from scapy.utils import PcapReader

    begun = time.perf_counter()
    flows: dict[tuple[str, int], int] = {}
    packets = 0
    with PcapReader(path) as reader:
        for packet in islice(reader, most):
            packets += 1
            if TCP in packet and packet[TCP].dport == PORT:
                flow = packet[IP].src, packet[TCP].sport
                flows[flow] = flows.get(flow, 0) + len(packet[TCP].payload)
    return {"seconds": time.perf_counter() - begun, "packets": packets}


PARSERS: dict[str, Callable[[str, int], Facts]] = {"gryphon": gryphon, "dpkt": dpkt, "scapy": scapy}


if __name__ == "__main__":
    print(json.dumps(PARSERS[sys.argv[1]](sys.argv[2], int(sys.argv[3]))))
