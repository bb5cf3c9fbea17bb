"""The manual pages are those of the commands as they are, and the docs' tables have every option and no other."""

from __future__ import annotations

import os
import shutil
import subprocess
import tomllib
from typing import Any

import pytest

from manual import roff
from manual.pages import PAGES, TEXTS, all_pages, invented, undocumented

EACH = [pytest.param(page, id=page["name"]) for page in tomllib.loads(TEXTS.read_text())["page"]]


@pytest.mark.parametrize("page", [one for one in EACH if "table" in one.values[0]])  # type: ignore[operator]
class TestTables:
    def test_every_option_is_in_the_docs(self, page: dict[str, Any]) -> None:
        assert undocumented(page) == []

    def test_the_docs_have_no_option_that_is_not_there(self, page: dict[str, Any]) -> None:
        assert invented(page) == []


def test_the_pages_in_the_project_are_current() -> None:
    """`python -m manual` writes them."""
    assert {path.name: path.read_text() for path in PAGES.iterdir()} == all_pages()


def mandoc() -> str:
    found = shutil.which("mandoc")
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("mandoc is not installed: run `make setup`")
    return found


@pytest.mark.parametrize(
    "name", sorted(f"{one['name']}.{one['section']}" for one in tomllib.loads(TEXTS.read_text())["page"])
)
def test_mandoc_finds_nothing_wrong(name: str) -> None:
    done = subprocess.run([mandoc(), "-T", "lint", "-W", "warning", str(PAGES / name)], capture_output=True, text=True)
    # a reference to a page that is not installed here is a matter of the machine
    found = [line for line in done.stdout.splitlines() if "referenced manual not found" not in line]
    assert found == []


def test_text_that_looks_like_a_request_stays_text() -> None:
    assert roff.inline(".so /etc/passwd") == "\\&.so /etc/passwd"
    assert roff.inline("a\\b `--x-y`") == "a\\eb \\fB\\-\\-x\\-y\\fR"
    assert roff.inline("[the docs](docs/x.md) say **so**") == "the docs say \\fBso\\fR"
