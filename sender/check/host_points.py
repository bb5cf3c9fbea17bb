"""Points of any host that intercepts, or sends by XDP: the kernel, the tools, what this process may do."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gryphon.sender.check.facts import Asked, Facts
from gryphon.sender.check.point import Finding, Point, missing, supported, unknown

OLDEST = (5, 18)
"""Linux that has all that gryphon uses (README)."""
_ACCOUNTED = (5, 11)  # BPF memory counts for the cgroup, no longer for RLIMIT_MEMLOCK
_ENOUGH_LOCKED = 64 << 20
_BASIC, _NDO_XMIT = 1, 4  # NETDEV_XDP_ACT_*, include/uapi/linux/netdev.h


def _version(release: str) -> tuple[int, int] | None:
    """6.18 of ``6.18.44-generic``."""
    found = re.match(r"(\d+)\.(\d+)", release)
    return (int(found[1]), int(found[2])) if found else None


def kernel(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """The version."""
    version, needed = _version(facts.release), ".".join(map(str, OLDEST))
    if version is None:
        yield unknown(f"the kernel calls itself '{facts.release}'")
    elif version < OLDEST:
        yield missing(f"Linux {facts.release}, {needed} or newer is needed", f"install Linux {needed} or newer")
    else:
        yield supported(f"Linux {facts.release}, {needed} or newer is needed")


def _tried(answer: bool | None, what: str, absent: str) -> Finding:
    """The outcome of a trial."""
    if answer is None:
        return unknown(f"whether the kernel has {what}, this process may not try", "sudo gryphon check")
    if answer:
        return supported(f"the kernel has {what} (tried)")
    return missing(f"the kernel does not have {what}", absent)


def ring_buffer(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """The map in which records come."""
    yield _tried(facts.ring_buffer, "it", "install Linux 5.18 or newer, with CONFIG_BPF_SYSCALL")


def clsact(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Where a tc egress program hangs."""
    yield _tried(facts.clsact, "it", "modprobe sch_ingress (CONFIG_NET_SCH_INGRESS)")


def live_frames(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """What --transmit xdp sends by."""
    absent = "install Linux 5.18 or newer, or choose --transmit link or raw"
    yield _tried(facts.live_frames, "them, for --transmit xdp", absent)


def xdp(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Each interface's driver."""
    there = {one.name for one in facts.interfaces}
    for name in asked.interfaces:
        if name not in there:
            yield missing(
                f"there is no interface {name}", f"name one of those there are: -i {' or '.join(sorted(there))}"
            )
    for one in facts.named(asked):
        if not one.up:
            yield missing(f"{one.name} is down", f"ip link set dev {one.name} up")
        elif not one.ethernet:
            yield missing(f"{one.name} carries no Ethernet frames", "choose the Ethernet interface below it")
        elif one.xdp_features is None:
            yield unknown(f"{one.name}: generic; whether native, the kernel does not say (before Linux 6.3)")
        elif one.xdp_features & _BASIC:
            sends = "" if one.xdp_features & _NDO_XMIT else "; sends no frames from XDP as it is now"
            yield supported(f"{one.name}: native and generic{sends}")
        else:
            yield supported(f"{one.name}: generic only, slower (its driver has no XDP)")


def capabilities(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """What this process may do."""
    if facts.missing:
        yield missing(f"this process lacks {', '.join(facts.missing)}", "sudo gryphon check")
    else:
        yield supported("CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON")


def bcc(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """The compiler of BPF programs."""
    yield missing("bcc cannot be used", facts.bcc) if facts.bcc else supported("bcc is installed")


def headers(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """What it includes."""
    if facts.headers:
        yield missing("the UAPI headers are missing", "apt install linux-libc-dev")
    else:
        yield supported("the UAPI headers are installed")


def memory_lock(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """RLIMIT_MEMLOCK, which older kernels hold BPF maps to."""
    version, limit = _version(facts.release), facts.memory_lock
    if version is not None and version >= _ACCOUNTED:
        yield supported("BPF maps do not count for RLIMIT_MEMLOCK (Linux 5.11 and newer)")
    elif limit is None:
        yield unknown("RLIMIT_MEMLOCK cannot be read")
    elif 0 <= limit < _ENOUGH_LOCKED:
        yield missing(f"RLIMIT_MEMLOCK is {limit >> 10:,} KiB", "ulimit -l unlimited")
    else:
        yield supported("RLIMIT_MEMLOCK is large enough")


def _intercepts(asked: Asked) -> bool:
    """Whether this host drops answers itself, as far as anybody said."""
    named = "server" in asked.roles and bool(asked.interfaces)  # by -i: answers are dropped as they leave
    return not asked.roles or "assistant" in asked.roles or bool(asked.local) or named


def _never(asked: Asked) -> bool:
    """There is another way."""
    return False


HOST_POINTS = (
    Point("kernel", "host", kernel),
    Point("ring buffer", "host", ring_buffer, _intercepts),
    Point("XDP", "host", xdp, _intercepts),
    Point("live frames", "host", live_frames, _never),
    Point("clsact", "host", clsact, _intercepts),
    Point("capabilities", "host", capabilities, _intercepts),
    Point("bcc", "host", bcc, _intercepts),
    Point("UAPI headers", "host", headers, _intercepts),
    Point("memory lock", "host", memory_lock, _intercepts),
)
