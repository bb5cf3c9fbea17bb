"""Whether a sender keeps to its quota, as far as the answers to it show: new sessions, users, packets.

Only the server's answers are seen, late and in batches. So each figure has a tolerance, wide enough that a sender that
obeys is never accused, and a bucket that holds five seconds: a reader that stood still for a moment accuses nobody.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gryphon.controller.buckets import Bucket
from gryphon.controller.quota import Quota
from gryphon.controller.record import Kind, Records

SESSIONS_TOLERANCE = 1.5
"""SYN-ACKs to a new session: over paths with loss some come twice."""
ANSWERS_TOLERANCE = 4.0
"""Answers to a packet: who acknowledges every second segment (RFC 9293, 3.8.6.3) gets two, and lost ones again."""
USERS_TOLERANCE = 1.5
"""Addresses and ports at once to a user: a server may go on answering one that has left."""
_BURST_S = 5.0
_LEAST_BURST = 256.0
_SYN_ACK = 0x12
_SECOND_NS = 1_000_000_000
_MOST_BITS = 1 << 26
_MULTIPLIERS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))


class Watch:
    """Looks at the records of one grant.

    Args:
        quota: what it may do.
        now: CLOCK_MONOTONIC, nanoseconds, as in all calls.
    """

    def __init__(self, quota: Quota, now: int) -> None:
        self._quota = quota
        self._packets_s = quota.packets_s or 0.0
        self._sessions = _bucket(quota.sessions_s, SESSIONS_TOLERANCE, now)
        self._answers = _bucket(quota.packets_s, ANSWERS_TOLERANCE, now)
        self._users = Crowd(quota.users) if quota.users is not None else None
        self._second = now
        self._opened = 0  # sessions in this second

    def allow_packets(self, packets_s: float, now: int) -> None:
        """Its share of the packets is another now."""
        if self._answers is not None:
            self._answers.level(now)
            self._packets_s = packets_s
            self._answers.rate = packets_s * ANSWERS_TOLERANCE
            self._answers.burst = max(_BURST_S * self._answers.rate, _LEAST_BURST)

    def look(self, records: Records, now: int) -> str | None:
        """What these records say against the sender, in words; None when nothing."""
        if self._answers is not None and self._answers.spend(now, len(records)) < 0:
            return f"this sender's packets are answered far more often than {self._packets_s:,.6g} a second allow"
        if self._sessions is None and self._users is None:
            return None
        opened = int(np.count_nonzero(is_syn_ack(records)))
        if self._sessions is not None and self._sessions.spend(now, opened) < 0:
            return (
                f"this sender opens far more than the {self._quota.sessions_s:,.6g} new sessions a second granted to it"
            )
        if self._users is None:
            return None
        return self._count_users(records, opened, now)

    def _count_users(self, records: Records, opened: int, now: int) -> str | None:
        """Who is answered in a second without having begun in it was there before: all of them at once."""
        assert self._users is not None
        self._users.add(records)
        self._opened += opened
        if now - self._second < _SECOND_NS:
            return None
        there = self._users.estimate() - self._opened
        self._users.clear()
        self._second, self._opened = now, 0
        most = self._quota.users or 0
        if there <= USERS_TOLERANCE * most + _LEAST_BURST:
            return None
        return f"about {there:,.0f} users of this sender are answered at once, and {most:,} are granted to it"


class Crowd:
    """About how many different addresses and ports there are: linear counting (Whang et al., 1990).

    A bit for each hash; with four bits for each user expected the error is below one per cent for a thousand and more.
    """

    def __init__(self, expected: int) -> None:
        bits = 1 << max(int(4 * expected + 4096).bit_length(), 12)
        self._bits: npt.NDArray[np.bool_] = np.zeros(min(bits, _MOST_BITS), np.bool_)
        self._shift = np.uint64(64 - (len(self._bits).bit_length() - 1))

    def add(self, records: Records) -> None:
        """Note whose records these are."""
        one, other = _MULTIPLIERS
        hashed = (records["address_lo"] ^ records["port"].astype(np.uint64) * other) * one
        self._bits[hashed >> self._shift] = True

    def estimate(self) -> float:
        """How many were added since ``clear``; more than can be told count as four times the bits."""
        size = len(self._bits)
        free = size - int(np.count_nonzero(self._bits))
        return float(size * np.log(size / free)) if free else 4.0 * size

    def clear(self) -> None:
        """Forget all."""
        self._bits[:] = False


def is_syn_ack(records: Records) -> npt.NDArray[np.bool_]:
    """Which records are answers to a SYN."""
    found: npt.NDArray[np.bool_] = (records["flags"] & _SYN_ACK) == _SYN_ACK
    found &= records["kind"] == Kind.TCP
    return found


def _bucket(rate: float | None, tolerance: float, now: int) -> Bucket | None:
    if rate is None:
        return None
    return Bucket(rate * tolerance, max(_BURST_S * rate * tolerance, _LEAST_BURST), now)
