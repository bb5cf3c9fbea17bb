"""Why a canary did not come through: the causes in order of likelihood, each with what mends it."""

from __future__ import annotations

from gryphon.controller.policy import show_service
from gryphon.sender.check.canary import Outcome
from gryphon.sender.check.flight import Cause, Flight
from gryphon.sender.check.silence import silent


def causes(outcome: Outcome, flight: Flight) -> list[Cause]:
    """The causes, the likeliest first; none where all is well."""
    table = {
        Outcome.SILENT: silent,
        Outcome.REFUSED: _refused,
        Outcome.UNREACHABLE: _unreachable,
        Outcome.REPEATED: _repeated,
        Outcome.RESET: _reset,
        Outcome.NOT_SENT: _not_sent,
    }
    return table[outcome](flight) if outcome in table else []


def where_to_look(outcome: Outcome, flight: Flight) -> str:
    """What decides between the causes; empty where there is nothing to decide."""
    if outcome is not Outcome.SILENT or flight.passes is not None:
        return ""
    shown = show_service(flight.service)
    return f"on the server: gryphon check --role server -x {flight.service[1]}-{shown} -c {flight.network} tells which"


def _refused(flight: Flight) -> list[Cause]:
    """A reset answered the SYN."""
    port = flight.service[1]
    return [
        Cause(
            f"nothing listens at {show_service(flight.service)}",
            f"on the server: start it, and see ss -ltn 'sport = :{port}' for the address it listens at",
        ),
        Cause(
            "a firewall on the server or before it resets connections from that range",
            f"on the server: nft insert rule inet filter input ip saddr {flight.network} tcp dport {port} accept"
            if flight.network.version == 4
            else f"on the server: nft insert rule inet filter input ip6 saddr {flight.network} tcp dport {port} accept",
        ),
    ]


def _unreachable(flight: Flight) -> list[Cause]:
    """An ICMP error of the server's answered."""
    family, port = ("ip" if flight.network.version == 4 else "ip6"), flight.service[1]
    return [
        Cause(
            f"a firewall on the server rejects {flight.network}",
            f"on the server: nft insert rule inet filter input {family} saddr {flight.network} tcp dport {port} accept",
        )
    ]


def _repeated(flight: Flight) -> list[Cause]:
    """The server sent its SYN-ACK again."""
    port = flight.service[1]
    return [
        Cause(
            "the queue of connections that the server has not accepted is full (listen backlog), so it ignores the ACK",
            f"on the server: ss -ltn 'sport = :{port}' (Recv-Q above Send-Q), then a larger backlog: "
            "sysctl -w net.core.somaxconn=4096 and the server's own setting",
        ),
        Cause(
            "the server waits for a request before it takes the connection (TCP_DEFER_ACCEPT): then all is well",
            "on the server: no 'deferred' in the listen line",
        ),
        Cause(
            "the ACK is lost on the way: a firewall that knows no connection without having seen the SYN-ACK",
            f"on the server: tcpdump -ni any 'src net {flight.network} and tcp port {port}' shows whether it arrives",
        ),
    ]


def _reset(flight: Flight) -> list[Cause]:
    """The server took the connection and reset it."""
    port = flight.service[1]
    return [
        Cause(
            "the server does not want connections from that range, or has no room for more (limit of open files)",
            f"on the server: its log; gryphon check --role server -x {port}-{show_service(flight.service)} -u USERS",
        ),
        Cause(
            f"a real host has an address of {flight.network}, got the SYN-ACK and reset what it did not know",
            "choose a range of nobody's with -c",
        ),
    ]


def _not_sent(flight: Flight) -> list[Cause]:
    """This host would not send."""
    server = flight.service[0]
    if flight.error in ("ENETUNREACH", "EHOSTUNREACH"):
        return [Cause(f"this host has no route to {server}", f"ip route add {server} via GATEWAY")]
    return [
        Cause(
            f"a rule of this host's firewall, or a full table of tracked connections ({flight.error})",
            "nft list ruleset; or --transmit link, which passes them by",
        )
    ]
