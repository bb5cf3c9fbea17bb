"""Where a canary flies, out of what this host knows of it beforehand."""

from __future__ import annotations

from gryphon.controller.source import IPNetwork, Service
from gryphon.sender.check.facts import Facts
from gryphon.sender.check.flight import Flight
from gryphon.sender.intercepts import Place, addresses_of


def flight(service: Service, network: IPNetwork, place: Place, grant: str, facts: Facts, error: str = "") -> Flight:
    """The flight to a server.

    Args:
        place: the intercept, as ``-s`` has it.
        grant: where it drops answers, as it says.
        error: the name of the errno, where this host refused to send.
    """
    path = facts.servers.get(service)
    leads = path.device if path else ""
    own = [
        address.ip
        for one in facts.interfaces
        for address in one.addresses
        if one.name == leads and address.version == network.version
    ]
    return Flight(
        service,
        network,
        grant=grant,
        host=place.host,
        at_server=bool(place.host) and service[0] in addresses_of(place.host),
        here=not place.host and bool(path and path.local),
        leads=leads,
        own=own[0] if own else None,
        error=error,
    )
