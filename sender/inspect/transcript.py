"""One session as a transcript: who, what became of it, then its packets with its messages between them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gryphon.controller.errors import InputFault
from gryphon.controller.record import Option
from gryphon.sender.capture.columns import ACK, FIN, PSH, RST, SYN
from gryphon.sender.capture.load import Examined
from gryphon.sender.capture.recording import REASONS, End, Verdict
from gryphon.sender.inspect.protocol import by_port
from gryphon.sender.inspect.segments import Packet, packets
from gryphon.sender.inspect.services import protocol_of
from gryphon.sender.inspect.words import address, counted, endpoint, folded, instant, span

_LETTERS = ((SYN, "S"), (FIN, "F"), (RST, "R"), (PSH, "P"), (ACK, "A"), (32, "U"), (64, "E"), (128, "C"))

_ENDS = {
    End.NONE: "the capture ends before it does",
    End.CLIENT_FIN: "the client closes",
    End.CLIENT_RST: "the client resets",
    End.SERVER_FIN: "the server closes",
    End.SERVER_RST: "the server resets",
}


def transcript(examined: Examined, connection: int, columns: int) -> Iterator[str]:
    """The lines of a transcript, none longer than ``columns``.

    Raises:
        InputFault: there is no such connection.
    """
    known = len(examined.recording.connections)
    if not 0 <= connection < known:
        numbers = "its number is 0" if known == 1 else f"they are numbered from 0 to {known - 1}"
        raise InputFault(f"--session {connection}: the capture has {counted(known, 'session')}, {numbers}")
    return _lines(examined, connection, columns)


def _lines(examined: Examined, connection: int, columns: int) -> Iterator[str]:
    for label, words in _head(examined, connection):
        yield from folded(label, words.split(), columns)
    yield ""
    row = examined.recording.connections[connection]
    width = max(len(str(int(max(row["client_bytes"], row["server_bytes"])) + 2)), 5)
    yield f"{'time, s':>11}    flags {'seq':>{width}} {'ack':>{width}} {'length':>6} {'window':>8}  first bytes"
    begins, texts, end = _messages(examined, connection)
    shown, closed = 0, False
    for packet in packets(examined, connection, columns):
        sent = packet.seq - 1 + packet.length if packet.from_client and packet.length else 0
        while shown < len(begins) and sent > begins[shown]:
            yield _marker(texts[shown], columns)
            shown += 1
        if end and not closed and packet.flags & (FIN | RST):
            yield _marker(end, columns)
            closed = True
        yield line(packet, int(row["start_ns"]), width, columns)
    if end and not closed:
        yield _marker(end, columns)


def _head(examined: Examined, connection: int) -> Iterator[tuple[str, str]]:
    """Who talked to whom, what becomes of it, when, and what its SYN asked for."""
    recording = examined.recording
    row = recording.connections[connection]
    ends = [endpoint(address(row[f"{side}_hi"], row[f"{side}_lo"]), row[f"{side}_port"]) for side in _SIDES]
    protocol = protocol_of(recording, connection) or by_port(int(row["server_port"]))
    yield "session", f"{connection} of {len(recording.connections):,}, {ends[0]} -> {ends[1]}, {protocol}"
    yield "verdict", _verdict(Verdict(int(row["verdict"])), int(row["missing"]))
    bytes_ = f"{int(row['client_bytes']):,} bytes from the client, {int(row['server_bytes']):,} from the server"
    yield "content", _messages_in(examined, connection) + bytes_
    lasted = span(int(row["end_ns"]) - int(row["start_ns"]))
    yield "time", f"from {instant(row['start_ns'])}, {lasted}, {counted(int(row['packets']), 'packet')}"
    yield "handshake", _handshake(examined, connection)


_SIDES = ("client", "server")


def _verdict(verdict: Verdict, missing: int) -> str:
    if verdict is Verdict.REPLAYABLE:
        return "replayable"
    reason = verdict.name.lower()
    # the table speaks of all connections with a reason, this line of one
    why = REASONS[reason].replace("they began", "it began").replace("their handshake", "its handshake")
    lost = f" ({missing:,} bytes in the first hole)" if missing else ""
    return f"rejected, {reason}: {why.replace('such connections', 'it')}{lost}"


def _messages_in(examined: Examined, connection: int) -> str:
    number = int(examined.recording.connections["session"][connection])
    return "" if number < 0 else counted(int(examined.recording.sessions["messages"][number]), "message") + ", "


def _handshake(examined: Examined, connection: int) -> str:
    """How long it took, and the options of the SYN, from the packets: there is no session for a rejected one."""
    run = examined.runs[connection]
    rows = examined.packets.segments[examined.order[run["first"] : run["last"]]]
    kind = rows["flags"] & (SYN | ACK | RST)
    syns = np.flatnonzero((kind == SYN) & (rows["direction"] == run["client"]))
    if len(syns) == 0:
        return "not in the capture"
    answers = np.flatnonzero((kind == SYN | ACK) & (rows["direction"] != run["client"]))
    took = "never answered"
    if len(answers):
        latest = syns[syns < answers[0]]
        asked = rows["time_ns"][latest[-1] if len(latest) else syns[0]]
        took = span(int(rows["time_ns"][answers[0]]) - int(asked))
    again = f", {counted(len(syns), 'SYN')}" if len(syns) > 1 else ""
    return f"{took}{again}, SYN with {_options(rows[syns[0]])}"


def _options(syn: np.void) -> str:
    options = Option(int(syn["options"]))
    found = [f"window {int(syn['window'])}"]
    if options & Option.MSS:
        found.append(f"MSS {int(syn['mss'])}")
    if options & Option.WINDOW_SCALE:
        found.append(f"scale {int(syn['scale'])}")
    if options & Option.SACK_PERMITTED:
        found.append("SACK")
    if options & Option.TIMESTAMP:
        found.append("timestamps")
    return ", ".join(found)


def _messages(examined: Examined, connection: int) -> tuple[list[int], list[str], str]:
    """Where each message begins in the client's stream, what is said of it, and of the end (nothing: no messages)."""
    recording = examined.recording
    number = int(recording.connections["session"][connection])
    if number < 0:
        return [], [], ""
    session = recording.sessions[number]
    first, count = int(session["first_message"]), int(session["messages"])
    entries = recording.messages[first : first + count + 1]
    begins = [0, *entries["stream_end"][:-1].tolist()]
    texts = [
        f"message {k + 1}: {counted(int(entry['stream_end']) - begins[k], 'byte')}, {_waits(entry, k)}"
        for k, entry in enumerate(entries[:-1])
    ]
    ends = _ENDS[End(int(session["end"]))]
    end = f"end: {_waits(entries[-1], count)}, {ends}" if session["end"] else f"end: {ends}"
    return begins[:count], texts, end


def _waits(entry: np.void, before: int) -> str:
    """What is waited for, and how long after it something happens."""
    gap, expect, pushed = span(int(entry["gap_ns"])), int(entry["expect"]), int(entry["pushed"])
    unasked = f", {counted(pushed, 'byte')} pushed" if pushed else ""
    if expect:
        return f"waits for {counted(expect, 'byte')}{unasked}, then {gap}"
    since = "the message before" if before else "the handshake"
    return f"{gap} after {since}{unasked}"


def _marker(text: str, columns: int) -> str:
    return f"--- {text} ".ljust(columns, "-")[:columns]


def line(packet: Packet, start_ns: int, width: int, columns: int) -> str:
    """One packet."""
    letters = "".join(letter for bit, letter in _LETTERS if packet.flags & bit) or "-"
    arrow = "->" if packet.from_client else "<-"
    ack = "" if packet.ack is None else str(packet.ack)
    micro = (packet.time_ns - start_ns) // 1000
    text = f"{micro // 1_000_000:4}.{micro % 1_000_000:06} {arrow} {letters:<5} {packet.seq:>{width}} {ack:>{width}}"
    text += f" {packet.length:>6} {packet.window:>8}"
    if packet.mark:
        text += f"  [{packet.mark}]"
    return f"{text}  {printable(packet.data, columns - len(text) - 2)}".rstrip()[:columns]


def printable(data: bytes, room: int) -> str:
    """Text as it is, other bytes escaped, as much as has room; an escape is not cut in two."""
    parts: list[str] = []
    for byte in data:
        part = _ESCAPES.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}")
        room -= len(part)
        if room < 0:
            break
        parts.append(part)
    return "".join(parts)


_ESCAPES = {9: "\\t", 10: "\\n", 13: "\\r", 92: "\\\\"}
