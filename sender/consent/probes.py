"""The SYNs before a run, all at once, and what answers them; no socket, no clock."""

from __future__ import annotations

import enum
from collections.abc import Sequence

import numpy as np

from gryphon.controller.record import Kind, Records
from gryphon.sender.check.segments import ACK, RST, SYN, none, number_of, segment, unreachable
from gryphon.sender.consent.pairs import FIRST_PORT, Pair
from gryphon.sender.replay.packet import Packets

SECOND_NS = 1_000_000_000
AGAIN_NS = (SECOND_NS, 2 * SECOND_NS, 3 * SECOND_NS)
"""When an unanswered SYN leaves again: once a second, as Linux does it at first (tcp_syn_linear_timeouts)."""
PATIENCE_NS = 4 * SECOND_NS
"""After this nobody has answered."""


class Answer(enum.StrEnum):
    """What came back: any of these shows that the server's answers reach the intercept."""

    SYN_ACK = "syn-ack"
    RESET = "reset"
    ICMP = "icmp error"


class Probe:
    """One SYN.

    Attributes:
        answer: None until one came.
        said: what an ICMP error said.
        took_ns: from the first SYN to the answer's capture.
        sent: how often the SYN left.
    """

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.answer: Answer | None = None
        self.said = ""
        self.took_ns = 0
        self.sent = 0


class Probes:
    """All of them: send what ``look`` gives, and what ``take`` gives for the records of each share.

    Args:
        pairs: what to show.
        mss: that a SYN offers, bytes.
    """

    def __init__(self, pairs: Sequence[Pair], mss: int) -> None:
        self.all = [Probe(pair) for pair in pairs]
        self._by_place = {(number_of(probe.pair.address), probe.pair.port): probe for probe in self.all}
        self._mss = mss
        self._begun_ns = 0

    @property
    def silent(self) -> list[Probe]:
        """Those that nothing has answered."""
        return [probe for probe in self.all if probe.answer is None]

    def over(self, now: int) -> bool:
        """Whether there is nothing to wait for: every SYN was answered, or patience is over."""
        return not self.silent or now - self._begun_ns >= PATIENCE_NS

    def look(self, now: int) -> Packets:
        """The SYNs that are due."""
        self._begun_ns = self._begun_ns or now
        due = 1 + sum(now - self._begun_ns >= wait for wait in AGAIN_NS)
        packets = [self._syn(probe) for probe in self.silent if probe.sent < due]
        return np.concatenate([none(), *packets])

    def take(self, share: int, records: Records) -> Packets:
        """Look for answers among what the grant of a share has brought; the resets of those that a server opened."""
        near = records[records["port"] >= FIRST_PORT]
        return np.concatenate([none(), *(self._answered(share, record) for record in near)])

    def end(self) -> Packets:
        """Resets for the silent ones: who has answered unseen would answer again and again."""
        return np.concatenate([none(), *(_reset(probe.pair) for probe in self.silent)])

    def _syn(self, probe: Probe) -> Packets:
        pair = probe.pair
        probe.sent += 1
        return segment(pair.address, pair.port, pair.number, SYN, pair.isn, mss=self._mss)

    def _answered(self, share: int, record: np.void) -> Packets:
        """One record; what belongs to no SYN of this share changes nothing."""
        number = int(record["address_hi"]) << 64 | int(record["address_lo"])
        probe = self._by_place.get((number, int(record["port"])))
        if probe is None or (probe.pair.share, probe.pair.number) != (share, int(record["service"])):
            return none()
        answer = _judge(record, probe.pair.isn)
        if answer is None:
            return none()
        if probe.answer is None:
            probe.answer = answer
            probe.said = unreachable(record) if answer is Answer.ICMP else ""
            probe.took_ns = max(int(record["time_ns"]) - self._begun_ns, 0)
        return _reset(probe.pair) if answer is Answer.SYN_ACK else none()


def _judge(record: np.void, isn: int) -> Answer | None:
    """What a record is to the SYN of this sequence number (RFC 9293, 3.10.7.3)."""
    if record["kind"] == Kind.ICMP:
        return Answer.ICMP if unreachable(record) and int(record["seq"]) == isn else None
    if record["kind"] != Kind.TCP or int(record["ack"]) != (isn + 1) & 0xFFFFFFFF:
        return None
    flags = int(record["flags"])
    if flags & RST:
        return Answer.RESET
    return Answer.SYN_ACK if flags & SYN and flags & ACK else None


def _reset(pair: Pair) -> Packets:
    """The end of a connection that no application has heard of: the server's kernel drops the request for it."""
    return segment(pair.address, pair.port, pair.number, RST, pair.isn + 1)
