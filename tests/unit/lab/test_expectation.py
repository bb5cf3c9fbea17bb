"""What the lab expects of a replay, computed from what nginx logged while recording."""

from __future__ import annotations

from pathlib import Path

from gryphon.lab.recording import Recording
from gryphon.lab.servers import Request


def _request(path: str, status: int = 200) -> Request:
    return Request(1, "10.16.15.117", status, 0, "GET", path, "-")


def test_user_i_is_expected_to_ask_for_what_session_i_mod_n_asked_for() -> None:
    sessions = [[_request("/a"), _request("/b")], [_request("/a", 404)], [_request("/c")]]
    expected = Recording(Path("x"), sessions).expected(users=8)
    assert expected == {
        ("GET", "/a", 200): 3,
        ("GET", "/b", 200): 3,
        ("GET", "/a", 404): 3,
        ("GET", "/c", 200): 2,
    }


def test_sessions_without_a_user_are_not_expected() -> None:
    assert Recording(Path("x"), [[_request("/a")], [_request("/b")]]).expected(users=1) == {
        ("GET", "/a", 200): 1
    }
