"""Reassembly of the client's half: each byte once, the first copy, in order, whatever the network did."""

from __future__ import annotations

from pathlib import Path

import pytest
from conversations import ACK, FIN, PSH, RST, SYN, Conversation, entries_of, stream_of, texts_of, write_pcap

from gryphon.sender.capture.load import load
from gryphon.sender.capture.recording import Recording

DATA = PSH | ACK


def loaded(tmp_path: Path, conversation: Conversation) -> Recording:
    """The recording of one conversation."""
    return load([write_pcap(tmp_path / "x", conversation.packets)], None)


def sent(tmp_path: Path, *pieces: tuple[int, bytes]) -> bytes:
    """The stream that client segments of (sequence offset, bytes), captured in this order, make."""
    conversation = Conversation().open()
    for n, (seq, data) in enumerate(pieces):
        conversation.send(5 + n, DATA, seq, 0, data)
    return stream_of(loaded(tmp_path, conversation), 0)


@pytest.mark.parametrize(
    ("pieces", "stream"),
    [
        ([(0, b"abc"), (0, b"abc"), (3, b"def")], b"abcdef"),
        ([(0, b"abc"), (3, b"def"), (0, b"ABCDEF")], b"abcdef"),
        ([(0, b"abcd"), (2, b"XXef")], b"abcdef"),
        ([(3, b"def"), (0, b"abc")], b"abcdef"),
        ([(6, b"ghi"), (3, b"def"), (0, b"abc")], b"abcdefghi"),
        ([(3, b"def"), (0, b"abcXX")], b"abcdef"),
        ([(3, b"d"), (0, b"abcXe")], b"abcde"),
        ([(2, b"c"), (4, b"e"), (0, b"abXdXf")], b"abcdef"),
        ([(1, b"b"), (0, b"aX"), (0, b"YYc")], b"abc"),
        ([(5, b"f"), (3, b"d"), (1, b"b"), (0, b"aXcXeX")], b"abcdef"),
    ],
)
def test_the_first_copy_of_each_byte_wins(tmp_path: Path, pieces: list[tuple[int, bytes]], stream: bytes) -> None:
    assert sent(tmp_path, *pieces) == stream


def test_keep_alive_probes_that_carry_a_byte_add_nothing(tmp_path: Path) -> None:
    assert sent(tmp_path, (-1, b"\0"), (0, b"abc"), (2, b"\0"), (2, b"\0"), (3, b"def"), (5, b"\0")) == b"abcdef"


@pytest.mark.parametrize("isn", [2**32 - 1, 2**32 - 2, 2**32 - 3, 2**31 - 2])
def test_sequence_numbers_wrap(tmp_path: Path, isn: int) -> None:
    conversation = Conversation(client_isn=isn, server_isn=isn).open()
    for n in range(5):
        conversation.say(10 * n + 5, b"%d%d" % (n, n))
        conversation.answer(10 * n + 8, b"answer")
    recording = loaded(tmp_path, conversation)
    assert texts_of(recording, 0) == [b"00", b"11", b"22", b"33", b"44"]
    assert recording.messages["expect"].tolist() == [0, 6, 6, 6, 6, 6]


def test_data_of_a_syn_belongs_to_the_stream(tmp_path: Path) -> None:
    conversation = Conversation()
    conversation.send(0, SYN, -1, None, b"early")
    conversation.send(1, SYN | ACK, -1, 5, from_client=False)
    conversation.send(2, ACK, 5, 0)
    conversation.said = 5
    conversation.say(500, b"late")
    assert texts_of(loaded(tmp_path, conversation), 0) == [b"early", b"late"]


def test_data_of_a_fin_belongs_to_the_stream(tmp_path: Path) -> None:
    conversation = Conversation().open()
    conversation.send(5, DATA | FIN, 0, 0, b"last words")
    assert stream_of(loaded(tmp_path, conversation), 0) == b"last words"


def test_what_a_reset_carries_is_no_data(tmp_path: Path) -> None:
    conversation = Conversation().open()
    conversation.say(5, b"abc")
    conversation.send(6, RST | ACK, 3, 0, b"reason")
    assert stream_of(loaded(tmp_path, conversation), 0) == b"abc"


def test_server_bytes_are_counted_once(tmp_path: Path) -> None:
    conversation = Conversation().open()
    conversation.say(5, b"abc")
    for n, (seq, data) in enumerate([(0, b"x" * 10), (20, b"x" * 10), (10, b"x" * 10), (0, b"x" * 30), (30, b"x")]):
        conversation.send(10 + n, ACK, seq, 3, data, from_client=False)
    recording = loaded(tmp_path, conversation)
    assert recording.sessions["server_bytes"][0] == 31
    assert recording.messages["expect"].tolist() == [0, 31]


def test_server_bytes_that_the_capture_lost_are_counted_by_the_acknowledgement(tmp_path: Path) -> None:
    conversation = Conversation().open()
    conversation.say(5, b"one")
    conversation.answer(10, b"x" * 700)
    conversation.packets.pop()
    conversation.say(20, b"two")
    conversation.answer(30, b"x" * 50)
    conversation.close(40)
    recording = loaded(tmp_path, conversation)
    assert recording.messages["expect"].tolist() == [0, 700, 50]


def test_an_answer_lasts_until_what_was_lost_of_it_has_come(tmp_path: Path) -> None:
    conversation = Conversation().open()
    conversation.say(5, b"abc")
    conversation.send(10, ACK, 0, 3, b"x" * 10, from_client=False)
    conversation.send(20, ACK, 20, 3, b"x" * 10, from_client=False)
    conversation.send(900, ACK, 10, 3, b"x" * 10, from_client=False)
    conversation.send(901, ACK, 3, 30)
    conversation.send(950, ACK, 20, 3, b"x" * 10, from_client=False)
    conversation.send(1000, ACK | PSH, 3, 30, b"next")
    recording = loaded(tmp_path, conversation)
    row = entries_of(recording, 0)[1]
    assert (row["expect"], row["answer_ns"], row["gap_ns"]) == (30, 895_000_000, 100_000_000)


def test_a_repetition_of_the_server_does_not_divide_a_message(tmp_path: Path) -> None:
    conversation = Conversation().open()
    conversation.answer(2, b"hello")
    conversation.say(5, b"a" * 1460, ACK)
    conversation.send(6, ACK, 0, 0, b"hello", from_client=False)
    conversation.say(7, b"b")
    assert texts_of(loaded(tmp_path, conversation), 0) == [b"a" * 1460 + b"b"]


def test_the_acknowledgement_of_a_fin_is_no_byte(tmp_path: Path) -> None:
    conversation = Conversation().open()
    conversation.say(5, b"one")
    conversation.answer(10, b"x" * 700)
    conversation.close(40, by_client=False)
    for packets in (conversation.packets, [p for n, p in enumerate(conversation.packets) if n != 5]):
        recording = loaded(tmp_path, Conversation(packets=packets))
        assert recording.sessions["server_bytes"][0] == 700


def test_a_segment_that_was_lost_and_sent_again_counts_as_written_with_its_neighbours(tmp_path: Path) -> None:
    conversation = Conversation().open()
    conversation.send(5, ACK, 0, 0, b"a" * 1460)
    conversation.send(6, DATA, 2920, 0, b"c" * 100)
    conversation.send(900, ACK, 1460, 0, b"b" * 1460)
    conversation.send(910, DATA, 0, 3020, b"answer", from_client=False)
    recording = loaded(tmp_path, conversation)
    assert texts_of(recording, 0) == [b"a" * 1460 + b"b" * 1460 + b"c" * 100]
    assert entries_of(recording, 0)[1]["answer_ns"] == 904_000_000
