"""The engine's memory: every column that the compiled kernels share, behind one record.

Kernels take the record ``core`` and reach the columns through the functions below. Handing the arrays themselves from
kernel to kernel cost four times the rest of the engine: numba counts references, atomically, at every call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from gryphon.sender.compiled import inner
from gryphon.sender.replay.fields import FIELD, SLOT
from gryphon.sender.replay.measures import HISTOGRAM_BUCKETS, bucket_of
from gryphon.sender.replay.packet import PACKET
from gryphon.sender.replay.rows import USER
from gryphon.sender.replay.script import ENTRY, SESSION
from gryphon.sender.replay.wanted import WANTED

BLOCK = np.dtype([("hi", "u8"), ("lo", "u8"), ("count", "i8"), ("before", "i8")])
"""A run of addresses: the first (host order, IPv4 mapped), how many, and how many stand before it in the pool."""

STRETCH = np.dtype([("at", "f8"), ("rate", "f8"), ("slope", "f8"), ("before", "f8")])
"""A stretch of the schedule: from when (us), new sessions per us there, their growth per us, sessions due before it."""

EXAMPLE = np.dtype(
    [
        ("time_us", "i8"),  # of the run's clock
        ("row", "u4"),
        ("message", "u4"),  # messages that the user had released: the number of the last, from 1; 0: none
        ("wanted", "u4"),  # of a mismatch: bytes that were recorded, bytes that came
        ("got", "u4"),
        ("loop", "u2"),
        ("used", "u1"),
        ("seen", "u1"),  # bytes of ``begins``
        ("begins", "u1", (32,)),  # of a mismatch: how the answer began
    ]
)
"""One user that met trouble, and where in its session."""

CORE = np.dtype(
    [
        # where the columns begin: addresses in memory
        ("users", "i8"),  # rows.USER
        ("heads", "i8"),  # u4: the wheel's slots
        ("sessions", "i8"),  # script.SESSION
        ("entries", "i8"),  # script.ENTRY
        ("services", "i8"),  # u2 per target: the intercept's index of that service
        ("blocks", "i8"),  # BLOCK
        ("counters", "i8"),  # i8 per measures.Counter
        ("histograms", "i8"),  # i8, measures.Histogram x HISTOGRAM_BUCKETS
        ("packets", "i8"),  # packet.PACKET: the batch being filled
        ("stretches", "i8"),  # STRETCH
        ("recorded_starts", "i8"),  # i8 per session: us from the first start
        ("examples", "i8"),  # examples.EXAMPLE
        ("samples", "i8"),  # u1: the first bytes of each record's payload, sample_width bytes a record
        ("answer_heads", "i8"),  # u1: the first bytes of recorded answers
        ("masks", "i8"),  # u1: not 0 where such a byte may be anything
        ("statuses", "i8"),  # i8 per HTTP status code
        ("wanted", "i8"),  # wanted.WANTED
        ("wanted_texts", "i8"),  # u1
        ("payload", "i8"),  # u1: the script's arena, its tail the scratch area
        ("fields", "i8"),  # fields.FIELD
        ("texts", "i8"),  # u1: values of CSV columns and alphabets
        ("slots", "i8"),  # fields.SLOT
        ("values", "i8"),  # u1: what answers gave, value_stride bytes for each user
        # how many there are
        ("user_count", "i8"),  # here; with several engines each has a share of the run's users (user_number)
        ("share", "i8"),  # which share, from 0,
        ("shares", "i8"),  # of how many,
        ("everybody", "i8"),  # and how many users they have together
        ("session_count", "i8"),
        ("block_count", "i8"),
        ("packet_room", "i8"),
        ("sample_width", "i8"),
        ("wanted_count", "i8"),
        ("value_stride", "i8"),
        ("scratch", "i8"),  # where in the arena segments with fields are copied to
        # how slots become addresses and ports (addresses.py)
        ("addresses", "i8"),  # in the pool
        ("capacity", "i8"),  # slots: addresses x ports
        ("cycle", "i8"),  # slots in use before the first comes again
        ("rounds", "i8"),  # how many loops that takes
        ("mode", "i8"),
        ("seed", "i8"),  # 0: slots in order
        ("half_bits", "i8"),  # of the Feistel network
        # settings of the run
        ("start", "i8"),  # us of the run's clock at which the schedule begins
        ("spacing", "i8"),  # arrivals.Spacing
        ("stretch_count", "i8"),
        ("recorded_count", "i8"),
        ("period", "i8"),  # us of one pass over the recorded starts
        ("arrival_seed", "i8"),
        ("loops", "i8"),  # sessions that each user replays
        ("wall_clock", "i8"),  # us since the epoch at the run's clock 0
        ("until", "i8"),  # us of the run's clock after which no session starts
        ("timeout", "i8"),  # us without a byte of an answer, or without a handshake
        ("mtu", "i8"),
        ("headers", "i8"),  # bytes of the IP and TCP headers without options
        ("generation", "i8"),  # of the lease; other records are stray
        ("isn_clock", "i8"),  # RFC 6528's M at the start of the run
        ("ts_clock", "i8"),  # TSval at the run's clock 0, milliseconds
        # where the engine stands
        ("tick", "i8"),  # next tick of the wheel to serve, absolute
        ("started", "i8"),  # users whose start has been sent
        ("next_start", "i8"),  # us of the run's clock at which the next user starts; arrivals.NEVER
        ("due", "f8"),  # sessions due by then
        ("drawn", "i8"),  # Poisson gaps that these come from
        ("stretch", "i8"),  # the stretch of the schedule that this lies in
        ("away", "i8"),  # users that will come back: they have failed, or may not yet
        ("openings", "i8"),  # sessions that may still begin in this step,
        ("turn", "i8"),  # and us after which a user that comes back and may not asks again
        ("draining", "i8"),  # the run's time is over: 1
        ("drained", "i8"),  # rows that have been told so
        ("swept", "i8"),  # rows the abort has passed
        # the user being served (output.attend)
        ("session", "i8"),  # index of its session
        ("source_hi", "u8"),  # its address and port
        ("source_lo", "u8"),
        ("source_port", "i8"),
        ("isn", "i8"),  # its initial sequence number
        ("sample_at", "i8"),  # of the record being served: where its sample begins,
        ("sample_length", "i8"),  # the bytes that it has,
        ("sample_skip", "i8"),  # and how many of them had arrived before
        ("packet_count", "i8"),  # descriptors in the batch
        ("scratch_used", "i8"),  # bytes of the scratch area that they point at
    ],
    align=True,
)
"""Everything a kernel needs, one row; columns by address, so that the owner must keep the arrays alive."""

_CACHE_LINE = 64

Core = Any
"""One row of CORE."""

PLAIN_PYTHON = bool(numba.config.DISABLE_JIT)  # type: ignore[attr-defined]
"""Kernels are not compiled, and need rows whose columns are attributes."""

_ARRAYS: dict[int, Any] = {}
"""Plain Python finds a column by its address here (NUMBA_DISABLE_JIT=1)."""


def _element(dtype: np.dtype[Any]) -> Callable[[int, int], Any]:
    """A function of (address of a column, index) that gives the element as a record."""
    if PLAIN_PYTHON:
        return lambda address, index: _ARRAYS[int(address)][int(index)]
    record = numba.from_dtype(dtype)

    def typed(_context: Any, address: Any, index: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            base, place = (
                context.cast(builder, value, kind, types.int64)
                for value, kind in zip(arguments, signature.args, strict=True)
            )
            width = context.get_constant(types.int64, dtype.itemsize)
            return builder.inttoptr(builder.add(base, builder.mul(place, width)), context.get_value_type(record))

        return record(address, index), build

    element: Callable[..., Any] = intrinsic(typed)
    return element


def _fetch(dtype: np.dtype[Any]) -> Callable[[int, int], None]:
    """A function of (address of a column, index) that has the element brought into the cache, and waits for nothing."""
    if PLAIN_PYTHON:
        return lambda address, index: None

    def typed(_context: Any, address: Any, index: Any) -> Any:
        def build(context: Any, builder: Any, taken: Any, arguments: Any) -> Any:
            base, place = (
                context.cast(builder, value, kind, types.int64)
                for value, kind in zip(arguments, taken.args, strict=True)
            )
            first = builder.add(base, builder.mul(place, context.get_constant(types.int64, dtype.itemsize)))
            byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
            signature = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
            prefetch = builder.module.declare_intrinsic("llvm.prefetch", [byte], signature)
            for offset in range(0, dtype.itemsize, _CACHE_LINE):
                where = builder.inttoptr(builder.add(first, first.type(offset)), byte)
                # for writing, to be kept in every cache, data
                builder.call(prefetch, [where, number(1), number(3), number(1)])
            return context.get_dummy_value()

        return types.void(address, index), build

    fetch: Callable[..., None] = intrinsic(typed)
    return fetch


def _values(kind: str) -> np.dtype[Any]:
    """A record of a single number."""
    return np.dtype([("value", kind)])


user_at = _element(USER)
fetch_user = _fetch(USER)
entry_at = _element(ENTRY)
block_at = _element(BLOCK)
packet_at = _element(PACKET)
head_at = _element(_values("u4"))
stretch_at = _element(STRETCH)
example_at = _element(EXAMPLE)
wanted_at = _element(WANTED)
number_at = _element(_values("i8"))
field_at = _element(FIELD)
slot_at = _element(SLOT)
byte_at = _element(_values("u1"))
_session_at = _element(SESSION)
_service_at = _element(_values("u2"))


@inner
def user_number(core: Core, row: int) -> int:
    """The number in the whole run of a user here: of n engines the k-th plays every n-th user, from k on."""
    return int(row * core.shares + core.share)


@inner
def turn_to(core: Core, row: int) -> None:
    """From here on ``session_of`` is that of this user: user i replays session i mod n."""
    core.session = 0 if core.session_count == 1 else user_number(core, row) % core.session_count


@inner
def session_of(core: Core) -> Any:
    """The session of the user being served."""
    return _session_at(core.sessions, core.session)


@inner
def service_of(core: Core) -> int:
    """The service, as records number it, that the user being served talks to."""
    return int(_service_at(core.services, session_of(core).target).value)


@inner
def count(core: Core, counter: int, number: int) -> None:
    """Add to a ``measures.Counter``."""
    number_at(core.counters, counter).value += number


@inner
def counted(core: Core, counter: int) -> int:
    """The state of a ``measures.Counter``."""
    return int(number_at(core.counters, counter).value)


@inner
def note(core: Core, histogram: int, value: int) -> None:
    """Count a value (microseconds) in a ``measures.Histogram``."""
    number_at(core.histograms, histogram * HISTOGRAM_BUCKETS + bucket_of(value)).value += 1


def bind(core: npt.NDArray[Any], column: str, array: npt.NDArray[Any]) -> None:
    """Let a column of ``core`` (one row of CORE) point to an array, which its owner keeps."""
    address = array.ctypes.data
    core[column] = address
    if PLAIN_PYTHON:
        plain = array.reshape(-1) if array.dtype.names else array.reshape(-1).view(_values(array.dtype.str))
        _ARRAYS[address] = plain.view(np.recarray)
