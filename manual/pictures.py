"""The pictures of docs/pictures, out of real runs in the lab: `make pictures` (root, chromium, a minute)."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from gryphon.lab.commands import options, script
from gryphon.lab.hosts import Lab
from gryphon.lab.needs import tool
from gryphon.lab.processes import inside
from gryphon.lab.recording import VISITS, record
from gryphon.lab.servers import Nginx
from manual.tables import ROOT

PICTURES = ROOT / "docs/pictures"
USERS, RATE, COLUMNS = 1500, 100, 80

# A command line as users have it, without where this checkout is.
_GRYPHON = "import sys; from gryphon.sender.cli import main; sys.argv[0] = 'gryphon'; main()"

_REDRAWN = re.compile(r"\r\x1b\[2K(?:\x1b\[1A\x1b\[2K)+")
_FONTS = re.compile(r"\s*@font-face \{.*?\}", re.S)  # of a server elsewhere


def main() -> None:
    """Record, run twice, draw."""
    PICTURES.mkdir(exist_ok=True)
    visits = [visit for visit in VISITS if visit.name not in ("upload", "download")]
    with Lab() as lab, Nginx(lab) as nginx:
        recording = record(lab, nginx, lab.directory / "visits.pcap", visits=visits)
        recording = recording._replace(path=Path("visits.pcap"))
        send = [*options(recording, "xdp:eth0", USERS), "-i", str(RATE), "--fail-if", "mismatched>0.1%"]
        screen = _on_a_terminal(lab, [*send, "--json", "before.json"])
        _draw(screen, PICTURES / "live.svg")
        page = lab.directory / "nginx/www/news.html"
        page.rename(page.with_name("gone.html"))
        _on_a_terminal(lab, [*send, "--json", "after.json"])
        for name, results in (("report", ["before.json"]), ("compared", ["before.json", "after.json"])):
            page = lab.directory / f"{name}.html"
            lab.run("sender", [script("gryphon"), "report", *results, "-o", str(page)])
            _photograph(page, PICTURES / f"{name}.png", 800, 1000)


def _on_a_terminal(lab: Lab, line: Sequence[str]) -> str:
    """What `gryphon` writes to a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    argv = inside(lab.namespace("sender"), [sys.executable, "-c", _GRYPHON, *line])
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
    child = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=lab.directory)
    os.close(theirs)
    said = b""
    while child.poll() is None or select.select([ours], [], [], 0)[0]:
        if select.select([ours], [], [], 0.2)[0]:
            try:
                said += os.read(ours, 1 << 16)
            except OSError:  # nobody holds the other end any more
                break
    child.wait()
    os.close(ours)
    return said.decode()


def _draw(screen: str, path: Path) -> None:
    """The live view as it stood at two thirds of the run."""
    from rich.console import Console
    from rich.text import Text

    frames = [frame for frame in _REDRAWN.split(screen.replace("\r\n", "\n")) if "whole run" in frame]
    frame = frames[len(frames) * 2 // 3].rstrip("\n")
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(frame))
    path.write_text(_FONTS.sub("", console.export_svg(title="gryphon send")))


def _photograph(page: Path, picture: Path, width: int, height: int) -> None:
    """The top of a page, as headless Chromium lays it out."""
    subprocess.run(
        [
            tool("chromium"),
            "--headless=new",
            "--no-sandbox",  # which refuses root; the page is our own
            "--disable-gpu",
            "--hide-scrollbars",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={page.parent / 'chromium'}",
            f"--window-size={width},{height}",
            f"--screenshot={picture}",
            page.as_uri(),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )


if __name__ == "__main__":
    main()
