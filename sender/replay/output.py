"""Segments of a user: what may leave under the windows (RFC 9293, 3.8; RFC 5681), and its description for the wire."""

from __future__ import annotations

from typing import Any

import numpy as np

from gryphon.sender.compiled import inner, int64
from gryphon.sender.replay.addresses import locate, turns
from gryphon.sender.replay.core import Core, count, entry_at, packet_at, session_of, turn_to
from gryphon.sender.replay.measures import Counter
from gryphon.sender.replay.personalise import personalise
from gryphon.sender.replay.rows import UNSCALED, Mark
from gryphon.sender.replay.sequence import MASK, after, instant, plus, scramble
from gryphon.sender.replay.sums import MODULUS

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
OPTION_MSS, OPTION_SCALE, OPTION_TIMESTAMP = 1, 2, 8

TIMESTAMP_BYTES = 12
"""The timestamp option with its padding, in every segment that carries it."""

RECEIVE_WINDOW = 65535
"""What a user advertises, unscaled: it reads everything at once."""

INITIAL_RTO_US = 1_000_000
"""RFC 6298, 2.1."""

RTO_FLOOR_US = 200_000
"""Linux's TCP_RTO_MIN: added to the round trip, so that a delayed acknowledgement is not taken for a loss."""

RTO_CEILING_US = 120_000_000
"""Linux's TCP_RTO_MAX."""

RESERVE = 16
"""Descriptors kept free in a batch for what one event must answer at once."""


@inner
def room(core: Core) -> int:
    """Descriptors that may still be filled with data in this batch."""
    return int64(core.packet_room - core.packet_count - RESERVE)


@inner
def attend(core: Core, row: int, user: Any) -> None:
    """Serve this user from here on: its session, address, port and initial sequence number are looked up once."""
    hi, lo, port = locate(core, row, int64(user.loop))
    attend_at(core, row, user, hi, lo, port)


@inner
def attend_at(core: Core, row: int, user: Any, hi: int, lo: int, port: int) -> None:
    """The same where its address and port are known.

    The initial sequence number is a clock plus a hash of both (RFC 6528). Whenever a looping user has the same address
    and port again, it is higher, as if the clock had gone on.
    """
    turn_to(core, row)
    core.source_hi = hi
    core.source_lo = lo
    core.source_port = port
    hashed = scramble(int64(lo & np.uint64(MASK)) ^ (int64(port) << 16))
    again = turns(core, int64(user.loop)) * (int64(session_of(core).length) + (1 << 20))
    core.isn = (core.isn_clock + hashed + again) & MASK


@inner
def released(core: Core, user: Any) -> int:
    """Bytes of the user's stream that its script has released so far."""
    session = session_of(core)
    if user.message == session.first:
        return 0
    return int64(entry_at(core.entries, user.message - 1).stream_end)


@inner
def all_sent(core: Core, user: Any) -> bool:
    """Whether every released byte has left at least once."""
    return bool(after(user.snd_max, core.isn) > released(core, user))


@inner
def rto(user: Any) -> int:
    """Retransmission time-out with back-off, microseconds (RFC 6298, 2 and 5.5)."""
    base = INITIAL_RTO_US
    if user.srtt != 0:
        base = (int64(user.srtt) << 6) + max(RTO_FLOOR_US, int64(user.rttvar) << 8)
    return min(base << min(int64(user.retries), 10), RTO_CEILING_US)


@inner
def emit(core: Core, row: int, user: Any, now: int, flags: int, seq: int, offset: int, length: int) -> None:
    """Describe one segment; every one but a SYN acknowledges what has been received."""
    packet = packet_at(core.packets, core.packet_count)
    core.packet_count += 1
    session = session_of(core)
    packet.source_hi, packet.source_lo, packet.port = core.source_hi, core.source_lo, core.source_port
    packet.payload = session.payload + offset
    packet.row = row
    packet.seq = seq
    packet["flags"] = flags  # as an attribute, numpy's own "flags" would hide it in plain Python
    packet.length = length
    packet.target = session.target
    packet.window = RECEIVE_WINDOW
    packet.options = 0
    packet.summed = 0
    packet.payload_sum = 0
    packet.ack = user.rcv_nxt if flags & ACK else 0
    if user.marks & Mark.TIMESTAMPS and not flags & RST:
        packet.options = OPTION_TIMESTAMP
        packet.tsval = (core.ts_clock + now // 1000) & MASK
        packet.tsecr = user.ts_recent
    if length > 0 and session.fields > 0:
        personalise(core, row, user, packet, session, offset)
    user.marks &= ~Mark.ACK_DUE & 0xFF
    count(core, Counter.PACKETS_SENT, 1)


@inner
def emit_reset_to(core: Core, row: int, record: Any) -> None:
    """Describe the reset of a connection that is no more, from the address that the record went to."""
    packet = packet_at(core.packets, core.packet_count)
    core.packet_count += 1
    packet.source_hi, packet.source_lo, packet.port = record.address_hi, record.address_lo, record.port
    packet.payload = 0
    packet.summed = 0
    packet.row = row
    packet.seq = record.ack
    packet.ack = 0
    packet["flags"] = RST
    packet.length = 0
    packet.target = session_of(core).target
    packet.window = 0
    packet.options = 0
    count(core, Counter.PACKETS_SENT, 1)


@inner
def emit_syn(core: Core, row: int, user: Any, now: int) -> None:
    """Describe the SYN, with the options that the recorded one had; selective acknowledgement is never offered."""
    session = session_of(core)
    emit(core, row, user, now, SYN, core.isn, 0, 0)
    packet = packet_at(core.packets, core.packet_count - 1)
    packet.options = (session.syn_options & (OPTION_SCALE | OPTION_TIMESTAMP)) | OPTION_MSS
    packet.mss = core.mtu - core.headers
    packet.window_scale = session.syn_scale
    packet.window = max(session.syn_window, 1)
    packet.tsval = (core.ts_clock + now // 1000) & MASK
    packet.tsecr = 0


@inner
def acknowledge(core: Core, row: int, user: Any, now: int) -> None:
    """Send an acknowledgement now, at the highest number sent: a lower one would lie before the server's window."""
    emit(core, row, user, now, ACK, user.snd_max, 0, 0)


@inner
def reset(core: Core, row: int, user: Any, now: int) -> None:
    """Send a reset at the server's RCV.NXT; after a loss it lies in the window and is challenged (RFC 5961, 3.2)."""
    emit(core, row, user, now, RST | ACK, user.snd_max, 0, 0)


@inner
def _usable(user: Any) -> int:
    """Bytes that the server's window and the congestion window still allow."""
    flight = int64(after(user.snd_nxt, user.snd_una))
    window = int64(user.window)
    if not user.peer_scale & UNSCALED:
        window <<= int64(user.peer_scale)
    return min(window, int64(user.cwnd) * int64(user.mss)) - flight


@inner
def _take_sum(core: Core, user: Any, offset: int, length: int) -> None:
    """The last packet, if it is the whole last message, has its sum; what stands there already is the user's part."""
    entry = entry_at(core.entries, user.message - 1)
    if length == entry.length and offset + length == entry.stream_end:
        packet = packet_at(core.packets, core.packet_count - 1)
        packet.payload_sum = (int64(packet.payload_sum) + int64(entry.payload_sum)) % MODULUS
        packet.summed = 1


@inner
def _segment(core: Core, row: int, user: Any, now: int, offset: int, length: int, end: int) -> None:
    """Send bytes of the stream at snd_nxt and move it."""
    flags = ACK | PSH if offset + length == end else ACK
    emit(core, row, user, now, flags, user.snd_nxt, offset, length)
    _take_sum(core, user, offset, length)
    user.snd_nxt = plus(user.snd_nxt, length)
    _advance_max(core, user, length)


@inner
def _advance_max(core: Core, user: Any, length: int) -> None:
    """Keep the highest number sent; what lies below it is a retransmission."""
    fresh = after(user.snd_nxt, user.snd_max)
    if fresh > 0:
        user.snd_max = user.snd_nxt
        count(core, Counter.BYTES_SENT, min(fresh, length))
    else:
        count(core, Counter.RETRANSMITTED, 1)
        user.marks &= ~Mark.TIMING & 0xFF


@inner
def send(core: Core, row: int, user: Any, now: int) -> None:
    """Send what the script has released as far as the windows allow, then our FIN, and keep the timer running."""
    end = released(core, user)
    offset = after(user.snd_nxt, core.isn) - 1
    held = False
    while offset < end and not held:
        length = min(end - offset, int64(user.mss))
        usable = _usable(user)
        if usable < length:
            # silly window avoidance: a part of a segment goes only when nothing is on its way (RFC 9293, 3.8.6.2.1)
            held = usable <= 0 or after(user.snd_nxt, user.snd_una) > 0
            length = usable
        held = held or (user.marks & Mark.RECOVERY and after(user.snd_nxt, user.snd_max) >= 0)
        if not held and room(core) <= 0:
            user.marks |= Mark.HELD
            held = True
        if not held:
            _segment(core, row, user, now, offset, length, end)
            offset += length
    if offset == end and user.marks & Mark.FIN_RELEASED:
        emit(core, row, user, now, FIN | ACK, user.snd_nxt, 0, 0)
        user.snd_nxt = plus(user.snd_nxt, 1)
        _advance_max(core, user, 0)
        offset += 1
    if user.snd_nxt == user.snd_una and offset >= end:
        user.rto_at = 0
    elif user.rto_at == 0:
        user.rto_at = instant(now, rto(user))


@inner
def send_again(core: Core, row: int, user: Any, now: int) -> None:
    """Retransmit the first unacknowledged segment, or the FIN (RFC 5681, 3.2; RFC 6582, 3.2), and restart the timer."""
    highest = user.snd_nxt
    user.snd_nxt = user.snd_una
    end = released(core, user)
    offset = after(user.snd_una, core.isn) - 1
    if offset < end:
        sent = after(user.snd_max, user.snd_una)  # what has not left before is for the windows to allow
        _segment(core, row, user, now, offset, min(end - offset, int64(user.mss), sent), end)
    elif user.marks & Mark.FIN_RELEASED:
        emit(core, row, user, now, FIN | ACK, user.snd_nxt, 0, 0)
        user.snd_nxt = plus(user.snd_nxt, 1)
        _advance_max(core, user, 0)
    if after(highest, user.snd_nxt) > 0:
        user.snd_nxt = highest
    user.rto_at = instant(now, rto(user))
