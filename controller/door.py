"""Who may come in: connections a second, by address and in all, and wrong tokens by address.

Who comes too often is closed at once, for a tenth of what a greeting costs, and takes nobody else's place. Beyond the
rates of all together not even that: connections wait in the kernel's queue, which is short, until there is room.
"""

from __future__ import annotations

from dataclasses import dataclass

from gryphon.controller.buckets import Bucket, Origins
from gryphon.controller.source import IPAddress


@dataclass(frozen=True)
class Rates:
    """How often, per second and at once; the burst of one address is enough for a run of 64 processes.

    Attributes:
        accepts: connections accepted, of whoever.
        connections: those of them that are greeted.
        by_address: the same of one address.
        wrong_tokens: of one address.
    """

    accepts: float = 2000.0
    accepts_burst: float = 512.0
    connections: float = 200.0
    connections_burst: float = 256.0
    by_address: float = 10.0
    by_address_burst: float = 96.0
    wrong_tokens: float = 0.1
    wrong_tokens_burst: float = 5.0


class Door:
    """Looks at every connection before anything is made of it."""

    def __init__(self, rates: Rates, now: int) -> None:
        self._accepts = Bucket(rates.accepts, rates.accepts_burst, now)
        self._greeted = Bucket(rates.connections, rates.connections_burst, now)
        self._by_address = Origins(rates.by_address, rates.by_address_burst)
        self._wrong = Origins(rates.wrong_tokens, rates.wrong_tokens_burst)

    def opens(self, now: int) -> bool:
        """Whether one more connection may be accepted at all."""
        return self._greeted.level(now) >= 1 and self._accepts.take(now)

    def opens_in_ns(self, now: int) -> int:
        """How long until it does."""
        return max(self._accepts.wait_ns(now), self._greeted.wait_ns(now))

    def admits(self, address: IPAddress, now: int) -> bool:
        """Whether this address has not come too often: then it is greeted."""
        return self._by_address.of(address, now).take(now) and self._greeted.take(now)

    def guessed(self, address: IPAddress, now: int) -> None:
        """A wrong token came from there."""
        self._wrong.of(address, now).take(now)

    def bars(self, address: IPAddress, now: int) -> str | None:
        """Why nobody from there is heard now, wrong tokens; None when everybody is."""
        wait = self._wrong.of(address, now).wait_ns(now)
        if not wait:
            return None
        return f"too many wrong tokens came from {address}: try again in {wait / 1e9:.0f} s, with the right one"
