"""`--dry-run` opens everything and sends nothing; `--config` repeats a run; a warm-up is left out of what is judged."""

from __future__ import annotations

from sending import intercepted, start

from gryphon.lab.commands import options
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import Recording
from gryphon.lab.servers import Nginx


def test_a_dry_run_says_what_would_be_and_the_server_hears_nothing(
    lab: Lab, nginx: Nginx, recording: Recording
) -> None:
    with intercepted(lab, "target") as (topology, _):
        before = nginx.mark()
        run = start(lab, [*options(recording, topology.intercept, 500), "-i", "100", "--dry-run"])
        assert run.finish() == 0, run.text
        assert nginx.since(before, patience=0).connections == 0
    assert f"sessions    {len(recording.sessions)} recorded" in run.text
    assert "users       500 from " in run.text
    assert "the last starts after 5 s" in run.text
    assert "tc egress" in run.text
    assert "answers are dropped for 0 s after the run\n" in run.text
    assert "canary      1 SYN from the forged range before the first user, which has to be answered" in run.text
    assert run.text.rstrip().endswith("DRY RUN: nothing was sent, and the grants are given back")


def test_a_dry_run_without_an_intercept_fails_as_the_run_would(lab: Lab, recording: Recording) -> None:
    run = start(lab, [*options(recording, "10.16.15.118", 5), "--dry-run"])
    assert run.finish() == 3
    assert "10.16.15.118" in run.text


def test_a_local_dry_run_leaves_nothing(lab: Lab, nginx: Nginx, recording: Recording) -> None:
    run = start(lab, [*options(recording, "xdp:eth0", 50), "--dry-run", "--threads", "2"])
    assert run.finish() == 0, run.text
    assert "in 2 processes" in run.text
    assert "answers are dropped for 600 s after the run, unless all of its users complete\n" in run.text
    assert "prog/xdp" not in lab.run("sender", ["ip", "link", "show", "eth0"]).stdout


def test_a_result_given_as_configuration_repeats_its_run(lab: Lab, nginx: Nginx, recording: Recording) -> None:
    first = start(lab, [*options(recording, "xdp:eth0", 40), "-i", "500"])
    assert first.finish() == 0, first.text
    kept = lab.directory / "kept.json"
    kept.write_text(first.json.read_text())
    again = start(lab, ["send", "--config", str(kept)])
    assert again.finish() == 0, again.text
    for name in ("users", "sessions", "messages", "config"):
        assert {**again.result[name], "peak_active": 0} == {**first.result[name], "peak_active": 0} | (
            {"json": again.result["config"]["json"]} if name == "config" else {}
        )


def test_a_warm_up_is_not_in_the_percentiles(lab: Lab, nginx: Nginx, recording: Recording) -> None:
    run = start(lab, [*options(recording, "xdp:eth0", 300), "-i", "100", "--warmup", "2"])
    assert run.finish() == 0, run.text
    result = run.result
    judged = result["latency_ms"]["connect"]["service"]["count"]
    assert result["users"]["connected"] == 300
    assert 60 <= judged <= 140
    assert "without the first 2 s" in run.text
