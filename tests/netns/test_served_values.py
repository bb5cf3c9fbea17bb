"""Values that servers hand out: with rules every user gives back its own, without them it is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sending import BY_NAME, intercepted, start
from served import running

from gryphon.lab.hosts import Lab
from gryphon.lab.needs import tool
from gryphon.lab.recording import recorded
from gryphon.lab.servers import redis, tickets
from gryphon.lab.servers.daemon import system_python
from gryphon.lab.servers.redis import Redis
from gryphon.lab.servers.tickets import Tickets
from gryphon.lab.wiring import SERVER_V4

USERS = 500

# A cookie in every request behind the first, a ticket out of the Location, a token out of the page's text.
RULES = """\
[[extract]]
name = "sid"
message = 1
after = "Set-Cookie: sid="
length = 32
within = 512

[[extract]]
name = "ticket"
message = 1
after = "ticket="
within = 512
"""
FIELDS = r"""
[[field]]
match = 'sid=(\w+)'
value = "extract:sid"

[[field]]
message = 2
match = 'ticket=(\w+)'
value = "extract:ticket"
"""
FORM = r"""
[[extract]]
name = "token"
message = 2
after = 'name="csrf" value="'
within = 512

[[field]]
match = 'csrf=(\w+)'
value = "extract:token"
"""

# curl follows the redirection, but reads no page: the browser that fills in the form is Python.
_BROWSER = """
import http.client, re, sys

connection = http.client.HTTPConnection(sys.argv[1])

def ask(method, path, body=None, **headers):
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return answer, answer.read().decode()

start, _ = ask("GET", "/start")
cookie = start.getheader("Set-Cookie").partition(";")[0]
form, text = ask("GET", start.getheader("Location"), Cookie=cookie)
done, text = ask("POST", "/order", "csrf=" + re.search('value="(.*?)"', text)[1] + "&count=1", Cookie=cookie)
assert (form.status, done.status, text) == (200, 200, "ordered")
"""


@pytest.fixture(scope="module")
def server(lab: Lab) -> Iterator[Tickets]:
    with running(Tickets(lab)) as made:
        yield made


@pytest.fixture(scope="module")
def followed(lab: Lab, server: Tickets) -> Path:
    """curl at the first two pages, in one connection."""
    path, before = lab.directory / "followed.pcap", server.mark()
    with recorded(lab, path, tickets.PORT, 1):
        lab.run("sender", [tool("curl"), "-sSfL", "-b", "", f"http://{SERVER_V4}:{tickets.PORT}/start"])
    assert server.since(before) == Counter(["GET /start 302", "GET /form 200"])
    return path


@pytest.fixture(scope="module")
def ordered(lab: Lab, server: Tickets) -> Path:
    """All three pages, in one connection."""
    path = lab.directory / "ordered.pcap"
    with recorded(lab, path, tickets.PORT, 1):
        lab.run("sender", [system_python(), "-c", _BROWSER, f"{SERVER_V4}:{tickets.PORT}"])
    return path


def replay(lab: Lab, path: Path, port: int, *more: str, rules: str, topology: str = "local", sample: int = 0) -> Any:
    """The result of a run of all users, who all complete."""
    line = ["send", "-x", f"{port}-{SERVER_V4}:{port}", "-f", str(path), "-s", BY_NAME[topology].intercept, *more]
    if rules:
        file = lab.directory / "values.toml"
        file.write_text(rules)
        line += ["--rules", str(file)]
    with intercepted(lab, topology, *(("--sample", str(sample)) if sample else ())):
        run = start(lab, [*line, "-u", str(USERS), "-c", "10.17.15.*", "-i", "500"])
        assert run.finish() == 0, run.text
    assert run.result["users"]["completed"] == USERS, run.text
    return run.result


def test_without_rules_every_user_gives_back_the_recorded_values_and_is_refused(
    lab: Lab, server: Tickets, followed: Path
) -> None:
    before = server.mark()
    result = replay(lab, followed, tickets.PORT, rules="")
    assert server.since(before) == {"GET /start 302": USERS, "GET /form 403": USERS}
    assert result["http_status"] == {"302": USERS, "403": USERS}
    assert result["messages"]["mismatched"] == USERS


@pytest.mark.parametrize(("topology", "sample"), [("local", 0), ("target", 512)])
def test_with_rules_every_user_gives_back_its_own_cookie_and_ticket(
    lab: Lab, server: Tickets, followed: Path, topology: str, sample: int
) -> None:
    more = ("--verify", "16")
    before = server.mark()
    result = replay(lab, followed, tickets.PORT, *more, rules=RULES + FIELDS, topology=topology, sample=sample)
    assert server.since(before) == {"GET /start 302": USERS, "GET /form 200": USERS}
    assert result["http_status"] == {"302": USERS, "200": USERS}
    messages = result["messages"]
    assert (messages["mismatched"], messages["unextracted"]) == (0, 0)
    assert messages["extracted"] == 2 * USERS


def test_a_token_in_a_pages_text_is_given_back_in_the_next_form(lab: Lab, server: Tickets, ordered: Path) -> None:
    before = server.mark()
    result = replay(lab, ordered, tickets.PORT, rules=RULES + FIELDS)
    assert server.since(before) == {"GET /start 302": USERS, "GET /form 200": USERS, "POST /order 403": USERS}
    before = server.mark()
    result = replay(lab, ordered, tickets.PORT, rules=RULES + FIELDS + FORM)
    assert server.since(before) == {"GET /start 302": USERS, "GET /form 200": USERS, "POST /order 200": USERS}
    assert result["http_status"] == {"302": USERS, "200": 2 * USERS}
    assert result["messages"]["mismatched"] == 0


def test_a_remote_intercept_that_samples_less_than_the_rules_need_is_told_what_to_give(
    lab: Lab, server: Tickets, followed: Path
) -> None:
    (lab.directory / "values.toml").write_text(RULES + FIELDS)
    line = ["send", "-x", f"{tickets.PORT}-{SERVER_V4}:{tickets.PORT}", "-f", str(followed), "-s", SERVER_V4]
    before = server.mark()
    with intercepted(lab, "target", "--sample", "64"):
        run = start(lab, [*line, "--rules", str(lab.directory / "values.toml"), "-u", "5", "-c", "10.17.15.*"])
        assert run.finish() == 3
    assert "the first 512 bytes of each answer and this intercept samples 64: start it with --sample 512" in run.text
    assert server.mark() == before


BASE = 1_000_000
"""What the counter begins with: the answer has as many digits for the last user as for the first."""

# redis-cli would begin with COMMAND DOCS, whose answer has 170 kB.
_COUNTED = """
import socket, sys

with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as server, server.makefile("rwb", 0) as lines:
    lines.write(b"INCR users\\r\\n")
    number = int(lines.readline()[1:])
    lines.write(b"SET user:%d here\\r\\n" % number)
    assert lines.readline() == b"+OK\\r\\n"
"""


def test_a_number_that_redis_gives_becomes_every_users_own_key(lab: Lab) -> None:
    path = lab.directory / "numbered.pcap"
    with running(Redis(lab)) as server:
        server.ask("SET", "users", str(BASE))
        with recorded(lab, path, redis.PORT, 1):
            lab.run("sender", [system_python(), "-c", _COUNTED, SERVER_V4, str(redis.PORT)])
        replay(lab, path, redis.PORT, rules="")
        assert server.ask("DBSIZE") == ":2"
        rules = '[[extract]]\nname = "number"\nmessage = 1\nafter = ":"\nwithin = 16\n'
        rules += "[[field]]\nmessage = 2\nmatch = 'user:(\\d+)'\nvalue = \"extract:number\"\n"
        result = replay(lab, path, redis.PORT, "--verify", "16", "--ignore", r":\d+", rules=rules)
        assert (result["messages"]["extracted"], result["messages"]["mismatched"]) == (USERS, 0)
        assert server.ask("DBSIZE") == f":{2 + USERS}"
        assert server.ask("EXISTS", f"user:{BASE + 2 * USERS + 1}") == ":1"
