"""What the lab needs of the machine, with one sentence for the first thing that is missing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from gryphon.controller.errors import EnvironmentFault

PACKAGES = {
    "curl": "curl",
    "ip": "iproute2",
    "nginx": "nginx-light",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "sysctl": "procps",
    "tcpdump": "tcpdump",
}
"""Each tool that the lab runs and the Debian package that brings it."""

OF_TESTS = {
    "chromium": "chromium",
    "memcached": "memcached",
    "mosquitto": "mosquitto",
    "mosquitto_pub": "mosquitto-clients",
    "mosquitto_sub": "mosquitto-clients",
    "nft": "nftables",
    "openssl": "openssl",
    "prometheus": "prometheus",
    "redis-cli": "redis-tools",
    "redis-server": "redis-server",
    "smtpd": "opensmtpd",
    "unshare": "util-linux",
}
"""The same for what only tests run in it."""

_SEARCH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/bin", "/bin"])


def tool(name: str) -> str:
    """The path of a tool.

    Raises:
        EnvironmentFault: it is not installed; the sentence names the package.
    """
    found = shutil.which(name, path=_SEARCH)
    if found is None:
        package = (PACKAGES | OF_TESTS).get(name, name)
        raise EnvironmentFault(f"`{name}` is not installed: run `make setup` or `apt-get install {package}`.")
    return found


def check(tools: Iterable[str] = PACKAGES) -> None:
    """Checks for root, the tools and IPv6.

    What only an attempt can show (namespaces, veth) is said by the attempt itself, see `gryphon.lab.hosts`.

    Raises:
        EnvironmentFault: for the first thing that is missing.
    """
    if os.geteuid() != 0:
        raise EnvironmentFault("The lab makes network namespaces, which only root may do: run it with sudo.")
    for name in tools:
        tool(name)
    if not Path("/proc/sys/net/ipv6/conf/all").exists():
        raise EnvironmentFault(
            "The kernel has no IPv6 (/proc/sys/net/ipv6 is missing) and the lab's hosts have IPv6 addresses: "
            "boot without `ipv6.disable=1`."
        )
