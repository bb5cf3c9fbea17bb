"""Gives frames to the programs of both hooks by BPF_PROG_TEST_RUN, and holds what they did to the rules."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import time
from collections import Counter
from collections.abc import Callable, Sequence
from ipaddress import ip_network
from typing import NamedTuple

from gryphon.bpf import syscall
from gryphon.controller.tables import unmapped
from tests.bpf_fuzz import rules
from tests.bpf_fuzz.corpus import world
from tests.bpf_fuzz.rules import Judgement, Kind, World
from tests.kernel.verdicts import PROGRAMS, Program

Case = tuple[bytes, int | None]
"""A frame, and the end of its first buffer at XDP."""
SETUPS = ((False, 0), (True, 32))
"""Few services and ranges without a sample, and more than the short way has room for with one."""
_HOUR = 3600 * 10**9
_ROOM = 1 << 16
_UNDECIDED = ("time_ns", "reserved")


class Difference(NamedTuple):
    """A program and the rules disagree."""

    where: str
    frame: bytes
    legible: int | None
    wanted: str
    got: str

    def __str__(self) -> str:
        split = "" if self.legible is None else f", first buffer {self.legible} bytes"
        return f"{self.where}{split}\n  frame  {self.frame.hex()}\n  wanted {self.wanted}\n  got    {self.got}"


class Runner:
    """One hook's program in one setup."""

    def __init__(self, hook: str, many: bool, sample: int) -> None:
        self.name = f"{hook}, {'many' if many else 'few'} services and ranges, sample {sample}"
        self.hook, self.sample = hook, sample
        self.world = world(many)
        self.program = Program(hook, sample=sample)
        _register(self.program, self.world)
        self._verdicts = PROGRAMS[hook][2]
        self._data = ctypes.create_string_buffer(_ROOM)
        self._context = ctypes.create_string_buffer(24)  # struct xdp_md
        self._attributes = ctypes.create_string_buffer(syscall.ATTR_SIZE)
        self._run = syscall.prepared(syscall.PROG_TEST_RUN, self._attributes)

    def close(self) -> None:
        """Lets go of the program."""
        self.program.close()

    def verdict(self, frame: bytes, split: int | None) -> str:
        """What the program says; "not taken" where the kernel runs no program on such a frame."""
        ctypes.memmove(self._data, frame, len(frame))
        size = 24 if split else 0
        struct.pack_into("=II", self._context, 0, 0, split or 0)
        struct.pack_into(
            "=IIIIQQIIIIQQ", self._attributes, 0, self.program.descriptor, 0, len(frame), 0,
            ctypes.addressof(self._data), 0, 1, 0, size, 0, ctypes.addressof(self._context) if split else 0, 0,
        )  # fmt: skip
        error = self._run()
        if error == errno.EINVAL:
            return "not taken"
        if error:
            raise OSError(error, os.strerror(error))
        verdict = struct.unpack_from("=I", self._attributes, 4)[0]
        return self._verdicts.get(verdict, f"unknown verdict {verdict}")

    def compare(self, cases: Sequence[Case], wanted: Sequence[Judgement]) -> list[Difference]:
        """Runs all; where the whole is not as wanted, each again by itself: one record too many moves the rest."""
        if not self._differs(cases, wanted):
            return []
        found = []
        for case, judgement in zip(cases, wanted, strict=True):
            got = self._differs([case], [judgement])
            if got:
                split = case[1] if self.hook == "xdp" else None
                found.append(Difference(self.name, case[0], split, repr(judgement), got))
        return found or [Difference(self.name, b"", None, "the same of each frame alone and in a row", "differences")]

    def _differs(self, cases: Sequence[Case], wanted: Sequence[Judgement]) -> str:
        """Verdicts, records in their order, and counters, as they are where they are not as wanted; else nothing."""
        before, begun = self.program.counters(), time.monotonic_ns()
        said = [self.verdict(frame, split if self.hook == "xdp" else None) for frame, split in cases]
        records = self._records(begun)
        taken = [
            (verdict, judgement)
            for verdict, judgement, (frame, _) in zip(said, wanted, cases, strict=True)
            if verdict != "not taken" or not may_be_refused(self.hook, frame)
        ]
        kinds = Counter(judgement.kind for _, judgement in taken)
        moved = tuple(after - then for after, then in zip(self.program.counters(), before, strict=True))
        recorded, malformed = kinds[Kind.RECORDED], kinds[Kind.MALFORMED]
        if (
            all(verdict == judgement.verdict for verdict, judgement in taken)
            and records == [judgement.record for _, judgement in taken if judgement.record is not None]
            and moved == (recorded + malformed, recorded, 0, kinds[Kind.PASSED], malformed)
        ):
            return ""
        return f"{said[:1]}, matched, recorded, ring_full, passed, malformed {moved}, {records[:2]}"

    def _records(self, begun: int) -> list[rules.Record]:
        """What is in the ring, without what the frames do not decide; the times must be those of the run, in order."""
        taken: list[rules.Record] = []
        last = begun
        while len(batch := self.program.ring.read()):
            times = batch["time_ns"].tolist()
            assert [last, *times] == sorted([last, *times]), "a record's time is not that of its packet"
            last = times[-1]
            names = [name for name in batch.dtype.names or () if name not in (*_UNDECIDED, "sample", "record")]
            samples = batch["sample"].tolist() if self.sample else [b""] * len(batch)
            columns = [batch[name].tolist() for name in names]
            taken += [rules.Record(*row, bytes(sample)) for *row, sample in zip(*columns, samples, strict=True)]
        assert last <= time.monotonic_ns()
        return taken


def _register(program: Program, registered: World) -> None:
    """Fills the program's maps; what is dead has run out just now."""
    for (address, port), index in registered.services.items():
        assert program.services.add(unmapped(address.to_bytes(16, "big")), port) == index
    now = time.monotonic_ns()
    for one in sorted(registered.ranges, key=lambda one: one.prefix):
        address = unmapped(one.network.to_bytes(16, "big"))
        prefix = one.prefix - 96 if address.version == 4 else one.prefix
        # A dead one is registered alive and then run out: the tables forget one that never lived.
        program.ranges.add(ip_network((address, prefix)), one.generation, now + _HOUR)
    for one in registered.ranges:
        if not one.lives:
            address = unmapped(one.network.to_bytes(16, "big"))
            program.ranges.renew(ip_network((address, one.prefix - 96 if address.version == 4 else one.prefix)), now)


def may_be_refused(hook: str, frame: bytes) -> bool:
    """BPF_PROG_TEST_RUN itself wants a whole IP header where the EtherType says IP, and no frame of 14 bytes, at tc."""
    least = {b"\x08\x00": 34, b"\x86\xdd": 54}.get(frame[12:14], 15)
    return hook == "tc" and len(frame) < least


class Comparison:
    """All setups at both hooks: four programs."""

    def __init__(self) -> None:
        self._runners = [[Runner(hook, many, sample) for hook in PROGRAMS] for many, sample in SETUPS]
        self.kinds: Counter[Kind] = Counter()

    def close(self) -> None:
        """Lets go of all programs."""
        for pair in self._runners:
            for runner in pair:
                runner.close()

    def run(self, frames: int, batch: int, following: Callable[[], Case], enough: int = 20) -> list[Difference]:
        """So many frames, each to both hooks in one setup, or until enough differences were found."""
        found: list[Difference] = []
        done = 0
        while done < frames and len(found) < enough:
            cases = [following() for _ in range(min(batch, frames - done))]
            pair = self._runners[done // batch % len(self._runners)]
            found += self._compare(pair, cases)
            done += len(cases)
        return found

    def _compare(self, pair: Sequence[Runner], cases: Sequence[Case]) -> list[Difference]:
        """Judged once where the frame has one buffer at both hooks."""
        (first, second), found = pair, []
        whole = [rules.judge(frame, first.world, None, first.sample) for frame, _ in cases]
        self.kinds.update(judgement.kind for judgement in whole)
        split = [
            judgement if split is None else rules.judge(frame, first.world, split, first.sample)
            for (frame, split), judgement in zip(cases, whole, strict=True)
        ]
        for runner in (first, second):
            found += runner.compare(cases, split if runner.hook == "xdp" else whole)
        return found
