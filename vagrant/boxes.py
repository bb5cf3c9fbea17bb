"""Which boxes there are, and where what belongs to them lies: below build/vagrant."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent
BUILD = CHECKOUT / "build" / "vagrant"

_EVERYWHERE = [
    "linux-image-cloud-amd64",
    "systemd-sysv",
    "dbus",
    "udev",
    "openssh-server",
    "sudo",
    "kmod",
    "procps",
    "initramfs-tools",
    "lz4",
    "ifupdown",
    "isc-dhcp-client",
    "rsync",
]
_FOR_GRYPHON = ["python3", "python3-venv", "python3-bpfcc", "linux-libc-dev", "iproute2", "tcpdump"]
_FOR_TESTS = [
    "nginx-light",
    "redis-server",
    "redis-tools",
    "mosquitto",
    "mosquitto-clients",
    "curl",
    "iputils-ping",
    "ethtool",
    "bpftool",
]
PACKAGES = (*_EVERYWHERE, *_FOR_GRYPHON, *_FOR_TESTS)
"""No linux-headers: the BPF programs bring what they need of them."""


class Box(NamedTuple):
    """A distribution with its own kernel."""

    name: str
    suite: str
    python: str
    kernel: str
    """How the version of its stock kernel begins."""

    @property
    def root(self) -> Path:
        """The tree that the image was made of; the packet engine is compiled in it, outside of the emulation."""
        return BUILD / self.name / "root"

    @property
    def file(self) -> Path:
        """The box."""
        return BUILD / f"{self.name}.box"


BOXES = {
    box.name: box for box in (Box("debian12", "bookworm", "3.11", "6.1."), Box("debian13", "trixie", "3.13", "6.12."))
}
