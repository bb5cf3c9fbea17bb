"""What a sender says that it is going to do, and who it is: for the intercept's limits and its log."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

MOST_TEXT = 512
"""Characters of each text that is kept of a sender's."""
_MOST_PARTS = 64


@dataclass(frozen=True)
class Intent:
    """A run, or one process's part of it.

    Attributes:
        users: simulated users.
        sessions_s: the most new sessions per second; None: as many as can be.
        firm: they must not be fewer: the sender's user named the figure.
        parts: so many grants this run still asks for, with this one.
        user: who runs it.
        host: where.
        command: the command line, without secrets.
    """

    users: int = 0
    sessions_s: float | None = None
    firm: bool = False
    parts: int = 1
    user: str = ""
    host: str = ""
    command: str = ""

    def message(self) -> dict[str, Any]:
        """As it stands in a REQUEST."""
        shortened = {name: getattr(self, name)[:MOST_TEXT] for name in ("user", "host", "command")}
        return asdict(self) | shortened

    def who(self) -> str:
        """User, host and command, in one line of printable characters whatever the sender wrote."""
        person = f"{self.user or 'somebody'}@{self.host or 'somewhere'}"
        return f"{_line(person)}: {_line(self.command)}" if self.command else _line(person)


def parse_intent(message: object) -> Intent:
    """A REQUEST's intent. ValueError or TypeError when it makes no sense."""
    if message is None:
        return Intent()
    if not isinstance(message, dict):
        raise TypeError("an intent is an object")
    users, parts, firm = message.get("users", 0), message.get("parts", 1), message.get("firm", False)
    if type(users) is not int or not 0 <= users <= 1 << 40 or type(parts) is not int or not 1 <= parts <= _MOST_PARTS:
        raise ValueError("users and parts are whole numbers")
    if type(firm) is not bool:
        raise TypeError("firm is true or false")
    rate = message.get("sessions_s")
    if rate is not None and (not isinstance(rate, int | float) or isinstance(rate, bool) or not 0 < rate < 1e12):
        raise ValueError("new sessions per second are a number")
    texts = {name: message.get(name, "") for name in ("user", "host", "command")}
    if not all(isinstance(text, str) for text in texts.values()):
        raise TypeError("user, host and command are texts")
    return Intent(
        users, None if rate is None else float(rate), firm, parts, **{n: t[:MOST_TEXT] for n, t in texts.items()}
    )


def _line(text: str) -> str:
    """Without line ends or what a terminal would obey: a sender must not write lines of its own into a log."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[: 2 * MOST_TEXT])
