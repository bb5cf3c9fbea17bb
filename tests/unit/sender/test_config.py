"""`--config` holds any option, the command line wins, and `--print-config` writes what `--config` reads."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

GRYPHON = Path(sys.executable).with_name("gryphon")
RUN = """
transfer = "80-10.16.15.118:80"
file = "recorded.pcap"
intercept = "xdp:eth0"
clients = "10.17.15.*"
users = 500
accelerate = "max"
fail-if = ["p99>200ms", "failed>1%"]
strict = true
"""


@pytest.fixture
def held(tmp_path: Path) -> Path:
    (tmp_path / "recorded.pcap").write_bytes(b"")
    path = tmp_path / "run.toml"
    path.write_text(RUN)
    return path


def printed(held: Path, *more: str) -> dict[str, Any]:
    done = send(held, *more)
    assert done.returncode == 0, done.stderr
    return tomllib.loads(done.stdout)


def send(held: Path, *more: str) -> subprocess.CompletedProcess[str]:
    line = [GRYPHON, "send", "--config", held, "--print-config", *more]
    return subprocess.run(line, capture_output=True, text=True, check=False, cwd=held.parent)


def test_the_file_s_options_are_in_effect_and_the_others_have_their_defaults(held: Path) -> None:
    options = printed(held)
    assert options["users"] == 500
    assert options["fail-if"] == ["p99>200ms", "failed>1%"]
    assert options["strict"] is True
    assert (options["mtu"], options["transmit"]) == (1500, "raw")
    assert not {"config", "print-config", "token", "help"} & set(options)


def test_the_command_line_wins(held: Path) -> None:
    options = printed(held, "-u", "7", "--fail-if", "none", "--skip-rejected", "-c", "10.17.16.0/24")
    assert (options["users"], options["fail-if"], options["strict"]) == (7, ["none"], False)
    assert options["clients"] == "10.17.16.0/24"


def test_what_is_printed_is_read_again_as_the_same(held: Path) -> None:
    first = send(held).stdout
    (held.parent / "again.toml").write_text(first)
    assert send(held.parent / "again.toml").stdout == first


def test_a_result_repeats_its_run(held: Path) -> None:
    result = held.parent / "result.json"
    result.write_text(json.dumps({"version": "0.1.0", "options": printed(held)}))
    assert printed(result) == printed(held)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("userz = 5", "userz is no option of gryphon send, did you mean users?"),
        ("fail_if = 5", "did you mean fail-if?"),
        ("users = true", "users = true is not a text or a number"),
        ("strict = 1", "strict = 1 is not true or false"),
        ("[users]\na = 1", "is not a text or a number"),
        ("users = ", "is no TOML"),
        ('{"version": 1}', "no result of gryphon send"),
        ('users = "many"', 'users = "many" is not a whole number'),
    ],
)
def test_what_is_wrong_in_a_file_gets_one_sentence(held: Path, text: str, sentence: str) -> None:
    held.write_text(
        text
        if text.startswith("{")
        else "\n".join([line for line in RUN.splitlines() if "users" not in line and "strict" not in line] + [text])
    )
    done = send(held)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("text", ["[1]", "[]", '"x"', "{}", '{"options": [1]}', '{"options": {', ""])
def test_json_that_is_no_result_is_called_so(held: Path, text: str) -> None:
    path = held.parent / "other.json"
    path.write_text(text)
    done = send(path)
    assert done.returncode == 2
    assert "other.json is JSON, but no result of gryphon send" in done.stderr


@pytest.mark.parametrize(
    ("lacking", "said"),
    [({"users"}, "-u is missing"), ({"users", "transfer", "clients"}, "-x, -c and -u are missing")],
)
def test_what_neither_line_nor_file_has_is_named_at_once(held: Path, lacking: set[str], said: str) -> None:
    held.write_text("\n".join(line for line in RUN.splitlines() if line.partition(" ")[0] not in lacking))
    done = send(held)
    assert done.returncode == 2
    assert f"gryphon: {said}, here and in --config" in done.stderr


def test_help_says_that_a_file_can_have_what_is_required() -> None:
    shown = subprocess.run([GRYPHON, "send", "-h"], capture_output=True, text=True, check=True).stdout
    assert " ".join(shown.split()).count("Required, here or in --config.") == 5
    assert "[required]" not in shown


def test_a_file_that_is_not_there_is_named(held: Path) -> None:
    done = send(held.parent / "nowhere.toml")
    assert done.returncode == 2
    assert "nowhere.toml cannot be read: No such file" in done.stderr


def test_a_token_in_a_file_works_and_is_never_printed(held: Path) -> None:
    held.write_text(RUN + 'token = "secret of ours"\n')
    assert "secret" not in send(held).stdout
