"""The process that serves a run's figures: there while the run is, gone with it."""

from __future__ import annotations

import logging
import re
import urllib.error
import urllib.request

import pytest

from gryphon.controller.errors import EnvironmentFault
from gryphon.sender.metrics.figures import Subject
from gryphon.sender.metrics.serve import served
from gryphon.sender.replay.measures import Counter
from gryphon.sender.shared_measures import SharedMeasures

SUBJECT = Subject(users=10, way="raw")


def fetch(where: str) -> str:
    with urllib.request.urlopen(where, timeout=10) as answer:
        return str(answer.read().decode())


def test_it_sees_what_is_counted_meanwhile_and_ends_with_the_run(caplog: pytest.LogCaptureFixture) -> None:
    measures = SharedMeasures(1)
    with caplog.at_level(logging.INFO, "gryphon"), served("127.0.0.1:0", measures, SUBJECT):
        found = re.search(r"http://\S+", caplog.text)
        assert found is not None
        assert "gryphon_packets_sent_total 0.0" in fetch(found[0])
        measures.shares[0].counters[Counter.PACKETS_SENT] = 7
        assert "gryphon_packets_sent_total 7.0" in fetch(found[0])
    with pytest.raises(urllib.error.URLError):
        fetch(found[0])


def test_an_address_that_cannot_be_had_stops_before_the_run() -> None:
    measures = SharedMeasures(1)
    with pytest.raises(EnvironmentFault, match="--metrics"), served("192.0.2.1:1", measures, SUBJECT):
        pytest.fail("nothing was listened at")
