"""The script of a user at work: when the next message leaves, when an answer is complete, how the session ends.

The rules are those of docs/design.md, "The replay model". Connections change state only through ``transitions.move``.
"""

from __future__ import annotations

from typing import Any

from gryphon.sender.compiled import inner, int64
from gryphon.sender.replay.core import Core, count, entry_at, note, session_of
from gryphon.sender.replay.examples import OTHER_SIZE, keep_content, keep_example
from gryphon.sender.replay.look import count_status, differs, look_for_wanted
from gryphon.sender.replay.measures import Counter, Histogram
from gryphon.sender.replay.output import all_sent, released, reset, send
from gryphon.sender.replay.rows import COMPLETED, CUT, DIFFERS, FAILED, OUTCOME, RUNNING, Before, Mark, Phase
from gryphon.sender.replay.script import End
from gryphon.sender.replay.sequence import MASK, after, plus
from gryphon.sender.replay.transitions import Event, State, is_open, move

HOP_BITS = 30
"""A deadline further ahead than 2^30 microseconds is reached in hops: at half a turn there is no before and after."""

UNSURE_US = 2_000_000
"""Longer than Linux's first three retransmissions of a segment lost at the end of a flight (200 + 400 + 800 ms)."""

STALLED_US = 7_000_000
"""Longer than its first five."""

DRAINED_CLOSE_US = 5_000_000
"""How long a server may take to close when the run's time is over."""

LACKING_US = 26_000_000
"""Longer than its first seven: bytes that were recorded are still to come."""

FIRST_FLIGHT = 10
"""Segments that a server sends without waiting for an acknowledgement (RFC 6928)."""


@inner
def set_action(user: Any, now: int, at: int) -> None:
    """Set the script's next deadline, however far ahead."""
    hops = max(at - now, 0) >> HOP_BITS
    user.hops = min(hops, 255)
    user.act_at = max((at - (hops << HOP_BITS)) & MASK, 1)


@inner
def complete(core: Core, user: Any) -> None:
    """Every message has been sent and answered: whatever ends the connection now, the session has completed."""
    if not is_running(user):
        return
    user.outcome |= COMPLETED
    count(core, Counter.SESSIONS_COMPLETED, 1)
    if not user.outcome & (Before.COMPLETED | Before.FAILED):
        user.outcome |= Before.COMPLETED
        count(core, Counter.COMPLETED, 1)


@inner
def is_running(user: Any) -> bool:
    """Whether nothing has decided what becomes of the user's session."""
    return bool(user.outcome & OUTCOME == RUNNING)


@inner
def fail(core: Core, row: int, user: Any, now: int, reason: int) -> None:
    """The session has failed, by the counter of its reason; the user with its first one."""
    if not is_running(user):
        return
    place = reason - Counter.FAILED_REFUSED
    user.outcome |= FAILED + place
    count(core, Counter.SESSIONS_REFUSED + place, 1)
    keep_example(core, place, row, user, now, 0, 0)
    if not user.outcome & Before.FAILED:
        count(core, reason, 1)
        if user.outcome & Before.COMPLETED:
            count(core, Counter.COMPLETED, -1)
        user.outcome = (user.outcome | Before.FAILED) & ~Before.COMPLETED & 0xFF


@inner
def time_out(core: Core, row: int, user: Any, now: int) -> None:
    """Nothing came in time: the server's silence, unless this host would not even send."""
    fail(core, row, user, now, Counter.FAILED_SEND_ERROR if user.marks & Mark.REFUSED else Counter.FAILED_TIMEOUT)


@inner
def cut(core: Core, row: int, user: Any, now: int) -> None:
    """The run's time is over and nothing is awaited: close as if the session ended here."""
    if entry_at(core.entries, user.message).last and all_sent(core, user):
        complete(core, user)
    elif is_running(user):
        user.outcome |= CUT
        count(core, Counter.SESSIONS_CUT, 1)
    close(core, row, user, now)


@inner
def leave(core: Core, user: Any) -> None:
    """A connection that is no longer open has no deadlines and is not active."""
    if not is_open(user):
        user.rto_at = 0
        user.act_at = 0
        user.marks &= ~(Mark.ACK_DUE | Mark.HELD) & 0xFF
        user.phase = Phase.ENDED
        count(core, Counter.ACTIVE, -1)


@inner
def end_connection(core: Core, user: Any) -> None:
    """A reset, an error or a time-out: nothing more is sent or expected."""
    move(user, Event.END)
    leave(core, user)


@inner
def await_peer_close(core: Core, user: Any, now: int) -> None:
    """After our FIN the server has so long to send its own."""
    patience = int64(core.timeout)
    set_action(user, now, now + (min(patience, DRAINED_CLOSE_US) if core.draining else patience))


@inner
def close(core: Core, row: int, user: Any, now: int) -> None:
    """Our FIN follows what has been released."""
    user.marks |= Mark.FIN_RELEASED
    move(user, Event.CLOSE)
    user.phase = Phase.CLOSING
    await_peer_close(core, user, now)
    send(core, row, user, now)


@inner
def _await_close(user: Any, now: int, until: int) -> None:
    """Wait for the server to close, at most until then: the hop of that time is kept, since it may be any number."""
    user.phase = Phase.PEER_CLOSE
    user.intended = until >> HOP_BITS
    set_action(user, now, until)


@inner
def _is_over(user: Any, now: int) -> bool:
    """Whether the wait for the server to close is at its end; else it goes on for as many hops as a row can count."""
    reached = now - after(now, user.act_at)
    left = int64(user.intended) - (reached >> HOP_BITS)
    if left > 0:
        set_action(user, now, reached + (left << HOP_BITS))
    return left <= 0


@inner
def _await_sent(core: Core, user: Any, now: int) -> None:
    """Wait for the windows to let the rest of the last message go, no longer than for an answer."""
    user.phase = Phase.UNSENT
    set_action(user, now, now + core.timeout)


@inner
def _hold(core: Core, row: int, user: Any, now: int, until: int) -> None:
    """Nothing is left to say: the user has completed, and stays until the server closes or the hold is over."""
    if all_sent(core, user):
        complete(core, user)
        _await_close(user, now, until)
    else:
        _await_sent(core, user, now)


@inner
def schedule(core: Core, row: int, user: Any, now: int, base: int) -> None:
    """Nobody waits for an answer: the next entry is due its gap after ``base``."""
    entry, end = entry_at(core.entries, user.message), session_of(core).end
    if core.draining:
        cut(core, row, user, now)
    elif entry.last and end == End.HELD:
        _hold(core, row, user, now, base + entry.patience)
    elif entry.last and (end == End.SERVER_FIN or end == End.SERVER_RST):
        _await_close(user, now, base + entry.patience)
    else:
        user.phase = Phase.DUE
        set_action(user, now, base + entry.gap)


@inner
def _judge(core: Core, row: int, user: Any, entry: Any, now: int) -> None:
    """Whether the answer, now complete, is the recorded one as far as is known."""
    # of what was pipelined the answers are judged together: more may belong to the next one
    other_size = bool(user.answer < entry.expect or (user.answer > entry.expect and entry.fresh))
    if other_size:
        count(core, Counter.OTHER_SIZE, 1)
        keep_example(core, OTHER_SIZE, row, user, now, entry.expect, user.answer)
    if user.outcome & DIFFERS:
        count(core, Counter.OTHER_CONTENT, 1)
    if other_size or user.outcome & DIFFERS:
        count(core, Counter.MISMATCHED, 1)


@inner
def _look(core: Core, row: int, user: Any, entry: Any, now: int, at: int, begins: bool, length: int) -> None:
    """Read the first bytes of a segment, those of an answer that begins with it above all."""
    if begins:
        count_status(core)
        if entry.head_length > 0 and differs(core, entry):
            user.outcome |= DIFFERS
            keep_content(core, row, user, now)
    if core.wanted_count > 0:
        look_for_wanted(core, row, user, at, length)


@inner
def _time_answer(core: Core, user: Any, at: int) -> None:
    """Count and time the answer to a message, whose last byte came at ``at``."""
    count(core, Counter.MESSAGES_ANSWERED, 1)
    note(core, Histogram.RESPONSE_INTENDED, after(at, user.intended))
    note(core, Histogram.RESPONSE_SERVICE, after(at, user.sent_at))


@inner
def _note_answer(core: Core, row: int, user: Any, entry: Any, now: int, at: int) -> None:
    """Count, time and judge the answer to a message; the greeting of a server is none."""
    if user.message != session_of(core).first:
        _time_answer(core, user, at)
        _judge(core, row, user, entry, now)


@inner
def answered(core: Core, row: int, user: Any, now: int, at: int) -> None:
    """The answer that the next entry waited for is complete; its last byte came at ``at``."""
    entry = entry_at(core.entries, user.message)
    _note_answer(core, row, user, entry, now, at)
    if entry.last:
        complete(core, user)
    schedule(core, row, user, now, at)


@inner
def await_next(core: Core, row: int, user: Any, now: int, base: int) -> None:
    """After a handshake or a message: wait for the answer, or for the next entry's time when nobody waits."""
    entry = entry_at(core.entries, user.message)
    if entry.expect > 0 and user.message != session_of(core).first:
        count(core, Counter.AWAITED, 1)
    if entry.expect == 0 or entry.blind:
        schedule(core, row, user, now, base)
        return
    user.phase = Phase.ANSWER
    set_action(user, now, now + core.timeout)
    if user.answer >= entry.expect:
        answered(core, row, user, now, now)
    elif user.answer > 0:  # the answer to an earlier one of several: it may be shorter than recorded, and all
        user.phase = Phase.UNSURE
        set_action(user, now, now + _settle_time(core, user, entry))


@inner
def _release(core: Core, row: int, user: Any, now: int, due: int, known: int) -> None:
    """Send one message whose time has come; before ``known`` nobody could know that it had."""
    entry = entry_at(core.entries, user.message)
    note(core, Histogram.LATENESS, now - max(due, known))
    intended = plus(user.intended, entry.duration + entry.gap)
    # a server faster than the recorded one earns no credit against a later stall
    user.intended = due & MASK if after(intended, due) > 0 else intended
    user.sent_at = now & MASK
    user.outcome &= ~DIFFERS & 0xFF
    user.answer = 0 if entry.fresh else max(int64(user.answer) - int64(entry.expect), 0)
    user.marks &= ~Mark.FIRST_BYTE & 0xFF
    if user.snd_una == user.snd_max:
        user.marks |= Mark.TIMING
    user.message += 1
    count(core, Counter.MESSAGES_SENT, 1)
    send(core, row, user, now)


@inner
def _finish(core: Core, row: int, user: Any, now: int) -> None:
    """The end entry's time has come: close as the recorded client did, once everything has been sent."""
    if not all_sent(core, user):
        _await_sent(core, user, now)
        return
    complete(core, user)
    if session_of(core).end == End.CLIENT_RST:
        reset(core, row, user, now)
        end_connection(core, user)
    else:
        close(core, row, user, now)


@inner
def finish_unsent(core: Core, row: int, user: Any, now: int) -> None:
    """Close after all, or begin the hold, when what the windows held back has been sent."""
    if user.phase != Phase.UNSENT or not all_sent(core, user):
        return
    if session_of(core).end == End.HELD:
        schedule(core, row, user, now, now)
    else:
        _finish(core, row, user, now)


@inner
def advance(core: Core, row: int, user: Any, now: int, known: int) -> None:
    """Release every entry that is due, in order.

    ``known``: when it could be known that the answer before was over, where that took a silence; else 0.
    """
    while user.phase == Phase.DUE and user.hops == 0 and user.act_at != 0 and after(now, user.act_at) >= 0:
        due = now - after(now, user.act_at)
        if entry_at(core.entries, user.message).last:
            _finish(core, row, user, now)
        else:
            _release(core, row, user, now, due, known)
            await_next(core, row, user, now, due)


@inner
def _is_waiting(user: Any) -> bool:
    """Whether the script waits for an answer, or for the rest of one."""
    return bool(Phase.ANSWER <= user.phase <= Phase.STALLED)


@inner
def _settle(user: Any, entry: Any, length: int, pushed: bool) -> int:
    """Which phase waits for the rest of an answer after a segment of ``length`` bytes.

    Without PSH the server has more to send: silence means loss, and its retransmissions get their time. So it is after
    a full segment with PSH, which Linux sets for every half of the largest window, too (tcp.c, forced_push), while a
    write seldom ends just there. After a part of a segment with PSH, an answer of one flight is whole; a larger one may
    have stopped between two writes, and the answers to several messages between any two.
    """
    lacking = user.answer < entry.expect
    if not pushed or (lacking and length % user.mss == 0):
        return int64(Phase.STALLED)
    if not lacking or (user.answer <= FIRST_FLIGHT * int64(user.mss) and not entry.pipelined):
        return int64(Phase.SETTLE)
    return int64(Phase.UNSURE)


@inner
def _settle_time(core: Core, user: Any, entry: Any) -> int:
    """How long silence must last to end an answer of another size than recorded, microseconds."""
    if user.phase == Phase.STALLED:
        patience = min(int64(core.timeout), LACKING_US) if user.answer < entry.expect else STALLED_US
        return max(int64(entry.settle), STALLED_US, patience)
    if user.phase == Phase.UNSURE:
        return max(int64(entry.settle), UNSURE_US)
    return int64(entry.settle)


@inner
def _on_unawaited(core: Core, row: int, user: Any, entry: Any, at: int, answers: bool, pushed: bool) -> None:
    """Bytes that the script does not wait for: what a run with ``push`` would have waited for is timed all the same."""
    if not answers:
        if pushed and not entry.early:
            count(core, Counter.PUSHED, 1)
    elif user.answer >= entry.expect and user.message != session_of(core).first:
        _time_answer(core, user, at)
        if user.outcome & DIFFERS:
            count(core, Counter.OTHER_CONTENT, 1)
            count(core, Counter.MISMATCHED, 1)


@inner
def on_bytes(
    core: Core, row: int, user: Any, now: int, at: int, fresh: int, length: int, pushed: bool, joined: bool
) -> None:
    """Bytes of the server arrived in order at ``at``.

    ``fresh`` is how many are new, ``length`` the segment's payload; ``pushed``: it carried PSH. ``joined``: a kept
    range follows it, and whether that ended with PSH is not known: enough bytes are taken as the whole answer, fewer
    as a part of which more was on its way, since a loss is what made the range.
    """
    before = int64(user.answer)
    user.answer = min(before + fresh, 0xFFFFFFFF)
    entry = entry_at(core.entries, user.message)
    awaited = _is_waiting(user) or (entry.blind and before < int64(entry.expect))
    if awaited and not user.marks & Mark.FIRST_BYTE and released(core, user) > 0:
        user.marks |= Mark.FIRST_BYTE
        note(core, Histogram.FIRST_BYTE_INTENDED, after(at, user.intended))
        note(core, Histogram.FIRST_BYTE_SERVICE, after(at, user.sent_at))
    if core.sample_length > 0:
        _look(core, row, user, entry, now, at, awaited and before == 0, length)
    if not _is_waiting(user):
        _on_unawaited(core, row, user, entry, at, awaited, pushed or joined)
    elif user.answer >= entry.expect and (pushed or joined):
        answered(core, row, user, now, at)
        advance(core, row, user, now, 0)
    else:
        user.phase = _settle(user, entry, length, pushed and not joined)
        set_action(user, now, at + _settle_time(core, user, entry))


@inner
def on_peer_fin(core: Core, row: int, user: Any, now: int, at: int) -> None:
    """The server has closed: the answer is over; a script with more to say has been cut short."""
    entry = entry_at(core.entries, user.message)
    waiting = _is_waiting(user)
    if waiting and entry.last and user.answer > 0:
        answered(core, row, user, now, at)
    elif waiting and user.answer > 0:
        _note_answer(core, row, user, entry, now, at)
    elif not waiting and entry.last and all_sent(core, user):
        complete(core, user)
    fail(core, row, user, now, Counter.FAILED_EARLY_CLOSE)
    if user.state == State.CLOSE_WAIT:
        close(core, row, user, now)


@inner
def on_peer_reset(core: Core, row: int, user: Any, now: int) -> None:
    """The server has reset: the recorded end when nothing else was to come, else a failure."""
    if user.phase == Phase.PEER_CLOSE and all_sent(core, user):
        complete(core, user)
    fail(core, row, user, now, Counter.FAILED_RESET)
    end_connection(core, user)


@inner
def on_silence(core: Core, row: int, user: Any, now: int) -> None:
    """The script's deadline has passed."""
    entry = entry_at(core.entries, user.message)
    settling = user.phase != Phase.ANSWER and _is_waiting(user)
    if user.phase == Phase.DUE:
        advance(core, row, user, now, 0)
    elif settling and (user.hole_start[0] != user.hole_end[0] or (entry.pipelined and user.snd_una != user.snd_max)):
        # more has come, out of order, or a message is lost that the server has not answered: the answer is not over,
        # but its next byte may be awaited no longer than another's
        user.phase = Phase.ANSWER
        set_action(user, now, now + core.timeout)
    elif settling:
        silent_until = now - after(now, user.act_at)
        answered(core, row, user, now, silent_until - _settle_time(core, user, entry))
        advance(core, row, user, now, silent_until)
    elif user.phase == Phase.PEER_CLOSE:
        if _is_over(user, now):
            _finish(core, row, user, now)
    else:
        time_out(core, row, user, now)  # a completed user stays completed
        reset(core, row, user, now)
        end_connection(core, user)
