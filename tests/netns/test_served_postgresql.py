"""PostgreSQL with trust: psql's simple statements and pgbench's prepared ones, replayed by a thousand users."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import USERS, replay, running

from gryphon.lab.hosts import Lab
from gryphon.lab.recording import recorded
from gryphon.lab.servers.postgresql import PORT, USER, Postgresql, programs
from gryphon.lab.wiring import SERVER_V4

TRANSACTIONS = 5

_TABLES = """
CREATE TABLE orders (item int, amount int);
CREATE TABLE items (id int PRIMARY KEY, name text);
INSERT INTO items SELECT n, 'item number ' || n FROM generate_series(1, 1000) AS n;
"""
# A user asks for the items that the recorded one drew, and gets names of the same lengths.
_TRANSACTION = """\
\\set item random(1, 1000)
BEGIN;
SELECT name FROM items WHERE id = :item;
INSERT INTO orders VALUES (:item, 2);
COMMIT;
"""
_STATEMENTS = """\
SELECT count(*) FROM items;
PREPARE named (int) AS SELECT name FROM items WHERE id = $1;
EXECUTE named (7);
EXECUTE named (8);
INSERT INTO orders VALUES (7, 1), (8, 1);
SELECT nothing FROM nowhere;
SELECT id, name FROM items ORDER BY id;
"""


@pytest.fixture(scope="module")
def postgresql(lab: Lab) -> Iterator[Postgresql]:
    with running(Postgresql(lab)) as server:
        server.ask(_TABLES)
        yield server


@pytest.fixture(scope="module")
def visits(lab: Lab, postgresql: Postgresql) -> tuple[Path, Counter[str]]:
    """Four sessions, and the statements that PostgreSQL logged of them; they leave the table of orders empty."""
    path = lab.directory / "postgresql.pcap"
    (lab.directory / "transaction.sql").write_text(_TRANSACTION)
    to = ["-h", SERVER_V4, "-U", USER]
    before = postgresql.mark()
    with recorded(lab, path, PORT, 4):
        lab.run("sender", [str(programs() / "psql"), "-X", "-q", *to, USER], text=_STATEMENTS)
        # its first connection is to see whether the database is there; then one for each of two clients
        line = [str(programs() / "pgbench"), "-n", "-M", "prepared", "-c", "2", "-t", str(TRANSACTIONS)]
        lab.run("sender", [*line, "-f", "transaction.sql", "--random-seed", "1", *to, USER])
    served = postgresql.since(before)
    assert (served.connections, served.open) == (4, 0)
    postgresql.ask("TRUNCATE orders")
    return path, served.statements


def test_every_statement_runs_as_often_as_recorded_and_replayed(
    lab: Lab, postgresql: Postgresql, visits: tuple[Path, Counter[str]]
) -> None:
    path, once = visits
    assert once["SELECT name FROM items WHERE id = $1;"] == 2 * TRANSACTIONS
    times = USERS // 4
    before = postgresql.mark()
    replay(lab, path, PORT, "-i", "250")
    served = postgresql.since(before)
    assert (served.connections, served.open) == (USERS, 0)
    assert served.statements == Counter({text: count * times for text, count in once.items()})
    assert Counter(served.complaints) == {'relation "nowhere" does not exist at character 21': times}
    rows = postgresql.ask("SELECT amount, count(*) FROM orders GROUP BY amount ORDER BY amount")
    assert rows.split() == [f"1|{2 * times}", f"2|{2 * TRANSACTIONS * times}"]
