"""The commands of the tutorial and the how-to pages run as written, and print what the pages say.

All of them take some minutes: `make documented` runs them. The suite has one, and parses every
command (tests/unit/manual).
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from documenting import Reader

from gryphon.lab import leftovers
from gryphon.lab.hosts import Lab
from gryphon.lab.servers import Nginx
from gryphon.lab.servers.mosquitto import Mosquitto
from gryphon.lab.servers.redis import Redis
from manual.console import read
from manual.tables import ROOT

DOCS = ROOT / "docs"
EACH = sorted(path.name for path in (DOCS / "howto").glob("*.md") if path.name != "README.md")
ALL = os.environ.get("GRYPHON_DOCUMENTED") == "all"
PAGES = EACH if ALL else ["ci.md"]


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The prefix of a kept lab that is not the one of the demo, which a user may have."""
    name = f"gldocs{os.getpid()}-"
    monkeypatch.setattr(leftovers, "KEPT", name)
    yield name
    leftovers.remove(name)


def _the_tutorial(kept: str, tmp_path: Path) -> None:
    assert "\n".join(Reader(kept, tmp_path).follow(read(DOCS / "tutorial.md"))) == ""
    assert not leftovers.directory(kept).exists(), "its last command removes what its first one made"


if ALL:
    test_the_tutorial = pytest.mark.timeout(600)(_the_tutorial)


@pytest.fixture(scope="module")
def served(lab: Lab, nginx: Nginx) -> Iterator[Lab]:
    """A lab with the servers that the pages load."""
    with Mosquitto(lab), Redis(lab):
        yield lab


@pytest.mark.parametrize("name", PAGES)
def test_a_page(served: Lab, tmp_path: Path, name: str) -> None:
    token = tmp_path / "token"
    token.write_text(secrets.token_hex(16))
    token.chmod(0o600)
    assert "\n".join(Reader(served.prefix, tmp_path).follow(read(DOCS / "howto" / name))) == ""
