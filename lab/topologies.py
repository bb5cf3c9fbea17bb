"""The three topologies in the lab: where the answers to forged addresses are led and where they are caught."""

from __future__ import annotations

from typing import Literal, NamedTuple

from gryphon.lab.wiring import ENDS, LINKS, SERVER_V4, End, HostName

_SENDER_SERVER, _ASSISTANT_SERVER, _SENDER_ASSISTANT = LINKS


class Topology(NamedTuple):
    """One of them; what a run needs to know."""

    name: str
    purpose: str
    via: Literal["sender", "assistant"]
    """The host to which the server's route for the forged ranges leads."""
    interceptor: HostName | None
    """The host on which `gryphon-intercept` runs; None: `gryphon send` does it itself."""
    hook: Literal["--tc", "--xdp"]
    intercept: str
    """What `gryphon send --intercept` is given."""
    way: frozenset[End]
    """The interfaces that see answers to forged addresses before the interception."""
    neighbour: End
    """A host's interface from which real clients reach the server past the interception."""
    service: End
    """The server's address for those clients."""

    @property
    def beyond(self) -> list[End]:
        """The interfaces that must not see a packet for a forged address."""
        return [end for end in ENDS if end not in self.way]


TOPOLOGIES: tuple[Topology, ...] = (
    Topology(
        name="target",
        purpose="tc egress on the server under test",
        via="sender",
        interceptor="server",
        hook="--tc",
        intercept=SERVER_V4,
        way=frozenset(),
        neighbour=_SENDER_SERVER[0],
        service=_SENDER_SERVER[1],
    ),
    Topology(
        name="assistant",
        purpose="XDP on a helper host to which the server routes the forged range",
        via="assistant",
        interceptor="assistant",
        hook="--xdp",
        intercept=_SENDER_ASSISTANT[1].v4,
        way=frozenset({_ASSISTANT_SERVER[1]}),
        neighbour=_ASSISTANT_SERVER[0],
        service=_ASSISTANT_SERVER[1],
    ),
    Topology(
        name="local",
        purpose="XDP on the sending host itself, in the process of `gryphon send`",
        via="sender",
        interceptor=None,
        hook="--xdp",
        intercept="xdp:eth0",
        way=frozenset({_SENDER_SERVER[1]}),
        neighbour=_SENDER_SERVER[0],
        service=_SENDER_SERVER[1],
    ),
)
