"""Whatever was recorded, its extract tells the same, and so does the extract of the extract."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from conversations import ACK, MS, Conversation, write_pcap, write_pcapng
from extracts import tells_the_same
from hypothesis import given, settings
from hypothesis import strategies as st
from test_capture_properties import _everything, plans

from gryphon.controller.errors import InputFault
from gryphon.sender.capture.recording import Rules

WHOLE_HEADERS = 14 + 8 + 40 + 60  # a snap length that cuts payload alone


@st.composite
def recordings(draw: st.DrawFn) -> list[tuple[int, bytes]]:
    """Conversations one after the other, also between the same ports, among some that cannot be replayed."""
    packets: list[tuple[int, bytes]] = []
    begin = 0
    for plan in draw(st.lists(plans(), min_size=1, max_size=3)):
        shifted = [(time + begin * MS, frame) for time, frame in plan.conversation.packets]
        begin += draw(st.integers(100, 100_000)) + (shifted[-1][0] - shifted[0][0]) // MS
        packets += shifted
    late = Conversation(client_port=6001)
    late.send(draw(st.integers(0, 50)), ACK, 5, 0, b"no syn")
    hole = Conversation(client_port=6002).open(draw(st.integers(0, 50)))
    hole.send(60, ACK, 5, 0, b"hole before")
    silent = Conversation(client_port=6003).open(draw(st.integers(0, 50)))
    hello = Conversation(client_port=6004, server_port=443).open(draw(st.integers(0, 50)))
    hello.say(70, b"another service")
    for other in draw(st.lists(st.sampled_from([late, hole, silent, hello]), unique_by=id)):
        packets += other.packets
    return sorted(packets, key=lambda packet: packet[0])


@settings(max_examples=100, deadline=None)
@given(recordings(), st.sampled_from(["pcap", "big", "pcapng"]), st.booleans(), st.integers(WHOLE_HEADERS, 2000))
def test_an_extract_loads_to_the_same_sessions(
    packets: list[tuple[int, bytes]], kind: str, hold: bool, snap: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recorded"
        file = write_pcapng(path, packets) if kind == "pcapng" else write_pcap(path, packets, big=kind == "big")
        tells_the_same([file], {80}, Path(folder), Rules(keep_silent=hold), hold=hold)
        cut = write_pcap(Path(folder) / "cut", packets, snap=snap)
        (Path(folder) / "again").mkdir()
        with contextlib.suppress(InputFault):  # every client said more than the snap length kept
            tells_the_same([cut], {80}, Path(folder) / "again", Rules(keep_silent=hold), hold=hold)


def test_the_kernels_write_the_same_as_plain_python(tmp_path: Path) -> None:
    """In a process of its own, with every warning (an overflow, say) an error."""
    path = write_pcapng(tmp_path / "x", _everything())
    script = (
        "import sys; from gryphon.sender.extract.options import ExtractOptions;"
        "from gryphon.sender.extract.output import opened; from gryphon.sender.extract.run import extract\n"
        "with opened(sys.argv[2], (), False) as output:"
        " extract(ExtractOptions((sys.argv[1],), frozenset({80}), sys.argv[2], anonymise=True), output)"
    )
    digests = set()
    for disabled in ("0", "1"):
        to = tmp_path / disabled
        environment = {**os.environ, "NUMBA_DISABLE_JIT": disabled}
        subprocess.run([sys.executable, "-W", "error", "-c", script, path, str(to)], env=environment, check=True)
        digests.add(hashlib.sha256(to.read_bytes()).digest())
    assert len(digests) == 1
