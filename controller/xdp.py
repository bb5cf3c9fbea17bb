"""The XDP hook: a program on the way in, by a link that is pinned and so outlives the intercept."""

from __future__ import annotations

import errno
import logging
import os
from typing import Literal

from gryphon.bpf import syscall
from gryphon.controller import interfaces
from gryphon.controller.errors import EnvironmentFault
from gryphon.controller.place import Place

KIND = syscall.XDP
FUNCTION = "intercept_xdp"
NAME = "gryphon_xdp"
_FLAGS = {"native": 4, "generic": 2}  # XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE
_BUSY = (errno.EBUSY, errno.EEXIST)

log = logging.getLogger(__name__)
Mode = Literal["auto", "native", "generic"]


class XdpHook:
    """Our program on the way into one interface.

    Attributes:
        mode: "native" or "generic", once it is attached.
    """

    def __init__(self, place: Place, wanted: Mode) -> None:
        self._place = place
        self._wanted = wanted
        self._link = -1
        self.mode = ""

    def find(self) -> bool:
        """Looks for what an earlier intercept left; EnvironmentFault when the place is another's."""
        number, mode = interfaces.xdp_program(self._place.index)
        link = self._place.pinned("link")
        if link is not None:
            ours, index = syscall.link_program_and_interface(link)
            if index == self._place.index and number and ours == number:
                self._check_mode(mode)
                self._link, self.mode = link, mode
                return True
            os.close(link)  # Its interface is gone; another has its index now.
        if number:
            raise interfaces.foreign(self._place.index, self._place.interface, number)
        return False

    def attach(self, program: int) -> None:
        """Puts the program on the interface, or in the place of the one found, with no packet in between."""
        if self._link >= 0:
            syscall.link_update(self._link, program)
            return
        modes = ("native", "generic") if self._wanted == "auto" else (self._wanted,)
        for mode in modes:
            try:
                self._link = syscall.xdp_link(program, self._place.index, _FLAGS[mode])
            except OSError as error:
                if mode == modes[-1] or error.errno in _BUSY:
                    raise self._refused(mode, error) from error
                log.info("%s has no native XDP (%s): generic it is", self._place.interface, error.strerror)
            else:
                self.mode = mode
                break
        self._place.pin("link", self._link)

    def detach(self) -> None:
        """Takes the program off the interface."""
        if self._link >= 0:
            syscall.link_detach(self._link)
        self.close()

    def is_there(self) -> bool:
        """Whether the link still holds the program on the interface (a link that was detached has index 0)."""
        return self._link < 0 or syscall.link_program_and_interface(self._link)[1] == self._place.index

    def close(self) -> None:
        """Lets go of the link, which stays pinned."""
        if self._link >= 0:
            os.close(self._link)
            self._link = -1

    def _check_mode(self, mode: str) -> None:
        if self._wanted not in ("auto", mode):
            name = self._place.interface
            raise EnvironmentFault(
                f"An earlier intercept left its {mode} interception on {name}, which cannot become {self._wanted} "
                f"without a gap: detach it first (`gryphon-intercept --detach {name}`)."
            )

    def _refused(self, mode: str, error: OSError) -> EnvironmentFault:
        number, _ = interfaces.xdp_program(self._place.index)
        if number and error.errno in _BUSY:
            return interfaces.foreign(self._place.index, self._place.interface, number)
        other = "generic" if mode == "native" else "auto"
        return EnvironmentFault(
            f"{self._place.interface} takes no {mode} XDP program ({error.strerror}): try --xdp-mode {other}."
        )
