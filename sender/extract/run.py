"""``gryphon extract``: from checked options to a capture of the replayable sessions, and a line about it."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from gryphon.sender.bar import reading
from gryphon.sender.capture.load import Examined, examine
from gryphon.sender.capture.recording import Rules
from gryphon.sender.capture.unpack import check_readable
from gryphon.sender.extract.choose import Choice, choose
from gryphon.sender.extract.options import ExtractOptions
from gryphon.sender.extract.output import Output, opened
from gryphon.sender.extract.routes import Routes, counted, routes
from gryphon.sender.extract.write import write
from gryphon.sender.results.human import number, size
from gryphon.sender.warm import warm_up


@dataclass(frozen=True)
class Extracted:
    """What was written."""

    choice: Choice
    routes: Routes
    packets: int
    bytes: int


def run_extract(options: ExtractOptions) -> int:
    """Write the extract and say what is in it; the exit status.

    Raises:
        InputFault: something about the options or the captures, or nothing can be replayed.
        EnvironmentFault: the extract cannot be written.
    """
    with opened(options.output, options.files, options.force) as output:
        check_readable(options.files)
        warm_up(("capture", "extract"))
        done = extract(options, output)
    if options.anonymise:
        print(_anonymised(done.routes), file=sys.stderr)
    print(_summary(done, options.output), file=sys.stderr if options.output == "-" else sys.stdout)
    return 0


def extract(options: ExtractOptions, output: Output) -> Extracted:
    """Read the captures and write what is chosen of them."""
    # numbers count the connections of all services, as ``gryphon inspect`` shows them
    ports = options.ports if options.numbers is None else None
    rules = Rules(keep_silent=options.hold, allow_encrypted=options.allow_encrypted)
    with reading(list(options.files)) as progress:
        examined: Examined = examine(list(options.files), ports, rules, progress, options.ports)
    choice = choose(examined.recording, options)
    ways = routes(examined, choice.connections, options.anonymise)
    packets = write(examined.packets, ways, output.write)
    return Extracted(choice, ways, packets, output.size)


def _anonymised(ways: Routes) -> str:
    clients, servers = (_counted(counted(ways.rows, side), f"{side} address", "es") for side in ("client", "server"))
    return (
        f"gryphon: replaced {clients} and {servers}; the payload is as recorded: host names, cookies and credentials "
        "stay in it"
    )


def _summary(done: Extracted, path: str) -> str:
    where = "standard output" if path == "-" else path
    sessions, packets = _counted(len(done.choice.connections), "session"), _counted(done.packets, "packet")
    left_out = ", ".join(f"{reason} {number(count)}" for reason, count in done.choice.left_out.items())
    wrote = f"wrote {sessions}, {packets}, {size(done.bytes)} to {where}"
    return f"{wrote}; left out: {left_out}" if left_out else wrote


def _counted(count: int, what: str, plural: str = "s") -> str:
    return f"{number(count)} {what}{'' if count == 1 else plural}"
