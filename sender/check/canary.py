"""The canary: one connection from a forged address, as far as the handshake and a reset; no socket, no clock."""

from __future__ import annotations

import enum

import numpy as np

from gryphon.controller.record import Kind, Records
from gryphon.controller.source import IPAddress
from gryphon.sender.check.segments import ACK, FIN, RST, SYN, none, number_of, segment, unreachable
from gryphon.sender.replay.packet import Packets

PATIENCE_NS = 3_000_000_000
"""So long a SYN-ACK may take."""
AGAIN_NS = 1_000_000_000
"""The SYN leaves a second time after this: the first may have waited in vain for a neighbour (RFC 6298, 2.1)."""
QUIET_NS = 1_500_000_000
"""No SYN-ACK comes again for so long: the server has the ACK. Linux repeats the SYN-ACK after a second."""
_AT_ONCE_NS = 300_000_000  # a SYN-ACK again so soon answers our own second SYN


class Outcome(enum.StrEnum):
    """How it went."""

    CONNECTED = "connected"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    SILENT = "silent"
    REPEATED = "repeated"  # the SYN-ACK came again after the ACK
    RESET = "reset"  # after the ACK
    NOT_SENT = "not sent"
    NO_GRANT = "no grant"


class Canary:
    """One connection. ``start``, then ``take`` records and ``look`` at the time until there is an outcome.

    Args:
        address: the forged one.
        port: the forged one.
        version: of IP.
        target: the server's index in the transmitter's table.
        isn: initial sequence number.

    Attributes:
        outcome: None while it is under way.
        steps: what happened, a sentence each.
    """

    def __init__(self, address: IPAddress, port: int, target: int, isn: int) -> None:
        self.outcome: Outcome | None = None
        self.steps: list[str] = []
        self._address, self._port, self._target, self._isn = address, port, target, isn
        self._number = number_of(address)
        self._sent_ns = 0
        self._again = False
        self._acked_ns: int | None = None
        self._theirs = 0  # the next of the server's sequence numbers

    def start(self, now: int) -> Packets:
        """The SYN."""
        self._sent_ns = now
        self.steps.append(f"SYN sent from {self._address} port {self._port}")
        return self._packet(SYN, self._isn, 0)

    def take(self, records: Records, now: int) -> Packets:
        """What came in; the packets that answer it."""
        mine = records["address_hi"] == self._number >> 64
        mine &= records["address_lo"] == self._number & (1 << 64) - 1
        mine &= records["port"] == self._port
        answers = [self._answer(record, now) for record in records[mine]]
        return np.concatenate([none(), *answers])

    def look(self, now: int) -> Packets:
        """What the time alone brings."""
        if self.outcome is not None:
            return none()
        if self._acked_ns is not None:
            return self._end_quiet(now)
        waited = now - self._sent_ns
        if waited >= PATIENCE_NS:
            self._ends(Outcome.SILENT, f"the intercept saw no SYN-ACK in {PATIENCE_NS / 1e9:g} s")
            return self._packet(RST, self._isn + 1, 0)  # who has answered unseen would answer again and again
        if waited >= AGAIN_NS and not self._again:
            self._again = True
            self.steps.append(f"no answer in {AGAIN_NS / 1e9:g} s: SYN sent again")
            return self._packet(SYN, self._isn, 0)
        return none()

    def passed_by(self, sentence: str) -> Packets:
        """Its answer was seen where nobody drops it; the server is to forget the connection."""
        self._ends(Outcome.SILENT, sentence)
        return self._packet(RST, self._isn + 1, 0)

    def refused_here(self, name: str) -> None:
        """This host would not send the packet; ``name`` is the errno's."""
        self._ends(Outcome.NOT_SENT, f"this host refused to send it ({name})")

    def _answer(self, record: np.void, now: int) -> Packets:
        """One record about this connection."""
        if self.outcome is not None:
            return none()
        if record["kind"] == Kind.ICMP:
            return self._take_error(record)
        if record["kind"] != Kind.TCP:
            return none()
        return self._in_handshake(record, now) if self._acked_ns is None else self._connected(record, now)

    def _take_error(self, record: np.void) -> Packets:
        """An ICMP error about our packet."""
        said = unreachable(record)
        if not said:
            return none()
        self._ends(Outcome.UNREACHABLE, f"the answer was an ICMP error: {said}")
        return none()

    def _in_handshake(self, record: np.void, now: int) -> Packets:
        """What answers the SYN."""
        flags = int(record["flags"])
        if int(record["ack"]) != (self._isn + 1) & 0xFFFFFFFF:
            return none()
        if flags & RST:
            self._ends(Outcome.REFUSED, "the answer was a reset: connection refused")
        elif flags & SYN and flags & ACK:
            took = (int(record["time_ns"]) - self._sent_ns) / 1e6
            self.steps.append(f"SYN-ACK seen by the intercept after {max(took, 0):.1f} ms")
            self._theirs = (int(record["seq"]) + 1) & 0xFFFFFFFF
            self._acked_ns = now
            self.steps.append("ACK sent")
            return self._packet(ACK, self._isn + 1, self._theirs)
        return none()

    def _connected(self, record: np.void, now: int) -> Packets:
        """What comes after the ACK."""
        assert self._acked_ns is not None
        flags = int(record["flags"])
        if flags & RST:
            self._ends(Outcome.RESET, "the server reset the connection after the ACK")
        elif flags & SYN:
            if now - self._acked_ns < _AT_ONCE_NS:
                return none()
            self._ends(Outcome.REPEATED, "the SYN-ACK came again: the server has not taken the ACK")
            return self._packet(RST, self._isn + 1, 0)
        elif int(record["length"]) or flags & FIN:
            return self._stands("the server goes on: it has the ACK")
        return none()

    def _end_quiet(self, now: int) -> Packets:
        """Silence after the ACK is what a server does that waits for a request."""
        assert self._acked_ns is not None
        if now - self._acked_ns < QUIET_NS:
            return none()
        return self._stands(f"the SYN-ACK did not come again in {QUIET_NS / 1e9:g} s: the server has the ACK")

    def _stands(self, how: str) -> Packets:
        """It works: reset it, so that the server keeps nothing."""
        self._ends(Outcome.CONNECTED, how)
        self.steps.append("RST sent: the server forgets the connection")
        return self._packet(RST, self._isn + 1, 0)

    def _ends(self, outcome: Outcome, sentence: str) -> None:
        self.outcome = outcome
        self.steps.append(sentence)

    def _packet(self, flags: int, seq: int, ack: int) -> Packets:
        """One packet without payload."""
        mss = 1460 if self._address.version == 4 else 1440
        return segment(self._address, self._port, self._target, flags, seq, ack, mss)
