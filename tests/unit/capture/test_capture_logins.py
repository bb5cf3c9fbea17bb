"""Logins that answer a random challenge are told from those that any server accepts again."""

from __future__ import annotations

import base64
import struct
from pathlib import Path

import pytest
from conversations import Conversation, write_pcap

from gryphon.controller.errors import InputFault
from gryphon.sender.capture.load import check_whole, load
from gryphon.sender.capture.recording import Recording, Rules, Verdict

Turn = tuple[bytes, bytes]
"""What the client says, and what the server answers."""


def loaded(tmp_path: Path, greeting: bytes, turns: list[Turn], rules: Rules = Rules(), half: bool = False) -> Recording:  # noqa: B008
    """The recording of such a session, of its client's ``half`` perhaps, and of another one that is replayable."""
    talk = Conversation(server_port=9).open()
    if greeting:
        talk.answer(5, greeting)
    for n, (said, answer) in enumerate(turns):
        talk.say(10 + 10 * n, said)
        talk.answer(15 + 10 * n, answer)
    talk.close(1000)
    other = Conversation(client_port=39_999).open()
    other.say(5, b"good")
    packets = [each for each in talk.packets if not half or each[1][34:36] == b"\x9c\x40"]  # from port 40000
    return load([write_pcap(tmp_path / "x", sorted(packets + other.packets))], None, rules)


def packet(number: int, body: bytes) -> bytes:
    """One of MySQL."""
    return struct.pack("<I", len(body))[:3] + bytes([number]) + body


def mysql_greeting(plugin: bytes = b"mysql_native_password") -> bytes:
    capabilities = struct.pack("<HBHHB", 0xFFFF, 33, 2, 0xC1FF, 21)
    salt = (b"\x3e\x7e\x24\x34uth,", b">612IWZ>fhWX\0")
    return packet(0, b"\x0a8.0.36\0\x5e\0\0\0" + salt[0] + b"\0" + capabilities + bytes(10) + salt[1] + plugin + b"\0")


def mysql_login(
    response: bytes, plugin: bytes = b"mysql_native_password", flags: int = 0x1AA285, database: bytes = b""
) -> bytes:
    """HandshakeResponse41."""
    flags |= 8 if database else 0
    body = struct.pack("<IIB23x", flags, 1 << 24, 33) + b"user\0" + bytes([len(response)]) + response
    body += database + b"\0" if database else b""
    return packet(1, body + (plugin + b"\0" if flags & 0x80000 else b""))


SCRAMBLE = bytes.fromhex("eefd6d5562851bc5966a0b41236ae3f2315efcc4")
OK = packet(2, b"\0\0\0\2\0\0\0")
QUERY = (packet(0, b"\3select 1"), packet(1, b"\1"))


def startup(version: int = 0x30000) -> bytes:
    """PostgreSQL's StartupMessage."""
    body = struct.pack("!I", version) + b"user\0me\0database\0shop\0\0"
    return struct.pack("!I", 4 + len(body)) + body


def tagged(kind: bytes, body: bytes) -> bytes:
    """Another message of PostgreSQL."""
    return kind + struct.pack("!I", 4 + len(body)) + body


MD5 = tagged(b"p", b"md5" + b"0123456789abcdef" * 2 + b"\0")
ASKS_MD5 = tagged(b"R", struct.pack("!I", 5) + b"salt")
SCRAM_FIRST = b"n,,n=,r=fyko+d2lbbFgONRv9qkxdawL"
ASKS_SASL = tagged(b"R", struct.pack("!I", 10) + b"SCRAM-SHA-256\0\0")
SASL = tagged(b"p", b"SCRAM-SHA-256\0" + struct.pack("!I", len(SCRAM_FIRST)) + SCRAM_FIRST)
READY = tagged(b"R", bytes(4)) + tagged(b"Z", b"I")

CRAM = base64.b64encode(b"tim " + b"b913a602c7eda7a495b4e6e7334d3890") + b"\r\n"
EHLO = (b"EHLO me\r\n", b"250-mail\r\n250 AUTH CRAM-MD5 PLAIN\r\n")
CHALLENGE = b"334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\r\n"


def request(*headers: bytes, line: bytes = b"GET /a HTTP/1.1") -> Turn:
    return b"\r\n".join([line, b"Host: a", *headers, b"", b""]), b"HTTP/1.1 200 OK\r\n\r\n"


DIGEST = (
    b'Digest username="Mufasa", realm="a", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", uri="/a", response="6629fae4"'
)


def element(kind: int, name: bytes, value: bytes) -> bytes:
    """One of BSON."""
    return bytes([kind]) + name + b"\0" + value


def text(value: bytes) -> bytes:
    return struct.pack("<I", len(value) + 1) + value + b"\0"


def document(*elements: bytes) -> bytes:
    body = b"".join(elements) + b"\0"
    return struct.pack("<I", 4 + len(body)) + body


def mongo(body: bytes, query: bool = False) -> bytes:
    """OP_MSG, or OP_QUERY to admin.$cmd."""
    rest = bytes(4) + b"admin.$cmd\0" + struct.pack("<ii", 0, -1) + body if query else bytes(5) + body
    return struct.pack("<iiii", 16 + len(rest), 7, 0, 2004 if query else 2013) + rest


def sasl_start(mechanism: bytes) -> bytes:
    payload = element(5, b"payload", struct.pack("<IB", len(SCRAM_FIRST), 0) + SCRAM_FIRST)
    one = struct.pack("<i", 1)
    return document(element(16, b"saslStart", one), element(2, b"mechanism", text(mechanism)), payload)


HELLO = element(16, b"hello", struct.pack("<i", 1))

CHALLENGED: dict[str, tuple[bytes, list[Turn]]] = {
    "MySQL": (mysql_greeting(), [(mysql_login(SCRAMBLE), OK), QUERY]),
    "MySQL with a database": (mysql_greeting(), [(mysql_login(SCRAMBLE, database=b"shop"), OK)]),
    "MySQL before plugins": (mysql_greeting(), [(mysql_login(SCRAMBLE, flags=0x3A685), OK)]),
    "MySQL 8": (
        mysql_greeting(b"caching_sha2_password"),
        [(mysql_login(bytes(range(1, 33)), b"caching_sha2_password"), packet(2, b"\1\3") + OK)],
    ),
    "PostgreSQL md5": (b"", [(startup(), ASKS_MD5), (MD5, READY)]),
    "PostgreSQL SCRAM": (b"", [(startup(), ASKS_SASL), (SASL, tagged(b"R", struct.pack("!I", 11) + b"r=a"))]),
    "PostgreSQL without TLS": (b"", [(struct.pack("!II", 8, 80877103), b"N"), (startup(), ASKS_MD5), (MD5, READY)]),
    "SMTP CRAM-MD5": (b"220 mail\r\n", [EHLO, (b"AUTH CRAM-MD5\r\n", CHALLENGE), (CRAM, b"235 ok\r\n")]),
    "SMTP in small letters": (b"220 mail\r\n", [EHLO, (b"auth cram-md5\r\n", CHALLENGE), (CRAM, b"235 ok\r\n")]),
    "SMTP SCRAM": (
        b"220 mail\r\n",
        [(b"AUTH SCRAM-SHA-256 " + base64.b64encode(SCRAM_FIRST) + b"\r\n", CHALLENGE), (CRAM, b"334 dj0=\r\n")],
    ),
    "IMAP DIGEST-MD5": (b"* OK mail\r\n", [(b"a01 AUTHENTICATE DIGEST-MD5\r\n", b"+ cmVhbG0=\r\n"), (CRAM, b"+ \r\n")]),
    "POP3 CRAM-MD5": (b"+OK mail\r\n", [(b"AUTH CRAM-MD5\r\n", b"+ PDE4OTYu\r\n"), (CRAM, b"+OK\r\n")]),
    "POP3 APOP": (
        b"+OK POP3 <1896.697170952@dbc.mtview.ca.us>\r\n",
        [(b"APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\n", b"+OK\r\n")],
    ),
    "HTTP Digest": (b"", [request(), request(b"Accept: */*", b"Authorization: " + DIGEST)]),
    "HTTP header in small letters": (b"", [request(b"authorization:digest nonce=abc")]),
    "HTTP NTLM": (b"", [request(b"Authorization: NTLM TlRMTVNTUAABAAAAB4IIAA==")]),
    "HTTP Negotiate": (b"", [request(b"Authorization: Negotiate YIIJvwYGKwYBBQUCoIIJsz", line=b"POST /x HTTP/1.0")]),
    "MongoDB": (b"", [(mongo(document(HELLO)), b"hello"), (mongo(sasl_start(b"SCRAM-SHA-256")), b"more")]),
    "MongoDB before 4.4": (b"", [(mongo(sasl_start(b"SCRAM-SHA-1"), query=True), b"more")]),
    "MongoDB hello with a login": (
        b"",
        [(mongo(document(HELLO, element(3, b"speculativeAuthenticate", sasl_start(b"SCRAM-SHA-256")))), b"more")],
    ),
}

REPLAYED: dict[str, tuple[bytes, list[Turn]]] = {
    "MySQL with an empty password": (mysql_greeting(), [(mysql_login(b""), OK), QUERY]),
    "MySQL with an empty password of 8.0": (mysql_greeting(), [(mysql_login(b"\0", b"caching_sha2_password"), OK)]),
    "MySQL with a password of 19 letters": (
        mysql_greeting(),
        [(mysql_login(b"nineteen_characters\0", b"mysql_clear_password"), OK)],
    ),
    "no MySQL": (b"* OK hello\r\n", [(mysql_login(SCRAMBLE), OK)]),
    "MySQL's packet in the middle": (mysql_greeting(), [(b"x", b"y"), (mysql_login(SCRAMBLE), OK)]),
    "PostgreSQL trust": (b"", [(startup(), READY), (tagged(b"Q", b"select 1\0"), READY)]),
    "PostgreSQL cleartext": (
        b"",
        [
            (startup(), tagged(b"R", struct.pack("!I", 3))),
            (tagged(b"p", b"md5 is what I like, not what I am .\0"), READY),
        ],
    ),
    "no PostgreSQL": (b"", [(b"hello, world", ASKS_MD5), (MD5, READY)]),
    "PostgreSQL asks, the client leaves": (b"", [(startup(), ASKS_MD5), (tagged(b"X", b""), b"")]),
    "SMTP PLAIN": (b"220 mail\r\n", [EHLO, (b"AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\n", b"235 ok\r\n")]),
    "SMTP LOGIN": (
        b"220 mail\r\n",
        [EHLO, (b"AUTH LOGIN\r\n", b"334 VXNlcm5hbWU6\r\n"), (CRAM, b"334 UGFzc3dvcmQ6\r\n")],
    ),
    "SMTP refuses CRAM-MD5": (
        b"220 mail\r\n",
        [EHLO, (b"AUTH CRAM-MD5\r\n", b"504 no\r\n"), (b"AUTH PLAIN AHRpbQB0\r\n", b"235 ok\r\n")],
    ),
    "SMTP CRAM-MD5 given up": (b"220 mail\r\n", [EHLO, (b"AUTH CRAM-MD5\r\n", CHALLENGE), (b"*\r\n", b"501 so\r\n")]),
    "SMTP CRAM-MD6": (b"220 mail\r\n", [EHLO, (b"AUTH CRAM-MD6\r\n", CHALLENGE), (CRAM, b"235 ok\r\n")]),
    "IMAP LOGIN": (b"* OK mail\r\n", [(b"a01 LOGIN tim tanstaaf\r\n", b"a01 OK\r\n")]),
    "IMAP PLAIN": (b"* OK mail\r\n", [(b"a01 AUTHENTICATE PLAIN\r\n", b"+ \r\n"), (CRAM, b"a01 OK\r\n")]),
    "POP3 USER": (b"+OK <1@a>\r\n", [(b"USER apop\r\n", b"+OK\r\n"), (b"PASS APOP\r\n", b"+OK\r\n")]),
    "POP3 APOP without a digest": (b"+OK <1@a>\r\n", [(b"APOP mrose c4c9334bac560ecc979e\r\n", b"-ERR\r\n")]),
    "HTTP Basic": (b"", [request(b"Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")]),
    "HTTP Bearer": (b"", [request(b"Authorization: Bearer digest NTLM")]),
    "HTTP X-Authorization": (b"", [request(b"X-Authorization: Digest nonce=abc")]),
    "HTTP body": (b"", [(request(line=b"POST /a HTTP/1.1")[0] + b"\nAuthorization: Digest nonce=abc\r\n\r\n", b"ok")]),
    "no HTTP": (b"", [request(b"Authorization: Digest nonce=abc", line=b"GET is a verb, not a request")]),
    "Redis": (b"", [(b"*2\r\n$4\r\nAUTH\r\n$8\r\nCRAM-MD5\r\n", b"+OK\r\n"), (b"AUTH secret\r\n", b"+OK\r\n")]),
    "MongoDB PLAIN": (b"", [(mongo(sasl_start(b"PLAIN")), b"more")]),
    "MongoDB about SCRAM": (
        b"",
        [
            (
                mongo(
                    document(
                        HELLO, element(2, b"mechanism", text(b"SCRAM-SHA-256")), element(2, b"saslStart", text(b""))
                    )
                ),
                b"a",
            )
        ],
    ),
    "a document with the words": (b"", [(b"x" * 12 + sasl_start(b"SCRAM-SHA-256") + b"x" * 20, b"stored")]),
}


@pytest.mark.parametrize("name", CHALLENGED)
def test_the_answer_to_a_challenge_is_not_replayed_unless_it_is_allowed(tmp_path: Path, name: str) -> None:
    recording = loaded(tmp_path, *CHALLENGED[name])
    assert {reason: count for reason, count in recording.rejected.items() if count} == {"challenged": 1}
    assert recording.connections["verdict"].tolist().count(Verdict.CHALLENGED) == 1
    assert len(loaded(tmp_path, *CHALLENGED[name], Rules(allow_encrypted=True)).sessions) == 2


@pytest.mark.parametrize("name", CHALLENGED)
def test_the_clients_half_is_judged_alike(tmp_path: Path, name: str) -> None:
    recording = loaded(tmp_path, *CHALLENGED[name], half=True)
    assert recording.rejected["challenged"] == 1
    assert not recording.connections["greeting"].any()


@pytest.mark.parametrize("name", REPLAYED)
def test_a_login_that_any_server_accepts_again_is_replayed(tmp_path: Path, name: str) -> None:
    assert len(loaded(tmp_path, *REPLAYED[name]).sessions) == 2


def test_a_login_behind_the_first_eight_messages_is_not_looked_for(tmp_path: Path) -> None:
    before = [request()] * 8
    login = [request(b"Authorization: " + DIGEST)]
    assert len(loaded(tmp_path, b"", before + login).sessions) == 2
    assert loaded(tmp_path, b"", before[1:] + login).rejected["challenged"] == 1


def test_every_cut_of_a_login_is_read_without_a_mistake(tmp_path: Path) -> None:
    """A part of a message is never judged by what stands behind it in the file."""
    for greeting, turns in CHALLENGED.values():
        said = turns[-1][0]
        for length in {1, 2, 5, 9, 16, 35, 40, len(said) // 2} & set(range(1, len(said))):
            assert len(loaded(tmp_path, greeting, [*turns[:-1], (said[:length], b"")]).sessions) >= 1


def test_strict_says_why(tmp_path: Path) -> None:
    with pytest.raises(InputFault, match=r"challenged 1 \(the login answers a random challenge, .*--allow-encrypted"):
        check_whole(loaded(tmp_path, *CHALLENGED["MySQL"]))
