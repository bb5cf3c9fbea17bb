"""Which capabilities this process has, so that a missing one can be named."""

from __future__ import annotations

from pathlib import Path

from gryphon.bpf.errors import EnvironmentFault

_BITS = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21, "CAP_PERFMON": 38, "CAP_BPF": 39}
_IMPLIED_BY_SYS_ADMIN = ("CAP_PERFMON", "CAP_BPF")


def effective(status: Path = Path("/proc/self/status")) -> int:
    """Reads the set of effective capabilities, one bit each."""
    for line in status.read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0


def missing(held: int) -> list[str]:
    """Names what loading and attaching need and ``held`` lacks (capabilities(7))."""
    names = []
    for name in ("CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"):
        implied = name in _IMPLIED_BY_SYS_ADMIN and held >> _BITS["CAP_SYS_ADMIN"] & 1
        if not implied and not held >> _BITS[name] & 1:
            names.append(name)
    return names


def require() -> None:
    """Raises EnvironmentFault, naming them, when capabilities for BPF are missing."""
    names = missing(effective())
    if names:
        raise EnvironmentFault(
            f"Loading the eBPF program needs {' and '.join(names)}, which this process lacks: run it as root (sudo)."
        )
