"""What the command line of `gryphon-intercept` says, checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar, cast, get_args

from gryphon.controller.errors import InputFault
from gryphon.controller.quota import Allowance
from gryphon.controller.samples import MOST, STEP
from gryphon.controller.source import IPNetwork, Service
from gryphon.controller.window import parse_window

Hook = Literal["xdp", "tc"]
XdpMode = Literal["auto", "native", "generic"]
Item = TypeVar("Item")


@dataclass(frozen=True)
class Options:
    """Everything a run of the intercept needs to know.

    Attributes:
        host: address to listen at; None: all, IPv4 and IPv6.
        ranges, services: what senders may ask for; None: the defaults of the policy.
        linger_s: seconds that answers go on being dropped after a sender's end.
        sample: bytes of each answer's payload that senders may have.
        metrics: where figures for Prometheus are served, ADDR:PORT.
        keep: a stop ends at once and leaves the program attached while it holds ranges.
        allowance: how much they may do together, and when.
        tls_cert, tls_key: PEM files; None: no TLS, or the key is in the certificate's.
    """

    hook: Hook
    interface: str
    xdp_mode: XdpMode
    host: str | None
    port: int
    ranges: list[IPNetwork] | None
    services: list[Service] | None
    linger_s: float
    sample: int
    ready_file: Path | None
    token_file: Path | None
    metrics: str | None = None
    keep: bool = False
    allowance: Allowance = field(default_factory=Allowance)
    tls_cert: Path | None = None
    tls_key: Path | None = None


def choose_hook(xdp: str | None, tc: str | None) -> tuple[Hook, str]:
    """The one hook asked for and its interface; InputFault unless it is exactly one."""
    if xdp and tc:
        raise InputFault("--xdp and --tc exclude each other: name the one interface that the answers pass")
    if xdp:
        return "xdp", xdp
    if tc:
        return "tc", tc
    raise InputFault(
        "name the interface that the answers pass: --tc eth0 on the server under test, --xdp eth0 on a helper host"
    )


def detach_from(detach: str | None, xdp: str | None, tc: str | None) -> str | None:
    """The interface of --detach, given with it or with --xdp or --tc; None when nothing is to be detached."""
    if detach is None:
        return None
    named = {name for name in (detach, xdp, tc) if name}
    if len(named) != 1:
        raise InputFault("name the one interface to detach from: gryphon-intercept --detach eth0")
    return named.pop()


def parse_mode(text: str) -> XdpMode:
    """How an XDP program runs: in the driver, in the kernel's generic path, or as can be."""
    if text not in get_args(XdpMode):
        raise InputFault(f"--xdp-mode is native, generic or auto, not '{text}'")
    return cast(XdpMode, text)


def parse_list(option: str, text: str | None, parse: Callable[[str], Item]) -> list[Item] | None:
    """Comma-separated values; None when the option was not given."""
    if text is None:
        return None
    items = [parse(part) for part in text.split(",") if part.strip()]
    if not items:
        raise InputFault(f"{option} names nothing")
    return items


def check_sample(sample: int) -> int:
    """A payload sample that the ring can hold."""
    if not 0 <= sample <= MOST or sample % STEP:
        raise InputFault(f"--sample is a multiple of {STEP} from 0 to {MOST} bytes, not {sample}")
    return sample


def check_linger(seconds: float) -> float:
    """A linger time that makes sense."""
    if not 0 <= seconds <= 86_400:
        raise InputFault(f"--linger is 0 to 86400 seconds, not {seconds:g}")
    return seconds


LEAST_RATE = 1.0


def check_allowance(packets: float | None, rate: float | None, users: int | None, window: str | None) -> Allowance:
    """What ``--max-packets``, ``--max-rate``, ``--max-users`` and ``--window`` say; InputFault for nonsense."""
    for option, value in (("--max-packets", packets), ("--max-rate", rate), ("--max-users", users)):
        if value is not None and not LEAST_RATE <= value <= 1e12:
            raise InputFault(f"{option} {value:g}: give a number from {LEAST_RATE:g}")
    windows = parse_list("--window", window, parse_window)
    return Allowance(packets, rate, users, tuple(windows or ()))


def check_tls(certificate: Path | None, key: Path | None) -> None:
    """A key belongs to a certificate."""
    if key is not None and certificate is None:
        raise InputFault("--tls-key needs --tls-cert, the certificate that belongs to it")
