"""What a sender may ask for: forged ranges that are nobody's, services that the intercept's owner allows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network, collapse_addresses, ip_address, ip_network

from gryphon.controller.errors import GrantRefused, InputFault
from gryphon.controller.forged import objection
from gryphon.controller.source import IPAddress, IPNetwork, Service
from gryphon.controller.surroundings import Taken

DEFAULT_RANGES: tuple[IPNetwork, ...] = tuple(
    ip_network(text)
    for text in (
        "10.0.0.0/8",  # RFC 1918, private
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",  # RFC 6598, shared
        "198.18.0.0/15",  # RFC 2544, benchmarking
        "192.0.2.0/24",  # RFC 5737, documentation
        "198.51.100.0/24",
        "203.0.113.0/24",
        "fc00::/7",  # RFC 4193, unique local
        "2001:db8::/32",  # RFC 3849, documentation
    )
)
"""Forged ranges allowed unless others are named: space where no stranger lives."""
_DEFAULT_SENTENCE = "private, shared, benchmarking and documentation space"


@dataclass(frozen=True)
class Policy:
    """What may be granted.

    Attributes:
        ranges: networks that a forged range must lie in; None: ``DEFAULT_RANGES``.
        services: services that may be intercepted; None: any whose address is not public, and this host's own.
        local: sender and granter are one: nobody on the server's side has a say, so no public server at all.
    """

    ranges: Sequence[IPNetwork] | None = None
    services: Sequence[Service] | None = None
    local: bool = False

    def check_services(self, services: Sequence[Service], own: Collection[IPAddress] = ()) -> None:
        """GrantRefused when one of the services is not allowed, or there is none; ``own``: this host's addresses."""
        if not services:
            raise GrantRefused("no service was asked for")
        for service in services:
            if self.services is not None and service not in self.services:
                raise GrantRefused(
                    f"the service {show_service(service)} is not allowed here: --allow-services names "
                    + ", ".join(show_service(allowed) for allowed in self.services)
                )
            if self.services is None and is_public(service[0]):
                self._check_public(service, own)

    def _check_public(self, service: Service, own: Collection[IPAddress]) -> None:
        """A public address may be anybody's: whoever runs the intercept on that server, or names it, has the say."""
        shown = show_service(service)
        if self.local:
            raise GrantRefused(
                f"{service[0]} is a public address: in the local topology nobody but the sender has a say, so servers "
                f"lie in {_DEFAULT_SENTENCE}; run gryphon-intercept on that server and name it with -s"
            )
        if service[0] not in own:
            raise GrantRefused(
                f"{service[0]} is a public address and not one of the intercept's host: run gryphon-intercept on that "
                f"server itself, or allow it here with --allow-services {shown}"
            )

    def check_ranges(self, ranges: Sequence[IPNetwork], taken: Iterable[Taken]) -> None:
        """GrantRefused when a range is not allowed, must never be forged or holds an address of ``taken``."""
        if not ranges:
            raise GrantRefused("no forged range was asked for")
        said = objection(ranges, taken)
        if said:
            raise GrantRefused(said)
        for network in ranges:
            self._check_allowed(network)

    def _check_allowed(self, network: IPNetwork) -> None:
        allowed = DEFAULT_RANGES if self.ranges is None else self.ranges
        if any(contains(outer, network) for outer in allowed):
            return
        named = _DEFAULT_SENTENCE if self.ranges is None else ", ".join(str(outer) for outer in allowed)
        raise GrantRefused(
            f"the forged range {network} is not allowed here: it must lie in {named} "
            "(--allow-ranges at the intercept names others)"
        )


def is_public(address: IPAddress) -> bool:
    """Whether a server's address may be a stranger's: neither in ``DEFAULT_RANGES`` nor one that no router forwards."""
    address = plain(address)
    return not (address.is_loopback or address.is_link_local or any(address in network for network in DEFAULT_RANGES))


def contains(outer: IPNetwork, inner: IPNetwork) -> bool:
    """Whether ``inner`` lies wholly in ``outer``; networks of two IP versions never do."""
    if isinstance(outer, IPv6Network):
        return isinstance(inner, IPv6Network) and inner.subnet_of(outer)
    return not isinstance(inner, IPv6Network) and inner.subnet_of(outer)


def collapse(ranges: Iterable[IPNetwork]) -> list[IPNetwork]:
    """The same addresses in as few networks as can be: none holds another, each version apart."""
    listed = list(ranges)
    four = collapse_addresses(network for network in listed if not isinstance(network, IPv6Network))
    six = collapse_addresses(network for network in listed if isinstance(network, IPv6Network))
    return [*four, *six]


def plain(address: IPAddress) -> IPAddress:
    """An IPv4 address that came mapped into IPv6 (dual-stack sockets) as what it is."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def show_service(service: Service) -> str:
    """A service as ADDR:PORT or [V6]:PORT."""
    address, port = service
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def parse_service(text: str) -> Service:
    """ADDR:PORT or [V6]:PORT; InputFault when it is neither."""
    host, _, port = text.strip().rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        address = None
    if address is None or bracketed != (address.version == 6) or not _is_port(port):
        raise InputFault(f"'{text}' is not a service: write ADDR:PORT or [V6]:PORT, such as 10.16.15.118:80")
    return address, int(port)


def parse_network(text: str) -> IPNetwork:
    """A network in CIDR notation or one address; InputFault when it is neither."""
    try:
        return ip_network(text.strip())
    except ValueError as error:
        raise InputFault(f"'{text}' is not a network: write it as 10.17.0.0/16 or fd00:17::/64 ({error})") from error


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536


def own_addresses() -> list[IPAddress]:
    """Every address of this host (of this network namespace)."""
    from pyroute2 import IPRoute  # costs 0.2 s to import

    with IPRoute() as route:
        messages = route.get_addr()
    found = [message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS") for message in messages]
    return [ip_address(text) for text in found if text]
