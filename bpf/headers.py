"""What the compiler includes: our stub tree in place of kernel headers, and the system's UAPI headers behind it."""

from __future__ import annotations

import os
import platform
import sysconfig
from pathlib import Path

from gryphon.bpf.errors import EnvironmentFault

HERE = Path(__file__).resolve().parent
STUB = HERE / "stub"
UAPI = Path("/usr/include")


def compiler_flags() -> list[str]:
    """Gives the flags that lead the compiler to the UAPI headers.

    Raises:
        EnvironmentFault: the headers are not installed.
    """
    directories = [UAPI, *architecture_directories()]
    if not (UAPI / "linux/if_ether.h").exists() or not any((d / "asm/types.h").exists() for d in directories):
        raise EnvironmentFault(
            f"The headers of the kernel's interface are missing from {UAPI}: `sudo apt install linux-libc-dev`."
        )
    flags = [f"-DPAGE_SIZE={os.sysconf('SC_PAGESIZE')}", "-Wno-unused-value"]
    for directory in directories:
        flags += ["-idirafter", str(directory)]
    return flags


def architecture_directories() -> list[Path]:
    """Finds where Debian keeps the asm headers; elsewhere they are in /usr/include itself."""
    names = [f"{platform.machine()}-linux-gnu", sysconfig.get_config_var("MULTIARCH") or ""]
    return [UAPI / name for name in dict.fromkeys(names) if name and (UAPI / name).is_dir()]


def flatten(source: Path) -> str:
    """Pastes our own headers into a program text, once each: bcc rewrites the main text only."""
    pasted: set[Path] = set()

    def paste(path: Path) -> str:
        if path in pasted:
            return ""
        pasted.add(path)
        lines = []
        for line in path.read_text().splitlines(keepends=True):
            lines.append(paste(source.parent / line.split('"')[1]) if line.startswith('#include "') else line)
        return "".join(lines)

    return paste(source)
