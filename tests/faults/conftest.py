"""The faults share the lab, the server and the helpers of tests/netns."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "netns"))
from tests.netns.conftest import _machine, lab, nginx, recording

__all__ = ["_machine", "lab", "nginx", "recording"]
_FIGURES = Path(__file__).parents[2] / "build" / "faults.txt"


@pytest.fixture(scope="session")
def _figures() -> Iterator[list[str]]:
    lines: list[str] = []
    yield lines
    _FIGURES.parent.mkdir(exist_ok=True)
    _FIGURES.write_text("\n".join(lines) + "\n")


@pytest.fixture
def tell(
    _figures: list[str], request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], None]:
    """Prints a figure beside the test's name, and keeps it in build/faults.txt."""

    def say(figure: str) -> None:
        _figures.append(f"{request.node.name}: {figure}")
        with capsys.disabled():
            print(f"\n  {_figures[-1]}")

    return say
