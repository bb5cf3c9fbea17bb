"""Thousands of warped conversations into both ends of the channel, and a fuzzer that sees what is broken."""

from __future__ import annotations

import secrets
from pathlib import Path
from random import Random
from typing import Any

import pytest

from gryphon.controller import desk, policy
from gryphon.controller.client import Channel
from gryphon.controller.peer import Peer
from tests.fuzz.conversation import Warper
from tests.fuzz.ends import attack, intercept_steps, known_nonce, sender_steps
from tests.fuzz.find import Find
from tests.fuzz.supervise import Supervisor


@pytest.mark.parametrize("first", [0, secrets.randbits(40)], ids=["fixed", "fresh"])
def test_conversations_end_in_a_grant_or_a_sentence(first: int) -> None:
    granted = [0, 0]
    with known_nonce():
        for seed in range(first, first + 400):
            granted[seed % 2] += attack(seed)
    assert all(10 < got < 190 for got in granted), f"{granted} with the first seed {first}"


def test_the_engine_counts_and_finds_nothing(tmp_path: Path, capfd: Any) -> None:
    assert Supervisor(tmp_path, 1, 7).run("channel", 60, executions=100) == 0
    assert "channel: 100 executions" in capfd.readouterr().out


def _attack_all(seeds: range) -> None:
    for seed in seeds:
        attack(seed)


def _nothing(*_: Any, **__: Any) -> None:
    return None


@pytest.mark.parametrize(
    ("broken", "with_what"),
    [
        ((Peer, "prove"), lambda peer, message, token: setattr(peer, "stage", desk.Stage.REQUEST)),
        ((desk.Desk, "_end"), _nothing),
        ((desk, "parse_request"), lambda message: message["services"][7]),
        ((Channel, "_note"), lambda channel, pong: pong["sent"] + pong["more"]),
        ((policy, "collapse"), lambda ranges: 1 // 0),
    ],
)
def test_what_is_broken_is_found(broken: tuple[Any, str], with_what: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*broken, with_what)
    if broken[1] == "collapse":
        monkeypatch.setattr("gryphon.controller.leases.collapse", with_what)
    with known_nonce(), pytest.raises((Find, LookupError, AssertionError, ZeroDivisionError)):
        _attack_all(range(2000))


def test_the_same_seed_says_the_same() -> None:
    one, other = (
        Warper(Random(3)).stream(sender_steps(Random(3), "t") + intercept_steps(Random(3), "t")) for _ in "ab"
    )
    assert one == other
