"""The sending host as a result carries it: what a reader needs to judge the figures, and no name."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any


def describe_host(cpuinfo: Path = Path("/proc/cpuinfo"), meminfo: Path = Path("/proc/meminfo")) -> dict[str, Any]:
    """Kernel, processor, cores that this process may use, memory in bytes, Python; null where the host does not say."""
    memory = _field(meminfo, "MemTotal")
    return {
        "kernel": f"{platform.system()} {platform.release()}",
        "cpu": _field(cpuinfo, "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": int(memory.split()[0]) * 1024 if memory else None,
        "python": platform.python_version(),
    }


def _field(path: Path, name: str) -> str | None:
    """The first ``name: value`` of a file in /proc."""
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    for line in lines:
        key, colon, value = line.partition(":")
        if colon and key.strip() == name:
            return value.strip() or None
    return None
