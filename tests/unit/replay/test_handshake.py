"""SYN_SENT: the handshake, its options, and every way in which it fails."""

from __future__ import annotations

import pytest
from transcript import Message, Transcript

from gryphon.controller.record import Option
from gryphon.sender.replay.measures import Counter

ONE = [Message(100)]


def test_a_handshake_is_acknowledged_at_once_and_the_message_follows_its_gap() -> None:
    t = Transcript([Message(100, gap_ms=5)])
    t.until(0)
    t.take("S", 0, at=0)
    t.until(3)
    t.give("S.", 0, 1, mss=1460, options=Option.MSS)
    t.take(".", 1, ack=1, at=3)
    t.until(20)
    t.take("P.", 1, 100, ack=1, at=8)


def test_the_syn_names_our_own_mss_and_the_recorded_window_scale_and_timestamps() -> None:
    t = Transcript(ONE, mtu=1400)
    t.until(0)
    syn = t.take("S", 0)
    assert syn["mss"] == 1360
    assert syn["window"] == 64240
    assert syn["window_scale"] == 7
    assert syn["options"] == Option.MSS | Option.WINDOW_SCALE | Option.TIMESTAMP
    assert syn["ack"] == 0
    assert syn["tsecr"] == 0


def test_selective_acknowledgement_is_never_offered() -> None:
    t = Transcript(ONE, options=Option.SACK_PERMITTED | Option.MSS)
    t.until(0)
    assert t.take("S", 0)["options"] == Option.MSS


def test_an_ipv6_user_leaves_room_for_the_longer_header() -> None:
    t = Transcript(ONE, ip_version=6)
    t.until(0)
    assert t.take("S", 0)["mss"] == 1440


@pytest.mark.parametrize(
    ("client", "server", "mss", "mtu", "segment"),
    [
        (Option(0), Option.MSS, 1460, 1500, 1460),
        (Option(0), Option.MSS, 536, 1500, 536),
        (Option(0), Option.MSS, 9000, 1500, 1460),
        (Option.TIMESTAMP, Option.MSS | Option.TIMESTAMP, 1460, 1500, 1448),
        (Option.TIMESTAMP, Option.MSS | Option.TIMESTAMP, 536, 1500, 524),
        (Option.TIMESTAMP, Option.MSS, 1460, 1500, 1460),
        (Option(0), Option(0), 0, 1500, 536),
        (Option(0), Option.MSS, 0, 1500, 536),
    ],
)
def test_a_segment_is_the_servers_mss_or_the_mtu_less_the_options_carried(
    client: Option, server: Option, mss: int, mtu: int, segment: int
) -> None:
    t = Transcript([Message(5000)], options=client, mtu=mtu).open(mss=mss, options=server)
    t.until(3)
    t.take(".", 1, segment, at=2)


def test_timestamps_are_carried_only_when_both_ends_named_them() -> None:
    for client, server, carried in ((8, 8, 8), (8, 0, 0), (0, 8, 0)):
        t = Transcript(ONE, options=client)
        t.until(1)
        t.take("S", 0)
        t.give("S.", 0, 1, mss=1460, options=server, tsval=77)
        acknowledgement = t.take(".", 1)
        assert acknowledgement["options"] == carried
        if carried:
            assert acknowledgement["tsecr"] == 77


def test_the_servers_window_is_not_scaled_unless_both_named_a_scale() -> None:
    for client, server in ((2, 0), (0, 2), (0, 0)):
        t = Transcript([Message(3000)], options=client).open(mss=1000, window=1000, options=1 | server, window_scale=7)
        t.until(100)
        t.take(".", 1, 1000)
        t.quiet()


def test_the_window_of_a_syn_ack_is_not_scaled_even_when_a_scale_was_agreed_on() -> None:
    """RFC 7323, 2.2: a server with a small receive buffer says so, unscaled, in its SYN-ACK."""
    t = Transcript([Message(9000)]).open(mss=1000, options=3, window=2048, window_scale=7)
    t.until(150)
    assert sum(int(packet["length"]) for _, packet in t.seen) <= 2048
    t.drop()
    t.give(".", 1, 2001, window=5000 >> 7)
    assert 2000 < sum(int(packet["length"]) for _, packet in t.seen) <= 5000


def test_an_unanswered_syn_goes_out_six_times_more_with_doubled_pauses_and_then_times_out() -> None:
    t = Transcript(ONE, timeout_s=1000.0)
    t.until(200_000)
    for at in (0, 1, 3, 7, 15, 31, 63):
        t.take("S", 0, at=at * 1000)
    t.take("R.", 1, at=127_000)
    t.quiet()
    assert t.failures() == {"timeout": 1}
    assert t.count(Counter.RETRANSMITTED) == 6
    t.balanced()


def test_the_timeout_option_bounds_the_handshake() -> None:
    t = Transcript(ONE, timeout_s=5.0)
    t.until(100_000)
    for at in (0, 1, 3):
        t.take("S", 0, at=at * 1000)
    t.take("R.", 1, at=5000)
    t.quiet()
    assert t.failures() == {"timeout": 1}
    t.balanced()


def test_a_late_syn_ack_opens_the_connection_after_a_retransmission_and_starts_with_one_segment() -> None:
    """RFC 5681, 3.1: a lost SYN makes the initial window one segment."""
    t = Transcript([Message(5000)])
    t.until(1500)
    t.take("S", 0, at=0)
    t.take("S", 0, at=1000)
    t.give("S.", 0, 1, mss=1000, options=Option.MSS)
    t.take(".", 1, ack=1)
    t.until(1600)
    t.take(".", 1, 1000)
    t.quiet()
    assert t.count(Counter.CONNECTED) == 1


def test_a_reset_that_acknowledges_the_syn_is_a_refusal() -> None:
    t = Transcript(ONE)
    t.until(1)
    t.take("S", 0)
    t.give("R.", 0, 1)
    t.quiet(200_000)
    assert t.failures() == {"refused": 1}
    t.balanced()


@pytest.mark.parametrize(("flags", "ack"), [("R.", 0), ("R.", 2), ("R", 0)])
def test_a_reset_that_does_not_acknowledge_the_syn_is_ignored(flags: str, ack: int) -> None:
    t = Transcript(ONE)
    t.until(1)
    t.take("S", 0)
    t.give(flags, 0, ack)
    t.quiet(900)
    assert t.failures() == {}


def test_a_challenge_acknowledgement_is_answered_by_a_reset_and_the_next_syn_connects() -> None:
    """The address's last connection still stands at the server (RFC 5961, 4.2; RFC 9293, 3.10.7.3)."""
    t = Transcript(ONE)
    t.until(1)
    t.take("S", 0)
    t.give(".", 500, -7000)
    t.take("R", -7000, at=1)
    t.until(1001)
    t.take("S", 0, at=1000)
    t.give("S.", 0, 1, mss=1460, options=Option.MSS)
    t.take(".", 1, ack=1)
    assert t.count(Counter.CONNECTED) == 1
    assert t.failures() == {}


def test_a_syn_ack_of_another_syn_is_reset_and_opens_nothing() -> None:
    t = Transcript(ONE)
    t.until(1)
    t.take("S", 0)
    t.give("S.", 0, 99, mss=1460, options=Option.MSS)
    t.take("R", 99)
    assert t.count(Counter.CONNECTED) == 0


@pytest.mark.parametrize(("version", "kind", "code"), [(4, 3, 1), (4, 3, 3), (4, 3, 13), (4, 11, 0), (6, 1, 4)])
def test_an_icmp_error_about_the_syn_makes_the_user_unreachable(version: int, kind: int, code: int) -> None:
    t = Transcript(ONE)
    t.until(1)
    t.take("S", 0)
    t.icmp(kind, code, 0, version=version)
    t.quiet(200_000)
    assert t.failures() == {"unreachable": 1}
    t.balanced()


def test_an_icmp_error_about_another_sequence_number_is_ignored() -> None:
    """RFC 5927, 4.1: an off-path attacker does not know the number."""
    t = Transcript(ONE)
    t.until(1)
    t.take("S", 0)
    t.icmp(3, 1, 1)
    t.icmp(3, 1, -1)
    assert t.failures() == {}


@pytest.mark.parametrize("flags", ["S", ".", "F.", "P."])
def test_anything_else_opens_nothing(flags: str) -> None:
    t = Transcript(ONE)
    t.until(1)
    t.take("S", 0)
    t.give(flags, 0, 1, 10 if flags == "P." else 0)
    assert t.count(Counter.CONNECTED) == 0
    t.quiet(900)


def test_a_repeated_syn_ack_is_acknowledged_again() -> None:
    """Our acknowledgement was lost (RFC 5961, 4.2)."""
    t = Transcript([Message(100, gap_ms=500)]).open()
    t.until(50)
    t.give("S.", 0, 1, mss=1460, options=Option.MSS)
    t.take(".", 1, ack=1, at=50)
    t.quiet(490)
    assert t.count(Counter.CONNECTED) == 1


def test_a_user_that_has_not_started_answers_with_a_reset() -> None:
    """RFC 9293, 3.10.7.1: what is left of an earlier run on the same address."""
    t = Transcript(ONE, users=2, rate=1.0)
    t.until(1)
    t.take("S", 0)
    other = t.record(".", 50, 7)
    other["address_lo"] += 1
    t.give_all(other)
    t.take("R", 7)
    t.quiet(900)
    assert t.count(Counter.STARTED) == 1
