"""Several senders' results together are what one sender would have counted that had done all of it."""

from __future__ import annotations

import copy
from typing import Any

import jsonschema
import numpy as np
import pytest
from made import EXAMPLE, Sender, document, later

from gryphon.controller.errors import InputFault
from gryphon.sender.replay.measures import Counter
from gryphon.sender.report.merge import apart, commands, merge_results
from gryphon.sender.results.thresholds import load_schema
from gryphon.sender.results.verdict import Ending


@pytest.fixture(scope="module")
def senders() -> list[Sender]:
    return [Sender(seed).seconds(4 + seed, failing=seed == 2) for seed in (1, 2, 3)]


@pytest.fixture(scope="module")
def merged(senders: list[Sender]) -> dict[str, Any]:
    return merge_results([sender.document() for sender in senders])


def test_a_merged_result_is_a_result(merged: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(load_schema()).validate(merged)


def test_counts_and_histograms_are_those_of_one_run(senders: list[Sender], merged: dict[str, Any]) -> None:
    counters = np.sum([sender.counters for sender in senders], 0)
    histograms = np.sum([sender.histograms for sender in senders], 0)
    whole = document(counters=counters, histograms=histograms, users=int(counters[Counter.STARTED]))
    for key in ("sessions_run", "users", "packets", "bytes", "messages", "latency_ms", "pacing", "thresholds"):
        assert merged[key] == whole[key], key


def test_the_series_add_up_to_the_counts(merged: dict[str, Any]) -> None:
    for name, whole in (
        ("started", merged["sessions_run"]["started"]),
        ("failed", sum(merged["sessions_run"]["failed"].values())),
        ("packets_sent", merged["packets"]["sent"]),
        ("bytes_received", merged["bytes"]["received"]),
        ("mismatched", merged["messages"]["mismatched"]),
    ):
        assert sum(row[name] for row in merged["series"]) == whole, name


def test_one_result_alone_stays_what_it_is() -> None:
    alone = Sender().seconds(2).document()
    assert merge_results([copy.deepcopy(alone)]) == alone


def test_the_first_start_and_the_last_end_count() -> None:
    parts = [Sender(1).seconds(5).document(started=later(3)), Sender(2).seconds(4).document()]
    merged = merge_results(parts)
    assert (merged["started"], merged["duration_s"]) == (parts[1]["started"], 8.0)
    assert merged["series"][-1]["time_s"] == 8.0
    assert len(commands(merged)) == 2


def test_a_capture_that_all_replay_counts_once_and_others_together() -> None:
    same = [Sender(seed).seconds(2).document() for seed in (1, 2)]
    assert merge_results(same)["sessions"] == {"recorded": 5, "replayable": 4, "rejected": {"no_syn": 1}}
    other = Sender(3).seconds(2).document(config={"files": ["another.pcap"]})
    assert merge_results([same[0], other])["sessions"] == {"recorded": 10, "replayable": 8, "rejected": {"no_syn": 2}}


def test_the_thresholds_judge_all_together() -> None:
    good, bad = Sender(1).seconds(60).document(), Sender(2).seconds(2, failing=True).document()
    assert (good["verdict"], bad["verdict"]) == ("passed", "failed")
    assert merge_results([good, bad])["verdict"] == "passed"  # less than one in a hundred of all users


def test_a_warm_up_is_left_out_of_what_is_judged() -> None:
    parts = []
    for seed in (1, 2):
        sender = Sender(seed).seconds(3, failing=True)
        warm = sender.counters.copy(), sender.histograms.copy()
        sender.seconds(3)
        parts.append(sender.document(warm=warm, warmup_s=3.0))
    merged = merge_results(parts)
    assert merged["users"]["failed"]["timeout"] == 6
    assert merged["judged"]["users"]["failed"]["timeout"] == 0
    assert [row["broken"] for row in merged["thresholds"]] == [False, False]
    assert merged["warmup_s"] == 3.0


@pytest.mark.parametrize("ending", [Ending.GRANT_LOST, Ending.INTERRUPTED, Ending.ENDED_EARLY])
def test_a_sender_that_did_not_finish_marks_the_whole(ending: Ending) -> None:
    parts = [Sender(1).seconds(2).document(), Sender(2).seconds(2).document(ending=ending)]
    assert merge_results(parts)["verdict"] == ending.value


def test_examples_are_the_first_of_each_kind() -> None:
    rows = [[{**EXAMPLE, "time_s": float(i), "user": i} for i in range(k, 10, 2)] for k in (0, 1)]
    parts = [Sender(k).seconds(2).document(examples=rows[k]) for k in (0, 1)]
    assert [row["user"] for row in merge_results(parts)["examples"]] == [0, 1, 2, 3, 4]


def test_results_of_different_runs_are_not_added() -> None:
    parts = [Sender(1).seconds(2).document(), Sender(2).seconds(2).document(started=later(3600))]
    with pytest.raises(InputFault, match="began 3,600 s apart, so they are not of one run"):
        merge_results(parts)


def test_the_same_result_twice_is_not_added() -> None:
    one = Sender(1).seconds(2).document()
    with pytest.raises(InputFault, match="results 1 and 2 are the same"):
        merge_results([one, copy.deepcopy(one)])


@pytest.mark.parametrize(("first", "second", "seconds"), [(0, 5, "0.0"), (0, 7.5, "2.5"), (12, 0, "7.0")])
def test_results_that_did_not_run_at_the_same_time_are_told(first: float, second: float, seconds: str) -> None:
    parts = [Sender(seed).seconds(5).document(started=later(start)) for seed, start in ((1, first), (2, second))]
    earlier, after = ("a.json", "b.json") if first < second else ("b.json", "a.json")
    said = apart(parts, ["a.json", "b.json"])
    assert said is not None
    assert said.startswith(f"{after} began {seconds} s after {earlier} had ended: merged, they show a load")
    assert merge_results(parts)["sessions_run"]["started"] > 0


def test_of_several_the_first_to_end_and_the_last_to_begin_are_named() -> None:
    parts = [Sender(seed).seconds(5).document(started=later(start)) for seed, start in ((1, 4), (2, 0), (3, 8))]
    said = apart(parts, ["a.json", "b.json", "c.json"])
    assert said is not None
    assert said.startswith("c.json began 3.0 s after b.json had ended")


def test_results_that_ran_together_if_only_for_a_moment_are_not_told() -> None:
    parts = [Sender(seed).seconds(5).document(started=later(start)) for seed, start in ((1, 0), (2, 4.9))]
    assert apart(parts, ["a.json", "b.json"]) is None
    assert apart(parts[:1], ["a.json"]) is None
