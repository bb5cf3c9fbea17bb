"""What the interception does with a frame, in plain Python: the reference that the BPF programs are held to.

Written from docs/interception.md, whose numbers stand at the functions, not from the C. Addresses are numbers of 128
bits, IPv4 mapped (RFC 4291, 2.5.5.2). No object of scapy or dpkt: these refuse what is damaged, which is half of the
frames here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import NamedTuple

MOST_TAGS = 4
MOST_EXTENSIONS = 8
FURTHEST_HEADER = 1024
MOST_NESTED = 8
UNKNOWN = 0xFFFF
TAGS = (0x8100, 0x88A8)
HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION = 0, 43, 44, 51, 60
EXTENSIONS = (HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION)
TCP = 6
ICMP = {4: 1, 6: 58}
ERRORS = {4: frozenset({3, 4, 5, 11, 12}), 6: frozenset(range(128))}
"""RFC 1122, 3.2.2; RFC 4443, 2.1."""
MAPPED = 0xFFFF << 32


class Kind(Enum):
    """What a frame was found to be, and so how it is counted."""

    PASSED = "passed"
    MALFORMED = "malformed"
    RECORDED = "recorded"


class Range(NamedTuple):
    """A forged range of the table."""

    network: int
    prefix: int
    generation: int
    lives: bool


class World(NamedTuple):
    """What is registered."""

    services: Mapping[tuple[int, int], int]
    hosts: frozenset[int]
    ranges: tuple[Range, ...]

    def range_of(self, address: int) -> Range | None:
        """Rule 8: the narrowest that lives, of the eight narrowest."""
        around = [r for r in self.ranges if address >> 128 - r.prefix == r.network >> 128 - r.prefix]
        around.sort(key=lambda r: -r.prefix)
        return next((r for r in around[:MOST_NESTED] if r.lives), None)


class Record(NamedTuple):
    """The fields of ``struct record`` that a frame decides, in their order."""

    address_hi: int
    address_lo: int
    seq: int = 0
    ack: int = 0
    length: int = 0
    tsval: int = 0
    port: int = 0
    window: int = 0
    service: int = UNKNOWN
    generation: int = 0
    mss: int = 0
    flags: int = 0
    kind: int = 0
    icmp_type: int = 0
    icmp_code: int = 0
    options: int = 0
    window_scale: int = 0
    sample_length: int = 0
    version: int = 0
    sample: bytes = b""


class Judgement(NamedTuple):
    """What becomes of a frame."""

    kind: Kind
    record: Record | None = None

    @property
    def verdict(self) -> str:
        return "pass" if self.kind is Kind.PASSED else "drop"


class Unread(Exception):
    """A header is not there, not legible, or contradicts another."""


class Other(Exception):
    """Nothing that a service sends to its clients: it passes."""


class Reader:
    """A frame's bytes as far as they can be read (rule 2)."""

    def __init__(self, frame: bytes, legible: int) -> None:
        self._frame = frame
        self._legible = legible

    def number(self, at: int, size: int) -> int:
        return int.from_bytes(self._frame[at : at + size], "big")

    def need(self, at: int, size: int) -> None:
        """Raises Unread unless a header of so many bytes can be read there."""
        if at > FURTHEST_HEADER or at + size > self._legible:
            raise Unread


class Network:
    """An IP header: addresses, and where the transport header is."""

    def __init__(self, version: int, source: int, destination: int) -> None:
        self.version = version
        self.source = source
        self.destination = destination
        self.protocol = -1
        self.is_fragment = False
        self.at = self.left = 0


def judge(frame: bytes, world: World, legible: int | None = None, sample: int = 0) -> Judgement:
    """All rules.

    Args:
        legible: bytes of the frame in its first buffer; all by default.
        sample: bytes of payload that the program takes along.
    """
    reader = Reader(frame, len(frame) if legible is None else legible)
    try:
        network = ethernet(reader, len(frame))
    except (Unread, Other):
        return Judgement(Kind.PASSED)
    port, part = None, {}
    try:
        transport(reader, network)
        if not network.is_fragment and network.protocol == TCP:
            port = ports(reader, network)
        part = fields(reader, network, world, sample)
        malformed = False
    except Other:
        return Judgement(Kind.PASSED)
    except Unread:
        malformed = True
    service = world.services.get((network.source, port)) if port is not None else None
    if service is None if port is not None else network.source not in world.hosts:
        return Judgement(Kind.PASSED)
    lease = world.range_of(network.destination)
    if lease is None:
        return Judgement(Kind.PASSED)
    if malformed:
        return Judgement(Kind.MALFORMED)
    where = {"address_hi": network.destination >> 64, "address_lo": network.destination & (1 << 64) - 1}
    part = {"service": service, **part} if service is not None else part
    return Judgement(Kind.RECORDED, Record(**where, **part, generation=lease.generation, version=network.version))


def ethernet(reader: Reader, size: int) -> Network:
    """Rule 3: through up to four tags to an IP header's addresses; Unread or Other: there are none."""
    at = 14
    reader.need(0, at)
    kind = reader.number(12, 2)
    for _ in range(MOST_TAGS):
        if kind not in TAGS:
            break
        reader.need(at, 4)
        kind = reader.number(at + 2, 2)
        at += 4
    version = {0x0800: 4, 0x86DD: 6}.get(kind)
    if version is None:
        raise Other
    return addresses(reader, version, at, size - at)


def addresses(reader: Reader, version: int, at: int, left: int) -> Network:
    """The first look at an IP header."""
    reader.need(at, 20 if version == 4 else 40)
    if reader.number(at, 1) >> 4 != version:
        raise Other
    if version == 4:
        network = Network(4, MAPPED | reader.number(at + 12, 4), MAPPED | reader.number(at + 16, 4))
    else:
        network = Network(6, reader.number(at + 8, 16), reader.number(at + 24, 16))
    network.at, network.left = at, left
    return network


def transport(reader: Reader, network: Network, quoted: bool = False) -> None:
    """Rules 4 and 5: on to the transport header, or to the word that this is a fragment."""
    (from_ipv4 if network.version == 4 else from_ipv6)(reader, network, quoted)


def limited(left: int, said: int, quoted: bool) -> int:
    """Bytes that belong to the packet: what the header says, where it says it and it is true."""
    if said == 0 or quoted:
        return left
    if said > left:
        raise Unread
    return said


def from_ipv4(reader: Reader, network: Network, quoted: bool) -> None:
    """Rule 4."""
    at = network.at
    network.is_fragment = reader.number(at + 6, 2) & 0x3FFF != 0
    network.protocol = reader.number(at + 9, 1)
    if not network.is_fragment and network.protocol not in (TCP, ICMP[4]):
        raise Other
    header, total = reader.number(at, 1) % 16 * 4, reader.number(at + 2, 2)
    left = limited(network.left, total, quoted)
    if header < 20 or 0 < total < header or left < header:
        raise Unread
    network.at, network.left = at + header, left - header


def from_ipv6(reader: Reader, network: Network, quoted: bool) -> None:
    """Rule 5."""
    protocol, said = reader.number(network.at + 6, 1), reader.number(network.at + 4, 2)
    if protocol not in (*EXTENSIONS, TCP, ICMP[6]):
        raise Other
    if network.left < 40:
        raise Unread
    at, left = network.at + 40, limited(network.left - 40, said, quoted)
    for _ in range(MOST_EXTENSIONS):
        if protocol not in EXTENSIONS:
            break
        if left < 8:
            raise Unread
        reader.need(at, 8)
        if protocol == FRAGMENT and reader.number(at + 2, 2) & 0xFFF9:
            network.is_fragment = True
            return
        size = extension_size(protocol, reader.number(at + 1, 1))
        if size > left:
            raise Unread
        protocol = reader.number(at, 1)
        at, left = at + size, left - size
    network.protocol, network.at, network.left = protocol, at, left
    if protocol in EXTENSIONS:
        raise Unread
    if protocol not in (TCP, ICMP[6]):
        raise Other


def extension_size(kind: int, said: int) -> int:
    """RFC 8200, 4.3 to 4.6; RFC 4302, 2.2."""
    if kind == FRAGMENT:
        return 8
    return 4 * (said + 2) if kind == AUTHENTICATION else 8 * (said + 1)


def ports(reader: Reader, network: Network) -> int | None:
    """Rule 6: the source port, None where a segment is too short to tell."""
    try:
        reader.need(network.at, 4)
    except Unread:
        return None
    return reader.number(network.at, 2) if network.left >= 4 else None


def fields(reader: Reader, network: Network, world: World, sample: int) -> dict[str, int | bytes]:
    """Rules 6 and 7: what goes into the record."""
    if network.is_fragment:
        return {"kind": 2, "sample": bytes(sample)}
    if network.protocol == TCP:
        return segment(reader, network, sample)
    return {**error(reader, network, world), "sample": bytes(sample)}


def segment(reader: Reader, network: Network, sample: int) -> dict[str, int | bytes]:
    """Rule 6."""
    at, left = network.at, network.left
    if left < 20:
        raise Unread
    reader.need(at, 20)
    header = reader.number(at + 12, 1) // 16 * 4
    if header < 20 or header > left:
        raise Unread
    reader.need(at, header)
    length = left - header
    taken = min(length, sample)
    return {
        "port": reader.number(at + 2, 2),
        "seq": reader.number(at + 4, 4),
        "ack": reader.number(at + 8, 4),
        "flags": reader.number(at + 13, 1),
        "window": reader.number(at + 14, 2),
        "length": length,
        "sample_length": taken,
        "sample": reader.number(at + header, taken).to_bytes(taken, "big").ljust(sample, b"\0"),
        **options(reader, at + 20, at + header),
    }


def options(reader: Reader, at: int, end: int) -> dict[str, int]:
    """The options that count; of two of a kind the later."""
    found = {"options": 0, "mss": 0, "window_scale": 0, "tsval": 0}
    for kind, size, value in each_option(reader, at, end):
        if (kind, size) == (2, 4):
            found.update(options=found["options"] | 1, mss=value)
        elif (kind, size) == (3, 3):
            found.update(options=found["options"] | 2, window_scale=min(value, 14))
        elif (kind, size) == (4, 2):
            found["options"] |= 4
        elif (kind, size) == (8, 10):
            found.update(options=found["options"] | 8, tsval=value >> 32)
    return found


def each_option(reader: Reader, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Kind, size and value of each option up to the end, or the first size that cannot be (RFC 9293, 3.1)."""
    while at < end:
        kind = reader.number(at, 1)
        if kind == 0:
            return
        if kind == 1:
            at += 1
            continue
        size = reader.number(at + 1, 1) if at + 1 < end else 0
        if size < 2 or at + size > end:
            return
        yield kind, size, reader.number(at + 2, size - 2)
        at += size


def error(reader: Reader, network: Network, world: World) -> dict[str, int]:
    """Rule 7."""
    at, left, version = network.at, network.left, network.version
    if left < 1:
        raise Unread
    reader.need(at, 1)
    kind = reader.number(at, 1)
    if kind not in ERRORS[version]:
        raise Other
    if left < 8:
        raise Unread
    reader.need(at, 8)
    code = reader.number(at + 1, 1)
    mtu = 0
    if (version, kind, code) == (4, 3, 4):
        mtu = reader.number(at + 6, 2)
    elif (version, kind) == (6, 2):
        mtu = min(reader.number(at + 4, 4), 0xFFFF)
    return {"kind": 1, "icmp_type": kind, "icmp_code": code, "mss": mtu, **quote(reader, network, world)}


def quote(reader: Reader, network: Network, world: World) -> dict[str, int]:
    """Whom an error is about."""
    try:
        quoted = addresses(reader, network.version, network.at + 8, network.left - 8)
        transport(reader, quoted, quoted=True)
    except Other:
        raise Unread from None
    if quoted.is_fragment or quoted.protocol != TCP or quoted.left < 8 or quoted.source != network.destination:
        raise Unread
    reader.need(quoted.at, 8)
    service = world.services.get((quoted.destination, reader.number(quoted.at + 2, 2)), UNKNOWN)
    return {"port": reader.number(quoted.at, 2), "seq": reader.number(quoted.at + 4, 4), "service": service}
