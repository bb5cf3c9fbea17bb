"""docs/reference.md says what the code does: statuses, variables, fields, columns, and the form of a log line."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gryphon.controller.errors import EnvironmentFault, InputFault
from gryphon.sender.report.table import to_csv
from gryphon.sender.results.thresholds import load_schema
from gryphon.sender.results.verdict import EXIT_STATUS
from manual.tables import ROOT

PAGE = (ROOT / "docs/reference.md").read_text()
SCHEMA = load_schema()
_UNITS = {"ms": "millisecond", "us": "microsecond", "s": "second", "bytes": "byte"}


def first_column(heading: str) -> list[str]:
    """Names in the first column of the tables of a section."""
    part = re.split(r"^#{2,3} ", PAGE.split(f" {heading}\n", 1)[1], flags=re.M)[0]
    return re.findall(r"^\| `([^`]+)` \|", part, re.M)


def fields(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field below a node of the schema; what is defined elsewhere has a section of its own."""
    for name, child in node.get("properties", {}).items():
        yield path + name, child
        if "properties" in child:
            yield from fields(child, f"{path}{name}.")
        if "items" in child:
            yield from fields(child["items"], f"{path}{name}[].")


@pytest.mark.parametrize("section", ["The whole", *SCHEMA["$defs"]])
def test_every_field_of_the_result_file_is_there_and_no_other(section: str) -> None:
    node = SCHEMA if section == "The whole" else SCHEMA["$defs"][section]
    assert first_column(section) == [name for name, _ in fields(node)]


def test_every_field_has_its_meaning_and_figures_have_their_unit() -> None:
    part = PAGE.split("\n## The result file\n")[1]
    for name, meaning in re.findall(r"^\| `([^`]+)` \| [^|]+ \| (.*) \|$", part, re.M):
        assert len(meaning) > 4, name
        unit = _UNITS.get(re.split(r"[._]", name)[-1])
        is_object = name in ("bytes", "latency_ms")  # whose fields have it
        assert unit is None or is_object or unit in meaning.lower(), (name, meaning)


def test_exit_statuses_are_those_of_faults_and_verdicts() -> None:
    table = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|$", PAGE.split("## Environment")[0], re.M))
    assert {name: int(status) for name, status in table.items()} == EXIT_STATUS
    statuses = [int(text) for text in re.findall(r"^\| (\d+) \| ", PAGE, re.M)]
    assert statuses == sorted({0, 1, InputFault.status, EnvironmentFault.status, *EXIT_STATUS.values()})


def test_the_environment_variables_are_those_that_the_code_reads() -> None:
    read = {"NO_COLOR", "GRYPHON_TOKEN"}  # rich reads the first; the second by its name's constant
    for folder in ("bpf", "controller", "intercept", "sender", "lab"):
        for path in (ROOT / folder).rglob("*.py"):
            read |= set(re.findall(r"environ(?:\.get\(|\[)\s*\"(\w+)\"(?!\] =)", path.read_text()))
    assert set(first_column("Environment variables")) == read - {"BCC_KERNEL_SOURCE"}


def test_the_csv_has_the_columns_that_are_told() -> None:
    names = to_csv({"series": []}).strip().split(",")
    steps = [name for name in first_column("step") if name != "failed_by"]
    assert names == steps + [f"failed_{reason}" for reason in first_column("failed")]


def test_log_lines_have_the_form_that_is_shown(tmp_path: Path) -> None:
    from gryphon.intercept.logs import open_log

    shown = [line.strip() for line in PAGE.split("## Log lines")[1].split("##")[0].splitlines() if line[:4] == "    "]
    path = tmp_path / "error_intercept.log"
    open_log(path, logging.INFO).info(shown[1].split(" INFO ")[1])
    form = re.sub(r"\d", "0", path.read_text().strip())
    assert form == re.sub(r"\d", "0", shown[1])
