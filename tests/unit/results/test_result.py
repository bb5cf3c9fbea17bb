"""The result file has every key of its schema, with what the engine counted, and nothing that was not measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from facts import counters, counts_of, facts, histograms

from gryphon.controller.errors import InputFault
from gryphon.sender.replay.measures import FAILURES, new_counters, new_histograms
from gryphon.sender.results.histogram import merge, percentile
from gryphon.sender.results.interval import Meter
from gryphon.sender.results.result import build_result, without_token
from gryphon.sender.results.series import Series
from gryphon.sender.results.thresholds import load_schema, parse_all
from gryphon.sender.results.verdict import Ending


def check(document: Any) -> None:
    jsonschema.Draft202012Validator(load_schema()).validate(document)


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(load_schema())


def test_a_whole_run_fits_the_schema() -> None:
    made = facts()
    series = Series()
    series.add(Meter().look(1.0, made.counters, made.histograms))
    changes = {"http_status": {404: 2, 200: 998}, "intercept_cpu_s": 0.5, "clock_offset_us": -12.5}
    result = build_result(facts(series=series.rows(), **changes), parse_all(["failed>1%, p99>=200ms"]))
    check(json.loads(result.to_json()))
    assert list(result.document["http_status"]) == ["200", "404"]


def test_a_run_of_which_nothing_came_fits_the_schema_too() -> None:
    result = build_result(facts(counters=new_counters(), histograms=new_histograms()), parse_all([]))
    check(json.loads(result.to_json()))
    pacing = result.document["pacing"]
    assert [pacing[f"late_{name}_us"] for name in ("p50", "p99", "max")] == [None, None, None]
    assert (pacing["count"], merge([pacing["hdr"]]).sum()) == (0, 0)
    assert result.document["latency_ms"]["connect"]["service"]["p99"] is None


@pytest.mark.parametrize("key", ["verdict", "users", "latency_ms", "series"])
def test_the_schema_notices_a_missing_key(key: str) -> None:
    document = build_result(facts()).document
    del document[key]
    with pytest.raises(jsonschema.ValidationError):
        check(document)


def test_the_keys_stand_in_the_order_of_the_schema() -> None:
    assert list(build_result(facts()).document) == list(load_schema()["properties"])


def test_counters_arrive_under_their_names() -> None:
    made = counters(
        failed_timeout=3,
        failed_pmtu=2,
        pushed=7,
        mismatched=4,
        other_size=3,
        other_content=2,
        messages_sent=3100,
        awaited=3010,
        extracted=5,
        unextracted=6,
        sessions_started=2500,
    )
    document = build_result(facts(counters=made, ring_lost=9)).document
    assert document["users"]["failed"] == {**dict.fromkeys(FAILURES, 0), "timeout": 3, "pmtu": 2}
    assert document["messages"] == {
        "sent": 3100,
        "answered": 3000,
        "pushed": 7,
        "matched": 2996,
        "mismatched": 4,
        "other_size": 3,
        "other_content": 2,
        "missing": 10,
        "unawaited": 90,
        "extracted": 5,
        "unextracted": 6,
    }
    assert document["sessions_run"]["failed"] == document["users"]["failed"]
    assert document["packets"] == {"sent": 12_034, "retransmitted": 12, "responses": 11_020, "ring_lost": 9}
    assert document["sessions_run"]["started"] == 2500
    assert document["users"]["requested"] == 1000


def test_latencies_are_in_milliseconds_and_carry_all_their_values() -> None:
    histograms = new_histograms()
    histograms[4] = counts_of([3000, 4000, 5000])
    row = build_result(facts(histograms=histograms)).document["latency_ms"]["response"]["intended"]
    assert (row["count"], row["p50"]) == (3, percentile(histograms[4], 50) / 1000)  # type: ignore[operator]
    assert (merge([row["hdr"]]) == histograms[4]).all()


def test_lateness_carries_all_its_values() -> None:
    pacing = build_result(facts()).document["pacing"]
    assert (pacing["count"], merge([pacing["hdr"]]).sum(), pacing["late_max_us"]) == (101, 101, 100)


def test_the_start_is_written_in_utc() -> None:
    assert build_result(facts()).document["started"] == "2026-03-01T12:00:05.250Z"


@pytest.mark.parametrize("words", [["--token", "s3cret"], ["--token=s3cret"]])
def test_the_token_stays_out_of_the_result(words: list[str]) -> None:
    assert "s3cret" not in " ".join(without_token(["gryphon", "send", *words, "-u", "5"]))
    result = build_result(facts(command=["gryphon", "send", *words], config={"token": "s3cret", "users": 5}))
    assert "s3cret" not in result.to_json()


@pytest.mark.parametrize(
    ("ending", "changes", "verdict", "status"),
    [
        (Ending.FINISHED, {}, "passed", 0),
        (Ending.FINISHED, {"failed_timeout": 10}, "passed", 0),
        (Ending.FINISHED, {"failed_timeout": 11}, "failed", 1),
        (Ending.FINISHED, {"completed": 0, "sessions_completed": 0}, "failed", 1),
        (Ending.ENDED_EARLY, {}, "ended_early", 1),
        (Ending.GRANT_LOST, {"failed_timeout": 500}, "grant_lost", 3),
        (Ending.INTERRUPTED, {"failed_aborted": 500, "completed": 0}, "interrupted", 130),
    ],
)
def test_the_exit_status_follows_from_the_ending_and_the_thresholds(
    ending: Ending, changes: dict[str, int], verdict: str, status: int
) -> None:
    result = build_result(facts(ending=ending, counters=counters(**changes)), parse_all([]))
    assert (result.document["verdict"], result.exit_status) == (verdict, status)


def test_a_result_is_written_to_a_file(tmp_path: Path) -> None:
    build_result(facts()).write(str(tmp_path / "result.json"))
    check(json.loads((tmp_path / "result.json").read_text()))


def test_a_dash_is_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    build_result(facts()).write("-")
    check(json.loads(capsys.readouterr().out))


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputFault, match="nowhere"):
        build_result(facts()).write(str(tmp_path / "nowhere" / "result.json"))


def test_a_warm_up_is_left_out_of_percentiles_and_thresholds_but_not_of_the_counts() -> None:
    warm = counters(started=100, failed_timeout=90), histograms()
    whole = facts(counters=counters(failed_timeout=91), histograms=histograms() * 2, warmup_s=5.0, warm=warm)
    document = build_result(whole, parse_all(["failed>1%"])).document
    without = build_result(facts(histograms=histograms()), parse_all([])).document
    assert document["warmup_s"] == 5.0
    assert document["latency_ms"] == without["latency_ms"]
    assert document["users"]["failed"]["timeout"] == 91
    assert document["judged"]["users"]["failed"]["timeout"] == 1
    assert document["thresholds"] == [{"text": "failed>1%", "value": pytest.approx(1 / 900), "broken": False}]


def test_of_a_run_that_ended_within_its_warm_up_nothing_is_measured() -> None:
    document = build_result(facts(warmup_s=5.0), parse_all(["p99>1s"])).document
    assert document["latency_ms"]["response"]["intended"]["count"] == 0
    assert document["thresholds"][0]["broken"]
