"""Facts that the kernel has as files: sysctls, limits, capabilities, the maker of the machine."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterable
from pathlib import Path

from gryphon.sender.check.conntrack import COUNT, MOST

SYSCTLS = (
    COUNT,
    MOST,
    "fs.file-max",
    "net.core.somaxconn",
    "net.ipv4.ip_forward",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_tw_reuse",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv6.conf.all.forwarding",
)
_ROOT = Path("/proc/sys")
_VENDOR = Path("/sys/class/dmi/id/sys_vendor")
_STATUS = Path("/proc/self/status")
_CAP_NET_RAW = 13  # include/uapi/linux/capability.h


def sysctls(names: Iterable[str], root: Path = _ROOT) -> dict[str, int]:
    """The settings that exist and are numbers."""
    found = {}
    for name in names:
        try:
            found[name] = int((root / name.replace(".", "/")).read_text())
        except (OSError, ValueError):  # no such module, no such setting, not ours to read
            continue
    return found


def rp_filters(names: Iterable[str], root: Path = _ROOT) -> dict[str, int]:
    """Each interface's own; its name may have a dot (a VLAN), which stands for itself in the path."""
    found = {}
    for name in names:
        try:
            found[f"net.ipv4.conf.{name}.rp_filter"] = int((root / "net/ipv4/conf" / name / "rp_filter").read_text())
        except (OSError, ValueError):
            continue
    return found


def vendor(path: Path = _VENDOR) -> str | None:
    """What the firmware says of the machine's maker."""
    try:
        return path.read_text().strip() or None
    except OSError:
        return None


def may_send_raw(status: Path = _STATUS) -> bool:
    """Whether this process has CAP_NET_RAW."""
    for line in status.read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> _CAP_NET_RAW & 1)
    return False


def memory_lock() -> int:
    """RLIMIT_MEMLOCK in bytes, -1 without limit."""
    return resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]


def release() -> str:
    """The kernel's."""
    return os.uname().release
