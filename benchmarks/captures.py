"""How fast a capture becomes a script, beside dpkt, scapy and tshark: `python -m benchmarks.captures`. Needs no root.

A capture is generated first, so that what has to come out of it is known; every run is a process of its own, with
compiled kernels and the file in the page cache.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import measure, reading, recordings
from benchmarks.reading import WrongResult
from benchmarks.recordings import Written
from gryphon.controller.errors import Fault, InputFault

ROWS = {
    "packets/s": 0,
    "MB/s": 1,
    "seconds": 2,
    "whole process s": 2,
    "CPU s of it": 2,
    "packets per CPU second": 0,
    "peak resident MB": 0,
    "peak anonymous MB": 0,
    "cores of others": 2,
}
"""Figure to digits."""

READERS = ("gryphon", "dpkt", "scapy", "tshark")

Runs = dict[str, list[dict[str, float]]]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 when every reader found what was written, 1 when not, 2 and 3 as gryphon itself."""
    options = _options(arguments)
    print(measure.environment_line(), flush=True)
    report: dict[str, object] = {"environment": measure.environment()}
    try:
        with tempfile.TemporaryDirectory(prefix="gryphon-benchmark-", dir=options.directory) as directory:
            path = Path(directory) / "sessions.pcap"
            if options.runs:
                report["beside others"] = _beside_others(path, options)
            if options.large:
                report["large"] = _large(path, options)
    except WrongResult as wrong:
        print(wrong, file=sys.stderr)
        return 1
    except Fault as fault:
        print(fault, file=sys.stderr)
        return 2 if isinstance(fault, InputFault) else 3
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.captures", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--size", type=_bytes, default=_bytes("1G"), help="bytes of the capture, such as 500M (1G)")
    parser.add_argument("--runs", type=int, default=5, help="of every reader; 0 leaves the comparison out")
    parser.add_argument("--readers", default=",".join(READERS), help="several by comma (all); gryphon is always one")
    parser.add_argument("--scapy-packets", type=int, default=100_000, help="scapy reads only so many (100,000)")
    parser.add_argument(
        "--large", type=_bytes, help="load a capture of so many bytes, such as 10G, once, from the disk"
    )
    parser.add_argument("--memory-limit", type=_bytes, default=0, help="of the process that loads it; needs root")
    parser.add_argument("--directory", type=Path, help="where the captures are kept meanwhile (the one for such files)")
    parser.add_argument("--json", type=Path, help="file for all figures")
    options = parser.parse_args(arguments)
    options.readers = list(dict.fromkeys(["gryphon", *filter(None, options.readers.split(","))]))
    unknown = [name for name in options.readers if name not in READERS]
    if unknown:
        parser.error(f"--readers: {', '.join(unknown)} is none of {', '.join(READERS)}")
    if options.sessions < 1 or options.runs < 0 or options.scapy_packets < 1:
        parser.error("--sessions and --scapy-packets are at least 1, --runs is at least 0")
    if options.directory and not options.directory.is_dir():
        parser.error(f"--directory: {options.directory} is no directory")
    return options


def _bytes(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kMGT]?)B?", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write it like 500M or 10G")
    return int(float(match[1]) * 1000 ** " kMGT".index(match[2] or " "))


def _written(path: Path, sessions: int, size: int) -> Written:
    recordings.check_room(path.parent.parent, size)
    written = recordings.write(path, sessions, size)
    print(
        f"{written.packets:,} packets, {written.bytes:,} bytes, {written.sessions:,} sessions "
        f"({written.concurrent:,.0f} at a time), {written.messages:,} requests, "
        f"{written.client_bytes:,} bytes of clients, {written.server_bytes:,} of the server",
        flush=True,
    )
    return written


def _beside_others(path: Path, options: argparse.Namespace) -> dict[str, object]:
    written = _written(path, options.sessions, options.size)
    names = list(options.readers)
    if "tshark" in names and not shutil.which("tshark"):
        names.remove("tshark")
        print("tshark is not installed: there is no column for it.")
    if "scapy" in names and options.scapy_packets < written.packets:
        print(f"scapy reads the first {options.scapy_packets:,} packets only.")
    reading.read("gryphon", path, written, 0)  # compiles what is not yet compiled
    runs: Runs = {name: [] for name in names}
    for _ in range(options.runs):
        for name in names:
            runs[name].append(reading.read(name, path, written, options.scapy_packets))
    _print(runs, options.runs)
    spreads = {
        name: {row: measure.spread([run[row] for run in several])._asdict() for row in ROWS}
        for name, several in runs.items()
    }
    return {"capture": vars(written), "figures": spreads, "runs": runs}


def _print(runs: Runs, count: int) -> None:
    """A column for each reader, and the last rows: gryphon's figure over its, run by run."""
    header = [f"{count} runs: median (min to max)", *runs]
    rows = [
        [row, *(measure.figure([run[row] for run in several], digits) for several in runs.values())]
        for row, digits in ROWS.items()
    ]
    for row, of in (("gryphon is times faster", "packets/s"), ("  by CPU", "packets per CPU second")):
        ratios = [
            [ours[of] / theirs[of] for ours, theirs in zip(runs["gryphon"], several, strict=True)]
            for several in runs.values()
        ]
        rows.append([row, "", *(measure.figure(several, 1) for several in ratios[1:])])
    print(measure.table(header, rows), flush=True)


def _large(path: Path, options: argparse.Namespace) -> dict[str, object]:
    """One run with a capture that is not in the page cache, with or without a limit."""
    path.unlink(missing_ok=True)
    with reading.confined(options.memory_limit) as group:
        written = _written(path, max(1, options.large // recordings.SHAPE), options.large)
        reading.drop_from_cache(path)
        run = reading.read("gryphon", path, written, 0, group)
    limit = f" with {options.memory_limit / 1e6:,.0f} MB of memory" if options.memory_limit else ""
    print(
        measure.table(
            [f"from the disk{limit}", "gryphon"], [[row, measure.figure([run[row]], d)] for row, d in ROWS.items()]
        )
    )
    return {"capture": vars(written), "limit": options.memory_limit, "run": run}


if __name__ == "__main__":
    sys.exit(measure.in_order(main, "the capture is removed"))
