"""Bounds of the intercept's server, and what its operator allows."""

from __future__ import annotations

from dataclasses import dataclass, field

from gryphon.controller.door import Rates
from gryphon.controller.leases import LEASE_S
from gryphon.controller.outbox import LIMIT
from gryphon.controller.quota import Allowance


@dataclass(frozen=True)
class Limits:
    """Times in seconds, sizes in bytes.

    Attributes:
        lease_s: silence that ends a grant.
        handshake_s: from a connection to its grant.
        strangers: connections without a grant.
        senders: grants.
        outbox: of waiting records, for each sender.
        rates: of connections and wrong tokens.
        allowance: the operator's limits for the runs.
    """

    lease_s: float = LEASE_S
    handshake_s: float = 5.0
    strangers: int = 64
    senders: int = 64
    outbox: int = LIMIT
    rates: Rates = field(default_factory=Rates)
    allowance: Allowance = field(default_factory=Allowance)
