"""Lengths that follow a field: Content-Length, chunks, MQTT 3 and 5, RESP, and numbers at an offset."""

from __future__ import annotations

from pathlib import Path

import pytest
from recorded import applied, recording, rules

from gryphon.sender.rules.lengths import mqtt
from gryphon.sender.rules.locate import Stream

HEAD = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
CONNECT5 = b"\x10\x1b\x00\x04MQTT\x05\x02\x00\x3c\x05\x11\x00\x00\x00\x0a\x00\x09client-id"


def _recut(tmp_path: Path, messages: list[bytes], width: int, lengths: str, match: str = "(ID+)") -> list[bytes]:
    """The messages with the recorded bytes padded by dots."""
    text = f"[[field]]\nmatch = '{match}'\nvalue = 'user'\nwidth = {width}\npad = '.'\nalign = 'left'\n"
    recut, _ = applied(recording(messages), rules(text + f"lengths = [{lengths}]", tmp_path), 3)
    ends = recut.messages["stream_end"].tolist()
    assert ends[-1] == ends[-2] == recut.sessions["length"][0]
    data = recut.payload.tobytes()
    return [data[begin:end] for begin, end in zip([0, *ends], ends[:-1], strict=False)]


@pytest.mark.parametrize(
    ("lengths", "message", "width", "expected"),
    [
        ("'content-length'", HEAD % 4 + b"a=ID", 100, HEAD % 102 + b"a=ID" + b"." * 98),
        ("'content-length'", HEAD % 12 + b"a=IDDDDDDDDD", 2, HEAD % 4 + b"a=ID"),
        ("'content-length'", HEAD % 2 + b"xyGET / HTTP/1.1\r\n\r\n" + HEAD % 2 + b"ID", 4, None),
        ("'content-length'", b"GET /ID HTTP/1.1\r\n\r\n", 4, b"GET /ID.. HTTP/1.1\r\n\r\n"),
        (
            "'content-length'",
            CHUNKED + b"3\r\nxyz\r\n2\r\nID\r\n0\r\n\r\n",
            16,
            CHUNKED + b"3\r\nxyz\r\n10\r\nID" + b"." * 14 + b"\r\n0\r\n\r\n",
        ),
        (
            "'redis'",
            b"*2\r\n$3\r\nGET\r\n$4\r\nk:ID\r\n*1\r\n$4\r\nPING\r\n",
            10,
            b"*2\r\n$3\r\nGET\r\n$12\r\nk:ID........\r\n*1\r\n$4\r\nPING\r\n",
        ),
        ("{offset = 1, bytes = 2}", b"\x07\x00\x05--ID-", 5, b"\x07\x00\x08--ID...-"),
        ("{offset = 1, bytes = 2, order = 'little'}", b"\x07\x05\x00--ID-", 5, b"\x07\x08\x00--ID...-"),
    ],
)
def test_a_length_follows_the_width(
    lengths: str, message: bytes, width: int, expected: bytes | None, tmp_path: Path
) -> None:
    (got, after) = _recut(tmp_path, [message, b"tail"], width, lengths)
    assert got == (expected or message.replace(HEAD % 2 + b"ID", HEAD % 4 + b"ID.."))
    assert after == b"tail"


def test_strings_and_properties_of_mqtt_5_follow_alone(tmp_path: Path) -> None:
    (got,) = _recut(tmp_path, [CONNECT5], 12, "'mqtt'", match="client-(id)")
    assert got == CONNECT5.replace(b"\x10\x1b", b"\x10\x25").replace(b"\x09client-id", b"\x13client-id..........")
    user = b"\x26\x00\x01k\x00\x02ID"
    publish = b"\x30" + bytes([3 + 1 + len(user) + 2]) + b"\x00\x01t" + bytes([len(user)]) + user + b"hi"
    (_, got) = _recut(tmp_path, [CONNECT5, publish], 5, "'mqtt'")
    grown = b"\x26\x00\x01k\x00\x05ID..."
    assert got == b"\x30" + bytes([3 + 1 + len(grown) + 2]) + b"\x00\x01t" + bytes([len(grown)]) + grown + b"hi"


def test_will_user_name_and_topics_have_their_own_lengths() -> None:
    body = b"\x00\x04MQTT\x04\xc6\x00\x3c\x00\x01c\x00\x01w\x00\x02by\x00\x01u\x00\x02pw"
    subscribe = b"\x82\x08\x00\x01\x00\x03a/b\x00"
    stream = b"\x10" + bytes([len(body)]) + body + subscribe
    strings = [stream[h.start : h.end] for h in mqtt(Stream(stream, [len(stream)])) if h.form == "big"]
    assert strings == [b"MQTT", b"c", b"w", b"by", b"u", b"pw", b"a/b"]
