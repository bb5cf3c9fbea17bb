"""Payload samples through the real commands: what nginx answers stands beside the records that the engine is given."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest
from sending import BY_NAME, ENVIRONMENT

from gryphon.lab.commands import interception, options
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import Recording
from gryphon.lab.servers import Nginx

NEEDED = 17
"""Bytes: those of "HTTP/1.1 200 OK" with its line's end; a channel gives 24."""
_SEND = """
from gryphon.sender import cli
from gryphon.sender.replay.engine import Engine

def step(self, now, *given):
    records, samples = given[:2] or ((), ())
    for record, sample in zip(records, samples):
        if record["length"]:
            segment = f"{record['address_lo']:x}/{record['port']}/{record['seq']}"
            print("sample", segment, samples.shape[1], record["sample_length"], bytes(sample).hex(), flush=True)
    return plain(self, now, *given)

plain, Engine.step = Engine.step, step
cli.main()
"""


def send(lab: Lab, recording: Recording, intercept: str, needed: int) -> tuple[int, str]:
    """Run `gryphon send` for a run that needs so many bytes of each answer; its status, and what it said."""
    argv = [sys.executable, "-c", _SEND, *options(recording, intercept, 20), "--verify", str(needed)]
    with (lab.directory / "samples.output").open("w+b") as file:
        child = lab.popen("sender", argv, stdout=file, stderr=subprocess.STDOUT, environment=ENVIRONMENT)
        status = child.wait(timeout=60)
        file.seek(0)
        return status, file.read().decode()


@pytest.mark.parametrize("name", ["target", "assistant", "local"])
def test_every_answer_of_nginx_is_sampled_from_its_status_line_on(
    lab: Lab, nginx: Nginx, recording: Recording, name: str
) -> None:
    topology = BY_NAME[name]
    lab.route_forged(topology.via)
    with interception(lab, topology, ENVIRONMENT, tell=lambda _: None, more=["--sample", "256"]):
        status, said = send(lab, recording, topology.intercept, NEEDED)
    assert status == 0, said
    seen = {line for line in said.splitlines() if line.startswith("sample ")}  # A retransmission is the same line.
    assert {line.split()[2] for line in seen} == {"24"}
    assert {line.split()[3] for line in seen} >= {"24"}
    samples = [bytes.fromhex(line.split()[4]) for line in seen]
    statuses = Counter(int(sample[9:12]) for sample in samples if sample.startswith(b"HTTP/1.1 "))
    assert statuses == Counter(request.status for request in recording.replayed(20))


def test_a_run_that_needs_more_than_is_sampled_is_told_what_to_start(
    lab: Lab, nginx: Nginx, recording: Recording
) -> None:
    topology = BY_NAME["target"]
    lab.route_forged(topology.via)
    with interception(lab, topology, ENVIRONMENT, tell=lambda _: None):
        status, said = send(lab, recording, topology.intercept, NEEDED)
    assert status == 3
    assert (
        "this run needs the first 24 bytes of each answer and this intercept samples 0: start it with --sample 24"
    ) in said
