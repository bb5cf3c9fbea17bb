"""The public captures, unpacked; and captures of conversations written in the test."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conversations import Conversation, write_pcap

from gryphon.sender.capture.load import Examined, examine
from gryphon.sender.capture.recording import DEFAULT, Rules

SHARED = Path(__file__).resolve().parents[4] / "shared"


def public(name: str) -> str:
    """The path of a public capture; a skip that says which is missing."""
    path = SHARED / "captures" / name
    if not path.exists():
        if os.environ.get("CI") and SHARED.exists():
            pytest.fail(f"{path} is missing")
        pytest.skip(f"needs the public capture {name} in {path.parent}")
    return str(path)


def unpacked(name: str, directory: Path) -> str:
    """The same for programs that want the extension to be right."""
    path = public(name)
    if not path.endswith(".gz"):
        return path
    copy = directory / Path(path).stem
    copy.write_bytes(gzip.decompress(Path(path).read_bytes()))
    return str(copy)


def tshark(capture: str, *options: str) -> str:
    """What tshark prints; skips without it, but not in CI, where the packages are complete."""
    if shutil.which("tshark") is None:
        if os.environ.get("CI"):
            pytest.fail("tshark is missing")
        pytest.skip("needs tshark (apt-get install tshark)")
    return subprocess.run(["tshark", "-n", "-r", capture, *options], check=True, capture_output=True, text=True).stdout


def recorded(directory: Path, *conversations: Conversation, rules: Rules = DEFAULT, snap: int = 262144) -> Examined:
    """A capture of these conversations, examined."""
    packets = sorted((packet for each in conversations for packet in each.packets), key=lambda packet: packet[0])
    return examine([write_pcap(directory / "made.pcap", packets, snap=snap)], None, rules)
