"""Why nothing at all was heard of a canary: the causes in order of likelihood for the topology."""

from __future__ import annotations

from gryphon.controller.policy import show_service
from gryphon.sender.check.flight import Cause, Flight


def silent(flight: Flight) -> list[Cause]:
    """What this host has seen, or else what it knows to be wrong, then what only the server can tell."""
    if flight.passes is not None:
        return [flight.passes]
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
