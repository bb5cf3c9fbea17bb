"""The transmitter's program turns each live frame into the next one built, and says of each what became of it."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hosts import INTERFACE, Pair

from gryphon.bpf import headers, live, loader, syscall
from gryphon.bpf.quiet import captured_stderr
from gryphon.sender.transmit.wire import FRAME_ROOM, PLACE
from gryphon.sender.transmit.xdp_program import LARGEST_FRAME, PROGRESS, SOURCE

FRAME_BYTES, PLACES, DEVICE = 1 << 15, 8, 77
DEFINITIONS = {"FRAME_BYTES": FRAME_BYTES, "PLACES": PLACES}
DROP, REDIRECT = 1, 4


class Transmit:
    """The program with its memory; what is in it is never sent: each run is of one frame that is not live."""

    def __init__(self) -> None:
        self.module = loader.compile(SOURCE, DEFINITIONS)
        self.descriptor = self.module.load(syscall.XDP, "transmit", "test_transmit")
        self.memory = np.frombuffer(live.memory(self.module.maps["frames"]), np.uint8)
        self.places: Any = np.frombuffer(live.memory(self.module.maps["places"]), PLACE, PLACES)
        self.progress: Any = np.frombuffer(live.memory(self.module.maps["progress"]), PROGRESS, 1)[0]

    def reset(self) -> None:
        self.places[:] = 0
        self.memory[:] = 0xEE
        for name in ("left", "next", "judged", "failed", "owner"):
            self.progress[name] = 0
        self.progress["device"] = DEVICE

    def put(self, place: int, offset: int, frame: bytes) -> None:
        self.memory[offset : offset + len(frame)] = np.frombuffer(frame, np.uint8)
        self.places[place]["offset"], self.places[place]["length"] = offset, len(frame)

    def run(self, length: int = 64) -> tuple[int, bytes]:
        """The verdict on a frame of so many zeros, and what has become of it."""
        data, out = ctypes.create_string_buffer(length), ctypes.create_string_buffer(FRAME_ROOM)
        attributes = struct.pack(
            "=IIIIQQII", self.descriptor, 0, length, FRAME_ROOM, ctypes.addressof(data), ctypes.addressof(out), 1, 0
        )
        _, after = syscall.bpf(syscall.PROG_TEST_RUN, attributes)
        return struct.unpack_from("=I", after, 4)[0], out.raw[: struct.unpack_from("=I", after, 12)[0]]


@pytest.fixture(scope="module")
def _compiled() -> Iterator[Transmit]:
    made = Transmit()
    yield made
    os.close(made.descriptor)
    made.module.close()


@pytest.fixture
def transmit(_compiled: Transmit) -> Transmit:
    """The program with nothing to send yet."""
    _compiled.reset()
    return _compiled


@pytest.mark.parametrize("length", [14, 15, 54, 60, 63, 64, 65, 1514, LARGEST_FRAME])
@pytest.mark.parametrize("offset", [2, 6, FRAME_BYTES - FRAME_ROOM])
@pytest.mark.parametrize("first", [64, 1514])
def test_the_frame_in_the_next_place_comes_out_whole(transmit: Transmit, length: int, offset: int, first: int) -> None:
    frame = bytes(range(1, 252)) * 14
    transmit.put(0, offset, frame[:length])
    assert transmit.run(first) == (REDIRECT, frame[:length])
    assert transmit.places["error"].tolist() == [0] * PLACES


def test_each_frame_takes_the_place_behind_the_one_before(transmit: Transmit) -> None:
    frames = [bytes([number]) * (20 + number) for number in range(PLACES)]
    for number, frame in enumerate(frames):
        transmit.put(number, 2 + 100 * number, frame)
    assert [transmit.run() for _ in frames] == [(REDIRECT, frame) for frame in frames]
    assert transmit.progress["next"] == PLACES


def test_where_places_end_nothing_leaves(transmit: Transmit) -> None:
    transmit.progress["next"] = PLACES
    assert transmit.run()[0] == DROP
    assert transmit.progress["next"] == PLACES


@pytest.mark.parametrize(
    ("offset", "length"),
    [(2, 0), (2, 13), (2, 4097), (2, 65535), (FRAME_BYTES - FRAME_ROOM + 1, 60), (0xFFFFFFFF, 60), (2, 4096)],
    ids=["empty", "no header", "above a page", "longest", "at the end", "outside", "no room in the page"],
)
def test_a_place_that_makes_no_sense_drops_its_frame_and_the_rest_goes_on(
    transmit: Transmit, offset: int, length: int
) -> None:
    transmit.put(1, 2, b"next" * 10)
    transmit.places[0]["offset"], transmit.places[0]["length"] = offset, length
    assert transmit.run()[0] == DROP
    assert transmit.run() == (REDIRECT, b"next" * 10)
    assert transmit.places["error"].tolist()[:2] == [errno.EINVAL, 0]
    assert transmit.places["failed"][0] == transmit.progress["failed"] == transmit.progress["judged"] == 1


@pytest.fixture
def listening(transmit: Transmit) -> Iterator[Transmit]:
    """The program, and those that hear of its frames, for this process."""
    load = transmit.module.load
    programs = [load(syscall.RAW_TRACEPOINT, name, name) for name in ("adopt", "on_xmit", "on_refusal")]
    live.run_once(programs[0])
    links = [live.listen(programs[1], "xdp_devmap_xmit"), live.listen(programs[2], "xdp_redirect_err")]
    yield transmit
    for descriptor in (*links, *programs):
        os.close(descriptor)


def send(transmit: Transmit, frames: int, device: int, batch: int = 64) -> int:
    """Sends so many live frames to an interface; the errno of the run."""
    for number in range(frames):
        transmit.put(number, 2 + 100 * number, bytes(12) + b"\x88\xb5" + bytes([number]) * 50)
    transmit.progress["device"] = device
    return live.LiveRun(transmit.descriptor, 64, batch).run(frames)


def outcome(transmit: Transmit) -> dict[str, int]:
    return {name: int(transmit.progress[name]) for name in ("next", "judged", "failed", "left")}


def test_frames_that_the_driver_takes_are_counted(listening: Transmit, pair: Pair) -> None:
    with pair.on("server"):
        index = socket.if_nametoindex(INTERFACE)
    tap = pair.tap("helper")
    passing = listening.module.load(syscall.XDP, "passing", "test_passing")
    with pair.on("helper"):
        ready = syscall.xdp_link(passing, socket.if_nametoindex(INTERFACE), 4)
    with pair.on("server"):
        assert send(listening, 5, index) == 0
    assert [tap.recv(100)[14] for _ in range(5)] == [0, 1, 2, 3, 4]
    assert outcome(listening) == {"next": 5, "judged": 5, "failed": 0, "left": 5}
    os.close(ready)
    os.close(passing)
    tap.close()


def test_frames_that_the_driver_does_not_take_have_its_errno(listening: Transmit, pair: Pair) -> None:
    with pair.on("server"):
        index = socket.if_nametoindex(INTERFACE)
        assert send(listening, 5, index) == 0  # the other end of the veth has neither GRO nor a program
    assert outcome(listening) == {"next": 5, "judged": 5, "failed": 5, "left": 0}
    assert set(failures(listening)) <= {errno.EOPNOTSUPP, errno.ENXIO}  # before the driver is asked, or by it
    assert len(failures(listening)) == 5


def test_frames_to_an_interface_that_is_not_there_are_refused_one_by_one(listening: Transmit, pair: Pair) -> None:
    with pair.on("server"):
        assert send(listening, 3, 0x7FFFFFFF) == 0
    assert outcome(listening) == {"next": 3, "judged": 3, "failed": 3, "left": 0}
    assert failures(listening) == [errno.EINVAL] * 3


def test_frames_of_other_processes_are_not_counted(listening: Transmit, pair: Pair) -> None:
    listening.progress["owner"] += 1
    with pair.on("server"):
        assert send(listening, 3, 0x7FFFFFFF) == 0
    assert outcome(listening) == {"next": 3, "judged": 0, "failed": 0, "left": 0}


def failures(transmit: Transmit) -> list[int]:
    """The errno of each frame that did not leave."""
    return [int(place["error"]) for place in transmit.places if place["error"] for _ in range(place["failed"])]


def test_places_and_progress_equal_the_c_structs_field_by_field() -> None:
    os.environ["BCC_KERNEL_SOURCE"] = str(headers.STUB)
    flags = [*headers.compiler_flags(), *(f"-D{name}={value}" for name, value in DEFINITIONS.items())]
    with captured_stderr():
        compiled = loader.find_bcc().BPF(text=headers.flatten(Path(SOURCE)).encode(), cflags=flags)
    for table, dtype in ((b"places", PLACE), (b"progress", PROGRESS)):
        leaf = compiled[table].Leaf
        in_c = [(name, getattr(leaf, name).offset, getattr(leaf, name).size) for name, *_ in leaf._fields_]
        assert [(name, field[1], field[0].itemsize) for name, field in (dtype.fields or {}).items()] == in_c
        assert dtype.itemsize == ctypes.sizeof(leaf)
    compiled.cleanup()
