"""What a run reads of the server's answers: how much the options ask for, and the sample that this needs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gryphon.controller.errors import InputFault
from gryphon.controller.samples import MOST as MOST_SAMPLE
from gryphon.controller.samples import rounded
from gryphon.sender.intercepts import Place
from gryphon.sender.rules.rule import Extract, Stamp, UserRules

if TYPE_CHECKING:
    from gryphon.sender.replay.verify import Verify
    from gryphon.sender.replay.wanted import Wanted

STATUS_BYTES = 16
"""What a run looks at when nothing else is said and answers are dropped on this host: HTTP's status lines."""

_UNITS_US = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}


def parse_verify(text: str | None, ignore: Sequence[str], places: Sequence[Place]) -> Verify:
    """``--verify BYTES|off`` and ``--ignore REGEX``; by default statuses where the sample costs nobody a restart."""
    from gryphon.sender.replay.verify import Verify

    if ignore and text in (None, "off"):
        raise InputFault("--ignore says which bytes of answers may differ: say with --verify how many are compared")
    if text is None:
        local = all(place.hook for place in places)
        return Verify(STATUS_BYTES if local else 0)
    if text == "off":
        return Verify()
    if not text.isdecimal() or len(text) > 19 or not 1 <= int(text) <= MOST_SAMPLE:
        raise InputFault(f"--verify {text}: give the first bytes of answers to compare, 1 to {MOST_SAMPLE:,}, or off")
    return Verify(int(text), True, tuple(_pattern(regex) for regex in ignore))


def _pattern(text: str) -> re.Pattern[bytes]:
    """One ``--ignore``."""
    if not text:
        raise InputFault("--ignore '' matches nothing: give a regular expression, or leave it out")
    try:
        return re.compile(text.encode(errors="surrogateescape"), re.DOTALL)  # bytes of the command line as they are
    except (re.error, RecursionError, OverflowError, UnicodeEncodeError) as error:
        raise InputFault(f"--ignore {text} is not a regular expression: {error}") from error


def compile_wants(rules: UserRules, targets: Mapping[int, int]) -> Wanted:
    """The rules for what answers hold, for the servers of a run.

    Args:
        rules: ``extracts`` in the order of their slots, and ``stamps``.
        targets: recorded server port to index of the server that its sessions go to.
    """
    from gryphon.sender.replay.wanted import ANY, Purpose, Want, compile_wanted

    def target(rule: Extract | Stamp) -> int:
        if rule.service is None:
            return ANY
        if rule.service not in targets:
            raise InputFault(f"{rule.label}: no transfer of -x is from port {rule.service}: correct service or -x")
        return targets[rule.service]

    wants = [
        Want(
            Purpose.VALUE,
            rule.after,
            rule.within,
            target=target(rule),
            message=rule.message or 0,
            until=rule.until,
            most=rule.length,
            slot=slot,
        )
        for slot, rule in enumerate(rules.extracts)
    ]
    wants += [
        Want(Purpose.TIME, rule.after, rule.within, target=target(rule), unit_us=_UNITS_US[rule.unit])
        for rule in rules.stamps
    ]
    return compile_wanted(wants)


def needed_sample(verify: Verify, wanted: Wanted) -> int:
    """Bytes of every segment's payload that a run has to see; InputFault when no intercept gives so many."""
    need = rounded(max(verify.size, wanted.sample))
    if need > MOST_SAMPLE:
        raise InputFault(
            f"a rule looks at the first {wanted.sample:,} bytes of a segment, and an intercept samples at most "
            f"{MOST_SAMPLE:,}: lower its within"
        )
    return need
