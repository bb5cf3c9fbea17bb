"""The engine without compilation (NUMBA_DISABLE_JIT=1) says exactly the same: it can be stepped and covered."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from peer import MS, Message, Peer, make_engine, make_script, run

HERE = Path(__file__).parent


def play() -> str:
    """A run with loss, a closed window and both ends of the connection; every packet in one text."""
    script = make_script([Message(100), Message(9000, 3, expect=300), Message(40, 10, expect=800)], last_expect=20)
    engine = make_engine(script, users=4, rate=1000.0, seed=5)
    lost = {13, 14, 22}
    peer = Peer(lambda received, _: {100: 300, 9100: 800, 9140: 20}.get(received, 0))
    heard = iter(range(1 << 30))
    peer.lose = lambda packet: next(heard) in lost
    log = run(engine, peer, script, until_ns=3000 * MS)
    packets = "\n".join(f"{at} {packet.tobytes().hex()}" for at, packet in log)
    return f"{packets}\n{engine.counters.tolist()}\n{engine.histograms.sum(axis=1).tolist()}"


def test_plain_python_sends_the_same_packets() -> None:
    plain = subprocess.run(
        [sys.executable, "-c", "from test_plain_python import play; print(play(), end='')"],
        cwd=HERE,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert plain.returncode == 0, plain.stderr
    compiled = play()
    assert len(compiled.splitlines()) > 60
    assert plain.stdout == compiled
