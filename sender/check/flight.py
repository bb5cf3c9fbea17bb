"""Where a canary flew, as far as it is known before, and what a cause of its loss is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from gryphon.controller.source import IPAddress, IPNetwork, Service

_GRANT = re.compile(r"^(xdp|tc) on (\S+)")


class Cause(NamedTuple):
    """A sentence, and on which host what command mends it."""

    sentence: str
    mend: str


@dataclass(frozen=True)
class Flight:
    """Where a canary flew.

    Attributes:
        service: the server under test.
        network: the forged range.
        grant: where answers are dropped, as the intercept says.
        host: the intercept's, as ``-s`` has it; empty: this host.
        at_server: the intercept's host is the server itself.
        here: this host is.
        leads: the interface by which this host reaches the server.
        own: this host's address there.
        error: the name of the errno, where this host refused to send.
        passes: where its answer was seen instead of where it is dropped, if it was.
    """

    service: Service
    network: IPNetwork
    grant: str = ""
    host: str = ""
    at_server: bool = False
    here: bool = False
    leads: str = ""
    own: IPAddress | None = None
    error: str = ""
    passes: Cause | None = None

    @property
    def hook(self) -> str:
        """xdp or tc."""
        found = _GRANT.match(self.grant)
        return found[1] if found else ""

    @property
    def interface(self) -> str:
        """Where it hangs."""
        found = _GRANT.match(self.grant)
        return found[2] if found else "IFACE"

    @property
    def via(self) -> str:
        """Where the server's route of the range should lead."""
        if not self.host:
            return str(self.own or "SENDER")
        return "NEXT_HOP" if self.hook == "tc" else self.host

    @property
    def whose(self) -> str:
        """The same for people."""
        if self.hook == "tc":
            return f"out of {self.interface}"
        return "via the assistant" if self.host else "via this host"
