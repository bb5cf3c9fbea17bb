"""The program of the xdp transmitter, loaded and attached, and its memory as arrays."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gryphon.bpf import live, loader, syscall
from gryphon.controller.errors import EnvironmentFault
from gryphon.controller.private import private_directory
from gryphon.sender.transmit.wire import PLACE
from gryphon.sender.transmit.xdp_anchor import anchor

SOURCE = Path(loader.__file__).parent / "transmit.bpf.c"
FRAME_BYTES = 1 << 20
"""Memory for the frames of one run: it stays in a core's cache as far as it is used."""

LARGEST_FRAME = 3328
"""Bytes of a frame that a live one's page has room for, below what Linux 5.18 to 6.18 leave of 4 KiB."""

PLACES = 4096
"""The most frames of one run."""

KERNEL_BATCH = 64
"""Frames that the kernel takes through the program before it hands them on."""

_FIRST_LENGTH = 64  # of a live frame, before the program sets its own
_NATIVE = 4  # XDP_FLAGS_DRV_MODE

PROGRESS = np.dtype(
    [
        ("left", "u8"),  # frames that drivers took
        ("next", "u4"),  # the place that the next live frame takes
        ("judged", "u4"),  # places of this run of which the fate is known
        ("failed", "u4"),  # how many of those did not leave
        ("device", "u4"),  # interface index, of all frames of a run
        ("owner", "u4"),
        ("reserved", "u4"),
    ]
)
"""``struct progress`` in ``bpf/transmit.bpf.c``."""


class XdpProgram:
    """Everything that the kernel holds for one transmitter; all of it goes with its descriptors, killed or not.

    Attributes:
        memory: where frames are built, u1.
        places: where each frame lies, dtype ``PLACE``; an ``error`` other than 0 tells that it did not leave.
    """

    def __init__(self, kernel_batch: int = KERNEL_BATCH) -> None:
        """Compile it, or take what was kept, and load it. Raises ``EnvironmentFault``."""
        with ExitStack() as undo:
            module = loader.compile(
                SOURCE, {"FRAME_BYTES": FRAME_BYTES, "PLACES": PLACES}, private_directory("programs")
            )
            undo.callback(module.close)
            self.memory: npt.NDArray[np.uint8] = np.frombuffer(
                live.memory(module.maps["frames"]), np.uint8, FRAME_BYTES
            )
            self.places: npt.NDArray[np.void] = np.frombuffer(live.memory(module.maps["places"]), PLACE, PLACES)
            progress = live.memory(module.maps["progress"])
            self._progress = np.frombuffer(progress, PROGRESS, 1)
            # next, judged, failed, device: each call looks at them, and an array takes three times as long
            self._counts = memoryview(progress)[8:24].cast("I")
            self._adopt = _load(module, syscall.RAW_TRACEPOINT, "adopt", undo)
            transmit = _load(module, syscall.XDP, "transmit", undo)
            self._passing = _load(module, syscall.XDP, "passing", undo)
            _listen(module, undo)
            undo.enter_context(anchor(transmit))
            self._owner = 0
            self._run = live.LiveRun(transmit, _FIRST_LENGTH, kernel_batch)
            self._opened = undo.pop_all()

    def run(self, frames: int, device: int) -> int:
        """Send the first ``frames`` places to an interface: 0, or the errno with which the kernel stopped earlier."""
        if self._owner != os.getpid():  # the first time, or the first in a process that was forked
            try:
                live.run_once(self._adopt)
            except OSError as error:
                return error.errno or 0
            self._owner = os.getpid()
        counts = self._counts
        counts[0] = counts[1] = counts[2] = 0
        counts[3] = device
        return self._run.run(frames)

    def outcome(self) -> tuple[int, int, int]:
        """Of the last run: places reached, places whose fate is known, frames that did not leave."""
        counts = self._counts
        return counts[0], counts[1], counts[2]

    @property
    def left(self) -> int:
        """How many frames drivers have taken so far."""
        return int(self._progress["left"][0])

    def attach_passing(self, device: int) -> None:
        """Give an interface a program that passes everything; it goes with this process. Raises ``OSError``."""
        link = syscall.xdp_link(self._passing, device, _NATIVE)
        self._opened.callback(os.close, link)

    def close(self) -> None:
        """Let go of programs, links and maps; calling it twice does no harm."""
        self._run.close()
        self._opened.close()


def _load(module: loader.Module, kind: int, function: str, undo: ExitStack) -> int:
    program = module.load(kind, function, f"gryphon_{function}"[:15])
    undo.callback(os.close, program)
    return program


def _listen(module: loader.Module, undo: ExitStack) -> None:
    """Hear from the kernel's tracepoints what became of this process's frames."""
    try:
        for function, tracepoint in (("on_xmit", "xdp_devmap_xmit"), ("on_refusal", "xdp_redirect_err")):
            program = _load(module, syscall.RAW_TRACEPOINT, function, undo)
            undo.callback(os.close, live.listen(program, tracepoint))
    except OSError as error:
        raise EnvironmentFault(
            f"this kernel does not tell what became of frames sent from XDP ({os.strerror(error.errno or 0)} at its "
            "tracepoints): choose --transmit link or raw"
        ) from error
