"""The protocol of a connection, guessed: by how both sides begin, else by the server's port, marked with ``?``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

UNKNOWN = "unknown"

HTTP, WEBSOCKET = "HTTP/1.x", "WebSocket"

_VERBS = rb"(GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|TRACE|CONNECT|PROPFIND|REPORT|(UN)?SUBSCRIBE|NOTIFY|M-SEARCH)"

_RULES: list[tuple[str, bytes, bytes]] = [
    ("SSH", rb"SSH-", rb""),
    ("SSH", rb"", rb"SSH-"),
    ("HTTP/2", rb"PRI \* HTTP/2", rb""),
    ("RTSP", rb"[A-Z_]+ (rtsp:|\*)", rb"RTSP/"),
    ("SIP", rb"[A-Z]+ sips?:", rb""),
    ("BitTorrent", rb"\x13BitTorrent", rb""),
    (HTTP, rb"", rb"HTTP/1\."),
    (HTTP, _VERBS + rb" [/*h]", rb""),
    ("TLS", rb"\x16\x03[\x00-\x04]", rb""),
    ("TLS", rb"[\x80-\xff].\x01\x03[\x00-\x03]", rb"\x16\x03"),  # a ClientHello in the form of SSL 2
    ("MQTT", rb"\x10[\x80-\xff]{0,3}[\x00-\x7f]\x00(\x04MQTT|\x06MQIsdp)", rb""),
    ("AMQP", rb"AMQP", rb""),
    ("Redis", rb"\*\d+\r\n\$\d+\r\n", rb""),
    ("Redis", rb"(?i:ping|info|get |set )", rb"([+:]|-ERR|\$-?\d+\r\n)"),
    ("memcached", rb"(get|gets|gat|set|add|replace|delete|incr|touch|stats|version|mg|ms)[ \r]", rb"([A-Z]|\d+\r\n)"),
    ("memcached", rb"\x80[\x00-\x2f]", rb"\x81[\x00-\x2f]"),  # its binary protocol
    ("PostgreSQL", rb"\x00\x00..\x00\x03\x00[\x00-\x02]", rb""),  # StartupMessage
    ("PostgreSQL", rb"\x00\x00\x00.\x04\xd2\x16[\x2e-\x30]", rb""),  # SSLRequest, GSSENCRequest, CancelRequest
    ("MySQL", rb"", rb"...\x00(\x0a\d+\.\d+|\xff..)"),
    ("MongoDB", rb".{12}(\xdd\x07|\xd4\x07)\x00\x00", rb""),
    ("SMB", rb"\x00...[\xfe\xff]SMB", rb""),
    ("Kerberos", rb"\x00\x00..[\x6a\x6c][\x80-\x82]?", rb""),
    ("LDAP", rb"\x30([\x00-\x7f]|\x84....)\x02\x01.[\x60\x63\x77]", rb""),
    ("SQL Server", rb"\x12\x01..\x00\x00", rb""),
    ("Cassandra", rb"[\x03-\x05]\x00..[\x01\x05]\x00\x00", rb""),
    ("RDP", rb"\x03\x00..[\x06-\xff]\xe0\x00\x00", rb""),
    ("SMTP", rb"(?i:ehlo|helo|lhlo)", rb""),
    ("FTP", rb"(?i:user |auth |feat|opts |syst)", rb"220[ -]"),
    ("SMTP", rb"", rb"220[ -].*SMTP"),
    ("FTP", rb"", rb"220[ -].*FTP"),
    ("POP3", rb"(?i:user |capa|apop |auth|stls|quit)", rb"\+OK"),
    ("IMAP", rb"", rb"\* (OK|PREAUTH)"),
    ("NATS", rb"", rb"INFO \{"),
    ("STOMP", rb"(CONNECT|STOMP)\r?\n", rb""),
    ("XMPP", rb"<(\?xml|stream)", rb""),
    ("IRC", rb"(NICK|USER|CAP|PASS) ", rb""),
    ("PROXY", rb"PROXY (TCP|UNK)", rb""),
    ("Telnet", rb"", rb"\xff[\xfb-\xfe]"),
]
"""Name, how the client's stream begins, how the server's does; the first that fits counts."""

_COMPILED = [(name, re.compile(hello, re.DOTALL), re.compile(greeting, re.DOTALL)) for name, hello, greeting in _RULES]

_PORTS = {
    21: "FTP",
    22: "SSH",
    23: "Telnet",
    25: "SMTP",
    53: "DNS",
    80: "HTTP",
    88: "Kerberos",
    110: "POP3",
    143: "IMAP",
    179: "BGP",
    389: "LDAP",
    443: "TLS",
    445: "SMB",
    465: "SMTP/TLS",
    587: "SMTP",
    636: "LDAP/TLS",
    853: "DNS/TLS",
    993: "IMAP/TLS",
    995: "POP3/TLS",
    1433: "SQL Server",
    1521: "Oracle",
    1883: "MQTT",
    1935: "RTMP",
    2181: "ZooKeeper",
    2379: "etcd",
    3306: "MySQL",
    3389: "RDP",
    4222: "NATS",
    5060: "SIP",
    5222: "XMPP",
    5432: "PostgreSQL",
    5672: "AMQP",
    6379: "Redis",
    8000: "HTTP",
    8080: "HTTP",
    8443: "TLS",
    8883: "MQTT/TLS",
    9042: "Cassandra",
    9092: "Kafka",
    9200: "HTTP",
    11211: "memcached",
    27017: "MongoDB",
}
"""What usually is behind a port."""

_UPGRADE = re.compile(rb"\r\nupgrade:\s*websocket", re.IGNORECASE)


def guess(hello: bytes, greeting: bytes, request: bytes = b"") -> str | None:
    """The protocol by the first bytes of both streams, padded with zeros, and by more of the client's if known."""
    if not any(hello) and not any(greeting):
        return None
    for name, spoken, heard in _COMPILED:
        if spoken.match(hello) and heard.match(greeting):
            return WEBSOCKET if name == HTTP and _UPGRADE.search(request) else name
    return None


def by_port(port: int) -> str:
    """What usually is behind a port, with a question mark."""
    name = _PORTS.get(port)
    return f"{name}?" if name else UNKNOWN


def majority(guesses: Iterable[str | None], port: int) -> str:
    """The most frequent guess, or else what the port stands for."""
    counts = Counter(name for name in guesses if name is not None)
    return counts.most_common(1)[0][0] if counts else by_port(port)
