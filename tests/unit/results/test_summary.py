"""The summary fits 80 columns, says what the result says, and ends with the verdict."""

from __future__ import annotations

from typing import Any

import pytest
from facts import counters, facts

from gryphon.sender.replay.measures import Histogram, bucket_of, new_counters, new_histograms
from gryphon.sender.results.lateness import WhileLate
from gryphon.sender.results.result import build_result
from gryphon.sender.results.summary import summarize
from gryphon.sender.results.thresholds import parse_all
from gryphon.sender.results.verdict import Ending


def text(thresholds: str = "failed>1%", **changes: Any) -> str:
    return summarize(build_result(facts(**changes), parse_all([thresholds])).document)


def words(line: str) -> str:
    return " ".join(line.split())


def test_a_good_run_reads_like_this() -> None:
    assert [words(line) for line in text().splitlines()] == [
        "gryphon 0.1.0, 10.2 s, from 2026-03-01T12:00:05.250Z",
        "5 sessions recorded, 4 replayable, rejected: 1 no_syn",
        "sent by raw sockets",
        "",
        "users requested 1,000 started 1,000 connected 1,000",
        "completed 1,000 failed 0 at once 840",
        "packets sent 12,034 resent 12 responses 11,020",
        "messages sent 3,000 answered 3,000 pushed 0",
        "matched 3,000 differing 0 missing 0",
        "bytes sent 1.23 MB received 56.1 MB",
        "",
        "latency, ms p50 p90 p99 max count",
        "connect since due 11.5 11.9 12.0 12.0 1,000",
        "since sent 1.50 1.90 1.99 2.00 1,000",
        "first byte since due 12.5 12.9 13.0 13.0 1,000",
        "since sent 2.50 2.90 2.99 3.00 1,000",
        "response since due 13.5 13.9 14.0 14.0 1,000",
        "since sent 3.50 3.90 3.99 4.00 1,000",
        "lateness of sending 0.050 0.099 0.100",
        "",
        "fail if failed>1% 0 % ok",
        "",
        "PASSED",
    ]


def test_devices_of_frames_are_named() -> None:
    assert "\nsent by link over eth0 and eth1\n" in text(transmit={"way": "link", "devices": ["eth0", "eth1"]})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"counters": counters(**dict.fromkeys(("started", "packets_sent", "bytes_sent", "completed"), 9999999))},
        {"counters": counters(**dict.fromkeys(("connected", "packets_sent", "bytes_sent", "responses"), 10**12))},
        {"ring_lost": 10**9, "http_status": dict.fromkeys((200, 301, 404, 500, 503), 10**7)},
        {"counters": new_counters(), "histograms": new_histograms()},
    ],
)
def test_no_line_is_wider_than_80_columns(changes: dict[str, Any]) -> None:
    lines = text("failed>1%,latency_ms.connect.service.p99>200ms", **changes).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines == [line.rstrip() for line in lines]


def test_between_a_name_and_its_value_there_is_always_a_gap() -> None:
    shown = text(counters=counters(peak_active=9_999_999, extracted=123_456, unextracted=123_456), ring_lost=9_999_999)
    for value in ("at once 9,999,999", "lost in ring 9,999,999", "left as they were 123,456"):
        assert value in words(shown), value


def test_columns_of_numbers_line_up() -> None:
    table = [line for line in text().splitlines() if "since" in line or line.startswith("latency")]
    assert len({len(line) for line in table}) == 1


def test_failures_are_named_by_reason() -> None:
    assert "failed by reset 2, timeout 1,234" in text(counters=counters(failed_timeout=1234, failed_reset=2))


def test_loops_show_the_sessions_beside_the_users() -> None:
    looped = text(counters=counters(sessions_started=5000, sessions_completed=4990, sessions_reset=7, sessions_cut=3))
    shown = [words(line) for line in looped.splitlines()]
    assert "sessions started 5,000 connected 1,000 completed 4,990" in shown
    assert "failed 7 cut by the end 3" in shown


def test_the_first_example_of_each_kind_of_trouble_is_shown() -> None:
    row = {"address": "10.17.15.3", "port": 32768, "user": 2, "loop": 0, "session": 5, "message": 2, "time_s": 1.5}
    six = {**row, "address": "fd00::3", "message": 0}
    examples = [
        {**row, "kind": "reset"},
        {**row, "kind": "reset", "port": 32769},
        {**six, "kind": "timeout"},
        {**row, "kind": "other_size", "recorded_bytes": 1000, "bytes": 20},
        {**row, "kind": "other_content", "begins": "HTTP/1.1 500"},
    ]
    shown = [words(line) for line in text(examples=examples).splitlines()]
    assert "examples reset: 10.17.15.3:32768 at 1.500 s, session 5, message 2" in shown
    assert "timeout: [fd00::3]:32768 at 1.500 s, session 5, before its first message" in shown
    assert "other size: 10.17.15.3:32768 at 1.500 s, session 5, message 2, 20 bytes instead of 1,000" in shown
    assert "other content: 10.17.15.3:32768 at 1.500 s, session 5, message 2, begins HTTP/1.1 500" in shown
    assert not any(":32769" in line for line in shown)


def test_the_parts_of_the_messages_add_up_to_those_that_were_sent() -> None:
    sent = counters(messages_sent=3500, awaited=3010, messages_answered=3000, mismatched=4)
    shown = [words(line) for line in text(counters=sent).splitlines()]
    at = shown.index("messages sent 3,500 answered 3,000 pushed 0")
    assert shown[at + 1 : at + 3] == ["matched 2,996 differing 4 missing 10", "not awaited 490"]
    assert "not awaited" not in text()


def test_records_lost_are_shown_when_there_are_any() -> None:
    assert "lost in ring" not in text()
    assert "lost in ring 17" in words(text(ring_lost=17))


def test_a_remote_clock_states_its_uncertainty() -> None:
    assert "to within 0.035 ms" in text(clock_uncertainty_us=35.0)
    assert "clock" not in text(clock_uncertainty_us=0.0)


@pytest.mark.parametrize(("late_us", "says"), [(2000, False), (4000, True)])
def test_a_generator_that_is_late_says_why_whole_and_within_the_width(late_us: int, says: bool) -> None:
    histograms = new_histograms()
    histograms[Histogram.LATENESS, bucket_of(late_us)] = 100
    time = WhileLate(elapsed_s=10.0, available_s=10.0, busy_s=3.0, waited_s=4.0)
    shown = text(histograms=histograms, while_late=time)
    assert ("gryphon was late, p99 4.00 ms: other processes ran instead for 40 %" in words(shown)) is says
    assert max(map(len, shown.splitlines())) <= 80


def test_a_broken_condition_shows_its_value_and_is_the_reason() -> None:
    lines = text("failed>1%", counters=counters(failed_timeout=25)).splitlines()
    assert words(lines[-3]) == "fail if failed>1% 2.5 % BROKEN"
    assert lines[-1] == "FAILED: failed>1% (2.5 %)"


def test_values_of_conditions_carry_their_unit() -> None:
    shown = [words(line) for line in text("p99>5ms,lateness.p99>1ms,packets.sent>5").splitlines()[-5:]]
    assert shown[:3] == [
        "fail if p99>5ms 13.991 ms BROKEN",
        "lateness.p99>1ms 99 us ok",
        "packets.sent>5 12,034 BROKEN",
    ]
    assert shown[-1] == "FAILED: p99>5ms (13.991 ms); packets.sent>5 (12,034)"


def test_what_was_not_measured_is_a_dash() -> None:
    lines = text("p99>1s", histograms=new_histograms()).splitlines()
    assert words(next(line for line in lines if line.startswith("connect"))) == "connect since due - - - - 0"
    assert words(lines[-3]) == "fail if p99>1s not measured BROKEN"


@pytest.mark.parametrize(
    ("ending", "last"),
    [
        (Ending.INTERRUPTED, "INTERRUPTED after 10.2 s"),
        (Ending.ENDED_EARLY, "ENDED EARLY after 10.2 s"),
        (Ending.GRANT_LOST, "GRANT LOST after 10.2 s: the intercept is gone or withdrew it"),
    ],
)
def test_the_last_line_says_how_it_ended(ending: Ending, last: str) -> None:
    assert text(ending=ending).splitlines()[-1] == last


def test_a_run_that_nobody_completed_has_failed() -> None:
    assert (
        text("none", counters=counters(completed=0, sessions_completed=0)).splitlines()[-1]
        == "FAILED: nobody completed"
    )


def test_notes_stand_before_the_verdict() -> None:
    lines = summarize(build_result(facts()).document, ["EMSGSIZE refused 3 packets"]).splitlines()
    assert "note        EMSGSIZE refused 3 packets" in lines
    assert lines[-1] == "PASSED"
