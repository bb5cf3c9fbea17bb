"""What the fuzzer starts from: small conversations in every kind of file, link header and tunnel."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from tests.fuzz import envelopes
from tests.fuzz.captures import OLD_PACKET, SIMPLE, Capture, Packet, Style, parse
from tests.unit.capture.conversations import ACK, PSH, RST, Conversation, ethernet

_IPV6 = {"client": "fd00::1", "server": "fd00::2"}
_STYLES = (
    Style(),
    Style(big=True, magic=0xA1B2C3D4),
    Style(magic=0xA1B2CD34),
    Style(pcapng=True),
    Style(pcapng=True, big=True, extras=(1, 3), sections=(4,)),
    Style(pcapng=True, block=OLD_PACKET, resolution=6),
    Style(pcapng=True, block=SIMPLE, snap=200),
)


def seeds() -> list[Capture]:
    """The project's own, and those of GRYPHON_FUZZ_SEEDS (a folder), of which the first packets are taken."""
    made = [Capture(_packets(talk), style) for talk in _conversations() for style in _STYLES]
    plain = [_packets(talk) for talk in _conversations()[:2]]
    made += [_wrapped(packets, "link", link, 4) for packets in plain for link in envelopes.LINKS]
    made += [_wrapped(packets, "shim", which, 4) for packets in plain for which in range(len(envelopes.SHIMS))]
    made += [
        _wrapped(packets, "tunnel", which, family)
        for packets, family in zip(plain, (4, 6), strict=True)
        for which in range(len(envelopes.TUNNELS))
    ]
    return made + _from_folder(os.environ.get("GRYPHON_FUZZ_SEEDS"))


def _wrapped(packets: list[Packet], how: str, which: int, family: int) -> Capture:
    capture = Capture([packet.copy() for packet in packets], Style(pcapng=bool(which & 1)))
    for packet in capture.packets:
        if how == "link":
            envelopes.relink(packet, which)
        elif how == "shim":
            envelopes.shim(packet, which)
        else:
            envelopes.tunnel(packet, which, family)
    return capture


def _packets(talk: Conversation) -> list[Packet]:
    return [Packet(time_ns, bytearray(frame), 1, 14, 14) for time_ns, frame in talk.packets]


def _conversations() -> list[Conversation]:
    return [_turns(), _turns(**_IPV6), _disorder(), _several()]


def _turns(**ends: str) -> Conversation:
    talk = Conversation(client_isn=2**32 - 40, server_isn=2**31 - 40, **ends)  # type: ignore[arg-type]
    talk.open()
    for turn in range(3):
        talk.say(10 + 20 * turn, b"GET /%d" % turn + b"x" * 30)
        talk.answer(15 + 20 * turn, b"answer" * 10)
    talk.close(90)
    return talk


def _disorder() -> Conversation:
    """Overlaps, holes that are filled later, repetitions, lost server bytes, a reset."""
    talk = Conversation(client_isn=2**32 - 9).open()
    for turn in range(4):
        seq, talk.said = talk.said, talk.said + 40
        talk.send(10 + 10 * turn, ACK, seq + 20, talk.answered, bytes(range(20)))
        talk.send(11 + 10 * turn, ACK | PSH, seq, talk.answered, bytes(range(30)))
        talk.answered += 500 * (turn == 2)
        talk.answer(15 + 10 * turn, b"a" * (30 * turn))
        talk.send(16 + 10 * turn, ACK, talk.said, talk.answered)
    talk.send(90, RST | ACK, talk.said, talk.answered)
    return talk


def _several() -> Conversation:
    """Short connections between the same ports, one of which began before the capture and one that is refused."""
    packets = Conversation(client_port=6001)
    packets.send(0, ACK, 5, 0, b"midway")
    for n in range(3):
        talk = Conversation(client_isn=1000 * n + 1).open(100 * n)
        talk.say(100 * n + 10, b"hello %d" % n)
        talk.answer(100 * n + 20, b"world")
        talk.close(100 * n + 30, by_client=bool(n & 1))
        packets.packets += talk.packets
    refused = Conversation(client_port=6002)
    refused.syn(400)
    refused.send(401, RST | ACK, -1, 0, from_client=False)
    packets.packets += refused.packets
    packets.packets.append((packets.packets[-1][0], ethernet(b"\x45" + bytes(8) + b"\x11" + bytes(30))))
    return packets


def _from_folder(folder: str | None) -> list[Capture]:
    """The first packets of real captures; link and file kinds stay what they are."""
    if not folder:
        return []
    found = []
    for path in sorted(Path(folder).iterdir()):
        if not path.is_file():
            continue
        with path.open("rb") as file:
            capture = parse(file.read(1 << 17), most=40)
        if capture is not None:
            capture.packets = [_short(packet) for packet in capture.packets]
            found.append(capture)
    return found


def _short(packet: Packet) -> Packet:
    """The packet without what is far behind its headers: one that is large makes all others rare."""
    length = max(packet.original, len(packet.frame))
    return replace(packet, frame=packet.frame[:1600], original=length)
