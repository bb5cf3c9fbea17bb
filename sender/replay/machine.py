"""The TCP of a simulated user: what a record of the server's answer, a timer, or its scheduled start makes it do.

Rules, by section of RFC 9293 unless another is named; the states and their order stand in ``transitions.py``:

* SYN_SENT takes only a SYN-ACK of its own SYN; another acknowledgement is answered by a reset (3.10.7.3), a reset
  that acknowledges the SYN is a refusal.
* A reset counts when it stands exactly at RCV.NXT; elsewhere in the window it is challenged (RFC 5961, 3.2).
* A SYN on an open connection is challenged by an acknowledgement (RFC 5961, 4.2).
* What lies before RCV.NXT is acknowledged at once, so that a lost acknowledgement heals (3.10.7.4, first).
* In-order data is acknowledged with the next message, at the second segment, or after 40 ms (3.8.6.3, as Linux).
* Out-of-order data is kept in up to two ranges and acknowledged at once (RFC 5681, 4.2).
* Three duplicate acknowledgements resend the first segment; until all is acknowledged, each partial acknowledgement
  resends the next (RFC 6582). A time-out resends from SND.UNA with a window of one segment (RFC 6298, 5.4 to 5.7).
* A closed window is probed by an acknowledgement one below SND.UNA, with back-off (3.8.6.1, as Linux).
* The server's MSS and ours bound a segment (3.7.1), an ICMP "too big" lowers it (RFC 5927, 6); its window counts scaled
  once it is not the SYN-ACK's (RFC 7323, 2.2).
* An ICMP error about the SYN ends the attempt, later ones are soft (RFC 1122, 4.2.3.9; RFC 5927, 6).
* In TIME_WAIT what comes again is acknowledged, and a reset at RCV.NXT ends it (3.10.7.4); a user that comes back
  leaves it for a new connection, whose numbers are higher if the port is the same (3.6.1). CLOSED resets (3.10.7.1).
"""

from __future__ import annotations

from typing import Any

from gryphon.controller.record import Kind
from gryphon.sender.compiled import inner, int64
from gryphon.sender.replay.core import Core, count, counted, note, session_of, user_at
from gryphon.sender.replay.exchange import (
    HOP_BITS,
    advance,
    await_next,
    await_peer_close,
    cut,
    end_connection,
    fail,
    finish_unsent,
    leave,
    on_bytes,
    on_peer_fin,
    on_peer_reset,
    on_silence,
    set_action,
    time_out,
)
from gryphon.sender.replay.measures import Counter, Histogram
from gryphon.sender.replay.output import (
    ACK,
    FIN,
    OPTION_MSS,
    OPTION_SCALE,
    OPTION_TIMESTAMP,
    PSH,
    RECEIVE_WINDOW,
    RST,
    SYN,
    TIMESTAMP_BYTES,
    acknowledge,
    attend,
    attend_at,
    emit,
    emit_reset_to,
    emit_syn,
    released,
    reset,
    rto,
    send,
    send_again,
)
from gryphon.sender.replay.rows import DIFFERS, FAILED, OUTCOME, UNSCALED, Before, Mark, Phase
from gryphon.sender.replay.sequence import MASK, after, instant, plus
from gryphon.sender.replay.transitions import Event, State, is_open, move
from gryphon.sender.replay.values import forget_values
from gryphon.sender.replay.wheel import TICK_SHIFT, link, tick_of

SYN_RETRIES = 6
"""Linux's tcp_syn_retries."""

DATA_RETRIES = 15
"""Linux's tcp_retries2."""

DELAYED_ACK_US = 40_000
"""Linux's TCP_DELACK_MIN."""

INITIAL_WINDOW = 10
"""Segments, RFC 6928."""

DEFAULT_MSS = 536
"""A server that names no MSS takes this (3.7.1)."""

MINIMUM_MSS = 88
"""Linux refuses to go below (tcp_min_snd_mss, with room for options)."""

AFTER_FAILURE_US = 1_000_000
"""A looping user stays away so long after a failed session: a server that is down is not to be flooded."""

SETTLED_SEGMENT = 1460
"""A payload longer than this, or than our MTU allows, is more than one segment: acknowledged at once."""


@inner
def _begin_anew(user: Any) -> None:
    """Forget the session before, if there was one; the row's place in the wheel stays."""
    user.outcome &= ~(OUTCOME | DIFFERS) & 0xFF
    user.marks = 0
    user.peer_scale = 0
    user.retries = 0
    user.duplicates = 0
    user.srtt = 0
    user.rttvar = 0
    user.rcv_nxt = 0
    user.answer = 0
    user.hole_start[0] = user.hole_end[0]
    user.hole_start[1] = user.hole_end[1]


@inner
def start(core: Core, row: int, now: int, intended: int) -> None:
    """The user's scheduled start has come: send its SYN."""
    user = user_at(core.users, row)
    attend(core, row, user)
    _begin_anew(user)
    if core.value_stride > 0:
        forget_values(core, row)
    seq = core.isn
    user.message = session_of(core).first
    user.snd_una = seq
    user.snd_nxt = plus(seq, 1)
    user.snd_max = user.snd_nxt
    user.intended = intended & MASK
    user.sent_at = now & MASK
    user.ssthresh = 0xFFFF
    user.phase = Phase.ANSWER
    set_action(user, now, now + core.timeout)
    emit_syn(core, row, user, now)
    user.rto_at = instant(now, rto(user))
    move(user, Event.OPEN)
    core.openings -= 1
    count(core, Counter.SESSIONS_STARTED, 1)
    count(core, Counter.ACTIVE, 1)
    count(core, Counter.PEAK_ACTIVE, max(counted(core, Counter.ACTIVE) - counted(core, Counter.PEAK_ACTIVE), 0))
    note(core, Histogram.LATENESS, now - intended)
    arm(core, row, user, now, core.tick)


@inner
def _sample_round_trip(user: Any, microseconds: int) -> None:
    """RFC 6298, 2.2 and 2.3, in units of 64 microseconds."""
    sample = min(max(microseconds >> 6, 1), 0xFFFF)
    if user.srtt == 0:
        user.srtt = sample
        user.rttvar = sample >> 1
    else:
        srtt = int64(user.srtt)
        user.rttvar = (3 * int64(user.rttvar) + abs(srtt - sample)) >> 2
        user.srtt = max((7 * srtt + sample) >> 3, 1)


@inner
def _open(core: Core, row: int, user: Any, record: Any, now: int, at: int) -> None:
    """An acceptable SYN-ACK: take the server's options, acknowledge, begin the script."""
    session = session_of(core)
    both = record.options & session.syn_options
    if both & OPTION_TIMESTAMP:
        user.marks |= Mark.TIMESTAMPS
        user.ts_recent = record.tsval
    if both & OPTION_SCALE:
        user.peer_scale = record.window_scale | UNSCALED
    offered = record.mss if record.options & OPTION_MSS and record.mss > 0 else DEFAULT_MSS
    mss = min(offered, core.mtu - core.headers)
    user.mss = max(mss - (TIMESTAMP_BYTES if user.marks & Mark.TIMESTAMPS else 0), MINIMUM_MSS)
    user.window = record.window
    user.cwnd = INITIAL_WINDOW if user.retries == 0 else 1  # RFC 5681, 3.1: a lost SYN starts slowly
    if user.retries == 0:
        _sample_round_trip(user, after(at, user.sent_at))
    user.retries = 0
    user.rto_at = 0
    user.rcv_nxt = plus(record.seq, 1)
    user.snd_una = record.ack
    move(user, Event.HANDSHAKE)
    count(core, Counter.SESSIONS_CONNECTED, 1)
    if not user.outcome & Before.CONNECTED:
        user.outcome |= Before.CONNECTED
        count(core, Counter.CONNECTED, 1)
    note(core, Histogram.CONNECT_INTENDED, after(at, user.intended))
    note(core, Histogram.CONNECT_SERVICE, after(at, user.sent_at))
    acknowledge(core, row, user, now)
    await_next(core, row, user, now, at)
    advance(core, row, user, now, 0)


@inner
def _in_syn_sent(core: Core, row: int, user: Any, record: Any, now: int, at: int) -> None:
    """RFC 9293, 3.10.7.3."""
    ours = record["flags"] & ACK and record.ack == user.snd_nxt
    if record["flags"] & ACK and not ours:
        if not record["flags"] & RST:
            emit(core, row, user, now, RST, record.ack, 0, 0)
    elif record["flags"] & RST:
        if ours:
            fail(core, row, user, now, Counter.FAILED_REFUSED)
            end_connection(core, user)
    elif record["flags"] & SYN and ours:
        _open(core, row, user, record, now, at)


@inner
def _grow_window(user: Any, acknowledged: int, stream: int) -> None:
    """Slow start by what was acknowledged, then one segment a window (RFC 5681, 3.1)."""
    cwnd, mss = int64(user.cwnd), int64(user.mss)
    if cwnd < user.ssthresh:
        user.cwnd = min(cwnd + max(acknowledged // mss, 1), 0xFFFF)
    elif stream // (cwnd * mss) != (stream + acknowledged) // (cwnd * mss):
        user.cwnd = min(cwnd + 1, 0xFFFF)


@inner
def _take_acknowledgement(core: Core, row: int, user: Any, record: Any, now: int, at: int) -> None:
    """The acknowledgement is new: move SND.UNA, time the round trip, leave or go on with a recovery."""
    acknowledged = after(record.ack, user.snd_una)
    origin = plus(core.isn, 1)
    if user.marks & Mark.TIMING:
        user.marks &= ~Mark.TIMING & 0xFF
        _sample_round_trip(user, after(at, user.sent_at))
    stream = max(after(user.snd_una, origin), 0)
    user.snd_una = record.ack
    if after(user.snd_una, user.snd_nxt) > 0:
        user.snd_nxt = user.snd_una
    user.retries = 0
    user.duplicates = 0
    user.rto_at = 0
    if not user.marks & Mark.RECOVERY:
        _grow_window(user, acknowledged, stream)
    elif user.snd_una == user.snd_max:
        user.marks &= ~Mark.RECOVERY & 0xFF
    else:
        send_again(core, row, user, now)
    if user.marks & Mark.FIN_RELEASED and after(user.snd_una, origin) > released(core, user):
        move(user, Event.FIN_ACKED)
        leave(core, user)
    elif user.phase == Phase.ANSWER or user.phase == Phase.UNSENT:
        set_action(user, now, now + core.timeout)


@inner
def _count_duplicate(core: Core, row: int, user: Any, now: int) -> None:
    """The third duplicate acknowledgement in a row starts a fast retransmit (RFC 5681, 3.2)."""
    user.duplicates = min(int64(user.duplicates) + 1, 255)
    if user.duplicates == 3 and not user.marks & Mark.RECOVERY:
        flight = after(user.snd_max, user.snd_una) // int64(user.mss)
        user.ssthresh = max(flight >> 1, 2)
        user.cwnd = user.ssthresh
        user.marks |= Mark.RECOVERY
        send_again(core, row, user, now)


@inner
def _on_acknowledgement(core: Core, row: int, user: Any, record: Any, now: int, at: int) -> bool:
    """RFC 9293, 3.10.7.4, fifth. False: it acknowledges what was never sent, and the segment is dropped."""
    if after(record.ack, user.snd_max) > 0:
        acknowledge(core, row, user, now)
        return False
    ahead = after(record.ack, user.snd_una)
    if ahead < 0:
        return True
    reopened = bool(record.window != user.window or user.peer_scale & UNSCALED)
    if (
        ahead == 0
        and record.length == 0
        and not reopened
        and not record["flags"] & FIN
        and user.snd_max != user.snd_una
    ):
        _count_duplicate(core, row, user, now)
    user.window = record.window
    user.peer_scale &= ~UNSCALED & 0xFF
    if ahead > 0:
        _take_acknowledgement(core, row, user, record, now, at)
    if (ahead > 0 or reopened) and is_open(user):
        if reopened and user.snd_max == user.snd_una:
            user.rto_at = 0  # the probe timer, if any: the window is open
            user.retries = 0
        send(core, row, user, now)
    return True


@inner
def _keep_range(user: Any, seq: int, end: int) -> None:
    """Remember an out-of-order range [seq, end); a third that touches neither is forgotten (RFC 9293, 3.10.7.4)."""
    for i in range(2):
        if user.hole_start[i] == user.hole_end[i]:
            user.hole_start[i] = seq
            user.hole_end[i] = end
            return
        if after(seq, user.hole_end[i]) <= 0 and after(end, user.hole_start[i]) >= 0:
            if after(seq, user.hole_start[i]) < 0:
                user.hole_start[i] = seq
            if after(end, user.hole_end[i]) > 0:
                user.hole_end[i] = end
            return


@inner
def _join_ranges(user: Any) -> None:
    """Move RCV.NXT over kept ranges that it has reached."""
    for _ in range(2):
        for i in range(2):
            if user.hole_start[i] != user.hole_end[i] and after(user.hole_start[i], user.rcv_nxt) <= 0:
                if after(user.hole_end[i], user.rcv_nxt) > 0:
                    user.rcv_nxt = user.hole_end[i]
                user.hole_start[i] = user.hole_end[i]
    # the first place is the one that is looked at for "is anything missing"
    if user.hole_start[0] == user.hole_end[0] and user.hole_start[1] != user.hole_end[1]:
        user.hole_start[0], user.hole_end[0] = user.hole_start[1], user.hole_end[1]
        user.hole_start[1] = user.hole_end[1]


@inner
def _on_data(core: Core, row: int, user: Any, record: Any, now: int, at: int) -> None:
    """RFC 9293, 3.10.7.4, seventh: take what is in order, keep what is not, and decide when to acknowledge."""
    end = plus(record.seq, record.length)
    if after(record.seq, user.rcv_nxt) > 0:
        _keep_range(user, record.seq, end)
        acknowledge(core, row, user, now)
        return
    before = user.rcv_nxt
    user.rcv_nxt = end
    missing = user.hole_start[0] != user.hole_end[0]
    if missing:
        _join_ranges(user)
    fresh = after(user.rcv_nxt, before)
    core.sample_skip = after(before, record.seq)
    at_once = missing or user.marks & Mark.ACK_DUE or record.length > min(SETTLED_SEGMENT, core.mtu - core.headers)
    if not user.marks & Mark.ACK_DUE:
        user.marks |= Mark.ACK_DUE
        user.ack_tick = ((now + DELAYED_ACK_US) >> TICK_SHIFT) & 0xFFFF
    count(core, Counter.BYTES_RECEIVED, fresh)
    pushed, joined = record["flags"] & PSH != 0, user.rcv_nxt != end
    if fresh > 0:
        on_bytes(core, row, user, now, at, fresh, int64(record.length), pushed, joined)
    if at_once and user.marks & Mark.ACK_DUE:
        acknowledge(core, row, user, now)


@inner
def _on_fin(core: Core, row: int, user: Any, now: int, at: int) -> None:
    """RFC 9293, 3.10.7.4, eighth: the server closes; acknowledged at once, with our FIN when that is next."""
    user.rcv_nxt = plus(user.rcv_nxt, 1)
    user.marks |= Mark.ACK_DUE
    move(user, Event.PEER_FIN)
    on_peer_fin(core, row, user, now, at)
    if user.marks & Mark.ACK_DUE:
        acknowledge(core, row, user, now)
    leave(core, user)


@inner
def _on_reset(core: Core, row: int, user: Any, record: Any, now: int) -> None:
    """RFC 5961, 3.2: exactly at RCV.NXT it ends the connection, elsewhere in the window it is challenged."""
    ahead = after(record.seq, user.rcv_nxt)
    if ahead == 0:
        on_peer_reset(core, row, user, now)
    elif 0 < ahead <= RECEIVE_WINDOW << 14:
        acknowledge(core, row, user, now)


@inner
def _receives(user: Any) -> bool:
    """Whether data and a FIN may still come; after the server's FIN they are ignored (3.10.7.4, seventh and eighth)."""
    return bool(State.ESTABLISHED <= user.state <= State.FIN_WAIT_2)


@inner
def _echo_again(user: Any, record: Any, end: int) -> None:
    """What was acknowledged last has come again: the copy's TSval is echoed (RFC 7323, 4.3; as Linux).

    The acknowledgement was lost; with the first one's TSval the server would count all its time-outs as a round trip.
    ``end`` is the segment's end, seen from RCV.NXT.
    """
    again = end == 0 and record.length > 0 and record.options & OPTION_TIMESTAMP
    if again and after(record.tsval, user.ts_recent) > 0:
        user.ts_recent = record.tsval


@inner
def _in_synchronised(core: Core, row: int, user: Any, record: Any, now: int, at: int) -> None:
    """RFC 9293, 3.10.7.4: an open connection, the checks in their order."""
    if record["flags"] & RST:
        _on_reset(core, row, user, record, now)
        return
    begin = after(record.seq, user.rcv_nxt)
    extent = int64(record.length) + (record["flags"] & FIN)
    if record["flags"] & SYN or (begin + extent <= 0 and begin != 0) or begin > RECEIVE_WINDOW << 14:
        _echo_again(user, record, begin + extent)
        acknowledge(core, row, user, now)
        return
    if record.options & OPTION_TIMESTAMP and begin <= 0:
        user.ts_recent = record.tsval
    if not record["flags"] & ACK or not _on_acknowledgement(core, row, user, record, now, at):
        return
    if not _receives(user):
        return
    if record.length > 0:
        _on_data(core, row, user, record, now, at)
    if record["flags"] & FIN and _receives(user):
        if plus(record.seq, record.length) == user.rcv_nxt:
            _on_fin(core, row, user, now, at)
        elif record.length == 0:
            acknowledge(core, row, user, now)  # out of order, like data (RFC 5681, 4.2)


@inner
def _in_time_wait(core: Core, row: int, user: Any, record: Any, now: int) -> None:
    """RFC 9293, 3.10.7.4: a reset ends it; what comes again, data before the FIN too, is acknowledged again."""
    ahead = after(record.seq, user.rcv_nxt)
    if record["flags"] & RST:
        if ahead == 0:
            move(user, Event.END)
    elif ahead != 0 or record.length > 0 or record["flags"] & (SYN | FIN):
        acknowledge(core, row, user, now)


@inner
def _is_unreachable(record: Any) -> bool:
    """ICMP unreachable or time exceeded (RFC 1122, 4.2.3.9); a quench or a redirect ends nothing."""
    if record.version == 4:
        return bool(record.icmp_type == 3 or record.icmp_type == 11)
    return bool(record.icmp_type == 1 or record.icmp_type == 3)


@inner
def _on_icmp(core: Core, row: int, user: Any, record: Any, now: int) -> None:
    """RFC 5927, 5.2 and 6: an error about a SYN ends the attempt; "too big" lowers the MSS; others are soft."""
    too_big = (record.version == 4 and record.icmp_type == 3 and record.icmp_code == 4) or (
        record.version == 6 and record.icmp_type == 2
    )
    if after(record.seq, user.snd_una) < 0 or after(record.seq, user.snd_max) >= 0:
        return
    if user.state == State.SYN_SENT:
        if _is_unreachable(record) and not too_big:
            fail(core, row, user, now, Counter.FAILED_UNREACHABLE)
            end_connection(core, user)
    elif too_big:
        fits = int64(record.mss) - core.headers - (TIMESTAMP_BYTES if user.marks & Mark.TIMESTAMPS else 0)
        if MINIMUM_MSS <= fits < user.mss:
            user.mss = fits
            user.snd_nxt = user.snd_una
            user.rto_at = instant(now, 0)  # resend at once, cut anew


@inner
def on_stale(core: Core, row: int, record: Any, now: int) -> None:
    """A segment to the address that the user had in an earlier loop: no such connection any more (3.10.7.1)."""
    count(core, Counter.RESPONSES, 1)
    if record.kind == Kind.TCP and record["flags"] & ACK and not record["flags"] & RST:
        emit_reset_to(core, row, record)


@inner
def on_record(core: Core, row: int, record: Any, now: int, at: int) -> None:
    """One record of this user: an answer of the server, captured at ``at``."""
    user = user_at(core.users, row)
    attend_at(core, row, user, record.address_hi, record.address_lo, record.port)
    count(core, Counter.RESPONSES, 1)
    user.marks &= ~Mark.REFUSED & 0xFF
    if record.kind == Kind.ICMP:
        if is_open(user):
            _on_icmp(core, row, user, record, now)
    elif record.kind != Kind.TCP:
        return
    elif user.state == State.SYN_SENT:
        _in_syn_sent(core, row, user, record, now, at)
    elif is_open(user):
        _in_synchronised(core, row, user, record, now, at)
    elif user.state == State.TIME_WAIT:
        _in_time_wait(core, row, user, record, now)
    elif not record["flags"] & RST and record["flags"] & ACK:
        emit(core, row, user, now, RST, record.ack, 0, 0)  # CLOSED answers with a reset (3.10.7.1)
    finish_unsent(core, row, user, now)
    _come_back(core, row, user, now)
    arm(core, row, user, now, core.tick)


@inner
def _probe(core: Core, row: int, user: Any, now: int) -> None:
    """Nothing is outstanding and something is held back: ask for the window (3.8.6.1); its wait is no round trip."""
    user.marks &= ~Mark.TIMING & 0xFF
    send(core, row, user, now)
    if user.snd_max == user.snd_una:
        emit(core, row, user, now, ACK, plus(user.snd_una, -1), 0, 0)
        user.rto_at = instant(now, rto(user))


@inner
def _on_retransmission_timer(core: Core, row: int, user: Any, now: int) -> None:
    """RFC 6298, 5.4 to 5.7; without anything outstanding it is the window probe of RFC 9293, 3.8.6.1."""
    limit = SYN_RETRIES if user.state == State.SYN_SENT else DATA_RETRIES
    outstanding = user.snd_una != user.snd_max
    user.rto_at = 0
    if outstanding and user.retries >= limit:
        time_out(core, row, user, now)
        reset(core, row, user, now)
        end_connection(core, user)
        return
    user.retries = min(int64(user.retries) + 1, 255)
    if user.state == State.SYN_SENT:
        emit_syn(core, row, user, now)
        count(core, Counter.RETRANSMITTED, 1)
        user.rto_at = instant(now, rto(user))
    elif outstanding:
        user.ssthresh = max(after(user.snd_max, user.snd_una) // int64(user.mss) >> 1, 2)
        user.cwnd = 1
        user.duplicates = 0
        user.marks &= ~(Mark.RECOVERY | Mark.TIMING) & 0xFF
        user.snd_nxt = user.snd_una
        send(core, row, user, now)
        if user.snd_nxt == user.snd_una:
            send_again(core, row, user, now)  # a window that has shrunk to nothing is probed by the data (3.8.6)
    else:
        _probe(core, row, user, now)


@inner
def _return(core: Core, row: int, user: Any, now: int) -> None:
    """The time away is over: the next session begins, unless it may not yet or the run's time is over, too."""
    if core.openings <= 0 and not core.draining:
        set_action(user, now, now + core.turn)
        return
    core.away -= 1
    if core.draining:
        user.phase = Phase.ENDED
        user.act_at = 0
    else:
        start(core, row, now, now - after(now, user.act_at))


@inner
def on_timer(core: Core, row: int, now: int) -> None:
    """The row's slot of the wheel has come: serve whatever is due, and find its next place."""
    user = user_at(core.users, row)
    attend(core, row, user)
    if user.rto_at != 0 and after(now, user.rto_at) >= 0:
        _on_retransmission_timer(core, row, user, now)
    if user.act_at != 0 and after(now, user.act_at) >= 0:
        if user.hops > 0:
            user.hops -= 1
            user.act_at = plus(user.act_at, 1 << HOP_BITS)
        elif user.phase == Phase.AWAY:
            _return(core, row, user, now)
        else:
            on_silence(core, row, user, now)
    if user.marks & Mark.HELD:
        user.marks &= ~Mark.HELD & 0xFF
        send(core, row, user, now)
    if user.marks & Mark.ACK_DUE and _ticks_to_ack(user, now) <= 0:
        acknowledge(core, row, user, now)
    finish_unsent(core, row, user, now)
    _come_back(core, row, user, now)
    arm(core, row, user, now, core.tick + 1)


@inner
def _ticks_to_ack(user: Any, now: int) -> int:
    """Ticks until the delayed acknowledgement, negative once it is overdue."""
    return ((int64(user.ack_tick) - (now >> TICK_SHIFT) + 0x8000) & 0xFFFF) - 0x8000


@inner
def arm(core: Core, row: int, user: Any, now: int, soonest: int) -> None:
    """Link the row into the wheel at its earliest deadline; never into the slot being served, which would not end.

    ``soonest`` is the first tick that may be taken.
    """
    far = 1 << 31
    ahead = far
    if user.rto_at != 0:
        ahead = min(ahead, after(user.rto_at, now))
    if user.act_at != 0:
        ahead = min(ahead, after(user.act_at, now))
    if user.marks & Mark.ACK_DUE:
        ahead = min(ahead, _ticks_to_ack(user, now) << TICK_SHIFT)
    if user.marks & Mark.HELD:
        ahead = min(ahead, 0)
    if ahead != far:
        link(core, row, tick_of((now + ahead) & MASK), soonest)


@inner
def _come_back(core: Core, row: int, user: Any, now: int) -> None:
    """The session is over: the user's next begins at once, later after a failure or if none may, or there is none."""
    if user.phase != Phase.ENDED or core.draining or int64(user.loop) + 1 >= core.loops:
        return
    failed = user.outcome & OUTCOME >= FAILED
    user.loop += 1
    if failed or core.openings <= 0:
        core.away += 1
        user.phase = Phase.AWAY
        set_action(user, now, now + (AFTER_FAILURE_US if failed else int64(core.turn)))
    else:
        start(core, row, now, now)


@inner
def drain(core: Core, row: int, now: int) -> None:
    """The run's time is over: nobody comes back, and who waits for nothing closes."""
    user = user_at(core.users, row)
    attend(core, row, user)
    if user.phase == Phase.AWAY:
        _return(core, row, user, now)
    elif is_open(user) and (user.phase == Phase.DUE or user.phase == Phase.PEER_CLOSE):
        cut(core, row, user, now)
        arm(core, row, user, now, core.tick)
    elif is_open(user) and user.phase == Phase.CLOSING:
        await_peer_close(core, user, now)
        arm(core, row, user, now, core.tick)


@inner
def abort(core: Core, row: int, now: int) -> None:
    """The run ends early: reset the user's connection, if it has one."""
    user = user_at(core.users, row)
    if not is_open(user):
        return
    attend(core, row, user)
    fail(core, row, user, now, Counter.FAILED_ABORTED)
    reset(core, row, user, now)
    end_connection(core, user)
