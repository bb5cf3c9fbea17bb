"""Token buckets: how often something may happen, with a burst; and the same for one of very many addresses."""

from __future__ import annotations

from ipaddress import IPv6Address

from gryphon.controller.source import IPAddress

_MOST_ORIGINS = 4096
"""Addresses remembered at a time; who is forgotten begins anew, and the rate of all together still holds."""


class Bucket:
    """Holds at most ``burst`` tokens, gets ``rate`` a second, begins full.

    Args:
        rate: tokens per second.
        burst: tokens that it holds.
        now: CLOCK_MONOTONIC, nanoseconds, as in all calls.
    """

    def __init__(self, rate: float, burst: float, now: int) -> None:
        self.rate, self.burst = rate, burst
        self._level, self._at = burst, now

    def level(self, now: int) -> float:
        """Tokens that are there; fewer than none after ``spend``."""
        self._level = min(self.burst, self._level + max(now - self._at, 0) / 1e9 * self.rate)
        self._at = max(now, self._at)
        return self._level

    def take(self, now: int) -> bool:
        """Take a token; False when there is none."""
        if self.level(now) < 1:
            return False
        self._level -= 1
        return True

    def spend(self, now: int, tokens: float) -> float:
        """Take so many whether they are there or not; what is left."""
        self._level = self.level(now) - tokens
        return self._level

    def wait_ns(self, now: int) -> int:
        """How long until a token is there."""
        return int(max(1 - self.level(now), 0) / self.rate * 1e9)


class Origins:
    """A bucket for each address; bounded in memory, the longest unseen is forgotten first."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._buckets: dict[int, Bucket] = {}

    def of(self, address: IPAddress, now: int) -> Bucket:
        """The bucket of an address; the whole /64 of an IPv6 address has one, since a host has all of it."""
        key = origin(address)
        bucket = self._buckets.pop(key, None) or Bucket(self._rate, self._burst, now)
        self._buckets[key] = bucket  # the last in order: seen last
        if len(self._buckets) > _MOST_ORIGINS:
            del self._buckets[next(iter(self._buckets))]
        return bucket


def origin(address: IPAddress) -> int:
    """A number that is the same for addresses that one host may have."""
    number = int(address)
    return -(number >> 64) - 1 if isinstance(address, IPv6Address) else number
