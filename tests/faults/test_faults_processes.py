"""Processes die, stop or are short of something: sender, intercept, server, clock (disk, memory: tests/netns)."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from faulty import USERS, end_of, remote
from leaking import _STORM, OVERFLOW
from sending import ENVIRONMENT, intercepted, long_run

from gryphon.lab.commands import script
from gryphon.lab.hosts import Lab
from gryphon.lab.processes import processes_in
from gryphon.lab.recording import Recording
from gryphon.lab.servers import Nginx
from gryphon.lab.waiting import until
from gryphon.lab.wiring import SERVER_V4

Tell = Callable[[str], None]
_STEP = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
#include <unistd.h>
/* Once the file named by STEPPED is there, the time of day is an hour and more later, and so it is for good. */
#include <stdlib.h>
int clock_gettime(clockid_t clock, struct timespec *now)
{
	static int (*real)(clockid_t, struct timespec *);
	int result;

	if (!real)
		real = dlsym(RTLD_NEXT, "clock_gettime");
	result = real(clock, now);
	if (clock == CLOCK_REALTIME && getenv("STEPPED") && !access(getenv("STEPPED"), F_OK))
		now->tv_sec += 4000;
	return result;
}
"""


def test_a_killed_sender_is_noticed_at_once(lab: Lab, nginx: Nginx, recording: Recording, tell: Tell) -> None:
    with intercepted(lab, "target") as (topology, _):
        output = lab.directory / "target.output"
        run = long_run(lab, nginx, recording, topology.intercept)
        began = time.monotonic()
        run.child.kill()
        until("the intercept to notice", lambda: "lost, the connection" in output.read_text(), seconds=5)
        tell(f"the intercept noticed within {time.monotonic() - began:.2f} s; its answers linger")


def test_a_killed_intercept_ends_the_run_with_a_result(
    lab: Lab, nginx: Nginx, recording: Recording, tell: Tell
) -> None:
    with remote(lab, nginx, recording) as (run, child):
        began = time.monotonic()
        child.kill()
        ended = end_of(run, began)
    lab.run("assistant", [script("gryphon-intercept"), "--detach", "eth0", "-l", "/dev/null"])
    tell(str(ended))
    assert (ended.status, ended.result["verdict"]) == (3, "grant_lost"), ended.text
    assert ended.seconds < 5


def test_a_reader_that_stops_loses_records_and_nobody_a_session(
    lab: Lab, nginx: Nginx, recording: Recording, tell: Tell
) -> None:
    """The ring overflows with answers to somebody whom nobody plays; TCP brings back what the users lost."""
    with remote(lab, nginx, recording, ["-t", "30"]) as (run, child):
        began = time.monotonic()
        storm = lab.popen("server", [sys.executable, "-c", _STORM, SERVER_V4, str(OVERFLOW * 4)])
        os.kill(child.pid, signal.SIGSTOP)
        time.sleep(3)  # below the five seconds after which the sender gives up
        os.kill(child.pid, signal.SIGCONT)
        lab.end(storm)
        ended = end_of(run, began, 100)
    tell(str(ended))
    assert (ended.status, ended.completed) == (0, USERS), ended.text
    assert ended.result["packets"]["ring_lost"] > 0


def test_a_restarted_server_fails_those_it_cut_and_serves_the_rest(
    lab: Lab, recording: Recording, tell: Tell, nginx: Nginx
) -> None:
    with remote(lab, nginx, recording) as (run, _):
        began = time.monotonic()
        nginx.stop()
        nginx.start()
        ended = end_of(run, began)
    tell(str(ended))
    assert ended.status in (0, 1), ended.text
    assert set(ended.failed) <= {"reset", "refused", "early_close", "timeout"}
    assert ended.completed > USERS * 0.8


def test_a_server_out_of_files_leaves_users_waiting_and_it_is_said(
    lab: Lab, nginx: Nginx, recording: Recording, tell: Tell
) -> None:
    workers = [pid for pid in processes_in(lab.namespace("server")) if "nginx: worker" in _command(pid)]
    before = {pid: _limit(pid) for pid in workers}
    with remote(lab, nginx, recording) as (run, _):
        began = time.monotonic()
        for pid in workers:
            subprocess.run(["prlimit", f"--pid={pid}", "--nofile=16:"], check=True)
        time.sleep(5)
        for pid in workers:
            subprocess.run(["prlimit", f"--pid={pid}", f"--nofile={before[pid]}:"], check=True)
        ended = end_of(run, began)
    tell(str(ended))
    assert ended.status == 1, ended.text
    assert ended.failed["timeout"] > 0
    assert ended.completed > USERS * 0.4


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def _limit(pid: int) -> int:
    found = re.search(r"Max open files +(\d+)", Path(f"/proc/{pid}/limits").read_text())
    assert found
    return int(found[1])


def test_a_clock_that_is_set_changes_nothing(lab: Lab, nginx: Nginx, recording: Recording, tell: Tell) -> None:
    """For the sender alone, by a library before the C library: this machine's own time stays."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: apt-get install gcc")
    source, library, stepped = (lab.directory / name for name in ("step.c", "step.so", "stepped"))
    source.write_text(_STEP)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    ENVIRONMENT.update(LD_PRELOAD=str(library), STEPPED=str(stepped))
    try:
        with remote(lab, nginx, recording, ["-t", "20"]) as (run, _):
            began = time.monotonic()
            stepped.touch()
            ended = end_of(run, began)
    finally:
        del ENVIRONMENT["LD_PRELOAD"], ENVIRONMENT["STEPPED"]
    tell(f"{ended}; it says that it took {ended.result['duration_s']:.1f} s")
    assert (ended.status, ended.completed) == (0, USERS), ended.text
    assert ended.result["duration_s"] < 100
    assert ended.result["latency_ms"]["response"]["intended"]["max"] < 20_000
