"""Points about forged ranges: where the server's answers to them go, and whether somebody lives there."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Interface, IPv6Interface

from gryphon.controller.forged import overlap as share_addresses
from gryphon.controller.source import IPNetwork
from gryphon.sender.check.facts import Asked, Facts, Interface, Path
from gryphon.sender.check.point import Finding, missing, supported, unknown


def overlap(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Real hosts with forged addresses, as far as this host can know."""
    for network in asked.networks:
        fault = _owner(network, facts, asked)
        shared = next(
            (name for name, own in _own_addresses(facts, network) if share_addresses(network, own.network)), None
        )
        if fault:
            yield missing(f"{network} {fault}", "choose a range of nobody's with -c")
        elif shared is not None:
            yield unknown(
                f"{network} overlaps the network on {shared}; nobody there has answered yet with such an address",
                "choose a range outside it with -c",
            )
        else:
            yield supported(f"{network}: no neighbour of this host lives there")


def _owner(network: IPNetwork, facts: Facts, asked: Asked) -> str:
    """Whose address a range contains, as the end of a sentence; empty: nobody's that is known."""
    server = next((address for address, _ in asked.services if address in network), None)
    if server is not None:
        return f"contains {server}, the server under test"
    own = next((address.ip for _, address in _own_addresses(facts, network) if address.ip in network), None)
    if own is not None:
        return f"contains {own}, an address of this host"
    real = next((one for one in facts.strangers if one.address in network), None)
    if real is not None:
        return f"contains {real.address}, a real host ({real.hardware} on {real.device}): it would meddle"
    return ""


def _own_addresses(facts: Facts, network: IPNetwork) -> list[tuple[str, IPv4Interface | IPv6Interface]]:
    """This host's addresses of the range's version, with their interfaces."""
    every = [(one.name, address) for one in facts.interfaces for address in one.addresses]
    return [(name, address) for name, address in every if address.version == network.version]


def watched(facts: Facts, asked: Asked) -> tuple[str, ...]:
    """The interfaces by which answers are to leave this server: named, or with gryphon's filter; empty: any."""
    local = tuple(name for hook, name in asked.local if hook == "tc")
    return asked.interfaces or local or tuple(one.name for one in facts.interfaces if one.tc)


def route(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """The server's route of each range."""
    if not asked.networks:
        yield unknown("no forged range was named", "gryphon check --role server -c RANGE")
    wanted = watched(facts, asked)
    for network in asked.networks:
        path = facts.ranges.get(network)
        if path is None:
            yield unknown(f"{network}: the routes cannot be read")
        else:
            yield _judge_path(network, path, wanted, asked)


def _judge_path(network: IPNetwork, path: Path, wanted: tuple[str, ...], asked: Asked) -> Finding:
    """One range."""
    lead = f"ip route replace {network} via {asked.via}"
    if path.error:
        return missing(f"there is no route for {network} ({path.error}): answers never leave", lead)
    if path.local:
        return missing(f"{path.address} is an address of this host itself", "choose a range of nobody's with -c")
    if wanted and path.device not in wanted:
        names = " and ".join(wanted)
        return missing(
            f"{network} leads out of {path.device}, and {names} is watched: answers leave unseen",
            f"{lead} dev {wanted[0]}, or gryphon-intercept --tc {path.device}",
        )
    where = f"{network} leads out of {path.device}"
    if path.gateway is None:
        if path.neighbour == "known":
            return supported(f"{where}, on its link, with an entry for {path.address}")
        return missing(
            f"{where} on its link: the kernel asks for each forged address (ARP, NDP) and nobody answers", lead
        )
    if path.neighbour == "silent":
        return missing(
            f"{where} via {path.gateway}, which does not say its hardware address",
            f"{lead}, or ip neighbour replace {path.gateway} lladdr ADDRESS dev {path.device}",
        )
    return supported(f"{where} via {path.gateway}")


def rp_filter(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Whether the server drops forged packets because their route leads elsewhere (ip-sysctl.rst, rp_filter)."""
    if asked.networks and asked.networks[0].version == 6:
        yield supported("IPv6 has no rp_filter")
        return
    common = facts.sysctls.get("net.ipv4.conf.all.rp_filter")
    if common is None:
        yield unknown("net.ipv4.conf.all.rp_filter cannot be read")
        return
    findings = [
        finding
        for one in _entrances(facts, asked)
        for finding in _strict(one.name, max(common, _own(facts, one.name)), facts, asked)
    ]
    yield from findings or [supported("off, or harmless for these ranges")]


def _entrances(facts: Facts, asked: Asked) -> list[Interface]:
    """The interfaces by which packets for the services come: those with their addresses, if any has; else all."""
    up = [one for one in facts.interfaces if one.up]
    wanted = {address for address, _ in asked.services}
    return [one for one in up if any(own.ip in wanted for own in one.addresses)] or up


def _own(facts: Facts, name: str) -> int:
    """An interface's own setting; the larger of it and that of all counts."""
    return facts.sysctls.get(f"net.ipv4.conf.{name}.rp_filter", 0)


def _strict(name: str, value: int, facts: Facts, asked: Asked) -> Iterator[Finding]:
    """What this interface drops."""
    off = f"sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.{name}.rp_filter=0"
    if value == 1 and not asked.networks:
        yield unknown(f"strict on {name}: forged packets pass only where their range is routed out of {name}", off)
    for network in asked.networks:
        path = facts.ranges.get(network)
        if path is None or not value:
            continue
        if path.error:
            yield missing(f"rp_filter {value} on {name} drops packets from {network}, which has no route", off)
        elif value == 1 and path.device != name:
            yield missing(
                f"rp_filter 1 on {name} drops packets from {network}, whose route leads out of {path.device}", off
            )
