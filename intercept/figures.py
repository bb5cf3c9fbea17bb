"""The figures of an intercept as Prometheus has them, read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from gryphon.controller.desk import Intercepting
from gryphon.controller.exporter import info
from gryphon.controller.leases import Leases

_PACKETS = {
    "matched": "Answers to forged addresses that the program dropped.",
    "recorded": "Of those, answers whose record entered the ring.",
    "ring_full": "Of those, answers whose record was lost, for the ring was full.",
    "passed": "Packets that concern no sender, and passed.",
    "malformed": "Packets that could not be read, and passed.",
}


def figures(interception: Intercepting, leases: Leases) -> Iterator[Metric]:
    """All of them, as they stand now. For another thread than the server's: it changes nothing."""
    where = {"hook": interception.hook, "interface": interception.interface, "mode": interception.mode}
    yield info("gryphon_intercept_info", "What runs here.", where)
    counters = interception.counters()._asdict()
    for name, what in _PACKETS.items():
        yield CounterMetricFamily(f"gryphon_intercept_{name}_packets", what, value=counters[name])
    living = list(leases.living.values())
    yield GaugeMetricFamily("gryphon_intercept_grants", "Senders that hold a grant now.", value=len(living))
    networks = sum(len(lease.networks) for lease in living)
    yield GaugeMetricFamily("gryphon_intercept_ranges", "Forged ranges that they hold.", value=networks)
