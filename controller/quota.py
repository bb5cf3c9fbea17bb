"""What the intercept's operator allows: packets, new sessions and users, and at which hours; and who holds how much.

The figures are for all grants together. Users and new sessions a second are set aside for a grant when it begins, until
it ends; packets a second are shared evenly by those that live, and a sender hears of its share with every heartbeat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from gryphon.controller.errors import GrantRefused
from gryphon.controller.intent import Intent
from gryphon.controller.window import Window, open_s, show_windows

_EVER = 86_400.0


@dataclass(frozen=True)
class Quota:
    """What one grant may do; None: as much as it likes.

    Attributes:
        packets_s: packets per second, for now.
        sessions_s: new sessions per second.
        users: simulated users.
        seconds: how long the intercept's window is still open.
    """

    packets_s: float | None = None
    sessions_s: float | None = None
    users: int | None = None
    seconds: float | None = None

    def message(self) -> dict[str, Any]:
        """As it stands in a GRANT."""
        return asdict(self)


def strictest(quotas: Sequence[Quota]) -> Quota:
    """What several intercepts allow together."""

    def least(name: str) -> Any:
        return min((getattr(quota, name) for quota in quotas if getattr(quota, name) is not None), default=None)

    return Quota(*(least(field.name) for field in fields(Quota)))


def parse_quota(message: object) -> Quota:
    """A GRANT's quota. ValueError or TypeError when it makes no sense."""
    if not isinstance(message, dict):
        raise TypeError("a quota is an object")
    rates = {name: parse_rate(message.get(name)) for name in ("packets_s", "sessions_s", "seconds")}
    users = message.get("users")
    if users is not None and (type(users) is not int or users < 0):
        raise ValueError("a number of users is a whole number")
    return Quota(users=users, **rates)


def parse_rate(value: object) -> float | None:
    """A positive number, or None. ValueError or TypeError when it is neither."""
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError("a rate is a number")
    if not 0 < value < 1e15:
        raise ValueError("a rate is more than 0")
    return float(value)


def allowed(quota: Quota, users: int) -> str:
    """A grant's limits in words."""
    parts = [f"{users:,} users" if users else "users not said"]
    if quota.sessions_s is not None:
        parts.append(f"at most {quota.sessions_s:,.6g} new sessions/s")
    if quota.packets_s is not None:
        parts.append(f"at most {quota.packets_s:,.6g} packets/s")
    if quota.seconds is not None:
        parts.append(f"for at most {quota.seconds / 60:,.0f} min")
    if len(parts) == 1:
        parts.append("no limits")
    return ", ".join(parts)


@dataclass(frozen=True)
class Allowance:
    """The operator's options; None: no limit.

    Attributes:
        packets_s, sessions_s, users: of all senders together.
        windows: local times of day in which there are grants; none: always.
    """

    packets_s: float | None = None
    sessions_s: float | None = None
    users: int | None = None
    windows: Sequence[Window] = ()

    def __str__(self) -> str:
        parts = [
            f"{self.packets_s:,.0f} packets/s" if self.packets_s is not None else "",
            f"{self.sessions_s:,.0f} new sessions/s" if self.sessions_s is not None else "",
            f"{self.users:,} users" if self.users is not None else "",
            f"only {show_windows(self.windows)}" if self.windows else "",
        ]
        return ", ".join(part for part in parts if part)

    def left_s(self, now: datetime) -> float | None:
        """Seconds until the window closes, 0 outside of all; None when there is none."""
        return open_s(self.windows, now) if self.windows else None


class Book:
    """Which living grant holds how much of the allowance."""

    def __init__(self, allowance: Allowance) -> None:
        self.allowance = allowance
        self._held: dict[int, Quota] = {}
        self._coming: dict[int, int] = {}  # by a run's latest grant: how many it will still have

    def reserve(self, intent: Intent, now: datetime) -> Quota:
        """What a grant of that intent would get.

        Raises:
            GrantRefused: more than is left, or outside of the windows; the sentence says how much is.
        """
        left = self.allowance.left_s(now)
        if left is not None and left <= 0:
            raise GrantRefused(
                f"grants are given {show_windows(self.allowance.windows)} here, and now it is {now:%H:%M}"
            )
        coming = sum(self._coming.values()) - (self._before(intent.parts) is not None) * intent.parts
        grants = len(self._held) + intent.parts + coming
        return Quota(self._packets(grants), self._sessions(intent), self._users(intent), left)

    def enter(self, generation: int, quota: Quota, parts: int = 1) -> None:
        """The grant has begun, and its run will have so many more, with it."""
        before = self._before(parts)
        if before is not None:
            del self._coming[before]
        self._held[generation] = quota
        if parts > 1:
            self._coming[generation] = parts - 1

    def _before(self, parts: int) -> int | None:
        """The grant whose run waits for so many: this one is the next of it."""
        return next((generation for generation, coming in self._coming.items() if coming == parts), None)

    def leave(self, generation: int) -> None:
        """The grant has ended."""
        self._held.pop(generation, None)
        self._coming.pop(generation, None)

    def packets(self) -> float | None:
        """Packets per second of each living grant."""
        return self._packets(len(self._held) + sum(self._coming.values()))

    def _packets(self, grants: int) -> float | None:
        """A share where there are so many grants; those that a run will soon have count from its first on."""
        return None if self.allowance.packets_s is None else self.allowance.packets_s / max(grants, 1)

    def _users(self, intent: Intent) -> int | None:
        most = self.allowance.users
        if most is None:
            return None
        free = most - sum(held.users or 0 for held in self._held.values())
        if intent.users > free:
            raise GrantRefused(
                f"{intent.users:,} users are too many: {_free(most, free, 'users')} (--max-users at the intercept); "
                f"lower -u{', whose users are shared by the threads' if intent.parts > 1 else ''}"
            )
        return intent.users

    def _sessions(self, intent: Intent) -> float | None:
        most = self.allowance.sessions_s
        if most is None:
            return None
        free = most - sum(held.sessions_s or 0 for held in self._held.values())
        if intent.firm and intent.sessions_s is not None and intent.sessions_s <= free * (1 + 1e-9):
            return intent.sessions_s
        if intent.firm or free <= most * 1e-9:
            asked = "as many new sessions per second as can be"
            if intent.sessions_s is not None:
                asked = f"{intent.sessions_s:,.6g} new sessions per second"
            raise GrantRefused(
                f"{asked} are too many: {_free(most, free, 'new sessions per second')} (--max-rate at the intercept); "
                "lower -i or --ramp, or with --arrivals recorded -a"
            )
        share = free / intent.parts
        return share if intent.sessions_s is None else min(share, intent.sessions_s)


def _free(most: float, free: float, what: str) -> str:
    """How much may still be had."""
    if free >= most:
        return f"{most:,.6g} {what} are allowed here"
    return f"of {most:,.6g} {what} allowed here {max(free, 0):,.6g} are free"
