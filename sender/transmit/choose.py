"""Which of the three ways to the wire a run takes, and the transmitter of that way."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import closing
from types import TracebackType
from typing import Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from gryphon.controller.changes import Changes
from gryphon.controller.errors import EnvironmentFault
from gryphon.sender.transmit.follow import GROUPS, Follower, Following
from gryphon.sender.transmit.hops import Hop, find_hops, find_ways
from gryphon.sender.transmit.interface import Targets, Transmitter
from gryphon.sender.transmit.link import LinkTransmitter
from gryphon.sender.transmit.netlink import Tables
from gryphon.sender.transmit.raw import RawTransmitter
from gryphon.sender.transmit.sockets import open_packet, open_raw

log = logging.getLogger("gryphon")

Way = Literal["raw", "link", "xdp"]


class FrameTransmitter(Transmitter, Following, Protocol):
    """A transmitter that addresses frames itself."""


class Choice(NamedTuple):
    """How the packets of a run leave."""

    way: Way
    targets: Targets
    device: str | None = None  # what -o named
    hops: Sequence[Hop] = ()  # one per target, none for raw
    mtu: int | None = None  # the smallest on the way, None where only the kernel knows
    why: str = ""  # a line about what was decided, where that was for us
    instead: Literal["link"] | None = None  # what auto takes where the way turns out to be closed after all

    @property
    def devices(self) -> list[str]:
        """The interfaces that frames leave by, none for raw."""
        return sorted({hop.device for hop in self.hops})

    def open(self, payload: npt.NDArray[np.uint8]) -> Sending:
        """The transmitter; of xdp after the interception, which comes first on the same device.

        ``payload`` is the script's arena. Raises ``EnvironmentFault``.
        """
        if self.way == "raw":
            return Sending(self, RawTransmitter(self.targets, payload))
        try:
            transmitter = self._frames(payload)
        except EnvironmentFault as fault:
            if self.instead is None:
                raise
            log.warning("packets leave by %s, not by %s: %s", self.instead, self.way, fault)
            return self._replace(way=self.instead, instead=None).open(payload)
        return Sending(self, transmitter, transmitter)

    def _frames(self, payload: npt.NDArray[np.uint8]) -> FrameTransmitter:
        """The transmitter of frames."""
        if self.way == "link":
            return LinkTransmitter(self.targets, payload, self.hops)
        from gryphon.sender.transmit.xdp import XdpTransmitter  # brings bpf, which the others do without

        return XdpTransmitter(self.targets, payload, self.hops)


class Sending:
    """The transmitter of a run, as a context manager that closes it, and what looks after its next hops meanwhile."""

    def __init__(self, choice: Choice, transmitter: Transmitter, following: FrameTransmitter | None = None) -> None:
        self.choice = choice
        self.transmitter = transmitter
        self._following = following
        self._follower: Follower | None = None

    def look(self) -> None:
        """To be called once a second: follows next hops that have changed."""
        if self._follower is not None:
            self._follower.look()

    def __enter__(self) -> Sending:
        try:
            if self._following is not None:
                choice = self.choice
                self._follower = Follower(Tables(), choice.targets, choice.device, choice.hops, self._following)
            self.look()
        except BaseException:
            self.transmitter.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.transmitter.close()
        if self._follower is not None:
            self._follower.close()


def choose(asked: Literal["raw", "link", "xdp", "auto"], targets: Targets, device: str | None) -> Choice:
    """Find out whether packets can leave that way, for ``auto`` by which of them; nothing is sent.

    Raises:
        EnvironmentFault: they cannot, or this process may not.
    """
    if asked == "raw":
        return _raw(targets)
    try:
        open_packet().close()
        hops = _hops(targets, device)
    except EnvironmentFault as fault:
        if asked != "auto" or device is not None:
            raise
        return _raw(targets, f"packets leave by raw sockets, frames cannot: {fault}")
    if asked == "link":
        return _link(targets, device, hops)
    obstacle = _why_not_xdp(hops)
    if asked == "xdp" and obstacle is not None:
        raise EnvironmentFault(obstacle)
    if obstacle is not None:
        return _link(targets, device, hops, f"not by xdp: {obstacle}")
    choice = Choice("xdp", targets, device, hops, _mtu_of_xdp(targets, hops))
    return choice if asked == "xdp" else choice._replace(why=_over(choice), instead="link")


def _link(targets: Targets, device: str | None, hops: Sequence[Hop], why: str = "") -> Choice:
    """Frames through a packet socket."""
    choice = Choice("link", targets, device, hops, min(hop.mtu for hop in hops))
    return choice._replace(why=f"{_over(choice)}, {why}") if why else choice


def _over(choice: Choice) -> str:
    """The beginning of the line about a way of frames."""
    return f"packets leave by {choice.way} over {' and '.join(choice.devices)}"


def _raw(targets: Targets, why: str = "") -> Choice:
    """Raw sockets, if this process may open them."""
    for version in sorted({target.address.version for target in targets}):
        open_raw(version).close()
    return Choice("raw", targets, why=why)


def _hops(targets: Targets, device: str | None) -> list[Hop]:
    """The next hop to each target."""
    with closing(Changes(GROUPS)) as changes, closing(Tables()) as tables:
        return find_hops(tables, find_ways(tables, targets, device), changes.wait)


def _why_not_xdp(hops: Sequence[Hop]) -> str | None:
    """What stands in the way of xdp."""
    from gryphon.sender.transmit.xdp import why_not

    return why_not(hops)


def _mtu_of_xdp(targets: Targets, hops: Sequence[Hop]) -> int:
    """The largest packet of which every frame is one that a live run can carry."""
    from gryphon.sender.transmit.wire import links
    from gryphon.sender.transmit.xdp_program import LARGEST_FRAME

    return int(links(targets, hops, LARGEST_FRAME)["largest"].min())
