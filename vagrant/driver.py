"""Whether the processor virtualises: a stock kernel is booted for some seconds, since /dev/kvm may exist in vain."""

from __future__ import annotations

import subprocess
from pathlib import Path

_SECONDS = 8.0
_GREETING = b"Run /init as init process"


def kvm_boots(boot: Path) -> bool:
    """Whether the kernel in this folder reaches its first process under KVM; where it does, that takes a second."""
    (kernel,), (initrd,) = boot.glob("vmlinuz-*"), boot.glob("initrd.img-*")
    line: list[str | Path] = [
        "qemu-system-x86_64",
        "-accel",
        "kvm",
        "-cpu",
        "host",
        "-m",
        "512",
        "-kernel",
        kernel,
        "-initrd",
        initrd,
    ]
    line += ["-append", "console=ttyS0 loglevel=7 panic=-1 root=none", "-no-reboot", "-nic", "none"]
    line += ["-display", "none", "-monitor", "none", "-serial", "stdio"]
    try:
        done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired as late:
        return _GREETING in (late.stdout or b"")
    return _GREETING in done.stdout


def choose(boot: Path, asked: str | None) -> str:
    """``kvm`` or ``qemu``, libvirt's names: what was asked for, or what works."""
    return asked or ("kvm" if kvm_boots(boot) else "qemu")
