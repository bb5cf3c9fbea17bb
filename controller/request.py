"""A REQUEST taken apart: what a sender asks for."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

from gryphon.controller.intent import Intent, parse_intent
from gryphon.controller.protocol import ProtocolError
from gryphon.controller.source import IPNetwork, Service

MOST_SERVICES = 256
MOST_RANGES = 256
_MOST_SAMPLE = 1 << 32


class Request(NamedTuple):
    """What a sender asks for."""

    services: list[Service]
    ranges: list[IPNetwork]
    sample: int
    """Bytes of each answer's payload that its run needs."""
    intent: Intent


def parse_request(message: dict[str, Any]) -> Request:
    """The content of a REQUEST; ProtocolError when it is not one."""
    services, ranges, sample = message.get("services"), message.get("ranges"), message.get("sample", 0)
    if not isinstance(services, list) or not isinstance(ranges, list):
        raise ProtocolError("a request without services or ranges")
    if len(services) > MOST_SERVICES or len(ranges) > MOST_RANGES:
        raise ProtocolError(f"a request of more than {MOST_SERVICES} services or {MOST_RANGES} ranges")
    if type(sample) is not int or not 0 <= sample < _MOST_SAMPLE:
        raise ProtocolError("a request whose sample is not a number of bytes")
    try:
        networks = [ip_network(_text(item)) for item in ranges]
        return Request([_service(item) for item in services], networks, sample, parse_intent(message.get("intent")))
    except (ValueError, TypeError) as error:
        raise ProtocolError(f"a request that makes no sense ({error})") from error


def _service(item: object) -> Service:
    if not isinstance(item, list):
        raise TypeError("a service is [address, port]")
    address, port = item
    if type(port) is not int or not 0 < port < 65536:
        raise ValueError("a port is 1 to 65535")
    return ip_address(_text(address)), port


def _text(item: object) -> str:
    if not isinstance(item, str):
        raise TypeError("an address is text")
    return item
