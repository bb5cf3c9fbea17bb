"""Figures over HTTP: read when asked for, of the process that was said, and nothing for whom they are not."""

from __future__ import annotations

import os
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families

from gryphon.controller.errors import EnvironmentFault, InputFault
from gryphon.controller.exporter import Exporter, info


class Counting:
    """A figure that grows at each look."""

    looks = 0

    def __call__(self) -> Iterator[Metric]:
        self.looks += 1
        yield GaugeMetricFamily("looks", "How often somebody looked.", value=self.looks)
        yield info("what_info", "What it is.", {"kind": "a test"})


@pytest.fixture
def counting() -> Counting:
    return Counting()


@pytest.fixture
def exporter(counting: Counting) -> Iterator[Exporter]:
    made = Exporter("127.0.0.1:0", counting)
    made.start()
    yield made
    made.close()


def fetch(exporter: Exporter) -> dict[str, Metric]:
    with urllib.request.urlopen(f"http://{exporter.where}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_figures_are_read_when_asked_for(exporter: Exporter, counting: Counting) -> None:
    assert counting.looks == 0
    assert fetch(exporter)["looks"].samples[0].value == 1
    assert fetch(exporter)["looks"].samples[0].value == 2


def test_the_labels_of_an_info_have_the_version(exporter: Exporter) -> None:
    labels = fetch(exporter)["what_info"].samples[0].labels
    assert labels["kind"] == "a test"
    assert labels["version"]


def test_memory_is_that_of_this_process(exporter: Exporter) -> None:
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    assert fetch(exporter)["process_resident_memory_bytes"].samples[0].value == pytest.approx(resident, rel=0.5)


def test_only_metrics_has_figures(exporter: Exporter, counting: Counting) -> None:
    with urllib.request.urlopen(f"http://{exporter.where}/", timeout=10) as front:
        assert b"href=/metrics" in front.read()
    for path in ("/metrics/", "/favicon.ico", "/../etc/passwd", "/metricsx?name[]=looks"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://{exporter.where}{path}", timeout=10)
    assert counting.looks == 0
    with urllib.request.urlopen(f"http://{exporter.where}/metrics?name[]=looks", timeout=10) as answer:
        assert b"what_info" not in answer.read()


def test_ten_who_say_nothing_hold_nobody_up(exporter: Exporter) -> None:
    host, port = exporter.where.split(":")
    silent = [socket.create_connection((host, int(port)), timeout=5) for _ in range(10)]
    try:
        assert "looks" in fetch(exporter)
    finally:
        for sock in silent:
            sock.close()


def test_its_port_is_free_again_when_it_is_closed(counting: Counting) -> None:
    first = Exporter("127.0.0.1:0", counting)
    first.start()
    first.close()
    second = Exporter(first.where, counting)
    second.close()


def test_an_address_that_is_taken_or_none_is_said(exporter: Exporter, counting: Counting) -> None:
    with pytest.raises(EnvironmentFault, match="--metrics names another"):
        Exporter(exporter.where, counting)
    with pytest.raises(InputFault, match="--metrics 'localhost:80'"):
        Exporter("localhost:80", counting)
