"""Conditions of --fail-if: what is read, what is refused, and when one is broken."""

from __future__ import annotations

from typing import Any

import pytest
from facts import counters, facts

from gryphon.controller.errors import InputFault
from gryphon.sender.replay.measures import new_counters, new_histograms
from gryphon.sender.results.result import build_result
from gryphon.sender.results.thresholds import Threshold, evaluate, parse, parse_all


def judge(text: str, **changes: Any) -> dict[str, Any]:
    """The row of one condition for a run."""
    return evaluate([parse(text)], build_result(facts(**changes)).document)[0]


@pytest.mark.parametrize(
    ("text", "path", "limit"),
    [
        ("failed>1%", "failed", 0.01),
        ("failed>0.01", "failed", 0.01),
        ("mismatched >= 5 %", "mismatched", 0.05),
        ("p99>200ms", "latency_ms.response.intended.p99", 200.0),
        ("p99>200", "latency_ms.response.intended.p99", 200.0),
        ("p999>0.2s", "latency_ms.response.intended.p999", 200.0),
        ("p50<500us", "latency_ms.response.intended.p50", 0.5),
        ("latency_ms.connect.service.max>1s", "latency_ms.connect.service.max", 1000.0),
        ("latency_ms.first_byte.service.p90>1s", "latency_ms.first_byte.service.p90", 1000.0),
        ("latency_ms.connect.service.count<10", "latency_ms.connect.service.count", 10.0),
        ("lateness.p99>1ms", "pacing.late_p99_us", 1000.0),
        ("lateness.p99>1000", "pacing.late_p99_us", 1000.0),
        ("duration_s>500ms", "duration_s", 0.5),
        ("packets.ring_lost>0", "packets.ring_lost", 0.0),
        ("users.failed.timeout>3", "users.failed.timeout", 3.0),
        ("http_status.500>0", "http_status.500", 0.0),
        ("clock.uncertainty_us>.5ms", "clock.uncertainty_us", 500.0),
    ],
)
def test_a_condition_is_read_in_the_unit_of_its_path(text: str, path: str, limit: float) -> None:
    threshold = parse(text)
    assert (threshold.path, threshold.limit) == (path, pytest.approx(limit))
    assert threshold.text == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not a condition"),
        ("p99", "not a condition"),
        ("p99=5", "not a condition"),
        ("p99>fast", "not a condition"),
        ("p99>1>2", "not a condition"),
        ("p99>5%", "unit '%' does not fit latency_ms.response.intended.p99: give us, ms, s or none"),
        ("failed>5ms", "unit 'ms' does not fit failed: give % or none$"),
        ("p99>5min", "unit 'min' does not fit .*: give us, ms, s or none$"),
        ("packets.sent>5ms", "unit 'ms' does not fit packets.sent: leave the unit out$"),
        ("messages.missing>0%", "does not fit messages.missing: leave the unit out .shares are failed, .* mismatched"),
        ("latency_ms.connect.service.count>5ms", "unit 'ms' does not fit .*: leave the unit out$"),
        ("p98>5ms", "no number 'p98'"),
        ("users.failed>5", "no number"),
        ("users.failed.tiemout>5", "no number"),
        ("latency_ms.response.p99>5", "no number"),
        ("latency_ms.response.intended.hdr>5", "no number"),
        ("verdict>5", "no number"),
        ("config.users>5", "no number"),
        ("series.p99_ms>5", "no number"),
        ("packets.sent.more>5", "no number"),
    ],
)
def test_what_is_no_condition_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(InputFault, match=why) as raised:
        parse(text)
    assert "--fail-if" in str(raised.value)


def test_without_a_condition_one_percent_may_fail() -> None:
    assert parse_all([]) == [Threshold("failed>1%", "failed", ">", 0.01)]


def test_conditions_come_by_commas_and_by_repetition() -> None:
    assert [one.text for one in parse_all(["p99>1s, failed>2%", "p50>1ms"])] == ["p99>1s", "failed>2%", "p50>1ms"]


def test_none_switches_them_off_and_stands_alone() -> None:
    assert parse_all(["none"]) == []
    with pytest.raises(InputFault, match="alone"):
        parse_all(["none", "p99>1s"])


@pytest.mark.parametrize(
    ("operator", "below", "equal", "above"),
    [(">", False, False, True), (">=", False, True, True), ("<", True, False, False), ("<=", True, True, False)],
)
def test_an_operator_compares_as_it_reads(operator: str, below: bool, equal: bool, above: bool) -> None:
    broken = [judge(f"packets.sent{operator}5", counters=counters(packets_sent=sent))["broken"] for sent in (4, 5, 6)]
    assert broken == [below, equal, above]


def test_failed_is_a_share_of_the_started_users_whatever_the_others_did_meanwhile() -> None:
    """Users that fail come back once a second, the others at once: of the sessions hardly any has failed."""
    made = counters(started=400, failed_refused=3, failed_reset=5, sessions_started=100_000)
    assert judge("failed>1%", counters=made) == {"text": "failed>1%", "value": 0.02, "broken": True}
    assert judge("failed_sessions>1%", counters=made)["value"] == 8e-5


def test_mismatched_is_a_share_of_the_answered_messages() -> None:
    made = counters(mismatched=30)
    assert judge("mismatched>1%", counters=made) == {"text": "mismatched>1%", "value": 0.01, "broken": False}


def test_a_percentile_is_that_of_the_response_from_the_intended_time() -> None:
    document = build_result(facts()).document
    assert judge("p99>1ms")["value"] == document["latency_ms"]["response"]["intended"]["p99"]


def test_a_status_that_never_occurred_is_zero() -> None:
    assert judge("http_status.500>0", http_status={200: 5}) == {
        "text": "http_status.500>0",
        "value": 0,
        "broken": False,
    }


def test_what_was_never_measured_is_broken_whatever_the_operator() -> None:
    for text in ("p99>1s", "p99<1s", "channel.delay_p99_us>1s"):
        assert judge(text, histograms=new_histograms()) == {"text": text, "value": None, "broken": True}


def test_shares_of_nothing_are_zero() -> None:
    for text in ("failed>0", "mismatched>0"):
        assert judge(text, counters=new_counters()) == {"text": text, "value": 0.0, "broken": False}
