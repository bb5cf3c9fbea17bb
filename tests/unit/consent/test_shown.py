"""What the SYNs have shown, in the log, the summary and the result file."""

from __future__ import annotations

from asking import PAIR

from gryphon.sender.consent.probes import Answer, Probe
from gryphon.sender.consent.shown import Shown, how_many


def shown(*answers: Answer, pairs: int = 0) -> Shown:
    probes = []
    for number, answer in enumerate(answers):
        probes.append(Probe(PAIR._replace(number=number, service=(PAIR.service[0], 80 + number))))
        probes[-1].answer, probes[-1].took_ns, probes[-1].sent = answer, 1_500_000 * (number + 1), 1
    return Shown(probes, pairs or len(probes), ["xdp on eth0 (native)", "tc on eth1 (tc egress)"])


def test_one_line_for_the_log() -> None:
    line = shown(Answer.SYN_ACK, Answer.SYN_ACK, Answer.RESET).line()
    assert line == (
        "canary: 3 SYNs answered (2 syn-ack, 1 reset), the last after 4.5 ms, "
        "seen by xdp on eth0 (native); tc on eth1 (tc egress)"
    )


def test_where_all_is_well_there_is_no_note() -> None:
    assert list(shown(Answer.SYN_ACK).notes()) == []


def test_a_refusal_an_error_and_a_bound_are_noted() -> None:
    made = shown(Answer.RESET, Answer.ICMP, pairs=900)
    made.probes[1].said = "prohibited by a filter"
    assert list(made.notes()) == [
        "the canary tried 2 of 900 pairs of server and range",
        "the canary from 10.17.15.9 to 10.16.15.118:80 was refused: nothing listens there, or a firewall resets",
        "the canary from 10.17.15.9 to 10.16.15.118:81 was answered by an ICMP error: prohibited by a filter",
    ]


def test_the_result_has_a_row_for_each() -> None:
    document = shown(Answer.SYN_ACK).document()
    assert document["pairs"] == document["tried"] == 1
    assert document["answers"] == [
        {
            "server": "10.16.15.118:80",
            "range": "10.17.15.0/24",
            "address": "10.17.15.9",
            "port": 62_000,
            "answer": "syn-ack",
            "syns": 1,
            "ms": 1.5,
        }
    ]


def test_how_many_is_said_with_all_there_are() -> None:
    assert [how_many(1, 1), how_many(64, 1000)] == ["1 SYN", "64 SYNs (of 1,000 pairs)"]
