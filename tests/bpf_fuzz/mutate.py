"""Frames out of the seeds: a few changes each, where the headers are mostly, and one in fifty nothing but noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import ip_address
from random import Random

from tests.bpf_fuzz.corpus import PORTS, SERVERS, USERS, Seed

LARGEST = 3400
"""Bytes of a frame: what BPF_PROG_TEST_RUN takes at tc, a page without what the kernel keeps around it."""
SHORTEST = 14
_PACKED = {version: [ip_address(text).packed for text in (*SERVERS[version], *USERS[version])] for version in (4, 6)}
_MAPPED = [bytes(10) + b"\xff\xff" + packed for packed in _PACKED[4]]
"""IPv6 addresses that are an IPv4 address in the maps."""
_LENGTHS = (0, 1, 7, 8, 19, 20, 21, 28, 39, 40, 41, 48, 60, 255, 1023, 1024, 1025, 65535)
_PROTOCOLS = (0, 1, 4, 6, 6, 17, 41, 43, 44, 50, 51, 58, 59, 60, 135)
_EXTENSIONS = (0, 43, 44, 51, 60)


class Draft:
    """A frame while it is changed; ``shift`` is by how much its headers moved."""

    def __init__(self, seed: Seed) -> None:
        self.data = bytearray(seed.frame)
        self.version = seed.version
        self.network = 14
        self.transport = seed.transport

    def put(self, at: int, value: bytes) -> None:
        """Writes over what is there; nothing is there behind the end."""
        if at + len(value) <= len(self.data):
            self.data[at : at + len(value)] = value

    def relength(self) -> None:
        """Makes the IP header say the length that the frame has."""
        rest = len(self.data) - self.network
        if self.version == 4:
            self.put(self.network + 2, (max(rest, 0) & 0xFFFF).to_bytes(2, "big"))
        else:
            self.put(self.network + 4, (max(rest - 40, 0) & 0xFFFF).to_bytes(2, "big"))


Change = Callable[[Random, Draft], None]


class Mutator:
    """A source of frames, the same for the same random numbers."""

    def __init__(self, seeds: Sequence[Seed], rng: Random) -> None:
        self._seeds = seeds
        self._rng = rng

    def next(self) -> tuple[bytes, int | None]:
        """A frame, and where its first buffer ends at XDP (None: it has one)."""
        rng = self._rng
        if rng.random() < 0.02:
            frame = rng.randbytes(rng.randrange(SHORTEST, 120))
        else:
            draft = Draft(rng.choice(self._seeds))
            for _ in range(rng.choice((0, 1, 1, 1, 2, 2, 3, 5))):
                rng.choice(_CHANGES)(rng, draft)
            frame = bytes(draft.data[:LARGEST]).ljust(SHORTEST, b"\0")
        split = rng.randrange(SHORTEST, len(frame)) if len(frame) > SHORTEST and rng.random() < 0.1 else None
        return frame, split


def _number(rng: Random, size: int) -> bytes:
    value = rng.choice(_LENGTHS) if rng.random() < 0.6 else rng.getrandbits(8 * size)
    return (value & (1 << 8 * size) - 1).to_bytes(size, "big")


def _address(rng: Random, draft: Draft) -> None:
    """A destination or a source of the lists."""
    if draft.version == 4:
        draft.put(draft.network + rng.choice((12, 16, 16)), rng.choice(_PACKED[4]))
    else:
        draft.put(draft.network + rng.choice((8, 24, 24)), rng.choice(rng.choice((_PACKED[6], _MAPPED))))


def _mapped(rng: Random, draft: Draft) -> None:
    """An IPv6 packet between addresses that are mapped ones."""
    if draft.version == 6:
        draft.put(draft.network + 8, _MAPPED[0])
        draft.put(draft.network + 24, rng.choice(_MAPPED[2:]))


def _port(rng: Random, draft: Draft) -> None:
    draft.put(draft.transport + rng.choice((0, 0, 2)), rng.choice((*PORTS, 0, 65535)).to_bytes(2, "big"))


def _ip_field(rng: Random, draft: Draft) -> None:
    """Version and header length, total length, fragment, protocol; the same of IPv6."""
    at = draft.network
    where = rng.randrange(4)
    if where == 0:
        draft.put(at, bytes([rng.choice((draft.version, 4, 6)) << 4 | rng.randrange(16)]))
    elif where == 1:
        draft.put(at + (2 if draft.version == 4 else 4), _near(rng, len(draft.data) - at))
    elif where == 2 and draft.version == 4:
        draft.put(at + 6, rng.choice((b"\x20\x00", b"\x00\x01", b"\x40\x00", b"\x80\x00", _number(rng, 2))))
    else:
        draft.put(at + (9 if draft.version == 4 else 6), bytes([rng.choice(_PROTOCOLS)]))


def _near(rng: Random, size: int) -> bytes:
    """A length close to the true one, or any."""
    if rng.random() < 0.4:
        return _number(rng, 2)
    return max(0, size + rng.choice((-61, -41, -40, -39, -21, -20, -1, 0, 1, 8))).to_bytes(2, "big")


def _transport_field(rng: Random, draft: Draft) -> None:
    """Of TCP the header's length or any field; of ICMP type and code; of an extension header next and length."""
    at = draft.transport
    if rng.random() < 0.4:
        draft.put(at + 12, bytes([rng.randrange(16) << 4 | rng.randrange(16)]))
    else:
        draft.put(at + rng.randrange(0, 20), _number(rng, rng.choice((1, 1, 2, 4))))


def _icmp(rng: Random, draft: Draft) -> None:
    """An error or none, around what there is."""
    protocol = 1 if draft.version == 4 else 58
    draft.put(draft.network + (9 if draft.version == 4 else 6), bytes([protocol]))
    draft.put(draft.transport, bytes([rng.choice((0, 1, 2, 3, 3, 4, 5, 8, 11, 12, 127, 128)), rng.randrange(6)]))


def _quoted_field(rng: Random, draft: Draft) -> None:
    """In what an error quotes: any byte of its headers."""
    draft.put(draft.transport + 8 + rng.randrange(0, 48), _number(rng, rng.choice((1, 2))))


def _flip(rng: Random, draft: Draft) -> None:
    if draft.data:
        at = rng.randrange(min(len(draft.data), 160))
        draft.data[at] ^= 1 << rng.randrange(8)


def _noise(rng: Random, draft: Draft) -> None:
    at = rng.randrange(12, 100)
    draft.put(at, rng.randbytes(rng.randrange(1, 30)))


def _cut(rng: Random, draft: Draft) -> None:
    """Ends early, with lengths that say so or not."""
    del draft.data[rng.randrange(min(14, len(draft.data)), min(len(draft.data), 140) + 1) :]
    if rng.random() < 0.5:
        draft.relength()


def _pad(rng: Random, draft: Draft) -> None:
    """More bytes behind, as padding or as payload."""
    draft.data += rng.randbytes(rng.choice((1, 2, 6, 20, 46, 60, 1200)))
    if rng.random() < 0.3:
        draft.relength()


def _tags(rng: Random, draft: Draft) -> None:
    count = rng.choice((1, 1, 2, 2, 3, 4, 5, 6))
    kinds = [rng.choice((b"\x81\x00", b"\x81\x00", b"\x88\xa8", b"\x91\x00" if count > 2 else b"\x81\x00"))]
    draft.data[12:12] = b"".join(rng.choice(kinds) + rng.randbytes(2) for _ in range(count))
    draft.network += 4 * count
    draft.transport += 4 * count


def _ip_options(rng: Random, draft: Draft) -> None:
    """IPv4 options, or extension headers of IPv6, before the transport header."""
    if draft.version == 4:
        words = rng.randrange(1, 11)
        draft.data[draft.network + 20 : draft.network + 20] = rng.randbytes(4 * words)
        draft.put(draft.network, bytes([0x45 + words]))
        draft.transport += 4 * words
    else:
        _extensions(rng, draft)
    if rng.random() < 0.9:
        draft.relength()


def _extensions(rng: Random, draft: Draft) -> None:
    count = rng.choice((1, 1, 2, 3, 6, 7, 8, 9))
    following = draft.data[draft.network + 6] if len(draft.data) > draft.network + 6 else 6
    chain = b""
    for _ in range(count):
        kind = rng.choice(_EXTENSIONS)
        chain = _extension(rng, kind, following) + chain
        following = kind
    draft.put(draft.network + 6, bytes([following]))
    draft.data[draft.network + 40 : draft.network + 40] = chain
    draft.transport += len(chain)


def _extension(rng: Random, kind: int, following: int) -> bytes:
    if kind == 44:
        return bytes([following, rng.getrandbits(8)]) + rng.choice((b"\0\0", b"\0\0", b"\0\6", b"\0\1")) + bytes(4)
    said = rng.choice((0, 0, 0, 1, 4, 60, 120) if kind != 51 else (0, 1, 4, 4, 60, 250))
    size = 4 * (said + 2) if kind == 51 else 8 * (said + 1)
    return bytes([following, said]) + bytes(size - 2)


def _tcp_options(rng: Random, draft: Draft) -> None:
    """Other options, well made or not, with a header that has room for them."""
    at = draft.transport
    if len(draft.data) < at + 20:
        return
    made = b"".join(_option(rng) for _ in range(rng.choice((1, 2, 3, 5))))[:40]
    made += b"\1" * (-len(made) % 4)
    old = max(20, draft.data[at + 12] >> 4 << 2)
    draft.data[at + 20 : at + old] = made
    draft.data[at + 12] = (20 + len(made)) << 2 & 0xF0
    draft.relength()


def _option(rng: Random) -> bytes:
    kind = rng.choice((0, 1, 1, 2, 2, 3, 3, 4, 5, 8, 8, 253))
    if kind < 2 and rng.random() < 0.9:
        return bytes([kind])
    size = {2: 4, 3: 3, 4: 2, 5: 10, 8: 10}.get(kind, 6)
    if rng.random() < 0.2:
        size = rng.choice((0, 1, 2, 3, 5, 11, 255))
    return bytes([kind, size]) + rng.randbytes(max(0, min(size, 40) - 2))


_CHANGES: tuple[Change, ...] = (
    *(_address, _address, _mapped, _port, _ip_field, _ip_field, _ip_field, _transport_field, _transport_field),
    *(_icmp, _quoted_field, _quoted_field, _flip, _flip, _noise, _cut, _cut, _pad, _tags, _ip_options, _ip_options),
    *(_tcp_options, _tcp_options),
)
