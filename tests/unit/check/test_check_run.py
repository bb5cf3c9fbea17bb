"""A check's exit status and its JSON are what points and canaries come to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_up import AWAY, RANGE, SERVICE, spoiled

from gryphon.controller.errors import InputFault
from gryphon.sender.check import run as running
from gryphon.sender.check.canary import Outcome
from gryphon.sender.check.facts import Facts
from gryphon.sender.check.flight import Flight
from gryphon.sender.check.fly import Flown
from gryphon.sender.check.run import CheckOptions, run_check

RUN: dict[str, Any] = {"transfer": "80-10.16.15.118:80", "clients": "10.17.15.*"}


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs a check on a made-up host; ``outcome`` is how its canary ends."""
    monkeypatch.delenv("GRYPHON_TOKEN", raising=False)

    def run(facts: Facts = AWAY, outcome: Outcome | None = None, **options: Any) -> int:
        def fly(request: Any, facts: Any, tell: Callable[[str], None]) -> list[Flown]:
            assert outcome is not None, "no canary was to fly"
            tell("SYN sent")
            return [Flown(Flight(SERVICE, RANGE), outcome, ("SYN sent",), ())]

        monkeypatch.setattr(running, "gather", lambda asked: facts)
        monkeypatch.setattr(running, "fly", fly)
        return run_check(CheckOptions(**options))

    return run


def test_a_host_that_lacks_nothing_is_well(checked: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(roles=("sender",), **RUN) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("points, nothing to mend")


def test_one_point_to_mend_is_status_3(checked: Any) -> None:
    assert checked(spoiled(AWAY, raw=False), roles=("sender",), **RUN) == 3


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_canary_that_did_not_connect_is_status_3(checked: Any, outcome: Outcome) -> None:
    status = checked(outcome=outcome, intercept="10.16.15.119", token="known", **RUN)
    assert status == (0 if outcome is Outcome.CONNECTED else 3)


@pytest.mark.parametrize("missing", ["transfer", "clients", "intercept"])
def test_without_a_whole_run_none_flies(checked: Any, missing: str) -> None:
    whole = RUN | {"intercept": "10.16.15.119"}
    assert checked(**{name: text for name, text in whole.items() if name != missing}) == 0


def test_a_missing_token_is_said_before_anything_is_looked_at(checked: Any) -> None:
    with pytest.raises(InputFault, match=r"no token for the intercept at 10.16.15.119: .* without -s this host"):
        checked(outcome=None, intercept="10.16.15.119", **RUN)


def test_standard_output_has_the_json_alone(checked: Any, capsys: pytest.CaptureFixture[str]) -> None:
    checked(outcome=Outcome.SILENT, intercept="10.16.15.119", token="known", json="-", **RUN)
    document = json.loads(capsys.readouterr().out)
    assert (document["exit_status"], document["roles"]) == (3, ["sender"])
    assert document["canaries"][0]["outcome"] == "silent"
    assert {"role", "point", "verdict", "seen", "mend", "needed"} <= set(document["points"][0])


def test_a_file_that_cannot_be_written_is_one_sentence(checked: Any, tmp_path: Path) -> None:
    with pytest.raises(InputFault, match=r"the result cannot be written to .*: No such file or directory"):
        checked(json=str(tmp_path / "none" / "check.json"), **RUN)
