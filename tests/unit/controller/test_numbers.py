"""What is no number on a command line ends in one sentence that says what to give."""

from __future__ import annotations

import subprocess

import pytest

from gryphon.controller.errors import InputFault
from gryphon.controller.numbers import decimal, whole
from gryphon.lab.commands import script


@pytest.mark.parametrize(("text", "value"), [("5", 5), ("-5", -5), (" 7 ", 7)])
def test_a_whole_number_is_taken(text: str, value: int) -> None:
    assert whole("-u", "1000")(text) == value


def test_defaults_pass_as_they_are() -> None:
    assert whole("-u", "1000")(1500) == 1500  # type: ignore[arg-type]
    assert decimal("-t", "10")(75) == 75.0  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["five", "", "1.5", "1e3", "0x10"])
def test_what_is_no_whole_number_is_said_with_an_example(text: str) -> None:
    with pytest.raises(InputFault) as caught:
        whole("-u", "1000")(text)
    assert str(caught.value) == f"-u {text}: that is no whole number; give one such as -u 1000"


@pytest.mark.parametrize("text", ["ten", "", "1,5", "5s"])
def test_what_is_no_number_is_said_with_an_example(text: str) -> None:
    with pytest.raises(InputFault) as caught:
        decimal("-t", "10")(text)
    assert str(caught.value) == f"-t {text}: that is no number; give one such as -t 10"


@pytest.mark.parametrize(
    ("command", "line", "said"),
    [
        ("gryphon", "send -u five", "-u five: that is no whole number; give one such as -u 1000"),
        ("gryphon", "send --users five", "-u five: that is no whole number; give one such as -u 1000"),
        ("gryphon", "send -t soon", "-t soon: that is no number; give one such as -t 10"),
        ("gryphon", "check -p http", "-p http: that is no whole number; give one such as -p 36524"),
        ("gryphon", "inspect --session first a.pcap", "--session first: that is no whole number; give one such as "),
        ("gryphon-intercept", "--linger ever", "--linger ever: that is no number; give one such as --linger 600"),
        ("gryphon-intercept", "--max-users many", "--max-users many: that is no whole number; give one such as "),
    ],
)
def test_both_commands_say_it_in_one_line_and_end_with_2(command: str, line: str, said: str) -> None:
    done = subprocess.run([script(command), *line.split()], capture_output=True, text=True, timeout=100)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{command}: {said}")
    assert done.stderr.count("\n") == 1
