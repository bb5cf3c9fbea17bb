"""No answer, no run: what was opened is given back, resets follow, and the sentence says what to mend."""

from __future__ import annotations

from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from asking import PAIR, record

from gryphon.controller.ended import Ended
from gryphon.controller.errors import EnvironmentFault, GrantLost
from gryphon.controller.record import RECORD
from gryphon.sender.check import exchange
from gryphon.sender.check.facts import Facts
from gryphon.sender.check.segments import ACK, RST, SYN
from gryphon.sender.consent import ask, probes, refusal
from gryphon.sender.consent.shown import Shown
from gryphon.sender.divide import share_out
from gryphon.sender.intercepts import Place
from gryphon.sender.ranges import parse_pool
from gryphon.sender.transmit.interface import SendError

SERVICE = PAIR.service
GRANT = "xdp on eth0 (native)"


class Wire:
    """A transmitter whose packets a server answers with these flags; None: it is silent."""

    def __init__(self, flags: int | None, refused: str = "", sources: list[Source] | None = None) -> None:
        self.flags, self.refused, self.sources = flags, refused, sources or []
        self.sent: list[tuple[int, int]] = []

    def send(self, packets: Any) -> int:
        for one in packets:
            self.sent.append((int(one["port"]), int(one["flags"])))
            if one["flags"] == SYN and self.flags is not None:
                pair = PAIR._replace(address=ip_address(int(one["source_lo"]) & 0xFFFFFFFF), port=int(one["port"]))
                answer = record(pair._replace(isn=int(one["seq"])), self.flags, generation=1)
                for source in self.sources:
                    source.waiting.append(answer)
        return len(packets)

    def errors(self) -> dict[str, SendError]:
        return {self.refused: SendError(1, "a SYN")} if self.refused and self.sent else {}


class Source:
    """The open intercepts of a share; those of any share see every answer, as nobody else's grant would be."""

    def __init__(self, generation: int = 1, lost: GrantLost | None = None) -> None:
        self.generation, self.lost = generation, lost
        self.waiting: list[Any] = []
        self.closed: list[bool] = []
        self.opened = [SimpleNamespace(grant=SimpleNamespace(intercept=GRANT), arm=lambda: False, disarm=lambda: None)]

    def read(self) -> Any:
        if self.lost:
            raise self.lost
        records, self.waiting = np.concatenate([np.zeros(0, RECORD), *self.waiting]), []
        return SimpleNamespace(records=records)

    def close(self, clean: bool, how: Ended) -> None:
        assert how is Ended.UNSTARTED
        self.closed.append(clean)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A patience of milliseconds, and a host of which nothing is known."""
    monkeypatch.setattr(probes, "AGAIN_NS", (1_000_000, 2_000_000, 3_000_000))
    monkeypatch.setattr(probes, "PATIENCE_NS", 50_000_000)
    monkeypatch.setattr(exchange, "_LAST_S", 0.0)
    monkeypatch.setattr(refusal, "gather_quick", lambda asked: Facts())


def asking(wire: Wire, sources: list[Source], threads: int = 1) -> Shown:
    shares = share_out(parse_pool("10.17.15.*"), threads, 10)
    prepared = SimpleNamespace(
        shares=shares, transfers=SimpleNamespace(services=[SERVICE]), options=SimpleNamespace(mtu=1500)
    )
    wire.sources = sources
    places = [Place("10.16.15.119", 36524)]
    return ask.ask_consent(cast(Any, prepared), places, cast(Any, sources), cast(Any, wire))


@pytest.mark.parametrize(("flags", "answer"), [(SYN | ACK, "syn-ack"), (RST | ACK, "reset")])
def test_an_answered_syn_lets_the_run_begin_and_is_told(flags: int, answer: str) -> None:
    wire, source = Wire(flags), Source()
    shown = asking(wire, [source])
    (row,) = shown.document()["answers"]
    assert (row["server"], row["range"], row["answer"]) == ("10.16.15.118:80", "10.17.15.0/24", answer)
    assert shown.document()["intercepts"] == [GRANT]
    assert [sent for _, sent in wire.sent] == ([SYN, RST] if answer == "syn-ack" else [SYN])
    assert source.closed == []


def test_each_share_is_answered_under_its_own_grant() -> None:
    sources = [Source(), Source()]
    shown = asking(Wire(SYN | ACK), sources, threads=2)
    assert len(shown.probes) == shown.pairs == 2


def test_silence_ends_in_one_fault_with_the_likeliest_causes() -> None:
    wire, source = Wire(None), Source()
    with pytest.raises(EnvironmentFault) as caught:
        asking(wire, [source])
    sentence, *causes = str(caught.value).splitlines()
    assert sentence.startswith(f"no consent, no traffic: {GRANT} saw no answer of 10.16.15.118:80 to 10.17.15.")
    assert sentence.endswith("so the run does not start")
    assert causes[0].startswith("1. the server has no route for 10.17.15.0/24 via the assistant")
    assert causes[0].endswith("on the server: ip route replace 10.17.15.0/24 via 10.16.15.119")
    assert len(causes) == 4
    assert "gryphon check --role server" in causes[-1]
    assert caught.value.status == 3
    sent = [flags for _, flags in wire.sent]
    assert sent == [SYN] * (len(sent) - 1) + [RST]
    assert len(sent) > 2
    assert source.closed == [True]


def test_the_answers_of_another_grant_are_silence() -> None:
    with pytest.raises(EnvironmentFault, match="no consent, no traffic"):
        asking(Wire(SYN | ACK), [Source(generation=2)])


def test_what_this_host_refuses_to_send_is_said_at_once() -> None:
    wire, source = Wire(None, refused="EPERM"), Source()
    with pytest.raises(EnvironmentFault, match=r"this host refused to send a SYN .* \(EPERM\)") as caught:
        asking(wire, [source])
    assert "1. a rule of this host's firewall" in str(caught.value)
    assert [flags for _, flags in wire.sent].count(SYN) == 1
    assert source.closed == [True]


def test_a_grant_that_is_lost_meanwhile_sends_nothing_more() -> None:
    wire, source = Wire(None), Source(lost=GrantLost("the intercept is gone"))
    with pytest.raises(GrantLost):
        asking(wire, [source])
    assert [flags for _, flags in wire.sent] == [SYN]
    assert source.closed == [True]


def test_an_interrupt_resets_what_may_have_been_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ask, "wait_for", interrupted)
    wire, source = Wire(None), Source()
    with pytest.raises(KeyboardInterrupt):
        asking(wire, [source])
    assert [flags for _, flags in wire.sent] == [SYN, RST]
    assert source.closed == [True]


def test_a_device_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    class Jammed(Wire):
        def send(self, packets: Any) -> int:
            return 0

        def wait_writable(self, timeout_s: float) -> None:
            pass

    monkeypatch.setattr(exchange, "_STUCK_S", 0.01)
    with pytest.raises(EnvironmentFault, match="the device has taken no packet"):
        asking(Jammed(None), [Source()])
