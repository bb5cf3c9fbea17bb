"""Protocols are known by how both sides begin; the port only stands in, with a question mark."""

from __future__ import annotations

import pytest

from gryphon.sender.inspect.protocol import by_port, guess, majority

BEGINNINGS = [
    ("HTTP/1.x", b"GET / HTTP/1.1\r\n", b"HTTP/1.1 200 OK\r"),
    ("HTTP/1.x", b"OPTIONS * HTTP/1", b""),
    ("HTTP/1.x", b"OPTIONSHTTP/1.1\n", b"HTTP/1.0 400 Bad"),
    ("HTTP/2", b"PRI * HTTP/2.0\r\n", b"\x00\x00\x12\x04"),
    ("RTSP", b"OPTIONS * RTSP/1", b"RTSP/1.0 200 OK\r"),
    ("TLS", b"\x16\x03\x01\x00\xc4\x01\x00\x00\xc0\x03\x03U\xb3\x92w\xd4", b"\x16\x03\x03\n$\x02"),
    ("SSH", b"SSH-2.0-OpenSSH_", b"SSH-2.0-OpenSSH_"),
    ("SSH", b"GET / HTTP/1.1\r\n", b"SSH-2.0-OpenSSH_"),
    ("MQTT", b"\x10+\x00\x04MQTT\x04\xc2\x00<", b" \x02"),
    ("MQTT", b"\x10\xac\x02\x00\x06MQIsdp\x03", b""),
    ("AMQP", b"AMQP\x00\x00\x09\x01", b"\x01"),
    ("Redis", b"*2\r\n$4\r\nAUTH\r\n$4", b"+OK\r\n"),
    ("Redis", b"PING\r\n", b"+PONG\r\n"),
    ("memcached", b"get greeting\r\n", b"VALUE greeting 0"),
    ("memcached", b"set a 0 0 1\r\n1\r\n", b"STORED\r\n"),
    ("PostgreSQL", b"\x00\x00\x00\x08\x04\xd2\x16\x2f", b"N"),
    ("PostgreSQL", b"\x00\x00\x00\x29\x00\x03\x00\x00user\x00me\x00", b"R\x00"),
    ("MySQL", b">\x00\x00\x01\x85\xa6\x03", b"4\x00\x00\x00\n5.0.54\x00^"),
    ("MySQL", b"", b"[\x00\x00\x00\n8.0.36-0ubu"),
    ("MongoDB", b"\x3a\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\xd4\x07\x00\x00", b""),
    ("SMB", b"\x00\x00\x00E\xffSMBr", b"\x00\x00\x00\xf8\xfeSMB@"),
    ("Kerberos", b"\x00\x00\x00\xe6j\x81\xe30\x81\xe0", b"\x00\x00\x00\xcf~\x81\xcc"),
    ("SMTP", b"EHLO GP\r\n", b"220-xc90.website"),
    ("SMTP", b"", b"220 uprise ESMTP"),
    ("FTP", b"USER anonymous\r\n", b"220 FTP server r"),
    ("POP3", b"USER me\r\n", b"+OK ready\r\n"),
    ("IMAP", b"a1 LOGIN me it\r\n", b"* OK IMAP4rev1 S"),
    ("NATS", b'CONNECT {"verbose', b'INFO {"server_id'),
]


@pytest.mark.parametrize(("name", "hello", "greeting"), BEGINNINGS)
def test_a_protocol_is_known_by_its_first_bytes(name: str, hello: bytes, greeting: bytes) -> None:
    assert guess(hello.ljust(16, b"\0"), greeting.ljust(16, b"\0")) == name


def test_an_upgrade_to_websocket_is_found_in_the_request() -> None:
    request = b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n"
    assert guess(request[:16], b"HTTP/1.1 101 Swi", request) == "WebSocket"
    assert guess(request[:16], b"HTTP/1.1 101 Swi") == "HTTP/1.x"


@pytest.mark.parametrize(("hello", "greeting"), [(bytes(16), bytes(16)), (b"\x01".ljust(16), b"\x02".ljust(16))])
def test_other_bytes_are_no_guess(hello: bytes, greeting: bytes) -> None:
    assert guess(hello, greeting) is None


def test_the_port_stands_in_with_a_question_mark() -> None:
    assert (by_port(3306), by_port(5), majority([None, None], 443)) == ("MySQL?", "unknown", "TLS?")


def test_the_most_frequent_guess_of_a_service_counts() -> None:
    assert majority([None, "Redis", "HTTP/1.x", "HTTP/1.x", None, None, None], 6379) == "HTTP/1.x"
