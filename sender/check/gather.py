"""The facts of this host, for the points of ``gryphon check`` and, in a few milliseconds, for the start of a run."""

from __future__ import annotations

from contextlib import closing

from gryphon.controller.source import IPAddress, IPNetwork, Service
from gryphon.sender.check import listeners, network, proc
from gryphon.sender.check.facts import Asked, Facts, Interface, Listener
from gryphon.sender.transmit.netlink import Tables


def gather(asked: Asked) -> Facts:
    """Everything; takes a second or two, for what has to be tried and asked."""
    from gryphon.controller.abilities import find_abilities  # knows the BPF side: not for a run with raw sockets

    can = find_abilities()
    quick = gather_quick(asked, asking=True)
    return Facts(
        release=proc.release(),
        ring_buffer=can.ring_buffer,
        live_frames=can.live_frames,
        clsact=can.clsact,
        missing=can.missing,
        raw=proc.may_send_raw(),
        bcc=can.bcc,
        headers=can.headers,
        memory_lock=proc.memory_lock(),
        vendor=proc.vendor(),
        interfaces=_with_programs(quick.interfaces),
        sysctls=quick.sysctls,
        ranges=quick.ranges,
        servers=quick.servers,
        strangers=quick.strangers,
        listeners=_listeners(asked, quick),
    )


def gather_quick(asked: Asked, asking: bool = False) -> Facts:
    """What the points at a run's start read: sysctls, routes, neighbours.

    Args:
        asking: have the kernel ask for real hosts in ranges that lie on a link.
    """
    from pyroute2 import IPRoute

    with closing(IPRoute()) as netlink:
        tables = Tables(netlink)
        there = network.interfaces(netlink)
        names = {one.index: one.name for one in there}
        if asking:
            network.ask_for_strangers(netlink, tables, asked.networks, there)
        return Facts(
            interfaces=tuple(there),
            sysctls=proc.sysctls(proc.SYSCTLS) | proc.rp_filters(names.values()),
            ranges={each: network.path_to(tables, _first(each), names) for each in asked.networks},
            servers={service: network.path_to(tables, service[0], names) for service in asked.services},
            strangers=tuple(network.strangers(netlink, asked.networks, names)),
        )


def _first(range_: IPNetwork) -> IPAddress:
    """An address that a user of the range has."""
    return range_[min(1, range_.num_addresses - 1)]


def _with_programs(there: tuple[Interface, ...]) -> tuple[Interface, ...]:
    """The interfaces with what hangs on them, what their drivers can, and their offloads."""
    from gryphon.controller.abilities import hooks_of
    from gryphon.sender.transmit.xdp_device import features

    found = []
    offloads = network.offloads(one.name for one in there)
    for one in there:
        hooks = hooks_of(one.name, one.index)
        found.append(
            one._replace(
                xdp_features=features(one.index),
                xdp=hooks.xdp if hooks else None,
                tc=hooks.tc if hooks else None,
                offloads=offloads.get(one.name),
                driver=network.driver(one.name),
            )
        )
    return tuple(found)


def _listeners(asked: Asked, quick: Facts) -> dict[Service, Listener | None]:
    """What listens at those services that are this host's."""
    own = [service for service in asked.services if (path := quick.servers.get(service)) and path.local]
    return listeners.listeners(own, listeners.listening()) if own else {}
