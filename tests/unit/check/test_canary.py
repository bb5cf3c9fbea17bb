"""The canary goes through a handshake, or says where it ended; every packet is the one a client would send."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import numpy as np
import pytest

from gryphon.controller.record import RECORD, Kind, Records
from gryphon.sender.check.canary import AGAIN_NS, PATIENCE_NS, QUIET_NS, Canary, Outcome
from gryphon.sender.check.segments import ACK, FIN, RST, SYN
from gryphon.sender.replay.packet import Packets

ADDRESS = ip_address("10.17.15.7")
MAPPED = 0xFFFF << 32 | int(ADDRESS)
PORT, ISN, THEIRS = 40_000, 0xFFFFFFFF, 7_000


def canary() -> Canary:
    made = Canary(ADDRESS, PORT, 0, ISN)
    made.start(0)
    return made


def record(flags: int, **fields: Any) -> Records:
    made = np.zeros(1, RECORD)
    made["address_lo"], made["port"], made["flags"], made["version"] = MAPPED, PORT, flags, 4
    made["seq"], made["ack"] = THEIRS, ISN + 1 & 0xFFFFFFFF
    for name, value in fields.items():
        made[name] = value
    return made


def numbers(packets: Packets) -> list[tuple[int, int, int]]:
    return [(int(one["flags"]), int(one["seq"]), int(one["ack"])) for one in packets]


def connecting() -> Canary:
    made = canary()
    assert numbers(made.take(record(SYN | ACK, time_ns=400_000), 500_000)) == [(ACK, 0, THEIRS + 1)]
    return made


def test_the_first_packet_is_a_syn_of_the_forged_address() -> None:
    (packet,) = Canary(ADDRESS, PORT, 3, ISN).start(0)
    assert (packet["flags"], packet["seq"], packet["mss"], packet["options"]) == (SYN, ISN, 1460, 1)
    assert (packet["source_hi"], packet["source_lo"], packet["port"], packet["target"]) == (0, MAPPED, PORT, 3)


def test_over_ipv6_both_halves_of_the_address_count() -> None:
    address = ip_address("fd00:17::9")
    made = Canary(address, PORT, 0, ISN)
    (packet,) = made.start(0)
    assert int(packet["source_hi"]) << 64 | int(packet["source_lo"]) == int(address)
    assert packet["mss"] == 1440
    answer = record(SYN | ACK, address_hi=int(address) >> 64, address_lo=9, version=6)
    assert len(made.take(answer, 1)) == 1


def test_silence_after_the_ack_means_that_the_server_has_it_and_is_reset() -> None:
    made = connecting()
    assert len(made.look(500_000 + QUIET_NS - 1)) == 0
    assert numbers(made.look(500_000 + QUIET_NS)) == [(RST, 0, 0)]
    assert made.outcome is Outcome.CONNECTED
    assert "SYN-ACK seen by the intercept after 0.4 ms" in made.steps


@pytest.mark.parametrize("fields", [{"length": 20}, {"flags": FIN | ACK}])
def test_a_server_that_speaks_first_or_closes_has_the_ack(fields: dict[str, int]) -> None:
    made = connecting()
    assert numbers(made.take(record(**{"flags": ACK, **fields}), 600_000)) == [(RST, 0, 0)]
    assert made.outcome is Outcome.CONNECTED


def test_a_syn_ack_that_comes_again_after_a_second_means_that_the_server_lacks_the_ack() -> None:
    made = connecting()
    assert numbers(made.take(record(SYN | ACK), 1_000_000_000)) == [(RST, 0, 0)]
    assert made.outcome is Outcome.REPEATED


def test_a_syn_ack_again_at_once_answers_the_second_syn() -> None:
    made = connecting()
    made.take(record(SYN | ACK), 600_000)
    assert made.outcome is None


def test_a_reset_refuses_the_connection_and_later_ends_it() -> None:
    refused, ended = canary(), connecting()
    assert len(refused.take(record(RST | ACK), 1)) == len(ended.take(record(RST), 1_000_000)) == 0
    assert (refused.outcome, ended.outcome) == (Outcome.REFUSED, Outcome.RESET)


@pytest.mark.parametrize(
    ("version", "kind", "code", "said"),
    [
        (4, 3, 13, "prohibited by a filter"),
        (4, 3, 1, "host unreachable"),
        (4, 3, 99, "unreachable, code 99"),
        (6, 1, 4, "port unreachable"),
    ],
)
def test_an_icmp_error_is_said(version: int, kind: int, code: int, said: str) -> None:
    made = canary()
    made.take(record(0, kind=Kind.ICMP, icmp_type=kind, icmp_code=code, version=version), 1)
    assert made.outcome is Outcome.UNREACHABLE
    assert made.steps[-1] == f"the answer was an ICMP error: {said}"


@pytest.mark.parametrize(
    "fields",
    [
        {"address_lo": MAPPED + 1},
        {"port": PORT + 1},
        {"ack": 5},
        {"kind": Kind.FRAGMENT},
        {"kind": Kind.ICMP, "icmp_type": 11},
        {"flags": ACK},
    ],
    ids=["another address", "another port", "another connection", "a fragment", "time exceeded", "no SYN-ACK"],
)
def test_what_is_not_about_it_changes_nothing(fields: dict[str, int]) -> None:
    made = canary()
    assert len(made.take(record(**{"flags": SYN | ACK, **fields}), 1)) == 0
    assert made.outcome is None


def test_an_unanswered_syn_leaves_once_more_and_then_ends_with_a_reset() -> None:
    made = canary()
    assert len(made.look(AGAIN_NS - 1)) == 0
    assert numbers(made.look(AGAIN_NS)) == [(SYN, ISN, 0)]
    assert len(made.look(AGAIN_NS + 1)) == 0
    assert numbers(made.look(PATIENCE_NS)) == [(RST, 0, 0)]
    assert made.outcome is Outcome.SILENT
    assert len(made.look(PATIENCE_NS + 1)) == len(made.take(record(SYN | ACK), PATIENCE_NS + 2)) == 0
