"""The report command: what it writes, and one sentence with exit status 2 for what it cannot."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from made import START, Sender, document, later

from gryphon.lab.commands import script
from gryphon.sender.report.run import write_after_run
from gryphon.sender.results.result import Result
from gryphon.sender.results.thresholds import load_schema


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("results")
    (made / "evening.json").write_text(json.dumps(Sender(4).seconds(4).document(started=later(60))))
    (made / "wide.csv").write_text(
        "time" + "".join(f",c{i}" for i in range(12)) + f"\n{START.timestamp()}{',1' * 12}\n"
    )
    for seed in (1, 2, 3):
        result = Sender(seed).seconds(4, failing=seed == 2).document(started=later(seed))
        (made / f"{seed}.json").write_text(json.dumps(result))
    (made / "cut.json").write_text((made / "1.json").read_text()[:500])
    (made / "server.csv").write_text(f"time,connections\n{START.timestamp() + 3},5\n")
    return made


def report(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [script("gryphon"), "report", *words], cwd=folder, capture_output=True, text=True, timeout=100
    )


def test_a_result_becomes_a_page_and_a_table(folder: Path) -> None:
    done = report(folder, "1.json", "-o", "out.html", "--csv", "out.csv", "--server", "server.csv")
    assert (done.returncode, done.stdout, done.stderr) == (0, "1.json: PASSED\n", "")
    page = (folder / "out.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert "From server.csv." in page
    assert len((folder / "out.csv").read_text().splitlines()) == 5


def test_two_results_are_compared(folder: Path) -> None:
    done = report(folder, "1.json", "2.json", "-o", "both.html")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "1.json: PASSED"
    assert done.stdout.splitlines()[1].startswith("2.json: FAILED: failed>1%")
    assert "Before and after" in (folder / "both.html").read_text()


def test_results_of_different_times_are_merged_and_told(folder: Path) -> None:
    done = report(folder, "--merge", "1.json", "evening.json", "-o", "apart.html")
    said = "evening.json began 55.0 s after 1.json had ended: merged, they show a load that no server had at once"
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [f"gryphon: {said}; to compare two runs, leave --merge out"]
    assert said in (folder / "apart.html").read_text()


def test_several_senders_become_one_result(folder: Path) -> None:
    done = report(folder, "--merge", "1.json", "2.json", "3.json", "-o", "all.html", "--json", "all.json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "3 senders together" in (folder / "all.html").read_text()
    merged = json.loads((folder / "all.json").read_text())
    jsonschema.Draft202012Validator(load_schema()).validate(merged)
    parts = [json.loads((folder / f"{seed}.json").read_text()) for seed in (1, 2, 3)]
    assert merged["packets"]["sent"] == sum(part["packets"]["sent"] for part in parts)
    assert report(folder, "all.json", "-o", "again.html").returncode == 0


def test_a_dash_is_standard_output_and_words_go_aside(folder: Path) -> None:
    done = report(folder, "1.json", "--csv", "-")
    assert done.stdout.startswith("time_s,step_s,")
    assert done.stderr == "1.json: PASSED\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["1.json"], "say what to write: -o out.html"),
        (["none.json", "-o", "x.html"], "none.json cannot be read: No such file or directory"),
        (["cut.json", "-o", "x.html"], "cut.json is cut off"),
        (["1.json", "server.csv", "-o", "x.html"], "server.csv is no result of gryphon send"),
        (["1.json", "2.json", "3.json", "-o", "x.html"], "give two to compare them, before and after, or add --merge"),
        (["1.json", "2.json", "--csv", "x.csv"], "--csv takes one result"),
        (["1.json", "--json", "x.json"], "--json writes the merged result: add --merge"),
        (["1.json", "-o", "x.html", "--csv", "x.html"], "name the same file"),
        (["1.json", "-o", "./1.json"], "./1.json would be overwritten"),
        (["1.json", "-o", "nowhere/x.html"], "the report cannot be written to nowhere/x.html: No such file"),
        (["1.json", "-o", "x.html", "--server", "1.json"], "--server 1.json"),
        (
            ["1.json", "-o", "x.html", "--server", "wide.csv", "--server", "server.csv"],
            "12 columns in all files together",
        ),
        (["--merge", "1.json", "1.json", "-o", "x.html"], "results 1 and 2 are the same"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(folder: Path, words: list[str], sentence: str) -> None:
    before = (folder / "1.json").read_bytes()
    done = report(folder, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert (folder / "1.json").read_bytes() == before
    assert not (folder / "x.html").exists()


def test_a_run_leaves_its_page_and_its_table(tmp_path: Path) -> None:
    result = Result(document(config={"log": Path("a.log"), "files": ("a", "b")}))
    write_after_run(result, str(tmp_path / "out.html"), str(tmp_path / "out.csv"))
    assert "a.log" in (tmp_path / "out.html").read_text()
    assert (tmp_path / "out.csv").read_text().startswith("time_s,")


def test_help_needs_none_of_the_heavy_modules() -> None:
    code = (
        "import sys; import gryphon.sender.report.cli; "
        "print([name for name in ('numpy', 'numba', 'hdrh') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
