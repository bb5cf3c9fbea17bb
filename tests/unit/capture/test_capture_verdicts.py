"""What a connection's row says: its verdict and why, what is missing, how it begins, copies that differ."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from conversations import ACK, MS, PSH, START_NS, Conversation, entries_of, stream_of, write_pcap

from gryphon.controller.errors import InputFault
from gryphon.sender.capture.load import check_whole, load
from gryphon.sender.capture.recording import Recording, Rules, Verdict


def loaded(tmp_path: Path, *conversations: Conversation, rules: Rules = Rules(), snap: int = 262144) -> Recording:  # noqa: B008
    """The recording of a capture that holds these conversations, in time order."""
    packets = sorted((packet for each in conversations for packet in each.packets), key=lambda packet: packet[0])
    return load([write_pcap(tmp_path / "x", packets, snap=snap)], None, rules)


def good() -> Conversation:
    """Something replayable, so that loading succeeds whatever the others are."""
    conversation = Conversation(client_port=39_999).open()
    conversation.say(5, b"good")
    return conversation


def client_hello(version: int = 1, size: int = 200) -> bytes:
    """A TLS record with a ClientHello of ``size`` bytes."""
    hello = b"\x01" + (size - 4).to_bytes(3, "big") + b"\x03\x03"
    return struct.pack("!BBBH", 22, 3, version, size) + hello.ljust(size, b"\x55")


STARTTLS = [
    (25, b"220 mail ready\r\n", [b"EHLO me\r\n", b"STARTTLS\r\n"]),
    (5432, b"", [struct.pack("!II", 8, 80877103)]),
    (389, b"", [bytes.fromhex("301d02010177188016312e332e362e312e342e312e313436362e3230303337")]),
]


@pytest.mark.parametrize("first", [client_hello(), client_hello(3, 517), client_hello(4), b"SSH-2.0-OpenSSH_9.2\r\n"])
@pytest.mark.parametrize("cut", [None, 30])
def test_an_encrypted_session_is_rejected_unless_it_is_allowed(tmp_path: Path, first: bytes, cut: int | None) -> None:
    hidden = Conversation(server_port=443).open()
    hidden.say(5, first[:cut])
    if cut:
        hidden.say(6, first[cut:] or b"\n")
    hidden.answer(10, b"answer")
    recording = loaded(tmp_path, hidden, good())
    assert recording.rejected["encrypted"] == 1
    assert recording.connections["verdict"].tolist() == [Verdict.ENCRYPTED, Verdict.REPLAYABLE]
    assert recording.sessions["connection"].tolist() == [1]
    allowed = loaded(tmp_path, hidden, good(), rules=Rules(allow_encrypted=True))
    assert len(allowed.sessions) == 2
    assert stream_of(allowed, 0) == (first if len(first) > 30 or not cut else first + b"\n")


def test_the_hello_of_ssl_2_is_encrypted_too(tmp_path: Path) -> None:
    body = bytes([1, 3, 1]) + struct.pack("!HHH", 9, 0, 16) + bytes(25)
    hidden = Conversation(server_port=443).open()
    hidden.say(5, struct.pack("!H", 0x8000 | len(body)) + body)
    assert loaded(tmp_path, hidden, good()).rejected["encrypted"] == 1


@pytest.mark.parametrize(("port", "greeting", "texts"), STARTTLS)
def test_a_session_that_turns_to_tls_in_the_middle_is_encrypted(
    tmp_path: Path, port: int, greeting: bytes, texts: list[bytes]
) -> None:
    hidden = Conversation(server_port=port).open()
    if greeting:
        hidden.answer(5, greeting)
    for turn, text in enumerate([*texts, client_hello()]):
        hidden.say(10 + 10 * turn, text)
        hidden.answer(15 + 10 * turn, b"S")
    assert loaded(tmp_path, hidden, good()).rejected["encrypted"] == 1


@pytest.mark.parametrize(
    "text",
    [
        b"POST / HTTP/1.1\r\n\r\n" + client_hello(),
        b"\x16\x03\x01\x00\x10\x02" + bytes(20),  # a ServerHello
        b"\x16\x03\x09\x00\x10\x01" + bytes(20),
        b"\x16\x03",
        b"SSH is a protocol\r\n",
        b"\x80\x2e\x01\x03\x01",
    ],
)
def test_what_only_resembles_a_hello_is_replayed(tmp_path: Path, text: bytes) -> None:
    plain = Conversation().open()
    plain.say(5, text)
    assert len(loaded(tmp_path, plain).sessions) == 1


def test_a_silent_client_is_a_session_when_silence_is_kept(tmp_path: Path) -> None:
    silent = Conversation().open()
    silent.answer(500, b"push")
    silent.send(501, ACK, 0, 4)
    silent.close(60_000, by_client=False)
    recording = loaded(tmp_path, silent, good(), rules=Rules(keep_silent=True))
    assert recording.rejected["no_client_data"] == 0
    assert recording.sessions["messages"].tolist() == [0, 1]
    assert recording.sessions["length"].tolist() == [0, 4]
    (end,) = entries_of(recording, 0)
    assert (end["stream_end"], end["expect"] + end["pushed"]) == (0, 4)
    assert loaded(tmp_path, silent, good()).rejected["no_client_data"] == 1


@pytest.mark.parametrize(
    ("again", "differing"),
    [
        ((3, b"defXhi"), 1),
        ((3, b"defghi"), 0),
        ((0, b"aX"), 1),
        ((9, b"X"), 0),  # a keep-alive probe's byte is none of the stream
        ((2, b"cdefghijklm"), 0),  # it goes on behind what came before
        ((2, b"cdefgXijklm"), 1),
    ],
)
def test_a_copy_with_another_content_is_counted_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, again: tuple[int, bytes], differing: int
) -> None:
    talk = Conversation(client_isn=2**32 - 4).open()
    talk.say(5, b"abcdefghij")
    talk.send(9, ACK, again[0], 0, again[1])
    recording = loaded(tmp_path, talk)
    assert stream_of(recording, 0)[:10] == b"abcdefghij"
    assert recording.connections["differing"].tolist() == [differing]
    assert ("1 session repeat client bytes" in caplog.text) == bool(differing)


def test_copies_in_other_files_and_behind_a_hole_are_compared_too(tmp_path: Path) -> None:
    talk = Conversation().open()
    talk.send(5, ACK, 5, 0, b"fghij")
    talk.send(6, ACK, 0, 0, b"abcde")
    talk.send(7, ACK, 4, 0, b"eXg")
    halves = [write_pcap(tmp_path / "a", talk.packets[:-1]), write_pcap(tmp_path / "b", talk.packets[-1:])]
    assert load(halves, None).connections["differing"].tolist() == [1]


def test_a_row_has_addresses_times_bytes_and_how_both_sides_began(tmp_path: Path) -> None:
    talk = Conversation(client="10.0.0.9", server="10.0.0.7", server_port=25).open(100)
    talk.answer(110, b"220 a longer greeting\r\n")
    talk.say(120, b"QUIT\r\n")
    talk.close(130)
    row = loaded(tmp_path, good(), talk).connections[1]
    assert (row["client_lo"] & 0xFF, row["server_lo"] & 0xFF) == (9, 7)
    assert (row["client_port"], row["server_port"], row["version"]) == (40000, 25, 4)
    assert (row["start_ns"], row["end_ns"]) == (START_NS + 100 * MS, START_NS + 132 * MS)
    assert (row["client_bytes"], row["server_bytes"], row["packets"]) == (6, 23, 8)
    assert row["hello"].tobytes() == b"QUIT\r\n".ljust(16, b"\0")
    assert row["greeting"].tobytes() == b"220 a longer gre"
    assert (row["session"], row["missing"], row["differing"]) == (1, 0, 0)


def test_a_hole_is_measured_and_has_a_time(tmp_path: Path) -> None:
    lost = Conversation(client_port=41_000).open()
    lost.say(5, b"here")
    lost.said += 1000
    lost.say(25, b"behind the hole")
    cut = Conversation(client_port=41_001).open(1)
    cut.say(30, b"x" * 500)
    connections = loaded(tmp_path, good(), lost, cut, snap=300).connections
    by_port = {int(row["client_port"]): row for row in connections}
    assert by_port[41_000]["verdict"] == Verdict.MISSING_BYTES
    assert by_port[41_000]["missing"] == 1000
    assert by_port[41_000]["hole_ns"] == START_NS + 25 * MS
    assert by_port[41_001]["verdict"] == Verdict.TRUNCATED
    assert by_port[41_001]["missing"] == 500 - (300 - 54)
    assert by_port[39_999]["hole_ns"] == by_port[39_999]["missing"] == 0


def test_every_session_points_at_its_connection_and_back(tmp_path: Path) -> None:
    talks = []
    for n in range(12):
        talk = Conversation(client_port=50_000 + n, server_port=80 + n % 3).open(20 * (12 - n))
        if n % 4:
            talk.say(20 * (12 - n) + 5, b"x" * (n + 1), flags=PSH | ACK)
        talks.append(talk)
    recording = loaded(tmp_path, *talks)
    assert (recording.connections["start_ns"][1:] >= recording.connections["start_ns"][:-1]).all()
    for number, session in enumerate(recording.sessions):
        row = recording.connections[session["connection"]]
        assert (row["session"], row["client_port"]) == (number, session["client_port"])
    assert (recording.connections["session"] < 0).sum() == recording.rejected["no_client_data"] == 3


def test_strict_refuses_what_skip_rejected_leaves_out(tmp_path: Path) -> None:
    silent = Conversation(client_port=41_000).open()
    check_whole(loaded(tmp_path, good()))
    with pytest.raises(InputFault, match=r"^1 of 2 sessions cannot be replayed: no_client_data 1 .*leave --strict out"):
        check_whole(loaded(tmp_path, good(), silent))
