"""Where the answers are dropped (``-s``), and several intercepts as one source of records."""

from __future__ import annotations

import socket
import time
from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gryphon.controller.ended import Ended
from gryphon.controller.errors import EnvironmentFault, InputFault
from gryphon.controller.record import RECORD
from gryphon.controller.samples import sampled
from gryphon.sender import intercepts
from gryphon.sender.intercepts import (
    GENERATION,
    Intercepts,
    Place,
    addresses_of,
    open_intercepts,
    parse_places,
    taken_addresses,
)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("10.16.15.118", Place("10.16.15.118", 36524)),
        ("10.16.15.118:4000", Place("10.16.15.118", 4000)),
        ("helper.example:4000", Place("helper.example", 4000)),
        ("[fd00::118]:4000", Place("fd00::118", 4000)),
        ("[fd00::118]", Place("fd00::118", 36524)),
        ("xdp:eth0", Place(hook="xdp", interface="eth0")),
        ("tc:eth0", Place(hook="tc", interface="eth0")),
    ],
)
def test_each_form_of_a_place(text: str, place: Place) -> None:
    assert parse_places(text, 36524) == [place]


def test_several_places_keep_their_order() -> None:
    assert [place.host or place.hook for place in parse_places("a, xdp:eth0,b", 1)] == ["a", "xdp", "b"]


@pytest.mark.parametrize(
    "text", ["", " , ", "xdp:", "tc:", "a:0", "a:65536", "a:b", "fd00::118", "fd00::118:80", "[fd00::1"]
)
def test_a_wrong_place_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(InputFault, match="intercept") as caught:
        parse_places(text, 36524)
    assert caught.value.status == 2


def test_a_bare_interface_is_told_from_a_host() -> None:
    with pytest.raises(InputFault, match="'lo' is an interface of this host: write xdp:lo, or tc:lo"):
        parse_places("lo", 36524)


class Fake:
    """An intercept with records waiting."""

    def __init__(
        self, generation: int, services: list[int], batches: list[Any], idle: bool = True, sample: int = 0
    ) -> None:
        self.grant = SimpleNamespace(generation=generation, services=services, sample=sample)
        self.batches, self.idle, self.armed, self.closed = batches, idle, False, list[bool]()
        self._ends = socket.socketpair()

    def read(self) -> Any:
        return self.batches.pop(0) if self.batches else np.zeros(0, sampled(self.grant.sample))

    def fileno(self) -> int:
        return self._ends[0].fileno()

    def wake(self) -> None:
        self._ends[1].send(b"x")

    def arm(self) -> bool:
        self.armed = True
        return self.idle

    def disarm(self) -> None:
        self.armed = False

    def close(self, clean: bool = True, how: Ended = Ended.OVER) -> str | None:
        self.closed.append(clean)
        for end in self._ends:
            end.close()
        return "something stays" if not clean else None


def _records(generation: int, service: int, count: int = 1, sample: bytes = b"") -> Any:
    records = np.zeros(count, sampled(len(sample)))
    if sample:
        records["sample"], records["sample_length"] = np.frombuffer(sample, np.uint8), len(sample)
    records["generation"], records["service"] = generation, service
    return records


def test_records_are_renumbered_to_the_runs_services_and_generation() -> None:
    """Each intercept has its own numbers for the same services."""
    first, second = Fake(40, [7, 3], [_records(40, 3)]), Fake(900, [0, 1], [_records(900, 0, 2)])
    records, _ = Intercepts([first, second], 2).read()
    assert list(records["service"]) == [1, 0, 0]
    assert list(records["generation"]) == [GENERATION] * 3


def test_records_of_another_grant_or_service_are_nobodys() -> None:
    records, _ = Intercepts([Fake(40, [7], [_records(41, 7)])], 1).read()
    assert records["generation"][0] != GENERATION
    records, _ = Intercepts([Fake(40, [7], [_records(40, 8)])], 1).read()
    assert records["service"][0] == 0xFFFF


def test_nothing_to_read_is_an_empty_batch() -> None:
    records, samples = Intercepts([Fake(1, [0], [], sample=8), Fake(1, [0], [], sample=8)], 1).read()
    assert (len(records), records.dtype, samples.shape) == (0, RECORD, (0, 8))


def test_samples_come_beside_their_records() -> None:
    first = Fake(40, [7], [_records(40, 7, 2, b"HTTP/1.1")], sample=8)
    second = Fake(41, [0], [_records(41, 0, 1, b"+PONG\r\n\0")], sample=8)
    batch = Intercepts([first, second], 1).read()
    assert [bytes(sample) for sample in batch.samples] == [b"HTTP/1.1"] * 2 + [b"+PONG\r\n\0"]
    assert (batch.records.dtype, batch.records["generation"].tolist()) == (RECORD, [GENERATION] * 3)
    assert batch.records.flags.c_contiguous
    assert batch.samples.flags.c_contiguous


def test_without_samples_there_is_a_row_of_no_bytes_for_each_record() -> None:
    assert Intercepts([Fake(40, [7], [_records(40, 7, 3)])], 1).read().samples.shape == (3, 0)


def test_what_the_run_needs_is_asked_for_at_every_place(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def local(hook: str, interface: str, *, sample: int, **_: Any) -> Fake:
        asked.append((interface, sample))
        return Fake(1, [], [], sample=sample)

    def remote(host: str, *_: Any, sample: int, **__: Any) -> Fake:
        asked.append((host, sample))
        return Fake(1, [], [], sample=sample)

    monkeypatch.setattr("gryphon.controller.local.LocalIntercept.attach", local)
    monkeypatch.setattr("gryphon.controller.client.Channel.connect", remote)
    with open_intercepts(parse_places("a,xdp:eth0", 1), "token", [], [], "auto", sample=32) as opened:
        assert opened.read().samples.shape == (0, 32)
    assert asked == [("a", 32), ("eth0", 32)]


def test_wait_does_not_sleep_when_one_has_records_already() -> None:
    source = Intercepts([Fake(1, [0], []), Fake(1, [0], [], idle=False)], 1)
    begun = time.monotonic()
    source.wait(30.0)
    assert time.monotonic() - begun < 15.0
    assert not any(fake.armed for fake in source.opened)  # type: ignore[attr-defined]


def test_wait_ends_when_any_of_them_wakes() -> None:
    fakes = [Fake(1, [0], []), Fake(1, [0], [])]
    fakes[1].wake()
    begun = time.monotonic()
    Intercepts(fakes, 1).wait(30.0)
    assert time.monotonic() - begun < 15.0


def test_close_tells_every_intercept_and_gathers_what_stays() -> None:
    fakes = [Fake(1, [0], []), Fake(1, [0], [])]
    assert Intercepts(fakes, 1).close(clean=False) == ["something stays"] * 2
    assert [fake.closed for fake in fakes] == [[False], [False]]


def test_a_grant_at_every_place_or_at_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second place refuses: the first one's grant is given back."""
    first = Fake(1, [0], [])

    def opened(place: Place, *_: Any) -> Fake:
        if place.host == "b":
            raise EnvironmentFault("nobody there")
        return first

    monkeypatch.setattr(intercepts, "_open", opened)
    with pytest.raises(EnvironmentFault):
        open_intercepts(parse_places("a,b", 1), "token", [], [], "auto")
    assert first.closed == [True]


def test_the_addresses_of_servers_intercepts_this_host_and_its_surroundings_are_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gateway = (ip_address("10.16.15.1"), "a gateway of this host")
    monkeypatch.setattr(intercepts, "own_addresses", lambda: [ip_address("10.16.15.117")])
    monkeypatch.setattr(intercepts, "surroundings", lambda: [gateway])
    taken = taken_addresses([(ip_address("10.16.15.118"), 80)], parse_places("10.16.17.119,xdp:eth0,[fd00::119]:1", 1))
    assert taken == [
        (ip_address("10.16.15.118"), "the server under test"),
        (ip_address("10.16.15.117"), "an address of this host"),
        (ip_address("10.16.17.119"), "the intercept's host"),
        (ip_address("fd00::119"), "the intercept's host"),
        gateway,
    ]


def test_a_host_that_is_not_known_has_no_address() -> None:
    assert addresses_of("no such host") == set()


def test_a_remote_intercept_needs_a_token() -> None:
    with pytest.raises(InputFault, match="GRYPHON_TOKEN"):
        open_intercepts(parse_places("192.0.2.1", 1), None, [], [], "auto")
