"""OpenSMTPD, which speaks first: curl and smtplib send mail to it; a thousand users replay them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dpkt
import pytest
from sending import established, intercepted, start
from served import USERS, replay, running

from gryphon.lab.hosts import Lab
from gryphon.lab.needs import tool
from gryphon.lab.recording import recorded
from gryphon.lab.servers.daemon import system_python
from gryphon.lab.servers.smtp import DOMAIN, PORT, Served, Smtp
from gryphon.lab.tap import Tap
from gryphon.lab.waiting import until
from gryphon.lab.wiring import SERVER_V4

CLIENTS = "10.17.15.128/25"
"""EHLO's answer has the client's address in it: these are as long as the recorded one."""

TEXT = "gryphon " * 8
LARGE = f"{TEXT}\r\n" * 600
SESSIONS = 4
WAITING = 4
"""Users that nobody accepts yet: OpenSMTPD listens with a backlog of 5."""

# One mail to two; two mails in one session; and nothing but a greeting and a farewell.
_VISITS = f"""
import smtplib, sys

def session():
    return smtplib.SMTP(sys.argv[1], local_hostname="client.{DOMAIN}", timeout=10)

def mail(text):
    return "From: <ada@{DOMAIN}>\\r\\nSubject: greetings\\r\\n\\r\\n" + text

ada, bob, eve = (name + "@{DOMAIN}" for name in ("ada", "bob", "eve"))
with session() as one:
    assert one.sendmail(ada, [bob, eve], mail("hello\\r\\n")) == {{}}
with session() as two:
    assert two.sendmail(ada, [bob], mail({LARGE!r})) == {{}}
    assert two.sendmail(bob, [ada], mail("thanks\\r\\n.\\r\\nbob\\r\\n")) == {{}}
with session() as none:
    none.ehlo()
"""


@pytest.fixture(scope="module")
def smtp(lab: Lab) -> Iterator[Smtp]:
    with running(Smtp(lab)) as server:
        yield server


@pytest.fixture(scope="module")
def visited(lab: Lab, smtp: Smtp) -> tuple[Path, Served]:
    """Four sessions, and what OpenSMTPD logged of them."""
    path, before = lab.directory / "smtp.pcap", smtp.mark()
    addresses = ["--mail-from", f"ada@{DOMAIN}", "--mail-rcpt", f"bob@{DOMAIN}"]
    with recorded(lab, path, PORT, SESSIONS):
        line = [tool("curl"), "-sS", f"smtp://{SERVER_V4}/client.{DOMAIN}", *addresses, "-T", "-"]
        lab.run("sender", line, text=f"Subject: greetings\r\n\r\n{TEXT}\r\n")
        lab.run("sender", [system_python(), "-c", _VISITS, SERVER_V4])
    return path, smtp.since(before)


def test_every_mail_is_accepted_as_often_as_recorded_and_replayed(
    lab: Lab, smtp: Smtp, visited: tuple[Path, Served]
) -> None:
    path, once = visited
    assert once == Served(SESSIONS, 0, quit=SESSIONS, mails=4, recipients=5, bytes=once.bytes, complaints=[])
    times, before, already = USERS // SESSIONS, smtp.mark(), _texts(smtp)
    # with its backlog of 5 a burst after a pause of a busy host is turned away again and again: let it be small
    replay(lab, path, PORT, "-i", "200", clients=CLIENTS)
    served = smtp.since(before)
    assert served == Served(USERS, 0, USERS, *(count * times for count in once[3:6]), complaints=[])
    assert _texts(smtp) == Counter({text: count * (times + 1) for text, count in already.items()})


def _texts(smtp: Smtp) -> Counter[bytes]:
    """Each stored mail's text, without the headers, in which the client's address and the time are."""
    return Counter(path.read_bytes().partition(b"\n\n")[2] for path in smtp.queued())


def test_every_user_waits_for_the_greeting(lab: Lab, smtp: Smtp, visited: tuple[Path, Served]) -> None:
    """It comes once all of them are connected; who does not wait has spoken by then."""
    path, _ = visited
    line = ["send", "-x", f"{PORT}-{SERVER_V4}:{PORT}", "-f", str(path), "-s", "xdp:eth0", "-c", CLIENTS]
    expression = f"tcp port {PORT}"
    with (
        intercepted(lab, "local"),
        Tap(lab, "server", "eth0", lab.directory / "greetings.pcap", expression, roomy=True) as tap,
    ):
        with smtp.silent():
            run = start(lab, [*line, "-u", str(WAITING)])
            until("all connections", lambda: len(established(lab)) == WAITING, seconds=30)
        assert run.finish() == 0, run.text
        spoken = until("the farewells in the file", lambda: _spoken(tap))
    assert (run.result["users"]["completed"], run.result["messages"]["mismatched"]) == (WAITING, 0)
    assert all(texts[0].startswith(b"> 220 ") and texts[1].lower().startswith(b"< ehlo ") for texts in spoken)


def _spoken(tap: Tap) -> list[list[bytes]] | None:
    """What was said in each session, in order, behind ">" of the server and "<" of the user; None before the end."""
    spoken: dict[tuple[bytes, int], list[bytes]] = {}
    for _, frame in tap.packets():
        ip = dpkt.ethernet.Ethernet(frame).data
        tcp = ip.data
        user, mark = ((ip.src, tcp.sport), b"< ") if tcp.dport == PORT else ((ip.dst, tcp.dport), b"> ")
        if tcp.data:
            spoken.setdefault(user, []).append(mark + tcp.data)
    over = all(texts[-1].startswith(b"> 221 ") for texts in spoken.values())
    return list(spoken.values()) if over and len(spoken) == WAITING else None
