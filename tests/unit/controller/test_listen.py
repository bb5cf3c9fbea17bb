"""Addresses to listen at: what each form means, one sentence for each mistake, sockets where they were asked for."""

from __future__ import annotations

import socket

import pytest

from gryphon.controller.errors import EnvironmentFault, InputFault
from gryphon.controller.listen import bind, parse_listen, show


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        (":36524", (None, 36524)),
        ("", (None, 36524)),
        ("*:80", (None, 80)),
        ("10.1.2.3", ("10.1.2.3", 36524)),
        ("10.1.2.3:0", ("10.1.2.3", 0)),
        ("[fd00::1]:99", ("fd00::1", 99)),
        ("[fd00::1]", ("fd00::1", 36524)),
        ("fd00::1", ("fd00::1", 36524)),
    ],
)
def test_it_is_an_address_a_port_or_both(text: str, meaning: tuple[str | None, int]) -> None:
    assert parse_listen("--listen", text, 36524) == meaning


@pytest.mark.parametrize("text", ["eth0:80", "10.1.2.3:x", "10.1.2.3:65536", "10.1.2:80", ":-1", "1.2.3.4:5:6"])
def test_what_cannot_be_listened_at_is_said(text: str) -> None:
    with pytest.raises(InputFault, match="--listen '"):
        parse_listen("--listen", text, 36524)


@pytest.mark.parametrize("text", ["", "10.1.2.3", "[fd00::1]", "fd00::1"])
def test_without_a_default_the_port_is_asked_for(text: str) -> None:
    with pytest.raises(InputFault, match=r"--metrics '.*': the port is missing, write ADDR:PORT or :PORT"):
        parse_listen("--metrics", text)


def test_no_address_is_all_of_them() -> None:
    with bind("--listen", None, 0) as sock:
        sock.listen()
        socket.create_connection(("127.0.0.1", sock.getsockname()[1]), timeout=5).close()


def test_what_is_taken_names_the_option() -> None:
    with bind("--metrics", "127.0.0.1", 0) as sock:
        sock.listen()
        where = show(*sock.getsockname()[:2])
        with pytest.raises(EnvironmentFault, match=f"cannot listen at {where} .*: --metrics names another"):
            bind("--metrics", *sock.getsockname()[:2])
