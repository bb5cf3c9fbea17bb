"""What is known of this host when it is judged: plain data, gathered once; None is what could not be found out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface
from typing import Literal, NamedTuple

from gryphon.controller.source import IPAddress, IPNetwork, Service

Role = Literal["sender", "server", "assistant"]
ROLES: tuple[Role, ...] = ("sender", "server", "assistant")


@dataclass(frozen=True)
class Asked:
    """What the user said of the run.

    Attributes:
        roles: what this host is to be; empty: nobody knows.
        interfaces: those named with ``-i``; empty: any.
        networks: the forged ranges.
        services: the servers under test.
        intercepts: hosts of the intercepts that ``-s`` names.
        local: hook and interface of an interception on this host itself.
        users: how many, None when nobody said.
        past_netfilter: packets leave as frames, which connection tracking does not see.
    """

    roles: tuple[Role, ...] = ()
    interfaces: tuple[str, ...] = ()
    networks: tuple[IPNetwork, ...] = ()
    services: tuple[Service, ...] = ()
    intercepts: tuple[str, ...] = ()
    local: tuple[tuple[str, str], ...] = ()
    users: int | None = None
    past_netfilter: bool = False

    @property
    def via(self) -> str:
        """The host to which the server should route the forged range, for a command to copy."""
        return self.intercepts[0] if self.intercepts else "ASSISTANT"


class Interface(NamedTuple):
    """One network interface; loopback is none."""

    name: str
    index: int  # type: ignore[assignment]
    up: bool = True
    ethernet: bool = True
    addresses: tuple[IPv4Interface | IPv6Interface, ...] = ()
    xdp_features: int | None = None  # NETDEV_XDP_ACT_* bits of its driver
    xdp: str | None = None  # name of its XDP program, empty without one
    tc: bool | None = None  # gryphon's filter at tc egress
    offloads: Mapping[str, bool] | None = None  # by the kernel's names, such as rx-lro
    driver: str = ""  # empty where there is no device behind it


class Path(NamedTuple):
    """How this host reaches an address."""

    address: IPAddress
    error: str = ""  # why not at all
    local: bool = False  # it is this host's own
    device: str = ""
    gateway: IPAddress | None = None
    neighbour: Literal["known", "silent", "unasked"] = "unasked"  # the gateway, or the address itself on the link


class Stranger(NamedTuple):
    """A real host with an address of a forged range."""

    address: IPAddress
    device: str
    hardware: str


class Process(NamedTuple):
    """One that holds a listening socket."""

    number: int  # process id
    name: str
    files: int  # its soft limit of open files


class Listener(NamedTuple):
    """What listens at a service of this host, all its sockets together."""

    sockets: int
    backlog: int  # connections not yet accepted that the smallest takes
    waiting: int  # in the fullest of them
    processes: tuple[Process, ...] | None = None  # None where they may not be looked at


@dataclass(frozen=True)
class Facts:
    """This host as it is now; a test makes up what its point reads."""

    release: str = ""
    ring_buffer: bool | None = None
    live_frames: bool | None = None
    clsact: bool | None = None
    missing: tuple[str, ...] = ()  # capabilities that intercepting needs
    raw: bool = True  # CAP_NET_RAW
    bcc: str = ""
    headers: str = ""
    memory_lock: int | None = None  # bytes, -1: without limit
    vendor: str | None = None  # of the machine, by its firmware
    interfaces: tuple[Interface, ...] = ()
    sysctls: Mapping[str, int] = field(default_factory=dict)  # by name; missing where the kernel has none
    ranges: Mapping[IPNetwork, Path] = field(default_factory=dict)  # where answers to a forged range go
    servers: Mapping[Service, Path] = field(default_factory=dict)
    strangers: tuple[Stranger, ...] = ()
    listeners: Mapping[Service, Listener | None] = field(default_factory=dict)

    def named(self, asked: Asked) -> list[Interface]:
        """The interfaces that matter: those named, otherwise Ethernet interfaces that are up and have an address.

        Those of containers have none but a link-local one.
        """
        if asked.interfaces:
            return [one for one in self.interfaces if one.name in asked.interfaces]
        up = [one for one in self.interfaces if one.up and one.ethernet]
        return [one for one in up if any(not own.ip.is_link_local for own in one.addresses)] or up
