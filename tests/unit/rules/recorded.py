"""Small recordings for the tests of rules, and a run of the engine that tells what the server heard."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gryphon.sender.capture.recording import MESSAGE, SESSION
from gryphon.sender.replay.fields import Fields, scratch_bytes
from gryphon.sender.replay.script import Columns, compile_script
from gryphon.sender.rules.apply import apply_rules
from gryphon.sender.rules.parse import read_rules
from gryphon.sender.rules.rule import UserRules

sys.path.append(str(Path(__file__).parents[1] / "replay"))

from peer import Peer, make_engine, run

BATCH = 256


def recording(*sessions: Sequence[bytes], port: int = 80) -> Columns:
    """Sessions that send these messages, one millisecond apart, and expect no answer."""
    rows = np.zeros(len(sessions), SESSION)
    entries: list[Any] = []
    payload = b""
    for row, messages in zip(rows, sessions, strict=True):
        ends = np.cumsum([len(message) for message in messages]).tolist()
        row["payload"], row["length"], row["messages"] = len(payload), ends[-1], len(messages)
        row["first_message"], row["server_port"], row["end"] = len(entries), port, 1
        row["syn_window"], row["syn_options"] = 64240, 1
        entries += [(end, 1_000_000, 0, 0, 200_000_000, 0, 0, 0, 0) for end in [*ends, ends[-1]]]
        payload += b"".join(messages)
    return Columns(rows, np.array(entries, MESSAGE), np.frombuffer(payload, np.uint8))


def rules(text: str, directory: Path) -> UserRules:
    """The rules of a TOML text."""
    path = directory / "users.toml"
    path.write_text(text)
    return read_rules(str(path), [])


def applied(source: Columns, wanted: UserRules, users: int, loops: int = 1) -> tuple[Columns, Fields]:
    """The recording re-cut."""
    return apply_rules(source, wanted, [80], users, scratch_bytes(BATCH, 1500), loops)


def heard(
    source: Columns,
    wanted: UserRules,
    users: int,
    *,
    mss: int = 1460,
    lose: Sequence[int] = (),
    seed: int = 0,
    share: int = 0,
    shares: int = 1,
) -> list[bytes]:
    """What the server hears from each user, in order; packets with these numbers are lost on their way."""
    recut, fields = applied(source, wanted, users)
    script = compile_script(recut, {80: 0}, 1.0, fields=fields)
    engine = make_engine(script, users=users, batch=BATCH, seed=seed, share=share, shares=shares)
    lost, number = set(lose), iter(range(1 << 30))
    peer = Peer(lambda *_: 0, mss=mss)
    peer.lose = lambda packet: next(number) in lost
    log = run(engine, peer, script, until_ns=60_000 * 1_000_000)
    assert engine.finished
    assert len(peer.streams) == len(range(share, users, shares))
    rows = {(int(packet["source_lo"]), int(packet["port"])): int(packet["row"]) for _, packet in log}
    return [bytes(peer.streams[ends]) for ends in sorted(rows, key=lambda ends: rows[ends])]
