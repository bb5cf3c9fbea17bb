"""The command refuses wrong options with a sentence, and shows rows as lines."""

from __future__ import annotations

import subprocess
import sys

import pytest
from made_up import AWAY, HEALTHY, SENDER, SERVER, SERVICE, rows, spoiled
from typer.testing import CliRunner

from gryphon.controller.errors import InputFault
from gryphon.sender.check.facts import Asked
from gryphon.sender.check.show import lines
from gryphon.sender.cli import app


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--role", "client"], "--role client: give sender, server or assistant"),
        (["-u", "0"], "at least one user is needed"),
        (["-p", "70000"], "give a TCP port"),
        (["--xdp-mode", "fast"], "give auto, native or generic"),
        (["-x", "80"], "write RECORDED_PORT-SERVER:PORT"),
        (["-c", "nowhere"], "is not a forged range"),
        (["-s", "a:b:c"], "is no intercept"),
        (["-x", "80-10.0.0.1:80", "-c", "fd00::/64"], "is IPv6 and the server 10.0.0.1 is IPv4"),
    ],
)
def test_a_wrong_option_is_one_sentence(words: list[str], sentence: str) -> None:
    result = CliRunner().invoke(app, ["check", *words])
    assert isinstance(result.exception, InputFault)
    assert sentence in str(result.exception)


def test_each_point_is_a_line_with_the_command_where_there_is_something_to_mend() -> None:
    shown = lines(rows(spoiled(listeners={SERVICE: None}), SERVER), SERVER)
    (line,) = [line for line in shown if line.startswith("not ")]
    assert line.endswith(
        "server    listening: nothing listens at 10.16.15.118:80  ->  start the server, and see ss -ltn 'sport = :80'"
    )
    assert shown[-1] == f"1 of {len(shown) - 1} points to mend"
    assert lines(rows(HEALTHY, SERVER), SERVER)[-1].endswith("points, nothing to mend")


def test_what_is_missing_but_not_needed_is_told_apart() -> None:
    shown = lines(rows(spoiled(AWAY, live_frames=False), SENDER), SENDER)
    assert any(line.startswith("not (unneeded)") for line in shown)
    assert shown[-1].endswith("nothing to mend")


def test_who_says_no_role_is_told_how() -> None:
    assert "add --role sender, server or assistant" in lines(rows(AWAY, Asked()), Asked())[-2]


def test_the_command_line_loads_nothing_heavy_until_it_runs() -> None:
    code = "import sys, gryphon.sender.cli\nprint({'numpy', 'numba', 'pyroute2', 'bcc'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
