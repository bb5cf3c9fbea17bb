"""The comparison agrees only when every count does, and says which does not."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from gryphon.lab.clients import RealClients
from gryphon.lab.recording import Recording, upload
from gryphon.lab.servers import Request, Served
from gryphon.lab.tally import Row, compare, table
from gryphon.lab.wiring import LINKS


class _Clients(RealClients):
    """Clients that have been: two connections, both answered."""

    def __init__(self) -> None:
        self.statuses = ["200", "200"]
        self.seconds = [0.001, 0.001]


@pytest.fixture
def stored(tmp_path: Path) -> str:
    path = tmp_path / "0000000001"
    path.write_bytes(upload())
    return str(path)


def _get(client: str, connection: int, status: int = 200) -> Request:
    return Request(connection, client, status, 850, "GET", "/", "-")


def _rows(stored: str, *, users: int = 3, **changed: Any) -> list[Row]:
    """Three users: two of the session with a GET, one of the session with a POST; all went well but for `changed`."""
    recorded = [[_get("10.16.15.117", 1)], [Request(2, "10.16.15.117", 201, 250, "POST", "/upload", stored)]]
    log = [
        _get("10.17.15.1", 3),
        Request(4, "10.17.15.2", 201, 250, "POST", "/upload", stored),
        _get("10.17.15.3", 5),
        _get("10.16.15.117", 6),
        _get("10.16.15.117", 7),
    ]
    served = Served(changed.get("connections", 5), 5, changed.get("open", 0), changed.get("log", log))
    counts = {"started": users, "completed": users, "connected": users, "failed": changed.get("failed", {})}
    result = {"users": counts, "bytes": {"received": changed.get("received", 2 * 850 + 250)}}
    recording = Recording(Path("x"), 4, recorded)
    return compare(recording, users, result, served, _Clients(), changed.get("leaked", {}))


def _differing(rows: list[Row]) -> set[str]:
    return {row.what.strip() for row in rows if not row.agrees}


def test_a_replay_without_fault_agrees_in_every_line(stored: str) -> None:
    assert _differing(_rows(stored)) == set()


@pytest.mark.parametrize(
    ("changed", "differing"),
    [
        ({"connections": 6}, {"connections"}),
        ({"open": 1}, {"connections left open"}),
        ({"failed": {"reset": 1}}, {"users failed"}),
        ({"received": 1}, {"bytes of answers"}),
        ({"leaked": {LINKS[2][0]: 4}}, {"packets for forged addresses beyond"}),
    ],
)
def test_what_went_wrong_is_named(stored: str, changed: dict[str, Any], differing: set[str]) -> None:
    assert _differing(_rows(stored, **changed)) == differing


def test_another_status_than_recorded_is_named(stored: str) -> None:
    log = [
        _get("10.17.15.1", 3, status=500),
        Request(4, "10.17.15.2", 201, 250, "POST", "/upload", stored),
        _get("10.17.15.3", 5),
        *[_get("10.16.15.117", 6), _get("10.16.15.117", 7)],
    ]
    assert _differing(_rows(stored, log=log)) == {"200 GET /", "any other answer"}


def test_an_upload_that_differs_by_a_byte_is_not_whole(stored: str) -> None:
    Path(stored).write_bytes(upload()[:-1] + b"?")
    assert hashlib.sha256(Path(stored).read_bytes()).digest() != hashlib.sha256(upload()).digest()
    assert _differing(_rows(stored)) == {"uploads stored whole"}


def test_the_table_says_which_line_differs() -> None:
    lines = table([Row("connections", 1000, 1000, 1000), Row("requests", 2600, None, 2599)]).splitlines()
    assert lines[1].split() == ["connections", "1,000", "1,000", "1,000", "OK"]
    assert lines[2].split() == ["requests", "2,600", "2,599", "DIFFERS"]
