"""The point of connection tracking, which is the same on the server and on the sender."""

from __future__ import annotations

from collections.abc import Iterator

from gryphon.sender.check.facts import Asked, Facts
from gryphon.sender.check.point import Finding, missing, supported, unknown

COUNT, MOST = "net.netfilter.nf_conntrack_count", "net.netfilter.nf_conntrack_max"
_FULL = 0.95


def _more(needed: int) -> str:
    """How to have more."""
    return f"sysctl -w {MOST}={needed}, or leave the service untracked (nft: notrack; iptables -t raw: -j CT --notrack)"


def conntrack(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Whether the table holds the wanted users: each is one entry, and a packet without one is dropped."""
    count, most = facts.sysctls.get(COUNT), facts.sysctls.get(MOST)
    if count is None or most is None:
        yield supported("connections are not tracked here")
        return
    seen = f"{count:,} of at most {most:,} connections are tracked"
    users = asked.users or 0
    if most and count >= _FULL * most:
        yield missing(f"the table of tracked connections is full: {seen}; new ones are dropped", _more(2 * most))
    elif not count:
        yield supported("nothing is tracked here now")
    elif most and count + users > _FULL * most:
        yield missing(
            f"{users:,} users do not fit into the table of tracked connections: {seen}", _more(2 * (count + users))
        )
    elif asked.users is None:
        yield unknown(f"{seen}; how many users there will be, nobody said", "give -u")
    else:
        yield supported(seen)
