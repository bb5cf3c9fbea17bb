"""How inspect writes addresses, lengths of time and points in time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from ipaddress import IPv6Address


def address(hi: int, lo: int) -> str:
    """An address out of its two halves, IPv4 where it is mapped."""
    whole = IPv6Address(int(hi) << 64 | int(lo))
    return str(whole.ipv4_mapped or whole)


def endpoint(host: str, port: int) -> str:
    """``10.0.0.1:80``, ``[fd00::1]:80``."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def span(nanoseconds: float) -> str:
    """A length of time to three digits: ``350 us``, ``12.5 ms``, ``30 s``, ``12.3 min``, ``5.5 h``."""
    if nanoseconds == 0:
        return "0 s"
    units = ((1e3, "ns"), (1e6, "us"), (1e9, "ms"), (600e9, "s"), (7200e9, "min"), (172_800e9, "h"))
    ns_in = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9, "min": 60e9, "h": 3600e9, "days": 86_400e9}
    unit = next((name for below, name in units if abs(nanoseconds) < below * 0.9995), "days")
    value = nanoseconds / ns_in[unit]
    return f"{value:,.0f} {unit}" if abs(value) >= 99.95 else f"{value:.3g} {unit}"


def instant(since_epoch_ns: int) -> str:
    """A point in time, UTC, as ISO 8601 writes it, with microseconds."""
    seconds, rest = divmod(int(since_epoch_ns), 1_000_000_000)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{rest // 1000:06}Z"


def folded(label: str, words: Iterable[str], columns: int = 80, indent: int = 12) -> Iterator[str]:
    """Words behind a label, broken where the line ends."""
    line = label.ljust(indent)
    for word in words:
        if len(line) + 1 + len(word) > columns and len(line) > indent:
            yield line
            line = " " * indent
        line += word if len(line) == indent else f" {word}"
    yield line


def counted(count: int, what: str) -> str:
    """``1 session``, ``1,200 sessions``."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
