"""docs/metrics.md names every figure of both commands, with its kind, and no other; Grafana can read the dashboard."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from prometheus_client.core import Metric

from gryphon.controller.leases import Leases
from gryphon.controller.policy import Policy
from gryphon.intercept.figures import figures as figures_of_intercept
from gryphon.sender.metrics.figures import Subject, figures
from gryphon.sender.shared_measures import SharedMeasures

sys.path.append(str(Path(__file__).parents[1] / "controller"))
from fakes import FakeInterception

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/metrics.md").read_text()
DASHBOARD = ROOT / "docs/grafana/gryphon.json"


def documented(heading: str) -> dict[str, str]:
    """Name to kind, of the table behind a heading."""
    part = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)`[^|]* \| (\w+) \|", part, re.M))


def exported(families: Iterable[Metric]) -> dict[str, str]:
    return {family.name + "_total" * (family.type == "counter"): family.type for family in families}


@pytest.fixture
def intercepted() -> dict[str, str]:
    interception = FakeInterception()
    return exported(figures_of_intercept(interception, Leases(interception, Policy(None, None), 0, list)))


@pytest.fixture
def sent() -> dict[str, str]:
    measures = SharedMeasures(1)
    measures.epoch_ns = 1
    return exported(figures(measures, Subject(1, "raw")))


def test_the_page_has_the_figures_of_send(sent: dict[str, str]) -> None:
    assert documented("`gryphon send`") == sent


def test_the_page_has_the_figures_of_the_intercept(intercepted: dict[str, str]) -> None:
    assert documented("`gryphon-intercept`") == intercepted


def test_the_dashboard_asks_for_nothing_else(sent: dict[str, str], intercepted: dict[str, str]) -> None:
    known = sent | intercepted
    panels = json.loads(DASHBOARD.read_text())["panels"]
    texts = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    asked = {re.sub(r"_bucket$", "", name) for text in texts for name in re.findall(r"\b(gryphon_\w+)", text)}
    assert asked <= set(known)
    assert len(asked) > 20


def test_grafana_has_every_field_of_the_dashboard() -> None:
    """Grafana's own SDK, made of its schema, reads the file and writes the same."""
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models.dashboard import Dashboard

    given = json.loads(DASHBOARD.read_text())
    again = json.loads(JSONEncoder().encode(Dashboard.from_json(given)))
    assert _within(given, again) == []


def _within(given: object, again: object, where: str = "") -> list[str]:
    """Where something of the first is missing in the second, or another there."""
    if isinstance(given, dict):
        if not isinstance(again, dict):
            return [where]
        return [one for key in given for one in _within(given[key], again.get(key), f"{where}.{key}")]
    if isinstance(given, list):
        if not isinstance(again, list) or len(again) != len(given):
            return [where]
        pairs = enumerate(zip(given, again, strict=True))
        return [one for at, (a, b) in pairs for one in _within(a, b, f"{where}[{at}]")]
    return [] if given == again else [f"{where}: {given!r} {again!r}"]
