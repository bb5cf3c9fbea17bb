"""What the lab expects of a replay, computed from what nginx logged while recording."""

from __future__ import annotations

from pathlib import Path

from gryphon.lab.recording import Recording
from gryphon.lab.servers import Request


def _request(path: str) -> Request:
    return Request(1, "10.16.15.117", 200, 0, "GET", path, "-")


def test_user_i_repeats_what_session_i_mod_n_asked_for() -> None:
    sessions = [[_request("/a"), _request("/b")], [_request("/c")], [_request("/d")]]
    repeated = [request.path for request in Recording(Path("x"), 4, sessions).replayed(users=5)]
    assert repeated == ["/a", "/b", "/c", "/d", "/a", "/b", "/c"]


def test_sessions_without_a_user_are_not_repeated() -> None:
    repeated = Recording(Path("x"), 4, [[_request("/a")], [_request("/b")]]).replayed(users=1)
    assert [request.path for request in repeated] == ["/a"]
