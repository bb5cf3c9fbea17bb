"""Why a canary did not come through: the causes in order of likelihood, each with what mends it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from gryphon.controller.policy import show_service
from gryphon.controller.source import IPAddress, IPNetwork, Service
from gryphon.sender.check.canary import Outcome

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


def causes(outcome: Outcome, flight: Flight) -> list[Cause]:
    """The causes, the likeliest first; none where all is well."""
    table = {
        Outcome.SILENT: _silent,
        Outcome.REFUSED: _refused,
        Outcome.UNREACHABLE: _unreachable,
        Outcome.REPEATED: _repeated,
        Outcome.RESET: _reset,
        Outcome.NOT_SENT: _not_sent,
    }
    return table[outcome](flight) if outcome in table else []


def where_to_look(outcome: Outcome, flight: Flight) -> str:
    """What decides between the causes; empty where there is nothing to decide."""
    if outcome is not Outcome.SILENT:
        return ""
    shown = show_service(flight.service)
    return f"on the server: gryphon check --role server -x {flight.service[1]}-{shown} -c {flight.network} tells which"


def _silent(flight: Flight) -> list[Cause]:
    """Nothing came at all."""
    return [*_wrong_hook(flight), *_wrong_interface(flight), *_no_way_back(flight), *_lost_there(flight)]


def _wrong_hook(flight: Flight) -> list[Cause]:
    """A program that looks in the wrong direction."""
    name = flight.interface
    if flight.hook == "xdp" and (flight.at_server or flight.here):
        return [
            Cause(
                f"the interception is at XDP of {name} on the server itself, on the way in, and answers leave there",
                f"on the server: gryphon-intercept --tc {name}",
            )
        ]
    if flight.hook == "tc" and not flight.at_server and not flight.here:
        where = f"on {flight.host}" if flight.host else "on this host"
        return [
            Cause(
                f"the interception is at tc egress of {name} {where}, on the way out: right on the server under test "
                "alone; on an assistant answers arrive",
                f"{where}: gryphon-intercept --xdp {name}" if flight.host else f"-s xdp:{name}",
            )
        ]
    return []


def _wrong_interface(flight: Flight) -> list[Cause]:
    """In the local topology this host knows which interface leads to the server."""
    if flight.host or flight.hook != "xdp" or not flight.leads or flight.leads in ("lo", flight.interface):
        return []
    return [
        Cause(
            f"answers come in by {flight.leads}, which leads to the server, and {flight.interface} is watched",
            f"-s xdp:{flight.leads}",
        )
    ]


def _no_way_back(flight: Flight) -> list[Cause]:
    """The server answered into nothing."""
    network, name, server = flight.network, flight.interface, flight.service[0]
    device = f" dev {name}" if flight.hook == "tc" else ""
    found = [
        Cause(
            f"the server has no route for {network} {flight.whose}, or has it on its link, where nobody answers ARP",
            f"on the server: ip route replace {network} via {flight.via}{device}",
        )
    ]
    if flight.hook == "tc":
        found.append(
            Cause(
                f"answers leave the server by another interface than {name}, which is watched",
                f"on the server: ip route get {network[1 if network.num_addresses > 1 else 0]}, and gryphon-intercept "
                "--tc with the interface that it names",
            )
        )
    if server.version == 4:
        found.append(
            Cause(
                f"the server drops packets from {network} because their route leads elsewhere (rp_filter)",
                "on the server: sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.IFACE.rp_filter=0",
            )
        )
    if flight.hook == "xdp" and flight.host:
        found.append(
            Cause(
                f"answers reach another interface of the assistant than {name}, which is watched",
                f"on {flight.host}: ip -s link, and gryphon-intercept --xdp with the interface that counts them",
            )
        )
    return found


def _lost_there(flight: Flight) -> list[Cause]:
    """The SYN never got an answer."""
    address, port = flight.service
    return [
        Cause(
            f"the network drops packets from {flight.network} on their way (a cloud's source check, a firewall)",
            f"on the server: tcpdump -ni any 'src net {flight.network} and tcp port {port}' shows whether they arrive",
        ),
        Cause(
            f"the queue of {show_service(flight.service)} is full, and SYNs are dropped",
            f"on the server: ss -ltn 'sport = :{port}' (Recv-Q at Send-Q), then a larger backlog",
        ),
        Cause(
            "a table of tracked connections is full, on the server or here",
            "sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max",
        ),
        Cause(
            f"{address} is down, or is no address of the server's",
            f"ping -c 3 {address}",
        ),
    ]


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
