"""The ends of the connections that are written, as recorded or replaced, and which packets are theirs."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

import numpy as np
import numpy.typing as npt

from gryphon.controller.errors import InputFault
from gryphon.sender.capture.columns import ACK, RST, SYN, Array
from gryphon.sender.capture.load import Examined
from gryphon.sender.capture.sessions import Order
from gryphon.sender.compiled import int64, kernel

ROUTE = np.dtype(
    [
        ("client_hi", "i8"),  # addresses as packets will have them: IPv4 mapped, host byte order, the bits of an i8
        ("client_lo", "i8"),
        ("server_hi", "i8"),
        ("server_lo", "i8"),
        ("client_mss", "u2"),  # of the SYN, 0: none
        ("server_mss", "u2"),  # of the SYN-ACK
        ("client", "u1"),  # direction of the segments that are the client's
        ("version", "u1"),  # of the IP header
        ("anonymous", "u1"),  # TCP options that may hold an address are left out
    ]
)
"""One connection that is written."""

_CLIENTS: dict[int, tuple[IPv4Network | IPv6Network, ...]] = {
    4: (IPv4Network("10.0.0.0/8"),),
    6: (IPv6Network("2001:db8:c::/64"),),
}
_SERVERS: dict[int, tuple[IPv4Network | IPv6Network, ...]] = {
    4: (IPv4Network("192.0.2.0/24"), IPv4Network("198.51.100.0/24"), IPv4Network("203.0.113.0/24")),
    6: (IPv6Network("2001:db8:5::/64"),),
}
"""Where replaced addresses come from: private space, and what RFC 5737 and RFC 3849 set aside for documentation."""

_MAPPED = 0xFFFF
_WORD = (1 << 64) - 1


@dataclass(frozen=True)
class Routes:
    """How the chosen connections are written."""

    rows: Array  # ROUTE, one for each
    owner: npt.NDArray[np.uint32]  # for each segment of the capture one more than its row, 0: it is not written


@kernel
def _mark(
    segments: Array, order: Order, first: npt.NDArray[np.int64], last: npt.NDArray[np.int64], rows: Array, owner: Order
) -> None:
    """Say which row each packet belongs to, and take the MSS of both ends."""
    for r in range(len(rows)):
        for k in range(first[r], last[r]):
            i = int64(order[k])
            owner[i] = r + 1
            kind = int64(segments["flags"][i]) & (SYN | ACK | RST)
            from_client = segments["direction"][i] == rows["client"][r]
            if kind == SYN and from_client and rows["client_mss"][r] == 0:
                rows["client_mss"][r] = segments["mss"][i]
            if kind == SYN | ACK and not from_client and rows["server_mss"][r] == 0:
                rows["server_mss"][r] = segments["mss"][i]


def routes(examined: Examined, chosen: npt.NDArray[np.int64], anonymise: bool) -> Routes:
    """The way of each connection, its index into ``Recording.connections`` being in ``chosen``.

    InputFault: there are more addresses than replacements.
    """
    connections, runs = examined.recording.connections[chosen], examined.runs[chosen]
    rows = np.zeros(len(chosen), ROUTE)
    for side in ("client", "server"):
        for part in ("hi", "lo"):
            rows[f"{side}_{part}"] = connections[f"{side}_{part}"].view(np.int64)
    rows["client"], rows["anonymous"] = runs["client"], anonymise
    mapped = [(rows[f"{side}_hi"] == 0) & (rows[f"{side}_lo"] >> 32 == _MAPPED) for side in ("client", "server")]
    rows["version"] = np.where(mapped[0] & mapped[1], 4, 6)
    owner = np.zeros(len(examined.packets.segments), np.uint32)
    _mark(examined.packets.segments, examined.order, runs["first"].copy(), runs["last"].copy(), rows, owner)
    if anonymise:
        seen_at = examined.order[runs["first"]]
        for version in (4, 6):
            of_version = np.flatnonzero(rows["version"] == version)
            of_version = of_version[np.argsort(seen_at[of_version], kind="stable")]
            _replace(rows, of_version, "client", _CLIENTS[version])
            _replace(rows, of_version, "server", _SERVERS[version])
    return Routes(rows, owner)


def _replace(
    rows: Array, which: npt.NDArray[np.int64], side: str, pools: tuple[IPv4Network | IPv6Network, ...]
) -> None:
    """Give each address of one side of the rows ``which`` another, in the order in which they first appear there."""
    names = [f"{side}_hi", f"{side}_lo"]
    recorded = np.stack([rows[name][which] for name in names], axis=1)
    distinct, first, number = np.unique(recorded, axis=0, return_index=True, return_inverse=True)
    rank = np.empty(len(distinct), np.int64)
    rank[np.argsort(first)] = np.arange(len(distinct))
    sizes = [min(pool.num_addresses - 2, 1 << 32) for pool in pools]  # without network and broadcast address
    if len(distinct) > sum(sizes):
        raise InputFault(
            f"{len(distinct):,} addresses of {side}s are more than the {sum(sizes):,} that --anonymise has for them: "
            "take fewer sessions with --sessions"
        )
    hi, lo = np.zeros(len(distinct), np.int64), np.zeros(len(distinct), np.int64)
    begin = 0
    for pool, size in zip(pools, sizes, strict=True):
        base = int(pool.network_address) + (_MAPPED << 32 if pool.version == 4 else 0)
        inside = (rank >= begin) & (rank < begin + size)
        hi[inside] = base >> 64
        lo[inside] = (base & _WORD) + 1 + rank[inside] - begin
        begin += size
    for name, column in zip(names, (hi, lo), strict=True):
        rows[name][which] = column[number.reshape(-1)]


def counted(rows: Array, side: str) -> int:
    """How many addresses one side of the connections has."""
    return len(np.unique(np.stack([rows[f"{side}_hi"], rows[f"{side}_lo"]], axis=1), axis=0))
