"""Where the answers are dropped: what ``-s`` says, and the open intercepts as one source of records for the engine."""

from __future__ import annotations

import re
import select
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from gryphon.controller.ended import Ended
from gryphon.controller.errors import InputFault
from gryphon.controller.intent import Intent
from gryphon.controller.policy import own_addresses
from gryphon.controller.quota import Quota, strictest
from gryphon.controller.record import Records
from gryphon.controller.samples import Samples, apart, sampled, whole
from gryphon.controller.source import Intercept, IPAddress, IPNetwork, Service
from gryphon.controller.surroundings import Taken, surroundings

if TYPE_CHECKING:
    from types import TracebackType

    from gryphon.controller.client import Channel
    from gryphon.controller.tls import Trust

GENERATION = 1
"""The generation that the engine sees of several intercepts, whatever each calls its grant."""

_NOBODY = 0xFFFF
_NOTHING = Intent()
_HOST = re.compile(r"^(?:\[(?P<six>[0-9A-Fa-f:.%\w]+)\]|(?P<host>[^:\[\]]+))(?::(?P<port>\d{1,5}))?$")


@dataclass(frozen=True)
class Place:
    """One entry of ``-s``: a host and port, or a hook and an interface of this host."""

    host: str = ""
    port: int = 0
    hook: Literal["xdp", "tc", ""] = ""
    interface: str = ""
    trust: Trust | None = None  # None: no TLS


def parse_places(text: str, default_port: int, trust: Trust | None = None) -> list[Place]:
    """``HOST[:PORT]``, ``[V6]:PORT``, ``xdp:IFACE``, ``tc:IFACE``, several with commas; InputFault for other forms."""
    places = []
    for part in (piece.strip() for piece in text.split(",") if piece.strip()):
        hook, _, interface = part.partition(":")
        found = _HOST.match(part)
        if hook == "xdp" and interface:
            places.append(Place(hook="xdp", interface=interface))
        elif hook == "tc" and interface:
            places.append(Place(hook="tc", interface=interface))
        elif part in (name for _, name in socket.if_nameindex()):
            raise InputFault(
                f"'{part}' is an interface of this host: write xdp:{part}, or tc:{part} on the server itself"
            )
        elif found and (found["port"] is None or 0 < int(found["port"]) < 65536):
            places.append(Place(found["six"] or found["host"], int(found["port"] or default_port), trust=trust))
        else:
            raise InputFault(f"'{part}' is no intercept: write HOST[:PORT], [V6]:PORT, xdp:INTERFACE or tc:INTERFACE")
    if not places:
        raise InputFault("no intercept was given: name where the answers are dropped with -s, a host or xdp:INTERFACE")
    return places


class Batch(NamedTuple):
    """What has come in, a row each: records of dtype ``RECORD``, and their payload samples, (records, S)."""

    records: Records
    samples: Samples


class Intercepts:
    """Open intercepts, read and waited for as one.

    Args:
        opened: each with a grant for the same services, ranges and sample.
        services: how many services the run has.

    Attributes:
        generation: that of every record of this run, as the engine is to know it.
    """

    def __init__(self, opened: Sequence[Intercept], services: int) -> None:
        self.opened = list(opened)
        self._nothing = np.empty(0, sampled(max((intercept.grant.sample for intercept in opened), default=0)))
        self.generation = opened[0].grant.generation if len(self.opened) == 1 else GENERATION
        self._numbers = [_service_numbers(intercept, services, self.generation) for intercept in self.opened]

    @property
    def quota(self) -> Quota:
        """What all of them allow."""
        return strictest([intercept.grant.quota for intercept in self.opened])

    def packets_s(self) -> float | None:
        """Packets per second that all of them allow now, as of the last heartbeats; None: any."""
        shares = [intercept.status().packets_s for intercept in self.opened]
        return min((share for share in shares if share is not None), default=None)

    def read(self) -> Batch:
        """Records of this run from all intercepts, service and generation as the engine numbers them."""
        batches = []
        for intercept, numbers in zip(self.opened, self._numbers, strict=True):
            records = intercept.read()
            if len(records):
                if numbers is not None:
                    ours = records["generation"] == intercept.grant.generation
                    records["service"] = numbers[records["service"]]
                    records["generation"] = np.where(ours, self.generation, 0)
                batches.append(records)
        if not batches:
            return Batch(*apart(self._nothing))
        if len(batches) == 1:
            return Batch(*apart(batches[0]))
        return Batch(*apart(np.concatenate(list(map(whole, batches))).view(batches[0].dtype)))

    def wait(self, seconds: float) -> None:
        """Sleep until records may be there, at most so long."""
        wait_for(self.opened, seconds)

    def keep(self) -> None:
        """Keep all grants alive while nobody reads; GrantLost when one has ended."""
        for intercept in self.opened:
            intercept.keep()

    def close(self, clean: bool, how: Ended = Ended.OVER) -> list[str]:
        """End every grant; sentences about what stays behind."""
        return [sentence for intercept in self.opened if (sentence := intercept.close(clean, how))]

    def __enter__(self) -> Intercepts:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: TracebackType | BaseException | None) -> None:
        self.close(clean=kind is None, how=Ended.OVER if kind is None else Ended.FAULT)


def wait_for(opened: Sequence[Intercept], seconds: float) -> None:
    """Sleep until one of them may have records, at most so long."""
    if all(intercept.arm() for intercept in opened):
        select.select([intercept.fileno() for intercept in opened], [], [], seconds)
    for intercept in opened:
        intercept.disarm()


def _service_numbers(intercept: Intercept, services: int, generation: int) -> npt.NDArray[np.uint16] | None:
    """The run's number of each service as this intercept numbers it; None where it numbers everything as the run does.

    A first run on an intercept of its own has it so, and every record is spared the rewriting. What is not of the
    grant an intercept gives to nobody.
    """
    if intercept.grant.generation == generation and list(intercept.grant.services) == list(range(services)):
        return None
    numbers = np.full(1 << 16, _NOBODY, np.uint16)
    numbers[intercept.grant.services] = np.arange(services, dtype=np.uint16)
    return numbers


def open_intercepts(
    places: Sequence[Place],
    token: str | None,
    services: Sequence[Service],
    networks: Sequence[IPNetwork],
    xdp_mode: Literal["auto", "native", "generic"],
    sample: int = 0,
    intent: Intent = _NOTHING,
) -> Intercepts:
    """Get a grant at every place, or at none.

    Args:
        intent: what the run is going to do, and whose it is.
        sample: bytes of each answer's payload that the run needs; a batch has them rounded up to a multiple of 8.

    Raises:
        InputFault: a remote intercept and no token.
        EnvironmentFault: nobody there, no grant, or the interception cannot be attached here.
    """
    with ExitStack() as undo:
        opened: list[Intercept] = []
        for place in places:
            intercept = _open(place, token, services, networks, xdp_mode, sample, intent)
            undo.callback(intercept.close, clean=True)
            opened.append(intercept)
        undo.pop_all()
    return Intercepts(opened, len(services))


def _open(
    place: Place,
    token: str | None,
    services: Sequence[Service],
    networks: Sequence[IPNetwork],
    xdp_mode: Literal["auto", "native", "generic"],
    sample: int,
    intent: Intent,
) -> Intercept:
    """One intercept with its grant."""
    if place.hook:
        from gryphon.controller.local import LocalIntercept

        return LocalIntercept.attach(
            place.hook, place.interface, services=services, ranges=networks, xdp_mode=xdp_mode, sample=sample
        )
    return connect(place, token, services, networks, sample, intent)


def connect(
    place: Place,
    token: str | None,
    services: Sequence[Service],
    networks: Sequence[IPNetwork],
    sample: int,
    intent: Intent = _NOTHING,
) -> Channel:
    """A grant of a remote intercept."""
    from gryphon.controller.client import Channel

    if token is None:
        raise InputFault(
            f"no token for the intercept at {place.host}: give the one it printed at its start, with --token, "
            "--token-file or GRYPHON_TOKEN"
        )
    return Channel.connect(
        place.host,
        place.port,
        token,
        services=services,
        ranges=networks,
        sample=sample,
        intent=intent,
        trust=place.trust,
    )


def taken_addresses(services: Sequence[Service], places: Sequence[Place]) -> list[Taken]:
    """Addresses that no range may contain: the servers', the intercepts', this host's, and what it knows of others."""
    return [
        *((address, "the server under test") for address, _ in services),
        *((address, "an address of this host") for address in own_addresses()),
        *((address, "the intercept's host") for place in places if place.host for address in addresses_of(place.host)),
        *surroundings(),
    ]


def addresses_of(host: str) -> set[IPAddress]:
    """The addresses of a host that a grant is got from; none where its name is not known, which connecting says."""
    try:
        return {ip_address(str(info[4][0]).partition("%")[0]) for info in socket.getaddrinfo(host, None)}
    except OSError:
        return set()
