"""The first bytes of each recorded answer: whole wherever the capture has them, and never another's."""

from __future__ import annotations

from pathlib import Path

import pytest
from conversations import ACK, FIN, PSH, RST, SYN, Conversation, entries_of, heads_of, write_pcap

from gryphon.sender.capture.load import load
from gryphon.sender.capture.recording import MOST_ANSWER_BYTES, Recording, Rules


def loaded(tmp_path: Path, talk: Conversation, most: int = 8, snap: int = 262144) -> Recording:
    return load([write_pcap(tmp_path / "x", talk.packets, snap=snap)], None, Rules(answer_bytes=most))


def test_each_answer_stands_at_the_entry_that_waits_for_it(tmp_path: Path) -> None:
    """The greeting at the first message, the last answer at the end, and nothing where nobody waited."""
    talk = Conversation().open()
    talk.answer(5, b"220 ready\r\n")
    talk.say(10, b"one")
    talk.say(400, b"two, unanswered one")
    talk.answer(410, b"ok\r\n")
    talk.say(420, b"three")
    talk.answer(430, b"goodbye\r\n")
    talk.close(440)
    recording = loaded(tmp_path, talk)
    assert heads_of(recording, 0) == [b"220 read", b"", b"ok\r\n", b"goodbye\r"]
    assert recording.heads.tobytes() == b"220 readok\r\ngoodbye\r"


def test_nothing_is_kept_unless_it_is_asked_for(tmp_path: Path) -> None:
    talk = Conversation().open()
    talk.say(5, b"question")
    talk.answer(10, b"answer")
    recording = loaded(tmp_path, talk, most=0)
    assert len(recording.heads) == 0
    assert not recording.messages["head"].any()
    assert not recording.messages["head_length"].any()


@pytest.mark.parametrize("most", [-1, MOST_ANSWER_BYTES + 1])
def test_more_bytes_than_a_recording_can_hold_are_refused(most: int) -> None:
    with pytest.raises(ValueError, match="0 to 1024"):
        Rules(answer_bytes=most)


@pytest.mark.parametrize("most", [1, 5, 6, 11, 1024])
@pytest.mark.parametrize("isn", [900_000, 2**32 - 4])
def test_an_answer_of_several_segments_is_joined(tmp_path: Path, most: int, isn: int) -> None:
    talk = Conversation(server_isn=isn).open()
    talk.say(5, b"question")
    for n, part in enumerate([b"a", b"bcde", b"fghijk"]):
        talk.answer(10 + n, part)
    assert heads_of(loaded(tmp_path, talk, most), 0)[1] == b"abcdefghijk"[:most]


SEGMENTS = [(0, b"abcd"), (4, b"efgh"), (8, b"ijkl")]


@pytest.mark.parametrize("order", [(0, 2, 1), (2, 1, 0), (1, 0, 2), (0, 0, 1, 0, 2, 1)])
def test_bytes_come_to_their_place_whatever_the_order_and_the_copies(tmp_path: Path, order: tuple[int, ...]) -> None:
    talk = Conversation().open()
    talk.say(5, b"question")
    for n, which in enumerate(order):
        seq, data = SEGMENTS[which]
        talk.send(10 + n, ACK | PSH, seq, talk.said, data, from_client=False)
    talk.answered = 12
    talk.close(30)
    assert heads_of(loaded(tmp_path, talk, 10), 0) == [b"", b"abcdefghij"]


def test_of_several_copies_of_a_byte_the_first_counts(tmp_path: Path) -> None:
    talk = Conversation().open()
    talk.say(5, b"question")
    for n, (seq, data) in enumerate([(0, b"abc"), (1, b"XXdef"), (0, b"YYYYYYgh"), (7, b"Z")]):
        talk.send(10 + n, ACK | PSH, seq, talk.said, data, from_client=False)
    assert heads_of(loaded(tmp_path, talk, 20), 0)[1] == b"abcdefgh"


def test_a_copy_of_an_answer_behind_the_next_message_is_not_the_next_answer(tmp_path: Path) -> None:
    """As a segment that spans two answers is of both."""
    talk = Conversation().open()
    talk.say(5, b"one")
    talk.answer(10, b"first")
    talk.say(15, b"two")
    talk.send(16, ACK | PSH, 0, talk.said, b"first", from_client=False)
    talk.send(20, ACK | PSH, 0, talk.said, b"firstsecond", from_client=False)
    talk.answered += 6
    talk.close(30)
    assert heads_of(loaded(tmp_path, talk), 0) == [b"", b"first", b"second"]


def test_what_the_capture_has_lost_ends_a_head(tmp_path: Path) -> None:
    """Acknowledgements tell that there was more: it is expected all the same."""
    talk = Conversation().open()
    talk.say(5, b"one")
    talk.answered += 4
    talk.answer(10, b"behind the hole")
    talk.say(15, b"two")
    talk.answer(20, b"seen")
    talk.answered += 100
    talk.say(25, b"three")
    talk.answered += 9
    talk.send(30, ACK, talk.said, talk.answered)
    talk.close(40)
    recording = loaded(tmp_path, talk)
    assert heads_of(recording, 0) == [b"", b"", b"seen", b""]
    assert [entry["expect"] for entry in entries_of(recording, 0)] == [0, 19, 104, 9]


def test_what_the_snap_length_cut_off_ends_a_head(tmp_path: Path) -> None:
    talk = Conversation().open()
    talk.say(5, b"q")
    talk.answer(10, b"x" * 20)
    talk.answer(11, b"y" * 20)
    talk.say(15, b"r")
    talk.answer(20, b"short")
    talk.close(30)
    recording = loaded(tmp_path, talk, 30, snap=54 + 8)
    assert heads_of(recording, 0) == [b"", b"x" * 8, b"short"]


def test_pushed_bytes_are_no_answer_and_move_the_next_one(tmp_path: Path) -> None:
    talk = Conversation().open()
    talk.say(5, b"one")
    talk.answer(10, b"answer")
    talk.answer(2000, b"push, a second later")
    talk.say(2500, b"two")
    talk.answer(2510, b"other")
    talk.close(2600)
    recording = loaded(tmp_path, talk, 100)
    assert heads_of(recording, 0) == [b"", b"answer", b"other"]


def test_data_of_a_reset_and_strays_are_no_answer(tmp_path: Path) -> None:
    talk = Conversation().open()
    talk.say(5, b"one")
    talk.send(6, RST | ACK, 0, talk.said, b"no such port", from_client=False)
    talk.send(7, ACK, 1 << 27, talk.said, b"far away", from_client=False)
    talk.answer(10, b"right")
    talk.close(30)
    assert heads_of(loaded(tmp_path, talk), 0) == [b"", b"right"]


def test_data_in_the_syn_ack_and_in_the_fin_count(tmp_path: Path) -> None:
    """TCP Fast Open (RFC 7413) lets a server answer before the handshake ends."""
    talk = Conversation()
    talk.syn(0)
    talk.send(1, SYN | ACK, -1, 0, b"hello ", from_client=False)
    talk.answered = 6
    talk.send(2, ACK, 0, 6)
    talk.answer(3, b"you")
    talk.say(10, b"question")
    talk.send(15, FIN | ACK | PSH, talk.answered, talk.said, b"bye", from_client=False)
    assert heads_of(loaded(tmp_path, talk, 20), 0) == [b"hello you", b"bye"]


def test_answers_of_several_files_and_batches_are_one_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gryphon.sender.capture.build._BATCH", 10)
    talks = []
    for n in range(9):
        talk = Conversation(client_port=50_000 + n).open(n)
        for turn in range(n + 1):
            talk.say(20 * turn + 30, b"question")
            talk.answer(20 * turn + 35, b"%d/%d " % (turn, n))
            talk.answer(20 * turn + 36, b"more")
        talks.append(talk)
    packets = sorted(packet for talk in talks for packet in talk.packets)
    paths = [write_pcap(tmp_path / str(file), packets[file::3]) for file in range(3)]
    recording = load(paths, None, Rules(answer_bytes=7))
    for number in range(9):
        answers = [b"%d/%d mor" % (turn, number) for turn in range(number + 1)]
        assert heads_of(recording, number) == [b"", *answers]


def test_a_client_that_says_nothing_has_the_head_of_what_it_heard(tmp_path: Path) -> None:
    silent = Conversation().open()
    silent.answer(500, b"welcome, whoever you are")
    silent.close(60_000)
    path = write_pcap(tmp_path / "x", silent.packets)
    recording = load([path], None, Rules(keep_silent=True, answer_bytes=7))
    assert heads_of(recording, 0) == [b"welcome"]
