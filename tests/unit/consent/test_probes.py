"""A SYN is asked again once a second, any answer of the server's to it counts, and what a server opened is reset."""

from __future__ import annotations

from ipaddress import ip_address

import numpy as np
import pytest
from asking import PAIR, record

from gryphon.controller.record import Kind
from gryphon.sender.check.segments import ACK, RST, SYN
from gryphon.sender.consent.pairs import Pair
from gryphon.sender.consent.probes import AGAIN_NS, PATIENCE_NS, Answer, Probes
from gryphon.sender.replay.packet import Packets

NOW = 5_000_000_000
OTHER = PAIR._replace(number=1, address=ip_address("10.17.15.7"), port=62_001)


def asked(*pairs: Pair) -> Probes:
    made = Probes(pairs or (PAIR,), 1460)
    made.look(NOW)
    return made


def numbers(packets: Packets) -> list[tuple[int, int, int, int]]:
    return [(int(one["port"]), int(one["flags"]), int(one["seq"]), int(one["ack"])) for one in packets]


def test_all_syns_leave_at_once() -> None:
    first, second = Probes([PAIR, OTHER], 1400).look(NOW)
    assert (first["flags"], first["seq"], first["mss"], first["options"]) == (SYN, 0xFFFFFFFF, 1400, 1)
    assert (first["port"], first["target"], first["source_lo"]) == (62_000, 0, 0xFFFF << 32 | int(PAIR.address))
    assert (second["port"], second["target"]) == (62_001, 1)


def test_an_unanswered_one_leaves_again_each_second_and_then_no_more() -> None:
    made = asked(PAIR, OTHER)
    made.take(0, record(OTHER, SYN | ACK))
    for wait in AGAIN_NS:
        assert len(made.look(NOW + wait - 1)) == 0
        assert numbers(made.look(NOW + wait)) == [(62_000, SYN, 0xFFFFFFFF, 0)]
    assert not made.over(NOW + PATIENCE_NS - 1)
    assert made.over(NOW + PATIENCE_NS)
    assert len(made.look(NOW + PATIENCE_NS)) == 0
    assert [probe.pair for probe in made.silent] == [PAIR]
    assert numbers(made.end()) == [(62_000, RST, 0, 0)]


def test_a_syn_ack_is_reset_each_time_it_comes_and_shows_consent() -> None:
    made = asked()
    for _ in range(2):
        assert numbers(made.take(0, record(PAIR, SYN | ACK, time_ns=NOW + 300_000))) == [(62_000, RST, 0, 0)]
    assert made.over(NOW)
    assert (made.all[0].answer, made.all[0].took_ns, made.all[0].sent) == (Answer.SYN_ACK, 300_000, 1)
    assert len(made.look(NOW + AGAIN_NS[0])) == len(made.end()) == 0


def test_a_reset_and_an_icmp_error_show_it_too_and_are_not_answered() -> None:
    made = asked(PAIR, OTHER)
    error = record(OTHER, 0, kind=Kind.ICMP, icmp_type=3, icmp_code=13, seq=OTHER.isn, ack=0)
    assert len(made.take(0, record(PAIR, RST | ACK))) == len(made.take(0, error)) == 0
    assert [probe.answer for probe in made.all] == [Answer.RESET, Answer.ICMP]
    assert made.all[1].said == "prohibited by a filter"
    assert made.over(NOW)


@pytest.mark.parametrize(
    "fields",
    [
        {"address_lo": 0xFFFF << 32 | int(OTHER.address)},
        {"port": 40_000},
        {"service": 1},
        {"ack": 5},
        {"flags": ACK},
        {"kind": Kind.FRAGMENT},
        {"kind": Kind.ICMP, "icmp_type": 11, "seq": PAIR.isn},
        {"kind": Kind.ICMP, "icmp_type": 3, "icmp_code": 1, "seq": 9},
    ],
    ids=[
        "another address",
        "a user's port",
        "another server",
        "another connection",
        "an ACK alone",
        "a fragment",
        "time exceeded",
        "an error about another SYN",
    ],
)
def test_what_is_no_answer_to_the_syn_shows_nothing(fields: dict[str, int]) -> None:
    made = asked()
    assert len(made.take(0, record(PAIR, **{"flags": SYN | ACK, **fields}))) == 0
    assert made.all[0].answer is None


def test_an_answer_under_another_shares_grant_shows_nothing() -> None:
    made = asked()
    assert len(made.take(1, record(PAIR, SYN | ACK))) == 0
    assert made.silent


def test_answers_of_many_come_in_one_batch() -> None:
    pairs = [PAIR._replace(port=62_000 + number) for number in range(64)]
    made = asked(*pairs)
    batch = np.concatenate([record(pair, SYN | ACK) for pair in pairs])
    assert [port for port, *_ in numbers(made.take(0, batch))] == [pair.port for pair in pairs]
    assert not made.silent
