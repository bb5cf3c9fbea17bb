"""Per-user fields on the wire: what arrives is that user's message, however it is cut, lost and sent again."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorded import heard, recording, rules

HERE = Path(__file__).parent
MQTT = b"\x10\x17\x00\x04MQTT\x04\x02\x00\x3c\x00\x0bmosq-abcdef" + b"\x30\x05\x00\x01thi"


class Request(BaseHTTPRequestHandler):
    """A request as the standard library reads it."""

    def __init__(self, data: bytes) -> None:
        self.rfile = io.BufferedReader(io.BytesIO(data))  # type: ignore[arg-type]
        self.raw_requestline = self.rfile.readline()
        assert self.parse_request()
        self.body = self.rfile.read(int(self.headers.get("content-length", 0)))
        assert self.rfile.read() == b""


def mqtt_client_id(data: bytes) -> tuple[bytes, bytes]:
    """The client id of a CONNECT of MQTT 3.1.1, and what follows the packet."""
    assert data[0] == 0x10
    length, at, shift = 0, 1, 0
    while True:
        length |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            break
    packet, rest = data[at : at + length], data[at + length :]
    assert len(packet) == length
    size = int.from_bytes(packet[10:12], "big")
    assert len(packet) == 12 + size
    return packet[12:], rest


def test_every_mqtt_client_has_its_own_id(tmp_path: Path) -> None:
    wanted = rules(
        '[[field]]\nmatch = \'mosq-(\\w+)\'\nvalue = "user"\nwidth = 200\nstart = 7\nlengths = ["mqtt"]', tmp_path
    )
    streams = heard(recording([MQTT[:25], MQTT[25:]]), wanted, 20)
    for user, stream in enumerate(streams):
        name, rest = mqtt_client_id(stream)
        assert name == b"mosq-" + b"%0200d" % (user + 7)
        assert rest == MQTT[25:]


def test_http_users_have_their_own_path_cookie_and_body(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("name,town\nAnn,Ulm\nBartholomew,York\nCy,Rio\n")
    wanted = rules(
        "[[field]]\nmatch = 'GET /(\\w+)'\nvalue = 'user'\nwidth = 'any'\n"
        "[[field]]\nmatch = 'sid=(\\w+)'\nvalue = 'random'\nwidth = 24\n"
        "[[field]]\nmessage = 2\nmatch = 'name=(\\w*)'\nvalue = 'csv:people.csv:name'\nwidth = 'any'\n"
        "lengths = ['content-length']\n",
        tmp_path,
    )
    get = b"GET /x HTTP/1.1\r\nHost: a\r\nCookie: sid=abc\r\n\r\n"
    post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nname=Bob&"
    streams = heard(recording([get, post], [get]), wanted, 6)
    cookies = set()
    for user, stream in enumerate(streams):
        head, _, rest = stream.partition(b"POST")
        request = Request(head)
        assert request.path == f"/{user}"
        assert len(request.headers["cookie"]) == 28
        cookies.add(request.headers["cookie"])
        if user % 2 == 0:
            assert Request(b"POST" + rest).body == b"name=%b&" % [b"Ann", b"Bartholomew", b"Cy"][user % 3]
    assert len(cookies) == 6


def test_users_shared_by_several_engines_say_what_they_would_say_to_one(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("v\nred\ngreen\nblue\nyellow\nwhite\n")
    wanted = rules(
        "".join(
            f"[[field]]\nmessage = {number}\noffset = 0\nlength = 1\nvalue = '{value}'\nwidth = 8\n"
            for number, value in enumerate(("user", "counter", "random", "csv:c.csv:v"), 1)
        ),
        tmp_path,
    )
    source = recording([b"a"] * 4, [b"b"] * 4)
    alone = heard(source, wanted, 11, seed=3)
    for share in range(3):
        assert heard(source, wanted, 11, seed=3, share=share, shares=3) == alone[share::3]


KINDS = st.sampled_from(["user", "counter", "csv", "random"])
FIELD = st.tuples(st.binary(max_size=40), st.integers(0, 6), KINDS, st.integers(1, 60), st.booleans())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(FIELD, min_size=1, max_size=5),
    st.integers(1, 4),
    st.integers(30, 90),
    st.lists(st.integers(0, 80), max_size=6),
    st.integers(0, 3),
)
def test_what_arrives_is_the_users_own_message(
    fields: list[tuple[bytes, int, str, int, bool]], users: int, mss: int, lose: list[int], seed: int
) -> None:
    """Each message is filler and one field; random text is known by being the same at every second sending."""
    values = [b"", b"a", b"long value of a column", b"x" * 70]
    messages = [filler + b"Z" * (length + 1) for filler, length, *_ in fields]
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "c.csv").write_bytes(b"n,v\n" + b"".join(b"1,%b\n" % value for value in values))
        text = ""
        for number, (filler, length, kind, width, right) in enumerate(fields, 1):
            value = "csv:c.csv:v" if kind == "csv" else kind
            text += f"[[field]]\nmessage = {number}\noffset = {len(filler)}\nlength = {length + 1}\n"
            text += f"value = '{value}'\nwidth = {width}\nalign = '{'right' if right else 'left'}'\n"
        wanted = rules(text, directory)
        streams = heard(recording(messages), wanted, users, mss=mss, lose=lose, seed=seed)
        unhurt = heard(recording(messages), wanted, users, seed=seed)
    assert streams == unhurt
    for user, stream in enumerate(streams):
        at = 0
        for filler, _, kind, width, right in fields:
            assert stream[at : at + len(filler)] == filler
            at += len(filler)
            got = stream[at : at + width]
            if kind == "random":
                assert all(chr(byte) in "abcdefghijklmnopqrstuvwxyz0123456789" for byte in got)
            elif kind == "csv":
                cell = values[user % 4][:width]
                assert got == (cell.rjust(width) if right else cell.ljust(width))
            else:
                digits = str(user).encode()
                assert got == (digits.rjust(width, b"0") if right else digits.ljust(width, b"0"))
            at += width
        assert at == len(stream)


def play() -> str:
    """Every kind of value, lost and sent again."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "c.csv").write_text("v\nred\ngreen\n")
        wanted = rules(
            "".join(
                f"[[field]]\nmatch = '{letter}+'\nvalue = '{value}'\nwidth = 13\n"
                for letter, value in (("A", "user"), ("B", "counter"), ("C", "random"), ("D", "csv:c.csv:v"))
            )
            + "[[field]]\nmatch = 'E+'\nvalue = 'extract:e'\nwidth = 13\n[[extract]]\nname = 'e'\n",
            directory,
        )
        return repr(heard(recording([b"AAxBBBxC", b"DxEEEEE"]), wanted, 5, mss=20, lose=(7, 9, 12, 20)))


def test_plain_python_sends_the_same_bytes() -> None:
    plain = subprocess.run(
        [sys.executable, "-c", "from test_rules_replay import play; print(play(), end='')"],
        cwd=HERE,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert plain.returncode == 0, plain.stderr
    assert plain.stdout == play()
    assert "0000000000004" in plain.stdout
    assert "EEEEE        " in plain.stdout
