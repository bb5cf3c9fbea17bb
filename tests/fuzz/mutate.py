"""Seeds to inputs: changes of packets and of their order first, then of the file around them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from tests.fuzz import envelopes, fields
from tests.fuzz.captures import ENHANCED, OLD_PACKET, PCAP, SIMPLE, Capture, Packet, Style, chunks
from tests.fuzz.compress import compressed

LARGEST = 1 << 16
"""Bytes of an input: enough for all structure, small enough for thousands of executions a second."""

_FAST = 20
"""How much rarer seeds are that the reader needs a hundred times as long for."""

_LINKS = [link for link in envelopes.LINKS if link not in envelopes.SLOW]


class Mutator:
    """A source of inputs that is the same for the same seed of the random numbers."""

    def __init__(self, seeds: list[Capture], rng: Random) -> None:
        slow = [seed for seed in seeds if any(packet.link in envelopes.SLOW for packet in seed.packets)]
        fast = [seed for seed in seeds if not any(packet.link in envelopes.SLOW for packet in seed.packets)]
        self._seeds = fast * _FAST + slow
        self._rng = rng

    def reseed(self, rng: Random) -> None:
        """Go on with other random numbers."""
        self._rng = rng

    def next(self) -> bytes:
        """One input; one in fifty is a seed as it stands."""
        rng = self._rng
        return self.mutated(rng.choice(self._seeds).copy(), rng.choice((0, *range(1, 7), *range(1, 7), 12, 24)))

    def mutated(self, capture: Capture, changes: int) -> bytes:
        """``capture`` with so many changes, as a file."""
        for _ in range(changes):
            self._change(capture)
        content = self._file(capture)
        if self._rng.random() < 0.08:
            content = compressed(self._rng, content)
            if self._rng.random() < 0.5:
                content = self._damaged(content)
        return content[:LARGEST]

    def _change(self, capture: Capture) -> None:
        rng, packets = self._rng, capture.packets
        if not packets or rng.random() < 0.03:
            capture.packets = (packets + rng.choice(self._seeds).copy().packets)[:200]
            return
        pick = rng.random()
        if pick < 0.6:
            rng.choice(_OF_A_PACKET)(rng, rng.choice(packets))
        elif pick < 0.85:
            rng.choice(_OF_THE_ORDER)(rng, packets)
        elif pick < 0.95:
            self._envelope(packets)
        else:
            capture.style = _restyled(rng, capture.style, len(packets))

    def _envelope(self, packets: list[Packet]) -> None:
        """Another link header, a tag or a tunnel: around all packets half the time, or nothing would fit together."""
        rng = self._rng
        some = packets if rng.random() < 0.5 else [rng.choice(packets)]
        pick, family = rng.randrange(3), rng.choice((4, 4, 6))
        link = rng.choice(envelopes.SLOW) if rng.randrange(100) == 0 else rng.choice(_LINKS)
        which = rng.randrange(len(envelopes.SHIMS) if pick == 1 else len(envelopes.TUNNELS))
        for packet in some:
            if len(packet.frame) > 4000:
                continue
            if pick == 0:
                envelopes.relink(packet, link)
            elif pick == 1:
                envelopes.shim(packet, which)
            else:
                envelopes.tunnel(packet, which, family)

    def _file(self, capture: Capture) -> bytes:
        """The file, mostly with lengths that are right; one in four has a lie in a header or is damaged."""
        rng = self._rng
        parts = chunks(capture)
        if rng.random() < 0.75:
            return b"".join(parts)
        if rng.random() < 0.7:
            which = rng.randrange(len(parts))
            part = bytearray(parts[which])
            order = "big" if capture.style.big else "little"
            fields.change(rng, part, 4 * rng.randrange(7), rng.choice((4, 4, 2)), order)
            parts[which] = bytes(part)
            return b"".join(parts)
        return self._damaged(b"".join(parts))

    def _damaged(self, content: bytes) -> bytes:
        """Cut off, torn, or with a few bytes of nonsense."""
        rng, data = self._rng, bytearray(content)
        if not data:
            return b""
        pick, at = rng.randrange(4), rng.randrange(len(data))
        if pick == 0:
            del data[at:]
        elif pick == 1:
            del data[at : at + rng.randrange(1, 64)]
        elif pick == 2:
            data[at:at] = rng.randbytes(rng.randrange(1, 64))
        else:
            for _ in range(rng.randrange(1, 6)):
                fields.change(rng, data, rng.randrange(len(data)), rng.choice((1, 1, 4)))
        return bytes(data)


def _drop(rng: Random, packets: list[Packet]) -> None:
    packets.pop(rng.randrange(len(packets)))


def _repeat(rng: Random, packets: list[Packet]) -> None:
    for _ in range(rng.choice((1, 1, 1, 5, 20))):
        packets.insert(rng.randrange(len(packets) + 1), rng.choice(packets).copy())


def _swap(rng: Random, packets: list[Packet]) -> None:
    a, b = rng.randrange(len(packets)), rng.randrange(len(packets))
    packets[a], packets[b] = packets[b], packets[a]
    if rng.random() < 0.7:  # otherwise the clock goes backwards
        packets[a].time_ns, packets[b].time_ns = packets[b].time_ns, packets[a].time_ns


def _split(rng: Random, packets: list[Packet]) -> None:
    which = rng.randrange(len(packets))
    second = fields.split_segment(rng, packets[which])
    if second is not None:
        packets.insert(which + 1, second)


def _fragment(rng: Random, packets: list[Packet]) -> None:
    which = rng.randrange(len(packets))
    packets[which : which + 1] = envelopes.fragments(packets[which], rng)


def _shift_sequence(rng: Random, packets: list[Packet]) -> None:
    """Move all sequence numbers of one direction, to just before they wrap mostly."""
    like = rng.choice(packets)
    at = fields.transport(like)
    ports = like.frame[at : at + 4]
    first = int.from_bytes(like.frame[at + 4 : at + 8], "big")
    shift = (rng.choice((1 << 32, 1 << 31)) - rng.randrange(300) - first) & 0xFFFFFFFF
    for packet in packets:
        at = fields.transport(packet)
        if packet.frame[at : at + 4] == ports:
            where = at + 4
        elif packet.frame[at : at + 4] == ports[2:] + ports[:2]:
            where = at + 8
        else:
            continue
        number = int.from_bytes(packet.frame[where : where + 4], "big")
        fields.set_number(packet.frame, where, 4, (number + shift) & 0xFFFFFFFF)


_OF_A_PACKET: tuple[Callable[[Random, Packet], None], ...] = (
    fields.ip_field,
    fields.ip_field,
    fields.tcp_field,
    fields.tcp_field,
    fields.tcp_field,
    fields.poke,
    fields.cut,
    fields.grow,
    fields.time,
    fields.tcp_options,
    fields.extension,
)
_OF_THE_ORDER: tuple[Callable[[Random, list[Packet]], None], ...] = (
    _drop,
    _repeat,
    _swap,
    _split,
    _fragment,
    _shift_sequence,
)


def _restyled(rng: Random, style: Style, packets: int) -> Style:
    """Another kind of file."""
    some = tuple(rng.randrange(packets) for _ in range(2))
    return rng.choice(
        (
            replace(style, pcapng=not style.pcapng),
            replace(style, big=not style.big),
            replace(style, magic=rng.choice(list(PCAP))),
            replace(style, resolution=rng.choice((0, 3, 6, 9, 12, 18, 19, 127, 128, 137, 160, 190, 191, 255))),
            replace(style, offset_s=rng.choice((0, 1, -1, 1 << 31, -(1 << 40), (1 << 63) - 1, -(1 << 63)))),
            replace(style, block=rng.choice((ENHANCED, OLD_PACKET, SIMPLE))),
            replace(style, snap=rng.choice((0, 1, 40, 68, 1 << 18, (1 << 31) - 1))),
            replace(style, extras=some),
            replace(style, sections=some),
        )
    )
