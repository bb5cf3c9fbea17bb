"""A disk that is full, or too little memory: what can be saved is, and it is said."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sending import ENVIRONMENT, intercepted, start

from gryphon.lab.commands import options, script
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import Recording
from gryphon.lab.servers import Nginx

SPACE = 1_000_000_000
"""Bytes of address space: enough to start, not for seven million users."""


def test_a_full_disk_costs_the_files_and_not_the_run_nor_its_summary(
    lab: Lab, nginx: Nginx, recording: Recording
) -> None:
    with intercepted(lab, "target") as (topology, _):
        table = lab.directory / "beside-a-full-disk.csv"
        full = ["-l", "/dev/full", "--report", "/dev/full", "--trace-users", "0", "--trace-file", "/dev/full"]
        run = start(lab, [*options(recording, topology.intercept, 20), *full, "--csv", str(table)])
        status = run.finish()
    assert status == 2
    assert run.text.count("the log /dev/full cannot be written: [Errno 28] No space left on device") == 1
    assert "the traces cannot be written to /dev/full: No space left on device" in run.text
    assert "the report cannot be written to /dev/full: No space left on device" in run.text
    assert len(table.read_text().splitlines()) > 1
    assert "users       requested         20" in run.text
    assert run.result["users"]["completed"] == 20


@pytest.fixture
def filled(lab: Lab) -> Iterator[Path]:
    """A directory on a file system without room, for new names alone."""
    place = lab.directory / "filled"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)], check=True)
    try:
        with contextlib.suppress(OSError), (place / "ballast").open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)
        place.rmdir()


def test_a_disk_that_is_full_is_left_without_empty_files(
    lab: Lab, nginx: Nginx, recording: Recording, filled: Path
) -> None:
    written = ["--json", "--report", "--csv", "--trace-file"]
    with intercepted(lab, "target") as (topology, _):
        files = [word for option in written for word in (option, str(filled / option.strip("-")))]
        words = [script("gryphon"), *options(recording, topology.intercept, 5), "--trace-users", "0", *files]
        run = lab.run("sender", ["env", f"GRYPHON_TOKEN={ENVIRONMENT['GRYPHON_TOKEN']}", *words], check=False)
    assert run.returncode == 2, run.stderr
    assert run.stderr.count("cannot be written to") == len(written)
    assert "users       requested          5" in run.stdout
    extract = [script("gryphon"), "extract", str(recording.path), "-x", "80", "-o", str(filled / "extract")]
    done = lab.run("sender", extract, check=False)
    assert done.returncode == 3
    assert "cannot be written: No space left on device" in done.stderr
    assert [each.name for each in filled.iterdir()] == ["ballast"]


def test_memory_that_does_not_suffice_is_said_before_anything_is_sent(
    lab: Lab, nginx: Nginx, recording: Recording
) -> None:
    before = nginx.mark().accepted
    with intercepted(lab, "target") as (topology, _):
        line = [script("gryphon"), *options(recording, topology.intercept, 7_000_000), "--json", "/dev/null"]
        limited = ["env", f"GRYPHON_TOKEN={ENVIRONMENT['GRYPHON_TOKEN']}", "prlimit", f"--as={SPACE}"]
        done = lab.run("sender", [*limited, *line], check=False)
    assert done.returncode in (2, 3)
    assert "memory" in done.stderr
    assert "Traceback" not in done.stderr
    assert nginx.mark().accepted == before
