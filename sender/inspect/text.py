"""The overview as text of 80 columns: the whole, the services, the figures of the busiest, how to replay them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from gryphon.sender.capture.recording import REASONS
from gryphon.sender.inspect.groups import Spread
from gryphon.sender.inspect.losses import Losses
from gryphon.sender.inspect.overview import Overview
from gryphon.sender.inspect.pauses import Pauses
from gryphon.sender.inspect.services import Service
from gryphon.sender.inspect.suggest import placeholders
from gryphon.sender.inspect.words import counted, endpoint, folded, instant, span
from gryphon.sender.results.human import number, short, size

LISTED, DETAILED = 20, 3
"""Services with a line, and those with all their figures; the JSON has all of all."""

_WIDTHS = (21, 11, 9, 11, 9, 8, 8)


def text(overview: Overview, chosen: bool) -> str:
    """What is printed; ``chosen``: the user named ports, and wants to see all about them."""
    detailed = LISTED if chosen else DETAILED
    lines = [*_head(overview, chosen), "", *_table(overview), ""]
    worth = [service for service in overview.services if service.messages]
    for service in worth[:detailed]:
        lines += [*_figures(service), ""]
    if len(worth) > detailed:
        lines += [f"-x PORT shows these figures for the {counted(len(worth) - detailed, 'other service')}.", ""]
    if overview.lost.connections:
        lines += [*_lost(overview.lost, overview.start_ns), ""]
    return "\n".join([*lines, *_send(overview, chosen), ""])


def _head(overview: Overview, chosen: bool) -> Iterator[str]:
    count = len(overview.files)
    name = Path(overview.files[0]).name if count == 1 else counted(count, "file")
    packets = f"{number(overview.packets)} packet" + ("" if overview.packets == 1 else "s")
    yield f"{name}: {packets} in {span(overview.end_ns - overview.start_ns)}"
    yield f"{'from':<12}{_when(overview.start_ns)}"
    where = " on all ports" if chosen else ""
    yield f"{'sessions':<12}{number(overview.recorded)} recorded{where}, {number(overview.replayable)} replayable"
    label = "rejected"
    for reason, many in overview.rejected.items():
        if many:
            yield from folded(label, f"{number(many)} {reason}: {REASONS[reason]}".split())
            label = ""


def _when(since_epoch_ns: int) -> str:
    return instant(since_epoch_ns)[:19].replace("T", " ") + " UTC"


def _table(overview: Overview) -> Iterator[str]:
    yield _row("service", ("protocol", "sessions", "replayable", "messages", "client", "server"))
    for service in overview.services[:LISTED]:
        counts = (service.sessions, service.replayable, service.messages)
        sizes = (service.client_bytes, service.server_bytes)
        yield _row(
            endpoint(service.server, service.port),
            (service.protocol, *(short(each) for each in counts), *(size(each) for each in sizes)),
        )
    if len(overview.services) > LISTED:
        yield f"and {len(overview.services) - LISTED:,} more (--json has all)"


def _row(name: str, cells: tuple[str, ...]) -> str:
    """A name (on a line of its own where it is long), the protocol to the left, numbers to the right."""
    first = name.ljust(_WIDTHS[0]) if len(name) <= _WIDTHS[0] else f"{name}\n{'':<{_WIDTHS[0]}}"
    numbers = "".join(cell.rjust(width) for cell, width in zip(cells[1:], _WIDTHS[2:], strict=True))
    return f"{first} {cells[0]:<{_WIDTHS[1]}}{numbers}"


def _figures(service: Service) -> Iterator[str]:
    lasted = span(service.end_ns - service.start_ns)
    where = endpoint(service.server, service.port)
    yield f"{where}, {service.protocol}: {lasted}, at most {counted(service.peak, 'session')} at once"
    yield f"  {'':<14}" + "".join(name.rjust(11) for name in ("count", "p50", "p90", "p99", "max"))
    sizes = (("message size", service.message_bytes), ("answer size", service.answer_bytes))
    times = (("answer time", service.answer_ns), ("think time", service.think_ns))
    for name, spread in sizes:
        yield from _spread(name, spread, size)
    for name, spread in times:
        yield from _spread(name, spread, span)
    if service.think_ns.count:
        yield from folded("  pauses", _pauses(service.pauses), indent=16)
    rejected = ", ".join(f"{number(count)} {reason}" for reason, count in service.rejected.items() if count)
    if rejected:
        yield f"  {'rejected':<14}{rejected}"


def _spread(name: str, spread: Spread, worded: Callable[[float], str]) -> Iterator[str]:
    if spread.count:
        values = (spread.p50, spread.p90, spread.p99, spread.max)
        cells = (short(spread.count), *(worded(value) for value in values if value is not None))
        yield f"  {name:<14}" + "".join(cell.rjust(11) for cell in cells)


def _pauses(pauses: Pauses, most: int = 6) -> list[str]:
    """A few pauses all; of many the lengths that stand out: more than once, and at least one pause in fifty."""
    whole = pauses.others + sum(count for _, count in pauses.frequent)
    told = [(length, n) for length, n in pauses.frequent if whole <= most or (n > 1 and 50 * n >= whole)][:most]
    parts = [f"{span(length)} x {count:,}" for length, count in told]
    others = whole - sum(count for _, count in told)
    if others:
        parts.append(f"{others:,} of {'other' if parts else 'many'} lengths")
    if pauses.too_short:
        parts.append(f"{pauses.too_short:,} under 1 ms")
    return [f"{part}," for part in parts[:-1]] + parts[-1:]


def _lost(lost: Losses, start_ns: int) -> Iterator[str]:
    yield f"The capture lost {size(lost.bytes)} of {counted(lost.connections, 'connection')}, most of them at"
    for second in lost.seconds:
        after = span(max(second.start_ns - start_ns, 0))
        what = f"{counted(second.connections, 'connection')}, {size(second.bytes)}"
        yield f"  {_when(second.start_ns)} ({after} in): {what}"


def _send(overview: Overview, chosen: bool) -> Iterator[str]:
    if overview.send is None:
        yield "None of these sessions can be replayed." if chosen else "Nothing in it can be replayed."
        return
    which = "each of these sessions" if chosen else "each session to the busiest port"
    yield f"To replay {which} once, fill in what is in capitals:"
    for name, hint in placeholders(overview.send).items():
        yield f"# {name}: {hint}"
    yield overview.send
