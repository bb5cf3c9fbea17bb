"""A pair, and records as the kernel would write them about its SYN."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import numpy as np

from gryphon.controller.record import RECORD, Records
from gryphon.sender.consent.pairs import Pair

PAIR = Pair(
    0, (ip_address("10.16.15.118"), 80), 0, ip_network("10.17.15.0/24"), ip_address("10.17.15.9"), 62_000, 0xFFFFFFFF
)
"""Its sequence numbers wrap."""


def record(pair: Pair, flags: int, **fields: Any) -> Records:
    """The answer to a pair's SYN with these flags."""
    made = np.zeros(1, RECORD)
    number = int(pair.address) + (0xFFFF << 32 if pair.address.version == 4 else 0)
    made["address_hi"], made["address_lo"] = number >> 64, number & (1 << 64) - 1
    made["port"], made["service"], made["flags"] = pair.port, pair.number, flags
    made["version"], made["ack"], made["seq"] = pair.address.version, pair.isn + 1 & 0xFFFFFFFF, 7_000
    for name, value in fields.items():
        made[name] = value
    return made
