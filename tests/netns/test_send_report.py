"""A real run leaves a page and a table that say what its result file says."""

from __future__ import annotations

import csv
import json
import subprocess

from sending import ENVIRONMENT, intercepted, start

from gryphon.lab.commands import options, script
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import Recording
from gryphon.lab.servers import Nginx


def test_page_and_table_of_a_run_say_what_its_result_says(lab: Lab, nginx: Nginx, recording: Recording) -> None:
    page, table = lab.directory / "out.html", lab.directory / "out.csv"
    with intercepted(lab, "local") as (topology, _):
        words = ["-i", "100", "--report", str(page), "--csv", str(table)]
        run = start(lab, [*options(recording, topology.intercept, 200), *words])
        assert run.finish() == 0, run.text
    result = run.result
    rows = list(csv.DictReader(table.open()))
    assert len(rows) == len(result["series"]) >= 2
    assert sum(int(row["users_started"]) for row in rows) == result["users"]["started"] == 200
    assert sum(int(row["completed"]) for row in rows) == result["sessions_run"]["completed"]
    assert sum(int(row["packets_sent"]) for row in rows) == result["packets"]["sent"]
    text = page.read_text()
    assert "PASSED" in text
    assert f"<td>{result['packets']['sent']:,}</td>" in text
    assert len(text) < 200_000


def test_a_report_that_cannot_be_written_is_found_out_before_the_run(
    lab: Lab, nginx: Nginx, recording: Recording
) -> None:
    before = nginx.mark().accepted
    run = start(lab, [*options(recording, "xdp:eth0", 10), "--report", "/nowhere/out.html"])
    assert run.finish() == 2
    assert "cannot be written to /nowhere/out.html: No such file or directory" in run.text
    assert nginx.mark().accepted <= before + 1  # the mark's own


def test_two_senders_together_are_what_nginx_has_counted(lab: Lab, nginx: Nginx, recording: Recording) -> None:
    files = [lab.directory / f"{name}.json" for name in ("one", "two")]
    with intercepted(lab, "target") as (topology, _):
        before = nginx.mark()
        senders = []
        for file, clients, users in zip(files, ("10.17.15.0/25", "10.17.15.128/25"), (150, 250), strict=True):
            line = [*options(recording, topology.intercept, users)[:-1], clients, "-i", "200", "--json", str(file)]
            senders.append(lab.popen("sender", [script("gryphon"), *line], environment=ENVIRONMENT))
        assert [sender.wait(60) for sender in senders] == [0, 0]
        served = nginx.since(before)
    page, merged = lab.directory / "both.html", lab.directory / "both.json"
    words = ["--merge", *map(str, files), "-o", str(page), "--json", str(merged)]
    done = subprocess.run([script("gryphon"), "report", *words], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "one.json + two.json: PASSED\n"
    together = json.loads(merged.read_text())
    assert together["users"]["completed"] == together["sessions_run"]["completed"] == served.connections == 400
    assert together["messages"]["answered"] == served.requests
    assert sum(row["completed"] for row in together["series"]) == 400
    assert page.read_text().count("<pre>") == 2
