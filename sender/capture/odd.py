"""Link types that few captures have, such as Wi-Fi: scapy finds the IP packet, a hundred times slower.

It is imported only for a file that needs it.
"""

from __future__ import annotations

import functools
import importlib
import logging
from typing import Any

_LAYERS = ("l2", "inet", "inet6", "dot11", "ppi", "ppp", "dot15d4", "sixlowpan")


@functools.cache
def _scapy() -> tuple[dict[int, Any], Any, Any]:
    """Link type to scapy's layer, and the layers of IPv4 and IPv6."""
    logging.getLogger("scapy").setLevel(logging.ERROR)  # it warns of routes and interfaces that nobody asked for
    for name in _LAYERS:
        importlib.import_module(f"scapy.layers.{name}")
    from scapy.config import conf
    from scapy.layers.inet import IP
    from scapy.layers.inet6 import IPv6

    return dict(conf.l2types.num2layer), IP, IPv6


def readable(link: int) -> bool:
    """Whether frames of LINKTYPE_ ``link`` may have an IP packet that scapy finds."""
    return link in _scapy()[0]


def name(link: int) -> str:
    """What scapy calls it."""
    layer = _scapy()[0].get(link)
    return "" if layer is None else str(layer.__name__)


def ip_packet(link: int, frame: bytes) -> bytes | None:
    """The outermost IP packet of a frame, as it was captured; None when there is none. ValueError for nonsense."""
    layers, ipv4, ipv6 = _scapy()
    try:
        packet = layers[link](frame)
        for kind in (ipv4, ipv6):
            inner = packet.getlayer(kind)
            if inner is not None:
                return bytes(inner.original)
    except Exception as error:  # a dissector of somebody else's, fed with anything
        raise ValueError(f"{type(error).__name__}: {error}") from error
    return None
