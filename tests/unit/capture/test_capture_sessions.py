"""Which connections a capture holds, which of them are replayable, and the sentence when none is."""

from __future__ import annotations

from pathlib import Path

import pytest
from conversations import ACK, FIN, PSH, RST, START_NS, Conversation, stream_of, write_pcap

from gryphon.controller.errors import InputFault
from gryphon.sender.capture.load import load
from gryphon.sender.capture.recording import End, Recording


def loaded(tmp_path: Path, *conversations: Conversation, snap: int = 262144) -> Recording:
    """The recording of a capture that holds these conversations, in time order."""
    packets = sorted((packet for each in conversations for packet in each.packets), key=lambda packet: packet[0])
    return load([write_pcap(tmp_path / "x", packets, snap=snap)], [80])


def good(port: int = 39999) -> Conversation:
    """Something replayable, so that loading succeeds whatever the others are."""
    conversation = Conversation(client_port=port).open()
    conversation.say(5, b"good")
    return conversation


def test_a_retransmitted_syn_is_no_second_session(tmp_path: Path) -> None:
    conversation = Conversation()
    for at in (0, 1000, 3000):
        conversation.syn(at)
    conversation.open(7000, rtt_ms=4)
    conversation.say(7010, b"x")
    recording = loaded(tmp_path, conversation)
    assert recording.recorded == 1
    assert recording.sessions["start_ns"][0] == START_NS
    assert recording.sessions["handshake_ns"][0] == 4_000_000


def test_a_syn_that_is_sent_again_after_a_refusal_is_no_second_session(tmp_path: Path) -> None:
    conversation = Conversation()
    for at in (0, 500):
        conversation.syn(at)
        conversation.send(at + 1, RST | ACK, -1 - conversation.server_isn, 0, from_client=False)
    recording = loaded(tmp_path, conversation, good())
    assert recording.recorded == 2
    assert recording.rejected["no_handshake"] == 1


def test_a_reused_port_is_a_second_session(tmp_path: Path) -> None:
    first, second = Conversation(), Conversation(client_isn=77_000)
    for at, conversation, text in ((0, first, b"one"), (100, second, b"two")):
        conversation.open(at)
        conversation.say(at + 5, text)
        conversation.close(at + 10)
    recording = loaded(tmp_path, first, second)
    assert [stream_of(recording, i) for i in range(2)] == [b"one", b"two"]
    assert recording.sessions["end"].tolist() == [End.CLIENT_FIN] * 2


def test_a_port_reused_without_a_close_or_with_the_same_number_is_a_second_session(tmp_path: Path) -> None:
    first = Conversation().open()
    first.say(5, b"never closed")
    second = Conversation(client_isn=77_000).open(100)
    second.say(105, b"two")
    second.close(110)
    third = Conversation(client_isn=77_000).open(200)
    third.say(205, b"three")
    recording = loaded(tmp_path, first, second, third)
    assert [stream_of(recording, i) for i in range(3)] == [b"never closed", b"two", b"three"]


def test_late_packets_of_the_connection_before_are_not_taken_in(tmp_path: Path) -> None:
    first = Conversation(server_isn=2**31).open()
    first.say(5, b"one")
    first.close(10)
    second = Conversation(client_isn=2**31, server_isn=5).open(100)
    first.send(102, FIN | ACK, 0, 3, b"late", from_client=False)
    second.say(105, b"two")
    second.answer(110, b"answer")
    recording = loaded(tmp_path, first, second)
    assert stream_of(recording, 1) == b"two"
    assert recording.sessions["server_bytes"].tolist() == [0, 6]
    assert recording.sessions["end"].tolist() == [End.CLIENT_FIN, End.NONE]


def test_connections_that_began_before_the_capture_are_counted_once_each(tmp_path: Path) -> None:
    halfway = Conversation(client_port=41000).open()
    halfway.say(5, b"x")
    halfway.answer(6, b"y")
    halfway.close(7)
    halfway.packets = halfway.packets[3:]
    answered = Conversation(client_port=41001).open()
    answered.say(5, b"x")
    answered.packets = answered.packets[1:]
    recording = loaded(tmp_path, good(), halfway, answered)
    assert recording.recorded == 3
    assert recording.rejected["no_syn"] == 2
    assert recording.ports == {80: 3}


def test_a_handshake_that_never_completes_is_no_session_to_replay(tmp_path: Path) -> None:
    lonely = Conversation(client_port=41000)
    lonely.syn(0)
    refused = Conversation(client_port=41001)
    refused.syn(0)
    refused.send(1, RST | ACK, -1, 0, from_client=False)
    scanned = Conversation(client_port=41002).open()
    scanned.packets.pop()
    scanned.send(2, RST, 0, None)
    recording = loaded(tmp_path, good(), lonely, refused, scanned)
    assert recording.recorded == 4
    assert recording.rejected["no_handshake"] == 3


def test_a_handshake_of_which_the_capture_lost_the_last_packet_counts(tmp_path: Path) -> None:
    conversation = Conversation().open()
    conversation.packets.pop()
    conversation.say(5, b"x")
    recording = loaded(tmp_path, conversation)
    assert recording.messages["gap_ns"][0] == 4_000_000


def test_lost_client_packets_make_a_session_incomplete(tmp_path: Path) -> None:
    middle, last, fin = (Conversation(client_port=41000 + n).open() for n in range(3))
    for conversation in (middle, last, fin):
        for n in range(3):
            conversation.say(5 + n, b"abc")
    del middle.packets[4]
    last.send(9, ACK, 0, 9, from_client=False)
    del last.packets[5]
    fin.close(9)
    del fin.packets[5]
    recording = loaded(tmp_path, good(), middle, last, fin)
    assert recording.rejected["missing_bytes"] == 3
    assert len(recording.sessions) == 1


def test_a_lost_fin_is_no_lost_data(tmp_path: Path) -> None:
    conversation = Conversation().open()
    conversation.say(5, b"abc")
    conversation.close(9)
    del conversation.packets[4]
    assert loaded(tmp_path, conversation).sessions["length"].tolist() == [3]


def test_data_cut_by_the_snap_length_is_told_from_lost_data(tmp_path: Path) -> None:
    conversation = Conversation(client_port=41000).open()
    conversation.say(5, b"x" * 1000)
    recording = loaded(tmp_path, good(), conversation, snap=100)
    assert recording.rejected == dict.fromkeys(recording.rejected, 0) | {"truncated": 1}


def test_a_cut_copy_beside_a_whole_one_does_no_harm(tmp_path: Path) -> None:
    conversation = Conversation().open()
    conversation.say(5, b"x" * 30)
    conversation.say(6, b"y" * 10)
    conversation.send(300, PSH | ACK, 0, 0, b"x" * 30 + b"y" * 10)
    assert stream_of(loaded(tmp_path, conversation, snap=54 + 35), 0) == b"x" * 30 + b"y" * 10


def test_silent_clients_are_counted(tmp_path: Path) -> None:
    silent = Conversation(client_port=41000).open()
    silent.answer(5, b"greeting")
    silent.close(10)
    assert loaded(tmp_path, good(), silent).rejected["no_client_data"] == 1


def test_sessions_stand_in_the_order_in_which_they_began(tmp_path: Path) -> None:
    later, sooner = Conversation(client_port=1).open(50), Conversation(client_port=2).open(10)
    later.say(60, b"later")
    sooner.say(200, b"sooner")
    recording = loaded(tmp_path, later, sooner)
    assert [stream_of(recording, i) for i in range(2)] == [b"sooner", b"later"]


@pytest.mark.parametrize(
    ("flags", "by_client", "end"),
    [
        (FIN | ACK, True, End.CLIENT_FIN),
        (RST, True, End.CLIENT_RST),
        (FIN | ACK, False, End.SERVER_FIN),
        (RST | ACK, False, End.SERVER_RST),
    ],
)
def test_who_closed_first_and_how_is_kept(tmp_path: Path, flags: int, by_client: bool, end: End) -> None:
    conversation = Conversation().open()
    conversation.say(5, b"x")
    seq, ack = (1, 0) if by_client else (0, 1)
    conversation.send(9, flags, seq, ack, from_client=by_client)
    conversation.send(10, FIN | ACK, ack, seq + 1, from_client=not by_client)
    recording = loaded(tmp_path, conversation)
    assert recording.sessions["end"][0] == end
    assert recording.messages["gap_ns"][-1] == 4_000_000


def test_the_capture_of_one_direction_alone_is_replayable(tmp_path: Path) -> None:
    conversation = Conversation().open()
    conversation.say(5, b"request")
    conversation.answer(8, b"a" * 500)
    conversation.send(9, ACK, 7, 500)
    conversation.say(20, b"again")
    client_only = Conversation(packets=[p for p in conversation.packets if p[1][26:30] == bytes([10, 0, 0, 1])])
    recording = loaded(tmp_path, client_only)
    assert stream_of(recording, 0) == b"requestagain"
    assert recording.messages["expect"].tolist() == [0, 500, 0]


def test_a_port_that_nobody_used_names_those_that_were(tmp_path: Path) -> None:
    busy = [Conversation(client_port=1000 + n).open() for n in range(3)]
    other = Conversation(client_port=2000, server_port=443).open()
    path = write_pcap(tmp_path / "x", [packet for each in [*busy, other] for packet in each.packets])
    with pytest.raises(
        InputFault, match=r"no session to port 81 or 82 in .*x; it has port 80 \(3 sessions\), port 443 \(1 session\)$"
    ):
        load([path], [82, 81])


def test_a_capture_without_tcp_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputFault, match=r"no TCP connection in .*x \(1 packet\)"):
        load([write_pcap(tmp_path / "x", [(0, bytes(60))])], None)


def test_nothing_replayable_is_told_with_reasons_and_counts(tmp_path: Path) -> None:
    lonely = Conversation()
    lonely.syn(0)
    halfway = [Conversation(client_port=1000 + n) for n in range(2)]
    for conversation in halfway:
        conversation.send(0, PSH | ACK, 0, 0, b"x")
    path = write_pcap(tmp_path / "x", lonely.packets + halfway[0].packets + halfway[1].packets)
    sentence = r"none of the 3 sessions to port 80 in .* can be replayed: no_syn 2 \(.*\); no_handshake 1 \(.*\)$"
    with pytest.raises(InputFault, match=sentence):
        load([path], [80])


def test_one_chosen_port_without_sessions_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recording = load([write_pcap(tmp_path / "x", good().packets)], [80, 81])
    assert len(recording.sessions) == 1
    assert "no session to port 81" in caplog.text


def test_other_services_are_left_alone_but_counted(tmp_path: Path) -> None:
    other = Conversation(client_port=2000, server_port=443).open()
    other.say(5, b"tls")
    recording = loaded(tmp_path, good(), other)
    assert (recording.recorded, len(recording.sessions), recording.ports) == (1, 1, {80: 1, 443: 1})


def test_the_server_is_found_when_its_port_is_the_higher_one(tmp_path: Path) -> None:
    conversation = Conversation(client_port=20, server_port=50000).open()
    conversation.say(5, b"data")
    recording = load([write_pcap(tmp_path / "x", conversation.packets)], [50000])
    assert (recording.sessions["client_port"][0], recording.sessions["server_port"][0]) == (20, 50000)


def test_a_syn_ack_that_was_captured_ahead_of_its_syn_begins_no_second_session(tmp_path: Path) -> None:
    conversation = Conversation(client_isn=2**32 - 1).open()
    conversation.say(5, b"x")
    conversation.answer(6, b"yy")
    conversation.packets[:2] = reversed(conversation.packets[:2])
    recording = load([write_pcap(tmp_path / "x", conversation.packets)], [80])
    assert (recording.recorded, len(recording.sessions)) == (1, 1)
    assert (recording.sessions["syn_mss"][0], recording.sessions["server_bytes"][0]) == (1460, 2)
    assert recording.connections["start_ns"][0] == recording.sessions["start_ns"][0] == START_NS
    other = Conversation(client_isn=5).open()
    other.say(5, b"x")
    other.packets[0], other.packets[1] = other.packets[1], Conversation(client_isn=77).open(1).packets[0]
    assert loaded(tmp_path, other, good()).rejected["no_syn"] == 1


@pytest.mark.parametrize("by_client", [True, False])
@pytest.mark.parametrize("seq", [1460, 50_000_000, -900_001])
def test_a_reset_out_of_line_is_no_byte_and_no_close_while_the_session_goes_on(
    tmp_path: Path, by_client: bool, seq: int
) -> None:
    """Boxes on the way send resets with numbers that they guess, or with 0 (RFC 5961)."""
    conversation = Conversation().open()
    conversation.say(5, b"one")
    conversation.answer(6, b"1111")
    conversation.send(7, RST, seq, None, from_client=by_client)
    conversation.say(20, b"two")
    conversation.answer(21, b"22")
    conversation.close(30, by_client=False)
    recording = loaded(tmp_path, conversation)
    assert recording.messages["expect"].tolist() == [0, 4, 2]
    assert recording.sessions["server_bytes"].tolist() == [6]
    assert recording.sessions["end"].tolist() == [End.SERVER_FIN]


def test_a_reset_out_of_line_behind_which_nothing_follows_is_the_close(tmp_path: Path) -> None:
    conversation = Conversation().open()
    conversation.say(5, b"one")
    conversation.send(7, RST, 9999, None, from_client=False)
    recording = loaded(tmp_path, conversation)
    assert recording.sessions["end"].tolist() == [End.SERVER_RST]
    assert recording.sessions["server_bytes"].tolist() == [0]
