"""Streams of a channel for the fuzzer: conversations that make sense, with what does not put in here and there."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

from gryphon.controller.protocol import HEADER, Frame

Message = dict[str, Any]
Step = tuple[Frame, Message]

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 255, 65_535, 65_536, 1 << 31, 1 << 63, 1 << 64, 10**30, 10**400, 0.5, -0.0, 1e308),
    *(
        float("nan"),
        float("inf"),
        "",
        "x",
        "\x00",
        "\ud800",
        "é" * 100,
        "9" * 5000,
        "10.17.15.0/24",
        "::/0",
        "0.0.0.0/0",
    ),
    *(
        "1.2.3.4",
        "fe80::1%eth0",
        "10.17.15.1/24",
        [],
        [[]],
        {},
        {"a": {}},
        [["10.16.15.118", 80]],
        [[1, 2, 3]],
        ["x"] * 300,
    ),
)
"""Values for any field."""


def framed(kind: int, message: Any) -> bytes:
    """A control message as the other side would pack it, whatever it holds."""
    payload = json.dumps(message, separators=(",", ":")).encode(errors="surrogatepass")
    return HEADER.pack(len(payload), kind) + payload


class Warper:
    """Makes a stream out of steps, mostly sound ones.

    Args:
        rng: the only source of chance.
        kinds: of frames that this side may send.
    """

    def __init__(self, rng: Random) -> None:
        self.rng = rng

    def stream(self, steps: list[Step]) -> bytes:
        """The steps, some of them warped."""
        rng = self.rng
        parts = [self._step(kind, message) for kind, message in steps]
        for _ in range(rng.choice((0, 0, 0, 0, 0, 0, 1, 2))):
            self._shuffle(parts)
        data = b"".join(parts)
        for _ in range(rng.choice((0, 0, 0, 0, 0, 0, 0, 0, 1, 3))):
            data = self._bytes(data)
        return data

    def pieces(self, data: bytes) -> list[bytes]:
        """The stream as it comes off the wire."""
        rng, pieces = self.rng, []
        size = rng.choice((1, 3, 7, 64, 1500, 1 << 20))
        if size == 1:
            data, rest = data[:300], data[300:]
            pieces = [data[i : i + 1] for i in range(len(data))]
            return [*pieces, *([rest] if rest else [])]
        at = 0
        while at < len(data):
            end = at + rng.randrange(1, size + 1)
            pieces.append(data[at:end])
            at = end
        return pieces

    def _step(self, kind: Frame, message: Message) -> bytes:
        rng = self.rng
        if rng.random() < 0.95:
            return framed(kind, message)
        doings: list[Callable[[], bytes]] = [
            lambda: framed(kind, self._warped(message)),
            lambda: framed(rng.randrange(256), message),
            lambda: framed(kind, rng.choice(ODD)),
            lambda: (
                HEADER.pack(rng.choice((0, 1, 5, 1024, 1025, 65_536, 65_537, 1 << 24, (1 << 32) - 1)), kind) + b"{}"
            ),
            lambda: HEADER.pack(60, kind) + b"[" * 60,
            lambda: HEADER.pack(12, kind) + b'{"a":\xff\xfe"b"}',
            lambda: framed(kind, message) * rng.randrange(2, 100),
        ]
        return rng.choice(doings)()

    def _warped(self, message: Message) -> Message:
        """Some fields gone, odd or new, at any depth."""
        rng, warped = self.rng, dict(message)
        for key in list(warped):
            if rng.random() < 0.4:
                inner = warped[key]
                if isinstance(inner, dict) and rng.random() < 0.7:
                    warped[key] = self._warped(inner)
                elif rng.random() < 0.2:
                    del warped[key]
                else:
                    warped[key] = rng.choice(ODD)
        if rng.random() < 0.1:
            warped["more"] = rng.choice(ODD)
        return warped

    def _shuffle(self, parts: list[bytes]) -> None:
        rng = self.rng
        if not parts:
            return
        at = rng.randrange(len(parts))
        match rng.randrange(4):
            case 0:
                parts.insert(at, parts[rng.randrange(len(parts))])
            case 1:
                del parts[at]
            case 2:
                parts[at] = parts[at][: rng.randrange(len(parts[at]) + 1)]
            case _:
                parts.insert(at, rng.randbytes(rng.choice((1, 4, 5, 6, 100, 2000))))

    def _bytes(self, data: bytes) -> bytes:
        rng = self.rng
        if not data:
            return data
        at = rng.randrange(len(data))
        match rng.randrange(3):
            case 0:
                return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
            case 1:
                return data[:at] + data[at + rng.randrange(1, 9) :]
            case _:
                return data[:at] + rng.randbytes(rng.randrange(1, 9)) + data[at:]
