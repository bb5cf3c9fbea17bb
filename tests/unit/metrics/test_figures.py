"""A run's figures: the numbers that were counted, under names that Prometheus takes."""

from __future__ import annotations

import time

import numpy as np
import pytest
from prometheus_client import generate_latest
from prometheus_client.core import CollectorRegistry, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from gryphon.sender.metrics.figures import BOUNDS_S, Subject, figures
from gryphon.sender.replay.measures import FAILURES, SESSION_FAILURES, Counter, Histogram, bucket_of
from gryphon.sender.shared_measures import SharedMeasures

SUBJECT = Subject(users=1000, way="raw")


@pytest.fixture
def measures() -> SharedMeasures:
    return SharedMeasures(2)


class _Of(Collector):
    def __init__(self, measures: SharedMeasures) -> None:
        self.measures = measures

    def collect(self) -> list[Metric]:
        return list(figures(self.measures, SUBJECT))


def scrape(measures: SharedMeasures) -> dict[str, float]:
    """Every sample by its name and labels, as Prometheus reads them."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Of(measures))
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        sample.name + "".join(f",{value}" for name, value in sorted(sample.labels.items()) if name != "version"): (
            sample.value
        )
        for family in families
        for sample in family.samples
    }


def test_counters_of_all_shares_add_up(measures: SharedMeasures) -> None:
    for share, sent in enumerate((40, 2)):
        measures.shares[share].counters[Counter.PACKETS_SENT] = sent
    assert scrape(measures)["gryphon_packets_sent_total"] == 42


def test_every_counter_of_the_engine_is_there_once(measures: SharedMeasures) -> None:
    """Each has another value, so that one that is left out or taken twice is seen."""
    left_out = {Counter.PEAK_ACTIVE, Counter.UNEXTRACTED, Counter.EXTRACTED, Counter.OTHER_SIZE, Counter.OTHER_CONTENT}
    measures.shares[0].counters[:] = 1_000_000 + np.arange(len(Counter))
    values = list(scrape(measures).values())
    assert {counter for counter in Counter if values.count(1_000_000 + counter) != 1} == left_out


def test_failures_are_by_reason(measures: SharedMeasures) -> None:
    measures.shares[0].counters[FAILURES["refused"]] = 3
    measures.shares[0].counters[SESSION_FAILURES["timeout"]] = 7
    seen = scrape(measures)
    assert seen["gryphon_users_failed,refused"] == 3
    assert seen["gryphon_users_failed,timeout"] == 0
    assert seen["gryphon_sessions_failed_total,timeout"] == 7


def test_statuses_are_those_that_came(measures: SharedMeasures) -> None:
    measures.shares[1].statuses[200] = 5
    measures.shares[1].statuses[503] = 1
    codes = {name: value for name, value in scrape(measures).items() if name.startswith("gryphon_http_answers_total")}
    assert codes == {"gryphon_http_answers_total,200": 5, "gryphon_http_answers_total,503": 1}


def test_a_histogram_counts_what_is_not_above_each_bound(measures: SharedMeasures) -> None:
    values_us = [50, 99, 900, 30_000, 200_000_000]
    for value in values_us:
        measures.shares[0].histograms[Histogram.RESPONSE_INTENDED, bucket_of(value)] += 1
    seen = scrape(measures)
    for bound in BOUNDS_S:
        expected = sum(value <= bound * 1e6 for value in values_us)
        assert seen[f"gryphon_response_seconds_bucket,{bound:g},intended"] == expected, bound
    assert seen["gryphon_response_seconds_count,intended"] == len(values_us)
    assert seen["gryphon_response_seconds_sum,intended"] == pytest.approx(sum(values_us) / 1e6, rel=1e-3)
    assert seen["gryphon_response_seconds_count,service"] == 0


def test_the_start_is_in_unix_time_once_it_is_known(measures: SharedMeasures) -> None:
    assert "gryphon_run_start_time_seconds" not in scrape(measures)
    measures.epoch_ns = time.monotonic_ns() - 5_000_000_000
    assert scrape(measures)["gryphon_run_start_time_seconds"] == pytest.approx(time.time() - 5, abs=1)


def test_names_follow_the_conventions(measures: SharedMeasures) -> None:
    """Promtool's rules: a counter ends in _total, a unit is a base unit, everything has a text."""
    for family in figures(measures, SUBJECT):
        assert family.name.startswith("gryphon_")
        assert family.documentation.endswith("."), family.name
        assert not any(part in family.name for part in ("_ms_", "_us_", "milli", "micro")), family.name
